/*
 * Vectors of floats, so that a kernel can be written once for all instruction sets. A header
 * vector__isa.h defines
 *
 *     VECTOR_TARGET    attribute of functions that use the instruction set
 *     VECTOR_INLINE    the same for functions that are always inlined there
 *     VECTOR_WIDTH     floats in a vector
 *     vector           the type
 *     vector_*         what can be done with it; functions: vector_math.h
 *
 * and only a file name__isa.c, which includes a kernel's name.inc, includes that header.
 */
#ifndef VBP_KERNELS_VECTOR_H
#define VBP_KERNELS_VECTOR_H

#include <stddef.h>

/* Before loops of constant length, so that the arrays in them become registers. */
#ifdef __clang__
#define VECTOR_UNROLL _Pragma("clang loop unroll(full)")
#else
#define VECTOR_UNROLL _Pragma("GCC unroll 32")
#endif

#endif
