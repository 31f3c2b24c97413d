/*
 * How much of a mask lies on what steering should come from: the share of its energy on known
 * objects, beside the share of the area that these objects take. A mask that knows nothing of them
 * has both alike; their quotient is the lift.
 */
#ifndef VBP_SALIENCY_ENERGY_H
#define VBP_SALIENCY_ENERGY_H

#include "base/error.h"
#include "vbp.h"

#include <stddef.h>
#include <stdint.h>

/* What the pixels of a frame show. */
struct energy_truth {
    const uint8_t *pixels; /* height rows of width bytes; anything but 0 is an object */
    ptrdiff_t stride;      /* bytes from row to row */
    int height, width;
    int dilation; /* frame pixels: as far around an object counts as the object, >= 0 */
};

/*
 * mask: mask_height x mask_width values >= 0, spread evenly over `crop`, a rectangle within the
 * frame; outside there is neither energy nor area. *share: energy on objects / all energy, 0 for a
 * mask of zeros. *area: the part of the crop that is object, 0..1. VBP_ERROR_MEMORY.
 */
int energy_measure(const struct energy_truth *truth, VbpRectangle crop, const float *mask,
                   int mask_height, int mask_width, double *share, double *area, VbpError *error);

#endif
