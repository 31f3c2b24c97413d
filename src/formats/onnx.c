/* ONNX files: the frame of the file, its input and outputs, and the way through its nodes. */
#include "base/memory.h"
#include "formats/onnx_loader.h"

#include <string.h>

/* A network has a few hundred values; what is above this is damage, and would only take time. */
#define MAX_VALUES 200000

/* What constants may take: what the file holds (a byte may become a float), and room for copies in
 * another order and for folded ones. */
static int64_t constant_budget(size_t file_length)
{
    int64_t budget = ((int64_t)1 << 22) + 4 * (int64_t)file_length;

    return budget < TENSOR_MAX_ELEMENTS ? budget : TENSOR_MAX_ELEMENTS;
}

/*
 * Memory for the unpacked file. Two bytes can stand for a message of 200, so what a file may ask
 * for is bounded by its own size.
 */
struct unpack_memory {
    size_t left;    /* bytes */
    bool exhausted; /* the machine had no more, which is not the file's fault */
};

static void *unpack_allocate(void *data, size_t size)
{
    struct unpack_memory *memory = data;
    void *block;

    if (size > memory->left)
        return NULL;
    memory->left -= size;
    block = malloc(size);
    if (!block)
        memory->exhausted = true;
    return block;
}

static void unpack_free(void *data, void *block)
{
    (void)data;
    free(block);
}

/* ---- Recognition ---------------------------------------------------------------------------- */

static bool read_varint(const unsigned char **cursor, const unsigned char *end, uint64_t *value)
{
    *value = 0;
    for (int shift = 0; shift < 64 && *cursor < end; shift += 7) {
        unsigned char byte = *(*cursor)++;

        *value |= (uint64_t)(byte & 0x7f) << shift;
        if (byte < 0x80)
            return true;
    }
    return false;
}

/*
 * A ModelProto has no magic number. It is a sequence of fields, each `number << 3 | wire type` and
 * then a number (0) or a length and bytes (2); those of a model are known by number and type:
 *
 *     1:0 version   2:2 producer   3:2 its version   4:2 domain   5:0 model version   6:2 text
 *     7:2 graph     8:2 opsets    14:2 metadata     20:2 training   25:2 functions
 *    26:2 devices
 *
 * A file is taken for one if it has nothing else and the version and the graph are there. One that
 * was cut short, which ends inside a field, needs the version first and a beginning of the graph.
 */
bool onnx_recognise(const unsigned char *bytes, size_t length)
{
    static const signed char wire_type[27] = {
        -1, 0,  2,  2,  2,  0,  2, 2,  2,  -1, -1, -1, -1, -1, /* 0 to 13 */
        2,  -1, -1, -1, -1, -1, 2, -1, -1, -1, -1, 2,  2};     /* 14 to 26 */
    const unsigned char *cursor = bytes, *end = bytes + length;
    bool version = false, graph = false;

    while (cursor < end) {
        uint64_t key, value;

        if (!read_varint(&cursor, end, &key))
            break;
        if (key >> 3 > 26 || wire_type[key >> 3] != (signed char)(key & 7))
            return false;
        graph = graph || key >> 3 == 7;
        if (!read_varint(&cursor, end, &value))
            break;
        if (key >> 3 == 1) {
            if (value < 1 || value > 1000)
                return false;
            version = true;
        }
        if ((key & 7) == 2) {
            if (value > (uint64_t)(end - cursor))
                break;
            cursor += value;
        }
    }
    return version && (graph || cursor < end);
}

/* ---- Input and outputs ---------------------------------------------------------------------- */

static int64_t known_extent(const Onnx__TensorShapeProto *shape, int axis)
{
    const Onnx__TensorShapeProto__Dimension *dimension = shape->dim[axis];

    return dimension->value_case == ONNX__TENSOR_SHAPE_PROTO__DIMENSION__VALUE_DIM_VALUE &&
                   dimension->dim_value > 0
               ? dimension->dim_value
               : 0;
}

static bool is_channel_count(int64_t extent)
{
    return extent == 1 || extent == 3 || extent == 4;
}

/* Fills in the height and width that a file of pictures leaves open, from the hints. */
static int fill_picture_axes(const struct model_hints *hints, struct shape *shape, VbpError *error)
{
    int height, width;

    if (is_channel_count(shape->extent[1]))
        height = 2;
    else if (is_channel_count(shape->extent[3]))
        height = 1;
    else if (shape->extent[1])
        height = 2;
    else
        return error_set(error, VBP_ERROR_UNSUPPORTED,
                         "the file fixes neither the size nor the channels of its input");
    width = height + 1;
    if (shape->extent[height] && shape->extent[width])
        return VBP_OK;
    if (!hints || hints->input_height < 1 || hints->input_width < 1)
        return error_set(error, VBP_ERROR_UNSUPPORTED,
                         "the file does not fix its input size; say it in the card (input.size)");
    if (!shape->extent[height])
        shape->extent[height] = hints->input_height;
    if (!shape->extent[width])
        shape->extent[width] = hints->input_width;
    return VBP_OK;
}

static int add_input(struct onnx_loader *loader, const Onnx__ValueInfoProto *input, VbpError *error)
{
    const char *name = onnx_text(input->name);
    const Onnx__TypeProto__Tensor *type = NULL;
    struct shape shape = {0};
    int value, result;

    if (input->type && input->type->value_case == ONNX__TYPE_PROTO__VALUE_TENSOR_TYPE)
        type = input->type->tensor_type;
    if (!type || !type->shape || type->shape->n_dim < 1)
        return error_set(error, VBP_ERROR_UNSUPPORTED, "input '%s' has no shape", name);
    if (type->elem_type != ONNX__TENSOR_PROTO__DATA_TYPE__FLOAT &&
        type->elem_type != ONNX__TENSOR_PROTO__DATA_TYPE__FLOAT16 &&
        type->elem_type != ONNX__TENSOR_PROTO__DATA_TYPE__DOUBLE)
        return error_set(error, VBP_ERROR_UNSUPPORTED,
                         "input '%s' does not take floats (type %d), which is not supported", name,
                         (int)type->elem_type);
    if (type->shape->n_dim > SHAPE_MAX_RANK)
        return error_set(error, VBP_ERROR_UNSUPPORTED, "input '%s' has %zu axes", name,
                         type->shape->n_dim);
    shape.rank = (int)type->shape->n_dim;
    for (int i = 0; i < shape.rank; i++)
        shape.extent[i] = known_extent(type->shape, i);
    /* One frame at a time, whatever the batch was at the export. */
    if (shape.extent[0] == 0 || shape.rank == 4 || shape.rank == 2)
        shape.extent[0] = 1;
    if (shape.rank == 4 && (!shape.extent[1] || !shape.extent[2] || !shape.extent[3])) {
        result = fill_picture_axes(loader->hints, &shape, error);
        if (result != VBP_OK)
            return result;
    }
    for (int i = 0; i < shape.rank; i++) {
        if (shape.extent[i] < 1)
            return error_set(error, VBP_ERROR_UNSUPPORTED,
                             "the file does not fix axis %d of its input '%s'", i, name);
    }
    value = onnx_value_add(loader, name, ONNX_COMPUTED, error);
    if (value < 0)
        return value;
    result = graph_add_input(loader->graph, name, &shape, error);
    if (result < 0)
        return result;
    loader->values[value].tensor = result;
    return VBP_OK;
}

static int mark_output(struct onnx_loader *loader, const Onnx__ValueInfoProto *output,
                       VbpError *error)
{
    const char *name = onnx_text(output->name);
    int value = onnx_value_find(loader, name);
    int tensor;

    if (value < 0)
        return error_set(error, VBP_ERROR_FORMAT, "output '%s' is not made by any node", name);
    if (loader->values[value].kind == ONNX_REFUSED)
        return error_set(error, VBP_ERROR_UNSUPPORTED, "output '%s' is %s", name,
                         loader->values[value].reason);
    if (loader->values[value].kind == ONNX_CONSTANT)
        return error_set(error, VBP_ERROR_UNSUPPORTED, "output '%s' is a constant", name);
    tensor = loader->values[value].tensor;
    for (int i = 0; i < loader->graph->output_count; i++) {
        if (loader->graph->outputs[i] == tensor)
            return error_set(error, VBP_ERROR_FORMAT, "output '%s' is named twice", name);
    }
    return graph_mark_output(loader->graph, tensor, error);
}

/* ---- The file ------------------------------------------------------------------------------- */

static int read_opset(struct onnx_loader *loader, VbpError *error)
{
    const Onnx__ModelProto *model = loader->model;

    for (size_t i = 0; i < model->n_opset_import; i++) {
        const char *domain = onnx_text(model->opset_import[i]->domain);
        int64_t version = model->opset_import[i]->version;

        if (*domain && strcmp(domain, "ai.onnx") != 0)
            continue;
        if (version < ONNX_FIRST_OPSET || version > ONNX_LAST_OPSET)
            return error_set(error, VBP_ERROR_UNSUPPORTED,
                             "opset %lld is not supported (%d to %d are)", (long long)version,
                             ONNX_FIRST_OPSET, ONNX_LAST_OPSET);
        loader->opset = (int)version;
    }
    if (!loader->opset)
        return error_set(error, VBP_ERROR_FORMAT, "the file does not say which opset it uses");
    return VBP_OK;
}

static int describe(struct onnx_loader *loader, VbpError *error)
{
    const Onnx__ModelProto *model = loader->model;
    const char *producer = onnx_text(model->producer_name);
    const char *version = onnx_text(model->producer_version);

    loader->graph->format =
        memory_format("ONNX IR %lld, opset %d", (long long)model->ir_version, loader->opset);
    if (!loader->graph->format)
        return error_out_of_memory(error);
    if (*producer) {
        loader->graph->producer = memory_format("%s%s%s", producer, *version ? " " : "", version);
        if (!loader->graph->producer)
            return error_out_of_memory(error);
    }
    return VBP_OK;
}

static int read_card(const Onnx__ModelProto *model, char **card, VbpError *error)
{
    for (size_t i = 0; i < model->n_metadata_props && !*card; i++) {
        if (strcmp(onnx_text(model->metadata_props[i]->key), "vbp.card") != 0)
            continue;
        *card = memory_copy_text(onnx_text(model->metadata_props[i]->value));
        if (!*card)
            return error_out_of_memory(error);
    }
    return VBP_OK;
}

/* Makes room for every name that the file can make, and refuses what no network has. */
static int count_values(struct onnx_loader *loader, VbpError *error)
{
    const Onnx__GraphProto *file = loader->model->graph;
    size_t count = file->n_initializer + file->n_input;

    for (size_t i = 0; i < file->n_node && count <= MAX_VALUES; i++)
        count += file->node[i]->n_output;
    if (count > MAX_VALUES)
        return error_set(error, VBP_ERROR_UNSUPPORTED, "the file has more than %d values",
                         MAX_VALUES);
    return onnx_values_create(loader, count, error);
}

static int translate_graph(struct onnx_loader *loader, VbpError *error)
{
    const Onnx__GraphProto *file = loader->model->graph;
    int result = VBP_OK;

    if (file->n_sparse_initializer > 0)
        return error_set(error, VBP_ERROR_UNSUPPORTED, "sparse weights are not supported");
    for (size_t i = 0; i < file->n_initializer && result >= 0; i++)
        result = onnx_value_add_tensor(loader, onnx_text(file->initializer[i]->name),
                                       file->initializer[i], error);
    /* Older files list their initializers among the inputs. */
    for (size_t i = 0; i < file->n_input && result >= 0; i++) {
        int value = onnx_value_find(loader, onnx_text(file->input[i]->name));

        if (value < 0 || loader->values[value].kind != ONNX_CONSTANT)
            result = add_input(loader, file->input[i], error);
    }
    for (size_t i = 0; i < file->n_node && result >= 0; i++)
        result = onnx_translate(loader, file->node[i], error);
    for (size_t i = 0; i < file->n_output && result >= 0; i++)
        result = mark_output(loader, file->output[i], error);
    return result < 0 ? result : graph_finish(loader->graph, error);
}

/*
 * The size of an open input is said by the card inside the file, unless the hints outrank it. What
 * is wrong with a card is reported by whoever uses it; only a lack of memory is told here.
 */
static int size_from_card(const char *json, struct model_hints *hints, VbpError *error)
{
    struct card card;
    int result;

    if (!json || hints->outranks_file)
        return VBP_OK;
    result = card_parse(json, &card, NULL);
    if (result == VBP_ERROR_MEMORY)
        return error_out_of_memory(error);
    if (result != VBP_OK)
        return VBP_OK;
    if (card.input.has_size) {
        hints->input_width = card.input.width;
        hints->input_height = card.input.height;
    }
    card_free(&card);
    return VBP_OK;
}

int onnx_load(const unsigned char *bytes, size_t length, const struct model_hints *hints,
              struct graph **graph, char **embedded_card, VbpError *error)
{
    struct unpack_memory memory = {.left = ((size_t)16 << 20) + 10 * length};
    ProtobufCAllocator allocator = {
        .alloc = unpack_allocate, .free = unpack_free, .allocator_data = &memory};
    struct model_hints own_hints = hints ? *hints : (struct model_hints){0};
    struct onnx_loader loader = {.hints = &own_hints, .budget = constant_budget(length)};
    Onnx__ModelProto *model;
    VbpError unwanted;
    int result;

    if (!error)
        error = &unwanted;
    *graph = NULL;
    *embedded_card = NULL;
    model = onnx__model_proto__unpack(&allocator, length, bytes);
    if (!model && memory.exhausted)
        return error_out_of_memory(error);
    if (!model)
        return error_set(error, VBP_ERROR_FORMAT, "not a whole ONNX file: damaged or cut short");
    loader.model = model;
    if (!model->graph) {
        result = error_set(error, VBP_ERROR_FORMAT, "the ONNX file holds no graph");
        goto done;
    }
    result = read_opset(&loader, error);
    if (result == VBP_OK)
        result = graph_create(&loader.graph, error);
    if (result == VBP_OK)
        result = describe(&loader, error);
    if (result == VBP_OK)
        result = read_card(model, embedded_card, error);
    if (result == VBP_OK)
        result = size_from_card(*embedded_card, &own_hints, error);
    if (result == VBP_OK)
        result = count_values(&loader, error);
    if (result == VBP_OK)
        result = translate_graph(&loader, error);
done:
    onnx_values_free(&loader);
    onnx__model_proto__free_unpacked(model, &allocator);
    if (result == VBP_OK) {
        *graph = loader.graph;
    } else {
        model_leave_refused(&own_hints, &loader.graph);
        free(*embedded_card);
        *embedded_card = NULL;
    }
    return result;
}
