/* Filling shapes that are given as distances. */
#ifndef VBP_DRAW_SHAPE_H
#define VBP_DRAW_SHAPE_H

#include "draw/surface.h"

/* How much of a pixel is covered whose middle is `distance` pixels outside (negative: inside) an
 * edge: 0..255. */
static inline uint8_t shape_coverage(float distance)
{
    float covered = 0.5f - distance;

    return (uint8_t)((covered < 0 ? 0 : covered > 1 ? 1 : covered) * 255 + 0.5f);
}

/*
 * Fills what lies inside the rectangle and inside the shape. distance(shape, x, y) is the distance
 * in pixels of a point of the surface from the shape's edge, negative inside; it must not change
 * faster than the point moves. Allocates nothing.
 */
void shape_fill(struct surface *surface, int x, int y, int width, int height,
                float (*distance)(const void *shape, float x, float y), const void *shape,
                struct color color);

#endif
