/*
 * Weighted sums down the columns of an image, the first of the two steps of resizing: bytes in,
 * one row of floats out, every pixel turned into what is resized on the way. One version for each
 * instruction set; all of them round alike, so their sums are the same to the bit.
 *
 *     image rows        row    . . . . . . . .   x weight[0]
 *                       row+1  . . . . . . . .   x weight[1]
 *                       row+2  . . . . . . . .   x weight[2]
 *                              | | | | | | | |
 *     sums                     = = = = = = = =
 */
#ifndef VBP_KERNELS_COLUMN_SUMS_H
#define VBP_KERNELS_COLUMN_SUMS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* An image from a column on, an even one where U and V are halved in width. */
struct column_image {
    const uint8_t *plane[3];
    ptrdiff_t stride[3]; /* bytes */
    bool halved_width;   /* a sample of U and V belongs to two columns */
    bool halved_height;  /* and to two rows, counted from row 0 */

    /* What a byte of plane 0 stands for: (byte - black) * gain, cut to 0..255. */
    float black, gain;
    /* What U - 128 and V - 128 add to it for red, green and blue, which are cut to 0..255 too. */
    float red_v, green_u, green_v, blue_u;
};

struct column_taps {
    int row, count;
    const float *weight; /* of the rows row .. row + count - 1 */
};

struct column_sums {
    const char *name;
    /* sums[i] for the bytes i < count of plane 0, whatever they mean. */
    void (*bytes)(const struct column_image *image, const struct column_taps *taps, size_t count,
                  float *sums);
    /* sums[4 * i ..] = red, green, blue and 0 of the pixels i < count of an image in Y, U and V.
     * Reads no sample that belongs to none of them. */
    void (*yuv)(const struct column_image *image, const struct column_taps *taps, size_t count,
                float *sums);
};

/* All versions that this machine can run, the fastest first; NULL behind the last one. */
const struct column_sums *column_sums_list(size_t index);

extern const struct column_sums column_sums__c, column_sums__avx2, column_sums__avx512;

#endif
