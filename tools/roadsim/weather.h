/* Light and air. Colours are linear light; 1 is a white sheet in full sun. */
#ifndef ROADSIM_WEATHER_H
#define ROADSIM_WEATHER_H

#include "number.h"
#include "random.h"

struct color {
    float red, green, blue;
};

static inline struct color color_mix(struct color a, struct color b, float share)
{
    return (struct color){a.red + (b.red - a.red) * share, a.green + (b.green - a.green) * share,
                          a.blue + (b.blue - a.blue) * share};
}

static inline struct color color_scale(struct color a, float factor)
{
    return (struct color){a.red * factor, a.green * factor, a.blue * factor};
}

static inline struct color color_times(struct color a, struct color b)
{
    return (struct color){a.red * b.red, a.green * b.green, a.blue * b.blue};
}

static inline struct color color_add(struct color a, struct color b)
{
    return (struct color){a.red + b.red, a.green + b.green, a.blue + b.blue};
}

enum weather_kind {
    WEATHER_CLEAR,
    WEATHER_OVERCAST,
    WEATHER_DUSK,
    WEATHER_NIGHT,
    WEATHER_RAIN,
    WEATHER_FOG,
    WEATHER_KINDS
};

extern const char *const weather_names[WEATHER_KINDS];

struct weather {
    enum weather_kind kind;
    float sun_direction[3]; /* world x, y up, z; length 1 */
    struct color sun;       /* on a surface that faces it; black: no shadows */
    struct color ambient;   /* from the sky, on a surface that faces up */
    struct color zenith, horizon;
    struct color haze;  /* what distance turns into */
    float haze_density; /* 1/m */
    float clouds;       /* share of the sky, 0..1 */
    float cloud_shift;  /* which clouds */
    struct color cloud;
    float wet;        /* 0 dry .. 1 water stands on the road */
    float rain;       /* streaks in the air, 0..1 */
    float headlights; /* strength of one's own; 0: off */
    bool lamps_lit;   /* others drive with lights */
    float exposure;
    float noise; /* of the sensor, in steps of 1/255 at middle gray */
};

void weather_draw(struct weather *weather, enum weather_kind kind, struct random *random);

#endif
