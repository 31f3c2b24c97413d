#include "draw/sheet.h"

#include "base/error.h"
#include "base/memory.h"
#include "draw/colormap.h"
#include "draw/text.h"

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
#define MARGIN          32 /* around everything, and between the columns */
#define ROW_GAP         26
#define CAPTION_GAP     8
#define TITLE_PIXELS    24
#define CAPTION_PIXELS  18

#define MAX_COUNT 1024 /* far more levels than networks have; keeps all sums below within int */

static const struct color ground_color = {22, 25, 29, 255};
static const struct color cell_color = {13, 15, 18, 255};
static const struct color title_color = {255, 255, 255, 255};
static const struct color name_color = {222, 227, 233, 255};
static const struct color facts_color = {150, 160, 172, 255};
static const struct color broken_color = {38, 150, 190, 255}; /* cells that are not numbers */

struct range {
    float minimum, maximum;
    size_t finite, broken; /* cells that are numbers, and cells that are not */
};

struct canvas {
    struct surface surface;
    struct font *title_font, *font;
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

static void draw_map(struct canvas *canvas, const struct sheet_map *map, int x, int y,
                     int cell_height)
{
    struct range range = find_range(map);
    char facts[160], name[512];
    int width, height, facts_width, line = y + cell_height + CAPTION_GAP;

    picture_size(map, &width, &height);
    surface_blend(&canvas->surface, x, y, CELL_WIDTH, cell_height, NULL, 0, cell_color);
    for (int row = 0; row < height; row++) {
        uint8_t *pixel = canvas->surface.plane[0] +
                         (y + (cell_height - height) / 2 + row) * canvas->surface.stride[0] +
                         (ptrdiff_t)(x + (CELL_WIDTH - width) / 2) * 3;

        for (int column = 0; column < width; column++, pixel += 3)
            surface_encode(&canvas->surface, picture_pixel(map, &range, column, row, width, height),
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
    facts_width = font_text_width(canvas->font, facts);
    font_draw(canvas->font, &canvas->surface, x + CELL_WIDTH - facts_width, line, facts,
              facts_color);
    font_shorten(canvas->font, map->name ? map->name : "", CELL_WIDTH - facts_width - MARGIN / 2,
                 name, sizeof(name));
    font_draw(canvas->font, &canvas->surface, x, line, name, name_color);
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
    struct canvas canvas = {.surface = {.format = SURFACE_RGB24}};
    int left = MARGIN, right = MARGIN + CELL_WIDTH + MARGIN;
    int y = MARGIN;
    size_t bytes;
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

    status = font_open(&canvas.title_font, TITLE_PIXELS, 1, error);
    if (status)
        goto done;
    status = font_open(&canvas.font, CAPTION_PIXELS, 0, error);
    if (status)
        goto done;
    canvas.surface.width = right + CELL_WIDTH + MARGIN;
    canvas.surface.height =
        MARGIN + font_line_height(canvas.title_font) + MARGIN / 2 + MARGIN - ROW_GAP;
    for (int i = 0; i < count; i++)
        canvas.surface.height += row_height(averages, products, i) + CAPTION_GAP +
                                 font_line_height(canvas.font) + ROW_GAP;
    canvas.surface.stride[0] = (ptrdiff_t)canvas.surface.width * 3;
    if (!size_multiply((size_t)canvas.surface.stride[0], (size_t)canvas.surface.height, &bytes)) {
        status = error_out_of_memory(error);
        goto done;
    }
    canvas.surface.plane[0] = memory_array(bytes, 1);
    if (!canvas.surface.plane[0]) {
        status = error_out_of_memory(error);
        goto done;
    }

    surface_clear(&canvas.surface, ground_color);
    font_draw(canvas.title_font, &canvas.surface, left, y, "averaged maps", title_color);
    font_draw(canvas.title_font, &canvas.surface, right, y, "products", title_color);
    y += font_line_height(canvas.title_font) + MARGIN / 2;
    for (int i = 0; i < count; i++) {
        int cell_height = row_height(averages, products, i);

        draw_map(&canvas, &averages[i], left, y, cell_height);
        draw_map(&canvas, &products[i], right, y, cell_height);
        y += cell_height + CAPTION_GAP + font_line_height(canvas.font) + ROW_GAP;
    }
    *pixels = canvas.surface.plane[0];
    *width = canvas.surface.width;
    *height = canvas.surface.height;

done:
    font_close(&canvas.title_font);
    font_close(&canvas.font);
    return status;
}
