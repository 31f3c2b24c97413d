/* The vector operations of kernels/vector_math.h and vector_transpose, seen from outside. */
#ifndef VBP_TESTS_SUPPORT_VECTORS_H
#define VBP_TESTS_SUPPORT_VECTORS_H

#include <stddef.h>

struct vectors {
    size_t width;

    /* output[i] = f(input[i]) for i < count, a multiple of width. */
    void (*exp)(const float *input, size_t count, float *output);
    void (*expm1)(const float *input, size_t count, float *output);
    void (*log1p_unit)(const float *input, size_t count, float *output);
    void (*tanh)(const float *input, size_t count, float *output);

    /* width x width floats. */
    void (*transpose)(const float *input, float *output);
};

extern const struct vectors vectors__c, vectors__avx2, vectors__avx512;

#endif
