/* Resizing filters against OpenCV's definitions, written out here anew or worked out by hand. */
#include "kernels/resample.h"
#include "support/numbers.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#define FILTERS (RESAMPLE_BICUBIC + 1)

static struct taps made(enum resample_filter filter, int source, int outputs)
{
    struct taps taps;

    assert_true(taps_make(&taps, filter, source, outputs));
    assert_int_equal(taps.outputs, outputs);
    return taps;
}

static double resampled(const struct taps *taps, int output, const float *source)
{
    const float *weight = taps->weight + (ptrdiff_t)output * taps->pitch;
    double sum = 0;

    for (int tap = 0; tap < taps->count[output]; tap++)
        sum += (double)weight[tap] * (double)source[taps->start[output] + tap];
    return sum;
}

static void taps_are_sound(void **state)
{
    (void)state;
    for (int filter = 0; filter < FILTERS; filter++) {
        for (int source = 1; source < 40; source += source < 9 ? 1 : 6) {
            for (int outputs = 1; outputs < 40; outputs += outputs < 9 ? 1 : 5) {
                struct taps taps = made((enum resample_filter)filter, source, outputs);

                assert_int_equal(taps.pitch % TAPS_GROUP, 0);
                for (int i = 0; i < outputs; i++) {
                    const float *weight = taps.weight + (ptrdiff_t)i * taps.pitch;
                    double sum = 0;

                    assert_in_range(taps.count[i], 1, taps.pitch);
                    assert_in_range(taps.start[i], 0, source - taps.count[i]);
                    for (int tap = 0; tap < taps.count[i]; tap++)
                        sum += (double)weight[tap];
                    for (int tap = taps.count[i]; tap < taps.pitch; tap++)
                        assert_true(weight[tap] == 0);
                    check_close(sum, 1, 1e-6, "sum of weights");
                }
                taps_free(&taps);
            }
        }
    }
}

static void equal_sizes_change_nothing(void **state)
{
    (void)state;
    for (int filter = 0; filter < FILTERS; filter++) {
        for (int size = 1; size < 20; size++) {
            struct taps taps = made((enum resample_filter)filter, size, size);
            float *source = guarded_random((size_t)size, 0, 255);

            for (int i = 0; i < size; i++)
                check_close(resampled(&taps, i, source), (double)source[i], 0, "identity");
            guarded_free(source);
            taps_free(&taps);
        }
    }
}

static void check_values(enum resample_filter filter, int source_count, const float *source,
                         int outputs, const double *want)
{
    struct taps taps = made(filter, source_count, outputs);

    for (int i = 0; i < outputs; i++)
        check_close(resampled(&taps, i, source), want[i], 1e-4, "resampled value");
    taps_free(&taps);
}

static void values_by_hand(void **state)
{
    const float ramp[4] = {0, 40, 80, 120}, five[5] = {10, 20, 30, 40, 100}, pair[2] = {0, 100};
    const float step[6] = {0, 0, 64, 64, 64, 64};

    (void)state;
    /* Centres of the halves: between cells 0 and 1, between 2 and 3. */
    check_values(RESAMPLE_BILINEAR, 4, ramp, 2, (const double[]){20, 100});
    /* -0.25, 0.25, 0.75, 1.25 between two cells; beyond them the border. */
    check_values(RESAMPLE_BILINEAR, 2, pair, 4, (const double[]){0, 25, 75, 100});
    /* 5 to 3: places 1/3, 2, 3 2/3. */
    check_values(RESAMPLE_BILINEAR, 5, five, 3, (const double[]){13.33333, 30, 80});
    /* Cells of 5/2: 10, 20 and half of 30; half of 30, 40 and 100. */
    check_values(RESAMPLE_AREA, 5, five, 2, (const double[]){18, 62});
    check_values(RESAMPLE_AREA, 4, ramp, 1, (const double[]){60});
    /* Cells of 5/3: [0, 1 2/3], [1 2/3, 3 1/3], [3 1/3, 5]. */
    check_values(RESAMPLE_AREA, 5, five, 3, (const double[]){14, 30, 76});
    /* floor(i * 5 / 3) = 0, 1, 3; floor(i * 2 / 4) = 0, 0, 1, 1. */
    check_values(RESAMPLE_NEAREST, 5, five, 3, (const double[]){10, 20, 40});
    check_values(RESAMPLE_NEAREST, 2, pair, 4, (const double[]){0, 0, 100, 100});
    /* Twice as many by INTER_AREA: each cell twice, no blending where cells coincide. */
    check_values(RESAMPLE_AREA_GROWN, 2, pair, 4, (const double[]){0, 0, 100, 100});
    /* 2 to 3: the middle one begins in cell 0 and ends in cell 1, half in each. */
    check_values(RESAMPLE_AREA_GROWN, 2, pair, 3, (const double[]){0, 50, 100});
    /* Halved, the weights are -0.09375, 0.59375, 0.59375, -0.09375; it overshoots the step. */
    check_values(RESAMPLE_BICUBIC, 6, step, 3, (const double[]){-6, 70, 64});
}

/* Keys' kernel as he gives it, with a = -0.75. */
static double cubic(double distance)
{
    const double a = -0.75;
    double x = fabs(distance);

    if (x <= 1)
        return (a + 2) * x * x * x - (a + 3) * x * x + 1;
    return x < 2 ? a * (x * x * x - 5 * x * x + 8 * x - 4) : 0;
}

static double at_border(const float *source, int count, int i)
{
    return (double)source[i < 0 ? 0 : i >= count ? count - 1 : i];
}

/* One output by the filter's definition as a function of the place. */
static double defined(enum resample_filter filter, const float *source, int count, int outputs,
                      int i)
{
    double scale = (double)count / outputs, place = (i + 0.5) * scale - 0.5, sum = 0;

    switch (filter) {
    case RESAMPLE_BILINEAR:
        for (int cell = -1; cell <= count; cell++)
            sum += fmax(0, 1 - fabs(place - cell)) * at_border(source, count, cell);
        return sum;
    case RESAMPLE_BICUBIC:
        for (int cell = -3; cell <= count + 3; cell++)
            sum += cubic(place - cell) * at_border(source, count, cell);
        return sum;
    case RESAMPLE_AREA:
        for (int cell = 0; cell < count; cell++)
            sum += fmax(0, fmin((i + 1) * scale, cell + 1) - fmax(i * scale, cell)) *
                   (double)source[cell];
        return sum / scale;
    case RESAMPLE_NEAREST:
        /* The factor is rounded on the way: 1 / (outputs / count), in double. */
        return (double)source[(int)floor(i * (1 / ((double)outputs / count)))];
    case RESAMPLE_AREA_GROWN:
        break;
    }
    return NAN;
}

static void values_by_definition(void **state)
{
    static const enum resample_filter filters[] = {RESAMPLE_BILINEAR, RESAMPLE_BICUBIC,
                                                   RESAMPLE_AREA, RESAMPLE_NEAREST};

    (void)state;
    for (int i = 0; i < 400; i++) {
        enum resample_filter filter = filters[i % 4];
        int count = random_between(1, 60);
        int outputs = random_between(1, filter == RESAMPLE_AREA ? count : 60);
        float *source = guarded_random((size_t)count, 0, 255);
        struct taps taps = made(filter, count, outputs);

        for (int output = 0; output < outputs; output++)
            check_close(resampled(&taps, output, source),
                        defined(filter, source, count, outputs, output), 1e-3, "output");
        guarded_free(source);
        taps_free(&taps);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(taps_are_sound),
        cmocka_unit_test(equal_sizes_change_nothing),
        cmocka_unit_test(values_by_hand),
        cmocka_unit_test(values_by_definition),
    };

    return cmocka_run_group_tests(tests, random_setup, NULL);
}
