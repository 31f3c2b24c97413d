/* onnx_write_nodes.c: kinds of nodes that few networks have are written and read back. */
#include "support/graph_case.h"
#include "support/onnx_case.h"
#include "support/round_trip.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static const struct window window_3x2 = {
    .kernel = {3, 2}, .stride = {2, 1}, .dilation = {1, 2}, .pad_begin = {1, 0}, .pad_end = {0, 1}};

/* The kinds that networks of Keras have. */
static void test_rare_kinds(void **state)
{
    static const int64_t pads[][4] = {
        {1, 0, 2, 3}, {-1, 0, 0, -2}, {-2, 3, 1, -1}}; /* top, bottom, left, right */
    struct node node = {.kind = NODE_BINARY, .binary = BINARY_PRELU};
    struct graph *graph = graph_case_picture(), *loaded;
    int data;

    (void)state;
    data = graph_case_constant(graph, "slopes", -1, NUMBERS(2, 7, 1));
    round_trip_same(graph, graph_case_add(graph, node, "prelu", INPUTS(graph->input, data)));

    for (size_t i = 0; i < sizeof(pads) / sizeof(pads[0]); i++) {
        graph = graph_case_picture();
        node = (struct node){.kind = NODE_PAD,
                             .pad = {.begin = {0, 0, pads[i][0], pads[i][2]},
                                     .end = {0, 0, pads[i][1], pads[i][3]}}};
        data = graph_case_add(graph, node, "pad", INPUTS(graph->input));
        if (i < 2) {
            round_trip_same(graph, data);
        } else { /* cut here and padded there: two nodes */
            graph_case_finish(graph, data);
            loaded = round_trip_make(graph);
            assert_int_equal(loaded->node_count, 2);
            round_trip_random(graph, loaded, 1, 0);
            graph_destroy(&loaded);
            graph_destroy(&graph);
        }
    }
    graph = graph_case_picture();
    node = (struct node){.kind = NODE_UPSAMPLE, .upsample.factor = {2, 3}};
    round_trip_same(graph, graph_case_add(graph, node, "repeat", INPUTS(graph->input)));

    for (int axis = 1; axis < 7; axis++) {
        graph = graph_case_picture();
        node = (struct node){.kind = NODE_SOFTMAX, .softmax = {axis % 3 + 1, axis > 3}};
        round_trip_same(graph, graph_case_add(graph, node, "softmax", INPUTS(graph->input)));
    }
    graph = graph_case_picture();
    node = (struct node){.kind = NODE_INSTANCE_NORM, .instance_norm = {0.01f, 1}};
    data = graph_case_constant(graph, "scale", -1, NUMBERS(2));
    round_trip_same(graph,
                    graph_case_add(graph, node, "own statistics",
                                   INPUTS(graph->input, data,
                                          graph_case_constant(graph, "shift", -1, NUMBERS(2)))));
}

/* Pictures made larger with weights, in groups, with biases, and rows and columns at the end. */
static void test_transposed_convolution(void **state)
{
    (void)state;
    for (int i = 0; i < 8; i++) {
        struct graph *graph = graph_case_picture();
        int groups = i & 1 ? 2 : 1;
        struct node node = {.kind = NODE_CONVOLUTION_TRANSPOSE,
                            .convolution = {.window = window_3x2, .groups = groups}};
        int inputs[3] = {graph->input,
                         graph_case_constant(graph, "weights", -1, NUMBERS(2, 3, 3, 2)),
                         graph_case_constant(graph, "bias", -1, NUMBERS(3 * groups))};

        node.convolution.window.stride[1] = i & 4 ? 3 : 1;
        if (i & 4)
            node.convolution.extra[0] = node.convolution.extra[1] = 1;
        round_trip_same(graph, graph_case_add(graph, node, "up", i & 2 ? 3 : 2, inputs));
    }
}

static void test_resizes(void **state)
{
    static const int sizes[][2] = {{3, 20}, {14, 5}, {1, 8}};

    (void)state;
    for (int i = 0; i < 5 * 3 * 3; i++) {
        struct graph *graph = graph_case_picture();
        const struct node node = {
            .kind = NODE_RESIZE,
            .resize = {.size = {sizes[i / 15][0], sizes[i / 15][1]},
                       .interpolation = {(enum interpolate_function)(i % 5),
                                         (enum interpolate_grid)(i / 5 % 3)}}};

        round_trip_same(graph, graph_case_add(graph, node, "resize", INPUTS(graph->input)));
    }
}

/* Hard swish and Mish, whose levels are found again. */
static void test_gates(void **state)
{
    const struct node product = {.kind = NODE_BINARY, .binary = BINARY_MULTIPLY};
    const struct node sum = {.kind = NODE_BINARY, .binary = BINARY_ADD};
    const struct node pool = {.kind = NODE_GLOBAL_AVERAGE_POOL};
    struct graph *graph = graph_case_picture();
    int data = graph_case_function(graph, ACTIVATION_CLIP, -3, 3, graph->input);

    (void)state;
    data = graph_case_add(graph, sum, "sum",
                          INPUTS(data, graph_case_constant(graph, "three", 3, NUMBERS(1))));
    graph->tensors[graph->nodes[graph->node_count - 1].inputs[1]].values[0] = 3;
    data = graph_case_add(graph, product, "swish", INPUTS(graph->input, data));
    round_trip_same(graph, graph_case_add(graph, pool, "pool", INPUTS(data)));

    graph = graph_case_picture();
    data = graph_case_function(graph, ACTIVATION_SOFTPLUS, 0, 0, graph->input);
    data = graph_case_function(graph, ACTIVATION_TANH, 0, 0, data);
    data = graph_case_add(graph, product, "mish", INPUTS(data, graph->input));
    data = graph_case_add(graph, pool, "pool", INPUTS(data));
    graph_case_finish(graph, data);
    assert_int_equal(graph->level_count, 1);
    assert_string_equal(graph->tensors[graph->levels[0]].name, "mish");
    {
        struct graph *loaded = round_trip_make(graph);

        round_trip_random(graph, loaded, 1, 0);
        graph_destroy(&loaded);
    }
    graph_destroy(&graph);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rare_kinds),
        cmocka_unit_test(test_transposed_convolution),
        cmocka_unit_test(test_resizes),
        cmocka_unit_test(test_gates),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
