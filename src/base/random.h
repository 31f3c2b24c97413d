/*
 * Reproducible random numbers: splitmix64 (Steele, Lea, Flood: "Fast splittable pseudorandom number
 * generators", OOPSLA 2014). The state is one number, so a generator can be made anew for every
 * sample from what identifies it, and threads need none in common.
 */
#ifndef VBP_BASE_RANDOM_H
#define VBP_BASE_RANDOM_H

#include <math.h>
#include <stdint.h>

struct random {
    uint64_t state;
};

static inline uint64_t random_mix(uint64_t z)
{
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
    z = (z ^ z >> 27) * 0x94d049bb133111ebu;
    return z ^ z >> 31;
}

static inline uint64_t random_next(struct random *random)
{
    return random_mix(random->state += 0x9e3779b97f4a7c15u);
}

/* A generator for what three numbers name, e.g. seed, epoch and sample. */
static inline struct random random_for(uint64_t a, uint64_t b, uint64_t c)
{
    return (struct random){random_mix(a + random_mix(b + random_mix(c + 0x9e3779b97f4a7c15u)))};
}

/* 0 <= number < 1 */
static inline double random_unit(struct random *random)
{
    return (double)(random_next(random) >> 11) * 0x1p-53;
}

/* 0 <= number < limit, 1 <= limit <= 2^32. */
static inline uint64_t random_below(struct random *random, uint64_t limit)
{
    return (uint64_t)(random_unit(random) * (double)limit);
}

/* Normally distributed, mean 0, variance 1 (Box and Muller 1958). */
static inline double random_normal(struct random *random)
{
    double radius = sqrt(-2 * log(1 - random_unit(random)));

    return radius * cos(6.28318530717958647692 * random_unit(random));
}

#endif
