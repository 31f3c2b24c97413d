#include "scenery.h"

#include "base/memory.h"
#include "sprite.h"

#include <math.h>
#include <string.h>

/* What is being placed, where. */
struct placing {
    struct scenery *scenery;
    const struct road *road;
    struct random random;
    bool good; /* no allocation failed */
};

static struct prop *add_prop(struct placing *placing, enum prop_kind kind, double s, double t)
{
    struct scenery *scenery = placing->scenery;
    struct prop *prop;

    if (!memory_grow((void **)&scenery->props, &scenery->prop_capacity, scenery->prop_count + 1,
                     sizeof(*scenery->props))) {
        placing->good = false;
        return NULL;
    }
    prop = &scenery->props[scenery->prop_count++];
    *prop = (struct prop){.kind = kind, .s = s, .t = t};
    road_to_world(placing->road, s, t, &prop->x, &prop->z);
    prop->y = road_ground(placing->road, s, t);
    prop->heading = road_at(placing->road, s).heading;
    return prop;
}

/* ---- Trees ---------------------------------------------------------------------------------- */

static void add_tree(struct placing *placing, double s, double t, double height, int first,
                     int count)
{
    struct random *random = &placing->random;
    const struct road *road = placing->road;
    struct prop *tree;
    float tint;

    if ((double)road_reach(road, s, (float)t) != (double)(float)t)
        return;
    tree = add_prop(placing, PROP_TREE, s, t);
    if (!tree)
        return;
    tint = (float)random_between(random, 0.75, 1.15);
    tree->height = (float)height;
    tree->variant = first + random_below(random, count);
    tree->width =
        (float)(height * random_between(random, 0.85, 1.2)) * sprite_aspect(tree->variant);
    tree->color = (struct color){tint * (float)random_between(random, 0.85, 1.2), tint,
                                 tint * (float)random_between(random, 0.8, 1.1)};
}

enum growth { GROWTH_OPEN, GROWTH_SPARSE, GROWTH_FOREST, GROWTH_ROW, GROWTH_HEDGE };

static enum growth draw_growth(struct random *random, enum road_kind kind)
{
    double share = random_between(random, 0, 1);

    if (kind == ROAD_SUBURBAN)
        return share < 0.4 ? GROWTH_SPARSE : share < 0.8 ? GROWTH_ROW : GROWTH_HEDGE;
    if (share < 0.18)
        return GROWTH_OPEN;
    if (share < 0.45)
        return GROWTH_SPARSE;
    if (share < 0.75)
        return GROWTH_FOREST;
    return share < 0.88 && kind == ROAD_COUNTRY ? GROWTH_ROW : GROWTH_HEDGE;
}

/* What is planted in a strip beside the road: ranges in metres. */
struct planting {
    double step_least, step_most; /* along the road */
    double out_least, out_most;   /* beyond the nearest that may be */
    double least_height, most_height;
    int first, count; /* sprites */
};

static void plant(struct placing *placing, double s, double end, int side, double near,
                  const struct planting *planting)
{
    struct random *random = &placing->random;

    while (s < end) {
        double out = random_between(random, planting->out_least, planting->out_most);
        double height = random_between(random, planting->least_height, planting->most_height);

        add_tree(placing, s, side * (near + out), height, planting->first, planting->count);
        s += random_between(random, planting->step_least, planting->step_most);
    }
}

/* Plants on one side from s to end. `near` is the least distance from the line. */
static void grow(struct placing *placing, enum growth growth, double s, double end, int side,
                 double near, bool conifers)
{
    static const struct planting forest[] = {{2.2, 4.2, 3, 8, 6, 13, SPRITE_TREE, SPRITE_TREES},
                                             {2.2, 4.2, 8, 22, 10, 18, SPRITE_TREE, SPRITE_TREES},
                                             {2.2, 4.2, 22, 50, 12, 22, SPRITE_TREE, SPRITE_TREES}},
                                 undergrowth = {4, 9, 1.5, 4, 1, 2.5, SPRITE_BUSH, SPRITE_BUSHES},
                                 hedge = {1.3, 1.3, 3.6, 4.4, 1.4, 2.4, SPRITE_BUSH, SPRITE_BUSHES},
                                 near_ones = {12, 40, 3, 15, 5, 12, SPRITE_TREE, SPRITE_TREES},
                                 single = {8, 40, 12, 45, 6, 14, SPRITE_TREE, SPRITE_TREES},
                                 far = {5, 15, 55,          110,
                                        8, 16, SPRITE_TREE, SPRITE_TREES + SPRITE_CONIFERS};
    struct planting row = {8, 8, 2.2, 2.2, 8, 12, SPRITE_TREE, SPRITE_TREES}, kind;

    switch (growth) {
    case GROWTH_FOREST:
        for (int i = 0; i < 3; i++) {
            kind = forest[i];
            if (conifers) {
                kind.first = SPRITE_CONIFER;
                kind.count = SPRITE_CONIFERS;
            }
            plant(placing, s, end, side, near, &kind);
        }
        plant(placing, s, end, side, near, &undergrowth);
        return;
    case GROWTH_ROW:
        row.step_least = row.step_most = random_between(&placing->random, 7, 13);
        plant(placing, s, end, side, near, &row);
        break;
    case GROWTH_HEDGE:
        plant(placing, s, end, side, near, &hedge);
        break;
    case GROWTH_SPARSE:
        plant(placing, s, end, side, near, &near_ones);
        plant(placing, s, end, side, near, &single);
        break;
    case GROWTH_OPEN:
        break;
    }
    /* Far off there are always some. */
    plant(placing, end - 60, end, side, near, &far);
}

static void place_trees(struct placing *placing)
{
    const struct road *road = placing->road;
    static const double margin[ROAD_KINDS] = {6, 1.8, 2.6};

    for (int side = -1; side <= 1; side += 2) {
        double edge = side > 0 ? (double)road->edge_right : -(double)road->edge_left;
        double s = 0;

        if (road->kind == ROAD_MOTORWAY && side < 0)
            edge = -(double)road->bands[1].to;
        while (s < road->length) {
            double end = s + random_between(&placing->random, 50, 160);
            enum growth growth = draw_growth(&placing->random, road->kind);
            bool conifers = random_chance(&placing->random, 0.35);

            grow(placing, growth, s, end, side, edge + margin[road->kind], conifers);
            s = end;
        }
    }
}

/* ---- Things made by people ------------------------------------------------------------------- */

static void place_posts(struct placing *placing)
{
    const struct road *road = placing->road;
    double out = road->kind == ROAD_MOTORWAY ? 1.2 : 0.9;

    if (road->kind == ROAD_SUBURBAN || random_chance(&placing->random, 0.3))
        return;
    for (int i = 0; 10 + i * 50 < road->length; i++) {
        double s = 10 + i * 50;

        add_prop(placing, PROP_POST, s, (double)road->edge_right + out);
        if (road->kind == ROAD_COUNTRY)
            add_prop(placing, PROP_POST, s, (double)road->edge_left - out);
    }
}

static void place_signs(struct placing *placing)
{
    const struct road *road = placing->road;
    struct random *random = &placing->random;
    double s = random_between(random, 20, 200);

    while (s < road->length) {
        struct prop *sign = add_prop(placing, PROP_SIGN, s,
                                     (double)road->edge_right + random_between(random, 1.2, 2.2));

        if (!sign)
            return;
        sign->variant = random_below(random, 4);
        sign->height = road->kind == ROAD_MOTORWAY ? 2.6f : 2.1f;
        sign->width = road->kind == ROAD_MOTORWAY ? 3.0f : 0.75f;
        if (road->kind == ROAD_MOTORWAY)
            sign->t += 2.5;
        road_to_world(road, sign->s, sign->t, &sign->x, &sign->z);
        s += random_between(random, 60, 420);
    }
}

static void place_poles(struct placing *placing)
{
    const struct road *road = placing->road;
    int side = random_chance(&placing->random, 0.5) ? 1 : -1;
    double edge = side > 0 ? (double)road->edge_right : -(double)road->edge_left;

    if (road->kind == ROAD_SUBURBAN) {
        placing->scenery->lamp_spacing = 32;
        for (int i = 0; i * 32 < road->length; i++) {
            struct prop *lamp = add_prop(placing, PROP_LAMP, i * 32,
                                         (i % 2 ? 1 : -1) * ((double)road->edge_right + 0.7));

            if (lamp)
                lamp->height = 7;
        }
    } else if (road->kind == ROAD_COUNTRY && random_chance(&placing->random, 0.5)) {
        for (int i = 0; 15 + i * 45 < road->length; i++) {
            struct prop *pole = add_prop(placing, PROP_POLE, 15 + i * 45, side * (edge + 4.5));

            if (pole)
                pole->height = 8;
        }
    }
}

static void add_building(struct placing *placing, double s, double t)
{
    static const struct color walls[] = {{0.62f, 0.58f, 0.5f}, {0.7f, 0.69f, 0.66f},
                                         {0.5f, 0.26f, 0.18f}, {0.6f, 0.5f, 0.34f},
                                         {0.45f, 0.47f, 0.5f}, {0.36f, 0.2f, 0.15f}};
    struct random *random = &placing->random;
    struct prop *building;

    if ((double)road_reach(placing->road, s, (float)(t * 1.25)) != (double)(float)(t * 1.25))
        return;
    building = add_prop(placing, PROP_BUILDING, s, t);
    if (!building)
        return;
    building->width = (float)random_between(random, 9, 15);
    building->depth = (float)random_between(random, 7, 10);
    building->height = random_chance(random, 0.5) ? 3.2f : 5.8f;
    building->color = walls[random_below(random, 6)];
    building->variant = random_below(random, 3);
    building->heading += random_between(random, -0.04, 0.04);
}

static void place_buildings(struct placing *placing)
{
    const struct road *road = placing->road;
    struct random *random = &placing->random;

    if (road->kind == ROAD_MOTORWAY)
        return;
    for (int side = -1; side <= 1; side += 2) {
        bool town = road->kind == ROAD_SUBURBAN;
        double s = random_between(random, 0, 30);

        while (s < road->length) {
            double out = town ? random_between(random, 10, 14) : random_between(random, 18, 40);

            add_building(placing, s, side * ((double)road->edge_right + out));
            s += town ? random_between(random, 17, 30) : random_between(random, 150, 600);
        }
    }
}

static void place_overpasses(struct placing *placing)
{
    const struct road *road = placing->road;
    struct random *random = &placing->random;
    double s = random_between(random, 100, 1200);

    if (road->kind == ROAD_SUBURBAN)
        return;
    while (s < road->length) {
        struct prop *bridge = add_prop(placing, PROP_OVERPASS, s, 0);

        if (!bridge)
            return;
        bridge->y = road_at(road, s).height;
        bridge->width = (float)random_between(random, 7, 13);
        bridge->depth = 90;
        bridge->height = (float)random_between(random, 5.2, 6.5);
        bridge->color = color_scale((struct color){0.42f, 0.41f, 0.39f},
                                    (float)random_between(random, 0.8, 1.2));
        s += random_between(random, 500, 2600);
    }
}

/* ---- Traffic -------------------------------------------------------------------------------- */

static struct vehicle *add_vehicle(struct placing *placing, float t)
{
    static const struct color paints[] = {
        {0.7f, 0.7f, 0.7f},   {0.03f, 0.03f, 0.035f}, {0.35f, 0.36f, 0.38f},
        {0.4f, 0.03f, 0.03f}, {0.04f, 0.09f, 0.28f},  {0.16f, 0.17f, 0.18f},
        {0.75f, 0.74f, 0.7f}, {0.1f, 0.2f, 0.12f},    {0.5f, 0.42f, 0.3f}};
    static const float sizes[VEHICLE_MODELS][3] = {
        {4.6f, 1.82f, 1.45f}, {4.1f, 1.78f, 1.52f}, {5.3f, 2.0f, 2.3f}, {9.5f, 2.5f, 3.7f}};
    struct random *random = &placing->random;
    struct vehicle *vehicle;
    double share = random_between(random, 0, 1);

    if (placing->scenery->vehicle_count == VEHICLES_MAX)
        return NULL;
    vehicle = &placing->scenery->vehicles[placing->scenery->vehicle_count++];
    *vehicle = (struct vehicle){.t = t};
    vehicle->model = share < 0.45   ? VEHICLE_SEDAN
                     : share < 0.75 ? VEHICLE_HATCHBACK
                     : share < 0.9  ? VEHICLE_VAN
                                    : VEHICLE_TRUCK;
    vehicle->length = sizes[vehicle->model][0];
    vehicle->width = sizes[vehicle->model][1];
    vehicle->height = sizes[vehicle->model][2];
    vehicle->color = paints[random_below(random, 9)];
    return vehicle;
}

static void place_traffic(struct placing *placing, const struct scenery_options *options)
{
    const struct road *road = placing->road;
    struct random *random = &placing->random;
    double reach = options->duration * options->speed;

    for (int i = 0; i < road->lane_count; i++) {
        const struct lane *lane = &road->lanes[i];
        bool own = !lane->coming && fabsf(lane->t - road->lane_center) < 0.5f;
        /* All vehicles of a lane drive alike, so that none runs into another. */
        double speed = options->speed * random_between(random, 0.85, 1.2) * (lane->coming ? -1 : 1);
        double drift = speed * options->duration;
        double headway = random_between(random, 35, 260) / fmax(options->traffic, 0.01);
        double low = options->start_s - 30 - fmax(drift, 0) + fmin(reach, 0);
        double high = options->start_s + reach + 400 - fmin(drift, 0);
        double s = low + random_between(random, 0, headway);

        if (own || options->traffic <= 0)
            continue;
        while (s < high) {
            struct vehicle *vehicle = add_vehicle(placing, lane->t);

            if (!vehicle)
                return;
            vehicle->s_start = s;
            vehicle->speed = speed;
            vehicle->t += (float)random_between(random, -0.2, 0.2);
            s += 16 + random_between(random, 0.2, 1.8) * headway;
        }
    }
    if (options->traffic > 0 && random_chance(random, 0.6 * fmin(options->traffic, 1.6))) {
        struct vehicle *vehicle = add_vehicle(placing, road->lane_center);

        if (!vehicle)
            return;
        vehicle->ahead = true;
        vehicle->gap = 14 + options->speed * random_between(random, 0.7, 2.4);
        vehicle->gap_swing = vehicle->gap * random_between(random, 0.05, 0.3);
        vehicle->gap_rate = random_between(random, 0.1, 0.35);
        vehicle->gap_phase = random_between(random, 0, 2 * M_PI);
    }
}

static void park_vehicles(struct placing *placing)
{
    const struct road *road = placing->road;
    struct random *random = &placing->random;

    if (road->kind != ROAD_SUBURBAN || road->edge_right - road->lane_width < 1.5f)
        return;
    for (int side = -1; side <= 1; side += 2) {
        double s = random_between(random, 0, 40);

        while (s < road->length) {
            struct vehicle *vehicle =
                add_vehicle(placing, (float)side * (road->edge_right - 1.05f));

            if (!vehicle)
                return;
            if (vehicle->model == VEHICLE_TRUCK) {
                vehicle->model = VEHICLE_SEDAN;
                vehicle->length = 4.5f;
                vehicle->width = 1.8f;
                vehicle->height = 1.45f;
            }
            vehicle->s_start = s;
            vehicle->speed = side * 1e-9; /* which way it looks */
            s += random_between(random, 6, 60);
        }
    }
}

double vehicle_s(const struct vehicle *vehicle, double time, double s)
{
    if (vehicle->ahead)
        return s + vehicle->gap +
               vehicle->gap_swing * sin(vehicle->gap_rate * time + vehicle->gap_phase);
    return vehicle->s_start + vehicle->speed * time;
}

/* ---- All of it ------------------------------------------------------------------------------ */

static int by_s(const void *a, const void *b)
{
    const struct prop *left = a, *right = b;

    if (left->s != right->s)
        return left->s < right->s ? -1 : 1;
    return (left->t > right->t) - (left->t < right->t);
}

/* What stands where a bridge or a house stands, of which there are `blocks`, is cut down. */
static void clear_room(struct scenery *scenery, size_t blocks)
{
    size_t kept = 0;

    for (size_t i = 0; i < scenery->prop_count; i++) {
        const struct prop *prop = &scenery->props[i];
        bool room = true;

        for (size_t j = 0; j < blocks && room && prop->kind <= PROP_POLE; j++) {
            const struct prop *other = &scenery->props[j];

            if (other->kind == PROP_OVERPASS)
                room = fabs(other->s - prop->s) > (double)other->width / 2 + 4;
            else if (other->kind == PROP_BUILDING && prop->kind == PROP_TREE)
                room = hypot(other->x - prop->x, other->z - prop->z) > (double)other->width * 0.7;
        }
        if (room)
            scenery->props[kept++] = *prop;
    }
    scenery->prop_count = kept;
}

int scenery_make(struct scenery *scenery, const struct road *road, const struct weather *weather,
                 const struct scenery_options *options, VbpError *error)
{
    struct placing placing = {
        .scenery = scenery, .road = road, .random = random_stream(options->seed, 4), .good = true};
    size_t blocks;
    int result;

    memset(scenery, 0, sizeof(*scenery));
    place_overpasses(&placing);
    place_buildings(&placing);
    blocks = scenery->prop_count;
    place_trees(&placing);
    place_posts(&placing);
    place_signs(&placing);
    place_poles(&placing);
    placing.random = random_stream(options->seed, 5);
    place_traffic(&placing, options);
    park_vehicles(&placing);
    if (!placing.good) {
        scenery_free(scenery);
        return error_out_of_memory(error);
    }
    clear_room(scenery, blocks);
    if (scenery->prop_count > 0)
        qsort(scenery->props, scenery->prop_count, sizeof(*scenery->props), by_s);
    result = shadow_map_make(&scenery->shadows, road, scenery, weather, error);
    if (result != VBP_OK)
        scenery_free(scenery);
    return result;
}

void scenery_free(struct scenery *scenery)
{
    free(scenery->props);
    shadow_map_free(&scenery->shadows);
    memset(scenery, 0, sizeof(*scenery));
}
