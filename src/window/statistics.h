/* What the window measured, for `vbp watch --stats`. */
#ifndef VBP_WINDOW_STATISTICS_H
#define VBP_WINDOW_STATISTICS_H

#include "base/error.h"

#include <stdint.h>

/* Durations of one kind of work. Memory stays flat: the newest SERIES_SAMPLES are kept. */
#define SERIES_SAMPLES 16384
struct series {
    double *samples; /* milliseconds, a ring; NULL before the first */
    int64_t count;   /* of all that were added */
};

enum statistics_stage {
    STAGE_DECODE,     /* the source, for one frame */
    STAGE_PREPROCESS, /* crop, resize, convert */
    STAGE_FORWARD,    /* the network */
    STAGE_MASK,
    STAGE_DRAW,    /* mask and display into the picture, up to the moment it is presented */
    STAGE_PRESENT, /* handing it to the display; may wait for its next refresh */
    STAGE_LATENCY, /* from the end of decoding until the frame was presented */
    STAGE_COUNT
};

struct statistics {
    struct series series[STAGE_COUNT];
    int64_t frames_received; /* that the pipeline gave out, whatever became of them */
    int64_t frames_shown;
    int64_t frames_dropped;
    int64_t seeks;
    int64_t damaged_packets;
    double duration_s; /* of the watching, on the wall clock */
};

/* Without memory the sample is left out. */
void statistics_add(struct statistics *statistics, enum statistics_stage stage,
                    double milliseconds);

/* Frees what the statistics hold. Accepts zeroed statistics. */
void statistics_free(struct statistics *statistics);

/*
 * Writes them as JSON, all or nothing. Every stage is {"min", "median", "p99"} in milliseconds over
 * the newest SERIES_SAMPLES samples, or null without any.
 */
int statistics_write(const struct statistics *statistics, const char *path, VbpError *error);

#endif
