#include "road.h"

#include "base/memory.h"

#include <math.h>
#include <string.h>

const char *const road_names[ROAD_KINDS] = {"motorway", "country", "suburban"};

/* How the line of each kind of road is laid out. */
static const struct layout {
    double radius_least, radius_most;     /* metres */
    double turn_least, turn_most;         /* radians of a whole curve */
    double straight_least, straight_most; /* metres */
    double transition;                    /* metres of clothoid at radius_least; grows slowly */
    double grade;                         /* steepest slope */
    double wave_least;                    /* metres, shortest hill */
    double heading_most;                  /* radians: how far the road may turn away */
} layouts[ROAD_KINDS] = {
    [ROAD_MOTORWAY] = {420, 2000, 0.15, 0.7, 40, 500, 90, 0.035, 450, 1.0},
    [ROAD_COUNTRY] = {70, 600, 0.25, 1.3, 15, 220, 28, 0.06, 160, 1.3},
    [ROAD_SUBURBAN] = {40, 220, 0.3, 1.2, 20, 160, 14, 0.035, 180, 1.3},
};

/* ---- The line ------------------------------------------------------------------------------- */

/* One bend: a clothoid in, an arc, a clothoid out. */
struct bend {
    double start, transition, arc, curvature;
};

static double bend_curvature(const struct bend *bend, double s)
{
    double along = s - bend->start;
    double whole = 2 * bend->transition + bend->arc;
    double from_end = fmin(along, whole - along);

    if (from_end <= 0)
        return 0;
    return bend->curvature * fmin(1, from_end / bend->transition);
}

static struct bend next_bend(const struct layout *layout, struct random *random, double start,
                             double heading)
{
    /* Even in the logarithm: tight bends are as frequent as wide ones. */
    double radius =
        exp(random_between(random, log(layout->radius_least), log(layout->radius_most)));
    double turn = random_between(random, layout->turn_least, layout->turn_most);
    double left_chance = 0.5 + 0.5 * heading / layout->heading_most;
    bool left = random_chance(random, left_chance);
    struct bend bend = {.start = start};
    double room = layout->heading_most + 0.4 - (left ? -heading : heading);

    turn = fmin(turn, fmax(room, 0.1));
    /* Wide bends turn less, or they would go on for kilometres. */
    turn *= pow(layout->radius_least / radius, 0.4);
    bend.transition = layout->transition * sqrt(radius / layout->radius_least);
    /* The two clothoids turn transition / radius together. */
    bend.arc = fmax(turn * radius - bend.transition, 0.3 * bend.transition);
    bend.curvature = (left ? -1 : 1) / radius;
    return bend;
}

static void draw_curvature(struct road *road, struct random *random)
{
    const struct layout *layout = &layouts[road->kind];
    double heading = 0;
    struct bend bend;

    /* The drive begins anywhere, perhaps within a bend. */
    bend = next_bend(layout, random, random_between(random, -150, 60), 0);
    for (int i = 0; i < road->point_count; i++) {
        double s = i * ROAD_STEP;

        if (s > bend.start + 2 * bend.transition + bend.arc) {
            double gap =
                random_chance(random, 0.35)
                    ? random_between(random, 0, 15)
                    : random_between(random, layout->straight_least, layout->straight_most);

            bend = next_bend(layout, random, s + gap, heading);
        }
        road->points[i].curvature = bend_curvature(&bend, s);
        heading += road->points[i].curvature * ROAD_STEP;
    }
}

/* Hills: a sum of waves. */
static void draw_height(struct road *road, struct random *random)
{
    enum { WAVES = 4 };
    const struct layout *layout = &layouts[road->kind];
    double strength = random_between(random, 0.15, 1);
    double amplitude[WAVES], rate[WAVES], phase[WAVES];

    for (int w = 0; w < WAVES; w++) {
        double length = layout->wave_least * pow(1.7, w) * random_between(random, 0.85, 1.2);

        rate[w] = 2 * M_PI / length;
        amplitude[w] =
            strength * layout->grade / WAVES / rate[w] * random_between(random, 0.5, 1.5);
        phase[w] = random_between(random, 0, 2 * M_PI);
    }
    for (int i = 0; i < road->point_count; i++) {
        double height = 0;

        for (int w = 0; w < WAVES; w++)
            height += amplitude[w] * sin(rate[w] * i * ROAD_STEP + phase[w]);
        road->points[i].height = height;
    }
}

static void integrate(struct road *road)
{
    for (int i = 1; i < road->point_count; i++) {
        const struct road_point *before = &road->points[i - 1];
        struct road_point *point = &road->points[i];
        double middle;

        point->heading = before->heading + (before->curvature + point->curvature) / 2 * ROAD_STEP;
        middle = (before->heading + point->heading) / 2;
        point->x = before->x + sin(middle) * ROAD_STEP;
        point->z = before->z + cos(middle) * ROAD_STEP;
    }
}

/* ---- Making --------------------------------------------------------------------------------- */

static void draw_sections(struct road *road, struct random *random)
{
    for (int i = 0; i < road->section_count; i++) {
        float share[MARKINGS_MAX];

        for (int group = 0; group < MARKINGS_MAX; group++)
            share[group] = (float)random_between(random, 0, 1);
        for (int m = 0; m < road->marking_count; m++) {
            const struct marking *marking = &road->markings[m];

            if (share[marking->group] >= marking->share_from &&
                share[marking->group] < marking->share_to)
                road->section_markings[i] |= 1u << m;
        }
        for (int r = 0; r < road->rail_count; r++)
            if (random_between(random, 0, 1) < (double)road->rails[r].share)
                road->section_rails[i] |= 1u << r;
    }
}

static int allocate(struct road *road, enum road_kind kind, double length, VbpError *error)
{
    memset(road, 0, sizeof(*road));
    road->kind = kind;
    road->point_count = (int)ceil(length / ROAD_STEP) + 2;
    road->length = (road->point_count - 1) * ROAD_STEP;
    road->section_count = (int)(road->length / SECTION_LENGTH) + 1;
    road->points = memory_array((size_t)road->point_count, sizeof(*road->points));
    road->section_markings =
        memory_array((size_t)road->section_count, sizeof(*road->section_markings));
    road->section_rails = memory_array((size_t)road->section_count, sizeof(*road->section_rails));
    if (!road->points || !road->section_markings || !road->section_rails) {
        road_free(road);
        return error_out_of_memory(error);
    }
    return VBP_OK;
}

int road_make(struct road *road, enum road_kind kind, double length, uint64_t seed, VbpError *error)
{
    struct random line = random_stream(seed, 1), section = random_stream(seed, 2);
    int result = allocate(road, kind, length, error);

    if (result != VBP_OK)
        return result;
    draw_curvature(road, &line);
    draw_height(road, &line);
    integrate(road);
    road_draw_section(road, &section);
    draw_sections(road, &section);
    return VBP_OK;
}

int road_make_constant(struct road *road, enum road_kind kind, double length, double curvature,
                       uint64_t seed, VbpError *error)
{
    struct random section = random_stream(seed, 2);
    int result = allocate(road, kind, length, error);

    if (result != VBP_OK)
        return result;
    for (int i = 0; i < road->point_count; i++)
        road->points[i].curvature = curvature;
    integrate(road);
    road_draw_section(road, &section);
    draw_sections(road, &section);
    return VBP_OK;
}

void road_free(struct road *road)
{
    free(road->points);
    free(road->section_markings);
    free(road->section_rails);
    memset(road, 0, sizeof(*road));
}

/* ---- Asking --------------------------------------------------------------------------------- */

struct road_point road_at(const struct road *road, double s)
{
    double position = fmin(fmax(s / ROAD_STEP, 0), road->point_count - 1.001);
    int i = (int)position;
    double share = position - i;
    const struct road_point *a = &road->points[i], *b = a + 1;

    return (struct road_point){.x = a->x + (b->x - a->x) * share,
                               .z = a->z + (b->z - a->z) * share,
                               .heading = a->heading + (b->heading - a->heading) * share,
                               .curvature = a->curvature + (b->curvature - a->curvature) * share,
                               .height = a->height + (b->height - a->height) * share};
}

int road_section(const struct road *road, double s)
{
    int section = (int)(s / SECTION_LENGTH);

    return section < 0 ? 0 : section >= road->section_count ? road->section_count - 1 : section;
}

void road_to_world(const struct road *road, double s, double t, double *x, double *z)
{
    struct road_point point = road_at(road, s);

    *x = point.x + t * cos(point.heading);
    *z = point.z - t * sin(point.heading);
}

float road_profile(const struct road *road, float t)
{
    int i = 0;

    if (t <= road->column_t[0])
        return road->column_height[0];
    while (i < road->column_count - 2 && t > road->column_t[i + 1])
        i++;
    return road->column_height[i] +
           (road->column_height[i + 1] - road->column_height[i]) *
               least((t - road->column_t[i]) / (road->column_t[i + 1] - road->column_t[i]), 1);
}

float road_hills(const struct road *road, float t, double x, double z)
{
    float out = most(t - road->edge_right, road->edge_left - t) - 6, ramp;

    if (out <= 0 || road->hilliness <= 0)
        return 0;
    ramp = least(out / 70, 1);
    return ramp * road->hilliness *
           (smooth_noise((float)(x / 85), (float)(z / 85), road->salt) * 1.3f - 0.4f +
            0.06f * smooth_noise((float)(x / 18), (float)(z / 18), road->salt + 1));
}

double road_ground(const struct road *road, double s, double t)
{
    double x, z;

    road_to_world(road, s, t, &x, &z);
    return road_at(road, s).height + (double)road_profile(road, (float)t) +
           (double)road_hills(road, (float)t, x, z);
}

float road_reach(const struct road *road, double s, float t)
{
    double curvature = road_at(road, s).curvature;

    if (curvature * (double)t <= 0)
        return t;
    return (float)(t > 0 ? fmin((double)t, 0.8 / curvature) : fmax((double)t, 0.8 / curvature));
}
