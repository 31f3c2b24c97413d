/*
 * The rules of VisualBackProp (DESIGN 6.1) taken literally: one tensor at a time from its readers,
 * in double, each map cell adding itself to the cells of its window. For tests.
 */
#ifndef VBP_TESTS_SUPPORT_RULES_H
#define VBP_TESTS_SUPPORT_RULES_H

#include "nn/forward.h"

struct rules {
    const struct graph *graph;
    const struct forward *forward; /* that kept all tensors: their values are what is averaged */
    double **maps;                 /* per tensor: finished, or NULL */
    VbpAverage average;
    bool even;
};

struct rules rules_begin(const struct graph *graph, const struct forward *forward,
                         VbpAverage average, bool even);
void rules_end(struct rules *rules);

/* The finished map of a spatial tensor: a level's product; of the input, the mask before it is
 * scaled. Height x width, the rules' own. */
const double *rules_map(struct rules *rules, int tensor);

#endif
