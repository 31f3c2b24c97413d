/* The mask over the part of the frame that the network saw. */
#ifndef VBP_DRAW_OVERLAY_H
#define VBP_DRAW_OVERLAY_H

#include "draw/colormap.h"

struct overlay_options {
    enum colormap map;
    float opacity;   /* 0..1: share of the colour where the mask is 1 */
    float threshold; /* 0..1: mask values up to this are left alone */
};

/* The defaults: ember, opacity 0.75, threshold where noise ends. */
struct overlay_options overlay_default_options(void);

/*
 * What a mask value looks like: a colour from the upper part of the map, with an alpha that rises
 * smoothly from 0 at the threshold to the opacity at 1. Also for legends.
 */
struct color overlay_color(const struct overlay_options *options, float value);

/*
 * An overlay prepared for one geometry: mask size, crop and frame size. It maps mask to frame
 * exactly: mask cell (i, j) lies over the frame pixels that became input pixel (i, j), i.e. over
 * [crop.x + j * crop.width / mask_width, ...), and between cell centres the mask is interpolated
 * bilinearly.
 */
struct overlay;
int overlay_create(struct overlay **overlay, int mask_height, int mask_width, VbpRectangle crop,
                   int frame_width, int frame_height, VbpError *error);
void overlay_destroy(struct overlay **overlay);

/*
 * Blends the mask (mask_height x mask_width floats, 0..1) into the surface, which must have the
 * frame size the overlay was made for (else nothing is drawn), in the colours of overlay_color. NaN
 * counts as 0. Allocates nothing.
 */
void overlay_draw(struct overlay *overlay, struct surface *surface, const float *mask,
                  const struct overlay_options *options);

/* A thin box just inside the crop rectangle, nothing where the crop is the whole frame. */
void overlay_draw_crop(struct surface *surface, VbpRectangle crop);

#endif
