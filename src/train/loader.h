/* Reads, augments and prepares the samples of a data set ahead of training, on threads of its own.
 */
#ifndef VBP_TRAIN_LOADER_H
#define VBP_TRAIN_LOADER_H

#include "nn/preprocess.h"
#include "train/dataset.h"

#include <stdint.h>

struct augmentation {
    bool flip;          /* mirror half of the samples, steering negated */
    double shift;       /* largest sideways shift, share of the width */
    double shift_label; /* steering per shift by the whole width (positive: image moved right) */
    double brightness;  /* largest change of brightness and contrast, 0..1 */
    double shadow;      /* share of the samples that get a random shadow */
    double blur;        /* share of the samples that are blurred */
};

struct loader_options {
    struct preprocess_settings settings; /* how an image becomes the network's input */
    struct augmentation augmentation;    /* all zero: samples as they are */
    double label_scale;                  /* target = steering * label_scale */
    uint64_t seed;
    bool shuffle;
    double straight_share; /* share of the samples with |target| < straight_limit that an epoch
                              keeps; 1: all */
    double straight_limit;
    int threads;
    size_t cache_bytes; /* for images at the network's size; 0: none */
};

struct batch {
    float *inputs;  /* count x elements of the network's input */
    float *targets; /* count */
    size_t *index;  /* count: which samples */
    int count;
};

struct loader;

/*
 * samples: indices into dataset->samples (copied). The data set must outlive the loader. Images
 * that cannot be decoded are errors that name them.
 */
int loader_create(struct loader **loader, const struct dataset *dataset, const size_t *samples,
                  size_t count, const struct loader_options *options, VbpError *error);
void loader_destroy(struct loader **loader);

/*
 * Begins an epoch of batches of `batch` samples (the last may be smaller). Order and augmentation
 * depend on seed, epoch and sample only, not on threads. Drops what is left of the epoch before.
 */
int loader_begin(struct loader *loader, int epoch, int batch, VbpError *error);

/* How many samples this epoch has. */
size_t loader_epoch_size(const struct loader *loader);

/* Fills *batch, whose arrays belong to the loader until the next call. 1: the epoch is through. */
int loader_next(struct loader *loader, struct batch *batch, VbpError *error);

#endif
