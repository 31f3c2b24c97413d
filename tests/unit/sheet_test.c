/* sheet.c: the size of the sheet, and what is in it. */
#include "draw/colormap.h"
#include "draw/sheet.h"

#include <limits.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

struct picture {
    uint8_t *pixels;
    int width, height;
};

static struct picture draw(const struct sheet_map *averages, const struct sheet_map *products,
                           int count)
{
    struct picture picture;
    VbpError error;

    if (sheet_draw(averages, products, count, &picture.pixels, &picture.width, &picture.height,
                   &error) != VBP_OK)
        fail_msg("%s", error.message);
    assert_non_null(picture.pixels);
    /* Read every byte, for the tools that watch for what was never written. */
    for (size_t i = 0; i < (size_t)picture.width * (size_t)picture.height * 3; i++)
        assert_true(picture.pixels[i] <= 255);
    return picture;
}

/* The rectangle around all pixels of this colour, right of column `from` and left of `to`. */
static VbpRectangle find_color(const struct picture *picture, struct color color, int from, int to,
                               int *count)
{
    int left = picture->width, top = picture->height, right = 0, bottom = 0;

    *count = 0;
    for (int y = 0; y < picture->height; y++) {
        for (int x = from; x < to; x++) {
            const uint8_t *pixel = picture->pixels + ((ptrdiff_t)y * picture->width + x) * 3;

            if (pixel[0] != color.red || pixel[1] != color.green || pixel[2] != color.blue)
                continue;
            left = x < left ? x : left;
            right = x >= right ? x + 1 : right;
            top = y < top ? y : top;
            bottom = y + 1;
            (*count)++;
        }
    }
    return (VbpRectangle){left, top, right - left, bottom - top};
}

static void maps_lie_side_by_side(void **state)
{
    const float average[6] = {5, 5, 5, 5, 5, 9}, product[6] = {-7, -1, -1, -1, -1, -1};
    const struct sheet_map averages = {"relu", 2, 3, average}, products = {"relu", 2, 3, product};
    const struct color *colors = colormap_colors(COLORMAP_EMBER);
    struct picture picture = draw(&averages, &products, 1);
    int middle = picture.width / 2, count;
    VbpRectangle hot, cold, last;

    (void)state;
    /* One of six cells is at the upper end of the left map: its lower right one. */
    hot = find_color(&picture, colors[255], 0, middle, &count);
    cold = find_color(&picture, colors[0], 0, middle, &count);
    assert_int_equal(hot.width * 3, cold.width);
    assert_int_equal(hot.height * 2, cold.height);
    assert_int_equal(hot.width, hot.height);
    assert_int_equal(hot.x + hot.width, cold.x + cold.width);
    assert_int_equal(hot.y + hot.height, cold.y + cold.height);

    /* And all but the upper left one are in the right map, at the same height. */
    last = find_color(&picture, colors[255], middle, picture.width, &count);
    assert_int_equal(count, 5 * hot.width * hot.height);
    assert_int_equal(last.y, cold.y);
    assert_int_equal(last.width, cold.width);
    assert_true(fabs((cold.x + cold.width / 2.0 + last.x + last.width / 2.0) / 2 - middle) <= 1);
    free(picture.pixels);
}

/* The height that one row of maps of this size adds to a sheet. */
static int row_height(int height, int width)
{
    float *values = calloc((size_t)height * (size_t)width, sizeof(*values));
    const struct sheet_map map = {"m", height, width, values};
    const struct sheet_map twice[2] = {map, map};
    struct picture one, two;
    int added;

    assert_non_null(values);
    one = draw(&map, &map, 1);
    two = draw(twice, twice, 2);
    assert_int_equal(one.width, two.width);
    assert_int_equal(one.width, 1056);
    added = two.height - one.height;
    free(one.pixels);
    free(two.pixels);
    free(values);
    return added;
}

static void rows_are_as_high_as_their_maps(void **state)
{
    int caption = row_height(125, 640) - 94; /* 480 wide, 93.75 high */

    (void)state;
    assert_true(caption > 30 && caption < 70);
    assert_int_equal(row_height(31, 98) - caption, 152);
    assert_int_equal(row_height(1, 18) - caption, 27);
    assert_int_equal(row_height(1, 1) - caption, 96); /* not blown up without end */
    assert_int_equal(row_height(64, 64) - caption, 320);
    assert_int_equal(row_height(640, 2) - caption, 320);
    assert_int_equal(row_height(1, 3000) - caption, 1);
}

static void many_levels_fit(void **state)
{
    enum { COUNT = 64 };
    struct sheet_map maps[COUNT];
    const float values[4] = {0, 1, 2, 3};
    struct picture few, many;

    (void)state;
    for (int i = 0; i < COUNT; i++)
        maps[i] = (struct sheet_map){"level", 1 + i % 2, 2, values};
    few = draw(maps, maps, 2);
    many = draw(maps, maps, COUNT);
    assert_int_equal((many.height - few.height) % (COUNT / 2 - 1), 0);
    assert_true(many.height > 20 * few.height);
    free(few.pixels);
    free(many.pixels);
}

static void odd_values_are_shown(void **state)
{
    const float broken[4] = {1, NAN, 2, INFINITY}, nothing[4] = {NAN, NAN, -INFINITY, NAN};
    const float constant[4] = {3, 3, 3, 3}, huge[4] = {-3.4e38f, 3.4e38f, 0, 1};
    char name[2000];
    const struct sheet_map averages[4] = {{NULL, 1, 4, broken},
                                          {"", 2, 2, nothing},
                                          {"\xff\xc3", 4, 1, constant},
                                          {name, 2, 2, huge}};
    const struct color *colors = colormap_colors(COLORMAP_EMBER);
    struct picture picture;
    VbpRectangle found;
    int count;

    (void)state;
    memset(name, 'W', sizeof(name) - 1);
    name[sizeof(name) - 1] = '\0';
    picture = draw(averages, averages, 4);
    free(picture.pixels);

    /* Two of four cells are numbers, one at each end of the range. */
    picture = draw(averages, averages, 1);
    found = find_color(&picture, colors[255], 0, picture.width / 2, &count);
    assert_int_equal(count, found.width * found.height);
    find_color(&picture, colors[0], 0, picture.width / 2, &count);
    assert_int_equal(count, found.width * found.height);
    free(picture.pixels);

    /* A constant map is dark all over. */
    picture = draw(&averages[2], &averages[2], 1);
    found = find_color(&picture, colors[0], 0, picture.width / 2, &count);
    assert_int_equal(count, found.width * found.height);
    assert_true(count > 1000);
    free(picture.pixels);

    /* A name as long as this one is cut; it must not reach the other column. */
    picture = draw(&averages[3], &averages[3], 1);
    for (int y = 0; y < picture.height; y++) {
        for (int x = 32 + 480; x < 32 + 480 + 32; x++)
            assert_memory_equal(picture.pixels + ((ptrdiff_t)y * picture.width + x) * 3,
                                picture.pixels, 3);
    }
    free(picture.pixels);
}

/* Each pixel of a map reduced in size is the mean of what is under it: a board of single black and
 * white cells becomes an even gray, and keeps its total. */
static void reducing_loses_nothing(void **state)
{
    enum { WIDTH = 1920, HEIGHT = 200 };
    float *values = calloc(WIDTH * HEIGHT, sizeof(*values));
    struct sheet_map map = {"board", HEIGHT, WIDTH, values};
    const struct color *colors = colormap_colors(COLORMAP_EMBER);
    struct picture picture;
    int count;

    (void)state;
    assert_non_null(values);
    for (int y = 0; y < HEIGHT; y++) {
        for (int x = 0; x < WIDTH; x++)
            values[y * WIDTH + x] = (float)((x + y) % 2);
    }
    picture = draw(&map, &map, 1);
    find_color(&picture, colors[128], 0, picture.width / 2, &count);
    assert_int_equal(count, 480 * 50);
    free(picture.pixels);
    free(values);
}

static void refuses_nonsense(void **state)
{
    const float value = 1;
    const struct sheet_map good = {"good", 1, 1, &value};
    const struct sheet_map bad[] = {
        {"flat", 0, 5, &value}, {"thin", 5, -1, &value}, {"void", 1, 1, NULL}};
    uint8_t *pixels;
    VbpError error;
    int width, height;

    (void)state;
    for (size_t i = 0; i < 3; i++) {
        assert_int_equal(sheet_draw(&bad[i], &good, 1, &pixels, &width, &height, &error),
                         VBP_ERROR_ARGUMENT);
        assert_null(pixels);
        assert_non_null(strstr(error.message, bad[i].name));
        assert_int_equal(sheet_draw(&good, &bad[i], 1, &pixels, &width, &height, NULL),
                         VBP_ERROR_ARGUMENT);
    }
    assert_int_equal(sheet_draw(&good, &good, 0, &pixels, &width, &height, &error),
                     VBP_ERROR_ARGUMENT);
    assert_int_equal(sheet_draw(&good, &good, INT_MAX, &pixels, &width, &height, &error),
                     VBP_ERROR_ARGUMENT);
    assert_null(pixels);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(maps_lie_side_by_side),  cmocka_unit_test(rows_are_as_high_as_their_maps),
        cmocka_unit_test(many_levels_fit),        cmocka_unit_test(odd_values_are_shown),
        cmocka_unit_test(reducing_loses_nothing), cmocka_unit_test(refuses_nonsense),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
