/* Text: glyphs rasterised once through SDL2_ttf, then drawn as coverage on any surface. */
#ifndef VBP_DRAW_TEXT_H
#define VBP_DRAW_TEXT_H

#include "draw/surface.h"

struct font;

/*
 * A sans-serif font of the machine (asked from fontconfig; a file named by the environment variable
 * VBP_FONT wins), `pixels` high from ascender to descender. Rasterises Latin characters and a few
 * signs at once; after that it is read-only and may be shared by threads. Characters it does not
 * have are drawn as '?'. bold selects the bold face.
 */
int font_open(struct font **font, int pixels, int bold, VbpError *error);
void font_close(struct font **font);

int font_line_height(const struct font *font);

/* Width in pixels of one line of UTF-8 text. */
int font_text_width(const struct font *font, const char *text);

/* Draws one line; (x, y) is its top left corner. Returns the width. */
int font_draw(const struct font *font, struct surface *surface, int x, int y, const char *text,
              struct color color);

#endif
