/* Shape inference: what comes out of a node, given what goes in. */
#ifndef VBP_GRAPH_INFERENCE_H
#define VBP_GRAPH_INFERENCE_H

#include "graph/graph.h"

/*
 * Computes the output shape of `node`, whose inputs are tensors of `graph`, and checks everything
 * that the kernels rely on. Messages do not name the node; graph_add_node does.
 */
int infer_shape(const struct graph *graph, const struct node *node, struct shape *output,
                VbpError *error);

#endif
