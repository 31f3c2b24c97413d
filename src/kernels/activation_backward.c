#include "kernels/activation_backward.h"

#include <math.h>
#include <stdint.h>
#include <string.h>

/* Each function in loops of its own, so that the compiler can vectorise those that it knows. */
#define MAP(expression)                                                                            \
    if (add) {                                                                                     \
        for (size_t i = 0; i < count; i++) {                                                       \
            float x = input[i];                                                                    \
            input_gradient[i] += gradient[i] * (expression);                                       \
        }                                                                                          \
    } else {                                                                                       \
        for (size_t i = 0; i < count; i++) {                                                       \
            float x = input[i];                                                                    \
            input_gradient[i] = gradient[i] * (expression);                                        \
        }                                                                                          \
    }                                                                                              \
    break

static float sigmoid(float x)
{
    return 1 / (1 + expf(-x));
}

void activation_backward_run(enum activation function, float alpha, float beta, const float *input,
                             const float *gradient, bool add, float *input_gradient, size_t count)
{
    switch (function) {
    case ACTIVATION_RELU:
        MAP(x > 0 ? 1.0f : 0.0f);
    case ACTIVATION_CLIP:
        MAP(x > alpha && x < beta ? 1.0f : 0.0f);
    case ACTIVATION_ELU:
        MAP(x > 0 ? 1 : alpha * expf(x));
    case ACTIVATION_LEAKY_RELU:
        MAP(x > 0 ? 1 : alpha);
    case ACTIVATION_SELU:
        MAP(beta * (x > 0 ? 1 : alpha * expf(x)));
    case ACTIVATION_SOFTPLUS:
        MAP(sigmoid(x));
    case ACTIVATION_SILU:
        MAP(sigmoid(x) * (1 + x * sigmoid(-x)));
    case ACTIVATION_GELU:
        /* Phi(x) + x * phi(x) of the normal distribution. */
        MAP(0.5f * (1 + erff(x * 0.70710678118654752f)) +
            x * 0.39894228040143268f * expf(-0.5f * x * x));
    case ACTIVATION_SIGMOID:
        MAP(sigmoid(x) * sigmoid(-x));
    case ACTIVATION_TANH:
        MAP(1 - tanhf(x) * tanhf(x));
    case ACTIVATION_ATAN:
        MAP(1 / (1 + x * x));
    case ACTIVATION_THRESHOLD:
        MAP(x > alpha ? 1.0f : 0.0f);
    case ACTIVATION_SOFTSIGN:
        MAP(1 / ((1 + fabsf(x)) * (1 + fabsf(x))));
    case ACTIVATION_EXPONENTIAL:
        MAP(expf(x));
    case ACTIVATION_COUNT:
        break;
    }
}

void rectifier_backward_run(const float *output, float *restrict gradient, size_t count)
{
    /* A product would make NaN of 0 times infinity; a plain choice becomes a branch with Clang. */
    for (size_t i = 0; i < count; i++) {
        uint32_t bits, mask = 0U - (uint32_t)(output[i] > 0);

        memcpy(&bits, &gradient[i], sizeof(bits));
        bits &= mask;
        memcpy(&gradient[i], &bits, sizeof(bits));
    }
}
