/* The functions of vectors.h at the level c. */
#include "support/vectors.h"

#include "kernels/vector__c.h"

#include "support/vectors.inc"

const struct vectors vectors__c = VECTORS_ALL;
