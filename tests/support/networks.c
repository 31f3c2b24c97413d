#include "support/networks.h"

#include "base/memory.h"
#include "support/numbers.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

struct graph *network_begin(void)
{
    struct graph *graph;
    VbpError error;

    assert_int_equal(graph_create(&graph, &error), VBP_OK);
    return graph;
}

static int added(int tensor, const VbpError *error)
{
    if (tensor < 0)
        fail_msg("%s", error->message);
    return tensor;
}

int network_input(struct graph *graph, int channels, int height, int width)
{
    struct shape shape = {.rank = 4, .extent = {1, channels, height, width}};
    VbpError error;

    return added(graph_add_input(graph, "input", &shape, &error), &error);
}

int network_constant(struct graph *graph, struct shape shape, const float *values)
{
    size_t count = (size_t)shape_elements(&shape);
    float *own = memory_array(count, sizeof(float));
    VbpError error;
    int tensor;

    assert_non_null(own);
    random_fill(own, count, -1, 1);
    tensor = graph_add_constant(graph, NULL, &shape, values ? values : own, &error);
    free(own);
    return added(tensor, &error);
}

struct window window_square(int kernel, int stride, int padding)
{
    return (struct window){.kernel = {kernel, kernel},
                           .stride = {stride, stride},
                           .dilation = {1, 1},
                           .pad_begin = {padding, padding},
                           .pad_end = {padding, padding}};
}

static int add(struct graph *graph, struct node *node, int *inputs, int input_count)
{
    char name[32];
    VbpError error;

    snprintf(name, sizeof(name), "node_%d", graph->node_count);
    node->name = name;
    node->inputs = inputs;
    node->input_count = input_count;
    return added(graph_add_node(graph, node, NULL, &error), &error);
}

/* A constant in the range that keeps the values of a layer of so many inputs near 1. */
static int add_weights(struct graph *graph, struct shape shape)
{
    int64_t count = shape_elements(&shape);
    float limit = 2 / sqrtf((float)(count / shape.extent[0]));
    float *values = memory_array((size_t)count, sizeof(float));
    int tensor;

    assert_non_null(values);
    random_fill(values, (size_t)count, -0.8F * limit, limit);
    tensor = network_constant(graph, shape, values);
    free(values);
    return tensor;
}

int network_convolution(struct graph *graph, int data, int outputs, struct window window,
                        int groups, bool bias)
{
    struct node node = {.kind = NODE_CONVOLUTION,
                        .convolution = {.window = window, .groups = groups}};
    int64_t channels = graph->tensors[data].shape.extent[1] / groups;
    int inputs[3] = {data};

    inputs[1] = add_weights(
        graph, (struct shape){4, {outputs, channels, window.kernel[0], window.kernel[1]}});
    if (bias)
        inputs[2] = network_constant(graph, (struct shape){1, {outputs}}, NULL);
    return add(graph, &node, inputs, bias ? 3 : 2);
}

int network_dense(struct graph *graph, int data, int outputs)
{
    const struct shape *shape = &graph->tensors[data].shape;
    struct node node = {.kind = NODE_DENSE};
    int inputs[3] = {data};

    inputs[1] = add_weights(graph, (struct shape){2, {outputs, shape->extent[shape->rank - 1]}});
    inputs[2] = network_constant(graph, (struct shape){1, {outputs}}, NULL);
    return add(graph, &node, inputs, 3);
}

int network_batch_norm(struct graph *graph, int data)
{
    struct node node = {.kind = NODE_BATCH_NORM, .batch_norm.epsilon = 1e-3F};
    struct shape shape = {1, {graph->tensors[data].shape.extent[1]}};
    float *variance = memory_array((size_t)shape.extent[0], sizeof(float));
    int inputs[5] = {data};

    assert_non_null(variance);
    for (int i = 1; i < 4; i++)
        inputs[i] = network_constant(graph, shape, NULL);
    random_fill(variance, (size_t)shape.extent[0], 0.2F, 2);
    inputs[4] = network_constant(graph, shape, variance);
    free(variance);
    return add(graph, &node, inputs, 5);
}

int network_activation(struct graph *graph, int data, enum activation function)
{
    struct node node = {.kind = NODE_ACTIVATION, .activation = {.function = function}};

    node.activation.alpha = function == ACTIVATION_CLIP ? 0 : function == ACTIVATION_ELU ? 1 : 0.1F;
    node.activation.beta = function == ACTIVATION_CLIP ? 6 : 1;
    return add(graph, &node, &data, 1);
}

int network_relu(struct graph *graph, int data)
{
    return network_activation(graph, data, ACTIVATION_RELU);
}

int network_max_pool(struct graph *graph, int data, struct window window, bool ceiling)
{
    struct node node = {.kind = NODE_MAX_POOL, .pool = {.window = window, .ceiling = ceiling}};

    return add(graph, &node, &data, 1);
}

int network_average_pool(struct graph *graph, int data, struct window window, bool ceiling,
                         bool include_padding)
{
    struct node node = {.kind = NODE_AVERAGE_POOL, .pool = {window, ceiling, include_padding}};

    return add(graph, &node, &data, 1);
}

int network_global_pool(struct graph *graph, int data)
{
    struct node node = {.kind = NODE_GLOBAL_AVERAGE_POOL};

    return add(graph, &node, &data, 1);
}

int network_binary(struct graph *graph, enum binary operation, int a, int b)
{
    struct node node = {.kind = NODE_BINARY, .binary = operation};
    int inputs[2] = {a, b};

    return add(graph, &node, inputs, 2);
}

int network_concat(struct graph *graph, int axis, int count, const int *inputs)
{
    struct node node = {.kind = NODE_CONCAT, .concat.axis = axis};
    int own[8];

    assert_in_range(count, 1, 8);
    memcpy(own, inputs, (size_t)count * sizeof(int));
    return add(graph, &node, own, count);
}

int network_reshape(struct graph *graph, int data, struct shape shape)
{
    struct node node = {.kind = NODE_RESHAPE, .reshape.shape = shape};

    return add(graph, &node, &data, 1);
}

int network_flatten(struct graph *graph, int data)
{
    return network_reshape(graph, data,
                           (struct shape){2, {1, shape_elements(&graph->tensors[data].shape)}});
}

int network_transpose(struct graph *graph, int data, int a, int b, int c, int d)
{
    struct node node = {.kind = NODE_TRANSPOSE, .transpose.permutation = {a, b, c, d}};

    return add(graph, &node, &data, 1);
}

int network_identity(struct graph *graph, int data)
{
    struct node node = {.kind = NODE_IDENTITY};

    return add(graph, &node, &data, 1);
}

void network_finish(struct graph *graph, int output)
{
    VbpError error;

    if (graph_mark_output(graph, output, &error) != VBP_OK || graph_finish(graph, &error) != VBP_OK)
        fail_msg("%s", error.message);
}

size_t network_elements(const struct graph *graph, int tensor)
{
    return (size_t)shape_elements(&graph->tensors[tensor].shape);
}

struct forward *network_forward(const struct graph *graph, bool keep_all, VbpAverage average)
{
    const struct forward_options options = {
        .keep_all = keep_all, .level_averages = true, .average = average};
    struct forward *forward;
    VbpError error;

    if (forward_create(&forward, graph, &options, &error) != VBP_OK)
        fail_msg("%s", error.message);
    return forward;
}

void network_run(struct forward *forward, const struct graph *graph, const float *input)
{
    VbpError error;

    memcpy(forward_input(forward), input, network_elements(graph, graph->input) * sizeof(float));
    if (forward_run(forward, &error) != VBP_OK)
        fail_msg("%s", error.message);
}

/* ---- Random networks ------------------------------------------------------------------------ */

#define POOL_MOST 40

/* Tensors NCHW that a random network may go on from. */
struct growth {
    struct graph *graph;
    int features;
    int tensors[POOL_MOST];
    int count;
};

static const int64_t *extents(const struct growth *growth, int tensor)
{
    return growth->graph->tensors[tensor].shape.extent;
}

/* Mostly one of the last tensors, so that networks are deep and not only wide. */
static int pick(const struct growth *growth)
{
    int back = random_chance(0.7) ? 1 : random_between(1, growth->count < 5 ? growth->count : 5);

    return growth->tensors[growth->count - back];
}

static struct window random_window(int64_t height, int64_t width)
{
    struct window window;
    int64_t size[2] = {height, width};

    for (int axis = 0; axis < 2; axis++) {
        int room = (int)(size[axis] < 5 ? size[axis] : 5);

        window.kernel[axis] = random_between(1, room);
        window.stride[axis] = size[axis] > 6 ? random_between(1, 3) : 1;
        window.dilation[axis] = window.kernel[axis] > 1 && window.kernel[axis] * 2 <= size[axis]
                                    ? random_between(1, 2)
                                    : 1;
        window.pad_begin[axis] = random_between(0, window.kernel[axis] - 1);
        window.pad_end[axis] = random_between(0, window.kernel[axis] - 1);
    }
    return window;
}

static int grow_convolution(const struct growth *growth, int tensor)
{
    struct graph *graph = growth->graph;
    int64_t channels = extents(growth, tensor)[1];
    int groups = 1, outputs = random_between(1, 6);

    if (random_chance(0.2)) { /* depthwise, or of two groups */
        groups = channels % 2 == 0 && random_chance(0.5) ? 2 : (int)channels;
        outputs = groups * random_between(1, 2);
    }
    tensor =
        network_convolution(graph, tensor, outputs,
                            random_window(extents(growth, tensor)[2], extents(growth, tensor)[3]),
                            groups, random_chance(0.5));
    if (random_chance(0.3))
        tensor = network_batch_norm(graph, tensor);
    return tensor;
}

static int grow_rectifier(const struct growth *growth, int tensor)
{
    static const enum activation curved[] = {
        ACTIVATION_RELU, ACTIVATION_ELU,  ACTIVATION_LEAKY_RELU, ACTIVATION_SOFTPLUS,
        ACTIVATION_SILU, ACTIVATION_TANH, ACTIVATION_CLIP,       ACTIVATION_GELU};
    bool any = growth->features & NETWORK_CURVED;

    return network_activation(growth->graph, tensor,
                              any ? curved[random_between(0, 7)] : ACTIVATION_RELU);
}

static int grow_pool(const struct growth *growth, int tensor)
{
    struct window window = random_window(extents(growth, tensor)[2], extents(growth, tensor)[3]);

    window.dilation[0] = window.dilation[1] = 1;
    if (random_chance(0.5))
        return network_max_pool(growth->graph, tensor, window, random_chance(0.5));
    return network_average_pool(growth->graph, tensor, window, random_chance(0.5),
                                random_chance(0.5));
}

/* A tensor of the same picture size, for additions and concatenations. */
static int find_partner(const struct growth *growth, int tensor, bool same_channels)
{
    for (int tries = 0; tries < 8; tries++) {
        int other = growth->tensors[random_between(0, growth->count - 1)];

        if (extents(growth, other)[2] == extents(growth, tensor)[2] &&
            extents(growth, other)[3] == extents(growth, tensor)[3] &&
            (!same_channels || extents(growth, other)[1] == extents(growth, tensor)[1]))
            return other;
    }
    return tensor;
}

/* x * sigmoid(W pool(x)): the branch that "squeezes and excites" channels. */
static int grow_gate(const struct growth *growth, int tensor)
{
    struct graph *graph = growth->graph;
    int gate = network_global_pool(graph, tensor);

    gate =
        network_relu(graph, network_convolution(graph, gate, 3, window_square(1, 1, 0), 1, true));
    gate = network_convolution(graph, gate, (int)extents(growth, tensor)[1], window_square(1, 1, 0),
                               1, true);
    gate = network_activation(graph, gate, ACTIVATION_SIGMOID);
    return network_binary(graph, BINARY_MULTIPLY, tensor, gate);
}

/* Through channels last and back, with a rectifier on the way. */
static int grow_detour(const struct growth *growth, int tensor)
{
    struct graph *graph = growth->graph;

    switch (random_between(0, 2)) {
    case 0:
        tensor = network_transpose(graph, tensor, 0, 2, 3, 1);
        tensor = grow_rectifier(growth, tensor);
        return network_transpose(graph, tensor, 0, 3, 1, 2);
    case 1: /* channels in the middle */
        tensor = network_transpose(graph, tensor, 0, 2, 1, 3);
        tensor = grow_rectifier(growth, tensor);
        return network_transpose(graph, tensor, 0, 2, 1, 3);
    default: /* rows become columns, and stay so */
        return network_transpose(graph, tensor, 0, 1, 3, 2);
    }
}

/* A node of attributes of its own on one tensor and up to two constants of `count` elements. */
static int grow_node(const struct growth *growth, struct node node, int tensor, int constants,
                     int64_t count)
{
    int inputs[3] = {tensor};
    VbpError error;

    for (int i = 1; i <= constants; i++)
        inputs[i] = network_constant(growth->graph, (struct shape){1, {count}}, NULL);
    node.inputs = inputs;
    node.input_count = 1 + constants;
    return added(graph_add_node(growth->graph, &node, NULL, &error), &error);
}

static int grow_transposed(const struct growth *growth, int tensor)
{
    struct graph *graph = growth->graph;
    const int64_t *extent = extents(growth, tensor);
    int groups = extent[1] % 2 == 0 && random_chance(0.3) ? 2 : 1, outs = random_between(1, 3);
    struct node node = {.kind = NODE_CONVOLUTION_TRANSPOSE, .convolution.groups = groups};
    struct window *window = &node.convolution.window;
    int inputs[3] = {tensor, -1, -1};
    VbpError error;

    *window = window_make(random_between(1, 3), random_between(1, 4));
    for (int axis = 0; axis < 2; axis++) {
        window->stride[axis] = random_between(1, 3);
        window->dilation[axis] = random_between(1, 2);
        window->pad_begin[axis] = random_between(0, (int)window_span(window, axis) - 1);
        node.convolution.extra[axis] = random_between(0, 2);
    }
    inputs[1] = network_constant(
        graph, (struct shape){4, {extent[1], outs, window->kernel[0], window->kernel[1]}}, NULL);
    inputs[2] = network_constant(graph, (struct shape){1, {outs * groups}}, NULL);
    node.inputs = inputs;
    node.input_count = random_chance(0.5) ? 3 : 2;
    return added(graph_add_node(graph, &node, NULL, &error), &error);
}

static int grow_rare(const struct growth *growth, int tensor)
{
    const int64_t *extent = extents(growth, tensor);
    struct node node = {.kind = NODE_SOFTMAX, .softmax.axis = random_between(1, 3)};

    switch (random_between(0, 6)) {
    case 0:
        node = (struct node){.kind = NODE_INSTANCE_NORM, .instance_norm = {0.1F, 1}};
        return grow_node(growth, node, tensor, 2, extent[1]);
    case 1:
        node = (struct node){.kind = NODE_PAD};
        for (int axis = 1; axis < 4; axis++) {
            node.pad.begin[axis] = random_between(extent[axis] > 4 ? -2 : 0, 2);
            node.pad.end[axis] = random_between(extent[axis] > 4 ? -2 : 0, 2);
        }
        return grow_node(growth, node, tensor, 0, 0);
    case 2:
        if (extent[2] > 12 || extent[3] > 12)
            break;
        node = (struct node){.kind = NODE_UPSAMPLE,
                             .upsample.factor = {random_between(1, 3), random_between(1, 2)}};
        return grow_node(growth, node, tensor, 0, 0);
    case 3:
        return network_binary(
            growth->graph, BINARY_PRELU, tensor,
            network_constant(growth->graph,
                             (struct shape){3,
                                            {extent[1], random_chance(0.5) ? extent[2] : 1,
                                             random_chance(0.5) ? extent[3] : 1}},
                             NULL));
    case 4:
        if (extent[2] > 12 || extent[3] > 12)
            break;
        return grow_transposed(growth, tensor);
    case 5:
        node = (struct node){
            .kind = NODE_RESIZE,
            .resize = {.size = {random_between(1, 20), random_between(1, 20)},
                       .interpolation = {INTERPOLATE_LINEAR,
                                         (enum interpolate_grid)random_between(0, 2)}}};
        return grow_node(growth, node, tensor, 0, 0);
    default:
        node.softmax.logarithm = random_chance(0.3);
        break;
    }
    return grow_node(growth, node, tensor, 0, 0);
}

static int grow_once(const struct growth *growth)
{
    struct graph *graph = growth->graph;
    int tensor = pick(growth), pair[2];

    if (growth->features & NETWORK_RARE && random_chance(0.2))
        return grow_rare(growth, tensor);
    switch (random_between(0, 11)) {
    case 0:
    case 1:
    case 2:
        return grow_convolution(growth, tensor);
    case 3:
    case 4:
        return grow_rectifier(growth, tensor);
    case 5:
        return grow_pool(growth, tensor);
    case 6:
        return network_binary(graph, random_chance(0.7) ? BINARY_ADD : BINARY_MULTIPLY, tensor,
                              find_partner(growth, tensor, true));
    case 7:
        pair[0] = tensor;
        pair[1] = find_partner(growth, tensor, false);
        return network_concat(graph, 1, 2, pair);
    case 8:
        return network_batch_norm(graph, tensor);
    case 9:
        return network_identity(graph, tensor);
    case 10:
        return grow_gate(growth, tensor);
    default:
        return growth->features & NETWORK_TRANSPOSES ? grow_detour(growth, tensor)
                                                     : grow_rectifier(growth, tensor);
    }
}

/* Ends a branch in numbers, or leaves the picture as an output. */
static void grow_output(struct growth *growth, int tensor)
{
    struct graph *graph = growth->graph;
    VbpError error;

    if (random_chance(0.8)) {
        tensor = network_dense(graph, network_flatten(graph, tensor), random_between(1, 7));
        if (random_chance(0.5))
            tensor = network_dense(graph, network_relu(graph, tensor), 1);
    }
    if (graph_mark_output(graph, tensor, &error) != VBP_OK)
        fail_msg("%s", error.message);
}

struct graph *network_random(int features)
{
    struct growth growth = {.graph = network_begin(), .features = features};
    struct graph *graph = growth.graph;
    int steps = random_between(2, 20);
    VbpError error;

    if (features & NETWORK_TRANSPOSES && random_chance(0.4)) { /* a file with channels last */
        struct shape shape = {
            4, {1, random_between(8, 20), random_between(8, 20), random_between(1, 3)}};
        int input = graph_add_input(graph, "input", &shape, &error);

        growth.tensors[growth.count++] = network_transpose(graph, added(input, &error), 0, 3, 1, 2);
    } else {
        growth.tensors[growth.count++] = network_input(
            graph, random_between(1, 3), random_between(8, 20), random_between(8, 20));
    }
    growth.tensors[growth.count] =
        network_relu(graph, grow_convolution(&growth, growth.tensors[0]));
    growth.count++;
    for (int i = 0; i < steps; i++) {
        int tensor = grow_once(&growth);

        growth.tensors[growth.count++] = tensor;
        if (features & NETWORK_OUTPUTS && random_chance(0.1))
            grow_output(&growth, tensor);
    }
    grow_output(&growth, network_relu(graph, grow_convolution(&growth, pick(&growth))));
    if (graph_finish(graph, &error) != VBP_OK)
        fail_msg("%s", error.message);
    return graph;
}
