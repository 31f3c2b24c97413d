/* Which samples train and which are held out: by drive, never frame by frame, since neighbouring
 * frames are nearly the same picture. */
#ifndef VBP_TRAIN_SPLIT_H
#define VBP_TRAIN_SPLIT_H

#include "media/dataset.h"

struct split {
    size_t *training, *validation; /* indices into dataset->samples */
    size_t training_count, validation_count;
};

/*
 * Holds out the last drives, about `share` (0..0.9) of the samples; of a single drive its end.
 * Held-out samples are those of the centre camera. Fails where nothing is left to train on.
 */
int split_make(struct split *split, const struct dataset *dataset, double share, VbpError *error);
void split_free(struct split *split);

#endif
