/* keras_operations.c: arithmetic, functions and slices written between layers. */
#include "support/keras_case.h"
#include "support/loader_check.h"
#include "support/onnx_builder.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

/* The input of 1 x 2 x 3 x 2: 0, 1, ... 11. */
#define INPUTS 12
static const float input[INPUTS] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11};

/* Keras 3's reference to a layer's output. */
#define TENSOR(name)                                                                               \
    "{\"class_name\": \"__keras_tensor__\", \"config\": {\"keras_history\": [\"" name "\", 0, "    \
    "0]}}"

/* A network of one layer between input "x" and output "op". node: what it reads; text has room. */
static void describe(struct keras_builder *b, char *text, size_t size, const char *version,
                     const char *class_name, const char *config, const char *node)
{
    int length = snprintf(
        text, size,
        "{\"class_name\": \"Functional\", \"config\": {\"layers\": ["
        "{\"class_name\": \"InputLayer\", \"name\": \"x\", \"inbound_nodes\": [], \"config\": "
        "{\"name\": \"x\", \"batch_input_shape\": [null, 2, 3, 2]}},"
        "{\"class_name\": \"%s\", \"name\": \"op\", \"config\": {\"name\": \"op\"%s%s}, "
        "\"inbound_nodes\": [%s]}], \"output_layers\": [[\"op\", 0, 0]]}}",
        class_name, *config ? ", " : "", config, node);

    assert_in_range(length, 1, size - 1);
    keras_builder_begin(b, version);
    b->description = text;
}

struct operation {
    const char *class_name, *config, *node;
    double factor, offset;
};

static void check_operation(const char *version, const struct operation *operation)
{
    struct keras_builder b;
    double expected[INPUTS];
    char text[2000];

    for (int i = 0; i < INPUTS; i++)
        expected[i] = (double)input[i] * operation->factor + operation->offset;
    describe(&b, text, sizeof(text), version, operation->class_name, operation->config,
             operation->node);
    keras_case_check(&b, input, INPUTS, expected, INPUTS);
}

static void test_numbers(void **state)
{
    static const struct operation cases[] = {
        {"TFOpLambda", "\"function\": \"math.truediv\"",
         "[\"x\", 0, 0, {\"y\": 127.5, \"name\": null}]", 1 / 127.5, 0},
        {"TFOpLambda", "\"function\": \"math.subtract\"", "[\"x\", 0, 0, {\"y\": 0.5}]", 1, -0.5},
        {"TFOpLambda", "\"function\": \"math.subtract\"",
         "[\"_CONSTANT_VALUE\", -1, 2.0, {\"y\": [\"x\", 0, 0], \"name\": null}]", -1, 2},
        {"TFOpLambda", "\"function\": \"math.multiply\"", "[\"x\", 0, 0, {\"y\": -3}]", -3, 0},
        {"TFOpLambda", "\"function\": \"__operators__.add\"", "[\"x\", 0, 0, {\"y\": 4}]", 1, 4},
        {"TFOpLambda", "\"function\": \"math.multiply\"", "[\"x\", 0, 0, {\"y\": [3, 3]}]", 3, 0},
        {"TFOpLambda", "\"function\": \"__operators__.add\"",
         "[\"x\", 0, 0, {\"y\": [\"x\", 0, 0]}]", 2, 0},
        {"TFOpLambda", "\"function\": \"cast\"", "[\"x\", 0, 0, {\"dtype\": \"float32\"}]", 1, 0},
        {"TFOpLambda", "\"function\": \"cast\"",
         "[\"x\", 0, 0, {\"dtype\": \"float16\", \"name\": \"c\"}]", 1, 0},
        {"TFOpLambda", "\"function\": \"math.multiply\"", "[[\"x\", 0, 0, {\"y\": 5}]]", 5, 0},
        {"TFOpLambda", "\"function\": \"nn.relu\"", "[\"x\", 0, 0, {\"name\": null}]", 1, 0}};
    static const struct operation cases_3[] = {
        {"TrueDivide", "", "{\"args\": [" TENSOR("x") ", 127.5], \"kwargs\": {}}", 1 / 127.5, 0},
        {"Subtract", "", "{\"args\": [" TENSOR("x") ", 1], \"kwargs\": {}}", 1, -1},
        {"Subtract", "", "{\"args\": [1, " TENSOR("x") "], \"kwargs\": {}}", -1, 1},
        {"Multiply", "", "{\"args\": [" TENSOR("x") ", 2.5], \"kwargs\": {}}", 2.5, 0},
        {"Add", "", "{\"args\": [" TENSOR("x") ", " TENSOR("x") "], \"kwargs\": {}}", 2, 0},
        {"Add", "", "{\"args\": [[" TENSOR("x") "]], \"kwargs\": {}}", 1, 0}};

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
        check_operation("2.9.0", &cases[i]);
    for (size_t i = 0; i < sizeof(cases_3) / sizeof(cases_3[0]); i++)
        check_operation("3.4.1", &cases_3[i]);
}

/* A number for each channel, which are the last axis. */
static void test_channels(void **state)
{
    double expected[INPUTS];
    struct keras_builder b;
    char text[2000];

    (void)state;
    for (int i = 0; i < INPUTS; i++)
        expected[i] = (double)input[i] - (i % 2 ? 103 : 123);
    describe(&b, text, sizeof(text), "2.9.0", "TFOpLambda", "\"function\": \"math.subtract\"",
             "[\"x\", 0, 0, {\"y\": [123, 103]}]");
    keras_case_check(&b, input, INPUTS, expected, INPUTS);
}

static void test_atan(void **state)
{
    double expected[INPUTS];
    struct keras_builder b;
    char text[2000];

    (void)state;
    for (int i = 0; i < INPUTS; i++)
        expected[i] = atan((double)input[i]);
    describe(&b, text, sizeof(text), "2.9.0", "TFOpLambda", "\"function\": \"math.atan\"",
             "[\"x\", 0, 0, {\"name\": null}]");
    keras_case_check(&b, input, INPUTS, expected, INPUTS);
}

/* Along the axis that it is told. */
static void test_softmax(void **state)
{
    static const struct {
        const char *node;
        int step, extent;
    } cases[] = {{"[\"x\", 0, 0, {\"axis\": 1}]", 6, 2},
                 {"[\"x\", 0, 0, {\"axis\": -2}]", 2, 3},
                 {"[[\"x\", 0, 0, {\"axis\": 2, \"name\": \"s\"}]]", 2, 3},
                 {"[\"x\", 0, 0, {\"axis\": null}]", 1, 2},
                 {"[\"x\", 0, 0, {}]", 1, 2}};

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        int step = cases[i].step, extent = cases[i].extent;
        double expected[INPUTS];
        struct keras_builder b;
        char text[2000];

        for (int j = 0; j < INPUTS; j++) {
            int first = j - j / step % extent * step;
            double sum = 0;

            for (int k = 0; k < extent; k++)
                sum += exp((double)input[first + k * step]);
            expected[j] = exp((double)input[j]) / sum;
        }
        describe(&b, text, sizeof(text), "2.9.0", "TFOpLambda", "\"function\": \"nn.softmax\"",
                 cases[i].node);
        keras_case_check(&b, input, INPUTS, expected, INPUTS);
    }
}

/* The first row, its last two cells. */
static void test_slices(void **state)
{
    static const struct {
        const char *version, *class_name, *config, *node;
        double first;
        size_t count;
    } cases[] = {
        {"2.9.0", "SlicingOpLambda", "\"function\": \"__operators__.getitem\"",
         "[\"x\", 0, 0, {\"slice_spec\": [{\"start\": null, \"stop\": null, \"step\": null}, "
         "{\"start\": null, \"stop\": -1, \"step\": null}, {\"start\": 1, \"stop\": 9, \"step\": "
         "1}]}]",
         2, 4},
        {"2.9.0", "SlicingOpLambda", "\"function\": \"__operators__.getitem\"",
         "[\"x\", 0, 0, {\"slice_spec\": {\"class_name\": \"__tuple__\", \"items\": "
         "[{\"class_name\": \"__ellipsis__\"}, {\"start\": 0, \"stop\": 1, \"step\": null}, "
         "{\"start\": -2, \"stop\": null, \"step\": null}, {\"start\": null, \"stop\": null, "
         "\"step\": null}]}}]",
         2, 4},
        {"3.4.1", "GetItem", "",
         "{\"args\": [" TENSOR(
             "x") ", {\"class_name\": \"__tuple__\", \"config\": {\"value\": "
                  "[{\"class_name\": \"slice\", \"config\": {\"start\": null, \"stop\": null, "
                  "\"step\": "
                  "null}}, {\"class_name\": \"slice\", \"config\": {\"start\": 1, \"stop\": null, "
                  "\"step\": null}}]}}], \"kwargs\": {}}",
         6, 6}};

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct keras_builder b;
        double expected[INPUTS];
        char text[2000];

        for (size_t j = 0; j < cases[i].count; j++)
            expected[j] = cases[i].first + (double)j;
        describe(&b, text, sizeof(text), cases[i].version, cases[i].class_name, cases[i].config,
                 cases[i].node);
        keras_case_check(&b, input, INPUTS, expected, cases[i].count);
    }
}

static void test_resize(void **state)
{
    static const double expected[] = {0, 1, 4, 5};
    struct keras_builder b;
    char text[2000];

    (void)state;
    describe(&b, text, sizeof(text), "2.9.0", "TFOpLambda", "\"function\": \"image.resize\"",
             "[\"x\", 0, 0, {\"size\": [1, 2], \"method\": \"nearest\", \"antialias\": false}]");
    b.variable = true;
    {
        struct graph *graph = keras_case_good(&b);

        check_shape(graph, graph->outputs[0], "1x1x2x2");
        /* Rows: the second of two; columns: the first and the last of three. */
        keras_case_run(
            graph, input, INPUTS,
            (const double[]){6 + expected[0], 6 + expected[1], 6 + expected[2], 6 + expected[3]},
            4);
        graph_destroy(&graph);
    }
}

static void test_refusals(void **state)
{
    static const struct {
        const char *class_name, *config, *node, *message;
    } cases[] = {
        {"TFOpLambda", "\"function\": \"math.cumsum\"", "[\"x\", 0, 0, {}]",
         "layer 'op' (TFOpLambda): the function 'math.cumsum' is not supported"},
        {"TFOpLambda", "\"function\": \"math.truediv\"", "[\"x\", 0, 0, {\"y\": 0}]",
         "it divides by 0"},
        {"TFOpLambda", "\"function\": \"math.truediv\"",
         "[\"_CONSTANT_VALUE\", -1, 1, {\"y\": [\"x\", 0, 0]}]", "division by what"},
        {"TFOpLambda", "\"function\": \"math.multiply\"", "[\"x\", 0, 0, {\"y\": [1, 2, 3]}]",
         "3 constants do not go with its input"},
        {"TFOpLambda", "\"function\": \"math.multiply\"", "[\"x\", 0, 0, {\"y\": {\"a\": 1}}]",
         "only arithmetic with numbers"},
        {"TFOpLambda", "\"function\": \"math.truediv\"", "[\"x\", 0, 0, {}]",
         "only arithmetic with numbers"},
        {"TFOpLambda", "\"function\": \"math.maximum\"", "[\"x\", 0, 0, {\"y\": 1}]",
         "not supported with a constant"},
        {"TFOpLambda", "\"function\": \"math.multiply\"", "[\"x\", 0, 0, {\"y\": [\"z\", 0, 0]}]",
         "no layer 'z'"},
        {"TFOpLambda", "\"function\": \"image.resize\"",
         "[\"x\", 0, 0, {\"size\": [1, 2], \"method\": \"area\"}]", "only plain resizing"},
        {"TFOpLambda", "\"function\": \"image.resize\"", "[\"x\", 0, 0, {}]", "a size of 0 x 0"},
        {"TFOpLambda", "\"function\": \"image.resize\"",
         "[\"x\", 0, 0, {\"size\": [1, 2], \"method\": 1}]", "only plain resizing"},
        {"TFOpLambda", "\"function\": \"cast\"", "[\"x\", 0, 0, {\"dtype\": \"int32\"}]",
         "layer 'op' (TFOpLambda): a cast to 'int32' is not supported"},
        {"TFOpLambda", "\"function\": \"cast\"", "[[\"x\", 0, 0, {\"dtype\": \"bool\"}]]",
         "a cast to 'bool'"},
        {"TFOpLambda", "\"function\": \"cast\"", "[\"x\", 0, 0, {}]", "a cast to '?'"},
        {"TFOpLambda", "\"function\": \"nn.softmax\"", "[\"x\", 0, 0, {\"axis\": \"1\"}]",
         "its axis is not a number"},
        {"TFOpLambda", "\"function\": \"nn.softmax\"", "[\"x\", 0, 0, {\"axis\": 0}]", "no axis 0"},
        {"TFOpLambda", "\"function\": \"nn.relu\"", "[\"x\", 0, 0, {\"limit\": 1}]",
         "the argument 'limit' of 'nn.relu' is not supported"},
        {"TFOpLambda", "\"function\": \"nn.swish\"", "[\"x\", 0, 0, {\"beta\": 2}]", "a beta of 2"},
        {"TFOpLambda", "\"function\": \"math.add\"", "[\"x\", 0, 0, {\"y\": 1, \"z\": 2}]",
         "the argument 'z'"},
        {"TFOpLambda", "\"function\": \"nn.relu\"", "[[\"x\", 0, 0, {}], [\"x\", 0, 0, {}]]",
         "it has 2 inputs"},
        {"SlicingOpLambda", "", "[\"x\", 0, 0, {}]", "its slices are not understood"},
        {"SlicingOpLambda", "", "[\"x\", 0, 0, {\"slice_spec\": [0]}]", "only plain slices"},
        {"SlicingOpLambda", "", "[\"x\", 0, 0, {\"slice_spec\": [{\"step\": 2}]}]",
         "only plain slices"},
        {"SlicingOpLambda", "", "[\"x\", 0, 0, {\"slice_spec\": [{\"start\": 0.5}]}]",
         "only plain slices"},
        {"SlicingOpLambda", "", "[\"x\", 0, 0, {\"slice_spec\": [{\"start\": 1}]}]",
         "it cuts the batch"},
        {"SlicingOpLambda", "", "[\"x\", 0, 0, {\"slice_spec\": [{}, {}, {}, {}, {}]}]",
         "it has 5 slices of 4 axes"},
        {"SlicingOpLambda", "", "[\"x\", 0, 0, {\"slice_spec\": [{}, {\"start\": 2}]}]",
         "leaves nothing"}};

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct keras_builder b;
        char text[2000];

        describe(&b, text, sizeof(text), "2.9.0", cases[i].class_name, cases[i].config,
                 cases[i].node);
        keras_case_refused(&b, cases[i].message);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_numbers),  cmocka_unit_test(test_channels),
        cmocka_unit_test(test_atan),     cmocka_unit_test(test_softmax),
        cmocka_unit_test(test_slices),   cmocka_unit_test(test_resize),
        cmocka_unit_test(test_refusals),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
