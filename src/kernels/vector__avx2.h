/* The vectors of vector.h in AVX2 with fused multiply-add. */
#ifndef VBP_KERNELS_VECTOR_AVX2_H
#define VBP_KERNELS_VECTOR_AVX2_H

#include "kernels/vector.h"

#include <immintrin.h>

#define VECTOR_TARGET __attribute__((target("avx2,fma")))
#define VECTOR_INLINE static inline VECTOR_TARGET __attribute__((always_inline))
#define VECTOR_WIDTH  8

typedef __m256 vector;

VECTOR_INLINE vector vector_load(const float *from)
{
    return _mm256_loadu_ps(from);
}

VECTOR_INLINE void vector_store(float *to, vector a)
{
    _mm256_storeu_ps(to, a);
}

/* All bits of the first `count` lanes. */
VECTOR_INLINE __m256i lanes(size_t count)
{
    return _mm256_cmpgt_epi32(_mm256_set1_epi32((int)count),
                              _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7));
}

VECTOR_INLINE vector vector_load_part(const float *from, size_t count)
{
    return _mm256_maskload_ps(from, lanes(count));
}

VECTOR_INLINE void vector_store_part(float *to, vector a, size_t count)
{
    _mm256_maskstore_ps(to, lanes(count), a);
}

/* The first `count` lanes of a, the others of b. */
VECTOR_INLINE vector vector_keep(vector a, vector b, size_t count)
{
    return _mm256_blendv_ps(b, a, _mm256_castsi256_ps(lanes(count)));
}

/* The last lane of `before`, then a without its last lane. */
VECTOR_INLINE vector vector_after(vector before, vector a)
{
    __m256 half = _mm256_permute2f128_ps(before, a, 0x21);

    return _mm256_castsi256_ps(
        _mm256_alignr_epi8(_mm256_castps_si256(a), _mm256_castps_si256(half), 12));
}

VECTOR_INLINE vector vector_broadcast(float value)
{
    return _mm256_set1_ps(value);
}

VECTOR_INLINE vector vector_multiply_add(vector a, vector b, vector c)
{
    return _mm256_fmadd_ps(a, b, c);
}

VECTOR_INLINE vector vector_add(vector a, vector b)
{
    return _mm256_add_ps(a, b);
}

VECTOR_INLINE vector vector_subtract(vector a, vector b)
{
    return _mm256_sub_ps(a, b);
}

/* Gives the second operand where one is NaN. */
VECTOR_INLINE vector vector_rectify(vector a)
{
    return _mm256_max_ps(_mm256_setzero_ps(), a);
}

/* Lanes first to end - 1 only. */
VECTOR_INLINE void vector_store_lanes(float *to, vector a, size_t first, size_t end)
{
    _mm256_maskstore_ps(to, _mm256_andnot_si256(lanes(first), lanes(end)), a);
}

/* low where a < low, high where a > high; a is not NaN. */
VECTOR_INLINE vector vector_clamp(vector a, vector low, vector high)
{
    return _mm256_max_ps(low, _mm256_min_ps(high, a));
}

VECTOR_INLINE vector vector_multiply(vector a, vector b)
{
    return _mm256_mul_ps(a, b);
}

VECTOR_INLINE float vector_sum(vector a)
{
    __m128 half = _mm_add_ps(_mm256_castps256_ps128(a), _mm256_extractf128_ps(a, 1));

    half = _mm_add_ps(half, _mm_movehl_ps(half, half));
    return _mm_cvtss_f32(_mm_add_ss(half, _mm_movehdup_ps(half)));
}

/* Floats 0, 2, 4 ... and 1, 3, 5 ... of two vectors, one behind the other. */
VECTOR_INLINE void vector_split(vector a, vector b, vector *even, vector *odd)
{
    vector low, high;

    /* Or else compilers load both twice. */
    __asm__("" : "+x"(a), "+x"(b));
    low = _mm256_permute2f128_ps(a, b, 0x20);
    high = _mm256_permute2f128_ps(a, b, 0x31);
    *even = _mm256_shuffle_ps(low, high, 0x88);
    *odd = _mm256_shuffle_ps(low, high, 0xdd);
}

VECTOR_INLINE void vector_load_split(const float *from, vector *even, vector *odd)
{
    vector_split(vector_load(from), vector_load(from + VECTOR_WIDTH), even, odd);
}

/* The same backwards: floats 0, 0, 1, 1 ... of both, the first half and the second. */
VECTOR_INLINE void vector_join(vector even, vector odd, vector *first, vector *second)
{
    vector low = _mm256_unpacklo_ps(even, odd), high = _mm256_unpackhi_ps(even, odd);

    *first = _mm256_permute2f128_ps(low, high, 0x20);
    *second = _mm256_permute2f128_ps(low, high, 0x31);
}

VECTOR_INLINE vector vector_divide(vector a, vector b)
{
    return _mm256_div_ps(a, b);
}

/* b where one of them is NaN. */
VECTOR_INLINE vector vector_least(vector a, vector b)
{
    return _mm256_min_ps(a, b);
}

VECTOR_INLINE vector vector_most(vector a, vector b)
{
    return _mm256_max_ps(a, b);
}

VECTOR_INLINE vector vector_magnitude(vector a)
{
    return _mm256_andnot_ps(_mm256_set1_ps(-0.0F), a);
}

/* yes where a > limit, no elsewhere and where one of the two is NaN. */
VECTOR_INLINE vector vector_above(vector a, vector limit, vector yes, vector no)
{
    return _mm256_blendv_ps(no, yes, _mm256_cmp_ps(a, limit, _CMP_GT_OQ));
}

/* The nearest integer, the even one of two; |a| <= 2^22 or NaN. */
VECTOR_INLINE vector vector_round(vector a)
{
    return _mm256_round_ps(a, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
}

/*
 * a * 2^n for integers -252 <= n <= 254; NaN where a is. In two steps, since a float holds 2^n from
 * -126 to 127 only.
 */
VECTOR_INLINE vector vector_scale(vector a, vector n)
{
    const __m256i bias = _mm256_set1_epi32(127);
    __m256i whole = _mm256_cvtps_epi32(n), half = _mm256_srai_epi32(whole, 1);
    __m256i first = _mm256_slli_epi32(_mm256_add_epi32(half, bias), 23);
    __m256i second = _mm256_slli_epi32(_mm256_add_epi32(_mm256_sub_epi32(whole, half), bias), 23);

    return _mm256_mul_ps(_mm256_mul_ps(a, _mm256_castsi256_ps(first)), _mm256_castsi256_ps(second));
}

/*
 * rows[i] lane j becomes rows[j] lane i, for VECTOR_WIDTH rows: pairs of floats of two rows, of
 * four rows, then the halves of the registers.
 */
VECTOR_INLINE void vector_transpose(vector *rows)
{
    vector pair[8], four[8];

    VECTOR_UNROLL
    for (int i = 0; i < 8; i += 2) {
        pair[i] = _mm256_unpacklo_ps(rows[i], rows[i + 1]);
        pair[i + 1] = _mm256_unpackhi_ps(rows[i], rows[i + 1]);
    }
    VECTOR_UNROLL
    for (int i = 0; i < 8; i += 4) {
        four[i] = _mm256_shuffle_ps(pair[i], pair[i + 2], 0x44);
        four[i + 1] = _mm256_shuffle_ps(pair[i], pair[i + 2], 0xee);
        four[i + 2] = _mm256_shuffle_ps(pair[i + 1], pair[i + 3], 0x44);
        four[i + 3] = _mm256_shuffle_ps(pair[i + 1], pair[i + 3], 0xee);
    }
    VECTOR_UNROLL
    for (int i = 0; i < 4; i++) {
        rows[i] = _mm256_permute2f128_ps(four[i], four[i + 4], 0x20);
        rows[i + 4] = _mm256_permute2f128_ps(four[i], four[i + 4], 0x31);
    }
}

/* The greater and the lesser of two; NaN where one of them is. */
VECTOR_INLINE vector vector_maximum(vector a, vector b)
{
    return _mm256_blendv_ps(_mm256_max_ps(a, b), a, _mm256_cmp_ps(a, a, _CMP_UNORD_Q));
}

VECTOR_INLINE vector vector_minimum(vector a, vector b)
{
    return _mm256_blendv_ps(_mm256_min_ps(a, b), a, _mm256_cmp_ps(a, a, _CMP_UNORD_Q));
}

/* 0 behind the first `count` lanes. */
VECTOR_INLINE vector vector_first(vector a, size_t count)
{
    return _mm256_and_ps(a, _mm256_castsi256_ps(lanes(count)));
}

/*
 * Floats 0, 3, 6 ..., 1, 4, 7 ... and 2, 5, 8 ... of three vectors that lie together. Since 3 does
 * not divide the width, the floats of a third lie in other lanes of each vector: so they fit into
 * one, and there are put in order.
 */
VECTOR_INLINE void vector_load_thirds(const float *from, vector *third)
{
    const __m256i seven = _mm256_set1_epi32(7), order = _mm256_setr_epi32(0, 3, 6, 1, 4, 7, 2, 5);
    vector a = vector_load(from), b = vector_load(from + VECTOR_WIDTH);
    vector c = vector_load(from + 2 * VECTOR_WIDTH);
    __m256i second = _mm256_and_si256(_mm256_add_epi32(order, _mm256_set1_epi32(1)), seven);
    __m256i last = _mm256_and_si256(_mm256_add_epi32(order, _mm256_set1_epi32(2)), seven);

    third[0] =
        _mm256_permutevar8x32_ps(_mm256_blend_ps(_mm256_blend_ps(a, b, 0x92), c, 0x24), order);
    third[1] =
        _mm256_permutevar8x32_ps(_mm256_blend_ps(_mm256_blend_ps(a, b, 0x24), c, 0x49), second);
    third[2] =
        _mm256_permutevar8x32_ps(_mm256_blend_ps(_mm256_blend_ps(a, b, 0x49), c, 0x92), last);
}

/* The same backwards. */
VECTOR_INLINE void vector_store_thirds(float *to, const vector *third)
{
    vector a = _mm256_permutevar8x32_ps(third[0], _mm256_setr_epi32(0, 3, 6, 1, 4, 7, 2, 5));
    vector b = _mm256_permutevar8x32_ps(third[1], _mm256_setr_epi32(5, 0, 3, 6, 1, 4, 7, 2));
    vector c = _mm256_permutevar8x32_ps(third[2], _mm256_setr_epi32(2, 5, 0, 3, 6, 1, 4, 7));

    vector_store(to, _mm256_blend_ps(_mm256_blend_ps(a, b, 0x92), c, 0x24));
    vector_store(to + VECTOR_WIDTH, _mm256_blend_ps(_mm256_blend_ps(a, b, 0x24), c, 0x49));
    vector_store(to + 2 * VECTOR_WIDTH, _mm256_blend_ps(_mm256_blend_ps(a, b, 0x49), c, 0x92));
}

#endif
