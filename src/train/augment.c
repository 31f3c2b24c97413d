#include "train/augment.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* What a shadow leaves of the brightness. */
#define DARKEST  0.35
#define LIGHTEST 0.75

#define MOST_BLURS 3

#define MIDDLE_GRAY 128

/* ---- Choosing ------------------------------------------------------------------------------- */

static double between(struct random *random, double low, double high)
{
    return low + (high - low) * random_unit(random);
}

static struct shadow choose_shadow(int width, int height, struct random *random)
{
    struct shadow shadow = {.along_rows = random_unit(random) < 0.5};
    double side = shadow.along_rows ? height : width;

    for (int end = 0; end < 2; end++) {
        double a = between(random, 0, side), b = between(random, 0, side);

        shadow.from[end] = fmin(a, b);
        shadow.to[end] = fmax(a, b);
    }
    shadow.light = between(random, DARKEST, LIGHTEST);
    return shadow;
}

struct augmentation_choice augment_choose(const struct augmentation *augmentation, int width,
                                          int height, struct random *random)
{
    struct augmentation_choice choice = {.contrast = 1};
    double strength = augmentation->brightness;
    int most = (int)(augmentation->shift * width);

    if (augmentation->flip)
        choice.flip = random_unit(random) < 0.5;
    if (most > 0)
        choice.shift = (int)random_below(random, 2 * (uint64_t)most + 1) - most;
    if (augmentation->shadow > 0)
        choice.has_shadow = random_unit(random) < augmentation->shadow;
    if (choice.has_shadow)
        choice.shadow = choose_shadow(width, height, random);
    if (strength > 0) {
        choice.contrast = between(random, 1 - strength, 1 + strength);
        choice.brightness = between(random, -strength, strength) * MIDDLE_GRAY;
    }
    if (augmentation->blur > 0 && random_unit(random) < augmentation->blur)
        choice.blur = 1 + (int)random_below(random, MOST_BLURS);
    return choice;
}

double augment_steering(const struct augmentation *augmentation,
                        const struct augmentation_choice *choice, int width, double steering)
{
    /* The shift comes after the flip, so its sign is that of the picture as it is seen. */
    return (choice->flip ? -steering : steering) +
           augmentation->shift_label * choice->shift / width;
}

void augment_run(const struct augmentation_choice *choice, unsigned char *pixels, int width,
                 int height, int channels, unsigned char *scratch)
{
    if (choice->flip)
        augment_flip(pixels, width, height, channels);
    if (choice->shift != 0)
        augment_shift(pixels, width, height, channels, choice->shift);
    if (choice->has_shadow)
        augment_shadow(pixels, width, height, channels, &choice->shadow);
    if (choice->contrast != 1 || choice->brightness != 0)
        augment_brightness(pixels, (size_t)width * (size_t)height * (size_t)channels,
                           choice->contrast, choice->brightness);
    for (int i = 0; i < choice->blur; i++)
        augment_blur(pixels, width, height, channels, scratch);
}

/* ---- Moving --------------------------------------------------------------------------------- */

void augment_flip(unsigned char *pixels, int width, int height, int channels)
{
    size_t size = (size_t)channels, row_bytes = (size_t)width * size;

    for (int y = 0; y < height; y++) {
        unsigned char *left = pixels + (size_t)y * row_bytes, *right = left + row_bytes - size;

        for (; left < right; left += size, right -= size) {
            for (size_t c = 0; c < size; c++) {
                unsigned char held = left[c];

                left[c] = right[c];
                right[c] = held;
            }
        }
    }
}

static void repeat_pixel(unsigned char *to, const unsigned char *pixel, size_t size, size_t count)
{
    for (size_t i = 0; i < count; i++)
        memmove(to + i * size, pixel, size);
}

void augment_shift(unsigned char *pixels, int width, int height, int channels, int shift)
{
    int bounded = shift >= width ? width - 1 : shift <= -width ? 1 - width : shift;
    size_t size = (size_t)channels, row_bytes = (size_t)width * size;
    size_t moved = (size_t)abs(bounded), kept = (size_t)width - moved;

    for (int y = 0; y < height; y++) {
        unsigned char *row = pixels + (size_t)y * row_bytes;

        if (bounded > 0) {
            memmove(row + moved * size, row, kept * size);
            repeat_pixel(row, row + moved * size, size, moved);
        } else {
            memmove(row, row + moved * size, kept * size);
            repeat_pixel(row + kept * size, row + (kept - 1) * size, size, moved);
        }
    }
}

/* ---- Light ---------------------------------------------------------------------------------- */

static void look_up(unsigned char *pixels, size_t count, const unsigned char *table)
{
    for (size_t i = 0; i < count; i++)
        pixels[i] = table[pixels[i]];
}

/* A line's place, `part` (0..1) of the way between its two ends. */
static double on_line(const double ends[2], double part)
{
    return ends[0] + (ends[1] - ends[0]) * part;
}

/* The first of `count` pixels whose centre is not before `place`. */
static int first_from(double place, int count)
{
    double first = ceil(place - 0.5);

    return first < 0 ? 0 : first > count ? count : (int)first;
}

void augment_shadow(unsigned char *pixels, int width, int height, int channels,
                    const struct shadow *shadow)
{
    size_t size = (size_t)channels, row_bytes = (size_t)width * size;
    int lines = shadow->along_rows ? width : height, side = shadow->along_rows ? height : width;
    unsigned char table[256];

    for (int i = 0; i < 256; i++)
        table[i] = (unsigned char)(i * shadow->light + 0.5);
    for (int line = 0; line < lines; line++) {
        double part = (line + 0.5) / lines;
        int first = first_from(on_line(shadow->from, part), side);
        int end = first_from(on_line(shadow->to, part), side);

        if (!shadow->along_rows && end > first) {
            look_up(pixels + (size_t)line * row_bytes + (size_t)first * size,
                    (size_t)(end - first) * size, table);
            continue;
        }
        for (int y = first; shadow->along_rows && y < end; y++)
            look_up(pixels + (size_t)y * row_bytes + (size_t)line * size, size, table);
    }
}

void augment_brightness(unsigned char *pixels, size_t count, double contrast, double brightness)
{
    unsigned char table[256];

    for (int i = 0; i < 256; i++) {
        double value = MIDDLE_GRAY + (i - MIDDLE_GRAY) * contrast + brightness;

        table[i] = (unsigned char)(fmin(fmax(value, 0), 255) + 0.5);
    }
    look_up(pixels, count, table);
}

/* ---- Blur ----------------------------------------------------------------------------------- */

static unsigned char blend(unsigned before, unsigned here, unsigned behind)
{
    return (unsigned char)((before + 2 * here + behind + 2) / 4);
}

void augment_blur(unsigned char *pixels, int width, int height, int channels,
                  unsigned char *scratch)
{
    size_t size = (size_t)channels, row_bytes = (size_t)width * size;
    size_t last_row = (size_t)(height - 1) * row_bytes;

    for (int y = 0; y < height; y++) {
        const unsigned char *row = pixels + (size_t)y * row_bytes;
        unsigned char *to = scratch + (size_t)y * row_bytes;

        for (size_t i = 0; i < row_bytes; i++)
            to[i] = blend(row[i < size ? i : i - size], row[i],
                          row[i + size < row_bytes ? i + size : i]);
    }
    for (size_t at = 0; at <= last_row; at += row_bytes) {
        const unsigned char *row = scratch + at;
        const unsigned char *above = at == 0 ? row : row - row_bytes;
        const unsigned char *below = at == last_row ? row : row + row_bytes;

        for (size_t i = 0; i < row_bytes; i++)
            pixels[at + i] = blend(above[i], row[i], below[i]);
    }
}
