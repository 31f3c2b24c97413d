/* The loops of the mask in AVX-512. */
#include "kernels/map_rows.h"

#ifdef __x86_64__

#include "kernels/vector__avx512.h"

#include "kernels/map_rows.inc"

const struct map_rows map_rows__avx512 = {map_find, map_normalise_rows};

#endif
