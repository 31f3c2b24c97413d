/* A folder of its own for the files that a test program writes. */
#ifndef VBP_TESTS_SCRATCH_H
#define VBP_TESTS_SCRATCH_H

#include <stddef.h>

/* cmocka group fixtures: make the folder, and remove it with all that is in it. */
int scratch_setup(void **state);
int scratch_teardown(void **state);

/*
 * The path of `name` in the folder. It stays valid for the next seven calls; one thread at a time.
 */
const char *scratch_path(const char *name);

/* Writes the bytes to `name` in the folder, and returns its path. */
const char *scratch_write(const char *name, const void *bytes, size_t length);

/* The number of entries in the folder. */
int scratch_count(void);

#endif
