/* The tiles of flat.h for AVX-512: 24 of 32 registers hold sums. */
#include "kernels/flat.h"

#ifdef __x86_64__

#include "kernels/vector__avx512.h"
#include "kernels/vector_math.h"

#include <math.h>

#define FLAT_CHANNELS      8
#define FLAT_FOR_SHAPES(X) FLAT_TO_8(X, 1) FLAT_TO_8(X, 2) FLAT_TO_8(X, 3)

#include "kernels/flat.inc"

#define FLAT_DEEP_SHAPES(X)                                                                        \
    FLAT_DEEP_TO_14(X, 1) FLAT_DEEP_TO_14(X, 2) FLAT_DEEP_TO_9(X, 3) FLAT_DEEP_TO_6(X, 4)

#include "kernels/flat_deep.inc"

const struct flat flat__avx512 = {VECTOR_WIDTH,  FLAT_CHANNELS, {0, 14, 14, 9, 6}, flat_run,
                                  flat_run_deep, flat_prepare,  flat_dense};

#endif
