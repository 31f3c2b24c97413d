#include "graph/fold.h"

#include "base/memory.h"
#include "graph/fold_affine.h"

/* Tensors and inputs of nodes that may be looked at again after changes: about a second's. */
#define MAX_LOOKS ((int64_t)1 << 26)

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

        if (node->kind != NODE_IDENTITY || graph_is_output(graph, from) ||
            (readers[from] > 1 && readers[to] > 1))
            continue;
        redirect(graph, from, to);
        readers[to] += readers[from] - 1;
    }
    free(readers);
    return VBP_OK;
}

/* Two nodes of which the second is the only reader of the first change places: x -> a -> b -> y
 * becomes x -> b -> a -> y. What lies between them has the shape `between` then. */
static void swap(struct graph *graph, int first, int second, const struct shape *between)
{
    struct node a = graph->nodes[first], b = graph->nodes[second];
    int x = a.inputs[0], t = a.output, y = b.output;

    graph->tensors[t].shape = *between;
    a.inputs[0] = t;
    a.output = y;
    b.inputs[0] = x;
    b.output = t;
    graph->nodes[first] = b;
    graph->nodes[second] = a;
}

/* Only cuts off. */
static bool crops(const struct graph *graph, const struct node *pad)
{
    int rank = graph->tensors[pad->output].shape.rank;

    for (int i = 0; i < rank; i++) {
        if (pad->pad.begin[i] > 0 || pad->pad.end[i] > 0)
            return false;
    }
    return true;
}

/* axis: -1 for none, along which nothing is changed. */
static bool changes_along(const struct node *pad, int axis)
{
    return axis >= 0 && (pad->pad.begin[axis] != 0 || pad->pad.end[axis] != 0);
}

/* Moves an affine node, or a normalisation, behind its reader, if that only moves cells. */
static bool sink(struct graph *graph, int index, int reader)
{
    struct node *node = &graph->nodes[index], *after = &graph->nodes[reader];
    bool affine = node->kind == NODE_AFFINE;
    int *axis = affine ? &node->affine.axis : &node->instance_norm.axis, from = *axis;
    struct shape between = graph->tensors[after->output].shape;

    if (after->kind == NODE_TRANSPOSE) {
        for (int i = 0; i < between.rank && from >= 0; i++) {
            if (after->transpose.permutation[i] == from)
                *axis = i;
        }
    } else if (!affine || after->kind != NODE_PAD || !crops(graph, after) ||
               changes_along(after, from)) {
        return false; /* what is cut off counts in the statistics */
    }
    swap(graph, index, reader, &between);
    return true;
}

static void join_transposes(struct graph *graph, const struct node *first, struct node *second)
{
    int rank = graph->tensors[second->output].shape.rank;
    bool moves = false;

    for (int i = 0; i < rank; i++) {
        int *axis = &second->transpose.permutation[i];

        *axis = first->transpose.permutation[*axis];
        moves = moves || *axis != i;
    }
    second->inputs[0] = first->inputs[0];
    if (!moves)
        second->kind = NODE_IDENTITY;
}

/* Moves a crop before the transposition that it reads. */
static void raise_crop(struct graph *graph, int transpose, int crop)
{
    const int *permutation = graph->nodes[transpose].transpose.permutation;
    struct node *pad = &graph->nodes[crop];
    struct shape between = graph->tensors[pad->output].shape, before = between;
    int64_t begin[SHAPE_MAX_RANK], end[SHAPE_MAX_RANK];

    for (int i = 0; i < between.rank; i++) {
        before.extent[permutation[i]] = between.extent[i];
        begin[permutation[i]] = pad->pad.begin[i];
        end[permutation[i]] = pad->pad.end[i];
    }
    for (int i = 0; i < between.rank; i++) {
        pad->pad.begin[i] = begin[i];
        pad->pad.end[i] = end[i];
    }
    swap(graph, transpose, crop, &before);
}

/* Does what can be done with a node and its reader. *changed: then the graph is to be finished. */
static int fold_node(struct graph *graph, int index, bool *changed, VbpError *error)
{
    enum node_kind kind = graph->nodes[index].kind, next;
    int reader = graph_only_reader(graph, graph->nodes[index].output), result = VBP_OK;

    *changed = false;
    if (kind == NODE_AFFINE)
        result = fold_affine(graph, index, changed, error);
    if (result != VBP_OK || *changed || reader < 0)
        return result;
    next = graph->nodes[reader].kind;
    if (kind == NODE_AFFINE || kind == NODE_INSTANCE_NORM) {
        *changed = sink(graph, index, reader);
    } else if (kind == NODE_TRANSPOSE && next == NODE_TRANSPOSE) {
        join_transposes(graph, &graph->nodes[index], &graph->nodes[reader]);
        *changed = true;
    } else if (kind == NODE_TRANSPOSE && next == NODE_PAD && crops(graph, &graph->nodes[reader])) {
        raise_crop(graph, index, reader);
        *changed = true;
    }
    return VBP_OK;
}

/*
 * Every change takes a node out, moves arithmetic towards the end, or a crop towards the
 * beginning, so it ends. But not soon in a graph that is made to take long: so it is counted what
 * the changes cost.
 */
static int fold_nodes(struct graph *graph, VbpError *error)
{
    int64_t left = MAX_LOOKS;
    int result = VBP_OK;

    for (int i = 0; i < graph->node_count && left > 0 && result == VBP_OK; i++) {
        bool changed;

        result = fold_node(graph, i, &changed, error);
        if (result != VBP_OK || !changed)
            continue;
        result = graph_finish(graph, error);
        if (result == VBP_OK)
            left -= graph->tensor_count + graph->first_reader[graph->tensor_count];
        i = i > 2 ? i - 3 : -1; /* what stands before has got a new neighbour */
    }
    return result;
}

int graph_fold(struct graph *graph, VbpError *error)
{
    int result = drop_identities(graph, error);

    if (result == VBP_OK)
        result = graph_finish(graph, error);
    if (result == VBP_OK)
        result = fold_make_affines(graph, error);
    if (result == VBP_OK)
        result = graph_finish(graph, error);
    if (result == VBP_OK)
        result = fold_nodes(graph, error);
    if (result == VBP_OK)
        result = drop_identities(graph, error);
    return result == VBP_OK ? graph_finish(graph, error) : result;
}
