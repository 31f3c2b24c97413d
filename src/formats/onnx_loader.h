/*
 * The parts of the ONNX loader among themselves. A file's names stand for values; each value is
 * either known while loading (a constant) or computed by the network:
 *
 *     initializer, Constant node ──> constant ──(a node reads it as data)──> constant tensor
 *     graph input, other nodes  ──> computed: a tensor of the graph
 *
 * Nodes whose inputs are all constant are folded, so that the arithmetic on shapes that exporters
 * write into a file is done here and never reaches the graph.
 */
#ifndef VBP_FORMATS_ONNX_LOADER_H
#define VBP_FORMATS_ONNX_LOADER_H

#include "formats/formats.h"
#include "onnx/onnx.pb-c.h"

#define ONNX_FIRST_OPSET 7
#define ONNX_LAST_OPSET  21

enum onnx_value_kind {
    ONNX_COMPUTED, /* .tensor is what the graph calls it */
    ONNX_CONSTANT, /* known now */
    ONNX_REFUSED   /* exists in the file, but nothing may read it; .reason says why */
};

/* What of x * (Erf(x / sqrt 2) + 1) * 0.5 a value is (onnx_fuse.c). */
enum onnx_gelu_part {
    ONNX_GELU_NONE,
    ONNX_GELU_ERF,        /* Erf(x / sqrt 2) */
    ONNX_GELU_SUM,        /* and 1 added */
    ONNX_GELU_NEEDS_HALF, /* and multiplied by x */
    ONNX_GELU_NEEDS_DATA  /* and multiplied by 0.5, but not yet by x */
};

struct onnx_value {
    enum onnx_value_kind kind;
    enum onnx_gelu_part gelu; /* other than NONE: refused, and .tensor is the x of the formula */
    const char *name;         /* belongs to the unpacked file */
    const char *reason;
    int tensor; /* -1: a constant that is not in the graph (yet) */

    /* Of constants. Unlike a tensor's, extents may be 0. */
    struct shape shape;
    int64_t count;  /* elements */
    bool integer;   /* elements are integers, else floats */
    int elements;   /* the value that holds the elements: this one, or the one it is a view of */
    float *floats;  /* owned; NULL: not read yet, or moved into the graph's tensor */
    int64_t *whole; /* owned; elements of integer constants */
    const Onnx__TensorProto *source; /* where the elements are read from when first asked for */
};

struct onnx_loader {
    const Onnx__ModelProto *model;
    struct graph *graph;
    const struct model_hints *hints;
    int opset;
    struct onnx_value *values;
    size_t value_count, value_capacity;
    int *buckets; /* open addressing by name: index + 1 of a value, 0 free */
    size_t bucket_count;
    int64_t budget; /* elements that constants may still take; bounds what a small file can ask */
};

/* One node of the file while it is translated. */
struct onnx_operation {
    struct onnx_loader *loader;
    const Onnx__NodeProto *node;
    const char *kind; /* the operator */
    const char *name; /* the node's, or else its operator's */
    size_t output;    /* the one of its outputs that onnx_emit and its like make */
};

/* Texts that a file leaves out come as NULL. */
static inline const char *onnx_text(const char *text)
{
    return text ? text : "";
}

/* ---- Values (onnx_value.c) ------------------------------------------------------------------ */

int onnx_values_create(struct onnx_loader *loader, size_t expected, VbpError *error);
void onnx_values_free(struct onnx_loader *loader);

/* Index of the value of that name, -1 if there is none (yet). */
int onnx_value_find(const struct onnx_loader *loader, const char *name);

/* Adds a value of that name and returns its index. A name that exists already is refused. */
int onnx_value_add(struct onnx_loader *loader, const char *name, enum onnx_value_kind kind,
                   VbpError *error);

/* Adds a constant. floats or whole become the loader's, after a failure too. Returns its index. */
int onnx_value_add_constant(struct onnx_loader *loader, const char *name, const struct shape *shape,
                            float *floats, int64_t *whole, VbpError *error);

/* Adds a tensor of the file as a constant; what it claims about itself is checked here. */
int onnx_value_add_tensor(struct onnx_loader *loader, const char *name,
                          const Onnx__TensorProto *tensor, VbpError *error);

/* The elements of a float constant; NULL with *error set. They live as long as the loader. */
const float *onnx_value_floats(struct onnx_loader *loader, int index, VbpError *error);

/* The elements of an integer constant (never NULL for one). */
const int64_t *onnx_value_integers(const struct onnx_loader *loader, int index);

/* The graph's tensor of a value; a constant is put into the graph when first asked for. */
int onnx_value_tensor(struct onnx_loader *loader, int index, VbpError *error);

/* Takes elements off the budget. VBP_ERROR_UNSUPPORTED where it is used up. */
int onnx_spend(struct onnx_loader *loader, int64_t elements, VbpError *error);

/* Elements of a shape in which extents may be 0; -1 where it exceeds TENSOR_MAX_ELEMENTS. */
int64_t onnx_shape_count(const struct shape *shape);

/* ---- Reading a node (onnx_operation.c) ------------------------------------------------------ */

/* error_set with "node 'NAME' (OPERATOR): " before the message. */
int onnx_refuse(const struct onnx_operation *operation, VbpError *error, VbpStatus status,
                const char *format, ...) __attribute__((format(printf, 4, 5)));

/* False for inputs that are left out, at the end or by an empty name. */
bool onnx_has_input(const struct onnx_operation *operation, size_t input);

/* Index of the value that an input names. */
int onnx_input_value(const struct onnx_operation *operation, size_t input, VbpError *error);

/* The graph's tensor of an input, constant or computed, of floats. */
int onnx_input_tensor(const struct onnx_operation *operation, size_t input, VbpError *error);

/* The value of an input that has to be a constant of floats. `what` names it in the refusal. */
int onnx_input_constant(const struct onnx_operation *operation, size_t input, const char *what,
                        VbpError *error);

/* The elements of an input that has to be a constant of integers of rank 0 or 1. */
int onnx_input_integers(const struct onnx_operation *operation, size_t input, const char *what,
                        const int64_t **elements, int64_t *count, VbpError *error);

/* Shape of an input, constant or computed. */
int onnx_input_shape(const struct onnx_operation *operation, size_t input, struct shape *shape,
                     VbpError *error);

/* True if every input that is there is a constant (and there is one). */
bool onnx_all_constant(const struct onnx_operation *operation);

/* Attributes. A missing one leaves *value as it is (the caller puts the default there). */
const Onnx__AttributeProto *onnx_attribute(const struct onnx_operation *operation,
                                           const char *name);
int onnx_attribute_integer(const struct onnx_operation *operation, const char *name, int64_t *value,
                           VbpError *error);
int onnx_attribute_flag(const struct onnx_operation *operation, const char *name, bool *value,
                        VbpError *error);
int onnx_attribute_float(const struct onnx_operation *operation, const char *name, float *value,
                         VbpError *error);
/* *count stays as it is where the attribute is missing. */
int onnx_attribute_integers(const struct onnx_operation *operation, const char *name,
                            const int64_t **values, int64_t *count, VbpError *error);

/* Turns an axis of -rank .. rank - 1 into 0 .. rank - 1. */
int onnx_axis(const struct onnx_operation *operation, int64_t axis, int rank, int *result,
              VbpError *error);

/*
 * Adds a node of the file's name and operator to the graph and makes its output the value that the
 * operation's output names. The _part form is for nodes between, whose tensor gets a made-up
 * name: it returns the tensor.
 */
int onnx_emit(const struct onnx_operation *operation, struct node *node, VbpError *error);
int onnx_emit_part(const struct onnx_operation *operation, struct node *node, VbpError *error);

/* The same for arithmetic on tensor `a` and one number, `a` coming first. */
int onnx_emit_number_part(const struct onnx_operation *operation, enum binary function, int a,
                          float number, VbpError *error);
int onnx_emit_number(const struct onnx_operation *operation, enum binary function, int a,
                     float number, VbpError *error);

/*
 * Makes the output of the operation a view of a constant: the same elements in another shape
 * with as many of them.
 */
int onnx_emit_view(const struct onnx_operation *operation, int value, const struct shape *shape,
                   VbpError *error);

/* Makes it a new constant. floats or whole become the loader's, after a failure too. */
int onnx_emit_constant(const struct onnx_operation *operation, const struct shape *shape,
                       float *floats, int64_t *whole, VbpError *error);

/* Names output `output`, where the file does, as one that nothing may read. */
int onnx_refuse_output(const struct onnx_operation *operation, size_t output, const char *reason,
                       VbpError *error);

/* ---- Operators ------------------------------------------------------------------------------ */

/* Translates one node: looks its operator up, checks the number of inputs, calls the handler. */
int onnx_translate(struct onnx_loader *loader, const Onnx__NodeProto *node, VbpError *error);

typedef int onnx_handler(const struct onnx_operation *operation, VbpError *error);

/* ---- Constants (onnx_fold.c): operators whose inputs are all known ------------------------- */

/* Makes *shape what it and `other` are broadcast to by NumPy's rules; false where they do not go
 * together. */
bool onnx_broadcast(struct shape *shape, const struct shape *other);

int onnx_fold_binary(const struct onnx_operation *operation, enum binary function, VbpError *error);

/* Makes the output those elements of a constant that lie at `start` + position * stride. */
int onnx_fold_strided(const struct onnx_operation *operation, int value, const struct shape *shape,
                      int64_t start, const int64_t *stride, VbpError *error);

int onnx_fold_concat(const struct onnx_operation *operation, int axis, VbpError *error);

/* Selects along an axis; the shape of the result is that of the input with the indices' in the
 * place of that axis. */
int onnx_fold_gather(const struct onnx_operation *operation, int axis, VbpError *error);

/* Elements of input 1 where input 0, of integers, is not 0, else of input 2, all broadcast to the
 * shape. */
int onnx_fold_where(const struct onnx_operation *operation, const struct shape *shape,
                    VbpError *error);

onnx_handler onnx_cast, onnx_constant_of_shape, onnx_equal, onnx_floor, onnx_ceil, onnx_sqrt;

/* onnx_layers.c: operators with weights or windows */
onnx_handler onnx_conv, onnx_conv_transpose, onnx_batch_normalization, onnx_max_pool,
    onnx_average_pool, onnx_gemm, onnx_matmul;

/* onnx_reduce.c: operators that make one number of many */
onnx_handler onnx_global_average_pool, onnx_global_max_pool, onnx_reduce_mean, onnx_reduce_max;

/* onnx_elementwise.c: operators on single elements */
onnx_handler onnx_relu, onnx_leaky_relu, onnx_elu, onnx_selu, onnx_softplus, onnx_sigmoid,
    onnx_tanh, onnx_atan, onnx_gelu, onnx_clip, onnx_add, onnx_sub, onnx_mul, onnx_div,
    onnx_identity, onnx_dropout, onnx_max, onnx_min, onnx_sum, onnx_mean, onnx_neg, onnx_prelu,
    onnx_thresholded_relu, onnx_softsign, onnx_exp;

/* onnx_gates.c: activations that are built of several nodes */
onnx_handler onnx_hard_sigmoid, onnx_hard_swish, onnx_mish;

/* onnx_fuse.c: activations that are written as several operators */
onnx_handler onnx_erf;

/*
 * Takes an arithmetic node for the last or a middle step of such an activation. *fused is false
 * where it is none, and nothing was done.
 */
int onnx_fuse_binary(const struct onnx_operation *operation, enum binary function, bool *fused,
                     VbpError *error);

/* onnx_pictures.c: operators that make pictures larger or smaller, or look at all of one */
onnx_handler onnx_pad, onnx_resize, onnx_upsample, onnx_softmax, onnx_log_softmax,
    onnx_instance_normalization;

/* Emits a NODE_PAD on a computed tensor, or nothing but another name where it changes nothing. */
int onnx_emit_pad(const struct onnx_operation *operation, struct node *node, int rank,
                  VbpError *error);

/* onnx_shapes.c: operators that rearrange */
onnx_handler onnx_constant, onnx_shape, onnx_concat, onnx_flatten, onnx_reshape, onnx_squeeze,
    onnx_unsqueeze, onnx_transpose;

/* onnx_select.c: operators that take a part of a tensor, or repeat one */
onnx_handler onnx_gather, onnx_slice, onnx_split, onnx_expand, onnx_where;

/* Whether the bytes are laid out like an ONNX model, whole or cut short. */
bool onnx_recognise(const unsigned char *bytes, size_t length);

#endif
