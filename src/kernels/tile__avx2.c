/* The tiles of tile.h for AVX2 with fused multiply-add: 12 of 16 registers hold sums. */
#include "kernels/tile.h"

#ifdef __x86_64__

#include "kernels/vector__avx2.h"

#define TILE_ROWS_1        12
#define TILE_ROWS_2        6
#define TILE_ROWS_3        4
#define TILE_ROWS_4        3
#define TILE_FOR_SHAPES(X) TILE_TO_12(X, 1) TILE_TO_6(X, 2) TILE_TO_4(X, 3) TILE_TO_3(X, 4)

#include "kernels/tile.inc"

const struct tiles tiles__avx2 = {VECTOR_WIDTH, correlate, accumulate};

#endif
