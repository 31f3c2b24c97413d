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

/* Makes the rows of a scale-up, one after the other. */
struct row_maker {
    const struct map_scale_up *scale_up;
    map_scale_row *run;
    struct map_source source;
    struct map_lanes range; /* of the rows made so far */
    int y;                  /* of the row to be made next */
    int first, last;        /* rows of the map that touch it, or those that the dilation meets */
    int dilation, reach;    /* along the height; from the first tap of a kernel to the last */
    int most;               /* rows that kernels take */
    const float *map;
    int map_rows;     /* the height, or less: a ring */
    int last_at;      /* where in it row `last` is */
    size_t map_pitch; /* floats from one of its rows to the next */
    float *zeros;     /* a row of the map */
    float *sum;       /* a row too: of more rows than kernels take */
};

/* Rows of scratch begin on cache lines. */
static size_t row_pitch(int width)
{
    return ((size_t)width + MAP_MAX_WIDTH - 1) / MAP_MAX_WIDTH * MAP_MAX_WIDTH;
}

size_t map_scale_up_scratch(const struct map_scale_up *scale_up)
{
    return 2 * row_pitch(scale_up->map_width);
}

/* Finds the rows that touch row y, which is the one after that of the last call. */
static void touch_row(struct row_maker *maker)
{
    int stride = maker->scale_up->window.stride[0];
    int bottom = maker->y + maker->scale_up->window.pad_begin[0];

    while ((maker->last + 1) * stride <= bottom && maker->last + 1 < maker->scale_up->map_height) {
        maker->last++;
        maker->last_at = maker->last_at + 1 < maker->map_rows ? maker->last_at + 1 : 0;
    }
    while (maker->first * stride < bottom - maker->reach)
        maker->first++;
}

static struct row_maker make_rows_of(const struct map_rows *kernels,
                                     const struct map_scale_up *scale_up, const float *map,
                                     int map_rows, size_t map_pitch, float *scratch)
{
    const struct window *window = &scale_up->window;
    struct row_maker maker = {.scale_up = scale_up,
                              .source = {.width = (size_t)scale_up->map_width,
                                         .stride = window->stride[1],
                                         .shift = window->pad_begin[1]},
                              .last = -1,
                              .map = map,
                              .map_rows = map_rows,
                              .last_at = -1,
                              .map_pitch = map_pitch,
                              .zeros = scratch,
                              .sum = scratch + row_pitch(scale_up->map_width)};
    struct map_source *source = &maker.source;

    source->kernel = map_kernel(window, 1, &source->dilation);
    maker.most = (source->kernel + source->stride - 1) / source->stride;
    maker.most = maker.most < MAP_MAX_ROWS ? maker.most : MAP_MAX_ROWS;
    maker.run = kernels->find(source->kernel, source->dilation, source->stride, source->shift);
    for (int i = 0; i < MAP_MAX_WIDTH; i++) {
        maker.range.least[i] = INFINITY;
        maker.range.most[i] = -INFINITY;
        maker.range.bad[i] = 0;
    }
    memset(scratch, 0, source->width * sizeof(float));
    maker.reach = (map_kernel(window, 0, &maker.dilation) - 1) * maker.dilation;
    touch_row(&maker);
    return maker;
}

/* Adds a row to the source; once that is full, its last place is that of a sum. */
static void add_row(struct row_maker *maker, const float *row)
{
    struct map_source *source = &maker->source;
    int most = maker->most;

    if (source->count < most) {
        source->rows[source->count++] = row;
        return;
    }
    if (source->rows[most - 1] != maker->sum) {
        memcpy(maker->sum, source->rows[most - 1], source->width * sizeof(float));
        source->rows[most - 1] = maker->sum;
    }
    for (size_t i = 0; i < source->width; i++)
        maker->sum[i] += row[i];
}

static void take_rows(struct row_maker *maker)
{
    int bottom = maker->y + maker->scale_up->window.pad_begin[0];
    int stride = maker->scale_up->window.stride[0], at = maker->last_at;

    maker->source.count = 0;
    for (int i = 0; i < MAP_MAX_ROWS; i++)
        maker->source.rows[i] = maker->zeros;
    for (int j = maker->last; j >= maker->first; j--) {
        if (maker->dilation == 1 || (bottom - j * stride) % maker->dilation == 0)
            add_row(maker, maker->map + (size_t)at * maker->map_pitch);
        at = at > 0 ? at - 1 : maker->map_rows - 1;
    }
}

/* Makes the next row; those of the map that it touches are there. */
static void make_row(struct row_maker *maker, float *output)
{
    const struct map_scale_up *scale_up = maker->scale_up;
    size_t width = (size_t)scale_up->output_width, y = (size_t)maker->y;
    const struct map_finish finish = {
        .row_factor = scale_up->even_rows ? scale_up->even_rows[y] : 1,
        .factors = scale_up->even_columns,
        .average = scale_up->average ? scale_up->average + y * width : NULL};

    take_rows(maker);
    maker->run(&maker->source, &finish, width, output, &maker->range);
    maker->y++;
    touch_row(maker);
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
                                  float *output, float *scratch)
{
    struct row_maker maker = make_rows_of(kernels, scale_up, map, scale_up->map_height,
                                          (size_t)scale_up->map_width, scratch);

    while (maker.y < scale_up->output_height)
        make_row(&maker, output + (size_t)maker.y * (size_t)scale_up->output_width);
    return range_of(&maker.range);
}

/* Rows of its map that a scale-up needs at a time: those that touch one row of output. */
static int rows_at_a_time(const struct map_scale_up *scale_up)
{
    int dilation, kernel = map_kernel(&scale_up->window, 0, &dilation);
    int rows = (kernel - 1) * dilation / scale_up->window.stride[0] + 1;

    return rows < scale_up->map_height ? rows : scale_up->map_height;
}

size_t map_scale_up_twice_scratch(const struct map_scale_up *first,
                                  const struct map_scale_up *second)
{
    return map_scale_up_scratch(first) + map_scale_up_scratch(second) +
           (size_t)rows_at_a_time(second) * row_pitch(second->map_width);
}

void map_scale_up_twice(const struct map_rows *kernels, const struct map_scale_up *first,
                        const struct map_scale_up *second, const float *map, float *output,
                        float *scratch, struct map_range range[2])
{
    float *second_scratch = scratch + map_scale_up_scratch(first);
    float *ring = second_scratch + map_scale_up_scratch(second);
    int rows = rows_at_a_time(second), at = 0;
    size_t pitch = row_pitch(second->map_width);
    struct row_maker maker =
        make_rows_of(kernels, first, map, first->map_height, (size_t)first->map_width, scratch);
    struct row_maker reader = make_rows_of(kernels, second, ring, rows, pitch, second_scratch);

    while (reader.y < second->output_height || maker.y < first->output_height) {
        bool more = reader.y < second->output_height;

        /* In the end, also the rows that nothing reads: for their range. */
        for (; maker.y < first->output_height && (!more || maker.y <= reader.last);
             at = at + 1 < rows ? at + 1 : 0)
            make_row(&maker, ring + (size_t)at * pitch);
        if (more)
            make_row(&reader, output + (size_t)reader.y * (size_t)second->output_width);
    }
    range[0] = range_of(&maker.range);
    range[1] = range_of(&reader.range);
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
