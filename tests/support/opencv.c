#include "support/opencv.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

struct opencv_picture opencv_picture_make(int width, int height)
{
    struct opencv_picture picture = {width, height, NULL};

    picture.values = calloc((size_t)width * (size_t)height * 3, sizeof(double));
    assert_non_null(picture.values);
    return picture;
}

void opencv_picture_free(struct opencv_picture *picture)
{
    free(picture->values);
    *picture = (struct opencv_picture){0};
}

/* The weight that input cell `cell` of `from` has in output cell `output` of `to`. */
static double bilinear_weight(int cell, int from, int output, int to)
{
    double place = (output + 0.5) * from / to - 0.5;
    double left = floor(place), share = place - left;
    double weight = 0;

    /* Beyond an end lies the end itself. */
    if (fmin(fmax(left, 0), from - 1) == cell)
        weight += 1 - share;
    if (fmin(fmax(left + 1, 0), from - 1) == cell)
        weight += share;
    return weight;
}

/* How much of the output's stretch of the input the cell covers. */
static double area_weight(int cell, int from, int output, int to)
{
    double scale = (double)from / to;
    double begin = fmax(output * scale, cell), end = fmin((output + 1) * scale, cell + 1);

    return fmax(end - begin, 0) / scale;
}

/* Where either side grows, area is linear between cells that an output cell straddles. */
static double grown_weight(int cell, int from, int output, int to)
{
    int left = output * from / to; /* in whole numbers: a rounding would be a cell */
    double share = (output + 1) - (left + 1) * (double)to / from;
    double weight = 0;

    share = share <= 0 ? 0 : share - floor(share);
    if (fmin(left, from - 1) == cell)
        weight += 1 - share;
    if (fmin(left + 1, from - 1) == cell)
        weight += share;
    return weight;
}

static double nearest_weight(int cell, int from, int output, int to)
{
    return output * from / to == cell ? 1 : 0;
}

typedef double weigher(int cell, int from, int output, int to);

/* to x from weights of one axis. */
static double *weigh(weigher *weight, int from, int to)
{
    double *weights = calloc((size_t)to * (size_t)from, sizeof(double));

    assert_non_null(weights);
    for (int output = 0; output < to; output++) {
        for (int cell = 0; cell < from; cell++)
            weights[output * from + cell] = weight(cell, from, output, to);
    }
    return weights;
}

struct opencv_picture opencv_resize(const struct opencv_picture *picture, int x, int y, int width,
                                    int height, enum card_resize resize, int to_width,
                                    int to_height)
{
    bool shrinks = width >= to_width && height >= to_height;
    weigher *weight = resize == CARD_NEAREST    ? nearest_weight
                      : resize == CARD_BILINEAR ? bilinear_weight
                      : shrinks                 ? area_weight
                                                : grown_weight;
    double *across = weigh(weight, width, to_width), *down = weigh(weight, height, to_height);
    struct opencv_picture out = opencv_picture_make(to_width, to_height);

    assert_true(resize != CARD_BICUBIC);
    for (int row = 0; row < to_height; row++) {
        for (int r = 0; r < height; r++) {
            double row_weight = down[row * height + r];

            for (int column = 0; column < to_width && row_weight != 0; column++) {
                for (int c = 0; c < width; c++) {
                    double share = row_weight * across[column * width + c];

                    for (int i = 0; i < 3 && share != 0; i++)
                        out.values[(row * to_width + column) * 3 + i] +=
                            share * picture->values[((y + r) * picture->width + x + c) * 3 + i];
                }
            }
        }
    }
    free(across);
    free(down);
    return out;
}

int opencv_color(enum card_color color, double *pixel)
{
    double red = pixel[0], green = pixel[1], blue = pixel[2];
    double first = color == CARD_YUV_SWAPPED ? blue : red,
           last = color == CARD_YUV_SWAPPED ? red : blue;
    double luma = 0.299 * first + 0.587 * green + 0.114 * last;
    double most = fmax(red, fmax(green, blue)), least = fmin(red, fmin(green, blue));

    switch (color) {
    case CARD_RGB:
        return 3;
    case CARD_BGR:
        pixel[0] = blue;
        pixel[2] = red;
        return 3;
    case CARD_GRAY:
        pixel[0] = luma;
        return 1;
    case CARD_YUV:
    case CARD_YUV_SWAPPED:
        pixel[0] = luma;
        pixel[1] = fmin(fmax(0.492 * (last - luma) + 128, 0), 255);
        pixel[2] = fmin(fmax(0.877 * (first - luma) + 128, 0), 255);
        return 3;
    case CARD_SATURATION:
        pixel[0] = most > 0 ? 255 * (most - least) / most : 0;
        return 1;
    }
    return 0;
}
