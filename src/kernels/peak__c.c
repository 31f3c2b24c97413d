/* The loop of peak.h in plain C. */
#include "kernels/peak.h"
#include "kernels/vector__c.h"

#define PEAK_SUMS 12

#include "kernels/peak.inc"

const struct peak peak__c = {2 * (size_t)VECTOR_WIDTH * PEAK_SUMS, run};
