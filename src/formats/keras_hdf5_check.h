/*
 * What the metadata of an HDF5 file must be before libhdf5 may see it: libhdf5 1.10 believes much
 * of what old-style structures say, which carry no checksums, and reads and writes past its blocks
 * on files that are damaged. Written after "HDF5 File Format Specification Version 3.0" of The HDF
 * Group, whose names of the structures are used here.
 *
 *     superblock ──> object header ──> messages: dataspace, datatype, layout, attributes, ...
 *        (check)        (check)         │          (messages, types)
 *                                       ├─> symbol table: B-tree of names, local heap ──> objects
 *                                       │          (groups)
 *                                       ├─> links ──> objects
 *                                       ├─> chunks: B-tree, filters          (storage)
 *                                       └─> texts: global heaps              (heaps)
 *
 * Structures of the new style carry checksums, which libhdf5 verifies: those that are only reached
 * through them (many links or attributes of one object) are checked when they are asked for.
 */
#ifndef VBP_FORMATS_KERAS_HDF5_CHECK_H
#define VBP_FORMATS_KERAS_HDF5_CHECK_H

#include "base/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define HDF5_MAX_RANK 32
/* Addresses of nothing, whatever their width in the file. */
#define HDF5_NOWHERE UINT64_MAX

/* What stands at an address; nothing can be two of these. */
enum hdf5_kind {
    HDF5_OBJECT = 1,
    HDF5_CONTINUATION,
    HDF5_NAME_TREE,
    HDF5_CHUNK_TREE,
    HDF5_SYMBOLS,
    HDF5_NAMES,
    HDF5_TEXTS,
    HDF5_CHUNK
};

/* An open hash table of addresses; `with` is what else a structure was checked against. */
struct hdf5_place {
    uint64_t address, with;
    enum hdf5_kind kind; /* 0: free */
};

struct hdf5_check {
    const unsigned char *bytes;
    size_t length;
    int address_width, length_width;
    unsigned leaf_k, name_k, chunk_k; /* half of what symbol nodes and B-tree nodes hold at most */
    VbpError *error;
    VbpError damage; /* of the first object that is; status VBP_OK: none */

    struct hdf5_place *places;
    size_t place_count, place_capacity;
    uint64_t *objects; /* to be checked */
    size_t object_count, object_capacity;
    /* Bytes that may still be looked at: honest files do not make the work of going over them many
     * times necessary. */
    uint64_t work;

    /* The sizes of the objects of the global heap that was looked at last, -1 for none. */
    uint64_t heap_address;
    int64_t *heap_sizes;
};

/* A piece of the file. Reading behind its end gives zeros and sets `cut`. */
struct hdf5_piece {
    const unsigned char *bytes;
    size_t at, end; /* in the file */
    bool cut;
};

struct hdf5_space {
    bool null;
    int rank;
    uint64_t extent[HDF5_MAX_RANK];
    uint64_t elements;
};

struct hdf5_type {
    int class;
    uint32_t size;
    bool text_list; /* of variable length, and text */
};

enum hdf5_storage { HDF5_COMPACT, HDF5_CONTIGUOUS, HDF5_CHUNKED, HDF5_VIRTUAL };

#define HDF5_MAX_FILTERS 32

/* What the messages of one object say together. */
struct hdf5_object {
    size_t address;
    bool checksummed; /* a header of version 2 */
    unsigned seen;    /* bits of the types of messages */

    struct hdf5_space space;
    struct hdf5_type type;

    enum hdf5_storage storage;
    int layout_version, chunk_rank;
    uint64_t chunk[HDF5_MAX_RANK + 1]; /* the last: bytes of an element */
    uint64_t data, data_bytes;         /* address; HDF5_NOWHERE for data_bytes: not said */
    int chunk_index;                   /* of version 4 */
    uint32_t chunk_mask;

    int filters;
    unsigned filter[HDF5_MAX_FILTERS];

    uint64_t fill_bytes; /* HDF5_NOWHERE: no value */
};

/* ---- Checking a file (keras_hdf5_check.c) --------------------------------------------------- */

/*
 * Checks everything that can be reached from the superblock. The bytes must outlive the check. On
 * failure *check is NULL and the message says what is damaged, and where.
 */
int hdf5_check_begin(struct hdf5_check **check, const unsigned char *bytes, size_t length,
                     VbpError *error);

/*
 * The same for an object that libhdf5 found by a link that has a checksum. After a failure the file
 * is damaged for good: this and hdf5_check_result fail with the same error.
 */
int hdf5_check_object(struct hdf5_check *check, uint64_t address);

/* VBP_OK, or the error of the first object that is damaged. */
int hdf5_check_result(const struct hdf5_check *check, VbpError *error);

void hdf5_check_end(struct hdf5_check **check); /* accepts NULL */

/* ---- Parts ---------------------------------------------------------------------------------- */

/* Sets the check's error: "damaged .h5 file: " and the text. */
int hdf5_damaged(struct hdf5_check *check, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* "damaged .h5 file: WHAT at byte N" and the same for what is sound, but not supported. */
int hdf5_damaged_at(struct hdf5_check *check, const char *what, uint64_t at);
int hdf5_unsupported_at(struct hdf5_check *check, const char *what, uint64_t at);

/*
 * Takes `size` bytes of the file at that address as a piece; refuses what is not in the file, and
 * work that never ends.
 */
int hdf5_piece(struct hdf5_check *check, uint64_t address, uint64_t size, const char *what,
               struct hdf5_piece *piece);

/* A number of so many bytes, least significant first; of more than 8 bytes: all ones if too large
 * for 64 bits. */
uint64_t hdf5_number(struct hdf5_piece *piece, int width);
uint64_t hdf5_address(const struct hdf5_check *check, struct hdf5_piece *piece);
uint64_t hdf5_length(const struct hdf5_check *check, struct hdf5_piece *piece);
void hdf5_skip(struct hdf5_piece *piece, uint64_t count);
bool hdf5_signed(struct hdf5_piece *piece, const char *signature);
static inline size_t hdf5_left(const struct hdf5_piece *piece)
{
    return piece->end - piece->at;
}

/* Cuts the next bytes off as a piece of their own. */
struct hdf5_piece hdf5_part(struct hdf5_piece *piece, uint64_t count);

/*
 * Notes what is at the address. *again: that is known already. Refused where something else is
 * there, or the same with another `with`.
 */
int hdf5_visit(struct hdf5_check *check, uint64_t address, enum hdf5_kind kind, uint64_t with,
               bool *again);

/* Notes an object that is to be checked. */
int hdf5_add_object(struct hdf5_check *check, uint64_t address);

/* The datatype that is kept in an object of its own. */
int hdf5_shared_type(struct hdf5_check *check, uint64_t address, struct hdf5_type *type);

/* keras_hdf5_messages.c: one message of an object's header, and an attribute as it lies in one. */
int hdf5_message(struct hdf5_check *check, struct hdf5_object *object, unsigned type,
                 unsigned flags, struct hdf5_piece *piece);
int hdf5_attribute(struct hdf5_check *check, struct hdf5_piece *piece);

/* keras_hdf5_types.c: what a datatype is. */
int hdf5_datatype(struct hdf5_check *check, struct hdf5_piece *piece, struct hdf5_type *type);

/* keras_hdf5_groups.c: names, and what has them. */
int hdf5_group(struct hdf5_check *check, uint64_t tree, uint64_t heap);
int hdf5_name(struct hdf5_check *check, uint64_t heap, uint64_t offset);

/* keras_hdf5_storage.c: the data of a dataset, when all messages are known. */
int hdf5_data(struct hdf5_check *check, const struct hdf5_object *object);

/* keras_hdf5_dense.c: a fractal heap of links or attributes, with the B-tree that names them. */
int hdf5_dense(struct hdf5_check *check, uint64_t address, uint64_t tree, bool attributes);

/* keras_hdf5_heaps.c: texts of variable length, `count` references to them. */
int hdf5_texts(struct hdf5_check *check, struct hdf5_piece *piece, uint64_t count);

#endif
