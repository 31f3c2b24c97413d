#include "kernels/resize.h"

const struct resize *resize_list(size_t index)
{
    const struct resize *list[4] = {0};
    size_t count = 0;

#ifdef __x86_64__
    if (__builtin_cpu_supports("avx512f"))
        list[count++] = &resize__avx512;
    if (__builtin_cpu_supports("avx2"))
        list[count++] = &resize__avx2;
#endif
    list[count++] = &resize__c;
    return index < count ? list[index] : NULL;
}
