#include "kernels/convolution_flat_state.h"

#include <string.h>

/* What a chunk of output columns reads of a row of input, and where in a row of a plane it goes. */
struct columns {
    size_t first, count;
    size_t start[FLAT_MAX_STRIDE]; /* see struct flat_rows */
    size_t before, behind;
};

static struct columns find_columns(const struct convolution_flat *flat, size_t x)
{
    const struct window *window = &flat->convolution.window;
    size_t stride = (size_t)window->stride[1], width = (size_t)flat->convolution.sizes.input_width;
    size_t room = flat->pitch * stride, before = (size_t)window->pad_begin[1], at = x * stride;
    size_t pad = 0;
    struct columns columns = {0};

    if (at < before)
        pad = before - at < room ? before - at : room;
    else
        columns.first = at - before < width ? at - before : width;
    columns.count = width - columns.first;
    if (columns.count > room - pad)
        columns.count = room - pad; /* more is not read by this chunk */
    for (size_t i = 0; i < stride; i++)
        columns.start[i] = (pad + i) % stride * flat->plane_size + (pad + i) / stride;
    columns.before = divide_up(pad, stride);
    columns.behind = divide_up(room - pad - columns.count, stride);
    return columns;
}

/* Rows of planes of one phase of the vertical stride, for all channels. */
static void prepare_rows(const struct convolution_flat *flat,
                         const struct convolution_flat_run *run, int y, const float *zeros,
                         struct flat_rows *rows)
{
    size_t first = (size_t)(rows->row[0] - run->input);

    for (int i = 0; i < FLAT_MAX_ROWS; i++, y += flat->convolution.window.stride[0]) {
        bool outside = y < 0 || y >= flat->convolution.sizes.input_height;

        rows->row[i] =
            outside ? zeros : run->input + (size_t)(y % run->input_rows) * run->input_pitch + first;
        rows->next_row[i] = outside ? 0 : (size_t)run->input_rows * run->input_pitch;
    }
    flat->kernels->prepare(rows);
}

static void prepare_block(const struct convolution_flat *flat,
                          const struct convolution_flat_run *run, size_t x, int first_step,
                          int steps, float *scratch)
{
    const int stride = flat->convolution.window.stride[0];
    const struct columns columns = find_columns(flat, x);
    const float *zeros = scratch + convolution_flat_zeros(flat);
    int top = first_step * flat->input_step - flat->convolution.window.pad_begin[0];
    struct flat_rows rows = {.channels = (size_t)flat->convolution.sizes.input_channels,
                             .count = columns.count,
                             .stride = flat->convolution.window.stride[1],
                             .next_to = flat->channel_size,
                             .phases = flat->column_phases,
                             .plane = flat->plane_size * flat->column_phases,
                             .phase = flat->plane_size,
                             .pitch = flat->pitch,
                             .before = columns.before,
                             .behind = columns.behind,
                             .start = columns.start};

    for (int phase = 0; phase < stride; phase++) {
        int plane = flat->phases[phase].first_plane;
        int end = phase + 1 < stride ? flat->phases[phase + 1].first_plane : flat->plane_count;

        rows.blend = flat->phases[phase].blend;
        for (int step = 0; step < steps + flat->extra && plane < end; step++) {
            rows.row[0] = run->input + columns.first;
            rows.to = scratch + (size_t)plane * rows.plane + (size_t)step * flat->pitch;
            prepare_rows(flat, run, top + step * flat->input_step + phase, zeros, &rows);
        }
    }
}

/* All channels of a few vectors, or columns, tile after tile. */
static void run_tiles(const struct convolution_flat *flat, struct flat_tile *tile, size_t part,
                      float *output)
{
    size_t outputs = (size_t)flat->convolution.sizes.output_channels, all = whole_channels(flat);

    tile->weights = flat->weights;
    for (size_t first = 0, channels; first < all; first += channels) {
        channels = tile_channels(flat, first);
        tile->bias = flat->bias + first;
        tile->output = output + first * tile->plane;
        if (tile->activation->slope)
            tile->slope = tile->activation->slope + first;
        tile->first = first == 0;
        tile->last = first + channels == all;
        if (flat->deep) {
            tile->channels = first + channels < outputs ? channels : outputs - first;
            flat->kernels->run_deep(tile, part, channels / flat->kernels->width);
        } else {
            flat->kernels->run(tile, part, channels);
        }
        tile->weights += channels * flat->tap_count;
    }
}

/* The row and column of the first cell where all lanes of the vectors from `v` on are cells side by
 * side of one row of output, else NULL. */
static const struct flat_segment *straight_cells(const struct convolution_flat *flat, size_t v,
                                                 size_t vectors)
{
    const int32_t *segment_of = flat->segment_of + v;
    const struct flat_segment *first = flat->segments + segment_of[0];

    for (size_t i = 0; i < vectors; i++) {
        const struct flat_segment *segment = first + i;

        if (segment_of[i + 1] != segment_of[0] + (int32_t)i + 1 || segment->row != first->row ||
            segment->first != 0 || segment->end != flat->kernels->width)
            return NULL;
    }
    return first;
}

/* Makes the tile straight if it can be. */
static void straighten(const struct convolution_flat *flat, const struct flat_segment *cells,
                       struct flat_tile *tile, float **output)
{
    const struct flat_activation *activation = tile->activation;
    int rows = rows_of_step(flat);

    tile->straight =
        cells && activation->function == FLAT_CUT && cells->row + rows <= tile->rows &&
        (!tile->average || (activation->negative >= 1 && cells->row + rows <= tile->average_rows));
    if (!tile->straight)
        return;
    *output += (size_t)cells->row * tile->next_row + (size_t)cells->x;
    if (tile->average)
        tile->average += (size_t)cells->row * tile->average_row + (size_t)cells->x;
}

static void run_wide(const struct convolution_flat *flat, const struct flat_tile *block, int steps,
                     float *output, const float *scratch)
{
    size_t vectors = convolution_flat_vectors(flat, steps), part;

    for (size_t v = 0; v < vectors; v += part) {
        struct flat_tile tile = *block;
        float *to = output;

        part = even_part(vectors - v, FLAT_MAX_VECTORS);
        tile.input = scratch + v * flat->kernels->width;
        tile.segment_of = flat->segment_of + v;
        straighten(flat, straight_cells(flat, v, part), &tile, &to);
        run_tiles(flat, &tile, part, to);
    }
}

static void run_deep(const struct convolution_flat *flat, const struct flat_tile *block, int steps,
                     float *output, const float *scratch)
{
    size_t width = (size_t)flat->convolution.sizes.output_width, part;
    struct flat_tile tile = *block;

    for (int step = 0; step < steps; step++) {
        int row = step * rows_of_step(flat);

        tile.rows = block->rows - row;
        tile.average_rows = block->average_rows - row;
        for (size_t x = 0; x < width; x += part) {
            part = even_part(width - x, flat->columns);
            tile.input = scratch + (size_t)step * flat->pitch + x;
            if (block->average)
                tile.average = block->average + (size_t)row * block->average_row + x;
            run_tiles(flat, &tile, part, output + (size_t)row * block->next_row + x);
        }
    }
}

/* A chunk of the rows from `row` on: x is its first column. */
static void run_block(const struct convolution_flat *flat, const struct convolution_flat_run *run,
                      struct flat_tile *tile, int row, size_t x, float *scratch)
{
    int steps = (tile->rows + rows_of_step(flat) - 1) / rows_of_step(flat);
    float *output = run->output + (size_t)(row % run->output_rows) * run->output_pitch + x;

    prepare_block(flat, run, x, row / rows_of_step(flat), steps, scratch);
    tile->average = run->average ? run->average + (size_t)row * tile->average_row + x : NULL;
    if (flat->deep)
        run_deep(flat, tile, steps, output, scratch);
    else
        run_wide(flat, tile, steps, output, scratch);
}

bool convolution_flat_run(const struct convolution_flat *flat,
                          const struct convolution_flat_run *run, int first_row, int end_row,
                          float *scratch)
{
    const struct window_sizes *sizes = &flat->convolution.sizes;
    int rows_of_band = convolution_flat_band(flat);
    size_t width = (size_t)sizes->output_width;
    float sums[2 * FLAT_MAX_VECTORS * FLAT_MAX_WIDTH], check[FLAT_MAX_WIDTH] = {0};
    struct flat_tile tile = {.offset = flat->offset,
                             .pairs = flat->pairs,
                             .activation = &run->activation,
                             .segments = flat->segments,
                             .plane = (size_t)run->output_rows * run->output_pitch,
                             .next_row = run->output_pitch,
                             .average_row = width,
                             .sums = sums,
                             .factor = 1 / (float)sizes->output_channels,
                             .check = run->check ? check : NULL};
    bool finite = true;

    memcpy(tile.taps, flat->taps, sizeof(tile.taps));
    memset(scratch + convolution_flat_zeros(flat), 0, (size_t)sizes->input_width * sizeof(float));
    for (int row = first_row; row < end_row; row += rows_of_band) {
        tile.rows = end_row - row < rows_of_band ? end_row - row : rows_of_band;
        tile.average_rows = run->average_end - row;
        for (size_t x = 0; x < width; x += flat->chunk)
            run_block(flat, run, &tile, row, x + flat->chunk < width ? x : width - flat->chunk,
                      scratch);
    }
    for (int i = 0; i < FLAT_MAX_WIDTH; i++)
        finite = finite && check[i] == 0;
    /* What is left must not spoil the lanes that the next run throws away. */
    if (!finite)
        memset(scratch, 0, convolution_flat_zeros(flat) * sizeof(float));
    return finite;
}
