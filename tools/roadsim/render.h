/* A frame of a scene as bytes: drawing, and the sensor that takes the picture. */
#ifndef ROADSIM_RENDER_H
#define ROADSIM_RENDER_H

#include "scene.h"

/* One thread's canvas. */
struct renderer;

/* Pictures of width x height, from samples x samples points in each pixel. */
int renderer_create(struct renderer **renderer, int width, int height, int samples,
                    VbpError *error);
void renderer_destroy(struct renderer **renderer);

/*
 * Draws the scene as the camera `side` metres right of the middle one sees it. rgb: width x height
 * x 3 bytes; truth: width x height bytes of enum truth, may be NULL. The same arguments give the
 * same bytes, whatever was drawn before.
 */
void renderer_draw(struct renderer *renderer, const struct scene *scene,
                   const struct driver_state *state, double side, int frame_number, uint8_t *rgb,
                   uint8_t *truth);

#endif
