/* Saving what is on screen as a picture of its own name. */
#ifndef VBP_WINDOW_SNAPSHOT_H
#define VBP_WINDOW_SNAPSHOT_H

#include "base/error.h"

#include <libavutil/frame.h>
#include <stdint.h>

/*
 * Writes the picture into the current folder as CLIP-frame000123SUFFIX.png, or, where that exists,
 * CLIP-frame000123SUFFIX-2.png and so on. CLIP is the source's file name without folder and ending.
 * *name is the file's name, the caller's, to be freed; NULL after a failure.
 */
int snapshot_save(const AVFrame *picture, const char *source, int64_t number, const char *suffix,
                  char **name, VbpError *error);

/* "road" for "drives/road.mp4"; what file names should not have becomes '_'. NULL without memory.
 */
char *snapshot_clip_name(const char *source);

#endif
