#include "kernels/interpolate.h"

#include <math.h>

/* (1 - share) * cell `first` + share * cell `second` */
struct tap {
    int first, second;
    float share;
};

static double position_of(enum interpolate_grid grid, int inputs, int outputs, int index)
{
    switch (grid) {
    case GRID_CENTRES:
        return (index + 0.5) * inputs / outputs - 0.5;
    case GRID_ENDS:
        return outputs > 1 ? (double)index * (inputs - 1) / (outputs - 1) : 0;
    case GRID_FIRST:
        break;
    }
    return (double)index * inputs / outputs;
}

static double cell_of(enum interpolate_function function, double position)
{
    switch (function) {
    case INTERPOLATE_CEILING:
        return ceil(position);
    case INTERPOLATE_ROUND_DOWN:
        return ceil(position - 0.5);
    case INTERPOLATE_ROUND_UP:
        return floor(position + 0.5);
    case INTERPOLATE_LINEAR:
    case INTERPOLATE_FLOOR:
        break;
    }
    return floor(position);
}

static struct tap tap_of(struct interpolation interpolation, int inputs, int outputs, int index)
{
    double position = position_of(interpolation.grid, inputs, outputs, index);
    double cell;
    struct tap tap;

    position = fmin(fmax(position, 0), inputs - 1);
    cell = cell_of(interpolation.function, position);
    tap.first = tap.second = (int)fmin(cell, inputs - 1);
    tap.share = 0;
    if (interpolation.function == INTERPOLATE_LINEAR && tap.first + 1 < inputs) {
        tap.second = tap.first + 1;
        tap.share = (float)(position - cell);
    }
    return tap;
}

static float between(float a, float b, float share)
{
    return a + share * (b - a);
}

void interpolate_run(struct interpolation interpolation, const float *input, size_t channels,
                     int height, int width, int output_height, int output_width, float *output)
{
    size_t plane = (size_t)height * (size_t)width;
    size_t output_plane = (size_t)output_height * (size_t)output_width;

    for (int y = 0; y < output_height; y++) {
        struct tap rows = tap_of(interpolation, height, output_height, y);
        const float *upper = input + (size_t)rows.first * (size_t)width;
        const float *lower = input + (size_t)rows.second * (size_t)width;

        for (int x = 0; x < output_width; x++, output++) {
            struct tap columns = tap_of(interpolation, width, output_width, x);

            for (size_t c = 0; c < channels; c++) {
                const float *a = upper + c * plane, *b = lower + c * plane;

                output[c * output_plane] = between(
                    between(a[columns.first], a[columns.second], columns.share),
                    between(b[columns.first], b[columns.second], columns.share), rows.share);
            }
        }
    }
}

/* ---- The way back --------------------------------------------------------------------------- */

/* One line: `from_count` cells, each `stride` after the other, to `to_count` cells. */
static void back_along(struct interpolation interpolation, const float *from, int from_count,
                       float *to, int to_count, size_t stride, float *weights)
{
    if (from_count < to_count) {
        const struct interpolation linear = {INTERPOLATE_LINEAR, interpolation.grid};

        for (int i = 0; i < to_count; i++) {
            struct tap tap = tap_of(linear, from_count, to_count, i);

            to[(size_t)i * stride] = between(from[(size_t)tap.first * stride],
                                             from[(size_t)tap.second * stride], tap.share);
        }
        return;
    }
    for (int i = 0; i < to_count; i++)
        to[(size_t)i * stride] = weights[i] = 0;
    for (int i = 0; i < from_count; i++) {
        struct tap tap = tap_of(interpolation, to_count, from_count, i);
        float value = from[(size_t)i * stride];

        to[(size_t)tap.first * stride] += (1 - tap.share) * value;
        to[(size_t)tap.second * stride] += tap.share * value;
        weights[tap.first] += 1 - tap.share;
        weights[tap.second] += tap.share;
    }
    for (int i = 0; i < to_count; i++) {
        if (weights[i] > 0)
            to[(size_t)i * stride] /= weights[i];
    }
}

size_t interpolate_back_scratch(int map_width, int height, int width)
{
    return (size_t)height * (size_t)map_width + (size_t)(height > width ? height : width);
}

void interpolate_back(struct interpolation interpolation, const float *map, int map_height,
                      int map_width, int height, int width, float *output, float *scratch)
{
    float *rows = scratch, *weights = scratch + (size_t)height * (size_t)map_width;

    for (int x = 0; x < map_width; x++)
        back_along(interpolation, map + x, map_height, rows + x, height, (size_t)map_width,
                   weights);
    for (int y = 0; y < height; y++)
        back_along(interpolation, rows + (size_t)y * (size_t)map_width, map_width,
                   output + (size_t)y * (size_t)width, width, 1, weights);
}
