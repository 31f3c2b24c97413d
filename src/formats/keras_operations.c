/*
 * Arithmetic written between layers, x / 127.5 - 1 say, which Keras keeps as layers of their own:
 *
 *     since 2.4  {"class_name": "TFOpLambda", "config": {"function": "math.truediv"},
 *                 "inbound_nodes": [["x", 0, 0, {"y": 127.5}]]}
 *                a constant on the left: [["_CONSTANT_VALUE", -1, 2.0, {"y": ["x", 0, 0]}]]
 *     since 3    {"class_name": "TrueDivide", "inbound_nodes": [{"args": [{of x}, 127.5]}]}
 *
 * What such a layer reads besides layers is in call->node.
 */
#include "base/memory.h"
#include "formats/keras_loader.h"

#include <math.h>
#include <string.h>

/* Constants for each channel; pictures have few. */
#define MAX_CONSTANTS 64

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* The named arguments of the call; NULL where there are none. */
static const cJSON *named_arguments(const struct keras_call *call)
{
    const cJSON *item = call->node;

    for (int depth = 0; cJSON_IsArray(item) && cJSON_IsArray(item->child) && depth < 2; depth++)
        item = item->child;
    if (cJSON_IsArray(item))
        return cJSON_GetArrayItem(item, 3);
    return keras_item(item, "kwargs", NULL);
}

/* What stands on the left (0) and on the right (1) of the operation; NULL: nothing. */
static const cJSON *operand_of(const struct keras_call *call, int side)
{
    const cJSON *arguments = keras_item(call->node, "args", NULL);

    if (arguments)
        return cJSON_GetArrayItem(arguments, side);
    if (side == 1)
        return keras_item(named_arguments(call), "y", NULL);
    /* ["_CONSTANT_VALUE", -1, number, ...] */
    return cJSON_IsArray(call->node) && cJSON_IsString(call->node->child) &&
                   strcmp(call->node->child->valuestring, KERAS_CONSTANT) == 0
               ? cJSON_GetArrayItem(call->node, 2)
               : NULL;
}

/* The numbers of an operand that is a constant; 0 where it is none. */
static int read_constants(const cJSON *item, double *numbers)
{
    int count = 0;

    if (cJSON_IsNumber(item)) {
        numbers[0] = item->valuedouble;
        return isfinite(numbers[0]) ? 1 : 0;
    }
    if (!cJSON_IsArray(item) || cJSON_GetArraySize(item) > MAX_CONSTANTS)
        return 0;
    for (const cJSON *number = item->child; number; number = number->next) {
        if (!cJSON_IsNumber(number) || !isfinite(number->valuedouble))
            return 0;
        numbers[count++] = number->valuedouble;
    }
    return count;
}

/* x op numbers, or reversed: numbers op x. */
static int emit_arithmetic(struct keras_call *call, enum binary operation, bool reversed, int count,
                           const double *numbers, VbpError *error)
{
    float factor[MAX_CONSTANTS], offset[MAX_CONSTANTS];
    struct shape shape = keras_shape(call, &call->output);
    int axis = -1;
    int result = VBP_OK;

    if (count > 1 && (shape.rank < 2 || shape.extent[shape.rank - 1] != count))
        return keras_refuse(call, error, VBP_ERROR_UNSUPPORTED,
                            "%d constants do not go with its input", count);
    if (count > 1)
        result = keras_axis(call, &call->output, -1, &axis, error);
    if (result != VBP_OK)
        return result;
    for (int i = 0; i < count; i++) {
        double number = numbers[i];

        factor[i] = 1;
        offset[i] = 0;
        switch (operation) {
        case BINARY_ADD:
            offset[i] = (float)number;
            break;
        case BINARY_SUBTRACT:
            factor[i] = reversed ? -1 : 1;
            offset[i] = (float)(reversed ? number : -number);
            break;
        case BINARY_MULTIPLY:
            factor[i] = (float)number;
            break;
        case BINARY_DIVIDE:
            if (reversed || number == 0)
                return keras_refuse(call, error, VBP_ERROR_UNSUPPORTED,
                                    reversed ? "division by what the network computes is not "
                                               "supported"
                                             : "it divides by 0");
            factor[i] = (float)(1 / number);
            break;
        default:
            return keras_refuse(call, error, VBP_ERROR_UNSUPPORTED,
                                "it is not supported with a constant");
        }
    }
    return keras_emit_affine(call, axis, count, factor, offset, error);
}

int keras_emit_operation(struct keras_call *call, enum binary operation, VbpError *error)
{
    double numbers[MAX_CONSTANTS];
    int left, right;

    if (call->input_count > 1)
        return keras_emit_merge(call, operation, error);
    left = read_constants(operand_of(call, 0), numbers);
    if (left > 0)
        return emit_arithmetic(call, operation, true, left, numbers, error);
    right = read_constants(operand_of(call, 1), numbers);
    if (right > 0)
        return emit_arithmetic(call, operation, false, right, numbers, error);
    /* A merging layer with a single input, which stays as it is. */
    if (!operand_of(call, 1) && operation != BINARY_DIVIDE)
        return VBP_OK;
    return keras_refuse(call, error, VBP_ERROR_UNSUPPORTED,
                        "only arithmetic with numbers, or with another layer, is supported");
}

int keras_divide(struct keras_call *call, VbpError *error)
{
    return keras_emit_operation(call, BINARY_DIVIDE, error);
}

/* ---- Functions of TensorFlow ---------------------------------------------------------------- */

/* tf.image.resize(x, size, method) */
static int resize_image(struct keras_call *call, VbpError *error)
{
    const cJSON *arguments = named_arguments(call);
    struct keras_call inner = *call;
    const cJSON *named = keras_item(arguments, "method", NULL);
    const char *method = keras_text(arguments, "method", NULL, named ? "" : "bilinear");
    bool nearest = strcmp(method, "nearest") == 0;
    int size[2] = {0, 0};
    int result;

    if (!keras_pair(arguments, "size", NULL, size) ||
        (!nearest && strcmp(method, "bilinear") != 0) ||
        keras_flag(call, arguments, "antialias", NULL, false) ||
        keras_flag(call, arguments, "preserve_aspect_ratio", NULL, false))
        return keras_refuse(call, error, VBP_ERROR_UNSUPPORTED,
                            "only plain resizing, bilinear or nearest, is supported");
    inner.config = NULL; /* TensorFlow's channels are the last ones */
    result = keras_emit_resize(&inner, size, nearest, error);
    call->output = inner.output;
    return result;
}

/* The types that cast may give: the graph computes in floats of its own. */
static int cast(struct keras_call *call, VbpError *error)
{
    static const char *const types[] = {"bfloat16", "double",  "float16",
                                        "float32",  "float64", "half"};
    const char *type = keras_text(named_arguments(call), "dtype", NULL, "?");

    for (size_t i = 0; i < COUNT(types); i++) {
        if (strcmp(types[i], type) == 0)
            return keras_emit_named(call, "linear", error);
    }
    return keras_refuse(call, error, VBP_ERROR_UNSUPPORTED,
                        "a cast to '%.40s' is not supported, only one to floats", type);
}

static int softmax(struct keras_call *call, VbpError *error)
{
    int axis = -1;

    keras_whole(call, named_arguments(call), "axis", NULL, &axis);
    return keras_emit_softmax(call, axis, false, NULL, error);
}

/* x * sigmoid(beta * x) */
static int swish(struct keras_call *call, VbpError *error)
{
    double beta = 1;

    keras_number(call, named_arguments(call), "beta", NULL, &beta);
    if (beta != 1)
        return keras_refuse(call, error, VBP_ERROR_UNSUPPORTED, "a beta of %g is not supported",
                            beta);
    return keras_emit_named(call, "silu", error);
}

/* Functions that are an activation of a name, or arithmetic; the rest has a handler. */
struct function {
    const char *name;
    const char *arguments; /* that it takes beside its input: "size method " */
    const char *activation;
    keras_handler *handler;
    enum binary operation;
};

static const struct function functions[] = {
    {"__operators__.add", "y ", NULL, NULL, BINARY_ADD},
    {"cast", "dtype ", NULL, cast, 0},
    {"identity", "", "linear", NULL, 0},
    {"image.resize", "size method antialias preserve_aspect_ratio ", NULL, resize_image, 0},
    {"math.add", "y ", NULL, NULL, BINARY_ADD},
    {"math.atan", "", "atan", NULL, 0},
    {"math.divide", "y ", NULL, NULL, BINARY_DIVIDE},
    {"math.maximum", "y ", NULL, NULL, BINARY_MAXIMUM},
    {"math.minimum", "y ", NULL, NULL, BINARY_MINIMUM},
    {"math.multiply", "y ", NULL, NULL, BINARY_MULTIPLY},
    {"math.sigmoid", "", "sigmoid", NULL, 0},
    {"math.softplus", "", "softplus", NULL, 0},
    {"math.subtract", "y ", NULL, NULL, BINARY_SUBTRACT},
    {"math.tanh", "", "tanh", NULL, 0},
    {"math.truediv", "y ", NULL, NULL, BINARY_DIVIDE},
    {"nn.elu", "", "elu", NULL, 0},
    {"nn.relu", "", "relu", NULL, 0},
    {"nn.relu6", "", "relu6", NULL, 0},
    {"nn.selu", "", "selu", NULL, 0},
    {"nn.sigmoid", "", "sigmoid", NULL, 0},
    {"nn.silu", "beta ", NULL, swish, 0},
    {"nn.softmax", "axis ", NULL, softmax, 0},
    {"nn.softplus", "", "softplus", NULL, 0},
    {"nn.swish", "beta ", NULL, swish, 0},
    {"nn.tanh", "", "tanh", NULL, 0},
    {"stop_gradient", "", "linear", NULL, 0},
};

/* True where a list of names, each with a blank behind it, has this one. */
static bool takes(const char *list, const char *name)
{
    size_t length = strlen(name);

    for (const char *at = list; *at; at += strcspn(at, " ") + 1) {
        if (strcspn(at, " ") == length && strncmp(at, name, length) == 0)
            return true;
    }
    return false;
}

/* Refuses arguments that would be passed over; "name" names the result, and null is none. */
static int check_arguments(const struct keras_call *call, const struct function *function,
                           VbpError *error)
{
    const cJSON *arguments = named_arguments(call);

    for (const cJSON *item = cJSON_IsObject(arguments) ? arguments->child : NULL; item;
         item = item->next) {
        if (!cJSON_IsNull(item) && strcmp(item->string, "name") != 0 &&
            !takes(function->arguments, item->string))
            return keras_refuse(call, error, VBP_ERROR_UNSUPPORTED,
                                "the argument '%.40s' of '%s' is not supported", item->string,
                                function->name);
    }
    if ((function->activation || function->handler) && call->input_count > 1)
        return keras_refuse(call, error, VBP_ERROR_FORMAT, "it has %d inputs", call->input_count);
    return VBP_OK;
}

int keras_function(struct keras_call *call, VbpError *error)
{
    const char *name = keras_text(call->config, "function", NULL, "");
    const struct function *function = functions;
    int result;

    while (function < functions + COUNT(functions) && strcmp(function->name, name) != 0)
        function++;
    if (function == functions + COUNT(functions))
        return keras_refuse(call, error, VBP_ERROR_UNSUPPORTED,
                            "the function '%.60s' is not supported; export the network to ONNX "
                            "instead",
                            name);
    result = check_arguments(call, function, error);
    if (result != VBP_OK)
        return result;
    if (function->handler)
        return function->handler(call, error);
    return function->activation ? keras_emit_named(call, function->activation, error)
                                : keras_emit_operation(call, function->operation, error);
}

/* ---- Slices --------------------------------------------------------------------------------- */

static bool is_class(const cJSON *item, const char *name)
{
    return strcmp(keras_text(item, "class_name", NULL, ""), name) == 0;
}

/* The list of slices: [...], or {"config": {"value": [...]}}. */
static const cJSON *slice_list(const struct keras_call *call)
{
    const cJSON *list = keras_item(named_arguments(call), "slice_spec", "key");

    if (!list)
        list = operand_of(call, 1);
    if (cJSON_IsObject(list) && keras_item(list, "config", NULL))
        list = keras_item(keras_item(list, "config", NULL), "value", NULL);
    return cJSON_IsArray(list) ? list : NULL;
}

/* An end of a slice: a whole number, which may count from the end, or null. */
static bool read_end(const cJSON *slice, const char *name, int64_t extent, int64_t otherwise,
                     int64_t *end)
{
    const cJSON *item = keras_item(slice, name, NULL);

    *end = otherwise;
    if (!item)
        return true;
    if (!cJSON_IsNumber(item) || !(fabs(item->valuedouble) < 1e9) ||
        item->valuedouble != nearbyint(item->valuedouble))
        return false;
    *end = (int64_t)item->valuedouble;
    *end = *end < 0 ? *end + extent : *end;
    *end = *end < 0 ? 0 : *end > extent ? extent : *end;
    return true;
}

/* Sets what one slice cuts off one axis as Keras counts them. */
static int read_slice(const struct keras_call *call, const cJSON *slice, int axis,
                      struct node *node, VbpError *error)
{
    struct shape shape = keras_shape(call, &call->output);
    const cJSON *inner = keras_item(slice, "config", NULL);
    int64_t start, stop, extent = shape.extent[axis];
    double step = 1;
    int own, result;

    slice = inner ? inner : slice;
    keras_number(call, slice, "step", NULL, &step);
    if (!cJSON_IsObject(slice) || step != 1 || !read_end(slice, "start", extent, 0, &start) ||
        !read_end(slice, "stop", extent, extent, &stop))
        return keras_refuse(call, error, VBP_ERROR_UNSUPPORTED,
                            "only plain slices, from one number to another, are supported");
    if (start == 0 && stop == extent)
        return VBP_OK;
    if (axis == 0)
        return keras_refuse(call, error, VBP_ERROR_UNSUPPORTED, "it cuts the batch");
    result = keras_axis(call, &call->output, axis, &own, error);
    if (result != VBP_OK)
        return result;
    node->pad.begin[own] = -start;
    node->pad.end[own] = stop - extent;
    return VBP_OK;
}

/* x[:, 60:-25, :, :], also with an ellipsis at either end. */
int keras_slicing(struct keras_call *call, VbpError *error)
{
    struct node node = {.kind = NODE_PAD};
    const cJSON *list = slice_list(call);
    int rank = keras_shape(call, &call->output).rank, count = list ? cJSON_GetArraySize(list) : 0;
    int axis = 0, result = VBP_OK;

    if (!list)
        return keras_refuse(call, error, VBP_ERROR_UNSUPPORTED, "its slices are not understood");
    for (const cJSON *item = list->child; item && result == VBP_OK; item = item->next) {
        if (is_class(item, "__ellipsis__")) {
            axis = rank - count + axis + 1;
            continue;
        }
        if (axis < 0 || axis >= rank)
            return keras_refuse(call, error, VBP_ERROR_FORMAT, "it has %d slices of %d axes", count,
                                rank);
        result = read_slice(call, item, axis++, &node, error);
    }
    return result == VBP_OK ? keras_emit_next(call, &node, NULL, error) : result;
}
