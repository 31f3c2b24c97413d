/*
 * The operators of ONNX that compute, one small network each. Those that rearrange are in
 * onnx_shapes_test.c, files as a whole in onnx_file_test.c.
 */
#include "support/onnx_case.h"

#include <float.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* ---- Convolution ---------------------------------------------------------------------------- */

static void test_conv(void **state)
{
    static const float bias[3] = {7, 8, 9};
    struct onnx_builder b;
    struct graph *graph;
    const struct node *conv;
    Onnx__NodeProto *node;

    (void)state;
    onnx_case_begin(&b, 13);
    onnx_builder_floats(&b, "w", NUMBERS(3, 2, 3, 2), NULL);
    onnx_builder_floats(&b, "b", NUMBERS(3), bias);
    node = onnx_builder_node(&b, "Conv", "conv1", "x w b", "y");
    onnx_node_integers(&b, node, "strides", NUMBERS(2, 1));
    onnx_node_integers(&b, node, "dilations", NUMBERS(1, 2));
    onnx_node_integers(&b, node, "pads", NUMBERS(1, 0, 2, 3));
    onnx_node_integers(&b, node, "kernel_shape", NUMBERS(3, 2));
    graph = onnx_case_good(&b);
    assert_int_equal(graph->node_count, 1);
    conv = &graph->nodes[0];
    assert_int_equal(conv->kind, NODE_CONVOLUTION);
    assert_string_equal(conv->name, "conv1");
    assert_string_equal(conv->source_kind, "Conv");
    assert_string_equal(graph->tensors[conv->output].name, "y");
    assert_int_equal(conv->convolution.groups, 1);
    check_window(&conv->convolution.window, (struct window){.kernel = {3, 2},
                                                            .stride = {2, 1},
                                                            .dilation = {1, 2},
                                                            .pad_begin = {1, 0},
                                                            .pad_end = {2, 3}});
    check_shape(graph, conv->inputs[1], "3x2x3x2");
    check_values(graph, conv->inputs[1], 3, (const float[]){0, 1, 2});
    check_values(graph, conv->inputs[2], 3, bias);
    check_shape(graph, conv->output, "1x3x4x9");
    graph_destroy(&graph);

    onnx_case_begin(&b, 7); /* grouped, without bias and without a name */
    onnx_builder_floats(&b, "w", NUMBERS(4, 1, 1, 1), NULL);
    node = onnx_builder_node(&b, "Conv", "", "x w -", "y");
    onnx_node_integer(&b, node, "group", 2);
    graph = onnx_case_good(&b);
    assert_int_equal(graph->nodes[0].convolution.groups, 2);
    assert_int_equal(graph->nodes[0].input_count, 2);
    assert_string_equal(graph->nodes[0].name, "Conv");
    check_shape(graph, graph->outputs[0], "1x4x6x8");
    graph_destroy(&graph);
}

static void test_automatic_padding(void **state)
{
    static const struct {
        const char *mode, *shape;
        int begin[2], end[2];
    } cases[] = {
        {"NOTSET", "1x1x3x4", {1, 1}, {1, 1}},
        {"VALID", "1x1x2x3", {0, 0}, {0, 0}},
        {"SAME_UPPER", "1x1x3x4", {0, 0}, {1, 1}}, /* 6 and 8 by steps of 2, kernel 3 */
        {"SAME_LOWER", "1x1x3x4", {1, 1}, {0, 0}},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct onnx_builder b;
        struct graph *graph;
        Onnx__NodeProto *node;

        onnx_case_begin(&b, 11);
        onnx_builder_floats(&b, "w", NUMBERS(1, 2, 3, 3), NULL);
        node = onnx_builder_node(&b, "Conv", "c", "x w", "y");
        onnx_node_integers(&b, node, "strides", NUMBERS(2, 2));
        onnx_node_text(&b, node, "auto_pad", cases[i].mode);
        if (i == 0)
            onnx_node_integers(&b, node, "pads", NUMBERS(1, 1, 1, 1));
        graph = onnx_case_good(&b);
        check_shape(graph, graph->outputs[0], cases[i].shape);
        for (int axis = 0; axis < 2; axis++) {
            assert_int_equal(graph->nodes[0].convolution.window.pad_begin[axis],
                             cases[i].begin[axis]);
            assert_int_equal(graph->nodes[0].convolution.window.pad_end[axis], cases[i].end[axis]);
        }
        graph_destroy(&graph);
    }
}

static void test_conv_refusals(void **state)
{
    struct onnx_builder b;
    Onnx__NodeProto *node;

    (void)state;
    onnx_case_begin(&b, 13);
    onnx_builder_floats(&b, "w", NUMBERS(3, 2, 3), NULL);
    onnx_builder_node(&b, "Conv", "c", "x w", "y");
    onnx_case_refused(&b, VBP_ERROR_UNSUPPORTED,
                      "node 'c' (Conv): its weights are not those of a 2-D convolution");

    onnx_case_begin(&b, 13);
    onnx_builder_node(&b, "Conv", "c", "x x", "y");
    onnx_case_refused(
        &b, VBP_ERROR_UNSUPPORTED,
        "node 'c' (Conv): its weight ('x') is computed by the network; only constants "
        "are supported");

    onnx_case_begin(&b, 13);
    onnx_builder_floats(&b, "w", NUMBERS(1, 2, 3, 3), NULL);
    node = onnx_builder_node(&b, "Conv", "c", "x w", "y");
    onnx_node_integers(&b, node, "pads", NUMBERS(1, 1, -1, 1));
    onnx_case_refused(&b, VBP_ERROR_UNSUPPORTED,
                      "node 'c' (Conv): pads holds -1; 0 to 4096 are supported");

    onnx_case_begin(&b, 13);
    onnx_builder_floats(&b, "w", NUMBERS(1, 2, 3, 3), NULL);
    node = onnx_builder_node(&b, "Conv", "c", "x w", "y");
    onnx_node_integers(&b, node, "strides", NUMBERS(0, 1));
    onnx_case_refused(&b, VBP_ERROR_UNSUPPORTED,
                      "node 'c' (Conv): strides holds 0; 1 to 4096 are supported");

    onnx_case_begin(&b, 13);
    onnx_builder_floats(&b, "w", NUMBERS(1, 2, 3, 3), NULL);
    node = onnx_builder_node(&b, "Conv", "c", "x w", "y");
    onnx_node_integers(&b, node, "strides", NUMBERS(1, 1, 1));
    onnx_case_refused(
        &b, VBP_ERROR_UNSUPPORTED,
        "node 'c' (Conv): strides has 3 numbers; only 2-D windows are supported, which "
        "have 2");

    onnx_case_begin(&b, 13);
    onnx_builder_floats(&b, "w", NUMBERS(1, 2, 3, 3), NULL);
    node = onnx_builder_node(&b, "Conv", "c", "x w", "y");
    onnx_node_text(&b, node, "auto_pad", "SAME");
    onnx_case_refused(&b, VBP_ERROR_FORMAT, "node 'c' (Conv): auto_pad 'SAME' is not known");

    onnx_case_begin(&b, 13);
    onnx_builder_floats(&b, "w", NUMBERS(1, 3, 3, 3), NULL);
    onnx_builder_node(&b, "Conv", "c", "x w", "y");
    onnx_case_refused(
        &b, VBP_ERROR_FORMAT,
        "node 0 (Conv 'c'): its weights of 1x3x3x3 do not go with 2 input channels in 1 "
        "groups");

    onnx_case_begin(&b, 13);
    onnx_builder_floats(&b, "w", NUMBERS(1, 2, 3, 3), NULL);
    node = onnx_builder_node(&b, "Conv", "c", "x w", "y");
    onnx_node_integer(&b, node, "blocking", 1);
    onnx_case_refused(&b, VBP_ERROR_UNSUPPORTED,
                      "node 'c' (Conv): attribute 'blocking' is not "
                      "supported");

    onnx_case_begin(&b, 13);
    onnx_builder_floats(&b, "w", NUMBERS(1, 2, 3, 3), NULL);
    node = onnx_builder_node(&b, "Conv", "c", "x w", "y");
    onnx_node_float(&b, node, "group", 1);
    onnx_case_refused(&b, VBP_ERROR_FORMAT, "node 'c' (Conv): attribute 'group' is not an integer");
}

/* ---- Normalisation, pooling ----------------------------------------------------------------- */

static void add_statistics(struct onnx_builder *b)
{
    onnx_builder_floats(b, "s", NUMBERS(2), (const float[]){1, 2});
    onnx_builder_floats(b, "t", NUMBERS(2), (const float[]){3, 4});
    onnx_builder_floats(b, "m", NUMBERS(2), (const float[]){5, 6});
    onnx_builder_floats(b, "v", NUMBERS(2), (const float[]){7, 8});
}

static void test_batch_normalization(void **state)
{
    static const int opsets[] = {7, 9, 14, 15, 21};

    (void)state;
    for (size_t i = 0; i < sizeof(opsets) / sizeof(opsets[0]); i++) {
        struct onnx_builder b;
        struct graph *graph;
        Onnx__NodeProto *node;

        onnx_case_begin(&b, opsets[i]);
        add_statistics(&b);
        node = onnx_builder_node(&b, "BatchNormalization", "n", "x s t m v", "y");
        onnx_node_float(&b, node, "momentum", 0.9f);
        if (i > 0)
            onnx_node_float(&b, node, "epsilon", 0.5f);
        if (opsets[i] == 7)
            onnx_node_integer(&b, node, "spatial", 1);
        if (opsets[i] >= 14)
            onnx_node_integer(&b, node, "training_mode", 0);
        graph = onnx_case_good(&b);
        assert_int_equal(graph->nodes[0].kind, NODE_BATCH_NORM);
        assert_true(graph->nodes[0].batch_norm.epsilon == (i > 0 ? 0.5f : 1e-5f));
        for (int j = 1; j < 5; j++)
            check_values(graph, graph->nodes[0].inputs[j], 2,
                         (const float[]){(float)(2 * j - 1), (float)(2 * j)});
        graph_destroy(&graph);
    }
}

static void test_batch_normalization_refusals(void **state)
{
    struct onnx_builder b;
    Onnx__NodeProto *node;

    (void)state;
    onnx_case_begin(&b, 14);
    add_statistics(&b);
    node = onnx_builder_node(&b, "BatchNormalization", "n", "x s t m v", "y");
    onnx_node_integer(&b, node, "training_mode", 1);
    onnx_case_refused(
        &b, VBP_ERROR_UNSUPPORTED,
        "node 'n' (BatchNormalization): it is in training mode: export the network for "
        "inference");

    onnx_case_begin(&b, 7);
    add_statistics(&b);
    node = onnx_builder_node(&b, "BatchNormalization", "n", "x s t m v", "y");
    onnx_node_integer(&b, node, "spatial", 0);
    onnx_case_refused(
        &b, VBP_ERROR_UNSUPPORTED,
        "node 'n' (BatchNormalization): spatial = 0 (statistics for each position) is "
        "not supported");

    onnx_case_begin(&b, 13);
    add_statistics(&b);
    onnx_builder_node(&b, "BatchNormalization", "n", "x s t m v", "z mean");
    onnx_builder_node(&b, "Relu", "r", "mean", "y");
    onnx_case_refused(&b, VBP_ERROR_UNSUPPORTED,
                      "node 'r' (Relu): its input 'mean' is a statistic of training, which is not "
                      "supported");
}

static void test_pools(void **state)
{
    struct onnx_builder b;
    struct graph *graph;
    Onnx__NodeProto *node;
    const struct node *pool;

    (void)state;
    onnx_case_begin(&b, 12);
    node = onnx_builder_node(&b, "MaxPool", "m", "x", "p unused");
    onnx_node_integers(&b, node, "kernel_shape", NUMBERS(2, 2));
    onnx_node_integers(&b, node, "strides", NUMBERS(1, 3));
    onnx_node_integers(&b, node, "dilations", NUMBERS(2, 1));
    onnx_node_integer(&b, node, "ceil_mode", 1);
    node = onnx_builder_node(&b, "AveragePool", "a", "p", "q");
    onnx_node_integers(&b, node, "kernel_shape", NUMBERS(3, 3));
    onnx_node_integers(&b, node, "pads", NUMBERS(1, 1, 1, 1));
    onnx_node_integer(&b, node, "count_include_pad", 1);
    onnx_builder_node(&b, "GlobalAveragePool", "g", "q", "y");
    graph = onnx_case_good(&b);
    pool = onnx_case_node(graph, "p");
    assert_int_equal(pool->kind, NODE_MAX_POOL);
    assert_true(pool->pool.ceiling);
    check_window(&pool->pool.window,
                 (struct window){.kernel = {2, 2}, .stride = {1, 3}, .dilation = {2, 1}});
    check_shape(graph, pool->output, "1x2x4x3");
    pool = onnx_case_node(graph, "q");
    assert_int_equal(pool->kind, NODE_AVERAGE_POOL);
    assert_false(pool->pool.ceiling);
    assert_true(pool->pool.include_padding);
    check_shape(graph, pool->output, "1x2x4x3");
    assert_int_equal(onnx_case_node(graph, "y")->kind, NODE_GLOBAL_AVERAGE_POOL);
    check_shape(graph, graph->outputs[0], "1x2x1x1");
    graph_destroy(&graph);

    onnx_case_begin(&b, 12);
    node = onnx_builder_node(&b, "MaxPool", "m", "x", "p places");
    onnx_node_integers(&b, node, "kernel_shape", NUMBERS(2, 2));
    onnx_builder_node(&b, "Relu", "r", "places", "y");
    onnx_case_refused(&b, VBP_ERROR_UNSUPPORTED,
                      "node 'r' (Relu): its input 'places' is the index output of a MaxPool node, "
                      "which is not supported");

    onnx_case_begin(&b, 12);
    onnx_builder_node(&b, "MaxPool", "m", "x", "y");
    onnx_case_refused(&b, VBP_ERROR_FORMAT, "node 'm' (MaxPool): kernel_shape is missing");

    onnx_case_begin(&b, 13);
    node = onnx_builder_node(&b, "ReduceMean", "g", "x", "y");
    onnx_node_integers(&b, node, "axes", NUMBERS(2, -1));
    onnx_node_integer(&b, node, "keepdims", 0);
    graph = onnx_case_good(&b);
    assert_int_equal(graph->nodes[0].kind, NODE_GLOBAL_AVERAGE_POOL);
    check_shape(graph, graph->outputs[0], "1x2");
    graph_destroy(&graph);
}

/* ---- Activations ---------------------------------------------------------------------------- */

static void test_activations(void **state)
{
    static const struct {
        const char *name, *attribute;
        float value;
        enum activation function;
        float alpha, beta;
    } cases[] = {
        {"Relu", NULL, 0, ACTIVATION_RELU, 0, 0},
        {"LeakyRelu", NULL, 0, ACTIVATION_LEAKY_RELU, 0.01f, 0},
        {"LeakyRelu", "alpha", 0.25f, ACTIVATION_LEAKY_RELU, 0.25f, 0},
        {"Elu", NULL, 0, ACTIVATION_ELU, 1, 0},
        {"Elu", "alpha", 0.5f, ACTIVATION_ELU, 0.5f, 0},
        {"Selu", "gamma", 2, ACTIVATION_SELU, 1.67326319f, 2},
        {"Softplus", NULL, 0, ACTIVATION_SOFTPLUS, 0, 0},
        {"Sigmoid", NULL, 0, ACTIVATION_SIGMOID, 0, 0},
        {"Tanh", NULL, 0, ACTIVATION_TANH, 0, 0},
        {"Atan", NULL, 0, ACTIVATION_ATAN, 0, 0},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct onnx_builder b;
        struct graph *graph;
        Onnx__NodeProto *node;

        onnx_case_begin(&b, 13);
        node = onnx_builder_node(&b, cases[i].name, "a", "x", "y");
        if (cases[i].attribute)
            onnx_node_float(&b, node, cases[i].attribute, cases[i].value);
        graph = onnx_case_good(&b);
        assert_int_equal(graph->nodes[0].kind, NODE_ACTIVATION);
        assert_int_equal(graph->nodes[0].activation.function, cases[i].function);
        assert_true(graph->nodes[0].activation.alpha == cases[i].alpha);
        assert_true(graph->nodes[0].activation.beta == cases[i].beta);
        graph_destroy(&graph);
    }
}

static void test_clip(void **state)
{
    static const struct {
        bool has_min, has_max;
        float min, max;
        enum node_kind kind;
        enum activation function;
        float alpha, beta;
    } cases[] = {
        {true, true, 0, 6, NODE_ACTIVATION, ACTIVATION_CLIP, 0, 6},
        {true, false, 0, 0, NODE_ACTIVATION, ACTIVATION_RELU, 0, 0},
        {false, true, 0, 6, NODE_ACTIVATION, ACTIVATION_CLIP, -FLT_MAX, 6},
        {true, false, -1, 0, NODE_ACTIVATION, ACTIVATION_CLIP, -1, FLT_MAX},
        {false, false, 0, 0, NODE_IDENTITY, ACTIVATION_RELU, 0, 0},
        {true, true, 0, FLT_MAX, NODE_ACTIVATION, ACTIVATION_RELU, 0, 0},
    };
    struct onnx_builder b;

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        for (int opset = 10; opset <= 11; opset++) {
            struct graph *graph;
            Onnx__NodeProto *node;
            char inputs[16];

            onnx_case_begin(&b, opset);
            if (opset < 11) {
                node = onnx_builder_node(&b, "Clip", "c", "x", "y");
                if (cases[i].has_min)
                    onnx_node_float(&b, node, "min", cases[i].min);
                if (cases[i].has_max)
                    onnx_node_float(&b, node, "max", cases[i].max);
            } else {
                onnx_builder_floats(&b, "lo", 0, NULL, &cases[i].min);
                onnx_builder_floats(&b, "hi", 0, NULL, &cases[i].max);
                snprintf(inputs, sizeof(inputs), "x %s %s", cases[i].has_min ? "lo" : "-",
                         cases[i].has_max ? "hi" : "-");
                onnx_builder_node(&b, "Clip", "c", inputs, "y");
            }
            graph = onnx_case_good(&b);
            assert_int_equal(graph->nodes[0].kind, cases[i].kind);
            if (cases[i].kind == NODE_ACTIVATION) {
                assert_int_equal(graph->nodes[0].activation.function, cases[i].function);
                assert_true(graph->nodes[0].activation.alpha == cases[i].alpha);
                assert_true(graph->nodes[0].activation.beta == cases[i].beta);
            }
            graph_destroy(&graph);
        }
    }
    onnx_case_begin(&b, 11);
    onnx_builder_floats(&b, "lo", 0, NULL, (const float[]){3});
    onnx_builder_floats(&b, "hi", 0, NULL, (const float[]){2});
    onnx_builder_node(&b, "Clip", "c", "x lo hi", "y");
    onnx_case_refused(&b, VBP_ERROR_FORMAT, "node 'c' (Clip): its bounds are 3 and 2");
}

/* ---- Arithmetic ----------------------------------------------------------------------------- */

static void test_binary(void **state)
{
    static const struct {
        const char *name;
        enum binary function;
        float folded[3]; /* of 6, 8, 10 and 2 */
    } cases[] = {
        {"Add", BINARY_ADD, {8, 10, 12}},
        {"Sub", BINARY_SUBTRACT, {4, 6, 8}},
        {"Mul", BINARY_MULTIPLY, {12, 16, 20}},
        {"Div", BINARY_DIVIDE, {3, 4, 5}},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct onnx_builder b;
        struct graph *graph;

        onnx_case_begin(&b, 13);
        onnx_builder_floats(&b, "c", NUMBERS(3, 1, 1, 1), (const float[]){6, 8, 10});
        onnx_builder_floats(&b, "d", 0, NULL, (const float[]){2});
        onnx_builder_node(&b, cases[i].name, "fold", "c d", "e");
        onnx_builder_node(&b, cases[i].name, "node", "e x", "y");
        graph = onnx_case_good(&b);
        assert_int_equal(graph->node_count, 1);
        assert_int_equal(graph->nodes[0].kind, NODE_BINARY);
        assert_int_equal(graph->nodes[0].binary, cases[i].function);
        assert_int_equal(graph->nodes[0].inputs[1], graph->input);
        check_values(graph, graph->nodes[0].inputs[0], 3, cases[i].folded);
        check_shape(graph, graph->outputs[0], "3x2x6x8");
        graph_destroy(&graph);
    }
}

/* [2,1] - [1,3]: both operands are repeated. */
static void test_fold_broadcast(void **state)
{
    struct onnx_builder b;
    struct graph *graph;

    (void)state;
    onnx_case_begin(&b, 13);
    onnx_builder_floats(&b, "c", NUMBERS(2, 1), (const float[]){10, 20});
    onnx_builder_floats(&b, "d", NUMBERS(3), (const float[]){1, 2, 3});
    onnx_builder_node(&b, "Sub", "fold", "c d", "e");
    onnx_builder_node(&b, "Transpose", "turn", "e", "f");
    onnx_builder_node(&b, "Identity", "same", "f", "g");
    onnx_builder_integers(&b, "shape", NUMBERS(3, 2, 1, 1));
    onnx_builder_node(&b, "Reshape", "view", "g shape", "w");
    onnx_builder_node(&b, "Conv", "conv", "x w", "y");
    graph = onnx_case_good(&b);
    check_shape(graph, graph->nodes[0].inputs[1], "3x2x1x1");
    check_values(graph, graph->nodes[0].inputs[1], 6, (const float[]){9, 19, 8, 18, 7, 17});
    graph_destroy(&graph);
}

/* ---- Dense ---------------------------------------------------------------------------------- */

/* "x" flattened to 1x96, as "f". */
static void begin_flat(struct onnx_builder *b, int opset)
{
    onnx_case_begin(b, opset);
    onnx_builder_node(b, "Flatten", "flatten", "x", "f");
}

static void test_gemm(void **state)
{
    struct onnx_builder b;
    struct graph *graph;
    const struct node *dense;
    Onnx__NodeProto *node;

    (void)state;
    begin_flat(&b, 13); /* as PyTorch writes it: the weights stay what they are */
    onnx_builder_floats(&b, "w", NUMBERS(2, 96), NULL);
    onnx_builder_floats(&b, "c", NUMBERS(2), (const float[]){5, 6});
    node = onnx_builder_node(&b, "Gemm", "g", "f w c", "y");
    onnx_node_integer(&b, node, "transB", 1);
    graph = onnx_case_good(&b);
    dense = onnx_case_node(graph, "y");
    assert_int_equal(dense->kind, NODE_DENSE);
    check_shape(graph, dense->inputs[1], "2x96");
    check_values(graph, dense->inputs[1], 3, (const float[]){0, 1, 2});
    check_values(graph, dense->inputs[2], 2, (const float[]){5, 6});
    graph_destroy(&graph);

    begin_flat(&b, 13); /* [in, out] weights, factors, a bias of one number */
    onnx_builder_floats(&b, "w", NUMBERS(96, 2), NULL);
    onnx_builder_floats(&b, "c", 0, NULL, (const float[]){5});
    node = onnx_builder_node(&b, "Gemm", "g", "f w c", "y");
    onnx_node_float(&b, node, "alpha", 2);
    onnx_node_float(&b, node, "beta", 3);
    graph = onnx_case_good(&b);
    dense = onnx_case_node(graph, "y");
    check_shape(graph, dense->inputs[1], "2x96");
    check_values(graph, dense->inputs[1], 3, (const float[]){0, 4, 8});
    assert_true(graph->tensors[dense->inputs[1]].values[96] == 2);
    check_values(graph, dense->inputs[2], 2, (const float[]){15, 15});
    graph_destroy(&graph);

    onnx_case_begin(&b, 13); /* transA, and a bias of one row */
    onnx_builder_integers(&b, "shape", NUMBERS(-1, 1));
    onnx_builder_node(&b, "Reshape", "column", "x shape", "f");
    onnx_builder_floats(&b, "w", NUMBERS(2, 96), NULL);
    onnx_builder_floats(&b, "c", NUMBERS(1, 2), (const float[]){5, 6});
    node = onnx_builder_node(&b, "Gemm", "g", "f w c", "y");
    onnx_node_integer(&b, node, "transA", 1);
    onnx_node_integer(&b, node, "transB", 1);
    graph = onnx_case_good(&b);
    dense = onnx_case_node(graph, "y");
    assert_int_equal(graph->nodes[graph->tensors[dense->inputs[0]].producer].kind, NODE_TRANSPOSE);
    check_shape(graph, dense->inputs[0], "1x96");
    check_shape(graph, dense->inputs[2], "2");
    check_values(graph, dense->inputs[2], 2, (const float[]){5, 6});
    check_shape(graph, dense->output, "1x2");
    graph_destroy(&graph);
}

static void test_gemm_refusals(void **state)
{
    struct onnx_builder b;

    (void)state;
    begin_flat(&b, 13);
    onnx_builder_node(&b, "Gemm", "g", "f f", "y");
    onnx_case_refused(&b, VBP_ERROR_UNSUPPORTED,
                      "node 'g' (Gemm): its right side ('f') is computed by the network; only "
                      "constants are supported");
    begin_flat(&b, 13);
    onnx_builder_floats(&b, "w", NUMBERS(96, 3), NULL);
    onnx_builder_floats(&b, "c", NUMBERS(2), NULL);
    onnx_builder_node(&b, "Gemm", "g", "f w c", "y");
    onnx_case_refused(&b, VBP_ERROR_UNSUPPORTED,
                      "node 'g' (Gemm): its biases of shape 2 do not go with 3 outputs");
    begin_flat(&b, 13);
    onnx_builder_floats(&b, "w", NUMBERS(95, 2), NULL);
    onnx_builder_node(&b, "Gemm", "g", "f w", "y");
    onnx_case_refused(
        &b, VBP_ERROR_FORMAT,
        "node 1 (Gemm 'g'): its weights of 2x95 (out x in) do not go with an input of "
        "1x96");
}

static void test_matmul(void **state)
{
    struct onnx_builder b;
    struct graph *graph;
    const struct node *dense;

    (void)state;
    begin_flat(&b, 13);
    onnx_builder_floats(&b, "w", NUMBERS(96, 2), NULL);
    onnx_builder_floats(&b, "c", NUMBERS(2), NULL);
    onnx_builder_node(&b, "MatMul", "m", "f w", "p");
    onnx_builder_node(&b, "Add", "a", "p c", "y");
    graph = onnx_case_good(&b);
    dense = onnx_case_node(graph, "p");
    assert_int_equal(dense->kind, NODE_DENSE);
    assert_int_equal(dense->input_count, 2);
    check_shape(graph, dense->inputs[1], "2x96");
    check_values(graph, dense->inputs[1], 3, (const float[]){0, 2, 4});
    assert_int_equal(onnx_case_node(graph, "y")->kind, NODE_BINARY);
    graph_destroy(&graph);

    begin_flat(&b, 13); /* a vector: its axis vanishes */
    onnx_builder_floats(&b, "w", NUMBERS(96), NULL);
    onnx_builder_node(&b, "MatMul", "m", "f w", "y");
    graph = onnx_case_good(&b);
    check_shape(graph, graph->outputs[0], "1");
    graph_destroy(&graph);

    begin_flat(&b, 13);
    onnx_builder_node(&b, "MatMul", "m", "f f", "y");
    onnx_case_refused(&b, VBP_ERROR_UNSUPPORTED,
                      "node 'm' (MatMul): a product of which the right side is computed is not "
                      "supported");
}

static void test_unknown_operators(void **state)
{
    struct onnx_builder b;

    (void)state;
    onnx_case_begin(&b, 13);
    onnx_builder_node(&b, "GRU", "gru_1", "x", "y");
    onnx_case_refused(&b, VBP_ERROR_UNSUPPORTED,
                      "operator 'GRU' (node 'gru_1', opset 13) is not supported");
    onnx_case_begin(&b, 13);
    onnx_builder_node(&b, "Relu", "a", "x", "y")->domain = onnx_builder_allocate(&b, 4);
    memcpy(b.graph.node[0]->domain, "com", 4);
    onnx_case_refused(&b, VBP_ERROR_UNSUPPORTED,
                      "operator 'Relu' of the domain 'com' (node 'a') is not supported");
    onnx_case_begin(&b, 13);
    onnx_builder_node(&b, "Relu", "a", "x x", "y");
    onnx_case_refused(&b, VBP_ERROR_FORMAT, "node 'a' (Relu): it has 2 inputs");
    onnx_case_begin(&b, 13);
    onnx_builder_node(&b, "Relu", "a", "-", "y");
    onnx_case_refused(&b, VBP_ERROR_FORMAT, "node 'a' (Relu): input 0 is missing");
    onnx_case_begin(&b, 13);
    onnx_builder_node(&b, "Relu", "a", "x", "");
    onnx_case_refused(&b, VBP_ERROR_FORMAT, "node 'a' (Relu): it has no output");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_conv),
        cmocka_unit_test(test_automatic_padding),
        cmocka_unit_test(test_conv_refusals),
        cmocka_unit_test(test_batch_normalization),
        cmocka_unit_test(test_batch_normalization_refusals),
        cmocka_unit_test(test_pools),
        cmocka_unit_test(test_activations),
        cmocka_unit_test(test_clip),
        cmocka_unit_test(test_binary),
        cmocka_unit_test(test_fold_broadcast),
        cmocka_unit_test(test_gemm),
        cmocka_unit_test(test_gemm_refusals),
        cmocka_unit_test(test_matmul),
        cmocka_unit_test(test_unknown_operators),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
