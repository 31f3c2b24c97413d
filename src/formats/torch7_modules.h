/*
 * Torch7's modules as nodes of a graph. torch7_modules.c knows which module is converted how, the
 * conversions are in torch7_layers.c, and what they share is in torch7_module.c.
 */
#ifndef VBP_FORMATS_TORCH7_MODULES_H
#define VBP_FORMATS_TORCH7_MODULES_H

#include "formats/formats.h"
#include "formats/torch7_reader.h"

#define TORCH7_MAX_MODULES  10000
#define TORCH7_MAX_BRANCHES 64
#define TORCH7_PATH_SIZE    160

/* What passes from module to module: one tensor, or a table of them. */
struct torch7_flow {
    int tensors[TORCH7_MAX_BRANCHES];
    int count;
    bool is_table;
};

struct torch7_builder {
    struct graph *graph;
    int64_t budget; /* elements that constants may still take */
    int module_count, depth;
};

/* A module while it is translated. */
struct torch7_module {
    struct torch7_builder *builder;
    const struct torch7_object *object;
    char path[TORCH7_PATH_SIZE]; /* "2.1": the first of the second; "" the whole network */
};

/* Replaces what is in the flow by what the module makes of it. */
typedef int torch7_converter(const struct torch7_module *module, struct torch7_flow *flow,
                             VbpError *error);

/* What a module tells about the shape of its input. */
enum torch7_geometry {
    TORCH7_KEEPS_SHAPE, /* its output has the shape of its input */
    TORCH7_PLANES,      /* nInputPlane channels */
    TORCH7_FEATURES,    /* a vector, as long as its weights are wide */
    TORCH7_FIRST_CHILD, /* what its first module tells */
    TORCH7_OTHER
};

struct torch7_kind {
    const char *name; /* behind "nn." or "cudnn." */
    torch7_converter *convert;
    enum torch7_geometry geometry;
    bool takes_table;
};

/* NULL for modules that are not known. */
const struct torch7_kind *torch7_find_kind(const struct torch7_object *object);

/*
 * Adds the modules to a graph that has its input, marks the output and finishes the graph.
 * budget: elements that constants may take.
 */
int torch7_translate(const struct torch7_object *root, struct graph *graph, int64_t budget,
                     VbpError *error);

/* ---- For the conversions (torch7_module.c) -------------------------------------------------- */

/* error_set with "module PATH 'CLASS' " before the message. */
int torch7_refuse(const struct torch7_module *module, VbpError *error, VbpStatus status,
                  const char *format, ...) __attribute__((format(printf, 4, 5)));

/* Fields of the module; `missing` where it does not have them. */
double torch7_number(const struct torch7_module *module, const char *name, double missing);
bool torch7_flag(const struct torch7_module *module, const char *name, bool missing);

/* A whole number between least and most; anything else is refused. */
int torch7_whole(const struct torch7_module *module, const char *name, double missing, int least,
                 int most, int *result, VbpError *error);

/* The tensor in a field, NULL where there is none or it is empty. */
const struct torch7_object *torch7_tensor(const struct torch7_module *module, const char *name);

/* Copies a tensor's elements, which have to be `count`. *elements is to be freed, always. */
int torch7_read_tensor(const struct torch7_module *module, const char *name, int64_t count,
                       float **elements, VbpError *error);

/* Reads kW, dW, padW and so on; a missing stride is the kernel's size for pooling, else 1. */
int torch7_read_window(const struct torch7_module *module, bool pooling, struct window *window,
                       VbpError *error);

/* Put elements, or the tensor in a field, into the graph. They return the graph's tensor. */
int torch7_emit_constant(const struct torch7_module *module, const char *name,
                         const struct shape *shape, const float *elements, VbpError *error);
int torch7_emit_tensor(const struct torch7_module *module, const char *name,
                       const struct shape *shape, VbpError *error);

/* Adds a node whose inputs are set. Its tensor is "PATH CLASS". Returns the tensor. */
int torch7_emit(const struct torch7_module *module, struct node *node, VbpError *error);

/* Adds a node that reads the flow's tensor; its output takes that one's place. */
int torch7_emit_simple(const struct torch7_module *module, struct node *node,
                       struct torch7_flow *flow, VbpError *error);

const struct shape *torch7_flow_shape(const struct torch7_module *module,
                                      const struct torch7_flow *flow);

/* The modules of a container in order: (*children)[0] .. [*count - 1], to be freed, always. */
int torch7_children(const struct torch7_module *module, const struct torch7_object ***children,
                    int *count, VbpError *error);

/* ---- Conversions (torch7_layers.c) ---------------------------------------------------------- */

torch7_converter torch7_convolution, torch7_linear, torch7_batch_norm, torch7_relu, torch7_relu6,
    torch7_hard_tanh, torch7_elu, torch7_leaky_relu, torch7_soft_plus, torch7_tanh, torch7_sigmoid,
    torch7_max_pooling, torch7_average_pooling, torch7_identity, torch7_add_constant,
    torch7_mul_constant, torch7_dropout, torch7_view, torch7_add_table, torch7_mul_table,
    torch7_join_table;

/* Joins the flow's tensors along an axis of the batch's tensor, counted from 1. */
int torch7_join(const struct torch7_module *module, int dimension, struct torch7_flow *flow,
                VbpError *error);

#endif
