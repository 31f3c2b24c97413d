/* surface.c against the definition of blending, in double arithmetic. */
#include "draw/surface.h"

#include "../support/canvas.h"

#include <limits.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* Half a step for the one rounding that is allowed, and what doubles may be off. */
#define TOLERANCE (0.5 + 1e-6)

struct stamp {
    int x, y, width, height;
    const uint8_t *coverage;
    ptrdiff_t stride;
    struct color color;
};

/* The share of the colour in the pixel, 0..1. */
static double weight_at(const struct stamp *stamp, int x, int y)
{
    int64_t column = (int64_t)x - stamp->x, row = (int64_t)y - stamp->y;

    if (column < 0 || row < 0 || column >= stamp->width || row >= stamp->height)
        return 0;
    return stamp->color.alpha / 255.0 *
           (stamp->coverage ? stamp->coverage[row * stamp->stride + column] / 255.0 : 1);
}

/* The mean weight of the pixels that share the sample of (x, y). */
static double sample_weight(const struct canvas *canvas, const struct stamp *stamp, int plane,
                            int x, int y)
{
    int shift_x = canvas_shift_x(canvas->surface.format, plane);
    int shift_y = canvas_shift_y(canvas->surface.format, plane);
    double sum = 0;
    int count = 0;

    for (int row = y >> shift_y << shift_y; row <= (y | shift_y); row++) {
        for (int column = x >> shift_x << shift_x; column <= (x | shift_x); column++) {
            if (row >= canvas->surface.height || column >= canvas->surface.width)
                continue;
            sum += weight_at(stamp, column, row);
            count++;
        }
    }
    return sum / count;
}

static void check_argb(const uint8_t *before, const uint8_t *after, struct color color,
                       double weight)
{
    uint32_t old, new;
    double below, alpha;
    const uint8_t above[3] = {color.blue, color.green, color.red};

    memcpy(&old, before, 4);
    memcpy(&new, after, 4);
    if (weight == 0) {
        assert_int_equal(old, new);
        return;
    }
    below = (old >> 24) / 255.0 * (1 - weight);
    alpha = weight + below;
    assert_true(fabs((new >> 24) - alpha * 255) <= TOLERANCE);
    for (int i = 0; i < 3; i++) {
        double expected = (above[i] * weight + (old >> (8 * i) & 255) * below) / alpha;

        assert_true(fabs((new >> (8 * i) & 255) - expected) <= TOLERANCE);
    }
}

static void check_blend(const struct canvas *before, const struct canvas *after,
                        const struct stamp *stamp)
{
    enum surface_format format = before->surface.format;
    uint8_t values[3];

    assert_true(canvas_guard_whole(after));
    surface_encode(&before->surface, stamp->color, values);
    for (int y = 0; y < before->surface.height; y++) {
        for (int x = 0; x < before->surface.width; x++) {
            if (format == SURFACE_ARGB32) {
                check_argb(canvas_at(before, 0, x, y), canvas_at(after, 0, x, y), stamp->color,
                           weight_at(stamp, x, y));
                continue;
            }
            for (int plane = 0; plane < canvas_planes(format); plane++) {
                double weight = sample_weight(before, stamp, plane, x, y);

                for (int i = 0; i < canvas_pixel_bytes(format); i++) {
                    double old = canvas_at(before, plane, x, y)[i];
                    double expected = old + (values[plane + i] - old) * weight;

                    assert_true(fabs(canvas_at(after, plane, x, y)[i] - expected) <= TOLERANCE);
                }
            }
        }
    }
}

static void blend_and_check(struct canvas *canvas, const struct stamp *stamp)
{
    struct canvas before;

    canvas_copy(&before, canvas);
    surface_blend(&canvas->surface, stamp->x, stamp->y, stamp->width, stamp->height,
                  stamp->coverage, stamp->stride, stamp->color);
    check_blend(&before, canvas, stamp);
    canvas_free(&before);
}

static struct color random_color(uint32_t *state)
{
    uint32_t a = canvas_random(state), b = canvas_random(state);
    uint8_t alpha = (uint8_t)(b >> 8);

    return (struct color){(uint8_t)a, (uint8_t)(a >> 8), (uint8_t)(a >> 16),
                          b % 4 == 0 ? 255 : alpha};
}

static void blends_like_the_definition(void **state)
{
    static const int sizes[][2] = {{1, 1}, {2, 2}, {3, 1}, {1, 4}, {7, 5}, {16, 9}, {13, 14}};
    uint32_t seed = 20250701;
    uint8_t coverage[40 * 40];
    int touched = 0;

    (void)state;
    for (int format = 0; format < CANVAS_FORMATS; format++) {
        for (size_t size = 0; size < sizeof(sizes) / sizeof(sizes[0]); size++) {
            for (int round = 0; round < 60; round++) {
                struct canvas canvas;
                struct stamp stamp = {.stride = 40};
                int width = sizes[size][0], height = sizes[size][1];

                canvas_make(&canvas, (enum surface_format)format, width, height, round % 3 == 2,
                            seed);
                canvas.surface.matrix = (VbpColorMatrix)(round % 3);
                canvas.surface.full_range = round % 2;
                for (size_t i = 0; i < sizeof(coverage); i++) {
                    uint32_t number = canvas_random(&seed);

                    coverage[i] = number % 5 == 0   ? 0
                                  : number % 5 == 1 ? 255
                                                    : (uint8_t)(number >> 8);
                }
                /* Rectangles that reach over any edge, and some that miss the surface. */
                stamp.x = (int)(canvas_random(&seed) % (unsigned)(width + 20)) - 12;
                stamp.y = (int)(canvas_random(&seed) % (unsigned)(height + 20)) - 12;
                stamp.width = (int)(canvas_random(&seed) % 40);
                stamp.height = (int)(canvas_random(&seed) % 40);
                stamp.coverage = round % 4 ? coverage : NULL;
                stamp.color = random_color(&seed);
                blend_and_check(&canvas, &stamp);
                touched += stamp.x < width && stamp.x + stamp.width > 0 && stamp.y < height &&
                           stamp.y + stamp.height > 0;
                canvas_free(&canvas);
            }
        }
    }
    assert_true(touched > 500);
}

static void survives_extreme_rectangles(void **state)
{
    static const struct stamp stamps[] = {
        {-5, -5, INT_MAX, INT_MAX, NULL, 0, {1, 2, 3, 200}},
        {INT_MIN, INT_MIN, INT_MAX, INT_MAX, NULL, 0, {1, 2, 3, 200}},
        {INT_MAX, INT_MAX, INT_MAX, INT_MAX, NULL, 0, {1, 2, 3, 200}},
        {0, 0, -3, 4, NULL, 0, {1, 2, 3, 200}},
        {0, 0, 0, 4, NULL, 0, {1, 2, 3, 200}},
        {3, 4, INT_MAX, 1, NULL, 0, {1, 2, 3, 255}},
    };

    (void)state;
    for (int format = 0; format < CANVAS_FORMATS; format++) {
        for (size_t i = 0; i < sizeof(stamps) / sizeof(stamps[0]); i++) {
            struct canvas canvas;

            canvas_make(&canvas, (enum surface_format)format, 9, 7, false, 1);
            blend_and_check(&canvas, &stamps[i]);
            canvas_free(&canvas);
        }
    }
}

/* Text on a texture that is still empty must keep its colour: nothing of the transparent ground
 * may come through. */
static void composes_over_nothing(void **state)
{
    struct canvas canvas;
    const uint8_t coverage[4] = {1, 100, 255, 0};
    uint32_t words[4];

    (void)state;
    canvas_make(&canvas, SURFACE_ARGB32, 4, 1, false, 3);
    surface_clear(&canvas.surface, (struct color){255, 0, 255, 0});
    surface_blend(&canvas.surface, 0, 0, 4, 1, coverage, 4, (struct color){10, 200, 30, 255});
    memcpy(words, canvas.surface.plane[0], sizeof(words));
    assert_int_equal(words[0], 0x010ac81e);
    assert_int_equal(words[1], 0x640ac81e);
    assert_int_equal(words[2], 0xff0ac81e);
    assert_int_equal(words[3], 0x00ff00ff);
    canvas_free(&canvas);
}

static void encodes_known_colors(void **state)
{
    static const struct {
        VbpColorMatrix matrix;
        int full_range;
        struct color color;
        uint8_t expected[3];
    } known[] = {
        {VBP_MATRIX_BT601, 0, {255, 255, 255, 255}, {235, 128, 128}},
        {VBP_MATRIX_BT601, 0, {0, 0, 0, 255}, {16, 128, 128}},
        {VBP_MATRIX_BT601, 0, {255, 0, 0, 255}, {81, 90, 240}},
        {VBP_MATRIX_BT601, 0, {0, 255, 0, 255}, {145, 54, 34}},
        {VBP_MATRIX_BT601, 0, {0, 0, 255, 255}, {41, 240, 110}},
        {VBP_MATRIX_BT709, 0, {255, 0, 0, 255}, {63, 102, 240}},
        {VBP_MATRIX_BT709, 0, {0, 255, 0, 255}, {173, 42, 26}},
        {VBP_MATRIX_BT709, 0, {0, 0, 255, 255}, {32, 240, 118}},
        {VBP_MATRIX_BT2020, 0, {255, 0, 0, 255}, {74, 97, 240}},
        {VBP_MATRIX_BT601, 1, {255, 0, 0, 255}, {76, 85, 255}},
        {VBP_MATRIX_BT709, 1, {255, 255, 255, 255}, {255, 128, 128}},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
        struct surface surface = {
            .format = SURFACE_YUV420, .matrix = known[i].matrix, .full_range = known[i].full_range};
        uint8_t bytes[3];

        surface_encode(&surface, known[i].color, bytes);
        assert_memory_equal(bytes, known[i].expected, 3);
    }
}

static void clears_everything_inside(void **state)
{
    const struct color color = {200, 100, 50, 77};

    (void)state;
    for (int format = 0; format < CANVAS_FORMATS; format++) {
        struct canvas canvas;
        uint8_t values[3];

        canvas_make(&canvas, (enum surface_format)format, 7, 5, format % 2, 9);
        surface_clear(&canvas.surface, color);
        assert_true(canvas_guard_whole(&canvas));
        surface_encode(&canvas.surface, color, values);
        for (int y = 0; y < 5; y++) {
            for (int x = 0; x < 7; x++) {
                const uint32_t word = 0x4dc86432;

                if (format == SURFACE_ARGB32)
                    assert_memory_equal(canvas_at(&canvas, 0, x, y), &word, 4);
                else if (canvas_pixel_bytes((enum surface_format)format) == 3)
                    assert_memory_equal(canvas_at(&canvas, 0, x, y), values, 3);
                else
                    for (int plane = 0; plane < canvas_planes((enum surface_format)format); plane++)
                        assert_int_equal(*canvas_at(&canvas, plane, x, y), values[plane]);
            }
        }
        canvas_free(&canvas);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(blends_like_the_definition), cmocka_unit_test(survives_extreme_rectangles),
        cmocka_unit_test(composes_over_nothing),      cmocka_unit_test(encodes_known_colors),
        cmocka_unit_test(clears_everything_inside),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
