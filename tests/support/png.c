#include "support/png.h"

#include "support/scratch.h"

#include <string.h>

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#define MOST_BYTES 65536

struct file {
    uint8_t bytes[MOST_BYTES];
    size_t length;
};

static void put(struct file *file, const void *bytes, size_t count)
{
    assert_true(file->length + count <= sizeof(file->bytes));
    if (count > 0)
        memcpy(file->bytes + file->length, bytes, count);
    file->length += count;
}

static void put_number(struct file *file, uint32_t number)
{
    const uint8_t bytes[4] = {(uint8_t)(number >> 24), (uint8_t)(number >> 16),
                              (uint8_t)(number >> 8), (uint8_t)number};

    put(file, bytes, 4);
}

static uint32_t check_sum(const uint8_t *bytes, size_t count)
{
    uint32_t sum = 0xffffffff;

    for (size_t i = 0; i < count; i++) {
        sum ^= bytes[i];
        for (int bit = 0; bit < 8; bit++)
            sum = sum & 1 ? sum >> 1 ^ 0xedb88320 : sum >> 1;
    }
    return ~sum;
}

static void put_chunk(struct file *file, const char *type, const void *bytes, size_t count)
{
    size_t begin;

    put_number(file, (uint32_t)count);
    begin = file->length;
    put(file, type, 4);
    put(file, bytes, count);
    put_number(file, check_sum(file->bytes + begin, file->length - begin));
}

/* The rows, each behind a 0 for "no filter", as one stored block of zlib's. */
static void put_rows(struct file *file, const struct png_picture *picture)
{
    static struct file data;
    uint32_t a = 1, b = 0;
    size_t length = (size_t)picture->height * (picture->row_bytes + 1);
    const uint8_t head[7] = {0x78,
                             0x01,
                             0x01,
                             (uint8_t)length,
                             (uint8_t)(length >> 8),
                             (uint8_t)~length,
                             (uint8_t)(~length >> 8)};

    data.length = 0;
    put(&data, head, sizeof(head));
    for (int y = 0; y < picture->height; y++) {
        put(&data, "", 1);
        put(&data, picture->rows + (size_t)y * picture->row_bytes, picture->row_bytes);
    }
    for (size_t i = sizeof(head); i < data.length; i++) {
        a = (a + data.bytes[i]) % 65521;
        b = (b + a) % 65521;
    }
    put_number(&data, b << 16 | a);
    put_chunk(file, "IDAT", data.bytes, data.length);
}

const char *png_write(const char *name, const struct png_picture *picture)
{
    static struct file file;
    uint8_t header[13] = {0, 0, 0, 0, 0, 0, 0, 0, (uint8_t)picture->depth, (uint8_t)picture->kind};

    header[2] = (uint8_t)(picture->width >> 8);
    header[3] = (uint8_t)picture->width;
    header[6] = (uint8_t)(picture->height >> 8);
    header[7] = (uint8_t)picture->height;
    file.length = 0;
    put(&file, "\x89PNG\r\n\x1a\n", 8);
    put_chunk(&file, "IHDR", header, sizeof(header));
    if (picture->palette)
        put_chunk(&file, "PLTE", picture->palette, 3 * picture->colours);
    if (picture->transparency)
        put_chunk(&file, "tRNS", picture->transparency, picture->colours);
    put_rows(&file, picture);
    put_chunk(&file, "IEND", NULL, 0);
    return scratch_write(name, file.bytes, file.length);
}
