/* The loops of the mask in plain C. */
#include "kernels/map_rows.h"

#include "kernels/vector__c.h"

#include "kernels/map_rows.inc"

const struct map_rows map_rows__c = {map_find, map_normalise_rows};
