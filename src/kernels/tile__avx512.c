/* The tiles of tile.h for AVX-512: 24 to 28 of 32 registers hold sums. With 13 or 14 rows of two
 * vectors GCC keeps a weight in memory, which is slower than the smaller tile. */
#include "kernels/tile.h"

#ifdef __x86_64__

#include <immintrin.h>

#define TILE_TARGET        __attribute__((target("avx512f")))
#define TILE_INLINE        static inline TILE_TARGET __attribute__((always_inline))
#define TILE_WIDTH         16
#define TILE_ROWS_1        24
#define TILE_ROWS_2        12
#define TILE_ROWS_3        9
#define TILE_ROWS_4        7
#define TILE_FOR_SHAPES(X) TILE_TO_24(X, 1) TILE_TO_12(X, 2) TILE_TO_9(X, 3) TILE_TO_7(X, 4)

typedef __m512 tile_vector;

TILE_INLINE tile_vector tile_load(const float *from)
{
    return _mm512_loadu_ps(from);
}

TILE_INLINE void tile_store(float *to, tile_vector a)
{
    _mm512_storeu_ps(to, a);
}

TILE_INLINE tile_vector tile_load_part(const float *from, size_t count)
{
    return _mm512_maskz_loadu_ps((__mmask16)((1u << count) - 1), from);
}

TILE_INLINE void tile_store_part(float *to, tile_vector a, size_t count)
{
    _mm512_mask_storeu_ps(to, (__mmask16)((1u << count) - 1), a);
}

TILE_INLINE tile_vector tile_broadcast(float value)
{
    return _mm512_set1_ps(value);
}

TILE_INLINE tile_vector tile_multiply_add(tile_vector a, tile_vector b, tile_vector c)
{
    return _mm512_fmadd_ps(a, b, c);
}

TILE_INLINE tile_vector tile_add(tile_vector a, tile_vector b)
{
    return _mm512_add_ps(a, b);
}

TILE_INLINE tile_vector tile_subtract(tile_vector a, tile_vector b)
{
    return _mm512_sub_ps(a, b);
}

/* Gives the second operand where one is NaN. */
TILE_INLINE tile_vector tile_rectify(tile_vector a)
{
    return _mm512_max_ps(_mm512_setzero_ps(), a);
}

#include "kernels/tile.inc"

const struct tiles tiles__avx512 = {"avx512", TILE_WIDTH, correlate, accumulate};

#endif
