/*
 * Operators of ONNX that become several nodes, or take parts of tensors and repeat them: small
 * networks that are run, with results worked out by hand.
 */
#include "graph/fold.h"
#include "support/keras_case.h"
#include "support/onnx_case.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* Expected values for check: pointer, count. */
#define EXPECTED(...)                                                                              \
    ((const double[]){__VA_ARGS__}), (sizeof((double[]){__VA_ARGS__}) / sizeof(double))

/* A network with the input "x" of height x width, and as many channels. */
static void begin(struct onnx_builder *b, int opset, int channels, int height, int width)
{
    onnx_builder_begin(b, opset);
    onnx_builder_input(b, "x", NUMBERS(1, channels, height, width));
}

/* Runs it on 0, 1, 2, ... */
static void check(struct onnx_builder *b, const double *expected, size_t count)
{
    struct graph *graph = onnx_case_good(b);
    size_t length = (size_t)shape_elements(&graph->tensors[graph->input].shape);
    float *input = malloc(length * sizeof(*input));

    assert_non_null(input);
    for (size_t i = 0; i < length; i++)
        input[i] = (float)i;
    keras_case_run(graph, input, length, expected, count);
    free(input);
    graph_destroy(&graph);
}

static void scalar(struct onnx_builder *b, const char *name, float value)
{
    onnx_builder_floats(b, name, 0, NULL, &value);
}

/* ---- Activations ---------------------------------------------------------------------------- */

static double hard_sigmoid(double x, double slope)
{
    return fmin(fmax(slope * x + 0.5, 0), 1);
}

static double mish(double x)
{
    return x * tanh(log1p(exp(x)));
}

enum gate { HARD_SIGMOID, HARD_SIGMOID_SIXTH, HARD_SWISH, MISH };

/* The output "g" of each in the ways in which files have it. */
static enum gate add_gate(struct onnx_builder *b, int spelling)
{
    static const enum gate gates[] = {HARD_SIGMOID, HARD_SIGMOID_SIXTH, HARD_SWISH, MISH,
                                      HARD_SWISH,   HARD_SWISH,         MISH};

    scalar(b, "3", 3);
    scalar(b, "6", 6);
    scalar(b, "0", 0);
    if (spelling == 0) {
        onnx_builder_node(b, "HardSigmoid", "h", "x", "g");
    } else if (spelling == 1) {
        onnx_node_float(b, onnx_builder_node(b, "HardSigmoid", "h", "x", "g"), "alpha", 1.0f / 6);
    } else if (spelling == 2) {
        onnx_builder_node(b, "HardSwish", "h", "x", "g");
    } else if (spelling == 3) {
        onnx_builder_node(b, "Mish", "h", "x", "g");
    } else if (spelling == 4) { /* PyTorch before opset 14 */
        onnx_builder_node(b, "Add", "a", "x 3", "a");
        onnx_builder_node(b, "Clip", "c", "a 0 6", "c");
        onnx_builder_node(b, "Div", "d", "c 6", "d");
        onnx_builder_node(b, "Mul", "m", "x d", "g");
    } else if (spelling == 5) {
        onnx_node_float(b, onnx_builder_node(b, "HardSigmoid", "h", "x", "h"), "alpha", 1.0f / 6);
        onnx_builder_node(b, "Mul", "m", "h x", "g");
    } else {
        onnx_builder_node(b, "Softplus", "s", "x", "s");
        onnx_builder_node(b, "Tanh", "t", "s", "t");
        onnx_builder_node(b, "Mul", "m", "x t", "g");
    }
    return gates[spelling];
}

static void test_gates(void **state)
{
    static const float input[] = {-4, -2.75f, -1, 0, 0.5f, 2.6f, 4};
    double expected[7];

    (void)state;
    for (int spelling = 0; spelling < 7; spelling++) {
        struct onnx_builder b;
        struct graph *graph;
        enum gate gate;

        begin(&b, 14, 1, 1, 7);
        gate = add_gate(&b, spelling);
        onnx_builder_node(&b, "Identity", "same", "g", "y");
        onnx_builder_node(&b, "GlobalAveragePool", "pool", "g", "p");
        graph = onnx_case_good(&b);
        for (int i = 0; i < 7; i++) {
            double x = (double)input[i];

            expected[i] = gate == MISH         ? mish(x)
                          : gate == HARD_SWISH ? x * hard_sigmoid(x, 1.0 / 6)
                                               : hard_sigmoid(x, gate ? 1.0 / 6 : 0.2);
        }
        keras_case_run(graph, input, 7, expected, 7);
        graph_destroy(&graph);

        /* One level each, but of a hard sigmoid: what is a rectifier on the way to a gate is none.
         */
        begin(&b, 14, 1, 1, 7);
        gate = add_gate(&b, spelling);
        onnx_builder_node(&b, "GlobalAveragePool", "pool", "g", "y");
        graph = onnx_case_good(&b);
        assert_int_equal(graph->level_count, gate == MISH || gate == HARD_SWISH);
        for (int folded = 0; folded < 2 && graph->level_count; folded++) {
            VbpError error;

            assert_string_equal(graph->tensors[graph->levels[0]].name, "g");
            assert_int_equal(graph_fold(graph, &error), VBP_OK);
            assert_int_equal(graph->level_count, 1);
        }
        graph_destroy(&graph);
    }
}

/* What is no gate: open at both ends, never bounded, of another tensor, read by others too. */
static void test_no_gates(void **state)
{
    static const struct {
        const char *operator[2], *inputs[2];
        int levels;
    } cases[] = {{{"Tanh", "Mul"}, {"x", "a x"}, 0},
                 {{"Relu", "Mul"}, {"x", "x a"}, 1},
                 {{"Identity", "Mul"}, {"x", "x a"}, 0},
                 {{"Sigmoid", "Mul"}, {"n", "x a"}, 0},
                 {{"Sigmoid", "Add"}, {"x", "x a"}, 0}};
    struct onnx_builder b;
    struct graph *graph;

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        begin(&b, 13, 1, 2, 3);
        onnx_builder_node(&b, "Tanh", "n", "x", "n");
        onnx_builder_node(&b, cases[i].operator[0], "a", cases[i].inputs[0], "a");
        onnx_builder_node(&b, cases[i].operator[1], "b", cases[i].inputs[1], "b");
        onnx_builder_node(&b, "GlobalAveragePool", "pool", "b", "y");
        graph = onnx_case_good(&b);
        assert_int_equal(graph->level_count, cases[i].levels);
        graph_destroy(&graph);
    }
    /* The product is a level, and so is the rectifier that somebody else reads too. */
    begin(&b, 13, 1, 2, 3);
    onnx_builder_node(&b, "Softplus", "s", "x", "s");
    onnx_builder_node(&b, "Tanh", "t", "s", "t");
    onnx_builder_node(&b, "Mul", "m", "x t", "m");
    onnx_builder_node(&b, "Add", "a", "m s", "a");
    onnx_builder_node(&b, "GlobalAveragePool", "pool", "a", "y");
    graph = onnx_case_good(&b);
    assert_int_equal(graph->level_count, 2);
    graph_destroy(&graph);
}

static void test_hard_sigmoid_refused(void **state)
{
    struct onnx_builder b;
    Onnx__NodeProto *node;

    (void)state;
    onnx_case_begin(&b, 13);
    node = onnx_builder_node(&b, "HardSigmoid", "h", "x", "y");
    onnx_node_float(&b, node, "alpha", -1);
    onnx_case_refused(&b, VBP_ERROR_UNSUPPORTED,
                      "node 'h' (HardSigmoid): alpha -1 and beta 0.5 are not supported");
}

static void test_log_softmax(void **state)
{
    const double all = log(1 + exp(1) + exp(2));
    struct onnx_builder b;

    (void)state;
    begin(&b, 13, 3, 1, 1);
    onnx_node_integer(&b, onnx_builder_node(&b, "LogSoftmax", "l", "x", "y"), "axis", 1);
    check(&b, EXPECTED(-all, 1 - all, 2 - all));
}

/* ---- Arithmetic ----------------------------------------------------------------------------- */

static void test_many_inputs(void **state)
{
    static const struct {
        const char *name;
        double three[2], two[2]; /* of (0, 1), 3 and -5 */
    } cases[] = {{"Sum", {-2, -1}, {3, 4}},
                 {"Mean", {-2.0 / 3, -1.0 / 3}, {1.5, 2}},
                 {"Max", {3, 3}, {3, 3}},
                 {"Min", {-5, -5}, {0, 1}}};

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct onnx_builder b;

        begin(&b, 13, 1, 1, 2);
        scalar(&b, "a", 3);
        scalar(&b, "b", -5);
        onnx_builder_node(&b, cases[i].name, "n", "x a b", "y");
        check(&b, cases[i].three, 2);
        begin(&b, 13, 1, 1, 2);
        scalar(&b, "a", 3);
        onnx_builder_node(&b, cases[i].name, "n", "x a", "y");
        check(&b, cases[i].two, 2);
        begin(&b, 13, 1, 1, 2);
        onnx_builder_node(&b, cases[i].name, "n", "x", "y");
        check(&b, EXPECTED(0, 1));
    }
}

static void test_single_functions(void **state)
{
    static const struct {
        const char *name;
        double factor; /* of 6.25 */
    } cases[] = {{"Sqrt", 2.5}, {"Floor", 6}, {"Ceil", 7}};
    struct onnx_builder b;

    (void)state;
    begin(&b, 13, 1, 1, 2);
    onnx_builder_node(&b, "Neg", "n", "x", "y");
    check(&b, EXPECTED(0, -1));
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char message[200];

        begin(&b, 13, 1, 1, 2);
        scalar(&b, "c", 6.25f);
        onnx_builder_node(&b, cases[i].name, "f", "c", "d");
        onnx_builder_node(&b, "Mul", "m", "x d", "y");
        check(&b, EXPECTED(0, cases[i].factor));
        begin(&b, 13, 1, 1, 2);
        onnx_builder_node(&b, cases[i].name, "f", "x", "y");
        snprintf(message, sizeof(message),
                 "node 'f' (%s): only constants are supported as its inputs", cases[i].name);
        onnx_case_refused(&b, VBP_ERROR_UNSUPPORTED, message);
    }
}

/* ---- Parts of tensors ----------------------------------------------------------------------- */

/* 10 * part 2 - part 1, so that it shows which is which. */
static void join_parts(struct onnx_builder *b)
{
    scalar(b, "ten", 10);
    onnx_builder_node(b, "Mul", "m", "q ten", "r");
    onnx_builder_node(b, "Sub", "s", "r p", "y");
}

static void test_split(void **state)
{
    struct onnx_builder b;
    Onnx__NodeProto *node;

    (void)state;
    for (int way = 0; way < 4; way++) { /* equal, by attribute, by input, by number */
        const int opsets[] = {13, 11, 13, 18};

        begin(&b, opsets[way], 2, 1, 3);
        onnx_builder_integers(&b, "lengths", NUMBERS(1, 1));
        node = onnx_builder_node(&b, "Split", "split", way == 2 ? "x lengths" : "x", "p q");
        onnx_node_integer(&b, node, "axis", way == 1 ? -3 : 1);
        if (way == 1)
            onnx_node_integers(&b, node, "split", NUMBERS(1, 1));
        if (way == 3)
            onnx_node_integer(&b, node, "num_outputs", 2);
        join_parts(&b);
        check(&b, EXPECTED(30, 39, 48));
    }
    begin(&b, 13, 1, 1, 4); /* the second part is left out */
    onnx_builder_integers(&b, "lengths", NUMBERS(1, 2, 1));
    node = onnx_builder_node(&b, "Split", "split", "x lengths", "p - q");
    onnx_node_integer(&b, node, "axis", 3);
    join_parts(&b);
    check(&b, EXPECTED(30));

    /* Of a constant: the second half of a shape. */
    begin(&b, 13, 2, 3, 4);
    onnx_builder_node(&b, "Shape", "shape", "x", "s");
    onnx_builder_node(&b, "Split", "split", "s", "front back");
    onnx_builder_integers(&b, "rest", NUMBERS(1, -1));
    node = onnx_builder_node(&b, "Concat", "c", "back rest", "t");
    onnx_node_integer(&b, node, "axis", 0);
    onnx_builder_node(&b, "Reshape", "r", "x t", "y");
    {
        struct graph *graph = onnx_case_good(&b);

        check_shape(graph, graph->outputs[0], "3x4x1x2");
        graph_destroy(&graph);
    }

    begin(&b, 13, 2, 1, 3);
    onnx_builder_integers(&b, "lengths", NUMBERS(1, 2));
    node = onnx_builder_node(&b, "Split", "split", "x lengths", "y q");
    onnx_node_integer(&b, node, "axis", 1);
    onnx_case_refused(&b, VBP_ERROR_FORMAT,
                      "node 'split' (Split): its parts are not those of 2 cells");
}

static void add_slice(struct onnx_builder *b, const char *data, int64_t from, int64_t to,
                      int64_t axis, int64_t step)
{
    char inputs[80];

    onnx_builder_integers(b, "from", NUMBERS(from));
    onnx_builder_integers(b, "to", NUMBERS(to));
    onnx_builder_integers(b, "axis", NUMBERS(axis));
    onnx_builder_integers(b, "step", NUMBERS(step));
    snprintf(inputs, sizeof(inputs), "%s from to axis step", data);
    onnx_builder_node(b, "Slice", "slice", inputs, "y");
}

static void test_slice_steps(void **state)
{
    struct onnx_builder b;

    (void)state;
    begin(&b, 13, 3, 1, 2); /* blue, green, red */
    add_slice(&b, "x", -1, INT64_MIN, 1, -1);
    check(&b, EXPECTED(4, 5, 2, 3, 0, 1));
    begin(&b, 13, 1, 1, 7);
    add_slice(&b, "x", 1, 6, 3, 2);
    check(&b, EXPECTED(1, 3, 5));
    begin(&b, 13, 1, 1, 7);
    add_slice(&b, "x", 1, INT64_MAX, 3, 3);
    check(&b, EXPECTED(1, 4));
    begin(&b, 13, 1, 1, 7);
    add_slice(&b, "x", 5, 0, 3, -3);
    check(&b, EXPECTED(5, 2));

    begin(&b, 13, 1, 4, 5); /* every second row and third column */
    onnx_builder_integers(&b, "from", NUMBERS(1, 0));
    onnx_builder_integers(&b, "to", NUMBERS(4, 5));
    onnx_builder_integers(&b, "axes", NUMBERS(2, 3));
    onnx_builder_integers(&b, "steps", NUMBERS(2, 3));
    onnx_builder_node(&b, "Slice", "slice", "x from to axes steps", "y");
    check(&b, EXPECTED(5, 8, 15, 18));

    begin(&b, 13, 1, 1, 7);
    add_slice(&b, "x", 1, 6, 3, 0);
    onnx_case_refused(&b, VBP_ERROR_FORMAT, "node 'slice' (Slice): a step of 0");
    begin(&b, 13, 1, 200, 7);
    add_slice(&b, "x", -1, 0, 2, -1);
    onnx_case_refused(&b, VBP_ERROR_UNSUPPORTED,
                      "node 'slice' (Slice): selecting 199 of 200 cells, not side by side, is not "
                      "supported");
}

/* Parts of floats that the file knows. */
static void test_constant_parts(void **state)
{
    static const float values[] = {0, 1, 2, 10, 11, 12};
    struct onnx_builder b;
    Onnx__NodeProto *node;

    (void)state;
    begin(&b, 13, 1, 1, 1); /* rows backwards */
    onnx_builder_floats(&b, "c", NUMBERS(2, 3), values);
    onnx_builder_integers(&b, "from", NUMBERS(-1, 0));
    onnx_builder_integers(&b, "to", NUMBERS(-100, 3));
    onnx_builder_integers(&b, "axes", NUMBERS(0, 1));
    onnx_builder_integers(&b, "steps", NUMBERS(-1, 2));
    onnx_builder_node(&b, "Slice", "slice", "c from to axes steps", "d");
    onnx_builder_node(&b, "Add", "a", "x d", "y");
    check(&b, EXPECTED(10, 12, 0, 2));

    begin(&b, 13, 1, 1, 1); /* columns, of which one twice */
    onnx_builder_floats(&b, "c", NUMBERS(2, 3), values);
    onnx_builder_integers(&b, "i", NUMBERS(2, -3, 2));
    node = onnx_builder_node(&b, "Gather", "g", "c i", "d");
    onnx_node_integer(&b, node, "axis", 1);
    onnx_builder_node(&b, "Add", "a", "x d", "y");
    check(&b, EXPECTED(2, 0, 2, 12, 10, 12));

    begin(&b, 13, 1, 1, 1); /* joined along the second axis */
    onnx_builder_floats(&b, "c", NUMBERS(2, 3), values);
    onnx_builder_floats(&b, "e", NUMBERS(2, 1), (const float[]){7, 8});
    node = onnx_builder_node(&b, "Concat", "j", "c e", "d");
    onnx_node_integer(&b, node, "axis", 1);
    onnx_builder_node(&b, "Add", "a", "x d", "y");
    check(&b, EXPECTED(0, 1, 2, 7, 10, 11, 12, 8));

    begin(&b, 13, 1, 1, 1);
    onnx_builder_floats(&b, "c", NUMBERS(2, 3), values);
    onnx_builder_floats(&b, "e", NUMBERS(1, 1), values);
    node = onnx_builder_node(&b, "Concat", "j", "c e", "d");
    onnx_node_integer(&b, node, "axis", 1);
    onnx_builder_node(&b, "Add", "a", "x d", "y");
    onnx_case_refused(&b, VBP_ERROR_FORMAT,
                      "node 'j' (Concat): the shapes of its inputs do not go together");
}

static void test_gather_channels(void **state)
{
    struct onnx_builder b;
    Onnx__NodeProto *node;
    struct graph *graph;

    (void)state;
    begin(&b, 13, 3, 1, 2);
    onnx_builder_integers(&b, "i", NUMBERS(2, 1, 0));
    node = onnx_builder_node(&b, "Gather", "g", "x i", "y");
    onnx_node_integer(&b, node, "axis", 1);
    check(&b, EXPECTED(4, 5, 2, 3, 0, 1));

    begin(&b, 13, 3, 1, 2); /* x[:, 1] */
    onnx_builder_integers(&b, "i", NUMBERS(-2))->n_dims = 0;
    node = onnx_builder_node(&b, "Gather", "g", "x i", "y");
    onnx_node_integer(&b, node, "axis", 1);
    graph = onnx_case_good(&b);
    check_shape(graph, graph->outputs[0], "1x1x2");
    keras_case_run(graph, (const float[]){0, 1, 2, 3, 4, 5}, 6, EXPECTED(2, 3));
    graph_destroy(&graph);

    begin(&b, 13, 3, 1, 2);
    onnx_builder_integers(&b, "i", NUMBERS(1, 3));
    node = onnx_builder_node(&b, "Gather", "g", "x i", "y");
    onnx_node_integer(&b, node, "axis", 1);
    onnx_case_refused(&b, VBP_ERROR_FORMAT, "node 'g' (Gather): index 3 of 3 elements");
}

static void test_pad_axes(void **state)
{
    struct onnx_builder b;

    (void)state;
    begin(&b, 18, 1, 1, 2);
    onnx_builder_integers(&b, "pads", NUMBERS(1, -1));
    onnx_builder_integers(&b, "axes", NUMBERS(-1));
    onnx_builder_node(&b, "Pad", "pad", "x pads - axes", "y");
    check(&b, EXPECTED(0, 0));
    begin(&b, 18, 1, 1, 2);
    onnx_builder_integers(&b, "pads", NUMBERS(1, 2, 3));
    onnx_builder_integers(&b, "axes", NUMBERS(-1));
    onnx_builder_node(&b, "Pad", "pad", "x pads - axes", "y");
    onnx_case_refused(&b, VBP_ERROR_FORMAT, "node 'pad' (Pad): 3 paddings of 1 axes");
}

/* ---- Repeating ------------------------------------------------------------------------------ */

/* tensor.expand(3, -1) as PyTorch exports it: -1 stands for what is there. */
static void test_expand(void **state)
{
    struct onnx_builder b;
    Onnx__NodeProto *node;

    (void)state;
    begin(&b, 13, 1, 1, 2);
    onnx_builder_floats(&b, "c", NUMBERS(1, 2), (const float[]){10, 20});
    onnx_builder_integers(&b, "count", NUMBERS(2));
    onnx_builder_node(&b, "ConstantOfShape", "ones", "count", "ones");
    onnx_builder_integers(&b, "one", NUMBERS(1));
    onnx_node_tensor(&b, b.graph.node[0], "value");
    onnx_builder_integers(&b, "less", NUMBERS(-1));
    onnx_builder_node(&b, "Mul", "m", "ones less", "negative");
    onnx_builder_integers(&b, "wanted", NUMBERS(3, -1));
    onnx_builder_node(&b, "Equal", "e", "wanted negative", "same");
    onnx_builder_node(&b, "Where", "w", "same ones wanted", "shape");
    onnx_builder_node(&b, "Expand", "x", "c shape", "d");
    onnx_builder_node(&b, "Add", "a", "x d", "y");
    check(&b, EXPECTED(10, 21, 10, 21, 10, 21));

    begin(&b, 13, 2, 1, 1); /* data: a number for each channel over a picture */
    onnx_builder_integers(&b, "shape", NUMBERS(2, 1, 3));
    onnx_builder_node(&b, "Expand", "x", "x shape", "y");
    check(&b, EXPECTED(0, 0, 0, 1, 1, 1));

    begin(&b, 13, 2, 1, 1);
    onnx_builder_integers(&b, "shape", NUMBERS(1, 2, 1, 1));
    onnx_builder_node(&b, "Expand", "e", "x shape", "z");
    onnx_builder_node(&b, "Relu", "r", "z", "y");
    {
        struct graph *graph = onnx_case_good(&b);

        assert_int_equal(graph->nodes[0].kind, NODE_IDENTITY);
        graph_destroy(&graph);
    }
    begin(&b, 13, 2, 1, 1);
    onnx_builder_integers(&b, "shape", NUMBERS(3, 1, 1));
    onnx_builder_node(&b, "Expand", "e", "x shape", "y");
    onnx_case_refused(&b, VBP_ERROR_FORMAT,
                      "node 'e' (Expand): its input cannot be repeated to the shape it is given");
    begin(&b, 13, 2, 1, 1);
    onnx_builder_integers(&b, "shape", NUMBERS(0));
    node = onnx_builder_node(&b, "ConstantOfShape", "c", "shape", "d");
    onnx_node_float(&b, node, "value", 1);
    onnx_builder_node(&b, "Add", "a", "x d", "y");
    onnx_case_refused(&b, VBP_ERROR_UNSUPPORTED,
                      "node 'c' (ConstantOfShape): its value is not one float or 64-bit integer");
    begin(&b, 13, 2, 1, 1);
    onnx_builder_integers(&b, "shape", NUMBERS(0));
    onnx_builder_node(&b, "ConstantOfShape", "c", "shape", "d");
    onnx_builder_node(&b, "Add", "a", "x d", "y");
    onnx_case_refused(&b, VBP_ERROR_UNSUPPORTED, "node 'a' (Add): constant 'd' is empty");
}

static void test_where(void **state)
{
    struct onnx_builder b;

    (void)state;
    for (int64_t chosen = 0; chosen < 2; chosen++) {
        begin(&b, 13, 1, 1, 2);
        onnx_builder_integers(&b, "c", NUMBERS(chosen));
        scalar(&b, "seven", 7);
        onnx_builder_node(&b, "Relu", "r", "x", "z");
        onnx_builder_node(&b, "Where", "w", "c z seven", "v");
        onnx_builder_node(&b, "Add", "a", "z v", "y");
        if (chosen)
            check(&b, EXPECTED(0, 2));
        else
            check(&b, EXPECTED(7, 8));
    }
    begin(&b, 13, 1, 1, 2);
    onnx_builder_integers(&b, "c", NUMBERS(0, 1));
    scalar(&b, "seven", 7);
    onnx_builder_node(&b, "Where", "w", "c x seven", "y");
    onnx_case_refused(&b, VBP_ERROR_UNSUPPORTED,
                      "node 'w' (Where): a condition that is not the same everywhere is not "
                      "supported");
    begin(&b, 13, 1, 1, 2);
    scalar(&b, "seven", 7);
    onnx_builder_node(&b, "Where", "w", "x x seven", "y");
    onnx_case_refused(&b, VBP_ERROR_UNSUPPORTED,
                      "node 'w' (Where): its condition is computed by the network; only constants "
                      "are supported");
}

/* ---- Many to one ---------------------------------------------------------------------------- */

static void test_reductions(void **state)
{
    static const struct {
        const char *name, *shape;
        int64_t axes[2], keep;
        size_t count;
        double expected[6]; /* of 1x2x3x2: 0, 1, ... 11 */
    } cases[] = {{"ReduceMean", "1x2x1x1", {2, 3}, 1, 2, {2.5, 8.5}},
                 {"ReduceMean", "1x2", {-1, -2}, 0, 2, {2.5, 8.5}},
                 {"ReduceMean", "1x1x1x2", {1, 2}, 1, 2, {5, 6}},
                 {"ReduceMean", "1x2", {2, 1}, 0, 2, {5, 6}},
                 {"ReduceMean", "1x1x3x2", {1, 1}, 1, 6, {3, 4, 5, 6, 7, 8}},
                 {"ReduceMean", "1x3x2", {1, -3}, 0, 6, {3, 4, 5, 6, 7, 8}},
                 {"ReduceMean", "1x2x3x1", {3, 3}, 1, 6, {0.5, 2.5, 4.5, 6.5, 8.5, 10.5}},
                 {"ReduceMean", "1x2x3", {3, 3}, 0, 6, {0.5, 2.5, 4.5, 6.5, 8.5, 10.5}},
                 {"ReduceMax", "1x2x1x1", {2, 3}, 1, 2, {5, 11}},
                 {"ReduceMax", "1x2", {1, 2}, 0, 2, {10, 11}}};
    struct onnx_builder b;
    struct graph *graph;

    (void)state;
    for (size_t i = 0; i < 2 * sizeof(cases) / sizeof(cases[0]); i++) {
        size_t c = i / 2;
        float input[12];
        Onnx__NodeProto *node;

        begin(&b, i % 2 ? 18 : 13, 2, 3, 2);
        onnx_builder_integers(&b, "axes", 2, cases[c].axes);
        node = onnx_builder_node(&b, cases[c].name, "r", i % 2 ? "x axes" : "x", "y");
        if (i % 2 == 0)
            onnx_node_integers(&b, node, "axes", 2, cases[c].axes);
        onnx_node_integer(&b, node, "keepdims", cases[c].keep);
        graph = onnx_case_good(&b);
        check_shape(graph, graph->outputs[0], cases[c].shape);
        for (int j = 0; j < 12; j++)
            input[j] = (float)j;
        keras_case_run(graph, input, 12, cases[c].expected, cases[c].count);
        graph_destroy(&graph);
    }
    begin(&b, 13, 2, 3, 2);
    onnx_builder_node(&b, "GlobalMaxPool", "g", "x", "y");
    check(&b, EXPECTED(5, 11));
    begin(&b, 13, 2, 3, 2);
    onnx_builder_node(&b, "ReduceMean", "r", "x", "y");
    onnx_case_refused(&b, VBP_ERROR_UNSUPPORTED,
                      "node 'r' (ReduceMean): only the mean over height and width, the channels or "
                      "the last axis is supported");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_gates),
        cmocka_unit_test(test_no_gates),
        cmocka_unit_test(test_hard_sigmoid_refused),
        cmocka_unit_test(test_log_softmax),
        cmocka_unit_test(test_many_inputs),
        cmocka_unit_test(test_single_functions),
        cmocka_unit_test(test_split),
        cmocka_unit_test(test_slice_steps),
        cmocka_unit_test(test_constant_parts),
        cmocka_unit_test(test_gather_channels),
        cmocka_unit_test(test_pad_axes),
        cmocka_unit_test(test_expand),
        cmocka_unit_test(test_where),
        cmocka_unit_test(test_reductions),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
