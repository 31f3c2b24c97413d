/* Small HDF5 files in memory with one of everything that files of networks may have. */
#ifndef VBP_TESTS_SUPPORT_HDF5_BUILDER_H
#define VBP_TESTS_SUPPORT_HDF5_BUILDER_H

#include <stdbool.h>
#include <stddef.h>

enum hdf5_style {
    HDF5_OLD,   /* superblock 0 */
    HDF5_MIXED, /* superblock 0, links in the order of their creation */
    HDF5_NEW    /* what libhdf5 writes when it may use all it knows */
};

/* Every kind of dataset, group, link, attribute and type. *bytes is to be freed. */
void hdf5_build_all(enum hdf5_style style, unsigned char **bytes, size_t *length);

/* A group in a group with a dataset, one in packed chunks, and texts; nodes are small. */
void hdf5_build_small(unsigned char **bytes, size_t *length);

#endif
