/* The part of folding that has to do with arithmetic: see graph/fold.h. */
#ifndef VBP_GRAPH_FOLD_AFFINE_H
#define VBP_GRAPH_FOLD_AFFINE_H

#include "graph/graph.h"

/* Makes affine nodes of all that can be one. */
int fold_make_affines(struct graph *graph, VbpError *error);

/*
 * Puts the affine node into a neighbour. *folded says whether the graph changed; then it is to be
 * finished.
 */
int fold_affine(struct graph *graph, int index, bool *folded, VbpError *error);

#endif
