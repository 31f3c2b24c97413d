/*
 * Changes of pictures that make a network see more than was driven. A picture here is packed bytes,
 * height x width x channels (1 or 3), without gaps between its rows.
 */
#ifndef VBP_TRAIN_AUGMENT_H
#define VBP_TRAIN_AUGMENT_H

#include "base/random.h"

#include <stdbool.h>
#include <stddef.h>

struct augmentation {
    bool flip;          /* mirror half of the samples, steering negated */
    double shift;       /* largest sideways shift, share of the width */
    double shift_label; /* steering per shift by the whole width (positive: image moved right) */
    double brightness;  /* largest change of brightness and contrast, 0..1 */
    double shadow;      /* share of the samples that get a random shadow */
    double blur;        /* share of the samples that are blurred */
};

/*
 * A band between two straight lines from one side of the picture to the opposite one:
 *
 *     +---from[0]====to[0]----+       along_rows: the lines go from the left to the right side
 *     |     \ darker  \       |       instead, and from and to are rows
 *     +------from[1]===to[1]--+
 */
struct shadow {
    double from[2], to[2]; /* columns at the top and the bottom side; from <= to */
    bool along_rows;
    double light; /* what is left of the brightness, 0..1 */
};

/* What is done to one picture, in this order. */
struct augmentation_choice {
    bool flip;
    int shift; /* pixels to the right */
    bool has_shadow;
    struct shadow shadow;
    double contrast;   /* factor around the middle gray; 1: none */
    double brightness; /* added, 0..255; 0: none */
    int blur;          /* times; 0: not */
};

/* Draws what happens to a picture of that size; the same random numbers draw the same. */
struct augmentation_choice augment_choose(const struct augmentation *augmentation, int width,
                                          int height, struct random *random);

/* The label of the picture after the choice. */
double augment_steering(const struct augmentation *augmentation,
                        const struct augmentation_choice *choice, int width, double steering);

/* Does all of the choice. scratch: as many bytes as the picture has. */
void augment_run(const struct augmentation_choice *choice, unsigned char *pixels, int width,
                 int height, int channels, unsigned char *scratch);

void augment_flip(unsigned char *pixels, int width, int height, int channels);

/* The columns that come free repeat the edge; a shift by the width or more repeats it all over. */
void augment_shift(unsigned char *pixels, int width, int height, int channels, int shift);
void augment_shadow(unsigned char *pixels, int width, int height, int channels,
                    const struct shadow *shadow);

/* value = 128 + (value - 128) * contrast + brightness, rounded and clamped. */
void augment_brightness(unsigned char *pixels, size_t count, double contrast, double brightness);

/* Once with the weights 1 2 1 along both axes, edges repeated, rounded. */
void augment_blur(unsigned char *pixels, int width, int height, int channels,
                  unsigned char *scratch);

#endif
