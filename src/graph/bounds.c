#include "graph/bounds.h"

#include <math.h>

static const struct bound unknown = {0, INFINITY};

static struct bound constant_bound(double most)
{
    return isfinite(most) ? (struct bound){0, most} : unknown;
}

static struct bound scaled(struct bound bound, double factor, double offset)
{
    struct bound result = {bound.slope * factor, bound.offset * factor + offset};

    return isfinite(result.slope) && isfinite(result.offset) ? result : unknown;
}

static struct bound larger(struct bound a, struct bound b)
{
    return (struct bound){fmax(a.slope, b.slope), fmax(a.offset, b.offset)};
}

/* Largest magnitude; infinite where a value is NaN. */
static double largest(const float *values, int64_t count)
{
    double most = 0;

    for (int64_t i = 0; i < count; i++) {
        double magnitude = fabs((double)values[i]);

        most = magnitude <= most ? most : isnan(magnitude) ? INFINITY : magnitude;
    }
    return most;
}

static double largest_of(const struct graph *graph, int tensor)
{
    const struct tensor *constant = &graph->tensors[tensor];

    return constant->values ? largest(constant->values, shape_elements(&constant->shape))
                            : INFINITY;
}

/* Convolution and dense: the largest sum of the magnitudes of one output's weights. */
static struct bound bound_of_sums(const struct graph *graph, const struct node *node,
                                  struct bound input)
{
    const struct tensor *weights = &graph->tensors[node->inputs[1]];
    double bias = node->input_count == 3 ? largest_of(graph, node->inputs[2]) : 0, most = 0;
    int64_t outputs = weights->shape.extent[0];
    int64_t length = shape_elements(&weights->shape) / outputs;

    if (!weights->values)
        return unknown;
    for (int64_t o = 0; o < outputs; o++) {
        double sum = 0;

        for (int64_t i = 0; i < length; i++)
            sum += fabs((double)weights->values[o * length + i]);
        most = sum <= most ? most : isnan(sum) ? INFINITY : sum;
    }
    return scaled(input, most, bias);
}

static struct bound bound_of_batch_norm(const struct graph *graph, const struct node *node,
                                        struct bound input)
{
    const float *values[4];
    double factor = 0, offset = 0;

    for (int i = 0; i < 4; i++) {
        values[i] = graph->tensors[node->inputs[i + 1]].values;
        if (!values[i] || isinf(largest_of(graph, node->inputs[i + 1])))
            return unknown;
    }
    for (int64_t c = 0; c < shape_elements(&graph->tensors[node->inputs[1]].shape); c++) {
        double one = fabs((double)values[0][c]) /
                     sqrt((double)values[3][c] + (double)node->batch_norm.epsilon);

        if (!isfinite(one))
            return unknown;
        factor = fmax(factor, one);
        offset = fmax(offset, fabs((double)values[1][c]) + fabs((double)values[2][c]) * one);
    }
    return scaled(input, factor, offset);
}

static struct bound bound_of_clip(struct bound input, double least, double most)
{
    double bound = fmax(fabs(least), fabs(most));

    if (isnan(least) || isnan(most))
        return unknown;
    if (isfinite(bound))
        return constant_bound(bound);
    /* One side is open: a value is as it was, or the other side's. */
    bound = fmin(fabs(least), fabs(most));
    return isinf(bound) ? input : scaled(input, 1, bound);
}

static struct bound bound_of_activation(const struct node *node, struct bound input)
{
    double alpha = fabs((double)node->activation.alpha);
    double beta = fabs((double)node->activation.beta);

    switch (node->activation.function) {
    case ACTIVATION_RELU:
    case ACTIVATION_SILU:
    case ACTIVATION_GELU:
    case ACTIVATION_THRESHOLD:
        return input;
    case ACTIVATION_CLIP:
        return bound_of_clip(input, (double)node->activation.alpha, (double)node->activation.beta);
    case ACTIVATION_ELU:
        return scaled(input, 1, alpha);
    case ACTIVATION_SELU:
        return scaled(scaled(input, 1, alpha), beta, 0);
    case ACTIVATION_LEAKY_RELU:
        return scaled(input, fmax(1, alpha), isnan(alpha) ? INFINITY : 0);
    case ACTIVATION_SOFTPLUS: /* at most max(x, 0) + ln 2 */
        return scaled(input, 1, 1);
    case ACTIVATION_SIGMOID:
    case ACTIVATION_TANH:
    case ACTIVATION_SOFTSIGN:
        return constant_bound(1);
    case ACTIVATION_ATAN:
        return constant_bound(2);
    default:
        return unknown;
    }
}

static struct bound bound_of_binary(const struct graph *graph, const struct node *node,
                                    const struct bound *bounds)
{
    struct bound a = bounds[node->inputs[0]], b = bounds[node->inputs[1]];
    bool first_constant = graph->tensors[node->inputs[0]].values != NULL;

    switch (node->binary) {
    case BINARY_ADD:
    case BINARY_SUBTRACT:
        a.slope += b.slope;
        return scaled(a, 1, b.offset);
    case BINARY_MULTIPLY:
        return first_constant ? scaled(b, a.offset, 0)
                              : scaled(a, largest_of(graph, node->inputs[1]), 0);
    case BINARY_MAXIMUM:
    case BINARY_MINIMUM:
        return larger(a, b);
    case BINARY_PRELU:
        return scaled(a, fmax(1, largest_of(graph, node->inputs[1])), 0);
    case BINARY_DIVIDE:
        break;
    }
    return unknown;
}

static struct bound bound_of_concat(const struct node *node, const struct bound *bounds)
{
    struct bound bound = bounds[node->inputs[0]];

    for (int i = 1; i < node->input_count; i++)
        bound = larger(bound, bounds[node->inputs[i]]);
    return bound;
}

static struct bound bound_of_node(const struct graph *graph, const struct node *node,
                                  const struct bound *bounds)
{
    struct bound input = bounds[node->inputs[0]];

    if (isinf(input.offset)) /* NaN stays NaN, whatever the node */
        return unknown;
    switch (node->kind) {
    case NODE_CONVOLUTION:
    case NODE_DENSE:
        return bound_of_sums(graph, node, input);
    case NODE_BATCH_NORM:
        return bound_of_batch_norm(graph, node, input);
    case NODE_AFFINE:
        return scaled(input, largest_of(graph, node->inputs[1]),
                      largest_of(graph, node->inputs[2]));
    case NODE_ACTIVATION:
        return bound_of_activation(node, input);
    case NODE_BINARY:
        return bound_of_binary(graph, node, bounds);
    case NODE_CONCAT:
        return bound_of_concat(node, bounds);
    case NODE_SOFTMAX:
        return node->softmax.logarithm ? unknown : constant_bound(1);
    case NODE_MAX_POOL:
    case NODE_AVERAGE_POOL:
    case NODE_GLOBAL_AVERAGE_POOL:
    case NODE_RESHAPE:
    case NODE_TRANSPOSE:
    case NODE_IDENTITY:
    case NODE_PAD:
    case NODE_UPSAMPLE:
    case NODE_RESIZE:
        return input;
    default:
        return unknown;
    }
}

void bounds_find(const struct graph *graph, struct bound *bounds)
{
    for (int t = 0; t < graph->tensor_count; t++)
        bounds[t] = graph->tensors[t].values ? constant_bound(largest_of(graph, t)) : unknown;
    bounds[graph->input] = (struct bound){1, 0};
    for (int i = 0; i < graph->node_count; i++)
        bounds[graph->nodes[i].output] = bound_of_node(graph, &graph->nodes[i], bounds);
}

double bound_largest_input(struct bound bound, double most)
{
    double room = most - bound.offset;

    return room < 0 ? -1 : bound.slope > 0 ? room / bound.slope : INFINITY;
}
