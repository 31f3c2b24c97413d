/* Pictures of JPEG files in red, green and blue, as libjpeg makes them. */
#ifndef VBP_MEDIA_JPEG_H
#define VBP_MEDIA_JPEG_H

#include "base/error.h"

#include <libavutil/frame.h>

/*
 * Replaces a decoded picture of full-range Y, U and V, of which U and V may be halved in width, or
 * in both ways, by one in RGB24. Halved samples are interpolated, not repeated, as libjpeg does it:
 * so do OpenCV and Pillow, with which networks are trained. Any other picture stays as it is. On
 * failure *picture is freed and NULL.
 */
int jpeg_to_rgb(AVFrame **picture, VbpError *error);

#endif
