/* Opening files and streams, and waiting for their packets in a way that can be ended. */
#ifndef VBP_MEDIA_DEMUXER_H
#define VBP_MEDIA_DEMUXER_H

#include "base/error.h"

#include <libavformat/avformat.h>
#include <stdatomic.h>
#include <stdbool.h>

/* Ends waits. Lives longer than the demuxers it was given to. */
struct interrupt {
    atomic_bool requested;     /* by any thread, for good */
    atomic_int_fast64_t limit; /* when a wait has lasted too long, av_gettime_relative(); 0 none */
    atomic_bool stalled;       /* a wait reached its limit; its stream is of no more use */
};

struct demuxer {
    AVFormatContext *format; /* NULL: not open */
    AVIOContext *file;       /* for regular files: opened here, so that content decides */
    struct interrupt *interrupt;
    int refused; /* packets in a row that could not be read */
};

/*
 * Opens `name` (a path, or a URL that FFmpeg knows) and looks at its streams. Regular files are
 * recognised by what is in them, not by their ending. interrupt may be NULL. On failure the
 * demuxer is closed and the message starts with the name.
 */
int demuxer_open(struct demuxer *demuxer, const char *name, struct interrupt *interrupt,
                 VbpError *error);
void demuxer_close(struct demuxer *demuxer); /* accepts a zeroed or closed one */

/* False for pipes, cameras and live streams. */
bool demuxer_seekable(const struct demuxer *demuxer);

/* True for a single picture in a file of its own. */
bool demuxer_is_image(const struct demuxer *demuxer);

enum demuxer_result {
    DEMUXER_PACKET = 0,
    DEMUXER_END = 1,
    DEMUXER_DAMAGED = 2 /* what is there cannot be read; the next call goes on behind it */
};                      /* or a negative VbpStatus */

/* The next packet of a stream that is not discarded; to be unreferenced by the caller. */
int demuxer_read(struct demuxer *demuxer, AVPacket *packet, VbpError *error);

/* VBP_ERROR_CANCELLED with *error set if the interrupt was requested, else VBP_OK. */
int demuxer_check_interrupt(const struct demuxer *demuxer, VbpError *error);

/* Skips the packets of all streams but the given one. */
void demuxer_select(struct demuxer *demuxer, int stream);

#endif
