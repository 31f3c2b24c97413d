#include "support/onnx_builder.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void *must(void *block)
{
    if (!block) {
        fprintf(stderr, "out of memory\n");
        abort();
    }
    return block;
}

void *onnx_builder_allocate(struct onnx_builder *builder, size_t size)
{
    void *block = must(calloc(1, size ? size : 1));

    builder->blocks =
        must(realloc(builder->blocks, (builder->block_count + 1) * sizeof(*builder->blocks)));
    builder->blocks[builder->block_count++] = block;
    return block;
}

static char *copy_text(struct onnx_builder *builder, const char *text)
{
    return strcpy(onnx_builder_allocate(builder, strlen(text) + 1), text);
}

/* A pointer array with one more entry, which is `entry`. */
static void *append(struct onnx_builder *builder, void *array, size_t *count, void *entry)
{
    void **grown = onnx_builder_allocate(builder, (*count + 1) * sizeof(*grown));

    if (*count)
        memcpy(grown, array, *count * sizeof(*grown));
    grown[(*count)++] = entry;
    return grown;
}

void onnx_builder_begin(struct onnx_builder *builder, int opset)
{
    *builder = (struct onnx_builder){.model = ONNX__MODEL_PROTO__INIT,
                                     .graph = ONNX__GRAPH_PROTO__INIT,
                                     .opset = ONNX__OPERATOR_SET_ID_PROTO__INIT};
    builder->model.has_ir_version = 1;
    builder->model.ir_version = 7;
    builder->model.producer_name = copy_text(builder, "builder");
    builder->model.producer_version = copy_text(builder, "1.0");
    builder->model.graph = &builder->graph;
    builder->opset.has_version = 1;
    builder->opset.version = opset;
    builder->opsets[0] = &builder->opset;
    builder->model.opset_import = builder->opsets;
    builder->model.n_opset_import = 1;
}

void onnx_builder_end(struct onnx_builder *builder)
{
    for (size_t i = 0; i < builder->block_count; i++)
        free(builder->blocks[i]);
    free(builder->blocks);
    builder->blocks = NULL;
    builder->block_count = 0;
}

static Onnx__ValueInfoProto *make_value(struct onnx_builder *builder, const char *name)
{
    Onnx__ValueInfoProto *value = onnx_builder_allocate(builder, sizeof(*value));

    onnx__value_info_proto__init(value);
    value->name = copy_text(builder, name);
    return value;
}

Onnx__ValueInfoProto *onnx_builder_input(struct onnx_builder *builder, const char *name,
                                         size_t rank, const int64_t *extents)
{
    Onnx__ValueInfoProto *value = make_value(builder, name);
    Onnx__TypeProto__Tensor *tensor = onnx_builder_allocate(builder, sizeof(*tensor));
    Onnx__TensorShapeProto *shape = onnx_builder_allocate(builder, sizeof(*shape));

    value->type = onnx_builder_allocate(builder, sizeof(*value->type));
    onnx__type_proto__init(value->type);
    onnx__type_proto__tensor__init(tensor);
    onnx__tensor_shape_proto__init(shape);
    value->type->value_case = ONNX__TYPE_PROTO__VALUE_TENSOR_TYPE;
    value->type->tensor_type = tensor;
    tensor->has_elem_type = 1;
    tensor->elem_type = ONNX__TENSOR_PROTO__DATA_TYPE__FLOAT;
    tensor->shape = shape;
    for (size_t i = 0; i < rank; i++) {
        Onnx__TensorShapeProto__Dimension *dimension =
            onnx_builder_allocate(builder, sizeof(*dimension));

        onnx__tensor_shape_proto__dimension__init(dimension);
        if (extents[i] < 0) {
            dimension->value_case = ONNX__TENSOR_SHAPE_PROTO__DIMENSION__VALUE_DIM_PARAM;
            dimension->dim_param = copy_text(builder, "N");
        } else {
            dimension->value_case = ONNX__TENSOR_SHAPE_PROTO__DIMENSION__VALUE_DIM_VALUE;
            dimension->dim_value = extents[i];
        }
        shape->dim = append(builder, shape->dim, &shape->n_dim, dimension);
    }
    builder->graph.input = append(builder, builder->graph.input, &builder->graph.n_input, value);
    return value;
}

void onnx_builder_output(struct onnx_builder *builder, const char *name)
{
    builder->graph.output =
        append(builder, builder->graph.output, &builder->graph.n_output, make_value(builder, name));
}

static Onnx__TensorProto *add_tensor(struct onnx_builder *builder, const char *name, size_t rank,
                                     const int64_t *extents, int32_t type)
{
    Onnx__TensorProto *tensor = onnx_builder_allocate(builder, sizeof(*tensor));

    onnx__tensor_proto__init(tensor);
    tensor->name = copy_text(builder, name);
    tensor->has_data_type = 1;
    tensor->data_type = type;
    tensor->n_dims = rank;
    tensor->dims = onnx_builder_allocate(builder, rank * sizeof(*tensor->dims));
    if (rank)
        memcpy(tensor->dims, extents, rank * sizeof(*tensor->dims));
    builder->graph.initializer =
        append(builder, builder->graph.initializer, &builder->graph.n_initializer, tensor);
    return tensor;
}

Onnx__TensorProto *onnx_builder_floats(struct onnx_builder *builder, const char *name, size_t rank,
                                       const int64_t *extents, const float *values)
{
    Onnx__TensorProto *tensor =
        add_tensor(builder, name, rank, extents, ONNX__TENSOR_PROTO__DATA_TYPE__FLOAT);

    tensor->n_float_data = 1;
    for (size_t i = 0; i < rank; i++)
        tensor->n_float_data *= (size_t)extents[i];
    tensor->float_data = onnx_builder_allocate(builder, tensor->n_float_data * sizeof(float));
    for (size_t i = 0; i < tensor->n_float_data; i++)
        tensor->float_data[i] = values ? values[i] : (float)i;
    return tensor;
}

Onnx__TensorProto *onnx_builder_integers(struct onnx_builder *builder, const char *name,
                                         size_t count, const int64_t *values)
{
    int64_t extent = (int64_t)count;
    Onnx__TensorProto *tensor =
        add_tensor(builder, name, 1, &extent, ONNX__TENSOR_PROTO__DATA_TYPE__INT64);

    tensor->n_int64_data = count;
    tensor->int64_data = onnx_builder_allocate(builder, count * sizeof(int64_t));
    if (count)
        memcpy(tensor->int64_data, values, count * sizeof(int64_t));
    return tensor;
}

/* Splits names at blanks. */
static char **split(struct onnx_builder *builder, const char *names, size_t *count)
{
    char *copy = copy_text(builder, names), *rest;
    char **list = NULL;

    *count = 0;
    for (char *name = strtok_r(copy, " ", &rest); name; name = strtok_r(NULL, " ", &rest)) {
        if (strcmp(name, "-") == 0)
            *name = 0;
        list = append(builder, list, count, name);
    }
    return list;
}

Onnx__NodeProto *onnx_builder_node(struct onnx_builder *builder, const char *operator,
                                   const char * name, const char *inputs, const char *outputs)
{
    Onnx__NodeProto *node = onnx_builder_allocate(builder, sizeof(*node));

    onnx__node_proto__init(node);
    node->op_type = copy_text(builder, operator);
    node->name = copy_text(builder, name);
    node->input = split(builder, inputs, &node->n_input);
    node->output = split(builder, outputs, &node->n_output);
    builder->graph.node = append(builder, builder->graph.node, &builder->graph.n_node, node);
    return node;
}

static Onnx__AttributeProto *add_attribute(struct onnx_builder *builder, Onnx__NodeProto *node,
                                           const char *name,
                                           Onnx__AttributeProto__AttributeType type)
{
    Onnx__AttributeProto *attribute = onnx_builder_allocate(builder, sizeof(*attribute));

    onnx__attribute_proto__init(attribute);
    attribute->name = copy_text(builder, name);
    attribute->has_type = 1;
    attribute->type = type;
    node->attribute = append(builder, node->attribute, &node->n_attribute, attribute);
    return attribute;
}

void onnx_node_integer(struct onnx_builder *builder, Onnx__NodeProto *node, const char *name,
                       int64_t value)
{
    Onnx__AttributeProto *attribute =
        add_attribute(builder, node, name, ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__INT);

    attribute->has_i = 1;
    attribute->i = value;
}

void onnx_node_float(struct onnx_builder *builder, Onnx__NodeProto *node, const char *name,
                     float value)
{
    Onnx__AttributeProto *attribute =
        add_attribute(builder, node, name, ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__FLOAT);

    attribute->has_f = 1;
    attribute->f = value;
}

void onnx_node_text(struct onnx_builder *builder, Onnx__NodeProto *node, const char *name,
                    const char *value)
{
    Onnx__AttributeProto *attribute =
        add_attribute(builder, node, name, ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__STRING);

    attribute->has_s = 1;
    attribute->s.data = (uint8_t *)copy_text(builder, value);
    attribute->s.len = strlen(value);
}

void onnx_node_integers(struct onnx_builder *builder, Onnx__NodeProto *node, const char *name,
                        size_t count, const int64_t *values)
{
    Onnx__AttributeProto *attribute =
        add_attribute(builder, node, name, ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__INTS);

    attribute->n_ints = count;
    attribute->ints = onnx_builder_allocate(builder, count * sizeof(int64_t));
    memcpy(attribute->ints, values, count * sizeof(int64_t));
}

void onnx_node_tensor(struct onnx_builder *builder, Onnx__NodeProto *node, const char *name)
{
    Onnx__AttributeProto *attribute =
        add_attribute(builder, node, name, ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__TENSOR);

    attribute->t = builder->graph.initializer[--builder->graph.n_initializer];
}

void onnx_builder_metadata(struct onnx_builder *builder, const char *key, const char *value)
{
    Onnx__StringStringEntryProto *entry = onnx_builder_allocate(builder, sizeof(*entry));

    onnx__string_string_entry_proto__init(entry);
    entry->key = copy_text(builder, key);
    entry->value = copy_text(builder, value);
    builder->model.metadata_props =
        append(builder, builder->model.metadata_props, &builder->model.n_metadata_props, entry);
}

void onnx_builder_pack(struct onnx_builder *builder, unsigned char **bytes, size_t *length)
{
    *length = onnx__model_proto__get_packed_size(&builder->model);
    *bytes = must(malloc(*length ? *length : 1));
    onnx__model_proto__pack(&builder->model, *bytes);
}
