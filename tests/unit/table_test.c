/* table.c: panels that fit their picture, with all that is in them. */
#include "draw/table.h"

#include "../support/canvas.h"

#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const struct table_row rows[] = {
    {NULL, "Playing"},
    {"Space", "pause, go on"},
    {".", "next frame"},
    {",", "previous frame"},
    {"← →", "5 seconds back, forward"},
    {"Shift+← →", "1 second back, forward"},
    {"Backspace", "normal speed"},
    {NULL, "Mask"},
    {"v", "mask on, off"},
    {"1 2", "opacity down, up"},
    {"3 4", "threshold down, up"},
    {NULL, "Window"},
    {"f", "full screen"},
    {"s", "save overlay, mask and report of this frame"},
    {"?", "this list"},
    {"q", "quit"},
};
#define ROW_COUNT ((int)(sizeof(rows) / sizeof(rows[0])))

static void check_in_picture(int width, int height, int count, enum surface_format format)
{
    struct canvas canvas, before;
    VbpRectangle changed;
    struct table *table;
    int panel_width, panel_height;

    assert_int_equal(table_create(&table, "Keys", rows, count, width, height, NULL), VBP_OK);
    table_size(table, &panel_width, &panel_height);
    assert_true(panel_width >= 1 && panel_width <= width);
    assert_true(panel_height >= 1 && panel_height <= height);
    canvas_make(&canvas, format, width, height, false, 1);
    surface_clear(&canvas.surface, (struct color){120, 150, 200, 255});
    canvas_copy(&before, &canvas);
    table_draw(table, &canvas.surface);
    assert_true(canvas_guard_whole(&canvas));

    /* In the middle, and nothing outside the panel (chroma may touch the next pixel). */
    changed = canvas_difference(&before, &canvas);
    assert_true(abs(2 * changed.x + changed.width - width) <= 4);
    assert_true(abs(2 * changed.y + changed.height - height) <= 4);
    if (format == SURFACE_RGB24)
        assert_true(changed.width <= panel_width && changed.height <= panel_height);
    assert_true(changed.width <= panel_width + 2 && changed.height <= panel_height + 2);
    assert_true(changed.width >= panel_width - 2 && changed.height >= panel_height - 2);
    table_destroy(&table);
    assert_null(table);
    canvas_free(&canvas);
    canvas_free(&before);
}

static void tables_fit_their_picture(void **state)
{
    static const int sizes[][2] = {{160, 120},  {320, 240},   {640, 360},   {960, 540},
                                   {540, 960},  {1920, 1080}, {1921, 1081}, {3840, 2160},
                                   {2000, 100}, {40, 30},     {1, 1}};

    (void)state;
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        check_in_picture(sizes[i][0], sizes[i][1], ROW_COUNT, SURFACE_RGB24);
        check_in_picture(sizes[i][0], sizes[i][1], 1, SURFACE_YUV420);
    }
}

/* Every row shows: the picture changes with each text and each key. */
static void every_row_shows(void **state)
{
    struct table_row changed[ROW_COUNT];
    struct canvas reference;
    struct table *table;
    int width, height;

    (void)state;
    assert_int_equal(table_create(&table, NULL, rows, ROW_COUNT, 960, 540, NULL), VBP_OK);
    table_size(table, &width, &height);
    canvas_make(&reference, SURFACE_ARGB32, width, height, false, 1);
    surface_clear(&reference.surface, (struct color){0, 0, 0, 0});
    table_draw_at(table, &reference.surface, 0, 0);
    table_destroy(&table);
    for (int i = 0; i < 2 * ROW_COUNT; i++) {
        struct table_row *row = &changed[i / 2];
        struct canvas canvas;

        memcpy(changed, rows, sizeof(rows));
        if (i % 2)
            row->text = "x";
        else if (row->key)
            row->key = "~";
        else
            continue;
        canvas_make(&canvas, SURFACE_ARGB32, width, height, false, 1);
        surface_clear(&canvas.surface, (struct color){0, 0, 0, 0});
        assert_int_equal(table_create(&table, NULL, changed, ROW_COUNT, 960, 540, NULL), VBP_OK);
        table_draw_at(table, &canvas.surface, 0, 0);
        table_destroy(&table);
        assert_false(canvas_equal(&canvas, &reference));
        canvas_free(&canvas);
    }
    canvas_free(&reference);
}

static void odd_rows_do_no_harm(void **state)
{
    char long_text[3000];
    struct table_row odd[256];

    (void)state;
    memset(long_text, 'm', sizeof(long_text) - 1);
    long_text[sizeof(long_text) - 1] = '\0';
    for (int i = 0; i < 256; i++) {
        odd[i].key = i % 5 == 0 ? NULL : i % 5 == 1 ? "" : i % 5 == 2 ? long_text : "\xff\xc3";
        odd[i].text = i % 7 == 0 ? NULL : i % 7 == 1 ? "" : i % 7 == 2 ? long_text : "\xe2\x82";
    }
    for (int count = 1; count <= 256; count = count * 2 + (count == 1)) {
        struct canvas canvas;
        struct table *table;

        canvas_make(&canvas, SURFACE_YUV420, 333, 211, false, 1);
        assert_int_equal(table_create(&table, long_text, odd, count, 333, 211, NULL), VBP_OK);
        table_draw(table, &canvas.surface);
        table_draw_at(table, &canvas.surface, -150, -90);
        table_draw_at(table, &canvas.surface, 300, 200);
        table_draw_at(table, &canvas.surface, INT_MAX / 2, INT_MIN / 2);
        assert_true(canvas_guard_whole(&canvas));
        table_destroy(&table);
        canvas_free(&canvas);
    }
}

static void refuses_nonsense(void **state)
{
    struct table *table;
    VbpError error;

    (void)state;
    assert_int_equal(table_create(&table, NULL, rows, 0, 100, 100, &error), VBP_ERROR_ARGUMENT);
    assert_null(table);
    assert_int_equal(table_create(&table, NULL, rows, 257, 100, 100, &error), VBP_ERROR_ARGUMENT);
    assert_int_equal(table_create(&table, NULL, rows, 1, 0, 100, &error), VBP_ERROR_ARGUMENT);
    assert_int_equal(table_create(&table, NULL, rows, 1, 100, INT_MAX, NULL), VBP_ERROR_ARGUMENT);
    assert_null(table);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tables_fit_their_picture),
        cmocka_unit_test(every_row_shows),
        cmocka_unit_test(odd_rows_do_no_harm),
        cmocka_unit_test(refuses_nonsense),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
