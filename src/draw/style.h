/* How pictures on a ground of their own look: contact sheets, plots and film strips. */
#ifndef VBP_DRAW_STYLE_H
#define VBP_DRAW_STYLE_H

#include "draw/text.h"

/* Pixels. */
#define STYLE_MARGIN         32 /* around everything */
#define STYLE_CAPTION_GAP    8  /* between a picture and its caption */
#define STYLE_TITLE_PIXELS   24
#define STYLE_CAPTION_PIXELS 18

extern const struct color style_ground; /* of the whole picture */
extern const struct color style_cell;   /* behind what is shown */
extern const struct color style_title;
extern const struct color style_name;  /* of what is shown */
extern const struct color style_facts; /* numbers, and what is there for orientation only */

/* An RGB24 picture that is drawn, and the fonts for it. */
struct style_page {
    struct surface surface;
    struct font *title_font, *font;
};

/* Opens the fonts; the surface stays empty, so that its size can be found with them. */
int style_page_open(struct style_page *page, VbpError *error);

/* Makes the surface and fills it with the ground. */
int style_page_begin(struct style_page *page, int width, int height, VbpError *error);

/* Hands the pixels to the caller, to be freed. */
uint8_t *style_page_take(struct style_page *page);

/* Frees what is there; a zeroed page has nothing. */
void style_page_close(struct style_page *page);

#endif
