#include "graph/fold_affine.h"

#include "base/memory.h"
#include "kernels/elementwise.h"

#include <string.h>

/*
 * Floats of constants that affine nodes may have between them, 128 MiB: a small file may hold
 * thousands of nodes that share one large constant. What does not fit stays as it is.
 */
#define AFFINE_MAX_FLOATS ((int64_t)1 << 25)

/* Factor and offset of a channel: one for all of them where there is only one. */
struct affine {
    const float *factor, *offset;
    bool single;
};

static struct affine affine_of(const struct graph *graph, const struct node *node)
{
    return (struct affine){graph->tensors[node->inputs[1]].values,
                           graph->tensors[node->inputs[2]].values, node->affine.axis < 0};
}

static double factor_at(const struct affine *affine, size_t channel)
{
    return (double)affine->factor[affine->single ? 0 : channel];
}

static double offset_at(const struct affine *affine, size_t channel)
{
    return (double)affine->offset[affine->single ? 0 : channel];
}

/* Makes an affine node of the node: output = factor * its first input + offset along the axis. */
static int set_affine(struct graph *graph, int index, int data, int axis, const float *factor,
                      const float *offset, VbpError *error)
{
    struct node *node = &graph->nodes[index];
    struct shape shape = {.rank = 1, .extent = {1}};
    int *inputs;
    int first, second;

    if (axis >= 0)
        shape.extent[0] = graph->tensors[data].shape.extent[axis];
    first = graph_add_constant(graph, NULL, &shape, factor, error);
    if (first < 0)
        return first;
    second = graph_add_constant(graph, NULL, &shape, offset, error);
    if (second < 0)
        return second;
    inputs = memory_array(3, sizeof(int));
    if (!inputs)
        return error_out_of_memory(error);
    inputs[0] = data;
    inputs[1] = first;
    inputs[2] = second;
    free(node->inputs);
    node->inputs = inputs;
    node->input_count = 3;
    node->kind = NODE_AFFINE;
    node->affine.axis = axis;
    return VBP_OK;
}

static int norm_to_affine(struct graph *graph, int index, VbpError *error)
{
    const struct node *norm = &graph->nodes[index];
    const struct tensor *tensors = graph->tensors;
    size_t channels = (size_t)tensors[norm->output].shape.extent[1];
    float *factor = memory_array(2 * channels, sizeof(float));
    int result;

    if (!factor)
        return error_out_of_memory(error);
    channel_affine_prepare(tensors[norm->inputs[1]].values, tensors[norm->inputs[2]].values,
                           tensors[norm->inputs[3]].values, tensors[norm->inputs[4]].values,
                           (double)norm->batch_norm.epsilon, channels, factor, factor + channels);
    result = set_affine(graph, index, norm->inputs[0], 1, factor, factor + channels, error);
    free(factor);
    return result;
}

/* The axis of `shape` that the constant runs along: -1 none, -2 several. */
static int constant_axis(const struct shape *constant, const struct shape *shape)
{
    int axis = -1;

    for (int i = 0; i < constant->rank; i++) {
        if (constant->extent[i] == 1)
            continue;
        if (axis >= 0)
            return -2;
        axis = i + shape->rank - constant->rank;
    }
    return axis;
}

/* data + c, data - c, c - data, data * c, data / c, where c runs along one axis at most. */
static int arithmetic_to_affine(struct graph *graph, int index, VbpError *error)
{
    const struct node *node = &graph->nodes[index];
    int slot = graph->tensors[node->inputs[0]].values ? 0 : 1, data = node->inputs[1 - slot];
    const struct tensor *constant = &graph->tensors[node->inputs[slot]];
    const struct shape *shape = &graph->tensors[node->output].shape;
    size_t channels = (size_t)shape_elements(&constant->shape);
    int axis = constant_axis(&constant->shape, shape);
    float *factor;
    int result;

    if (!constant->values || graph->tensors[data].values || axis < -1 ||
        !shape_equal(shape, &graph->tensors[data].shape) || node->binary > BINARY_DIVIDE ||
        (node->binary == BINARY_DIVIDE && slot == 0))
        return VBP_OK;
    factor = memory_array(2 * channels, sizeof(float));
    if (!factor)
        return error_out_of_memory(error);
    for (size_t c = 0; c < channels; c++) {
        float value = constant->values[c];

        if (node->binary == BINARY_MULTIPLY || node->binary == BINARY_DIVIDE) {
            factor[c] = node->binary == BINARY_MULTIPLY ? value : (float)(1 / (double)value);
        } else {
            factor[c] = node->binary == BINARY_SUBTRACT && slot == 0 ? -1 : 1;
            factor[channels + c] = node->binary == BINARY_SUBTRACT && slot == 1 ? -value : value;
        }
    }
    result = set_affine(graph, index, data, axis, factor, factor + channels, error);
    free(factor);
    return result;
}

/* Of all constants that the node reads. */
static int64_t constant_floats(const struct graph *graph, const struct node *node)
{
    int64_t floats = 0;

    for (int slot = 0; slot < node->input_count; slot++) {
        const struct tensor *input = &graph->tensors[node->inputs[slot]];

        floats += input->values ? shape_elements(&input->shape) : 0;
    }
    return floats;
}

int fold_make_affines(struct graph *graph, VbpError *error)
{
    int64_t left = AFFINE_MAX_FLOATS;
    int result = VBP_OK;

    for (int i = 0; i < graph->node_count && result == VBP_OK; i++) {
        const struct node *node = &graph->nodes[i];
        bool fits = 2 * constant_floats(graph, node) <= left; /* a factor and an offset for each */

        if (node->kind == NODE_BATCH_NORM && fits)
            result = norm_to_affine(graph, i, error);
        else if (node->kind == NODE_BINARY && fits)
            result = arithmetic_to_affine(graph, i, error);
        if (node->kind == NODE_AFFINE)
            left -= constant_floats(graph, node);
    }
    return result;
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

/* The node's only reader reads what the node reads: it has nothing to do any more. */
static void bypass(struct graph *graph, const struct node *node)
{
    const struct reader *reader = &graph->readers[graph->first_reader[node->output]];

    graph->nodes[reader->node].inputs[reader->slot] = node->inputs[0];
}

/* Everyone who wants `from` is given `to`. */
static void redirect(struct graph *graph, int from, int to)
{
    for (int i = graph->first_reader[from]; i < graph->first_reader[from + 1]; i++)
        graph->nodes[graph->readers[i].node].inputs[graph->readers[i].slot] = to;
}

/* y = factor * (W x + b) + offset */
static int fold_after(struct graph *graph, struct node *layer, const struct node *affine_node,
                      VbpError *error)
{
    int result = own_weights(graph, layer, error);
    struct affine affine = affine_of(graph, affine_node);
    struct tensor *weights, *bias;
    size_t outputs, row;

    if (result != VBP_OK)
        return result;
    weights = &graph->tensors[layer->inputs[1]];
    bias = &graph->tensors[layer->inputs[2]];
    outputs = (size_t)weights->shape.extent[0];
    row = (size_t)shape_elements(&weights->shape) / outputs;
    for (size_t o = 0; o < outputs; o++) {
        for (size_t i = 0; i < row; i++)
            weights->values[o * row + i] *= (float)factor_at(&affine, o);
        bias->values[o] =
            (float)((double)bias->values[o] * factor_at(&affine, o) + offset_at(&affine, o));
    }
    redirect(graph, affine_node->output, layer->output);
    return VBP_OK;
}

/* y = W (factor * x + offset) + b */
static int fold_before(struct graph *graph, const struct node *affine_node, struct node *layer,
                       VbpError *error)
{
    int result = own_weights(graph, layer, error);
    struct affine affine = affine_of(graph, affine_node);
    struct tensor *weights, *bias;
    size_t outputs, channels, cells, groups;

    if (result != VBP_OK)
        return result;
    weights = &graph->tensors[layer->inputs[1]];
    bias = &graph->tensors[layer->inputs[2]];
    outputs = (size_t)weights->shape.extent[0];
    channels = (size_t)weights->shape.extent[1];
    cells = (size_t)(weights->shape.extent[2] * weights->shape.extent[3]);
    groups = (size_t)layer->convolution.groups;
    for (size_t o = 0; o < outputs; o++) {
        size_t first = o / (outputs / groups) * channels;
        double sum = (double)bias->values[o];

        for (size_t c = 0; c < channels; c++) {
            float *kernel = weights->values + (o * channels + c) * cells;

            for (size_t i = 0; i < cells; i++) {
                sum += (double)kernel[i] * offset_at(&affine, first + c);
                kernel[i] *= (float)factor_at(&affine, first + c);
            }
        }
        bias->values[o] = (float)sum;
    }
    bypass(graph, affine_node);
    return VBP_OK;
}

/*
 * second(first(x)), as what `second` does. The constants of an affine node are its own, so those of
 * the one with more of them are written over.
 */
static void fold_two(struct graph *graph, int first, int second)
{
    struct node *a = &graph->nodes[first], *b = &graph->nodes[second];
    struct affine before = affine_of(graph, a), after = affine_of(graph, b);
    const struct node *wide = a->affine.axis >= 0 ? a : b;
    const struct tensor *factors = &graph->tensors[wide->inputs[1]];
    const struct tensor *offsets = &graph->tensors[wide->inputs[2]];
    size_t channels = (size_t)shape_elements(&factors->shape);

    for (size_t c = 0; c < channels; c++) {
        double factor = factor_at(&before, c) * factor_at(&after, c);
        double offset = offset_at(&before, c) * factor_at(&after, c) + offset_at(&after, c);

        factors->values[c] = (float)factor;
        offsets->values[c] = (float)offset;
    }
    b->inputs[0] = a->inputs[0];
    b->inputs[1] = wide->inputs[1];
    b->inputs[2] = wide->inputs[2];
    b->affine.axis = wide->affine.axis;
}

static bool pads_nothing(const struct window *window)
{
    return window->pad_begin[0] == 0 && window->pad_begin[1] == 0 && window->pad_end[0] == 0 &&
           window->pad_end[1] == 0;
}

int fold_affine(struct graph *graph, int index, bool *folded, VbpError *error)
{
    struct node *affine = &graph->nodes[index];
    const struct tensor *input = &graph->tensors[affine->inputs[0]];
    int reader = graph_only_reader(graph, affine->output);
    struct node *before =
        input->producer >= 0 && graph_only_reader(graph, affine->inputs[0]) == index
            ? &graph->nodes[input->producer]
            : NULL;
    struct node *after = reader >= 0 ? &graph->nodes[reader] : NULL;
    bool channels = affine->affine.axis == 1 || affine->affine.axis == -1;

    *folded = true;
    if (before && channels && !graph_is_output(graph, affine->output) &&
        (before->kind == NODE_CONVOLUTION ||
         (before->kind == NODE_DENSE && input->shape.rank == 2)))
        return fold_after(graph, before, affine, error);
    if (after && channels && after->kind == NODE_CONVOLUTION &&
        pads_nothing(&after->convolution.window))
        return fold_before(graph, affine, after, error);
    if (after && after->kind == NODE_AFFINE &&
        (after->affine.axis == affine->affine.axis || after->affine.axis < 0 ||
         affine->affine.axis < 0)) {
        fold_two(graph, index, reader);
        return VBP_OK;
    }
    *folded = false;
    return VBP_OK;
}
