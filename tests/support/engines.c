#include "support/engines.h"

#include "kernels/dispatch.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>

bool engine_at(size_t index, struct engine *engine)
{
    static const int threads[] = {1, 2, 4};
    const size_t choices = sizeof(threads) / sizeof(threads[0]);
    const struct kernels *kernels = kernels_list(index / choices);
    int count = threads[index % choices];

    if (!kernels)
        return false;
    assert_true(index < ENGINES_MOST);
    *engine = (struct engine){.options = {.isa = (VbpIsa)kernels->isa, .threads = count},
                              .step = index == 0 ? 1 : ENGINES_STEP};
    snprintf(engine->name, sizeof(engine->name), "%s, %d thread%s", kernels->name, count,
             count == 1 ? "" : "s");
    return true;
}

void engine_check(const struct engine *engine, const char *what, double value, double bound)
{
    if (!(value <= bound))
        fail_msg("%s: %s off by %g, more than %g", engine->name, what, value, bound);
}
