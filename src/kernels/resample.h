/*
 * Resizing as sparse sums along one axis: each output cell is the weighted sum of source cells that
 * lie side by side. The four filters follow OpenCV's definitions (INTER_NEAREST, INTER_LINEAR,
 * INTER_CUBIC with a = -0.75, INTER_AREA), since that is what the scripts that trained the networks
 * used.
 */
#ifndef VBP_KERNELS_RESAMPLE_H
#define VBP_KERNELS_RESAMPLE_H

#include <stdbool.h>
#include <stddef.h>

enum resample_filter {
    RESAMPLE_BILINEAR,
    RESAMPLE_AREA,       /* mean over the covered cells, when shrinking along both axes */
    RESAMPLE_AREA_GROWN, /* what INTER_AREA does when one axis grows */
    RESAMPLE_NEAREST,
    RESAMPLE_BICUBIC
};

#define TAPS_GROUP 4

struct taps {
    int outputs;
    int *start, *count; /* of each output: its cells start .. start + count - 1 */
    /* Of output i from weight[i * pitch] on; they sum to 1. Zeros follow up to the pitch, which is
     * a multiple of TAPS_GROUP. */
    float *weight;
    int pitch;
};

/* Taps from `source` cells to `outputs` cells, both >= 1. False without memory; *taps zeroed then.
 */
bool taps_make(struct taps *taps, enum resample_filter filter, int source, int outputs);
void taps_free(struct taps *taps);

/* outputs[i] = the sum of output i over the cells. */
void taps_sum(const struct taps *taps, const float *cells, float *outputs);

#endif
