/*
 * Builds small ONNX files in memory, for tests. Everything handed in is copied; running out of
 * memory ends the test program.
 */
#ifndef VBP_TESTS_SUPPORT_ONNX_BUILDER_H
#define VBP_TESTS_SUPPORT_ONNX_BUILDER_H

#include "onnx/onnx.pb-c.h"

struct onnx_builder {
    Onnx__ModelProto model;
    Onnx__GraphProto graph;
    Onnx__OperatorSetIdProto opset;
    Onnx__OperatorSetIdProto *opsets[1];
    void **blocks; /* everything allocated */
    size_t block_count;
};

/* A list of numbers for the calls below: NUMBERS(1, 3, 4) is count, pointer. */
#define NUMBERS(...)                                                                               \
    (sizeof((int64_t[]){__VA_ARGS__}) / sizeof(int64_t)), ((const int64_t[]){__VA_ARGS__})

/* IR version 7, no nodes. */
void onnx_builder_begin(struct onnx_builder *builder, int opset);
void onnx_builder_end(struct onnx_builder *builder);

/* Inputs of floats; extent -1 is an open one named "N". */
Onnx__ValueInfoProto *onnx_builder_input(struct onnx_builder *builder, const char *name,
                                         size_t rank, const int64_t *extents);
void onnx_builder_output(struct onnx_builder *builder, const char *name);

/* Initializers. values NULL: 0, 1, 2, ... */
Onnx__TensorProto *onnx_builder_floats(struct onnx_builder *builder, const char *name, size_t rank,
                                       const int64_t *extents, const float *values);
Onnx__TensorProto *onnx_builder_integers(struct onnx_builder *builder, const char *name,
                                         size_t count, const int64_t *values);

/* inputs and outputs are names with blanks between; "-" is one that is left out. */
Onnx__NodeProto *onnx_builder_node(struct onnx_builder *builder, const char *operator,
                                   const char * name, const char *inputs, const char *outputs);
void onnx_node_integer(struct onnx_builder *builder, Onnx__NodeProto *node, const char *name,
                       int64_t value);
void onnx_node_float(struct onnx_builder *builder, Onnx__NodeProto *node, const char *name,
                     float value);
void onnx_node_text(struct onnx_builder *builder, Onnx__NodeProto *node, const char *name,
                    const char *value);
void onnx_node_integers(struct onnx_builder *builder, Onnx__NodeProto *node, const char *name,
                        size_t count, const int64_t *values);
/* Moves the last initializer into an attribute. */
void onnx_node_tensor(struct onnx_builder *builder, Onnx__NodeProto *node, const char *name);

void onnx_builder_metadata(struct onnx_builder *builder, const char *key, const char *value);

/* Any memory that lives as long as the builder, zeroed. */
void *onnx_builder_allocate(struct onnx_builder *builder, size_t size);

/* The file. *bytes is to be freed. */
void onnx_builder_pack(struct onnx_builder *builder, unsigned char **bytes, size_t *length);

#endif
