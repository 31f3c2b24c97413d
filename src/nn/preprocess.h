/* From a frame to the network's input: crop, resize, colour, scale, in one pass over the pixels
 * that the network needs. */
#ifndef VBP_NN_PREPROCESS_H
#define VBP_NN_PREPROCESS_H

#include "graph/card.h"
#include "kernels/cpu.h"
#include "vbp.h"

/* What the card says once all its gaps are filled. */
struct preprocess_settings {
    double crop_top, crop_bottom, crop_left, crop_right; /* as in the card */
    enum card_resize resize;
    enum card_color color;
    int channels;                   /* 1 for gray and saturation, else 3 */
    float scale[CARD_MAX_CHANNELS]; /* value 0..255 * scale + bias */
    float bias[CARD_MAX_CHANNELS];
    int width, height;  /* of the network's input */
    bool channels_last; /* the input is height x width x channels */
    enum isa isa;       /* kernels of this level at most; ISA_BEST (0): the best there is */
};

/* The part of a width x height frame that the settings leave; VBP_ERROR_ARGUMENT if nothing. */
int preprocess_crop(const struct preprocess_settings *settings, int width, int height,
                    VbpRectangle *crop, VbpError *error);

/* Tables for frames of one geometry, remade when a frame of another comes. */
struct preprocess;
int preprocess_create(struct preprocess **preprocess, const struct preprocess_settings *settings,
                      VbpError *error);
void preprocess_destroy(struct preprocess **preprocess);

/* Fills `input` (channels x height x width floats, or channels last). */
int preprocess_run(struct preprocess *preprocess, const VbpImage *image, float *input,
                   VbpError *error);

#endif
