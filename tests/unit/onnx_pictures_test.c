/*
 * Operators of ONNX that make pictures larger or smaller: small networks that are run, with results
 * worked out by hand.
 */
#include "nn/backward.h"
#include "nn/forward.h"
#include "support/keras_case.h"
#include "support/onnx_case.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

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

/* Runs it on 1, 2, 3, ... */
static void check(struct onnx_builder *b, const double *expected, size_t count)
{
    struct graph *graph = onnx_case_good(b);
    size_t length = (size_t)shape_elements(&graph->tensors[graph->input].shape);
    float *input = malloc(length * sizeof(*input));

    assert_non_null(input);
    for (size_t i = 0; i < length; i++)
        input[i] = (float)(i + 1);
    keras_case_run(graph, input, length, expected, count);
    free(input);
    graph_destroy(&graph);
}

/* ---- Transposed convolution ----------------------------------------------------------------- */

/* One channel, a kernel of 1, 10, 100. */
static Onnx__NodeProto *begin_transposed(struct onnx_builder *b)
{
    begin(b, 13, 1, 1, 3);
    onnx_builder_floats(b, "w", NUMBERS(1, 1, 1, 3), (const float[]){1, 10, 100});
    return onnx_builder_node(b, "ConvTranspose", "up", "x w", "y");
}

static void test_conv_transpose(void **state)
{
    struct onnx_builder b;
    Onnx__NodeProto *node;
    struct graph *graph;

    (void)state;
    begin_transposed(&b);
    check(&b, EXPECTED(1, 12, 123, 230, 300));
    node = begin_transposed(&b);
    onnx_node_integers(&b, node, "strides", NUMBERS(1, 2));
    check(&b, EXPECTED(1, 10, 102, 20, 203, 30, 300));
    node = begin_transposed(&b);
    onnx_node_integers(&b, node, "strides", NUMBERS(1, 2));
    onnx_node_integers(&b, node, "pads", NUMBERS(0, 1, 0, 2));
    check(&b, EXPECTED(10, 102, 20, 203));
    node = begin_transposed(&b);
    onnx_node_integers(&b, node, "strides", NUMBERS(1, 2));
    onnx_node_integers(&b, node, "pads", NUMBERS(0, 1, 0, 1));
    onnx_node_integers(&b, node, "output_padding", NUMBERS(0, 1));
    check(&b, EXPECTED(10, 102, 20, 203, 30, 300));
    node = begin_transposed(&b);
    onnx_node_integers(&b, node, "dilations", NUMBERS(1, 2));
    check(&b, EXPECTED(1, 2, 13, 20, 130, 200, 300));
    /* A kernel that is smaller than its steps: what it does not reach is 0. */
    node = begin_transposed(&b);
    onnx_node_integers(&b, node, "strides", NUMBERS(1, 4));
    check(&b, EXPECTED(1, 10, 100, 0, 2, 20, 200, 0, 3, 30, 300));

    node = begin_transposed(&b);
    onnx_node_integers(&b, node, "kernel_shape", NUMBERS(1, 3));
    onnx_node_integer(&b, node, "group", 1);
    graph = onnx_case_good(&b);
    assert_int_equal(graph->nodes[0].kind, NODE_CONVOLUTION_TRANSPOSE);
    assert_int_equal(node_multiply_adds(graph, &graph->nodes[0]), 9);
    graph_destroy(&graph);
}

/* The sizes that are asked for, and where the odd cell of padding goes. */
static void test_conv_transpose_sizes(void **state)
{
    static const struct {
        const char *automatic;
        int64_t shape[2], stride;
        double expected[9];
        size_t count;
    } cases[] = {{"SAME_UPPER", {0, 0}, 2, {1, 10, 102, 20, 203, 30}, 6},
                 {"SAME_LOWER", {0, 0}, 2, {10, 102, 20, 203, 30, 300}, 6},
                 {NULL, {1, 6}, 2, {10, 102, 20, 203, 30, 300}, 6},
                 {"SAME_UPPER", {1, 6}, 2, {1, 10, 102, 20, 203, 30}, 6},
                 {NULL, {1, 9}, 2, {1, 10, 102, 20, 203, 30, 300, 0, 0}, 9},
                 {"VALID", {0, 0}, 2, {1, 10, 102, 20, 203, 30, 300}, 7},
                 {"SAME_UPPER", {0, 0}, 1, {12, 123, 230}, 3}};
    struct onnx_builder b;
    Onnx__NodeProto *node;

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        node = begin_transposed(&b);
        onnx_node_integers(&b, node, "strides", NUMBERS(1, cases[i].stride));
        if (cases[i].automatic)
            onnx_node_text(&b, node, "auto_pad", cases[i].automatic);
        if (cases[i].shape[0])
            onnx_node_integers(&b, node, "output_shape", 2, cases[i].shape);
        check(&b, cases[i].expected, cases[i].count);
    }
    node = begin_transposed(&b);
    onnx_node_integers(&b, node, "output_shape", NUMBERS(1, 0));
    onnx_case_refused(&b, VBP_ERROR_FORMAT, "node 'up' (ConvTranspose): an output of 0 cells");
    node = begin_transposed(&b);
    onnx_node_integers(&b, node, "output_shape", NUMBERS(1, 1, 1, 6));
    onnx_case_refused(&b, VBP_ERROR_UNSUPPORTED,
                      "node 'up' (ConvTranspose): output_shape has 4 numbers; height and width are "
                      "supported");
    node = begin_transposed(&b);
    onnx_node_integers(&b, node, "pads", NUMBERS(0, 3, 0, 2));
    onnx_case_refused(&b, VBP_ERROR_FORMAT,
                      "node 0 (ConvTranspose 'up'): its padding leaves nothing of the width");
    node = begin_transposed(&b);
    onnx_node_integers(&b, node, "output_shape", NUMBERS(1, 100000));
    onnx_case_refused(&b, VBP_ERROR_UNSUPPORTED,
                      "node 0 (ConvTranspose 'up'): output padding of 4097");
}

/* Channels in groups, with biases; rows as well as columns. */
static void test_conv_transpose_groups(void **state)
{
    struct onnx_builder b;
    Onnx__NodeProto *node;

    (void)state;
    begin(&b, 13, 2, 2, 1); /* 1, 2 and 3, 4 */
    onnx_builder_floats(&b, "w", NUMBERS(2, 2, 2, 1), (const float[]){1, 10, 2, 20, 3, 30, 4, 40});
    onnx_builder_floats(&b, "b", NUMBERS(4), (const float[]){1000, 2000, 3000, 4000});
    node = onnx_builder_node(&b, "ConvTranspose", "up", "x w b", "y");
    onnx_node_integer(&b, node, "group", 2);
    check(&b, EXPECTED(1001, 1012, 1020, 2002, 2024, 2040, 3009, 3102, 3120, 4012, 4136, 4160));

    begin(&b, 13, 2, 2, 1); /* one group sums over its channels */
    onnx_builder_floats(&b, "w", NUMBERS(2, 1, 2, 1), (const float[]){1, 10, 2, 20});
    onnx_builder_node(&b, "ConvTranspose", "up", "x w", "y");
    check(&b, EXPECTED(7, 80, 100));

    begin(&b, 13, 2, 2, 1);
    onnx_builder_floats(&b, "w", NUMBERS(3, 1, 2, 1), NULL);
    onnx_builder_node(&b, "ConvTranspose", "up", "x w", "y");
    onnx_case_refused(&b, VBP_ERROR_FORMAT,
                      "node 0 (ConvTranspose 'up'): its weights of 3x1x2x1 do not go with 2 input "
                      "channels in 1 groups");
    begin(&b, 13, 2, 2, 1);
    onnx_builder_floats(&b, "w", NUMBERS(2, 2, 2, 1), NULL);
    onnx_builder_floats(&b, "b", NUMBERS(3), NULL);
    onnx_builder_node(&b, "ConvTranspose", "up", "x w b", "y");
    onnx_case_refused(&b, VBP_ERROR_FORMAT, "node 0 (ConvTranspose 'up'): its biases have shape 3");
}

static void test_no_gradients(void **state)
{
    struct onnx_builder b;
    struct parameters parameters;
    struct backward *backward;
    struct graph *graph;
    VbpError error;

    (void)state;
    begin_transposed(&b);
    graph = onnx_case_good(&b);
    assert_int_equal(parameters_find(&parameters, graph, &error), VBP_OK);
    assert_int_equal(backward_create(&backward, graph, &parameters, 1, ISA_BEST, &error),
                     VBP_ERROR_UNSUPPORTED);
    assert_string_equal(error.message,
                        "layer 0 (ConvTranspose 'up'): gradients of this kind (transposed "
                        "convolution) are not supported");
    parameters_free(&parameters);
    graph_destroy(&graph);
}

/* ---- Other sizes ---------------------------------------------------------------------------- */

struct sizing {
    const char *mode, *grid, *nearest; /* NULL: left out */
    int64_t width;                     /* of 3 cells: 1, 2, 3 */
    double expected[9];
    enum node_kind kind;
};

/* What a Resize of that opset gives, asked for by sizes or by factors. */
static void check_resize(const struct sizing *resize, int opset, bool sizes)
{
    struct onnx_builder b;
    Onnx__NodeProto *node;
    struct graph *graph;

    begin(&b, opset, 1, 1, 3);
    onnx_builder_integers(&b, "sizes", NUMBERS(1, 1, 1, resize->width));
    onnx_builder_floats(&b, "scales", NUMBERS(4),
                        (const float[]){1, 1, 1, (float)resize->width / 3});
    node = onnx_builder_node(&b, "Resize", "r",
                             opset < 11 ? "x scales"
                             : sizes    ? "x - - sizes"
                                        : "x - scales",
                             "y");
    if (resize->mode)
        onnx_node_text(&b, node, "mode", resize->mode);
    if (resize->grid)
        onnx_node_text(&b, node, "coordinate_transformation_mode", resize->grid);
    if (resize->nearest)
        onnx_node_text(&b, node, "nearest_mode", resize->nearest);
    graph = onnx_case_good(&b);
    assert_int_equal(graph->nodes[0].kind, resize->kind);
    keras_case_run(graph, (const float[]){1, 2, 3}, 3, resize->expected, (size_t)resize->width);
    graph_destroy(&graph);
}

static void test_resize(void **state)
{
    static const struct sizing cases[] = {
        {"linear", "half_pixel", NULL, 6, {1, 1.25, 1.75, 2.25, 2.75, 3}, NODE_RESIZE},
        {"linear", NULL, NULL, 6, {1, 1.25, 1.75, 2.25, 2.75, 3}, NODE_RESIZE},
        {"linear", "pytorch_half_pixel", NULL, 2, {1.25, 2.75}, NODE_RESIZE},
        {"linear", "asymmetric", NULL, 6, {1, 1.5, 2, 2.5, 3, 3}, NODE_RESIZE},
        {"linear", "align_corners", NULL, 5, {1, 1.5, 2, 2.5, 3}, NODE_RESIZE},
        {"linear", "align_corners", NULL, 2, {1, 3}, NODE_RESIZE},
        {"nearest", "asymmetric", "floor", 6, {1, 1, 2, 2, 3, 3}, NODE_UPSAMPLE},
        {"nearest",
         "half_pixel",
         "round_prefer_ceil",
         9,
         {1, 1, 1, 2, 2, 2, 3, 3, 3},
         NODE_UPSAMPLE},
        {NULL, NULL, NULL, 6, {1, 1, 2, 2, 3, 3}, NODE_UPSAMPLE},
        {"nearest", "tf_half_pixel_for_nn", "floor", 6, {1, 1, 2, 2, 3, 3}, NODE_UPSAMPLE},
        {"nearest", "asymmetric", "round_prefer_floor", 6, {1, 1, 2, 2, 3, 3}, NODE_UPSAMPLE},
        {"nearest", "asymmetric", "round_prefer_ceil", 6, {1, 2, 2, 3, 3, 3}, NODE_RESIZE},
        {"nearest",
         "asymmetric",
         "round_prefer_floor",
         9,
         {1, 1, 2, 2, 2, 3, 3, 3, 3},
         NODE_RESIZE},
        {"nearest", "asymmetric", "ceil", 6, {1, 2, 2, 3, 3, 3}, NODE_RESIZE},
        {"nearest", "half_pixel", "floor", 6, {1, 1, 1, 2, 2, 3}, NODE_RESIZE},
        {"nearest", "half_pixel", NULL, 2, {1, 3}, NODE_RESIZE},
        {"nearest", "asymmetric", "floor", 2, {1, 2}, NODE_RESIZE},
        {"nearest", "asymmetric", "floor", 1, {1}, NODE_RESIZE},
    };
    static const struct sizing old = {"nearest", NULL, NULL, 6, {1, 1, 2, 2, 3, 3}, NODE_UPSAMPLE};
    static const struct sizing old_linear = {"linear",   NULL, NULL, 6, {1, 1.5, 2, 2.5, 3, 3},
                                             NODE_RESIZE};

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        check_resize(&cases[i], 13, true);
        check_resize(&cases[i], 13, false);
    }
    check_resize(&old, 10, false);
    check_resize(&old_linear, 10, false);
}

/* Both axes: the mean of four where they meet. */
static void test_resize_picture(void **state)
{
    struct onnx_builder b;
    Onnx__NodeProto *node;

    (void)state;
    begin(&b, 13, 2, 2, 2);
    onnx_builder_integers(&b, "sizes", NUMBERS(1, 2, 3, 3));
    node = onnx_builder_node(&b, "Resize", "r", "x - - sizes", "y");
    onnx_node_text(&b, node, "mode", "linear");
    onnx_node_text(&b, node, "coordinate_transformation_mode", "align_corners");
    check(&b, EXPECTED(1, 1.5, 2, 2, 2.5, 3, 3, 3.5, 4, 5, 5.5, 6, 6, 6.5, 7, 7, 7.5, 8));
}

/* Twice the size, worked out from the shape as PyTorch and TensorFlow write it. */
static void test_resize_arithmetic(void **state)
{
    struct onnx_builder b;
    Onnx__NodeProto *node;

    (void)state;
    begin(&b, 11, 1, 1, 2);
    onnx_builder_node(&b, "Shape", "shape", "x", "s");
    onnx_builder_integers(&b, "two", NUMBERS(2));
    onnx_builder_integers(&b, "four", NUMBERS(4));
    onnx_builder_integers(&b, "zero", NUMBERS(0));
    onnx_builder_node(&b, "Slice", "back", "s two four zero", "back");
    onnx_builder_node(&b, "Slice", "front", "s zero two zero", "front");
    node = onnx_builder_node(&b, "Cast", "cast", "back", "real");
    onnx_node_integer(&b, node, "to", ONNX__TENSOR_PROTO__DATA_TYPE__FLOAT);
    onnx_builder_floats(&b, "factor", 0, NULL, (const float[]){2.3f});
    onnx_builder_node(&b, "Mul", "m", "real factor", "product");
    onnx_builder_node(&b, "Floor", "f", "product", "floored");
    node = onnx_builder_node(&b, "Cast", "uncast", "floored", "whole");
    onnx_node_integer(&b, node, "to", ONNX__TENSOR_PROTO__DATA_TYPE__INT64);
    node = onnx_builder_node(&b, "Concat", "c", "front whole", "sizes");
    onnx_node_integer(&b, node, "axis", 0);
    node = onnx_builder_node(&b, "Resize", "r", "x - - sizes", "y");
    onnx_node_text(&b, node, "coordinate_transformation_mode", "asymmetric");
    onnx_node_text(&b, node, "nearest_mode", "floor");
    check(&b, EXPECTED(1, 1, 2, 2, 1, 1, 2, 2));
}

static void test_upsample(void **state)
{
    struct onnx_builder b;
    Onnx__NodeProto *node;

    (void)state;
    begin(&b, 9, 1, 1, 2);
    onnx_builder_floats(&b, "scales", NUMBERS(4), (const float[]){1, 1, 1, 2});
    node = onnx_builder_node(&b, "Upsample", "u", "x scales", "y");
    onnx_node_text(&b, node, "mode", "nearest");
    check(&b, EXPECTED(1, 1, 2, 2));
    begin(&b, 7, 1, 1, 2);
    node = onnx_builder_node(&b, "Upsample", "u", "x", "y");
    onnx_node_text(&b, node, "mode", "linear");
    {
        Onnx__AttributeProto *scales = onnx_builder_allocate(&b, sizeof(*scales));
        Onnx__AttributeProto **list = onnx_builder_allocate(&b, 2 * sizeof(*list));

        onnx__attribute_proto__init(scales);
        scales->name = (char *)"scales";
        scales->has_type = true;
        scales->type = ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__FLOATS;
        scales->floats = (float[]){1, 1, 1, 2};
        scales->n_floats = 4;
        list[0] = node->attribute[0];
        list[1] = scales;
        node->attribute = list;
        node->n_attribute = 2;
        check(&b, EXPECTED(1, 1.5, 2, 2));
    }
}

static void test_resize_refusals(void **state)
{
    static const struct {
        const char *attribute, *value, *message;
    } cases[] = {{"mode", "cubic", "mode 'cubic' is not supported"},
                 {"nearest_mode", "best", "nearest_mode 'best' is not supported"},
                 {"coordinate_transformation_mode", "tf_crop_and_resize",
                  "coordinate_transformation_mode 'tf_crop_and_resize' is not supported"}};
    struct onnx_builder b;
    Onnx__NodeProto *node;
    char message[200];

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        begin(&b, 13, 1, 2, 2);
        onnx_builder_integers(&b, "sizes", NUMBERS(1, 1, 4, 4));
        node = onnx_builder_node(&b, "Resize", "r", "x - - sizes", "y");
        onnx_node_text(&b, node, cases[i].attribute, cases[i].value);
        snprintf(message, sizeof(message), "node 'r' (Resize): %s", cases[i].message);
        onnx_case_refused(&b, VBP_ERROR_UNSUPPORTED, message);
    }
    begin(&b, 18, 1, 2, 2);
    onnx_builder_integers(&b, "sizes", NUMBERS(1, 1, 4, 4));
    node = onnx_builder_node(&b, "Resize", "r", "x - - sizes", "y");
    onnx_node_integer(&b, node, "antialias", 1);
    onnx_case_refused(&b, VBP_ERROR_UNSUPPORTED, "node 'r' (Resize): antialias is not supported");
    begin(&b, 13, 1, 2, 2);
    onnx_builder_integers(&b, "sizes", NUMBERS(1, 1, 1, 4));
    node = onnx_builder_node(&b, "Resize", "r", "x - - sizes", "y");
    onnx_node_text(&b, node, "coordinate_transformation_mode", "pytorch_half_pixel");
    onnx_case_refused(&b, VBP_ERROR_UNSUPPORTED,
                      "node 'r' (Resize): making a single cell by pytorch_half_pixel is not "
                      "supported");
    begin(&b, 13, 1, 2, 2);
    onnx_builder_integers(&b, "sizes", NUMBERS(1, 2, 4, 4));
    onnx_builder_node(&b, "Resize", "r", "x - - sizes", "y");
    onnx_case_refused(&b, VBP_ERROR_UNSUPPORTED,
                      "node 'r' (Resize): making 1 cells 2 along axis 1 is not supported");
    begin(&b, 13, 1, 2, 2);
    onnx_builder_floats(&b, "scales", NUMBERS(4), (const float[]){1, 1, 1, 1.7f});
    onnx_builder_node(&b, "Resize", "r", "x - scales", "y");
    onnx_case_refused(&b, VBP_ERROR_UNSUPPORTED,
                      "node 'r' (Resize): making 2 cells 3.4 along axis 3 is not supported");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_conv_transpose),
        cmocka_unit_test(test_conv_transpose_sizes),
        cmocka_unit_test(test_conv_transpose_groups),
        cmocka_unit_test(test_no_gradients),
        cmocka_unit_test(test_resize),
        cmocka_unit_test(test_resize_picture),
        cmocka_unit_test(test_resize_arithmetic),
        cmocka_unit_test(test_upsample),
        cmocka_unit_test(test_resize_refusals),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
