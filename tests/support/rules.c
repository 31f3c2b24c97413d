#include "support/rules.h"

#include "base/memory.h"
#include "support/networks.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static int height_of(const struct rules *rules, int tensor)
{
    return tensor_height(&rules->graph->tensors[tensor]);
}

static int width_of(const struct rules *rules, int tensor)
{
    return tensor_width(&rules->graph->tensors[tensor]);
}

static double *new_map(const struct rules *rules, int tensor, double value)
{
    size_t cells = (size_t)height_of(rules, tensor) * (size_t)width_of(rules, tensor);
    double *map = memory_array(cells, sizeof(double));

    assert_non_null(map);
    for (size_t i = 0; i < cells; i++)
        map[i] = value;
    return map;
}

static double element_at(const struct rules *rules, int tensor, int c, int y, int x)
{
    const struct tensor *t = &rules->graph->tensors[tensor];
    int64_t at[4] = {0}, element = 0;

    at[t->axes.channel] = c;
    at[t->axes.height] = y;
    at[t->axes.width] = x;
    for (int axis = 0; axis < 4; axis++)
        element = element * t->shape.extent[axis] + at[axis];
    return (double)forward_tensor(rules->forward, tensor)[element];
}

static double average_at(const struct rules *rules, int tensor, int y, int x)
{
    int channels = tensor_channels(&rules->graph->tensors[tensor]);
    double sum = 0;

    for (int c = 0; c < channels; c++) {
        double value = element_at(rules, tensor, c, y, x);

        if (rules->average == VBP_AVERAGE_POSITIVE)
            value = fmax(value, 0);
        else if (rules->average == VBP_AVERAGE_ABSOLUTE)
            value = fabs(value);
        sum += value;
    }
    return sum / channels;
}

/* Rule 3. Each map cell adds itself to all cells of its window. */
static double *scaled_up(struct rules *rules, const struct node *node, const struct window *window)
{
    const double *from = rules_map(rules, node->output);
    int height = height_of(rules, node->inputs[0]), width = width_of(rules, node->inputs[0]);
    double *to = new_map(rules, node->inputs[0], 0), *windows = new_map(rules, node->inputs[0], 0);
    int kernel[2], dilation[2];

    for (int axis = 0; axis < 2; axis++) {
        bool holes = window->kernel[axis] < window->stride[axis];

        kernel[axis] = holes ? window->stride[axis] : window->kernel[axis];
        dilation[axis] = holes ? 1 : window->dilation[axis];
    }
    for (int j = 0; j < height_of(rules, node->output); j++) {
        for (int i = 0; i < width_of(rules, node->output); i++) {
            for (int k = 0; k < kernel[0] * kernel[1]; k++) {
                int y = j * window->stride[0] - window->pad_begin[0] + k / kernel[1] * dilation[0];
                int x = i * window->stride[1] - window->pad_begin[1] + k % kernel[1] * dilation[1];

                if (y < 0 || y >= height || x < 0 || x >= width)
                    continue;
                to[y * width + x] += from[j * width_of(rules, node->output) + i];
                windows[y * width + x]++;
            }
        }
    }
    for (int i = 0; i < height * width && rules->even; i++)
        to[i] /= fmax(windows[i], 1);
    free(windows);
    return to;
}

/* Where the picture's row axis of the input is among the output's axes, through a transpose. */
static double *permuted(struct rules *rules, const struct node *node)
{
    int input = node->inputs[0], width = width_of(rules, input);
    const double *from = rules_map(rules, node->output);
    double *to = new_map(rules, input, 0);
    const struct axes in = rules->graph->tensors[input].axes;
    const struct axes out = rules->graph->tensors[node->output].axes;

    for (int i = 0; i < height_of(rules, input) * width; i++) {
        int at[4] = {0};

        at[in.height] = i / width;
        at[in.width] = i % width;
        to[i] = from[at[node->transpose.permutation[out.height]] * width_of(rules, node->output) +
                     at[node->transpose.permutation[out.width]]];
    }
    return to;
}

static double *unpadded(struct rules *rules, const struct node *node)
{
    int input = node->inputs[0], width = width_of(rules, input);
    const struct axes axes = rules->graph->tensors[input].axes;
    const double *from = rules_map(rules, node->output);
    double *to = new_map(rules, input, 0);

    for (int i = 0; i < height_of(rules, input) * width; i++) {
        int y = i / width + (int)node->pad.begin[axes.height];
        int x = i % width + (int)node->pad.begin[axes.width];

        if (y >= 0 && y < height_of(rules, node->output) && x >= 0 &&
            x < width_of(rules, node->output))
            to[i] = from[y * width_of(rules, node->output) + x];
    }
    return to;
}

static double *block_means(struct rules *rules, const struct node *node)
{
    int width = width_of(rules, node->inputs[0]), up = width_of(rules, node->output);
    const int *factor = node->upsample.factor;
    const double *from = rules_map(rules, node->output);
    double *to = new_map(rules, node->inputs[0], 0);

    for (int i = 0; i < height_of(rules, node->output) * up; i++)
        to[i / up / factor[0] * width + i % up / factor[1]] += from[i] / (factor[0] * factor[1]);
    return to;
}

/* Rule 3 the other way round: each map cell adds itself to all cells whose window has it. */
static double *gathered(struct rules *rules, const struct node *node)
{
    const struct window *window = &node->convolution.window;
    const double *from = rules_map(rules, node->output);
    int width = width_of(rules, node->inputs[0]), up = width_of(rules, node->output);
    double *to = new_map(rules, node->inputs[0], 0);

    for (int i = 0; i < height_of(rules, node->inputs[0]) * width; i++) {
        int cells = 0;

        for (int k = 0; k < window->kernel[0] * window->kernel[1]; k++) {
            int y = i / width * window->stride[0] - window->pad_begin[0] +
                    k / window->kernel[1] * window->dilation[0];
            int x = i % width * window->stride[1] - window->pad_begin[1] +
                    k % window->kernel[1] * window->dilation[1];

            if (y < 0 || y >= height_of(rules, node->output) || x < 0 || x >= up)
                continue;
            to[i] += from[y * up + x];
            cells++;
        }
        if (rules->even && cells > 0)
            to[i] /= cells;
    }
    return to;
}

/* Of cells i of `inputs` and j of `outputs` of a resizing: how much of i went into j. */
static double share(enum interpolate_grid grid, int inputs, int outputs, int i, int j)
{
    double place = (double)j * inputs / outputs;

    if (grid == GRID_CENTRES)
        place = (j + 0.5) * inputs / outputs - 0.5;
    if (grid == GRID_ENDS)
        place = outputs == 1 ? 0 : (double)j * (inputs - 1) / (outputs - 1);
    return fmax(1 - fabs(fmin(fmax(place, 0), inputs - 1) - i), 0);
}

/* Of cell i of the map that a resizing gets: how much of the map's cell j is in it. */
static double share_back(const struct node *node, int size, int map, int i, int j)
{
    enum interpolate_grid grid = node->resize.interpolation.grid;
    double all = 0;

    if (map < size)
        return share(grid, map, size, j, i);
    for (int k = 0; k < map; k++)
        all += share(grid, size, map, i, k);
    return share(grid, size, map, i, j) / all;
}

/* The networks here are resized linearly. */
static double *sized_back(struct rules *rules, const struct node *node)
{
    const double *from = rules_map(rules, node->output);
    int height = height_of(rules, node->inputs[0]), width = width_of(rules, node->inputs[0]);
    int rows = height_of(rules, node->output), columns = width_of(rules, node->output);
    double *to = new_map(rules, node->inputs[0], 0);

    assert_int_equal(node->resize.interpolation.function, INTERPOLATE_LINEAR);
    for (int i = 0; i < height * width; i++) {
        for (int j = 0; j < rows * columns; j++)
            to[i] += share_back(node, height, rows, i / width, j / columns) *
                     share_back(node, width, columns, i % width, j % columns) * from[j];
    }
    return to;
}

/* Rules 1, 3 and 4: what comes down to `tensor` from one of its readers. */
static double *contribution(struct rules *rules, int tensor, const struct node *node)
{
    double *map;

    if (rules->graph->tensors[node->output].axes.channel < 0)
        return new_map(rules, tensor, 1);
    switch (node->kind) {
    case NODE_CONVOLUTION:
        return scaled_up(rules, node, &node->convolution.window);
    case NODE_MAX_POOL:
    case NODE_AVERAGE_POOL:
        return scaled_up(rules, node, &node->pool.window);
    case NODE_TRANSPOSE:
        return permuted(rules, node);
    case NODE_PAD:
        return unpadded(rules, node);
    case NODE_UPSAMPLE:
        return block_means(rules, node);
    case NODE_CONVOLUTION_TRANSPOSE:
        return gathered(rules, node);
    case NODE_RESIZE:
        return sized_back(rules, node);
    default:
        break;
    }
    map = new_map(rules, tensor, 1);
    assert_int_equal(height_of(rules, tensor), height_of(rules, node->output));
    assert_int_equal(width_of(rules, tensor), width_of(rules, node->output));
    memcpy(map, rules_map(rules, node->output),
           (size_t)height_of(rules, tensor) * (size_t)width_of(rules, tensor) * sizeof(double));
    return map;
}

/* Rule 5. */
static double *merged(struct rules *rules, int tensor)
{
    int cells = height_of(rules, tensor) * width_of(rules, tensor), readers = 0;
    double *sum = new_map(rules, tensor, 0), *only = NULL;

    for (int i = 0; i < rules->graph->node_count; i++) {
        const struct node *node = &rules->graph->nodes[i];

        for (int slot = 0; slot < node->input_count; slot++) {
            double *map, largest = -INFINITY;

            if (node->inputs[slot] != tensor)
                continue;
            map = contribution(rules, tensor, node);
            for (int cell = 0; cell < cells; cell++)
                largest = fmax(largest, map[cell]);
            for (int cell = 0; cell < cells; cell++)
                sum[cell] += largest > 0 ? map[cell] / largest : 0;
            free(only);
            only = map;
            readers++;
        }
    }
    if (readers == 1) {
        free(sum);
        return only;
    }
    free(only);
    for (int cell = 0; cell < cells; cell++)
        sum[cell] = readers ? sum[cell] / readers : 1;
    return sum;
}

static bool is_level(const struct graph *graph, int tensor)
{
    for (int i = 0; i < graph->level_count; i++) {
        if (graph->levels[i] == tensor)
            return true;
    }
    return false;
}

const double *rules_map(struct rules *rules, int tensor)
{
    int width = width_of(rules, tensor);

    if (rules->maps[tensor])
        return rules->maps[tensor];
    rules->maps[tensor] = merged(rules, tensor);
    for (int i = 0; i < height_of(rules, tensor) * width && is_level(rules->graph, tensor); i++)
        rules->maps[tensor][i] *= average_at(rules, tensor, i / width, i % width);
    return rules->maps[tensor];
}

struct rules rules_begin(const struct graph *graph, const struct forward *forward,
                         VbpAverage average, bool even)
{
    struct rules rules = {.graph = graph, .forward = forward, .average = average, .even = even};

    rules.maps = memory_array((size_t)graph->tensor_count, sizeof(*rules.maps));
    assert_non_null(rules.maps);
    return rules;
}

void rules_end(struct rules *rules)
{
    reference_free(rules->graph, rules->maps);
}
