/* Files of Keras that are damaged, cut short, or made to reach for what is not theirs. */
#include "base/file.h"
#include "formats/keras_loader.h"
#include "support/keras_case.h"
#include "support/numbers.h"
#include "support/onnx_builder.h"
#include "support/scratch.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <hdf5.h>

/* Two convolutions and a dense layer on a picture of 6 x 8. */
static void build(struct keras_builder *b, const char *version, bool numbered)
{
    keras_builder_begin(b, version);
    b->numbered = numbered;
    keras_builder_input(b, "[null, 6, 8, 3]");
    keras_builder_layer(b, "Conv2D", "conv", "\"filters\": 4, \"kernel_size\": 3");
    keras_builder_layer(b, "Flatten", "flat", "");
    keras_builder_layer(b, "Dense", "dense", "\"units\": 1");
    keras_builder_weight(b, numbered ? "conv2d" : "conv", "k:0", NUMBERS(3, 3, 3, 4), NULL);
    keras_builder_weight(b, numbered ? "conv2d" : "conv", "b:0", NUMBERS(4), NULL);
    keras_builder_weight(b, "dense", "k:0", NUMBERS(96, 1), NULL);
    keras_builder_weight(b, "dense", "b:0", NUMBERS(1), NULL);
}

static void pack(bool archive, unsigned char **bytes, size_t *length)
{
    struct keras_builder b;

    build(&b, archive ? "3.0.0" : "2.1.0", archive);
    if (archive)
        keras_builder_pack_archive(&b, bytes, length);
    else
        keras_builder_pack(&b, bytes, length);
    keras_builder_end(&b);
}

/* Loads bytes that may be anything: they lie in a block of just their size, so that reading on is
 * noticed. */
static int try(const unsigned char *bytes, size_t length)
{
    unsigned char *copy = malloc(length + !length);
    struct graph *graph;
    VbpError error = {0};
    int result;

    assert_non_null(copy);
    memcpy(copy, bytes, length);
    result = keras_load(copy, length, NULL, NULL, &graph, &error);
    free(copy);
    if (result == VBP_OK) {
        graph_destroy(&graph);
    } else {
        assert_null(graph);
        assert_int_equal(error.status, result);
        assert_true(*error.message);
    }
    return result;
}

/* Whatever is cut off a file, it is refused: its size is in its head. */
static void test_cut_short(void **state)
{
    (void)state;
    for (int archive = 0; archive < 2; archive++) {
        unsigned char *bytes;
        size_t length;

        pack(archive, &bytes, &length);
        assert_int_equal(try(bytes, length), VBP_OK);
        for (size_t cut = 0; cut < length; cut += 1 + (size_t)random_between(0, 30)) {
            if (!keras_recognise(bytes, cut))
                continue;
            assert_int_not_equal(try(bytes, cut), VBP_OK);
        }
        free(bytes);
    }
}

/*
 * A file of which some bytes are others is loaded or refused: anywhere in an archive, whose
 * checksums guard what is inside, and in the description in an .h5. The structures of HDF5 are left
 * whole: there, Debian 12's libhdf5 1.10 itself reads behind its buffers.
 */
static void test_damaged(void **state)
{
    (void)state;
    for (int archive = 0; archive < 2; archive++) {
        unsigned char *bytes, kept, *text;
        size_t length, first, end;
        int refused = 0;

        pack(archive, &bytes, &length);
        text = memmem(bytes, length, "{\"class_name\"", 13);
        assert_true(archive || text);
        first = archive ? 8 : (size_t)(text - bytes);
        end = archive ? length : first + strlen((const char *)text);
        for (int i = 0; i < 600; i++) {
            size_t at = (size_t)random_between((int)first, (int)end - 1);

            kept = bytes[at];
            bytes[at] = (unsigned char)random_between(1, 255);
            if (keras_recognise(bytes, length))
                refused += try(bytes, length) != VBP_OK;
            bytes[at] = kept;
        }
        assert_true(refused > 0);
        free(bytes);
    }
}

/* ---- Reaching out --------------------------------------------------------------------------- */

/* The file as `pack` makes it, on disk and open for changes. */
static hid_t open_for_changes(const char *path)
{
    unsigned char *bytes;
    size_t length;
    hid_t file;

    pack(false, &bytes, &length);
    assert_int_equal(file_write(path, bytes, length, NULL), VBP_OK);
    free(bytes);
    file = H5Fopen(path, H5F_ACC_RDWR, H5P_DEFAULT);
    assert_true(file >= 0);
    return file;
}

static void check_file(hid_t file, const char *path, const char *message)
{
    struct graph *graph;
    unsigned char *bytes;
    VbpError error = {0};
    size_t length;

    assert_true(H5Fclose(file) >= 0);
    assert_int_equal(file_read(path, 1 << 24, &bytes, &length, NULL), VBP_OK);
    assert_int_not_equal(keras_load(bytes, length, NULL, NULL, &graph, &error), VBP_OK);
    if (!strstr(error.message, message))
        fail_msg("'%s' is not in '%s'", message, error.message);
    free(bytes);
}

#define WEIGHT "model_weights/dense/k:0"

/* A link to a weight in another file, which is there and right, and one by name. */
static void test_links(void **state)
{
    char path[512], other[512];
    hid_t file;

    (void)state;
    snprintf(path, sizeof(path), "%s", scratch_path("links.h5"));
    snprintf(other, sizeof(other), "%s", scratch_path("other.h5"));
    assert_true(H5Fclose(open_for_changes(other)) >= 0);

    file = open_for_changes(path);
    assert_true(H5Ldelete(file, WEIGHT, H5P_DEFAULT) >= 0);
    assert_true(H5Lcreate_external(other, WEIGHT, file, WEIGHT, H5P_DEFAULT, H5P_DEFAULT) >= 0);
    check_file(file, path, "layer 'dense' (Dense): the file has no weight '" WEIGHT "'");

    file = open_for_changes(path);
    assert_true(H5Ldelete(file, "model_weights/dense", H5P_DEFAULT) >= 0);
    assert_true(H5Lcreate_external(other, "model_weights/dense", file, "model_weights/dense",
                                   H5P_DEFAULT, H5P_DEFAULT) >= 0);
    check_file(file, path, "the file has no weights for it");

    file = open_for_changes(path);
    assert_true(H5Ldelete(file, WEIGHT, H5P_DEFAULT) >= 0);
    assert_true(H5Lcreate_soft("/model_weights/conv/b:0", file, WEIGHT, H5P_DEFAULT, H5P_DEFAULT) >=
                0);
    check_file(file, path, "the file has no weight '" WEIGHT "'");
}

/* Puts a dataset with that way of making it in the place of the weight. */
static void replace(hid_t file, hid_t made, int rank, const hsize_t *extent, bool write)
{
    hid_t space = H5Screate_simple(rank, extent, NULL), dataset;
    float values[96] = {0};

    assert_true(H5Ldelete(file, WEIGHT, H5P_DEFAULT) >= 0);
    dataset = H5Dcreate2(file, WEIGHT, H5T_IEEE_F32LE, space, H5P_DEFAULT, made, H5P_DEFAULT);
    assert_true(dataset >= 0);
    if (write)
        assert_true(H5Dwrite(dataset, H5T_NATIVE_FLOAT, H5S_ALL, H5S_ALL, H5P_DEFAULT, values) >=
                    0);
    H5Dclose(dataset);
    H5Sclose(space);
    H5Pclose(made);
}

static void test_storage(void **state)
{
    const hsize_t extent[2] = {96, 1}, chunk[2] = {16, 1}, huge[2] = {1 << 30, 1 << 20};
    const hsize_t large[2] = {(hsize_t)1 << 26, 1}, piece[2] = {(hsize_t)1 << 25, 1};
    char path[512], other[512];
    hid_t file, made, space;

    (void)state;
    snprintf(path, sizeof(path), "%s", scratch_path("storage.h5"));
    snprintf(other, sizeof(other), "%s", scratch_path("storage.raw"));

    file = open_for_changes(path);
    made = H5Pcreate(H5P_DATASET_CREATE);
    assert_true(H5Pset_external(made, other, 0, 96 * sizeof(float)) >= 0);
    replace(file, made, 2, extent, true);
    check_file(file, path, "lies in another file");

    file = open_for_changes(path);
    made = H5Pcreate(H5P_DATASET_CREATE);
    space = H5Screate_simple(2, extent, NULL);
    assert_true(H5Pset_virtual(made, space, other, "/x", space) >= 0);
    H5Sclose(space);
    replace(file, made, 2, extent, false);
    check_file(file, path, "is made of other datasets");

    file = open_for_changes(path);
    made = H5Pcreate(H5P_DATASET_CREATE);
    assert_true(H5Pset_chunk(made, 2, chunk) >= 0 &&
                H5Pset_scaleoffset(made, H5Z_SO_FLOAT_DSCALE, 2) >= 0);
    replace(file, made, 2, extent, true);
    check_file(file, path, "packed by a filter that is not supported");

    /* Never written: there is nothing in the file. */
    file = open_for_changes(path);
    replace(file, H5Pcreate(H5P_DATASET_CREATE), 2, extent, false);
    check_file(file, path, "is cut short");

    /* Far larger than the file. */
    file = open_for_changes(path);
    made = H5Pcreate(H5P_DATASET_CREATE);
    assert_true(H5Pset_chunk(made, 2, chunk) >= 0);
    replace(file, made, 2, huge, false);
    check_file(file, path, "has no usable shape");
    file = open_for_changes(path);
    made = H5Pcreate(H5P_DATASET_CREATE);
    assert_true(H5Pset_chunk(made, 2, chunk) >= 0);
    replace(file, made, 2, large, false);
    check_file(file, path, "far larger than the file");
    file = open_for_changes(path);
    made = H5Pcreate(H5P_DATASET_CREATE);
    assert_true(H5Pset_chunk(made, 2, piece) >= 0);
    replace(file, made, 2, large, false);
    check_file(file, path, "cut into pieces that are too large");
}

/* Packed and shuffled as Keras can be told to: that is read. */
static void test_packed(void **state)
{
    const hsize_t extent[2] = {96, 1}, chunk[2] = {16, 1};
    char path[512];
    struct graph *graph;
    VbpError error;
    hid_t file, made;
    char *card;

    (void)state;
    snprintf(path, sizeof(path), "%s", scratch_path("packed.h5"));
    file = open_for_changes(path);
    made = H5Pcreate(H5P_DATASET_CREATE);
    assert_true(H5Pset_chunk(made, 2, chunk) >= 0 && H5Pset_shuffle(made) >= 0 &&
                H5Pset_deflate(made, 6) >= 0 && H5Pset_fletcher32(made) >= 0);
    replace(file, made, 2, extent, true);
    assert_true(H5Fclose(file) >= 0);
    if (model_load(path, NULL, &graph, &card, &error) != VBP_OK)
        fail_msg("%s", error.message);
    graph_destroy(&graph);
}

static void test_weights_do_not_fit(void **state)
{
    struct keras_builder b;
    hid_t file, group;
    char path[512];

    (void)state;
    build(&b, "2.1.0", false);
    b.weights[0].shape.extent[3] = 3;
    keras_case_refused(&b, "layer 'conv' (Conv2D): its weights have shape 3x3x3x3 where 3x3x3x4 is "
                           "needed");
    build(&b, "2.1.0", false);
    strcpy(b.weights[2].layer, "other");
    strcpy(b.weights[3].layer, "other");
    keras_case_refused(&b, "layer 'dense' (Dense): the file has no weights for it (no weights)");

    snprintf(path, sizeof(path), "%s", scratch_path("text.h5"));
    file = open_for_changes(path);
    assert_true(H5Ldelete(file, WEIGHT, H5P_DEFAULT) >= 0);
    group = H5Gcreate2(file, WEIGHT, H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT);
    H5Gclose(group);
    check_file(file, path, "holds no numbers");
}

/* An HDF5 file of something else. */
static void test_foreign(void **state)
{
    struct keras_builder b;

    (void)state;
    keras_builder_begin(&b, NULL);
    b.alone = true;
    b.backend = NULL;
    keras_case_refused(&b, "an HDF5 file, but not one of Keras");
}

/* ---- Archives ------------------------------------------------------------------------------- */

static void check_archive(const struct keras_member *members, int count, const char *message)
{
    unsigned char *bytes;
    struct graph *graph;
    VbpError error = {0};
    size_t length;

    keras_builder_zip(members, count, &bytes, &length);
    assert_int_not_equal(keras_load(bytes, length, NULL, NULL, &graph, &error), VBP_OK);
    if (!strstr(error.message, message))
        fail_msg("'%s' is not in '%s'", message, error.message);
    free(bytes);
}

static void test_archives(void **state)
{
    const struct keras_member config = {"config.json", "{}", 2};
    const struct keras_member weights = {"model.weights.h5", "\x89HDF\r\n\x1a\n", 8};
    const size_t much = (size_t)1 << 25;
    char *zeros = calloc(1, much);

    (void)state;
    assert_non_null(zeros);
    check_archive((const struct keras_member[]){weights}, 1, "the archive has no config.json");
    check_archive((const struct keras_member[]){config}, 1, "the archive has no model.weights.h5");
    check_archive((const struct keras_member[]){config, weights}, 2,
                  "damaged .h5 file: the superblock's widths of addresses");
    check_archive((const struct keras_member[]){{"config.json", "{\0}", 3}, weights}, 2,
                  "'config.json' in the archive is not text");
    /* 32 MiB of zeros take 32 KiB. */
    check_archive((const struct keras_member[]){config, {"model.weights.h5", zeros, much}}, 2,
                  "'model.weights.h5' in the archive claims to be far larger than the file");
    free(zeros);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_cut_short, random_setup),
        cmocka_unit_test_setup(test_damaged, random_setup),
        cmocka_unit_test_setup(test_links, random_setup),
        cmocka_unit_test_setup(test_storage, random_setup),
        cmocka_unit_test_setup(test_packed, random_setup),
        cmocka_unit_test_setup(test_weights_do_not_fit, random_setup),
        cmocka_unit_test(test_foreign),
        cmocka_unit_test(test_archives),
    };

    return cmocka_run_group_tests(tests, scratch_setup, scratch_teardown);
}
