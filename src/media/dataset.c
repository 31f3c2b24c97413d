#include "media/dataset.h"

#include "base/memory.h"
#include "media/dataset_builder.h"

#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#define LOG_NAME      "driving_log.csv"
#define MANIFEST_NAME "manifest.json"

/* ---- The builder ---------------------------------------------------------------------------- */

bool builder_next_record(struct dataset_builder *builder)
{
    long record = builder->records++, from_first = record - builder->options.first;

    return from_first >= 0 && (builder->options.count == 0 || from_first < builder->options.count);
}

void builder_begin_drive(struct dataset_builder *builder)
{
    builder->drive_begun = false;
    builder->has_time = false;
}

void builder_set_time(struct dataset_builder *builder, double time)
{
    if (builder->has_time && !(time >= builder->time && time - builder->time <= DATASET_PAUSE))
        builder_begin_drive(builder);
    builder->has_time = true;
    builder->time = time;
}

void builder_miss(struct dataset_builder *builder, char *image)
{
    struct dataset *dataset = builder->dataset;

    dataset->missing_images++;
    if (dataset->first_missing)
        free(image);
    else
        dataset->first_missing = image;
}

int builder_add(struct dataset_builder *builder, char *image, double steering, int camera,
                VbpError *error)
{
    struct dataset *dataset = builder->dataset;

    if (!dataset_is_file(image)) {
        builder_miss(builder, image);
        return VBP_OK;
    }
    if (dataset->count == DATASET_MAX_SAMPLES) {
        free(image);
        return error_set(error, VBP_ERROR_UNSUPPORTED, "more than %zu samples",
                         DATASET_MAX_SAMPLES);
    }
    if (!memory_grow((void **)&dataset->samples, &builder->capacity, dataset->count + 1,
                     sizeof(*dataset->samples))) {
        free(image);
        return error_out_of_memory(error);
    }
    /* A drive counts from its first image on, so that the numbers have no gaps. */
    if (!builder->drive_begun) {
        if (!memory_grow((void **)&dataset->drives, &builder->drive_capacity,
                         (size_t)dataset->drive_count + 1, sizeof(*dataset->drives))) {
            free(image);
            return error_out_of_memory(error);
        }
        dataset->drives[dataset->drive_count++] = (struct drive){0};
        builder->drive_begun = true;
    }
    dataset->samples[dataset->count++] =
        (struct sample){.image = image,
                        .steering = steering,
                        .time = builder->has_time ? builder->time : NAN,
                        .drive = dataset->drive_count - 1,
                        .camera = (signed char)camera};
    return VBP_OK;
}

bool dataset_is_file(const char *path)
{
    struct stat status;

    return stat(path, &status) == 0 && S_ISREG(status.st_mode);
}

static bool is_folder(const char *path)
{
    struct stat status;

    return stat(path, &status) == 0 && S_ISDIR(status.st_mode);
}

/* The last `parts` parts of a path. */
static const char *last_parts(const char *path, int parts)
{
    const char *at = path + strlen(path);

    while (at > path && !(at[-1] == '/' && --parts == 0))
        at--;
    return at;
}

char *builder_find_image(const char *folder, const char *images, const char *name)
{
    char *own = memory_copy_text(name), *candidates[3] = {0}, *found = NULL;

    if (!own)
        return NULL;
    for (char *c = own; *c; c++) {
        if (*c == '\\')
            *c = '/';
    }
    candidates[0] = *own == '/' ? memory_copy_text(own) : memory_format("%s/%s", folder, own);
    candidates[1] = memory_format("%s/%s", folder, last_parts(own, 2));
    candidates[2] = memory_format("%s/%s/%s", folder, images, last_parts(own, 1));
    if (candidates[0] && candidates[1] && candidates[2]) {
        int which = 0;

        while (which < 3 && !dataset_is_file(candidates[which]))
            which++;
        which %= 3;
        found = candidates[which];
        candidates[which] = NULL;
    }
    for (int i = 0; i < 3; i++)
        free(candidates[i]);
    free(own);
    return found;
}

/* ---- Recognising ---------------------------------------------------------------------------- */

bool dataset_has(const char *folder, const char *name)
{
    char path[PATH_MAX];
    int length = snprintf(path, sizeof(path), "%s/%s", folder, name);

    return length > 0 && length < (int)sizeof(path) && dataset_is_file(path);
}

static int compare_names(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static void free_names(char **names, size_t count)
{
    for (size_t i = 0; i < count; i++)
        free(names[i]);
    free(names);
}

/* The folders of a folder that hold a log, by name. */
static int list_drives(const char *folder, char ***names, size_t *count, VbpError *error)
{
    DIR *stream = opendir(folder);
    const struct dirent *entry;
    size_t capacity = 0;
    int result = VBP_OK;

    *names = NULL;
    *count = 0;
    if (!stream)
        return error_set_errno(error, "cannot open", folder);
    while (result == VBP_OK && (entry = readdir(stream)) != NULL) {
        char log[PATH_MAX], *name;

        snprintf(log, sizeof(log), "%s/" LOG_NAME, entry->d_name);
        if (entry->d_name[0] == '.' || !dataset_has(folder, log))
            continue;
        name = memory_copy_text(entry->d_name);
        if (name && memory_grow((void **)names, &capacity, *count + 1, sizeof(**names))) {
            (*names)[(*count)++] = name;
        } else {
            free(name);
            result = error_out_of_memory(error);
        }
    }
    closedir(stream);
    if (*count > 0)
        qsort(*names, *count, sizeof(**names), compare_names);
    return result;
}

static int read_log_in(struct dataset_builder *builder, const char *folder, VbpError *error)
{
    char *log = memory_format("%s/" LOG_NAME, folder);
    int result = log ? dataset_read_log(builder, log, error) : error_out_of_memory(error);

    free(log);
    return result;
}

static int read_drives(struct dataset_builder *builder, const char *folder, VbpError *error)
{
    char **names = NULL;
    size_t count;
    int result = list_drives(folder, &names, &count, error);

    if (result == VBP_OK && count == 0)
        result = error_set(error, VBP_ERROR_FORMAT,
                           "%s: no pictures, no " LOG_NAME
                           ", no Donkey tub and no folders with a " LOG_NAME " in them",
                           folder);
    for (size_t i = 0; i < count && result == VBP_OK; i++) {
        char *drive = memory_format("%s/%s", folder, names[i]);

        builder_begin_drive(builder);
        result = drive ? read_log_in(builder, drive, error) : error_out_of_memory(error);
        free(drive);
    }
    free_names(names, count);
    return result;
}

bool dataset_is_recording(const char *folder)
{
    return dataset_has(folder, MANIFEST_NAME) || dataset_has(folder, LOG_NAME) ||
           dataset_is_tub_v1(folder);
}

static int read_any(struct dataset_builder *builder, const char *path, VbpError *error)
{
    if (!is_folder(path))
        return dataset_read_log(builder, path, error);
    if (dataset_has(path, MANIFEST_NAME))
        return dataset_read_tub_v2(builder, path, error);
    if (dataset_is_tub_v1(path))
        return dataset_read_tub_v1(builder, path, error);
    if (dataset_has(path, LOG_NAME))
        return read_log_in(builder, path, error);
    return read_drives(builder, path, error);
}

/* ---- Opening -------------------------------------------------------------------------------- */

static int check_samples(const struct dataset_builder *builder, const char *path, VbpError *error)
{
    const struct dataset *dataset = builder->dataset;

    if (dataset->count > 0)
        return VBP_OK;
    if (dataset->missing_images > 0)
        return error_set(error, VBP_ERROR_FORMAT,
                         "%s: none of its %zu images exists; the first is %s", path,
                         dataset->missing_images, dataset->first_missing);
    return error_set(error, VBP_ERROR_ARGUMENT, "%s: has no record %ld; it has %ld, counted from 0",
                     path, builder->options.first, builder->records);
}

int dataset_open(struct dataset **dataset, const char *path, const struct dataset_options *options,
                 VbpError *error)
{
    struct dataset_builder builder = {.options = *options};
    int result;

    *dataset = NULL;
    if (options->first < 0 || options->count < 0)
        return error_set(error, VBP_ERROR_ARGUMENT, "%s: records %ld and %ld on", path,
                         options->first, options->count);
    builder.dataset = memory_array(1, sizeof(*builder.dataset));
    if (!builder.dataset)
        return error_out_of_memory(error);
    result = read_any(&builder, path, error);
    if (result == VBP_OK)
        result = check_samples(&builder, path, error);
    if (result != VBP_OK) {
        dataset_close(&builder.dataset);
        return result;
    }
    *dataset = builder.dataset;
    return VBP_OK;
}

void dataset_close(struct dataset **dataset)
{
    struct dataset *closed = *dataset;

    if (!closed)
        return;
    for (size_t i = 0; i < closed->count; i++)
        free(closed->samples[i].image);
    for (int d = 0; d < closed->drive_count; d++)
        dataset_free_drive(&closed->drives[d]);
    free(closed->samples);
    free(closed->drives);
    free(closed->first_missing);
    free(closed);
    *dataset = NULL;
}
