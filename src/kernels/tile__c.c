/* The tiles of tile.h in plain C, with vectors of four that every compiler knows how to do. */
#include "kernels/tile.h"
#include "kernels/vector__c.h"

#define TILE_ROWS_1        12
#define TILE_ROWS_2        6
#define TILE_ROWS_3        4
#define TILE_ROWS_4        3
#define TILE_FOR_SHAPES(X) TILE_TO_12(X, 1) TILE_TO_6(X, 2) TILE_TO_4(X, 3) TILE_TO_3(X, 4)

#include "kernels/tile.inc"

const struct tiles tiles__c = {VECTOR_WIDTH, correlate, accumulate};
