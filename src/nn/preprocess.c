#include "nn/preprocess.h"

#include "base/error.h"
#include "base/memory.h"
#include "kernels/resample.h"

#include <math.h>
#include <string.h>

#define IMAGE_MAX_SIDE 32768

/* Y, U, V bytes to red, green, blue: a table look-up and multiply-adds each. */
struct yuv_tables {
    float luma[256]; /* 0..255, full range */
    float red_v[256], green_u[256], green_v[256], blue_u[256];
};

/* What a source pixel becomes before it is resized: one value, or three. */
enum sample { SAMPLE_LUMA, SAMPLE_RGB };

struct preprocess {
    struct preprocess_settings settings;
    enum sample sample;

    /* For the geometry of the last frame; image.width == 0: none yet. */
    VbpImage image; /* its pointers are not kept */
    VbpRectangle crop;
    struct taps columns, rows;
    struct yuv_tables yuv;

    /* Source rows resized along the width, one slot each: slot = row % slots. A slot holds
     * sample channels x settings.width floats. */
    float *row_cache;
    int *row_in_slot;
    int slots;
    float *line; /* one output row, sample channels x settings.width */
};

static int sample_channels(const struct preprocess *preprocess)
{
    return preprocess->sample == SAMPLE_LUMA ? 1 : 3;
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
            "the card's crop (top %d, bottom %d, left %d, right %d) leaves nothing of a "
            "frame of %dx%d",
            top, bottom, left, right, width, height);
    *crop = (VbpRectangle){left, top, width - left - right, height - top - bottom};
    return VBP_OK;
}

/* ITU-R BT.601, BT.709 and BT.2020: the shares of red and blue in luma. */
static void make_yuv_tables(struct yuv_tables *tables, const VbpImage *image)
{
    static const double red_shares[] = {0.299, 0.2126, 0.2627};
    static const double blue_shares[] = {0.114, 0.0722, 0.0593};
    double red = red_shares[image->matrix], blue = blue_shares[image->matrix];
    double green = 1 - red - blue;
    double luma_range = image->full_range ? 255 : 219, chroma_range = image->full_range ? 255 : 224;
    double black = image->full_range ? 0 : 16;

    for (int i = 0; i < 256; i++) {
        double chroma = (i - 128) * 255 / chroma_range;

        tables->luma[i] = (float)fmin(fmax((i - black) * 255 / luma_range, 0), 255);
        tables->red_v[i] = (float)(2 * (1 - red) * chroma);
        tables->blue_u[i] = (float)(2 * (1 - blue) * chroma);
        tables->green_u[i] = (float)(-2 * (1 - blue) * blue / green * chroma);
        tables->green_v[i] = (float)(-2 * (1 - red) * red / green * chroma);
    }
}

static bool same_geometry(const VbpImage *a, const VbpImage *b)
{
    return a->format == b->format && a->matrix == b->matrix && !a->full_range == !b->full_range &&
           a->width == b->width && a->height == b->height;
}

static bool is_yuv(VbpPixelFormat format)
{
    return format == VBP_PIXEL_YUV420P || format == VBP_PIXEL_YUV422P ||
           format == VBP_PIXEL_YUV444P;
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
    size_t slot = (size_t)sample_channels(p) * (size_t)settings->width;
    enum resample_filter filter;
    int result;

    p->image.width = 0;
    result = preprocess_crop(settings, image->width, image->height, &p->crop, error);
    if (result != VBP_OK)
        return result;
    taps_free(&p->columns);
    taps_free(&p->rows);
    free(p->row_cache);
    free(p->row_in_slot);
    p->row_cache = NULL;
    p->row_in_slot = NULL;
    filter = filter_for(settings->resize, &p->crop, settings->width, settings->height);
    if (!taps_make(&p->columns, filter, p->crop.width, settings->width) ||
        !taps_make(&p->rows, filter, p->crop.height, settings->height))
        return error_out_of_memory(error);
    /* The taps of one output row lie close together, so this many slots never collide in one. */
    p->slots = p->rows.most;
    p->row_cache = memory_aligned_array((size_t)p->slots * slot, sizeof(float));
    p->row_in_slot = memory_array((size_t)p->slots, sizeof(int));
    if (!p->row_cache || !p->row_in_slot)
        return error_out_of_memory(error);
    make_yuv_tables(&p->yuv, image);
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
    p->sample = settings->color == CARD_GRAY ? SAMPLE_LUMA : SAMPLE_RGB;
    p->line = memory_aligned_array(3 * (size_t)settings->width, sizeof(float));
    if (!p->line) {
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
    free(p->row_cache);
    free(p->row_in_slot);
    free(p->line);
    free(p);
    *preprocess = NULL;
}

static float luma_of_rgb(float red, float green, float blue)
{
    return 0.299f * red + 0.587f * green + 0.114f * blue;
}

static float clamp_byte(float value)
{
    return value < 0 ? 0 : value > 255 ? 255 : value;
}

/* One row of the image, as the taps read it. */
struct row {
    const struct preprocess *preprocess;
    const uint8_t *plane[3];
    int chroma_shift; /* of x, for planar YUV */
};

static struct row image_row(const struct preprocess *preprocess, const VbpImage *image, int y)
{
    struct row row = {.preprocess = preprocess};
    int chroma_y = image->format == VBP_PIXEL_YUV420P ? y >> 1 : y;

    row.chroma_shift = image->format != VBP_PIXEL_YUV444P;
    row.plane[0] = image->plane[0] + y * image->stride[0];
    if (is_yuv(image->format)) {
        row.plane[1] = image->plane[1] + chroma_y * image->stride[1];
        row.plane[2] = image->plane[2] + chroma_y * image->stride[2];
    }
    return row;
}

static float read_luma(const struct row *row, VbpPixelFormat format, int x)
{
    const uint8_t *pixel = row->plane[0] + 3 * (size_t)x;

    switch (format) {
    case VBP_PIXEL_GRAY8:
        return row->plane[0][x];
    case VBP_PIXEL_RGB24:
        return luma_of_rgb(pixel[0], pixel[1], pixel[2]);
    case VBP_PIXEL_BGR24:
        return luma_of_rgb(pixel[2], pixel[1], pixel[0]);
    default:
        return row->preprocess->yuv.luma[row->plane[0][x]];
    }
}

static void read_rgb(const struct row *row, VbpPixelFormat format, int x, float rgb[3])
{
    const struct yuv_tables *yuv = &row->preprocess->yuv;
    const uint8_t *pixel = row->plane[0] + 3 * (size_t)x;
    uint8_t u, v;
    float luma;

    switch (format) {
    case VBP_PIXEL_GRAY8:
        rgb[0] = rgb[1] = rgb[2] = row->plane[0][x];
        break;
    case VBP_PIXEL_RGB24:
        rgb[0] = pixel[0];
        rgb[1] = pixel[1];
        rgb[2] = pixel[2];
        break;
    case VBP_PIXEL_BGR24:
        rgb[0] = pixel[2];
        rgb[1] = pixel[1];
        rgb[2] = pixel[0];
        break;
    default:
        u = row->plane[1][x >> row->chroma_shift];
        v = row->plane[2][x >> row->chroma_shift];
        luma = yuv->luma[row->plane[0][x]];
        rgb[0] = clamp_byte(luma + yuv->red_v[v]);
        rgb[1] = clamp_byte(luma + yuv->green_u[u] + yuv->green_v[v]);
        rgb[2] = clamp_byte(luma + yuv->blue_u[u]);
        break;
    }
}

/* Resizes one source row of the crop along the width: sample channels x settings.width floats. */
static void resize_row(const struct preprocess *p, const VbpImage *image, int y, float *resized)
{
    struct row row = image_row(p, image, p->crop.y + y);
    size_t width = (size_t)p->settings.width;

    for (size_t x = 0; x < width; x++) {
        float sum[3] = {0, 0, 0};

        for (int tap = p->columns.first[x]; tap < p->columns.first[x + 1]; tap++) {
            int source = p->crop.x + p->columns.index[tap];
            float weight = p->columns.weight[tap], rgb[3];

            if (p->sample == SAMPLE_LUMA) {
                sum[0] += weight * read_luma(&row, image->format, source);
                continue;
            }
            read_rgb(&row, image->format, source, rgb);
            for (int c = 0; c < 3; c++)
                sum[c] += weight * rgb[c];
        }
        for (size_t c = 0; c < (size_t)sample_channels(p); c++)
            resized[c * width + x] = sum[c];
    }
}

static const float *cached_row(struct preprocess *p, const VbpImage *image, int y)
{
    int slot = y % p->slots;
    float *resized =
        p->row_cache + (size_t)slot * (size_t)sample_channels(p) * (size_t)p->settings.width;

    if (p->row_in_slot[slot] != y) {
        resize_row(p, image, y, resized);
        p->row_in_slot[slot] = y;
    }
    return resized;
}

/* p->line = output row y, all sample channels, 0..255. */
static void make_line(struct preprocess *p, const VbpImage *image, int y)
{
    size_t count = (size_t)sample_channels(p) * (size_t)p->settings.width;

    memset(p->line, 0, count * sizeof(float));
    for (int tap = p->rows.first[y]; tap < p->rows.first[y + 1]; tap++) {
        const float *row = cached_row(p, image, p->rows.index[tap]);
        float weight = p->rows.weight[tap];

        for (size_t i = 0; i < count; i++)
            p->line[i] += weight * row[i];
    }
}

/* Changes p->line from red, green, blue to the network's colours. */
static void convert_color(struct preprocess *p)
{
    size_t width = (size_t)p->settings.width;
    float *first = p->line, *second = p->line + width, *third = p->line + 2 * width;

    for (size_t x = 0; x < width; x++) {
        /* A cubic overshoots, and what OpenCV converts are bytes. */
        float red = clamp_byte(first[x]), green = clamp_byte(second[x]);
        float blue = clamp_byte(third[x]);
        float most, least, luma;

        switch (p->settings.color) {
        case CARD_RGB:
        case CARD_GRAY:
            break;
        case CARD_BGR:
            first[x] = blue;
            third[x] = red;
            break;
        case CARD_YUV_SWAPPED:
            luma = luma_of_rgb(blue, green, red);
            first[x] = luma;
            second[x] = clamp_byte(0.492f * (red - luma) + 128);
            third[x] = clamp_byte(0.877f * (blue - luma) + 128);
            break;
        case CARD_YUV:
            luma = luma_of_rgb(red, green, blue);
            first[x] = luma;
            second[x] = clamp_byte(0.492f * (blue - luma) + 128);
            third[x] = clamp_byte(0.877f * (red - luma) + 128);
            break;
        case CARD_SATURATION:
            most = fmaxf(red, fmaxf(green, blue));
            least = fminf(red, fminf(green, blue));
            first[x] = most > 0 ? 255 * (most - least) / most : 0;
            break;
        }
    }
}

static void store_line(const struct preprocess *p, int y, float *input)
{
    const struct preprocess_settings *settings = &p->settings;
    size_t width = (size_t)settings->width, channels = (size_t)settings->channels;
    size_t plane = width * (size_t)settings->height;

    for (size_t c = 0; c < channels; c++) {
        float scale = settings->scale[c], bias = settings->bias[c];
        const float *line = p->line + c * width;

        if (settings->channels_last) {
            float *to = input + (size_t)y * width * channels + c;

            for (size_t x = 0; x < width; x++)
                to[x * channels] = clamp_byte(line[x]) * scale + bias;
        } else {
            float *to = input + c * plane + (size_t)y * width;

            for (size_t x = 0; x < width; x++)
                to[x] = clamp_byte(line[x]) * scale + bias;
        }
    }
}

int preprocess_run(struct preprocess *preprocess, const VbpImage *image, float *input,
                   VbpError *error)
{
    struct preprocess *p = preprocess;
    int result = check_image(image, error);

    if (result == VBP_OK && !same_geometry(&p->image, image))
        result = adopt_geometry(p, image, error);
    if (result != VBP_OK)
        return result;
    for (int slot = 0; slot < p->slots; slot++)
        p->row_in_slot[slot] = -1;
    for (int y = 0; y < p->settings.height; y++) {
        make_line(p, image, y);
        if (p->sample == SAMPLE_RGB)
            convert_color(p);
        store_line(p, y, input);
    }
    return VBP_OK;
}
