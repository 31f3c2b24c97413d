/*
 * Builds small files of Keras in memory, for tests: a description made layer by layer, and weights.
 * Whatever fails, fails the running test.
 */
#ifndef VBP_TESTS_SUPPORT_KERAS_BUILDER_H
#define VBP_TESTS_SUPPORT_KERAS_BUILDER_H

#include "formats/formats.h"

#define KERAS_BUILDER_WEIGHTS 64

struct keras_builder {
    const char *version, *backend; /* NULL: not in the file */
    const char *outputs;           /* of a Functional: names with blanks between */
    const char *description;       /* JSON instead of that of the layers; NULL: of the layers */
    bool functional;               /* else Sequential */
    bool variable;                 /* texts of variable length */
    bool numbered;                 /* weights as Keras 3 keeps them */
    bool split;                    /* weight_names in pieces */
    bool alone;                    /* weights without a description */
    char layers[16384];            /* JSON so far */
    size_t used;
    struct keras_builder_weight {
        char layer[64], name[64]; /* name: of weight_names, or the number */
        struct shape shape;
        float *values;
    } weights[KERAS_BUILDER_WEIGHTS];
    int weight_count;
};

/* A Sequential of that version with TensorFlow. */
void keras_builder_begin(struct keras_builder *builder, const char *version);
void keras_builder_end(struct keras_builder *builder);

/* Adds a layer; config: what stands in its config beside the name. */
void keras_builder_layer(struct keras_builder *builder, const char *class_name, const char *name,
                         const char *config);

/* The same in a Functional, which reads layers: names with blanks between; "" for none. */
void keras_builder_after(struct keras_builder *builder, const char *class_name, const char *name,
                         const char *config, const char *inputs);

/* Adds an InputLayer of that batch_input_shape: "[null, 4, 5, 2]". */
void keras_builder_input(struct keras_builder *builder, const char *shape);

/* Adds a weight. values NULL: random. Returns its values, which the builder owns. */
const float *keras_builder_weight(struct keras_builder *builder, const char *layer,
                                  const char *name, size_t rank, const int64_t *extents,
                                  const float *values);

/* The description as JSON, to be freed. */
char *keras_builder_json(const struct keras_builder *builder);

/* The .h5 file, to be freed. */
void keras_builder_pack(const struct keras_builder *builder, unsigned char **bytes, size_t *length);

/* A .keras archive around it, to be freed. */
void keras_builder_pack_archive(const struct keras_builder *builder, unsigned char **bytes,
                                size_t *length);

/* A zip of members given by name, bytes, length; to be freed. */
struct keras_member {
    const char *name;
    const void *bytes;
    size_t length;
};
void keras_builder_zip(const struct keras_member *members, int count, unsigned char **bytes,
                       size_t *length);

/* Packs, ends the builder and loads. On failure *graph is NULL and the status is returned. */
int keras_builder_load(struct keras_builder *builder, const struct model_hints *hints,
                       struct graph **graph, VbpError *error);

#endif
