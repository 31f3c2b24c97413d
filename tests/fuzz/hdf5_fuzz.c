/*
 * libFuzzer: any bytes as an HDF5 file, loaded as a network of Keras and, as a fuzzed description
 * seldom asks for much, asked for everything of the names that the unit tests' files have. libhdf5
 * is not instrumented: build/hdf5_replay loads files under valgrind.
 */
#include "formats/formats.h"
#include "formats/keras_loader.h"

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

static void ask(struct keras_hdf5 *file, const char *path)
{
    static const char *const attributes[] = {"weight_names", "layer_names", "fixed",
                                             "variable",     "number",      "absent"};
    struct shape shape;
    float *values;
    VbpError error;

    for (size_t i = 0; i < sizeof(attributes) / sizeof(attributes[0]); i++) {
        char **texts;
        int count;

        keras_hdf5_texts(file, path, attributes[i], &texts, &count, &error);
        keras_texts_free(texts, count);
    }
    if (keras_hdf5_has(file, path) &&
        keras_hdf5_read(file, path, &shape, &values, &error) == VBP_OK)
        free(values);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length)
{
    static const char *const paths[] = {
        "",         "model_weights", "plain",  "compact",     "packed",   "group",
        "group/at", "group/in/deep", "soft",   "committed",   "array",    "many/17",
        "half",     "external",      "filled", "one_chunk",   "enum",     "early",
        "unpacked", "many/3",        "large",  "group/in/it", "extended", "ordered"};
    struct graph *graph = NULL;
    struct keras_hdf5 *file;
    VbpError error;

    if (!keras_recognise(bytes, length) || memcmp(bytes, "PK", 2) == 0)
        return 0;
    keras_load(bytes, length, NULL, NULL, &graph, &error);
    graph_destroy(&graph);
    if (keras_hdf5_open(&file, bytes, length, &error) != VBP_OK)
        return 0;
    for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++)
        ask(file, paths[i]);
    keras_hdf5_close(&file);
    return 0;
}
