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

/* Floats 0, 2, 4 ... and 1, 3, 5 ... of two vectors that lie together. */
VECTOR_INLINE void vector_load_split(const float *from, vector *even, vector *odd)
{
    vector a = vector_load(from), b = vector_load(from + VECTOR_WIDTH);
    vector low = _mm256_permute2f128_ps(a, b, 0x20), high = _mm256_permute2f128_ps(a, b, 0x31);

    *even = _mm256_shuffle_ps(low, high, 0x88);
    *odd = _mm256_shuffle_ps(low, high, 0xdd);
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

#endif
