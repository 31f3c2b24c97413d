#include "draw/gauge.h"

#include "base/error.h"
#include "base/memory.h"
#include "draw/shape.h"

#include <math.h>
#include <string.h>

#define MAX_DIAMETER 8192

const struct color gauge_recorded_color = {64, 220, 255, 255};
static const struct color outline_color = {8, 10, 13, 150};
static const struct color wheel_color = {232, 236, 240, 255};
static const struct color idle_color = {150, 156, 164, 255};
static const struct color marker_color = {255, 132, 32, 255};

/* ---- Panel ---------------------------------------------------------------------------------- */

struct rounded_box {
    float middle_x, middle_y;
    float half_width, half_height; /* of the box that the rounding is drawn around */
    float radius;
};

static float rounded_box_distance(const void *shape, float x, float y)
{
    const struct rounded_box *box = shape;
    float dx = fabsf(x - box->middle_x) - box->half_width;
    float dy = fabsf(y - box->middle_y) - box->half_height;

    if (dx <= 0 || dy <= 0)
        return fmaxf(dx, dy) - box->radius;
    return sqrtf(dx * dx + dy * dy) - box->radius;
}

int gauge_draw_panel(struct surface *surface, int x, int y, int width, int height, int radius,
                     struct color color)
{
    struct rounded_box box;

    if (width <= 0 || height <= 0)
        return VBP_OK;
    if (radius > width / 2)
        radius = width / 2;
    if (radius > height / 2)
        radius = height / 2;
    if (radius < 0)
        radius = 0;
    box.radius = (float)radius;
    box.half_width = (float)width / 2 - box.radius;
    box.half_height = (float)height / 2 - box.radius;
    box.middle_x = (float)x + (float)width / 2;
    box.middle_y = (float)y + (float)height / 2;
    shape_fill(surface, x, y, width, height, rounded_box_distance, &box, color);
    return VBP_OK;
}

/* ---- Wheel ---------------------------------------------------------------------------------- */

/*
 * The wheel, seen from the driver's seat, in coordinates that turn with it: u to the right, v down,
 * the middle of the hub at 0, 0. Lengths are shares of the outer radius.
 *
 *          ___mark___
 *        /            \       rim: a ring
 *       |              |      spokes: at 3, 6 and 9 o'clock
 *       |=====(hub)====|      mark: the top of the rim in another colour
 *       |      ||      |
 *        \_____||_____/
 */
#define RIM_WIDTH   0.17f
#define HUB_RADIUS  0.23f
#define SPOKE_WIDTH 0.13f
#define FILLET      0.16f /* roundness of the inner corners between hub, spokes and rim */
#define MARK_SINE   0.20f /* sine of half the angle that the mark spans */
#define MARK_COSINE 0.9798f

struct gauge {
    int diameter;
    float outline;         /* width of the dark line around everything, pixels */
    float radius;          /* outer radius of the rim */
    float *still_distance; /* diameter x diameter: to rim or hub, which look the same turned */
    uint8_t *body, *outlined;
};

/* The smaller of two distances, with the inner corner where they meet filled. */
static float join(float a, float b, float fillet)
{
    float overlap = fmaxf(fillet - fabsf(a - b), 0);

    return fminf(a, b) - overlap * overlap / (4 * fillet);
}

static float rim_distance(const struct gauge *gauge, float from_middle)
{
    float width = RIM_WIDTH * gauge->radius;

    return fabsf(from_middle - (gauge->radius - width / 2)) - width / 2;
}

static float spokes_distance(const struct gauge *gauge, float u, float v)
{
    float half = SPOKE_WIDTH / 2 * gauge->radius;
    float end = gauge->radius * (1 - RIM_WIDTH / 2);
    float sides = fmaxf(fabsf(v) - half, fabsf(u) - end);
    float lower = fmaxf(fabsf(u) - half, fmaxf(-v, v - end));

    return fminf(sides, lower);
}

/* Pixel centres from the middle of the picture; exactly mirrored left to right. */
static float from_middle(const struct gauge *gauge, int pixel)
{
    return (float)pixel + 0.5f - (float)gauge->diameter / 2;
}

int gauge_create(struct gauge **gauge, int diameter, VbpError *error)
{
    struct gauge *made;
    size_t pixels;

    *gauge = NULL;
    if (diameter < 1 || diameter > MAX_DIAMETER)
        return error_set(error, VBP_ERROR_ARGUMENT, "a wheel of %d pixels is not possible",
                         diameter);
    made = memory_array(1, sizeof(*made));
    if (!made)
        return error_out_of_memory(error);
    pixels = (size_t)diameter * (size_t)diameter;
    made->diameter = diameter;
    made->outline = fmaxf((float)diameter / 90, 0.75f);
    made->radius = fmaxf((float)diameter / 2 - made->outline, 0.5f);
    made->still_distance = memory_array(pixels, sizeof(*made->still_distance));
    made->body = memory_array(pixels, 1);
    made->outlined = memory_array(pixels, 1);
    if (!made->still_distance || !made->body || !made->outlined) {
        gauge_destroy(&made);
        return error_out_of_memory(error);
    }
    for (int y = 0; y < diameter; y++) {
        for (int x = 0; x < diameter; x++) {
            float dx = from_middle(made, x), dy = from_middle(made, y);
            float distance = sqrtf(dx * dx + dy * dy);

            made->still_distance[(ptrdiff_t)y * diameter + x] =
                fminf(rim_distance(made, distance), distance - HUB_RADIUS * made->radius);
        }
    }
    *gauge = made;
    return VBP_OK;
}

void gauge_destroy(struct gauge **gauge)
{
    struct gauge *old = *gauge;

    *gauge = NULL;
    if (!old)
        return;
    free(old->still_distance);
    free(old->body);
    free(old->outlined);
    free(old);
}

/* A mark on the wheel at (x, y), turned by the angle whose sine and cosine are given. */
struct mark {
    const struct gauge *gauge;
    float middle_x, middle_y;
    float sine, cosine;
    float grow; /* pixels that its outline stands out */
};

static void turn_back(const struct mark *mark, float x, float y, float *u, float *v)
{
    float dx = x - mark->middle_x, dy = y - mark->middle_y;

    *u = dx * mark->cosine + dy * mark->sine;
    *v = dy * mark->cosine - dx * mark->sine;
}

/* The top of the rim. */
static float top_mark_distance(const void *shape, float x, float y)
{
    const struct mark *mark = shape;
    float u, v;

    turn_back(mark, x, y, &u, &v);
    return fmaxf(rim_distance(mark->gauge, sqrtf(u * u + v * v)),
                 fabsf(u) * MARK_COSINE + v * MARK_SINE);
}

/* A thin tick across the rim, a little longer than the rim is wide. */
static float tick_distance(const void *shape, float x, float y)
{
    const struct mark *mark = shape;
    float radius = mark->gauge->radius;
    float half = fmaxf(0.028f * radius, 1);
    float u, v;

    turn_back(mark, x, y, &u, &v);
    return fmaxf(fabsf(u) - half, fmaxf(-v - radius, v + radius * (1 - 2 * RIM_WIDTH))) -
           mark->grow;
}

static struct mark make_mark(const struct gauge *gauge, int x, int y, double degrees)
{
    double angle = fmod(degrees, 360) * (3.14159265358979323846 / 180);

    return (struct mark){
        .gauge = gauge,
        .middle_x = (float)x + (float)gauge->diameter / 2,
        .middle_y = (float)y + (float)gauge->diameter / 2,
        .sine = (float)sin(angle),
        .cosine = (float)cos(angle),
    };
}

void gauge_draw_wheel(struct gauge *gauge, struct surface *surface, int x, int y, double degrees,
                      double recorded_degrees)
{
    int diameter = gauge->diameter;
    struct mark mark = make_mark(gauge, x, y, isfinite(degrees) ? degrees : 0);

    for (int row = 0; row < diameter; row++) {
        for (int column = 0; column < diameter; column++) {
            ptrdiff_t i = (ptrdiff_t)row * diameter + column;
            float dx = from_middle(gauge, column), dy = from_middle(gauge, row);
            float u = dx * mark.cosine + dy * mark.sine;
            float v = dy * mark.cosine - dx * mark.sine;
            float distance = join(gauge->still_distance[i], spokes_distance(gauge, u, v),
                                  FILLET * gauge->radius);

            gauge->body[i] = shape_coverage(distance);
            gauge->outlined[i] = shape_coverage(distance - gauge->outline);
        }
    }
    surface_blend(surface, x, y, diameter, diameter, gauge->outlined, diameter, outline_color);
    surface_blend(surface, x, y, diameter, diameter, gauge->body, diameter,
                  isfinite(degrees) ? wheel_color : idle_color);
    if (isfinite(degrees))
        shape_fill(surface, x, y, diameter, diameter, top_mark_distance, &mark, marker_color);
    if (isfinite(recorded_degrees)) {
        mark = make_mark(gauge, x, y, recorded_degrees);
        mark.grow = gauge->outline;
        shape_fill(surface, x, y, diameter, diameter, tick_distance, &mark, outline_color);
        mark.grow = 0;
        shape_fill(surface, x, y, diameter, diameter, tick_distance, &mark, gauge_recorded_color);
    }
}
