#include "graph/analysis.h"

#include "base/memory.h"

static const struct axes axes_nchw = {1, 2, 3};

int analyse_readers(struct graph *graph, VbpError *error)
{
    size_t total = 0;
    int *next = NULL;
    int result = VBP_OK;

    for (int i = 0; i < graph->node_count; i++)
        total += (size_t)graph->nodes[i].input_count;
    free(graph->first_reader);
    free(graph->readers);
    graph->first_reader = memory_array((size_t)graph->tensor_count + 1, sizeof(int));
    graph->readers = memory_array(total, sizeof(struct reader));
    next = memory_array((size_t)graph->tensor_count, sizeof(int));
    if (!graph->first_reader || !graph->readers || !next) {
        result = error_out_of_memory(error);
        goto done;
    }
    for (int i = 0; i < graph->node_count; i++) {
        for (int slot = 0; slot < graph->nodes[i].input_count; slot++)
            graph->first_reader[graph->nodes[i].inputs[slot] + 1]++;
    }
    for (int t = 0; t < graph->tensor_count; t++) {
        graph->first_reader[t + 1] += graph->first_reader[t];
        next[t] = graph->first_reader[t];
    }
    for (int i = 0; i < graph->node_count; i++) {
        for (int slot = 0; slot < graph->nodes[i].input_count; slot++)
            graph->readers[next[graph->nodes[i].inputs[slot]]++] = (struct reader){i, slot};
    }
done:
    free(next);
    return result;
}

/* The axis of a transpose's output that shows the input's axis `from`, or the other way round. */
static int8_t permuted(const struct node *node, int rank, int8_t axis, bool to_output)
{
    if (!to_output)
        return (int8_t)node->transpose.permutation[axis];
    for (int8_t i = 0; i < rank; i++) {
        if (node->transpose.permutation[i] == axis)
            return i;
    }
    return -1;
}

static struct axes permute_axes(const struct node *node, int rank, struct axes axes, bool to_output)
{
    return (struct axes){permuted(node, rank, axes.channel, to_output),
                         permuted(node, rank, axes.height, to_output),
                         permuted(node, rank, axes.width, to_output)};
}

/* True for nodes whose output shows the same picture as an input of equal height and width. */
static bool keeps_picture(const struct node *node)
{
    return node->kind == NODE_ACTIVATION || node->kind == NODE_IDENTITY ||
           node->kind == NODE_BATCH_NORM || node->kind == NODE_BINARY || node->kind == NODE_CONCAT;
}

/* Gives `to` the axes if it has none yet and can show a picture of the given rank. */
static bool give_axes(struct tensor *to, struct axes axes)
{
    if (to->axes.channel >= 0 || to->values || to->shape.rank != 4 || axes.channel < 0)
        return false;
    to->axes = axes;
    return true;
}

static bool same_picture(const struct tensor *a, const struct tensor *b, struct axes axes)
{
    return a->shape.rank == 4 && b->shape.rank == 4 && axes.channel >= 0 &&
           a->shape.extent[axes.height] == b->shape.extent[axes.height] &&
           a->shape.extent[axes.width] == b->shape.extent[axes.width];
}

static bool hand_on_axes(struct graph *graph, const struct node *node)
{
    struct tensor *output = &graph->tensors[node->output];
    bool changed = false;

    if (node->kind == NODE_CONVOLUTION || node->kind == NODE_MAX_POOL ||
        node->kind == NODE_AVERAGE_POOL) {
        changed |= give_axes(&graph->tensors[node->inputs[0]], axes_nchw);
        changed |= give_axes(output, axes_nchw);
    } else if (node->kind == NODE_GLOBAL_AVERAGE_POOL) {
        changed |= give_axes(&graph->tensors[node->inputs[0]], axes_nchw);
    } else if (node->kind == NODE_TRANSPOSE) {
        struct tensor *input = &graph->tensors[node->inputs[0]];

        if (input->axes.channel >= 0)
            changed |= give_axes(output, permute_axes(node, 4, input->axes, true));
        if (output->axes.channel >= 0)
            changed |= give_axes(input, permute_axes(node, 4, output->axes, false));
    } else if (keeps_picture(node)) {
        for (int i = 0; i < node->input_count; i++) {
            struct tensor *input = &graph->tensors[node->inputs[i]];

            if (same_picture(input, output, input->axes))
                changed |= give_axes(output, input->axes);
            if (same_picture(input, output, output->axes))
                changed |= give_axes(input, output->axes);
        }
    }
    return changed;
}

void analyse_axes(struct graph *graph)
{
    bool changed = true;

    for (int t = 0; t < graph->tensor_count; t++)
        graph->tensors[t].axes = (struct axes){-1, -1, -1};
    /* Forward and back until nothing changes: two rounds for anything but contrived graphs; every
     * round but the last gives axes to a tensor, so it ends. */
    while (changed) {
        changed = false;
        for (int i = 0; i < graph->node_count; i++)
            changed |= hand_on_axes(graph, &graph->nodes[i]);
        for (int i = graph->node_count - 1; i >= 0; i--)
            changed |= hand_on_axes(graph, &graph->nodes[i]);
    }
}

int analyse_levels(struct graph *graph, VbpError *error)
{
    free(graph->levels);
    graph->level_count = 0;
    graph->levels = memory_array((size_t)graph->node_count, sizeof(int));
    if (!graph->levels)
        return error_out_of_memory(error);
    for (int i = 0; i < graph->node_count; i++) {
        const struct node *node = &graph->nodes[i];

        if (node->kind == NODE_ACTIVATION && graph->tensors[node->output].axes.channel >= 0 &&
            activation_is_rectifier(node->activation.function, node->activation.alpha))
            graph->levels[graph->level_count++] = node->output;
    }
    return VBP_OK;
}
