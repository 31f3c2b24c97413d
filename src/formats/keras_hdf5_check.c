/* HDF5 files before libhdf5 sees them: pieces of a file, the superblock, and object headers. */
#include "formats/keras_hdf5_check.h"

#include "base/memory.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define HEADER_MESSAGES_1  16 /* behind the first bytes of a header of version 1 */
#define MAX_CONTINUATIONS  65536
#define MAX_BTREE_K        32767
#define MESSAGE_SPACE      0x01
#define MESSAGE_TYPE       0x03
#define MESSAGE_LAYOUT     0x08
#define MESSAGE_CONTINUES  0x10
#define MESSAGE_B_TREE_K   0x13
#define MESSAGE_SHARE_LIST 0x0F
#define MESSAGE_DRIVER     0x14
#define MESSAGE_REFERENCES 0x16
#define MESSAGE_CACHE      0x18
#define MESSAGE_LAST       0x18
#define FLAG_SHARED        0x02
#define FLAG_NOT_SHARED    0x04
#define FLAG_FAIL_WRITING  0x08
#define FLAG_MARK_UNKNOWN  0x10
#define FLAG_WAS_UNKNOWN   0x20
#define FLAG_FAIL          0x80

/* ---- Messages for the user ------------------------------------------------------------------ */

int hdf5_damaged(struct hdf5_check *check, const char *format, ...)
{
    char text[200];
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(text, sizeof(text), format, arguments);
    va_end(arguments);
    return error_set(check->error, VBP_ERROR_FORMAT, "damaged .h5 file: %s", text);
}

int hdf5_damaged_at(struct hdf5_check *check, const char *what, uint64_t at)
{
    return hdf5_damaged(check, "%s at byte %llu", what, (unsigned long long)at);
}

int hdf5_unsupported_at(struct hdf5_check *check, const char *what, uint64_t at)
{
    return error_set(check->error, VBP_ERROR_UNSUPPORTED,
                     "the .h5 file has %s at byte %llu, which is not supported; h5repack writes a "
                     "file without",
                     what, (unsigned long long)at);
}

/* ---- Pieces --------------------------------------------------------------------------------- */

int hdf5_piece(struct hdf5_check *check, uint64_t address, uint64_t size, const char *what,
               struct hdf5_piece *piece)
{
    *piece = (struct hdf5_piece){.cut = true};
    if (address > check->length || size > check->length - address)
        return hdf5_damaged(check, "%s at byte %llu is not inside the file", what,
                            (unsigned long long)address);
    if (size + 1 > check->work)
        return hdf5_damaged(check, "its parts are in each other (%s at byte %llu)", what,
                            (unsigned long long)address);
    check->work -= size + 1;
    *piece = (struct hdf5_piece){check->bytes, (size_t)address, (size_t)(address + size), false};
    return VBP_OK;
}

uint64_t hdf5_number(struct hdf5_piece *piece, int width)
{
    uint64_t number = 0;

    if ((size_t)width > hdf5_left(piece)) {
        piece->cut = true;
        piece->at = piece->end;
        return 0;
    }
    for (int i = width - 1; i >= 0; i--)
        number = number << 8 | piece->bytes[piece->at + (size_t)i];
    piece->at += (size_t)width;
    return number;
}

uint64_t hdf5_address(const struct hdf5_check *check, struct hdf5_piece *piece)
{
    uint64_t address = hdf5_number(piece, check->address_width);

    if (check->address_width < 8 && address == ((uint64_t)1 << 8 * check->address_width) - 1)
        address = HDF5_NOWHERE;
    return address;
}

uint64_t hdf5_length(const struct hdf5_check *check, struct hdf5_piece *piece)
{
    return hdf5_number(piece, check->length_width);
}

void hdf5_skip(struct hdf5_piece *piece, uint64_t count)
{
    if (count > hdf5_left(piece)) {
        piece->cut = true;
        piece->at = piece->end;
    } else {
        piece->at += (size_t)count;
    }
}

bool hdf5_signed(struct hdf5_piece *piece, const char *signature)
{
    size_t at = piece->at, length = strlen(signature);

    hdf5_skip(piece, length);
    return !piece->cut && memcmp(piece->bytes + at, signature, length) == 0;
}

struct hdf5_piece hdf5_part(struct hdf5_piece *piece, uint64_t count)
{
    struct hdf5_piece part = *piece;

    hdf5_skip(piece, count);
    part.end = piece->at;
    part.cut = piece->cut;
    return part;
}

/* ---- Checksums ------------------------------------------------------------------------------ */

static uint32_t rotate(uint32_t word, int bits)
{
    return word << bits | word >> (32 - bits);
}

/*
 * The checksum of the format, lookup3 (Bob Jenkins, 2006, public domain) over 12 bytes at a time:
 * words a, b, c take in three words and are mixed; the last 1 to 12 bytes are mixed in another way.
 */
static uint32_t checksum(const unsigned char *bytes, size_t length)
{
    static const signed char mix[6][4] = {
        /* word that changes, that is taken away, added to, turn */
        {0, 2, 1, 4}, {1, 0, 2, 6}, {2, 1, 0, 8}, {0, 2, 1, 16}, {1, 0, 2, 19}, {2, 1, 0, 4}};
    static const signed char last[7][3] = {{2, 1, 14}, {0, 2, 11}, {1, 0, 25}, {2, 1, 16},
                                           {0, 2, 4},  {1, 0, 14}, {2, 1, 24}};
    uint32_t word[3];

    for (int i = 0; i < 3; i++)
        word[i] = 0xdeadbeef + (uint32_t)length;
    while (length > 0) {
        size_t count = length < 12 ? length : 12;

        for (size_t i = 0; i < count; i++)
            word[i / 4] += (uint32_t)bytes[i] << 8 * (i % 4);
        bytes += count;
        length -= count;
        for (int i = 0; i < 6 && length > 0; i++) {
            uint32_t *changed = &word[mix[i][0]];

            *changed = (*changed - word[mix[i][1]]) ^ rotate(word[mix[i][1]], mix[i][3]);
            word[mix[i][1]] += word[mix[i][2]];
        }
        for (int i = 0; i < 7 && length == 0; i++) {
            uint32_t *changed = &word[last[i][0]];

            *changed = (*changed ^ word[last[i][1]]) - rotate(word[last[i][1]], last[i][2]);
        }
    }
    return word[2];
}

/* Bytes from `begin` on, of which the last four are the checksum of those before. */
static int check_sum(struct hdf5_check *check, uint64_t begin, uint64_t size, const char *what)
{
    struct hdf5_piece piece;
    int result = hdf5_piece(check, begin, size, what, &piece);

    if (result != VBP_OK)
        return result;
    hdf5_skip(&piece, size - 4);
    if (hdf5_number(&piece, 4) != checksum(check->bytes + begin, (size_t)size - 4))
        return hdf5_damaged(check, "%s at byte %llu has another checksum than it should", what,
                            (unsigned long long)begin);
    return VBP_OK;
}

/* ---- Places --------------------------------------------------------------------------------- */

static struct hdf5_place *find_place(const struct hdf5_check *check, uint64_t address)
{
    size_t mask = check->place_capacity - 1;
    size_t at = (size_t)(address * 0x9e3779b97f4a7c15u >> 20) & mask;

    while (check->places[at].kind && check->places[at].address != address)
        at = (at + 1) & mask;
    return &check->places[at];
}

static bool grow_places(struct hdf5_check *check)
{
    struct hdf5_check larger = {.place_capacity =
                                    check->place_capacity ? 2 * check->place_capacity : 256};

    larger.places = memory_array(larger.place_capacity, sizeof(*larger.places));
    if (!larger.places)
        return false;
    for (size_t i = 0; i < check->place_capacity; i++) {
        if (check->places[i].kind)
            *find_place(&larger, check->places[i].address) = check->places[i];
    }
    free(check->places);
    check->places = larger.places;
    check->place_capacity = larger.place_capacity;
    return true;
}

int hdf5_visit(struct hdf5_check *check, uint64_t address, enum hdf5_kind kind, uint64_t with,
               bool *again)
{
    struct hdf5_place *place;

    if (2 * check->place_count >= check->place_capacity && !grow_places(check))
        return error_out_of_memory(check->error);
    place = find_place(check, address);
    *again = place->kind != 0;
    if (*again && (place->kind != kind || place->with != with))
        return hdf5_damaged_at(check, "two parts lie", address);
    if (!*again) {
        *place = (struct hdf5_place){address, with, kind};
        check->place_count++;
    }
    return VBP_OK;
}

int hdf5_add_object(struct hdf5_check *check, uint64_t address)
{
    bool again;
    int result = hdf5_visit(check, address, HDF5_OBJECT, 0, &again);

    if (result != VBP_OK || again)
        return result;
    if (!memory_grow((void **)&check->objects, &check->object_capacity, check->object_count + 1,
                     sizeof(*check->objects)))
        return error_out_of_memory(check->error);
    check->objects[check->object_count++] = address;
    return VBP_OK;
}

/* ---- Object headers ------------------------------------------------------------------------- */

typedef int take_message(struct hdf5_check *check, struct hdf5_object *object, unsigned type,
                         unsigned flags, struct hdf5_piece *piece);

/* The blocks of one object's header: the first one and those it continues in. */
struct blocks {
    struct hdf5_piece *block;
    size_t count, capacity;
    int extra; /* bytes of a message's head beyond the common ones */
};

static int add_block(struct hdf5_check *check, struct blocks *blocks,
                     const struct hdf5_piece *piece)
{
    if (blocks->count >= MAX_CONTINUATIONS)
        return hdf5_damaged_at(check, "an object header without an end", piece->at);
    if (!memory_grow((void **)&blocks->block, &blocks->capacity, blocks->count + 1,
                     sizeof(*blocks->block)))
        return error_out_of_memory(check->error);
    blocks->block[blocks->count++] = *piece;
    return VBP_OK;
}

static int continue_header(struct hdf5_check *check, const struct hdf5_object *object,
                           struct blocks *blocks, struct hdf5_piece *message)
{
    uint64_t address = hdf5_address(check, message), length = hdf5_length(check, message);
    struct hdf5_piece piece;
    size_t at = message->at;
    int result;

    if (message->cut)
        return hdf5_damaged_at(check, "a header continuation is cut short", at);
    for (size_t i = 0; i < blocks->count; i++) {
        if (blocks->block[i].bytes && blocks->block[i].at == address)
            return hdf5_damaged_at(check, "an object header continues in itself", address);
    }
    result = hdf5_piece(check, address, length, "a header continuation", &piece);
    if (result == VBP_OK && object->checksummed) {
        if (!hdf5_signed(&piece, "OCHK") || hdf5_left(&piece) < 4)
            return hdf5_damaged_at(check, "no header continuation", address);
        piece.end -= 4;
        result = check_sum(check, address, length, "a header continuation");
    }
    return result == VBP_OK ? add_block(check, blocks, &piece) : result;
}

/* What libhdf5 refuses: it forgets to free headers that it reads half. */
static bool possible_message(const struct hdf5_object *object, unsigned type, uint64_t size,
                             unsigned flags)
{
    if (flags & FLAG_SHARED && flags & FLAG_NOT_SHARED)
        return false;
    if (flags & FLAG_WAS_UNKNOWN && !(flags & FLAG_MARK_UNKNOWN))
        return false;
    if (flags & FLAG_WAS_UNKNOWN && flags & FLAG_FAIL_WRITING)
        return false;
    if (type > MESSAGE_LAST && flags & FLAG_FAIL)
        return false;
    return object->checksummed || (size % 8 == 0 && type != MESSAGE_REFERENCES);
}

static int take_block(struct hdf5_check *check, struct hdf5_object *object, struct blocks *blocks,
                      size_t index, take_message *take)
{
    size_t head = object->checksummed ? 4 + (size_t)blocks->extra : 8;
    struct hdf5_piece block = blocks->block[index];
    int result = VBP_OK;

    /* In headers of version 2 a gap too small for a message may be left. */
    while (result == VBP_OK && hdf5_left(&block) >= head) {
        size_t at = block.at;
        unsigned type = (unsigned)hdf5_number(&block, object->checksummed ? 1 : 2);
        uint64_t size = hdf5_number(&block, 2);
        unsigned flags = (unsigned)hdf5_number(&block, 1);
        struct hdf5_piece message;

        hdf5_skip(&block, object->checksummed ? (uint64_t)blocks->extra : 3);
        message = hdf5_part(&block, size);
        if (message.cut)
            return hdf5_damaged_at(check, "a message is larger than its object header", at);
        if (!possible_message(object, type, size, flags))
            return hdf5_damaged_at(check, "an impossible message of an object header", at);
        result = type == MESSAGE_CONTINUES ? continue_header(check, object, blocks, &message)
                                           : take(check, object, type, flags, &message);
    }
    if (result == VBP_OK && !object->checksummed && hdf5_left(&block) != 0)
        result = hdf5_damaged_at(check, "an object header ends within a message", block.at);
    return result;
}

/* The first block of a header, of which `piece` is what follows the signature. */
static int first_block_2(struct hdf5_check *check, uint64_t address, struct blocks *blocks)
{
    struct hdf5_piece piece;
    unsigned version, flags;
    uint64_t size, head;
    int result = hdf5_piece(check, address, 6, "an object header", &piece);

    if (result != VBP_OK)
        return result;
    hdf5_skip(&piece, 4);
    version = (unsigned)hdf5_number(&piece, 1);
    flags = (unsigned)hdf5_number(&piece, 1);
    if (version != 2 || flags & 0xC0)
        return hdf5_damaged_at(check, "an object header of no known version", address);
    blocks->extra = flags & 0x04 ? 2 : 0;
    head = 6 + (flags & 0x20 ? 16 : 0) + (flags & 0x10 ? 4 : 0);
    result =
        hdf5_piece(check, address + head, (uint64_t)1 << (flags & 3), "an object header", &piece);
    if (result != VBP_OK)
        return result;
    head += (uint64_t)1 << (flags & 3);
    size = hdf5_number(&piece, 1 << (flags & 3));
    result = hdf5_piece(check, address + head, size, "an object header", &piece);
    if (result == VBP_OK)
        result = check_sum(check, address, head + size + 4, "an object header");
    return result == VBP_OK ? add_block(check, blocks, &piece) : result;
}

static int first_block_1(struct hdf5_check *check, uint64_t address, struct blocks *blocks)
{
    struct hdf5_piece piece;
    unsigned messages;
    uint64_t size;
    int result = hdf5_piece(check, address, HEADER_MESSAGES_1, "an object header", &piece);

    if (result != VBP_OK)
        return result;
    if (hdf5_number(&piece, 1) != 1)
        return hdf5_damaged_at(check, "no object header", address);
    hdf5_skip(&piece, 1);
    messages = (unsigned)hdf5_number(&piece, 2);
    hdf5_skip(&piece, 4);
    size = hdf5_number(&piece, 4);
    if ((messages > 0) != (size >= 8))
        return hdf5_damaged_at(check, "an object header of a wrong size", address);
    result = hdf5_piece(check, address + HEADER_MESSAGES_1, size, "an object header", &piece);
    return result == VBP_OK ? add_block(check, blocks, &piece) : result;
}

/* Hands every message of an object to `take`. */
static int take_header(struct hdf5_check *check, struct hdf5_object *object, uint64_t address,
                       take_message *take)
{
    struct blocks blocks = {0};
    struct hdf5_piece piece;
    int result = hdf5_piece(check, address, 4, "an object header", &piece);

    *object = (struct hdf5_object){.address = (size_t)address, .fill_bytes = HDF5_NOWHERE};
    if (result != VBP_OK)
        return result;
    object->checksummed = hdf5_signed(&piece, "OHDR");
    result = object->checksummed ? first_block_2(check, address, &blocks)
                                 : first_block_1(check, address, &blocks);
    for (size_t i = 0; result == VBP_OK && i < blocks.count; i++)
        result = take_block(check, object, &blocks, i, take);
    free(blocks.block);
    return result;
}

static int check_header(struct hdf5_check *check, uint64_t address)
{
    const unsigned mark = 1U << MESSAGE_SPACE | 1U << MESSAGE_LAYOUT;
    const unsigned needed = mark | 1U << MESSAGE_TYPE;
    struct hdf5_object object;
    int result = take_header(check, &object, address, hdf5_message);

    if (result != VBP_OK || !(object.seen & mark))
        return result;
    if ((object.seen & needed) != needed)
        return hdf5_damaged_at(check, "a dataset without a type, extents or a layout", address);
    return hdf5_data(check, &object);
}

static int take_type(struct hdf5_check *check, struct hdf5_object *object, unsigned type,
                     unsigned flags, struct hdf5_piece *piece)
{
    if (type != MESSAGE_TYPE || object->seen)
        return VBP_OK;
    if (flags & FLAG_SHARED)
        return hdf5_damaged_at(check, "a shared datatype that is shared itself", piece->at);
    object->seen = 1;
    return hdf5_datatype(check, piece, &object->type);
}

int hdf5_shared_type(struct hdf5_check *check, uint64_t address, struct hdf5_type *type)
{
    struct hdf5_object object;
    int result = hdf5_add_object(check, address);

    if (result == VBP_OK)
        result = take_header(check, &object, address, take_type);
    if (result == VBP_OK && !object.seen)
        result = hdf5_damaged_at(check, "no shared datatype", address);
    if (result == VBP_OK)
        *type = object.type;
    return result;
}

static int check_objects(struct hdf5_check *check)
{
    int result = VBP_OK;

    while (result == VBP_OK && check->object_count > 0)
        result = check_header(check, check->objects[--check->object_count]);
    return result;
}

int hdf5_check_object(struct hdf5_check *check, uint64_t address)
{
    int result;

    if (check->damage.status != VBP_OK)
        return check->damage.status;
    check->error = &check->damage;
    result = hdf5_add_object(check, address);
    return result == VBP_OK ? check_objects(check) : result;
}

int hdf5_check_result(const struct hdf5_check *check, VbpError *error)
{
    if (check->damage.status != VBP_OK && error)
        *error = check->damage;
    return check->damage.status;
}

/* ---- The superblock ------------------------------------------------------------------------- */

static int check_k(struct hdf5_check *check)
{
    if (check->leaf_k == 0 || check->name_k == 0 || check->chunk_k == 0 ||
        check->leaf_k > MAX_BTREE_K || check->name_k > MAX_BTREE_K || check->chunk_k > MAX_BTREE_K)
        return hdf5_damaged(check, "the superblock's sizes of nodes");
    return VBP_OK;
}

static int check_widths(struct hdf5_check *check)
{
    int a = check->address_width, l = check->length_width;

    if ((a == 16 || a == 32) || (l == 16 || l == 32))
        return hdf5_unsupported_at(check, "addresses wider than 8 bytes", 13);
    if ((a != 2 && a != 4 && a != 8) || (l != 2 && l != 4 && l != 8))
        return hdf5_damaged(check, "the superblock's widths of addresses and lengths");
    return VBP_OK;
}

/* Base, end and what else both kinds of superblock say of the whole file. */
static int check_extent(struct hdf5_check *check, uint64_t base, uint64_t end, uint64_t driver)
{
    if (base != 0)
        return hdf5_damaged(check, "the superblock puts the file's beginning at byte %llu",
                            (unsigned long long)base);
    if (end > check->length)
        return hdf5_damaged(check, "it is cut short: %zu bytes of %llu", check->length,
                            (unsigned long long)end);
    if (driver != HDF5_NOWHERE)
        return hdf5_unsupported_at(check, "parts in other files, named", driver);
    check->length = (size_t)end;
    return VBP_OK;
}

static int superblock_0(struct hdf5_check *check, struct hdf5_piece *piece, int version)
{
    uint64_t base, end, driver, root, tree, heap;
    unsigned cached;
    int result;

    hdf5_skip(piece, 4);
    check->address_width = (int)hdf5_number(piece, 1);
    check->length_width = (int)hdf5_number(piece, 1);
    hdf5_skip(piece, 1);
    check->leaf_k = (unsigned)hdf5_number(piece, 2);
    check->name_k = (unsigned)hdf5_number(piece, 2);
    hdf5_skip(piece, 4);
    if (version == 1) {
        check->chunk_k = (unsigned)hdf5_number(piece, 2);
        hdf5_skip(piece, 2);
    }
    result = check_widths(check);
    if (result == VBP_OK)
        result = check_k(check);
    if (result != VBP_OK)
        return result;
    base = hdf5_address(check, piece);
    hdf5_address(check, piece);
    end = hdf5_address(check, piece);
    driver = hdf5_address(check, piece);
    hdf5_length(check, piece);
    root = hdf5_address(check, piece);
    cached = (unsigned)hdf5_number(piece, 4);
    hdf5_skip(piece, 4);
    tree = hdf5_address(check, piece);
    heap = hdf5_address(check, piece);
    if (piece->cut)
        return hdf5_damaged(check, "the superblock is cut short");
    result = check_extent(check, base, end, driver);
    if (result == VBP_OK && cached > 1)
        result = hdf5_damaged(check, "the superblock's first group is of no known kind");
    if (result == VBP_OK && cached == 1)
        result = hdf5_group(check, tree, heap);
    return result == VBP_OK ? hdf5_add_object(check, root) : result;
}

/* The messages of the superblock's extension. */
static int take_extension(struct hdf5_check *check, struct hdf5_object *object, unsigned type,
                          unsigned flags, struct hdf5_piece *piece)
{
    (void)object;
    (void)flags;
    if (type == MESSAGE_CACHE)
        return hdf5_unsupported_at(check, "an image of its writer's cache", piece->at);
    if (type == MESSAGE_SHARE_LIST)
        return hdf5_unsupported_at(check, "shared messages", piece->at);
    if (type == MESSAGE_DRIVER)
        return hdf5_unsupported_at(check, "parts in other files, named", piece->at);
    if (type != MESSAGE_B_TREE_K)
        return VBP_OK;
    hdf5_skip(piece, 1);
    check->chunk_k = (unsigned)hdf5_number(piece, 2);
    check->name_k = (unsigned)hdf5_number(piece, 2);
    check->leaf_k = (unsigned)hdf5_number(piece, 2);
    return check_k(check);
}

static int superblock_2(struct hdf5_check *check, struct hdf5_piece *piece)
{
    uint64_t base, extension, end, root;
    struct hdf5_object object;
    int result;

    check->address_width = (int)hdf5_number(piece, 1);
    check->length_width = (int)hdf5_number(piece, 1);
    hdf5_skip(piece, 1);
    result = check_widths(check);
    if (result != VBP_OK)
        return result;
    base = hdf5_address(check, piece);
    extension = hdf5_address(check, piece);
    end = hdf5_address(check, piece);
    root = hdf5_address(check, piece);
    hdf5_skip(piece, 4);
    if (piece->cut)
        return hdf5_damaged(check, "the superblock is cut short");
    result = check_sum(check, 0, piece->at, "the superblock");
    if (result == VBP_OK)
        result = check_extent(check, base, end, HDF5_NOWHERE);
    if (result == VBP_OK && extension != HDF5_NOWHERE) {
        bool again;

        result = hdf5_visit(check, extension, HDF5_OBJECT, 1, &again);
        if (result == VBP_OK)
            result = take_header(check, &object, extension, take_extension);
    }
    return result == VBP_OK ? hdf5_add_object(check, root) : result;
}

static int check_file(struct hdf5_check *check)
{
    struct hdf5_piece piece = {check->bytes, 0, check->length, false};
    int result, version;

    if (!hdf5_signed(&piece, "\x89HDF\r\n\x1a\n"))
        return hdf5_damaged(check, "it does not begin as one");
    version = (int)hdf5_number(&piece, 1);
    if (version > 3)
        return hdf5_damaged(check, "its superblock is of version %d, which is not known", version);
    result = version < 2 ? superblock_0(check, &piece, version) : superblock_2(check, &piece);
    return result == VBP_OK ? check_objects(check) : result;
}

int hdf5_check_begin(struct hdf5_check **check, const unsigned char *bytes, size_t length,
                     VbpError *error)
{
    struct hdf5_check *c = memory_array(1, sizeof(*c));
    int result;

    *check = NULL;
    if (!c)
        return error_out_of_memory(error);
    c->bytes = bytes;
    c->length = length;
    c->error = error;
    c->leaf_k = 4;
    c->name_k = 16;
    c->chunk_k = 32;
    c->heap_address = HDF5_NOWHERE;
    c->work = ((uint64_t)1 << 24) + 16 * (uint64_t)length;
    result = check_file(c);
    if (result != VBP_OK)
        hdf5_check_end(&c);
    *check = c;
    return result;
}

void hdf5_check_end(struct hdf5_check **check)
{
    if (!*check)
        return;
    free((*check)->places);
    free((*check)->objects);
    free((*check)->heap_sizes);
    free(*check);
    *check = NULL;
}
