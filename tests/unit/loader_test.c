/*
 * The loader: inputs against preprocess_run, and order, choice and augmentation that threads and
 * cache do not change.
 */
#include "support/data.h"
#include "support/drive.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>

#include <cmocka.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* ---- Without augmentation -------------------------------------------------------------------- */

/* Up to `steps` of a byte: rounding takes half of one, and colours may double that. */
static void check_inputs(const struct loader_options *options, float steps)
{
    size_t length = drive_input_length(&options->settings);
    float *expected = malloc(length * sizeof(float));
    struct loader *loader = drive_loader(&drive, options);
    struct epoch epoch = epoch_run(loader, length, 0, 5);

    assert_non_null(expected);
    assert_int_equal(epoch.count, DRIVE_SAMPLES);
    for (size_t i = 0; i < DRIVE_SAMPLES; i++) {
        assert_int_equal(epoch.index[i], i);
        assert_true(epoch.targets[i] == (float)(drive_samples[i].steering * options->label_scale));
        drive_expected(&drive_samples[i], &options->settings, expected);
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
    struct loader_options options = drive_plain_options();

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
    struct loader_options options = drive_plain_options();

    (void)state;
    options.settings.crop_top = options.settings.crop_right = 0;
    options.settings.width = DRIVE_WIDTH;
    options.settings.height = DRIVE_HEIGHT;
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
    struct loader_options options = drive_plain_options();
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
        assert_true(batch.targets[i] == (float)(drive_samples[some[i]].steering * 2));
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
    struct loader_options options = drive_wild_options();
    size_t length = drive_input_length(&options.settings);
    struct epoch expected[3];

    (void)state;
    for (int variant = 0; variant < 5; variant++) {
        static const int threads[] = {1, 2, 4, 3, 2};
        /* All, drive_all, none, about ten of the pictures, all. */
        static const size_t cache[] = {DRIVE_CACHE, DRIVE_CACHE, 0, 2500, DRIVE_CACHE};
        static const int size[] = {6, 6, 6, 6, 50};
        struct loader *loader;

        options.threads = threads[variant];
        options.cache_bytes = cache[variant];
        loader = drive_loader(&drive, &options);
        for (int i = 0; i < 3; i++) {
            /* Epoch 2 before 1 in some: the number counts, not how often it was begun. */
            int number = variant % 2 ? (3 - i) % 3 : i;
            struct epoch epoch = epoch_run(loader, length, number, size[variant]);

            if (variant == 0) {
                expected[number] = epoch;
                continue;
            }
            epoch_check_same(&epoch, &expected[number], length);
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
    struct loader_options options = drive_wild_options();
    size_t length = drive_input_length(&options.settings);
    struct loader *loader;
    struct epoch whole, part;

    (void)state;
    options.straight_share = 1;
    options.shuffle = false;
    loader = drive_loader(&drive, &options);
    whole = epoch_run(loader, length, 3, 8);
    loader_destroy(&loader);
    assert_int_equal(loader_create(&loader, &drive, some, 3, &options, NULL), VBP_OK);
    part = epoch_run(loader, length, 3, 8);
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
    struct loader_options options = drive_plain_options();
    size_t length = drive_input_length(&options.settings);
    struct epoch first, second, other;
    struct loader *loader;
    bool seen[DRIVE_SAMPLES] = {false};

    (void)state;
    options.shuffle = true;
    loader = drive_loader(&drive, &options);
    first = epoch_run(loader, length, 0, 4);
    second = epoch_run(loader, length, 1, 4);
    loader_destroy(&loader);
    options.seed++;
    loader = drive_loader(&drive, &options);
    other = epoch_run(loader, length, 0, 4);
    loader_destroy(&loader);
    assert_false(same_order(&first, &second));
    assert_false(same_order(&first, &other));
    for (size_t i = 0; i < DRIVE_SAMPLES; i++) {
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
    struct loader_options options = drive_plain_options();
    size_t length = drive_input_length(&options.settings);
    int kept[DRIVE_SAMPLES] = {0}, different = 0;
    struct loader *loader;

    (void)state;
    options.straight_share = 0.5;
    options.straight_limit = 0.5;
    loader = drive_loader(&drive, &options);
    for (int number = 0; number < 10; number++) {
        struct epoch epoch = epoch_run(loader, length, number, 16);
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
    for (size_t i = 0; i < DRIVE_SAMPLES; i++) {
        if (fabs(drive_samples[i].steering * 2) >= 0.5)
            assert_int_equal(kept[i], 10);
        else
            different += kept[i] > 0 && kept[i] < 10;
    }
    assert_true(different >= 10);

    options.straight_share = 0;
    options.straight_limit = 10;
    loader = drive_loader(&drive, &options);
    assert_int_equal(loader_begin(loader, 0, 3, NULL), VBP_OK);
    assert_int_equal(loader_epoch_size(loader), 0);
    assert_int_equal(loader_next(loader, &(struct batch){0}, NULL), 1);
    loader_destroy(&loader);
}

/* About half are mirrored, exactly, with the label negated. */
static void flips_pictures_and_labels(void **state)
{
    struct loader_options options = drive_plain_options();
    const int width = options.settings.width, rows = 3 * options.settings.height;
    size_t length = drive_input_length(&options.settings);
    struct loader *loader = drive_loader(&drive, &options);
    struct epoch straight = epoch_run(loader, length, 0, 8), flipped;
    int flips = 0;

    (void)state;
    loader_destroy(&loader);
    options.augmentation.flip = true;
    loader = drive_loader(&drive, &options);
    flipped = epoch_run(loader, length, 0, 8);
    loader_destroy(&loader);
    for (size_t i = 0; i < DRIVE_SAMPLES; i++) {
        const float *a = straight.inputs + i * length, *b = flipped.inputs + i * length;
        bool flip = memcmp(a, b, length * sizeof(float)) != 0;

        flips += flip;
        assert_true(flipped.targets[i] == (flip ? -1 : 1) * straight.targets[i]);
        for (int y = 0; flip && y < rows; y++) {
            for (int x = 0; x < width; x++)
                assert_true(b[y * width + x] == a[y * width + width - 1 - x]);
        }
    }
    assert_in_range(flips, DRIVE_SAMPLES / 4, DRIVE_SAMPLES * 3 / 4);
    epoch_free(&straight);
    epoch_free(&flipped);
}

/* Each is the picture moved by whole pixels, and the label tells by how many. */
static void shifts_pictures_and_labels(void **state)
{
    struct loader_options options = drive_plain_options();
    const int width = options.settings.width, rows = 3 * options.settings.height;
    size_t length = drive_input_length(&options.settings);
    struct loader *loader = drive_loader(&drive, &options);
    struct epoch still = epoch_run(loader, length, 0, 8), shifted;
    bool seen[7] = {false};

    (void)state;
    loader_destroy(&loader);
    options.augmentation.shift = 0.3;
    options.augmentation.shift_label = 5;
    loader = drive_loader(&drive, &options);
    shifted = epoch_run(loader, length, 0, 8);
    loader_destroy(&loader);
    for (size_t i = 0; i < DRIVE_SAMPLES; i++) {
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

static void loads_a_recorded_drive(void **state)
{
    const char *path = data_path("sequences/udacity-lake");
    struct loader_options options = drive_plain_options();
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
        drive_expected(&dataset->samples[batch.index[0]], &options.settings, expected);
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
        cmocka_unit_test(loads_a_recorded_drive),
    };

    return cmocka_run_group_tests(tests, drive_setup, drive_teardown);
}
