/* The threads that share the work of a batch: each runs its part forward and backward. */
#ifndef VBP_TRAIN_WORKERS_H
#define VBP_TRAIN_WORKERS_H

#include "train/trainer.h"

struct workers;

/* `threads` workers for batches of up to `batch` samples of the graph, which is only read. */
int workers_create(struct workers **workers, const struct graph *graph,
                   const struct parameters *parameters, const struct train_options *options,
                   VbpError *error);
void workers_destroy(struct workers **workers);

/* Sums over the samples of a batch. */
struct batch_sums {
    double loss;
    double absolute; /* |y - t| */
};

/*
 * Runs the batch. gradients (parameters.total floats, overwritten): of the mean loss, with batch
 * statistics where the network normalises; NULL: forward only, with the stored statistics.
 */
int workers_run(struct workers *workers, const struct batch *batch, float *gradients,
                struct batch_sums *sums, VbpError *error);

/* After a run with gradients: moves the graph's stored statistics. */
void workers_update_statistics(const struct workers *workers, struct graph *graph, float momentum);

#endif
