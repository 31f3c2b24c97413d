#include "graph/fold.h"

#include "base/memory.h"
#include "kernels/elementwise.h"

#include <string.h>

static bool is_output(const struct graph *graph, int tensor)
{
    for (int i = 0; i < graph->output_count; i++) {
        if (graph->outputs[i] == tensor)
            return true;
    }
    return false;
}

/* The only node that reads the tensor, or NULL where others do or it is an output. */
static struct node *only_reader(struct graph *graph, int tensor)
{
    int first = graph->first_reader[tensor];

    if (graph->first_reader[tensor + 1] != first + 1 || is_output(graph, tensor))
        return NULL;
    return &graph->nodes[graph->readers[first].node];
}

/* Lets every reader of `from`, and the outputs, read `to` instead. */
static void redirect(struct graph *graph, int from, int to)
{
    for (int i = 0; i < graph->node_count; i++) {
        for (int slot = 0; slot < graph->nodes[i].input_count; slot++) {
            if (graph->nodes[i].inputs[slot] == from)
                graph->nodes[i].inputs[slot] = to;
        }
    }
    for (int i = 0; i < graph->output_count; i++) {
        if (graph->outputs[i] == from)
            graph->outputs[i] = to;
    }
}

/*
 * An output keeps its name by keeping its node. Where both sides of an identity branch, it stays as
 * well (it takes no time): the mask's mean over the readers of a tensor is not the mean over the
 * readers of both.
 */
static int drop_identities(struct graph *graph, VbpError *error)
{
    int *readers = memory_array((size_t)graph->tensor_count, sizeof(*readers));

    if (!readers)
        return error_out_of_memory(error);
    for (int t = 0; t < graph->tensor_count; t++)
        readers[t] = graph->first_reader[t + 1] - graph->first_reader[t];
    for (int i = 0; i < graph->node_count; i++) {
        const struct node *node = &graph->nodes[i];
        int from = node->output, to = node->inputs[0];

        if (node->kind != NODE_IDENTITY || is_output(graph, from) ||
            (readers[from] > 1 && readers[to] > 1))
            continue;
        redirect(graph, from, to);
        readers[to] += readers[from] - 1;
    }
    free(readers);
    return VBP_OK;
}

/* factor and offset of a batch normalisation: 2 x channels floats, to be freed; NULL no memory. */
static float *normalisation(const struct graph *graph, const struct node *norm, size_t channels)
{
    float *factor = memory_aligned_array(2 * channels, sizeof(float));

    if (factor)
        channel_affine_prepare(
            graph->tensors[norm->inputs[1]].values, graph->tensors[norm->inputs[2]].values,
            graph->tensors[norm->inputs[3]].values, graph->tensors[norm->inputs[4]].values,
            (double)norm->batch_norm.epsilon, channels, factor, factor + channels);
    return factor;
}

static bool one_reader(const struct graph *graph, int tensor)
{
    return graph->first_reader[tensor + 1] == graph->first_reader[tensor] + 1;
}

/* Gives the node weights and biases of its own, zeros where it had no bias. */
static int own_weights(struct graph *graph, struct node *node, VbpError *error)
{
    int outputs = (int)graph->tensors[node->inputs[1]].shape.extent[0];
    struct shape bias_shape = {.rank = 1, .extent = {outputs}};
    bool has_bias = node->input_count == 3;
    int weights = node->inputs[1], bias = has_bias ? node->inputs[2] : -1;
    int *inputs = memory_array(3, sizeof(int));
    float *zeros = memory_array((size_t)outputs, sizeof(float));
    int result = VBP_OK;

    if (!inputs || !zeros) {
        result = error_out_of_memory(error);
        goto done;
    }
    if (!one_reader(graph, weights))
        weights =
            graph_add_constant(graph, graph->tensors[weights].name, &graph->tensors[weights].shape,
                               graph->tensors[weights].values, error);
    if (weights >= 0 && (!has_bias || !one_reader(graph, bias)))
        bias = graph_add_constant(graph, has_bias ? graph->tensors[bias].name : NULL, &bias_shape,
                                  has_bias ? graph->tensors[bias].values : zeros, error);
    if (weights < 0 || bias < 0) {
        result = weights < 0 ? weights : bias;
        goto done;
    }
    inputs[0] = node->inputs[0];
    inputs[1] = weights;
    inputs[2] = bias;
    free(node->inputs);
    node->inputs = inputs;
    node->input_count = 3;
    inputs = NULL;
done:
    free(inputs);
    free(zeros);
    return result;
}

/* y = factor * (W x + b) + offset */
static int fold_after(struct graph *graph, struct node *layer, const struct node *norm,
                      VbpError *error)
{
    int result = own_weights(graph, layer, error);
    struct tensor *weights, *bias;
    float *factor, *offset;
    size_t outputs, row;

    if (result != VBP_OK)
        return result;
    weights = &graph->tensors[layer->inputs[1]];
    bias = &graph->tensors[layer->inputs[2]];
    outputs = (size_t)weights->shape.extent[0];
    row = (size_t)shape_elements(&weights->shape) / outputs;
    factor = normalisation(graph, norm, outputs);
    if (!factor)
        return error_out_of_memory(error);
    offset = factor + outputs;
    for (size_t o = 0; o < outputs; o++) {
        for (size_t i = 0; i < row; i++)
            weights->values[o * row + i] *= factor[o];
        bias->values[o] = (float)((double)bias->values[o] * (double)factor[o] + (double)offset[o]);
    }
    redirect(graph, norm->output, layer->output);
    free(factor);
    return VBP_OK;
}

/* y = W (factor * x + offset) + b */
static int fold_before(struct graph *graph, const struct node *norm, struct node *layer,
                       VbpError *error)
{
    int result = own_weights(graph, layer, error);
    struct tensor *weights, *bias;
    float *factor, *offset;
    size_t outputs, channels, cells, groups, channels_all;

    if (result != VBP_OK)
        return result;
    weights = &graph->tensors[layer->inputs[1]];
    bias = &graph->tensors[layer->inputs[2]];
    outputs = (size_t)weights->shape.extent[0];
    channels = (size_t)weights->shape.extent[1];
    cells = (size_t)(weights->shape.extent[2] * weights->shape.extent[3]);
    groups = (size_t)layer->convolution.groups;
    channels_all = channels * groups;
    factor = normalisation(graph, norm, channels_all);
    if (!factor)
        return error_out_of_memory(error);
    offset = factor + channels_all;
    for (size_t o = 0; o < outputs; o++) {
        size_t first = o / (outputs / groups) * channels;
        double sum = (double)bias->values[o];

        for (size_t c = 0; c < channels; c++) {
            float *kernel = weights->values + (o * channels + c) * cells;

            for (size_t i = 0; i < cells; i++) {
                sum += (double)kernel[i] * (double)offset[first + c];
                kernel[i] *= factor[first + c];
            }
        }
        bias->values[o] = (float)sum;
    }
    layer->inputs[0] = norm->inputs[0];
    free(factor);
    return VBP_OK;
}

static bool pads_nothing(const struct window *window)
{
    return window->pad_begin[0] == 0 && window->pad_begin[1] == 0 && window->pad_end[0] == 0 &&
           window->pad_end[1] == 0;
}

/* Folds one normalisation if it can; *folded says whether the graph changed. */
static int fold_normalisation(struct graph *graph, int index, bool *folded, VbpError *error)
{
    struct node *norm = &graph->nodes[index];
    const struct tensor *input = &graph->tensors[norm->inputs[0]];
    struct node *before = input->producer >= 0 && only_reader(graph, norm->inputs[0]) == norm
                              ? &graph->nodes[input->producer]
                              : NULL;
    struct node *after = only_reader(graph, norm->output);

    *folded = true;
    if (before && !is_output(graph, norm->output) &&
        (before->kind == NODE_CONVOLUTION ||
         (before->kind == NODE_DENSE && input->shape.rank == 2)))
        return fold_after(graph, before, norm, error);
    if (after && after->kind == NODE_CONVOLUTION && pads_nothing(&after->convolution.window))
        return fold_before(graph, norm, after, error);
    *folded = false;
    return VBP_OK;
}

int graph_fold(struct graph *graph, VbpError *error)
{
    int result;

    result = drop_identities(graph, error);
    if (result == VBP_OK)
        result = graph_finish(graph, error);
    for (int i = 0; i < graph->node_count && result == VBP_OK; i++) {
        bool folded = false;

        if (graph->nodes[i].kind != NODE_BATCH_NORM)
            continue;
        result = fold_normalisation(graph, i, &folded, error);
        if (result == VBP_OK && folded) {
            /* The normalisation is unused now; readers and indices change with it. */
            result = graph_finish(graph, error);
            i--;
        }
    }
    return result;
}
