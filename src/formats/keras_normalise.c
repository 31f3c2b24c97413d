/* Layers that scale: normalisations, and what a Lambda stands for. */
#include "base/memory.h"
#include "formats/keras_loader.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

/* ---- Scaling -------------------------------------------------------------------------------- */

int keras_add_guess(struct keras_loader *loader, char *sentence, VbpError *error)
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
        if (strcmp(hints->lambdas[i].name, call->name) == 0) {
            call->loader->lambda_used[i] = true;
            return &hints->lambdas[i];
        }
        if (strcmp(hints->lambdas[i].name, "*") == 0)
            found = &hints->lambdas[i];
    }
    return found;
}

/* Keeps the layer's name for messages, which have no room for more than some hundred characters. A
 * layer may stand in several places. */
static int list_lambda(struct keras_call *call, VbpError *error)
{
    char *list = call->loader->lambda_layers, *longer;
    char name[128];

    snprintf(name, sizeof(name), "'%.100s'", call->name);
    if (list && (strlen(list) >= sizeof(VbpError) || strstr(list, name)))
        return VBP_OK;
    longer = list ? memory_format("%s, %s", list, name) : memory_copy_text(name);
    if (!longer)
        return error_out_of_memory(error);
    free(list);
    call->loader->lambda_layers = longer;
    return VBP_OK;
}

int keras_check_lambdas(const struct keras_loader *loader, VbpError *error)
{
    const struct model_hints *hints = loader->hints;

    for (int i = 0; hints && i < hints->lambda_count; i++) {
        if (!loader->lambda_used[i] && strcmp(hints->lambdas[i].name, "*") != 0)
            return card_refuse_lambda(&hints->lambdas[i], loader->lambda_layers, error);
    }
    return VBP_OK;
}

int keras_lambda(struct keras_call *call, VbpError *error)
{
    const struct card_lambda *given = card_lambda(call);
    double scale = 1, bias = 0;
    float factor, offset;
    int result = list_lambda(call, error);

    if (result != VBP_OK)
        return result;
    if (given) {
        scale = given->scale;
        bias = given->bias;
    } else if (keras_lambda_guess(call->config, &scale, &bias)) {
        result =
            keras_add_guess(call->loader,
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
static void read_factors(const struct keras_call *call, const char *name, double otherwise,
                         int *count, float *values)
{
    const cJSON *item = keras_item(call->config, name, NULL);
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
        keras_number(call, call->config, name, NULL, &otherwise);
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

    read_factors(call, "scale", 1, &factors, factor);
    read_factors(call, "offset", 0, &offsets, offset);
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
static bool read_axis(const struct keras_call *call, int *axis)
{
    const cJSON *item = keras_item(call->config, "axis", NULL);

    if (cJSON_IsArray(item) && cJSON_GetArraySize(item) > 1)
        return false;
    keras_whole(call, call->config, "axis", NULL, axis);
    return true;
}

/* Means and variances, from the weights or from what the config says; counts of 0 where neither is
 * usable. */
static int read_moments(const struct keras_call *call, float moments[2][MAX_CHANNELS],
                        int counts[2], VbpError *error)
{
    static const char *const names[] = {"mean", "variance"};
    struct keras_weights weights;
    int result = keras_weights_read(call, &weights, error);

    if (result != VBP_OK)
        return result;
    for (int i = 0; i < 2; i++) {
        int64_t count = weights.count >= 2 ? shape_elements(&weights.list[i].shape) : 0;

        counts[i] = 0;
        if (weights.count < 2 && keras_item(call->config, names[i], NULL))
            read_factors(call, names[i], 0, &counts[i], moments[i]);
        if (count < 1 || count > MAX_CHANNELS)
            continue;
        memcpy(moments[i], weights.list[i].values, (size_t)count * sizeof(float));
        counts[i] = (int)count;
    }
    keras_weights_free(&weights);
    return VBP_OK;
}

/* (x - mean) / max(sqrt(variance), 1e-7) */
int keras_normalization(struct keras_call *call, VbpError *error)
{
    float moments[2][MAX_CHANNELS] = {{0}}, factor[MAX_CHANNELS], offset[MAX_CHANNELS];
    int counts[2], axis = -1;
    int result = read_moments(call, moments, counts, error);

    if (result != VBP_OK)
        return result;
    if (counts[0] < 1 || counts[0] != counts[1] || !read_axis(call, &axis) ||
        keras_flag(call, call->config, "invert", NULL, false))
        return keras_refuse(call, error, VBP_ERROR_UNSUPPORTED,
                            "its means and variances are not there, or not along one axis");
    for (int i = 0; i < counts[0]; i++) {
        double value = 1 / fmax(sqrt(fmax((double)moments[1][i], 0)), 1e-7);

        factor[i] = (float)value;
        offset[i] = (float)(-(double)moments[0][i] * value);
    }
    if (counts[0] > 1)
        result = keras_axis(call, &call->output, axis, &axis, error);
    return result == VBP_OK ? keras_emit_affine(call, axis, counts[0], factor, offset, error)
                            : result;
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
    bool wanted[4] = {keras_flag(call, call->config, "scale", NULL, true),
                      keras_flag(call, call->config, "center", NULL, true), true, true};
    static const char *const names[] = {"scales", "shifts", "means", "variances"};
    int index = 0;
    int result = VBP_OK;

    statistics->count = count;
    statistics->epsilon = 1e-3;
    keras_number(call, call->config, "epsilon", NULL, &statistics->epsilon);
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
                        .instance_norm = {(float)statistics->epsilon, 1}};
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

    keras_whole(call, call->config, "mode", NULL, &mode);
    if (!read_axis(call, &named))
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
