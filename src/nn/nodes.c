/* The nodes of a forward pass, one at a time: all that chains of convolutions do not do. */
#include "kernels/convolution.h"
#include "kernels/convolution_transpose.h"
#include "kernels/dense.h"
#include "kernels/upsample.h"
#include "nn/forward_state.h"
#include "nn/geometry.h"

#include <math.h>

static size_t elements(const struct graph *graph, int tensor)
{
    return (size_t)shape_elements(&graph->tensors[tensor].shape);
}

/* Product of the extents behind the channel axis (axis 1). */
static size_t plane_size(const struct shape *shape)
{
    size_t plane = 1;

    for (int i = 2; i < shape->rank; i++)
        plane *= (size_t)shape->extent[i];
    return plane;
}

/*
 * Whether an operand with these strides is constant along all axes but some neighbouring ones:
 * [outer][channels][inner] of the whole array.
 */
static bool find_channels(const struct shape *shape, const int64_t *stride,
                          struct planes_shape *planes)
{
    size_t *part = &planes->outer;

    *planes = (struct planes_shape){1, 1, 1};
    for (int i = 0; i < shape->rank; i++) {
        size_t extent = (size_t)shape->extent[i];

        if (extent == 1)
            continue;
        if (stride[i] != 0 && part == &planes->outer)
            part = &planes->channels;
        else if (stride[i] == 0 && part == &planes->channels)
            part = &planes->inner;
        else if (stride[i] != 0 && part == &planes->inner)
            return false;
        *part *= extent;
    }
    return true;
}

/* Returns whether the output is finite. */
static bool run_binary(const struct forward *forward, const struct node *node, float *output)
{
    const struct tensor *tensors = forward->graph->tensors;
    const struct planes *planes = forward->kernels->planes;
    const struct shape *shape = &tensors[node->output].shape;
    const float *a = tensor_data(forward, node->inputs[0]);
    const float *b = tensor_data(forward, node->inputs[1]);
    size_t count = elements(forward->graph, node->output);
    bool a_whole = elements(forward->graph, node->inputs[0]) == count;
    bool b_whole = elements(forward->graph, node->inputs[1]) == count;
    int64_t a_stride[SHAPE_MAX_RANK], b_stride[SHAPE_MAX_RANK];
    struct planes_shape channels;

    if (a_whole && b_whole)
        return planes->binary(node->binary, a, b, count, output);
    geometry_broadcast_strides(&tensors[node->inputs[0]].shape, shape, a_stride);
    geometry_broadcast_strides(&tensors[node->inputs[1]].shape, shape, b_stride);
    if (a_whole && find_channels(shape, b_stride, &channels))
        return planes->binary_channels(node->binary, false, channels, a, b, output);
    if (b_whole && node->binary != BINARY_PRELU && find_channels(shape, a_stride, &channels))
        return planes->binary_channels(node->binary, true, channels, b, a, output);
    binary_run(node->binary, shape->rank, shape->extent, a, a_stride, b, b_stride, output);
    return planes->finite(output, count);
}

static void run_concat(const struct forward *forward, const struct node *node, float *output)
{
    struct blocks blocks = geometry_blocks(forward->graph, node);

    for (int slot = 0; slot < node->input_count; slot++) {
        size_t length = elements(forward->graph, node->inputs[slot]) / blocks.rows;

        geometry_place_block(&blocks, tensor_data(forward, node->inputs[slot]), length, output);
        output += length;
    }
}

/* Leaves out axes of one, and makes one axis of two that are stepped through as one. */
static void merge_axes(struct shape *shape, int64_t *stride)
{
    int rank = 0;

    for (int i = 0; i < shape->rank; i++) {
        if (shape->extent[i] == 1)
            continue;
        if (rank > 0 && stride[rank - 1] == shape->extent[i] * stride[i])
            shape->extent[rank - 1] *= shape->extent[i];
        else
            shape->extent[rank++] = shape->extent[i];
        stride[rank - 1] = stride[i];
    }
    shape->rank = rank;
}

static void run_transpose(const struct forward *forward, const struct node *node,
                          const float *input, float *output)
{
    struct shape shape = forward->graph->tensors[node->output].shape;
    int64_t stride[SHAPE_MAX_RANK], rows, columns, matrices, step;

    geometry_transposed_strides(forward->graph, node, stride);
    merge_axes(&shape, stride);
    /* A matrix, or one after the other? Those are dense in the input as well as in the output. */
    if ((shape.rank == 2 || shape.rank == 3) && stride[shape.rank - 2] == 1 &&
        stride[shape.rank - 1] == shape.extent[shape.rank - 2]) {
        rows = shape.extent[shape.rank - 1];
        columns = shape.extent[shape.rank - 2];
        matrices = shape.rank == 3 ? shape.extent[0] : 1;
        step = shape.rank == 3 ? stride[0] : 0;
        for (int64_t i = 0; i < matrices; i++)
            forward->kernels->planes->transpose(input + i * step, (size_t)rows, (size_t)columns,
                                                output + i * rows * columns);
    } else {
        transpose_run(shape.rank, shape.extent, input, stride, output);
    }
}

static void run_convolution(const struct forward *forward, const struct node *node,
                            const float *input, float *output)
{
    struct convolution convolution = geometry_convolution(forward->graph, node);

    convolution_run(&convolution, input, tensor_data(forward, node->inputs[1]),
                    node->input_count == 3 ? tensor_data(forward, node->inputs[2]) : NULL, output,
                    forward->scratch);
}

static void run_dense(const struct forward *forward, const struct node *node, const float *input,
                      float *output)
{
    const int64_t *weights = forward->graph->tensors[node->inputs[1]].shape.extent;
    size_t rows = elements(forward->graph, node->inputs[0]) / (size_t)weights[1];
    const float *bias = node->input_count == 3 ? tensor_data(forward, node->inputs[2]) : NULL;

    if (rows == 1)
        forward->kernels->flat->dense(input, (size_t)weights[1],
                                      tensor_data(forward, node->inputs[1]), bias,
                                      (size_t)weights[0], output);
    else
        dense_run((int)rows, (int)weights[1], (int)weights[0], input,
                  tensor_data(forward, node->inputs[1]), bias, output);
}

/* An array as outer x channels x inner, the axis being the channels'; -1: channels is 1. */
static struct planes_shape split_at(const struct shape *shape, int axis)
{
    struct planes_shape split = {1, axis < 0 ? 1 : (size_t)shape->extent[axis], 1};

    for (int i = axis + 1; i < shape->rank; i++)
        split.inner *= (size_t)shape->extent[i];
    for (int i = 0; i < axis; i++)
        split.outer *= (size_t)shape->extent[i];
    return split;
}

static void run_softmax(const struct node *node, const struct shape *shape, const float *input,
                        float *output)
{
    struct planes_shape split = split_at(shape, node->softmax.axis);

    if (node->softmax.logarithm)
        log_softmax_run(input, split.outer, split.channels, split.inner, output);
    else
        softmax_run(input, split.outer, split.channels, split.inner, output);
}

static void run_convolution_transpose(const struct forward *forward, const struct node *node,
                                      const float *input, float *output)
{
    struct convolution convolution = geometry_convolution(forward->graph, node);

    convolution_transpose_run(&convolution, input, tensor_data(forward, node->inputs[1]),
                              node->input_count == 3 ? tensor_data(forward, node->inputs[2]) : NULL,
                              output);
}

/* The kinds that few networks have. */
static void run_rare_node(const struct forward *forward, const struct node *node,
                          const float *input, float *output)
{
    const struct tensor *tensors = forward->graph->tensors;
    const struct shape *shape = &tensors[node->output].shape;
    const int64_t *extent = tensors[node->inputs[0]].shape.extent;

    if (node->kind == NODE_PAD)
        pad_run(shape->rank, extent, node->pad.begin, shape->extent, input, output);
    else if (node->kind == NODE_UPSAMPLE)
        upsample_run(input, (size_t)extent[1], (size_t)extent[2], (size_t)extent[3],
                     (size_t)node->upsample.factor[0], (size_t)node->upsample.factor[1], output);
    else if (node->kind == NODE_RESIZE)
        interpolate_run(node->resize.interpolation, input, (size_t)extent[1], (int)extent[2],
                        (int)extent[3], node->resize.size[0], node->resize.size[1], output);
    else if (node->kind == NODE_SOFTMAX)
        run_softmax(node, shape, input, output);
    else if (node->kind == NODE_CONVOLUTION_TRANSPOSE)
        run_convolution_transpose(forward, node, input, output);
}

void node_average(const struct forward *forward, int tensor)
{
    const struct tensor *level = &forward->graph->tensors[tensor];
    struct axes axes = level->axes;
    size_t channels = (size_t)tensor_channels(level);
    size_t height = (size_t)tensor_height(level), width = (size_t)tensor_width(level);
    const float *data = tensor_data(forward, tensor);
    float *average = forward->average_of[tensor];
    int64_t stride[SHAPE_MAX_RANK];

    geometry_strides(&level->shape, stride);
    if (axes.channel > axes.height && axes.channel < axes.width) {
        for (size_t y = 0; y < height; y++)
            forward->kernels->planes->average(data + y * (size_t)stride[axes.height], channels,
                                              width, width, 1, forward->options.average,
                                              average + y * width);
        return;
    }
    forward->kernels->planes->average(data, channels, height * width, (size_t)stride[axes.channel],
                                      (size_t)stride[axes.width], forward->options.average,
                                      average);
}

/*
 * True where the node can make NaN or infinity of finite values. What the other kinds give are
 * values that they were given.
 */
static bool can_overflow(const struct node *node)
{
    switch (node->kind) {
    case NODE_CONVOLUTION:
    case NODE_DENSE:
    case NODE_BATCH_NORM:
    case NODE_AFFINE:
    case NODE_AVERAGE_POOL:
    case NODE_GLOBAL_AVERAGE_POOL:
    case NODE_ACTIVATION:
    case NODE_BINARY:
    case NODE_SOFTMAX:
    case NODE_INSTANCE_NORM:
    case NODE_CONVOLUTION_TRANSPOSE:
    case NODE_RESIZE: /* the difference of two cells */
        return true;
    case NODE_MAX_POOL:
    case NODE_CONCAT:
    case NODE_RESHAPE:
    case NODE_TRANSPOSE:
    case NODE_IDENTITY:
    case NODE_PAD:
    case NODE_UPSAMPLE:
    case NODE_KIND_COUNT:
        break;
    }
    return false;
}

bool tensor_finite(const struct forward *forward, int tensor)
{
    return forward->kernels->planes->finite(tensor_data(forward, tensor),
                                            elements(forward->graph, tensor));
}

/* A constant that reaches its readers as it is may hold NaN too; then its reader is named. */
static bool reads_constant(const struct graph *graph, const struct node *node)
{
    for (int slot = 0; slot < node->input_count; slot++) {
        if (graph->tensors[node->inputs[slot]].values)
            return true;
    }
    return false;
}

/* The kinds that do not check what they make. */
static void run_unchecked(const struct forward *forward, const struct node *node,
                          const float *input, float *output)
{
    const struct graph *graph = forward->graph;
    const struct planes *planes = forward->kernels->planes;
    struct window_sizes sizes;

    switch (node->kind) {
    case NODE_CONVOLUTION:
        run_convolution(forward, node, input, output);
        break;
    case NODE_DENSE:
        run_dense(forward, node, input, output);
        break;
    case NODE_MAX_POOL:
        sizes = geometry_window_sizes(graph, node);
        planes->max_pool(&sizes, &node->pool.window, input, output);
        break;
    case NODE_AVERAGE_POOL:
        sizes = geometry_window_sizes(graph, node);
        planes->average_pool(&sizes, &node->pool.window, node->pool.include_padding, input, output);
        break;
    case NODE_GLOBAL_AVERAGE_POOL:
        planes->global_average(input, elements(graph, node->output),
                               plane_size(&graph->tensors[node->inputs[0]].shape), output);
        break;
    case NODE_CONCAT:
        run_concat(forward, node, output);
        break;
    case NODE_TRANSPOSE:
        run_transpose(forward, node, input, output);
        break;
    case NODE_PAD:
    case NODE_UPSAMPLE:
    case NODE_SOFTMAX:
    case NODE_CONVOLUTION_TRANSPOSE:
    case NODE_RESIZE:
        run_rare_node(forward, node, input, output);
        break;
    case NODE_BATCH_NORM:
    case NODE_AFFINE:
    case NODE_ACTIVATION:
    case NODE_BINARY:
    case NODE_INSTANCE_NORM:
    case NODE_RESHAPE:
    case NODE_IDENTITY:
    case NODE_KIND_COUNT:
        break; /* the plan lets the output share the input's memory, or node_run does them */
    }
}

bool node_run(const struct forward *forward, int index)
{
    const struct graph *graph = forward->graph;
    const struct planes *planes = forward->kernels->planes;
    const struct node *node = &graph->nodes[index];
    const struct shape *shape = &graph->tensors[node->output].shape;
    const float *input = tensor_data(forward, node->inputs[0]), *affine = forward->affine[index];
    float *output = tensor_data(forward, node->output);
    struct planes_shape channels;

    switch (node->kind) {
    case NODE_BATCH_NORM:
        channels = split_at(shape, 1);
        return planes->affine(channels, affine, affine + channels.channels, -INFINITY, INFINITY,
                              input, output);
    case NODE_AFFINE:
        return planes->affine(
            split_at(shape, node->affine.axis), tensor_data(forward, node->inputs[1]),
            tensor_data(forward, node->inputs[2]), -INFINITY, INFINITY, input, output);
    case NODE_ACTIVATION:
        return planes->activate(node->activation.function, node->activation.alpha,
                                node->activation.beta, input, output,
                                elements(graph, node->output));
    case NODE_BINARY:
        return run_binary(forward, node, output);
    case NODE_INSTANCE_NORM:
        return planes->normalise(split_at(shape, node->instance_norm.axis),
                                 (double)node->instance_norm.epsilon,
                                 tensor_data(forward, node->inputs[1]),
                                 tensor_data(forward, node->inputs[2]), input, output);
    default:
        run_unchecked(forward, node, input, output);
        return (!can_overflow(node) && !reads_constant(graph, node)) ||
               tensor_finite(forward, node->output);
    }
}
