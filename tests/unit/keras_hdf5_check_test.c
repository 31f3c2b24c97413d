/* HDF5 files that are damaged: refused before libhdf5 sees them, with what and where. */
#include "formats/keras_loader.h"
#include "support/hdf5_builder.h"
#include "support/loader_check.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* ---- Files ---------------------------------------------------------------------------------- */

/* Opens a file and reads all that a network's could be asked for; counts the weights. */
static int read_all(const unsigned char *bytes, size_t length, int *weights, VbpError *error)
{
    static const char *const paths[] = {"plain",
                                        "compact",
                                        "packed",
                                        "unpacked",
                                        "one_chunk",
                                        "filled",
                                        "early",
                                        "extended",
                                        "array",
                                        "half",
                                        "enum",
                                        "committed",
                                        "many/3",
                                        "many/19",
                                        "group/in/deep",
                                        "group/at/deep",
                                        "group/in/it/many/7",
                                        "group/at"};
    static const char *const texts[] = {"fixed", "variable", "weight_names"};
    static const char *const groups[] = {"", "group", "large"};
    struct keras_hdf5 *file;
    int result = keras_hdf5_open(&file, bytes, length, error);

    *weights = 0;
    if (result != VBP_OK) {
        assert_null(file);
        return result;
    }
    for (size_t i = 0; i < 9; i++) {
        char **list;
        int count;

        keras_hdf5_texts(file, groups[i / 3], texts[i % 3], &list, &count, error);
        keras_texts_free(list, count);
    }
    for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++) {
        struct shape shape;
        float *values;

        if (keras_hdf5_read(file, paths[i], &shape, &values, error) == VBP_OK)
            ++*weights;
        free(values);
    }
    keras_hdf5_close(&file);
    return VBP_OK;
}

/* The same from a block of just that size, so that reading on is noticed. */
static int try(const unsigned char *bytes, size_t length, int *weights, VbpError *error)
{
    unsigned char *copy = malloc(length + !length);
    int result;

    assert_non_null(copy);
    memcpy(copy, bytes, length);
    result = read_all(copy, length, weights, error);
    free(copy);
    return result;
}

static void check_text(const struct keras_hdf5 *file, const char *group, const char *name,
                       int index, const char *expected)
{
    char **texts;
    VbpError error;
    int count;

    assert_int_equal(keras_hdf5_texts(file, group, name, &texts, &count, &error), VBP_OK);
    assert_true(count > index);
    assert_string_equal(texts[index], expected);
    keras_texts_free(texts, count);
}

/* Nothing is refused that libhdf5 writes. */
static void test_honest(void **state)
{
    (void)state;
    for (int style = HDF5_OLD; style <= HDF5_NEW; style++) {
        struct keras_hdf5 *file;
        unsigned char *bytes;
        size_t length;
        VbpError error = {0};
        int weights;

        hdf5_build_all((enum hdf5_style)style, &bytes, &length);
        save_seed("hdf5", bytes, length);
        if (try(bytes, length, &weights, &error) != VBP_OK)
            fail_msg("style %d: %s", style, error.message);
        /* "group/at" is a group here. */
        assert_int_equal(weights, 17);
        assert_int_equal(keras_hdf5_open(&file, bytes, length, &error), VBP_OK);
        for (int i = 0; i < 2; i++) {
            check_text(file, i ? "large" : "", "fixed", 1, "bias");
            check_text(file, i ? "large" : "", "variable", 0, "group/at/kernel:0");
            check_text(file, i ? "large" : "", "variable", 2, "bias:0");
        }
        keras_hdf5_close(&file);
        free(bytes);
    }
}

/* ---- Damage --------------------------------------------------------------------------------- */

/*
 * Puts `width` bytes of value at `offset` behind the nth `mark` (from 0) of the small file.
 */
struct damage {
    const char *mark;
    size_t mark_length;
    int nth;
    int offset, width;
    uint64_t value;
    const char *message;
};

static unsigned char *find(unsigned char *bytes, size_t length, const struct damage *damage)
{
    unsigned char *at = bytes;

    for (int i = 0; at && i <= damage->nth; i++)
        at = memmem(at + (i > 0), length - (size_t)(at + (i > 0) - bytes), damage->mark,
                    damage->mark_length);
    if (!at)
        fail_msg("the file has no mark for '%s'", damage->message);
    return at + damage->offset;
}

#define MARK(text) text, sizeof(text) - 1

static void test_damage(void **state)
{
    /* clang-format off */
    static const struct damage cases[] = {
        {MARK("\x89HDF"), 0, 8, 1, 9, "its superblock is of version 9, which is not known"},
        {MARK("\x89HDF"), 0, 13, 1, 3, "the superblock's widths of addresses"},
        {MARK("\x89HDF"), 0, 13, 1, 16, "addresses wider than 8 bytes"},
        {MARK("\x89HDF"), 0, 16, 2, 0, "the superblock's sizes of nodes"},
        {MARK("\x89HDF"), 0, 28, 8, 512, "the superblock puts the file's beginning at byte 512"},
        {MARK("\x89HDF"), 0, 44, 8, 1 << 30, "it is cut short"},
        {MARK("\x89HDF"), 0, 52, 8, 96, "parts in other files"},
        {MARK("\x89HDF"), 0, 68, 8, 1 << 30, "an object header at byte 1073741824 is not inside"},
        {MARK("\x89HDF"), 0, 76, 4, 7, "the superblock's first group is of no known kind"},
        {MARK("TREE"), 0, 0, 1, 'X', "no B-tree node of a group"},
        {MARK("TREE"), 0, 5, 1, 1, "no B-tree node of a group"},
        {MARK("TREE"), 0, 6, 2, 99, "a B-tree node of a wrong level or with too many entries"},
        {MARK("TREE"), 0, 24, 8, 1 << 20, "name 1048576 of the local heap"},
        {MARK("TREE"), 0, 32, 8, 1 << 30, "a symbol node at byte 1073741824 is not inside"},
        {MARK("SNOD"), 0, 4, 1, 2, "no symbol node"},
        {MARK("SNOD"), 0, 6, 2, 60000, "has 60000 entries of 4"},
        {MARK("SNOD"), 0, 8, 8, 1 << 20, "name 1048576 of the local heap"},
        {MARK("SNOD"), 0, 16, 8, 1 << 30, "an object header at byte 1073741824"},
        {MARK("SNOD"), 0, 24, 4, 9, "a symbol of no known kind"},
        {MARK("SNOD"), 0, 24, 4, 2, "of the local heap"},
        {MARK("HEAP"), 0, 0, 1, 'X', "no local heap"},
        {MARK("HEAP"), 0, 8, 8, 1 << 30, "the data of a local heap"},
        {MARK("HEAP"), 0, 16, 8, 1 << 20, "the free blocks of the local heap"},
        {MARK("HEAP"), 0, 24, 8, 1 << 30, "the data of a local heap"},
        {MARK("GCOL"), 0, 4, 1, 7, "no global heap"},
        {MARK("GCOL"), 0, 8, 8, 1 << 30, "a global heap"},
        {MARK("GCOL"), 0, 8, 8, 3, "a global heap of no size"},
        {MARK("GCOL"), 0, 16, 2, 3, "an object of a global heap"},
        {MARK("GCOL"), 0, 24, 8, 7, "a text that is not in its global heap"},
        {MARK("GCOL"), 0, 24, 8, 1 << 20, "an object of a global heap"},
        {MARK("variable\0"), 0, -8, 1, 9, "an attribute of no known version"},
        {MARK("variable\0"), 0, -6, 2, 200, "is larger than its message"},
        {MARK("variable\0"), 0, 8, 1, 'x', "an attribute whose name does not end"},
        {MARK("variable\0"), 0, 16, 1, 0x1d, "a type of no known class"},
        {MARK("variable\0"), 0, 16, 1, 0x99, "a type of no known version"},
        {MARK("variable\0"), 0, 20, 4, 17, "a type of variable length"},
        {MARK("variable\0"), 0, 20, 4, 0, "a type of no size"},
        {MARK("variable\0"), 0, 41, 1, 33, "has 33 axes"},
        {MARK("variable\0"), 0, 40, 1, 3, "a dataspace of no known version"},
        {MARK("variable\0"), 0, 48, 8, 4000, "an attribute with more data than its message holds"},
        {MARK("variable\0"), 0, 64, 4, 18, "a text that is not in its global heap"},
        {MARK("variable\0"), 0, 68, 8, 1 << 30, "a global heap at byte 1073741824"},
        {MARK("variable\0"), 0, 76, 4, 3000, "a text that is not in its global heap"},
        {MARK("fixed\0\0\0"), 0, 12, 4, 1 << 20, "an attribute with more data"},
        {MARK("number\0\0"), 0, 9, 1, 0xff, "a float type of no known kind"},
        {MARK("number\0\0"), 0, 10, 1, 0x99, "a float type whose bits"},
        {MARK("number\0\0"), 0, 16, 2, 17, "a float type whose bits"},
        {MARK("number\0\0"), 0, 18, 2, 0, "a float type whose bits"},
        {MARK("number\0\0"), 0, 20, 1, 40, "a float type whose bits"},
        {MARK("number\0\0"), 0, 21, 1, 99, "a float type whose bits"},
        {MARK("number\0\0"), 0, 23, 1, 255, "a float type whose bits"},
        {MARK("TREE\1"), 0, 0, 1, 'X', "no B-tree node of chunks"},
        {MARK("TREE\1"), 0, 6, 2, 99, "a B-tree node of a wrong level or with too many entries"},
        {MARK("TREE\1"), 0, 24, 4, 9, "a chunk that cannot be unpacked"},
        {MARK("TREE\1"), 0, 28, 4, 2, "a chunk of another size"},
        {MARK("TREE\1"), 0, 32, 8, 5, "a chunk that begins within another"},
        {MARK("TREE\1"), 0, 56, 8, 1 << 30, "a chunk at byte 1073741824"},
        {MARK("shuffle\0"), 0, -15, 1, 200, "the list of filters"},
        {MARK("shuffle\0"), 0, -16, 1, 3, "a list of filters of no known version"},
        {MARK("shuffle\0"), 0, 40, 1, 9, "a dataset without a type, extents or a layout"},
        {MARK("shuffle\0"), 0, 44, 1, 6, "an impossible message of an object header"},
        {MARK("shuffle\0"), 0, -2, 2, 9999, "the message of kind 11"},
        {MARK("shuffle\0"), 0, 7, 1, 'x', "a filter whose name does not end"},
    };
    /* clang-format on */
    unsigned char *bytes, kept[8];
    size_t length;
    VbpError error = {0};
    int weights;

    (void)state;
    hdf5_build_small(&bytes, &length);
    save_seed("hdf5", bytes, length);
    if (try(bytes, length, &weights, &error) != VBP_OK)
        fail_msg("%s", error.message);
    assert_int_equal(weights, 2);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        unsigned char *at = find(bytes, length, &cases[i]);
        size_t width = (size_t)cases[i].width;

        memcpy(kept, at, width);
        memcpy(at, &cases[i].value, width);
        if (try(bytes, length, &weights, &error) == VBP_OK)
            fail_msg("case %zu opens, but should be refused: %s", i, cases[i].message);
        if (!strstr(error.message, cases[i].message))
            fail_msg("case %zu: '%s' is not in '%s'", i, cases[i].message, error.message);
        memcpy(at, kept, width);
    }
    free(bytes);
}

/* Each byte of the file is another one: it is read or refused. */
static void test_every_byte(void **state)
{
    static const unsigned char turns[] = {0x01, 0x80, 0xff};
    unsigned char *bytes;
    size_t length, refused = 0;
    VbpError error;
    int weights;

    (void)state;
    hdf5_build_small(&bytes, &length);
    for (size_t at = 8; at < length; at++) {
        for (size_t i = 0; i < sizeof(turns); i++) {
            bytes[at] ^= turns[i];
            refused += try(bytes, length, &weights, &error) != VBP_OK;
            bytes[at] ^= turns[i];
        }
    }
    assert_true(refused > 500);
    free(bytes);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_honest),
        cmocka_unit_test(test_damage),
        cmocka_unit_test(test_every_byte),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
