/* What the network said about one frame: copies of a runner's results that outlive its next run. */
#ifndef VBP_PIPELINE_ANALYSIS_H
#define VBP_PIPELINE_ANALYSIS_H

#include "vbp.h"

struct analysis {
    double steering;
    int mask_height, mask_width;
    const float *mask; /* mask_height x mask_width, 0..1; NULL: the runner makes none */
    VbpTimes times;
};

/*
 * Analyses that are used again and again: taken by one thread, given back by another. Only as many
 * are allocated as are out at the same time.
 */
struct analysis_pool;

int analysis_pool_create(struct analysis_pool **pool, VbpError *error);

/* All analyses must have been given back. Accepts *pool == NULL. */
void analysis_pool_destroy(struct analysis_pool **pool);

/* The results of the runner's last run. NULL with *error set on failure. */
struct analysis *analysis_take(struct analysis_pool *pool, const VbpRunner *runner,
                               VbpError *error);
void analysis_give_back(struct analysis_pool *pool, struct analysis *analysis);

#endif
