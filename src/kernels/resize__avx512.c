/* The sums of resize.h for AVX-512. */
#include "kernels/resize_pixel.h"

#ifdef __x86_64__

#include <immintrin.h>

#define RESIZE_TARGET __attribute__((target("avx512f,avx2")))
#define RESIZE_INLINE static inline RESIZE_TARGET __attribute__((always_inline))
#define RESIZE_WIDTH  16
#define RESIZE_SUMS   1

typedef __m512 resize_vector;

RESIZE_INLINE resize_vector from_bytes(__m128i bytes)
{
    return _mm512_cvtepi32_ps(_mm512_cvtepu8_epi32(bytes));
}

RESIZE_INLINE __m128i load_bytes(const uint8_t *from)
{
    return _mm_loadu_si128((const __m128i *)from);
}

RESIZE_INLINE resize_vector resize_load(const uint8_t *from)
{
    return from_bytes(load_bytes(from));
}

RESIZE_INLINE resize_vector resize_load_levels(const struct resize_image *image,
                                               const uint8_t *from)
{
    __m128i levels = _mm_subs_epu8(load_bytes(from), _mm_set1_epi8((char)image->black));

    return from_bytes(_mm_min_epu8(levels, _mm_set1_epi8((char)image->span)));
}

RESIZE_INLINE void resize_load_two(const struct resize_image *image, const uint8_t *from,
                                   resize_vector *even, resize_vector *odd)
{
    __m256i levels = _mm256_subs_epu8(_mm256_loadu_si256((const __m256i *)from),
                                      _mm256_set1_epi8((char)image->black));
    __m512i pairs =
        _mm512_cvtepu16_epi32(_mm256_min_epu8(levels, _mm256_set1_epi8((char)image->span)));

    *even = _mm512_cvtepi32_ps(_mm512_and_si512(pairs, _mm512_set1_epi32(255)));
    *odd = _mm512_cvtepi32_ps(_mm512_srli_epi32(pairs, 8));
}

RESIZE_INLINE resize_vector resize_splat(float value)
{
    return _mm512_set1_ps(value);
}

/* Where both are 0, the second one with its sign, as the plain version does. */
RESIZE_INLINE resize_vector resize_cut_vector(resize_vector value, resize_vector low,
                                              resize_vector high)
{
    return _mm512_max_ps(low, _mm512_min_ps(high, value));
}

RESIZE_INLINE void resize_store(float *to, resize_vector a)
{
    _mm512_storeu_ps(to, a);
}

/* The pixels 0, 4, 8 and 12 of four. */
RESIZE_INLINE void store_quarters(float *to, size_t step, resize_vector pixels)
{
    _mm_storeu_ps(to, _mm512_castps512_ps128(pixels));
    _mm_storeu_ps(to + 4 * step, _mm512_extractf32x4_ps(pixels, 1));
    _mm_storeu_ps(to + 8 * step, _mm512_extractf32x4_ps(pixels, 2));
    _mm_storeu_ps(to + 12 * step, _mm512_extractf32x4_ps(pixels, 3));
}

RESIZE_INLINE void resize_store_pixels(float *to, size_t step, resize_vector red,
                                       resize_vector green, resize_vector blue)
{
    resize_vector zero = _mm512_setzero_ps();
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

RESIZE_INLINE void resize_four_pixels(resize_vector *sums, const float *pixels,
                                      const float *weights)
{
    const __m512i places = _mm512_setr_epi32(0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3);
    __m512 four = _mm512_castps128_ps512(_mm_loadu_ps(weights));

    sums[0] += _mm512_loadu_ps(pixels) * _mm512_permutexvar_ps(places, four);
}

RESIZE_INLINE __m128 resize_pixel_of(const resize_vector *sums)
{
    __m256 upper = _mm256_castpd_ps(_mm512_extractf64x4_pd(_mm512_castps_pd(sums[0]), 1));
    __m256 half = _mm512_castps512_ps256(sums[0]) + upper;

    return _mm256_castps256_ps128(half) + _mm256_extractf128_ps(half, 1);
}

#include "kernels/resize.inc"

const struct resize resize__avx512 = {"avx512", bytes_down, yuv_down, pixels_across};

#endif
