/* The vectors of vector.h in plain C, four floats wide, which every compiler knows how to do. */
#ifndef VBP_KERNELS_VECTOR_C_H
#define VBP_KERNELS_VECTOR_C_H

#include "kernels/vector.h"

#include <stdint.h>
#include <string.h>

#define VECTOR_TARGET
#define VECTOR_INLINE static inline __attribute__((always_inline))
#define VECTOR_WIDTH  4

typedef float vector __attribute__((vector_size(16)));
typedef uint32_t vector_bits __attribute__((vector_size(16)));

VECTOR_INLINE vector vector_load(const float *from)
{
    vector a;

    memcpy(&a, from, sizeof(a));
    return a;
}

VECTOR_INLINE void vector_store(float *to, vector a)
{
    memcpy(to, &a, sizeof(a));
}

VECTOR_INLINE vector vector_load_part(const float *from, size_t count)
{
    vector a = {0};

    for (size_t i = 0; i < count; i++)
        a[i] = from[i];
    return a;
}

VECTOR_INLINE void vector_store_part(float *to, vector a, size_t count)
{
    for (size_t i = 0; i < count; i++)
        to[i] = a[i];
}

/* The first `count` lanes of a, the others of b. */
VECTOR_INLINE vector vector_keep(vector a, vector b, size_t count)
{
    for (size_t i = 0; i < count; i++)
        b[i] = a[i];
    return b;
}

/* The last lane of `before`, then a without its last lane. */
VECTOR_INLINE vector vector_after(vector before, vector a)
{
    return (vector){before[3], a[0], a[1], a[2]};
}

VECTOR_INLINE vector vector_broadcast(float value)
{
    return (vector){value, value, value, value};
}

VECTOR_INLINE vector vector_multiply_add(vector a, vector b, vector c)
{
    return a * b + c;
}

VECTOR_INLINE vector vector_add(vector a, vector b)
{
    return a + b;
}

VECTOR_INLINE vector vector_subtract(vector a, vector b)
{
    return a - b;
}

/* NaN stays NaN. */
VECTOR_INLINE vector vector_rectify(vector a)
{
    for (int i = 0; i < VECTOR_WIDTH; i++)
        a[i] = a[i] < 0 ? 0 : a[i];
    return a;
}

/* Lanes first to end - 1 only. */
VECTOR_INLINE void vector_store_lanes(float *to, vector a, size_t first, size_t end)
{
    for (size_t i = first; i < end; i++)
        to[i] = a[i];
}

/* low where a < low, high where a > high; a is not NaN. */
VECTOR_INLINE vector vector_clamp(vector a, vector low, vector high)
{
    for (int i = 0; i < VECTOR_WIDTH; i++)
        a[i] = a[i] < low[i] ? low[i] : a[i] > high[i] ? high[i] : a[i];
    return a;
}

VECTOR_INLINE vector vector_multiply(vector a, vector b)
{
    return a * b;
}

VECTOR_INLINE float vector_sum(vector a)
{
    return (a[0] + a[2]) + (a[1] + a[3]);
}

/* Floats 0, 2, 4 ... and 1, 3, 5 ... of two vectors, one behind the other. */
VECTOR_INLINE void vector_split(vector a, vector b, vector *even, vector *odd)
{
    *even = (vector){a[0], a[2], b[0], b[2]};
    *odd = (vector){a[1], a[3], b[1], b[3]};
}

VECTOR_INLINE void vector_load_split(const float *from, vector *even, vector *odd)
{
    vector_split(vector_load(from), vector_load(from + VECTOR_WIDTH), even, odd);
}

/* The same backwards: floats 0, 0, 1, 1 ... of both, the first half and the second. */
VECTOR_INLINE void vector_join(vector even, vector odd, vector *first, vector *second)
{
    *first = (vector){even[0], odd[0], even[1], odd[1]};
    *second = (vector){even[2], odd[2], even[3], odd[3]};
}

VECTOR_INLINE vector vector_divide(vector a, vector b)
{
    return a / b;
}

/* b where one of them is NaN. */
VECTOR_INLINE vector vector_least(vector a, vector b)
{
    for (int i = 0; i < VECTOR_WIDTH; i++)
        a[i] = a[i] < b[i] ? a[i] : b[i];
    return a;
}

VECTOR_INLINE vector vector_most(vector a, vector b)
{
    for (int i = 0; i < VECTOR_WIDTH; i++)
        a[i] = a[i] > b[i] ? a[i] : b[i];
    return a;
}

VECTOR_INLINE vector vector_magnitude(vector a)
{
    for (int i = 0; i < VECTOR_WIDTH; i++)
        a[i] = a[i] < 0 ? -a[i] : a[i];
    return a;
}

/* yes where a > limit, no elsewhere and where one of the two is NaN. */
VECTOR_INLINE vector vector_above(vector a, vector limit, vector yes, vector no)
{
    for (int i = 0; i < VECTOR_WIDTH; i++)
        a[i] = a[i] > limit[i] ? yes[i] : no[i];
    return a;
}

/* The nearest integer, the even one of two; |a| <= 2^22 or NaN. */
VECTOR_INLINE vector vector_round(vector a)
{
    const vector steps_of_1 = vector_broadcast(0x1.8p23F);

    return a + steps_of_1 - steps_of_1;
}

/*
 * a * 2^n for integers -252 <= n <= 254; NaN where one of them is. In two steps, since a float
 * holds 2^n from -126 to 127 only.
 */
VECTOR_INLINE vector vector_scale(vector a, vector n)
{
    const vector steps_of_1 = vector_broadcast(0x1.8p23F);
    vector half = vector_round(n * 0.5F);
    vector_bits first = ((vector_bits)(half + steps_of_1) + 127) << 23;
    vector_bits second = ((vector_bits)(n - half + steps_of_1) + 127) << 23;
    vector bad = n * 0.0F;

    return a * (vector)first * (vector)second + bad;
}

/* rows[i] lane j becomes rows[j] lane i, for VECTOR_WIDTH rows. */
VECTOR_INLINE void vector_transpose(vector *rows)
{
    vector a = rows[0], b = rows[1], c = rows[2], d = rows[3];

    rows[0] = (vector){a[0], b[0], c[0], d[0]};
    rows[1] = (vector){a[1], b[1], c[1], d[1]};
    rows[2] = (vector){a[2], b[2], c[2], d[2]};
    rows[3] = (vector){a[3], b[3], c[3], d[3]};
}

/* The greater and the lesser of two; NaN where one of them is. */
VECTOR_INLINE vector vector_maximum(vector a, vector b)
{
    for (int i = 0; i < VECTOR_WIDTH; i++)
        a[i] = a[i] > b[i] || a[i] != a[i] ? a[i] : b[i];
    return a;
}

VECTOR_INLINE vector vector_minimum(vector a, vector b)
{
    for (int i = 0; i < VECTOR_WIDTH; i++)
        a[i] = a[i] < b[i] || a[i] != a[i] ? a[i] : b[i];
    return a;
}

/* 0 behind the first `count` lanes. */
VECTOR_INLINE vector vector_first(vector a, size_t count)
{
    for (size_t i = count; i < VECTOR_WIDTH; i++)
        a[i] = 0;
    return a;
}

/* Floats 0, 3, 6 ..., 1, 4, 7 ... and 2, 5, 8 ... of three vectors that lie together. */
VECTOR_INLINE void vector_load_thirds(const float *from, vector *third)
{
    for (int k = 0; k < 3; k++)
        third[k] = (vector){from[k], from[k + 3], from[k + 6], from[k + 9]};
}

/* The same backwards. */
VECTOR_INLINE void vector_store_thirds(float *to, const vector *third)
{
    vector a = third[0], b = third[1], c = third[2];

    vector_store(to, (vector){a[0], b[0], c[0], a[1]});
    vector_store(to + VECTOR_WIDTH, (vector){b[1], c[1], a[2], b[2]});
    vector_store(to + 2 * VECTOR_WIDTH, (vector){c[2], a[3], b[3], c[3]});
}

#endif
