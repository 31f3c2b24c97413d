#include "draw/film_strip.h"

#include "base/error.h"
#include "draw/style.h"

#include <string.h>

#define MAX_COUNT             256
#define MAX_PICTURE_SIDE      8192
#define LEAST_WIDTH           128 /* pictures are enlarged up to it, so that captions fit */
#define PICTURE_GAP           8
#define MAX_ROW_CAPTION_WIDTH 240

struct layout {
    int scale;
    int cell_width, cell_height;
    int left, top; /* of the first picture */
    int width, height;
};

static const char *caption(const char *const *captions, int i)
{
    return captions && captions[i] ? captions[i] : "";
}

static struct layout find_layout(const struct film_strip *strip, const struct style_page *page)
{
    int line = font_line_height(page->font), captions_width = 0;
    struct layout layout;

    layout.scale = (LEAST_WIDTH + strip->picture_width - 1) / strip->picture_width;
    layout.cell_width = strip->picture_width * layout.scale;
    layout.cell_height = strip->picture_height * layout.scale;
    for (int i = 0; i < strip->rows; i++) {
        int width = font_text_width(page->font, caption(strip->row_captions, i));

        captions_width = width > captions_width ? width : captions_width;
    }
    if (captions_width > MAX_ROW_CAPTION_WIDTH)
        captions_width = MAX_ROW_CAPTION_WIDTH;
    layout.left = STYLE_MARGIN + (captions_width ? captions_width + STYLE_MARGIN / 2 : 0);
    layout.top = STYLE_MARGIN;
    if (strip->title)
        layout.top += font_line_height(page->title_font) + STYLE_MARGIN / 2;
    if (strip->column_captions)
        layout.top += line + STYLE_CAPTION_GAP;
    layout.width = layout.left + strip->columns * (layout.cell_width + PICTURE_GAP) - PICTURE_GAP +
                   STYLE_MARGIN;
    layout.height =
        layout.top + strip->rows * (layout.cell_height + PICTURE_GAP) - PICTURE_GAP + STYLE_MARGIN;
    return layout;
}

static void draw_picture(struct style_page *page, const struct film_strip *strip,
                         const struct layout *layout, const uint8_t *picture, int x, int y)
{
    struct surface *surface = &page->surface;

    if (!picture) {
        surface_blend(surface, x, y, layout->cell_width, layout->cell_height, NULL, 0, style_cell);
        return;
    }
    for (int row = 0; row < layout->cell_height; row++) {
        const uint8_t *source =
            picture + (ptrdiff_t)(row / layout->scale) * strip->picture_width * 3;
        uint8_t *pixel = surface->plane[0] + (y + row) * surface->stride[0] + (ptrdiff_t)x * 3;

        for (int column = 0; column < strip->picture_width; column++, source += 3) {
            for (int i = 0; i < layout->scale; i++, pixel += 3)
                memcpy(pixel, source, 3);
        }
    }
}

static void draw_captions(struct style_page *page, const struct film_strip *strip,
                          const struct layout *layout)
{
    int line = font_line_height(page->font);
    char text[512];

    if (strip->title) {
        font_shorten(page->title_font, strip->title, layout->width - 2 * STYLE_MARGIN, text,
                     sizeof(text));
        font_draw(page->title_font, &page->surface, STYLE_MARGIN, STYLE_MARGIN, text, style_title);
    }
    for (int i = 0; i < strip->columns; i++) {
        int x = layout->left + i * (layout->cell_width + PICTURE_GAP);

        font_shorten(page->font, caption(strip->column_captions, i), layout->cell_width, text,
                     sizeof(text));
        x += (layout->cell_width - font_text_width(page->font, text)) / 2;
        font_draw(page->font, &page->surface, x, layout->top - STYLE_CAPTION_GAP - line, text,
                  style_name);
    }
    for (int i = 0; i < strip->rows; i++) {
        int y = layout->top + i * (layout->cell_height + PICTURE_GAP);

        font_shorten(page->font, caption(strip->row_captions, i), MAX_ROW_CAPTION_WIDTH, text,
                     sizeof(text));
        font_draw(page->font, &page->surface, STYLE_MARGIN, y + (layout->cell_height - line) / 2,
                  text, style_facts);
    }
}

static int check_strip(const struct film_strip *strip, VbpError *error)
{
    if (strip->rows < 1 || strip->rows > MAX_COUNT || strip->columns < 1 ||
        strip->columns > MAX_COUNT)
        return error_set(error, VBP_ERROR_ARGUMENT,
                         "film strip: %d rows and %d columns (1 to %d can be)", strip->rows,
                         strip->columns, MAX_COUNT);
    if (strip->picture_width < 1 || strip->picture_width > MAX_PICTURE_SIDE ||
        strip->picture_height < 1 || strip->picture_height > MAX_PICTURE_SIDE)
        return error_set(error, VBP_ERROR_ARGUMENT,
                         "film strip: pictures of %d x %d pixels (sides of 1 to %d can be)",
                         strip->picture_width, strip->picture_height, MAX_PICTURE_SIDE);
    return VBP_OK;
}

int film_strip_draw(const struct film_strip *strip, uint8_t **pixels, int *width, int *height,
                    VbpError *error)
{
    struct style_page page = {0};
    struct layout layout;
    int status = check_strip(strip, error);

    *pixels = NULL;
    *width = 0;
    *height = 0;
    if (status)
        return status;
    status = style_page_open(&page, error);
    if (status)
        goto done;
    layout = find_layout(strip, &page);
    status = style_page_begin(&page, layout.width, layout.height, error);
    if (status)
        goto done;
    draw_captions(&page, strip, &layout);
    for (int row = 0; row < strip->rows; row++) {
        for (int column = 0; column < strip->columns; column++)
            draw_picture(&page, strip, &layout, strip->pictures[row * strip->columns + column],
                         layout.left + column * (layout.cell_width + PICTURE_GAP),
                         layout.top + row * (layout.cell_height + PICTURE_GAP));
    }
    *width = layout.width;
    *height = layout.height;
    *pixels = style_page_take(&page);
done:
    style_page_close(&page);
    return status;
}
