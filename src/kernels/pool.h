/* Pooling. Every window must hold at least one cell of the input (shape inference sees to it). */
#ifndef VBP_KERNELS_POOL_H
#define VBP_KERNELS_POOL_H

#include "kernels/window.h"

#include <stdbool.h>
#include <stddef.h>

/* output_channels == input_channels; padding never wins. NaN in a window gives NaN. */
void max_pool_run(const struct window_sizes *sizes, const struct window *window, const float *input,
                  float *output);

/*
 * Sums divided by the number of cells in the window: those of the input, or, with include_padding,
 * those of the padded input too (cells beyond the end padding, which rounding up makes, never
 * count).
 */
void average_pool_run(const struct window_sizes *sizes, const struct window *window,
                      bool include_padding, const float *input, float *output);

/* output[c] = mean of `plane` values of channel c, summed in double. */
void global_average_pool_run(const float *input, size_t channels, size_t plane, float *output);

#endif
