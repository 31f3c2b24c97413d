/* What every user of FFmpeg's libraries in here needs: its messages, and silence. */
#ifndef VBP_MEDIA_FFMPEG_H
#define VBP_MEDIA_FFMPEG_H

#include "base/error.h"

/*
 * Stops FFmpeg's libraries from printing to stderr, for the whole process: which is why nothing in
 * here calls it by itself. main() does, once, before anything else of src/media.
 */
void media_quiet_ffmpeg(void);

/*
 * Sets *error to the formatted text, ": " and FFmpeg's words for its error `code`. The status
 * follows from the code: memory, argument, cancelled (AVERROR_EXIT), format (invalid data),
 * unsupported (a missing codec or format), else I/O.
 */
int ffmpeg_error(VbpError *error, int code, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

#endif
