#include "kernels/tile.h"

const struct tiles *tiles_list(size_t index)
{
    const struct tiles *list[4] = {0};
    size_t count = 0;

#ifdef __x86_64__
    if (__builtin_cpu_supports("avx512f"))
        list[count++] = &tiles__avx512;
    if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"))
        list[count++] = &tiles__avx2;
#endif
    list[count++] = &tiles__c;
    return index < count ? list[index] : NULL;
}
