/* PNG and JPEG pictures, through FFmpeg's encoder. */
#ifndef VBP_MEDIA_IMAGE_WRITER_H
#define VBP_MEDIA_IMAGE_WRITER_H

#include "vbp.h"

#include <libavutil/frame.h>

/*
 * Writes the picture (any format swscale reads; YUV is converted by its own matrix and range) as an
 * 8-bit RGB or gray PNG to `path`, all or nothing.
 */
int image_write_picture(const char *path, const AVFrame *picture, VbpError *error);

/* Writes packed pixels: gray (channels 1), RGB (3) or RGBA (4), stride in bytes. */
int image_write_pixels(const char *path, const uint8_t *pixels, int width, int height, int channels,
                       ptrdiff_t stride, VbpError *error);

/*
 * Writes packed RGB pixels as a JPEG with halved chroma, all or nothing. quantiser: 2 (best) to 31.
 */
int image_write_jpeg(const char *path, const uint8_t *rgb, int width, int height, int quantiser,
                     VbpError *error);

#endif
