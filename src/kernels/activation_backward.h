/* Gradients through nonlinearities. */
#ifndef VBP_KERNELS_ACTIVATION_BACKWARD_H
#define VBP_KERNELS_ACTIVATION_BACKWARD_H

#include "kernels/activation.h"

#include <stdbool.h>

/*
 * input_gradient[i] = gradient[i] * function'(input[i]) for i < count, or is increased by it.
 * Where a function has a kink its derivative there is 0, and alpha for the leaky one.
 * input_gradient may be gradient.
 */
void activation_backward_run(enum activation function, float alpha, float beta, const float *input,
                             const float *gradient, bool add, float *input_gradient, size_t count);

/* gradient[i] = 0 where the rectifier's output[i] is not positive. */
void rectifier_backward_run(const float *output, float *restrict gradient, size_t count);

#endif
