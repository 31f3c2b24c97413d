/* levels.png: the contact sheet of one frame, averaged maps left, products right. */
#ifndef VBP_DRAW_SHEET_H
#define VBP_DRAW_SHEET_H

#include "draw/surface.h"

struct sheet_map {
    const char *name;
    int height, width;
    const float *values; /* height x width, any range; each map is stretched to its own */
};

/*
 * Draws `count` rows, level nearest the input first; row i shows averages[i] and products[i], each
 * scaled to the same width with its name, size and value range under it, on a dark ground.
 * *pixels (RGB24, *width x *height, rows of *width * 3 bytes) is the caller's, to be freed.
 */
int sheet_draw(const struct sheet_map *averages, const struct sheet_map *products, int count,
               uint8_t **pixels, int *width, int *height, VbpError *error);

#endif
