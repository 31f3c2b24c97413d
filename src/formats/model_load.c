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

/* Says what the file is that cannot be loaded. */
static int refuse(const unsigned char *bytes, size_t length, VbpError *error)
{
    const char *what = "not a model file that vbp knows";
    VbpStatus status = VBP_ERROR_UNSUPPORTED;

    if (length == 0) {
        what = "the file is empty";
        status = VBP_ERROR_FORMAT;
    } else if (length >= 8 && memcmp(bytes + 4, "TFL3", 4) == 0) {
        what = "a TensorFlow Lite file, packed for small devices; export the network that it was "
               "made from to ONNX instead, or use its Keras file";
    } else if (starts_with(bytes, length, "PK\3\4", 4)) {
        if (contains(bytes, length, "/data.pkl"))
            what = "a PyTorch pickle: it holds code, not a network; export it to ONNX with "
                   "torch.onnx.export";
        else
            what = "a zip archive, not a model";
    } else if (length >= 2 && bytes[0] == 0x80 && bytes[1] >= 2 && bytes[1] <= 5) {
        what = "a PyTorch pickle: it holds code, not a network; export it to ONNX with "
               "torch.onnx.export";
    } else if (starts_with(bytes, length, "4\n1\n3\nV 1\n", 10)) {
        what = "a Torch7 file in text form: save it again in binary form";
    } else if (starts_with(bytes, length, "version https://git-lfs", 23)) {
        what = "a pointer of Git LFS: the model itself was not downloaded";
    } else if (is_text(bytes, length)) {
        what =
            contains(bytes, length, "class_name")
                ? "the description of a Keras network without its weights: name the .h5 file that "
                  "holds them, with this one beside it"
                : "a text file, not a model";
    }
    return error_set(error, status, "%s", what);
}

int model_load(const char *path, const struct model_hints *hints, struct graph **graph,
               char **embedded_card, VbpError *error)
{
    unsigned char *bytes;
    size_t length;
    int result;

    *graph = NULL;
    *embedded_card = NULL;
    result = file_read(path, MODEL_MAX_BYTES, &bytes, &length, error);
    if (result != VBP_OK)
        return result;
    if (is_torch7(bytes, length))
        result = torch7_load(bytes, length, hints, graph, error);
    else if (onnx_recognise(bytes, length))
        result = onnx_load(bytes, length, hints, graph, embedded_card, error);
    else if (keras_recognise(bytes, length))
        result = keras_load(bytes, length, path, hints, graph, error);
    else
        result = refuse(bytes, length, error);
    free(bytes);
    if (result != VBP_OK)
        error_prefix(error, "%s: ", path);
    return result;
}
