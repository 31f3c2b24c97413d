#include "draw/overlay.h"

#include "base/error.h"
#include "base/memory.h"
#include "draw/blend.h"

#include <limits.h>
#include <string.h>

/*
 * How a frame is coloured. A row of the mask is interpolated to the frame's columns once, two of
 * these rows for every frame row into `levels` (one byte a frame pixel), which look up tables of
 * what is kept of a byte and what is added to it:
 *
 *     mask cells      a         b           c
 *                     |---------|-----------|      wide[x] = a + (b - a) * column_weight[x]
 *     frame pixels  . . . . . . . . . . . . . .    levels[x] = above + (below - above) * weight
 *                     first_pixel[b]
 *
 * Frame rows between mask rows whose cells are all too small to be seen are passed over, and blank
 * blocks of a row, which with real masks is most of them.
 */

/* Columns that are looked at and passed over together: two words of levels. */
#define BLOCK 16
/* The most columns that are blended at a time. */
#define STRETCH 256

/* Look-ups are too short to be looped over one by one. */
#ifdef __clang__
#define UNROLL _Pragma("clang loop unroll_count(8)")
#else
#define UNROLL _Pragma("GCC unroll 8")
#endif

/* What becomes of a byte under each level: 255 - alpha in the low byte, and what the byte is
 * blended with in the high one. */
struct byte_levels {
    uint16_t blend[256];
};

/* The same for the bytes of a pixel that lie together: (byte * kept + added) / 255, where added is
 * already rounded. */
struct pixel_levels {
    uint16_t kept[256][4], added[256][4];
};

/*
 * Of YUV with halved chroma a word for each level, with room for the sum of four:
 *
 *     bit 0          8                16  KEPT_BIT     U_BIT       V_BIT
 *         255 - alpha  Y, as in        .   255 - alpha  U * alpha   V * alpha
 *                      byte_levels
 */
#define KEPT_BIT 18
#define U_BIT    28
#define V_BIT    46

struct overlay {
    int mask_height, mask_width;
    VbpRectangle crop;
    int frame_width, frame_height;

    /* Columns of `levels`: those of the crop, widened to whole pairs for halved chroma. */
    int first_column, column_count;

    int *first_pixel;     /* mask_width + 1: the first column right of the cell's centre */
    float *column_weight; /* column_count: share of the right cell */
    int *row_cell;        /* crop.height: the upper of the two cells */
    float *row_weight;    /* crop.height: share of the lower one */

    /* Written by every overlay_draw. */
    float *cells;       /* the mask without NaN, times 255 */
    int *cell_begin;    /* mask_height: first visible cell of the row */
    int *cell_end;      /* mask_height: one after the last; 0 where none is */
    float *wide[2];     /* column_count: mask rows, in wide[row % 2] */
    int wide_row[2];    /* which; -1: none */
    uint8_t *levels[2]; /* column_count in whole blocks, and one more for a pair */
    uint8_t *blank;     /* as long, all 0 */
    struct byte_levels planes[3];
    struct pixel_levels pixels;
    uint64_t chroma[256];
    uint64_t *sums; /* STRETCH / 2 of them */
    struct color colors[256];
    int first_visible; /* the lowest level with an alpha */
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
    size_t count = (size_t)overlay->column_count;

    overlay->first_pixel = memory_array(columns + 1, sizeof(*overlay->first_pixel));
    overlay->column_weight = memory_array(count, sizeof(*overlay->column_weight));
    overlay->row_cell = memory_array(crop_rows, sizeof(*overlay->row_cell));
    overlay->row_weight = memory_array(crop_rows, sizeof(*overlay->row_weight));
    overlay->cells = memory_array(rows * columns, sizeof(*overlay->cells));
    overlay->cell_begin = memory_array(rows, sizeof(*overlay->cell_begin));
    overlay->cell_end = memory_array(rows, sizeof(*overlay->cell_end));
    for (int i = 0; i < 2; i++) {
        overlay->wide[i] = memory_array(count, sizeof(*overlay->wide[i]));
        overlay->levels[i] = memory_array(count + BLOCK, 1);
        if (!overlay->wide[i] || !overlay->levels[i])
            return error_out_of_memory(error);
    }
    overlay->blank = memory_array(count + BLOCK, 1);
    overlay->sums = memory_array(STRETCH / 2, sizeof(*overlay->sums));
    if (!overlay->first_pixel || !overlay->column_weight || !overlay->row_cell ||
        !overlay->row_weight || !overlay->cells || !overlay->cell_begin || !overlay->cell_end ||
        !overlay->blank || !overlay->sums)
        return error_out_of_memory(error);
    return VBP_OK;
}

static void map_crop(struct overlay *overlay)
{
    int margin = overlay->crop.x - overlay->first_column;
    int cell = 0;

    for (int y = 0; y < overlay->crop.height; y++)
        map_pixel(y, overlay->crop.height, overlay->mask_height, &overlay->row_cell[y],
                  &overlay->row_weight[y]);
    for (int x = 0; x < overlay->crop.width; x++) {
        int left;

        map_pixel(x, overlay->crop.width, overlay->mask_width, &left,
                  &overlay->column_weight[margin + x]);
        while (cell <= left)
            overlay->first_pixel[cell++] = margin + x;
    }
    while (cell <= overlay->mask_width)
        overlay->first_pixel[cell++] = overlay->column_count;
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
    free(old->first_pixel);
    free(old->column_weight);
    free(old->row_cell);
    free(old->row_weight);
    free(old->cells);
    free(old->cell_begin);
    free(old->cell_end);
    for (int i = 0; i < 2; i++) {
        free(old->wide[i]);
        free(old->levels[i]);
    }
    free(old->blank);
    free(old->sums);
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

/* The bytes of an opaque colour as they lie in a pixel of the surface; the planes of YUV. */
static void pixel_bytes(const struct surface *surface, struct color color, uint8_t bytes[4])
{
    uint32_t word =
        255u << 24 | (uint32_t)color.red << 16 | (uint32_t)color.green << 8 | color.blue;

    bytes[3] = 0;
    if (surface->format == SURFACE_ARGB32)
        blend_store_word(bytes, word);
    else
        surface_encode(surface, color, bytes);
}

static void fill_tables(struct overlay *overlay, const struct surface *surface,
                        const struct overlay_options *options)
{
    overlay->first_visible = 256;
    for (int i = 255; i >= 0; i--) {
        struct color color = overlay_color(options, (float)i / 255);
        uint16_t kept = (uint16_t)(255 - color.alpha);
        uint8_t bytes[4];

        pixel_bytes(surface, color, bytes);
        for (int k = 0; k < 4; k++) {
            uint16_t added = (uint16_t)(bytes[k] * color.alpha + 128);

            overlay->pixels.kept[i][k] = kept;
            overlay->pixels.added[i][k] = added;
            if (k == 3)
                break;
            overlay->planes[k].blend[i] = (uint16_t)(kept | bytes[k] << 8);
        }
        overlay->chroma[i] = overlay->planes[0].blend[i] + ((uint64_t)kept << KEPT_BIT) +
                             ((uint64_t)(bytes[1] * color.alpha) << U_BIT) +
                             ((uint64_t)(bytes[2] * color.alpha) << V_BIT);
        overlay->colors[i] = color;
        if (color.alpha)
            overlay->first_visible = i;
    }
}

static int smaller(int a, int b)
{
    return a < b ? a : b;
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
    overlay->wide_row[0] = overlay->wide_row[1] = -1;
}

/* Row y of the mask, interpolated to the columns. */
static const float *wide_row(struct overlay *overlay, int y)
{
    const float *cells = overlay->cells + (ptrdiff_t)y * overlay->mask_width;
    float *wide = overlay->wide[y % 2];

    if (overlay->wide_row[y % 2] == y)
        return wide;
    for (int i = 0; i < overlay->mask_width; i++) {
        float left = cells[i], rise = i + 1 < overlay->mask_width ? cells[i + 1] - left : 0;

        for (int x = overlay->first_pixel[i]; x < overlay->first_pixel[i + 1]; x++)
            wide[x] = left + rise * overlay->column_weight[x];
    }
    overlay->wide_row[y % 2] = y;
    return wide;
}

/*
 * The levels of frame row y: `levels` filled with them, or overlay->blank where nothing of it is
 * visible.
 */
static const uint8_t *row_levels(struct overlay *overlay, int y, uint8_t *restrict levels)
{
    int row = y - overlay->crop.y, count = overlay->column_count;
    int upper, lower, begin, end;
    uint8_t least = (uint8_t)overlay->first_visible;
    const float *above, *below;
    float weight;

    if (row < 0 || row >= overlay->crop.height)
        return overlay->blank;
    weight = overlay->row_weight[row];
    upper = overlay->row_cell[row];
    lower = weight > 0 ? upper + 1 : upper;
    begin = smaller(overlay->cell_begin[upper], overlay->cell_begin[lower]);
    end = -smaller(-overlay->cell_end[upper], -overlay->cell_end[lower]);
    if (begin >= end)
        return overlay->blank;

    /* From the centre of the cell before the first visible one to that behind the last. */
    begin = begin > 0 ? overlay->first_pixel[begin - 1] : overlay->first_pixel[0];
    end = overlay->first_pixel[end];
    above = wide_row(overlay, upper);
    below = wide_row(overlay, lower);
    memset(levels, 0, (size_t)count);
    for (int x = begin; x < end; x++) {
        uint8_t level = (uint8_t)(int)(above[x] + (below[x] - above[x]) * weight + 0.5f);

        levels[x] = level >= least ? level : 0;
    }
    /* A last column without a partner counts twice if the surface ends there, else its partner
     * lies outside the crop and is blank. */
    levels[count] = overlay->first_column + count == overlay->frame_width ? levels[count - 1] : 0;
    return levels;
}

/* Columns of `levels` whose pixels are blended at once. */
struct stretch {
    int begin, end;
};

static bool is_blank(const uint8_t *levels)
{
    uint64_t words[BLOCK / 8];

    memcpy(words, levels, sizeof(words));
    return !(words[0] | words[1]);
}

/* The next columns from an even one on, behind `from`, that are visible in one of two rows. */
static bool next_stretch(const struct overlay *overlay, const uint8_t *upper, const uint8_t *lower,
                         struct stretch *stretch)
{
    int count = overlay->column_count, x = stretch->end;

    while (x < count && is_blank(upper + x) && is_blank(lower + x))
        x += BLOCK;
    stretch->begin = x;
    while (x < count && x < stretch->begin + STRETCH &&
           !(is_blank(upper + x) && is_blank(lower + x)))
        x += BLOCK;
    stretch->end = x < count ? x : count;
    return stretch->begin < count;
}

/* Each byte by what is kept of it and added to it; divided by 255 to nearest. */
static void blend_bytes(uint8_t *restrict bytes, const uint16_t *restrict kept,
                        const uint16_t *restrict added, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        uint16_t sum = (uint16_t)(bytes[i] * kept[i] + added[i]);

        bytes[i] = (uint8_t)((uint16_t)(sum + (sum >> 8)) >> 8);
    }
}

/* Bytes by what byte_levels tells of each of them. */
static void blend_looked_up(uint8_t *restrict bytes, const uint16_t *restrict blend, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        uint16_t kept = blend[i] & 255, with = blend[i] >> 8;
        uint16_t sum = (uint16_t)(bytes[i] * kept + with * (255 - kept) + 128);

        bytes[i] = (uint8_t)((uint16_t)(sum + (sum >> 8)) >> 8);
    }
}

static void blend_plane(const struct byte_levels *table, const uint8_t *levels, uint8_t *row,
                        const struct stretch *stretch)
{
    size_t begin = (size_t)stretch->begin, count = (size_t)stretch->end - begin;
    uint16_t blend[STRETCH];

    UNROLL
    for (size_t i = 0; i < count; i++)
        blend[i] = table->blend[levels[begin + i]];
    blend_looked_up(row + begin, blend, count);
}

/* Pixels of three bytes; what is looked up for a fourth one is overwritten by the next pixel. */
static void blend_rgb(const struct pixel_levels *table, const uint8_t *levels, uint8_t *row,
                      const struct stretch *stretch)
{
    uint16_t kept[3 * STRETCH + 1], added[3 * STRETCH + 1];
    size_t begin = (size_t)stretch->begin, count = (size_t)stretch->end - begin;

    UNROLL
    for (size_t i = 0; i < count; i++) {
        memcpy(kept + 3 * i, table->kept[levels[begin + i]], sizeof(table->kept[0]));
        memcpy(added + 3 * i, table->added[levels[begin + i]], sizeof(table->added[0]));
    }
    blend_bytes(row + 3 * begin, kept, added, 3 * count);
}

typedef uint8_t eight_bytes __attribute__((vector_size(8)));
typedef uint16_t eight_words __attribute__((vector_size(16)));
typedef uint64_t two_longs __attribute__((vector_size(16)));

/* What the levels of two pixels have in the table. */
static eight_words two_of(const uint16_t table[256][4], const uint8_t levels[2])
{
    uint64_t first, second;

    memcpy(&first, table[levels[0]], sizeof(first));
    memcpy(&second, table[levels[1]], sizeof(second));
    return (eight_words)(two_longs){first, second};
}

/* Pixels of four bytes, two at a time. */
static void blend_two(const struct pixel_levels *table, const uint8_t *levels, uint8_t *pixels)
{
    eight_bytes bytes;
    eight_words sum;

    memcpy(&bytes, pixels, sizeof(bytes));
    sum = __builtin_convertvector(bytes, eight_words) * two_of(table->kept, levels) +
          two_of(table->added, levels);
    bytes = __builtin_convertvector((sum + (sum >> 8)) >> 8, eight_bytes);
    memcpy(pixels, &bytes, sizeof(bytes));
}

static bool is_opaque(const uint8_t *row, const struct stretch *stretch)
{
    uint32_t all = UINT32_MAX;

    for (int x = stretch->begin; x < stretch->end; x++)
        all &= blend_load_word(row + (ptrdiff_t)x * 4);
    return all >> 24 == 255;
}

/* Opaque pixels stay so, and their bytes are blended like any others. */
static void blend_argb_pixels(const struct overlay *overlay, const uint8_t *levels, uint8_t *row,
                              const struct stretch *stretch)
{
    int x = stretch->begin;

    if (is_opaque(row, stretch)) {
        for (; x + 2 <= stretch->end; x += 2)
            blend_two(&overlay->pixels, levels + x, row + (ptrdiff_t)x * 4);
    }
    for (; x < stretch->end; x++) {
        struct color color = overlay->colors[levels[x]];
        uint8_t *pixel = row + (ptrdiff_t)x * 4;

        blend_store_word(pixel, blend_argb(blend_load_word(pixel), color.red, color.green,
                                           color.blue, color.alpha * 255u));
    }
}

/* The sum divided by 1020 to nearest: a half more than it takes keeps it off where floats err. */
static inline uint8_t blend_sample(uint8_t sample, float kept, int added)
{
    return (uint8_t)(int)((sample * kept + (float)added + 510.5f) * (1.0f / 1020));
}

static void blend_samples(uint8_t *restrict samples_u, uint8_t *restrict samples_v,
                          const uint64_t *restrict sums, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        float kept = (float)((int)(sums[i] >> KEPT_BIT) & ((1 << (U_BIT - KEPT_BIT)) - 1));
        int u = (int)(sums[i] >> U_BIT) & ((1 << (V_BIT - U_BIT)) - 1);

        samples_u[i] = blend_sample(samples_u[i], kept, u);
        samples_v[i] = blend_sample(samples_v[i], kept, (int)(sums[i] >> V_BIT));
    }
}

/* Where the first of the overlay's columns lies in the planes of halved chroma. */
struct halved_rows {
    uint8_t *upper, *lower; /* lower: NULL for none */
    uint8_t *u, *v;
};

/*
 * One or two rows of luma, and the chroma that belongs to both: each sample gets the mean of what
 * its four pixels would have given it. Of a row alone the levels count twice.
 */
static void blend_halved(const struct overlay *overlay, const uint8_t *upper, const uint8_t *lower,
                         const struct halved_rows *rows, const struct stretch *stretch)
{
    size_t begin = (size_t)stretch->begin, count = (size_t)stretch->end - begin;
    uint16_t above[STRETCH], below[STRETCH];
    const uint64_t *table = overlay->chroma;
    uint64_t *sums = overlay->sums;

    UNROLL
    for (size_t i = 0; i < count; i += 2) {
        uint64_t a = table[upper[begin + i]], b = table[upper[begin + i + 1]];
        uint64_t c = table[lower[begin + i]], d = table[lower[begin + i + 1]];

        above[i] = (uint16_t)a;
        above[i + 1] = (uint16_t)b;
        below[i] = (uint16_t)c;
        below[i + 1] = (uint16_t)d;
        sums[i / 2] = a + b + c + d;
    }
    blend_looked_up(rows->upper + begin, above, count);
    if (rows->lower)
        blend_looked_up(rows->lower + begin, below, count);
    blend_samples(rows->u + begin / 2, rows->v + begin / 2, sums, (count + 1) / 2);
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
        struct halved_rows rows = {.upper = row_of(surface, 0, y, first),
                                   .u = row_of(surface, 1, y / 2, first / 2),
                                   .v = row_of(surface, 2, y / 2, first / 2)};
        const uint8_t *upper = row_levels(overlay, y, overlay->levels[0]);
        const uint8_t *lower = upper;
        struct stretch stretch = {0, 0};

        if (y + 1 < surface->height) {
            rows.lower = row_of(surface, 0, y + 1, first);
            lower = row_levels(overlay, y + 1, overlay->levels[1]);
        }
        while (next_stretch(overlay, upper, lower, &stretch))
            blend_halved(overlay, upper, lower, &rows, &stretch);
    }
}

static void draw_stretch(const struct overlay *overlay, struct surface *surface,
                         const uint8_t *levels, int y, const struct stretch *stretch)
{
    int first = overlay->first_column;

    switch (surface->format) {
    case SURFACE_GRAY:
        blend_plane(&overlay->planes[0], levels, row_of(surface, 0, y, first), stretch);
        break;
    case SURFACE_YUV422:
        blend_halved(overlay, levels, levels,
                     &(struct halved_rows){.upper = row_of(surface, 0, y, first),
                                           .u = row_of(surface, 1, y, first / 2),
                                           .v = row_of(surface, 2, y, first / 2)},
                     stretch);
        break;
    case SURFACE_YUV444:
        for (int plane = 0; plane < 3; plane++)
            blend_plane(&overlay->planes[plane], levels, row_of(surface, plane, y, first), stretch);
        break;
    case SURFACE_RGB24:
    case SURFACE_BGR24:
        blend_rgb(&overlay->pixels, levels, row_of(surface, 0, y, first * 3), stretch);
        break;
    case SURFACE_ARGB32:
        blend_argb_pixels(overlay, levels, row_of(surface, 0, y, first * 4), stretch);
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
    fill_tables(overlay, surface, options);
    if (overlay->first_visible > 255)
        return;
    read_mask(overlay, mask);

    if (surface->format == SURFACE_YUV420) {
        draw_yuv420(overlay, surface);
        return;
    }
    for (int y = overlay->crop.y; y < overlay->crop.y + overlay->crop.height; y++) {
        const uint8_t *levels = row_levels(overlay, y, overlay->levels[0]);
        struct stretch stretch = {0, 0};

        while (next_stretch(overlay, levels, levels, &stretch))
            draw_stretch(overlay, surface, levels, y, &stretch);
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
