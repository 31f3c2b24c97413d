/* The functions of vectors.h at the level avx512. */
#include "support/vectors.h"

#ifdef __x86_64__

#include "kernels/vector__avx512.h"

#include "support/vectors.inc"

const struct vectors vectors__avx512 = VECTORS_ALL;

#endif
