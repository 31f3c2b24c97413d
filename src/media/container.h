/* The container formats that are written, and how a fragmented file becomes a regular one. */
#ifndef VBP_MEDIA_CONTAINER_H
#define VBP_MEDIA_CONTAINER_H

#include "base/error.h"

#include <libavformat/avformat.h>
#include <stdbool.h>

struct container {
    const char *ending; /* of the names of such files, without dot */
    const char *muxer;  /* FFmpeg's name for it */
    const char *codec;  /* encoder for it unless told otherwise */
    /*
     * True for MP4 and its kin, whose table of contents is only known at the end. They are written
     * in fragments that each have their own, and copied into a regular file when complete.
     */
    bool fragmented;
};

/* By the ending of the path. NULL with *error set where that is none of the known ones. */
const struct container *container_of_path(const char *path, VbpError *error);

/* An output context for the container that will write to `path`; no file is made yet. */
int container_allocate(const struct container *container, const char *path,
                       AVFormatContext **format, VbpError *error);

/*
 * Opens the file and writes the header. Streams are added already, with the time bases they would
 * like; afterwards they have the ones they get. `name` is what messages call the file.
 */
int container_begin(const struct container *container, AVFormatContext *format, bool fragments,
                    const char *name, VbpError *error);

/* Writes what is left and closes the file. */
int container_finish(AVFormatContext *format, const char *name, VbpError *error);

/* Frees the context, finished or not, and closes its file. Accepts *format == NULL. */
void container_free(AVFormatContext **format);

/* The packet of a stream that is shown or heard last; pts AV_NOPTS_VALUE: no packet yet. */
struct container_end {
    int64_t pts, duration;
    AVRational time_base;
};

/*
 * Copies all packets of the fragmented file `from` into the regular one `to`, table of contents in
 * front. Fragments tell how far apart packets are in decoding order, but not how long the last
 * ones are shown: that is in `ends`, one for each stream. After a failure `to` may be there, but is
 * not whole.
 */
int container_complete(const struct container *container, const char *from, const char *to,
                       const struct container_end *ends, const char *name, VbpError *error);

#endif
