#include "support/numbers.h"

#include "base/memory.h"

#include <float.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

/*
 *     | count | guard | values ... | guard |
 *       64 B    256 B                256 B
 */
#define HEAD  ((size_t)16)
#define GUARD ((size_t)64)

static const uint32_t guard_bits = 0x5a5aa5a5;
static uint64_t random_state;

int random_setup(void **state)
{
    const char *seed = getenv("VBP_SEED");

    (void)state;
    random_state = seed ? strtoull(seed, NULL, 0) : (uint64_t)time(NULL);
    print_message("VBP_SEED=%llu\n", (unsigned long long)random_state);
    return 0;
}

/* A step of a linear congruence and a mix of its upper bits. */
static uint32_t random_bits(void)
{
    uint64_t mixed;

    random_state = random_state * 6364136223846793005u + 1442695040888963407u;
    mixed = random_state ^ (random_state >> 33);
    return (uint32_t)((mixed * 0xff51afd7ed558ccdu) >> 32);
}

int random_between(int least, int most)
{
    return least + (int)(random_bits() % (uint32_t)(most - least + 1));
}

bool random_chance(double probability)
{
    return random_bits() < probability * 4294967296.0;
}

float random_float(float least, float most)
{
    return least + (most - least) * (float)(random_bits() >> 8) / 16777216.0F;
}

void random_fill(float *values, size_t count, float least, float most)
{
    for (size_t i = 0; i < count; i++)
        values[i] = random_float(least, most);
}

static void fill_guard(float *guard)
{
    for (size_t i = 0; i < GUARD; i++)
        memcpy(&guard[i], &guard_bits, sizeof(guard_bits));
}

float *guarded_floats(size_t count)
{
    float *block = memory_aligned_array(HEAD + 2 * GUARD + count, sizeof(float));
    float *values;

    assert_non_null(block);
    memcpy(block, &count, sizeof(count));
    values = block + HEAD + GUARD;
    fill_guard(values - GUARD);
    fill_guard(values + count);
    for (size_t i = 0; i < count; i++)
        values[i] = NAN;
    return values;
}

static void check_guard(const float *guard, const char *where)
{
    for (size_t i = 0; i < GUARD; i++) {
        uint32_t bits;

        memcpy(&bits, &guard[i], sizeof(bits));
        if (bits != guard_bits)
            fail_msg("written %s the buffer, float %zu of the guard", where, i);
    }
}

void check_guards(const float *values)
{
    size_t count;

    memcpy(&count, values - GUARD - HEAD, sizeof(count));
    check_guard(values - GUARD, "before");
    check_guard(values + count, "behind");
}

void guarded_free(float *values)
{
    check_guards(values);
    free(values - GUARD - HEAD);
}

float *guarded_random(size_t count, float least, float most)
{
    float *values = guarded_floats(count);

    random_fill(values, count, least, most);
    return values;
}

void check_close(double got, double want, double bound, const char *what)
{
    if (!(fabs(got - want) <= bound))
        fail_msg("%s: got %.9g, expected %.9g, off by %.3g where %.3g is allowed", what, got, want,
                 fabs(got - want), bound);
}

double sum_bound(size_t length, double magnitude)
{
    return 2 * (double)(length + 1) * (double)FLT_EPSILON * magnitude;
}
