#include "graph/inference.h"

/* Kernels, strides, dilations and paddings of real networks are far below this; products of two of
 * them, and sums with a tensor's extent, stay inside an int. */
#define WINDOW_MAX 4096

static int refuse_shape(VbpError *error, const char *what, const struct shape *shape)
{
    char text[SHAPE_TEXT_SIZE];

    return error_set(error, VBP_ERROR_FORMAT, "%s, not %s", what, shape_text(shape, text));
}

static int check_input_count(const struct node *node, int least, int most, VbpError *error)
{
    if (node->input_count < least || node->input_count > most)
        return error_set(error, VBP_ERROR_FORMAT, "it has %d inputs", node->input_count);
    return VBP_OK;
}

/* Output length along one axis of a sliding window; 0 where the window does not fit. */
static int64_t window_outputs(const struct window *window, int axis, int64_t size, bool ceiling)
{
    int64_t padded = size + window->pad_begin[axis] + window->pad_end[axis];
    int64_t room = padded - window_span(window, axis);
    int64_t stride = window->stride[axis];
    int64_t outputs;

    if (!ceiling)
        return room < 0 ? 0 : room / stride + 1;
    /* Rounded up, the last window may hang over the end; even the only one, if by less than a
     * step. */
    if (room + stride - 1 < 0)
        return 0;
    outputs = (room + stride - 1) / stride + 1;
    /* It counts if it begins before the end padding does. */
    if (outputs > 1 && (outputs - 1) * stride >= size + window->pad_begin[axis])
        outputs--;
    return outputs;
}

static int check_window(const struct window *window, VbpError *error)
{
    for (int axis = 0; axis < 2; axis++) {
        if (window->kernel[axis] < 1 || window->kernel[axis] > WINDOW_MAX ||
            window->stride[axis] < 1 || window->stride[axis] > WINDOW_MAX ||
            window->dilation[axis] < 1 || window->dilation[axis] > WINDOW_MAX)
            return error_set(error, VBP_ERROR_FORMAT, "kernel %d, stride %d, dilation %d",
                             window->kernel[axis], window->stride[axis], window->dilation[axis]);
        if (window->pad_begin[axis] < 0 || window->pad_begin[axis] > WINDOW_MAX ||
            window->pad_end[axis] < 0 || window->pad_end[axis] > WINDOW_MAX)
            return error_set(error, VBP_ERROR_UNSUPPORTED, "padding of %d and %d",
                             window->pad_begin[axis], window->pad_end[axis]);
    }
    return VBP_OK;
}

static int infer_window(const struct window *window, bool ceiling, const struct shape *input,
                        struct shape *output, VbpError *error)
{
    int result = check_window(window, error);

    for (int axis = 0; axis < 2 && result == VBP_OK; axis++) {
        output->extent[2 + axis] = window_outputs(window, axis, input->extent[2 + axis], ceiling);
        if (output->extent[2 + axis] < 1)
            result = error_set(error, VBP_ERROR_FORMAT,
                               "its window of %lld does not fit into the %s of %lld",
                               (long long)window_span(window, axis), axis ? "width" : "height",
                               (long long)input->extent[2 + axis]);
    }
    return result;
}

/* Checks that an input is a constant of the given shape; rank -1: any. */
static int check_constant(const struct graph *graph, int tensor, int rank, int64_t extent,
                          const char *what, VbpError *error)
{
    const struct tensor *constant = &graph->tensors[tensor];

    if (!constant->values)
        return error_set(error, VBP_ERROR_UNSUPPORTED, "its %s are computed, not constant", what);
    if (constant->shape.rank != rank || (rank == 1 && constant->shape.extent[0] != extent)) {
        char text[SHAPE_TEXT_SIZE];

        return error_set(error, VBP_ERROR_FORMAT, "its %s have shape %s", what,
                         shape_text(&constant->shape, text));
    }
    return VBP_OK;
}

/* The most that is put around or cut off a tensor, or that a cell is repeated. */
#define PAD_MAX    (1 << 20)
#define FACTOR_MAX 64

/* The kernels that slide and pool run on one image. */
static int check_image(const struct shape *input, VbpError *error)
{
    if (input->rank != 4)
        return refuse_shape(error, "its input must be batch x channels x height x width", input);
    if (input->extent[0] != 1)
        return error_set(error, VBP_ERROR_UNSUPPORTED,
                         "its input is a batch of %lld; vbp runs one frame at a time",
                         (long long)input->extent[0]);
    return VBP_OK;
}

static int infer_convolution(const struct graph *graph, const struct node *node,
                             struct shape *output, VbpError *error)
{
    const struct shape *input = &graph->tensors[node->inputs[0]].shape;
    const struct window *window = &node->convolution.window;
    const struct shape *weights;
    int groups = node->convolution.groups;
    int result = check_input_count(node, 2, 3, error);

    if (result == VBP_OK)
        result = check_constant(graph, node->inputs[1], 4, 0, "weights", error);
    if (result == VBP_OK)
        result = check_image(input, error);
    if (result != VBP_OK)
        return result;
    weights = &graph->tensors[node->inputs[1]].shape;
    if (groups < 1 || input->extent[1] % groups != 0 || weights->extent[0] % groups != 0 ||
        weights->extent[1] != input->extent[1] / groups) {
        char text[SHAPE_TEXT_SIZE];

        return error_set(error, VBP_ERROR_FORMAT,
                         "its weights of %s do not go with %lld input channels in %d groups",
                         shape_text(weights, text), (long long)input->extent[1], groups);
    }
    if (weights->extent[2] != window->kernel[0] || weights->extent[3] != window->kernel[1])
        return error_set(error, VBP_ERROR_FORMAT,
                         "its weights are for a kernel of %lldx%lld, not %dx%d",
                         (long long)weights->extent[2], (long long)weights->extent[3],
                         window->kernel[0], window->kernel[1]);
    if (node->input_count == 3)
        result = check_constant(graph, node->inputs[2], 1, weights->extent[0], "biases", error);
    if (result != VBP_OK)
        return result;
    *output = *input;
    output->extent[1] = weights->extent[0];
    return infer_window(window, false, input, output, error);
}

/* Output length along one axis of a transposed convolution; < 1 where nothing is left. */
static int64_t transposed_outputs(const struct node *node, int axis, int64_t size)
{
    const struct window *window = &node->convolution.window;

    return (size - 1) * window->stride[axis] + window_span(window, axis) - window->pad_begin[axis] -
           window->pad_end[axis] + node->convolution.extra[axis];
}

static int infer_convolution_transpose(const struct graph *graph, const struct node *node,
                                       struct shape *output, VbpError *error)
{
    const struct shape *input = &graph->tensors[node->inputs[0]].shape;
    const struct window *window = &node->convolution.window;
    const struct shape *weights;
    int groups = node->convolution.groups;
    int result = check_input_count(node, 2, 3, error);

    if (result == VBP_OK)
        result = check_constant(graph, node->inputs[1], 4, 0, "weights", error);
    if (result == VBP_OK)
        result = check_image(input, error);
    if (result == VBP_OK)
        result = check_window(window, error);
    if (result != VBP_OK)
        return result;
    weights = &graph->tensors[node->inputs[1]].shape;
    if (groups < 1 || weights->extent[0] != input->extent[1] || input->extent[1] % groups != 0 ||
        weights->extent[2] != window->kernel[0] || weights->extent[3] != window->kernel[1] ||
        groups > TENSOR_MAX_ELEMENTS / weights->extent[1]) {
        char text[SHAPE_TEXT_SIZE];

        return error_set(error, VBP_ERROR_FORMAT,
                         "its weights of %s do not go with %lld input channels in %d groups",
                         shape_text(weights, text), (long long)input->extent[1], groups);
    }
    *output = *input;
    output->extent[1] = weights->extent[1] * groups;
    if (node->input_count == 3)
        result = check_constant(graph, node->inputs[2], 1, output->extent[1], "biases", error);
    for (int axis = 0; axis < 2 && result == VBP_OK; axis++) {
        int extra = node->convolution.extra[axis];

        output->extent[2 + axis] = transposed_outputs(node, axis, input->extent[2 + axis]);
        if (extra < 0 || extra > WINDOW_MAX)
            result = error_set(error, VBP_ERROR_UNSUPPORTED, "output padding of %d", extra);
        else if (output->extent[2 + axis] < 1)
            result = error_set(error, VBP_ERROR_FORMAT, "its padding leaves nothing of the %s",
                               axis ? "width" : "height");
    }
    return result;
}

static int infer_dense(const struct graph *graph, const struct node *node, struct shape *output,
                       VbpError *error)
{
    const struct shape *input = &graph->tensors[node->inputs[0]].shape;
    const struct shape *weights;
    int result = check_input_count(node, 2, 3, error);

    if (result == VBP_OK)
        result = check_constant(graph, node->inputs[1], 2, 0, "weights", error);
    if (result != VBP_OK)
        return result;
    weights = &graph->tensors[node->inputs[1]].shape;
    if (input->rank < 1 || input->extent[input->rank - 1] != weights->extent[1]) {
        char a[SHAPE_TEXT_SIZE], b[SHAPE_TEXT_SIZE];

        return error_set(error, VBP_ERROR_FORMAT,
                         "its weights of %s (out x in) do not go with an input of %s",
                         shape_text(weights, a), shape_text(input, b));
    }
    if (node->input_count == 3)
        result = check_constant(graph, node->inputs[2], 1, weights->extent[0], "biases", error);
    *output = *input;
    output->extent[input->rank - 1] = weights->extent[0];
    return result;
}

static int infer_batch_norm(const struct graph *graph, const struct node *node,
                            struct shape *output, VbpError *error)
{
    static const char *const what[] = {"", "scales", "shifts", "means", "variances"};
    const struct shape *input = &graph->tensors[node->inputs[0]].shape;
    int result = check_input_count(node, 5, 5, error);

    if (result == VBP_OK && input->rank < 2)
        result = refuse_shape(error, "its input must have channels", input);
    for (int i = 1; i < 5 && result == VBP_OK; i++)
        result = check_constant(graph, node->inputs[i], 1, input->extent[1], what[i], error);
    *output = *input;
    return result;
}

static int infer_affine(const struct graph *graph, const struct node *node, struct shape *output,
                        VbpError *error)
{
    int axis = node->affine.axis;
    int result = check_input_count(node, 3, 3, error);

    *output = graph->tensors[node->inputs[0]].shape;
    if (result == VBP_OK && (axis < -1 || axis >= output->rank))
        result = refuse_shape(error, "its input must have the axis of its factors", output);
    for (int i = 1; i < 3 && result == VBP_OK; i++)
        result = check_constant(graph, node->inputs[i], 1, axis < 0 ? 1 : output->extent[axis],
                                i == 1 ? "factors" : "offsets", error);
    return result;
}

static int infer_pool(const struct graph *graph, const struct node *node, struct shape *output,
                      VbpError *error)
{
    const struct shape *input = &graph->tensors[node->inputs[0]].shape;
    const struct window *window = &node->pool.window;
    int result = check_input_count(node, 1, 1, error);

    if (result == VBP_OK)
        result = check_image(input, error);
    if (result != VBP_OK)
        return result;
    *output = *input;
    result = infer_window(window, node->pool.ceiling, input, output, error);
    for (int axis = 0; axis < 2 && result == VBP_OK; axis++) {
        /* Every window must hold a cell of the input: it begins before the input's end, ends
         * behind its beginning, and does not step over it. */
        if (window->pad_begin[axis] >= window_span(window, axis) ||
            window->pad_end[axis] >= window_span(window, axis))
            result =
                error_set(error, VBP_ERROR_UNSUPPORTED, "its padding is as large as its window");
        else if (window->pad_begin[axis] > 0 && window->dilation[axis] > input->extent[2 + axis])
            result =
                error_set(error, VBP_ERROR_UNSUPPORTED,
                          "its dilation of %d steps over the %s of %lld", window->dilation[axis],
                          axis ? "width" : "height", (long long)input->extent[2 + axis]);
    }
    return result;
}

static int infer_global_pool(const struct graph *graph, const struct node *node,
                             struct shape *output, VbpError *error)
{
    const struct shape *input = &graph->tensors[node->inputs[0]].shape;
    int result = check_input_count(node, 1, 1, error);

    if (result == VBP_OK)
        result = check_image(input, error);
    *output = *input;
    output->extent[2] = output->extent[3] = 1;
    return result;
}

static int infer_binary(const struct graph *graph, const struct node *node, struct shape *output,
                        VbpError *error)
{
    const struct shape *a, *b;
    int result = check_input_count(node, 2, 2, error);

    if (result != VBP_OK)
        return result;
    a = &graph->tensors[node->inputs[0]].shape;
    b = &graph->tensors[node->inputs[1]].shape;
    output->rank = a->rank > b->rank ? a->rank : b->rank;
    for (int i = 1; i <= output->rank; i++) {
        int64_t extent_a = i <= a->rank ? a->extent[a->rank - i] : 1;
        int64_t extent_b = i <= b->rank ? b->extent[b->rank - i] : 1;

        if (extent_a != extent_b && extent_a != 1 && extent_b != 1) {
            char text_a[SHAPE_TEXT_SIZE], text_b[SHAPE_TEXT_SIZE];

            return error_set(error, VBP_ERROR_FORMAT, "shapes %s and %s do not go together",
                             shape_text(a, text_a), shape_text(b, text_b));
        }
        output->extent[output->rank - i] = extent_a > extent_b ? extent_a : extent_b;
    }
    if (node->binary != BINARY_PRELU)
        return VBP_OK;
    if (!shape_equal(output, a))
        return refuse_shape(error, "its slopes do not go with its input", b);
    if (!graph->tensors[node->inputs[1]].values)
        return error_set(error, VBP_ERROR_UNSUPPORTED, "its slopes are computed, not constant");
    return VBP_OK;
}

static int infer_concat(const struct graph *graph, const struct node *node, struct shape *output,
                        VbpError *error)
{
    int axis = node->concat.axis;

    *output = graph->tensors[node->inputs[0]].shape;
    if (axis < 0 || axis >= output->rank)
        return error_set(error, VBP_ERROR_FORMAT, "axis %d of a tensor of rank %d", axis,
                         output->rank);
    for (int i = 1; i < node->input_count; i++) {
        struct shape other = graph->tensors[node->inputs[i]].shape;
        int64_t along = axis < other.rank ? other.extent[axis] : 0;

        if (axis < other.rank)
            other.extent[axis] = output->extent[axis];
        if (!shape_equal(&other, output)) {
            char a[SHAPE_TEXT_SIZE], b[SHAPE_TEXT_SIZE];

            return error_set(error, VBP_ERROR_FORMAT,
                             "its inputs of %s and %s differ not only along axis %d",
                             shape_text(&graph->tensors[node->inputs[0]].shape, a),
                             shape_text(&graph->tensors[node->inputs[i]].shape, b), axis);
        }
        output->extent[axis] += along;
    }
    return VBP_OK;
}

static int infer_reshape(const struct graph *graph, const struct node *node, struct shape *output,
                         VbpError *error)
{
    const struct shape *input = &graph->tensors[node->inputs[0]].shape;
    int result = check_input_count(node, 1, 1, error);

    if (result != VBP_OK)
        return result;
    *output = node->reshape.shape;
    if (output->rank < 0 || output->rank > SHAPE_MAX_RANK)
        return error_set(error, VBP_ERROR_UNSUPPORTED, "a shape of %d axes", output->rank);
    if (shape_elements(output) != shape_elements(input)) {
        char a[SHAPE_TEXT_SIZE], b[SHAPE_TEXT_SIZE];

        return error_set(error, VBP_ERROR_FORMAT, "%s does not hold as many elements as %s",
                         shape_text(output, a), shape_text(input, b));
    }
    return VBP_OK;
}

static int infer_transpose(const struct graph *graph, const struct node *node, struct shape *output,
                           VbpError *error)
{
    const struct shape *input = &graph->tensors[node->inputs[0]].shape;
    unsigned seen = 0;
    int result = check_input_count(node, 1, 1, error);

    if (result != VBP_OK)
        return result;
    output->rank = input->rank;
    for (int i = 0; i < input->rank; i++) {
        int from = node->transpose.permutation[i];

        if (from < 0 || from >= input->rank || seen & 1u << from)
            return error_set(error, VBP_ERROR_FORMAT, "its axes are not a permutation");
        seen |= 1u << from;
        output->extent[i] = input->extent[from];
    }
    return VBP_OK;
}

static int infer_pad(const struct graph *graph, const struct node *node, struct shape *output,
                     VbpError *error)
{
    int result = check_input_count(node, 1, 1, error);

    *output = graph->tensors[node->inputs[0]].shape;
    for (int i = 0; i < output->rank && result == VBP_OK; i++) {
        int64_t begin = node->pad.begin[i], end = node->pad.end[i];

        if (begin < -PAD_MAX || begin > PAD_MAX || end < -PAD_MAX || end > PAD_MAX)
            return error_set(error, VBP_ERROR_UNSUPPORTED, "padding of %lld and %lld",
                             (long long)begin, (long long)end);
        if (output->extent[i] + begin < 1 || output->extent[i] + end < 1 ||
            output->extent[i] + begin + end < 1)
            return error_set(error, VBP_ERROR_FORMAT,
                             "cutting off %lld and %lld leaves nothing of the %lld along axis %d",
                             (long long)-begin, (long long)-end, (long long)output->extent[i], i);
        output->extent[i] += begin + end;
    }
    return result;
}

static int infer_upsample(const struct graph *graph, const struct node *node, struct shape *output,
                          VbpError *error)
{
    int result = check_input_count(node, 1, 1, error);

    *output = graph->tensors[node->inputs[0]].shape;
    if (result == VBP_OK)
        result = check_image(output, error);
    for (int i = 0; i < 2 && result == VBP_OK; i++) {
        if (node->upsample.factor[i] < 1 || node->upsample.factor[i] > FACTOR_MAX)
            return error_set(error, VBP_ERROR_UNSUPPORTED, "a factor of %d",
                             node->upsample.factor[i]);
        output->extent[2 + i] *= node->upsample.factor[i];
    }
    return result;
}

static int infer_resize(const struct graph *graph, const struct node *node, struct shape *output,
                        VbpError *error)
{
    int result = check_input_count(node, 1, 1, error);

    *output = graph->tensors[node->inputs[0]].shape;
    if (result == VBP_OK)
        result = check_image(output, error);
    for (int i = 0; i < 2 && result == VBP_OK; i++) {
        if (node->resize.size[i] < 1)
            return error_set(error, VBP_ERROR_FORMAT, "a size of %d", node->resize.size[i]);
        output->extent[2 + i] = node->resize.size[i];
    }
    return result;
}

static int infer_softmax(const struct graph *graph, const struct node *node, struct shape *output,
                         VbpError *error)
{
    *output = graph->tensors[node->inputs[0]].shape;
    if (node->softmax.axis < 0 || node->softmax.axis >= output->rank)
        return error_set(error, VBP_ERROR_FORMAT, "axis %d of a tensor of rank %d",
                         node->softmax.axis, output->rank);
    return check_input_count(node, 1, 1, error);
}

static int infer_instance_norm(const struct graph *graph, const struct node *node,
                               struct shape *output, VbpError *error)
{
    int axis = node->instance_norm.axis;
    int result = check_input_count(node, 3, 3, error);

    *output = graph->tensors[node->inputs[0]].shape;
    if (result == VBP_OK &&
        (output->rank < 3 || output->extent[0] != 1 || axis < 1 || axis >= output->rank))
        result = refuse_shape(error, "its input must be 1 x channels x picture", output);
    if (result == VBP_OK)
        result = check_constant(graph, node->inputs[1], 1, output->extent[axis], "scales", error);
    if (result == VBP_OK)
        result = check_constant(graph, node->inputs[2], 1, output->extent[axis], "shifts", error);
    return result;
}

int infer_shape(const struct graph *graph, const struct node *node, struct shape *output,
                VbpError *error)
{
    int result = VBP_OK;

    *output = (struct shape){0};
    if (node->input_count < 1)
        return error_set(error, VBP_ERROR_FORMAT, "it has no input");
    switch (node->kind) {
    case NODE_CONVOLUTION:
        result = infer_convolution(graph, node, output, error);
        break;
    case NODE_DENSE:
        result = infer_dense(graph, node, output, error);
        break;
    case NODE_BATCH_NORM:
        result = infer_batch_norm(graph, node, output, error);
        break;
    case NODE_AFFINE:
        result = infer_affine(graph, node, output, error);
        break;
    case NODE_MAX_POOL:
    case NODE_AVERAGE_POOL:
        result = infer_pool(graph, node, output, error);
        break;
    case NODE_GLOBAL_AVERAGE_POOL:
        result = infer_global_pool(graph, node, output, error);
        break;
    case NODE_BINARY:
        result = infer_binary(graph, node, output, error);
        break;
    case NODE_CONCAT:
        result = infer_concat(graph, node, output, error);
        break;
    case NODE_RESHAPE:
        result = infer_reshape(graph, node, output, error);
        break;
    case NODE_TRANSPOSE:
        result = infer_transpose(graph, node, output, error);
        break;
    case NODE_ACTIVATION:
    case NODE_IDENTITY:
        result = check_input_count(node, 1, 1, error);
        *output = graph->tensors[node->inputs[0]].shape;
        break;
    case NODE_PAD:
        result = infer_pad(graph, node, output, error);
        break;
    case NODE_UPSAMPLE:
        result = infer_upsample(graph, node, output, error);
        break;
    case NODE_SOFTMAX:
        result = infer_softmax(graph, node, output, error);
        break;
    case NODE_INSTANCE_NORM:
        result = infer_instance_norm(graph, node, output, error);
        break;
    case NODE_CONVOLUTION_TRANSPOSE:
        result = infer_convolution_transpose(graph, node, output, error);
        break;
    case NODE_RESIZE:
        result = infer_resize(graph, node, output, error);
        break;
    case NODE_KIND_COUNT:
        result = error_set(error, VBP_ERROR_ARGUMENT, "no such kind of node");
        break;
    }
    if (result == VBP_OK && shape_elements(output) < 0) {
        char text[SHAPE_TEXT_SIZE];

        result = error_set(error, VBP_ERROR_UNSUPPORTED, "its output of %s is too large",
                           shape_text(output, text));
    }
    return result;
}
