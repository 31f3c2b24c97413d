/* The audio of one file on its way into another, packet by packet, not decoded. */
#ifndef VBP_MEDIA_AUDIO_COPY_H
#define VBP_MEDIA_AUDIO_COPY_H

#include "base/error.h"

#include <libavformat/avformat.h>

struct audio_copy;

struct audio_range {
    double start;         /* seconds on the source's clock; <= 0: from the start */
    double end;           /* packets that start then or later are left out; < 0: to the end */
    AVRational time_base; /* of origin */
    int64_t origin;       /* the time that becomes 0 */
};

/*
 * Adds a stream to `to` for every audio stream of `source`. *copy is NULL on failure, and also,
 * with VBP_OK, where there is no audio in the range. `name` is what messages call the target.
 */
int audio_copy_open(struct audio_copy **copy, const char *source, const struct audio_range *range,
                    AVFormatContext *to, const char *name, VbpError *error);
void audio_copy_close(struct audio_copy **copy);

/*
 * Moves the packet that comes next to *packet, in the target's time bases (its header is written
 * by now), if it is due: its dts is not after `until` (in time_base; INT64_MAX: all are due).
 */
enum audio_result { AUDIO_PACKET = 0, AUDIO_LATER = 1 }; /* or a negative VbpStatus */
int audio_copy_take(struct audio_copy *copy, int64_t until, AVRational time_base, AVPacket *packet,
                    VbpError *error);

#endif
