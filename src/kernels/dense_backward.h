/* Gradients of dense layers; shapes as in kernels/dense.h. */
#ifndef VBP_KERNELS_DENSE_BACKWARD_H
#define VBP_KERNELS_DENSE_BACKWARD_H

#include <stdbool.h>

/* weight_gradient[o][i] += sum over rows r of gradient[r][o] * input[r][i] */
void dense_weight_gradient_run(int rows, int inputs, int outputs, const float *input,
                               const float *gradient, float *weight_gradient);

/* bias_gradient[o] += sum over rows r of gradient[r][o], in double */
void dense_bias_gradient_run(int rows, int outputs, const float *gradient, float *bias_gradient);

/* input_gradient[r][i] = sum over o of gradient[r][o] * weights[o][i], or is increased by it */
void dense_input_gradient_run(int rows, int inputs, int outputs, const float *gradient,
                              const float *weights, bool add, float *input_gradient);

#endif
