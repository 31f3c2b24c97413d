/*
 * All ways that a network can be run here: each level of instructions that the machine has, with 1,
 * 2 and 4 threads. What is true of a network's values must be true with each.
 */
#ifndef VBP_TESTS_SUPPORT_ENGINES_H
#define VBP_TESTS_SUPPORT_ENGINES_H

#include "vbp.h"

#include <stdbool.h>
#include <stddef.h>

#define ENGINES_MOST 9

/* Engines but the first are run on every so-many-th picture: on all of them, but for sanitizers,
 * which make everything slow. */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define ENGINES_STEP 10
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define ENGINES_STEP 10
#endif
#endif
#ifndef ENGINES_STEP
#define ENGINES_STEP 1
#endif

struct engine {
    char name[32]; /* "avx2, 4 threads" */
    VbpRunnerOptions options;
    int step; /* run it on every so-many-th picture */
};

/* The fastest level on one thread comes first; false behind the last one. */
bool engine_at(size_t index, struct engine *engine);

/* Fails the running test, naming engine and `what`, unless value <= bound; NaN never passes. */
void engine_check(const struct engine *engine, const char *what, double value, double bound);

#endif
