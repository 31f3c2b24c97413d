/* What the files of kernels/convolution_flat share. */
#ifndef VBP_KERNELS_CONVOLUTION_FLAT_STATE_H
#define VBP_KERNELS_CONVOLUTION_FLAT_STATE_H

#include "kernels/convolution_flat.h"

/* More rows of the kernel in one phase than this are not done in pairs. */
#define PHASE_ROWS_MAX 3

/*
 * A plane holds, for each step (a row or a pair of rows of output), one row made of rows of the
 * input; split by the horizontal stride:
 *
 *     plane:  column phase 0: step 0, step 1, ... each `pitch` floats;  column phase 1: ...
 *     scratch:  input channel 0: plane 0, plane 1, ...;  input channel 1: ...;  a row of zeros
 */
struct plane {
    enum flat_list list;
    float factor[PHASE_ROWS_MAX]; /* the weight is the sum of factor[i] * kernel row[i] */
    int kernel_row, kernel_step;  /* kernel row 0, and from one to the next */
};

/* Planes of one phase of the vertical stride: made of input rows phase, phase + stride, ... */
struct phase {
    enum flat_blend blend;
    int first_plane;
};

struct convolution_flat {
    struct convolution convolution;
    const struct flat *kernels;
    bool pairs, deep;
    struct phase phases[FLAT_MAX_STRIDE]; /* one for each vertical phase */
    struct plane *planes;
    int plane_count;
    int input_step; /* input rows from one step to the next */
    int extra;      /* rows of a plane beyond those of its steps: alone, for the kernel's rows */

    /* Planes are made and read block by block: `band` steps, `chunk` columns of output. */
    int band;
    size_t chunk;
    size_t column_phases; /* of the horizontal stride, that planes hold */
    size_t pitch;         /* floats from a row of a plane to the next */
    size_t plane_size;    /* of one column phase */
    size_t channel_size;  /* of all planes of an input channel */
    size_t taps[FLAT_LISTS], tap_count;
    int32_t *offset;
    float *weights, *bias;
    size_t vectors, columns; /* deep: of a tile, at most */
    int32_t *segment_of;     /* wide */
    struct flat_segment *segments;
};

static inline int rows_of_step(const struct convolution_flat *flat)
{
    return flat->pairs ? 2 : 1;
}

static inline size_t divide_up(size_t value, size_t step)
{
    return (value + step - 1) / step;
}

/* The first of the parts, as even as can be and at most `most` long, that `left` is split into. */
static inline size_t even_part(size_t left, size_t most)
{
    return divide_up(left, divide_up(left, most));
}

/* Output channels, with what fills up the last vector of them. */
static inline size_t whole_channels(const struct convolution_flat *flat)
{
    size_t channels = (size_t)flat->convolution.sizes.output_channels;

    return flat->deep ? divide_up(channels, flat->kernels->width) * flat->kernels->width : channels;
}

/* Channels of the tile that begins at channel `first`: a part of all that is as even as can be. */
static inline size_t tile_channels(const struct convolution_flat *flat, size_t first)
{
    size_t width = flat->deep ? flat->kernels->width : 1;
    size_t most = flat->deep ? flat->vectors : flat->kernels->channels;

    return even_part((whole_channels(flat) - first) / width, most) * width;
}

/* convolution_flat_taps.c: counts the taps; lays out where they read, and the weights. False
 * without memory. */
void convolution_flat_count_taps(struct convolution_flat *flat);
bool convolution_flat_create_taps(struct convolution_flat *flat, const float *weights,
                                  const float *bias);

/* Vectors of a block of so many steps. */
size_t convolution_flat_vectors(const struct convolution_flat *flat, int steps);

/* Where in the scratch the row of zeros is. */
size_t convolution_flat_zeros(const struct convolution_flat *flat);

#endif
