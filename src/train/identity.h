/* What a training run is, in three numbers: a resumed run must be the same in all of them. */
#ifndef VBP_TRAIN_IDENTITY_H
#define VBP_TRAIN_IDENTITY_H

#include "train/trainer.h"

struct identity {
    uint64_t network;  /* its nodes and shapes; not its weights, which training changes */
    uint64_t data;     /* the samples to train on and those held out: image, label, order */
    uint64_t settings; /* all else that the result depends on */
};

/* training and validation (may be NULL) in any state; options->epochs counts only where the
 * learning rate depends on it. */
struct identity identity_make(const struct graph *graph, const struct loader *training,
                              const struct loader *validation, const struct train_options *options);

#endif
