/* The tiles of tile.h in plain C, with vectors of four that every compiler knows how to do. */
#include "kernels/tile.h"

#include <string.h>

#define TILE_TARGET
#define TILE_INLINE        static inline __attribute__((always_inline))
#define TILE_WIDTH         4
#define TILE_ROWS_1        12
#define TILE_ROWS_2        6
#define TILE_ROWS_3        4
#define TILE_ROWS_4        3
#define TILE_FOR_SHAPES(X) TILE_TO_12(X, 1) TILE_TO_6(X, 2) TILE_TO_4(X, 3) TILE_TO_3(X, 4)

typedef float tile_vector __attribute__((vector_size(16)));

TILE_INLINE tile_vector tile_load(const float *from)
{
    tile_vector a;

    memcpy(&a, from, sizeof(a));
    return a;
}

TILE_INLINE void tile_store(float *to, tile_vector a)
{
    memcpy(to, &a, sizeof(a));
}

TILE_INLINE tile_vector tile_load_part(const float *from, size_t count)
{
    tile_vector a = {0};

    for (size_t i = 0; i < count; i++)
        a[i] = from[i];
    return a;
}

TILE_INLINE void tile_store_part(float *to, tile_vector a, size_t count)
{
    for (size_t i = 0; i < count; i++)
        to[i] = a[i];
}

TILE_INLINE tile_vector tile_broadcast(float value)
{
    return (tile_vector){value, value, value, value};
}

TILE_INLINE tile_vector tile_multiply_add(tile_vector a, tile_vector b, tile_vector c)
{
    return a * b + c;
}

TILE_INLINE tile_vector tile_add(tile_vector a, tile_vector b)
{
    return a + b;
}

TILE_INLINE tile_vector tile_subtract(tile_vector a, tile_vector b)
{
    return a - b;
}

/* NaN stays NaN. */
TILE_INLINE tile_vector tile_rectify(tile_vector a)
{
    for (int i = 0; i < TILE_WIDTH; i++)
        a[i] = a[i] < 0 ? 0 : a[i];
    return a;
}

#include "kernels/tile.inc"

const struct tiles tiles__c = {"c", TILE_WIDTH, correlate, accumulate};
