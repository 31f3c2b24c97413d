/* Global heaps: collections of texts of variable length, found by address and number. */
#include "formats/keras_hdf5_check.h"

#include "base/memory.h"

#define MAX_NUMBER 65535

/* What a collection holds, by number, into check->heap_sizes. */
static int read_objects(struct hdf5_check *check, struct hdf5_piece *piece)
{
    uint64_t head = 8 + (uint64_t)check->length_width;

    /* What is left in the end is too small to be free. */
    while (hdf5_left(piece) >= head) {
        size_t at = piece->at;
        unsigned number = (unsigned)hdf5_number(piece, 2);
        uint64_t size;

        hdf5_skip(piece, 6);
        size = hdf5_length(check, piece);
        if (number == 0) {
            /* Free space: its size is with this head. */
            if (size < head || size - head > hdf5_left(piece))
                return hdf5_damaged_at(check, "the free space of a global heap", at);
            hdf5_skip(piece, size - head);
            continue;
        }
        if (size > hdf5_left(piece) || (size + 7) / 8 * 8 > hdf5_left(piece) ||
            check->heap_sizes[number] >= 0)
            return hdf5_damaged_at(check, "an object of a global heap", at);
        check->heap_sizes[number] = (int64_t)size;
        hdf5_skip(piece, (size + 7) / 8 * 8);
    }
    return VBP_OK;
}

static int open_collection(struct hdf5_check *check, uint64_t address)
{
    uint64_t head = 8 + (uint64_t)check->length_width, size;
    struct hdf5_piece piece;
    bool again;
    int result = hdf5_piece(check, address, head, "a global heap", &piece);

    if (result != VBP_OK)
        return result;
    if (!hdf5_signed(&piece, "GCOL") || hdf5_number(&piece, 1) != 1)
        return hdf5_damaged_at(check, "no global heap", address);
    hdf5_skip(&piece, 3);
    size = hdf5_length(check, &piece);
    if (size < head)
        return hdf5_damaged_at(check, "a global heap of no size", address);
    result = hdf5_visit(check, address, HDF5_TEXTS, 0, &again);
    if (result == VBP_OK)
        result = hdf5_piece(check, address, size, "a global heap", &piece);
    if (result != VBP_OK)
        return result;
    hdf5_skip(&piece, head);
    if (!check->heap_sizes)
        check->heap_sizes = memory_array(MAX_NUMBER + 1, sizeof(*check->heap_sizes));
    if (!check->heap_sizes)
        return error_out_of_memory(check->error);
    for (int i = 0; i <= MAX_NUMBER; i++)
        check->heap_sizes[i] = -1;
    check->heap_address = HDF5_NOWHERE;
    result = read_objects(check, &piece);
    if (result == VBP_OK)
        check->heap_address = address;
    return result;
}

int hdf5_texts(struct hdf5_check *check, struct hdf5_piece *piece, uint64_t count)
{
    int result = VBP_OK;

    for (uint64_t i = 0; i < count && result == VBP_OK; i++) {
        size_t at = piece->at;
        uint64_t length = hdf5_number(piece, 4), heap = hdf5_address(check, piece);
        uint64_t number = hdf5_number(piece, 4);

        /* Texts that were never written are nowhere. */
        if (piece->cut)
            return hdf5_damaged_at(check, "a text's place is cut short", at);
        if (heap == 0 || heap == HDF5_NOWHERE)
            continue;
        if (heap != check->heap_address)
            result = open_collection(check, heap);
        if (result == VBP_OK &&
            (number == 0 || number > MAX_NUMBER || check->heap_sizes[number] != (int64_t)length))
            result = hdf5_damaged_at(check, "a text that is not in its global heap", at);
    }
    return result;
}
