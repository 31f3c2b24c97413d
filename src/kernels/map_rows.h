/*
 * The inner loops of the mask, row by row: what a map becomes on its way through a convolution, and
 * its scaling to 0..1. One version for each instruction set.
 *
 *     rows of the map that touch a row of output      map[j - 1] + map[j] + ...
 *       -> sums of its cells that touch each cell     one for each phase of the stride
 *       -> times what evens out, times the average    output
 */
#ifndef VBP_KERNELS_MAP_ROWS_H
#define VBP_KERNELS_MAP_ROWS_H

#include <stdbool.h>
#include <stddef.h>

#define MAP_MAX_WIDTH 16 /* floats of the widest vector */

/* The least and the greatest of some values, lane by lane; a kernel uses as many lanes as its
 * vectors have. */
struct map_lanes {
    float least[MAP_MAX_WIDTH], most[MAP_MAX_WIDTH];
    float bad[MAP_MAX_WIDTH]; /* 0, NaN from the first product on that is NaN or infinite */
};

/*
 * The rows of a map that touch a row of the output, and how its columns do: cell i those at
 * i * stride - shift + k * dilation, for k < kernel.
 */
#define MAP_MAX_ROWS 5
struct map_source {
    const float *rows[MAP_MAX_ROWS]; /* all can be read; those from `count` on are zeros */
    int count;                       /* at most kernel / stride, rounded up */
    size_t width;
    int kernel, dilation, stride, shift; /* kernel >= stride, shift >= 0 */
};

/* What cells are multiplied by: row_factor * factors[x] * average[x], without those that are NULL
 * (row_factor belongs to factors). */
struct map_finish {
    float row_factor;
    const float *factors, *average;
};

/* to[x] = (the sum of all cells that touch x) * what `finish` says, for x < width; widens the range
 * to all of them. */
typedef void map_scale_row(const struct map_source *source, const struct map_finish *finish,
                           size_t width, float *to, struct map_lanes *range);

struct map_rows {
    /* The fastest one for sources of this kernel, dilation, stride and shift. */
    map_scale_row *(*find)(int kernel, int dilation, int stride, int shift);

    /* output[i] = (map[i] - least) / range */
    void (*normalise)(const float *map, size_t cells, float least, float range, float *output);
};

extern const struct map_rows map_rows__c, map_rows__avx2, map_rows__avx512;

#endif
