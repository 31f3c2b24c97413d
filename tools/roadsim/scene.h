/* A drive's world, and one frame of it while it is drawn. */
#ifndef ROADSIM_SCENE_H
#define ROADSIM_SCENE_H

#include "driver.h"
#include "raster.h"
#include "scenery.h"
#include "sprite.h"
#include "texture.h"

/* How the camera sits in the car. Radians, metres. */
struct camera_mount {
    double height, forward; /* above the road, ahead of the rear axle */
    double pitch, yaw, roll;
    double view; /* horizontal angle of view */
};

/* Pictures that all drives share. */
struct art {
    struct texture_set textures;
    struct sprite_set sprites;
};

enum { RIDGES = 1024 }; /* directions in which the hills on the horizon are kept */

struct scene {
    const struct art *art;
    struct road road;
    struct weather weather;
    struct scenery scenery;
    struct camera_mount mount;
    float ridges[2][RIDGES]; /* slope under which the far and the near hills are seen */
    double side_cameras;     /* metres from the middle one to each side */
    uint64_t seed;
};

enum { DECALS_MAX = 24 };

/* A vehicle's shadow. */
struct decal {
    float s, t, half_length, half_width; /* s from the frame's origin */
    float shift_s, shift_t;              /* where the sun pushes its roof's shadow */
};

/* What the functions that draw one frame share. */
struct frame_drawing {
    const struct scene *scene;
    const struct driver_state *state;
    struct canvas canvas;
    struct camera camera;
    double origin_s;    /* s in triangles is counted from here */
    float camera_up;    /* metres above the road */
    float camera_right; /* metres right of the car's middle */
    struct planes *triangles;
    int triangle_count, triangle_capacity;
    struct decal decals[DECALS_MAX];
    int decal_count;
};

/* Light that falls on a surface with that normal (world) at that place (camera space). */
struct color light_on(const struct frame_drawing *frame, const float normal[3],
                      const struct vertex *place, float sun_share);

/* What one's own headlights give at a place in camera space. */
float headlight_at(const struct frame_drawing *frame, float x, float y, float z);

/* What street lamps give at (s, t). */
float street_light_at(const struct scene *scene, float s, float t);

/* The colour seen through `distance` metres of air. */
struct color through_air(const struct weather *weather, struct color color, float distance);

/* What is seen in a direction of the world above the ground, and what lies far off below. */
struct color sky_color(const struct scene *scene, float x, float y, float z, float footprint);
void ridges_draw(struct scene *scene);

/* Fills the canvas with ground and sky. */
void ground_draw(struct frame_drawing *frame);

/* The most triangles that ground_draw needs. */
int ground_triangles_most(void);

/* Everything that stands or drives, the far before the near. */
void objects_draw(struct frame_drawing *frame);

/* ---- Parts for objects ---- */

/* One colour with light and air already in it where `lit`; else air is added pixel by pixel. */
struct paint {
    const struct frame_drawing *frame;
    struct color color;
    enum truth truth;
    bool in_air; /* the colour already holds the air */
};

void paint_polygon(struct frame_drawing *frame, const struct vertex *vertices, int count,
                   const struct paint *paint);

/* A place with directions of its own: right, up, forward, in world coordinates. */
struct pose {
    double origin[3];
    double right[3], up[3], forward[3];
};

/* Upright, looking along a heading. */
struct pose pose_upright(double x, double y, double z, double heading);

struct vertex pose_see(const struct frame_drawing *frame, const struct pose *pose, double right,
                       double up, double forward);

/* A flat convex polygon in a pose's coordinates, lit by its own normal. */
void face_draw(struct frame_drawing *frame, const struct pose *pose, const double (*corners)[3],
               int count, struct color color, float sun_share, enum truth truth);

/* A block from (-x, y0, -z) to (x, y1, z). */
void block_draw(struct frame_drawing *frame, const struct pose *pose, double x, double y0,
                double y1, double z, struct color color, float sun_share);

/* A shining point with a halo. size: metres. */
void glow_draw(struct frame_drawing *frame, const struct vertex *place, struct color color,
               float size);

void vehicle_draw(struct frame_drawing *frame, const struct vehicle *vehicle, double s);
void prop_draw(struct frame_drawing *frame, const struct prop *prop);
void rails_draw(struct frame_drawing *frame);

#endif
