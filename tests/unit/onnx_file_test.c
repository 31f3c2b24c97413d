/* ONNX files as a whole: input and outputs, constants of all kinds, damage. */
#include "support/onnx_case.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const struct model_hints hints_8x6 = {.input_width = 8, .input_height = 6};

/* ---- Input and outputs ---------------------------------------------------------------------- */

static void test_names(void **state)
{
    struct onnx_builder b;
    struct graph *graph;
    unsigned char *bytes;
    size_t length;
    char *card;
    VbpError error;

    (void)state;
    onnx_case_begin(&b, 21);
    onnx_builder_node(&b, "Relu", "relu", "x", "steering");
    onnx_builder_node(&b, "Tanh", "tanh", "x", "throttle");
    onnx_builder_node(&b, "Tanh", "unused", "x", "other");
    onnx_builder_output(&b, "throttle");
    onnx_builder_output(&b, "steering");
    onnx_builder_metadata(&b, "author", "nobody");
    onnx_builder_metadata(&b, "vbp.card", "{\"input\": {}}");
    onnx_builder_pack(&b, &bytes, &length);
    onnx_builder_end(&b);
    assert_int_equal(onnx_load(bytes, length, NULL, &graph, &card, &error), VBP_OK);
    free(bytes);
    assert_string_equal(card, "{\"input\": {}}");
    free(card);
    assert_string_equal(graph->format, "ONNX IR 7, opset 21");
    assert_string_equal(graph->producer, "builder 1.0");
    assert_int_equal(graph->node_count, 2);
    assert_int_equal(graph->output_count, 2);
    assert_string_equal(graph->tensors[graph->outputs[0]].name, "throttle");
    assert_string_equal(graph->tensors[graph->outputs[1]].name, "steering");
    assert_string_equal(graph->tensors[graph->input].name, "x");
    graph_destroy(&graph);
}

static void test_input_size(void **state)
{
    static const char open[] =
        "the file does not fix its input size; say it in the card (input.size)";
    static const struct {
        int64_t extents[4];
        const struct model_hints *hints;
        const char *shape, *message; /* one of them */
    } cases[] = {
        {{16, 3, 66, 200}, NULL, "1x3x66x200", NULL},
        {{-1, 3, 66, 200}, &hints_8x6, "1x3x66x200", NULL}, /* the file knows better */
        {{-1, 3, -1, -1}, &hints_8x6, "1x3x6x8", NULL},
        {{-1, -1, -1, 3}, &hints_8x6, "1x6x8x3", NULL},
        {{0, 0, 0, 1}, &hints_8x6, "1x6x8x1", NULL}, /* 0: how some exporters write it */
        {{1, 66, -1, 3}, &hints_8x6, "1x66x8x3", NULL},
        {{-1, 12, -1, -1}, &hints_8x6, "1x12x6x8", NULL},
        {{-1, 3, -1, -1}, NULL, NULL, open},
        {{-1, 3, 66, -1}, NULL, NULL, open},
        {{-1, -1, -1, -1},
         &hints_8x6,
         NULL,
         "the file fixes neither the size nor the channels of its input"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct onnx_builder b;
        struct graph *graph;
        VbpError error = {0};
        int result;

        onnx_builder_begin(&b, 13);
        onnx_builder_input(&b, "x", 4, cases[i].extents);
        onnx_builder_node(&b, "Relu", "r", "x", "y");
        onnx_builder_output(&b, "y");
        result = onnx_case_load(&b, cases[i].hints, &graph, &error);
        if (cases[i].shape) {
            assert_int_equal(result, VBP_OK);
            check_shape(graph, graph->input, cases[i].shape);
            graph_destroy(&graph);
        } else {
            assert_int_equal(result, VBP_ERROR_UNSUPPORTED);
            assert_string_equal(error.message, cases[i].message);
        }
    }
}

/* A picture with the channels last, turned around at once, as TensorFlow's exporter writes it. */
static void test_channels_last(void **state)
{
    struct onnx_builder b;
    struct graph *graph;
    Onnx__NodeProto *node;
    VbpError error;

    (void)state;
    onnx_builder_begin(&b, 13);
    onnx_builder_input(&b, "x", NUMBERS(-1, -1, -1, 3));
    node = onnx_builder_node(&b, "Transpose", "t", "x", "z");
    onnx_node_integers(&b, node, "perm", NUMBERS(0, 3, 1, 2));
    onnx_builder_floats(&b, "w", NUMBERS(4, 3, 3, 3), NULL);
    onnx_builder_node(&b, "Conv", "c", "z w", "v");
    onnx_builder_node(&b, "Relu", "r", "v", "y");
    onnx_builder_output(&b, "y");
    assert_int_equal(onnx_case_load(&b, &hints_8x6, &graph, &error), VBP_OK);
    check_shape(graph, graph->outputs[0], "1x4x4x6");
    assert_int_equal(graph->level_count, 1);
    assert_int_equal(graph->tensors[graph->input].axes.channel, 3);
    graph_destroy(&graph);
}

static void test_input_refusals(void **state)
{
    struct onnx_builder b;
    Onnx__ValueInfoProto *input;

    (void)state;
    onnx_case_begin(&b, 13);
    onnx_builder_input(&b, "speed", NUMBERS(1, 1));
    onnx_builder_node(&b, "Relu", "r", "x", "y");
    onnx_case_refused(&b, VBP_ERROR_UNSUPPORTED,
                      "the network has more than one input ('x' and 'speed')");

    onnx_builder_begin(&b, 13);
    input = onnx_builder_input(&b, "x", NUMBERS(1, 3, 4, 4));
    input->type->tensor_type->elem_type = ONNX__TENSOR_PROTO__DATA_TYPE__UINT8;
    onnx_builder_node(&b, "Relu", "r", "x", "y");
    onnx_case_refused(&b, VBP_ERROR_UNSUPPORTED,
                      "input 'x' does not take floats (type 2), which is not supported");

    onnx_builder_begin(&b, 13);
    input = onnx_builder_input(&b, "x", NUMBERS(1, 3, 4, 4));
    input->type->tensor_type->shape = NULL;
    onnx_builder_node(&b, "Relu", "r", "x", "y");
    onnx_case_refused(&b, VBP_ERROR_UNSUPPORTED, "input 'x' has no shape");

    onnx_builder_begin(&b, 13);
    onnx_builder_input(&b, "x", NUMBERS(1, -1));
    onnx_builder_node(&b, "Relu", "r", "x", "y");
    onnx_case_refused(&b, VBP_ERROR_UNSUPPORTED, "the file does not fix axis 1 of its input 'x'");

    onnx_builder_begin(&b, 13);
    onnx_builder_floats(&b, "c", NUMBERS(2), NULL);
    onnx_builder_node(&b, "Identity", "i", "c", "y");
    onnx_case_refused(&b, VBP_ERROR_UNSUPPORTED, "output 'y' is a constant");

    onnx_builder_begin(&b, 13);
    onnx_builder_input(&b, "x", NUMBERS(1, 3, 1 << 20, 1 << 20));
    onnx_builder_node(&b, "Relu", "r", "x", "y");
    onnx_case_refused(&b, VBP_ERROR_FORMAT, "input 'x' has no usable shape: 1x3x1048576x1048576");
}

static void test_order(void **state)
{
    struct onnx_builder b;

    (void)state;
    onnx_case_begin(&b, 13);
    onnx_builder_node(&b, "Relu", "second", "z", "y");
    onnx_builder_node(&b, "Relu", "first", "x", "z");
    onnx_case_refused(&b, VBP_ERROR_FORMAT,
                      "node 'second' (Relu): its input 'z' is not made by anything before it");

    onnx_case_begin(&b, 13);
    onnx_builder_node(&b, "Relu", "a", "x", "y");
    onnx_builder_node(&b, "Tanh", "b", "x", "y");
    onnx_case_refused(&b, VBP_ERROR_FORMAT, "node 'b' (Tanh): 'y' is made twice");

    onnx_case_begin(&b, 13);
    onnx_builder_node(&b, "Relu", "a", "x", "z");
    onnx_case_refused(&b, VBP_ERROR_FORMAT, "output 'y' is not made by any node");

    onnx_case_begin(&b, 13);
    onnx_builder_node(&b, "Relu", "a", "x", "y");
    onnx_builder_output(&b, "y");
    onnx_case_refused(&b, VBP_ERROR_FORMAT, "output 'y' is named twice");
}

static void test_opsets(void **state)
{
    struct onnx_builder b;

    (void)state;
    onnx_case_begin(&b, 6);
    onnx_builder_node(&b, "Relu", "a", "x", "y");
    onnx_case_refused(&b, VBP_ERROR_UNSUPPORTED, "opset 6 is not supported (7 to 21 are)");
    onnx_case_begin(&b, 22);
    onnx_builder_node(&b, "Relu", "a", "x", "y");
    onnx_case_refused(&b, VBP_ERROR_UNSUPPORTED, "opset 22 is not supported (7 to 21 are)");
    onnx_case_begin(&b, 13);
    b.model.n_opset_import = 0;
    onnx_builder_node(&b, "Relu", "a", "x", "y");
    onnx_case_refused(&b, VBP_ERROR_FORMAT, "the file does not say which opset it uses");
    onnx_case_begin(&b, 13);
    b.model.graph = NULL;
    onnx_case_refused(&b, VBP_ERROR_FORMAT, "the ONNX file holds no graph");
}

/* ---- Constants ------------------------------------------------------------------------------ */

/* x (1x2x6x8) + c, where c is the last initializer, of 2x1x1; checked to be 0.5 and -1.25. */
static void check_constant(struct onnx_builder *b)
{
    struct graph *graph;

    onnx_builder_node(b, "Add", "a", "x c", "y");
    graph = onnx_case_good(b);
    check_shape(graph, graph->nodes[0].inputs[1], "2x1x1");
    check_values(graph, graph->nodes[0].inputs[1], 2, (const float[]){0.5f, -1.25f});
    graph_destroy(&graph);
}

static Onnx__TensorProto *begin_constant(struct onnx_builder *b, int32_t type)
{
    Onnx__TensorProto *tensor;

    onnx_case_begin(b, 13);
    tensor = onnx_builder_floats(b, "c", NUMBERS(2, 1, 1), (const float[]){0.5f, -1.25f});
    tensor->data_type = type;
    if (type != ONNX__TENSOR_PROTO__DATA_TYPE__FLOAT)
        tensor->n_float_data = 0;
    return tensor;
}

static void set_raw(struct onnx_builder *b, Onnx__TensorProto *tensor, const void *bytes,
                    size_t length)
{
    tensor->n_float_data = 0;
    tensor->has_raw_data = 1;
    tensor->raw_data.data = onnx_builder_allocate(b, length);
    tensor->raw_data.len = length;
    memcpy(tensor->raw_data.data, bytes, length);
}

static void test_constants(void **state)
{
    static const float floats[2] = {0.5f, -1.25f};
    static const double doubles[2] = {0.5, -1.25};
    static const uint16_t halves[2] = {0x3800, 0xbd00};
    struct onnx_builder b;
    Onnx__TensorProto *tensor;

    (void)state;
    begin_constant(&b, ONNX__TENSOR_PROTO__DATA_TYPE__FLOAT);
    check_constant(&b);
    tensor = begin_constant(&b, ONNX__TENSOR_PROTO__DATA_TYPE__FLOAT);
    set_raw(&b, tensor, floats, sizeof(floats));
    check_constant(&b);
    tensor = begin_constant(&b, ONNX__TENSOR_PROTO__DATA_TYPE__DOUBLE);
    set_raw(&b, tensor, doubles, sizeof(doubles));
    check_constant(&b);
    tensor = begin_constant(&b, ONNX__TENSOR_PROTO__DATA_TYPE__DOUBLE);
    tensor->n_double_data = 2;
    tensor->double_data = onnx_builder_allocate(&b, sizeof(doubles));
    memcpy(tensor->double_data, doubles, sizeof(doubles));
    check_constant(&b);
    tensor = begin_constant(&b, ONNX__TENSOR_PROTO__DATA_TYPE__FLOAT16);
    set_raw(&b, tensor, halves, sizeof(halves));
    check_constant(&b);
    tensor = begin_constant(&b, ONNX__TENSOR_PROTO__DATA_TYPE__FLOAT16);
    tensor->n_int32_data = 2;
    tensor->int32_data = onnx_builder_allocate(&b, 2 * sizeof(int32_t));
    tensor->int32_data[0] = halves[0];
    tensor->int32_data[1] = halves[1];
    check_constant(&b);

    /* Older files name their constants among the inputs too. */
    begin_constant(&b, ONNX__TENSOR_PROTO__DATA_TYPE__FLOAT);
    onnx_builder_input(&b, "c", NUMBERS(2, 1, 1));
    check_constant(&b);
}

/* Half precision at its edges: the smallest and largest numbers of each kind. */
static void test_half_precision(void **state)
{
    static const uint16_t halves[] = {0x0000, 0x8000, 0x0001, 0x83ff, 0x0400, 0x7bff, 0xc000};
    static const float expected[] = {0, -0.0f, 0x1p-24f, -0x1.ff8p-15f, 0x1p-14f, 65504, -2};
    struct onnx_builder b;
    struct graph *graph;
    Onnx__TensorProto *tensor;

    (void)state;
    onnx_case_begin(&b, 13);
    tensor = onnx_builder_floats(&b, "c", NUMBERS(7, 1, 1, 1), NULL);
    tensor->data_type = ONNX__TENSOR_PROTO__DATA_TYPE__FLOAT16;
    set_raw(&b, tensor, halves, sizeof(halves));
    onnx_builder_node(&b, "Add", "a", "x c", "y");
    graph = onnx_case_good(&b);
    assert_memory_equal(graph->tensors[graph->nodes[0].inputs[1]].values, expected,
                        sizeof(expected));
    graph_destroy(&graph);
}

static void test_constant_nodes(void **state)
{
    struct onnx_builder b;
    struct graph *graph;
    Onnx__NodeProto *node;

    (void)state;
    onnx_case_begin(&b, 13);
    node = onnx_builder_node(&b, "Constant", "c", "", "c");
    onnx_builder_floats(&b, "", 0, NULL, (const float[]){3});
    onnx_node_tensor(&b, node, "value");
    node = onnx_builder_node(&b, "Constant", "d", "", "d");
    onnx_node_float(&b, node, "value_float", 4);
    node = onnx_builder_node(&b, "Constant", "s", "", "s");
    onnx_node_integers(&b, node, "value_ints", NUMBERS(2, -1));
    onnx_builder_node(&b, "Add", "e", "c d", "e");
    onnx_builder_node(&b, "Mul", "m", "x e", "z");
    onnx_builder_node(&b, "Reshape", "r", "z s", "y");
    graph = onnx_case_good(&b);
    check_values(graph, graph->nodes[0].inputs[1], 1, (const float[]){7});
    check_shape(graph, graph->outputs[0], "2x48");
    graph_destroy(&graph);

    onnx_case_begin(&b, 13);
    node = onnx_builder_node(&b, "Constant", "c", "", "y");
    onnx_node_text(&b, node, "value_string", "hello");
    onnx_case_refused(&b, VBP_ERROR_UNSUPPORTED,
                      "node 'c' (Constant): attribute 'value_string' is not supported");
}

static void test_constant_refusals(void **state)
{
    struct onnx_builder b;
    Onnx__TensorProto *tensor;
    Onnx__StringStringEntryProto *entry;

    (void)state;
    tensor = begin_constant(&b, ONNX__TENSOR_PROTO__DATA_TYPE__FLOAT);
    tensor->n_float_data = 1;
    onnx_case_refused(&b, VBP_ERROR_FORMAT,
                      "constant 'c' should hold 2 elements (2x1x1), but the file has 1");

    tensor = begin_constant(&b, ONNX__TENSOR_PROTO__DATA_TYPE__FLOAT);
    set_raw(&b, tensor, "1234567", 7);
    onnx_case_refused(
        &b, VBP_ERROR_FORMAT,
        "constant 'c' should hold 2 elements (2x1x1), but the file has an odd number of "
        "bytes: 7");

    tensor = begin_constant(&b, ONNX__TENSOR_PROTO__DATA_TYPE__FLOAT);
    tensor->dims[0] = INT64_MAX;
    onnx_case_refused(&b, VBP_ERROR_FORMAT,
                      "constant 'c' has an impossible shape: 9223372036854775807x1x1");

    tensor = begin_constant(&b, ONNX__TENSOR_PROTO__DATA_TYPE__FLOAT);
    tensor->dims[1] = -1;
    onnx_case_refused(&b, VBP_ERROR_FORMAT, "constant 'c' has an impossible shape: 2x-1x1");

    begin_constant(&b, ONNX__TENSOR_PROTO__DATA_TYPE__INT8);
    onnx_case_refused(&b, VBP_ERROR_UNSUPPORTED,
                      "constant 'c' holds numbers of type int8, which is not supported");

    tensor = begin_constant(&b, ONNX__TENSOR_PROTO__DATA_TYPE__FLOAT);
    tensor->has_data_location = 1;
    tensor->data_location = ONNX__TENSOR_PROTO__DATA_LOCATION__EXTERNAL;
    entry = onnx_builder_allocate(&b, sizeof(*entry));
    onnx__string_string_entry_proto__init(entry);
    entry->key = strcpy(onnx_builder_allocate(&b, 9), "location");
    entry->value = strcpy(onnx_builder_allocate(&b, 12), "weights.bin");
    tensor->external_data = onnx_builder_allocate(&b, sizeof(entry));
    tensor->external_data[0] = entry;
    tensor->n_external_data = 1;
    onnx_case_refused(&b, VBP_ERROR_UNSUPPORTED,
                      "weights ('c') are stored outside the file (weights.bin): export with the "
                      "weights inside");

    onnx_case_begin(&b, 13);
    onnx_builder_integers(&b, "c", NUMBERS(1));
    onnx_builder_node(&b, "Add", "a", "x c", "y");
    onnx_case_refused(&b, VBP_ERROR_UNSUPPORTED,
                      "node 'a' (Add): its input 'c' holds integers, not floats");
}

/* Sums that double with every node: a small file that would take all memory there is. */
static void test_growing_constants(void **state)
{
    struct onnx_builder b;

    (void)state;
    onnx_case_begin(&b, 13);
    onnx_builder_floats(&b, "a", NUMBERS(20000, 1), NULL);
    onnx_builder_floats(&b, "b", NUMBERS(1, 10000), NULL);
    onnx_builder_node(&b, "Add", "outer", "a b", "y");
    onnx_case_refused(
        &b, VBP_ERROR_UNSUPPORTED,
        "the constants of the network take more memory than a file of this size should "
        "need");
}

/* ---- Damage everywhere ---------------------------------------------------------------------- */

static void pack_small(unsigned char **bytes, size_t *length)
{
    struct onnx_builder b;
    Onnx__NodeProto *node;

    onnx_builder_begin(&b, 11);
    onnx_builder_input(&b, "x", NUMBERS(-1, 1, -1, -1));
    onnx_builder_floats(&b, "w", NUMBERS(2, 1, 3, 3), NULL);
    onnx_builder_floats(&b, "v", NUMBERS(48, 2), NULL);
    onnx_builder_floats(&b, "s", NUMBERS(2), NULL);
    node = onnx_builder_node(&b, "Conv", "c", "x w", "z");
    onnx_node_text(&b, node, "auto_pad", "SAME_UPPER");
    onnx_builder_node(&b, "BatchNormalization", "n", "z s s s s", "n");
    onnx_builder_node(&b, "Relu", "r", "n", "r");
    node = onnx_builder_node(&b, "MaxPool", "p", "r", "p");
    onnx_node_integers(&b, node, "kernel_shape", NUMBERS(2, 1));
    onnx_node_integers(&b, node, "strides", NUMBERS(2, 1));
    onnx_builder_node(&b, "Shape", "shape", "p", "q");
    onnx_builder_integers(&b, "from", NUMBERS(0));
    onnx_builder_integers(&b, "to", NUMBERS(1));
    onnx_builder_node(&b, "Slice", "slice", "q from to", "t");
    onnx_builder_integers(&b, "rest", NUMBERS(-1));
    node = onnx_builder_node(&b, "Concat", "join", "t rest", "u");
    onnx_node_integer(&b, node, "axis", 0);
    onnx_builder_node(&b, "Reshape", "flat", "p u", "f");
    onnx_builder_node(&b, "Gemm", "g", "f v s", "steering");
    onnx_builder_output(&b, "steering");
    onnx_builder_metadata(&b, "vbp.card", "{}");
    onnx_builder_pack(&b, bytes, length);
    onnx_builder_end(&b);
}

/* A copy of exactly that length, so that reads behind it are noticed. */
static int load_copy(const unsigned char *bytes, size_t length)
{
    unsigned char *copy = malloc(length ? length : 1);
    struct graph *graph = NULL;
    char *card = NULL;
    VbpError error = {0};
    int result;

    assert_non_null(copy);
    if (length)
        memcpy(copy, bytes, length);
    result = onnx_load(copy, length, &hints_8x6, &graph, &card, &error);
    if (result == VBP_OK)
        assert_non_null(graph);
    else
        assert_true(error.message[0] != 0 && graph == NULL && card == NULL);
    graph_destroy(&graph);
    free(card);
    free(copy);
    return result;
}

static void test_truncation(void **state)
{
    unsigned char *bytes;
    size_t length, loaded = 0;

    (void)state;
    pack_small(&bytes, &length);
    assert_int_equal(load_copy(bytes, length), VBP_OK);
    for (size_t i = 0; i < length; i++)
        loaded += load_copy(bytes, i) == VBP_OK;
    /* Only what comes behind the graph and the opset can be missing: the metadata. */
    assert_int_equal(loaded, 1);
    free(bytes);
}

static void test_bit_flips(void **state)
{
    unsigned char *bytes;
    size_t length;
    uint32_t random = 54321;

    (void)state;
    pack_small(&bytes, &length);
    for (int i = 0; i < 10000; i++) {
        size_t byte;
        unsigned char mask;

        random = random * 1664525u + 1013904223u;
        byte = (random >> 8) % length;
        mask = (unsigned char)(1u << (random & 7));
        bytes[byte] ^= mask;
        load_copy(bytes, length);
        bytes[byte] ^= mask;
    }
    free(bytes);
}

/* Millions of empty nodes, two bytes each, are 100 times as large when unpacked. */
static void test_many_messages(void **state)
{
    const size_t count = 4 << 20;
    unsigned char *bytes = malloc(16 + 2 * count);
    size_t length = 0, inner = 2 * count;
    struct graph *graph;
    char *card;
    VbpError error;

    (void)state;
    assert_non_null(bytes);
    bytes[length++] = 1 << 3;
    bytes[length++] = 7;
    bytes[length++] = 7 << 3 | 2;
    for (; inner >= 0x80; inner >>= 7)
        bytes[length++] = (unsigned char)(inner | 0x80);
    bytes[length++] = (unsigned char)inner;
    for (size_t i = 0; i < count; i++) {
        bytes[length++] = 1 << 3 | 2;
        bytes[length++] = 0;
    }
    assert_int_equal(onnx_load(bytes, length, NULL, &graph, &card, &error), VBP_ERROR_FORMAT);
    free(bytes);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_names),
        cmocka_unit_test(test_input_size),
        cmocka_unit_test(test_channels_last),
        cmocka_unit_test(test_input_refusals),
        cmocka_unit_test(test_order),
        cmocka_unit_test(test_opsets),
        cmocka_unit_test(test_constants),
        cmocka_unit_test(test_half_precision),
        cmocka_unit_test(test_constant_nodes),
        cmocka_unit_test(test_constant_refusals),
        cmocka_unit_test(test_growing_constants),
        cmocka_unit_test(test_truncation),
        cmocka_unit_test(test_bit_flips),
        cmocka_unit_test(test_many_messages),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
