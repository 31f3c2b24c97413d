/*
 * Activations that files write as several operators. Put together they are what the network was
 * before its export: one rectifier, which makes a level.
 *
 *     SiLU:  x * Sigmoid(x)
 *     GELU:  x * (Erf(x / sqrt 2) + 1) * 0.5       with the factors in any order
 *
 * Values on the way from Erf to the last factor are nothing that the graph could compute, so
 * nothing else may read them; they remember their x and which factors are still to come.
 */
#include "formats/onnx_loader.h"

#include <math.h>

/* Half-precision exports round sqrt 2 to three digits. */
#define CONSTANT_TOLERANCE 1e-3

static const char part_reason[] =
    "a part of the formula of GELU, and what else is done with it is not supported";

/* True where the tensor is a constant with that one element, which broadcasts to rank `most`. */
static bool is_number(const struct graph *graph, int tensor, double number, int most)
{
    const struct tensor *constant = &graph->tensors[tensor];

    return constant->values && shape_elements(&constant->shape) == 1 &&
           constant->shape.rank <= most &&
           fabs((double)constant->values[0] - number) < CONSTANT_TOLERANCE;
}

/* The x of which `tensor` is x * factor (or x / (1 / factor)); -1 where it is nothing like it. */
static int unscaled(const struct graph *graph, int tensor, double factor)
{
    const struct node *node;
    int rank = graph->tensors[tensor].shape.rank;

    if (graph->tensors[tensor].producer < 0)
        return -1;
    node = &graph->nodes[graph->tensors[tensor].producer];
    if (node->kind != NODE_BINARY)
        return -1;
    if (node->binary == BINARY_MULTIPLY) {
        for (int i = 0; i < 2; i++) {
            if (is_number(graph, node->inputs[i], factor, rank))
                return node->inputs[1 - i];
        }
    }
    if (node->binary == BINARY_DIVIDE && is_number(graph, node->inputs[1], 1 / factor, rank))
        return node->inputs[0];
    return -1;
}

static int add_part(const struct onnx_operation *operation, int tensor, enum onnx_gelu_part part,
                    VbpError *error)
{
    struct onnx_loader *loader = operation->loader;
    int value = onnx_value_add(loader, operation->node->output[0], ONNX_REFUSED, error);

    if (value < 0)
        return error_prefix(error, "node '%s' (%s): ", operation->name, operation->kind);
    loader->values[value].reason = part_reason;
    loader->values[value].tensor = tensor;
    loader->values[value].gelu = part;
    return VBP_OK;
}

int onnx_erf(const struct onnx_operation *operation, VbpError *error)
{
    int tensor = onnx_input_tensor(operation, 0, error);
    int data;

    if (tensor < 0)
        return tensor;
    data = unscaled(operation->loader->graph, tensor, M_SQRT1_2);
    if (data < 0)
        return onnx_refuse(operation, error, VBP_ERROR_UNSUPPORTED,
                           "only Erf(x / sqrt 2), as a part of GELU, is supported");
    return add_part(operation, data, ONNX_GELU_ERF, error);
}

static int emit(const struct onnx_operation *operation, enum activation function, int tensor,
                VbpError *error)
{
    struct node node = {.kind = NODE_ACTIVATION,
                        .inputs = &tensor,
                        .input_count = 1,
                        .activation.function = function};

    return onnx_emit(operation, &node, error);
}

/* One step of the formula: `part` and the tensor `other`, added or multiplied. */
static int fuse_gelu(const struct onnx_operation *operation, enum binary function,
                     const struct onnx_value *part, int other, bool *fused, VbpError *error)
{
    const struct graph *graph = operation->loader->graph;
    int data = part->tensor, rank = graph->tensors[data].shape.rank;
    bool is_data = other == data;
    bool is_half = is_number(graph, other, 0.5, rank);
    enum onnx_gelu_part stage = part->gelu;

    *fused = true;
    if (function == BINARY_ADD && stage == ONNX_GELU_ERF && is_number(graph, other, 1, rank))
        return add_part(operation, data, ONNX_GELU_SUM, error);
    if (function == BINARY_MULTIPLY) {
        if (stage == ONNX_GELU_SUM && is_data)
            return add_part(operation, data, ONNX_GELU_NEEDS_HALF, error);
        if (stage == ONNX_GELU_SUM && is_half)
            return add_part(operation, data, ONNX_GELU_NEEDS_DATA, error);
        if ((stage == ONNX_GELU_NEEDS_HALF && is_half) ||
            (stage == ONNX_GELU_NEEDS_DATA && is_data) ||
            (stage == ONNX_GELU_SUM && unscaled(graph, other, 0.5) == data))
            return emit(operation, ACTIVATION_GELU, data, error);
    }
    *fused = false;
    return VBP_OK;
}

/* The sigmoid's input, where `tensor` is a sigmoid; else -1. */
static int sigmoid_input(const struct graph *graph, int tensor)
{
    const struct node *node;

    if (graph->tensors[tensor].producer < 0)
        return -1;
    node = &graph->nodes[graph->tensors[tensor].producer];
    return node->kind == NODE_ACTIVATION && node->activation.function == ACTIVATION_SIGMOID
               ? node->inputs[0]
               : -1;
}

int onnx_fuse_binary(const struct onnx_operation *operation, enum binary function, bool *fused,
                     VbpError *error)
{
    struct onnx_loader *loader = operation->loader;
    int values[2], tensors[2];

    *fused = false;
    for (size_t i = 0; i < 2; i++) {
        values[i] =
            onnx_has_input(operation, i) ? onnx_value_find(loader, operation->node->input[i]) : -1;
        if (values[i] < 0)
            return VBP_OK;
    }
    for (int i = 0; i < 2; i++) {
        struct onnx_value part = loader->values[values[i]];
        int other;

        if (part.gelu == ONNX_GELU_NONE || loader->values[values[1 - i]].kind == ONNX_REFUSED)
            continue;
        other = onnx_input_tensor(operation, (size_t)(1 - i), error);
        return other < 0 ? other : fuse_gelu(operation, function, &part, other, fused, error);
    }
    for (int i = 0; i < 2; i++) {
        if (loader->values[values[i]].kind != ONNX_COMPUTED)
            return VBP_OK;
        tensors[i] = loader->values[values[i]].tensor;
    }
    for (int i = 0; i < 2 && function == BINARY_MULTIPLY; i++) {
        if (sigmoid_input(loader->graph, tensors[i]) == tensors[1 - i]) {
            *fused = true;
            return emit(operation, ACTIVATION_SILU, tensors[1 - i], error);
        }
    }
    return VBP_OK;
}
