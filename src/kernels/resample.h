/*
 * Resizing as sparse sums along one axis: output cell i is the weighted sum of source cells
 * start[i] .. start[i] + first[i + 1] - first[i] - 1, which have the weights weight[first[i]] and
 * so on. The four filters follow OpenCV's definitions (INTER_NEAREST, INTER_LINEAR, INTER_CUBIC
 * with a = -0.75, INTER_AREA), since that is what the scripts that trained the networks used.
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

struct taps {
    int outputs;
    int *start;    /* the first source cell of each output; all lie inside 0..source - 1 */
    int *first;    /* outputs + 1 entries: where the output's weights begin */
    float *weight; /* sum to 1 for each output */
};

/* Taps from `source` cells to `outputs` cells, both >= 1. False without memory; *taps zeroed then.
 */
bool taps_make(struct taps *taps, enum resample_filter filter, int source, int outputs);
void taps_free(struct taps *taps);

/* outputs[i] = the sum of output i over the cells. */
void taps_sum(const struct taps *taps, const float *cells, float *outputs);

/*
 * The same for three values a cell, which lie `step` floats apart, 3 or 4; one float behind those
 * of the last cell is read too. The outputs of the second value lie taps->outputs behind those of
 * the first, and so on.
 */
void taps_sum_three(const struct taps *taps, const float *cells, size_t step, float *outputs);

#endif
