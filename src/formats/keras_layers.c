/* The layers of Keras that vbp knows, one row each, and what all of them share. */
#include "base/memory.h"
#include "formats/keras_loader.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

struct keras_layer {
    const char *name;
    int most_inputs; /* -1: any number from 1 on */
    bool frames;     /* does to a series of one frame what it does to the frame */
    keras_handler *handler;
};

static const struct keras_layer layers[] = {
    {"Activation", 1, true, keras_activation},
    {"ActivityRegularization", 1, true, keras_identity},
    {"Add", -1, false, keras_add},
    {"AlphaDropout", 1, true, keras_identity},
    {"Average", -1, false, keras_average},
    {"AveragePooling2D", 1, false, keras_average_pool},
    {"BatchNormalization", 1, false, keras_batch_normalization},
    {"Concatenate", -1, false, keras_concatenate},
    {"Conv2D", 1, false, keras_convolution},
    {"Conv2DTranspose", 1, false, keras_convolution_transpose},
    {"Convolution2D", 1, false, keras_convolution},
    {"Cropping2D", 1, false, keras_cropping},
    {"Dense", 1, true, keras_dense},
    {"DepthwiseConv2D", 1, false, keras_depthwise},
    {"Divide", 2, false, keras_divide},
    {"Dropout", 1, true, keras_identity},
    {"ELU", 1, true, keras_elu},
    {"Flatten", 1, true, keras_flatten},
    {"Functional", 1, false, keras_inner_network},
    {"GaussianDropout", 1, true, keras_identity},
    {"GaussianNoise", 1, true, keras_identity},
    {"GetItem", 1, false, keras_slicing},
    {"GlobalAveragePooling2D", 1, false, keras_global_average},
    {"GlobalMaxPooling2D", 1, false, keras_global_max},
    {"Identity", 1, true, keras_identity},
    {"Lambda", 1, false, keras_lambda},
    {"LeakyReLU", 1, true, keras_leaky_relu},
    {"MaxPooling2D", 1, false, keras_max_pool},
    {"Maximum", -1, false, keras_maximum},
    {"Merge", -1, false, keras_merge},
    {"Minimum", -1, false, keras_minimum},
    {"Model", 1, false, keras_inner_network},
    {"Multiply", -1, false, keras_multiply},
    {"Normalization", 1, false, keras_normalization},
    {"PReLU", 1, false, keras_prelu},
    {"Permute", 1, false, keras_permute},
    {"RandomBrightness", 1, true, keras_identity},
    {"RandomContrast", 1, true, keras_identity},
    {"RandomFlip", 1, true, keras_identity},
    {"RandomRotation", 1, true, keras_identity},
    {"RandomTranslation", 1, true, keras_identity},
    {"RandomZoom", 1, true, keras_identity},
    {"ReLU", 1, true, keras_relu},
    {"Rescaling", 1, false, keras_rescaling},
    {"Reshape", 1, true, keras_reshape},
    {"Resizing", 1, false, keras_resizing},
    {"SeparableConv2D", 1, false, keras_separable},
    {"SeparableConvolution2D", 1, false, keras_separable},
    {"Sequential", 1, false, keras_inner_network},
    {"SlicingOpLambda", 1, false, keras_slicing},
    {"Softmax", 1, false, keras_softmax},
    {"SpatialDropout2D", 1, true, keras_identity},
    {"Subtract", 2, false, keras_subtract},
    {"TFOpLambda", 2, false, keras_function},
    {"ThresholdedReLU", 1, true, keras_thresholded_relu},
    {"TimeDistributed", 1, true, keras_time_distributed},
    {"TrueDivide", 2, false, keras_divide},
    {"UpSampling2D", 1, false, keras_upsampling},
    {"ZeroPadding2D", 1, false, keras_zero_padding},
};

/* Classes that are known for what they are, and not run. */
static const char *const recurrent[] = {"Bidirectional", "ConvLSTM2D", "CuDNNGRU", "CuDNNLSTM",
                                        "GRU",           "LSTM",       "RNN",      "SimpleRNN"};
static const char *const series[] = {"AveragePooling3D", "Conv3D", "Convolution3D", "MaxPooling3D"};

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static const struct keras_layer *find_layer(const char *name)
{
    for (size_t i = 0; i < COUNT(layers); i++) {
        if (strcmp(layers[i].name, name) == 0)
            return &layers[i];
    }
    return NULL;
}

static bool list_has(const char *const *list, size_t count, const char *name)
{
    for (size_t i = 0; i < count; i++) {
        if (strcmp(list[i], name) == 0)
            return true;
    }
    return false;
}

bool keras_knows(const char *class_name, const char **reason)
{
    *reason = NULL;
    if (find_layer(class_name) || strcmp(class_name, "InputLayer") == 0)
        return true;
    if (list_has(recurrent, COUNT(recurrent), class_name))
        *reason = "a recurrent layer looks at many frames in turn and remembers them; vbp runs "
                  "networks that steer by one frame alone";
    else if (list_has(series, COUNT(series), class_name))
        *reason = "it looks at several frames at once; vbp runs networks that steer by one frame "
                  "alone";
    else
        *reason = "vbp does not know this kind of layer; export the network to ONNX instead";
    return false;
}

int keras_refuse(const struct keras_call *call, VbpError *error, VbpStatus status,
                 const char *format, ...)
{
    char text[512];
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(text, sizeof(text), format, arguments);
    va_end(arguments);
    return error_set(error, status, "layer '%s' (%s): %s", call->name, call->class_name, text);
}

int keras_apply(struct keras_call *call, int use, VbpError *error)
{
    const struct keras_layer *layer = find_layer(call->class_name);
    struct node identity = {.kind = NODE_IDENTITY};
    const char *reason;
    char *name;
    int before, result;

    if (!layer) {
        keras_knows(call->class_name, &reason);
        return keras_refuse(call, error, VBP_ERROR_UNSUPPORTED, "%s", reason);
    }
    if (call->input_count < 1 || (layer->most_inputs > 0 && call->input_count > layer->most_inputs))
        return keras_refuse(call, error, VBP_ERROR_FORMAT, "it has %d inputs", call->input_count);
    for (int i = 0; i < call->input_count; i++) {
        if (call->inputs[i].framed && !layer->frames)
            return keras_refuse(call, error, VBP_ERROR_UNSUPPORTED, "it reads a series of frames");
    }
    call->output = call->inputs[0];
    before = call->loader->graph->node_count;
    result = layer->handler(call, error);
    if (call->loader->misread_key) {
        result = keras_refuse(call, error, VBP_ERROR_FORMAT, "its %s is not %s",
                              call->loader->misread_key, call->loader->misread_wanted);
        call->loader->misread_key = NULL;
    }
    /* So that every layer is there to see, and its result can bear its name. */
    if (result == VBP_OK && call->loader->graph->node_count == before) {
        result = keras_emit_next(call, &identity, NULL, error);
    }
    if (result != VBP_OK || layer->handler == keras_inner_network)
        return result;
    name = use ? memory_format("%s:%d", call->name, use) : memory_copy_text(call->name);
    if (!name)
        return error_out_of_memory(error);
    result = graph_rename_tensor(call->loader->graph, call->output.tensor, name, error);
    free(name);
    return result;
}

/* ---- Parts of the graph --------------------------------------------------------------------- */

int keras_emit(const struct keras_call *call, struct node *node, const char *kind, int count,
               const int *inputs, VbpError *error)
{
    /* The graph copies them. */
    node->name = (char *)(const void *)call->name;
    node->source_kind = (char *)(const void *)(kind ? kind : call->class_name);
    node->inputs = (int *)(const void *)inputs;
    node->input_count = count;
    return graph_add_node(call->loader->graph, node, NULL, error);
}

int keras_emit_next(struct keras_call *call, struct node *node, const char *kind, VbpError *error)
{
    int input = call->output.tensor;
    int result = keras_emit(call, node, kind, 1, &input, error);

    if (result < 0)
        return result;
    call->output.tensor = result;
    return VBP_OK;
}

int keras_constant(const struct keras_call *call, const char *what, const struct shape *shape,
                   const float *values, VbpError *error)
{
    char *name = memory_format("%s.%s", call->name, what);
    int result;

    if (!name)
        return error_out_of_memory(error);
    result = graph_add_constant(call->loader->graph, name, shape, values, error);
    free(name);
    return result;
}

/* ---- Layouts -------------------------------------------------------------------------------- */

struct shape keras_shape(const struct keras_call *call, const struct keras_value *value)
{
    struct shape shape = call->loader->graph->tensors[value->tensor].shape;

    if (value->turned) {
        int64_t channels = shape.extent[1];

        shape.extent[1] = shape.extent[2];
        shape.extent[2] = shape.extent[3];
        shape.extent[3] = channels;
    }
    return shape;
}

static int transpose(const struct keras_call *call, struct keras_value *value, bool turned,
                     VbpError *error)
{
    struct node first = {.kind = NODE_TRANSPOSE, .transpose = {{0, 3, 1, 2}}};
    struct node last = {.kind = NODE_TRANSPOSE, .transpose = {{0, 2, 3, 1}}};
    int result = keras_emit(call, turned ? &first : &last, "Transpose", 1, &value->tensor, error);

    if (result < 0)
        return result;
    value->tensor = result;
    value->turned = turned;
    return VBP_OK;
}

int keras_turn(const struct keras_call *call, struct keras_value *value, VbpError *error)
{
    return value->turned ? VBP_OK : transpose(call, value, true, error);
}

int keras_unturn(const struct keras_call *call, struct keras_value *value, VbpError *error)
{
    return value->turned ? transpose(call, value, false, error) : VBP_OK;
}

bool keras_channels_last(const struct keras_call *call)
{
    const char *format = keras_choice(call, "data_format", "dim_ordering", "");

    return strcmp(format, "channels_first") != 0 && strcmp(format, "th") != 0;
}

int keras_picture(struct keras_call *call, VbpError *error)
{
    struct shape shape = keras_shape(call, &call->output);
    char text[SHAPE_TEXT_SIZE];

    if (shape.rank != 4)
        return keras_refuse(call, error, VBP_ERROR_FORMAT, "its input of %s is no picture",
                            shape_text(&shape, text));
    return keras_channels_last(call) ? keras_turn(call, &call->output, error)
                                     : keras_unturn(call, &call->output, error);
}

int keras_axis(const struct keras_call *call, const struct keras_value *value, int axis,
               int *result, VbpError *error)
{
    static const int turned[4] = {0, 2, 3, 1};
    int rank = call->loader->graph->tensors[value->tensor].shape.rank;

    /* A series of one frame has an axis more than the graph knows of. */
    if (value->framed && axis > 0)
        axis--;
    if (axis < 0)
        axis += rank;
    if (axis < 1 || axis >= rank)
        return keras_refuse(call, error, VBP_ERROR_FORMAT, "it has no axis %d", axis);
    *result = value->turned ? turned[axis] : axis;
    return VBP_OK;
}

static int emit_arithmetic(struct keras_call *call, enum binary operation, const char *what,
                           const struct shape *shape, const float *values, VbpError *error)
{
    struct node node = {.kind = NODE_BINARY, .binary = operation};
    int inputs[2] = {call->output.tensor, keras_constant(call, what, shape, values, error)};
    int result = inputs[1] < 0 ? inputs[1] : keras_emit(call, &node, NULL, 2, inputs, error);

    if (result < 0)
        return result;
    call->output.tensor = result;
    return VBP_OK;
}

int keras_emit_affine(struct keras_call *call, int axis, int count, const float *factor,
                      const float *offset, VbpError *error)
{
    struct shape shape = {.rank = 0};
    bool multiplies = false, adds = false;
    int result = VBP_OK;

    if (count > 1) {
        shape.rank = call->loader->graph->tensors[call->output.tensor].shape.rank;
        for (int i = 0; i < shape.rank; i++)
            shape.extent[i] = i == axis ? count : 1;
    }
    for (int i = 0; i < count; i++) {
        multiplies = multiplies || factor[i] != 1;
        adds = adds || offset[i] != 0;
    }
    if (multiplies)
        result = emit_arithmetic(call, BINARY_MULTIPLY, "factor", &shape, factor, error);
    if (result == VBP_OK && adds)
        result = emit_arithmetic(call, BINARY_ADD, "offset", &shape, offset, error);
    return result;
}
