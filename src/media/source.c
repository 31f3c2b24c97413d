#include "media/source.h"

#include "base/error.h"
#include "base/memory.h"
#include "base/npy.h"
#include "media/convert.h"
#include "media/video.h"

#include <libavutil/imgutils.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>

/* The longest side of a VbpImage. */
#define MAX_SIDE 32768

struct source {
    char *name;
    struct source_info info;
    struct interrupt interrupt;
    struct source_damage still_damage;

    /* SOURCE_VIDEO */
    struct video *video;
    struct converter *converter;

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
    if (result != VBP_OK) {
        error_prefix(error, "%s: ", source->name);
        return result;
    }
    source->still = picture.frame;
    source->still_damage.packets = source->video->damage.packets;
    source->still_damage.frames = source->video->damage.frames;
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

/* A uint8 array of height x width, or with 1, 3 or 4 channels behind, as a picture. */
static int picture_of_array(struct source *source, const struct npy *array, VbpError *error)
{
    size_t channels = array->rank == 3 ? array->extent[2] : 1;
    bool fits = (array->rank == 2 || array->rank == 3) &&
                (channels == 1 || channels == 3 || channels == 4) && array->extent[0] >= 1 &&
                array->extent[0] <= MAX_SIDE && array->extent[1] >= 1 &&
                array->extent[1] <= MAX_SIDE;
    struct frame_pool *pool = NULL;
    const uint8_t *pixel = array->data;

    if (!fits) {
        char shape[NPY_MAX_RANK * 24] = "";
        size_t used = 0;

        for (int i = 0; i < array->rank; i++)
            used += (size_t)snprintf(shape + used, sizeof(shape) - used, "%s%zu", i ? " x " : "",
                                     array->extent[i]);
        return error_set(error, VBP_ERROR_UNSUPPORTED,
                         "%s: a uint8 array of shape %s is no picture "
                         "(height x width, or that x 1, 3 or 4, is)",
                         source->name, array->rank ? shape : "()");
    }
    source->still = frame_pool_take(&pool, channels == 1 ? AV_PIX_FMT_GRAY8 : AV_PIX_FMT_RGB24,
                                    (int)array->extent[1], (int)array->extent[0], error);
    frame_pool_free(&pool);
    if (!source->still)
        return VBP_ERROR_MEMORY;
    for (int y = 0; y < source->still->height; y++) {
        uint8_t *row = source->still->data[0] + (ptrdiff_t)source->still->linesize[0] * y;

        for (int x = 0; x < source->still->width; x++, pixel += channels) {
            *row++ = pixel[0];
            if (channels > 1) {
                *row++ = pixel[1];
                *row++ = pixel[2];
            }
        }
    }
    source->still->color_range = AVCOL_RANGE_JPEG;
    if (channels > 1)
        source->still->colorspace = AVCOL_SPC_RGB;
    return VBP_OK;
}

static int open_array(struct source *source, VbpError *error)
{
    struct npy array;
    int result = npy_read(source->name, &array, error);

    if (result != VBP_OK)
        return result;
    if (array.type == NPY_UINT8) {
        result = picture_of_array(source, &array, error);
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

/* By how the file begins, or by its ending. False where there is no such file. */
static bool is_array(const char *name)
{
    static const char magic[6] = "\x93NUMPY";
    const char *dot = strrchr(name, '.');
    char start[sizeof(magic)];
    struct stat status;
    FILE *stream;
    bool begins_like_one;

    /* What is read from a pipe now would be missing later. */
    if (stat(name, &status) != 0 || !S_ISREG(status.st_mode))
        return false;
    stream = fopen(name, "rb");
    if (!stream)
        return false;
    begins_like_one = fread(start, 1, sizeof(start), stream) == sizeof(start) &&
                      memcmp(start, magic, sizeof(start)) == 0;
    fclose(stream);
    return begins_like_one || (dot && strcasecmp(dot, ".npy") == 0);
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
    if (!made->name)
        result = error_out_of_memory(error);
    else if (is_array(name))
        result = open_array(made, error);
    else
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

int source_read(struct source *source, struct frame *frame, VbpError *error)
{
    const AVRational time_base = source->info.time_base;
    struct video_picture picture;
    int result;

    *frame = (struct frame){0};
    if (!source->video)
        return read_still(source, frame, error);
    result = video_read(source->video, &picture, error);
    if (result != VIDEO_FRAME)
        return result == VIDEO_END ? SOURCE_END : result;
    result = converter_run(source->converter, &picture.frame, error);
    if (result != VBP_OK) {
        error_prefix(error, "%s: ", source->name);
        return result;
    }
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
    return source->video ? video_seek(source->video, number, error) : seek_still(source, error);
}

struct source_damage source_damage(const struct source *source)
{
    if (!source->video)
        return source->still_damage;
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
