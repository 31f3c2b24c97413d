/* The arithmetic of one pixel that all versions of resize.h share: the plain version is made
 * of it, the others finish with it what their vectors leave over. */
#ifndef VBP_KERNELS_RESIZE_PIXEL_H
#define VBP_KERNELS_RESIZE_PIXEL_H

#include "kernels/resize.h"

#include <string.h>

/* Where a row of the image begins. */
struct resize_row {
    const uint8_t *y, *u, *v;
};

static inline struct resize_row resize_row(const struct resize_image *image, int row)
{
    int half = image->halved_height ? row >> 1 : row;

    return (struct resize_row){image->plane[0] + row * image->stride[0],
                               image->plane[1] + half * image->stride[1],
                               image->plane[2] + half * image->stride[2]};
}

/* Written so that compilers make a minimum and a maximum of it, and no branches. */
static inline float resize_cut(const struct resize_tap *tap, float value)
{
    value = tap->high < value ? tap->high : value;
    return tap->low > value ? tap->low : value;
}

static inline float resize_level(const struct resize_image *image, uint8_t byte)
{
    int level = byte - image->black;

    level = level < 0 ? 0 : level;
    return (float)(level > image->span ? image->span : level);
}

/* The sums of the bytes from `begin` on. */
static inline void resize_bytes(const struct resize_image *image, const struct resize_rows *rows,
                                size_t begin, size_t count, float *restrict sums)
{
    for (size_t i = begin; i < count; i++)
        sums[i] = 0;
    for (int n = 0; n < rows->count; n++) {
        const uint8_t *row = image->plane[0] + (rows->row + n) * image->stride[0];
        float gain = rows->taps[n].gain;

        for (size_t i = begin; i < count; i++)
            sums[i] += resize_level(image, row[i]) * gain;
    }
}

/* The sums of the pixels from `begin` on. */
static inline void resize_pixels(const struct resize_image *image, const struct resize_rows *rows,
                                 size_t begin, size_t count, float *restrict sums)
{
    for (size_t i = 4 * begin; i < 4 * count; i++)
        sums[i] = 0;
    for (int n = 0; n < rows->count; n++) {
        struct resize_row row = resize_row(image, rows->row + n);
        const struct resize_tap tap = rows->taps[n];

        for (size_t i = begin; i < count; i++) {
            size_t half = image->halved_width ? i / 2 : i;
            float luma = resize_level(image, row.y[i]) * tap.gain;
            float u = (float)(row.u[half] - 128), v = (float)(row.v[half] - 128);

            sums[4 * i] += resize_cut(&tap, luma + v * tap.red_v);
            sums[4 * i + 1] += resize_cut(&tap, luma + (u * tap.green_u + v * tap.green_v));
            sums[4 * i + 2] += resize_cut(&tap, luma + u * tap.blue_u);
        }
    }
}

typedef float resize_four __attribute__((vector_size(16)));

static inline resize_four resize_load_four(const float *from)
{
    resize_four four;

    memcpy(&four, from, sizeof(four));
    return four;
}

static inline void resize_store_three(float *to, size_t plane, resize_four pixel)
{
    to[0] = pixel[0];
    to[plane] = pixel[1];
    to[2 * plane] = pixel[2];
}

/* Every fourth tap has a sum of its own: so they come together in the vectors of the others. */
static inline void resize_across(const struct taps *taps, const float *cells, size_t step,
                                 float *restrict planes, size_t plane)
{
    for (int i = 0; i < taps->outputs; i++) {
        const float *cell = cells + (size_t)taps->start[i] * step;
        const float *weight = taps->weight + (ptrdiff_t)i * taps->pitch;
        resize_four sum[TAPS_GROUP] = {{0}};

        for (int tap = 0; tap < taps->count[i]; tap += TAPS_GROUP) {
            for (size_t k = 0; k < TAPS_GROUP; k++) {
                float w = weight[(size_t)tap + k];

                sum[k] += resize_load_four(cell) * (resize_four){w, w, w, w};
                cell += step;
            }
        }
        resize_store_three(planes + i, plane, (sum[0] + sum[2]) + (sum[1] + sum[3]));
    }
}

#endif
