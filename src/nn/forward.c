#include "nn/forward.h"

#include "base/memory.h"
#include "graph/plan.h"
#include "kernels/convolution.h"
#include "kernels/dense.h"
#include "kernels/map.h"
#include "kernels/normalise.h"
#include "kernels/pool.h"
#include "kernels/upsample.h"

#include <math.h>
#include <string.h>

/* 8 GiB. */
#define FORWARD_MAX_FLOATS ((size_t)1 << 31)

struct forward {
    const struct graph *graph;
    struct forward_options options;
    struct plan plan;
    float *block;    /* plan.size floats: all computed tensors */
    float *scratch;  /* columns of the largest convolution */
    float **affine;  /* per node: factors and offsets of batch normalisations, else NULL */
    float **average; /* per level */
    int *level_of;   /* per tensor: index of the level it is, or -1 */
};

static float *tensor_data(const struct forward *forward, int tensor)
{
    int storage = forward->plan.storage[tensor];

    if (forward->graph->tensors[storage].values)
        return forward->graph->tensors[storage].values;
    return forward->block + forward->plan.offset[storage];
}

static struct window_sizes window_sizes(const struct graph *graph, const struct node *node)
{
    const int64_t *input = graph->tensors[node->inputs[0]].shape.extent;
    const int64_t *output = graph->tensors[node->output].shape.extent;

    return (struct window_sizes){(int)input[1],  (int)input[2],  (int)input[3],
                                 (int)output[1], (int)output[2], (int)output[3]};
}

static struct convolution convolution_of(const struct graph *graph, const struct node *node)
{
    return (struct convolution){.sizes = window_sizes(graph, node),
                                .window = node->convolution.window,
                                .groups = node->convolution.groups};
}

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

static void dense_strides(const struct shape *shape, int64_t *stride)
{
    int64_t step = 1;

    for (int i = shape->rank - 1; i >= 0; i--) {
        stride[i] = step;
        step *= shape->extent[i];
    }
}

/* Strides of `shape` seen as the broadcast `target`: 0 along axes that it does not have. */
static void broadcast_strides(const struct shape *shape, const struct shape *target,
                              int64_t *stride)
{
    int64_t own[SHAPE_MAX_RANK];
    int missing = target->rank - shape->rank;

    dense_strides(shape, own);
    for (int i = 0; i < target->rank; i++)
        stride[i] = i < missing || shape->extent[i - missing] == 1 ? 0 : own[i - missing];
}

static void run_binary(const struct forward *forward, const struct node *node, float *output)
{
    const struct tensor *tensors = forward->graph->tensors;
    const struct shape *shape = &tensors[node->output].shape;
    int64_t a_stride[SHAPE_MAX_RANK], b_stride[SHAPE_MAX_RANK];

    broadcast_strides(&tensors[node->inputs[0]].shape, shape, a_stride);
    broadcast_strides(&tensors[node->inputs[1]].shape, shape, b_stride);
    binary_run(node->binary, shape->rank, shape->extent, tensor_data(forward, node->inputs[0]),
               a_stride, tensor_data(forward, node->inputs[1]), b_stride, output);
}

/* Inputs are blocks of (extents from the axis on) elements, one after the other in each row. */
static void run_concat(const struct forward *forward, const struct node *node, float *output)
{
    const struct shape *shape = &forward->graph->tensors[node->output].shape;
    size_t rows = 1, inner = 1, row_length, done = 0;

    for (int i = 0; i < node->concat.axis; i++)
        rows *= (size_t)shape->extent[i];
    for (int i = node->concat.axis + 1; i < shape->rank; i++)
        inner *= (size_t)shape->extent[i];
    row_length = inner * (size_t)shape->extent[node->concat.axis];
    for (int slot = 0; slot < node->input_count; slot++) {
        const float *input = tensor_data(forward, node->inputs[slot]);
        size_t length =
            inner *
            (size_t)forward->graph->tensors[node->inputs[slot]].shape.extent[node->concat.axis];

        for (size_t row = 0; row < rows; row++)
            memcpy(output + row * row_length + done, input + row * length, length * sizeof(float));
        done += length;
    }
}

static void run_transpose(const struct forward *forward, const struct node *node,
                          const float *input, float *output)
{
    const struct tensor *tensors = forward->graph->tensors;
    const struct shape *shape = &tensors[node->output].shape;
    int64_t own[SHAPE_MAX_RANK], stride[SHAPE_MAX_RANK];

    dense_strides(&tensors[node->inputs[0]].shape, own);
    for (int i = 0; i < shape->rank; i++)
        stride[i] = own[node->transpose.permutation[i]];
    transpose_run(shape->rank, shape->extent, input, stride, output);
}

static void run_convolution(const struct forward *forward, const struct node *node,
                            const float *input, float *output)
{
    struct convolution convolution = convolution_of(forward->graph, node);

    convolution_run(&convolution, input, tensor_data(forward, node->inputs[1]),
                    node->input_count == 3 ? tensor_data(forward, node->inputs[2]) : NULL, output,
                    forward->scratch);
}

static void run_dense(const struct forward *forward, const struct node *node, const float *input,
                      float *output)
{
    const int64_t *weights = forward->graph->tensors[node->inputs[1]].shape.extent;
    size_t rows = elements(forward->graph, node->inputs[0]) / (size_t)weights[1];

    dense_run((int)rows, (int)weights[1], (int)weights[0], input,
              tensor_data(forward, node->inputs[1]),
              node->input_count == 3 ? tensor_data(forward, node->inputs[2]) : NULL, output);
}

static void run_batch_norm(const struct shape *shape, const float *affine, const float *input,
                           float *output)
{
    size_t channels = (size_t)shape->extent[1], plane = plane_size(shape);

    for (int64_t row = 0; row < shape->extent[0]; row++) {
        channel_affine_run(input, affine, affine + channels, channels, plane, output);
        input += channels * plane;
        output += channels * plane;
    }
}

static void run_softmax(const struct node *node, const struct shape *shape, const float *input,
                        float *output)
{
    size_t rows = 1, inner = 1;

    for (int i = 0; i < node->softmax.axis; i++)
        rows *= (size_t)shape->extent[i];
    for (int i = node->softmax.axis + 1; i < shape->rank; i++)
        inner *= (size_t)shape->extent[i];
    softmax_run(input, rows, (size_t)shape->extent[node->softmax.axis], inner, output);
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
    else if (node->kind == NODE_SOFTMAX)
        run_softmax(node, shape, input, output);
    else if (node->kind == NODE_INSTANCE_NORM)
        instance_normalise_run(
            input, (size_t)shape->extent[1], plane_size(shape), (double)node->instance_norm.epsilon,
            tensor_data(forward, node->inputs[1]), tensor_data(forward, node->inputs[2]), output);
}

static void run_node(const struct forward *forward, int index)
{
    const struct graph *graph = forward->graph;
    const struct node *node = &graph->nodes[index];
    const struct shape *shape = &graph->tensors[node->output].shape;
    const float *input = tensor_data(forward, node->inputs[0]);
    float *output = tensor_data(forward, node->output);
    struct window_sizes sizes;
    size_t plane;

    switch (node->kind) {
    case NODE_CONVOLUTION:
        run_convolution(forward, node, input, output);
        break;
    case NODE_DENSE:
        run_dense(forward, node, input, output);
        break;
    case NODE_BATCH_NORM:
        run_batch_norm(shape, forward->affine[index], input, output);
        break;
    case NODE_ACTIVATION:
        activation_run(node->activation.function, node->activation.alpha, node->activation.beta,
                       input, output, elements(graph, node->output));
        break;
    case NODE_MAX_POOL:
        sizes = window_sizes(graph, node);
        max_pool_run(&sizes, &node->pool.window, input, output);
        break;
    case NODE_AVERAGE_POOL:
        sizes = window_sizes(graph, node);
        average_pool_run(&sizes, &node->pool.window, node->pool.include_padding, input, output);
        break;
    case NODE_GLOBAL_AVERAGE_POOL:
        plane = plane_size(&graph->tensors[node->inputs[0]].shape);
        global_average_pool_run(input, (size_t)shape->extent[1], plane, output);
        break;
    case NODE_BINARY:
        run_binary(forward, node, output);
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
    case NODE_INSTANCE_NORM:
        run_rare_node(forward, node, input, output);
        break;
    case NODE_RESHAPE:
    case NODE_IDENTITY:
    case NODE_KIND_COUNT:
        break; /* the plan lets the output share the input's memory */
    }
}

static void average_level(const struct forward *forward, int tensor)
{
    const struct tensor *level = &forward->graph->tensors[tensor];
    struct axes axes = level->axes;
    size_t channels = (size_t)tensor_channels(level);
    size_t height = (size_t)tensor_height(level), width = (size_t)tensor_width(level);
    const float *data = tensor_data(forward, tensor);
    float *average = forward->average[forward->level_of[tensor]];
    int64_t stride[SHAPE_MAX_RANK];

    dense_strides(&level->shape, stride);
    if (axes.channel > axes.height && axes.channel < axes.width) {
        for (size_t y = 0; y < height; y++)
            map_average(data + y * (size_t)stride[axes.height], channels, width, width, 1,
                        forward->options.average, average + y * width);
        return;
    }
    map_average(data, channels, height * width, (size_t)stride[axes.channel],
                (size_t)stride[axes.width], forward->options.average, average);
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
    case NODE_AVERAGE_POOL:
    case NODE_GLOBAL_AVERAGE_POOL:
    case NODE_BINARY:
    case NODE_SOFTMAX:
    case NODE_INSTANCE_NORM:
        return true;
    case NODE_ACTIVATION:
        return node->activation.function != ACTIVATION_RELU;
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

static bool tensor_finite(const struct forward *forward, int tensor)
{
    return values_finite(tensor_data(forward, tensor), elements(forward->graph, tensor));
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

static int check_averages(const struct forward *forward, VbpError *error)
{
    const struct graph *graph = forward->graph;

    for (int i = 0; i < graph->level_count; i++) {
        const struct tensor *level = &graph->tensors[graph->levels[i]];
        size_t cells = (size_t)tensor_height(level) * (size_t)tensor_width(level);

        if (!values_finite(forward->average[i], cells))
            return error_set(error, VBP_ERROR_NUMERIC,
                             "the sum over the channels of '%s' exceeds what a float holds",
                             level->name);
    }
    return VBP_OK;
}

int forward_run(struct forward *forward, VbpError *error)
{
    const struct graph *graph = forward->graph;

    if (!tensor_finite(forward, graph->input))
        return error_set(error, VBP_ERROR_NUMERIC, "the network's input holds NaN or infinity");
    for (int i = 0; i < graph->node_count; i++) {
        const struct node *node = &graph->nodes[i];

        run_node(forward, i);
        /* Both now, while the values are in the cache and before a later node writes over them. */
        if ((can_overflow(node) || reads_constant(graph, node)) &&
            !tensor_finite(forward, node->output))
            return error_set(error, VBP_ERROR_NUMERIC,
                             "layer %d (%s '%s') is the first to give NaN or infinity", i,
                             node->source_kind, node->name);
        if (forward->options.level_averages && forward->level_of[node->output] >= 0)
            average_level(forward, node->output);
    }
    return forward->options.level_averages ? check_averages(forward, error) : VBP_OK;
}

/* More than any network that runs on frames of a video needs, and less than machines have. */
static int check_size(size_t floats, const char *what, VbpError *error)
{
    if (floats > FORWARD_MAX_FLOATS)
        return error_set(error, VBP_ERROR_UNSUPPORTED,
                         "%s would take %zu MiB of memory, more than %zu MiB", what, floats >> 18,
                         FORWARD_MAX_FLOATS >> 18);
    return VBP_OK;
}

static int prepare_nodes(struct forward *forward, VbpError *error)
{
    const struct graph *graph = forward->graph;
    size_t scratch = 0;
    int result;

    for (int i = 0; i < graph->node_count; i++) {
        const struct node *node = &graph->nodes[i];

        if (node->kind == NODE_CONVOLUTION) {
            struct convolution convolution = convolution_of(graph, node);
            size_t needed = convolution_scratch(&convolution);

            scratch = needed > scratch ? needed : scratch;
        } else if (node->kind == NODE_BATCH_NORM) {
            const struct tensor *tensors = graph->tensors;
            size_t channels = (size_t)tensors[node->output].shape.extent[1];

            forward->affine[i] = memory_aligned_array(2 * channels, sizeof(float));
            if (!forward->affine[i])
                return error_out_of_memory(error);
            channel_affine_prepare(tensors[node->inputs[1]].values, tensors[node->inputs[2]].values,
                                   tensors[node->inputs[3]].values, tensors[node->inputs[4]].values,
                                   (double)node->batch_norm.epsilon, channels, forward->affine[i],
                                   forward->affine[i] + channels);
        }
    }
    result = check_size(scratch, "the columns of the largest convolution", error);
    if (result != VBP_OK)
        return result;
    forward->scratch = memory_aligned_array(scratch, sizeof(float));
    return forward->scratch ? VBP_OK : error_out_of_memory(error);
}

static int prepare_levels(struct forward *forward, VbpError *error)
{
    const struct graph *graph = forward->graph;

    for (int t = 0; t < graph->tensor_count; t++)
        forward->level_of[t] = -1;
    for (int i = 0; i < graph->level_count && forward->options.level_averages; i++) {
        const struct tensor *level = &graph->tensors[graph->levels[i]];

        forward->level_of[graph->levels[i]] = i;
        forward->average[i] = memory_aligned_array(
            (size_t)tensor_height(level) * (size_t)tensor_width(level), sizeof(float));
        if (!forward->average[i])
            return error_out_of_memory(error);
    }
    return VBP_OK;
}

int forward_create(struct forward **forward, const struct graph *graph,
                   const struct forward_options *options, VbpError *error)
{
    struct forward *f = memory_array(1, sizeof(*f));
    int result;

    *forward = NULL;
    if (!f)
        return error_out_of_memory(error);
    f->graph = graph;
    f->options = *options;
    f->affine = memory_array((size_t)graph->node_count, sizeof(*f->affine));
    f->average = memory_array((size_t)graph->level_count, sizeof(*f->average));
    f->level_of = memory_array((size_t)graph->tensor_count, sizeof(*f->level_of));
    if (!f->affine || !f->average || !f->level_of)
        result = error_out_of_memory(error);
    else
        result = plan_make(&f->plan, graph, options->keep_all, error);
    if (result == VBP_OK)
        result = check_size(f->plan.size, "the tensors of the network", error);
    if (result == VBP_OK) {
        f->block = memory_aligned_array(f->plan.size, sizeof(float));
        result = f->block ? prepare_nodes(f, error) : error_out_of_memory(error);
    }
    if (result == VBP_OK)
        result = prepare_levels(f, error);
    if (result == VBP_OK) {
        memset(f->block, 0, f->plan.size * sizeof(float));
        *forward = f;
    } else {
        forward_destroy(&f);
    }
    return result;
}

void forward_destroy(struct forward **forward)
{
    struct forward *f = *forward;

    if (!f)
        return;
    for (int i = 0; f->affine && i < f->graph->node_count; i++)
        free(f->affine[i]);
    for (int i = 0; f->average && i < f->graph->level_count; i++)
        free(f->average[i]);
    free(f->affine);
    free(f->average);
    free(f->level_of);
    free(f->scratch);
    free(f->block);
    plan_free(&f->plan);
    free(f);
    *forward = NULL;
}

float *forward_input(struct forward *forward)
{
    return tensor_data(forward, forward->graph->input);
}

const float *forward_tensor(const struct forward *forward, int tensor)
{
    return tensor_data(forward, tensor);
}

const float *forward_level_average(const struct forward *forward, int level)
{
    return forward->average[level];
}

int64_t node_multiply_adds(const struct graph *graph, const struct node *node)
{
    const struct shape *weights;

    if (node->kind != NODE_CONVOLUTION && node->kind != NODE_DENSE)
        return 0;
    weights = &graph->tensors[node->inputs[1]].shape;
    return shape_elements(&graph->tensors[node->output].shape) *
           (shape_elements(weights) / weights->extent[0]);
}
