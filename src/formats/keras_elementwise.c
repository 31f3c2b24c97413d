/* Layers on single elements: activations, normalisations, and what a Lambda stands for. */
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

static int emit_softmax(struct keras_call *call, int axis, const char *kind, VbpError *error)
{
    struct node node = {.kind = NODE_SOFTMAX};
    int result = keras_axis(call, &call->output, axis, &node.softmax.axis, error);

    return result == VBP_OK ? keras_emit_next(call, &node, kind, error) : result;
}

/* clip(x * slope + 1/2, 0, 1), by steps none of which counts as a rectifier. */
static int emit_hard_sigmoid(struct keras_call *call, const char *kind, VbpError *error)
{
    const float slope = call->loader->major >= 3 ? 1.0f / 6 : 0.2f, half = 0.5f;
    const double bound = call->loader->major >= 3 ? 3 : 2.5;
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
    int result = emit_hard_sigmoid(call, kind, error);

    return result == VBP_OK ? emit_product(call, input, error) : result;
}

static int emit_named(struct keras_call *call, const char *name, VbpError *error)
{
    static const struct {
        const char *name;
        enum activation function;
        double alpha, beta;
    } functions[] = {
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
        return emit_softmax(call, -1, "softmax", error);
    if (strcmp(name, "hard_sigmoid") == 0)
        return emit_hard_sigmoid(call, "hard_sigmoid", error);
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
        return emit_named(call, item->valuestring, error);
    /* {"class_name": "function", "config": "relu"} */
    if (cJSON_IsString(keras_item(item, "config", NULL)))
        return emit_named(call, keras_item(item, "config", NULL)->valuestring, error);
    return emit_layer(call, item, error);
}

int keras_activation(struct keras_call *call, VbpError *error)
{
    return keras_emit_activation(call, error);
}

int keras_elu(struct keras_call *call, VbpError *error)
{
    double alpha = 1;

    keras_number(call->config, "alpha", NULL, &alpha);
    return emit_function(call, ACTIVATION_ELU, alpha, 0, NULL, error);
}

int keras_leaky_relu(struct keras_call *call, VbpError *error)
{
    double alpha = 0.3;

    keras_number(call->config, "negative_slope", "alpha", &alpha);
    return emit_function(call, ACTIVATION_LEAKY_RELU, alpha, 0, NULL, error);
}

int keras_thresholded_relu(struct keras_call *call, VbpError *error)
{
    double theta = 1;

    keras_number(call->config, "theta", NULL, &theta);
    return emit_function(call, ACTIVATION_THRESHOLD, theta, 0, NULL, error);
}

/* min(max_value, x) above the threshold, slope * (x - threshold) below. */
int keras_relu(struct keras_call *call, VbpError *error)
{
    double most = INFINITY, slope = 0, threshold = 0;
    int result;

    keras_number(call->config, "max_value", NULL, &most);
    keras_number(call->config, "negative_slope", NULL, &slope);
    keras_number(call->config, "threshold", NULL, &threshold);
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

    keras_whole(call->config, "axis", NULL, &axis);
    return emit_softmax(call, axis, NULL, error);
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

/* ---- Scaling -------------------------------------------------------------------------------- */

static int add_guess(struct keras_loader *loader, char *sentence, VbpError *error)
{
    char *both;

    if (!sentence)
        return error_out_of_memory(error);
    if (!loader->guess) {
        loader->guess = sentence;
        return VBP_OK;
    }
    both = memory_format("%s; %s", loader->guess, sentence);
    free(sentence);
    if (!both)
        return error_out_of_memory(error);
    free(loader->guess);
    loader->guess = both;
    return VBP_OK;
}

/* What the card says of a Lambda: under its name, or under "*" for all that are not named. */
static const struct card_lambda *card_lambda(const struct keras_call *call)
{
    const struct model_hints *hints = call->loader->hints;
    const struct card_lambda *found = NULL;

    for (int i = 0; hints && i < hints->lambda_count; i++) {
        if (strcmp(hints->lambdas[i].name, call->name) == 0)
            return &hints->lambdas[i];
        if (strcmp(hints->lambdas[i].name, "*") == 0)
            found = &hints->lambdas[i];
    }
    return found;
}

int keras_lambda(struct keras_call *call, VbpError *error)
{
    const struct card_lambda *given = card_lambda(call);
    double scale = 1, bias = 0;
    float factor, offset;
    int result = VBP_OK;

    if (given) {
        scale = given->scale;
        bias = given->bias;
    } else if (keras_lambda_guess(call->config, &scale, &bias)) {
        result = add_guess(call->loader,
                           scale == 1 && bias == 0
                               ? memory_format("Lambda '%.100s' changes nothing, as its bytecode "
                                               "reads",
                                               call->name)
                               : memory_format("Lambda '%.100s' computes x * %.6g %+.6g, as its "
                                               "bytecode reads",
                                               call->name, scale, bias),
                           error);
    } else {
        return keras_refuse(call, error, VBP_ERROR_UNSUPPORTED,
                            "it is Python code, which vbp does not run; say what it computes in "
                            "the card, \"lambda\": {\"%.60s\": [scale, bias]}",
                            call->name);
    }
    factor = (float)scale;
    offset = (float)bias;
    return result == VBP_OK ? keras_emit_affine(call, -1, 1, &factor, &offset, error) : result;
}

#define MAX_CHANNELS 64

/* One number, or one for each channel. *count stays 0 where there is something else. */
static void read_factors(const cJSON *config, const char *name, double otherwise, int *count,
                         float *values)
{
    const cJSON *item = keras_item(config, name, NULL);
    int length = cJSON_IsArray(item) ? cJSON_GetArraySize(item) : 1;

    *count = 0;
    if (length < 1 || length > MAX_CHANNELS)
        return;
    if (length > 1) {
        const cJSON *number = item->child;

        for (int i = 0; i < length; i++, number = number->next) {
            if (!cJSON_IsNumber(number))
                return;
            values[i] = (float)number->valuedouble;
        }
    } else {
        keras_number(config, name, NULL, &otherwise);
        values[0] = (float)otherwise;
    }
    *count = length;
}

int keras_rescaling(struct keras_call *call, VbpError *error)
{
    struct shape shape = keras_shape(call, &call->output);
    float factor[MAX_CHANNELS], offset[MAX_CHANNELS];
    int factors, offsets, count, axis = -1;
    int result = VBP_OK;

    read_factors(call->config, "scale", 1, &factors, factor);
    read_factors(call->config, "offset", 0, &offsets, offset);
    count = factors > offsets ? factors : offsets;
    if (!factors || !offsets || (factors != count && factors != 1) ||
        (offsets != count && offsets != 1) ||
        (count > 1 && (shape.rank < 2 || shape.extent[shape.rank - 1] != count)))
        return keras_refuse(call, error, VBP_ERROR_FORMAT, "its scale and offset make no sense");
    for (int i = 1; i < count; i++) {
        factor[i] = factors == 1 ? factor[0] : factor[i];
        offset[i] = offsets == 1 ? offset[0] : offset[i];
    }
    if (count > 1)
        result = keras_axis(call, &call->output, -1, &axis, error);
    return result == VBP_OK ? keras_emit_affine(call, axis, count, factor, offset, error) : result;
}

/* The axis that a config names, alone or as a list of one; false where it names several. */
static bool read_axis(const cJSON *config, int *axis)
{
    const cJSON *item = keras_item(config, "axis", NULL);

    if (cJSON_IsArray(item) && cJSON_GetArraySize(item) > 1)
        return false;
    keras_whole(config, "axis", NULL, axis);
    return true;
}

/* (x - mean) / max(sqrt(variance), 1e-7), by weights or by what the config says. */
int keras_normalization(struct keras_call *call, VbpError *error)
{
    float mean[MAX_CHANNELS], variance[MAX_CHANNELS];
    struct keras_weights weights;
    int means = 0, variances = 0, axis = -1;
    int result = keras_weights_read(call, &weights, error);

    if (result != VBP_OK)
        return result;
    for (int i = 0; i < 2 && weights.count >= 2; i++) {
        int64_t count = shape_elements(&weights.list[i].shape);

        *(i ? &variances : &means) = count <= MAX_CHANNELS ? (int)count : 0;
        if (count <= MAX_CHANNELS)
            memcpy(i ? variance : mean, weights.list[i].values, (size_t)count * sizeof(float));
    }
    if (weights.count < 2 && keras_item(call->config, "mean", NULL) &&
        keras_item(call->config, "variance", NULL)) {
        read_factors(call->config, "mean", 0, &means, mean);
        read_factors(call->config, "variance", 1, &variances, variance);
    }
    keras_weights_free(&weights);
    if (means < 1 || means != variances || !read_axis(call->config, &axis) ||
        keras_flag(call->config, "invert", NULL, false))
        return keras_refuse(call, error, VBP_ERROR_UNSUPPORTED,
                            "its means and variances are not there, or not along one axis");
    for (int i = 0; i < means; i++) {
        double factor = 1 / fmax(sqrt(fmax((double)variance[i], 0)), 1e-7);

        mean[i] = (float)(-(double)mean[i] * factor);
        variance[i] = (float)factor;
    }
    if (means > 1)
        result = keras_axis(call, &call->output, axis, &axis, error);
    return result == VBP_OK ? keras_emit_affine(call, axis, means, variance, mean, error) : result;
}

/* ---- Batch normalisation -------------------------------------------------------------------- */

struct statistics {
    float *scale, *shift, *mean, *variance; /* `count` floats each, in one block */
    int64_t count;
    double epsilon;
};

/* Scale and shift may be missing; the rest has to be there. Keras 1's running_std is a variance. */
static int read_statistics(const struct keras_call *call, const struct keras_weights *weights,
                           int64_t count, struct statistics *statistics, VbpError *error)
{
    bool wanted[4] = {keras_flag(call->config, "scale", NULL, true),
                      keras_flag(call->config, "center", NULL, true), true, true};
    static const char *const names[] = {"scales", "shifts", "means", "variances"};
    int index = 0;
    int result = VBP_OK;

    statistics->count = count;
    statistics->epsilon = 1e-3;
    keras_number(call->config, "epsilon", NULL, &statistics->epsilon);
    statistics->scale = memory_array((size_t)count * 4, sizeof(float));
    if (!statistics->scale)
        return error_out_of_memory(error);
    statistics->shift = statistics->scale + count;
    statistics->mean = statistics->shift + count;
    statistics->variance = statistics->mean + count;
    for (int64_t i = 0; i < count; i++)
        statistics->scale[i] = 1;
    for (int i = 0; i < 4 && result == VBP_OK; i++) {
        if (!wanted[i])
            continue;
        result = keras_weights_check(call, weights, index, names[i], 1, &count, error);
        if (result == VBP_OK)
            memcpy(statistics->scale + i * count, weights->list[index].values,
                   (size_t)count * sizeof(float));
        index++;
    }
    return result;
}

/* Adds a node whose inputs behind the first are vectors. */
static int emit_vectors(struct keras_call *call, struct node *node, int count, float *const *values,
                        int64_t length, VbpError *error)
{
    static const char *const names[] = {"gamma", "beta", "mean", "variance"};
    struct shape shape = {.rank = 1, .extent = {length}};
    int inputs[5] = {call->output.tensor};
    int result;

    for (int i = 0; i < count; i++) {
        inputs[1 + i] = keras_constant(call, names[i], &shape, values[i], error);
        if (inputs[1 + i] < 0)
            return inputs[1 + i];
    }
    result = keras_emit(call, node, NULL, 1 + count, inputs, error);
    if (result < 0)
        return result;
    call->output.tensor = result;
    return VBP_OK;
}

/* By stored statistics: a normalisation of channels, or arithmetic along another axis. */
static int emit_stored(struct keras_call *call, int axis, struct statistics *statistics,
                       VbpError *error)
{
    struct node node = {.kind = NODE_BATCH_NORM};

    if (axis == 1) {
        node.batch_norm.epsilon = (float)statistics->epsilon;
        return emit_vectors(call, &node, 4,
                            (float *const[]){statistics->scale, statistics->shift, statistics->mean,
                                             statistics->variance},
                            statistics->count, error);
    }
    for (int64_t i = 0; i < statistics->count; i++) {
        double factor = (double)statistics->scale[i] /
                        sqrt((double)statistics->variance[i] + statistics->epsilon);

        statistics->shift[i] =
            (float)((double)statistics->shift[i] - (double)statistics->mean[i] * factor);
        statistics->scale[i] = (float)factor;
    }
    return keras_emit_affine(call, axis, (int)statistics->count, statistics->scale,
                             statistics->shift, error);
}

/* Keras 1's mode 2: by the statistics of the picture itself, also when the network drives. */
static int emit_own(struct keras_call *call, int axis, const struct statistics *statistics,
                    VbpError *error)
{
    const struct shape shape = call->loader->graph->tensors[call->output.tensor].shape;
    struct node norm = {.kind = NODE_INSTANCE_NORM,
                        .instance_norm.epsilon = (float)statistics->epsilon};
    struct node turn = {.kind = NODE_TRANSPOSE};
    struct node reshape = {.kind = NODE_RESHAPE};
    bool flat = shape.rank < 3, turned = axis != 1;
    int result = VBP_OK;

    for (int i = 0; i < shape.rank; i++)
        turn.transpose.permutation[i] = i == 1 ? axis : i == axis ? 1 : i;
    if (turned)
        result = keras_emit_next(call, &turn, "Transpose", error);
    if (result == VBP_OK && flat) {
        reshape.reshape.shape = (struct shape){.rank = 3, .extent = {1, statistics->count, 1}};
        result = keras_emit_next(call, &reshape, "Reshape", error);
    }
    if (result == VBP_OK)
        result =
            emit_vectors(call, &norm, 2, (float *const[]){statistics->scale, statistics->shift},
                         statistics->count, error);
    if (result == VBP_OK && flat) {
        reshape.reshape.shape = shape;
        result = keras_emit_next(call, &reshape, "Reshape", error);
    }
    if (result == VBP_OK && turned)
        result = keras_emit_next(call, &turn, "Transpose", error);
    return result;
}

static int translate_normalisation(struct keras_call *call, const struct keras_weights *weights,
                                   VbpError *error)
{
    struct shape shape = keras_shape(call, &call->output);
    struct statistics statistics = {0};
    int mode = 0, named = -1, axis;
    int result;

    keras_whole(call->config, "mode", NULL, &mode);
    if (!read_axis(call->config, &named))
        return keras_refuse(call, error, VBP_ERROR_UNSUPPORTED, "several axes are not supported");
    if (mode != 0 && mode != 2)
        return keras_refuse(call, error, VBP_ERROR_UNSUPPORTED, "mode %d is not supported", mode);
    /* Normalising the channels of a picture is the ordinary case: let it be next to a convolution.
     */
    if (shape.rank == 4 && (named == -1 || named == 3))
        result = keras_turn(call, &call->output, error);
    else
        result = VBP_OK;
    if (result == VBP_OK)
        result = keras_axis(call, &call->output, named, &axis, error);
    if (result == VBP_OK)
        result = read_statistics(
            call, weights, call->loader->graph->tensors[call->output.tensor].shape.extent[axis],
            &statistics, error);
    if (result == VBP_OK)
        result = mode == 2 ? emit_own(call, axis, &statistics, error)
                           : emit_stored(call, axis, &statistics, error);
    free(statistics.scale);
    return result;
}

int keras_batch_normalization(struct keras_call *call, VbpError *error)
{
    struct keras_weights weights;
    int result = keras_weights_read(call, &weights, error);

    if (result == VBP_OK)
        result = translate_normalisation(call, &weights, error);
    keras_weights_free(&weights);
    return result;
}
