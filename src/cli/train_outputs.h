/* Whether the files of a training run can be written, found out before it begins. */
#ifndef VBP_CLI_TRAIN_OUTPUTS_H
#define VBP_CLI_TRAIN_OUTPUTS_H

#include "cli/train_options.h"

/*
 * Two options that name one file, where one of them would overwrite it: their names, for people, in
 * first and second. False: there are none.
 */
bool outputs_collide(const struct train_command *command, const struct common_options *common,
                     const char **first, const char **second);

/*
 * Tries to write each output, leaving nothing, and refuses to replace what is there unless the user
 * said so (-y) or the run before wrote it (resuming). The folder of the masks is made;
 * *made_masks: by this.
 */
int outputs_try(const struct train_command *command, bool overwrite, bool resuming,
                bool *made_masks, VbpError *error);

#endif
