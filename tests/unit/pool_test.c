/* Pooling against its plain definition. */
#include "kernels/pool.h"
#include "support/numbers.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

struct geometry {
    struct window_sizes sizes;
    struct window window;
};

/* A window that holds a cell of the input wherever it stands, as shape inference demands. */
static bool random_geometry(struct geometry *geometry, bool ceiling)
{
    int size[2] = {random_between(1, 12), random_between(1, 19)}, outputs[2];
    int channels = random_between(1, 4);
    struct window *window = &geometry->window;

    for (int axis = 0; axis < 2; axis++) {
        int span, room;

        window->kernel[axis] = random_between(1, 6);
        window->stride[axis] = random_between(1, 4);
        window->dilation[axis] = random_between(1, 3);
        span = (int)window_span(window, axis);
        window->pad_begin[axis] =
            window->dilation[axis] > size[axis] ? 0 : random_between(0, span - 1);
        window->pad_end[axis] = random_between(0, span - 1);
        room = size[axis] + window->pad_begin[axis] + window->pad_end[axis] - span;
        if (room < 0)
            return false;
        outputs[axis] = room / window->stride[axis] + 1;
        if (ceiling &&
            outputs[axis] * window->stride[axis] < size[axis] + window->pad_begin[axis] &&
            room % window->stride[axis])
            outputs[axis]++;
    }
    geometry->sizes =
        (struct window_sizes){channels, size[0], size[1], channels, outputs[0], outputs[1]};
    return true;
}

struct pooled {
    double largest, sum;
    int inside, padded;
};

static struct pooled pool_window(const struct geometry *geometry, const float *plane, int y, int x)
{
    const struct window *window = &geometry->window;
    const struct window_sizes *sizes = &geometry->sizes;
    struct pooled pooled = {.largest = -INFINITY};

    for (int ky = 0; ky < window->kernel[0]; ky++) {
        for (int kx = 0; kx < window->kernel[1]; kx++) {
            int iy = y * window->stride[0] - window->pad_begin[0] + ky * window->dilation[0];
            int ix = x * window->stride[1] - window->pad_begin[1] + kx * window->dilation[1];

            pooled.padded += iy < sizes->input_height + window->pad_end[0] &&
                             ix < sizes->input_width + window->pad_end[1];
            if (iy < 0 || iy >= sizes->input_height || ix < 0 || ix >= sizes->input_width)
                continue;
            pooled.inside++;
            pooled.largest = fmax(pooled.largest, (double)plane[iy * sizes->input_width + ix]);
            pooled.sum += (double)plane[iy * sizes->input_width + ix];
        }
    }
    return pooled;
}

static void check_pools(const struct geometry *geometry)
{
    const struct window_sizes *sizes = &geometry->sizes;
    size_t in_plane = (size_t)sizes->input_height * (size_t)sizes->input_width;
    size_t out_plane = (size_t)sizes->output_height * (size_t)sizes->output_width;
    size_t outputs = (size_t)sizes->input_channels * out_plane;
    float *input = guarded_random((size_t)sizes->input_channels * in_plane, -1, 1);
    float *largest = guarded_floats(outputs), *inside = guarded_floats(outputs);
    float *padded = guarded_floats(outputs);

    max_pool_run(sizes, &geometry->window, input, largest);
    average_pool_run(sizes, &geometry->window, false, input, inside);
    average_pool_run(sizes, &geometry->window, true, input, padded);
    for (size_t i = 0; i < outputs; i++) {
        int cell = (int)(i % out_plane);
        struct pooled want = pool_window(geometry, input + i / out_plane * in_plane,
                                         cell / sizes->output_width, cell % sizes->output_width);

        assert_true(want.inside > 0);
        check_close((double)largest[i], want.largest, 0, "largest");
        check_close((double)inside[i], want.sum / want.inside, 1e-6, "average");
        check_close((double)padded[i], want.sum / want.padded, 1e-6, "average with padding");
    }
    guarded_free(input);
    guarded_free(largest);
    guarded_free(inside);
    guarded_free(padded);
}

static void pools_are_as_defined(void **state)
{
    int cases = 0;

    (void)state;
    for (int i = 0; i < 600; i++) {
        struct geometry geometry;

        if (!random_geometry(&geometry, i % 2))
            continue;
        check_pools(&geometry);
        cases++;
    }
    assert_true(cases > 200);
}

/* The last window of three begins at the last of five cells; PyTorch divides alike. */
static void hanging_windows_by_hand(void **state)
{
    const struct geometry geometry = {{1, 1, 5, 1, 1, 3}, {{1, 3}, {1, 2}, {1, 1}, {0, 0}, {0, 1}}};
    const float input[5] = {1, 2, 3, 4, 50};
    float output[3];

    (void)state;
    average_pool_run(&geometry.sizes, &geometry.window, true, input, output);
    check_close((double)output[0], 2, 1e-6, "first");
    check_close((double)output[1], 19, 1e-6, "second");
    check_close((double)output[2], 25, 1e-6, "of one cell and one of padding");
    average_pool_run(&geometry.sizes, &geometry.window, false, input, output);
    check_close((double)output[2], 50, 1e-6, "of one cell");
}

static void nan_wins(void **state)
{
    const struct geometry geometry = {{1, 2, 4, 1, 1, 2}, {{2, 2}, {2, 2}, {1, 1}, {0, 0}, {0, 0}}};
    float output[2];

    (void)state;
    for (int i = 0; i < 8; i++) {
        float input[8] = {1, 9, 3, 4, 5, 6, 7, 8};
        int window = i % 4 / 2;

        input[i] = NAN;
        max_pool_run(&geometry.sizes, &geometry.window, input, output);
        assert_true(isnan(output[window]));
        assert_false(isnan(output[1 - window]));
    }
}

static void global_pools(void **state)
{
    (void)state;
    for (size_t plane = 1; plane < 100; plane += 7) {
        float *input = guarded_random(3 * plane, -1, 1), *output = guarded_floats(3);

        global_average_pool_run(input, 3, plane, output);
        for (size_t c = 0; c < 3; c++) {
            double sum = 0;

            for (size_t i = 0; i < plane; i++)
                sum += (double)input[c * plane + i];
            check_close((double)output[c], sum / (double)plane, 1e-6, "global");
        }
        guarded_free(input);
        guarded_free(output);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pools_are_as_defined),
        cmocka_unit_test(hanging_windows_by_hand),
        cmocka_unit_test(nan_wins),
        cmocka_unit_test(global_pools),
    };

    return cmocka_run_group_tests(tests, random_setup, NULL);
}
