#include "base/error.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static void replace_control_characters(char *text)
{
    for (unsigned char *c = (unsigned char *)text; *c; c++) {
        if (*c < 0x20 || *c == 0x7f)
            *c = '?';
    }
}

int error_set(VbpError *error, VbpStatus status, const char *format, ...)
{
    va_list arguments;

    if (!error)
        return status;
    error->status = status;
    va_start(arguments, format);
    vsnprintf(error->message, sizeof(error->message), format, arguments);
    va_end(arguments);
    replace_control_characters(error->message);
    return status;
}

int error_out_of_memory(VbpError *error)
{
    return error_set(error, VBP_ERROR_MEMORY, "out of memory");
}

int error_set_errno(VbpError *error, const char *what, const char *path)
{
    int number = errno;

    return error_set(error, number == ENOMEM ? VBP_ERROR_MEMORY : VBP_ERROR_IO, "%s %s: %s", what,
                     path, strerror(number));
}

int error_prefix(VbpError *error, const char *format, ...)
{
    char text[sizeof(error->message)];
    va_list arguments;
    size_t length;

    if (!error)
        return 0;
    va_start(arguments, format);
    vsnprintf(text, sizeof(text), format, arguments);
    va_end(arguments);
    length = strlen(text);
    snprintf(text + length, sizeof(text) - length, "%s", error->message);
    memcpy(error->message, text, sizeof(text));
    replace_control_characters(error->message);
    return error->status;
}
