/*
 * The inner loops of the mask, row by row: what a map becomes on its way through a convolution, and
 * its scaling to 0..1. One version for each instruction set.
 *
 *     rows of the map that touch a row of output      map[j - 1] + map[j] + ...
 *       -> their sum between zeros                    0 0 s s s s s s s 0 0
 *       -> sums of its cells that touch each cell     one sum for each phase of the stride
 *       -> times what evens out, times the average    output
 */
#ifndef VBP_KERNELS_MAP_ROWS_H
#define VBP_KERNELS_MAP_ROWS_H

#include <stdbool.h>
#include <stddef.h>

#define MAP_MAX_WIDTH 16 /* floats of the widest vector */

/* The least and the greatest of some values. */
struct map_range {
    float least, most;
};

struct map_rows {
    /* sum[i] = rows[0][i] + ... + rows[count - 1][i] for i < width; count may be 0. Writes up to
     * MAP_MAX_WIDTH floats behind. */
    void (*sum)(const float *const *rows, size_t count, size_t width, float *sum);

    /*
     * to[x] = sum over k < kernel of from[(x + shift - k * dilation) / stride], where that division
     * leaves no rest, for x < width. from holds zeros (kernel - 1) * dilation cells in front of it
     * and behind as far as that reaches, with 3 * MAP_MAX_WIDTH floats that can be read; to has
     * room for 3 * MAP_MAX_WIDTH floats more.
     */
    void (*spread)(const float *from, int kernel, int dilation, int stride, int shift, size_t width,
                   float *to);

    /* to[i] = from[i] * row_factor * factors[i] * average[i], without those that are NULL
     * (row_factor belongs to factors). Widens the range to all of to; bad becomes NaN with one of
     * them. */
    void (*finish)(const float *from, float row_factor, const float *factors, const float *average,
                   size_t width, float *to, struct map_range *range, float *bad);

    /* output[i] = (map[i] - least) / range */
    void (*normalise)(const float *map, size_t cells, float least, float range, float *output);
};

extern const struct map_rows map_rows__c, map_rows__avx2, map_rows__avx512;

#endif
