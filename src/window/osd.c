#include "window/osd.h"

#include "base/memory.h"
#include "draw/table.h"
#include "draw/text.h"
#include "window/keys.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

/* Seconds. */
#define MESSAGE_SHOWN 1.5
#define MESSAGE_FADE  0.3
#define FADE_STEP     0.04

#define MAX_LINES    16
#define MAX_KEY_ROWS 64

static const struct color panel_color = {13, 16, 20, 200};
static const struct color title_color = {255, 150, 62, 255};
static const struct color text_color = {232, 236, 241, 255};

struct osd {
    struct screen *screen;
    int width, height; /* the layers are laid out for; 0: not yet */
    struct font *font, *title_font;
    int margin;

    struct hud *hud;
    struct layer hud_layer;
    struct hud_values hud_values;
    char hud_note[512];
    bool hud_shown, hud_stale;

    struct layer message_layer;
    char message[512];
    double message_end; /* gone at this time; -INFINITY: there is none */
    bool message_stale;

    struct layer status_layer;
    char status[512]; /* "": none */
    bool status_stale;

    struct layer assumption_layer;
    char *lines[MAX_LINES];
    int line_count;
    double assumptions_end;
    bool assumptions_stale;

    struct layer keys_layer;
    bool keys_shown, keys_stale;

    bool changed; /* since the last osd_update */
};

int osd_create(struct osd **osd, struct screen *screen, VbpError *error)
{
    *osd = memory_array(1, sizeof(**osd));
    if (!*osd)
        return error_out_of_memory(error);
    (*osd)->screen = screen;
    (*osd)->message_end = -INFINITY;
    (*osd)->assumptions_end = -INFINITY;
    (*osd)->hud_values.steering = NAN;
    (*osd)->hud_values.wheel_degrees = NAN;
    (*osd)->hud_values.recorded_degrees = NAN;
    (*osd)->hud_values.recorded = NAN;
    return VBP_OK;
}

static void free_lines(struct osd *osd)
{
    for (int i = 0; i < osd->line_count; i++)
        free(osd->lines[i]);
    osd->line_count = 0;
}

void osd_destroy(struct osd **osd)
{
    struct osd *o = *osd;

    if (!o)
        return;
    free_lines(o);
    layer_free(&o->keys_layer);
    layer_free(&o->assumption_layer);
    layer_free(&o->status_layer);
    layer_free(&o->message_layer);
    layer_free(&o->hud_layer);
    hud_destroy(&o->hud);
    font_close(&o->title_font);
    font_close(&o->font);
    free(o);
    *osd = NULL;
}

void osd_invalidate(struct osd *osd)
{
    osd->width = osd->height = 0;
}

/* ---- What is said --------------------------------------------------------------------------- */

void osd_message(struct osd *osd, const char *text, double now)
{
    snprintf(osd->message, sizeof(osd->message), "%s", text);
    osd->message_end = now + MESSAGE_SHOWN;
    osd->message_stale = true;
    osd->changed = true;
}

void osd_set_status(struct osd *osd, const char *text)
{
    snprintf(osd->status, sizeof(osd->status), "%s", text ? text : "");
    osd->status_stale = true;
    osd->changed = true;
}

int osd_set_assumptions(struct osd *osd, const char *const *lines, int count, VbpError *error)
{
    free_lines(osd);
    for (int i = 0; i < count && i < MAX_LINES; i++) {
        osd->lines[i] = memory_copy_text(lines[i]);
        if (!osd->lines[i])
            return error_out_of_memory(error);
        osd->line_count++;
    }
    osd->assumptions_stale = true;
    osd->changed = true;
    return VBP_OK;
}

void osd_show_assumptions(struct osd *osd, double until)
{
    osd->assumptions_end = until;
    osd->changed = true;
}

bool osd_shows_assumptions(const struct osd *osd, double now)
{
    return osd->line_count > 0 && now < osd->assumptions_end;
}

void osd_show_hud(struct osd *osd, bool shown)
{
    osd->hud_shown = shown;
    osd->changed = true;
}

void osd_show_keys(struct osd *osd, bool shown)
{
    osd->keys_shown = shown;
    osd->changed = true;
}

void osd_set_hud(struct osd *osd, const struct hud_values *values)
{
    snprintf(osd->hud_note, sizeof(osd->hud_note), "%s", values->note ? values->note : "");
    osd->hud_values = *values;
    osd->hud_values.note = osd->hud_note[0] ? osd->hud_note : NULL;
    osd->hud_stale = true;
    osd->changed = true;
}

/* ---- Layers --------------------------------------------------------------------------------- */

/* Fonts and distances for the window's size, scaled like the steering display's. */
static int lay_out(struct osd *osd, VbpError *error)
{
    int width, height, smaller, pixels;
    int result;

    screen_size(osd->screen, &width, &height);
    if (osd->width == width && osd->height == height)
        return VBP_OK;
    osd->width = osd->height = 0;
    hud_destroy(&osd->hud);
    font_close(&osd->font);
    font_close(&osd->title_font);
    smaller = width * 3 / 4 < height ? width * 3 / 4 : height;
    pixels = smaller * 30 / 1080 > 13 ? smaller * 30 / 1080 : 13;
    osd->margin = smaller * 24 / 1080 > 4 ? smaller * 24 / 1080 : 4;
    result = hud_create(&osd->hud, width, height, error);
    if (result == VBP_OK)
        result = font_open(&osd->font, pixels, 0, error);
    if (result == VBP_OK)
        result = font_open(&osd->title_font, pixels, 1, error);
    if (result != VBP_OK)
        return result;
    osd->width = width;
    osd->height = height;
    osd->hud_stale = osd->message_stale = osd->status_stale = true;
    osd->assumptions_stale = osd->keys_stale = true;
    osd->changed = true;
    return VBP_OK;
}

static int update_hud(struct osd *osd, VbpError *error)
{
    struct surface surface;
    int width, height;
    int result;

    osd->hud_layer.visible = osd->hud_shown;
    if (!osd->hud_shown || !osd->hud_stale)
        return VBP_OK;
    hud_size(osd->hud, osd->width, &osd->hud_values, &width, &height);
    if (width > osd->width)
        width = osd->width;
    result = layer_begin(&osd->hud_layer, width, height, osd->width, &surface, error);
    if (result != VBP_OK)
        return result;
    hud_draw(osd->hud, &surface, &osd->hud_values);
    osd->hud_layer.opacity = 1;
    osd->hud_stale = false;
    return layer_finish(osd->screen, &osd->hud_layer, error);
}

/* A rounded panel with a title (NULL: none) and lines; too long ones are shortened. */
static int draw_lines(struct osd *osd, struct layer *layer, const char *title,
                      const char *const *lines, int count, VbpError *error)
{
    int line_height = font_line_height(osd->font) * 5 / 4;
    int padding = osd->margin;
    int room = osd->width - 2 * osd->margin - 2 * padding;
    int width = title ? font_text_width(osd->title_font, title) : 0;
    int y = padding * 2 / 3;
    struct surface surface;
    char text[512];
    int result;

    if (room < 1)
        room = 1;
    for (int i = 0; i < count; i++) {
        int line_width = font_text_width(osd->font, lines[i]);

        if (line_width > width)
            width = line_width;
    }
    if (width > room)
        width = room;
    result = layer_begin(layer, width + 2 * padding,
                         (count + (title ? 1 : 0)) * line_height + 2 * y, 0, &surface, error);
    if (result != VBP_OK)
        return result;
    result = gauge_draw_panel(&surface, 0, 0, surface.width, surface.height, padding * 2 / 3,
                              panel_color);
    if (result != VBP_OK)
        return error_out_of_memory(error);
    y += (line_height - font_line_height(osd->font)) / 2;
    if (title) {
        font_shorten(osd->title_font, title, width, text, sizeof(text));
        font_draw(osd->title_font, &surface, padding, y, text, title_color);
        y += line_height;
    }
    for (int i = 0; i < count; i++) {
        font_shorten(osd->font, lines[i], width, text, sizeof(text));
        font_draw(osd->font, &surface, padding, y, text, text_color);
        y += line_height;
    }
    return layer_finish(osd->screen, layer, error);
}

static double sooner(double a, double b)
{
    return a < b ? a : b;
}

static int update_status(struct osd *osd, VbpError *error)
{
    struct layer *layer = &osd->status_layer;
    const char *line = osd->status;
    int result = VBP_OK;

    layer->visible = osd->status[0] != '\0';
    layer->opacity = 1;
    if (layer->visible && osd->status_stale)
        result = draw_lines(osd, layer, NULL, &line, 1, error);
    osd->status_stale = false;
    layer->x = osd->width - osd->margin - layer->width;
    layer->y = osd->margin;
    return result;
}

static int update_message(struct osd *osd, double now, double *deadline, VbpError *error)
{
    struct layer *layer = &osd->message_layer;
    const char *line = osd->message;
    double left = osd->message_end - now;
    double opacity = left >= MESSAGE_FADE ? 1 : left > 0 ? left / MESSAGE_FADE : 0;
    int result = VBP_OK;

    if (opacity != layer->opacity || layer->visible != (left > 0))
        osd->changed = true;
    layer->visible = left > 0;
    layer->opacity = opacity;
    if (!layer->visible)
        return VBP_OK;
    if (osd->message_stale)
        result = draw_lines(osd, layer, NULL, &line, 1, error);
    osd->message_stale = false;
    layer->x = osd->width - osd->margin - layer->width;
    layer->y = osd->margin;
    if (osd->status_layer.visible)
        layer->y += osd->status_layer.height + osd->margin / 2;
    /* Fading goes in steps; before it there is nothing to do. */
    *deadline = sooner(*deadline, left > MESSAGE_FADE ? osd->message_end - MESSAGE_FADE
                                                      : sooner(now + FADE_STEP, osd->message_end));
    return result;
}

static int update_assumptions(struct osd *osd, double now, double *deadline, VbpError *error)
{
    struct layer *layer = &osd->assumption_layer;
    /* The key list stands where a wide panel would reach. */
    bool shown = osd_shows_assumptions(osd, now) && !osd->keys_shown;
    int result = VBP_OK;

    if (layer->visible != shown)
        osd->changed = true;
    layer->visible = shown;
    layer->opacity = 1;
    if (!shown)
        return VBP_OK;
    if (osd->assumptions_stale)
        result = draw_lines(osd, layer, "Assumed about the model", (const char *const *)osd->lines,
                            osd->line_count, error);
    osd->assumptions_stale = false;
    layer->x = osd->margin;
    layer->y = osd->height - osd->margin - layer->height;
    *deadline = sooner(*deadline, osd->assumptions_end);
    return result;
}

/* ---- The key list --------------------------------------------------------------------------- */

struct key_rows {
    struct table_row rows[MAX_KEY_ROWS];
    char names[MAX_KEY_ROWS][64];
    int count;
};

static void add_key_row(void *context, const char *names, const char *help)
{
    struct key_rows *list = context;

    if (list->count == MAX_KEY_ROWS)
        return;
    if (names)
        snprintf(list->names[list->count], sizeof(list->names[0]), "%s", names);
    list->rows[list->count] =
        (struct table_row){.key = names ? list->names[list->count] : NULL, .text = help};
    list->count++;
}

static int update_keys(struct osd *osd, VbpError *error)
{
    struct key_rows *list;
    struct table *table = NULL;
    struct surface surface;
    int width, height;
    int result;

    osd->keys_layer.visible = osd->keys_shown;
    if (!osd->keys_shown || !osd->keys_stale)
        return VBP_OK;
    list = memory_array(1, sizeof(*list));
    if (!list)
        return error_out_of_memory(error);
    keys_walk(add_key_row, list);
    result = table_create(&table, "Keys", list->rows, list->count, osd->width, osd->height, error);
    if (result != VBP_OK)
        goto done;
    table_size(table, &width, &height);
    result = layer_begin(&osd->keys_layer, width, height, 0, &surface, error);
    if (result != VBP_OK)
        goto done;
    table_draw_at(table, &surface, 0, 0);
    osd->keys_layer.x = (osd->width - width) / 2;
    osd->keys_layer.y = (osd->height - height) / 2;
    osd->keys_layer.opacity = 1;
    osd->keys_stale = false;
    result = layer_finish(osd->screen, &osd->keys_layer, error);
done:
    table_destroy(&table);
    free(list);
    return result;
}

int osd_update(struct osd *osd, double now, double *deadline, bool *changed, VbpError *error)
{
    int result = lay_out(osd, error);

    *deadline = INFINITY;
    if (result == VBP_OK)
        result = update_hud(osd, error);
    if (result == VBP_OK)
        result = update_status(osd, error);
    if (result == VBP_OK)
        result = update_message(osd, now, deadline, error);
    if (result == VBP_OK)
        result = update_assumptions(osd, now, deadline, error);
    if (result == VBP_OK)
        result = update_keys(osd, error);
    *changed = osd->changed;
    osd->changed = false;
    return result;
}

void osd_draw(const struct osd *osd)
{
    layer_draw(osd->screen, &osd->hud_layer);
    layer_draw(osd->screen, &osd->assumption_layer);
    layer_draw(osd->screen, &osd->status_layer);
    layer_draw(osd->screen, &osd->keys_layer);
    layer_draw(osd->screen, &osd->message_layer);
}
