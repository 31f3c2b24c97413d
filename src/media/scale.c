#include "media/scale.h"

#include "base/memory.h"

#include <libavutil/opt.h>
#include <libavutil/pixdesc.h>
#include <libswscale/swscale.h>
#include <string.h>

/* One side of a conversion, as libswscale wants it. */
struct side {
    int width, height;
    enum AVPixelFormat format;
    int coefficients; /* SWS_CS_* */
    int full_range;
};

struct scaler {
    struct SwsContext *context;
    struct side from, to;
};

enum AVPixelFormat scale_plain_format(enum AVPixelFormat format)
{
    switch (format) {
    case AV_PIX_FMT_YUVJ411P:
        return AV_PIX_FMT_YUV411P;
    case AV_PIX_FMT_YUVJ420P:
        return AV_PIX_FMT_YUV420P;
    case AV_PIX_FMT_YUVJ422P:
        return AV_PIX_FMT_YUV422P;
    case AV_PIX_FMT_YUVJ440P:
        return AV_PIX_FMT_YUV440P;
    case AV_PIX_FMT_YUVJ444P:
        return AV_PIX_FMT_YUV444P;
    default:
        return format;
    }
}

static bool is_yuv(enum AVPixelFormat format)
{
    const AVPixFmtDescriptor *description = av_pix_fmt_desc_get(format);

    return description && description->nb_components >= 3 &&
           !(description->flags & (AV_PIX_FMT_FLAG_RGB | AV_PIX_FMT_FLAG_PAL));
}

bool scale_is_gray(enum AVPixelFormat format)
{
    const AVPixFmtDescriptor *description = av_pix_fmt_desc_get(format);

    return description && description->nb_components < 3 &&
           !(description->flags & (AV_PIX_FMT_FLAG_RGB | AV_PIX_FMT_FLAG_PAL));
}

static struct side side_of(const AVFrame *picture)
{
    struct side side;

    memset(&side, 0, sizeof(side)); /* compared by memcmp, padding and all */
    side.width = picture->width;
    side.height = picture->height;
    side.format = scale_plain_format((enum AVPixelFormat)picture->format);
    switch (picture->colorspace) {
    case AVCOL_SPC_BT709:
        side.coefficients = SWS_CS_ITU709;
        break;
    case AVCOL_SPC_BT2020_NCL:
    case AVCOL_SPC_BT2020_CL:
        side.coefficients = SWS_CS_BT2020;
        break;
    case AVCOL_SPC_SMPTE240M:
        side.coefficients = SWS_CS_SMPTE240M;
        break;
    case AVCOL_SPC_FCC:
        side.coefficients = SWS_CS_FCC;
        break;
    default:
        side.coefficients = SWS_CS_ITU601;
    }
    if (side.format != picture->format)
        side.full_range = 1;
    else if (picture->color_range != AVCOL_RANGE_UNSPECIFIED)
        side.full_range = picture->color_range == AVCOL_RANGE_JPEG;
    else
        side.full_range = !is_yuv(side.format);
    return side;
}

static int prepare(struct scaler *scaler, const struct side *to, const struct side *from)
{
    struct SwsContext *context = sws_alloc_context();

    if (!context)
        return -1;
    av_opt_set_int(context, "srcw", from->width, 0);
    av_opt_set_int(context, "srch", from->height, 0);
    av_opt_set_int(context, "src_format", from->format, 0);
    av_opt_set_int(context, "src_range", from->full_range, 0);
    av_opt_set_int(context, "dstw", to->width, 0);
    av_opt_set_int(context, "dsth", to->height, 0);
    av_opt_set_int(context, "dst_format", to->format, 0);
    av_opt_set_int(context, "dst_range", to->full_range, 0);
    av_opt_set(context, "sws_dither", "none", 0);
    av_opt_set_int(context, "sws_flags",
                   SWS_BICUBIC | SWS_ACCURATE_RND | SWS_FULL_CHR_H_INT | SWS_FULL_CHR_H_INP, 0);
    /* Without effect where both sides are RGB; the -1 it then returns is no failure. */
    sws_setColorspaceDetails(context, sws_getCoefficients(from->coefficients), from->full_range,
                             sws_getCoefficients(to->coefficients), to->full_range, 0, 1 << 16,
                             1 << 16);
    if (sws_init_context(context, NULL, NULL) < 0) {
        sws_freeContext(context);
        return -1;
    }
    sws_setColorspaceDetails(context, sws_getCoefficients(from->coefficients), from->full_range,
                             sws_getCoefficients(to->coefficients), to->full_range, 0, 1 << 16,
                             1 << 16);
    sws_freeContext(scaler->context);
    scaler->context = context;
    scaler->from = *from;
    scaler->to = *to;
    return 0;
}

/* Stretches 8-bit gray of 16..235 to 0..255. */
static void stretch_range(AVFrame *picture)
{
    uint8_t stretched[256];

    for (int i = 0; i < 256; i++) {
        int value = ((i - 16) * 255 + 109) / 219;

        stretched[i] = (uint8_t)(i < 16 ? 0 : value > 255 ? 255 : value);
    }
    for (int y = 0; y < picture->height; y++) {
        uint8_t *row = picture->data[0] + (ptrdiff_t)picture->linesize[0] * y;

        for (int x = 0; x < picture->width; x++)
            row[x] = stretched[row[x]];
    }
}

int scaler_run(struct scaler **scaler, AVFrame *to, const AVFrame *from, VbpError *error)
{
    struct side from_side = side_of(from), to_side = side_of(to);
    bool stretch = false;

    /*
     * libswscale takes all gray for full range. With both sides called that it changes nothing,
     * which is what limited range needs, where the other side is limited as well.
     */
    if (scale_is_gray(from_side.format) && !from_side.full_range) {
        stretch = to_side.format == AV_PIX_FMT_GRAY8 && to_side.full_range;
        from_side.full_range = to_side.full_range = 1;
    }
    if (!*scaler) {
        *scaler = memory_array(1, sizeof(**scaler));
        if (!*scaler)
            return error_out_of_memory(error);
    }
    if (!(*scaler)->context || memcmp(&(*scaler)->from, &from_side, sizeof(from_side)) != 0 ||
        memcmp(&(*scaler)->to, &to_side, sizeof(to_side)) != 0) {
        if (prepare(*scaler, &to_side, &from_side) != 0)
            return error_set(error, VBP_ERROR_UNSUPPORTED,
                             "pictures of %d x %d in %s cannot be converted", from->width,
                             from->height, av_get_pix_fmt_name(from_side.format));
    }
    if (sws_scale((*scaler)->context, (const uint8_t *const *)from->data, from->linesize, 0,
                  from->height, to->data, to->linesize) != to->height)
        return error_set(error, VBP_ERROR_UNSUPPORTED, "the conversion of a picture failed");
    if (stretch)
        stretch_range(to);
    return VBP_OK;
}

void scaler_free(struct scaler **scaler)
{
    if (!*scaler)
        return;
    sws_freeContext((*scaler)->context);
    free(*scaler);
    *scaler = NULL;
}
