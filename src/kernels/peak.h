/*
 * The most multiply-adds that a core can do: a loop on registers alone, for each instruction set
 * that has kernels. It is the limit that the speed of a network is held against.
 */
#ifndef VBP_KERNELS_PEAK_H
#define VBP_KERNELS_PEAK_H

#include <stddef.h>

struct peak {
    size_t operations_per_step; /* a multiply-add counts as two */
    /* Returns a number that depends on all that was calculated. */
    float (*run)(size_t steps);
};

/* Operations per second of one core, in 1e9: the best of several short runs; takes some 20 ms. */
double peak_gflops(const struct peak *peak);

extern const struct peak peak__c, peak__avx2, peak__avx512;

#endif
