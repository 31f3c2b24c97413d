/* overlay.c against bilinear interpolation written down plainly. */
#include "draw/overlay.h"

#include "../support/canvas.h"

#include <limits.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

struct geometry {
    int mask_height, mask_width;
    VbpRectangle crop;
    int frame_width, frame_height;
};

static const struct geometry geometries[] = {
    {5, 7, {0, 0, 7, 5}, 7, 5},      /* as large as the frame */
    {5, 7, {3, 2, 7, 5}, 13, 9},     /* identity, inside an odd frame */
    {5, 7, {2, 4, 21, 15}, 30, 20},  /* three times as large */
    {6, 10, {1, 3, 23, 17}, 24, 20}, /* 2.3 and 2.83 times, odd edges */
    {11, 31, {5, 1, 13, 7}, 19, 9},  /* reduced */
    {1, 1, {1, 1, 6, 3}, 8, 5},      /* one cell */
    {3, 40, {0, 3, 61, 12}, 61, 15}, /* odd right and lower edge of the frame */
    {9, 3, {10, 0, 9, 33}, 33, 33},  /* odd size, crop with odd end */
    {20, 50, {0, 10, 100, 40}, 100, 50},
    {3, 90, {7, 1, 611, 7}, 619, 9}, /* wider than what is blended at once */
    {2, 4, {0, 2, 537, 5}, 537, 7},
};
#define GEOMETRY_COUNT (sizeof(geometries) / sizeof(geometries[0]))

static float *random_mask(const struct geometry *geometry, uint32_t *seed)
{
    size_t count = (size_t)geometry->mask_height * (size_t)geometry->mask_width;
    float *mask = malloc(count * sizeof(*mask));

    assert_non_null(mask);
    for (size_t i = 0; i < count; i++) {
        uint32_t number = canvas_random(seed);

        /* Mostly nothing, as in real masks, and some values that no mask should have. */
        mask[i] = number % 8 < 4    ? (float)(number % 16) / 1000
                  : number % 8 == 4 ? 1
                                    : (float)(number >> 8) / 65536;
        if (number % 61 == 7)
            mask[i] = NAN;
        if (number % 67 == 7)
            mask[i] = number % 2 ? 3 : -2;
    }
    return mask;
}

static double cell_at(const struct geometry *geometry, const float *mask, int row, int column)
{
    double value = mask[row * geometry->mask_width + column];

    return isnan(value) ? 0 : fmin(fmax(value, 0), 1);
}

static double clamped_position(int pixel, int pixels, int cells)
{
    return fmin(fmax((pixel + 0.5) * cells / pixels - 0.5, 0), cells - 1);
}

/*
 * The level 0..255 of the mask under a frame pixel, 0 outside the crop; -1 where the exact value
 * lies so close to the border of two levels that either is right.
 */
static int level_at(const struct geometry *geometry, const float *mask, int x, int y)
{
    const VbpRectangle *crop = &geometry->crop;
    double down, right, value;
    int row, column, below, beside;

    if (x < crop->x || y < crop->y || x >= crop->x + crop->width || y >= crop->y + crop->height)
        return 0;
    down = clamped_position(y - crop->y, crop->height, geometry->mask_height);
    right = clamped_position(x - crop->x, crop->width, geometry->mask_width);
    row = (int)down;
    column = (int)right;
    down -= row;
    right -= column;
    below = row + 1 < geometry->mask_height ? row + 1 : row;
    beside = column + 1 < geometry->mask_width ? column + 1 : column;
    value = (1 - down) * ((1 - right) * cell_at(geometry, mask, row, column) +
                          right * cell_at(geometry, mask, row, beside)) +
            down * ((1 - right) * cell_at(geometry, mask, below, column) +
                    right * cell_at(geometry, mask, below, beside));
    value = value * 255 + 0.5;
    if (fabs(value - round(value)) < 1e-3)
        return -1;
    return (int)value;
}

/* Compares one sample; false where it cannot be told (level_at). */
static int check_sample(const struct canvas *before, const struct canvas *after,
                        const struct geometry *geometry, const float *mask,
                        const struct overlay_options *options, int plane, int x, int y)
{
    enum surface_format format = before->surface.format;
    int shift_x = canvas_shift_x(format, plane), shift_y = canvas_shift_y(format, plane);
    double alphas = 0, colors[3] = {0, 0, 0};
    int count = 0;

    for (int row = y >> shift_y << shift_y; row <= (y | shift_y); row++) {
        for (int column = x >> shift_x << shift_x; column <= (x | shift_x); column++) {
            struct color color;
            uint8_t values[3];
            int level;

            if (row >= before->surface.height || column >= before->surface.width)
                continue;
            level = level_at(geometry, mask, column, row);
            if (level < 0)
                return 0;
            color = overlay_color(options, (float)level / 255);
            surface_encode(&before->surface, color, values);
            alphas += color.alpha / 255.0;
            for (int i = 0; i < 3; i++)
                colors[i] += color.alpha / 255.0 * values[i];
            count++;
        }
    }
    if (format == SURFACE_ARGB32) {
        uint32_t old, new;
        double below;

        memcpy(&old, canvas_at(before, 0, x, y), 4);
        memcpy(&new, canvas_at(after, 0, x, y), 4);
        below = (old >> 24) / 255.0 * (1 - alphas);
        if (alphas == 0)
            assert_int_equal(old, new);
        else
            assert_true(fabs((new >> 16 & 255) -
                             (colors[0] + (old >> 16 & 255) * below) / (alphas + below)) <= 0.501);
        assert_true(fabs((new >> 24) - 255 * (alphas + below)) <= 0.501);
        return 1;
    }
    for (int i = 0; i < canvas_pixel_bytes(format); i++) {
        double old = canvas_at(before, plane, x, y)[i];
        double expected = old * (1 - alphas / count) + colors[plane + i] / count;

        assert_true(fabs(canvas_at(after, plane, x, y)[i] - expected) <= 0.501);
    }
    return 1;
}

static void make_opaque(struct canvas *canvas)
{
    for (int y = 0; y < canvas->surface.height; y++) {
        uint8_t *row = canvas->surface.plane[0] + y * canvas->surface.stride[0];

        for (int x = 0; x < canvas->surface.width; x++) {
            uint32_t word;

            memcpy(&word, row + 4 * x, sizeof(word));
            word |= 255u << 24;
            memcpy(row + 4 * x, &word, sizeof(word));
        }
    }
}

static void draws_like_the_definition(void **state)
{
    uint32_t seed = 77;
    int checked = 0, all = 0;

    (void)state;
    for (size_t i = 0; i < GEOMETRY_COUNT; i++) {
        const struct geometry *geometry = &geometries[i];
        struct overlay_options options = overlay_default_options();
        struct overlay *overlay;

        assert_int_equal(overlay_create(&overlay, geometry->mask_height, geometry->mask_width,
                                        geometry->crop, geometry->frame_width,
                                        geometry->frame_height, NULL),
                         VBP_OK);
        for (int round = 0; round < 3 * CANVAS_FORMATS; round++) {
            enum surface_format format = (enum surface_format)(round % CANVAS_FORMATS);
            float *mask = random_mask(geometry, &seed);
            struct canvas canvas, before;

            options.map = (enum colormap)(round % COLORMAP_COUNT);
            options.opacity = round % 3 ? 0.8f : 1;
            options.threshold = round % 2 ? 0 : 0.2f;
            canvas_make(&canvas, format, geometry->frame_width, geometry->frame_height,
                        round % 4 == 3, seed);
            canvas.surface.matrix = (VbpColorMatrix)(round % 3);
            if (format == SURFACE_ARGB32 && round % 2)
                make_opaque(&canvas);
            canvas_copy(&before, &canvas);
            overlay_draw(overlay, &canvas.surface, mask, &options);
            assert_true(canvas_guard_whole(&canvas));
            for (int y = 0; y < geometry->frame_height; y++) {
                for (int x = 0; x < geometry->frame_width; x++) {
                    for (int plane = 0; plane < canvas_planes(format); plane++) {
                        checked +=
                            check_sample(&before, &canvas, geometry, mask, &options, plane, x, y);
                        all++;
                    }
                }
            }
            canvas_free(&canvas);
            canvas_free(&before);
            free(mask);
        }
        overlay_destroy(&overlay);
        assert_null(overlay);
    }
    assert_true(checked > all * 0.9);
}

/* Where the mask is as large as the crop, every pixel gets the colour of its own cell. */
static void equal_sizes_are_the_identity(void **state)
{
    const struct overlay_options options = {COLORMAP_GREEN, 1, 0};
    const VbpRectangle crop = {3, 2, 16, 16};
    struct overlay *overlay;
    struct canvas canvas;
    float mask[256];

    (void)state;
    for (int i = 0; i < 256; i++)
        mask[i] = (float)(i * 37 % 256) / 255;
    canvas_make(&canvas, SURFACE_RGB24, 25, 21, false, 5);
    surface_clear(&canvas.surface, (struct color){0, 0, 0, 255});
    assert_int_equal(overlay_create(&overlay, 16, 16, crop, 25, 21, NULL), VBP_OK);
    overlay_draw(overlay, &canvas.surface, mask, &options);
    for (int i = 0; i < 256; i++) {
        struct color color = overlay_color(&options, mask[i]);
        const uint8_t *pixel = canvas_at(&canvas, 0, crop.x + i % 16, crop.y + i / 16);

        assert_int_equal(pixel[0], lround(color.red * (color.alpha / 255.0)));
        assert_int_equal(pixel[1], lround(color.green * (color.alpha / 255.0)));
        assert_int_equal(pixel[2], lround(color.blue * (color.alpha / 255.0)));
    }
    overlay_destroy(&overlay);
    canvas_free(&canvas);
}

/* One hot cell: brightest in the middle of its area, falling to nothing one cell further on, and
 * nothing at all anywhere else. */
static void check_hot_cell(int mask_height, int mask_width, int row, int column, VbpRectangle crop,
                           int frame_width, int frame_height)
{
    const struct overlay_options options = {COLORMAP_GRAY, 1, 0};
    double cell_width = (double)crop.width / mask_width;
    double cell_height = (double)crop.height / mask_height;
    double middle_x = crop.x + (column + 0.5) * cell_width;
    double middle_y = crop.y + (row + 0.5) * cell_height;
    float *mask = calloc((size_t)mask_height * (size_t)mask_width, sizeof(*mask));
    double sum = 0, sum_x = 0, sum_y = 0;
    struct overlay *overlay;
    struct canvas canvas;
    int peak;

    assert_non_null(mask);
    mask[row * mask_width + column] = 1;
    canvas_make(&canvas, SURFACE_GRAY, frame_width, frame_height, false, 1);
    surface_clear(&canvas.surface, (struct color){0, 0, 0, 255});
    assert_int_equal(
        overlay_create(&overlay, mask_height, mask_width, crop, frame_width, frame_height, NULL),
        VBP_OK);
    overlay_draw(overlay, &canvas.surface, mask, &options);
    peak = *canvas_at(&canvas, 0, (int)middle_x, (int)middle_y);
    assert_true(peak > 200);
    for (int y = 0; y < frame_height; y++) {
        for (int x = 0; x < frame_width; x++) {
            int value = *canvas_at(&canvas, 0, x, y);

            assert_true(value <= peak);
            if (fabs(x + 0.5 - middle_x) >= cell_width || fabs(y + 0.5 - middle_y) >= cell_height)
                assert_int_equal(value, 0);
            sum += value;
            sum_x += value * (x + 0.5);
            sum_y += value * (y + 0.5);
        }
    }
    assert_true(fabs(sum_x / sum - middle_x) < 0.02 * cell_width);
    assert_true(fabs(sum_y / sum - middle_y) < 0.02 * cell_height);
    overlay_destroy(&overlay);
    canvas_free(&canvas);
    free(mask);
}

static void a_hot_cell_peaks_in_its_middle(void **state)
{
    (void)state;
    check_hot_cell(6, 9, 2, 3, (VbpRectangle){0, 0, 63, 42}, 63, 42);
    check_hot_cell(6, 9, 2, 3, (VbpRectangle){11, 5, 63, 42}, 90, 60);
    check_hot_cell(6, 9, 4, 7, (VbpRectangle){11, 5, 63, 42}, 90, 60);
    check_hot_cell(6, 9, 3, 4, (VbpRectangle){10, 7, 95, 71}, 120, 90);
    check_hot_cell(5, 5, 2, 2, (VbpRectangle){1, 1, 83, 83}, 85, 85);
}

static void leaves_alone_what_it_should(void **state)
{
    const struct geometry geometry = {4, 4, {2, 2, 12, 12}, 16, 16};
    struct overlay_options options = overlay_default_options();
    struct canvas canvas, before, larger;
    struct overlay *overlay;
    float mask[16];

    (void)state;
    assert_int_equal(overlay_create(&overlay, 4, 4, geometry.crop, 16, 16, NULL), VBP_OK);
    canvas_make(&canvas, SURFACE_YUV420, 16, 16, false, 8);
    canvas_copy(&before, &canvas);

    for (int i = 0; i < 16; i++)
        mask[i] = i % 2 ? NAN : -INFINITY;
    overlay_draw(overlay, &canvas.surface, mask, &options);
    assert_true(canvas_equal(&canvas, &before));

    for (int i = 0; i < 16; i++)
        mask[i] = 0.5f;
    options.threshold = 0.5f;
    overlay_draw(overlay, &canvas.surface, mask, &options);
    assert_true(canvas_equal(&canvas, &before));

    options.threshold = 0.1f;
    options.opacity = 0;
    overlay_draw(overlay, &canvas.surface, mask, &options);
    assert_true(canvas_equal(&canvas, &before));

    options.opacity = 0.5f;
    canvas_make(&larger, SURFACE_YUV420, 17, 16, false, 8);
    overlay_draw(overlay, &larger.surface, mask, &options);
    canvas_free(&canvas);
    canvas_make(&canvas, SURFACE_YUV420, 17, 16, false, 8);
    assert_true(canvas_equal(&canvas, &larger));

    overlay_destroy(&overlay);
    canvas_free(&canvas);
    canvas_free(&before);
    canvas_free(&larger);
}

static void colors_rise_with_the_value(void **state)
{
    struct overlay_options options = overlay_default_options();

    (void)state;
    for (int step = 0; step < 11; step++) {
        options.threshold = (float)step / 10;
        assert_int_equal(overlay_color(&options, 0).alpha, 0);
        assert_int_equal(overlay_color(&options, NAN).alpha, 0);
        if (step < 10)
            assert_int_equal(overlay_color(&options, options.threshold).alpha, 0);
        assert_int_equal(overlay_color(&options, 1).alpha, lround(0.75 * 255));
        for (int i = 0; i < 255; i++) {
            int here = overlay_color(&options, (float)i / 255).alpha;
            int next = overlay_color(&options, (float)(i + 1) / 255).alpha;

            assert_true(next >= here);
            if (step < 5)
                assert_true(next - here < 16); /* no edge anywhere */
        }
    }
}

static void refuses_what_cannot_be(void **state)
{
    static const struct geometry impossible[] = {
        {0, 5, {0, 0, 4, 4}, 8, 8},
        {5, -1, {0, 0, 4, 4}, 8, 8},
        {INT_MAX, INT_MAX, {0, 0, 4, 4}, 8, 8},
        {5, 5, {0, 0, 9, 4}, 8, 8},
        {5, 5, {5, 5, 4, 3}, 8, 8},
        {5, 5, {-1, 0, 4, 3}, 8, 8},
        {5, 5, {0, 0, 0, 3}, 8, 8},
        {5, 5, {INT_MAX, 0, 4, INT_MAX}, 8, 8},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(impossible) / sizeof(impossible[0]); i++) {
        const struct geometry *geometry = &impossible[i];
        struct overlay *overlay = (struct overlay *)&overlay;
        VbpError error = {0};

        assert_int_equal(overlay_create(&overlay, geometry->mask_height, geometry->mask_width,
                                        geometry->crop, geometry->frame_width,
                                        geometry->frame_height, &error),
                         VBP_ERROR_ARGUMENT);
        assert_null(overlay);
        assert_true(error.message[0] != '\0');
    }
}

static void draws_the_crop_just_inside(void **state)
{
    const VbpRectangle crop = {5, 3, 40, 20}, whole = {0, 0, 60, 31};
    VbpRectangle changed;
    struct canvas canvas, before;

    (void)state;
    canvas_make(&canvas, SURFACE_RGB24, 60, 31, false, 4);
    surface_clear(&canvas.surface, (struct color){100, 100, 100, 255});
    canvas_copy(&before, &canvas);
    overlay_draw_crop(&canvas.surface, whole);
    assert_true(canvas_equal(&canvas, &before));
    overlay_draw_crop(&canvas.surface, crop);
    changed = canvas_difference(&canvas, &before);
    assert_memory_equal(&changed, &crop, sizeof(crop));
    /* Thin: nothing in the middle. All four edges alike, corners too. */
    assert_memory_equal(canvas_at(&canvas, 0, 8, 6), canvas_at(&before, 0, 8, 6), 3);
    for (int x = crop.x; x < crop.x + crop.width; x++) {
        assert_memory_equal(canvas_at(&canvas, 0, x, 3), canvas_at(&canvas, 0, 5, 10), 3);
        assert_memory_equal(canvas_at(&canvas, 0, x, 22), canvas_at(&canvas, 0, 44, 10), 3);
    }
    assert_true(canvas_guard_whole(&canvas));
    canvas_free(&canvas);
    canvas_free(&before);
}

static double linear(uint8_t value)
{
    double share = value / 255.0;

    return share <= 0.04045 ? share / 12.92 : pow((share + 0.055) / 1.055, 2.4);
}

static void color_maps_get_lighter(void **state)
{
    (void)state;
    for (int map = 0; map < COLORMAP_COUNT; map++) {
        const struct color *colors = colormap_colors((enum colormap)map);
        double before = -1;

        assert_true(colormap_name((enum colormap)map)[0] != '\0');
        for (int i = 0; i < 256; i++) {
            double light = 0.2126 * linear(colors[i].red) + 0.7152 * linear(colors[i].green) +
                           0.0722 * linear(colors[i].blue);

            assert_int_equal(colors[i].alpha, 255);
            assert_true(light >= before - 1e-3);
            if (i % 8 == 0) {
                assert_true(light > before);
                before = light;
            }
        }
        assert_true(before > 0.75);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(draws_like_the_definition),
        cmocka_unit_test(equal_sizes_are_the_identity),
        cmocka_unit_test(a_hot_cell_peaks_in_its_middle),
        cmocka_unit_test(leaves_alone_what_it_should),
        cmocka_unit_test(colors_rise_with_the_value),
        cmocka_unit_test(refuses_what_cannot_be),
        cmocka_unit_test(draws_the_crop_just_inside),
        cmocka_unit_test(color_maps_get_lighter),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
