#include "media/container.h"

#include "base/memory.h"
#include "media/ffmpeg.h"

#include <libavutil/mathematics.h>
#include <limits.h>
#include <string.h>
#include <strings.h>

#define FRAGMENT_MICROSECONDS 1000000
#define CLUSTER_MILLISECONDS  1000
#define SMALLEST_TRACK_TICKS  10000 /* per second: coarser time bases are multiplied up to this */

static const struct container containers[] = {
    {"mp4", "mp4", "libx264", true},       {"m4v", "mp4", "libx264", true},
    {"mov", "mov", "libx264", true},       {"mkv", "matroska", "libx264", false},
    {"webm", "webm", "libvpx-vp9", false},
};

const struct container *container_of_path(const char *path, VbpError *error)
{
    const char *slash = strrchr(path, '/');
    const char *dot = strrchr(slash ? slash : path, '.');

    for (size_t i = 0; dot && i < sizeof(containers) / sizeof(containers[0]); i++) {
        if (strcasecmp(dot + 1, containers[i].ending) == 0)
            return &containers[i];
    }
    error_set(error, VBP_ERROR_UNSUPPORTED,
              "cannot write %s: its ending names no known container "
              "(mp4, m4v, mov, mkv and webm are)",
              path);
    return NULL;
}

int container_allocate(const struct container *container, const char *path,
                       AVFormatContext **format, VbpError *error)
{
    /* The prefix keeps FFmpeg from taking "12:30.mp4" for a protocol named 12. */
    char *url = memory_format("file:%s", path);
    int code;

    *format = NULL;
    if (!url)
        return error_out_of_memory(error);
    code = avformat_alloc_output_context2(format, NULL, container->muxer, url);
    free(url);
    if (code < 0)
        return ffmpeg_error(error, code, "cannot write %s files", container->ending);
    (*format)->flags |= AVFMT_FLAG_FLUSH_PACKETS;
    return VBP_OK;
}

/*
 * MP4 keeps a track's times in ticks of the track and its start in ticks of the movie. All starts
 * are exact where the movie's ticks are a multiple of all tracks'.
 */
static void set_time_scales(const AVFormatContext *format, AVDictionary **settings)
{
    int64_t movie = 1;

    for (unsigned i = 0; i < format->nb_streams; i++) {
        const AVStream *stream = format->streams[i];
        int64_t track = stream->codecpar->sample_rate;
        int64_t both;

        if (stream->codecpar->codec_type == AVMEDIA_TYPE_VIDEO) {
            track = stream->time_base.den;
            while (track < SMALLEST_TRACK_TICKS)
                track *= 2;
            av_dict_set_int(settings, "video_track_timescale", track, 0);
        }
        if (track <= 0)
            continue;
        both = movie / av_gcd(movie, track) * track;
        if (both <= INT_MAX)
            movie = both;
    }
    if (movie > 1)
        av_dict_set_int(settings, "movie_timescale", movie, 0);
}

int container_begin(const struct container *container, AVFormatContext *format, bool fragments,
                    const char *name, VbpError *error)
{
    AVDictionary *settings = NULL;
    int code = avio_open2(&format->pb, format->url, AVIO_FLAG_WRITE, NULL, NULL);

    if (code < 0)
        return ffmpeg_error(error, code, "cannot write %s", name);
    if (container->fragmented) {
        set_time_scales(format, &settings);
        if (fragments) {
            av_dict_set_int(&settings, "frag_duration", FRAGMENT_MICROSECONDS, 0);
            /* The head waits for the first packets, to tell where the streams start. */
            av_dict_set(&settings, "movflags", "delay_moov+default_base_moof", 0);
        } else {
            av_dict_set(&settings, "movflags", "faststart", 0);
        }
    } else {
        av_dict_set_int(&settings, "cluster_time_limit", CLUSTER_MILLISECONDS, 0);
        /* Audio may begin before 0, to warm its decoder up; else all would move for it. */
        format->avoid_negative_ts = 0;
    }
    code = avformat_write_header(format, &settings);
    av_dict_free(&settings);
    if (code < 0)
        return ffmpeg_error(error, code, "cannot write %s", name);
    return VBP_OK;
}

int container_finish(AVFormatContext *format, const char *name, VbpError *error)
{
    int code = av_write_trailer(format);
    int close_code = avio_closep(&format->pb);

    if (code >= 0)
        code = close_code;
    return code < 0 ? ffmpeg_error(error, code, "cannot write %s", name) : VBP_OK;
}

void container_free(AVFormatContext **format)
{
    if (!*format)
        return;
    avio_closep(&(*format)->pb);
    avformat_free_context(*format);
    *format = NULL;
}

static int copy_streams(const AVFormatContext *from, AVFormatContext *to, VbpError *error)
{
    for (unsigned i = 0; i < from->nb_streams; i++) {
        const AVStream *stream = from->streams[i];
        AVStream *copy = avformat_new_stream(to, NULL);

        if (!copy || avcodec_parameters_copy(copy->codecpar, stream->codecpar) < 0 ||
            av_dict_copy(&copy->metadata, stream->metadata, 0) < 0)
            return error_out_of_memory(error);
        copy->time_base = stream->time_base;
        copy->disposition = stream->disposition;
        copy->avg_frame_rate = stream->avg_frame_rate;
        copy->sample_aspect_ratio = stream->sample_aspect_ratio;
    }
    return av_dict_copy(&to->metadata, from->metadata, 0) < 0 ? error_out_of_memory(error) : VBP_OK;
}

/* Makes the durations of a stream's packets end where the last one does. */
static void set_duration(AVPacket *packet, const struct container_end *end, AVRational time_base)
{
    int64_t last = av_rescale_q(end->pts, end->time_base, time_base);
    int64_t stop = last + av_rescale_q(end->duration, end->time_base, time_base);

    if (packet->pts == last || packet->pts + packet->duration > stop)
        packet->duration = stop - packet->pts;
}

int container_complete(const struct container *container, const char *from, const char *to,
                       const struct container_end *ends, const char *name, VbpError *error)
{
    AVFormatContext *input = NULL, *output = NULL;
    AVPacket *packet = av_packet_alloc();
    char *url = memory_format("file:%s", from);
    int result, code;

    if (!packet || !url) {
        result = error_out_of_memory(error);
        goto done;
    }
    code = avformat_open_input(&input, url, NULL, NULL);
    if (code >= 0)
        code = avformat_find_stream_info(input, NULL);
    if (code < 0) {
        result = ffmpeg_error(error, code, "cannot complete %s", name);
        goto done;
    }
    result = container_allocate(container, to, &output, error);
    if (result == VBP_OK)
        result = copy_streams(input, output, error);
    if (result != VBP_OK)
        goto done;
    output->flags &= ~AVFMT_FLAG_FLUSH_PACKETS;
    result = container_begin(container, output, false, name, error);
    if (result != VBP_OK)
        goto done;
    while ((code = av_read_frame(input, packet)) >= 0) {
        const AVStream *stream = input->streams[packet->stream_index];

        set_duration(packet, &ends[packet->stream_index], stream->time_base);
        av_packet_rescale_ts(packet, stream->time_base,
                             output->streams[packet->stream_index]->time_base);
        packet->pos = -1;
        code = av_interleaved_write_frame(output, packet);
        if (code < 0) {
            result = ffmpeg_error(error, code, "cannot write %s", name);
            goto done;
        }
    }
    if (code != AVERROR_EOF) {
        result = ffmpeg_error(error, code, "cannot complete %s", name);
        goto done;
    }
    result = container_finish(output, name, error);
done:
    container_free(&output);
    avformat_close_input(&input);
    av_packet_free(&packet);
    free(url);
    return result;
}
