/*
 * The parts of the ONNX writer among themselves. The file is built as protobuf messages that lie in
 * an arena and refer to the graph's own weights, then packed in one go:
 *
 *     graph ──(onnx_write_nodes.c)──> messages ──(onnx_write.c)──> bytes
 *
 * Building does not stop where memory runs out: what fails returns NULL, the calls below take NULL
 * and do nothing, and onnx_write looks at arena.exhausted once at the end.
 */
#ifndef VBP_FORMATS_ONNX_WRITER_H
#define VBP_FORMATS_ONNX_WRITER_H

#include "formats/formats.h"
#include "onnx/onnx.pb-c.h"

struct onnx_arena_block;

/* Memory that is freed all at once. */
struct onnx_arena {
    struct onnx_arena_block *last;
    bool exhausted; /* something could not be allocated */
};

/* count zeroed elements, or NULL. */
void *onnx_arena_array(struct onnx_arena *arena, size_t count, size_t size);
void onnx_arena_free(struct onnx_arena *arena);

struct onnx_name {
    const char *text; /* NULL: a free place */
    unsigned next;    /* the number that makes the next name of the same text unique */
};

/* The names that are taken: open addressing, never more than half full. */
struct onnx_names {
    struct onnx_name *places;
    size_t place_count, taken;
};

int onnx_names_create(struct onnx_names *names, VbpError *error);
void onnx_names_free(struct onnx_names *names);

/*
 * Takes a name: `text`, or `text` with a number where that is taken. What is no printable UTF-8
 * becomes '_'; an empty text becomes `substitute`. It lies in the arena; NULL without memory.
 */
const char *onnx_names_take(struct onnx_names *names, struct onnx_arena *arena, const char *text,
                            const char *substitute);

struct onnx_writer {
    const struct graph *graph;
    struct onnx_arena arena;
    struct onnx_names values, nodes; /* tensors and nodes of a file may share names */
    const char **tensor_names;       /* by tensor of the graph; NULL: not in the file (yet) */
    Onnx__GraphProto file;
    int opset;
};

/* ---- Parts of the file (onnx_write.c) ------------------------------------------------------- */

/*
 * Adds a node with `input_count` inputs, of which the names are given, and one output. `name` is
 * made unique. The returned node takes up to ONNX_NODE_ATTRIBUTES attributes.
 */
#define ONNX_NODE_ATTRIBUTES 8
Onnx__NodeProto *onnx_put_node(struct onnx_writer *writer, const char *operator, const char * name,
                               int input_count, const char *const *inputs, const char *output);
void onnx_put_integer(struct onnx_writer *writer, Onnx__NodeProto *node, const char *name,
                      int64_t value);
void onnx_put_float(struct onnx_writer *writer, Onnx__NodeProto *node, const char *name,
                    float value);
/* The text is referred to. */
void onnx_put_text(struct onnx_writer *writer, Onnx__NodeProto *node, const char *name,
                   const char *text);
void onnx_put_integers(struct onnx_writer *writer, Onnx__NodeProto *node, const char *name,
                       int count, const int64_t *values);

/* Adds a constant and returns its name: "BASE.SUFFIX", made unique. The elements are referred to.
 */
const char *onnx_put_floats(struct onnx_writer *writer, const char *base, const char *suffix,
                            const struct shape *shape, const float *elements);
const char *onnx_put_shape(struct onnx_writer *writer, const char *base, const struct shape *shape);

/* The same with integers, which are copied. */
const char *onnx_put_whole(struct onnx_writer *writer, const char *base, const char *suffix,
                           int count, const int64_t *elements);

/* The same with one element, which is copied. */
const char *onnx_put_scalar(struct onnx_writer *writer, const char *base, const char *suffix,
                            float element);

/* "BASE.SUFFIX", or the suffix alone without a base: the name of a node beside that of the base. */
const char *onnx_join_names(struct onnx_writer *writer, const char *base, const char *suffix);

/* The same, taken and unique, for a tensor between two nodes. */
const char *onnx_part_name(struct onnx_writer *writer, const char *base, const char *suffix);

/* The name of a tensor of the graph; a constant is put into the file when first asked for. */
const char *onnx_tensor_name(struct onnx_writer *writer, int tensor);

/* ---- Nodes (onnx_write_nodes.c) ------------------------------------------------------------- */

/* The most nodes and constants that one node of a graph becomes, its inputs not counted. */
#define ONNX_NODES_PER_NODE     5
#define ONNX_CONSTANTS_PER_NODE 4

/* The first opset that has everything the graph needs, 13 or above. */
int onnx_needed_opset(const struct graph *graph);

int onnx_put_graph_node(struct onnx_writer *writer, const struct node *node, VbpError *error);

#endif
