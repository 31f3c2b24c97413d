/* The tiles of flat.h in plain C. */
#include "kernels/flat.h"

#include "kernels/vector__c.h"
#include "kernels/vector_math.h"

#include <math.h>

#define FLAT_CHANNELS      4
#define FLAT_FOR_SHAPES(X) FLAT_TO_4(X, 1) FLAT_TO_4(X, 2) FLAT_TO_4(X, 3)

#include "kernels/flat.inc"

#define FLAT_DEEP_SHAPES(X) FLAT_DEEP_TO_9(X, 1) FLAT_DEEP_TO_6(X, 2) FLAT_DEEP_TO_4(X, 3)

#include "kernels/flat_deep.inc"

const struct flat flat__c = {VECTOR_WIDTH,  FLAT_CHANNELS, {0, 9, 6, 4, 0}, flat_run,
                             flat_run_deep, flat_prepare,  flat_dense};
