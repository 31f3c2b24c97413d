/* What the files of nn/forward share. */
#ifndef VBP_NN_FORWARD_STATE_H
#define VBP_NN_FORWARD_STATE_H

#include "base/team.h"
#include "graph/plan.h"
#include "nn/chains.h"
#include "nn/forward.h"

struct forward {
    const struct graph *graph;
    struct forward_options options;
    struct plan plan;
    const struct kernels *kernels;
    struct chains chains;
    float *block;   /* plan.size floats: all computed tensors */
    float *scratch; /* columns of the largest convolution that is not in a chain */
    struct team *team;
    float *memory; /* of chains: memory_size floats for each worker */
    size_t memory_size;
    double largest_input; /* magnitude of this frame's input */
    float **affine;       /* per node: factors and offsets of batch normalisations, else NULL */
    float **average;      /* per level */
    float **average_of;   /* per tensor: the same, NULL where it is not a level */
    double *seconds;      /* per node: time of the last run; NULL without time_nodes */
};

/* Where a tensor's values are, computed or constant. */
static inline float *tensor_data(const struct forward *forward, int tensor)
{
    int storage = forward->plan.storage[tensor];

    if (forward->graph->tensors[storage].values)
        return forward->graph->tensors[storage].values;
    return forward->block + forward->plan.offset[storage];
}

/*
 * Runs one node that no chain does. False where its output holds NaN or infinity that its inputs,
 * as far as they are computed, do not hold.
 */
bool node_run(const struct forward *forward, int index);

/* forward->average_of[tensor], which is a level, from the tensor's values. */
void node_average(const struct forward *forward, int tensor);

/* Whether all values of a tensor are finite. */
bool tensor_finite(const struct forward *forward, int tensor);

#endif
