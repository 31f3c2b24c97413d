/* The loops of the mask in AVX2. */
#include "kernels/map_rows.h"

#ifdef __x86_64__

#include "kernels/vector__avx2.h"

#include "kernels/map_rows.inc"

const struct map_rows map_rows__avx2 = {map_find, map_normalise_rows};

#endif
