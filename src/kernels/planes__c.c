/* The loops of planes.h in plain C. */
#include "kernels/planes.h"

#include "kernels/map.h"
#include "kernels/normalise.h"
#include "kernels/pool.h"
#include "kernels/vector__c.h"

#include <math.h>
#include <string.h>

#include "kernels/planes.inc"

#include "kernels/planes_window.inc"

#include "kernels/planes_average.inc"

const struct planes planes__c = PLANES_ALL;
