#include "nn/geometry.h"

#include <string.h>

struct window_sizes geometry_window_sizes(const struct graph *graph, const struct node *node)
{
    const int64_t *input = graph->tensors[node->inputs[0]].shape.extent;
    const int64_t *output = graph->tensors[node->output].shape.extent;

    return (struct window_sizes){(int)input[1],  (int)input[2],  (int)input[3],
                                 (int)output[1], (int)output[2], (int)output[3]};
}

struct convolution geometry_convolution(const struct graph *graph, const struct node *node)
{
    return (struct convolution){.sizes = geometry_window_sizes(graph, node),
                                .window = node->convolution.window,
                                .groups = node->convolution.groups};
}

void geometry_strides(const struct shape *shape, int64_t *stride)
{
    int64_t step = 1;

    for (int i = shape->rank - 1; i >= 0; i--) {
        stride[i] = step;
        step *= shape->extent[i];
    }
}

void geometry_broadcast_strides(const struct shape *shape, const struct shape *target,
                                int64_t *stride)
{
    int64_t own[SHAPE_MAX_RANK];
    int missing = target->rank - shape->rank;

    geometry_strides(shape, own);
    for (int i = 0; i < target->rank; i++)
        stride[i] = i < missing || shape->extent[i - missing] == 1 ? 0 : own[i - missing];
}

void geometry_transposed_strides(const struct graph *graph, const struct node *node,
                                 int64_t *stride)
{
    const struct shape *input = &graph->tensors[node->inputs[0]].shape;
    int64_t own[SHAPE_MAX_RANK];

    geometry_strides(input, own);
    for (int i = 0; i < input->rank; i++)
        stride[i] = own[node->transpose.permutation[i]];
}

struct blocks geometry_blocks(const struct graph *graph, const struct node *node)
{
    const struct shape *shape = &graph->tensors[node->output].shape;
    struct blocks blocks = {.rows = 1, .inner = 1};

    for (int i = 0; i < node->concat.axis; i++)
        blocks.rows *= (size_t)shape->extent[i];
    for (int i = node->concat.axis + 1; i < shape->rank; i++)
        blocks.inner *= (size_t)shape->extent[i];
    blocks.row_length = blocks.inner * (size_t)shape->extent[node->concat.axis];
    return blocks;
}

void geometry_place_block(const struct blocks *blocks, const float *input, size_t length,
                          float *block)
{
    for (size_t row = 0; row < blocks->rows; row++)
        memcpy(block + row * blocks->row_length, input + row * length, length * sizeof(float));
}
