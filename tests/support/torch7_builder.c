#include "support/torch7_builder.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void put(struct torch7_builder_file *file, const void *bytes, size_t count)
{
    file->bytes = realloc(file->bytes, file->length + count + 1);
    if (!file->bytes) {
        fprintf(stderr, "out of memory\n");
        abort();
    }
    if (count)
        memcpy(file->bytes + file->length, bytes, count);
    file->length += count;
}

void torch7_builder_free(struct torch7_builder_file *file)
{
    free(file->bytes);
    *file = (struct torch7_builder_file){0};
}

void torch7_put_int(struct torch7_builder_file *file, int32_t value)
{
    put(file, &value, sizeof(value));
}

void torch7_put_long(struct torch7_builder_file *file, int64_t value)
{
    put(file, &value, sizeof(value));
}

void torch7_put_text(struct torch7_builder_file *file, const char *text)
{
    torch7_put_int(file, (int32_t)strlen(text));
    put(file, text, strlen(text));
}

void torch7_put_number(struct torch7_builder_file *file, double value)
{
    torch7_put_int(file, 1);
    put(file, &value, sizeof(value));
}

void torch7_put_string(struct torch7_builder_file *file, const char *text)
{
    torch7_put_int(file, 2);
    torch7_put_text(file, text);
}

void torch7_put_boolean(struct torch7_builder_file *file, int value)
{
    torch7_put_int(file, 5);
    torch7_put_int(file, value);
}

/* Type, new index, version and class. */
static void put_header(struct torch7_builder_file *file, const char *class_name)
{
    torch7_put_int(file, 4);
    torch7_put_int(file, ++file->next_index);
    torch7_put_text(file, "V 1");
    torch7_put_text(file, class_name);
}

void torch7_put_tensor(struct torch7_builder_file *file, const char *class_name, int rank,
                       const int64_t *extents, const double *elements)
{
    char storage[64];
    int64_t count = 1, stride;

    put_header(file, class_name);
    torch7_put_int(file, rank);
    for (int i = 0; i < rank; i++) {
        torch7_put_long(file, extents[i]);
        count *= extents[i];
    }
    stride = count;
    for (int i = 0; i < rank; i++) {
        stride /= extents[i];
        torch7_put_long(file, stride);
    }
    torch7_put_long(file, 1);
    snprintf(storage, sizeof(storage), "%.*sStorage", (int)strlen(class_name) - 6, class_name);
    put_header(file, storage);
    torch7_put_long(file, count);
    for (int64_t i = 0; i < count; i++) {
        double element = elements ? elements[i] : (double)i;

        if (strstr(class_name, "Double")) {
            put(file, &element, sizeof(element));
        } else if (strstr(class_name, "Long")) {
            torch7_put_long(file, (int64_t)element);
        } else {
            float narrow = (float)element;

            put(file, &narrow, sizeof(narrow));
        }
    }
}

void torch7_put_longs(struct torch7_builder_file *file, int count, const int64_t *values)
{
    put_header(file, "torch.LongStorage");
    torch7_put_long(file, count);
    for (int i = 0; i < count; i++)
        torch7_put_long(file, values[i]);
}

void torch7_begin_table(struct torch7_builder_file *file)
{
    torch7_put_int(file, 3);
    torch7_put_int(file, ++file->next_index);
    file->count_position[file->depth++] = file->length;
    torch7_put_int(file, 0);
}

void torch7_begin_object(struct torch7_builder_file *file, const char *class_name)
{
    put_header(file, class_name);
    torch7_begin_table(file);
}

static void count_entry(struct torch7_builder_file *file)
{
    int32_t count;

    memcpy(&count, file->bytes + file->count_position[file->depth - 1], sizeof(count));
    count++;
    memcpy(file->bytes + file->count_position[file->depth - 1], &count, sizeof(count));
}

void torch7_key(struct torch7_builder_file *file, const char *key)
{
    count_entry(file);
    torch7_put_string(file, key);
}

void torch7_position(struct torch7_builder_file *file, int position)
{
    count_entry(file);
    torch7_put_number(file, position);
}

void torch7_end(struct torch7_builder_file *file)
{
    file->depth--;
}

void torch7_set(struct torch7_builder_file *file, const char *key, double value)
{
    torch7_key(file, key);
    torch7_put_number(file, value);
}
