/* What a window is inside: for window.c and commands.c only. All of it belongs to the main thread,
 * but for what is marked otherwise. */
#ifndef VBP_WINDOW_WINDOW_STATE_H
#define VBP_WINDOW_WINDOW_STATE_H

#include "pipeline/annotate.h"
#include "window/keys.h"
#include "window/osd.h"
#include "window/player.h"
#include "window/window.h"

#include <stdatomic.h>

/* The next frame, and the one after it, which tells whether the next is too late to be shown. */
#define AHEAD_FRAMES 2

struct window {
    const struct window_options *options;
    const struct source_info *info;
    const char *clip; /* the last part of the source's name */

    struct screen *screen;
    struct osd *osd;
    struct annotator *annotator;
    struct pipeline *pipeline;
    struct player player;
    struct statistics *statistics;

    struct analysed_frame ahead[AHEAD_FRAMES];
    int ahead_count;
    bool drained; /* the pipeline has no more frames of this serial */
    bool failed;  /* because of an error, which is in failure */
    VbpError failure;
    struct analysed_frame current; /* on screen; frame.picture NULL: none yet */

    struct annotate_options annotate;
    bool hud_shown, keys_shown;
    SDL_Scancode last_key; /* pressed */
    bool key_repeats;      /* the text that comes next is a key held down */
    bool picture_stale;    /* the current frame must be drawn again */
    bool screen_stale;     /* the screen must be drawn again */
    bool quit;
    char title[256];

    Uint32 wake_event;
    atomic_bool wake_pending; /* any thread: a wake_event is on its way */
};

/* Seconds of the monotonic clock. */
double window_now(void);

/* commands.c */
void window_handle_event(struct window *window, const SDL_Event *event);

/* Writes the annotated current frame, or the bare one, to a file, and says so on screen. */
void window_save(struct window *window, bool bare);

#endif
