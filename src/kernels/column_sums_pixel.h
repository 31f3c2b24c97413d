/* The arithmetic of one pixel that all versions of column_sums.h share: the plain version is made
 * of it, the others finish with it what their vectors leave over. */
#ifndef VBP_KERNELS_COLUMN_SUMS_PIXEL_H
#define VBP_KERNELS_COLUMN_SUMS_PIXEL_H

#include "kernels/column_sums.h"

/* Where a row of the image begins. */
struct column_row {
    const uint8_t *y, *u, *v;
};

static inline struct column_row column_row(const struct column_image *image, int row)
{
    int half = image->halved_height ? row >> 1 : row;

    return (struct column_row){image->plane[0] + row * image->stride[0],
                               image->plane[1] + half * image->stride[1],
                               image->plane[2] + half * image->stride[2]};
}

static inline float column_cut(float value)
{
    return value < 0 ? 0 : value > 255 ? 255 : value;
}

static inline float column_value(const struct column_image *image, uint8_t byte)
{
    return column_cut(((float)byte - image->black) * image->gain);
}

/* The sums of the bytes from `begin` on. */
static inline void column_bytes(const struct column_image *image, const struct column_taps *taps,
                                size_t begin, size_t count, float *restrict sums)
{
    for (size_t i = begin; i < count; i++)
        sums[i] = 0;
    for (int tap = 0; tap < taps->count; tap++) {
        const uint8_t *row = image->plane[0] + (taps->row + tap) * image->stride[0];
        float weight = taps->weight[tap];

        for (size_t i = begin; i < count; i++)
            sums[i] += weight * column_value(image, row[i]);
    }
}

/* The sums of the pixels from `begin` on. */
static inline void column_pixels(const struct column_image *image, const struct column_taps *taps,
                                 size_t begin, size_t count, float *restrict sums)
{
    for (size_t i = 4 * begin; i < 4 * count; i++)
        sums[i] = 0;
    for (int tap = 0; tap < taps->count; tap++) {
        struct column_row row = column_row(image, taps->row + tap);
        float weight = taps->weight[tap];

        for (size_t i = begin; i < count; i++) {
            size_t half = image->halved_width ? i / 2 : i;
            float luma = column_value(image, row.y[i]);
            float u = (float)row.u[half] - 128, v = (float)row.v[half] - 128;
            float green = image->green_u * u + image->green_v * v;

            sums[4 * i] += weight * column_cut(luma + image->red_v * v);
            sums[4 * i + 1] += weight * column_cut(luma + green);
            sums[4 * i + 2] += weight * column_cut(luma + image->blue_u * u);
        }
    }
}

#endif
