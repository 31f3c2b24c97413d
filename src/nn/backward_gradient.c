/* Gradients, node by node. */
#include "base/memory.h"
#include "kernels/activation_backward.h"
#include "kernels/dense_backward.h"
#include "kernels/elementwise_backward.h"
#include "kernels/layout.h"
#include "kernels/normalise.h"
#include "kernels/pool_backward.h"
#include "nn/backward_state.h"

#include <string.h>

/* Where the gradient of a parameter goes; NULL: it is not wanted. */
static float *parameter_gradient(const struct backward *backward, int tensor)
{
    int index = backward->parameter_of[tensor];

    if (index < 0 || !backward->gradients)
        return NULL;
    return backward->gradients + backward->parameters->list[index].offset;
}

static bool wants(const struct backward *backward, int tensor)
{
    const struct buffer *buffer = &backward->buffers[tensor];

    return (backward->gradients && buffer->has_parameters) ||
           (backward->to_input && buffer->has_input);
}

static const float *gradient_of(const struct backward *backward, int tensor)
{
    return backward->buffers[backward->buffers[tensor].storage].gradient;
}

/* The gradient to write; *add says whether it holds something already. */
static float *begin_gradient(struct backward *backward, int tensor, bool *add)
{
    struct buffer *storage = &backward->buffers[backward->buffers[tensor].storage];

    *add = storage->reached;
    storage->reached = true;
    return storage->gradient;
}

/* The same for those that can only add. */
static float *begin_sum(struct backward *backward, int tensor)
{
    bool add;
    float *gradient = begin_gradient(backward, tensor, &add);

    if (!add)
        memset(gradient, 0,
               (size_t)backward->batch * backward->buffers[tensor].elements * sizeof(float));
    return gradient;
}

static void convolution_gradient(struct backward *backward, const struct node *node,
                                 const struct layer *layer)
{
    const struct graph *graph = backward->graph;
    const struct buffer *input = &backward->buffers[node->inputs[0]];
    const struct buffer *output = &backward->buffers[node->output];
    const struct reader *reader = &graph->readers[graph->first_reader[node->output]];
    bool rectified =
        backward_read_once(graph, node->output) && backward->layers[reader->node].fused;
    const float *gradient = gradient_of(backward, node->output);
    const float *values = rectified ? backward_values(backward, node->output) : NULL;
    const float *padded =
        layer->padded ? layer->padded : backward_values(backward, node->inputs[0]);
    size_t size = convolution_direct_gradient_size(layer->direct);
    size_t channels = (size_t)graph->tensors[node->inputs[0]].shape.extent[1];
    int group = (int)convolution_direct_group(layer->direct);
    float *weights = parameter_gradient(backward, node->inputs[1]), *input_gradient = NULL;
    bool add = false;

    if (wants(backward, node->inputs[0])) {
        convolution_direct_load_backward(layer->direct, graph->tensors[node->inputs[1]].values);
        input_gradient = begin_gradient(backward, node->inputs[0], &add);
    }
    for (int first = 0; first < backward->batch; first += group) {
        int samples = backward->batch - first < group ? backward->batch - first : group;

        for (int i = 0; i < samples; i++) {
            size_t at = (size_t)(first + i) * output->elements;

            convolution_direct_pad_gradient(layer->direct, gradient + at,
                                            values ? values + at : NULL, output->channels_last,
                                            backward->padded_gradients + (size_t)i * size);
        }
        if (weights)
            convolution_direct_add_weights(layer->direct, (size_t)samples,
                                           padded + (size_t)first * layer->padded_step,
                                           layer->padded_step, backward->padded_gradients);
        for (int i = 0; input_gradient && i < samples; i++) {
            const float *from = backward->padded_gradients + (size_t)i * size;
            float *to = input_gradient + (size_t)(first + i) * input->elements;

            if (input->channels_last) {
                convolution_direct_input_gradient(layer->direct, from, add, to);
            } else {
                convolution_direct_input_gradient(layer->direct, from, false, backward->picture);
                layout_turn(backward->picture, input->elements / channels, channels, add, to);
            }
        }
    }
    convolution_direct_take_gradients(
        layer->direct, weights,
        node->input_count == 3 ? parameter_gradient(backward, node->inputs[2]) : NULL);
}

static void dense_gradient(struct backward *backward, const struct node *node)
{
    const struct tensor *weights = &backward->graph->tensors[node->inputs[1]];
    int inputs = (int)weights->shape.extent[1], outputs = (int)weights->shape.extent[0];
    int rows = (int)(backward->buffers[node->inputs[0]].elements / (size_t)inputs *
                     (size_t)backward->batch);
    const float *gradient = gradient_of(backward, node->output);
    float *weight_gradient = parameter_gradient(backward, node->inputs[1]);
    float *bias_gradient =
        node->input_count == 3 ? parameter_gradient(backward, node->inputs[2]) : NULL;

    if (weight_gradient)
        dense_weight_gradient_run(rows, inputs, outputs, backward_values(backward, node->inputs[0]),
                                  gradient, weight_gradient);
    if (bias_gradient)
        dense_bias_gradient_run(rows, outputs, gradient, bias_gradient);
    if (wants(backward, node->inputs[0])) {
        bool add;
        float *input_gradient = begin_gradient(backward, node->inputs[0], &add);

        dense_input_gradient_run(rows, inputs, outputs, gradient, weights->values, add,
                                 input_gradient);
    }
}

static void batch_norm_gradient(struct backward *backward, const struct node *node,
                                const struct layer *layer)
{
    struct normalise normalise = backward_normalise(backward, node);
    float *input_gradient = NULL;
    bool add = false;

    if (wants(backward, node->inputs[0]))
        input_gradient = begin_gradient(backward, node->inputs[0], &add);
    normalise_backward_run(&normalise, backward_values(backward, node->inputs[0]), layer->mean,
                           layer->variance, backward->graph->tensors[node->inputs[1]].values,
                           backward->normalisation == NORMALISE_BATCH,
                           gradient_of(backward, node->output),
                           parameter_gradient(backward, node->inputs[1]),
                           parameter_gradient(backward, node->inputs[2]), add, input_gradient);
}

static void activation_gradient(struct backward *backward, const struct node *node,
                                const struct layer *layer)
{
    const struct graph *graph = backward->graph;
    size_t count = (size_t)backward->batch * backward->buffers[node->output].elements;
    bool add;
    float *input_gradient;

    if (layer->fused) {
        /* In the memory of the layer before; a convolution does it when it reads the gradient. */
        struct buffer *storage = &backward->buffers[backward->buffers[node->output].storage];

        if (graph->nodes[graph->tensors[node->inputs[0]].producer].kind != NODE_CONVOLUTION)
            rectifier_backward_run(storage->values, storage->gradient, count);
        return;
    }
    input_gradient = begin_gradient(backward, node->inputs[0], &add);
    activation_backward_run(node->activation.function, node->activation.alpha,
                            node->activation.beta, backward_values(backward, node->inputs[0]),
                            gradient_of(backward, node->output), add, input_gradient, count);
}

static void pool_gradient(struct backward *backward, const struct node *node)
{
    const struct graph *graph = backward->graph;
    size_t inputs = backward->buffers[node->inputs[0]].elements;
    size_t outputs = backward->buffers[node->output].elements;
    const float *gradient = gradient_of(backward, node->output);
    float *input_gradient = begin_sum(backward, node->inputs[0]);

    for (int sample = 0; sample < backward->batch; sample++) {
        if (node->kind == NODE_GLOBAL_AVERAGE_POOL) {
            size_t channels = (size_t)graph->tensors[node->output].shape.extent[1];

            global_average_pool_backward_run(gradient, channels, inputs / channels, input_gradient);
        } else {
            struct window_sizes sizes = geometry_window_sizes(graph, node);

            if (node->kind == NODE_MAX_POOL)
                max_pool_backward_run(
                    &sizes, &node->pool.window, backward_sample(backward, node->inputs[0], sample),
                    backward_sample(backward, node->output, sample), gradient, input_gradient);
            else
                average_pool_backward_run(&sizes, &node->pool.window, node->pool.include_padding,
                                          gradient, input_gradient);
        }
        gradient += outputs;
        input_gradient += inputs;
    }
}

static void binary_gradient(struct backward *backward, const struct node *node)
{
    const struct tensor *tensors = backward->graph->tensors;
    const struct shape *shape = &tensors[node->output].shape;
    int64_t a_stride[SHAPE_MAX_RANK], b_stride[SHAPE_MAX_RANK];

    geometry_broadcast_strides(&tensors[node->inputs[0]].shape, shape, a_stride);
    geometry_broadcast_strides(&tensors[node->inputs[1]].shape, shape, b_stride);
    for (int slot = 0; slot < 2; slot++) {
        const float *gradient = gradient_of(backward, node->output);
        float *target;

        if (!wants(backward, node->inputs[slot]))
            continue;
        target = begin_sum(backward, node->inputs[slot]);
        for (int sample = 0; sample < backward->batch; sample++) {
            binary_backward_run(node->binary, slot == 1, shape->rank, shape->extent,
                                backward_sample(backward, node->inputs[0], sample), a_stride,
                                backward_sample(backward, node->inputs[1], sample), b_stride,
                                gradient, target);
            gradient += backward->buffers[node->output].elements;
            target += backward->buffers[node->inputs[slot]].elements;
        }
    }
}

static void concat_gradient(struct backward *backward, const struct node *node)
{
    struct blocks blocks = geometry_blocks(backward->graph, node);
    const float *gradient = gradient_of(backward, node->output);

    for (int slot = 0; slot < node->input_count; slot++) {
        size_t length = backward->buffers[node->inputs[slot]].elements / blocks.rows;

        if (wants(backward, node->inputs[slot])) {
            float *input_gradient = begin_sum(backward, node->inputs[slot]);

            /* Rows of all samples follow each other alike on both sides. */
            for (size_t row = 0; row < blocks.rows * (size_t)backward->batch; row++)
                values_add(gradient + row * blocks.row_length, length,
                           input_gradient + row * length);
        }
        gradient += length;
    }
}

static void transpose_gradient(struct backward *backward, const struct node *node)
{
    const struct tensor *tensors = backward->graph->tensors;
    const struct shape *shape = &tensors[node->inputs[0]].shape;
    size_t elements = backward->buffers[node->output].elements;
    int64_t own[SHAPE_MAX_RANK], stride[SHAPE_MAX_RANK];
    const float *gradient = gradient_of(backward, node->output);
    float *input_gradient = begin_sum(backward, node->inputs[0]);

    /* The output's axis i is the input's axis permutation[i]. */
    geometry_strides(&tensors[node->output].shape, own);
    for (int i = 0; i < shape->rank; i++)
        stride[node->transpose.permutation[i]] = own[i];
    for (int sample = 0; sample < backward->batch; sample++) {
        transpose_run(shape->rank, shape->extent, gradient + (size_t)sample * elements, stride,
                      backward->picture);
        values_add(backward->picture, elements, input_gradient + (size_t)sample * elements);
    }
}

void backward_node_gradient(struct backward *backward, int index)
{
    const struct node *node = &backward->graph->nodes[index];
    const struct layer *layer = &backward->layers[index];

    switch (node->kind) {
    case NODE_CONVOLUTION:
        convolution_gradient(backward, node, layer);
        break;
    case NODE_DENSE:
        dense_gradient(backward, node);
        break;
    case NODE_BATCH_NORM:
        batch_norm_gradient(backward, node, layer);
        break;
    case NODE_ACTIVATION:
        activation_gradient(backward, node, layer);
        break;
    case NODE_MAX_POOL:
    case NODE_AVERAGE_POOL:
    case NODE_GLOBAL_AVERAGE_POOL:
        pool_gradient(backward, node);
        break;
    case NODE_BINARY:
        binary_gradient(backward, node);
        break;
    case NODE_CONCAT:
        concat_gradient(backward, node);
        break;
    case NODE_TRANSPOSE:
        transpose_gradient(backward, node);
        break;
    case NODE_RESHAPE:
    case NODE_IDENTITY:
        break; /* the output's gradient is the input's */
    case NODE_AFFINE:
    case NODE_PAD:
    case NODE_UPSAMPLE:
    case NODE_SOFTMAX:
    case NODE_INSTANCE_NORM:
    case NODE_CONVOLUTION_TRANSPOSE:
    case NODE_RESIZE:
    case NODE_KIND_COUNT:
        break; /* backward_create refuses them */
    }
}
