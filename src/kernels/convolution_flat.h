/*
 * Convolutions for running one picture at a time, without making columns: rows of the input are
 * prepared as planes, then the tiles of kernels/flat.h sum up shifted stretches of them.
 *
 * Rows of output are made one by one or, where that takes fewer multiplications, in pairs: the two
 * rows share sums and differences of input rows (the minimal filtering of Winograd, down the
 * columns only, so that nothing is lost at any width). d0, d1, ... are the rows that a pair reads
 * of one phase of the vertical stride, g0, g1, ... the kernel's rows there:
 *
 *     3 kernel rows   both   (d1 + d2) (g0 + g1 + g2) / 2     4 products for 6
 *                     cross  (d2 - d1) (g0 - g1 + g2) / 2
 *                     upper  (d0 - d2) g0
 *                     lower  (d3 - d1) g2
 *     2 kernel rows   both         d1  (g0 + g1)              3 for 4
 *                     upper  (d0 - d1) g0
 *                     lower  (d2 - d1) g1
 *     1 kernel row    upper        d0  g0                     2 for 2
 *                     lower        d1  g0
 */
#ifndef VBP_KERNELS_CONVOLUTION_FLAT_H
#define VBP_KERNELS_CONVOLUTION_FLAT_H

#include "kernels/convolution.h"
#include "kernels/flat.h"

struct convolution_flat;

/* How it is done: in which tiles (kernels/flat.h), and rows of output alone or in pairs. */
enum convolution_way {
    WAY_CHEAPEST,
    WAY_WIDE,
    WAY_WIDE_PAIRS,
    WAY_DEEP,
    WAY_DEEP_PAIRS,
    WAY_COUNT
};

/*
 * Takes over weights and bias (NULL: zeros), laid out as in kernels/convolution.h. *flat is NULL
 * where this way does not suit the convolution (several groups, dilated pairs, pictures so small
 * or strides so large that im2col is faster: decided by counting, never by measuring, so that
 * results are the same everywhere). WAY_CHEAPEST decides; the others take what can be done at all.
 * False without memory.
 */
bool convolution_flat_create(struct convolution_flat **flat, const struct convolution *convolution,
                             const struct flat *kernels, enum convolution_way way,
                             const float *weights, const float *bias);
void convolution_flat_destroy(struct convolution_flat *flat);

const struct convolution *convolution_flat_of(const struct convolution_flat *flat);

/* Floats of scratch; must be finite numbers when it is first used. 64-byte aligned. */
size_t convolution_flat_scratch(const struct convolution_flat *flat);

/* Rows of output come in bands of so many (the last band may have fewer). */
int convolution_flat_band(const struct convolution_flat *flat);

/* Multiply-adds that a run really does, lanes that are thrown away included. */
double convolution_flat_cost(const struct convolution_flat *flat);

/*
 * Pictures may be rings, of which only the last rows are kept: row y lies at y % rows. A ring of
 * the output holds a multiple of convolution_flat_band rows; then the
 * rows of one run lie between two multiples of that.
 */
struct convolution_flat_run {
    const float *input; /* channels x input_rows x input_pitch */
    int input_rows;     /* the height, or less: a ring */
    size_t input_pitch; /* floats from one row to the next: the width or more */
    float *output;      /* the same */
    int output_rows;
    size_t output_pitch;
    struct flat_activation activation;
    float *average;  /* height x width: mean over channels of the results; NULL: not wanted */
    int average_end; /* which is stored up to this row */
    bool check;      /* looks for NaN and infinity; else none may come up, and true is returned */
};

/*
 * Rows first_row, which is even, to end_row - 1. Each value is made by the same operations
 * in the same order whichever rows are made with it. If that is checked, false where a value,
 * before it is cut, is NaN or infinite (also where it would be in cells that no window touches, so
 * inputs are to be finite); the output is undefined then.
 */
bool convolution_flat_run(const struct convolution_flat *flat,
                          const struct convolution_flat_run *run, int first_row, int end_row,
                          float *scratch);

#endif
