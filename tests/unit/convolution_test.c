/* Convolutions and dense layers against the same in double, over awkward geometries. */
#include "kernels/convolution.h"
#include "kernels/dense.h"
#include "support/numbers.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

/* Checks one geometry; false where the window does not fit. */
static bool check_convolution(struct convolution convolution, bool with_bias)
{
    const struct window *window = &convolution.window;
    struct window_sizes *sizes = &convolution.sizes;
    int64_t room_y =
        sizes->input_height + window->pad_begin[0] + window->pad_end[0] - window_span(window, 0);
    int64_t room_x =
        sizes->input_width + window->pad_begin[1] + window->pad_end[1] - window_span(window, 1);
    size_t length = (size_t)(sizes->input_channels / convolution.groups) *
                    (size_t)window->kernel[0] * (size_t)window->kernel[1];
    size_t plane, outputs;
    float *input, *weights, *bias, *got, *want, *scratch;
    char what[160];

    if (room_y < 0 || room_x < 0)
        return false;
    sizes->output_height = (int)room_y / window->stride[0] + 1;
    sizes->output_width = (int)room_x / window->stride[1] + 1;
    plane = (size_t)sizes->output_height * (size_t)sizes->output_width;
    outputs = (size_t)sizes->output_channels * plane;
    input = guarded_random((size_t)sizes->input_channels * (size_t)sizes->input_height *
                               (size_t)sizes->input_width,
                           -1, 1);
    weights = guarded_random((size_t)sizes->output_channels * length, -1, 1);
    bias = guarded_random((size_t)sizes->output_channels, -1, 1);
    got = guarded_floats(outputs);
    want = guarded_floats(outputs);
    scratch = guarded_floats(convolution_scratch(&convolution));
    convolution_run(&convolution, input, weights, with_bias ? bias : NULL, got, scratch);
    convolution_reference(&convolution, input, weights, with_bias ? bias : NULL, want);
    snprintf(what, sizeof(what),
             "%dx%dx%d -> %d, groups %d, kernel %dx%d stride %d,%d dilation %d,%d pad %d,%d %d,%d",
             sizes->input_channels, sizes->input_height, sizes->input_width, sizes->output_channels,
             convolution.groups, window->kernel[0], window->kernel[1], window->stride[0],
             window->stride[1], window->dilation[0], window->dilation[1], window->pad_begin[0],
             window->pad_begin[1], window->pad_end[0], window->pad_end[1]);
    for (size_t i = 0; i < outputs; i++)
        check_close((double)got[i], (double)want[i], sum_bound(length, 1), what);
    guarded_free(input);
    guarded_free(weights);
    guarded_free(bias);
    guarded_free(got);
    guarded_free(want);
    guarded_free(scratch);
    return true;
}

static struct window random_window(void)
{
    struct window window;

    for (int axis = 0; axis < 2; axis++) {
        window.kernel[axis] = random_between(1, 8);
        window.stride[axis] = random_between(1, 4);
        window.dilation[axis] = random_between(1, 3);
        window.pad_begin[axis] = random_between(0, 9);
        window.pad_end[axis] = random_between(0, 9);
    }
    return window;
}

static void random_geometries(void **state)
{
    int cases = 0;

    (void)state;
    for (int i = 0; i < 400; i++) {
        int groups = random_chance(0.3) ? random_between(2, 4) : 1;
        struct convolution convolution = {
            .sizes = {.input_channels = groups * random_between(1, 4),
                      .input_height = random_between(1, 18),
                      .input_width = random_between(1, 35),
                      .output_channels = groups * random_between(1, 9)},
            .window = random_window(),
            .groups = groups};

        cases += check_convolution(convolution, random_chance(0.5));
    }
    assert_true(cases > 100);
}

static void depthwise(void **state)
{
    (void)state;
    for (int channels = 1; channels <= 9; channels += 2) {
        for (int kernel = 1; kernel <= 5; kernel += 2) {
            struct convolution convolution = {
                .sizes = {channels, 9, 11, channels * (1 + channels % 2), 0, 0},
                .window = {{kernel, kernel}, {1, 2}, {1, 1}, {kernel / 2, 0}, {0, kernel / 2}},
                .groups = channels};

            assert_true(check_convolution(convolution, true));
        }
    }
}

/* 1x1 windows, where the input itself is the matrix, and where padding or stride forbid that. */
static void pointwise(void **state)
{
    (void)state;
    for (int i = 0; i < 16; i++) {
        struct convolution convolution = {
            .sizes = {6, 5, 7, 4, 0, 0},
            .window = {{1, 1}, {1 + (i & 1), 1}, {2, 3}, {i >> 1 & 1, 0}, {0, i >> 2 & 1}},
            .groups = i & 8 ? 2 : 1};

        assert_true(check_convolution(convolution, true));
    }
}

/* Columns of more rows than are made at a time: 64 channels * 25 * 80 columns exceed the block. */
static void tall_images_in_blocks(void **state)
{
    const int heights[] = {1, 2, 3, 7, 23};

    (void)state;
    for (int i = 0; i < 5; i++) {
        struct convolution convolution = {.sizes = {64, heights[i] + 4, 84, 3, 0, 0},
                                          .window = {{5, 5}, {1, 1}, {1, 1}, {0, 0}, {0, 0}},
                                          .groups = 1};

        assert_true(check_convolution(convolution, true));
    }
    for (int height = 60; height < 67; height++) {
        struct convolution convolution = {.sizes = {4, height, 40, 2, 0, 0},
                                          .window = {{3, 5}, {1, 1}, {1, 1}, {1, 2}, {1, 2}},
                                          .groups = 2};

        assert_true(check_convolution(convolution, false));
    }
}

/* A window with one weight of 1 copies the cell under it: geometry by hand, not by a twin. */
static void single_weights_shift(void **state)
{
    const float image[12] = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12};
    /* 3 rows of 4; kernel 2x3 with its 1 at (1, 2), stride 2, padding 1 before, 0 behind. */
    const struct convolution convolution = {.sizes = {1, 3, 4, 1, 2, 2},
                                            .window = {{2, 3}, {2, 2}, {1, 1}, {1, 1}, {0, 0}},
                                            .groups = 1};
    const float weights[6] = {0, 0, 0, 0, 0, 1}, bias[1] = {100};
    /* Output (y, x) sees cell (2y - 1 + 1, 2x - 1 + 2). */
    const float want[4] = {102, 104, 110, 112};
    float got[4], reference[4];
    float *scratch = guarded_floats(convolution_scratch(&convolution));

    (void)state;
    convolution_run(&convolution, image, weights, bias, got, scratch);
    convolution_reference(&convolution, image, weights, bias, reference);
    for (int i = 0; i < 4; i++) {
        check_close((double)got[i], (double)want[i], 0, "shifted");
        check_close((double)reference[i], (double)want[i], 0, "shifted by the reference");
    }
    guarded_free(scratch);
}

static void check_dense(int rows, int inputs, int outputs, bool with_bias)
{
    size_t in = (size_t)inputs, out = (size_t)outputs;
    float *input = guarded_random((size_t)rows * in, -1, 1);
    float *weights = guarded_random(in * out, -1, 1), *bias = guarded_random(out, -1, 1);
    float *got = guarded_floats((size_t)rows * out), *want = guarded_floats((size_t)rows * out);

    dense_run(rows, inputs, outputs, input, weights, with_bias ? bias : NULL, got);
    dense_reference(rows, inputs, outputs, input, weights, with_bias ? bias : NULL, want);
    for (size_t i = 0; i < (size_t)rows * out; i++)
        check_close((double)got[i], (double)want[i], sum_bound(in, 1), "dense");
    guarded_free(input);
    guarded_free(weights);
    guarded_free(bias);
    guarded_free(got);
    guarded_free(want);
}

static void dense_layers(void **state)
{
    const int sizes[] = {1, 2, 3, 7, 8, 15, 16, 17, 31, 64, 65, 129};

    (void)state;
    for (int i = 0; i < 12; i++) {
        for (int j = 0; j < 12; j++)
            check_dense(1 + (i * j) % 4, sizes[i], sizes[j], (i + j) % 2);
    }
}

static void dense_by_hand(void **state)
{
    const float input[2] = {3, 5}, weights[4] = {1, 2, 10, 100}, bias[2] = {0.5F, -1};
    float output[2];

    (void)state;
    dense_run(1, 2, 2, input, weights, bias, output);
    check_close((double)output[0], 13.5, 0, "first");
    check_close((double)output[1], 529, 0, "second");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(random_geometries),
        cmocka_unit_test(depthwise),
        cmocka_unit_test(pointwise),
        cmocka_unit_test(tall_images_in_blocks),
        cmocka_unit_test(single_weights_shift),
        cmocka_unit_test(dense_layers),
        cmocka_unit_test(dense_by_hand),
    };

    return cmocka_run_group_tests(tests, random_setup, NULL);
}
