/* The data of a dataset in HDF5: whole, or in chunks that went through filters. */
#include "formats/keras_hdf5_check.h"

/* What is read is const. */
#define ZLIB_CONST
#include <zlib.h>

#define CHUNK_NODE       1
#define MAX_CHUNK_BYTES  UINT32_MAX
#define FILTER_DEFLATE   1
#define FILTER_SHUFFLE   2
#define FILTER_FLETCHER  3
#define FLETCHER_BYTES   4
#define INDEX_SINGLE     1
#define INDEX_IMPLICIT   2
#define MAX_INDEX_CHUNKS ((uint64_t)1 << 32)

/* ---- Filters -------------------------------------------------------------------------------- */

/* What the packed bytes become, as far as that is `limit` or less; UINT64_MAX: they are no such. */
static uint64_t unpacked_size(const struct hdf5_piece *piece, uint64_t limit)
{
    unsigned char scratch[16384];
    z_stream stream = {.next_in = piece->bytes + piece->at};
    uint64_t left = hdf5_left(piece), done = 0;
    int result;

    if (left > UINT32_MAX || inflateInit(&stream) != Z_OK)
        return UINT64_MAX;
    stream.avail_in = (uInt)left;
    do {
        stream.next_out = scratch;
        stream.avail_out = sizeof(scratch);
        result = inflate(&stream, Z_NO_FLUSH);
        done += sizeof(scratch) - stream.avail_out;
    } while (result == Z_OK && done <= limit);
    inflateEnd(&stream);
    return result == Z_STREAM_END ? done : UINT64_MAX;
}

/* libhdf5 takes what comes out of the filters as a whole chunk, however much that is. */
static int check_chunk(struct hdf5_check *check, const struct hdf5_object *object, uint64_t address,
                       uint64_t size, uint32_t mask, uint64_t chunk_bytes)
{
    struct hdf5_piece piece;
    bool packed = false, again;
    int result = hdf5_visit(check, address, HDF5_CHUNK, size, &again);

    if (result == VBP_OK && again)
        result = hdf5_damaged_at(check, "a chunk of two places", address);
    if (result == VBP_OK)
        result = hdf5_piece(check, address, size, "a chunk", &piece);
    for (int i = object->filters - 1; i >= 0 && result == VBP_OK; i--) {
        unsigned filter = object->filter[i];
        uint64_t most = chunk_bytes + (uint64_t)i * FLETCHER_BYTES;

        if (mask >> i & 1)
            continue;
        if (filter == FILTER_FLETCHER && size >= FLETCHER_BYTES) {
            size -= FLETCHER_BYTES;
            piece.end -= packed ? 0 : FLETCHER_BYTES;
        } else if (filter == FILTER_DEFLATE && !packed) {
            size = unpacked_size(&piece, most);
            packed = true;
            if (size > most)
                result = hdf5_damaged_at(check, "a chunk that cannot be unpacked", address);
        } else if (filter != FILTER_SHUFFLE && filter <= FILTER_FLETCHER) {
            result = hdf5_damaged_at(check, "a chunk that cannot have gone through its filters",
                                     address);
        } else if (filter > FILTER_FLETCHER) {
            return VBP_OK; /* refused when it is asked for */
        }
    }
    if (result == VBP_OK && size != chunk_bytes)
        result = hdf5_damaged_at(check, "a chunk of another size than it should have", address);
    return result;
}

/* ---- Chunks --------------------------------------------------------------------------------- */

/* level -1: the first node, of any level. Others are one below the node above them. */
static int check_node(struct hdf5_check *check, const struct hdf5_object *object, uint64_t address,
                      int level, uint64_t chunk_bytes)
{
    uint64_t most = 2 * (uint64_t)check->chunk_k, count, width = (uint64_t)check->address_width;
    uint64_t key = 8 + 8 * ((uint64_t)object->chunk_rank + 1);
    struct hdf5_piece piece;
    bool again;
    int found, result = hdf5_visit(check, address, HDF5_CHUNK_TREE, 0, &again);

    if (result == VBP_OK && again)
        result = hdf5_damaged_at(check, "a B-tree node of two others", address);
    if (result == VBP_OK)
        result = hdf5_piece(check, address, 8 + 2 * width + (most + 1) * key + most * width,
                            "a B-tree node", &piece);
    if (result != VBP_OK)
        return result;
    if (!hdf5_signed(&piece, "TREE") || hdf5_number(&piece, 1) != CHUNK_NODE)
        return hdf5_damaged_at(check, "no B-tree node of chunks", address);
    found = (int)hdf5_number(&piece, 1);
    count = hdf5_number(&piece, 2);
    if ((level >= 0 && found != level) || count > most)
        return hdf5_damaged_at(check, "a B-tree node of a wrong level or with too many entries",
                               address);
    hdf5_skip(&piece, 2 * width);
    for (uint64_t i = 0; i < count && result == VBP_OK; i++) {
        uint64_t size = hdf5_number(&piece, 4), child;
        uint32_t mask = (uint32_t)hdf5_number(&piece, 4);

        for (int j = 0; j < object->chunk_rank && result == VBP_OK; j++) {
            if (hdf5_number(&piece, 8) % object->chunk[j] != 0)
                result = hdf5_damaged_at(check, "a chunk that begins within another", piece.at);
        }
        hdf5_skip(&piece, 8);
        child = hdf5_address(check, &piece);
        if (result == VBP_OK)
            result = found > 0 ? check_node(check, object, child, found - 1, chunk_bytes)
                               : check_chunk(check, object, child, size, mask, chunk_bytes);
    }
    return result;
}

/* Chunks without an index, one behind the other. */
static int check_implicit(struct hdf5_check *check, const struct hdf5_object *object,
                          uint64_t chunk_bytes)
{
    uint64_t chunks = 1, bytes;
    struct hdf5_piece piece;

    for (int i = 0; i < object->chunk_rank; i++) {
        uint64_t extent = object->space.extent[i];

        if (__builtin_mul_overflow(
                chunks, extent / object->chunk[i] + (extent % object->chunk[i] != 0), &chunks))
            return hdf5_damaged_at(check, "a dataset of too many chunks", object->address);
    }
    if (__builtin_mul_overflow(chunks, chunk_bytes, &bytes))
        return hdf5_damaged_at(check, "a dataset of too many chunks", object->address);
    return hdf5_piece(check, object->data, bytes, "the data of a dataset", &piece);
}

static int check_chunks(struct hdf5_check *check, const struct hdf5_object *object)
{
    uint64_t bytes = object->type.size;

    if (object->chunk_rank != object->space.rank ||
        object->chunk[object->chunk_rank] != object->type.size)
        return hdf5_damaged_at(check, "chunks that do not fit to their dataset", object->address);
    for (int i = 0; i < object->chunk_rank; i++) {
        if (object->chunk[i] == 0 || object->chunk[i] > MAX_CHUNK_BYTES / bytes)
            return hdf5_damaged_at(check, "chunks of no size or too large", object->address);
        bytes *= object->chunk[i];
    }
    if (object->data == HDF5_NOWHERE)
        return VBP_OK;
    if (object->layout_version < 4)
        return check_node(check, object, object->data, -1, bytes);
    if (object->chunk_index == INDEX_SINGLE)
        return check_chunk(check, object, object->data,
                           object->data_bytes == HDF5_NOWHERE ? bytes : object->data_bytes,
                           object->chunk_mask, bytes);
    return object->chunk_index == INDEX_IMPLICIT ? check_implicit(check, object, bytes) : VBP_OK;
}

int hdf5_data(struct hdf5_check *check, const struct hdf5_object *object)
{
    struct hdf5_piece piece;
    uint64_t bytes;

    if (__builtin_mul_overflow(object->space.elements, object->type.size, &bytes))
        return hdf5_damaged_at(check, "a dataset of too many elements", object->address);
    if (object->fill_bytes != HDF5_NOWHERE && object->fill_bytes > 0 &&
        object->fill_bytes != object->type.size)
        return hdf5_damaged_at(check, "a fill value that is no element", object->address);
    if (object->storage == HDF5_CHUNKED)
        return check_chunks(check, object);
    if (object->data_bytes != HDF5_NOWHERE && object->data_bytes < bytes)
        return hdf5_damaged_at(check, "a dataset with more elements than data", object->address);
    if (object->storage == HDF5_CONTIGUOUS && object->data != HDF5_NOWHERE)
        return hdf5_piece(check, object->data,
                          object->data_bytes == HDF5_NOWHERE ? bytes : object->data_bytes,
                          "the data of a dataset", &piece);
    return VBP_OK;
}
