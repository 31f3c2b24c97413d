/* The functions of vectors.h at the level avx2. */
#include "support/vectors.h"

#ifdef __x86_64__

#include "kernels/vector__avx2.h"

#include "support/vectors.inc"

const struct vectors vectors__avx2 = VECTORS_ALL;

#endif
