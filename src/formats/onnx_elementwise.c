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

/* Two operands under NumPy's rules: the shape of the result, and strides that are 0 where an
 * operand is repeated. */
struct broadcast {
    struct shape shape;
    int64_t stride[2][SHAPE_MAX_RANK];
};

static bool broadcast_shapes(const struct shape *a, const struct shape *b,
                             struct broadcast *broadcast)
{
    const struct shape *operand[2] = {a, b};
    struct shape *shape = &broadcast->shape;

    *broadcast = (struct broadcast){.shape.rank = a->rank > b->rank ? a->rank : b->rank};
    for (int i = 0; i < shape->rank; i++)
        shape->extent[i] = 1;
    for (int o = 0; o < 2; o++) {
        int64_t stride = 1;

        for (int i = 1; i <= operand[o]->rank; i++) {
            int64_t extent = operand[o]->extent[operand[o]->rank - i];
            int64_t *result = &shape->extent[shape->rank - i];

            if (extent != 1 && *result != 1 && extent != *result)
                return false;
            if (extent != 1)
                *result = extent;
            broadcast->stride[o][shape->rank - i] = extent == 1 ? 0 : stride;
            stride *= extent;
        }
    }
    return true;
}

static float combine_floats(enum binary function, float a, float b)
{
    switch (function) {
    case BINARY_ADD:
        return a + b;
    case BINARY_SUBTRACT:
        return a - b;
    case BINARY_MULTIPLY:
        return a * b;
    case BINARY_MAXIMUM:
        return fmaxf(a, b);
    case BINARY_MINIMUM:
        return fminf(a, b);
    case BINARY_DIVIDE:
    case BINARY_PRELU:
        break;
    }
    return a / b;
}

/* False where the result does not exist. */
static bool combine_integers(enum binary function, int64_t a, int64_t b, int64_t *result)
{
    switch (function) {
    case BINARY_ADD:
        return !__builtin_add_overflow(a, b, result);
    case BINARY_SUBTRACT:
        return !__builtin_sub_overflow(a, b, result);
    case BINARY_MULTIPLY:
        return !__builtin_mul_overflow(a, b, result);
    case BINARY_MAXIMUM:
        *result = a > b ? a : b;
        return true;
    case BINARY_MINIMUM:
        *result = a < b ? a : b;
        return true;
    case BINARY_DIVIDE:
    case BINARY_PRELU:
        break;
    }
    if (b == 0 || (a == INT64_MIN && b == -1))
        return false;
    *result = a / b;
    return true;
}

static int fold_binary(const struct onnx_operation *operation, enum binary function,
                       VbpError *error)
{
    struct onnx_loader *loader = operation->loader;
    int operand[2] = {onnx_input_value(operation, 0, error), -1};
    const float *floats[2] = {NULL, NULL};
    const int64_t *whole[2] = {NULL, NULL};
    float *float_result = NULL;
    int64_t *whole_result = NULL;
    struct broadcast broadcast;
    int64_t position[SHAPE_MAX_RANK] = {0};
    int64_t count, offset[2] = {0, 0};
    bool integer;
    int result;

    operand[1] = operand[0] < 0 ? operand[0] : onnx_input_value(operation, 1, error);
    if (operand[1] < 0)
        return operand[1];
    integer = loader->values[operand[0]].integer;
    if (integer != loader->values[operand[1]].integer)
        return onnx_refuse(operation, error, VBP_ERROR_FORMAT,
                           "one of its inputs holds integers, the other floats");
    if (!broadcast_shapes(&loader->values[operand[0]].shape, &loader->values[operand[1]].shape,
                          &broadcast))
        return onnx_refuse(operation, error, VBP_ERROR_FORMAT,
                           "the shapes of its inputs do not go together");
    count = onnx_shape_count(&broadcast.shape);
    if (count < 0)
        return onnx_refuse(operation, error, VBP_ERROR_UNSUPPORTED, "its result is too large");
    result = onnx_spend(loader, integer ? 2 * count : count, error);
    if (result != VBP_OK)
        return result;
    for (int o = 0; o < 2; o++) {
        if (integer)
            whole[o] = onnx_value_integers(loader, operand[o]);
        else if (!(floats[o] = onnx_value_floats(loader, operand[o], error)))
            return error->status;
    }
    if (integer)
        whole_result = memory_array((size_t)count, sizeof(*whole_result));
    else
        float_result = memory_array((size_t)count, sizeof(*float_result));
    if (!whole_result && !float_result)
        return error_out_of_memory(error);
    for (int64_t i = 0; i < count; i++) {
        if (!integer) {
            float_result[i] = combine_floats(function, floats[0][offset[0]], floats[1][offset[1]]);
        } else if (!combine_integers(function, whole[0][offset[0]], whole[1][offset[1]],
                                     &whole_result[i])) {
            free(whole_result);
            return onnx_refuse(operation, error, VBP_ERROR_FORMAT,
                               "its constant inputs have no result");
        }
        for (int axis = broadcast.shape.rank - 1; axis >= 0; axis--) {
            offset[0] += broadcast.stride[0][axis];
            offset[1] += broadcast.stride[1][axis];
            if (++position[axis] < broadcast.shape.extent[axis])
                break;
            offset[0] -= broadcast.stride[0][axis] * position[axis];
            offset[1] -= broadcast.stride[1][axis] * position[axis];
            position[axis] = 0;
        }
    }
    return onnx_emit_constant(operation, &broadcast.shape, float_result, whole_result, error);
}

static int emit_binary(const struct onnx_operation *operation, enum binary function,
                       VbpError *error)
{
    struct node node = {.kind = NODE_BINARY, .input_count = 2, .binary = function};
    int inputs[2];
    bool fused;
    int result;

    if (onnx_all_constant(operation))
        return fold_binary(operation, function, error);
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

int onnx_max(const struct onnx_operation *operation, VbpError *error)
{
    return emit_binary(operation, BINARY_MAXIMUM, error);
}

int onnx_min(const struct onnx_operation *operation, VbpError *error)
{
    return emit_binary(operation, BINARY_MINIMUM, error);
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

static bool type_is_float(int64_t type)
{
    return type == ONNX__TENSOR_PROTO__DATA_TYPE__FLOAT ||
           type == ONNX__TENSOR_PROTO__DATA_TYPE__FLOAT16 ||
           type == ONNX__TENSOR_PROTO__DATA_TYPE__DOUBLE ||
           type == ONNX__TENSOR_PROTO__DATA_TYPE__BFLOAT16;
}

/* Floats stay floats; constants may also become integers and integers floats. */
int onnx_cast(const struct onnx_operation *operation, VbpError *error)
{
    struct onnx_loader *loader = operation->loader;
    const struct onnx_value *value;
    int64_t type = ONNX__TENSOR_PROTO__DATA_TYPE__UNDEFINED;
    const int64_t *whole;
    struct shape shape;
    float *floats;
    int index, result;

    result = onnx_attribute_integer(operation, "to", &type, error);
    if (result != VBP_OK)
        return result;
    index = onnx_input_value(operation, 0, error);
    if (index < 0)
        return index;
    value = &loader->values[index];
    if (!value->integer && type_is_float(type))
        return onnx_identity(operation, error);
    if (value->integer && (type == ONNX__TENSOR_PROTO__DATA_TYPE__INT64 ||
                           type == ONNX__TENSOR_PROTO__DATA_TYPE__INT32))
        return onnx_identity(operation, error);
    if (!value->integer || !type_is_float(type))
        return onnx_refuse(operation, error, VBP_ERROR_UNSUPPORTED,
                           "this conversion of types is not supported");
    result = onnx_spend(loader, value->count, error);
    if (result != VBP_OK)
        return result;
    floats = memory_array((size_t)value->count, sizeof(*floats));
    if (!floats)
        return error_out_of_memory(error);
    whole = onnx_value_integers(loader, index);
    for (int64_t i = 0; i < value->count; i++)
        floats[i] = (float)whole[i];
    shape = value->shape;
    return onnx_emit_constant(operation, &shape, floats, NULL, error);
}
