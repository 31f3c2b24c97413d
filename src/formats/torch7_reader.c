#include "formats/torch7_reader.h"

#include "base/memory.h"

#include <string.h>

/* A network of networks nests a few levels, two values for each; this is for stacks, not for it. */
#define MAX_DEPTH 200

/* A network has some ten thousand; a value can take much more memory than its bytes in the file. */
#define MAX_VALUES 1000000

bool torch7_text_is(const struct torch7_text *text, const char *expected)
{
    size_t length = strlen(expected);

    return (size_t)text->length == length && memcmp(text->bytes, expected, length) == 0;
}

/* ---- Bytes ---------------------------------------------------------------------------------- */

static int refuse(const struct torch7_reader *reader, VbpError *error, const char *what)
{
    return error_set(error, VBP_ERROR_FORMAT, "%s at byte %zu of the Torch7 file", what,
                     reader->position);
}

static int read_bytes(struct torch7_reader *reader, size_t count, const unsigned char **bytes,
                      VbpError *error)
{
    *bytes = NULL;
    if (count > reader->length - reader->position)
        return error_set(error, VBP_ERROR_FORMAT,
                         "the Torch7 file ends too early: %zu bytes wanted at byte %zu of %zu",
                         count, reader->position, reader->length);
    *bytes = reader->bytes + reader->position;
    reader->position += count;
    return VBP_OK;
}

static int read_int(struct torch7_reader *reader, int *value, VbpError *error)
{
    const unsigned char *bytes;
    int32_t number;
    int result = read_bytes(reader, sizeof(number), &bytes, error);

    if (result != VBP_OK)
        return result;
    memcpy(&number, bytes, sizeof(number));
    *value = number;
    return VBP_OK;
}

static int read_long(struct torch7_reader *reader, int64_t *value, VbpError *error)
{
    const unsigned char *bytes;
    int result = read_bytes(reader, sizeof(*value), &bytes, error);

    if (result == VBP_OK)
        memcpy(value, bytes, sizeof(*value));
    return result;
}

static int read_text(struct torch7_reader *reader, struct torch7_text *text, VbpError *error)
{
    const unsigned char *bytes;
    int result = read_int(reader, &text->length, error);

    if (result == VBP_OK && text->length < 0)
        result = refuse(reader, error, "a text of negative length");
    if (result == VBP_OK)
        result = read_bytes(reader, (size_t)text->length, &bytes, error);
    if (result == VBP_OK)
        text->bytes = (const char *)bytes;
    return result;
}

/* ---- Objects -------------------------------------------------------------------------------- */

/* Reads an index. *object is what has it already, or a new one (then *is_new). */
static int read_reference(struct torch7_reader *reader, enum torch7_type type,
                          struct torch7_object **object, bool *is_new, VbpError *error)
{
    int index;
    int result = read_int(reader, &index, error);

    if (result != VBP_OK)
        return result;
    /* Every object takes 8 bytes or more, and they are counted from 1. */
    if (index < 1 || index > MAX_VALUES || (size_t)index > reader->length / 8 + 1)
        return refuse(reader, error, "an impossible object index");
    if (!memory_grow((void **)&reader->objects, &reader->object_capacity, (size_t)index + 1,
                     sizeof(*reader->objects)))
        return error_out_of_memory(error);
    *is_new = !reader->objects[index];
    if (*is_new) {
        reader->objects[index] = memory_array(1, sizeof(**reader->objects));
        if (!reader->objects[index])
            return error_out_of_memory(error);
        reader->objects[index]->type = type;
    }
    *object = reader->objects[index];
    return VBP_OK;
}

static int read_table(struct torch7_reader *reader, struct torch7_object *table, VbpError *error)
{
    size_t capacity = 0;
    int count;
    int result = read_int(reader, &count, error);

    table->fields = table;
    if (result != VBP_OK)
        return result;
    if (count < 0)
        return refuse(reader, error, "a table of negative size");
    /* The table grows with what was read, not with what is promised. */
    for (int i = 0; i < count; i++) {
        struct torch7_entry entry;

        result = torch7_read(reader, &entry.key, error);
        if (result == VBP_OK)
            result = torch7_read(reader, &entry.value, error);
        if (result != VBP_OK)
            return result;
        if (!memory_grow((void **)&table->entries, &capacity, table->entry_count + 1,
                         sizeof(*table->entries)))
            return error_out_of_memory(error);
        table->entries[table->entry_count++] = entry;
    }
    return VBP_OK;
}

struct storage_class {
    const char *name; /* between "torch." and "Tensor" or "Storage" */
    char element;
    int size; /* bytes */
};

static const struct storage_class *find_storage_class(const struct torch7_text *name,
                                                      const char *suffix)
{
    static const struct storage_class classes[] = {
        {"Float", 'f', 4},   {"Double", 'd', 8},     {"Half", 'h', 2},     {"Long", 'l', 8},
        {"Int", 'i', 4},     {"Short", 's', 2},      {"Byte", 'b', 1},     {"Char", 'c', 1},
        {"Cuda", 'f', 4},    {"CudaDouble", 'd', 8}, {"CudaHalf", 'h', 2}, {"CudaLong", 'l', 8},
        {"CudaInt", 'i', 4}, {"CudaShort", 's', 2},  {"CudaByte", 'b', 1}, {"CudaChar", 'c', 1},
    };
    size_t length = (size_t)name->length, end = strlen(suffix);

    if (length < 6 + end || memcmp(name->bytes, "torch.", 6) != 0 ||
        memcmp(name->bytes + length - end, suffix, end) != 0)
        return NULL;
    for (size_t i = 0; i < sizeof(classes) / sizeof(classes[0]); i++) {
        if (strlen(classes[i].name) == length - 6 - end &&
            memcmp(name->bytes + 6, classes[i].name, length - 6 - end) == 0)
            return &classes[i];
    }
    return NULL;
}

static int read_storage(struct torch7_reader *reader, struct torch7_object *object,
                        const struct storage_class *kind, VbpError *error)
{
    int64_t count;
    int result = read_long(reader, &count, error);

    if (result != VBP_OK)
        return result;
    if (count < 0 || (uint64_t)count > reader->length / (size_t)kind->size)
        return refuse(reader, error, "a storage that is larger than the file");
    object->type = TORCH7_STORAGE;
    object->storage.element = kind->element;
    result = read_bytes(reader, (size_t)count * (size_t)kind->size, &object->storage.bytes, error);
    if (result == VBP_OK)
        object->storage.count = count;
    return result;
}

static int read_tensor(struct torch7_reader *reader, struct torch7_object *object, VbpError *error)
{
    struct torch7_value storage;
    int rank;
    int result = read_int(reader, &rank, error);

    if (result != VBP_OK)
        return result;
    if (rank < 0 || rank > TORCH7_MAX_RANK)
        return refuse(reader, error, "a tensor with an impossible number of axes");
    object->type = TORCH7_TENSOR;
    for (int i = 0; i < rank && result == VBP_OK; i++)
        result = read_long(reader, &object->tensor.size[i], error);
    for (int i = 0; i < rank && result == VBP_OK; i++)
        result = read_long(reader, &object->tensor.stride[i], error);
    if (result == VBP_OK)
        result = read_long(reader, &object->tensor.offset, error);
    if (result == VBP_OK)
        result = torch7_read(reader, &storage, error);
    if (result != VBP_OK)
        return result;
    if (storage.type != TORCH7_NIL && storage.type != TORCH7_STORAGE)
        return refuse(reader, error, "a tensor without a storage");
    object->tensor.offset = (int64_t)((uint64_t)object->tensor.offset - 1); /* Lua counts from 1 */
    object->tensor.storage = storage.type == TORCH7_STORAGE ? storage.object : NULL;
    object->tensor.rank = rank;
    return VBP_OK;
}

static int read_object(struct torch7_reader *reader, struct torch7_object *object, VbpError *error)
{
    const struct storage_class *kind;
    struct torch7_text version;
    struct torch7_value fields;
    int result = read_text(reader, &version, error);

    if (result != VBP_OK)
        return result;
    /* Files of the first version have the class in the place of "V 1". */
    if (version.length > 2 && memcmp(version.bytes, "V ", 2) == 0) {
        if (!torch7_text_is(&version, "V 1"))
            return refuse(reader, error, "an object of an unknown version");
        result = read_text(reader, &object->class_name, error);
        if (result != VBP_OK)
            return result;
    } else {
        object->class_name = version;
    }
    kind = find_storage_class(&object->class_name, "Storage");
    if (kind)
        return read_storage(reader, object, kind, error);
    if (find_storage_class(&object->class_name, "Tensor"))
        return read_tensor(reader, object, error);
    if (object->class_name.length >= 6 && memcmp(object->class_name.bytes, "torch.", 6) == 0)
        return error_set(error, VBP_ERROR_UNSUPPORTED,
                         "an object of class '%.*s' at byte %zu cannot be read",
                         object->class_name.length < 60 ? object->class_name.length : 60,
                         object->class_name.bytes, reader->position);
    result = torch7_read(reader, &fields, error);
    if (result != VBP_OK)
        return result;
    if (fields.type == TORCH7_TABLE)
        object->fields = fields.object;
    return VBP_OK;
}

/* A function is its compiled code and what it refers to. Both are read over. */
static int skip_function(struct torch7_reader *reader, bool has_index, VbpError *error)
{
    struct torch7_object *object;
    struct torch7_text code;
    struct torch7_value values;
    bool is_new = true;
    int result = VBP_OK;

    if (has_index)
        result = read_reference(reader, TORCH7_FUNCTION, &object, &is_new, error);
    if (result != VBP_OK || !is_new)
        return result;
    result = read_text(reader, &code, error);
    return result == VBP_OK ? torch7_read(reader, &values, error) : result;
}

/* ---- Values --------------------------------------------------------------------------------- */

static int read_value(struct torch7_reader *reader, struct torch7_value *value, VbpError *error)
{
    const unsigned char *bytes;
    bool is_new;
    int type, number;
    int result = read_int(reader, &type, error);

    *value = (struct torch7_value){.type = TORCH7_NIL};
    if (result != VBP_OK)
        return result;
    switch (type) {
    case 0:
        return VBP_OK;
    case 1:
        value->type = TORCH7_NUMBER;
        result = read_bytes(reader, sizeof(value->number), &bytes, error);
        if (result == VBP_OK)
            memcpy(&value->number, bytes, sizeof(value->number));
        return result;
    case 2:
        value->type = TORCH7_STRING;
        return read_text(reader, &value->text, error);
    case 3:
    case 4:
        result = read_reference(reader, type == 3 ? TORCH7_TABLE : TORCH7_OBJECT, &value->object,
                                &is_new, error);
        if (result == VBP_OK && is_new)
            result = type == 3 ? read_table(reader, value->object, error)
                               : read_object(reader, value->object, error);
        if (result == VBP_OK)
            value->type = value->object->type;
        return result;
    case 5:
        value->type = TORCH7_BOOLEAN;
        result = read_int(reader, &number, error);
        if (result == VBP_OK)
            value->boolean = number != 0;
        return result;
    case 6:
    case 7:
    case 8:
        value->type = TORCH7_FUNCTION;
        return skip_function(reader, type != 6, error);
    default:
        return refuse(reader, error, "an unknown type of value");
    }
}

int torch7_read(struct torch7_reader *reader, struct torch7_value *value, VbpError *error)
{
    int result;

    if (reader->depth >= MAX_DEPTH)
        return refuse(reader, error, "too many values inside each other");
    if (reader->value_count++ >= MAX_VALUES)
        return refuse(reader, error, "more values than any network has");
    reader->depth++;
    result = read_value(reader, value, error);
    reader->depth--;
    return result;
}

void torch7_reader_free(struct torch7_reader *reader)
{
    for (size_t i = 0; i < reader->object_capacity; i++) {
        if (reader->objects[i])
            free(reader->objects[i]->entries);
        free(reader->objects[i]);
    }
    free(reader->objects);
    reader->objects = NULL;
    reader->object_capacity = 0;
}

struct torch7_value torch7_field(const struct torch7_object *object, const char *name)
{
    const struct torch7_object *table = object->fields;

    for (size_t i = 0; table && i < table->entry_count; i++) {
        const struct torch7_entry *entry = &table->entries[i];

        if (entry->key.type == TORCH7_STRING && torch7_text_is(&entry->key.text, name))
            return entry->value;
    }
    return (struct torch7_value){.type = TORCH7_NIL};
}

/* ---- Elements ------------------------------------------------------------------------------- */

static double number_of_half(uint16_t half)
{
    int exponent = half >> 10 & 0x1f;
    double fraction = half & 0x3ff;
    double value;

    if (exponent == 31)
        value = fraction != 0 ? __builtin_nan("") : __builtin_inf();
    else if (exponent == 0)
        value = fraction * 0x1p-24;
    else
        value = __builtin_ldexp(1024 + fraction, exponent - 25);
    return half & 0x8000 ? -value : value;
}

double torch7_element(const struct torch7_object *storage, int64_t index)
{
    const unsigned char *bytes = storage->storage.bytes;
    union {
        float f;
        double d;
        uint16_t h;
        int64_t l;
        int32_t i;
        int16_t s;
    } number;

    switch (storage->storage.element) {
    case 'f':
        memcpy(&number.f, bytes + 4 * index, 4);
        return number.f;
    case 'd':
        memcpy(&number.d, bytes + 8 * index, 8);
        return number.d;
    case 'h':
        memcpy(&number.h, bytes + 2 * index, 2);
        return number_of_half(number.h);
    case 'l':
        memcpy(&number.l, bytes + 8 * index, 8);
        return (double)number.l;
    case 'i':
        memcpy(&number.i, bytes + 4 * index, 4);
        return number.i;
    case 's':
        memcpy(&number.s, bytes + 2 * index, 2);
        return number.s;
    case 'c':
        return (signed char)bytes[index];
    default:
        return bytes[index];
    }
}

int64_t torch7_tensor_count(const struct torch7_object *tensor)
{
    int64_t count = 1, last = tensor->tensor.offset;

    if (tensor->tensor.rank == 0 || !tensor->tensor.storage)
        return 0;
    if (tensor->tensor.offset < 0)
        return -1;
    for (int i = 0; i < tensor->tensor.rank; i++) {
        int64_t size = tensor->tensor.size[i], stride = tensor->tensor.stride[i], reach;

        /* Strides of 0 would make many elements of few. */
        if (size < 1 || (size > 1 && stride < 1) || __builtin_mul_overflow(count, size, &count) ||
            (size > 1 && (__builtin_mul_overflow(size - 1, stride, &reach) ||
                          __builtin_add_overflow(last, reach, &last))))
            return -1;
    }
    if (last >= tensor->tensor.storage->storage.count ||
        count > tensor->tensor.storage->storage.count)
        return -1;
    return count;
}

void torch7_tensor_read(const struct torch7_object *tensor, float *elements)
{
    int64_t count = torch7_tensor_count(tensor);
    int64_t position[TORCH7_MAX_RANK] = {0}, stride[TORCH7_MAX_RANK];
    int64_t offset = tensor->tensor.offset;

    /* Axes of length 1 may have any stride, which is not to be followed. */
    for (int i = 0; i < tensor->tensor.rank; i++)
        stride[i] = tensor->tensor.size[i] > 1 ? tensor->tensor.stride[i] : 0;
    for (int64_t i = 0; i < count; i++) {
        elements[i] = (float)torch7_element(tensor->tensor.storage, offset);
        for (int axis = tensor->tensor.rank - 1; axis >= 0; axis--) {
            offset += stride[axis];
            if (++position[axis] < tensor->tensor.size[axis])
                break;
            offset -= stride[axis] * position[axis];
            position[axis] = 0;
        }
    }
}
