/* The forward pass of a graph. */
#ifndef VBP_NN_FORWARD_H
#define VBP_NN_FORWARD_H

#include "graph/graph.h"
#include "kernels/dispatch.h"

/*
 * Buffers and scratch for running one graph, frame after frame, without allocating. It refers to
 * the graph, which must outlive it. Used by one thread at a time.
 */
struct forward;

struct forward_options {
    bool keep_all;       /* every tensor stays readable after the run */
    bool level_averages; /* average the channels of each level while it is at hand */
    VbpAverage average;  /* how */
    bool time_nodes;     /* measure each node, run by itself: forward_node_seconds */
    int threads;         /* that share the work of a run; 0 is 1. The results do not depend on it */
    enum isa isa;        /* kernels of this level at most; ISA_BEST (0): the best there is */
};

int forward_create(struct forward **forward, const struct graph *graph,
                   const struct forward_options *options, VbpError *error);
void forward_destroy(struct forward **forward);

/* Where the network's input goes before forward_run: shape_elements(input shape) floats. */
float *forward_input(struct forward *forward);

/*
 * Runs the network on what forward_input holds. NaN or infinity in an output or a level is
 * VBP_ERROR_NUMERIC and the message names the first layer that made it.
 */
int forward_run(struct forward *forward, VbpError *error);

/* The tensor's values after a run: outputs and constants always, the rest with keep_all. */
const float *forward_tensor(const struct forward *forward, int tensor);

/*
 * Channel average of a level, height x width floats; needs level_averages. The sum over the
 * channels may exceed what a float holds, though each of them is finite: then
 * forward_check_averages says so. A run leaves that to whoever reads the averages, as it would have
 * to read all of them again.
 */
const float *forward_level_average(const struct forward *forward, int level);
int forward_check_averages(const struct forward *forward, VbpError *error);

/*
 * Seconds that each node of the graph took in the last run, with what is made of its output (the
 * check for NaN, the level average, for a convolution also the rectifier behind it, which is done
 * in one go with it and takes none itself); needs time_nodes.
 */
const double *forward_node_seconds(const struct forward *forward);

/* The kernels that it uses. */
const struct kernels *forward_kernels(const struct forward *forward);

/* Multiply-adds of one node: convolutions and dense layers; 0 for the rest. */
int64_t node_multiply_adds(const struct graph *graph, const struct node *node);

#endif
