/* Torch7's modules, a small network each. Files as a whole are in torch7_file_test.c. */
#include "support/torch7_case.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

/* ---- Layers --------------------------------------------------------------------------------- */

static void test_convolution(void **state)
{
    static const char *const classes[] = {"nn.SpatialConvolution", "cudnn.SpatialConvolution",
                                          "nn.SpatialConvolutionMM"};

    (void)state;
    for (int i = 0; i < 3; i++) {
        struct torch7_builder_file file;
        struct graph *graph;
        const struct node *node;

        torch7_case_begin(&file);
        torch7_case_convolution(&file, 1, classes[i]);
        torch7_case_end(&file);
        graph = torch7_case_good(&file, &torch7_case_hints);
        assert_int_equal(graph->node_count, 1);
        node = &graph->nodes[0];
        assert_int_equal(node->kind, NODE_CONVOLUTION);
        assert_string_equal(node->source_kind, classes[i]);
        assert_string_equal(node->name, strstr(classes[i], "MM") ? "1 SpatialConvolutionMM"
                                                                 : "1 SpatialConvolution");
        assert_string_equal(graph->tensors[node->output].name, "output");
        check_shape(graph, graph->input, "1x2x6x8");
        check_shape(graph, node->output, "1x3x3x7");
        check_shape(graph, node->inputs[1], "3x2x3x2");
        check_window(&node->convolution.window, (struct window){.kernel = {3, 2},
                                                                .stride = {2, 1},
                                                                .dilation = {1, 1},
                                                                .pad_begin = {1, 0},
                                                                .pad_end = {1, 0}});
        assert_int_equal(node->convolution.groups, 1);
        check_values(graph, node->inputs[1], 4, (const float[]){0, 1, 2, 3});
        assert_true(graph->tensors[node->inputs[1]].values[35] == 35);
        check_values(graph, node->inputs[2], 3, (const float[]){0.5f, 1.5f, 2.5f});
        assert_string_equal(graph->format, "Torch7");
        graph_destroy(&graph);
    }
}

/* The old layout: a matrix of weights, and one padding for both axes; no bias, two groups. */
static void test_old_convolution(void **state)
{
    struct torch7_builder_file file;
    struct graph *graph;
    const struct node *node;

    (void)state;
    torch7_case_begin(&file);
    torch7_case_module(&file, 1, "cudnn.SpatialConvolution");
    torch7_set(&file, "nInputPlane", 4);
    torch7_set(&file, "nOutputPlane", 2);
    torch7_set(&file, "groups", 2);
    torch7_set(&file, "kH", 1);
    torch7_set(&file, "kW", 3);
    torch7_set(&file, "padding", 1);
    torch7_key(&file, "weight");
    torch7_put_tensor(&file, "torch.CudaTensor", 2, EXTENTS(2, 6), NULL);
    torch7_end(&file);
    torch7_case_end(&file);
    graph = torch7_case_good(&file, &torch7_case_hints);
    node = &graph->nodes[0];
    assert_int_equal(node->input_count, 2);
    assert_int_equal(node->convolution.groups, 2);
    check_shape(graph, node->inputs[1], "2x2x1x3");
    check_shape(graph, node->output, "1x2x8x8");
    graph_destroy(&graph);
}

static void test_batch_norm(void **state)
{
    struct torch7_builder_file file;
    struct graph *graph;

    (void)state;
    torch7_case_begin(&file);
    torch7_case_batch_norm(&file, 1, "running_var", 16, 25, 1);
    torch7_case_batch_norm(&file, 2, "running_std", 0.5, 0.25, 0);
    torch7_case_end(&file);
    graph = torch7_case_good(&file, &torch7_case_hints);
    assert_int_equal(graph->nodes[0].kind, NODE_BATCH_NORM);
    assert_true(graph->nodes[0].batch_norm.epsilon == 0.25f);
    check_values(graph, graph->nodes[0].inputs[1], 2, (const float[]){3, 4});
    check_values(graph, graph->nodes[0].inputs[2], 2, (const float[]){5, 6});
    check_values(graph, graph->nodes[0].inputs[3], 2, (const float[]){7, 8});
    check_values(graph, graph->nodes[0].inputs[4], 2, (const float[]){16, 25});
    /* 1 / sqrt(variance + eps) = 0.5: variance + eps = 4, all of it in the variance. */
    assert_true(graph->nodes[1].batch_norm.epsilon == 0);
    check_values(graph, graph->nodes[1].inputs[1], 2, (const float[]){1, 1});
    check_values(graph, graph->nodes[1].inputs[2], 2, (const float[]){0, 0});
    check_values(graph, graph->nodes[1].inputs[4], 2, (const float[]){4, 16});
    graph_destroy(&graph);

    torch7_case_begin(&file);
    torch7_case_batch_norm(&file, 1, "running_std", 0.5, 0, 0);
    torch7_case_end(&file);
    torch7_case_refused(&file, &torch7_case_hints, VBP_ERROR_FORMAT,
                        "module 1 'cudnn.SpatialBatchNormalization' has running_std of 0");
    torch7_case_begin(&file);
    torch7_case_batch_norm(&file, 1, "running_sigma", 0.5, 0, 0);
    torch7_case_end(&file);
    torch7_case_refused(&file, &torch7_case_hints, VBP_ERROR_FORMAT,
                        "module 1 'cudnn.SpatialBatchNormalization' has no running_std");
}

static void test_activations(void **state)
{
    static const struct {
        const char *class_name, *key;
        double value;
        enum activation function;
        float alpha, beta;
    } cases[] = {
        {"nn.ReLU", "threshold", 0, ACTIVATION_RELU, 0, 0},
        {"cudnn.ReLU", "nElem", 5, ACTIVATION_RELU, 0, 0},
        {"nn.ReLU6", "x", 0, ACTIVATION_CLIP, 0, 6},
        {"nn.HardTanh", "min_val", -2, ACTIVATION_CLIP, -2, 1},
        {"nn.ELU", "alpha", 0.5, ACTIVATION_ELU, 0.5f, 0},
        {"nn.LeakyReLU", "negval", 0.25, ACTIVATION_LEAKY_RELU, 0.25f, 0},
        {"nn.SoftPlus", "beta", 1, ACTIVATION_SOFTPLUS, 0, 0},
        {"cudnn.Tanh", "x", 0, ACTIVATION_TANH, 0, 0},
        {"nn.Sigmoid", "x", 0, ACTIVATION_SIGMOID, 0, 0},
    };
    struct torch7_builder_file file;

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct graph *graph;

        torch7_case_begin(&file);
        torch7_case_convolution(&file, 1, "nn.SpatialConvolution");
        torch7_case_module(&file, 2, cases[i].class_name);
        torch7_set(&file, cases[i].key, cases[i].value);
        torch7_end(&file);
        torch7_case_end(&file);
        graph = torch7_case_good(&file, &torch7_case_hints);
        assert_int_equal(graph->nodes[1].kind, NODE_ACTIVATION);
        assert_int_equal(graph->nodes[1].activation.function, cases[i].function);
        assert_true(graph->nodes[1].activation.alpha == cases[i].alpha);
        assert_true(graph->nodes[1].activation.beta == cases[i].beta);
        graph_destroy(&graph);
    }
    torch7_case_begin(&file);
    torch7_case_convolution(&file, 1, "nn.SpatialConvolution");
    torch7_case_module(&file, 2, "nn.Threshold");
    torch7_set(&file, "threshold", 1);
    torch7_end(&file);
    torch7_case_end(&file);
    torch7_case_refused(&file, &torch7_case_hints, VBP_ERROR_UNSUPPORTED,
                        "module 2 'nn.Threshold' has a threshold other than 0");
}

static void test_pooling(void **state)
{
    struct torch7_builder_file file;
    struct graph *graph;

    (void)state;
    torch7_case_begin(&file);
    torch7_case_convolution(&file, 1, "nn.SpatialConvolution"); /* 3 x 7 */
    torch7_case_module(&file, 2, "nn.SpatialMaxPooling");
    torch7_set(&file, "kH", 2);
    torch7_set(&file, "kW", 2);
    torch7_set(&file, "dH", 1);
    torch7_set(&file, "dW", 2);
    torch7_key(&file, "ceil_mode");
    torch7_put_boolean(&file, 1);
    torch7_end(&file);
    torch7_case_module(&file, 3, "cudnn.SpatialAveragePooling");
    torch7_set(&file, "kH", 2);
    torch7_set(&file, "kW", 3);
    torch7_set(&file, "dH", 1);
    torch7_set(&file, "dW", 1);
    torch7_set(&file, "padW", 1);
    torch7_key(&file, "count_include_pad");
    torch7_put_boolean(&file, 0);
    torch7_end(&file);
    torch7_case_end(&file);
    graph = torch7_case_good(&file, &torch7_case_hints);
    assert_int_equal(graph->nodes[1].kind, NODE_MAX_POOL);
    assert_true(graph->nodes[1].pool.ceiling);
    check_shape(graph, graph->nodes[1].output, "1x3x2x4");
    assert_int_equal(graph->nodes[2].kind, NODE_AVERAGE_POOL);
    assert_false(graph->nodes[2].pool.ceiling);
    assert_false(graph->nodes[2].pool.include_padding);
    check_shape(graph, graph->nodes[2].output, "1x3x1x4");
    graph_destroy(&graph);
}

static void test_head(void **state)
{
    static const int64_t sizes[3][2] = {{63, 0}, {-1, 0}, {1, 63}};
    struct torch7_builder_file file;

    (void)state;
    for (int i = 0; i < 3; i++) {
        struct graph *graph;

        torch7_case_begin(&file);
        torch7_case_convolution(&file, 1, "nn.SpatialConvolution"); /* 3 x 3 x 7 */
        torch7_case_module(&file, 2, i == 1 ? "nn.Reshape" : "nn.View");
        torch7_key(&file, "size");
        torch7_put_longs(&file, i == 2 ? 2 : 1, sizes[i]);
        torch7_end(&file);
        torch7_case_module(&file, 3, "nn.Dropout");
        torch7_set(&file, "p", 0.25);
        torch7_key(&file, "v2");
        torch7_put_boolean(&file, 1);
        torch7_end(&file);
        torch7_case_linear(&file, 4, 5, 63);
        torch7_case_module(&file, 5, "nn.Dropout"); /* of the first version */
        torch7_set(&file, "p", 0.25);
        torch7_end(&file);
        torch7_case_module(&file, 6, "nn.MulConstant");
        torch7_set(&file, "constant_scalar", 3);
        torch7_end(&file);
        torch7_case_end(&file);
        graph = torch7_case_good(&file, &torch7_case_hints);
        assert_int_equal(graph->node_count, 6);
        assert_int_equal(graph->nodes[1].kind, NODE_RESHAPE);
        check_shape(graph, graph->nodes[1].output, "1x63");
        assert_int_equal(graph->nodes[2].kind, NODE_IDENTITY);
        assert_int_equal(graph->nodes[3].kind, NODE_DENSE);
        check_shape(graph, graph->nodes[3].inputs[1], "5x63");
        check_values(graph, graph->nodes[3].inputs[2], 5, (const float[]){0, 1, 2, 3, 4});
        assert_int_equal(graph->nodes[4].binary, BINARY_MULTIPLY);
        check_values(graph, graph->nodes[4].inputs[1], 1, (const float[]){0.75f});
        check_values(graph, graph->nodes[5].inputs[1], 1, (const float[]){3});
        check_shape(graph, graph->outputs[0], "1x5");
        graph_destroy(&graph);
    }
}

/* Sizes of a picture and of a batch of one: which axes they make. */
static void test_view(void **state)
{
    static const struct {
        int count;
        int64_t sizes[4];
        const char *shape;
    } cases[] = {
        {2, {-1, 63}, "1x63"},      {2, {7, 9}, "1x7x9"},         {3, {1, 7, 9}, "1x1x7x9"},
        {3, {3, -1, 7}, "1x3x3x7"}, {4, {1, 3, 3, 7}, "1x3x3x7"}, {1, {62}, NULL},
    };
    struct torch7_builder_file file;

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct graph *graph;

        torch7_case_begin(&file);
        torch7_case_convolution(&file, 1, "nn.SpatialConvolution"); /* 3 x 3 x 7 */
        torch7_case_module(&file, 2, "nn.View");
        torch7_key(&file, "size");
        torch7_put_longs(&file, cases[i].count, cases[i].sizes);
        torch7_end(&file);
        torch7_case_end(&file);
        if (!cases[i].shape) {
            torch7_case_refused(&file, &torch7_case_hints, VBP_ERROR_FORMAT,
                                "node 1 (nn.View '2 View'): 1x62 does not hold as many elements as "
                                "1x3x3x7");
            continue;
        }
        graph = torch7_case_good(&file, &torch7_case_hints);
        check_shape(graph, graph->outputs[0], cases[i].shape);
        graph_destroy(&graph);
    }
}

static void put_branches(struct torch7_builder_file *file, int position, const char *class_name,
                         double dimension)
{
    torch7_case_module(file, position, class_name);
    if (dimension > 0)
        torch7_set(file, "dimension", dimension);
    torch7_key(file, "modules");
    torch7_begin_table(file);
    torch7_case_module(file, 2, "nn.Tanh"); /* out of order, as Lua's tables come */
    torch7_end(file);
    torch7_case_module(file, 1, "nn.ReLU");
    torch7_end(file);
    torch7_end(file);
    torch7_end(file);
}

static void test_branches(void **state)
{
    struct torch7_builder_file file;
    struct graph *graph;

    (void)state;
    torch7_case_begin(&file);
    torch7_case_convolution(&file, 1, "nn.SpatialConvolution");
    put_branches(&file, 2, "nn.ConcatTable", 0);
    torch7_case_module(&file, 3, "nn.CAddTable");
    torch7_end(&file);
    put_branches(&file, 4, "nn.Concat", 2);
    put_branches(&file, 5, "nn.ConcatTable", 0);
    torch7_case_module(&file, 6, "nn.JoinTable");
    torch7_set(&file, "dimension", 2);
    torch7_set(&file, "nInputDims", 3);
    torch7_end(&file);
    torch7_case_end(&file);
    graph = torch7_case_good(&file, &torch7_case_hints);
    assert_int_equal(graph->node_count, 10);
    assert_int_equal(graph->nodes[1].activation.function, ACTIVATION_RELU);
    assert_string_equal(graph->nodes[1].name, "2.1 ReLU");
    assert_int_equal(graph->nodes[2].activation.function, ACTIVATION_TANH);
    assert_int_equal(graph->nodes[3].kind, NODE_BINARY);
    assert_int_equal(graph->nodes[3].inputs[0], graph->nodes[1].output);
    assert_int_equal(graph->nodes[3].inputs[1], graph->nodes[2].output);
    assert_int_equal(graph->nodes[6].kind, NODE_CONCAT);
    check_shape(graph, graph->nodes[6].output, "1x6x3x7");
    check_shape(graph, graph->nodes[9].output, "1x6x6x7");
    graph_destroy(&graph);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_convolution), cmocka_unit_test(test_old_convolution),
        cmocka_unit_test(test_batch_norm),  cmocka_unit_test(test_activations),
        cmocka_unit_test(test_pooling),     cmocka_unit_test(test_head),
        cmocka_unit_test(test_view),        cmocka_unit_test(test_branches),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
