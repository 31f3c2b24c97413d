/* The kernels of the mask. */
#include "kernels/dispatch.h"
#include "kernels/map.h"
#include "support/numbers.h"

#include <float.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

/* ---- Averages ------------------------------------------------------------------------------- */

static double counted(double value, VbpAverage kind)
{
    return kind == VBP_AVERAGE_POSITIVE ? fmax(value, 0)
           : kind == VBP_AVERAGE_MEAN   ? value
                                        : fabs(value);
}

static void averages_of_both_layouts(void **state)
{
    (void)state;
    for (size_t channels = 1; channels <= 40; channels += channels < 5 ? 1 : 7) {
        for (size_t cells = 1; cells <= 70; cells += cells < 18 ? 1 : 13) {
            float *data = guarded_random(channels * cells, -2, 2);
            float *average = guarded_floats(cells);

            for (int kind = VBP_AVERAGE_POSITIVE; kind <= VBP_AVERAGE_ABSOLUTE; kind++) {
                for (int last = 0; last < 2; last++) {
                    size_t channel_stride = last ? 1 : cells, cell_stride = last ? channels : 1;

                    map_average(data, channels, cells, channel_stride, cell_stride,
                                (VbpAverage)kind, average);
                    for (size_t i = 0; i < cells; i++) {
                        double sum = 0;

                        for (size_t c = 0; c < channels; c++)
                            sum += counted((double)data[c * channel_stride + i * cell_stride],
                                           (VbpAverage)kind);
                        check_close((double)average[i], sum / (double)channels,
                                    sum_bound(channels, 2), "average");
                    }
                }
            }
            guarded_free(data);
            guarded_free(average);
        }
    }
}

static void nan_stays_in_averages(void **state)
{
    const float data[4] = {1, -2, NAN, 3};
    float average[2];

    (void)state;
    for (int kind = VBP_AVERAGE_POSITIVE; kind <= VBP_AVERAGE_ABSOLUTE; kind++) {
        map_average(data, 2, 2, 2, 1, (VbpAverage)kind, average);
        assert_true(isnan(average[0]));
        assert_true(isfinite(average[1]));
    }
}

/* ---- Scaling up ----------------------------------------------------------------------------- */

/* The cell of the map whose window touches `position` with the kernel's cell k; -1: none. */
static int toucher(const struct map_scale_up *s, int axis, int position, int k)
{
    const struct window *window = &s->window;
    bool holes = window->kernel[axis] < window->stride[axis];
    int at = position + window->pad_begin[axis] - k * (holes ? 1 : window->dilation[axis]);
    int cells = axis == 0 ? s->map_height : s->map_width;

    if (at < 0 || at % window->stride[axis] != 0 || at / window->stride[axis] >= cells)
        return -1;
    return at / window->stride[axis];
}

/* Windows that touch a cell, and the sum of their map cells: by definition, in two dimensions. */
static double touch(const struct map_scale_up *s, const float *map, int y, int x, int *windows)
{
    const struct window *window = &s->window;
    int kernel[2];
    double sum = 0;

    *windows = 0;
    for (int axis = 0; axis < 2; axis++)
        kernel[axis] = window->kernel[axis] < window->stride[axis] ? window->stride[axis]
                                                                   : window->kernel[axis];
    for (int ky = 0; ky < kernel[0]; ky++) {
        for (int kx = 0; kx < kernel[1]; kx++) {
            int j = toucher(s, 0, y, ky), i = toucher(s, 1, x, kx);

            if (j < 0 || i < 0)
                continue;
            ++*windows;
            sum += (double)map[j * s->map_width + i];
        }
    }
    return sum;
}

static void check_scale_up(const struct map_rows *kernels, const struct map_scale_up *s)
{
    size_t cells = (size_t)s->output_height * (size_t)s->output_width;
    float *map = guarded_random((size_t)s->map_height * (size_t)s->map_width, 0, 1);
    float *output = guarded_floats(cells), *even = guarded_floats(cells);
    float *scratch = guarded_floats(map_scale_up_scratch(s));
    float *rows = guarded_floats((size_t)s->output_height);
    float *columns = guarded_floats((size_t)s->output_width);
    float *average = guarded_random(cells, -1, 1), *product = guarded_floats(cells);
    struct map_scale_up evened = *s, multiplied = *s;
    struct map_range range, found = {INFINITY, -INFINITY};

    map_scale_up_run(kernels, s, map, output, scratch);
    map_scale_up_counts(s, 0, rows);
    map_scale_up_counts(s, 1, columns);
    evened.even_rows = rows;
    evened.even_columns = columns;
    map_scale_up_run(kernels, &evened, map, even, scratch);
    multiplied.average = average;
    range = map_scale_up_run(kernels, &multiplied, map, product, scratch);
    for (int y = 0; y < s->output_height; y++) {
        for (int x = 0; x < s->output_width; x++) {
            int windows;
            double want = touch(s, map, y, x, &windows);
            double bound = sum_bound((size_t)windows, 1);
            int cell = y * s->output_width + x;

            check_close((double)output[cell], want, windows ? bound : 0, "scaled up");
            check_close((double)even[cell], windows ? want / windows : 0, windows ? 1e-6 : 0,
                        "divided evenly");
            check_close((double)product[cell], (double)(output[cell] * average[cell]), 0,
                        "product");
            found.least = fminf(found.least, product[cell]);
            found.most = fmaxf(found.most, product[cell]);
        }
    }
    check_close((double)range.least, (double)found.least, 0, "least product");
    check_close((double)range.most, (double)found.most, 0, "largest product");
    average[cells / 2] = NAN;
    range = map_scale_up_run(kernels, &multiplied, map, product, scratch);
    assert_true(isnan(range.least) && isnan(range.most));
    guarded_free(average);
    guarded_free(product);
    guarded_free(map);
    guarded_free(output);
    guarded_free(even);
    guarded_free(scratch);
    guarded_free(rows);
    guarded_free(columns);
}

static void check_levels_agree(const struct map_scale_up *s)
{
    size_t cells = (size_t)s->output_height * (size_t)s->output_width;
    float *map = guarded_random((size_t)s->map_height * (size_t)s->map_width, -1, 1);
    float *average = guarded_random(cells, 0, 1);
    float *scratch = guarded_floats(map_scale_up_scratch(s));
    float *first = guarded_floats(cells), *output = guarded_floats(cells);
    struct map_scale_up multiplied = *s;

    multiplied.average = average;
    map_scale_up_run(kernels_list(0)->map_rows, &multiplied, map, first, scratch);
    for (size_t k = 1; kernels_list(k); k++) {
        map_scale_up_run(kernels_list(k)->map_rows, &multiplied, map, output, scratch);
        for (size_t i = 0; i < cells; i++)
            check_close((double)output[i], (double)first[i], 0, "other kernels");
    }
    guarded_free(map);
    guarded_free(average);
    guarded_free(scratch);
    guarded_free(first);
    guarded_free(output);
}

/* Both steps at once give the very same as one after the other. */
static void check_twice(const struct map_rows *kernels, struct map_scale_up first,
                        struct map_scale_up second)
{
    size_t middle_cells = (size_t)first.output_height * (size_t)first.output_width;
    size_t cells = (size_t)second.output_height * (size_t)second.output_width;
    float *map = guarded_random((size_t)first.map_height * (size_t)first.map_width, -1, 1);
    float *average = guarded_random(middle_cells, 0, 1), *middle = guarded_floats(middle_cells);
    float *want = guarded_floats(cells), *got = guarded_floats(cells);
    float *scratch = guarded_floats(map_scale_up_twice_scratch(&first, &second));
    struct map_range range[2], alone[2];

    first.average = average;
    alone[0] = map_scale_up_run(kernels, &first, map, middle, scratch);
    alone[1] = map_scale_up_run(kernels, &second, middle, want, scratch);
    map_scale_up_twice(kernels, &first, &second, map, got, scratch, range);
    for (size_t i = 0; i < cells; i++)
        check_close((double)got[i], (double)want[i], 0, "both at once");
    for (int i = 0; i < 2; i++) {
        check_close((double)range[i].least, (double)alone[i].least, 0, "least of both");
        check_close((double)range[i].most, (double)alone[i].most, 0, "largest of both");
    }
    average[random_between(0, (int)middle_cells - 1)] = NAN;
    map_scale_up_twice(kernels, &first, &second, map, got, scratch, range);
    assert_true(isnan(range[0].least));
    guarded_free(map);
    guarded_free(average);
    guarded_free(middle);
    guarded_free(want);
    guarded_free(got);
    guarded_free(scratch);
}

/* A window that slides over a picture of this size, and what it slides to; false: does not fit. */
static bool random_scale_up(int height, int width, struct map_scale_up *s)
{
    int size[2] = {height, width}, map[2];

    *s = (struct map_scale_up){.output_height = height, .output_width = width};
    for (int axis = 0; axis < 2; axis++) {
        int room;

        s->window.kernel[axis] = random_between(1, 8);
        s->window.stride[axis] = random_between(1, 4);
        s->window.dilation[axis] = random_between(1, 3);
        s->window.pad_begin[axis] = random_between(0, 4);
        s->window.pad_end[axis] = random_between(0, 4);
        room = size[axis] + s->window.pad_begin[axis] + s->window.pad_end[axis] -
               (int)window_span(&s->window, axis);
        if (room < 0)
            return false;
        map[axis] = room / s->window.stride[axis] + 1 + random_between(0, 1); /* rounded up */
    }
    s->map_height = map[0];
    s->map_width = map[1];
    return true;
}

static void two_at_once(void **state)
{
    int cases = 0;

    (void)state;
    for (int i = 0; i < 2000; i++) {
        struct map_scale_up first, second;

        if (!random_scale_up(random_between(1, 24), random_between(1, 70), &second) ||
            !random_scale_up(second.map_height, second.map_width, &first))
            continue;
        for (size_t k = 0; kernels_list(k); k++, cases++)
            check_twice(kernels_list(k)->map_rows, first, second);
    }
    assert_true(cases > 300);
}

static void scaling_up_is_as_defined(void **state)
{
    int cases = 0;

    (void)state;
    for (int i = 0; i < 1500; i++) {
        struct map_scale_up s;

        if (!random_scale_up(random_between(1, 14), random_between(1, 70), &s))
            continue;
        for (size_t k = 0; kernels_list(k); k++) {
            check_scale_up(kernels_list(k)->map_rows, &s);
            cases++;
        }
    }
    assert_true(cases > 300);
}

/* Square windows of steering networks, of which most have loops of their own: around the edges of
 * their vectors. Each level of kernels gives the very same. */
static void windows_of_steering_networks(void **state)
{
    static const int windows[][2] = {{1, 1}, {2, 1}, {3, 1}, {5, 1}, {2, 2}, {3, 2},
                                     {4, 2}, {5, 2}, {7, 2}, {8, 4}, {11, 4}};

    (void)state;
    for (size_t w = 0; w < sizeof(windows) / sizeof(windows[0]); w++) {
        int kernel = windows[w][0], stride = windows[w][1];

        for (int width = kernel; width < 150; width += width % 16 < 2 || width % 16 > 13 ? 1 : 4) {
            int pad = random_between(0, 1) * random_between(0, kernel + 2);
            int room = width + 2 * pad - kernel;
            struct map_scale_up s = {
                .window = {{kernel, kernel}, {stride, stride}, {1, 1}, {pad, pad}, {pad, pad}},
                .map_height = (kernel + 2 + 2 * pad - kernel) / stride + 1,
                .map_width = room / stride + 1,
                .output_height = kernel + 2,
                .output_width = width};

            for (size_t k = 0; kernels_list(k); k++)
                check_scale_up(kernels_list(k)->map_rows, &s);
            check_levels_agree(&s);
        }
    }
}

/* A strided 1x1 is spread over its stride; the row and the column behind it are touched by none. */
static void strided_pointwise_leaves_no_holes(void **state)
{
    const struct map_scale_up s = {.window = {{1, 1}, {2, 3}, {1, 1}, {0, 0}, {0, 0}},
                                   .map_height = 2,
                                   .map_width = 2,
                                   .output_height = 5,
                                   .output_width = 7};
    const float map[4] = {1, 2, 3, 4};
    const float want[35] = {1, 1, 1, 2, 2, 2, 0, 1, 1, 1, 2, 2, 2, 0, 3, 3, 3, 4,
                            4, 4, 0, 3, 3, 3, 4, 4, 4, 0, 0, 0, 0, 0, 0, 0, 0};
    float output[35], *scratch = guarded_floats(map_scale_up_scratch(&s));

    (void)state;
    for (size_t k = 0; kernels_list(k); k++) {
        map_scale_up_run(kernels_list(k)->map_rows, &s, map, output, scratch);
        for (int i = 0; i < 35; i++)
            check_close((double)output[i], (double)want[i], 0, "cell");
    }
    guarded_free(scratch);
}

/* ---- Products and ranges -------------------------------------------------------------------- */

static void products(void **state)
{
    (void)state;
    for (size_t cells = 1; cells < 40; cells++) {
        float *a = guarded_random(cells, -2, 2), *b = guarded_random(cells, -2, 2);
        float *c = guarded_floats(cells), *d = guarded_floats(cells);
        float largest = 0;
        int exponent;

        for (size_t i = 0; i < cells; i++) {
            c[i] = d[i] = a[i];
            largest = fmaxf(largest, fabsf(a[i] * b[i]));
        }
        check_close((double)map_multiply(c, b, cells), (double)largest, 0, "largest product");
        exponent = map_multiply_scaled(d, b, cells);
        for (size_t i = 0; i < cells; i++) {
            check_close((double)c[i], (double)(a[i] * b[i]), 0, "product");
            check_close((double)ldexpf(d[i], exponent), (double)c[i], 0, "product, scaled back");
        }
        guarded_free(a);
        guarded_free(b);
        guarded_free(c);
        guarded_free(d);
    }
}

static void products_beyond_floats(void **state)
{
    static const float magnitudes[] = {1e-45F, 1e-38F, 1e-20F, 1, 1e20F, FLT_MAX};

    (void)state;
    for (int i = 0; i < 6; i++) {
        for (int j = 0; j < 6; j++) {
            float a[3] = {magnitudes[i], -magnitudes[i] / 2, 0};
            const float b[3] = {magnitudes[j], magnitudes[j], magnitudes[j]};
            double want[3];
            int exponent;

            for (int k = 0; k < 3; k++)
                want[k] = (double)a[k] * (double)b[k];
            exponent = map_multiply_scaled(a, b, 3);
            assert_true(a[0] >= 1 && a[0] <= 2);
            for (int k = 0; k < 3; k++)
                check_close(ldexp((double)a[k], exponent), want[k], 1e-7 * fabs(want[k]),
                            "product");
        }
    }
}

static void products_of_nothing_and_nan(void **state)
{
    float zeros[2] = {0, 5}, wrong[2] = {NAN, 1}, huge[2] = {FLT_MAX, 1};
    const float b[2] = {7, 0}, two[2] = {2, 2};

    (void)state;
    check_close((double)map_multiply(zeros, b, 2), 0, 0, "zeros");
    assert_int_equal(map_multiply_scaled(zeros, b, 2), 0);
    check_close((double)zeros[1], 0, 0, "zero");
    assert_true(isnan(map_multiply(wrong, two, 2)));
    assert_true(isinf(map_multiply(huge, two, 2)));
}

static void ranges(void **state)
{
    (void)state;
    for (size_t cells = 1; cells < 40; cells++) {
        float *map = guarded_random(cells, -1, 1);
        float minimum, maximum, before;
        size_t place = (size_t)random_between(0, (int)cells - 1);

        map[place] = 3;
        map_range(map, cells, &minimum, &maximum);
        check_close((double)maximum, 3, 0, "largest");
        before = map[place];
        map[place] = -4;
        map_range(map, cells, &minimum, &maximum);
        check_close((double)minimum, -4, 0, "smallest");
        map[place] = NAN;
        map_range(map, cells, &minimum, &maximum);
        assert_true(isnan(minimum) && isnan(maximum));
        map[place] = before;
        guarded_free(map);
    }
}

static void normalised_maps(void **state)
{
    const float map[4] = {-1, 3, 1, 0}, constant[3] = {7, 7, 7};
    float output[4], zeros[3];

    (void)state;
    for (size_t k = 0; kernels_list(k); k++) {
        const struct map_rows *kernels = kernels_list(k)->map_rows;

        map_normalise(kernels, map, 4, -1, 3, output);
        check_close((double)output[0], 0, 0, "smallest");
        check_close((double)output[1], 1, 0, "largest");
        check_close((double)output[2], 0.5, 0, "middle");
        check_close((double)output[3], 0.25, 0, "quarter");
        map_normalise(kernels, constant, 3, 7, 7, zeros);
        for (int i = 0; i < 3; i++)
            check_close((double)zeros[i], 0, 0, "constant");
        for (size_t cells = 1; cells < 70; cells++) {
            float *long_map = guarded_random(cells, 2, 6), *normalised = guarded_floats(cells);

            map_normalise(kernels, long_map, cells, 2, 6, normalised);
            for (size_t i = 0; i < cells; i++)
                check_close((double)normalised[i], (double)((long_map[i] - 2) / 4), 0, "long");
            guarded_free(long_map);
            guarded_free(normalised);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(averages_of_both_layouts),
        cmocka_unit_test(nan_stays_in_averages),
        cmocka_unit_test(scaling_up_is_as_defined),
        cmocka_unit_test(two_at_once),
        cmocka_unit_test(windows_of_steering_networks),
        cmocka_unit_test(strided_pointwise_leaves_no_holes),
        cmocka_unit_test(products),
        cmocka_unit_test(products_beyond_floats),
        cmocka_unit_test(products_of_nothing_and_nan),
        cmocka_unit_test(ranges),
        cmocka_unit_test(normalised_maps),
    };

    return cmocka_run_group_tests(tests, random_setup, NULL);
}
