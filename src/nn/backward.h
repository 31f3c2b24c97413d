/*
 * Batches forward and gradients backward, for training and for gradient maps. The weights are the
 * graph's constants; whoever trains changes them between passes.
 */
#ifndef VBP_NN_BACKWARD_H
#define VBP_NN_BACKWARD_H

#include "graph/graph.h"
#include "kernels/cpu.h"

/* One trainable constant of a graph: weights, bias, scale or shift of a batch normalisation. */
struct parameter {
    int tensor;
    size_t count;  /* elements */
    size_t offset; /* of its first element in a block that holds all parameters */
    bool decays;   /* weight decay applies: weights of convolutions and dense layers */
};

struct parameters {
    struct parameter *list; /* in tensor order */
    int count;
    size_t total; /* elements of all of them */
};

/* On failure *parameters is zeroed. */
int parameters_find(struct parameters *parameters, const struct graph *graph, VbpError *error);
void parameters_free(struct parameters *parameters);

/*
 * Activations, their gradients and scratch for batches of up to `capacity` samples on one thread.
 * It refers to graph and parameters, which must outlive it; several may share them.
 */
struct backward;

/* What batch normalisation uses. */
enum normalisation {
    NORMALISE_STORED, /* mean and variance of the graph, as at inference */
    NORMALISE_BATCH   /* those of the batch, as in training */
};

/* capacity: samples of a batch, at most; isa: see struct forward_options. */
int backward_create(struct backward **backward, const struct graph *graph,
                    const struct parameters *parameters, int capacity, enum isa isa,
                    VbpError *error);
void backward_destroy(struct backward **backward);

/* Where the samples go: capacity x (elements of the network's input), sample by sample. */
float *backward_input(struct backward *backward);

/* Runs the first `batch` samples. VBP_ERROR_NUMERIC names the first layer that made NaN or
 * infinity. */
int backward_forward(struct backward *backward, int batch, enum normalisation normalisation,
                     VbpError *error);

/* Values of graph output `output` after a forward: batch x (elements of that output). */
const float *backward_output(const struct backward *backward, int output);

/*
 * Gradients of a loss of the last forward's outputs. output_gradients[o]: d loss / d output o,
 * batch x elements (NULL: zero). d loss / d parameters is ADDED to `gradients` (parameters.total
 * floats; NULL: not wanted). d loss / d input goes to input_gradient (batch x elements; NULL: not
 * wanted). Where a function has a kink its derivative is one of the two sides', for a rectifier 0;
 * a maximum's gradient goes to the first of equal cells.
 *
 * VBP_ERROR_NUMERIC names the layer nearest the outputs whose gradient holds NaN or infinity,
 * VBP_ERROR_ARGUMENT: no forward has succeeded. After a failure `gradients` is to be thrown away.
 */
int backward_run(struct backward *backward, const float *const *output_gradients, float *gradients,
                 float *input_gradient, VbpError *error);

/*
 * From now on the loss of backward_run has another term: for each sample and each level (outputs of
 * rectifiers that VisualBackProp averages) `weight` times the mean of max(0, value) over the level.
 * What does not serve the loss goes dark under it, so that masks show less of it. 0: no such term.
 */
void backward_penalise_levels(struct backward *backward, float weight);

/*
 * After a forward with NORMALISE_BATCH: moves the stored statistics of `graph` (the one given to
 * backward_create, not const here) by `momentum` towards those of the batch (variance unbiased).
 */
void backward_update_statistics(const struct backward *backward, struct graph *graph,
                                float momentum);

#endif
