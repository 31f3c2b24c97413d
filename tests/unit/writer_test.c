/* Clips written: every frame and every audio packet at its time. */
#include "../support/clip.h"
#include "../support/reading.h"
#include "base/file.h"
#include "media/ffmpeg.h"
#include "media/source.h"
#include "media/writer.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <libavcodec/avcodec.h>
#include <libavformat/avformat.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define DATA "../shared/data/"

/* ---- Exporting a source ---------------------------------------------------------------------- */

static struct writer_options options_for(const struct source *source, const AVFrame *first,
                                         const char *audio)
{
    const struct source_info *info = source_info(source);

    return (struct writer_options){.preset = "ultrafast",
                                   .crf = 18,
                                   .threads = 2,
                                   .width = info->width,
                                   .height = info->height,
                                   .format = (enum AVPixelFormat)first->format,
                                   .time_base = info->time_base,
                                   .frame_rate = info->frame_rate,
                                   .sample_aspect_ratio = info->sample_aspect_ratio,
                                   .color_space = first->colorspace,
                                   .color_range = first->color_range,
                                   .color_primaries = first->color_primaries,
                                   .color_transfer = first->color_trc,
                                   .audio_source = audio,
                                   .audio_end = -1};
}

/* What a copy of a source is made with; the rest is as the source has it. */
struct copy {
    const char *from, *to;
    const char *codec, *preset; /* preset NULL: ultrafast; "": none */
    int64_t first, count;       /* frames; count 0: all from there on */
    bool audio;
    bool from_zero; /* the first frame's time becomes 0 */
    bool uneven;    /* frames are not evenly spaced */
};

static void copy_clip(const struct copy *copy)
{
    struct source *source = reading_open(copy->from, &reading_sought);
    struct writer *writer = NULL;
    struct frame frame;
    VbpError error;
    int64_t count = 0;

    unlink(copy->to);
    assert_int_equal(source_seek_number(source, copy->first, &error), VBP_OK);
    while (source_read(source, &frame, &error) == SOURCE_FRAME) {
        if (!writer) {
            struct writer_options options =
                options_for(source, frame.picture, copy->audio ? copy->from : NULL);
            double start = (double)frame.pts * av_q2d(options.time_base);

            options.codec = copy->codec;
            if (copy->preset)
                options.preset = copy->preset[0] ? copy->preset : NULL;
            if (copy->codec && !strstr(copy->codec, "264"))
                options.crf = -1;
            if (copy->from_zero)
                options.origin_pts = frame.pts;
            if (copy->first > 0)
                options.audio_start = start;
            if (copy->count > 0)
                options.audio_end =
                    start + (double)copy->count * av_q2d(av_inv_q(options.frame_rate));
            if (writer_open(&writer, copy->to, &options, &error) != VBP_OK)
                fail_msg("%s", error.message);
        }
        if (writer_write(writer, frame.picture, &error) != VBP_OK)
            fail_msg("%s", error.message);
        frame_release(&frame);
        assert_int_equal(writer_frame_count(writer), ++count);
        if (count == copy->count)
            break;
    }
    assert_false(file_exists(copy->to));
    if (writer_finish(writer, &error) != VBP_OK)
        fail_msg("%s", error.message);
    assert_true(file_exists(copy->to));
    writer_close(&writer);
    assert_null(writer);
    source_close(&source);
}

/* ---- Comparing by demuxing ------------------------------------------------------------------- */

struct stamp {
    double pts, duration; /* seconds */
    int size;
    uint64_t sum; /* of the bytes */
};

struct track {
    struct stamp stamps[2000];
    int count;
};

static int compare_stamps(const void *a, const void *b)
{
    const struct stamp *left = a, *right = b;

    return (left->pts > right->pts) - (left->pts < right->pts);
}

/* The packets of one kind, in presentation order. */
static struct track *demux(const char *path, enum AVMediaType type)
{
    AVFormatContext *format = NULL;
    AVPacket *packet = av_packet_alloc();
    struct track *track = calloc(1, sizeof(*track));
    char url[512];
    int stream;

    assert_non_null(packet);
    assert_non_null(track);
    snprintf(url, sizeof(url), "file:%s", path);
    assert_true(avformat_open_input(&format, url, NULL, NULL) >= 0);
    assert_true(avformat_find_stream_info(format, NULL) >= 0);
    stream = av_find_best_stream(format, type, -1, -1, NULL, 0);
    while (stream >= 0 && av_read_frame(format, packet) >= 0) {
        if (packet->stream_index == stream) {
            double tick = av_q2d(format->streams[stream]->time_base);
            struct stamp *stamp = &track->stamps[track->count++];

            assert_in_range(track->count, 1, 1999);
            *stamp = (struct stamp){(double)packet->pts * tick, (double)packet->duration * tick,
                                    packet->size, 0};
            for (int i = 0; i < packet->size; i++)
                stamp->sum = stamp->sum * 31 + packet->data[i];
        }
        av_packet_unref(packet);
    }
    qsort(track->stamps, (size_t)track->count, sizeof(track->stamps[0]), compare_stamps);
    av_packet_free(&packet);
    avformat_close_input(&format);
    return track;
}

static void assert_near(double a, double b, double tolerance, const char *what, int number)
{
    if (!(a - b <= tolerance && b - a <= tolerance))
        fail_msg("%s of %d: %.9f, wanted %.9f", what, number, a, b);
}

/*
 * Tracks agree in number and times, from packet `first` of the original on, shifted by `shift`
 * seconds; audio also in content and durations.
 */
static void compare_tracks(const char *original, const char *copy, enum AVMediaType type, int first,
                           int count, double shift, double tolerance)
{
    struct track *wanted = demux(original, type), *got = demux(copy, type);

    if (count == 0)
        count = wanted->count - first;
    assert_true(count > 0);
    assert_int_equal(got->count, count);
    for (int i = 0; i < count; i++) {
        const struct stamp *a = &got->stamps[i], *b = &wanted->stamps[first + i];

        assert_near(a->pts, b->pts - shift, tolerance, "time", i);
        if (type == AVMEDIA_TYPE_AUDIO) {
            assert_int_equal(a->size, b->size);
            assert_true(a->sum == b->sum);
            /* FFmpeg's demuxer cuts the last one short where a track starts later than the file. */
            if (shift == 0 || i + 1 < count)
                assert_near(a->duration, b->duration, tolerance, "duration", i);
        }
    }
    free(wanted);
    free(got);
}

/*
 * Source and copy, as source.h reads them: numbers, times, durations, drawn numbers if any. How
 * long the last of unevenly spaced and reordered frames is shown, FFmpeg's demuxers do not tell.
 */
static void compare_frames(const char *original, const char *copy, bool drawn, bool uneven_times,
                           double tolerance)
{
    double last_tolerance = uneven_times ? 0.1 : tolerance * 2;
    struct source *wanted = reading_open(original, &reading_sought),
                  *got = reading_open(copy, &reading_sought);
    struct frame a, b;
    VbpError error;

    assert_int_equal(source_info(got)->frame_count, source_info(wanted)->frame_count);
    assert_near(source_info(got)->duration, source_info(wanted)->duration, last_tolerance,
                "duration", -1);
    for (int64_t i = 0; source_read(wanted, &a, &error) == SOURCE_FRAME; i++) {
        assert_int_equal(source_read(got, &b, &error), SOURCE_FRAME);
        assert_int_equal(b.number, i);
        assert_near(b.time, a.time, tolerance, "time", (int)i);
        assert_true(b.duration > 0);
        assert_near(b.duration, a.duration,
                    i + 1 < source_info(got)->frame_count ? tolerance * 2 : last_tolerance,
                    "duration", (int)i);
        assert_int_equal(a.picture->width, b.picture->width);
        assert_int_equal(a.picture->height, b.picture->height);
        if (drawn)
            assert_int_equal(clip_number(b.picture), i);
        frame_release(&a);
        frame_release(&b);
    }
    assert_int_equal(source_read(got, &b, &error), SOURCE_END);
    source_close(&wanted);
    source_close(&got);
}

static void check_copy(const struct copy *copy, bool drawn, double tolerance)
{
    copy_clip(copy);
    compare_frames(copy->from, copy->to, drawn, copy->uneven, tolerance);
    compare_tracks(copy->from, copy->to, AVMEDIA_TYPE_VIDEO, 0, 0, 0, tolerance);
    if (copy->audio)
        compare_tracks(copy->from, copy->to, AVMEDIA_TYPE_AUDIO, 0, 0, 0, tolerance);
}

/* 90 kHz, between 20 and 120 ms apart, not from 0. */
static int64_t uneven(int frame)
{
    int64_t pts = 6009;

    for (int i = 1; i <= frame; i++)
        pts += 1800 + (i * 7919) % 9000;
    return pts;
}

/* ---- Tests ----------------------------------------------------------------------------------- */

static void keeps_frames_times_and_audio(void **state)
{
    struct clip_options clip = {.path = clip_path("steady.mp4"), .frames = 100, .audio = true};

    (void)state;
    clip_make(&clip);
    /* The encoder's own preset: B-frames and a long look ahead. */
    check_copy(
        &(struct copy){
            .from = clip.path, .to = clip_path("copy.mp4"), .audio = true, .preset = "medium"},
        true, 1e-6);
    check_copy(&(struct copy){.from = clip.path, .to = clip_path("copy.mov"), .audio = true}, true,
               1e-6);
    check_copy(
        &(struct copy){
            .from = clip.path, .to = clip_path("copy.mkv"), .audio = true, .preset = "medium"},
        true, 0.0011);
    check_copy(&(struct copy){.from = clip.path, .to = clip_path("copy.webm"), .preset = ""}, true,
               0.0011);
    check_copy(
        &(struct copy){
            .from = clip.path, .to = clip_path("20:15.m4v"), .codec = "mpeg4", .preset = ""},
        true, 1e-6);
    check_copy(
        &(struct copy){
            .from = clip.path, .to = clip_path("jpeg.mkv"), .codec = "mjpeg", .preset = ""},
        true, 0.0011);
    check_copy(
        &(struct copy){
            .from = clip.path, .to = clip_path("jpeg.mov"), .codec = "mjpeg", .preset = ""},
        true, 1e-6);
}

static void keeps_variable_frame_rate(void **state)
{
    struct clip_options clip = {.path = clip_path("uneven.mp4"),
                                .frames = 90,
                                .time_base = {1, 90000},
                                .pts = uneven,
                                .b_frames = 2,
                                .audio = true};

    (void)state;
    clip_make(&clip);
    check_copy(&(struct copy){.from = clip.path,
                              .to = clip_path("copy.mp4"),
                              .audio = true,
                              .uneven = true,
                              .preset = "medium"},
               true, 1e-6);
    check_copy(
        &(struct copy){
            .from = clip.path, .to = clip_path("copy.mkv"), .audio = true, .uneven = true},
        true, 0.0011);
}

static void cuts_a_clip_out_of_the_middle(void **state)
{
    struct clip_options clip = {.path = clip_path("long.mp4"), .frames = 150, .audio = true};
    const char *cut = clip_path("cut.mp4");
    struct track *all, *some;
    struct source *source;
    struct frame frame;
    VbpError error;
    int first;

    (void)state;
    clip_make(&clip);
    copy_clip(&(struct copy){.from = clip.path,
                             .to = cut,
                             .first = 50,
                             .count = 40,
                             .audio = true,
                             .from_zero = true,
                             .preset = "medium"});
    compare_tracks(clip.path, cut, AVMEDIA_TYPE_VIDEO, 50, 40, 2, 1e-6);
    all = demux(clip.path, AVMEDIA_TYPE_AUDIO);
    some = demux(cut, AVMEDIA_TYPE_AUDIO);
    /* From the first packet at or after 2 s to the last that starts before 3.6 s. */
    for (first = 0; all->stamps[first].pts < 2; first++)
        ;
    assert_in_range(some->count, 68, 70);
    assert_true(all->stamps[first + some->count].pts >= 3.6);
    assert_true(all->stamps[first + some->count - 1].pts < 3.6);
    compare_tracks(clip.path, cut, AVMEDIA_TYPE_AUDIO, first, some->count, 2, 1e-6);
    free(all);
    free(some);
    source = reading_open(cut, &reading_sought);
    for (int i = 50; i < 90; i++) {
        assert_int_equal(source_read(source, &frame, &error), SOURCE_FRAME);
        assert_int_equal(clip_number(frame.picture), i);
        frame_release(&frame);
    }
    source_close(&source);
}

static void loses_no_row_of_odd_sizes(void **state)
{
    struct clip_options clip = {
        .path = clip_path("odd.mkv"), .codec = "ffv1", .width = 99, .height = 67, .frames = 12};
    static const enum AVPixelFormat formats[] = {AV_PIX_FMT_YUV420P, AV_PIX_FMT_YUV422P,
                                                 AV_PIX_FMT_YUV444P, AV_PIX_FMT_GRAY8};

    (void)state;
    for (size_t i = 0; i < sizeof(formats) / sizeof(formats[0]); i++) {
        clip.format = formats[i];
        clip_make(&clip);
        check_copy(&(struct copy){.from = clip.path, .to = clip_path("copy.mp4")}, true, 0.0011);
    }
}

/*
 * Two tracks agree in the times of their packets, but for one shift of them all; AAC of a transport
 * stream has a header of 7 bytes before each packet, which other containers do not have.
 */
static void compare_unwrapped(const char *original, const char *copy, double tolerance)
{
    struct track *wanted = demux(original, AVMEDIA_TYPE_AUDIO),
                 *got = demux(copy, AVMEDIA_TYPE_AUDIO);

    assert_in_range(wanted->count, 50, 2000);
    assert_int_equal(got->count, wanted->count);
    for (int i = 0; i < got->count; i++) {
        assert_near(got->stamps[i].pts, wanted->stamps[i].pts, tolerance, "time", i);
        assert_int_equal(got->stamps[i].size, wanted->stamps[i].size - 7);
    }
    free(wanted);
    free(got);
}

/* The decoder gets what it must know: every audio packet can be decoded. */
static void assert_audio_decodes(const char *path)
{
    AVFormatContext *format = NULL;
    AVPacket *packet = av_packet_alloc();
    AVFrame *samples = av_frame_alloc();
    AVCodecContext *decoder;
    const AVStream *stream;
    int index, packets = 0, frames = 0;

    assert_true(packet && samples);
    assert_true(avformat_open_input(&format, path, NULL, NULL) >= 0);
    index = av_find_best_stream(format, AVMEDIA_TYPE_AUDIO, -1, -1, NULL, 0);
    assert_true(index >= 0);
    stream = format->streams[index];
    assert_true(stream->codecpar->extradata_size >= 2);
    decoder = avcodec_alloc_context3(avcodec_find_decoder(stream->codecpar->codec_id));
    assert_non_null(decoder);
    assert_true(avcodec_parameters_to_context(decoder, stream->codecpar) >= 0);
    assert_true(avcodec_open2(decoder, decoder->codec, NULL) >= 0);
    while (av_read_frame(format, packet) >= 0) {
        if (packet->stream_index == index) {
            packets++;
            assert_true(avcodec_send_packet(decoder, packet) >= 0);
            while (avcodec_receive_frame(decoder, samples) >= 0)
                frames++;
        }
        av_packet_unref(packet);
    }
    assert_in_range(frames, packets - 2, packets);
    avcodec_free_context(&decoder);
    av_frame_free(&samples);
    av_packet_free(&packet);
    avformat_close_input(&format);
}

static void unwraps_aac_of_transport_streams(void **state)
{
    static const char *const names[] = {"unwrapped.mp4", "unwrapped.mov", "unwrapped.mkv"};
    struct clip_options clip = {.path = clip_path("wrapped.ts"), .frames = 60, .audio = true};

    (void)state;
    clip_make(&clip);
    for (int i = 0; i < 3; i++) {
        const char *path = clip_path(names[i]);
        double tolerance = i < 2 ? 3e-5 : 0.0011; /* the track counts samples, mkv milliseconds */

        copy_clip(&(struct copy){.from = clip.path, .to = path, .audio = true});
        compare_unwrapped(clip.path, path, tolerance);
        compare_tracks(clip.path, path, AVMEDIA_TYPE_VIDEO, 0, 0, 0, tolerance);
        assert_audio_decodes(path);
    }
}

/* A red, a green and a blue field must come back as such whatever the layout on the way. */
static void keeps_colors(void **state)
{
    static const struct {
        enum AVPixelFormat format;
        enum AVColorRange range;
        enum AVColorSpace space;
        uint8_t field[3][3]; /* red's, green's and blue's values in the planes or bytes */
        const char *codec;
        const char *name; /* of the file */
    } cases[] = {
        {AV_PIX_FMT_RGB24, 0, 0, {{255, 0, 0}, {0, 255, 0}, {0, 0, 255}}, "libx264", NULL},
        {AV_PIX_FMT_BGR24, 0, 0, {{0, 0, 255}, {0, 255, 0}, {255, 0, 0}}, "libx264", NULL},
        {AV_PIX_FMT_YUV420P,
         AVCOL_RANGE_MPEG,
         AVCOL_SPC_SMPTE170M,
         {{81, 90, 240}, {145, 54, 34}, {41, 240, 110}},
         "libx264",
         NULL},
        {AV_PIX_FMT_YUVJ420P,
         AVCOL_RANGE_JPEG,
         AVCOL_SPC_BT470BG,
         {{76, 85, 255}, {150, 44, 21}, {29, 255, 107}},
         "libx264",
         NULL},
        {AV_PIX_FMT_YUV420P,
         AVCOL_RANGE_JPEG,
         AVCOL_SPC_BT470BG,
         {{76, 85, 255}, {150, 44, 21}, {29, 255, 107}},
         "mpeg4",
         NULL},
        {AV_PIX_FMT_YUV420P,
         AVCOL_RANGE_MPEG,
         AVCOL_SPC_BT709,
         {{63, 102, 240}, {173, 42, 26}, {32, 240, 118}},
         "libx264",
         NULL},
        {AV_PIX_FMT_YUV420P,
         AVCOL_RANGE_MPEG,
         AVCOL_SPC_BT709,
         {{63, 102, 240}, {173, 42, 26}, {32, 240, 118}},
         "mjpeg",
         "fields.mkv"},
        {AV_PIX_FMT_YUV420P,
         AVCOL_RANGE_UNSPECIFIED,
         AVCOL_SPC_UNSPECIFIED,
         {{81, 90, 240}, {145, 54, 34}, {41, 240, 110}},
         "mjpeg",
         "fields.mov"},
        {AV_PIX_FMT_YUVJ420P,
         AVCOL_RANGE_JPEG,
         AVCOL_SPC_BT470BG,
         {{76, 85, 255}, {150, 44, 21}, {29, 255, 107}},
         "mjpeg",
         "fields.mkv"},
        {AV_PIX_FMT_RGB24, 0, 0, {{255, 0, 0}, {0, 255, 0}, {0, 0, 255}}, "mjpeg", "fields.mkv"},
    };

    (void)state;
    for (size_t c = 0; c < sizeof(cases) / sizeof(cases[0]); c++) {
        struct writer_options options = {.codec = cases[c].codec,
                                         .crf = cases[c].codec[0] == 'l' ? 5 : -1,
                                         .width = 96,
                                         .height = 32,
                                         .format = cases[c].format,
                                         .time_base = {1, 10},
                                         .frame_rate = {10, 1},
                                         .color_range = cases[c].range,
                                         .color_space = cases[c].space,
                                         .color_primaries = AVCOL_PRI_UNSPECIFIED,
                                         .color_transfer = AVCOL_TRC_UNSPECIFIED};
        const char *path = clip_path(cases[c].name ? cases[c].name : "fields.mp4");
        bool is_jpeg = strcmp(cases[c].codec, "mjpeg") == 0; /* full range and BT.601 always */
        bool packed = cases[c].format == AV_PIX_FMT_RGB24 || cases[c].format == AV_PIX_FMT_BGR24;
        AVFrame *picture = av_frame_alloc();
        struct source *source;
        struct writer *writer;
        struct frame frame;
        VbpImage image;
        VbpError error;

        assert_non_null(picture);
        picture->format = cases[c].format;
        picture->width = 96;
        picture->height = 32;
        picture->color_range = cases[c].range;
        picture->colorspace = cases[c].space ? cases[c].space : AVCOL_SPC_RGB;
        assert_true(av_frame_get_buffer(picture, 0) >= 0);
        for (int plane = 0; plane < (packed ? 1 : 3); plane++) {
            int shift = plane ? 1 : 0;

            for (int y = 0; y < 32 >> shift; y++) {
                for (int x = 0; x < 96 >> shift; x++) {
                    const uint8_t *value = cases[c].field[(x << shift) / 32];
                    uint8_t *row = picture->data[plane] + picture->linesize[plane] * y;

                    if (packed)
                        memcpy(row + x * 3, value, 3);
                    else
                        row[x] = value[plane];
                }
            }
        }
        if (writer_open(&writer, path, &options, &error) != VBP_OK)
            fail_msg("%s", error.message);
        picture->pts = 0;
        assert_int_equal(writer_write(writer, picture, &error), VBP_OK);
        assert_int_equal(writer_finish(writer, &error), VBP_OK);
        writer_close(&writer);
        av_frame_free(&picture);

        source = reading_open(path, &reading_sought);
        assert_int_equal(source_read(source, &frame, &error), SOURCE_FRAME);
        image = frame_image(&frame);
        assert_int_equal(image.matrix, cases[c].space == AVCOL_SPC_BT709 && !is_jpeg
                                           ? VBP_MATRIX_BT709
                                           : VBP_MATRIX_BT601);
        if (is_jpeg)
            assert_int_equal(image.full_range, 1);
        for (int field = 0; field < 3; field++) {
            double kr = image.matrix == VBP_MATRIX_BT709 ? 0.2126 : 0.299;
            double kb = image.matrix == VBP_MATRIX_BT709 ? 0.0722 : 0.114;
            int x = field * 32 + 16;
            double y = image.plane[0][image.stride[0] * 16 + x];
            double u = image.plane[1][image.stride[1] * 8 + x / 2] - 128;
            double v = image.plane[2][image.stride[2] * 8 + x / 2] - 128;
            double rgb[3];

            if (!image.full_range) {
                y = (y - 16) * 255 / 219;
                u = u * 255 / 224;
                v = v * 255 / 224;
            }
            rgb[0] = y + 2 * (1 - kr) * v;
            rgb[2] = y + 2 * (1 - kb) * u;
            rgb[1] = (y - kr * rgb[0] - kb * rgb[2]) / (1 - kr - kb);
            for (int i = 0; i < 3; i++)
                assert_near(rgb[i], i == field ? 255 : 0, 8, "colour in case", (int)c);
        }
        frame_release(&frame);
        source_close(&source);
    }
}

/* Gray becomes luma, of the range that video has. */
static void keeps_gray(void **state)
{
    (void)state;
    for (int full_range = 0; full_range < 2; full_range++) {
        struct writer_options options = {.crf = 1,
                                         .width = 64,
                                         .height = 48,
                                         .format = AV_PIX_FMT_GRAY8,
                                         .time_base = {1, 10},
                                         .color_range =
                                             full_range ? AVCOL_RANGE_JPEG : AVCOL_RANGE_MPEG};
        const char *path = clip_path("gray.mp4");
        struct frame_pool *pool = NULL;
        struct source *source;
        struct writer *writer;
        struct frame frame;
        VbpError error;
        AVFrame *picture = frame_pool_take(&pool, AV_PIX_FMT_GRAY8, 64, 48, &error);

        assert_non_null(picture);
        frame_pool_free(&pool);
        memset(picture->data[0], 200, (size_t)picture->linesize[0] * 48);
        picture->color_range = options.color_range;
        picture->pts = 0;
        if (writer_open(&writer, path, &options, &error) != VBP_OK)
            fail_msg("%s", error.message);
        assert_int_equal(writer_write(writer, picture, &error), VBP_OK);
        assert_int_equal(writer_finish(writer, &error), VBP_OK);
        writer_close(&writer);
        av_frame_free(&picture);
        source = reading_open(path, &reading_sought);
        assert_int_equal(source_read(source, &frame, &error), SOURCE_FRAME);
        assert_int_equal(frame_image(&frame).full_range, 0);
        assert_near(frame.picture->data[0][frame.picture->linesize[0] * 24 + 32],
                    full_range ? 16 + 200 * 219 / 255.0 : 200, 1.5, "luma for range", full_range);
        frame_release(&frame);
        source_close(&source);
    }
}

static void check_drive(const char *path, bool uneven_times)
{
    if (!file_exists(path)) {
        print_message("%s is not there\n", path);
        skip();
    }
    check_copy(&(struct copy){.from = path,
                              .to = clip_path("drive.mp4"),
                              .audio = true,
                              .uneven = uneven_times,
                              .preset = "veryfast"},
               false, 1e-6);
}

static void copies_the_highway(void **state)
{
    (void)state;
    check_drive(DATA "videos/highway-h264-540p25.mp4", false);
}

static void copies_the_motorway(void **state)
{
    (void)state;
    check_drive(DATA "videos/motorway-vfr-360p.mp4", true);
}

static int clean_up(void **state)
{
    (void)state;
    clip_folder_remove();
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(keeps_frames_times_and_audio),
        cmocka_unit_test(keeps_variable_frame_rate),
        cmocka_unit_test(cuts_a_clip_out_of_the_middle),
        cmocka_unit_test(loses_no_row_of_odd_sizes),
        cmocka_unit_test(unwraps_aac_of_transport_streams),
        cmocka_unit_test(keeps_colors),
        cmocka_unit_test(keeps_gray),
        cmocka_unit_test(copies_the_highway),
        cmocka_unit_test(copies_the_motorway),
    };

    media_quiet_ffmpeg();
    return cmocka_run_group_tests(tests, NULL, clean_up);
}
