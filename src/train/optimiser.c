#include "train/optimiser.h"

#include "base/memory.h"

#include <math.h>
#include <string.h>

struct optimiser_options optimiser_default_options(enum optimiser_kind kind)
{
    return (struct optimiser_options){.kind = kind,
                                      .rate = kind == OPTIMISER_SGD ? 0.01 : 0.001,
                                      .momentum = 0.9,
                                      .beta1 = 0.9,
                                      .beta2 = 0.999,
                                      .epsilon = 1e-8};
}

int optimiser_create(struct optimiser *optimiser, const struct optimiser_options *options,
                     const struct parameters *parameters, VbpError *error)
{
    *optimiser =
        (struct optimiser){.options = *options,
                           .count = parameters->total * (options->kind == OPTIMISER_ADAM ? 2 : 1)};
    optimiser->state = memory_aligned_array(optimiser->count, sizeof(float));
    if (!optimiser->state)
        return error_out_of_memory(error);
    memset(optimiser->state, 0, optimiser->count * sizeof(float));
    return VBP_OK;
}

void optimiser_free(struct optimiser *optimiser)
{
    free(optimiser->state);
    *optimiser = (struct optimiser){0};
}

static void step_sgd(const struct optimiser_options *options, float *restrict weights,
                     const float *restrict gradients, float *restrict velocity, size_t count,
                     float shrink)
{
    float rate = (float)options->rate, momentum = (float)options->momentum;

    for (size_t i = 0; i < count; i++) {
        velocity[i] = momentum * velocity[i] + gradients[i];
        weights[i] = shrink * weights[i] - rate * (gradients[i] + momentum * velocity[i]);
    }
}

/* rate: with the corrections for the moments' start at zero. */
static void step_adam(const struct optimiser_options *options, float *restrict weights,
                      const float *restrict gradients, float *restrict first,
                      float *restrict second, size_t count, float shrink, float rate, float epsilon)
{
    float beta1 = (float)options->beta1, beta2 = (float)options->beta2;

    for (size_t i = 0; i < count; i++) {
        first[i] = beta1 * first[i] + (1 - beta1) * gradients[i];
        second[i] = beta2 * second[i] + (1 - beta2) * gradients[i] * gradients[i];
        weights[i] = shrink * weights[i] - rate * first[i] / (sqrtf(second[i]) + epsilon);
    }
}

void optimiser_step(struct optimiser *optimiser, const struct parameters *parameters,
                    struct graph *graph, const float *gradients)
{
    const struct optimiser_options *options = &optimiser->options;
    double correction1, correction2;

    optimiser->steps++;
    correction1 = 1 - pow(options->beta1, (double)optimiser->steps);
    correction2 = sqrt(1 - pow(options->beta2, (double)optimiser->steps));
    for (int i = 0; i < parameters->count; i++) {
        const struct parameter *parameter = &parameters->list[i];
        float *weights = graph->tensors[parameter->tensor].values;
        const float *gradient = gradients + parameter->offset;
        float *state = optimiser->state + parameter->offset;
        float shrink = parameter->decays ? (float)(1 - options->rate * options->decay) : 1;

        if (options->kind == OPTIMISER_SGD)
            step_sgd(options, weights, gradient, state, parameter->count, shrink);
        else
            step_adam(options, weights, gradient, state, state + parameters->total,
                      parameter->count, shrink, (float)(options->rate * correction2 / correction1),
                      (float)(options->epsilon * correction2));
    }
}
