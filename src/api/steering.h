/* Which of a model's outputs steers, and what its values mean. */
#ifndef VBP_API_STEERING_H
#define VBP_API_STEERING_H

#include "api/model.h"

/*
 * Sets steering_output, steering_reason and bins of a model whose graph and card are there. wanted
 * is the name of the output, before what the card says, and is put into the card; NULL: none.
 */
int steering_choose(VbpModel *model, const char *wanted, VbpError *error);

#endif
