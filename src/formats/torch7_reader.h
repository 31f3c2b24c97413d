/*
 * Reading Torch7's serialisation: a tree (with references back) of Lua values. Little-endian, with
 * ints of 4 bytes and longs of 8, as torch.save writes them on all of today's machines:
 *
 *     value   := type:int, then by type
 *       0 nil
 *       1 number    double
 *       2 string    length:int bytes
 *       3 table     index:int [count:int (key:value value:value) * count]
 *       4 object    index:int [version:string class:string content]
 *       5 boolean   int
 *       6-8 function: code, which is skipped
 *
 * What stands in [] is there only the first time that an index comes. Content is, by class:
 *
 *     torch.XTensor   rank:int size:long*rank stride:long*rank offset:long storage:value
 *     torch.XStorage  count:long elements
 *     others          value, a table with the fields
 */
#ifndef VBP_FORMATS_TORCH7_READER_H
#define VBP_FORMATS_TORCH7_READER_H

#include "base/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum torch7_type {
    TORCH7_NIL,
    TORCH7_NUMBER,
    TORCH7_STRING,
    TORCH7_BOOLEAN,
    TORCH7_TABLE,   /* .object, with entries */
    TORCH7_OBJECT,  /* .object, with a class and entries */
    TORCH7_TENSOR,  /* .object */
    TORCH7_STORAGE, /* .object */
    TORCH7_FUNCTION /* nothing is known of it */
};

struct torch7_text {
    const char *bytes; /* inside the file, not terminated */
    int length;
};

struct torch7_value {
    enum torch7_type type;
    union {
        double number;
        bool boolean;
        struct torch7_text text;
        struct torch7_object *object;
    };
};

struct torch7_entry {
    struct torch7_value key, value;
};

#define TORCH7_MAX_RANK 8

struct torch7_object {
    enum torch7_type type;
    struct torch7_text class_name; /* empty for tables */
    struct torch7_entry *entries;
    size_t entry_count;
    const struct torch7_object *fields; /* the table with the entries: itself, or an object's */
    struct {
        int rank;
        int64_t size[TORCH7_MAX_RANK], stride[TORCH7_MAX_RANK]; /* elements */
        int64_t offset;                                         /* of the first element, from 0 */
        struct torch7_object *storage;                          /* NULL: the tensor is empty */
    } tensor;
    struct {
        char element; /* 'f' float 'd' double 'h' half 'l' long 'i' int 's' short 'b' byte 'c' char
                       */
        int64_t count;
        const unsigned char *bytes; /* inside the file */
    } storage;
};

struct torch7_reader {
    const unsigned char *bytes;
    size_t length, position;
    struct torch7_object **objects; /* by the index that the file gives them */
    size_t object_capacity;
    size_t value_count;
    int depth;
};

/*
 * Reads the value that the bytes begin with. What it points to lives until torch7_reader_free, and
 * no longer than the bytes.
 */
int torch7_read(struct torch7_reader *reader, struct torch7_value *value, VbpError *error);
void torch7_reader_free(struct torch7_reader *reader);

bool torch7_text_is(const struct torch7_text *text, const char *expected);

/* The field of that name of a table or object; nil where there is none. */
struct torch7_value torch7_field(const struct torch7_object *object, const char *name);

/* Element `index` of a storage, as a number. */
double torch7_element(const struct torch7_object *storage, int64_t index);

/* Elements of a tensor; 0 for an empty one; -1 where it exceeds its storage or makes no sense. */
int64_t torch7_tensor_count(const struct torch7_object *tensor);

/* Copies the torch7_tensor_count elements in order, as floats. */
void torch7_tensor_read(const struct torch7_object *tensor, float *elements);

#endif
