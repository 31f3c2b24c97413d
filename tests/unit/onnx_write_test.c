/* onnx_write.c: graphs of every kind of node are written, read back and give the same outputs. */
#include "base/file.h"
#include "formats/formats.h"
#include "nn/forward.h"
#include "onnx/onnx.pb-c.h"
#include "support/data.h"
#include "support/graph_case.h"
#include "support/loader_check.h"
#include "support/onnx_case.h"

#include <float.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const struct window window_3x2 = {
    .kernel = {3, 2}, .stride = {2, 1}, .dilation = {1, 2}, .pad_begin = {1, 0}, .pad_end = {0, 1}};

/* ---- Round trips ---------------------------------------------------------------------------- */

static struct graph *read_back(const unsigned char *bytes, size_t length, char **card)
{
    struct graph *graph;
    VbpError error;

    if (onnx_load(bytes, length, NULL, &graph, card, &error) != VBP_OK)
        fail_msg("%s", error.message);
    return graph;
}

/* Keeps the file where VBP_ONNX_FILES says, for trying it in another runtime. */
static void keep_file(const unsigned char *bytes, size_t length)
{
    static int number;
    const char *folder = getenv("VBP_ONNX_FILES");
    char path[400];
    VbpError error;

    if (!folder)
        return;
    snprintf(path, sizeof(path), "%s/%03d.onnx", folder, number++);
    assert_int_equal(file_write(path, bytes, length, &error), VBP_OK);
}

static struct graph *round_trip(const struct graph *graph)
{
    struct graph *loaded;
    unsigned char *bytes;
    size_t length;
    char *card;
    VbpError error;

    if (onnx_write(graph, NULL, &bytes, &length, &error) != VBP_OK)
        fail_msg("%s", error.message);
    save_seed("onnx", bytes, length);
    keep_file(bytes, length);
    loaded = read_back(bytes, length, &card);
    assert_null(card);
    free(bytes);
    assert_string_equal(loaded->tensors[loaded->input].name, graph->tensors[graph->input].name);
    assert_true(
        shape_equal(&loaded->tensors[loaded->input].shape, &graph->tensors[graph->input].shape));
    assert_int_equal(loaded->output_count, graph->output_count);
    for (int i = 0; i < graph->output_count; i++) {
        assert_string_equal(loaded->tensors[loaded->outputs[i]].name,
                            graph->tensors[graph->outputs[i]].name);
        assert_true(shape_equal(&loaded->tensors[loaded->outputs[i]].shape,
                                &graph->tensors[graph->outputs[i]].shape));
    }
    assert_int_equal(loaded->level_count, graph->level_count);
    return loaded;
}

/* Runs both graphs on the same input and compares all outputs. tolerance 0: to the bit. */
static void check_outputs(const struct graph *graph, const struct graph *loaded, const float *input,
                          float tolerance)
{
    const struct graph *graphs[2] = {graph, loaded};
    struct forward *forward[2];
    VbpError error;

    for (int i = 0; i < 2; i++) {
        const struct shape *shape = &graphs[i]->tensors[graphs[i]->input].shape;
        const struct forward_options options = {0};

        if (forward_create(&forward[i], graphs[i], &options, &error) != VBP_OK)
            fail_msg("%s", error.message);
        memcpy(forward_input(forward[i]), input, (size_t)shape_elements(shape) * sizeof(float));
        if (forward_run(forward[i], &error) != VBP_OK)
            fail_msg("%s", error.message);
    }
    for (int o = 0; o < graph->output_count; o++) {
        const float *a = forward_tensor(forward[0], graph->outputs[o]);
        const float *b = forward_tensor(forward[1], loaded->outputs[o]);
        size_t count = (size_t)shape_elements(&graph->tensors[graph->outputs[o]].shape);

        if (tolerance == 0)
            assert_memory_equal(a, b, count * sizeof(float));
        for (size_t i = 0; i < count; i++)
            assert_true(fabsf(a[i] - b[i]) <= tolerance * fmaxf(1, fabsf(a[i])));
    }
    forward_destroy(&forward[0]);
    forward_destroy(&forward[1]);
}

static void check_random(const struct graph *graph, const struct graph *loaded, uint32_t seed,
                         float tolerance)
{
    size_t count = (size_t)shape_elements(&graph->tensors[graph->input].shape);
    float *input = malloc(count * sizeof(*input));

    assert_non_null(input);
    for (size_t i = 0; i < count; i++)
        input[i] = 4 * graph_case_random(&seed);
    check_outputs(graph, loaded, input, tolerance);
    free(input);
}

/* The only output is `output`; it comes back from a node of the same kind with the same values. */
static void check_same(struct graph *graph, int output)
{
    struct graph *loaded;
    const struct node *a, *b;
    char producer[64];

    graph_case_finish(graph, output);
    loaded = round_trip(graph);
    check_random(graph, loaded, 1, 0);
    assert_int_equal(loaded->node_count, graph->node_count);
    for (int i = 0; i < graph->node_count; i++) {
        a = &graph->nodes[i];
        b = &loaded->nodes[i];
        assert_int_equal(a->kind, b->kind);
        assert_string_equal(a->name, b->name);
        assert_int_equal(a->input_count, b->input_count);
    }
    snprintf(producer, sizeof(producer), "vbp %s", vbp_version());
    assert_string_equal(loaded->producer, producer);
    graph_destroy(&loaded);
    graph_destroy(&graph);
}

static void test_convolution(void **state)
{
    (void)state;
    for (int groups = 1; groups <= 2; groups++) {
        for (int bias = 0; bias < 2; bias++) {
            struct graph *graph = graph_case_picture();
            const struct node node = {.kind = NODE_CONVOLUTION,
                                      .convolution = {.window = window_3x2, .groups = groups}};
            int inputs[3] = {graph->input, graph_case_constant(graph, "weights", -1,
                                                               NUMBERS(4, 2 / groups, 3, 2))};

            if (bias)
                inputs[2] = graph_case_constant(graph, "bias", -1, NUMBERS(4));
            check_same(graph, graph_case_add(graph, node, "conv", 2 + (size_t)bias, inputs));
        }
    }
}

static void test_dense(void **state)
{
    const struct node node = {.kind = NODE_DENSE};
    struct graph *graph, *loaded;
    int weights;

    (void)state;
    for (int bias = 0; bias < 2; bias++) {
        int inputs[3];

        graph = graph_case_begin(2, (const int64_t[]){1, 5});
        inputs[0] = graph->input;
        inputs[1] = graph_case_constant(graph, "weights", -1, NUMBERS(3, 5));
        inputs[2] = graph_case_constant(graph, "bias", -1, NUMBERS(3));
        check_same(graph, graph_case_add(graph, node, "dense", 2 + (size_t)bias, inputs));
    }
    /* Data of another rank goes through MatMul; two layers share their weights. */
    graph = graph_case_picture();
    weights = graph_case_constant(graph, "weights", -1, NUMBERS(8, 8));
    check_same(graph, graph_case_add(graph, node, "second",
                                     INPUTS(graph_case_add(graph, node, "first",
                                                           INPUTS(graph->input, weights)),
                                            weights)));
    graph = graph_case_begin(1, (const int64_t[]){5});
    check_same(graph, graph_case_add(graph, node, "dense",
                                     INPUTS(graph->input,
                                            graph_case_constant(graph, "w", -1, NUMBERS(3, 5)))));
    /* Its bias becomes a node of its own. */
    graph = graph_case_picture();
    graph_case_finish(
        graph, graph_case_add(graph, node, "dense",
                              INPUTS(graph->input,
                                     graph_case_constant(graph, "weights", -1, NUMBERS(3, 8)),
                                     graph_case_constant(graph, "bias", -1, NUMBERS(3)))));
    loaded = round_trip(graph);
    assert_int_equal(loaded->node_count, 2);
    check_random(graph, loaded, 2, 1e-6f);
    graph_destroy(&loaded);
    graph_destroy(&graph);
}

static void test_batch_norm(void **state)
{
    const struct node node = {.kind = NODE_BATCH_NORM, .batch_norm.epsilon = 0.003f};
    struct graph *graph = graph_case_picture();

    (void)state;
    check_same(graph,
               graph_case_add(graph, node, "norm",
                              INPUTS(graph->input, graph_case_constant(graph, "a", -1, NUMBERS(2)),
                                     graph_case_constant(graph, "b", -1, NUMBERS(2)),
                                     graph_case_constant(graph, "c", -1, NUMBERS(2)),
                                     graph_case_constant(graph, "d", 0.1f, NUMBERS(2)))));
}

static void test_activations(void **state)
{
    static const struct {
        enum activation function;
        float alpha, beta;
    } cases[] = {
        {ACTIVATION_RELU, 0, 0},         {ACTIVATION_CLIP, 0, 6},
        {ACTIVATION_CLIP, -0.5f, 0.25f}, {ACTIVATION_CLIP, 0.1f, FLT_MAX},
        {ACTIVATION_ELU, 1.5f, 0},       {ACTIVATION_LEAKY_RELU, 0.3f, 0},
        {ACTIVATION_SELU, 1.7f, 1.1f},   {ACTIVATION_SOFTPLUS, 0, 0},
        {ACTIVATION_SILU, 0, 0},         {ACTIVATION_GELU, 0, 0},
        {ACTIVATION_SIGMOID, 0, 0},      {ACTIVATION_TANH, 0, 0},
        {ACTIVATION_ATAN, 0, 0},         {ACTIVATION_THRESHOLD, 0.2f, 0},
        {ACTIVATION_SOFTSIGN, 0, 0},     {ACTIVATION_EXPONENTIAL, 0, 0},
    };
    unsigned seen = 0;

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct graph *graph = graph_case_picture(), *loaded;
        const struct node pool = {.kind = NODE_GLOBAL_AVERAGE_POOL};
        const struct node again = {
            .kind = NODE_ACTIVATION,
            .activation = {cases[i].function, cases[i].alpha, cases[i].beta}};
        const struct node *node;
        int output = graph_case_function(graph, cases[i].function, cases[i].alpha, cases[i].beta,
                                         graph->input);

        graph_case_finish(graph, output);
        loaded = round_trip(graph);
        assert_int_equal(loaded->node_count, 1);
        node = onnx_case_node(loaded, activation_name(cases[i].function));
        assert_int_equal(node->kind, NODE_ACTIVATION);
        assert_int_equal(node->activation.function, cases[i].function);
        assert_true(node->activation.alpha == cases[i].alpha);
        assert_true(node->activation.beta == cases[i].beta);
        graph_destroy(&loaded);
        graph_destroy(&graph);
        seen |= 1u << cases[i].function;

        /* Twice in a row on a picture, so that it makes levels or does not. */
        graph = graph_case_picture();
        output = graph_case_function(graph, cases[i].function, cases[i].alpha, cases[i].beta,
                                     graph->input);
        output = graph_case_add(graph, again, "again", INPUTS(output));
        check_same(graph, graph_case_add(graph, pool, "pool", INPUTS(output)));
    }
    assert_int_equal(seen, (1u << ACTIVATION_COUNT) - 1);
}

static void test_pools(void **state)
{
    struct window plain = window_make(3, 2), dilated = window_3x2;

    (void)state;
    plain.stride[0] = 2;
    plain.stride[1] = 3;
    plain.pad_begin[0] = plain.pad_end[1] = 1;
    for (int i = 0; i < 16; i++) {
        struct graph *graph = graph_case_picture();
        struct node node = {.kind = i & 1 ? NODE_AVERAGE_POOL : NODE_MAX_POOL};

        node.pool.window = i & 2 ? dilated : plain;
        node.pool.ceiling = i & 4;
        node.pool.include_padding = i & 8 && i & 1;
        check_same(graph, graph_case_add(graph, node, "pool", INPUTS(graph->input)));
    }
}

static void test_arithmetic(void **state)
{
    (void)state;
    for (int i = 0; i < BINARY_PRELU; i++) {
        struct graph *graph = graph_case_picture();
        const struct node node = {.kind = NODE_BINARY, .binary = (enum binary)i};
        int data = graph_case_function(graph, ACTIVATION_TANH, 0, 0, graph->input);

        /* With a constant on either side, broadcast, and two tensors. */
        data = graph_case_add(graph, node, "left",
                              INPUTS(graph_case_constant(graph, "c", 2, NUMBERS(2, 1, 8)), data));
        data = graph_case_add(graph, node, "right",
                              INPUTS(data, graph_case_constant(graph, "d", 2, NUMBERS(1))));
        check_same(graph, graph_case_add(graph, node, "both", INPUTS(graph->input, data)));
    }
}

static void test_rearranging(void **state)
{
    const struct node identity = {.kind = NODE_IDENTITY};
    struct node node = {.kind = NODE_CONCAT, .concat.axis = 2};
    struct graph *graph = graph_case_picture();
    int data;

    (void)state;
    data = graph_case_add(graph, node, "concat",
                          INPUTS(graph->input,
                                 graph_case_constant(graph, "c", -1, NUMBERS(1, 2, 3, 8)),
                                 graph->input));
    check_same(graph, data);

    graph = graph_case_picture();
    node = (struct node){.kind = NODE_TRANSPOSE, .transpose = {{0, 2, 3, 1}}};
    check_same(graph, graph_case_add(graph, node, "transpose", INPUTS(graph->input)));

    graph = graph_case_picture();
    node = (struct node){.kind = NODE_RESHAPE, .reshape.shape = {.rank = 2, .extent = {1, 112}}};
    data = graph_case_add(graph, identity, "dropout", INPUTS(graph->input));
    check_same(graph, graph_case_add(graph, node, "flatten", INPUTS(data)));

    graph = graph_case_begin(2, (const int64_t[]){1, 1});
    node = (struct node){.kind = NODE_RESHAPE, .reshape.shape = {.rank = 0}};
    check_same(graph, graph_case_add(graph, node, "scalar", INPUTS(graph->input)));
}

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
    check_same(graph, graph_case_add(graph, node, "prelu", INPUTS(graph->input, data)));

    for (size_t i = 0; i < sizeof(pads) / sizeof(pads[0]); i++) {
        graph = graph_case_picture();
        node = (struct node){.kind = NODE_PAD,
                             .pad = {.begin = {0, 0, pads[i][0], pads[i][2]},
                                     .end = {0, 0, pads[i][1], pads[i][3]}}};
        data = graph_case_add(graph, node, "pad", INPUTS(graph->input));
        if (i < 2) {
            check_same(graph, data);
        } else { /* cut here and padded there: two nodes */
            graph_case_finish(graph, data);
            loaded = round_trip(graph);
            assert_int_equal(loaded->node_count, 2);
            check_random(graph, loaded, 1, 0);
            graph_destroy(&loaded);
            graph_destroy(&graph);
        }
    }
    graph = graph_case_picture();
    node = (struct node){.kind = NODE_UPSAMPLE, .upsample.factor = {2, 3}};
    check_same(graph, graph_case_add(graph, node, "repeat", INPUTS(graph->input)));

    for (int axis = 1; axis < 4; axis++) {
        graph = graph_case_picture();
        node = (struct node){.kind = NODE_SOFTMAX, .softmax.axis = axis};
        check_same(graph, graph_case_add(graph, node, "softmax", INPUTS(graph->input)));
    }
    graph = graph_case_picture();
    node = (struct node){.kind = NODE_INSTANCE_NORM, .instance_norm = {0.01f, 1}};
    data = graph_case_constant(graph, "scale", -1, NUMBERS(2));
    check_same(graph, graph_case_add(graph, node, "own statistics",
                                     INPUTS(graph->input, data,
                                            graph_case_constant(graph, "shift", -1, NUMBERS(2)))));
}

/* ---- The file ------------------------------------------------------------------------------- */

static Onnx__ModelProto *unpack(const struct graph *graph, const char *card)
{
    Onnx__ModelProto *model;
    unsigned char *bytes;
    size_t length;
    VbpError error;

    if (onnx_write(graph, card, &bytes, &length, &error) != VBP_OK)
        fail_msg("%s", error.message);
    model = onnx__model_proto__unpack(NULL, length, bytes);
    assert_non_null(model);
    free(bytes);
    return model;
}

static void test_versions(void **state)
{
    struct node node = {.kind = NODE_AVERAGE_POOL, .pool.window = window_3x2};
    struct graph *graph = graph_case_picture();
    Onnx__ModelProto *model;

    (void)state;
    graph_case_finish(graph, graph_case_function(graph, ACTIVATION_GELU, 0, 0, graph->input));
    model = unpack(graph, NULL);
    assert_int_equal(model->ir_version, 8);
    assert_int_equal(model->n_opset_import, 1);
    assert_string_equal(model->opset_import[0]->domain, "");
    assert_int_equal(model->opset_import[0]->version, 13);
    assert_string_equal(model->producer_name, "vbp");
    assert_int_equal(model->n_metadata_props, 0);
    onnx__model_proto__free_unpacked(model, NULL);
    graph_destroy(&graph);

    /* The one kind of node that opset 13 has no operator for. */
    graph = graph_case_picture();
    graph_case_finish(graph, graph_case_add(graph, node, "pool", INPUTS(graph->input)));
    model = unpack(graph, NULL);
    assert_int_equal(model->ir_version, 9);
    assert_int_equal(model->opset_import[0]->version, 19);
    onnx__model_proto__free_unpacked(model, NULL);
    graph_destroy(&graph);
}

/* Every name once, none empty; input and output keep theirs whatever else is called so. */
static void test_names(void **state)
{
    static const char odd[] = "a\nb\xff\xc3\xa9\xed\xa0\x80";
    static const char cleaned[] = "a_b_\xc3\xa9___";
    const struct node node = {.kind = NODE_BINARY, .binary = BINARY_ADD};
    struct graph *graph = graph_case_picture(), *loaded;
    VbpError error;
    int data = graph->input, output;

    (void)state;
    for (int i = 0; i < 300; i++)
        data = graph_case_add(
            graph, node, i % 2 ? "steering" : "picture",
            INPUTS(graph_case_constant(graph, i % 3 ? "steering" : "w", -1, NUMBERS(1)), data));
    data = graph_case_function(graph, ACTIVATION_TANH, 0, 0, data);
    assert_int_equal(graph_rename_tensor(graph, data, "", &error), VBP_OK);
    output = graph_case_function(graph, ACTIVATION_GELU, 0, 0, data);
    assert_int_equal(graph_rename_tensor(graph, output, odd, &error), VBP_OK);
    assert_int_equal(graph_mark_output(graph, output, &error), VBP_OK);
    output = graph_case_function(graph, ACTIVATION_TANH, 0, 0, output);
    assert_int_equal(graph_rename_tensor(graph, output, "steering", &error), VBP_OK);
    assert_int_equal(graph_mark_output(graph, output, &error), VBP_OK);
    assert_int_equal(graph_finish(graph, &error), VBP_OK);

    {
        Onnx__ModelProto *model = unpack(graph, NULL);

        for (size_t i = 0; i < model->graph->n_node; i++) {
            assert_true(model->graph->node[i]->name[0]);
            for (size_t j = 0; j < i; j++)
                assert_string_not_equal(model->graph->node[i]->name, model->graph->node[j]->name);
        }
        assert_string_equal(model->graph->output[0]->name, cleaned);
        assert_string_equal(model->graph->output[1]->name, "steering");
        assert_string_equal(model->graph->input[0]->name, "picture");
        onnx__model_proto__free_unpacked(model, NULL);
    }
    /* The loader refuses a name that is made twice. */
    assert_int_equal(graph_rename_tensor(graph, graph->outputs[0], cleaned, &error), VBP_OK);
    loaded = round_trip(graph);
    check_random(graph, loaded, 3, 0);
    graph_destroy(&loaded);
    graph_destroy(&graph);
}

/* What no node needs is not written. */
static void test_unused(void **state)
{
    struct graph *graph = graph_case_picture();
    Onnx__ModelProto *model;

    (void)state;
    graph_case_constant(graph, "unused", 0, NUMBERS(1000));
    graph_case_finish(graph, graph_case_function(graph, ACTIVATION_RELU, 0, 0, graph->input));
    model = unpack(graph, NULL);
    assert_int_equal(model->graph->n_initializer, 0);
    onnx__model_proto__free_unpacked(model, NULL);
    graph_destroy(&graph);
}

static void test_card(void **state)
{
    static const char json[] =
        "{\"input\":{\"crop\":{\"top\":60,\"bottom\":25,\"left\":0,\"right\":0},"
        "\"size\":[8,7],\"color\":\"yuv\",\"scale\":0.00784313725,\"bias\":-1},"
        "\"output\":{\"steering\":\"ReLU\",\"unit\":\"degrees\",\"positive\":\"left\"}}";
    struct graph *graph = graph_case_picture(), *loaded;
    struct card card;
    unsigned char *bytes;
    size_t length;
    char *text, *embedded, *again;
    VbpError error;

    (void)state;
    graph_case_finish(graph, graph_case_function(graph, ACTIVATION_RELU, 0, 0, graph->input));
    assert_int_equal(card_parse(json, &card, &error), VBP_OK);
    assert_int_equal(card_format(&card, &text, &error), VBP_OK);
    card_free(&card);
    assert_int_equal(onnx_write(graph, text, &bytes, &length, &error), VBP_OK);
    loaded = read_back(bytes, length, &embedded);
    assert_string_equal(embedded, text);
    assert_int_equal(card_parse(embedded, &card, &error), VBP_OK);
    assert_int_equal(card_format(&card, &again, &error), VBP_OK);
    assert_string_equal(again, text);
    assert_true(card.input.crop_top == 60);
    assert_int_equal(card.input.color, CARD_YUV);
    assert_string_equal(card.output.steering, "ReLU");
    assert_true(card.output.positive_left);
    card_free(&card);
    free(text);
    free(embedded);
    free(again);
    free(bytes);
    graph_destroy(&loaded);
    graph_destroy(&graph);
}

static void test_refusals(void **state)
{
    struct graph *graph = graph_case_picture();
    unsigned char *bytes = (unsigned char *)"";
    size_t length = 1;
    VbpError error;
    int output = graph_case_function(graph, ACTIVATION_RELU, 0, 0, graph->input);

    (void)state;
    assert_int_equal(onnx_write(graph, NULL, &bytes, &length, &error), VBP_ERROR_ARGUMENT);
    assert_null(bytes);
    assert_int_equal(length, 0);
    assert_int_equal(graph_mark_output(graph, output, &error), VBP_OK);
    graph_case_finish(graph, output);
    assert_int_equal(onnx_write(graph, NULL, &bytes, &length, &error), VBP_ERROR_UNSUPPORTED);
    assert_string_equal(error.message, "output 'ReLU' is there twice, which ONNX cannot say");
    assert_int_equal(onnx_write(graph, NULL, &bytes, &length, NULL), VBP_ERROR_UNSUPPORTED);
    graph_destroy(&graph);
}

static void test_everything(void **state)
{
    struct graph *graph = graph_case_everything(), *loaded = round_trip(graph);

    (void)state;
    for (uint32_t seed = 0; seed < 4; seed++)
        check_random(graph, loaded, seed, 1e-6f);
    graph_destroy(&loaded);
    graph_destroy(&graph);
}

/* ---- A real network ------------------------------------------------------------------------- */

static void test_published_network(void **state)
{
    const struct model_hints hints = {.input_width = 640, .input_height = 125};
    struct graph *graph, *loaded;
    char *card;
    VbpError error;

    (void)state;
    if (model_load(data_path("nethvf/model.t7b"), &hints, &graph, &card, &error) != VBP_OK)
        fail_msg("%s", error.message);
    free(card);
    loaded = round_trip(graph);
    assert_true(graph->level_count > 5);
    for (uint32_t seed = 0; seed < 3; seed++)
        check_random(graph, loaded, seed, 1e-6f);
    graph_destroy(&loaded);
    graph_destroy(&graph);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_convolution),
        cmocka_unit_test(test_dense),
        cmocka_unit_test(test_batch_norm),
        cmocka_unit_test(test_activations),
        cmocka_unit_test(test_pools),
        cmocka_unit_test(test_arithmetic),
        cmocka_unit_test(test_rearranging),
        cmocka_unit_test(test_rare_kinds),
        cmocka_unit_test(test_versions),
        cmocka_unit_test(test_names),
        cmocka_unit_test(test_unused),
        cmocka_unit_test(test_card),
        cmocka_unit_test(test_refusals),
        cmocka_unit_test(test_everything),
        cmocka_unit_test(test_published_network),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
