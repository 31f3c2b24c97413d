#include "draw/shape.h"

/* Shapes are filled tile by tile. Tiles begin at even pixels, so that no two of them share a chroma
 * sample, which would then be blended twice. */
#define TILE_WIDTH  64
#define TILE_HEIGHT 16

/* Longest way from the middle of a tile to the middle of one of its pixels: under half a diagonal,
 * sqrt(64^2 + 16^2) / 2 = 32.98. */
#define TILE_REACH 33.0f

void shape_fill(struct surface *surface, int x, int y, int width, int height,
                float (*distance)(const void *shape, float x, float y), const void *shape,
                struct color color)
{
    int64_t right = (int64_t)x + width, bottom = (int64_t)y + height;
    int end_x = right < surface->width ? (int)right : surface->width;
    int end_y = bottom < surface->height ? (int)bottom : surface->height;
    int begin_x = x < 0 ? 0 : x;
    int begin_y = y < 0 ? 0 : y;
    uint8_t coverage[TILE_HEIGHT * TILE_WIDTH];

    for (int tile_y = begin_y & ~1; tile_y < end_y; tile_y += TILE_HEIGHT) {
        int top = tile_y < begin_y ? begin_y : tile_y;
        int tile_bottom = tile_y + TILE_HEIGHT < end_y ? tile_y + TILE_HEIGHT : end_y;

        for (int tile_x = begin_x & ~1; tile_x < end_x; tile_x += TILE_WIDTH) {
            int left = tile_x < begin_x ? begin_x : tile_x;
            int tile_right = tile_x + TILE_WIDTH < end_x ? tile_x + TILE_WIDTH : end_x;
            float middle = distance(shape, (float)tile_x + TILE_WIDTH / 2.0f,
                                    (float)tile_y + TILE_HEIGHT / 2.0f);
            uint8_t *pixel = coverage;

            if (middle > TILE_REACH + 0.5f)
                continue;
            if (middle < -TILE_REACH - 0.5f) {
                surface_blend(surface, left, top, tile_right - left, tile_bottom - top, NULL, 0,
                              color);
                continue;
            }
            for (int row = top; row < tile_bottom; row++) {
                for (int column = left; column < tile_right; column++)
                    *pixel++ =
                        shape_coverage(distance(shape, (float)column + 0.5f, (float)row + 0.5f));
            }
            surface_blend(surface, left, top, tile_right - left, tile_bottom - top, coverage,
                          tile_right - left, color);
        }
    }
}
