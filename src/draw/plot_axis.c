#include "draw/plot_axis.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Spans narrower than this share of their values cannot be labelled; they count as one value. */
#define LEAST_SHARE 1e-9

/* Axes that reach the one, or steps below the other, are labelled with powers of ten. */
#define LARGEST_PLAIN  1e6
#define SMALLEST_PLAIN 1e-4

/* From 5 to 2, from 2 to 1, from 1 to 0.5, times a power of ten. */
static double next_smaller_step(double step)
{
    double power = pow(10, floor(log10(step) + 1e-9));
    double factor = step / power;

    return factor > 4 ? 2 * power : factor > 1.5 ? power : power / 2;
}

/* The smallest of 1, 2 or 5 times a power of ten that is not below `least`. */
static double nice_step(double least)
{
    static const double factors[] = {1, 2, 5};
    double power = pow(10, floor(log10(least)));

    for (int i = 0; i < 3; i++) {
        /* What is too small by rounding alone is not too small. */
        if (factors[i] * power >= least * (1 - 1e-9))
            return factors[i] * power;
    }
    return 10 * power;
}

/* 1.50e-05 as 1.5e-5. */
static void shorten_power(char *text)
{
    char *power = strchr(text, 'e'), *end = power;
    long exponent;

    if (!power)
        return;
    exponent = strtol(power + 1, NULL, 10);
    if (memchr(text, '.', (size_t)(power - text))) {
        while (end[-1] == '0')
            end--;
        if (end[-1] == '.')
            end--;
    }
    snprintf(end, (size_t)(text + PLOT_TICK_SIZE - end), "e%ld", exponent);
}

/* A multiple of step on an axis whose largest value is `largest`. */
static void write_number(char *text, double value, double step, double largest)
{
    char plain[PLOT_TICK_SIZE];
    size_t used = 0;

    if (fabs(value) < step / 1e6)
        snprintf(plain, sizeof(plain), "0");
    else if (largest >= LARGEST_PLAIN || step < SMALLEST_PLAIN)
        snprintf(
            plain, sizeof(plain), "%.*e",
            (int)fmin(12, fmax(0, floor(log10(fabs(value)) + 1e-9) - floor(log10(step) + 1e-9))),
            value);
    else
        snprintf(plain, sizeof(plain), "%.*f", (int)fmax(0, ceil(-log10(step) - 1e-9)), value);
    shorten_power(plain);
    /* A minus is as wide as a plus, a hyphen is not. */
    for (const char *c = plain; *c && used + 4 <= PLOT_TICK_SIZE; c++)
        used += (size_t)snprintf(text + used, PLOT_TICK_SIZE - used, "%s%.1s",
                                 *c == '-' ? "\u2212" : "", *c == '-' ? "" : c);
}

/* The tick's text gets as many digits as `step` has; `largest` is that of all that go with it. */
static void add_tick(struct plot_axis *axis, double value, double step, double largest,
                     bool labelled)
{
    struct plot_tick *tick;

    if (axis->tick_count == PLOT_MAX_TICKS)
        return;
    tick = &axis->ticks[axis->tick_count++];
    tick->value = value;
    tick->text[0] = '\0';
    if (labelled)
        write_number(tick->text, value, step, largest);
}

void plot_axis_set(struct plot_axis *axis, struct plot_span span, int most_ticks, double least_step,
                   bool rounded)
{
    double magnitude, largest, step, first, last;

    memset(axis, 0, sizeof(*axis));
    if (!(span.least <= span.most))
        span = (struct plot_span){0, 1};
    magnitude = fmax(fabs(span.least), fabs(span.most));
    if (magnitude < 1 / PLOT_LIMIT)
        magnitude = 0;
    if (span.most - span.least <= magnitude * LEAST_SHARE || magnitude == 0) {
        double middle = span.least + (span.most - span.least) / 2;
        double around = magnitude > 0 ? fmax(magnitude / 10, least_step) : 1;

        span = (struct plot_span){middle - around, middle + around};
    }
    most_ticks = most_ticks < 2 ? 2 : most_ticks < PLOT_MAX_TICKS ? most_ticks : PLOT_MAX_TICKS;
    step = nice_step(fmax((span.most - span.least) / (most_ticks - 1), least_step));
    for (;;) {
        axis->least = span.least;
        axis->most = span.most;
        if (rounded) {
            axis->least = fmin(span.least, floor(span.least / step * 5 + 1e-9) * step / 5);
            axis->most = fmax(span.most, ceil(span.most / step * 5 - 1e-9) * step / 5);
        }
        first = ceil(axis->least / step - 1e-9);
        last = floor(axis->most / step + 1e-9);
        if (last - first >= 1)
            break;
        step = next_smaller_step(step);
    }
    largest = fmax(fabs(axis->least), fabs(axis->most));
    for (int i = 0; i <= (int)(last - first); i++)
        add_tick(axis, (first + i) * step, step, largest, true);
}

/* Mark number i of 1, 2, 5, 10, 20 ...: i = 0 is 1, i = -1 is 0.5. */
static double mark(int i)
{
    static const double factors[] = {1, 2, 5};
    int decade = (int)floor(i / 3.0);

    return factors[i - 3 * decade] * pow(10, decade);
}

void plot_axis_set_logarithmic(struct plot_axis *axis, struct plot_span span, int most_ticks)
{
    int first, last, begin, end, every = 1;

    memset(axis, 0, sizeof(*axis));
    axis->logarithmic = true;
    if (!(span.least <= span.most) || !(span.least > 0))
        span = (struct plot_span){1, 10};
    first = 3 * (int)floor(log10(span.least));
    while (mark(first + 1) <= span.least * (1 + 1e-9))
        first++;
    last = 3 * (int)floor(log10(span.most));
    while (mark(last) < span.most * (1 - 1e-9))
        last++;
    if (last == first) {
        first--;
        last++;
    }
    axis->least = fmin(mark(first), span.least);
    axis->most = fmax(mark(last), span.most);
    if (most_ticks < 2)
        most_ticks = 2;
    begin = (int)ceil(first / 3.0);
    end = (int)floor(last / 3.0);
    while ((end - begin) / every + 1 > most_ticks)
        every++;
    /* All marks have numbers; or all decades and the rest lines; or some of the decades. */
    for (int i = first; i <= last; i++) {
        bool decade = i == 3 * (int)floor(i / 3.0);
        bool all = last - first < most_ticks || (last - first < 4 && end - begin < 1);
        bool labelled = all || (decade && i / 3 % every == 0);

        if (labelled || last - first < 4 * most_ticks || (decade && end - begin < 4 * most_ticks))
            add_tick(axis, mark(i), mark(i), mark(i), labelled);
    }
}

double plot_axis_place(const struct plot_axis *axis, double value)
{
    if (axis->logarithmic)
        return (log10(value) - log10(axis->least)) / (log10(axis->most) - log10(axis->least));
    return (value - axis->least) / (axis->most - axis->least);
}
