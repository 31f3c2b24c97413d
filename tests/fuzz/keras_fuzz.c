/*
 * libFuzzer: any text as the description of a network, in an HDF5 file with some weights, with and
 * without hints; and any bytes that begin like a zip as a .keras archive. Bytes are not tried as
 * HDF5: that would try libhdf5, which has faults of its own, and not this project.
 */
#include "formats/formats.h"

#include <hdf5.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerInitialize(int *count, char ***arguments);
int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length);

/* libhdf5 keeps no blocks for later, so that what is left is a leak, and what is used too long too.
 */
int LLVMFuzzerInitialize(int *count, char ***arguments)
{
    (void)count;
    (void)arguments;
    return H5set_free_list_limits(0, 0, 0, 0, 0, 0) < 0;
}

/* Groups for these layers, each with a kernel and biases that fit small networks. */
static void put_weights(hid_t file)
{
    static const char *const layers[] = {"conv", "dense", "bn", "prelu"};
    static const char names[4][8] = {"0", "1", "2", "3"};
    static const int ranks[] = {4, 2, 1, 3};
    static const hsize_t extents[4][4] = {{3, 3, 2, 4}, {4, 2}, {4}, {1, 1, 4}};
    const float values[72] = {0.5F, -1, 2};

    for (int i = 0; i < 4; i++) {
        hid_t group = H5Gcreate2(file, layers[i], H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT);
        hid_t type = H5Tcopy(H5T_C_S1), list = H5Screate_simple(1, (const hsize_t[]){4}, NULL);
        hid_t attribute;

        H5Tset_size(type, sizeof(names[0]));
        attribute = H5Acreate2(group, "weight_names", type, list, H5P_DEFAULT, H5P_DEFAULT);
        H5Awrite(attribute, type, names);
        for (int j = 0; j < 4; j++) {
            bool vector = j > 0;
            hsize_t outs = extents[i][ranks[i] - 1];
            hid_t space =
                H5Screate_simple(vector ? 1 : ranks[i], vector ? &outs : extents[i], NULL);
            hid_t dataset = H5Dcreate2(group, names[j], H5T_IEEE_F32LE, space, H5P_DEFAULT,
                                       H5P_DEFAULT, H5P_DEFAULT);

            H5Dwrite(dataset, H5T_NATIVE_FLOAT, H5S_ALL, H5S_ALL, H5P_DEFAULT, values);
            H5Dclose(dataset);
            H5Sclose(space);
        }
        H5Aclose(attribute);
        H5Sclose(list);
        H5Tclose(type);
        H5Gclose(group);
    }
}

/* An HDF5 file in memory with the text as its description; to be freed. */
static unsigned char *make_file(const uint8_t *text, size_t length, size_t *file_length)
{
    hid_t access = H5Pcreate(H5P_FILE_ACCESS), type = H5Tcopy(H5T_C_S1), file, space, attribute;
    char *copy = malloc(length + 1);
    const char *pointer = copy;
    unsigned char *image;

    memcpy(copy, text, length);
    copy[length] = 0;
    H5Pset_fapl_core(access, 4096, false);
    file = H5Fcreate("memory", H5F_ACC_TRUNC, H5P_DEFAULT, access);
    H5Tset_size(type, H5T_VARIABLE);
    space = H5Screate(H5S_SCALAR);
    attribute = H5Acreate2(file, "model_config", type, space, H5P_DEFAULT, H5P_DEFAULT);
    H5Awrite(attribute, type, &pointer);
    H5Aclose(attribute);
    H5Sclose(space);
    space = H5Screate_simple(1, (const hsize_t[]){1}, NULL);
    attribute = H5Acreate2(file, "layer_names", type, space, H5P_DEFAULT, H5P_DEFAULT);
    H5Awrite(attribute, type, &pointer);
    H5Aclose(attribute);
    H5Sclose(space);
    H5Tclose(type);
    put_weights(file);
    H5Fflush(file, H5F_SCOPE_GLOBAL);
    *file_length = (size_t)H5Fget_file_image(file, NULL, 0);
    image = malloc(*file_length);
    H5Fget_file_image(file, image, *file_length);
    H5Fclose(file);
    H5Pclose(access);
    free(copy);
    return image;
}

static void load(const unsigned char *bytes, size_t length)
{
    const struct card_lambda all = {(char *)(const void *)"*", 2, -1};
    const struct model_hints hints = {
        .input_width = 64, .input_height = 48, .lambdas = &all, .lambda_count = 1};

    for (int i = 0; i < 2; i++) {
        struct graph *graph = NULL;
        VbpError error;

        keras_load(bytes, length, NULL, i ? &hints : NULL, &graph, &error);
        graph_destroy(&graph);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length)
{
    unsigned char *file;
    size_t file_length;

    if (length >= 4 && memcmp(bytes, "PK\3\4", 4) == 0) {
        if (keras_recognise(bytes, length))
            load(bytes, length);
        return 0;
    }
    file = make_file(bytes, length, &file_length);
    load(file, file_length);
    free(file);
    return 0;
}
