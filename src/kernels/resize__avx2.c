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

/* Sums of some pixels' red, green and blue. */
struct resize_sums {
    resize_vector red, green, blue;
};

/* pixels[i] = the pixels i and 4 + i. */
RESIZE_INLINE void pixels_of(const struct resize_sums *sums, __m256 pixels[4])
{
    __m256 zero = _mm256_setzero_ps();
    __m256d low_first = _mm256_castps_pd(_mm256_unpacklo_ps(sums->red, sums->green));
    __m256d low_last = _mm256_castps_pd(_mm256_unpacklo_ps(sums->blue, zero));
    __m256d high_first = _mm256_castps_pd(_mm256_unpackhi_ps(sums->red, sums->green));
    __m256d high_last = _mm256_castps_pd(_mm256_unpackhi_ps(sums->blue, zero));

    pixels[0] = _mm256_castpd_ps(_mm256_unpacklo_pd(low_first, low_last));
    pixels[1] = _mm256_castpd_ps(_mm256_unpackhi_pd(low_first, low_last));
    pixels[2] = _mm256_castpd_ps(_mm256_unpacklo_pd(high_first, high_last));
    pixels[3] = _mm256_castpd_ps(_mm256_unpackhi_pd(high_first, high_last));
}

/* The first pixels of a and b, then the second ones `step` floats further on. */
RESIZE_INLINE void store_pair(float *to, size_t step, __m256 a, __m256 b)
{
    _mm256_storeu_ps(to, _mm256_permute2f128_ps(a, b, 0x20));
    _mm256_storeu_ps(to + step, _mm256_permute2f128_ps(a, b, 0x31));
}

RESIZE_INLINE void resize_store_pixels(float *to, const struct resize_sums *sums)
{
    __m256 pixels[4];

    pixels_of(sums, pixels);
    store_pair(to, 16, pixels[0], pixels[1]);
    store_pair(to + 8, 16, pixels[2], pixels[3]);
}

RESIZE_INLINE void resize_store_two(float *to, const struct resize_sums *even,
                                    const struct resize_sums *odd)
{
    __m256 first[4], second[4];

    pixels_of(even, first);
    pixels_of(odd, second);
    for (size_t i = 0; i < 4; i++)
        store_pair(to + 8 * i, 32, first[i], second[i]);
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

const struct resize resize__avx2 = {bytes_down, yuv_down, pixels_across};

#endif
