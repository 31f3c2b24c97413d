/*
 * The kernels of planes.h, at every level that the machine has, against the plain ones: lengths
 * around all edges of vectors, with buffers of NaN between guards.
 */
#include "kernels/dispatch.h"
#include "kernels/map.h"
#include "kernels/normalise.h"
#include "kernels/pool.h"
#include "support/numbers.h"

#include <float.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

/* Around one, two, four, five and eight vectors of 4, 8 and 16 floats. */
static const size_t lengths[] = {1,  2,   3,   4,   5,   7,   8,   9,   11,  12,  13,
                                 15, 16,  17,  19,  20,  21,  31,  32,  33,  39,  40,
                                 41, 47,  48,  49,  63,  64,  65,  79,  80,  81,  95,
                                 97, 111, 127, 128, 129, 143, 145, 160, 200, 255, 257};
#define LENGTHS (sizeof(lengths) / sizeof(lengths[0]))

static float *copy_of(const float *values, size_t count)
{
    float *copy = guarded_floats(count);

    memcpy(copy, values, count * sizeof(float));
    return copy;
}

/* NaN where NaN is wanted; else as close as `part` of the wanted value, or of the smallest float.
 */
static void check_value(float got, float want, double part, const char *what, const char *level,
                        size_t at)
{
    bool alike = isnan(want) ? isnan(got)
                             : got == want || fabs((double)got - (double)want) <=
                                                  part * fmax(fabs((double)want), (double)FLT_MIN);

    if (!alike)
        fail_msg("%s (%s) at %zu: %a, not %a", what, level, at, (double)got, (double)want);
}

static void check_array(const float *got, const float *want, size_t count, double part,
                        const char *what, const char *level)
{
    for (size_t i = 0; i < count; i++)
        check_value(got[i], want[i], part, what, level, i);
}

static bool all_finite(const float *values, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (!isfinite(values[i]))
            return false;
    }
    return true;
}

/* ---- Activations ---------------------------------------------------------------------------- */

static void check_activation(const struct kernels *kernels, enum activation function, float alpha,
                             float beta, const float *input, size_t count)
{
    /* Both are within a few units in the last place of the exact value. */
    const double part = 8 * (double)FLT_EPSILON;
    float *want = guarded_floats(count), *got = guarded_floats(count);
    float *in_place = copy_of(input, count);
    char what[40];
    bool finite;

    snprintf(what, sizeof(what), "activation %d", (int)function);
    activation_run(function, alpha, beta, input, want, count);
    finite = kernels->planes->activate(function, alpha, beta, input, got, count);
    check_array(got, want, count, part, what, kernels->name);
    assert_int_equal(finite, all_finite(want, count));
    assert_int_equal(finite,
                     kernels->planes->activate(function, alpha, beta, in_place, in_place, count));
    assert_memory_equal(in_place, got, count * sizeof(float));
    guarded_free(want);
    guarded_free(got);
    guarded_free(in_place);
}

static void activations(void **state)
{
    static const float limits[][2] = {{0, 6}, {-1, 1}, {0.3F, 1.7F}, {2, -2}, {1, INFINITY}};
    static const float corners[] = {NAN,   INFINITY, -INFINITY, 0,     -0.0F,  1,    -1,
                                    88.5F, -88.5F,   89,        -89,   -104,   105,  FLT_MAX,
                                    6,     -FLT_MAX, FLT_MIN,   1e-8F, -1e-8F, 0.3F, -0.3F};
    int cases = 0;

    (void)state;
    for (size_t level = 0; kernels_list(level); level++) {
        for (int f = 0; f < ACTIVATION_COUNT; f++) {
            for (size_t l = 0; l < 5 * LENGTHS; l++, cases++) {
                size_t count = lengths[l % LENGTHS];
                const float *limit = limits[l / LENGTHS];
                float *input = guarded_random(count, -10, 10);

                /* Most of them without what makes results infinite. */
                if (random_chance(0.5)) {
                    for (size_t i = 0; i < count; i++) {
                        if (random_chance(0.1))
                            input[i] = corners[random_between(0, 20)];
                    }
                }
                check_activation(kernels_list(level), (enum activation)f, limit[0], limit[1], input,
                                 count);
                guarded_free(input);
            }
        }
    }
    assert_true(cases > 1000);
}

static float largest_of(const float *values, size_t count)
{
    float largest = 0;

    for (size_t i = 0; i < count; i++)
        largest = fmaxf(largest, fabsf(values[i]));
    return largest;
}

static void finite_values(void **state)
{
    static const float wrong[] = {NAN, INFINITY, -INFINITY};
    int cases = 0;

    (void)state;
    for (size_t level = 0; kernels_list(level); level++) {
        for (size_t l = 0; l < LENGTHS; l++) {
            float *values = guarded_random(lengths[l], -1, 1);

            for (size_t i = 0; i < lengths[l]; i++)
                values[i] *= FLT_MAX;
            assert_true(kernels_list(level)->planes->finite(values, lengths[l]));
            assert_true(kernels_list(level)->planes->largest(values, lengths[l]) ==
                        largest_of(values, lengths[l]));
            for (size_t i = 0; i < lengths[l]; i++, cases++) {
                float before = values[i];

                values[i] = wrong[cases % 3];
                assert_false(kernels_list(level)->planes->finite(values, lengths[l]));
                assert_true(isnan(kernels_list(level)->planes->largest(values, lengths[l])));
                values[i] = cases % 2 ? FLT_MAX : -FLT_MAX;
                assert_true(kernels_list(level)->planes->largest(values, lengths[l]) == FLT_MAX);
                values[i] = before;
            }
            guarded_free(values);
        }
        assert_true(kernels_list(level)->planes->finite(NULL, 0));
        assert_true(kernels_list(level)->planes->largest(NULL, 0) == 0);
    }
    assert_true(cases > 1000);
}

/* ---- Arithmetic ----------------------------------------------------------------------------- */

static struct planes_shape random_shape(size_t turn)
{
    size_t length = lengths[turn % LENGTHS];
    struct planes_shape shape = {(size_t)random_between(1, 4), (size_t)random_between(1, 20),
                                 length};

    if (turn % 5 == 1)
        shape = (struct planes_shape){(size_t)random_between(1, 70), length, 1};
    else if (turn % 5 == 2)
        shape = (struct planes_shape){1, 1, length};
    else if (turn % 5 == 3)
        shape =
            (struct planes_shape){(size_t)random_between(32, 90), (size_t)random_between(1, 9), 1};
    return shape;
}

static size_t channel_at(struct planes_shape shape, size_t i)
{
    return i / shape.inner % shape.channels;
}

/* Now and then something that is not finite; so that half of all arrays have none. */
static void spoil(float *values, size_t count)
{
    static const float wrong[] = {NAN, INFINITY, -INFINITY, 0};

    if (random_chance(0.5))
        values[random_between(0, (int)count - 1)] = wrong[random_between(0, 3)];
}

static void check_affine(const struct kernels *kernels, struct planes_shape shape, bool cut)
{
    size_t count = shape.outer * shape.channels * shape.inner;
    float least = cut ? -0.5F : -INFINITY, most = cut ? 0.75F : INFINITY;
    float *input = guarded_random(count, -1, 1), *output = guarded_floats(count);
    float *factor = guarded_random(shape.channels, -1, 1), *in_place;
    float *offset = guarded_random(shape.channels, -1, 1);
    bool finite, want_finite = true;

    spoil(input, count);
    in_place = copy_of(input, count);
    finite = kernels->planes->affine(shape, factor, offset, least, most, input, output);
    for (size_t i = 0; i < count; i++) {
        size_t c = channel_at(shape, i);
        double want = (double)input[i] * (double)factor[c] + (double)offset[c];

        want_finite = want_finite && isfinite(want);
        if (isnan(want) || isinf(want)) {
            check_value(output[i], isnan(want) ? NAN : fminf(fmaxf((float)want, least), most), 0,
                        "affine", kernels->name, i);
            continue;
        }
        check_close((double)output[i], fmin(fmax(want, (double)least), (double)most),
                    sum_bound(2, 1), "affine");
    }
    assert_int_equal(finite, want_finite);
    kernels->planes->affine(shape, factor, offset, least, most, in_place, in_place);
    check_array(in_place, output, count, 0, "affine in place", kernels->name);
    guarded_free(input);
    guarded_free(output);
    guarded_free(in_place);
    guarded_free(factor);
    guarded_free(offset);
}

static void affine(void **state)
{
    int cases = 0;

    (void)state;
    for (size_t level = 0; kernels_list(level); level++) {
        for (size_t turn = 0; turn < 10 * LENGTHS; turn++, cases++)
            check_affine(kernels_list(level), random_shape(turn), turn % 2);
    }
    assert_true(cases > 400);
}

/* The reference's strides for the same. */
static void reference_channels(enum binary operation, bool reversed, struct planes_shape shape,
                               const float *a, const float *b, float *output)
{
    const int64_t extent[3] = {(int64_t)shape.outer, (int64_t)shape.channels, (int64_t)shape.inner};
    const int64_t dense[3] = {extent[1] * extent[2], extent[2], 1}, channel[3] = {0, 1, 0};

    if (reversed)
        binary_run(operation, 3, extent, b, channel, a, dense, output);
    else
        binary_run(operation, 3, extent, a, dense, b, channel, output);
}

static void check_channels(const struct kernels *kernels, enum binary operation, bool reversed,
                           struct planes_shape shape)
{
    size_t count = shape.outer * shape.channels * shape.inner;
    float *a = guarded_random(count, -1, 1), *b = guarded_random(shape.channels, -1, 1);
    float *output = guarded_floats(count), *want = guarded_floats(count), *in_place;
    bool finite;
    char what[60];

    spoil(a, count);
    spoil(b, shape.channels);
    in_place = copy_of(a, count);
    snprintf(what, sizeof(what), "operation %d%s, %zux%zux%zu", (int)operation,
             reversed ? " reversed" : "", shape.outer, shape.channels, shape.inner);
    reference_channels(operation, reversed, shape, a, b, want);
    finite = kernels->planes->binary_channels(operation, reversed, shape, a, b, output);
    check_array(output, want, count, 0, what, kernels->name);
    assert_int_equal(finite, all_finite(want, count));
    kernels->planes->binary_channels(operation, reversed, shape, in_place, b, in_place);
    check_array(in_place, want, count, 0, what, kernels->name);
    guarded_free(a);
    guarded_free(b);
    guarded_free(output);
    guarded_free(want);
    guarded_free(in_place);
}

static void check_same(const struct kernels *kernels, enum binary operation, size_t count)
{
    const int64_t extent = (int64_t)count, stride = 1;
    float *a = guarded_random(count, -1, 1), *b = guarded_random(count, -1, 1);
    float *output = guarded_floats(count), *want = guarded_floats(count);
    bool finite;

    spoil(a, count);
    spoil(b, count);
    binary_run(operation, 1, &extent, a, &stride, b, &stride, want);
    finite = kernels->planes->binary(operation, a, b, count, output);
    check_array(output, want, count, 0, "both", kernels->name);
    assert_int_equal(finite, all_finite(want, count));
    if (random_chance(0.5)) {
        kernels->planes->binary(operation, a, b, count, a);
        check_array(a, want, count, 0, "in the first", kernels->name);
    } else {
        kernels->planes->binary(operation, a, b, count, b);
        check_array(b, want, count, 0, "in the second", kernels->name);
    }
    guarded_free(a);
    guarded_free(b);
    guarded_free(output);
    guarded_free(want);
}

static void arithmetic(void **state)
{
    int cases = 0;

    (void)state;
    for (size_t level = 0; kernels_list(level); level++) {
        for (int operation = BINARY_ADD; operation <= BINARY_PRELU; operation++) {
            for (size_t turn = 0; turn < 5 * LENGTHS; turn++, cases++) {
                check_channels(kernels_list(level), (enum binary)operation, false,
                               random_shape(turn));
                if (operation != BINARY_PRELU)
                    check_channels(kernels_list(level), (enum binary)operation, true,
                                   random_shape(turn));
                check_same(kernels_list(level), (enum binary)operation, lengths[turn % LENGTHS]);
            }
        }
    }
    assert_true(cases > 1000);
}

/* ---- Pooling -------------------------------------------------------------------------------- */

/* Fits the outputs; false where there are none. All windows hold a cell of the input. */
static bool fit(struct window_sizes *sizes, struct window *window, bool ceiling)
{
    int size[2] = {sizes->input_height, sizes->input_width}, outputs[2];

    for (int axis = 0; axis < 2; axis++) {
        int span = (int)window_span(window, axis), room;

        window->pad_begin[axis] =
            window->dilation[axis] > size[axis] ? 0 : window->pad_begin[axis] % span;
        window->pad_end[axis] %= span;
        room = size[axis] + window->pad_begin[axis] + window->pad_end[axis] - span;
        if (room < 0)
            return false;
        outputs[axis] = room / window->stride[axis] + 1;
        if (ceiling &&
            outputs[axis] * window->stride[axis] < size[axis] + window->pad_begin[axis] &&
            room % window->stride[axis])
            outputs[axis]++;
    }
    sizes->output_channels = sizes->input_channels;
    sizes->output_height = outputs[0];
    sizes->output_width = outputs[1];
    return true;
}

static void check_pools(const struct kernels *kernels, const struct window_sizes *sizes,
                        const struct window *window)
{
    size_t inputs =
        (size_t)sizes->input_channels * (size_t)sizes->input_height * (size_t)sizes->input_width;
    size_t outputs =
        (size_t)sizes->input_channels * (size_t)sizes->output_height * (size_t)sizes->output_width;
    /* Rows, then columns, then two factors; in mean magnitudes. */
    double bound = sum_bound((size_t)window->kernel[0] + (size_t)window->kernel[1] + 2, 1);
    float *input = guarded_random(inputs, -1, 1), *want = guarded_floats(outputs);
    float *got = guarded_floats(outputs);
    char what[160];

    snprintf(what, sizeof(what),
             "%dx%d to %dx%d, kernel %dx%d stride %d,%d dilation %d,%d pad %d,%d",
             sizes->input_height, sizes->input_width, sizes->output_height, sizes->output_width,
             window->kernel[0], window->kernel[1], window->stride[0], window->stride[1],
             window->dilation[0], window->dilation[1], window->pad_begin[0], window->pad_begin[1]);
    for (int padded = 0; padded < 2; padded++) {
        average_pool_run(sizes, window, padded, input, want);
        memset(got, 0xff, outputs * sizeof(float));
        kernels->planes->average_pool(sizes, window, padded, input, got);
        for (size_t i = 0; i < outputs; i++)
            check_close((double)got[i], (double)want[i], bound, what);
    }
    spoil(input, inputs);
    max_pool_run(sizes, window, input, want);
    kernels->planes->max_pool(sizes, window, input, got);
    check_array(got, want, outputs, 0, what, kernels->name);
    guarded_free(input);
    guarded_free(want);
    guarded_free(got);
}

static void pools(void **state)
{
    int cases = 0;

    (void)state;
    for (size_t level = 0; kernels_list(level); level++) {
        for (int turn = 0; turn < 1500; turn++) {
            struct window_sizes sizes = {random_between(1, 4),
                                         random_between(1, 9),
                                         (int)lengths[turn % (int)LENGTHS],
                                         0,
                                         0,
                                         0};
            struct window window;

            for (int axis = 0; axis < 2; axis++) {
                window.kernel[axis] = random_between(1, 7);
                window.stride[axis] = random_between(1, 6);
                window.dilation[axis] = random_chance(0.2) ? random_between(2, 3) : 1;
                window.pad_begin[axis] = random_chance(0.5) ? random_between(0, 6) : 0;
                window.pad_end[axis] = random_chance(0.5) ? random_between(0, 6) : 0;
            }
            if (!fit(&sizes, &window, random_chance(0.5)))
                continue;
            check_pools(kernels_list(level), &sizes, &window);
            cases++;
        }
    }
    assert_true(cases > 500);
}

/* Rows that take several lines, and windows for which a line is too short. */
static void wide_pools(void **state)
{
    static const int widths[] = {1700, 2047, 2048, 2049, 4100};
    static const int kernels_and_strides[][2] = {{3, 1},   {2, 2},    {3, 3},       {5, 4},
                                                 {7, 5},   {40, 7},   {1, 9},       {300, 200},
                                                 {900, 1}, {1500, 3}, {1690, 1690}, {1, 1690}};
    int cases = 0;

    (void)state;
    for (size_t level = 0; kernels_list(level); level++) {
        for (size_t w = 0; w < sizeof(widths) / sizeof(widths[0]); w++) {
            for (size_t k = 0; k < sizeof(kernels_and_strides) / sizeof(kernels_and_strides[0]);
                 k++, cases++) {
                struct window_sizes sizes = {1, 2, widths[w], 0, 0, 0};
                struct window window = {{2, kernels_and_strides[k][0]},
                                        {1, kernels_and_strides[k][1]},
                                        {1, 1},
                                        {0, random_between(0, 3)},
                                        {0, random_between(0, 3)}};

                assert_true(fit(&sizes, &window, random_chance(0.5)));
                check_pools(kernels_list(level), &sizes, &window);
            }
        }
    }
    assert_true(cases > 50);
}

static void global_averages(void **state)
{
    int cases = 0;

    (void)state;
    for (size_t level = 0; kernels_list(level); level++) {
        for (size_t l = 0; l < LENGTHS + 2; l++, cases++) {
            size_t plane = l < LENGTHS ? lengths[l] : 100000 + l;
            float *input = guarded_random(3 * plane, 0.5F, 1), *want = guarded_floats(3);
            float *got = guarded_floats(3);

            for (size_t i = plane; i < 2 * plane; i++)
                input[i] -= 0.75F;
            global_average_pool_run(input, 3, plane, want);
            kernels_list(level)->planes->global_average(input, 3, plane, got);
            check_close((double)got[0], (double)want[0], 1e-6 * (double)want[0], "global");
            check_close((double)got[1], (double)want[1], 0.25e-6, "global of both signs");
            check_close((double)got[2], (double)want[2], 1e-6 * (double)want[2], "global");
            input[plane - 1] = l % 2 ? NAN : INFINITY;
            kernels_list(level)->planes->global_average(input, 3, plane, got);
            assert_false(isfinite(got[0]));
            assert_true(isfinite(got[1]) && isfinite(got[2]));
            guarded_free(input);
            guarded_free(want);
            guarded_free(got);
        }
    }
    assert_true(cases > 40);
}

static void check_normalise(const struct kernels *kernels, struct planes_shape shape, float centre,
                            bool spoiled)
{
    size_t count = shape.outer * shape.channels * shape.inner;
    float *input = guarded_random(count, centre - 1, centre + 1);
    float *scale = guarded_random(shape.channels, 0.5F, 2);
    float *shift = guarded_random(shape.channels, -1, 1);
    float *want = guarded_floats(count), *got = guarded_floats(count);
    bool finite;

    for (size_t i = 0; i < count; i++) {
        if (channel_at(shape, i) == 0)
            input[i] = centre; /* no variance at all */
    }
    if (spoiled)
        spoil(input, count);
    instance_normalise_run(input, shape.outer, shape.channels, shape.inner, 1e-3, scale, shift,
                           want);
    finite = kernels->planes->normalise(shape, 1e-3, scale, shift, input, got);
    for (size_t i = 0; i < count; i++) {
        if (isfinite(want[i]))
            /* A factor of up to 2 / sqrt(1e-3) on the rounding of the mean. */
            check_close((double)got[i], (double)want[i],
                        64 * 4 * (double)FLT_EPSILON * fmax(1, fabs((double)want[i])),
                        "normalised");
        else
            assert_false(isfinite(got[i]));
    }
    assert_int_equal(finite, all_finite(want, count));
    kernels->planes->normalise(shape, 1e-3, scale, shift, input, input);
    check_array(input, got, count, 0, "normalised in place", kernels->name);
    guarded_free(input);
    guarded_free(scale);
    guarded_free(shift);
    guarded_free(want);
    guarded_free(got);
}

static void normalising(void **state)
{
    static const float centres[] = {0, 1, -3, 100};
    int cases = 0;

    (void)state;
    for (size_t level = 0; kernels_list(level); level++) {
        for (size_t turn = 0; turn < 4 * LENGTHS; turn++, cases++)
            check_normalise(kernels_list(level), random_shape(turn), centres[turn / LENGTHS],
                            random_chance(0.5));
    }
    assert_true(cases > 100);
}

/* ---- Layout --------------------------------------------------------------------------------- */

static void transposes(void **state)
{
    int cases = 0;

    (void)state;
    for (size_t level = 0; kernels_list(level); level++) {
        for (size_t turn = 0; turn < 20 * LENGTHS; turn++, cases++) {
            size_t rows = lengths[turn % LENGTHS], columns = turn / LENGTHS + 1;
            float *input, *output;

            if (turn % 2) {
                size_t swapped = rows;

                rows = columns;
                columns = swapped;
            }
            input = guarded_random(rows * columns, -1, 1);
            output = guarded_floats(rows * columns);
            kernels_list(level)->planes->transpose(input, rows, columns, output);
            for (size_t i = 0; i < rows * columns; i++)
                assert_true(output[i] == input[i % rows * columns + i / rows]);
            guarded_free(input);
            guarded_free(output);
        }
    }
    assert_true(cases > 500);
}

static void channel_averages(void **state)
{
    int cases = 0;

    (void)state;
    for (size_t level = 0; kernels_list(level); level++) {
        for (size_t turn = 0; turn < 9 * LENGTHS; turn++, cases++) {
            VbpAverage kind = (VbpAverage)(turn % 3);
            size_t cells = lengths[turn % LENGTHS], channels = (size_t)random_between(1, 70);
            size_t gap = (size_t)random_between(0, 3);
            size_t channel_stride = turn % 2 ? 1 : cells + gap;
            size_t cell_stride = turn % 2 ? channels + gap : 1;
            size_t count = (channels - 1) * channel_stride + (cells - 1) * cell_stride + 1;
            float *data = guarded_random(count, -1, 1), *want = guarded_floats(cells);
            float *got = guarded_floats(cells);

            map_average(data, channels, cells, channel_stride, cell_stride, kind, want);
            kernels_list(level)->planes->average(data, channels, cells, channel_stride, cell_stride,
                                                 kind, got);
            for (size_t i = 0; i < cells; i++)
                check_close((double)got[i], (double)want[i],
                            2 * sum_bound(channels, 1) / (double)channels + 1e-7, "average");
            guarded_free(data);
            guarded_free(want);
            guarded_free(got);
        }
    }
    assert_true(cases > 300);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(activations),
        cmocka_unit_test(finite_values),
        cmocka_unit_test(affine),
        cmocka_unit_test(arithmetic),
        cmocka_unit_test(pools),
        cmocka_unit_test(wide_pools),
        cmocka_unit_test(global_averages),
        cmocka_unit_test(transposes),
        cmocka_unit_test(channel_averages),
        cmocka_unit_test(normalising),
    };

    return cmocka_run_group_tests(tests, random_setup, NULL);
}
