/*
 * The film strip of a training run: masks of a few fixed frames after 0, 0.1, 1, 4, 16 ... epochs,
 * so that one sees the network learn where to look.
 */
#ifndef VBP_TRAIN_STRIP_H
#define VBP_TRAIN_STRIP_H

#include "graph/graph.h"
#include "nn/preprocess.h"
#include "train/split.h"

struct strip;

/* How its masks are made: as in vbp.h. */
struct strip_options {
    VbpAverage average;
    bool even;
};

/* Picks the frames from the held-out samples (or else the others) and reads them. */
int strip_create(struct strip **strip, const struct dataset *dataset, const struct split *split,
                 const struct preprocess_settings *settings, const struct strip_options *options,
                 VbpError *error);
void strip_destroy(struct strip **strip);

/* Draws the frames with their masks as the graph makes them now, as one more column; on failure
 * there is none more. */
int strip_add(struct strip *strip, double epochs, const struct graph *graph, VbpError *error);

/* All columns so far as bytes, which strip_restore takes; to be freed. */
int strip_save(const struct strip *strip, unsigned char **bytes, size_t *length, VbpError *error);

/*
 * Puts the saved columns of the same frames into a strip that has none yet. Bytes that are none, or
 * of masks made otherwise, are refused.
 */
int strip_restore(struct strip *strip, const unsigned char *bytes, size_t length, VbpError *error);

/* Writes FOLDER/strip.png and FOLDER/frame_N_epoch_E.png, over what is there. */
int strip_write(const struct strip *strip, const char *folder, VbpError *error);

#endif
