/* A list of keys and what they do, or of names and values: a dark rounded panel of two columns. */
#ifndef VBP_DRAW_TABLE_H
#define VBP_DRAW_TABLE_H

#include "draw/surface.h"

struct table_row {
    const char *key;  /* drawn as a key cap; NULL: text is a heading over both columns */
    const char *text; /* what it does */
};

/*
 * Lays out `count` (1 to 256) rows under a title (may be NULL) so that they fit a picture of this
 * size: side by side in up to four groups, in a smaller font where there are many, long texts
 * shortened. The texts are copied.
 */
struct table;
int table_create(struct table **table, const char *title, const struct table_row *rows, int count,
                 int surface_width, int surface_height, VbpError *error);
void table_destroy(struct table **table);

/* The size of the panel in pixels, for a surface of its own. */
void table_size(const struct table *table, int *width, int *height);

/* Draws the panel with its top left corner at (x, y). Allocates nothing. */
void table_draw_at(const struct table *table, struct surface *surface, int x, int y);

/* Draws the panel in the middle of the surface. */
void table_draw(const struct table *table, struct surface *surface);

#endif
