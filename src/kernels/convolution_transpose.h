/* Transposed convolution: makes pictures larger, with weights of its own. */
#ifndef VBP_KERNELS_CONVOLUTION_TRANSPOSE_H
#define VBP_KERNELS_CONVOLUTION_TRANSPOSE_H

#include "kernels/convolution.h"

#include <stdbool.h>

/*
 * Every input cell adds its window, times its value, to the output:
 *
 *     output[o][y * stride - pad + ky * dilation][...] +=
 *         weights[c][o in its group][ky][kx] * input[c][y][x]
 *
 * on top of bias[o] (NULL: zeros). What falls outside is lost; cells that no window reaches are the
 * bias alone.
 *
 * input:   input_channels x input_height x input_width
 * weights: input_channels x (output_channels / groups) x kernel height x kernel width
 * output:  output_channels x output_height x output_width, must not overlap the input
 * All row by row, without gaps. pad_end says nothing that output_height and width do not.
 */
void convolution_transpose_run(const struct convolution *convolution, const float *input,
                               const float *weights, const float *bias, float *output);

/*
 * The way back of a one-channel map (DESIGN 6.1, rule 3 with the roles exchanged): a convolution
 * with all-ones weights and the same window,
 *
 *     output[y][x] = sum of the map's cells that the window of (y, x) reaches
 *
 * or with `mean` their mean. Where it reaches none it is 0. output must not overlap the map.
 */
void convolution_transpose_map(const struct window *window, const float *map, int map_height,
                               int map_width, bool mean, int height, int width, float *output);

#endif
