/* NumPy's .npy files (format versions 1.0 to 3.0): arrays of uint8 and float32 in C order. */
#ifndef VBP_BASE_NPY_H
#define VBP_BASE_NPY_H

#include "base/error.h"

#define NPY_MAX_RANK 8

enum npy_type { NPY_UINT8, NPY_FLOAT32 };

struct npy {
    enum npy_type type;
    int rank;
    size_t extent[NPY_MAX_RANK]; /* slowest axis first */
    size_t count;                /* elements: the product of the extents, 1 for rank 0 */
    void *data;                  /* uint8_t[count] or float[count], owned */
};

/*
 * Reads an array. Little-endian C-order uint8, float32 and float64 (narrowed to float32)
 * are accepted; the size of the file is checked against the header before it is believed.
 * On failure *array is zeroed.
 */
int npy_read(const char *path, struct npy *array, VbpError *error);
void npy_free(struct npy *array);

/* Writes rank extents of elements to `path`, all or nothing (file_writer). */
int npy_write(const char *path, enum npy_type type, const void *data, int rank,
              const size_t *extent, VbpError *error);

#endif
