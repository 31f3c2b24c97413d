/*
 * Many attributes of one object, and many links of one group, in HDF5 files of the new style: they
 * lie in a fractal heap, in blocks of rows that double,
 *
 *     row 0   S S S S         a heap that is one block has no rows
 *     row 1   S S S S         number o of the heap's bytes is in row 0 if o < 4 S, else in
 *     row 2   2S 2S 2S 2S     row 1 + log2(o / 4S)
 *
 * and a version-2 B-tree says where. All of that carries checksums. What does not are texts that
 * attributes refer to, and attributes that are too large for the heap; those are looked at here.
 */
#include "formats/keras_hdf5_check.h"

#define HEAP_CHECKSUMS   0x02
#define RECORD_LARGE     1
#define RECORD_ATTRIBUTE 8
#define NODE_OVERHEAD    10 /* signature, version, type, checksum */
#define ATTRIBUTE_SHARED 0x02
#define ID_KIND          0x30
#define ID_LARGE         0x10
#define MAX_WIDTH        1024

struct heap {
    uint64_t large_count, large_tree;
    uint64_t most; /* bytes of an object that lies in blocks */
    uint64_t width, block, largest_block, root;
    unsigned offset_bits, rows;
};

typedef int take_record(struct hdf5_check *check, const struct heap *heap,
                        struct hdf5_piece *record);

/* ---- Version-2 B-trees ---------------------------------------------------------------------- */

/* Bytes that numbers up to `most` take. */
static int width_of(uint64_t most)
{
    int width = 1;

    while (most >>= 8)
        width++;
    return width;
}

static int take_node(struct hdf5_check *check, uint64_t address, const char *signature,
                     uint64_t node_bytes, struct hdf5_piece *piece)
{
    int result = hdf5_piece(check, address, node_bytes, "a B-tree node", piece);

    if (result == VBP_OK && !hdf5_signed(piece, signature))
        result = hdf5_damaged_at(check, "no B-tree node", address);
    hdf5_skip(piece, 2);
    return result;
}

static int take_records(struct hdf5_check *check, const struct heap *heap, struct hdf5_piece *piece,
                        uint64_t count, uint64_t record_bytes, take_record *take)
{
    int result = VBP_OK;

    for (uint64_t i = 0; i < count && result == VBP_OK; i++) {
        struct hdf5_piece record = hdf5_part(piece, record_bytes);

        if (record.cut)
            return hdf5_damaged_at(check, "a B-tree node with too many records", piece->at);
        result = take(check, heap, &record);
    }
    return result;
}

/* Hands all records to `take`. */
static int take_tree(struct hdf5_check *check, const struct heap *heap, uint64_t address,
                     unsigned type, take_record *take)
{
    uint64_t node_bytes, record_bytes, root, count, most;
    struct hdf5_piece piece, leaf;
    unsigned depth;
    int result = hdf5_piece(check, address,
                            22 + (uint64_t)check->address_width + (uint64_t)check->length_width,
                            "a B-tree", &piece);

    if (result != VBP_OK)
        return result;
    if (!hdf5_signed(&piece, "BTHD") || hdf5_number(&piece, 1) != 0 ||
        hdf5_number(&piece, 1) != type)
        return hdf5_damaged_at(check, "no B-tree of attributes", address);
    node_bytes = hdf5_number(&piece, 4);
    record_bytes = hdf5_number(&piece, 2);
    depth = (unsigned)hdf5_number(&piece, 2);
    hdf5_skip(&piece, 2);
    root = hdf5_address(check, &piece);
    count = hdf5_number(&piece, 2);
    if (count == 0)
        return VBP_OK;
    if (depth > 1)
        return hdf5_unsupported_at(check, "an object of that many attributes", address);
    if (record_bytes == 0 || node_bytes < NODE_OVERHEAD + record_bytes)
        return hdf5_damaged_at(check, "a B-tree of nodes too small", address);
    if (depth == 0) {
        result = take_node(check, root, "BTLF", node_bytes, &leaf);
        return result == VBP_OK ? take_records(check, heap, &leaf, count, record_bytes, take)
                                : result;
    }
    result = take_node(check, root, "BTIN", node_bytes, &piece);
    if (result == VBP_OK)
        result = take_records(check, heap, &piece, count, record_bytes, take);
    most = (node_bytes - NODE_OVERHEAD) / record_bytes;
    for (uint64_t i = 0; i <= count && result == VBP_OK; i++) {
        uint64_t child = hdf5_address(check, &piece), records = hdf5_number(&piece, width_of(most));

        if (piece.cut)
            return hdf5_damaged_at(check, "a B-tree node with too many children", root);
        result = take_node(check, child, "BTLF", node_bytes, &leaf);
        if (result == VBP_OK)
            result = take_records(check, heap, &leaf, records, record_bytes, take);
    }
    return result;
}

/* ---- Fractal heaps -------------------------------------------------------------------------- */

static int open_heap(struct hdf5_check *check, uint64_t address, struct heap *heap)
{
    uint64_t length = (uint64_t)check->length_width, width = (uint64_t)check->address_width;
    unsigned filter_bytes, flags;
    struct hdf5_piece piece;
    int result = hdf5_piece(check, address, 26 + 12 * length + 3 * width, "a fractal heap", &piece);

    *heap = (struct heap){0};
    if (result != VBP_OK)
        return result;
    if (!hdf5_signed(&piece, "FRHP") || hdf5_number(&piece, 1) != 0)
        return hdf5_damaged_at(check, "no fractal heap", address);
    hdf5_skip(&piece, 2);
    filter_bytes = (unsigned)hdf5_number(&piece, 2);
    flags = (unsigned)hdf5_number(&piece, 1);
    heap->most = hdf5_number(&piece, 4);
    hdf5_skip(&piece, length);
    heap->large_tree = hdf5_address(check, &piece);
    hdf5_skip(&piece, 6 * length + width);
    heap->large_count = hdf5_length(check, &piece);
    hdf5_skip(&piece, 2 * length);
    heap->width = hdf5_number(&piece, 2);
    heap->block = hdf5_length(check, &piece);
    heap->largest_block = hdf5_length(check, &piece);
    heap->offset_bits = (unsigned)hdf5_number(&piece, 2);
    hdf5_skip(&piece, 2);
    heap->root = hdf5_address(check, &piece);
    heap->rows = (unsigned)hdf5_number(&piece, 2);
    if (filter_bytes != 0 || !(flags & HEAP_CHECKSUMS))
        return hdf5_unsupported_at(check, "a packed fractal heap, or one without checksums",
                                   address);
    if (piece.cut || heap->width == 0 || heap->width > MAX_WIDTH || heap->block == 0 ||
        heap->block > UINT32_MAX || heap->largest_block > UINT32_MAX || heap->offset_bits > 64 ||
        heap->rows > 32)
        return hdf5_damaged_at(check, "a fractal heap of no possible size", address);
    return VBP_OK;
}

/* The piece that an object of the heap is. */
static int find_object(struct hdf5_check *check, const struct heap *heap, uint64_t offset,
                       uint64_t length, struct hdf5_piece *object)
{
    uint64_t block = heap->block, address = heap->root, begin = 0, row_bytes;
    uint64_t head = 5 + (uint64_t)check->address_width + (heap->offset_bits + 7) / 8;
    uint64_t row = 0, column;
    struct hdf5_piece piece;
    int result = VBP_OK;

    if (heap->rows > 0) {
        row_bytes = heap->width * block;
        while (row < heap->rows && offset - begin >= row_bytes) {
            begin += row_bytes;
            if (row++ > 0) {
                block *= 2;
                row_bytes *= 2;
            }
        }
        if (row >= heap->rows)
            return hdf5_damaged_at(check, "an object outside of its fractal heap", address);
        if (block > heap->largest_block)
            return hdf5_unsupported_at(check, "that large a fractal heap", address);
        column = (offset - begin) / block;
        begin += column * block;
        result = hdf5_piece(
            check, address + head + (row * heap->width + column) * (uint64_t)check->address_width,
            (uint64_t)check->address_width, "a fractal heap's rows", &piece);
        if (result != VBP_OK)
            return result;
        address = hdf5_address(check, &piece);
    }
    if (offset - begin > block || length > block - (offset - begin))
        return hdf5_damaged_at(check, "an object outside of its fractal heap", address);
    result = hdf5_piece(check, address, block, "a block of a fractal heap", &piece);
    return result == VBP_OK ? hdf5_piece(check, address + (offset - begin), length,
                                         "an object of a fractal heap", object)
                            : result;
}

/* ---- Attributes ----------------------------------------------------------------------------- */

static int take_attribute(struct hdf5_check *check, const struct heap *heap,
                          struct hdf5_piece *record)
{
    struct hdf5_piece id = hdf5_part(record, 8), object;
    unsigned kind = (unsigned)hdf5_number(&id, 1), flags = (unsigned)hdf5_number(record, 1);
    uint64_t offset, length;
    int result;

    if (flags & ATTRIBUTE_SHARED)
        return hdf5_unsupported_at(check, "a shared message", record->at);
    if ((kind & ID_KIND) == ID_LARGE)
        return VBP_OK;
    offset = hdf5_number(&id, (int)(heap->offset_bits + 7) / 8);
    length = hdf5_number(&id, width_of(heap->most));
    if (record->cut || id.cut || kind != 0)
        return hdf5_damaged_at(check, "a record of an attribute", record->at);
    result = find_object(check, heap, offset, length, &object);
    return result == VBP_OK ? hdf5_attribute(check, &object) : result;
}

static int take_large(struct hdf5_check *check, const struct heap *heap, struct hdf5_piece *record)
{
    uint64_t address = hdf5_address(check, record), length = hdf5_length(check, record);
    struct hdf5_piece object;
    int result;

    (void)heap;
    if (record->cut)
        return hdf5_damaged_at(check, "a record of an attribute", record->at);
    result = hdf5_piece(check, address, length, "an attribute", &object);
    return result == VBP_OK ? hdf5_attribute(check, &object) : result;
}

int hdf5_dense(struct hdf5_check *check, uint64_t address, uint64_t tree, bool attributes)
{
    struct heap heap;
    int result = open_heap(check, address, &heap);

    if (result != VBP_OK)
        return result;
    if (!attributes)
        return heap.large_count ? hdf5_unsupported_at(check, "a very long name", address) : VBP_OK;
    result = take_tree(check, &heap, tree, RECORD_ATTRIBUTE, take_attribute);
    if (result == VBP_OK && heap.large_count > 0)
        result = take_tree(check, &heap, heap.large_tree, RECORD_LARGE, take_large);
    return result;
}
