/* --output, --average and --even from outside: every command that runs a network takes them. */
#include "base/file.h"
#include "base/npy.h"
#include "support/lane_files.h"
#include "support/models.h"
#include "support/process.h"
#include "support/scratch.h"

#include "vbp.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>

#include <cjson/cJSON.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Two heads on one picture: "throttle" and "steering", which differ. */
static const char *two_heads(void)
{
    static const float bias[1] = {0.75F};

    return model_write("two.onnx", &(struct model_parts){.second_output = 1, .bias = bias});
}

static void expect_done(struct process_result result)
{
    if (result.status != 0)
        fail_msg("exit %d: %s", result.status, result.errors);
    process_free(&result);
}

static void expect_refused(struct process_result result, int status, const char *words)
{
    assert_int_equal(result.status, status);
    if (!strstr(result.errors, words))
        fail_msg("no '%s' in: %s", words, result.errors);
    process_free(&result);
}

static cJSON *read_json(const char *path)
{
    unsigned char *text;
    size_t length;
    cJSON *root;

    assert_int_equal(file_read(path, 1 << 20, &text, &length, NULL), VBP_OK);
    root = cJSON_Parse((const char *)text);
    assert_non_null(root);
    free(text);
    return root;
}

static double steering_of(const char *report, const char *output, double *named)
{
    cJSON *root = read_json(report);
    const cJSON *outputs = cJSON_GetObjectItemCaseSensitive(root, "outputs");
    double steering = cJSON_GetObjectItemCaseSensitive(root, "steering")->valuedouble;

    *named = cJSON_GetArrayItem(cJSON_GetObjectItemCaseSensitive(outputs, output), 0)->valuedouble;
    cJSON_Delete(root);
    return steering;
}

/* Another output steers, and the mask stays. */
static void frame_takes_the_output(void **state)
{
    static const char *const outputs[] = {"throttle", "steering"};
    const struct lane_files *files = *state;
    const char *model = two_heads(), *folder = scratch_path("frame");
    struct npy masks[2];
    double named;
    char path[300];

    for (int i = 0; i < 2; i++) {
        expect_done(VBP_RUN("frame", files->picture, "-m", model, "-o", folder, "-y", "-q",
                            "--output", outputs[i]));
        snprintf(path, sizeof(path), "%s/report.json", folder);
        assert_true(steering_of(path, outputs[i], &named) == named);
        if (i == 1)
            assert_float_equal(named, 0.75, 1e-9);
        snprintf(path, sizeof(path), "%s/mask.npy", folder);
        assert_int_equal(npy_read(path, &masks[i], NULL), VBP_OK);
    }
    assert_memory_equal(masks[0].data, masks[1].data, masks[0].count * sizeof(float));
    npy_free(&masks[0]);
    npy_free(&masks[1]);
}

static void unknown_outputs_are_refused_everywhere(void **state)
{
    static const char words[] =
        "two.onnx: --output names 'angle', but the network has no such output; it has 'throttle', "
        "'steering'\n";
    const struct lane_files *files = *state;
    const char *model = two_heads(), *out = scratch_path("none.mp4"),
               *onnx = scratch_path("n.onnx");

    expect_refused(VBP_RUN("frame", files->picture, "-m", model, "-o", scratch_path("none"),
                           "--output", "angle"),
                   1, words);
    expect_refused(VBP_RUN("export", files->clip, "-m", model, "-o", out, "--output", "angle"), 1,
                   words);
    expect_refused(VBP_RUN("info", model, "--output", "angle"), 1, words);
    expect_refused(VBP_RUN("bench", model, "--output", "angle"), 1, words);
    expect_refused(VBP_RUN("convert", model, "-o", onnx, "--output", "angle"), 1, words);
    expect_refused(VBP_RUN("eval", "/nowhere", "-m", model, "--output", "angle"), 1, words);
    expect_refused(VBP_RUN("train", "/nowhere", "-m", model, "-o", onnx, "--output", "angle"), 1,
                   words);
    assert_false(file_exists(out));
    assert_false(file_exists(onnx));
    assert_false(file_exists(scratch_path("none")));
    /* It names no file; -o does. */
    expect_refused(VBP_RUN("convert", model, "--output", onnx), 2, "-o");
    expect_refused(VBP_RUN("train", "/nowhere", "-o", onnx, "--output", "steering"), 2, "-m");
}

/* What is chosen once is kept in the file. */
static void convert_keeps_the_output(void **state)
{
    static const char card[] = "{\"input\": {\"bias\": -1}, \"output\": {\"steering\": "
                               "\"steering\"}}";
    const char *model = two_heads(), *with = scratch_path("kept.onnx"),
               *without = scratch_path("plain.onnx"),
               *path = scratch_write("two.json", card, strlen(card));
    struct process_result result;

    (void)state;
    expect_done(
        VBP_RUN("convert", model, "-o", with, "-q", "--output", "throttle", "--card", path));
    result = VBP_RUN("info", with);
    assert_non_null(strstr(result.output, "throttle: 1x1, steers: named by the card"));
    assert_non_null(strstr(result.output, "byte * 1 -1"));
    process_free(&result);
    expect_done(VBP_RUN("convert", model, "--out", without, "-q", "--output", "throttle"));
    result = VBP_RUN("info", without);
    assert_non_null(strstr(result.output, "throttle: 1x1, steers: named by the card"));
    process_free(&result);
}

/* At a rate of 0 nothing is learned: both heads answer as before, whichever was trained. */
static void train_leaves_the_other_head_alone(void **state)
{
    static const char *const outputs[] = {"throttle", "steering"};
    const struct lane_files *files = *state;
    const char *model = two_heads(), *folder = scratch_path("heads");
    const char *trained = scratch_path("trained.onnx");
    char log[1600] = "", path[300];
    double before[2], after, named;

    for (int i = 0; i < 8; i++)
        snprintf(log + strlen(log), sizeof(log) - strlen(log), "%s,,,%g\n", files->picture,
                 (i - 3.5) / 20);
    for (int i = 0; i < 2; i++) {
        const char *drive = scratch_write("driving_log.csv", log, strlen(log));

        expect_done(VBP_RUN("frame", files->picture, "-m", model, "-o", folder, "-y", "-q",
                            "--output", outputs[i]));
        snprintf(path, sizeof(path), "%s/report.json", folder);
        before[i] = steering_of(path, outputs[i], &named);
        expect_done(VBP_RUN("train", drive, "-m", model, "-o", trained, "-y", "-q", "--output",
                            outputs[i], "--lr", "0", "--epochs", "1", "--batch", "4"));
        for (int head = 0; head <= i; head++) {
            expect_done(VBP_RUN("frame", files->picture, "-m", trained, "-o", folder, "-y", "-q",
                                "--output", outputs[head]));
            after = steering_of(path, outputs[head], &named);
            assert_float_equal(after, before[head], 1e-5);
        }
    }
}

static void bench_and_export_take_it(void **state)
{
    const struct lane_files *files = *state;
    const char *model = two_heads(), *out = scratch_path("two.mp4");

    expect_done(VBP_RUN("bench", model, "--runs", "2", "--output", "throttle", "--average", "abs",
                        "--even", "--json", "-q"));
    expect_done(VBP_RUN("export", files->clip, "-m", model, "-o", out, "-q", "--output", "throttle",
                        "--average", "mean", "--even", "--end", "0.2"));
    assert_true(file_exists(out));
}

/* The network's filters have both signs; what is averaged, and how it is spread, is to be seen. */
static void frame_takes_average_and_even(void **state)
{
    static const char *const options[][2] = {
        {"--average", "positive"}, {"--average", "mean"}, {"--average", "abs"}, {"--even", "-q"}};
    const struct lane_files *files = *state;
    const char *folder = scratch_path("kinds");
    VbpRunnerOptions wanted[] = {{.average = VBP_AVERAGE_POSITIVE},
                                 {.average = VBP_AVERAGE_MEAN},
                                 {.average = VBP_AVERAGE_ABSOLUTE},
                                 {.even = 1}};
    float input[66 * 200];
    const char *array = scratch_path("ready.npy");

    for (int i = 0; i < 66 * 200; i++)
        input[i] = (float)(i * 7 % 31) / 31;
    assert_int_equal(npy_write(array, NPY_FLOAT32, input, 4, (size_t[]){1, 1, 66, 200}, NULL),
                     VBP_OK);
    for (int i = 0; i < 4; i++) {
        VbpModel *model;
        VbpRunner *runner;
        struct npy mask;
        char path[300];
        int height, width;

        expect_done(VBP_RUN("frame", array, "-m", files->model, "-o", folder, "-y", "-q",
                            options[i][0], options[i][1]));
        snprintf(path, sizeof(path), "%s/mask.npy", folder);
        assert_int_equal(npy_read(path, &mask, NULL), VBP_OK);
        assert_int_equal(vbp_model_open(&model, files->model, NULL, NULL), VBP_OK);
        assert_int_equal(vbp_runner_create(&runner, model, &wanted[i], NULL), VBP_OK);
        assert_int_equal(vbp_runner_run_input(runner, input, 66 * 200, NULL), VBP_OK);
        assert_memory_equal(mask.data, vbp_runner_mask(runner, &height, &width),
                            mask.count * sizeof(float));
        vbp_runner_destroy(&runner);
        vbp_model_close(&model);
        npy_free(&mask);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(frame_takes_the_output),
        cmocka_unit_test(unknown_outputs_are_refused_everywhere),
        cmocka_unit_test(convert_keeps_the_output),
        cmocka_unit_test(train_leaves_the_other_head_alone),
        cmocka_unit_test(bench_and_export_take_it),
        cmocka_unit_test(frame_takes_average_and_even),
    };

    return cmocka_run_group_tests(tests, lane_files_setup, lane_files_teardown);
}
