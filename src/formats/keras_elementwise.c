/* Layers on single elements: activations. */
#include "base/memory.h"
#include "formats/keras_loader.h"

#include <float.h>
#include <math.h>
#include <string.h>

/* ---- Activations ---------------------------------------------------------------------------- */

static int emit_function(struct keras_call *call, enum activation function, double alpha,
                         double beta, const char *kind, VbpError *error)
{
    struct node node = {
        .kind = NODE_ACTIVATION,
        .activation = {.function = function, .alpha = (float)alpha, .beta = (float)beta}};

    return keras_emit_next(call, &node, kind, error);
}

int keras_emit_softmax(struct keras_call *call, int axis, bool logarithm, const char *kind,
                       VbpError *error)
{
    struct node node = {.kind = NODE_SOFTMAX, .softmax.logarithm = logarithm};
    int result = keras_axis(call, &call->output, axis, &node.softmax.axis, error);

    return result == VBP_OK ? keras_emit_next(call, &node, kind, error) : result;
}

/* clip(x * slope + 1/2, 0, 1), by steps none of which counts as a rectifier. Keras 3 made the slope
 * a sixth. */
static int emit_hard_sigmoid(struct keras_call *call, bool sixth, const char *kind, VbpError *error)
{
    const float slope = sixth ? 1.0f / 6 : 0.2f, half = 0.5f;
    const double bound = sixth ? 3 : 2.5;
    int result = emit_function(call, ACTIVATION_CLIP, -bound, bound, kind, error);

    return result == VBP_OK ? keras_emit_affine(call, -1, 1, &slope, &half, error) : result;
}

static int emit_product(struct keras_call *call, int other, VbpError *error)
{
    struct node node = {.kind = NODE_BINARY, .binary = BINARY_MULTIPLY};
    const int inputs[2] = {other, call->output.tensor};
    int result = keras_emit(call, &node, NULL, 2, inputs, error);

    if (result < 0)
        return result;
    call->output.tensor = result;
    return VBP_OK;
}

/* x * hard_sigmoid(x) */
static int emit_hard_swish(struct keras_call *call, const char *kind, VbpError *error)
{
    int input = call->output.tensor;
    int result = emit_hard_sigmoid(call, true, kind, error);

    return result == VBP_OK ? emit_product(call, input, error) : result;
}

/* x * tanh(softplus(x)) */
static int emit_mish(struct keras_call *call, const char *kind, VbpError *error)
{
    int input = call->output.tensor;
    int result = emit_function(call, ACTIVATION_SOFTPLUS, 0, 0, kind, error);

    if (result == VBP_OK)
        result = emit_function(call, ACTIVATION_TANH, 0, 0, kind, error);
    return result == VBP_OK ? emit_product(call, input, error) : result;
}

int keras_emit_named(struct keras_call *call, const char *name, VbpError *error)
{
    static const struct {
        const char *name;
        enum activation function;
        double alpha, beta;
    } functions[] = {
        {"atan", ACTIVATION_ATAN, 0, 0},
        {"elu", ACTIVATION_ELU, 1, 0},
        {"exponential", ACTIVATION_EXPONENTIAL, 0, 0},
        {"gelu", ACTIVATION_GELU, 0, 0},
        {"hard_tanh", ACTIVATION_CLIP, -1, 1},
        {"leaky_relu", ACTIVATION_LEAKY_RELU, 0.2, 0},
        {"relu", ACTIVATION_RELU, 0, 0},
        {"relu6", ACTIVATION_CLIP, 0, 6},
        {"selu", ACTIVATION_SELU, 1.6732632423543772, 1.0507009873554805},
        {"sigmoid", ACTIVATION_SIGMOID, 0, 0},
        {"silu", ACTIVATION_SILU, 0, 0},
        {"softplus", ACTIVATION_SOFTPLUS, 0, 0},
        {"softsign", ACTIVATION_SOFTSIGN, 0, 0},
        {"swish", ACTIVATION_SILU, 0, 0},
        {"tanh", ACTIVATION_TANH, 0, 0},
    };

    if (strcmp(name, "linear") == 0)
        return VBP_OK;
    for (size_t i = 0; i < sizeof(functions) / sizeof(functions[0]); i++) {
        if (strcmp(functions[i].name, name) == 0)
            return emit_function(call, functions[i].function, functions[i].alpha, functions[i].beta,
                                 functions[i].name, error);
    }
    if (strcmp(name, "softmax") == 0)
        return keras_emit_softmax(call, -1, false, "softmax", error);
    if (strcmp(name, "log_softmax") == 0 || strcmp(name, "log_softmax_v2") == 0)
        return keras_emit_softmax(call, -1, true, "log_softmax", error);
    if (strcmp(name, "mish") == 0)
        return emit_mish(call, "mish", error);
    if (strcmp(name, "hard_sigmoid") == 0)
        return emit_hard_sigmoid(call, call->loader->major >= 3, "hard_sigmoid", error);
    if (strcmp(name, "hard_swish") == 0 || strcmp(name, "hard_silu") == 0)
        return emit_hard_swish(call, "hard_swish", error);
    return keras_refuse(call, error, VBP_ERROR_UNSUPPORTED, "activation '%.60s' is not supported",
                        name);
}

/* A layer in the place of an activation's name. */
static int emit_layer(struct keras_call *call, const cJSON *item, VbpError *error)
{
    static const struct {
        const char *name;
        keras_handler *handler;
    } classes[] = {{"ELU", keras_elu},
                   {"LeakyReLU", keras_leaky_relu},
                   {"ReLU", keras_relu},
                   {"Softmax", keras_softmax},
                   {"ThresholdedReLU", keras_thresholded_relu}};
    const char *class_name = keras_text(item, "class_name", NULL, "");
    struct keras_call inner = *call;
    int result;

    for (size_t i = 0; i < sizeof(classes) / sizeof(classes[0]); i++) {
        if (strcmp(classes[i].name, class_name) != 0)
            continue;
        inner.config = keras_item(item, "config", NULL);
        inner.class_name = class_name;
        result = classes[i].handler(&inner, error);
        call->output = inner.output;
        return result;
    }
    return keras_refuse(call, error, VBP_ERROR_UNSUPPORTED, "activation '%.60s' is not supported",
                        class_name);
}

int keras_emit_activation(struct keras_call *call, VbpError *error)
{
    const cJSON *item = keras_item(call->config, "activation", NULL);

    if (!item)
        return VBP_OK;
    if (cJSON_IsString(item))
        return keras_emit_named(call, item->valuestring, error);
    /* {"class_name": "function", "config": "relu"} */
    if (cJSON_IsString(keras_item(item, "config", NULL)))
        return keras_emit_named(call, keras_item(item, "config", NULL)->valuestring, error);
    return emit_layer(call, item, error);
}

int keras_activation(struct keras_call *call, VbpError *error)
{
    return keras_emit_activation(call, error);
}

int keras_elu(struct keras_call *call, VbpError *error)
{
    double alpha = 1;

    keras_number(call, call->config, "alpha", NULL, &alpha);
    return emit_function(call, ACTIVATION_ELU, alpha, 0, NULL, error);
}

int keras_leaky_relu(struct keras_call *call, VbpError *error)
{
    double alpha = 0.3;

    keras_number(call, call->config, "negative_slope", "alpha", &alpha);
    return emit_function(call, ACTIVATION_LEAKY_RELU, alpha, 0, NULL, error);
}

int keras_thresholded_relu(struct keras_call *call, VbpError *error)
{
    double theta = 1;

    keras_number(call, call->config, "theta", NULL, &theta);
    return emit_function(call, ACTIVATION_THRESHOLD, theta, 0, NULL, error);
}

/* min(max_value, x) above the threshold, slope * (x - threshold) below. */
int keras_relu(struct keras_call *call, VbpError *error)
{
    double most = INFINITY, slope = 0, threshold = 0;
    int result;

    keras_number(call, call->config, "max_value", NULL, &most);
    keras_number(call, call->config, "negative_slope", NULL, &slope);
    keras_number(call, call->config, "threshold", NULL, &threshold);
    if (slope != 0 && threshold != 0)
        return keras_refuse(call, error, VBP_ERROR_UNSUPPORTED,
                            "a slope below a threshold is not supported");
    if (slope == 0 && threshold == 0 && isfinite(most))
        return emit_function(call, ACTIVATION_CLIP, 0, most, NULL, error);
    if (slope != 0)
        result = emit_function(call, ACTIVATION_LEAKY_RELU, slope, 0, NULL, error);
    else if (threshold != 0)
        result = emit_function(call, ACTIVATION_THRESHOLD, threshold, 0, NULL, error);
    else
        result = emit_function(call, ACTIVATION_RELU, 0, 0, NULL, error);
    if (result == VBP_OK && isfinite(most))
        result = emit_function(call, ACTIVATION_CLIP, -(double)FLT_MAX, most, NULL, error);
    return result;
}

int keras_softmax(struct keras_call *call, VbpError *error)
{
    int axis = -1;

    keras_whole(call, call->config, "axis", NULL, &axis);
    return keras_emit_softmax(call, axis, false, NULL, error);
}

int keras_identity(struct keras_call *call, VbpError *error)
{
    struct node node = {.kind = NODE_IDENTITY};

    return keras_emit_next(call, &node, NULL, error);
}

/* ---- PReLU ---------------------------------------------------------------------------------- */

/* The slopes as Keras has them, in the layout of the graph's tensor: C of 1 x 1 x C comes first. */
static int prelu_slopes(const struct keras_call *call, const struct keras_weights *weights,
                        VbpError *error)
{
    const struct shape *found = &weights->list[0].shape;
    struct shape shape = *found;
    int64_t cells = 1;
    float *turned;
    int result;

    if (!call->output.turned)
        return keras_constant(call, "alpha", &shape, weights->list[0].values, error);
    for (int i = 0; i < 2; i++)
        cells *= found->extent[i];
    shape.extent[0] = found->extent[2];
    shape.extent[1] = found->extent[0];
    shape.extent[2] = found->extent[1];
    turned = memory_array((size_t)(cells * shape.extent[0]), sizeof(*turned));
    if (!turned)
        return error_out_of_memory(error);
    for (int64_t cell = 0; cell < cells; cell++) {
        for (int64_t c = 0; c < shape.extent[0]; c++)
            turned[c * cells + cell] = weights->list[0].values[cell * shape.extent[0] + c];
    }
    result = keras_constant(call, "alpha", &shape, turned, error);
    free(turned);
    return result;
}

static int translate_prelu(struct keras_call *call, const struct keras_weights *weights,
                           VbpError *error)
{
    struct node node = {.kind = NODE_BINARY, .binary = BINARY_PRELU};
    struct shape shape = keras_shape(call, &call->output);
    char text[SHAPE_TEXT_SIZE], wanted[SHAPE_TEXT_SIZE];
    bool good = weights->count > 0 && weights->list[0].shape.rank == shape.rank - 1;
    int inputs[2] = {call->output.tensor, -1};
    int result;

    if (weights->count == 0)
        return keras_refuse(call, error, VBP_ERROR_FORMAT, "the file has no slopes for it");
    for (int i = 1; i < shape.rank && good; i++)
        good = weights->list[0].shape.extent[i - 1] == 1 ||
               weights->list[0].shape.extent[i - 1] == shape.extent[i];
    if (!good)
        return keras_refuse(call, error, VBP_ERROR_FORMAT,
                            "its slopes of %s do not go with its input of %s",
                            shape_text(&weights->list[0].shape, text), shape_text(&shape, wanted));
    inputs[1] = prelu_slopes(call, weights, error);
    if (inputs[1] < 0)
        return inputs[1];
    result = keras_emit(call, &node, NULL, 2, inputs, error);
    if (result < 0)
        return result;
    call->output.tensor = result;
    return VBP_OK;
}

int keras_prelu(struct keras_call *call, VbpError *error)
{
    struct keras_weights weights;
    int result = keras_weights_read(call, &weights, error);

    if (result == VBP_OK)
        result = translate_prelu(call, &weights, error);
    keras_weights_free(&weights);
    return result;
}
