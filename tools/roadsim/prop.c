/* What stands beside the road. */
#include "scene.h"

#include <math.h>

/* ---- Trees ---------------------------------------------------------------------------------- */

struct tree_context {
    const struct frame_drawing *frame;
    const struct sprite *sprite;
    struct color light;
    bool mirrored;
    float texels_per_pixel;
};

static void tree_span(struct canvas *canvas, const struct span *span, void *context)
{
    const struct tree_context *tree = context;
    const struct planes *planes = span->planes;
    size_t row = (size_t)span->y * (size_t)canvas->width;

    for (int x = span->from; x < span->to; x++) {
        float px = (float)x + 0.5f, py = (float)span->y + 0.5f;
        float nearness = plane_at(planes->nearness, px, py);
        size_t at = row + (size_t)x;
        float u, v, alpha;
        struct color color;

        if (nearness <= canvas->nearness[at])
            continue;
        u = plane_at(planes->u, px, py) / nearness;
        v = plane_at(planes->v, px, py) / nearness;
        color = sprite_sample(tree->sprite, tree->mirrored ? 1 - u : u, v, tree->texels_per_pixel,
                              &alpha);
        /* Up close the outline is sharp. */
        if (tree->texels_per_pixel < 0.7f)
            alpha = least(most((alpha - 0.5f) / tree->texels_per_pixel + 0.5f, 0), 1);
        if (alpha < 0.04f)
            continue;
        color = through_air(&tree->frame->scene->weather, color_times(color, tree->light),
                            1 / nearness);
        canvas->pixels[at] = color_mix(canvas->pixels[at], color, alpha);
        if (alpha > 0.5f) {
            canvas->nearness[at] = nearness;
            canvas->truth[at] = TRUTH_REST;
            canvas->mirror[at] = 0;
        }
    }
}

static void draw_tree(struct frame_drawing *frame, const struct prop *prop)
{
    static const float corner[4][2] = {{-1, 1}, {1, 1}, {1, 0}, {-1, 0}};
    const struct scene *scene = frame->scene;
    const struct weather *weather = &scene->weather;
    struct vertex foot = camera_see(&frame->camera, prop->x, prop->y - 0.1, prop->z), seen[4];
    struct tree_context tree = {.frame = frame,
                                .sprite = &scene->art->sprites.sprites[prop->variant]};
    float half = prop->width / 2, backlit, length, facing = 0, aside = 0;
    float beam;

    if (foot.z < 1)
        return;
    length = sqrtf(foot.x * foot.x + foot.z * foot.z);
    for (int i = 0; i < 3; i++) {
        facing += frame->camera.axes[2][i] * weather->sun_direction[i];
        aside += frame->camera.axes[0][i] * weather->sun_direction[i];
    }
    for (int i = 0; i < 4; i++) {
        /* Upright in the world, across the view. */
        double up = (double)(prop->height * corner[i][1]);

        seen[i] = camera_see(&frame->camera, prop->x, prop->y - 0.1 + up, prop->z);
        seen[i].x += corner[i][0] * half * foot.z / length;
        seen[i].z -= corner[i][0] * half * foot.x / length;
        seen[i].u = (corner[i][0] + 1) / 2;
        seen[i].v = 1 - corner[i][1];
    }
    tree.mirrored = aside < 0;
    backlit = 0.5f + 0.5f * facing;
    tree.light = color_scale(weather->ambient, 1.1f);
    tree.light = color_add(tree.light, color_scale(weather->sun, 1.25f - 0.75f * backlit));
    tree.light = color_scale(tree.light, 1.25f);
    beam = headlight_at(frame, foot.x, foot.y - 1, foot.z);
    tree.light = color_add(tree.light, (struct color){beam, beam, beam * 0.85f});
    tree.light = color_times(tree.light, prop->color);
    tree.texels_per_pixel = SPRITE_SIDE / (prop->height * frame->camera.focal / most(foot.z, 0.5f));
    raster_polygon(&frame->canvas, &frame->camera, seen, 4, tree_span, &tree);
}

/* ---- Posts, signs, lamps -------------------------------------------------------------------- */

/* A flat shape across the view direction of the road; shines back one's own headlights. */
static void draw_board(struct frame_drawing *frame, const struct pose *pose, double x, double y0,
                       double y1, double z, struct color color)
{
    const double corners[4][3] = {{-x, y0, z}, {x, y0, z}, {x, y1, z}, {-x, y1, z}};
    struct vertex place = pose_see(frame, pose, 0, (y0 + y1) / 2, z);
    float beam = headlight_at(frame, place.x, place.y, place.z) * 1.5f;

    if (frame->scene->weather.kind == WEATHER_NIGHT)
        color = color_scale(color, 1 + least(beam * 8 + 1, 6));
    face_draw(frame, pose, corners, 4, color, 1, TRUTH_REST);
}

static void draw_disc(struct frame_drawing *frame, const struct pose *pose, double y, double radius,
                      int corners, double turn, double z, struct color color)
{
    double face[10][3];

    if (frame->scene->weather.kind == WEATHER_NIGHT)
        color = color_scale(color, 3);
    for (int i = 0; i < corners; i++) {
        double angle = turn + 2 * M_PI * i / corners;

        face[i][0] = radius * sin(angle);
        face[i][1] = y + radius * cos(angle);
        face[i][2] = z;
    }
    face_draw(frame, pose, (const double(*)[3])face, corners, color, 1, TRUTH_REST);
}

static void draw_sign(struct frame_drawing *frame, const struct prop *prop, const struct pose *pose)
{
    static const struct color metal = {0.3f, 0.3f, 0.31f}, white = {0.75f, 0.75f, 0.75f},
                              red = {0.5f, 0.03f, 0.03f}, black = {0.03f, 0.03f, 0.03f},
                              blue = {0.03f, 0.09f, 0.4f}, green = {0.02f, 0.2f, 0.09f},
                              yellow = {0.7f, 0.45f, 0.03f};
    double top = (double)prop->height;

    if (prop->width > 2) {
        struct color ground = prop->variant % 2 ? blue : green;

        for (int side = -1; side <= 1; side += 2) {
            struct pose leg = *pose;

            for (int i = 0; i < 3; i++)
                leg.origin[i] += leg.right[i] * side * 1.1;
            block_draw(frame, &leg, 0.06, 0, top + 1.8, 0.06, metal, 1);
        }
        draw_board(frame, pose, 1.6, top, top + 1.9, -0.08, white);
        draw_board(frame, pose, 1.55, top + 0.05, top + 1.85, -0.1, ground);
        for (int line = 0; line < 2; line++) {
            struct pose text = *pose;

            for (int i = 0; i < 3; i++)
                text.origin[i] -= text.right[i] * (line ? 0.2 : 0.5);
            draw_board(frame, &text, line ? 1.1 : 0.8, top + 0.4 + 0.75 * line,
                       top + 0.75 + 0.75 * line, -0.12, color_mix(white, ground, 0.35f));
        }
        return;
    }
    block_draw(frame, pose, 0.03, 0, top + 0.4, 0.03, metal, 1);
    switch (prop->variant) {
    case 0: /* a speed limit */
        draw_disc(frame, pose, top, 0.36, 10, 0, -0.05, red);
        draw_disc(frame, pose, top, 0.27, 10, 0, -0.06, white);
        draw_board(frame, pose, 0.13, top - 0.1, top + 0.1, -0.07, color_mix(black, white, 0.35f));
        break;
    case 1: /* a warning */
        draw_disc(frame, pose, top - 0.1, 0.5, 3, 0, -0.05, red);
        draw_disc(frame, pose, top - 0.1, 0.34, 3, 0, -0.06, white);
        draw_board(frame, pose, 0.04, top - 0.2, top + 0.02, -0.07, black);
        break;
    case 2: /* a yellow diamond */
        draw_disc(frame, pose, top, 0.46, 4, 0, -0.05, white);
        draw_disc(frame, pose, top, 0.36, 4, 0, -0.06, yellow);
        break;
    default: /* a place name */
        draw_board(frame, pose, 0.5, top - 0.3, top + 0.2, -0.05, white);
        draw_board(frame, pose, 0.48, top - 0.28, top + 0.18, -0.06, blue);
        draw_board(frame, pose, 0.3, top - 0.12, top + 0.02, -0.07, color_mix(white, blue, 0.3f));
        break;
    }
}

static void draw_post(struct frame_drawing *frame, const struct pose *pose)
{
    static const struct color plastic = {0.75f, 0.75f, 0.73f}, dark = {0.04f, 0.04f, 0.04f},
                              glass = {0.7f, 0.45f, 0.1f};

    block_draw(frame, pose, 0.055, 0, 1.0, 0.04, plastic, 1);
    draw_board(frame, pose, 0.058, 0.7, 0.9, -0.045, dark);
    draw_board(frame, pose, 0.03, 0.72, 0.88, -0.05, glass);
}

static void draw_lamp(struct frame_drawing *frame, const struct prop *prop, struct pose *pose)
{
    static const struct color metal = {0.2f, 0.21f, 0.21f};
    double side = prop->t > 0 ? -1 : 1, top = (double)prop->height;
    struct pose arm = *pose;

    block_draw(frame, pose, 0.06, 0, top, 0.06, metal, 1);
    for (int i = 0; i < 3; i++)
        arm.origin[i] += arm.right[i] * side * 0.8;
    block_draw(frame, &arm, 0.85, top, top + 0.08, 0.05, metal, 1);
    for (int i = 0; i < 3; i++)
        arm.origin[i] += arm.right[i] * side * 0.6;
    block_draw(frame, &arm, 0.3, top - 0.08, top + 0.12, 0.12, metal, 1);
    if (frame->scene->weather.kind == WEATHER_NIGHT) {
        struct vertex place = pose_see(frame, &arm, 0, top - 0.15, 0);

        glow_draw(frame, &place, (struct color){1.5f, 1.1f, 0.6f}, 0.16f);
    }
}

static void draw_pole(struct frame_drawing *frame, const struct prop *prop, const struct pose *pose)
{
    static const struct color wood = {0.13f, 0.1f, 0.075f};

    block_draw(frame, pose, 0.1, 0, (double)prop->height, 0.1, wood, 1);
    block_draw(frame, pose, 0.9, (double)prop->height - 0.7, (double)prop->height - 0.55, 0.06,
               wood, 1);
}

/* ---- Buildings ------------------------------------------------------------------------------ */

/* Windows and a door on the wall that faces the road, and windows on the one towards the camera. */
static void draw_windows(struct frame_drawing *frame, const struct prop *prop,
                         const struct pose *pose, double toward_road)
{
    struct color glass = {0.06f, 0.07f, 0.085f}, frame_color = {0.6f, 0.6f, 0.58f};
    double z = (double)prop->width / 2, x = (double)prop->depth / 2;
    int floors = prop->height > 4 ? 2 : 1, across = (int)(prop->width / 3.2f);

    for (int floor = 0; floor < floors; floor++) {
        double low = 0.9 + floor * 2.7, high = low + 1.25;

        for (int i = 0; i < across; i++) {
            double at = -z + (i + 0.5) * 2 * z / across;
            bool door = floor == 0 && i == across / 2;
            bool lit = frame->scene->weather.kind >= WEATHER_DUSK &&
                       frame->scene->weather.kind <= WEATHER_NIGHT &&
                       hash_unit((int)prop->s, i + 10 * floor, 5) < 0.35f;

            for (int layer = 0; layer < 2; layer++) {
                double wide = layer ? 0.55 : 0.65, edge = layer ? 0 : 0.1;
                double out = toward_road * (x + 0.02 + 0.02 * layer);
                const double face[4][3] = {{out, door ? 0 : low - edge, at - wide},
                                           {out, door ? 0 : low - edge, at + wide},
                                           {out, high + edge, at + wide},
                                           {out, high + edge, at - wide}};
                struct color color = layer ? glass : frame_color;

                if (layer && door)
                    color = (struct color){0.16f, 0.08f, 0.05f};
                else if (layer && lit)
                    color = color_scale((struct color){0.9f, 0.6f, 0.25f},
                                        0.3f / most(frame->scene->weather.ambient.red, 0.01f));
                face_draw(frame, pose, face, 4, color, 1, TRUTH_REST);
            }
        }
        for (int i = 0; i < 2; i++) {
            double at = (i ? 0.45 : -0.45) * x;
            const double face[4][3] = {{at - 0.5, low, -z - 0.02},
                                       {at + 0.5, low, -z - 0.02},
                                       {at + 0.5, high, -z - 0.02},
                                       {at - 0.5, high, -z - 0.02}};

            face_draw(frame, pose, face, 4, glass, 1, TRUTH_REST);
        }
    }
}

static void draw_building(struct frame_drawing *frame, const struct prop *prop,
                          const struct pose *pose)
{
    static const struct color roofs[] = {
        {0.24f, 0.085f, 0.05f}, {0.1f, 0.1f, 0.11f}, {0.16f, 0.12f, 0.1f}};
    double x = (double)prop->depth / 2, z = (double)prop->width / 2, wall = (double)prop->height;
    double eave_x = x + 0.4, eave_z = z + 0.3, ridge = wall + 2.6, low = wall - 0.15;
    const double gable[2][3][3] = {{{-x, wall, -z}, {x, wall, -z}, {0, ridge - 0.1, -z}},
                                   {{-x, wall, z}, {x, wall, z}, {0, ridge - 0.1, z}}};
    const double roof[2][4][3] = {
        {{-eave_x, low, -eave_z}, {-eave_x, low, eave_z}, {0, ridge, eave_z}, {0, ridge, -eave_z}},
        {{eave_x, low, -eave_z}, {eave_x, low, eave_z}, {0, ridge, eave_z}, {0, ridge, -eave_z}}};

    block_draw(frame, pose, x, -1.5, wall, z, prop->color, 1);
    for (int i = 0; i < 2; i++) {
        face_draw(frame, pose, gable[i], 3, prop->color, 1, TRUTH_REST);
        face_draw(frame, pose, roof[i], 4, roofs[prop->variant], 1, TRUTH_REST);
    }
    draw_windows(frame, prop, pose, prop->t > 0 ? -1 : 1);
}

static void draw_overpass(struct frame_drawing *frame, const struct prop *prop,
                          const struct pose *pose)
{
    static const struct color rail = {0.35f, 0.36f, 0.37f};
    const struct road *road = &frame->scene->road;
    double low = (double)prop->height, half = (double)prop->width / 2;
    double legs[3] = {(double)road->edge_left - 2.2, (double)road->edge_right + 2.2, 0};
    const double under[4][3] = {
        {-45, low, -half}, {45, low, -half}, {45, low, half}, {-45, low, half}};
    struct color shaded = color_scale(prop->color, 0.35f);

    if (road->kind == ROAD_MOTORWAY) {
        legs[0] = (double)road->edge_left - 1.4;
        legs[2] = (double)road->bands[1].to - 2.2;
    }
    face_draw(frame, pose, under, 4, shaded, 0, TRUTH_REST);
    block_draw(frame, pose, 45, low, low + 1.3, half, prop->color, 1);
    block_draw(frame, pose, 45, low + 1.3, low + 1.45, half + 0.2, prop->color, 1);
    block_draw(frame, pose, 45, low + 2.2, low + 2.3, half, rail, 1);
    for (int i = 0; i < (road->kind == ROAD_MOTORWAY ? 3 : 2); i++) {
        struct pose leg = *pose;

        for (int k = 0; k < 3; k++)
            leg.origin[k] += leg.right[k] * legs[i];
        block_draw(frame, &leg, 0.5, -2, low, half * 0.7, prop->color, 0.3f);
    }
}

void prop_draw(struct frame_drawing *frame, const struct prop *prop)
{
    struct pose pose = pose_upright(prop->x, prop->y, prop->z, prop->heading);

    switch (prop->kind) {
    case PROP_TREE:
        draw_tree(frame, prop);
        break;
    case PROP_POST:
        draw_post(frame, &pose);
        break;
    case PROP_SIGN:
        draw_sign(frame, prop, &pose);
        break;
    case PROP_LAMP:
        draw_lamp(frame, prop, &pose);
        break;
    case PROP_POLE:
        draw_pole(frame, prop, &pose);
        break;
    case PROP_BUILDING:
        draw_building(frame, prop, &pose);
        break;
    case PROP_OVERPASS:
        draw_overpass(frame, prop, &pose);
        break;
    }
}
