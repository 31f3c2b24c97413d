/* Which files are taken for which kind, and what is said of those that cannot be read. */
#include "base/file.h"
#include "formats/formats.h"
#include "support/onnx_builder.h"
#include "support/torch7_builder.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#define LITE                                                                                       \
    "a TensorFlow Lite file, packed for small devices; export the network that it was made from "  \
    "to ONNX instead, or use its Keras file"
#define PICKLE                                                                                     \
    "a PyTorch pickle: it holds code, not a network; export it to ONNX with torch.onnx.export"

#define STATE                                                                                      \
    "a PyTorch state dict: weights without the network they belong to; load them into that "       \
    "network and export it to ONNX with torch.onnx.export"

struct fixture {
    char folder[64];
    char path[128];
};

/* A name that says nothing: only the content counts. */
static int set_up(void **state)
{
    static struct fixture fixture;

    strcpy(fixture.folder, "/tmp/vbp-model-test-XXXXXX");
    if (!mkdtemp(fixture.folder))
        return -1;
    snprintf(fixture.path, sizeof(fixture.path), "%s/model.txt", fixture.folder);
    *state = &fixture;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *fixture = *state;

    unlink(fixture->path);
    return rmdir(fixture->folder);
}

static void check_refused(const char *path, int status, const char *message)
{
    char expected[400];
    struct graph *graph;
    char *card;
    VbpError error = {0};

    snprintf(expected, sizeof(expected), "%s: %s", path, message);
    assert_int_equal(model_load(path, NULL, &graph, &card, &error), status);
    assert_string_equal(error.message, expected);
    assert_int_equal(error.status, status);
    assert_null(graph);
    assert_null(card);
}

static void test_good(void **state)
{
    const struct fixture *fixture = *state;
    struct torch7_builder_file torch = {0};
    const struct model_hints hints = {.input_width = 8, .input_height = 6};
    struct onnx_builder onnx;
    struct graph *graph;
    unsigned char *bytes;
    size_t length;
    char *card;
    VbpError error;

    onnx_builder_begin(&onnx, 13);
    onnx_builder_input(&onnx, "x", NUMBERS(-1, 3, -1, -1));
    onnx_builder_node(&onnx, "Relu", "r", "x", "y");
    onnx_builder_output(&onnx, "y");
    onnx_builder_metadata(&onnx, "vbp.card", "{}");
    onnx_builder_pack(&onnx, &bytes, &length);
    onnx_builder_end(&onnx);
    assert_int_equal(file_write(fixture->path, bytes, length, &error), VBP_OK);
    assert_int_equal(model_load(fixture->path, &hints, &graph, &card, &error), VBP_OK);
    assert_int_equal(graph->tensors[graph->input].shape.extent[3], 8);
    assert_string_equal(card, "{}");
    free(card);
    graph_destroy(&graph);
    check_refused(fixture->path, VBP_ERROR_UNSUPPORTED,
                  "the file does not fix its input size; say it in the card (input.size)");

    /* Cut short it is still seen to be ONNX. */
    assert_int_equal(file_write(fixture->path, bytes, length / 2, &error), VBP_OK);
    check_refused(fixture->path, VBP_ERROR_FORMAT, "not a whole ONNX file: damaged or cut short");
    free(bytes);

    torch7_begin_object(&torch, "nn.Sequential");
    torch7_key(&torch, "modules");
    torch7_begin_table(&torch);
    torch7_position(&torch, 1);
    torch7_begin_object(&torch, "nn.Linear");
    torch7_key(&torch, "weight");
    torch7_put_tensor(&torch, "torch.FloatTensor", 2, (const int64_t[]){2, 3}, NULL);
    torch7_end(&torch);
    torch7_end(&torch);
    torch7_end(&torch);
    assert_int_equal(file_write(fixture->path, torch.bytes, torch.length, &error), VBP_OK);
    assert_int_equal(model_load(fixture->path, NULL, &graph, &card, &error), VBP_OK);
    assert_null(card);
    assert_string_equal(graph->format, "Torch7");
    graph_destroy(&graph);
    assert_int_equal(file_write(fixture->path, torch.bytes, 100, &error), VBP_OK);
    check_refused(fixture->path, VBP_ERROR_FORMAT,
                  "the Torch7 file ends too early: 4 bytes wanted at byte 98 of 100");
    torch7_builder_free(&torch);
}

static void test_foreign(void **state)
{
    static const struct {
        const char *bytes;
        size_t length;
        const char *message;
    } cases[] = {
        {"\x80\x02\x8a\nl\xfc\x9c", 7, PICKLE},
        {"\x80\x04\x95", 3, PICKLE},
        {"PK\3\4____archive/data.pkl", 24, PICKLE},
        {"PK\3\4____archive/data.pkl torch._utils\n_rebuild_tensor_v2\n", 57, STATE},
        {"PK\3\4____archive/data.pkl _rebuild_tensor_v2 torch.nn.modules.conv", 65, PICKLE},
        {"\x80\x02}q\0 _rebuild_tensor_v2", 24, STATE},
        {"PK\3\4____picture.png", 19, "a zip archive, not a model"},
        {"\x1c\0\0\0TFL3\0\0", 10, LITE},
        {"4\n1\n3\nV 1\n13\nnn.Sequential\n", 27,
         "a Torch7 file in text form: save it again in binary form"},
        {"version https://git-lfs.github.com/spec/v1\noid sha256:0\n", 56,
         "a pointer of Git LFS: the model itself was not downloaded"},
        {"{\"class_name\": \"Sequential\"}\n", 29,
         "the description of a Keras network without its weights: name the .h5 file that holds "
         "them, with this one beside it"},
        {"gr\xc3\xbc\xc3\x9f dich\n", 12, "a text file, not a model"},
        {"\0\1\2\3\4\5\6\7", 8, "not a model file that vbp knows"},
        {"\x08\x07", 2, "not a model file that vbp knows"},
        {"\x4\0\0\0\x2\0\0\0", 8, "not a model file that vbp knows"},
    };
    const struct fixture *fixture = *state;
    VbpError error;

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        assert_int_equal(file_write(fixture->path, cases[i].bytes, cases[i].length, &error),
                         VBP_OK);
        check_refused(fixture->path, VBP_ERROR_UNSUPPORTED, cases[i].message);
    }
    assert_int_equal(file_write(fixture->path, "", 0, &error), VBP_OK);
    check_refused(fixture->path, VBP_ERROR_FORMAT, "the file is empty");
}

/* What only looks like a file of Keras. */
static void test_damaged_keras(void **state)
{
    const struct fixture *fixture = *state;
    VbpError error;

    assert_int_equal(file_write(fixture->path, "\x89HDF\r\n\x1a\n\0\0", 10, &error), VBP_OK);
    check_refused(fixture->path, VBP_ERROR_FORMAT,
                  "damaged .h5 file: the superblock's widths of addresses and lengths");
    assert_int_equal(file_write(fixture->path, "PK\3\4____model.weights.h5", 24, &error), VBP_OK);
    check_refused(fixture->path, VBP_ERROR_FORMAT, "the archive is damaged or cut short");
}

static void test_no_file(void **state)
{
    const struct fixture *fixture = *state;
    struct graph *graph;
    char *card;
    VbpError error;

    assert_int_equal(model_load(fixture->path, NULL, &graph, &card, &error), VBP_ERROR_IO);
    assert_non_null(strstr(error.message, fixture->path));
    assert_int_equal(model_load(fixture->folder, NULL, &graph, &card, &error), VBP_ERROR_IO);
    assert_non_null(strstr(error.message, "it is a folder"));
}

static void test_refuse_folder(void **state)
{
    static const struct {
        const char *name, *message;
    } cases[] = {
        {"recurrent-lstm.h5",
         "Keras 2.15.0 (.h5, tensorflow): cannot run LSTM 'LSTM_seq', LSTM 'LSTM_fin': a recurrent "
         "layer looks at many frames in turn and remembers them; vbp runs networks that steer by "
         "one frame alone"},
        {"pickle-named.h5", PICKLE},
        {"state-dict.pth", STATE},
        {"pilotnet-int8.tflite", LITE},
    };

    (void)state;
    if (!file_exists("../shared/data/refuse")) {
        print_message("skipped: no ../shared/data\n");
        skip();
    }
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char path[128];

        snprintf(path, sizeof(path), "../shared/data/refuse/%s", cases[i].name);
        check_refused(path, VBP_ERROR_UNSUPPORTED, cases[i].message);
    }
}

/* Networks of other people, with their inputs, outputs and levels. */
static void test_zoo(void **state)
{
    static const struct {
        const char *name;
        int height, width, outputs, levels, first_level;
    } cases[] = {
        {"carla-light", 64, 64, 1, 3, 30},
        {"dronet-relu6", 200, 200, 2, 10, 25},
    };

    (void)state;
    if (!file_exists("../shared/data/zoo")) {
        print_message("skipped: no ../shared/data\n");
        skip();
    }
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char path[128];
        struct graph *graph;
        char *card;
        VbpError error;

        snprintf(path, sizeof(path), "../shared/data/zoo/%s/model.onnx", cases[i].name);
        if (model_load(path, NULL, &graph, &card, &error) != VBP_OK)
            fail_msg("%s", error.message);
        assert_int_equal(tensor_height(&graph->tensors[graph->input]), cases[i].height);
        assert_int_equal(tensor_width(&graph->tensors[graph->input]), cases[i].width);
        assert_int_equal(graph->output_count, cases[i].outputs);
        assert_int_equal(graph->level_count, cases[i].levels);
        assert_int_equal(tensor_height(&graph->tensors[graph->levels[0]]), cases[i].first_level);
        graph_destroy(&graph);
        free(card);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_good, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_foreign, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_damaged_keras, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_no_file, set_up, tear_down),
        cmocka_unit_test(test_refuse_folder),
        cmocka_unit_test(test_zoo),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
