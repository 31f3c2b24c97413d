/*
 * Where every choice of roadsim comes from: a small generator of its own (SplitMix64), so that a
 * seed means the same drive on every machine, and hashes for what is looked up by place.
 */
#ifndef ROADSIM_RANDOM_H
#define ROADSIM_RANDOM_H

#include <stdbool.h>
#include <stdint.h>

struct random {
    uint64_t state;
};

static inline uint64_t random_mix(uint64_t x)
{
    x = (x ^ x >> 30) * 0xBF58476D1CE4E5B9u;
    x = (x ^ x >> 27) * 0x94D049BB133111EBu;
    return x ^ x >> 31;
}

/* An independent generator for purpose number `stream` of a seed. */
static inline struct random random_stream(uint64_t seed, uint64_t stream)
{
    return (struct random){random_mix(seed * 0x9E3779B97F4A7C15u + 1) ^
                           random_mix(stream * 0xD1B54A32D192ED03u + 7)};
}

static inline uint64_t random_next(struct random *random)
{
    random->state += 0x9E3779B97F4A7C15u;
    return random_mix(random->state);
}

/* Evenly spread in low..high. */
static inline double random_between(struct random *random, double low, double high)
{
    return low + (high - low) * (double)(random_next(random) >> 11) * 0x1p-53;
}

static inline bool random_chance(struct random *random, double probability)
{
    return random_between(random, 0, 1) < probability;
}

/* 0 .. count - 1 */
static inline int random_below(struct random *random, int count)
{
    return (int)(random_between(random, 0, 1) * count);
}

/* A number in 0..1 that belongs to the place (x, y). */
static inline float hash_unit(int32_t x, int32_t y, uint32_t salt)
{
    uint32_t h = (uint32_t)x * 0x85EBCA6Bu ^ (uint32_t)y * 0xC2B2AE35u ^ salt * 0x27D4EB2Fu;

    h = (h ^ h >> 15) * 0x2C1B3C6Du;
    h = (h ^ h >> 12) * 0x297A2D39u;
    h ^= h >> 15;
    return (float)(h >> 8) * 0x1p-24f;
}

static inline int floor_to_int(float x)
{
    int i = (int)x;

    return i - ((float)i > x);
}

/* Smooth noise in 0..1 with one random value for each whole (x, y). */
static inline float smooth_noise(float x, float y, uint32_t salt)
{
    int ix = floor_to_int(x), iy = floor_to_int(y);
    float u = x - (float)ix, v = y - (float)iy;
    float a = hash_unit(ix, iy, salt), b = hash_unit(ix + 1, iy, salt);
    float c = hash_unit(ix, iy + 1, salt), d = hash_unit(ix + 1, iy + 1, salt);

    u = u * u * (3 - 2 * u);
    v = v * v * (3 - 2 * v);
    return a + (b - a) * u + (c - a) * v + (a - b - c + d) * u * v;
}

#endif
