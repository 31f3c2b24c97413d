/* Where tensors live, and in which layout. */
#include "nn/backward_state.h"

bool backward_read_once(const struct graph *graph, int tensor)
{
    for (int i = 0; i < graph->output_count; i++) {
        if (graph->outputs[i] == tensor)
            return false;
    }
    return graph->first_reader[tensor + 1] - graph->first_reader[tensor] == 1;
}

/* A rectifier whose input nobody else needs: neither its own gradient nor that of the layer before
 * it does, since the output tells where the input was positive. */
static bool fuses(const struct graph *graph, const struct node *node)
{
    int producer = graph->tensors[node->inputs[0]].producer;

    return node->kind == NODE_ACTIVATION && node->activation.function == ACTIVATION_RELU &&
           producer >= 0 && backward_read_once(graph, node->inputs[0]) &&
           (graph->nodes[producer].kind == NODE_CONVOLUTION ||
            graph->nodes[producer].kind == NODE_DENSE);
}

static void choose_storage(struct backward *backward)
{
    const struct graph *graph = backward->graph;

    for (int t = 0; t < graph->tensor_count; t++)
        backward->buffers[t].storage = t;
    for (int i = 0; i < graph->node_count; i++) {
        const struct node *node = &graph->nodes[i];

        backward->layers[i].fused = fuses(graph, node);
        if (node->kind == NODE_RESHAPE || node->kind == NODE_IDENTITY || backward->layers[i].fused)
            backward->buffers[node->output].storage = backward->buffers[node->inputs[0]].storage;
    }
}

static bool keeps_layout(const struct node *node)
{
    return node->kind == NODE_ACTIVATION || node->kind == NODE_IDENTITY;
}

/* True where whoever reads the tensor takes its picture in either layout. */
static bool readers_are_easy(const struct graph *graph, int tensor)
{
    for (int i = graph->first_reader[tensor]; i < graph->first_reader[tensor + 1]; i++) {
        const struct reader *reader = &graph->readers[i];
        const struct node *node = &graph->nodes[reader->node];

        if (!(node->kind == NODE_CONVOLUTION && reader->slot == 0) && !keeps_layout(node))
            return false;
    }
    return true;
}

/*
 * Pictures that only go from convolution to convolution, or through layers that take element by
 * element on the way, are channels last.
 */
static void choose_layout(struct backward *backward)
{
    const struct graph *graph = backward->graph;
    struct buffer *buffers = backward->buffers;
    bool changed = true;

    for (int i = 0; i < graph->node_count; i++) {
        const struct node *node = &graph->nodes[i];

        buffers[node->output].channels_last =
            node->kind == NODE_CONVOLUTION ||
            (keeps_layout(node) && buffers[node->inputs[0]].channels_last);
    }
    for (int t = 0; t < graph->tensor_count; t++)
        buffers[t].channels_last = buffers[t].channels_last && readers_are_easy(graph, t);
    for (int i = 0; i < graph->output_count; i++)
        buffers[graph->outputs[i]].channels_last = false;
    while (changed) {
        changed = false;
        for (int i = 0; i < graph->node_count; i++) {
            const struct node *node = &graph->nodes[i];
            struct buffer *input = &buffers[node->inputs[0]], *output = &buffers[node->output];

            if (!keeps_layout(node) || input->channels_last == output->channels_last)
                continue;
            input->channels_last = output->channels_last = false;
            changed = true;
        }
    }
}

void backward_plan(struct backward *backward)
{
    choose_storage(backward);
    choose_layout(backward);
}
