/* Drawing with flat colours: polygons, faces of bodies, blocks, lights. */
#include "scene.h"

#include <math.h>

static void paint_span(struct canvas *canvas, const struct span *span, void *context)
{
    const struct paint *paint = context;
    const float *plane = span->planes->nearness;
    float start = plane[1] * ((float)span->y + 0.5f) + plane[2];
    size_t row = (size_t)span->y * (size_t)canvas->width;

    for (int x = span->from; x < span->to; x++) {
        float nearness = start + plane[0] * ((float)x + 0.5f);
        size_t at = row + (size_t)x;

        if (nearness <= canvas->nearness[at])
            continue;
        canvas->nearness[at] = nearness;
        canvas->truth[at] = (uint8_t)paint->truth;
        canvas->mirror[at] = 0;
        canvas->pixels[at] =
            paint->in_air ? paint->color
                          : through_air(&paint->frame->scene->weather, paint->color, 1 / nearness);
    }
}

void paint_polygon(struct frame_drawing *frame, const struct vertex *vertices, int count,
                   const struct paint *paint)
{
    struct paint copy = *paint;

    raster_polygon(&frame->canvas, &frame->camera, vertices, count, paint_span, &copy);
}

struct pose pose_upright(double x, double y, double z, double heading)
{
    return (struct pose){.origin = {x, y, z},
                         .right = {cos(heading), 0, -sin(heading)},
                         .up = {0, 1, 0},
                         .forward = {sin(heading), 0, cos(heading)}};
}

struct vertex pose_see(const struct frame_drawing *frame, const struct pose *pose, double right,
                       double up, double forward)
{
    double world[3];

    for (int i = 0; i < 3; i++)
        world[i] = pose->origin[i] + pose->right[i] * right + pose->up[i] * up +
                   pose->forward[i] * forward;
    return camera_see(&frame->camera, world[0], world[1], world[2]);
}

/* The normal of a face, in the world, turned towards the camera. */
static void face_normal(const struct frame_drawing *frame, const struct vertex *seen,
                        float normal[3])
{
    float a[3] = {seen[1].x - seen[0].x, seen[1].y - seen[0].y, seen[1].z - seen[0].z};
    float b[3] = {seen[2].x - seen[0].x, seen[2].y - seen[0].y, seen[2].z - seen[0].z};
    float n[3] = {a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0]};
    float length = sqrtf(n[0] * n[0] + n[1] * n[1] + n[2] * n[2]);
    float scale = length > 0 ? 1 / length : 0;

    if (n[0] * seen[0].x + n[1] * seen[0].y + n[2] * seen[0].z > 0)
        scale = -scale;
    for (int i = 0; i < 3; i++)
        normal[i] = (frame->camera.axes[0][i] * n[0] + frame->camera.axes[1][i] * n[1] +
                     frame->camera.axes[2][i] * n[2]) *
                    scale;
}

void face_draw(struct frame_drawing *frame, const struct pose *pose, const double (*corners)[3],
               int count, struct color color, float sun_share, enum truth truth)
{
    enum { CORNERS_MAX = 10 };
    struct vertex seen[CORNERS_MAX];
    struct paint paint = {.frame = frame, .truth = truth};
    float normal[3];
    bool ahead = false;

    for (int i = 0; i < count; i++) {
        seen[i] = pose_see(frame, pose, corners[i][0], corners[i][1], corners[i][2]);
        ahead = ahead || seen[i].z > 0;
    }
    if (!ahead)
        return;
    face_normal(frame, seen, normal);
    paint.color = color_times(color, light_on(frame, normal, &seen[0], sun_share));
    paint_polygon(frame, seen, count, &paint);
}

void block_draw(struct frame_drawing *frame, const struct pose *pose, double x, double y0,
                double y1, double z, struct color color, float sun_share)
{
    const double corner[8][3] = {{-x, y0, -z}, {x, y0, -z}, {x, y0, z}, {-x, y0, z},
                                 {-x, y1, -z}, {x, y1, -z}, {x, y1, z}, {-x, y1, z}};
    static const int faces[5][4] = {
        {0, 1, 5, 4}, {1, 2, 6, 5}, {2, 3, 7, 6}, {3, 0, 4, 7}, {4, 5, 6, 7}};

    for (int i = 0; i < 5; i++) {
        double face[4][3];

        for (int j = 0; j < 4; j++)
            for (int k = 0; k < 3; k++)
                face[j][k] = corner[faces[i][j]][k];
        face_draw(frame, pose, (const double(*)[3])face, 4, color, sun_share, TRUTH_REST);
    }
}

void glow_draw(struct frame_drawing *frame, const struct vertex *place, struct color color,
               float size)
{
    struct canvas *canvas = &frame->canvas;
    float x, y, core, reach, strength;
    int from_x, to_x, from_y, to_y;

    if (place->z < 1)
        return;
    x = frame->camera.center_x + frame->camera.focal * place->x / place->z;
    y = frame->camera.center_y + frame->camera.focal * place->y / place->z;
    if (!(x > 0 && y > 0 && x < (float)canvas->width && y < (float)canvas->height))
        return;
    if (canvas->nearness[(size_t)y * (size_t)canvas->width + (size_t)x] * (place->z - 0.4f) > 1)
        return;
    core = most(size * frame->camera.focal / place->z, 0.0016f * (float)canvas->width);
    reach = core * 7;
    strength = expf(-place->z * frame->scene->weather.haze_density);
    from_x = (int)most(x - reach, 0);
    to_x = (int)least(x + reach, (float)(canvas->width - 1));
    from_y = (int)most(y - reach, 0);
    to_y = (int)least(y + reach, (float)(canvas->height - 1));
    for (int row = from_y; row <= to_y; row++) {
        for (int column = from_x; column <= to_x; column++) {
            float dx = ((float)column + 0.5f - x) / core, dy = ((float)row + 0.5f - y) / core;
            float away2 = dx * dx + dy * dy, edge = 1 - away2 / 49, shine;
            struct color *pixel =
                &canvas->pixels[(size_t)row * (size_t)canvas->width + (size_t)column];

            if (edge <= 0)
                continue;
            shine = (expf(-away2 * 1.2f) + 0.05f / (1 + away2) * edge) * strength;
            *pixel = color_add(*pixel, color_scale(color, shine));
        }
    }
}
