/*
 * The inner loops of convolutions for running one picture: a tile of sums in registers. One version
 * for each instruction set. Tiles are of two kinds:
 *
 *     wide    a vector holds cells side by side along the picture's width; a few vectors, one set
 *             for each of a few output channels
 *     deep    a vector holds output channels of one cell; a few vectors for each of a few cells
 *             side by side: for narrow pictures, on which wide ones waste lanes
 *
 * In wide tiles, a picture's rows lie one behind the other (flat), so that narrow pictures fill
 * vectors too: a tile begins at a flat position and may run over the ends of rows. What it sums up
 * there is thrown away: segments say which lanes of which vector are cells of the output.
 *
 *     pitch = 7, 5 cells of a row are output, vectors of 8:
 *
 *     row 0          row 1          row 2
 *     0 1 2 3 4 . .  0 1 2 3 4 . .  0 1 2 3 4
 *     |--vector 0------|--vector 1-----|--vector 2
 */
#ifndef VBP_KERNELS_FLAT_H
#define VBP_KERNELS_FLAT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define FLAT_MAX_VECTORS  3
#define FLAT_MAX_CHANNELS 8
#define FLAT_MAX_DEPTH    4  /* vectors of channels in a deep tile */
#define FLAT_MAX_COLUMNS  14 /* of a deep tile */
#define FLAT_MAX_WIDTH    16 /* floats of the widest vector */
#define FLAT_MAX_STRIDE   8

/*
 * What a row of output is summed up from. Alone: FLAT_BOTH only. In pairs of rows, one above the
 * other, four sums give two rows:
 *
 *     upper = both + cross + upper's own        lower = both - cross + lower's own
 */
enum flat_list { FLAT_BOTH, FLAT_CROSS, FLAT_UPPER, FLAT_LOWER, FLAT_LISTS };

/* What is done with a sum before it is stored. */
enum flat_function {
    FLAT_CUT,   /* to least .. most */
    FLAT_SLOPE, /* x < 0: times its channel's slope */
    FLAT_ELU    /* beta * (x > 0 ? x : alpha * (exp(x) - 1)) */
};

struct flat_activation {
    enum flat_function function;
    float least, most; /* -INFINITY, INFINITY: nothing is done */
    float alpha, beta;
    const float *slope;
    float negative; /* an average takes negative values so many times: 1, 0, or -1 for magnitudes */
};

/* Lanes first to end - 1 of a vector are cells of output row `row` (pairs: and of the one below);
 * lane i is cell x + i of it. */
struct flat_segment {
    int32_t x, row;
    uint8_t first, end;
};

struct flat_tile {
    const float *input;      /* at the tile's first position */
    const int32_t *offset;   /* per tap, list by list: where its floats lie, from input on */
    size_t taps[FLAT_LISTS]; /* of each list */
    bool pairs;              /* all lists, two rows */
    const float *weights;    /* taps x channels; deep: filled up with zeros to whole vectors */
    const float *bias;       /* per channel; deep: filled up too */
    const struct flat_activation *activation;
    const float *slope; /* of the first channel; FLAT_SLOPE only */
    size_t channels;    /* deep: of the tile */
    /*
     * Wide: all lanes are cells side by side of one row that there is (pairs: two rows), to be cut
     * and averaged as they are. Such a tile's output and average begin at its first cell. Others
     * have segments: those of vector v are segment_of[v] .. segment_of[v + 1] - 1.
     */
    bool straight;
    const int32_t *segment_of;
    const struct flat_segment *segments;
    int32_t average_rows; /* the same of the average */
    int32_t rows;         /* output rows there are: what lies beyond is not stored */
    float *output;        /* of the first channel */
    size_t plane;         /* floats from one channel to the next */
    size_t next_row;      /* from one row to the next */
    float *average;       /* of the first row: mean over channels; NULL: not wanted */
    size_t average_row;   /* from one row of it to the next */
    float *sums;          /* scratch for it: 2 * FLAT_MAX_VECTORS * FLAT_MAX_WIDTH floats */
    bool first, last;     /* of the channels: the sums begin or end */
    float factor;         /* 1 / channels */
    float *check;         /* FLAT_MAX_WIDTH floats: NaN from the first NaN or infinity on, else 0;
                           * NULL: not wanted */
};

/*
 * What rows d0, d1, ... of the input become: rows of planes, in this order. These are the factors
 * of the products in kernels/convolution_flat.h.
 */
enum flat_blend {
    FLAT_ALONE,  /* d0 */
    FLAT_PAIR_1, /* d0, d1 */
    FLAT_PAIR_2, /* d1, d0 - d1, d2 - d1 */
    FLAT_PAIR_3  /* d1 + d2, d2 - d1, d0 - d2, d3 - d1 */
};
#define FLAT_MAX_ROWS 4 /* of input, and of planes */

struct flat_rows {
    enum flat_blend blend;
    size_t channels;                 /* each a few rows of input: of `row`, */
    const float *row[FLAT_MAX_ROWS]; /* those of the first channel, */
    size_t next_row[FLAT_MAX_ROWS];  /* and so much further on for each one after it; 0: the same */
    size_t count;                    /* floats of each */
    int stride;                      /* <= FLAT_MAX_STRIDE */
    size_t phases;                   /* of the columns that are wanted: the first ones */
    float *to;                       /* row of the first plane */
    size_t next_to;                  /* from one channel to the next */
    size_t plane;                    /* from one plane to the next */
    size_t phase;                    /* from the plane of one phase of the columns to the next */
    size_t pitch;                    /* floats of a row of a plane */
    size_t before, behind;           /* so many of them, at most, are to be 0, not made of input */
    const size_t *start; /* cell i of a row goes to to[start[i % stride] + i / stride] */
};

struct flat {
    size_t width;    /* floats in a vector */
    size_t channels; /* most in a tile */

    /* Columns of a deep tile of so many vectors, at most; 0: there are no such tiles. */
    size_t columns[FLAT_MAX_DEPTH + 1];

    /* Reads whole vectors: up to FLAT_MAX_WIDTH floats behind the last position's. */
    void (*run)(const struct flat_tile *tile, size_t vectors, size_t channels);
    void (*run_deep)(const struct flat_tile *tile, size_t columns, size_t vectors);

    /* Reads and writes nothing but the cells that it is told. */
    void (*prepare)(const struct flat_rows *rows);

    /* output[o] = bias[o] + sum of weights[o * inputs + i] * input[i]; bias NULL: 0. */
    void (*dense)(const float *input, size_t inputs, const float *weights, const float *bias,
                  size_t outputs, float *output);
};

extern const struct flat flat__c, flat__avx2, flat__avx512;

#endif
