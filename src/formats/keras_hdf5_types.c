/* Datatypes of HDF5: versions 1 to 3, and what types they are made of. */
#include "formats/keras_hdf5_check.h"

#include <string.h>

#define MAX_DEPTH         16
#define MAX_EXPONENT_BITS 32

enum {
    CLASS_INTEGER,
    CLASS_FLOAT,
    CLASS_TIME,
    CLASS_TEXT,
    CLASS_BITS,
    CLASS_OPAQUE,
    CLASS_COMPOUND,
    CLASS_REFERENCE,
    CLASS_ENUM,
    CLASS_VARIABLE,
    CLASS_ARRAY
};

/* The first 8 bytes of a type. */
struct head {
    int version;
    uint32_t bits;
    size_t at;
};

static int check_type(struct hdf5_check *check, struct hdf5_piece *piece, int depth,
                      struct hdf5_type *type);

/* Bits `first` to first + count - 1 of `limit`, at least one. */
static bool bits_fit(uint64_t first, uint64_t count, uint64_t limit)
{
    return count > 0 && first <= limit && count <= limit - first;
}

static int check_integer(struct hdf5_check *check, struct hdf5_piece *piece,
                         const struct head *head, const struct hdf5_type *type)
{
    uint64_t offset = hdf5_number(piece, 2), precision = hdf5_number(piece, 2);

    if (!bits_fit(offset, precision, 8 * (uint64_t)type->size))
        return hdf5_damaged_at(check, "an integer type whose bits are not in its bytes", head->at);
    return VBP_OK;
}

static int check_float(struct hdf5_check *check, struct hdf5_piece *piece, const struct head *head,
                       const struct hdf5_type *type)
{
    uint64_t offset = hdf5_number(piece, 2), precision = hdf5_number(piece, 2);
    uint64_t exponent = hdf5_number(piece, 1), exponent_bits = hdf5_number(piece, 1);
    uint64_t mantissa = hdf5_number(piece, 1), mantissa_bits = hdf5_number(piece, 1);
    uint64_t sign = head->bits >> 8 & 0xff;

    hdf5_skip(piece, 4);
    if ((head->bits & 0x30) == 0x30 || (head->bits & 0x41) == 0x40)
        return hdf5_damaged_at(check, "a float type of no known kind", head->at);
    if (!bits_fit(offset, precision, 8 * (uint64_t)type->size) || !bits_fit(sign, 1, precision) ||
        !bits_fit(exponent, exponent_bits, precision) ||
        !bits_fit(mantissa, mantissa_bits, precision) || exponent_bits > MAX_EXPONENT_BITS)
        return hdf5_damaged_at(check, "a float type whose bits are not in its bytes", head->at);
    return VBP_OK;
}

/* A name that ends with a zero byte; up to version 2 filled up to 8 bytes. */
static int skip_name(struct hdf5_check *check, struct hdf5_piece *piece, const struct head *head)
{
    const unsigned char *begin = piece->bytes + piece->at;
    const unsigned char *end = hdf5_left(piece) ? memchr(begin, 0, hdf5_left(piece)) : NULL;
    uint64_t length;

    if (!end)
        return hdf5_damaged_at(check, "a type with a name that does not end", head->at);
    length = (uint64_t)(end - begin) + 1;
    hdf5_skip(piece, head->version < 3 ? (length + 7) / 8 * 8 : length);
    return VBP_OK;
}

/* Members of version 1 can be arrays. */
static int old_array(struct hdf5_check *check, struct hdf5_piece *piece, uint64_t *elements)
{
    size_t at = piece->at;
    uint64_t rank = hdf5_number(piece, 1);

    *elements = 1;
    hdf5_skip(piece, 11);
    for (uint64_t i = 0; i < 4; i++) {
        uint64_t extent = hdf5_number(piece, 4);

        if (i < rank && (extent == 0 || extent > UINT32_MAX / *elements))
            return hdf5_damaged_at(check, "an array in a type", at);
        *elements *= i < rank ? extent : 1;
    }
    return rank > 4 ? hdf5_damaged_at(check, "an array in a type", at) : VBP_OK;
}

/* Bytes that a number up to the type's size takes. */
static int offset_width(uint32_t size)
{
    return size >= 1U << 24 ? 4 : size >= 1U << 16 ? 3 : size >= 1U << 8 ? 2 : 1;
}

static int check_compound(struct hdf5_check *check, struct hdf5_piece *piece,
                          const struct head *head, const struct hdf5_type *type, int depth)
{
    unsigned members = head->bits & 0xffff;
    int result = members ? VBP_OK : hdf5_damaged_at(check, "a type of no members", head->at);

    for (unsigned i = 0; i < members && result == VBP_OK; i++) {
        uint64_t offset, elements = 1;
        struct hdf5_type member;

        result = skip_name(check, piece, head);
        offset = hdf5_number(piece, head->version == 3 ? offset_width(type->size) : 4);
        if (result == VBP_OK && head->version == 1)
            result = old_array(check, piece, &elements);
        if (result == VBP_OK)
            result = check_type(check, piece, depth + 1, &member);
        if (result == VBP_OK && !bits_fit(offset, elements * member.size, type->size))
            result = hdf5_damaged_at(check, "a type with a member outside of it", head->at);
    }
    return result;
}

static int check_enum(struct hdf5_check *check, struct hdf5_piece *piece, const struct head *head,
                      const struct hdf5_type *type, int depth)
{
    unsigned members = head->bits & 0xffff;
    struct hdf5_type base;
    int result = check_type(check, piece, depth + 1, &base);

    if (result == VBP_OK && (base.class != CLASS_INTEGER || base.size != type->size))
        result = hdf5_damaged_at(check, "an enumeration of what is no number", head->at);
    for (unsigned i = 0; i < members && result == VBP_OK; i++)
        result = skip_name(check, piece, head);
    hdf5_skip(piece, (uint64_t)members * type->size);
    return result;
}

static int check_array(struct hdf5_check *check, struct hdf5_piece *piece, const struct head *head,
                       const struct hdf5_type *type, int depth)
{
    uint64_t rank = hdf5_number(piece, 1), elements = 1;
    struct hdf5_type base;
    int result;

    if (head->version < 2 || rank == 0 || rank > HDF5_MAX_RANK)
        return hdf5_damaged_at(check, "an array type", head->at);
    hdf5_skip(piece, head->version == 2 ? 3 : 0);
    for (uint64_t i = 0; i < rank; i++) {
        uint64_t extent = hdf5_number(piece, 4);

        if (extent == 0 || extent > UINT32_MAX / elements)
            return hdf5_damaged_at(check, "an array type", head->at);
        elements *= extent;
    }
    hdf5_skip(piece, head->version == 2 ? 4 * rank : 0);
    result = check_type(check, piece, depth + 1, &base);
    if (result == VBP_OK && elements * base.size != type->size)
        result =
            hdf5_damaged_at(check, "an array type of another size than its elements", head->at);
    return result;
}

/* A reference to what is elsewhere: the sizes of such types are fixed. */
static int check_reference(struct hdf5_check *check, const struct head *head,
                           const struct hdf5_type *type)
{
    uint32_t width = (uint32_t)check->address_width;

    if ((head->bits & 15) > 1 || type->size != width + (head->bits & 15 ? 4 : 0))
        return hdf5_damaged_at(check, "a reference type", head->at);
    return VBP_OK;
}

static int check_variable(struct hdf5_check *check, struct hdf5_piece *piece,
                          const struct head *head, struct hdf5_type *type, int depth)
{
    struct hdf5_type base;
    int result = check_type(check, piece, depth + 1, &base);

    if (result != VBP_OK)
        return result;
    type->text_list = (head->bits & 15) == 1;
    if ((head->bits & 15) > 1 || type->size != 8 + (uint32_t)check->address_width ||
        (type->text_list && base.size != 1))
        return hdf5_damaged_at(check, "a type of variable length", head->at);
    return VBP_OK;
}

static int check_class(struct hdf5_check *check, struct hdf5_piece *piece, const struct head *head,
                       struct hdf5_type *type, int depth)
{
    switch (type->class) {
    case CLASS_INTEGER:
    case CLASS_BITS:
        return check_integer(check, piece, head, type);
    case CLASS_FLOAT:
        return check_float(check, piece, head, type);
    case CLASS_TIME:
        if (!bits_fit(0, hdf5_number(piece, 2), 8 * (uint64_t)type->size))
            return hdf5_damaged_at(check, "a time type whose bits are not in its bytes", head->at);
        return VBP_OK;
    case CLASS_TEXT:
        return VBP_OK;
    case CLASS_OPAQUE:
        hdf5_skip(piece, ((head->bits & 0xff) + 7) / 8 * 8);
        return VBP_OK;
    case CLASS_COMPOUND:
        return check_compound(check, piece, head, type, depth);
    case CLASS_REFERENCE:
        return check_reference(check, head, type);
    case CLASS_ENUM:
        return check_enum(check, piece, head, type, depth);
    case CLASS_VARIABLE:
        return check_variable(check, piece, head, type, depth);
    case CLASS_ARRAY:
        return check_array(check, piece, head, type, depth);
    default:
        return hdf5_damaged_at(check, "a type of no known class", head->at);
    }
}

static int check_type(struct hdf5_check *check, struct hdf5_piece *piece, int depth,
                      struct hdf5_type *type)
{
    struct head head = {.at = piece->at};
    unsigned first = (unsigned)hdf5_number(piece, 1);
    int result;

    head.version = (int)(first >> 4);
    head.bits = (uint32_t)hdf5_number(piece, 3);
    *type = (struct hdf5_type){(int)(first & 15), (uint32_t)hdf5_number(piece, 4), false};
    if (!piece->cut && (depth > MAX_DEPTH || head.version < 1 || head.version > 3))
        return hdf5_damaged_at(check,
                               depth > MAX_DEPTH ? "types inside types without an end"
                                                 : "a type of no known version",
                               head.at);
    if (!piece->cut && type->size == 0)
        return hdf5_damaged_at(check, "a type of no size", head.at);
    result = piece->cut ? VBP_OK : check_class(check, piece, &head, type, depth);
    if (piece->cut)
        return hdf5_damaged_at(check, "a datatype larger than its message", head.at);
    return result;
}

int hdf5_datatype(struct hdf5_check *check, struct hdf5_piece *piece, struct hdf5_type *type)
{
    return check_type(check, piece, 0, type);
}
