/* Builds PNG files of every kind of pixel, byte by byte, without an encoder. */
#ifndef VBP_TESTS_SUPPORT_PNG_H
#define VBP_TESTS_SUPPORT_PNG_H

#include <stddef.h>
#include <stdint.h>

enum png_kind { PNG_GRAY = 0, PNG_RGB = 2, PNG_PALETTE = 3, PNG_GRAY_ALPHA = 4, PNG_RGBA = 6 };

struct png_picture {
    enum png_kind kind;
    int depth; /* bits of a value: 1, 2, 4, 8 or 16 as PNG allows them with the kind */
    int width, height;
    const uint8_t *rows;    /* as they lie in the file, without the filter's byte */
    size_t row_bytes;       /* of each */
    const uint8_t *palette; /* red, green, blue of each colour; of PNG_PALETTE */
    size_t colours;
    const uint8_t *transparency; /* alpha of each of the colours; NULL: none */
};

/* Writes the picture into the test's scratch folder; returns its path. */
const char *png_write(const char *name, const struct png_picture *picture);

#endif
