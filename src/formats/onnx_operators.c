/* The operators of ONNX that vbp knows, one row each. */
#include "base/memory.h"
#include "formats/onnx_loader.h"

#include <string.h>

struct onnx_operator {
    const char *name;
    int least_inputs, most_inputs; /* most -1: any number */
    onnx_handler *handler;
    const char *attributes; /* those that are read or change nothing, with a blank behind each */
};

/* momentum matters in training only; storage_order in the refused second output only. */
static const struct onnx_operator operators[] = {
    {"Add", 2, 2, onnx_add, ""},
    {"Atan", 1, 1, onnx_atan, ""},
    {"AveragePool", 1, 1, onnx_average_pool,
     "auto_pad ceil_mode count_include_pad dilations kernel_shape pads strides "},
    {"BatchNormalization", 5, 5, onnx_batch_normalization,
     "epsilon momentum spatial training_mode "},
    {"Cast", 1, 1, onnx_cast, "to saturate "},
    {"Ceil", 1, 1, onnx_ceil, ""},
    {"Clip", 1, 3, onnx_clip, "min max "},
    {"Concat", 1, -1, onnx_concat, "axis "},
    {"Constant", 0, 0, onnx_constant, "value value_float value_floats value_int value_ints "},
    {"ConstantOfShape", 1, 1, onnx_constant_of_shape, "value "},
    {"Conv", 2, 3, onnx_conv, "auto_pad dilations group kernel_shape pads strides "},
    {"ConvTranspose", 2, 3, onnx_conv_transpose,
     "auto_pad dilations group kernel_shape output_padding output_shape pads strides "},
    {"Div", 2, 2, onnx_div, ""},
    {"Dropout", 1, 3, onnx_dropout, "ratio seed "},
    {"Elu", 1, 1, onnx_elu, "alpha "},
    {"Equal", 2, 2, onnx_equal, ""},
    {"Erf", 1, 1, onnx_erf, ""},
    {"Exp", 1, 1, onnx_exp, ""},
    {"Expand", 2, 2, onnx_expand, ""},
    {"Flatten", 1, 1, onnx_flatten, "axis "},
    {"Floor", 1, 1, onnx_floor, ""},
    {"Gather", 2, 2, onnx_gather, "axis "},
    {"Gelu", 1, 1, onnx_gelu, "approximate "},
    {"Gemm", 2, 3, onnx_gemm, "alpha beta transA transB "},
    {"GlobalAveragePool", 1, 1, onnx_global_average_pool, ""},
    {"GlobalMaxPool", 1, 1, onnx_global_max_pool, ""},
    {"HardSigmoid", 1, 1, onnx_hard_sigmoid, "alpha beta "},
    {"HardSwish", 1, 1, onnx_hard_swish, ""},
    {"Identity", 1, 1, onnx_identity, ""},
    {"InstanceNormalization", 3, 3, onnx_instance_normalization, "epsilon "},
    {"LeakyRelu", 1, 1, onnx_leaky_relu, "alpha "},
    {"LogSoftmax", 1, 1, onnx_log_softmax, "axis "},
    {"MatMul", 2, 2, onnx_matmul, ""},
    {"Max", 1, -1, onnx_max, ""},
    {"MaxPool", 1, 1, onnx_max_pool,
     "auto_pad ceil_mode dilations kernel_shape pads storage_order strides "},
    {"Mean", 1, -1, onnx_mean, ""},
    {"Min", 1, -1, onnx_min, ""},
    {"Mish", 1, 1, onnx_mish, ""},
    {"Mul", 2, 2, onnx_mul, ""},
    {"Neg", 1, 1, onnx_neg, ""},
    {"PRelu", 2, 2, onnx_prelu, ""},
    {"Pad", 1, 4, onnx_pad, "mode pads value "},
    {"ReduceMax", 1, 2, onnx_reduce_max, "axes keepdims noop_with_empty_axes "},
    {"ReduceMean", 1, 2, onnx_reduce_mean, "axes keepdims noop_with_empty_axes "},
    {"Relu", 1, 1, onnx_relu, ""},
    {"Reshape", 2, 2, onnx_reshape, "allowzero "},
    {"Resize", 2, 4, onnx_resize,
     "antialias coordinate_transformation_mode cubic_coeff_a exclude_outside extrapolation_value "
     "mode nearest_mode "},
    {"Selu", 1, 1, onnx_selu, "alpha gamma "},
    {"Shape", 1, 1, onnx_shape, "start end "},
    {"Sigmoid", 1, 1, onnx_sigmoid, ""},
    {"Slice", 1, 5, onnx_slice, "starts ends axes steps "},
    {"Softmax", 1, 1, onnx_softmax, "axis "},
    {"Softplus", 1, 1, onnx_softplus, ""},
    {"Softsign", 1, 1, onnx_softsign, ""},
    {"Split", 1, 2, onnx_split, "axis num_outputs split "},
    {"Sqrt", 1, 1, onnx_sqrt, ""},
    {"Squeeze", 1, 2, onnx_squeeze, "axes "},
    {"Sub", 2, 2, onnx_sub, ""},
    {"Sum", 1, -1, onnx_sum, ""},
    {"Tanh", 1, 1, onnx_tanh, ""},
    {"ThresholdedRelu", 1, 1, onnx_thresholded_relu, "alpha "},
    {"Transpose", 1, 1, onnx_transpose, "perm "},
    {"Unsqueeze", 1, 2, onnx_unsqueeze, "axes "},
    {"Upsample", 1, 2, onnx_upsample, "mode scales "},
    {"Where", 3, 3, onnx_where, ""},
};

static const struct onnx_operator *find_operator(const char *name)
{
    for (size_t i = 0; i < sizeof(operators) / sizeof(operators[0]); i++) {
        if (strcmp(operators[i].name, name) == 0)
            return &operators[i];
    }
    return NULL;
}

/* True where the list "one two " has the word. */
static bool list_has(const char *list, const char *word)
{
    size_t length = strlen(word);

    for (const char *entry = list; *entry; entry = strchr(entry, ' ') + 1) {
        if (strncmp(entry, word, length) == 0 && entry[length] == ' ')
            return true;
    }
    return false;
}

int onnx_translate(struct onnx_loader *loader, const Onnx__NodeProto *node, VbpError *error)
{
    struct onnx_operation operation = {.loader = loader, .node = node};
    const char *domain = onnx_text(node->domain);
    const struct onnx_operator *entry;
    size_t inputs = node->n_input;

    operation.kind = onnx_text(node->op_type);
    operation.name = *onnx_text(node->name) ? node->name : operation.kind;
    entry = find_operator(operation.kind);
    if (*domain && strcmp(domain, "ai.onnx") != 0)
        return error_set(error, VBP_ERROR_UNSUPPORTED,
                         "operator '%s' of the domain '%s' (node '%s') is not supported",
                         operation.kind, domain, operation.name);
    if (!entry)
        return error_set(error, VBP_ERROR_UNSUPPORTED,
                         "operator '%s' (node '%s', opset %d) is not supported", operation.kind,
                         operation.name, loader->opset);
    if (inputs < (size_t)entry->least_inputs ||
        (entry->most_inputs >= 0 && inputs > (size_t)entry->most_inputs))
        return onnx_refuse(&operation, error, VBP_ERROR_FORMAT, "it has %zu inputs", inputs);
    if (node->n_output < 1 || !node->output[0][0])
        return onnx_refuse(&operation, error, VBP_ERROR_FORMAT, "it has no output");
    for (size_t i = 0; i < node->n_attribute; i++) {
        const char *attribute = onnx_text(node->attribute[i]->name);

        if (!list_has(entry->attributes, attribute))
            return onnx_refuse(&operation, error, VBP_ERROR_UNSUPPORTED,
                               "attribute '%s' is not supported", attribute);
        if (*onnx_text(node->attribute[i]->ref_attr_name))
            return onnx_refuse(&operation, error, VBP_ERROR_UNSUPPORTED,
                               "attribute '%s' refers to a function", attribute);
    }
    return entry->handler(&operation, error);
}
