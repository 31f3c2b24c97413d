#include "base/memory.h"
#include "kernels/convolution_direct_state.h"

#include <string.h>

size_t convolution_round_up(size_t value, size_t step)
{
    return (value + step - 1) / step * step;
}

/* Vectors of the panels that the channels are split into: as even as can be. */
static size_t panel_channels(size_t channels, size_t width)
{
    size_t vectors = (channels + width - 1) / width;
    size_t panels = (vectors + TILE_MAX_VECTORS - 1) / TILE_MAX_VECTORS;

    return (vectors + panels - 1) / panels * width;
}

static bool runs_create(struct runs *runs, const struct convolution_direct *direct, size_t count,
                        size_t length, size_t channels)
{
    size_t floats;

    runs->count = count;
    runs->length = length;
    runs->channels = channels;
    runs->panel = panel_channels(channels, direct->tiles->width);
    runs->group_weights = count * length * convolution_round_up(channels, direct->tiles->width);
    runs->offset = memory_array(count, sizeof(*runs->offset));
    if (!size_multiply(runs->group_weights, (size_t)direct->convolution.groups, &floats))
        return false;
    runs->weights = memory_aligned_array(floats, sizeof(float));
    if (!runs->offset || !runs->weights)
        return false;
    memset(runs->weights, 0, floats * sizeof(float));
    return true;
}

static void runs_free(struct runs *runs)
{
    free(runs->offset);
    free(runs->weights);
}

/*
 * Writes the weights of float `at` (counted over all runs) and all channels n of a group:
 * source[n * step].
 */
static void runs_set_weights(struct runs *runs, size_t width, int group, size_t at,
                             const float *source, size_t step)
{
    float *panel = runs->weights + (size_t)group * runs->group_weights;

    for (size_t first = 0; first < runs->channels; first += runs->panel) {
        size_t left = runs->channels - first;
        size_t channels = left < runs->panel ? left : runs->panel;
        size_t pitch = convolution_round_up(channels, width);

        for (size_t n = 0; n < channels; n++)
            panel[at * pitch + n] = source[(first + n) * step];
        panel += runs->count * runs->length * pitch;
    }
}

/* Cells of a kernel's line lie together, so that a line is one run and not one for each cell. */
static bool lines_join(const struct convolution *convolution)
{
    return convolution->groups == 1 &&
           (convolution->window.dilation[1] == 1 || convolution->window.kernel[1] == 1);
}

static bool create_forward(struct convolution_direct *direct)
{
    const struct window_sizes *sizes = &direct->convolution.sizes;
    const struct window *window = &direct->convolution.window;
    bool join = lines_join(&direct->convolution);
    int runs_in_line = join ? 1 : window->kernel[1];
    size_t length = direct->group_inputs * (size_t)(join ? window->kernel[1] : 1);
    size_t cell = (size_t)sizes->input_channels, floats;

    if (!runs_create(&direct->forward, direct, (size_t)window->kernel[0] * (size_t)runs_in_line,
                     length, direct->group_outputs))
        return false;
    for (int y = 0; y < window->kernel[0]; y++) {
        for (int x = 0; x < runs_in_line; x++)
            direct->forward.offset[y * runs_in_line + x] =
                (ptrdiff_t)((size_t)y * (size_t)window->dilation[0] * direct->input_row +
                            (size_t)x * (size_t)window->dilation[1] * cell);
    }
    direct->group_bias = convolution_round_up(direct->group_outputs, direct->forward.panel);
    direct->bias =
        memory_array(direct->group_bias * (size_t)direct->convolution.groups, sizeof(float));
    direct->zeros = memory_array(TILE_MAX_WIDTH * TILE_MAX_VECTORS, sizeof(float));
    direct->sums_length = convolution_round_up(length, direct->tiles->width);
    if (!size_multiply(direct->sums_length * direct->forward.count, (size_t)sizes->output_channels,
                       &floats))
        return false;
    direct->sums = memory_aligned_array(floats, sizeof(float));
    direct->bias_sums = memory_array((size_t)sizes->output_channels, sizeof(double));
    direct->row_sums = memory_array((size_t)sizes->output_channels, sizeof(float));
    if (!direct->bias || !direct->zeros || !direct->sums || !direct->bias_sums || !direct->row_sums)
        return false;
    memset(direct->sums, 0, floats * sizeof(float));
    return true;
}

/* How many kernel cells a phase has along an axis, the first of them, and the step to the next. */
static void find_cells(const struct window *window, int axis, int which, struct phase *phase)
{
    int last = 0;

    phase->cell_step[axis] = 1;
    for (int k = 0; k < window->kernel[axis]; k++) {
        if (k * window->dilation[axis] % window->stride[axis] != which)
            continue;
        if (phase->cells[axis] == 0)
            phase->first_cell[axis] = k;
        else
            phase->cell_step[axis] = k - last;
        last = k;
        phase->cells[axis]++;
    }
}

/*
 * The i-th kernel cell along an axis, in the order of the outputs: those with the largest m, which
 * take the last kernel cells, come first.
 */
int convolution_phase_cell(const struct phase *phase, int axis, int i)
{
    return phase->first_cell[axis] + phase->cell_step[axis] * (phase->cells[axis] - 1 - i);
}

/* m of a kernel cell, as at struct phase. */
int convolution_outputs_before(const struct window *window, int axis, int k)
{
    return k * window->dilation[axis] / window->stride[axis];
}

static bool create_phase(struct convolution_direct *direct, struct phase *phase, const int *which)
{
    const struct window *window = &direct->convolution.window;
    const struct window_sizes *sizes = &direct->convolution.sizes;
    const int size[2] = {sizes->input_height, sizes->input_width};
    size_t parts = 1;

    for (int axis = 0; axis < 2; axis++) {
        int before = window->pad_begin[axis] - which[axis];
        int stride = window->stride[axis], last = size[axis] - 1 + before;

        find_cells(window, axis, which[axis], phase);
        phase->first[axis] = before > 0 ? (before + stride - 1) / stride : 0;
        phase->count[axis] = last < 0 ? 0 : last / stride - phase->first[axis] + 1;
        phase->corner[axis] = phase->first[axis] * stride - before;
    }
    phase->runs_in_line = phase->cells[1];
    if (direct->convolution.groups == 1 && phase->cells[1] > 0 &&
        (phase->cells[1] == 1 || phase->cell_step[1] * window->dilation[1] == window->stride[1])) {
        parts = (size_t)phase->cells[1];
        phase->runs_in_line = 1;
    }
    if (!runs_create(&phase->runs, direct, (size_t)phase->cells[0] * (size_t)phase->runs_in_line,
                     direct->group_outputs * parts, direct->group_inputs))
        return false;
    for (int run = 0; run < (int)phase->runs.count; run++) {
        int y = convolution_phase_cell(phase, 0, run / phase->runs_in_line);
        int x = convolution_phase_cell(phase, 1, run % phase->runs_in_line);

        phase->runs.offset[run] =
            -(ptrdiff_t)convolution_outputs_before(window, 0, y) * (ptrdiff_t)direct->gradient_row +
            (ptrdiff_t)(direct->front - convolution_outputs_before(window, 1, x)) *
                (ptrdiff_t)sizes->output_channels;
    }
    return true;
}

/* Only phases that have cells of the input: no more than there are cells, however long the stride.
 */
static bool create_phases(struct convolution_direct *direct)
{
    const struct window *window = &direct->convolution.window;
    const int size[2] = {direct->convolution.sizes.input_height,
                         direct->convolution.sizes.input_width};
    int phases[2];
    size_t count;

    for (int axis = 0; axis < 2; axis++)
        phases[axis] = window->stride[axis] < size[axis] ? window->stride[axis] : size[axis];
    if (!size_multiply((size_t)phases[0], (size_t)phases[1], &count))
        return false;
    direct->phases = memory_array(count, sizeof(*direct->phases));
    if (!direct->phases)
        return false;
    for (int y = 0; y < phases[0]; y++) {
        for (int x = 0; x < phases[1]; x++) {
            const int which[2] = {(y + window->pad_begin[0]) % window->stride[0],
                                  (x + window->pad_begin[1]) % window->stride[1]};

            if (!create_phase(direct, &direct->phases[direct->phase_count++], which))
                return false;
        }
    }
    return true;
}

struct convolution_direct *convolution_direct_create(const struct convolution *convolution,
                                                     const struct tiles *tiles)
{
    const struct window_sizes *sizes = &convolution->sizes;
    const struct window *window = &convolution->window;
    struct convolution_direct *direct = memory_array(1, sizeof(*direct));
    int last = (sizes->input_width - 1 + window->pad_begin[1]) / window->stride[1];
    size_t input_height =
        (size_t)sizes->input_height + (size_t)window->pad_begin[0] + (size_t)window->pad_end[0];

    if (!direct)
        return NULL;
    direct->convolution = *convolution;
    direct->tiles = tiles;
    direct->group_inputs = (size_t)(sizes->input_channels / convolution->groups);
    direct->group_outputs = (size_t)(sizes->output_channels / convolution->groups);
    direct->front = convolution_outputs_before(window, 1, window->kernel[1] - 1);
    direct->back = last >= sizes->output_width ? last - sizes->output_width + 1 : 0;
    direct->input_row =
        ((size_t)sizes->input_width + (size_t)window->pad_begin[1] + (size_t)window->pad_end[1]) *
        (size_t)sizes->input_channels;
    direct->gradient_row = (size_t)(direct->front + sizes->output_width + direct->back) *
                           (size_t)sizes->output_channels;
    direct->input_size = convolution_round_up(
        input_height * direct->input_row + CONVOLUTION_DIRECT_SLACK, TILE_MAX_WIDTH);
    direct->gradient_size =
        convolution_round_up((size_t)sizes->output_height * direct->gradient_row, TILE_MAX_WIDTH);
    if (!create_forward(direct) || !create_phases(direct)) {
        convolution_direct_destroy(direct);
        return NULL;
    }
    return direct;
}

void convolution_direct_destroy(struct convolution_direct *direct)
{
    if (!direct)
        return;
    for (int i = 0; i < direct->phase_count; i++)
        runs_free(&direct->phases[i].runs);
    free(direct->phases);
    runs_free(&direct->forward);
    free(direct->bias);
    free(direct->zeros);
    free(direct->sums);
    free(direct->bias_sums);
    free(direct->row_sums);
    free(direct);
}

/* Where the weights of kernel cell (y, x) for input channel c, the group's first output, lie. */
static const float *weight_at(const struct convolution_direct *direct, const float *weights,
                              int group, size_t c, int y, int x)
{
    const int *kernel = direct->convolution.window.kernel;
    size_t row = (size_t)group * direct->group_outputs * direct->group_inputs + c;

    return weights + (row * (size_t)kernel[0] + (size_t)y) * (size_t)kernel[1] + (size_t)x;
}

void convolution_direct_load(struct convolution_direct *direct, const float *weights,
                             const float *bias)
{
    const struct window *window = &direct->convolution.window;
    size_t cells = (size_t)window->kernel[0] * (size_t)window->kernel[1];

    for (int group = 0; group < direct->convolution.groups; group++) {
        size_t at = 0;

        for (int y = 0; y < window->kernel[0]; y++) {
            for (int x = 0; x < window->kernel[1]; x++) {
                for (size_t c = 0; c < direct->group_inputs; c++)
                    runs_set_weights(&direct->forward, direct->tiles->width, group, at++,
                                     weight_at(direct, weights, group, c, y, x),
                                     direct->group_inputs * cells);
            }
        }
        if (bias)
            memcpy(direct->bias + (size_t)group * direct->group_bias,
                   bias + (size_t)group * direct->group_outputs,
                   direct->group_outputs * sizeof(float));
    }
}

void convolution_direct_load_backward(struct convolution_direct *direct, const float *weights)
{
    const struct window *window = &direct->convolution.window;
    size_t cells = (size_t)window->kernel[0] * (size_t)window->kernel[1];

    for (int i = 0; i < direct->phase_count; i++) {
        struct phase *phase = &direct->phases[i];

        for (int group = 0; group < direct->convolution.groups; group++) {
            size_t at = 0;

            for (int cell = 0; cell < phase->cells[0] * phase->cells[1]; cell++) {
                const float *source =
                    weight_at(direct, weights, group, 0,
                              convolution_phase_cell(phase, 0, cell / phase->cells[1]),
                              convolution_phase_cell(phase, 1, cell % phase->cells[1]));

                for (size_t o = 0; o < direct->group_outputs; o++)
                    runs_set_weights(&phase->runs, direct->tiles->width, group, at++,
                                     source + o * direct->group_inputs * cells, cells);
            }
        }
    }
}

size_t convolution_direct_input_size(const struct convolution_direct *direct)
{
    return direct->input_size;
}

bool convolution_direct_pads(const struct convolution_direct *direct)
{
    const struct window *window = &direct->convolution.window;

    return window->pad_begin[0] || window->pad_begin[1] || window->pad_end[0] || window->pad_end[1];
}

/* Rows of a picture, in either layout, into the middle of a padded one. */
void convolution_pad(const float *picture, size_t channels, size_t height, size_t width,
                     bool channels_last, const int *front, const int *back, float *padded)
{
    size_t left = (size_t)front[1] * channels, right = (size_t)back[1] * channels;
    size_t row = left + width * channels + right;

    memset(padded, 0, (size_t)front[0] * row * sizeof(float));
    padded += (size_t)front[0] * row;
    for (size_t y = 0; y < height; y++, padded += row) {
        float *cell = padded + left;

        memset(padded, 0, left * sizeof(float));
        memset(cell + width * channels, 0, right * sizeof(float));
        if (channels_last) {
            memcpy(cell, picture + y * width * channels, width * channels * sizeof(float));
            continue;
        }
        for (size_t c = 0; c < channels; c++) {
            const float *line = picture + (c * height + y) * width;

            for (size_t x = 0; x < width; x++)
                cell[x * channels + c] = line[x];
        }
    }
    memset(padded, 0, (size_t)back[0] * row * sizeof(float));
}

void convolution_direct_pad_input(const struct convolution_direct *direct, const float *input,
                                  bool channels_last, float *padded)
{
    const struct window_sizes *sizes = &direct->convolution.sizes;
    const struct window *window = &direct->convolution.window;

    convolution_pad(input, (size_t)sizes->input_channels, (size_t)sizes->input_height,
                    (size_t)sizes->input_width, channels_last, window->pad_begin, window->pad_end,
                    padded);
    memset(padded + direct->input_size - CONVOLUTION_DIRECT_SLACK, 0,
           CONVOLUTION_DIRECT_SLACK * sizeof(float));
}

/*
 * One row of positions, all channels of a group, panel after panel, over run_count of the runs from
 * first_run on.
 */
bool convolution_correlate_row(const struct convolution_direct *direct, const struct runs *runs,
                               struct correlation *correlation, size_t first_run, int group,
                               const float *bias, const float *input, float *output,
                               size_t positions)
{
    const float *weights = runs->weights + (size_t)group * runs->group_weights;
    bool finite = true;

    correlation->run_offset = runs->offset + first_run;
    correlation->run_length = runs->length;
    for (size_t first = 0; first < runs->channels; first += runs->panel) {
        size_t left = runs->channels - first, pitch;

        correlation->channels = left < runs->panel ? left : runs->panel;
        pitch = convolution_round_up(correlation->channels, direct->tiles->width);
        correlation->weights = weights + first_run * runs->length * pitch;
        correlation->bias = bias ? bias + first : direct->zeros;
        finite &= direct->tiles->correlate(correlation, input, output + first, positions);
        weights += runs->count * runs->length * pitch;
    }
    return finite;
}

bool convolution_direct_forward(const struct convolution_direct *direct, const float *padded,
                                bool rectify, float *output)
{
    const struct window_sizes *sizes = &direct->convolution.sizes;
    const int *stride = direct->convolution.window.stride;
    size_t row = (size_t)sizes->output_width * (size_t)sizes->output_channels;
    struct correlation correlation = {
        .run_count = direct->forward.count,
        .input_step = (size_t)stride[1] * (size_t)sizes->input_channels,
        .output_step = (size_t)sizes->output_channels,
        .rectify = rectify,
    };
    bool finite = true;

    for (int group = 0; group < direct->convolution.groups; group++) {
        const float *input = padded + (size_t)group * direct->group_inputs;
        float *out = output + (size_t)group * direct->group_outputs;

        for (int y = 0; y < sizes->output_height; y++)
            finite &=
                convolution_correlate_row(direct, &direct->forward, &correlation, 0, group,
                                          direct->bias + (size_t)group * direct->group_bias,
                                          input + (size_t)y * (size_t)stride[0] * direct->input_row,
                                          out + (size_t)y * row, (size_t)sizes->output_width);
    }
    return finite;
}
