/* Allocation with checked sizes. All of it is released by free(). */
#ifndef VBP_BASE_MEMORY_H
#define VBP_BASE_MEMORY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdlib.h>

/* Alignment of every buffer that kernels read or write, bytes: one cache line, one ZMM register. */
#define MEMORY_ALIGNMENT 64

/* *product = a * b; false where that does not fit. */
static inline bool size_multiply(size_t a, size_t b, size_t *product)
{
    return !__builtin_mul_overflow(a, b, product);
}

/* count zeroed elements of size bytes; NULL on overflow or lack of memory. count may be 0. */
void *memory_array(size_t count, size_t size);

/* Like memory_array, aligned to MEMORY_ALIGNMENT and not zeroed. */
void *memory_aligned_array(size_t count, size_t size);

/*
 * Grows *array, which holds *capacity elements of size bytes, to hold at least `needed`; new
 * elements are zeroed. On failure nothing changes and false is returned.
 */
bool memory_grow(void **array, size_t *capacity, size_t needed, size_t size);

/* A copy of the text, or NULL. */
char *memory_copy_text(const char *text);

/* Formatted text in memory of its own, or NULL. */
char *memory_format(const char *format, ...) __attribute__((format(printf, 1, 2)));

#endif
