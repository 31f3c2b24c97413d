/*
 * The card of a model: how a frame becomes the network's input and what its outputs mean. What the
 * card leaves open stays unset here (has_... false) and is assumed when the model is opened.
 */
#ifndef VBP_GRAPH_CARD_H
#define VBP_GRAPH_CARD_H

#include <stdbool.h>

enum card_color {
    CARD_RGB,
    CARD_BGR,
    CARD_GRAY,
    CARD_YUV,         /* OpenCV's RGB2YUV: full range BT.601 with U and V around 128 */
    CARD_YUV_SWAPPED, /* the same with red and blue exchanged first */
    CARD_SATURATION   /* S of HSV, 0..255 */
};

enum card_resize { CARD_BILINEAR, CARD_AREA, CARD_NEAREST, CARD_BICUBIC };

enum card_output_kind { CARD_LINEAR, CARD_BINS };

enum card_unit { CARD_NORMALIZED, CARD_DEGREES, CARD_RADIANS, CARD_INVERSE_RADIUS };

#define CARD_MAX_CHANNELS 4

/* value * scale + bias; one number for all channels (count 1) or one per channel. */
struct card_factor {
    int count; /* 0: not given */
    double value[CARD_MAX_CHANNELS];
};

/* Keras Lambda layers are code; the card says what they compute: x * scale + bias. */
struct card_lambda {
    char *name; /* "*": every one not named */
    double scale, bias;
};

struct card {
    struct {
        bool has_crop, has_resize, has_size, has_color;
        /* Cut from each side of the frame: pixels; values below 1 are fractions of the side. */
        double crop_top, crop_bottom, crop_left, crop_right;
        enum card_resize resize;
        int width, height; /* of the network's input, pixels */
        enum card_color color;
        struct card_factor scale, bias;
    } input;
    struct card_lambda *lambdas;
    int lambda_count;
    struct {
        char *steering; /* name of the output that steers; NULL: not given */
        bool has_kind, has_unit, has_positive, has_full_lock;
        enum card_output_kind kind;
        double bin_first, bin_last; /* values of the first and last bin */
        int bin_count;
        enum card_unit unit;
        bool positive_left; /* positive values steer to the left */
        double full_lock;   /* the value at full lock */
    } output;
};

void card_free(struct card *card);

/* Forgets the Lambdas, once they are arithmetic of the network itself. */
void card_drop_lambdas(struct card *card);
const char *card_color_name(enum card_color color);
const char *card_resize_name(enum card_resize resize);
const char *card_unit_name(enum card_unit unit);

#endif
