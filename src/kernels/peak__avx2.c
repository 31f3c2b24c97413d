/* The loop of peak.h for AVX2 with fused multiply-add. */
#include "kernels/peak.h"

#ifdef __x86_64__

#include <immintrin.h>

#define PEAK_TARGET __attribute__((target("avx2,fma")))
#define PEAK_INLINE static inline PEAK_TARGET __attribute__((always_inline))
#define PEAK_WIDTH  8
#define PEAK_SUMS   12

typedef __m256 peak_vector;

PEAK_INLINE peak_vector peak_broadcast(float value)
{
    return _mm256_set1_ps(value);
}

/* As in a convolution: the chain goes through what is added. */
PEAK_INLINE peak_vector peak_step(peak_vector sum, peak_vector factor, peak_vector term)
{
    return _mm256_fmadd_ps(factor, term, sum);
}

#include "kernels/peak.inc"

const struct peak peak__avx2 = {2 * (size_t)PEAK_WIDTH * PEAK_SUMS, run};

#endif
