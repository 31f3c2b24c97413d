#include "base/error.h"

#include <errno.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

/* The length of the well-formed UTF-8 character at text, 1 to 4 bytes; 0 if there is none. */
static size_t character_length(const unsigned char *text)
{
    /* The second byte's bounds keep out overlong forms, surrogates and what is above U+10FFFF. */
    unsigned char first = text[0], low = 0x80, high = 0xbf;
    size_t length = first < 0x80 ? 1 : first < 0xe0 ? 2 : first < 0xf0 ? 3 : 4;

    if (length == 1)
        return 1;
    if (first < 0xc2 || first > 0xf4)
        return 0;
    if (first == 0xe0)
        low = 0xa0;
    else if (first == 0xed)
        high = 0x9f;
    else if (first == 0xf0)
        low = 0x90;
    else if (first == 0xf4)
        high = 0x8f;
    if (text[1] < low || text[1] > high)
        return 0;
    for (size_t i = 2; i < length; i++) {
        if (text[i] < 0x80 || text[i] > 0xbf)
            return 0;
    }
    return length;
}

/*
 * Makes any text one line of UTF-8: control characters (U+0000 to U+001F, U+007F to U+009F) and
 * bytes that are no UTF-8 become '?'. Where the text was cut to fit, half a character at its end
 * goes.
 */
static void clean_text(char *text, bool was_cut)
{
    unsigned char *c = (unsigned char *)text;

    while (*c) {
        size_t length = character_length(c);

        if (length == 0 && was_cut && *c >= 0xc2 && strlen((char *)c) < 4) {
            *c = 0;
        } else if (length == 2 && c[0] == 0xc2 && c[1] < 0xa0) {
            *c++ = '?';
            *c++ = '?';
        } else if (length == 0 || *c < 0x20 || *c == 0x7f) {
            *c++ = '?';
        } else {
            c += length;
        }
    }
}

int error_set(VbpError *error, VbpStatus status, const char *format, ...)
{
    va_list arguments;
    int length;

    if (!error)
        return status;
    error->status = status;
    va_start(arguments, format);
    length = vsnprintf(error->message, sizeof(error->message), format, arguments);
    va_end(arguments);
    clean_text(error->message, length >= (int)sizeof(error->message));
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
    char message[sizeof(error->message)];
    va_list arguments;
    size_t length;

    if (!error)
        return 0;
    /* The arguments may point into the message, so it is kept until they were used. */
    va_start(arguments, format);
    vsnprintf(message, sizeof(message), format, arguments);
    va_end(arguments);
    length = strlen(message);
    snprintf(message + length, sizeof(message) - length, "%s", error->message);
    memcpy(error->message, message, sizeof(message));
    clean_text(error->message, strlen(message) == sizeof(message) - 1);
    return error->status;
}
