#include "nn/forward_state.h"

#include "base/memory.h"
#include "kernels/convolution.h"
#include "nn/geometry.h"

#include <math.h>
#include <stdatomic.h>
#include <string.h>
#include <time.h>

/* 8 GiB. */
#define FORWARD_MAX_FLOATS ((size_t)1 << 31)

static double seconds_now(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec * 1e-9;
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

static void work_on_chain(void *context, int part)
{
    struct chain_work *work = context;
    const struct forward *forward = work->forward;
    const struct node_chain *chain = work->chain;
    const struct convolution_chain_run run = {
        .input = tensor_data(forward, chain->input),
        .output = tensor_data(forward, chain->output),
        .worker = part,
        .workers = team_workers(forward->team),
        .memory = forward->memory + (size_t)part * forward->memory_size,
        .check = !(forward->largest_input <= chain->largest_input)};
    int failed = convolution_chain_run(&chain->chain, &run);
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

    forward->largest_input = (double)forward->kernels->planes->largest(
        tensor_data(forward, graph->input),
        (size_t)shape_elements(&graph->tensors[graph->input].shape));
    if (!isfinite(forward->largest_input))
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
        if (!node_run(forward, i))
            return blame(forward, i, error);
        /* Now, while the values are in the cache and before a later node writes over them. */
        if (forward->average_of[node->output])
            node_average(forward, node->output);
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
            struct convolution convolution = geometry_convolution(graph, node);
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

        forward->average[i] = memory_aligned_array(tensor_cells(level), sizeof(float));
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
        result = chains_find(
            &f->chains, graph,
            &(struct chains_options){.kernels = f->kernels,
                                     .keep_all = options->keep_all || options->time_nodes,
                                     .average = f->average_of,
                                     .kind = options->average},
            error);
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
        size_t cells = tensor_cells(level);

        if (!forward->kernels->planes->finite(forward->average[i], cells))
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
    /* A transposed convolution uses its weights for each cell that it reads. */
    bool transposed = node->kind == NODE_CONVOLUTION_TRANSPOSE;

    if (node->kind != NODE_CONVOLUTION && node->kind != NODE_DENSE && !transposed)
        return 0;
    weights = &graph->tensors[node->inputs[1]].shape;
    return shape_elements(&graph->tensors[transposed ? node->inputs[0] : node->output].shape) *
           (shape_elements(weights) / weights->extent[0]);
}
