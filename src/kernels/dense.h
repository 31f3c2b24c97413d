/* Dense layers. */
#ifndef VBP_KERNELS_DENSE_H
#define VBP_KERNELS_DENSE_H

/*
 * output[r][o] = bias[o] + sum over i of weights[o][i] * input[r][i] for `rows` rows.
 * bias may be NULL. output must not overlap the input.
 */
void dense_run(int rows, int inputs, int outputs, const float *input, const float *weights,
               const float *bias, float *output);

/* The same with every sum in double. */
void dense_reference(int rows, int inputs, int outputs, const float *input, const float *weights,
                     const float *bias, float *output);

#endif
