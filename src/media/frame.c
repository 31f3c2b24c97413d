#include "media/frame.h"

#include "base/error.h"
#include "base/memory.h"

#include <libavutil/buffer.h>
#include <libavutil/imgutils.h>
#include <libavutil/pixdesc.h>

/* Rows start at multiples of this many bytes, for the widest vector loads there are. */
#define ROW_ALIGNMENT 64
/* Readable bytes behind the last row: swscale and the encoders read whole vectors. */
#define TAIL_BYTES 64

struct frame_pool {
    AVBufferPool *buffers;
    enum AVPixelFormat format;
    int width, height;
    int linesize[4];
    size_t offset[4]; /* of each plane in a buffer */
};

static VbpPixelFormat pixel_format(enum AVPixelFormat format)
{
    switch (format) {
    case AV_PIX_FMT_RGB24:
        return VBP_PIXEL_RGB24;
    case AV_PIX_FMT_BGR24:
        return VBP_PIXEL_BGR24;
    case AV_PIX_FMT_YUV420P:
    case AV_PIX_FMT_YUVJ420P:
        return VBP_PIXEL_YUV420P;
    case AV_PIX_FMT_YUV422P:
    case AV_PIX_FMT_YUVJ422P:
        return VBP_PIXEL_YUV422P;
    case AV_PIX_FMT_YUV444P:
    case AV_PIX_FMT_YUVJ444P:
        return VBP_PIXEL_YUV444P;
    default: /* source hands out no others */
        return VBP_PIXEL_GRAY8;
    }
}

static VbpColorMatrix color_matrix(enum AVColorSpace space)
{
    switch (space) {
    case AVCOL_SPC_BT709:
        return VBP_MATRIX_BT709;
    case AVCOL_SPC_BT2020_NCL:
    case AVCOL_SPC_BT2020_CL:
        return VBP_MATRIX_BT2020;
    default:
        return VBP_MATRIX_BT601;
    }
}

static bool is_full_range(const AVFrame *picture)
{
    switch (picture->format) {
    case AV_PIX_FMT_YUVJ420P:
    case AV_PIX_FMT_YUVJ422P:
    case AV_PIX_FMT_YUVJ444P:
    case AV_PIX_FMT_RGB24:
    case AV_PIX_FMT_BGR24:
        return true;
    case AV_PIX_FMT_GRAY8:
        /* Gray that does not say comes from image files; gray video says. */
        return picture->color_range != AVCOL_RANGE_MPEG;
    default:
        return picture->color_range == AVCOL_RANGE_JPEG;
    }
}

VbpImage frame_image(const struct frame *frame)
{
    const AVFrame *picture = frame->picture;
    VbpImage image = {
        .format = pixel_format((enum AVPixelFormat)picture->format),
        .matrix = color_matrix(picture->colorspace),
        .full_range = is_full_range(picture),
        .width = picture->width,
        .height = picture->height,
    };

    for (int plane = 0; plane < 3; plane++) {
        image.plane[plane] = picture->data[plane];
        image.stride[plane] = picture->linesize[plane];
    }
    return image;
}

void frame_release(struct frame *frame)
{
    av_frame_free(&frame->picture);
    *frame = (struct frame){0};
}

void frame_release_item(void *frame)
{
    frame_release(frame);
}

int frame_reference(struct frame *copy, const struct frame *frame, VbpError *error)
{
    AVFrame *picture = NULL;

    if (frame->picture) {
        picture = av_frame_clone(frame->picture);
        if (!picture) {
            *copy = (struct frame){0};
            return error_out_of_memory(error);
        }
    }
    *copy = *frame;
    copy->picture = picture;
    return VBP_OK;
}

void frame_pool_free(struct frame_pool **pool)
{
    if (!*pool)
        return;
    av_buffer_pool_uninit(&(*pool)->buffers); /* buffers still in use go when they are let go */
    free(*pool);
    *pool = NULL;
}

static struct frame_pool *pool_create(enum AVPixelFormat format, int width, int height)
{
    struct frame_pool *pool = memory_array(1, sizeof(*pool));
    ptrdiff_t linesize[4];
    size_t plane_size[4], total = 0;

    if (!pool)
        return NULL;
    pool->format = format;
    pool->width = width;
    pool->height = height;
    if (av_image_fill_linesizes(pool->linesize, format, width) < 0)
        goto failed;
    for (int plane = 0; plane < 4; plane++) {
        pool->linesize[plane] = (pool->linesize[plane] + ROW_ALIGNMENT - 1) & ~(ROW_ALIGNMENT - 1);
        linesize[plane] = pool->linesize[plane];
    }
    if (av_image_fill_plane_sizes(plane_size, format, height, linesize) < 0)
        goto failed;
    for (int plane = 0; plane < 4; plane++) {
        pool->offset[plane] = total;
        total += plane_size[plane];
    }
    pool->buffers = av_buffer_pool_init(total + TAIL_BYTES, av_buffer_allocz);
    if (!pool->buffers)
        goto failed;
    return pool;
failed:
    frame_pool_free(&pool);
    return NULL;
}

AVFrame *frame_pool_take(struct frame_pool **pool, enum AVPixelFormat format, int width, int height,
                         VbpError *error)
{
    AVFrame *picture = NULL;

    if (*pool &&
        ((*pool)->format != format || (*pool)->width != width || (*pool)->height != height))
        frame_pool_free(pool);
    if (!*pool)
        *pool = pool_create(format, width, height);
    if (!*pool)
        goto failed;
    picture = av_frame_alloc();
    if (!picture)
        goto failed;
    picture->buf[0] = av_buffer_pool_get((*pool)->buffers);
    if (!picture->buf[0])
        goto failed;
    picture->format = format;
    picture->width = width;
    picture->height = height;
    for (int plane = 0; plane < 4 && (*pool)->linesize[plane] > 0; plane++) {
        picture->data[plane] = picture->buf[0]->data + (*pool)->offset[plane];
        picture->linesize[plane] = (*pool)->linesize[plane];
    }
    picture->extended_data = picture->data;
    return picture;
failed:
    av_frame_free(&picture);
    error_out_of_memory(error);
    return NULL;
}

AVFrame *frame_pool_copy(struct frame_pool **pool, const AVFrame *picture, VbpError *error)
{
    AVFrame *copy = frame_pool_take(pool, (enum AVPixelFormat)picture->format, picture->width,
                                    picture->height, error);

    if (!copy)
        return NULL;
    av_image_copy(copy->data, copy->linesize, (const uint8_t **)picture->data, picture->linesize,
                  (enum AVPixelFormat)picture->format, picture->width, picture->height);
    if (av_frame_copy_props(copy, picture) < 0) {
        av_frame_free(&copy);
        error_out_of_memory(error);
    }
    return copy;
}
