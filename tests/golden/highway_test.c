/*
 * A real drive through decoder, crop, resize and network, against values made with OpenCV: every
 * frame's steering, and five masks.
 */
#include "media/source.h"
#include "support/data.h"

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
    VbpRunner *runner;
    struct source *source;
};

static struct drive open_drive(void)
{
    VbpModelOptions options = {.card_path = data_path("videos/highway.card.json")};
    struct source_options source_options = {0};
    struct drive drive = {0};
    VbpError error;

    if (vbp_model_open(&drive.model, data_path("nethvf/nethvf.onnx"), &options, &error) != VBP_OK ||
        vbp_runner_create(&drive.runner, drive.model, NULL, &error) != VBP_OK ||
        source_open(&drive.source, data_path("videos/highway-h264-540p25.mp4"), &source_options,
                    &error) != VBP_OK)
        fail_msg("%s", error.message);
    return drive;
}

static void close_drive(struct drive *drive)
{
    source_close(&drive->source);
    vbp_runner_destroy(&drive->runner);
    vbp_model_close(&drive->model);
}

static void test_highway(void **state)
{
    struct drive drive = open_drive();
    struct npy masks = data_array("videos/highway-mask-0-50-100-150-200.npy");
    double steering[FRAMES], total = 0, worst = 0, least_correlation = 1;
    struct frame frame = {0};
    VbpError error;
    int count = 0, result;

    (void)state;
    read_steering(steering);
    while ((result = source_read(drive.source, &frame, &error)) == SOURCE_FRAME) {
        VbpImage image = frame_image(&frame);
        double difference;
        int height, width;

        assert_true(count < FRAMES);
        assert_int_equal(frame.number, count);
        if (vbp_runner_run_image(drive.runner, &image, &error) != VBP_OK)
            fail_msg("%s", error.message);
        difference = fabs(vbp_runner_steering(drive.runner) - steering[count]);
        total += difference;
        worst = fmax(worst, difference);
        if (count % 50 == 0) {
            const float *mask = vbp_runner_mask(drive.runner, &height, &width);

            assert_int_equal(height * width, MASK_CELLS);
            least_correlation =
                fmin(least_correlation,
                     correlation(mask, (const float *)masks.data + (size_t)count / 50 * MASK_CELLS,
                                 MASK_CELLS));
        }
        frame_release(&frame);
        count++;
    }
    if (result < 0)
        fail_msg("%s", error.message);
    print_message("%d frames, steering off by %.5f on average, %.5f at most; masks correlate with "
                  "%.4f at least\n",
                  count, total / count, worst, least_correlation);
    assert_int_equal(count, FRAMES);
    assert_true(total / count <= 0.002);
    assert_true(worst <= 0.01);
    assert_true(least_correlation >= 0.98);
    npy_free(&masks);
    close_drive(&drive);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_highway)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
