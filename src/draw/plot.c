#include "draw/plot.h"

#include "base/error.h"
#include "base/memory.h"
#include "draw/plot_axis.h"
#include "draw/shape.h"
#include "draw/style.h"

#include <math.h>
#include <string.h>

/*
 *      title
 *      --- series   --- series                    the legend, in as many lines as it needs
 *      y label
 *      2 |---------------------
 *      1 |----------/\---------      the frame: where lines are drawn, round dots at its edge too
 *      0 |_____/\__/__\________
 *        0     10     20     30
 *                       x label
 */
#define MIN_WIDTH  240
#define MIN_HEIGHT 160
#define MAX_SIDE   16384

#define LINE_RADIUS            1.1f /* half the width of a line, pixels */
#define DOT_RADIUS             3.6f
#define FEW_POINTS             32 /* series with no more have a dot at every point */
#define TICK_GAP               10 /* between the frame and its numbers */
#define X_TICK_DISTANCE        60 /* of ticks, about */
#define Y_TICK_DISTANCE        36
#define SWATCH_WIDTH           28
#define LEGEND_GAP             24 /* between names, and between numbers on the x axis */
#define LEGEND_LEADING         4
#define LEAST_PLOT             48 /* a frame smaller than this shows nothing; texts give way to it */
#define LEAST_HEIGHT_FOR_LABEL 220 /* of the picture, for a label below the x axis */

/* What Okabe and Ito found all kinds of colour vision to tell apart, black turned to white for the
 * dark ground. The brighter ones come first. */
static const struct color series_colors[PLOT_MAX_SERIES] = {
    {86, 180, 233, 255},  /* sky blue */
    {230, 159, 0, 255},   /* orange */
    {0, 158, 115, 255},   /* bluish green */
    {240, 228, 66, 255},  /* yellow */
    {204, 121, 167, 255}, /* reddish purple */
    {213, 94, 0, 255},    /* vermilion */
    {0, 114, 178, 255},   /* blue */
    {255, 255, 255, 255},
};
static const struct color grid_color = {255, 255, 255, 26};
static const struct color faint_color = {255, 255, 255, 11}; /* of ticks without a number */
static const struct color zero_color = {255, 255, 255, 72};

struct plot {
    struct style_page page;
    const struct plot_options *options;
    const struct plot_series *series;
    int count;
    struct plot_axis x, y;
    int left, top, right, bottom; /* the frame; right and bottom are the first pixels outside */
    uint8_t *coverage;            /* of one series: the frame and `reach` pixels around it */
    int reach;
    bool has_points;
};

struct point {
    float x, y; /* pixels from the top left corner of the coverage */
    bool there;
};

struct color plot_color(int i)
{
    return series_colors[i & (PLOT_MAX_SERIES - 1)];
}

/* ---- Spans ---------------------------------------------------------------------------------- */

static double series_x(const struct plot_series *series, size_t i)
{
    return series->x ? series->x[i] : (double)i;
}

static bool is_drawn(const struct plot *plot, const struct plot_series *series, size_t i)
{
    double x = series_x(series, i), y = series->y[i];

    return fabs(x) <= PLOT_LIMIT && fabs(y) <= PLOT_LIMIT &&
           (!plot->options->log_y || y >= 1 / PLOT_LIMIT);
}

/* Of the x or y of all that is drawn. *whole: all of them are whole numbers. */
static struct plot_span find_span(const struct plot *plot, bool of_x, bool *whole)
{
    struct plot_span span = {INFINITY, -INFINITY};

    *whole = true;
    for (int s = 0; s < plot->count; s++) {
        const struct plot_series *series = &plot->series[s];

        for (size_t i = 0; i < series->count; i++) {
            double value = of_x ? series_x(series, i) : series->y[i];

            if (!is_drawn(plot, series, i))
                continue;
            span.least = fmin(span.least, value);
            span.most = fmax(span.most, value);
            *whole = *whole && value == floor(value);
        }
    }
    return span;
}

/* ---- Layout --------------------------------------------------------------------------------- */

/* Draws the legend from y on, or only measures it; returns its height. */
static int place_legend(struct plot *plot, int y, bool draw)
{
    const struct font *font = plot->page.font;
    int line = font_line_height(font) + LEGEND_LEADING, begin = STYLE_MARGIN;
    int end = plot->page.surface.width - STYLE_MARGIN;
    int x = begin, height = 0;
    char name[256];

    for (int s = 0; s < plot->count; s++) {
        int width;

        if (!plot->series[s].name)
            continue;
        font_shorten(font, plot->series[s].name, end - begin - SWATCH_WIDTH - STYLE_CAPTION_GAP,
                     name, sizeof(name));
        width = SWATCH_WIDTH + STYLE_CAPTION_GAP + font_text_width(font, name);
        if (x > begin && x + width > end) {
            x = begin;
            height += line;
        }
        if (draw) {
            surface_blend(&plot->page.surface, x, y + height + (line - LEGEND_LEADING) / 2 - 1,
                          SWATCH_WIDTH, 3, NULL, 0, plot_color(s));
            font_draw(font, &plot->page.surface, x + SWATCH_WIDTH + STYLE_CAPTION_GAP, y + height,
                      name, style_name);
        }
        x += width + LEGEND_GAP;
    }
    return x > begin ? height + line + STYLE_CAPTION_GAP : 0;
}

static int widest_tick(const struct plot *plot, const struct plot_axis *axis)
{
    int widest = 0;

    for (int i = 0; i < axis->tick_count; i++) {
        int width = font_text_width(plot->page.font, axis->ticks[i].text);

        widest = width > widest ? width : widest;
    }
    return widest;
}

static void set_y_axis(struct plot *plot)
{
    int most_ticks = (plot->bottom - plot->top) / Y_TICK_DISTANCE + 1;
    bool whole;
    struct plot_span span = find_span(plot, false, &whole);

    plot->has_points = span.least <= span.most;
    if (plot->options->log_y)
        plot_axis_set_logarithmic(&plot->y, span, most_ticks);
    else
        plot_axis_set(&plot->y, span, most_ticks, whole ? 1 : 0, true);
}

/* As many ticks as have room for their numbers. */
static void set_x_axis(struct plot *plot)
{
    int width = plot->right - plot->left;
    int most_ticks = width / X_TICK_DISTANCE + 1;
    bool whole;
    struct plot_span span = find_span(plot, true, &whole);

    for (;;) {
        plot_axis_set(&plot->x, span, most_ticks, whole ? 1 : 0, false);
        if (most_ticks <= 2 || plot->x.tick_count < 2 ||
            (widest_tick(plot, &plot->x) + LEGEND_GAP) * plot->x.tick_count <=
                width + LEGEND_GAP + widest_tick(plot, &plot->x))
            break;
        most_ticks--;
    }
}

/* Sets the frame and the axes, and draws what stands above the frame. */
static void lay_out(struct plot *plot)
{
    const struct plot_options *options = plot->options;
    struct surface *surface = &plot->page.surface;
    int line = font_line_height(plot->page.font);
    int text_width = surface->width - 2 * STYLE_MARGIN;
    bool has_x_label = options->x_label && surface->height >= LEAST_HEIGHT_FOR_LABEL;
    int y = STYLE_MARGIN, overhang;
    char text[512];

    plot->bottom = surface->height - STYLE_MARGIN - line - TICK_GAP;
    if (has_x_label)
        plot->bottom -= line;
    if (options->title) {
        font_shorten(plot->page.title_font, options->title, text_width, text, sizeof(text));
        font_draw(plot->page.title_font, surface, STYLE_MARGIN, y, text, style_title);
        y += font_line_height(plot->page.title_font) + STYLE_CAPTION_GAP;
    }
    if (plot->bottom - y - place_legend(plot, y, false) >= LEAST_PLOT)
        y += place_legend(plot, y, true);
    if (options->y_label && plot->bottom - y - line - STYLE_MARGIN / 2 >= LEAST_PLOT) {
        font_shorten(plot->page.font, options->y_label, text_width, text, sizeof(text));
        font_draw(plot->page.font, surface, STYLE_MARGIN, y, text, style_facts);
        y += line + STYLE_CAPTION_GAP;
    }
    plot->top = y + line / 2; /* the highest tick's number stands beside the frame's upper edge */
    if (plot->top > plot->bottom - LEAST_PLOT / 2)
        plot->top = plot->bottom - LEAST_PLOT / 2;

    set_y_axis(plot);
    plot->left = STYLE_MARGIN + widest_tick(plot, &plot->y) + TICK_GAP;
    plot->right = surface->width - STYLE_MARGIN;
    if (plot->left > plot->right - LEAST_PLOT)
        plot->left = plot->right - LEAST_PLOT;
    set_x_axis(plot);
    /* The last tick's number may hang over the margin's half, not more. */
    overhang = widest_tick(plot, &plot->x) / 2 - STYLE_MARGIN / 2;
    if (overhang > 0 && plot->right - overhang > plot->left + LEAST_PLOT) {
        plot->right -= overhang;
        set_x_axis(plot);
    }
    if (has_x_label) {
        int width;

        font_shorten(plot->page.font, options->x_label, text_width, text, sizeof(text));
        width = font_text_width(plot->page.font, text);
        font_draw(plot->page.font, surface, surface->width - STYLE_MARGIN - width,
                  surface->height - STYLE_MARGIN - line, text, style_facts);
    }
}

/* ---- Axes ----------------------------------------------------------------------------------- */

/* The pixel whose middle is nearest to a place on an axis of so many pixels. */
static int axis_pixel(const struct plot_axis *axis, double value, int pixels)
{
    return (int)lround(plot_axis_place(axis, value) * (pixels - 1));
}

static void draw_axes(struct plot *plot)
{
    struct surface *surface = &plot->page.surface;
    const struct font *font = plot->page.font;
    int width = plot->right - plot->left, height = plot->bottom - plot->top;

    surface_blend(surface, plot->left, plot->top, width, height, NULL, 0, style_cell);
    for (int i = 0; i < plot->y.tick_count; i++) {
        const struct plot_tick *tick = &plot->y.ticks[i];
        int y = plot->bottom - 1 - axis_pixel(&plot->y, tick->value, height);

        surface_blend(surface, plot->left, y, width, 1, NULL, 0,
                      tick->value == 0 ? zero_color
                      : *tick->text    ? grid_color
                                       : faint_color);
        font_draw(font, surface, plot->left - TICK_GAP - font_text_width(font, tick->text),
                  y - font_ascent(font) + font_cap_height(font) / 2, tick->text, style_facts);
    }
    for (int i = 0; i < plot->x.tick_count; i++) {
        const struct plot_tick *tick = &plot->x.ticks[i];
        int x = plot->left + axis_pixel(&plot->x, tick->value, width);
        int text_width = font_text_width(font, tick->text);

        surface_blend(surface, x, plot->top, 1, height, NULL, 0, grid_color);
        font_draw(font, surface, x - text_width / 2, plot->bottom + TICK_GAP / 2, tick->text,
                  style_facts);
    }
    if (!plot->has_points) {
        static const char text[] = "no data";

        font_draw(font, surface, plot->left + (width - font_text_width(font, text)) / 2,
                  plot->top + (height - font_line_height(font)) / 2, text, style_name);
    }
}

/* ---- Lines ---------------------------------------------------------------------------------- */

/*
 * The coverage of one series grows to the larger of what is there and what a stroke covers, so that
 * a line is as smooth where it meets or crosses itself as anywhere else, and is blended once.
 */
static void cover(struct plot *plot, int x, int y, float distance)
{
    int width = plot->right - plot->left + 2 * plot->reach;
    uint8_t *pixel = plot->coverage + (ptrdiff_t)y * width + x;
    uint8_t covered = shape_coverage(distance);

    if (covered > *pixel)
        *pixel = covered;
}

/* Covers what is within `radius` of the way from a to b. */
static void stroke(struct plot *plot, struct point a, struct point b, float radius)
{
    int width = plot->right - plot->left + 2 * plot->reach;
    int height = plot->bottom - plot->top + 2 * plot->reach;
    float dx = b.x - a.x, dy = b.y - a.y, length = dx * dx + dy * dy;
    float around = radius + 1;
    int begin_y = (int)fmaxf(0, floorf(fminf(a.y, b.y) - around));
    int end_y = (int)fminf((float)height, ceilf(fmaxf(a.y, b.y) + around));

    for (int y = begin_y; y < end_y; y++) {
        float middle = (float)y + 0.5f;
        float first = 0, last = 1;
        int begin_x, end_x;

        /* The part of the way that comes near this row. */
        if (fabsf(dy) > 1e-3f) {
            float one = (middle - around - a.y) / dy, other = (middle + around - a.y) / dy;

            first = fminf(1, fmaxf(0, fminf(one, other)));
            last = fminf(1, fmaxf(0, fmaxf(one, other)));
        }
        begin_x = (int)fmaxf(0, floorf(fminf(a.x + first * dx, a.x + last * dx) - around));
        end_x = (int)fminf((float)width, ceilf(fmaxf(a.x + first * dx, a.x + last * dx) + around));
        for (int x = begin_x; x < end_x; x++) {
            float px = (float)x + 0.5f - a.x, py = middle - a.y;
            float along = length > 0 ? fminf(1, fmaxf(0, (px * dx + py * dy) / length)) : 0;

            px -= along * dx;
            py -= along * dy;
            cover(plot, x, y, sqrtf(px * px + py * py) - radius);
        }
    }
}

static struct point find_point(const struct plot *plot, const struct plot_series *series, size_t i)
{
    struct point point = {0, 0, is_drawn(plot, series, i)};
    int width = plot->right - plot->left, height = plot->bottom - plot->top;

    if (point.there) {
        double x = plot_axis_place(&plot->x, series_x(series, i));
        double y = 1 - plot_axis_place(&plot->y, series->y[i]);

        point.x = (float)(x * (width - 1) + 0.5 + plot->reach);
        point.y = (float)(y * (height - 1) + 0.5 + plot->reach);
    }
    return point;
}

static void draw_series(struct plot *plot, int s)
{
    const struct plot_series *series = &plot->series[s];
    int width = plot->right - plot->left + 2 * plot->reach;
    int height = plot->bottom - plot->top + 2 * plot->reach;
    struct point before = {0, 0, false}, point = {0, 0, false}, after;
    size_t drawn = 0;
    bool few;

    for (size_t i = 0; i < series->count; i++)
        drawn += is_drawn(plot, series, i);
    few = drawn <= FEW_POINTS;
    memset(plot->coverage, 0, (size_t)width * (size_t)height);
    after = series->count ? find_point(plot, series, 0) : before;
    for (size_t i = 0; i < series->count; i++) {
        before = point;
        point = after;
        after =
            i + 1 < series->count ? find_point(plot, series, i + 1) : (struct point){0, 0, false};
        if (!point.there)
            continue;
        if (before.there)
            stroke(plot, before, point, LINE_RADIUS);
        if (few || (!before.there && !after.there))
            stroke(plot, point, point, DOT_RADIUS);
    }
    surface_blend(&plot->page.surface, plot->left - plot->reach, plot->top - plot->reach, width,
                  height, plot->coverage, width, plot_color(s));
}

/* ---- The plot ------------------------------------------------------------------------------- */

static int check_arguments(const struct plot_series *series, int count, int width, int height,
                           VbpError *error)
{
    if (width < MIN_WIDTH || width > MAX_SIDE || height < MIN_HEIGHT || height > MAX_SIDE)
        return error_set(error, VBP_ERROR_ARGUMENT,
                         "plot: a size of %d x %d (%d x %d to %d x %d can be)", width, height,
                         MIN_WIDTH, MIN_HEIGHT, MAX_SIDE, MAX_SIDE);
    if (count < 0 || count > PLOT_MAX_SERIES)
        return error_set(error, VBP_ERROR_ARGUMENT, "plot: %d series (up to %d can be)", count,
                         PLOT_MAX_SERIES);
    for (int s = 0; s < count; s++) {
        if (series[s].count && !series[s].y)
            return error_set(error, VBP_ERROR_ARGUMENT, "plot: the series \"%s\" has no values",
                             series[s].name ? series[s].name : "");
    }
    return VBP_OK;
}

int plot_draw(const struct plot_options *options, const struct plot_series *series, int count,
              int width, int height, uint8_t **pixels, VbpError *error)
{
    struct plot plot = {.options = options, .series = series, .count = count};
    int status;

    *pixels = NULL;
    status = check_arguments(series, count, width, height, error);
    if (status)
        return status;
    status = style_page_open(&plot.page, error);
    if (status)
        goto done;
    status = style_page_begin(&plot.page, width, height, error);
    if (status)
        goto done;
    lay_out(&plot);
    plot.reach = (int)ceilf(DOT_RADIUS) + 1;
    plot.coverage = memory_array((size_t)plot.right - (size_t)plot.left + 2 * (size_t)plot.reach,
                                 (size_t)plot.bottom - (size_t)plot.top + 2 * (size_t)plot.reach);
    if (!plot.coverage) {
        status = error_out_of_memory(error);
        goto done;
    }
    draw_axes(&plot);
    for (int s = 0; s < count; s++)
        draw_series(&plot, s);
    *pixels = style_page_take(&plot.page);
done:
    free(plot.coverage);
    style_page_close(&plot.page);
    return status;
}
