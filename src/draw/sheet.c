#include "draw/sheet.h"

#include "base/error.h"
#include "base/memory.h"
#include "draw/colormap.h"
#include "draw/style.h"

#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

/*
 *      averaged maps                   products
 *      .--------------------.          .--------------------.
 *      |                    |          |                    |     as high as the map's shape
 *      '--------------------'          '--------------------'     asks for
 *      name    31 × 98 · 0 … 1         name    31 × 98 · 0 … 1
 */
#define CELL_WIDTH      480
#define MAX_CELL_HEIGHT 320
#define MAX_SCALE       96 /* pixels a map's cell is enlarged to at most */
#define ROW_GAP         26

#define MAX_COUNT 1024 /* far more levels than networks have; keeps all sums below within int */

static const struct color broken_color = {38, 150, 190, 255}; /* cells that are not numbers */

struct range {
    float minimum, maximum;
    size_t finite, broken; /* cells that are numbers, and cells that are not */
};

static struct range find_range(const struct sheet_map *map)
{
    size_t count = (size_t)map->height * (size_t)map->width;
    struct range range = {0, 0, 0, 0};

    for (size_t i = 0; i < count; i++) {
        float value = map->values[i];

        if (!isfinite(value)) {
            range.broken++;
            continue;
        }
        if (range.finite == 0 || value < range.minimum)
            range.minimum = value;
        if (range.finite == 0 || value > range.maximum)
            range.maximum = value;
        range.finite++;
    }
    return range;
}

/* The size in which a map is drawn: as wide as the cell, narrower where it would get too high. */
static void picture_size(const struct sheet_map *map, int *width, int *height)
{
    int64_t wide = CELL_WIDTH, high, highest = (int64_t)map->height * MAX_SCALE;

    if (highest > MAX_CELL_HEIGHT)
        highest = MAX_CELL_HEIGHT;
    high = (wide * map->height + map->width / 2) / map->width;
    if (high > highest) {
        high = highest;
        wide = (high * map->width + map->height / 2) / map->height;
    }
    *width = wide > 0 ? (int)wide : 1;
    *height = high > 0 ? (int)high : 1;
}

/* How much of cell `cell` lies under picture pixel `pixel`, with `cells` cells over `pixels`; the
 * unit is such that one whole cell is `pixels` and one whole pixel is `cells`. */
static int64_t shared_length(int pixel, int pixels, int cell, int cells)
{
    int64_t begin = (int64_t)pixel * cells, end = begin + cells;
    int64_t cell_begin = (int64_t)cell * pixels, cell_end = cell_begin + pixels;

    begin = begin > cell_begin ? begin : cell_begin;
    end = end < cell_end ? end : cell_end;
    return end > begin ? end - begin : 0;
}

/*
 * A pixel takes the average of the cells under it, by area: cells stay the squares they are when
 * the map is enlarged, and none is lost when it is reduced. Pixels that lie mostly on cells without
 * a number are marked.
 */
static struct color picture_pixel(const struct sheet_map *map, const struct range *range, int x,
                                  int y, int width, int height)
{
    int first_row = (int)((int64_t)y * map->height / height);
    int first_column = (int)((int64_t)x * map->width / width);
    double span = (double)range->maximum - range->minimum;
    double sum = 0, weights = 0, broken = 0;
    double share = 0;

    for (int row = first_row; row < map->height; row++) {
        int64_t vertical = shared_length(y, height, row, map->height);

        if (vertical == 0)
            break;
        for (int column = first_column; column < map->width; column++) {
            int64_t horizontal = shared_length(x, width, column, map->width);
            float value = map->values[(size_t)row * (size_t)map->width + (size_t)column];
            double weight = (double)vertical * (double)horizontal;

            if (horizontal == 0)
                break;
            if (isfinite(value)) {
                sum += weight * ((double)value - range->minimum);
                weights += weight;
            } else {
                broken += weight;
            }
        }
    }
    if (broken > weights)
        return broken_color;
    if (span > 0 && weights > 0)
        share = sum / weights / span;
    return colormap_colors(COLORMAP_EMBER)[(int)(fmin(fmax(share, 0), 1) * 255 + 0.5)];
}

static void draw_map(struct style_page *page, const struct sheet_map *map, int x, int y,
                     int cell_height)
{
    struct range range = find_range(map);
    char facts[160], name[512];
    int width, height, facts_width, line = y + cell_height + STYLE_CAPTION_GAP;

    picture_size(map, &width, &height);
    surface_blend(&page->surface, x, y, CELL_WIDTH, cell_height, NULL, 0, style_cell);
    for (int row = 0; row < height; row++) {
        uint8_t *pixel = page->surface.plane[0] +
                         (y + (cell_height - height) / 2 + row) * page->surface.stride[0] +
                         (ptrdiff_t)(x + (CELL_WIDTH - width) / 2) * 3;

        for (int column = 0; column < width; column++, pixel += 3)
            surface_encode(&page->surface, picture_pixel(map, &range, column, row, width, height),
                           pixel);
    }

    if (range.finite == 0)
        snprintf(facts, sizeof(facts), "%d × %d · no numbers", map->height, map->width);
    else if (range.broken)
        snprintf(facts, sizeof(facts), "%d × %d · %.4g … %.4g · %zu not finite", map->height,
                 map->width, (double)range.minimum, (double)range.maximum, range.broken);
    else
        snprintf(facts, sizeof(facts), "%d × %d · %.4g … %.4g", map->height, map->width,
                 (double)range.minimum, (double)range.maximum);
    facts_width = font_text_width(page->font, facts);
    font_draw(page->font, &page->surface, x + CELL_WIDTH - facts_width, line, facts, style_facts);
    font_shorten(page->font, map->name ? map->name : "",
                 CELL_WIDTH - facts_width - STYLE_MARGIN / 2, name, sizeof(name));
    font_draw(page->font, &page->surface, x, line, name, style_name);
}

static int check_map(const struct sheet_map *map, VbpError *error)
{
    if (!map->values || map->height < 1 || map->width < 1)
        return error_set(error, VBP_ERROR_ARGUMENT, "contact sheet: the map \"%s\" is empty",
                         map->name ? map->name : "");
    return VBP_OK;
}

/* The height of row i, captions not counted: that of the higher of its two maps. */
static int row_height(const struct sheet_map *averages, const struct sheet_map *products, int i)
{
    int width, left, right;

    picture_size(&averages[i], &width, &left);
    picture_size(&products[i], &width, &right);
    return left > right ? left : right;
}

int sheet_draw(const struct sheet_map *averages, const struct sheet_map *products, int count,
               uint8_t **pixels, int *width, int *height, VbpError *error)
{
    struct style_page page = {0};
    int left = STYLE_MARGIN, right = STYLE_MARGIN + CELL_WIDTH + STYLE_MARGIN;
    int y = STYLE_MARGIN;
    int sheet_height;
    int status;

    *pixels = NULL;
    *width = 0;
    *height = 0;
    if (count < 1 || count > MAX_COUNT)
        return error_set(error, VBP_ERROR_ARGUMENT, "contact sheet: %d levels (1 to %d can be)",
                         count, MAX_COUNT);
    for (int i = 0; i < count; i++) {
        status = check_map(&averages[i], error);
        if (status == VBP_OK)
            status = check_map(&products[i], error);
        if (status)
            return status;
    }

    status = style_page_open(&page, error);
    if (status)
        goto done;
    sheet_height = STYLE_MARGIN + font_line_height(page.title_font) + STYLE_MARGIN / 2 +
                   STYLE_MARGIN - ROW_GAP;
    for (int i = 0; i < count; i++)
        sheet_height += row_height(averages, products, i) + STYLE_CAPTION_GAP +
                        font_line_height(page.font) + ROW_GAP;
    status = style_page_begin(&page, right + CELL_WIDTH + STYLE_MARGIN, sheet_height, error);
    if (status)
        goto done;

    font_draw(page.title_font, &page.surface, left, y, "averaged maps", style_title);
    font_draw(page.title_font, &page.surface, right, y, "products", style_title);
    y += font_line_height(page.title_font) + STYLE_MARGIN / 2;
    for (int i = 0; i < count; i++) {
        int cell_height = row_height(averages, products, i);

        draw_map(&page, &averages[i], left, y, cell_height);
        draw_map(&page, &products[i], right, y, cell_height);
        y += cell_height + STYLE_CAPTION_GAP + font_line_height(page.font) + ROW_GAP;
    }
    *width = page.surface.width;
    *height = page.surface.height;
    *pixels = style_page_take(&page);

done:
    style_page_close(&page);
    return status;
}
