/* What each kind of node is in an ONNX file. */
#include "base/memory.h"
#include "formats/onnx_writer.h"

#include <math.h>

#define FIRST_OPSET 13

/* AveragePool learned about dilation here. */
#define DILATED_AVERAGE_OPSET 19

static bool is_dilated(const struct window *window)
{
    return window->dilation[0] != 1 || window->dilation[1] != 1;
}

int onnx_needed_opset(const struct graph *graph)
{
    for (int i = 0; i < graph->node_count; i++) {
        if (graph->nodes[i].kind == NODE_AVERAGE_POOL && is_dilated(&graph->nodes[i].pool.window))
            return DILATED_AVERAGE_OPSET;
    }
    return FIRST_OPSET;
}

/* The node as one operator of the same inputs, without attributes. */
static Onnx__NodeProto *put_same(struct onnx_writer *writer, const struct node *node,
                                 const char *operator)
{
    const char **inputs =
        onnx_arena_array(&writer->arena, (size_t)node->input_count, sizeof(*inputs));

    if (!inputs)
        return NULL;
    for (int i = 0; i < node->input_count; i++)
        inputs[i] = onnx_tensor_name(writer, node->inputs[i]);
    return onnx_put_node(writer, operator, node->name, node->input_count, inputs,
                         onnx_tensor_name(writer, node->output));
}

/*
 * A node with two inputs or one that are known by name. `part` is NULL for the node
 * that makes the output and bears the name, or says which of those before it this is.
 */
static void put_step(struct onnx_writer *writer, const struct node *node, const char *part,
                     const char *operator, int input_count, const char *a, const char *b,
                     const char *output)
{
    const char *const inputs[2] = {a, b};
    const char *name = part ? onnx_join_names(writer, node->name, part) : node->name;

    onnx_put_node(writer, operator, name, input_count, inputs, output);
}

/* ---- Windows -------------------------------------------------------------------------------- */

static void put_window(struct onnx_writer *writer, Onnx__NodeProto *node,
                       const struct window *window, bool dilations)
{
    const int64_t kernel[2] = {window->kernel[0], window->kernel[1]};
    const int64_t stride[2] = {window->stride[0], window->stride[1]};
    const int64_t dilation[2] = {window->dilation[0], window->dilation[1]};
    const int64_t pads[4] = {window->pad_begin[0], window->pad_begin[1], window->pad_end[0],
                             window->pad_end[1]};

    onnx_put_integers(writer, node, "kernel_shape", 2, kernel);
    onnx_put_integers(writer, node, "strides", 2, stride);
    onnx_put_integers(writer, node, "pads", 4, pads);
    if (dilations)
        onnx_put_integers(writer, node, "dilations", 2, dilation);
}

static void put_convolution(struct onnx_writer *writer, const struct node *node)
{
    Onnx__NodeProto *file_node = put_same(writer, node, "Conv");

    put_window(writer, file_node, &node->convolution.window, true);
    onnx_put_integer(writer, file_node, "group", node->convolution.groups);
}

static void put_convolution_transpose(struct onnx_writer *writer, const struct node *node)
{
    const int64_t extra[2] = {node->convolution.extra[0], node->convolution.extra[1]};
    Onnx__NodeProto *file_node = put_same(writer, node, "ConvTranspose");

    put_window(writer, file_node, &node->convolution.window, true);
    onnx_put_integer(writer, file_node, "group", node->convolution.groups);
    onnx_put_integers(writer, file_node, "output_padding", 2, extra);
}

static void put_pool(struct onnx_writer *writer, const struct node *node)
{
    bool average = node->kind == NODE_AVERAGE_POOL;
    Onnx__NodeProto *file_node = put_same(writer, node, average ? "AveragePool" : "MaxPool");

    put_window(writer, file_node, &node->pool.window, !average || is_dilated(&node->pool.window));
    onnx_put_integer(writer, file_node, "ceil_mode", node->pool.ceiling);
    if (average)
        onnx_put_integer(writer, file_node, "count_include_pad", node->pool.include_padding);
}

/* ---- Dense ---------------------------------------------------------------------------------- */

/* [out, in] weights as [in, out], in the arena. */
static const float *transposed(struct onnx_writer *writer, const struct tensor *weights)
{
    int64_t outputs = weights->shape.extent[0], inputs = weights->shape.extent[1];
    float *result =
        onnx_arena_array(&writer->arena, (size_t)outputs * (size_t)inputs, sizeof(*result));

    for (int64_t i = 0; i < inputs && result; i++) {
        for (int64_t o = 0; o < outputs; o++)
            result[i * outputs + o] = weights->values[o * inputs + i];
    }
    return result;
}

/* Gemm takes the weights as they are, but matrices only; MatMul takes data of any rank. */
static void put_dense(struct onnx_writer *writer, const struct node *node)
{
    const struct graph *graph = writer->graph;
    const struct tensor *weights = &graph->tensors[node->inputs[1]];
    const struct shape turned = {.rank = 2,
                                 .extent = {weights->shape.extent[1], weights->shape.extent[0]}};
    const char *output = onnx_tensor_name(writer, node->output);
    const char *data = onnx_tensor_name(writer, node->inputs[0]);
    const char *product, *name;
    const float *values;

    if (graph->tensors[node->inputs[0]].shape.rank == 2) {
        onnx_put_integer(writer, put_same(writer, node, "Gemm"), "transB", 1);
        return;
    }
    values = transposed(writer, weights);
    if (!values)
        return;
    name = onnx_put_floats(writer, weights->name, "transposed", &turned, values);
    if (node->input_count == 2) {
        put_step(writer, node, NULL, "MatMul", 2, data, name, output);
        return;
    }
    product = onnx_part_name(writer, output, "product");
    put_step(writer, node, "product", "MatMul", 2, data, name, product);
    put_step(writer, node, NULL, "Add", 2, product, onnx_tensor_name(writer, node->inputs[2]),
             output);
}

/* ---- Activations ---------------------------------------------------------------------------- */

static void put_clip(struct onnx_writer *writer, const struct node *node)
{
    const char *output = onnx_tensor_name(writer, node->output);
    const char *const inputs[3] = {onnx_tensor_name(writer, node->inputs[0]),
                                   onnx_put_scalar(writer, output, "min", node->activation.alpha),
                                   onnx_put_scalar(writer, output, "max", node->activation.beta)};

    onnx_put_node(writer, "Clip", node->name, 3, inputs, output);
}

static void put_silu(struct onnx_writer *writer, const struct node *node)
{
    const char *data = onnx_tensor_name(writer, node->inputs[0]);
    const char *output = onnx_tensor_name(writer, node->output);
    const char *sigmoid = onnx_part_name(writer, output, "sigmoid");

    put_step(writer, node, "sigmoid", "Sigmoid", 1, data, NULL, sigmoid);
    put_step(writer, node, NULL, "Mul", 2, data, sigmoid, output);
}

/*
 * GELU became an operator in opset 20; as its formula every runtime knows it:
 *
 *     x ──┬──> Div sqrt 2 ──> Erf ──> Add 1 ──> Mul ──> Mul 0.5
 *         '───────────────────────────────────────^
 */
static void put_gelu(struct onnx_writer *writer, const struct node *node)
{
    const char *data = onnx_tensor_name(writer, node->inputs[0]);
    const char *output = onnx_tensor_name(writer, node->output);
    const char *scaled = onnx_part_name(writer, output, "scaled");
    const char *erf = onnx_part_name(writer, output, "erf");
    const char *sum = onnx_part_name(writer, output, "sum");
    const char *product = onnx_part_name(writer, output, "product");
    const char *root = onnx_put_scalar(writer, output, "root_of_two", (float)M_SQRT2);
    const char *one = onnx_put_scalar(writer, output, "one", 1);
    const char *half = onnx_put_scalar(writer, output, "half", 0.5f);

    put_step(writer, node, "scaled", "Div", 2, data, root, scaled);
    put_step(writer, node, "erf", "Erf", 1, scaled, NULL, erf);
    put_step(writer, node, "sum", "Add", 2, erf, one, sum);
    put_step(writer, node, "product", "Mul", 2, data, sum, product);
    put_step(writer, node, NULL, "Mul", 2, product, half, output);
}

static int put_activation(struct onnx_writer *writer, const struct node *node, VbpError *error)
{
    static const char *const names[ACTIVATION_COUNT] = {
        [ACTIVATION_RELU] = "Relu",         [ACTIVATION_CLIP] = "Clip",
        [ACTIVATION_ELU] = "Elu",           [ACTIVATION_LEAKY_RELU] = "LeakyRelu",
        [ACTIVATION_SELU] = "Selu",         [ACTIVATION_SOFTPLUS] = "Softplus",
        [ACTIVATION_SIGMOID] = "Sigmoid",   [ACTIVATION_TANH] = "Tanh",
        [ACTIVATION_ATAN] = "Atan",         [ACTIVATION_THRESHOLD] = "ThresholdedRelu",
        [ACTIVATION_SOFTSIGN] = "Softsign", [ACTIVATION_EXPONENTIAL] = "Exp"};
    enum activation function = node->activation.function;
    Onnx__NodeProto *file_node;

    if (function == ACTIVATION_CLIP) {
        put_clip(writer, node);
        return VBP_OK;
    }
    if (function == ACTIVATION_SILU) {
        put_silu(writer, node);
        return VBP_OK;
    }
    if (function == ACTIVATION_GELU) {
        put_gelu(writer, node);
        return VBP_OK;
    }
    if ((unsigned)function >= ACTIVATION_COUNT)
        return error_set(error, VBP_ERROR_ARGUMENT, "node '%s' has an unknown function",
                         node->name);
    file_node = put_same(writer, node, names[function]);
    if (function == ACTIVATION_ELU || function == ACTIVATION_LEAKY_RELU ||
        function == ACTIVATION_SELU || function == ACTIVATION_THRESHOLD)
        onnx_put_float(writer, file_node, "alpha", node->activation.alpha);
    if (function == ACTIVATION_SELU)
        onnx_put_float(writer, file_node, "gamma", node->activation.beta);
    return VBP_OK;
}

/* ---- What rearranges ------------------------------------------------------------------------ */

static void put_reshape(struct onnx_writer *writer, const struct node *node)
{
    const char *output = onnx_tensor_name(writer, node->output);

    put_step(writer, node, NULL, "Reshape", 2, onnx_tensor_name(writer, node->inputs[0]),
             onnx_put_shape(writer, output, &node->reshape.shape), output);
}

static void put_transpose(struct onnx_writer *writer, const struct node *node)
{
    int rank = writer->graph->tensors[node->output].shape.rank;
    int64_t permutation[SHAPE_MAX_RANK];

    for (int i = 0; i < rank; i++)
        permutation[i] = node->transpose.permutation[i];
    onnx_put_integers(writer, put_same(writer, node, "Transpose"), "perm", rank, permutation);
}

/* Cuts are Slices; Pad can only add where runtimes differ on negative numbers. */
static void put_pad(struct onnx_writer *writer, const struct node *node)
{
    const struct shape *shape = &writer->graph->tensors[node->inputs[0]].shape;
    const char *output = onnx_tensor_name(writer, node->output);
    const char *data = onnx_tensor_name(writer, node->inputs[0]);
    int64_t starts[SHAPE_MAX_RANK], ends[SHAPE_MAX_RANK], pads[2 * SHAPE_MAX_RANK];
    bool cuts = false, adds = false;
    const char *cut;

    for (int i = 0; i < shape->rank; i++) {
        int64_t begin = node->pad.begin[i], end = node->pad.end[i];

        starts[i] = begin < 0 ? -begin : 0;
        ends[i] = shape->extent[i] + (end < 0 ? end : 0);
        pads[i] = begin > 0 ? begin : 0;
        pads[shape->rank + i] = end > 0 ? end : 0;
        cuts = cuts || begin < 0 || end < 0;
        adds = adds || begin > 0 || end > 0;
    }
    cut = !cuts ? data : adds ? onnx_part_name(writer, output, "cut") : output;
    if (cuts) {
        const char *const inputs[3] = {
            data, onnx_put_whole(writer, output, "starts", shape->rank, starts),
            onnx_put_whole(writer, output, "ends", shape->rank, ends)};

        onnx_put_node(writer, "Slice",
                      adds ? onnx_join_names(writer, node->name, "cut") : node->name, 3, inputs,
                      cut);
    }
    if (adds || !cuts)
        put_step(writer, node, NULL, "Pad", 2, cut,
                 onnx_put_whole(writer, output, "pads", 2 * shape->rank, pads), output);
}

static void put_upsample(struct onnx_writer *writer, const struct node *node)
{
    const struct shape four = {.rank = 1, .extent = {4}};
    const char *output = onnx_tensor_name(writer, node->output);
    float *scales = onnx_arena_array(&writer->arena, 4, sizeof(*scales));
    Onnx__NodeProto *file_node;

    if (!scales)
        return;
    scales[0] = scales[1] = 1;
    scales[2] = (float)node->upsample.factor[0];
    scales[3] = (float)node->upsample.factor[1];
    /* The second input, regions, is left out. */
    const char *const inputs[3] = {onnx_tensor_name(writer, node->inputs[0]), "",
                                   onnx_put_floats(writer, output, "scales", &four, scales)};
    file_node = onnx_put_node(writer, "Resize", node->name, 3, inputs, output);
    onnx_put_text(writer, file_node, "mode", "nearest");
    onnx_put_text(writer, file_node, "coordinate_transformation_mode", "asymmetric");
    onnx_put_text(writer, file_node, "nearest_mode", "floor");
}

static void put_resize(struct onnx_writer *writer, const struct node *node)
{
    static const char *const grids[] = {
        [GRID_CENTRES] = "half_pixel", [GRID_FIRST] = "asymmetric", [GRID_ENDS] = "align_corners"};
    static const char *const functions[] = {[INTERPOLATE_FLOOR] = "floor",
                                            [INTERPOLATE_CEILING] = "ceil",
                                            [INTERPOLATE_ROUND_DOWN] = "round_prefer_floor",
                                            [INTERPOLATE_ROUND_UP] = "round_prefer_ceil"};
    const struct interpolation *interpolation = &node->resize.interpolation;
    const struct shape *shape = &writer->graph->tensors[node->output].shape;
    const char *output = onnx_tensor_name(writer, node->output);
    /* The second and third input, regions and factors, are left out. */
    const char *const inputs[4] = {onnx_tensor_name(writer, node->inputs[0]), "", "",
                                   onnx_put_whole(writer, output, "sizes", 4, shape->extent)};
    Onnx__NodeProto *file_node = onnx_put_node(writer, "Resize", node->name, 4, inputs, output);
    bool linear = interpolation->function == INTERPOLATE_LINEAR;

    onnx_put_text(writer, file_node, "mode", linear ? "linear" : "nearest");
    onnx_put_text(writer, file_node, "coordinate_transformation_mode", grids[interpolation->grid]);
    if (!linear)
        onnx_put_text(writer, file_node, "nearest_mode", functions[interpolation->function]);
}

/* ---- All kinds ------------------------------------------------------------------------------ */

static const char *binary_operator(enum binary function)
{
    switch (function) {
    case BINARY_ADD:
        return "Add";
    case BINARY_SUBTRACT:
        return "Sub";
    case BINARY_MULTIPLY:
        return "Mul";
    case BINARY_DIVIDE:
        break;
    case BINARY_MAXIMUM:
        return "Max";
    case BINARY_MINIMUM:
        return "Min";
    case BINARY_PRELU:
        return "PRelu";
    }
    return "Div";
}

int onnx_put_graph_node(struct onnx_writer *writer, const struct node *node, VbpError *error)
{
    switch (node->kind) {
    case NODE_CONVOLUTION:
        put_convolution(writer, node);
        return VBP_OK;
    case NODE_DENSE:
        put_dense(writer, node);
        return VBP_OK;
    case NODE_BATCH_NORM:
        onnx_put_float(writer, put_same(writer, node, "BatchNormalization"), "epsilon",
                       node->batch_norm.epsilon);
        return VBP_OK;
    case NODE_ACTIVATION:
        return put_activation(writer, node, error);
    case NODE_MAX_POOL:
    case NODE_AVERAGE_POOL:
        put_pool(writer, node);
        return VBP_OK;
    case NODE_GLOBAL_AVERAGE_POOL:
        put_same(writer, node, "GlobalAveragePool");
        return VBP_OK;
    case NODE_BINARY:
        put_same(writer, node, binary_operator(node->binary));
        return VBP_OK;
    case NODE_CONCAT:
        onnx_put_integer(writer, put_same(writer, node, "Concat"), "axis", node->concat.axis);
        return VBP_OK;
    case NODE_RESHAPE:
        put_reshape(writer, node);
        return VBP_OK;
    case NODE_TRANSPOSE:
        put_transpose(writer, node);
        return VBP_OK;
    case NODE_PAD:
        put_pad(writer, node);
        return VBP_OK;
    case NODE_UPSAMPLE:
        put_upsample(writer, node);
        return VBP_OK;
    case NODE_SOFTMAX:
        onnx_put_integer(writer,
                         put_same(writer, node, node->softmax.logarithm ? "LogSoftmax" : "Softmax"),
                         "axis", node->softmax.axis);
        return VBP_OK;
    case NODE_CONVOLUTION_TRANSPOSE:
        put_convolution_transpose(writer, node);
        return VBP_OK;
    case NODE_RESIZE:
        put_resize(writer, node);
        return VBP_OK;
    case NODE_INSTANCE_NORM:
        onnx_put_float(writer, put_same(writer, node, "InstanceNormalization"), "epsilon",
                       node->instance_norm.epsilon);
        return VBP_OK;
    case NODE_IDENTITY:
        put_same(writer, node, "Identity");
        return VBP_OK;
    case NODE_AFFINE: /* no file has it, nor then the graph as it was read */
    case NODE_KIND_COUNT:
        break;
    }
    return error_set(error, VBP_ERROR_ARGUMENT, "node '%s' is of an unknown kind", node->name);
}
