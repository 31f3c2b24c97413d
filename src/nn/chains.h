/*
 * Which convolutions of a graph are done by chains (kernels/convolution_chain.h), with the
 * activations behind them and the averages of their levels:
 *
 *     conv1 - relu1 - conv2 - relu2 - flatten      one chain: conv1 to relu2
 */
#ifndef VBP_NN_CHAINS_H
#define VBP_NN_CHAINS_H

#include "graph/graph.h"
#include "kernels/convolution_chain.h"
#include "kernels/dispatch.h"

struct node_chain {
    struct convolution_chain chain;
    int node[CHAIN_MAX_LINKS]; /* convolution of each link */
    int input, output;         /* tensors */
    int last_node;             /* where it runs: all that it does is done then */
    double largest_input;      /* of the network, with which no sum in the chain can overflow */
};

struct chains {
    struct node_chain *list;
    int count;
    size_t weights;     /* floats of all of them, as the file has them */
    int *of_node;       /* per node: index of the chain that does it, or -1 */
    int *keep_until;    /* per tensor, for plan_make */
    size_t memory_size; /* floats that each worker needs, finite at first use */
};

struct chains_options {
    const struct kernels *kernels;
    bool keep_all; /* every tensor is wanted */
    /* Per tensor, where the average of its channels goes, NULL: not wanted; NULL as a whole: none
     * is. */
    float *const *average;
    VbpAverage kind; /* of averages */
};

/* On failure *chains is to be freed too. */
int chains_find(struct chains *chains, const struct graph *graph,
                const struct chains_options *options, VbpError *error);
void chains_free(struct chains *chains);

#endif
