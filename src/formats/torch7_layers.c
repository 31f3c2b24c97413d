/* Torch7's layers, each as one node or a few. */
#include "base/memory.h"
#include "formats/torch7_modules.h"

#include <float.h>
#include <math.h>
#include <string.h>

/* ---- Layers with weights -------------------------------------------------------------------- */

int torch7_convolution(const struct torch7_module *module, struct torch7_flow *flow,
                       VbpError *error)
{
    struct node node = {.kind = NODE_CONVOLUTION, .input_count = 2};
    struct window *window = &node.convolution.window;
    struct shape shape = {.rank = 4};
    int inputs[3] = {flow->tensors[0], -1, -1};
    int planes[2], groups;
    int result = torch7_read_window(module, false, window, error);

    if (result == VBP_OK)
        result = torch7_whole(module, "nInputPlane", 0, 1, 1 << 20, &planes[0], error);
    if (result == VBP_OK)
        result = torch7_whole(module, "nOutputPlane", 0, 1, 1 << 20, &planes[1], error);
    if (result == VBP_OK)
        result = torch7_whole(module, "groups", 1, 1, 1 << 20, &groups, error);
    if (result != VBP_OK)
        return result;
    /* The file has [out, in * kh * kw], or [out, in / groups, kh, kw]: the same order. */
    node.convolution.groups = groups;
    shape.extent[0] = planes[1];
    shape.extent[1] = planes[0] / groups;
    shape.extent[2] = window->kernel[0];
    shape.extent[3] = window->kernel[1];
    inputs[1] = torch7_emit_tensor(module, "weight", &shape, error);
    if (inputs[1] < 0)
        return inputs[1];
    if (torch7_tensor(module, "bias")) {
        shape = (struct shape){.rank = 1, .extent = {planes[1]}};
        inputs[2] = torch7_emit_tensor(module, "bias", &shape, error);
        if (inputs[2] < 0)
            return inputs[2];
        node.input_count = 3;
    }
    node.inputs = inputs;
    result = torch7_emit(module, &node, error);
    flow->tensors[0] = result;
    return result < 0 ? result : VBP_OK;
}

int torch7_linear(const struct torch7_module *module, struct torch7_flow *flow, VbpError *error)
{
    struct node node = {.kind = NODE_DENSE, .input_count = 2};
    const struct torch7_object *weight = torch7_tensor(module, "weight");
    struct shape shape = {.rank = 2};
    int inputs[3] = {flow->tensors[0], -1, -1};
    int result;

    if (!weight || weight->tensor.rank != 2)
        return torch7_refuse(module, error, VBP_ERROR_FORMAT, "has no matrix of weights");
    shape.extent[0] = weight->tensor.size[0];
    shape.extent[1] = weight->tensor.size[1];
    inputs[1] = torch7_emit_tensor(module, "weight", &shape, error);
    if (inputs[1] < 0)
        return inputs[1];
    if (torch7_tensor(module, "bias")) {
        shape.rank = 1;
        inputs[2] = torch7_emit_tensor(module, "bias", &shape, error);
        if (inputs[2] < 0)
            return inputs[2];
        node.input_count = 3;
    }
    node.inputs = inputs;
    result = torch7_emit(module, &node, error);
    flow->tensors[0] = result;
    return result < 0 ? result : VBP_OK;
}

/* Elements of an optional tensor, or else all the same number. */
static int tensor_or_fill(const struct torch7_module *module, const char *name, float fill,
                          int64_t count, float **elements, VbpError *error)
{
    if (torch7_tensor(module, name))
        return torch7_read_tensor(module, name, count, elements, error);
    *elements = memory_array((size_t)count, sizeof(float));
    if (!*elements)
        return error_out_of_memory(error);
    for (int64_t i = 0; i < count; i++)
        (*elements)[i] = fill;
    return VBP_OK;
}

/*
 * Old files have running_std instead of running_var, and in it 1 / sqrt(variance + eps). Squared
 * and inverted that is the variance with the epsilon in it, so the node's own epsilon is 0; taking
 * eps away again would lose all digits where the variance is small.
 */
static int read_variance(const struct torch7_module *module, int64_t count, float **variance,
                         float *epsilon, VbpError *error)
{
    int result;

    *epsilon = (float)torch7_number(module, "eps", 1e-5);
    if (torch7_tensor(module, "running_var"))
        return torch7_read_tensor(module, "running_var", count, variance, error);
    result = torch7_read_tensor(module, "running_std", count, variance, error);
    if (result != VBP_OK)
        return result;
    *epsilon = 0;
    for (int64_t i = 0; i < count; i++) {
        double inverse = (*variance)[i];

        if (!(inverse > 1e-18 && inverse < 1e18))
            return torch7_refuse(module, error, VBP_ERROR_FORMAT, "has running_std of %g", inverse);
        (*variance)[i] = (float)(1 / (inverse * inverse));
    }
    return VBP_OK;
}

int torch7_batch_norm(const struct torch7_module *module, struct torch7_flow *flow, VbpError *error)
{
    static const char *const names[4] = {"weight", "bias", "running_mean", "running_var"};
    struct node node = {.kind = NODE_BATCH_NORM, .input_count = 5};
    const struct torch7_object *mean = torch7_tensor(module, "running_mean");
    float *elements[4] = {NULL, NULL, NULL, NULL};
    int inputs[5] = {flow->tensors[0], -1, -1, -1, -1};
    struct shape shape = {.rank = 1};
    int64_t count;
    int result;

    if (!mean)
        return torch7_refuse(module, error, VBP_ERROR_FORMAT, "has no running_mean");
    count = torch7_tensor_count(mean);
    if (count < 1)
        return torch7_refuse(module, error, VBP_ERROR_FORMAT, "has a damaged tensor: running_mean");
    shape.extent[0] = count;
    result = tensor_or_fill(module, names[0], 1, count, &elements[0], error);
    if (result == VBP_OK)
        result = tensor_or_fill(module, names[1], 0, count, &elements[1], error);
    if (result == VBP_OK)
        result = torch7_read_tensor(module, names[2], count, &elements[2], error);
    if (result == VBP_OK)
        result = read_variance(module, count, &elements[3], &node.batch_norm.epsilon, error);
    for (int i = 0; i < 4 && result >= 0; i++)
        result = inputs[1 + i] = torch7_emit_constant(module, names[i], &shape, elements[i], error);
    if (result >= 0) {
        node.inputs = inputs;
        result = torch7_emit(module, &node, error);
        flow->tensors[0] = result;
    }
    for (int i = 0; i < 4; i++)
        free(elements[i]);
    return result < 0 ? result : VBP_OK;
}

/* ---- Layers without weights ----------------------------------------------------------------- */

static int add_activation(const struct torch7_module *module, enum activation function,
                          double alpha, double beta, struct torch7_flow *flow, VbpError *error)
{
    struct node node = {.kind = NODE_ACTIVATION,
                        .activation = {function, (float)alpha, (float)beta}};

    return torch7_emit_simple(module, &node, flow, error);
}

int torch7_relu(const struct torch7_module *module, struct torch7_flow *flow, VbpError *error)
{
    if (torch7_number(module, "threshold", 0) != 0 || torch7_number(module, "val", 0) != 0)
        return torch7_refuse(module, error, VBP_ERROR_UNSUPPORTED, "has a threshold other than 0");
    return add_activation(module, ACTIVATION_RELU, 0, 0, flow, error);
}

int torch7_relu6(const struct torch7_module *module, struct torch7_flow *flow, VbpError *error)
{
    return add_activation(module, ACTIVATION_CLIP, 0, 6, flow, error);
}

int torch7_hard_tanh(const struct torch7_module *module, struct torch7_flow *flow, VbpError *error)
{
    double least = torch7_number(module, "min_val", -1), most = torch7_number(module, "max_val", 1);

    if (!(least >= (double)-FLT_MAX && least <= most && most <= (double)FLT_MAX))
        return torch7_refuse(module, error, VBP_ERROR_FORMAT, "has bounds of %g and %g", least,
                             most);
    return add_activation(module, ACTIVATION_CLIP, least, most, flow, error);
}

int torch7_elu(const struct torch7_module *module, struct torch7_flow *flow, VbpError *error)
{
    return add_activation(module, ACTIVATION_ELU, torch7_number(module, "alpha", 1), 0, flow,
                          error);
}

int torch7_leaky_relu(const struct torch7_module *module, struct torch7_flow *flow, VbpError *error)
{
    return add_activation(module, ACTIVATION_LEAKY_RELU, torch7_number(module, "negval", 0.01), 0,
                          flow, error);
}

int torch7_soft_plus(const struct torch7_module *module, struct torch7_flow *flow, VbpError *error)
{
    if (torch7_number(module, "beta", 1) != 1)
        return torch7_refuse(module, error, VBP_ERROR_UNSUPPORTED, "has a beta other than 1");
    return add_activation(module, ACTIVATION_SOFTPLUS, 0, 0, flow, error);
}

int torch7_tanh(const struct torch7_module *module, struct torch7_flow *flow, VbpError *error)
{
    return add_activation(module, ACTIVATION_TANH, 0, 0, flow, error);
}

int torch7_sigmoid(const struct torch7_module *module, struct torch7_flow *flow, VbpError *error)
{
    return add_activation(module, ACTIVATION_SIGMOID, 0, 0, flow, error);
}

int torch7_max_pooling(const struct torch7_module *module, struct torch7_flow *flow,
                       VbpError *error)
{
    struct node node = {.kind = NODE_MAX_POOL};
    int result = torch7_read_window(module, true, &node.pool.window, error);

    if (result != VBP_OK)
        return result;
    node.pool.ceiling = torch7_flag(module, "ceil_mode", false);
    return torch7_emit_simple(module, &node, flow, error);
}

int torch7_average_pooling(const struct torch7_module *module, struct torch7_flow *flow,
                           VbpError *error)
{
    struct node node = {.kind = NODE_AVERAGE_POOL};
    int result = torch7_read_window(module, true, &node.pool.window, error);

    if (result != VBP_OK)
        return result;
    if (!torch7_flag(module, "divide", true))
        return torch7_refuse(module, error, VBP_ERROR_UNSUPPORTED, "adds up instead of averaging");
    node.pool.ceiling = torch7_flag(module, "ceil_mode", false);
    node.pool.include_padding = torch7_flag(module, "count_include_pad", true);
    return torch7_emit_simple(module, &node, flow, error);
}

int torch7_identity(const struct torch7_module *module, struct torch7_flow *flow, VbpError *error)
{
    struct node node = {.kind = NODE_IDENTITY};

    return torch7_emit_simple(module, &node, flow, error);
}

/* Combines the tensor with one number. */
static int add_scalar(const struct torch7_module *module, enum binary function, double number,
                      struct torch7_flow *flow, VbpError *error)
{
    struct node node = {.kind = NODE_BINARY, .input_count = 2, .binary = function};
    struct shape scalar = {.rank = 0};
    int inputs[2] = {flow->tensors[0], -1};
    float element;
    int result;

    if (!(fabs(number) <= (double)FLT_MAX))
        return torch7_refuse(module, error, VBP_ERROR_FORMAT, "has a factor of %g", number);
    element = (float)number;
    result = inputs[1] = torch7_emit_constant(module, "number", &scalar, &element, error);
    if (result >= 0) {
        node.inputs = inputs;
        result = flow->tensors[0] = torch7_emit(module, &node, error);
    }
    return result < 0 ? result : VBP_OK;
}

int torch7_add_constant(const struct torch7_module *module, struct torch7_flow *flow,
                        VbpError *error)
{
    return add_scalar(module, BINARY_ADD, torch7_number(module, "constant_scalar", 0), flow, error);
}

int torch7_mul_constant(const struct torch7_module *module, struct torch7_flow *flow,
                        VbpError *error)
{
    return add_scalar(module, BINARY_MULTIPLY, torch7_number(module, "constant_scalar", 1), flow,
                      error);
}

/* Dropout of the first version scales when it does not drop; the second one scales in training. */
int torch7_dropout(const struct torch7_module *module, struct torch7_flow *flow, VbpError *error)
{
    double dropped = torch7_number(module, "p", 0.5);

    if (torch7_flag(module, "v2", false) || dropped == 0)
        return torch7_identity(module, flow, error);
    return add_scalar(module, BINARY_MULTIPLY, 1 - dropped, flow, error);
}

/*
 * View and Reshape: a batch of one frame in the given sizes. The sizes may or may not name the
 * batch, and one of them may be -1.
 */
int torch7_view(const struct torch7_module *module, struct torch7_flow *flow, VbpError *error)
{
    struct node node = {.kind = NODE_RESHAPE};
    struct torch7_value size = torch7_field(module->object, "size");
    struct shape *shape = &node.reshape.shape;
    int64_t total = shape_elements(torch7_flow_shape(module, flow)), known = 1;
    int open = -1;

    if (size.type != TORCH7_STORAGE || size.object->storage.count < 1 ||
        size.object->storage.count > SHAPE_MAX_RANK - 1)
        return torch7_refuse(module, error, VBP_ERROR_UNSUPPORTED, "has no sizes that can be used");
    for (int64_t i = 0; i < size.object->storage.count; i++) {
        double extent = torch7_element(size.object, i);

        if (extent == -1 && open < 0) {
            open = shape->rank;
            extent = 1;
        }
        if (!(extent >= 1 && extent <= (double)(TENSOR_MAX_ELEMENTS / known)))
            return torch7_refuse(module, error, VBP_ERROR_FORMAT, "has a size of %g", extent);
        known *= (int64_t)extent;
        shape->extent[shape->rank++] = (int64_t)extent;
    }
    if (open >= 0 && total % known == 0)
        shape->extent[open] = total / known;
    /* Three sizes are a picture's; a 1 before one or three of them is the batch. */
    if (shape->rank == 1 || shape->rank == 3 || shape->extent[0] != 1) {
        memmove(shape->extent + 1, shape->extent, (size_t)shape->rank * sizeof(*shape->extent));
        shape->extent[0] = 1;
        shape->rank++;
    }
    return torch7_emit_simple(module, &node, flow, error);
}

/* ---- Tables of tensors ---------------------------------------------------------------------- */

static int table_sum(const struct torch7_module *module, enum binary function,
                     struct torch7_flow *flow, VbpError *error)
{
    if (!flow->is_table || flow->count < 2)
        return torch7_refuse(module, error, VBP_ERROR_UNSUPPORTED,
                             "does not get a table of tensors");
    for (int i = 1; i < flow->count; i++) {
        struct node node = {.kind = NODE_BINARY, .input_count = 2, .binary = function};
        int inputs[2] = {flow->tensors[0], flow->tensors[i]};

        node.inputs = inputs;
        flow->tensors[0] = torch7_emit(module, &node, error);
        if (flow->tensors[0] < 0)
            return flow->tensors[0];
    }
    flow->count = 1;
    flow->is_table = false;
    return VBP_OK;
}

int torch7_add_table(const struct torch7_module *module, struct torch7_flow *flow, VbpError *error)
{
    return table_sum(module, BINARY_ADD, flow, error);
}

int torch7_mul_table(const struct torch7_module *module, struct torch7_flow *flow, VbpError *error)
{
    return table_sum(module, BINARY_MULTIPLY, flow, error);
}

/* Joins the flow's tensors along an axis of the batch's tensor, counted from 1. */
int torch7_join(const struct torch7_module *module, int dimension, struct torch7_flow *flow,
                VbpError *error)
{
    struct node node = {.kind = NODE_CONCAT,
                        .inputs = flow->tensors,
                        .input_count = flow->count,
                        .concat.axis = dimension - 1};
    int result = torch7_emit(module, &node, error);

    if (result < 0)
        return result;
    *flow = (struct torch7_flow){.tensors = {result}, .count = 1};
    return VBP_OK;
}

int torch7_join_table(const struct torch7_module *module, struct torch7_flow *flow, VbpError *error)
{
    int dimension, rank = torch7_flow_shape(module, flow)->rank, sample_rank;
    int result = torch7_whole(module, "dimension", 0, 1, SHAPE_MAX_RANK, &dimension, error);

    if (result == VBP_OK)
        result = torch7_whole(module, "nInputDims", 0, 0, SHAPE_MAX_RANK, &sample_rank, error);
    if (result != VBP_OK)
        return result;
    /* nInputDims: the dimension was counted without the batch. */
    return torch7_join(module,
                       sample_rank > 0 && rank == sample_rank + 1 ? dimension + 1 : dimension, flow,
                       error);
}
