/* Folding: the same function in fewer nodes. */
#ifndef VBP_GRAPH_FOLD_H
#define VBP_GRAPH_FOLD_H

#include "graph/graph.h"

/*
 * Takes out nodes that do nothing (but not where that would change a mask), turns batch
 * normalisations and arithmetic with constants into NODE_AFFINE, and then, each where nobody else
 * reads the tensor in between:
 *
 *     affine -> affine           one affine
 *     conv, dense -> affine      in the weights (w *= factor[out])
 *     affine -> conv             in the weights (w *= factor[in]) where the convolution pads
 *                                nothing: padding puts zeros behind the affine, not before it
 *     affine -> transpose, crop  transpose, crop -> affine: nearer to what it can join; so do
 *                                instance normalisations before a transpose
 *     transpose -> transpose     one, or none
 *     transpose -> crop          crop -> transpose: less is moved
 *
 * Of a graph that is made to take long, or to need memory without end, some of it stays undone.
 * What else a node's name, levels and outputs mean stays as it was. *graph must be finished and not
 * shared; it is finished again. After a failure it can only be destroyed.
 */
int graph_fold(struct graph *graph, VbpError *error);

#endif
