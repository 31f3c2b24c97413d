/* The sums of resize.h for AVX2. */
#include "kernels/resize_pixel.h"

#ifdef __x86_64__

#include <immintrin.h>

#define RESIZE_TARGET __attribute__((target("avx2")))
#define RESIZE_INLINE static inline RESIZE_TARGET __attribute__((always_inline))
#define RESIZE_WIDTH  8
#define RESIZE_SUMS   2

typedef __m256 resize_vector;

RESIZE_INLINE resize_vector from_bytes(__m128i bytes)
{
    return _mm256_cvtepi32_ps(_mm256_cvtepu8_epi32(bytes));
}

RESIZE_INLINE __m128i load_bytes(const uint8_t *from)
{
    return _mm_loadl_epi64((const __m128i *)from);
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
    __m128i levels =
        _mm_subs_epu8(_mm_loadu_si128((const __m128i *)from), _mm_set1_epi8((char)image->black));
    __m256i pairs = _mm256_cvtepu16_epi32(_mm_min_epu8(levels, _mm_set1_epi8((char)image->span)));

    *even = _mm256_cvtepi32_ps(_mm256_and_si256(pairs, _mm256_set1_epi32(255)));
    *odd = _mm256_cvtepi32_ps(_mm256_srli_epi32(pairs, 8));
}

RESIZE_INLINE resize_vector resize_splat(float value)
{
    return _mm256_set1_ps(value);
}

/* Where both are 0, the second one with its sign, as the plain version does. */
RESIZE_INLINE resize_vector resize_cut_vector(resize_vector value, resize_vector low,
                                              resize_vector high)
{
    return _mm256_max_ps(low, _mm256_min_ps(high, value));
}

RESIZE_INLINE void resize_store(float *to, resize_vector a)
{
    _mm256_storeu_ps(to, a);
}

/* The pixels 0 and 4 of four. */
RESIZE_INLINE void store_halves(float *to, size_t step, __m256d pixels)
{
    __m256 both = _mm256_castpd_ps(pixels);

    _mm_storeu_ps(to, _mm256_castps256_ps128(both));
    _mm_storeu_ps(to + 4 * step, _mm256_extractf128_ps(both, 1));
}

RESIZE_INLINE void resize_store_pixels(float *to, size_t step, resize_vector red,
                                       resize_vector green, resize_vector blue)
{
    resize_vector zero = _mm256_setzero_ps();
    __m256d low_first = _mm256_castps_pd(_mm256_unpacklo_ps(red, green));
    __m256d low_last = _mm256_castps_pd(_mm256_unpacklo_ps(blue, zero));
    __m256d high_first = _mm256_castps_pd(_mm256_unpackhi_ps(red, green));
    __m256d high_last = _mm256_castps_pd(_mm256_unpackhi_ps(blue, zero));

    store_halves(to, step, _mm256_unpacklo_pd(low_first, low_last));
    store_halves(to + step, step, _mm256_unpackhi_pd(low_first, low_last));
    store_halves(to + 2 * step, step, _mm256_unpacklo_pd(high_first, high_last));
    store_halves(to + 3 * step, step, _mm256_unpackhi_pd(high_first, high_last));
}

RESIZE_INLINE void resize_four_pixels(resize_vector *sums, const float *pixels,
                                      const float *weights)
{
    __m256 four = _mm256_broadcast_ps((const __m128 *)weights);
    __m256 first = _mm256_permutevar_ps(four, _mm256_setr_epi32(0, 0, 0, 0, 1, 1, 1, 1));
    __m256 last = _mm256_permutevar_ps(four, _mm256_setr_epi32(2, 2, 2, 2, 3, 3, 3, 3));

    sums[0] += _mm256_loadu_ps(pixels) * first;
    sums[1] += _mm256_loadu_ps(pixels + 8) * last;
}

RESIZE_INLINE __m128 resize_pixel_of(const resize_vector *sums)
{
    __m256 half = sums[0] + sums[1];

    return _mm256_castps256_ps128(half) + _mm256_extractf128_ps(half, 1);
}

#include "kernels/resize.inc"

const struct resize resize__avx2 = {"avx2", bytes_down, yuv_down, pixels_across};

#endif
