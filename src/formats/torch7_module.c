/* What the conversions of all Torch7 modules need: fields, constants, nodes. */
#include "base/memory.h"
#include "formats/torch7_modules.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define MAX_CHILDREN 4096

/* Kernels, strides and paddings above this are refused before any arithmetic is done on them. */
#define WINDOW_LIMIT 4096

int torch7_refuse(const struct torch7_module *module, VbpError *error, VbpStatus status,
                  const char *format, ...)
{
    const struct torch7_text *name = &module->object->class_name;
    char text[300];
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(text, sizeof(text), format, arguments);
    va_end(arguments);
    return error_set(error, status, "module %s%s'%.*s' %s", module->path, *module->path ? " " : "",
                     name->length < 80 ? name->length : 80, name->bytes, text);
}

/* ---- Fields --------------------------------------------------------------------------------- */

double torch7_number(const struct torch7_module *module, const char *name, double missing)
{
    struct torch7_value value = torch7_field(module->object, name);

    return value.type == TORCH7_NUMBER ? value.number : missing;
}

bool torch7_flag(const struct torch7_module *module, const char *name, bool missing)
{
    struct torch7_value value = torch7_field(module->object, name);

    return value.type == TORCH7_BOOLEAN ? value.boolean : missing;
}

/* A whole number between least and most; a missing one is `missing`. */
int torch7_whole(const struct torch7_module *module, const char *name, double missing, int least,
                 int most, int *result, VbpError *error)
{
    double value = torch7_number(module, name, missing);

    if (!(value >= least && value <= most) || value != floor(value))
        return torch7_refuse(module, error, VBP_ERROR_FORMAT, "has %s = %g", name, value);
    *result = (int)value;
    return VBP_OK;
}

/* The tensor in a field, NULL where there is none or it is empty. */
const struct torch7_object *torch7_tensor(const struct torch7_module *module, const char *name)
{
    struct torch7_value value = torch7_field(module->object, name);

    return value.type == TORCH7_TENSOR && value.object->tensor.rank > 0 ? value.object : NULL;
}

/* ---- Constants ------------------------------------------------------------------------------ */

/* Copies a tensor's elements out. `count`: how many there have to be. */
int torch7_read_tensor(const struct torch7_module *module, const char *name, int64_t count,
                       float **elements, VbpError *error)
{
    const struct torch7_object *tensor = torch7_tensor(module, name);
    int64_t found = tensor ? torch7_tensor_count(tensor) : 0;

    *elements = NULL;
    if (!tensor)
        return torch7_refuse(module, error, VBP_ERROR_FORMAT, "has no %s", name);
    if (found < 1)
        return torch7_refuse(module, error, VBP_ERROR_FORMAT, "has a damaged tensor: %s", name);
    if (found != count)
        return torch7_refuse(module, error, VBP_ERROR_FORMAT,
                             "has %lld elements in %s instead of %lld", (long long)found, name,
                             (long long)count);
    if (count > module->builder->budget)
        return error_set(error, VBP_ERROR_UNSUPPORTED,
                         "the weights take more memory than a file of this size should need");
    module->builder->budget -= count;
    *elements = memory_array((size_t)count, sizeof(float));
    if (!*elements)
        return error_out_of_memory(error);
    torch7_tensor_read(tensor, *elements);
    return VBP_OK;
}

int torch7_emit_constant(const struct torch7_module *module, const char *name,
                         const struct shape *shape, const float *elements, VbpError *error)
{
    char text[TORCH7_PATH_SIZE + 40];

    snprintf(text, sizeof(text), "%s%s%s", module->path, *module->path ? " " : "", name);
    return graph_add_constant(module->builder->graph, text, shape, elements, error);
}

/* Puts the tensor in field `name` into the graph. */
int torch7_emit_tensor(const struct torch7_module *module, const char *name,
                       const struct shape *shape, VbpError *error)
{
    int64_t count = shape_elements(shape);
    float *elements;
    int result;

    if (count < 1)
        return torch7_refuse(module, error, VBP_ERROR_FORMAT, "has %s of an impossible size", name);
    result = torch7_read_tensor(module, name, count, &elements, error);
    if (result == VBP_OK)
        result = torch7_emit_constant(module, name, shape, elements, error);
    free(elements);
    return result;
}

/* ---- Nodes ---------------------------------------------------------------------------------- */

/* Adds the node; `inputs` of it are set. Its tensor is "PATH CLASS". Returns the tensor. */
int torch7_emit(const struct torch7_module *module, struct node *node, VbpError *error)
{
    char kind[80], name[TORCH7_PATH_SIZE + 80];
    const struct torch7_text *class_name = &module->object->class_name;
    const char *last;

    snprintf(kind, sizeof(kind), "%.*s", class_name->length < 79 ? class_name->length : 79,
             class_name->bytes);
    last = strrchr(kind, '.');
    snprintf(name, sizeof(name), "%s%s%s", module->path, *module->path ? " " : "",
             last ? last + 1 : kind);
    node->name = name;
    node->source_kind = kind;
    return graph_add_node(module->builder->graph, node, name, error);
}

/* A node with one input takes the place of the flow's tensor. */
int torch7_emit_simple(const struct torch7_module *module, struct node *node,
                       struct torch7_flow *flow, VbpError *error)
{
    int input = flow->tensors[0];
    int result;

    node->inputs = &input;
    node->input_count = 1;
    result = torch7_emit(module, node, error);
    if (result < 0)
        return result;
    flow->tensors[0] = result;
    return VBP_OK;
}

const struct shape *torch7_flow_shape(const struct torch7_module *module,
                                      const struct torch7_flow *flow)
{
    return &module->builder->graph->tensors[flow->tensors[0]].shape;
}

/* Reads kW, dW, padW and so on; a missing stride is the kernel's size for pooling, else 1. */
int torch7_read_window(const struct torch7_module *module, bool pooling, struct window *window,
                       VbpError *error)
{
    static const char *const kernel[2] = {"kH", "kW"}, *const stride[2] = {"dH", "dW"},
                             *const pad[2] = {"padH", "padW"},
                             *const dilation[2] = {"dilationH", "dilationW"};
    double old_padding = torch7_number(module, "padding", 0);
    int result = VBP_OK;

    *window = window_make(1, 1);
    for (int axis = 0; axis < 2 && result == VBP_OK; axis++) {
        result =
            torch7_whole(module, kernel[axis], 0, 1, WINDOW_LIMIT, &window->kernel[axis], error);
        if (result == VBP_OK)
            result = torch7_whole(module, stride[axis], pooling ? window->kernel[axis] : 1, 1,
                                  WINDOW_LIMIT, &window->stride[axis], error);
        if (result == VBP_OK)
            result = torch7_whole(module, dilation[axis], 1, 1, WINDOW_LIMIT,
                                  &window->dilation[axis], error);
        if (result == VBP_OK)
            result = torch7_whole(module, pad[axis], old_padding, 0, WINDOW_LIMIT,
                                  &window->pad_begin[axis], error);
        window->pad_end[axis] = window->pad_begin[axis];
    }
    return result;
}

/* ---- Containers ------------------------------------------------------------------------------ */

/* The modules of a container, in order: children[0] .. [*count - 1], to be freed. */
int torch7_children(const struct torch7_module *module, const struct torch7_object ***children,
                    int *count, VbpError *error)
{
    struct torch7_value modules = torch7_field(module->object, "modules");
    const struct torch7_object *table;

    *children = NULL;
    *count = 0;
    if (modules.type != TORCH7_TABLE)
        return torch7_refuse(module, error, VBP_ERROR_FORMAT, "has no table of modules");
    table = modules.object;
    if (table->entry_count > MAX_CHILDREN)
        return torch7_refuse(module, error, VBP_ERROR_UNSUPPORTED, "has %zu modules",
                             table->entry_count);
    *children = memory_array(table->entry_count, sizeof(**children));
    if (!*children)
        return error_out_of_memory(error);
    for (size_t i = 0; i < table->entry_count; i++) {
        const struct torch7_entry *entry = &table->entries[i];
        double position = entry->key.type == TORCH7_NUMBER ? entry->key.number : 0;

        if (!(position >= 1 && position <= (double)table->entry_count) ||
            position != floor(position) || entry->value.type != TORCH7_OBJECT ||
            (*children)[(int)position - 1])
            return torch7_refuse(module, error, VBP_ERROR_FORMAT, "has a damaged table of modules");
        (*children)[(int)position - 1] = entry->value.object;
    }
    *count = (int)table->entry_count;
    return VBP_OK;
}
