/*
 * What OpenCV's resize and cvtColor are defined to do, written down from the definitions in double
 * precision and with nothing of what is tested: slow, and for tests only.
 */
#ifndef VBP_TESTS_SUPPORT_OPENCV_H
#define VBP_TESTS_SUPPORT_OPENCV_H

#include "graph/card.h"

/* Pixels of three numbers, 0..255, row by row. */
struct opencv_picture {
    int width, height;
    double *values; /* width * height * 3, owned */
};

struct opencv_picture opencv_picture_make(int width, int height);
void opencv_picture_free(struct opencv_picture *picture);

/* The part of the picture (x, y, width, height) resized: bilinear, area or nearest. */
struct opencv_picture opencv_resize(const struct opencv_picture *picture, int x, int y, int width,
                                    int height, enum card_resize resize, int to_width,
                                    int to_height);

/* Red, green, blue -> the colour's one or three numbers, in place; returns how many. */
int opencv_color(enum card_color color, double *pixel);

#endif
