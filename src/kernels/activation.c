#include "kernels/activation.h"

#include <math.h>
#include <string.h>

/* Each function in a loop of its own over one array: so the compiler can vectorise it. */
#define MAP(expression)                                                                            \
    for (size_t i = 0; i < count; i++) {                                                           \
        float x = output[i];                                                                       \
        output[i] = (expression);                                                                  \
    }                                                                                              \
    break

void activation_run(enum activation function, float alpha, float beta, const float *input,
                    float *output, size_t count)
{
    if (output != input)
        memcpy(output, input, count * sizeof(float));
    switch (function) {
    case ACTIVATION_RELU:
        MAP(x < 0 ? 0 : x);
    case ACTIVATION_CLIP:
        MAP(x < alpha ? alpha : x > beta ? beta : x);
    case ACTIVATION_ELU:
        MAP(x > 0 ? x : alpha * expm1f(x));
    case ACTIVATION_LEAKY_RELU:
        MAP(x > 0 ? x : alpha * x);
    case ACTIVATION_SELU:
        MAP(beta * (x > 0 ? x : alpha * expm1f(x)));
    case ACTIVATION_SOFTPLUS:
        /* max(x, 0) + log1p(exp(-|x|)) does not overflow for large x. */
        MAP(fmaxf(x, 0) + log1pf(expf(-fabsf(x))));
    case ACTIVATION_SILU:
        MAP(x / (1 + expf(-x)));
    case ACTIVATION_GELU:
        MAP(0.5f * x * (1 + erff(x * 0.70710678118654752f)));
    case ACTIVATION_SIGMOID:
        MAP(1 / (1 + expf(-x)));
    case ACTIVATION_TANH:
        MAP(tanhf(x));
    case ACTIVATION_ATAN:
        MAP(atanf(x));
    case ACTIVATION_THRESHOLD:
        MAP(x > alpha || isnan(x) ? x : 0);
    case ACTIVATION_SOFTSIGN:
        MAP(x / (1 + fabsf(x)));
    case ACTIVATION_EXPONENTIAL:
        MAP(expf(x));
    case ACTIVATION_COUNT:
        break;
    }
}

void softmax_run(const float *input, size_t rows, size_t length, size_t inner, float *output)
{
    for (size_t i = 0; i < rows * inner; i++) {
        size_t first = i / inner * length * inner + i % inner;
        float largest = input[first];
        double sum = 0;

        for (size_t j = 1; j < length; j++)
            largest = fmaxf(largest, input[first + j * inner]);
        for (size_t j = 0; j < length; j++) {
            output[first + j * inner] = expf(input[first + j * inner] - largest);
            sum += (double)output[first + j * inner];
        }
        for (size_t j = 0; j < length; j++)
            output[first + j * inner] = (float)((double)output[first + j * inner] / sum);
    }
}

void log_softmax_run(const float *input, size_t rows, size_t length, size_t inner, float *output)
{
    for (size_t i = 0; i < rows * inner; i++) {
        size_t first = i / inner * length * inner + i % inner;
        float largest = input[first];
        double sum = 0;

        for (size_t j = 1; j < length; j++)
            largest = fmaxf(largest, input[first + j * inner]);
        for (size_t j = 0; j < length; j++)
            sum += exp((double)input[first + j * inner] - (double)largest);
        for (size_t j = 0; j < length; j++)
            output[first + j * inner] =
                (float)((double)input[first + j * inner] - (double)largest - log(sum));
    }
}
