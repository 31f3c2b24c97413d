#include "support/drive.h"

#include "media/ffmpeg.h"
#include "media/image_reader.h"
#include "media/image_writer.h"
#include "support/scratch.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct sample drive_samples[DRIVE_SAMPLES];
const struct dataset drive = {.samples = drive_samples, .count = DRIVE_SAMPLES, .drive_count = 1};
size_t drive_all[DRIVE_SAMPLES];

int drive_setup(void **state)
{
    uint8_t pixels[DRIVE_WIDTH * DRIVE_HEIGHT * 3];

    media_quiet_ffmpeg();
    if (scratch_setup(state) != 0)
        return -1;
    for (size_t i = 0; i < DRIVE_SAMPLES; i++) {
        char name[32];

        snprintf(name, sizeof(name), "%zu.png", i);
        for (size_t p = 0; p < sizeof(pixels); p++)
            pixels[p] = (uint8_t)((p * (i + 3) + p * p / 7) % 253);
        if (image_write_pixels(scratch_path(name), pixels, DRIVE_WIDTH, DRIVE_HEIGHT, 3,
                               (ptrdiff_t)DRIVE_WIDTH * 3, NULL) != VBP_OK)
            return -1;
        drive_samples[i].image = strdup(scratch_path(name));
        drive_samples[i].steering = ((double)i - 18) / 32;
        drive_all[i] = i;
    }
    return 0;
}

int drive_teardown(void **state)
{
    for (size_t i = 0; i < DRIVE_SAMPLES; i++)
        free(drive_samples[i].image);
    return scratch_teardown(state);
}

struct loader_options drive_plain_options(void)
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
                                   .cache_bytes = DRIVE_CACHE};
}

struct loader_options drive_wild_options(void)
{
    struct loader_options options = drive_plain_options();

    options.shuffle = true;
    options.straight_share = 0.5;
    options.straight_limit = 0.5;
    options.augmentation = (struct augmentation){true, 0.3, 1, 0.5, 0.5, 0.5};
    return options;
}

struct loader *drive_loader(const struct dataset *dataset, const struct loader_options *options)
{
    struct loader *loader;
    VbpError error;

    if (loader_create(&loader, dataset, drive_all, dataset->count, options, &error) != VBP_OK)
        fail_msg("%s", error.message);
    return loader;
}

size_t drive_input_length(const struct preprocess_settings *settings)
{
    return (size_t)settings->channels * (size_t)settings->width * (size_t)settings->height;
}

void epoch_free(struct epoch *epoch)
{
    free(epoch->inputs);
    free(epoch->targets);
    free(epoch->index);
}

struct epoch epoch_run(struct loader *loader, size_t length, int number, int size)
{
    struct epoch epoch = {0};
    struct batch batch;
    VbpError error;
    bool short_batch = false;
    int result;

    if (loader_begin(loader, number, size, &error) != VBP_OK)
        fail_msg("%s", error.message);
    epoch.inputs = calloc(DRIVE_SAMPLES * length, sizeof(float));
    epoch.targets = calloc(DRIVE_SAMPLES, sizeof(float));
    epoch.index = calloc(DRIVE_SAMPLES, sizeof(size_t));
    assert_true(epoch.inputs && epoch.targets && epoch.index);
    while ((result = loader_next(loader, &batch, &error)) == VBP_OK) {
        size_t count = (size_t)batch.count;

        assert_false(short_batch);
        assert_in_range(batch.count, 1, size);
        short_batch = batch.count < size;
        assert_true(epoch.count + count <= DRIVE_SAMPLES);
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

void epoch_check_same(const struct epoch *a, const struct epoch *b, size_t length)
{
    assert_int_equal(a->count, b->count);
    assert_memory_equal(a->index, b->index, a->count * sizeof(size_t));
    assert_memory_equal(a->targets, b->targets, a->count * sizeof(float));
    assert_memory_equal(a->inputs, b->inputs, a->count * length * sizeof(float));
}

void drive_expected(const struct sample *sample, const struct preprocess_settings *settings,
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
