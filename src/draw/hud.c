#include "draw/gauge.h"

#include "base/error.h"
#include "base/memory.h"

#include <inttypes.h>
#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

/*
 * The panel, in the upper left corner, where roads have sky:
 *
 *      .-----------------------------.
 *      |   ___     +0.123 normalized |    value (bold) and unit on one base line
 *      |  / | \    recorded +0.150   |    in the colour of its mark on the wheel; or no such line
 *      |  \_|_/    frame 12 · 00:00.480
 *      |  assumed: gray, 0..1        |    the note, where there is one
 *      '-----------------------------'
 *
 * What does not fit a narrow picture is left out: the words "frame" and "recorded", the unit, the
 * time, the wheel. In a low one, the recorded value takes the unit's place, to save a line.
 */

static const struct color panel_color = {13, 16, 20, 172};
static const struct color value_color = {255, 255, 255, 255};
static const struct color unit_color = {168, 178, 190, 255};
static const struct color text_color = {206, 212, 220, 255};
static const struct color note_color = {255, 196, 104, 255};

/* Lower pictures have a line less. */
#define LEAST_HEIGHT 240

#define DASH  "–"
#define MINUS "−"

struct hud {
    struct font *value_font, *text_font;
    struct gauge *gauge;
    int margin;  /* from the edges of the surface to the panel */
    int padding; /* from the edges of the panel to what is in it */
    int gap;     /* between wheel and text */
    int wheel;   /* diameter */
    bool low;    /* the picture: no room for a third line */
};

/* A length at the height of 1080, for the height in question, but at least `minimum`. */
static int scaled(int height, int at_1080, int minimum)
{
    int length = (int)(((int64_t)height * at_1080 + 540) / 1080);

    return length > minimum ? length : minimum;
}

int hud_create(struct hud **hud, int surface_width, int surface_height, VbpError *error)
{
    struct hud *made;
    /* Pictures narrower than 4:3 are treated as if they were lower. */
    int64_t from_width = (int64_t)surface_width * 3 / 4;
    int height = from_width < surface_height ? (int)from_width : surface_height;
    int status;

    *hud = NULL;
    if (surface_width < 1 || surface_height < 1 || surface_width > 32768 || surface_height > 32768)
        return error_set(error, VBP_ERROR_ARGUMENT, "no display for a picture of %d x %d",
                         surface_width, surface_height);
    made = memory_array(1, sizeof(*made));
    if (!made)
        return error_out_of_memory(error);
    made->margin = scaled(height, 24, 4) & ~1;
    made->padding = scaled(height, 18, 5);
    made->gap = scaled(height, 22, 6);
    made->wheel = scaled(height, 100, 30);
    made->low = height < LEAST_HEIGHT;
    if (height > 8640)
        height = 8640; /* where the fonts stop growing */
    status = font_open(&made->value_font, scaled(height, 60, 18), 1, error);
    if (status)
        goto done;
    status = font_open(&made->text_font, scaled(height, 30, 12), 0, error);
    if (status)
        goto done;
    status = gauge_create(&made->gauge, made->wheel, error);
    if (status)
        goto done;
    *hud = made;
    made = NULL;

done:
    hud_destroy(&made);
    return status;
}

void hud_destroy(struct hud **hud)
{
    struct hud *old = *hud;

    *hud = NULL;
    if (!old)
        return;
    font_close(&old->value_font);
    font_close(&old->text_font);
    gauge_destroy(&old->gauge);
    free(old);
}

/* Sign and digits apart, so that digits stay in place when the sign changes. */
static const char *format_value(double value, char *digits, size_t size)
{
    double magnitude = fabs(value);

    if (!isfinite(value)) {
        snprintf(digits, size, "%s", DASH);
        return "";
    }
    if (magnitude < 1e6)
        snprintf(digits, size, "%.*f",
                 magnitude < 9.9995   ? 3
                 : magnitude < 99.995 ? 2
                                      : 1,
                 magnitude);
    else
        snprintf(digits, size, "%.3e", magnitude);
    if (magnitude < 0.0005)
        return "";
    return value < 0 ? MINUS : "+";
}

/* mm:ss.mmm; minutes go on after 59. */
static void format_time(double seconds, char *text, size_t size)
{
    long long milliseconds;

    if (!(fabs(seconds) < 1e12)) {
        snprintf(text, size, "%s", DASH);
        return;
    }
    milliseconds = llround(fabs(seconds) * 1000);
    snprintf(text, size, "%s%02lld:%02lld.%03lld", seconds < 0 && milliseconds > 0 ? MINUS : "",
             milliseconds / 60000, milliseconds / 1000 % 60, milliseconds % 1000);
}

static int larger(int a, int b)
{
    return a > b ? a : b;
}

/* The texts of one frame and the room they take. */
struct hud_text {
    char digits[40], unit[64], recorded[64], line[96], note[512];
    const char *sign;
    int sign_width, unit_gap;
    bool recorded_line; /* else it takes the unit's place */
    int wheel;          /* its diameter, 0 where there is no room for it */
    int width;          /* of value, unit and line */
    int all_width;      /* of all that is in the panel */
};

/* Frame number and time in the longest form that fits. */
static void choose_line(const struct hud *hud, const struct hud_values *values, int room,
                        struct hud_text *text)
{
    char time[48];

    format_time(values->time, time, sizeof(time));
    for (int form = 0; form < 3; form++) {
        static const char *const before[] = {"frame ", "#", "#"};

        snprintf(text->line, sizeof(text->line), "%s%" PRId64 "%s%s", before[form],
                 values->frame_number, form < 2 ? " · " : "", form < 2 ? time : "");
        if (font_text_width(hud->text_font, text->line) <= room)
            return;
    }
}

/* The recorded value, with a word if that fits; empty where there is none. */
static void choose_recorded(const struct hud *hud, const struct hud_values *values, int room,
                            struct hud_text *text)
{
    char digits[40];
    const char *sign = format_value(values->recorded, digits, sizeof(digits));

    text->recorded[0] = '\0';
    if (!isfinite(values->recorded))
        return;
    snprintf(text->recorded, sizeof(text->recorded), "recorded %s%s", sign, digits);
    if (hud->low || font_text_width(hud->text_font, text->recorded) > room)
        snprintf(text->recorded, sizeof(text->recorded), "%s%s", sign, digits);
}

static void choose_texts(const struct hud *hud, const struct hud_values *values, int surface_width,
                         struct hud_text *text)
{
    /* Widths are not less than those of usual values, lest the panel change from frame to frame. */
    static const char usual_digits[] = "0.000", usual_line[] = "frame 00000 · 00:00.000";
    int room = surface_width - 2 * hud->margin - 2 * hud->padding;
    int value_width, usual_width, note_width;

    text->sign = format_value(values->steering, text->digits, sizeof(text->digits));
    text->sign_width =
        larger(font_text_width(hud->value_font, "+"), font_text_width(hud->value_font, MINUS));
    value_width = text->sign_width + larger(font_text_width(hud->value_font, text->digits),
                                            font_text_width(hud->value_font, usual_digits));
    text->wheel = hud->wheel;
    if (value_width + hud->wheel + hud->gap > room)
        text->wheel = 0;
    text->all_width = text->wheel ? text->wheel + hud->gap : 0;
    room -= text->all_width;

    text->unit_gap = font_text_width(hud->text_font, " ") * 3 / 2;
    choose_recorded(hud, values, room, text);
    text->recorded_line = text->recorded[0] && !hud->low;
    if (text->recorded[0] && hud->low)
        snprintf(text->unit, sizeof(text->unit), "%s", text->recorded);
    else
        snprintf(text->unit, sizeof(text->unit), "%s", values->unit ? values->unit : "");
    text->width = value_width + text->unit_gap + font_text_width(hud->text_font, text->unit);
    if (text->width > room || text->unit[0] == '\0') {
        text->unit[0] = '\0';
        text->width = value_width;
    }
    choose_line(hud, values, room, text);
    text->width = larger(text->width, font_text_width(hud->text_font, text->line));
    if (text->recorded_line)
        text->width = larger(text->width, font_text_width(hud->text_font, text->recorded));
    usual_width = font_text_width(hud->text_font, usual_line);
    if (usual_width <= room)
        text->width = larger(text->width, usual_width);
    text->all_width += text->width;

    text->note[0] = '\0';
    if (values->note && *values->note) {
        room =
            larger(text->all_width, (surface_width - 2 * hud->margin) * 3 / 5 - 2 * hud->padding);
        note_width = font_text_width(hud->text_font, values->note);
        font_shorten(hud->text_font, values->note, room, text->note, sizeof(text->note));
        text->all_width = larger(text->all_width, note_width < room ? note_width : room);
    }
}

/* Value, and each line with a gap of one capital's height above it. */
static int block_height(const struct hud *hud, const struct hud_text *text)
{
    return font_cap_height(hud->value_font) +
           (text->recorded_line ? 4 : 2) * font_cap_height(hud->text_font);
}

static int panel_height(const struct hud *hud, const struct hud_text *text)
{
    return larger(hud->wheel, block_height(hud, text)) +
           (text->note[0] ? 2 * font_cap_height(hud->text_font) : 0) + 2 * hud->padding;
}

void hud_size(const struct hud *hud, int surface_width, const struct hud_values *values, int *width,
              int *height)
{
    struct hud_text text;

    choose_texts(hud, values, surface_width, &text);
    *width = hud->margin + text.all_width + 2 * hud->padding;
    *height = hud->margin + panel_height(hud, &text);
}

void hud_draw(struct hud *hud, struct surface *surface, const struct hud_values *values)
{
    int value_cap = font_cap_height(hud->value_font);
    int text_cap = font_cap_height(hud->text_font);
    struct hud_text text;
    int x, y, top, pen, base, block, content;

    choose_texts(hud, values, surface->width, &text);
    block = block_height(hud, &text);
    content = larger(hud->wheel, block);
    gauge_draw_panel(surface, hud->margin, hud->margin, text.all_width + 2 * hud->padding,
                     panel_height(hud, &text), hud->padding, panel_color);
    x = hud->margin + hud->padding;
    y = hud->margin + hud->padding;
    if (text.wheel) {
        gauge_draw_wheel(hud->gauge, surface, x, y + (content - hud->wheel) / 2,
                         values->wheel_degrees, values->recorded_degrees);
        x += text.wheel + hud->gap;
    }

    top = y + (content - block) / 2;
    base = top + value_cap;
    pen = x;
    font_draw(hud->value_font, surface, pen, base - font_ascent(hud->value_font), text.sign,
              value_color);
    pen += text.sign_width;
    pen += font_draw(hud->value_font, surface, pen, base - font_ascent(hud->value_font),
                     text.digits, value_color);
    font_draw(hud->text_font, surface, pen + text.unit_gap, base - font_ascent(hud->text_font),
              text.unit, text.recorded[0] && hud->low ? gauge_recorded_color : unit_color);
    if (text.recorded_line) {
        base += 2 * text_cap;
        font_draw(hud->text_font, surface, x, base - font_ascent(hud->text_font), text.recorded,
                  gauge_recorded_color);
    }
    base += 2 * text_cap;
    font_draw(hud->text_font, surface, x, base - font_ascent(hud->text_font), text.line,
              text_color);
    if (text.note[0]) {
        base = y + content + 2 * text_cap;
        font_draw(hud->text_font, surface, hud->margin + hud->padding,
                  base - font_ascent(hud->text_font), text.note, note_color);
    }
}
