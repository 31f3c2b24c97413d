/* Gradients of a network, checked against differences of the reference in double. */
#ifndef VBP_TESTS_SUPPORT_GRADIENTS_H
#define VBP_TESTS_SUPPORT_GRADIENTS_H

#include "nn/backward.h"

/* A network and one batch through it: the loss is the sum of outputs times output_weights. */
struct gradients {
    struct graph *graph;
    struct parameters parameters;
    struct backward *backward;
    int batch;
    enum normalisation normalisation;
    float *input;           /* batch x elements */
    float **output_weights; /* of each output, batch x elements */
    float *parameter_gradient;
    float *input_gradient;
};

/* Takes a finished graph over, fills the batch with random numbers and runs it there and back. */
void gradients_begin(struct gradients *gradients, struct graph *graph, int batch,
                     enum normalisation normalisation);
void gradients_end(struct gradients *gradients);

/* The same, but leaves the graph. */
void gradients_release(struct gradients *gradients);

/* Runs it there and back again, into the gradients that are zeroed first. */
void gradients_run(struct gradients *gradients);

/*
 * Compares the outputs, and at most `most` elements of each gradient, whose errors are held against
 * the largest element of that gradient; those on a kink are left out, which may be few.
 */
void gradients_check(struct gradients *gradients, int most, double relative_error);

#endif
