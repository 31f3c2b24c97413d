/*
 * A halved sample lies in the middle of the two pixels (or the two times two) that it is for, so
 * that a pixel is a quarter of a sample away from its own and three quarters from its neighbour:
 *
 *     samples        a       b       c
 *     pixels       |   |   |   |   |   |       b's: (3 b + a) / 4, (3 b + c) / 4
 *
 * down the columns likewise. Sums are kept whole until the end; the halves that are added before
 * the division alternate along the row, so that no pixel is favoured. At the picture's sides a
 * sample is its own neighbour.
 */
#include "media/jpeg.h"

#include "base/memory.h"
#include "media/frame.h"

#include <stdbool.h>
#include <string.h>

/* Libjpeg repeats the samples of rows that are narrower than this. */
#define LEAST_SAMPLES 3

/* One of U and V. */
struct chroma {
    const uint8_t *samples;
    ptrdiff_t stride;
    int width, height; /* in samples */
    bool halved_width, halved_height;
    int *sums;    /* width: a row between two rows, times `weight` */
    uint8_t *row; /* as wide as the picture, and one more */
};

/* Row y of the picture, between the rows of samples; returns what its sums are multiples of. */
static int sum_rows(const struct chroma *chroma, int y)
{
    int own = chroma->halved_height ? y / 2 : y;
    int other = own + (y % 2 ? 1 : -1);
    const uint8_t *near = chroma->samples + own * chroma->stride, *far;

    if (!chroma->halved_height || chroma->width < LEAST_SAMPLES) {
        for (int x = 0; x < chroma->width; x++)
            chroma->sums[x] = near[x];
        return 1;
    }
    other = other < 0 || other >= chroma->height ? own : other;
    far = chroma->samples + other * chroma->stride;
    for (int x = 0; x < chroma->width; x++)
        chroma->sums[x] = 3 * near[x] + far[x];
    return 4;
}

/* Two pixels of each sample, which are 1 / 2^shift of the sums; `even` and `odd` are halves. */
static void spread_sums(const int *restrict sums, int count, int shift, int even, int odd,
                        uint8_t *restrict row)
{
    int last = count - 1;

    row[0] = (uint8_t)((4 * sums[0] + even) >> shift);
    row[1] = (uint8_t)((3 * sums[0] + sums[1] + odd) >> shift);
    for (int x = 1; x < last; x++) {
        int own = 3 * sums[x];

        row[2 * x] = (uint8_t)((own + sums[x - 1] + even) >> shift);
        row[2 * x + 1] = (uint8_t)((own + sums[x + 1] + odd) >> shift);
    }
    row[2 * last] = (uint8_t)((3 * sums[last] + sums[last - 1] + even) >> shift);
    row[2 * last + 1] = (uint8_t)((4 * sums[last] + odd) >> shift);
}

/* chroma->row = row y of the picture. */
static void spread_row(const struct chroma *chroma, int y)
{
    int weight = sum_rows(chroma, y);

    if (!chroma->halved_width) {
        for (int x = 0; x < chroma->width; x++)
            chroma->row[x] = (uint8_t)chroma->sums[x];
    } else if (chroma->width < LEAST_SAMPLES) {
        for (int x = 0; x < chroma->width; x++)
            chroma->row[2 * x] = chroma->row[2 * x + 1] = (uint8_t)chroma->sums[x];
    } else if (weight == 1) { /* the smaller halves come first where only the width is halved */
        spread_sums(chroma->sums, chroma->width, 2, 1, 2, chroma->row);
    } else {
        spread_sums(chroma->sums, chroma->width, 4, 8, 7, chroma->row);
    }
}

static uint8_t cut_to_byte(int value)
{
    return (uint8_t)(value < 0 ? 0 : value > 255 ? 255 : value);
}

/* The factors of JFIF (ITU-R BT.601) times 2^16. */
static void convert_row(const uint8_t *restrict luma, const uint8_t *restrict u,
                        const uint8_t *restrict v, int width, uint8_t *restrict rgb)
{
    const int half = 1 << 15;

    for (int x = 0; x < width; x++, rgb += 3) {
        int blue = u[x] - 128, red = v[x] - 128;

        rgb[0] = cut_to_byte(luma[x] + ((91881 * red + half) >> 16));
        rgb[1] = cut_to_byte(luma[x] + ((-22554 * blue - 46802 * red + half) >> 16));
        rgb[2] = cut_to_byte(luma[x] + ((116130 * blue + half) >> 16));
    }
}

static int make_chroma(struct chroma *chroma, const AVFrame *picture, int plane, VbpError *error)
{
    enum AVPixelFormat format = (enum AVPixelFormat)picture->format;

    chroma->halved_height = format == AV_PIX_FMT_YUVJ420P || format == AV_PIX_FMT_YUV420P;
    chroma->halved_width =
        chroma->halved_height || format == AV_PIX_FMT_YUVJ422P || format == AV_PIX_FMT_YUV422P;
    chroma->width = chroma->halved_width ? (picture->width + 1) / 2 : picture->width;
    chroma->height = chroma->halved_height ? (picture->height + 1) / 2 : picture->height;
    chroma->samples = picture->data[plane];
    chroma->stride = picture->linesize[plane];
    chroma->sums = memory_array((size_t)chroma->width, sizeof(*chroma->sums));
    chroma->row = memory_array((size_t)picture->width + 1, 1);
    return chroma->sums && chroma->row ? VBP_OK : error_out_of_memory(error);
}

static bool is_jpeg_layout(const AVFrame *picture)
{
    switch (picture->format) {
    case AV_PIX_FMT_YUVJ420P:
    case AV_PIX_FMT_YUVJ422P:
    case AV_PIX_FMT_YUVJ444P:
        return true;
    case AV_PIX_FMT_YUV420P:
    case AV_PIX_FMT_YUV422P:
    case AV_PIX_FMT_YUV444P:
        return picture->color_range == AVCOL_RANGE_JPEG;
    default:
        return false;
    }
}

int jpeg_to_rgb(AVFrame **picture, VbpError *error)
{
    const AVFrame *from = *picture;
    struct chroma u = {0}, v = {0};
    struct frame_pool *pool = NULL;
    AVFrame *to = NULL;
    int result;

    if (!is_jpeg_layout(from))
        return VBP_OK;
    result = make_chroma(&u, from, 1, error);
    if (result == VBP_OK)
        result = make_chroma(&v, from, 2, error);
    if (result != VBP_OK)
        goto done;
    to = frame_pool_take(&pool, AV_PIX_FMT_RGB24, from->width, from->height, error);
    if (!to || av_frame_copy_props(to, from) < 0) {
        result = error_out_of_memory(error);
        goto done;
    }
    to->colorspace = AVCOL_SPC_RGB;
    to->color_range = AVCOL_RANGE_JPEG;
    for (int y = 0; y < from->height; y++) {
        spread_row(&u, y);
        spread_row(&v, y);
        convert_row(from->data[0] + (ptrdiff_t)y * from->linesize[0], u.row, v.row, from->width,
                    to->data[0] + (ptrdiff_t)y * to->linesize[0]);
    }
done:
    frame_pool_free(&pool);
    free(u.sums);
    free(u.row);
    free(v.sums);
    free(v.row);
    av_frame_free(picture);
    if (result == VBP_OK)
        *picture = to;
    else
        av_frame_free(&to);
    return result;
}
