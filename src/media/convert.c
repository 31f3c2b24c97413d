#include "media/convert.h"

#include "base/error.h"
#include "base/memory.h"
#include "media/scale.h"

#include <libavutil/pixdesc.h>
#include <stdlib.h>

struct converter {
    int coded_width, coded_height; /* of the first picture */
    int width, height;             /* of what comes out */
    struct orientation orientation;
    enum AVPixelFormat format;
    enum AVColorSpace space;
    enum AVColorRange range;
    struct scaler *scaler;
    struct frame_pool *scaled;
    struct frame_pool *turned;
};

/*
 * The matrix sends a pixel at (x, y) to (m[0] x + m[3] y, m[1] x + m[4] y), up to a shift back into
 * view.
 */
struct orientation orientation_of_matrix(const int32_t *matrix)
{
    struct orientation orientation = {0};

    if (!matrix)
        return orientation;
    orientation.transpose =
        llabs(matrix[1]) + llabs(matrix[3]) > llabs(matrix[0]) + llabs(matrix[4]);
    orientation.mirror_x = (orientation.transpose ? matrix[3] : matrix[0]) < 0;
    orientation.mirror_y = (orientation.transpose ? matrix[1] : matrix[4]) < 0;
    return orientation;
}

enum AVPixelFormat convert_target(enum AVPixelFormat format)
{
    const AVPixFmtDescriptor *description = av_pix_fmt_desc_get(format);

    switch (format) {
    case AV_PIX_FMT_GRAY8:
    case AV_PIX_FMT_RGB24:
    case AV_PIX_FMT_BGR24:
    case AV_PIX_FMT_YUV420P:
    case AV_PIX_FMT_YUV422P:
    case AV_PIX_FMT_YUV444P:
    case AV_PIX_FMT_YUVJ420P:
    case AV_PIX_FMT_YUVJ422P:
    case AV_PIX_FMT_YUVJ444P:
        return format;
    case AV_PIX_FMT_XYZ12LE: /* three components, but no luma among them */
    case AV_PIX_FMT_XYZ12BE:
        return AV_PIX_FMT_RGB24;
    default:
        break;
    }
    if (!description || description->flags & AV_PIX_FMT_FLAG_HWACCEL)
        return AV_PIX_FMT_NONE;
    if (description->flags & (AV_PIX_FMT_FLAG_RGB | AV_PIX_FMT_FLAG_PAL | AV_PIX_FMT_FLAG_BAYER))
        return AV_PIX_FMT_RGB24;
    if (description->nb_components < 3)
        return AV_PIX_FMT_GRAY8;
    if (description->log2_chroma_h > 0 && description->log2_chroma_w > 0)
        return AV_PIX_FMT_YUV420P;
    return description->log2_chroma_w > 0 ? AV_PIX_FMT_YUV422P : AV_PIX_FMT_YUV444P;
}

/* Turning a picture with chroma of half width would halve its height instead, which has no name. */
static enum AVPixelFormat turnable(enum AVPixelFormat format)
{
    if (format == AV_PIX_FMT_YUV422P)
        return AV_PIX_FMT_YUV444P;
    return format == AV_PIX_FMT_YUVJ422P ? AV_PIX_FMT_YUVJ444P : format;
}

static bool is_rgb(enum AVPixelFormat format)
{
    return format == AV_PIX_FMT_RGB24 || format == AV_PIX_FMT_BGR24;
}

int converter_create(struct converter **converter, const AVFrame *first,
                     struct orientation orientation, bool full_range_gray, VbpError *error)
{
    enum AVPixelFormat from = (enum AVPixelFormat)first->format;
    enum AVPixelFormat format = convert_target(from);
    const char *name = av_get_pix_fmt_name(from);
    struct converter *made;

    *converter = NULL;
    if (format == AV_PIX_FMT_NONE)
        return error_set(error, VBP_ERROR_UNSUPPORTED, "pictures in the format %s are not read",
                         name ? name : "unknown");
    made = memory_array(1, sizeof(*made));
    if (!made)
        return error_out_of_memory(error);
    made->coded_width = first->width;
    made->coded_height = first->height;
    made->width = orientation.transpose ? first->height : first->width;
    made->height = orientation.transpose ? first->width : first->height;
    made->orientation = orientation;
    made->format = orientation.transpose ? turnable(format) : format;
    made->space = is_rgb(made->format) ? AVCOL_SPC_RGB : first->colorspace;
    made->range = first->color_range;
    if (scale_plain_format(from) != from || is_rgb(made->format))
        made->range = AVCOL_RANGE_JPEG;
    else if (made->format == AV_PIX_FMT_GRAY8 && made->range == AVCOL_RANGE_UNSPECIFIED)
        made->range = full_range_gray ? AVCOL_RANGE_JPEG : AVCOL_RANGE_MPEG;
    *converter = made;
    return VBP_OK;
}

void converter_free(struct converter **converter)
{
    if (!*converter)
        return;
    scaler_free(&(*converter)->scaler);
    frame_pool_free(&(*converter)->scaled);
    frame_pool_free(&(*converter)->turned);
    free(*converter);
    *converter = NULL;
}

void converter_size(const struct converter *converter, int *width, int *height)
{
    *width = converter->width;
    *height = converter->height;
}

/* Replaces *picture by `other`, which takes over its properties (NULL: only frees it). */
static int replace(AVFrame **picture, AVFrame *other, VbpError *error)
{
    enum AVColorSpace space;
    enum AVColorRange range;
    int result = VBP_OK;

    if (other) {
        space = other->colorspace;
        range = other->color_range;
        if (av_frame_copy_props(other, *picture) < 0) {
            av_frame_free(&other);
            result = error_out_of_memory(error);
        } else {
            other->colorspace = space;
            other->color_range = range;
            other->crop_left = other->crop_right = other->crop_top = other->crop_bottom = 0;
        }
    }
    av_frame_free(picture);
    *picture = other;
    return result;
}

static int scale(struct converter *converter, AVFrame **picture, VbpError *error)
{
    AVFrame *scaled = frame_pool_take(&converter->scaled, converter->format, converter->coded_width,
                                      converter->coded_height, error);
    int result = VBP_ERROR_MEMORY;

    if (scaled) {
        scaled->colorspace = converter->space;
        scaled->color_range = converter->range;
        if ((*picture)->color_range == AVCOL_RANGE_UNSPECIFIED)
            (*picture)->color_range = converter->range;
        result = scaler_run(&converter->scaler, scaled, *picture, error);
        if (result == VBP_OK)
            return replace(picture, scaled, error);
        av_frame_free(&scaled);
    }
    av_frame_free(picture);
    return result;
}

static void turn_plane(uint8_t *to, ptrdiff_t to_stride, int width, int height, const uint8_t *from,
                       ptrdiff_t from_stride, int pixel_bytes, struct orientation orientation)
{
    /* Step in `from` for one pixel to the right and one row down in `to`. */
    ptrdiff_t right = orientation.transpose ? from_stride : pixel_bytes;
    ptrdiff_t down = orientation.transpose ? pixel_bytes : from_stride;

    if (orientation.mirror_x) {
        from += right * (width - 1);
        right = -right;
    }
    if (orientation.mirror_y) {
        from += down * (height - 1);
        down = -down;
    }
    for (int y = 0; y < height; y++) {
        uint8_t *out = to + to_stride * y;
        const uint8_t *in = from + down * y;

        if (pixel_bytes == 1) {
            for (int x = 0; x < width; x++)
                out[x] = in[right * x];
        } else {
            for (int x = 0; x < width; x++) {
                for (int i = 0; i < pixel_bytes; i++)
                    out[x * pixel_bytes + i] = in[right * x + i];
            }
        }
    }
}

static int turn(struct converter *converter, AVFrame **picture, VbpError *error)
{
    const AVPixFmtDescriptor *description = av_pix_fmt_desc_get(converter->format);
    AVFrame *turned = frame_pool_take(&converter->turned, converter->format, converter->width,
                                      converter->height, error);

    if (!turned) {
        av_frame_free(picture);
        return VBP_ERROR_MEMORY;
    }
    for (int plane = 0; plane < 3 && turned->data[plane]; plane++) {
        int shift_x = plane ? description->log2_chroma_w : 0;
        int shift_y = plane ? description->log2_chroma_h : 0;

        turn_plane(
            turned->data[plane], turned->linesize[plane], AV_CEIL_RSHIFT(converter->width, shift_x),
            AV_CEIL_RSHIFT(converter->height, shift_y), (*picture)->data[plane],
            (*picture)->linesize[plane], description->comp[plane].step, converter->orientation);
    }
    turned->colorspace = converter->space;
    turned->color_range = converter->range;
    return replace(picture, turned, error);
}

int converter_run(struct converter *converter, AVFrame **picture, VbpError *error)
{
    AVRational aspect = (*picture)->sample_aspect_ratio;
    bool upright = !converter->orientation.transpose && !converter->orientation.mirror_x &&
                   !converter->orientation.mirror_y;
    int result = VBP_OK;

    if ((*picture)->width != converter->coded_width ||
        (*picture)->height != converter->coded_height ||
        (enum AVPixelFormat)(*picture)->format != converter->format)
        result = scale(converter, picture, error);
    if (result == VBP_OK && !upright)
        result = turn(converter, picture, error);
    if (result != VBP_OK)
        return result;
    (*picture)->color_range = converter->range;
    if (converter->orientation.transpose && aspect.num > 0)
        (*picture)->sample_aspect_ratio = (AVRational){aspect.den, aspect.num};
    av_frame_remove_side_data(*picture, AV_FRAME_DATA_DISPLAYMATRIX); /* it has been applied */
    return VBP_OK;
}
