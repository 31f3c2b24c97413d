#include "nn/forward.h"

#include "base/memory.h"
#include "base/team.h"
#include "graph/plan.h"
#include "kernels/convolution.h"
#include "kernels/dense.h"
#include "kernels/map.h"
#include "kernels/normalise.h"
#include "kernels/pool.h"
#include "kernels/upsample.h"
#include "nn/chains.h"

#include <math.h>
#include <stdatomic.h>
#include <string.h>
#include <time.h>

/* 8 GiB. */
#define FORWARD_MAX_FLOATS ((size_t)1 << 31)

struct forward {
    const struct graph *graph;
    struct forward_options options;
    struct plan plan;
    const struct kernels *kernels;
    struct chains chains;
    float *block;   /* plan.size floats: all computed tensors */
    float *scratch; /* columns of the largest convolution that is not in a chain */
    struct team *team;
    float *memory; /* of chains: memory_size floats for each worker */
    size_t memory_size;
    float **affine;     /* per node: factors and offsets of batch normalisations, else NULL */
    float **average;    /* per level */
    float **average_of; /* per tensor: the same, NULL where it is not a level */
    double *seconds;    /* per node: time of the last run; NULL without time_nodes */
};

static double seconds_now(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec * 1e-9;
}

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
    struct convolution convolution = chains_convolution(forward->graph, node);

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
    float *average = forward->average_of[tensor];
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

static int blame(const struct forward *forward, int index, VbpError *error)
{
    const struct node *node = &forward->graph->nodes[index];

    return error_set(error, VBP_ERROR_NUMERIC,
                     "layer %d (%s '%s') is the first to give NaN or infinity", index,
                     node->source_kind, node->name);
}

struct chain_work {
    const struct forward *forward;
    const struct node_chain *chain;
    atomic_int failed; /* the first link that gave NaN or infinity; the number of them: none did */
};

static void work_on_chain(void *context, int worker)
{
    struct chain_work *work = context;
    const struct forward *forward = work->forward;
    const struct node_chain *chain = work->chain;
    int failed = convolution_chain_run(&chain->chain, tensor_data(forward, chain->input),
                                       tensor_data(forward, chain->output), worker,
                                       team_workers(forward->team),
                                       forward->memory + (size_t)worker * forward->memory_size);
    int first = atomic_load(&work->failed);

    while (failed >= 0 && failed < first &&
           !atomic_compare_exchange_weak(&work->failed, &first, failed))
        continue;
}

static int run_chain(const struct forward *forward, const struct node_chain *chain, VbpError *error)
{
    struct chain_work work = {forward, chain, chain->chain.count};
    int failed;

    team_run(forward->team, work_on_chain, &work);
    failed = atomic_load(&work.failed);
    return failed == chain->chain.count ? VBP_OK : blame(forward, chain->node[failed], error);
}

int forward_run(struct forward *forward, VbpError *error)
{
    const struct graph *graph = forward->graph;
    int result;

    if (!tensor_finite(forward, graph->input))
        return error_set(error, VBP_ERROR_NUMERIC, "the network's input holds NaN or infinity");
    for (int i = 0; i < graph->node_count; i++) {
        const struct node *node = &graph->nodes[i];
        double started = forward->seconds ? seconds_now() : 0;
        int chain = forward->chains.of_node[i];

        if (chain >= 0) {
            if (forward->chains.list[chain].last_node != i)
                continue;
            result = run_chain(forward, &forward->chains.list[chain], error);
            if (result != VBP_OK)
                return result;
            if (forward->seconds)
                forward->seconds[forward->chains.list[chain].node[0]] = seconds_now() - started;
            continue;
        }
        run_node(forward, i);
        /* Both now, while the values are in the cache and before a later node writes over them. */
        if ((can_overflow(node) || reads_constant(graph, node)) &&
            !tensor_finite(forward, node->output))
            return blame(forward, i, error);
        if (forward->average_of[node->output])
            average_level(forward, node->output);
        if (forward->seconds)
            forward->seconds[i] = seconds_now() - started;
    }
    return VBP_OK;
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
    size_t scratch = 0, memory;
    int result;

    for (int i = 0; i < graph->node_count; i++) {
        const struct node *node = &graph->nodes[i];

        if (node->kind == NODE_CONVOLUTION && forward->chains.of_node[i] < 0) {
            struct convolution convolution = chains_convolution(graph, node);
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
    forward->memory_size =
        (forward->chains.memory_size + MEMORY_ALIGNMENT - 1) / MEMORY_ALIGNMENT * MEMORY_ALIGNMENT;
    memory = forward->memory_size * (size_t)team_workers(forward->team);
    result = check_size(memory, "the rows that convolutions share", error);
    if (result != VBP_OK)
        return result;
    forward->scratch = memory_aligned_array(scratch, sizeof(float));
    forward->memory = memory_aligned_array(memory, sizeof(float));
    if (!forward->scratch || !forward->memory)
        return error_out_of_memory(error);
    memset(forward->memory, 0, memory * sizeof(float));
    return VBP_OK;
}

static int prepare_levels(struct forward *forward, VbpError *error)
{
    const struct graph *graph = forward->graph;

    for (int i = 0; i < graph->level_count && forward->options.level_averages; i++) {
        const struct tensor *level = &graph->tensors[graph->levels[i]];

        forward->average[i] = memory_aligned_array(
            (size_t)tensor_height(level) * (size_t)tensor_width(level), sizeof(float));
        if (!forward->average[i])
            return error_out_of_memory(error);
        forward->average_of[graph->levels[i]] = forward->average[i];
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
    f->average_of = memory_array((size_t)graph->tensor_count, sizeof(*f->average_of));
    f->kernels = kernels_best(options->isa);
    if (options->time_nodes)
        f->seconds = memory_array((size_t)graph->node_count, sizeof(*f->seconds));
    if (!f->affine || !f->average || !f->average_of || (options->time_nodes && !f->seconds))
        result = error_out_of_memory(error);
    else
        result = prepare_levels(f, error);
    if (result == VBP_OK)
        result = team_create(&f->team, options->threads > 1 ? options->threads : 1, error);
    if (result == VBP_OK)
        result = chains_find(&f->chains, graph, f->kernels,
                             options->keep_all || options->time_nodes, f->average_of, error);
    if (result == VBP_OK)
        result = plan_make(&f->plan, graph, f->chains.keep_until, options->keep_all, error);
    if (result == VBP_OK)
        result = check_size(f->plan.size, "the tensors of the network", error);
    if (result == VBP_OK) {
        f->block = memory_aligned_array(f->plan.size, sizeof(float));
        result = f->block ? prepare_nodes(f, error) : error_out_of_memory(error);
    }
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
    free(f->seconds);
    free(f->average_of);
    chains_free(&f->chains);
    team_destroy(&f->team);
    free(f->scratch);
    free(f->memory);
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

int forward_check_averages(const struct forward *forward, VbpError *error)
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

const double *forward_node_seconds(const struct forward *forward)
{
    return forward->seconds;
}

const struct kernels *forward_kernels(const struct forward *forward)
{
    return forward->kernels;
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
