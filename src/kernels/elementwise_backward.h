/* Gradients through elementwise arithmetic. */
#ifndef VBP_KERNELS_ELEMENTWISE_BACKWARD_H
#define VBP_KERNELS_ELEMENTWISE_BACKWARD_H

#include "kernels/elementwise.h"

/*
 * Adds to `target` the gradient of operand a (second: b) of binary_run, which has the same other
 * arguments: the sum over all outputs that an element went into.
 */
void binary_backward_run(enum binary operation, bool second, int rank, const int64_t *extent,
                         const float *a, const int64_t *a_stride, const float *b,
                         const int64_t *b_stride, const float *gradient, float *target);

/* output[i] += input[i] */
void values_add(const float *input, size_t count, float *output);

#endif
