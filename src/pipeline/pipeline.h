/*
 * The way of a frame:
 *
 *     source -> decode thread -> queue -> analysis thread -> queue -> pipeline_next
 *
 * Queues are bounded, so a consumer that pauses stops the stages behind it. Every seek raises a
 * serial number; frames carry the serial they were read under, and every stage drops what a newer
 * serial made stale, so a seek waits for nobody.
 */
#ifndef VBP_PIPELINE_PIPELINE_H
#define VBP_PIPELINE_PIPELINE_H

#include "media/source.h"
#include "pipeline/analysis.h"

struct pipeline;

struct pipeline_options {
    VbpRunner *runner; /* used by the analysis thread only until pipeline_stop; NULL: no network */
    double end;        /* seconds: frames at or after this time end the drive; <= 0: no limit */
    /* Called from other threads whenever pipeline_try_next may have something new. May do nothing
     * but wake the consumer. NULL: nobody to wake. */
    void (*wake)(void *context);
    void *wake_context;
};

/* A frame and what the network said about it; to be given to pipeline_release. */
struct analysed_frame {
    struct frame frame;
    struct analysis *analysis; /* NULL without a network */
    double decode_ms;          /* that the source took for it */
    double decoded_ms;         /* when the source gave it, on CLOCK_MONOTONIC */
};

enum pipeline_result {
    PIPELINE_FRAME,
    PIPELINE_NOTHING, /* try_next: not yet */
    PIPELINE_END,     /* all frames were given out; a seek goes on */
    PIPELINE_FAILED   /* *error says why; a seek may go on */
};

/*
 * Starts the threads. The source is used by the pipeline only, until pipeline_stop; it stays the
 * caller's. On failure *pipeline is NULL.
 */
int pipeline_start(struct pipeline **pipeline, struct source *source,
                   const struct pipeline_options *options, VbpError *error);

/* Ends the threads and frees everything but source and runner. Accepts *pipeline == NULL. */
void pipeline_stop(struct pipeline **pipeline);

/* The next frame of the current serial. For one consumer thread, which also seeks. */
enum pipeline_result pipeline_next(struct pipeline *pipeline, struct analysed_frame *frame,
                                   VbpError *error);
enum pipeline_result pipeline_try_next(struct pipeline *pipeline, struct analysed_frame *frame,
                                       VbpError *error);

void pipeline_release(struct pipeline *pipeline, struct analysed_frame *frame);

/*
 * What comes next: the frame on screen at `time` (seconds), or the frame of that number. Returns at
 * once; of several requests in a row only the last is carried out. Frames read before are dropped.
 */
void pipeline_seek_time(struct pipeline *pipeline, double time);
void pipeline_seek_number(struct pipeline *pipeline, int64_t number);

/* The damage that the source counted so far. */
struct source_damage pipeline_damage(struct pipeline *pipeline);

#endif
