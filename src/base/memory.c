#include "base/memory.h"

#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

void *memory_array(size_t count, size_t size)
{
    return calloc(count ? count : 1, size ? size : 1);
}

void *memory_aligned_array(size_t count, size_t size)
{
    size_t bytes;

    if (!size_multiply(count, size, &bytes) || bytes > SIZE_MAX - MEMORY_ALIGNMENT)
        return NULL;
    bytes = (bytes + MEMORY_ALIGNMENT - 1) / MEMORY_ALIGNMENT * MEMORY_ALIGNMENT;
    return aligned_alloc(MEMORY_ALIGNMENT, bytes ? bytes : MEMORY_ALIGNMENT);
}

bool memory_grow(void **array, size_t *capacity, size_t needed, size_t size)
{
    size_t wanted = *capacity ? *capacity : 8;
    size_t bytes;
    void *grown;

    if (needed <= *capacity)
        return true;
    while (wanted < needed) {
        if (!size_multiply(wanted, 2, &wanted))
            return false;
    }
    if (!size_multiply(wanted, size, &bytes))
        return false;
    grown = realloc(*array, bytes);
    if (!grown)
        return false;
    memset((char *)grown + *capacity * size, 0, (wanted - *capacity) * size);
    *array = grown;
    *capacity = wanted;
    return true;
}

char *memory_copy_text(const char *text)
{
    return strdup(text);
}

char *memory_format(const char *format, ...)
{
    va_list arguments;
    char *text;
    int length;

    va_start(arguments, format);
    length = vasprintf(&text, format, arguments);
    va_end(arguments);
    return length < 0 ? NULL : text;
}
