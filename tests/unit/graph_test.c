/* Graphs: shapes of every kind of node and its refusals, readers, picture axes, levels, copies. */
#include "graph/graph.h"
#include "support/networks.h"
#include "support/numbers.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void check_shape(const struct graph *graph, int tensor, const char *want)
{
    char text[SHAPE_TEXT_SIZE];

    assert_string_equal(shape_text(&graph->tensors[tensor].shape, text), want);
}

/* Adding the node fails; the message names it and holds `words`; the graph stays as it was. */
static void check_refused(struct graph *graph, struct node node, int input_count, const int *inputs,
                          VbpStatus status, const char *words)
{
    int own[8] = {0}, tensors = graph->tensor_count, nodes = graph->node_count;
    char place[64];
    VbpError error = {0};

    node.name = (char[]){"conv2"};
    node.source_kind = (char[]){"Conv"};
    memcpy(own, inputs, (size_t)input_count * sizeof(int));
    node.inputs = own;
    node.input_count = input_count;
    assert_int_equal(graph_add_node(graph, &node, "out", &error), status);
    assert_int_equal(error.status, status);
    snprintf(place, sizeof(place), "node %d (Conv 'conv2'): ", nodes);
    if (strncmp(error.message, place, strlen(place)) != 0 || !strstr(error.message, words))
        fail_msg("'%s' should begin with '%s' and hold '%s'", error.message, place, words);
    assert_int_equal(graph->tensor_count, tensors);
    assert_int_equal(graph->node_count, nodes);
}

/* ---- Shapes --------------------------------------------------------------------------------- */

static void shapes_of_windows(void **state)
{
    struct graph *graph = network_begin();
    int input = network_input(graph, 4, 10, 13);
    struct window odd = {{3, 2}, {2, 3}, {2, 1}, {1, 0}, {2, 1}};
    struct window ceil = {{3, 3}, {2, 2}, {1, 1}, {0, 0}, {0, 0}};

    (void)state;
    check_shape(graph, network_convolution(graph, input, 8, window_square(3, 1, 1), 1, true),
                "1x8x10x13");
    check_shape(graph, network_convolution(graph, input, 8, odd, 2, false), "1x8x5x5");
    check_shape(graph, network_convolution(graph, input, 4, window_square(10, 1, 0), 4, false),
                "1x4x1x4");
    check_shape(graph, network_max_pool(graph, input, ceil, false), "1x4x4x6");
    check_shape(graph, network_max_pool(graph, input, ceil, true), "1x4x5x6");
    check_shape(graph, network_average_pool(graph, input, odd, true, true), "1x4x5x5");
    graph_destroy(&graph);
}

/* Rounding up does not count a window that would begin in the end padding: 3 cells, stride 3. */
static void no_window_in_the_end_padding(void **state)
{
    struct graph *graph = network_begin();
    const struct window window = {{1, 2}, {1, 3}, {1, 1}, {0, 0}, {0, 1}};

    (void)state;
    check_shape(graph, network_max_pool(graph, network_input(graph, 1, 1, 3), window, true),
                "1x1x1x1");
    graph_destroy(&graph);
}

static void windows_larger_than_the_input(void **state)
{
    struct graph *graph = network_begin();
    int input = network_input(graph, 1, 3, 3);
    struct node pool = {.kind = NODE_MAX_POOL, .pool.window = window_square(4, 2, 0)};

    (void)state;
    check_refused(graph, pool, 1, &input, VBP_ERROR_FORMAT, "does not fit into the height of 3");
    /* Rounded up, the only window may hang over, by less than a step. */
    check_shape(graph, network_max_pool(graph, input, pool.pool.window, true), "1x1x1x1");
    pool.pool.ceiling = true;
    pool.pool.window = window_square(5, 2, 0);
    check_refused(graph, pool, 1, &input, VBP_ERROR_FORMAT, "does not fit");
    graph_destroy(&graph);
}

static void shapes_of_the_rest(void **state)
{
    struct graph *graph = network_begin();
    int input = network_input(graph, 4, 10, 13);
    int row = network_constant(graph, (struct shape){1, {13}}, NULL);
    int scalar = network_constant(graph, (struct shape){.rank = 0}, NULL);
    int column = network_constant(graph, (struct shape){3, {4, 1, 1}}, NULL);
    int five = network_constant(graph, (struct shape){5, {2, 1, 1, 10, 1}}, NULL);
    int flat;

    (void)state;
    check_shape(graph, network_binary(graph, BINARY_ADD, input, row), "1x4x10x13");
    check_shape(graph, network_binary(graph, BINARY_ADD, scalar, input), "1x4x10x13");
    check_shape(graph, network_binary(graph, BINARY_MULTIPLY, column, input), "1x4x10x13");
    check_shape(graph, network_binary(graph, BINARY_DIVIDE, input, five), "2x1x4x10x13");
    check_shape(graph, network_binary(graph, BINARY_ADD, scalar, scalar), "scalar");
    check_shape(graph, network_concat(graph, 1, 3, (const int[]){input, input, input}),
                "1x12x10x13");
    check_shape(graph, network_concat(graph, 3, 2, (const int[]){input, input}), "1x4x10x26");
    check_shape(graph, network_transpose(graph, input, 0, 2, 3, 1), "1x10x13x4");
    check_shape(graph, network_global_pool(graph, input), "1x4x1x1");
    check_shape(graph, network_batch_norm(graph, input), "1x4x10x13");
    check_shape(graph, network_relu(graph, input), "1x4x10x13");
    flat = network_flatten(graph, input);
    check_shape(graph, flat, "1x520");
    check_shape(graph, network_dense(graph, flat, 7), "1x7");
    check_shape(graph, network_dense(graph, input, 5), "1x4x10x5");
    check_shape(graph, network_identity(graph, flat), "1x520");
    graph_destroy(&graph);
}

static void refused_convolutions(void **state)
{
    struct graph *graph = network_begin();
    int input = network_input(graph, 4, 10, 13);
    int weights = network_constant(graph, (struct shape){4, {6, 4, 3, 3}}, NULL);
    int halves = network_constant(graph, (struct shape){4, {6, 2, 3, 3}}, NULL);
    int flat_weights = network_constant(graph, (struct shape){2, {6, 36}}, NULL);
    int bias = network_constant(graph, (struct shape){1, {5}}, NULL);
    int flat = network_flatten(graph, input), computed = network_relu(graph, input);
    int pair = network_reshape(graph, input, (struct shape){4, {2, 4, 5, 13}});
    struct node node = {.kind = NODE_CONVOLUTION,
                        .convolution = {.window = window_square(3, 1, 0), .groups = 1}};
    struct node wrong;

    (void)state;
#define REFUSED(status, words, ...)                                                                \
    check_refused(graph, wrong, sizeof((int[]){__VA_ARGS__}) / sizeof(int), (int[]){__VA_ARGS__},  \
                  status, words)
    wrong = node;
    REFUSED(VBP_ERROR_FORMAT, "it has 1 inputs", input);
    REFUSED(VBP_ERROR_FORMAT, "it has 4 inputs", input, weights, bias, bias);
    REFUSED(VBP_ERROR_FORMAT, "weights have shape 6x36", input, flat_weights);
    REFUSED(VBP_ERROR_UNSUPPORTED, "weights are computed", input, computed);
    REFUSED(VBP_ERROR_FORMAT, "biases have shape 5", input, weights, bias);
    REFUSED(VBP_ERROR_FORMAT, "not 1x520", flat, weights);
    REFUSED(VBP_ERROR_UNSUPPORTED, "a batch of 2", pair, weights);
    REFUSED(VBP_ERROR_FORMAT, "do not go with 4 input channels", input, halves);
    REFUSED(VBP_ERROR_ARGUMENT, "input 1 does not exist", input, 4711);
    REFUSED(VBP_ERROR_ARGUMENT, "input 0 does not exist", -1, weights);
    for (int groups = -1; groups <= 4; groups++) {
        wrong.convolution.groups = groups;
        if (groups != 1)
            REFUSED(VBP_ERROR_FORMAT, "groups", input, weights);
    }
    wrong = node;
    wrong.convolution.window.kernel[1] = 2;
    REFUSED(VBP_ERROR_FORMAT, "for a kernel of 3x3, not 3x2", input, weights);
    wrong = node;
    wrong.convolution.window.stride[0] = 0;
    REFUSED(VBP_ERROR_FORMAT, "stride 0", input, weights);
    wrong.convolution.window.stride[0] = INT32_MAX;
    REFUSED(VBP_ERROR_FORMAT, "stride 2147483647", input, weights);
    wrong = node;
    wrong.convolution.window.dilation[1] = -3;
    REFUSED(VBP_ERROR_FORMAT, "dilation -3", input, weights);
    wrong.convolution.window.dilation[1] = 7;
    REFUSED(VBP_ERROR_FORMAT, "window of 15 does not fit into the width of 13", input, weights);
    wrong = node;
    wrong.convolution.window.pad_end[0] = -1;
    REFUSED(VBP_ERROR_UNSUPPORTED, "padding of 0 and -1", input, weights);
    wrong.convolution.window.pad_end[0] = INT32_MAX;
    REFUSED(VBP_ERROR_UNSUPPORTED, "padding", input, weights);
    graph_destroy(&graph);
}

static void refused_pools(void **state)
{
    struct graph *graph = network_begin();
    int input = network_input(graph, 1, 2, 9), flat = network_flatten(graph, input);
    int pair = network_reshape(graph, input, (struct shape){4, {2, 1, 1, 9}});
    struct node wrong = {.kind = NODE_AVERAGE_POOL, .pool.window = window_square(2, 1, 2)};

    (void)state;
    REFUSED(VBP_ERROR_UNSUPPORTED, "padding is as large as its window", input);
    /* Cells -1 and 2 of two: a window that holds nothing. */
    wrong.pool.window = (struct window){{2, 1}, {1, 1}, {3, 1}, {1, 0}, {1, 0}};
    REFUSED(VBP_ERROR_UNSUPPORTED, "dilation of 3 steps over the height of 2", input);
    wrong.pool.window = window_square(1, 1, 0);
    REFUSED(VBP_ERROR_FORMAT, "not 1x18", flat);
    REFUSED(VBP_ERROR_UNSUPPORTED, "a batch of 2", pair);
    wrong.kind = NODE_GLOBAL_AVERAGE_POOL;
    REFUSED(VBP_ERROR_FORMAT, "not 1x18", flat);
    REFUSED(VBP_ERROR_UNSUPPORTED, "a batch of 2", pair);
    graph_destroy(&graph);
}

static void refused_others(void **state)
{
    struct graph *graph = network_begin();
    int input = network_input(graph, 4, 10, 13), flat = network_flatten(graph, input);
    int scalar = network_constant(graph, (struct shape){.rank = 0}, NULL);
    int weights = network_constant(graph, (struct shape){2, {3, 14}}, NULL);
    int four = network_constant(graph, (struct shape){1, {4}}, NULL);
    int five = network_constant(graph, (struct shape){1, {5}}, NULL);
    struct node wrong = {.kind = NODE_DENSE};

    (void)state;
    REFUSED(VBP_ERROR_FORMAT, "do not go with an input of 1x4x10x13", input, weights);
    REFUSED(VBP_ERROR_FORMAT, "do not go with an input of scalar", scalar, weights);
    REFUSED(VBP_ERROR_FORMAT, "weights have shape 4", input, four);
    wrong.kind = NODE_BATCH_NORM;
    REFUSED(VBP_ERROR_FORMAT, "means have shape 5", input, four, four, five, four);
    REFUSED(VBP_ERROR_FORMAT, "must have channels", five, four, four, four, four);
    REFUSED(VBP_ERROR_UNSUPPORTED, "variances are computed", input, four, four, four, flat);
    wrong.kind = NODE_BINARY;
    REFUSED(VBP_ERROR_FORMAT, "1x4x10x13 and 5 do not go together", input, five);
    REFUSED(VBP_ERROR_FORMAT, "it has 1 inputs", input);
    wrong.kind = NODE_CONCAT;
    wrong.concat.axis = 1;
    REFUSED(VBP_ERROR_FORMAT, "1x4x10x13 and 1x520 differ", input, flat);
    wrong.concat.axis = 4;
    REFUSED(VBP_ERROR_FORMAT, "axis 4 of a tensor of rank 4", input, input);
    wrong.concat.axis = -1;
    REFUSED(VBP_ERROR_FORMAT, "axis -1", input, input);
    wrong.kind = NODE_RESHAPE;
    wrong.reshape.shape = (struct shape){2, {1, 521}};
    REFUSED(VBP_ERROR_FORMAT, "1x521 does not hold as many elements as 1x4x10x13", input);
    wrong.reshape.shape = (struct shape){2, {-1, -520}};
    REFUSED(VBP_ERROR_FORMAT, "does not hold", input);
    wrong.reshape.shape.rank = SHAPE_MAX_RANK + 1;
    REFUSED(VBP_ERROR_UNSUPPORTED, "7 axes", input);
    wrong.kind = NODE_TRANSPOSE;
    memcpy(wrong.transpose.permutation, (int[]){0, 1, 1, 3}, 4 * sizeof(int));
    REFUSED(VBP_ERROR_FORMAT, "not a permutation", input);
    memcpy(wrong.transpose.permutation, (int[]){0, 1, 4, 3}, 4 * sizeof(int));
    REFUSED(VBP_ERROR_FORMAT, "not a permutation", input);
    wrong.kind = NODE_ACTIVATION;
    REFUSED(VBP_ERROR_FORMAT, "it has 2 inputs", input, input);
    wrong.kind = NODE_KIND_COUNT;
    REFUSED(VBP_ERROR_ARGUMENT, "no such kind", input);
    check_refused(graph, wrong, 0, &input, VBP_ERROR_FORMAT, "it has no input");
    graph_destroy(&graph);
}

static void tensors_too_large(void **state)
{
    struct graph *graph = network_begin();
    int input = network_input(graph, 1, 1 << 14, 1 << 14);
    struct shape huge = {4, {1, 2, 1 << 14, 1 << 14}};
    struct shape overflowing = {6, {INT64_MAX, INT64_MAX, 2, 2, 2, 2}};
    struct shape empty = {2, {1, 0}};
    struct graph *other = network_begin();
    struct node wrong = {.kind = NODE_CONCAT, .concat.axis = 1};
    int column;
    VbpError error;

    (void)state;
    REFUSED(VBP_ERROR_UNSUPPORTED, "too large", input, input);
    column = network_constant(graph, (struct shape){5, {2, 1, 1, 1, 1}}, NULL);
    wrong.kind = NODE_BINARY;
    REFUSED(VBP_ERROR_UNSUPPORTED, "too large", input, column);
    assert_int_equal(shape_elements(&huge), -1);
    assert_int_equal(shape_elements(&overflowing), -1);
    assert_int_equal(shape_elements(&empty), -1);
    assert_int_equal(shape_elements(&(struct shape){1, {TENSOR_MAX_ELEMENTS}}),
                     TENSOR_MAX_ELEMENTS);
    assert_int_equal(graph_add_input(other, "i", &huge, &error), VBP_ERROR_FORMAT);
    assert_int_equal(graph_add_input(other, "i", &empty, &error), VBP_ERROR_FORMAT);
    assert_int_equal(graph_add_constant(other, "c", &overflowing, NULL, &error), VBP_ERROR_FORMAT);
    graph_destroy(&graph);
    graph_destroy(&other);
}

/* ---- Finishing ------------------------------------------------------------------------------ */

static void unfinishable_graphs(void **state)
{
    struct graph *graph = network_begin();
    VbpError error;
    int input, constant;

    (void)state;
    assert_int_equal(graph_finish(graph, &error), VBP_ERROR_FORMAT);
    assert_non_null(strstr(error.message, "no input"));
    input = network_input(graph, 1, 2, 2);
    assert_int_equal(graph_finish(graph, &error), VBP_ERROR_FORMAT);
    assert_non_null(strstr(error.message, "no output"));
    assert_int_equal(graph_add_input(graph, "second", &graph->tensors[input].shape, &error),
                     VBP_ERROR_UNSUPPORTED);
    assert_non_null(strstr(error.message, "second"));
    constant = network_constant(graph, (struct shape){1, {1}}, NULL);
    assert_int_equal(graph_mark_output(graph, constant, &error), VBP_ERROR_UNSUPPORTED);
    assert_int_equal(graph_mark_output(graph, -1, &error), VBP_ERROR_ARGUMENT);
    assert_int_equal(graph_mark_output(graph, graph->tensor_count, &error), VBP_ERROR_ARGUMENT);
    graph_destroy(&graph);
    assert_null(graph);
    graph_destroy(&graph);
}

static void unused_nodes_go(void **state)
{
    struct graph *graph = network_begin();
    int input = network_input(graph, 1, 4, 4), used, unused;

    (void)state;
    unused = network_relu(graph, input);
    used = network_max_pool(graph, input, window_square(2, 2, 0), false);
    network_relu(graph, network_identity(graph, unused));
    network_finish(graph, network_flatten(graph, network_relu(graph, used)));
    assert_int_equal(graph->node_count, 3);
    assert_int_equal(graph->nodes[0].kind, NODE_MAX_POOL);
    assert_int_equal(graph->tensors[used].producer, 0);
    assert_int_equal(graph->tensors[unused].producer, -1);
    assert_int_equal(graph->level_count, 1);
    for (int i = 0; i < 3; i++)
        assert_int_equal(graph->tensors[graph->nodes[i].output].producer, i);
    graph_destroy(&graph);
}

static void readers_are_all(void **state)
{
    (void)state;
    for (int i = 0; i < 50; i++) {
        struct graph *graph = network_random(NETWORK_EVERY);

        for (int t = 0; t < graph->tensor_count; t++) {
            int next = graph->first_reader[t];

            for (int n = 0; n < graph->node_count; n++) {
                for (int slot = 0; slot < graph->nodes[n].input_count; slot++) {
                    if (graph->nodes[n].inputs[slot] != t)
                        continue;
                    assert_true(next < graph->first_reader[t + 1]);
                    assert_int_equal(graph->readers[next].node, n);
                    assert_int_equal(graph->readers[next].slot, slot);
                    next++;
                }
            }
            assert_int_equal(next, graph->first_reader[t + 1]);
        }
        graph_destroy(&graph);
    }
}

static void check_axes(const struct graph *graph, int tensor, int channel, int height, int width)
{
    assert_int_equal(graph->tensors[tensor].axes.channel, channel);
    assert_int_equal(graph->tensors[tensor].axes.height, height);
    assert_int_equal(graph->tensors[tensor].axes.width, width);
}

static void axes_through_transposes(void **state)
{
    struct graph *graph = network_begin();
    VbpError error;
    struct shape shape = {4, {1, 9, 12, 3}};
    int input = graph_add_input(graph, "image", &shape, &error);
    int scaled = network_binary(graph, BINARY_MULTIPLY, input,
                                network_constant(graph, (struct shape){1, {3}}, NULL));
    int first = network_transpose(graph, scaled, 0, 3, 1, 2);
    int convolved = network_convolution(graph, first, 4, window_square(3, 1, 0), 1, true);
    int last = network_relu(graph, network_transpose(graph, convolved, 0, 2, 3, 1));
    int turned = network_transpose(graph, network_transpose(graph, last, 0, 3, 1, 2), 0, 1, 3, 2);
    int flat;

    (void)state;
    turned = network_relu(graph, turned);
    flat = network_flatten(graph, turned);
    network_finish(graph, network_dense(graph, flat, 1));
    check_axes(graph, input, 3, 1, 2);
    check_axes(graph, scaled, 3, 1, 2);
    check_axes(graph, first, 1, 2, 3);
    check_axes(graph, convolved, 1, 2, 3);
    check_axes(graph, last, 3, 1, 2);
    check_axes(graph, turned, 1, 2, 3); /* height is the slower axis, whatever it showed before */
    assert_int_equal(tensor_height(&graph->tensors[turned]), 10);
    assert_int_equal(tensor_width(&graph->tensors[turned]), 7);
    assert_int_equal(tensor_channels(&graph->tensors[turned]), 4);
    check_axes(graph, flat, -1, -1, -1);
    assert_int_equal(graph->level_count, 2);
    assert_int_equal(graph->levels[0], last);
    assert_int_equal(graph->levels[1], turned);
    graph_destroy(&graph);
}

/* Of a gate (pool, 1x1, ReLU, 1x1, sigmoid, multiply) only what is multiplied is a picture. */
static void no_picture_above_a_global_pool(void **state)
{
    struct graph *graph = network_begin();
    int input = network_input(graph, 2, 6, 6);
    int level =
        network_relu(graph, network_convolution(graph, input, 4, window_square(3, 1, 1), 1, true));
    int pooled = network_global_pool(graph, level);
    int squeezed =
        network_relu(graph, network_convolution(graph, pooled, 2, window_square(1, 1, 0), 1, true));
    int gate = network_activation(
        graph, network_convolution(graph, squeezed, 4, window_square(1, 1, 0), 1, true),
        ACTIVATION_SIGMOID);
    int gated = network_binary(graph, BINARY_MULTIPLY, level, gate);

    (void)state;
    network_finish(graph, network_flatten(graph, gated));
    check_axes(graph, pooled, -1, -1, -1);
    check_axes(graph, squeezed, -1, -1, -1);
    check_axes(graph, gate, -1, -1, -1);
    check_axes(graph, gated, 1, 2, 3);
    assert_int_equal(graph->level_count, 1);
    assert_int_equal(graph->levels[0], level);
    graph_destroy(&graph);
}

static int levels_of(enum activation function, float alpha)
{
    struct graph *graph = network_begin();
    int data = network_convolution(graph, network_input(graph, 1, 5, 5), 2, window_square(3, 1, 0),
                                   1, true);
    struct node node = {.kind = NODE_ACTIVATION,
                        .activation = {.function = function, .alpha = alpha, .beta = 6}};
    VbpError error;
    int count;

    node.inputs = &data;
    node.input_count = 1;
    data = graph_add_node(graph, &node, NULL, &error);
    assert_true(data >= 0);
    /* The same behind the flatten is no level: it is not spatial. */
    network_finish(graph, network_activation(graph, network_flatten(graph, data), function));
    count = graph->level_count;
    graph_destroy(&graph);
    return count;
}

static void levels_of_each_function(void **state)
{
    (void)state;
    assert_int_equal(levels_of(ACTIVATION_RELU, 0), 1);
    assert_int_equal(levels_of(ACTIVATION_CLIP, 0), 1);
    assert_int_equal(levels_of(ACTIVATION_CLIP, -1), 0);
    assert_int_equal(levels_of(ACTIVATION_ELU, 1), 1);
    assert_int_equal(levels_of(ACTIVATION_LEAKY_RELU, 0.1F), 1);
    assert_int_equal(levels_of(ACTIVATION_SELU, 1.67F), 1);
    assert_int_equal(levels_of(ACTIVATION_SOFTPLUS, 0), 1);
    assert_int_equal(levels_of(ACTIVATION_SILU, 0), 1);
    assert_int_equal(levels_of(ACTIVATION_GELU, 0), 1);
    assert_int_equal(levels_of(ACTIVATION_SIGMOID, 0), 0);
    assert_int_equal(levels_of(ACTIVATION_TANH, 0), 0);
    assert_int_equal(levels_of(ACTIVATION_ATAN, 0), 0);
}

static void reshape_to_the_same_is_identity(void **state)
{
    struct graph *graph = network_begin();
    int input = network_input(graph, 1, 5, 5);
    int level =
        network_relu(graph, network_convolution(graph, input, 2, window_square(3, 1, 0), 1, true));
    int same = network_reshape(graph, level, graph->tensors[level].shape);

    (void)state;
    network_finish(graph, network_flatten(graph, same));
    assert_int_equal(graph->nodes[graph->tensors[same].producer].kind, NODE_IDENTITY);
    check_axes(graph, same, 1, 2, 3);
    graph_destroy(&graph);
}

/* ---- The rest ------------------------------------------------------------------------------- */

static void check_equal(const struct graph *a, const struct graph *b)
{
    assert_int_equal(a->tensor_count, b->tensor_count);
    assert_int_equal(a->node_count, b->node_count);
    assert_int_equal(a->output_count, b->output_count);
    assert_int_equal(a->level_count, b->level_count);
    assert_int_equal(a->input, b->input);
    for (int t = 0; t < a->tensor_count; t++) {
        const struct tensor *left = &a->tensors[t], *right = &b->tensors[t];

        assert_string_equal(left->name, right->name);
        assert_ptr_not_equal(left->name, right->name);
        assert_true(shape_equal(&left->shape, &right->shape));
        assert_int_equal(left->producer, right->producer);
        assert_memory_equal(&left->axes, &right->axes, sizeof(left->axes));
        assert_int_equal(!left->values, !right->values);
        if (!left->values)
            continue;
        assert_ptr_not_equal(left->values, right->values);
        assert_memory_equal(left->values, right->values,
                            (size_t)shape_elements(&left->shape) * sizeof(float));
    }
    for (int i = 0; i < a->node_count; i++) {
        const struct node *left = &a->nodes[i], *right = &b->nodes[i];

        assert_int_equal(left->kind, right->kind);
        assert_string_equal(left->name, right->name);
        assert_string_equal(left->source_kind, right->source_kind);
        assert_int_equal(left->output, right->output);
        assert_int_equal(left->input_count, right->input_count);
        assert_ptr_not_equal(left->inputs, right->inputs);
        assert_memory_equal(left->inputs, right->inputs, (size_t)left->input_count * sizeof(int));
        assert_memory_equal(&left->convolution, &right->convolution, sizeof(left->convolution));
    }
    assert_memory_equal(a->outputs, b->outputs, (size_t)a->output_count * sizeof(int));
    assert_memory_equal(a->levels, b->levels, (size_t)a->level_count * sizeof(int));
}

static void copies_are_equal(void **state)
{
    (void)state;
    for (int i = 0; i < 30; i++) {
        struct graph *graph = network_random(NETWORK_EVERY), *copy;
        VbpError error;

        graph->format = strdup("ONNX");
        graph->producer = strdup("somebody");
        assert_int_equal(graph_copy(&copy, graph, &error), VBP_OK);
        check_equal(graph, copy);
        assert_string_equal(copy->format, "ONNX");
        assert_string_equal(copy->producer, "somebody");
        graph_destroy(&graph);
        graph_destroy(&copy);
    }
}

static void names(void **state)
{
    struct graph *graph = network_begin();
    int input = network_input(graph, 1, 2, 2), made = network_relu(graph, input);
    VbpError error;

    (void)state;
    assert_int_equal(graph_find_tensor(graph, "input"), input);
    assert_true(graph->tensors[made].name[0] != '\0');
    assert_int_equal(graph_rename_tensor(graph, made, "steering", &error), VBP_OK);
    assert_int_equal(graph_find_tensor(graph, "steering"), made);
    assert_int_equal(graph_find_tensor(graph, "throttle"), -1);
    for (int kind = 0; kind < NODE_KIND_COUNT; kind++)
        assert_string_not_equal(node_kind_name((enum node_kind)kind), "unknown");
    for (int function = 0; function < ACTIVATION_COUNT; function++)
        assert_string_not_equal(activation_name((enum activation)function), "unknown");
    graph_destroy(&graph);
}

static void texts_of_long_shapes_end(void **state)
{
    const struct shape shape = {6,
                                {INT64_MIN, INT64_MIN, INT64_MIN, INT64_MIN, INT64_MIN, INT64_MIN}};
    char text[SHAPE_TEXT_SIZE + 1];

    (void)state;
    text[SHAPE_TEXT_SIZE] = '#';
    shape_text(&shape, text);
    assert_true(strlen(text) < SHAPE_TEXT_SIZE);
    assert_int_equal(text[SHAPE_TEXT_SIZE], '#');
}

/* TensorFlow's SAME: as many outputs as input / stride, rounded up; the odd cell behind. */
static void same_padding(void **state)
{
    (void)state;
    for (int i = 0; i < 300; i++) {
        struct window window = window_make(random_between(1, 7), random_between(1, 7));
        struct graph *graph = network_begin();
        int height = random_between(1, 20), width = random_between(1, 20), tensor;
        bool upper = random_chance(0.5);
        int odd[2];

        window.stride[0] = random_between(1, 4);
        window.stride[1] = random_between(1, 4);
        window.dilation[0] = random_between(1, 3);
        window_pad_same(&window, height, width, upper);
        for (int axis = 0; axis < 2; axis++) {
            odd[axis] = window.pad_end[axis] - window.pad_begin[axis];
            assert_in_range(upper ? odd[axis] : -odd[axis], 0, 1);
        }
        tensor =
            network_convolution(graph, network_input(graph, 1, height, width), 1, window, 1, false);
        assert_int_equal(graph->tensors[tensor].shape.extent[2],
                         (height + window.stride[0] - 1) / window.stride[0]);
        assert_int_equal(graph->tensors[tensor].shape.extent[3],
                         (width + window.stride[1] - 1) / window.stride[1]);
        graph_destroy(&graph);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(shapes_of_windows),
        cmocka_unit_test(no_window_in_the_end_padding),
        cmocka_unit_test(windows_larger_than_the_input),
        cmocka_unit_test(shapes_of_the_rest),
        cmocka_unit_test(refused_convolutions),
        cmocka_unit_test(refused_pools),
        cmocka_unit_test(refused_others),
        cmocka_unit_test(tensors_too_large),
        cmocka_unit_test(unfinishable_graphs),
        cmocka_unit_test(unused_nodes_go),
        cmocka_unit_test(readers_are_all),
        cmocka_unit_test(axes_through_transposes),
        cmocka_unit_test(no_picture_above_a_global_pool),
        cmocka_unit_test(levels_of_each_function),
        cmocka_unit_test(reshape_to_the_same_is_identity),
        cmocka_unit_test(copies_are_equal),
        cmocka_unit_test(names),
        cmocka_unit_test(texts_of_long_shapes_end),
        cmocka_unit_test(same_padding),
    };

    return cmocka_run_group_tests(tests, random_setup, NULL);
}
