/*
 * Where pictures come from: a video file or URL that FFmpeg opens, a single image, a folder or
 * printf pattern of images, a recording (Udacity log, Donkey tub, roadsim folder), a .npy file.
 * A source belongs to one thread, but for source_interrupt.
 */
#ifndef VBP_MEDIA_SOURCE_H
#define VBP_MEDIA_SOURCE_H

#include "media/frame.h"

#include <libavutil/rational.h>
#include <stdbool.h>

struct source;

struct source_options {
    int threads; /* decoder threads; 0: as many as cores */
    /*
     * Frames will be sought: index the file when opening it, without decoding (but for the few
     * formats without time stamps). Otherwise the first seek does that. What cannot be sought (a
     * pipe, a live stream) is opened all the same.
     */
    bool random_access;
};

enum source_kind { SOURCE_VIDEO, SOURCE_IMAGE, SOURCE_READY_INPUT };

struct source_info {
    enum source_kind kind;
    int width, height;              /* of the pictures as read returns them, rotation applied */
    AVRational time_base;           /* of frame.pts */
    AVRational frame_rate;          /* average; 0/1 unknown */
    AVRational sample_aspect_ratio; /* 0/1 or 1/1: square */
    int64_t frame_count;            /* -1 unknown; exact with random_access, else the file's word */
    double duration;                /* seconds; -1 unknown */
    bool seekable;
    bool has_audio;
};

enum source_result { SOURCE_FRAME = 0, SOURCE_END = 1 }; /* or a negative VbpStatus */

/* Opens `name`. On failure *source is NULL. The message starts with the name. */
int source_open(struct source **source, const char *name, const struct source_options *options,
                VbpError *error);
void source_close(struct source **source);
const struct source_info *source_info(const struct source *source);

/*
 * The next frame in presentation order: SOURCE_FRAME (frame->picture is the caller's, to be
 * released), SOURCE_END, or a negative status. Damaged packets are skipped and counted, not errors.
 * frame->serial is left 0.
 */
int source_read(struct source *source, struct frame *frame, VbpError *error);

/*
 * Exact seeks. The next source_read gives the frame that is on screen at `time` (the last one whose
 * time is <= time; times before the first frame mean the first, times past the end the last), or
 * the frame of that number. source_seek_number beyond the last frame: VBP_ERROR_ARGUMENT and the
 * message names the number of frames. Where damage took the frame, the last one before it comes
 * instead. VBP_ERROR_UNSUPPORTED for what cannot be sought.
 */
int source_seek_time(struct source *source, double time, VbpError *error);
int source_seek_number(struct source *source, int64_t number, VbpError *error);

struct source_damage {
    int64_t packets; /* that the demuxer flagged or the decoder refused */
    int64_t frames;  /* decoded with errors concealed */
};
struct source_damage source_damage(const struct source *source);

/*
 * From any thread, for good: a read or seek that is under way, and every later one, returns
 * VBP_ERROR_CANCELLED. (An open cannot be interrupted; a stream that gives nothing for 20 seconds
 * ends it, as it ends reads, with VBP_ERROR_IO.)
 */
void source_interrupt(struct source *source);

/*
 * A float32 .npy (SOURCE_READY_INPUT) holds an input that skips preprocessing: `length` floats that
 * live as long as the source. source_read on it gives SOURCE_END.
 */
const float *source_ready_input(const struct source *source, size_t *length);

/*
 * The shape of that array as the file has it: *rank extents, slowest axis first, that live as long
 * as the source (*rank 0: a single number). NULL and 0 where there is no ready input.
 */
const size_t *source_ready_shape(const struct source *source, int *rank);

#endif
