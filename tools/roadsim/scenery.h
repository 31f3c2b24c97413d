/* What stands and moves beside and on the road, and the shadows that fall on it. */
#ifndef ROADSIM_SCENERY_H
#define ROADSIM_SCENERY_H

#include "road.h"
#include "weather.h"

enum prop_kind {
    PROP_TREE,     /* a sprite that faces the camera: size is its height */
    PROP_POST,     /* a marker post with a reflector */
    PROP_SIGN,     /* a plate on a pole */
    PROP_LAMP,     /* a street lamp */
    PROP_POLE,     /* a wooden pole */
    PROP_BUILDING, /* width along the road, depth across it, height of the walls */
    PROP_OVERPASS
};

struct prop {
    enum prop_kind kind;
    double s, t;
    double x, y, z; /* of its foot in the world */
    double heading;
    float width, depth, height;
    struct color color;
    int variant;
};

/* A vehicle drives at one speed, or keeps its distance ahead of the camera's car. */
struct vehicle {
    double s_start, speed; /* m/s along s, negative when it comes towards the camera */
    double gap, gap_swing, gap_rate, gap_phase; /* of the one ahead: metres, metres, 1/s, radians */
    bool ahead;
    float t;
    float length, width, height;
    struct color color;
    int model; /* enum vehicle_model */
};

enum vehicle_model { VEHICLE_SEDAN, VEHICLE_HATCHBACK, VEHICLE_VAN, VEHICLE_TRUCK, VEHICLE_MODELS };

enum { VEHICLES_MAX = 1000, SHADOW_LEVELS = 6 };

/* Share of sunlight that reaches the road, by place along and across it. */
struct shadow_map {
    float s_step, t_step, t_from;     /* metres */
    int width[SHADOW_LEVELS], height; /* cells along s (halved from level to level) and across */
    uint8_t *light[SHADOW_LEVELS];    /* row by row, a row runs along s; level 0 NULL: no shadows */
};

struct scenery {
    struct prop *props; /* ordered by s */
    size_t prop_count, prop_capacity;
    struct vehicle vehicles[VEHICLES_MAX];
    int vehicle_count;
    struct shadow_map shadows;
    float lamp_spacing; /* metres between street lamps; 0: none */
};

struct scenery_options {
    uint64_t seed;
    double traffic;                  /* 0 none .. 1 usual */
    double start_s, duration, speed; /* of the drive, to place traffic where it is met */
};

/* On failure *scenery is zeroed. */
int scenery_make(struct scenery *scenery, const struct road *road, const struct weather *weather,
                 const struct scenery_options *options, VbpError *error);
void scenery_free(struct scenery *scenery);

/* Where a vehicle is at a time, while the camera's car is at s. */
double vehicle_s(const struct vehicle *vehicle, double time, double s);

/* Makes the map for what stands there. Without sun there is none. */
int shadow_map_make(struct shadow_map *map, const struct road *road, const struct scenery *scenery,
                    const struct weather *weather, VbpError *error);
void shadow_map_free(struct shadow_map *map);

/* 0 dark .. 1 lit, averaged over about `footprint` metres along the road. */
float shadow_map_light(const struct shadow_map *map, float s, float t, float footprint);

#endif
