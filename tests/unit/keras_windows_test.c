/*
 * Layers of Keras that slide windows, against their definition on pictures with the channels last:
 * output (y, x, o) = sum over the window of input (y * stride + k * dilation - pad, ..., c) *
 * weight.
 */
#include "support/keras_case.h"
#include "support/loader_check.h"
#include "support/networks.h"
#include "support/numbers.h"
#include "support/onnx_builder.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define HEIGHT   7
#define WIDTH    9
#define CHANNELS 2
#define INPUTS   (HEIGHT * WIDTH * CHANNELS)

/* A layer's window along one axis; TensorFlow's "same" puts the odd cell of padding at the end. */
struct side {
    int size, kernel, stride, dilation, outputs, pad;
};

static struct side make_side(int size, int kernel, int stride, int dilation, bool same)
{
    struct side side = {size, kernel, stride, dilation, 0, 0};
    int span = dilation * (kernel - 1) + 1;

    if (same) {
        int total;

        side.outputs = (size + stride - 1) / stride;
        total = (side.outputs - 1) * stride + span - size;
        side.pad = total > 0 ? total / 2 : 0;
    } else {
        side.outputs = (size - span) / stride + 1;
    }
    return side;
}

/* Input (y, x, c), 0 outside; *inside tells. */
static double cell(const float *input, int channels, int y, int x, int c, bool *inside)
{
    *inside = y >= 0 && y < HEIGHT && x >= 0 && x < WIDTH;
    return *inside ? (double)input[(y * WIDTH + x) * channels + c] : 0;
}

/* weights[ky][kx][c][o] of `outs` outputs in groups; bias NULL: none. Channels last in and out. */
static double *convolve(const float *input, struct side rows, struct side columns, int outs,
                        int groups, const float *weights, const float *bias)
{
    int ins = CHANNELS / groups;
    double *output =
        calloc((size_t)rows.outputs * (size_t)columns.outputs * (size_t)outs, sizeof(*output));

    assert_non_null(output);
    for (int i = 0; i < rows.outputs * columns.outputs * outs; i++) {
        int o = i % outs, x = i / outs % columns.outputs, y = i / outs / columns.outputs;
        int first = o / (outs / groups) * ins;

        output[i] = bias ? (double)bias[o] : 0;
        for (int k = 0; k < rows.kernel * columns.kernel * ins; k++) {
            int c = k % ins, kx = k / ins % columns.kernel, ky = k / ins / columns.kernel;
            bool inside;

            output[i] +=
                (double)weights[k * outs + o] *
                cell(input, CHANNELS, y * rows.stride + ky * rows.dilation - rows.pad,
                     x * columns.stride + kx * columns.dilation - columns.pad, first + c, &inside);
        }
    }
    return output;
}

static void fill(float *values, int count)
{
    random_fill(values, (size_t)count, -1, 1);
}

/* ---- Convolutions --------------------------------------------------------------------------- */

static void test_convolution(void **state)
{
    (void)state;
    for (int i = 0; i < 48; i++) {
        int strides[2] = {1 + i % 3, 1 + i / 3 % 2}, dilation = strides[0] == 1 ? 1 + i / 6 % 2 : 1;
        bool same = i & 1, bias = i & 2;
        int groups = i & 4 ? 2 : 1;
        struct side rows = make_side(HEIGHT, 3, strides[0], dilation, same);
        struct side columns = make_side(WIDTH, 2, strides[1], dilation, same);
        const float *weights, *biases = NULL;
        struct keras_builder b;
        float input[INPUTS];
        double *expected;
        char config[400];

        fill(input, INPUTS);
        keras_builder_begin(&b, "2.4.0");
        b.variable = i & 8;
        keras_builder_input(&b, "[null, 7, 9, 2]");
        snprintf(config, sizeof(config),
                 "\"filters\": 4, \"kernel_size\": [3, 2], \"strides\": [%d, %d], "
                 "\"dilation_rate\": [%d, %d], \"padding\": \"%s\", \"use_bias\": %s, \"groups\": "
                 "%d, \"data_format\": \"channels_last\", \"activation\": \"linear\"",
                 strides[0], strides[1], dilation, dilation, same ? "same" : "valid",
                 bias ? "true" : "false", groups);
        keras_builder_layer(&b, "Conv2D", "conv", config);
        weights = keras_builder_weight(&b, "conv", "conv_7/kernel:0",
                                       NUMBERS(3, 2, CHANNELS / groups, 4), NULL);
        if (bias)
            biases = keras_builder_weight(&b, "conv", "conv_7/bias:0", NUMBERS(4), NULL);
        expected = convolve(input, rows, columns, 4, groups, weights, biases);
        keras_case_check(&b, input, INPUTS, expected, (size_t)(rows.outputs * columns.outputs * 4));
        free(expected);
    }
}

/*
 * Conv2DTranspose by what it is the gradient of: a convolution from its output's size to its
 * input's. Input cell (y, x) adds its window to the output from (y * stride - pad) on, where pad is
 * what that convolution begins with.
 */
static void test_transposed_convolution(void **state)
{
    static const struct {
        int kernel, stride, extra; /* extra -1: none is given */
        bool same;
        int rows, columns, pad; /* worked out from Keras' formulas for 7 x 9 */
    } cases[] = {
        {3, 1, -1, false, 9, 11, 0}, {3, 1, -1, true, 7, 9, 1},   {3, 2, -1, false, 15, 19, 0},
        {3, 2, -1, true, 14, 18, 0}, {4, 2, -1, true, 14, 18, 1}, {2, 3, -1, false, 21, 27, 0},
        {2, 3, -1, true, 21, 27, 0}, {3, 2, 1, true, 14, 18, 0},  {3, 2, 0, true, 13, 17, 1},
        {3, 2, 1, false, 16, 20, 0}, {5, 2, 1, true, 14, 18, 1}};

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        int k = cases[i].kernel, rows = cases[i].rows, columns = cases[i].columns;
        const float *weights, *bias;
        struct keras_builder b;
        float input[INPUTS];
        double *expected = calloc((size_t)rows * (size_t)columns * 3, sizeof(*expected));
        char config[300], padding[60] = "";

        assert_non_null(expected);
        fill(input, INPUTS);
        keras_builder_begin(&b, "2.4.0");
        keras_builder_input(&b, "[null, 7, 9, 2]");
        if (cases[i].extra >= 0)
            snprintf(padding, sizeof(padding), ", \"output_padding\": [%d, %d]", cases[i].extra,
                     cases[i].extra);
        snprintf(config, sizeof(config),
                 "\"filters\": 3, \"kernel_size\": [%d, %d], \"strides\": [%d, %d], "
                 "\"padding\": \"%s\"%s",
                 k, k, cases[i].stride, cases[i].stride, cases[i].same ? "same" : "valid", padding);
        keras_builder_layer(&b, "Conv2DTranspose", "up", config);
        weights = keras_builder_weight(&b, "up", "up/kernel:0", NUMBERS(k, k, 3, CHANNELS), NULL);
        bias = keras_builder_weight(&b, "up", "up/bias:0", NUMBERS(3), NULL);
        for (int j = 0; j < rows * columns * 3; j++)
            expected[j] = (double)bias[j % 3];
        for (int j = 0; j < INPUTS * k * k * 3; j++) {
            int o = j % 3, c = j / 3 % CHANNELS, kx = j / 3 / CHANNELS % k;
            int ky = j / 3 / CHANNELS / k % k, cell = j / 3 / CHANNELS / k / k;
            int y = cell / WIDTH * cases[i].stride - cases[i].pad + ky;
            int x = cell % WIDTH * cases[i].stride - cases[i].pad + kx;

            if (y >= 0 && y < rows && x >= 0 && x < columns)
                expected[(y * columns + x) * 3 + o] +=
                    (double)weights[((ky * k + kx) * 3 + o) * CHANNELS + c] *
                    (double)input[cell * CHANNELS + c];
        }
        keras_case_check(&b, input, INPUTS, expected, (size_t)(rows * columns * 3));
        free(expected);
    }
}

/* The same weights in all the orders that files have them in. */
enum order { ORDER_KERAS_1, ORDER_THEANO, ORDER_THEANO_UNNAMED, ORDER_FIRST, ORDER_COUNT };

static void test_channels_first(void **state)
{
    (void)state;
    for (enum order order = 0; order < ORDER_COUNT; order++) {
        struct side rows = make_side(HEIGHT, 3, 1, 1, true),
                    columns = make_side(WIDTH, 2, 2, 1, true);
        bool first = order != ORDER_FIRST, flip = first && order != ORDER_KERAS_1;
        float weights[3 * 2 * CHANNELS * 3], turned[3 * 2 * CHANNELS * 3];
        float input[INPUTS], input_first[INPUTS], bias[3];
        double *expected, expected_first[HEIGHT * 5 * 3];
        struct keras_builder b;
        struct graph *graph;

        fill(input, INPUTS);
        fill(weights, 3 * 2 * CHANNELS * 3);
        fill(bias, 3);
        for (int i = 0; i < INPUTS; i++)
            input_first[i % CHANNELS * HEIGHT * WIDTH + i / CHANNELS] = input[i];
        expected = convolve(input, rows, columns, 3, 1, weights, bias);
        assert_int_equal(rows.outputs * columns.outputs, HEIGHT * 5);
        for (int i = 0; i < HEIGHT * 5 * 3; i++)
            expected_first[i % 3 * HEIGHT * 5 + i / 3] = expected[i];
        for (int i = 0; i < 3 * 2 * CHANNELS * 3; i++) {
            int o = i % 3, c = i / 3 % CHANNELS, k = i / 3 / CHANNELS;
            int at = flip ? 5 - k : k;

            turned[first ? (o * CHANNELS + c) * 6 + at : (at * CHANNELS + c) * 3 + o] = weights[i];
        }
        keras_builder_begin(&b, first ? "1.2.0" : "2.1.0");
        b.backend = order == ORDER_THEANO ? "theano" : first ? NULL : "tensorflow";
        keras_builder_input(&b, "[null, 2, 7, 9]");
        keras_builder_layer(&b, first ? "Convolution2D" : "Conv2D", "conv",
                            first
                                ? "\"nb_filter\": 3, \"nb_row\": 3, \"nb_col\": 2, \"subsample\": "
                                  "[1, 2], \"border_mode\": \"same\", \"dim_ordering\": \"th\", "
                                  "\"bias\": true"
                                : "\"filters\": 3, \"kernel_size\": [3, 2], \"strides\": [1, 2], "
                                  "\"padding\": \"same\", \"data_format\": \"channels_first\"");
        if (first)
            keras_builder_weight(&b, "conv", order == ORDER_KERAS_1 ? "conv_W:0" : "conv_W",
                                 NUMBERS(3, CHANNELS, 3, 2), turned);
        else
            keras_builder_weight(&b, "conv", "conv/kernel:0", NUMBERS(3, 2, CHANNELS, 3), turned);
        keras_builder_weight(&b, "conv", order == ORDER_KERAS_1 || !first ? "conv_b:0" : "conv_b",
                             NUMBERS(3), bias);
        graph = keras_case_good(&b);
        assert_int_equal(graph->guess != NULL, order == ORDER_THEANO_UNNAMED);
        keras_case_run(graph, input_first, INPUTS, expected_first, HEIGHT * 5 * 3);
        graph_destroy(&graph);
        free(expected);
    }
}

static void test_depthwise(void **state)
{
    (void)state;
    for (int multiplier = 1; multiplier <= 2; multiplier++) {
        struct side rows = make_side(HEIGHT, 3, 2, 1, true),
                    columns = make_side(WIDTH, 3, 2, 1, true);
        int outs = CHANNELS * multiplier, cells = rows.outputs * columns.outputs;
        float grouped[9 * CHANNELS * 2], input[INPUTS];
        const float *weights;
        struct keras_builder b;
        double *expected;
        char config[300];

        fill(input, INPUTS);
        keras_builder_begin(&b, "2.4.0");
        keras_builder_input(&b, "[null, 7, 9, 2]");
        snprintf(config, sizeof(config),
                 "\"kernel_size\": 3, \"strides\": [2, 2], \"padding\": \"same\", "
                 "\"depth_multiplier\": %d, \"use_bias\": false",
                 multiplier);
        keras_builder_layer(&b, "DepthwiseConv2D", "depth", config);
        weights = keras_builder_weight(&b, "depth", "depthwise_kernel:0",
                                       NUMBERS(3, 3, CHANNELS, multiplier), NULL);
        /* As the kernels of a convolution in as many groups as channels. */
        for (int k = 0; k < 9; k++) {
            for (int o = 0; o < outs; o++)
                grouped[k * outs + o] =
                    weights[(k * CHANNELS + o / multiplier) * multiplier + o % multiplier];
        }
        expected = convolve(input, rows, columns, outs, CHANNELS, grouped, NULL);
        keras_case_check(&b, input, INPUTS, expected, (size_t)(cells * outs));
        free(expected);
    }
}

static void test_separable(void **state)
{
    struct side rows = make_side(HEIGHT, 2, 1, 1, false),
                columns = make_side(WIDTH, 3, 1, 1, false);
    int cells = rows.outputs * columns.outputs;
    const float *depth, *point, *bias;
    float input[INPUTS];
    double *middle, *expected;
    struct keras_builder b;

    (void)state;
    fill(input, INPUTS);
    keras_builder_begin(&b, "2.0.0");
    keras_builder_input(&b, "[null, 7, 9, 2]");
    keras_builder_layer(&b, "SeparableConv2D", "sep",
                        "\"filters\": 3, \"kernel_size\": [2, 3], \"activation\": \"relu\"");
    depth = keras_builder_weight(&b, "sep", "d:0", NUMBERS(2, 3, CHANNELS, 1), NULL);
    point = keras_builder_weight(&b, "sep", "p:0", NUMBERS(1, 1, CHANNELS, 3), NULL);
    bias = keras_builder_weight(&b, "sep", "b:0", NUMBERS(3), NULL);
    middle = convolve(input, rows, columns, CHANNELS, CHANNELS, depth, NULL);
    expected = calloc((size_t)cells * 3, sizeof(*expected));
    assert_non_null(expected);
    for (int i = 0; i < cells * 3; i++) {
        expected[i] = (double)bias[i % 3];
        for (int c = 0; c < CHANNELS; c++)
            expected[i] += middle[i / 3 * CHANNELS + c] * (double)point[c * 3 + i % 3];
        expected[i] = fmax(expected[i], 0);
    }
    keras_case_check(&b, input, INPUTS, expected, (size_t)cells * 3);
    free(middle);
    free(expected);
}

/* ---- Pools ---------------------------------------------------------------------------------- */

static void check_pool(bool average, const char *class_name, const char *config, struct side rows,
                       struct side columns)
{
    int count = rows.outputs * columns.outputs * CHANNELS;
    double expected[INPUTS];
    float input[INPUTS];
    struct keras_builder b;

    fill(input, INPUTS);
    for (int i = 0; i < count; i++) {
        int c = i % CHANNELS, x = i / CHANNELS % columns.outputs,
            y = i / CHANNELS / columns.outputs;
        double sum = 0, most = -INFINITY;
        int cells = 0;

        for (int k = 0; k < rows.kernel * columns.kernel; k++) {
            bool inside;
            double value = cell(input, CHANNELS, y * rows.stride + k / columns.kernel - rows.pad,
                                x * columns.stride + k % columns.kernel - columns.pad, c, &inside);

            if (!inside)
                continue;
            sum += value;
            most = fmax(most, value);
            cells++;
        }
        expected[i] = average ? sum / cells : most;
    }
    keras_builder_begin(&b, "2.1.6");
    keras_builder_input(&b, "[null, 7, 9, 2]");
    keras_builder_layer(&b, class_name, "pool", config);
    keras_case_check(&b, input, INPUTS, expected, (size_t)count);
}

static void test_pools(void **state)
{
    static const char *const names[] = {"MaxPooling2D", "AveragePooling2D"};

    (void)state;
    for (int average = 0; average < 2; average++) {
        check_pool(average, names[average],
                   "\"pool_size\": [3, 2], \"strides\": [2, 3], \"padding\": \"same\"",
                   make_side(HEIGHT, 3, 2, 1, true), make_side(WIDTH, 2, 3, 1, true));
        /* Overlapping; without strides; fractions, which Keras cuts; Keras 1's names. */
        check_pool(average, names[average], "\"pool_size\": [3, 3], \"strides\": [1, 1]",
                   make_side(HEIGHT, 3, 1, 1, false), make_side(WIDTH, 3, 1, 1, false));
        check_pool(average, names[average], "\"pool_size\": [2, 4], \"strides\": null",
                   make_side(HEIGHT, 2, 2, 1, false), make_side(WIDTH, 4, 4, 1, false));
        check_pool(average, names[average], "\"pool_size\": [2.75, 3.0], \"strides\": [2.75, 3.5]",
                   make_side(HEIGHT, 2, 2, 1, false), make_side(WIDTH, 3, 3, 1, false));
        check_pool(average, names[average],
                   "\"pool_size\": 2, \"strides\": 2, \"border_mode\": \"same\", "
                   "\"dim_ordering\": \"tf\"",
                   make_side(HEIGHT, 2, 2, 1, true), make_side(WIDTH, 2, 2, 1, true));
    }
}

static void test_global_pools(void **state)
{
    (void)state;
    for (int i = 0; i < 4; i++) {
        double expected[CHANNELS] = {0};
        float input[INPUTS];
        struct keras_builder b;
        struct graph *graph;
        bool most = i & 1, kept = i & 2;

        fill(input, INPUTS);
        for (int c = 0; c < CHANNELS && most; c++)
            expected[c] = -INFINITY;
        for (int j = 0; j < INPUTS; j++) {
            double *sum = &expected[j % CHANNELS];

            *sum = most ? fmax(*sum, (double)input[j]) : *sum + (double)input[j] / (HEIGHT * WIDTH);
        }
        keras_builder_begin(&b, "2.8.0");
        keras_builder_input(&b, "[null, 7, 9, 2]");
        keras_builder_layer(&b, most ? "GlobalMaxPooling2D" : "GlobalAveragePooling2D", "pool",
                            kept ? "\"keepdims\": true" : "");
        graph = keras_case_good(&b);
        check_shape(graph, graph->outputs[0], kept ? "1x1x1x2" : "1x2");
        keras_case_run(graph, input, INPUTS, expected, CHANNELS);
        graph_destroy(&graph);
    }
}

/* ---- Larger and smaller --------------------------------------------------------------------- */

/* Output (y, x, c) is input (y - top, x - left, c). */
static void check_borders(const char *class_name, const char *config, int top, int left, int height,
                          int width)
{
    double expected[(HEIGHT + 6) * (WIDTH + 6) * CHANNELS];
    float input[INPUTS];
    struct keras_builder b;

    fill(input, INPUTS);
    for (int i = 0; i < height * width * CHANNELS; i++) {
        bool inside;

        expected[i] = cell(input, CHANNELS, i / CHANNELS / width - top, i / CHANNELS % width - left,
                           i % CHANNELS, &inside);
    }
    keras_builder_begin(&b, "2.1.6");
    keras_builder_input(&b, "[null, 7, 9, 2]");
    keras_builder_layer(&b, class_name, "border", config);
    keras_case_check(&b, input, INPUTS, expected, (size_t)(height * width * CHANNELS));
}

static void test_borders(void **state)
{
    (void)state;
    check_borders("Cropping2D", "\"cropping\": [[2, 1], [3, 0]]", -2, -3, 4, 6);
    check_borders("Cropping2D", "\"cropping\": [1, 2]", -1, -2, 5, 5);
    check_borders("Cropping2D", "\"cropping\": 2", -2, -2, 3, 5);
    check_borders("Cropping2D", "", 0, 0, 7, 9);
    check_borders("ZeroPadding2D", "\"padding\": [[1, 2], [0, 3]]", 1, 0, 10, 12);
    check_borders("ZeroPadding2D", "\"padding\": [2, 1]", 2, 1, 11, 11);
    check_borders("ZeroPadding2D", "\"padding\": [1, 2, 0, 3]", 1, 0, 10, 12);
    check_borders("ZeroPadding2D",
                  "\"padding\": {\"top_pad\": 1, \"bottom_pad\": 2, \"left_pad\": 0, "
                  "\"right_pad\": 3}",
                  1, 0, 10, 12);
    check_borders("ZeroPadding2D", "", 1, 1, 9, 11);
}

static void test_upsampling(void **state)
{
    double expected[INPUTS * 6];
    float input[INPUTS];
    struct keras_builder b;

    (void)state;
    fill(input, INPUTS);
    for (int i = 0; i < INPUTS * 6; i++) {
        int c = i % CHANNELS, x = i / CHANNELS % (WIDTH * 3), y = i / CHANNELS / (WIDTH * 3);

        expected[i] = (double)input[(y / 2 * WIDTH + x / 3) * CHANNELS + c];
    }
    keras_builder_begin(&b, "2.1.6");
    keras_builder_input(&b, "[null, 7, 9, 2]");
    keras_builder_layer(&b, "UpSampling2D", "up", "\"size\": [2, 3]");
    keras_case_check(&b, input, INPUTS, expected, INPUTS * 6);
}

/* Between the centres of cells, whatever Keras calls it: a row of three becomes one of six. */
static void test_interpolation(void **state)
{
    static const float input[3] = {1, 2, 3};
    static const double six[6] = {1, 1.25, 1.75, 2.25, 2.75, 3}, two[2] = {1.25, 2.75};
    static const double nearest[2] = {1, 3};
    static const struct {
        const char *class_name, *config;
        const double *expected;
        size_t count;
        bool guess; /* on what the file does not say, in files of Keras 2 */
    } cases[] = {
        {"UpSampling2D", "\"size\": [1, 2], \"interpolation\": \"bilinear\"", six, 6, true},
        {"Resizing", "\"height\": 1, \"width\": 6", six, 6, false},
        {"Resizing", "\"height\": 1, \"width\": 2, \"interpolation\": \"bilinear\"", two, 2, false},
        {"Resizing", "\"height\": 1, \"width\": 2, \"interpolation\": \"nearest\"", nearest, 2,
         false}};

    (void)state;
    for (size_t i = 0; i < 2 * sizeof(cases) / sizeof(cases[0]); i++) {
        struct keras_builder b;
        struct graph *graph;

        keras_builder_begin(&b, i % 2 ? "3.4.1" : "2.4.0");
        keras_builder_input(&b, "[null, 1, 3, 1]");
        keras_builder_layer(&b, cases[i / 2].class_name, "larger", cases[i / 2].config);
        graph = keras_case_good(&b);
        keras_case_run(graph, input, 3, cases[i / 2].expected, cases[i / 2].count);
        if (i % 2 == 0 && cases[i / 2].guess)
            assert_string_equal(graph->guess, "layer 'larger' interpolates as TensorFlow 2 does, "
                                              "between centres of cells");
        else
            assert_null(graph->guess);
        graph_destroy(&graph);
    }
}

static void test_refusals(void **state)
{
    static const struct {
        const char *class_name, *config, *message;
    } cases[] = {
        {"Conv2D", "\"filters\": 0, \"kernel_size\": 3", "0 filters"},
        {"Conv2D", "\"filters\": 2, \"kernel_size\": 0", "kernel 0"},
        {"Conv2D", "\"filters\": 2, \"kernel_size\": 3, \"strides\": [0, 1]", "stride 0"},
        {"Conv2D", "\"filters\": 2, \"kernel_size\": \"three\"", "kernel_size"},
        {"Conv2D", "\"filters\": 2, \"kernel_size\": 3, \"padding\": \"full\"", "padding 'full'"},
        {"Conv2D", "\"filters\": 2, \"kernel_size\": 3",
         "layer 'x' (Conv2D): the file has no weights"},
        {"MaxPooling2D", "\"pool_size\": [9, 9]", "does not fit"},
        {"Cropping2D", "\"cropping\": [[4, 3], [0, 0]]", "leaves nothing"},
        {"Cropping2D", "\"cropping\": [[-1, 3], [0, 0]]", "makes no sense"},
        {"Cropping2D", "\"cropping\": \"all\"", "makes no sense"},
        {"UpSampling2D", "\"size\": [2, 2], \"interpolation\": \"bicubic\"",
         "interpolation 'bicubic' is not supported, only nearest and bilinear"},
        {"UpSampling2D", "\"size\": \"big\"", "its size is no pair of numbers"},
        {"UpSampling2D", "\"size\": [10000, 2], \"interpolation\": \"bilinear\"",
         "a factor of 10000 on 7 cells"},
        {"Resizing", "\"height\": 4", "a size of 4 x 0"},
        {"Resizing", "\"height\": 4, \"width\": 4, \"crop_to_aspect_ratio\": true",
         "crop_to_aspect_ratio is not supported"},
        {"Resizing", "\"height\": 4, \"width\": 4, \"interpolation\": \"area\"",
         "interpolation 'area'"},
        {"Conv2DTranspose", "\"filters\": 2, \"kernel_size\": 3",
         "layer 'x' (Conv2DTranspose): the file has no weights"},
        {"Conv2DTranspose", "\"filters\": 0, \"kernel_size\": 3", "0 filters"},
        {"UpSampling2D", "\"size\": [1000, 2]", "a factor of 1000"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct keras_builder b;

        keras_builder_begin(&b, "2.1.6");
        keras_builder_input(&b, "[null, 7, 9, 2]");
        keras_builder_layer(&b, cases[i].class_name, "x", cases[i].config);
        keras_case_refused(&b, cases[i].message);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_convolution, random_setup),
        cmocka_unit_test_setup(test_transposed_convolution, random_setup),
        cmocka_unit_test_setup(test_channels_first, random_setup),
        cmocka_unit_test_setup(test_depthwise, random_setup),
        cmocka_unit_test_setup(test_separable, random_setup),
        cmocka_unit_test_setup(test_pools, random_setup),
        cmocka_unit_test_setup(test_global_pools, random_setup),
        cmocka_unit_test_setup(test_borders, random_setup),
        cmocka_unit_test_setup(test_upsampling, random_setup),
        cmocka_unit_test(test_interpolation),
        cmocka_unit_test(test_refusals),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
