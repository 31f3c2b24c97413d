/*
 * Resizing as sparse sums along one axis: output cell i is the weighted sum of source cells
 * index[first[i]] .. index[first[i + 1] - 1]. The four filters follow OpenCV's definitions
 * (INTER_NEAREST, INTER_LINEAR, INTER_CUBIC with a = -0.75, INTER_AREA), since that is what the
 * scripts that trained the networks used.
 */
#ifndef VBP_KERNELS_RESAMPLE_H
#define VBP_KERNELS_RESAMPLE_H

#include <stdbool.h>

enum resample_filter {
    RESAMPLE_BILINEAR,
    RESAMPLE_AREA,       /* mean over the covered cells, when shrinking along both axes */
    RESAMPLE_AREA_GROWN, /* what INTER_AREA does when one axis grows */
    RESAMPLE_NEAREST,
    RESAMPLE_BICUBIC
};

struct taps {
    int outputs;
    int most;      /* taps of the output that has the most */
    int *first;    /* outputs + 1 entries */
    int *index;    /* source cells, inside 0..source - 1 */
    float *weight; /* sum to 1 for each output */
};

/* Taps from `source` cells to `outputs` cells, both >= 1. False without memory; *taps zeroed then.
 */
bool taps_make(struct taps *taps, enum resample_filter filter, int source, int outputs);
void taps_free(struct taps *taps);

#endif
