/* ONNX operators with weights or windows: convolution, normalisation, pooling, dense layers. */
#include "base/memory.h"
#include "formats/onnx_loader.h"

#include <string.h>

/* Kernels, strides and paddings above this are refused before any arithmetic is done on them. */
#define WINDOW_LIMIT 4096

/* Of padding: shape inference refuses it. */
#define TOO_MUCH (WINDOW_LIMIT + 1)

/* ---- Windows -------------------------------------------------------------------------------- */

/* Reads a list of `length` integers between least and WINDOW_LIMIT, where the node has it. */
static int read_window_list(const struct onnx_operation *operation, const char *name, int length,
                            int least, int *values, VbpError *error)
{
    const int64_t *list = NULL;
    int64_t count = 0;
    int result = onnx_attribute_integers(operation, name, &list, &count, error);

    if (result != VBP_OK || !list)
        return result;
    if (count != length)
        return onnx_refuse(operation, error, VBP_ERROR_UNSUPPORTED,
                           "%s has %lld numbers; only 2-D windows are supported, which have %d",
                           name, (long long)count, length);
    for (int i = 0; i < length; i++) {
        if (list[i] < least || list[i] > WINDOW_LIMIT)
            return onnx_refuse(operation, error, VBP_ERROR_UNSUPPORTED,
                               "%s holds %lld; %d to %d are supported", name, (long long)list[i],
                               least, WINDOW_LIMIT);
        values[i] = (int)list[i];
    }
    return VBP_OK;
}

/* Reads everything but the kernel, which is set already, for an input of that shape. */
static int read_window(const struct onnx_operation *operation, const struct shape *input,
                       struct window *window, VbpError *error)
{
    const Onnx__AttributeProto *automatic = onnx_attribute(operation, "auto_pad");
    const char *mode = "NOTSET";
    size_t length = 6;
    int result;

    result = read_window_list(operation, "strides", 2, 1, window->stride, error);
    if (result == VBP_OK)
        result = read_window_list(operation, "dilations", 2, 1, window->dilation, error);
    if (result != VBP_OK)
        return result;
    if (automatic && automatic->s.data) {
        mode = (const char *)automatic->s.data;
        length = automatic->s.len;
    }
    if (length == 5 && memcmp(mode, "VALID", 5) == 0)
        return VBP_OK;
    if (length == 10 && memcmp(mode, "SAME_UPPER", 10) == 0) {
        window_pad_same(window, input->extent[2], input->extent[3], true);
    } else if (length == 10 && memcmp(mode, "SAME_LOWER", 10) == 0) {
        window_pad_same(window, input->extent[2], input->extent[3], false);
    } else if (length == 6 && memcmp(mode, "NOTSET", 6) == 0) {
        /* The file's order: both beginnings, then both ends. */
        int pads[4] = {0};

        result = read_window_list(operation, "pads", 4, 0, pads, error);
        for (int axis = 0; axis < 2; axis++) {
            window->pad_begin[axis] = pads[axis];
            window->pad_end[axis] = pads[2 + axis];
        }
    } else {
        result = onnx_refuse(operation, error, VBP_ERROR_FORMAT, "auto_pad '%.*s' is not known",
                             (int)(length < 32 ? length : 32), mode);
    }
    return result;
}

static int check_spatial(const struct onnx_operation *operation, struct shape *input,
                         VbpError *error)
{
    char text[SHAPE_TEXT_SIZE];
    int result = onnx_input_shape(operation, 0, input, error);

    if (result == VBP_OK && input->rank != 4)
        result = onnx_refuse(operation, error, VBP_ERROR_UNSUPPORTED,
                             "its input must be batch x channels x height x width, not %s",
                             shape_text(input, text));
    return result;
}

/* ---- Convolution and normalisation ---------------------------------------------------------- */

/* Kernel and groups, which plain and transposed convolutions have alike. */
static int read_convolution(const struct onnx_operation *operation, struct node *node,
                            VbpError *error)
{
    const struct onnx_value *weights;
    int64_t groups = 1;
    int kernel[2];
    int value, result;

    value = onnx_input_constant(operation, 1, "weight", error);
    if (value < 0)
        return value;
    weights = &operation->loader->values[value];
    if (weights->shape.rank != 4 || weights->shape.extent[2] > WINDOW_LIMIT ||
        weights->shape.extent[3] > WINDOW_LIMIT)
        return onnx_refuse(operation, error, VBP_ERROR_UNSUPPORTED,
                           "its weights are not those of a 2-D convolution");
    kernel[0] = (int)weights->shape.extent[2];
    kernel[1] = (int)weights->shape.extent[3];
    result = read_window_list(operation, "kernel_shape", 2, 1, kernel, error);
    if (result == VBP_OK)
        result = onnx_attribute_integer(operation, "group", &groups, error);
    if (result != VBP_OK)
        return result;
    if (groups < 1 || groups > INT32_MAX)
        return onnx_refuse(operation, error, VBP_ERROR_FORMAT, "it has %lld groups",
                           (long long)groups);
    node->convolution.groups = (int)groups;
    node->convolution.window = window_make(kernel[0], kernel[1]);
    return VBP_OK;
}

static int emit_convolution(const struct onnx_operation *operation, struct node *node,
                            VbpError *error)
{
    int inputs[3];

    node->inputs = inputs;
    node->input_count = onnx_has_input(operation, 2) ? 3 : 2;
    for (int i = 0; i < node->input_count; i++) {
        inputs[i] = onnx_input_tensor(operation, (size_t)i, error);
        if (inputs[i] < 0)
            return inputs[i];
    }
    return onnx_emit(operation, node, error);
}

int onnx_conv(const struct onnx_operation *operation, VbpError *error)
{
    struct node node = {.kind = NODE_CONVOLUTION};
    struct shape input;
    int result = check_spatial(operation, &input, error);

    if (result == VBP_OK)
        result = read_convolution(operation, &node, error);
    if (result == VBP_OK)
        result = read_window(operation, &input, &node.convolution.window, error);
    return result == VBP_OK ? emit_convolution(operation, &node, error) : result;
}

/* One axis of the padding that makes the output `wanted` long; what lies behind the windows then is
 * extra. The odd cell goes to the end with `upper`, to the beginning without. */
static void pad_transposed(struct node *node, int axis, int64_t input, int64_t wanted, bool upper)
{
    struct window *window = &node->convolution.window;
    int64_t total = window->stride[axis] * (input - 1) + window_span(window, axis) +
                    node->convolution.extra[axis] - wanted;
    int64_t half;

    if (total < 0) {
        node->convolution.extra[axis] -= (int)(total < -TOO_MUCH ? -TOO_MUCH : total);
        total = 0;
    }
    total = total > 2 * TOO_MUCH ? 2 * TOO_MUCH : total;
    half = total / 2;
    window->pad_begin[axis] = (int)(upper ? half : total - half);
    window->pad_end[axis] = (int)(upper ? total - half : half);
}

/* Reads pads, or output_shape or auto_pad, which fix them by the size of the output. */
static int read_transposed_padding(const struct onnx_operation *operation,
                                   const struct shape *input, struct node *node, VbpError *error)
{
    struct window *window = &node->convolution.window;
    const Onnx__AttributeProto *automatic = onnx_attribute(operation, "auto_pad");
    bool upper =
        automatic && automatic->s.len == 10 && memcmp(automatic->s.data, "SAME_UPPER", 10) == 0;
    bool same = upper || (automatic && automatic->s.len == 10 &&
                          memcmp(automatic->s.data, "SAME_LOWER", 10) == 0);
    const int64_t *shape = NULL;
    int64_t count = 0;
    int result = onnx_attribute_integers(operation, "output_shape", &shape, &count, error);

    if (result == VBP_OK && shape && count != 2)
        result = onnx_refuse(operation, error, VBP_ERROR_UNSUPPORTED,
                             "output_shape has %lld numbers; height and width are supported",
                             (long long)count);
    if (result != VBP_OK)
        return result;
    for (int axis = 0; axis < 2; axis++) {
        int64_t wanted = shape ? shape[axis] : input->extent[2 + axis] * window->stride[axis];

        if (wanted < 1 || wanted > TENSOR_MAX_ELEMENTS)
            return onnx_refuse(operation, error, VBP_ERROR_FORMAT, "an output of %lld cells",
                               (long long)wanted);
        if (shape || same)
            pad_transposed(node, axis, input->extent[2 + axis], wanted, upper);
    }
    return VBP_OK;
}

int onnx_conv_transpose(const struct onnx_operation *operation, VbpError *error)
{
    struct node node = {.kind = NODE_CONVOLUTION_TRANSPOSE};
    struct shape input;
    int result = check_spatial(operation, &input, error);

    if (result == VBP_OK)
        result = read_convolution(operation, &node, error);
    if (result == VBP_OK)
        result = read_window(operation, &input, &node.convolution.window, error);
    if (result == VBP_OK)
        result = read_window_list(operation, "output_padding", 2, 0, node.convolution.extra, error);
    if (result == VBP_OK)
        result = read_transposed_padding(operation, &input, &node, error);
    return result == VBP_OK ? emit_convolution(operation, &node, error) : result;
}

int onnx_batch_normalization(const struct onnx_operation *operation, VbpError *error)
{
    static const char *const what[] = {"input", "scale", "shift", "mean", "variance"};
    struct node node = {.kind = NODE_BATCH_NORM, .batch_norm.epsilon = 1e-5f};
    bool spatial = true, training = false;
    int inputs[5];
    int result;

    result = onnx_attribute_float(operation, "epsilon", &node.batch_norm.epsilon, error);
    if (result == VBP_OK)
        result = onnx_attribute_flag(operation, "spatial", &spatial, error);
    if (result == VBP_OK)
        result = onnx_attribute_flag(operation, "training_mode", &training, error);
    if (result != VBP_OK)
        return result;
    if (!spatial)
        return onnx_refuse(operation, error, VBP_ERROR_UNSUPPORTED,
                           "spatial = 0 (statistics for each position) is not supported");
    if (training)
        return onnx_refuse(operation, error, VBP_ERROR_UNSUPPORTED,
                           "it is in training mode: export the network for inference");
    for (size_t i = 1; i < operation->node->n_output; i++) {
        result = onnx_refuse_output(operation, i, "a statistic of training, which is not supported",
                                    error);
        if (result != VBP_OK)
            return result;
    }
    for (int i = 0; i < 5; i++) {
        result = i ? onnx_input_constant(operation, (size_t)i, what[i], error) : VBP_OK;
        if (result >= 0)
            result = inputs[i] = onnx_input_tensor(operation, (size_t)i, error);
        if (result < 0)
            return result;
    }
    node.inputs = inputs;
    node.input_count = 5;
    return onnx_emit(operation, &node, error);
}

/* ---- Pooling -------------------------------------------------------------------------------- */

static int emit_pool(const struct onnx_operation *operation, struct node *node, VbpError *error)
{
    struct shape input;
    int kernel[2] = {0, 0};
    int tensor;
    int result = check_spatial(operation, &input, error);

    if (result == VBP_OK)
        result = read_window_list(operation, "kernel_shape", 2, 1, kernel, error);
    if (result == VBP_OK && kernel[0] == 0)
        result = onnx_refuse(operation, error, VBP_ERROR_FORMAT, "kernel_shape is missing");
    if (result != VBP_OK)
        return result;
    node->pool.window = window_make(kernel[0], kernel[1]);
    result = read_window(operation, &input, &node->pool.window, error);
    if (result == VBP_OK)
        result = onnx_attribute_flag(operation, "ceil_mode", &node->pool.ceiling, error);
    if (result == VBP_OK)
        result =
            onnx_attribute_flag(operation, "count_include_pad", &node->pool.include_padding, error);
    if (result == VBP_OK)
        result = onnx_refuse_output(operation, 1,
                                    "the index output of a MaxPool node, which is "
                                    "not supported",
                                    error);
    if (result != VBP_OK)
        return result;
    tensor = onnx_input_tensor(operation, 0, error);
    if (tensor < 0)
        return tensor;
    node->inputs = &tensor;
    node->input_count = 1;
    return onnx_emit(operation, node, error);
}

int onnx_max_pool(const struct onnx_operation *operation, VbpError *error)
{
    struct node node = {.kind = NODE_MAX_POOL};

    return emit_pool(operation, &node, error);
}

int onnx_average_pool(const struct onnx_operation *operation, VbpError *error)
{
    struct node node = {.kind = NODE_AVERAGE_POOL};

    return emit_pool(operation, &node, error);
}

/* ---- Dense ---------------------------------------------------------------------------------- */

/*
 * Puts a constant matrix into the graph as [out, in] weights times `factor`; transposed: the file
 * has it as [in, out]. A matrix that is right already is shared.
 */
static int dense_weights(const struct onnx_operation *operation, int value, bool transposed,
                         float factor, VbpError *error)
{
    struct onnx_loader *loader = operation->loader;
    struct shape shape = loader->values[value].shape;
    int64_t rows = shape.extent[0];
    int64_t columns = shape.rank == 2 ? shape.extent[1] : 1;
    const float *source;
    float *weights;
    int result;

    if (!transposed && factor == 1 && shape.rank == 2)
        return onnx_value_tensor(loader, value, error);
    if (rows < 1 || columns < 1)
        return onnx_refuse(operation, error, VBP_ERROR_FORMAT, "its weights are empty");
    source = onnx_value_floats(loader, value, error);
    if (!source)
        return error->status;
    result = onnx_spend(loader, rows * columns, error);
    if (result < 0)
        return result;
    weights = memory_array((size_t)(rows * columns), sizeof(float));
    if (!weights)
        return error_out_of_memory(error);
    for (int64_t row = 0; row < rows; row++) {
        for (int64_t column = 0; column < columns; column++)
            weights[transposed ? column * rows + row : row * columns + column] =
                source[row * columns + column] * factor;
    }
    shape = (struct shape){.rank = 2,
                           .extent = {transposed ? columns : rows, transposed ? rows : columns}};
    result = graph_add_constant(loader->graph, loader->values[value].name, &shape, weights, error);
    free(weights);
    return result;
}

/* Gemm's third input as [out] biases times `factor`. */
static int dense_bias(const struct onnx_operation *operation, int value, int64_t outputs,
                      float factor, VbpError *error)
{
    struct onnx_loader *loader = operation->loader;
    const struct onnx_value *bias = &loader->values[value];
    struct shape shape = {.rank = 1, .extent = {outputs}};
    char text[SHAPE_TEXT_SIZE];
    const float *source;
    float *biases;
    int result;

    if (bias->count != 1 &&
        (bias->count != outputs || bias->shape.extent[bias->shape.rank - 1] != outputs))
        return onnx_refuse(operation, error, VBP_ERROR_UNSUPPORTED,
                           "its biases of shape %s do not go with %lld outputs",
                           shape_text(&bias->shape, text), (long long)outputs);
    if (factor == 1 && bias->shape.rank == 1 && bias->count == outputs)
        return onnx_value_tensor(loader, value, error);
    source = onnx_value_floats(loader, value, error);
    if (!source)
        return error->status;
    result = onnx_spend(loader, outputs, error);
    if (result < 0)
        return result;
    biases = memory_array((size_t)outputs, sizeof(float));
    if (!biases)
        return error_out_of_memory(error);
    for (int64_t i = 0; i < outputs; i++)
        biases[i] = source[loader->values[value].count == 1 ? 0 : i] * factor;
    result = graph_add_constant(loader->graph, loader->values[value].name, &shape, biases, error);
    free(biases);
    return result;
}

int onnx_gemm(const struct onnx_operation *operation, VbpError *error)
{
    struct onnx_loader *loader = operation->loader;
    struct node dense = {.kind = NODE_DENSE, .input_count = 2};
    struct node turned = {.kind = NODE_TRANSPOSE, .input_count = 1, .transpose = {{1, 0}}};
    bool transposed_a = false, transposed_b = false;
    float alpha = 1, beta = 1;
    int inputs[3];
    struct shape input;
    int value, result;

    dense.inputs = inputs;
    result = onnx_attribute_flag(operation, "transA", &transposed_a, error);
    if (result == VBP_OK)
        result = onnx_attribute_flag(operation, "transB", &transposed_b, error);
    if (result == VBP_OK)
        result = onnx_attribute_float(operation, "alpha", &alpha, error);
    if (result == VBP_OK)
        result = onnx_attribute_float(operation, "beta", &beta, error);
    if (result == VBP_OK)
        result = onnx_input_shape(operation, 0, &input, error);
    if (result != VBP_OK)
        return result;
    value = onnx_input_constant(operation, 1, "right side", error);
    if (value < 0)
        return value;
    if (input.rank != 2 || loader->values[value].shape.rank != 2)
        return onnx_refuse(operation, error, VBP_ERROR_FORMAT, "its sides are not matrices");
    inputs[1] = dense_weights(operation, value, !transposed_b, alpha, error);
    if (inputs[1] < 0)
        return inputs[1];
    if (onnx_has_input(operation, 2) && beta != 0) {
        value = onnx_input_constant(operation, 2, "bias", error);
        if (value < 0)
            return value;
        inputs[2] = dense_bias(operation, value, loader->graph->tensors[inputs[1]].shape.extent[0],
                               beta, error);
        if (inputs[2] < 0)
            return inputs[2];
        dense.input_count = 3;
    }
    inputs[0] = onnx_input_tensor(operation, 0, error);
    if (inputs[0] >= 0 && transposed_a) {
        turned.inputs = inputs;
        inputs[0] = onnx_emit_part(operation, &turned, error);
    }
    return inputs[0] < 0 ? inputs[0] : onnx_emit(operation, &dense, error);
}

int onnx_matmul(const struct onnx_operation *operation, VbpError *error)
{
    struct onnx_loader *loader = operation->loader;
    struct node dense = {.kind = NODE_DENSE, .input_count = 2};
    struct node flat = {.kind = NODE_RESHAPE, .input_count = 1};
    struct shape input;
    int inputs[2];
    int value, rank, part, result;

    result = onnx_input_shape(operation, 0, &input, error);
    if (result != VBP_OK)
        return result;
    value = onnx_input_value(operation, 1, error);
    if (value < 0)
        return value;
    if (loader->values[value].kind != ONNX_CONSTANT)
        return onnx_refuse(operation, error, VBP_ERROR_UNSUPPORTED,
                           "a product of which the right side is computed is not supported");
    value = onnx_input_constant(operation, 1, "right side", error);
    if (value < 0)
        return value;
    rank = loader->values[value].shape.rank;
    if (rank < 1 || rank > 2 || input.rank < 1)
        return onnx_refuse(operation, error, VBP_ERROR_UNSUPPORTED,
                           "its right side has %d axes; a vector or a matrix is supported", rank);
    inputs[1] = dense_weights(operation, value, true, 1, error);
    inputs[0] = inputs[1] < 0 ? inputs[1] : onnx_input_tensor(operation, 0, error);
    if (inputs[0] < 0)
        return inputs[0];
    dense.inputs = inputs;
    if (rank == 2)
        return onnx_emit(operation, &dense, error);
    /* A vector's axis vanishes from the product. */
    part = onnx_emit_part(operation, &dense, error);
    if (part < 0)
        return part;
    flat.inputs = &part;
    flat.reshape.shape = input;
    flat.reshape.shape.rank--;
    return onnx_emit(operation, &flat, error);
}
