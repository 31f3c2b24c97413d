/*
 * Donkey tubs.
 *
 * Version 1: a folder of record_N.json, each {"cam/image_array": NAME, "user/angle": NUMBER,
 * "milliseconds": NUMBER, ...}, with the images beside them.
 *
 * Version 2: manifest.json, whose last line says {"paths": [CATALOG, ...], "deleted_indexes": [N,
 * ...]}; each catalog holds a record a line, {"_index": N, "_session_id": TEXT, "_timestamp_ms":
 * NUMBER, "cam/image_array": NAME, "user/angle": NUMBER, ...}; the images are in images/.
 */
#include "base/file.h"
#include "base/memory.h"
#include "media/dataset_builder.h"

#include <cjson/cJSON.h>
#include <dirent.h>
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

/* Bytes of a manifest: a million deleted records, and no more memory than those take as JSON. */
#define MAX_MANIFEST ((size_t)8 << 20)

/* Digits of a record's number. */
#define MAX_DIGITS 18

#define IMAGE_KEY "cam/image_array"
#define ANGLE_KEY "user/angle"

/* ---- JSON ----------------------------------------------------------------------------------- */

static bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

/* Parses `length` bytes that begin at line `line` of the file `path`. NULL: *error is set. */
static cJSON *parse_object(const char *text, size_t length, const char *path, size_t line,
                           VbpError *error)
{
    const char *end = text;
    cJSON *object = cJSON_ParseWithLengthOpts(text, length, &end, false);

    /* Behind the value nothing but blanks; cJSON's own check for that wants a zero there. */
    while (object && end < text + length && is_blank(*end))
        end++;
    if (cJSON_IsObject(object) && end == text + length)
        return object;
    for (const char *c = text; c < end; c++)
        line += *c == '\n';
    error_set(error, VBP_ERROR_FORMAT, "%s:%zu: %s", path, line,
              !object                   ? "damaged JSON"
              : !cJSON_IsObject(object) ? "no JSON object"
                                        : "something behind the JSON object");
    cJSON_Delete(object);
    return NULL;
}

/* The member's number, or `otherwise`. */
static double number_of(const cJSON *object, const char *key, double otherwise)
{
    const cJSON *member = cJSON_GetObjectItemCaseSensitive(object, key);

    return cJSON_IsNumber(member) && isfinite(member->valuedouble) ? member->valuedouble
                                                                   : otherwise;
}

/* What a record of either version is about. */
static int add_record(struct dataset_builder *builder, const char *folder, const char *images,
                      const cJSON *record, const char *time_key, const char *path, size_t line,
                      VbpError *error)
{
    const cJSON *name = cJSON_GetObjectItemCaseSensitive(record, IMAGE_KEY);
    double steering = number_of(record, ANGLE_KEY, NAN);
    double milliseconds = number_of(record, time_key, NAN);
    char *image;

    if (!isfinite(steering))
        return error_set(error, VBP_ERROR_FORMAT, "%s:%zu: %s is no number", path, line, ANGLE_KEY);
    if (fabs(steering) > DATASET_MAX_STEERING)
        return error_set(error, VBP_ERROR_FORMAT, "%s:%zu: %s is %g", path, line, ANGLE_KEY,
                         steering);
    if (!cJSON_IsString(name) || !*name->valuestring)
        return error_set(error, VBP_ERROR_FORMAT, "%s:%zu: %s names no image", path, line,
                         IMAGE_KEY);
    if (isfinite(milliseconds))
        builder_set_time(builder, milliseconds / 1000);
    image = builder_find_image(folder, images, name->valuestring);
    return image ? builder_add(builder, image, steering, 0, error) : error_out_of_memory(error);
}

static int check_cameras(const struct dataset_builder *builder, const char *folder, VbpError *error)
{
    if (!builder->options.side_cameras)
        return VBP_OK;
    return error_set(error, VBP_ERROR_ARGUMENT, "%s: a Donkey tub has no side cameras", folder);
}

/* ---- Version 1 ------------------------------------------------------------------------------ */

struct record_file {
    uint64_t number;
    char *name;
};

/* Reads N of record_N.json. */
static bool record_number(const char *name, uint64_t *number)
{
    static const char before[] = "record_", behind[] = ".json";
    size_t digits;

    if (strncmp(name, before, sizeof(before) - 1) != 0)
        return false;
    name += sizeof(before) - 1;
    digits = strspn(name, "0123456789");
    if (digits < 1 || digits > MAX_DIGITS || strcmp(name + digits, behind) != 0)
        return false;
    *number = strtoull(name, NULL, 10);
    return true;
}

bool dataset_is_tub_v1(const char *folder)
{
    DIR *stream = opendir(folder);
    const struct dirent *entry;
    bool found = false;
    uint64_t number;

    while (stream && !found && (entry = readdir(stream)) != NULL)
        found = record_number(entry->d_name, &number);
    if (stream)
        closedir(stream);
    return found;
}

static int compare_records(const void *a, const void *b)
{
    const struct record_file *first = a, *second = b;

    if (first->number != second->number)
        return first->number < second->number ? -1 : 1;
    return strcmp(first->name, second->name); /* record_1 and record_01 */
}

static int list_records(const char *folder, struct record_file **records, size_t *count,
                        VbpError *error)
{
    DIR *stream = opendir(folder);
    const struct dirent *entry;
    size_t capacity = 0;
    int result = VBP_OK;

    *records = NULL;
    *count = 0;
    if (!stream)
        return error_set_errno(error, "cannot open", folder);
    while (result == VBP_OK && (entry = readdir(stream)) != NULL) {
        struct record_file record;

        if (!record_number(entry->d_name, &record.number))
            continue;
        record.name = memory_copy_text(entry->d_name);
        if (record.name &&
            memory_grow((void **)records, &capacity, *count + 1, sizeof(**records))) {
            (*records)[(*count)++] = record;
        } else {
            free(record.name);
            result = error_out_of_memory(error);
        }
    }
    closedir(stream);
    if (*count > 0)
        qsort(*records, *count, sizeof(**records), compare_records);
    return result;
}

static int read_record_file(struct dataset_builder *builder, const char *folder, const char *name,
                            VbpError *error)
{
    char *path = memory_format("%s/%s", folder, name);
    unsigned char *bytes = NULL;
    cJSON *record = NULL;
    size_t length;
    int result;

    if (!path)
        return error_out_of_memory(error);
    result = file_read(path, DATASET_MAX_RECORD, &bytes, &length, error);
    if (result != VBP_OK)
        goto done;
    record = parse_object((const char *)bytes, length, path, 1, error);
    result = record ? add_record(builder, folder, ".", record, "milliseconds", path, 1, error)
                    : VBP_ERROR_FORMAT;
done:
    cJSON_Delete(record);
    free(bytes);
    free(path);
    return result;
}

int dataset_read_tub_v1(struct dataset_builder *builder, const char *folder, VbpError *error)
{
    struct record_file *records = NULL;
    size_t count = 0;
    int result = check_cameras(builder, folder, error);

    builder->dataset->kind = "Donkey tub v1";
    if (result == VBP_OK)
        result = list_records(folder, &records, &count, error);
    for (size_t i = 0; i < count && result == VBP_OK; i++) {
        if (builder_next_record(builder))
            result = read_record_file(builder, folder, records[i].name, error);
    }
    for (size_t i = 0; i < count; i++)
        free(records[i].name);
    free(records);
    return result;
}

/* ---- Version 2 ------------------------------------------------------------------------------ */

struct manifest {
    char *path;
    cJSON *catalogs; /* the object with "paths" */
    size_t line;     /* of it */
    double *deleted; /* ascending */
    size_t deleted_count;
};

static void manifest_free(struct manifest *manifest)
{
    free(manifest->path);
    free(manifest->deleted);
    cJSON_Delete(manifest->catalogs);
    *manifest = (struct manifest){0};
}

static int compare_numbers(const void *a, const void *b)
{
    double first = *(const double *)a, second = *(const double *)b;

    return (first > second) - (first < second);
}

static int read_deleted(struct manifest *manifest, VbpError *error)
{
    const cJSON *list = cJSON_GetObjectItemCaseSensitive(manifest->catalogs, "deleted_indexes");
    const cJSON *item;

    if (!list || cJSON_IsNull(list))
        return VBP_OK; /* none */
    if (!cJSON_IsArray(list))
        return error_set(error, VBP_ERROR_FORMAT, "%s:%zu: deleted_indexes is no list",
                         manifest->path, manifest->line);
    manifest->deleted = memory_array((size_t)cJSON_GetArraySize(list), sizeof(double));
    if (!manifest->deleted)
        return error_out_of_memory(error);
    cJSON_ArrayForEach(item, list)
    {
        if (!cJSON_IsNumber(item))
            return error_set(error, VBP_ERROR_FORMAT,
                             "%s:%zu: deleted_indexes holds what is no number", manifest->path,
                             manifest->line);
        manifest->deleted[manifest->deleted_count++] = item->valuedouble;
    }
    qsort(manifest->deleted, manifest->deleted_count, sizeof(double), compare_numbers);
    return VBP_OK;
}

/*
 * The line of `text` that begins at *at, without its end; *at moves behind it. False: the text is
 * through. `length` counts up to the end of the text.
 */
static bool next_line(const char *text, size_t length, size_t *at, const char **line, size_t *size)
{
    const char *end;

    if (*at >= length)
        return false;
    *line = text + *at;
    end = memchr(*line, '\n', length - *at);
    *size = end ? (size_t)(end - *line) : length - *at;
    *at += *size + 1;
    while (*size > 0 && is_blank((*line)[*size - 1]))
        --*size;
    return true;
}

/* The manifest is a JSON value a line; the one that is an object with "paths" counts. */
static int manifest_read(struct manifest *manifest, const char *folder, VbpError *error)
{
    unsigned char *bytes = NULL;
    size_t length, at = 0, number = 0, size;
    const char *line;
    int result;

    *manifest = (struct manifest){.path = memory_format("%s/manifest.json", folder)};
    if (!manifest->path)
        return error_out_of_memory(error);
    result = file_read(manifest->path, MAX_MANIFEST, &bytes, &length, error);
    while (result == VBP_OK && !manifest->catalogs &&
           next_line((const char *)bytes, length, &at, &line, &size)) {
        cJSON *object;

        number++;
        if (size == 0 || *line != '{')
            continue;
        object = parse_object(line, size, manifest->path, number, error);
        if (!object) {
            result = VBP_ERROR_FORMAT;
        } else if (cJSON_IsArray(cJSON_GetObjectItemCaseSensitive(object, "paths"))) {
            manifest->catalogs = object;
            manifest->line = number;
        } else {
            cJSON_Delete(object);
        }
    }
    if (result == VBP_OK && !manifest->catalogs)
        result =
            error_set(error, VBP_ERROR_FORMAT, "%s:%zu: ends without the list of catalogs (paths)",
                      manifest->path, number ? number : 1);
    if (result == VBP_OK)
        result = read_deleted(manifest, error);
    free(bytes);
    if (result != VBP_OK)
        manifest_free(manifest);
    return result;
}

struct tub {
    struct dataset_builder *builder;
    const char *folder;
    struct manifest manifest;
    char *session; /* of the record before; NULL: none */
};

/* Another session is another drive. */
static int follow_session(struct tub *tub, const cJSON *record, VbpError *error)
{
    const cJSON *session = cJSON_GetObjectItemCaseSensitive(record, "_session_id");

    if (!cJSON_IsString(session) ||
        (tub->session && strcmp(tub->session, session->valuestring) == 0))
        return VBP_OK;
    builder_begin_drive(tub->builder);
    free(tub->session);
    tub->session = memory_copy_text(session->valuestring);
    return tub->session ? VBP_OK : error_out_of_memory(error);
}

static int read_catalog_line(struct tub *tub, const char *text, size_t size, const char *path,
                             size_t line, VbpError *error)
{
    cJSON *record;
    double index;
    int result;

    if (size > DATASET_MAX_RECORD)
        return error_set(error, VBP_ERROR_FORMAT, "%s:%zu: longer than %zu bytes", path, line,
                         DATASET_MAX_RECORD);
    record = parse_object(text, size, path, line, error);
    if (!record)
        return VBP_ERROR_FORMAT;
    index = number_of(record, "_index", NAN);
    if (!isfinite(index)) {
        result = error_set(error, VBP_ERROR_FORMAT, "%s:%zu: _index is no number", path, line);
        goto done;
    }
    result = VBP_OK;
    if (tub->manifest.deleted_count > 0 &&
        bsearch(&index, tub->manifest.deleted, tub->manifest.deleted_count, sizeof(double),
                compare_numbers))
        goto done;
    if (!builder_next_record(tub->builder))
        goto done;
    result = follow_session(tub, record, error);
    if (result == VBP_OK)
        result = add_record(tub->builder, tub->folder, "images", record, "_timestamp_ms", path,
                            line, error);
done:
    cJSON_Delete(record);
    return result;
}

static int read_catalog(struct tub *tub, const char *name, VbpError *error)
{
    char *path = memory_format("%s/%s", tub->folder, name);
    unsigned char *bytes = NULL;
    size_t length, at = 0, number = 0, size;
    const char *line;
    int result;

    if (!path)
        return error_out_of_memory(error);
    result = file_read(path, DATASET_MAX_FILE, &bytes, &length, error);
    while (result == VBP_OK && next_line((const char *)bytes, length, &at, &line, &size)) {
        number++;
        if (size > 0)
            result = read_catalog_line(tub, line, size, path, number, error);
    }
    free(bytes);
    free(path);
    return result;
}

int dataset_read_tub_v2(struct dataset_builder *builder, const char *folder, VbpError *error)
{
    struct tub tub = {.builder = builder, .folder = folder};
    const cJSON *item;
    int result = check_cameras(builder, folder, error);

    builder->dataset->kind = "Donkey tub v2";
    if (result == VBP_OK)
        result = manifest_read(&tub.manifest, folder, error);
    if (result != VBP_OK)
        return result;
    cJSON_ArrayForEach(item, cJSON_GetObjectItemCaseSensitive(tub.manifest.catalogs, "paths"))
    {
        /* Catalogs lie beside the manifest: a tub does not reach out of its folder. */
        if (!cJSON_IsString(item) || !*item->valuestring || strchr(item->valuestring, '/'))
            result = error_set(error, VBP_ERROR_FORMAT,
                               "%s:%zu: paths holds what is no name of a catalog",
                               tub.manifest.path, tub.manifest.line);
        else
            result = read_catalog(&tub, item->valuestring, error);
        if (result != VBP_OK)
            break;
    }
    if (result == VBP_OK && builder->records == 0)
        result = error_set(error, VBP_ERROR_FORMAT, "%s:%zu: a tub without records",
                           tub.manifest.path, tub.manifest.line);
    free(tub.session);
    manifest_free(&tub.manifest);
    return result;
}
