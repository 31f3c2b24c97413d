/* The axes of a plot: what they span, and where their ticks are. */
#ifndef VBP_DRAW_PLOT_AXIS_H
#define VBP_DRAW_PLOT_AXIS_H

#include <stdbool.h>
#include <stddef.h>

/* Values beyond it would overflow when they are subtracted. */
#define PLOT_LIMIT 1e300

#define PLOT_MAX_TICKS 64
#define PLOT_TICK_SIZE 32 /* bytes of a tick's text */

struct plot_tick {
    double value;
    char text[PLOT_TICK_SIZE]; /* empty: a tick between those with a number */
};

struct plot_axis {
    double least, most;                     /* least < most */
    bool logarithmic;                       /* least > 0 */
    struct plot_tick ticks[PLOT_MAX_TICKS]; /* rising */
    int tick_count;
};

struct plot_span {
    double least, most; /* least > most: nothing is drawn */
};

/*
 * Sets the axis to the span (widened where it is a single value, 0 to 1 where there is none), with
 * ticks at multiples of 1, 2 or 5 times a power of ten that is not below least_step: about
 * most_ticks of them, but two or more. rounded: the span is extended a little, to a fifth of the
 * distance of two ticks.
 */
void plot_axis_set(struct plot_axis *axis, struct plot_span span, int most_ticks, double least_step,
                   bool rounded);

/*
 * The same on a logarithmic axis (span.least > 0; 1 to 10 where there is no span), extended to the
 * next 1, 2 or 5 times a power of ten at both ends.
 */
void plot_axis_set_logarithmic(struct plot_axis *axis, struct plot_span span, int most_ticks);

/* Where on the axis a value of its span is: 0 at its beginning, 1 at its end. */
double plot_axis_place(const struct plot_axis *axis, double value);

#endif
