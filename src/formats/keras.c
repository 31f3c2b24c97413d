/* Keras files: what kind they are, where the parts of a network are, and the order of the work. */
#include "base/file.h"
#include "base/memory.h"
#include "formats/keras_loader.h"

#include <ctype.h>
#include <string.h>

#define MAX_DESCRIPTION_BYTES ((size_t)1 << 26)

/* ---- What a file is ------------------------------------------------------------------------- */

static bool is_hdf5(const unsigned char *bytes, size_t length)
{
    return length >= 8 && memcmp(bytes, "\x89HDF\r\n\x1a\n", 8) == 0;
}

static bool is_archive(const unsigned char *bytes, size_t length)
{
    return length >= 4 && memcmp(bytes, "PK\3\4", 4) == 0 &&
           memmem(bytes, length, "model.weights.h5", 16) != NULL;
}

bool keras_recognise(const unsigned char *bytes, size_t length)
{
    return is_hdf5(bytes, length) || is_archive(bytes, length);
}

/* ---- The parts of a network ----------------------------------------------------------------- */

struct parts {
    char *description; /* JSON */
    char *version, *backend;
    struct keras_archive archive;
};

static void free_parts(struct parts *parts)
{
    free(parts->description);
    free(parts->version);
    free(parts->backend);
    keras_archive_free(&parts->archive);
}

/* Reads the description beside a file of weights: PATH without its ending, or all of it, and .json;
 * "_weights" and the like in front of the ending do not count. None is no failure. */
static int read_beside(const char *path, char **text, VbpError *error)
{
    const char *slash = strrchr(path, '/');
    const char *dot = strrchr(slash ? slash : path, '.');
    int base = dot ? (int)(dot - path) : (int)strlen(path);
    int lengths[3] = {base, (int)strlen(path), base};

    if (base > 8 && strncmp(path + base - 7, "weights", 7) == 0 && strchr("._-", path[base - 8]))
        lengths[2] = base - 8;
    for (int i = 0; i < 3; i++) {
        char *name = memory_format("%.*s.json", lengths[i], path);
        unsigned char *bytes;
        size_t length;
        int result;

        if (!name)
            return error_out_of_memory(error);
        if (!file_exists(name)) {
            free(name);
            continue;
        }
        result = file_read(name, MAX_DESCRIPTION_BYTES, &bytes, &length, error);
        free(name);
        if (result != VBP_OK)
            return result;
        *text = (char *)bytes;
        return VBP_OK;
    }
    return VBP_OK;
}

static int read_attributes(struct keras_loader *loader, const char *path, struct parts *parts,
                           VbpError *error)
{
    static const char *const groups[] = {"", "model_weights"};
    struct keras_hdf5 *file = loader->weights;
    int result = keras_hdf5_text(file, "", "model_config", &parts->description, error);

    for (int i = 0; i < 2 && result == VBP_OK && !parts->version; i++)
        result = keras_hdf5_text(file, groups[i], "keras_version", &parts->version, error);
    for (int i = 0; i < 2 && result == VBP_OK && !parts->backend; i++)
        result = keras_hdf5_text(file, groups[i], "backend", &parts->backend, error);
    if (result == VBP_OK && !parts->description && path)
        result = read_beside(path, &parts->description, error);
    return result;
}

/* Whether the file has weights the way Keras 3 keeps them, the way it did before, or not at all. */
static int find_weights(struct keras_loader *loader, const struct parts *parts, VbpError *error)
{
    char **names = NULL;
    int count = 0, result;

    loader->by_number = keras_hdf5_has(loader->weights, "layers") ||
                        keras_hdf5_has(loader->weights, "_layer_checkpoint_dependencies");
    if (loader->by_number || keras_hdf5_has(loader->weights, "model_weights"))
        return VBP_OK;
    result = keras_hdf5_texts(loader->weights, "", "layer_names", &names, &count, error);
    keras_texts_free(names, count);
    if (result == VBP_OK && count == 0)
        result = error_set(error, VBP_ERROR_UNSUPPORTED, "%s",
                           parts->description ? "the file has no weights of Keras"
                                              : "an HDF5 file, but not one of Keras");
    return result;
}

/* "Keras 2.1.3 (.h5, tensorflow)" */
static int describe(struct keras_loader *loader, const struct parts *parts, const cJSON *json,
                    VbpError *error)
{
    const char *version = parts->version ? parts->version : "";
    const char *backend = parts->backend ? parts->backend : "";

    version = *version ? version : keras_text(json, "keras_version", NULL, "");
    backend = *backend ? backend : keras_text(json, "backend", NULL, "");
    if (isdigit((unsigned char)*version))
        loader->major = *version - '0';
    else
        loader->major =
            strstr(parts->description, "nb_filter") || strstr(parts->description, "output_dim") ? 1
                                                                                                : 2;
    loader->theano = strcmp(backend, "theano") == 0;
    loader->theano_unless_named = !*backend && loader->major == 1;
    loader->graph->format = *version ? memory_format("Keras %.40s (%s%s%.40s)", version,
                                                     parts->archive.config ? ".keras" : ".h5",
                                                     *backend ? ", " : "", backend)
                                     : memory_format("Keras %d (%s%s%.40s)", loader->major,
                                                     parts->archive.config ? ".keras" : ".h5",
                                                     *backend ? ", " : "", backend);
    return loader->graph->format ? VBP_OK : error_out_of_memory(error);
}

static int open_hdf5(struct keras_loader *loader, const unsigned char *bytes, size_t length,
                     const char *path, struct parts *parts, VbpError *error)
{
    int result = keras_hdf5_open(&loader->weights, bytes, length, error);

    if (result == VBP_OK)
        result = read_attributes(loader, path, parts, error);
    return result == VBP_OK ? find_weights(loader, parts, error) : result;
}

static int open_archive(struct keras_loader *loader, const unsigned char *bytes, size_t length,
                        struct parts *parts, VbpError *error)
{
    int result = keras_archive_read(&parts->archive, bytes, length, error);
    cJSON *metadata = NULL;

    if (result == VBP_OK)
        result = open_hdf5(loader, parts->archive.weights, parts->archive.weights_length, NULL,
                           parts, error);
    if (result != VBP_OK)
        return result;
    free(parts->description);
    parts->description = memory_copy_text(parts->archive.config);
    if (!parts->description)
        return error_out_of_memory(error);
    if (parts->archive.metadata)
        result = keras_parse(parts->archive.metadata, &metadata, error);
    if (result == VBP_OK && metadata) {
        const char *version = keras_text(metadata, "keras_version", NULL, "");

        free(parts->version);
        parts->version = memory_copy_text(version);
        if (!parts->version)
            result = error_out_of_memory(error);
    }
    cJSON_Delete(metadata);
    return result;
}

/* ---- Loading -------------------------------------------------------------------------------- */

static int translate(struct keras_loader *loader, const struct parts *parts, VbpError *error)
{
    cJSON *json = NULL;
    int result;

    if (!parts->description)
        return error_set(error, VBP_ERROR_UNSUPPORTED,
                         "a Keras file of weights alone: put the network's description, which "
                         "model.to_json() gives, beside it as a file of the same name with the "
                         "ending .json");
    result = keras_parse(parts->description, &json, error);
    if (result == VBP_OK)
        result = describe(loader, parts, json, error);
    if (result == VBP_OK) {
        result = keras_translate(loader, json, error);
        if (result != VBP_OK)
            error_prefix(error, "%s: ", loader->graph->format);
    }
    cJSON_Delete(json);
    return result;
}

int keras_load(const unsigned char *bytes, size_t length, const char *path,
               const struct model_hints *hints, struct graph **graph, VbpError *error)
{
    struct keras_loader loader = {.hints = hints};
    struct parts parts = {.description = NULL};
    int result = graph_create(&loader.graph, error);

    *graph = NULL;
    if (result == VBP_OK && hints && hints->lambda_count > 0) {
        loader.lambda_used = memory_array((size_t)hints->lambda_count, sizeof(*loader.lambda_used));
        if (!loader.lambda_used)
            result = error_out_of_memory(error);
    }
    if (result == VBP_OK)
        result = is_hdf5(bytes, length) ? open_hdf5(&loader, bytes, length, path, &parts, error)
                                        : open_archive(&loader, bytes, length, &parts, error);
    if (result == VBP_OK)
        result = translate(&loader, &parts, error);
    if (result == VBP_OK)
        result = keras_check_lambdas(&loader, error);
    if (result == VBP_OK)
        result = graph_finish(loader.graph, error);
    if (result == VBP_OK) {
        loader.graph->guess = loader.guess;
        loader.guess = NULL;
        *graph = loader.graph;
    } else {
        model_leave_refused(hints, &loader.graph);
    }
    keras_hdf5_close(&loader.weights);
    free_parts(&parts);
    free(loader.guess);
    free(loader.lambda_layers);
    free(loader.lambda_used);
    return result;
}
