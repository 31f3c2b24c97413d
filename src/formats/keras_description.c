/* Reading the description of a network of Keras. */
#include "base/memory.h"
#include "formats/keras_network.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

#define MAX_LAYERS 2000
#define MAX_LINKS  20000

void keras_network_free(struct network *network)
{
    for (int i = 0; i < network->layer_count; i++)
        free(network->layers[i].key);
    free(network->layers);
    free(network->uses);
    free(network->links);
    free(network->outputs);
    free(network->place.group);
}

struct use *keras_network_use(const struct network *network, const struct link *link)
{
    const struct layer *layer = &network->layers[link->layer];

    return link->use < layer->use_count ? &network->uses[layer->first_use + link->use] : NULL;
}

/* ---- Reading the description ---------------------------------------------------------------- */

const cJSON *keras_network_layers(const cJSON *json)
{
    const cJSON *config = keras_item(json, "config", NULL);

    return cJSON_IsArray(config) ? config : keras_item(config, "layers", NULL);
}

bool keras_network_is_chain(const cJSON *json)
{
    return strcmp(keras_text(json, "class_name", NULL, ""), "Sequential") == 0;
}

bool keras_network_class(const char *class_name)
{
    return strcmp(class_name, "Sequential") == 0 || strcmp(class_name, "Model") == 0 ||
           strcmp(class_name, "Functional") == 0;
}

/* "MaxPooling2D" -> "max_pooling2d", as Keras names groups by classes. */
static void snake_case(const char *name, char *text, size_t size)
{
    size_t used = 0;

    for (size_t i = 0; name[i] && used + 2 < size; i++) {
        bool upper = isupper((unsigned char)name[i]);

        if (i > 0 && upper &&
            (islower((unsigned char)name[i + 1]) || islower((unsigned char)name[i - 1])))
            text[used++] = '_';
        text[used++] = (char)tolower((unsigned char)name[i]);
    }
    text[used] = 0;
}

/* Files of Keras 3 number the layers of each class; newer ones also tell the layer's name. */
static int find_key(const struct keras_loader *loader, const struct network *network,
                    struct layer *layer, VbpError *error)
{
    char own[128], other[128];
    char *vars, *name = NULL;
    int same = 0, result;

    snake_case(layer->class_name, own, sizeof(own));
    for (const struct layer *before = network->layers; before < layer; before++) {
        snake_case(before->class_name, other, sizeof(other));
        same += strcmp(own, other) == 0;
    }
    vars = memory_format("%s/%s/vars", network->place.group, layer->name);
    if (!vars)
        return error_out_of_memory(error);
    result = keras_hdf5_text(loader->weights, vars, "name", &name, error);
    free(vars);
    if (result != VBP_OK)
        return result;
    if (name && strcmp(name, layer->name) == 0)
        layer->key = memory_copy_text(layer->name);
    else
        layer->key = same ? memory_format("%s_%d", own, same) : memory_copy_text(own);
    free(name);
    return layer->key ? VBP_OK : error_out_of_memory(error);
}

static int add_layer(const struct keras_loader *loader, struct network *network, const cJSON *item,
                     VbpError *error)
{
    struct layer *layer;
    const cJSON *config = keras_item(item, "config", NULL);

    if (network->layer_count == MAX_LAYERS)
        return error_set(error, VBP_ERROR_UNSUPPORTED, "the network has more than %d layers",
                         MAX_LAYERS);
    if (!memory_grow((void **)&network->layers, &network->layer_capacity,
                     (size_t)network->layer_count + 1, sizeof(*network->layers)))
        return error_out_of_memory(error);
    layer = &network->layers[network->layer_count++];
    layer->class_name = keras_text(item, "class_name", NULL, NULL);
    layer->name = keras_text(config, "name", NULL, keras_text(item, "name", NULL, NULL));
    layer->config = config;
    layer->first_use = network->use_count;
    if (!layer->class_name || !layer->name)
        return error_set(error, VBP_ERROR_FORMAT, "layer %d of the network has no %s",
                         network->layer_count - 1, layer->class_name ? "name" : "class");
    return loader->by_number ? find_key(loader, network, layer, error) : VBP_OK;
}

static int add_use(struct network *network, VbpError *error)
{
    if (network->use_count == MAX_LINKS ||
        !memory_grow((void **)&network->uses, &network->use_capacity,
                     (size_t)network->use_count + 1, sizeof(*network->uses)))
        return error_out_of_memory(error);
    network->uses[network->use_count++].first_link = network->link_count;
    network->layers[network->layer_count - 1].use_count++;
    return VBP_OK;
}

/* Adds a link to the last use of the last layer. */
static int add_link(struct network *network, int layer, int use, VbpError *error)
{
    if (network->link_count == MAX_LINKS ||
        !memory_grow((void **)&network->links, &network->link_capacity,
                     (size_t)network->link_count + 1, sizeof(*network->links)))
        return error_out_of_memory(error);
    network->links[network->link_count++] = (struct link){layer, use};
    network->uses[network->use_count - 1].link_count++;
    return VBP_OK;
}

static int add_output(struct network *network, int layer, int use, VbpError *error)
{
    if (network->output_count == MAX_LINKS ||
        !memory_grow((void **)&network->outputs, &network->output_capacity,
                     (size_t)network->output_count + 1, sizeof(*network->outputs)))
        return error_out_of_memory(error);
    network->outputs[network->output_count++] = (struct link){layer, use};
    return VBP_OK;
}

static int find_layer(const struct network *network, const char *name)
{
    for (int i = 0; i < network->layer_count; i++) {
        if (strcmp(network->layers[i].name, name) == 0)
            return i;
    }
    return -1;
}

static int collect(struct network *network, const cJSON *item, int depth,
                   int (*add)(struct network *network, int layer, int use, VbpError *error),
                   VbpError *error);

/* References among the named arguments behind one: ["conv", 0, 0, {"y": ["dense", 0, 0]}]. */
static int collect_named(struct network *network, const cJSON *item, int depth,
                         int (*add)(struct network *network, int layer, int use, VbpError *error),
                         VbpError *error)
{
    const cJSON *named = cJSON_GetArrayItem(item, 3);
    int result = VBP_OK;

    if (!cJSON_IsObject(named))
        return VBP_OK;
    for (item = named->child; item && result == VBP_OK; item = item->next) {
        if (cJSON_IsArray(item) && cJSON_IsString(item->child) && cJSON_IsNumber(item->child->next))
            result = collect(network, item, depth + 1, add, error);
    }
    return result;
}

/*
 * Finds references to layers in whatever is wrapped around them and hands them to `add`:
 * ["conv", 0, 0] or ["conv", 0, 0, {}], and since Keras 3
 * {"class_name": "__keras_tensor__", "config": {"keras_history": ["conv", 0, 0]}} inside "args".
 */
static int collect(struct network *network, const cJSON *item, int depth,
                   int (*add)(struct network *network, int layer, int use, VbpError *error),
                   VbpError *error)
{
    int result = VBP_OK;

    if (depth > KERAS_MAX_DEPTH)
        return error_set(error, VBP_ERROR_FORMAT, "the network's description is nested too deeply");
    if (cJSON_IsArray(item) && cJSON_IsString(item->child)) {
        const cJSON *use = item->child->next;
        int layer = find_layer(network, item->child->valuestring);

        if (strcmp(item->child->valuestring, KERAS_CONSTANT) == 0)
            return collect_named(network, item, depth, add, error);
        if (!cJSON_IsNumber(use) || use->valuedouble < 0 || use->valuedouble > MAX_LINKS)
            return error_set(error, VBP_ERROR_FORMAT,
                             "the network's description has a reference to '%.60s' that makes no "
                             "sense",
                             item->child->valuestring);
        if (layer < 0)
            return error_set(error, VBP_ERROR_FORMAT, "the network has no layer '%.60s'",
                             item->child->valuestring);
        if (cJSON_IsNumber(use->next) && use->next->valuedouble != 0)
            return error_set(error, VBP_ERROR_UNSUPPORTED,
                             "the second output of layer '%.60s' is read, which is not supported",
                             item->child->valuestring);
        result = add(network, layer, (int)use->valuedouble, error);
        return result == VBP_OK ? collect_named(network, item, depth, add, error) : result;
    }
    if (cJSON_IsObject(item)) {
        const cJSON *history = keras_item(keras_item(item, "config", NULL), "keras_history", NULL);

        item = history ? history : keras_item(item, "args", NULL);
        return item ? collect(network, item, depth + 1, add, error) : VBP_OK;
    }
    if (!cJSON_IsArray(item))
        return VBP_OK;
    for (item = item->child; item && result == VBP_OK; item = item->next)
        result = collect(network, item, depth + 1, add, error);
    return result;
}

static int read_chain(const struct keras_loader *loader, struct network *network, const cJSON *json,
                      VbpError *error)
{
    int result = VBP_OK;

    for (const cJSON *item = keras_network_layers(json)->child; item && result == VBP_OK;
         item = item->next) {
        result = add_layer(loader, network, item, error);
        if (result == VBP_OK)
            result = add_use(network, error);
        if (result == VBP_OK && network->layer_count > 1)
            result = add_link(network, network->layer_count - 2, 0, error);
    }
    if (result == VBP_OK && network->layer_count == 0)
        result = error_set(error, VBP_ERROR_FORMAT, "the network has no layers");
    return result == VBP_OK ? add_output(network, network->layer_count - 1, 0, error) : result;
}

static int read_graph(const struct keras_loader *loader, struct network *network, const cJSON *json,
                      VbpError *error)
{
    const cJSON *list = keras_network_layers(json);
    int result = VBP_OK, index = 0;

    /* All names first: what is read may come later in the list. */
    for (const cJSON *item = list->child; item && result == VBP_OK; item = item->next)
        result = add_layer(loader, network, item, error);
    for (const cJSON *item = list->child; item && result == VBP_OK; item = item->next, index++) {
        const cJSON *nodes = keras_item(item, "inbound_nodes", NULL);
        const cJSON *node = cJSON_IsArray(nodes) ? nodes->child : NULL;
        int all = network->layer_count;

        network->layer_count = index + 1; /* the one that uses and links are added to */
        network->layers[index].first_use = network->use_count;
        if (!node)
            result = add_use(network, error);
        for (; node && result == VBP_OK; node = node->next) {
            result = add_use(network, error);
            if (result == VBP_OK)
                network->uses[network->use_count - 1].node = node;
            network->layer_count = all;
            if (result == VBP_OK)
                result = collect(network, node, 0, add_link, error);
            network->layer_count = index + 1;
        }
        network->layer_count = all;
    }
    if (result == VBP_OK)
        result =
            collect(network, keras_item(keras_item(json, "config", NULL), "output_layers", NULL), 0,
                    add_output, error);
    if (result == VBP_OK && network->output_count == 0)
        result = error_set(error, VBP_ERROR_FORMAT, "the network's description names no output");
    return result;
}

int keras_network_read(const struct keras_loader *loader, struct network *network,
                       const cJSON *json, VbpError *error)
{
    const char *class_name = keras_text(json, "class_name", NULL, "");

    if (!keras_network_class(class_name) || !cJSON_IsArray(keras_network_layers(json)))
        return error_set(error, VBP_ERROR_UNSUPPORTED,
                         "the description is of no network that vbp knows (class '%.40s'); "
                         "subclassed models do not tell their layers: export to ONNX instead",
                         class_name);
    return keras_network_is_chain(json) ? read_chain(loader, network, json, error)
                                        : read_graph(loader, network, json, error);
}

/* ---- What cannot be run --------------------------------------------------------------------- */

struct unknown {
    char names[240];
    size_t used;
    int count;
    const char *reason;
};

static void find_unknown(const cJSON *json, struct unknown *unknown, int depth)
{
    const cJSON *list = keras_network_layers(json);

    for (const cJSON *item = cJSON_IsArray(list) ? list->child : NULL;
         item && depth < KERAS_MAX_DEPTH; item = item->next) {
        const cJSON *config = keras_item(item, "config", NULL);
        const cJSON *inner = keras_item(config, "layer", NULL);
        const char *class_name = keras_text(item, "class_name", NULL, "");
        const char *reason;

        if (keras_network_class(class_name))
            find_unknown(item, unknown, depth + 1);
        if (strcmp(class_name, "TimeDistributed") == 0)
            class_name = keras_text(inner, "class_name", NULL, "");
        if (keras_knows(class_name, &reason))
            continue;
        if (unknown->count < 4)
            unknown->used += (size_t)snprintf(unknown->names + unknown->used,
                                              sizeof(unknown->names) - unknown->used,
                                              "%s%.20s '%.30s'", unknown->count ? ", " : "",
                                              class_name, keras_text(config, "name", NULL, "?"));
        if (!unknown->count++)
            unknown->reason = reason;
    }
}

int keras_network_check(const cJSON *json, VbpError *error)
{
    struct unknown unknown = {.used = 0};

    find_unknown(json, &unknown, 0);
    if (unknown.count == 0)
        return VBP_OK;
    return error_set(error, VBP_ERROR_UNSUPPORTED, "cannot run %s%s: %s", unknown.names,
                     unknown.count > 4 ? " and more" : "", unknown.reason);
}
