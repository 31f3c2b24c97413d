/*
 * Rectifiers that a network builds of several nodes: the product of a tensor with a squashed form
 * of itself, which runs from 0 to a positive number.
 *
 *     x ──┬──> Clip -3..3 ──> * 1/6 ──> + 1/2 ──> *        hard swish
 *         └──> Softplus ──> Tanh ───────────────> *        Mish
 *                                                 ^
 *                                              and x
 *
 * Its result is a level, as that of SiLU is; rectifiers on the way to the gate are none.
 */
#ifndef VBP_GRAPH_GATES_H
#define VBP_GRAPH_GATES_H

#include "graph/graph.h"

/*
 * Whether the node makes such a product. inside, one flag for each tensor, is set for those on the
 * way to its gate that nothing else reads. The graph's readers are known.
 */
bool gates_find(const struct graph *graph, const struct node *node, bool *inside);

#endif
