#include "base/npy.h"

#include "base/file.h"
#include "base/memory.h"

#include <ctype.h>
#include <stdint.h>
#include <string.h>

/* A 125 x 640 x 3 float input is 1 MB; this leaves room for stacks of frames. */
#define NPY_MAX_BYTES ((size_t)1 << 30)

static const unsigned char magic[6] = {0x93, 'N', 'U', 'M', 'P', 'Y'};

/* The text after "'key':" in a header dictionary, or NULL. */
static const char *header_value(const char *header, const char *key)
{
    const char *value = strstr(header, key);

    if (!value)
        return NULL;
    value = strchr(value, ':');
    if (!value)
        return NULL;
    for (value++; *value == ' '; value++)
        ;
    return value;
}

static const char *skip_blanks(const char *text)
{
    return text + strspn(text, " ");
}

/* A tuple of extents: "()", "(3,)", "(2, 3)". */
static bool parse_shape(const char *text, struct npy *array)
{
    if (*text++ != '(')
        return false;
    array->count = 1;
    for (text = skip_blanks(text); *text != ')';) {
        size_t extent = 0;

        if (!isdigit((unsigned char)*text) || array->rank == NPY_MAX_RANK)
            return false;
        for (; isdigit((unsigned char)*text); text++) {
            if (!size_multiply(extent, 10, &extent) ||
                __builtin_add_overflow(extent, (size_t)(*text - '0'), &extent))
                return false;
        }
        if (*text == 'L') /* written by Python 2 */
            text++;
        array->extent[array->rank++] = extent;
        if (!size_multiply(array->count, extent, &array->count))
            return false;
        text = skip_blanks(text);
        if (*text == ',')
            text = skip_blanks(text + 1);
        else if (*text != ')')
            return false;
    }
    return true;
}

/* Finds the header text; *data_offset is where the elements start. */
static bool split_header(const unsigned char *bytes, size_t length, const char **header,
                         size_t *header_length, size_t *data_offset)
{
    size_t start;

    if (length < 10 || memcmp(bytes, magic, sizeof(magic)) != 0)
        return false;
    if (bytes[6] == 1) {
        start = 10;
        *header_length = (size_t)(bytes[8] | bytes[9] << 8);
    } else {
        if (bytes[6] == 0 || bytes[6] > 3 || length < 12)
            return false;
        start = 12;
        *header_length =
            bytes[8] | (size_t)bytes[9] << 8 | (size_t)bytes[10] << 16 | (size_t)bytes[11] << 24;
    }
    if (*header_length > length - start)
        return false;
    *header = (const char *)bytes + start;
    *data_offset = start + *header_length;
    return true;
}

int npy_read(const char *path, struct npy *array, VbpError *error)
{
    unsigned char *bytes = NULL;
    char *header = NULL;
    const char *text, *type;
    size_t length, header_length, offset, element, needed;
    int result;

    *array = (struct npy){0};
    result = file_read(path, NPY_MAX_BYTES, &bytes, &length, error);
    if (result != VBP_OK)
        return result;
    if (!split_header(bytes, length, &text, &header_length, &offset)) {
        result = error_set(error, VBP_ERROR_FORMAT, "%s: not a .npy file, or cut off", path);
        goto done;
    }
    header = strndup(text, header_length);
    if (!header) {
        result = error_out_of_memory(error);
        goto done;
    }
    type = header_value(header, "'descr'");
    if (type && (strncmp(type, "'|u1'", 5) == 0 || strncmp(type, "'<u1'", 5) == 0)) {
        array->type = NPY_UINT8;
        element = 1;
    } else if (type && strncmp(type, "'<f4'", 5) == 0) {
        array->type = NPY_FLOAT32;
        element = 4;
    } else if (type && strncmp(type, "'<f8'", 5) == 0) {
        array->type = NPY_FLOAT32;
        element = 8;
    } else {
        result = error_set(error, VBP_ERROR_UNSUPPORTED,
                           "%s: elements of type %.8s are not read (uint8, float32, float64 are)",
                           path, type ? type : "unknown");
        goto done;
    }
    text = header_value(header, "'fortran_order'");
    if (!text || strncmp(text, "False", 5) != 0) {
        result = error_set(error, VBP_ERROR_UNSUPPORTED, "%s: not in C order", path);
        goto done;
    }
    text = header_value(header, "'shape'");
    if (!text || !parse_shape(text, array)) {
        result = error_set(error, VBP_ERROR_FORMAT, "%s: cannot read the shape", path);
        goto done;
    }
    if (!size_multiply(array->count, element, &needed) || needed > length - offset) {
        result = error_set(error, VBP_ERROR_FORMAT, "%s: holds fewer elements than its shape says",
                           path);
        goto done;
    }
    array->data = memory_aligned_array(array->count, array->type == NPY_UINT8 ? 1 : sizeof(float));
    if (!array->data) {
        result = error_out_of_memory(error);
        goto done;
    }
    if (element == 8) {
        for (size_t i = 0; i < array->count; i++) {
            double value;

            memcpy(&value, bytes + offset + i * 8, 8);
            ((float *)array->data)[i] = (float)value;
        }
    } else {
        memcpy(array->data, bytes + offset, needed);
    }
    result = VBP_OK;
done:
    if (result != VBP_OK)
        npy_free(array);
    free(header);
    free(bytes);
    return result;
}

void npy_free(struct npy *array)
{
    free(array->data);
    *array = (struct npy){0};
}

int npy_write(const char *path, enum npy_type type, const void *data, int rank,
              const size_t *extent, VbpError *error)
{
    struct file_writer writer;
    char header[256], shape[192] = "";
    size_t count = 1, used = 0, padded;
    int result;

    if (rank < 0 || rank > NPY_MAX_RANK)
        return error_set(error, VBP_ERROR_ARGUMENT, "%s: %d axes, at most %d can be written", path,
                         rank, NPY_MAX_RANK);
    for (int i = 0; i < rank; i++) {
        used += (size_t)snprintf(shape + used, sizeof(shape) - used, "%zu%s", extent[i],
                                 i + 1 < rank ? ", "
                                 : rank == 1  ? ","
                                              : "");
        count *= extent[i];
    }
    used = (size_t)snprintf(header, sizeof(header),
                            "{'descr': '%s', 'fortran_order': False, 'shape': (%s), }",
                            type == NPY_UINT8 ? "|u1" : "<f4", shape);
    /* Magic, version and length take 10 bytes; the whole head is a multiple of 64, ending in \n. */
    padded = (10 + used + 1 + 63) / 64 * 64 - 10;
    result = file_writer_begin(&writer, path, error);
    if (result != VBP_OK)
        return result;
    fwrite(magic, 1, sizeof(magic), writer.stream);
    fputc(1, writer.stream);
    fputc(0, writer.stream);
    fputc((int)(padded & 0xff), writer.stream);
    fputc((int)(padded >> 8), writer.stream);
    fprintf(writer.stream, "%-*s\n", (int)padded - 1, header);
    fwrite(data, type == NPY_UINT8 ? 1 : sizeof(float), count, writer.stream);
    return file_writer_commit(&writer, error);
}
