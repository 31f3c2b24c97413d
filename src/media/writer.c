#include "media/writer.h"

#include "base/error.h"
#include "base/file.h"
#include "base/memory.h"
#include "media/audio_copy.h"
#include "media/container.h"
#include "media/ffmpeg.h"
#include "media/frame.h"
#include "media/scale.h"

#include <libavcodec/avcodec.h>
#include <libavutil/opt.h>
#include <libavutil/pixdesc.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* For encoders without a rate factor; 2 to 31, smaller is better. */
#define FIXED_QUALITY 3

struct writer {
    char *path;         /* the final name */
    char *partial_path; /* the name until then; NULL: there is no such file */
    const struct container *container;

    int width, height;         /* of every picture */
    enum AVPixelFormat format; /* of every picture */
    bool full_range;           /* they use 0..255 */
    enum AVColorSpace color_space;
    AVRational time_base; /* of the pictures and the encoder */
    int64_t origin_pts;
    int64_t usual_duration; /* for a single picture that does not say */

    AVFormatContext *output;
    AVStream *stream;
    AVCodecContext *encoder;
    struct scaler *scaler;   /* used where the encoder wants another layout */
    struct frame_pool *pool; /* of pictures in that layout */
    struct audio_copy *audio;
    AVPacket *packet, *audio_packet;
    unsigned stream_count;      /* of the output; lengths of these: */
    struct container_end *ends; /* what comes last in each stream so far */
    AVPacket **waiting;         /* see write_packet */

    AVFrame *held;            /* the last picture, until it is known how long it is shown */
    int64_t last_pts;         /* its time, as encoded: origin_pts subtracted */
    int64_t encoded_pts;      /* of the picture that the encoder was given last */
    int64_t encoded_duration; /* and how long it is shown; 0 before the first */
    int64_t frame_count;
};

/* ---- Opening -------------------------------------------------------------------------------- */

static bool offers(const AVCodec *codec, enum AVPixelFormat format)
{
    const enum AVPixelFormat *offered = codec->pix_fmts;

    if (!offered)
        return true;
    while (*offered != AV_PIX_FMT_NONE && *offered != format)
        offered++;
    return *offered == format;
}

/* The layout to encode pictures of `format` in. */
static enum AVPixelFormat encoded_format(const AVCodec *codec, const struct writer_options *options)
{
    enum AVPixelFormat plain = scale_plain_format(options->format);
    bool even_only = codec->id == AV_CODEC_ID_H264 || codec->id == AV_CODEC_ID_HEVC;

    switch (plain) {
    case AV_PIX_FMT_YUV420P:
    case AV_PIX_FMT_YUV422P:
    case AV_PIX_FMT_YUV444P:
        break;
    default:
        plain = AV_PIX_FMT_YUV420P; /* what every player shows */
    }
    if (even_only && ((plain == AV_PIX_FMT_YUV420P && (options->width | options->height) & 1) ||
                      (plain == AV_PIX_FMT_YUV422P && options->width & 1)))
        plain = AV_PIX_FMT_YUV444P;
    if (offers(codec, plain) || !codec->pix_fmts)
        return plain;
    return avcodec_find_best_pix_fmt_of_list(codec->pix_fmts, plain, 0, NULL);
}

static bool is_yuv(enum AVPixelFormat format)
{
    return format != AV_PIX_FMT_GRAY8 && format != AV_PIX_FMT_RGB24 && format != AV_PIX_FMT_BGR24;
}

static bool is_full_range(enum AVPixelFormat format, enum AVColorRange range)
{
    return scale_plain_format(format) != format || range == AVCOL_RANGE_JPEG;
}

/* Colour as the encoded stream has it. */
static void set_colors(AVCodecContext *encoder, const struct writer_options *options)
{
    bool full_range = is_full_range(options->format, options->color_range);

    encoder->color_primaries = options->color_primaries;
    encoder->color_trc = options->color_transfer;
    /* JPEG knows full-range BT.601 only, and cannot say otherwise. */
    if (encoder->codec_id == AV_CODEC_ID_MJPEG) {
        encoder->colorspace = AVCOL_SPC_BT470BG;
        encoder->color_range = AVCOL_RANGE_JPEG;
        return;
    }
    if (!is_yuv(options->format)) {
        encoder->colorspace = AVCOL_SPC_SMPTE170M;
        encoder->color_range = AVCOL_RANGE_MPEG;
        return;
    }
    encoder->colorspace = options->color_space;
    encoder->color_range = full_range ? AVCOL_RANGE_JPEG : options->color_range;
    /* These can say in their streams that the range is full; in others it would be lost. */
    if (full_range && encoder->codec_id != AV_CODEC_ID_H264 &&
        encoder->codec_id != AV_CODEC_ID_HEVC && encoder->codec_id != AV_CODEC_ID_VP9 &&
        encoder->codec_id != AV_CODEC_ID_AV1 && encoder->codec_id != AV_CODEC_ID_FFV1 &&
        encoder->pix_fmt == scale_plain_format(encoder->pix_fmt))
        encoder->color_range = AVCOL_RANGE_MPEG;
}

static int open_encoder(struct writer *writer, const AVCodec *codec,
                        const struct writer_options *options, VbpError *error)
{
    AVCodecContext *encoder = avcodec_alloc_context3(codec);
    AVDictionary *settings = NULL;
    const AVDictionaryEntry *unknown;
    int code;

    writer->encoder = encoder;
    if (!encoder)
        return error_out_of_memory(error);
    encoder->width = options->width;
    encoder->height = options->height;
    encoder->pix_fmt = encoded_format(codec, options);
    encoder->time_base = options->time_base;
    /* Rate control wants a number; without one it would take the clock for the frame rate. */
    encoder->framerate = options->frame_rate.num > 0 ? options->frame_rate : (AVRational){25, 1};
    encoder->sample_aspect_ratio = options->sample_aspect_ratio;
    encoder->thread_count = options->threads;
    set_colors(encoder, options);
    if (writer->output->oformat->flags & AVFMT_GLOBALHEADER)
        encoder->flags |= AV_CODEC_FLAG_GLOBAL_HEADER;
    if (!av_opt_find(encoder->priv_data, "crf", NULL, 0, 0)) {
        encoder->flags |= AV_CODEC_FLAG_QSCALE;
        encoder->global_quality = FIXED_QUALITY * FF_QP2LAMBDA;
    }
    if (options->crf >= 0) {
        encoder->bit_rate = 0;
        av_dict_set_int(&settings, "crf", options->crf, 0);
    }
    if (options->preset)
        av_dict_set(&settings, "preset", options->preset, 0);
    /* It prints by itself, whatever FFmpeg's log level is. */
    if (strcmp(codec->name, "libx265") == 0)
        av_dict_set(&settings, "x265-params", "log-level=none", 0);
    code = avcodec_open2(encoder, codec, &settings);
    unknown = av_dict_get(settings, "", NULL, AV_DICT_IGNORE_SUFFIX);
    if (code < 0)
        code = ffmpeg_error(
            error, code, "cannot write %s: the encoder %s refuses %d x %d in %s%s%s", writer->path,
            codec->name, options->width, options->height, av_get_pix_fmt_name(encoder->pix_fmt),
            options->preset ? " with preset " : "", options->preset ? options->preset : "");
    else if (unknown)
        code = error_set(error, VBP_ERROR_ARGUMENT, "cannot write %s: the encoder %s has no %s",
                         writer->path, codec->name, unknown->key);
    av_dict_free(&settings);
    return code < 0 ? code : VBP_OK;
}

static int add_video(struct writer *writer, const struct writer_options *options, VbpError *error)
{
    const char *name = options->codec ? options->codec : writer->container->codec;
    const AVCodec *codec = avcodec_find_encoder_by_name(name);
    int result;

    if (!codec || codec->type != AVMEDIA_TYPE_VIDEO)
        return error_set(error, VBP_ERROR_UNSUPPORTED, "cannot write %s: no video encoder named %s",
                         writer->path, name);
    if (avformat_query_codec(writer->output->oformat, codec->id, FF_COMPLIANCE_NORMAL) == 0)
        return error_set(error, VBP_ERROR_UNSUPPORTED,
                         "cannot write %s: a %s file cannot hold %s video", writer->path,
                         writer->container->ending, avcodec_get_name(codec->id));
    result = open_encoder(writer, codec, options, error);
    if (result != VBP_OK)
        return result;
    writer->stream = avformat_new_stream(writer->output, NULL);
    if (!writer->stream ||
        avcodec_parameters_from_context(writer->stream->codecpar, writer->encoder) < 0)
        return error_out_of_memory(error);
    writer->stream->time_base = options->time_base;
    writer->stream->avg_frame_rate = options->frame_rate;
    writer->stream->sample_aspect_ratio = options->sample_aspect_ratio;
    return VBP_OK;
}

static int add_audio(struct writer *writer, const struct writer_options *options, VbpError *error)
{
    struct audio_range range = {.start = options->audio_start,
                                .end = options->audio_end,
                                .time_base = options->time_base,
                                .origin = options->origin_pts};

    if (!options->audio_source)
        return VBP_OK;
    return audio_copy_open(&writer->audio, options->audio_source, &range, writer->output,
                           writer->path, error);
}

/* What is kept for every stream of the output. */
static int prepare_streams(struct writer *writer, VbpError *error)
{
    unsigned count = writer->output->nb_streams;

    writer->ends = memory_array(count, sizeof(*writer->ends));
    writer->waiting = memory_array(count, sizeof(AVPacket *));
    if (!writer->ends || !writer->waiting)
        return error_out_of_memory(error);
    writer->stream_count = count;
    for (unsigned i = 0; i < count; i++) {
        writer->ends[i].pts = AV_NOPTS_VALUE;
        writer->waiting[i] = av_packet_alloc();
        if (!writer->waiting[i])
            return error_out_of_memory(error);
    }
    return VBP_OK;
}

/* An empty file to be written in place of `path`, whose name is to be freed. */
static int make_partial(const char *path, char **partial_path, VbpError *error)
{
    int descriptor;
    int result = file_make_partial(path, partial_path, &descriptor, error);

    if (result == VBP_OK)
        close(descriptor); /* FFmpeg opens it by its name */
    return result;
}

int writer_open(struct writer **writer, const char *path, const struct writer_options *options,
                VbpError *error)
{
    struct writer *made = memory_array(1, sizeof(*made));
    AVRational rate = options->frame_rate;
    int result;

    *writer = NULL;
    if (!made)
        return error_out_of_memory(error);
    made->path = memory_copy_text(path);
    made->packet = av_packet_alloc();
    made->audio_packet = av_packet_alloc();
    if (!made->path || !made->packet || !made->audio_packet) {
        result = error_out_of_memory(error);
        goto failed;
    }
    result = make_partial(path, &made->partial_path, error);
    if (result != VBP_OK)
        goto failed;
    made->width = options->width;
    made->height = options->height;
    made->format = options->format;
    made->full_range = is_full_range(options->format, options->color_range);
    made->color_space = options->color_space;
    made->time_base = options->time_base;
    made->origin_pts = options->origin_pts;
    made->usual_duration = rate.num > 0 ? av_rescale_q(1, av_inv_q(rate), options->time_base) : 0;
    made->last_pts = AV_NOPTS_VALUE;
    made->container = container_of_path(path, error);
    if (!made->container) {
        result = VBP_ERROR_UNSUPPORTED;
        goto failed;
    }
    result = container_allocate(made->container, made->partial_path, &made->output, error);
    if (result != VBP_OK)
        goto failed;
    if (options->comment &&
        av_dict_set(&made->output->metadata, "comment", options->comment, 0) < 0) {
        result = error_out_of_memory(error);
        goto failed;
    }
    result = add_video(made, options, error);
    if (result == VBP_OK)
        result = add_audio(made, options, error);
    if (result != VBP_OK)
        goto failed;
    result = prepare_streams(made, error);
    if (result != VBP_OK)
        goto failed;
    result = container_begin(made->container, made->output, true, path, error);
    if (result != VBP_OK)
        goto failed;
    *writer = made;
    return VBP_OK;
failed:
    writer_close(&made);
    return result;
}

void writer_close(struct writer **writer)
{
    struct writer *closed = *writer;

    if (!closed)
        return;
    container_free(&closed->output);
    if (closed->partial_path)
        unlink(closed->partial_path);
    avcodec_free_context(&closed->encoder);
    audio_copy_close(&closed->audio);
    scaler_free(&closed->scaler);
    frame_pool_free(&closed->pool);
    av_packet_free(&closed->packet);
    av_packet_free(&closed->audio_packet);
    av_frame_free(&closed->held);
    for (unsigned i = 0; i < closed->stream_count; i++)
        av_packet_free(&closed->waiting[i]);
    free(closed->waiting);
    free(closed->ends);
    free(closed->partial_path);
    free(closed->path);
    free(closed);
    *writer = NULL;
}

/* ---- Writing -------------------------------------------------------------------------------- */

static int write_waiting(struct writer *writer, int stream, VbpError *error)
{
    AVPacket *packet = writer->waiting[stream];
    int code;

    if (!packet->data)
        return VBP_OK;
    code = av_write_frame(writer->output, packet);
    av_packet_unref(packet);
    return code < 0 ? ffmpeg_error(error, code, "cannot write %s", writer->path) : VBP_OK;
}

/*
 * Writes the packet, whose times are in the output's time base; it is empty afterwards.
 *
 * A fragment counts its packets' times from the durations of those before, in decoding order. So
 * there a packet waits for the next one, which tells the only duration that keeps all times.
 */
static int write_packet(struct writer *writer, AVPacket *packet, VbpError *error)
{
    int stream = packet->stream_index;
    struct container_end *end = &writer->ends[stream];
    AVPacket *waiting = writer->waiting[stream];
    int result;

    if (end->pts == AV_NOPTS_VALUE || packet->pts >= end->pts)
        *end = (struct container_end){packet->pts, packet->duration,
                                      writer->output->streams[stream]->time_base};
    if (waiting->data)
        waiting->duration = packet->dts - waiting->dts;
    result = write_waiting(writer, stream, error);
    av_packet_move_ref(waiting, packet);
    if (result == VBP_OK && !writer->container->fragmented)
        result = write_waiting(writer, stream, error);
    return result;
}

/* Writes the audio that comes before `until` (in the pictures' time base). */
static int write_audio(struct writer *writer, int64_t until, VbpError *error)
{
    while (writer->audio) {
        int result =
            audio_copy_take(writer->audio, until, writer->time_base, writer->audio_packet, error);

        if (result == AUDIO_LATER)
            break;
        if (result == AUDIO_PACKET)
            result = write_packet(writer, writer->audio_packet, error);
        if (result != VBP_OK)
            return result;
    }
    return VBP_OK;
}

/* Writes what the encoder has ready. */
static int write_video(struct writer *writer, VbpError *error)
{
    for (;;) {
        AVPacket *packet = writer->packet;
        int code = avcodec_receive_packet(writer->encoder, packet);
        int result;

        if (code == AVERROR(EAGAIN) || code == AVERROR_EOF)
            return VBP_OK;
        if (code < 0)
            return ffmpeg_error(error, code, "cannot encode %s", writer->path);
        /* Only the picture shown last needs one: the others are shown until the next. */
        packet->duration = packet->pts == writer->encoded_pts ? writer->encoded_duration : 0;
        result = write_audio(writer, packet->dts, error);
        if (result != VBP_OK)
            return result;
        packet->stream_index = writer->stream->index;
        av_packet_rescale_ts(packet, writer->time_base, writer->stream->time_base);
        result = write_packet(writer, packet, error);
        if (result != VBP_OK)
            return result;
    }
}

/* Hands the held picture to the encoder, now that it is known how long it is shown. */
static int encode_held(struct writer *writer, int64_t duration, VbpError *error)
{
    int code;

    writer->encoded_pts = writer->held->pts;
    writer->encoded_duration = duration;
    code = avcodec_send_frame(writer->encoder, writer->held);
    av_frame_free(&writer->held);
    if (code < 0)
        return ffmpeg_error(error, code, "cannot encode %s", writer->path);
    return write_video(writer, error);
}

/* The picture in the encoder's layout: by reference where it has that already. */
static AVFrame *prepare(struct writer *writer, const AVFrame *picture, VbpError *error)
{
    const AVCodecContext *encoder = writer->encoder;
    AVFrame *prepared;

    if (scale_plain_format(writer->format) == encoder->pix_fmt &&
        writer->color_space == encoder->colorspace &&
        writer->full_range == (encoder->color_range == AVCOL_RANGE_JPEG)) {
        prepared = av_frame_clone(picture);
        if (!prepared) {
            error_out_of_memory(error);
            return NULL;
        }
        while (prepared->nb_side_data > 0)
            av_frame_remove_side_data(prepared, prepared->side_data[0]->type);
        prepared->format = encoder->pix_fmt;
    } else {
        prepared =
            frame_pool_take(&writer->pool, encoder->pix_fmt, writer->width, writer->height, error);
        if (!prepared)
            return NULL;
        prepared->colorspace = encoder->colorspace;
        prepared->color_range = encoder->color_range;
        if (scaler_run(&writer->scaler, prepared, picture, error) != VBP_OK) {
            error_prefix(error, "cannot write %s: ", writer->path);
            av_frame_free(&prepared);
            return NULL;
        }
    }
    prepared->pts = picture->pts - writer->origin_pts;
    prepared->pkt_duration = picture->pkt_duration;
    prepared->sample_aspect_ratio = encoder->sample_aspect_ratio;
    prepared->pict_type = AV_PICTURE_TYPE_NONE; /* the encoder chooses, not the source */
    prepared->colorspace = encoder->colorspace;
    prepared->color_range = encoder->color_range;
    return prepared;
}

int writer_write(struct writer *writer, const AVFrame *picture, VbpError *error)
{
    int64_t pts = picture->pts - writer->origin_pts;
    AVFrame *prepared;

    if (picture->width != writer->width || picture->height != writer->height ||
        (enum AVPixelFormat)picture->format != writer->format)
        return error_set(error, VBP_ERROR_ARGUMENT,
                         "cannot write %s: a picture of %d x %d in %s among those of %d x %d in %s",
                         writer->path, picture->width, picture->height,
                         av_get_pix_fmt_name((enum AVPixelFormat)picture->format), writer->width,
                         writer->height, av_get_pix_fmt_name(writer->format));
    if (picture->pts == AV_NOPTS_VALUE ||
        (writer->last_pts != AV_NOPTS_VALUE && pts <= writer->last_pts))
        return error_set(error, VBP_ERROR_ARGUMENT,
                         "cannot write %s: picture %lld is not later than the one before",
                         writer->path, (long long)writer->frame_count);
    prepared = prepare(writer, picture, error);
    if (!prepared)
        return error ? error->status : VBP_ERROR_MEMORY;
    if (writer->held) {
        int result = encode_held(writer, pts - writer->last_pts, error);

        if (result != VBP_OK) {
            av_frame_free(&prepared);
            return result;
        }
    }
    writer->held = prepared;
    writer->last_pts = pts;
    writer->frame_count++;
    return VBP_OK;
}

/* Encodes the last picture and everything that the encoder still holds. */
static int drain(struct writer *writer, VbpError *error)
{
    int64_t duration = writer->held->pkt_duration;
    int result;

    if (duration <= 0)
        duration = writer->encoded_duration > 0 ? writer->encoded_duration : writer->usual_duration;
    result = encode_held(writer, duration > 0 ? duration : 1, error);
    if (result != VBP_OK)
        return result;
    avcodec_send_frame(writer->encoder, NULL);
    result = write_video(writer, error);
    if (result == VBP_OK)
        result = write_audio(writer, INT64_MAX, error);
    for (unsigned i = 0; i < writer->stream_count && result == VBP_OK; i++)
        result = write_waiting(writer, (int)i, error);
    return result;
}

/* Replaces the partial file, in fragments, by a regular one. */
static int complete(struct writer *writer, VbpError *error)
{
    char *whole_path;
    int result = make_partial(writer->path, &whole_path, error);

    if (result != VBP_OK)
        return result;
    result = container_complete(writer->container, writer->partial_path, whole_path, writer->ends,
                                writer->path, error);
    unlink(result == VBP_OK ? writer->partial_path : whole_path);
    if (result != VBP_OK) {
        free(whole_path);
        return result;
    }
    free(writer->partial_path);
    writer->partial_path = whole_path;
    return VBP_OK;
}

int writer_finish(struct writer *writer, VbpError *error)
{
    int result;

    if (!writer->held)
        return error_set(error, VBP_ERROR_ARGUMENT, "cannot write %s: no pictures", writer->path);
    result = drain(writer, error);
    if (result == VBP_OK)
        result = container_finish(writer->output, writer->path, error);
    if (result != VBP_OK)
        return result;
    container_free(&writer->output);
    if (writer->container->fragmented) {
        result = complete(writer, error);
        if (result != VBP_OK)
            return result;
    }
    if (rename(writer->partial_path, writer->path) != 0)
        return error_set_errno(error, "cannot write", writer->path);
    free(writer->partial_path);
    writer->partial_path = NULL;
    return VBP_OK;
}

int64_t writer_frame_count(const struct writer *writer)
{
    return writer->frame_count;
}
