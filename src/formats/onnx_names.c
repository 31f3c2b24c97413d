/* Names in an ONNX file that is written: each once, none empty, all of them UTF-8. */
#include "base/memory.h"
#include "formats/onnx_writer.h"

#include <stdio.h>
#include <string.h>

#define FIRST_PLACES 256 /* a power of two, as all sizes are */

int onnx_names_create(struct onnx_names *names, VbpError *error)
{
    *names = (struct onnx_names){0};
    names->places = memory_array(FIRST_PLACES, sizeof(*names->places));
    if (!names->places)
        return error_out_of_memory(error);
    names->place_count = FIRST_PLACES;
    return VBP_OK;
}

void onnx_names_free(struct onnx_names *names)
{
    free(names->places);
    *names = (struct onnx_names){0};
}

/* Where the name is, or the free place where it belongs. */
static struct onnx_name *find_place(const struct onnx_names *names, const char *text)
{
    uint64_t hash = 14695981039346656037u;
    size_t place;

    for (const unsigned char *c = (const unsigned char *)text; *c; c++)
        hash = (hash ^ *c) * 1099511628211u;
    place = (size_t)(hash ^ hash >> 29) & (names->place_count - 1);
    while (names->places[place].text && strcmp(names->places[place].text, text) != 0)
        place = (place + 1) & (names->place_count - 1);
    return &names->places[place];
}

static bool make_room(struct onnx_names *names)
{
    struct onnx_names larger = {.place_count = 2 * names->place_count, .taken = names->taken};

    if (2 * (names->taken + 1) <= names->place_count)
        return true;
    larger.places = memory_array(larger.place_count, sizeof(*larger.places));
    if (!larger.places)
        return false;
    for (size_t i = 0; i < names->place_count; i++) {
        if (names->places[i].text)
            *find_place(&larger, names->places[i].text) = names->places[i];
    }
    free(names->places);
    *names = larger;
    return true;
}

/* Length of the UTF-8 character at text; 0 where there is none or it cannot be printed. */
static size_t printable_length(const unsigned char *text)
{
    static const uint32_t least[5] = {0, 0, 0x80, 0x800, 0x10000};
    size_t length = *text < 0x80 ? 1 : *text < 0xc0 ? 0 : *text < 0xe0 ? 2 : *text < 0xf0 ? 3 : 4;
    uint32_t code;

    if (length == 0 || *text > 0xf4)
        return 0;
    code = length == 1 ? *text : *text & (0x7fu >> length);
    for (size_t i = 1; i < length; i++) {
        if ((text[i] & 0xc0) != 0x80)
            return 0;
        code = code << 6 | (text[i] & 0x3fu);
    }
    if (code < least[length] || code > 0x10ffff || (code >= 0xd800 && code < 0xe000) ||
        code < 0x20 || (code >= 0x7f && code < 0xa0))
        return 0;
    return length;
}

static void clean_name(char *text)
{
    while (*text) {
        size_t length = printable_length((const unsigned char *)text);

        if (length == 0)
            *text++ = '_';
        else
            text += length;
    }
}

const char *onnx_names_take(struct onnx_names *names, struct onnx_arena *arena, const char *text,
                            const char *substitute)
{
    static const size_t number_room = sizeof("_4294967295");
    struct onnx_name *first, *place;
    size_t length;
    char *name;

    if (!text || !*text)
        text = substitute;
    length = strlen(text);
    name = onnx_arena_array(arena, length + number_room, 1);
    if (!name)
        return NULL;
    if (!make_room(names)) {
        arena->exhausted = true;
        return NULL;
    }
    memcpy(name, text, length);
    clean_name(name);
    first = place = find_place(names, name);
    while (place->text) {
        if (first->next < 2)
            first->next = 2;
        snprintf(name + length, number_room, "_%u", first->next++);
        place = find_place(names, name);
    }
    place->text = name;
    names->taken++;
    return name;
}
