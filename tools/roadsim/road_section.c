/* What lies across a road: bands of ground, painted lines, rails, lanes, kerbs and ditches. */
#include "road.h"

#include <math.h>

static float between(struct random *random, double low, double high)
{
    return (float)random_between(random, low, high);
}

static void add_band(struct road *road, float to, enum surface surface)
{
    struct band *band = &road->bands[road->band_count];

    *band = (struct band){.to = to, .surface = surface};
    band->from = road->band_count > 0 ? road->bands[road->band_count - 1].to : -400;
    road->band_count++;
}

static void add_column(struct road *road, float t, float height)
{
    road->column_t[road->column_count] = t;
    road->column_height[road->column_count++] = height;
}

static struct marking *add_marking(struct road *road, float t, float width)
{
    struct marking *marking = &road->markings[road->marking_count++];

    *marking = (struct marking){.t = t, .width = width, .share_to = 1};
    return marking;
}

static void add_lane(struct road *road, float t, bool coming)
{
    road->lanes[road->lane_count++] = (struct lane){t, coming};
}

/* The borders of the driven asphalt wander where nothing holds them. */
static void mark_carriageway(struct road *road, float ragged)
{
    for (int i = 0; i < road->band_count; i++) {
        struct band *band = &road->bands[i];

        if (band->from <= road->lane_center && band->to > road->lane_center) {
            band->carriageway = true;
            band->ragged_from = band->ragged_to = ragged;
            if (i > 0)
                road->bands[i - 1].ragged_to = ragged;
            if (i + 1 < road->band_count)
                road->bands[i + 1].ragged_from = ragged;
        } else if (band->surface == SURFACE_GRASS && i + 1 < road->band_count &&
                   road->bands[i + 1].surface == SURFACE_GRAVEL) {
            band->ragged_to = road->bands[i + 1].ragged_from = 0.35f;
        } else if (band->surface == SURFACE_GRAVEL && i + 1 < road->band_count &&
                   road->bands[i + 1].surface == SURFACE_GRASS) {
            band->ragged_to = road->bands[i + 1].ragged_from = 0.35f;
        }
    }
}

/* A ditch and the land beyond, outwards from t on the side given by sign. */
static void outer_columns(float *t, float *height, float edge, float ditch)
{
    static const float away[] = {1.2f, 2.6f, 4.5f, 9, 20, 45, 110};

    for (int i = 0; i < 7; i++) {
        t[i] = edge + away[i];
        height[i] = i == 0 ? -0.1f : i == 1 ? -ditch : i == 2 ? -0.2f * ditch : 0.1f;
    }
}

static void add_outer_left(struct road *road, float edge, float ditch)
{
    float t[7], height[7];

    outer_columns(t, height, edge, ditch);
    for (int i = 6; i >= 0; i--)
        add_column(road, -t[i], height[i]);
}

static void add_outer_right(struct road *road, float edge, float ditch)
{
    float t[7], height[7];

    outer_columns(t, height, edge, ditch);
    for (int i = 0; i < 7; i++)
        add_column(road, t[i], height[i]);
}

static void draw_motorway(struct road *road, struct random *random)
{
    int lanes = random_chance(random, 0.5) ? 2 : 3;
    float width = between(random, 3.5, 3.8), line = between(random, 0.14, 0.2);
    float across = (float)lanes * width, wear = between(random, 0, 0.6);
    float paved = between(random, 2.2, 3), median = between(random, 2.6, 6);
    float inner = between(random, 0.5, 1.1);
    float opposite = -(2 * inner + median + across); /* its outer edge line */
    bool yellow = random_chance(random, 0.4);
    enum surface middle = random_chance(random, 0.6) ? SURFACE_GRASS : SURFACE_GRAVEL;
    enum surface top = random_chance(random, 0.2) ? SURFACE_CONCRETE : SURFACE_ASPHALT;
    float dash = random_chance(random, 0.5) ? 6 : between(random, 3, 5), gap = dash == 6 ? 12 : 9;
    int lane = random_chance(random, 0.65) ? lanes - 1 : random_below(random, lanes);
    struct marking *marking;

    road->lane_width = width;
    road->lane_center = ((float)lane + 0.5f) * width;
    road->edge_left = -inner;
    road->edge_right = across + paved;
    road->top_speed = random_between(random, 24, 34);
    for (int i = 0; i < lanes; i++) {
        add_lane(road, ((float)i + 0.5f) * width, false);
        add_lane(road, -2 * inner - median - ((float)i + 0.5f) * width, true);
    }

    add_band(road, opposite - paved - 14, SURFACE_FIELD);
    add_band(road, opposite - paved - 0.6f, SURFACE_GRASS);
    add_band(road, opposite - paved, SURFACE_GRAVEL);
    add_band(road, -inner - median, top);
    add_band(road, -inner, middle);
    add_band(road, across + paved, top);
    add_band(road, across + paved + 0.7f, SURFACE_GRAVEL);
    add_band(road, across + paved + 14, SURFACE_GRASS);
    add_band(road, 400, SURFACE_FIELD);
    mark_carriageway(road, 0.04f);

    marking = add_marking(road, 0, line);
    marking->yellow = yellow;
    marking->wear = wear * 0.7f;
    marking = add_marking(road, across, line * 1.2f);
    marking->wear = wear * 0.7f;
    for (int i = 1; i < lanes; i++) {
        marking = add_marking(road, (float)i * width, line);
        marking->dash = dash;
        marking->gap = gap;
        marking->wear = wear;
    }
    add_marking(road, -2 * inner - median, line)->yellow = yellow;
    add_marking(road, opposite, line);
    for (int i = 1; i < lanes; i++) {
        marking = add_marking(road, -2 * inner - median - (float)i * width, line);
        marking->dash = dash;
        marking->gap = gap;
    }

    road->rails[0] = (struct rail){-inner - 0.5f, 0.9f};
    road->rails[1] = (struct rail){-inner - median + 0.5f, 0.9f};
    road->rails[2] = (struct rail){across + paved + 0.5f, 0.45f};
    road->rail_count = 3;

    add_outer_left(road, -(opposite - paved), 0.7f);
    add_column(road, opposite - paved, -0.05f);
    add_column(road, -inner - median, 0);
    add_column(road, -inner - median / 2, middle == SURFACE_GRASS ? -0.25f : 0);
    add_column(road, -inner, 0);
    add_column(road, across + paved, -0.05f);
    add_outer_right(road, across + paved, 0.7f);
}

/* The middle line of a two-way road: dashed, double, one of each, or gone, section by section. */
static void add_middle(struct road *road, struct random *random, float line, bool yellow,
                       float wear, float none)
{
    float dash = between(random, 2.5, 6), gap = dash * between(random, 0.9, 2);
    float dashed = (1 - none) * between(random, 0.3, 1);
    bool pair = random_chance(random, 0.7);
    struct marking *marking;

    marking = add_marking(road, 0, line);
    marking->dash = dash;
    marking->gap = gap;
    marking->share_to = dashed;
    marking->group = 1;
    for (int side = -1; side <= 1; side += 2) {
        if (!pair && side < 0)
            continue;
        marking = add_marking(road, pair ? (float)side * line : 0, line);
        marking->share_from = dashed;
        marking->share_to = 1 - none;
        marking->group = 1;
    }
    for (int i = 0; i < road->marking_count; i++) {
        if (road->markings[i].group == 1) {
            road->markings[i].yellow = yellow;
            road->markings[i].wear = wear;
        }
    }
}

static void draw_country(struct road *road, struct random *random)
{
    float width = between(random, 2.9, 3.7), line = between(random, 0.1, 0.15);
    float beyond = between(random, 0.15, 0.7), gravel = between(random, 0.25, 1.3);
    float edge = width + beyond, wear = between(random, 0, 0.8);
    double sides = random_between(random, 0, 1);
    bool left = sides < 0.68, right = sides < 0.5 || (sides >= 0.68 && sides < 0.8);
    bool yellow = random_chance(random, 0.45);
    struct marking *marking;

    road->lane_width = width;
    road->lane_center = width / 2;
    road->edge_left = -edge;
    road->edge_right = edge;
    road->top_speed = random_between(random, 17, 25);
    add_lane(road, width / 2, false);
    add_lane(road, -width / 2, true);

    add_band(road, -edge - gravel - between(random, 3, 9), SURFACE_FIELD);
    add_band(road, -edge - gravel, SURFACE_GRASS);
    add_band(road, -edge, SURFACE_GRAVEL);
    add_band(road, edge, SURFACE_ASPHALT);
    add_band(road, edge + gravel, SURFACE_GRAVEL);
    add_band(road, edge + gravel + between(random, 3, 9), SURFACE_GRASS);
    add_band(road, 400, SURFACE_FIELD);
    mark_carriageway(road, between(random, 0.03, 0.16));

    add_middle(road, random, line, yellow, wear, left || right ? between(random, 0, 0.25) : 0.02f);
    for (int side = -1; side <= 1; side += 2) {
        if (side < 0 ? !left : !right)
            continue;
        marking = add_marking(road, (float)side * width, line);
        marking->wear = wear * between(random, 0.5, 1.2);
        marking->group = side < 0 ? 2 : 3;
        marking->share_to = random_chance(random, 0.7) ? 1 : 0.8f;
    }

    if (random_chance(random, 0.5)) {
        road->rails[0] = (struct rail){edge + gravel + 0.3f, between(random, 0.1, 0.5)};
        road->rails[1] = (struct rail){-edge - gravel - 0.3f, between(random, 0.1, 0.5)};
        road->rail_count = 2;
    }
    add_outer_left(road, edge + gravel, between(random, 0.2, 0.9));
    add_column(road, -edge - gravel, -0.06f);
    add_column(road, -edge, -0.03f);
    add_column(road, 0, 0.04f);
    add_column(road, edge, -0.03f);
    add_column(road, edge + gravel, -0.06f);
    add_outer_right(road, edge + gravel, between(random, 0.2, 0.9));
}

static void draw_suburban(struct road *road, struct random *random)
{
    float width = between(random, 2.9, 3.5), line = between(random, 0.1, 0.14);
    float parking = random_chance(random, 0.35) ? 2.1f : between(random, 0.1, 0.5);
    float edge = width + parking, kerb = 0.16f, walk = between(random, 1.5, 2.6);
    float wear = between(random, 0.1, 0.8);
    struct marking *marking;

    road->lane_width = width;
    road->lane_center = width / 2;
    road->edge_left = -edge;
    road->edge_right = edge;
    road->top_speed = random_between(random, 10, 15);
    add_lane(road, width / 2, false);
    add_lane(road, -width / 2, true);

    add_band(road, -edge - kerb - walk, SURFACE_GRASS);
    add_band(road, -edge - kerb, SURFACE_PAVING);
    add_band(road, -edge, SURFACE_KERB);
    add_band(road, edge, SURFACE_ASPHALT);
    add_band(road, edge + kerb, SURFACE_KERB);
    add_band(road, edge + kerb + walk, SURFACE_PAVING);
    add_band(road, 400, SURFACE_GRASS);
    mark_carriageway(road, 0);

    add_middle(road, random, line, random_chance(random, 0.35), wear, between(random, 0, 0.3));
    for (int side = -1; side <= 1 && parking > 1; side += 2) {
        marking = add_marking(road, (float)side * width, line);
        marking->wear = wear;
        marking->dash = random_chance(random, 0.5) ? 1.5f : 0;
        marking->gap = marking->dash;
    }
    add_column(road, -110, 0.6f);
    add_column(road, -45, 0.5f);
    add_column(road, -20, 0.3f);
    add_column(road, -edge - kerb - walk, 0.15f);
    add_column(road, -edge - kerb, 0.12f);
    add_column(road, -edge - 0.03f, 0.12f);
    add_column(road, -edge, -0.03f);
    add_column(road, 0, 0.04f);
    add_column(road, edge, -0.03f);
    add_column(road, edge + 0.03f, 0.12f);
    add_column(road, edge + kerb, 0.12f);
    add_column(road, edge + kerb + walk, 0.15f);
    add_column(road, 20, 0.3f);
    add_column(road, 45, 0.5f);
    add_column(road, 110, 0.6f);
}

void road_draw_section(struct road *road, struct random *random)
{
    switch (road->kind) {
    case ROAD_MOTORWAY:
        draw_motorway(road, random);
        break;
    case ROAD_SUBURBAN:
        draw_suburban(road, random);
        break;
    default:
        draw_country(road, random);
        break;
    }
    for (int i = 0; i < road->marking_count; i++)
        road->markings[i].phase = between(random, 0, 20);
    road->asphalt_tone = between(random, 0.07, 0.2);
    road->asphalt_warmth = between(random, -1, 1);
    road->patchiness = random_chance(random, 0.5) ? between(random, 0.1, 1) : 0;
    road->cracks = random_chance(random, 0.6) ? between(random, 0.2, 1) : 0;
    road->hilliness = between(random, 0, road->kind == ROAD_SUBURBAN ? 3 : 16);
    road->salt = (uint32_t)random_next(random);
}
