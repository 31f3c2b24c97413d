#include "graph/analysis.h"

#include "base/memory.h"
#include "graph/gates.h"

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

struct axes transposed_axes(const struct node *node, struct axes axes)
{
    struct axes output = {-1, -1, -1};

    for (int8_t i = 0; i < 4; i++) {
        int from = node->transpose.permutation[i];

        if (from == axes.channel)
            output.channel = i;
        else if (from == axes.height)
            output.height = i;
        else if (from == axes.width)
            output.width = i;
    }
    return output;
}

/* What transposed_axes makes these axes of. */
static struct axes untransposed_axes(const struct node *node, struct axes axes)
{
    return (struct axes){(int8_t)node->transpose.permutation[axes.channel],
                         (int8_t)node->transpose.permutation[axes.height],
                         (int8_t)node->transpose.permutation[axes.width]};
}

/* True for nodes whose output shows the same picture as an input of equal height and width. */
static bool keeps_picture(const struct node *node)
{
    return node->kind == NODE_ACTIVATION || node->kind == NODE_IDENTITY ||
           node->kind == NODE_BATCH_NORM || node->kind == NODE_AFFINE ||
           node->kind == NODE_BINARY || node->kind == NODE_CONCAT || node->kind == NODE_SOFTMAX ||
           node->kind == NODE_INSTANCE_NORM;
}

/* Gives `to` the axes if it has none yet and can show a picture: see struct axes. */
static bool give_axes(struct tensor *to, const bool *pictureless, const struct graph *graph,
                      struct axes axes)
{
    if (to->axes.channel >= 0 || pictureless[to - graph->tensors] || to->shape.rank != 4 ||
        axes.channel < 0 || to->shape.extent[6 - axes.channel - axes.height - axes.width] != 1)
        return false;
    if (axes.height > axes.width)
        axes = (struct axes){axes.channel, axes.width, axes.height};
    to->axes = axes;
    return true;
}

static bool same_picture(const struct tensor *a, const struct tensor *b, struct axes axes)
{
    return a->shape.rank == 4 && b->shape.rank == 4 && axes.channel >= 0 &&
           a->shape.extent[axes.height] == b->shape.extent[axes.height] &&
           a->shape.extent[axes.width] == b->shape.extent[axes.width];
}

static bool hand_on_axes(struct graph *graph, const bool *pictureless, const struct node *node)
{
    struct tensor *input = &graph->tensors[node->inputs[0]];
    struct tensor *output = &graph->tensors[node->output];
    bool changed = false;

    if (node->kind == NODE_CONVOLUTION || node->kind == NODE_MAX_POOL ||
        node->kind == NODE_AVERAGE_POOL || node->kind == NODE_UPSAMPLE ||
        node->kind == NODE_CONVOLUTION_TRANSPOSE || node->kind == NODE_RESIZE) {
        changed |= give_axes(input, pictureless, graph, axes_nchw);
        changed |= give_axes(output, pictureless, graph, axes_nchw);
    } else if (node->kind == NODE_GLOBAL_AVERAGE_POOL) {
        changed |= give_axes(input, pictureless, graph, axes_nchw);
    } else if (node->kind == NODE_PAD) {
        changed |= give_axes(output, pictureless, graph, input->axes);
        changed |= give_axes(input, pictureless, graph, output->axes);
    } else if (node->kind == NODE_TRANSPOSE) {
        if (input->axes.channel >= 0)
            changed |= give_axes(output, pictureless, graph, transposed_axes(node, input->axes));
        if (output->axes.channel >= 0)
            changed |= give_axes(input, pictureless, graph, untransposed_axes(node, output->axes));
    } else if (keeps_picture(node)) {
        for (int i = 0; i < node->input_count; i++) {
            input = &graph->tensors[node->inputs[i]];
            if (same_picture(input, output, input->axes))
                changed |= give_axes(output, pictureless, graph, input->axes);
            if (same_picture(input, output, output->axes))
                changed |= give_axes(input, pictureless, graph, output->axes);
        }
    }
    return changed;
}

/* Marks constants, what global pools leave, and what is made of nothing but these. */
static void find_pictureless(const struct graph *graph, bool *pictureless)
{
    for (int t = 0; t < graph->tensor_count; t++)
        pictureless[t] = graph->tensors[t].values != NULL;
    for (int i = 0; i < graph->node_count; i++) {
        const struct node *node = &graph->nodes[i];
        bool all = true;

        for (int slot = 0; slot < node->input_count; slot++)
            all = all && pictureless[node->inputs[slot]];
        pictureless[node->output] = all || node->kind == NODE_GLOBAL_AVERAGE_POOL;
    }
}

int analyse_axes(struct graph *graph, VbpError *error)
{
    bool *pictureless = memory_array((size_t)graph->tensor_count, sizeof(bool));
    bool changed = true;

    if (!pictureless)
        return error_out_of_memory(error);
    find_pictureless(graph, pictureless);
    for (int t = 0; t < graph->tensor_count; t++)
        graph->tensors[t].axes = (struct axes){-1, -1, -1};
    /* Forward and back until nothing changes: two rounds for anything but contrived graphs; every
     * round but the last gives axes to a tensor, so it ends. */
    while (changed) {
        changed = false;
        for (int i = 0; i < graph->node_count; i++)
            changed |= hand_on_axes(graph, pictureless, &graph->nodes[i]);
        for (int i = graph->node_count - 1; i >= 0; i--)
            changed |= hand_on_axes(graph, pictureless, &graph->nodes[i]);
    }
    free(pictureless);
    return VBP_OK;
}

int analyse_levels(struct graph *graph, VbpError *error)
{
    bool *product = memory_array((size_t)graph->node_count, sizeof(bool));
    bool *inside = memory_array((size_t)graph->tensor_count, sizeof(bool));

    free(graph->levels);
    graph->level_count = 0;
    graph->levels = memory_array((size_t)graph->node_count, sizeof(int));
    if (!graph->levels || !product || !inside) {
        free(product);
        free(inside);
        return error_out_of_memory(error);
    }
    for (int i = 0; i < graph->node_count; i++)
        product[i] = gates_find(graph, &graph->nodes[i], inside);
    for (int i = 0; i < graph->node_count; i++) {
        const struct node *node = &graph->nodes[i];
        int output = node->output;

        if (graph->tensors[output].axes.channel >= 0 &&
            (product[i] || (node_is_rectifier(node) && !inside[output])))
            graph->levels[graph->level_count++] = output;
    }
    free(product);
    free(inside);
    return VBP_OK;
}
