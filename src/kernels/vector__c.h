/* The vectors of vector.h in plain C, four floats wide, which every compiler knows how to do. */
#ifndef VBP_KERNELS_VECTOR_C_H
#define VBP_KERNELS_VECTOR_C_H

#include "kernels/vector.h"

#include <string.h>

#define VECTOR_TARGET
#define VECTOR_INLINE static inline __attribute__((always_inline))
#define VECTOR_WIDTH  4

typedef float vector __attribute__((vector_size(16)));

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

/* Floats 0, 2, 4 ... and 1, 3, 5 ... of two vectors that lie together. */
VECTOR_INLINE void vector_load_split(const float *from, vector *even, vector *odd)
{
    *even = (vector){from[0], from[2], from[4], from[6]};
    *odd = (vector){from[1], from[3], from[5], from[7]};
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

#endif
