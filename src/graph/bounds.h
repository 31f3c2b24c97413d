/* How large the values of a network can get, whatever its input shows. */
#ifndef VBP_GRAPH_BOUNDS_H
#define VBP_GRAPH_BOUNDS_H

#include "graph/graph.h"

/*
 * No value of a tensor exceeds slope * M + offset in magnitude where none of the network's input
 * exceeds M: by the triangle inequality, so that real values stay far below. Roundings are not
 * counted: let there be room for a few percent. offset is INFINITY where nothing is known.
 */
struct bound {
    double slope, offset;
};

/* Fills in one bound for each tensor of a finished graph; for those of convolutions and dense
 * layers, it holds for the sums on the way too. */
void bounds_find(const struct graph *graph, struct bound *bounds);

/* The largest M for which the bound does not exceed `most`; negative where there is none. */
double bound_largest_input(struct bound bound, double most);

#endif
