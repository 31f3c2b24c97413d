/* Plans of buffers: nothing is written over that is still needed. */
#include "base/memory.h"
#include "graph/plan.h"
#include "support/networks.h"
#include "support/numbers.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

/*
 * The run of a network in which memory holds, for each float, whose value it is: the tensor that
 * was computed there last. What only renames a tensor is the same value.
 */
struct memory {
    const struct graph *graph;
    const struct plan *plan;
    int *owner; /* per float of the block */
    int *value; /* per tensor: the tensor whose value it is */
};

static size_t place_of(const struct memory *memory, int tensor)
{
    return memory->plan->offset[memory->plan->storage[tensor]];
}

static void check_there(const struct memory *memory, int tensor)
{
    size_t place = place_of(memory, tensor);

    if (memory->graph->tensors[memory->value[tensor]].values)
        return;
    for (size_t i = 0; i < network_elements(memory->graph, tensor); i++)
        assert_int_equal(memory->owner[place + i], memory->value[tensor]);
}

static void write_value(struct memory *memory, int tensor)
{
    size_t place = place_of(memory, tensor);

    assert_true(place + network_elements(memory->graph, tensor) <= memory->plan->size);
    assert_int_equal(place * sizeof(float) % MEMORY_ALIGNMENT, 0);
    for (size_t i = 0; i < network_elements(memory->graph, tensor); i++)
        memory->owner[place + i] = tensor;
}

/* A node may write where it reads only value by value, from the same place on. */
static void check_no_overlap(const struct memory *memory, const struct node *node, int input)
{
    size_t from = place_of(memory, input), to = place_of(memory, node->output);
    bool each_alone = node->kind == NODE_ACTIVATION || node->kind == NODE_BATCH_NORM;

    if (memory->graph->tensors[memory->value[input]].values || (each_alone && from == to))
        return;
    assert_true(from + network_elements(memory->graph, input) <= to ||
                to + network_elements(memory->graph, node->output) <= from);
}

static void run_node(struct memory *memory, const struct node *node)
{
    for (int slot = 0; slot < node->input_count; slot++)
        check_there(memory, node->inputs[slot]);
    if (node->kind == NODE_RESHAPE || node->kind == NODE_IDENTITY) {
        memory->value[node->output] = memory->value[node->inputs[0]];
        check_there(memory, node->output);
        return;
    }
    for (int slot = 0; slot < node->input_count; slot++)
        check_no_overlap(memory, node, node->inputs[slot]);
    write_value(memory, node->output);
}

static void check_plan(const struct graph *graph, bool keep_all)
{
    struct plan plan;
    struct memory memory = {.graph = graph, .plan = &plan};

    assert_int_equal(plan_make(&plan, graph, NULL, keep_all, NULL), VBP_OK);
    memory.owner = memory_array(plan.size, sizeof(int));
    memory.value = memory_array((size_t)graph->tensor_count, sizeof(int));
    assert_non_null(memory.owner);
    assert_non_null(memory.value);
    for (size_t i = 0; i < plan.size; i++)
        memory.owner[i] = -1;
    for (int t = 0; t < graph->tensor_count; t++)
        memory.value[t] = t;
    /* Two frames, since the second one must find the first one's memory usable. */
    for (int frame = 0; frame < 2; frame++) {
        write_value(&memory, graph->input);
        for (int i = 0; i < graph->node_count; i++)
            run_node(&memory, &graph->nodes[i]);
        check_there(&memory, graph->input);
        for (int o = 0; o < graph->output_count; o++)
            check_there(&memory, graph->outputs[o]);
        for (int i = 0; i < graph->node_count && keep_all; i++)
            check_there(&memory, graph->nodes[i].output);
    }
    free(memory.owner);
    free(memory.value);
    plan_free(&plan);
    assert_null(plan.storage);
}

static void random_networks(void **state)
{
    (void)state;
    for (int i = 0; i < 300; i++) {
        struct graph *graph = network_random(NETWORK_EVERY);

        check_plan(graph, false);
        check_plan(graph, true);
        graph_destroy(&graph);
    }
}

/* Renamed tensors of which one is an output, and the others are overwritten elsewhere. */
static void outputs_under_other_names(void **state)
{
    for (int variant = 0; variant < 8; variant++) {
        struct graph *graph = network_begin();
        int input = network_input(graph, 1, 4, 4), output;
        int first =
            variant & 1 ? input : network_max_pool(graph, input, window_square(1, 1, 0), false);
        int renamed = network_flatten(graph, first);

        (void)state;
        output = network_relu(graph, variant & 2 ? renamed : first);
        output = network_relu(graph, network_identity(graph, output));
        if (variant & 4)
            assert_int_equal(graph_mark_output(graph, renamed, NULL), VBP_OK);
        assert_int_equal(graph_mark_output(graph, first, NULL), VBP_OK);
        network_finish(graph, output);
        check_plan(graph, false);
        check_plan(graph, true);
        graph_destroy(&graph);
    }
}

/* A chain needs two buffers and the input, however long it is. */
static void chains_are_small(void **state)
{
    struct graph *graph = network_begin();
    int data = network_input(graph, 1, 16, 16);
    struct plan plan;

    (void)state;
    for (int i = 0; i < 20; i++)
        data = network_relu(graph, network_max_pool(graph, data, window_square(1, 1, 0), false));
    network_finish(graph, data);
    assert_int_equal(plan_make(&plan, graph, NULL, false, NULL), VBP_OK);
    assert_int_equal(plan.size, 3 * 256);
    plan_free(&plan);
    assert_int_equal(plan_make(&plan, graph, NULL, true, NULL), VBP_OK);
    assert_int_equal(plan.size, 41 * 256);
    plan_free(&plan);
    graph_destroy(&graph);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(random_networks),
        cmocka_unit_test(outputs_under_other_names),
        cmocka_unit_test(chains_are_small),
    };

    return cmocka_run_group_tests(tests, random_setup, NULL);
}
