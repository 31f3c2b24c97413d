/* One thread's way from an image file to bytes at the network's size, and on to its input. */
#ifndef VBP_TRAIN_PICTURE_READER_H
#define VBP_TRAIN_PICTURE_READER_H

#include "nn/preprocess.h"

struct picture_reader;

/* VBP_ERROR_ARGUMENT where the settings make no sense. */
int picture_reader_create(struct picture_reader **reader,
                          const struct preprocess_settings *settings, VbpError *error);
void picture_reader_destroy(struct picture_reader **reader);

/* Of the pictures in bytes: 1 (gray) or 3 (red, green, blue). */
int picture_channels(const struct preprocess_settings *settings);

/* Reads, crops and resizes: settings.height x settings.width x channels bytes. */
int picture_read(struct picture_reader *reader, const char *path, unsigned char *pixels,
                 VbpError *error);

/* Colours, scale and layout: what preprocess_run makes of these pixels. */
int picture_to_input(struct picture_reader *reader, const unsigned char *pixels, float *input,
                     VbpError *error);

#endif
