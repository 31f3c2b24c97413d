/* Reads, augments and prepares the samples of a data set ahead of training, on threads of its own.
 */
#ifndef VBP_TRAIN_LOADER_H
#define VBP_TRAIN_LOADER_H

#include "media/dataset.h"
#include "nn/preprocess.h"
#include "train/augment.h"

#include <stdint.h>

struct loader_options {
    struct preprocess_settings settings; /* how an image becomes the network's input */
    struct augmentation augmentation;    /* all zero: samples as they are */
    double label_scale;                  /* target = steering * label_scale */
    uint64_t seed;
    bool shuffle;
    double straight_share; /* share of the samples with |target| < straight_limit that an epoch
                              keeps, chosen anew for each; 1: all */
    double straight_limit;
    int threads;        /* at least 1 */
    size_t cache_bytes; /* for images at the network's size; 0: none */
};

struct batch {
    float *inputs;  /* count x elements of the network's input */
    float *targets; /* count */
    size_t *index;  /* count: which samples of the data set */
    int count;
};

struct loader;

/*
 * samples: indices into dataset->samples (copied). The data set must outlive the loader. A loader
 * belongs to one thread at a time.
 *
 * Images are cropped, resized and rounded to bytes (gray for networks that see gray, else RGB), and
 * kept so in the cache; augmentation works on these bytes; colours and scale come last. So inputs
 * are those of preprocess_run up to half a step of a byte. Which samples the cache keeps where it
 * cannot keep all is fixed: the first ones of the list.
 */
int loader_create(struct loader **loader, const struct dataset *dataset, const size_t *samples,
                  size_t count, const struct loader_options *options, VbpError *error);
void loader_destroy(struct loader **loader); /* at any moment */

/*
 * Begins an epoch of batches of `batch` samples (the last may be smaller). Order, choice and
 * augmentation depend on seed, epoch and sample only, not on threads. Drops what is left of the
 * epoch before.
 */
int loader_begin(struct loader *loader, int epoch, int batch, VbpError *error);

/* How many samples this epoch has. */
size_t loader_epoch_size(const struct loader *loader);

/*
 * Fills *batch, whose arrays belong to the loader until the next call. 1: the epoch is through.
 * An image that cannot be read or decoded, or is too small for the crop, is an error that names
 * it; it comes in the place of its batch, and again until the next loader_begin.
 */
int loader_next(struct loader *loader, struct batch *batch, VbpError *error);

/*
 * Reads every image once, also those that the first epoch would leave out, so that one that cannot
 * be used is found before hours of training: the error names it. `batch` as for loader_begin, whose
 * epoch ends here. progress may be NULL.
 */
int loader_check(struct loader *loader, int batch,
                 void (*progress)(void *context, size_t done, size_t total), void *context,
                 VbpError *error);

/*
 * Mixes into *data what the samples are (the last two parts of the image's path, label, camera and
 * drive, in their order), and into *settings all options that batches depend on.
 */
void loader_identify(const struct loader *loader, uint64_t *data, uint64_t *settings);

#endif
