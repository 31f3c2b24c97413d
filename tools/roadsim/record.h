/* What a drive leaves behind: a video, or a folder of pictures with a log; labels; truth. */
#ifndef ROADSIM_RECORD_H
#define ROADSIM_RECORD_H

#include "drive.h"

struct record_options {
    int width, height, samples;
    int threads;
    const char *video; /* path, or NULL */
    int crf;
    const char *labels; /* path of a CSV, or NULL */
    const char *truth;  /* a video (.mkv: FFV1, gray) or a folder of PNG pictures; NULL: none */
    const char *log;    /* folder of a Udacity log, or NULL */
    bool side_cameras;
    bool png;          /* pictures of the log; else JPEG */
    int quantiser;     /* of JPEG */
    bool truth_in_log; /* PNG pictures in LOG/truth */
};

/* Draws all frames and writes what is asked for. */
int record_drive(const struct drive *drive, const struct record_options *options, VbpError *error);

#endif
