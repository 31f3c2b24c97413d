/* Small functions on numbers, inline: fminf and fmaxf are calls, for the sake of NaN. */
#ifndef ROADSIM_NUMBER_H
#define ROADSIM_NUMBER_H

static inline float least(float a, float b)
{
    return a < b ? a : b;
}

static inline float most(float a, float b)
{
    return a > b ? a : b;
}

#endif
