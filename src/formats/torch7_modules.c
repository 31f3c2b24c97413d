/* Torch7's containers, and the table of all modules that are known. */
#include "formats/torch7_modules.h"
#include "base/memory.h"

#include <stdio.h>
#include <string.h>

#define MAX_MODULE_DEPTH 32

/* ---- Containers ----------------------------------------------------------------------------- */

static int convert(const struct torch7_module *module, struct torch7_flow *flow, VbpError *error);

static int convert_child(const struct torch7_module *module, const struct torch7_object *object,
                         int position, struct torch7_flow *flow, VbpError *error)
{
    struct torch7_module child = {.builder = module->builder, .object = object};
    int used;

    used = snprintf(child.path, sizeof(child.path), "%s%s%d", module->path,
                    *module->path ? "." : "", position + 1);
    if (used >= (int)sizeof(child.path) || module->builder->depth >= MAX_MODULE_DEPTH)
        return torch7_refuse(module, error, VBP_ERROR_UNSUPPORTED, "nests too deeply");
    return convert(&child, flow, error);
}

static int convert_sequential(const struct torch7_module *module, struct torch7_flow *flow,
                              VbpError *error)
{
    const struct torch7_object **children;
    int count;
    int result = torch7_children(module, &children, &count, error);

    for (int i = 0; i < count && result == VBP_OK; i++)
        result = convert_child(module, children[i], i, flow, error);
    free(children);
    return result;
}

/* Every module gets the same input; the outputs make a table. */
static int convert_concat_table(const struct torch7_module *module, struct torch7_flow *flow,
                                VbpError *error)
{
    const struct torch7_object **children;
    struct torch7_flow outputs = {.is_table = true};
    int count;
    int result = torch7_children(module, &children, &count, error);

    if (result == VBP_OK && (count < 1 || count > TORCH7_MAX_BRANCHES))
        result = torch7_refuse(module, error, VBP_ERROR_UNSUPPORTED, "has %d branches", count);
    for (int i = 0; i < count && result == VBP_OK; i++) {
        struct torch7_flow branch = *flow;

        result = convert_child(module, children[i], i, &branch, error);
        if (result == VBP_OK && branch.is_table)
            result = torch7_refuse(module, error, VBP_ERROR_UNSUPPORTED,
                                   "has a branch that makes a table, which is not supported");
        outputs.tensors[outputs.count++] = branch.tensors[0];
    }
    if (result == VBP_OK)
        *flow = outputs;
    free(children);
    return result;
}

static int convert_concat(const struct torch7_module *module, struct torch7_flow *flow,
                          VbpError *error)
{
    int dimension;
    int result = torch7_whole(module, "dimension", 0, 1, SHAPE_MAX_RANK, &dimension, error);

    if (result == VBP_OK)
        result = convert_concat_table(module, flow, error);
    return result == VBP_OK ? torch7_join(module, dimension, flow, error) : result;
}

/* ---- All of them ---------------------------------------------------------------------------- */

static const struct torch7_kind kinds[] = {
    {"AddConstant", torch7_add_constant, TORCH7_KEEPS_SHAPE, false},
    {"BatchNormalization", torch7_batch_norm, TORCH7_OTHER, false},
    {"CAddTable", torch7_add_table, TORCH7_OTHER, true},
    {"CMulTable", torch7_mul_table, TORCH7_OTHER, true},
    {"Concat", convert_concat, TORCH7_FIRST_CHILD, false},
    {"ConcatTable", convert_concat_table, TORCH7_FIRST_CHILD, false},
    {"Contiguous", torch7_identity, TORCH7_KEEPS_SHAPE, false},
    {"Copy", torch7_identity, TORCH7_KEEPS_SHAPE, false},
    {"Dropout", torch7_dropout, TORCH7_KEEPS_SHAPE, false},
    {"ELU", torch7_elu, TORCH7_KEEPS_SHAPE, false},
    {"HardTanh", torch7_hard_tanh, TORCH7_KEEPS_SHAPE, false},
    {"Identity", torch7_identity, TORCH7_KEEPS_SHAPE, false},
    {"JoinTable", torch7_join_table, TORCH7_OTHER, true},
    {"LeakyReLU", torch7_leaky_relu, TORCH7_KEEPS_SHAPE, false},
    {"Linear", torch7_linear, TORCH7_FEATURES, false},
    {"MulConstant", torch7_mul_constant, TORCH7_KEEPS_SHAPE, false},
    {"ReLU", torch7_relu, TORCH7_KEEPS_SHAPE, false},
    {"ReLU6", torch7_relu6, TORCH7_KEEPS_SHAPE, false},
    {"Reshape", torch7_view, TORCH7_OTHER, false},
    {"Sequential", convert_sequential, TORCH7_FIRST_CHILD, false},
    {"Sigmoid", torch7_sigmoid, TORCH7_KEEPS_SHAPE, false},
    {"SoftPlus", torch7_soft_plus, TORCH7_KEEPS_SHAPE, false},
    {"SpatialAveragePooling", torch7_average_pooling, TORCH7_OTHER, false},
    {"SpatialBatchNormalization", torch7_batch_norm, TORCH7_KEEPS_SHAPE, false},
    {"SpatialConvolution", torch7_convolution, TORCH7_PLANES, false},
    {"SpatialConvolutionMM", torch7_convolution, TORCH7_PLANES, false},
    {"SpatialDilatedConvolution", torch7_convolution, TORCH7_PLANES, false},
    {"SpatialDropout", torch7_dropout, TORCH7_KEEPS_SHAPE, false},
    {"SpatialMaxPooling", torch7_max_pooling, TORCH7_OTHER, false},
    {"Tanh", torch7_tanh, TORCH7_KEEPS_SHAPE, false},
    {"Threshold", torch7_relu, TORCH7_KEEPS_SHAPE, false},
    {"View", torch7_view, TORCH7_OTHER, false},
};

const struct torch7_kind *torch7_find_kind(const struct torch7_object *object)
{
    struct torch7_text name = object->class_name;

    if (name.length > 3 && memcmp(name.bytes, "nn.", 3) == 0) {
        name.bytes += 3;
        name.length -= 3;
    } else if (name.length > 6 && memcmp(name.bytes, "cudnn.", 6) == 0) {
        name.bytes += 6;
        name.length -= 6;
    } else {
        return NULL;
    }
    for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
        if (torch7_text_is(&name, kinds[i].name))
            return &kinds[i];
    }
    return NULL;
}

static int convert(const struct torch7_module *module, struct torch7_flow *flow, VbpError *error)
{
    const struct torch7_kind *kind = torch7_find_kind(module->object);
    int result;

    if (!kind)
        return torch7_refuse(module, error, VBP_ERROR_UNSUPPORTED, "is not supported");
    if (module->builder->module_count++ >= TORCH7_MAX_MODULES)
        return torch7_refuse(module, error, VBP_ERROR_UNSUPPORTED, "comes after %d others",
                             TORCH7_MAX_MODULES);
    /* Containers hand a table on to what is inside them. */
    if (flow->is_table && !kind->takes_table && kind->convert != convert_sequential)
        return torch7_refuse(module, error, VBP_ERROR_UNSUPPORTED,
                             "gets a table of tensors, which is not supported");
    module->builder->depth++;
    result = kind->convert(module, flow, error);
    module->builder->depth--;
    return result;
}

int torch7_translate(const struct torch7_object *root, struct graph *graph, int64_t budget,
                     VbpError *error)
{
    struct torch7_builder builder = {.graph = graph, .budget = budget};
    struct torch7_module module = {.builder = &builder, .object = root};
    struct torch7_flow flow = {.tensors = {graph->input}, .count = 1};
    int result = convert(&module, &flow, error);

    if (result != VBP_OK)
        return result;
    for (int i = 0; i < flow.count && result == VBP_OK; i++) {
        char name[32] = "output";

        if (flow.is_table)
            snprintf(name, sizeof(name), "output_%d", i + 1);
        if (flow.tensors[i] == graph->input)
            return error_set(error, VBP_ERROR_FORMAT, "the network has no layers");
        result = graph_rename_tensor(graph, flow.tensors[i], name, error);
        if (result == VBP_OK)
            result = graph_mark_output(graph, flow.tensors[i], error);
    }
    return result == VBP_OK ? graph_finish(graph, error) : result;
}
