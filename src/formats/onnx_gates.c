/*
 * Activations that are built of several nodes. What multiplies the data with a squashed form of
 * itself is one rectifier to the graph (graph/gates.h):
 *
 *     hard sigmoid   clip(x) * alpha + beta, clipped where the result is 0 and 1
 *     hard swish     x * hard sigmoid(x), with 1/6 and 1/2
 *     Mish           x * tanh(softplus(x))
 */
#include "formats/onnx_loader.h"

static int emit_activation_part(const struct onnx_operation *operation, enum activation function,
                                float alpha, float beta, int tensor, VbpError *error)
{
    struct node node = {.kind = NODE_ACTIVATION,
                        .inputs = &tensor,
                        .input_count = 1,
                        .activation = {.function = function, .alpha = alpha, .beta = beta}};

    return onnx_emit_part(operation, &node, error);
}

/* All but the addition of beta. Returns the tensor. */
static int begin_hard_sigmoid(const struct onnx_operation *operation, float alpha, float beta,
                              int tensor, VbpError *error)
{
    tensor = emit_activation_part(operation, ACTIVATION_CLIP, -beta / alpha, (1 - beta) / alpha,
                                  tensor, error);
    return tensor < 0 ? tensor
                      : onnx_emit_number_part(operation, BINARY_MULTIPLY, tensor, alpha, error);
}

int onnx_hard_sigmoid(const struct onnx_operation *operation, VbpError *error)
{
    float alpha = 0.2f, beta = 0.5f;
    int tensor, result = onnx_attribute_float(operation, "alpha", &alpha, error);

    if (result == VBP_OK)
        result = onnx_attribute_float(operation, "beta", &beta, error);
    if (result != VBP_OK)
        return result;
    if (!(alpha > 0 && alpha < 1e6f) || !(beta > -1e6f && beta < 1e6f))
        return onnx_refuse(operation, error, VBP_ERROR_UNSUPPORTED,
                           "alpha %g and beta %g are not supported", (double)alpha, (double)beta);
    tensor = onnx_input_tensor(operation, 0, error);
    if (tensor >= 0)
        tensor = begin_hard_sigmoid(operation, alpha, beta, tensor, error);
    return tensor < 0 ? tensor : onnx_emit_number(operation, BINARY_ADD, tensor, beta, error);
}

static int emit_product(const struct onnx_operation *operation, int data, int gate, VbpError *error)
{
    int inputs[2] = {data, gate};
    struct node node = {
        .kind = NODE_BINARY, .inputs = inputs, .input_count = 2, .binary = BINARY_MULTIPLY};

    return gate < 0 ? gate : onnx_emit(operation, &node, error);
}

int onnx_hard_swish(const struct onnx_operation *operation, VbpError *error)
{
    int data = onnx_input_tensor(operation, 0, error), gate;

    if (data < 0)
        return data;
    gate = begin_hard_sigmoid(operation, 1.0f / 6, 0.5f, data, error);
    if (gate >= 0)
        gate = onnx_emit_number_part(operation, BINARY_ADD, gate, 0.5f, error);
    return emit_product(operation, data, gate, error);
}

int onnx_mish(const struct onnx_operation *operation, VbpError *error)
{
    int data = onnx_input_tensor(operation, 0, error), gate;

    if (data < 0)
        return data;
    gate = emit_activation_part(operation, ACTIVATION_SOFTPLUS, 0, 0, data, error);
    if (gate >= 0)
        gate = emit_activation_part(operation, ACTIVATION_TANH, 0, 0, gate, error);
    return emit_product(operation, data, gate, error);
}
