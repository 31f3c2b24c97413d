/* The sums of column_sums.h for AVX-512. */
#include "kernels/column_sums_pixel.h"

#ifdef __x86_64__

#include <immintrin.h>

#define COLUMN_TARGET __attribute__((target("avx512f")))
#define COLUMN_INLINE static inline COLUMN_TARGET __attribute__((always_inline))
#define COLUMN_WIDTH  16

typedef __m512 column_vector;

COLUMN_INLINE column_vector column_load(const uint8_t *from)
{
    return _mm512_cvtepi32_ps(_mm512_cvtepu8_epi32(_mm_loadu_si128((const __m128i *)from)));
}

COLUMN_INLINE void column_load_two(const uint8_t *from, column_vector *even, column_vector *odd)
{
    __m512i pairs = _mm512_cvtepu16_epi32(_mm256_loadu_si256((const __m256i *)from));

    *even = _mm512_cvtepi32_ps(_mm512_and_si512(pairs, _mm512_set1_epi32(255)));
    *odd = _mm512_cvtepi32_ps(_mm512_srli_epi32(pairs, 8));
}

COLUMN_INLINE column_vector column_splat(float value)
{
    return _mm512_set1_ps(value);
}

COLUMN_INLINE column_vector column_low(column_vector a, column_vector b)
{
    return _mm512_min_ps(a, b);
}

/* Where both are 0, the second one with its sign, as the plain version does. */
COLUMN_INLINE column_vector column_high(column_vector a, column_vector b)
{
    return _mm512_max_ps(a, b);
}

COLUMN_INLINE void column_store(float *to, column_vector a)
{
    _mm512_storeu_ps(to, a);
}

/* The pixels 0, 4, 8 and 12 of four. */
COLUMN_INLINE void store_quarters(float *to, size_t step, column_vector pixels)
{
    _mm_storeu_ps(to, _mm512_castps512_ps128(pixels));
    _mm_storeu_ps(to + 4 * step, _mm512_extractf32x4_ps(pixels, 1));
    _mm_storeu_ps(to + 8 * step, _mm512_extractf32x4_ps(pixels, 2));
    _mm_storeu_ps(to + 12 * step, _mm512_extractf32x4_ps(pixels, 3));
}

COLUMN_INLINE void column_store_pixels(float *to, size_t step, column_vector red,
                                       column_vector green, column_vector blue)
{
    column_vector zero = _mm512_setzero_ps();
    __m512d low_first = _mm512_castps_pd(_mm512_unpacklo_ps(red, green));
    __m512d low_last = _mm512_castps_pd(_mm512_unpacklo_ps(blue, zero));
    __m512d high_first = _mm512_castps_pd(_mm512_unpackhi_ps(red, green));
    __m512d high_last = _mm512_castps_pd(_mm512_unpackhi_ps(blue, zero));

    store_quarters(to, step, _mm512_castpd_ps(_mm512_unpacklo_pd(low_first, low_last)));
    store_quarters(to + step, step, _mm512_castpd_ps(_mm512_unpackhi_pd(low_first, low_last)));
    store_quarters(to + 2 * step, step,
                   _mm512_castpd_ps(_mm512_unpacklo_pd(high_first, high_last)));
    store_quarters(to + 3 * step, step,
                   _mm512_castpd_ps(_mm512_unpackhi_pd(high_first, high_last)));
}

#include "kernels/column_sums.inc"

const struct column_sums column_sums__avx512 = {"avx512", bytes, yuv};

#endif
