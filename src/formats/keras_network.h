/*
 * A network of Keras as a list of layers with the places where each is used, and what each place
 * reads:
 *
 *     layer "conv"   use 0 reads ("input", 0)
 *     layer "add"    use 0 reads ("conv", 0), ("input", 0)
 *
 * Chains (Sequential) and graphs of layers (Model, Functional) both become that.
 */
#ifndef VBP_FORMATS_KERAS_NETWORK_H
#define VBP_FORMATS_KERAS_NETWORK_H

#include "formats/keras_loader.h"

#define KERAS_MAX_DEPTH 8

struct link {
    int layer, use;
};

struct use {
    int first_link, link_count;
    const cJSON *node; /* of the description; NULL: it has none */
    bool done;
    struct keras_value value;
};

struct layer {
    const char *name, *class_name;
    const cJSON *config;
    char *key; /* its group in files of Keras 3 */
    int first_use, use_count;
};

struct network {
    struct layer *layers;
    struct use *uses;
    struct link *links, *outputs;
    int layer_count, use_count, link_count, output_count;
    size_t layer_capacity, use_capacity, link_capacity, output_capacity;
    struct keras_place place;
};

/* The list of layers in a network's description, or NULL. */
const cJSON *keras_network_layers(const cJSON *json);
bool keras_network_is_chain(const cJSON *json);
bool keras_network_class(const char *class_name);

/* Refuses a network with layers that cannot be run, and names them. */
int keras_network_check(const cJSON *json, VbpError *error);

/* Reads the description; network->place is set. After a failure too, free it. */
int keras_network_read(const struct keras_loader *loader, struct network *network,
                       const cJSON *json, VbpError *error);
void keras_network_free(struct network *network);

/* The use that a link means, or NULL where there is none. */
struct use *keras_network_use(const struct network *network, const struct link *link);

#endif
