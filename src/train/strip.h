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

/* Picks the frames from the held-out samples (or else the others) and reads them. */
int strip_create(struct strip **strip, const struct dataset *dataset, const struct split *split,
                 const struct preprocess_settings *settings, VbpError *error);
void strip_destroy(struct strip **strip);

/* Draws the frames with their masks as the graph makes them now, as one more column. */
int strip_add(struct strip *strip, double epochs, const struct graph *graph, VbpError *error);

/* Writes FOLDER/strip.png and FOLDER/frame_N_epoch_E.png; without overwrite never over strip.png.
 */
int strip_write(const struct strip *strip, const char *folder, bool overwrite, VbpError *error);

#endif
