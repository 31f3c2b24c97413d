/* The state of a training run in a file, so that it can go on as if nothing had happened. */
#ifndef VBP_TRAIN_CHECKPOINT_H
#define VBP_TRAIN_CHECKPOINT_H

#include "train/trainer.h"

struct checkpoint {
    int32_t epoch; /* finished epochs */
    int32_t best_epoch;
    double best_loss, best_error;
    int64_t steps;       /* of the optimiser */
    uint64_t settings;   /* hash of what must not change between run and resumption */
    double moment;       /* next moment that was not yet reached, epochs */
    size_t weight_count; /* floats of all constants of the graph, in tensor order */
    size_t state_count;  /* floats of the optimiser */
    float *weights, *best_weights, *state;
};

/* Arrays for the graph and optimiser; contents undefined. On failure *checkpoint is zeroed. */
int checkpoint_create(struct checkpoint *checkpoint, const struct graph *graph, size_t state_count,
                      VbpError *error);
void checkpoint_free(struct checkpoint *checkpoint);

/* Between graph and array: all constants, in tensor order. */
void checkpoint_take_weights(float *weights, const struct graph *graph);
void checkpoint_put_weights(struct graph *graph, const float *weights);

/* All or nothing: an older checkpoint stays until the new one is whole. */
int checkpoint_write(const struct checkpoint *checkpoint, const char *path, VbpError *error);

/* Reads into a checkpoint made by checkpoint_create; refuses files of another run or network. */
int checkpoint_read(struct checkpoint *checkpoint, const char *path, VbpError *error);

#endif
