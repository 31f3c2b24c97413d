/* Kernels of the mask: one-channel maps of height x width floats, row by row. */
#ifndef VBP_KERNELS_MAP_H
#define VBP_KERNELS_MAP_H

#include "kernels/map_rows.h"
#include "kernels/window.h"
#include "vbp.h"

#include <stddef.h>

/*
 * average[i] = mean over channels of data[c * channel_stride + i * cell_stride], taken as `kind`
 * says. channel_stride == cells, cell_stride == 1 is NCHW; channel_stride == 1, cell_stride ==
 * channels NHWC.
 */
void map_average(const float *data, size_t channels, size_t cells, size_t channel_stride,
                 size_t cell_stride, VbpAverage kind, float *average);

/* The least and the greatest value of a map. */
struct map_range {
    float least, most;
};

/*
 * The transposed convolution with all-ones weights and the geometry of `window`, cut to the exact
 * size of the input that the window slid over (DESIGN 6.1, rule 3; section III-B of the paper):
 *
 *     output[y][x] = sum over map cells (j, i) whose window touches (y, x) of map[j][i]
 *
 * Cells that no window touches are 0. Where a kernel is smaller than its stride, the stride is
 * taken for the kernel, or a strided 1x1 would leave holes. All-ones weights separate: each row of
 * the output is a sum of rows, summed up along itself then.
 *
 * even_rows (output_height) and even_columns (output_width) from map_scale_up_counts divide each
 * cell by its number of windows; NULL: not. average (as large as output; NULL: none) multiplies it
 * in the end.
 */
struct map_scale_up {
    struct window window;
    int map_height, map_width;       /* what the window slides to */
    int output_height, output_width; /* what it slides over */
    const float *even_rows, *even_columns;
    const float *average;
};

/*
 * scratch: map_scale_up_scratch floats, 64-byte aligned. output must not overlap map. Returns the
 * range of output, both ends NaN if an average makes one of its values NaN or infinite.
 */
struct map_range map_scale_up_run(const struct map_rows *kernels,
                                  const struct map_scale_up *scale_up, const float *map,
                                  float *output, float *scratch);
size_t map_scale_up_scratch(const struct map_scale_up *scale_up);

/*
 * The same twice: the map of `second` is what `first` makes, of which only a few rows are kept.
 * scratch: map_scale_up_twice_scratch floats, 64-byte aligned. Fills in the ranges of both.
 */
void map_scale_up_twice(const struct map_rows *kernels, const struct map_scale_up *first,
                        const struct map_scale_up *second, const float *map, float *output,
                        float *scratch, struct map_range range[2]);
size_t map_scale_up_twice_scratch(const struct map_scale_up *first,
                                  const struct map_scale_up *second);

/*
 * The reciprocal number of windows that touch each of output_size cells along one axis (0: height,
 * 1: width), 0 where there is none.
 */
void map_scale_up_counts(const struct map_scale_up *scale_up, int axis, float *reciprocal);

/* a[i] *= b[i]; returns the largest magnitude of the products, NaN if one of them is. */
float map_multiply(float *a, const float *b, size_t cells);

/*
 * a[i] *= b[i] / 2^n, with the n, which is returned, that brings the largest product to 1..2: exact
 * where the product itself would overflow or vanish. n is 0 where all products are 0, or not all
 * are finite.
 */
int map_multiply_scaled(float *a, const float *b, size_t cells);

/* Smallest and largest value of cells >= 1 values; both NaN if one of them is. */
void map_range(const float *map, size_t cells, float *minimum, float *maximum);

/* output = (map - minimum) / (maximum - minimum); all zeros where the map is constant. May be in
 * place. */
void map_normalise(const struct map_rows *kernels, const float *map, size_t cells, float minimum,
                   float maximum, float *output);

#endif
