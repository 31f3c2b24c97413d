/* The loop of peak.h for AVX-512. */
#include "kernels/peak.h"

#ifdef __x86_64__

#include <immintrin.h>

#define PEAK_TARGET __attribute__((target("avx512f")))
#define PEAK_INLINE static inline PEAK_TARGET __attribute__((always_inline))
#define PEAK_WIDTH  16
#define PEAK_SUMS   12

typedef __m512 peak_vector;

PEAK_INLINE peak_vector peak_broadcast(float value)
{
    return _mm512_set1_ps(value);
}

/* As in a convolution: the chain goes through what is added. */
PEAK_INLINE peak_vector peak_step(peak_vector sum, peak_vector factor, peak_vector term)
{
    return _mm512_fmadd_ps(factor, term, sum);
}

#include "kernels/peak.inc"

const struct peak peak__avx512 = {2 * (size_t)PEAK_WIDTH * PEAK_SUMS, run};

#endif
