/* A folder of results that appear together or not at all. */
#ifndef VBP_CLI_OUTPUT_FOLDER_H
#define VBP_CLI_OUTPUT_FOLDER_H

#include "base/error.h"

#include <stdbool.h>
#include <stddef.h>

struct output_folder {
    char *path;
    bool made;    /* by us */
    char **files; /* written so far */
    size_t count, capacity;
    bool kept;
};

/*
 * Makes the folder if there is none. Without `overwrite`, a folder that already holds `marker` is
 * refused.
 */
int output_folder_open(struct output_folder *folder, const char *path, const char *marker,
                       bool overwrite, VbpError *error);

/*
 * The path of a file to be written into the folder ("levels/01_average.npy" makes the subfolder);
 * it belongs to the folder. NULL with *error set on failure.
 */
const char *output_folder_file(struct output_folder *folder, const char *name, VbpError *error);

/* From now on output_folder_close leaves the files. */
void output_folder_keep(struct output_folder *folder);

/* Frees; without output_folder_keep before, removes the files, and the folder if it is ours. */
void output_folder_close(struct output_folder *folder);

#endif
