#include "kernels/peak.h"

#include "kernels/tile.h"

#include <string.h>
#include <time.h>

#define TRIALS 24
#define STEPS  ((size_t)1 << 18)

static double seconds_now(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec * 1e-9;
}

static bool machine_has(const char *isa)
{
    for (size_t i = 0; tiles_list(i); i++) {
        if (strcmp(tiles_list(i)->name, isa) == 0)
            return true;
    }
    return false;
}

static const struct peak *find(const char *isa)
{
#ifdef __x86_64__
    if (strcmp(isa, peak__avx512.name) == 0)
        return &peak__avx512;
    if (strcmp(isa, peak__avx2.name) == 0)
        return &peak__avx2;
#endif
    return strcmp(isa, peak__c.name) == 0 ? &peak__c : NULL;
}

double peak_gflops(const char *isa)
{
    const struct peak *peak = machine_has(isa) ? find(isa) : NULL;
    volatile float kept; /* so that nothing is left out as useless */
    double best = 0;

    for (int i = 0; peak && i < TRIALS; i++) {
        double started = seconds_now(), taken;

        kept = peak->run(STEPS);
        taken = seconds_now() - started;
        if (best == 0 || taken < best)
            best = taken;
    }
    (void)kept;
    return best > 0 ? (double)STEPS * (double)peak->operations_per_step / best * 1e-9 : 0;
}
