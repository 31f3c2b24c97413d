/* The loop of peak.h for AVX-512. */
#include "kernels/peak.h"

#ifdef __x86_64__

#include <immintrin.h>

#define PEAK_TARGET __attribute__((target("avx512f")))
#define PEAK_INLINE static inline PEAK_TARGET __attribute__((always_inline))
#define PEAK_WIDTH  16
#define PEAK_SUMS   24

typedef __m512 peak_vector;

PEAK_INLINE peak_vector peak_broadcast(float value)
{
    return _mm512_set1_ps(value);
}

PEAK_INLINE peak_vector peak_multiply_add(peak_vector a, peak_vector b, peak_vector c)
{
    return _mm512_fmadd_ps(a, b, c);
}

#include "kernels/peak.inc"

const struct peak peak__avx512 = {"avx512", (size_t)2 * PEAK_WIDTH *PEAK_SUMS, run};

#endif
