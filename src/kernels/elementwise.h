/* Elementwise arithmetic, layout changes and per-channel kernels. */
#ifndef VBP_KERNELS_ELEMENTWISE_H
#define VBP_KERNELS_ELEMENTWISE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define STRIDES_MAX_RANK 6

enum binary {
    BINARY_ADD,
    BINARY_SUBTRACT,
    BINARY_MULTIPLY,
    BINARY_DIVIDE,
    BINARY_MAXIMUM,
    BINARY_MINIMUM,
    BINARY_PRELU /* a > 0 ? a : a * b: b is the slope below zero */
};

/*
 * output = a op b over an array of `rank` (0..STRIDES_MAX_RANK) extents. a_stride and b_stride are
 * in elements, 0 along axes that are broadcast. output is dense and may be a or b where their
 * strides are dense too.
 */
void binary_run(enum binary operation, int rank, const int64_t *extent, const float *a,
                const int64_t *a_stride, const float *b, const int64_t *b_stride, float *output);

/*
 * Zeros around an array, or parts of it cut off: output element i along an axis is input element
 * i - begin, or 0 where there is none. begin may be negative. Both are dense.
 */
void pad_run(int rank, const int64_t *input_extent, const int64_t *begin,
             const int64_t *output_extent, const float *input, float *output);

/* Dense output of the given extents from an input read with the given strides (in elements). */
void transpose_run(int rank, const int64_t *extent, const float *input, const int64_t *stride,
                   float *output);

/*
 * Batch normalisation at inference: output[c][i] = input[c][i] * factor[c] + offset[c] for `plane`
 * values of each channel. output may be the input.
 */
void channel_affine_run(const float *input, const float *factor, const float *offset,
                        size_t channels, size_t plane, float *output);

/*
 * factor = scale / sqrt(variance + epsilon), offset = shift - mean * factor, in double, for
 * channel_affine_run.
 */
void channel_affine_prepare(const float *scale, const float *shift, const float *mean,
                            const float *variance, double epsilon, size_t channels, float *factor,
                            float *offset);

/* False where one of the values is NaN or infinite. */
bool values_finite(const float *values, size_t count);

#endif
