/*
 * Convolutions that follow each other, done a few rows at a time, so that what one leaves for the
 * next is still in the cache: of the pictures in between, only the rows that are still to be read
 * are kept, in rings.
 *
 *     input          #################          read from above
 *     ring 0             ----====              ==== just made
 *     ring 1             ----====
 *     output         ########====
 *
 * Several workers may do a part of the last convolution's rows each. What they need of the others
 * overlaps a little at the seams and is made twice, by the same operations.
 */
#ifndef VBP_KERNELS_CONVOLUTION_CHAIN_H
#define VBP_KERNELS_CONVOLUTION_CHAIN_H

#include "kernels/convolution_flat.h"

#define CHAIN_MAX_LINKS 16

struct chain_link {
    struct convolution_flat *flat; /* owned by the chain */
    struct flat_activation activation;
    float *slope;   /* owned by the chain: what activation.slope may point to; or NULL */
    float *average; /* not owned; NULL: not wanted */

    /* Set by the chain. */
    int ring_rows;     /* of its output, unless it is the last one */
    size_t ring_pitch; /* floats from one row of it to the next */
    size_t ring_at;    /* floats from the start of a worker's memory */
};

struct convolution_chain {
    struct chain_link *links;
    int count;
    size_t memory_size; /* floats that each worker needs, 64-byte aligned, finite at first use */
};

/*
 * Takes over a link, CHAIN_MAX_LINKS at most; on failure (false, without memory) it is the
 * caller's.
 */
bool convolution_chain_add(struct convolution_chain *chain, const struct chain_link *link);

/* Lays out the memory, once all links are there. */
void convolution_chain_finish(struct convolution_chain *chain);
void convolution_chain_free(struct convolution_chain *chain);

struct convolution_chain_run {
    const float *input;
    float *output;
    int worker, workers; /* does the part `worker` of `workers` */
    float *memory;       /* of this worker */
    bool check;          /* looks for NaN and infinity; else none may come up */
};

/* Returns the index of the first convolution that gave NaN or infinity, or -1. */
int convolution_chain_run(const struct convolution_chain *chain,
                          const struct convolution_chain_run *run);

#endif
