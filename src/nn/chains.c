#include "nn/chains.h"

#include "base/memory.h"

#include <math.h>

/* A picture between two convolutions that takes more than this does not stay in the second-level
 * cache until the second one reads it, so they are chained; others are made whole. */
#define WHOLE_BYTES ((size_t)512 * 1024)

struct convolution chains_convolution(const struct graph *graph, const struct node *node)
{
    const int64_t *input = graph->tensors[node->inputs[0]].shape.extent;
    const int64_t *output = graph->tensors[node->output].shape.extent;

    return (struct convolution){.sizes = {(int)input[1], (int)input[2], (int)input[3],
                                          (int)output[1], (int)output[2], (int)output[3]},
                                .window = node->convolution.window,
                                .groups = node->convolution.groups};
}

/* Takes the activation behind a convolution in, if it only cuts values. */
static void take_activation(const struct graph *graph, struct node_chain *found,
                            struct chain_link *link)
{
    int reader = graph_only_reader(graph, found->output);
    const struct node *node = reader < 0 ? NULL : &graph->nodes[reader];

    if (!node || node->kind != NODE_ACTIVATION)
        return;
    if (node->activation.function == ACTIVATION_RELU) {
        link->least = 0;
    } else if (node->activation.function == ACTIVATION_CLIP &&
               node->activation.alpha <= node->activation.beta) {
        link->least = node->activation.alpha;
        link->most = node->activation.beta;
    } else {
        return;
    }
    found->last_node = reader;
    found->output = node->output;
}

/* Whether the convolution is to be chained to what is already there. */
static bool continues(const struct graph *graph, const struct node_chain *chain, int node)
{
    size_t elements = (size_t)shape_elements(&graph->tensors[chain->output].shape);

    return chain->output == graph->nodes[node].inputs[0] && chain->last_node < node &&
           graph_only_reader(graph, chain->output) == node &&
           chain->chain.count < CHAIN_MAX_LINKS && elements * sizeof(float) > WHOLE_BYTES;
}

static int add_convolution(struct chains *chains, const struct graph *graph,
                           const struct kernels *kernels, int index, bool keep_all,
                           float *const *average, VbpError *error)
{
    const struct node *node = &graph->nodes[index];
    const float *weights = graph->tensors[node->inputs[1]].values;
    const float *bias = node->input_count == 3 ? graph->tensors[node->inputs[2]].values : NULL;
    struct convolution convolution = chains_convolution(graph, node);
    struct chain_link link = {.least = -INFINITY, .most = INFINITY};
    struct node_chain found = {
        .input = node->inputs[0], .output = node->output, .last_node = index};
    struct node_chain *last = chains->count > 0 ? &chains->list[chains->count - 1] : NULL;

    if (!weights || (node->input_count == 3 && !bias))
        return VBP_OK;
    if (!convolution_flat_create(&link.flat, &convolution, kernels->flat, ROWS_CHEAPEST, weights,
                                 bias))
        return error_out_of_memory(error);
    if (!link.flat)
        return VBP_OK;
    if (!keep_all)
        take_activation(graph, &found, &link);
    /* All kinds of averages are the same where nothing is negative. */
    link.average = average && link.least >= 0 ? average[found.output] : NULL;
    if (!last || keep_all || !continues(graph, last, index)) {
        last = &chains->list[chains->count++];
        last->input = found.input;
    }
    if (!convolution_chain_add(&last->chain, &link)) {
        convolution_flat_destroy(link.flat);
        return error_out_of_memory(error);
    }
    last->node[last->chain.count - 1] = index;
    last->output = found.output;
    last->last_node = found.last_node;
    chains->of_node[index] = chains->of_node[found.last_node] = chains->count - 1;
    return VBP_OK;
}

int chains_find(struct chains *chains, const struct graph *graph, const struct kernels *kernels,
                bool keep_all, float *const *average, VbpError *error)
{
    int result = VBP_OK;

    *chains = (struct chains){0};
    chains->list = memory_array((size_t)graph->node_count, sizeof(*chains->list));
    chains->of_node = memory_array((size_t)graph->node_count, sizeof(*chains->of_node));
    chains->keep_until = memory_array((size_t)graph->tensor_count, sizeof(*chains->keep_until));
    if (!chains->list || !chains->of_node || !chains->keep_until)
        return error_out_of_memory(error);
    for (int i = 0; i < graph->node_count; i++)
        chains->of_node[i] = -1;
    for (int i = 0; i < graph->node_count && result == VBP_OK; i++) {
        if (graph->nodes[i].kind == NODE_CONVOLUTION)
            result = add_convolution(chains, graph, kernels, i, keep_all, average, error);
    }
    for (int t = 0; t < graph->tensor_count; t++)
        chains->keep_until[t] = -1;
    for (int i = 0; i < chains->count; i++) {
        struct node_chain *chain = &chains->list[i];

        convolution_chain_finish(&chain->chain);
        if (chain->chain.memory_size > chains->memory_size)
            chains->memory_size = chain->chain.memory_size;
        if (chain->last_node > chains->keep_until[chain->input])
            chains->keep_until[chain->input] = chain->last_node;
    }
    return result;
}

void chains_free(struct chains *chains)
{
    for (int i = 0; i < chains->count; i++)
        convolution_chain_free(&chains->list[i].chain);
    free(chains->list);
    free(chains->of_node);
    free(chains->keep_until);
    *chains = (struct chains){0};
}
