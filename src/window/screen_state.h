/* What a screen is inside: for screen.c and layer.c only. */
#ifndef VBP_WINDOW_SCREEN_STATE_H
#define VBP_WINDOW_SCREEN_STATE_H

#include "media/scale.h"
#include "window/screen.h"

struct screen {
    SDL_Window *window;
    SDL_Renderer *renderer;
    bool covers_display; /* by its size, without the help of a window manager */
    SDL_Rect windowed;   /* place and size to go back to then */

    SDL_Texture *picture; /* NULL before the first upload */
    Uint32 picture_format;
    int picture_width, picture_height;
    SDL_YUV_CONVERSION_MODE conversion; /* of the picture, if it is YUV */
    AVRational sample_aspect_ratio;
    struct scaler *scaler; /* for pictures that SDL's conversions are not made for */
    AVFrame *converted;
};

#endif
