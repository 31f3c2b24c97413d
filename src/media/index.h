/*
 * The presentation index: which frame of a video is shown when. It turns a frame's time stamp into
 * its number and a number or a time into the place to decode from.
 */
#ifndef VBP_MEDIA_INDEX_H
#define VBP_MEDIA_INDEX_H

#include "base/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A packet that decoding can begin at. */
struct index_key {
    int64_t pts;
    int64_t dts; /* INT64_MIN: not known */
};

/*
 * While it is filled, pts[] is in the order of the file; afterwards it rises strictly: frame n is
 * shown at pts[n]. Packets of one time stamp are moved apart by one tick, as video_read does with
 * their frames.
 */
struct frame_index {
    int64_t *pts;
    size_t count, capacity;
    struct index_key *keys; /* rising pts */
    size_t key_count, key_capacity;
    int64_t last_pts;      /* greatest so far, and */
    int64_t last_duration; /* how long it is shown; 0 not known */
    /*
     * False: the file has no usable time stamps; the index was made by decoding, and a frame is
     * only found by counting from the start.
     */
    bool by_time;
};

void index_free(struct frame_index *index);

int index_add(struct frame_index *index, int64_t pts, int64_t duration, VbpError *error);
int index_add_key(struct frame_index *index, int64_t pts, int64_t dts, VbpError *error);

/* Sorts what was added, without the frames before first_pts: those that no decoder shows. */
void index_finish(struct frame_index *index, int64_t first_pts);

/* The first frame at or after pts; count if there is none. */
size_t index_find(const struct frame_index *index, int64_t pts);

/* Ticks that frame n is shown; 0 not known. */
int64_t index_duration(const struct frame_index *index, size_t number);

/* Keys that are shown at or before pts: those below the result will do to decode from. */
size_t index_keys_before(const struct frame_index *index, int64_t pts);

#endif
