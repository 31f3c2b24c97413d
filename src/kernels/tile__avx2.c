/* The tiles of tile.h for AVX2 with fused multiply-add: 12 of 16 registers hold sums. */
#include "kernels/tile.h"

#ifdef __x86_64__

#include <immintrin.h>

#define TILE_TARGET        __attribute__((target("avx2,fma")))
#define TILE_INLINE        static inline TILE_TARGET __attribute__((always_inline))
#define TILE_WIDTH         8
#define TILE_ROWS_1        12
#define TILE_ROWS_2        6
#define TILE_ROWS_3        4
#define TILE_ROWS_4        3
#define TILE_FOR_SHAPES(X) TILE_TO_12(X, 1) TILE_TO_6(X, 2) TILE_TO_4(X, 3) TILE_TO_3(X, 4)

typedef __m256 tile_vector;

TILE_INLINE tile_vector tile_load(const float *from)
{
    return _mm256_loadu_ps(from);
}

TILE_INLINE void tile_store(float *to, tile_vector a)
{
    _mm256_storeu_ps(to, a);
}

/* All bits of the first `count` lanes. */
TILE_INLINE __m256i lanes(size_t count)
{
    return _mm256_cmpgt_epi32(_mm256_set1_epi32((int)count),
                              _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7));
}

TILE_INLINE tile_vector tile_load_part(const float *from, size_t count)
{
    return _mm256_maskload_ps(from, lanes(count));
}

TILE_INLINE void tile_store_part(float *to, tile_vector a, size_t count)
{
    _mm256_maskstore_ps(to, lanes(count), a);
}

TILE_INLINE tile_vector tile_broadcast(float value)
{
    return _mm256_set1_ps(value);
}

TILE_INLINE tile_vector tile_multiply_add(tile_vector a, tile_vector b, tile_vector c)
{
    return _mm256_fmadd_ps(a, b, c);
}

TILE_INLINE tile_vector tile_add(tile_vector a, tile_vector b)
{
    return _mm256_add_ps(a, b);
}

TILE_INLINE tile_vector tile_subtract(tile_vector a, tile_vector b)
{
    return _mm256_sub_ps(a, b);
}

/* Gives the second operand where one is NaN. */
TILE_INLINE tile_vector tile_rectify(tile_vector a)
{
    return _mm256_max_ps(_mm256_setzero_ps(), a);
}

#include "kernels/tile.inc"

const struct tiles tiles__avx2 = {"avx2", TILE_WIDTH, correlate, accumulate};

#endif
