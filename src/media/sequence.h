/*
 * Pictures in files of their own that make a drive: a recording (media/dataset.h), a folder of
 * images in natural order (2 before 10), or a printf pattern (frame_%04d.png).
 */
#ifndef VBP_MEDIA_SEQUENCE_H
#define VBP_MEDIA_SEQUENCE_H

#include "base/error.h"

#include <stdint.h>

struct sequence_picture {
    char *path;
    int64_t time;    /* milliseconds from the first picture, rising strictly */
    double recorded; /* steering in the recording's unit; NaN: none */
};

struct sequence {
    struct sequence_picture *pictures;
    size_t count; /* at least 1 */
};

/*
 * Opens `name` if it is one of these: else VBP_OK with *sequence NULL. Pictures that a recording
 * names and that do not exist are left out. Where no times are recorded, pictures follow one
 * another at the rate that the recording tells or, where it tells none, 20 a second; so do the
 * drives of which a recording consists.
 */
int sequence_open(struct sequence **sequence, const char *name, VbpError *error);

/* Accepts *sequence == NULL. */
void sequence_close(struct sequence **sequence);

/* Milliseconds that picture `index` is shown: until the next one, the last as long as that before.
 */
int64_t sequence_duration(const struct sequence *sequence, size_t index);

/* The picture on screen at that time: the last one whose time is not after it, else the first. */
size_t sequence_at(const struct sequence *sequence, int64_t time);

#endif
