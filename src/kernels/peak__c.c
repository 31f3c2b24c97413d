/* The loop of peak.h in plain C, with vectors of four that every compiler knows how to do. */
#include "kernels/peak.h"

#define PEAK_TARGET
#define PEAK_WIDTH 4
#define PEAK_SUMS  12

typedef float peak_vector __attribute__((vector_size(16)));

static inline peak_vector peak_broadcast(float value)
{
    return (peak_vector){value, value, value, value};
}

/* Through the product, which would else be calculated once, before the loop. */
static inline peak_vector peak_step(peak_vector sum, peak_vector factor, peak_vector term)
{
    return sum * factor + term;
}

#include "kernels/peak.inc"

const struct peak peak__c = {2 * (size_t)PEAK_WIDTH * PEAK_SUMS, run};
