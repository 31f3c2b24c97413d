/* Gradients through pooling, ADDED to input_gradient; one sample, NCHW. */
#ifndef VBP_KERNELS_POOL_BACKWARD_H
#define VBP_KERNELS_POOL_BACKWARD_H

#include "kernels/window.h"

#include <stdbool.h>
#include <stddef.h>

/* To the cell that gave the output's value; among equals to the first one, row by row. */
void max_pool_backward_run(const struct window_sizes *sizes, const struct window *window,
                           const float *input, const float *output, const float *gradient,
                           float *input_gradient);

/* Even shares of the cells that average_pool_run divides by. */
void average_pool_backward_run(const struct window_sizes *sizes, const struct window *window,
                               bool include_padding, const float *gradient, float *input_gradient);

void global_average_pool_backward_run(const float *gradient, size_t channels, size_t plane,
                                      float *input_gradient);

#endif
