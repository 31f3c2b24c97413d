/* The shared test data: real networks and drives that are not part of the project. */
#ifndef VBP_TESTS_DATA_H
#define VBP_TESTS_DATA_H

#include "base/npy.h"

/*
 * The path of a file of the data (../shared/data, or the folder that VBP_TEST_DATA names). Skips
 * the running test, saying so, where it is absent. Valid until the next call but three.
 */
const char *data_path(const char *name);

/* Reads an array of the data; fails the running test if it cannot. To be freed by npy_free. */
struct npy data_array(const char *name);

#endif
