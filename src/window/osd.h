/*
 * What stands over the picture: the steering display, messages, the key list, what is assumed
 * about the model. Each is a layer that is drawn again only when what it says or the size of the
 * window changes.
 *
 *      .-------------------------------------.
 *      | [steering display]         [status] |
 *      |                           [message] |
 *      |             [key list]              |
 *      |                                     |
 *      | [assumptions]                       |
 *      '-------------------------------------'
 */
#ifndef VBP_WINDOW_OSD_H
#define VBP_WINDOW_OSD_H

#include "draw/gauge.h"
#include "window/screen.h"

struct osd;

/* The screen must outlive it. */
int osd_create(struct osd **osd, struct screen *screen, VbpError *error);
void osd_destroy(struct osd **osd);

/* Everything is laid out and drawn anew: the window has another size or lost its textures. */
void osd_invalidate(struct osd *osd);

/* Shows a line for a moment; then it fades. */
void osd_message(struct osd *osd, const char *text, double now);

/* A line that stays, above the messages; NULL: none. */
void osd_set_status(struct osd *osd, const char *text);

/* Lines of the panel at the bottom, copied; count 0: no panel. Shown until `until`, seconds. */
int osd_set_assumptions(struct osd *osd, const char *const *lines, int count, VbpError *error);
void osd_show_assumptions(struct osd *osd, double until);
bool osd_shows_assumptions(const struct osd *osd, double now);

void osd_show_hud(struct osd *osd, bool shown);
void osd_show_keys(struct osd *osd, bool shown);

/* The steering display's values, for the next drawing. */
void osd_set_hud(struct osd *osd, const struct hud_values *values);

/*
 * Brings the layers up to date for this moment. *deadline: when the next thing changes by itself
 * (INFINITY: nothing does). *changed: the screen must be drawn again.
 */
int osd_update(struct osd *osd, double now, double *deadline, bool *changed, VbpError *error);

/* Draws all layers, between screen_begin and screen_present. */
void osd_draw(const struct osd *osd);

#endif
