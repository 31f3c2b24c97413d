/* Bad input from outside: one clear line, the right exit status, and nothing left behind. */
#include "base/file.h"
#include "support/data.h"
#include "support/lane_files.h"
#include "support/models.h"
#include "support/process.h"
#include "support/scratch.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

/* The run failed with this status and one line that holds all of the NULL-terminated words. */
static void expect_refusal(struct process_result result, int status, const char *const *words)
{
    size_t length = strlen(result.errors);

    if (result.status != status)
        fail_msg("exit %d, not %d: %s", result.status, status, result.errors);
    if (length < 2 || result.errors[length - 1] != '\n' ||
        strchr(result.errors, '\n') != result.errors + length - 1)
        fail_msg("not one line: %s", result.errors);
    for (; *words; words++) {
        if (!strstr(result.errors, *words))
            fail_msg("no '%s' in: %s", *words, result.errors);
    }
    assert_string_equal(result.output, "");
    process_free(&result);
}

#define REFUSED(run, ...)     expect_refusal(run, 1, (const char *const[]){__VA_ARGS__, NULL})
#define WRONG_USAGE(run, ...) expect_refusal(run, 2, (const char *const[]){__VA_ARGS__, NULL})

static void expect_nothing_at(const char *path)
{
    if (file_exists(path))
        fail_msg("%s was left behind", path);
}

/* Writes the first `length` bytes of a file (negative: all but so many) to another. */
static const char *truncated(const char *from, const char *name, long length)
{
    static char path[512];
    unsigned char *bytes;
    size_t size;
    VbpError error;

    assert_int_equal(file_read(from, 1 << 28, &bytes, &size, &error), VBP_OK);
    snprintf(path, sizeof(path), "%s",
             scratch_write(name, bytes, length < 0 ? size - (size_t)-length : (size_t)length));
    free(bytes);
    return path;
}

static void test_usage(void **state)
{
    const struct lane_files *files = *state;
    struct process_result result = process_run((const char *const[]){process_vbp(), NULL}, 10);

    assert_int_equal(result.status, 2);
    assert_non_null(strstr(result.errors, "usage:"));
    process_free(&result);
    WRONG_USAGE(VBP_RUN("fly", "x"), "fly");
    WRONG_USAGE(VBP_RUN("frame", files->picture, "-m", files->model), "-o");
    WRONG_USAGE(VBP_RUN("frame", files->picture, "-o", "x"), "-m");
    WRONG_USAGE(VBP_RUN("frame", "-m", files->model, "-o", "x"), "missing");
    WRONG_USAGE(VBP_RUN("frame", files->picture, files->clip, "-m", files->model, "-o", "x"),
                "more than one");
    WRONG_USAGE(VBP_RUN("frame", files->picture, "-m", files->model, "-o", "x", "--what"),
                "--what");
    WRONG_USAGE(VBP_RUN("frame", files->picture, "-m", files->model, "-o", "x", "--at", "soon"),
                "--at", "soon");
    WRONG_USAGE(VBP_RUN("frame", files->picture, "-m", files->model, "-o"), "-o", "value");
    WRONG_USAGE(VBP_RUN("info", files->model, "--average", "median"), "--average", "median");
    WRONG_USAGE(VBP_RUN("info", files->model, "--threads", "0"), "--threads");
    WRONG_USAGE(VBP_RUN("export", files->clip, "-m", files->model, "-o", "x.mp4", "--crf", "99"),
                "--crf", "99");
    WRONG_USAGE(VBP_RUN("export", files->clip, "-m", files->model, "-o", "x.mp4", "--start", "2",
                        "--end", "1"),
                "--end");
    WRONG_USAGE(VBP_RUN("export", files->clip, "-m", files->model, "-o", "x.mp4", "--start", "-1"),
                "--start");
    WRONG_USAGE(VBP_RUN("export", files->clip, "-m", files->model, "-o", "x.mp4", "--end", "0"),
                "--end");
    WRONG_USAGE(VBP_RUN("frame", files->clip, "-m", files->model, "-o", "x", "--at", "0x10"),
                "--at");
    WRONG_USAGE(VBP_RUN("frame", files->clip, "-m", files->model, "-o", "x", "--at", "1e1"),
                "--at");
    WRONG_USAGE(VBP_RUN("frame", "-zm", "x"), "-z");
    expect_nothing_at("x");
    expect_nothing_at("x.mp4");
}

static void test_help_and_version(void **state)
{
    static const char *const commands[] = {"watch", "export", "frame", "info", "train", "eval"};
    struct process_result result = VBP_RUN("--version");

    (void)state;
    assert_int_equal(result.status, 0);
    assert_non_null(strstr(result.output, vbp_version()));
    process_free(&result);
    for (int i = 0; i < 6; i++) {
        result = VBP_RUN(commands[i], "-h");
        assert_int_equal(result.status, 0);
        assert_non_null(strstr(result.output, commands[i]));
        assert_non_null(strstr(result.output, "--card"));
        assert_string_equal(result.errors, "");
        process_free(&result);
    }
}

/* Every kind of bad model: refused in the same words by info, which tells what it knows of the
 * file before that, and by frame. */
static void refuse_model(const struct lane_files *files, const char *model, const char *reason)
{
    const char *out = scratch_path("refused");
    struct process_result result = VBP_RUN("info", model);

    if (*result.output) {
        const char *told = strstr(result.output, "refused   ");

        assert_non_null(strstr(result.output, "format    "));
        if (!told || !strstr(told, reason))
            fail_msg("'%s' is not told in: %s", reason, result.output);
        *result.output = 0;
    }
    REFUSED(result, model, reason);
    REFUSED(VBP_RUN("frame", files->picture, "-m", model, "-o", out), model, reason);
    expect_nothing_at(out);
}

static void test_bad_models(void **state)
{
    const struct lane_files *files = *state;
    static const char text[] = "This is a letter, not a network.\n";
    static const long lengths[] = {1, 7, 100, 1000, -1, -1000};

    refuse_model(files, scratch_path("missing.onnx"), "No such file");
    refuse_model(files, scratch_write("empty.onnx", "", 0), "empty");
    refuse_model(files, scratch_write("text.onnx", text, sizeof(text) - 1), "text");
    refuse_model(files, files->picture, "");
    refuse_model(files, "/tmp", "folder");
    for (size_t i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++)
        refuse_model(files, truncated(files->model, "short.onnx", lengths[i]), "");
}

static void test_truncated_torch7(void **state)
{
    static const long lengths[] = {4, 100, 5000, 1000000, -1};
    const char *model = data_path("nethvf/model.t7b");

    for (size_t i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++)
        refuse_model(*state, truncated(model, "short.t7b", lengths[i]), "");
}

static void test_models_of_other_kinds(void **state)
{
    refuse_model(*state, data_path("refuse/pickle-named.h5"), "torch.onnx.export");
    refuse_model(*state, data_path("refuse/recurrent-lstm.h5"), "cannot run LSTM 'LSTM_seq'");
    refuse_model(*state, data_path("refuse/state-dict.pth"), "a PyTorch state dict: weights");
    refuse_model(*state, data_path("refuse/pilotnet-int8.tflite"), "TensorFlow Lite");
}

/* It is a network and runs, but there is nothing to make a mask of. */
static void test_network_without_convolution(void **state)
{
    const struct lane_files *files = *state;
    const char *model = data_path("refuse/no-conv-layer.h5"), *folder = scratch_path("no-mask");
    struct process_result result = VBP_RUN("info", model);

    assert_int_equal(result.status, 0);
    assert_non_null(strstr(result.output, "no mask can be made of this network"));
    process_free(&result);
    REFUSED(VBP_RUN("frame", files->picture, "-m", model, "-o", folder), model,
            "no convolution with a rectifier", "no level to make a mask of");
    expect_nothing_at(folder);
}

static void test_convert(void **state)
{
    const struct lane_files *files = *state;
    const char *out = scratch_path("converted.onnx");
    struct process_result result = VBP_RUN("convert", files->model, "-o", out);

    assert_int_equal(result.status, 0);
    process_free(&result);
    REFUSED(VBP_RUN("convert", files->model, "-o", out), out, "exists already; -y replaces it");
    REFUSED(VBP_RUN("convert", files->model, "-o", files->model, "-y"), "write to another file");
    REFUSED(VBP_RUN("convert", "/nowhere.h5", "-o", out, "-y"), "/nowhere.h5");
    WRONG_USAGE(VBP_RUN("convert", files->model), "-o");
    WRONG_USAGE(VBP_RUN("convert", files->model, "-m", files->model, "-o", out), "without -m");
}

static void test_bad_sources(void **state)
{
    const struct lane_files *files = *state;
    static const char text[] = "frame,steering\n0,0.1\n";
    const char *out = scratch_path("no.mp4"), *folder = scratch_path("no");
    const char *sources[] = {scratch_path("missing.mp4"), scratch_write("empty.mp4", "", 0),
                             scratch_write("text.mp4", text, sizeof(text) - 1), files->model};

    for (size_t i = 0; i < sizeof(sources) / sizeof(sources[0]); i++) {
        REFUSED(VBP_RUN("export", sources[i], "-m", files->model, "-o", out), sources[i]);
        REFUSED(VBP_RUN("frame", sources[i], "-m", files->model, "-o", folder), sources[i]);
        expect_nothing_at(out);
        expect_nothing_at(folder);
    }
    /* An mp4 that is cut off has lost the index at its end. */
    REFUSED(
        VBP_RUN("export", truncated(files->clip, "short.mp4", 200), "-m", files->model, "-o", out),
        "short.mp4");
    expect_nothing_at(out);
}

static void test_past_the_end(void **state)
{
    const struct lane_files *files = *state;
    const char *folder = scratch_path("past"), *out = scratch_path("past.mp4");

    REFUSED(VBP_RUN("frame", files->clip, "-m", files->model, "-o", folder, "--at", "45"), "45");
    REFUSED(VBP_RUN("frame", files->clip, "-m", files->model, "-o", folder, "--at", "1:40.5"),
            "100.5", "past the end");
    REFUSED(VBP_RUN("frame", files->picture, "-m", files->model, "-o", folder, "--at", "1"), "1");
    REFUSED(VBP_RUN("export", files->clip, "-m", files->model, "-o", out, "--start", "9"), "9",
            "past the end");
    expect_nothing_at(folder);
    expect_nothing_at(out);
}

static void refuse_card(const struct lane_files *files, const char *card, const char *reason)
{
    const char *path = scratch_write("bad.card.json", card, strlen(card));
    const char *folder = scratch_path("bad-card");

    REFUSED(VBP_RUN("frame", files->picture, "-m", files->model, "-o", folder, "--card", path),
            reason);
    expect_nothing_at(folder);
}

static void test_bad_cards(void **state)
{
    const struct lane_files *files = *state;

    refuse_card(files, "{\"input\": {\"colour\": \"gray\"}}", "input.colour");
    refuse_card(files, "{\"outputs\": {}}", "outputs");
    refuse_card(files, "{\"input\": {\"color\": \"pink\"}}", "pink");
    refuse_card(files, "{\"input\": {\"color\": \"rgb\"}}", "rgb");
    refuse_card(files, "{\"input\": {\"crop\": {\"top\": 200, \"bottom\": 160}}}", "crop");
    refuse_card(files, "{\"input\": {\"crop\": {\"top\": \"ten\"}}}", "input.crop.top");
    refuse_card(files, "{\"input\": {\"size\": [100, 100]}}", "size");
    refuse_card(files, "{\"output\": {\"steering\": \"angle\"}}", "angle");
    refuse_card(files, "{\"input\": ", "bad.card.json");
    refuse_card(files, "", "bad.card.json");
    REFUSED(VBP_RUN("info", files->model, "--card", scratch_path("missing.json")), "missing.json");
}

static void test_unwritable_output(void **state)
{
    const struct lane_files *files = *state;
    const char *file = scratch_write("a-file", "x", 1);
    char inside[600];

    /* root may write into any folder, so the folder is a file, or cannot exist. */
    snprintf(inside, sizeof(inside), "%s/out", file);
    REFUSED(VBP_RUN("frame", files->picture, "-m", files->model, "-o", inside), inside);
    REFUSED(VBP_RUN("frame", files->picture, "-m", files->model, "-o", file), file);
    REFUSED(VBP_RUN("frame", files->picture, "-m", files->model, "-o", "/proc/vbp"), "/proc/vbp");
    snprintf(inside, sizeof(inside), "%s/out.mp4", file);
    REFUSED(VBP_RUN("export", files->clip, "-m", files->model, "-o", inside), inside);
    REFUSED(VBP_RUN("export", files->clip, "-m", files->model, "-o", scratch_path("no/out.mp4")),
            "out.mp4");
    REFUSED(VBP_RUN("export", files->clip, "-m", files->model, "-o", scratch_path("out.xyz")),
            "out.xyz");
    expect_nothing_at(scratch_path("out.xyz"));
}

static void test_existing_output(void **state)
{
    const struct lane_files *files = *state;
    const char *out = scratch_write("there.mp4", "precious", 8);
    const char *folder = scratch_path("there");
    unsigned char *bytes;
    size_t length;

    REFUSED(VBP_RUN("export", files->clip, "-m", files->model, "-o", out), out, "-y");
    REFUSED(VBP_RUN("export", files->clip, "-m", files->model, "-o", files->clip, "-y"),
            files->clip, "input");
    REFUSED(VBP_RUN("export", files->clip, "-m", files->model, "-o", files->model, "-y"),
            files->model, "input");
    assert_int_equal(file_read(out, 100, &bytes, &length, NULL), VBP_OK);
    assert_string_equal((const char *)bytes, "precious");
    free(bytes);
    assert_int_equal(mkdir(folder, 0777), 0);
    scratch_write("there/report.json", "{}", 2);
    REFUSED(VBP_RUN("frame", files->picture, "-m", files->model, "-o", folder), folder, "-y");
    assert_int_equal(file_read(scratch_path("there/report.json"), 100, &bytes, &length, NULL),
                     VBP_OK);
    assert_string_equal((const char *)bytes, "{}");
    free(bytes);
}

static char *read_text(const char *path)
{
    unsigned char *bytes;
    size_t length;

    assert_int_equal(file_read(path, 1 << 28, &bytes, &length, NULL), VBP_OK);
    return (char *)bytes;
}

/* Every file that a command reads or would replace is safe. */
static void test_inputs_and_strangers_are_safe(void **state)
{
    const struct lane_files *files = *state;
    const char *folder = scratch_path("mine");
    const char *own = scratch_path("mine/overlay.png"), *card = scratch_path("mine/card.mp4");
    unsigned char *picture;
    size_t length;
    char *text;

    assert_int_equal(mkdir(folder, 0777), 0);
    assert_int_equal(file_read(files->picture, 1 << 28, &picture, &length, NULL), VBP_OK);
    scratch_write("mine/overlay.png", picture, length);
    free(picture);
    REFUSED(VBP_RUN("frame", own, "-m", files->model, "-o", folder, "-y"), own, "input");
    REFUSED(VBP_RUN("frame", files->picture, "-m", files->model, "-o", folder), own, "-y");
    expect_nothing_at(scratch_path("mine/mask.npy"));
    text = read_text(files->card);
    scratch_write("mine/card.mp4", text, strlen(text));
    REFUSED(VBP_RUN("export", files->clip, "-m", files->model, "--card", card, "-o", card, "-y"),
            card, "input");
    REFUSED(VBP_RUN("export", files->clip, "-m", files->model, "-o", files->card, "-y"), "input");
    free(text);
}

/* A new run over an old one replaces all of it, the maps of --raw too. */
static void test_overwriting_leaves_nothing_old(void **state)
{
    const struct lane_files *files = *state;
    const char *folder = scratch_path("twice");
    struct process_result result =
        VBP_RUN("frame", files->picture, "-m", files->model, "-o", folder, "--raw");

    assert_int_equal(result.status, 0);
    process_free(&result);
    assert_true(file_exists(scratch_path("twice/levels/01_average.npy")));
    result = VBP_RUN("frame", files->clip, "-m", files->model, "-o", folder, "-y");
    assert_int_equal(result.status, 0);
    process_free(&result);
    expect_nothing_at(scratch_path("twice/levels/01_average.npy"));
    /* Nothing is left of the staging either. */
    result = process_run((const char *const[]){"ls", "-A", folder, NULL}, 10);
    assert_null(strstr(result.output, ".vbp-"));
    process_free(&result);
}

static struct process_result run_shell(const char *command, const char *first, const char *second,
                                       const char *third)
{
    return process_run(
        (const char *const[]){"sh", "-c", command, process_vbp(), first, second, third, NULL}, 120);
}

/* Messages must not get into a clip that was given the number of a closed stream. */
static void test_closed_streams(void **state)
{
    const struct lane_files *files = *state;
    const char *out = scratch_path("closed.mkv");
    struct process_result result = run_shell(
        "\"$0\" export \"$1\" -m \"$2\" -o \"$3\" <&- >&- 2>&-", files->clip, files->model, out);

    assert_int_equal(result.status, 0);
    process_free(&result);
    result = process_run((const char *const[]){"grep", "-c", "assumed", out, NULL}, 10);
    assert_string_equal(result.output, "0\n");
    process_free(&result);
}

/* A drive whose file stops in the middle is not a short drive. */
static void test_cut_off_video(void **state)
{
    const struct lane_files *files = *state;
    const char *out = scratch_path("half.mp4");

    REFUSED(VBP_RUN("export", truncated(files->clip, "half-of-it.mp4", -20000), "-m", files->model,
                    "-o", out),
            "half-of-it.mp4", "cut off", "45");
    expect_nothing_at(out);
}

static void test_full_disk(void **state)
{
    const struct lane_files *files = *state;
    struct process_result result;

    /* Writing to /dev/full fails as a full disk does. */
    result = process_run((const char *const[]){"sh", "-c", "\"$0\" info \"$1\" > /dev/full",
                                               process_vbp(), files->model, NULL},
                         60);
    REFUSED(result, "No space left");
}

static void test_wrong_input_arrays(void **state)
{
    const struct lane_files *files = *state;
    float values[24] = {0};
    const char *path = scratch_path("few.npy"), *folder = scratch_path("few");

    assert_int_equal(npy_write(path, NPY_FLOAT32, values, 1, (size_t[]){24}, NULL), VBP_OK);
    REFUSED(VBP_RUN("frame", path, "-m", files->model, "-o", folder), "1x1x66x200", "24");
    {
        float *turned = calloc(200 * 66, sizeof(float));

        assert_non_null(turned);
        assert_int_equal(npy_write(path, NPY_FLOAT32, turned, 2, (size_t[]){200, 66}, NULL),
                         VBP_OK);
        REFUSED(VBP_RUN("frame", path, "-m", files->model, "-o", folder), "200x66", "1x1x66x200");
        free(turned);
    }
    assert_int_equal(npy_write(path, NPY_UINT8, values, 4, (size_t[]){1, 2, 3, 4}, NULL), VBP_OK);
    REFUSED(VBP_RUN("frame", path, "-m", files->model, "-o", folder), "few.npy");
    expect_nothing_at(folder);
}

/* Training takes the steering for one number, not the first of several. */
static void test_networks_that_cannot_be_trained(void **state)
{
    static const struct model_parts parts[] = {
        {.outputs = 15, .card = "{\"output\": {\"kind\": \"bins\", \"bins\": [-1, 1, 15]}}"},
        {.outputs = 2},
        {.outputs = 3, .second_output = 2}};
    static const char *const reasons[] = {"bins", "'steering' is 2 numbers",
                                          "'steering' is 3 numbers"};

    (void)state;
    for (int i = 0; i < 3; i++) {
        const char *model = model_write("several.onnx", &parts[i]),
                   *out = scratch_path("none.onnx");

        REFUSED(VBP_RUN("train", "nowhere", "-m", model, "-o", out), model, reasons[i]);
        expect_nothing_at(out);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_usage),
        cmocka_unit_test(test_help_and_version),
        cmocka_unit_test(test_bad_models),
        cmocka_unit_test(test_truncated_torch7),
        cmocka_unit_test(test_models_of_other_kinds),
        cmocka_unit_test(test_network_without_convolution),
        cmocka_unit_test(test_convert),
        cmocka_unit_test(test_bad_sources),
        cmocka_unit_test(test_past_the_end),
        cmocka_unit_test(test_bad_cards),
        cmocka_unit_test(test_unwritable_output),
        cmocka_unit_test(test_existing_output),
        cmocka_unit_test(test_inputs_and_strangers_are_safe),
        cmocka_unit_test(test_overwriting_leaves_nothing_old),
        cmocka_unit_test(test_closed_streams),
        cmocka_unit_test(test_cut_off_video),
        cmocka_unit_test(test_full_disk),
        cmocka_unit_test(test_wrong_input_arrays),
        cmocka_unit_test(test_networks_that_cannot_be_trained),
    };

    return cmocka_run_group_tests(tests, lane_files_setup, lane_files_teardown);
}
