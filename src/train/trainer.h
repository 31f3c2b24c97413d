/*
 * Training: epochs of batches over a data set, validation, early stopping, checkpoints. The work of
 * a batch is split over threads; with the same seed and the same number of threads, the same
 * weights come out, also when the run was interrupted and resumed.
 */
#ifndef VBP_TRAIN_TRAINER_H
#define VBP_TRAIN_TRAINER_H

#include "train/loader.h"
#include "train/optimiser.h"

enum loss {
    LOSS_SQUARED, /* (y - t)^2 / 2 */
    LOSS_HUBER    /* the same up to |y - t| = delta, delta * (|y - t| - delta / 2) beyond */
};

struct epoch_report {
    int epoch; /* finished epochs */
    double training_loss, validation_loss;
    double validation_error; /* mean |y - t|, in the targets' unit; NaN without validation */
    double samples_per_second;
    double rate;
    bool best;
};

struct train_options {
    int epochs, batch, threads;
    enum isa isa; /* see struct forward_options */
    uint64_t seed;
    enum loss loss;
    double huber_delta;
    double sparsity; /* weight of the mean of each level's positive values in the loss */
    struct optimiser_options optimiser;
    bool cosine;            /* the learning rate falls to 0 along half a cosine over the epochs */
    int patience;           /* epochs without a better validation loss before it stops; 0: never;
                               else there must be a validation */
    int output;             /* index in graph->outputs; its first value is trained */
    const char *checkpoint; /* file written after every epoch; NULL: none */
    bool resume;            /* from the checkpoint, if it exists */

    /* Calls below are made on the caller's thread; any may be NULL. A result other than VBP_OK
     * (with *error set) ends the training. */
    void *context;
    void (*progress)(void *context, int epoch, size_t done, size_t total, double loss);
    int (*epoch_done)(void *context, const struct epoch_report *report, VbpError *error);
    /* After so many epochs: 0, 0.1, 1, 4, 16, ... and at the end. The graph may be looked at. */
    int (*moment)(void *context, double epochs, const struct graph *graph, VbpError *error);
    bool (*stop)(void *context); /* asked after every batch: true ends training there */
    /* Before a checkpoint is written: what the caller wants to find in it after a resumption.
     * *bytes (may be NULL) is taken over and freed. Without this function, what the checkpoint of
     * the run before had stays in it. */
    int (*keep)(void *context, unsigned char **bytes, size_t *length, VbpError *error);
    /* Once, if the run goes on from a checkpoint: the reports of the epochs before, and what was
     * kept. */
    int (*resumed)(void *context, const struct epoch_report *reports, size_t count,
                   const unsigned char *kept, size_t length, VbpError *error);
};

struct train_result {
    int epochs; /* that were run in all, with those before a resumption */
    int best_epoch;
    double best_validation_loss, best_validation_error;
    bool stopped; /* by options->stop */
};

/*
 * Trains the weights of `graph` (finished, not shared). `validation` may have no samples (NULL):
 * then the last weights win, else those of the best epoch. A loss that is no number any more, or
 * 1e6 times that at the beginning, is VBP_ERROR_NUMERIC. On failure the graph's weights are
 * undefined.
 */
int train_run(struct graph *graph, struct loader *training, struct loader *validation,
              const struct train_options *options, struct train_result *result, VbpError *error);

/* Mean loss and mean |y - t|, in the targets' unit, over one pass of the loader. */
int train_evaluate(const struct graph *graph, struct loader *loader,
                   const struct train_options *options, double *loss, double *error_mean,
                   VbpError *error);

#endif
