/* Networks of Keras: chains, graphs, networks inside networks, and how files keep their weights. */
#include "base/file.h"
#include "support/keras_case.h"
#include "support/loader_check.h"
#include "support/networks.h"
#include "support/numbers.h"
#include "support/onnx_builder.h"
#include "support/scratch.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cjson/cJSON.h>
#include <cmocka.h>

static const float row[3] = {1, -2, 0.5F};

/* A Dense of 3 to 2 with these weights; its outputs for `row` are 7.5 and -3.5. */
static const float kernel[6] = {1, 2, -3, 4, 1, 5}, bias[2] = {0, 0};
static const double dense[2] = {1 + 6 + 0.5, 2 - 8 + 2.5};

static void add_dense(struct keras_builder *b, const char *name, const char *kernel_name)
{
    keras_builder_weight(b, name, kernel_name, NUMBERS(3, 2), kernel);
    keras_builder_weight(b, name, "zz:0", NUMBERS(2), bias);
}

/* ---- Shapes --------------------------------------------------------------------------------- */

/* A flatten takes a picture in Keras' order, whatever the graph has made of it. */
static void test_order_of_flatten(void **state)
{
    static const char *const configs[] = {"\"data_format\": \"channels_last\"", "",
                                          "\"data_format\": \"channels_first\""};
    float input[12];
    double same[12], moved[12];

    (void)state;
    random_fill(input, 12, -1, 1);
    for (int i = 0; i < 12; i++)
        same[i] = (double)input[i];
    /* Channels first, 2 x 3 x 2, told so: the channels go to the end. */
    for (int i = 0; i < 12; i++)
        moved[i % 6 * 2 + i / 6] = (double)input[i];
    for (int i = 0; i < 3; i++) {
        struct keras_builder b;

        keras_builder_begin(&b, "2.2.4");
        keras_builder_input(&b, "[null, 2, 3, 2]");
        if (i < 2)
            keras_builder_layer(&b, "MaxPooling2D", "turn", "\"pool_size\": 1");
        keras_builder_layer(&b, "Flatten", "flat", configs[i]);
        keras_case_check(&b, input, 12, i < 2 ? same : moved, 12);
    }
}

static void test_reshapes(void **state)
{
    static const int order[12] = {0, 4, 8, 1, 5, 9, 2, 6, 10, 3, 7, 11};
    float input[12];
    double expected[12];
    struct keras_builder b;
    struct graph *graph;

    (void)state;
    random_fill(input, 12, -1, 1);
    for (int i = 0; i < 12; i++)
        expected[i] = (double)input[order[i]];
    keras_builder_begin(&b, "2.2.4");
    keras_builder_input(&b, "[null, 2, 3, 2]");
    keras_builder_layer(&b, "MaxPooling2D", "turn", "\"pool_size\": 1");
    keras_builder_layer(&b, "Reshape", "reshape", "\"target_shape\": [3, -1]");
    keras_builder_layer(&b, "Permute", "permute", "\"dims\": [2, 1]");
    graph = keras_case_good(&b);
    check_shape(graph, graph->outputs[0], "1x4x3");
    keras_case_run(graph, input, 12, expected, 12);
    graph_destroy(&graph);

    keras_builder_begin(&b, "2.2.4");
    keras_builder_input(&b, "[null, 2, 3, 2]");
    keras_builder_layer(&b, "Reshape", "x", "\"target_shape\": [5, -1]");
    keras_case_refused(&b, "does not hold as many elements");
    keras_builder_begin(&b, "2.2.4");
    keras_builder_input(&b, "[null, 2, 3, 2]");
    keras_builder_layer(&b, "Permute", "x", "\"dims\": [1, 1, 2]");
    keras_case_refused(&b, "not a permutation");
}

/* A series of one frame: the layers inside work on the frame. */
static void test_time_distributed(void **state)
{
    struct keras_builder b;
    struct graph *graph;

    (void)state;
    keras_builder_begin(&b, "2.2.4");
    keras_builder_input(&b, "[null, 1, 1, 1, 3]");
    keras_builder_layer(&b, "TimeDistributed", "td",
                        "\"layer\": {\"class_name\": \"Flatten\", \"config\": {\"name\": \"f\"}}");
    keras_builder_layer(&b, "TimeDistributed", "td_2",
                        "\"layer\": {\"class_name\": \"Dense\", \"config\": {\"name\": \"d\", "
                        "\"units\": 2, \"use_bias\": false}}");
    keras_builder_layer(&b, "Flatten", "flat", "");
    keras_builder_weight(&b, "td_2", "td_2/kernel:0", NUMBERS(3, 2), kernel);
    graph = keras_case_good(&b);
    check_shape(graph, graph->input, "1x1x1x3");
    check_shape(graph, graph->outputs[0], "1x2");
    keras_case_run(graph, row, 3, dense, 2);
    graph_destroy(&graph);

    keras_builder_begin(&b, "2.2.4");
    keras_builder_input(&b, "[null, 3, 1, 1, 3]");
    keras_builder_layer(&b, "Flatten", "flat", "");
    keras_case_refused(&b, "a series of frames");
    keras_builder_begin(&b, "2.2.4");
    keras_builder_input(&b, "[null, 1, 4, 4, 3]");
    keras_builder_layer(&b, "MaxPooling2D", "pool", "");
    keras_case_refused(&b, "it reads a series of frames");
}

/* ---- Merging -------------------------------------------------------------------------------- */

/* Two branches of a picture, one twice the other, one of them turned; merged by a layer. */
static void check_merge(const char *class_name, const char *config, double factor)
{
    float input[12];
    double expected[12];
    struct keras_builder b;

    random_fill(input, 12, 0, 1);
    for (int i = 0; i < 12; i++)
        expected[i] = factor * (double)input[i];
    keras_builder_begin(&b, "2.2.4");
    b.functional = true;
    b.outputs = "merged";
    keras_builder_input(&b, "[null, 2, 3, 2]");
    keras_builder_after(&b, "Rescaling", "twice", "\"scale\": 2", "in");
    keras_builder_after(&b, "MaxPooling2D", "turn", "\"pool_size\": 1", "in");
    keras_builder_after(&b, class_name, "merged", config, "twice turn");
    keras_case_check(&b, input, 12, expected, 12);
}

static void test_merges(void **state)
{
    (void)state;
    check_merge("Add", "", 3);
    check_merge("Subtract", "", 1);
    check_merge("Average", "", 1.5);
    check_merge("Maximum", "", 2);
    check_merge("Minimum", "", 1);
    check_merge("Merge", "\"mode\": \"sum\"", 3);
    check_merge("Merge", "\"mode\": \"ave\", \"mode_type\": \"raw\"", 1.5);
    check_merge("Merge", "\"mode\": \"max\"", 2);
}

/* Along each axis of the picture, counted from either end. */
static void test_concatenate(void **state)
{
    (void)state;
    for (int i = 0; i < 7; i++) {
        int axis = i < 3 ? i + 1 : i < 6 ? i - 6 : -1;
        int at = axis < 0 ? axis + 4 : axis;
        size_t inner = at == 1 ? 12 : at == 2 ? 6 : 2;
        float input[12];
        double expected[24];
        struct keras_builder b;
        char config[80];

        random_fill(input, 12, -1, 1);
        for (size_t j = 0; j < 24; j++) {
            double value = (double)input[j / (2 * inner) * inner + j % inner];

            expected[j] = j / inner % 2 ? value : 2 * value;
        }
        keras_builder_begin(&b, i == 6 ? "1.2.1" : "2.2.4");
        b.functional = true;
        b.outputs = "merged";
        keras_builder_input(&b, "[null, 2, 3, 2]");
        keras_builder_after(&b, "Rescaling", "twice", "\"scale\": 2", "in");
        keras_builder_after(&b, "MaxPooling2D", "turn", "\"pool_size\": 1", "in");
        snprintf(config, sizeof(config),
                 i == 6 ? "\"mode\": \"concat\", \"concat_axis\": %d" : "\"axis\": %d", axis);
        keras_builder_after(&b, i == 6 ? "Merge" : "Concatenate", "merged", config, "twice turn");
        keras_case_check(&b, input, 12, expected, 24);
    }
}

/* ---- Graphs --------------------------------------------------------------------------------- */

/* Layers in another order than that of the work, and two outputs, in the order of the file. */
static void test_order_of_layers(void **state)
{
    const double expected[4] = {dense[0] + dense[0], dense[1] + dense[1], dense[0], dense[1]};
    struct keras_builder b;
    struct graph *graph;

    (void)state;
    keras_builder_begin(&b, "2.4.0");
    b.functional = true;
    b.outputs = "both angle";
    keras_builder_after(&b, "Add", "both", "", "angle angle");
    keras_builder_after(&b, "Dense", "angle", "\"units\": 2, \"activation\": \"linear\"", "in");
    keras_builder_input(&b, "[null, 3]");
    add_dense(&b, "angle", "a:0");
    graph = keras_case_good(&b);
    assert_string_equal(graph->tensors[graph->input].name, "in");
    assert_string_equal(graph->tensors[graph->outputs[0]].name, "both");
    assert_string_equal(graph->tensors[graph->outputs[1]].name, "angle");
    assert_string_equal(graph->format, "Keras 2.4.0 (.h5, tensorflow)");
    keras_case_run(graph, row, 3, expected, 4);
    graph_destroy(&graph);
}

/* A layer that stands in two places shares its weights. */
static void test_shared_layer(void **state)
{
    static const char text[] =
        "{\"class_name\": \"Model\", \"config\": {\"layers\": ["
        "{\"class_name\": \"InputLayer\", \"name\": \"in\", \"inbound_nodes\": [], \"config\": "
        "{\"name\": \"in\", \"batch_input_shape\": [null, 2]}},"
        "{\"class_name\": \"Dense\", \"name\": \"d\", \"config\": {\"name\": \"d\", \"units\": 2, "
        "\"use_bias\": false}, \"inbound_nodes\": [[[\"in\", 0, 0]], [[\"d\", 0, 0]]]}],"
        "\"output_layers\": [[\"d\", 1, 0], [\"d\", 0, 0]]}}";
    const float weights[4] = {1, 2, 3, 4}, input[2] = {1, -1};
    struct keras_builder b;
    struct graph *graph;

    (void)state;
    keras_builder_begin(&b, "2.1.0");
    b.description = text;
    keras_builder_weight(&b, "d", "d/kernel:0", NUMBERS(2, 2), weights);
    graph = keras_case_good(&b);
    assert_string_equal(graph->tensors[graph->outputs[0]].name, "d:1");
    /* (1, -1) -> (-2, -2) -> (-8, -12) */
    keras_case_run(graph, input, 2, (const double[]){-8, -12, -2, -2}, 4);
    graph_destroy(&graph);
}

/* References as Keras 3 writes them, and its single outputs without a list around. */
static void test_keras_3_references(void **state)
{
    static const char text[] =
        "{\"class_name\": \"Functional\", \"config\": {\"layers\": ["
        "{\"class_name\": \"InputLayer\", \"name\": \"in\", \"inbound_nodes\": [], \"config\": "
        "{\"name\": \"in\", \"batch_shape\": [null, 3]}},"
        "{\"class_name\": \"Dense\", \"name\": \"angle\", \"config\": {\"name\": \"angle\", "
        "\"units\": 2}, \"inbound_nodes\": [{\"args\": [{\"class_name\": \"__keras_tensor__\", "
        "\"config\": {\"shape\": [null, 3], \"keras_history\": [\"in\", 0, 0]}}], \"kwargs\": "
        "{}}]},"
        "{\"class_name\": \"Add\", \"name\": \"sum\", \"config\": {\"name\": \"sum\"}, "
        "\"inbound_nodes\": [{\"args\": [[{\"class_name\": \"__keras_tensor__\", \"config\": "
        "{\"keras_history\": [\"angle\", 0, 0]}}, {\"class_name\": \"__keras_tensor__\", "
        "\"config\": {\"keras_history\": [\"angle\", 0, 0]}}]], \"kwargs\": {}}]}],"
        "\"output_layers\": [\"sum\", 0, 0]}}";
    struct keras_builder b;
    struct graph *graph;

    (void)state;
    keras_builder_begin(&b, "3.5.0");
    b.numbered = true;
    b.description = text;
    /* Groups are numbered by class, not called like the layer. */
    add_dense(&b, "dense", "0");
    graph = keras_case_good(&b);
    assert_string_equal(graph->format, "Keras 3.5.0 (.keras)");
    keras_case_run(graph, row, 3, (const double[]){2 * dense[0], 2 * dense[1]}, 2);
    graph_destroy(&graph);
}

/* ---- Networks inside networks --------------------------------------------------------------- */

/* The weights of all inner layers are in one group; they are found by their layer's name. */
static void test_inner_network(void **state)
{
    static const char inner[] =
        "\"layers\": [{\"class_name\": \"Dense\", \"config\": {\"name\": \"first\", \"units\": 2, "
        "\"batch_input_shape\": [null, 3]}}, {\"class_name\": \"BatchNormalization\", \"config\": "
        "{\"name\": \"norm\", \"epsilon\": 0}}, {\"class_name\": \"Dense\", \"config\": {\"name\": "
        "\"second\", \"units\": 1, \"use_bias\": false}}]";
    const float ones[2] = {1, 1}, halves[2] = {0.25F, 0.25F}, sum[2] = {1, 1};

    (void)state;
    for (int numbered = 0; numbered < 2; numbered++) {
        struct keras_builder b;
        struct graph *graph;

        keras_builder_begin(&b, numbered ? "3.0.0" : "2.2.4");
        b.numbered = numbered;
        keras_builder_layer(&b, "Sequential", "inside", inner);
        keras_builder_layer(&b, "Activation", "out", "\"activation\": \"relu\"");
        if (numbered) {
            add_dense(&b, "sequential/layers/dense", "0");
            for (int i = 0; i < 4; i++)
                keras_builder_weight(&b, "sequential/layers/batch_normalization", "0", NUMBERS(2),
                                     i == 3             ? halves
                                     : i == 1 || i == 2 ? bias
                                                        : ones);
            keras_builder_weight(&b, "sequential/layers/dense_1", "0", NUMBERS(2, 1), sum);
        } else {
            keras_builder_weight(&b, "inside", "first/kernel:0", NUMBERS(3, 2), kernel);
            keras_builder_weight(&b, "inside", "first/bias:0", NUMBERS(2), bias);
            keras_builder_weight(&b, "inside", "norm/gamma:0", NUMBERS(2), ones);
            keras_builder_weight(&b, "inside", "norm/beta:0", NUMBERS(2), bias);
            keras_builder_weight(&b, "inside", "inside/second/kernel:0", NUMBERS(2, 1), sum);
            keras_builder_weight(&b, "inside", "norm/moving_mean:0", NUMBERS(2), bias);
            keras_builder_weight(&b, "inside", "norm/moving_variance:0", NUMBERS(2), halves);
        }
        graph = keras_case_good(&b);
        keras_case_run(graph, row, 3, (const double[]){2 * (dense[0] + dense[1])}, 1);
        graph_destroy(&graph);
    }
}

/* ---- Where weights are ---------------------------------------------------------------------- */

/* Names with '/' and '+', of any suffix, in the list's order and not the alphabet's; texts of fixed
 * and variable length; lists in pieces. */
static void test_names(void **state)
{
    static const char *const names[] = {"d", "fire2/squeeze1x1", "+1", "dense 4"};

    (void)state;
    for (int i = 0; i < 16; i++) {
        const char *name = names[i % 4];
        struct keras_builder b;
        struct graph *graph;

        keras_builder_begin(&b, "1.2.1");
        b.variable = i & 4;
        b.split = i & 8;
        keras_builder_input(&b, "[null, 3]");
        keras_builder_layer(&b, "Dense", name, "\"output_dim\": 2, \"bias\": true");
        /* The biases are called "zz:0". */
        add_dense(&b, name, i & 1 ? "zzz_W_9:0" : "scope/d_1/kernel:0");
        graph = keras_case_good(&b);
        assert_string_equal(graph->tensors[graph->outputs[0]].name, name);
        keras_case_run(graph, row, 3, dense, 2);
        graph_destroy(&graph);
    }
}

/* Weights alone, with the description beside them, also as JSON inside JSON. */
static void test_description_beside(void **state)
{
    static const struct {
        const char *weights, *description;
        bool wrapped;
    } cases[] = {{"a.h5", "a.json", false},
                 {"b.h5", "b.h5.json", false},
                 {"c_weights.h5", "c.json", true},
                 {"d.weights.h5", "d.weights.json", true}};
    char path[512];
    struct graph *graph;
    VbpError error;
    char *card;

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct keras_builder b;
        unsigned char *bytes;
        char *json, *text;
        size_t length;

        keras_builder_begin(&b, "2.1.6");
        b.alone = true;
        keras_builder_input(&b, "[null, 3]");
        keras_builder_layer(&b, "Dense", "d", "\"units\": 2");
        add_dense(&b, "d", "k:0");
        json = keras_builder_json(&b);
        keras_builder_pack(&b, &bytes, &length);
        keras_builder_end(&b);
        snprintf(path, sizeof(path), "%s", scratch_write(cases[i].weights, bytes, length));
        assert_int_equal(model_load(path, NULL, &graph, &card, &error), VBP_ERROR_UNSUPPORTED);
        assert_non_null(strstr(error.message, "weights alone: put the network's description"));
        text = json;
        if (cases[i].wrapped) {
            cJSON *string = cJSON_CreateString(json);

            text = cJSON_Print(string);
            cJSON_Delete(string);
        }
        scratch_write(cases[i].description, text, strlen(text));
        if (model_load(path, NULL, &graph, &card, &error) != VBP_OK)
            fail_msg("%s", error.message);
        keras_case_run(graph, row, 3, dense, 2);
        graph_destroy(&graph);
        if (text != json)
            free(text);
        free(json);
        free(bytes);
    }
}

/* The card gives the size that the network leaves open. */
static void test_open_size(void **state)
{
    static const char *const shapes[] = {"[null, null, null, 3]", "[null, 3, null, null]"};
    static const char *const texts[] = {"1x6x8x3", "1x3x6x8"};
    const struct model_hints hints = {.input_width = 8, .input_height = 6};

    (void)state;
    for (int i = 0; i < 2; i++) {
        struct keras_builder b, again;
        struct graph *graph;
        VbpError error;

        keras_builder_begin(&b, "2.1.6");
        keras_builder_input(&b, shapes[i]);
        keras_builder_layer(&b, "GlobalMaxPooling2D", "p",
                            i ? "\"data_format\": \"channels_first\"" : "");
        again = b;
        assert_int_equal(keras_builder_load(&b, &hints, &graph, &error), VBP_OK);
        check_shape(graph, graph->input, texts[i]);
        graph_destroy(&graph);
        keras_case_refused(&again, "say it in the card (input.size)");
    }
}

static void test_refusals(void **state)
{
    static const struct {
        const char *text, *message;
    } cases[] = {
        {"{", "no valid JSON"},
        {"\"\\\"\\\\\\\"1\\\\\\\"\\\"\"", "of no network"},
        {"[]", "of no network"},
        {"{\"class_name\": \"MyModel\", \"config\": {\"layers\": []}}", "subclassed"},
        {"{\"class_name\": \"Sequential\", \"config\": []}", "no layers"},
        {"{\"class_name\": \"Sequential\", \"config\": [{\"config\": {\"name\": \"a\"}}]}",
         "cannot run  'a'"},
        {"{\"class_name\": \"Sequential\", \"config\": [{\"class_name\": \"Dense\", \"config\": "
         "{}}]}",
         "has no name"},
        {"{\"class_name\": \"Sequential\", \"config\": [{\"class_name\": \"Dense\", \"config\": "
         "{\"name\": \"a\"}}]}",
         "does not say the shape"},
        {"{\"class_name\": \"Model\", \"config\": {\"layers\": [{\"class_name\": \"ReLU\", "
         "\"name\": \"a\", \"config\": {\"name\": \"a\"}, \"inbound_nodes\": [[[\"b\", 0, 0]]]}, "
         "{\"class_name\": \"ReLU\", \"name\": \"b\", \"config\": {\"name\": \"b\"}, "
         "\"inbound_nodes\": [[[\"a\", 0, 0]]]}], \"output_layers\": [[\"b\", 0, 0]]}}",
         "depends on itself"},
        {"{\"class_name\": \"Model\", \"config\": {\"layers\": [{\"class_name\": \"ReLU\", "
         "\"name\": \"a\", \"config\": {\"name\": \"a\"}, \"inbound_nodes\": [[[\"c\", 0, 0]]]}], "
         "\"output_layers\": [[\"a\", 0, 0]]}}",
         "no layer 'c'"},
        {"{\"class_name\": \"Model\", \"config\": {\"layers\": [{\"class_name\": \"ReLU\", "
         "\"name\": \"a\", \"config\": {\"name\": \"a\"}, \"inbound_nodes\": [[[\"a\", 5, 0]]]}], "
         "\"output_layers\": [[\"a\", 7, 0]]}}",
         "is not there"},
        {"{\"class_name\": \"Model\", \"config\": {\"layers\": [{\"class_name\": \"ReLU\", "
         "\"name\": \"a\", \"config\": {\"name\": \"a\"}, \"inbound_nodes\": []}]}}",
         "names no output"},
        {"{\"class_name\": \"Model\", \"config\": {\"layers\": [{\"class_name\": \"InputLayer\", "
         "\"config\": {\"name\": \"a\", \"batch_input_shape\": [null, 2]}}, {\"class_name\": "
         "\"InputLayer\", \"config\": {\"name\": \"b\", \"batch_input_shape\": [null, 2]}}], "
         "\"output_layers\": [[\"a\", 0, 0]]}}",
         "more than one input"},
        {"{\"class_name\": \"Sequential\", \"config\": [{\"class_name\": \"GRU\", \"config\": "
         "{\"name\": \"g\"}}, {\"class_name\": \"Wiggle\", \"config\": {\"name\": \"w\"}}]}",
         "cannot run GRU 'g', Wiggle 'w': a recurrent layer"},
        {"{\"class_name\": \"Sequential\", \"config\": [{\"class_name\": \"TimeDistributed\", "
         "\"config\": {\"name\": \"t\", \"layer\": {\"class_name\": \"Wiggle\"}}}]}",
         "cannot run Wiggle 't': vbp does not know"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct keras_builder b;

        keras_builder_begin(&b, "2.1.6");
        b.description = cases[i].text;
        keras_case_refused(&b, cases[i].message);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_order_of_flatten, random_setup),
        cmocka_unit_test_setup(test_reshapes, random_setup),
        cmocka_unit_test(test_time_distributed),
        cmocka_unit_test_setup(test_merges, random_setup),
        cmocka_unit_test_setup(test_concatenate, random_setup),
        cmocka_unit_test(test_order_of_layers),
        cmocka_unit_test(test_shared_layer),
        cmocka_unit_test(test_keras_3_references),
        cmocka_unit_test(test_inner_network),
        cmocka_unit_test(test_names),
        cmocka_unit_test(test_description_beside),
        cmocka_unit_test(test_open_size),
        cmocka_unit_test(test_refusals),
    };

    return cmocka_run_group_tests(tests, scratch_setup, scratch_teardown);
}
