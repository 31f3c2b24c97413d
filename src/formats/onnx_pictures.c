/* Operators that make pictures larger or smaller, or look at the whole of one. */
#include "base/memory.h"
#include "formats/onnx_loader.h"

#include <math.h>
#include <string.h>

/* Emits a NODE_PAD, or nothing but another name where nothing is added or cut. */
static int emit_pad(const struct onnx_operation *operation, struct node *node, int rank,
                    VbpError *error)
{
    bool nothing = true;
    int tensor;

    for (int i = 0; i < rank; i++)
        nothing = nothing && node->pad.begin[i] == 0 && node->pad.end[i] == 0;
    if (nothing)
        return onnx_identity(operation, error);
    tensor = onnx_input_tensor(operation, 0, error);
    if (tensor < 0)
        return tensor;
    node->inputs = &tensor;
    return onnx_emit(operation, node, error);
}

static bool attribute_is(const struct onnx_operation *operation, const char *name, const char *text,
                         bool otherwise)
{
    const Onnx__AttributeProto *attribute = onnx_attribute(operation, name);

    if (!attribute)
        return otherwise;
    return attribute->s.len == strlen(text) && memcmp(attribute->s.data, text, strlen(text)) == 0;
}

/* What stands around the picture has to be zeros. */
static int check_pad_value(const struct onnx_operation *operation, VbpError *error)
{
    struct onnx_loader *loader = operation->loader;
    float value = 0;
    int result = VBP_OK;

    if (loader->opset < 11) {
        result = onnx_attribute_float(operation, "value", &value, error);
    } else if (onnx_has_input(operation, 2)) {
        int index = onnx_input_constant(operation, 2, "value", error);
        const float *elements = index < 0 ? NULL : onnx_value_floats(loader, index, error);

        if (!elements)
            return index < 0 ? index : (int)error->status;
        if (loader->values[index].count != 1)
            return onnx_refuse(operation, error, VBP_ERROR_FORMAT, "its value is not one number");
        value = elements[0];
    }
    if (result == VBP_OK && value != 0)
        result = onnx_refuse(operation, error, VBP_ERROR_UNSUPPORTED,
                             "padding with anything but zeros is not supported");
    return result;
}

int onnx_pad(const struct onnx_operation *operation, VbpError *error)
{
    struct node node = {.kind = NODE_PAD, .input_count = 1};
    const int64_t *pads = NULL;
    struct shape shape;
    int64_t count = 0;
    bool nothing = true;
    int result;

    if (operation->loader->opset < 11)
        result = onnx_attribute_integers(operation, "pads", &pads, &count, error);
    else
        result = onnx_input_integers(operation, 1, "list of paddings", &pads, &count, error);
    if (result == VBP_OK)
        result = onnx_input_shape(operation, 0, &shape, error);
    if (result != VBP_OK)
        return result;
    for (int64_t i = 0; i < count; i++)
        nothing = nothing && pads[i] == 0;
    if (nothing)
        return onnx_identity(operation, error);
    if (onnx_has_input(operation, 3))
        return onnx_refuse(operation, error, VBP_ERROR_UNSUPPORTED,
                           "a choice of axes is not supported");
    if (!attribute_is(operation, "mode", "constant", true))
        return onnx_refuse(operation, error, VBP_ERROR_UNSUPPORTED,
                           "padding with anything but zeros is not supported");
    if (count != 2 * shape.rank)
        return onnx_refuse(operation, error, VBP_ERROR_FORMAT,
                           "%lld paddings of a tensor of rank %d", (long long)count, shape.rank);
    result = check_pad_value(operation, error);
    for (int i = 0; i < shape.rank && result == VBP_OK; i++) {
        node.pad.begin[i] = pads[i];
        node.pad.end[i] = pads[shape.rank + i];
    }
    return result == VBP_OK ? emit_pad(operation, &node, shape.rank, error) : result;
}

/* The lists of a Slice: starts, ends, axes, steps; *count entries in each that is there. */
static int read_slice(const struct onnx_operation *operation, const int64_t *lists[4],
                      int64_t *count, VbpError *error)
{
    static const char *const names[] = {"starts", "ends", "axes", "steps"};

    for (size_t i = 0; i < 4; i++) {
        int64_t own = 0;
        int result = VBP_OK;

        lists[i] = NULL;
        if (operation->loader->opset < 10)
            result = onnx_attribute_integers(operation, names[i], &lists[i], &own, error);
        else if (onnx_has_input(operation, i + 1))
            result = onnx_input_integers(operation, i + 1, names[i], &lists[i], &own, error);
        if (result != VBP_OK)
            return result;
        if (i == 0)
            *count = own;
        if ((i < 2 && !lists[i]) || (lists[i] && own != *count))
            return onnx_refuse(operation, error, VBP_ERROR_FORMAT,
                               "its lists of starts, ends, axes and steps do not go together");
    }
    return VBP_OK;
}

int onnx_cut(const struct onnx_operation *operation, VbpError *error)
{
    struct node node = {.kind = NODE_PAD, .input_count = 1};
    const int64_t *lists[4];
    struct shape shape;
    int64_t count = 0;
    int result = onnx_input_shape(operation, 0, &shape, error);

    if (result == VBP_OK)
        result = read_slice(operation, lists, &count, error);
    for (int64_t i = 0; i < count && result == VBP_OK; i++) {
        int64_t start = lists[0][i], end = lists[1][i], extent;
        int axis;

        result = onnx_axis(operation, lists[2] ? lists[2][i] : i, shape.rank, &axis, error);
        if (result != VBP_OK)
            break;
        extent = shape.extent[axis];
        if (lists[3] && lists[3][i] != 1)
            return onnx_refuse(operation, error, VBP_ERROR_UNSUPPORTED,
                               "a step of %lld is not supported", (long long)lists[3][i]);
        start = start < 0 ? start + extent : start;
        end = end < 0 ? end + extent : end;
        start = start < 0 ? 0 : start > extent ? extent : start;
        end = end < start ? start : end > extent ? extent : end;
        node.pad.begin[axis] = -start;
        node.pad.end[axis] = end - extent;
    }
    return result == VBP_OK ? emit_pad(operation, &node, shape.rank, error) : result;
}

/* Nothing but repeating cells: what Keras' UpSampling2D is, and PyTorch's nearest Upsample. */
int onnx_resize(const struct onnx_operation *operation, VbpError *error)
{
    struct onnx_loader *loader = operation->loader;
    struct node node = {.kind = NODE_UPSAMPLE, .input_count = 1};
    const int64_t *sizes = NULL;
    const float *scales = NULL;
    struct shape shape;
    int64_t count = 0;
    int tensor, result = onnx_input_shape(operation, 0, &shape, error);

    if (result != VBP_OK)
        return result;
    if (!attribute_is(operation, "mode", "nearest", true) ||
        !(attribute_is(operation, "coordinate_transformation_mode", "asymmetric", false) ||
          loader->opset < 11) ||
        !(attribute_is(operation, "nearest_mode", "floor", false) || loader->opset < 11))
        return onnx_refuse(operation, error, VBP_ERROR_UNSUPPORTED,
                           "only mode nearest, asymmetric, with floor is supported");
    if (onnx_has_input(operation, 3)) {
        result = onnx_input_integers(operation, 3, "list of sizes", &sizes, &count, error);
    } else {
        int index = onnx_input_constant(operation, loader->opset < 11 ? 1 : 2, "scales", error);

        scales = index < 0 ? NULL : onnx_value_floats(loader, index, error);
        if (!scales)
            return index < 0 ? index : (int)error->status;
        count = loader->values[index].count;
    }
    if (result == VBP_OK && (count != 4 || shape.rank != 4))
        result = onnx_refuse(operation, error, VBP_ERROR_UNSUPPORTED,
                             "only pictures of rank 4 are supported");
    if (result != VBP_OK)
        return result;
    for (int i = 0; i < 4; i++) {
        double factor = sizes ? (double)sizes[i] / (double)shape.extent[i] : (double)scales[i];

        if (!(factor >= 1 && factor <= 64) || factor != floor(factor) || (i < 2 && factor != 1))
            return onnx_refuse(operation, error, VBP_ERROR_UNSUPPORTED,
                               "a factor of %g along axis %d is not supported", factor, i);
        if (i >= 2)
            node.upsample.factor[i - 2] = (int)factor;
    }
    tensor = onnx_input_tensor(operation, 0, error);
    if (tensor < 0)
        return tensor;
    node.inputs = &tensor;
    return onnx_emit(operation, &node, error);
}

int onnx_softmax(const struct onnx_operation *operation, VbpError *error)
{
    struct node node = {.kind = NODE_SOFTMAX, .input_count = 1};
    bool old = operation->loader->opset < 13;
    int64_t wanted = old ? 1 : -1;
    struct shape shape;
    int tensor, result = onnx_input_shape(operation, 0, &shape, error);

    if (result == VBP_OK)
        result = onnx_attribute_integer(operation, "axis", &wanted, error);
    if (result == VBP_OK)
        result = onnx_axis(operation, wanted, shape.rank, &node.softmax.axis, error);
    if (result != VBP_OK)
        return result;
    /* Before opset 13 it went over all axes from that one on. */
    for (int i = node.softmax.axis + 1; i < shape.rank && old; i++) {
        if (shape.extent[i] != 1)
            return onnx_refuse(operation, error, VBP_ERROR_UNSUPPORTED,
                               "a softmax over several axes is not supported");
    }
    tensor = onnx_input_tensor(operation, 0, error);
    if (tensor < 0)
        return tensor;
    node.inputs = &tensor;
    return onnx_emit(operation, &node, error);
}

int onnx_instance_normalization(const struct onnx_operation *operation, VbpError *error)
{
    struct node node = {.kind = NODE_INSTANCE_NORM, .input_count = 3};
    int inputs[3];
    int result;

    node.instance_norm.axis = 1;
    node.instance_norm.epsilon = 1e-5f;
    result = onnx_attribute_float(operation, "epsilon", &node.instance_norm.epsilon, error);
    for (size_t i = 0; i < 3 && result == VBP_OK; i++) {
        inputs[i] = onnx_input_tensor(operation, i, error);
        if (inputs[i] < 0)
            return inputs[i];
    }
    node.inputs = inputs;
    return result == VBP_OK ? onnx_emit(operation, &node, error) : result;
}
