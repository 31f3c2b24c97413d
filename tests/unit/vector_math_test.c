/* The functions of kernels/vector_math.h against those in double, and transposing in registers. */
#include "kernels/cpu.h"
#include "support/numbers.h"
#include "support/vectors.h"

#include <float.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define BLOCK 4096 /* floats at a time */

typedef void run_function(const float *input, size_t count, float *output);

static const struct vectors *vectors_list(int level)
{
#ifdef __x86_64__
    static const struct vectors *const list[] = {&vectors__c, &vectors__avx2, &vectors__avx512};
    static const enum isa isa[] = {ISA_C, ISA_AVX2, ISA_AVX512};

    return level < 3 && cpu_has(isa[level]) ? list[level] : NULL;
#else
    return level < 1 ? &vectors__c : NULL;
#endif
}

/* What the last place of a float near this value is worth. */
static double last_place(double value)
{
    int exponent = fabs(value) < (double)FLT_MIN ? -126 : ilogb(value);

    return ldexp(1, exponent - 23);
}

/* The largest error in units of the last place; fails where it is above `bound`. */
static void check_values(run_function *run, double (*exact)(double), const float *input,
                         size_t count, double bound, double *largest)
{
    static float output[BLOCK];

    run(input, count, output);
    for (size_t i = 0; i < count; i++) {
        double want = exact((double)input[i]), error;

        if (fabs(want) > (double)FLT_MAX) {
            assert_true(isinf(output[i]));
            continue;
        }
        error = fabs((double)output[i] - want) / last_place(want);
        if (!(error <= bound))
            fail_msg("f(%a): %a is not %a: %g units in the last place", (double)input[i],
                     (double)output[i], want, error);
        *largest = error > *largest ? error : *largest;
    }
}

/* Floats of both signs as they come, every so many; then evenly, most of them where it counts. */
static void sweep(run_function *run, double (*exact)(double), float low, float high, double bound)
{
    static float input[BLOCK];
    double largest = 0;
    size_t count = 0;

    for (uint64_t bits = (uint64_t)random_between(0, 3000); bits < UINT64_C(1) << 32;
         bits += 3001) {
        uint32_t half = (uint32_t)bits;
        float value;

        memcpy(&value, &half, sizeof(value));
        if (!(value >= low && value <= high))
            continue;
        input[count++] = value;
        if (count == BLOCK) {
            check_values(run, exact, input, count, bound, &largest);
            count = 0;
        }
    }
    for (int turn = 0; turn < 100; turn++) {
        float reach = turn % 2 ? 100 : 2;

        for (size_t i = 0; i < BLOCK; i++)
            input[i] = random_float(fmaxf(low, -reach), fminf(high, reach));
        check_values(run, exact, input, BLOCK, bound, &largest);
    }
    assert_true(largest > 0.4); /* or nothing was compared */
    print_message("largest error: %.3f units in the last place\n", largest);
}

static void exponentials_are_close(void **state)
{
    (void)state;
    for (int level = 0; vectors_list(level); level++)
        sweep(vectors_list(level)->exp, exp, -INFINITY, INFINITY, 2);
}

static void exponentials_less_one_are_close(void **state)
{
    (void)state;
    for (int level = 0; vectors_list(level); level++)
        sweep(vectors_list(level)->expm1, expm1, -INFINITY, INFINITY, 2);
}

static void logarithms_are_close(void **state)
{
    (void)state;
    for (int level = 0; vectors_list(level); level++)
        sweep(vectors_list(level)->log1p_unit, log1p, 0, 1, 3);
}

static void tangents_are_close(void **state)
{
    (void)state;
    for (int level = 0; vectors_list(level); level++)
        sweep(vectors_list(level)->tanh, tanh, -INFINITY, INFINITY, 4);
}

static void special_values(void **state)
{
    static const float input[16] = {NAN,     -NAN,     INFINITY, -INFINITY, 0,  -0.0F,
                                    FLT_MAX, -FLT_MAX, FLT_MIN,  -FLT_MIN,  89, -104,
                                    88.72F,  -87.5F,   1e-40F,   -1e-40F};
    float output[16];

    (void)state;
    for (int level = 0; vectors_list(level); level++) {
        const struct vectors *vectors = vectors_list(level);

        vectors->exp(input, 16, output);
        assert_true(isnan(output[0]) && isnan(output[1]));
        assert_true(output[2] == INFINITY && output[3] == 0);
        assert_true(output[4] == 1 && output[5] == 1);
        assert_true(output[6] == INFINITY && output[7] == 0);
        assert_true(output[8] == 1 && output[9] == 1 && output[10] == INFINITY);
        assert_true(output[12] > 3e38F && output[12] < INFINITY);
        assert_true(output[13] > 0 && output[13] < FLT_MIN);
        vectors->expm1(input, 16, output);
        assert_true(isnan(output[0]) && isnan(output[1]));
        assert_true(output[2] == INFINITY && output[3] == -1);
        assert_true(output[4] == 0 && output[5] == 0);
        assert_true(output[6] == INFINITY && output[7] == -1);
        assert_true(output[8] == FLT_MIN && output[9] == -FLT_MIN && output[10] == INFINITY);
        assert_true(output[12] > 3e38F && output[12] < INFINITY);
        vectors->tanh(input, 16, output);
        assert_true(isnan(output[0]) && isnan(output[1]));
        assert_true(output[2] == 1 && output[3] == -1 && output[4] == 0 && output[5] == 0);
        assert_true(output[6] == 1 && output[7] == -1);
    }
}

static void transposing(void **state)
{
    int cases = 0;

    (void)state;
    for (int level = 0; vectors_list(level); level++, cases++) {
        size_t width = vectors_list(level)->width;
        float *input = guarded_random(width * width, -1, 1),
              *output = guarded_floats(width * width);

        vectors_list(level)->transpose(input, output);
        for (size_t i = 0; i < width * width; i++)
            assert_true(output[i] == input[i % width * width + i / width]);
        guarded_free(input);
        guarded_free(output);
    }
    assert_true(cases > 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(exponentials_are_close), cmocka_unit_test(exponentials_less_one_are_close),
        cmocka_unit_test(logarithms_are_close),   cmocka_unit_test(tangents_are_close),
        cmocka_unit_test(special_values),         cmocka_unit_test(transposing),
    };

    return cmocka_run_group_tests(tests, random_setup, NULL);
}
