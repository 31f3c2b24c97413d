/*
 * The road: a line through the world with curvature and height, and what lies across it.
 *
 * World: x to the east, z to the north, y up, metres; a heading is measured from z towards x.
 * Road: s along the reference line, t across it, positive to the right; curvature 1/m, positive in
 * right-hand curves. Traffic keeps right.
 */
#ifndef ROADSIM_ROAD_H
#define ROADSIM_ROAD_H

#include "base/error.h"
#include "number.h"
#include "random.h"

#include <stdbool.h>
#include <stdint.h>

enum road_kind { ROAD_MOTORWAY, ROAD_COUNTRY, ROAD_SUBURBAN, ROAD_KINDS };

extern const char *const road_names[ROAD_KINDS];

#define ROAD_STEP 0.5 /* metres between points */

struct road_point {
    double x, z, heading, curvature, height;
};

enum surface {
    SURFACE_ASPHALT,
    SURFACE_CONCRETE,
    SURFACE_KERB,
    SURFACE_PAVING,
    SURFACE_GRAVEL,
    SURFACE_GRASS,
    SURFACE_FIELD
};

/* What covers the ground between t = from and to. Bands follow each other without gaps. */
struct band {
    float from, to;
    enum surface surface;
    bool carriageway;  /* the one that is driven on: its borders are the road's edges */
    float ragged_from; /* how far its borders wander, metres */
    float ragged_to;
};

/*
 * A painted line. The road changes its lines every SECTION_LENGTH metres: for each section and
 * each group a number in 0..1 is drawn, and the lines of the group whose range holds it are there.
 */
struct marking {
    float t, width;
    float dash, gap; /* metres; gap 0: solid */
    float phase;
    float wear; /* 0 fresh .. 1 nearly gone */
    bool yellow;
    int group;
    float share_from, share_to;
};

#define SECTION_LENGTH 140.0

/* A rail along the road, with posts. */
struct rail {
    float t;
    float share; /* of the sections that have it */
};

enum { BANDS_MAX = 16, MARKINGS_MAX = 12, COLUMNS_MAX = 28, RAILS_MAX = 4, LANES_MAX = 8 };

struct lane {
    float t;     /* its middle */
    bool coming; /* traffic comes towards the camera */
};

struct road {
    enum road_kind kind;
    struct road_point *points;
    int point_count;
    double length;

    double top_speed;  /* m/s, where it is straight */
    float lane_center; /* t of the driver's lane */
    float lane_width;
    float edge_left, edge_right; /* of the asphalt that is driven on */

    struct band bands[BANDS_MAX];
    int band_count;
    struct marking markings[MARKINGS_MAX];
    int marking_count;
    struct rail rails[RAILS_MAX];
    int rail_count;
    struct lane lanes[LANES_MAX];
    int lane_count;

    /* The shape of the ground across the road: heights above the reference line. */
    float column_t[COLUMNS_MAX], column_height[COLUMNS_MAX];
    int column_count;

    uint32_t *section_markings; /* for each section, bit i: marking i is there */
    uint32_t *section_rails;
    int section_count;
    float asphalt_tone;   /* albedo */
    float asphalt_warmth; /* -1 bluish .. 1 brownish */
    float patchiness;     /* how much it was repaired, 0..1 */
    float cracks;         /* 0..1 */
    float hilliness;      /* metres */
    uint32_t salt;        /* for hashes by place */
};

/* A road of at least `length` metres. On failure *road is zeroed. */
int road_make(struct road *road, enum road_kind kind, double length, uint64_t seed,
              VbpError *error);

/* The same cross section along a level road of one curvature: for tests. */
int road_make_constant(struct road *road, enum road_kind kind, double length, double curvature,
                       uint64_t seed, VbpError *error);
void road_free(struct road *road);

/* The reference line at s, which is held within the road. */
struct road_point road_at(const struct road *road, double s);

/* The section that s is in. */
int road_section(const struct road *road, double s);

/* Where (s, t) is in the world. */
void road_to_world(const struct road *road, double s, double t, double *x, double *z);

/* The height of the ground above the reference line, without hills beside the road. */
float road_profile(const struct road *road, float t);

/* The height of the hills beside the road at a place in the world that is t away from the line. */
float road_hills(const struct road *road, float t, double x, double z);

/* The height of the ground in the world. */
double road_ground(const struct road *road, double s, double t);

/* How far out, on the side of t's sign, places can be before the bend's middle is reached. */
float road_reach(const struct road *road, double s, float t);

/* Draws the cross section of a road whose kind is set. */
void road_draw_section(struct road *road, struct random *random);

#endif
