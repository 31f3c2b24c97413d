/* Colour maps: 256 colours from 0 to 1, of rising lightness, safe for colour-blind eyes. */
#ifndef VBP_DRAW_COLORMAP_H
#define VBP_DRAW_COLORMAP_H

#include "draw/surface.h"

enum colormap {
    COLORMAP_EMBER, /* deep red to orange to pale yellow: stands out on asphalt; the default */
    COLORMAP_GREEN, /* dark green to bright green */
    COLORMAP_ICE,   /* deep blue to cyan to white */
    COLORMAP_GRAY,
    COLORMAP_COUNT
};

/* 256 entries, alpha 255. Static storage. */
const struct color *colormap_colors(enum colormap map);
const char *colormap_name(enum colormap map);

#endif
