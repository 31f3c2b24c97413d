#include "sprite.h"

#include "base/memory.h"
#include "number.h"
#include "random.h"

#include <math.h>
#include <string.h>

float sprite_aspect(int sprite)
{
    return sprite < SPRITE_CONIFER ? 0.85f : sprite < SPRITE_BUSH ? 0.5f : 1.5f;
}

/* ---- Drawing -------------------------------------------------------------------------------- */

static void put(uint8_t *texels, int x, int y, struct color color)
{
    uint8_t *texel = texels + 4 * (y * SPRITE_SIDE + x);

    texel[0] = (uint8_t)(least(sqrtf(color.red), 1) * 255);
    texel[1] = (uint8_t)(least(sqrtf(color.green), 1) * 255);
    texel[2] = (uint8_t)(least(sqrtf(color.blue), 1) * 255);
    texel[3] = 255;
}

/* A tuft of leaves at (x, y), in texels; light says how far up and to the right it is. */
static void draw_tuft(uint8_t *texels, float x, float y, float radius, struct color color,
                      float light, uint32_t salt)
{
    int reach = (int)radius + 1;

    for (int dy = -reach; dy <= reach; dy++) {
        for (int dx = -reach; dx <= reach; dx++) {
            int px = (int)x + dx, py = (int)y + dy;
            float away = sqrtf((float)(dx * dx + dy * dy)) / radius;
            float ragged = smooth_noise((float)px / 4.5f, (float)py / 4.5f, salt) * 0.7f +
                           hash_unit(px / 2, py / 2, salt) * 0.3f;
            float leaf = hash_unit(px / 2, py / 2, salt + 1);
            float bright;

            if (px < 1 || py < 1 || px >= SPRITE_SIDE - 1 || py >= SPRITE_SIDE - 1)
                continue;
            if (away > 0.5f + 0.7f * ragged)
                continue;
            /* A little ball: its own upper right side is bright. */
            bright = 0.6f + 0.3f * ((float)(dx - dy) / radius) * 0.7f;
            bright = most(bright, 0.15f) * light * (0.7f + 0.6f * leaf);
            put(texels, px, py, color_scale(color, bright));
        }
    }
}

static void draw_trunk(uint8_t *texels, float top, float thickness, uint32_t salt)
{
    for (int y = (int)top; y < SPRITE_SIDE; y++) {
        float down = ((float)y - top) / ((float)SPRITE_SIDE - top);
        float half = thickness * (0.5f + 0.5f * down);
        float middle = SPRITE_SIDE / 2.0f + 5 * smooth_noise((float)y / 40, 0, salt) - 2.5f;

        for (int x = (int)(middle - half); x <= (int)(middle + half); x++)
            put(texels, x, y,
                color_scale((struct color){0.11f, 0.085f, 0.06f},
                            0.4f + 1.2f * smooth_noise((float)x / 2.5f, (float)y / 14, salt) +
                                0.5f * ((float)x - middle) / (half + 1)));
    }
}

static void draw_crown(uint8_t *texels, struct random *random, float center_y, float radius_x,
                       float radius_y, int tufts, struct color color, uint32_t salt)
{
    /* From below to above, so that the sunny tufts lie on the shaded ones. */
    for (int i = 0; i < tufts; i++) {
        float rise = 1 - 2 * (float)i / (float)tufts; /* 1 at the lower end */
        float wide = sqrtf(most(1 - rise * rise * 0.85f, 0));
        float x = (float)random_between(random, -1, 1) * wide, y = rise;
        float size = (float)random_between(random, 0.1, 0.24) * radius_y;
        float light = 0.55f - 0.38f * y + 0.28f * x + (float)random_between(random, -0.12, 0.18);

        draw_tuft(texels, SPRITE_SIDE / 2.0f + x * (radius_x - size * 0.6f),
                  center_y + y * (radius_y - size * 0.6f), size, color, most(light, 0.12f),
                  salt + (uint32_t)i);
    }
}

static void draw_tree(uint8_t *texels, struct random *random, uint32_t salt)
{
    struct color color = {(float)random_between(random, 0.09, 0.17),
                          (float)random_between(random, 0.17, 0.26),
                          (float)random_between(random, 0.03, 0.06)};
    float crown = (float)random_between(random, 0.66, 0.82) * SPRITE_SIDE;

    draw_trunk(texels, crown * 0.7f, (float)random_between(random, 4, 7), salt);
    draw_crown(texels, random, crown / 2, SPRITE_SIDE * 0.46f, crown / 2, 190, color, salt + 1);
}

static void draw_bush(uint8_t *texels, struct random *random, uint32_t salt)
{
    struct color color = {(float)random_between(random, 0.08, 0.16),
                          (float)random_between(random, 0.15, 0.22), 0.04f};

    draw_crown(texels, random, SPRITE_SIDE * 0.55f, SPRITE_SIDE * 0.48f, SPRITE_SIDE * 0.46f, 150,
               color, salt);
}

static void draw_conifer(uint8_t *texels, struct random *random, uint32_t salt)
{
    struct color color = {(float)random_between(random, 0.04, 0.07),
                          (float)random_between(random, 0.1, 0.14), 0.05f};

    draw_trunk(texels, SPRITE_SIDE * 0.5f, 5, salt);
    for (int i = 0; i < 240; i++) {
        float down = 1 - (float)i / 240; /* from the lowest branches up */
        float wide = 0.46f * SPRITE_SIDE * (0.06f + 0.94f * down) *
                     (0.75f + 0.25f * fabsf(sinf((float)i * 0.42f)));
        float x = (float)random_between(random, -1, 1);
        float light = 0.45f + 0.35f * x + (float)random_between(random, -0.15, 0.15);

        draw_tuft(texels, SPRITE_SIDE / 2.0f + x * wide, 10 + down * SPRITE_SIDE * 0.86f,
                  5 + 9 * down, color, most(light, 0.12f), salt + (uint32_t)i);
    }
}

/* ---- Keeping -------------------------------------------------------------------------------- */

static void halve(const uint8_t *from, uint8_t *to, int side)
{
    for (int y = 0; y < side; y++)
        for (int x = 0; x < side; x++)
            for (int c = 0; c < 4; c++) {
                const uint8_t *p = from + 4 * (2 * y * 2 * side + 2 * x) + c;

                to[4 * (y * side + x) + c] =
                    (uint8_t)((p[0] + p[4] + p[8 * side] + p[8 * side + 4] + 2) / 4);
            }
}

int sprite_set_make(struct sprite_set *set, VbpError *error)
{
    memset(set, 0, sizeof(*set));
    for (int i = 0; i < SPRITE_COUNT; i++) {
        struct random random = random_stream(0x7ee5, (uint64_t)i);
        uint32_t salt = 1000u * (uint32_t)i;

        for (int level = 0; level < SPRITE_LEVELS; level++) {
            int side = SPRITE_SIDE >> level;

            set->sprites[i].texels[level] = memory_array((size_t)side * (size_t)side, 4);
            if (!set->sprites[i].texels[level]) {
                sprite_set_free(set);
                return error_out_of_memory(error);
            }
            if (level > 0)
                halve(set->sprites[i].texels[level - 1], set->sprites[i].texels[level], side);
            else if (i < SPRITE_CONIFER)
                draw_tree(set->sprites[i].texels[0], &random, salt);
            else if (i < SPRITE_BUSH)
                draw_conifer(set->sprites[i].texels[0], &random, salt);
            else
                draw_bush(set->sprites[i].texels[0], &random, salt);
        }
    }
    return VBP_OK;
}

void sprite_set_free(struct sprite_set *set)
{
    for (int i = 0; i < SPRITE_COUNT; i++)
        for (int level = 0; level < SPRITE_LEVELS; level++)
            free(set->sprites[i].texels[level]);
    memset(set, 0, sizeof(*set));
}

struct color sprite_sample(const struct sprite *sprite, float u, float v, float footprint,
                           float *alpha)
{
    int level = 0, side;
    float x, y, channel[4];
    const uint8_t *a, *b;
    int ix, iy, jx, jy;

    while (footprint > 1.42f && level < SPRITE_LEVELS - 1) {
        footprint *= 0.5f;
        level++;
    }
    side = SPRITE_SIDE >> level;
    x = least(most(u * (float)side - 0.5f, 0), (float)(side - 1));
    y = least(most(v * (float)side - 0.5f, 0), (float)(side - 1));
    ix = (int)x;
    iy = (int)y;
    jx = ix + 1 < side ? 4 : 0;
    jy = iy + 1 < side ? 4 * side : 0;
    x -= (float)ix;
    y -= (float)iy;
    a = sprite->texels[level] + 4 * (iy * side + ix);
    b = a + jy;
    for (int c = 0; c < 4; c++) {
        float top = a[c] + (float)(a[c + jx] - a[c]) * x;
        float bottom = b[c] + (float)(b[c + jx] - b[c]) * x;

        channel[c] = (top + (bottom - top) * y) * (1 / 255.0f);
    }
    *alpha = channel[3];
    if (channel[3] <= 0)
        return (struct color){0, 0, 0};
    for (int c = 0; c < 3; c++) {
        channel[c] /= channel[3];
        channel[c] *= channel[c];
    }
    return (struct color){channel[0], channel[1], channel[2]};
}
