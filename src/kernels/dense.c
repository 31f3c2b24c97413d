#include "kernels/dense.h"

#include <cblas.h>
#include <stddef.h>

void dense_run(int rows, int inputs, int outputs, const float *input, const float *weights,
               const float *bias, float *output)
{
    for (int r = 0; r < rows; r++) {
        for (int o = 0; o < outputs; o++)
            output[(size_t)r * (size_t)outputs + (size_t)o] = bias ? bias[o] : 0;
    }
    if (rows == 1)
        cblas_sgemv(CblasRowMajor, CblasNoTrans, outputs, inputs, 1, weights, inputs, input, 1, 1,
                    output, 1);
    else
        cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasTrans, rows, outputs, inputs, 1, input,
                    inputs, weights, inputs, 1, output, outputs);
}

void dense_reference(int rows, int inputs, int outputs, const float *input, const float *weights,
                     const float *bias, float *output)
{
    for (int r = 0; r < rows; r++) {
        for (int o = 0; o < outputs; o++) {
            double sum = bias ? (double)bias[o] : 0;

            for (int i = 0; i < inputs; i++)
                sum += (double)weights[(size_t)o * (size_t)inputs + (size_t)i] *
                       (double)input[(size_t)r * (size_t)inputs + (size_t)i];
            output[(size_t)r * (size_t)outputs + (size_t)o] = (float)sum;
        }
    }
}
