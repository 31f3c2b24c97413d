/* The loops of planes.h for AVX2 with fused multiply-add. */
#include "kernels/planes.h"

#ifdef __x86_64__

#include "kernels/map.h"
#include "kernels/normalise.h"
#include "kernels/pool.h"
#include "kernels/vector__avx2.h"

#include <math.h>
#include <string.h>

#include "kernels/planes.inc"

#include "kernels/planes_window.inc"

#include "kernels/planes_average.inc"

const struct planes planes__avx2 = PLANES_ALL;

#endif
