#include "media/audio_copy.h"

#include "base/memory.h"
#include "media/demuxer.h"

#include <libavcodec/avcodec.h>
#include <libavcodec/bsf.h>

/* Where a stream of the source goes. */
struct track {
    AVStream *target;   /* NULL: not copied */
    AVBSFContext *adts; /* takes ADTS headers off; NULL where there are none */
    int64_t last_dts;   /* in the source's time base */
    bool ended;         /* it has reached the end of the range */
};

struct audio_copy {
    struct demuxer demuxer;
    struct audio_range range;
    struct track *tracks; /* one for every stream that the source had when it was opened */
    unsigned track_count; /* a transport stream may come with more later, which are left out */
    AVPacket *packet;     /* the next one, in the source's time base */
    bool ended;
};

static bool is_audio(const AVStream *stream)
{
    return stream->codecpar->codec_type == AVMEDIA_TYPE_AUDIO;
}

/* Whether *copy->packet is to be copied. */
static bool is_wanted(struct audio_copy *copy)
{
    AVPacket *packet = copy->packet;
    const AVStream *stream = copy->demuxer.format->streams[packet->stream_index];
    struct track *track;
    double time;

    if ((unsigned)packet->stream_index >= copy->track_count || !is_audio(stream))
        return false;
    track = &copy->tracks[packet->stream_index];
    if (track->ended)
        return false;
    if (packet->dts == AV_NOPTS_VALUE)
        packet->dts = packet->pts;
    if (packet->pts == AV_NOPTS_VALUE)
        packet->pts = packet->dts;
    if (packet->pts == AV_NOPTS_VALUE)
        return false; /* nobody knows when to play it */
    time = (double)packet->pts * av_q2d(stream->time_base);
    if (copy->range.end >= 0 && time >= copy->range.end) {
        track->ended = true;
        return false;
    }
    if (copy->range.start > 0 && time < copy->range.start)
        return false;
    /* Containers refuse time that stands still or goes back. */
    if (track->last_dts != AV_NOPTS_VALUE && packet->dts <= track->last_dts)
        return false;
    track->last_dts = packet->dts;
    return true;
}

static bool all_ended(const struct audio_copy *copy)
{
    for (unsigned i = 0; i < copy->track_count; i++) {
        if (is_audio(copy->demuxer.format->streams[i]) && !copy->tracks[i].ended)
            return false;
    }
    return true;
}

/*
 * Takes the ADTS header off *copy->packet, where there is one. The first packet then carries as
 * side data what the target's header must say; its muxer takes it from there. False for a packet
 * whose header is damaged.
 */
static bool unwrap(struct audio_copy *copy)
{
    AVBSFContext *adts = copy->tracks[copy->packet->stream_index].adts;

    return !adts || (av_bsf_send_packet(adts, copy->packet) >= 0 &&
                     av_bsf_receive_packet(adts, copy->packet) >= 0);
}

/* Makes *copy->packet the next wanted one. */
static int advance(struct audio_copy *copy, VbpError *error)
{
    av_packet_unref(copy->packet);
    while (!copy->ended) {
        int result = demuxer_read(&copy->demuxer, copy->packet, error);

        if (result < 0)
            return result;
        if (result == DEMUXER_PACKET && is_wanted(copy)) {
            if (unwrap(copy))
                return VBP_OK;
            av_packet_unref(copy->packet);
            continue;
        }
        av_packet_unref(copy->packet);
        copy->ended = result == DEMUXER_END || all_ended(copy);
    }
    return VBP_OK;
}

/*
 * AAC that does not describe itself once for the whole stream has an ADTS header in each packet, as
 * in transport streams; none of the containers that are written takes it so.
 */
static int prepare_unwrapping(struct track *track, const AVStream *stream, VbpError *error)
{
    const AVBitStreamFilter *filter = av_bsf_get_by_name("aac_adtstoasc");
    int code;

    if (!filter || stream->codecpar->codec_id != AV_CODEC_ID_AAC ||
        stream->codecpar->extradata_size > 0)
        return VBP_OK;
    code = av_bsf_alloc(filter, &track->adts);
    if (code >= 0)
        code = avcodec_parameters_copy(track->adts->par_in, stream->codecpar);
    if (code >= 0) {
        track->adts->time_base_in = stream->time_base;
        code = av_bsf_init(track->adts);
    }
    return code < 0 ? error_out_of_memory(error) : VBP_OK;
}

static int add_streams(struct audio_copy *copy, AVFormatContext *to, const char *source,
                       const char *name, VbpError *error)
{
    const AVFormatContext *from = copy->demuxer.format;

    for (unsigned i = 0; i < copy->track_count; i++) {
        const AVStream *stream = from->streams[i];
        AVStream *target;

        if (!is_audio(stream))
            continue;
        if (avformat_query_codec(to->oformat, stream->codecpar->codec_id, FF_COMPLIANCE_NORMAL) ==
            0)
            return error_set(error, VBP_ERROR_UNSUPPORTED,
                             "cannot write %s: a %s file cannot hold the %s audio of %s", name,
                             to->oformat->name, avcodec_get_name(stream->codecpar->codec_id),
                             source);
        target = avformat_new_stream(to, NULL);
        if (!target || avcodec_parameters_copy(target->codecpar, stream->codecpar) < 0 ||
            av_dict_copy(&target->metadata, stream->metadata, 0) < 0)
            return error_out_of_memory(error);
        target->codecpar->codec_tag = 0; /* the target's container has its own */
        target->time_base = stream->time_base;
        target->disposition = stream->disposition;
        copy->tracks[i].target = target;
    }
    return VBP_OK;
}

int audio_copy_open(struct audio_copy **copy, const char *source, const struct audio_range *range,
                    AVFormatContext *to, const char *name, VbpError *error)
{
    struct audio_copy *made = memory_array(1, sizeof(*made));
    AVFormatContext *format;
    int result;

    *copy = NULL;
    if (!made)
        return error_out_of_memory(error);
    made->range = *range;
    result = demuxer_open(&made->demuxer, source, NULL, error);
    if (result != VBP_OK) {
        error_prefix(error, "cannot write %s: the audio of ", name);
        goto failed;
    }
    format = made->demuxer.format;
    made->tracks = memory_array(format->nb_streams, sizeof(*made->tracks));
    made->packet = av_packet_alloc();
    if (!made->tracks || !made->packet) {
        result = error_out_of_memory(error);
        goto failed;
    }
    made->track_count = format->nb_streams;
    for (unsigned i = 0; i < made->track_count; i++) {
        made->tracks[i].last_dts = AV_NOPTS_VALUE;
        format->streams[i]->discard =
            is_audio(format->streams[i]) ? AVDISCARD_DEFAULT : AVDISCARD_ALL;
        result = prepare_unwrapping(&made->tracks[i], format->streams[i], error);
        if (result != VBP_OK)
            goto failed;
    }
    made->ended = all_ended(made);
    /* Only to read less: what still comes before the start is skipped. */
    if (range->start > 0)
        av_seek_frame(format, -1, (int64_t)(range->start * AV_TIME_BASE), AVSEEK_FLAG_BACKWARD);
    result = advance(made, error);
    if (result == VBP_OK && !made->ended)
        result = add_streams(made, to, source, name, error);
    if (result != VBP_OK || made->ended)
        goto failed;
    *copy = made;
    return VBP_OK;
failed:
    audio_copy_close(&made);
    return result;
}

void audio_copy_close(struct audio_copy **copy)
{
    struct audio_copy *closed = *copy;

    if (!closed)
        return;
    for (unsigned i = 0; i < closed->track_count; i++)
        av_bsf_free(&closed->tracks[i].adts);
    demuxer_close(&closed->demuxer);
    free(closed->tracks);
    av_packet_free(&closed->packet);
    free(closed);
    *copy = NULL;
}

int audio_copy_take(struct audio_copy *copy, int64_t until, AVRational time_base, AVPacket *packet,
                    VbpError *error)
{
    const struct audio_range *range = &copy->range;
    const AVStream *target;
    AVRational from;
    int64_t shift;

    if (copy->ended)
        return AUDIO_LATER;
    target = copy->tracks[copy->packet->stream_index].target;
    from = copy->demuxer.format->streams[copy->packet->stream_index]->time_base;
    shift = av_rescale_q(range->origin, range->time_base, from);
    if (until != INT64_MAX && av_compare_ts(copy->packet->dts - shift, from, until, time_base) > 0)
        return AUDIO_LATER;
    av_packet_move_ref(packet, copy->packet);
    packet->pts -= shift;
    packet->dts -= shift;
    packet->pos = -1;
    packet->stream_index = target->index;
    av_packet_rescale_ts(packet, from, target->time_base);
    return advance(copy, error);
}
