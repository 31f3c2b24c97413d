#include "nn/chains.h"

#include "base/memory.h"
#include "graph/bounds.h"
#include "nn/geometry.h"

#include <math.h>

/* A picture between two convolutions that takes more than this does not stay in the second-level
 * cache until the second one reads it, so they are chained; others are made whole. */
#define WHOLE_BYTES ((size_t)512 * 1024)

/* What workers make twice at their seams grows with each link; with one worker, more gain nothing.
 */
#define LINKS_MOST 2

/* Sums that stay below cannot overflow on the way: neither by roundings nor by the few times that
 * rows are added to each other for pairs of rows. */
#define SAFE_SUM 0x1p+100

/* 2 GiB. */
#define WEIGHTS_MAX_FLOATS ((size_t)1 << 29)

/* One slope for each channel of what the node makes, from `count` (1 or as many); false: no memory.
 */
static bool set_slopes(const struct graph *graph, const struct node *node, struct chain_link *link,
                       const float *slopes, size_t count)
{
    size_t channels = (size_t)graph->tensors[node->output].shape.extent[1];

    link->slope = memory_array(channels, sizeof(float));
    for (size_t c = 0; c < channels && link->slope; c++)
        link->slope[c] = slopes[count == 1 ? 0 : c];
    link->activation.function = FLAT_SLOPE;
    link->activation.slope = link->slope;
    return link->slope != NULL;
}

/*
 * A slope for all, or for each channel: not for each cell. With NaN or infinity it is not the
 * convolution that is to blame for what comes out, so it is done apart; so are activations.
 */
static bool slopes_of_channels(const struct tensor *slopes, const struct shape *shape)
{
    int missing = shape->rank - slopes->shape.rank;
    int64_t count = slopes->values ? shape_elements(&slopes->shape) : 0;

    for (int i = 0; i < slopes->shape.rank; i++) {
        if (slopes->shape.extent[i] != 1 && i + missing != 1)
            return false;
    }
    for (int64_t i = 0; i < count; i++) {
        if (!isfinite(slopes->values[i]))
            return false;
    }
    return count > 0;
}

/* The activation, if it is one that convolutions can do; false without memory. */
static bool set_activation(const struct graph *graph, const struct node *node,
                           struct chain_link *link, bool *taken)
{
    struct flat_activation *activation = &link->activation;
    float alpha = node->activation.alpha, beta = node->activation.beta;

    *taken = true;
    if (node->kind == NODE_BINARY && node->binary == BINARY_PRELU) {
        const struct tensor *slopes = &graph->tensors[node->inputs[1]];

        if (slopes_of_channels(slopes, &graph->tensors[node->output].shape))
            return set_slopes(graph, node, link, slopes->values,
                              (size_t)shape_elements(&slopes->shape));
    } else if (node->kind == NODE_ACTIVATION) {
        switch (node->activation.function) {
        case ACTIVATION_RELU:
            activation->least = 0;
            return true;
        case ACTIVATION_CLIP:
            activation->least = alpha;
            activation->most = beta;
            *taken = alpha <= beta;
            return true;
        case ACTIVATION_LEAKY_RELU:
            if (!isfinite(alpha))
                break;
            return set_slopes(graph, node, link, &alpha, 1);
        case ACTIVATION_ELU:
        case ACTIVATION_SELU:
            if (!isfinite(alpha) || !isfinite(beta))
                break;
            activation->function = FLAT_ELU;
            activation->alpha = alpha;
            activation->beta = node->activation.function == ACTIVATION_SELU ? beta : 1;
            return true;
        default:
            break;
        }
    }
    *taken = false;
    return true;
}

/* Takes the activation behind a convolution in, if convolutions can do it; false without memory. */
static bool take_activation(const struct graph *graph, struct node_chain *found,
                            struct chain_link *link)
{
    int reader = graph_only_reader(graph, found->output);
    const struct node *node = reader < 0 ? NULL : &graph->nodes[reader];
    bool taken = false;

    if (!node || node->inputs[0] != found->output)
        return true;
    if (!set_activation(graph, node, link, &taken))
        return false;
    if (taken) {
        found->last_node = reader;
        found->output = node->output;
    }
    return true;
}

/* See struct flat_activation. Where nothing is negative, all kinds of averages are the same. */
static float negative_share(VbpAverage kind, const struct flat_activation *activation)
{
    if (activation->function == FLAT_CUT && activation->least >= 0)
        return 1;
    return kind == VBP_AVERAGE_MEAN ? 1 : kind == VBP_AVERAGE_POSITIVE ? 0 : -1;
}

/* Whether the convolution is to be chained to what is already there. */
static bool continues(const struct graph *graph, const struct node_chain *chain, int node)
{
    size_t elements = (size_t)shape_elements(&graph->tensors[chain->output].shape);

    return chain->output == graph->nodes[node].inputs[0] && chain->last_node < node &&
           graph_only_reader(graph, chain->output) == node && chain->chain.count < LINKS_MOST &&
           elements * sizeof(float) > WHOLE_BYTES;
}

static int add_convolution(struct chains *chains, const struct graph *graph,
                           const struct chains_options *options, int index, VbpError *error)
{
    const struct node *node = &graph->nodes[index];
    const float *weights = graph->tensors[node->inputs[1]].values;
    const float *bias = node->input_count == 3 ? graph->tensors[node->inputs[2]].values : NULL;
    struct convolution convolution = geometry_convolution(graph, node);
    struct chain_link link = {.activation = {.least = -INFINITY, .most = INFINITY}};
    struct node_chain found = {
        .input = node->inputs[0], .output = node->output, .last_node = index};
    struct node_chain *last = chains->count > 0 ? &chains->list[chains->count - 1] : NULL;

    if (!weights || (node->input_count == 3 && !bias))
        return VBP_OK;
    /* Nodes may share weights in the file; here each has its own. */
    chains->weights += (size_t)shape_elements(&graph->tensors[node->inputs[1]].shape);
    if (chains->weights > WEIGHTS_MAX_FLOATS)
        return error_set(error, VBP_ERROR_UNSUPPORTED,
                         "the weights of the convolutions would take more than %zu MiB of memory",
                         WEIGHTS_MAX_FLOATS >> 18);
    if (!convolution_flat_create(&link.flat, &convolution, options->kernels->flat, WAY_CHEAPEST,
                                 weights, bias))
        return error_out_of_memory(error);
    if (!link.flat)
        return VBP_OK;
    if (!options->keep_all && !take_activation(graph, &found, &link))
        goto fail;
    link.activation.negative = negative_share(options->kind, &link.activation);
    link.average = options->average ? options->average[found.output] : NULL;
    if (!last || options->keep_all || !continues(graph, last, index)) {
        last = &chains->list[chains->count++];
        last->input = found.input;
    }
    if (!convolution_chain_add(&last->chain, &link))
        goto fail;
    last->node[last->chain.count - 1] = index;
    last->output = found.output;
    last->last_node = found.last_node;
    chains->of_node[index] = chains->of_node[found.last_node] = chains->count - 1;
    return VBP_OK;
fail:
    convolution_flat_destroy(link.flat);
    free(link.slope);
    return error_out_of_memory(error);
}

/* Finds out which inputs cannot make sums of the chain overflow. */
static void limit_input(struct node_chain *chain, const struct graph *graph,
                        const struct bound *bounds)
{
    chain->largest_input = INFINITY;
    for (int i = 0; i < chain->chain.count; i++) {
        const struct node *node = &graph->nodes[chain->node[i]];
        int output =
            i + 1 < chain->chain.count ? graph->nodes[chain->node[i + 1]].inputs[0] : chain->output;
        double sums = bound_largest_input(bounds[node->output], SAFE_SUM);

        chain->largest_input = fmin(chain->largest_input, sums);
        chain->largest_input =
            fmin(chain->largest_input, bound_largest_input(bounds[output], SAFE_SUM));
    }
}

int chains_find(struct chains *chains, const struct graph *graph,
                const struct chains_options *options, VbpError *error)
{
    struct bound *bounds = memory_array((size_t)graph->tensor_count, sizeof(*bounds));
    int result = VBP_OK;

    *chains = (struct chains){0};
    chains->list = memory_array((size_t)graph->node_count, sizeof(*chains->list));
    chains->of_node = memory_array((size_t)graph->node_count, sizeof(*chains->of_node));
    chains->keep_until = memory_array((size_t)graph->tensor_count, sizeof(*chains->keep_until));
    if (!bounds || !chains->list || !chains->of_node || !chains->keep_until) {
        free(bounds);
        return error_out_of_memory(error);
    }
    bounds_find(graph, bounds);
    for (int i = 0; i < graph->node_count; i++)
        chains->of_node[i] = -1;
    for (int i = 0; i < graph->node_count && result == VBP_OK; i++) {
        if (graph->nodes[i].kind == NODE_CONVOLUTION)
            result = add_convolution(chains, graph, options, i, error);
    }
    for (int t = 0; t < graph->tensor_count; t++)
        chains->keep_until[t] = -1;
    for (int i = 0; i < chains->count; i++) {
        struct node_chain *chain = &chains->list[i];

        limit_input(chain, graph, bounds);
        convolution_chain_finish(&chain->chain);
        if (chain->chain.memory_size > chains->memory_size)
            chains->memory_size = chain->chain.memory_size;
        if (chain->last_node > chains->keep_until[chain->input])
            chains->keep_until[chain->input] = chain->last_node;
    }
    free(bounds);
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
