#include "draw/overlay.h"

#include "base/error.h"
#include "base/memory.h"
#include "draw/blend.h"

#include <limits.h>
#include <string.h>

/*
 * How a frame is coloured. For every frame row the mask is interpolated downwards into `line` (one
 * float a mask column) and then along the row into `levels` (one byte a frame pixel), which look up
 * a table of colours that are already multiplied by their alpha:
 *
 *     mask cells      a         b           c        line[left], line[left + 1]
 *                     |---------|-----------|
 *     frame pixels  . . . . . . . . . . . . . .      levels[x] = 255 * (a + (b - a) * weight[x])
 *                     \__ run __/\___ run __/
 *
 * Pixels between the same two cell centres form a run; runs and rows whose cells are all too small
 * to be seen are passed over, which with real masks is most of them.
 */

/* One of the 256 levels of the mask: its alpha (0..255) and its bytes (surface_encode) times it. */
struct level {
    uint16_t alpha, byte[3];
};

/* Frame pixels [start, end) of a row lie between the centres of the cells left and left + 1. */
struct run {
    int start, end; /* counted from the first column of `levels` */
    int left;
};

struct overlay {
    int mask_height, mask_width;
    VbpRectangle crop;
    int frame_width, frame_height;

    /* Columns of `levels`: those of the crop, widened to whole pairs for halved chroma. */
    int first_column, column_count;

    struct run *runs; /* run_count, from left to right */
    int run_count;
    float *column_weight; /* column_count: share of the right cell */
    int *row_cell;        /* crop.height: the upper of the two cells */
    float *row_weight;    /* crop.height: share of the lower one */

    /* Written by every overlay_draw. */
    float *cells;       /* the mask without NaN, times 255 */
    int *cell_begin;    /* mask_height: first visible cell of the row */
    int *cell_end;      /* mask_height: one after the last; 0 where none is */
    float *line;        /* mask_width + 1 */
    uint8_t *levels[2]; /* column_count, rounded up to pairs */
    uint8_t *blank;     /* as long, all 0 */
    struct level table[256];
    struct color colors[256]; /* with the alpha of the table, for ARGB32 */
    int first_visible;        /* the lowest level with an alpha */
};

struct overlay_options overlay_default_options(void)
{
    return (struct overlay_options){
        .map = COLORMAP_EMBER,
        .opacity = 0.75f,
        .threshold = 0.05f,
    };
}

/*
 * The two cells between whose centres the middle of pixel `index` lies, when `cells` cells are
 * spread evenly over `pixels` pixels. Outside the outermost centres the outermost cell counts.
 */
static void map_pixel(int index, int pixels, int cells, int *cell, float *weight)
{
    double position = (index + 0.5) * cells / pixels - 0.5;

    if (position < 0)
        position = 0;
    if (position > cells - 1)
        position = cells - 1;
    *cell = (int)position;
    *weight = (float)(position - *cell);
}

static int check_geometry(const struct overlay *overlay, VbpError *error)
{
    const VbpRectangle *crop = &overlay->crop;

    if (overlay->mask_height < 1 || overlay->mask_width < 1)
        return error_set(error, VBP_ERROR_ARGUMENT, "overlay of an empty mask (%d x %d)",
                         overlay->mask_width, overlay->mask_height);
    if (overlay->mask_width == INT_MAX ||
        overlay->mask_height > INT_MAX / (overlay->mask_width + 1))
        return error_set(error, VBP_ERROR_ARGUMENT, "overlay of a mask too large (%d x %d)",
                         overlay->mask_width, overlay->mask_height);
    if (crop->x < 0 || crop->y < 0 || crop->width < 1 || crop->height < 1 ||
        crop->width > overlay->frame_width - crop->x ||
        crop->height > overlay->frame_height - crop->y)
        return error_set(error, VBP_ERROR_ARGUMENT,
                         "overlay: crop of %d x %d at %d, %d does not lie in a frame of %d x %d",
                         crop->width, crop->height, crop->x, crop->y, overlay->frame_width,
                         overlay->frame_height);
    return VBP_OK;
}

static int allocate(struct overlay *overlay, VbpError *error)
{
    size_t rows = (size_t)overlay->mask_height;
    size_t columns = (size_t)overlay->mask_width;
    size_t crop_rows = (size_t)overlay->crop.height;
    size_t levels = (size_t)overlay->column_count + 1;

    overlay->runs = memory_array((size_t)overlay->crop.width, sizeof(*overlay->runs));
    overlay->column_weight = memory_array(levels, sizeof(*overlay->column_weight));
    overlay->row_cell = memory_array(crop_rows, sizeof(*overlay->row_cell));
    overlay->row_weight = memory_array(crop_rows, sizeof(*overlay->row_weight));
    overlay->cells = memory_array(rows * columns, sizeof(*overlay->cells));
    overlay->cell_begin = memory_array(rows, sizeof(*overlay->cell_begin));
    overlay->cell_end = memory_array(rows, sizeof(*overlay->cell_end));
    overlay->line = memory_array(columns + 1, sizeof(*overlay->line));
    overlay->levels[0] = memory_array(levels, 1);
    overlay->levels[1] = memory_array(levels, 1);
    overlay->blank = memory_array(levels, 1);
    if (!overlay->runs || !overlay->column_weight || !overlay->row_cell || !overlay->row_weight ||
        !overlay->cells || !overlay->cell_begin || !overlay->cell_end || !overlay->line ||
        !overlay->levels[0] || !overlay->levels[1] || !overlay->blank)
        return error_out_of_memory(error);
    return VBP_OK;
}

static void map_crop(struct overlay *overlay)
{
    int margin = overlay->crop.x - overlay->first_column;

    for (int y = 0; y < overlay->crop.height; y++)
        map_pixel(y, overlay->crop.height, overlay->mask_height, &overlay->row_cell[y],
                  &overlay->row_weight[y]);
    for (int x = 0; x < overlay->crop.width; x++) {
        struct run *run = &overlay->runs[overlay->run_count];
        int column = margin + x;
        int left;

        map_pixel(x, overlay->crop.width, overlay->mask_width, &left,
                  &overlay->column_weight[column]);
        if (overlay->run_count == 0 || run[-1].left != left) {
            *run = (struct run){column, column, left};
            overlay->run_count++;
        }
        overlay->runs[overlay->run_count - 1].end = column + 1;
    }
}

int overlay_create(struct overlay **overlay, int mask_height, int mask_width, VbpRectangle crop,
                   int frame_width, int frame_height, VbpError *error)
{
    struct overlay *made = memory_array(1, sizeof(*made));
    int status;

    *overlay = NULL;
    if (!made)
        return error_out_of_memory(error);
    made->mask_height = mask_height;
    made->mask_width = mask_width;
    made->crop = crop;
    made->frame_width = frame_width;
    made->frame_height = frame_height;

    status = check_geometry(made, error);
    if (status)
        goto done;
    made->first_column = crop.x & ~1;
    made->column_count = crop.x + crop.width - made->first_column;
    status = allocate(made, error);
    if (status)
        goto done;
    map_crop(made);
    *overlay = made;
    made = NULL;

done:
    overlay_destroy(&made);
    return status;
}

void overlay_destroy(struct overlay **overlay)
{
    struct overlay *old = *overlay;

    *overlay = NULL;
    if (!old)
        return;
    free(old->runs);
    free(old->column_weight);
    free(old->row_cell);
    free(old->row_weight);
    free(old->cells);
    free(old->cell_begin);
    free(old->cell_end);
    free(old->line);
    free(old->levels[0]);
    free(old->levels[1]);
    free(old->blank);
    free(old);
}

static float unit_interval(float value)
{
    return value > 0 ? (value < 1 ? value : 1) : 0; /* NaN is 0 */
}

/* The colour of the faintest glow, as a share of the way up the colour map: what lies below is so
 * dark that it would hide the road rather than light it. */
#define FAINTEST 0.42f

/*
 * Values above the threshold, stretched to 0..1, with a soft beginning: no edge shows where the
 * glow sets in.
 */
static float stretch(float value, float threshold)
{
    const float soft = 0.04f;
    float rise = threshold < 1 ? (value - threshold) / (1 - threshold) : value >= 1;

    rise = unit_interval(rise);
    return rise * rise / (rise + soft) * (1 + soft);
}

struct color overlay_color(const struct overlay_options *options, float value)
{
    float rise = stretch(unit_interval(value), unit_interval(options->threshold));
    float fall = 1 - unit_interval(rise);
    float place = FAINTEST + (1 - FAINTEST) * unit_interval(rise);
    struct color color = colormap_colors(options->map)[(int)(place * 255 + 0.5f)];

    /* Most of what a network sees is far below its maximum, so alpha rises early. */
    color.alpha =
        (uint8_t)(unit_interval(options->opacity) * (1 - fall * fall * fall) * 255 + 0.5f);
    return color;
}

static void fill_table(struct overlay *overlay, const struct surface *surface,
                       const struct overlay_options *options)
{
    overlay->first_visible = 256;
    for (int i = 255; i >= 0; i--) {
        struct color color = overlay_color(options, (float)i / 255);
        struct level *level = &overlay->table[i];
        uint8_t bytes[3];

        overlay->colors[i] = color;
        level->alpha = color.alpha;
        surface_encode(surface, color, bytes);
        for (int k = 0; k < 3; k++)
            level->byte[k] = (uint16_t)(bytes[k] * color.alpha);
        if (color.alpha)
            overlay->first_visible = i;
    }
}

static int level_of(float value)
{
    return (int)(value + 0.5f);
}

/* Copies the mask without NaN and finds between which cells of each row there is anything. */
static void read_mask(struct overlay *overlay, const float *mask)
{
    for (int y = 0; y < overlay->mask_height; y++) {
        float *cells = overlay->cells + (ptrdiff_t)y * overlay->mask_width;
        int begin = overlay->mask_width, end = 0;

        for (int x = 0; x < overlay->mask_width; x++) {
            cells[x] = 255 * unit_interval(mask[(ptrdiff_t)y * overlay->mask_width + x]);
            if (level_of(cells[x]) >= overlay->first_visible) {
                end = x + 1;
                if (begin == overlay->mask_width)
                    begin = x;
            }
        }
        overlay->cell_begin[y] = begin;
        overlay->cell_end[y] = end;
    }
}

/*
 * The levels of frame row y: `levels` filled with them, or overlay->blank where nothing of it is
 * visible.
 */
static const uint8_t *row_levels(struct overlay *overlay, int y, uint8_t *levels)
{
    int row = y - overlay->crop.y;
    int upper, lower, begin, end;
    const float *above, *below;
    float weight;

    if (row < 0 || row >= overlay->crop.height)
        return overlay->blank;
    weight = overlay->row_weight[row];
    upper = overlay->row_cell[row];
    lower = weight > 0 ? upper + 1 : upper;
    begin = overlay->cell_begin[upper] < overlay->cell_begin[lower] ? overlay->cell_begin[upper]
                                                                    : overlay->cell_begin[lower];
    end = overlay->cell_end[upper] > overlay->cell_end[lower] ? overlay->cell_end[upper]
                                                              : overlay->cell_end[lower];
    if (begin >= end)
        return overlay->blank;

    /* One cell more on either side, for the pixels between it and the visible ones; line has one
     * more than the mask, so that the last cell has a neighbour of weight 0. */
    begin = begin > 0 ? begin - 1 : 0;
    end = end < overlay->mask_width ? end + 1 : end;
    above = overlay->cells + (ptrdiff_t)upper * overlay->mask_width;
    below = overlay->cells + (ptrdiff_t)lower * overlay->mask_width;
    for (int x = begin; x < end; x++)
        overlay->line[x] = above[x] + (below[x] - above[x]) * weight;
    overlay->line[end] = 0;

    memset(levels, 0, (size_t)overlay->column_count);
    for (int i = 0; i < overlay->run_count && overlay->runs[i].left < end; i++) {
        const struct run *run = &overlay->runs[i];
        float left, right;

        if (run->left < begin)
            continue;
        left = overlay->line[run->left];
        right = overlay->line[run->left + 1];
        if (level_of(left > right ? left : right) < overlay->first_visible)
            continue;
        right -= left;
        for (int x = run->start; x < run->end; x++)
            levels[x] = (uint8_t)level_of(left + right * overlay->column_weight[x]);
    }
    return levels;
}

/* value / 255, to nearest, for value up to 65025. */
static uint8_t divide_by_255(uint32_t value)
{
    value += 128;
    return (uint8_t)((value + (value >> 8)) >> 8);
}

/* Length of the run of zeros that begins at levels[x]. */
static int skip_blank(const uint8_t *levels, int x, int count)
{
    uint64_t eight;

    while (x + 8 <= count) {
        memcpy(&eight, levels + x, sizeof(eight));
        if (eight)
            break;
        x += 8;
    }
    while (x < count && levels[x] == 0)
        x++;
    return x;
}

/* `bytes` bytes a pixel, each blended alike. Inline, for a loop of its own for each `bytes`. */
static inline void blend_row(const struct overlay *overlay, const uint8_t *levels, uint8_t *row,
                             int first, int bytes)
{
    int count = overlay->column_count;

    for (int x = skip_blank(levels, 0, count); x < count; x = skip_blank(levels, x, count)) {
        for (; x < count && levels[x]; x++) {
            struct level level = overlay->table[levels[x]];
            uint8_t *pixel = row + (ptrdiff_t)x * bytes;

            for (int k = 0; k < bytes; k++)
                pixel[k] = divide_by_255(pixel[k] * (255u - level.alpha) + level.byte[first + k]);
        }
    }
}

static void blend_argb_row(const struct overlay *overlay, const uint8_t *levels, uint8_t *row)
{
    int count = overlay->column_count;

    for (int x = skip_blank(levels, 0, count); x < count; x = skip_blank(levels, x + 1, count)) {
        struct color color = overlay->colors[levels[x]];
        uint8_t *pixel = row + (ptrdiff_t)x * 4;

        blend_store_word(pixel, blend_argb(blend_load_word(pixel), color.red, color.green,
                                           color.blue, color.alpha * 255u));
    }
}

/*
 * A row of halved chroma under two rows of levels (the same one twice where the surface has no
 * second). Each sample gets the mean of what its four pixels would have given it.
 */
static void blend_halved_row(const struct overlay *overlay, const uint8_t *upper,
                             const uint8_t *lower, uint8_t *samples_u, uint8_t *samples_v)
{
    int count = overlay->column_count;
    /* A last column without a partner counts twice if the surface ends there, else its partner
     * lies outside the crop and is blank. */
    bool lone = (count & 1) && overlay->first_column + count == overlay->frame_width;

    for (int x = 0; x < count; x += 2) {
        int next = x + 1 < count || !lone ? x + 1 : x;
        const struct level *a, *b, *c, *d;
        uint32_t kept;

        if (!(upper[x] | upper[next] | lower[x] | lower[next]))
            continue;
        a = &overlay->table[upper[x]];
        b = &overlay->table[upper[next]];
        c = &overlay->table[lower[x]];
        d = &overlay->table[lower[next]];
        kept = 1020u - a->alpha - b->alpha - c->alpha - d->alpha;
        samples_u[x / 2] = (uint8_t)((samples_u[x / 2] * kept + a->byte[1] + b->byte[1] +
                                      c->byte[1] + d->byte[1] + 510) /
                                     1020);
        samples_v[x / 2] = (uint8_t)((samples_v[x / 2] * kept + a->byte[2] + b->byte[2] +
                                      c->byte[2] + d->byte[2] + 510) /
                                     1020);
    }
}

static uint8_t *row_of(const struct surface *surface, int plane, int y, int x)
{
    return surface->plane[plane] + y * surface->stride[plane] + x;
}

static void draw_yuv420(struct overlay *overlay, struct surface *surface)
{
    int first = overlay->first_column;
    int end = overlay->crop.y + overlay->crop.height;

    for (int y = overlay->crop.y & ~1; y < end; y += 2) {
        const uint8_t *upper = row_levels(overlay, y, overlay->levels[0]);
        const uint8_t *lower = upper;

        if (y + 1 < surface->height)
            lower = row_levels(overlay, y + 1, overlay->levels[1]);
        if (upper == overlay->blank && lower == overlay->blank)
            continue;
        blend_row(overlay, upper, row_of(surface, 0, y, first), 0, 1);
        if (y + 1 < surface->height)
            blend_row(overlay, lower, row_of(surface, 0, y + 1, first), 0, 1);
        blend_halved_row(overlay, upper, lower, row_of(surface, 1, y / 2, first / 2),
                         row_of(surface, 2, y / 2, first / 2));
    }
}

static void draw_row(const struct overlay *overlay, struct surface *surface, const uint8_t *levels,
                     int y)
{
    int first = overlay->first_column;

    switch (surface->format) {
    case SURFACE_GRAY:
        blend_row(overlay, levels, row_of(surface, 0, y, first), 0, 1);
        break;
    case SURFACE_YUV422:
        blend_row(overlay, levels, row_of(surface, 0, y, first), 0, 1);
        blend_halved_row(overlay, levels, levels, row_of(surface, 1, y, first / 2),
                         row_of(surface, 2, y, first / 2));
        break;
    case SURFACE_YUV444:
        for (int plane = 0; plane < 3; plane++)
            blend_row(overlay, levels, row_of(surface, plane, y, first), plane, 1);
        break;
    case SURFACE_RGB24:
    case SURFACE_BGR24:
        blend_row(overlay, levels, row_of(surface, 0, y, first * 3), 0, 3);
        break;
    case SURFACE_ARGB32:
        blend_argb_row(overlay, levels, row_of(surface, 0, y, first * 4));
        break;
    case SURFACE_YUV420: /* draw_yuv420 */
        break;
    }
}

void overlay_draw(struct overlay *overlay, struct surface *surface, const float *mask,
                  const struct overlay_options *options)
{
    if (surface->width != overlay->frame_width || surface->height != overlay->frame_height)
        return;
    fill_table(overlay, surface, options);
    if (overlay->first_visible > 255)
        return;
    read_mask(overlay, mask);

    if (surface->format == SURFACE_YUV420) {
        draw_yuv420(overlay, surface);
        return;
    }
    for (int y = overlay->crop.y; y < overlay->crop.y + overlay->crop.height; y++) {
        const uint8_t *levels = row_levels(overlay, y, overlay->levels[0]);

        if (levels != overlay->blank)
            draw_row(overlay, surface, levels, y);
    }
}

void overlay_draw_crop(struct surface *surface, VbpRectangle crop)
{
    const struct color light = {235, 238, 240, 150}, dark = {10, 12, 14, 90};
    int thickness = surface->height < 720 ? 1 : (surface->height + 360) / 720;
    int right = crop.x + crop.width, bottom = crop.y + crop.height;

    if (crop.x <= 0 && crop.y <= 0 && right >= surface->width && bottom >= surface->height)
        return;
    /* A light line and a dark one inside it, so that it shows on sky and on asphalt. */
    for (int ring = 0; ring < 2; ring++) {
        struct color color = ring ? dark : light;
        int left = crop.x + ring * thickness, top = crop.y + ring * thickness;
        int width = crop.width - 2 * ring * thickness;
        int height = crop.height - 2 * ring * thickness;

        if (width <= 2 * thickness || height <= 2 * thickness)
            break;
        surface_blend(surface, left, top, width, thickness, NULL, 0, color);
        surface_blend(surface, left, top + height - thickness, width, thickness, NULL, 0, color);
        surface_blend(surface, left, top + thickness, thickness, height - 2 * thickness, NULL, 0,
                      color);
        surface_blend(surface, left + width - thickness, top + thickness, thickness,
                      height - 2 * thickness, NULL, 0, color);
    }
}
