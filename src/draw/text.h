/* Text: glyphs rasterised once through SDL2_ttf, then drawn as coverage on any surface. */
#ifndef VBP_DRAW_TEXT_H
#define VBP_DRAW_TEXT_H

#include "draw/surface.h"

struct font;

/*
 * A sans-serif font of the machine (asked from fontconfig; a file named by the environment variable
 * VBP_FONT wins), `pixels` high from ascender to descender. Rasterises Latin characters and a few
 * signs at once; after that it is read-only and may be shared by threads. Characters it does not
 * have, and bytes that are not UTF-8, are drawn as '?'. bold selects the bold face. May be called
 * from any thread.
 */
int font_open(struct font **font, int pixels, int bold, VbpError *error);
void font_close(struct font **font);

int font_line_height(const struct font *font);

/* Rows from the top of a line to its base line, and from the base line up to the top of an 'H'. */
int font_ascent(const struct font *font);
int font_cap_height(const struct font *font);

/* Width in pixels of one line of UTF-8 text. */
int font_text_width(const struct font *font, const char *text);

/*
 * Copies text into buffer (`size` bytes, at least 1), cut so that it is at most `width` pixels wide
 * and ends in an ellipsis where anything was cut off. Empty where not even the ellipsis fits.
 */
void font_shorten(const struct font *font, const char *text, int width, char *buffer, size_t size);

/* Draws one line; (x, y) is its top left corner. Returns the width. */
int font_draw(const struct font *font, struct surface *surface, int x, int y, const char *text,
              struct color color);

#endif
