#include "base/file.h"

#include "base/memory.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* Unfinished files of one name; what crashes left, or writers at work at the same time. */
#define MAX_PARTIAL_FILES 100

int file_read(const char *path, size_t limit, unsigned char **bytes, size_t *length,
              VbpError *error)
{
    unsigned char *buffer = NULL;
    FILE *stream = NULL;
    struct stat status;
    size_t size, got;
    int descriptor, result;

    *bytes = NULL;
    *length = 0;
    /* Without waiting, as opening a pipe would, until it is known to be a regular file. */
    descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (descriptor >= 0)
        stream = fdopen(descriptor, "rb");
    if (!stream || fstat(descriptor, &status) != 0) {
        result = error_set_errno(error, "cannot open", path);
        goto done;
    }
    if (!S_ISREG(status.st_mode)) {
        result = error_set(error, VBP_ERROR_IO, "cannot read %s: %s", path,
                           S_ISDIR(status.st_mode) ? "it is a folder" : "not a regular file");
        goto done;
    }
    if (status.st_size < 0 || (uintmax_t)status.st_size > limit) {
        result = error_set(error, VBP_ERROR_UNSUPPORTED, "%s: %jd bytes are more than the %zu read",
                           path, (intmax_t)status.st_size, limit);
        goto done;
    }
    size = (size_t)status.st_size;
    buffer = malloc(size + 1);
    if (!buffer) {
        result = error_out_of_memory(error);
        goto done;
    }
    errno = 0;
    got = fread(buffer, 1, size, stream);
    if (got != size) {
        if (ferror(stream))
            result = error_set_errno(error, "cannot read", path);
        else
            result = error_set(error, VBP_ERROR_IO, "%s became shorter while it was read", path);
        goto done;
    }
    buffer[size] = 0;
    *bytes = buffer;
    *length = size;
    buffer = NULL;
    result = VBP_OK;
done:
    free(buffer);
    if (stream)
        fclose(stream);
    else if (descriptor >= 0)
        close(descriptor);
    return result;
}

bool file_exists(const char *path)
{
    struct stat status;

    return stat(path, &status) == 0;
}

bool file_same(const char *a, const char *b)
{
    struct stat status_a, status_b;

    return stat(a, &status_a) == 0 && stat(b, &status_b) == 0 &&
           status_a.st_dev == status_b.st_dev && status_a.st_ino == status_b.st_ino;
}

static bool is_folder(const char *path)
{
    struct stat status;

    return stat(path, &status) == 0 && S_ISDIR(status.st_mode);
}

/* The partial name number `number`, from 1, for `path`; to be freed; NULL without memory. */
static char *partial_name(const char *path, int number)
{
    const char *slash = strrchr(path, '/');
    int folder = slash ? (int)(slash - path) + 1 : 0;

    if (number == 1)
        return memory_format("%.*s.%s.partial", folder, path, path + folder);
    return memory_format("%.*s.%s.%d.partial", folder, path, path + folder, number);
}

int file_make_partial(const char *path, char **partial_path, int *descriptor, VbpError *error)
{
    *partial_path = NULL;
    *descriptor = -1;
    if (is_folder(path)) {
        errno = EISDIR;
        return error_set_errno(error, "cannot write", path);
    }
    for (int number = 1; number <= MAX_PARTIAL_FILES; number++) {
        char *name = partial_name(path, number);
        int reason;

        if (!name)
            return error_out_of_memory(error);
        *descriptor = open(name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
        if (*descriptor >= 0) {
            *partial_path = name;
            return VBP_OK;
        }
        reason = errno;
        free(name);
        errno = reason;
        if (reason != EEXIST)
            return error_set_errno(error, "cannot write", path);
    }
    return error_set(error, VBP_ERROR_IO,
                     "cannot write %s: %d unfinished files (.NAME.partial) are in its folder", path,
                     MAX_PARTIAL_FILES);
}

int file_writer_begin(struct file_writer *writer, const char *path, VbpError *error)
{
    struct stat status;
    bool direct = stat(path, &status) == 0 && !S_ISREG(status.st_mode);
    int descriptor, result;

    *writer = (struct file_writer){0};
    writer->path = memory_copy_text(path);
    if (!writer->path) {
        result = error_out_of_memory(error);
        goto fail;
    }
    if (direct) {
        writer->stream = fopen(path, "wbe");
    } else {
        result = file_make_partial(path, &writer->partial_path, &descriptor, error);
        if (result != VBP_OK)
            goto fail;
        writer->stream = fdopen(descriptor, "wb");
    }
    if (!writer->stream) {
        result = error_set_errno(error, "cannot write", path);
        if (!direct)
            close(descriptor);
        goto fail;
    }
    return VBP_OK;
fail:
    file_writer_abandon(writer);
    return result;
}

/*
 * Brings the file to the disk before its name is given to it: without that, after a power cut, the
 * name may stand for an empty file. What cannot be synchronised (EINVAL) needs no such care.
 */
static bool synchronise(const struct file_writer *writer)
{
    return !writer->partial_path || fsync(fileno(writer->stream)) == 0 || errno == EINVAL;
}

int file_writer_commit(struct file_writer *writer, VbpError *error)
{
    bool written;
    int result = VBP_OK;

    errno = 0;
    written = fflush(writer->stream) == 0 && !ferror(writer->stream);
    if (!written && errno == 0) {
        /* A write failed earlier and its errno is gone. One more write will say why. */
        clearerr(writer->stream);
        if (fputc(0, writer->stream) != EOF && fflush(writer->stream) == 0)
            errno = EIO;
    }
    written = written && synchronise(writer);
    if (written) {
        written = fclose(writer->stream) == 0;
        writer->stream = NULL;
    }
    if (!written || (writer->partial_path && rename(writer->partial_path, writer->path) != 0)) {
        result = error_set_errno(error, "cannot write", writer->path);
    } else {
        free(writer->partial_path);
        writer->partial_path = NULL;
    }
    file_writer_abandon(writer);
    return result;
}

void file_writer_abandon(struct file_writer *writer)
{
    if (writer->stream)
        fclose(writer->stream);
    if (writer->partial_path)
        unlink(writer->partial_path);
    free(writer->path);
    free(writer->partial_path);
    *writer = (struct file_writer){0};
}

int file_write(const char *path, const void *bytes, size_t length, VbpError *error)
{
    struct file_writer writer;
    int result = file_writer_begin(&writer, path, error);

    if (result != VBP_OK)
        return result;
    fwrite(bytes, 1, length, writer.stream); /* commit checks ferror */
    return file_writer_commit(&writer, error);
}

int file_make_folder(const char *path, VbpError *error)
{
    char *partial = memory_copy_text(path);
    struct stat status;
    int result = VBP_OK;

    if (!partial)
        return error_out_of_memory(error);
    /* Only the last mkdir's result counts: it fails where one of these did. */
    for (char *c = partial; *c; c++) {
        if (*c != '/' || c == partial)
            continue;
        *c = 0;
        mkdir(partial, 0777);
        *c = '/';
    }
    if (mkdir(path, 0777) != 0 && errno != EEXIST)
        result = error_set_errno(error, "cannot make folder", path);
    else if (stat(path, &status) != 0 || !S_ISDIR(status.st_mode))
        result = error_set(error, VBP_ERROR_IO, "cannot make folder %s: it is a file", path);
    free(partial);
    return result;
}
