#include "nn/preprocess.h"

#include "base/error.h"
#include "base/memory.h"
#include "kernels/dispatch.h"

#include <math.h>
#include <string.h>

#define IMAGE_MAX_SIDE 32768

/* Vectors that every compiler knows how to do. */
#define LANES 4
typedef float floats __attribute__((vector_size(LANES * sizeof(float))));
typedef int32_t lanes __attribute__((vector_size(LANES * sizeof(float))));

/* What is resized. */
enum sample {
    SAMPLE_BYTE,  /* luma */
    SAMPLE_BYTES, /* red, green, blue or the other way round, as they lie in the image */
    SAMPLE_YUV    /* red, green, blue made of Y, U and V */
};

/*
 * For each output row the columns of the crop are summed over the image rows that it is made of,
 * and then along the row:
 *
 *     rows of the crop --> sums --> line, converted --> network's input
 *     crop.width           the same settings.width
 */
struct preprocess {
    struct preprocess_settings settings;
    const struct resize *resize;

    /* For the geometry of the last frame; image.width == 0: none yet. */
    VbpImage image; /* its pointers are not kept */
    VbpRectangle crop;
    enum sample sample;
    struct taps columns, rows;
    struct resize_tap *row_taps; /* those of rows, with the colours in them */
    struct resize_image resize_image;
    float *sums; /* crop.width cells of as many floats as sum_step tells, and some more */

    /* An output row before and after its colours are changed: three planes of `pitch` floats,
     * settings.width in whole vectors. Then as it is stored. */
    float *line, *converted, *row;
    size_t pitch;
};

/* Floats of a cell of preprocess.sums. */
static size_t sum_step(enum sample sample)
{
    return sample == SAMPLE_BYTE ? 1 : sample == SAMPLE_BYTES ? 3 : 4;
}

static int cut(double amount, int side)
{
    return (int)(amount < 1 ? amount * side : amount);
}

int preprocess_crop(const struct preprocess_settings *settings, int width, int height,
                    VbpRectangle *crop, VbpError *error)
{
    int top = cut(settings->crop_top, height), bottom = cut(settings->crop_bottom, height);
    int left = cut(settings->crop_left, width), right = cut(settings->crop_right, width);

    if (top + bottom >= height || left + right >= width)
        return error_set(
            error, VBP_ERROR_ARGUMENT,
            "the card's input.crop (top %d, bottom %d, left %d, right %d) leaves nothing of a "
            "frame of %dx%d",
            top, bottom, left, right, width, height);
    *crop = (VbpRectangle){left, top, width - left - right, height - top - bottom};
    return VBP_OK;
}

static bool is_yuv(VbpPixelFormat format)
{
    return format == VBP_PIXEL_YUV420P || format == VBP_PIXEL_YUV422P ||
           format == VBP_PIXEL_YUV444P;
}

static enum sample sample_for(enum card_color color, VbpPixelFormat format)
{
    if (format == VBP_PIXEL_GRAY8 || (color == CARD_GRAY && is_yuv(format)))
        return SAMPLE_BYTE;
    return is_yuv(format) ? SAMPLE_YUV : SAMPLE_BYTES;
}

/* ITU-R BT.601, BT.709 and BT.2020: the shares of red and blue in luma. */
static void set_taps(struct preprocess *p, const VbpImage *image)
{
    static const double red_shares[] = {0.299, 0.2126, 0.2627};
    static const double blue_shares[] = {0.114, 0.0722, 0.0593};
    double red = red_shares[image->matrix], blue = blue_shares[image->matrix];
    double green = 1 - red - blue;
    bool limited = is_yuv(image->format) && !image->full_range;
    double luma_gain = limited ? 255.0 / 219 : 1, chroma_gain = limited ? 255.0 / 224 : 1;

    for (int i = 0; i < p->rows.outputs * p->rows.pitch; i++) {
        double weight = (double)p->rows.weight[i], chroma = weight * chroma_gain;

        p->row_taps[i] = (struct resize_tap){
            .gain = (float)(weight * luma_gain),
            .red_v = (float)(2 * (1 - red) * chroma),
            .green_u = (float)(-2 * (1 - blue) * blue / green * chroma),
            .green_v = (float)(-2 * (1 - red) * red / green * chroma),
            .blue_u = (float)(2 * (1 - blue) * chroma),
            .low = (float)fmin(255 * weight, 0),
            .high = (float)fmax(255 * weight, 0),
        };
    }
    p->resize_image = (struct resize_image){
        .halved_width = image->format == VBP_PIXEL_YUV420P || image->format == VBP_PIXEL_YUV422P,
        .halved_height = image->format == VBP_PIXEL_YUV420P,
        .black = limited ? 16 : 0,
        .span = limited ? 219 : 255,
    };
}

static bool same_geometry(const VbpImage *a, const VbpImage *b)
{
    return a->format == b->format && a->matrix == b->matrix && !a->full_range == !b->full_range &&
           a->width == b->width && a->height == b->height;
}

static enum resample_filter filter_for(enum card_resize resize, const VbpRectangle *crop, int width,
                                       int height)
{
    switch (resize) {
    case CARD_AREA:
        return crop->width >= width && crop->height >= height ? RESAMPLE_AREA : RESAMPLE_AREA_GROWN;
    case CARD_NEAREST:
        return RESAMPLE_NEAREST;
    case CARD_BICUBIC:
        return RESAMPLE_BICUBIC;
    case CARD_BILINEAR:
        break;
    }
    return RESAMPLE_BILINEAR;
}

static int check_image(const VbpImage *image, VbpError *error)
{
    if ((unsigned)image->format > VBP_PIXEL_YUV444P || (unsigned)image->matrix > VBP_MATRIX_BT2020)
        return error_set(error, VBP_ERROR_ARGUMENT, "the image's format or matrix does not exist");
    if (image->width < 1 || image->height < 1 || image->width > IMAGE_MAX_SIDE ||
        image->height > IMAGE_MAX_SIDE)
        return error_set(error, VBP_ERROR_ARGUMENT, "an image of %dx%d", image->width,
                         image->height);
    for (int plane = 0; plane < (is_yuv(image->format) ? 3 : 1); plane++) {
        if (!image->plane[plane])
            return error_set(error, VBP_ERROR_ARGUMENT, "the image's plane %d is missing", plane);
    }
    return VBP_OK;
}

/* Makes the tables for images like this one. After a failure there is no geometry. */
static int adopt_geometry(struct preprocess *p, const VbpImage *image, VbpError *error)
{
    const struct preprocess_settings *settings = &p->settings;
    enum resample_filter filter;
    int result;

    p->image.width = 0;
    result = preprocess_crop(settings, image->width, image->height, &p->crop, error);
    if (result != VBP_OK)
        return result;
    taps_free(&p->columns);
    taps_free(&p->rows);
    free(p->row_taps);
    free(p->sums);
    p->row_taps = NULL;
    p->sample = sample_for(settings->color, image->format);
    /* A column in front where chroma is halved, and what is read behind. */
    p->sums =
        memory_array(((size_t)p->crop.width + 1 + TAPS_GROUP) * sum_step(p->sample), sizeof(float));
    filter = filter_for(settings->resize, &p->crop, settings->width, settings->height);
    if (!p->sums || !taps_make(&p->columns, filter, p->crop.width, settings->width) ||
        !taps_make(&p->rows, filter, p->crop.height, settings->height))
        return error_out_of_memory(error);
    p->row_taps =
        memory_array((size_t)p->rows.outputs * (size_t)p->rows.pitch, sizeof(*p->row_taps));
    if (!p->row_taps)
        return error_out_of_memory(error);
    set_taps(p, image);
    p->image = *image;
    return VBP_OK;
}

int preprocess_create(struct preprocess **preprocess, const struct preprocess_settings *settings,
                      VbpError *error)
{
    struct preprocess *p = memory_array(1, sizeof(*p));

    *preprocess = NULL;
    if (!p)
        return error_out_of_memory(error);
    p->settings = *settings;
    p->resize = kernels_best(settings->isa)->resize;
    p->pitch = ((size_t)settings->width + LANES - 1) / LANES * LANES;
    p->line = memory_array(3 * p->pitch, sizeof(float));
    p->converted = memory_array(3 * p->pitch, sizeof(float));
    p->row = memory_array(3 * p->pitch + 1, sizeof(float));
    if (!p->line || !p->converted || !p->row) {
        preprocess_destroy(&p);
        return error_out_of_memory(error);
    }
    *preprocess = p;
    return VBP_OK;
}

void preprocess_destroy(struct preprocess **preprocess)
{
    struct preprocess *p = *preprocess;

    if (!p)
        return;
    taps_free(&p->columns);
    taps_free(&p->rows);
    free(p->row_taps);
    free(p->sums);
    free(p->line);
    free(p->converted);
    free(p->row);
    free(p);
    *preprocess = NULL;
}

static floats load(const float *from)
{
    floats values;

    memcpy(&values, from, sizeof(values));
    return values;
}

static void store(float *to, floats values)
{
    memcpy(to, &values, sizeof(values));
}

static floats cut_to_bytes(floats value)
{
    const floats white = {255, 255, 255, 255};
    lanes above, positive = value > 0;

    value = (floats)((lanes)value & positive);
    above = value > white;
    return (floats)(((lanes)white & above) | ((lanes)value & ~above));
}

static floats luma_of(floats red, floats green, floats blue)
{
    return 0.299f * red + 0.587f * green + 0.114f * blue;
}

/* The image from the first column that is summed; *skipped: how many of them the crop is without.
 */
static struct resize_image place_columns(const struct preprocess *p, const VbpImage *image,
                                         int *skipped)
{
    struct resize_image placed = p->resize_image;
    int halved = p->sample == SAMPLE_YUV && placed.halved_width;
    int x = halved ? p->crop.x & ~1 : p->crop.x;

    *skipped = p->crop.x - x;
    placed.plane[0] = image->plane[0] + (p->sample == SAMPLE_BYTES ? 3 * x : x);
    placed.stride[0] = image->stride[0];
    for (int plane = 1; plane < 3 && p->sample == SAMPLE_YUV; plane++) {
        placed.plane[plane] = image->plane[plane] + (halved ? x / 2 : x);
        placed.stride[plane] = image->stride[plane];
    }
    return placed;
}

/* p->line = output row y, 0..255: gray or red, green, blue, which may lie in the image's order. */
static void make_line(struct preprocess *p, const struct resize_image *image, int skipped, int y)
{
    struct resize_rows rows = {.row = p->crop.y + p->rows.start[y],
                               .count = p->rows.count[y],
                               .taps = p->row_taps + (ptrdiff_t)y * p->rows.pitch};
    size_t step = sum_step(p->sample), count = (size_t)p->crop.width + (size_t)skipped;
    const float *cells = p->sums + (size_t)skipped * step;

    if (p->sample == SAMPLE_YUV)
        p->resize->yuv_down(image, &rows, count, p->sums);
    else
        p->resize->bytes_down(image, &rows, count * step, p->sums);
    if (p->sample == SAMPLE_BYTE)
        taps_sum(&p->columns, cells, p->line);
    else
        p->resize->pixels_across(&p->columns, cells, step, p->line, p->pitch);
}

static void make_gray(size_t pitch, const float *red, const float *green, const float *blue,
                      float *gray)
{
    for (size_t x = 0; x < pitch; x += LANES)
        store(gray + x, luma_of(load(red + x), load(green + x), load(blue + x)));
}

/* As OpenCV makes it of bytes: so what a cubic overshot is cut before. */
static void make_yuv(size_t pitch, const float *red, const float *green, const float *blue,
                     float *yuv)
{
    for (size_t x = 0; x < pitch; x += LANES) {
        floats r = cut_to_bytes(load(red + x)), b = cut_to_bytes(load(blue + x));
        floats luma = luma_of(r, cut_to_bytes(load(green + x)), b);

        store(yuv + x, luma);
        store(yuv + x + pitch, 0.492f * (b - luma) + 128);
        store(yuv + x + 2 * pitch, 0.877f * (r - luma) + 128);
    }
}

static void make_saturation(size_t pitch, const float *red, const float *green, const float *blue,
                            float *saturation)
{
    for (size_t x = 0; x < pitch; x += LANES) {
        floats r = cut_to_bytes(load(red + x)), g = cut_to_bytes(load(green + x));
        floats b = cut_to_bytes(load(blue + x));

        for (int i = 0; i < LANES; i++) {
            float most = fmaxf(r[i], fmaxf(g[i], b[i])), least = fminf(r[i], fminf(g[i], b[i]));

            saturation[x + (size_t)i] = most > 0 ? 255 * (most - least) / most : 0;
        }
    }
}

/* The network's colours of p->line: where the channels lie. */
static void convert_color(struct preprocess *p, const float *channels[3])
{
    size_t pitch = p->pitch;
    const float *red = p->line, *green = p->line, *blue = p->line;
    bool swapped = p->image.format == VBP_PIXEL_BGR24;

    if (p->sample != SAMPLE_BYTE) {
        red = p->line + (swapped ? 2 * pitch : 0);
        green = p->line + pitch;
        blue = p->line + (swapped ? 0 : 2 * pitch);
    }
    for (size_t c = 0; c < 3; c++)
        channels[c] = p->converted + c * pitch;
    switch (p->settings.color) {
    case CARD_GRAY:
        if (p->sample == SAMPLE_BYTE)
            channels[0] = p->line;
        else
            make_gray(pitch, red, green, blue, p->converted);
        break;
    case CARD_RGB:
    case CARD_BGR:
        channels[0] = p->settings.color == CARD_RGB ? red : blue;
        channels[1] = green;
        channels[2] = p->settings.color == CARD_RGB ? blue : red;
        break;
    case CARD_YUV:
        make_yuv(pitch, red, green, blue, p->converted);
        break;
    case CARD_YUV_SWAPPED:
        make_yuv(pitch, blue, green, red, p->converted);
        break;
    case CARD_SATURATION:
        make_saturation(pitch, red, green, blue, p->converted);
        break;
    }
}

static floats scaled(const float *from, float scale, float bias)
{
    return cut_to_bytes(load(from)) * scale + bias;
}

/* A row of `width` values for each plane of the input. */
static void store_planes(const struct preprocess *p, const float *const lines[3], float *to)
{
    const struct preprocess_settings *settings = &p->settings;
    size_t width = (size_t)settings->width, plane = width * (size_t)settings->height;

    for (size_t c = 0; c < (size_t)settings->channels; c++) {
        for (size_t x = 0; x < p->pitch; x += LANES)
            store(p->row + x, scaled(lines[c] + x, settings->scale[c], settings->bias[c]));
        memcpy(to + c * plane, p->row, width * sizeof(float));
    }
}

/* A row of `width` pixels of three values. */
static void store_pixels(const struct preprocess *p, const float *const lines[3], float *to)
{
    const float *scale = p->settings.scale, *bias = p->settings.bias;

    for (size_t x = 0; x < p->pitch; x += LANES) {
        floats a = scaled(lines[0] + x, scale[0], bias[0]);
        floats b = scaled(lines[1] + x, scale[1], bias[1]);
        floats c = scaled(lines[2] + x, scale[2], bias[2]);
        floats first = __builtin_shufflevector(a, b, 0, 4, 1, 5);
        floats last = __builtin_shufflevector(a, b, 2, 6, 3, 7);

        /* Of each vector three are the pixel's; the next one's overwrite the fourth. */
        store(p->row + 3 * x, __builtin_shufflevector(first, c, 0, 1, 4, 4));
        store(p->row + 3 * x + 3, __builtin_shufflevector(first, c, 2, 3, 5, 5));
        store(p->row + 3 * x + 6, __builtin_shufflevector(last, c, 0, 1, 6, 6));
        store(p->row + 3 * x + 9, __builtin_shufflevector(last, c, 2, 3, 7, 7));
    }
    memcpy(to, p->row, 3 * (size_t)p->settings.width * sizeof(float));
}

int preprocess_run(struct preprocess *preprocess, const VbpImage *image, float *input,
                   VbpError *error)
{
    struct preprocess *p = preprocess;
    int result = check_image(image, error), skipped;
    struct resize_image placed;

    if (result == VBP_OK && !same_geometry(&p->image, image))
        result = adopt_geometry(p, image, error);
    if (result != VBP_OK)
        return result;
    placed = place_columns(p, image, &skipped);
    for (int y = 0; y < p->settings.height; y++) {
        const float *channels[3];

        make_line(p, &placed, skipped, y);
        convert_color(p, channels);
        if (p->settings.channels_last && p->settings.channels == 3)
            store_pixels(p, channels, input + 3 * (size_t)y * (size_t)p->settings.width);
        else
            store_planes(p, channels, input + (size_t)y * (size_t)p->settings.width);
    }
    return VBP_OK;
}
