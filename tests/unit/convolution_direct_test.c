/* Convolutions for training: every version of the tiles against sums in double. */
#include "kernels/convolution_direct.h"

#include "base/memory.h"
#include "kernels/dispatch.h"
#include "kernels/layout.h"
#include "support/numbers.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#define SAMPLES 3

struct problem {
    struct convolution convolution;
    size_t inputs, outputs, weights; /* floats of one sample, and of all weights */
    float *input, *gradient;         /* SAMPLES samples, channels last */
    float *weight, *bias;
};

static int outputs_along(const struct window *window, int axis, int size)
{
    return (
        int)((size + window->pad_begin[axis] + window->pad_end[axis] - window_span(window, axis)) /
                 window->stride[axis] +
             1);
}

/* Channel counts around the tiles' borders, and all that a window can be. */
static struct convolution random_convolution(void)
{
    int groups = random_chance(0.7) ? 1 : random_between(2, 3);
    struct convolution convolution = {.groups = groups};
    struct window_sizes *sizes = &convolution.sizes;
    struct window *window = &convolution.window;
    int size[2];

    for (int axis = 0; axis < 2; axis++) {
        window->kernel[axis] = random_between(1, 5);
        window->stride[axis] = random_chance(0.9) ? random_between(1, 3) : random_between(4, 40);
        window->dilation[axis] = random_between(1, 3);
        window->pad_begin[axis] = random_between(0, 3);
        window->pad_end[axis] = random_between(0, 3);
        size[axis] = (int)window_span(window, axis) + random_between(0, 30);
    }
    sizes->input_channels = groups * random_between(1, random_chance(0.5) ? 4 : 36);
    sizes->output_channels = groups * random_between(1, random_chance(0.5) ? 9 : 70);
    sizes->input_height = size[0];
    sizes->input_width = size[1];
    sizes->output_height = outputs_along(window, 0, size[0]);
    sizes->output_width = outputs_along(window, 1, size[1]);
    return convolution;
}

static void problem_begin(struct problem *problem)
{
    const struct window_sizes *sizes = &problem->convolution.sizes;
    const int *kernel = problem->convolution.window.kernel;

    problem->convolution = random_convolution();
    problem->inputs =
        (size_t)sizes->input_channels * (size_t)sizes->input_height * (size_t)sizes->input_width;
    problem->outputs =
        (size_t)sizes->output_channels * (size_t)sizes->output_height * (size_t)sizes->output_width;
    problem->weights = (size_t)sizes->output_channels *
                       (size_t)(sizes->input_channels / problem->convolution.groups) *
                       (size_t)kernel[0] * (size_t)kernel[1];
    problem->input = guarded_random(SAMPLES * problem->inputs, -1, 1);
    problem->gradient = guarded_random(SAMPLES * problem->outputs, -1, 1);
    problem->weight = guarded_random(problem->weights, -1, 1);
    problem->bias = guarded_random((size_t)sizes->output_channels, -1, 1);
}

static void problem_end(struct problem *problem)
{
    guarded_free(problem->input);
    guarded_free(problem->gradient);
    guarded_free(problem->weight);
    guarded_free(problem->bias);
}

/*
 * The sums by their definition: each output takes from, and gives back to, each input cell under
 * its window. What is NULL is left out.
 */
static void visit(const struct problem *problem, const float *input, const float *gradient,
                  double *output, double *weight_gradient, double *input_gradient)
{
    const struct window_sizes *sizes = &problem->convolution.sizes;
    const struct window *window = &problem->convolution.window;
    int channels = sizes->input_channels / problem->convolution.groups;
    int outputs = sizes->output_channels / problem->convolution.groups;

    for (int o = 0; o < sizes->output_channels; o++) {
        for (int cell = 0; cell < sizes->output_height * sizes->output_width; cell++) {
            size_t out = (size_t)cell * (size_t)sizes->output_channels + (size_t)o;

            if (output)
                output[out] = (double)problem->bias[o];
            for (int k = 0; k < channels * window->kernel[0] * window->kernel[1]; k++) {
                int kx = k % window->kernel[1], ky = k / window->kernel[1] % window->kernel[0];
                int c = o / outputs * channels + k / window->kernel[1] / window->kernel[0];
                int y = cell / sizes->output_width * window->stride[0] - window->pad_begin[0] +
                        ky * window->dilation[0];
                int x = cell % sizes->output_width * window->stride[1] - window->pad_begin[1] +
                        kx * window->dilation[1];
                int64_t pixel = (int64_t)y * sizes->input_width + x;
                size_t in = (size_t)(pixel * sizes->input_channels + c);
                size_t at = (size_t)o * (size_t)channels * (size_t)window->kernel[0] *
                                (size_t)window->kernel[1] +
                            (size_t)k;

                if (y < 0 || y >= sizes->input_height || x < 0 || x >= sizes->input_width)
                    continue;
                if (output)
                    output[out] += (double)problem->weight[at] * (double)input[in];
                if (weight_gradient)
                    weight_gradient[at] += (double)gradient[out] * (double)input[in];
                if (input_gradient)
                    input_gradient[in] += (double)gradient[out] * (double)problem->weight[at];
            }
        }
    }
}

static double *doubles(size_t count)
{
    double *values = memory_array(count, sizeof(double));

    assert_non_null(values);
    return values;
}

static void check_all(const float *got, const double *want, size_t count, double bound,
                      const char *what)
{
    for (size_t i = 0; i < count; i++)
        check_close((double)got[i], want[i], bound, what);
}

static struct convolution_direct *load(const struct problem *problem, const struct tiles *tiles)
{
    struct convolution_direct *direct = convolution_direct_create(&problem->convolution, tiles);

    assert_non_null(direct);
    convolution_direct_load(direct, problem->weight, problem->bias);
    convolution_direct_load_backward(direct, problem->weight);
    return direct;
}

static size_t kernel_length(const struct problem *problem)
{
    return problem->weights / (size_t)problem->convolution.sizes.output_channels;
}

static void check_forward(const struct problem *problem, const struct convolution_direct *direct)
{
    const struct window_sizes *sizes = &problem->convolution.sizes;
    float *padded = guarded_floats(convolution_direct_input_size(direct));
    float *output = guarded_floats(problem->outputs);
    float *planes = guarded_floats(problem->inputs);
    double *want = doubles(problem->outputs);
    double bound = sum_bound(kernel_length(problem) + 1, 1);

    visit(problem, problem->input, NULL, want, NULL, NULL);
    convolution_direct_pad_input(direct, problem->input, true, padded);
    assert_true(convolution_direct_forward(direct, padded, false, output));
    check_all(output, want, problem->outputs, bound, "output");

    /* From the other layout, rectified. */
    layout_turn(problem->input, (size_t)sizes->input_height * (size_t)sizes->input_width,
                (size_t)sizes->input_channels, false, planes);
    convolution_direct_pad_input(direct, planes, false, padded);
    assert_true(convolution_direct_forward(direct, padded, true, output));
    for (size_t i = 0; i < problem->outputs; i++)
        check_close((double)output[i], fmax(want[i], 0), bound, "rectified output");
    if (!convolution_direct_pads(direct))
        assert_memory_equal(padded, problem->input, problem->inputs * sizeof(float));
    guarded_free(padded);
    guarded_free(output);
    guarded_free(planes);
    free(want);
}

static void check_weights(const struct problem *problem, struct convolution_direct *direct)
{
    const struct window_sizes *sizes = &problem->convolution.sizes;
    size_t channels = (size_t)sizes->output_channels, step = convolution_direct_input_size(direct);
    size_t gradient_step = convolution_direct_gradient_size(direct);
    float *padded = guarded_floats(SAMPLES * step);
    float *gradients = guarded_floats(SAMPLES * gradient_step);
    float *weights = guarded_floats(problem->weights), *bias = guarded_floats(channels);
    double *want = doubles(problem->weights), *want_bias = doubles(channels);
    size_t cells = SAMPLES * problem->outputs / channels;

    for (size_t i = 0; i < SAMPLES; i++) {
        const float *gradient = problem->gradient + i * problem->outputs;

        visit(problem, problem->input + i * problem->inputs, gradient, NULL, want, NULL);
        for (size_t j = 0; j < problem->outputs; j++)
            want_bias[j % channels] += (double)gradient[j];
        convolution_direct_pad_input(direct, problem->input + i * problem->inputs, true,
                                     padded + i * step);
        convolution_direct_pad_gradient(direct, gradient, NULL, true,
                                        gradients + i * gradient_step);
    }
    for (size_t i = 0; i < problem->weights; i++)
        weights[i] = 1;
    memset(bias, 0, channels * sizeof(float));
    convolution_direct_add_weights(direct, 1, padded, step, gradients);
    convolution_direct_add_weights(direct, SAMPLES - 1, padded + step, step,
                                   gradients + gradient_step);
    convolution_direct_take_gradients(direct, weights, bias);
    for (size_t i = 0; i < problem->weights; i++)
        check_close((double)weights[i], want[i] + 1, sum_bound(cells + 1, 1), "weight");
    check_all(bias, want_bias, channels, sum_bound(cells, 1), "bias");

    /* The sums begin anew. */
    memset(weights, 0, problem->weights * sizeof(float));
    convolution_direct_take_gradients(direct, weights, NULL);
    for (size_t i = 0; i < problem->weights; i++)
        assert_true(weights[i] == 0);
    guarded_free(padded);
    guarded_free(gradients);
    guarded_free(weights);
    guarded_free(bias);
    free(want);
    free(want_bias);
}

static void check_input(const struct problem *problem, struct convolution_direct *direct)
{
    const struct window_sizes *sizes = &problem->convolution.sizes;
    size_t channels = (size_t)sizes->output_channels;
    size_t cells = problem->outputs / channels;
    float *padded = guarded_floats(convolution_direct_gradient_size(direct));
    float *input = guarded_floats(problem->inputs);
    float *rectified = guarded_random(problem->outputs, -1, 1);
    float *masked = guarded_floats(problem->outputs), *planes = guarded_floats(problem->outputs);
    float *rectified_planes = guarded_floats(problem->outputs);
    double *want = doubles(problem->inputs);
    double bound = sum_bound(kernel_length(problem) * channels + 1, 1);

    for (size_t i = 0; i < problem->outputs; i++)
        masked[i] = rectified[i] > 0 ? problem->gradient[i] : 0;
    visit(problem, problem->input, masked, NULL, NULL, want);
    convolution_direct_pad_gradient(direct, problem->gradient, rectified, true, padded);
    convolution_direct_input_gradient(direct, padded, false, input);
    check_all(input, want, problem->inputs, bound, "input");

    /* From the other layout, on top of what is there. */
    layout_turn(problem->gradient, cells, channels, false, planes);
    layout_turn(rectified, cells, channels, false, rectified_planes);
    convolution_direct_pad_gradient(direct, planes, rectified_planes, false, padded);
    convolution_direct_input_gradient(direct, padded, true, input);
    for (size_t i = 0; i < problem->inputs; i++)
        check_close((double)input[i], 2 * want[i], 2 * bound, "input twice");
    guarded_free(padded);
    guarded_free(input);
    guarded_free(rectified);
    guarded_free(masked);
    guarded_free(planes);
    guarded_free(rectified_planes);
    free(want);
}

static void test_against_double(void **state)
{
    size_t versions = 0;

    (void)state;
    for (int round = 0; round < 60; round++) {
        struct problem problem;

        problem_begin(&problem);
        for (versions = 0; kernels_list(versions); versions++) {
            struct convolution_direct *direct = load(&problem, kernels_list(versions)->tiles);

            check_forward(&problem, direct);
            check_weights(&problem, direct);
            check_input(&problem, direct);
            convolution_direct_destroy(direct);
        }
        problem_end(&problem);
    }
    assert_true(versions > 0);
    assert_string_equal(kernels_list(versions - 1)->name, "c");
}

/* Infinity in any output must be seen, also where a rectifier makes it 0. */
static void test_infinity_is_seen(void **state)
{
    (void)state;
    for (size_t version = 0; kernels_list(version); version++) {
        struct problem problem;
        struct convolution_direct *direct;
        float *padded, *output;

        problem_begin(&problem);
        direct = load(&problem, kernels_list(version)->tiles);
        padded = guarded_floats(convolution_direct_input_size(direct));
        output = guarded_floats(problem.outputs);
        convolution_direct_pad_input(direct, problem.input, true, padded);
        for (int o = 0; o < problem.convolution.sizes.output_channels; o++) {
            static const float odd[3] = {NAN, INFINITY, -INFINITY};
            float kept = problem.bias[o];

            problem.bias[o] = odd[o % 3];
            convolution_direct_load(direct, problem.weight, problem.bias);
            assert_false(convolution_direct_forward(direct, padded, true, output));
            problem.bias[o] = kept;
        }
        convolution_direct_load(direct, problem.weight, problem.bias);
        assert_true(convolution_direct_forward(direct, padded, true, output));
        convolution_direct_destroy(direct);
        guarded_free(padded);
        guarded_free(output);
        problem_end(&problem);
    }
}

static void test_turning(void **state)
{
    (void)state;
    for (int round = 0; round < 20; round++) {
        size_t rows = (size_t)random_between(1, 40), columns = (size_t)random_between(1, 40);
        float *input = guarded_random(rows * columns, -1, 1);
        float *output = guarded_floats(rows * columns);

        layout_turn(input, rows, columns, false, output);
        for (size_t i = 0; i < rows * columns; i++)
            assert_true(output[i % columns * rows + i / columns] == input[i]);
        layout_turn(input, rows, columns, true, output);
        for (size_t i = 0; i < rows * columns; i++)
            assert_true(output[i % columns * rows + i / columns] == 2 * input[i]);
        guarded_free(input);
        guarded_free(output);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_against_double, random_setup),
        cmocka_unit_test_setup(test_infinity_is_seen, random_setup),
        cmocka_unit_test_setup(test_turning, random_setup),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
