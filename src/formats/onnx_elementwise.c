/* ONNX operators that work on single elements: activations, arithmetic and what does nothing. */
#include "base/memory.h"
#include "formats/onnx_loader.h"

#include <float.h>
#include <math.h>
#include <string.h>

/* ---- Activations ---------------------------------------------------------------------------- */

static int emit_activation(const struct onnx_operation *operation, enum activation function,
                           float alpha, float beta, VbpError *error)
{
    struct node node = {.kind = NODE_ACTIVATION,
                        .input_count = 1,
                        .activation = {.function = function, .alpha = alpha, .beta = beta}};
    int tensor = onnx_input_tensor(operation, 0, error);

    if (tensor < 0)
        return tensor;
    node.inputs = &tensor;
    return onnx_emit(operation, &node, error);
}

int onnx_relu(const struct onnx_operation *operation, VbpError *error)
{
    return emit_activation(operation, ACTIVATION_RELU, 0, 0, error);
}

int onnx_leaky_relu(const struct onnx_operation *operation, VbpError *error)
{
    float alpha = 0.01f;
    int result = onnx_attribute_float(operation, "alpha", &alpha, error);

    if (result != VBP_OK)
        return result;
    return emit_activation(operation, ACTIVATION_LEAKY_RELU, alpha, 0, error);
}

int onnx_elu(const struct onnx_operation *operation, VbpError *error)
{
    float alpha = 1;
    int result = onnx_attribute_float(operation, "alpha", &alpha, error);

    if (result != VBP_OK)
        return result;
    return emit_activation(operation, ACTIVATION_ELU, alpha, 0, error);
}

int onnx_selu(const struct onnx_operation *operation, VbpError *error)
{
    float alpha = 1.67326319217681884765625f, gamma = 1.05070102214813232421875f;
    int result = onnx_attribute_float(operation, "alpha", &alpha, error);

    if (result == VBP_OK)
        result = onnx_attribute_float(operation, "gamma", &gamma, error);
    if (result != VBP_OK)
        return result;
    return emit_activation(operation, ACTIVATION_SELU, alpha, gamma, error);
}

int onnx_softplus(const struct onnx_operation *operation, VbpError *error)
{
    return emit_activation(operation, ACTIVATION_SOFTPLUS, 0, 0, error);
}

int onnx_sigmoid(const struct onnx_operation *operation, VbpError *error)
{
    return emit_activation(operation, ACTIVATION_SIGMOID, 0, 0, error);
}

int onnx_tanh(const struct onnx_operation *operation, VbpError *error)
{
    return emit_activation(operation, ACTIVATION_TANH, 0, 0, error);
}

int onnx_atan(const struct onnx_operation *operation, VbpError *error)
{
    return emit_activation(operation, ACTIVATION_ATAN, 0, 0, error);
}

int onnx_gelu(const struct onnx_operation *operation, VbpError *error)
{
    const Onnx__AttributeProto *approximate = onnx_attribute(operation, "approximate");

    if (approximate && (approximate->s.len != 4 || memcmp(approximate->s.data, "none", 4) != 0))
        return onnx_refuse(operation, error, VBP_ERROR_UNSUPPORTED,
                           "only approximate = 'none' is supported");
    return emit_activation(operation, ACTIVATION_GELU, 0, 0, error);
}

/* A bound of Clip that is a constant input; *bound stays as it is where the input is left out. */
static int read_bound(const struct onnx_operation *operation, size_t input, float *bound,
                      VbpError *error)
{
    struct onnx_loader *loader = operation->loader;
    const float *elements;
    int value;

    if (!onnx_has_input(operation, input))
        return VBP_OK;
    value = onnx_input_constant(operation, input, "bound", error);
    if (value < 0)
        return value;
    if (loader->values[value].count != 1)
        return onnx_refuse(operation, error, VBP_ERROR_FORMAT, "its bound '%s' is not one number",
                           loader->values[value].name);
    elements = onnx_value_floats(loader, value, error);
    if (!elements)
        return error->status;
    *bound = elements[0];
    return VBP_OK;
}

int onnx_clip(const struct onnx_operation *operation, VbpError *error)
{
    float least = -FLT_MAX, most = FLT_MAX;
    int result;

    if (operation->loader->opset < 11) {
        result = onnx_attribute_float(operation, "min", &least, error);
        if (result == VBP_OK)
            result = onnx_attribute_float(operation, "max", &most, error);
    } else {
        result = read_bound(operation, 1, &least, error);
        if (result == VBP_OK)
            result = read_bound(operation, 2, &most, error);
    }
    if (result != VBP_OK)
        return result;
    if (!(least <= most))
        return onnx_refuse(operation, error, VBP_ERROR_FORMAT, "its bounds are %g and %g",
                           (double)least, (double)most);
    if (least <= -FLT_MAX && most >= FLT_MAX)
        return onnx_identity(operation, error);
    if (least == 0 && most >= FLT_MAX)
        return emit_activation(operation, ACTIVATION_RELU, 0, 0, error);
    return emit_activation(operation, ACTIVATION_CLIP, fmaxf(least, -FLT_MAX), fminf(most, FLT_MAX),
                           error);
}

/* ---- Arithmetic ----------------------------------------------------------------------------- */

static int emit_binary(const struct onnx_operation *operation, enum binary function,
                       VbpError *error)
{
    struct node node = {.kind = NODE_BINARY, .input_count = 2, .binary = function};
    int inputs[2];
    bool fused;
    int result;

    if (onnx_all_constant(operation))
        return onnx_fold_binary(operation, function, error);
    result = onnx_fuse_binary(operation, function, &fused, error);
    if (result != VBP_OK || fused)
        return result;
    for (int i = 0; i < 2; i++) {
        inputs[i] = onnx_input_tensor(operation, (size_t)i, error);
        if (inputs[i] < 0)
            return inputs[i];
    }
    node.inputs = inputs;
    return onnx_emit(operation, &node, error);
}

int onnx_add(const struct onnx_operation *operation, VbpError *error)
{
    return emit_binary(operation, BINARY_ADD, error);
}

int onnx_sub(const struct onnx_operation *operation, VbpError *error)
{
    return emit_binary(operation, BINARY_SUBTRACT, error);
}

int onnx_mul(const struct onnx_operation *operation, VbpError *error)
{
    return emit_binary(operation, BINARY_MULTIPLY, error);
}

int onnx_div(const struct onnx_operation *operation, VbpError *error)
{
    return emit_binary(operation, BINARY_DIVIDE, error);
}

/* Any number of inputs, from the first to the last. Makes all but the last step, whose node and
 * inputs it prepares. */
static int emit_all_but_last(const struct onnx_operation *operation, struct node *node, int *inputs,
                             VbpError *error)
{
    size_t count = operation->node->n_input;

    inputs[0] = onnx_input_tensor(operation, 0, error);
    node->inputs = inputs;
    for (size_t i = 1; i < count && inputs[0] >= 0; i++) {
        inputs[1] = onnx_input_tensor(operation, i, error);
        if (inputs[1] < 0)
            return inputs[1];
        if (i + 1 < count)
            inputs[0] = onnx_emit_part(operation, node, error);
    }
    return inputs[0] < 0 ? inputs[0] : VBP_OK;
}

static int emit_many(const struct onnx_operation *operation, enum binary function, VbpError *error)
{
    struct node node = {.kind = NODE_BINARY, .input_count = 2, .binary = function};
    int inputs[2], result;

    if (operation->node->n_input == 1)
        return onnx_identity(operation, error);
    if (operation->node->n_input == 2)
        return emit_binary(operation, function, error);
    result = emit_all_but_last(operation, &node, inputs, error);
    return result == VBP_OK ? onnx_emit(operation, &node, error) : result;
}

int onnx_max(const struct onnx_operation *operation, VbpError *error)
{
    return emit_many(operation, BINARY_MAXIMUM, error);
}

int onnx_min(const struct onnx_operation *operation, VbpError *error)
{
    return emit_many(operation, BINARY_MINIMUM, error);
}

int onnx_sum(const struct onnx_operation *operation, VbpError *error)
{
    return emit_many(operation, BINARY_ADD, error);
}

int onnx_mean(const struct onnx_operation *operation, VbpError *error)
{
    struct node node = {.kind = NODE_BINARY, .input_count = 2, .binary = BINARY_ADD};
    int inputs[2], tensor, result;

    if (operation->node->n_input == 1)
        return onnx_identity(operation, error);
    result = emit_all_but_last(operation, &node, inputs, error);
    if (result != VBP_OK)
        return result;
    tensor = onnx_emit_part(operation, &node, error);
    return tensor < 0 ? tensor
                      : onnx_emit_number(operation, BINARY_DIVIDE, tensor,
                                         (float)operation->node->n_input, error);
}

int onnx_neg(const struct onnx_operation *operation, VbpError *error)
{
    int tensor = onnx_input_tensor(operation, 0, error);

    return tensor < 0 ? tensor : onnx_emit_number(operation, BINARY_MULTIPLY, tensor, -1, error);
}

int onnx_prelu(const struct onnx_operation *operation, VbpError *error)
{
    if (onnx_all_constant(operation))
        return onnx_refuse(operation, error, VBP_ERROR_UNSUPPORTED, "all its inputs are constant");
    return emit_binary(operation, BINARY_PRELU, error);
}

int onnx_thresholded_relu(const struct onnx_operation *operation, VbpError *error)
{
    float alpha = 1;
    int result = onnx_attribute_float(operation, "alpha", &alpha, error);

    return result == VBP_OK ? emit_activation(operation, ACTIVATION_THRESHOLD, alpha, 0, error)
                            : result;
}

int onnx_softsign(const struct onnx_operation *operation, VbpError *error)
{
    return emit_activation(operation, ACTIVATION_SOFTSIGN, 0, 0, error);
}

int onnx_exp(const struct onnx_operation *operation, VbpError *error)
{
    return emit_activation(operation, ACTIVATION_EXPONENTIAL, 0, 0, error);
}

/* ---- What does nothing ---------------------------------------------------------------------- */

int onnx_identity(const struct onnx_operation *operation, VbpError *error)
{
    struct node node = {.kind = NODE_IDENTITY, .input_count = 1};
    struct onnx_loader *loader = operation->loader;
    int value = onnx_input_value(operation, 0, error);
    int tensor;

    if (value < 0)
        return value;
    if (loader->values[value].kind == ONNX_CONSTANT)
        return onnx_emit_view(operation, value, &loader->values[value].shape, error);
    tensor = loader->values[value].tensor;
    node.inputs = &tensor;
    return onnx_emit(operation, &node, error);
}

int onnx_dropout(const struct onnx_operation *operation, VbpError *error)
{
    const int64_t *training;
    int64_t count;
    int result;

    if (onnx_has_input(operation, 2)) {
        result = onnx_input_integers(operation, 2, "training mode", &training, &count, error);
        if (result != VBP_OK)
            return result;
        if (count != 1 || training[0])
            return onnx_refuse(operation, error, VBP_ERROR_UNSUPPORTED,
                               "it is in training mode: export the network for inference");
    }
    result = onnx_refuse_output(operation, 1, "the mask of a Dropout node, which is not supported",
                                error);
    return result == VBP_OK ? onnx_identity(operation, error) : result;
}
