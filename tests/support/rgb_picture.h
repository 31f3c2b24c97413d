/* Looking at RGB24 pictures that were drawn. */
#ifndef VBP_TESTS_SUPPORT_RGB_PICTURE_H
#define VBP_TESTS_SUPPORT_RGB_PICTURE_H

#include "draw/surface.h"

struct rgb_picture {
    uint8_t *pixels;
    int width, height;
};

/* Reads every byte, for the tools that watch for what was never written. */
void rgb_picture_check(const struct rgb_picture *picture);

const uint8_t *rgb_picture_at(const struct rgb_picture *picture, int x, int y);

/* The rectangle around all pixels of exactly this colour, and how many there are. */
VbpRectangle rgb_picture_find(const struct rgb_picture *picture, struct color color, int *count);

#endif
