/* Layers of Keras on single elements, by their formulas. */
#include "support/keras_case.h"
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

/* A picture of 2 x 3 cells and 2 channels, channels last; and a row of 5. */
#define CELLS    6
#define CHANNELS 2
#define INPUTS   12
#define ROW      5

static const float row[ROW] = {-3.5F, -0.4F, 0.1F, 1.25F, 8};

static void check_row(const char *version, const char *class_name, const char *config,
                      double (*formula)(double x))
{
    double expected[ROW];
    struct keras_builder b;

    for (int i = 0; i < ROW; i++)
        expected[i] = formula((double)row[i]);
    keras_builder_begin(&b, version);
    keras_builder_input(&b, "[null, 5]");
    keras_builder_layer(&b, class_name, "layer", config);
    keras_case_check(&b, row, ROW, expected, ROW);
}

/* ---- Activations ---------------------------------------------------------------------------- */

static double linear(double x)
{
    return x;
}

static double relu(double x)
{
    return fmax(x, 0);
}

static double relu6(double x)
{
    return fmin(fmax(x, 0), 6);
}

static double elu(double x)
{
    return x > 0 ? x : exp(x) - 1;
}

static double elu_half(double x)
{
    return x > 0 ? x : 0.5 * (exp(x) - 1);
}

static double selu(double x)
{
    return 1.0507009873554805 * (x > 0 ? x : 1.6732632423543772 * (exp(x) - 1));
}

static double leaky(double x)
{
    return x > 0 ? x : 0.1 * x;
}

static double leaky_by_default(double x)
{
    return x > 0 ? x : 0.3 * x;
}

static double leaky_below_two(double x)
{
    return fmin(leaky(x), 2);
}

static double above_one(double x)
{
    return x > 1 ? x : 0;
}

static double sigmoid(double x)
{
    return 1 / (1 + exp(-x));
}

static double hard_sigmoid(double x)
{
    return fmin(fmax(0.2 * x + 0.5, 0), 1);
}

static double hard_sigmoid_3(double x)
{
    return fmin(fmax(x / 6 + 0.5, 0), 1);
}

static double hard_swish(double x)
{
    return x * hard_sigmoid_3(x);
}

static double mish(double x)
{
    return x * tanh(log1p(exp(x)));
}

static double hard_tanh(double x)
{
    return fmin(fmax(x, -1), 1);
}

static double softplus(double x)
{
    return log(1 + exp(x));
}

static double softsign(double x)
{
    return x / (1 + fabs(x));
}

static double silu(double x)
{
    return x * sigmoid(x);
}

static double gelu(double x)
{
    return 0.5 * x * (1 + erf(x / sqrt(2)));
}

static void test_activations(void **state)
{
    static const struct {
        const char *name;
        double (*formula)(double x);
    } cases[] = {{"linear", linear},
                 {"relu", relu},
                 {"relu6", relu6},
                 {"elu", elu},
                 {"selu", selu},
                 {"sigmoid", sigmoid},
                 {"tanh", tanh},
                 {"softplus", softplus},
                 {"softsign", softsign},
                 {"exponential", exp},
                 {"swish", silu},
                 {"silu", silu},
                 {"gelu", gelu},
                 {"hard_tanh", hard_tanh},
                 {"hard_sigmoid", hard_sigmoid},
                 {"mish", mish},
                 {"hard_swish", hard_swish}};
    char config[100];

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        snprintf(config, sizeof(config), "\"activation\": \"%s\"", cases[i].name);
        check_row("2.4.0", "Activation", config, cases[i].formula);
        snprintf(config, sizeof(config),
                 "\"activation\": {\"class_name\": \"function\", \"config\": \"%s\"}",
                 cases[i].name);
        check_row("2.4.0", "Activation", config, cases[i].formula);
    }
    check_row("3.1.0", "Activation", "\"activation\": \"hard_sigmoid\"", hard_sigmoid_3);
    check_row("3.1.0", "Activation", "\"activation\": \"hard_silu\"", hard_swish);
    check_row("3.1.0", "Activation",
              "\"activation\": {\"class_name\": \"LeakyReLU\", \"config\": {\"negative_slope\": "
              "0.1}}",
              leaky);
}

static void test_activation_layers(void **state)
{
    static const struct {
        const char *class_name, *config;
        double (*formula)(double x);
    } cases[] = {
        {"ELU", "\"alpha\": 1.0", elu},
        {"ELU", "\"alpha\": 0.5", elu_half},
        {"ELU", "\"alpha\": {\"type\": \"ndarray\", \"value\": 0.5}", elu_half},
        {"LeakyReLU", "\"alpha\": 0.1", leaky},
        {"LeakyReLU", "\"negative_slope\": 0.1", leaky},
        {"LeakyReLU", "\"alpha\": {\"class_name\": \"__numpy__\", \"config\": {\"value\": 0.1}}",
         leaky},
        {"LeakyReLU", "", leaky_by_default},
        {"ThresholdedReLU", "\"theta\": 1.0", above_one},
        {"ReLU", "", relu},
        {"ReLU", "\"max_value\": 6.0, \"negative_slope\": 0.0, \"threshold\": 0.0", relu6},
        {"ReLU", "\"max_value\": null, \"negative_slope\": 0.1", leaky},
        {"ReLU", "\"max_value\": 2, \"negative_slope\": [0.1]", leaky_below_two},
        {"ReLU", "\"threshold\": 1", above_one},
        {"Dropout", "\"rate\": 0.5", linear},
        {"GaussianNoise", "\"stddev\": 0.5", linear},
        {"ActivityRegularization", "\"l1\": 0.5", linear},
        {"RandomContrast", "\"factor\": [0.1, 0.1]", linear},
        {"Identity", "", linear},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
        check_row("2.4.0", cases[i].class_name, cases[i].config, cases[i].formula);
}

/* Over the last axis of what Keras sees, of a row and of a picture that the graph has turned. */
static void test_softmax(void **state)
{
    double expected[INPUTS], sum = 0;
    float input[INPUTS];
    struct keras_builder b;

    (void)state;
    for (int i = 0; i < ROW; i++)
        sum += exp((double)row[i]);
    for (int i = 0; i < ROW; i++)
        expected[i] = exp((double)row[i]) / sum;
    keras_builder_begin(&b, "2.4.0");
    keras_builder_input(&b, "[null, 5]");
    keras_builder_layer(&b, "Softmax", "layer", "\"axis\": -1");
    keras_case_check(&b, row, ROW, expected, ROW);

    random_fill(input, INPUTS, -2, 2);
    for (int i = 0; i < INPUTS; i++)
        expected[i] = 1 / (1 + exp((double)input[i ^ 1] - (double)input[i]));
    keras_builder_begin(&b, "2.4.0");
    keras_builder_input(&b, "[null, 2, 3, 2]");
    keras_builder_layer(&b, "Cropping2D", "turn", "\"cropping\": 0");
    keras_builder_layer(&b, "Activation", "layer", "\"activation\": \"softmax\"");
    keras_case_check(&b, input, INPUTS, expected, INPUTS);
}

/* Slopes for each position, for each channel, and of rows; on input and on turned pictures. */
/* As an activation's name: of a row. */
static void test_log_softmax(void **state)
{
    static const float input[3] = {1, 3, -2};
    double sum = exp(1) + exp(3) + exp(-2), expected[3];
    struct keras_builder b;

    (void)state;
    for (int i = 0; i < 3; i++)
        expected[i] = (double)input[i] - log(sum);
    keras_builder_begin(&b, "3.4.1");
    keras_builder_input(&b, "[null, 3]");
    keras_builder_layer(&b, "Activation", "x", "\"activation\": \"log_softmax\"");
    keras_case_check(&b, input, 3, expected, 3);
}

/* On a picture they make levels, as other rectifiers do. */
static void test_levels(void **state)
{
    static const struct {
        const char *name;
        int levels;
    } cases[] = {{"hard_sigmoid", 0}, {"hard_swish", 1}, {"mish", 1}, {"silu", 1}};

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct keras_builder b;
        struct graph *graph;
        char config[100];

        keras_builder_begin(&b, "3.4.1");
        keras_builder_input(&b, "[null, 2, 3, 2]");
        snprintf(config, sizeof(config), "\"activation\": \"%s\"", cases[i].name);
        keras_builder_layer(&b, "Activation", "x", config);
        keras_builder_layer(&b, "GlobalAveragePooling2D", "pool", "");
        graph = keras_case_good(&b);
        assert_int_equal(graph->level_count, cases[i].levels);
        graph_destroy(&graph);
    }
}

static void test_prelu(void **state)
{
    static const int64_t extents[3][3] = {{2, 3, 2}, {1, 1, 2}, {2, 1, 1}};

    (void)state;
    for (int i = 0; i < 6; i++) {
        const int64_t *extent = extents[i % 3];
        double expected[INPUTS];
        float input[INPUTS];
        const float *slopes;
        struct keras_builder b;
        struct graph *graph;

        random_fill(input, INPUTS, -1, 1);
        keras_builder_begin(&b, "1.2.0");
        keras_builder_input(&b, "[null, 2, 3, 2]");
        if (i >= 3)
            keras_builder_layer(&b, "Cropping2D", "turn", "\"cropping\": 0");
        keras_builder_layer(&b, "PReLU", "layer", "");
        slopes = keras_builder_weight(&b, "layer", "layer_alphas:0", 3, extent, NULL);
        for (int j = 0; j < INPUTS; j++) {
            int64_t c = j % 2 % extent[2], x = j / 2 % 3 % extent[1], y = j / 6 % extent[0];
            double slope = (double)slopes[(y * extent[1] + x) * extent[2] + c];

            expected[j] = input[j] > 0 ? (double)input[j] : slope * (double)input[j];
        }
        graph = keras_case_good(&b);
        assert_int_equal(graph->level_count, 0); /* no convolution says that it is a picture */
        keras_case_run(graph, input, INPUTS, expected, INPUTS);
        graph_destroy(&graph);
    }
}

/* ---- Normalisation -------------------------------------------------------------------------- */

/* Along that axis of the picture (1 rows, 2 columns, 3 channels). */
static void check_normalization(const char *config, int axis, bool scale, bool center, bool turned)
{
    static const int extents[] = {0, 2, 3, 2}, steps[] = {0, 6, 2, 1};
    int64_t count = extents[axis];
    const float *weights[4] = {NULL};
    double expected[INPUTS];
    float input[INPUTS], variance[3];
    struct keras_builder b;

    random_fill(input, INPUTS, -1, 1);
    random_fill(variance, 3, 0.1F, 2);
    keras_builder_begin(&b, "2.2.4");
    keras_builder_input(&b, "[null, 2, 3, 2]");
    if (turned)
        keras_builder_layer(&b, "Cropping2D", "turn", "\"cropping\": 0");
    keras_builder_layer(&b, "BatchNormalization", "bn", config);
    if (scale)
        weights[0] = keras_builder_weight(&b, "bn", "bn_3/gamma:0", 1, &count, NULL);
    if (center)
        weights[1] = keras_builder_weight(&b, "bn", "bn_3/beta:0", 1, &count, NULL);
    weights[2] = keras_builder_weight(&b, "bn", "bn_3/moving_mean:0", 1, &count, NULL);
    weights[3] = keras_builder_weight(&b, "bn", "bn_3/moving_variance:0", 1, &count, variance);
    for (int i = 0; i < INPUTS; i++) {
        int at = i / steps[axis] % extents[axis];

        expected[i] = ((double)input[i] - (double)weights[2][at]) /
                          sqrt((double)variance[at] + 0.01) * (scale ? (double)weights[0][at] : 1) +
                      (center ? (double)weights[1][at] : 0);
    }
    keras_case_check(&b, input, INPUTS, expected, INPUTS);
}

static void test_batch_normalization(void **state)
{
    (void)state;
    for (int turned = 0; turned < 2; turned++) {
        check_normalization("\"axis\": -1, \"epsilon\": 0.01", 3, true, true, turned);
        check_normalization("\"axis\": [3], \"epsilon\": 0.01", 3, true, true, turned);
        check_normalization("\"axis\": {\"class_name\": \"ListWrapper\", \"items\": [2]}, "
                            "\"epsilon\": 0.01",
                            2, true, true, turned);
        check_normalization("\"axis\": {\"class_name\": \"__tuple__\", \"items\": [1]}, "
                            "\"epsilon\": 0.01",
                            1, true, true, turned);
        check_normalization("\"axis\": 1, \"epsilon\": 0.01", 1, true, true, turned);
        check_normalization("\"axis\": 2, \"epsilon\": 0.01", 2, true, true, turned);
        check_normalization("\"axis\": 3, \"epsilon\": 0.01, \"scale\": false", 3, false, true,
                            turned);
        check_normalization("\"axis\": 3, \"epsilon\": 0.01, \"center\": false", 3, true, false,
                            turned);
        check_normalization("\"axis\": 3, \"epsilon\": 0.01, \"center\": false, \"scale\": false",
                            3, false, false, turned);
    }
}

/* Keras 1: mode 2 takes the picture's own statistics and never looks at the stored ones. */
static void test_own_statistics(void **state)
{
    (void)state;
    for (int axis = 1; axis <= 3; axis++) {
        static const int extents[] = {0, 2, 3, 2}, steps[] = {0, 6, 2, 1};
        int64_t count = extents[axis];
        const float *gamma, *beta;
        double expected[INPUTS], mean[3] = {0}, variance[3] = {0}, share;
        float input[INPUTS];
        struct keras_builder b;
        char config[100];

        random_fill(input, INPUTS, -1, 1);
        keras_builder_begin(&b, "1.1.0");
        keras_builder_input(&b, "[null, 2, 3, 2]");
        snprintf(config, sizeof(config), "\"axis\": %d, \"mode\": 2, \"epsilon\": 0.01", axis);
        keras_builder_layer(&b, "BatchNormalization", "bn", config);
        gamma = keras_builder_weight(&b, "bn", "bn_gamma:0", 1, &count, NULL);
        beta = keras_builder_weight(&b, "bn", "bn_beta:0", 1, &count, NULL);
        keras_builder_weight(&b, "bn", "bn_running_mean:0", 1, &count, NULL);
        keras_builder_weight(&b, "bn", "bn_running_std:0", 1, &count, NULL);
        share = (double)count / INPUTS;
        for (int i = 0; i < INPUTS; i++)
            mean[i / steps[axis] % extents[axis]] += (double)input[i] * share;
        for (int i = 0; i < INPUTS; i++) {
            int at = i / steps[axis] % extents[axis];

            variance[at] += pow((double)input[i] - mean[at], 2) * share;
        }
        for (int i = 0; i < INPUTS; i++) {
            int at = i / steps[axis] % extents[axis];

            expected[i] =
                ((double)input[i] - mean[at]) / sqrt(variance[at] + 0.01) * (double)gamma[at] +
                (double)beta[at];
        }
        keras_case_check(&b, input, INPUTS, expected, INPUTS);
    }
}

/* Of a row each number is its own mean: the shifts are left. */
static void test_own_statistics_of_a_row(void **state)
{
    double expected[ROW];
    struct keras_builder b;
    const float *beta;

    (void)state;
    keras_builder_begin(&b, "1.1.0");
    keras_builder_input(&b, "[null, 5]");
    keras_builder_layer(&b, "BatchNormalization", "bn", "\"mode\": 2, \"axis\": -1");
    keras_builder_weight(&b, "bn", "g:0", NUMBERS(5), NULL);
    beta = keras_builder_weight(&b, "bn", "b:0", NUMBERS(5), NULL);
    for (int i = 0; i < 2; i++)
        keras_builder_weight(&b, "bn", i ? "s:0" : "m:0", NUMBERS(5), NULL);
    for (int i = 0; i < ROW; i++)
        expected[i] = (double)beta[i];
    keras_case_check(&b, row, ROW, expected, ROW);
}

/* ---- Scaling -------------------------------------------------------------------------------- */

static void test_scaling(void **state)
{
    double expected[INPUTS];
    float input[INPUTS];
    struct keras_builder b;

    (void)state;
    random_fill(input, INPUTS, 0, 255);
    for (int i = 0; i < INPUTS; i++)
        expected[i] = (double)input[i] / 127.5 - 1;
    keras_builder_begin(&b, "2.6.0");
    keras_builder_input(&b, "[null, 2, 3, 2]");
    keras_builder_layer(&b, "Rescaling", "r", "\"scale\": 0.00784313725490196, \"offset\": -1");
    keras_case_check(&b, input, INPUTS, expected, INPUTS);

    for (int i = 0; i < INPUTS; i++)
        expected[i] = (double)input[i] * (i % 2 ? 0.5 : 2) + 3;
    keras_builder_begin(&b, "2.6.0");
    keras_builder_input(&b, "[null, 2, 3, 2]");
    keras_builder_layer(&b, "Cropping2D", "turn", "\"cropping\": 0");
    keras_builder_layer(&b, "Rescaling", "r", "\"scale\": [2, 0.5], \"offset\": 3");
    keras_case_check(&b, input, INPUTS, expected, INPUTS);

    for (int weights = 0; weights < 2; weights++) {
        const float mean[2] = {100, 50}, variance[2] = {4, 0};

        for (int i = 0; i < INPUTS; i++)
            expected[i] = i % 2 ? ((double)input[i] - 50) / 1e-7 : ((double)input[i] - 100) / 2;
        keras_builder_begin(&b, "2.6.0");
        keras_builder_input(&b, "[null, 2, 3, 2]");
        keras_builder_layer(&b, "Normalization", "n",
                            weights ? "\"axis\": [-1]"
                                    : "\"axis\": -1, \"mean\": [100, 50], \"variance\": [4, 0]");
        if (weights) {
            keras_builder_weight(&b, "n", "mean:0", NUMBERS(2), mean);
            keras_builder_weight(&b, "n", "variance:0", NUMBERS(2), variance);
            keras_builder_weight(&b, "n", "count:0", 0, NULL, mean);
        }
        keras_case_check(&b, input, INPUTS, expected, INPUTS);
    }
}

static void test_refusals(void **state)
{
    static const struct {
        const char *class_name, *config, *message;
    } cases[] = {
        {"Activation", "\"activation\": \"wiggle\"", "layer 'x' (Activation): activation 'wiggle'"},
        {"Activation", "\"activation\": {\"class_name\": \"Wiggle\", \"config\": {}}", "'Wiggle'"},
        {"ReLU", "\"negative_slope\": 0.1, \"threshold\": 1", "a slope below a threshold"},
        {"PReLU", "", "no slopes"},
        {"BatchNormalization", "\"axis\": [1, 2]", "several axes"},
        {"BatchNormalization", "\"axis\": 4", "no axis 4"},
        {"BatchNormalization", "\"mode\": 1", "mode 1"},
        {"BatchNormalization", "", "no weights for it (no scales)"},
        {"Normalization", "\"axis\": -1", "not there"},
        {"Rescaling", "\"scale\": [1, 2, 3]", "make no sense"},
        {"Softmax", "\"axis\": 7", "no axis 7"},
        {"ReLU", "\"max_value\": \"0.5\"", "layer 'x' (ReLU): its max_value is not a number"},
        {"LeakyReLU", "\"alpha\": true", "its alpha is not a number"},
        {"LeakyReLU", "\"negative_slope\": null, \"alpha\": {}", "its alpha is not a number"},
        {"Activation", "\"activation\": {\"class_name\": \"ELU\", \"config\": {\"alpha\": []}}",
         "layer 'x' (Activation): its alpha is not a number"},
        {"BatchNormalization", "\"axis\": {\"item\": [1]}", "its axis is not a number"},
        {"BatchNormalization", "\"axis\": {\"items\": [1, 2]}", "several axes"},
        {"Rescaling", "\"scale\": \"2\"", "its scale is not a number"},
        {"BatchNormalization", "\"scale\": \"false\"", "its scale is not true or false"},
        {"UpSampling2D", "\"interpolation\": 1", "its interpolation is not text"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct keras_builder b;

        keras_builder_begin(&b, "2.1.6");
        keras_builder_input(&b, "[null, 2, 3, 2]");
        keras_builder_layer(&b, cases[i].class_name, "x", cases[i].config);
        keras_case_refused(&b, cases[i].message);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_activations),
        cmocka_unit_test(test_activation_layers),
        cmocka_unit_test_setup(test_softmax, random_setup),
        cmocka_unit_test(test_log_softmax),
        cmocka_unit_test(test_levels),
        cmocka_unit_test_setup(test_prelu, random_setup),
        cmocka_unit_test_setup(test_batch_normalization, random_setup),
        cmocka_unit_test_setup(test_own_statistics, random_setup),
        cmocka_unit_test_setup(test_own_statistics_of_a_row, random_setup),
        cmocka_unit_test_setup(test_scaling, random_setup),
        cmocka_unit_test(test_refusals),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
