/* The ground: a net of triangles along the road, and what covers it, pixel by pixel. */
#include "scene.h"

#include <math.h>

#define REACH  700.0 /* metres of road that are drawn */
#define BEHIND 4.0

enum { SLICES_MAX = 260 };

int ground_triangles_most(void)
{
    return SLICES_MAX * COLUMNS_MAX * 2;
}

/* ---- The net -------------------------------------------------------------------------------- */

struct slice {
    struct vertex vertex[COLUMNS_MAX];
};

static void see_slice(struct frame_drawing *frame, double s, struct slice *slice)
{
    const struct road *road = &frame->scene->road;
    struct road_point point = road_at(road, s);
    double ch = cos(point.heading), sh = sin(point.heading);

    for (int i = 0; i < road->column_count; i++) {
        float t = road_reach(road, s, road->column_t[i]);
        double x = point.x + (double)t * ch, z = point.z - (double)t * sh;
        double y =
            point.height + (double)road->column_height[i] + (double)road_hills(road, t, x, z);

        slice->vertex[i] = camera_see(&frame->camera, x, y, z);
        slice->vertex[i].u = (float)(s - frame->origin_s);
        slice->vertex[i].v = t;
    }
}

struct net_context {
    struct frame_drawing *frame;
    bool kept; /* the triangle at hand is in the list */
};

static void net_span(struct canvas *canvas, const struct span *span, void *context)
{
    struct net_context *net = context;
    struct frame_drawing *frame = net->frame;
    size_t row = (size_t)span->y * (size_t)canvas->width;
    const float *plane = span->planes->nearness;
    float start = plane[1] * ((float)span->y + 0.5f) + plane[2];

    if (!net->kept) {
        if (frame->triangle_count == frame->triangle_capacity)
            return;
        frame->triangles[frame->triangle_count++] = *span->planes;
        net->kept = true;
    }
    for (int x = span->from; x < span->to; x++) {
        float nearness = start + plane[0] * ((float)x + 0.5f);

        if (nearness > canvas->nearness[row + (size_t)x]) {
            canvas->nearness[row + (size_t)x] = nearness;
            canvas->triangle[row + (size_t)x] = frame->triangle_count - 1;
        }
    }
}

static void draw_triangle(struct frame_drawing *frame, const struct vertex *a,
                          const struct vertex *b, const struct vertex *c)
{
    struct net_context net = {.frame = frame};
    struct vertex triangle[3] = {*a, *b, *c};

    raster_polygon(&frame->canvas, &frame->camera, triangle, 3, net_span, &net);
}

/* Places of the net are the same in every frame, so that nothing swims; far ones are sparse. */
static double next_slice(double s, double distance)
{
    double step = distance < 40    ? 1
                  : distance < 80  ? 2
                  : distance < 200 ? 4
                  : distance < 450 ? 8
                                   : 16;

    return (floor(s / step) + 1) * step;
}

static void draw_net(struct frame_drawing *frame)
{
    const struct road *road = &frame->scene->road;
    double s = fmax(floor(frame->origin_s - BEHIND), 0);
    double end = fmin(frame->origin_s + REACH, road->length);
    struct slice slices[2];
    int current = 0;

    frame->triangle_count = 0;
    see_slice(frame, s, &slices[0]);
    for (int i = 1; i < SLICES_MAX && s < end; i++) {
        const struct vertex *near = slices[current].vertex, *far = slices[1 - current].vertex;

        s = fmin(next_slice(s, s - frame->origin_s), road->length);
        see_slice(frame, s, &slices[1 - current]);
        for (int j = 0; j + 1 < road->column_count; j++) {
            draw_triangle(frame, &near[j], &near[j + 1], &far[j + 1]);
            draw_triangle(frame, &near[j], &far[j + 1], &far[j]);
        }
        current = 1 - current;
    }
}

/* ---- What covers it ------------------------------------------------------------------------- */

/* A place on the ground as a pixel sees it. */
struct spot {
    float s, t;          /* s within the road */
    float along, across; /* metres that the pixel covers */
    float distance;
    struct vertex place; /* camera space */
    uint32_t section_markings;
};

static float line_share(float at, float half, float center, float footprint)
{
    float low = most(center - footprint / 2, at - half),
          high = least(center + footprint / 2, at + half);

    return high > low ? (high - low) / footprint : 0;
}

/* Share of a footprint around s that dashes cover. */
static float dash_share(const struct marking *marking, float s, float footprint)
{
    float period = marking->dash + marking->gap, low, high, sum;
    int first;

    if (marking->gap <= 0)
        return 1;
    s = (s + marking->phase) / period;
    footprint = most(footprint / period, 1e-4f);
    /* The integral of the pattern from 0 to x. */
    low = s - footprint / 2;
    high = s + footprint / 2;
    first = floor_to_int(high);
    sum = (float)first + least((high - (float)first) * period / marking->dash, 1);
    first = floor_to_int(low);
    sum -= (float)first + least((low - (float)first) * period / marking->dash, 1);
    return least(sum * marking->dash / (period * footprint), 1);
}

/* About exp(-x) for x >= 0. */
static float bump(float x)
{
    x = 1 + x * 0.25f;
    x *= x;
    return 1 / (x * x);
}

static struct color asphalt_color(const struct scene *scene, const struct spot *spot, float *gloss)
{
    const struct road *road = &scene->road;
    const struct texture_set *textures = &scene->art->textures;
    float grain = texture_sample(&textures->asphalt, spot->s * 45, spot->t * 45, spot->along * 45,
                                 spot->across * 45);
    float blotch = texture_sample(&textures->clouds, spot->s * 5, spot->t * 16, spot->along * 5,
                                  spot->across * 16);
    float tone = road->asphalt_tone * (0.35f + 1.3f * grain) * (0.8f + 0.4f * blotch);
    float warmth = road->asphalt_warmth * 0.05f;

    /* Wheels polish two tracks a lane, oil darkens its middle. */
    for (int i = 0; i < road->lane_count; i++) {
        float aside = fabsf(spot->t - road->lanes[i].t);

        if (aside < 1.7f) {
            float track = aside - 0.78f, middle = aside * aside * 6;

            tone *= 1 + 0.10f * bump(track * track * 12) - 0.10f * bump(middle);
        }
    }
    if (road->patchiness > 0) {
        int cell = floor_to_int(spot->s / 11), lane = floor_to_int(spot->t / road->lane_width);
        float from = hash_unit(cell, lane, road->salt) * 6;

        if (hash_unit(cell, lane, road->salt + 1) < road->patchiness * 0.3f) {
            float size = 2 + 3 * hash_unit(cell, lane, road->salt + 2);
            float inside = line_share(from + size / 2, size / 2, spot->s - (float)cell * 11,
                                      most(spot->along, 0.03f));
            float left = ((float)lane + 0.1f) * road->lane_width;

            if (spot->t < left || spot->t > left + road->lane_width * 0.8f)
                inside = 0;
            tone *= 1 - 0.3f * inside;
        }
    }
    if (road->cracks > 0) {
        /* Sealed cracks wander along the lanes. */
        for (int i = 0; i < 2; i++) {
            float from = (i ? 0.2f : -1.1f) * road->lane_width, at;

            if (spot->t < from - 0.2f || spot->t > from + 2.9f ||
                smooth_noise(spot->s / 30, (float)i + 7, road->salt + 7) < 1 - 0.6f * road->cracks)
                continue;
            at = from + smooth_noise(spot->s / 9, (float)i, road->salt + 5) * 2.4f +
                 smooth_noise(spot->s / 1.3f, (float)i, road->salt + 6) * 0.25f;
            tone *= 1 - 0.5f * line_share(at, 0.03f, spot->t, most(spot->across, 0.02f));
        }
    }
    *gloss = 0.6f + 0.8f * blotch;
    return (struct color){tone * (1 + warmth), tone, tone * (1 - warmth)};
}

static struct color grass_color(const struct scene *scene, const struct spot *spot, bool field)
{
    static const struct color crops[] = {{0.1f, 0.17f, 0.04f},
                                         {0.30f, 0.25f, 0.10f},
                                         {0.14f, 0.095f, 0.06f},
                                         {0.13f, 0.19f, 0.05f},
                                         {0.21f, 0.22f, 0.07f}};
    const struct texture_set *textures = &scene->art->textures;
    float fine = texture_sample(&textures->grass, spot->s * 28, spot->t * 28, spot->along * 28,
                                spot->across * 28);
    float coarse = texture_sample(&textures->grass, spot->s * 3.3f, spot->t * 3.3f,
                                  spot->along * 3.3f, spot->across * 3.3f);
    float dry = texture_sample(&textures->clouds, spot->s * 2, spot->t * 3, spot->along * 2,
                               spot->across * 3);
    float tone = (0.45f + 1.1f * fine) * (0.55f + 0.9f * coarse);
    struct color color = color_mix((struct color){0.085f, 0.15f, 0.035f},
                                   (struct color){0.2f, 0.19f, 0.075f}, least(dry * dry * 1.6f, 1));

    if (field) {
        int plot = floor_to_int(spot->s / 190) * 2 + (spot->t > 0);

        color = crops[(int)(hash_unit(plot, 3, scene->road.salt) * 4.99f)];
        color = color_scale(color, 0.8f + 0.4f * dry);
    }
    return color_scale(color, tone);
}

static struct color surface_color(const struct scene *scene, const struct spot *spot,
                                  enum surface surface, float *gloss)
{
    const struct texture_set *textures = &scene->art->textures;
    struct color color;
    float tone, joint;

    *gloss = 0;
    switch (surface) {
    case SURFACE_ASPHALT:
        return asphalt_color(scene, spot, gloss);
    case SURFACE_CONCRETE:
        color = asphalt_color(scene, spot, gloss);
        /* Brighter, in slabs. */
        joint = line_share(2.5f, 0.02f, spot->s - 5 * (float)floor_to_int(spot->s / 5),
                           most(spot->along, 0.02f));
        tone = 0.32f / scene->road.asphalt_tone * (0.5f + 0.5f * scene->road.asphalt_tone / 0.14f) *
               (1 - 0.5f * joint);
        return color_times(color, (struct color){tone, tone * 0.97f, tone * 0.91f});
    case SURFACE_GRAVEL:
        tone = texture_sample(&textures->asphalt, spot->s * 16, spot->t * 16, spot->along * 16,
                              spot->across * 16);
        tone = (0.25f + 1.5f * tone) *
               (0.7f + 0.6f * texture_sample(&textures->grass, spot->s * 6, spot->t * 6,
                                             spot->along * 6, spot->across * 6));
        return color_scale((struct color){0.20f, 0.175f, 0.14f}, tone);
    case SURFACE_KERB:
        joint = line_share(0.5f, 0.012f, spot->s - (float)floor_to_int(spot->s),
                           most(spot->along, 0.01f));
        tone = 0.85f + 0.3f * texture_sample(&textures->asphalt, spot->s * 40, spot->t * 40,
                                             spot->along * 40, spot->across * 40);
        return color_scale((struct color){0.36f, 0.355f, 0.34f}, tone * (1 - 0.6f * joint));
    case SURFACE_PAVING:
        joint = line_share(0.25f, 0.012f, spot->s - 0.5f * (float)floor_to_int(spot->s * 2),
                           most(spot->along, 0.01f));
        joint =
            most(joint, line_share(0.25f, 0.012f, spot->t - 0.5f * (float)floor_to_int(spot->t * 2),
                                   most(spot->across, 0.01f)));
        tone = (0.8f + 0.4f * texture_sample(&textures->asphalt, spot->s * 40, spot->t * 40,
                                             spot->along * 40, spot->across * 40)) *
               (0.85f + 0.3f * texture_sample(&textures->clouds, spot->s * 9, spot->t * 9,
                                              spot->along * 9, spot->across * 9));
        return color_scale((struct color){0.25f, 0.24f, 0.225f}, tone * (1 - 0.45f * joint));
    default:
        return grass_color(scene, spot, surface == SURFACE_FIELD);
    }
}

/* How far a ragged border is moved at s. */
static float wander(const struct road *road, float s, int border)
{
    return smooth_noise(s * 0.9f, (float)border * 7, road->salt + 20) * 1.1f +
           smooth_noise(s * 4.3f, (float)border * 7, road->salt + 21) * 0.7f - 0.9f;
}

/* What covers the ground at a spot, where bands meet in the pixel mixed by their shares. */
static struct color cover(const struct scene *scene, const struct spot *spot, float *gloss,
                          enum truth *truth)
{
    const struct road *road = &scene->road;
    float low = spot->t - spot->across / 2, high = spot->t + spot->across / 2, total = 0;
    float edge_half = most(0.11f, 0.6f * spot->across);
    struct color sum = {0, 0, 0};

    *gloss = 0;
    for (int i = 0; i < road->band_count; i++) {
        const struct band *band = &road->bands[i];
        float from = band->from, to = band->to, share, shine;

        if (from > high + 0.5f || to < low - 0.5f)
            continue;
        if (band->ragged_from > 0 && fabsf(spot->t - from) < band->ragged_from + spot->across)
            from += band->ragged_from * wander(road, spot->s, i);
        if (band->ragged_to > 0 && fabsf(spot->t - to) < band->ragged_to + spot->across)
            to += band->ragged_to * wander(road, spot->s, i + 1);
        if (band->carriageway &&
            (fabsf(spot->t - from) < edge_half || fabsf(spot->t - to) < edge_half))
            *truth = TRUTH_EDGE;
        share = (least(to, high) - most(from, low)) / spot->across;
        if (share <= 0)
            continue;
        sum = color_add(sum, color_scale(surface_color(scene, spot, band->surface, &shine), share));
        *gloss += shine * share;
        total += share;
    }
    *gloss /= most(total, 1e-6f);
    return color_scale(sum, 1 / most(total, 1e-6f));
}

/* Lays paint on: the share of the pixel that is painted; its colour in *color. */
static float painted(const struct scene *scene, const struct spot *spot, struct color *color)
{
    const struct road *road = &scene->road;
    float share = 0;

    for (int i = 0; i < road->marking_count; i++) {
        const struct marking *marking = &road->markings[i];
        float here, worn;

        if (!(spot->section_markings >> i & 1))
            continue;
        here = line_share(marking->t, marking->width / 2, spot->t, spot->across);
        if (here <= 0)
            continue;
        here *= dash_share(marking, spot->s, spot->along);
        if (here <= 0)
            continue;
        worn = texture_sample(&scene->art->textures.asphalt, spot->s * 30, spot->t * 30,
                              spot->along * 30, spot->across * 30) *
                   0.6f +
               texture_sample(&scene->art->textures.clouds, spot->s * 11, spot->t * 11,
                              spot->along * 11, spot->across * 11) *
                   0.4f;
        here *= least(most(0.96f - (marking->wear * 1.25f - worn * 1.05f) * 1.6f, 0.12f), 0.96f);
        if (here > share) {
            share = here;
            *color = marking->yellow ? (struct color){0.72f, 0.46f, 0.06f}
                                     : (struct color){0.78f, 0.78f, 0.75f};
        }
    }
    return share;
}

/* Sun that vehicles and what stands there let through; *open: what reaches it of the sky. */
static float sun_at(const struct frame_drawing *frame, const struct spot *spot, float *open)
{
    float sun = shadow_map_light(&frame->scene->scenery.shadows, spot->s, spot->t, spot->along);
    float s = spot->s - (float)frame->origin_s;

    *open = 1;
    for (int i = 0; i < frame->decal_count; i++) {
        const struct decal *decal = &frame->decals[i];
        float ds = s - decal->s, dt = spot->t - decal->t, inside;

        if (fabsf(ds) > decal->half_length + fabsf(decal->shift_s) + 1 ||
            fabsf(dt) > decal->half_width + fabsf(decal->shift_t) + 1)
            continue;
        inside = least((decal->half_length + 0.25f - fabsf(ds)) * 2, 1) *
                 least((decal->half_width + 0.2f - fabsf(dt)) * 3, 1);
        if (inside > 0 && fabsf(ds) < decal->half_length + 0.25f &&
            fabsf(dt) < decal->half_width + 0.2f)
            *open = least(*open, 1 - 0.88f * inside);
        for (int step = 0; step < 4; step++) {
            float share = (float)step / 3;
            float as = fabsf(ds - decal->shift_s * share), at = fabsf(dt - decal->shift_t * share);

            inside = least(least((decal->half_length - as) * 8, (decal->half_width - at) * 8), 1);
            if (inside > 0)
                sun = least(sun, 1 - inside);
        }
    }
    return sun;
}

static struct color ground_pixel(const struct frame_drawing *frame, const struct planes *planes,
                                 float x, float y, float nearness, enum truth *truth, float *mirror)
{
    static const float up[3] = {0, 1, 0};
    const struct scene *scene = frame->scene;
    const struct weather *weather = &scene->weather;
    const struct camera *camera = &frame->camera;
    float z = 1 / nearness;
    float s = plane_at(planes->u, x, y) * z, t = plane_at(planes->v, x, y) * z;
    float sx = (planes->u[0] - s * planes->nearness[0]) * z;
    float sy = (planes->u[1] - s * planes->nearness[1]) * z;
    float tx = (planes->v[0] - t * planes->nearness[0]) * z;
    float ty = (planes->v[1] - t * planes->nearness[1]) * z;
    struct spot spot = {.s = s + (float)frame->origin_s,
                        .t = t,
                        .along = most(sqrtf(sx * sx + sy * sy), 1e-4f),
                        .across = most(sqrtf(tx * tx + ty * ty), 1e-4f),
                        .distance = z};
    float gloss = 0, paint, open, sun, beam;
    struct color color, white = {0, 0, 0}, light;

    spot.place = (struct vertex){.x = (x - camera->center_x) / camera->focal * z,
                                 .y = (y - camera->center_y) / camera->focal * z,
                                 .z = z};
    spot.section_markings =
        scene->road.section_markings[road_section(&scene->road, (double)spot.s)];
    color = cover(scene, &spot, &gloss, truth);
    paint = painted(scene, &spot, &white);
    if (paint > 0.3f)
        *truth = TRUTH_MARKING;
    /* Water fills the pores: darker, and paint a little too. */
    color = color_scale(color, 1 - 0.55f * weather->wet * least(gloss * 2, 1));
    color = color_mix(color, color_scale(white, 1 - 0.25f * weather->wet), paint);

    sun = sun_at(frame, &spot, &open);
    light = light_on(frame, up, &spot.place, sun);
    beam = headlight_at(frame, spot.place.x, spot.place.y, z);
    /* The ground sees the beams at a flat angle; glass beads in paint send them back. */
    light = color_add(light, color_scale((struct color){1, 0.95f, 0.82f},
                                         beam * (paint * 1.6f - 0.45f * (1 - paint))));
    light = color_add(light, color_scale((struct color){1, 0.78f, 0.45f},
                                         street_light_at(scene, spot.s, spot.t)));
    color = color_times(color, color_scale(light, open));

    if (weather->wet > 0 && gloss > 0) {
        float grazing = 1 - least(frame->camera_up / z, 1), grazing2 = grazing * grazing;

        *mirror = 0.02f + 0.7f * grazing2 * grazing2 * grazing2;
        *mirror = least(*mirror * weather->wet * least(gloss, 1.3f) * (1 - 0.7f * paint), 0.6f) *
                  open * expf(-z * weather->haze_density);
    }
    return through_air(weather, color, z);
}

/* ---- All of it ------------------------------------------------------------------------------ */

static struct color sky_pixel(const struct frame_drawing *frame, float x, float y)
{
    const struct camera *camera = &frame->camera;
    float ray[3] = {x - camera->center_x, y - camera->center_y, camera->focal}, way[3], length;

    for (int i = 0; i < 3; i++)
        way[i] =
            camera->axes[0][i] * ray[0] + camera->axes[1][i] * ray[1] + camera->axes[2][i] * ray[2];
    length = 1 / sqrtf(way[0] * way[0] + way[1] * way[1] + way[2] * way[2]);
    return sky_color(frame->scene, way[0] * length, way[1] * length, way[2] * length,
                     1 / camera->focal);
}

void ground_draw(struct frame_drawing *frame)
{
    struct canvas *canvas = &frame->canvas;
    size_t count = (size_t)canvas->width * (size_t)canvas->height, i = 0;

    for (i = 0; i < count; i++) {
        canvas->nearness[i] = 0;
        canvas->truth[i] = TRUTH_REST;
    }
    draw_net(frame);
    i = 0;
    for (int y = 0; y < canvas->height; y++) {
        for (int x = 0; x < canvas->width; x++, i++) {
            enum truth truth = TRUTH_REST;

            canvas->mirror[i] = 0;
            if (canvas->nearness[i] > 0)
                canvas->pixels[i] =
                    ground_pixel(frame, &frame->triangles[canvas->triangle[i]], (float)x + 0.5f,
                                 (float)y + 0.5f, canvas->nearness[i], &truth, &canvas->mirror[i]);
            else
                canvas->pixels[i] = sky_pixel(frame, (float)x + 0.5f, (float)y + 0.5f);
            canvas->truth[i] = (uint8_t)truth;
        }
    }
}
