/* Augmentation: each change against what it says it does, and what is drawn for a sample. */
#include "train/augment.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>

#include <cmocka.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define WIDTH  7
#define HEIGHT 5
#define BYTES  (WIDTH * HEIGHT * 3)

static void fill(unsigned char *pixels, size_t count)
{
    for (size_t i = 0; i < count; i++)
        pixels[i] = (unsigned char)(i * 89 + 17);
}

static void flips(void **state)
{
    unsigned char before[BYTES], after[BYTES];

    (void)state;
    for (int channels = 1; channels <= 3; channels += 2) {
        for (int width = 1; width <= WIDTH; width++) {
            size_t count = (size_t)width * HEIGHT * (size_t)channels;

            fill(before, count);
            memcpy(after, before, count);
            augment_flip(after, width, HEIGHT, channels);
            for (int y = 0; y < HEIGHT; y++) {
                for (int x = 0; x < width; x++)
                    assert_memory_equal(after + (y * width + x) * channels,
                                        before + (y * width + width - 1 - x) * channels, channels);
            }
            augment_flip(after, width, HEIGHT, channels);
            assert_memory_equal(after, before, count);
        }
    }
}

static void shifts(void **state)
{
    unsigned char before[BYTES], after[BYTES];

    (void)state;
    for (int channels = 1; channels <= 3; channels += 2) {
        for (int shift = -WIDTH - 2; shift <= WIDTH + 2; shift++) {
            fill(before, BYTES);
            memcpy(after, before, BYTES);
            augment_shift(after, WIDTH, HEIGHT, channels, shift);
            for (int y = 0; y < HEIGHT; y++) {
                for (int x = 0; x < WIDTH; x++) {
                    int from = x - shift < 0 ? 0 : x - shift >= WIDTH ? WIDTH - 1 : x - shift;

                    assert_memory_equal(after + (y * WIDTH + x) * channels,
                                        before + (y * WIDTH + from) * channels, channels);
                }
            }
        }
    }
}

static void changes_brightness_and_contrast(void **state)
{
    unsigned char pixels[256];

    (void)state;
    for (int step = -4; step <= 4; step++) {
        double contrast = 1 + step / 4.0, brightness = step * 11.3;

        for (int i = 0; i < 256; i++)
            pixels[i] = (unsigned char)i;
        augment_brightness(pixels, 256, contrast, brightness);
        for (int i = 0; i < 256; i++) {
            double expected = fmin(fmax(128 + (i - 128) * contrast + brightness, 0), 255);

            assert_true(fabs(pixels[i] - expected) <= 0.5);
        }
    }
}

static void casts_shadows(void **state)
{
    /* On top columns 2 to 4, at the bottom 4 to 6: at the middle of row y 2 + (y + 0.5) * 2 / 5. */
    struct shadow shadow = {{2, 4}, {4, 6}, false, 0.5};
    unsigned char pixels[BYTES], turned[BYTES];

    (void)state;
    for (int channels = 1; channels <= 3; channels += 2) {
        memset(pixels, 201, sizeof(pixels));
        shadow.along_rows = false;
        augment_shadow(pixels, WIDTH, HEIGHT, channels, &shadow);
        for (int y = 0; y < HEIGHT; y++) {
            double first = 2 + (y + 0.5) * 2 / 5, end = first + 2;

            for (int x = 0; x < WIDTH; x++) {
                int expected = x + 0.5 >= first && x + 0.5 < end ? 101 : 201;

                for (int c = 0; c < channels; c++)
                    assert_int_equal(pixels[(y * WIDTH + x) * channels + c], expected);
            }
        }
        /* The same with the axes exchanged. */
        memset(turned, 201, sizeof(turned));
        shadow.along_rows = true;
        augment_shadow(turned, HEIGHT, WIDTH, channels, &shadow);
        for (int y = 0; y < HEIGHT; y++) {
            for (int x = 0; x < WIDTH; x++)
                assert_memory_equal(turned + (x * HEIGHT + y) * channels,
                                    pixels + (y * WIDTH + x) * channels, channels);
        }
    }
}

/* Weights 1 2 1 along both axes, rounded once along each. */
static void blurs(void **state)
{
    unsigned char pixels[BYTES], scratch[BYTES], before[BYTES];

    (void)state;
    memset(pixels, 77, sizeof(pixels));
    augment_blur(pixels, WIDTH, HEIGHT, 3, scratch);
    for (int i = 0; i < BYTES; i++)
        assert_int_equal(pixels[i], 77);

    memset(pixels, 0, sizeof(pixels));
    pixels[(2 * WIDTH + 3) * 3 + 1] = 160; /* green in the middle */
    augment_blur(pixels, WIDTH, HEIGHT, 3, scratch);
    for (int y = 0; y < HEIGHT; y++) {
        for (int x = 0; x < WIDTH; x++) {
            int dx = abs(x - 3), dy = abs(y - 2);
            int expected = dx > 1 || dy > 1 ? 0 : 160 * (2 - dx) * (2 - dy) / 16;

            assert_int_equal(pixels[(y * WIDTH + x) * 3], 0);
            assert_int_equal(pixels[(y * WIDTH + x) * 3 + 1], expected);
            assert_int_equal(pixels[(y * WIDTH + x) * 3 + 2], 0);
        }
    }

    /* At the corner the edge repeats: 9/16 of it stays. */
    memset(pixels, 0, sizeof(pixels));
    pixels[0] = 160;
    augment_blur(pixels, WIDTH, HEIGHT, 1, scratch);
    assert_int_equal(pixels[0], 90);
    assert_int_equal(pixels[1], 30);
    assert_int_equal(pixels[WIDTH + 1], 10);

    /* One pixel has no neighbours. */
    fill(before, 3);
    memcpy(pixels, before, 3);
    augment_blur(pixels, 1, 1, 3, scratch);
    assert_memory_equal(pixels, before, 3);
}

static void nothing_is_nothing(void **state)
{
    const struct augmentation none = {0};
    struct random random = random_for(1, 2, 3);
    struct augmentation_choice choice = augment_choose(&none, WIDTH, HEIGHT, &random);
    unsigned char before[BYTES], pixels[BYTES];

    (void)state;
    fill(before, BYTES);
    memcpy(pixels, before, BYTES);
    augment_run(&choice, pixels, WIDTH, HEIGHT, 3, NULL);
    assert_memory_equal(pixels, before, BYTES);
    assert_true(augment_steering(&none, &choice, WIDTH, -0.375) == -0.375);
}

static void labels_follow_the_picture(void **state)
{
    const struct augmentation augmentation = {.shift_label = 2};
    const struct augmentation_choice choice = {.flip = true, .shift = 5};

    (void)state;
    assert_true(augment_steering(&augmentation, &choice, 20, 0.125) == -0.125 + 2 * 5 / 20.0);
}

/* Shares and ranges of what is drawn, over many samples. */
static void draws_what_was_asked_for(void **state)
{
    const struct augmentation augmentation = {
        .flip = true, .shift = 0.1, .brightness = 0.4, .shadow = 0.25, .blur = 0.125};
    enum { DRAWS = 20000, SIDE = 100, MOST = 10 };
    int flips = 0, shadows = 0, blurs = 0, shift_seen[2 * MOST + 1] = {0};
    double brightest = 0, darkest = 0, least = 1, most = 1;

    (void)state;
    for (uint64_t i = 0; i < DRAWS; i++) {
        struct random random = random_for(5, 1, i), again = random;
        struct augmentation_choice choice = augment_choose(&augmentation, SIDE, SIDE, &random);
        struct augmentation_choice same = augment_choose(&augmentation, SIDE, SIDE, &again);

        assert_true(choice.shift == same.shift && choice.brightness == same.brightness &&
                    choice.flip == same.flip && choice.shadow.light == same.shadow.light);
        flips += choice.flip;
        shadows += choice.has_shadow;
        blurs += choice.blur > 0;
        assert_in_range(choice.blur, 0, 3);
        assert_in_range(choice.shift + MOST, 0, 2 * MOST);
        shift_seen[choice.shift + MOST]++;
        brightest = fmax(brightest, choice.brightness);
        darkest = fmin(darkest, choice.brightness);
        least = fmin(least, choice.contrast);
        most = fmax(most, choice.contrast);
        for (int end = 0; choice.has_shadow && end < 2; end++)
            assert_true(choice.shadow.from[end] >= 0 &&
                        choice.shadow.from[end] <= choice.shadow.to[end] &&
                        choice.shadow.to[end] <= SIDE);
    }
    /* Five standard deviations of so many coin flips. */
    assert_true(fabs(flips - DRAWS * 0.5) < 5 * sqrt(DRAWS * 0.25));
    assert_true(fabs(shadows - DRAWS * 0.25) < 5 * sqrt(DRAWS * 0.1875));
    assert_true(fabs(blurs - DRAWS * 0.125) < 5 * sqrt(DRAWS * 0.109375));
    for (int i = 0; i <= 2 * MOST; i++)
        assert_true(fabs(shift_seen[i] - DRAWS / 21.0) < 5 * sqrt(DRAWS / 21.0));
    assert_true(brightest > 0.39 * 128 && brightest <= 0.4 * 128);
    assert_true(darkest < -0.39 * 128 && darkest >= -0.4 * 128);
    assert_true(least > 0.599 && least < 0.61 && most > 1.39 && most < 1.401);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(flips),
        cmocka_unit_test(shifts),
        cmocka_unit_test(changes_brightness_and_contrast),
        cmocka_unit_test(casts_shadows),
        cmocka_unit_test(blurs),
        cmocka_unit_test(nothing_is_nothing),
        cmocka_unit_test(labels_follow_the_picture),
        cmocka_unit_test(draws_what_was_asked_for),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
