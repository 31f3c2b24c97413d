/* The sums of column_sums.h for AVX2. */
#include "kernels/column_sums_pixel.h"

#ifdef __x86_64__

#include <immintrin.h>

#define COLUMN_TARGET __attribute__((target("avx2")))
#define COLUMN_INLINE static inline COLUMN_TARGET __attribute__((always_inline))
#define COLUMN_WIDTH  8

typedef __m256 column_vector;

COLUMN_INLINE column_vector column_load(const uint8_t *from)
{
    return _mm256_cvtepi32_ps(_mm256_cvtepu8_epi32(_mm_loadl_epi64((const __m128i *)from)));
}

COLUMN_INLINE void column_load_two(const uint8_t *from, column_vector *even, column_vector *odd)
{
    __m256i pairs = _mm256_cvtepu16_epi32(_mm_loadu_si128((const __m128i *)from));

    *even = _mm256_cvtepi32_ps(_mm256_and_si256(pairs, _mm256_set1_epi32(255)));
    *odd = _mm256_cvtepi32_ps(_mm256_srli_epi32(pairs, 8));
}

COLUMN_INLINE column_vector column_splat(float value)
{
    return _mm256_set1_ps(value);
}

COLUMN_INLINE column_vector column_low(column_vector a, column_vector b)
{
    return _mm256_min_ps(a, b);
}

/* Where both are 0, the second one with its sign, as the plain version does. */
COLUMN_INLINE column_vector column_high(column_vector a, column_vector b)
{
    return _mm256_max_ps(a, b);
}

COLUMN_INLINE void column_store(float *to, column_vector a)
{
    _mm256_storeu_ps(to, a);
}

/* The pixels 0 and 4 of four. */
COLUMN_INLINE void store_halves(float *to, size_t step, __m256d pixels)
{
    __m256 both = _mm256_castpd_ps(pixels);

    _mm_storeu_ps(to, _mm256_castps256_ps128(both));
    _mm_storeu_ps(to + 4 * step, _mm256_extractf128_ps(both, 1));
}

COLUMN_INLINE void column_store_pixels(float *to, size_t step, column_vector red,
                                       column_vector green, column_vector blue)
{
    column_vector zero = _mm256_setzero_ps();
    __m256d low_first = _mm256_castps_pd(_mm256_unpacklo_ps(red, green));
    __m256d low_last = _mm256_castps_pd(_mm256_unpacklo_ps(blue, zero));
    __m256d high_first = _mm256_castps_pd(_mm256_unpackhi_ps(red, green));
    __m256d high_last = _mm256_castps_pd(_mm256_unpackhi_ps(blue, zero));

    store_halves(to, step, _mm256_unpacklo_pd(low_first, low_last));
    store_halves(to + step, step, _mm256_unpackhi_pd(low_first, low_last));
    store_halves(to + 2 * step, step, _mm256_unpacklo_pd(high_first, high_last));
    store_halves(to + 3 * step, step, _mm256_unpackhi_pd(high_first, high_last));
}

#include "kernels/column_sums.inc"

const struct column_sums column_sums__avx2 = {"avx2", bytes, yuv};

#endif
