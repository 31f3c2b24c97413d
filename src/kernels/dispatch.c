#include "kernels/dispatch.h"

#include <string.h>

/* The fastest first. */
static const struct kernels rows[] = {
#ifdef __x86_64__
    {"avx512", ISA_AVX512, &tiles__avx512, &flat__avx512, &map_rows__avx512, &resize__avx512,
     &peak__avx512, &planes__avx512},
    {"avx2", ISA_AVX2, &tiles__avx2, &flat__avx2, &map_rows__avx2, &resize__avx2, &peak__avx2,
     &planes__avx2},
#endif
    {"c", ISA_C, &tiles__c, &flat__c, &map_rows__c, &resize__c, &peak__c, &planes__c},
};
#define ROW_COUNT (sizeof(rows) / sizeof(rows[0]))

const struct kernels *kernels_list(size_t index)
{
    for (size_t i = 0; i < ROW_COUNT; i++) {
        if (cpu_has(rows[i].isa) && index-- == 0)
            return &rows[i];
    }
    return NULL;
}

const struct kernels *kernels_best(enum isa most)
{
    for (size_t i = 0; i < ROW_COUNT; i++) {
        if ((rows[i].isa <= most || most == ISA_BEST) && cpu_has(rows[i].isa))
            return &rows[i];
    }
    return &rows[ROW_COUNT - 1];
}

bool isa_parse(const char *name, enum isa *isa)
{
    static const char *const names[ISA_COUNT] = {
        [ISA_C] = "c", [ISA_AVX2] = "avx2", [ISA_AVX512] = "avx512"};

    for (int i = ISA_C; i < ISA_COUNT; i++) {
        if (strcmp(name, names[i]) == 0) {
            *isa = (enum isa)i;
            return true;
        }
    }
    return false;
}
