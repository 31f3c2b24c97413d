/* A batch forward, node by node. */
#include "kernels/dense.h"
#include "kernels/layout.h"
#include "kernels/normalise.h"
#include "kernels/pool.h"
#include "nn/backward_state.h"

struct normalise backward_normalise(const struct backward *backward, const struct node *node)
{
    const struct shape *shape = &backward->graph->tensors[node->output].shape;
    size_t rows = (size_t)shape->extent[0], channels = (size_t)shape->extent[1];

    return (struct normalise){.samples = (size_t)backward->batch * rows,
                              .channels = channels,
                              .plane = (size_t)shape_elements(shape) / rows / channels,
                              .epsilon = (double)node->batch_norm.epsilon};
}

static bool run_convolution(struct backward *backward, const struct node *node,
                            const struct layer *layer)
{
    const struct graph *graph = backward->graph;
    const struct tensor *tensors = graph->tensors;
    const struct buffer *output = &backward->buffers[node->output];
    const struct reader *reader = &graph->readers[graph->first_reader[node->output]];
    bool rectify = backward_read_once(graph, node->output) && backward->layers[reader->node].fused;
    size_t input_elements = backward->buffers[node->inputs[0]].elements;
    size_t channels = (size_t)tensors[node->output].shape.extent[1];
    const float *values = backward_values(backward, node->inputs[0]);
    bool finite = true;

    convolution_direct_load(layer->direct, tensors[node->inputs[1]].values,
                            node->input_count == 3 ? tensors[node->inputs[2]].values : NULL);
    for (int sample = 0; sample < backward->batch; sample++) {
        const float *input = values + (size_t)sample * input_elements;
        float *to = backward_values(backward, node->output) + (size_t)sample * output->elements;
        float *picture = output->channels_last ? to : backward->picture;

        if (layer->padded) {
            float *padded = layer->padded + (size_t)sample * layer->padded_step;

            convolution_direct_pad_input(layer->direct, input,
                                         backward->buffers[node->inputs[0]].channels_last, padded);
            input = padded;
        }
        finite &= convolution_direct_forward(layer->direct, input, rectify, picture);
        if (picture != to)
            layout_turn(picture, output->elements / channels, channels, false, to);
    }
    return finite;
}

static void run_dense(struct backward *backward, const struct node *node)
{
    const struct tensor *tensors = backward->graph->tensors;
    const int64_t *weights = tensors[node->inputs[1]].shape.extent;
    size_t rows = backward->buffers[node->inputs[0]].elements / (size_t)weights[1];

    dense_run((int)(rows * (size_t)backward->batch), (int)weights[1], (int)weights[0],
              backward_values(backward, node->inputs[0]), tensors[node->inputs[1]].values,
              node->input_count == 3 ? tensors[node->inputs[2]].values : NULL,
              backward_values(backward, node->output));
}

static void run_batch_norm(struct backward *backward, const struct node *node,
                           const struct layer *layer)
{
    const struct tensor *tensors = backward->graph->tensors;
    struct normalise normalise = backward_normalise(backward, node);
    const float *input = backward_values(backward, node->inputs[0]);

    if (backward->normalisation == NORMALISE_BATCH) {
        normalise_statistics(&normalise, input, layer->mean, layer->variance);
    } else {
        for (size_t c = 0; c < normalise.channels; c++) {
            layer->mean[c] = (double)tensors[node->inputs[3]].values[c];
            layer->variance[c] = (double)tensors[node->inputs[4]].values[c];
        }
    }
    normalise_run(&normalise, input, layer->mean, layer->variance, tensors[node->inputs[1]].values,
                  tensors[node->inputs[2]].values, backward_values(backward, node->output));
}

static void run_binary(const struct backward *backward, const struct node *node, int sample,
                       float *output)
{
    const struct tensor *tensors = backward->graph->tensors;
    const struct shape *shape = &tensors[node->output].shape;
    int64_t a_stride[SHAPE_MAX_RANK], b_stride[SHAPE_MAX_RANK];

    geometry_broadcast_strides(&tensors[node->inputs[0]].shape, shape, a_stride);
    geometry_broadcast_strides(&tensors[node->inputs[1]].shape, shape, b_stride);
    binary_run(node->binary, shape->rank, shape->extent,
               backward_sample(backward, node->inputs[0], sample), a_stride,
               backward_sample(backward, node->inputs[1], sample), b_stride, output);
}

static void run_concat(const struct backward *backward, const struct node *node, int sample,
                       float *output)
{
    struct blocks blocks = geometry_blocks(backward->graph, node);

    for (int slot = 0; slot < node->input_count; slot++) {
        size_t length = backward->buffers[node->inputs[slot]].elements / blocks.rows;

        geometry_place_block(&blocks, backward_sample(backward, node->inputs[slot], sample), length,
                             output);
        output += length;
    }
}

static void run_transpose(const struct backward *backward, const struct node *node,
                          const float *input, float *output)
{
    const struct shape *shape = &backward->graph->tensors[node->output].shape;
    int64_t stride[SHAPE_MAX_RANK];

    geometry_transposed_strides(backward->graph, node, stride);
    transpose_run(shape->rank, shape->extent, input, stride, output);
}

/* Kinds that go sample by sample. */
static void run_sample(const struct backward *backward, const struct node *node, int sample)
{
    const struct tensor *tensors = backward->graph->tensors;
    const float *input = backward_sample(backward, node->inputs[0], sample);
    float *output = backward_values(backward, node->output) +
                    (size_t)sample * backward->buffers[node->output].elements;
    struct window_sizes sizes;
    size_t channels;

    switch (node->kind) {
    case NODE_MAX_POOL:
        sizes = geometry_window_sizes(backward->graph, node);
        max_pool_run(&sizes, &node->pool.window, input, output);
        break;
    case NODE_AVERAGE_POOL:
        sizes = geometry_window_sizes(backward->graph, node);
        average_pool_run(&sizes, &node->pool.window, node->pool.include_padding, input, output);
        break;
    case NODE_GLOBAL_AVERAGE_POOL:
        channels = (size_t)tensors[node->output].shape.extent[1];
        global_average_pool_run(input, channels,
                                backward->buffers[node->inputs[0]].elements / channels, output);
        break;
    case NODE_BINARY:
        run_binary(backward, node, sample, output);
        break;
    case NODE_CONCAT:
        run_concat(backward, node, sample, output);
        break;
    case NODE_TRANSPOSE:
        run_transpose(backward, node, input, output);
        break;
    default:
        break;
    }
}

bool backward_run_node(struct backward *backward, int index)
{
    const struct node *node = &backward->graph->nodes[index];
    const struct layer *layer = &backward->layers[index];
    const struct buffer *output = &backward->buffers[node->output];
    int producer;

    switch (node->kind) {
    case NODE_CONVOLUTION:
        return run_convolution(backward, node, layer);
    case NODE_DENSE:
        run_dense(backward, node);
        break;
    case NODE_BATCH_NORM:
        run_batch_norm(backward, node, layer);
        break;
    case NODE_ACTIVATION:
        producer = backward->graph->tensors[node->inputs[0]].producer;
        if (layer->fused && backward->graph->nodes[producer].kind == NODE_CONVOLUTION)
            break;
        activation_run(node->activation.function, node->activation.alpha, node->activation.beta,
                       backward_values(backward, node->inputs[0]),
                       backward_values(backward, node->output),
                       (size_t)backward->batch * output->elements);
        break;
    case NODE_RESHAPE:
    case NODE_IDENTITY:
        break; /* shares the input's memory */
    default:
        for (int sample = 0; sample < backward->batch; sample++)
            run_sample(backward, node, sample);
        break;
    }
    return true;
}
