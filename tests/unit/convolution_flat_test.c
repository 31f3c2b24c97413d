/*
 * Convolutions by rows, at every level that the machine has, against the same in double: sizes
 * around the edges of tiles, bands and chunks; and chains of them, by several workers.
 */
#include "kernels/convolution_chain.h"
#include "kernels/dispatch.h"
#include "support/numbers.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

struct picture {
    struct convolution convolution;
    struct flat_activation activation;
    float *weights, *bias, *slope; /* bias NULL: none */
};

static size_t input_size(const struct convolution *convolution)
{
    const struct window_sizes *sizes = &convolution->sizes;

    return (size_t)sizes->input_channels * (size_t)sizes->input_height * (size_t)sizes->input_width;
}

static size_t output_size(const struct convolution *convolution)
{
    const struct window_sizes *sizes = &convolution->sizes;

    return (size_t)sizes->output_channels * (size_t)sizes->output_height *
           (size_t)sizes->output_width;
}

static size_t sum_length(const struct convolution *convolution)
{
    return (size_t)convolution->sizes.input_channels * (size_t)convolution->window.kernel[0] *
           (size_t)convolution->window.kernel[1];
}

/* Sets the output's size; false where the window does not fit. */
static bool fit(struct convolution *convolution)
{
    const struct window *window = &convolution->window;
    struct window_sizes *sizes = &convolution->sizes;
    int64_t room[2] = {sizes->input_height, sizes->input_width};

    for (int axis = 0; axis < 2; axis++) {
        room[axis] += window->pad_begin[axis] + window->pad_end[axis] - window_span(window, axis);
        if (room[axis] < 0)
            return false;
    }
    sizes->output_height = (int)room[0] / window->stride[0] + 1;
    sizes->output_width = (int)room[1] / window->stride[1] + 1;
    return true;
}

static void describe(const struct convolution *convolution, const char *kind, int way, char *text,
                     size_t size)
{
    const struct window_sizes *sizes = &convolution->sizes;
    const struct window *window = &convolution->window;

    snprintf(text, size,
             "%s way %d: %dx%dx%d -> %dx%dx%d, kernel %dx%d stride %d,%d dilation %d,%d "
             "pad %d,%d %d,%d",
             kind, way, sizes->input_channels, sizes->input_height, sizes->input_width,
             sizes->output_channels, sizes->output_height, sizes->output_width, window->kernel[0],
             window->kernel[1], window->stride[0], window->stride[1], window->dilation[0],
             window->dilation[1], window->pad_begin[0], window->pad_begin[1], window->pad_end[0],
             window->pad_end[1]);
}

static double activate(const struct flat_activation *activation, int channel, double x)
{
    switch (activation->function) {
    case FLAT_CUT:
        return fmin(fmax(x, (double)activation->least), (double)activation->most);
    case FLAT_SLOPE:
        return x > 0 ? x : x * (double)activation->slope[channel];
    case FLAT_ELU:
        return (double)activation->beta * (x > 0 ? x : (double)activation->alpha * expm1(x));
    }
    return NAN;
}

/* What an average makes of a value. */
static double counted(const struct flat_activation *activation, double x)
{
    return x < 0 ? x * (double)activation->negative : x;
}

static struct flat_activation random_activation(const float *slope)
{
    struct flat_activation activation = {.function = (enum flat_function)random_between(0, 2),
                                         .least = random_chance(0.5) ? 0 : -1,
                                         .most = 2,
                                         .alpha = 1.5F,
                                         .beta = 0.75F,
                                         .slope = slope,
                                         .negative = (float)random_between(-1, 1)};

    return activation;
}

static void check_results(const struct picture *picture, const float *got, const float *average,
                          const float *want, const char *what)
{
    const struct convolution *convolution = &picture->convolution;
    size_t plane =
        (size_t)convolution->sizes.output_height * (size_t)convolution->sizes.output_width;
    int channels = convolution->sizes.output_channels;
    /* Sums of three rows' weights and of two inputs meet in pairs: a few times the plain bound. No
     * activation here is steeper than 1.2. */
    double bound = 5 * sum_bound(sum_length(convolution) + 2, 1);

    for (size_t i = 0; i < plane; i++) {
        double sum = 0;

        for (int c = 0; c < channels; c++) {
            double value = activate(&picture->activation, c, (double)want[(size_t)c * plane + i]);

            check_close((double)got[(size_t)c * plane + i], value, bound, what);
            sum += counted(&picture->activation, value);
        }
        check_close((double)average[i], sum / channels, 2 * bound, what);
    }
}

static struct convolution_flat_run whole_run(const struct picture *picture, const float *input,
                                             float *output, float *average)
{
    const struct window_sizes *sizes = &picture->convolution.sizes;

    return (struct convolution_flat_run){.input = input,
                                         .input_rows = sizes->input_height,
                                         .input_pitch = (size_t)sizes->input_width,
                                         .output = output,
                                         .output_rows = sizes->output_height,
                                         .output_pitch = (size_t)sizes->output_width,
                                         .activation = picture->activation,
                                         .average = average,
                                         .average_end = sizes->output_height,
                                         .check = true};
}

/* One way on one level; 1 if there is such a way. */
static int check_way(const struct kernels *kernels, const struct picture *picture,
                     enum convolution_way way, const float *input, const float *want)
{
    const struct convolution *convolution = &picture->convolution;
    const struct window_sizes *sizes = &convolution->sizes;
    size_t plane = (size_t)sizes->output_height * (size_t)sizes->output_width;
    struct convolution_flat *flat;
    struct convolution_flat_run run;
    float *got, *average, *scratch;
    char what[200];

    assert_true(convolution_flat_create(&flat, convolution, kernels->flat, way, picture->weights,
                                        picture->bias));
    if (!flat)
        return 0;
    describe(convolution, kernels->name, (int)way, what, sizeof(what));
    got = guarded_floats(output_size(convolution));
    average = guarded_floats(plane);
    scratch = guarded_random(convolution_flat_scratch(flat), -1, 1);
    run = whole_run(picture, input, got, average);
    assert_true(convolution_flat_run(flat, &run, 0, sizes->output_height, scratch));
    check_results(picture, got, average, want, what);
    run.check = false; /* which changes nothing */
    memset(got, 0xff, output_size(convolution) * sizeof(float));
    assert_true(convolution_flat_run(flat, &run, 0, sizes->output_height, scratch));
    check_results(picture, got, average, want, what);
    guarded_free(got);
    guarded_free(average);
    guarded_free(scratch);
    convolution_flat_destroy(flat);
    return 1;
}

/* All ways on all levels; how many. */
static int check_convolution(struct convolution convolution)
{
    struct picture picture = {.convolution = convolution};
    float *input, *want;
    int cases = 0;

    if (!fit(&picture.convolution))
        return 0;
    picture.weights = guarded_random(
        (size_t)convolution.sizes.output_channels * sum_length(&picture.convolution), -1, 1);
    if (random_chance(0.7))
        picture.bias = guarded_random((size_t)convolution.sizes.output_channels, -1, 1);
    input = guarded_random(input_size(&picture.convolution), -1, 1);
    want = guarded_floats(output_size(&picture.convolution));
    convolution_reference(&picture.convolution, input, picture.weights, picture.bias, want);
    picture.slope = guarded_random((size_t)convolution.sizes.output_channels, -1, 1);
    picture.activation = random_activation(picture.slope);
    for (size_t level = 0; kernels_list(level); level++) {
        for (int way = WAY_CHEAPEST; way < WAY_COUNT; way++)
            cases +=
                check_way(kernels_list(level), &picture, (enum convolution_way)way, input, want);
    }
    guarded_free(picture.weights);
    guarded_free(picture.slope);
    if (picture.bias)
        guarded_free(picture.bias);
    guarded_free(input);
    guarded_free(want);
    return cases;
}

static void random_geometries(void **state)
{
    int cases = 0;

    (void)state;
    for (int i = 0; i < 300; i++) {
        struct convolution convolution = {.sizes = {.input_channels = random_between(1, 5),
                                                    .input_height = random_between(1, 24),
                                                    .input_width = random_between(1, 75),
                                                    .output_channels = random_between(1, 19)},
                                          .groups = 1};

        for (int axis = 0; axis < 2; axis++) {
            convolution.window.kernel[axis] = random_between(1, 8);
            convolution.window.stride[axis] = random_between(1, 5);
            convolution.window.dilation[axis] = random_chance(0.2) ? random_between(2, 3) : 1;
            convolution.window.pad_begin[axis] = random_chance(0.5) ? random_between(0, 9) : 0;
            convolution.window.pad_end[axis] = random_chance(0.5) ? random_between(0, 9) : 0;
        }
        cases += check_convolution(convolution);
    }
    assert_true(cases > 500);
}

/* Kernels of steering networks, widths around one, two and three vectors and around chunks. */
static void edges_of_tiles(void **state)
{
    static const int widths[] = {7, 8, 9, 15, 16, 17, 31, 32, 33, 47, 48, 49, 95, 97, 161, 318};
    static const int kernels[][2] = {{3, 1}, {3, 2}, {5, 2}, {8, 4}, {1, 1}, {2, 2}, {7, 3}};
    int cases = 0;

    (void)state;
    for (size_t w = 0; w < sizeof(widths) / sizeof(widths[0]); w++) {
        for (size_t k = 0; k < sizeof(kernels) / sizeof(kernels[0]); k++) {
            int size = kernels[k][0], stride = kernels[k][1], rows = random_between(1, 5);
            struct convolution convolution = {
                .sizes = {.input_channels = random_between(1, 3),
                          .input_height = (rows - 1) * stride + size,
                          .input_width = (widths[w] - 1) * stride + size + random_between(0, 1),
                          .output_channels = random_between(1, 10)},
                .window = {{size, size}, {stride, stride}, {1, 1}, {0, 0}, {0, 0}},
                .groups = 1};

            cases += check_convolution(convolution);
        }
    }
    assert_true(cases > 100);
}

static void nan_and_infinity_are_found(void **state)
{
    static const float wrong[] = {NAN, INFINITY, -INFINITY};
    struct picture picture = {.convolution = {.sizes = {2, 11, 37, 9, 0, 0},
                                              .window = {{3, 3}, {1, 1}, {1, 1}, {0, 0}, {0, 0}},
                                              .groups = 1},
                              .activation = {.most = INFINITY}};
    struct convolution *const convolution = &picture.convolution;
    float *weights, *input, *output, before;

    (void)state;
    assert_true(fit(convolution));
    weights = guarded_random(9 * sum_length(convolution), -1, 1);
    input = guarded_random(input_size(convolution), -1, 1);
    output = guarded_floats(output_size(convolution));
    for (size_t level = 0; kernels_list(level); level++) {
        for (int way = WAY_WIDE; way < WAY_COUNT; way++) {
            struct convolution_flat *flat;
            struct convolution_flat_run run = whole_run(&picture, input, output, NULL);
            float *scratch;

            assert_true(convolution_flat_create(&flat, convolution, kernels_list(level)->flat,
                                                (enum convolution_way)way, weights, NULL));
            assert_non_null(flat);
            scratch = guarded_random(convolution_flat_scratch(flat), -1, 1);
            for (int i = 0; i < 60; i++) {
                size_t at = (size_t)random_between(0, (int)input_size(convolution) - 1);

                before = input[at];
                input[at] = wrong[i % 3];
                assert_false(convolution_flat_run(flat, &run, 0, 9, scratch));
                input[at] = before;
                assert_true(convolution_flat_run(flat, &run, 0, 9, scratch));
            }
            guarded_free(scratch);
            convolution_flat_destroy(flat);
        }
    }
    guarded_free(weights);
    guarded_free(input);
    guarded_free(output);
}

/* ---- Chains --------------------------------------------------------------------------------- */

#define LINKS 4

struct chain_case {
    struct picture link[LINKS];
    int count;
    float *input, *want[LINKS], *average[LINKS]; /* want: cut to 0..2 */
};

static bool chain_begin(struct chain_case *chain)
{
    struct window_sizes sizes = {
        random_between(1, 3), random_between(12, 60), random_between(12, 50), 0, 0, 0};

    *chain = (struct chain_case){.count = random_between(2, LINKS)};
    for (int i = 0; i < chain->count; i++) {
        struct convolution *convolution = &chain->link[i].convolution;

        *convolution = (struct convolution){.sizes = sizes, .groups = 1};
        convolution->sizes.output_channels = random_between(1, 10);
        for (int axis = 0; axis < 2; axis++) {
            convolution->window.kernel[axis] = random_between(1, 5);
            convolution->window.stride[axis] = random_between(1, 3);
            convolution->window.dilation[axis] = 1;
            convolution->window.pad_begin[axis] = random_between(0, 2);
            convolution->window.pad_end[axis] = random_between(0, 2);
        }
        if (!fit(convolution))
            return false;
        sizes = (struct window_sizes){convolution->sizes.output_channels,
                                      convolution->sizes.output_height,
                                      convolution->sizes.output_width,
                                      0,
                                      0,
                                      0};
    }
    return true;
}

static void chain_fill(struct chain_case *chain)
{
    const float *input;

    chain->input = guarded_random(input_size(&chain->link[0].convolution), -1, 1);
    input = chain->input;
    for (int i = 0; i < chain->count; i++) {
        struct picture *link = &chain->link[i];
        size_t outputs = output_size(&link->convolution);
        size_t channels = (size_t)link->convolution.sizes.output_channels;

        link->weights = guarded_random(channels * sum_length(&link->convolution), -0.5F, 0.5F);
        link->bias = guarded_random(channels, -1, 1);
        chain->want[i] = guarded_floats(outputs);
        convolution_reference(&link->convolution, input, link->weights, link->bias, chain->want[i]);
        for (size_t c = 0; c < outputs; c++)
            chain->want[i][c] = fminf(fmaxf(chain->want[i][c], 0), 2);
        input = chain->want[i];
        chain->average[i] = guarded_floats(outputs / channels);
    }
}

static void chain_end(struct chain_case *chain)
{
    guarded_free(chain->input);
    for (int i = 0; i < chain->count; i++) {
        guarded_free(chain->link[i].weights);
        guarded_free(chain->link[i].bias);
        guarded_free(chain->want[i]);
        guarded_free(chain->average[i]);
    }
}

/* All workers, one after the other; the first link that failed or -1. */
static int run_workers(const struct convolution_chain *chain, const float *input, float *output,
                       int workers)
{
    float *memory = guarded_random(chain->memory_size, -1, 1);
    int failed = -1;

    for (int worker = 0; worker < workers; worker++) {
        int link = convolution_chain_run(
            chain, &(struct convolution_chain_run){input, output, worker, workers, memory, true});

        if (link >= 0 && (failed < 0 || link < failed))
            failed = link;
    }
    guarded_free(memory);
    return failed;
}

static void check_averages(const struct chain_case *chain, const char *name)
{
    for (int i = 0; i < chain->count; i++) {
        int channels = chain->link[i].convolution.sizes.output_channels;
        size_t plane = output_size(&chain->link[i].convolution) / (size_t)channels;

        for (size_t cell = 0; cell < plane; cell++) {
            double sum = 0;

            for (int c = 0; c < channels; c++)
                sum += (double)chain->want[i][(size_t)c * plane + cell];
            check_close((double)chain->average[i][cell], sum / channels, 1e-3, name);
        }
    }
}

static void check_chain(struct chain_case *chain, const struct kernels *kernels)
{
    struct convolution_chain made = {0};
    size_t outputs = output_size(&chain->link[chain->count - 1].convolution);
    float *first = guarded_floats(outputs), *output = guarded_floats(outputs);
    float *nan = guarded_floats(input_size(&chain->link[0].convolution));

    for (int i = 0; i < chain->count; i++) {
        struct chain_link link = {.activation = {.most = 2, .negative = 1},
                                  .average = chain->average[i]};
        const struct picture *picture = &chain->link[i];

        assert_true(convolution_flat_create(
            &link.flat, &picture->convolution, kernels->flat,
            (enum convolution_way)random_between(WAY_CHEAPEST, WAY_COUNT - 1), picture->weights,
            picture->bias));
        if (!link.flat)
            assert_true(convolution_flat_create(&link.flat, &picture->convolution, kernels->flat,
                                                WAY_WIDE, picture->weights, picture->bias));
        assert_non_null(link.flat);
        assert_true(convolution_chain_add(&made, &link));
    }
    convolution_chain_finish(&made);
    for (int workers = 1; workers <= 5; workers++) {
        for (int i = 0; i < chain->count; i++)
            memset(chain->average[i], 0xff,
                   output_size(&chain->link[i].convolution) /
                       (size_t)chain->link[i].convolution.sizes.output_channels * sizeof(float));
        memset(output, 0xff, outputs * sizeof(float));
        assert_int_equal(run_workers(&made, chain->input, output, workers), -1);
        if (workers == 1)
            memcpy(first, output, outputs * sizeof(float));
        assert_memory_equal(output, first, outputs * sizeof(float));
        for (size_t i = 0; i < outputs; i++)
            check_close((double)output[i], (double)chain->want[chain->count - 1][i], 1e-3,
                        kernels->name);
        check_averages(chain, kernels->name);
    }
    /* The first link is blamed, whoever finds it. */
    for (size_t i = 0; i < input_size(&chain->link[0].convolution); i++)
        nan[i] = NAN;
    assert_int_equal(run_workers(&made, nan, output, 3), 0);
    guarded_free(nan);
    convolution_chain_free(&made);
    guarded_free(first);
    guarded_free(output);
}

static void chains_of_convolutions(void **state)
{
    int cases = 0;

    (void)state;
    for (int i = 0; i < 120; i++) {
        struct chain_case chain;

        if (!chain_begin(&chain))
            continue;
        chain_fill(&chain);
        for (size_t level = 0; kernels_list(level); level++, cases++)
            check_chain(&chain, kernels_list(level));
        chain_end(&chain);
    }
    assert_true(cases > 30);
}

/* ---- Dense layers --------------------------------------------------------------------------- */

static void dense_layers(void **state)
{
    int cases = 0;

    (void)state;
    for (size_t level = 0; kernels_list(level); level++) {
        for (size_t inputs = 1; inputs < 100; inputs += inputs < 36 ? 1 : 9) {
            for (size_t outputs = 1; outputs < 11; outputs++, cases++) {
                float *weights = guarded_random(inputs * outputs, -1, 1);
                float *input = guarded_random(inputs, -1, 1), *got = guarded_floats(outputs);
                float *bias = random_chance(0.5) ? guarded_random(outputs, -1, 1) : NULL;

                kernels_list(level)->flat->dense(input, inputs, weights, bias, outputs, got);
                for (size_t o = 0; o < outputs; o++) {
                    double sum = bias ? (double)bias[o] : 0;

                    for (size_t i = 0; i < inputs; i++)
                        sum += (double)weights[o * inputs + i] * (double)input[i];
                    check_close((double)got[o], sum, sum_bound(inputs + 1, 1),
                                kernels_list(level)->name);
                }
                guarded_free(weights);
                guarded_free(input);
                guarded_free(got);
                if (bias)
                    guarded_free(bias);
            }
        }
    }
    assert_true(cases > 0);
}

/* ---- The table ------------------------------------------------------------------------------ */

static void levels(void **state)
{
    enum isa isa;
    size_t count = 0;

    (void)state;
    while (kernels_list(count))
        count++;
    assert_true(count > 0);
    assert_string_equal(kernels_list(count - 1)->name, "c");
    assert_ptr_equal(kernels_best(ISA_BEST), kernels_list(0));
    assert_ptr_equal(kernels_best(ISA_C), kernels_list(count - 1));
    for (size_t i = 0; i < count; i++) {
        assert_true(isa_parse(kernels_list(i)->name, &isa));
        assert_int_equal(isa, kernels_list(i)->isa);
        assert_ptr_equal(kernels_best(isa), kernels_list(i));
    }
    assert_false(isa_parse("avx", &isa));
    assert_false(isa_parse("", &isa));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(random_geometries),
        cmocka_unit_test(edges_of_tiles),
        cmocka_unit_test(nan_and_infinity_are_found),
        cmocka_unit_test(chains_of_convolutions),
        cmocka_unit_test(dense_layers),
        cmocka_unit_test(levels),
    };

    return cmocka_run_group_tests(tests, random_setup, NULL);
}
