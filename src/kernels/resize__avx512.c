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

/* Sums of some pixels' red, green and blue. */
struct resize_sums {
    resize_vector red, green, blue;
};

/* pixels[i] = the pixels i, 4 + i, 8 + i and 12 + i. */
RESIZE_INLINE void pixels_of(const struct resize_sums *sums, __m512 pixels[4])
{
    __m512 zero = _mm512_setzero_ps();
    __m512d low_first = _mm512_castps_pd(_mm512_unpacklo_ps(sums->red, sums->green));
    __m512d low_last = _mm512_castps_pd(_mm512_unpacklo_ps(sums->blue, zero));
    __m512d high_first = _mm512_castps_pd(_mm512_unpackhi_ps(sums->red, sums->green));
    __m512d high_last = _mm512_castps_pd(_mm512_unpackhi_ps(sums->blue, zero));

    pixels[0] = _mm512_castpd_ps(_mm512_unpacklo_pd(low_first, low_last));
    pixels[1] = _mm512_castpd_ps(_mm512_unpackhi_pd(low_first, low_last));
    pixels[2] = _mm512_castpd_ps(_mm512_unpacklo_pd(high_first, high_last));
    pixels[3] = _mm512_castpd_ps(_mm512_unpackhi_pd(high_first, high_last));
}

/* The first pixels of a, b, c and d, then the second ones `step` floats further on, and so on. */
RESIZE_INLINE void store_four(float *to, size_t step, __m512 a, __m512 b, __m512 c, __m512 d)
{
    __m512 ab_low = _mm512_shuffle_f32x4(a, b, 0x44), ab_high = _mm512_shuffle_f32x4(a, b, 0xee);
    __m512 cd_low = _mm512_shuffle_f32x4(c, d, 0x44), cd_high = _mm512_shuffle_f32x4(c, d, 0xee);

    _mm512_storeu_ps(to, _mm512_shuffle_f32x4(ab_low, cd_low, 0x88));
    _mm512_storeu_ps(to + step, _mm512_shuffle_f32x4(ab_low, cd_low, 0xdd));
    _mm512_storeu_ps(to + 2 * step, _mm512_shuffle_f32x4(ab_high, cd_high, 0x88));
    _mm512_storeu_ps(to + 3 * step, _mm512_shuffle_f32x4(ab_high, cd_high, 0xdd));
}

RESIZE_INLINE void resize_store_pixels(float *to, const struct resize_sums *sums)
{
    __m512 pixels[4];

    pixels_of(sums, pixels);
    store_four(to, 16, pixels[0], pixels[1], pixels[2], pixels[3]);
}

RESIZE_INLINE void resize_store_two(float *to, const struct resize_sums *even,
                                    const struct resize_sums *odd)
{
    __m512 first[4], second[4];

    pixels_of(even, first);
    pixels_of(odd, second);
    store_four(to, 32, first[0], second[0], first[1], second[1]);
    store_four(to + 16, 32, first[2], second[2], first[3], second[3]);
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

const struct resize resize__avx512 = {bytes_down, yuv_down, pixels_across};

#endif
