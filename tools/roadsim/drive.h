/* A drive: a scene and how the car moves through it, drawn from a seed. */
#ifndef ROADSIM_DRIVE_H
#define ROADSIM_DRIVE_H

#include "scene.h"

#define DRIVE_ANY (-1) /* of roads or weathers: the seed chooses */

struct drive_options {
    uint64_t seed;
    int frames;
    double fps;
    int road;    /* enum road_kind or DRIVE_ANY */
    int weather; /* enum weather_kind or DRIVE_ANY */
    double traffic, disturbance;
};

struct drive {
    struct scene scene;
    struct driver_state *states; /* one for each frame */
    int frames;
    double fps;
};

int art_make(struct art *art, VbpError *error);
void art_free(struct art *art);

/* art has to live longer than the drive. On failure *drive is zeroed. */
int drive_make(struct drive *drive, const struct art *art, const struct drive_options *options,
               VbpError *error);
void drive_free(struct drive *drive);

#endif
