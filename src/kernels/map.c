#include "kernels/map.h"

#include <math.h>
#include <stdbool.h>
#include <string.h>

static float rectify(float value, VbpAverage kind)
{
    switch (kind) {
    case VBP_AVERAGE_POSITIVE:
        return value < 0 ? 0 : value;
    case VBP_AVERAGE_ABSOLUTE:
        return fabsf(value);
    case VBP_AVERAGE_MEAN:
        break;
    }
    return value;
}

/* sum[i] += rectified plane[i]; the kind is the same all along, so it is asked outside the loop. */
static void add_plane(const float *restrict plane, size_t cells, VbpAverage kind,
                      float *restrict sum)
{
    switch (kind) {
    case VBP_AVERAGE_POSITIVE:
        for (size_t i = 0; i < cells; i++)
            sum[i] += rectify(plane[i], VBP_AVERAGE_POSITIVE);
        break;
    case VBP_AVERAGE_ABSOLUTE:
        for (size_t i = 0; i < cells; i++)
            sum[i] += rectify(plane[i], VBP_AVERAGE_ABSOLUTE);
        break;
    case VBP_AVERAGE_MEAN:
        for (size_t i = 0; i < cells; i++)
            sum[i] += plane[i];
        break;
    }
}

void map_average(const float *data, size_t channels, size_t cells, size_t channel_stride,
                 size_t cell_stride, VbpAverage kind, float *average)
{
    float factor = 1 / (float)channels;

    memset(average, 0, cells * sizeof(float));
    for (size_t c = 0; c < channels; c++) {
        const float *plane = data + c * channel_stride;

        if (cell_stride == 1) {
            add_plane(plane, cells, kind, average);
            continue;
        }
        for (size_t i = 0; i < cells; i++)
            average[i] += rectify(plane[i * cell_stride], kind);
    }
    for (size_t i = 0; i < cells; i++)
        average[i] *= factor;
}

/* The kernel as the map sees it: dense and at least as long as the stride. */
static int map_kernel(const struct window *window, int axis, int *dilation)
{
    int kernel = window->kernel[axis];

    *dilation = window->dilation[axis];
    if (kernel < window->stride[axis]) {
        *dilation = 1;
        return window->stride[axis];
    }
    return kernel;
}

/* A row of zeros, and one for a sum of rows. */
size_t map_scale_up_scratch(const struct map_scale_up *scale_up)
{
    return 2 * (size_t)scale_up->map_width;
}

/* Adds a row to the source; once that has `most` of them, the last place is that of a sum. */
static void add_row(struct map_source *source, int most, const float *row, float *sum)
{
    if (source->count < most) {
        source->rows[source->count++] = row;
        return;
    }
    if (source->rows[most - 1] != sum) {
        memcpy(sum, source->rows[most - 1], source->width * sizeof(float));
        source->rows[most - 1] = sum;
    }
    for (size_t i = 0; i < source->width; i++)
        sum[i] += row[i];
}

/* Takes the map's rows that touch row y of the output. */
static void find_rows(const struct map_scale_up *scale_up, const float *map, int y,
                      struct map_source *source, float *scratch)
{
    const struct window *window = &scale_up->window;
    int most = (source->kernel + source->stride - 1) / source->stride, dilation;
    int kernel = map_kernel(window, 0, &dilation), stride = window->stride[0];
    int bottom = y + window->pad_begin[0], reach = (kernel - 1) * dilation;
    int first = bottom > reach ? (bottom - reach + stride - 1) / stride : 0;
    int last = bottom / stride;

    most = most < MAP_MAX_ROWS ? most : MAP_MAX_ROWS;
    source->count = 0;
    for (int i = 0; i < MAP_MAX_ROWS; i++)
        source->rows[i] = scratch;
    last = last < scale_up->map_height ? last : scale_up->map_height - 1;
    for (int j = last; j >= first; j--) {
        if (dilation == 1 || (bottom - j * stride) % dilation == 0)
            add_row(source, most, map + (size_t)j * source->width, scratch + source->width);
    }
}

static struct map_range range_of(const struct map_lanes *lanes)
{
    struct map_range range = {lanes->least[0], lanes->most[0]};

    for (int i = 0; i < MAP_MAX_WIDTH; i++) {
        if (isnan(lanes->bad[i]))
            return (struct map_range){NAN, NAN};
        range.least = lanes->least[i] < range.least ? lanes->least[i] : range.least;
        range.most = lanes->most[i] > range.most ? lanes->most[i] : range.most;
    }
    return range;
}

struct map_range map_scale_up_run(const struct map_rows *kernels,
                                  const struct map_scale_up *scale_up, const float *map,
                                  float *output, float *scratch, const float *even_rows,
                                  const float *even_columns, const float *average)
{
    const struct window *window = &scale_up->window;
    size_t width = (size_t)scale_up->output_width;
    struct map_source source = {.width = (size_t)scale_up->map_width,
                                .stride = window->stride[1],
                                .shift = window->pad_begin[1]};
    map_scale_row *scale_row;
    struct map_lanes range;

    source.kernel = map_kernel(window, 1, &source.dilation);
    scale_row = kernels->find(source.kernel, source.dilation, source.stride, source.shift);
    for (int i = 0; i < MAP_MAX_WIDTH; i++) {
        range.least[i] = INFINITY;
        range.most[i] = -INFINITY;
        range.bad[i] = 0;
    }
    memset(scratch, 0, source.width * sizeof(float));
    for (int y = 0; y < scale_up->output_height; y++, output += width) {
        const struct map_finish finish = {.row_factor = even_rows ? even_rows[y] : 1,
                                          .factors = even_columns,
                                          .average = average ? average + (size_t)y * width : NULL};

        find_rows(scale_up, map, y, &source, scratch);
        scale_row(&source, &finish, width, output, &range);
    }
    return range_of(&range);
}

void map_scale_up_counts(const struct map_scale_up *scale_up, int axis, float *reciprocal)
{
    const struct window *window = &scale_up->window;
    int cells = axis == 0 ? scale_up->map_height : scale_up->map_width;
    int size = axis == 0 ? scale_up->output_height : scale_up->output_width;
    int dilation;
    int kernel = map_kernel(window, axis, &dilation);

    memset(reciprocal, 0, (size_t)size * sizeof(float));
    for (int j = 0; j < cells; j++) {
        for (int k = 0; k < kernel; k++) {
            int position = j * window->stride[axis] - window->pad_begin[axis] + k * dilation;

            if (position >= 0 && position < size)
                reciprocal[position] += 1;
        }
    }
    for (int i = 0; i < size; i++)
        reciprocal[i] = reciprocal[i] > 0 ? 1 / reciprocal[i] : 0;
}

float map_multiply(float *a, const float *b, size_t cells)
{
    float largest = 0, all = 0;

    for (size_t i = 0; i < cells; i++) {
        float product = a[i] * b[i];
        float magnitude = fabsf(product);

        a[i] = product;
        largest = magnitude > largest ? magnitude : largest;
        all += product * 0; /* NaN once one of them is NaN or infinite */
    }
    return isnan(all) && isfinite(largest) ? NAN : largest;
}

int map_multiply_scaled(float *a, const float *b, size_t cells)
{
    double largest = 0, factor;
    int exponent = 0;

    /* No product of two floats overflows or vanishes in a double. */
    for (size_t i = 0; i < cells; i++)
        largest = fmax(largest, fabs((double)a[i] * (double)b[i]));
    if (largest > 0 && isfinite(largest))
        exponent = ilogb(largest);
    factor = ldexp(1, -exponent);
    for (size_t i = 0; i < cells; i++)
        a[i] = (float)((double)a[i] * (double)b[i] * factor);
    return exponent;
}

void map_range(const float *map, size_t cells, float *minimum, float *maximum)
{
    float least = map[0], most = map[0], all = 0;

    for (size_t i = 0; i < cells; i++) {
        least = map[i] < least ? map[i] : least;
        most = map[i] > most ? map[i] : most;
        all += map[i] * 0; /* NaN once one of them is NaN or infinite */
    }
    if (isnan(all) && isfinite(least) && isfinite(most))
        least = most = NAN;
    *minimum = least;
    *maximum = most;
}

void map_normalise(const struct map_rows *kernels, const float *map, size_t cells, float minimum,
                   float maximum, float *output)
{
    float range = maximum - minimum;

    if (!(range > 0)) {
        memset(output, 0, cells * sizeof(float));
        return;
    }
    kernels->normalise(map, cells, minimum, range, output);
}
