/* Operators that make pictures larger or smaller, or look at the whole of one. */
#include "base/memory.h"
#include "formats/onnx_loader.h"

#include <math.h>
#include <string.h>

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* ---- Attributes ----------------------------------------------------------------------------- */

/* Need not end with a 0. */
struct text {
    const char *data;
    size_t length;
};

static bool text_is(struct text text, const char *wanted)
{
    return text.length == strlen(wanted) && memcmp(text.data, wanted, text.length) == 0;
}

/* The text of an attribute, or `otherwise`. */
static struct text text_of(const struct onnx_operation *operation, const char *name,
                           const char *otherwise)
{
    const Onnx__AttributeProto *attribute = onnx_attribute(operation, name);

    return attribute ? (struct text){(const char *)attribute->s.data, attribute->s.len}
                     : (struct text){otherwise, strlen(otherwise)};
}

/* ---- Borders -------------------------------------------------------------------------------- */

int onnx_emit_pad(const struct onnx_operation *operation, struct node *node, int rank,
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
    const int64_t *pads = NULL, *axes = NULL;
    struct shape shape;
    int64_t count = 0, axis_count;
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
    if (!text_is(text_of(operation, "mode", "constant"), "constant"))
        return onnx_refuse(operation, error, VBP_ERROR_UNSUPPORTED,
                           "padding with anything but zeros is not supported");
    axis_count = shape.rank;
    if (onnx_has_input(operation, 3))
        result = onnx_input_integers(operation, 3, "list of axes", &axes, &axis_count, error);
    if (result == VBP_OK && count != 2 * axis_count)
        result = onnx_refuse(operation, error, VBP_ERROR_FORMAT, "%lld paddings of %lld axes",
                             (long long)count, (long long)axis_count);
    if (result == VBP_OK)
        result = check_pad_value(operation, error);
    for (int64_t i = 0; i < axis_count && result == VBP_OK; i++) {
        int axis = 0;

        result = onnx_axis(operation, axes ? axes[i] : i, shape.rank, &axis, error);
        node.pad.begin[axis] = pads[i];
        node.pad.end[axis] = pads[axis_count + i];
    }
    return result == VBP_OK ? onnx_emit_pad(operation, &node, shape.rank, error) : result;
}

/* ---- Other sizes ---------------------------------------------------------------------------- */

static int refuse_text(const struct onnx_operation *operation, const char *name, struct text text,
                       VbpError *error)
{
    return onnx_refuse(operation, error, VBP_ERROR_UNSUPPORTED, "%s '%.*s' is not supported", name,
                       (int)(text.length < 40 ? text.length : 40), text.data ? text.data : "");
}

/* What a Resize does, by the names of its attributes. Up to opset 10 it had but `mode`. */
static int read_interpolation(const struct onnx_operation *operation,
                              struct interpolation *interpolation, VbpError *error)
{
    static const struct {
        const char *name;
        enum interpolate_grid grid;
    } grids[] = {{"half_pixel", GRID_CENTRES},         {"half_pixel_symmetric", GRID_CENTRES},
                 {"pytorch_half_pixel", GRID_CENTRES}, {"asymmetric", GRID_FIRST},
                 {"align_corners", GRID_ENDS},         {"tf_half_pixel_for_nn", GRID_CENTRES}};
    static const struct {
        const char *name;
        enum interpolate_function function;
    } functions[] = {{"round_prefer_floor", INTERPOLATE_ROUND_DOWN},
                     {"round_prefer_ceil", INTERPOLATE_ROUND_UP},
                     {"floor", INTERPOLATE_FLOOR},
                     {"ceil", INTERPOLATE_CEILING}};
    bool old = operation->loader->opset < 11;
    struct text mode = text_of(operation, "mode", "nearest");
    struct text grid =
        text_of(operation, "coordinate_transformation_mode", old ? "asymmetric" : "half_pixel");
    struct text nearest = text_of(operation, "nearest_mode", old ? "floor" : "round_prefer_floor");
    size_t i;

    for (i = 0; i < COUNT(grids) && !text_is(grid, grids[i].name); i++)
        continue;
    if (i == COUNT(grids))
        return refuse_text(operation, "coordinate_transformation_mode", grid, error);
    interpolation->grid = grids[i].grid;
    interpolation->function = INTERPOLATE_LINEAR;
    if (text_is(mode, "linear") || text_is(mode, "bilinear"))
        return VBP_OK;
    if (!text_is(mode, "nearest"))
        return refuse_text(operation, "mode", mode, error);
    /* What TensorFlow's half pixels for the nearest cell leave out in the end, rounding puts in. */
    if (text_is(grid, "tf_half_pixel_for_nn") && text_is(nearest, "floor"))
        nearest = (struct text){"round_prefer_ceil", 17};
    else if (text_is(grid, "tf_half_pixel_for_nn"))
        return refuse_text(operation, "nearest_mode", nearest, error);
    for (i = 0; i < COUNT(functions) && !text_is(nearest, functions[i].name); i++)
        continue;
    if (i == COUNT(functions))
        return refuse_text(operation, "nearest_mode", nearest, error);
    interpolation->function = functions[i].function;
    return VBP_OK;
}

/* The one cell that PyTorch makes of many is the first one, not that in the middle. */
static int check_single(const struct onnx_operation *operation, const struct shape *shape,
                        const int *size, VbpError *error)
{
    struct text grid = text_of(operation, "coordinate_transformation_mode", "");

    for (int i = 0; i < 2 && text_is(grid, "pytorch_half_pixel"); i++) {
        if (size[i] == 1 && shape->extent[2 + i] != 1)
            return onnx_refuse(operation, error, VBP_ERROR_UNSUPPORTED,
                               "making a single cell by pytorch_half_pixel is not supported");
    }
    return VBP_OK;
}

/* Whether it repeats each cell as often as the others: whole factors, rounded that way. */
static bool repeats_cells(struct interpolation interpolation, const struct shape *shape,
                          const int *size)
{
    for (int i = 0; i < 2; i++) {
        int64_t extent = shape->extent[2 + i], factor = size[i] / extent;
        bool rounds = interpolation.function == INTERPOLATE_ROUND_DOWN ||
                      interpolation.function == INTERPOLATE_ROUND_UP;

        if (size[i] % extent != 0 || factor > 64)
            return false;
        if (factor == 1)
            continue;
        if (!(interpolation.grid == GRID_CENTRES && rounds) &&
            !(interpolation.grid == GRID_FIRST && interpolation.function == INTERPOLATE_FLOOR) &&
            !(interpolation.grid == GRID_FIRST && factor == 2 &&
              interpolation.function == INTERPOLATE_ROUND_DOWN))
            return false;
    }
    return true;
}

static int emit_resize(const struct onnx_operation *operation, struct interpolation interpolation,
                       const struct shape *shape, const int *size, VbpError *error)
{
    struct node node = {.kind = NODE_RESIZE,
                        .input_count = 1,
                        .resize = {.size = {size[0], size[1]}, .interpolation = interpolation}};
    int tensor = onnx_input_tensor(operation, 0, error);

    if (tensor < 0)
        return tensor;
    if (repeats_cells(interpolation, shape, size)) {
        node.kind = NODE_UPSAMPLE;
        node.upsample.factor[0] = (int)(size[0] / shape->extent[2]);
        node.upsample.factor[1] = (int)(size[1] / shape->extent[3]);
    }
    node.inputs = &tensor;
    return onnx_emit(operation, &node, error);
}

/* Extents, or factors of them, of all axes, as the size of a picture. */
static int read_size(const struct onnx_operation *operation, const struct shape *shape,
                     const int64_t *sizes, const float *scales, int64_t count, int *size,
                     VbpError *error)
{
    if (count != 4 || shape->rank != 4)
        return onnx_refuse(operation, error, VBP_ERROR_UNSUPPORTED,
                           "only pictures of rank 4 are supported");
    for (int i = 0; i < 4; i++) {
        double wanted = sizes ? (double)sizes[i] : (double)scales[i] * (double)shape->extent[i];
        double whole = nearbyint(wanted);

        /* Runtimes take the factor for the places of the cells, not what came of it. */
        if (!(whole >= 1 && whole <= 65536) || fabs(wanted - whole) > 1e-3 ||
            (i < 2 && whole != (double)shape->extent[i]))
            return onnx_refuse(operation, error, VBP_ERROR_UNSUPPORTED,
                               "making %lld cells %g along axis %d is not supported",
                               (long long)shape->extent[i], wanted, i);
        if (i >= 2)
            size[i - 2] = (int)whole;
    }
    return VBP_OK;
}

int onnx_resize(const struct onnx_operation *operation, VbpError *error)
{
    struct onnx_loader *loader = operation->loader;
    struct interpolation interpolation;
    bool antialias = false;
    const int64_t *sizes = NULL;
    const float *scales = NULL;
    struct shape shape;
    int64_t count = 0;
    int size[2];
    int result = onnx_input_shape(operation, 0, &shape, error);

    if (result == VBP_OK)
        result = read_interpolation(operation, &interpolation, error);
    if (result == VBP_OK)
        result = onnx_attribute_flag(operation, "antialias", &antialias, error);
    if (result == VBP_OK && antialias)
        result = onnx_refuse(operation, error, VBP_ERROR_UNSUPPORTED, "antialias is not supported");
    if (result != VBP_OK)
        return result;
    if (onnx_has_input(operation, 3)) {
        result = onnx_input_integers(operation, 3, "list of sizes", &sizes, &count, error);
    } else {
        int index = onnx_input_constant(operation, loader->opset < 11 ? 1 : 2, "scales", error);

        scales = index < 0 ? NULL : onnx_value_floats(loader, index, error);
        if (!scales)
            return index < 0 ? index : (int)error->status;
        count = loader->values[index].count;
    }
    if (result == VBP_OK)
        result = read_size(operation, &shape, sizes, scales, count, size, error);
    if (result == VBP_OK)
        result = check_single(operation, &shape, size, error);
    return result == VBP_OK ? emit_resize(operation, interpolation, &shape, size, error) : result;
}

/* What Resize was called before opset 10. */
int onnx_upsample(const struct onnx_operation *operation, VbpError *error)
{
    const Onnx__AttributeProto *attribute = onnx_attribute(operation, "scales");
    struct interpolation interpolation;
    struct shape shape;
    int size[2];
    int result;

    if (!attribute || onnx_has_input(operation, 1))
        return onnx_resize(operation, error);
    result = onnx_input_shape(operation, 0, &shape, error);
    if (result == VBP_OK)
        result = read_interpolation(operation, &interpolation, error);
    if (result == VBP_OK)
        result = read_size(operation, &shape, NULL, attribute->floats, (int64_t)attribute->n_floats,
                           size, error);
    return result == VBP_OK ? emit_resize(operation, interpolation, &shape, size, error) : result;
}

/* ---- All of a picture ----------------------------------------------------------------------- */

static int emit_softmax(const struct onnx_operation *operation, bool logarithm, VbpError *error)
{
    struct node node = {.kind = NODE_SOFTMAX, .input_count = 1, .softmax.logarithm = logarithm};
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

int onnx_softmax(const struct onnx_operation *operation, VbpError *error)
{
    return emit_softmax(operation, false, error);
}

int onnx_log_softmax(const struct onnx_operation *operation, VbpError *error)
{
    return emit_softmax(operation, true, error);
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
