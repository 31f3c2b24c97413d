/*
 * What everything is drawn on: video frames in YUV for export and the live picture, ARGB for the
 * panels of the window. All drawing comes down to one operation, a colour blended through an 8-bit
 * coverage, so that gauges, text and overlays are written once.
 */
#ifndef VBP_DRAW_SURFACE_H
#define VBP_DRAW_SURFACE_H

#include "vbp.h"

#include <stddef.h>
#include <stdint.h>

enum surface_format {
    SURFACE_GRAY,   /* plane 0 */
    SURFACE_YUV420, /* planes Y, U, V; chroma halved (rounding up) both ways */
    SURFACE_YUV422, /* chroma halved in width */
    SURFACE_YUV444,
    SURFACE_RGB24,
    SURFACE_BGR24,
    SURFACE_ARGB32 /* native-endian 0xAARRGGBB words, not premultiplied; drawing composes "over" */
};

struct surface {
    enum surface_format format;
    VbpColorMatrix matrix; /* YUV only */
    int full_range;        /* YUV only */
    int width, height;     /* pixels */
    uint8_t *plane[3];
    ptrdiff_t stride[3]; /* bytes */
};

/* Red, green, blue, alpha, 0..255 each, sRGB as displayed. */
struct color {
    uint8_t red, green, blue, alpha;
};

/*
 * Blends `color` into the width x height rectangle at (x, y), weighted by coverage (0..255, one
 * byte a pixel, rows `stride` bytes apart) times color.alpha. NULL coverage: the whole rectangle.
 * What lies outside the surface is clipped.
 */
void surface_blend(struct surface *surface, int x, int y, int width, int height,
                   const uint8_t *coverage, ptrdiff_t stride, struct color color);

/*
 * The bytes that stand for an opaque `color` on this surface: Y, U and V by its matrix and range,
 * the bytes of a pixel in the order they are stored, one byte for gray (BT.601, full range). For
 * ARGB32 red, green and blue.
 */
void surface_encode(const struct surface *surface, struct color color, uint8_t bytes[3]);

/* Fills with a colour, alpha included where there is one (no blending). */
void surface_clear(struct surface *surface, struct color color);

#endif
