/* Groups of the old style: B-trees of symbol nodes, whose names lie in a local heap. */
#include "formats/keras_hdf5_check.h"

#include <string.h>

#define END_OF_FREE  1 /* where a list of free blocks ends */
#define CACHED_GROUP 1
#define CACHED_LINK  2
#define NAME_NODE    0

/* ---- Local heaps ---------------------------------------------------------------------------- */

/* Free blocks: each begins with where the next is, and its size. */
static int check_free(struct hdf5_check *check, struct hdf5_piece heap, uint64_t first)
{
    uint64_t size = hdf5_left(&heap), head = 2 * (uint64_t)check->length_width, blocks = 0;

    while (first != END_OF_FREE && first != HDF5_NOWHERE) {
        struct hdf5_piece block = heap;
        uint64_t next, length;

        hdf5_skip(&block, first);
        next = hdf5_length(check, &block);
        length = hdf5_length(check, &block);
        if (block.cut || first > size || length > size - first || ++blocks > size / head)
            return hdf5_damaged_at(check, "the free blocks of the local heap", heap.at);
        first = next;
    }
    return VBP_OK;
}

/* The names of a heap as a piece. */
static int open_heap(struct hdf5_check *check, uint64_t address, struct hdf5_piece *names)
{
    struct hdf5_piece head;
    uint64_t size, first, data;
    bool again;
    int result = hdf5_piece(check, address,
                            8 + 2 * (uint64_t)check->length_width + (uint64_t)check->address_width,
                            "a local heap", &head);

    if (result != VBP_OK)
        return result;
    if (!hdf5_signed(&head, "HEAP") || hdf5_number(&head, 1) != 0)
        return hdf5_damaged_at(check, "no local heap", address);
    hdf5_skip(&head, 3);
    size = hdf5_length(check, &head);
    first = hdf5_length(check, &head);
    data = hdf5_address(check, &head);
    result = hdf5_visit(check, address, HDF5_NAMES, 0, &again);
    if (result == VBP_OK && !again) {
        result = hdf5_piece(check, data, size, "the data of a local heap", names);
        if (result == VBP_OK)
            result = check_free(check, *names, first);
    }
    if (result == VBP_OK)
        *names = (struct hdf5_piece){check->bytes, (size_t)data, (size_t)(data + size), false};
    return result;
}

/* A text that ends within the heap. */
static int check_name(struct hdf5_check *check, struct hdf5_piece names, uint64_t offset)
{
    size_t begin = names.at;
    const unsigned char *end;

    hdf5_skip(&names, offset);
    end = hdf5_left(&names) ? memchr(names.bytes + names.at, 0, hdf5_left(&names)) : NULL;
    if (!end)
        return hdf5_damaged(check, "name %llu of the local heap at byte %zu does not end in it",
                            (unsigned long long)offset, begin);
    return hdf5_piece(check, names.at, (uint64_t)(end - (names.bytes + names.at)), "a name",
                      &names);
}

int hdf5_name(struct hdf5_check *check, uint64_t heap, uint64_t offset)
{
    struct hdf5_piece names;
    int result = open_heap(check, heap, &names);

    return result == VBP_OK ? check_name(check, names, offset) : result;
}

/* ---- Symbol nodes --------------------------------------------------------------------------- */

static int check_symbol(struct hdf5_check *check, struct hdf5_piece *piece, uint64_t heap,
                        const struct hdf5_piece *names)
{
    uint64_t name = hdf5_address(check, piece), object = hdf5_address(check, piece);
    unsigned cached = (unsigned)hdf5_number(piece, 4);
    size_t at = piece->at;
    struct hdf5_piece scratch;
    int result = check_name(check, *names, name);

    (void)heap;
    hdf5_skip(piece, 4);
    scratch = hdf5_part(piece, 16);
    if (result != VBP_OK)
        return result;
    if (cached > CACHED_LINK)
        return hdf5_damaged_at(check, "a symbol of no known kind", at);
    if (cached == CACHED_LINK)
        return check_name(check, *names, hdf5_number(&scratch, 4));
    if (cached == CACHED_GROUP) {
        uint64_t tree = hdf5_address(check, &scratch);

        result = hdf5_group(check, tree, hdf5_address(check, &scratch));
    }
    return result == VBP_OK ? hdf5_add_object(check, object) : result;
}

static int check_symbols(struct hdf5_check *check, uint64_t address, uint64_t heap,
                         const struct hdf5_piece *names)
{
    uint64_t most = 2 * (uint64_t)check->leaf_k, count;
    struct hdf5_piece piece;
    bool again;
    int result = hdf5_visit(check, address, HDF5_SYMBOLS, heap, &again);

    if (result == VBP_OK && again)
        result = hdf5_damaged_at(check, "a symbol node of two groups", address);
    if (result == VBP_OK)
        result = hdf5_piece(check, address, 8 + most * (2 * (uint64_t)check->address_width + 24),
                            "a symbol node", &piece);
    if (result != VBP_OK)
        return result;
    if (!hdf5_signed(&piece, "SNOD") || hdf5_number(&piece, 1) != 1)
        return hdf5_damaged_at(check, "no symbol node", address);
    hdf5_skip(&piece, 1);
    count = hdf5_number(&piece, 2);
    if (count > most)
        return hdf5_damaged(check, "the symbol node at byte %llu has %llu entries of %llu",
                            (unsigned long long)address, (unsigned long long)count,
                            (unsigned long long)most);
    for (uint64_t i = 0; i < count && result == VBP_OK; i++)
        result = check_symbol(check, &piece, heap, names);
    return result;
}

/* ---- B-trees of names ----------------------------------------------------------------------- */

struct name_tree {
    uint64_t heap;
    struct hdf5_piece names;
};

/* level -1: the first node, of any level. Others are one below the node above them. */
static int check_node(struct hdf5_check *check, uint64_t address, const struct name_tree *tree,
                      int level)
{
    uint64_t most = 2 * (uint64_t)check->name_k, count;
    uint64_t size = 8 + 2 * (uint64_t)check->address_width +
                    (most + 1) * (uint64_t)check->length_width +
                    most * (uint64_t)check->address_width;
    struct hdf5_piece piece;
    int found, result = hdf5_piece(check, address, size, "a B-tree node", &piece);
    bool again;

    if (result != VBP_OK)
        return result;
    if (!hdf5_signed(&piece, "TREE") || hdf5_number(&piece, 1) != NAME_NODE)
        return hdf5_damaged_at(check, "no B-tree node of a group", address);
    found = (int)hdf5_number(&piece, 1);
    count = hdf5_number(&piece, 2);
    if ((level >= 0 && found != level) || count > most)
        return hdf5_damaged_at(check, "a B-tree node of a wrong level or with too many entries",
                               address);
    hdf5_skip(&piece, 2 * (uint64_t)check->address_width);
    result = check_name(check, tree->names, hdf5_length(check, &piece));
    for (uint64_t i = 0; i < count && result == VBP_OK; i++) {
        uint64_t child = hdf5_address(check, &piece);

        result = check_name(check, tree->names, hdf5_length(check, &piece));
        if (result == VBP_OK && found == 0)
            result = check_symbols(check, child, tree->heap, &tree->names);
        if (result == VBP_OK && found > 0) {
            result = hdf5_visit(check, child, HDF5_NAME_TREE, tree->heap, &again);
            if (result == VBP_OK && again)
                result = hdf5_damaged_at(check, "a B-tree node of two others", child);
            if (result == VBP_OK)
                result = check_node(check, child, tree, found - 1);
        }
    }
    return result;
}

int hdf5_group(struct hdf5_check *check, uint64_t tree, uint64_t heap)
{
    struct name_tree names = {.heap = heap};
    bool again;
    int result = hdf5_visit(check, tree, HDF5_NAME_TREE, heap, &again);

    if (result != VBP_OK || again)
        return result;
    result = open_heap(check, heap, &names.names);
    return result == VBP_OK ? check_node(check, tree, &names, -1) : result;
}
