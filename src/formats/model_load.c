/* Finds out what kind of file a model is, and loads it or says what else it is. */
#include "base/file.h"
#include "base/memory.h"
#include "formats/formats.h"
#include "formats/onnx_loader.h"

#include <string.h>

/* How much of a file has to look like text for it to be called that. */
#define TEXT_SAMPLE 4096

static bool starts_with(const unsigned char *bytes, size_t length, const char *start, size_t count)
{
    return length >= count && memcmp(bytes, start, count) == 0;
}

static bool contains(const unsigned char *bytes, size_t length, const char *text)
{
    return memmem(bytes, length, text, strlen(text)) != NULL;
}

/* A value of type object (or table), and then the index of the first object there is. */
static bool is_torch7(const unsigned char *bytes, size_t length)
{
    return starts_with(bytes, length, "\4\0\0\0\1\0\0\0", 8) ||
           starts_with(bytes, length, "\3\0\0\0\1\0\0\0", 8);
}

static bool is_text(const unsigned char *bytes, size_t length)
{
    size_t sample = length < TEXT_SAMPLE ? length : TEXT_SAMPLE;

    for (size_t i = 0; i < sample; i++) {
        if ((bytes[i] < 0x20 && !strchr("\t\n\v\f\r", bytes[i])) || bytes[i] == 0x7f ||
            bytes[i] == 0)
            return false;
    }
    return true;
}

/* What a file is that cannot be loaded, in a word or two, and why it cannot. */
struct foreign {
    const char *kind; /* NULL: nothing that is worth a name */
    const char *reason;
};

/* Weights are saved with calls that put tensors together again; a network names its modules. */
static struct foreign foreign_torch(const unsigned char *bytes, size_t length)
{
    if (contains(bytes, length, "_rebuild_tensor") && !contains(bytes, length, "torch.nn.modules"))
        return (struct foreign){
            "PyTorch state dict",
            "a PyTorch state dict: weights without the network they belong to; load them into that "
            "network and export it to ONNX with torch.onnx.export"};
    return (struct foreign){
        "PyTorch pickle", "a PyTorch pickle: it holds code, not a network; export it to ONNX with "
                          "torch.onnx.export"};
}

static struct foreign recognise_foreign(const unsigned char *bytes, size_t length)
{
    if (length == 0)
        return (struct foreign){NULL, "the file is empty"};
    if (length >= 8 && memcmp(bytes + 4, "TFL3", 4) == 0)
        return (struct foreign){
            "TensorFlow Lite",
            "a TensorFlow Lite file, packed for small devices; export the network that it was made "
            "from to ONNX instead, or use its Keras file"};
    if (starts_with(bytes, length, "PK\3\4", 4)) {
        if (contains(bytes, length, "/data.pkl"))
            return foreign_torch(bytes, length);
        return (struct foreign){NULL, "a zip archive, not a model"};
    }
    if (length >= 2 && bytes[0] == 0x80 && bytes[1] >= 2 && bytes[1] <= 5)
        return foreign_torch(bytes, length);
    if (starts_with(bytes, length, "4\n1\n3\nV 1\n", 10))
        return (struct foreign){"Torch7 in text form",
                                "a Torch7 file in text form: save it again in binary form"};
    if (starts_with(bytes, length, "version https://git-lfs", 23))
        return (struct foreign){NULL, "a pointer of Git LFS: the model itself was not downloaded"};
    if (is_text(bytes, length) && contains(bytes, length, "class_name"))
        return (struct foreign){
            "Keras description",
            "the description of a Keras network without its weights: name the .h5 file that holds "
            "them, with this one beside it"};
    if (is_text(bytes, length))
        return (struct foreign){NULL, "a text file, not a model"};
    return (struct foreign){NULL, "not a model file that vbp knows"};
}

void model_leave_refused(const struct model_hints *hints, struct graph **graph)
{
    if (hints && hints->refused) {
        *hints->refused = *graph;
        *graph = NULL;
    }
    graph_destroy(graph);
}

/* A refused file whose loader did not come to its format is at least of a kind. What there is no
 * memory for is not told. */
static void name_refused(const struct model_hints *hints, const char *kind)
{
    if (!hints || !hints->refused || !kind)
        return;
    if (!*hints->refused && graph_create(hints->refused, NULL) != VBP_OK)
        return;
    if (!(*hints->refused)->format)
        (*hints->refused)->format = memory_copy_text(kind);
}

int model_load(const char *path, const struct model_hints *hints, struct graph **graph,
               char **embedded_card, VbpError *error)
{
    unsigned char *bytes;
    const char *kind;
    size_t length;
    int result;

    *graph = NULL;
    *embedded_card = NULL;
    if (hints && hints->refused)
        *hints->refused = NULL;
    result = file_read(path, MODEL_MAX_BYTES, &bytes, &length, error);
    if (result != VBP_OK)
        return result;
    if (is_torch7(bytes, length)) {
        kind = "Torch7";
        result = torch7_load(bytes, length, hints, graph, error);
    } else if (onnx_recognise(bytes, length)) {
        kind = "ONNX";
        result = onnx_load(bytes, length, hints, graph, embedded_card, error);
    } else if (keras_recognise(bytes, length)) {
        kind = bytes[0] == 'P' ? "Keras archive" : "HDF5";
        result = keras_load(bytes, length, path, hints, graph, error);
    } else {
        struct foreign foreign = recognise_foreign(bytes, length);

        kind = foreign.kind;
        result = error_set(error, length == 0 ? VBP_ERROR_FORMAT : VBP_ERROR_UNSUPPORTED, "%s",
                           foreign.reason);
    }
    free(bytes);
    if (result != VBP_OK) {
        name_refused(hints, kind);
        error_prefix(error, "%s: ", path);
    }
    return result;
}
