/* Pictures of trees and bushes, drawn once, at several sizes. */
#ifndef ROADSIM_SPRITE_H
#define ROADSIM_SPRITE_H

#include "base/error.h"
#include "weather.h"

#include <stdint.h>

enum {
    SPRITE_TREE = 0,
    SPRITE_TREES = 6,
    SPRITE_CONIFER = SPRITE_TREE + SPRITE_TREES,
    SPRITE_CONIFERS = 3,
    SPRITE_BUSH = SPRITE_CONIFER + SPRITE_CONIFERS,
    SPRITE_BUSHES = 3,
    SPRITE_COUNT = SPRITE_BUSH + SPRITE_BUSHES,
    SPRITE_SIDE = 256,
    SPRITE_LEVELS = 7
};

/* Red, green, blue (albedo, square root) times alpha, and alpha; lit from the upper right. */
struct sprite {
    uint8_t *texels[SPRITE_LEVELS]; /* SPRITE_SIDE >> level squared, 4 bytes each */
};

struct sprite_set {
    struct sprite sprites[SPRITE_COUNT];
};

int sprite_set_make(struct sprite_set *set, VbpError *error);
void sprite_set_free(struct sprite_set *set);

/* Width over height of what is in the picture. */
float sprite_aspect(int sprite);

/* Colour and alpha at (u, v) in 0..1 from the upper left; footprint in texels. */
struct color sprite_sample(const struct sprite *sprite, float u, float v, float footprint,
                           float *alpha);

#endif
