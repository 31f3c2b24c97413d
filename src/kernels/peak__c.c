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

static inline peak_vector peak_multiply_add(peak_vector a, peak_vector b, peak_vector c)
{
    return a * b + c;
}

#include "kernels/peak.inc"

const struct peak peak__c = {"c", (size_t)2 * PEAK_WIDTH *PEAK_SUMS, run};
