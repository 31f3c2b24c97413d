/* Folding: the same function in fewer nodes. */
#ifndef VBP_GRAPH_FOLD_H
#define VBP_GRAPH_FOLD_H

#include "graph/graph.h"

/*
 * Takes out nodes that do nothing (but not where that would change a mask), and folds batch
 * normalisations into the weights of a neighbour:
 *
 *     conv -> norm           always (w *= factor[out])
 *     dense -> norm          always
 *     norm -> conv           where the convolution pads nothing (w *= factor[in]): padding puts
 *                            zeros behind the normalisation, not before it
 *
 * each where nobody else reads the tensor in between. What else a node's name, levels and outputs
 * mean stays as it was. *graph must be finished and not shared; it is finished again. After a
 * failure it can only be destroyed.
 */
int graph_fold(struct graph *graph, VbpError *error);

#endif
