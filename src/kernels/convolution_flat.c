#include "kernels/convolution_flat.h"

#include "base/memory.h"

#include <math.h>
#include <string.h>

/* Planes of a band stay in a part of the second-level cache; of pictures so wide that not even one
 * row does, one row is taken. */
#define BAND_BYTES ((size_t)192 * 1024)

/* More rows of the kernel in one phase than this are not done in pairs. */
#define PHASE_ROWS_MAX 3
#define PHASE_PLANES   4 /* of so many rows in pairs */

/* What work besides multiply-adds costs, in multiply-adds. */
#define TILE_COST    6   /* per vector of a row of output: checking, cutting, storing */
#define COLUMNS_COST 2.2 /* of im2col: OpenBLAS reaches about half of what the tiles do */

/*
 * A plane holds, for each step (a row or a pair of rows of output), one row made of rows of the
 * input; split by the horizontal stride:
 *
 *     plane:  column phase 0: step 0, step 1, ... each `pitch` floats;  column phase 1: ...
 */
struct plane {
    enum flat_list list;
    float factor[PHASE_ROWS_MAX]; /* the weight is the sum of factor[i] * kernel row[i] */
    int kernel_row, kernel_step;  /* kernel row 0, and from one to the next */
};

/* Planes of one phase of the vertical stride: made of input rows phase, phase + stride, ... */
struct phase {
    enum flat_blend blend;
    int first_plane;
};

struct convolution_flat {
    struct convolution convolution;
    const struct flat *kernels;
    bool pairs;
    struct phase phases[FLAT_MAX_STRIDE]; /* one for each vertical phase */
    struct plane *planes;
    int plane_count;
    size_t column_start[FLAT_MAX_STRIDE]; /* see struct flat_rows */
    size_t columns;                       /* of a row of input that windows touch */
    bool edges;                           /* some cells of planes are not made of input: 0 */
    int input_step;                       /* input rows from one step to the next */
    int extra; /* rows of a plane beyond those of its steps: alone, for the kernel's rows */
    int band;  /* steps */
    size_t pitch;
    size_t plane_row; /* floats from a row of a plane to the next: pitch */
    size_t plane_size;
    size_t channel_size;
    size_t taps[FLAT_LISTS], tap_count;
    int32_t *offset;
    float *weights, *bias;
    int32_t *segment_of;
    struct flat_segment *segments;
};

static int rows_of_step(bool pairs)
{
    return pairs ? 2 : 1;
}

static size_t divide_up(size_t value, size_t step)
{
    return (value + step - 1) / step;
}

/* The i-th of the parts, as even as can be and at most `most` long, that `length` is split into. */
static size_t even_part(size_t left, size_t most)
{
    return divide_up(left, divide_up(left, most));
}

/* The planes of one phase of the input's rows: see convolution_flat.h and enum flat_blend. */
static void add_phase(struct convolution_flat *flat, int phase)
{
    static const struct plane pair_1[] = {{FLAT_UPPER, {1}, 0, 0}, {FLAT_LOWER, {1}, 0, 0}};
    static const struct plane pair_2[] = {
        {FLAT_BOTH, {1, 1}, 0, 0}, {FLAT_UPPER, {1, 0}, 0, 0}, {FLAT_LOWER, {0, 1}, 0, 0}};
    static const struct plane pair_3[] = {{FLAT_BOTH, {0.5F, 0.5F, 0.5F}, 0, 0},
                                          {FLAT_CROSS, {0.5F, -0.5F, 0.5F}, 0, 0},
                                          {FLAT_UPPER, {1, 0, 0}, 0, 0},
                                          {FLAT_LOWER, {0, 0, 1}, 0, 0}};
    static const struct plane alone[] = {{FLAT_BOTH, {0}, 0, 0}};
    static const struct {
        const struct plane *planes;
        int count;
    } kinds[] = {[FLAT_ALONE] = {alone, 1},
                 [FLAT_PAIR_1] = {pair_1, 2},
                 [FLAT_PAIR_2] = {pair_2, 3},
                 [FLAT_PAIR_3] = {pair_3, 4}};
    int stride = flat->convolution.window.stride[0];
    int64_t span = window_span(&flat->convolution.window, 0);
    int rows = span > phase ? (int)((span - phase + stride - 1) / stride) : 0;
    enum flat_blend blend = flat->pairs && rows > 0 ? (enum flat_blend)rows : FLAT_ALONE;

    flat->phases[phase] = (struct phase){blend, flat->plane_count};
    if (rows == 0) /* no kernel row looks there */
        return;
    for (int i = 0; i < kinds[blend].count; i++) {
        struct plane *plane = &flat->planes[flat->plane_count++];

        *plane = kinds[blend].planes[i];
        plane->kernel_row = phase;
        plane->kernel_step = stride;
    }
}

static bool create_planes(struct convolution_flat *flat)
{
    const struct window *window = &flat->convolution.window;

    flat->planes = memory_array((size_t)window->stride[0] * PHASE_PLANES, sizeof(*flat->planes));
    if (!flat->planes)
        return false;
    for (int phase = 0; phase < window->stride[0]; phase++)
        add_phase(flat, phase);
    flat->input_step = window->stride[0] * rows_of_step(flat->pairs);
    flat->extra = flat->pairs ? 0 : (int)(window_span(window, 0) - 1) / window->stride[0];
    flat->pitch = (size_t)flat->convolution.sizes.output_width +
                  (size_t)(window_span(window, 1) - 1) / (size_t)window->stride[1];
    return true;
}

/* Where the columns of a row go, once the size of planes is known. */
static void place_columns(struct convolution_flat *flat)
{
    const struct window *window = &flat->convolution.window;
    size_t stride = (size_t)window->stride[1], pad = (size_t)window->pad_begin[1];
    size_t room = flat->pitch * stride, width = (size_t)flat->convolution.sizes.input_width;

    /* Columns on the right that no window reaches do not fit. */
    flat->columns = pad >= room ? 0 : pad + width > room ? room - pad : width;
    flat->edges = flat->columns < room;
    for (size_t i = 0; i < stride; i++)
        flat->column_start[i] = (pad + i) % stride * flat->plane_size + (pad + i) / stride;
}

static size_t band_floats(const struct convolution_flat *flat, int band)
{
    return (size_t)flat->convolution.sizes.input_channels * (size_t)flat->plane_count *
           (size_t)flat->convolution.window.stride[1] * (size_t)(band + flat->extra) * flat->pitch;
}

static size_t band_vectors(const struct convolution_flat *flat, int steps)
{
    return divide_up((size_t)(steps - 1) * flat->pitch +
                         (size_t)flat->convolution.sizes.output_width,
                     flat->kernels->width);
}

static int step_count(const struct convolution_flat *flat)
{
    int rows = rows_of_step(flat->pairs);

    return (flat->convolution.sizes.output_height + rows - 1) / rows;
}

static size_t all_vectors(const struct convolution_flat *flat, int band)
{
    int steps = step_count(flat);
    size_t vectors = (size_t)(steps / band) * band_vectors(flat, band);

    return steps % band > 0 ? vectors + band_vectors(flat, steps % band) : vectors;
}

/* As many steps as there is room for, unless fewer leave fewer lanes unused. */
static void choose_band(struct convolution_flat *flat)
{
    int steps = step_count(flat);

    flat->band = 1;
    for (int band = 2; band <= steps; band++) {
        if (band_floats(flat, band) * sizeof(float) > BAND_BYTES)
            break;
        if (all_vectors(flat, band) < all_vectors(flat, flat->band))
            flat->band = band;
    }
    flat->plane_size =
        (size_t)(flat->band + flat->extra) * flat->pitch; /* of one phase of the width */
    flat->channel_size =
        flat->plane_size * (size_t)flat->plane_count * (size_t)flat->convolution.window.stride[1];
    place_columns(flat);
}

static int32_t tap_offset(const struct convolution_flat *flat, int channel, int plane, int row,
                          int kx)
{
    const struct window *window = &flat->convolution.window;
    int column = kx * window->dilation[1];

    return (int32_t)((size_t)channel * flat->channel_size +
                     ((size_t)plane * (size_t)window->stride[1] +
                      (size_t)(column % window->stride[1])) *
                         flat->plane_size +
                     (size_t)row * flat->pitch + (size_t)(column / window->stride[1]));
}

/* Taps are taken in the order in which tiles take them; the kernel row counts only alone. */
struct tap {
    int channel, plane, kernel_row, kx;
};

static bool next_tap(const struct convolution_flat *flat, enum flat_list list, struct tap *tap)
{
    const int *kernel = flat->convolution.window.kernel;

    if (!flat->pairs && list != FLAT_BOTH)
        return false;
    if (++tap->kx < kernel[1])
        return true;
    tap->kx = 0;
    if (!flat->pairs) {
        if (++tap->kernel_row == kernel[0]) {
            tap->kernel_row = 0;
            tap->channel++;
        }
        return tap->channel < flat->convolution.sizes.input_channels;
    }
    do {
        if (++tap->plane == flat->plane_count) {
            tap->plane = 0;
            if (++tap->channel == flat->convolution.sizes.input_channels)
                return false;
        }
    } while (flat->planes[tap->plane].list != list);
    return true;
}

static struct tap first_tap(const struct convolution_flat *flat)
{
    return flat->pairs ? (struct tap){0, -1, 0, flat->convolution.window.kernel[1]}
                       : (struct tap){0, 0, 0, -1};
}

static bool create_taps(struct convolution_flat *flat)
{
    const struct window *window = &flat->convolution.window;

    for (int list = 0; list < FLAT_LISTS; list++) {
        struct tap tap = first_tap(flat);

        while (next_tap(flat, (enum flat_list)list, &tap))
            flat->taps[list]++;
        flat->tap_count += flat->taps[list];
    }
    flat->offset = memory_array(flat->tap_count, sizeof(*flat->offset));
    if (!flat->offset)
        return false;
    for (int list = 0, i = 0; list < FLAT_LISTS; list++) {
        struct tap tap = first_tap(flat);

        while (next_tap(flat, (enum flat_list)list, &tap)) {
            int row = tap.kernel_row * window->dilation[0];
            int plane = flat->pairs ? tap.plane : flat->phases[row % window->stride[0]].first_plane;

            flat->offset[i++] = tap_offset(flat, tap.channel, plane,
                                           flat->pairs ? 0 : row / window->stride[0], tap.kx);
        }
    }
    return true;
}

static float tap_weight(const struct convolution_flat *flat, const float *weights, int output,
                        const struct tap *tap)
{
    const int *kernel = flat->convolution.window.kernel;
    const struct plane *plane = &flat->planes[tap->plane];
    const float *cell =
        weights +
        (((size_t)output * (size_t)flat->convolution.sizes.input_channels + (size_t)tap->channel) *
         (size_t)kernel[0] * (size_t)kernel[1]) +
        tap->kx;
    double sum = 0;

    if (!flat->pairs)
        return cell[(ptrdiff_t)tap->kernel_row * kernel[1]];
    for (int i = 0; i < PHASE_ROWS_MAX; i++) {
        if (plane->factor[i] != 0)
            sum +=
                (double)plane->factor[i] *
                (double)cell[(ptrdiff_t)(plane->kernel_row + i * plane->kernel_step) * kernel[1]];
    }
    return (float)sum;
}

/* Block after block of output channels, each taps x channels. */
static bool create_weights(struct convolution_flat *flat, const float *weights, const float *bias)
{
    size_t outputs = (size_t)flat->convolution.sizes.output_channels, count;
    float *to;

    if (!size_multiply(flat->tap_count, outputs, &count))
        return false;
    flat->weights = memory_aligned_array(count, sizeof(float));
    flat->bias = memory_array(outputs, sizeof(float));
    if (!flat->weights || !flat->bias)
        return false;
    if (bias)
        memcpy(flat->bias, bias, outputs * sizeof(float));
    to = flat->weights;
    for (size_t first = 0, channels; first < outputs; first += channels) {
        channels = even_part(outputs - first, flat->kernels->channels);
        for (int list = 0; list < FLAT_LISTS; list++) {
            struct tap tap = first_tap(flat);

            while (next_tap(flat, (enum flat_list)list, &tap)) {
                for (size_t c = 0; c < channels; c++)
                    *to++ = tap_weight(flat, weights, (int)(first + c), &tap);
            }
        }
    }
    return true;
}

static bool create_segments(struct convolution_flat *flat)
{
    size_t vectors = band_vectors(flat, flat->band), width = flat->kernels->width;
    size_t output_width = (size_t)flat->convolution.sizes.output_width;
    size_t count = 0;

    flat->segment_of = memory_array(vectors + 1, sizeof(*flat->segment_of));
    flat->segments = memory_array(vectors + (size_t)flat->band * 2, sizeof(*flat->segments));
    if (!flat->segment_of || !flat->segments)
        return false;
    for (size_t v = 0; v < vectors; v++) {
        flat->segment_of[v] = (int32_t)count;
        for (size_t at = v * width, end = at + width; at < end;) {
            size_t step = at / flat->pitch, x = at % flat->pitch;
            size_t stop = (step + 1) * flat->pitch < end ? (step + 1) * flat->pitch : end;
            size_t last =
                step * flat->pitch + output_width < stop ? step * flat->pitch + output_width : stop;
            size_t row = step * (size_t)rows_of_step(flat->pairs), lane = at - v * width;

            if (at < last && step < (size_t)flat->band)
                flat->segments[count++] = (struct flat_segment){
                    .offset = (int32_t)(row * output_width + x) - (int32_t)lane,
                    .row = (int32_t)row,
                    .first = (uint8_t)lane,
                    .end = (uint8_t)(last - v * width)};
            at = stop;
        }
    }
    flat->segment_of[vectors] = (int32_t)count;
    return true;
}

double convolution_flat_cost(const struct convolution_flat *flat)
{
    return (double)(all_vectors(flat, flat->band) * flat->kernels->width) *
           (double)flat->convolution.sizes.output_channels * (double)flat->tap_count;
}

/* The same and what comes on top. */
static double whole_cost(const struct convolution_flat *flat)
{
    double lanes = (double)(all_vectors(flat, flat->band) * flat->kernels->width);
    double prepared = (double)band_floats(flat, flat->band) * (double)step_count(flat) / flat->band;

    return convolution_flat_cost(flat) + 2 * prepared +
           lanes * flat->convolution.sizes.output_channels * TILE_COST *
               (flat->pairs ? 3 : 1); /* two rows, and sums that are put by */
}

static double columns_cost(const struct convolution *convolution)
{
    const struct window_sizes *sizes = &convolution->sizes;

    return COLUMNS_COST * sizes->output_channels * sizes->output_height * sizes->output_width *
           sizes->input_channels * convolution->window.kernel[0] * convolution->window.kernel[1];
}

static bool can_do(const struct convolution *convolution, bool pairs)
{
    const struct window *window = &convolution->window;
    const struct window_sizes *sizes = &convolution->sizes;
    double cells = ((double)sizes->input_height + window->pad_begin[0] + window->pad_end[0] + 8) *
                   ((double)sizes->input_width + window->pad_begin[1] + window->pad_end[1] + 8) *
                   sizes->input_channels * PHASE_PLANES;

    if (convolution->groups != 1 || window->stride[1] > FLAT_MAX_STRIDE ||
        window->stride[0] > FLAT_MAX_STRIDE || cells > INT32_MAX / 4)
        return false;
    return !pairs || (window->dilation[0] == 1 && sizes->output_height > 1 &&
                      window->kernel[0] <= PHASE_ROWS_MAX * window->stride[0]);
}

/* All but the weights, which deciding does not need. False without memory. */
static bool create_geometry(struct convolution_flat **flat, const struct convolution *convolution,
                            const struct flat *kernels, bool pairs)
{
    struct convolution_flat *f;

    *flat = NULL;
    if (!can_do(convolution, pairs))
        return true;
    f = memory_array(1, sizeof(*f));
    if (!f)
        return false;
    f->convolution = *convolution;
    f->kernels = kernels;
    f->pairs = pairs;
    if (!create_planes(f)) {
        convolution_flat_destroy(f);
        return false;
    }
    choose_band(f);
    if (!create_taps(f)) {
        convolution_flat_destroy(f);
        return false;
    }
    *flat = f;
    return true;
}

bool convolution_flat_create(struct convolution_flat **flat, const struct convolution *convolution,
                             const struct flat *kernels, enum convolution_rows rows,
                             const float *weights, const float *bias)
{
    struct convolution_flat *alone = NULL, *pairs = NULL;
    bool done = (rows == ROWS_IN_PAIRS || create_geometry(&alone, convolution, kernels, false)) &&
                (rows == ROWS_ALONE || create_geometry(&pairs, convolution, kernels, true));

    if (alone && pairs && whole_cost(pairs) >= whole_cost(alone)) {
        convolution_flat_destroy(pairs);
        pairs = NULL;
    }
    if (pairs) {
        convolution_flat_destroy(alone);
        alone = pairs;
    }
    if (alone && rows == ROWS_CHEAPEST && whole_cost(alone) >= columns_cost(convolution)) {
        convolution_flat_destroy(alone);
        alone = NULL;
    }
    done = done && (!alone || (create_weights(alone, weights, bias) && create_segments(alone)));
    if (!done) {
        convolution_flat_destroy(alone);
        alone = NULL;
    }
    *flat = alone;
    return done;
}

void convolution_flat_destroy(struct convolution_flat *flat)
{
    if (!flat)
        return;
    free(flat->planes);
    free(flat->offset);
    free(flat->weights);
    free(flat->bias);
    free(flat->segment_of);
    free(flat->segments);
    free(flat);
}

const struct convolution *convolution_flat_of(const struct convolution_flat *flat)
{
    return &flat->convolution;
}

/* Planes; what tiles read behind them; a row of zeros. */
static size_t zeros_at(const struct convolution_flat *flat)
{
    size_t end =
        band_floats(flat, flat->band) + 2 * (size_t)FLAT_MAX_VECTORS * FLAT_MAX_WIDTH + flat->pitch;

    return divide_up(end, FLAT_MAX_WIDTH) * FLAT_MAX_WIDTH;
}

size_t convolution_flat_scratch(const struct convolution_flat *flat)
{
    return zeros_at(flat) + (size_t)flat->convolution.sizes.input_width;
}

int convolution_flat_band(const struct convolution_flat *flat)
{
    return flat->band * rows_of_step(flat->pairs);
}

/* Zeros where a row of a plane is not made of input: padding, and what fills up the last column. */
static void clear_edges(const struct convolution_flat *flat, float *row)
{
    const struct window *window = &flat->convolution.window;
    size_t stride = (size_t)window->stride[1], pad = (size_t)window->pad_begin[1];

    for (size_t i = 0; i < stride; i++) {
        float *cell = row + (pad + i) % stride * flat->plane_size;
        size_t first = (pad + i) / stride, end = first;

        if (flat->columns > i)
            end += (flat->columns - i + stride - 1) / stride;
        for (size_t x = 0; x < first && x < flat->pitch; x++)
            cell[x] = 0;
        for (size_t x = end; x < flat->pitch; x++)
            cell[x] = 0;
    }
}

static void prepare_band(const struct convolution_flat *flat,
                         const struct convolution_flat_run *run, int first_step, int steps,
                         float *scratch)
{
    const struct window_sizes *sizes = &flat->convolution.sizes;
    const int stride = flat->convolution.window.stride[0];
    const float *zeros = scratch + zeros_at(flat);
    size_t width = (size_t)sizes->input_width;
    int top = first_step * flat->input_step - flat->convolution.window.pad_begin[0];
    struct flat_rows rows = {.count = flat->columns,
                             .stride = flat->convolution.window.stride[1],
                             .plane = flat->plane_size * (size_t)flat->convolution.window.stride[1],
                             .start = flat->column_start};

    memset(scratch + zeros_at(flat), 0, width * sizeof(float));
    for (int c = 0; c < sizes->input_channels; c++) {
        const float *picture = run->input + (size_t)c * (size_t)run->input_rows * width;

        for (int phase = 0; phase < stride; phase++) {
            int plane = flat->phases[phase].first_plane;
            int end = phase + 1 < stride ? flat->phases[phase + 1].first_plane : flat->plane_count;

            rows.blend = flat->phases[phase].blend;
            for (int step = 0; step < steps + flat->extra && plane < end; step++) {
                int y = top + step * flat->input_step + phase;

                rows.to = scratch + (size_t)c * flat->channel_size + (size_t)plane * rows.plane +
                          (size_t)step * flat->pitch;
                for (int i = 0; i < FLAT_MAX_ROWS; i++, y += stride)
                    rows.row[i] = y < 0 || y >= sizes->input_height
                                      ? zeros
                                      : picture + (size_t)(y % run->input_rows) * width;
                for (int i = plane; i < end && flat->edges; i++)
                    clear_edges(flat, rows.to + (size_t)(i - plane) * rows.plane);
                flat->kernels->prepare(&rows);
            }
        }
    }
}

/* All channels of a few vectors, block after block. */
static void run_tile(const struct convolution_flat *flat, struct flat_tile *tile, size_t vectors,
                     float *output)
{
    size_t outputs = (size_t)flat->convolution.sizes.output_channels;

    tile->weights = flat->weights;
    for (size_t first = 0, channels; first < outputs; first += channels) {
        channels = even_part(outputs - first, flat->kernels->channels);
        tile->bias = flat->bias + first;
        tile->output = output + first * tile->plane;
        tile->first = first == 0;
        tile->last = first + channels == outputs;
        flat->kernels->run(tile, vectors, channels);
        tile->weights += channels * flat->tap_count;
    }
}

bool convolution_flat_run(const struct convolution_flat *flat,
                          const struct convolution_flat_run *run, int first_row, int end_row,
                          float *scratch)
{
    const struct window_sizes *sizes = &flat->convolution.sizes;
    int rows_of_band = convolution_flat_band(flat);
    float sums[2 * FLAT_MAX_VECTORS * FLAT_MAX_WIDTH], check[FLAT_MAX_WIDTH] = {0};
    struct flat_tile tile = {.offset = flat->offset,
                             .pairs = flat->pairs,
                             .least = run->least,
                             .most = run->most,
                             .segments = flat->segments,
                             .plane = (size_t)run->output_rows * (size_t)sizes->output_width,
                             .next_row = (size_t)sizes->output_width,
                             .sums = sums,
                             .factor = 1 / (float)sizes->output_channels,
                             .check = check};
    bool finite = true;

    memcpy(tile.taps, flat->taps, sizeof(tile.taps));
    for (int row = first_row; row < end_row; row += rows_of_band) {
        size_t width = (size_t)sizes->output_width, vectors, part;
        int steps;

        tile.rows = end_row - row < rows_of_band ? end_row - row : rows_of_band;
        steps = (tile.rows + rows_of_step(flat->pairs) - 1) / rows_of_step(flat->pairs);
        prepare_band(flat, run, row / rows_of_step(flat->pairs), steps, scratch);
        tile.average = run->average ? run->average + (size_t)row * width : NULL;
        tile.average_rows = run->average_end - row;
        vectors = band_vectors(flat, steps);
        for (size_t v = 0; v < vectors; v += part) {
            part = even_part(vectors - v, FLAT_MAX_VECTORS);
            tile.input = scratch + v * flat->kernels->width;
            tile.segment_of = flat->segment_of + v;
            run_tile(flat, &tile, part, run->output + (size_t)(row % run->output_rows) * width);
        }
    }
    for (int i = 0; i < FLAT_MAX_WIDTH; i++)
        finite = finite && check[i] == 0;
    /* What is left must not spoil the lanes that the next run throws away. */
    if (!finite)
        memset(scratch, 0, zeros_at(flat) * sizeof(float));
    return finite;
}
