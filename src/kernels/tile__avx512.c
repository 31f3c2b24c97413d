/* The tiles of tile.h for AVX-512: 28 of 32 registers hold sums. */
#include "kernels/tile.h"

#ifdef __x86_64__

#include <immintrin.h>

#define TILE_TARGET __attribute__((target("avx512f")))
#define TILE_INLINE static inline TILE_TARGET __attribute__((always_inline))
#define TILE_WIDTH  16
#define TILE_ROWS_1 24
#define TILE_ROWS_2 14
#define TILE_ROWS_3 9
#define TILE_ROWS_4 7
#define TILE_FOR_SHAPES(X)                                                                         \
    X(1, 1)                                                                                        \
    X(1, 2)                                                                                        \
    X(1, 3)                                                                                        \
    X(1, 4)                                                                                        \
    X(1, 5) X(1, 6) X(1, 7) X(1, 8) X(1, 9) X(1, 10) X(1, 11) X(1, 12) X(1, 13) X(1, 14) X(1, 15)  \
        X(1, 16) X(1, 17) X(1, 18) X(1, 19) X(1, 20) X(1, 21) X(1, 22) X(1, 23) X(1, 24) X(2, 1)   \
            X(2, 2) X(2, 3) X(2, 4) X(2, 5) X(2, 6) X(2, 7) X(2, 8) X(2, 9) X(2, 10) X(2, 11)      \
                X(2, 12) X(2, 13) X(2, 14) X(3, 1) X(3, 2) X(3, 3) X(3, 4) X(3, 5) X(3, 6) X(3, 7) \
                    X(3, 8) X(3, 9) X(4, 1) X(4, 2) X(4, 3) X(4, 4) X(4, 5) X(4, 6) X(4, 7)

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
