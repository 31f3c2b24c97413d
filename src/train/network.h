/* Networks to be trained: known ones by name, others from a short description in JSON. */
#ifndef VBP_TRAIN_NETWORK_H
#define VBP_TRAIN_NETWORK_H

#include "graph/graph.h"

/*
 * name: "pilotnet" (3x66x200; Bojarski et al., arXiv 1604.07316), "nethvf" (1x125x640; the network
 * of the VisualBackProp paper), or the path of a JSON file:
 *
 *     {"input": [3, 66, 200],                                   channels, height, width
 *      "activation": "relu",                                    relu, elu; default relu
 *      "layers": [{"conv": 24, "kernel": 5, "stride": 2, "norm": true},
 *                 {"pool": "max", "kernel": 2},                 max or average; stride = kernel
 *                 {"dense": 50}]}                               a dense layer of one output ends it
 *
 * Strictly: other keys, keys of another kind of layer, keys that come twice, numbers that are not
 * whole, and text behind the object are refused. doc/models.md explains it to users.
 *
 * Weights are drawn from `seed` (He et al., arXiv 1502.01852), the last layer's a tenth as large,
 * so that training starts near "straight on". The one output is called "steering". *graph is
 * finished.
 */
int network_build(struct graph **graph, const char *name, uint64_t seed, VbpError *error);

/*
 * Multiplies output `output` by `factor`: its last dense layer's weights and biases where the
 * output is such a layer's, else VBP_ERROR_UNSUPPORTED. The graph must not be shared.
 */
int network_scale_output(struct graph *graph, int output, float factor, VbpError *error);

#endif
