#include "weather.h"

#include <math.h>

const char *const weather_names[WEATHER_KINDS] = {"clear", "overcast", "dusk",
                                                  "night", "rain",     "fog"};

static float between(struct random *random, double low, double high)
{
    return (float)random_between(random, low, high);
}

static void set_sun(struct weather *weather, struct random *random, double low, double high)
{
    double elevation = random_between(random, low, high) * M_PI / 180;
    double azimuth = random_between(random, 0, 2 * M_PI);

    weather->sun_direction[0] = (float)(cos(elevation) * sin(azimuth));
    weather->sun_direction[1] = (float)sin(elevation);
    weather->sun_direction[2] = (float)(cos(elevation) * cos(azimuth));
}

static void draw_clear(struct weather *weather, struct random *random)
{
    float warm, low;

    set_sun(weather, random, 18, 65);
    low = 1 - least(weather->sun_direction[1] / 0.6f, 1);
    warm = low * between(random, 0.6, 1);
    weather->sun = (struct color){1.0f, 0.94f - 0.12f * warm, 0.85f - 0.3f * warm};
    weather->sun = color_scale(weather->sun, 1.45f);
    weather->ambient = (struct color){0.25f, 0.30f, 0.40f};
    weather->zenith = (struct color){0.13f, 0.31f, 0.72f};
    weather->horizon = (struct color){0.62f + 0.1f * warm, 0.74f, 0.88f - 0.1f * warm};
    weather->haze = color_scale(weather->horizon, 0.92f);
    weather->haze_density = between(random, 0.0004, 0.0014);
    weather->clouds = between(random, 0, 0.6);
    weather->cloud = (struct color){1.0f, 0.99f, 0.97f};
    weather->exposure = 1.3f;
    weather->noise = 1.2f;
}

static void draw_overcast(struct weather *weather, struct random *random)
{
    float gray = between(random, 0.5, 0.85);

    set_sun(weather, random, 40, 60);
    weather->ambient = (struct color){gray, gray * 1.01f, gray * 1.05f};
    weather->zenith = color_scale((struct color){0.62f, 0.66f, 0.72f}, gray);
    weather->horizon = color_scale((struct color){1.05f, 1.07f, 1.08f}, gray);
    weather->haze = color_scale(weather->horizon, 0.9f);
    weather->haze_density = between(random, 0.0008, 0.0024);
    weather->clouds = 1;
    weather->cloud = color_scale((struct color){0.85f, 0.88f, 0.92f}, gray);
    weather->exposure = 1.25f / sqrtf(gray);
    weather->noise = 1.5f;
}

static void draw_dusk(struct weather *weather, struct random *random)
{
    float warm = between(random, 0.5, 1);

    set_sun(weather, random, 4, 9);
    weather->sun = color_scale((struct color){1.0f, 0.62f, 0.32f}, 0.5f);
    weather->ambient = (struct color){0.2f, 0.2f, 0.27f};
    weather->zenith = (struct color){0.1f, 0.16f, 0.34f};
    weather->horizon = (struct color){0.75f + 0.25f * warm, 0.52f, 0.4f - 0.1f * warm};
    weather->haze = (struct color){0.5f + 0.1f * warm, 0.42f, 0.4f};
    weather->haze_density = between(random, 0.001, 0.0025);
    weather->clouds = between(random, 0.1, 0.7);
    weather->cloud = (struct color){0.9f, 0.55f, 0.42f};
    weather->headlights = random_chance(random, 0.6) ? 0.25f : 0;
    weather->lamps_lit = true;
    weather->exposure = 1.8f;
    weather->noise = 2.5f;
}

static void draw_night(struct weather *weather, struct random *random)
{
    float glow = between(random, 0.3, 1);

    set_sun(weather, random, 30, 60);
    weather->ambient = (struct color){0.0028f, 0.0032f, 0.0048f};
    weather->zenith = (struct color){0.0012f, 0.0016f, 0.0034f};
    weather->horizon = color_scale((struct color){0.014f, 0.0115f, 0.011f}, glow);
    weather->haze = color_scale((struct color){0.006f, 0.0055f, 0.006f}, glow);
    weather->haze_density = between(random, 0.002, 0.004);
    weather->cloud = weather->horizon;
    weather->headlights = between(random, 0.9, 1.3);
    weather->lamps_lit = true;
    weather->exposure = 2.3f;
    weather->noise = 3.2f;
}

static void draw_rain(struct weather *weather, struct random *random)
{
    draw_overcast(weather, random);
    weather->kind = WEATHER_RAIN;
    weather->ambient = color_scale(weather->ambient, 0.75f);
    weather->horizon = color_scale(weather->horizon, 0.8f);
    weather->zenith = color_scale(weather->zenith, 0.8f);
    weather->haze = color_scale(weather->horizon, 0.95f);
    weather->haze_density = between(random, 0.003, 0.007);
    weather->wet = between(random, 0.5, 1);
    weather->rain = between(random, 0.3, 1);
    weather->headlights = 0.1f;
    weather->lamps_lit = true;
    weather->exposure *= 1.15f;
    weather->noise = 2.2f;
}

static void draw_fog(struct weather *weather, struct random *random)
{
    draw_overcast(weather, random);
    weather->zenith = weather->haze;
    weather->horizon = weather->haze;
    weather->cloud = weather->haze;
    weather->haze_density = between(random, 0.012, 0.03);
    weather->wet = between(random, 0, 0.4);
    weather->headlights = 0.05f;
    weather->lamps_lit = true;
}

void weather_draw(struct weather *weather, enum weather_kind kind, struct random *random)
{
    *weather = (struct weather){.kind = kind, .cloud_shift = between(random, 0, 512)};
    switch (kind) {
    case WEATHER_OVERCAST:
        draw_overcast(weather, random);
        break;
    case WEATHER_DUSK:
        draw_dusk(weather, random);
        break;
    case WEATHER_NIGHT:
        draw_night(weather, random);
        break;
    case WEATHER_RAIN:
        draw_rain(weather, random);
        break;
    case WEATHER_FOG:
        draw_fog(weather, random);
        break;
    default:
        draw_clear(weather, random);
        break;
    }
    weather->exposure *= between(random, 0.85, 1.15);
}
