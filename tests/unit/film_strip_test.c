/* film_strip.c: where pictures and captions are. */
#include "draw/film_strip.h"
#include "draw/style.h"
#include "support/rgb_picture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define ROWS    3
#define COLUMNS 4

/* Pictures of 3 x 2 pixels, each in a colour of its own with a white corner at the lower right. */
struct fixture {
    uint8_t bytes[ROWS * COLUMNS][18];
    const uint8_t *pictures[ROWS * COLUMNS];
    struct film_strip strip;
};

static struct color picture_color(int i)
{
    return (struct color){(uint8_t)(250 - i), (uint8_t)(10 + i), 77, 255};
}

static void set_up(struct fixture *fixture)
{
    for (int i = 0; i < ROWS * COLUMNS; i++) {
        struct color color = picture_color(i);

        for (int p = 0; p < 6; p++) {
            fixture->bytes[i][3 * p] = color.red;
            fixture->bytes[i][3 * p + 1] = color.green;
            fixture->bytes[i][3 * p + 2] = color.blue;
        }
        memset(fixture->bytes[i] + 15, 255, 3);
        fixture->pictures[i] = fixture->bytes[i];
    }
    fixture->strip = (struct film_strip){.rows = ROWS,
                                         .columns = COLUMNS,
                                         .picture_width = 3,
                                         .picture_height = 2,
                                         .pictures = fixture->pictures};
}

static struct rgb_picture draw(const struct film_strip *strip)
{
    struct rgb_picture picture;
    VbpError error;

    if (film_strip_draw(strip, &picture.pixels, &picture.width, &picture.height, &error) != VBP_OK)
        fail_msg("%s", error.message);
    rgb_picture_check(&picture);
    return picture;
}

static void pictures_stand_in_a_grid(void **state)
{
    VbpRectangle found[ROWS * COLUMNS];
    struct rgb_picture picture;
    struct fixture fixture;
    int count;

    (void)state;
    set_up(&fixture);
    picture = draw(&fixture.strip);
    for (int i = 0; i < ROWS * COLUMNS; i++) {
        found[i] = rgb_picture_find(&picture, picture_color(i), &count);
        /* Enlarged 43 times, to 128 or a little more. */
        assert_int_equal(found[i].width, 129);
        assert_int_equal(found[i].height, 86);
        assert_int_equal(count, 5 * 43 * 43);
        assert_int_equal(rgb_picture_at(&picture, found[i].x + 86, found[i].y + 43)[0], 255);
        assert_int_equal(rgb_picture_at(&picture, found[i].x + 85, found[i].y + 43)[2], 77);
        assert_int_equal(found[i].x, found[0].x + i % COLUMNS * (found[1].x - found[0].x));
        assert_int_equal(found[i].y, found[0].y + i / COLUMNS * (found[COLUMNS].y - found[0].y));
    }
    assert_int_equal(found[1].x - found[0].x, 129 + 8);
    assert_int_equal(found[COLUMNS].y - found[0].y, 86 + 8);
    assert_int_equal(found[0].x, 32);
    assert_int_equal(found[0].y, 32);
    assert_int_equal(picture.width, found[COLUMNS - 1].x + 129 + 32);
    assert_int_equal(picture.height, found[ROWS * COLUMNS - 1].y + 86 + 32);
    free(picture.pixels);
}

static void large_pictures_stay_as_they_are(void **state)
{
    enum { WIDTH = 200, HEIGHT = 66 };
    uint8_t *bytes = malloc((size_t)WIDTH * HEIGHT * 3);
    const uint8_t *pictures[2] = {bytes, NULL};
    const struct film_strip strip = {.rows = 1,
                                     .columns = 2,
                                     .picture_width = WIDTH,
                                     .picture_height = HEIGHT,
                                     .pictures = pictures};
    struct rgb_picture picture;
    VbpRectangle dark;
    int count;

    (void)state;
    assert_non_null(bytes);
    for (int i = 0; i < WIDTH * HEIGHT * 3; i++)
        bytes[i] = (uint8_t)(i * 7 % 251);
    picture = draw(&strip);
    for (int y = 0; y < HEIGHT; y++)
        assert_memory_equal(rgb_picture_at(&picture, 32, 32 + y), bytes + (ptrdiff_t)y * WIDTH * 3,
                            (size_t)WIDTH * 3);
    /* The one that is not there is a dark cell of the same size. */
    dark = rgb_picture_find(&picture, style_cell, &count);
    assert_int_equal(dark.x, 32 + WIDTH + 8);
    assert_int_equal(dark.y, 32);
    assert_int_equal(count, WIDTH * HEIGHT);
    free(picture.pixels);
    free(bytes);
}

/* The rectangle in which the ground is not bare, inside the given one. */
static VbpRectangle drawn_in(const struct rgb_picture *picture, VbpRectangle area)
{
    int left = area.x + area.width, top = area.y + area.height, right = 0, bottom = 0;

    for (int y = area.y; y < area.y + area.height; y++) {
        for (int x = area.x; x < area.x + area.width; x++) {
            if (memcmp(rgb_picture_at(picture, x, y), picture->pixels, 3) == 0)
                continue;
            left = x < left ? x : left;
            top = y < top ? y : top;
            right = x >= right ? x + 1 : right;
            bottom = y + 1;
        }
    }
    return (VbpRectangle){left, top, right - left, bottom - top};
}

static void captions_stand_beside_their_pictures(void **state)
{
    const char *rows[ROWS] = {"first", NULL, "third"}, *columns[COLUMNS] = {"0.1", "1", "", "16"};
    struct rgb_picture picture;
    struct fixture fixture;
    VbpRectangle cell, text;
    int count;

    (void)state;
    set_up(&fixture);
    fixture.strip.row_captions = rows;
    fixture.strip.column_captions = columns;
    fixture.strip.title = "title";
    picture = draw(&fixture.strip);
    for (int i = 0; i < COLUMNS; i++) {
        cell = rgb_picture_find(&picture, picture_color(i), &count);
        text = drawn_in(&picture, (VbpRectangle){cell.x, cell.y - 28, cell.width, 28});
        if (i == 2) {
            assert_true(text.width <= 0);
            continue;
        }
        assert_true(text.height > 8 && text.y + text.height < cell.y);
        assert_in_range(2 * text.x + text.width, 2 * cell.x + cell.width - 4,
                        2 * cell.x + cell.width + 4);
    }
    for (int i = 0; i < ROWS; i++) {
        cell = rgb_picture_find(&picture, picture_color(i * COLUMNS), &count);
        text = drawn_in(&picture, (VbpRectangle){0, cell.y, cell.x, cell.height});
        if (i == 1) {
            assert_true(text.width <= 0);
            continue;
        }
        assert_true(text.x >= 32 && text.x + text.width <= cell.x - 8);
        assert_in_range(2 * text.y + text.height, 2 * cell.y + cell.height - 8,
                        2 * cell.y + cell.height + 8);
    }
    text = drawn_in(&picture, (VbpRectangle){0, 0, picture.width, 56});
    assert_int_equal(text.x / 4, 32 / 4);
    assert_true(text.width > 20);
    free(picture.pixels);
}

/* Texts that are too long neither leave the picture nor reach their neighbours. */
static void long_captions_are_cut(void **state)
{
    const char *rows[ROWS], *columns[COLUMNS] = {NULL, NULL, NULL, NULL};
    struct rgb_picture picture;
    struct fixture fixture;
    VbpRectangle cell, text;
    char name[3000];
    int count;

    (void)state;
    memset(name, 'W', sizeof(name) - 1);
    name[sizeof(name) - 1] = '\0';
    set_up(&fixture);
    for (int i = 0; i < ROWS; i++)
        rows[i] = name;
    columns[1] = name;
    fixture.strip.row_captions = rows;
    fixture.strip.column_captions = columns;
    fixture.strip.title = name;
    picture = draw(&fixture.strip);
    cell = rgb_picture_find(&picture, picture_color(1), &count);
    text = drawn_in(&picture, (VbpRectangle){0, cell.y - 28, picture.width, 28});
    assert_true(text.x >= cell.x && text.x + text.width <= cell.x + cell.width);
    text = drawn_in(&picture, (VbpRectangle){0, 0, picture.width, 56});
    assert_true(text.x + text.width <= picture.width - 32);
    cell = rgb_picture_find(&picture, picture_color(0), &count);
    text = drawn_in(&picture, (VbpRectangle){0, cell.y, cell.x, cell.height});
    assert_true(text.x + text.width <= cell.x - 8 && cell.x < 320);
    free(picture.pixels);
}

static void refuses_nonsense(void **state)
{
    struct fixture fixture;
    struct film_strip bad[6];
    uint8_t *pixels = (uint8_t *)"";
    VbpError error;
    int width, height;

    (void)state;
    set_up(&fixture);
    for (int i = 0; i < 6; i++)
        bad[i] = fixture.strip;
    bad[0].rows = 0;
    bad[1].columns = 257;
    bad[2].picture_width = 0;
    bad[3].picture_height = -1;
    bad[4].picture_width = 8193;
    bad[5].rows = bad[5].columns = 256; /* too large as a whole */
    bad[5].picture_width = bad[5].picture_height = 8192;
    for (int i = 0; i < 6; i++) {
        assert_int_equal(film_strip_draw(&bad[i], &pixels, &width, &height, &error),
                         VBP_ERROR_ARGUMENT);
        assert_null(pixels);
        assert_int_equal(width, 0);
        assert_true(error.message[0]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pictures_stand_in_a_grid),
        cmocka_unit_test(large_pictures_stay_as_they_are),
        cmocka_unit_test(captions_stand_beside_their_pictures),
        cmocka_unit_test(long_captions_are_cut),
        cmocka_unit_test(refuses_nonsense),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
