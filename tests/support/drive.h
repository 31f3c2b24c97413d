/* A small labelled drive that tests make, and epochs of a loader over it. */
#ifndef VBP_TESTS_SUPPORT_DRIVE_H
#define VBP_TESTS_SUPPORT_DRIVE_H

#include "train/loader.h"

#define DRIVE_SAMPLES 37
#define DRIVE_WIDTH   24 /* of the images */
#define DRIVE_HEIGHT  18
#define DRIVE_CACHE   ((size_t)1 << 24) /* room for all */

/* Sample i steers (i - 18) / 32, and its picture depends on i. */
extern struct sample drive_samples[DRIVE_SAMPLES];
extern const struct dataset drive;
extern size_t drive_all[DRIVE_SAMPLES]; /* 0, 1, 2, ... */

/* cmocka group fixtures: scratch_setup and the images. */
int drive_setup(void **state);
int drive_teardown(void **state);

/* Two threads, everything cached; without and with all that is random. */
struct loader_options drive_plain_options(void);
struct loader_options drive_wild_options(void);

/* Of all samples of a data set that is no larger than the drive. */
struct loader *drive_loader(const struct dataset *dataset, const struct loader_options *options);

/* Floats of one input. */
size_t drive_input_length(const struct preprocess_settings *settings);

/* What preprocess_run makes of the sample's image. */
void drive_expected(const struct sample *sample, const struct preprocess_settings *settings,
                    float *input);

/* An epoch in one piece. */
struct epoch {
    float *inputs, *targets;
    size_t *index;
    size_t count;
};

/* Runs an epoch in batches of `size`; every batch but the last has to be full. */
struct epoch epoch_run(struct loader *loader, size_t length, int number, int size);
void epoch_free(struct epoch *epoch);
void epoch_check_same(const struct epoch *a, const struct epoch *b, size_t length);

#endif
