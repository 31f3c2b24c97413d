#include "kernels/cpu.h"

bool cpu_has(enum isa isa)
{
    switch (isa) {
    case ISA_C:
        return true;
#ifdef __x86_64__
    /* These ask the operating system too, whether it keeps the wide registers. */
    case ISA_AVX2:
        return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
    case ISA_AVX512:
        return cpu_has(ISA_AVX2) && __builtin_cpu_supports("avx512f");
#endif
    default:
        return false;
    }
}
