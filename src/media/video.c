#include "media/video.h"

#include "base/memory.h"
#include "media/ffmpeg.h"

/* Refusals in a row without a packet between them, after which a decoder is given up. */
#define MAX_REFUSALS 1000

/* More is taken for a damaged header; 32768 is the largest side of a VbpImage. */
#define MAX_PIXELS (INT64_C(1) << 28)

/* Time stamps that jump back by more than this are of a new recording in the same file. */
#define DISCONTINUITY_SECONDS 1

/* Starts further back that a doubtful picture is worth. */
#define MAX_DOUBTS 2

/* ---- Opening -------------------------------------------------------------------------------- */

static int find_stream(const struct video *video, const AVCodec **codec, int *stream,
                       VbpError *error)
{
    AVFormatContext *format = video->demuxer.format;
    const AVCodec *found = NULL;
    int best = av_find_best_stream(format, AVMEDIA_TYPE_VIDEO, -1, -1, &found, 0);

    if (best == AVERROR_DECODER_NOT_FOUND)
        return error_set(error, VBP_ERROR_UNSUPPORTED, "%s: no decoder for its video", video->name);
    if (best < 0)
        return error_set(error, VBP_ERROR_FORMAT, "%s: has no video", video->name);
    for (unsigned i = 0;
         i < format->nb_streams && format->streams[best]->disposition & AV_DISPOSITION_ATTACHED_PIC;
         i++) {
        const AVStream *other = format->streams[i];
        const AVCodec *decoder = avcodec_find_decoder(other->codecpar->codec_id);

        if (other->codecpar->codec_type == AVMEDIA_TYPE_VIDEO && decoder &&
            !(other->disposition & AV_DISPOSITION_ATTACHED_PIC)) {
            best = (int)i;
            found = decoder;
        }
    }
    *stream = best;
    *codec = found;
    return VBP_OK;
}

static int open_decoder(struct video *video, const AVCodec *codec, int threads, VbpError *error)
{
    AVCodecContext *decoder = avcodec_alloc_context3(codec);
    int code;

    video->decoder = decoder;
    video->packet = av_packet_alloc();
    if (!decoder || !video->packet)
        return error_out_of_memory(error);
    code = avcodec_parameters_to_context(decoder, video->stream->codecpar);
    if (code < 0)
        return ffmpeg_error(error, code, "%s: cannot decode its video", video->name);
    decoder->pkt_timebase = video->stream->time_base;
    decoder->thread_count = threads;
    decoder->thread_type = FF_THREAD_FRAME | FF_THREAD_SLICE;
    decoder->max_pixels = MAX_PIXELS;
    decoder->flags |= AV_CODEC_FLAG_OUTPUT_CORRUPT; /* better a damaged picture than none */
    if (codec->id == AV_CODEC_ID_MJPEG)
        decoder->idct_algo = FF_IDCT_INT; /* libjpeg's transform: within 1 of its pixels */
    code = avcodec_open2(decoder, codec, NULL);
    if (code < 0)
        return ffmpeg_error(error, code, "%s: cannot decode its video", video->name);
    return VBP_OK;
}

/* Forgets everything about the place in the file. */
static void forget_place(struct video *video)
{
    for (int i = 0; i < 2; i++)
        av_frame_free(&video->held[i].frame);
    av_packet_unref(video->packet);
    video->packet_waiting = false;
    video->wait_for_key = false;
    video->last_pts = AV_NOPTS_VALUE;
    video->last_duration = 0;
    video->next_number = 0;
    avcodec_flush_buffers(video->decoder);
}

int video_open(struct video **video, const char *name, int threads, struct interrupt *interrupt,
               VbpError *error)
{
    struct video *made = memory_array(1, sizeof(*made));
    const AVCodec *codec = NULL;
    int stream = 0, result;

    *video = NULL;
    if (!made)
        return error_out_of_memory(error);
    made->interrupt = interrupt;
    made->last_pts = AV_NOPTS_VALUE;
    made->name = memory_copy_text(name);
    if (!made->name) {
        result = error_out_of_memory(error);
        goto failed;
    }
    result = demuxer_open(&made->demuxer, name, interrupt, error);
    if (result != VBP_OK)
        goto failed;
    result = find_stream(made, &codec, &stream, error);
    if (result != VBP_OK)
        goto failed;
    made->stream = made->demuxer.format->streams[stream];
    demuxer_select(&made->demuxer, stream);
    result = open_decoder(made, codec, threads, error);
    if (result != VBP_OK)
        goto failed;
    result = video_read(made, &made->held[0], error);
    if (result == VIDEO_END)
        result = error_set(error, VBP_ERROR_FORMAT,
                           "%s: no picture could be decoded (%s, %lld damaged packets)", name,
                           codec->name, (long long)made->damage.packets);
    if (result != VIDEO_FRAME)
        goto failed;
    made->start_pts = made->held[0].pts;
    *video = made;
    return VBP_OK;
failed:
    video_close(&made);
    return result;
}

void video_close(struct video **video)
{
    struct video *closed = *video;

    if (!closed)
        return;
    for (int i = 0; i < 2; i++)
        av_frame_free(&closed->held[i].frame);
    av_packet_free(&closed->packet);
    avcodec_free_context(&closed->decoder);
    demuxer_close(&closed->demuxer);
    index_free(&closed->index);
    free(closed->name);
    free(closed);
    *video = NULL;
}

/* ---- Reading -------------------------------------------------------------------------------- */

/* Makes *video->packet the next packet of the video stream: VIDEO_FRAME, VIDEO_END or an error. */
static int next_packet(struct video *video, VbpError *error)
{
    for (;;) {
        int result = demuxer_read(&video->demuxer, video->packet, error);

        if (result == DEMUXER_DAMAGED) {
            video->damage.packets++;
            continue;
        }
        if (result != DEMUXER_PACKET)
            return result == DEMUXER_END ? VIDEO_END : result;
        if (video->packet->stream_index == video->stream->index &&
            (!video->wait_for_key || video->packet->flags & AV_PKT_FLAG_KEY)) {
            video->wait_for_key = false;
            video->packet_waiting = true;
            /* What is left of it is decoded all the same. */
            if (video->packet->flags & AV_PKT_FLAG_CORRUPT)
                video->damage.packets++;
            return VIDEO_FRAME;
        }
        av_packet_unref(video->packet);
    }
}

static int decode(struct video *video, AVFrame *frame, VbpError *error)
{
    int refusals = 0;

    for (;;) {
        int result = demuxer_check_interrupt(&video->demuxer, error);
        int code;

        if (result != VBP_OK)
            return result;
        code = avcodec_receive_frame(video->decoder, frame);
        if (code >= 0)
            return VIDEO_FRAME;
        if (code == AVERROR_EOF)
            return VIDEO_END;
        if (code == AVERROR(ENOMEM))
            return error_out_of_memory(error);
        if (code != AVERROR(EAGAIN)) {
            video->damage.packets++;
            if (++refusals > MAX_REFUSALS)
                return VIDEO_END;
            continue;
        }
        if (!video->packet_waiting) {
            result = next_packet(video, error);
            if (result < 0)
                return result;
            if (result == VIDEO_END) {
                avcodec_send_packet(video->decoder, NULL);
                continue;
            }
        }
        code = avcodec_send_packet(video->decoder, video->packet);
        if (code == AVERROR(EAGAIN))
            continue; /* it has frames to give first */
        av_packet_unref(video->packet);
        video->packet_waiting = false;
        refusals = 0;
        if (code == AVERROR(ENOMEM))
            return error_out_of_memory(error);
        if (code < 0)
            video->damage.packets++;
    }
}

/* Ticks that the frame is shown as far as it says itself. */
static int64_t own_duration(const struct video *video, const AVFrame *frame)
{
    AVRational rate = video->stream->avg_frame_rate;

    if (frame->pkt_duration > 0)
        return frame->pkt_duration;
    return rate.num > 0 ? av_rescale_q(1, av_inv_q(rate), video->stream->time_base) : 0;
}

/* Gives a decoded frame its time and number. */
static void place(struct video *video, struct video_picture *picture)
{
    const AVFrame *frame = picture->frame;
    int64_t pts = frame->pts != AV_NOPTS_VALUE ? frame->pts : frame->best_effort_timestamp;

    picture->duration = own_duration(video, frame);
    if (video->last_pts == AV_NOPTS_VALUE) {
        if (pts == AV_NOPTS_VALUE)
            pts = 0;
    } else if (pts == AV_NOPTS_VALUE) {
        pts = video->last_pts + (video->last_duration > 0 ? video->last_duration : 1);
    } else if (pts <= video->last_pts) {
        pts = video->last_pts + 1;
    }
    picture->pts = pts;
    picture->number = video->next_number;
    if (video->indexed) {
        if (video->index.by_time) {
            int64_t number = (int64_t)index_find(&video->index, pts);

            if (number > picture->number)
                picture->number = number;
        }
        if (picture->number < (int64_t)video->index.count)
            picture->duration = index_duration(&video->index, (size_t)picture->number);
    }
    video->last_pts = pts;
    video->last_duration = picture->duration;
    video->next_number = picture->number + 1;
}

static int decode_picture(struct video *video, struct video_picture *picture, VbpError *error)
{
    AVFrame *frame = av_frame_alloc();
    int result;

    *picture = (struct video_picture){0};
    if (!frame)
        return error_out_of_memory(error);
    result = decode(video, frame, error);
    if (result != VIDEO_FRAME) {
        av_frame_free(&frame);
        return result;
    }
    picture->frame = frame;
    place(video, picture);
    return VIDEO_FRAME;
}

static bool is_damaged(const AVFrame *frame)
{
    return frame->flags & AV_FRAME_FLAG_CORRUPT || frame->decode_error_flags;
}

int video_read(struct video *video, struct video_picture *picture, VbpError *error)
{
    int result = VIDEO_FRAME;

    if (video->held[0].frame) {
        *picture = video->held[0];
        video->held[0] = video->held[1];
        video->held[1] = (struct video_picture){0};
        if (video->indexed && picture->number < (int64_t)video->index.count)
            picture->duration = index_duration(&video->index, (size_t)picture->number);
    } else {
        result = decode_picture(video, picture, error);
    }
    if (result == VIDEO_FRAME && is_damaged(picture->frame))
        video->damage.frames++;
    return result;
}

/* ---- The index ------------------------------------------------------------------------------ */

/* A VP8 frame that is only decoded for others to refer to: bit 4 of its first byte is not set. */
static bool is_hidden(const struct video *video, const AVPacket *packet)
{
    return video->stream->codecpar->codec_id == AV_CODEC_ID_VP8 && packet->size > 0 &&
           !(packet->data[0] & 0x10);
}

/* Adds what one packet tells. *usable becomes false where the time stamps cannot be relied on. */
static int index_packet(struct video *video, const AVPacket *packet, int64_t *last_dts,
                        bool *usable, VbpError *error)
{
    int64_t jump =
        av_rescale_q(DISCONTINUITY_SECONDS, (AVRational){1, 1}, video->stream->time_base);
    int result = VBP_OK;

    if (packet->pts == AV_NOPTS_VALUE ||
        (packet->dts != AV_NOPTS_VALUE && *last_dts != AV_NOPTS_VALUE &&
         packet->dts < *last_dts - jump)) {
        *usable = false;
        return VBP_OK;
    }
    *last_dts = packet->dts;
    if (packet->flags & AV_PKT_FLAG_KEY)
        result = index_add_key(&video->index, packet->pts, packet->dts, error);
    if (result == VBP_OK && !(packet->flags & AV_PKT_FLAG_DISCARD) && !is_hidden(video, packet))
        result = index_add(&video->index, packet->pts, packet->duration, error);
    return result;
}

/* Reads all packets, decoding none, from a demuxer of its own. */
static int index_packets(struct video *video, bool *usable, VbpError *error)
{
    struct demuxer demuxer;
    AVPacket *packet = av_packet_alloc();
    int64_t last_dts = AV_NOPTS_VALUE;
    int result;

    *usable = true;
    if (!packet)
        return error_out_of_memory(error);
    result = demuxer_open(&demuxer, video->name, video->interrupt, error);
    if (result != VBP_OK)
        goto done;
    if ((int)demuxer.format->nb_streams <= video->stream->index) {
        *usable = false;
        goto done;
    }
    demuxer_select(&demuxer, video->stream->index);
    while (result == VBP_OK && *usable) {
        result = demuxer_check_interrupt(&demuxer, error);
        if (result != VBP_OK)
            break;
        result = demuxer_read(&demuxer, packet, error);
        if (result == DEMUXER_PACKET && packet->stream_index == video->stream->index)
            result = index_packet(video, packet, &last_dts, usable, error);
        else if (result == DEMUXER_DAMAGED)
            result = VBP_OK;
        av_packet_unref(packet);
    }
    if (result == DEMUXER_END)
        result = VBP_OK;
    index_finish(&video->index, video->start_pts);
    if (video->index.count == 0 || video->index.pts[0] != video->start_pts)
        *usable = false;
done:
    demuxer_close(&demuxer);
    av_packet_free(&packet);
    return result;
}

/* Decodes all frames, for files whose packets do not say when they are shown. */
static int index_frames(struct video *video, VbpError *error)
{
    struct video *other;
    int result =
        video_open(&other, video->name, video->decoder->thread_count, video->interrupt, error);

    while (result == VIDEO_FRAME) {
        struct video_picture picture;

        result = video_read(other, &picture, error);
        if (result == VIDEO_FRAME)
            result = index_add(&video->index, picture.pts, picture.duration, error);
        av_frame_free(&picture.frame);
    }
    video_close(&other);
    return result == VIDEO_END ? VBP_OK : result;
}

int video_make_index(struct video *video, VbpError *error)
{
    bool usable;
    int result;

    if (video->indexed)
        return VBP_OK;
    if (!demuxer_seekable(&video->demuxer))
        return error_set(error, VBP_ERROR_UNSUPPORTED, "%s: a stream, which cannot be sought in",
                         video->name);
    result = index_packets(video, &usable, error);
    if (result == VBP_OK && !usable) {
        index_free(&video->index);
        result = index_frames(video, error);
    }
    if (result != VBP_OK) {
        index_free(&video->index);
        return result;
    }
    video->index.by_time = usable;
    video->indexed = true;
    /* Frames that were counted until now may have been fewer than there are. */
    if (usable && video->last_pts != AV_NOPTS_VALUE)
        video->next_number = (int64_t)index_find(&video->index, video->last_pts) + 1;
    return VBP_OK;
}

/* ---- Seeking -------------------------------------------------------------------------------- */

static int restart(struct video *video, VbpError *error)
{
    int stream = video->stream->index;
    int result;

    forget_place(video);
    demuxer_close(&video->demuxer);
    result = demuxer_open(&video->demuxer, video->name, video->interrupt, error);
    if (result != VBP_OK)
        return result;
    if ((int)video->demuxer.format->nb_streams <= stream)
        return error_set(error, VBP_ERROR_IO, "%s: changed while it was read", video->name);
    video->stream = video->demuxer.format->streams[stream];
    demuxer_select(&video->demuxer, stream);
    return VBP_OK;
}

/*
 * Goes to a key packet at or before the given one. What FFmpeg calls seeking only comes near: some
 * formats are sought by pts, some by dts, some land in the middle of nowhere. So the packet found
 * there is looked at; *landed says if it will do for target_pts.
 */
static int land(struct video *video, const struct index_key *key, int64_t target_pts, bool *landed,
                VbpError *error)
{
    const int64_t places[2] = {key->pts, key->dts};

    *landed = false;
    for (int i = 0; i < 2 && !*landed; i++) {
        int result;

        if (places[i] == AV_NOPTS_VALUE || (i > 0 && places[i] >= key->pts))
            continue;
        forget_place(video);
        if (av_seek_frame(video->demuxer.format, video->stream->index, places[i],
                          AVSEEK_FLAG_BACKWARD) < 0)
            continue;
        video->demuxer.refused = 0;
        video->wait_for_key = true;
        result = next_packet(video, error);
        if (result < 0)
            return result;
        *landed = result == VIDEO_FRAME && video->packet->pts != AV_NOPTS_VALUE &&
                  video->packet->pts <= target_pts;
    }
    return VBP_OK;
}

enum arrival {
    ARRIVED,  /* held[0] is the frame, or the last one before it where it cannot be decoded */
    DOUBTFUL, /* the same, but the picture may not be what it is when decoded from the start */
    MISSED    /* only frames after it came */
};

/*
 * Decodes up to frame `number` and holds it. A picture is doubtful where it is damaged, or where no
 * frame on the way stood for itself: then the "key" that decoding began at only began a gradual
 * refresh. From the start of the file there is nothing to doubt or to miss.
 */
static int decode_until(struct video *video, int64_t number, bool from_start, enum arrival *arrival,
                        VbpError *error)
{
    struct video_picture *held = video->held;
    bool begun = from_start;

    *arrival = ARRIVED;
    for (;;) {
        struct video_picture picture;
        int result = decode_picture(video, &picture, error);

        if (result < 0)
            return result;
        if (result == VIDEO_END) {
            if (!held[0].frame && !from_start)
                *arrival = MISSED;
            break;
        }
        begun = begun || (picture.frame->pict_type != AV_PICTURE_TYPE_P &&
                          picture.frame->pict_type != AV_PICTURE_TYPE_B);
        if (picture.number > number && held[0].frame) {
            held[1] = picture;
            break;
        }
        if (picture.number > number && !from_start) {
            av_frame_free(&picture.frame);
            *arrival = MISSED;
            break;
        }
        av_frame_free(&held[0].frame);
        held[0] = picture;
        if (picture.number >= number)
            break;
    }
    if (*arrival == ARRIVED && !from_start && (!begun || is_damaged(held[0].frame)))
        *arrival = DOUBTFUL;
    return VBP_OK;
}

/* Whether decoding on from here reaches frame `number` without a key frame that is nearer to it. */
static bool is_just_ahead(const struct video *video, int64_t number)
{
    const struct frame_index *index = &video->index;
    size_t keys;

    if (video->next_number == 0 || video->next_number > number || video->held[0].frame)
        return false;
    if (!index->by_time)
        return true;
    keys = index_keys_before(index, index->pts[number]);
    return keys == 0 || index->keys[keys - 1].pts <= video->last_pts;
}

static int seek(struct video *video, int64_t number, VbpError *error)
{
    const struct frame_index *index = &video->index;
    int64_t pts = index->pts[number];
    size_t keys = index->by_time ? index_keys_before(index, pts) : 0;
    size_t step = 1;
    int doubts = 0;
    enum arrival arrival;
    int result;

    if (is_just_ahead(video, number)) {
        /* Reached as reading on would reach it, so no doubt can be better founded than that. */
        result = decode_until(video, number, false, &arrival, error);
        if (result != VBP_OK || arrival != MISSED)
            return result;
    }
    while (keys > 0) {
        bool landed;

        arrival = MISSED;
        result = land(video, &index->keys[keys - 1], pts, &landed, error);
        if (result == VBP_OK && landed)
            result = decode_until(video, number, false, &arrival, error);
        if (result != VBP_OK)
            return result;
        if (arrival == ARRIVED || (arrival == DOUBTFUL && ++doubts > MAX_DOUBTS))
            return VBP_OK;
        keys -= step < keys ? step : keys;
        step *= 2;
    }
    result = restart(video, error);
    if (result != VBP_OK)
        return result;
    return decode_until(video, number, true, &arrival, error);
}

int video_seek(struct video *video, int64_t number, VbpError *error)
{
    struct video_damage damage = video->damage;
    int result = video_make_index(video, error);

    if (result == VBP_OK)
        result = seek(video, number, error);
    video->damage = damage; /* only what was shown counts */
    return result;
}
