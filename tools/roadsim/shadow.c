/* The map of what keeps the sun from the road. */
#include "base/memory.h"
#include "scenery.h"

#include <math.h>
#include <string.h>

#define SHADOW_STEP  0.25f /* metres */
#define SHADOW_REACH 18.0f /* metres to either side of the line */
#define SHADOW_LONG  45.0  /* metres, the longest shadow that is drawn */

/* Takes light away at (s, t). */
static void shade(struct shadow_map *map, int column, int row, float share)
{
    uint8_t *cell = map->light[0] + (size_t)row * (size_t)map->width[0] + column;

    *cell = (uint8_t)((float)*cell * (1 - share));
}

/* The sun as the road at one place sees it. */
struct slant {
    double along, across; /* metres that a shadow moves for each metre of height */
};

static struct slant slant_at(const struct road *road, const struct weather *weather, double s)
{
    double heading = road_at(road, s).heading;
    double x = (double)weather->sun_direction[0], z = (double)weather->sun_direction[2];
    double rise = fmax((double)weather->sun_direction[1], 0.05);

    return (struct slant){-(x * sin(heading) + z * cos(heading)) / rise,
                          -(x * cos(heading) - z * sin(heading)) / rise};
}

/*
 * Shades an ellipse around (s, t): `across` and `along` are its half axes, `along` lies in the
 * direction (cs, ct). `hole` lets light through leaves.
 */
static void shade_ellipse(struct shadow_map *map, double s, double t, double along, double across,
                          double cs, double ct, float strength, bool leaves, uint32_t salt)
{
    double reach_s = fabs(cs) * along + fabs(ct) * across;
    double reach_t = fabs(ct) * along + fabs(cs) * across;
    int column_from = (int)fmax(0, floor((s - reach_s) / (double)map->s_step));
    int column_to = (int)fmin(map->width[0] - 1, ceil((s + reach_s) / (double)map->s_step));
    int row_from = (int)fmax(0, floor((t - reach_t - (double)map->t_from) / (double)map->t_step));
    int row_to =
        (int)fmin(map->height - 1, ceil((t + reach_t - (double)map->t_from) / (double)map->t_step));

    for (int row = row_from; row <= row_to; row++) {
        for (int column = column_from; column <= column_to; column++) {
            double ds = (column + 0.5) * (double)map->s_step - s;
            double dt = (row + 0.5) * (double)map->t_step + (double)map->t_from - t;
            double a = (ds * cs + dt * ct) / along, b = (dt * cs - ds * ct) / across;
            double inside = 1 - (a * a + b * b);
            float x = (float)(s + ds), y = (float)(t + dt), dapple = 0.5f, share;

            if (inside <= -0.4)
                continue;
            if (leaves) {
                dapple = 0.6f * smooth_noise(x * 1.1f, y * 1.1f, salt) +
                         0.4f * smooth_noise(x * 2.6f, y * 2.6f, salt + 1);
                /* Ragged outline, holes within. */
                share = ((float)inside * 0.9f + dapple - 0.42f) * 4;
            } else {
                share = (float)inside * 6;
            }
            share = least(most(share, 0), 1) * strength;
            if (share > 0)
                shade(map, column, row, share);
        }
    }
}

/* Shades what a wall-sided block casts: its footprint, pushed along the slant. */
static void shade_block(struct shadow_map *map, const struct slant *slant, double s, double t,
                        double half_s, double half_t, double from_height, double to_height)
{
    for (int row = 0; row < map->height; row++) {
        double ct = (row + 0.5) * (double)map->t_step + (double)map->t_from - t;
        int column_from, column_to;
        double low = from_height, high = to_height, s_low, s_high;

        /* The heights at which the pushed footprint covers this row. */
        if (fabs(slant->across) > 1e-6) {
            double a = (ct - half_t) / slant->across, b = (ct + half_t) / slant->across;

            low = fmax(low, fmin(a, b));
            high = fmin(high, fmax(a, b));
        } else if (fabs(ct) > half_t) {
            continue;
        }
        if (low > high)
            continue;
        s_low = s - half_s + fmin(low * slant->along, high * slant->along);
        s_high = s + half_s + fmax(low * slant->along, high * slant->along);
        column_from = (int)fmax(0, floor(s_low / (double)map->s_step));
        column_to = (int)fmin(map->width[0] - 1, floor(s_high / (double)map->s_step));
        for (int column = column_from; column <= column_to; column++)
            shade(map, column, row, 1);
    }
}

static void shade_tree(struct shadow_map *map, const struct slant *slant, const struct prop *tree)
{
    double length = hypot(slant->along, slant->across), cs = 1, ct = 0;
    double crown = (double)tree->height * 0.6, half = (double)tree->width * 0.48;
    double lift = fmin(length * crown, SHADOW_LONG);

    if (length > 1e-6) {
        cs = slant->along / length;
        ct = slant->across / length;
    }
    shade_ellipse(map, tree->s + cs * lift, tree->t + ct * lift,
                  hypot(half, fmin(length * (double)tree->height * 0.38, SHADOW_LONG)), half, cs,
                  ct, 0.93f, true, (uint32_t)(tree->s * 100));
    /* The trunk. */
    shade_ellipse(map, tree->s + cs * lift / 2, tree->t + ct * lift / 2, lift / 2 + 0.3, 0.25, cs,
                  ct, 0.8f, false, 0);
}

static void shade_prop(struct shadow_map *map, const struct road *road,
                       const struct weather *weather, const struct prop *prop)
{
    struct slant slant = slant_at(road, weather, prop->s);
    double length = hypot(slant.along, slant.across);

    /* Shadows longer than that end there: the road bends away from under them. */
    if (length * (double)prop->height > SHADOW_LONG && prop->kind != PROP_TREE) {
        double cut = SHADOW_LONG / (length * (double)prop->height);

        slant.along *= cut;
        slant.across *= cut;
    }
    switch (prop->kind) {
    case PROP_TREE:
        shade_tree(map, &slant, prop);
        break;
    case PROP_BUILDING:
        shade_block(map, &slant, prop->s, prop->t, (double)prop->width / 2, (double)prop->depth / 2,
                    0, (double)prop->height + 1.5);
        break;
    case PROP_OVERPASS:
        shade_block(map, &slant, prop->s, 0, (double)prop->width / 2, (double)prop->depth / 2,
                    (double)prop->height, (double)prop->height + 1.6);
        break;
    case PROP_LAMP:
    case PROP_POLE:
        shade_block(map, &slant, prop->s, prop->t, 0.1, 0.14, 0, (double)prop->height);
        break;
    default:
        break;
    }
}

static void halve(const uint8_t *from, int from_width, uint8_t *to, int to_width, int height)
{
    for (int row = 0; row < height; row++) {
        for (int column = 0; column < to_width; column++) {
            const uint8_t *pair = from + (size_t)row * (size_t)from_width + 2 * column;

            to[(size_t)row * (size_t)to_width + (size_t)column] =
                (uint8_t)((pair[0] + pair[2 * column + 1 < from_width] + 1) / 2);
        }
    }
}

int shadow_map_make(struct shadow_map *map, const struct road *road, const struct scenery *scenery,
                    const struct weather *weather, VbpError *error)
{
    memset(map, 0, sizeof(*map));
    if (weather->sun.red <= 0)
        return VBP_OK;
    map->s_step = map->t_step = SHADOW_STEP;
    map->t_from = -SHADOW_REACH;
    map->height = (int)(2 * SHADOW_REACH / SHADOW_STEP);
    map->width[0] = (int)(road->length / (double)SHADOW_STEP) + 1;
    for (int level = 0; level < SHADOW_LEVELS; level++) {
        if (level > 0)
            map->width[level] = (map->width[level - 1] + 1) / 2;
        map->light[level] = memory_array((size_t)map->width[level], (size_t)map->height);
        if (!map->light[level]) {
            shadow_map_free(map);
            return error_out_of_memory(error);
        }
    }
    memset(map->light[0], 255, (size_t)map->width[0] * (size_t)map->height);
    for (size_t i = 0; i < scenery->prop_count; i++)
        shade_prop(map, road, weather, &scenery->props[i]);
    for (int level = 1; level < SHADOW_LEVELS; level++)
        halve(map->light[level - 1], map->width[level - 1], map->light[level], map->width[level],
              map->height);
    return VBP_OK;
}

void shadow_map_free(struct shadow_map *map)
{
    for (int level = 0; level < SHADOW_LEVELS; level++)
        free(map->light[level]);
    memset(map, 0, sizeof(*map));
}

static int clamp(int value, int most)
{
    return value < 0 ? 0 : value > most ? most : value;
}

float shadow_map_light(const struct shadow_map *map, float s, float t, float footprint)
{
    int level = 0, column, row, next_column, next_row, width;
    float x, y, top, bottom;
    const uint8_t *light;

    if (!map->light[0])
        return 1;
    y = (t - map->t_from) / map->t_step - 0.5f;
    if (y < 0 || y > (float)(map->height - 1))
        return 1;
    footprint /= map->s_step;
    for (; footprint > 1.42f && level < SHADOW_LEVELS - 1; level++)
        footprint *= 0.5f;
    width = map->width[level];
    light = map->light[level];
    x = s / (map->s_step * (float)(1 << level)) - 0.5f;
    column = floor_to_int(x);
    row = floor_to_int(y);
    x -= (float)column;
    y -= (float)row;
    next_column = clamp(column + 1, width - 1);
    column = clamp(column, width - 1);
    next_row = clamp(row + 1, map->height - 1) * width;
    row *= width;
    top = light[row + column] + (float)(light[row + next_column] - light[row + column]) * x;
    bottom = light[next_row + column] +
             (float)(light[next_row + next_column] - light[next_row + column]) * x;
    return (top + (bottom - top) * y) * (1 / 255.0f);
}
