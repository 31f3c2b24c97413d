/* The values of an ONNX file by name, and the elements of its constants. */
#include "base/memory.h"
#include "formats/onnx_loader.h"

#include <string.h>

int64_t onnx_shape_count(const struct shape *shape)
{
    int64_t count = 1;
    bool empty = false;

    /* Beside an axis of 0 the others are bounded too: strides are made of them. */
    for (int i = 0; i < shape->rank; i++) {
        if (shape->extent[i] < 0 || shape->extent[i] > TENSOR_MAX_ELEMENTS / count)
            return -1;
        if (shape->extent[i] == 0)
            empty = true;
        else
            count *= shape->extent[i];
    }
    return empty ? 0 : count;
}

int onnx_spend(struct onnx_loader *loader, int64_t elements, VbpError *error)
{
    if (elements > loader->budget)
        return error_set(error, VBP_ERROR_UNSUPPORTED,
                         "the constants of the network take more memory than a file of this size "
                         "should need");
    loader->budget -= elements;
    return VBP_OK;
}

/* ---- Names ---------------------------------------------------------------------------------- */

static size_t hash_name(const char *name)
{
    uint64_t hash = 14695981039346656037u;

    for (const unsigned char *c = (const unsigned char *)name; *c; c++)
        hash = (hash ^ *c) * 1099511628211u;
    return (size_t)(hash ^ hash >> 29);
}

/* The bucket that holds the name, or the free one where it belongs. */
static size_t find_bucket(const struct onnx_loader *loader, const char *name)
{
    size_t bucket = hash_name(name) & (loader->bucket_count - 1);

    while (loader->buckets[bucket] != 0 &&
           strcmp(loader->values[loader->buckets[bucket] - 1].name, name) != 0)
        bucket = (bucket + 1) & (loader->bucket_count - 1);
    return bucket;
}

int onnx_values_create(struct onnx_loader *loader, size_t expected, VbpError *error)
{
    loader->bucket_count = 64;
    while (loader->bucket_count < 2 * expected)
        loader->bucket_count *= 2;
    loader->buckets = memory_array(loader->bucket_count, sizeof(*loader->buckets));
    return loader->buckets ? VBP_OK : error_out_of_memory(error);
}

void onnx_values_free(struct onnx_loader *loader)
{
    for (size_t i = 0; i < loader->value_count; i++) {
        free(loader->values[i].floats);
        free(loader->values[i].whole);
    }
    free(loader->values);
    free(loader->buckets);
    loader->values = NULL;
    loader->buckets = NULL;
    loader->value_count = loader->value_capacity = loader->bucket_count = 0;
}

int onnx_value_find(const struct onnx_loader *loader, const char *name)
{
    return loader->buckets[find_bucket(loader, name)] - 1;
}

int onnx_value_add(struct onnx_loader *loader, const char *name, enum onnx_value_kind kind,
                   VbpError *error)
{
    size_t bucket = find_bucket(loader, name);
    size_t index = loader->value_count;

    if (loader->buckets[bucket] != 0)
        return error_set(error, VBP_ERROR_FORMAT, "'%s' is made twice", name);
    if (2 * (index + 1) > loader->bucket_count)
        return error_set(error, VBP_ERROR_FORMAT, "the file has more values than it announced");
    if (!memory_grow((void **)&loader->values, &loader->value_capacity, index + 1,
                     sizeof(*loader->values)))
        return error_out_of_memory(error);
    loader->values[index] =
        (struct onnx_value){.kind = kind, .name = name, .tensor = -1, .elements = (int)index};
    loader->value_count++;
    loader->buckets[bucket] = (int)index + 1;
    return (int)index;
}

int onnx_value_add_constant(struct onnx_loader *loader, const char *name, const struct shape *shape,
                            float *floats, int64_t *whole, VbpError *error)
{
    int index = onnx_value_add(loader, name, ONNX_CONSTANT, error);
    struct onnx_value *value;

    if (index < 0) {
        free(floats);
        free(whole);
        return index;
    }
    value = &loader->values[index];
    value->shape = *shape;
    value->count = onnx_shape_count(shape);
    value->floats = floats;
    value->whole = whole;
    value->integer = whole != NULL;
    return index;
}

/* ---- Elements of a TensorProto -------------------------------------------------------------- */

static float float_of_half(uint16_t half)
{
    uint32_t sign = (uint32_t)(half & 0x8000) << 16;
    uint32_t exponent = half >> 10 & 0x1f;
    uint32_t fraction = half & 0x3ff;
    uint32_t bits;
    float result;

    if (exponent == 0) {
        result = (float)fraction * 0x1p-24f; /* zero and subnormal numbers */
        return sign ? -result : result;
    }
    bits = sign | (exponent == 31 ? 255u : exponent + 112) << 23 | fraction << 13;
    memcpy(&result, &bits, sizeof(result));
    return result;
}

static const char *data_type_name(int32_t type)
{
    static const char *const names[] = {"undefined",  "float",   "uint8",  "int8",   "uint16",
                                        "int16",      "int32",   "int64",  "string", "bool",
                                        "float16",    "float64", "uint32", "uint64", "complex64",
                                        "complex128", "bfloat16"};

    return type >= 0 && type < (int32_t)(sizeof(names) / sizeof(names[0])) ? names[type]
                                                                           : "unknown";
}

/* How many elements the file holds for the tensor, in whichever field they are; -1: not whole. */
static int64_t stored_count(const Onnx__TensorProto *tensor, bool *raw)
{
    size_t size;

    *raw = tensor->has_raw_data && tensor->raw_data.len > 0;
    switch (tensor->data_type) {
    case ONNX__TENSOR_PROTO__DATA_TYPE__FLOAT:
        size = 4;
        if (!*raw)
            return (int64_t)tensor->n_float_data;
        break;
    case ONNX__TENSOR_PROTO__DATA_TYPE__DOUBLE:
        size = 8;
        if (!*raw)
            return (int64_t)tensor->n_double_data;
        break;
    case ONNX__TENSOR_PROTO__DATA_TYPE__INT64:
        size = 8;
        if (!*raw)
            return (int64_t)tensor->n_int64_data;
        break;
    case ONNX__TENSOR_PROTO__DATA_TYPE__INT32:
        size = 4;
        if (!*raw)
            return (int64_t)tensor->n_int32_data;
        break;
    case ONNX__TENSOR_PROTO__DATA_TYPE__FLOAT16:
        size = 2;
        if (!*raw)
            return (int64_t)tensor->n_int32_data;
        break;
    default: /* bool: the only other one that onnx_value_add_tensor lets through */
        size = 1;
        if (!*raw)
            return (int64_t)tensor->n_int32_data;
        break;
    }
    return tensor->raw_data.len % size ? -1 : (int64_t)(tensor->raw_data.len / size);
}

static int refuse_external(const char *name, const Onnx__TensorProto *tensor, VbpError *error)
{
    const char *location = "no name given";

    for (size_t i = 0; i < tensor->n_external_data; i++) {
        if (strcmp(onnx_text(tensor->external_data[i]->key), "location") == 0)
            location = onnx_text(tensor->external_data[i]->value);
    }
    return error_set(error, VBP_ERROR_UNSUPPORTED,
                     "weights ('%s') are stored outside the file (%s): export with the weights "
                     "inside",
                     name, location);
}

static int64_t *read_integers(const Onnx__TensorProto *tensor, int64_t count, bool raw)
{
    int64_t *elements = memory_array((size_t)count, sizeof(*elements));

    if (!elements)
        return NULL;
    for (int64_t i = 0; i < count; i++) {
        if (tensor->data_type == ONNX__TENSOR_PROTO__DATA_TYPE__INT64) {
            if (raw)
                memcpy(&elements[i], tensor->raw_data.data + 8 * i, 8);
            else
                elements[i] = tensor->int64_data[i];
        } else if (!raw) {
            elements[i] = tensor->int32_data[i];
        } else if (tensor->data_type == ONNX__TENSOR_PROTO__DATA_TYPE__INT32) {
            int32_t element;

            memcpy(&element, tensor->raw_data.data + 4 * i, 4);
            elements[i] = element;
        } else {
            elements[i] = tensor->raw_data.data[i];
        }
    }
    return elements;
}

static float *read_floats(const Onnx__TensorProto *tensor, int64_t count)
{
    float *elements = memory_array((size_t)count, sizeof(*elements));
    bool raw = tensor->has_raw_data && tensor->raw_data.len > 0;

    if (!elements || count == 0)
        return elements;
    switch (tensor->data_type) {
    case ONNX__TENSOR_PROTO__DATA_TYPE__FLOAT:
        memcpy(elements, raw ? (const void *)tensor->raw_data.data : tensor->float_data,
               (size_t)count * 4);
        break;
    case ONNX__TENSOR_PROTO__DATA_TYPE__DOUBLE:
        for (int64_t i = 0; i < count; i++) {
            double element;

            memcpy(&element,
                   raw ? (const void *)(tensor->raw_data.data + 8 * i) : &tensor->double_data[i],
                   8);
            elements[i] = (float)element;
        }
        break;
    default: /* float16 */
        for (int64_t i = 0; i < count; i++) {
            uint16_t element;

            if (raw)
                memcpy(&element, tensor->raw_data.data + 2 * i, 2);
            else
                element = (uint16_t)tensor->int32_data[i];
            elements[i] = float_of_half(element);
        }
        break;
    }
    return elements;
}

int onnx_value_add_tensor(struct onnx_loader *loader, const char *name,
                          const Onnx__TensorProto *tensor, VbpError *error)
{
    struct shape shape = {.rank = (int)tensor->n_dims};
    char text[SHAPE_TEXT_SIZE];
    struct onnx_value *value;
    int64_t count, stored;
    bool integer, raw;
    int index;

    if (tensor->has_data_location &&
        tensor->data_location == ONNX__TENSOR_PROTO__DATA_LOCATION__EXTERNAL)
        return refuse_external(name, tensor, error);
    if (tensor->n_dims > SHAPE_MAX_RANK)
        return error_set(error, VBP_ERROR_UNSUPPORTED,
                         "constant '%s' has %zu axes; at most %d are supported", name,
                         tensor->n_dims, SHAPE_MAX_RANK);
    for (int i = 0; i < shape.rank; i++)
        shape.extent[i] = tensor->dims[i];
    count = onnx_shape_count(&shape);
    if (count < 0)
        return error_set(error, VBP_ERROR_FORMAT, "constant '%s' has an impossible shape: %s", name,
                         shape_text(&shape, text));
    switch (tensor->data_type) {
    case ONNX__TENSOR_PROTO__DATA_TYPE__FLOAT:
    case ONNX__TENSOR_PROTO__DATA_TYPE__DOUBLE:
    case ONNX__TENSOR_PROTO__DATA_TYPE__FLOAT16:
        integer = false;
        break;
    case ONNX__TENSOR_PROTO__DATA_TYPE__INT64:
    case ONNX__TENSOR_PROTO__DATA_TYPE__INT32:
    case ONNX__TENSOR_PROTO__DATA_TYPE__BOOL:
        integer = true;
        break;
    default:
        return error_set(error, VBP_ERROR_UNSUPPORTED,
                         "constant '%s' holds numbers of type %s, which is not supported", name,
                         data_type_name(tensor->data_type));
    }
    stored = stored_count(tensor, &raw);
    if (stored != count)
        return error_set(error, VBP_ERROR_FORMAT,
                         "constant '%s' should hold %lld elements (%s), but the file has %s%lld",
                         name, (long long)count, shape_text(&shape, text),
                         stored < 0 ? "an odd number of bytes: " : "",
                         (long long)(stored < 0 ? (int64_t)tensor->raw_data.len : stored));
    index = onnx_value_add(loader, name, ONNX_CONSTANT, error);
    if (index < 0)
        return index;
    value = &loader->values[index];
    value->shape = shape;
    value->count = count;
    value->integer = integer;
    value->source = tensor;
    if (integer) {
        int result = onnx_spend(loader, 2 * count, error);

        if (result < 0)
            return result;
        value->whole = read_integers(tensor, count, raw);
        if (!value->whole)
            return error_out_of_memory(error);
    }
    return index;
}

const float *onnx_value_floats(struct onnx_loader *loader, int index, VbpError *error)
{
    struct onnx_value *value = &loader->values[loader->values[index].elements];

    if (value->tensor >= 0)
        return loader->graph->tensors[value->tensor].values;
    if (!value->floats) {
        if (onnx_spend(loader, value->count, error) < 0)
            return NULL;
        value->floats = read_floats(value->source, value->count);
        if (!value->floats)
            error_out_of_memory(error);
    }
    return value->floats;
}

const int64_t *onnx_value_integers(const struct onnx_loader *loader, int index)
{
    return loader->values[loader->values[index].elements].whole;
}

int onnx_value_tensor(struct onnx_loader *loader, int index, VbpError *error)
{
    struct onnx_value *value = &loader->values[index];
    const float *floats;

    if (value->tensor >= 0)
        return value->tensor;
    if (value->count < 1)
        return error_set(error, VBP_ERROR_UNSUPPORTED, "constant '%s' is empty", value->name);
    floats = onnx_value_floats(loader, index, error);
    if (!floats)
        return error ? error->status : VBP_ERROR_MEMORY;
    if (value->elements != index) {
        int result = onnx_spend(loader, value->count, error);

        if (result < 0)
            return result;
    }
    value->tensor = graph_add_constant(loader->graph, value->name, &value->shape, floats, error);
    if (value->tensor >= 0 && value->elements == index) {
        /* The graph has a copy now, which onnx_value_floats gives out from here on. */
        free(value->floats);
        value->floats = NULL;
    }
    return value->tensor;
}
