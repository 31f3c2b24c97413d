/*
 * Triangles on a canvas with depth: the camera, clipping, and spans with what varies over them.
 *
 * Camera space: x to the right, y down, z forward, metres. On the canvas 1/z, u/z and v/z are
 * linear, so a triangle is described by three planes.
 */
#ifndef ROADSIM_RASTER_H
#define ROADSIM_RASTER_H

#include "weather.h"

#include <stdint.h>

enum truth { TRUTH_REST, TRUTH_MARKING, TRUTH_EDGE, TRUTH_VEHICLE };

/* What is drawn on. Rows follow each other without gaps. */
struct canvas {
    int width, height;
    float *nearness;      /* 1/z of what is seen, 0 where nothing is */
    int32_t *triangle;    /* the ground's triangle that is seen; valid while nothing is above it */
    struct color *pixels; /* linear light */
    float *mirror;        /* share of what is seen that is mirrored by water */
    uint8_t *truth;       /* enum truth */
};

struct camera {
    double position[3]; /* world x, y, z */
    float axes[3][3];   /* rows: right, down, forward, in world coordinates */
    float focal;        /* pixels */
    float center_x, center_y;
};

struct vertex {
    float x, y, z; /* camera space */
    float u, v;
};

struct planes {
    float nearness[3]; /* value = [0] * x + [1] * y + [2], at pixel positions */
    float u[3], v[3];  /* of u/z and v/z */
};

struct span {
    int y, from, to; /* pixels from <= x < to */
    const struct planes *planes;
};

/* Heading to the right of north, pitch up, roll clockwise as the driver sees it; radians. */
void camera_turn(struct camera *camera, double heading, double pitch, double roll);

struct vertex camera_see(const struct camera *camera, double x, double y, double z);

/* Calls `draw` for each span of the convex polygon that is on the canvas, unclipped by depth. */
void raster_polygon(struct canvas *canvas, const struct camera *camera,
                    const struct vertex *vertices, int count,
                    void (*draw)(struct canvas *canvas, const struct span *span, void *context),
                    void *context);

static inline float plane_at(const float plane[3], float x, float y)
{
    return plane[0] * x + plane[1] * y + plane[2];
}

#endif
