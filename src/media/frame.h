/* One picture of a drive on its way through the stages. */
#ifndef VBP_MEDIA_FRAME_H
#define VBP_MEDIA_FRAME_H

#include "vbp.h"

#include <libavutil/frame.h>
#include <stdbool.h>
#include <stdint.h>

struct frame {
    AVFrame *picture; /* 8-bit, one of VbpPixelFormat's layouts; reference counted, read-only */
    int64_t number;   /* position in presentation order, from 0 */
    int64_t pts;      /* presentation time in the source's time_base */
    double time;      /* presentation time, seconds from the first frame */
    double duration;  /* seconds this frame is meant to be shown; 0 unknown */
    int64_t serial;   /* seek that this frame belongs to */
    bool has_recorded;
    double recorded; /* what the recording says was steered, in its own unit */
};

/* A view of the frame's pixels for preprocessing; valid as long as the frame. */
VbpImage frame_image(const struct frame *frame);

/* Drops the picture and zeroes the frame. Accepts a zeroed frame. */
void frame_release(struct frame *frame);

/* queue_flush's and queue_destroy's release function for queues of struct frame. */
void frame_release_item(void *frame);

/* *copy = *frame, sharing the picture by reference. */
int frame_reference(struct frame *copy, const struct frame *frame, VbpError *error);

/*
 * A picture with the same pixels, size, format and properties, that the caller may draw on.
 * Buffers come from *pool, which is made at first use and remade when the size changes; free it
 * with frame_pool_free. NULL with *error set on failure.
 */
struct frame_pool;
AVFrame *frame_pool_copy(struct frame_pool **pool, const AVFrame *picture, VbpError *error);

/* The same without the pixels (what they hold is left over) and without properties. */
AVFrame *frame_pool_take(struct frame_pool **pool, enum AVPixelFormat format, int width, int height,
                         VbpError *error);

/* Pictures that are still in use stay valid. Accepts *pool == NULL. */
void frame_pool_free(struct frame_pool **pool);

#endif
