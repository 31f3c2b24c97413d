#include "base/file.h"
#include "formats/formats.h"
#include "support/loader_check.h"
#include "support/torch7_builder.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define EXTENTS(...)  ((const int64_t[]){__VA_ARGS__})
#define ELEMENTS(...) ((const double[]){__VA_ARGS__})

static const struct model_hints hints_8x6 = {.input_width = 8, .input_height = 6};

/* Opens "nn.Sequential" up to its table of modules; end_network closes it. */
static void begin_network(struct torch7_builder_file *file)
{
    *file = (struct torch7_builder_file){0};
    torch7_begin_object(file, "nn.Sequential");
    torch7_key(file, "modules");
    torch7_begin_table(file);
}

static void end_network(struct torch7_builder_file *file)
{
    torch7_end(file);
    torch7_end(file);
}

static void begin_module(struct torch7_builder_file *file, int position, const char *class_name)
{
    torch7_position(file, position);
    torch7_begin_object(file, class_name);
}

/* Two channels to three, kernel 3 high and 2 wide, with all that is needed. */
static void put_convolution(struct torch7_builder_file *file, int position, const char *class_name)
{
    begin_module(file, position, class_name);
    torch7_set(file, "nInputPlane", 2);
    torch7_set(file, "nOutputPlane", 3);
    torch7_set(file, "kH", 3);
    torch7_set(file, "kW", 2);
    torch7_set(file, "dH", 2);
    torch7_set(file, "dW", 1);
    torch7_set(file, "padH", 1);
    torch7_set(file, "padW", 0);
    torch7_key(file, "weight");
    torch7_put_tensor(file, "torch.FloatTensor", 4, EXTENTS(3, 2, 3, 2), NULL);
    torch7_key(file, "bias");
    torch7_put_tensor(file, "torch.DoubleTensor", 1, EXTENTS(3), ELEMENTS(0.5, 1.5, 2.5));
    torch7_end(file);
}

static int load(struct torch7_builder_file *file, const struct model_hints *hints,
                struct graph **graph, VbpError *error)
{
    int result;

    save_seed("torch7", file->bytes, file->length);
    result = torch7_load(file->bytes, file->length, hints, graph, error);
    torch7_builder_free(file);
    return result;
}

static struct graph *load_good(struct torch7_builder_file *file, const struct model_hints *hints)
{
    struct graph *graph;
    VbpError error = {0};

    if (load(file, hints, &graph, &error) != VBP_OK)
        fail_msg("%s", error.message);
    return graph;
}

static void check_refused(struct torch7_builder_file *file, const struct model_hints *hints,
                          int status, const char *message)
{
    struct graph *graph;
    VbpError error = {0};

    assert_int_equal(load(file, hints, &graph, &error), status);
    assert_string_equal(error.message, message);
    assert_null(graph);
}

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

        begin_network(&file);
        put_convolution(&file, 1, classes[i]);
        end_network(&file);
        graph = load_good(&file, &hints_8x6);
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
    begin_network(&file);
    begin_module(&file, 1, "cudnn.SpatialConvolution");
    torch7_set(&file, "nInputPlane", 4);
    torch7_set(&file, "nOutputPlane", 2);
    torch7_set(&file, "groups", 2);
    torch7_set(&file, "kH", 1);
    torch7_set(&file, "kW", 3);
    torch7_set(&file, "padding", 1);
    torch7_key(&file, "weight");
    torch7_put_tensor(&file, "torch.CudaTensor", 2, EXTENTS(2, 6), NULL);
    torch7_end(&file);
    end_network(&file);
    graph = load_good(&file, &hints_8x6);
    node = &graph->nodes[0];
    assert_int_equal(node->input_count, 2);
    assert_int_equal(node->convolution.groups, 2);
    check_shape(graph, node->inputs[1], "2x2x1x3");
    check_shape(graph, node->output, "1x2x8x8");
    graph_destroy(&graph);
}

static void put_batch_norm(struct torch7_builder_file *file, int position, const char *spread,
                           double a, double b, int affine)
{
    begin_module(file, position, "cudnn.SpatialBatchNormalization");
    torch7_set(file, "eps", 0.25);
    torch7_key(file, "running_mean");
    torch7_put_tensor(file, "torch.FloatTensor", 1, EXTENTS(2), ELEMENTS(7, 8));
    torch7_key(file, spread);
    torch7_put_tensor(file, "torch.FloatTensor", 1, EXTENTS(2), ELEMENTS(a, b));
    if (affine) {
        torch7_key(file, "weight");
        torch7_put_tensor(file, "torch.FloatTensor", 1, EXTENTS(2), ELEMENTS(3, 4));
        torch7_key(file, "bias");
        torch7_put_tensor(file, "torch.FloatTensor", 1, EXTENTS(2), ELEMENTS(5, 6));
    }
    torch7_end(file);
}

static void test_batch_norm(void **state)
{
    struct torch7_builder_file file;
    struct graph *graph;

    (void)state;
    begin_network(&file);
    put_batch_norm(&file, 1, "running_var", 16, 25, 1);
    put_batch_norm(&file, 2, "running_std", 0.5, 0.25, 0);
    end_network(&file);
    graph = load_good(&file, &hints_8x6);
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

    begin_network(&file);
    put_batch_norm(&file, 1, "running_std", 0.5, 0, 0);
    end_network(&file);
    check_refused(&file, &hints_8x6, VBP_ERROR_FORMAT,
                  "module 1 'cudnn.SpatialBatchNormalization' has running_std of 0");
    begin_network(&file);
    put_batch_norm(&file, 1, "running_sigma", 0.5, 0, 0);
    end_network(&file);
    check_refused(&file, &hints_8x6, VBP_ERROR_FORMAT,
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

        begin_network(&file);
        put_convolution(&file, 1, "nn.SpatialConvolution");
        begin_module(&file, 2, cases[i].class_name);
        torch7_set(&file, cases[i].key, cases[i].value);
        torch7_end(&file);
        end_network(&file);
        graph = load_good(&file, &hints_8x6);
        assert_int_equal(graph->nodes[1].kind, NODE_ACTIVATION);
        assert_int_equal(graph->nodes[1].activation.function, cases[i].function);
        assert_true(graph->nodes[1].activation.alpha == cases[i].alpha);
        assert_true(graph->nodes[1].activation.beta == cases[i].beta);
        graph_destroy(&graph);
    }
    begin_network(&file);
    put_convolution(&file, 1, "nn.SpatialConvolution");
    begin_module(&file, 2, "nn.Threshold");
    torch7_set(&file, "threshold", 1);
    torch7_end(&file);
    end_network(&file);
    check_refused(&file, &hints_8x6, VBP_ERROR_UNSUPPORTED,
                  "module 2 'nn.Threshold' has a threshold other than 0");
}

static void test_pooling(void **state)
{
    struct torch7_builder_file file;
    struct graph *graph;

    (void)state;
    begin_network(&file);
    put_convolution(&file, 1, "nn.SpatialConvolution"); /* 3 x 7 */
    begin_module(&file, 2, "nn.SpatialMaxPooling");
    torch7_set(&file, "kH", 2);
    torch7_set(&file, "kW", 2);
    torch7_set(&file, "dH", 1);
    torch7_set(&file, "dW", 2);
    torch7_key(&file, "ceil_mode");
    torch7_put_boolean(&file, 1);
    torch7_end(&file);
    begin_module(&file, 3, "cudnn.SpatialAveragePooling");
    torch7_set(&file, "kH", 2);
    torch7_set(&file, "kW", 3);
    torch7_set(&file, "dH", 1);
    torch7_set(&file, "dW", 1);
    torch7_set(&file, "padW", 1);
    torch7_key(&file, "count_include_pad");
    torch7_put_boolean(&file, 0);
    torch7_end(&file);
    end_network(&file);
    graph = load_good(&file, &hints_8x6);
    assert_int_equal(graph->nodes[1].kind, NODE_MAX_POOL);
    assert_true(graph->nodes[1].pool.ceiling);
    check_shape(graph, graph->nodes[1].output, "1x3x2x4");
    assert_int_equal(graph->nodes[2].kind, NODE_AVERAGE_POOL);
    assert_false(graph->nodes[2].pool.ceiling);
    assert_false(graph->nodes[2].pool.include_padding);
    check_shape(graph, graph->nodes[2].output, "1x3x1x4");
    graph_destroy(&graph);
}

static void put_linear(struct torch7_builder_file *file, int position, int64_t outputs,
                       int64_t inputs)
{
    begin_module(file, position, "nn.Linear");
    torch7_key(file, "weight");
    torch7_put_tensor(file, "torch.FloatTensor", 2, EXTENTS(outputs, inputs), NULL);
    torch7_key(file, "bias");
    torch7_put_tensor(file, "torch.FloatTensor", 1, EXTENTS(outputs), NULL);
    torch7_end(file);
}

static void test_head(void **state)
{
    static const int64_t sizes[3][2] = {{63, 0}, {-1, 0}, {1, 63}};
    struct torch7_builder_file file;

    (void)state;
    for (int i = 0; i < 3; i++) {
        struct graph *graph;

        begin_network(&file);
        put_convolution(&file, 1, "nn.SpatialConvolution"); /* 3 x 3 x 7 */
        begin_module(&file, 2, i == 1 ? "nn.Reshape" : "nn.View");
        torch7_key(&file, "size");
        torch7_put_longs(&file, i == 2 ? 2 : 1, sizes[i]);
        torch7_end(&file);
        begin_module(&file, 3, "nn.Dropout");
        torch7_set(&file, "p", 0.25);
        torch7_key(&file, "v2");
        torch7_put_boolean(&file, 1);
        torch7_end(&file);
        put_linear(&file, 4, 5, 63);
        begin_module(&file, 5, "nn.Dropout"); /* of the first version */
        torch7_set(&file, "p", 0.25);
        torch7_end(&file);
        begin_module(&file, 6, "nn.MulConstant");
        torch7_set(&file, "constant_scalar", 3);
        torch7_end(&file);
        end_network(&file);
        graph = load_good(&file, &hints_8x6);
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

        begin_network(&file);
        put_convolution(&file, 1, "nn.SpatialConvolution"); /* 3 x 3 x 7 */
        begin_module(&file, 2, "nn.View");
        torch7_key(&file, "size");
        torch7_put_longs(&file, cases[i].count, cases[i].sizes);
        torch7_end(&file);
        end_network(&file);
        if (!cases[i].shape) {
            check_refused(&file, &hints_8x6, VBP_ERROR_FORMAT,
                          "node 1 (nn.View '2 View'): 1x62 does not hold as many elements as "
                          "1x3x3x7");
            continue;
        }
        graph = load_good(&file, &hints_8x6);
        check_shape(graph, graph->outputs[0], cases[i].shape);
        graph_destroy(&graph);
    }
}

static void put_branches(struct torch7_builder_file *file, int position, const char *class_name,
                         double dimension)
{
    begin_module(file, position, class_name);
    if (dimension > 0)
        torch7_set(file, "dimension", dimension);
    torch7_key(file, "modules");
    torch7_begin_table(file);
    begin_module(file, 2, "nn.Tanh"); /* out of order, as Lua's tables come */
    torch7_end(file);
    begin_module(file, 1, "nn.ReLU");
    torch7_end(file);
    torch7_end(file);
    torch7_end(file);
}

static void test_branches(void **state)
{
    struct torch7_builder_file file;
    struct graph *graph;

    (void)state;
    begin_network(&file);
    put_convolution(&file, 1, "nn.SpatialConvolution");
    put_branches(&file, 2, "nn.ConcatTable", 0);
    begin_module(&file, 3, "nn.CAddTable");
    torch7_end(&file);
    put_branches(&file, 4, "nn.Concat", 2);
    put_branches(&file, 5, "nn.ConcatTable", 0);
    begin_module(&file, 6, "nn.JoinTable");
    torch7_set(&file, "dimension", 2);
    torch7_set(&file, "nInputDims", 3);
    torch7_end(&file);
    end_network(&file);
    graph = load_good(&file, &hints_8x6);
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

/* ---- Input ---------------------------------------------------------------------------------- */

static void put_sized_module(struct torch7_builder_file *file, int position)
{
    begin_module(file, position, "cudnn.ReLU");
    torch7_key(file, "iSize");
    torch7_put_longs(file, 4, EXTENTS(16, 2, 9, 10));
    torch7_end(file);
}

static void test_input_size(void **state)
{
    static const char message[] =
        "the file does not record its input size; say it in the card (input.size)";
    struct torch7_builder_file file;
    struct graph *graph;

    (void)state;
    begin_network(&file);
    put_sized_module(&file, 1);
    put_convolution(&file, 2, "nn.SpatialConvolution");
    end_network(&file);
    graph = load_good(&file, NULL);
    check_shape(graph, graph->input, "1x2x9x10");
    graph_destroy(&graph);

    /* The hints know better. */
    begin_network(&file);
    put_sized_module(&file, 1);
    put_convolution(&file, 2, "nn.SpatialConvolution");
    end_network(&file);
    graph = load_good(&file, &hints_8x6);
    check_shape(graph, graph->input, "1x2x6x8");
    graph_destroy(&graph);

    /* Behind the convolution the size is another one. */
    begin_network(&file);
    put_convolution(&file, 1, "nn.SpatialConvolution");
    put_sized_module(&file, 2);
    end_network(&file);
    check_refused(&file, NULL, VBP_ERROR_UNSUPPORTED, message);

    begin_network(&file);
    put_linear(&file, 1, 2, 6);
    end_network(&file);
    graph = load_good(&file, NULL);
    check_shape(graph, graph->input, "1x6");
    graph_destroy(&graph);
}

/* ---- Refusals ------------------------------------------------------------------------------- */

static void test_unsupported(void **state)
{
    struct torch7_builder_file file;

    (void)state;
    begin_network(&file);
    put_convolution(&file, 1, "nn.SpatialConvolution");
    torch7_position(&file, 2);
    torch7_begin_object(&file, "nn.Sequential");
    torch7_key(&file, "modules");
    torch7_begin_table(&file);
    begin_module(&file, 1, "nn.ReLU");
    torch7_end(&file);
    begin_module(&file, 2, "nn.LSTM");
    torch7_end(&file);
    torch7_end(&file);
    torch7_end(&file);
    end_network(&file);
    check_refused(&file, &hints_8x6, VBP_ERROR_UNSUPPORTED,
                  "module 2.2 'nn.LSTM' is not supported");

    begin_network(&file);
    put_convolution(&file, 1, "nn.SpatialFullConvolution");
    end_network(&file);
    check_refused(&file, &hints_8x6, VBP_ERROR_UNSUPPORTED,
                  "the file does not record the channels of its input");

    file = (struct torch7_builder_file){0};
    torch7_begin_object(&file, "nn.gModule");
    torch7_end(&file);
    check_refused(&file, &hints_8x6, VBP_ERROR_UNSUPPORTED, "module 'nn.gModule' is not supported");

    file = (struct torch7_builder_file){0};
    torch7_begin_table(&file);
    torch7_set(&file, "epoch", 3);
    torch7_key(&file, "model");
    torch7_put_string(&file, "x");
    torch7_end(&file);
    check_refused(&file, NULL, VBP_ERROR_UNSUPPORTED,
                  "the Torch7 file holds a table (epoch, model), not a network: save the network "
                  "alone");
}

static void test_damaged(void **state)
{
    struct torch7_builder_file file;

    (void)state;
    /* A kernel of 3 x 3 where the weights are for 3 x 2. */
    begin_network(&file);
    begin_module(&file, 1, "nn.SpatialConvolution");
    torch7_set(&file, "nInputPlane", 2);
    torch7_set(&file, "nOutputPlane", 3);
    torch7_set(&file, "kH", 3);
    torch7_set(&file, "kW", 3);
    torch7_key(&file, "weight");
    torch7_put_tensor(&file, "torch.FloatTensor", 4, EXTENTS(3, 2, 3, 2), NULL);
    torch7_end(&file);
    end_network(&file);
    check_refused(&file, &hints_8x6, VBP_ERROR_FORMAT,
                  "module 1 'nn.SpatialConvolution' has 36 elements in weight instead of 54");

    begin_network(&file);
    begin_module(&file, 1, "nn.SpatialConvolution");
    torch7_set(&file, "nInputPlane", 2.5);
    torch7_set(&file, "kH", 3);
    torch7_set(&file, "kW", 3);
    torch7_end(&file);
    end_network(&file);
    check_refused(&file, &hints_8x6, VBP_ERROR_FORMAT,
                  "module 1 'nn.SpatialConvolution' has nInputPlane = 2.5");

    /* A storage that says it has a million elements. */
    file = (struct torch7_builder_file){0};
    torch7_put_int(&file, 4);
    torch7_put_int(&file, 1);
    torch7_put_text(&file, "V 1");
    torch7_put_text(&file, "torch.FloatStorage");
    torch7_put_long(&file, 1000000);
    check_refused(&file, NULL, VBP_ERROR_FORMAT,
                  "a storage that is larger than the file at byte 45 of the Torch7 file");

    /* A table in a table in a table ... */
    file = (struct torch7_builder_file){0};
    for (int i = 0; i < 1000; i++) {
        torch7_put_int(&file, 3);
        torch7_put_int(&file, i + 1);
        torch7_put_int(&file, 1);
    }
    check_refused(&file, NULL, VBP_ERROR_FORMAT,
                  "too many values inside each other at byte 2400 of the Torch7 file");
}

/* A network of two modules, the second of which is the network. */
static void test_cycle(void **state)
{
    struct torch7_builder_file file;
    struct graph *graph;
    VbpError error;

    (void)state;
    begin_network(&file);
    put_convolution(&file, 1, "nn.SpatialConvolution");
    torch7_position(&file, 2);
    torch7_put_int(&file, 4);
    torch7_put_int(&file, 1);
    end_network(&file);
    assert_int_equal(load(&file, &hints_8x6, &graph, &error), VBP_ERROR_FORMAT);

    /* The same with a first module that changes nothing, so that it could go on for ever. */
    begin_network(&file);
    begin_module(&file, 1, "nn.ReLU");
    torch7_key(&file, "iSize");
    torch7_put_longs(&file, 4, EXTENTS(1, 2, 4, 4));
    torch7_end(&file);
    torch7_position(&file, 2);
    torch7_put_int(&file, 4);
    torch7_put_int(&file, 1);
    end_network(&file);
    assert_int_equal(load(&file, &hints_8x6, &graph, &error), VBP_ERROR_UNSUPPORTED);
    assert_non_null(strstr(error.message, "nests too deeply"));
}

/* Elements that are not next to each other, and tensors that reach behind their storage. */
static void test_strides(void **state)
{
    static const struct {
        int64_t size[2], stride[2], offset;
        const char *message; /* NULL: fine */
    } cases[] = {
        {{2, 3}, {1, 2}, 1, NULL}, /* transposed */
        {{2, 3}, {1, 2}, 2, "module 1 'nn.Linear' has a damaged tensor: weight"},
        {{2, 3}, {0, 1}, 1, "module 1 'nn.Linear' has a damaged tensor: weight"},
        {{2, 3}, {-1, 1}, 4, "module 1 'nn.Linear' has a damaged tensor: weight"},
        {{2, 3}, {INT64_MAX, INT64_MAX}, 1, "module 1 'nn.Linear' has a damaged tensor: weight"},
        {{2, 3}, {3, 1}, 0, "module 1 'nn.Linear' has a damaged tensor: weight"},
        {{2, 3}, {3, 1}, INT64_MIN, "module 1 'nn.Linear' has a damaged tensor: weight"},
        {{1, 6}, {INT64_MIN, 1}, 1, NULL}, /* the stride of one row is never used */
    };
    static const float turned[6] = {0, 2, 4, 1, 3, 5};

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct torch7_builder_file file;

        begin_network(&file);
        begin_module(&file, 1, "nn.Linear");
        torch7_key(&file, "weight");
        torch7_put_int(&file, 4);
        torch7_put_int(&file, 50);
        torch7_put_text(&file, "V 1");
        torch7_put_text(&file, "torch.FloatTensor");
        torch7_put_int(&file, 2);
        for (int j = 0; j < 2; j++)
            torch7_put_long(&file, cases[i].size[j]);
        for (int j = 0; j < 2; j++)
            torch7_put_long(&file, cases[i].stride[j]);
        torch7_put_long(&file, cases[i].offset);
        torch7_put_int(&file, 4);
        torch7_put_int(&file, 51);
        torch7_put_text(&file, "V 1");
        torch7_put_text(&file, "torch.IntStorage");
        torch7_put_long(&file, 6);
        for (int j = 0; j < 6; j++)
            torch7_put_int(&file, j);
        for (int j = 0; j < 40; j++)
            torch7_set(&file, "so that the file is long enough for index 51", j);
        torch7_end(&file);
        end_network(&file);
        if (cases[i].message) {
            check_refused(&file, NULL, VBP_ERROR_FORMAT, cases[i].message);
        } else {
            struct graph *graph = load_good(&file, NULL);

            if (cases[i].size[0] == 2)
                check_values(graph, graph->nodes[0].inputs[1], 6, turned);
            graph_destroy(&graph);
        }
    }
}

/* ---- Damage everywhere ---------------------------------------------------------------------- */

static void build_small(struct torch7_builder_file *file)
{
    begin_network(file);
    put_batch_norm(file, 1, "running_std", 0.5, 0.25, 1);
    put_convolution(file, 2, "cudnn.SpatialConvolution");
    put_sized_module(file, 3);
    begin_module(file, 4, "nn.View");
    torch7_key(file, "size");
    torch7_put_longs(file, 1, EXTENTS(63));
    torch7_end(file);
    put_linear(file, 5, 2, 63);
    end_network(file);
}

/* A copy of exactly that length, so that reads behind it are noticed. */
static void load_copy(const unsigned char *bytes, size_t length, bool must_fail)
{
    unsigned char *copy = malloc(length ? length : 1);
    struct graph *graph = NULL;
    VbpError error = {0};
    int result;

    assert_non_null(copy);
    if (length)
        memcpy(copy, bytes, length);
    result = torch7_load(copy, length, &hints_8x6, &graph, &error);
    if (must_fail)
        assert_int_not_equal(result, VBP_OK);
    if (result == VBP_OK)
        assert_non_null(graph);
    else
        assert_true(error.message[0] != 0 && graph == NULL);
    graph_destroy(&graph);
    free(copy);
}

static void test_truncation(void **state)
{
    struct torch7_builder_file file;

    (void)state;
    build_small(&file);
    for (size_t length = 0; length < file.length; length++)
        load_copy(file.bytes, length, true);
    load_copy(file.bytes, file.length, false);
    torch7_builder_free(&file);
}

static void test_bit_flips(void **state)
{
    struct torch7_builder_file file;
    uint32_t random = 12345;

    (void)state;
    build_small(&file);
    for (int i = 0; i < 10000; i++) {
        size_t byte;
        unsigned char mask;

        random = random * 1664525u + 1013904223u;
        byte = (random >> 8) % file.length;
        mask = (unsigned char)(1u << (random & 7));
        file.bytes[byte] ^= mask;
        load_copy(file.bytes, file.length, false);
        file.bytes[byte] ^= mask;
    }
    torch7_builder_free(&file);
}

/* ---- The published network ------------------------------------------------------------------ */

/* The file of 2016 and the same network as ONNX: same shapes, same numbers. */
static void test_nethvf(void **state)
{
    static const char onnx[] = "../shared/data/nethvf/nethvf.onnx",
                      torch[] = "../shared/data/nethvf/model.t7b";
    static const int sizes[10][2] = {{123, 638}, {61, 318}, {59, 316}, {29, 157}, {27, 155},
                                     {13, 77},   {11, 75},  {5, 37},   {3, 35},   {1, 17}};
    struct graph *graphs[2];
    char *card;
    VbpError error;

    (void)state;
    if (!file_exists(onnx) || !file_exists(torch)) {
        print_message("skipped: no ../shared/data\n");
        skip();
    }
    assert_int_equal(model_load(onnx, NULL, &graphs[0], &card, &error), VBP_OK);
    assert_null(card);
    assert_int_equal(model_load(torch, NULL, &graphs[1], &card, &error), VBP_OK);
    assert_null(card);
    assert_string_equal(graphs[0]->format, "ONNX IR 7, opset 13");
    assert_string_equal(graphs[0]->producer, "pytorch 1.13.0");
    assert_int_equal(graphs[0]->node_count, graphs[1]->node_count);
    for (int g = 0; g < 2; g++) {
        check_shape(graphs[g], graphs[g]->input, "1x1x125x640");
        check_shape(graphs[g], graphs[g]->outputs[0], "1x1");
        assert_int_equal(graphs[g]->level_count, 10);
        for (int i = 0; i < 10; i++) {
            const struct tensor *level = &graphs[g]->tensors[graphs[g]->levels[i]];

            assert_int_equal(tensor_height(level), sizes[i][0]);
            assert_int_equal(tensor_width(level), sizes[i][1]);
        }
    }
    for (int i = 0; i < graphs[0]->node_count; i++) {
        const struct node *a = &graphs[0]->nodes[i], *b = &graphs[1]->nodes[i];

        assert_int_equal(a->kind, b->kind);
        assert_int_equal(a->input_count, b->input_count);
        for (int j = 1; j < a->input_count; j++) {
            const struct tensor *x = &graphs[0]->tensors[a->inputs[j]],
                                *y = &graphs[1]->tensors[b->inputs[j]];
            int64_t count = shape_elements(&x->shape);

            assert_true(shape_equal(&x->shape, &y->shape));
            for (int64_t k = 0; k < count; k++) {
                double p = (double)x->values[k], q = (double)y->values[k];

                if (a->kind == NODE_BATCH_NORM && j == 4) {
                    p += (double)a->batch_norm.epsilon;
                    q += (double)b->batch_norm.epsilon;
                    assert_true(fabs(p - q) <= 1e-5 * fabs(p));
                } else {
                    assert_true(p == q);
                }
            }
        }
    }
    graph_destroy(&graphs[0]);
    graph_destroy(&graphs[1]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_convolution), cmocka_unit_test(test_old_convolution),
        cmocka_unit_test(test_batch_norm),  cmocka_unit_test(test_activations),
        cmocka_unit_test(test_pooling),     cmocka_unit_test(test_head),
        cmocka_unit_test(test_view),        cmocka_unit_test(test_branches),
        cmocka_unit_test(test_input_size),  cmocka_unit_test(test_unsupported),
        cmocka_unit_test(test_damaged),     cmocka_unit_test(test_cycle),
        cmocka_unit_test(test_strides),     cmocka_unit_test(test_truncation),
        cmocka_unit_test(test_bit_flips),   cmocka_unit_test(test_nethvf),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
