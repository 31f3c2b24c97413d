/* What the files of saliency/visualbackprop share. */
#ifndef VBP_SALIENCY_VISUALBACKPROP_STATE_H
#define VBP_SALIENCY_VISUALBACKPROP_STATE_H

#include "kernels/map.h"
#include "saliency/visualbackprop.h"

/*
 * The walk is compiled into steps over map buffers. For a chain conv1 relu1 conv2 relu2 flatten:
 *
 *     ONES      buffer 0        relu2's map starts with ones: the flatten reads it
 *     MULTIPLY  buffer 0        by the average of relu2 -> its product
 *     SCALE_UP  buffer 0 -> 1   through conv2, to the size of relu1, by its average -> its product
 *     SCALE_UP  buffer 1 -> 2   through conv1, to the size of the input
 */
enum step_kind {
    STEP_ONES,     /* to = 1 */
    STEP_SCALE_UP, /* to = transposed convolution of from, times average of level if there is one */
    STEP_COPY,     /* to = from */
    STEP_TURN,     /* to = from with rows and columns exchanged */
    STEP_PAD,      /* to = from with zeros around it, or cut */
    STEP_SHRINK,   /* to = means of blocks of from */
    STEP_GATHER,   /* to = all-ones convolution of from: through a transposed convolution */
    STEP_RESIZE,   /* to = from brought back to the size it was resized from */
    STEP_MERGE,    /* to += share * from / max(from) */
    STEP_ZERO,     /* to = 0, before merging */
    STEP_MULTIPLY  /* to *= average of level */
};

struct step {
    enum step_kind kind;
    int from, to; /* buffers */
    int level;    /* -1: none */
    float share;
    int height, width; /* STEP_TURN, PAD, SHRINK, GATHER, RESIZE: of `to` */
    /* STEP_PAD: size of `from` and where in `to` it begins; STEP_SHRINK: size of a block;
     * STEP_GATHER, RESIZE: size of `from`. */
    int64_t extent[2], begin[2];
    struct map_scale_up scale_up;       /* its average is set by level */
    struct window window;               /* STEP_GATHER */
    struct interpolation interpolation; /* STEP_RESIZE */
    float *even_rows, *even_columns;    /* owned; NULL: not even */
};

/* A map; what it means is values * 2^exponent. */
struct buffer {
    float *values;
    size_t cells;
    int exponent;
    struct map_range range; /* of what STEP_SCALE_UP made */
};

struct visualbackprop {
    const struct graph *graph;
    bool even;
    struct step *steps;
    struct buffer *buffers;
    int step_count, buffer_count;
    bool on_the_way; /* the last step makes the rows of the last but one, which is not kept */
    const struct forward *forward; /* of the last run, if that product is still to be made */
    size_t step_capacity, buffer_capacity;
    int *map_of;     /* per tensor: buffer with its finished map, -1 none */
    int *product_of; /* per level: buffer */
    float *scratch;
    size_t scratch_size;
    float *mask, *own_mask; /* NULL: the mask takes the place of the last step's map */
    size_t mask_cells;
    float minimum, maximum;
};

/* visualbackprop_plan.c: adds the steps of all tensors, the last level's first, and their buffers.
 * What it leaves after a failure is freed with the walk. */
int visualbackprop_plan(struct visualbackprop *walk, VbpError *error);

#endif
