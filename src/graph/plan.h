/*
 * A plan of buffers: where in one block of memory each computed tensor lives, so that tensors that
 * are not needed at the same time share it.
 */
#ifndef VBP_GRAPH_PLAN_H
#define VBP_GRAPH_PLAN_H

#include "graph/graph.h"

struct plan {
    /* For every tensor: the tensor whose memory it uses. Itself; or, where it only renames
     * (reshape, identity) or overwrites (an activation, the last reader of its input) it, another
     * one. */
    int *storage;
    size_t *offset; /* floats from the start of the block, for tensors that are their own storage */
    size_t size;    /* of the block, floats */
};

/*
 * keep_until: for every tensor, a node that must still find it in its place, -1 for none; NULL:
 * none at all.
 * keep_all: every tensor keeps memory of its own until the end of the run (for passes backwards).
 * Otherwise only the input and the outputs do. On failure *plan is zeroed.
 */
int plan_make(struct plan *plan, const struct graph *graph, const int *keep_until, bool keep_all,
              VbpError *error);
void plan_free(struct plan *plan);

#endif
