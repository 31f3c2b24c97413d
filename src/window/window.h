/* The window that plays a drive with the mask over it. */
#ifndef VBP_WINDOW_WINDOW_H
#define VBP_WINDOW_WINDOW_H

#include "media/source.h"
#include "window/statistics.h"

struct window_options {
    const char *name;      /* of the source, as the user gave it */
    struct source *source; /* opened for random access; the window uses it until it is closed */
    const VbpModel *model; /* NULL: the video alone */
    VbpRunner *runner;     /* NULL without a model; used like the source */
    const char *notice;    /* what the user should know all the time; NULL: nothing */
    const char *const *assumptions; /* what was assumed about the model, one sentence each */
    int assumption_count;
    bool fullscreen;
    bool show_every_frame; /* never leave one out to keep pace */
    double start;          /* seconds; 0: the beginning */
    int64_t frame_limit;   /* quit after so many shown frames, or at the end; 0: when told to */
};

/*
 * Starts the display for the rest of the process; to be called before other threads start, and
 * first: without one nothing else is worth doing.
 */
int window_init(VbpError *error);

/*
 * Plays until the user quits; *statistics (to be freed by statistics_free) is filled in either
 * case. Fails where no frame could be shown, or where the drive ended with an error.
 */
int window_run(const struct window_options *options, struct statistics *statistics,
               VbpError *error);

#endif
