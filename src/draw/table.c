#include "draw/table.h"

#include "base/error.h"
#include "base/memory.h"
#include "draw/gauge.h"
#include "draw/text.h"

#include <string.h>

/*
 *      .----------------------------------------.
 *      |  Title                                 |
 *      |  Heading                Heading        |   a group is a run of rows; groups stand
 *      |  [Space] pause          [m] mask       |   side by side
 *      |      [.] next frame                    |
 *      '----------------------------------------'
 *         key    text            key text
 */

#define MAX_ROWS   256
#define MAX_GROUPS 4

static const struct color panel_color = {13, 16, 20, 216};
static const struct color title_color = {255, 255, 255, 255};
static const struct color heading_color = {255, 150, 62, 255};
static const struct color cap_color = {255, 255, 255, 34};
static const struct color key_color = {255, 255, 255, 255};
static const struct color text_color = {206, 212, 220, 255};

struct group {
    int begin, end; /* rows */
    int key_width, text_width;
};

struct table {
    char *title; /* NULL: none */
    struct table_row *rows;
    int count;
    struct font *title_font, *heading_font, *font;
    struct group groups[MAX_GROUPS];
    int group_count;
    int row_height;
    int title_height; /* 0 without title */
    int padding;      /* inside the panel, and between groups */
    int cap_padding;  /* left and right of the text in a key cap */
    int key_gap;      /* between key and text */
    int width, height;
};

static int larger(int a, int b)
{
    return a > b ? a : b;
}

static int smaller(int a, int b)
{
    return a < b ? a : b;
}

/* Where a group that begins at `begin` had best end if it should hold `length` rows: before a
 * heading, if there is one nearby. */
static int choose_end(const struct table *table, int begin, int length)
{
    int end = begin + length;

    for (int away = 0; away <= length / 2; away++) {
        for (int i = end - away; i <= end + away; i += larger(2 * away, 1)) {
            if (i > begin && i < table->count && !table->rows[i].key)
                return i;
        }
    }
    return smaller(end, table->count);
}

static void split_rows(struct table *table, int group_count)
{
    int begin = 0;

    table->group_count = 0;
    for (int left = group_count; left > 0 && begin < table->count; left--) {
        int length = (table->count - begin + left - 1) / left;
        int end = left == 1 ? table->count : choose_end(table, begin, length);

        table->groups[table->group_count++] = (struct group){.begin = begin, .end = end};
        begin = end;
    }
}

/* Rows of a group stand this far below the one before; headings get some room above. */
static int row_step(const struct table *table, const struct group *group, int row)
{
    if (row == group->begin)
        return 0;
    return table->row_height + (table->rows[row].key ? 0 : table->row_height / 2);
}

static void measure_group(const struct table *table, struct group *group)
{
    int heading_width = 0;

    for (int i = group->begin; i < group->end; i++) {
        const struct table_row *row = &table->rows[i];

        if (!row->key) {
            heading_width = larger(heading_width, font_text_width(table->heading_font, row->text));
            continue;
        }
        group->key_width = larger(group->key_width,
                                  font_text_width(table->font, row->key) + 2 * table->cap_padding);
        group->text_width = larger(group->text_width, font_text_width(table->font, row->text));
    }
    group->text_width =
        larger(group->text_width, heading_width - group->key_width - table->key_gap);
}

/* Distances and the size of the panel for the fonts as they are. */
static void measure(struct table *table, int group_count)
{
    int line = font_line_height(table->font);
    int highest = 0;

    table->row_height = line * 3 / 2;
    table->padding = line * 7 / 4;
    table->cap_padding = line * 2 / 5;
    table->key_gap = line * 3 / 4;
    table->title_height = table->title ? font_line_height(table->title_font) + line / 2 : 0;
    split_rows(table, group_count);
    table->width = table->padding;
    for (int i = 0; i < table->group_count; i++) {
        struct group *group = &table->groups[i];
        int group_height = table->row_height;

        measure_group(table, group);
        for (int row = group->begin; row < group->end; row++)
            group_height += row_step(table, group, row);
        highest = larger(highest, group_height);
        table->width += group->key_width + table->key_gap + group->text_width + table->padding;
    }
    if (table->title)
        table->width = larger(table->width, 2 * table->padding +
                                                font_text_width(table->title_font, table->title));
    table->height = 2 * table->padding + table->title_height + highest;
}

static void close_fonts(struct table *table)
{
    font_close(&table->title_font);
    font_close(&table->heading_font);
    font_close(&table->font);
}

static int open_fonts(struct table *table, int pixels, VbpError *error)
{
    int status;

    close_fonts(table);
    status = font_open(&table->font, pixels, 0, error);
    if (status == VBP_OK)
        status = font_open(&table->heading_font, pixels, 1, error);
    if (status == VBP_OK && table->title)
        status = font_open(&table->title_font, pixels * 4 / 3, 1, error);
    return status;
}

/* Cuts what is still too wide: the texts of the widest groups first. */
static void narrow(struct table *table, int room)
{
    while (table->width > room) {
        struct group *widest = &table->groups[0];
        int cut = table->width - room;

        for (int i = 1; i < table->group_count; i++) {
            if (table->groups[i].text_width > widest->text_width)
                widest = &table->groups[i];
        }
        if (widest->text_width <= 0)
            break;
        /* At most a quarter at a time, so that all groups give their share. */
        cut = smaller(cut, (widest->text_width + 3) / 4);
        widest->text_width -= cut;
        table->width -= cut;
    }
    table->width = smaller(table->width, room);
}

static int lay_out(struct table *table, int surface_width, int surface_height, VbpError *error)
{
    int height = smaller(surface_height, surface_width * 3 / 4);
    int smallest = 11;
    int pixels = smaller(larger(height * 28 / 1080, 15), 400);
    int margin = larger(height / 40, 2);
    int room_x = larger(surface_width - 2 * margin, 1), room_y = surface_height - 2 * margin;

    for (;;) {
        int status = open_fonts(table, pixels, error);

        if (status)
            return status;
        for (int groups = 1; groups <= MAX_GROUPS; groups++) {
            measure(table, groups);
            if (table->width > room_x)
                break;
            if (table->height <= room_y)
                return VBP_OK;
        }
        if (pixels == smallest)
            break;
        pixels = larger(pixels * 9 / 10, smallest);
    }
    /* Nothing fits. Rows that are shortened say more than rows that are not there. */
    for (int groups = 1; groups <= MAX_GROUPS; groups++) {
        measure(table, groups);
        if (table->height <= room_y)
            break;
    }
    table->height = smaller(table->height, larger(room_y, 1));
    narrow(table, room_x);
    return VBP_OK;
}

static int copy_rows(struct table *table, const struct table_row *rows, int count, VbpError *error)
{
    table->rows = memory_array((size_t)count, sizeof(*table->rows));
    if (!table->rows)
        return error_out_of_memory(error);
    for (int i = 0; i < count; i++) {
        const char *text = rows[i].text ? rows[i].text : "";

        table->count++;
        table->rows[i].text = memory_copy_text(text);
        table->rows[i].key = rows[i].key ? memory_copy_text(rows[i].key) : NULL;
        if (!table->rows[i].text || (rows[i].key && !table->rows[i].key))
            return error_out_of_memory(error);
    }
    return VBP_OK;
}

int table_create(struct table **table, const char *title, const struct table_row *rows, int count,
                 int surface_width, int surface_height, VbpError *error)
{
    struct table *made;
    int status;

    *table = NULL;
    if (count < 1 || count > MAX_ROWS || surface_width < 1 || surface_height < 1 ||
        surface_width > 32768 || surface_height > 32768)
        return error_set(error, VBP_ERROR_ARGUMENT, "no table of %d rows for a picture of %d x %d",
                         count, surface_width, surface_height);
    made = memory_array(1, sizeof(*made));
    if (!made)
        return error_out_of_memory(error);
    if (title) {
        made->title = memory_copy_text(title);
        if (!made->title) {
            status = error_out_of_memory(error);
            goto done;
        }
    }
    status = copy_rows(made, rows, count, error);
    if (status)
        goto done;
    status = lay_out(made, surface_width, surface_height, error);
    if (status)
        goto done;
    *table = made;
    made = NULL;

done:
    table_destroy(&made);
    return status;
}

void table_destroy(struct table **table)
{
    struct table *old = *table;

    *table = NULL;
    if (!old)
        return;
    for (int i = 0; i < old->count; i++) {
        free((char *)old->rows[i].key);
        free((char *)old->rows[i].text);
    }
    free(old->rows);
    free(old->title);
    close_fonts(old);
    free(old);
}

void table_size(const struct table *table, int *width, int *height)
{
    *width = table->width;
    *height = table->height;
}

/* A line of text whose capitals stand in the middle of a row; cut to `width`. */
static void draw_line(const struct font *font, struct surface *surface, int x, int row_top,
                      int row_height, int width, const char *text, struct color color)
{
    int base = row_top + (row_height + font_cap_height(font)) / 2;
    char shortened[512];

    font_shorten(font, text, width, shortened, sizeof(shortened));
    font_draw(font, surface, x, base - font_ascent(font), shortened, color);
}

static void draw_row(const struct table *table, const struct group *group, struct surface *surface,
                     int x, int y, const struct table_row *row)
{
    int line = font_line_height(table->font);
    int cap_height = line * 5 / 4;
    int key_width;

    if (!row->key) {
        draw_line(table->heading_font, surface, x, y, table->row_height,
                  group->key_width + table->key_gap + group->text_width, row->text, heading_color);
        return;
    }
    key_width = font_text_width(table->font, row->key) + 2 * table->cap_padding;
    gauge_draw_panel(surface, x + group->key_width - key_width,
                     y + (table->row_height - cap_height) / 2, key_width, cap_height, line / 4,
                     cap_color);
    draw_line(table->font, surface, x + group->key_width - key_width + table->cap_padding, y,
              table->row_height, key_width, row->key, key_color);
    draw_line(table->font, surface, x + group->key_width + table->key_gap, y, table->row_height,
              group->text_width, row->text, text_color);
}

void table_draw_at(const struct table *table, struct surface *surface, int x, int y)
{
    int group_x = x + table->padding;

    gauge_draw_panel(surface, x, y, table->width, table->height, table->padding * 2 / 3,
                     panel_color);
    if (table->title)
        draw_line(table->title_font, surface, x + table->padding, y + table->padding,
                  font_line_height(table->title_font), table->width - 2 * table->padding,
                  table->title, title_color);
    for (int i = 0; i < table->group_count; i++) {
        const struct group *group = &table->groups[i];
        int row_y = y + table->padding + table->title_height;

        for (int k = group->begin; k < group->end; k++) {
            row_y += row_step(table, group, k);
            if (row_y + table->row_height > y + table->height)
                break; /* the picture is too low for so many rows */
            draw_row(table, group, surface, group_x, row_y, &table->rows[k]);
        }
        group_x += group->key_width + table->key_gap + group->text_width + table->padding;
    }
}

void table_draw(const struct table *table, struct surface *surface)
{
    table_draw_at(table, surface, (surface->width - table->width) / 2 & ~1,
                  (surface->height - table->height) / 2 & ~1);
}
