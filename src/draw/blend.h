/*
 * The arithmetic of one blended pixel, shared by everything that draws. A weight is a coverage
 * times an alpha, 0..255 each, so it lies in 0..65025; every result is rounded once, to nearest.
 */
#ifndef VBP_DRAW_BLEND_H
#define VBP_DRAW_BLEND_H

#include <stdint.h>
#include <string.h>

#define BLEND_FULL 65025u

/* below + (above - below) * weight / 65025 */
static inline uint8_t blend_byte(uint8_t below, uint8_t above, uint32_t weight)
{
    return (uint8_t)((below * (BLEND_FULL - weight) + above * weight + BLEND_FULL / 2) /
                     BLEND_FULL);
}

/* The same with the sum of the weights of four pixels, for a chroma sample that they share. */
static inline uint8_t blend_byte_of_four(uint8_t below, uint8_t above, uint32_t weight)
{
    return (uint8_t)((below * (4 * BLEND_FULL - weight) + above * weight + 2 * BLEND_FULL) /
                     (4 * BLEND_FULL));
}

/*
 * One 0xAARRGGBB word of straight (not premultiplied) alpha under (red, green, blue) of the given
 * weight, composed "over":
 *
 *     alpha  = weight + below.alpha * (1 - weight)
 *     colour = (above * weight + below * below.alpha * (1 - weight)) / alpha
 */
static inline uint32_t blend_argb(uint32_t below, uint8_t red, uint8_t green, uint8_t blue,
                                  uint32_t weight)
{
    uint32_t below_alpha = below >> 24;
    uint32_t kept, alpha, above_share, below_share, result = 0;
    const uint8_t above[3] = {blue, green, red};

    if (weight == 0)
        return below;
    /* Both shares are fractions of 65025 * 255. */
    above_share = weight * 255;
    kept = BLEND_FULL - weight;
    below_share = kept * below_alpha;
    alpha = above_share + below_share;
    for (int channel = 0; channel < 3; channel++) {
        uint64_t under = below >> (8 * channel) & 255;
        uint64_t sum = (uint64_t)above[channel] * above_share + under * below_share;

        result |= (uint32_t)((sum + alpha / 2) / alpha) << (8 * channel);
    }
    return result | ((alpha + BLEND_FULL / 2) / BLEND_FULL) << 24;
}

/* Rows may lie at any address, so words are read and written by bytes. */
static inline uint32_t blend_load_word(const uint8_t *at)
{
    uint32_t word;

    memcpy(&word, at, sizeof(word));
    return word;
}

static inline void blend_store_word(uint8_t *at, uint32_t word)
{
    memcpy(at, &word, sizeof(word));
}

#endif
