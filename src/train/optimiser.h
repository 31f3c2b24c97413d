/* Optimisers: how gradients change weights. */
#ifndef VBP_TRAIN_OPTIMISER_H
#define VBP_TRAIN_OPTIMISER_H

#include "nn/backward.h"

enum optimiser_kind {
    /*
     * Stochastic gradient descent with Nesterov momentum, in the form of Sutskever et al. (ICML
     * 2013) as rewritten by Bengio et al. (arXiv 1212.0901): v <- momentum * v + g;   w <- w - rate
     * * (g + momentum * v)
     */
    OPTIMISER_SGD,
    /* Adam (Kingma, Ba, arXiv 1412.6980, algorithm 1) with weight decay apart from the gradient
     * (Loshchilov, Hutter, arXiv 1711.05101). */
    OPTIMISER_ADAM
};

struct optimiser_options {
    enum optimiser_kind kind;
    double rate;         /* learning rate */
    double momentum;     /* sgd */
    double beta1, beta2; /* adam */
    double epsilon;      /* adam */
    double decay;        /* weight decay: w <- w - rate * decay * w for parameters that decay */
};

/* The usual values: sgd 0.01 with momentum 0.9; adam 0.001, 0.9, 0.999, 1e-8; no decay. */
struct optimiser_options optimiser_default_options(enum optimiser_kind kind);

struct optimiser {
    struct optimiser_options options;
    int64_t steps;
    size_t count; /* floats of state */
    float *state; /* sgd: velocities; adam: first moments, then second moments */
};

int optimiser_create(struct optimiser *optimiser, const struct optimiser_options *options,
                     const struct parameters *parameters, VbpError *error);
void optimiser_free(struct optimiser *optimiser);

/* One step: changes the parameters in `graph` by `gradients` (parameters->total floats). */
void optimiser_step(struct optimiser *optimiser, const struct parameters *parameters,
                    struct graph *graph, const float *gradients);

#endif
