/* The tiles of flat.h for AVX2 with fused multiply-add: 12 of 16 registers hold sums. */
#include "kernels/flat.h"

#ifdef __x86_64__

#include "kernels/vector__avx2.h"
#include "kernels/vector_math.h"

#include <math.h>

#define FLAT_CHANNELS      4
#define FLAT_FOR_SHAPES(X) FLAT_TO_4(X, 1) FLAT_TO_4(X, 2) FLAT_TO_4(X, 3)

#include "kernels/flat.inc"

#define FLAT_DEEP_SHAPES(X) FLAT_DEEP_TO_9(X, 1) FLAT_DEEP_TO_6(X, 2) FLAT_DEEP_TO_4(X, 3)

#include "kernels/flat_deep.inc"

const struct flat flat__avx2 = {VECTOR_WIDTH,  FLAT_CHANNELS, {0, 9, 6, 4, 0}, flat_run,
                                flat_run_deep, flat_prepare,  flat_dense};

#endif
