/* `vbp frame` and `vbp info` from outside. */
#include "base/file.h"
#include "base/npy.h"
#include "media/source.h"
#include "support/lane.h"
#include "support/lane_files.h"
#include "support/process.h"
#include "support/scratch.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cjson/cJSON.h>
#include <cmocka.h>

static void expect_done(struct process_result result)
{
    if (result.status != 0)
        fail_msg("exit %d: %s", result.status, result.errors);
    process_free(&result);
}

static cJSON *read_json(const char *path)
{
    unsigned char *text;
    size_t length;
    VbpError error;
    cJSON *root;

    if (file_read(path, 1 << 24, &text, &length, &error) != VBP_OK)
        fail_msg("%s", error.message);
    root = cJSON_Parse((const char *)text);
    assert_non_null(root);
    free(text);
    return root;
}

static double number(const cJSON *object, const char *key)
{
    const cJSON *item = cJSON_GetObjectItemCaseSensitive(object, key);

    if (!cJSON_IsNumber(item))
        fail_msg("no number '%s'", key);
    return item->valuedouble;
}

static const char *text(const cJSON *object, const char *key)
{
    const cJSON *item = cJSON_GetObjectItemCaseSensitive(object, key);

    if (!cJSON_IsString(item))
        fail_msg("no text '%s'", key);
    return item->valuestring;
}

static char *below(const char *folder, const char *name)
{
    static char paths[4][600];
    static int next;
    char *path = paths[next++ % 4];

    snprintf(path, sizeof(paths[0]), "%s/%s", folder, name);
    return path;
}

/* What the library itself says about the picture. */
static void run_picture(const struct lane_files *files, VbpModel **model, VbpRunner **runner)
{
    struct source_options options = {0};
    struct source *source;
    struct frame frame;
    VbpImage image;
    VbpError error;

    assert_int_equal(vbp_model_open(model, files->model, NULL, &error), VBP_OK);
    assert_int_equal(vbp_runner_create(runner, *model, NULL, &error), VBP_OK);
    assert_int_equal(source_open(&source, files->picture, &options, &error), VBP_OK);
    assert_int_equal(source_read(source, &frame, &error), SOURCE_FRAME);
    image = frame_image(&frame);
    assert_int_equal(vbp_runner_run_image(*runner, &image, &error), VBP_OK);
    frame_release(&frame);
    source_close(&source);
}

static void test_frame_writes_what_the_library_says(void **state)
{
    const struct lane_files *files = *state;
    const char *out = scratch_path("frame/deep");
    VbpModel *model;
    VbpRunner *runner;
    VbpError error;
    struct npy mask;
    const float *expected;
    int height, width;
    cJSON *report;

    expect_done(VBP_RUN("frame", files->picture, "-m", files->model, "-o", out, "--raw"));
    run_picture(files, &model, &runner);
    expected = vbp_runner_mask(runner, &height, &width);
    assert_int_equal(npy_read(below(out, "mask.npy"), &mask, &error), VBP_OK);
    assert_int_equal(mask.rank, 2);
    assert_int_equal(mask.extent[0], LANE_INPUT_HEIGHT);
    assert_int_equal(mask.extent[1], LANE_INPUT_WIDTH);
    assert_memory_equal(mask.data, expected, mask.count * sizeof(float));
    report = read_json(below(out, "report.json"));
    assert_float_equal(number(report, "steering"), vbp_runner_steering(runner), 1e-9);
    assert_int_equal((int)number(report, "frame"), 0);
    assert_float_equal(number(report, "time"), 0, 1e-9);
    assert_string_equal(text(report, "method"), "vbp");
    assert_string_equal(text(report, "model"), files->model);
    assert_int_equal(cJSON_GetArraySize(cJSON_GetObjectItem(report, "levels")), 3);
    assert_float_equal(
        cJSON_GetArrayItem(cJSON_GetObjectItem(cJSON_GetObjectItem(report, "outputs"), "steering"),
                           0)
            ->valuedouble,
        vbp_runner_steering(runner), 1e-9);
    assert_true(number(cJSON_GetObjectItem(report, "mask"), "max") > 0);
    assert_true(file_exists(below(out, "overlay.png")));
    assert_true(file_exists(below(out, "mask.png")));
    assert_true(file_exists(below(out, "levels.png")));
    for (int level = 1; level <= 3; level++) {
        static const char *const kinds[] = {"average", "product"};

        for (int kind = 0; kind < 2; kind++) {
            const float *values = kind == 0 ? vbp_runner_level_average(runner, level - 1)
                                            : vbp_runner_level_product(runner, level - 1);
            struct npy map;
            char name[64];

            snprintf(name, sizeof(name), "levels/%02d_%s.npy", level, kinds[kind]);
            assert_int_equal(npy_read(below(out, name), &map, &error), VBP_OK);
            assert_memory_equal(map.data, values, map.count * sizeof(float));
            npy_free(&map);
        }
    }
    cJSON_Delete(report);
    npy_free(&mask);
    vbp_runner_destroy(&runner);
    vbp_model_close(&model);
}

/* Mean brightness difference between two pictures inside the mask's hot cells and far from them. */
static void test_overlay_lies_on_the_markings(void **state)
{
    const struct lane_files *files = *state;
    const char *out = scratch_path("overlay");
    struct source_options options = {0};
    double hot = 0, cold = 0, hot_count = 0, cold_count = 0;
    struct source *sources[2];
    struct frame frames[2];
    struct npy mask;
    VbpError error;
    int crop_top;

    expect_done(VBP_RUN("frame", files->picture, "-m", files->model, "-o", out));
    assert_int_equal(npy_read(below(out, "mask.npy"), &mask, &error), VBP_OK);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(source_open(&sources[i],
                                     i == 0 ? files->picture : below(out, "overlay.png"), &options,
                                     &error),
                         VBP_OK);
        assert_int_equal(source_read(sources[i], &frames[i], &error), SOURCE_FRAME);
        assert_int_equal(frames[i].picture->format, AV_PIX_FMT_RGB24);
    }
    assert_int_equal(frames[0].picture->width, frames[1].picture->width);
    assert_int_equal(frames[0].picture->height, frames[1].picture->height);
    crop_top = (int)(0.45 * frames[0].picture->height);
    for (int y = crop_top + 2; y < frames[0].picture->height - 2; y++) {
        for (int x = 2; x < frames[0].picture->width - 2; x++) {
            int row = (y - crop_top) * LANE_INPUT_HEIGHT / (frames[0].picture->height - crop_top);
            int column = x * LANE_INPUT_WIDTH / frames[0].picture->width;
            float value = ((const float *)mask.data)[row * LANE_INPUT_WIDTH + column];
            const uint8_t *before =
                frames[0].picture->data[0] + (ptrdiff_t)y * frames[0].picture->linesize[0] + 3 * x;
            const uint8_t *after =
                frames[1].picture->data[0] + (ptrdiff_t)y * frames[1].picture->linesize[0] + 3 * x;
            double difference =
                abs(before[0] - after[0]) + abs(before[1] - after[1]) + abs(before[2] - after[2]);

            if (value > 0.7f) {
                hot += difference;
                hot_count++;
            } else if (value < 0.001f) {
                cold += difference;
                cold_count++;
            }
        }
    }
    assert_true(hot_count > 50 && cold_count > 1000);
    assert_true(hot / hot_count > 60);
    assert_true(cold / cold_count < 2);
    npy_free(&mask);
    for (int i = 0; i < 2; i++) {
        frame_release(&frames[i]);
        source_close(&sources[i]);
    }
}

static double steering_at(const struct lane_files *files, const char *at, int *frame)
{
    const char *out = scratch_path("at");
    double steering;
    cJSON *report;

    expect_done(VBP_RUN("frame", files->clip, "-m", files->model, "-o", out, "-y", "--at", at));
    report = read_json(below(out, "report.json"));
    *frame = (int)number(report, "frame");
    steering = number(report, "steering");
    cJSON_Delete(report);
    return steering;
}

static void test_at_number_and_time_agree(void **state)
{
    const struct lane_files *files = *state;
    int by_number, by_time, first;

    assert_float_equal(steering_at(files, "30", &by_number), steering_at(files, "1.01", &by_time),
                       1e-9);
    assert_int_equal(by_number, 30);
    assert_int_equal(by_time, 30);
    assert_float_equal(steering_at(files, "0", &first), steering_at(files, "0:00.0", &by_time),
                       1e-9);
    assert_int_equal(by_time, 0);
}

static void test_ready_input(void **state)
{
    const struct lane_files *files = *state;
    float input[LANE_INPUT_HEIGHT * LANE_INPUT_WIDTH];
    const char *path = scratch_path("input.npy"), *out = scratch_path("ready");
    struct npy mask;
    VbpModel *model;
    VbpRunner *runner;
    VbpError error;
    int height, width;

    for (int i = 0; i < LANE_INPUT_HEIGHT * LANE_INPUT_WIDTH; i++)
        input[i] = i % LANE_INPUT_WIDTH % 50 == 25 ? 1 : 0.3f;
    assert_int_equal(npy_write(path, NPY_FLOAT32, input, 3,
                               (size_t[]){1, LANE_INPUT_HEIGHT, LANE_INPUT_WIDTH}, &error),
                     VBP_OK);
    expect_done(VBP_RUN("frame", path, "-m", files->model, "-o", out));
    assert_int_equal(npy_read(below(out, "mask.npy"), &mask, &error), VBP_OK);
    assert_int_equal(vbp_model_open(&model, files->model, NULL, &error), VBP_OK);
    assert_int_equal(vbp_runner_create(&runner, model, NULL, &error), VBP_OK);
    assert_int_equal(
        vbp_runner_run_input(runner, input, LANE_INPUT_HEIGHT * LANE_INPUT_WIDTH, &error), VBP_OK);
    assert_memory_equal(mask.data, vbp_runner_mask(runner, &height, &width),
                        mask.count * sizeof(float));
    assert_true(file_exists(below(out, "overlay.png")));
    npy_free(&mask);
    vbp_runner_destroy(&runner);
    vbp_model_close(&model);
}

static void test_info(void **state)
{
    const struct lane_files *files = *state;
    struct process_result result = VBP_RUN("info", files->model);
    cJSON *root;

    assert_int_equal(result.status, 0);
    assert_non_null(strstr(result.output, "1x1x66x200"));
    assert_non_null(strstr(result.output, "steering: 1x1, steers"));
    assert_non_null(strstr(result.output, "levels    3"));
    process_free(&result);
    result = VBP_RUN("info", files->model, "--json");
    assert_int_equal(result.status, 0);
    root = cJSON_Parse(result.output);
    assert_non_null(root);
    assert_int_equal(cJSON_GetArraySize(cJSON_GetObjectItem(root, "levels")), 3);
    /* 8 x 49 x 33 x 100 + 2 x 8 x 72 x 17 x 50 + 8 x 17 x 50 multiply-adds */
    assert_int_equal((int)number(root, "macs"), 1293600 + 979200 + 6800);
    assert_int_equal((int)number(root, "parameters"), 400 + 2 * 584 + 6801);
    assert_string_equal(text(cJSON_GetObjectItem(root, "preprocessing"), "resize"), "area");
    cJSON_Delete(root);
    process_free(&result);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_frame_writes_what_the_library_says),
        cmocka_unit_test(test_overlay_lies_on_the_markings),
        cmocka_unit_test(test_at_number_and_time_agree),
        cmocka_unit_test(test_ready_input),
        cmocka_unit_test(test_info),
    };

    return cmocka_run_group_tests(tests, lane_files_setup, lane_files_teardown);
}
