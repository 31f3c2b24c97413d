/* gauge.c and hud.c: shapes, the wheel, and a display that fits pictures of every size. */
#include "draw/gauge.h"

#include "../support/canvas.h"

#include <limits.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const struct color black = {0, 0, 0, 255};

/* ---- Panel ---------------------------------------------------------------------------------- */

/* Coverage of a pixel by the rounded rectangle, from 32 x 32 points of it. */
static double covered(int x, int y, VbpRectangle box, int radius)
{
    int inside = 0;

    for (int i = 0; i < 32; i++) {
        for (int k = 0; k < 32; k++) {
            double px = x + (i + 0.5) / 32, py = y + (k + 0.5) / 32;
            double dx = fmax(fmax(box.x + radius - px, px - (box.x + box.width - radius)), 0);
            double dy = fmax(fmax(box.y + radius - py, py - (box.y + box.height - radius)), 0);

            inside += px > box.x && py > box.y && px < box.x + box.width &&
                      py < box.y + box.height && dx * dx + dy * dy <= (double)radius * radius;
        }
    }
    return inside / 1024.0;
}

static void panels_have_round_corners(void **state)
{
    static const VbpRectangle boxes[] = {{3, 5, 40, 30}, {-10, -4, 60, 20}, {20, 10, 200, 150},
                                         {1, 1, 9, 4},   {0, 0, 80, 60},    {7, 7, 1, 1}};

    (void)state;
    for (size_t i = 0; i < sizeof(boxes) / sizeof(boxes[0]); i++) {
        VbpRectangle box = boxes[i];
        int most = (box.width < box.height ? box.width : box.height) / 2;
        int radius = most < 8 ? most : 8;
        struct canvas canvas;

        canvas_make(&canvas, SURFACE_GRAY, 80, 60, false, 1);
        surface_clear(&canvas.surface, black);
        assert_int_equal(gauge_draw_panel(&canvas.surface, box.x, box.y, box.width, box.height, 8,
                                          (struct color){255, 255, 255, 255}),
                         VBP_OK);
        for (int y = 0; y < 60; y++) {
            for (int x = 0; x < 80; x++) {
                int value = *canvas_at(&canvas, 0, x, y);
                double expected = covered(x, y, box, radius) * 255;

                if (expected == 0 || expected == 255)
                    assert_true(abs(value - (int)expected) <= 12); /* a corner's last shimmer */
                else
                    assert_true(fabs(value - expected) <= 40);
            }
        }
        assert_true(canvas_guard_whole(&canvas));
        canvas_free(&canvas);
    }
}

/* A panel is drawn in tiles; where they meet, shared chroma must not be blended twice. */
static void panels_have_no_seams(void **state)
{
    (void)state;
    for (int format = 0; format < CANVAS_FORMATS; format++) {
        for (int offset = 0; offset < 4; offset++) {
            struct canvas canvas;

            canvas_make(&canvas, (enum surface_format)format, 301, 199, false, 1);
            surface_clear(&canvas.surface, (struct color){200, 40, 90, 255});
            gauge_draw_panel(&canvas.surface, offset, 3 - offset, 299, 195, 6,
                             (struct color){10, 200, 30, 170});
            for (int plane = 0; plane < canvas_planes((enum surface_format)format); plane++) {
                for (int y = 12; y < 185; y++) {
                    for (int x = 12; x < 285; x++)
                        assert_memory_equal(
                            canvas_at(&canvas, plane, x, y), canvas_at(&canvas, plane, 12, 12),
                            (size_t)canvas_pixel_bytes((enum surface_format)format));
                }
            }
            assert_true(canvas_guard_whole(&canvas));
            canvas_free(&canvas);
        }
    }
}

static void odd_panels_do_no_harm(void **state)
{
    struct canvas canvas, before;

    (void)state;
    canvas_make(&canvas, SURFACE_YUV420, 33, 21, false, 1);
    canvas_copy(&before, &canvas);
    gauge_draw_panel(&canvas.surface, 2, 2, 0, 5, 3, black);
    gauge_draw_panel(&canvas.surface, 2, 2, 5, -1, 3, black);
    gauge_draw_panel(&canvas.surface, 500, 2, 5, 9, 3, black);
    gauge_draw_panel(&canvas.surface, 2, INT_MIN, 5, 9, 3, black);
    gauge_draw_panel(&canvas.surface, INT_MAX, INT_MAX, 5, 9, 3, black);
    assert_true(canvas_equal(&canvas, &before));
    gauge_draw_panel(&canvas.surface, -100, -100, 1000, 1000, -3, black);
    assert_true(canvas_guard_whole(&canvas));
    canvas_free(&canvas);
    canvas_free(&before);
}

/* ---- Wheel ---------------------------------------------------------------------------------- */

static void draw_wheel(struct canvas *canvas, int diameter, double degrees, double recorded)
{
    struct gauge *gauge;

    canvas_make(canvas, SURFACE_RGB24, diameter + 7, diameter + 9, false, 1);
    surface_clear(&canvas->surface, (struct color){20, 20, 20, 255});
    assert_int_equal(gauge_create(&gauge, diameter, NULL), VBP_OK);
    gauge_draw_wheel(gauge, &canvas->surface, 3, 4, degrees, recorded);
    gauge_destroy(&gauge);
    assert_null(gauge);
    assert_true(canvas_guard_whole(canvas));
}

/* Where the warm (orange) or cold (cyan) pixels lie: the amount, and their mean x and y measured
 * from the middle of the wheel. */
static double find_mark(const struct canvas *canvas, int diameter, bool warm, double *x, double *y)
{
    double sum = 0, sum_x = 0, sum_y = 0;

    for (int row = 0; row < canvas->surface.height; row++) {
        for (int column = 0; column < canvas->surface.width; column++) {
            const uint8_t *pixel = canvas_at(canvas, 0, column, row);
            double difference = warm ? pixel[0] - pixel[2] : pixel[2] - pixel[0];

            if (difference < 60)
                continue;
            sum += difference;
            sum_x += difference * (column + 0.5 - 3 - diameter / 2.0);
            sum_y += difference * (row + 0.5 - 4 - diameter / 2.0);
        }
    }
    *x = sum > 0 ? sum_x / sum : 0;
    *y = sum > 0 ? sum_y / sum : 0;
    return sum;
}

static void a_straight_wheel_is_symmetric(void **state)
{
    (void)state;
    for (int diameter = 20; diameter <= 161; diameter += 47) {
        struct canvas canvas;

        draw_wheel(&canvas, diameter, 0, 0);
        for (int y = 0; y < diameter; y++) {
            for (int x = 0; x < diameter; x++)
                assert_memory_equal(canvas_at(&canvas, 0, 3 + x, 4 + y),
                                    canvas_at(&canvas, 0, 3 + diameter - 1 - x, 4 + y), 3);
        }
        canvas_free(&canvas);
    }
}

static void the_mark_turns_with_the_wheel(void **state)
{
    const int diameter = 120;
    double x, y;

    (void)state;
    for (int degrees = -720; degrees <= 720; degrees += 15) {
        double angle = degrees * (3.14159265358979 / 180);
        struct canvas canvas;

        draw_wheel(&canvas, diameter, degrees, NAN);
        assert_true(find_mark(&canvas, diameter, true, &x, &y) > 0);
        /* To the right for positive angles, on the rim. */
        assert_true(fabs(x - sin(angle) * hypot(x, y)) < 1);
        assert_true(fabs(y + cos(angle) * hypot(x, y)) < 1);
        assert_true(hypot(x, y) > 0.8 * diameter / 2 && hypot(x, y) < diameter / 2.0);
        assert_true(find_mark(&canvas, diameter, false, &x, &y) == 0);
        canvas_free(&canvas);
    }
}

static void the_recorded_angle_has_a_tick(void **state)
{
    struct canvas canvas;
    double x, y, wheel, tick;

    (void)state;
    draw_wheel(&canvas, 120, -40, 50);
    wheel = find_mark(&canvas, 120, true, &x, &y);
    assert_true(x < -20 && y < 0);
    tick = find_mark(&canvas, 120, false, &x, &y);
    assert_true(x > 20 && y < 0);
    assert_true(tick > 0 && tick < wheel); /* thin */
    assert_true(hypot(x, y) > 45 && hypot(x, y) < 60);
    canvas_free(&canvas);

    draw_wheel(&canvas, 120, NAN, INFINITY);
    assert_true(find_mark(&canvas, 120, true, &x, &y) == 0);
    assert_true(find_mark(&canvas, 120, false, &x, &y) == 0);
    canvas_free(&canvas);
}

static void refuses_impossible_wheels(void **state)
{
    struct gauge *gauge;
    VbpError error;

    (void)state;
    assert_int_equal(gauge_create(&gauge, 0, &error), VBP_ERROR_ARGUMENT);
    assert_null(gauge);
    assert_int_equal(gauge_create(&gauge, INT_MAX, &error), VBP_ERROR_ARGUMENT);
    assert_null(gauge);
    assert_int_equal(gauge_create(&gauge, 1, &error), VBP_OK);
    gauge_destroy(&gauge);
}

/* ---- Display -------------------------------------------------------------------------------- */

static VbpRectangle draw_hud(int width, int height, enum surface_format format,
                             const struct hud_values *values, struct canvas *drawn)
{
    struct canvas before;
    VbpRectangle changed;
    struct hud *hud;

    canvas_make(drawn, format, width, height, false, 1);
    surface_clear(&drawn->surface, (struct color){120, 150, 200, 255});
    canvas_copy(&before, drawn);
    assert_int_equal(hud_create(&hud, width, height, NULL), VBP_OK);
    hud_draw(hud, &drawn->surface, values);
    hud_destroy(&hud);
    assert_null(hud);
    assert_true(canvas_guard_whole(drawn));
    changed = canvas_difference(&before, drawn);
    canvas_free(&before);
    return changed;
}

static const struct hud_values usual = {
    .steering = -0.1234,
    .unit = "normalized",
    .wheel_degrees = -31,
    .recorded_degrees = 12,
    .recorded = NAN,
    .frame_number = 12345,
    .time = 754.321,
};

static void the_display_fits_every_picture(void **state)
{
    static const int sizes[][2] = {{160, 120}, {320, 160},   {640, 360},   {960, 540},
                                   {200, 66},  {1920, 1080}, {3840, 2160}, {240, 426}};
    struct hud_values longest = usual;

    (void)state;
    longest.steering = -123456.7;
    longest.unit = "inverse_radius";
    longest.frame_number = 1234567890123;
    longest.time = 1e8;
    longest.recorded = -98765.4;
    longest.note = "assumed: gray, 0..1, the first scalar output steers, positive to the right, "
                   "full lock at 1.0, and so on and so forth until nobody reads it";
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        int width = sizes[i][0], height = sizes[i][1];

        for (int round = 0; round < 2; round++) {
            struct canvas canvas;
            VbpRectangle changed = draw_hud(width, height, i % 2 ? SURFACE_YUV420 : SURFACE_RGB24,
                                            round ? &longest : &usual, &canvas);

            /* A margin on all sides: nothing was cut off. */
            assert_true(changed.width > 20);
            assert_true(changed.x >= 2 && changed.y >= 2);
            assert_true(changed.x + changed.width <= width - 2);
            assert_true(changed.y + changed.height <= height - 2);
            /* And it leaves most of an ordinary picture free. */
            if (round == 0 && width >= 320)
                assert_true(changed.width * changed.height < width * height / 4);
            canvas_free(&canvas);
        }
    }
}

static void the_display_stands_still(void **state)
{
    static const double steerings[] = {0, 0.00001, -0.999, 9.99951, -45.123, 123.4, NAN};
    VbpRectangle first = {0, 0, 0, 0};

    (void)state;
    for (size_t i = 0; i < sizeof(steerings) / sizeof(steerings[0]); i++) {
        struct hud_values values = usual;
        struct canvas canvas;
        VbpRectangle changed;

        values.steering = steerings[i];
        values.wheel_degrees = steerings[i] * 90;
        values.frame_number = (int64_t)i * 1000;
        values.time = i ? (double)i * 40 : NAN;
        changed = draw_hud(960, 540, SURFACE_RGB24, &values, &canvas);
        if (i == 0)
            first = changed;
        assert_memory_equal(&changed, &first, sizeof(first));
        canvas_free(&canvas);
    }
}

static void the_display_shows_its_values(void **state)
{
    struct hud_values values[9];
    struct canvas canvases[9];

    (void)state;
    for (int i = 0; i < 9; i++)
        values[i] = usual;
    values[1].steering = 0.1234;
    values[2].unit = "rad";
    values[3].frame_number++;
    values[4].time += 0.001;
    values[5].note = "note";
    values[6].recorded_degrees = NAN;
    values[7].recorded = 0.25;
    values[8].recorded = -0.25;
    for (int i = 0; i < 9; i++) {
        draw_hud(640, 360, SURFACE_YUV420, &values[i], &canvases[i]);
        for (int k = 0; k < i; k++)
            assert_false(canvas_equal(&canvases[i], &canvases[k]));
    }
    /* The same values, the same picture. */
    canvas_free(&canvases[1]);
    draw_hud(640, 360, SURFACE_YUV420, &values[0], &canvases[1]);
    assert_true(canvas_equal(&canvases[0], &canvases[1]));
    for (int i = 0; i < 9; i++)
        canvas_free(&canvases[i]);
}

/* What rounds to zero has no sign, or it would flicker on a straight road. */
static void zero_has_no_sign(void **state)
{
    static const double steerings[] = {0, -0.0, 0.0004, -0.0004};
    struct hud_values values = usual;
    struct canvas zero, canvas;

    (void)state;
    values.steering = 0;
    draw_hud(640, 360, SURFACE_RGB24, &values, &zero);
    for (size_t i = 0; i < sizeof(steerings) / sizeof(steerings[0]); i++) {
        values.steering = steerings[i];
        draw_hud(640, 360, SURFACE_RGB24, &values, &canvas);
        assert_true(canvas_equal(&canvas, &zero));
        canvas_free(&canvas);
    }
    values.steering = -0.0006;
    draw_hud(640, 360, SURFACE_RGB24, &values, &canvas);
    assert_false(canvas_equal(&canvas, &zero));
    canvas_free(&canvas);
    canvas_free(&zero);
}

static void the_display_takes_anything(void **state)
{
    static const int sizes[][2] = {{1, 1}, {2, 50}, {50, 2}, {33, 33}, {64, 48}};
    const struct hud_values values[] = {
        {NAN, NULL, NAN, NAN, NAN, 0, NAN, NULL},
        {INFINITY, "", -INFINITY, INFINITY, INFINITY, INT64_MIN, -INFINITY, ""},
        {-1e308, "\xff\xfe unit of a length that no unit should have, yet here it is, and more",
         1e300, -1e300, -1e300, INT64_MAX, -0.0004, "\xc3"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        for (size_t k = 0; k < sizeof(values) / sizeof(values[0]); k++) {
            for (int format = 0; format < CANVAS_FORMATS; format++) {
                struct canvas canvas;

                draw_hud(sizes[i][0], sizes[i][1], (enum surface_format)format, &values[k],
                         &canvas);
                canvas_free(&canvas);
            }
        }
    }
}

static void refuses_impossible_pictures(void **state)
{
    struct hud *hud;
    VbpError error;

    (void)state;
    assert_int_equal(hud_create(&hud, 0, 100, &error), VBP_ERROR_ARGUMENT);
    assert_null(hud);
    assert_int_equal(hud_create(&hud, 100, INT_MAX, &error), VBP_ERROR_ARGUMENT);
    assert_null(hud);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(panels_have_round_corners),
        cmocka_unit_test(panels_have_no_seams),
        cmocka_unit_test(odd_panels_do_no_harm),
        cmocka_unit_test(a_straight_wheel_is_symmetric),
        cmocka_unit_test(the_mark_turns_with_the_wheel),
        cmocka_unit_test(the_recorded_angle_has_a_tick),
        cmocka_unit_test(refuses_impossible_wheels),
        cmocka_unit_test(the_display_fits_every_picture),
        cmocka_unit_test(the_display_stands_still),
        cmocka_unit_test(the_display_shows_its_values),
        cmocka_unit_test(zero_has_no_sign),
        cmocka_unit_test(the_display_takes_anything),
        cmocka_unit_test(refuses_impossible_pictures),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
