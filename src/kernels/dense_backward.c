#include "kernels/dense_backward.h"

#include <cblas.h>
#include <stddef.h>

void dense_weight_gradient_run(int rows, int inputs, int outputs, const float *input,
                               const float *gradient, float *weight_gradient)
{
    cblas_sgemm(CblasRowMajor, CblasTrans, CblasNoTrans, outputs, inputs, rows, 1, gradient,
                outputs, input, inputs, 1, weight_gradient, inputs);
}

void dense_bias_gradient_run(int rows, int outputs, const float *gradient, float *bias_gradient)
{
    for (int o = 0; o < outputs; o++) {
        double sum = 0;

        for (int r = 0; r < rows; r++)
            sum += (double)gradient[(size_t)r * (size_t)outputs + (size_t)o];
        bias_gradient[o] += (float)sum;
    }
}

void dense_input_gradient_run(int rows, int inputs, int outputs, const float *gradient,
                              const float *weights, bool add, float *input_gradient)
{
    cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasNoTrans, rows, inputs, outputs, 1, gradient,
                outputs, weights, inputs, add ? 1 : 0, input_gradient, inputs);
}
