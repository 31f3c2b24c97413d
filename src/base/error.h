/* Errors: one status and one message, made where the knowledge is, given context on the way up. */
#ifndef VBP_BASE_ERROR_H
#define VBP_BASE_ERROR_H

#include "vbp.h"

/*
 * Sets *error (if not NULL) to the status and the formatted message and returns the status, so
 * that the place that notices can say `return error_set(error, VBP_ERROR_FORMAT, "...")`.
 * The message is one line of valid UTF-8 whatever text from files is put into it: control
 * characters and bytes that are no UTF-8 become '?', and what does not fit is cut off at the end.
 */
int error_set(VbpError *error, VbpStatus status, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* error_set for a failed allocation. */
int error_out_of_memory(VbpError *error);

/* error_set with VBP_ERROR_IO and "WHAT PATH: strerror(errno)". */
int error_set_errno(VbpError *error, const char *what, const char *path);

/* Puts formatted text before the message of an error that is already set; returns its status. */
int error_prefix(VbpError *error, const char *format, ...) __attribute__((format(printf, 2, 3)));

#endif
