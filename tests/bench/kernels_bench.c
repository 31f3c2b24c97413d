/*
 * What the kernels take at each level that the machine has: the rows of the table in
 * kernels/dispatch.h, on problems such as steering networks have them, one thread. Levels take
 * turns; prints JSON with microseconds.
 *
 *     kernels_bench [RUNS]
 */
#include "base/memory.h"
#include "base/random.h"
#include "base/spread.h"
#include "kernels/convolution_direct.h"
#include "kernels/convolution_flat.h"
#include "kernels/dispatch.h"
#include "kernels/map.h"
#include "nn/preprocess.h"

#include <math.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

/* So many runs are one sample, as the shortest kernels take little more than the clock. */
#define SAMPLE_RUNS 4

enum { FRAME_WIDTH = 1920, FRAME_HEIGHT = 1080, INPUT_WIDTH = 200, INPUT_HEIGHT = 66 };
enum { DENSE_INPUTS = 1152, DENSE_OUTPUTS = 100 };
#define FLOATS      ((size_t)1 << 17) /* of an array: enough for the weights of the dense layer */
#define INPUT_CELLS ((size_t)INPUT_WIDTH * INPUT_HEIGHT)
#define FRAME_CELLS ((size_t)FRAME_WIDTH * FRAME_HEIGHT)

/* PilotNet's second convolution and its fourth. */
static const struct convolution halving = {
    .sizes = {24, 31, 98, 36, 14, 47},
    .window = {.kernel = {5, 5}, .stride = {2, 2}, .dilation = {1, 1}},
    .groups = 1};
static const struct convolution narrow = {
    .sizes = {48, 5, 22, 64, 3, 20},
    .window = {.kernel = {3, 3}, .stride = {1, 1}, .dilation = {1, 1}},
    .groups = 1};
static const struct map_scale_up doubling = {
    .window = {.kernel = {5, 5}, .stride = {2, 2}, .dilation = {1, 1}},
    .map_height = 14,
    .map_width = 47,
    .output_height = 31,
    .output_width = 98};

/* Everything that the kernels of one level run on. */
struct level {
    const struct kernels *kernels;
    struct convolution_flat *halving_alone, *halving_pairs, *narrow_alone, *narrow_pairs;
    struct convolution_direct *direct;
    struct preprocess *preprocess;
    float *input, *weights, *output, *scratch, *padded, *padded_gradient;
    uint8_t *frame;
};

/* ---- What is run ---------------------------------------------------------------------------- */

static void run_flat(const struct level *level, const struct convolution_flat *flat)
{
    const struct window_sizes *sizes = &convolution_flat_of(flat)->sizes;
    const struct convolution_flat_run run = {
        .input = level->input,
        .input_rows = sizes->input_height,
        .input_pitch = (size_t)sizes->input_width,
        .output = level->output,
        .output_rows = sizes->output_height,
        .output_pitch = (size_t)sizes->output_width,
        .activation = {.most = INFINITY, .negative = 1},
    };

    convolution_flat_run(flat, &run, 0, sizes->output_height, level->scratch);
}

static void run_halving_alone(const struct level *level)
{
    run_flat(level, level->halving_alone);
}

static void run_halving_pairs(const struct level *level)
{
    run_flat(level, level->halving_pairs);
}

static void run_narrow_alone(const struct level *level)
{
    run_flat(level, level->narrow_alone);
}

static void run_narrow_pairs(const struct level *level)
{
    run_flat(level, level->narrow_pairs);
}

static void run_dense(const struct level *level)
{
    level->kernels->flat->dense(level->input, DENSE_INPUTS, level->weights, NULL, DENSE_OUTPUTS,
                                level->output);
}

static void run_forward(const struct level *level)
{
    convolution_direct_forward(level->direct, level->padded, true, level->output);
}

static void run_weights(const struct level *level)
{
    convolution_direct_add_weights(level->direct, 1, level->padded,
                                   convolution_direct_input_size(level->direct),
                                   level->padded_gradient);
}

static void run_scale_up(const struct level *level)
{
    struct map_scale_up multiplied = doubling;

    multiplied.average = level->weights;
    map_scale_up_run(level->kernels->map_rows, &multiplied, level->input, level->output,
                     level->scratch);
}

static void run_normalise(const struct level *level)
{
    map_normalise(level->kernels->map_rows, level->input, INPUT_CELLS, -1, 2, level->output);
}

static void run_preprocess(const struct level *level)
{
    const VbpImage image = {
        .format = VBP_PIXEL_YUV420P,
        .matrix = VBP_MATRIX_BT709,
        .width = FRAME_WIDTH,
        .height = FRAME_HEIGHT,
        .plane = {level->frame, level->frame + FRAME_CELLS, level->frame + FRAME_CELLS / 4 * 5},
        .stride = {FRAME_WIDTH, FRAME_WIDTH / 2, FRAME_WIDTH / 2}};

    preprocess_run(level->preprocess, &image, level->output, NULL);
}

static const struct subject {
    const char *name, *kernel; /* the column of the table that it runs */
    void (*run)(const struct level *level);
} subjects[] = {
    {"5x5 s2, 24x31x98 to 36x14x47, rows alone", "flat", run_halving_alone},
    {"the same, rows in pairs", "flat", run_halving_pairs},
    {"3x3 s1, 48x5x22 to 64x3x20, rows alone", "flat", run_narrow_alone},
    {"the same, rows in pairs", "flat", run_narrow_pairs},
    {"dense, 1152 to 100", "flat", run_dense},
    {"5x5 s2 in training, forward", "tiles", run_forward},
    {"the same, gradient of its weights", "tiles", run_weights},
    {"mask of 14x47 up to 31x98, 5x5 s2", "map_rows", run_scale_up},
    {"mask of 66x200 normalised", "map_rows", run_normalise},
    {"1080p YUV 4:2:0 to 66x200, area", "resize", run_preprocess},
};
#define SUBJECT_COUNT (sizeof(subjects) / sizeof(subjects[0]))

/* ---- Levels --------------------------------------------------------------------------------- */

static float *random_array(size_t count)
{
    struct random random = random_for(0, 0, 0);
    float *values = memory_aligned_array(count, sizeof(float));

    for (size_t i = 0; values && i < count; i++)
        values[i] = (float)random_unit(&random);
    return values;
}

static bool create_flat(struct level *level)
{
    const struct flat *flat = level->kernels->flat;

    return convolution_flat_create(&level->halving_alone, &halving, flat, WAY_WIDE, level->weights,
                                   NULL) &&
           convolution_flat_create(&level->halving_pairs, &halving, flat, WAY_WIDE_PAIRS,
                                   level->weights, NULL) &&
           convolution_flat_create(&level->narrow_alone, &narrow, flat, WAY_WIDE, level->weights,
                                   NULL) &&
           convolution_flat_create(&level->narrow_pairs, &narrow, flat, WAY_WIDE_PAIRS,
                                   level->weights, NULL);
}

static bool create_direct(struct level *level)
{
    level->direct = convolution_direct_create(&halving, level->kernels->tiles);
    if (!level->direct)
        return false;
    convolution_direct_load(level->direct, level->weights, NULL);
    level->padded = random_array(convolution_direct_input_size(level->direct));
    level->padded_gradient = random_array(convolution_direct_gradient_size(level->direct));
    if (!level->padded || !level->padded_gradient)
        return false;
    convolution_direct_pad_input(level->direct, level->input, true, level->padded);
    convolution_direct_pad_gradient(level->direct, level->input, NULL, true,
                                    level->padded_gradient);
    return true;
}

static size_t larger(size_t a, size_t b)
{
    return a > b ? a : b;
}

static bool create_scratch(struct level *level)
{
    size_t size = map_scale_up_scratch(&doubling);

    size = larger(size, convolution_flat_scratch(level->halving_alone));
    size = larger(size, convolution_flat_scratch(level->halving_pairs));
    size = larger(size, convolution_flat_scratch(level->narrow_alone));
    size = larger(size, convolution_flat_scratch(level->narrow_pairs));
    level->scratch = random_array(size);
    return level->scratch != NULL;
}

static bool level_begin(struct level *level, const struct kernels *kernels)
{
    const struct preprocess_settings settings = {.resize = CARD_AREA,
                                                 .color = CARD_RGB,
                                                 .channels = 3,
                                                 .scale = {1, 1, 1},
                                                 .width = INPUT_WIDTH,
                                                 .height = INPUT_HEIGHT,
                                                 .isa = kernels->isa};

    *level = (struct level){.kernels = kernels};
    level->input = random_array(FLOATS);
    level->weights = random_array(FLOATS);
    level->output = random_array(FLOATS);
    level->frame = memory_aligned_array(FRAME_CELLS / 2 * 3, 1);
    if (!level->input || !level->weights || !level->output || !level->frame)
        return false;
    memset(level->frame, 100, FRAME_CELLS / 2 * 3);
    return create_flat(level) && create_direct(level) && create_scratch(level) &&
           preprocess_create(&level->preprocess, &settings, NULL) == VBP_OK;
}

static void level_end(struct level *level)
{
    convolution_flat_destroy(level->halving_alone);
    convolution_flat_destroy(level->halving_pairs);
    convolution_flat_destroy(level->narrow_alone);
    convolution_flat_destroy(level->narrow_pairs);
    convolution_direct_destroy(level->direct);
    preprocess_destroy(&level->preprocess);
    free(level->input);
    free(level->weights);
    free(level->output);
    free(level->scratch);
    free(level->padded);
    free(level->padded_gradient);
    free(level->frame);
}

/* ---- Measuring ------------------------------------------------------------------------------ */

static double microseconds_now(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec * 1e6 + (double)now.tv_nsec * 1e-3;
}

/* After one run that is not counted, as the caches are still another level's. */
static double time_sample(const struct subject *subject, const struct level *level)
{
    double started;

    subject->run(level);
    started = microseconds_now();
    for (int i = 0; i < SAMPLE_RUNS; i++)
        subject->run(level);
    return (microseconds_now() - started) / SAMPLE_RUNS;
}

/* samples: for each level `runs` of them. */
static void measure(const struct subject *subject, const struct level *levels, size_t level_count,
                    size_t runs, double *samples)
{
    for (size_t run = 0; run < runs; run++) {
        for (size_t i = 0; i < level_count; i++)
            samples[i * runs + run] = time_sample(subject, &levels[i]);
    }
    printf("  {\"name\": \"%s\", \"kernel\": \"%s\"", subject->name, subject->kernel);
    for (size_t i = 0; i < level_count; i++) {
        struct spread spread = spread_of(samples + i * runs, runs);

        printf(",\n   \"%s\": {\"min\": %.3f, \"median\": %.3f, \"p99\": %.3f}",
               levels[i].kernels->name, spread.min, spread.median, spread.p99);
    }
    printf("}");
}

int main(int argc, char **argv)
{
    long runs = argc > 1 ? strtol(argv[1], NULL, 10) : 100;
    struct level levels[ISA_COUNT];
    size_t count = 0;
    double *samples;
    bool ready = true;

    if (runs < 1 || runs > 1000000) {
        fprintf(stderr, "usage: kernels_bench [RUNS]\n");
        return 2;
    }
    samples = memory_array(ISA_COUNT * (size_t)runs, sizeof(*samples));
    while (ready && kernels_list(count)) {
        ready = level_begin(&levels[count], kernels_list(count));
        count++;
    }
    if (ready && samples) {
        printf("{\"kernels\": [\n");
        for (size_t i = 0; i < SUBJECT_COUNT; i++) {
            measure(&subjects[i], levels, count, (size_t)runs, samples);
            printf(i + 1 < SUBJECT_COUNT ? ",\n" : "\n]}\n");
        }
    } else {
        fprintf(stderr, "kernels_bench: out of memory\n");
    }
    while (count > 0)
        level_end(&levels[--count]);
    free(samples);
    return ready && samples && fflush(stdout) == 0 ? 0 : 1;
}
