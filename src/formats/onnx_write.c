/* ONNX files that are written: memory, the parts of a file, and the file around them. */
#include "base/memory.h"
#include "formats/onnx_writer.h"

#include <stdio.h>
#include <string.h>

#define TEXT_OF(x)                        #x
#define VERSION_TEXT(major, minor, patch) TEXT_OF(major) "." TEXT_OF(minor) "." TEXT_OF(patch)

/* Field values of protobuf messages are not const, but packing only reads them. */
#define UNCHANGED(text) ((char *)(const void *)(text))

/* ---- Memory --------------------------------------------------------------------------------- */

struct onnx_arena_block {
    struct onnx_arena_block *before;
    _Alignas(max_align_t) unsigned char bytes[];
};

void *onnx_arena_array(struct onnx_arena *arena, size_t count, size_t size)
{
    struct onnx_arena_block *block = NULL;
    size_t bytes;

    if (size_multiply(count, size, &bytes) && bytes <= SIZE_MAX - sizeof(*block))
        block = memory_array(1, sizeof(*block) + bytes);
    if (!block) {
        arena->exhausted = true;
        return NULL;
    }
    block->before = arena->last;
    arena->last = block;
    return block->bytes;
}

void onnx_arena_free(struct onnx_arena *arena)
{
    while (arena->last) {
        struct onnx_arena_block *before = arena->last->before;

        free(arena->last);
        arena->last = before;
    }
}

/* ---- Nodes and attributes ------------------------------------------------------------------- */

Onnx__NodeProto *onnx_put_node(struct onnx_writer *writer, const char *operator, const char * name,
                               int input_count, const char *const *inputs, const char *output)
{
    struct onnx_arena *arena = &writer->arena;
    Onnx__NodeProto *node = onnx_arena_array(arena, 1, sizeof(*node));
    char **names = onnx_arena_array(arena, (size_t)input_count + 1, sizeof(*names));
    Onnx__AttributeProto **attributes =
        onnx_arena_array(arena, ONNX_NODE_ATTRIBUTES, sizeof(*attributes));

    name = onnx_names_take(&writer->nodes, arena, name, operator);
    if (!node || !names || !attributes || !name || !output)
        return NULL;
    for (int i = 0; i < input_count; i++) {
        if (!inputs[i])
            return NULL;
        names[i] = UNCHANGED(inputs[i]);
    }
    names[input_count] = UNCHANGED(output);
    onnx__node_proto__init(node);
    node->op_type = UNCHANGED(operator);
    node->name = UNCHANGED(name);
    node->input = names;
    node->n_input = (size_t)input_count;
    node->output = names + input_count;
    node->n_output = 1;
    node->attribute = attributes;
    writer->file.node[writer->file.n_node++] = node;
    return node;
}

/* Adds an attribute of that type without its value. */
static Onnx__AttributeProto *put_attribute(struct onnx_writer *writer, Onnx__NodeProto *node,
                                           const char *name,
                                           Onnx__AttributeProto__AttributeType type)
{
    Onnx__AttributeProto *attribute;

    if (!node)
        return NULL;
    attribute = onnx_arena_array(&writer->arena, 1, sizeof(*attribute));
    if (!attribute)
        return NULL;
    onnx__attribute_proto__init(attribute);
    attribute->name = UNCHANGED(name);
    attribute->has_type = true;
    attribute->type = type;
    node->attribute[node->n_attribute++] = attribute;
    return attribute;
}

void onnx_put_integer(struct onnx_writer *writer, Onnx__NodeProto *node, const char *name,
                      int64_t value)
{
    Onnx__AttributeProto *attribute =
        put_attribute(writer, node, name, ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__INT);

    if (attribute) {
        attribute->has_i = true;
        attribute->i = value;
    }
}

void onnx_put_float(struct onnx_writer *writer, Onnx__NodeProto *node, const char *name,
                    float value)
{
    Onnx__AttributeProto *attribute =
        put_attribute(writer, node, name, ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__FLOAT);

    if (attribute) {
        attribute->has_f = true;
        attribute->f = value;
    }
}

void onnx_put_integers(struct onnx_writer *writer, Onnx__NodeProto *node, const char *name,
                       int count, const int64_t *values)
{
    Onnx__AttributeProto *attribute =
        put_attribute(writer, node, name, ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__INTS);
    int64_t *copy = onnx_arena_array(&writer->arena, (size_t)count, sizeof(*copy));

    if (!attribute || !copy)
        return;
    memcpy(copy, values, (size_t)count * sizeof(*copy));
    attribute->ints = copy;
    attribute->n_ints = (size_t)count;
}

void onnx_put_text(struct onnx_writer *writer, Onnx__NodeProto *node, const char *name,
                   const char *text)
{
    Onnx__AttributeProto *attribute =
        put_attribute(writer, node, name, ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__STRING);

    if (attribute) {
        attribute->has_s = true;
        attribute->s.data = (uint8_t *)UNCHANGED(text);
        attribute->s.len = strlen(text);
    }
}

/* ---- Constants ------------------------------------------------------------------------------ */

const char *onnx_join_names(struct onnx_writer *writer, const char *base, const char *suffix)
{
    size_t size;
    char *text;

    if (!base)
        return NULL;
    if (!*base)
        return suffix;
    size = strlen(base) + strlen(suffix) + 2;
    text = onnx_arena_array(&writer->arena, size, 1);
    if (text)
        snprintf(text, size, "%s.%s", base, suffix);
    return text;
}

const char *onnx_part_name(struct onnx_writer *writer, const char *base, const char *suffix)
{
    const char *text = onnx_join_names(writer, base, suffix);

    return text ? onnx_names_take(&writer->values, &writer->arena, text, suffix) : NULL;
}

/* Adds a constant of a name that is taken already, with raw little-endian elements. */
static void put_constant(struct onnx_writer *writer, const char *name, int32_t type, int rank,
                         const int64_t *extents, const void *elements, size_t bytes)
{
    Onnx__TensorProto *tensor = onnx_arena_array(&writer->arena, 1, sizeof(*tensor));
    int64_t *dims = onnx_arena_array(&writer->arena, (size_t)rank, sizeof(*dims));

    if (!tensor || !dims || !name)
        return;
    onnx__tensor_proto__init(tensor);
    for (int i = 0; i < rank; i++)
        dims[i] = extents[i];
    tensor->name = UNCHANGED(name);
    tensor->dims = dims;
    tensor->n_dims = (size_t)rank;
    tensor->has_data_type = true;
    tensor->data_type = type;
    tensor->has_raw_data = true;
    tensor->raw_data.data = (uint8_t *)elements;
    tensor->raw_data.len = bytes;
    writer->file.initializer[writer->file.n_initializer++] = tensor;
}

static void put_float_constant(struct onnx_writer *writer, const char *name,
                               const struct shape *shape, const float *elements)
{
    put_constant(writer, name, ONNX__TENSOR_PROTO__DATA_TYPE__FLOAT, shape->rank, shape->extent,
                 elements, (size_t)shape_elements(shape) * sizeof(float));
}

const char *onnx_put_floats(struct onnx_writer *writer, const char *base, const char *suffix,
                            const struct shape *shape, const float *elements)
{
    const char *name = onnx_part_name(writer, base, suffix);

    put_float_constant(writer, name, shape, elements);
    return name;
}

const char *onnx_put_scalar(struct onnx_writer *writer, const char *base, const char *suffix,
                            float element)
{
    const struct shape scalar = {.rank = 0};
    float *copy = onnx_arena_array(&writer->arena, 1, sizeof(*copy));

    if (!copy)
        return NULL;
    *copy = element;
    return onnx_put_floats(writer, base, suffix, &scalar, copy);
}

const char *onnx_put_whole(struct onnx_writer *writer, const char *base, const char *suffix,
                           int count, const int64_t *elements)
{
    const char *name = onnx_part_name(writer, base, suffix);
    int64_t *copy = onnx_arena_array(&writer->arena, (size_t)count, sizeof(*copy));
    const int64_t length = count;

    if (!copy)
        return NULL;
    memcpy(copy, elements, (size_t)count * sizeof(*copy));
    put_constant(writer, name, ONNX__TENSOR_PROTO__DATA_TYPE__INT64, 1, &length, copy,
                 (size_t)count * sizeof(*copy));
    return name;
}

const char *onnx_put_shape(struct onnx_writer *writer, const char *base, const struct shape *shape)
{
    const char *name = onnx_part_name(writer, base, "shape");
    const int64_t count = shape->rank;

    put_constant(writer, name, ONNX__TENSOR_PROTO__DATA_TYPE__INT64, 1, &count, shape->extent,
                 (size_t)shape->rank * sizeof(shape->extent[0]));
    return name;
}

const char *onnx_tensor_name(struct onnx_writer *writer, int tensor)
{
    const struct tensor *source = &writer->graph->tensors[tensor];

    if (!writer->tensor_names[tensor]) {
        writer->tensor_names[tensor] =
            onnx_names_take(&writer->values, &writer->arena, source->name, "tensor");
        if (source->values)
            put_float_constant(writer, writer->tensor_names[tensor], &source->shape,
                               source->values);
    }
    return writer->tensor_names[tensor];
}

/* ---- The file ------------------------------------------------------------------------------- */

static Onnx__ValueInfoProto *make_value_info(struct onnx_writer *writer, int tensor)
{
    const struct shape *shape = &writer->graph->tensors[tensor].shape;
    struct onnx_arena *arena = &writer->arena;
    size_t rank = (size_t)shape->rank;
    const char *name = onnx_tensor_name(writer, tensor);
    Onnx__ValueInfoProto *info = onnx_arena_array(arena, 1, sizeof(*info));
    Onnx__TypeProto *type = onnx_arena_array(arena, 1, sizeof(*type));
    Onnx__TypeProto__Tensor *tensor_type = onnx_arena_array(arena, 1, sizeof(*tensor_type));
    Onnx__TensorShapeProto *dims = onnx_arena_array(arena, 1, sizeof(*dims));
    Onnx__TensorShapeProto__Dimension **dim = onnx_arena_array(arena, rank, sizeof(*dim));

    if (!name || !info || !type || !tensor_type || !dims || !dim)
        return NULL;
    onnx__value_info_proto__init(info);
    onnx__type_proto__init(type);
    onnx__type_proto__tensor__init(tensor_type);
    onnx__tensor_shape_proto__init(dims);
    for (size_t i = 0; i < rank; i++) {
        dim[i] = onnx_arena_array(arena, 1, sizeof(*dim[i]));
        if (!dim[i])
            return NULL;
        onnx__tensor_shape_proto__dimension__init(dim[i]);
        dim[i]->value_case = ONNX__TENSOR_SHAPE_PROTO__DIMENSION__VALUE_DIM_VALUE;
        dim[i]->dim_value = shape->extent[i];
    }
    dims->dim = dim;
    dims->n_dim = rank;
    tensor_type->has_elem_type = true;
    tensor_type->elem_type = ONNX__TENSOR_PROTO__DATA_TYPE__FLOAT;
    tensor_type->shape = dims;
    type->value_case = ONNX__TYPE_PROTO__VALUE_TENSOR_TYPE;
    type->tensor_type = tensor_type;
    info->name = UNCHANGED(name);
    info->type = type;
    return info;
}

/* Input and outputs take their names first, so that they are the ones that keep them. */
static void put_ends(struct onnx_writer *writer)
{
    const struct graph *graph = writer->graph;

    writer->file.input[0] = make_value_info(writer, graph->input);
    writer->file.n_input = 1;
    for (int i = 0; i < graph->output_count; i++)
        writer->file.output[i] = make_value_info(writer, graph->outputs[i]);
    writer->file.n_output = (size_t)graph->output_count;
}

/* The lists of the file, long enough for whatever the nodes become. */
static int make_lists(struct onnx_writer *writer, VbpError *error)
{
    const struct graph *graph = writer->graph;
    size_t nodes = (size_t)graph->node_count * ONNX_NODES_PER_NODE;
    size_t constants = (size_t)graph->node_count * ONNX_CONSTANTS_PER_NODE;
    struct onnx_arena *arena = &writer->arena;

    for (int i = 0; i < graph->node_count; i++)
        constants += (size_t)graph->nodes[i].input_count;
    writer->tensor_names =
        onnx_arena_array(arena, (size_t)graph->tensor_count, sizeof(*writer->tensor_names));
    writer->file.node = onnx_arena_array(arena, nodes, sizeof(*writer->file.node));
    writer->file.initializer =
        onnx_arena_array(arena, constants, sizeof(*writer->file.initializer));
    writer->file.input = onnx_arena_array(arena, 1, sizeof(*writer->file.input));
    writer->file.output =
        onnx_arena_array(arena, (size_t)graph->output_count, sizeof(*writer->file.output));
    return arena->exhausted ? error_out_of_memory(error) : VBP_OK;
}

static int check_graph(const struct graph *graph, VbpError *error)
{
    if (!graph->first_reader)
        return error_set(error, VBP_ERROR_ARGUMENT, "the graph to write is not finished");
    for (int i = 0; i < graph->output_count; i++) {
        for (int j = 0; j < i; j++) {
            if (graph->outputs[i] == graph->outputs[j])
                return error_set(error, VBP_ERROR_UNSUPPORTED,
                                 "output '%s' is there twice, which ONNX cannot say",
                                 graph->tensors[graph->outputs[i]].name);
        }
    }
    return VBP_OK;
}

static int pack(const struct onnx_writer *writer, const char *card_json, unsigned char **bytes,
                size_t *length, VbpError *error)
{
    Onnx__StringStringEntryProto card = ONNX__STRING_STRING_ENTRY_PROTO__INIT;
    Onnx__OperatorSetIdProto opset = ONNX__OPERATOR_SET_ID_PROTO__INIT;
    Onnx__StringStringEntryProto *metadata[] = {&card};
    Onnx__OperatorSetIdProto *opsets[] = {&opset};
    Onnx__ModelProto model = ONNX__MODEL_PROTO__INIT;
    size_t size;

    opset.domain = UNCHANGED("");
    opset.has_version = true;
    opset.version = writer->opset;
    model.opset_import = opsets;
    model.n_opset_import = 1;
    model.has_ir_version = true;
    model.ir_version = writer->opset > 18 ? 9 : 8;
    model.producer_name = UNCHANGED("vbp");
    model.producer_version =
        UNCHANGED(VERSION_TEXT(VBP_VERSION_MAJOR, VBP_VERSION_MINOR, VBP_VERSION_PATCH));
    model.graph = (Onnx__GraphProto *)&writer->file;
    if (card_json) {
        card.key = UNCHANGED("vbp.card");
        card.value = UNCHANGED(card_json);
        model.metadata_props = metadata;
        model.n_metadata_props = 1;
    }
    size = onnx__model_proto__get_packed_size(&model);
    if (size > MODEL_MAX_BYTES)
        return error_set(error, VBP_ERROR_UNSUPPORTED,
                         "the file would have %zu bytes; those above %zu cannot be read back", size,
                         MODEL_MAX_BYTES);
    *bytes = memory_array(size, 1);
    if (!*bytes)
        return error_out_of_memory(error);
    *length = onnx__model_proto__pack(&model, *bytes);
    return VBP_OK;
}

int onnx_write(const struct graph *graph, const char *card_json, unsigned char **bytes,
               size_t *length, VbpError *error)
{
    struct onnx_writer writer = {.graph = graph};
    int result;

    *bytes = NULL;
    *length = 0;
    onnx__graph_proto__init(&writer.file);
    writer.file.name = UNCHANGED("network");
    result = check_graph(graph, error);
    if (result == VBP_OK)
        result = onnx_names_create(&writer.values, error);
    if (result == VBP_OK)
        result = onnx_names_create(&writer.nodes, error);
    if (result == VBP_OK)
        result = make_lists(&writer, error);
    if (result != VBP_OK)
        goto done;
    writer.opset = onnx_needed_opset(graph);
    put_ends(&writer);
    for (int i = 0; i < graph->node_count && result == VBP_OK; i++)
        result = onnx_put_graph_node(&writer, &graph->nodes[i], error);
    if (result == VBP_OK && writer.arena.exhausted)
        result = error_out_of_memory(error);
    if (result == VBP_OK)
        result = pack(&writer, card_json, bytes, length, error);
done:
    onnx_names_free(&writer.values);
    onnx_names_free(&writer.nodes);
    onnx_arena_free(&writer.arena);
    return result;
}
