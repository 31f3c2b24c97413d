/* The one table of kernels that exist once for each instruction set. */
#ifndef VBP_KERNELS_DISPATCH_H
#define VBP_KERNELS_DISPATCH_H

#include "kernels/cpu.h"
#include "kernels/flat.h"
#include "kernels/map_rows.h"
#include "kernels/peak.h"
#include "kernels/planes.h"
#include "kernels/resize.h"
#include "kernels/tile.h"

#include <stddef.h>

struct kernels {
    const char *name; /* "c", "avx2", "avx512" */
    enum isa isa;
    const struct tiles *tiles;       /* for training */
    const struct flat *flat;         /* for running */
    const struct map_rows *map_rows; /* for masks */
    const struct resize *resize;     /* for pictures on their way to the input */
    const struct peak *peak;         /* for knowing how far there is to go */
    const struct planes *planes;     /* for what is not a convolution */
};

/* All rows that this machine can run, the fastest first; NULL behind the last one. */
const struct kernels *kernels_list(size_t index);

/* The fastest of them that is not above `most`. */
const struct kernels *kernels_best(enum isa most);

/* Whether there is a level of that name, and which. */
bool isa_parse(const char *name, enum isa *isa);

#endif
