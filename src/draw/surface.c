#include "draw/surface.h"

#include "draw/blend.h"

#include <math.h>

/* A rectangle inside the surface and the coverage of its pixels. */
struct patch {
    int left, top, right, bottom; /* right and bottom are the first pixels outside */
    const uint8_t *coverage;      /* of pixel (left, top); NULL: 255 everywhere */
    ptrdiff_t stride;
};

static uint8_t to_byte(double value)
{
    return (uint8_t)lround(value < 0 ? 0 : value > 255 ? 255 : value);
}

static void encode_yuv(VbpColorMatrix matrix, int full_range, struct color color, uint8_t bytes[3])
{
    double red_share = 0.299, blue_share = 0.114;
    double luma, luma_scale = 1, luma_offset = 0, chroma_scale = 1;

    if (matrix == VBP_MATRIX_BT709) {
        red_share = 0.2126;
        blue_share = 0.0722;
    } else if (matrix == VBP_MATRIX_BT2020) {
        red_share = 0.2627;
        blue_share = 0.0593;
    }
    if (!full_range) {
        luma_scale = 219.0 / 255;
        luma_offset = 16;
        chroma_scale = 224.0 / 255;
    }
    luma = red_share * color.red + (1 - red_share - blue_share) * color.green +
           blue_share * color.blue;
    bytes[0] = to_byte(luma_offset + luma_scale * luma);
    bytes[1] = to_byte(128 + chroma_scale * (color.blue - luma) / (2 * (1 - blue_share)));
    bytes[2] = to_byte(128 + chroma_scale * (color.red - luma) / (2 * (1 - red_share)));
}

void surface_encode(const struct surface *surface, struct color color, uint8_t bytes[3])
{
    switch (surface->format) {
    case SURFACE_GRAY:
        encode_yuv(VBP_MATRIX_BT601, 1, color, bytes);
        break;
    case SURFACE_YUV420:
    case SURFACE_YUV422:
    case SURFACE_YUV444:
        encode_yuv(surface->matrix, surface->full_range, color, bytes);
        break;
    case SURFACE_RGB24:
    case SURFACE_ARGB32:
        bytes[0] = color.red;
        bytes[1] = color.green;
        bytes[2] = color.blue;
        break;
    case SURFACE_BGR24:
        bytes[0] = color.blue;
        bytes[1] = color.green;
        bytes[2] = color.red;
        break;
    }
}

static const uint8_t *patch_row(const struct patch *patch, int y)
{
    return patch->coverage ? patch->coverage + (y - patch->top) * patch->stride : NULL;
}

/* One byte a pixel: gray, Y, and U and V of 4:4:4. */
static void blend_bytes(uint8_t *plane, ptrdiff_t stride, const struct patch *patch, uint8_t value,
                        uint8_t alpha)
{
    int width = patch->right - patch->left;

    for (int y = patch->top; y < patch->bottom; y++) {
        uint8_t *row = plane + y * stride + patch->left;
        const uint8_t *coverage = patch_row(patch, y);

        for (int x = 0; x < width; x++) {
            uint32_t weight = (coverage ? coverage[x] : 255u) * alpha;

            if (weight)
                row[x] = blend_byte(row[x], value, weight);
        }
    }
}

/* Coverage of the pixels left..right-1, top..bottom-1 added up; 0 for those outside the patch. */
static uint32_t patch_sum(const struct patch *patch, int left, int top, int right, int bottom)
{
    uint32_t sum = 0;

    if (left < patch->left)
        left = patch->left;
    if (right > patch->right)
        right = patch->right;
    if (top < patch->top)
        top = patch->top;
    if (bottom > patch->bottom)
        bottom = patch->bottom;
    for (int y = top; y < bottom; y++) {
        const uint8_t *coverage = patch_row(patch, y);

        for (int x = left; x < right; x++)
            sum += coverage ? coverage[x - patch->left] : 255u;
    }
    return sum;
}

/*
 * A chroma plane halved in width, and in height where halve_rows is 1. A sample takes the average
 * weight of the pixels it colours: two or four, fewer at the right and lower edge of odd sizes.
 */
static void blend_halved(const struct surface *surface, int plane, const struct patch *patch,
                         int halve_rows, uint8_t value, uint8_t alpha)
{
    for (int row = patch->top >> halve_rows; row <= (patch->bottom - 1) >> halve_rows; row++) {
        uint8_t *samples = surface->plane[plane] + row * surface->stride[plane];
        int top = row << halve_rows;
        int bottom = top + 1 + halve_rows;

        if (bottom > surface->height)
            bottom = surface->height;
        for (int column = patch->left >> 1; column <= (patch->right - 1) >> 1; column++) {
            int left = column << 1;
            int right = left + 2 > surface->width ? surface->width : left + 2;
            uint32_t sum = patch_sum(patch, left, top, right, bottom);

            if (sum == 0)
                continue;
            sum *= 4u / (unsigned)((right - left) * (bottom - top));
            samples[column] = blend_byte_of_four(samples[column], value, sum * alpha);
        }
    }
}

static void blend_rgb24(const struct surface *surface, const struct patch *patch,
                        const uint8_t values[3], uint8_t alpha)
{
    int width = patch->right - patch->left;

    for (int y = patch->top; y < patch->bottom; y++) {
        uint8_t *pixel = surface->plane[0] + y * surface->stride[0] + (ptrdiff_t)patch->left * 3;
        const uint8_t *coverage = patch_row(patch, y);

        for (int x = 0; x < width; x++, pixel += 3) {
            uint32_t weight = (coverage ? coverage[x] : 255u) * alpha;

            if (weight == 0)
                continue;
            for (int channel = 0; channel < 3; channel++)
                pixel[channel] = blend_byte(pixel[channel], values[channel], weight);
        }
    }
}

static void blend_argb32(const struct surface *surface, const struct patch *patch,
                         struct color color)
{
    int width = patch->right - patch->left;

    for (int y = patch->top; y < patch->bottom; y++) {
        uint8_t *pixel = surface->plane[0] + y * surface->stride[0] + (ptrdiff_t)patch->left * 4;
        const uint8_t *coverage = patch_row(patch, y);

        for (int x = 0; x < width; x++, pixel += 4) {
            uint32_t weight = (coverage ? coverage[x] : 255u) * color.alpha;

            if (weight)
                blend_store_word(pixel, blend_argb(blend_load_word(pixel), color.red, color.green,
                                                   color.blue, weight));
        }
    }
}

/* Cuts the rectangle to the surface; 0 where nothing is left. 64 bits: x + width may not fit int.
 */
static int clip(const struct surface *surface, int x, int y, int width, int height,
                struct patch *patch)
{
    int64_t right = (int64_t)x + width;
    int64_t bottom = (int64_t)y + height;

    if (width <= 0 || height <= 0 || right <= 0 || bottom <= 0 || x >= surface->width ||
        y >= surface->height)
        return 0;
    patch->left = x < 0 ? 0 : x;
    patch->top = y < 0 ? 0 : y;
    patch->right = right > surface->width ? surface->width : (int)right;
    patch->bottom = bottom > surface->height ? surface->height : (int)bottom;
    return 1;
}

void surface_blend(struct surface *surface, int x, int y, int width, int height,
                   const uint8_t *coverage, ptrdiff_t stride, struct color color)
{
    struct patch patch;
    uint8_t values[3];

    if (color.alpha == 0 || !clip(surface, x, y, width, height, &patch))
        return;
    patch.stride = stride;
    patch.coverage = coverage;
    if (coverage)
        patch.coverage += ((int64_t)patch.top - y) * stride + ((int64_t)patch.left - x);
    surface_encode(surface, color, values);

    switch (surface->format) {
    case SURFACE_GRAY:
        blend_bytes(surface->plane[0], surface->stride[0], &patch, values[0], color.alpha);
        break;
    case SURFACE_YUV420:
    case SURFACE_YUV422:
        blend_bytes(surface->plane[0], surface->stride[0], &patch, values[0], color.alpha);
        for (int plane = 1; plane < 3; plane++)
            blend_halved(surface, plane, &patch, surface->format == SURFACE_YUV420, values[plane],
                         color.alpha);
        break;
    case SURFACE_YUV444:
        for (int plane = 0; plane < 3; plane++)
            blend_bytes(surface->plane[plane], surface->stride[plane], &patch, values[plane],
                        color.alpha);
        break;
    case SURFACE_RGB24:
    case SURFACE_BGR24:
        blend_rgb24(surface, &patch, values, color.alpha);
        break;
    case SURFACE_ARGB32:
        blend_argb32(surface, &patch, color);
        break;
    }
}

static void fill_plane(const struct surface *surface, int plane, int width, int height,
                       uint8_t value)
{
    for (int y = 0; y < height; y++)
        memset(surface->plane[plane] + y * surface->stride[plane], value, (size_t)width);
}

void surface_clear(struct surface *surface, struct color color)
{
    uint32_t word = (uint32_t)color.alpha << 24 | (uint32_t)color.red << 16 |
                    (uint32_t)color.green << 8 | color.blue;
    int halved_width = (surface->width + 1) / 2;
    int halved_height = (surface->height + 1) / 2;
    uint8_t values[3];

    surface_encode(surface, color, values);
    switch (surface->format) {
    case SURFACE_GRAY:
        fill_plane(surface, 0, surface->width, surface->height, values[0]);
        break;
    case SURFACE_YUV420:
        fill_plane(surface, 0, surface->width, surface->height, values[0]);
        fill_plane(surface, 1, halved_width, halved_height, values[1]);
        fill_plane(surface, 2, halved_width, halved_height, values[2]);
        break;
    case SURFACE_YUV422:
        fill_plane(surface, 0, surface->width, surface->height, values[0]);
        fill_plane(surface, 1, halved_width, surface->height, values[1]);
        fill_plane(surface, 2, halved_width, surface->height, values[2]);
        break;
    case SURFACE_YUV444:
        for (int plane = 0; plane < 3; plane++)
            fill_plane(surface, plane, surface->width, surface->height, values[plane]);
        break;
    case SURFACE_RGB24:
    case SURFACE_BGR24:
    case SURFACE_ARGB32:
        for (int y = 0; y < surface->height; y++) {
            uint8_t *pixel = surface->plane[0] + y * surface->stride[0];

            for (int x = 0; x < surface->width; x++) {
                if (surface->format == SURFACE_ARGB32)
                    blend_store_word(pixel + (ptrdiff_t)x * 4, word);
                else
                    memcpy(pixel + (ptrdiff_t)x * 3, values, 3);
            }
        }
        break;
    }
}
