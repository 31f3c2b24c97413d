#include "media/source.h"

#include "base/error.h"
#include "base/memory.h"
#include "base/npy.h"
#include "media/array.h"
#include "media/convert.h"
#include "media/image_reader.h"
#include "media/jpeg.h"
#include "media/sequence.h"
#include "media/video.h"

#include <math.h>

/* The longest side of a VbpImage. */
#define MAX_SIDE 32768

struct source {
    char *name;
    struct source_info info;
    struct interrupt interrupt;
    struct source_damage picture_damage; /* of a still or a sequence; a video counts its own */

    /* SOURCE_VIDEO: one of the two */
    struct video *video;
    struct sequence *sequence;
    size_t next_picture;         /* of the sequence, for the next read */
    struct converter *converter; /* to the form of the first picture */

    /* SOURCE_IMAGE */
    AVFrame *still;
    bool still_given; /* source_read has returned it */

    /* SOURCE_READY_INPUT */
    struct npy input;
};

/* ---- Opening -------------------------------------------------------------------------------- */

/* The orientation that a frame, or else its stream, asks to be shown in. */
static struct orientation orientation_of(const struct video *video, const AVFrame *frame)
{
    const AVFrameSideData *own = av_frame_get_side_data(frame, AV_FRAME_DATA_DISPLAYMATRIX);
    const size_t matrix_size = 9 * sizeof(int32_t);
    const uint8_t *data;
    size_t size;

    if (own && own->size >= matrix_size)
        return orientation_of_matrix((const int32_t *)(const void *)own->data);
    data = av_stream_get_side_data(video->stream, AV_PKT_DATA_DISPLAYMATRIX, &size);
    return orientation_of_matrix(data && size >= matrix_size ? (const int32_t *)(const void *)data
                                                             : NULL);
}

/* Whether gray that does not say is 0..255: not where video standards say otherwise. */
static bool has_full_range_gray(enum AVCodecID codec)
{
    switch (codec) {
    case AV_CODEC_ID_H264:
    case AV_CODEC_ID_HEVC:
    case AV_CODEC_ID_VP9:
    case AV_CODEC_ID_AV1:
    case AV_CODEC_ID_MPEG2VIDEO:
    case AV_CODEC_ID_MPEG4:
        return false;
    default:
        return true;
    }
}

static int prepare_conversion(struct source *source, VbpError *error)
{
    const struct video *video = source->video;
    const AVFrame *first = video->held[0].frame;
    struct orientation orientation = orientation_of(video, first);
    AVRational aspect = av_guess_sample_aspect_ratio(video->demuxer.format, video->stream, NULL);
    int result;

    if (first->width > MAX_SIDE || first->height > MAX_SIDE)
        return error_set(error, VBP_ERROR_UNSUPPORTED,
                         "%s: pictures of %d x %d; sides of up to %d are read", source->name,
                         first->width, first->height, MAX_SIDE);
    result = converter_create(&source->converter, first, orientation,
                              has_full_range_gray(video->decoder->codec_id), error);
    if (result != VBP_OK) {
        error_prefix(error, "%s: ", source->name);
        return result;
    }
    converter_size(source->converter, &source->info.width, &source->info.height);
    source->info.sample_aspect_ratio =
        orientation.transpose && aspect.num > 0 ? av_inv_q(aspect) : aspect;
    return VBP_OK;
}

static void describe_video(struct source *source)
{
    const struct video *video = source->video;
    const AVFormatContext *format = video->demuxer.format;
    const AVStream *stream = video->stream;
    struct source_info *info = &source->info;

    info->time_base = stream->time_base;
    info->frame_rate =
        stream->avg_frame_rate.num > 0 ? stream->avg_frame_rate : stream->r_frame_rate;
    if (info->frame_rate.num <= 0 || info->frame_rate.den <= 0)
        info->frame_rate = (AVRational){0, 1};
    info->seekable = demuxer_seekable(&video->demuxer);
    info->frame_count = stream->nb_frames > 0 ? stream->nb_frames : -1;
    info->duration = -1;
    if (stream->duration > 0)
        info->duration = (double)stream->duration * av_q2d(stream->time_base);
    else if (format->duration > 0)
        info->duration = (double)format->duration / AV_TIME_BASE;
    for (unsigned i = 0; i < format->nb_streams; i++) {
        if (format->streams[i]->codecpar->codec_type == AVMEDIA_TYPE_AUDIO)
            info->has_audio = true;
    }
}

/* Replaces what the file says about itself by what the index knows. */
static void describe_index(struct source *source)
{
    const struct frame_index *index = &source->video->index;
    size_t last = index->count - 1;

    source->info.frame_count = (int64_t)index->count;
    source->info.duration =
        (double)(index->pts[last] - source->video->start_pts + index_duration(index, last)) *
        av_q2d(source->info.time_base);
}

/* Makes the one picture of *source->video the source. */
static int keep_still(struct source *source, VbpError *error)
{
    struct video_picture picture;
    int result = video_read(source->video, &picture, error);

    if (result != VIDEO_FRAME)
        return result;
    result = converter_run(source->converter, &picture.frame, error);
    if (result == VBP_OK && source->video->decoder->codec_id == AV_CODEC_ID_MJPEG)
        result = jpeg_to_rgb(&picture.frame, error);
    if (result != VBP_OK) {
        error_prefix(error, "%s: ", source->name);
        return result;
    }
    source->still = picture.frame;
    source->picture_damage.packets = source->video->damage.packets;
    source->picture_damage.frames = source->video->damage.frames;
    converter_free(&source->converter);
    video_close(&source->video);
    return VBP_OK;
}

static void describe_still(struct source *source)
{
    source->info.kind = SOURCE_IMAGE;
    source->info.width = source->still->width;
    source->info.height = source->still->height;
    source->info.time_base = (AVRational){1, 1};
    source->info.frame_rate = (AVRational){0, 1};
    source->info.frame_count = 1;
    source->info.duration = 0;
    source->info.seekable = true;
    source->info.has_audio = false;
    source->still->pts = 0;
    source->still->pkt_duration = 0;
    source->still->time_base = source->info.time_base;
}

static int open_video(struct source *source, const struct source_options *options, VbpError *error)
{
    const struct video *video;
    int result =
        video_open(&source->video, source->name, options->threads, &source->interrupt, error);

    if (result != VBP_OK)
        return result;
    video = source->video;
    result = prepare_conversion(source, error);
    if (result != VBP_OK)
        return result;
    if (demuxer_is_image(&video->demuxer) ||
        video->stream->disposition & AV_DISPOSITION_ATTACHED_PIC) {
        result = keep_still(source, error);
        if (result == VBP_OK)
            describe_still(source);
        return result;
    }
    source->info.kind = SOURCE_VIDEO;
    describe_video(source);
    if (options->random_access && source->info.seekable) {
        result = video_make_index(source->video, error);
        if (result == VBP_OK)
            describe_index(source);
    }
    return result;
}

/* The next picture of the sequence that can be read, as it comes: SOURCE_FRAME, SOURCE_END. */
static int read_picture(struct source *source, struct frame *frame, VbpError *error)
{
    const struct sequence *sequence = source->sequence;

    while (source->next_picture < sequence->count) {
        const struct sequence_picture *picture = &sequence->pictures[source->next_picture];
        int result;

        if (atomic_load(&source->interrupt.requested))
            return error_set(error, VBP_ERROR_CANCELLED, "%s: interrupted", source->name);
        result = image_read(picture->path, frame, error);
        if (result == VBP_ERROR_MEMORY)
            return result;
        if (result == VBP_OK) {
            frame->number = (int64_t)source->next_picture;
            frame->pts = picture->time;
            frame->time = (double)picture->time / 1000;
            frame->duration = (double)sequence_duration(sequence, source->next_picture) / 1000;
            frame->has_recorded = !isnan(picture->recorded);
            frame->recorded = frame->has_recorded ? picture->recorded : 0;
            source->next_picture++;
            return SOURCE_FRAME;
        }
        source->picture_damage.packets++;
        source->next_picture++;
    }
    return SOURCE_END;
}

static void describe_sequence(struct source *source)
{
    const struct sequence *sequence = source->sequence;
    size_t last = sequence->count - 1;
    int64_t end = sequence->pictures[last].time + sequence_duration(sequence, last);
    struct source_info *info = &source->info;

    info->kind = SOURCE_VIDEO;
    info->time_base = (AVRational){1, 1000};
    info->frame_rate = av_d2q((double)sequence->count * 1000 / (double)end, 1000);
    info->sample_aspect_ratio = (AVRational){0, 1};
    info->frame_count = (int64_t)sequence->count;
    info->duration = (double)end / 1000;
    info->seekable = true;
}

/* The first picture that can be read says what all of them come out as. */
static int open_sequence(struct source *source, VbpError *error)
{
    static const struct orientation upright = {false, false, false};
    struct frame frame;
    int result = read_picture(source, &frame, error);

    if (result == SOURCE_END)
        return error->status; /* of the last picture that could not be read */
    if (result != SOURCE_FRAME)
        return result;
    result = converter_create(&source->converter, frame.picture, upright, true, error);
    frame_release(&frame);
    if (result != VBP_OK) {
        error_prefix(error, "%s: ", source->name);
        return result;
    }
    converter_size(source->converter, &source->info.width, &source->info.height);
    describe_sequence(source);
    source->next_picture = 0;
    source->picture_damage.packets = 0;
    return VBP_OK;
}

static int open_array(struct source *source, VbpError *error)
{
    struct npy array;
    int result = npy_read(source->name, &array, error);

    if (result != VBP_OK)
        return result;
    if (array.type == NPY_UINT8) {
        result = array_picture(&source->still, source->name, &array, error);
        npy_free(&array);
        if (result == VBP_OK)
            describe_still(source);
        return result;
    }
    source->input = array;
    if (array.count == 0)
        return error_set(error, VBP_ERROR_UNSUPPORTED, "%s: an array without elements",
                         source->name);
    source->info = (struct source_info){
        .kind = SOURCE_READY_INPUT, .time_base = {1, 1}, .frame_rate = {0, 1}, .seekable = false};
    return VBP_OK;
}

int source_open(struct source **source, const char *name, const struct source_options *options,
                VbpError *error)
{
    struct source *made = memory_array(1, sizeof(*made));
    int result;

    *source = NULL;
    if (!made)
        return error_out_of_memory(error);
    made->name = memory_copy_text(name);
    result = made->name ? sequence_open(&made->sequence, name, error) : error_out_of_memory(error);
    if (result == VBP_OK && made->sequence)
        result = open_sequence(made, error);
    else if (result == VBP_OK && array_is_one(name))
        result = open_array(made, error);
    else if (result == VBP_OK)
        result = open_video(made, options, error);
    if (result != VBP_OK) {
        source_close(&made);
        return result;
    }
    *source = made;
    return VBP_OK;
}

void source_close(struct source **source)
{
    struct source *closed = *source;

    if (!closed)
        return;
    video_close(&closed->video);
    sequence_close(&closed->sequence);
    converter_free(&closed->converter);
    av_frame_free(&closed->still);
    npy_free(&closed->input);
    free(closed->name);
    free(closed);
    *source = NULL;
}

const struct source_info *source_info(const struct source *source)
{
    return &source->info;
}

/* ---- Reading and seeking -------------------------------------------------------------------- */

static int read_still(struct source *source, struct frame *frame, VbpError *error)
{
    if (!source->still || source->still_given)
        return SOURCE_END;
    frame->picture = av_frame_clone(source->still);
    if (!frame->picture)
        return error_out_of_memory(error);
    source->still_given = true;
    return SOURCE_FRAME;
}

/* Brings the picture into the form of the first one. */
static int convert(struct source *source, AVFrame **picture, VbpError *error)
{
    int result = converter_run(source->converter, picture, error);

    if (result != VBP_OK)
        error_prefix(error, "%s: ", source->name);
    return result;
}

static int read_sequence(struct source *source, struct frame *frame, VbpError *error)
{
    int result = read_picture(source, frame, error);

    if (result != SOURCE_FRAME)
        return result;
    result = convert(source, &frame->picture, error);
    if (result != VBP_OK)
        return result;
    frame->picture->pts = frame->pts;
    frame->picture->pkt_duration = llround(frame->duration * 1000);
    frame->picture->time_base = source->info.time_base;
    return SOURCE_FRAME;
}

int source_read(struct source *source, struct frame *frame, VbpError *error)
{
    const AVRational time_base = source->info.time_base;
    struct video_picture picture;
    int result;

    *frame = (struct frame){0};
    if (source->sequence)
        return read_sequence(source, frame, error);
    if (!source->video)
        return read_still(source, frame, error);
    result = video_read(source->video, &picture, error);
    if (result != VIDEO_FRAME)
        return result == VIDEO_END ? SOURCE_END : result;
    result = convert(source, &picture.frame, error);
    if (result != VBP_OK)
        return result;
    frame->picture = picture.frame;
    frame->picture->pts = picture.pts;
    frame->picture->pkt_duration = picture.duration;
    frame->picture->time_base = time_base;
    frame->number = picture.number;
    frame->pts = picture.pts;
    frame->time = (double)(picture.pts - source->video->start_pts) * av_q2d(time_base);
    frame->duration = (double)picture.duration * av_q2d(time_base);
    return SOURCE_FRAME;
}

/* Where a seek in anything but a video is already done. */
static int seek_still(struct source *source, VbpError *error)
{
    if (!source->still)
        return error_set(error, VBP_ERROR_UNSUPPORTED, "%s: has no frames", source->name);
    source->still_given = false;
    return VBP_OK;
}

int source_seek_time(struct source *source, double time, VbpError *error)
{
    const struct video *video = source->video;
    size_t low = 0, high;
    int result;

    if (source->sequence) {
        double milliseconds = floor(fmin(fmax(time, 0), 1e12) * 1000 + 1e-6);

        source->next_picture = sequence_at(source->sequence, (int64_t)milliseconds);
        return VBP_OK;
    }
    if (!video)
        return seek_still(source, error);
    result = video_make_index(source->video, error);
    if (result != VBP_OK)
        return result;
    describe_index(source);
    /* The number of frames whose time, computed as for frame.time, is not after `time`. */
    high = video->index.count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;

        if ((double)(video->index.pts[middle] - video->start_pts) *
                av_q2d(source->info.time_base) <=
            time)
            low = middle + 1;
        else
            high = middle;
    }
    return video_seek(source->video, low > 0 ? (int64_t)low - 1 : 0, error);
}

int source_seek_number(struct source *source, int64_t number, VbpError *error)
{
    int result;

    if (source->video) {
        result = video_make_index(source->video, error);
        if (result != VBP_OK)
            return result;
        describe_index(source);
    }
    if (source->info.kind != SOURCE_READY_INPUT &&
        (number < 0 || number >= source->info.frame_count))
        return error_set(error, VBP_ERROR_ARGUMENT, "%s: has no frame %lld; it has %lld frames",
                         source->name, (long long)number, (long long)source->info.frame_count);
    if (source->sequence) {
        source->next_picture = (size_t)number;
        return VBP_OK;
    }
    return source->video ? video_seek(source->video, number, error) : seek_still(source, error);
}

struct source_damage source_damage(const struct source *source)
{
    if (!source->video)
        return source->picture_damage;
    return (struct source_damage){source->video->damage.packets, source->video->damage.frames};
}

void source_interrupt(struct source *source)
{
    atomic_store(&source->interrupt.requested, true);
}

const float *source_ready_input(const struct source *source, size_t *length)
{
    *length = source->input.data ? source->input.count : 0;
    return source->input.data;
}

const size_t *source_ready_shape(const struct source *source, int *rank)
{
    *rank = source->input.data ? source->input.rank : 0;
    return source->input.data ? source->input.extent : NULL;
}
