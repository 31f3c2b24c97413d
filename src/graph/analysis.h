/* What a finished graph knows about itself: readers, picture axes, levels. Called by graph_finish.
 */
#ifndef VBP_GRAPH_ANALYSIS_H
#define VBP_GRAPH_ANALYSIS_H

#include "graph/graph.h"

int analyse_readers(struct graph *graph, VbpError *error);

/*
 * Finds the picture axes: convolutions and pools have them by definition; elementwise nodes and
 * transposes hand them on in both directions. What a global pool leaves is no picture any more,
 * nor is what is made of that alone or of constants alone.
 */
int analyse_axes(struct graph *graph, VbpError *error);

/* The axes of a transpose's output that show what `axes` of its input show, and not sorted. */
struct axes transposed_axes(const struct node *node, struct axes axes);

/* Needs the axes. */
int analyse_levels(struct graph *graph, VbpError *error);

#endif
