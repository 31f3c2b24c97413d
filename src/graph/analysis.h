/* What a finished graph knows about itself: readers, picture axes, levels. Called by graph_finish.
 */
#ifndef VBP_GRAPH_ANALYSIS_H
#define VBP_GRAPH_ANALYSIS_H

#include "graph/graph.h"

int analyse_readers(struct graph *graph, VbpError *error);

/*
 * Finds the picture axes: convolutions and pools have them by definition; elementwise nodes and
 * transposes hand them on in both directions. What a global pool leaves is no picture any more.
 */
void analyse_axes(struct graph *graph);

/* Needs the axes. */
int analyse_levels(struct graph *graph, VbpError *error);

#endif
