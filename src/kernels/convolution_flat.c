#include "kernels/convolution_flat_state.h"

#include "base/memory.h"

#include <math.h>

#define PHASE_PLANES 4 /* of PHASE_ROWS_MAX rows in pairs */

/* Planes of a block are to stay in the first-level cache, or in a part of the second. */
#define BLOCK_BYTES     ((size_t)40 * 1024)
#define FAR_BLOCK_BYTES ((size_t)128 * 1024)
#define BAND_MAX        16
#define LEAST_GAIN      0.01 /* smaller gains than this share are not worth a larger block */

/* What work besides multiply-adds costs, in multiply-adds. */
#define ALONE_COST      7  /* a result: checking, cutting, storing */
#define PAIR_COST       22 /* two of them, and sums that are put by */
#define DEEP_ALONE_COST 5  /* the same in deep tiles, which are turned besides */
#define DEEP_PAIR_COST  14
#define TURN_COST       120 /* turning a vector of channels of up to so many cells, a vector's width */
#define DEEP_LEAST      10  /* sums that keep the multipliers busy */
#define DEEP_LOAD_COST  1.3 /* a weight or a cell of a deep tile */
#define PLANE_COST      8   /* a cell of a plane in the first-level cache */
#define FAR_PLANE_COST  9
#define COLUMNS_COST    2.2 /* im2col, for each one: OpenBLAS does half of what the tiles do */

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
    flat->input_step = window->stride[0] * rows_of_step(flat);
    flat->extra = flat->pairs ? 0 : (int)(window_span(window, 0) - 1) / window->stride[0];
    return true;
}

static size_t block_floats(const struct convolution_flat *flat)
{
    return (size_t)flat->convolution.sizes.input_channels * flat->channel_size;
}

size_t convolution_flat_vectors(const struct convolution_flat *flat, int steps)
{
    return divide_up((size_t)(steps - 1) * flat->pitch + flat->chunk, flat->kernels->width);
}

static int step_count(const struct convolution_flat *flat)
{
    return (flat->convolution.sizes.output_height + rows_of_step(flat) - 1) / rows_of_step(flat);
}

static double chunk_count(const struct convolution_flat *flat)
{
    return (double)divide_up((size_t)flat->convolution.sizes.output_width, flat->chunk);
}

static double all_vectors(const struct convolution_flat *flat)
{
    int steps = step_count(flat);
    size_t vectors = (size_t)(steps / flat->band) * convolution_flat_vectors(flat, flat->band);

    if (steps % flat->band > 0)
        vectors += convolution_flat_vectors(flat, steps % flat->band);
    return (double)vectors * chunk_count(flat);
}

/* Sums that a deep tile could do while it does its own: it has to load weights and cells, and few
 * sums have to wait for each other. */
static double deep_sums(size_t columns, size_t vectors)
{
    double sums = (double)(columns * vectors), loads = (double)(columns + vectors) * DEEP_LOAD_COST;

    return fmax(fmax(sums, loads), DEEP_LEAST);
}

/* Lanes of all sums in deep tiles. */
static double deep_cells(const struct convolution_flat *flat)
{
    size_t width = (size_t)flat->convolution.sizes.output_width, all = whole_channels(flat);
    size_t lanes = flat->kernels->width;
    double sums = 0;

    for (size_t first = 0, channels; first < all; first += channels) {
        channels = tile_channels(flat, first);
        for (size_t x = 0, columns; x < width; x += columns) {
            columns = even_part(width - x, flat->columns);
            sums += deep_sums(columns, channels / lanes);
        }
    }
    return (double)step_count(flat) * sums * (double)lanes;
}

double convolution_flat_cost(const struct convolution_flat *flat)
{
    double taps = (double)flat->tap_count;

    if (flat->deep)
        return deep_cells(flat) * taps;
    return all_vectors(flat) * (double)flat->kernels->width *
           (double)flat->convolution.sizes.output_channels * taps;
}

/* What results cost after they are summed up. */
static double result_cost(const struct convolution_flat *flat)
{
    double turns;

    if (!flat->deep)
        return all_vectors(flat) * (double)flat->kernels->width *
               (double)flat->convolution.sizes.output_channels *
               (flat->pairs ? PAIR_COST : ALONE_COST);
    turns = (double)step_count(flat) * rows_of_step(flat) * (double)whole_channels(flat) *
            (double)divide_up((size_t)flat->convolution.sizes.output_width, flat->columns);
    return deep_cells(flat) * (flat->pairs ? DEEP_PAIR_COST : DEEP_ALONE_COST) + turns * TURN_COST;
}

/* The same and what comes on top. */
static double whole_cost(const struct convolution_flat *flat)
{
    double blocks =
        chunk_count(flat) * (double)divide_up((size_t)step_count(flat), (size_t)flat->band);
    double plane_cost =
        block_floats(flat) * sizeof(float) > BLOCK_BYTES ? FAR_PLANE_COST : PLANE_COST;

    return convolution_flat_cost(flat) + result_cost(flat) +
           blocks * (double)block_floats(flat) * plane_cost;
}

/* The deep tiles that cost least; false where there are none. */
static bool choose_depth(struct convolution_flat *flat)
{
    size_t best = 0, deepest = divide_up((size_t)flat->convolution.sizes.output_channels,
                                         flat->kernels->width);
    double least = INFINITY;

    for (size_t vectors = 1; vectors <= FLAT_MAX_DEPTH && vectors <= deepest; vectors++) {
        double cost;

        flat->vectors = vectors;
        flat->columns = flat->kernels->columns[vectors];
        if (flat->columns == 0)
            continue;
        cost = convolution_flat_cost(flat) + result_cost(flat);
        if (cost < least) {
            least = cost;
            best = vectors;
        }
    }
    flat->vectors = best;
    flat->columns = flat->kernels->columns[best];
    return best > 0;
}

static void set_block(struct convolution_flat *flat, int band, size_t chunk)
{
    const struct window *window = &flat->convolution.window;

    flat->band = band;
    flat->chunk = chunk;
    flat->pitch = chunk + (size_t)(window_span(window, 1) - 1) / (size_t)window->stride[1];
    flat->plane_size = (size_t)(band + flat->extra) * flat->pitch;
    flat->channel_size = flat->plane_size * (size_t)flat->plane_count * flat->column_phases;
}

/*
 * Whole rows, or chunks of whole vectors of a row (the last one overlaps the one before, so that
 * all are alike): what costs least of what leaves the planes in the second-level cache.
 */
static void choose_block(struct convolution_flat *flat)
{
    size_t width = (size_t)flat->convolution.sizes.output_width, chunk = width, best_chunk = width;
    int best_band = 1, steps = step_count(flat) < BAND_MAX ? step_count(flat) : BAND_MAX;
    double least = INFINITY;

    while (chunk > 0) {
        for (int band = 1; band <= steps; band++) {
            double cost;

            set_block(flat, band, chunk);
            cost = whole_cost(flat);
            if (cost < least * (1 - LEAST_GAIN) &&
                (band == 1 || block_floats(flat) * sizeof(float) <= FAR_BLOCK_BYTES)) {
                least = cost;
                best_chunk = chunk;
                best_band = band;
            }
        }
        chunk = (chunk - 1) / flat->kernels->width * flat->kernels->width;
        if (chunk < 2 * flat->kernels->width || flat->deep)
            break;
    }
    set_block(flat, best_band, best_chunk);
}

static bool create_segments(struct convolution_flat *flat)
{
    size_t vectors = convolution_flat_vectors(flat, flat->band), width = flat->kernels->width;
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
                step * flat->pitch + flat->chunk < stop ? step * flat->pitch + flat->chunk : stop;
            size_t row = step * (size_t)rows_of_step(flat), lane = at - v * width;

            if (at < last && step < (size_t)flat->band)
                flat->segments[count++] = (struct flat_segment){.x = (int32_t)x - (int32_t)lane,
                                                                .row = (int32_t)row,
                                                                .first = (uint8_t)lane,
                                                                .end = (uint8_t)(last - v * width)};
            at = stop;
        }
    }
    flat->segment_of[vectors] = (int32_t)count;
    return true;
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

/* Where the kernel is narrower than the stride, columns that it never sees are not prepared; unless
 * padding moves them, as then phases are not in their order. */
static size_t column_phases(const struct window *window)
{
    int64_t span = window_span(window, 1);

    return span < window->stride[1] && window->pad_begin[1] % window->stride[1] == 0
               ? (size_t)span
               : (size_t)window->stride[1];
}

/* All but the weights, which deciding does not need. False without memory. */
static bool create_geometry(struct convolution_flat **flat, const struct convolution *convolution,
                            const struct flat *kernels, enum convolution_way way)
{
    bool pairs = way == WAY_WIDE_PAIRS || way == WAY_DEEP_PAIRS;
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
    f->deep = way == WAY_DEEP || way == WAY_DEEP_PAIRS;
    if (!create_planes(f)) {
        convolution_flat_destroy(f);
        return false;
    }
    f->column_phases = column_phases(&convolution->window);
    convolution_flat_count_taps(f);
    if (f->deep && !choose_depth(f)) {
        convolution_flat_destroy(f);
        return true;
    }
    choose_block(f);
    *flat = f;
    return true;
}

/* The cheapest of all ways, or the one way; NULL where there is none, or im2col is cheaper. */
static bool choose_way(struct convolution_flat **flat, const struct convolution *convolution,
                       const struct flat *kernels, enum convolution_way way)
{
    double least = way == WAY_CHEAPEST ? columns_cost(convolution) : INFINITY;
    int first = way == WAY_CHEAPEST ? WAY_WIDE : (int)way;
    int last = way == WAY_CHEAPEST ? WAY_COUNT - 1 : (int)way;

    *flat = NULL;
    for (int i = first; i <= last; i++) {
        struct convolution_flat *other;

        if (!create_geometry(&other, convolution, kernels, (enum convolution_way)i))
            return false;
        if (other && whole_cost(other) < least) {
            struct convolution_flat *dearer = *flat;

            least = whole_cost(other);
            *flat = other;
            other = dearer;
        }
        convolution_flat_destroy(other);
    }
    return true;
}

bool convolution_flat_create(struct convolution_flat **flat, const struct convolution *convolution,
                             const struct flat *kernels, enum convolution_way way,
                             const float *weights, const float *bias)
{
    bool done = choose_way(flat, convolution, kernels, way);

    if (done && *flat)
        done = convolution_flat_create_taps(*flat, weights, bias) &&
               ((*flat)->deep || create_segments(*flat));
    if (!done) {
        convolution_flat_destroy(*flat);
        *flat = NULL;
    }
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
size_t convolution_flat_zeros(const struct convolution_flat *flat)
{
    size_t end = block_floats(flat) + 2 * (size_t)FLAT_MAX_VECTORS * FLAT_MAX_WIDTH + flat->pitch;

    return divide_up(end, FLAT_MAX_WIDTH) * FLAT_MAX_WIDTH;
}

size_t convolution_flat_scratch(const struct convolution_flat *flat)
{
    return convolution_flat_zeros(flat) + (size_t)flat->convolution.sizes.input_width;
}

int convolution_flat_band(const struct convolution_flat *flat)
{
    return flat->band * rows_of_step(flat);
}
