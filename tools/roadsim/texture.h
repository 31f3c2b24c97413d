/* Textures of one byte a texel that repeat, kept at every halving of either side. */
#ifndef ROADSIM_TEXTURE_H
#define ROADSIM_TEXTURE_H

#include "base/error.h"

#include <stdint.h>

#define TEXTURE_LEVELS 10

/*
 * texels[i][j] is halved i times along u and j times along v: a road seen at a flat angle needs
 * many metres along it averaged, but only centimetres across.
 */
struct texture {
    int width_bits, height_bits; /* of texels[0][0], powers of two */
    uint8_t *texels[TEXTURE_LEVELS][TEXTURE_LEVELS];
};

/* Adopts nothing: copies 2^width_bits x 2^height_bits texels and makes the halvings. */
int texture_make(struct texture *texture, int width_bits, int height_bits, const uint8_t *texels,
                 VbpError *error);
void texture_free(struct texture *texture);

/*
 * The texture at (u, v), in texels of the finest level, averaged over about footprint_u x
 * footprint_v texels; 0..1.
 */
float texture_sample(const struct texture *texture, float u, float v, float footprint_u,
                     float footprint_v);

/* What roads are painted with. */
struct texture_set {
    struct texture asphalt; /* grain: mean 0.5, u along the road */
    struct texture clouds;  /* soft, in many sizes, mean 0.5 */
    struct texture grass;   /* tufts, mean 0.5 */
};

int texture_set_make(struct texture_set *set, VbpError *error);
void texture_set_free(struct texture_set *set);

#endif
