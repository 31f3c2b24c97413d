#include "graph/plan.h"

#include "base/memory.h"

/* Tensors start on cache lines. */
#define ALIGNMENT_FLOATS (MEMORY_ALIGNMENT / sizeof(float))

/* First and last node that needs the memory of a storage; the input is written before node 0. */
struct lifetime {
    int first, last;
    size_t size; /* floats; 0: no memory needed */
    bool placed;
};

static bool only_renames(const struct node *node)
{
    return node->kind == NODE_RESHAPE || node->kind == NODE_IDENTITY;
}

static bool can_overwrite(const struct node *node)
{
    return node->kind == NODE_ACTIVATION || node->kind == NODE_BATCH_NORM ||
           node->kind == NODE_AFFINE;
}

/* Index of the last node that reads the tensor; the number of nodes for an output, -1 for none. */
static int last_use(const struct graph *graph, int tensor)
{
    int end = graph->first_reader[tensor + 1];

    for (int i = 0; i < graph->output_count; i++) {
        if (graph->outputs[i] == tensor)
            return graph->node_count;
    }
    return end > graph->first_reader[tensor] ? graph->readers[end - 1].node : -1;
}

/*
 * last[s] is the last use of any tensor that so far shares storage s. A tensor that joins later is
 * made by a node that reads one of these, so it cannot be missed.
 */
static void find_storage(struct plan *plan, const struct graph *graph, const int *keep_until,
                         bool keep_all, int *last)
{
    for (int t = 0; t < graph->tensor_count; t++) {
        plan->storage[t] = t;
        last[t] = last_use(graph, t);
        if (keep_until && keep_until[t] > last[t])
            last[t] = keep_until[t];
    }
    /* The caller's input and the constants are never written over. */
    for (int t = 0; t < graph->tensor_count; t++) {
        if (t == graph->input || graph->tensors[t].values)
            last[t] = graph->node_count;
    }
    for (int i = 0; i < graph->node_count; i++) {
        const struct node *node = &graph->nodes[i];
        int storage = plan->storage[node->inputs[0]];
        int use = last[node->output];

        if (!only_renames(node) && (keep_all || !can_overwrite(node) || last[storage] > i))
            continue;
        plan->storage[node->output] = storage;
        if (use > last[storage])
            last[storage] = use;
    }
}

static void extend(struct lifetime *lifetime, int node)
{
    if (node < lifetime->first)
        lifetime->first = node;
    if (node > lifetime->last)
        lifetime->last = node;
}

static void find_lifetimes(const struct plan *plan, const struct graph *graph,
                           const int *keep_until, struct lifetime *lifetimes)
{
    for (int t = 0; t < graph->tensor_count; t++)
        lifetimes[t] = (struct lifetime){.first = graph->node_count, .last = -1};
    for (int i = 0; i < graph->node_count; i++) {
        const struct node *node = &graph->nodes[i];

        extend(&lifetimes[plan->storage[node->output]], i);
        for (int slot = 0; slot < node->input_count; slot++)
            extend(&lifetimes[plan->storage[node->inputs[slot]]], i);
    }
    for (int t = 0; t < graph->tensor_count && keep_until; t++) {
        if (keep_until[t] >= 0)
            extend(&lifetimes[plan->storage[t]], keep_until[t]);
    }
    extend(&lifetimes[plan->storage[graph->input]], 0);
    lifetimes[plan->storage[graph->input]].last = graph->node_count;
    for (int o = 0; o < graph->output_count; o++)
        extend(&lifetimes[plan->storage[graph->outputs[o]]], graph->node_count);
    for (int t = 0; t < graph->tensor_count; t++) {
        size_t count = (size_t)shape_elements(&graph->tensors[t].shape);

        if (plan->storage[t] != t || graph->tensors[t].values || lifetimes[t].last < 0)
            continue;
        lifetimes[t].size = (count + ALIGNMENT_FLOATS - 1) / ALIGNMENT_FLOATS * ALIGNMENT_FLOATS;
    }
}

/* The lowest offset at which `tensor` overlaps no placed tensor that lives at the same time. */
static size_t find_gap(const struct plan *plan, const struct lifetime *lifetimes, int count,
                       int tensor)
{
    const struct lifetime *own = &lifetimes[tensor];
    size_t offset = 0;
    bool moved = true;

    while (moved) {
        moved = false;
        for (int t = 0; t < count; t++) {
            const struct lifetime *other = &lifetimes[t];

            if (!other->placed || other->first > own->last || own->first > other->last)
                continue;
            if (offset < plan->offset[t] + other->size && plan->offset[t] < offset + own->size) {
                offset = plan->offset[t] + other->size;
                moved = true;
            }
        }
    }
    return offset;
}

/* One behind the other; or largest first, each at the lowest place that is free during its life. */
static void place(struct plan *plan, struct lifetime *lifetimes, int count, bool keep_all)
{
    for (int t = 0; t < count && keep_all; t++) {
        plan->offset[t] = plan->size;
        plan->size += lifetimes[t].size;
    }
    while (!keep_all) {
        int largest = -1;

        for (int t = 0; t < count; t++) {
            if (!lifetimes[t].placed && lifetimes[t].size > 0 &&
                (largest < 0 || lifetimes[t].size > lifetimes[largest].size))
                largest = t;
        }
        if (largest < 0)
            return;
        plan->offset[largest] = find_gap(plan, lifetimes, count, largest);
        lifetimes[largest].placed = true;
        if (plan->offset[largest] + lifetimes[largest].size > plan->size)
            plan->size = plan->offset[largest] + lifetimes[largest].size;
    }
}

int plan_make(struct plan *plan, const struct graph *graph, const int *keep_until, bool keep_all,
              VbpError *error)
{
    struct lifetime *lifetimes;
    int *last;

    *plan = (struct plan){0};
    lifetimes = memory_array((size_t)graph->tensor_count, sizeof(*lifetimes));
    last = memory_array((size_t)graph->tensor_count, sizeof(*last));
    plan->storage = memory_array((size_t)graph->tensor_count, sizeof(*plan->storage));
    plan->offset = memory_array((size_t)graph->tensor_count, sizeof(*plan->offset));
    if (!lifetimes || !last || !plan->storage || !plan->offset) {
        free(lifetimes);
        free(last);
        plan_free(plan);
        return error_out_of_memory(error);
    }
    find_storage(plan, graph, keep_until, keep_all, last);
    find_lifetimes(plan, graph, keep_until, lifetimes);
    place(plan, lifetimes, graph->tensor_count, keep_all);
    free(lifetimes);
    free(last);
    return VBP_OK;
}

void plan_free(struct plan *plan)
{
    free(plan->storage);
    free(plan->offset);
    *plan = (struct plan){0};
}
