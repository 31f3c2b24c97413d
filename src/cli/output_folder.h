/* A folder of results that appear together or not at all. */
#ifndef VBP_CLI_OUTPUT_FOLDER_H
#define VBP_CLI_OUTPUT_FOLDER_H

#include "base/error.h"

#include <stdbool.h>
#include <stddef.h>

/*
 * Files are written into a folder beside their places first:
 *
 *     DIR/.vbp-4fX2aQ/mask.npy           DIR/mask.npy
 *     DIR/.vbp-4fX2aQ/levels/01_...  ->  DIR/levels/01_...     output_folder_keep
 *
 * so that a failure, whenever it comes, leaves what was there before.
 */
struct output_folder {
    char *path;
    char *staging;
    bool made; /* path, by us */
    bool overwrite;
    const char *const *inputs; /* NULL-terminated: files that must not be replaced */
    char **names;              /* relative to path, in the order they were asked for */
    char **staged;             /* where they are written */
    size_t count, names_capacity, staged_capacity;
};

/*
 * Makes the folder if there is none. inputs must outlive the folder. After a failure the folder
 * needs only output_folder_close.
 */
int output_folder_open(struct output_folder *folder, const char *path, bool overwrite,
                       const char *const *inputs, VbpError *error);

/*
 * Where to write the file that will be DIR/name ("levels/01_average.npy" makes the subfolder); the
 * text belongs to the folder. NULL with *error set where that file exists and must not be replaced,
 * or on failure.
 */
const char *output_folder_file(struct output_folder *folder, const char *name, VbpError *error);

/* Gives all files their names. */
int output_folder_keep(struct output_folder *folder, VbpError *error);

/* Removes what was not kept, and the folder if it is ours and empty. Frees. */
void output_folder_close(struct output_folder *folder);

#endif
