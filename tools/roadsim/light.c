/* Light, air and sky. */
#include "scene.h"

#include <math.h>

#define LAMP_UP 0.65f /* metres: one's own headlights above the road */

float headlight_at(const struct frame_drawing *frame, float x, float y, float z)
{
    float strength = frame->scene->weather.headlights;
    float aside, up, beam;

    if (strength <= 0 || z < 0.5f)
        return 0;
    aside = (x + frame->camera_right) / (z + 1);
    /* How far above the lamps' level, as a slope. Dipped beams end just below it. */
    up = (frame->camera_up - LAMP_UP - y) / (z + 1);
    up += 0.012f - 0.02f * least(most(aside * 6, 0), 1);
    beam = up <= 0 ? 1 : 0.04f + 0.96f * expf(-up * up * 3000);
    beam *= expf(-aside * aside * 4.5f) * 0.85f + 0.15f * expf(-aside * aside * 0.8f);
    return strength * beam / (1 + z * z * (1 / 1200.0f)) * least(1, z / 6);
}

float street_light_at(const struct scene *scene, float s, float t)
{
    float spacing = scene->scenery.lamp_spacing, sum = 0;
    int nearest;

    if (scene->weather.kind != WEATHER_NIGHT || spacing <= 0)
        return 0;
    nearest = floor_to_int(s / spacing + 0.5f);
    for (int i = nearest - 1; i <= nearest + 1; i++) {
        float ds = s - (float)i * spacing;
        float dt = t - (i % 2 ? 1 : -1) * (scene->road.edge_right - 0.9f);
        float away2 = (ds * ds + dt * dt) / 45;

        sum += 1 / ((1 + away2) * sqrtf(1 + away2));
    }
    return 0.13f * sum;
}

struct color light_on(const struct frame_drawing *frame, const float normal[3],
                      const struct vertex *place, float sun_share)
{
    static const struct color beam = {1.0f, 0.95f, 0.82f};
    const struct weather *weather = &frame->scene->weather;
    const float *sun = weather->sun_direction;
    float facing = normal[0] * sun[0] + normal[1] * sun[1] + normal[2] * sun[2];
    struct color light = color_scale(weather->ambient, 0.62f + 0.38f * normal[1]);

    light = color_add(light, color_scale(weather->sun, most(facing, 0) * sun_share));
    return color_add(light, color_scale(beam, headlight_at(frame, place->x, place->y, place->z)));
}

struct color through_air(const struct weather *weather, struct color color, float distance)
{
    return color_mix(weather->haze, color, expf(-distance * weather->haze_density));
}

/* ---- Sky ------------------------------------------------------------------------------------ */

static float smooth_step(float from, float to, float x)
{
    x = least(most((x - from) / (to - from), 0), 1);
    return x * x * (3 - 2 * x);
}

static struct color add_clouds(const struct scene *scene, struct color sky, float x, float y,
                               float z, float footprint)
{
    const struct weather *weather = &scene->weather;
    const struct texture *texture = &scene->art->textures.clouds;
    float away = 1 / (y + 0.09f), u = x * away * 42 + weather->cloud_shift, v = z * away * 42;
    float spread = footprint * away * away * 42 * 0.6f;
    float shape = texture_sample(texture, u, v, spread, spread);
    float inner = texture_sample(texture, u * 3.1f, v * 3.1f, spread * 3.1f, spread * 3.1f);
    float cover;

    shape = shape * 0.8f + inner * 0.2f;
    if (weather->clouds >= 1)
        return color_mix(sky, color_scale(weather->cloud, 0.55f + 0.9f * shape),
                         0.8f * smooth_step(0, 0.25f, y));
    cover = smooth_step(0.72f - 0.5f * weather->clouds, 0.95f - 0.4f * weather->clouds, shape);
    cover *= smooth_step(0.01f, 0.16f, y) * 0.9f;
    return color_mix(sky, color_scale(weather->cloud, 1.12f - 0.35f * cover * inner), cover);
}

static float ridge_at(const float ridges[RIDGES], float turn)
{
    float place = turn * RIDGES;
    int i = floor_to_int(place);
    float share = place - (float)i;

    return ridges[i & (RIDGES - 1)] * (1 - share) + ridges[(i + 1) & (RIDGES - 1)] * share;
}

struct color sky_color(const struct scene *scene, float x, float y, float z, float footprint)
{
    const struct weather *weather = &scene->weather;
    const float *sun = weather->sun_direction;
    float up = most(y, 0), toward = x * sun[0] + y * sun[1] + z * sun[2];
    struct color sky = color_mix(weather->zenith, weather->horizon, expf(-up * 4.2f));

    if (weather->clouds > 0 && y > 0)
        sky = add_clouds(scene, sky, x, y, z, footprint);
    if (weather->sun.red > 0 && toward > 0) {
        float low = weather->kind == WEATHER_DUSK ? 0.55f : 0.15f;
        float halo = powf(toward, 12) * low + powf(toward, 160) * 0.6f + powf(toward, 4000) * 8;

        sky = color_add(sky, color_scale(weather->sun, halo));
    }
    if (y < 0.14f) {
        float turn = atan2f(x, z) * (float)(0.5 / M_PI) + 1;
        float soft = most(footprint, 1e-4f);

        for (int i = 0; i < 2; i++) {
            static const struct color wood = {0.055f, 0.085f, 0.04f};
            float ridge = ridge_at(scene->ridges[i], turn) - y;
            float share = least(most(ridge / soft + 0.5f, 0), 1);
            struct color light = color_add(weather->ambient, color_scale(weather->sun, 0.35f));

            if (share > 0)
                sky = color_mix(sky, through_air(weather, color_times(wood, light), i ? 500 : 1400),
                                share);
        }
    }
    return sky;
}

void ridges_draw(struct scene *scene)
{
    uint32_t salt = (uint32_t)scene->seed;

    for (int layer = 0; layer < 2; layer++) {
        for (int i = 0; i < RIDGES; i++) {
            /* Noise on a circle, so that it closes. */
            float angle = (float)i * (float)(2 * M_PI / RIDGES);
            float x = cosf(angle), y = sinf(angle), sum = 0;

            sum += smooth_noise(x * 2 + 9, y * 2 + 9, salt + (uint32_t)layer);
            sum += 0.5f * smooth_noise(x * 6 + 19, y * 6 + 19, salt + 2);
            if (layer == 1)
                sum = sum * 0.6f + 0.30f * smooth_noise(x * 60 + 99, y * 60 + 99, salt + 3) +
                      0.2f * smooth_noise(x * 140 + 299, y * 140 + 299, salt + 4);
            scene->ridges[layer][i] = layer == 0 ? 0.062f * sum - 0.02f : 0.024f * sum - 0.004f;
        }
    }
}
