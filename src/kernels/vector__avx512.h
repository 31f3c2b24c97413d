/* The vectors of vector.h in AVX-512. */
#ifndef VBP_KERNELS_VECTOR_AVX512_H
#define VBP_KERNELS_VECTOR_AVX512_H

#include "kernels/vector.h"

#include <immintrin.h>

#define VECTOR_TARGET __attribute__((target("avx512f")))
#define VECTOR_INLINE static inline VECTOR_TARGET __attribute__((always_inline))
#define VECTOR_WIDTH  16

typedef __m512 vector;

VECTOR_INLINE vector vector_load(const float *from)
{
    return _mm512_loadu_ps(from);
}

VECTOR_INLINE void vector_store(float *to, vector a)
{
    _mm512_storeu_ps(to, a);
}

VECTOR_INLINE vector vector_load_part(const float *from, size_t count)
{
    return _mm512_maskz_loadu_ps((__mmask16)((1u << count) - 1), from);
}

VECTOR_INLINE void vector_store_part(float *to, vector a, size_t count)
{
    _mm512_mask_storeu_ps(to, (__mmask16)((1u << count) - 1), a);
}

/* The first `count` lanes of a, the others of b. */
VECTOR_INLINE vector vector_keep(vector a, vector b, size_t count)
{
    return _mm512_mask_mov_ps(b, (__mmask16)((1u << count) - 1), a);
}

/* The last lane of `before`, then a without its last lane. */
VECTOR_INLINE vector vector_after(vector before, vector a)
{
    return _mm512_castsi512_ps(
        _mm512_alignr_epi32(_mm512_castps_si512(a), _mm512_castps_si512(before), 15));
}

VECTOR_INLINE vector vector_broadcast(float value)
{
    return _mm512_set1_ps(value);
}

VECTOR_INLINE vector vector_multiply_add(vector a, vector b, vector c)
{
    return _mm512_fmadd_ps(a, b, c);
}

VECTOR_INLINE vector vector_add(vector a, vector b)
{
    return _mm512_add_ps(a, b);
}

VECTOR_INLINE vector vector_subtract(vector a, vector b)
{
    return _mm512_sub_ps(a, b);
}

/* Gives the second operand where one is NaN. */
VECTOR_INLINE vector vector_rectify(vector a)
{
    return _mm512_max_ps(_mm512_setzero_ps(), a);
}

/* Lanes first to end - 1 only. */
VECTOR_INLINE void vector_store_lanes(float *to, vector a, size_t first, size_t end)
{
    _mm512_mask_storeu_ps(to, (__mmask16)((1u << end) - (1u << first)), a);
}

/* low where a < low, high where a > high; a is not NaN. */
VECTOR_INLINE vector vector_clamp(vector a, vector low, vector high)
{
    return _mm512_max_ps(low, _mm512_min_ps(high, a));
}

VECTOR_INLINE vector vector_multiply(vector a, vector b)
{
    return _mm512_mul_ps(a, b);
}

VECTOR_INLINE float vector_sum(vector a)
{
    return _mm512_reduce_add_ps(a);
}

/* Floats 0, 2, 4 ... and 1, 3, 5 ... of two vectors, one behind the other. */
VECTOR_INLINE void vector_split(vector a, vector b, vector *even, vector *odd)
{
    const __m512i evens =
        _mm512_setr_epi32(0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26, 28, 30);

    /* Or else compilers load both twice, as the instruction writes over one of them. */
    __asm__("" : "+v"(a), "+v"(b));
    *even = _mm512_permutex2var_ps(a, evens, b);
    *odd = _mm512_permutex2var_ps(a, _mm512_or_si512(evens, _mm512_set1_epi32(1)), b);
}

VECTOR_INLINE void vector_load_split(const float *from, vector *even, vector *odd)
{
    vector_split(vector_load(from), vector_load(from + VECTOR_WIDTH), even, odd);
}

/* The same backwards: floats 0, 0, 1, 1 ... of both, the first half and the second. */
VECTOR_INLINE void vector_join(vector even, vector odd, vector *first, vector *second)
{
    const __m512i low = _mm512_setr_epi32(0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23);

    *first = _mm512_permutex2var_ps(even, low, odd);
    *second = _mm512_permutex2var_ps(even, _mm512_add_epi32(low, _mm512_set1_epi32(8)), odd);
}

VECTOR_INLINE vector vector_divide(vector a, vector b)
{
    return _mm512_div_ps(a, b);
}

/* b where one of them is NaN. */
VECTOR_INLINE vector vector_least(vector a, vector b)
{
    return _mm512_min_ps(a, b);
}

VECTOR_INLINE vector vector_most(vector a, vector b)
{
    return _mm512_max_ps(a, b);
}

VECTOR_INLINE vector vector_magnitude(vector a)
{
    return _mm512_abs_ps(a);
}

/* yes where a > limit, no elsewhere and where one of the two is NaN. */
VECTOR_INLINE vector vector_above(vector a, vector limit, vector yes, vector no)
{
    return _mm512_mask_blend_ps(_mm512_cmp_ps_mask(a, limit, _CMP_GT_OQ), no, yes);
}

/* The nearest integer, the even one of two; |a| <= 2^22 or NaN. */
VECTOR_INLINE vector vector_round(vector a)
{
    return _mm512_roundscale_ps(a, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
}

/* a * 2^n for integers -252 <= n <= 254; NaN where one of them is. */
VECTOR_INLINE vector vector_scale(vector a, vector n)
{
    return _mm512_scalef_ps(a, n);
}

/*
 * rows[i] lane j becomes rows[j] lane i, for VECTOR_WIDTH rows: pairs of floats of two rows, of
 * four rows, then quarters of the registers, twice.
 */
VECTOR_INLINE void vector_transpose(vector *rows)
{
    vector pair[16], four[16];

    VECTOR_UNROLL
    for (int i = 0; i < 16; i += 2) {
        pair[i] = _mm512_unpacklo_ps(rows[i], rows[i + 1]);
        pair[i + 1] = _mm512_unpackhi_ps(rows[i], rows[i + 1]);
    }
    VECTOR_UNROLL
    for (int i = 0; i < 16; i += 4) {
        four[i] = _mm512_shuffle_ps(pair[i], pair[i + 2], 0x44);
        four[i + 1] = _mm512_shuffle_ps(pair[i], pair[i + 2], 0xee);
        four[i + 2] = _mm512_shuffle_ps(pair[i + 1], pair[i + 3], 0x44);
        four[i + 3] = _mm512_shuffle_ps(pair[i + 1], pair[i + 3], 0xee);
    }
    /* four[4 q + i] quarter k now holds columns 4 k + i of rows 4 q to 4 q + 3. */
    VECTOR_UNROLL
    for (int i = 0; i < 4; i++) {
        vector even_low = _mm512_shuffle_f32x4(four[i], four[4 + i], 0x88);
        vector odd_low = _mm512_shuffle_f32x4(four[i], four[4 + i], 0xdd);
        vector even_high = _mm512_shuffle_f32x4(four[8 + i], four[12 + i], 0x88);
        vector odd_high = _mm512_shuffle_f32x4(four[8 + i], four[12 + i], 0xdd);

        rows[i] = _mm512_shuffle_f32x4(even_low, even_high, 0x88);
        rows[4 + i] = _mm512_shuffle_f32x4(odd_low, odd_high, 0x88);
        rows[8 + i] = _mm512_shuffle_f32x4(even_low, even_high, 0xdd);
        rows[12 + i] = _mm512_shuffle_f32x4(odd_low, odd_high, 0xdd);
    }
}

/* The greater and the lesser of two; NaN where one of them is. */
VECTOR_INLINE vector vector_maximum(vector a, vector b)
{
    return _mm512_mask_mov_ps(_mm512_max_ps(a, b), _mm512_cmp_ps_mask(a, a, _CMP_UNORD_Q), a);
}

VECTOR_INLINE vector vector_minimum(vector a, vector b)
{
    return _mm512_mask_mov_ps(_mm512_min_ps(a, b), _mm512_cmp_ps_mask(a, a, _CMP_UNORD_Q), a);
}

/* 0 behind the first `count` lanes. */
VECTOR_INLINE vector vector_first(vector a, size_t count)
{
    return _mm512_maskz_mov_ps((__mmask16)((1u << count) - 1), a);
}

/*
 * Floats 0, 3, 6 ..., 1, 4, 7 ... and 2, 5, 8 ... of three vectors that lie together. Since 3 does
 * not divide the width, the floats of a third lie in other lanes of each vector: so they fit into
 * one, and there are put in order (only the lowest four bits of an index count).
 */
VECTOR_INLINE void vector_load_thirds(const float *from, vector *third)
{
    const __m512i order = _mm512_setr_epi32(0, 3, 6, 9, 12, 15, 2, 5, 8, 11, 14, 1, 4, 7, 10, 13);
    const __m512i one = _mm512_set1_epi32(1);
    vector a = vector_load(from), b = vector_load(from + VECTOR_WIDTH);
    vector c = vector_load(from + 2 * VECTOR_WIDTH);
    __m512i second = _mm512_add_epi32(order, one), last = _mm512_add_epi32(second, one);

    third[0] = _mm512_permutexvar_ps(
        order, _mm512_mask_mov_ps(_mm512_mask_mov_ps(a, 0x4924, b), 0x2492, c));
    third[1] = _mm512_permutexvar_ps(
        second, _mm512_mask_mov_ps(_mm512_mask_mov_ps(a, 0x9249, b), 0x4924, c));
    third[2] = _mm512_permutexvar_ps(
        last, _mm512_mask_mov_ps(_mm512_mask_mov_ps(a, 0x2492, b), 0x9249, c));
}

/* The same backwards: 11 times 3 is 1 more than a multiple of 16. */
VECTOR_INLINE void vector_store_thirds(float *to, const vector *third)
{
    const __m512i order = _mm512_setr_epi32(0, 11, 6, 1, 12, 7, 2, 13, 8, 3, 14, 9, 4, 15, 10, 5);
    vector a = _mm512_permutexvar_ps(order, third[0]);
    vector b = _mm512_permutexvar_ps(_mm512_add_epi32(order, _mm512_set1_epi32(5)), third[1]);
    vector c = _mm512_permutexvar_ps(_mm512_add_epi32(order, _mm512_set1_epi32(10)), third[2]);

    vector_store(to, _mm512_mask_mov_ps(_mm512_mask_mov_ps(a, 0x2492, b), 0x4924, c));
    vector_store(to + VECTOR_WIDTH,
                 _mm512_mask_mov_ps(_mm512_mask_mov_ps(b, 0x2492, c), 0x4924, a));
    vector_store(to + 2 * VECTOR_WIDTH,
                 _mm512_mask_mov_ps(_mm512_mask_mov_ps(c, 0x2492, a), 0x4924, b));
}

#endif
