/* The messages of an object's header in HDF5: what each says must be inside of it and make sense.
 */
#include "formats/keras_hdf5_check.h"

#include <string.h>

enum {
    MESSAGE_SPACE = 0x01,
    MESSAGE_LINK_INFO = 0x02,
    MESSAGE_TYPE = 0x03,
    MESSAGE_FILL_OLD = 0x04,
    MESSAGE_FILL = 0x05,
    MESSAGE_LINK = 0x06,
    MESSAGE_EXTERNAL = 0x07,
    MESSAGE_LAYOUT = 0x08,
    MESSAGE_GROUP_INFO = 0x0A,
    MESSAGE_FILTERS = 0x0B,
    MESSAGE_ATTRIBUTE = 0x0C,
    MESSAGE_COMMENT = 0x0D,
    MESSAGE_TIME_OLD = 0x0E,
    MESSAGE_SYMBOLS = 0x11,
    MESSAGE_TIME = 0x12,
    MESSAGE_ATTRIBUTES = 0x15,
    MESSAGE_REFERENCES = 0x16
};

#define FLAG_SHARED 0x02

/* ---- Extents -------------------------------------------------------------------------------- */

static int take_space(struct hdf5_check *check, struct hdf5_piece *piece, struct hdf5_space *space)
{
    size_t at = piece->at;
    unsigned version = (unsigned)hdf5_number(piece, 1), rank = (unsigned)hdf5_number(piece, 1);
    unsigned flags = (unsigned)hdf5_number(piece, 1), kind = (unsigned)hdf5_number(piece, 1);

    if (version != 1 && version != 2)
        return hdf5_damaged_at(check, "a dataspace of no known version", at);
    if (rank > HDF5_MAX_RANK)
        return hdf5_damaged(check, "the dataspace at byte %zu has %u axes", at, rank);
    if (flags > 1 || (version == 2 && (kind > 2 || (kind != 1 && rank > 0))))
        return hdf5_damaged_at(check, "a dataspace of no known kind", at);
    hdf5_skip(piece, version == 1 ? 4 : 0);
    *space = (struct hdf5_space){.null = version == 2 && kind == 2, .rank = (int)rank};
    space->elements = !space->null;
    for (unsigned i = 0; i < rank; i++) {
        space->extent[i] = hdf5_length(check, piece);
        if (__builtin_mul_overflow(space->elements, space->extent[i], &space->elements))
            return hdf5_damaged_at(check, "a dataspace of too many elements", at);
    }
    hdf5_skip(piece, flags & 1 ? (uint64_t)rank * (uint64_t)check->length_width : 0);
    return VBP_OK;
}

/* ---- Types, which may be elsewhere ---------------------------------------------------------- */

static int take_type(struct hdf5_check *check, struct hdf5_piece *piece, bool shared,
                     struct hdf5_type *type)
{
    size_t at = piece->at;
    unsigned version, kind;

    if (!shared)
        return hdf5_datatype(check, piece, type);
    version = (unsigned)hdf5_number(piece, 1);
    kind = (unsigned)hdf5_number(piece, 1);
    if (version == 1 || (version == 3 && kind == 1))
        return hdf5_unsupported_at(check, "a shared message of a rare kind", at);
    if (version < 1 || version > 3 || (version == 3 && kind != 2))
        return hdf5_damaged_at(check, "a shared message of no known kind", at);
    return hdf5_shared_type(check, hdf5_address(check, piece), type);
}

/* ---- Attributes ----------------------------------------------------------------------------- */

/* The next part of an attribute, which in version 1 is filled up to 8 bytes. */
static struct hdf5_piece attribute_part(struct hdf5_piece *piece, unsigned version, uint64_t size)
{
    struct hdf5_piece part = hdf5_part(piece, size);

    if (version == 1)
        hdf5_skip(piece, (size + 7) / 8 * 8 - size);
    return part;
}

int hdf5_attribute(struct hdf5_check *check, struct hdf5_piece *piece)
{
    size_t at = piece->at;
    unsigned version = (unsigned)hdf5_number(piece, 1), flags = (unsigned)hdf5_number(piece, 1);
    uint64_t name_size = hdf5_number(piece, 2), type_size = hdf5_number(piece, 2);
    uint64_t space_size = hdf5_number(piece, 2), size;
    struct hdf5_piece name, type_piece, space_piece, data;
    struct hdf5_space space;
    struct hdf5_type type;
    int result;

    if (version < 1 || version > 3 || (version > 1 && flags > 1))
        return hdf5_damaged_at(check, "an attribute of no known version or kind", at);
    hdf5_skip(piece, version == 3 ? 1 : 0);
    name = attribute_part(piece, version, name_size);
    type_piece = attribute_part(piece, version, type_size);
    space_piece = attribute_part(piece, version, space_size);
    if (piece->cut)
        return hdf5_damaged_at(check, "an attribute is larger than its message", at);
    if (name_size == 0 ||
        memchr(name.bytes + name.at, 0, (size_t)name_size) != name.bytes + name.at + name_size - 1)
        return hdf5_damaged_at(check, "an attribute whose name does not end where it should", at);
    result = take_type(check, &type_piece, version > 1 && flags & 1, &type);
    if (result == VBP_OK)
        result = take_space(check, &space_piece, &space);
    if (result != VBP_OK)
        return result;
    if (type_piece.cut || space_piece.cut)
        return hdf5_damaged_at(check, "the type or the extents of an attribute are cut short", at);
    data = *piece;
    if (__builtin_mul_overflow(space.elements, type.size, &size) || size > hdf5_left(piece))
        return hdf5_damaged_at(check, "an attribute with more data than its message holds", at);
    return type.text_list ? hdf5_texts(check, &data, space.elements) : VBP_OK;
}

/* ---- Data: fill values, layouts, filters ---------------------------------------------------- */

static int take_fill(struct hdf5_check *check, struct hdf5_object *object, struct hdf5_piece *piece)
{
    size_t at = piece->at;
    unsigned version = (unsigned)hdf5_number(piece, 1), flags = (unsigned)hdf5_number(piece, 1);
    bool there;

    if (version < 1 || version > 3)
        return hdf5_damaged_at(check, "a fill value of no known version", at);
    if (version == 3) {
        there = flags & 0x20;
    } else {
        hdf5_skip(piece, 1);
        there = hdf5_number(piece, 1) != 0 || version == 1;
    }
    object->fill_bytes = there ? hdf5_number(piece, 4) : 0;
    hdf5_skip(piece, object->fill_bytes);
    return VBP_OK;
}

static int take_fill_old(struct hdf5_object *object, struct hdf5_piece *piece)
{
    uint64_t size = hdf5_number(piece, 4);

    hdf5_skip(piece, size);
    if (size > 0)
        object->fill_bytes = size;
    return VBP_OK;
}

/* Extents of chunks: `rank` numbers, the last for the bytes of an element. */
static int take_chunk(struct hdf5_check *check, struct hdf5_object *object,
                      struct hdf5_piece *piece, unsigned rank, unsigned width)
{
    if (rank < 2 || rank > HDF5_MAX_RANK + 1 || width < 1 || width > 8)
        return hdf5_damaged_at(check, "chunks of too few or too many axes", piece->at);
    object->chunk_rank = (int)rank - 1;
    for (unsigned i = 0; i < rank; i++)
        object->chunk[i] = hdf5_number(piece, (int)width);
    return VBP_OK;
}

static int take_layout_1(struct hdf5_check *check, struct hdf5_object *object,
                         struct hdf5_piece *piece)
{
    size_t at = piece->at;
    unsigned rank = (unsigned)hdf5_number(piece, 1), class = (unsigned)hdf5_number(piece, 1);
    int result = VBP_OK;

    if (class > HDF5_CHUNKED || rank > HDF5_MAX_RANK + 1)
        return hdf5_damaged_at(check, "a layout of no known kind", at);
    object->storage = (enum hdf5_storage) class;
    hdf5_skip(piece, 5);
    if (class != HDF5_COMPACT)
        object->data = hdf5_address(check, piece);
    if (class == HDF5_CHUNKED)
        result = take_chunk(check, object, piece, rank, 4);
    else
        hdf5_skip(piece, 4 * (uint64_t)rank);
    if (class == HDF5_COMPACT) {
        object->data_bytes = hdf5_number(piece, 4);
        hdf5_skip(piece, object->data_bytes);
    }
    return result;
}

/* Chunks of version 4: how they are found is one of five ways. */
static int take_chunks_4(struct hdf5_check *check, struct hdf5_object *object,
                         struct hdf5_piece *piece)
{
    static const unsigned char sizes[6] = {0, 0, 0, 1, 5, 6};
    size_t at = piece->at;
    unsigned flags = (unsigned)hdf5_number(piece, 1), rank = (unsigned)hdf5_number(piece, 1);
    int result = take_chunk(check, object, piece, rank, (unsigned)hdf5_number(piece, 1));

    if (result != VBP_OK)
        return result;
    object->chunk_index = (int)hdf5_number(piece, 1);
    if (object->chunk_index < 1 || object->chunk_index > 5)
        return hdf5_damaged_at(check, "chunks of no known order", at);
    hdf5_skip(piece, sizes[object->chunk_index]);
    object->chunk_mask = UINT32_MAX;
    if (object->chunk_index == 1 && flags & 2) {
        object->data_bytes = hdf5_length(check, piece);
        object->chunk_mask = (uint32_t)hdf5_number(piece, 4);
    }
    object->data = hdf5_address(check, piece);
    return VBP_OK;
}

static int take_layout(struct hdf5_check *check, struct hdf5_object *object,
                       struct hdf5_piece *piece)
{
    size_t at = piece->at;
    unsigned class;

    object->layout_version = (int)hdf5_number(piece, 1);
    object->data = HDF5_NOWHERE;
    object->data_bytes = HDF5_NOWHERE;
    if (object->layout_version == 1 || object->layout_version == 2)
        return take_layout_1(check, object, piece);
    if (object->layout_version != 3 && object->layout_version != 4)
        return hdf5_damaged_at(check, "a layout of no known version", at);
    class = (unsigned)hdf5_number(piece, 1);
    if (class > HDF5_VIRTUAL)
        return hdf5_damaged_at(check, "a layout of no known kind", at);
    object->storage = (enum hdf5_storage) class;
    switch (object->storage) {
    case HDF5_COMPACT:
        object->data_bytes = hdf5_number(piece, 2);
        hdf5_skip(piece, object->data_bytes);
        return VBP_OK;
    case HDF5_CONTIGUOUS:
        object->data = hdf5_address(check, piece);
        object->data_bytes = hdf5_length(check, piece);
        return VBP_OK;
    case HDF5_VIRTUAL:
        return hdf5_unsupported_at(check, "a dataset that is made of other datasets", at);
    case HDF5_CHUNKED:
        break;
    }
    if (object->layout_version == 4)
        return take_chunks_4(check, object, piece);
    {
        unsigned rank = (unsigned)hdf5_number(piece, 1);

        object->data = hdf5_address(check, piece);
        return take_chunk(check, object, piece, rank, 4);
    }
}

static int take_filters(struct hdf5_check *check, struct hdf5_object *object,
                        struct hdf5_piece *piece)
{
    size_t at = piece->at;
    unsigned version = (unsigned)hdf5_number(piece, 1), count = (unsigned)hdf5_number(piece, 1);

    if (version != 1 && version != 2)
        return hdf5_damaged_at(check, "a list of filters of no known version", at);
    if (count == 0 || count > HDF5_MAX_FILTERS)
        return hdf5_damaged(check, "the list of filters at byte %zu has %u", at, count);
    hdf5_skip(piece, version == 1 ? 6 : 0);
    object->filters = (int)count;
    for (unsigned i = 0; i < count && !piece->cut; i++) {
        uint64_t name_size = 0, values;
        struct hdf5_piece name;

        object->filter[i] = (unsigned)hdf5_number(piece, 2);
        if (version == 1 || object->filter[i] >= 256)
            name_size = hdf5_number(piece, 2);
        hdf5_skip(piece, 2);
        values = hdf5_number(piece, 2);
        name = hdf5_part(piece, name_size);
        if (!piece->cut && name_size > 0 && !memchr(name.bytes + name.at, 0, (size_t)name_size))
            return hdf5_damaged_at(check, "a filter whose name does not end", name.at);
        if (version == 1 && name_size % 8 != 0)
            return hdf5_damaged_at(check, "a filter whose name is of a wrong size", name.at);
        hdf5_skip(piece, 4 * values + (version == 1 && values % 2 ? 4 : 0));
    }
    return VBP_OK;
}

/* Names of other files: they are refused when the data is asked for. */
static int take_external(struct hdf5_check *check, struct hdf5_piece *piece)
{
    size_t at = piece->at;
    uint64_t heap, count, most;
    int result = VBP_OK;

    hdf5_skip(piece, 4);
    most = hdf5_number(piece, 2);
    count = hdf5_number(piece, 2);
    heap = hdf5_address(check, piece);
    if (count > most)
        return hdf5_damaged_at(check, "a list of external files", at);
    result = hdf5_name(check, heap, 0);
    for (uint64_t i = 0; i < count && result == VBP_OK && !piece->cut; i++) {
        result = hdf5_name(check, heap, hdf5_length(check, piece));
        hdf5_skip(piece, 2 * (uint64_t)check->length_width);
    }
    return result;
}

/* ---- Groups --------------------------------------------------------------------------------- */

static int take_symbols(struct hdf5_check *check, struct hdf5_piece *piece)
{
    uint64_t tree = hdf5_address(check, piece), heap = hdf5_address(check, piece);

    return piece->cut ? VBP_OK : hdf5_group(check, tree, heap);
}

static int take_link(struct hdf5_check *check, struct hdf5_piece *piece)
{
    size_t at = piece->at;
    unsigned version = (unsigned)hdf5_number(piece, 1), flags = (unsigned)hdf5_number(piece, 1);
    unsigned kind = flags & 0x08 ? (unsigned)hdf5_number(piece, 1) : 0;
    uint64_t address;

    if (version != 1 || flags & 0xE0)
        return hdf5_damaged_at(check, "a link of no known version", at);
    hdf5_skip(piece, (flags & 0x04 ? 8 : 0) + (flags & 0x10 ? 1 : 0));
    hdf5_skip(piece, hdf5_number(piece, 1 << (flags & 3)));
    if (kind != 0) {
        hdf5_skip(piece, hdf5_number(piece, 2));
        return VBP_OK;
    }
    address = hdf5_address(check, piece);
    return piece->cut ? VBP_OK : hdf5_add_object(check, address);
}

/* Where many links or attributes are. */
static int take_dense(struct hdf5_check *check, struct hdf5_piece *piece, bool attributes)
{
    size_t at = piece->at;
    unsigned version = (unsigned)hdf5_number(piece, 1), flags = (unsigned)hdf5_number(piece, 1);
    uint64_t heap, tree;

    if (version != 0 || flags > 3)
        return hdf5_damaged_at(check, "links or attributes of no known version", at);
    if (flags & 1)
        hdf5_skip(piece, attributes ? 2 : 8);
    heap = hdf5_address(check, piece);
    tree = hdf5_address(check, piece);
    hdf5_skip(piece, flags & 2 ? (uint64_t)check->address_width : 0);
    if (piece->cut || heap == HDF5_NOWHERE)
        return VBP_OK;
    return hdf5_dense(check, heap, tree, attributes);
}

/* ---- Any message ---------------------------------------------------------------------------- */

static int take(struct hdf5_check *check, struct hdf5_object *object, unsigned type, bool shared,
                struct hdf5_piece *piece)
{
    switch (type) {
    case MESSAGE_SPACE:
        return take_space(check, piece, &object->space);
    case MESSAGE_LINK_INFO:
        return take_dense(check, piece, false);
    case MESSAGE_TYPE:
        return take_type(check, piece, shared, &object->type);
    case MESSAGE_FILL_OLD:
        return take_fill_old(object, piece);
    case MESSAGE_FILL:
        return take_fill(check, object, piece);
    case MESSAGE_LINK:
        return take_link(check, piece);
    case MESSAGE_EXTERNAL:
        return take_external(check, piece);
    case MESSAGE_LAYOUT:
        return take_layout(check, object, piece);
    case MESSAGE_FILTERS:
        return take_filters(check, object, piece);
    case MESSAGE_ATTRIBUTE:
        return hdf5_attribute(check, piece);
    case MESSAGE_SYMBOLS:
        return take_symbols(check, piece);
    case MESSAGE_ATTRIBUTES:
        return take_dense(check, piece, true);
    case MESSAGE_COMMENT:
        if (!memchr(piece->bytes + piece->at, 0, hdf5_left(piece)))
            return hdf5_damaged_at(check, "a comment that does not end", piece->at);
        return VBP_OK;
    case MESSAGE_TIME_OLD:
        hdf5_skip(piece, 16);
        return VBP_OK;
    case MESSAGE_TIME:
        hdf5_skip(piece, 8);
        return VBP_OK;
    case MESSAGE_REFERENCES:
        hdf5_skip(piece, 5);
        return VBP_OK;
    case MESSAGE_GROUP_INFO:
        hdf5_skip(piece, 2);
        return VBP_OK;
    default:
        return VBP_OK; /* libhdf5 passes over it, or refuses the object */
    }
}

int hdf5_message(struct hdf5_check *check, struct hdf5_object *object, unsigned type,
                 unsigned flags, struct hdf5_piece *piece)
{
    const unsigned many = 1U << MESSAGE_LINK | 1U << MESSAGE_ATTRIBUTE | 1U;
    bool shared = flags & FLAG_SHARED;
    unsigned bit = type < 32 ? 1U << type : 0;
    size_t at = piece->at;
    int result;

    if (object->seen & bit & ~many)
        return hdf5_damaged(check, "the object header at byte %zu has two messages of kind %u",
                            object->address, type);
    object->seen |= bit;
    if (shared && type != MESSAGE_TYPE && bit & ~1U)
        return hdf5_unsupported_at(check, "a shared message", at);
    result = take(check, object, type, shared, piece);
    if (result == VBP_OK && piece->cut)
        result = hdf5_damaged(check, "the message of kind %u at byte %zu is cut short", type, at);
    return result;
}
