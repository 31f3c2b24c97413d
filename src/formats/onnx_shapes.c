/*
 * ONNX operators that rearrange: on computed tensors they become nodes of the graph, on constants
 * they are done here, which takes in the arithmetic on shapes that exporters leave behind.
 */
#include "base/memory.h"
#include "formats/onnx_loader.h"

#include <string.h>

/* Constants a Gather on computed data may be turned into: a matrix that selects. */
#define SELECTION_MAX_ELEMENTS 1000000

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
    struct onnx_loader *loader = operation->loader;
    const struct shape input = loader->values[value].shape;
    bool integer = loader->values[value].integer;
    int64_t count = loader->values[value].count;
    int64_t stride[SHAPE_MAX_RANK], position[SHAPE_MAX_RANK] = {0};
    struct shape shape = {.rank = input.rank};
    const float *floats = NULL;
    const int64_t *whole = NULL;
    float *float_result = NULL;
    int64_t *whole_result = NULL;
    int64_t offset = 0;
    int result = onnx_spend(loader, integer ? 2 * count : count, error);

    if (result != VBP_OK)
        return result;
    if (integer)
        whole = onnx_value_integers(loader, value);
    else if (!(floats = onnx_value_floats(loader, value, error)))
        return error->status;
    for (int i = 0; i < input.rank; i++) {
        shape.extent[i] = input.extent[permutation[i]];
        stride[i] = 1;
        for (int j = permutation[i] + 1; j < input.rank; j++)
            stride[i] *= input.extent[j];
    }
    if (integer)
        whole_result = memory_array((size_t)count, sizeof(*whole_result));
    else
        float_result = memory_array((size_t)count, sizeof(*float_result));
    if (!whole_result && !float_result)
        return error_out_of_memory(error);
    for (int64_t i = 0; i < count; i++) {
        if (integer)
            whole_result[i] = whole[offset];
        else
            float_result[i] = floats[offset];
        for (int axis = shape.rank - 1; axis >= 0; axis--) {
            offset += stride[axis];
            if (++position[axis] < shape.extent[axis])
                break;
            offset -= stride[axis] * position[axis];
            position[axis] = 0;
        }
    }
    return onnx_emit_constant(operation, &shape, float_result, whole_result, error);
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

/* ---- Joining and selecting ------------------------------------------------------------------ */

/* Joins constants of rank 1, which is what exporters do to shapes. */
static int fold_concat(const struct onnx_operation *operation, VbpError *error)
{
    struct onnx_loader *loader = operation->loader;
    struct shape shape = {.rank = 1};
    int64_t *joined;
    int64_t total = 0;
    int result = VBP_OK;

    for (size_t i = 0; i < operation->node->n_input; i++) {
        const int64_t *elements;
        int64_t count;

        result = onnx_input_integers(operation, i, "input", &elements, &count, error);
        if (result != VBP_OK)
            return result;
        total += count;
    }
    result = onnx_spend(loader, 2 * total, error);
    if (result != VBP_OK)
        return result;
    joined = memory_array((size_t)total, sizeof(*joined));
    if (!joined)
        return error_out_of_memory(error);
    for (size_t i = 0; i < operation->node->n_input; i++) {
        const int64_t *elements;
        int64_t count;

        if (onnx_input_integers(operation, i, "input", &elements, &count, error) != VBP_OK)
            break;
        if (count)
            memcpy(joined + shape.extent[0], elements, (size_t)count * sizeof(*joined));
        shape.extent[0] += count;
    }
    return onnx_emit_constant(operation, &shape, NULL, joined, error);
}

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
        return fold_concat(operation, error);
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

/* Selects single elements of a constant list of integers. */
static int fold_gather(const struct onnx_operation *operation, const int64_t *indices,
                       int64_t count, int rank, VbpError *error)
{
    const int64_t *elements;
    int64_t length;
    int64_t *selected;
    struct shape shape = {.rank = rank, .extent = {count}};
    int result = onnx_input_integers(operation, 0, "input", &elements, &length, error);

    if (result == VBP_OK)
        result = onnx_spend(operation->loader, 2 * count, error);
    if (result != VBP_OK)
        return result;
    selected = memory_array((size_t)count, sizeof(*selected));
    if (!selected)
        return error_out_of_memory(error);
    for (int64_t i = 0; i < count; i++) {
        if (indices[i] < -length || indices[i] >= length) {
            free(selected);
            return onnx_refuse(operation, error, VBP_ERROR_FORMAT, "index %lld of %lld elements",
                               (long long)indices[i], (long long)length);
        }
        selected[i] = elements[indices[i] < 0 ? indices[i] + length : indices[i]];
    }
    return onnx_emit_constant(operation, &shape, NULL, selected, error);
}

/*
 * Constant indices along the last axis of a computed tensor: a dense layer whose weights are rows
 * of zeros with a single one, which copies the elements exactly.
 */
static int emit_selection(const struct onnx_operation *operation, const int64_t *indices,
                          int64_t count, int rank, VbpError *error)
{
    struct onnx_loader *loader = operation->loader;
    struct node dense = {.kind = NODE_DENSE, .input_count = 2};
    struct node flat = {.kind = NODE_RESHAPE, .input_count = 1};
    struct shape input, shape = {.rank = 2};
    float *weights;
    int inputs[2];
    int part;
    int result = onnx_input_shape(operation, 0, &input, error);

    if (result != VBP_OK)
        return result;
    shape.extent[0] = count;
    shape.extent[1] = input.extent[input.rank - 1];
    if (count < 1 || count > SELECTION_MAX_ELEMENTS / shape.extent[1])
        return onnx_refuse(operation, error, VBP_ERROR_UNSUPPORTED,
                           "selecting %lld of %lld elements is not supported", (long long)count,
                           (long long)shape.extent[1]);
    inputs[0] = onnx_input_tensor(operation, 0, error);
    if (inputs[0] < 0)
        return inputs[0];
    result = onnx_spend(loader, count * shape.extent[1], error);
    if (result != VBP_OK)
        return result;
    weights = memory_array((size_t)(count * shape.extent[1]), sizeof(*weights));
    if (!weights)
        return error_out_of_memory(error);
    for (int64_t i = 0; i < count; i++) {
        int64_t index = indices[i] < 0 ? indices[i] + shape.extent[1] : indices[i];

        if (index < 0 || index >= shape.extent[1]) {
            free(weights);
            return onnx_refuse(operation, error, VBP_ERROR_FORMAT, "index %lld of %lld elements",
                               (long long)indices[i], (long long)shape.extent[1]);
        }
        weights[i * shape.extent[1] + index] = 1;
    }
    inputs[1] = graph_add_constant(loader->graph, NULL, &shape, weights, error);
    free(weights);
    if (inputs[1] < 0)
        return inputs[1];
    dense.inputs = inputs;
    if (rank == 1)
        return onnx_emit(operation, &dense, error);
    /* A single index, not a list of them: its axis vanishes. */
    part = onnx_emit_part(operation, &dense, error);
    if (part < 0)
        return part;
    flat.inputs = &part;
    flat.reshape.shape = input;
    flat.reshape.shape.rank--;
    return onnx_emit(operation, &flat, error);
}

int onnx_gather(const struct onnx_operation *operation, VbpError *error)
{
    const int64_t *indices = NULL;
    int64_t count = 0, wanted = 0;
    struct shape input, shape;
    int axis = 0;
    int result = onnx_input_shape(operation, 0, &input, error);

    if (result == VBP_OK)
        result = onnx_attribute_integer(operation, "axis", &wanted, error);
    if (result == VBP_OK)
        result = onnx_axis(operation, wanted, input.rank, &axis, error);
    if (result == VBP_OK)
        result = onnx_input_integers(operation, 1, "list of indices", &indices, &count, error);
    if (result == VBP_OK)
        result = onnx_input_shape(operation, 1, &shape, error);
    if (result != VBP_OK)
        return result;
    if (onnx_all_constant(operation))
        return fold_gather(operation, indices, count, shape.rank, error);
    if (axis != input.rank - 1)
        return onnx_refuse(operation, error, VBP_ERROR_UNSUPPORTED,
                           "only selecting along the last axis is supported");
    return emit_selection(operation, indices, count, shape.rank, error);
}

/* Slices of constant lists of integers; the starts, ends, axes and steps have one entry each. */
int onnx_slice(const struct onnx_operation *operation, VbpError *error)
{
    static const char *const names[] = {"", "starts", "ends", "axes", "steps"};
    int64_t setting[5] = {0, 0, 0, 0, 1};
    const int64_t *elements = NULL;
    int64_t length = 0, start, end;
    int result;

    if (!onnx_has_input(operation, 0) || !onnx_all_constant(operation))
        return onnx_cut(operation, error);
    result = onnx_input_integers(operation, 0, "input", &elements, &length, error);
    for (size_t i = 1; i < 5 && result == VBP_OK; i++) {
        const int64_t *list = NULL;
        int64_t count = 0;

        if (operation->loader->opset < 10)
            result = onnx_attribute_integers(operation, names[i], &list, &count, error);
        else if (onnx_has_input(operation, i))
            result = onnx_input_integers(operation, i, names[i], &list, &count, error);
        if (result == VBP_OK && list && count == 1)
            setting[i] = list[0];
        else if (result == VBP_OK && (list || i < 3))
            result = onnx_refuse(operation, error, VBP_ERROR_UNSUPPORTED, "%s has to be one number",
                                 names[i]);
    }
    if (result != VBP_OK)
        return result;
    if ((setting[3] != 0 && setting[3] != -1) || setting[4] != 1)
        return onnx_refuse(operation, error, VBP_ERROR_UNSUPPORTED,
                           "only slices of lists with step 1 are supported");
    start = setting[1] < 0 ? setting[1] + length : setting[1];
    end = setting[2] < 0 ? setting[2] + length : setting[2];
    start = start < 0 ? 0 : start > length ? length : start;
    end = end < start ? start : end > length ? length : end;
    return constant_list(operation, 1, (size_t)(end - start), NULL, elements + start, error);
}
