/*
 * Operators whose inputs are all constants: done here, so that the arithmetic on shapes which
 * exporters write into a file never reaches the graph.
 */
#include "base/memory.h"
#include "formats/onnx_loader.h"

#include <math.h>
#include <string.h>

/* ---- Elements ------------------------------------------------------------------------------- */

/* The elements of a constant, of one type or the other. */
struct elements {
    const float *floats;
    const int64_t *whole;
};

/* Those of a constant that is being made; they go to onnx_emit_constant. */
struct result {
    float *floats;
    int64_t *whole;
};

static int read_elements(struct onnx_loader *loader, int value, struct elements *elements,
                         VbpError *error)
{
    *elements = (struct elements){0};
    if (loader->values[value].integer)
        elements->whole = onnx_value_integers(loader, value);
    else if (!(elements->floats = onnx_value_floats(loader, value, error)))
        return error->status;
    return VBP_OK;
}

static int make_result(const struct onnx_operation *operation, int64_t count, bool integer,
                       struct result *made, VbpError *error)
{
    int result;

    *made = (struct result){0};
    if (count < 0)
        return onnx_refuse(operation, error, VBP_ERROR_UNSUPPORTED, "its result is too large");
    result = onnx_spend(operation->loader, integer ? 2 * count : count, error);
    if (result != VBP_OK)
        return result;
    if (integer)
        made->whole = memory_array((size_t)count, sizeof(*made->whole));
    else
        made->floats = memory_array((size_t)count, sizeof(*made->floats));
    return made->whole || made->floats ? VBP_OK : error_out_of_memory(error);
}

static void copy_element(struct result *to, int64_t index, const struct elements *from,
                         int64_t offset)
{
    if (to->whole)
        to->whole[index] = from->whole[offset];
    else
        to->floats[index] = from->floats[offset];
}

static void copy_elements(struct result *to, int64_t index, const struct elements *from,
                          int64_t offset, int64_t count)
{
    if (count < 1)
        return;
    if (to->whole)
        memcpy(to->whole + index, from->whole + offset, (size_t)count * sizeof(*to->whole));
    else
        memcpy(to->floats + index, from->floats + offset, (size_t)count * sizeof(*to->floats));
}

/* Product of the extents of the axes first .. end - 1. */
static int64_t extent_of_axes(const struct shape *shape, int first, int end)
{
    int64_t product = 1;

    for (int i = first; i < end; i++)
        product *= shape->extent[i];
    return product;
}

/* ---- Walking through arrays ----------------------------------------------------------------- */

#define OPERANDS 3

/* Where a walk over the elements of `shape`, in their order, is in each of the operands. */
struct walk {
    struct shape shape;
    int64_t position[SHAPE_MAX_RANK];
    int64_t stride[OPERANDS][SHAPE_MAX_RANK], offset[OPERANDS];
};

static void walk_on(struct walk *walk)
{
    for (int axis = walk->shape.rank - 1; axis >= 0; axis--) {
        bool within = ++walk->position[axis] < walk->shape.extent[axis];

        for (int o = 0; o < OPERANDS; o++)
            walk->offset[o] += walk->stride[o][axis] * (within ? 1 : 1 - walk->shape.extent[axis]);
        if (within)
            return;
        walk->position[axis] = 0;
    }
}

/* Has `operand` walk along as what it is broadcast to. */
static void walk_broadcast(struct walk *walk, int operand, const struct shape *shape)
{
    int64_t stride = 1;

    for (int i = 1; i <= shape->rank; i++) {
        int64_t extent = shape->extent[shape->rank - i];

        walk->stride[operand][walk->shape.rank - i] = extent == 1 ? 0 : stride;
        stride *= extent;
    }
}

bool onnx_broadcast(struct shape *shape, const struct shape *other)
{
    struct shape both = {.rank = shape->rank > other->rank ? shape->rank : other->rank};

    for (int i = 1; i <= both.rank; i++) {
        int64_t a = i <= shape->rank ? shape->extent[shape->rank - i] : 1;
        int64_t b = i <= other->rank ? other->extent[other->rank - i] : 1;

        if (a != b && a != 1 && b != 1)
            return false;
        both.extent[both.rank - i] = a == 1 ? b : a;
    }
    *shape = both;
    return true;
}

static int refuse_shapes(const struct onnx_operation *operation, VbpError *error)
{
    return onnx_refuse(operation, error, VBP_ERROR_FORMAT,
                       "the shapes of its inputs do not go together");
}

/* ---- Arithmetic ----------------------------------------------------------------------------- */

static float combine_floats(enum binary function, float a, float b)
{
    switch (function) {
    case BINARY_ADD:
        return a + b;
    case BINARY_SUBTRACT:
        return a - b;
    case BINARY_MULTIPLY:
        return a * b;
    case BINARY_MAXIMUM:
        return fmaxf(a, b);
    case BINARY_MINIMUM:
        return fminf(a, b);
    case BINARY_DIVIDE:
    case BINARY_PRELU:
        break;
    }
    return a / b;
}

/* False where the result does not exist. */
static bool combine_integers(enum binary function, int64_t a, int64_t b, int64_t *result)
{
    switch (function) {
    case BINARY_ADD:
        return !__builtin_add_overflow(a, b, result);
    case BINARY_SUBTRACT:
        return !__builtin_sub_overflow(a, b, result);
    case BINARY_MULTIPLY:
        return !__builtin_mul_overflow(a, b, result);
    case BINARY_MAXIMUM:
        *result = a > b ? a : b;
        return true;
    case BINARY_MINIMUM:
        *result = a < b ? a : b;
        return true;
    case BINARY_DIVIDE:
    case BINARY_PRELU:
        break;
    }
    if (b == 0 || (a == INT64_MIN && b == -1))
        return false;
    *result = a / b;
    return true;
}

/* Two constants of one type, and the walk over what they are broadcast to. */
static int begin_pair(const struct onnx_operation *operation, struct elements pair[2],
                      struct walk *walk, VbpError *error)
{
    struct onnx_loader *loader = operation->loader;
    int operand[2];

    *walk = (struct walk){0};
    for (size_t o = 0; o < 2; o++) {
        operand[o] = onnx_input_value(operation, o, error);
        if (operand[o] < 0)
            return operand[o];
    }
    if (loader->values[operand[0]].integer != loader->values[operand[1]].integer)
        return onnx_refuse(operation, error, VBP_ERROR_FORMAT,
                           "one of its inputs holds integers, the other floats");
    walk->shape = loader->values[operand[0]].shape;
    if (!onnx_broadcast(&walk->shape, &loader->values[operand[1]].shape))
        return refuse_shapes(operation, error);
    for (int o = 0; o < 2; o++) {
        int result = read_elements(loader, operand[o], &pair[o], error);

        if (result != VBP_OK)
            return result;
        walk_broadcast(walk, o, &loader->values[operand[o]].shape);
    }
    return VBP_OK;
}

int onnx_fold_binary(const struct onnx_operation *operation, enum binary function, VbpError *error)
{
    struct elements pair[2];
    struct result made;
    struct walk walk;
    int64_t count;
    int result = begin_pair(operation, pair, &walk, error);

    if (result != VBP_OK)
        return result;
    count = onnx_shape_count(&walk.shape);
    result = make_result(operation, count, pair[0].whole, &made, error);
    for (int64_t i = 0; i < count && result == VBP_OK; i++, walk_on(&walk)) {
        if (made.floats)
            made.floats[i] = combine_floats(function, pair[0].floats[walk.offset[0]],
                                            pair[1].floats[walk.offset[1]]);
        else if (!combine_integers(function, pair[0].whole[walk.offset[0]],
                                   pair[1].whole[walk.offset[1]], &made.whole[i]))
            result = onnx_refuse(operation, error, VBP_ERROR_FORMAT,
                                 "its constant inputs have no result");
    }
    if (result != VBP_OK) {
        free(made.whole);
        return result;
    }
    return onnx_emit_constant(operation, &walk.shape, made.floats, made.whole, error);
}

static int refuse_computed(const struct onnx_operation *operation, VbpError *error)
{
    return onnx_refuse(operation, error, VBP_ERROR_UNSUPPORTED,
                       "only constants are supported as its inputs");
}

int onnx_equal(const struct onnx_operation *operation, VbpError *error)
{
    struct elements pair[2];
    struct result made;
    struct walk walk;
    int64_t count;
    int result;

    if (!onnx_all_constant(operation))
        return refuse_computed(operation, error);
    result = begin_pair(operation, pair, &walk, error);
    if (result != VBP_OK)
        return result;
    count = onnx_shape_count(&walk.shape);
    result = make_result(operation, count, true, &made, error);
    if (result != VBP_OK)
        return result;
    for (int64_t i = 0; i < count; i++, walk_on(&walk)) {
        int64_t a = walk.offset[0], b = walk.offset[1];

        made.whole[i] = pair[0].whole ? pair[0].whole[a] == pair[1].whole[b]
                                      : pair[0].floats[a] == pair[1].floats[b];
    }
    return onnx_emit_constant(operation, &walk.shape, NULL, made.whole, error);
}

/* Functions of single floats. */
static int fold_function(const struct onnx_operation *operation, float (*function)(float x),
                         VbpError *error)
{
    struct onnx_loader *loader = operation->loader;
    struct elements elements;
    struct result made;
    struct shape shape;
    int64_t count;
    int result, value;

    if (!onnx_all_constant(operation))
        return refuse_computed(operation, error);
    value = onnx_input_constant(operation, 0, "input", error);
    if (value < 0)
        return value;
    count = loader->values[value].count;
    result = read_elements(loader, value, &elements, error);
    if (result == VBP_OK)
        result = make_result(operation, count, false, &made, error);
    if (result != VBP_OK)
        return result;
    for (int64_t i = 0; i < count; i++)
        made.floats[i] = function(elements.floats[i]);
    shape = loader->values[value].shape;
    return onnx_emit_constant(operation, &shape, made.floats, NULL, error);
}

int onnx_floor(const struct onnx_operation *operation, VbpError *error)
{
    return fold_function(operation, floorf, error);
}

int onnx_ceil(const struct onnx_operation *operation, VbpError *error)
{
    return fold_function(operation, ceilf, error);
}

int onnx_sqrt(const struct onnx_operation *operation, VbpError *error)
{
    return fold_function(operation, sqrtf, error);
}

/* ---- Types ---------------------------------------------------------------------------------- */

static bool type_is_float(int64_t type)
{
    return type == ONNX__TENSOR_PROTO__DATA_TYPE__FLOAT ||
           type == ONNX__TENSOR_PROTO__DATA_TYPE__FLOAT16 ||
           type == ONNX__TENSOR_PROTO__DATA_TYPE__DOUBLE ||
           type == ONNX__TENSOR_PROTO__DATA_TYPE__BFLOAT16;
}

static bool type_is_integer(int64_t type)
{
    return type == ONNX__TENSOR_PROTO__DATA_TYPE__INT64 ||
           type == ONNX__TENSOR_PROTO__DATA_TYPE__INT32;
}

/* Toward zero. False for what no integer is near. */
static bool whole_of_float(float x, int64_t *whole)
{
    if (!(fabsf(x) < 0x1p62f))
        return false;
    *whole = (int64_t)x;
    return true;
}

static int fold_cast(const struct onnx_operation *operation, int value, int64_t type,
                     VbpError *error)
{
    struct onnx_loader *loader = operation->loader;
    const struct shape shape = loader->values[value].shape;
    int64_t count = loader->values[value].count;
    bool boolean = type == ONNX__TENSOR_PROTO__DATA_TYPE__BOOL;
    struct elements elements;
    struct result made;
    int result = read_elements(loader, value, &elements, error);

    if (result == VBP_OK)
        result = make_result(operation, count, !type_is_float(type), &made, error);
    if (result != VBP_OK)
        return result;
    for (int64_t i = 0; i < count; i++) {
        if (made.floats) {
            made.floats[i] = (float)elements.whole[i];
        } else if (boolean) {
            made.whole[i] = elements.whole ? elements.whole[i] != 0 : elements.floats[i] != 0;
        } else if (!whole_of_float(elements.floats[i], &made.whole[i])) {
            free(made.whole);
            return onnx_refuse(operation, error, VBP_ERROR_FORMAT, "%g is no integer",
                               (double)elements.floats[i]);
        }
    }
    return onnx_emit_constant(operation, &shape, made.floats, made.whole, error);
}

/* Floats that are computed stay floats; constants may become of another type. */
int onnx_cast(const struct onnx_operation *operation, VbpError *error)
{
    const struct onnx_value *value;
    int64_t type = ONNX__TENSOR_PROTO__DATA_TYPE__UNDEFINED;
    int index, result;

    result = onnx_attribute_integer(operation, "to", &type, error);
    if (result != VBP_OK)
        return result;
    index = onnx_input_value(operation, 0, error);
    if (index < 0)
        return index;
    value = &operation->loader->values[index];
    if (value->integer ? type_is_integer(type) : type_is_float(type))
        return onnx_identity(operation, error);
    if (value->kind != ONNX_CONSTANT || !(type_is_float(type) || type_is_integer(type) ||
                                          type == ONNX__TENSOR_PROTO__DATA_TYPE__BOOL))
        return onnx_refuse(operation, error, VBP_ERROR_UNSUPPORTED,
                           "this conversion of types is not supported");
    return fold_cast(operation, index, type, error);
}

/* ---- New arrays ----------------------------------------------------------------------------- */

int onnx_fold_strided(const struct onnx_operation *operation, int value, const struct shape *shape,
                      int64_t start, const int64_t *stride, VbpError *error)
{
    struct onnx_loader *loader = operation->loader;
    int64_t count = onnx_shape_count(shape);
    struct walk walk = {.shape = *shape, .offset = {start}};
    struct elements elements;
    struct result made;
    int result = read_elements(loader, value, &elements, error);

    if (result == VBP_OK)
        result = make_result(operation, count, loader->values[value].integer, &made, error);
    if (result != VBP_OK)
        return result;
    memcpy(walk.stride[0], stride, (size_t)shape->rank * sizeof(*stride));
    for (int64_t i = 0; i < count; i++, walk_on(&walk))
        copy_element(&made, i, &elements, walk.offset[0]);
    return onnx_emit_constant(operation, shape, made.floats, made.whole, error);
}

/* The shape of all constant inputs put together along an axis, and whether they hold integers. */
static int joined_shape(const struct onnx_operation *operation, int axis, struct shape *shape,
                        bool *integer, VbpError *error)
{
    const struct onnx_loader *loader = operation->loader;

    for (size_t i = 0; i < operation->node->n_input; i++) {
        int value = onnx_input_value(operation, i, error);
        struct shape own;

        if (value < 0)
            return value;
        own = loader->values[value].shape;
        if (i == 0) {
            *shape = own;
            *integer = loader->values[value].integer;
            continue;
        }
        if (loader->values[value].integer != *integer)
            return onnx_refuse(operation, error, VBP_ERROR_FORMAT,
                               "one of its inputs holds integers, the other floats");
        if (own.rank != shape->rank)
            return refuse_shapes(operation, error);
        shape->extent[axis] += own.extent[axis];
        own.extent[axis] = shape->extent[axis];
        if (!shape_equal(&own, shape))
            return refuse_shapes(operation, error);
    }
    return VBP_OK;
}

int onnx_fold_concat(const struct onnx_operation *operation, int axis, VbpError *error)
{
    struct onnx_loader *loader = operation->loader;
    struct shape shape = {0};
    struct result made = {0};
    int64_t rows, length, begin = 0;
    bool integer = false;
    int result = joined_shape(operation, axis, &shape, &integer, error);

    if (result == VBP_OK)
        result = make_result(operation, onnx_shape_count(&shape), integer, &made, error);
    if (result != VBP_OK)
        return result;
    rows = extent_of_axes(&shape, 0, axis);
    length = extent_of_axes(&shape, axis, shape.rank);
    for (size_t i = 0; i < operation->node->n_input; i++) {
        int value = onnx_input_value(operation, i, error);
        int64_t part = extent_of_axes(&loader->values[value].shape, axis, shape.rank);
        struct elements elements;

        result = read_elements(loader, value, &elements, error);
        if (result != VBP_OK) {
            free(made.floats);
            return result;
        }
        for (int64_t row = 0; row < rows; row++)
            copy_elements(&made, row * length + begin, &elements, row * part, part);
        begin += part;
    }
    return onnx_emit_constant(operation, &shape, made.floats, made.whole, error);
}

int onnx_fold_gather(const struct onnx_operation *operation, int axis, VbpError *error)
{
    struct onnx_loader *loader = operation->loader;
    struct shape input, indices, shape;
    const int64_t *index = NULL;
    int64_t count = 0, rows, inner, length;
    struct elements elements;
    struct result made;
    int value = onnx_input_value(operation, 0, error);
    int result = value < 0 ? value : onnx_input_shape(operation, 1, &indices, error);

    if (result == VBP_OK)
        result = onnx_input_integers(operation, 1, "list of indices", &index, &count, error);
    if (result != VBP_OK)
        return result;
    input = loader->values[value].shape;
    shape = input;
    if (indices.rank == 0) {
        shape.rank--;
        memmove(shape.extent + axis, shape.extent + axis + 1,
                (size_t)(shape.rank - axis) * sizeof(*shape.extent));
    } else {
        shape.extent[axis] = count;
    }
    result = read_elements(loader, value, &elements, error);
    if (result == VBP_OK)
        result = make_result(operation, onnx_shape_count(&shape), loader->values[value].integer,
                             &made, error);
    if (result != VBP_OK)
        return result;
    rows = extent_of_axes(&input, 0, axis);
    inner = extent_of_axes(&input, axis + 1, input.rank);
    length = input.extent[axis];
    for (int64_t i = 0; i < count; i++) {
        int64_t from = index[i] < 0 ? index[i] + length : index[i];

        if (from < 0 || from >= length) {
            free(made.floats);
            free(made.whole);
            return onnx_refuse(operation, error, VBP_ERROR_FORMAT, "index %lld of %lld elements",
                               (long long)index[i], (long long)length);
        }
        for (int64_t row = 0; row < rows; row++)
            copy_elements(&made, (row * count + i) * inner, &elements,
                          (row * length + from) * inner, inner);
    }
    return onnx_emit_constant(operation, &shape, made.floats, made.whole, error);
}

/* An array of one value, of the shape that its input lists. */
int onnx_constant_of_shape(const struct onnx_operation *operation, VbpError *error)
{
    const Onnx__AttributeProto *attribute = onnx_attribute(operation, "value");
    const Onnx__TensorProto *tensor = attribute ? attribute->t : NULL;
    const int64_t *extents = NULL;
    struct shape shape = {0};
    struct result made;
    int64_t rank = 0, count, whole = 0;
    float number = 0;
    bool integer = tensor && type_is_integer(tensor->data_type);
    int result = onnx_input_integers(operation, 0, "shape", &extents, &rank, error);

    if (result != VBP_OK)
        return result;
    if (tensor && tensor->has_raw_data && tensor->raw_data.len == (integer ? 8 : 4)) {
        memcpy(integer ? (void *)&whole : (void *)&number, tensor->raw_data.data,
               tensor->raw_data.len);
    } else if (tensor && integer && tensor->n_int64_data == 1) {
        whole = tensor->int64_data[0];
    } else if (tensor && !integer && tensor->n_float_data == 1) {
        number = tensor->float_data[0];
    } else if (attribute) {
        return onnx_refuse(operation, error, VBP_ERROR_UNSUPPORTED,
                           "its value is not one float or 64-bit integer");
    }
    if (rank > SHAPE_MAX_RANK)
        return onnx_refuse(operation, error, VBP_ERROR_UNSUPPORTED,
                           "its shape has %lld axes; at most %d are supported", (long long)rank,
                           SHAPE_MAX_RANK);
    shape.rank = (int)rank;
    for (int i = 0; i < shape.rank; i++)
        shape.extent[i] = extents[i];
    count = onnx_shape_count(&shape);
    result = make_result(operation, count, integer, &made, error);
    if (result != VBP_OK)
        return result;
    for (int64_t i = 0; i < count; i++) {
        if (integer)
            made.whole[i] = whole;
        else
            made.floats[i] = number;
    }
    return onnx_emit_constant(operation, &shape, made.floats, made.whole, error);
}

int onnx_fold_where(const struct onnx_operation *operation, const struct shape *shape,
                    VbpError *error)
{
    struct onnx_loader *loader = operation->loader;
    struct walk walk = {.shape = *shape};
    struct elements input[3];
    struct result made;
    int64_t count = onnx_shape_count(shape);
    bool integer = false;
    int result = VBP_OK;

    for (size_t o = 0; o < 3 && result == VBP_OK; o++) {
        int value = onnx_input_value(operation, o, error);

        if (value < 0)
            return value;
        if (o == 2 && loader->values[value].integer != integer)
            return onnx_refuse(operation, error, VBP_ERROR_FORMAT,
                               "one of its inputs holds integers, the other floats");
        integer = loader->values[value].integer;
        walk_broadcast(&walk, (int)o, &loader->values[value].shape);
        result = read_elements(loader, value, &input[o], error);
    }
    if (result == VBP_OK)
        result = make_result(operation, count, integer, &made, error);
    if (result != VBP_OK)
        return result;
    for (int64_t i = 0; i < count; i++, walk_on(&walk)) {
        int chosen = input[0].whole[walk.offset[0]] ? 1 : 2;

        copy_element(&made, i, &input[chosen], walk.offset[chosen]);
    }
    return onnx_emit_constant(operation, shape, made.floats, made.whole, error);
}
