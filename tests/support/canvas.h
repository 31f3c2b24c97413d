/* Surfaces for tests: random pixels, and a guard around every plane that drawing must not touch. */
#ifndef VBP_TESTS_CANVAS_H
#define VBP_TESTS_CANVAS_H

#include "draw/surface.h"

#include <stdbool.h>
#include <stddef.h>

#define CANVAS_FORMATS 7 /* enum surface_format runs from 0 to 6 */

struct canvas {
    struct surface surface;
    uint8_t *memory[3];
    size_t bytes[3];
    int row_bytes[3], rows[3]; /* of the pixels, without the guard */
};

/* Planes of odd strides; upside_down: negative ones. Fails the running test without memory. */
void canvas_make(struct canvas *canvas, enum surface_format format, int width, int height,
                 bool upside_down, uint32_t seed);
void canvas_copy(struct canvas *copy, const struct canvas *canvas);
void canvas_free(struct canvas *canvas);

/* False if any byte that is not a pixel has changed. */
bool canvas_guard_whole(const struct canvas *canvas);

/* True if all pixels and guards are the same. */
bool canvas_equal(const struct canvas *a, const struct canvas *b);

/* The bytes of the pixel at (x, y) or, for planes, of the sample that colours it. */
const uint8_t *canvas_at(const struct canvas *canvas, int plane, int x, int y);

/* How many planes the format has; by how many bits their coordinates are halved. */
int canvas_planes(enum surface_format format);
int canvas_shift_x(enum surface_format format, int plane);
int canvas_shift_y(enum surface_format format, int plane);
int canvas_pixel_bytes(enum surface_format format);

/* The smallest rectangle that holds all pixels in which a and b differ; width 0: none. */
VbpRectangle canvas_difference(const struct canvas *a, const struct canvas *b);

/* The next number of a simple generator, 0 to 2^24 - 1; the same on every machine. */
uint32_t canvas_random(uint32_t *state);

#endif
