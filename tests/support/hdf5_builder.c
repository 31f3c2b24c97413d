#include "support/hdf5_builder.h"

#include "base/file.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>
#include <hdf5.h>

#define SIDE 12 /* of the datasets, which are squares */

static hid_t must(hid_t id)
{
    assert_true(id >= 0);
    return id;
}

static hid_t square(void)
{
    return must(H5Screate_simple(2, (const hsize_t[]){SIDE, SIDE}, NULL));
}

/* A dataset of the values 0, 1, 2, ... Ends `made` and `space`. */
static void put_dataset(hid_t place, const char *name, hid_t type, hid_t space, hid_t made)
{
    hid_t links = must(H5Pcreate(H5P_LINK_CREATE)), dataset;
    float values[SIDE * SIDE];

    for (int i = 0; i < SIDE * SIDE; i++)
        values[i] = (float)i;
    assert_true(H5Pset_create_intermediate_group(links, 1) >= 0);
    dataset = must(H5Dcreate2(place, name, type, space, links, made, H5P_DEFAULT));
    if (H5Tget_class(type) == H5T_ENUM) {
        hid_t memory = must(H5Tget_native_type(type, H5T_DIR_DEFAULT));

        memset(values, 0, sizeof(values));
        assert_true(H5Dwrite(dataset, memory, H5S_ALL, H5S_ALL, H5P_DEFAULT, values) >= 0);
        H5Tclose(memory);
    } else {
        assert_true(H5Dwrite(dataset, H5T_NATIVE_FLOAT, H5S_ALL, H5S_ALL, H5P_DEFAULT, values) >=
                    0);
    }
    H5Dclose(dataset);
    H5Sclose(space);
    H5Pclose(made);
    H5Pclose(links);
}

static hid_t in_chunks(hsize_t side)
{
    hid_t made = must(H5Pcreate(H5P_DATASET_CREATE));

    assert_true(H5Pset_chunk(made, 2, (const hsize_t[]){side, side}) >= 0);
    return made;
}

static hid_t packed(hsize_t side)
{
    hid_t made = in_chunks(side);

    assert_true(H5Pset_shuffle(made) >= 0 && H5Pset_deflate(made, 6) >= 0);
    return made;
}

/* Ends the type. */
static void put_attribute(hid_t object, const char *name, hid_t type, int count, const void *data)
{
    hid_t space = count ? H5Screate_simple(1, (const hsize_t[]){(hsize_t)count}, NULL)
                        : H5Screate(H5S_SCALAR);
    hid_t attribute = must(H5Acreate2(object, name, type, must(space), H5P_DEFAULT, H5P_DEFAULT));

    assert_true(H5Awrite(attribute, type, data) >= 0);
    H5Aclose(attribute);
    H5Sclose(space);
    H5Tclose(type);
}

static hid_t text_type(size_t size)
{
    hid_t type = must(H5Tcopy(H5T_C_S1));

    assert_true(H5Tset_size(type, size) >= 0);
    return type;
}

static void put_texts(hid_t object)
{
    static const char fixed[2][8] = {"kernel", "bias"};
    const char *variable[3] = {"group/at/kernel:0", "", "bias:0"};

    put_attribute(object, "fixed", text_type(sizeof(fixed[0])), 2, fixed);
    put_attribute(object, "variable", text_type(H5T_VARIABLE), 3, variable);
    put_attribute(object, "number", must(H5Tcopy(H5T_IEEE_F32LE)), 0, &(float){1});
}

static hid_t enum_type(void)
{
    hid_t type = must(H5Tenum_create(H5T_STD_I8LE));
    signed char no = 0, yes = 1;

    assert_true(H5Tenum_insert(type, "FALSE", &no) >= 0 && H5Tenum_insert(type, "TRUE", &yes) >= 0);
    return type;
}

/* Attributes of types that nobody asks for; libhdf5 reads them beside those that are. */
static void put_rare_attributes(hid_t object)
{
    static const struct {
        int number;
        float list[3];
    } pair = {1, {1, 2, 3}};
    hid_t type, list, of;
    int numbers[2] = {1, 2};
    hvl_t sequence = {2, numbers};
    hobj_ref_t reference;

    list = must(H5Tarray_create2(H5T_NATIVE_FLOAT, 1, (const hsize_t[]){3}));
    type = must(H5Tcreate(H5T_COMPOUND, sizeof(pair)));
    assert_true(H5Tinsert(type, "number", 0, H5T_NATIVE_INT) >= 0 &&
                H5Tinsert(type, "list", sizeof(int), list) >= 0);
    H5Tclose(list);
    put_attribute(object, "compound", type, 0, &pair);
    put_attribute(object, "enum", enum_type(), 2, "\0\1");
    type = must(H5Tcreate(H5T_OPAQUE, 5));
    assert_true(H5Tset_tag(type, "five bytes") >= 0);
    put_attribute(object, "opaque", type, 0, "12345");
    of = must(H5Tcopy(H5T_STD_I32LE));
    put_attribute(object, "sequence", must(H5Tvlen_create(of)), 1, &sequence);
    H5Tclose(of);
    assert_true(H5Rcreate(&reference, object, ".", H5R_OBJECT, -1) >= 0);
    put_attribute(object, "reference", must(H5Tcopy(H5T_STD_REF_OBJ)), 0, &reference);
    put_attribute(object, "bits", must(H5Tcopy(H5T_STD_B16BE)), 0, &(short){1});
    put_attribute(object, "double", must(H5Tcopy(H5T_IEEE_F64BE)), 0, &(double){1});
}

static hid_t half_type(void)
{
    hid_t type = must(H5Tcopy(H5T_IEEE_F32LE));

    assert_true(H5Tset_fields(type, 15, 10, 5, 0, 10) >= 0 && H5Tset_precision(type, 16) >= 0 &&
                H5Tset_size(type, 2) >= 0 && H5Tset_ebias(type, 15) >= 0);
    return type;
}

static void put_datasets(hid_t file)
{
    hid_t made, type, group;

    put_dataset(file, "plain", H5T_IEEE_F32LE, square(), must(H5Pcreate(H5P_DATASET_CREATE)));
    made = must(H5Pcreate(H5P_DATASET_CREATE));
    assert_true(H5Pset_layout(made, H5D_COMPACT) >= 0);
    put_dataset(file, "compact", H5T_STD_I16BE, square(), made);
    made = packed(5);
    assert_true(H5Pset_fletcher32(made) >= 0);
    put_dataset(file, "packed", H5T_IEEE_F32BE, square(), made);
    put_dataset(file, "unpacked", H5T_IEEE_F32LE, square(), in_chunks(6));
    put_dataset(file, "one_chunk", H5T_IEEE_F64LE, square(), packed(SIDE));
    made = must(H5Pcreate(H5P_DATASET_CREATE));
    assert_true(H5Pset_fill_value(made, H5T_NATIVE_FLOAT, &(float){3}) >= 0);
    put_dataset(file, "filled", H5T_IEEE_F32LE, square(), made);
    made = in_chunks(4);
    assert_true(H5Pset_alloc_time(made, H5D_ALLOC_TIME_EARLY) >= 0);
    put_dataset(file, "early", H5T_IEEE_F32LE, square(), made);
    put_dataset(file, "extended", H5T_IEEE_F32LE,
                must(H5Screate_simple(2, (const hsize_t[]){SIDE, SIDE},
                                      (const hsize_t[]){H5S_UNLIMITED, SIDE})),
                packed(4));
    put_dataset(file, "array", H5T_IEEE_F32LE,
                must(H5Screate_simple(2, (const hsize_t[]){SIDE, SIDE},
                                      (const hsize_t[]){H5S_UNLIMITED, H5S_UNLIMITED})),
                in_chunks(4));
    type = half_type();
    put_dataset(file, "half", type, square(), must(H5Pcreate(H5P_DATASET_CREATE)));
    H5Tclose(type);
    type = enum_type();
    put_dataset(file, "enum", type, square(), must(H5Pcreate(H5P_DATASET_CREATE)));
    H5Tclose(type);
    type = must(H5Tcopy(H5T_IEEE_F32LE));
    assert_true(H5Tcommit2(file, "type", type, H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT) >= 0);
    put_dataset(file, "committed", type, square(), must(H5Pcreate(H5P_DATASET_CREATE)));
    group = must(H5Dopen2(file, "committed", H5P_DEFAULT));
    put_attribute(group, "number", type, 0, &(float){1});
    H5Dclose(group);
}

static void put_groups(hid_t file, enum hdf5_style style)
{
    hid_t links = must(H5Pcreate(H5P_GROUP_CREATE)), group;
    char name[16];

    put_dataset(file, "group/in/deep", H5T_IEEE_F32LE, square(),
                must(H5Pcreate(H5P_DATASET_CREATE)));
    assert_true(H5Lcreate_hard(file, "group/in", file, "group/at", H5P_DEFAULT, H5P_DEFAULT) >= 0 &&
                H5Lcreate_hard(file, "/", file, "group/in/it", H5P_DEFAULT, H5P_DEFAULT) >= 0 &&
                H5Lcreate_soft("/group/in", file, "soft", H5P_DEFAULT, H5P_DEFAULT) >= 0 &&
                H5Lcreate_external("other.h5", "/x", file, "external", H5P_DEFAULT, H5P_DEFAULT) >=
                    0);
    assert_true(H5Oset_comment_by_name(file, "group", "what it is", H5P_DEFAULT) >= 0);
    if (style == HDF5_MIXED)
        assert_true(H5Pset_link_creation_order(links, H5P_CRT_ORDER_TRACKED) >= 0);
    group = must(H5Gcreate2(file, "many", H5P_DEFAULT, links, H5P_DEFAULT));
    for (int i = 0; i < 20; i++) {
        snprintf(name, sizeof(name), "%d", i);
        put_dataset(group, name, H5T_STD_U8LE, must(H5Screate(H5S_SCALAR)),
                    must(H5Pcreate(H5P_DATASET_CREATE)));
    }
    H5Gclose(group);
    group = must(H5Gcreate2(file, "large", H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT));
    put_texts(group);
    put_rare_attributes(group);
    if (style == HDF5_NEW) {
        static char text[70000];

        memset(text, 'x', sizeof(text) - 1);
        put_attribute(group, "weight_names", text_type(sizeof(text)), 0, text);
    }
    H5Gclose(group);
    H5Pclose(links);
}

static hid_t create(enum hdf5_style style, bool small)
{
    hid_t access = must(H5Pcreate(H5P_FILE_ACCESS)), made = must(H5Pcreate(H5P_FILE_CREATE)), file;
    char path[] = "/tmp/vbp-hdf5-XXXXXX";
    int descriptor = mkstemp(path);

    assert_true(descriptor >= 0 && close(descriptor) == 0);
    assert_true(H5Pset_fapl_core(access, 512, true) >= 0);
    if (style == HDF5_NEW)
        assert_true(H5Pset_libver_bounds(access, H5F_LIBVER_LATEST, H5F_LIBVER_LATEST) >= 0);
    if (small)
        assert_true(H5Pset_sym_k(made, 2, 2) >= 0 && H5Pset_istore_k(made, 2) >= 0);
    file = must(H5Fcreate(path, H5F_ACC_TRUNC, made, access));
    H5Pclose(access);
    H5Pclose(made);
    return file;
}

/* Ends the file, which is written only then: before, it is marked as being open. */
static void take_image(hid_t file, unsigned char **bytes, size_t *length)
{
    VbpError error;
    char path[512];

    assert_true(H5Fget_name(file, path, sizeof(path)) > 0);
    assert_true(H5Fclose(file) >= 0);
    if (file_read(path, (size_t)1 << 28, bytes, length, &error) != VBP_OK)
        fail_msg("%s", error.message);
    assert_int_equal(remove(path), 0);
}

void hdf5_build_all(enum hdf5_style style, unsigned char **bytes, size_t *length)
{
    hid_t file = create(style, false);

    put_texts(file);
    put_datasets(file);
    put_groups(file, style);
    take_image(file, bytes, length);
}

void hdf5_build_small(unsigned char **bytes, size_t *length)
{
    hid_t file = create(HDF5_OLD, true), group;

    put_dataset(file, "group/at", H5T_IEEE_F32LE, square(), must(H5Pcreate(H5P_DATASET_CREATE)));
    group = must(H5Gopen2(file, "group", H5P_DEFAULT));
    put_texts(group);
    H5Gclose(group);
    put_dataset(file, "packed", H5T_IEEE_F32LE, square(), packed(6));
    take_image(file, bytes, length);
}
