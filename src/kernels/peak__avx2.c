/* The loop of peak.h for AVX2 with fused multiply-add. */
#include "kernels/peak.h"

#ifdef __x86_64__

#include "kernels/vector__avx2.h"

#define PEAK_SUMS 12

#include "kernels/peak.inc"

const struct peak peak__avx2 = {2 * (size_t)VECTOR_WIDTH * PEAK_SUMS, run};

#endif
