/*
 * What roadsim puts beside the log of a drive:
 *
 *     FOLDER/drive.json              of what kind the drive is
 *     FOLDER/IMG/center_000007.jpg   what the centre camera saw, named in driving_log.csv
 *     FOLDER/truth/000007.png        what that picture shows, pixel by pixel
 */
#include "base/file.h"
#include "base/memory.h"
#include "media/dataset_builder.h"

#include <cjson/cJSON.h>
#include <math.h>
#include <string.h>

/* Letters of a kind of weather or road. */
#define MAX_WORD 15

/* The member as text to be freed; NULL if it is no short word, or without memory. */
static char *copy_word(const cJSON *object, const char *name)
{
    const cJSON *member = cJSON_GetObjectItemCaseSensitive(object, name);
    size_t length = cJSON_IsString(member) ? strlen(member->valuestring) : 0;

    if (length == 0 || length > MAX_WORD ||
        strspn(member->valuestring, "abcdefghijklmnopqrstuvwxyz") != length)
        return NULL;
    return memory_copy_text(member->valuestring);
}

/* 0 where it is none. */
static double positive_number(const cJSON *object, const char *name)
{
    const cJSON *member = cJSON_GetObjectItemCaseSensitive(object, name);
    bool usable =
        cJSON_IsNumber(member) && isfinite(member->valuedouble) && member->valuedouble > 0;

    return usable ? member->valuedouble : 0;
}

bool dataset_read_drive(const char *folder, struct drive *drive)
{
    char *path = memory_format("%s/drive.json", folder);
    bool exists = path && dataset_is_file(path);
    unsigned char *bytes = NULL;
    cJSON *object = NULL;
    VbpError ignored;
    size_t length;

    *drive = (struct drive){0};
    if (exists && file_read(path, DATASET_MAX_RECORD, &bytes, &length, &ignored) == VBP_OK)
        object = cJSON_ParseWithLength((const char *)bytes, length);
    drive->weather = copy_word(object, "weather");
    drive->road = copy_word(object, "road");
    drive->fps = positive_number(object, "fps");
    drive->degrees_per_unit = positive_number(object, "full_lock_degrees");
    cJSON_Delete(object);
    free(bytes);
    free(path);
    return exists;
}

void dataset_free_drive(struct drive *drive)
{
    free(drive->weather);
    free(drive->road);
    *drive = (struct drive){0};
}

char *dataset_find_truth(const struct sample *sample)
{
    static const char before[] = "IMG/center_";
    const char *image = sample->image, *name = strrchr(image, '/');
    size_t folder, digits;
    char *truth;

    while (name && name > image && name[-1] != '/')
        name--;
    if (!name || strncmp(name, before, sizeof(before) - 1) != 0)
        return NULL;
    folder = (size_t)(name - image);
    name += sizeof(before) - 1;
    digits = strspn(name, "0123456789");
    if (digits == 0 || digits > 12 || name[digits] != '.')
        return NULL;
    truth = memory_format("%.*struth/%.*s.png", (int)folder, image, (int)digits, name);
    if (truth && !dataset_is_file(truth)) {
        free(truth);
        truth = NULL;
    }
    return truth;
}
