/* Decodes the video stream of a file: frames in presentation order, and exact seeks. */
#ifndef VBP_MEDIA_VIDEO_H
#define VBP_MEDIA_VIDEO_H

#include "media/demuxer.h"
#include "media/index.h"

#include <libavcodec/avcodec.h>

struct video_damage {
    int64_t packets; /* that the demuxer flagged or the decoder refused */
    int64_t frames;  /* decoded with errors concealed */
};

/* A frame as the decoder made it. */
struct video_picture {
    AVFrame *frame; /* NULL: none */
    int64_t number;
    int64_t pts;      /* rises strictly from picture to picture */
    int64_t duration; /* ticks; 0 not known */
};

struct video {
    char *name;
    struct interrupt *interrupt;
    struct demuxer demuxer;
    AVStream *stream; /* of the demuxer */
    AVCodecContext *decoder;
    AVPacket *packet;
    bool packet_waiting; /* *packet was read, but not decoded yet */
    bool wait_for_key;   /* packets before the next key are of no use */
    int64_t start_pts;   /* of the first frame */
    int64_t last_pts;    /* of the frame decoded last; AV_NOPTS_VALUE: none since start or seek */
    int64_t last_duration;
    int64_t next_number;          /* the frame decoded next has at least this number */
    struct video_picture held[2]; /* decoded already, what video_read gives next */
    struct frame_index index;     /* usable if indexed */
    bool indexed;
    struct video_damage damage;
};

/* Opens the best video stream of `name` and decodes its first frame. Messages start with name. */
int video_open(struct video **video, const char *name, int threads, struct interrupt *interrupt,
               VbpError *error);
void video_close(struct video **video);

/* Makes the index if there is none yet. VBP_ERROR_UNSUPPORTED for streams that cannot be sought. */
int video_make_index(struct video *video, VbpError *error);

enum video_result { VIDEO_FRAME = 0, VIDEO_END = 1 }; /* or a negative VbpStatus */

/* The next picture; picture->frame is the caller's. */
int video_read(struct video *video, struct video_picture *picture, VbpError *error);

/*
 * Makes frame `number` (below index.count) the next one that video_read gives. Where that frame
 * cannot be decoded, the last one before it.
 */
int video_seek(struct video *video, int64_t number, VbpError *error);

#endif
