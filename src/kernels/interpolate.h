/* Pictures of any other size, as layers of networks make them. */
#ifndef VBP_KERNELS_INTERPOLATE_H
#define VBP_KERNELS_INTERPOLATE_H

#include <stddef.h>

enum interpolate_function {
    INTERPOLATE_LINEAR,     /* between the two cells on either side */
    INTERPOLATE_FLOOR,      /* the cell before the position */
    INTERPOLATE_CEILING,    /* the one behind it */
    INTERPOLATE_ROUND_DOWN, /* the nearest; of two the one before */
    INTERPOLATE_ROUND_UP    /* of two the one behind */
};

/* Where output cell i of n lies among m input cells. */
enum interpolate_grid {
    GRID_CENTRES, /* (i + 1/2) m / n - 1/2: both pictures have the same borders */
    GRID_FIRST,   /* i m / n: the first cells lie upon each other */
    GRID_ENDS     /* i (m - 1) / (n - 1): the first cells do, and the last ones */
};

struct interpolation {
    enum interpolate_function function;
    enum interpolate_grid grid;
};

/* channels x height x width to channels x output_height x output_width, apart from each other.
 * Positions outside the input are moved to its border. */
void interpolate_run(struct interpolation interpolation, const float *input, size_t channels,
                     int height, int width, int output_height, int output_width, float *output);

/*
 * The way back of a one-channel map of what such a layer made, to the size of its input. Along an
 * axis on which the layer made the picture larger, a cell is the mean of the map's cells that it
 * went into, weighted as it went into them; along one on which it made it smaller, the map is
 * interpolated linearly, since not every cell went into one. scratch: interpolate_back_scratch
 * floats.
 */
void interpolate_back(struct interpolation interpolation, const float *map, int map_height,
                      int map_width, int height, int width, float *output, float *scratch);
size_t interpolate_back_scratch(int map_width, int height, int width);

#endif
