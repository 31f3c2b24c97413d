/* Reading the inputs and attributes of an ONNX node, and adding what it becomes to the graph. */
#include "base/memory.h"
#include "formats/onnx_loader.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

int onnx_refuse(const struct onnx_operation *operation, VbpError *error, VbpStatus status,
                const char *format, ...)
{
    char text[400];
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(text, sizeof(text), format, arguments);
    va_end(arguments);
    return error_set(error, status, "node '%s' (%s): %s", operation->name, operation->kind, text);
}

/* ---- Inputs --------------------------------------------------------------------------------- */

bool onnx_has_input(const struct onnx_operation *operation, size_t input)
{
    return input < operation->node->n_input && operation->node->input[input][0];
}

int onnx_input_value(const struct onnx_operation *operation, size_t input, VbpError *error)
{
    const struct onnx_loader *loader = operation->loader;
    const char *name;
    int value;

    if (!onnx_has_input(operation, input))
        return onnx_refuse(operation, error, VBP_ERROR_FORMAT, "input %zu is missing", input);
    name = operation->node->input[input];
    value = onnx_value_find(loader, name);
    if (value < 0)
        return onnx_refuse(operation, error, VBP_ERROR_FORMAT,
                           "its input '%s' is not made by anything before it", name);
    if (loader->values[value].kind == ONNX_REFUSED)
        return onnx_refuse(operation, error, VBP_ERROR_UNSUPPORTED, "its input '%s' is %s", name,
                           loader->values[value].reason);
    return value;
}

int onnx_input_tensor(const struct onnx_operation *operation, size_t input, VbpError *error)
{
    struct onnx_loader *loader = operation->loader;
    int value = onnx_input_value(operation, input, error);

    if (value < 0)
        return value;
    if (loader->values[value].kind == ONNX_CONSTANT && loader->values[value].integer)
        return onnx_refuse(operation, error, VBP_ERROR_UNSUPPORTED,
                           "its input '%s' holds integers, not floats", loader->values[value].name);
    value = onnx_value_tensor(loader, value, error);
    if (value < 0)
        error_prefix(error, "node '%s' (%s): ", operation->name, operation->kind);
    return value;
}

int onnx_input_constant(const struct onnx_operation *operation, size_t input, const char *what,
                        VbpError *error)
{
    struct onnx_loader *loader = operation->loader;
    int value = onnx_input_value(operation, input, error);

    if (value < 0)
        return value;
    if (loader->values[value].kind != ONNX_CONSTANT)
        return onnx_refuse(operation, error, VBP_ERROR_UNSUPPORTED,
                           "its %s ('%s') is computed by the network; only constants are supported",
                           what, loader->values[value].name);
    if (loader->values[value].integer)
        return onnx_refuse(operation, error, VBP_ERROR_FORMAT, "its %s ('%s') holds integers", what,
                           loader->values[value].name);
    return value;
}

int onnx_input_integers(const struct onnx_operation *operation, size_t input, const char *what,
                        const int64_t **elements, int64_t *count, VbpError *error)
{
    struct onnx_loader *loader = operation->loader;
    int index = onnx_input_value(operation, input, error);
    const struct onnx_value *value;

    if (index < 0)
        return index;
    value = &loader->values[index];
    if (value->kind != ONNX_CONSTANT)
        return onnx_refuse(operation, error, VBP_ERROR_UNSUPPORTED,
                           "its %s ('%s') is computed by the network; only constants are supported",
                           what, value->name);
    if (!value->integer || value->shape.rank > 1)
        return onnx_refuse(operation, error, VBP_ERROR_FORMAT,
                           "its %s ('%s') is not a list of integers", what, value->name);
    *elements = onnx_value_integers(loader, index);
    *count = value->count;
    return VBP_OK;
}

int onnx_input_shape(const struct onnx_operation *operation, size_t input, struct shape *shape,
                     VbpError *error)
{
    const struct onnx_loader *loader = operation->loader;
    int value = onnx_input_value(operation, input, error);

    if (value < 0)
        return value;
    *shape = loader->values[value].kind == ONNX_CONSTANT
                 ? loader->values[value].shape
                 : loader->graph->tensors[loader->values[value].tensor].shape;
    return VBP_OK;
}

bool onnx_all_constant(const struct onnx_operation *operation)
{
    const struct onnx_loader *loader = operation->loader;
    bool any = false;

    for (size_t i = 0; i < operation->node->n_input; i++) {
        int value;

        if (!onnx_has_input(operation, i))
            continue;
        value = onnx_value_find(loader, operation->node->input[i]);
        if (value < 0 || loader->values[value].kind != ONNX_CONSTANT)
            return false;
        any = true;
    }
    return any;
}

/* ---- Attributes ----------------------------------------------------------------------------- */

const Onnx__AttributeProto *onnx_attribute(const struct onnx_operation *operation, const char *name)
{
    for (size_t i = 0; i < operation->node->n_attribute; i++) {
        if (strcmp(onnx_text(operation->node->attribute[i]->name), name) == 0)
            return operation->node->attribute[i];
    }
    return NULL;
}

/*
 * The attribute, NULL where it is missing (VBP_OK) or not of that type. Files of the first versions
 * do not state types; `given` tells whether the field of the type is there at all.
 */
static int find_typed(const struct onnx_operation *operation, const char *name,
                      Onnx__AttributeProto__AttributeType type, const char *type_name,
                      const Onnx__AttributeProto **attribute, VbpError *error)
{
    const Onnx__AttributeProto *found = onnx_attribute(operation, name);

    *attribute = NULL;
    if (found && found->has_type && found->type != type)
        return onnx_refuse(operation, error, VBP_ERROR_FORMAT, "attribute '%s' is not %s", name,
                           type_name);
    *attribute = found;
    return VBP_OK;
}

int onnx_attribute_integer(const struct onnx_operation *operation, const char *name, int64_t *value,
                           VbpError *error)
{
    const Onnx__AttributeProto *attribute;
    int result = find_typed(operation, name, ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__INT,
                            "an integer", &attribute, error);

    if (attribute)
        *value = attribute->i;
    return result;
}

int onnx_attribute_flag(const struct onnx_operation *operation, const char *name, bool *value,
                        VbpError *error)
{
    int64_t number = *value;
    int result = onnx_attribute_integer(operation, name, &number, error);

    *value = number != 0;
    return result;
}

int onnx_attribute_float(const struct onnx_operation *operation, const char *name, float *value,
                         VbpError *error)
{
    const Onnx__AttributeProto *attribute;
    int result = find_typed(operation, name, ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__FLOAT,
                            "a number", &attribute, error);

    if (!attribute)
        return result;
    if (isnan(attribute->f))
        return onnx_refuse(operation, error, VBP_ERROR_FORMAT, "attribute '%s' is not a number",
                           name);
    *value = attribute->f;
    return VBP_OK;
}

int onnx_attribute_integers(const struct onnx_operation *operation, const char *name,
                            const int64_t **values, int64_t *count, VbpError *error)
{
    const Onnx__AttributeProto *attribute;
    int result = find_typed(operation, name, ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__INTS,
                            "a list of integers", &attribute, error);

    if (attribute) {
        *values = attribute->ints;
        *count = (int64_t)attribute->n_ints;
    }
    return result;
}

int onnx_axis(const struct onnx_operation *operation, int64_t axis, int rank, int *result,
              VbpError *error)
{
    if (axis < -rank || axis >= rank)
        return onnx_refuse(operation, error, VBP_ERROR_FORMAT, "axis %lld of a tensor of rank %d",
                           (long long)axis, rank);
    *result = (int)(axis < 0 ? axis + rank : axis);
    return VBP_OK;
}

/* ---- Outputs -------------------------------------------------------------------------------- */

int onnx_emit_part(const struct onnx_operation *operation, struct node *node, VbpError *error)
{
    node->name = (char *)operation->name;
    node->source_kind = (char *)operation->kind;
    return graph_add_node(operation->loader->graph, node, NULL, error);
}

int onnx_emit(const struct onnx_operation *operation, struct node *node, VbpError *error)
{
    struct onnx_loader *loader = operation->loader;
    const char *output = operation->node->output[operation->output];
    int value = onnx_value_add(loader, output, ONNX_COMPUTED, error);
    int tensor;

    if (value < 0) {
        error_prefix(error, "node '%s' (%s): ", operation->name, operation->kind);
        return value;
    }
    node->name = (char *)operation->name;
    node->source_kind = (char *)operation->kind;
    tensor = graph_add_node(loader->graph, node, output, error);
    if (tensor < 0)
        return tensor;
    loader->values[value].tensor = tensor;
    return VBP_OK;
}

/* The node and its two inputs. */
static int number_node(const struct onnx_operation *operation, enum binary function, int a,
                       float number, struct node *node, int *inputs, VbpError *error)
{
    const struct shape scalar = {.rank = 0};

    inputs[0] = a;
    inputs[1] = graph_add_constant(operation->loader->graph, NULL, &scalar, &number, error);
    *node =
        (struct node){.kind = NODE_BINARY, .inputs = inputs, .input_count = 2, .binary = function};
    return inputs[1];
}

int onnx_emit_number_part(const struct onnx_operation *operation, enum binary function, int a,
                          float number, VbpError *error)
{
    struct node node;
    int inputs[2];
    int result = number_node(operation, function, a, number, &node, inputs, error);

    return result < 0 ? result : onnx_emit_part(operation, &node, error);
}

int onnx_emit_number(const struct onnx_operation *operation, enum binary function, int a,
                     float number, VbpError *error)
{
    struct node node;
    int inputs[2];
    int result = number_node(operation, function, a, number, &node, inputs, error);

    return result < 0 ? result : onnx_emit(operation, &node, error);
}

int onnx_emit_view(const struct onnx_operation *operation, int value, const struct shape *shape,
                   VbpError *error)
{
    struct onnx_loader *loader = operation->loader;
    int elements = loader->values[value].elements;
    bool integer = loader->values[value].integer;
    int64_t count = loader->values[value].count;
    struct shape copy = *shape;
    const char *output = operation->node->output[operation->output];
    int view = onnx_value_add(loader, output, ONNX_CONSTANT, error);

    if (view < 0) {
        error_prefix(error, "node '%s' (%s): ", operation->name, operation->kind);
        return view;
    }
    loader->values[view].shape = copy;
    loader->values[view].count = count;
    loader->values[view].integer = integer;
    loader->values[view].elements = elements;
    return VBP_OK;
}

int onnx_emit_constant(const struct onnx_operation *operation, const struct shape *shape,
                       float *floats, int64_t *whole, VbpError *error)
{
    const char *output = operation->node->output[operation->output];
    int result = onnx_value_add_constant(operation->loader, output, shape, floats, whole, error);

    return result < 0 ? error_prefix(error, "node '%s' (%s): ", operation->name, operation->kind)
                      : VBP_OK;
}

int onnx_refuse_output(const struct onnx_operation *operation, size_t output, const char *reason,
                       VbpError *error)
{
    int value;

    if (output >= operation->node->n_output || !operation->node->output[output][0])
        return VBP_OK;
    value = onnx_value_add(operation->loader, operation->node->output[output], ONNX_REFUSED, error);
    if (value < 0)
        return value;
    operation->loader->values[value].reason = reason;
    return VBP_OK;
}
