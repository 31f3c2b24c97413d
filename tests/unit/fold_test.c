/* Folding: fewer nodes, the same outputs, levels and masks. */
#include "graph/fold.h"
#include "saliency/visualbackprop.h"
#include "support/networks.h"
#include "support/numbers.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static struct graph *folded_copy(const struct graph *graph)
{
    struct graph *folded;
    VbpError error;

    if (graph_copy(&folded, graph, &error) != VBP_OK || graph_fold(folded, &error) != VBP_OK)
        fail_msg("%s", error.message);
    return folded;
}

static int count_of(const struct graph *graph, enum node_kind kind)
{
    int count = 0;

    for (int i = 0; i < graph->node_count; i++)
        count += graph->nodes[i].kind == kind;
    return count;
}

static double largest_of(const double *values, size_t count)
{
    double largest = 0;

    for (size_t i = 0; i < count; i++)
        largest = fmax(largest, fabs(values[i]));
    return largest;
}

static void check_outputs(const struct graph *graph, const struct graph *folded, const float *input)
{
    double **want = reference_run(graph, input), **got = reference_run(folded, input);

    assert_int_equal(folded->output_count, graph->output_count);
    for (int o = 0; o < graph->output_count; o++) {
        int from = graph->outputs[o], to = folded->outputs[o];
        size_t count = network_elements(graph, from);
        double scale = largest_of(want[from], count);

        assert_string_equal(graph->tensors[from].name, folded->tensors[to].name);
        assert_true(shape_equal(&graph->tensors[from].shape, &folded->tensors[to].shape));
        for (size_t i = 0; i < count; i++)
            check_close(got[to][i], want[from][i], 1e-5 * scale + 1e-6, "output");
    }
    reference_free(graph, want);
    reference_free(folded, got);
}

static float *mask_of(const struct graph *graph, const float *input, float *range)
{
    struct forward *forward = network_forward(graph, false, VBP_AVERAGE_POSITIVE);
    struct visualbackprop *walk;
    const struct tensor *tensor = &graph->tensors[graph->input];
    size_t cells = (size_t)tensor_height(tensor) * (size_t)tensor_width(tensor);
    float *mask = guarded_floats(cells), minimum;
    VbpError error;

    network_run(forward, graph, input);
    if (visualbackprop_create(&walk, graph, false, &error) != VBP_OK ||
        visualbackprop_run(walk, forward, &error) != VBP_OK)
        fail_msg("%s", error.message);
    memcpy(mask, visualbackprop_mask(walk), cells * sizeof(float));
    visualbackprop_range(walk, &minimum, range);
    *range = (*range - minimum) / *range;
    visualbackprop_destroy(&walk);
    forward_destroy(&forward);
    return mask;
}

static void check_masks(const struct graph *graph, const struct graph *folded, const float *input)
{
    const struct tensor *tensor = &graph->tensors[graph->input];
    float range_want, range_got;
    float *want = mask_of(graph, input, &range_want), *got = mask_of(folded, input, &range_got);

    assert_int_equal(folded->level_count, graph->level_count);
    for (int level = 0; level < graph->level_count; level++)
        assert_string_equal(folded->tensors[folded->levels[level]].name,
                            graph->tensors[graph->levels[level]].name);
    /* A map that is almost constant shows the rounding of its cells. */
    for (int i = 0; i < tensor_height(tensor) * tensor_width(tensor) && range_want > 0.01F; i++)
        check_close((double)got[i], (double)want[i], 1e-4, "mask");
    guarded_free(want);
    guarded_free(got);
}

static struct graph *check_fold(const struct graph *graph)
{
    struct graph *folded = folded_copy(graph);
    float *input = guarded_random(network_elements(graph, graph->input), -1, 1);

    check_outputs(graph, folded, input);
    if (graph->level_count > 0 && graph->tensors[graph->input].axes.channel >= 0)
        check_masks(graph, folded, input);
    guarded_free(input);
    return folded;
}

static void random_networks(void **state)
{
    int before = 0, after = 0;

    (void)state;
    for (int i = 0; i < 150; i++) {
        struct graph *graph = network_random(NETWORK_EVERY), *folded = check_fold(graph);

        before += count_of(graph, NODE_BATCH_NORM);
        after += count_of(folded, NODE_AFFINE);
        assert_int_equal(count_of(folded, NODE_BATCH_NORM), 0);
        graph_destroy(&folded);
        graph_destroy(&graph);
    }
    assert_true(after < before / 2 + before / 4);
}

/* Ends the network in numbers, folds it, and checks how many normalisations are left. */
static void finish_and_check(struct graph *graph, int data, int norms_left)
{
    struct graph *folded;

    data =
        network_convolution(graph, network_relu(graph, data), 2, window_square(2, 1, 1), 1, true);
    network_finish(graph,
                   network_dense(graph, network_flatten(graph, network_relu(graph, data)), 3));
    folded = check_fold(graph);
    assert_int_equal(count_of(folded, NODE_AFFINE), norms_left);
    assert_int_equal(count_of(folded, NODE_BATCH_NORM), 0);
    graph_destroy(&folded);
    graph_destroy(&graph);
}

static void behind_convolutions(void **state)
{
    (void)state;
    for (int groups = 1; groups <= 4; groups *= 2) {
        for (int bias = 0; bias < 2; bias++) {
            struct graph *graph = network_begin();
            int data = network_input(graph, 4, 7, 8);

            data = network_convolution(graph, data, 8, window_square(3, 1, 1), groups, bias);
            data = network_batch_norm(graph, data);
            finish_and_check(graph, network_batch_norm(graph, data), 0);
        }
    }
}

static void before_convolutions(void **state)
{
    (void)state;
    for (int groups = 1; groups <= 4; groups *= 2) {
        for (int padding = 0; padding < 2; padding++) {
            struct graph *graph = network_begin();
            int data = network_batch_norm(graph, network_input(graph, 4, 7, 8));

            data = network_convolution(graph, data, 8, window_square(3, 1, padding), groups,
                                       groups == 2);
            finish_and_check(graph, data, padding);
        }
    }
}

/* Padding on one side alone is padding. */
static void before_convolutions_that_pad_one_side(void **state)
{
    (void)state;
    for (int side = 0; side < 4; side++) {
        struct graph *graph = network_begin();
        int data = network_batch_norm(graph, network_input(graph, 2, 7, 8));
        struct window window = window_square(2, 1, 0);

        (side < 2 ? window.pad_begin : window.pad_end)[side % 2] = 1;
        finish_and_check(graph, network_convolution(graph, data, 3, window, 1, true), 1);
    }
}

static void behind_dense_layers(void **state)
{
    struct graph *graph = network_begin(), *folded;
    int data = network_input(graph, 2, 5, 5);

    (void)state;
    data =
        network_relu(graph, network_convolution(graph, data, 2, window_square(3, 1, 0), 1, true));
    data = network_batch_norm(graph, network_dense(graph, network_flatten(graph, data), 6));
    network_finish(graph, network_dense(graph, network_relu(graph, data), 1));
    folded = check_fold(graph);
    assert_int_equal(count_of(folded, NODE_BATCH_NORM), 0);
    graph_destroy(&folded);
    graph_destroy(&graph);
    /* Of a picture, a dense layer makes rows along the width; axis 1 is not its outputs. */
    graph = network_begin();
    data = network_dense(graph, network_input(graph, 3, 4, 5), 3);
    network_finish(graph, network_batch_norm(graph, data));
    folded = check_fold(graph);
    assert_int_equal(count_of(folded, NODE_AFFINE), 1);
    graph_destroy(&folded);
    graph_destroy(&graph);
}

static void not_where_others_read(void **state)
{
    struct graph *graph = network_begin();
    int data = network_input(graph, 3, 6, 6), norm;

    (void)state;
    data = network_convolution(graph, data, 3, window_square(3, 1, 1), 1, true);
    norm = network_batch_norm(graph, data);
    finish_and_check(graph, network_binary(graph, BINARY_ADD, data, norm), 1);
    /* Before a convolution, and somebody else reads the normalisation. */
    graph = network_begin();
    data = network_input(graph, 3, 6, 6);
    norm = network_batch_norm(graph, data);
    data = network_convolution(graph, norm, 3, window_square(1, 1, 0), 1, true);
    finish_and_check(graph, network_binary(graph, BINARY_ADD, data, norm), 1);
    /* Two convolutions behind one normalisation. */
    graph = network_begin();
    data = network_input(graph, 3, 6, 6);
    norm = network_batch_norm(graph, data);
    data = network_convolution(graph, norm, 3, window_square(1, 1, 0), 1, true);
    norm = network_convolution(graph, norm, 3, window_square(1, 1, 0), 1, true);
    finish_and_check(graph, network_binary(graph, BINARY_ADD, data, norm), 1);
}

static void not_where_outputs_would_change(void **state)
{
    (void)state;
    for (int variant = 0; variant < 3; variant++) {
        struct graph *graph = network_begin();
        int data = network_input(graph, 3, 6, 6), norm;

        data = network_convolution(graph, data, 3, window_square(3, 1, 1), 1, true);
        norm = network_batch_norm(graph, data);
        if (variant != 1)
            assert_int_equal(graph_mark_output(graph, data, NULL), VBP_OK);
        if (variant != 0)
            assert_int_equal(graph_mark_output(graph, norm, NULL), VBP_OK);
        finish_and_check(graph, norm, 1);
    }
}

/* The same constants in two convolutions, of which one is normalised; and both, differently. */
static void shared_weights(void **state)
{
    (void)state;
    for (int both = 0; both < 2; both++) {
        struct graph *graph = network_begin();
        int input = network_input(graph, 3, 6, 6);
        int first = network_convolution(graph, input, 3, window_square(3, 1, 1), 1, true);
        struct node twin = {.kind = NODE_CONVOLUTION,
                            .convolution = {.window = window_square(3, 1, 1), .groups = 1}};
        int inputs[3], second;
        VbpError error;

        memcpy(inputs, graph->nodes[0].inputs, sizeof(inputs));
        twin.inputs = inputs;
        twin.input_count = 3;
        second = graph_add_node(graph, &twin, NULL, &error);
        assert_true(second >= 0);
        first = network_batch_norm(graph, first);
        if (both)
            second = network_batch_norm(graph, second);
        finish_and_check(graph, network_binary(graph, BINARY_ADD, first, second), 0);
    }
}

/* A bias that is a parameter of the normalisation behind it too. */
static void shared_biases(void **state)
{
    struct graph *graph = network_begin();
    int input = network_input(graph, 3, 6, 6);
    int data = network_convolution(graph, input, 3, window_square(3, 1, 1), 1, true);

    (void)state;
    data = network_batch_norm(graph, data);
    graph->nodes[1].inputs[2] = graph->nodes[0].inputs[2];
    finish_and_check(graph, data, 0);
}

/* data op constant, the constant along one axis (-1: a single number). */
static int arithmetic(struct graph *graph, enum binary operation, int data, int axis, bool first)
{
    struct shape shape = graph->tensors[data].shape;
    int constant;

    for (int i = 0; i < shape.rank; i++) {
        if (i != axis)
            shape.extent[i] = 1;
    }
    constant = network_constant(graph, shape, NULL);
    return first ? network_binary(graph, operation, constant, data)
                 : network_binary(graph, operation, data, constant);
}

static int crop(struct graph *graph, int data, int height_axis, int width_axis)
{
    struct node node = {.kind = NODE_PAD, .inputs = &data, .input_count = 1};
    VbpError error;

    node.pad.begin[height_axis] = -2;
    node.pad.end[width_axis] = -1;
    data = graph_add_node(graph, &node, NULL, &error);
    assert_true(data >= 0);
    return data;
}

/* What Keras puts before a network: NHWC, arithmetic, a crop; nothing but the crop and one
 * transposition is left of it, in this order. */
static void what_stands_before_a_network(void **state)
{
    (void)state;
    for (int variant = 0; variant < 4; variant++) {
        struct graph *graph = network_begin(), *folded;
        int data = network_input(graph, 9, 12, 3); /* NHWC: 9 high, 12 wide, 3 channels */

        data = arithmetic(graph, BINARY_DIVIDE, data, -1, false);
        data = arithmetic(graph, BINARY_SUBTRACT, data, variant == 1 ? 3 : -1, variant == 2);
        data = network_transpose(graph, data, 0, 3, 1, 2);
        data = crop(graph, data, 2, 3);
        data = arithmetic(graph, BINARY_MULTIPLY, data, variant == 3 ? 1 : -1, false);
        data = network_relu(graph,
                            network_convolution(graph, data, 4, window_square(3, 2, 0), 1, true));
        network_finish(graph, network_dense(graph, network_flatten(graph, data), 1));
        folded = check_fold(graph);
        assert_int_equal(folded->node_count, 6);
        assert_int_equal(folded->nodes[0].kind, NODE_PAD);
        assert_int_equal(folded->nodes[1].kind, NODE_TRANSPOSE);
        assert_int_equal(folded->nodes[2].kind, NODE_CONVOLUTION);
        graph_destroy(&folded);
        graph_destroy(&graph);
    }
}

static int instance_norm(struct graph *graph, int data)
{
    struct node node = {.kind = NODE_INSTANCE_NORM, .instance_norm = {0.1F, 1}};
    struct shape shape = {1, {graph->tensors[data].shape.extent[1]}};
    int inputs[3] = {data, network_constant(graph, shape, NULL),
                     network_constant(graph, shape, NULL)};
    VbpError error;

    node.inputs = inputs;
    node.input_count = 3;
    data = graph_add_node(graph, &node, NULL, &error);
    assert_true(data >= 0);
    return data;
}

/* A normalisation along another axis than the channels': no transposition is left. */
static void between_transpositions(void **state)
{
    struct graph *graph = network_begin(), *folded;
    int data = network_relu(graph, network_convolution(graph, network_input(graph, 2, 8, 9), 4,
                                                       window_square(3, 1, 1), 1, true));

    (void)state;
    for (int i = 0; i < 2; i++) {
        data = network_transpose(graph, data, 0, 2, 1, 3);
        data = i ? network_batch_norm(graph, data) : instance_norm(graph, data);
        data = network_relu(graph, network_transpose(graph, data, 0, 2, 1, 3));
        data = network_convolution(graph, data, 4, window_square(3, 1, 1), 1, true);
    }
    network_finish(graph, network_dense(graph, network_flatten(graph, data), 1));
    folded = check_fold(graph);
    assert_int_equal(count_of(folded, NODE_TRANSPOSE), 0);
    assert_int_equal(count_of(folded, NODE_AFFINE), 1);
    assert_int_equal(count_of(folded, NODE_INSTANCE_NORM), 1);
    graph_destroy(&folded);
    graph_destroy(&graph);
}

/* Whatever stands behind each other, and whoever else reads it: outputs and masks stay. */
static void random_moves(void **state)
{
    static const int turns[][4] = {{0, 2, 3, 1}, {0, 3, 1, 2}, {0, 1, 3, 2}, {0, 2, 1, 3}};
    int before = 0, after = 0;

    (void)state;
    for (int round = 0; round < 200; round++) {
        struct graph *graph = network_begin(), *folded;
        int data = network_relu(graph, network_convolution(graph, network_input(graph, 3, 14, 15),
                                                           4, window_square(3, 1, 0), 1, true));
        const int64_t *extent;
        int watched = -1;

        for (int i = random_between(1, 8); i > 0; i--) {
            const int *turn = turns[random_between(0, 3)];

            extent = graph->tensors[data].shape.extent;
            switch (random_between(0, 4)) {
            case 0:
            case 1:
                data = network_transpose(graph, data, turn[0], turn[1], turn[2], turn[3]);
                break;
            case 2:
                if (extent[2] > 4 && extent[3] > 4)
                    data = crop(graph, data, random_between(2, 3), random_between(2, 3));
                break;
            case 3:
                data = random_chance(0.5) ? network_batch_norm(graph, data)
                                          : instance_norm(graph, data);
                break;
            default:
                data = arithmetic(graph, (enum binary)random_between(0, 3), data,
                                  random_between(-1, 3), false);
            }
            if (random_chance(0.1))
                watched = data;
        }
        data = network_convolution(graph, network_relu(graph, data), 3, window_square(1, 1, 0), 1,
                                   true);
        data = network_dense(graph, network_flatten(graph, data), 2);
        network_finish(graph, data);
        if (watched >= 0) {
            assert_int_equal(graph_mark_output(graph, watched, NULL), VBP_OK);
            assert_int_equal(graph_finish(graph, NULL), VBP_OK);
        }
        folded = check_fold(graph);
        before += graph->node_count;
        after += folded->node_count;
        graph_destroy(&folded);
        graph_destroy(&graph);
    }
    assert_true(after * 10 < before * 9);
}

static void identities_go(void **state)
{
    struct graph *graph = network_begin(), *folded;
    int data = network_identity(graph, network_identity(graph, network_input(graph, 1, 6, 6)));
    int last;

    (void)state;
    data = network_convolution(graph, data, 2, window_square(3, 1, 0), 1, true);
    data = network_identity(graph, network_relu(graph, network_identity(graph, data)));
    last = network_identity(graph, network_dense(graph, network_flatten(graph, data), 1));
    assert_int_equal(graph_rename_tensor(graph, last, "steering", NULL), VBP_OK);
    network_finish(graph, last);
    folded = check_fold(graph);
    assert_int_equal(count_of(graph, NODE_IDENTITY), 5);
    assert_int_equal(count_of(folded, NODE_IDENTITY), 1); /* the output keeps its name */
    assert_string_equal(folded->tensors[folded->outputs[0]].name, "steering");
    assert_int_equal(folded->node_count, 5);
    graph_destroy(&folded);
    graph_destroy(&graph);
}

/* Level -> {identity -> {conv, conv}, conv}: the mean of three maps is not that of two of which
 * one is a mean. */
static void identities_between_branches_stay(void **state)
{
    struct graph *graph = network_begin(), *folded;
    int level = network_relu(graph, network_convolution(graph, network_input(graph, 2, 8, 8), 4,
                                                        window_square(3, 1, 1), 1, true));
    int same = network_identity(graph, level), branches[3];

    (void)state;
    for (int i = 0; i < 3; i++)
        branches[i] = network_convolution(graph, i ? same : level, 1 + i,
                                          window_square(1 + 2 * i, 1, i), 1, true);
    level = network_relu(graph, network_concat(graph, 1, 3, branches));
    network_finish(graph, network_dense(graph, network_flatten(graph, level), 1));
    folded = check_fold(graph);
    assert_int_equal(count_of(folded, NODE_IDENTITY), 1);
    graph_destroy(&folded);
    graph_destroy(&graph);
}

/* Normalisations in a row share the weights of the one convolution; none are copied. */
static void chains_do_not_copy_weights(void **state)
{
    struct graph *graph = network_begin(), *folded;
    int data = network_input(graph, 3, 6, 6), weights = 0;

    (void)state;
    data = network_convolution(graph, data, 3, window_square(3, 1, 1), 1, true);
    for (int i = 0; i < 10; i++)
        data = network_batch_norm(graph, data);
    network_finish(graph, network_relu(graph, data));
    folded = check_fold(graph);
    assert_int_equal(count_of(folded, NODE_AFFINE), 0);
    for (int t = 0; t < folded->tensor_count; t++)
        weights += folded->tensors[t].values && folded->tensors[t].shape.rank == 4;
    assert_int_equal(weights, 1);
    graph_destroy(&folded);
    graph_destroy(&graph);
}

/* Thousands of nodes that share one large constant do not get copies of it without end. */
static void large_constants_are_not_copied_often(void **state)
{
    enum { LENGTH = 1 << 17, NODES = 8000 };
    struct graph *graph = network_begin();
    int data =
        network_reshape(graph, network_input(graph, 1, 1, LENGTH), (struct shape){2, {1, LENGTH}});
    int constant = network_constant(graph, (struct shape){1, {LENGTH}}, NULL);
    int64_t floats = 0;
    VbpError error;

    (void)state;
    for (int i = 0; i < NODES / 2; i++)
        data = network_relu(graph, network_binary(graph, BINARY_ADD, data, constant));
    network_finish(graph, data);
    assert_int_equal(graph_fold(graph, &error), VBP_OK);
    assert_true(count_of(graph, NODE_AFFINE) > 0);
    assert_true(count_of(graph, NODE_BINARY) > 0);
    for (int t = 0; t < graph->tensor_count; t++)
        floats += graph->tensors[t].values ? shape_elements(&graph->tensors[t].shape) : 0;
    assert_true(floats <= ((int64_t)1 << 25) + LENGTH);
    graph_destroy(&graph);
}

/* Affine nodes in a row are folded in the memory that they have. */
static void affines_are_joined_in_place(void **state)
{
    struct graph *graph = network_begin(), *folded;
    int data = network_input(graph, 4, 5, 6), constants[2] = {0};
    const struct graph *graphs[2];

    (void)state;
    for (int i = 0; i < 20; i++)
        data = arithmetic(graph, i % 2 ? BINARY_ADD : BINARY_MULTIPLY, data, i % 3 ? -1 : 1, false);
    network_finish(graph, data);
    folded = check_fold(graph);
    assert_int_equal(count_of(folded, NODE_AFFINE), 1);
    graphs[0] = graph;
    graphs[1] = folded;
    for (int g = 0; g < 2; g++) {
        for (int t = 0; t < graphs[g]->tensor_count; t++)
            constants[g] += graphs[g]->tensors[t].values != NULL;
    }
    /* Of each of the 20, a factor and an offset. */
    assert_int_equal(constants[1], constants[0] + 2 * 20);
    graph_destroy(&folded);
    graph_destroy(&graph);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(random_networks),
        cmocka_unit_test(behind_convolutions),
        cmocka_unit_test(before_convolutions),
        cmocka_unit_test(before_convolutions_that_pad_one_side),
        cmocka_unit_test(behind_dense_layers),
        cmocka_unit_test(not_where_others_read),
        cmocka_unit_test(not_where_outputs_would_change),
        cmocka_unit_test(shared_weights),
        cmocka_unit_test(shared_biases),
        cmocka_unit_test(what_stands_before_a_network),
        cmocka_unit_test(between_transpositions),
        cmocka_unit_test(random_moves),
        cmocka_unit_test(identities_go),
        cmocka_unit_test(identities_between_branches_stay),
        cmocka_unit_test(chains_do_not_copy_weights),
        cmocka_unit_test(large_constants_are_not_copied_often),
        cmocka_unit_test(affines_are_joined_in_place),
    };

    return cmocka_run_group_tests(tests, random_setup, NULL);
}
