/* The operators of ONNX that rearrange, and the arithmetic on shapes around them. */
#include "support/onnx_case.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

/* "x" flattened to 1x96, as "f". */
static void begin_flat(struct onnx_builder *b, int opset)
{
    onnx_case_begin(b, opset);
    onnx_builder_node(b, "Flatten", "flatten", "x", "f");
}

/* ---- Shapes --------------------------------------------------------------------------------- */

static void test_concat(void **state)
{
    struct onnx_builder b;
    struct graph *graph;
    Onnx__NodeProto *node;

    (void)state;
    onnx_case_begin(&b, 13);
    onnx_builder_node(&b, "Relu", "r", "x", "z");
    node = onnx_builder_node(&b, "Concat", "c", "x z x", "y");
    onnx_node_integer(&b, node, "axis", -3);
    graph = onnx_case_good(&b);
    assert_int_equal(graph->nodes[1].kind, NODE_CONCAT);
    assert_int_equal(graph->nodes[1].concat.axis, 1);
    check_shape(graph, graph->outputs[0], "1x6x6x8");
    graph_destroy(&graph);

    onnx_case_begin(&b, 13);
    node = onnx_builder_node(&b, "Concat", "c", "x x", "y");
    onnx_node_integer(&b, node, "axis", 4);
    onnx_case_refused(&b, VBP_ERROR_FORMAT, "node 'c' (Concat): axis 4 of a tensor of rank 4");
}

static void test_flatten(void **state)
{
    static const struct {
        int axis;
        const char *shape;
    } cases[] = {{1, "1x96"}, {2, "2x48"}, {-1, "12x8"}, {0, "1x96"}, {4, "96x1"}};

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct onnx_builder b;
        struct graph *graph;
        Onnx__NodeProto *node;

        onnx_case_begin(&b, 13);
        node = onnx_builder_node(&b, "Flatten", "f", "x", "y");
        onnx_node_integer(&b, node, "axis", cases[i].axis);
        graph = onnx_case_good(&b);
        assert_int_equal(graph->nodes[0].kind, NODE_RESHAPE);
        check_shape(graph, graph->outputs[0], cases[i].shape);
        graph_destroy(&graph);
    }
}

static void test_reshape(void **state)
{
    struct onnx_builder b;
    struct graph *graph;
    Onnx__NodeProto *node;

    (void)state;
    onnx_case_begin(&b, 13);
    onnx_builder_integers(&b, "s", NUMBERS(0, -1, 8));
    onnx_builder_node(&b, "Reshape", "r", "x s", "y");
    graph = onnx_case_good(&b);
    check_shape(graph, graph->outputs[0], "1x12x8");
    graph_destroy(&graph);

    onnx_case_begin(&b, 14);
    onnx_builder_integers(&b, "s", NUMBERS(0, -1));
    node = onnx_builder_node(&b, "Reshape", "r", "x s", "y");
    onnx_node_integer(&b, node, "allowzero", 1);
    onnx_case_refused(&b, VBP_ERROR_FORMAT,
                      "node 'r' (Reshape): 96 elements do not fit the shape it gives them");

    onnx_case_begin(&b, 13);
    onnx_builder_integers(&b, "s", NUMBERS(-1, -1));
    onnx_builder_node(&b, "Reshape", "r", "x s", "y");
    onnx_case_refused(&b, VBP_ERROR_FORMAT,
                      "node 'r' (Reshape): its shape leaves more than one axis open");

    onnx_case_begin(&b, 13);
    onnx_builder_integers(&b, "s", NUMBERS(7, -1));
    onnx_builder_node(&b, "Reshape", "r", "x s", "y");
    onnx_case_refused(&b, VBP_ERROR_FORMAT,
                      "node 'r' (Reshape): 96 elements do not fit the shape it gives them");

    onnx_case_begin(&b, 13);
    onnx_builder_node(&b, "Reshape", "r", "x x", "y");
    onnx_case_refused(
        &b, VBP_ERROR_UNSUPPORTED,
        "node 'r' (Reshape): its shape ('x') is computed by the network; only constants "
        "are supported");
}

/* The axes as an attribute, and since opset 13 as an input. */
static void test_squeeze(void **state)
{
    (void)state;
    for (int opset = 11; opset <= 13; opset += 2) {
        struct onnx_builder b;
        struct graph *graph;
        Onnx__NodeProto *node;

        onnx_case_begin(&b, opset);
        onnx_builder_integers(&b, "in", NUMBERS(-1, 0));
        onnx_builder_integers(&b, "out", NUMBERS(0, -1));
        node = onnx_builder_node(&b, "Unsqueeze", "u", opset < 13 ? "x" : "x in", "z");
        if (opset < 13)
            onnx_node_integers(&b, node, "axes", NUMBERS(-1, 0));
        node = onnx_builder_node(&b, "Squeeze", "s", opset < 13 ? "z" : "z out", "v");
        if (opset < 13)
            onnx_node_integers(&b, node, "axes", NUMBERS(0, -1));
        onnx_builder_node(&b, "Squeeze", "all", "v", "y");
        graph = onnx_case_good(&b);
        check_shape(graph, graph_find_tensor(graph, "z"), "1x1x2x6x8x1");
        check_shape(graph, graph_find_tensor(graph, "v"), "1x2x6x8");
        check_shape(graph, graph->outputs[0], "2x6x8");
        graph_destroy(&graph);

        onnx_case_begin(&b, opset);
        onnx_builder_integers(&b, "in", NUMBERS(1));
        node = onnx_builder_node(&b, "Squeeze", "s", opset < 13 ? "x" : "x in", "y");
        if (opset < 13)
            onnx_node_integers(&b, node, "axes", NUMBERS(1));
        onnx_case_refused(&b, VBP_ERROR_FORMAT,
                          "node 's' (Squeeze): axis 1 of length 2 cannot be left out");
    }
}

static void test_transpose(void **state)
{
    struct onnx_builder b;
    struct graph *graph;
    Onnx__NodeProto *node;

    (void)state;
    onnx_case_begin(&b, 13);
    node = onnx_builder_node(&b, "Transpose", "t", "x", "z");
    onnx_node_integers(&b, node, "perm", NUMBERS(0, 2, 3, 1));
    onnx_builder_node(&b, "Transpose", "u", "z", "y");
    graph = onnx_case_good(&b);
    assert_int_equal(graph->nodes[0].kind, NODE_TRANSPOSE);
    check_shape(graph, graph->nodes[0].output, "1x6x8x2");
    check_shape(graph, graph->outputs[0], "2x8x6x1");
    graph_destroy(&graph);

    onnx_case_begin(&b, 13);
    node = onnx_builder_node(&b, "Transpose", "t", "x", "y");
    onnx_node_integers(&b, node, "perm", NUMBERS(0, 2, 2, 1));
    onnx_case_refused(&b, VBP_ERROR_FORMAT, "node 't' (Transpose): perm is not a permutation");
}

static void test_identities(void **state)
{
    struct onnx_builder b;
    struct graph *graph;

    (void)state;
    onnx_case_begin(&b, 13);
    onnx_builder_floats(&b, "ratio", 0, NULL, (const float[]){0.5f});
    onnx_builder_node(&b, "Dropout", "d", "x ratio", "z mask");
    onnx_builder_node(&b, "Identity", "i", "z", "y");
    graph = onnx_case_good(&b);
    assert_int_equal(graph->node_count, 2);
    assert_int_equal(graph->nodes[0].kind, NODE_IDENTITY);
    assert_string_equal(graph->nodes[0].source_kind, "Dropout");
    assert_int_equal(graph->nodes[1].kind, NODE_IDENTITY);
    graph_destroy(&graph);

    onnx_case_begin(&b, 13);
    onnx_builder_node(&b, "Dropout", "d", "x", "z y");
    onnx_case_refused(&b, VBP_ERROR_UNSUPPORTED,
                      "output 'y' is the mask of a Dropout node, which is not supported");
}

static void test_pad(void **state)
{
    (void)state;
    for (int opset = 10; opset <= 11; opset++) {
        for (int64_t pad = 0; pad <= 1; pad++) {
            struct onnx_builder b;
            struct graph *graph;
            Onnx__NodeProto *node;

            onnx_case_begin(&b, opset);
            onnx_builder_integers(&b, "p", NUMBERS(0, 0, 0, 0, 0, 0, 0, pad));
            node = onnx_builder_node(&b, "Pad", "pad", opset < 11 ? "x" : "x p", "y");
            if (opset < 11)
                onnx_node_integers(&b, node, "pads", NUMBERS(0, 0, 0, 0, 0, 0, 0, pad));
            graph = onnx_case_good(&b);
            assert_int_equal(graph->nodes[0].kind, pad ? NODE_PAD : NODE_IDENTITY);
            check_shape(graph, graph->outputs[0], pad ? "1x2x6x9" : "1x2x6x8");
            graph_destroy(&graph);
        }
    }
}

/* x.view(x.size(0), -1) as PyTorch exports it, and a slice of a shape as TensorFlow's exporter
 * writes it. */
static void test_shape_arithmetic(void **state)
{
    struct onnx_builder b;
    struct graph *graph;
    Onnx__NodeProto *node;

    (void)state;
    onnx_case_begin(&b, 11);
    onnx_builder_node(&b, "Shape", "shape", "x", "s");
    onnx_builder_integers(&b, "zero", NUMBERS(0))->n_dims = 0;
    node = onnx_builder_node(&b, "Constant", "zero", "", "i");
    onnx_node_tensor(&b, node, "value");
    node = onnx_builder_node(&b, "Gather", "batch", "s i", "n");
    onnx_node_integer(&b, node, "axis", 0);
    node = onnx_builder_node(&b, "Unsqueeze", "u", "n", "l");
    onnx_node_integers(&b, node, "axes", NUMBERS(0));
    onnx_builder_integers(&b, "rest", NUMBERS(-1));
    node = onnx_builder_node(&b, "Concat", "c", "l rest", "t");
    onnx_node_integer(&b, node, "axis", 0);
    onnx_builder_node(&b, "Reshape", "r", "x t", "y");
    graph = onnx_case_good(&b);
    assert_int_equal(graph->node_count, 1);
    check_shape(graph, graph->outputs[0], "1x96");
    graph_destroy(&graph);

    onnx_case_begin(&b, 11);
    onnx_builder_node(&b, "Shape", "shape", "x", "s");
    onnx_builder_integers(&b, "from", NUMBERS(1));
    onnx_builder_integers(&b, "to", NUMBERS(-1));
    onnx_builder_node(&b, "Slice", "slice", "s from to", "t");
    node = onnx_builder_node(&b, "Cast", "cast", "t", "u");
    onnx_node_integer(&b, node, "to", ONNX__TENSOR_PROTO__DATA_TYPE__INT32);
    onnx_builder_integers(&b, "four", NUMBERS(4));
    onnx_builder_node(&b, "Mul", "m", "u four", "v"); /* 8, 24 */
    onnx_builder_integers(&b, "half", NUMBERS(2));
    onnx_builder_node(&b, "Div", "d", "v half", "w"); /* 4, 12 */
    onnx_builder_integers(&b, "rest", NUMBERS(-1));
    node = onnx_builder_node(&b, "Concat", "c", "rest w", "z");
    onnx_node_integer(&b, node, "axis", 0);
    onnx_builder_node(&b, "Reshape", "r", "x z", "y");
    graph = onnx_case_good(&b);
    check_shape(graph, graph->outputs[0], "2x4x12");
    graph_destroy(&graph);

    onnx_case_begin(&b, 11);
    onnx_builder_integers(&b, "a", NUMBERS(1));
    onnx_builder_integers(&b, "b", NUMBERS(0));
    onnx_builder_node(&b, "Div", "d", "a b", "y");
    onnx_case_refused(&b, VBP_ERROR_FORMAT, "node 'd' (Div): its constant inputs have no result");
}

/* Single outputs of a layer: a dense layer that copies. */
static void test_gather(void **state)
{
    struct onnx_builder b;
    struct graph *graph;
    Onnx__NodeProto *node;
    const struct node *dense;

    (void)state;
    begin_flat(&b, 13);
    onnx_builder_integers(&b, "i", NUMBERS(-1, 2));
    node = onnx_builder_node(&b, "Gather", "g", "f i", "y");
    onnx_node_integer(&b, node, "axis", 1);
    graph = onnx_case_good(&b);
    dense = onnx_case_node(graph, "y");
    assert_int_equal(dense->kind, NODE_DENSE);
    check_shape(graph, dense->inputs[1], "2x96");
    for (int i = 0; i < 192; i++)
        assert_true(graph->tensors[dense->inputs[1]].values[i] == (i == 95 || i == 98 ? 1 : 0));
    graph_destroy(&graph);

    begin_flat(&b, 13);
    onnx_builder_integers(&b, "i", NUMBERS(96));
    node = onnx_builder_node(&b, "Gather", "g", "f i", "y");
    onnx_node_integer(&b, node, "axis", 1);
    onnx_case_refused(&b, VBP_ERROR_FORMAT, "node 'g' (Gather): index 96 of 96 elements");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_concat),    cmocka_unit_test(test_flatten),
        cmocka_unit_test(test_reshape),   cmocka_unit_test(test_squeeze),
        cmocka_unit_test(test_transpose), cmocka_unit_test(test_identities),
        cmocka_unit_test(test_pad),       cmocka_unit_test(test_shape_arithmetic),
        cmocka_unit_test(test_gather),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
