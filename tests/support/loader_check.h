/* Checks on loaded graphs that the tests of all loaders make. They fail the cmocka test. */
#ifndef VBP_TESTS_SUPPORT_LOADER_CHECK_H
#define VBP_TESTS_SUPPORT_LOADER_CHECK_H

#include "graph/graph.h"

/* text as shape_text gives it. */
void check_shape(const struct graph *graph, int tensor, const char *text);

/* The first `count` values of a constant. */
void check_values(const struct graph *graph, int tensor, int count, const float *values);

void check_window(const struct window *window, struct window expected);

/*
 * Writes what a test reads into the folder that the environment variable VBP_SEEDS names, below
 * it that of the fuzzer TARGET_fuzz which begins with it; without the variable, does nothing.
 */
void save_seed(const char *target, const void *bytes, size_t length);

#endif
