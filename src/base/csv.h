/*
 * Tables as text: RFC 4180, with what other programs make of it. Lines end with LF or CRLF; blanks
 * around a field are no part of it unless quoted; empty lines and a byte order mark do not count.
 */
#ifndef VBP_BASE_CSV_H
#define VBP_BASE_CSV_H

#include "base/error.h"

#include <stdbool.h>

#define CSV_MAX_FIELDS 64

struct csv {
    char *path;
    char *text; /* the whole file; what was read of it is cut into fields */
    size_t length, at;
    size_t next_line; /* the line that begins at `at`, from 1 */

    /* The record read last. */
    char *field[CSV_MAX_FIELDS];
    int count;
    size_t line; /* where it began */
};

enum csv_result { CSV_RECORD = 0, CSV_END = 1 }; /* or a negative VbpStatus */

/* Reads a file of at most `limit` bytes. On failure *csv is zeroed. */
int csv_open(struct csv *csv, const char *path, size_t limit, VbpError *error);
void csv_close(struct csv *csv); /* accepts a zeroed one */

/*
 * The next record; its fields live until csv_close. Zero bytes, records that are too long or of
 * too many fields and quotes that do not end are refused with path and line.
 */
int csv_read(struct csv *csv, VbpError *error);

/* The field of that name (case does not count) in the record read last; -1: there is none. */
int csv_find(const struct csv *csv, const char *name);

/* Reads a finite decimal number, with a point whatever the locale. False: it is none. */
bool csv_number(const char *text, double *number);

#endif
