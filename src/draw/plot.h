/* Line plots: a loss over epochs, steering over time. */
#ifndef VBP_DRAW_PLOT_H
#define VBP_DRAW_PLOT_H

#include "draw/surface.h"

#include <stdbool.h>

/* As many as there are colours that every eye can tell apart. */
#define PLOT_MAX_SERIES 8

/*
 * A line through points in their order. Where x or y is not a number, or beyond 1e300 either way,
 * the line is broken; on a logarithmic axis also where y is not above 1e-300. A point between two
 * breaks is drawn as a dot, and so are all points of a series that has few.
 */
struct plot_series {
    const char *name;    /* in the legend; NULL: not listed there */
    const double *x, *y; /* count values each; x NULL: 0, 1, 2 ... */
    size_t count;        /* may be 0 */
};

/* Texts may be NULL: none. Labels carry the unit: "time / s". */
struct plot_options {
    const char *title, *x_label, *y_label;
    bool log_y;
};

/*
 * Draws up to PLOT_MAX_SERIES series into a picture of that size (240 x 160 to 16384 a side). The
 * axes span what is drawn, y a little more; without any point, the plot says so. *pixels (RGB24,
 * rows of width * 3 bytes) is the caller's, to be freed; NULL on failure.
 */
int plot_draw(const struct plot_options *options, const struct plot_series *series, int count,
              int width, int height, uint8_t **pixels, VbpError *error);

/* The colour of series i, 0 .. PLOT_MAX_SERIES - 1. */
struct color plot_color(int i);

#endif
