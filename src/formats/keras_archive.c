/* Archives of Keras 3 (.keras): a zip of config.json, metadata.json and model.weights.h5. */
#include "base/memory.h"
#include "formats/keras_loader.h"

#include <string.h>
#include <zip.h>

#define MAX_TEXT_BYTES ((size_t)1 << 26)

/*
 * Reads a member as a whole, with a zero byte behind it that *length does not count. What is not
 * there leaves *bytes NULL.
 */
static int read_member(zip_t *archive, const char *name, size_t limit, unsigned char **bytes,
                       size_t *length, VbpError *error)
{
    zip_file_t *file = NULL;
    zip_stat_t stat;
    size_t done = 0;
    int result = VBP_OK;

    *bytes = NULL;
    *length = 0;
    if (zip_stat(archive, name, 0, &stat) != 0)
        return VBP_OK;
    if (!(stat.valid & ZIP_STAT_SIZE) || stat.size > limit)
        return error_set(error, VBP_ERROR_UNSUPPORTED,
                         "'%s' in the archive claims to be far larger than the file", name);
    *bytes = memory_array((size_t)stat.size + 1, 1);
    if (!*bytes)
        return error_out_of_memory(error);
    file = zip_fopen(archive, name, 0);
    while (file && done < stat.size) {
        zip_int64_t count = zip_fread(file, *bytes + done, stat.size - done);

        if (count <= 0)
            break;
        done += (size_t)count;
    }
    if (!file || done != stat.size || zip_fread(file, &(char){0}, 1) != 0)
        result = error_set(error, VBP_ERROR_FORMAT,
                           "'%s' in the archive is damaged or locked by a password", name);
    if (file)
        zip_fclose(file);
    if (result == VBP_OK) {
        *length = done;
    } else {
        free(*bytes);
        *bytes = NULL;
    }
    return result;
}

static int read_text(zip_t *archive, const char *name, size_t limit, char **text, VbpError *error)
{
    unsigned char *bytes;
    size_t length;
    int result = read_member(archive, name, limit < MAX_TEXT_BYTES ? limit : MAX_TEXT_BYTES, &bytes,
                             &length, error);

    *text = (char *)bytes;
    if (bytes && strlen(*text) != length) {
        free(*text);
        *text = NULL;
        return error_set(error, VBP_ERROR_FORMAT, "'%s' in the archive is not text", name);
    }
    return result;
}

static zip_t *open_archive(const unsigned char *bytes, size_t length)
{
    zip_source_t *source = zip_source_buffer_create(bytes, length, 0, NULL);
    zip_t *archive = source ? zip_open_from_source(source, ZIP_RDONLY, NULL) : NULL;

    /* The archive owns the source, if it could be opened. */
    if (source && !archive)
        zip_source_free(source);
    return archive;
}

int keras_archive_read(struct keras_archive *archive, const unsigned char *bytes, size_t length,
                       VbpError *error)
{
    /* What can become of bytes that are packed well, but not of a few that are packed to deceive.
     */
    size_t limit = ((size_t)1 << 24) + 16 * length;
    zip_t *zip = open_archive(bytes, length);
    int result;

    *archive = (struct keras_archive){0};
    if (!zip)
        return error_set(error, VBP_ERROR_FORMAT, "the archive is damaged or cut short");
    limit = limit < MODEL_MAX_BYTES ? limit : MODEL_MAX_BYTES;
    result = read_text(zip, "config.json", limit, &archive->config, error);
    if (result == VBP_OK)
        result = read_text(zip, "metadata.json", limit, &archive->metadata, error);
    if (result == VBP_OK)
        result = read_member(zip, "model.weights.h5", limit, &archive->weights,
                             &archive->weights_length, error);
    if (result == VBP_OK && (!archive->config || !archive->weights))
        result = error_set(error, VBP_ERROR_FORMAT, "the archive has no %s",
                           archive->config ? "model.weights.h5" : "config.json");
    if (result != VBP_OK)
        keras_archive_free(archive);
    zip_discard(zip);
    return result;
}

void keras_archive_free(struct keras_archive *archive)
{
    free(archive->config);
    free(archive->metadata);
    free(archive->weights);
    *archive = (struct keras_archive){0};
}
