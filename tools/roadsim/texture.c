#include "texture.h"

#include "base/memory.h"
#include "number.h"
#include "random.h"

#include <math.h>
#include <string.h>

static void halve(const struct texture *texture, int i, int j)
{
    int width_bits = texture->width_bits - i, height_bits = texture->height_bits - j;
    uint8_t *to = texture->texels[i][j];

    for (int y = 0; y < 1 << height_bits; y++) {
        for (int x = 0; x < 1 << width_bits; x++) {
            const uint8_t *from;
            int sum;

            if (i > 0) {
                from = texture->texels[i - 1][j] + ((size_t)y << (width_bits + 1)) + 2 * x;
                sum = from[0] + from[1];
            } else {
                from = texture->texels[0][j - 1] + ((size_t)(2 * y) << width_bits) + x;
                sum = from[0] + from[(size_t)1 << width_bits];
            }
            to[((size_t)y << width_bits) + (size_t)x] = (uint8_t)((sum + (x & 1)) / 2);
        }
    }
}

int texture_make(struct texture *texture, int width_bits, int height_bits, const uint8_t *texels,
                 VbpError *error)
{
    memset(texture, 0, sizeof(*texture));
    texture->width_bits = width_bits;
    texture->height_bits = height_bits;
    for (int j = 0; j <= height_bits && j < TEXTURE_LEVELS; j++) {
        for (int i = 0; i <= width_bits && i < TEXTURE_LEVELS; i++) {
            size_t size = (size_t)1 << (width_bits - i + height_bits - j);

            texture->texels[i][j] = malloc(size);
            if (!texture->texels[i][j]) {
                texture_free(texture);
                return error_out_of_memory(error);
            }
            if (i == 0 && j == 0)
                memcpy(texture->texels[0][0], texels, size);
            else
                halve(texture, i, j);
        }
    }
    return VBP_OK;
}

void texture_free(struct texture *texture)
{
    for (int i = 0; i < TEXTURE_LEVELS; i++)
        for (int j = 0; j < TEXTURE_LEVELS; j++)
            free(texture->texels[i][j]);
    memset(texture, 0, sizeof(*texture));
}

/* The level whose texels are about as large as the footprint. */
static int level_of(float footprint, int bits)
{
    int last = bits < TEXTURE_LEVELS - 1 ? bits : TEXTURE_LEVELS - 1;
    int level = 0;
    union {
        float value;
        uint32_t bits;
    } number = {footprint * 1.4142f};

    if (number.value >= 1)
        level = (int)(number.bits >> 23) - 127;
    return level > last ? last : level;
}

float texture_sample(const struct texture *texture, float u, float v, float footprint_u,
                     float footprint_v)
{
    int i = level_of(footprint_u, texture->width_bits);
    int j = level_of(footprint_v, texture->height_bits);
    int width_bits = texture->width_bits - i;
    int mask_u = (1 << width_bits) - 1, mask_v = (1 << (texture->height_bits - j)) - 1;
    const uint8_t *texels = texture->texels[i][j], *row0, *row1;
    float x = u / (float)(1 << i) - 0.5f, y = v / (float)(1 << j) - 0.5f;
    int ix = floor_to_int(x), iy = floor_to_int(y), x0, x1;
    float fx = x - (float)ix, fy = y - (float)iy, top, bottom;

    x0 = ix & mask_u;
    x1 = (ix + 1) & mask_u;
    row0 = texels + ((size_t)(iy & mask_v) << width_bits);
    row1 = texels + ((size_t)((iy + 1) & mask_v) << width_bits);
    top = row0[x0] + (float)(row0[x1] - row0[x0]) * fx;
    bottom = row1[x0] + (float)(row1[x1] - row1[x0]) * fx;
    return (top + (bottom - top) * fy) * (1 / 255.0f);
}

/* ---- The set -------------------------------------------------------------------------------- */

enum { SIDE_BITS = 9, SIDE = 1 << SIDE_BITS };

/* Noise of `cells` random values a side that repeats after the texture's side. */
static float tiled_noise(int x, int y, int cells, uint32_t salt)
{
    float u = (float)x * (float)cells / SIDE, v = (float)y * (float)cells / SIDE;
    int ix = (int)u, iy = (int)v, jx = (ix + 1) % cells, jy = (iy + 1) % cells;
    float a = hash_unit(ix, iy, salt), b = hash_unit(jx, iy, salt);
    float c = hash_unit(ix, jy, salt), d = hash_unit(jx, jy, salt);

    u -= (float)ix;
    v -= (float)iy;
    u = u * u * (3 - 2 * u);
    v = v * v * (3 - 2 * v);
    return a + (b - a) * u + (c - a) * v + (a - b - c + d) * u * v;
}

/* Octaves from `cells` on, each `gain` times as strong as the one before; about -1..1. */
static float octaves(int x, int y, int cells, float gain, uint32_t salt)
{
    float sum = 0, strength = 1, total = 0;

    for (; cells <= SIDE / 2; cells *= 2) {
        sum += (tiled_noise(x, y, cells, salt + (uint32_t)cells) * 2 - 1) * strength;
        total += strength;
        strength *= gain;
    }
    return sum / total * 1.6f;
}

/* Stones in bitumen: fine grain, bright and dark chips, faint blotches. */
static float asphalt_texel(int x, int y)
{
    float grain = hash_unit(x, y, 11) - 0.5f;
    float chip = hash_unit(x, y, 12);

    return 0.5f + 0.30f * grain +
           (chip > 0.97f   ? 0.28f
            : chip < 0.03f ? -0.25f
                           : 0) +
           0.18f * octaves(x, y, 32, 1.0f, 13);
}

static float cloud_texel(int x, int y)
{
    return 0.5f + 0.6f * octaves(x, y, 4, 0.55f, 21);
}

static float grass_texel(int x, int y)
{
    return 0.5f + 0.45f * octaves(x, y, 8, 0.95f, 31) + 0.25f * (hash_unit(x, y, 32) - 0.5f);
}

static int paint(struct texture *texture, float (*texel)(int x, int y), VbpError *error)
{
    uint8_t *texels = malloc((size_t)SIDE * SIDE);
    int result;

    if (!texels)
        return error_out_of_memory(error);
    for (int y = 0; y < SIDE; y++)
        for (int x = 0; x < SIDE; x++)
            texels[y * SIDE + x] = (uint8_t)(least(most(texel(x, y), 0), 1) * 255 + 0.5f);
    result = texture_make(texture, SIDE_BITS, SIDE_BITS, texels, error);
    free(texels);
    return result;
}

int texture_set_make(struct texture_set *set, VbpError *error)
{
    int result;

    memset(set, 0, sizeof(*set));
    result = paint(&set->asphalt, asphalt_texel, error);
    if (result == VBP_OK)
        result = paint(&set->clouds, cloud_texel, error);
    if (result == VBP_OK)
        result = paint(&set->grass, grass_texel, error);
    if (result != VBP_OK)
        texture_set_free(set);
    return result;
}

void texture_set_free(struct texture_set *set)
{
    texture_free(&set->asphalt);
    texture_free(&set->clouds);
    texture_free(&set->grass);
}
