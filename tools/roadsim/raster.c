#include "raster.h"

#include <math.h>

#define NEAR_PLANE 0.25f /* metres */

enum { POLYGON_MAX = 12 };

void camera_turn(struct camera *camera, double heading, double pitch, double roll)
{
    double sh = sin(heading), ch = cos(heading), sp = sin(pitch), cp = cos(pitch);
    double sr = sin(roll), cr = cos(roll);
    double right[3] = {ch, 0, -sh}, forward[3] = {sh * cp, sp, ch * cp};
    double down[3] = {sh * sp, -cp, ch * sp};

    for (int i = 0; i < 3; i++) {
        camera->axes[0][i] = (float)(right[i] * cr + down[i] * sr);
        camera->axes[1][i] = (float)(down[i] * cr - right[i] * sr);
        camera->axes[2][i] = (float)forward[i];
    }
}

struct vertex camera_see(const struct camera *camera, double x, double y, double z)
{
    float away[3] = {(float)(x - camera->position[0]), (float)(y - camera->position[1]),
                     (float)(z - camera->position[2])};
    float seen[3];

    for (int i = 0; i < 3; i++)
        seen[i] = camera->axes[i][0] * away[0] + camera->axes[i][1] * away[1] +
                  camera->axes[i][2] * away[2];
    return (struct vertex){.x = seen[0], .y = seen[1], .z = seen[2]};
}

static int clip_near(const struct vertex *in, int count, struct vertex *out)
{
    int kept = 0;

    for (int i = 0; i < count; i++) {
        const struct vertex *a = &in[i], *b = &in[(i + 1) % count];

        if (a->z >= NEAR_PLANE)
            out[kept++] = *a;
        if ((a->z >= NEAR_PLANE) != (b->z >= NEAR_PLANE)) {
            float share = (NEAR_PLANE - a->z) / (b->z - a->z);

            out[kept++] = (struct vertex){.x = a->x + (b->x - a->x) * share,
                                          .y = a->y + (b->y - a->y) * share,
                                          .z = NEAR_PLANE,
                                          .u = a->u + (b->u - a->u) * share,
                                          .v = a->v + (b->v - a->v) * share};
        }
    }
    return kept;
}

/* A vertex on the canvas. */
struct corner {
    double x, y, nearness, u, v; /* u, v divided by z */
};

static void fit_plane(float plane[3], const struct corner corner[3], double a, double b, double c,
                      double area)
{
    double x1 = corner[1].x - corner[0].x, y1 = corner[1].y - corner[0].y;
    double x2 = corner[2].x - corner[0].x, y2 = corner[2].y - corner[0].y;
    double slope_x = ((b - a) * y2 - (c - a) * y1) / area;
    double slope_y = ((c - a) * x1 - (b - a) * x2) / area;

    plane[0] = (float)slope_x;
    plane[1] = (float)slope_y;
    plane[2] = (float)(a - slope_x * corner[0].x - slope_y * corner[0].y);
}

/* The spans of one triangle: for each row, what is inside of all three edges. */
static void fill(struct canvas *canvas, const struct corner corner[3],
                 void (*draw)(struct canvas *canvas, const struct span *span, void *context),
                 void *context)
{
    double area = (corner[1].x - corner[0].x) * (corner[2].y - corner[0].y) -
                  (corner[2].x - corner[0].x) * (corner[1].y - corner[0].y);
    double top = fmin(corner[0].y, fmin(corner[1].y, corner[2].y));
    double bottom = fmax(corner[0].y, fmax(corner[1].y, corner[2].y));
    struct planes planes;
    struct span span = {.planes = &planes};
    int first, last;

    if (fabs(area) < 1e-9 || bottom < 0.5 || top > canvas->height - 0.5)
        return;
    first = top < 0.5 ? 0 : (int)ceil(top - 0.5);
    last = bottom > canvas->height - 0.5 ? canvas->height - 1 : (int)floor(bottom - 0.5);
    if (first > last)
        return;
    fit_plane(planes.nearness, corner, corner[0].nearness, corner[1].nearness, corner[2].nearness,
              area);
    fit_plane(planes.u, corner, corner[0].u, corner[1].u, corner[2].u, area);
    fit_plane(planes.v, corner, corner[0].v, corner[1].v, corner[2].v, area);
    for (span.y = first; span.y <= last; span.y++) {
        double y = span.y + 0.5, from = 0, to = canvas->width;

        for (int i = 0; i < 3; i++) {
            /* Edges are taken from the upper end, so that neighbours cut at the same place. */
            const struct corner *a = &corner[i], *b = &corner[(i + 1) % 3];
            bool falls = a->y < b->y;
            double at;

            if (a->y == b->y)
                continue;
            if (!falls) {
                const struct corner *swap = a;

                a = b;
                b = swap;
            }
            at = a->x + (b->x - a->x) * ((y - a->y) / (b->y - a->y));
            /* With a positive area the inside is to the left of edges that fall. */
            if (falls == (area > 0))
                to = fmin(to, at);
            else
                from = fmax(from, at);
        }
        if (to <= from)
            continue;
        span.from = (int)ceil(from - 0.5);
        span.to = (int)ceil(to - 0.5);
        if (span.to > span.from)
            draw(canvas, &span, context);
    }
}

void raster_polygon(struct canvas *canvas, const struct camera *camera,
                    const struct vertex *vertices, int count,
                    void (*draw)(struct canvas *canvas, const struct span *span, void *context),
                    void *context)
{
    struct vertex clipped[POLYGON_MAX];
    struct corner corners[POLYGON_MAX];
    int left = 0, right = 0;

    count = clip_near(vertices, count, clipped);
    if (count < 3)
        return;
    for (int i = 0; i < count; i++) {
        double nearness = 1 / (double)clipped[i].z;

        corners[i] = (struct corner){
            .x = (double)camera->center_x + (double)(camera->focal * clipped[i].x) * nearness,
            .y = (double)camera->center_y + (double)(camera->focal * clipped[i].y) * nearness,
            .nearness = nearness,
            .u = (double)clipped[i].u * nearness,
            .v = (double)clipped[i].v * nearness};
        left += corners[i].x < 0;
        right += corners[i].x > canvas->width;
    }
    if (left == count || right == count)
        return;
    for (int i = 2; i < count; i++) {
        struct corner triangle[3] = {corners[0], corners[i - 1], corners[i]};

        fill(canvas, triangle, draw, context);
    }
}
