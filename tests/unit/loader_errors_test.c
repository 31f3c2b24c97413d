/* The loader in trouble: images that fail, ends at any moment, options without sense. */
#include "base/file.h"
#include "media/image_writer.h"
#include "support/drive.h"
#include "support/scratch.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>

#include <cmocka.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* A copy of the drive in which one image is another file; that path is the caller's to free. */
static struct dataset replace_image(struct sample *copy, size_t index, const char *image)
{
    memcpy(copy, drive_samples, sizeof(drive_samples));
    copy[index].image = strdup(image);
    assert_non_null(copy[index].image);
    return (struct dataset){.samples = copy, .count = DRIVE_SAMPLES, .drive_count = 1};
}

static void other_sizes_are_brought_to_size(void **state)
{
    struct loader_options options = drive_plain_options();
    size_t length = drive_input_length(&options.settings);
    const char *path = scratch_path("large.png");
    float *expected = malloc(length * sizeof(float));
    struct sample copy[DRIVE_SAMPLES];
    struct dataset dataset = replace_image(copy, 13, path);
    uint8_t pixels[40 * 50];
    struct loader *loader;
    struct epoch epoch;

    (void)state;
    assert_non_null(expected);
    for (size_t i = 0; i < sizeof(pixels); i++)
        pixels[i] = (uint8_t)(i * 5);
    assert_int_equal(image_write_pixels(path, pixels, 50, 40, 1, 50, NULL), VBP_OK);
    loader = drive_loader(&dataset, &options);
    epoch = epoch_run(loader, length, 0, 8);
    drive_expected(&copy[13], &options.settings, expected);
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
    struct sample copy[DRIVE_SAMPLES];
    struct dataset dataset = replace_image(copy, 13, image);
    struct loader *loader = drive_loader(&dataset, options);
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
    struct loader_options options = drive_plain_options();
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
    struct loader_options options = drive_plain_options();
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
        struct sample copy[DRIVE_SAMPLES];
        struct dataset dataset = replace_image(copy, 3, first);
        struct loader *loader;
        struct batch batch;
        VbpError error;

        copy[13].image = strdup(second);
        loader = drive_loader(&dataset, &options);
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
    struct loader_options options = drive_wild_options();
    struct loader *loader = NULL;
    struct batch batch;

    (void)state;
    loader_destroy(&loader);
    options.cache_bytes = 0;
    for (int threads = 1; threads <= 4; threads++) {
        options.threads = threads;
        for (int batches = -2; batches < 4; batches++) {
            loader = drive_loader(&drive, &options);
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
    struct loader_options options = drive_wild_options();
    size_t length = drive_input_length(&options.settings);
    struct loader *loader = drive_loader(&drive, &options);
    struct epoch expected = epoch_run(loader, length, 7, 9), epoch;
    struct batch batch;

    (void)state;
    for (int batches = 0; batches < 5; batches++) {
        assert_int_equal(loader_begin(loader, batches, 2 + batches, NULL), VBP_OK);
        for (int i = 0; i < batches; i++)
            assert_int_equal(loader_next(loader, &batch, NULL), VBP_OK);
        epoch = epoch_run(loader, length, 7, 9 + batches);
        epoch_check_same(&epoch, &expected, length);
        epoch_free(&epoch);
    }
    epoch_free(&expected);
    loader_destroy(&loader);
}

static void refuse(const struct loader_options *options, const char *reason)
{
    struct loader *loader;
    VbpError error;

    assert_int_equal(loader_create(&loader, &drive, drive_all, DRIVE_SAMPLES, options, &error),
                     VBP_ERROR_ARGUMENT);
    assert_null(loader);
    if (!strstr(error.message, reason))
        fail_msg("\"%s\" does not say \"%s\"", error.message, reason);
}

static void refuses_options_without_sense(void **state)
{
    const size_t beyond = DRIVE_SAMPLES;
    struct loader_options options;
    struct loader *loader;
    VbpError error;

    (void)state;
    options = drive_plain_options();
    options.threads = 0;
    refuse(&options, "0 threads");
    options = drive_plain_options();
    options.straight_share = 1.5;
    refuse(&options, "1.5");
    options = drive_plain_options();
    options.augmentation.shift = -0.1;
    refuse(&options, "augmentation");
    options = drive_plain_options();
    options.augmentation.blur = NAN;
    refuse(&options, "augmentation");
    options = drive_plain_options();
    options.label_scale = INFINITY;
    refuse(&options, "label scale");
    options = drive_plain_options();
    options.settings.width = 0;
    refuse(&options, "0 x 8");
    options = drive_plain_options();
    options.settings.channels = 1;
    refuse(&options, "rgb is not made of 1 channels");
    options = drive_plain_options();
    assert_int_equal(loader_create(&loader, &drive, &beyond, 1, &options, &error),
                     VBP_ERROR_ARGUMENT);
    loader = drive_loader(&drive, &options);
    assert_int_equal(loader_begin(loader, 0, 0, &error), VBP_ERROR_ARGUMENT);
    loader_destroy(&loader);
}

struct seen_progress {
    size_t done, total;
};

static void see_progress(void *context, size_t done, size_t total)
{
    struct seen_progress *seen = context;

    *seen = (struct seen_progress){done, total};
}

/* All images are looked at, also those that an epoch leaves out. */
static void a_check_finds_every_broken_image(void **state)
{
    const char *broken = scratch_write("broken.png", "no picture", 10);
    struct loader_options options = drive_plain_options();
    struct sample copy[DRIVE_SAMPLES];
    struct dataset dataset = replace_image(copy, 13, broken);
    struct seen_progress seen = {0};
    struct loader *loader;
    VbpError error;

    (void)state;
    options.straight_share = 0;
    options.straight_limit = 100;
    loader = drive_loader(&dataset, &options);
    assert_true(loader_check(loader, 4, NULL, NULL, &error) < 0);
    assert_non_null(strstr(error.message, "broken.png"));
    loader_destroy(&loader);
    free(copy[13].image);
    loader = drive_loader(&drive, &options);
    assert_int_equal(loader_check(loader, 4, see_progress, &seen, &error), VBP_OK);
    assert_int_equal(seen.done, DRIVE_SAMPLES);
    assert_int_equal(seen.total, DRIVE_SAMPLES);
    /* An epoch is what it was. */
    assert_int_equal(loader_begin(loader, 0, 4, &error), VBP_OK);
    assert_int_equal(loader_epoch_size(loader), 0);
    loader_destroy(&loader);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(other_sizes_are_brought_to_size),
        cmocka_unit_test(errors_come_in_their_place),
        cmocka_unit_test(the_first_error_of_a_batch_counts),
        cmocka_unit_test(can_be_destroyed_at_any_moment),
        cmocka_unit_test(can_begin_again_at_any_moment),
        cmocka_unit_test(refuses_options_without_sense),
        cmocka_unit_test(a_check_finds_every_broken_image),
    };

    return cmocka_run_group_tests(tests, drive_setup, drive_teardown);
}
