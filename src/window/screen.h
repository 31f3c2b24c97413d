/*
 * The SDL window: the video picture, letterboxed, under layers of ARGB pixels at the resolution of
 * the display.
 */
#ifndef VBP_WINDOW_SCREEN_H
#define VBP_WINDOW_SCREEN_H

#include "base/error.h"
#include "draw/surface.h"

#include <SDL_events.h>
#include <SDL_render.h>
#include <libavutil/frame.h>
#include <stdbool.h>

struct screen;

/*
 * Starts SDL's video for the rest of the process, and sets its LC_CTYPE to one with UTF-8, so
 * before other threads start. The message of a failure says what to do without a display.
 *
 * SDL's video is not ended again. SDL wakes its own wait by messages to the window through a second
 * connection to the X server; a busy server may come to the last of them after the window is gone.
 * Closing that connection would read the server's complaint, and Xlib would then end the process
 * as failed.
 */
int screen_init(VbpError *error);

struct screen_options {
    const char *title;
    int width, height;              /* of the video, pixels */
    AVRational sample_aspect_ratio; /* 0/1: square */
    bool fullscreen;
};

/* Opens a window: small videos enlarged by a whole factor, large ones fitted to the display. */
int screen_open(struct screen **screen, const struct screen_options *options, VbpError *error);
void screen_close(struct screen **screen);

void screen_set_title(struct screen *screen, const char *title);
void screen_set_fullscreen(struct screen *screen, bool fullscreen);
bool screen_is_fullscreen(const struct screen *screen);

/* The size of what is drawn on, in pixels of the display. */
void screen_size(const struct screen *screen, int *width, int *height);

/* Makes the picture (YUV 4:2:0) the one that screen_begin draws. The picture is not kept. */
int screen_upload(struct screen *screen, const AVFrame *picture, VbpError *error);

/* Draws the background and the picture; then come the layers; then everything is shown. */
int screen_begin(struct screen *screen, VbpError *error);
void screen_present(struct screen *screen);

/* True if textures were lost and must be uploaded again, which only some drivers do. */
bool screen_lost_textures(const SDL_Event *event);

/* ---- Layers --------------------------------------------------------------------------------- */

/* Zeroed: empty. Belongs to one screen, and is freed before it. */
struct layer {
    uint8_t *pixels;
    SDL_Texture *texture;
    int row_pixels, rows;              /* that pixels has room for */
    int texture_width, texture_height; /* that texture has room for */
    int width, height;                 /* in use */
    int x, y;                          /* where it goes on the screen */
    double opacity;                    /* 0..1 */
    bool visible;
};

/*
 * Prepares width x height clear pixels and gives the surface to draw them on. surface->width is
 * layout_width (>= width), for drawing that arranges itself by the size of the window; what is
 * drawn beyond width is not shown.
 */
int layer_begin(struct layer *layer, int width, int height, int layout_width,
                struct surface *surface, VbpError *error);

/* Hands what was drawn to the screen. */
int layer_finish(struct screen *screen, struct layer *layer, VbpError *error);

/* Draws the layer, if it is visible; between screen_begin and screen_present. */
void layer_draw(struct screen *screen, const struct layer *layer);

void layer_free(struct layer *layer);

#endif
