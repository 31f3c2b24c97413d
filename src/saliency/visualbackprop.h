/*
 * VisualBackProp (Bojarski et al., arXiv 1611.05418, section III): walk the graph from its last
 * level to the input with one-channel maps, scaling up with all-ones transposed convolutions and
 * multiplying with each level's channel average on the way. DESIGN.md 6.1 has the rules for graphs
 * that are not chains.
 */
#ifndef VBP_SALIENCY_VISUALBACKPROP_H
#define VBP_SALIENCY_VISUALBACKPROP_H

#include "graph/graph.h"
#include "nn/forward.h"

/* The walk over one graph, worked out once; it refers to the graph. Used by one thread at a time.
 */
struct visualbackprop;

/*
 * even: divide scaled-up maps by the number of windows that touch each cell.
 * VBP_ERROR_NO_MASK where the network has no picture for an input or no level to make a mask of.
 */
int visualbackprop_create(struct visualbackprop **walk, const struct graph *graph, bool even,
                          VbpError *error);
void visualbackprop_destroy(struct visualbackprop **walk);

/* Makes the mask from the level averages of the last forward_run. VBP_ERROR_NUMERIC on overflow, of
 * an average too. */
int visualbackprop_run(struct visualbackprop *walk, const struct forward *forward, VbpError *error);

/*
 * The mask, input height x width, 0..1, and what it spanned before it was scaled to that (the
 * nearest floats to it, where no float holds it).
 */
const float *visualbackprop_mask(const struct visualbackprop *walk);
void visualbackprop_range(const struct visualbackprop *walk, float *minimum, float *maximum);

/*
 * A level's product, of the level's size: its average times what came down from above. Where all
 * of it is too large or too small for floats, it comes divided by a power of two. One of
 * the products is only made when it is asked for, from the averages, so not after the next
 * forward_run.
 */
const float *visualbackprop_product(struct visualbackprop *walk, int level);

#endif
