/* The tiles of tile.h for AVX-512: 24 to 28 of 32 registers hold sums. With 13 or 14 rows of two
 * vectors GCC keeps a weight in memory, which is slower than the smaller tile. */
#include "kernels/tile.h"

#ifdef __x86_64__

#include "kernels/vector__avx512.h"

#define TILE_ROWS_1        24
#define TILE_ROWS_2        12
#define TILE_ROWS_3        9
#define TILE_ROWS_4        7
#define TILE_FOR_SHAPES(X) TILE_TO_24(X, 1) TILE_TO_12(X, 2) TILE_TO_9(X, 3) TILE_TO_7(X, 4)

#include "kernels/tile.inc"

const struct tiles tiles__avx512 = {VECTOR_WIDTH, correlate, accumulate};

#endif
