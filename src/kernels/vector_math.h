/*
 * Exponential functions of vectors, for a file that has included a vector__isa.h. All levels do the
 * same operations, but only some round once where they multiply and add.
 *
 * With n = the integer nearest to x / ln 2 and r = x - n ln 2, |r| <= ln 2 / 2,
 *
 *     exp(x) = 2^n (1 + p)     expm1(x) = 2^n p + (2^n - 1)     p = exp(r) - 1 = r + r^2 q(r)
 *
 * ln 2 is subtracted in two parts: MATH_LN2_HIGH has 13 binary places, so that n times it is exact
 * for every n there is, and so is x minus that; MATH_LN2_LOW is the rest.
 *
 * q, of degree 5, is the polynomial for which the error of p, in proportion to p, is least over
 * |r| <= 1.0005 ln 2 / 2 (found by Remez' exchange, then rounded to floats): 2.3e-9, a 26th of what
 * rounding to float can do. What is left is the rounding of r, of the last step of q (times r^2 /
 * p, at most 0.4), of p, and of the sum with 1 or 2^n - 1: below 2 units in the last place of the
 * result.
 *
 * log1p(t) for 0 <= t <= 1 is 2 atanh(s) = 2 s + s z l(z) with s = t / (2 + t), z = s^2; l, of
 * degree 3, found alike, has an error of 4.9e-9 of the whole over z <= 1/9. s is rounded twice
 * before it is of use: below 3 units in the last place, and so is the quotient that makes tanh.
 */
#ifndef VBP_KERNELS_VECTOR_MATH_H
#define VBP_KERNELS_VECTOR_MATH_H

#define MATH_LN2_RECIPROCAL 1.44269502F
#define MATH_LN2_HIGH       0.693115234375F
#define MATH_LN2_LOW        3.19461833e-05F

/* *n = x / ln 2 rounded, and exp(x - *n ln 2) - 1; x is NaN or of moderate size. */
VECTOR_INLINE vector vector_exp_reduced(vector x, vector *n)
{
    static const float q[] = {0.5F,           0.166666657F,   0.0416663587F,
                              0.00833338965F, 0.00139406684F, 0.000198458816F};
    vector r, value = vector_broadcast(q[5]);

    *n = vector_round(vector_multiply(x, vector_broadcast(MATH_LN2_RECIPROCAL)));
    r = vector_multiply_add(*n, vector_broadcast(-MATH_LN2_HIGH), x);
    r = vector_multiply_add(*n, vector_broadcast(-MATH_LN2_LOW), r);
    VECTOR_UNROLL
    for (int i = 4; i >= 0; i--)
        value = vector_multiply_add(value, r, vector_broadcast(q[i]));
    return vector_multiply_add(vector_multiply(r, r), value, r);
}

/* low where x < low, high where x > high; NaN stays NaN. */
VECTOR_INLINE vector vector_between(vector x, float low, float high)
{
    return vector_most(vector_broadcast(low), vector_least(vector_broadcast(high), x));
}

/* exp(x); NaN stays NaN, what is too large becomes infinity and what is too small 0. */
VECTOR_INLINE vector vector_exp(vector x)
{
    /* exp(-105) is less than half of the smallest float, exp(89) more than the largest. */
    vector n, p = vector_exp_reduced(vector_between(x, -105, 89), &n);

    return vector_scale(vector_add(p, vector_broadcast(1)), n);
}

/* exp(x) - 1, exact near 0 too; NaN stays NaN, what is too large becomes infinity. */
VECTOR_INLINE vector vector_expm1(vector x)
{
    /* From -18 on it is -1 in float. Halves of both summands, since 2^n may be infinite. */
    vector n, p = vector_exp_reduced(vector_between(x, -18, 89), &n);
    vector half = vector_scale(vector_broadcast(0.5F), n);
    vector sum = vector_multiply_add(half, p, vector_subtract(half, vector_broadcast(0.5F)));

    return vector_add(sum, sum);
}

/* log(1 + t) for 0 <= t <= 1; NaN stays NaN. */
VECTOR_INLINE vector vector_log1p_unit(vector t)
{
    static const float l[] = {0.666664124F, 0.400216997F, 0.279991418F, 0.280244589F};
    vector s = vector_divide(t, vector_add(t, vector_broadcast(2)));
    vector z = vector_multiply(s, s), value = vector_broadcast(l[3]);

    VECTOR_UNROLL
    for (int i = 2; i >= 0; i--)
        value = vector_multiply_add(value, z, vector_broadcast(l[i]));
    return vector_multiply_add(vector_multiply(s, z), value, vector_add(s, s));
}

/* exp(x) - 1 = e gives tanh(x / 2) = e / (e + 2); for x <= 0 without overflow. */
VECTOR_INLINE vector vector_tanh(vector x)
{
    const vector none = vector_broadcast(0);
    vector size = vector_magnitude(x);
    vector e = vector_expm1(vector_multiply(size, vector_broadcast(-2)));
    vector value = vector_divide(e, vector_add(e, vector_broadcast(2)));

    return vector_above(x, none, vector_subtract(none, value), value);
}

#endif
