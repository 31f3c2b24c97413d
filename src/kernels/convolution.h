/* Two-dimensional convolution (cross-correlation, as networks mean it). */
#ifndef VBP_KERNELS_CONVOLUTION_H
#define VBP_KERNELS_CONVOLUTION_H

#include "kernels/window.h"

#include <stddef.h>

struct convolution {
    struct window_sizes sizes;
    struct window window;
    int groups;
};

/*
 * output[o][y][x] = bias[o] + sum over c, ky, kx of
 *     weights[o][c][ky][kx] * input[group(o) * C + c][y * stride - pad + ky * dilation][...]
 *
 * input:   input_channels x input_height x input_width
 * weights: output_channels x (input_channels / groups) x kernel height x kernel width
 * bias:    output_channels, or NULL for zeros
 * output:  output_channels x output_height x output_width, must not overlap the input
 * All row by row, without gaps. Cells outside the input count as 0.
 */

/* The plain form, every sum in double: what the others are tested against. */
void convolution_reference(const struct convolution *convolution, const float *input,
                           const float *weights, const float *bias, float *output);

/* Through im2col and OpenBLAS. scratch: convolution_scratch(convolution) floats, 64-byte aligned.
 */
void convolution_run(const struct convolution *convolution, const float *input,
                     const float *weights, const float *bias, float *output, float *scratch);
size_t convolution_scratch(const struct convolution *convolution);

#endif
