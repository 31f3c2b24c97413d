/* For fuzzers of what lies in folders: one in memory, and what must hold of a data set. */
#ifndef VBP_TESTS_FUZZ_FOLDER_H
#define VBP_TESTS_FUZZ_FOLDER_H

#include "base/file.h"
#include "media/dataset.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

/*
 * The folder of that kind of this process, with a folder `inner` and empty images (NULL ends them)
 * in it. It is made at the first call and stays: its few bytes are the next run's, too.
 */
static inline const char *fuzz_folder(const char *kind, const char *inner,
                                      const char *const *images)
{
    static char path[2][100];
    char *folder = path[kind[3] == '2'], part[400];

    if (*folder)
        return folder;
    snprintf(folder, sizeof(path[0]), "/dev/shm/vbp-fuzz-%s-%d", kind, (int)getpid());
    snprintf(part, sizeof(part), "%s/%s", folder, inner);
    if (file_make_folder(part, NULL) != VBP_OK)
        abort();
    for (; *images; images++) {
        snprintf(part, sizeof(part), "%s/%s", folder, *images);
        if (file_write(part, "", 0, NULL) != VBP_OK)
            abort();
    }
    return folder;
}

static inline void fuzz_write(const char *folder, const char *name, const uint8_t *bytes,
                              size_t length)
{
    char path[400];
    FILE *stream;

    snprintf(path, sizeof(path), "%s/%s", folder, name);
    stream = fopen(path, "wb");
    if (!stream || fwrite(bytes, 1, length, stream) != length || fclose(stream) != 0)
        abort();
}

static inline void fuzz_check(const struct dataset *dataset)
{
    int drive = 0;

    if (dataset->count < 1 || !dataset->first_missing != !dataset->missing_images)
        abort();
    for (size_t i = 0; i < dataset->count; i++) {
        const struct sample *sample = &dataset->samples[i];

        /* Drives follow each other, and none is empty. */
        if (!isfinite(sample->steering) || sample->drive < drive || sample->drive > drive + 1 ||
            access(sample->image, F_OK) != 0)
            abort();
        drive = sample->drive;
    }
    if (drive != dataset->drive_count - 1)
        abort();
}

#endif
