/* Pictures of training: what a few frames looked like to the network at a few moments. */
#ifndef VBP_DRAW_FILM_STRIP_H
#define VBP_DRAW_FILM_STRIP_H

#include "draw/surface.h"

/*
 * A table of pictures of one size. Rows are frames, columns are moments:
 *
 *                 0.1          1          4      16 epochs
 *     curve    [picture]  [picture]  [picture]
 *     bridge   [picture]  [picture]  [picture]
 */
struct film_strip {
    const char *title; /* NULL: none */
    int rows, columns; /* 1 to 256 each */
    int picture_width, picture_height;
    const uint8_t *const *pictures;     /* rows x columns, row by row: RGB24 without gaps between
                                           lines; NULL: not there (yet), drawn as a dark cell */
    const char *const *row_captions;    /* left of the rows; NULL: none */
    const char *const *column_captions; /* above the columns; NULL: none */
};

/*
 * Draws the table on a dark ground. Pictures less than 128 pixels wide are enlarged by a whole
 * number; captions that are too long are shortened. *pixels (RGB24, *width x *height, rows of
 * *width * 3 bytes) is the caller's, to be freed; NULL on failure.
 */
int film_strip_draw(const struct film_strip *strip, uint8_t **pixels, int *width, int *height,
                    VbpError *error);

#endif
