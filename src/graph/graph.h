/*
 * A network as nodes and tensors. Loaders build it node by node; every node's output shape is
 * inferred when it is added, so that a mistake in a file is found at the node that made it.
 *
 *     graph_create -> add_input, add_constant, add_node ... -> mark_output -> finish
 *
 * Tensors and nodes are named by index. Nodes stand in the order in which they can be run. After
 * graph_finish a graph is read-only and may be shared by threads.
 *
 * Spatial tensors are batch x channels x height x width (NCHW); a file's NHWC parts come in through
 * NODE_TRANSPOSE, and tensor.axes says which axis is which.
 */
#ifndef VBP_GRAPH_GRAPH_H
#define VBP_GRAPH_GRAPH_H

#include "base/error.h"
#include "kernels/activation.h"
#include "kernels/elementwise.h"
#include "kernels/interpolate.h"
#include "kernels/window.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SHAPE_MAX_RANK 6

/* No tensor of a network that looks at a video frame comes near this; 1 GiB of floats. */
#define TENSOR_MAX_ELEMENTS ((int64_t)1 << 28)

struct shape {
    int rank;                       /* 0: a scalar */
    int64_t extent[SHAPE_MAX_RANK]; /* slowest axis first, each >= 1 */
};

/* Number of elements; -1 where an extent is < 1 or the product exceeds TENSOR_MAX_ELEMENTS. */
int64_t shape_elements(const struct shape *shape);
bool shape_equal(const struct shape *a, const struct shape *b);

/* "1x3x66x200"; text holds SHAPE_TEXT_SIZE bytes. Returns text. */
#define SHAPE_TEXT_SIZE 96
const char *shape_text(const struct shape *shape, char *text);

/*
 * Which axes of a rank-4 tensor with a batch of one are picture axes; channel == -1: not a spatial
 * tensor. Height is the slower one of the two picture axes, wherever the channels are.
 */
struct axes {
    int8_t channel, height, width;
};

struct tensor {
    char *name;
    struct shape shape;
    float *values;    /* of constants: owned, 64-byte aligned; NULL: computed at run time */
    int producer;     /* node index; -1 for inputs and constants */
    struct axes axes; /* set by graph_finish */
};

/* A window of this kernel with stride 1, dilation 1 and no padding. */
struct window window_make(int kernel_height, int kernel_width);

/*
 * Sets the padding that makes the output ceil(input / stride) long. Where the total is odd, the
 * extra cell goes to the end (upper, as TensorFlow does it) or to the beginning.
 */
void window_pad_same(struct window *window, int64_t height, int64_t width, bool upper);

enum node_kind {
    NODE_CONVOLUTION,  /* data NCHW, weights [out, in / groups, kh, kw], bias [out] or none */
    NODE_DENSE,        /* data [..., in], weights [out, in], bias [out] or none */
    NODE_BATCH_NORM,   /* data, scale [C], shift [C], mean [C], variance [C]; axis 1 */
    NODE_AFFINE,       /* data, factor [C], offset [C]; only folding makes them */
    NODE_ACTIVATION,   /* data */
    NODE_MAX_POOL,     /* data */
    NODE_AVERAGE_POOL, /* data */
    NODE_GLOBAL_AVERAGE_POOL, /* data NCHW -> NC11 */
    NODE_BINARY,              /* a, b, broadcast by NumPy's rules; PReLU's slope is constant */
    NODE_CONCAT,              /* any number of inputs */
    NODE_RESHAPE,       /* data; flatten, squeeze, unsqueeze too (to its own shape: identity) */
    NODE_TRANSPOSE,     /* data */
    NODE_IDENTITY,      /* data; dropout and other nodes that do nothing at inference */
    NODE_PAD,           /* data; zeros around it, or parts of it cut off */
    NODE_UPSAMPLE,      /* data NCHW; each cell becomes a block of equal ones */
    NODE_SOFTMAX,       /* data */
    NODE_INSTANCE_NORM, /* data NC..., scale [C], shift [C]; each channel by its own statistics */
    NODE_CONVOLUTION_TRANSPOSE, /* data NCHW, weights [in, out / groups, kh, kw], bias [out] or none
                                 */
    NODE_RESIZE,                /* data NCHW; of another height and width */
    NODE_KIND_COUNT
};

struct node {
    enum node_kind kind;
    char *name;        /* of the layer in the file */
    char *source_kind; /* what the file calls this kind of layer: "Conv", "cudnn.ReLU" */
    int *inputs;       /* tensor indices, in the order given at the kind */
    int input_count;
    int output; /* tensor index */
    union {
        struct {
            struct window window;
            int groups;
            int extra[2]; /* transposed: rows and columns at the end that no window has to reach */
        } convolution;
        struct {
            float epsilon;
        } batch_norm;
        struct {
            float epsilon;
            int axis; /* of the channels: 1, but where folding moved it */
        } instance_norm;
        struct {
            int axis; /* that factors and offsets run along; -1: C is 1, one for all */
        } affine;
        struct {
            enum activation function;
            float alpha, beta; /* as the function says */
        } activation;
        struct {
            struct window window;
            bool ceiling;         /* round the output size up: the last window may hang over */
            bool include_padding; /* average: padding counts in the divisor */
        } pool;
        enum binary binary;
        struct {
            int axis;
        } concat;
        struct {
            int axis;
            bool logarithm; /* of the result */
        } softmax;
        struct {
            int64_t begin[SHAPE_MAX_RANK], end[SHAPE_MAX_RANK]; /* negative: cut off */
        } pad;
        struct {
            int factor[2]; /* height, width */
        } upsample;
        struct {
            int size[2]; /* height, width */
            struct interpolation interpolation;
        } resize;
        struct {
            struct shape shape; /* of the output */
        } reshape;
        struct {
            int permutation[SHAPE_MAX_RANK]; /* output axis i is input axis permutation[i] */
        } transpose;
    };
};

/* Who reads a tensor: readers of tensor t are reader[first_reader[t]] .. [first_reader[t + 1] - 1].
 */
struct reader {
    int node;
    int slot; /* index in node.inputs */
};

struct graph {
    struct tensor *tensors;
    struct node *nodes;
    int *outputs; /* tensor indices, in the file's order */
    int *levels;  /* tensor indices of rectifier outputs, nearest the input first */
    struct reader *readers;
    int *first_reader; /* tensor_count + 1 entries; NULL before graph_finish */
    int tensor_count, node_count, output_count, level_count;
    int input; /* tensor index of the one input; -1: none yet */

    char *format;   /* e.g. "ONNX (IR 7, opset 13)", for people */
    char *producer; /* what wrote the file; NULL unknown */
    char *guess;    /* what the loader could not know, a sentence for people; NULL: nothing */
    size_t tensor_capacity, node_capacity, output_capacity;
};

int graph_create(struct graph **graph, VbpError *error);
void graph_destroy(struct graph **graph);

/*
 * The add functions return the index of the new tensor (>= 0) or a negative status. Names are
 * copied; NULL or "" makes one up. The network has exactly one input; a second one is refused.
 */
int graph_add_input(struct graph *graph, const char *name, const struct shape *shape,
                    VbpError *error);

/* values: shape_elements(shape) floats, copied. */
int graph_add_constant(struct graph *graph, const char *name, const struct shape *shape,
                       const float *values, VbpError *error);

/*
 * Adds a copy of *node (kind, name, source_kind, inputs, input_count and the kind's attributes are
 * read) with a new output tensor of that name. The shape is inferred and everything the kernels
 * rely on is checked; messages name the node: "node 3 (Conv 'conv2'): ...".
 */
int graph_add_node(struct graph *graph, const struct node *node, const char *output_name,
                   VbpError *error);

int graph_mark_output(struct graph *graph, int tensor, VbpError *error);

/* Gives a tensor another name, e.g. that of the file's output. */
int graph_rename_tensor(struct graph *graph, int tensor, const char *name, VbpError *error);

/*
 * Checks that there is an input and an output, drops nodes that no output depends on, finds
 * readers, picture axes and levels.
 */
int graph_finish(struct graph *graph, VbpError *error);

/* A finished copy of a finished graph, sharing nothing with it. *copy is NULL after a failure. */
int graph_copy(struct graph **copy, const struct graph *graph, VbpError *error);

/* Index of the tensor of that name, -1 if there is none. */
int graph_find_tensor(const struct graph *graph, const char *name);

bool graph_is_output(const struct graph *graph, int tensor);

/* Index of the one node that wants the tensor; -1 where there are more, or it is an output. */
int graph_only_reader(const struct graph *graph, int tensor);

/* True for outputs of the functions that make a level (DESIGN: ReLU and its relatives). */
bool activation_is_rectifier(enum activation function, float alpha);
bool node_is_rectifier(const struct node *node);

const char *node_kind_name(enum node_kind kind);
const char *activation_name(enum activation function);

/* Height and width of a spatial tensor (axes.channel >= 0). */
int tensor_height(const struct tensor *tensor);
int tensor_width(const struct tensor *tensor);
int tensor_channels(const struct tensor *tensor);
size_t tensor_cells(const struct tensor *tensor); /* height * width */

#endif
