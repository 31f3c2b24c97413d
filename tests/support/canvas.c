#include "canvas.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define GUARD_ROWS  3
#define GUARD_BYTES 5 /* right of each row, and left of the first */
#define GUARD_VALUE 0xa5

uint32_t canvas_random(uint32_t *state)
{
    *state = *state * 1664525u + 1013904223u;
    return *state >> 8;
}

int canvas_planes(enum surface_format format)
{
    return format == SURFACE_YUV420 || format == SURFACE_YUV422 || format == SURFACE_YUV444 ? 3 : 1;
}

int canvas_shift_x(enum surface_format format, int plane)
{
    return plane > 0 && (format == SURFACE_YUV420 || format == SURFACE_YUV422);
}

int canvas_shift_y(enum surface_format format, int plane)
{
    return plane > 0 && format == SURFACE_YUV420;
}

int canvas_pixel_bytes(enum surface_format format)
{
    switch (format) {
    case SURFACE_RGB24:
    case SURFACE_BGR24:
        return 3;
    case SURFACE_ARGB32:
        return 4;
    default:
        return 1;
    }
}

static bool is_pixel(const struct canvas *canvas, int plane, size_t at)
{
    size_t row_bytes = (size_t)canvas->row_bytes[plane];
    size_t stride = row_bytes + GUARD_BYTES;
    size_t row, column;

    if (at < GUARD_BYTES)
        return false;
    row = (at - GUARD_BYTES) / stride;
    column = (at - GUARD_BYTES) % stride;
    return row >= GUARD_ROWS && row < GUARD_ROWS + (size_t)canvas->rows[plane] &&
           column < row_bytes;
}

void canvas_make(struct canvas *canvas, enum surface_format format, int width, int height,
                 bool upside_down, uint32_t seed)
{
    memset(canvas, 0, sizeof(*canvas));
    canvas->surface.format = format;
    canvas->surface.width = width;
    canvas->surface.height = height;
    for (int plane = 0; plane < canvas_planes(format); plane++) {
        int shift_x = canvas_shift_x(format, plane), shift_y = canvas_shift_y(format, plane);
        int rows = (height + shift_y) >> shift_y;
        int row_bytes = ((width + shift_x) >> shift_x) * canvas_pixel_bytes(format);
        ptrdiff_t stride = row_bytes + GUARD_BYTES;

        canvas->rows[plane] = rows;
        canvas->row_bytes[plane] = row_bytes;
        canvas->bytes[plane] = (size_t)stride * (size_t)(rows + 2 * GUARD_ROWS) + GUARD_BYTES;
        canvas->memory[plane] = malloc(canvas->bytes[plane]);
        assert_non_null(canvas->memory[plane]);
        for (size_t i = 0; i < canvas->bytes[plane]; i++)
            canvas->memory[plane][i] =
                is_pixel(canvas, plane, i) ? (uint8_t)(canvas_random(&seed) >> 8) : GUARD_VALUE;
        canvas->surface.plane[plane] = canvas->memory[plane] + GUARD_BYTES + GUARD_ROWS * stride;
        canvas->surface.stride[plane] = stride;
        if (upside_down) {
            canvas->surface.plane[plane] += (rows - 1) * stride;
            canvas->surface.stride[plane] = -stride;
        }
    }
}

void canvas_copy(struct canvas *copy, const struct canvas *canvas)
{
    *copy = *canvas;
    for (int plane = 0; plane < canvas_planes(canvas->surface.format); plane++) {
        copy->memory[plane] = malloc(canvas->bytes[plane]);
        assert_non_null(copy->memory[plane]);
        memcpy(copy->memory[plane], canvas->memory[plane], canvas->bytes[plane]);
        copy->surface.plane[plane] =
            copy->memory[plane] + (canvas->surface.plane[plane] - canvas->memory[plane]);
    }
}

void canvas_free(struct canvas *canvas)
{
    for (int plane = 0; plane < 3; plane++)
        free(canvas->memory[plane]);
    memset(canvas, 0, sizeof(*canvas));
}

bool canvas_guard_whole(const struct canvas *canvas)
{
    for (int plane = 0; plane < canvas_planes(canvas->surface.format); plane++) {
        for (size_t i = 0; i < canvas->bytes[plane]; i++) {
            if (!is_pixel(canvas, plane, i) && canvas->memory[plane][i] != GUARD_VALUE)
                return false;
        }
    }
    return true;
}

bool canvas_equal(const struct canvas *a, const struct canvas *b)
{
    for (int plane = 0; plane < canvas_planes(a->surface.format); plane++) {
        if (a->bytes[plane] != b->bytes[plane] ||
            memcmp(a->memory[plane], b->memory[plane], a->bytes[plane]) != 0)
            return false;
    }
    return true;
}

const uint8_t *canvas_at(const struct canvas *canvas, int plane, int x, int y)
{
    enum surface_format format = canvas->surface.format;

    return canvas->surface.plane[plane] +
           (y >> canvas_shift_y(format, plane)) * canvas->surface.stride[plane] +
           (ptrdiff_t)(x >> canvas_shift_x(format, plane)) * canvas_pixel_bytes(format);
}

VbpRectangle canvas_difference(const struct canvas *a, const struct canvas *b)
{
    int left = a->surface.width, top = a->surface.height, right = 0, bottom = 0;
    enum surface_format format = a->surface.format;

    for (int y = 0; y < a->surface.height; y++) {
        for (int x = 0; x < a->surface.width; x++) {
            bool differs = false;

            for (int plane = 0; plane < canvas_planes(format); plane++)
                differs |= memcmp(canvas_at(a, plane, x, y), canvas_at(b, plane, x, y),
                                  (size_t)canvas_pixel_bytes(format)) != 0;
            if (!differs)
                continue;
            left = x < left ? x : left;
            right = x >= right ? x + 1 : right;
            top = y < top ? y : top;
            bottom = y + 1;
        }
    }
    if (right == 0)
        return (VbpRectangle){0, 0, 0, 0};
    return (VbpRectangle){left, top, right - left, bottom - top};
}
