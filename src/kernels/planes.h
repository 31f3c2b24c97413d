/*
 * What a forward pass does besides convolutions and dense layers, a vector at a time. One version
 * for each instruction set; activation.h, elementwise.h, pool.h and map_average are the references
 * and say more about what each does.
 *
 * Those that return bool do so to save a pass over the output: true where all of it (before it was
 * cut, if it is) is finite.
 */
#ifndef VBP_KERNELS_PLANES_H
#define VBP_KERNELS_PLANES_H

#include "kernels/activation.h"
#include "kernels/elementwise.h"
#include "kernels/window.h"
#include "vbp.h"

#include <stdbool.h>
#include <stddef.h>

/* An array [outer][channels][inner]; all extents >= 1. */
struct planes_shape {
    size_t outer, channels, inner;
};

struct planes {
    /* output[i] = function(input[i]) for i < count; output may be the input. NaN stays NaN. */
    bool (*activate)(enum activation function, float alpha, float beta, const float *input,
                     float *output, size_t count);

    /*
     * output = input * factor[channel] + offset[channel], then cut to least..most (infinities: as
     * it is). NaN stays NaN. output may be the input.
     */
    bool (*affine)(struct planes_shape shape, const float *factor, const float *offset, float least,
                   float most, const float *input, float *output);

    /* output[i] = a[i] op b[i] for i < count; output may be a or b. */
    bool (*binary)(enum binary operation, const float *a, const float *b, size_t count,
                   float *output);

    /*
     * output = a op b[channel]; or, reversed, b[channel] op a (not BINARY_PRELU). output may be a.
     */
    bool (*binary_channels)(enum binary operation, bool reversed, struct planes_shape shape,
                            const float *a, const float *b, float *output);

    bool (*finite)(const float *values, size_t count);

    /* The largest magnitude of the values; NaN where one is NaN or infinite. */
    float (*largest)(const float *values, size_t count);

    /* As max_pool_run and average_pool_run. output must not overlap the input. */
    void (*max_pool)(const struct window_sizes *sizes, const struct window *window,
                     const float *input, float *output);
    void (*average_pool)(const struct window_sizes *sizes, const struct window *window,
                         bool include_padding, const float *input, float *output);

    /* output[c] = mean of `plane` values of channel c, with errors kept as they arise: as good as
     * summed in double, but for a few units in the last place of the mean magnitude. */
    void (*global_average)(const float *input, size_t channels, size_t plane, float *output);

    /* As instance_normalise_run, with sums as good as in double. output may be the input. */
    bool (*normalise)(struct planes_shape shape, double epsilon, const float *scale,
                      const float *shift, const float *input, float *output);

    /* output[column][row] = input[row][column]; both dense, and apart from each other. */
    void (*transpose)(const float *input, size_t rows, size_t columns, float *output);

    /* As map_average. */
    void (*average)(const float *data, size_t channels, size_t cells, size_t channel_stride,
                    size_t cell_stride, VbpAverage kind, float *average);
};

extern const struct planes planes__c, planes__avx2, planes__avx512;

#endif
