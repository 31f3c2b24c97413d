/* The state of a training run in a file, so that it can go on as if nothing had happened. */
#ifndef VBP_TRAIN_CHECKPOINT_H
#define VBP_TRAIN_CHECKPOINT_H

#include "train/identity.h"

struct checkpoint {
    int32_t epoch; /* finished epochs */
    int32_t best_epoch;
    double best_loss, best_error;
    int64_t steps;            /* of the optimiser */
    struct identity identity; /* what must not change between run and resumption */
    double moment;            /* next moment that was not yet reached, epochs */
    size_t weight_count;      /* floats of all constants of the graph, in tensor order */
    size_t state_count;       /* floats of the optimiser */
    float *weights, *best_weights, *state;
    struct epoch_report *reports; /* one for each finished epoch */
    size_t report_capacity;
    unsigned char *kept; /* what the caller wants to keep beside; NULL: nothing */
    size_t kept_length;
};

/* Arrays for the graph and optimiser; contents undefined. On failure *checkpoint is zeroed. */
int checkpoint_create(struct checkpoint *checkpoint, const struct graph *graph, size_t state_count,
                      VbpError *error);
void checkpoint_free(struct checkpoint *checkpoint);

/* Between graph and array: all constants, in tensor order. */
void checkpoint_take_weights(float *weights, const struct graph *graph);
void checkpoint_put_weights(struct graph *graph, const float *weights);

/* All or nothing: an older checkpoint stays until the new one is whole and on the disk. */
int checkpoint_write(const struct checkpoint *checkpoint, const char *path, VbpError *error);

/*
 * Reads into a checkpoint made by checkpoint_create, with its identity set. Damaged files
 * (VBP_ERROR_FORMAT) and those of another run or network (VBP_ERROR_ARGUMENT) are refused with
 * their path; the checkpoint is as before then.
 */
int checkpoint_read(struct checkpoint *checkpoint, const char *path, VbpError *error);

#endif
