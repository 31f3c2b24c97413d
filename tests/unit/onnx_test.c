/* The operators of ONNX, one small network each. Files as a whole are in onnx_file_test.c. */
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
    begin_network(&b, 13);
    onnx_builder_floats(&b, "w", NUMBERS(3, 2, 3, 2), NULL);
    onnx_builder_floats(&b, "b", NUMBERS(3), bias);
    node = onnx_builder_node(&b, "Conv", "conv1", "x w b", "y");
    onnx_node_integers(&b, node, "strides", NUMBERS(2, 1));
    onnx_node_integers(&b, node, "dilations", NUMBERS(1, 2));
    onnx_node_integers(&b, node, "pads", NUMBERS(1, 0, 2, 3));
    onnx_node_integers(&b, node, "kernel_shape", NUMBERS(3, 2));
    graph = load_good(&b);
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

    begin_network(&b, 7); /* grouped, without bias and without a name */
    onnx_builder_floats(&b, "w", NUMBERS(4, 1, 1, 1), NULL);
    node = onnx_builder_node(&b, "Conv", "", "x w -", "y");
    onnx_node_integer(&b, node, "group", 2);
    graph = load_good(&b);
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

        begin_network(&b, 11);
        onnx_builder_floats(&b, "w", NUMBERS(1, 2, 3, 3), NULL);
        node = onnx_builder_node(&b, "Conv", "c", "x w", "y");
        onnx_node_integers(&b, node, "strides", NUMBERS(2, 2));
        onnx_node_text(&b, node, "auto_pad", cases[i].mode);
        if (i == 0)
            onnx_node_integers(&b, node, "pads", NUMBERS(1, 1, 1, 1));
        graph = load_good(&b);
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
    begin_network(&b, 13);
    onnx_builder_floats(&b, "w", NUMBERS(3, 2, 3), NULL);
    onnx_builder_node(&b, "Conv", "c", "x w", "y");
    check_refused(&b, VBP_ERROR_UNSUPPORTED,
                  "node 'c' (Conv): its weights are not those of a 2-D convolution");

    begin_network(&b, 13);
    onnx_builder_node(&b, "Conv", "c", "x x", "y");
    check_refused(&b, VBP_ERROR_UNSUPPORTED,
                  "node 'c' (Conv): its weight ('x') is computed by the network; only constants "
                  "are supported");

    begin_network(&b, 13);
    onnx_builder_floats(&b, "w", NUMBERS(1, 2, 3, 3), NULL);
    node = onnx_builder_node(&b, "Conv", "c", "x w", "y");
    onnx_node_integers(&b, node, "pads", NUMBERS(1, 1, -1, 1));
    check_refused(&b, VBP_ERROR_UNSUPPORTED,
                  "node 'c' (Conv): pads holds -1; 0 to 4096 are supported");

    begin_network(&b, 13);
    onnx_builder_floats(&b, "w", NUMBERS(1, 2, 3, 3), NULL);
    node = onnx_builder_node(&b, "Conv", "c", "x w", "y");
    onnx_node_integers(&b, node, "strides", NUMBERS(0, 1));
    check_refused(&b, VBP_ERROR_UNSUPPORTED,
                  "node 'c' (Conv): strides holds 0; 1 to 4096 are supported");

    begin_network(&b, 13);
    onnx_builder_floats(&b, "w", NUMBERS(1, 2, 3, 3), NULL);
    node = onnx_builder_node(&b, "Conv", "c", "x w", "y");
    onnx_node_integers(&b, node, "strides", NUMBERS(1, 1, 1));
    check_refused(&b, VBP_ERROR_UNSUPPORTED,
                  "node 'c' (Conv): strides has 3 numbers; only 2-D windows are supported, which "
                  "have 2");

    begin_network(&b, 13);
    onnx_builder_floats(&b, "w", NUMBERS(1, 2, 3, 3), NULL);
    node = onnx_builder_node(&b, "Conv", "c", "x w", "y");
    onnx_node_text(&b, node, "auto_pad", "SAME");
    check_refused(&b, VBP_ERROR_FORMAT, "node 'c' (Conv): auto_pad 'SAME' is not known");

    begin_network(&b, 13);
    onnx_builder_floats(&b, "w", NUMBERS(1, 3, 3, 3), NULL);
    onnx_builder_node(&b, "Conv", "c", "x w", "y");
    check_refused(&b, VBP_ERROR_FORMAT,
                  "node 0 (Conv 'c'): its weights of 1x3x3x3 do not go with 2 input channels in 1 "
                  "groups");

    begin_network(&b, 13);
    onnx_builder_floats(&b, "w", NUMBERS(1, 2, 3, 3), NULL);
    node = onnx_builder_node(&b, "Conv", "c", "x w", "y");
    onnx_node_integer(&b, node, "blocking", 1);
    check_refused(&b, VBP_ERROR_UNSUPPORTED,
                  "node 'c' (Conv): attribute 'blocking' is not "
                  "supported");

    begin_network(&b, 13);
    onnx_builder_floats(&b, "w", NUMBERS(1, 2, 3, 3), NULL);
    node = onnx_builder_node(&b, "Conv", "c", "x w", "y");
    onnx_node_float(&b, node, "group", 1);
    check_refused(&b, VBP_ERROR_FORMAT, "node 'c' (Conv): attribute 'group' is not an integer");
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

        begin_network(&b, opsets[i]);
        add_statistics(&b);
        node = onnx_builder_node(&b, "BatchNormalization", "n", "x s t m v", "y");
        onnx_node_float(&b, node, "momentum", 0.9f);
        if (i > 0)
            onnx_node_float(&b, node, "epsilon", 0.5f);
        if (opsets[i] == 7)
            onnx_node_integer(&b, node, "spatial", 1);
        if (opsets[i] >= 14)
            onnx_node_integer(&b, node, "training_mode", 0);
        graph = load_good(&b);
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
    begin_network(&b, 14);
    add_statistics(&b);
    node = onnx_builder_node(&b, "BatchNormalization", "n", "x s t m v", "y");
    onnx_node_integer(&b, node, "training_mode", 1);
    check_refused(&b, VBP_ERROR_UNSUPPORTED,
                  "node 'n' (BatchNormalization): it is in training mode: export the network for "
                  "inference");

    begin_network(&b, 7);
    add_statistics(&b);
    node = onnx_builder_node(&b, "BatchNormalization", "n", "x s t m v", "y");
    onnx_node_integer(&b, node, "spatial", 0);
    check_refused(&b, VBP_ERROR_UNSUPPORTED,
                  "node 'n' (BatchNormalization): spatial = 0 (statistics for each position) is "
                  "not supported");

    begin_network(&b, 13);
    add_statistics(&b);
    onnx_builder_node(&b, "BatchNormalization", "n", "x s t m v", "z mean");
    onnx_builder_node(&b, "Relu", "r", "mean", "y");
    check_refused(&b, VBP_ERROR_UNSUPPORTED,
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
    begin_network(&b, 12);
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
    graph = load_good(&b);
    pool = find_node(graph, "p");
    assert_int_equal(pool->kind, NODE_MAX_POOL);
    assert_true(pool->pool.ceiling);
    check_window(&pool->pool.window,
                 (struct window){.kernel = {2, 2}, .stride = {1, 3}, .dilation = {2, 1}});
    check_shape(graph, pool->output, "1x2x4x3");
    pool = find_node(graph, "q");
    assert_int_equal(pool->kind, NODE_AVERAGE_POOL);
    assert_false(pool->pool.ceiling);
    assert_true(pool->pool.include_padding);
    check_shape(graph, pool->output, "1x2x4x3");
    assert_int_equal(find_node(graph, "y")->kind, NODE_GLOBAL_AVERAGE_POOL);
    check_shape(graph, graph->outputs[0], "1x2x1x1");
    graph_destroy(&graph);

    begin_network(&b, 12);
    node = onnx_builder_node(&b, "MaxPool", "m", "x", "p places");
    onnx_node_integers(&b, node, "kernel_shape", NUMBERS(2, 2));
    onnx_builder_node(&b, "Relu", "r", "places", "y");
    check_refused(&b, VBP_ERROR_UNSUPPORTED,
                  "node 'r' (Relu): its input 'places' is the index output of a MaxPool node, "
                  "which is not supported");

    begin_network(&b, 12);
    onnx_builder_node(&b, "MaxPool", "m", "x", "y");
    check_refused(&b, VBP_ERROR_FORMAT, "node 'm' (MaxPool): kernel_shape is missing");

    begin_network(&b, 13);
    node = onnx_builder_node(&b, "ReduceMean", "g", "x", "y");
    onnx_node_integers(&b, node, "axes", NUMBERS(2, -1));
    onnx_node_integer(&b, node, "keepdims", 0);
    graph = load_good(&b);
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

        begin_network(&b, 13);
        node = onnx_builder_node(&b, cases[i].name, "a", "x", "y");
        if (cases[i].attribute)
            onnx_node_float(&b, node, cases[i].attribute, cases[i].value);
        graph = load_good(&b);
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

            begin_network(&b, opset);
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
            graph = load_good(&b);
            assert_int_equal(graph->nodes[0].kind, cases[i].kind);
            if (cases[i].kind == NODE_ACTIVATION) {
                assert_int_equal(graph->nodes[0].activation.function, cases[i].function);
                assert_true(graph->nodes[0].activation.alpha == cases[i].alpha);
                assert_true(graph->nodes[0].activation.beta == cases[i].beta);
            }
            graph_destroy(&graph);
        }
    }
    begin_network(&b, 11);
    onnx_builder_floats(&b, "lo", 0, NULL, (const float[]){3});
    onnx_builder_floats(&b, "hi", 0, NULL, (const float[]){2});
    onnx_builder_node(&b, "Clip", "c", "x lo hi", "y");
    check_refused(&b, VBP_ERROR_FORMAT, "node 'c' (Clip): its bounds are 3 and 2");
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

        begin_network(&b, 13);
        onnx_builder_floats(&b, "c", NUMBERS(3, 1, 1, 1), (const float[]){6, 8, 10});
        onnx_builder_floats(&b, "d", 0, NULL, (const float[]){2});
        onnx_builder_node(&b, cases[i].name, "fold", "c d", "e");
        onnx_builder_node(&b, cases[i].name, "node", "e x", "y");
        graph = load_good(&b);
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
    begin_network(&b, 13);
    onnx_builder_floats(&b, "c", NUMBERS(2, 1), (const float[]){10, 20});
    onnx_builder_floats(&b, "d", NUMBERS(3), (const float[]){1, 2, 3});
    onnx_builder_node(&b, "Sub", "fold", "c d", "e");
    onnx_builder_node(&b, "Transpose", "turn", "e", "f");
    onnx_builder_node(&b, "Identity", "same", "f", "g");
    onnx_builder_integers(&b, "shape", NUMBERS(3, 2, 1, 1));
    onnx_builder_node(&b, "Reshape", "view", "g shape", "w");
    onnx_builder_node(&b, "Conv", "conv", "x w", "y");
    graph = load_good(&b);
    check_shape(graph, graph->nodes[0].inputs[1], "3x2x1x1");
    check_values(graph, graph->nodes[0].inputs[1], 6, (const float[]){9, 19, 8, 18, 7, 17});
    graph_destroy(&graph);
}

/* ---- Dense ---------------------------------------------------------------------------------- */

/* "x" flattened to 1x96, as "f". */
static void begin_flat(struct onnx_builder *b, int opset)
{
    begin_network(b, opset);
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
    graph = load_good(&b);
    dense = find_node(graph, "y");
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
    graph = load_good(&b);
    dense = find_node(graph, "y");
    check_shape(graph, dense->inputs[1], "2x96");
    check_values(graph, dense->inputs[1], 3, (const float[]){0, 4, 8});
    assert_true(graph->tensors[dense->inputs[1]].values[96] == 2);
    check_values(graph, dense->inputs[2], 2, (const float[]){15, 15});
    graph_destroy(&graph);

    begin_network(&b, 13); /* transA, and a bias of one row */
    onnx_builder_integers(&b, "shape", NUMBERS(-1, 1));
    onnx_builder_node(&b, "Reshape", "column", "x shape", "f");
    onnx_builder_floats(&b, "w", NUMBERS(2, 96), NULL);
    onnx_builder_floats(&b, "c", NUMBERS(1, 2), (const float[]){5, 6});
    node = onnx_builder_node(&b, "Gemm", "g", "f w c", "y");
    onnx_node_integer(&b, node, "transA", 1);
    onnx_node_integer(&b, node, "transB", 1);
    graph = load_good(&b);
    dense = find_node(graph, "y");
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
    check_refused(&b, VBP_ERROR_UNSUPPORTED,
                  "node 'g' (Gemm): its right side ('f') is computed by the network; only "
                  "constants are supported");
    begin_flat(&b, 13);
    onnx_builder_floats(&b, "w", NUMBERS(96, 3), NULL);
    onnx_builder_floats(&b, "c", NUMBERS(2), NULL);
    onnx_builder_node(&b, "Gemm", "g", "f w c", "y");
    check_refused(&b, VBP_ERROR_UNSUPPORTED,
                  "node 'g' (Gemm): its biases of shape 2 do not go with 3 outputs");
    begin_flat(&b, 13);
    onnx_builder_floats(&b, "w", NUMBERS(95, 2), NULL);
    onnx_builder_node(&b, "Gemm", "g", "f w", "y");
    check_refused(&b, VBP_ERROR_FORMAT,
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
    graph = load_good(&b);
    dense = find_node(graph, "p");
    assert_int_equal(dense->kind, NODE_DENSE);
    assert_int_equal(dense->input_count, 2);
    check_shape(graph, dense->inputs[1], "2x96");
    check_values(graph, dense->inputs[1], 3, (const float[]){0, 2, 4});
    assert_int_equal(find_node(graph, "y")->kind, NODE_BINARY);
    graph_destroy(&graph);

    begin_flat(&b, 13); /* a vector: its axis vanishes */
    onnx_builder_floats(&b, "w", NUMBERS(96), NULL);
    onnx_builder_node(&b, "MatMul", "m", "f w", "y");
    graph = load_good(&b);
    check_shape(graph, graph->outputs[0], "1");
    graph_destroy(&graph);

    begin_flat(&b, 13);
    onnx_builder_node(&b, "MatMul", "m", "f f", "y");
    check_refused(&b, VBP_ERROR_UNSUPPORTED,
                  "node 'm' (MatMul): a product of which the right side is computed is not "
                  "supported");
}

/* ---- Shapes --------------------------------------------------------------------------------- */

static void test_concat(void **state)
{
    struct onnx_builder b;
    struct graph *graph;
    Onnx__NodeProto *node;

    (void)state;
    begin_network(&b, 13);
    onnx_builder_node(&b, "Relu", "r", "x", "z");
    node = onnx_builder_node(&b, "Concat", "c", "x z x", "y");
    onnx_node_integer(&b, node, "axis", -3);
    graph = load_good(&b);
    assert_int_equal(graph->nodes[1].kind, NODE_CONCAT);
    assert_int_equal(graph->nodes[1].concat.axis, 1);
    check_shape(graph, graph->outputs[0], "1x6x6x8");
    graph_destroy(&graph);

    begin_network(&b, 13);
    node = onnx_builder_node(&b, "Concat", "c", "x x", "y");
    onnx_node_integer(&b, node, "axis", 4);
    check_refused(&b, VBP_ERROR_FORMAT, "node 'c' (Concat): axis 4 of a tensor of rank 4");
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

        begin_network(&b, 13);
        node = onnx_builder_node(&b, "Flatten", "f", "x", "y");
        onnx_node_integer(&b, node, "axis", cases[i].axis);
        graph = load_good(&b);
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
    begin_network(&b, 13);
    onnx_builder_integers(&b, "s", NUMBERS(0, -1, 8));
    onnx_builder_node(&b, "Reshape", "r", "x s", "y");
    graph = load_good(&b);
    check_shape(graph, graph->outputs[0], "1x12x8");
    graph_destroy(&graph);

    begin_network(&b, 14);
    onnx_builder_integers(&b, "s", NUMBERS(0, -1));
    node = onnx_builder_node(&b, "Reshape", "r", "x s", "y");
    onnx_node_integer(&b, node, "allowzero", 1);
    check_refused(&b, VBP_ERROR_FORMAT,
                  "node 'r' (Reshape): 96 elements do not fit the shape it gives them");

    begin_network(&b, 13);
    onnx_builder_integers(&b, "s", NUMBERS(-1, -1));
    onnx_builder_node(&b, "Reshape", "r", "x s", "y");
    check_refused(&b, VBP_ERROR_FORMAT,
                  "node 'r' (Reshape): its shape leaves more than one axis open");

    begin_network(&b, 13);
    onnx_builder_integers(&b, "s", NUMBERS(7, -1));
    onnx_builder_node(&b, "Reshape", "r", "x s", "y");
    check_refused(&b, VBP_ERROR_FORMAT,
                  "node 'r' (Reshape): 96 elements do not fit the shape it gives them");

    begin_network(&b, 13);
    onnx_builder_node(&b, "Reshape", "r", "x x", "y");
    check_refused(&b, VBP_ERROR_UNSUPPORTED,
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

        begin_network(&b, opset);
        onnx_builder_integers(&b, "in", NUMBERS(-1, 0));
        onnx_builder_integers(&b, "out", NUMBERS(0, -1));
        node = onnx_builder_node(&b, "Unsqueeze", "u", opset < 13 ? "x" : "x in", "z");
        if (opset < 13)
            onnx_node_integers(&b, node, "axes", NUMBERS(-1, 0));
        node = onnx_builder_node(&b, "Squeeze", "s", opset < 13 ? "z" : "z out", "v");
        if (opset < 13)
            onnx_node_integers(&b, node, "axes", NUMBERS(0, -1));
        onnx_builder_node(&b, "Squeeze", "all", "v", "y");
        graph = load_good(&b);
        check_shape(graph, graph_find_tensor(graph, "z"), "1x1x2x6x8x1");
        check_shape(graph, graph_find_tensor(graph, "v"), "1x2x6x8");
        check_shape(graph, graph->outputs[0], "2x6x8");
        graph_destroy(&graph);

        begin_network(&b, opset);
        onnx_builder_integers(&b, "in", NUMBERS(1));
        node = onnx_builder_node(&b, "Squeeze", "s", opset < 13 ? "x" : "x in", "y");
        if (opset < 13)
            onnx_node_integers(&b, node, "axes", NUMBERS(1));
        check_refused(&b, VBP_ERROR_FORMAT,
                      "node 's' (Squeeze): axis 1 of length 2 cannot be left out");
    }
}

static void test_transpose(void **state)
{
    struct onnx_builder b;
    struct graph *graph;
    Onnx__NodeProto *node;

    (void)state;
    begin_network(&b, 13);
    node = onnx_builder_node(&b, "Transpose", "t", "x", "z");
    onnx_node_integers(&b, node, "perm", NUMBERS(0, 2, 3, 1));
    onnx_builder_node(&b, "Transpose", "u", "z", "y");
    graph = load_good(&b);
    assert_int_equal(graph->nodes[0].kind, NODE_TRANSPOSE);
    check_shape(graph, graph->nodes[0].output, "1x6x8x2");
    check_shape(graph, graph->outputs[0], "2x8x6x1");
    graph_destroy(&graph);

    begin_network(&b, 13);
    node = onnx_builder_node(&b, "Transpose", "t", "x", "y");
    onnx_node_integers(&b, node, "perm", NUMBERS(0, 2, 2, 1));
    check_refused(&b, VBP_ERROR_FORMAT, "node 't' (Transpose): perm is not a permutation");
}

static void test_identities(void **state)
{
    struct onnx_builder b;
    struct graph *graph;

    (void)state;
    begin_network(&b, 13);
    onnx_builder_floats(&b, "ratio", 0, NULL, (const float[]){0.5f});
    onnx_builder_node(&b, "Dropout", "d", "x ratio", "z mask");
    onnx_builder_node(&b, "Identity", "i", "z", "y");
    graph = load_good(&b);
    assert_int_equal(graph->node_count, 2);
    assert_int_equal(graph->nodes[0].kind, NODE_IDENTITY);
    assert_string_equal(graph->nodes[0].source_kind, "Dropout");
    assert_int_equal(graph->nodes[1].kind, NODE_IDENTITY);
    graph_destroy(&graph);

    begin_network(&b, 13);
    onnx_builder_node(&b, "Dropout", "d", "x", "z y");
    check_refused(&b, VBP_ERROR_UNSUPPORTED,
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

            begin_network(&b, opset);
            onnx_builder_integers(&b, "p", NUMBERS(0, 0, 0, 0, 0, 0, 0, pad));
            node = onnx_builder_node(&b, "Pad", "pad", opset < 11 ? "x" : "x p", "y");
            if (opset < 11)
                onnx_node_integers(&b, node, "pads", NUMBERS(0, 0, 0, 0, 0, 0, 0, pad));
            if (pad > 0) {
                check_refused(&b, VBP_ERROR_UNSUPPORTED,
                              "node 'pad' (Pad): padding apart from convolution and pooling is "
                              "not supported");
                continue;
            }
            graph = load_good(&b);
            assert_int_equal(graph->nodes[0].kind, NODE_IDENTITY);
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
    begin_network(&b, 11);
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
    graph = load_good(&b);
    assert_int_equal(graph->node_count, 1);
    check_shape(graph, graph->outputs[0], "1x96");
    graph_destroy(&graph);

    begin_network(&b, 11);
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
    graph = load_good(&b);
    check_shape(graph, graph->outputs[0], "2x4x12");
    graph_destroy(&graph);

    begin_network(&b, 11);
    onnx_builder_integers(&b, "a", NUMBERS(1));
    onnx_builder_integers(&b, "b", NUMBERS(0));
    onnx_builder_node(&b, "Div", "d", "a b", "y");
    check_refused(&b, VBP_ERROR_FORMAT, "node 'd' (Div): its constant inputs have no result");
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
    graph = load_good(&b);
    dense = find_node(graph, "y");
    assert_int_equal(dense->kind, NODE_DENSE);
    check_shape(graph, dense->inputs[1], "2x96");
    for (int i = 0; i < 192; i++)
        assert_true(graph->tensors[dense->inputs[1]].values[i] == (i == 95 || i == 98 ? 1 : 0));
    graph_destroy(&graph);

    begin_flat(&b, 13);
    onnx_builder_integers(&b, "i", NUMBERS(96));
    node = onnx_builder_node(&b, "Gather", "g", "f i", "y");
    onnx_node_integer(&b, node, "axis", 1);
    check_refused(&b, VBP_ERROR_FORMAT, "node 'g' (Gather): index 96 of 96 elements");
}

static void test_unknown_operators(void **state)
{
    struct onnx_builder b;

    (void)state;
    begin_network(&b, 13);
    onnx_builder_node(&b, "GRU", "gru_1", "x", "y");
    check_refused(&b, VBP_ERROR_UNSUPPORTED,
                  "operator 'GRU' (node 'gru_1', opset 13) is not supported");
    begin_network(&b, 13);
    onnx_builder_node(&b, "Relu", "a", "x", "y")->domain = onnx_builder_allocate(&b, 4);
    memcpy(b.graph.node[0]->domain, "com", 4);
    check_refused(&b, VBP_ERROR_UNSUPPORTED,
                  "operator 'Relu' of the domain 'com' (node 'a') is not supported");
    begin_network(&b, 13);
    onnx_builder_node(&b, "Relu", "a", "x x", "y");
    check_refused(&b, VBP_ERROR_FORMAT, "node 'a' (Relu): it has 2 inputs");
    begin_network(&b, 13);
    onnx_builder_node(&b, "Relu", "a", "-", "y");
    check_refused(&b, VBP_ERROR_FORMAT, "node 'a' (Relu): input 0 is missing");
    begin_network(&b, 13);
    onnx_builder_node(&b, "Relu", "a", "x", "");
    check_refused(&b, VBP_ERROR_FORMAT, "node 'a' (Relu): it has no output");
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
        cmocka_unit_test(test_concat),
        cmocka_unit_test(test_flatten),
        cmocka_unit_test(test_reshape),
        cmocka_unit_test(test_squeeze),
        cmocka_unit_test(test_transpose),
        cmocka_unit_test(test_identities),
        cmocka_unit_test(test_pad),
        cmocka_unit_test(test_shape_arithmetic),
        cmocka_unit_test(test_gather),
        cmocka_unit_test(test_unknown_operators),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
