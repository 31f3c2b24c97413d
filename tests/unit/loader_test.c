/*
 * The loader: inputs against preprocess_run, order, choice and augmentation that threads and cache
 * do not change, and errors in their place.
 */
#include "train/loader.h"

#include "base/file.h"
#include "media/ffmpeg.h"
#include "media/image_reader.h"
#include "media/image_writer.h"
#include "support/data.h"
#include "support/scratch.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>

#include <cmocka.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SAMPLES 37
#define WIDTH   24 /* of the images */
#define HEIGHT  18
#define CACHE   ((size_t)1 << 24)

/* The made drive: sample i steers (i - 18) / 32 and its picture depends on i. */
static struct sample samples[SAMPLES];
static const struct dataset drive = {.samples = samples, .count = SAMPLES, .drive_count = 1};
static size_t all[SAMPLES];

static int make_drive(void **state)
{
    uint8_t pixels[WIDTH * HEIGHT * 3];

    media_quiet_ffmpeg();
    if (scratch_setup(state) != 0)
        return -1;
    for (size_t i = 0; i < SAMPLES; i++) {
        char name[32];

        snprintf(name, sizeof(name), "%zu.png", i);
        for (size_t p = 0; p < sizeof(pixels); p++)
            pixels[p] = (uint8_t)((p * (i + 3) + p * p / 7) % 253);
        if (image_write_pixels(scratch_path(name), pixels, WIDTH, HEIGHT, 3, (ptrdiff_t)WIDTH * 3,
                               NULL) != VBP_OK)
            return -1;
        samples[i].image = strdup(scratch_path(name));
        samples[i].steering = ((double)i - 18) / 32;
        all[i] = i;
    }
    return 0;
}

static int free_drive(void **state)
{
    for (size_t i = 0; i < SAMPLES; i++)
        free(samples[i].image);
    return scratch_teardown(state);
}

static struct loader_options plain_options(void)
{
    return (struct loader_options){.settings = {.crop_top = 2,
                                                .crop_right = 4,
                                                .resize = CARD_BILINEAR,
                                                .color = CARD_RGB,
                                                .channels = 3,
                                                .scale = {0.5f, 0.25f, 0.125f},
                                                .bias = {-1, 0, 1},
                                                .width = 10,
                                                .height = 8},
                                   .label_scale = 2,
                                   .seed = 42,
                                   .straight_share = 1,
                                   .threads = 2,
                                   .cache_bytes = CACHE};
}

static struct loader_options wild_options(void)
{
    struct loader_options options = plain_options();

    options.shuffle = true;
    options.straight_share = 0.5;
    options.straight_limit = 0.5;
    options.augmentation = (struct augmentation){true, 0.3, 1, 0.5, 0.5, 0.5};
    return options;
}

static struct loader *create(const struct dataset *dataset, const struct loader_options *options)
{
    struct loader *loader;
    VbpError error;

    if (loader_create(&loader, dataset, all, dataset->count, options, &error) != VBP_OK)
        fail_msg("%s", error.message);
    return loader;
}

static size_t input_length(const struct preprocess_settings *settings)
{
    return (size_t)settings->channels * (size_t)settings->width * (size_t)settings->height;
}

/* An epoch in one piece. */
struct epoch {
    float *inputs, *targets;
    size_t *index;
    size_t count;
};

static void epoch_free(struct epoch *epoch)
{
    free(epoch->inputs);
    free(epoch->targets);
    free(epoch->index);
}

/* Runs an epoch; every batch but the last has to be full. */
static struct epoch run_epoch(struct loader *loader, size_t length, int number, int size)
{
    struct epoch epoch = {0};
    struct batch batch;
    VbpError error;
    bool short_batch = false;
    int result;

    if (loader_begin(loader, number, size, &error) != VBP_OK)
        fail_msg("%s", error.message);
    epoch.inputs = calloc(SAMPLES * length, sizeof(float));
    epoch.targets = calloc(SAMPLES, sizeof(float));
    epoch.index = calloc(SAMPLES, sizeof(size_t));
    assert_true(epoch.inputs && epoch.targets && epoch.index);
    while ((result = loader_next(loader, &batch, &error)) == VBP_OK) {
        size_t count = (size_t)batch.count;

        assert_false(short_batch);
        assert_in_range(batch.count, 1, size);
        short_batch = batch.count < size;
        assert_true(epoch.count + count <= SAMPLES);
        memcpy(epoch.inputs + epoch.count * length, batch.inputs, count * length * sizeof(float));
        memcpy(epoch.targets + epoch.count, batch.targets, count * sizeof(float));
        memcpy(epoch.index + epoch.count, batch.index, count * sizeof(size_t));
        epoch.count += count;
    }
    if (result != 1)
        fail_msg("%s", error.message);
    assert_int_equal(loader_next(loader, &batch, &error), 1);
    assert_int_equal(epoch.count, loader_epoch_size(loader));
    return epoch;
}

static void check_same_epoch(const struct epoch *a, const struct epoch *b, size_t length)
{
    assert_int_equal(a->count, b->count);
    assert_memory_equal(a->index, b->index, a->count * sizeof(size_t));
    assert_memory_equal(a->targets, b->targets, a->count * sizeof(float));
    assert_memory_equal(a->inputs, b->inputs, a->count * length * sizeof(float));
}

/* ---- Without augmentation -------------------------------------------------------------------- */

/* What preprocess_run makes of the sample's image. */
static void make_expected(const struct sample *sample, const struct preprocess_settings *settings,
                          float *input)
{
    struct preprocess *preprocess;
    struct frame frame;
    VbpImage image;

    assert_int_equal(image_read(sample->image, &frame, NULL), VBP_OK);
    image = frame_image(&frame);
    assert_int_equal(preprocess_create(&preprocess, settings, NULL), VBP_OK);
    assert_int_equal(preprocess_run(preprocess, &image, input, NULL), VBP_OK);
    preprocess_destroy(&preprocess);
    frame_release(&frame);
}

/* Up to `steps` of a byte: rounding takes half of one, and colours may double that. */
static void check_inputs(const struct loader_options *options, float steps)
{
    size_t length = input_length(&options->settings);
    float *expected = malloc(length * sizeof(float));
    struct loader *loader = create(&drive, options);
    struct epoch epoch = run_epoch(loader, length, 0, 5);

    assert_non_null(expected);
    assert_int_equal(epoch.count, SAMPLES);
    for (size_t i = 0; i < SAMPLES; i++) {
        assert_int_equal(epoch.index[i], i);
        assert_true(epoch.targets[i] == (float)(samples[i].steering * options->label_scale));
        make_expected(&samples[i], &options->settings, expected);
        for (size_t at = 0; at < length; at++)
            assert_true(fabsf(epoch.inputs[i * length + at] - expected[at]) <= 0.5001f * steps);
    }
    epoch_free(&epoch);
    loader_destroy(&loader);
    assert_null(loader);
    free(expected);
}

static void inputs_are_those_of_preprocess(void **state)
{
    struct loader_options options = plain_options();

    (void)state;
    check_inputs(&options, 0.5f);
    options.settings.channels_last = true;
    check_inputs(&options, 0.5f);
    options.settings.color = CARD_BGR;
    check_inputs(&options, 0.5f);
    options.settings.channels_last = false;
    check_inputs(&options, 0.5f);
    options.settings.color = CARD_YUV;
    check_inputs(&options, 1);
    options.settings.color = CARD_GRAY;
    options.settings.channels = 1;
    check_inputs(&options, 0.5f);
}

/* Without a resize there is nothing to round, so bytes go through exactly, in any colours. */
static void bytes_pass_unchanged(void **state)
{
    struct loader_options options = plain_options();

    (void)state;
    options.settings.crop_top = options.settings.crop_right = 0;
    options.settings.width = WIDTH;
    options.settings.height = HEIGHT;
    for (enum card_color color = CARD_RGB; color <= CARD_SATURATION; color++) {
        if (color == CARD_GRAY) /* luma of colours is no byte */
            continue;
        options.settings.color = color;
        options.settings.channels = color == CARD_SATURATION ? 1 : 3;
        check_inputs(&options, 0);
    }
}

static void a_subset_is_loaded_in_its_order(void **state)
{
    const size_t some[] = {30, 2, 2, 17};
    struct loader_options options = plain_options();
    struct loader *loader;
    struct batch batch;
    VbpError error;

    (void)state;
    assert_int_equal(loader_create(&loader, &drive, some, 4, &options, &error), VBP_OK);
    assert_int_equal(loader_epoch_size(loader), 0);
    assert_int_equal(loader_begin(loader, 0, 100, &error), VBP_OK);
    assert_int_equal(loader_epoch_size(loader), 4);
    assert_int_equal(loader_next(loader, &batch, &error), VBP_OK);
    assert_int_equal(batch.count, 4);
    for (int i = 0; i < 4; i++) {
        assert_int_equal(batch.index[i], some[i]);
        assert_true(batch.targets[i] == (float)(samples[some[i]].steering * 2));
    }
    loader_destroy(&loader);

    assert_int_equal(loader_create(&loader, &drive, some, 0, &options, &error), VBP_OK);
    assert_int_equal(loader_begin(loader, 0, 8, &error), VBP_OK);
    assert_int_equal(loader_next(loader, &batch, &error), 1);
    loader_destroy(&loader);
}

/* ---- Randomness ----------------------------------------------------------------------------- */

static void threads_and_cache_change_nothing(void **state)
{
    struct loader_options options = wild_options();
    size_t length = input_length(&options.settings);
    struct epoch expected[3];

    (void)state;
    for (int variant = 0; variant < 5; variant++) {
        static const int threads[] = {1, 2, 4, 3, 2};
        /* All, all, none, about ten of the pictures, all. */
        static const size_t cache[] = {CACHE, CACHE, 0, 2500, CACHE};
        static const int size[] = {6, 6, 6, 6, 50};
        struct loader *loader;

        options.threads = threads[variant];
        options.cache_bytes = cache[variant];
        loader = create(&drive, &options);
        for (int i = 0; i < 3; i++) {
            /* Epoch 2 before 1 in some: the number counts, not how often it was begun. */
            int number = variant % 2 ? (3 - i) % 3 : i;
            struct epoch epoch = run_epoch(loader, length, number, size[variant]);

            if (variant == 0) {
                expected[number] = epoch;
                continue;
            }
            check_same_epoch(&epoch, &expected[number], length);
            epoch_free(&epoch);
        }
        loader_destroy(&loader);
    }
    for (int i = 0; i < 3; i++)
        epoch_free(&expected[i]);
}

/* What happens to a sample does not depend on which others are loaded. */
static void samples_are_changed_alike_in_any_list(void **state)
{
    const size_t some[] = {20, 7, 36};
    struct loader_options options = wild_options();
    size_t length = input_length(&options.settings);
    struct loader *loader;
    struct epoch whole, part;

    (void)state;
    options.straight_share = 1;
    options.shuffle = false;
    loader = create(&drive, &options);
    whole = run_epoch(loader, length, 3, 8);
    loader_destroy(&loader);
    assert_int_equal(loader_create(&loader, &drive, some, 3, &options, NULL), VBP_OK);
    part = run_epoch(loader, length, 3, 8);
    loader_destroy(&loader);
    for (size_t i = 0; i < 3; i++) {
        assert_true(part.targets[i] == whole.targets[some[i]]);
        assert_memory_equal(part.inputs + i * length, whole.inputs + some[i] * length,
                            length * sizeof(float));
    }
    epoch_free(&whole);
    epoch_free(&part);
}

static bool same_order(const struct epoch *a, const struct epoch *b)
{
    return a->count == b->count && memcmp(a->index, b->index, a->count * sizeof(size_t)) == 0;
}

static void seed_and_epoch_change_the_order(void **state)
{
    struct loader_options options = plain_options();
    size_t length = input_length(&options.settings);
    struct epoch first, second, other;
    struct loader *loader;
    bool seen[SAMPLES] = {false};

    (void)state;
    options.shuffle = true;
    loader = create(&drive, &options);
    first = run_epoch(loader, length, 0, 4);
    second = run_epoch(loader, length, 1, 4);
    loader_destroy(&loader);
    options.seed++;
    loader = create(&drive, &options);
    other = run_epoch(loader, length, 0, 4);
    loader_destroy(&loader);
    assert_false(same_order(&first, &second));
    assert_false(same_order(&first, &other));
    for (size_t i = 0; i < SAMPLES; i++) {
        assert_false(seen[first.index[i]]);
        seen[first.index[i]] = true;
    }
    epoch_free(&first);
    epoch_free(&second);
    epoch_free(&other);
}

/* Half of the 15 samples with |target| < 0.5 are 8; all 22 others stay; not the same 8 each time.
 */
static void keeps_a_share_of_the_straight_ones(void **state)
{
    struct loader_options options = plain_options();
    size_t length = input_length(&options.settings);
    int kept[SAMPLES] = {0}, different = 0;
    struct loader *loader;

    (void)state;
    options.straight_share = 0.5;
    options.straight_limit = 0.5;
    loader = create(&drive, &options);
    for (int number = 0; number < 10; number++) {
        struct epoch epoch = run_epoch(loader, length, number, 16);
        int straight = 0;

        assert_int_equal(epoch.count, 8 + 22);
        for (size_t i = 0; i < epoch.count; i++) {
            straight += fabsf(epoch.targets[i]) < 0.5f;
            kept[epoch.index[i]]++;
            assert_true(i == 0 || epoch.index[i] > epoch.index[i - 1]); /* no shuffle was asked */
        }
        assert_int_equal(straight, 8);
        epoch_free(&epoch);
    }
    loader_destroy(&loader);
    for (size_t i = 0; i < SAMPLES; i++) {
        if (fabs(samples[i].steering * 2) >= 0.5)
            assert_int_equal(kept[i], 10);
        else
            different += kept[i] > 0 && kept[i] < 10;
    }
    assert_true(different >= 10);

    options.straight_share = 0;
    options.straight_limit = 10;
    loader = create(&drive, &options);
    assert_int_equal(loader_begin(loader, 0, 3, NULL), VBP_OK);
    assert_int_equal(loader_epoch_size(loader), 0);
    assert_int_equal(loader_next(loader, &(struct batch){0}, NULL), 1);
    loader_destroy(&loader);
}

/* About half are mirrored, exactly, with the label negated. */
static void flips_pictures_and_labels(void **state)
{
    struct loader_options options = plain_options();
    const int width = options.settings.width, rows = 3 * options.settings.height;
    size_t length = input_length(&options.settings);
    struct loader *loader = create(&drive, &options);
    struct epoch straight = run_epoch(loader, length, 0, 8), flipped;
    int flips = 0;

    (void)state;
    loader_destroy(&loader);
    options.augmentation.flip = true;
    loader = create(&drive, &options);
    flipped = run_epoch(loader, length, 0, 8);
    loader_destroy(&loader);
    for (size_t i = 0; i < SAMPLES; i++) {
        const float *a = straight.inputs + i * length, *b = flipped.inputs + i * length;
        bool flip = memcmp(a, b, length * sizeof(float)) != 0;

        flips += flip;
        assert_true(flipped.targets[i] == (flip ? -1 : 1) * straight.targets[i]);
        for (int y = 0; flip && y < rows; y++) {
            for (int x = 0; x < width; x++)
                assert_true(b[y * width + x] == a[y * width + width - 1 - x]);
        }
    }
    assert_in_range(flips, SAMPLES / 4, SAMPLES * 3 / 4);
    epoch_free(&straight);
    epoch_free(&flipped);
}

/* Each is the picture moved by whole pixels, and the label tells by how many. */
static void shifts_pictures_and_labels(void **state)
{
    struct loader_options options = plain_options();
    const int width = options.settings.width, rows = 3 * options.settings.height;
    size_t length = input_length(&options.settings);
    struct loader *loader = create(&drive, &options);
    struct epoch still = run_epoch(loader, length, 0, 8), shifted;
    bool seen[7] = {false};

    (void)state;
    loader_destroy(&loader);
    options.augmentation.shift = 0.3;
    options.augmentation.shift_label = 5;
    loader = create(&drive, &options);
    shifted = run_epoch(loader, length, 0, 8);
    loader_destroy(&loader);
    for (size_t i = 0; i < SAMPLES; i++) {
        double by = (shifted.targets[i] - still.targets[i]) / options.label_scale / 5 * width;
        int shift = (int)lrint(by);

        assert_true(fabs(by - shift) < 1e-4);
        assert_in_range(shift + 3, 0, 6);
        seen[shift + 3] = true;
        for (int y = 0; y < rows; y++) {
            for (int x = 0; x < width; x++) {
                int from = x - shift < 0 ? 0 : x - shift >= width ? width - 1 : x - shift;

                assert_true(shifted.inputs[i * length + (size_t)(y * width + x)] ==
                            still.inputs[i * length + (size_t)(y * width + from)]);
            }
        }
    }
    for (int i = 0; i < 7; i++)
        assert_true(seen[i]);
    epoch_free(&still);
    epoch_free(&shifted);
}

/* ---- Trouble -------------------------------------------------------------------------------- */

/* A copy of the drive in which one image is another file; that path is the caller's to free. */
static struct dataset replace_image(struct sample *copy, size_t index, const char *image)
{
    memcpy(copy, samples, sizeof(samples));
    copy[index].image = strdup(image);
    assert_non_null(copy[index].image);
    return (struct dataset){.samples = copy, .count = SAMPLES, .drive_count = 1};
}

static void other_sizes_are_brought_to_size(void **state)
{
    struct loader_options options = plain_options();
    size_t length = input_length(&options.settings);
    const char *path = scratch_path("large.png");
    float *expected = malloc(length * sizeof(float));
    struct sample copy[SAMPLES];
    struct dataset dataset = replace_image(copy, 13, path);
    uint8_t pixels[40 * 50];
    struct loader *loader;
    struct epoch epoch;

    (void)state;
    assert_non_null(expected);
    for (size_t i = 0; i < sizeof(pixels); i++)
        pixels[i] = (uint8_t)(i * 5);
    assert_int_equal(image_write_pixels(path, pixels, 50, 40, 1, 50, NULL), VBP_OK);
    loader = create(&dataset, &options);
    epoch = run_epoch(loader, length, 0, 8);
    make_expected(&copy[13], &options.settings, expected);
    for (size_t at = 0; at < length; at++)
        assert_true(fabsf(epoch.inputs[13 * length + at] - expected[at]) <= 0.2501f);
    epoch_free(&epoch);
    loader_destroy(&loader);
    free(copy[13].image);
    free(expected);
}

/* The batches before come, then the error, again and again, until another epoch begins. */
static void check_failing(const char *image, const struct loader_options *options, int status)
{
    struct sample copy[SAMPLES];
    struct dataset dataset = replace_image(copy, 13, image);
    struct loader *loader = create(&dataset, options);
    struct batch batch;
    VbpError error;

    for (int round = 0; round < 2; round++) {
        assert_int_equal(loader_begin(loader, round, 5, &error), VBP_OK);
        assert_int_equal(loader_next(loader, &batch, &error), VBP_OK);
        assert_int_equal(loader_next(loader, &batch, &error), VBP_OK);
        assert_int_equal(batch.index[4], 9);
        for (int again = 0; again < 3; again++) {
            error.message[0] = 0;
            assert_int_equal(loader_next(loader, &batch, &error), status);
            assert_int_equal(error.status, status);
            assert_non_null(strstr(error.message, image));
            assert_int_equal(batch.count, 0);
        }
    }
    loader_destroy(&loader);
    free(copy[13].image);
}

static void errors_come_in_their_place(void **state)
{
    struct loader_options options = plain_options();
    uint8_t pixels[16] = {0};

    (void)state;
    for (options.threads = 1; options.threads <= 4; options.threads++) {
        check_failing(scratch_path("absent.png"), &options, VBP_ERROR_IO);
        check_failing(scratch_write("text.png", "no picture", 10), &options, VBP_ERROR_FORMAT);
        assert_int_equal(image_write_pixels(scratch_path("low.png"), pixels, 8, 2, 1, 8, NULL),
                         VBP_OK);
        check_failing(scratch_path("low.png"), &options, VBP_ERROR_ARGUMENT);
    }
}

/* Of two in one batch the first is reported, whichever thread is faster. */
static void the_first_error_of_a_batch_counts(void **state)
{
    enum { SIDE = 1000 };
    struct loader_options options = plain_options();
    const char *slow = scratch_path("slow.png"), *quick = scratch_path("absent.png");
    unsigned char *pixels = malloc((size_t)SIDE * SIDE), *bytes;
    uint32_t noise = 1;
    size_t length;

    (void)state;
    assert_non_null(pixels);
    for (size_t i = 0; i < (size_t)SIDE * SIDE; i++)
        pixels[i] = (unsigned char)((noise = noise * 1664525 + 1013904223) >> 24);
    assert_int_equal(image_write_pixels(slow, pixels, SIDE, SIDE, 1, SIDE, NULL), VBP_OK);
    assert_int_equal(file_read(slow, (size_t)1 << 24, &bytes, &length, NULL), VBP_OK);
    scratch_write("slow.png", bytes, length - 100); /* its damage shows at its end */
    free(bytes);
    free(pixels);
    for (int slow_first = 0; slow_first < 2; slow_first++) {
        const char *first = slow_first ? slow : quick, *second = slow_first ? quick : slow;
        struct sample copy[SAMPLES];
        struct dataset dataset = replace_image(copy, 3, first);
        struct loader *loader;
        struct batch batch;
        VbpError error;

        copy[13].image = strdup(second);
        loader = create(&dataset, &options);
        assert_int_equal(loader_begin(loader, 0, 20, &error), VBP_OK);
        assert_true(loader_next(loader, &batch, &error) < 0);
        if (!strstr(error.message, first))
            fail_msg("\"%s\" does not name %s", error.message, first);
        loader_destroy(&loader);
        free(copy[3].image);
        free(copy[13].image);
    }
}

static void can_be_destroyed_at_any_moment(void **state)
{
    struct loader_options options = wild_options();
    struct loader *loader = NULL;
    struct batch batch;

    (void)state;
    loader_destroy(&loader);
    options.cache_bytes = 0;
    for (int threads = 1; threads <= 4; threads++) {
        options.threads = threads;
        for (int batches = -2; batches < 4; batches++) {
            loader = create(&drive, &options);
            if (batches >= -1)
                assert_int_equal(loader_begin(loader, 0, 2, NULL), VBP_OK);
            for (int i = 0; i < batches; i++)
                assert_int_equal(loader_next(loader, &batch, NULL), VBP_OK);
            loader_destroy(&loader);
            assert_null(loader);
        }
    }
}

/* What is left of an epoch is dropped, and larger batches get room. */
static void can_begin_again_at_any_moment(void **state)
{
    struct loader_options options = wild_options();
    size_t length = input_length(&options.settings);
    struct loader *loader = create(&drive, &options);
    struct epoch expected = run_epoch(loader, length, 7, 9), epoch;
    struct batch batch;

    (void)state;
    for (int batches = 0; batches < 5; batches++) {
        assert_int_equal(loader_begin(loader, batches, 2 + batches, NULL), VBP_OK);
        for (int i = 0; i < batches; i++)
            assert_int_equal(loader_next(loader, &batch, NULL), VBP_OK);
        epoch = run_epoch(loader, length, 7, 9 + batches);
        check_same_epoch(&epoch, &expected, length);
        epoch_free(&epoch);
    }
    epoch_free(&expected);
    loader_destroy(&loader);
}

static void refuse(const struct loader_options *options, const char *reason)
{
    struct loader *loader;
    VbpError error;

    assert_int_equal(loader_create(&loader, &drive, all, SAMPLES, options, &error),
                     VBP_ERROR_ARGUMENT);
    assert_null(loader);
    if (!strstr(error.message, reason))
        fail_msg("\"%s\" does not say \"%s\"", error.message, reason);
}

static void refuses_options_without_sense(void **state)
{
    const size_t beyond = SAMPLES;
    struct loader_options options;
    struct loader *loader;
    VbpError error;

    (void)state;
    options = plain_options();
    options.threads = 0;
    refuse(&options, "0 threads");
    options = plain_options();
    options.straight_share = 1.5;
    refuse(&options, "1.5");
    options = plain_options();
    options.augmentation.shift = -0.1;
    refuse(&options, "augmentation");
    options = plain_options();
    options.augmentation.blur = NAN;
    refuse(&options, "augmentation");
    options = plain_options();
    options.label_scale = INFINITY;
    refuse(&options, "label scale");
    options = plain_options();
    options.settings.width = 0;
    refuse(&options, "0 x 8");
    options = plain_options();
    options.settings.channels = 1;
    refuse(&options, "rgb is not made of 1 channels");
    options = plain_options();
    assert_int_equal(loader_create(&loader, &drive, &beyond, 1, &options, &error),
                     VBP_ERROR_ARGUMENT);
    loader = create(&drive, &options);
    assert_int_equal(loader_begin(loader, 0, 0, &error), VBP_ERROR_ARGUMENT);
    loader_destroy(&loader);
}

static void loads_a_recorded_drive(void **state)
{
    const char *path = data_path("sequences/udacity-lake");
    struct loader_options options = plain_options();
    size_t length = (size_t)3 * 200 * 66, *indices, seen = 0;
    float *expected = malloc(length * sizeof(float));
    struct dataset *dataset;
    struct loader *loader;
    struct batch batch;
    VbpError error;

    (void)state;
    options.settings.crop_top = 60;
    options.settings.crop_right = 0;
    options.settings.crop_bottom = 25;
    options.settings.width = 200;
    options.settings.height = 66;
    assert_int_equal(dataset_open(&dataset, path, &(struct dataset_options){0}, &error), VBP_OK);
    indices = calloc(dataset->count, sizeof(*indices));
    assert_true(indices && expected);
    for (size_t i = 0; i < dataset->count; i++)
        indices[i] = i;
    assert_int_equal(loader_create(&loader, dataset, indices, dataset->count, &options, &error),
                     VBP_OK);
    assert_int_equal(loader_begin(loader, 0, 32, &error), VBP_OK);
    while (loader_next(loader, &batch, &error) == VBP_OK) {
        make_expected(&dataset->samples[batch.index[0]], &options.settings, expected);
        for (size_t at = 0; at < length; at++)
            assert_true(fabsf(batch.inputs[at] - expected[at]) <= 0.2501f);
        seen += (size_t)batch.count;
    }
    assert_int_equal(seen, 300);
    loader_destroy(&loader);
    dataset_close(&dataset);
    free(indices);
    free(expected);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(inputs_are_those_of_preprocess),
        cmocka_unit_test(bytes_pass_unchanged),
        cmocka_unit_test(a_subset_is_loaded_in_its_order),
        cmocka_unit_test(threads_and_cache_change_nothing),
        cmocka_unit_test(samples_are_changed_alike_in_any_list),
        cmocka_unit_test(seed_and_epoch_change_the_order),
        cmocka_unit_test(keeps_a_share_of_the_straight_ones),
        cmocka_unit_test(flips_pictures_and_labels),
        cmocka_unit_test(shifts_pictures_and_labels),
        cmocka_unit_test(other_sizes_are_brought_to_size),
        cmocka_unit_test(errors_come_in_their_place),
        cmocka_unit_test(the_first_error_of_a_batch_counts),
        cmocka_unit_test(can_be_destroyed_at_any_moment),
        cmocka_unit_test(can_begin_again_at_any_moment),
        cmocka_unit_test(refuses_options_without_sense),
        cmocka_unit_test(loads_a_recorded_drive),
    };

    return cmocka_run_group_tests(tests, make_drive, free_drive);
}
