/* What dataset.c and the readers of each kind of drive share. */
#ifndef VBP_MEDIA_DATASET_BUILDER_H
#define VBP_MEDIA_DATASET_BUILDER_H

#include "media/dataset.h"

/* Bytes that are read of a log or a catalog, and of one JSON text. */
#define DATASET_MAX_FILE   ((size_t)256 << 20)
#define DATASET_MAX_RECORD ((size_t)64 << 10)

/* About a gigabyte of paths; a manifest may name one catalog over and over. */
#define DATASET_MAX_SAMPLES ((size_t)10000000)

/* In whatever unit, no wheel turns further. */
#define DATASET_MAX_STEERING 1e6

/* Seconds between two records that part two drives. */
#define DATASET_PAUSE 2.0

struct dataset_builder {
    struct dataset *dataset;
    struct dataset_options options;
    size_t capacity;       /* of dataset->samples */
    size_t drive_capacity; /* of dataset->drives */
    long records;          /* seen so far, chosen or not */
    bool drive_begun;
    bool has_time;
    double time; /* of the record before, seconds */
};

/* Begins a record. True if it is one of those that options.first and options.count choose. */
bool builder_next_record(struct dataset_builder *builder);

/* The samples from here on belong to another drive. */
void builder_begin_drive(struct dataset_builder *builder);

/* When the record was made, seconds on any clock: after a pause or a step back, another drive. */
void builder_set_time(struct dataset_builder *builder, double time);

/*
 * Adds a sample, whose path it takes over and frees if it cannot. An image that is no existing file
 * is counted as missing instead.
 */
int builder_add(struct dataset_builder *builder, char *image, double steering, int camera,
                VbpError *error);

/* Frees `image` and counts it as missing. */
void builder_miss(struct dataset_builder *builder, char *image);

/*
 * The existing file that `name`, a path as another machine wrote it, means in `folder`: the path
 * itself, its last two parts in the folder, or its last part in the folder's `images` folder.
 * Backslashes part it like slashes. Where nothing exists it is the first of these. NULL without
 * memory.
 */
char *builder_find_image(const char *folder, const char *images, const char *name);

bool dataset_is_file(const char *path);

/* FOLDER/NAME exists. */
bool dataset_has(const char *folder, const char *name);

/*
 * Reads FOLDER/drive.json, which roadsim writes, into *drive; what is not there or not as roadsim
 * writes it stays not told. False if the folder has no such file.
 */
bool dataset_read_drive(const char *folder, struct drive *drive);
void dataset_free_drive(struct drive *drive);

/* ---- Readers: each adds the samples of one folder, and says its kind ------------------------- */

int dataset_read_log(struct dataset_builder *builder, const char *path, VbpError *error);
int dataset_read_tub_v1(struct dataset_builder *builder, const char *folder, VbpError *error);
int dataset_read_tub_v2(struct dataset_builder *builder, const char *folder, VbpError *error);

/* Whether the folder holds a record_N.json. */
bool dataset_is_tub_v1(const char *folder);

#endif
