/*
 * A real drive through decoder, crop, resize and network, against values made with OpenCV: every
 * frame's steering, and five masks; at every level of instructions, on 1, 2 and 4 threads.
 */
#include "media/source.h"
#include "support/data.h"
#include "support/engines.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>

#define FRAMES     221
#define MASK_CELLS (125 * 640)

static void read_steering(double *steering)
{
    FILE *stream = fopen(data_path("videos/highway-steering.csv"), "r");
    char line[128];

    assert_non_null(stream);
    assert_non_null(fgets(line, sizeof(line), stream));
    for (int i = 0; i < FRAMES; i++) {
        char *comma, *end;

        assert_non_null(fgets(line, sizeof(line), stream));
        assert_int_equal(strtol(line, &comma, 10), i);
        assert_int_equal(*comma, ',');
        steering[i] = strtod(comma + 1, &end);
        assert_true(*end == '\r' || *end == '\n');
    }
    fclose(stream);
}

/* Pearson's correlation. */
static double correlation(const float *a, const float *b, size_t count)
{
    double mean_a = 0, mean_b = 0, ab = 0, aa = 0, bb = 0;

    for (size_t i = 0; i < count; i++) {
        mean_a += (double)a[i] / (double)count;
        mean_b += (double)b[i] / (double)count;
    }
    for (size_t i = 0; i < count; i++) {
        double x = (double)a[i] - mean_a, y = (double)b[i] - mean_b;

        ab += x * y;
        aa += x * x;
        bb += y * y;
    }
    return ab / sqrt(aa * bb);
}

struct drive {
    VbpModel *model;
    struct source *source;
};

/* One way to run the network, and how far it is off. */
struct side {
    struct engine engine;
    VbpRunner *runner;
    int count;
    double total, worst, least_correlation;
};

static struct drive open_drive(void)
{
    VbpModelOptions options = {.card_path = data_path("videos/highway.card.json")};
    struct source_options source_options = {0};
    struct drive drive = {0};
    VbpError error;

    if (vbp_model_open(&drive.model, data_path("nethvf/nethvf.onnx"), &options, &error) != VBP_OK ||
        source_open(&drive.source, data_path("videos/highway-h264-540p25.mp4"), &source_options,
                    &error) != VBP_OK)
        fail_msg("%s", error.message);
    return drive;
}

static void close_drive(struct drive *drive)
{
    source_close(&drive->source);
    vbp_model_close(&drive->model);
}

static size_t open_sides(struct side *sides, const VbpModel *model)
{
    size_t count = 0;
    VbpError error;

    for (struct engine engine; engine_at(count, &engine); count++) {
        sides[count] = (struct side){.engine = engine, .least_correlation = 1};
        if (vbp_runner_create(&sides[count].runner, model, &engine.options, &error) != VBP_OK)
            fail_msg("%s: %s", engine.name, error.message);
    }
    return count;
}

static void run_frame(struct side *side, const struct frame *frame, double steering,
                      const struct npy *masks)
{
    VbpImage image = frame_image(frame);
    double difference;
    VbpError error;

    if (vbp_runner_run_image(side->runner, &image, &error) != VBP_OK)
        fail_msg("%s: %s", side->engine.name, error.message);
    difference = fabs(vbp_runner_steering(side->runner) - steering);
    side->total += difference;
    side->worst = fmax(side->worst, difference);
    side->count++;
    if (frame->number % 50 == 0) {
        const float *want = (const float *)masks->data + frame->number / 50 * MASK_CELLS;
        int height, width;
        const float *mask = vbp_runner_mask(side->runner, &height, &width);

        assert_int_equal(height * width, MASK_CELLS);
        side->least_correlation =
            fmin(side->least_correlation, correlation(mask, want, MASK_CELLS));
    }
}

static void check_side(const struct side *side)
{
    print_message("%s: %d frames, steering off by %.5f on average, %.5f at most; masks correlate "
                  "with %.4f at least\n",
                  side->engine.name, side->count, side->total / side->count, side->worst,
                  side->least_correlation);
    assert_int_equal(side->count, (FRAMES + side->engine.step - 1) / side->engine.step);
    assert_true(side->total / side->count <= 0.002);
    assert_true(side->worst <= 0.01);
    assert_true(side->least_correlation >= 0.98);
}

static void test_highway(void **state)
{
    struct drive drive = open_drive();
    struct npy masks = data_array("videos/highway-mask-0-50-100-150-200.npy");
    struct side sides[ENGINES_MOST];
    size_t side_count = open_sides(sides, drive.model);
    double steering[FRAMES];
    struct frame frame = {0};
    VbpError error;
    int count = 0, result;

    (void)state;
    read_steering(steering);
    while ((result = source_read(drive.source, &frame, &error)) == SOURCE_FRAME) {
        assert_true(count < FRAMES);
        assert_int_equal(frame.number, count);
        for (size_t i = 0; i < side_count; i++) {
            if (count % sides[i].engine.step == 0)
                run_frame(&sides[i], &frame, steering[count], &masks);
        }
        frame_release(&frame);
        count++;
    }
    if (result < 0)
        fail_msg("%s", error.message);
    assert_int_equal(count, FRAMES);
    for (size_t i = 0; i < side_count; i++) {
        check_side(&sides[i]);
        vbp_runner_destroy(&sides[i].runner);
    }
    npy_free(&masks);
    close_drive(&drive);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_highway)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
