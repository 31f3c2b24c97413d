/* Which instruction sets this machine and its operating system can run. */
#ifndef VBP_KERNELS_CPU_H
#define VBP_KERNELS_CPU_H

#include <stdbool.h>

/* Each level has all of those before it. The same numbers as enum VbpIsa. */
enum isa {
    ISA_BEST, /* whatever is the best there is */
    ISA_C,    /* what every compiler knows how to do */
    ISA_AVX2, /* with fused multiply-add */
    ISA_AVX512,
    ISA_COUNT
};

bool cpu_has(enum isa isa);

#endif
