#include "kernels/convolution_flat_state.h"

#include "base/memory.h"

#include <math.h>
#include <string.h>

#define PHASE_PLANES 4 /* of PHASE_ROWS_MAX rows in pairs */

/* Planes of a block are to stay in the first-level cache, or in a part of the second. */
#define BLOCK_BYTES     ((size_t)32 * 1024)
#define FAR_BLOCK_BYTES ((size_t)128 * 1024)
#define BAND_MAX        16
#define LEAST_GAIN      0.01 /* smaller gains than this share are not worth a larger block */

/* What work besides multiply-adds costs, in multiply-adds. */
#define ALONE_COST     5  /* a result: checking, cutting, storing */
#define PAIR_COST      14 /* two of them, and sums that are put by */
#define PLANE_COST     5  /* a cell of a plane in the first-level cache */
#define FAR_PLANE_COST 6
#define COLUMNS_COST   2.2 /* im2col, for each one: OpenBLAS does half of what the tiles do */

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

double convolution_flat_cost(const struct convolution_flat *flat)
{
    return all_vectors(flat) * (double)flat->kernels->width *
           (double)flat->convolution.sizes.output_channels * (double)flat->tap_count;
}

/* The same and what comes on top. */
static double whole_cost(const struct convolution_flat *flat)
{
    double outputs = (double)flat->convolution.sizes.output_channels;
    double blocks =
        chunk_count(flat) * (double)divide_up((size_t)step_count(flat), (size_t)flat->band);
    double vector_cost = flat->pairs ? PAIR_COST : ALONE_COST;
    double plane_cost =
        block_floats(flat) * sizeof(float) > BLOCK_BYTES ? FAR_PLANE_COST : PLANE_COST;

    return convolution_flat_cost(flat) +
           all_vectors(flat) * (double)flat->kernels->width * outputs * vector_cost +
           blocks * (double)block_floats(flat) * plane_cost;
}

static void set_block(struct convolution_flat *flat, int band, size_t chunk)
{
    const struct window *window = &flat->convolution.window;

    flat->band = band;
    flat->chunk = chunk;
    flat->pitch = chunk + (size_t)(window_span(window, 1) - 1) / (size_t)window->stride[1];
    flat->plane_size = (size_t)(band + flat->extra) * flat->pitch;
    flat->channel_size = flat->plane_size * (size_t)flat->plane_count * (size_t)window->stride[1];
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
        if (chunk < 2 * flat->kernels->width)
            break;
    }
    set_block(flat, best_band, best_chunk);
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

static void count_taps(struct convolution_flat *flat)
{
    for (int list = 0; list < FLAT_LISTS; list++) {
        struct tap tap = first_tap(flat);

        while (next_tap(flat, (enum flat_list)list, &tap))
            flat->taps[list]++;
        flat->tap_count += flat->taps[list];
    }
}

static bool create_offsets(struct convolution_flat *flat)
{
    const struct window *window = &flat->convolution.window;
    int32_t *offset = memory_array(flat->tap_count, sizeof(*flat->offset));

    flat->offset = offset;
    for (int list = 0; list < FLAT_LISTS && offset; list++) {
        struct tap tap = first_tap(flat);

        while (next_tap(flat, (enum flat_list)list, &tap)) {
            int row = tap.kernel_row * window->dilation[0];

            if (flat->pairs)
                *offset++ = tap_offset(flat, tap.channel, tap.plane, 0, tap.kx);
            else
                *offset++ =
                    tap_offset(flat, tap.channel, flat->phases[row % window->stride[0]].first_plane,
                               row / window->stride[0], tap.kx);
        }
    }
    return flat->offset != NULL;
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
    size_t vectors = convolution_flat_vectors(flat, flat->band), width = flat->kernels->width;
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
                step * flat->pitch + flat->chunk < stop ? step * flat->pitch + flat->chunk : stop;
            size_t row = step * (size_t)rows_of_step(flat), lane = at - v * width;

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
    count_taps(f);
    choose_block(f);
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
    done = done && (!alone || (create_offsets(alone) && create_weights(alone, weights, bias) &&
                               create_segments(alone)));
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
