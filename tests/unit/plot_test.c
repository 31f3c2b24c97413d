/* plot.c, plot_axis.c: ticks, and lines where they belong. */
#include "draw/plot.h"
#include "draw/plot_axis.h"
#include "draw/style.h"
#include "support/rgb_picture.h"

#include <float.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define MINUS "\u2212"

/* ---- Axes ----------------------------------------------------------------------------------- */

/* The texts of all ticks with a blank behind each; "_" for those without. */
static const char *ticks(const struct plot_axis *axis)
{
    static char text[PLOT_MAX_TICKS * (PLOT_TICK_SIZE + 1)];
    size_t used = 0;

    text[0] = '\0';
    for (int i = 0; i < axis->tick_count; i++) {
        double place = plot_axis_place(axis, axis->ticks[i].value);

        assert_true(place > -1e-6 && place < 1 + 1e-6);
        assert_true(i == 0 || axis->ticks[i].value > axis->ticks[i - 1].value);
        used += (size_t)snprintf(text + used, sizeof(text) - used, "%s ",
                                 axis->ticks[i].text[0] ? axis->ticks[i].text : "_");
    }
    return text;
}

static void linear_ticks_are_round(void **state)
{
    static const struct {
        double least, most;
        int most_ticks;
        double least_step;
        const char *ticks;
    } cases[] = {
        {0, 1, 6, 0, "0 0.2 0.4 0.6 0.8 1.0 "},
        {0, 16, 9, 1, "0 2 4 6 8 10 12 14 16 "},
        {-0.53, 0.46, 7, 0, MINUS "0.4 " MINUS "0.2 0 0.2 0.4 "},
        {3, 3, 5, 0, "2.8 3.0 3.2 "},
        {3, 3, 5, 1, "2 3 4 "},
        {0, 0, 3, 0, MINUS "1 0 1 "},
        {0, 2, 20, 1, "0 1 2 "},
        {-2e7, 5e7, 4, 0, "0 5e7 "},
        {-2e-6, 3e-6, 4, 0, MINUS "2e" MINUS "6 0 2e" MINUS "6 "},
        {1.5e6, 1.6e6, 3, 0, "1.5e6 1.55e6 1.6e6 "},
        {99.9, 100.1, 3, 0, "99.9 100.0 100.1 "},
        {3.1, 7.3, 2, 0, "4 6 "},
        {-0.1, 0.1, 2, 0, MINUS "0.1 0.1 "},
        {1, 0, 3, 0, "0 0.5 1.0 "}, /* nothing is drawn */
    };
    struct plot_axis axis;

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        const struct plot_span span = {cases[i].least, cases[i].most};

        plot_axis_set(&axis, span, cases[i].most_ticks, cases[i].least_step, false);
        if (i == 12) /* either pair of round numbers would do */
            assert_true(axis.tick_count >= 2);
        else
            assert_string_equal(ticks(&axis), cases[i].ticks);
        assert_true(axis.least < axis.most);
    }
}

/* Whatever the span: at least two ticks, not too many, and room for all that is drawn. */
static void any_span_gets_ticks(void **state)
{
    struct plot_axis axis;
    uint32_t seed = 1;

    (void)state;
    for (int i = 0; i < 20000; i++) {
        double number[2];
        struct plot_span span;
        int most_ticks = 2 + i % 20;
        bool rounded = i & 1;

        for (int j = 0; j < 2; j++) {
            seed = seed * 1664525 + 1013904223;
            number[j] = ((double)(seed >> 8) / (1 << 23) - 1) * pow(10, (int)(seed >> 3 & 15) - 8);
        }
        if (i % 3 == 0)
            number[1] = number[0] * (1 + 1e-7);
        if (i % 100 == 0)
            number[0] *= 1e290;
        span = (struct plot_span){fmin(number[0], number[1]), fmax(number[0], number[1])};
        plot_axis_set(&axis, span, most_ticks, 0, rounded);
        assert_true(axis.least <= span.least && axis.most >= span.most);
        assert_in_range(axis.tick_count, 2, most_ticks < 3 ? 5 : most_ticks + 2);
        ticks(&axis);
        /* Not much wider than what is drawn. */
        if (span.most - span.least > 1e-3 * fmax(fabs(span.least), fabs(span.most)))
            assert_true(axis.most - axis.least <= 2 * (span.most - span.least));
        for (int j = 1; j < axis.tick_count; j++)
            assert_string_not_equal(axis.ticks[j].text, axis.ticks[j - 1].text);
    }
}

static void logarithmic_ticks_are_decades(void **state)
{
    static const struct {
        double least, most;
        int most_ticks;
        const char *ticks;
    } cases[] = {
        {1, 10, 6, "1 2 5 10 "},
        {3, 3, 6, "2 5 "},
        {1, 1, 6, "0.5 1 2 "},
        {0.0004, 0.3, 5, "_ _ 0.001 _ _ 0.01 _ _ 0.1 _ _ "},
        {1e-12, 1e9, 3, "1e" MINUS "10 1 1e10 "},
        {0.9, 1.1, 3, "0.5 1 2 "},
        {1e-5, 1e-4, 5, "1e" MINUS "5 2e" MINUS "5 5e" MINUS "5 0.0001 "},
        {2, 1, 5, "1 2 5 10 "}, /* nothing is drawn */
    };
    struct plot_axis axis;

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        plot_axis_set_logarithmic(&axis, (struct plot_span){cases[i].least, cases[i].most},
                                  cases[i].most_ticks);
        if (i == 4)
            assert_true(axis.tick_count >= 2 && ticks(&axis));
        else
            assert_string_equal(ticks(&axis), cases[i].ticks);
        assert_true(axis.least < axis.most && axis.least > 0);
        if (cases[i].least <= cases[i].most)
            assert_true(axis.least <= cases[i].least && axis.most >= cases[i].most);
    }
    assert_true(fabs(plot_axis_place(&axis, sqrt(10)) - 0.5) < 1e-9);
}

/* ---- Plots ---------------------------------------------------------------------------------- */

static const struct plot_options plain = {NULL, NULL, NULL, false};

static struct rgb_picture draw(const struct plot_options *options, const struct plot_series *series,
                               int count, int width, int height)
{
    struct rgb_picture picture = {NULL, width, height};
    VbpError error;

    if (plot_draw(options, series, count, width, height, &picture.pixels, &error) != VBP_OK)
        fail_msg("%s", error.message);
    rgb_picture_check(&picture);
    return picture;
}

/* Where series 0 is drawn. */
static VbpRectangle find_line(const struct rgb_picture *picture, int *count)
{
    return rgb_picture_find(picture, plot_color(0), count);
}

static void a_rising_line_goes_from_corner_to_corner(void **state)
{
    enum { COUNT = 1001 };
    static double x[COUNT], y[COUNT];
    const struct plot_series series = {NULL, x, y, COUNT};
    struct rgb_picture picture;
    VbpRectangle line;
    int count;

    (void)state;
    for (int i = 0; i < COUNT; i++) {
        x[i] = i / 100.0;
        y[i] = 10 + i / 50.0;
    }
    picture = draw(&plain, &series, 1, 640, 400);
    line = find_line(&picture, &count);
    assert_in_range(line.x + line.width, 640 - 32 - 8, 640 - 32 + 4);
    assert_in_range(line.x, 50, 75);
    /* The frame begins half a line below the margin, and the line in its upper corner. */
    assert_in_range(line.y, 32, 44);
    assert_in_range(line.y + line.height, 400 - 32 - 40, 400 - 32 - 24);
    /* Rising: it is at the left below and at the right above, and thin. */
    for (int i = 0; i < 10; i++) {
        int at = line.x + line.width * (2 * i + 1) / 20, sum = 0, there = 0;

        for (int row = line.y; row < line.y + line.height; row++) {
            const uint8_t *pixel = rgb_picture_at(&picture, at, row);
            struct color color = plot_color(0);

            if (abs(pixel[0] - color.red) + abs(pixel[1] - color.green) +
                    abs(pixel[2] - color.blue) <
                60) {
                sum += row;
                there++;
            }
        }
        assert_in_range(there, 1, 5);
        assert_in_range(sum / there, line.y + line.height * (19 - 2 * i) / 20 - 3,
                        line.y + line.height * (19 - 2 * i) / 20 + 3);
    }
    free(picture.pixels);
}

static void gaps_stay_open(void **state)
{
    enum { COUNT = 101 };
    double y[COUNT];
    const struct plot_series series = {NULL, NULL, y, COUNT};
    struct rgb_picture picture;
    VbpRectangle line;
    int count, empty = 0;

    (void)state;
    for (int i = 0; i < COUNT; i++)
        y[i] = i > 40 && i < 60 ? (i & 1 ? NAN : -INFINITY) : 5;
    picture = draw(&plain, &series, 1, 640, 400);
    line = find_line(&picture, &count);
    assert_in_range(line.height, 1, 3);
    for (int x = line.x; x < line.x + line.width; x++) {
        if (rgb_picture_at(&picture, x, line.y)[0] != plot_color(0).red)
            empty++;
    }
    assert_in_range(empty, line.width * 18 / 100, line.width * 21 / 100);
    free(picture.pixels);
}

static void few_points_are_dots(void **state)
{
    const double one[] = {7}, two[] = {1, 2}, apart[] = {1, NAN, 1};
    struct plot_series series = {"a", NULL, one, 1};
    struct plot_options options = plain;
    struct rgb_picture picture;
    VbpRectangle found;
    int count;

    (void)state;
    series.name = NULL;
    for (int i = 0; i < 2; i++) {
        options.log_y = i;
        picture = draw(&options, &series, 1, 400, 300);
        found = find_line(&picture, &count);
        assert_in_range(found.width, 5, 9);
        assert_in_range(found.height, 5, 9);
        assert_true(count * 4 > found.width * found.height * 2);
        free(picture.pixels);
    }
    series = (struct plot_series){NULL, NULL, two, 2};
    picture = draw(&plain, &series, 1, 400, 300);
    found = find_line(&picture, &count);
    assert_true(found.width > 300 && found.height > 200);
    free(picture.pixels);
    series = (struct plot_series){NULL, NULL, apart, 3};
    picture = draw(&plain, &series, 1, 400, 300);
    find_line(&picture, &count);
    assert_in_range(count, 40, 110);
    free(picture.pixels);
}

/* 1, 10 and 100 are equally far apart on a logarithmic axis, and what has no logarithm is a gap. */
static void logarithms_are_drawn(void **state)
{
    const double y[] = {1, NAN, 10, NAN, 100, 0, -5};
    const struct plot_options options = {NULL, NULL, NULL, true};
    const struct plot_series series = {NULL, NULL, y, 7};
    struct rgb_picture picture = draw(&options, &series, 1, 400, 300);
    VbpRectangle all;
    int count, middle;

    (void)state;
    all = find_line(&picture, &count);
    assert_in_range(count, 60, 160);
    middle = all.x + all.width / 2;
    for (int y_pixel = all.y; y_pixel < all.y + all.height; y_pixel++) {
        if (rgb_picture_at(&picture, middle, y_pixel)[0] == plot_color(0).red)
            assert_in_range(y_pixel, all.y + all.height / 2 - 5, all.y + all.height / 2 + 5);
    }
    free(picture.pixels);
}

static void series_have_colors_and_names(void **state)
{
    double y[PLOT_MAX_SERIES][2];
    struct plot_series series[PLOT_MAX_SERIES];
    const struct plot_options options = {"title", "x / s", "y / rad", false};
    struct rgb_picture without, with;
    VbpRectangle before, after;
    int count, more;

    (void)state;
    for (int i = 0; i < PLOT_MAX_SERIES; i++) {
        y[i][0] = y[i][1] = i;
        series[i] = (struct plot_series){NULL, NULL, y[i], 2};
    }
    without = draw(&options, series, PLOT_MAX_SERIES, 640, 400);
    for (int i = 0; i < PLOT_MAX_SERIES; i++)
        series[i].name = "a name";
    with = draw(&options, series, PLOT_MAX_SERIES, 640, 400);
    for (int i = 0; i < PLOT_MAX_SERIES - 1; i++) { /* the last is the white of the title too */
        before = rgb_picture_find(&without, plot_color(i), &count);
        after = rgb_picture_find(&with, plot_color(i), &more);
        assert_true(count > 400 && more > 400);
        /* The swatch stands above the frame. */
        assert_true(after.y < before.y && after.y < 120);
        for (int j = 0; j < i; j++) {
            const struct color a = plot_color(i), b = plot_color(j);

            assert_memory_not_equal(&a, &b, sizeof(a));
        }
    }
    free(without.pixels);
    free(with.pixels);
}

/* The margin stays bare whatever is plotted. */
static void nothing_leaves_the_page(void **state)
{
    static const int sizes[][2] = {{240, 160}, {241, 163}, {320, 240}, {1000, 200}, {300, 900}};
    const double huge[] = {-1e300, 1e300, 1e301, -DBL_MAX, INFINITY, 5, DBL_MIN};
    const double tiny[] = {1e-310, 2e-310, 0, 1e-300, 3e-300};
    const double x[] = {5, 4, 3, 2, 1, 0, 1e299};
    const struct plot_series cases[] = {
        {"huge", NULL, huge, 7}, {"huge", x, huge, 7},  {"tiny", NULL, tiny, 5},
        {"none", NULL, huge, 0}, {NULL, NULL, NULL, 0}, {"back", huge, x, 7},
    };
    char name[2000];
    struct plot_options options = {name, name, name, false};

    (void)state;
    memset(name, 'W', sizeof(name) - 1);
    name[sizeof(name) - 1] = '\0';
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        for (size_t c = 0; c < sizeof(cases) / sizeof(cases[0]) * 2; c++) {
            struct plot_series series[2] = {cases[c / 2], cases[c / 2]};
            struct rgb_picture picture;

            series[1].name = name;
            options.log_y = c & 1;
            picture = draw(&options, series, 2, sizes[i][0], sizes[i][1]);
            for (int y = 0; y < picture.height; y++) {
                for (int x_pixel = 0; x_pixel < 12; x_pixel++) {
                    assert_memory_equal(rgb_picture_at(&picture, picture.width - 1 - x_pixel, y),
                                        picture.pixels, 3);
                    if (y < 24 || y >= picture.height - 24)
                        assert_memory_equal(rgb_picture_at(&picture, x_pixel, y), picture.pixels,
                                            3);
                }
            }
            free(picture.pixels);
        }
    }
}

static void no_series_is_a_plot_too(void **state)
{
    struct rgb_picture picture = draw(&plain, NULL, 0, 400, 300);
    int count;

    (void)state;
    rgb_picture_find(&picture, style_name, &count); /* "no data" */
    assert_true(count > 10);
    free(picture.pixels);
}

static void refuses_nonsense(void **state)
{
    const double value = 1;
    const struct plot_series good = {"good", NULL, &value, 1}, bad = {"bad", &value, NULL, 1};
    uint8_t *pixels = (uint8_t *)"";
    VbpError error;

    (void)state;
    assert_int_equal(plot_draw(&plain, &bad, 1, 400, 300, &pixels, &error), VBP_ERROR_ARGUMENT);
    assert_null(pixels);
    assert_non_null(strstr(error.message, "bad"));
    assert_int_equal(plot_draw(&plain, &good, -1, 400, 300, &pixels, &error), VBP_ERROR_ARGUMENT);
    assert_int_equal(plot_draw(&plain, &good, PLOT_MAX_SERIES + 1, 400, 300, &pixels, &error),
                     VBP_ERROR_ARGUMENT);
    assert_int_equal(plot_draw(&plain, &good, 1, 239, 300, &pixels, &error), VBP_ERROR_ARGUMENT);
    assert_int_equal(plot_draw(&plain, &good, 1, 400, 159, &pixels, &error), VBP_ERROR_ARGUMENT);
    assert_int_equal(plot_draw(&plain, &good, 1, 16385, 300, &pixels, NULL), VBP_ERROR_ARGUMENT);
    assert_null(pixels);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(linear_ticks_are_round),
        cmocka_unit_test(any_span_gets_ticks),
        cmocka_unit_test(logarithmic_ticks_are_decades),
        cmocka_unit_test(a_rising_line_goes_from_corner_to_corner),
        cmocka_unit_test(gaps_stay_open),
        cmocka_unit_test(few_points_are_dots),
        cmocka_unit_test(logarithms_are_drawn),
        cmocka_unit_test(series_have_colors_and_names),
        cmocka_unit_test(nothing_leaves_the_page),
        cmocka_unit_test(no_series_is_a_plot_too),
        cmocka_unit_test(refuses_nonsense),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
