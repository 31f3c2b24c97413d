/* Files: bounded reading, and writing that never leaves half a file under the final name. */
#ifndef VBP_BASE_FILE_H
#define VBP_BASE_FILE_H

#include "base/error.h"

#include <stdbool.h>
#include <stdio.h>

/*
 * Reads a whole regular file of at most `limit` bytes. On success *bytes is the caller's, to be
 * freed, followed by one zero byte that *length does not count. On failure *bytes is NULL.
 */
int file_read(const char *path, size_t limit, unsigned char **bytes, size_t *length,
              VbpError *error);

bool file_exists(const char *path);

/* True if both paths name the same existing file, whatever the spelling. */
bool file_same(const char *a, const char *b);

/*
 * Makes the file that is written in place of `path` until it is whole: a new one in the same
 * folder, under the first name of ".NAME.partial", ".NAME.2.partial", ... that nothing has yet, so
 * that no other file is touched and no two writers share one. On success *partial_path is to be
 * freed, *descriptor is open for writing, and the file is the caller's to rename or remove. On
 * failure, also where `path` is a folder, *partial_path is NULL, *descriptor -1 and the message
 * "cannot write PATH: reason".
 */
int file_make_partial(const char *path, char **partial_path, int *descriptor, VbpError *error);

/*
 * A file that appears under its name only when it is complete: written under the name that
 * file_make_partial finds and renamed by file_writer_commit.
 *
 *     begin -> write to .stream ... -> commit    the file is there, whole
 *                                  \-> abandon   nothing is left
 *
 * What is no regular file (/dev/stdout, a pipe) is written to as it is and never replaced.
 */
struct file_writer {
    FILE *stream;       /* what the caller writes to; NULL when not open */
    char *path;         /* the final name */
    char *partial_path; /* the name until then; NULL when written to path itself */
};

int file_writer_begin(struct file_writer *writer, const char *path, VbpError *error);

/* Flushes, checks every earlier write, waits for the disk, renames. After a failure the writer is
 * abandoned. */
int file_writer_commit(struct file_writer *writer, VbpError *error);

/* Closes and removes what was written. Does nothing after commit, or on a zeroed writer. */
void file_writer_abandon(struct file_writer *writer);

/* begin, write `length` bytes, commit. */
int file_write(const char *path, const void *bytes, size_t length, VbpError *error);

/* Makes the folder and its parents where they do not exist. */
int file_make_folder(const char *path, VbpError *error);

#endif
