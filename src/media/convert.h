/* Brings decoded pictures into the form the stages work on: 8-bit layouts, upright, of one size. */
#ifndef VBP_MEDIA_CONVERT_H
#define VBP_MEDIA_CONVERT_H

#include "media/frame.h"

#include <libavutil/pixfmt.h>
#include <stdbool.h>

/* How a coded picture is shown: first transposed (rows become columns), then mirrored. */
struct orientation {
    bool transpose;
    bool mirror_x; /* left and right change places */
    bool mirror_y;
};

/* From a display matrix of FFmpeg's (nine 16.16 numbers; NULL: upright), to the nearest quarter. */
struct orientation orientation_of_matrix(const int32_t *matrix);

/*
 * The layout for pictures of `format`: itself if it is one of VbpPixelFormat's (or a "yuvj" one,
 * which is the same in full range), else the nearest. AV_PIX_FMT_NONE: no way to convert it.
 */
enum AVPixelFormat convert_target(enum AVPixelFormat format);

/* What the pictures come out as is fixed by the first one, so that one size goes all the way. */
struct converter;

/* A converter for pictures like `first`. `full_range_gray`: gray that does not say is 0..255. */
int converter_create(struct converter **converter, const AVFrame *first,
                     struct orientation orientation, bool full_range_gray, VbpError *error);
void converter_free(struct converter **converter);

/* Size of the pictures that come out. */
void converter_size(const struct converter *converter, int *width, int *height);

/*
 * Replaces *picture (the caller's) by its converted form; the same picture where nothing needs to
 * be done. On failure *picture is freed and NULL.
 */
int converter_run(struct converter *converter, AVFrame **picture, VbpError *error);

#endif
