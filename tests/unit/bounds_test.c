/* How large values can get: by hand, and never less than what networks really make. */
#include "base/memory.h"
#include "graph/bounds.h"
#include "support/networks.h"
#include "support/numbers.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

static void check_bound(const struct graph *graph, int tensor, double slope, double offset)
{
    struct bound *bounds = memory_array((size_t)graph->tensor_count, sizeof(*bounds));

    assert_non_null(bounds);
    bounds_find(graph, bounds);
    assert_float_equal(bounds[tensor].slope, slope, 1e-6 * slope);
    if (isinf(offset))
        assert_true(isinf(bounds[tensor].offset));
    else
        assert_float_equal(bounds[tensor].offset, offset, 1e-6 * fabs(offset));
    free(bounds);
}

/* conv by weights 1, -2 | 3, 4 and no bias over two channels: sums of magnitudes 3 | 7. */
static int add_convolution(struct graph *graph, int data)
{
    int weights = network_constant(graph, (struct shape){4, {2, 2, 1, 1}}, (float[]){1, -2, 3, 4});
    int bias = network_constant(graph, (struct shape){1, {2}}, (float[]){0.5F, -5});
    struct node node = {.kind = NODE_CONVOLUTION,
                        .source_kind = (char[]){'C', 0},
                        .inputs = (int[]){data, weights, bias},
                        .input_count = 3,
                        .convolution = {.window = window_make(1, 1), .groups = 1}};

    return graph_add_node(graph, &node, NULL, NULL);
}

static void by_hand(void **state)
{
    struct graph *graph = network_begin();
    int input = network_input(graph, 2, 3, 3), conv = add_convolution(graph, input);
    int relu = network_relu(graph, conv), again = add_convolution(graph, relu);
    int factor = network_constant(graph, (struct shape){1, {1}}, (float[]){-0.5F});
    int half = network_binary(graph, BINARY_MULTIPLY, again, factor);
    int sum = network_binary(graph, BINARY_ADD, half, relu);
    int curved = network_activation(graph, sum, ACTIVATION_TANH);
    int product = network_binary(graph, BINARY_MULTIPLY, sum, curved);
    int all = network_concat(graph, 1, 2, (int[]){relu, product});

    (void)state;
    network_finish(graph, all);
    check_bound(graph, input, 1, 0);
    check_bound(graph, conv, 7, 5);
    check_bound(graph, relu, 7, 5);
    check_bound(graph, again, 49, 40);
    check_bound(graph, half, 24.5, 20);
    check_bound(graph, sum, 31.5, 25);
    check_bound(graph, curved, 0, 1);
    check_bound(graph, product, 0, INFINITY); /* two computed factors: not known */
    check_bound(graph, all, 7, INFINITY);
    graph_destroy(&graph);
}

static void largest_inputs(void **state)
{
    (void)state;
    assert_float_equal(bound_largest_input((struct bound){2, 10}, 100), 45, 1e-9);
    assert_true(isinf(bound_largest_input((struct bound){0, 10}, 100)));
    assert_true(bound_largest_input((struct bound){2, 101}, 100) < 0);
    assert_true(bound_largest_input((struct bound){0, INFINITY}, 100) < 0);
}

static void nan_and_infinity_are_not_bounded(void **state)
{
    static const float wrong[] = {NAN, INFINITY, -INFINITY};

    (void)state;
    for (size_t i = 0; i < 3; i++) {
        struct graph *graph = network_begin();
        int conv = add_convolution(graph, network_input(graph, 2, 3, 3));
        int scalar = network_constant(graph, (struct shape){1, {1}}, &wrong[i]);
        int prelu = network_binary(graph, BINARY_PRELU, conv, scalar);
        int product = network_binary(graph, BINARY_MULTIPLY, conv, scalar);
        int sum = network_binary(graph, BINARY_ADD, conv, scalar);

        network_finish(graph, network_concat(graph, 1, 3, (int[]){prelu, product, sum}));
        check_bound(graph, prelu, 0, INFINITY);
        check_bound(graph, product, 0, INFINITY);
        check_bound(graph, sum, 0, INFINITY);
        graph_destroy(&graph);
    }
}

/* Counts the tensors whose bound is known. */
static int check_network(const struct graph *graph, float most)
{
    struct bound *bounds = memory_array((size_t)graph->tensor_count, sizeof(*bounds));
    size_t count = network_elements(graph, graph->input);
    float *input = guarded_random(count, -most, most);
    double **values = reference_run(graph, input);
    int known = 0;

    assert_non_null(bounds);
    bounds_find(graph, bounds);
    for (int t = 0; t < graph->tensor_count; t++) {
        double bound = bounds[t].slope * (double)most + bounds[t].offset;

        known += isfinite(bound) && !graph->tensors[t].values;
        for (size_t i = 0; values[t] && i < network_elements(graph, t); i++)
            assert_true(isinf(bound) || fabs(values[t][i]) <= bound * (1 + 1e-6));
    }
    reference_free(graph, values);
    guarded_free(input);
    free(bounds);
    return known;
}

static void random_networks(void **state)
{
    int known = 0;

    (void)state;
    for (int i = 0; i < 200; i++) {
        struct graph *graph = network_random(NETWORK_EVERY);

        known += check_network(graph, i % 2 ? 1 : 1000);
        graph_destroy(&graph);
    }
    assert_true(known > 1000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(by_hand),
        cmocka_unit_test(largest_inputs),
        cmocka_unit_test(nan_and_infinity_are_not_bounded),
        cmocka_unit_test(random_networks),
    };

    return cmocka_run_group_tests(tests, random_setup, NULL);
}
