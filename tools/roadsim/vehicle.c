/* Vehicles: two outlines seen from the side, made solid, with glass, wheels and lamps. */
#include "scene.h"

#include <math.h>

enum { OUTLINE_MAX = 9 };

/* Outlines run from the rear over the top to the front: along (share of length), up (metres). */
struct outline {
    int count;
    double points[OUTLINE_MAX][2];
};

static const struct model {
    struct outline body, cabin; /* cabin.count 0: none */
    double narrow;              /* metres that the cabin's roof is narrower on each side */
    double lamp_up, glass_from, glass_to;
} models[VEHICLE_MODELS] = {
    [VEHICLE_SEDAN] = {{8,
                        {{-0.5, 0.3},
                         {-0.5, 0.75},
                         {-0.47, 0.92},
                         {-0.28, 0.97},
                         {0.2, 0.93},
                         {0.44, 0.76},
                         {0.5, 0.58},
                         {0.5, 0.25}}},
                       {4, {{-0.38, 0.94}, {-0.22, 1.42}, {0.03, 1.45}, {0.22, 0.92}}},
                       0.22,
                       0.72,
                       0.99,
                       1.36},
    [VEHICLE_HATCHBACK] = {{8,
                            {{-0.5, 0.3},
                             {-0.5, 0.8},
                             {-0.48, 0.98},
                             {-0.3, 1.0},
                             {0.22, 0.96},
                             {0.44, 0.8},
                             {0.5, 0.6},
                             {0.5, 0.25}}},
                           {4, {{-0.47, 0.96}, {-0.38, 1.46}, {0.02, 1.52}, {0.25, 0.95}}},
                           0.2,
                           0.82,
                           1.02,
                           1.43},
    [VEHICLE_VAN] = {{7,
                      {{-0.5, 0.35},
                       {-0.5, 1.2},
                       {-0.49, 2.25},
                       {0.18, 2.3},
                       {0.34, 1.25},
                       {0.49, 1.0},
                       {0.5, 0.3}}},
                     {0, {{0}}},
                     0.1,
                     0.95,
                     1.3,
                     1.95},
    [VEHICLE_TRUCK] = {{5, {{-0.5, 0.95}, {-0.5, 3.7}, {0.26, 3.7}, {0.26, 0.95}, {-0.5, 0.95}}},
                       {4, {{0.29, 0.5}, {0.29, 2.9}, {0.47, 2.8}, {0.5, 0.5}}},
                       0.02,
                       0.9,
                       1.6,
                       2.5},
};

/* What the parts of one vehicle share. */
struct drawing {
    struct frame_drawing *frame;
    struct pose pose;
    const struct vehicle *vehicle;
    const struct model *model;
    float sun;
};

static void quad(const struct drawing *drawing, const double corners[4][3], struct color color)
{
    face_draw(drawing->frame, &drawing->pose, corners, 4, color, drawing->sun, TRUTH_VEHICLE);
}

/* An upright rectangle across the vehicle. */
static void plate(const struct drawing *drawing, double x0, double x1, double y0, double y1,
                  double z, struct color color)
{
    const double corners[4][3] = {{x0, y0, z}, {x1, y0, z}, {x1, y1, z}, {x0, y1, z}};

    quad(drawing, corners, color);
}

/* A rectangle that shines by itself. */
static void lamp(const struct drawing *drawing, double x0, double x1, double y0, double y1,
                 double z, struct color color)
{
    const double corners[4][2] = {{x0, y0}, {x1, y0}, {x1, y1}, {x0, y1}};
    struct vertex seen[4];
    struct paint paint = {.frame = drawing->frame, .truth = TRUTH_VEHICLE, .color = color};

    for (int i = 0; i < 4; i++)
        seen[i] = pose_see(drawing->frame, &drawing->pose, corners[i][0], corners[i][1], z);
    paint_polygon(drawing->frame, seen, 4, &paint);
}

/* Half the width at a point of an outline: the cabin's roof is narrower. */
static double half_width(const struct drawing *drawing, const struct outline *outline, int i)
{
    double half = (double)drawing->vehicle->width / 2;

    if (outline == &drawing->model->cabin)
        half -= i > 0 && i + 1 < outline->count ? drawing->model->narrow : 0.05;
    else if (outline->points[i][1] > 1.6)
        half -= drawing->model->narrow;
    return half;
}

/* Glass in the middle of a strip that goes over the vehicle. */
static void strip_glass(const struct drawing *drawing, const double strip[4][3], struct color glass)
{
    double inner[4][3], center[3] = {0, 0, 0};

    for (int i = 0; i < 4; i++)
        for (int k = 0; k < 3; k++)
            center[k] += strip[i][k] / 4;
    for (int i = 0; i < 4; i++) {
        inner[i][0] = strip[i][0] * 0.88;
        for (int k = 1; k < 3; k++)
            inner[i][k] = center[k] + (strip[i][k] - center[k]) * 0.86;
        inner[i][1] += 0.015;
        inner[i][2] += center[2] > 0 ? 0.02 : -0.02;
    }
    quad(drawing, (const double(*)[3])inner, glass);
}

static void solid(const struct drawing *drawing, const struct outline *outline, struct color color,
                  struct color glass)
{
    double length = (double)drawing->vehicle->length;

    for (int i = 0; i + 1 < outline->count; i++) {
        const double *a = outline->points[i], *b = outline->points[i + 1];
        double wa = half_width(drawing, outline, i), wb = half_width(drawing, outline, i + 1);
        const double strip[4][3] = {{-wa, a[1], a[0] * length},
                                    {wa, a[1], a[0] * length},
                                    {wb, b[1], b[0] * length},
                                    {-wb, b[1], b[0] * length}};
        double steep = fabs(b[1] - a[1]) / (fabs(b[0] - a[0]) * length + 1e-6);
        double low = fmin(a[1], b[1]), high = fmax(a[1], b[1]);

        quad(drawing, strip, color);
        if (steep > 0.4 && low > drawing->model->glass_from - 0.15 && high < 2.85 &&
            (outline == &drawing->model->cabin || low > 1))
            strip_glass(drawing, strip, glass);
    }
    for (int side = -1; side <= 1; side += 2) {
        double face[OUTLINE_MAX][3];

        for (int i = 0; i < outline->count; i++) {
            face[i][0] = side * half_width(drawing, outline, i);
            face[i][1] = outline->points[i][1];
            face[i][2] = outline->points[i][0] * length;
        }
        face_draw(drawing->frame, &drawing->pose, (const double(*)[3])face, outline->count, color,
                  drawing->sun, TRUTH_VEHICLE);
    }
}

/* Windows along the sides, within the outline. */
static void side_glass(const struct drawing *drawing, struct color glass)
{
    const struct outline *outline = &drawing->model->cabin;
    double length = (double)drawing->vehicle->length;

    for (int side = -1; side <= 1 && outline->count == 4; side += 2) {
        double face[4][3], center[3] = {0, 0, 0};

        for (int i = 0; i < 4; i++) {
            face[i][0] = side * (half_width(drawing, outline, i) + 0.012);
            face[i][1] = outline->points[i][1];
            face[i][2] = outline->points[i][0] * length;
            for (int k = 0; k < 3; k++)
                center[k] += face[i][k] / 4;
        }
        for (int i = 0; i < 4; i++) {
            face[i][1] = center[1] + (face[i][1] - center[1]) * 0.74;
            face[i][2] = center[2] + (face[i][2] - center[2]) * 0.84;
        }
        quad(drawing, (const double(*)[3])face, glass);
    }
}

static void wheels(const struct drawing *drawing)
{
    enum { CORNERS = 10 };
    static const struct color rubber = {0.018f, 0.018f, 0.02f}, rim = {0.3f, 0.3f, 0.31f};
    double radius = drawing->vehicle->model == VEHICLE_TRUCK ? 0.5 : 0.32;
    double half = (double)drawing->vehicle->width / 2, at = (double)drawing->vehicle->length * 0.31;

    for (int end = -1; end <= 1; end += 2) {
        /* Seen from behind: the treads. */
        for (int side = -1; side <= 1; side += 2)
            plate(drawing, side * (half - 0.24), side * (half - 0.02), 0, 2 * radius * 0.9,
                  end * (at + radius * 0.7), rubber);
        for (int side = -1; side <= 1; side += 2) {
            for (int layer = 0; layer < 2; layer++) {
                double disc[CORNERS][3], size = layer ? radius * 0.6 : radius;

                for (int i = 0; i < CORNERS; i++) {
                    disc[i][0] = side * (half + 0.015 + 0.01 * layer);
                    disc[i][1] = radius + size * cos(2 * M_PI * i / CORNERS);
                    disc[i][2] = end * at + size * sin(2 * M_PI * i / CORNERS);
                }
                face_draw(drawing->frame, &drawing->pose, (const double(*)[3])disc, CORNERS,
                          layer ? rim : rubber, drawing->sun, TRUTH_VEHICLE);
            }
        }
    }
}

static void details(const struct drawing *drawing, bool braking)
{
    static const struct color dark = {0.03f, 0.03f, 0.032f}, label = {0.6f, 0.6f, 0.55f};
    const struct vehicle *vehicle = drawing->vehicle;
    bool lit = drawing->frame->scene->weather.lamps_lit;
    double half = (double)vehicle->width / 2, end = (double)vehicle->length / 2;
    double up = drawing->model->lamp_up, rear = -end - 0.012, front = end + 0.012;
    float bright = braking ? 1.6f : lit ? 0.8f : 0.0f;
    struct color red = {0.22f + bright, 0.015f + 0.05f * bright, 0.015f + 0.03f * bright};
    struct color pale = lit ? (struct color){2.2f, 2.1f, 1.8f} : (struct color){0.6f, 0.62f, 0.64f};

    /* Under the body it is dark. */
    plate(drawing, -half + 0.05, half - 0.05, 0.16, vehicle->model == VEHICLE_TRUCK ? 0.95 : 0.34,
          -end + 0.08, dark);
    plate(drawing, -half + 0.05, half - 0.05, 0.14, 0.34, end - 0.08, dark);
    plate(drawing, -half + 0.02, half - 0.02, 0.3, 0.46, rear, dark);
    plate(drawing, -half + 0.3, half - 0.3, 0.3, 0.5, front, dark);
    plate(drawing, -0.26, 0.26, 0.52, 0.63, rear - 0.005, label);
    for (int side = -1; side <= 1; side += 2) {
        double inner = side * (half - 0.42), outer = side * (half - 0.04);
        struct color lens =
            color_times(red, drawing->frame->scene->weather.kind == WEATHER_NIGHT && !lit
                                 ? (struct color){0.1f, 0.1f, 0.1f}
                                 : (struct color){1, 1, 1});

        lamp(drawing, inner, outer, up - 0.1, up + 0.1, rear - 0.005, lens);
        lamp(drawing, inner, outer, up - 0.16, up - 0.02, front, pale);
    }
    if (vehicle->model == VEHICLE_VAN) {
        plate(drawing, -half + 0.22, -0.04, 1.35, 1.95, rear - 0.004, dark);
        plate(drawing, 0.04, half - 0.22, 1.35, 1.95, rear - 0.004, dark);
    }
}

static void lamps_glow(const struct drawing *drawing, bool away)
{
    const struct vehicle *vehicle = drawing->vehicle;
    bool night = drawing->frame->scene->weather.kind == WEATHER_NIGHT;
    double half = (double)vehicle->width / 2 - 0.22, end = (double)vehicle->length / 2 + 0.05;

    for (int side = -1; side <= 1; side += 2) {
        struct vertex place =
            pose_see(drawing->frame, &drawing->pose, side * half,
                     drawing->model->lamp_up - (away ? 0 : 0.08), away ? -end : end);

        if (away)
            glow_draw(drawing->frame, &place, (struct color){night ? 0.5f : 0.3f, 0.02f, 0.015f},
                      0.09f);
        else
            glow_draw(drawing->frame, &place,
                      color_scale((struct color){1.6f, 1.5f, 1.25f}, night ? 1.6f : 0.8f), 0.13f);
    }
}

void vehicle_draw(struct frame_drawing *frame, const struct vehicle *vehicle, double s)
{
    const struct road *road = &frame->scene->road;
    const struct weather *weather = &frame->scene->weather;
    struct road_point point = road_at(road, s);
    bool coming = vehicle->speed < 0, away = !coming;
    double half = (double)vehicle->length / 2, x, z, rise, slope;
    struct drawing drawing = {.frame = frame, .vehicle = vehicle, .model = &models[vehicle->model]};
    struct color glass = color_mix((struct color){0.02f, 0.025f, 0.03f}, weather->horizon, 0.07f);
    struct color color = vehicle->color;
    bool braking = vehicle->ahead && frame->state->acceleration < -0.4;

    road_to_world(road, s, (double)vehicle->t, &x, &z);
    drawing.pose = pose_upright(x, point.height + (double)road_profile(road, vehicle->t), z,
                                point.heading + (coming ? M_PI : 0));
    rise = road_at(road, s + half).height - road_at(road, s - half).height;
    slope = rise / (2 * half) * (coming ? -1 : 1);
    drawing.pose.forward[1] = slope;
    for (int i = 0; i < 3; i += 2)
        drawing.pose.up[i] = -slope * drawing.pose.forward[i];
    drawing.sun = shadow_map_light(&frame->scene->scenery.shadows, (float)s, vehicle->t, 3);
    /* Glass mirrors the sky: its colour is light already, but is lit again. */
    glass = color_scale(glass, 1 / most(weather->ambient.green + 0.3f * weather->sun.green, 0.05f));
    if (vehicle->model == VEHICLE_TRUCK) {
        static const struct color canvas = {0.55f, 0.55f, 0.53f};

        solid(&drawing, &drawing.model->body, color_mix(canvas, color, 0.3f), glass);
        solid(&drawing, &drawing.model->cabin, color, glass);
    } else {
        solid(&drawing, &drawing.model->body, color, glass);
        if (drawing.model->cabin.count > 0)
            solid(&drawing, &drawing.model->cabin, color, glass);
    }
    side_glass(&drawing, glass);
    wheels(&drawing);
    details(&drawing, braking);
    if (weather->lamps_lit && fabs(vehicle->speed) + (vehicle->ahead ? 1 : 0) > 0.1)
        lamps_glow(&drawing, away);
}
