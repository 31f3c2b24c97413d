/* What the files of kernels/convolution_direct share. */
#ifndef VBP_KERNELS_CONVOLUTION_DIRECT_STATE_H
#define VBP_KERNELS_CONVOLUTION_DIRECT_STATE_H

#include "kernels/convolution_direct.h"

/*
 * Sums over runs of a padded picture: what correlations of one kind have in common. Channels of
 * the output come in panels, as wide as a tile; each has weights of its own:
 *
 *     weights: groups x panels x [run][float of the run][channel of the panel]
 */
struct runs {
    ptrdiff_t *offset; /* of each run, floats from the position */
    size_t count, length;
    size_t channels; /* of the output, of one group */
    size_t panel;    /* channels of a panel, all but the last one */
    float *weights;
    size_t group_weights;
};

/*
 * Input cells whose windows touch them alike: with stride s, cell s * q + phase - pad takes from
 * the outputs q - m the weights of the kernel cells k with k * dilation == phase + s * m.
 */
struct phase {
    struct runs runs;
    int cells[2], first_cell[2], cell_step[2]; /* those k along each axis */
    int runs_in_line;                          /* for one of them along the height */
    int first[2];                              /* q of the first cell that lies in the input */
    int count[2];                              /* of such cells */
    int corner[2];                             /* in the input, that first cell */
};

struct convolution_direct {
    struct convolution convolution;
    const struct tiles *tiles;
    size_t group_inputs, group_outputs; /* channels of a group */
    size_t input_row, gradient_row;     /* floats of a padded row */
    size_t input_size, gradient_size;
    int front, back; /* cells of padding before and behind a gradient's rows */

    struct runs forward;
    float *bias; /* group after group, each filled up with zeros to a whole panel */
    float *zeros;
    size_t group_bias;
    struct phase *phases;
    int phase_count;

    float *sums; /* of weight gradients: output channels x runs x sums_length */
    size_t sums_length;
    double *bias_sums; /* and of bias gradients */
    float *row_sums;   /* scratch for them */
};

size_t convolution_round_up(size_t value, size_t step);

/* The i-th kernel cell of a phase along an axis, and its m; in the order of the outputs: those with
 * the largest m, which take the last kernel cells, come first. */
int convolution_phase_cell(const struct phase *phase, int axis, int i);
int convolution_outputs_before(const struct window *window, int axis, int k);

/* Rows of a picture, in either layout, between rows and cells of zeros. */
void convolution_pad(const float *picture, size_t channels, size_t height, size_t width,
                     bool channels_last, const int *front, const int *back, float *padded);

/*
 * One row of positions, all channels of a group, panel after panel, over run_count of the runs from
 * first_run on.
 */
bool convolution_correlate_row(const struct convolution_direct *direct, const struct runs *runs,
                               struct correlation *correlation, size_t first_run, int group,
                               const float *bias, const float *input, float *output,
                               size_t positions);

#endif
