/* Steering wheel, value panel and shapes, all anti-aliased, for window and export alike. */
#ifndef VBP_DRAW_GAUGE_H
#define VBP_DRAW_GAUGE_H

#include "draw/text.h"

/* A filled rectangle with rounded corners; radius in pixels. Cannot fail: returns VBP_OK. */
int gauge_draw_panel(struct surface *surface, int x, int y, int width, int height, int radius,
                     struct color color);

/*
 * A steering wheel of `diameter` pixels turned by `degrees` (positive: to the right), with a
 * second, thin marker at recorded_degrees where that is not NaN. One draw call reuses `gauge`'s
 * buffers.
 */
struct gauge;
int gauge_create(struct gauge **gauge, int diameter, VbpError *error);
void gauge_destroy(struct gauge **gauge);
extern const struct color gauge_recorded_color; /* of that marker */
void gauge_draw_wheel(struct gauge *gauge, struct surface *surface, int x, int y, double degrees,
                      double recorded_degrees);

/*
 * The heads-up display of one frame: a panel with the wheel, the steering value and its unit, frame
 * number and time, laid out for the surface's size. Values that are NaN are shown as a dash.
 */
struct hud_values {
    double steering;         /* in the network's unit */
    const char *unit;        /* e.g. "normalized", "rad"; NULL or "": none */
    double wheel_degrees;    /* what the wheel shows, positive to the right */
    double recorded_degrees; /* NaN: no recording */
    double recorded;         /* the same as it was recorded */
    int64_t frame_number;
    double time;      /* seconds */
    const char *note; /* one line under it, e.g. an assumption in use; NULL: none */
};
struct hud;
/* For surfaces of about this size; font and wheel scale with the height. */
int hud_create(struct hud **hud, int surface_width, int surface_height, VbpError *error);
void hud_destroy(struct hud **hud);

/*
 * How much of a surface of that width hud_draw would use for these values, from the upper left
 * corner on: for a surface that need not be as large as the window.
 */
void hud_size(const struct hud *hud, int surface_width, const struct hud_values *values, int *width,
              int *height);
void hud_draw(struct hud *hud, struct surface *surface, const struct hud_values *values);

#endif
