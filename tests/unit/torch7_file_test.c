/* Torch7 files as a whole: the input's size, what is refused, damage, and the published network. */
#include "base/file.h"
#include "support/torch7_case.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* ---- Input ---------------------------------------------------------------------------------- */

static void put_sized_module(struct torch7_builder_file *file, int position)
{
    torch7_case_module(file, position, "cudnn.ReLU");
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
    torch7_case_begin(&file);
    put_sized_module(&file, 1);
    torch7_case_convolution(&file, 2, "nn.SpatialConvolution");
    torch7_case_end(&file);
    graph = torch7_case_good(&file, NULL);
    check_shape(graph, graph->input, "1x2x9x10");
    graph_destroy(&graph);

    /* The hints know better. */
    torch7_case_begin(&file);
    put_sized_module(&file, 1);
    torch7_case_convolution(&file, 2, "nn.SpatialConvolution");
    torch7_case_end(&file);
    graph = torch7_case_good(&file, &torch7_case_hints);
    check_shape(graph, graph->input, "1x2x6x8");
    graph_destroy(&graph);

    /* Behind the convolution the size is another one. */
    torch7_case_begin(&file);
    torch7_case_convolution(&file, 1, "nn.SpatialConvolution");
    put_sized_module(&file, 2);
    torch7_case_end(&file);
    torch7_case_refused(&file, NULL, VBP_ERROR_UNSUPPORTED, message);

    torch7_case_begin(&file);
    torch7_case_linear(&file, 1, 2, 6);
    torch7_case_end(&file);
    graph = torch7_case_good(&file, NULL);
    check_shape(graph, graph->input, "1x6");
    graph_destroy(&graph);
}

/* ---- Refusals ------------------------------------------------------------------------------- */

static void test_unsupported(void **state)
{
    struct torch7_builder_file file;

    (void)state;
    torch7_case_begin(&file);
    torch7_case_convolution(&file, 1, "nn.SpatialConvolution");
    torch7_position(&file, 2);
    torch7_begin_object(&file, "nn.Sequential");
    torch7_key(&file, "modules");
    torch7_begin_table(&file);
    torch7_case_module(&file, 1, "nn.ReLU");
    torch7_end(&file);
    torch7_case_module(&file, 2, "nn.LSTM");
    torch7_end(&file);
    torch7_end(&file);
    torch7_end(&file);
    torch7_case_end(&file);
    torch7_case_refused(&file, &torch7_case_hints, VBP_ERROR_UNSUPPORTED,
                        "module 2.2 'nn.LSTM' is not supported");

    torch7_case_begin(&file);
    torch7_case_convolution(&file, 1, "nn.SpatialFullConvolution");
    torch7_case_end(&file);
    torch7_case_refused(&file, &torch7_case_hints, VBP_ERROR_UNSUPPORTED,
                        "the file does not record the channels of its input");

    file = (struct torch7_builder_file){0};
    torch7_begin_object(&file, "nn.gModule");
    torch7_end(&file);
    torch7_case_refused(&file, &torch7_case_hints, VBP_ERROR_UNSUPPORTED,
                        "module 'nn.gModule' is not supported");

    file = (struct torch7_builder_file){0};
    torch7_begin_table(&file);
    torch7_set(&file, "epoch", 3);
    torch7_key(&file, "model");
    torch7_put_string(&file, "x");
    torch7_end(&file);
    torch7_case_refused(
        &file, NULL, VBP_ERROR_UNSUPPORTED,
        "the Torch7 file holds a table (epoch, model), not a network: save the network "
        "alone");
}

static void test_damaged(void **state)
{
    struct torch7_builder_file file;

    (void)state;
    /* A kernel of 3 x 3 where the weights are for 3 x 2. */
    torch7_case_begin(&file);
    torch7_case_module(&file, 1, "nn.SpatialConvolution");
    torch7_set(&file, "nInputPlane", 2);
    torch7_set(&file, "nOutputPlane", 3);
    torch7_set(&file, "kH", 3);
    torch7_set(&file, "kW", 3);
    torch7_key(&file, "weight");
    torch7_put_tensor(&file, "torch.FloatTensor", 4, EXTENTS(3, 2, 3, 2), NULL);
    torch7_end(&file);
    torch7_case_end(&file);
    torch7_case_refused(&file, &torch7_case_hints, VBP_ERROR_FORMAT,
                        "module 1 'nn.SpatialConvolution' has 36 elements in weight instead of 54");

    torch7_case_begin(&file);
    torch7_case_module(&file, 1, "nn.SpatialConvolution");
    torch7_set(&file, "nInputPlane", 2.5);
    torch7_set(&file, "kH", 3);
    torch7_set(&file, "kW", 3);
    torch7_end(&file);
    torch7_case_end(&file);
    torch7_case_refused(&file, &torch7_case_hints, VBP_ERROR_FORMAT,
                        "module 1 'nn.SpatialConvolution' has nInputPlane = 2.5");

    /* A storage that says it has a million elements. */
    file = (struct torch7_builder_file){0};
    torch7_put_int(&file, 4);
    torch7_put_int(&file, 1);
    torch7_put_text(&file, "V 1");
    torch7_put_text(&file, "torch.FloatStorage");
    torch7_put_long(&file, 1000000);
    torch7_case_refused(&file, NULL, VBP_ERROR_FORMAT,
                        "a storage that is larger than the file at byte 45 of the Torch7 file");

    /* A table in a table in a table ... */
    file = (struct torch7_builder_file){0};
    for (int i = 0; i < 1000; i++) {
        torch7_put_int(&file, 3);
        torch7_put_int(&file, i + 1);
        torch7_put_int(&file, 1);
    }
    torch7_case_refused(&file, NULL, VBP_ERROR_FORMAT,
                        "too many values inside each other at byte 2400 of the Torch7 file");
}

/* A network of two modules, the second of which is the network. */
static void test_cycle(void **state)
{
    struct torch7_builder_file file;
    struct graph *graph;
    VbpError error;

    (void)state;
    torch7_case_begin(&file);
    torch7_case_convolution(&file, 1, "nn.SpatialConvolution");
    torch7_position(&file, 2);
    torch7_put_int(&file, 4);
    torch7_put_int(&file, 1);
    torch7_case_end(&file);
    assert_int_equal(torch7_case_load(&file, &torch7_case_hints, &graph, &error), VBP_ERROR_FORMAT);

    /* The same with a first module that changes nothing, so that it could go on for ever. */
    torch7_case_begin(&file);
    torch7_case_module(&file, 1, "nn.ReLU");
    torch7_key(&file, "iSize");
    torch7_put_longs(&file, 4, EXTENTS(1, 2, 4, 4));
    torch7_end(&file);
    torch7_position(&file, 2);
    torch7_put_int(&file, 4);
    torch7_put_int(&file, 1);
    torch7_case_end(&file);
    assert_int_equal(torch7_case_load(&file, &torch7_case_hints, &graph, &error),
                     VBP_ERROR_UNSUPPORTED);
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

        torch7_case_begin(&file);
        torch7_case_module(&file, 1, "nn.Linear");
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
        torch7_case_end(&file);
        if (cases[i].message) {
            torch7_case_refused(&file, NULL, VBP_ERROR_FORMAT, cases[i].message);
        } else {
            struct graph *graph = torch7_case_good(&file, NULL);

            if (cases[i].size[0] == 2)
                check_values(graph, graph->nodes[0].inputs[1], 6, turned);
            graph_destroy(&graph);
        }
    }
}

/* ---- Damage everywhere ---------------------------------------------------------------------- */

static void build_small(struct torch7_builder_file *file)
{
    torch7_case_begin(file);
    torch7_case_batch_norm(file, 1, "running_std", 0.5, 0.25, 1);
    torch7_case_convolution(file, 2, "cudnn.SpatialConvolution");
    put_sized_module(file, 3);
    torch7_case_module(file, 4, "nn.View");
    torch7_key(file, "size");
    torch7_put_longs(file, 1, EXTENTS(63));
    torch7_end(file);
    torch7_case_linear(file, 5, 2, 63);
    torch7_case_end(file);
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
    result = torch7_load(copy, length, &torch7_case_hints, &graph, &error);
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
        cmocka_unit_test(test_input_size), cmocka_unit_test(test_unsupported),
        cmocka_unit_test(test_damaged),    cmocka_unit_test(test_cycle),
        cmocka_unit_test(test_strides),    cmocka_unit_test(test_truncation),
        cmocka_unit_test(test_bit_flips),  cmocka_unit_test(test_nethvf),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
