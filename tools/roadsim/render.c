#include "render.h"

#include "base/memory.h"

#include <math.h>
#include <string.h>

enum { TONES = 4096 };

struct renderer {
    int width, height, samples;
    struct frame_drawing frame;
    struct color *picture; /* width x height: linear light */
    uint8_t tones[TONES];  /* 0..1 linear to 255 steps as screens show them */
};

int renderer_create(struct renderer **renderer, int width, int height, int samples, VbpError *error)
{
    struct renderer *made = memory_array(1, sizeof(*made));
    struct canvas *canvas;
    size_t count = (size_t)width * (size_t)height, points = count * (size_t)(samples * samples);

    *renderer = NULL;
    if (!made)
        return error_out_of_memory(error);
    made->width = width;
    made->height = height;
    made->samples = samples;
    canvas = &made->frame.canvas;
    canvas->width = width * samples;
    canvas->height = height * samples;
    canvas->nearness = memory_array(points, sizeof(*canvas->nearness));
    canvas->triangle = memory_array(points, sizeof(*canvas->triangle));
    canvas->pixels = memory_array(points, sizeof(*canvas->pixels));
    canvas->mirror = memory_array(points, sizeof(*canvas->mirror));
    canvas->truth = memory_array(points, 1);
    made->picture = memory_array(count, sizeof(*made->picture));
    made->frame.triangle_capacity = ground_triangles_most();
    made->frame.triangles =
        memory_array((size_t)made->frame.triangle_capacity, sizeof(*made->frame.triangles));
    if (!canvas->nearness || !canvas->triangle || !canvas->pixels || !canvas->mirror ||
        !canvas->truth || !made->picture || !made->frame.triangles) {
        renderer_destroy(&made);
        return error_out_of_memory(error);
    }
    for (int i = 0; i < TONES; i++) {
        double linear = (i + 0.5) / TONES;
        double shown = linear < 0.0031308 ? 12.92 * linear : 1.055 * pow(linear, 1 / 2.4) - 0.055;

        /* Cameras deepen the dark and lift the bright a little. */
        shown -= 0.045 * sin(2 * M_PI * shown);
        made->tones[i] = (uint8_t)(shown * 255 + 0.5);
    }
    *renderer = made;
    return VBP_OK;
}

void renderer_destroy(struct renderer **renderer)
{
    struct canvas *canvas;

    if (!*renderer)
        return;
    canvas = &(*renderer)->frame.canvas;
    free(canvas->nearness);
    free(canvas->triangle);
    free(canvas->pixels);
    free(canvas->mirror);
    free(canvas->truth);
    free((*renderer)->picture);
    free((*renderer)->frame.triangles);
    free(*renderer);
    *renderer = NULL;
}

/* ---- Setting up ----------------------------------------------------------------------------- */

static void set_camera(struct renderer *renderer, const struct scene *scene,
                       const struct driver_state *state, double side)
{
    struct frame_drawing *frame = &renderer->frame;
    const struct camera_mount *mount = &scene->mount;
    struct camera *camera = &frame->camera;
    double ch = cos(state->heading), sh = sin(state->heading);
    struct road_point here = road_at(&scene->road, state->s);
    double slope = (road_at(&scene->road, state->s + 2.7).height - here.height) / 2.7;
    double ground =
        here.height + (double)road_profile(&scene->road, (float)state->t) + slope * mount->forward;

    frame->camera_up = (float)(mount->height + state->bounce);
    frame->camera_right = (float)side;
    frame->origin_s = state->s;
    camera->position[0] = state->x + mount->forward * sh + side * ch;
    camera->position[1] = ground + mount->height + state->bounce - side * state->roll;
    camera->position[2] = state->z + mount->forward * ch - side * sh;
    camera_turn(camera, state->heading + mount->yaw, mount->pitch + state->pitch + atan(slope),
                mount->roll + state->roll);
    camera->focal = (float)(frame->canvas.width / 2.0 / tan(mount->view / 2));
    camera->center_x = (float)frame->canvas.width / 2;
    camera->center_y = (float)frame->canvas.height / 2;
}

static void set_decals(struct frame_drawing *frame)
{
    const struct scene *scene = frame->scene;
    const float *sun = scene->weather.sun_direction;

    frame->decal_count = 0;
    for (int i = 0; i < scene->scenery.vehicle_count && frame->decal_count < DECALS_MAX; i++) {
        const struct vehicle *vehicle = &scene->scenery.vehicles[i];
        double s = vehicle_s(vehicle, frame->state->time, frame->state->s), heading;
        struct decal *decal;
        float rise;

        if (s < frame->origin_s - 20 || s > frame->origin_s + 150)
            continue;
        decal = &frame->decals[frame->decal_count++];
        *decal = (struct decal){.s = (float)(s - frame->origin_s),
                                .t = vehicle->t,
                                .half_length = vehicle->length / 2,
                                .half_width = vehicle->width / 2};
        if (scene->weather.sun.red <= 0)
            continue;
        heading = road_at(&scene->road, s).heading;
        rise = vehicle->height * 0.85f / most(sun[1], 0.15f);
        decal->shift_s =
            -(float)((double)sun[0] * sin(heading) + (double)sun[2] * cos(heading)) * rise;
        decal->shift_t =
            -(float)((double)sun[0] * cos(heading) - (double)sun[2] * sin(heading)) * rise;
    }
}

/* ---- Water ---------------------------------------------------------------------------------- */

/*
 * What stands in the upper half of the picture is mirrored at the road's horizon, drawn out
 * downwards as the film of water is rough.
 */
static void mirror(struct renderer *renderer)
{
    enum { TAPS = 6 };
    struct frame_drawing *frame = &renderer->frame;
    struct canvas *canvas = &frame->canvas;
    double pitch = frame->scene->mount.pitch + frame->state->pitch;
    double roll = frame->scene->mount.roll + frame->state->roll;

    for (int y = 0; y < canvas->height; y++) {
        for (int x = 0; x < canvas->width; x++) {
            size_t at = (size_t)y * (size_t)canvas->width + (size_t)x;
            float share = canvas->mirror[at], horizon, below;
            struct color sum = {0, 0, 0};

            if (share <= 0)
                continue;
            horizon = canvas->height / 2.0f + frame->camera.focal * (float)tan(pitch) -
                      ((float)x - canvas->width / 2.0f) * (float)tan(roll);
            below = most((float)y - horizon, 0);
            for (int tap = 0; tap < TAPS; tap++) {
                float far = 0.55f + 1.1f * ((float)tap + hash_unit(x, y, (uint32_t)tap)) / TAPS;
                int row = (int)(horizon - below * far);

                row = row < 0 ? 0 : row >= y ? (y > 0 ? y - 1 : 0) : row;
                sum =
                    color_add(sum, canvas->pixels[(size_t)row * (size_t)canvas->width + (size_t)x]);
            }
            canvas->pixels[at] =
                color_mix(canvas->pixels[at], color_scale(sum, 1.0f / TAPS), share);
        }
    }
}

/* ---- The sensor ----------------------------------------------------------------------------- */

static void gather(struct renderer *renderer, uint8_t *truth)
{
    const struct canvas *canvas = &renderer->frame.canvas;
    int samples = renderer->samples;
    float share = 1 / (float)(samples * samples);

    for (int y = 0; y < renderer->height; y++) {
        for (int x = 0; x < renderer->width; x++) {
            struct color sum = {0, 0, 0};
            int count[4] = {0, 0, 0, 0}, best = TRUTH_REST;

            for (int j = 0; j < samples; j++) {
                size_t at =
                    (size_t)(y * samples + j) * (size_t)canvas->width + (size_t)(x * samples);

                for (int i = 0; i < samples; i++, at++) {
                    struct color color = canvas->pixels[at];

                    /* What is far too bright for the sensor does not spill over the edge. */
                    color.red = least(color.red, 4);
                    color.green = least(color.green, 4);
                    color.blue = least(color.blue, 4);
                    sum = color_add(sum, color);
                    count[canvas->truth[at]]++;
                }
            }
            for (int class = TRUTH_MARKING; class <= TRUTH_VEHICLE; class ++)
                if (count[class] * 2 >= samples * samples &&
                    count[class] > count[best] * (best > 0))
                    best = class;
            renderer->picture[y * renderer->width + x] = color_scale(sum, share);
            if (truth)
                truth[y * renderer->width + x] = (uint8_t)best;
        }
    }
}

/* Drops that fall through the picture while it is taken. */
static void add_streaks(struct renderer *renderer, const struct scene *scene, uint32_t salt)
{
    int count = (int)(scene->weather.rain * 260);
    struct color bright = color_scale(scene->weather.horizon, 1.1f);

    for (int i = 0; i < count; i++) {
        float x = hash_unit(i, 0, salt) * (float)renderer->width;
        float y = hash_unit(i, 1, salt) * (float)renderer->height * 1.1f;
        float near = hash_unit(i, 2, salt);
        float length = (0.01f + 0.05f * near * near) * (float)renderer->height;
        float lean = (x / (float)renderer->width - 0.5f) * 0.5f;
        float strength = 0.05f + 0.09f * near;

        for (int step = 0; step < (int)(2 * length); step++) {
            float down = 0.5f * (float)step;
            int px = (int)(x + lean * down), py = (int)(y + down);

            if (px >= 0 && py >= 0 && px < renderer->width && py < renderer->height) {
                struct color *pixel = &renderer->picture[py * renderer->width + px];

                *pixel = color_mix(*pixel, bright, strength);
            }
        }
    }
}

static uint8_t tone(const struct renderer *renderer, float light, float noise)
{
    /* Bright light is pressed together, as sensors' curves do. */
    float pressed = 1 - expf(-1.3f * light);
    float value = (float)renderer->tones[(int)(least(most(pressed, 0), 0.9999f) * TONES)] + noise;

    return (uint8_t)(least(most(value, 0), 255) + 0.5f);
}

/* About normal, from one hash. */
static float grain_of(uint32_t bits)
{
    return ((float)(bits & 0x3ff) + (float)(bits >> 10 & 0x3ff) + (float)(bits >> 20 & 0x3ff)) *
               (1 / 512.0f) -
           2.997f;
}

static void take(const struct renderer *renderer, const struct scene *scene, uint32_t salt,
                 uint8_t *rgb)
{
    const struct weather *weather = &scene->weather;
    float half_x = (float)renderer->width / 2, half_y = (float)renderer->height / 2;

    for (int y = 0; y < renderer->height; y++) {
        float dy = ((float)y + 0.5f - half_y) / half_x;

        for (int x = 0; x < renderer->width; x++) {
            struct color light = renderer->picture[y * renderer->width + x];
            float dx = ((float)x + 0.5f - half_x) / half_x;
            float exposure = weather->exposure * (1 - 0.22f * (dx * dx + dy * dy));
            uint64_t bits = random_mix((uint64_t)salt << 32 ^ (uint64_t)(y * renderer->width + x));
            float gray = grain_of((uint32_t)bits), tint = grain_of((uint32_t)(bits >> 32));

            *rgb++ = tone(renderer, light.red * exposure, weather->noise * (gray + 0.5f * tint));
            *rgb++ = tone(renderer, light.green * exposure, weather->noise * gray);
            *rgb++ = tone(renderer, light.blue * exposure, weather->noise * (gray - 0.5f * tint));
        }
    }
}

void renderer_draw(struct renderer *renderer, const struct scene *scene,
                   const struct driver_state *state, double side, int frame_number, uint8_t *rgb,
                   uint8_t *truth)
{
    struct frame_drawing *frame = &renderer->frame;
    uint32_t salt =
        (uint32_t)random_mix(scene->seed ^ (uint64_t)frame_number * 0x9E3779B97F4A7C15u ^
                             (uint64_t)(int64_t)(side * 1000));

    frame->scene = scene;
    frame->state = state;
    set_camera(renderer, scene, state, side);
    set_decals(frame);
    ground_draw(frame);
    objects_draw(frame);
    if (scene->weather.wet > 0)
        mirror(renderer);
    gather(renderer, truth);
    if (scene->weather.rain > 0)
        add_streaks(renderer, scene, salt);
    take(renderer, scene, salt, rgb);
}
