#include "media/image_writer.h"

#include "base/error.h"
#include "base/file.h"
#include "media/ffmpeg.h"
#include "media/frame.h"
#include "media/scale.h"

#include <libavcodec/avcodec.h>
#include <string.h>

/* A 24-bit PNG row filter that suits photographs, and zlib's middle way. */
#define PNG_FILTER      "paeth"
#define PNG_COMPRESSION 6

/*
 * Encodes a picture in a layout that the codec has: PNG, or JPEG with a quantiser of 2 (best)
 * to 31.
 */
static int encode(const char *path, const AVFrame *picture, int quantiser, AVPacket *packet,
                  VbpError *error)
{
    const AVCodec *codec =
        avcodec_find_encoder(quantiser > 0 ? AV_CODEC_ID_MJPEG : AV_CODEC_ID_PNG);
    AVCodecContext *encoder = NULL;
    AVDictionary *settings = NULL;
    int code = AVERROR_ENCODER_NOT_FOUND;

    if (!codec)
        goto done;
    encoder = avcodec_alloc_context3(codec);
    if (!encoder) {
        code = AVERROR(ENOMEM);
        goto done;
    }
    encoder->width = picture->width;
    encoder->height = picture->height;
    encoder->pix_fmt = (enum AVPixelFormat)picture->format;
    encoder->time_base = (AVRational){1, 1};
    encoder->thread_count = 1;
    if (quantiser > 0) {
        encoder->color_range = AVCOL_RANGE_JPEG;
        encoder->flags |= AV_CODEC_FLAG_QSCALE;
        encoder->global_quality = FF_QP2LAMBDA * quantiser;
    } else {
        encoder->compression_level = PNG_COMPRESSION;
        av_dict_set(&settings, "pred", PNG_FILTER, 0);
    }
    code = avcodec_open2(encoder, codec, &settings);
    if (code >= 0)
        code = avcodec_send_frame(encoder, picture);
    if (code >= 0)
        code = avcodec_send_frame(encoder, NULL);
    if (code >= 0)
        code = avcodec_receive_packet(encoder, packet);
done:
    av_dict_free(&settings);
    avcodec_free_context(&encoder);
    return code < 0 ? ffmpeg_error(error, code, "cannot encode %s", path) : VBP_OK;
}

static int write_encoded(const char *path, const AVFrame *picture, int quantiser, VbpError *error)
{
    AVPacket *packet = av_packet_alloc();
    int result;

    if (!packet)
        return error_out_of_memory(error);
    result = encode(path, picture, quantiser, packet, error);
    if (result == VBP_OK)
        result = file_write(path, packet->data, (size_t)packet->size, error);
    av_packet_free(&packet);
    return result;
}

int image_write_picture(const char *path, const AVFrame *picture, VbpError *error)
{
    enum AVPixelFormat format =
        scale_is_gray((enum AVPixelFormat)picture->format) ? AV_PIX_FMT_GRAY8 : AV_PIX_FMT_RGB24;
    struct frame_pool *pool = NULL;
    struct scaler *scaler = NULL;
    AVFrame *converted = NULL;
    int result;

    converted = frame_pool_take(&pool, format, picture->width, picture->height, error);
    if (!converted) {
        result = VBP_ERROR_MEMORY;
        goto done;
    }
    converted->color_range = AVCOL_RANGE_JPEG;
    result = scaler_run(&scaler, converted, picture, error);
    if (result != VBP_OK) {
        error_prefix(error, "cannot write %s: ", path);
        goto done;
    }
    result = write_encoded(path, converted, 0, error);
done:
    av_frame_free(&converted);
    scaler_free(&scaler);
    frame_pool_free(&pool);
    return result;
}

int image_write_pixels(const char *path, const uint8_t *pixels, int width, int height, int channels,
                       ptrdiff_t stride, VbpError *error)
{
    static const enum AVPixelFormat formats[] = {
        [1] = AV_PIX_FMT_GRAY8, [3] = AV_PIX_FMT_RGB24, [4] = AV_PIX_FMT_RGBA};
    struct frame_pool *pool = NULL;
    AVFrame *picture;
    int result;

    if (width < 1 || height < 1 || (channels != 1 && channels != 3 && channels != 4))
        return error_set(error, VBP_ERROR_ARGUMENT, "cannot write %s: %d x %d pixels of %d bytes",
                         path, width, height, channels);
    picture = frame_pool_take(&pool, formats[channels], width, height, error);
    frame_pool_free(&pool);
    if (!picture)
        return VBP_ERROR_MEMORY;
    for (int y = 0; y < height; y++)
        memcpy(picture->data[0] + (ptrdiff_t)picture->linesize[0] * y, pixels + stride * y,
               (size_t)width * (size_t)channels);
    result = write_encoded(path, picture, 0, error);
    av_frame_free(&picture);
    return result;
}

int image_write_jpeg(const char *path, const uint8_t *rgb, int width, int height, int quantiser,
                     VbpError *error)
{
    struct frame_pool *pools[2] = {NULL, NULL};
    struct scaler *scaler = NULL;
    AVFrame *converted = NULL, *picture = NULL;
    int result = VBP_ERROR_MEMORY;

    if (width < 1 || height < 1 || quantiser < 2 || quantiser > 31)
        return error_set(error, VBP_ERROR_ARGUMENT, "cannot write %s: %d x %d pixels, quantiser %d",
                         path, width, height, quantiser);
    picture = frame_pool_take(&pools[0], AV_PIX_FMT_RGB24, width, height, error);
    converted =
        picture ? frame_pool_take(&pools[1], AV_PIX_FMT_YUVJ420P, width, height, error) : NULL;
    if (!converted)
        goto done;
    for (int y = 0; y < height; y++)
        memcpy(picture->data[0] + (ptrdiff_t)picture->linesize[0] * y,
               rgb + (size_t)3 * (size_t)width * (size_t)y, (size_t)3 * (size_t)width);
    converted->color_range = AVCOL_RANGE_JPEG;
    converted->colorspace = AVCOL_SPC_SMPTE170M;
    converted->quality = FF_QP2LAMBDA * quantiser;
    result = scaler_run(&scaler, converted, picture, error);
    if (result != VBP_OK)
        error_prefix(error, "cannot write %s: ", path);
    else
        result = write_encoded(path, converted, quantiser, error);
done:
    av_frame_free(&picture);
    av_frame_free(&converted);
    scaler_free(&scaler);
    frame_pool_free(&pools[0]);
    frame_pool_free(&pools[1]);
    return result;
}
