/* One conversion by libswscale, with matrix and range of both sides spelled out. */
#ifndef VBP_MEDIA_SCALE_H
#define VBP_MEDIA_SCALE_H

#include "base/error.h"

#include <libavutil/frame.h>
#include <stdbool.h>

struct scaler; /* remembers the last conversion's tables */

/*
 * Converts the pixels of `from` to the size, format, colorspace and color_range that `to` has;
 * its buffers exist already. "yuvj" formats mean full range; a range that is not said is limited
 * for YUV and full for gray and RGB; a matrix that is not said is BT.601. Reducing to 8 bits
 * rounds, without dither, so that equal pixels stay equal.
 */
int scaler_run(struct scaler **scaler, AVFrame *to, const AVFrame *from, VbpError *error);
void scaler_free(struct scaler **scaler);

bool scale_is_gray(enum AVPixelFormat format);

/* The same layout without the "j", which only says full range. */
enum AVPixelFormat scale_plain_format(enum AVPixelFormat format);

#endif
