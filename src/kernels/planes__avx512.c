/* The loops of planes.h in AVX-512. */
#include "kernels/planes.h"

#ifdef __x86_64__

#include "kernels/map.h"
#include "kernels/normalise.h"
#include "kernels/pool.h"
#include "kernels/vector__avx512.h"

#include <math.h>
#include <string.h>

#include "kernels/planes.inc"

#include "kernels/planes_window.inc"

#include "kernels/planes_average.inc"

const struct planes planes__avx512 = PLANES_ALL;

#endif
