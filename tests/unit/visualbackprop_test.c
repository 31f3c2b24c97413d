/* VisualBackProp: chains by hand, and graphs against the rules of DESIGN 6.1 taken literally. */
#include "saliency/visualbackprop.h"
#include "support/networks.h"
#include "support/numbers.h"
#include "support/rules.h"

#include <float.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

/* ---- The program ---------------------------------------------------------------------------- */

struct masked {
    struct forward *forward;
    struct visualbackprop *walk;
};

static struct masked masked_begin(const struct graph *graph, const float *input, VbpAverage average,
                                  bool even)
{
    struct masked masked = {.forward = network_forward(graph, true, average)};
    VbpError error;

    network_run(masked.forward, graph, input);
    if (visualbackprop_create(&masked.walk, graph, even, &error) != VBP_OK ||
        visualbackprop_run(masked.walk, masked.forward, &error) != VBP_OK)
        fail_msg("%s", error.message);
    return masked;
}

static void masked_end(struct masked *masked)
{
    visualbackprop_destroy(&masked->walk);
    forward_destroy(&masked->forward);
    assert_null(masked->walk);
}

/* How well a map is determined: large where its cells are sums of values that cancel out. */
static void check_map(const double *want, const float *got, int cells, const char *what)
{
    double largest = 0;

    for (int i = 0; i < cells; i++)
        largest = fmax(largest, fabs(want[i]));
    for (int i = 0; i < cells; i++)
        check_close((double)got[i], want[i], 2e-4 * largest, what);
}

static void check_mask(struct rules *rules, const struct masked *masked)
{
    const struct graph *graph = rules->graph;
    int cells =
        tensor_height(&graph->tensors[graph->input]) * tensor_width(&graph->tensors[graph->input]);
    const double *map = rules_map(rules, graph->input);
    double least = INFINITY, most = -INFINITY;
    float minimum, maximum;

    for (int i = 0; i < cells; i++) {
        least = fmin(least, map[i]);
        most = fmax(most, map[i]);
    }
    visualbackprop_range(masked->walk, &minimum, &maximum);
    check_close((double)minimum, least, 2e-4 * fmax(fabs(least), fabs(most)), "minimum");
    check_close((double)maximum, most, 2e-4 * fmax(fabs(least), fabs(most)), "maximum");
    if (!(most - least > 0.05 * fmax(fabs(least), fabs(most))))
        return; /* almost constant: the mask shows the rounding */
    for (int i = 0; i < cells; i++)
        check_close((double)visualbackprop_mask(masked->walk)[i], (map[i] - least) / (most - least),
                    5e-3, "mask");
}

static void check_network(const struct graph *graph, VbpAverage average, bool even)
{
    float *input = guarded_random(network_elements(graph, graph->input), -1, 1);
    struct masked masked = masked_begin(graph, input, average, even);
    struct rules rules = rules_begin(graph, masked.forward, average, even);

    for (int level = 0; level < graph->level_count; level++) {
        int tensor = graph->levels[level];

        check_map(rules_map(&rules, tensor), visualbackprop_product(masked.walk, level),
                  tensor_height(&graph->tensors[tensor]) * tensor_width(&graph->tensors[tensor]),
                  "product");
    }
    check_mask(&rules, &masked);
    masked_end(&masked);
    rules_end(&rules);
    guarded_free(input);
}

static void random_networks(void **state)
{
    (void)state;
    for (int i = 0; i < 200; i++) {
        struct graph *graph = network_random(NETWORK_EVERY);

        check_network(graph, i % 2 ? VBP_AVERAGE_POSITIVE : VBP_AVERAGE_ABSOLUTE, i % 3 == 0);
        graph_destroy(&graph);
    }
}

/* The plain mean has signs, and sums that cancel out: chains alone, where errors do not grow. */
static void plain_mean_of_chains(void **state)
{
    (void)state;
    for (int i = 0; i < 40; i++) {
        struct graph *graph = network_begin();
        int data = network_input(graph, 2, 12, 14);

        for (int layer = 0; layer < 3; layer++) {
            data = network_convolution(graph, data, 4, window_square(3, 1 + layer % 2, i % 2), 1,
                                       true);
            data = network_activation(graph, data, ACTIVATION_ELU);
        }
        network_finish(graph, network_dense(graph, network_flatten(graph, data), 1));
        check_network(graph, VBP_AVERAGE_MEAN, i % 3 == 0);
        graph_destroy(&graph);
    }
}

/* ---- By hand -------------------------------------------------------------------------------- */

/* A convolution whose weights are all 1. */
static int sums(struct graph *graph, int data, struct window window)
{
    int tensor = network_convolution(graph, data, 1, window, 1, false);
    float *weights = graph->tensors[graph->nodes[graph->node_count - 1].inputs[1]].values;

    for (int i = 0; i < window.kernel[0] * window.kernel[1]; i++)
        weights[i] = 1;
    return tensor;
}

static void check_cells(const float *got, const double *want, int count, const char *what)
{
    for (int i = 0; i < count; i++)
        check_close((double)got[i], want[i], 1e-6 * fabs(want[i]), what);
}

/*
 *     input    1 2 3 4 5 6         1x2, stride 2
 *     level 1  3 7 11              1x2, stride 1
 *     level 2  10 18               read by the flatten: times ones
 *     up       10 28 18            times level 1: 30 196 198
 *     up       30 30 196 196 198 198
 */
static void chain_of_one_row(void **state)
{
    const float input[6] = {1, 2, 3, 4, 5, 6};
    struct graph *graph = network_begin();
    int data = network_input(graph, 1, 1, 6);
    struct masked masked;
    float minimum, maximum;

    (void)state;
    data = network_relu(graph,
                        sums(graph, data, (struct window){{1, 2}, {1, 2}, {1, 1}, {0, 0}, {0, 0}}));
    data = network_relu(graph, sums(graph, data, window_make(1, 2)));
    network_finish(graph, network_dense(graph, network_flatten(graph, data), 1));
    masked = masked_begin(graph, input, VBP_AVERAGE_POSITIVE, false);
    check_cells(forward_level_average(masked.forward, 0), (const double[]){3, 7, 11}, 3, "level 1");
    check_cells(visualbackprop_product(masked.walk, 1), (const double[]){10, 18}, 2, "product 2");
    check_cells(visualbackprop_product(masked.walk, 0), (const double[]){30, 196, 198}, 3,
                "product 1");
    check_cells(visualbackprop_mask(masked.walk),
                (const double[]){0, 0, 166 / 168.0, 166 / 168.0, 1, 1}, 6, "mask");
    visualbackprop_range(masked.walk, &minimum, &maximum);
    check_close((double)minimum, 30, 0, "minimum");
    check_close((double)maximum, 198, 0, "maximum");
    masked_end(&masked);
    /* Even: the middle cell of the upper map is 14, the mean of its two windows. */
    masked = masked_begin(graph, input, VBP_AVERAGE_POSITIVE, true);
    check_cells(visualbackprop_product(masked.walk, 0), (const double[]){30, 98, 198}, 3, "even");
    masked_end(&masked);
    graph_destroy(&graph);
}

/*
 * 3x3 with a 2x2 window, twice: level 1 is 2x2, level 2 one cell.
 *
 *     1 0 2      level 1  4 6      product  4a 6a      up  4a 10a  6a
 *     3 0 4               3 5               3a 5a          7a 18a 11a
 *     0 0 1      level 2  a = 18                           3a  8a  5a
 */
static void square_by_hand(void **state)
{
    const float input[9] = {1, 0, 2, 3, 0, 4, 0, 0, 1};
    const double map[9] = {4, 10, 6, 7, 18, 11, 3, 8, 5};
    double want[9];
    struct graph *graph = network_begin();
    int data = network_input(graph, 1, 3, 3);
    struct masked masked;

    (void)state;
    for (int i = 0; i < 9; i++)
        want[i] = (map[i] - 3) / 15;
    data = network_relu(graph, sums(graph, data, window_square(2, 1, 0)));
    data = network_relu(graph, sums(graph, data, window_square(2, 1, 0)));
    network_finish(graph, network_flatten(graph, data));
    masked = masked_begin(graph, input, VBP_AVERAGE_POSITIVE, false);
    check_cells(visualbackprop_mask(masked.walk), want, 9, "mask");
    masked_end(&masked);
    graph_destroy(&graph);
}

/*
 * A residual: level 1 is read by a convolution and by the addition. The maps of both are divided
 * by their largest cells before they are averaged.
 *
 *     level 1      1 2 3
 *     1x1, x 1     1 2 3      level 2 (of the convolution)
 *     add, ReLU    2 4 6      level 3: its map is 2 4 6 for both branches
 *     branch       2 8 18     through level 2; / 18
 *     skip         2 4 6      / 6
 *     mean         2/9 (1/9 + 1/3)/2 ..., times level 1
 */
static void residual_by_hand(void **state)
{
    const float input[3] = {1, 2, 3};
    const double product[3] = {(1 / 9.0 + 1 / 3.0) / 2, 2 * (4 / 9.0 + 2 / 3.0) / 2, 3};
    struct graph *graph = network_begin();
    int level = network_relu(graph, sums(graph, network_input(graph, 1, 1, 3), window_make(1, 1)));
    int branch = network_relu(graph, sums(graph, level, window_make(1, 1)));
    struct masked masked;

    (void)state;
    network_finish(
        graph, network_flatten(
                   graph, network_relu(graph, network_binary(graph, BINARY_ADD, branch, level))));
    masked = masked_begin(graph, input, VBP_AVERAGE_POSITIVE, false);
    check_cells(visualbackprop_product(masked.walk, 2), (const double[]){2, 4, 6}, 3, "level 3");
    check_cells(visualbackprop_product(masked.walk, 1), (const double[]){2, 8, 18}, 3, "level 2");
    check_cells(visualbackprop_product(masked.walk, 0), product, 3, "level 1");
    masked_end(&masked);
    graph_destroy(&graph);
}

/*
 * Down through a transposed convolution: 1x2, steps of 2, weights 1 and 3, so that each cell makes
 * two. Its map is that of its window's cells, summed, or with `even` their mean.
 *
 *     input    1 2        level    1 3 2 6       map of the input    1 + 3   2 + 6
 */
static void transposed_by_hand(void **state)
{
    const float input[2] = {1, 2};

    (void)state;
    for (int even = 0; even < 2; even++) {
        struct graph *graph = network_begin();
        struct node node = {.kind = NODE_CONVOLUTION_TRANSPOSE,
                            .input_count = 2,
                            .convolution = {.window = window_make(1, 2), .groups = 1}};
        int inputs[2] = {
            network_input(graph, 1, 1, 2),
            network_constant(graph, (struct shape){4, {1, 1, 1, 2}}, (const float[]){1, 3})};
        struct masked masked;
        float minimum, maximum;
        int data;

        node.convolution.window.stride[1] = 2;
        node.inputs = inputs;
        data = graph_add_node(graph, &node, NULL, NULL);
        assert_true(data >= 0);
        network_finish(graph, network_flatten(graph, network_relu(graph, data)));
        masked = masked_begin(graph, input, VBP_AVERAGE_POSITIVE, even);
        check_cells(visualbackprop_product(masked.walk, 0), (const double[]){1, 3, 2, 6}, 4,
                    "product");
        visualbackprop_range(masked.walk, &minimum, &maximum);
        assert_true(minimum == (even ? 2 : 4) && maximum == (even ? 4 : 8));
        check_cells(visualbackprop_mask(masked.walk), (const double[]){0, 1}, 2, "mask");
        masked_end(&masked);
        graph_destroy(&graph);
    }
}

/*
 * Down through a resize to twice the width between the centres of cells:
 *
 *     input    1 5       level    1 2 4 5
 *
 * The first cell went into 1, 2 and 4 by 1, 3/4 and 1/4: (1 + 3/2 + 1) / 2 is its map. And to half
 * the width, which interpolates: 1 5 makes 3, whose map both cells get.
 */
static void resize_by_hand(void **state)
{
    static const struct {
        int width;
        double level[4], least, most;
    } cases[] = {{4, {1, 2, 4, 5}, 1.75, 4.25}, {1, {3}, 3, 3}};

    (void)state;
    for (int i = 0; i < 2; i++) {
        struct graph *graph = network_begin();
        int data = network_input(graph, 1, 1, 2);
        struct node node = {.kind = NODE_RESIZE,
                            .inputs = &data,
                            .input_count = 1,
                            .resize = {.size = {1, cases[i].width}}};
        struct masked masked;
        float minimum, maximum;

        data = graph_add_node(graph, &node, NULL, NULL);
        assert_true(data >= 0);
        network_finish(graph, network_flatten(graph, network_relu(graph, data)));
        masked = masked_begin(graph, (const float[]){1, 5}, VBP_AVERAGE_POSITIVE, false);
        check_cells(visualbackprop_product(masked.walk, 0), cases[i].level, cases[i].width,
                    "product");
        visualbackprop_range(masked.walk, &minimum, &maximum);
        check_close((double)minimum, cases[i].least, 1e-6, "least");
        check_close((double)maximum, cases[i].most, 1e-6, "most");
        masked_end(&masked);
        graph_destroy(&graph);
    }
}

/* Negative values: -2 and 4 in two channels of one cell, 1 and 1 in the other. */
static void averages_of_negative_values(void **state)
{
    static const struct {
        VbpAverage kind;
        double average[2];
    } cases[] = {
        {VBP_AVERAGE_POSITIVE, {2, 1}}, {VBP_AVERAGE_MEAN, {1, 1}}, {VBP_AVERAGE_ABSOLUTE, {3, 1}}};
    const float input[4] = {-2, 1, 4, 1};

    (void)state;
    for (int i = 0; i < 3; i++) {
        struct graph *graph = network_begin();
        int data = network_max_pool(graph, network_input(graph, 2, 1, 2), window_make(1, 1), false);
        struct node leaky = {.kind = NODE_ACTIVATION,
                             .activation = {.function = ACTIVATION_LEAKY_RELU, .alpha = 1},
                             .inputs = &data,
                             .input_count = 1};
        struct masked masked;

        network_finish(graph, network_flatten(graph, graph_add_node(graph, &leaky, NULL, NULL)));
        masked = masked_begin(graph, input, cases[i].kind, false);
        check_cells(visualbackprop_product(masked.walk, 0), cases[i].average, 2, "average");
        masked_end(&masked);
        graph_destroy(&graph);
    }
}

static void constant_maps_are_all_zeros(void **state)
{
    struct graph *graph = network_begin();
    int data =
        network_relu(graph, sums(graph, network_input(graph, 1, 4, 4), window_square(2, 2, 0)));
    float input[16];

    (void)state;
    network_finish(graph, network_flatten(graph, data));
    for (int value = 0; value < 2; value++) {
        struct masked masked;

        for (int i = 0; i < 16; i++)
            input[i] = (float)value;
        masked = masked_begin(graph, input, VBP_AVERAGE_POSITIVE, false);
        for (int i = 0; i < 16; i++)
            check_close((double)visualbackprop_mask(masked.walk)[i], 0, 0, "mask");
        masked_end(&masked);
    }
    graph_destroy(&graph);
}

/* ---- Networks that have no mask -------------------------------------------------------------- */

static void check_no_mask(struct graph *graph, int output)
{
    struct visualbackprop *walk;
    VbpError error = {0};

    network_finish(graph, output);
    assert_int_equal(visualbackprop_create(&walk, graph, false, &error), VBP_ERROR_NO_MASK);
    assert_non_null(strstr(error.message, "no level"));
    assert_null(walk);
    graph_destroy(&graph);
}

static void networks_without_levels(void **state)
{
    struct graph *graph = network_begin();
    int data = network_convolution(graph, network_input(graph, 1, 4, 4), 2, window_square(3, 1, 0),
                                   1, true);

    (void)state;
    /* A rectifier only behind the flatten; then none at all. */
    check_no_mask(graph, network_relu(graph, network_flatten(graph, data)));
    graph = network_begin();
    data = network_flatten(graph, network_input(graph, 1, 4, 4));
    check_no_mask(graph, network_dense(graph, network_relu(graph, data), 1));
    graph = network_begin();
    data = network_convolution(graph, network_input(graph, 1, 4, 4), 2, window_square(3, 1, 0), 1,
                               true);
    check_no_mask(graph, network_activation(graph, data, ACTIVATION_TANH));
}

/* ---- Deep networks --------------------------------------------------------------------------- */

/* Forty 3x3 layers in a row, whose values are about `size` and halve on the way. */
static struct graph *deep_network(float size)
{
    struct graph *graph = network_begin();
    int data = network_input(graph, 1, 9, 9);

    for (int layer = 0; layer < 40; layer++) {
        float scale = layer == 0 ? size : 1, *weights;

        data = network_convolution(graph, data, 1, window_square(3, 1, 1), 1, false);
        weights = graph->tensors[graph->nodes[graph->node_count - 1].inputs[1]].values;
        random_fill(weights, 9, 0.08F * scale, 0.16F * scale);
        data = network_relu(graph, data);
    }
    network_finish(graph, network_flatten(graph, data));
    return graph;
}

/* What floats do not hold comes divided by a power of two. Returns whether that was so. */
static bool check_deep_product(const double *want, const float *got, int cells)
{
    double factor = 1, largest = 0;
    bool beyond;
    int place = 0;

    for (int i = 0; i < cells; i++) {
        place = want[i] > largest ? i : place;
        largest = fmax(largest, want[i]);
    }
    beyond = largest > (double)FLT_MAX || largest < (double)FLT_MIN;
    if (beyond)
        factor = exp2(round(log2(largest / (double)got[place])));
    for (int i = 0; i < cells; i++)
        check_close((double)got[i] * factor, want[i], 1e-4 * largest, "product of a deep level");
    return beyond;
}

static void check_deep(float size, bool leaves_floats)
{
    struct graph *graph = deep_network(size);
    float *input = guarded_random(81, 0.5F, 1);
    struct masked masked = masked_begin(graph, input, VBP_AVERAGE_POSITIVE, false);
    struct rules rules = rules_begin(graph, masked.forward, VBP_AVERAGE_POSITIVE, false);
    const double *map = rules_map(&rules, graph->input);
    double least = map[0], most = map[0];
    int beyond = 0;

    for (int level = 0; level < 40; level++)
        beyond += check_deep_product(rules_map(&rules, graph->levels[level]),
                                     visualbackprop_product(masked.walk, level), 81);
    assert_int_equal(beyond > 0, leaves_floats);
    assert_true(beyond < 40);
    for (int i = 0; i < 81; i++) {
        least = fmin(least, map[i]);
        most = fmax(most, map[i]);
    }
    for (int i = 0; i < 81; i++)
        check_close((double)visualbackprop_mask(masked.walk)[i], (map[i] - least) / (most - least),
                    1e-4, "mask of a deep network");
    rules_end(&rules);
    masked_end(&masked);
    guarded_free(input);
    graph_destroy(&graph);
}

static void deep_networks(void **state)
{
    (void)state;
    check_deep(1e-4F, true);
    check_deep(0.5F, false);
    check_deep(1e4F, true);
}

/* Four channels of 2e38 each are finite, their sum is not; also where the map from above is 0. */
static void sums_over_channels_that_overflow(void **state)
{
    (void)state;
    for (int zeros = 0; zeros < 2; zeros++) {
        struct graph *graph = network_begin();
        int data = network_convolution(graph, network_input(graph, 1, 3, 5), 4,
                                       window_square(1, 1, 0), 1, false);
        float *weights = graph->tensors[graph->nodes[0].inputs[1]].values;
        struct forward *forward;
        struct visualbackprop *walk;
        VbpError error = {0};

        for (int i = 0; i < 4; i++)
            weights[i] = 1;
        data = network_relu(graph, data);
        if (zeros) {
            data = network_convolution(graph, data, 2, window_square(1, 1, 0), 1, false);
            memset(graph->tensors[graph->nodes[2].inputs[1]].values, 0, 8 * sizeof(float));
            data = network_relu(graph, data);
        }
        network_finish(graph, network_flatten(graph, data));
        forward = network_forward(graph, false, VBP_AVERAGE_POSITIVE);
        for (int i = 0; i < 15; i++)
            forward_input(forward)[i] = 2e38F;
        assert_int_equal(forward_run(forward, &error), VBP_OK);
        assert_int_equal(visualbackprop_create(&walk, graph, false, &error), VBP_OK);
        assert_int_equal(visualbackprop_run(walk, forward, &error), VBP_ERROR_NUMERIC);
        assert_non_null(strstr(error.message, "sum over the channels"));
        for (int i = 0; i < 15; i++)
            forward_input(forward)[i] = (float)i;
        assert_int_equal(forward_run(forward, &error), VBP_OK);
        assert_int_equal(visualbackprop_run(walk, forward, &error), VBP_OK);
        visualbackprop_destroy(&walk);
        forward_destroy(&forward);
        graph_destroy(&graph);
    }
}

/* The same memory serves frame after frame, also after one whose products left the floats. */
static void frames_do_not_depend_on_each_other(void **state)
{
    struct graph *graph = network_random(NETWORK_EVERY);
    size_t count = network_elements(graph, graph->input);
    const struct tensor *tensor = &graph->tensors[graph->input];
    size_t cells = (size_t)tensor_height(tensor) * (size_t)tensor_width(tensor);
    float *first = guarded_random(count, -1, 1), *second = guarded_random(count, -1e6F, 1e6F);
    float *mask = guarded_floats(cells);
    struct masked masked = masked_begin(graph, first, VBP_AVERAGE_POSITIVE, false);

    (void)state;
    memcpy(mask, visualbackprop_mask(masked.walk), cells * sizeof(float));
    memcpy(forward_input(masked.forward), second, count * sizeof(float));
    if (forward_run(masked.forward, NULL) == VBP_OK)
        visualbackprop_run(masked.walk, masked.forward, NULL);
    network_run(masked.forward, graph, first);
    assert_int_equal(visualbackprop_run(masked.walk, masked.forward, NULL), VBP_OK);
    assert_memory_equal(mask, visualbackprop_mask(masked.walk), cells * sizeof(float));
    masked_end(&masked);
    guarded_free(first);
    guarded_free(second);
    guarded_free(mask);
    graph_destroy(&graph);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(random_networks),
        cmocka_unit_test(plain_mean_of_chains),
        cmocka_unit_test(chain_of_one_row),
        cmocka_unit_test(square_by_hand),
        cmocka_unit_test(residual_by_hand),
        cmocka_unit_test(transposed_by_hand),
        cmocka_unit_test(resize_by_hand),
        cmocka_unit_test(averages_of_negative_values),
        cmocka_unit_test(constant_maps_are_all_zeros),
        cmocka_unit_test(networks_without_levels),
        cmocka_unit_test(deep_networks),
        cmocka_unit_test(sums_over_channels_that_overflow),
        cmocka_unit_test(frames_do_not_depend_on_each_other),
    };

    return cmocka_run_group_tests(tests, random_setup, NULL);
}
