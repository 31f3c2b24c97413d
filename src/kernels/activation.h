/* Nonlinearities. */
#ifndef VBP_KERNELS_ACTIVATION_H
#define VBP_KERNELS_ACTIVATION_H

#include <stddef.h>

enum activation {
    ACTIVATION_RELU,
    ACTIVATION_CLIP,       /* min(max(x, alpha), beta); a rectifier when alpha == 0 */
    ACTIVATION_ELU,        /* x > 0 ? x : alpha * (exp(x) - 1) */
    ACTIVATION_LEAKY_RELU, /* x > 0 ? x : alpha * x */
    ACTIVATION_SELU,       /* beta * (x > 0 ? x : alpha * (exp(x) - 1)) */
    ACTIVATION_SOFTPLUS,   /* log(1 + exp(x)) */
    ACTIVATION_SILU,       /* x / (1 + exp(-x)) */
    ACTIVATION_GELU,       /* x * (1 + erf(x / sqrt 2)) / 2 */
    ACTIVATION_SIGMOID,    /* 1 / (1 + exp(-x)) */
    ACTIVATION_TANH,
    ACTIVATION_ATAN,
    ACTIVATION_THRESHOLD, /* x > alpha ? x : 0 */
    ACTIVATION_SOFTSIGN,  /* x / (1 + |x|) */
    ACTIVATION_EXPONENTIAL,
    ACTIVATION_COUNT
};

/* output[i] = function(input[i]) for i < count; output may be the input. NaN stays NaN. */
void activation_run(enum activation function, float alpha, float beta, const float *input,
                    float *output, size_t count);

/*
 * exp(x) / sum of exp(x) along the middle one of three axes, rows x length x inner. output may be
 * the input. Large values do not overflow.
 */
void softmax_run(const float *input, size_t rows, size_t length, size_t inner, float *output);

/* The logarithm of it, exact where it is small too. */
void log_softmax_run(const float *input, size_t rows, size_t length, size_t inner, float *output);

#endif
