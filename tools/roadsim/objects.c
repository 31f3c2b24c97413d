/* What is to be drawn on top of the ground in one frame, and in which order. */
#include "scene.h"

#include <math.h>
#include <stdlib.h>

#define PROPS_AHEAD    420.0 /* metres */
#define PROPS_BEHIND   8.0
#define VEHICLES_AHEAD 380.0

enum { ITEMS_MAX = 1600 };

struct item {
    float distance;
    const struct prop *prop; /* or else */
    const struct vehicle *vehicle;
    double s;
};

static int far_first(const void *a, const void *b)
{
    const struct item *left = a, *right = b;

    if (left->distance != right->distance)
        return left->distance > right->distance ? -1 : 1;
    return (left->prop > right->prop) - (left->prop < right->prop);
}

/* ---- Rails ---------------------------------------------------------------------------------- */

/* A horizontal strip of a rail between two places along the road. */
static void rail_strip(struct frame_drawing *frame, const double ends[2][2], const double ground[2],
                       double low, double high, struct color color, const float normal[3])
{
    struct vertex seen[4];
    struct paint paint = {.frame = frame};
    struct vertex place;

    for (int i = 0; i < 4; i++) {
        int end = i == 1 || i == 2;

        seen[i] = camera_see(&frame->camera, ends[end][0], ground[end] + (i < 2 ? low : high),
                             ends[end][1]);
    }
    if (seen[0].z < 0 && seen[1].z < 0)
        return;
    place = seen[1];
    paint.color = color_times(color, light_on(frame, normal, &place, 0.8f));
    paint_polygon(frame, seen, 4, &paint);
}

static void draw_rail(struct frame_drawing *frame, int rail, double s, double next)
{
    static const struct color steel = {0.36f, 0.37f, 0.39f};
    static const struct {
        double low, high;
        float tone, up; /* how bright, and how far the normal looks up */
    } folds[] = {{0.45, 0.5, 0.9f, 0.5f},
                 {0.5, 0.56, 0.75f, -0.3f},
                 {0.56, 0.64, 0.6f, 0},
                 {0.64, 0.7, 0.95f, 0.5f},
                 {0.7, 0.76, 0.8f, -0.2f}};
    const struct road *road = &frame->scene->road;
    double t = (double)road->rails[rail].t, places[2] = {s, next}, ends[2][2], ground[2];
    float heading = (float)road_at(road, s).heading;
    float side = t > frame->state->t ? -1.0f : 1.0f;

    for (int i = 0; i < 2; i++) {
        struct road_point point = road_at(road, places[i]);

        ends[i][0] = point.x + t * cos(point.heading);
        ends[i][1] = point.z - t * sin(point.heading);
        ground[i] = point.height + (double)road_profile(road, (float)t);
    }
    for (int i = 0; i < 5; i++) {
        float flat = sqrtf(1 - folds[i].up * folds[i].up);
        float normal[3] = {side * flat * cosf(heading), folds[i].up, -side * flat * sinf(heading)};

        rail_strip(frame, (const double(*)[2])ends, ground, folds[i].low, folds[i].high,
                   color_scale(steel, folds[i].tone), normal);
    }
}

void rails_draw(struct frame_drawing *frame)
{
    static const struct color steel = {0.28f, 0.29f, 0.3f};
    const struct road *road = &frame->scene->road;

    for (int rail = 0; rail < road->rail_count; rail++) {
        double s = 4 * floor((frame->origin_s - 4) / 4);
        double end = fmin(frame->origin_s + 320, road->length);

        while (s < end) {
            /* Its joints stay where they are as the car moves. */
            bool near = s < frame->origin_s + 90 || fmod(s, 12) > 0.5;
            double next = fmin(s + (near ? 4 : 12), end);
            struct road_point point = road_at(road, s);
            double t = (double)road->rails[rail].t;
            struct pose pose;

            if (s >= 0 && (road->section_rails[road_section(road, s)] >> rail & 1)) {
                draw_rail(frame, rail, s, next);
                if (s < frame->origin_s + 90) {
                    pose = pose_upright(point.x + t * cos(point.heading),
                                        point.height + (double)road_profile(road, (float)t),
                                        point.z - t * sin(point.heading), point.heading);
                    block_draw(frame, &pose, 0.05, -0.2, 0.68, 0.06, steel, 0.8f);
                }
            }
            s = next;
        }
    }
}

/* ---- All of it ------------------------------------------------------------------------------ */

static size_t first_prop(const struct scenery *scenery, double s)
{
    size_t low = 0, high = scenery->prop_count;

    while (low < high) {
        size_t middle = (low + high) / 2;

        if (scenery->props[middle].s < s)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

void objects_draw(struct frame_drawing *frame)
{
    const struct scenery *scenery = &frame->scene->scenery;
    struct item items[ITEMS_MAX];
    int count = 0;

    rails_draw(frame);
    for (int i = 0; i < scenery->vehicle_count && count < ITEMS_MAX; i++) {
        const struct vehicle *vehicle = &scenery->vehicles[i];
        double s = vehicle_s(vehicle, frame->state->time, frame->state->s), x, z;

        if (s < frame->origin_s - 8 || s > frame->origin_s + VEHICLES_AHEAD ||
            s > frame->scene->road.length - 10)
            continue;
        road_to_world(&frame->scene->road, s, (double)vehicle->t, &x, &z);
        items[count++] =
            (struct item){.distance = camera_see(&frame->camera, x, frame->camera.position[1], z).z,
                          .vehicle = vehicle,
                          .s = s};
    }
    for (size_t i = first_prop(scenery, frame->origin_s - PROPS_BEHIND);
         i < scenery->prop_count && count < ITEMS_MAX; i++) {
        const struct prop *prop = &scenery->props[i];
        struct vertex seen;

        if (prop->s > frame->origin_s + PROPS_AHEAD)
            break;
        seen = camera_see(&frame->camera, prop->x, prop->y, prop->z);
        if (prop->kind < PROP_BUILDING && seen.z < 0.3f)
            continue;
        items[count++] = (struct item){.distance = seen.z, .prop = prop};
    }
    qsort(items, (size_t)count, sizeof(items[0]), far_first);
    for (int i = 0; i < count; i++) {
        if (items[i].prop)
            prop_draw(frame, items[i].prop);
        else
            vehicle_draw(frame, items[i].vehicle, items[i].s);
    }
}
