/*
 * ONNX operators that rearrange: on computed tensors they become nodes of the graph, on constants
 * they are done here, which takes in the arithmetic on shapes that exporters leave behind.
 */
#include "base/memory.h"
#include "formats/onnx_loader.h"

#include <string.h>

/* ---- Constants ------------------------------------------------------------------------------ */

static int constant_list(const struct onnx_operation *operation, int rank, size_t count,
                         const float *floats, const int64_t *whole, VbpError *error)
{
    struct shape shape = {.rank = rank, .extent = {(int64_t)count}};
    float *float_copy = NULL;
    int64_t *whole_copy = NULL;
    int result = onnx_spend(operation->loader, (int64_t)count * (whole ? 2 : 1), error);

    if (result != VBP_OK)
        return result;
    if (whole) {
        whole_copy = memory_array(count, sizeof(*whole_copy));
        if (whole_copy && count)
            memcpy(whole_copy, whole, count * sizeof(*whole_copy));
    } else {
        float_copy = memory_array(count, sizeof(*float_copy));
        if (float_copy && count)
            memcpy(float_copy, floats, count * sizeof(*float_copy));
    }
    if (!float_copy && !whole_copy)
        return error_out_of_memory(error);
    return onnx_emit_constant(operation, &shape, float_copy, whole_copy, error);
}

int onnx_constant(const struct onnx_operation *operation, VbpError *error)
{
    static const int64_t none[1] = {0};
    const Onnx__AttributeProto *attribute;
    int result;

    attribute = onnx_attribute(operation, "value");
    if (attribute && attribute->t) {
        result = onnx_value_add_tensor(operation->loader, operation->node->output[0], attribute->t,
                                       error);
        return result < 0 ? error_prefix(error, "node '%s' (Constant): ", operation->name) : VBP_OK;
    }
    attribute = onnx_attribute(operation, "value_float");
    if (attribute)
        return constant_list(operation, 0, 1, &attribute->f, NULL, error);
    attribute = onnx_attribute(operation, "value_floats");
    if (attribute)
        return constant_list(operation, 1, attribute->n_floats, attribute->floats, NULL, error);
    attribute = onnx_attribute(operation, "value_int");
    if (attribute)
        return constant_list(operation, 0, 1, NULL, &attribute->i, error);
    attribute = onnx_attribute(operation, "value_ints");
    if (attribute)
        return constant_list(operation, 1, attribute->n_ints, NULL,
                             attribute->n_ints ? attribute->ints : none, error);
    return onnx_refuse(operation, error, VBP_ERROR_UNSUPPORTED,
                       "it holds no tensor, numbers or list of numbers");
}

int onnx_shape(const struct onnx_operation *operation, VbpError *error)
{
    struct shape shape;
    int64_t start = 0, end = SHAPE_MAX_RANK;
    int result = onnx_input_shape(operation, 0, &shape, error);

    if (result == VBP_OK)
        result = onnx_attribute_integer(operation, "start", &start, error);
    if (result == VBP_OK)
        result = onnx_attribute_integer(operation, "end", &end, error);
    if (result != VBP_OK)
        return result;
    start = start < 0 ? start + shape.rank : start;
    end = end < 0 ? end + shape.rank : end;
    start = start < 0 ? 0 : start > shape.rank ? shape.rank : start;
    end = end < start ? start : end > shape.rank ? shape.rank : end;
    return constant_list(operation, 1, (size_t)(end - start), NULL, shape.extent + start, error);
}

/* ---- Other shapes of the same elements ------------------------------------------------------ */

/* Makes the output input 0 in another shape, as a view of a constant or as a node. */
static int emit_reshape(const struct onnx_operation *operation, const struct shape *shape,
                        VbpError *error)
{
    struct onnx_loader *loader = operation->loader;
    struct node node = {.kind = NODE_RESHAPE, .input_count = 1, .reshape.shape = *shape};
    int value = onnx_input_value(operation, 0, error);
    int tensor;

    if (value < 0)
        return value;
    if (loader->values[value].kind == ONNX_CONSTANT) {
        if (onnx_shape_count(shape) != loader->values[value].count)
            return onnx_refuse(operation, error, VBP_ERROR_FORMAT,
                               "its shape has another number of elements than its input");
        return onnx_emit_view(operation, value, shape, error);
    }
    tensor = loader->values[value].tensor;
    node.inputs = &tensor;
    return onnx_emit(operation, &node, error);
}

int onnx_flatten(const struct onnx_operation *operation, VbpError *error)
{
    struct shape input, part, shape = {.rank = 2};
    int64_t axis = 1;
    int result = onnx_input_shape(operation, 0, &input, error);

    if (result == VBP_OK)
        result = onnx_attribute_integer(operation, "axis", &axis, error);
    if (result != VBP_OK)
        return result;
    if (axis < -input.rank || axis > input.rank)
        return onnx_refuse(operation, error, VBP_ERROR_FORMAT, "axis %lld of a tensor of rank %d",
                           (long long)axis, input.rank);
    if (axis < 0)
        axis += input.rank;
    part = (struct shape){.rank = (int)axis};
    memcpy(part.extent, input.extent, (size_t)axis * sizeof(*part.extent));
    shape.extent[0] = onnx_shape_count(&part);
    part = (struct shape){.rank = input.rank - (int)axis};
    memcpy(part.extent, input.extent + axis, (size_t)part.rank * sizeof(*part.extent));
    shape.extent[1] = onnx_shape_count(&part);
    return emit_reshape(operation, &shape, error);
}

int onnx_reshape(const struct onnx_operation *operation, VbpError *error)
{
    struct shape input, shape = {0};
    const int64_t *wanted = NULL;
    int64_t count = 0, known, total;
    bool allow_zero = false;
    int open = -1;
    int result = onnx_input_shape(operation, 0, &input, error);

    if (result == VBP_OK)
        result = onnx_attribute_flag(operation, "allowzero", &allow_zero, error);
    if (result == VBP_OK)
        result = onnx_input_integers(operation, 1, "shape", &wanted, &count, error);
    if (result != VBP_OK)
        return result;
    if (count > SHAPE_MAX_RANK)
        return onnx_refuse(operation, error, VBP_ERROR_UNSUPPORTED,
                           "its shape has %lld axes; at most %d are supported", (long long)count,
                           SHAPE_MAX_RANK);
    shape.rank = (int)count;
    for (int i = 0; i < shape.rank; i++) {
        shape.extent[i] = wanted[i];
        if (wanted[i] == 0 && !allow_zero) {
            if (i >= input.rank)
                return onnx_refuse(operation, error, VBP_ERROR_FORMAT,
                                   "its shape copies axis %d, which its input does not have", i);
            shape.extent[i] = input.extent[i];
        } else if (wanted[i] == -1) {
            if (open >= 0)
                return onnx_refuse(operation, error, VBP_ERROR_FORMAT,
                                   "its shape leaves more than one axis open");
            open = i;
            shape.extent[i] = 1;
        } else if (wanted[i] < 0) {
            return onnx_refuse(operation, error, VBP_ERROR_FORMAT, "its shape holds %lld",
                               (long long)wanted[i]);
        }
    }
    known = onnx_shape_count(&shape);
    total = onnx_shape_count(&input);
    if (open >= 0) {
        if (known < 1 || total < 0 || total % known != 0)
            return onnx_refuse(operation, error, VBP_ERROR_FORMAT,
                               "%lld elements do not fit the shape it gives them",
                               (long long)total);
        shape.extent[open] = total / known;
    }
    return emit_reshape(operation, &shape, error);
}

/* Reads Squeeze's and Unsqueeze's axes as a set of bits; *given: there are any. */
static int read_axes(const struct onnx_operation *operation, int rank, unsigned *axes, bool *given,
                     VbpError *error)
{
    const int64_t *list = NULL;
    int64_t count = 0;
    int result;

    *axes = 0;
    *given = onnx_has_input(operation, 1) || onnx_attribute(operation, "axes");
    if (onnx_has_input(operation, 1))
        result = onnx_input_integers(operation, 1, "list of axes", &list, &count, error);
    else
        result = onnx_attribute_integers(operation, "axes", &list, &count, error);
    for (int64_t i = 0; i < count && result == VBP_OK; i++) {
        int axis = 0;

        result = onnx_axis(operation, list[i], rank, &axis, error);
        if (result == VBP_OK && *axes & 1u << axis)
            result =
                onnx_refuse(operation, error, VBP_ERROR_FORMAT, "axis %d is named twice", axis);
        *axes |= 1u << axis;
    }
    return result;
}

int onnx_squeeze(const struct onnx_operation *operation, VbpError *error)
{
    struct shape input, shape = {0};
    unsigned axes;
    bool given;
    int result = onnx_input_shape(operation, 0, &input, error);

    if (result == VBP_OK)
        result = read_axes(operation, input.rank, &axes, &given, error);
    for (int i = 0; i < input.rank && result == VBP_OK; i++) {
        if (given && axes & 1u << i && input.extent[i] != 1)
            result = onnx_refuse(operation, error, VBP_ERROR_FORMAT,
                                 "axis %d of length %lld cannot be left out", i,
                                 (long long)input.extent[i]);
        if (given ? !(axes & 1u << i) : input.extent[i] != 1)
            shape.extent[shape.rank++] = input.extent[i];
    }
    return result == VBP_OK ? emit_reshape(operation, &shape, error) : result;
}

int onnx_unsqueeze(const struct onnx_operation *operation, VbpError *error)
{
    struct shape input, shape = {0};
    const int64_t *list = NULL;
    int64_t count = 0;
    unsigned axes;
    bool given;
    int from = 0;
    int result = onnx_input_shape(operation, 0, &input, error);

    /* The axes count in the result, whose rank depends on how many there are. */
    if (result == VBP_OK)
        result = onnx_has_input(operation, 1)
                     ? onnx_input_integers(operation, 1, "list of axes", &list, &count, error)
                     : onnx_attribute_integers(operation, "axes", &list, &count, error);
    if (result != VBP_OK)
        return result;
    if (count > SHAPE_MAX_RANK - input.rank)
        return onnx_refuse(operation, error, VBP_ERROR_UNSUPPORTED,
                           "its result has more than %d axes", SHAPE_MAX_RANK);
    shape.rank = input.rank + (int)count;
    result = read_axes(operation, shape.rank, &axes, &given, error);
    if (result != VBP_OK)
        return result;
    for (int i = 0; i < shape.rank; i++)
        shape.extent[i] = axes & 1u << i ? 1 : input.extent[from++];
    return emit_reshape(operation, &shape, error);
}

/* ---- Order of the elements ------------------------------------------------------------------ */

static int fold_transpose(const struct onnx_operation *operation, int value, const int *permutation,
                          VbpError *error)
{
    const struct shape input = operation->loader->values[value].shape;
    struct shape shape = {.rank = input.rank};
    int64_t stride[SHAPE_MAX_RANK];

    for (int i = 0; i < input.rank; i++) {
        shape.extent[i] = input.extent[permutation[i]];
        stride[i] = 1;
        for (int j = permutation[i] + 1; j < input.rank; j++)
            stride[i] *= input.extent[j];
    }
    return onnx_fold_strided(operation, value, &shape, 0, stride, error);
}

int onnx_transpose(const struct onnx_operation *operation, VbpError *error)
{
    struct onnx_loader *loader = operation->loader;
    struct node node = {.kind = NODE_TRANSPOSE, .input_count = 1};
    const int64_t *order = NULL;
    int64_t count = 0;
    struct shape input;
    unsigned seen = 0;
    int value, tensor;
    int result = onnx_input_shape(operation, 0, &input, error);

    if (result == VBP_OK)
        result = onnx_attribute_integers(operation, "perm", &order, &count, error);
    if (result != VBP_OK)
        return result;
    if (order && count != input.rank)
        return onnx_refuse(operation, error, VBP_ERROR_FORMAT, "perm has %lld axes, its input %d",
                           (long long)count, input.rank);
    for (int i = 0; i < input.rank; i++) {
        int64_t from = order ? order[i] : input.rank - 1 - i;

        if (from < 0 || from >= input.rank || seen & 1u << from)
            return onnx_refuse(operation, error, VBP_ERROR_FORMAT, "perm is not a permutation");
        seen |= 1u << from;
        node.transpose.permutation[i] = (int)from;
    }
    value = onnx_input_value(operation, 0, error);
    if (value < 0)
        return value;
    if (loader->values[value].kind == ONNX_CONSTANT)
        return fold_transpose(operation, value, node.transpose.permutation, error);
    tensor = loader->values[value].tensor;
    node.inputs = &tensor;
    return onnx_emit(operation, &node, error);
}

/* ---- Joining -------------------------------------------------------------------------------- */

int onnx_concat(const struct onnx_operation *operation, VbpError *error)
{
    struct node node = {.kind = NODE_CONCAT, .input_count = (int)operation->node->n_input};
    int64_t axis = 0;
    struct shape input;
    int result = onnx_input_shape(operation, 0, &input, error);

    if (result != VBP_OK)
        return result;
    if (!onnx_attribute(operation, "axis"))
        return onnx_refuse(operation, error, VBP_ERROR_FORMAT, "axis is missing");
    result = onnx_attribute_integer(operation, "axis", &axis, error);
    if (result == VBP_OK)
        result = onnx_axis(operation, axis, input.rank, &node.concat.axis, error);
    if (result != VBP_OK)
        return result;
    if (onnx_all_constant(operation))
        return onnx_fold_concat(operation, node.concat.axis, error);
    node.inputs = memory_array((size_t)node.input_count, sizeof(*node.inputs));
    if (!node.inputs)
        return error_out_of_memory(error);
    for (int i = 0; i < node.input_count && result == VBP_OK; i++) {
        node.inputs[i] = onnx_input_tensor(operation, (size_t)i, error);
        result = node.inputs[i] < 0 ? node.inputs[i] : VBP_OK;
    }
    if (result == VBP_OK)
        result = onnx_emit(operation, &node, error);
    free(node.inputs);
    return result;
}
