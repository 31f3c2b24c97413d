/*
 * Labelled drives: Udacity simulator logs, Donkey tubs (v1 and v2) and roadsim folders, as one list
 * of samples.
 */
#ifndef VBP_MEDIA_DATASET_H
#define VBP_MEDIA_DATASET_H

#include "base/error.h"

#include <stdbool.h>
#include <stddef.h>

struct sample {
    char *image;        /* path */
    double steering;    /* in the label's own unit; side cameras: corrected */
    double time;        /* seconds on the recorder's clock; NaN: not recorded */
    int drive;          /* 0 to drive_count - 1; a drive's samples stay together in a split */
    signed char camera; /* -1 left, 0 centre, 1 right */
};

/* What a roadsim folder tells of its drive; all zero elsewhere. */
struct drive {
    char *weather, *road;    /* "rain", "country"; NULL: not told */
    double fps;              /* frames of a second; 0: not told */
    double degrees_per_unit; /* degrees of the steering wheel per unit of the labels; 0: not told */
};

struct dataset {
    struct sample *samples; /* in the order of the recording, drive by drive */
    size_t count;
    struct drive *drives; /* drive_count */
    int drive_count;
    size_t missing_images; /* images left out since they do not exist */
    char *first_missing;   /* one of them; NULL: none */
    const char *kind;      /* "Udacity log", "Donkey tub v1", "Donkey tub v2", "roadsim" */
};

struct dataset_options {
    bool side_cameras;      /* use left and right images too */
    double side_correction; /* added to the steering of the left, taken from that of the right
                               camera */
    long first, count;      /* of the records of the log, drives one after the other; count 0: all
                               from `first` on */
};

/*
 * Opens a driving_log.csv (or the folder that holds it), a tub folder, or a folder of folders with
 * a driving_log.csv each (roadsim's drives, or several Udacity logs; in the order of their names),
 * recognised by what is there. Labels that are no numbers, empty logs and logs without one image
 * that exists are refused with file and line; side cameras of what has none are refused too.
 *
 * Each log or tub is a drive. It is parted into several where its session changes, or where its
 * times (Udacity: those in the names of the images) jump by more than 2 s or back.
 *
 * On failure *dataset is NULL.
 */
int dataset_open(struct dataset **dataset, const char *path, const struct dataset_options *options,
                 VbpError *error);
void dataset_close(struct dataset **dataset);

/* Whether the folder itself holds a log or a tub. */
bool dataset_is_recording(const char *folder);

/*
 * The path of the picture of what the sample's image shows (drawn by roadsim for its centre camera:
 * one byte a pixel, 0 where there is no lane marking, road edge or vehicle), to be freed. NULL
 * where there is none, or without memory.
 */
char *dataset_find_truth(const struct sample *sample);

#endif
