/* Layers that rearrange, join, or multiply by a matrix; and those on a series of one frame. */
#include "base/memory.h"
#include "formats/keras_loader.h"

#include <string.h>

/* ---- Dense ---------------------------------------------------------------------------------- */

static int translate_dense(struct keras_call *call, const struct keras_weights *weights,
                           VbpError *error)
{
    struct node node = {.kind = NODE_DENSE};
    bool has_bias = keras_flag(call, call->config, "use_bias", "bias", true);
    int inputs[3] = {-1, -1, -1};
    struct shape shape;
    int64_t ins, outs;
    int units = 0, result;
    float *turned;

    keras_whole(call, call->config, "units", "output_dim", &units);
    result = keras_unturn(call, &call->output, error);
    if (result != VBP_OK)
        return result;
    shape = keras_shape(call, &call->output);
    ins = shape.rank > 1 ? shape.extent[shape.rank - 1] : 0;
    outs = units;
    result =
        keras_weights_check(call, weights, 0, "weights", 2, (const int64_t[]){ins, outs}, error);
    if (result == VBP_OK && has_bias)
        result = keras_weights_check(call, weights, 1, "biases", 1, &outs, error);
    if (result != VBP_OK)
        return result;
    turned = memory_array((size_t)(ins * outs), sizeof(*turned));
    if (!turned)
        return error_out_of_memory(error);
    for (int64_t i = 0; i < ins; i++) {
        for (int64_t o = 0; o < outs; o++)
            turned[o * ins + i] = weights->list[0].values[i * outs + o];
    }
    shape = (struct shape){.rank = 2, .extent = {outs, ins}};
    inputs[0] = call->output.tensor;
    inputs[1] = keras_constant(call, "kernel", &shape, turned, error);
    free(turned);
    if (inputs[1] >= 0 && has_bias)
        inputs[2] =
            keras_constant(call, "bias", &weights->list[1].shape, weights->list[1].values, error);
    if (inputs[1] < 0 || (has_bias && inputs[2] < 0))
        return inputs[1] < 0 ? inputs[1] : inputs[2];
    result = keras_emit(call, &node, NULL, has_bias ? 3 : 2, inputs, error);
    if (result < 0)
        return result;
    call->output.tensor = result;
    return keras_emit_activation(call, error);
}

int keras_dense(struct keras_call *call, VbpError *error)
{
    struct keras_weights weights;
    int result = keras_weights_read(call, &weights, error);

    if (result == VBP_OK)
        result = translate_dense(call, &weights, error);
    keras_weights_free(&weights);
    return result;
}

/* ---- Other shapes --------------------------------------------------------------------------- */

static int emit_reshape(struct keras_call *call, const struct shape *shape, VbpError *error)
{
    struct node node = {.kind = NODE_RESHAPE, .reshape.shape = *shape};

    call->output.framed = false;
    return keras_emit_next(call, &node, NULL, error);
}

int keras_flatten(struct keras_call *call, VbpError *error)
{
    struct node last = {.kind = NODE_TRANSPOSE, .transpose = {{0, 2, 3, 1}}};
    struct shape shape = keras_shape(call, &call->output);
    int result = keras_unturn(call, &call->output, error);

    /* Told of channels_first, it brings the channels to the end first. */
    if (result == VBP_OK && shape.rank == 4 && !keras_channels_last(call))
        result = keras_emit_next(call, &last, "Transpose", error);
    shape = (struct shape){.rank = 2, .extent = {1, shape_elements(&shape)}};
    return result == VBP_OK ? emit_reshape(call, &shape, error) : result;
}

int keras_reshape(struct keras_call *call, VbpError *error)
{
    const cJSON *target = keras_item(call->config, "target_shape", "dims");
    struct shape input = keras_shape(call, &call->output);
    struct shape shape = {.rank = 1, .extent = {1}};
    int64_t known = 1, elements = shape_elements(&input);
    int open = -1;
    int result;

    if (!cJSON_IsArray(target) || cJSON_GetArraySize(target) >= SHAPE_MAX_RANK)
        return keras_refuse(call, error, VBP_ERROR_FORMAT, "its target shape makes no sense");
    for (const cJSON *item = target->child; item; item = item->next) {
        double extent = cJSON_IsNumber(item) ? item->valuedouble : 0;

        if (extent == -1 && open < 0) {
            open = shape.rank;
        } else if (extent < 1 || extent > (double)elements) {
            return keras_refuse(call, error, VBP_ERROR_FORMAT, "its target shape makes no sense");
        } else {
            known *= (int64_t)extent;
        }
        if (known > elements)
            return keras_refuse(call, error, VBP_ERROR_FORMAT,
                                "its target shape holds more than its input");
        shape.extent[shape.rank++] = (int64_t)extent;
    }
    if (open >= 0)
        shape.extent[open] = elements / known;
    result = keras_unturn(call, &call->output, error);
    return result == VBP_OK ? emit_reshape(call, &shape, error) : result;
}

int keras_permute(struct keras_call *call, VbpError *error)
{
    struct node node = {.kind = NODE_TRANSPOSE};
    const cJSON *dims = keras_item(call->config, "dims", NULL);
    struct shape shape = keras_shape(call, &call->output);
    int axis = 1;
    int result = keras_unturn(call, &call->output, error);

    if (result != VBP_OK)
        return result;
    if (!cJSON_IsArray(dims) || cJSON_GetArraySize(dims) != shape.rank - 1)
        return keras_refuse(call, error, VBP_ERROR_FORMAT, "its list of axes makes no sense");
    for (const cJSON *item = dims->child; item; item = item->next)
        node.transpose.permutation[axis++] =
            cJSON_IsNumber(item) && item->valuedouble >= 1 && item->valuedouble < SHAPE_MAX_RANK
                ? (int)item->valuedouble
                : 0;
    return keras_emit_next(call, &node, NULL, error);
}

/* ---- Merging -------------------------------------------------------------------------------- */

/* Brings all inputs into one layout: that of the graph's pictures, if one has it. */
static int align_inputs(struct keras_call *call, VbpError *error)
{
    bool turned = false, four = true;
    int result = VBP_OK;

    for (int i = 0; i < call->input_count; i++) {
        struct shape shape = keras_shape(call, &call->inputs[i]);

        turned = turned || call->inputs[i].turned;
        four = four && shape.rank == 4;
        if (shape.rank != keras_shape(call, &call->inputs[0]).rank)
            return keras_refuse(call, error, VBP_ERROR_UNSUPPORTED,
                                "inputs of different rank are not supported");
    }
    for (int i = 0; i < call->input_count && result == VBP_OK; i++)
        result = turned && four ? keras_turn(call, &call->inputs[i], error)
                                : keras_unturn(call, &call->inputs[i], error);
    call->output = call->inputs[0];
    return result;
}

int keras_emit_merge(struct keras_call *call, enum binary operation, VbpError *error)
{
    struct node node = {.kind = NODE_BINARY, .binary = operation};
    int result = align_inputs(call, error);

    for (int i = 1; i < call->input_count && result == VBP_OK; i++) {
        int inputs[2] = {call->output.tensor, call->inputs[i].tensor};

        call->output.tensor = keras_emit(call, &node, NULL, 2, inputs, error);
        if (call->output.tensor < 0)
            return call->output.tensor;
    }
    return result;
}

int keras_add(struct keras_call *call, VbpError *error)
{
    return keras_emit_operation(call, BINARY_ADD, error);
}

int keras_subtract(struct keras_call *call, VbpError *error)
{
    return keras_emit_operation(call, BINARY_SUBTRACT, error);
}

int keras_multiply(struct keras_call *call, VbpError *error)
{
    return keras_emit_operation(call, BINARY_MULTIPLY, error);
}

int keras_maximum(struct keras_call *call, VbpError *error)
{
    return keras_emit_operation(call, BINARY_MAXIMUM, error);
}

int keras_minimum(struct keras_call *call, VbpError *error)
{
    return keras_emit_operation(call, BINARY_MINIMUM, error);
}

int keras_average(struct keras_call *call, VbpError *error)
{
    const float factor = 1 / (float)call->input_count, offset = 0;
    int result = keras_emit_merge(call, BINARY_ADD, error);

    return result == VBP_OK ? keras_emit_affine(call, -1, 1, &factor, &offset, error) : result;
}

static int emit_concat(struct keras_call *call, const char *axis_name, VbpError *error)
{
    struct node node = {.kind = NODE_CONCAT};
    int axis = -1;
    int result = align_inputs(call, error);
    int *inputs;

    keras_whole(call, call->config, axis_name, NULL, &axis);
    if (result == VBP_OK)
        result = keras_axis(call, &call->output, axis, &node.concat.axis, error);
    if (result != VBP_OK)
        return result;
    inputs = memory_array((size_t)call->input_count, sizeof(*inputs));
    if (!inputs)
        return error_out_of_memory(error);
    for (int i = 0; i < call->input_count; i++)
        inputs[i] = call->inputs[i].tensor;
    result = keras_emit(call, &node, NULL, call->input_count, inputs, error);
    free(inputs);
    if (result < 0)
        return result;
    call->output.tensor = result;
    return VBP_OK;
}

int keras_concatenate(struct keras_call *call, VbpError *error)
{
    return emit_concat(call, "axis", error);
}

/* Keras 1: one layer for all of these. */
int keras_merge(struct keras_call *call, VbpError *error)
{
    static const struct {
        const char *mode;
        keras_handler *handler;
    } modes[] = {{"sum", keras_add},
                 {"mul", keras_multiply},
                 {"ave", keras_average},
                 {"max", keras_maximum}};
    const char *mode = keras_text(call->config, "mode", NULL, "");

    if (strcmp(keras_choice(call, "mode_type", NULL, "raw"), "raw") != 0)
        mode = "(Python code)";
    for (size_t i = 0; i < sizeof(modes) / sizeof(modes[0]); i++) {
        if (strcmp(modes[i].mode, mode) == 0)
            return modes[i].handler(call, error);
    }
    if (strcmp(mode, "concat") == 0)
        return emit_concat(call, "concat_axis", error);
    return keras_refuse(call, error, VBP_ERROR_UNSUPPORTED, "mode '%.40s' is not supported", mode);
}

/* ---- A series of one frame ------------------------------------------------------------------ */

/* Applies the layer inside to the frame. */
int keras_time_distributed(struct keras_call *call, VbpError *error)
{
    const cJSON *layer = keras_item(call->config, "layer", NULL);
    struct keras_value frame = call->output;
    struct keras_call inner = *call;
    bool by_number = call->loader->by_number;
    char *key = by_number ? memory_format("%s/layer", call->key) : NULL;
    int result;

    if (by_number && !key)
        return error_out_of_memory(error);
    if (!call->output.framed) {
        result = keras_refuse(call, error, VBP_ERROR_UNSUPPORTED,
                              "its input is no series of a single frame");
    } else {
        frame.framed = false;
        inner.class_name = keras_text(layer, "class_name", NULL, "");
        inner.config = keras_item(layer, "config", NULL);
        inner.key = key;
        inner.inputs = &frame;
        result = keras_apply(&inner, 0, error);
        call->output = inner.output;
        call->output.framed = true;
    }
    free(key);
    return result;
}
