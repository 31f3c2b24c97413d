#include "window/snapshot.h"

#include "base/file.h"
#include "base/memory.h"
#include "media/image_writer.h"

#include <ctype.h>
#include <inttypes.h>
#include <string.h>

/* Pictures of one frame; more are refused. */
#define MAX_COPIES 1000

char *snapshot_clip_name(const char *source)
{
    size_t length = strlen(source);
    const char *begin, *dot;
    char *name;

    while (length > 1 && source[length - 1] == '/')
        length--;
    begin = memrchr(source, '/', length);
    begin = begin && begin + 1 < source + length ? begin + 1 : source;
    length = (size_t)(source + length - begin);
    dot = memrchr(begin, '.', length);
    if (dot && dot > begin)
        length = (size_t)(dot - begin);
    name = memory_format("%.*s", (int)length, begin);
    for (char *c = name; c && *c; c++) {
        /* Bytes above 127 are letters in UTF-8. */
        bool plain = isalnum((unsigned char)*c) || (unsigned char)*c > 127 || strchr("._- ", *c);

        if (!plain)
            *c = '_';
    }
    return name;
}

int snapshot_save(const AVFrame *picture, const char *source, int64_t number, const char *suffix,
                  char **name, VbpError *error)
{
    char *clip = snapshot_clip_name(source);
    int result = VBP_OK;

    *name = NULL;
    for (int copy = 1; clip && copy <= MAX_COPIES; copy++) {
        free(*name);
        *name = copy == 1
                    ? memory_format("%s-frame%06" PRId64 "%s.png", clip, number, suffix)
                    : memory_format("%s-frame%06" PRId64 "%s-%d.png", clip, number, suffix, copy);
        if (!*name || !file_exists(*name))
            break;
        if (copy == MAX_COPIES)
            result = error_set(error, VBP_ERROR_IO, "%s and %d more of them exist already", *name,
                               MAX_COPIES - 1);
    }
    if (!*name)
        result = error_out_of_memory(error);
    if (result == VBP_OK)
        result = image_write_picture(*name, picture, error);
    if (result != VBP_OK) {
        free(*name);
        *name = NULL;
    }
    free(clip);
    return result;
}
