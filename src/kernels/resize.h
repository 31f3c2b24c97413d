/*
 * The two steps of resizing an image: weighted sums of whole rows, down its columns, where bytes
 * become what is resized, and then weighted sums along that one row. One version for each
 * instruction set; all of them round alike, so that their results are the same to the bit.
 *
 *     image rows        row    . . . . . . . .   x taps[0]
 *                       row+1  . . . . . . . .   x taps[1]
 *                       row+2  . . . . . . . .   x taps[2]
 *                              | | | | | | | |
 *     sums                     = = = = = = = =
 *                              \___/ \___/        taps_sum, or pixels_across for three at a time
 */
#ifndef VBP_KERNELS_RESIZE_H
#define VBP_KERNELS_RESIZE_H

#include "kernels/resample.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* An image from a column on, an even one where U and V are halved in width. */
struct resize_image {
    const uint8_t *plane[3];
    ptrdiff_t stride[3]; /* bytes */
    bool halved_width;   /* a sample of U and V belongs to two columns */
    bool halved_height;  /* and to two rows, counted from row 0 */
    uint8_t black, span; /* a byte b of plane 0 counts as b - black, cut to 0..span */
};

/*
 * What a row gives to the sums: its weight times what makes values 0..255 of bytes.
 *
 *     bytes   level * gain
 *     yuv     level * gain + (V - 128) * red_v                        and so on, cut to low..high
 *                            (U - 128) * green_u + (V - 128) * green_v
 *                            (U - 128) * blue_u
 *
 * low..high is 0..255 times the weight, the other way round where that is negative.
 */
struct resize_tap {
    float gain, red_v, green_u, green_v, blue_u;
    float low, high;
};

/* The rows row .. row + count - 1 with a tap each. */
struct resize_rows {
    int row, count;
    const struct resize_tap *taps;
};

struct resize {
    /* sums[i] for the bytes i < count of plane 0, whatever they mean. */
    void (*bytes_down)(const struct resize_image *image, const struct resize_rows *rows,
                       size_t count, float *sums);
    /* sums[4 * i ..] = red, green, blue and 0 of the pixels i < count of an image in Y, U and V.
     * Reads no sample that belongs to none of them. */
    void (*yuv_down)(const struct resize_image *image, const struct resize_rows *rows, size_t count,
                     float *sums);
    /*
     * planes[c * plane + i] = output i of the taps over the values c < 3 of cells that lie `step`
     * floats apart, 3 or 4. What lies behind the last cell, for TAPS_GROUP cells, is read and must
     * be finite.
     */
    void (*pixels_across)(const struct taps *taps, const float *cells, size_t step, float *planes,
                          size_t plane);
};

extern const struct resize resize__c, resize__avx2, resize__avx512;

#endif
