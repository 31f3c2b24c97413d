#include "clip.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <dirent.h>
#include <libavcodec/avcodec.h>
#include <libavformat/avformat.h>
#include <libavutil/channel_layout.h>
#include <libavutil/display.h>
#include <libavutil/opt.h>
#include <libavutil/pixdesc.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define GRID        4
#define SAMPLE_RATE 44100

static char folder[64];

/* LeakSanitizer asks for this by name. libx265 does not free all it allocates. */
__attribute__((visibility("default"))) const char *__lsan_default_suppressions(void);
const char *__lsan_default_suppressions(void)
{
    return "leak:libx265";
}

const char *clip_path(const char *name)
{
    static char paths[64][256]; /* more than any one test uses at a time */
    static int next;
    char *path = paths[next];

    next = (next + 1) % 64;
    if (!folder[0]) {
        strcpy(folder, "/tmp/vbp-clip-XXXXXX");
        assert_non_null(mkdtemp(folder));
    }
    snprintf(path, sizeof(paths[0]), "%s/%s", folder, name);
    return path;
}

void clip_folder_remove(void)
{
    DIR *directory = folder[0] ? opendir(folder) : NULL;
    struct dirent *entry;

    if (!directory)
        return;
    while ((entry = readdir(directory)))
        unlinkat(dirfd(directory), entry->d_name, 0); /* "." and ".." stay */
    closedir(directory);
    rmdir(folder);
    folder[0] = 0;
}

void clip_draw(AVFrame *picture, int number)
{
    const AVPixFmtDescriptor *description =
        av_pix_fmt_desc_get((enum AVPixelFormat)picture->format);
    bool big_endian = description->flags & AV_PIX_FMT_FLAG_BE;
    int depth = description->comp[0].depth;
    int pixel_bytes = description->comp[0].step; /* 3 where three channels share the plane */

    for (int plane = 0; plane < 4 && picture->data[plane]; plane++) {
        int width =
            plane ? AV_CEIL_RSHIFT(picture->width, description->log2_chroma_w) : picture->width;
        int height =
            plane ? AV_CEIL_RSHIFT(picture->height, description->log2_chroma_h) : picture->height;

        for (int y = 0; y < height; y++) {
            uint8_t *row = picture->data[plane] + (ptrdiff_t)picture->linesize[plane] * y;

            for (int x = 0; x < width; x++) {
                int value = plane ? 128 + (x + y + number) % 16 : 100 + (x + y + 2 * number) % 40;

                /* A block is the middle half of its cell in the grid. */
                if (!plane) {
                    int cell_x = x * GRID / width, cell_y = y * GRID / height;
                    int in_x = x * GRID * 4 / width - cell_x * 4;
                    int in_y = y * GRID * 4 / height - cell_y * 4;
                    int bit = GRID * GRID - 1 - (cell_y * GRID + cell_x);

                    if (in_x > 0 && in_x < 3 && in_y > 0 && in_y < 3)
                        value = number >> bit & 1 ? 220 : 30;
                }
                value <<= depth - 8;
                if (depth > 8) {
                    row[2 * x] = (uint8_t)(big_endian ? value >> 8 : value);
                    row[2 * x + 1] = (uint8_t)(big_endian ? value : value >> 8);
                } else {
                    memset(row + x * pixel_bytes, value, (size_t)pixel_bytes);
                }
            }
        }
    }
}

int clip_number(const AVFrame *picture)
{
    int step = picture->format == AV_PIX_FMT_RGB24 || picture->format == AV_PIX_FMT_BGR24 ? 3 : 1;
    int number = 0;

    for (int cell = 0; cell < GRID * GRID; cell++) {
        int x = (cell % GRID * 2 + 1) * picture->width / (2 * GRID);
        int y = (cell / GRID * 2 + 1) * picture->height / (2 * GRID);
        int sum = 0;

        for (int dy = -1; dy <= 1; dy++) {
            for (int dx = -1; dx <= 1; dx++)
                sum += picture->data[0][(ptrdiff_t)picture->linesize[0] * (y + dy) +
                                        (ptrdiff_t)(x + dx) * step];
        }
        sum /= 9;
        if (sum > 90 && sum < 160)
            return -1;
        number = number << 1 | (sum >= 160);
    }
    return number;
}

struct output {
    AVFormatContext *format;
    AVCodecContext *video, *audio;
    AVStream *video_stream, *audio_stream;
    AVPacket *packet;
};

static void drain(struct output *output, AVCodecContext *encoder, const AVStream *stream)
{
    for (;;) {
        int code = avcodec_receive_packet(encoder, output->packet);

        if (code == AVERROR(EAGAIN) || code == AVERROR_EOF)
            return;
        assert_true(code >= 0);
        if (output->packet->duration == 0)
            output->packet->duration = 1;
        av_packet_rescale_ts(output->packet, encoder->time_base, stream->time_base);
        output->packet->stream_index = stream->index;
        assert_true(av_interleaved_write_frame(output->format, output->packet) >= 0);
    }
}

static void open_video(struct output *output, const struct clip_options *options)
{
    const AVCodec *codec =
        avcodec_find_encoder_by_name(options->codec ? options->codec : "libx264");
    AVCodecContext *encoder;
    AVDictionary *settings = NULL;

    assert_non_null(codec);
    encoder = avcodec_alloc_context3(codec);
    assert_non_null(encoder);
    encoder->width = options->width ? options->width : 128;
    encoder->height = options->height ? options->height : 96;
    encoder->pix_fmt = options->format;
    encoder->time_base = options->time_base.num ? options->time_base : (AVRational){1, 25};
    encoder->framerate = (AVRational){25, 1};
    encoder->gop_size = options->gop ? options->gop : 12;
    encoder->max_b_frames = options->b_frames;
    encoder->bit_rate = 2000000;
    encoder->thread_count = 1;
    if (output->format->oformat->flags & AVFMT_GLOBALHEADER)
        encoder->flags |= AV_CODEC_FLAG_GLOBAL_HEADER;
    if (!options->codec)
        av_dict_set(&settings, "preset", "ultrafast", 0);
    if (options->settings)
        assert_true(av_dict_parse_string(&settings, options->settings, "=", ":", 0) >= 0);
    assert_true(avcodec_open2(encoder, codec, &settings) >= 0);
    assert_int_equal(av_dict_count(settings), 0); /* all of them were known */
    av_dict_free(&settings);
    output->video = encoder;
    output->video_stream = avformat_new_stream(output->format, NULL);
    assert_non_null(output->video_stream);
    assert_true(avcodec_parameters_from_context(output->video_stream->codecpar, encoder) >= 0);
    output->video_stream->time_base = encoder->time_base;
    output->video_stream->avg_frame_rate = encoder->framerate;
    if (options->rotation) {
        int32_t *matrix = (int32_t *)(void *)av_stream_new_side_data(
            output->video_stream, AV_PKT_DATA_DISPLAYMATRIX, 9 * sizeof(int32_t));

        assert_non_null(matrix);
        av_display_rotation_set(matrix, options->rotation);
    }
}

static void open_audio(struct output *output)
{
    const AVCodec *codec = avcodec_find_encoder(AV_CODEC_ID_AAC);
    AVCodecContext *encoder = avcodec_alloc_context3(codec);

    assert_non_null(encoder);
    encoder->sample_fmt = AV_SAMPLE_FMT_FLTP;
    encoder->sample_rate = SAMPLE_RATE;
    encoder->time_base = (AVRational){1, SAMPLE_RATE};
    av_channel_layout_default(&encoder->ch_layout, 1);
    if (output->format->oformat->flags & AVFMT_GLOBALHEADER)
        encoder->flags |= AV_CODEC_FLAG_GLOBAL_HEADER;
    assert_true(avcodec_open2(encoder, codec, NULL) >= 0);
    output->audio = encoder;
    output->audio_stream = avformat_new_stream(output->format, NULL);
    assert_non_null(output->audio_stream);
    assert_true(avcodec_parameters_from_context(output->audio_stream->codecpar, encoder) >= 0);
    output->audio_stream->time_base = encoder->time_base;
}

static void encode_video(struct output *output, const struct clip_options *options)
{
    AVFrame *picture = av_frame_alloc();

    assert_non_null(picture);
    picture->format = output->video->pix_fmt;
    picture->width = output->video->width;
    picture->height = output->video->height;
    assert_true(av_frame_get_buffer(picture, 0) >= 0);
    for (int i = 0; i < options->frames; i++) {
        assert_true(av_frame_make_writable(picture) >= 0);
        clip_draw(picture, i);
        picture->pts = options->pts ? options->pts(i) : options->first_pts + i;
        assert_true(avcodec_send_frame(output->video, picture) >= 0);
        drain(output, output->video, output->video_stream);
    }
    assert_true(avcodec_send_frame(output->video, NULL) >= 0);
    drain(output, output->video, output->video_stream);
    av_frame_free(&picture);
}

static void encode_audio(struct output *output, const struct clip_options *options)
{
    AVFrame *samples = av_frame_alloc();
    int64_t end = options->pts ? options->pts(options->frames) : options->frames;
    int64_t count = av_rescale_q(end, output->video->time_base, output->audio->time_base);

    assert_non_null(samples);
    samples->format = AV_SAMPLE_FMT_FLTP;
    samples->nb_samples = output->audio->frame_size;
    samples->sample_rate = SAMPLE_RATE;
    assert_true(av_channel_layout_copy(&samples->ch_layout, &output->audio->ch_layout) >= 0);
    assert_true(av_frame_get_buffer(samples, 0) >= 0);
    for (int64_t start = 0; start < count; start += samples->nb_samples) {
        float *sample;

        assert_true(av_frame_make_writable(samples) >= 0);
        sample = (float *)(void *)samples->data[0];
        for (int i = 0; i < samples->nb_samples; i++)
            sample[i] = 0.3F * sinf((float)(start + i) * 0.05F);
        samples->pts = start;
        assert_true(avcodec_send_frame(output->audio, samples) >= 0);
        drain(output, output->audio, output->audio_stream);
    }
    assert_true(avcodec_send_frame(output->audio, NULL) >= 0);
    drain(output, output->audio, output->audio_stream);
    av_frame_free(&samples);
}

void clip_make(const struct clip_options *options)
{
    struct output output = {0};

    assert_true(avformat_alloc_output_context2(&output.format, NULL, options->container,
                                               options->path) >= 0);
    output.packet = av_packet_alloc();
    assert_non_null(output.packet);
    open_video(&output, options);
    if (options->audio)
        open_audio(&output);
    assert_true(avio_open(&output.format->pb, options->path, AVIO_FLAG_WRITE) >= 0);
    assert_true(avformat_write_header(output.format, NULL) >= 0);
    encode_video(&output, options);
    if (options->audio)
        encode_audio(&output, options);
    assert_true(av_write_trailer(output.format) >= 0);
    assert_true(avio_closep(&output.format->pb) >= 0);
    av_packet_free(&output.packet);
    avcodec_free_context(&output.video);
    avcodec_free_context(&output.audio);
    avformat_free_context(output.format);
}
