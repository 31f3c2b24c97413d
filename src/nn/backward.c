#include "nn/backward.h"

#include "base/memory.h"
#include "kernels/dispatch.h"
#include "kernels/elementwise_backward.h"
#include "kernels/normalise.h"
#include "nn/backward_state.h"

#include <math.h>
#include <string.h>

/* 8 GiB. */
#define BACKWARD_MAX_FLOATS ((size_t)1 << 31)

const float *backward_shared(const struct backward *backward, int tensor)
{
    int storage = backward->buffers[tensor].storage;

    return backward->buffers[storage].values ? NULL : backward->graph->tensors[storage].values;
}

float *backward_values(const struct backward *backward, int tensor)
{
    return backward->buffers[backward->buffers[tensor].storage].values;
}

const float *backward_sample(const struct backward *backward, int tensor, int sample)
{
    const float *shared = backward_shared(backward, tensor);

    if (shared)
        return shared;
    return backward_values(backward, tensor) + (size_t)sample * backward->buffers[tensor].elements;
}

float *backward_input(struct backward *backward)
{
    return backward_values(backward, backward->graph->input);
}

const float *backward_output(const struct backward *backward, int output)
{
    return backward_values(backward, backward->graph->outputs[output]);
}

/* ---- Creation ------------------------------------------------------------------------------- */

/* count * size floats, zeroed, out of *left that may still be allocated. */
static int allocate(float **block, size_t *left, size_t count, size_t size, VbpError *error)
{
    size_t floats;

    if (!size_multiply(count, size, &floats) || floats > *left)
        return error_set(error, VBP_ERROR_UNSUPPORTED,
                         "batches of this network would take more than %zu MiB of memory",
                         BACKWARD_MAX_FLOATS >> 18);
    *left -= floats;
    /* The slack is for convolutions that read these as padded inputs. */
    floats += CONVOLUTION_DIRECT_SLACK;
    *block = memory_aligned_array(floats, sizeof(float));
    if (!*block)
        return error_out_of_memory(error);
    memset(*block, 0, floats * sizeof(float));
    return VBP_OK;
}

/* Constants that somebody takes for a batch of samples get memory as if they were computed. */
static bool is_spread(const struct graph *graph, int tensor)
{
    for (int i = graph->first_reader[tensor]; i < graph->first_reader[tensor + 1]; i++) {
        const struct reader *reader = &graph->readers[i];

        if (reader->slot == 0 && graph->nodes[reader->node].kind != NODE_BINARY)
            return true;
    }
    return false;
}

static void find_dependencies(struct backward *backward)
{
    const struct graph *graph = backward->graph;

    backward->buffers[graph->input].has_input = true;
    for (int i = 0; i < graph->node_count; i++) {
        const struct node *node = &graph->nodes[i];
        struct buffer *output = &backward->buffers[node->output];

        for (int slot = 0; slot < node->input_count; slot++) {
            const struct buffer *input = &backward->buffers[node->inputs[slot]];

            output->has_input |= input->has_input;
            output->has_parameters |= input->has_parameters;
        }
        /* A parameter that other nodes read as data passes no gradient on there. */
        for (int slot = 1;
             slot < node->input_count && node->kind != NODE_BINARY && node->kind != NODE_CONCAT;
             slot++)
            output->has_parameters |= backward->parameter_of[node->inputs[slot]] >= 0;
    }
}

static int create_buffers(struct backward *backward, size_t *left, VbpError *error)
{
    const struct graph *graph = backward->graph;
    size_t capacity = (size_t)backward->capacity, largest = 0;
    int result = VBP_OK;

    for (int t = 0; t < graph->tensor_count && result == VBP_OK; t++) {
        struct buffer *buffer = &backward->buffers[t];

        largest = buffer->elements > largest ? buffer->elements : largest;
        if (buffer->storage == t && (!graph->tensors[t].values || is_spread(graph, t)))
            result = allocate(&buffer->values, left, capacity, buffer->elements, error);
    }
    /* Tensors in another one's memory need a gradient there. */
    for (int t = 0; t < graph->tensor_count && result == VBP_OK; t++) {
        const struct buffer *buffer = &backward->buffers[t];
        struct buffer *storage = &backward->buffers[buffer->storage];

        if (buffer->storage != graph->input && !storage->gradient &&
            (buffer->has_input || buffer->has_parameters))
            result = allocate(&storage->gradient, left, capacity, buffer->elements, error);
    }
    if (result == VBP_OK)
        result = allocate(&backward->picture, left, 1, largest, error);
    return result;
}

static int create_convolution(struct backward *backward, int index, size_t *left, size_t *gradients,
                              VbpError *error)
{
    const struct node *node = &backward->graph->nodes[index];
    const struct buffer *input = &backward->buffers[node->inputs[0]];
    struct convolution convolution = geometry_convolution(backward->graph, node);
    struct layer *layer = &backward->layers[index];
    size_t group;

    layer->direct = convolution_direct_create(&convolution, backward->tiles);
    if (!layer->direct)
        return error_out_of_memory(error);
    group =
        convolution_direct_group(layer->direct) * convolution_direct_gradient_size(layer->direct);
    *gradients = group > *gradients ? group : *gradients;
    layer->padded_step = input->elements;
    if (input->channels_last && !convolution_direct_pads(layer->direct))
        return VBP_OK;
    layer->padded_step = convolution_direct_input_size(layer->direct);
    return allocate(&layer->padded, left, (size_t)backward->capacity, layer->padded_step, error);
}

static int create_layers(struct backward *backward, size_t *left, VbpError *error)
{
    const struct graph *graph = backward->graph;
    size_t gradients = 0;

    for (int i = 0; i < graph->node_count; i++) {
        const struct node *node = &graph->nodes[i];
        struct layer *layer = &backward->layers[i];
        int result = VBP_OK;

        if (node->kind == NODE_CONVOLUTION) {
            result = create_convolution(backward, i, left, &gradients, error);
        } else if (node->kind == NODE_BATCH_NORM) {
            size_t channels = (size_t)graph->tensors[node->output].shape.extent[1];

            layer->mean = memory_array(channels, sizeof(double));
            layer->variance = memory_array(channels, sizeof(double));
            if (!layer->mean || !layer->variance)
                result = error_out_of_memory(error);
        }
        if (result != VBP_OK)
            return result;
    }
    return allocate(&backward->padded_gradients, left, 1, gradients, error);
}

/* Kinds that only other formats' networks have, which are run but not trained. */
static int check_kinds(const struct graph *graph, VbpError *error)
{
    for (int i = 0; i < graph->node_count; i++) {
        const struct node *node = &graph->nodes[i];

        if (node->kind == NODE_AFFINE || node->kind == NODE_PAD || node->kind == NODE_UPSAMPLE ||
            node->kind == NODE_SOFTMAX || node->kind == NODE_INSTANCE_NORM ||
            node->kind == NODE_CONVOLUTION_TRANSPOSE || node->kind == NODE_RESIZE)
            return error_set(error, VBP_ERROR_UNSUPPORTED,
                             "layer %d (%s '%s'): gradients of this kind (%s) are not supported", i,
                             node->source_kind, node->name, node_kind_name(node->kind));
    }
    return VBP_OK;
}

int backward_create(struct backward **backward, const struct graph *graph,
                    const struct parameters *parameters, int capacity, enum isa isa,
                    VbpError *error)
{
    struct backward *b = memory_array(1, sizeof(*b));
    size_t left = BACKWARD_MAX_FLOATS;
    int result = VBP_OK;

    *backward = NULL;
    if (!b)
        return error_out_of_memory(error);
    b->graph = graph;
    b->parameters = parameters;
    b->capacity = capacity;
    b->tiles = kernels_best(isa)->tiles;
    b->buffers = memory_array((size_t)graph->tensor_count, sizeof(*b->buffers));
    b->layers = memory_array((size_t)graph->node_count, sizeof(*b->layers));
    b->parameter_of = memory_array((size_t)graph->tensor_count, sizeof(*b->parameter_of));
    if (!b->buffers || !b->layers || !b->parameter_of)
        result = error_out_of_memory(error);
    else if (capacity < 1)
        result = error_set(error, VBP_ERROR_ARGUMENT, "batches of %d samples", capacity);
    else
        result = check_kinds(graph, error);
    if (result == VBP_OK) {
        for (int t = 0; t < graph->tensor_count; t++) {
            b->parameter_of[t] = -1;
            b->buffers[t].elements = (size_t)shape_elements(&graph->tensors[t].shape);
        }
        for (int i = 0; i < parameters->count; i++)
            b->parameter_of[parameters->list[i].tensor] = i;
        backward_plan(b);
        find_dependencies(b);
        result = create_buffers(b, &left, error);
    }
    if (result == VBP_OK)
        result = create_layers(b, &left, error);
    if (result == VBP_OK)
        *backward = b;
    else
        backward_destroy(&b);
    return result;
}

void backward_destroy(struct backward **backward)
{
    struct backward *b = *backward;

    if (!b)
        return;
    for (int i = 0; b->layers && i < b->graph->node_count; i++) {
        convolution_direct_destroy(b->layers[i].direct);
        free(b->layers[i].padded);
        free(b->layers[i].mean);
        free(b->layers[i].variance);
    }
    /* The input's gradient is the caller's. */
    for (int t = 0; b->buffers && t < b->graph->tensor_count; t++) {
        free(b->buffers[t].values);
        if (t != b->graph->input)
            free(b->buffers[t].gradient);
    }
    free(b->layers);
    free(b->buffers);
    free(b->parameter_of);
    free(b->picture);
    free(b->padded_gradients);
    free(b);
    *backward = NULL;
}

/* ---- Forward -------------------------------------------------------------------------------- */

/* True where the node's output is to be looked at for NaN and infinity: where it can make them of
 * finite values, or reads a constant that may hold them. Convolutions look themselves. */
static bool is_checked(const struct graph *graph, const struct node *node)
{
    for (int slot = 0; slot < node->input_count; slot++) {
        if (graph->tensors[node->inputs[slot]].values)
            return true;
    }
    switch (node->kind) {
    case NODE_DENSE:
    case NODE_BATCH_NORM:
    case NODE_AVERAGE_POOL:
    case NODE_GLOBAL_AVERAGE_POOL:
    case NODE_BINARY:
        return true;
    case NODE_ACTIVATION:
        return node->activation.function != ACTIVATION_RELU;
    default:
        return false;
    }
}

static bool node_finite(const struct backward *backward, const struct node *node)
{
    if (node->kind == NODE_CONVOLUTION || !is_checked(backward->graph, node))
        return true;
    return values_finite(backward_values(backward, node->output),
                         (size_t)backward->batch * backward->buffers[node->output].elements);
}

static void spread_constants(struct backward *backward)
{
    const struct graph *graph = backward->graph;

    for (int t = 0; t < graph->tensor_count; t++) {
        const struct buffer *buffer = &backward->buffers[t];

        if (!graph->tensors[t].values || !buffer->values)
            continue;
        for (int sample = 0; sample < backward->batch; sample++)
            memcpy(buffer->values + (size_t)sample * buffer->elements, graph->tensors[t].values,
                   buffer->elements * sizeof(float));
    }
}

int backward_forward(struct backward *backward, int batch, enum normalisation normalisation,
                     VbpError *error)
{
    const struct graph *graph = backward->graph;

    backward->batch = 0;
    if (batch < 1 || batch > backward->capacity)
        return error_set(error, VBP_ERROR_ARGUMENT, "a batch of %d samples where %d fit", batch,
                         backward->capacity);
    if (!values_finite(backward_input(backward),
                       (size_t)batch * backward->buffers[graph->input].elements))
        return error_set(error, VBP_ERROR_NUMERIC, "the network's input holds NaN or infinity");
    backward->batch = batch;
    backward->normalisation = normalisation;
    spread_constants(backward);
    for (int i = 0; i < graph->node_count; i++) {
        const struct node *node = &graph->nodes[i];

        if (backward_run_node(backward, i) && node_finite(backward, node))
            continue;
        backward->batch = 0;
        return error_set(error, VBP_ERROR_NUMERIC,
                         "layer %d (%s '%s') is the first to give NaN or infinity", i,
                         node->source_kind, node->name);
    }
    return VBP_OK;
}

/* ---- Backward ------------------------------------------------------------------------------- */

static void begin_run(struct backward *backward, const float *const *output_gradients,
                      float *input_gradient)
{
    const struct graph *graph = backward->graph;

    for (int t = 0; t < graph->tensor_count; t++)
        backward->buffers[t].reached = false;
    backward->buffers[graph->input].gradient = input_gradient;
    for (int i = 0; i < graph->output_count; i++) {
        const struct buffer *output = &backward->buffers[graph->outputs[i]];
        struct buffer *storage = &backward->buffers[output->storage];
        size_t count = (size_t)backward->batch * output->elements;

        if (!output_gradients[i] || !storage->gradient)
            continue;
        if (storage->reached)
            values_add(output_gradients[i], count, storage->gradient);
        else
            memcpy(storage->gradient, output_gradients[i], count * sizeof(float));
        storage->reached = true;
    }
}

void backward_penalise_levels(struct backward *backward, float weight)
{
    backward->level_penalty = weight;
}

/* The gradient of the penalty on a level, on top of what its readers passed on. */
static void add_level_penalty(struct backward *backward, int tensor)
{
    const struct buffer *buffer = &backward->buffers[tensor];
    struct buffer *storage = &backward->buffers[buffer->storage];
    size_t count = (size_t)backward->batch * buffer->elements;
    float slope = backward->level_penalty / (float)buffer->elements;

    if (!storage->values || !storage->gradient)
        return;
    if (!storage->reached)
        memset(storage->gradient, 0, count * sizeof(float));
    storage->reached = true;
    for (size_t i = 0; i < count; i++)
        storage->gradient[i] += storage->values[i] > 0 ? slope : 0;
}

/* True where there is a gradient and somebody wants what the node makes of it. */
static bool is_needed(const struct backward *backward, const struct node *node)
{
    const struct buffer *output = &backward->buffers[node->output];

    return backward->buffers[output->storage].reached &&
           ((backward->gradients && output->has_parameters) ||
            (backward->to_input && output->has_input));
}

/* The layer nearest the outputs comes first: its gradient spoils those before it. */
static int check_gradients(const struct backward *backward, const float *input_gradient,
                           VbpError *error)
{
    const struct graph *graph = backward->graph;

    for (int i = graph->node_count - 1; i >= 0 && backward->gradients; i--) {
        const struct node *node = &graph->nodes[i];

        for (int slot = 1; slot < node->input_count; slot++) {
            int index = backward->parameter_of[node->inputs[slot]];
            const struct parameter *parameter = &backward->parameters->list[index < 0 ? 0 : index];

            if (index < 0 ||
                values_finite(backward->gradients + parameter->offset, parameter->count))
                continue;
            return error_set(error, VBP_ERROR_NUMERIC,
                             "the gradient of layer %d (%s '%s') holds NaN or infinity", i,
                             node->source_kind, node->name);
        }
    }
    if (input_gradient &&
        !values_finite(input_gradient,
                       (size_t)backward->batch * backward->buffers[graph->input].elements))
        return error_set(error, VBP_ERROR_NUMERIC,
                         "the gradient of the network's input holds NaN or infinity");
    return VBP_OK;
}

int backward_run(struct backward *backward, const float *const *output_gradients, float *gradients,
                 float *input_gradient, VbpError *error)
{
    const struct graph *graph = backward->graph;
    const struct buffer *input = &backward->buffers[graph->input];
    int level = backward->level_penalty != 0 ? graph->level_count - 1 : -1;
    int result;

    if (backward->batch == 0)
        return error_set(error, VBP_ERROR_ARGUMENT, "gradients without a forward pass before");
    backward->gradients = gradients;
    backward->to_input = input_gradient != NULL;
    begin_run(backward, output_gradients, input_gradient);
    for (int i = graph->node_count - 1; i >= 0; i--) {
        /* Levels are in the order of the nodes that make them. */
        if (level >= 0 && graph->levels[level] == graph->nodes[i].output)
            add_level_penalty(backward, graph->levels[level--]);
        if (is_needed(backward, &graph->nodes[i]))
            backward_node_gradient(backward, i);
    }
    if (input_gradient && !input->reached)
        memset(input_gradient, 0, (size_t)backward->batch * input->elements * sizeof(float));
    result = check_gradients(backward, input_gradient, error);
    backward->buffers[graph->input].gradient = NULL;
    backward->gradients = NULL;
    return result;
}

void backward_update_statistics(const struct backward *backward, struct graph *graph,
                                float momentum)
{
    for (int i = 0; i < graph->node_count && backward->batch > 0; i++) {
        const struct node *node = &graph->nodes[i];
        const struct layer *layer = &backward->layers[i];
        struct normalise normalise;
        double count, unbiased;

        if (node->kind != NODE_BATCH_NORM || backward->normalisation != NORMALISE_BATCH)
            continue;
        normalise = backward_normalise(backward, node);
        count = (double)(normalise.samples * normalise.plane);
        unbiased = count > 1 ? count / (count - 1) : 1;
        for (size_t c = 0; c < normalise.channels; c++) {
            float *mean = &graph->tensors[node->inputs[3]].values[c];
            float *variance = &graph->tensors[node->inputs[4]].values[c];

            *mean += momentum * ((float)layer->mean[c] - *mean);
            *variance += momentum * ((float)(layer->variance[c] * unbiased) - *variance);
        }
    }
}
