#include "base/file.h"
#include "base/npy.h"
#include "support/scratch.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/*
 * Writes a file of the given version: magic, version, length of the header, header, data.
 * `declared` is the length that the file says its header has; -1: the true one.
 */
static const char *write_npy(int version, const char *header, long declared, const void *data,
                             size_t data_length)
{
    unsigned char bytes[4096] = {0x93, 'N', 'U', 'M', 'P', 'Y', (unsigned char)version, 0};
    size_t length = declared < 0 ? strlen(header) : (size_t)declared, used = 8;

    for (int i = 0; i < (version == 1 ? 2 : 4); i++)
        bytes[used++] = (unsigned char)(length >> (8 * i));
    assert_true(used + strlen(header) + data_length <= sizeof(bytes));
    memcpy(bytes + used, header, strlen(header));
    used += strlen(header);
    if (data_length)
        memcpy(bytes + used, data, data_length);
    return scratch_write("array.npy", bytes, used + data_length);
}

static void expect_refused(const char *path, int status, const char *reason)
{
    struct npy array, zero = {0};
    VbpError error;

    memset(&array, 0xa5, sizeof(array));
    assert_int_equal(npy_read(path, &array, &error), status);
    if (!strstr(error.message, reason))
        fail_msg("'%s' does not say '%s'", error.message, reason);
    assert_non_null(strstr(error.message, path));
    assert_null(array.data);
    assert_int_equal(array.count, zero.count);
    assert_int_equal(array.rank, zero.rank);
}

static void round_trip(void **state)
{
    static const struct {
        int rank;
        size_t extent[NPY_MAX_RANK];
    } shapes[] = {
        {0, {0}},       {1, {24}},   {2, {4, 6}},
        {3, {2, 3, 4}}, {2, {0, 5}}, {8, {1, 2, 1, 3, 1, 2, 2, 1}},
    };
    const char *path = scratch_path("round.npy");
    uint8_t bytes[24];
    float floats[24];
    VbpError error;

    (void)state;
    for (int i = 0; i < 24; i++) {
        bytes[i] = (uint8_t)(i * 11);
        floats[i] = (float)i / 7.0f - 1.0f;
    }
    for (size_t s = 0; s < sizeof(shapes) / sizeof(shapes[0]); s++) {
        for (int type = NPY_UINT8; type <= NPY_FLOAT32; type++) {
            const void *data = type == NPY_UINT8 ? (const void *)bytes : floats;
            size_t count = 1;
            struct npy array;

            for (int i = 0; i < shapes[s].rank; i++)
                count *= shapes[s].extent[i];
            assert_int_equal(npy_write(path, (enum npy_type)type, data, shapes[s].rank,
                                       shapes[s].extent, &error),
                             VBP_OK);
            assert_int_equal(npy_read(path, &array, &error), VBP_OK);
            assert_int_equal(array.type, type);
            assert_int_equal(array.rank, shapes[s].rank);
            assert_int_equal(array.count, count);
            for (int i = 0; i < array.rank; i++)
                assert_int_equal(array.extent[i], shapes[s].extent[i]);
            assert_int_equal((uintptr_t)array.data % 64, 0);
            if (count > 0)
                assert_memory_equal(array.data, data, count * (type == NPY_UINT8 ? 1 : 4));
            npy_free(&array);
            assert_null(array.data);
        }
    }
}

/* Byte for byte what the format's description asks for, so that others can read it. */
static void written_head_is_numpys(void **state)
{
    static const char start[] = "\x93NUMPY\x01\x00\x76\x00{'descr': '<f4', 'fortran_order': False, "
                                "'shape': (1, 2), }";
    static const float values[2] = {1.5f, -2.0f};
    const char *path = scratch_path("head.npy");
    unsigned char *bytes;
    size_t length;
    VbpError error;

    (void)state;
    assert_int_equal(npy_write(path, NPY_FLOAT32, values, 2, (size_t[]){1, 2}, &error), VBP_OK);
    assert_int_equal(file_read(path, 1000, &bytes, &length, &error), VBP_OK);
    assert_int_equal(length, 128 + sizeof(values)); /* the data is aligned to 64 */
    assert_memory_equal(bytes, start, sizeof(start) - 1);
    for (size_t i = sizeof(start) - 1; i < 127; i++)
        assert_int_equal(bytes[i], ' ');
    assert_int_equal(bytes[127], '\n');
    assert_memory_equal(bytes + 128, values, sizeof(values));
    free(bytes);
}

static void largest_shape_fits_the_header(void **state)
{
    size_t extent[NPY_MAX_RANK + 1];
    const char *path = scratch_path("large.npy");
    struct npy array;
    VbpError error;

    (void)state;
    for (int i = 0; i <= NPY_MAX_RANK; i++)
        extent[i] = SIZE_MAX;
    extent[0] = 0;
    assert_int_equal(npy_write(path, NPY_UINT8, "", NPY_MAX_RANK, extent, &error), VBP_OK);
    assert_int_equal(npy_read(path, &array, &error), VBP_OK);
    assert_int_equal(array.count, 0);
    assert_int_equal(array.extent[7], SIZE_MAX);
    npy_free(&array);
    assert_int_equal(npy_write(path, NPY_UINT8, "", NPY_MAX_RANK + 1, extent, &error),
                     VBP_ERROR_ARGUMENT);
}

static void reads_all_versions_and_types(void **state)
{
    static const float floats[3] = {1.0f, -0.5f, 1e30f};
    static const double doubles[3] = {1.0, -0.5, 1e30};
    static const struct {
        const char *descr;
        const void *data;
        size_t length;
    } types[] = {
        {"<f4", floats, sizeof(floats)},
        {"<f8", doubles, sizeof(doubles)},
        {"|u1", "abc", 3},
        {"<u1", "abc", 3},
    };

    (void)state;
    for (int version = 1; version <= 3; version++) {
        for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
            char header[200];
            struct npy array;
            VbpError error;

            /* Keys in another order, as other writers have them; more data than the shape. */
            snprintf(header, sizeof(header), "{'shape':(3L,),'fortran_order':False,'descr':'%s'}",
                     types[i].descr);
            assert_int_equal(
                npy_read(write_npy(version, header, -1, types[i].data, types[i].length), &array,
                         &error),
                VBP_OK);
            assert_int_equal(array.rank, 1);
            assert_int_equal(array.extent[0], 3);
            if (array.type == NPY_UINT8)
                assert_memory_equal(array.data, "abc", 3);
            else
                assert_memory_equal(array.data, floats, sizeof(floats));
            assert_int_equal(array.type, i < 2 ? NPY_FLOAT32 : NPY_UINT8);
            npy_free(&array);
        }
    }
}

#define HEADER(descr, order, shape)                                                                \
    "{'descr': '" descr "', 'fortran_order': " order ", 'shape': " shape ", }"

static void refuses_hostile_headers(void **state)
{
    static const struct {
        const char *header;
        int status;
        const char *reason;
    } cases[] = {
        {HEADER("<f4", "True", "(2, 2)"), VBP_ERROR_UNSUPPORTED, "not in C order"},
        {HEADER(">f4", "False", "(2, 2)"), VBP_ERROR_UNSUPPORTED, "'>f4'"},
        {HEADER("<c8", "False", "(2, 2)"), VBP_ERROR_UNSUPPORTED, "'<c8'"},
        {HEADER("|O", "False", "(2, 2)"), VBP_ERROR_UNSUPPORTED, "'|O'"},
        {HEADER("<f4", "False", "(2, 3)"), VBP_ERROR_FORMAT, "fewer elements"},
        {HEADER("<f4", "False", "(99999999999,)"), VBP_ERROR_FORMAT, "fewer elements"},
        /* Products and bytes that wrap around to something small. */
        {HEADER("<f4", "False", "(4294967296, 4294967296)"), VBP_ERROR_FORMAT, "shape"},
        {HEADER("<f4", "False", "(4611686018427387905,)"), VBP_ERROR_FORMAT, "fewer elements"},
        {HEADER("<f4", "False", "(18446744073709551617,)"), VBP_ERROR_FORMAT, "shape"},
        {HEADER("<f4", "False", "(99999999999999999999999999,)"), VBP_ERROR_FORMAT, "shape"},
        {HEADER("<f4", "False", "(-1, 4)"), VBP_ERROR_FORMAT, "shape"},
        {HEADER("<f4", "False", "(2.0, 2)"), VBP_ERROR_FORMAT, "shape"},
        {HEADER("<f4", "False", "(2 2)"), VBP_ERROR_FORMAT, "shape"},
        {HEADER("<f4", "False", "(2,, 2)"), VBP_ERROR_FORMAT, "shape"},
        {HEADER("<f4", "False", "(,)"), VBP_ERROR_FORMAT, "shape"},
        {HEADER("<f4", "False", "4"), VBP_ERROR_FORMAT, "shape"},
        {HEADER("<f4", "False", "(1, 1, 1, 1, 1, 1, 1, 1, 1)"), VBP_ERROR_FORMAT, "shape"},
        {"{'descr': '<f4', 'fortran_order': False, 'shape': (2, 2", VBP_ERROR_FORMAT, "shape"},
        {"{'descr': '<f4', 'fortran_order': False, 'shape': (2,", VBP_ERROR_FORMAT, "shape"},
        {"{'descr': '<f4', 'fortran_order': False, 'shape': ", VBP_ERROR_FORMAT, "shape"},
        {"{'descr': '<f4', 'fortran_order': False, 'shape'", VBP_ERROR_FORMAT, "shape"},
        {"{'descr': '<f4', 'fortran_order': False}", VBP_ERROR_FORMAT, "shape"},
        {"{'descr': '<f4', 'shape': (4,)}", VBP_ERROR_UNSUPPORTED, "not in C order"},
        {"{'fortran_order': False, 'shape': (4,)}", VBP_ERROR_UNSUPPORTED, "unknown"},
        {"{'descr': [('a', '<f4')], 'fortran_order': False, 'shape': (4,)}", VBP_ERROR_UNSUPPORTED,
         "[('a"},
        {"", VBP_ERROR_UNSUPPORTED, "unknown"},
    };
    static const float data[4];

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
        expect_refused(write_npy(1, cases[i].header, -1, data, sizeof(data)), cases[i].status,
                       cases[i].reason);
}

static void refuses_wrong_heads(void **state)
{
    static const char header[] = HEADER("|u1", "False", "(1,)");

    (void)state;
    expect_refused(write_npy(1, header, 60000, "", 0), VBP_ERROR_FORMAT, "cut off");
    expect_refused(write_npy(2, header, 0xffffffff, "", 0), VBP_ERROR_FORMAT, "cut off");
    expect_refused(write_npy(3, header, (long)sizeof(header), "", 0), VBP_ERROR_FORMAT, "cut off");
    expect_refused(write_npy(0, header, -1, "x", 1), VBP_ERROR_FORMAT, "not a .npy file");
    expect_refused(write_npy(4, header, -1, "x", 1), VBP_ERROR_FORMAT, "not a .npy file");
    expect_refused(scratch_write("other", "PK\3\4 an archive", 15), VBP_ERROR_FORMAT, "not a .npy");
    expect_refused(scratch_path("nothing"), VBP_ERROR_IO, "No such file");
}

/* Every prefix of a good file is refused, in memory of exactly that size for the sanitizers. */
static void refuses_every_cut(void **state)
{
    static const float values[4] = {1, 2, 3, 4};
    const char *path = scratch_path("cut.npy");
    unsigned char *bytes;
    size_t length;
    VbpError error;

    (void)state;
    assert_int_equal(npy_write(path, NPY_FLOAT32, values, 1, (size_t[]){4}, &error), VBP_OK);
    assert_int_equal(file_read(path, 1000, &bytes, &length, &error), VBP_OK);
    for (size_t cut = 0; cut < length; cut++)
        expect_refused(scratch_write("cut.npy", bytes, cut), VBP_ERROR_FORMAT, "cut.npy");
    free(bytes);
}

/* One changed byte anywhere gives an array of the right size or a refusal, never a crash. */
static void survives_changed_bytes(void **state)
{
    static const uint8_t values[6] = {1, 2, 3, 4, 5, 6};
    const char *path = scratch_path("changed.npy");
    unsigned char *bytes;
    size_t length, read = 0, refused = 0;
    VbpError error;

    (void)state;
    assert_int_equal(npy_write(path, NPY_UINT8, values, 2, (size_t[]){2, 3}, &error), VBP_OK);
    assert_int_equal(file_read(path, 1000, &bytes, &length, &error), VBP_OK);
    for (size_t i = 0; i < length; i++) {
        for (int bit = 0; bit < 8; bit++) {
            struct npy array;

            bytes[i] ^= (unsigned char)(1 << bit);
            if (npy_read(scratch_write("changed.npy", bytes, length), &array, &error) == VBP_OK) {
                assert_true(array.count <= length);
                read++;
            } else {
                refused++;
            }
            npy_free(&array);
            bytes[i] ^= (unsigned char)(1 << bit);
        }
    }
    free(bytes);
    assert_true(read > 100 && refused > 100);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(round_trip),
        cmocka_unit_test(written_head_is_numpys),
        cmocka_unit_test(largest_shape_fits_the_header),
        cmocka_unit_test(reads_all_versions_and_types),
        cmocka_unit_test(refuses_hostile_headers),
        cmocka_unit_test(refuses_wrong_heads),
        cmocka_unit_test(refuses_every_cut),
        cmocka_unit_test(survives_changed_bytes),
    };

    return cmocka_run_group_tests(tests, scratch_setup, scratch_teardown);
}
