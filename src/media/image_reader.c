#include "media/image_reader.h"

#include "base/file.h"
#include "base/memory.h"
#include "media/convert.h"
#include "media/ffmpeg.h"
#include "media/jpeg.h"
#include "media/source.h"

#include <libavcodec/avcodec.h>
#include <string.h>

#define MAX_BYTES  ((size_t)256 << 20)
#define MAX_SIDE   32768 /* of a VbpImage */
#define MAX_PIXELS (INT64_C(1) << 28)

static enum AVCodecID recognise(const unsigned char *bytes, size_t length)
{
    static const unsigned char jpeg[] = {0xff, 0xd8, 0xff};
    static const unsigned char png[] = {0x89, 'P', 'N', 'G', '\r', '\n', 0x1a, '\n'};

    if (length > sizeof(jpeg) && memcmp(bytes, jpeg, sizeof(jpeg)) == 0)
        return AV_CODEC_ID_MJPEG;
    if (length > sizeof(png) && memcmp(bytes, png, sizeof(png)) == 0)
        return AV_CODEC_ID_PNG;
    return AV_CODEC_ID_NONE;
}

/* The bytes with the padding that decoders may read into. */
static AVPacket *make_packet(const unsigned char *bytes, size_t length)
{
    AVPacket *packet = av_packet_alloc();

    if (packet && av_new_packet(packet, (int)length) < 0)
        av_packet_free(&packet);
    if (packet) {
        memcpy(packet->data, bytes, length);
        packet->flags |= AV_PKT_FLAG_KEY;
    }
    return packet;
}

/* *picture = the picture as the decoder makes it; NULL on failure. */
static int decode(AVFrame **picture, const char *path, enum AVCodecID id,
                  const unsigned char *bytes, size_t length, VbpError *error)
{
    const AVCodec *codec = avcodec_find_decoder(id);
    AVCodecContext *decoder = codec ? avcodec_alloc_context3(codec) : NULL;
    AVPacket *packet = make_packet(bytes, length);
    int code;

    *picture = av_frame_alloc();
    if (!codec) {
        code = AVERROR_DECODER_NOT_FOUND;
        goto done;
    }
    if (!decoder || !packet || !*picture) {
        code = AVERROR(ENOMEM);
        goto done;
    }
    decoder->thread_count = 1;
    decoder->max_pixels = MAX_PIXELS;
    decoder->err_recognition = AV_EF_EXPLODE | AV_EF_CRCCHECK;
    if (id == AV_CODEC_ID_MJPEG)
        decoder->idct_algo = FF_IDCT_INT; /* as source does: libjpeg's transform */
    code = avcodec_open2(decoder, codec, NULL);
    if (code >= 0)
        code = avcodec_send_packet(decoder, packet);
    if (code >= 0)
        code = avcodec_send_packet(decoder, NULL);
    if (code >= 0)
        code = avcodec_receive_frame(decoder, *picture);
    if (code == AVERROR_EOF || code == AVERROR(EAGAIN) ||
        (code >= 0 && (*picture)->flags & AV_FRAME_FLAG_CORRUPT))
        code = AVERROR_INVALIDDATA;
done:
    av_packet_free(&packet);
    avcodec_free_context(&decoder);
    if (code >= 0)
        return VBP_OK;
    av_frame_free(picture);
    return ffmpeg_error(error, code, "%s: cannot decode the picture", path);
}

/* Brings *picture into one of VbpPixelFormat's layouts, upright. On failure it is freed. */
static int convert(AVFrame **picture, const char *path, VbpError *error)
{
    const AVFrameSideData *matrix = av_frame_get_side_data(*picture, AV_FRAME_DATA_DISPLAYMATRIX);
    const int32_t *numbers =
        matrix && matrix->size >= 9 * sizeof(int32_t) ? (const void *)matrix->data : NULL;
    struct converter *converter = NULL;
    int result;

    if ((*picture)->width > MAX_SIDE || (*picture)->height > MAX_SIDE)
        result = error_set(error, VBP_ERROR_UNSUPPORTED,
                           "a picture of %d x %d; sides of up to %d are read", (*picture)->width,
                           (*picture)->height, MAX_SIDE);
    else
        result =
            converter_create(&converter, *picture, orientation_of_matrix(numbers), true, error);
    if (result == VBP_OK)
        result = converter_run(converter, picture, error);
    if (result != VBP_OK) {
        av_frame_free(picture);
        error_prefix(error, "%s: ", path);
    }
    converter_free(&converter);
    return result;
}

static int read_by_source(const char *path, struct frame *frame, VbpError *error)
{
    struct source *source;
    int result = source_open(&source, path, &(struct source_options){.threads = 1}, error);

    if (result != VBP_OK)
        return result;
    if (source_info(source)->kind != SOURCE_IMAGE)
        result = error_set(error, VBP_ERROR_FORMAT, "%s: not a picture", path);
    else if (source_damage(source).packets > 0 || source_damage(source).frames > 0)
        result = error_set(error, VBP_ERROR_FORMAT, "%s: the picture is damaged", path);
    else
        result = source_read(source, frame, error);
    source_close(&source);
    return result;
}

int image_read(const char *path, struct frame *frame, VbpError *error)
{
    unsigned char *bytes;
    enum AVCodecID id;
    size_t length;
    int result;

    *frame = (struct frame){0};
    result = file_read(path, MAX_BYTES, &bytes, &length, error);
    if (result != VBP_OK)
        return result;
    id = recognise(bytes, length);
    if (id == AV_CODEC_ID_NONE) {
        free(bytes);
        return read_by_source(path, frame, error);
    }
    result = decode(&frame->picture, path, id, bytes, length, error);
    if (result == VBP_OK)
        result = convert(&frame->picture, path, error);
    if (result == VBP_OK && id == AV_CODEC_ID_MJPEG)
        result = jpeg_to_rgb(&frame->picture, error);
    free(bytes);
    return result;
}
