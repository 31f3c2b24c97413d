/* The reference of reference_run: each node by its definition, one output at a time, in double. */
#include "base/memory.h"
#include "support/networks.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>

#include <cmocka.h>

struct values {
    const struct shape *shape;
    double *data;
};

static size_t count_of(const struct shape *shape)
{
    return (size_t)shape_elements(shape);
}

/* Element index of a tensor -> its coordinates, and back. */
static void coordinates(const struct shape *shape, size_t element, int64_t *at)
{
    for (int axis = shape->rank - 1; axis >= 0; axis--) {
        at[axis] = (int64_t)(element % (size_t)shape->extent[axis]);
        element /= (size_t)shape->extent[axis];
    }
}

static size_t element_at(const struct shape *shape, const int64_t *at)
{
    size_t element = 0;

    for (int axis = 0; axis < shape->rank; axis++)
        element = element * (size_t)shape->extent[axis] + (size_t)at[axis];
    return element;
}

/* Of an image 1 x C x H x W; `outside` beyond its border. */
static double pixel(const struct values *image, int64_t c, int64_t y, int64_t x, double outside)
{
    const int64_t *extent = image->shape->extent;

    if (y < 0 || y >= extent[2] || x < 0 || x >= extent[3])
        return outside;
    return image->data[(size_t)((c * extent[2] + y) * extent[3] + x)];
}

static double convolve(const struct node *node, const struct values *in, const int64_t *at)
{
    const struct window *window = &node->convolution.window;
    const int64_t *weights = in[1].shape->extent;
    int64_t first = at[1] / (weights[0] / node->convolution.groups) * weights[1];
    double sum = node->input_count == 3 ? in[2].data[at[1]] : 0;

    for (int64_t c = 0; c < weights[1]; c++) {
        for (int64_t ky = 0; ky < weights[2]; ky++) {
            for (int64_t kx = 0; kx < weights[3]; kx++) {
                int64_t y =
                    at[2] * window->stride[0] - window->pad_begin[0] + ky * window->dilation[0];
                int64_t x =
                    at[3] * window->stride[1] - window->pad_begin[1] + kx * window->dilation[1];
                const int64_t place[4] = {at[1], c, ky, kx};

                sum +=
                    in[1].data[element_at(in[1].shape, place)] * pixel(&in[0], first + c, y, x, 0);
            }
        }
    }
    return sum;
}

/* Each input cell and kernel cell that come to lie upon the output's. */
static double convolve_transposed(const struct node *node, const struct values *in,
                                  const int64_t *at)
{
    const struct window *window = &node->convolution.window;
    const int64_t *weights = in[1].shape->extent, *extent = in[0].shape->extent;
    int64_t per_group = extent[1] / node->convolution.groups;
    double sum = node->input_count == 3 ? in[2].data[at[1]] : 0;

    for (int64_t i = 0; i < per_group * extent[2] * extent[3]; i++) {
        int64_t c = i / (extent[2] * extent[3]) + at[1] / weights[1] * per_group;
        int64_t y = i / extent[3] % extent[2], x = i % extent[3];

        for (int64_t ky = 0; ky < weights[2]; ky++) {
            for (int64_t kx = 0; kx < weights[3]; kx++) {
                const int64_t place[4] = {c, at[1] % weights[1], ky, kx};

                if (y * window->stride[0] - window->pad_begin[0] + ky * window->dilation[0] ==
                        at[2] &&
                    x * window->stride[1] - window->pad_begin[1] + kx * window->dilation[1] ==
                        at[3])
                    sum += in[1].data[element_at(in[1].shape, place)] * pixel(&in[0], c, y, x, 0);
            }
        }
    }
    return sum;
}

/* Where an output cell lies among the input's along one axis. */
static double place_in(enum interpolate_grid grid, int64_t inputs, int64_t outputs, int64_t at)
{
    double place = (double)at * (double)inputs / (double)outputs;

    if (grid == GRID_CENTRES)
        place = ((double)at + 0.5) * (double)inputs / (double)outputs - 0.5;
    if (grid == GRID_ENDS)
        place = outputs == 1 ? 0 : (double)at * (double)(inputs - 1) / (double)(outputs - 1);
    return fmin(fmax(place, 0), (double)(inputs - 1));
}

/* A tent around the place: the share of a cell is 1 - its distance. */
static double resized(const struct node *node, const struct values *in, const struct shape *output,
                      const int64_t *at)
{
    const int64_t *extent = in->shape->extent;
    const struct interpolation *how = &node->resize.interpolation;
    double place[2], sum = 0;

    for (int i = 0; i < 2; i++) {
        place[i] = place_in(how->grid, extent[2 + i], output->extent[2 + i], at[2 + i]);
        if (how->function == INTERPOLATE_FLOOR)
            place[i] = floor(place[i]);
        else if (how->function == INTERPOLATE_CEILING)
            place[i] = ceil(place[i]);
        else if (how->function == INTERPOLATE_ROUND_UP)
            place[i] = fmin(floor(place[i] + 0.5), (double)(extent[2 + i] - 1));
        else if (how->function == INTERPOLATE_ROUND_DOWN)
            place[i] = fmax(ceil(place[i] - 0.5), 0);
    }
    for (int64_t y = 0; y < extent[2]; y++) {
        for (int64_t x = 0; x < extent[3]; x++)
            sum += fmax(1 - fabs((double)y - place[0]), 0) *
                   fmax(1 - fabs((double)x - place[1]), 0) * pixel(in, at[1], y, x, 0);
    }
    return sum;
}

static double pool(const struct node *node, const struct values *in, const int64_t *at)
{
    const struct window *window = &node->pool.window;
    const int64_t *extent = in->shape->extent;
    double sum = 0, largest = -INFINITY;
    int inside = 0, padded = 0;

    for (int ky = 0; ky < window->kernel[0]; ky++) {
        for (int kx = 0; kx < window->kernel[1]; kx++) {
            int64_t y = at[2] * window->stride[0] - window->pad_begin[0] + ky * window->dilation[0];
            int64_t x = at[3] * window->stride[1] - window->pad_begin[1] + kx * window->dilation[1];

            if (y < extent[2] + window->pad_end[0] && x < extent[3] + window->pad_end[1])
                padded++;
            if (y < 0 || y >= extent[2] || x < 0 || x >= extent[3])
                continue;
            inside++;
            sum += pixel(in, at[1], y, x, 0);
            largest = fmax(largest, pixel(in, at[1], y, x, 0));
        }
    }
    if (node->kind == NODE_MAX_POOL)
        return largest;
    return sum / (node->pool.include_padding ? padded : inside);
}

static double activate(const struct node *node, double x)
{
    double alpha = (double)node->activation.alpha, beta = (double)node->activation.beta;

    switch (node->activation.function) {
    case ACTIVATION_RELU:
        return fmax(x, 0);
    case ACTIVATION_CLIP:
        return fmin(fmax(x, alpha), beta);
    case ACTIVATION_ELU:
        return x > 0 ? x : alpha * (exp(x) - 1);
    case ACTIVATION_LEAKY_RELU:
        return x > 0 ? x : alpha * x;
    case ACTIVATION_SELU:
        return beta * (x > 0 ? x : alpha * (exp(x) - 1));
    case ACTIVATION_SOFTPLUS:
        return x > 30 ? x : log(1 + exp(x));
    case ACTIVATION_SILU:
        return x / (1 + exp(-x));
    case ACTIVATION_GELU:
        return x * (1 + erf(x / sqrt(2))) / 2;
    case ACTIVATION_SIGMOID:
        return 1 / (1 + exp(-x));
    case ACTIVATION_TANH:
        return tanh(x);
    case ACTIVATION_ATAN:
        return atan(x);
    case ACTIVATION_THRESHOLD:
        return x > alpha ? x : 0;
    case ACTIVATION_SOFTSIGN:
        return x / (1 + fabs(x));
    case ACTIVATION_EXPONENTIAL:
        return exp(x);
    case ACTIVATION_COUNT:
        break;
    }
    fail();
    return NAN;
}

/* The element of an operand that is broadcast to the output's shape. */
static double broadcast(const struct values *operand, const struct shape *output, const int64_t *at)
{
    int missing = output->rank - operand->shape->rank;
    int64_t own[SHAPE_MAX_RANK] = {0};

    for (int axis = 0; axis < operand->shape->rank; axis++)
        own[axis] = operand->shape->extent[axis] == 1 ? 0 : at[axis + missing];
    return operand->data[element_at(operand->shape, own)];
}

static double combine(enum binary operation, double a, double b)
{
    switch (operation) {
    case BINARY_ADD:
        return a + b;
    case BINARY_SUBTRACT:
        return a - b;
    case BINARY_MULTIPLY:
        return a * b;
    case BINARY_DIVIDE:
        return a / b;
    case BINARY_MAXIMUM:
        return fmax(a, b);
    case BINARY_MINIMUM:
        return fmin(a, b);
    case BINARY_PRELU:
        return fmax(a, 0) + b * fmin(a, 0);
    }
    fail();
    return NAN;
}

static double joined(const struct node *node, const struct values *in, const int64_t *at)
{
    int axis = node->concat.axis;
    int64_t own[SHAPE_MAX_RANK] = {0};

    for (int i = 0; i < SHAPE_MAX_RANK; i++)
        own[i] = at[i];
    while (own[axis] >= in->shape->extent[axis]) {
        own[axis] -= in->shape->extent[axis];
        in++;
    }
    return in->data[element_at(in->shape, own)];
}

static double mean_of_plane(const struct values *in, int64_t channel)
{
    int64_t cells = in->shape->extent[2] * in->shape->extent[3];
    double sum = 0;

    for (int64_t i = 0; i < cells; i++)
        sum += in->data[channel * cells + i];
    return sum / (double)cells;
}

static double multiply_rows(const struct node *node, const struct values *in, const int64_t *at,
                            int rank)
{
    int64_t length = in[1].shape->extent[1], out = at[rank - 1], own[SHAPE_MAX_RANK];
    double sum = node->input_count == 3 ? in[2].data[out] : 0;

    for (int i = 0; i < rank; i++)
        own[i] = at[i];
    for (own[rank - 1] = 0; own[rank - 1] < length; own[rank - 1]++)
        sum += in[1].data[out * length + own[rank - 1]] * in[0].data[element_at(in[0].shape, own)];
    return sum;
}

/* The sum of exp(x - y) over all y of the element's row. */
static double softmax(const struct node *node, const struct values *in, const int64_t *at)
{
    double own = in->data[element_at(in->shape, at)], sum = 0;
    int64_t other[SHAPE_MAX_RANK];

    for (int i = 0; i < SHAPE_MAX_RANK; i++)
        other[i] = at[i];
    for (int64_t i = 0; i < in->shape->extent[node->softmax.axis]; i++) {
        other[node->softmax.axis] = i;
        sum += exp(in->data[element_at(in->shape, other)] - own);
    }
    return node->softmax.logarithm ? -log(sum) : 1 / sum;
}

static double instance_norm(const struct node *node, const struct values *in, const int64_t *at)
{
    int64_t channel = at[node->instance_norm.axis], other[SHAPE_MAX_RANK];
    size_t count = count_of(in->shape);
    double cells = (double)count / (double)in->shape->extent[node->instance_norm.axis];
    double mean = 0, squares = 0;

    for (size_t i = 0; i < count; i++) {
        coordinates(in->shape, i, other);
        mean += other[node->instance_norm.axis] == channel ? in->data[i] / cells : 0;
    }
    for (size_t i = 0; i < count; i++) {
        coordinates(in->shape, i, other);
        if (other[node->instance_norm.axis] == channel)
            squares += (in->data[i] - mean) * (in->data[i] - mean);
    }
    return (in->data[element_at(in->shape, at)] - mean) /
               sqrt(squares / cells + (double)node->instance_norm.epsilon) * in[1].data[channel] +
           in[2].data[channel];
}

static double padded(const struct node *node, const struct values *in, const int64_t *at)
{
    int64_t own[SHAPE_MAX_RANK];

    for (int i = 0; i < in->shape->rank; i++) {
        own[i] = at[i] - node->pad.begin[i];
        if (own[i] < 0 || own[i] >= in->shape->extent[i])
            return 0;
    }
    return in->data[element_at(in->shape, own)];
}

static double evaluate(const struct node *node, const struct values *in, const struct shape *output,
                       size_t element)
{
    int64_t at[SHAPE_MAX_RANK] = {0}, from[SHAPE_MAX_RANK] = {0};

    coordinates(output, element, at);
    switch (node->kind) {
    case NODE_CONVOLUTION:
        return convolve(node, in, at);
    case NODE_DENSE:
        return multiply_rows(node, in, at, output->rank);
    case NODE_BATCH_NORM:
        return (in[0].data[element] - in[3].data[at[1]]) /
                   sqrt(in[4].data[at[1]] + (double)node->batch_norm.epsilon) * in[1].data[at[1]] +
               in[2].data[at[1]];
    case NODE_AFFINE: {
        int64_t channel = node->affine.axis < 0 ? 0 : at[node->affine.axis];

        return in[0].data[element] * in[1].data[channel] + in[2].data[channel];
    }
    case NODE_ACTIVATION:
        return activate(node, in[0].data[element]);
    case NODE_MAX_POOL:
    case NODE_AVERAGE_POOL:
        return pool(node, in, at);
    case NODE_GLOBAL_AVERAGE_POOL:
        return mean_of_plane(in, at[1]);
    case NODE_BINARY:
        return combine(node->binary, broadcast(&in[0], output, at), broadcast(&in[1], output, at));
    case NODE_CONCAT:
        return joined(node, in, at);
    case NODE_TRANSPOSE:
        for (int i = 0; i < output->rank; i++)
            from[node->transpose.permutation[i]] = at[i];
        return in[0].data[element_at(in[0].shape, from)];
    case NODE_PAD:
        return padded(node, in, at);
    case NODE_UPSAMPLE:
        return pixel(in, at[1], at[2] / node->upsample.factor[0], at[3] / node->upsample.factor[1],
                     NAN);
    case NODE_SOFTMAX:
        return softmax(node, in, at);
    case NODE_INSTANCE_NORM:
        return instance_norm(node, in, at);
    case NODE_CONVOLUTION_TRANSPOSE:
        return convolve_transposed(node, in, at);
    case NODE_RESIZE:
        return resized(node, in, output, at);
    case NODE_RESHAPE:
    case NODE_IDENTITY:
        return in[0].data[element];
    case NODE_KIND_COUNT:
        break;
    }
    fail();
    return NAN;
}

static double *to_doubles(const float *values, size_t count)
{
    double *copy = memory_array(count, sizeof(double));

    assert_non_null(copy);
    for (size_t i = 0; i < count; i++)
        copy[i] = (double)values[i];
    return copy;
}

/* Mean and variance over all samples, in the place of those that the graph has stored. */
static void use_batch_statistics(const struct graph *graph, const struct node *node,
                                 double ***samples, int batch)
{
    const struct shape *shape = &graph->tensors[node->inputs[0]].shape;
    int64_t channels = shape->extent[1];
    double count = (double)batch * (double)count_of(shape) / (double)channels;
    int64_t at[SHAPE_MAX_RANK];

    for (int64_t c = 0; c < channels; c++) {
        double mean = 0, variance = 0;

        for (int pass = 0; pass < 2; pass++) {
            for (int sample = 0; sample < batch; sample++) {
                for (size_t element = 0; element < count_of(shape); element++) {
                    double value = samples[sample][node->inputs[0]][element];

                    coordinates(shape, element, at);
                    if (at[1] != c)
                        continue;
                    if (pass == 0)
                        mean += value / count;
                    else
                        variance += (value - mean) * (value - mean) / count;
                }
            }
        }
        for (int sample = 0; sample < batch; sample++) {
            samples[sample][node->inputs[3]][c] = mean;
            samples[sample][node->inputs[4]][c] = variance;
        }
    }
}

static void run_node(const struct graph *graph, const struct node *node, double **values)
{
    const struct shape *shape = &graph->tensors[node->output].shape;
    struct values in[8];

    assert_in_range(node->input_count, 1, 8);
    for (int slot = 0; slot < node->input_count; slot++)
        in[slot] =
            (struct values){&graph->tensors[node->inputs[slot]].shape, values[node->inputs[slot]]};
    values[node->output] = memory_array(count_of(shape), sizeof(double));
    assert_non_null(values[node->output]);
    for (size_t element = 0; element < count_of(shape); element++)
        values[node->output][element] = evaluate(node, in, shape, element);
}

double ***reference_run_batch(const struct graph *graph, const float *inputs, int batch,
                              bool batch_statistics)
{
    size_t elements = count_of(&graph->tensors[graph->input].shape);
    double ***samples = memory_array((size_t)batch, sizeof(*samples));

    assert_non_null(samples);
    for (int sample = 0; sample < batch; sample++) {
        samples[sample] = memory_array((size_t)graph->tensor_count, sizeof(**samples));
        assert_non_null(samples[sample]);
        for (int t = 0; t < graph->tensor_count; t++) {
            const struct tensor *tensor = &graph->tensors[t];

            if (tensor->values)
                samples[sample][t] = to_doubles(tensor->values, count_of(&tensor->shape));
        }
        samples[sample][graph->input] = to_doubles(inputs + (size_t)sample * elements, elements);
    }
    for (int i = 0; i < graph->node_count; i++) {
        const struct node *node = &graph->nodes[i];

        if (node->kind == NODE_BATCH_NORM && batch_statistics)
            use_batch_statistics(graph, node, samples, batch);
        for (int sample = 0; sample < batch; sample++)
            run_node(graph, node, samples[sample]);
    }
    return samples;
}

void reference_free_batch(const struct graph *graph, double ***samples, int batch)
{
    for (int sample = 0; sample < batch; sample++)
        reference_free(graph, samples[sample]);
    free(samples);
}

double **reference_run(const struct graph *graph, const float *input)
{
    double ***samples = reference_run_batch(graph, input, 1, false);
    double **values = samples[0];

    free(samples);
    return values;
}

void reference_free(const struct graph *graph, double **values)
{
    for (int t = 0; t < graph->tensor_count; t++)
        free(values[t]);
    free(values);
}
