#include "kernels/tile.h"

#include "kernels/dispatch.h"

const struct tiles *tiles_list(size_t index)
{
    const struct kernels *kernels = kernels_list(index);

    return kernels ? kernels->tiles : NULL;
}
