/*
 * Small clips for tests. Every frame carries its number as a 4 x 4 grid of dark and bright blocks,
 * so that a test can tell which frame it was given:
 *
 *     bit 15  14  13  12      of the number; the rest of the picture is a moving gradient, which
 *         11  10   9   8      makes encoders use references
 *          7   6   5   4
 *          3   2   1   0
 */
#ifndef VBP_TESTS_CLIP_H
#define VBP_TESTS_CLIP_H

#include <libavutil/frame.h>
#include <stdbool.h>
#include <stdint.h>

struct clip_options {
    const char *path;          /* the container follows from the ending */
    const char *container;     /* a name that FFmpeg knows; NULL: as the ending says */
    const char *codec;         /* NULL: libx264 */
    const char *settings;      /* of the codec, "key=value:key=value"; NULL: none */
    int width, height;         /* 0: 128 x 96 */
    enum AVPixelFormat format; /* 0: yuv420p */
    int frames;
    AVRational time_base; /* 0: 1/25 */
    int64_t first_pts;
    int64_t (*pts)(int frame); /* of every frame, in time_base; NULL: first_pts + frame */
    int gop;                   /* 0: 12 */
    int b_frames;
    bool audio;   /* with an AAC stream as long as the video */
    int rotation; /* degrees in the display matrix, clockwise */
};

/* Fails the running test where the clip cannot be made. */
void clip_make(const struct clip_options *options);

/* Draws picture number `number` of a clip, in planes of 8 to 16 bits or packed 8-bit RGB. */
void clip_draw(AVFrame *picture, int number);

/* The number drawn in a picture; -1 if it cannot be read. */
int clip_number(const AVFrame *picture);

/* A path below a fresh folder of this process; the folder goes with clip_folder_remove. */
const char *clip_path(const char *name);
void clip_folder_remove(void);

#endif
