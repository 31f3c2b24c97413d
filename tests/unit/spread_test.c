/* Minimum, median and 99th percentile of samples; and the limit of multiply-adds of a core. */
#include "base/spread.h"
#include "kernels/dispatch.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static void test_one_sample(void **state)
{
    double sample = 3.5;
    struct spread spread = spread_of(&sample, 1);

    (void)state;
    assert_true(spread.min == 3.5 && spread.median == 3.5 && spread.p99 == 3.5);
}

/* 0 to 100 in an order that is none: 37 and 101 have no common divisor. */
static void test_many_samples(void **state)
{
    double samples[101];
    struct spread spread;

    (void)state;
    for (int i = 0; i < 101; i++)
        samples[i] = i * 37 % 101;
    spread = spread_of(samples, 101);
    assert_true(spread.min == 0 && spread.median == 50 && spread.p99 == 99);
}

static void test_outliers_do_not_move_the_median(void **state)
{
    double samples[5] = {1e9, 2, 1, 3, 1e9};
    struct spread spread = spread_of(samples, 5);

    (void)state;
    assert_true(spread.min == 1 && spread.median == 3 && spread.p99 == 1e9);
}

/* Sane for any core, also below a sanitizer; no other set has a limit. */
static void test_peak_of_every_instruction_set(void **state)
{
    (void)state;
    for (size_t i = 0; kernels_list(i); i++) {
        double peak = peak_gflops(kernels_list(i)->peak);

        if (!(peak > 0.1 && peak < 10000))
            fail_msg("%s: %g GFLOP/s", kernels_list(i)->name, peak);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_one_sample),
        cmocka_unit_test(test_many_samples),
        cmocka_unit_test(test_outliers_do_not_move_the_median),
        cmocka_unit_test(test_peak_of_every_instruction_set),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
