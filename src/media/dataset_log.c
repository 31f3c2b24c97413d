/* driving_log.csv: what the Udacity simulator writes, and roadsim after it. */
#include "base/csv.h"
#include "base/memory.h"
#include "media/dataset_builder.h"

#include <math.h>
#include <string.h>
#include <time.h>

#define IMAGE_FOLDER "IMG"

/* Fields of a log without a header: centre, left, right, steering, throttle, brake, speed. */
#define LEAST_FIELDS 4

#define DIGITS "0123456789"

struct columns {
    int center, left, right, steering; /* -1: there is none */
    int count;                         /* that the header names; 0: there is no header */
};

static char *folder_of(const char *path)
{
    const char *slash = strrchr(path, '/');

    if (!slash)
        return memory_copy_text(".");
    return memory_format("%.*s", slash == path ? 1 : (int)(slash - path), path);
}

/*
 * Finds the columns by the first record. *is_header: it names them. The simulator's own logs have
 * no header, those that were passed on often have one.
 */
static int find_columns(const struct csv *csv, struct columns *columns, bool *is_header,
                        VbpError *error)
{
    double number;

    *is_header = false;
    *columns = (struct columns){0, 1, 2, 3, 0};
    if (csv->count >= LEAST_FIELDS && csv_number(csv->field[columns->steering], &number))
        return VBP_OK;
    *is_header = true;
    columns->count = csv->count;
    columns->center = csv_find(csv, "center");
    columns->left = csv_find(csv, "left");
    columns->right = csv_find(csv, "right");
    columns->steering = csv_find(csv, "steering");
    if (columns->center >= 0 && columns->steering >= 0)
        return VBP_OK;
    return error_set(error, VBP_ERROR_FORMAT,
                     "%s:%zu: neither a header with center and steering in it nor a record "
                     "(centre, left and right image, steering as a number)",
                     csv->path, csv->line);
}

/*
 * The time in a name like IMG/center_2016_12_01_13_36_00_987.jpg: year, month, day, hour, minute,
 * second, thousandth.
 */
static bool time_of_name(const char *name, double *seconds)
{
    enum { YEAR, MONTH, DAY, HOUR, MINUTE, SECOND, THOUSANDTH, PARTS };
    const char *last = name + strlen(name);
    int part[PARTS] = {0};
    struct tm when = {0};

    while (last > name && last[-1] != '/' && last[-1] != '\\')
        last--;
    last += strcspn(last, DIGITS);
    for (int i = 0; i < PARTS; i++) {
        size_t digits = strspn(last, DIGITS);

        if (digits < 1 || digits > 4 || (i < THOUSANDTH && last[digits] != '_'))
            return false;
        for (; digits > 0; digits--)
            part[i] = 10 * part[i] + *last++ - '0';
        last++;
    }
    when.tm_year = part[YEAR] - 1900;
    when.tm_mon = part[MONTH] - 1;
    when.tm_mday = part[DAY];
    when.tm_hour = part[HOUR];
    when.tm_min = part[MINUTE];
    when.tm_sec = part[SECOND];
    *seconds = (double)timegm(&when) + part[THOUSANDTH] / 1000.0;
    return true;
}

/* Adds the image that the field names, if it names one. */
static int add_image(struct dataset_builder *builder, const char *folder, const char *name,
                     double steering, int camera, VbpError *error)
{
    char *image;

    if (!*name)
        return VBP_OK;
    image = builder_find_image(folder, IMAGE_FOLDER, name);
    return image ? builder_add(builder, image, steering, camera, error)
                 : error_out_of_memory(error);
}

static int read_record(struct dataset_builder *builder, const struct csv *csv,
                       const struct columns *columns, const char *folder, VbpError *error)
{
    double correction = builder->options.side_correction, steering, seconds;
    const char *center;
    int result;

    if (csv->count <= columns->center || csv->count <= columns->left ||
        csv->count <= columns->right || csv->count <= columns->steering)
        return error_set(error, VBP_ERROR_FORMAT, "%s:%zu: only %d fields", csv->path, csv->line,
                         csv->count);
    /* A decimal comma that nobody quoted. */
    if (columns->count > 0 && csv->count > columns->count)
        return error_set(error, VBP_ERROR_FORMAT, "%s:%zu: %d fields where the header has %d",
                         csv->path, csv->line, csv->count, columns->count);
    if (!csv_number(csv->field[columns->steering], &steering))
        return error_set(error, VBP_ERROR_FORMAT, "%s:%zu: the steering '%.40s' is no number",
                         csv->path, csv->line, csv->field[columns->steering]);
    if (fabs(steering) > DATASET_MAX_STEERING)
        return error_set(error, VBP_ERROR_FORMAT, "%s:%zu: a steering of %g", csv->path, csv->line,
                         steering);
    if (builder->options.side_cameras && !*csv->field[columns->left] &&
        !*csv->field[columns->right])
        return error_set(error, VBP_ERROR_FORMAT,
                         "%s:%zu: no left and right image for the side cameras", csv->path,
                         csv->line);
    center = csv->field[columns->center];
    if (!*center)
        return error_set(error, VBP_ERROR_FORMAT, "%s:%zu: no image", csv->path, csv->line);
    if (time_of_name(center, &seconds))
        builder_set_time(builder, seconds);
    result = add_image(builder, folder, center, steering, 0, error);
    if (result == VBP_OK && builder->options.side_cameras)
        result =
            add_image(builder, folder, csv->field[columns->left], steering + correction, -1, error);
    if (result == VBP_OK && builder->options.side_cameras)
        result =
            add_image(builder, folder, csv->field[columns->right], steering - correction, 1, error);
    return result;
}

static int read_records(struct dataset_builder *builder, struct csv *csv, const char *folder,
                        VbpError *error)
{
    struct columns columns;
    bool is_header;
    int result = csv_read(csv, error);

    if (result == CSV_RECORD) {
        result = find_columns(csv, &columns, &is_header, error);
        if (result != VBP_OK)
            return result;
        if (builder->options.side_cameras && (columns.left < 0 || columns.right < 0))
            return error_set(error, VBP_ERROR_ARGUMENT,
                             "%s:%zu: no columns left and right for the side cameras", csv->path,
                             csv->line);
        if (is_header)
            result = csv_read(csv, error);
    }
    if (result == CSV_END)
        return error_set(error, VBP_ERROR_FORMAT, "%s:%zu: no records", csv->path, csv->next_line);
    while (result == CSV_RECORD) {
        if (builder_next_record(builder)) {
            result = read_record(builder, csv, &columns, folder, error);
            if (result != VBP_OK)
                break;
        }
        result = csv_read(csv, error);
    }
    return result == CSV_END ? VBP_OK : result;
}

/* A log of roadsim is one drive. */
static bool describe_drive(struct dataset_builder *builder, const char *folder, int drive)
{
    struct dataset *dataset = builder->dataset;
    struct drive described = {0};
    bool is_roadsim = dataset_read_drive(folder, &described);

    if (is_roadsim && dataset->drive_count > drive)
        dataset->drives[drive] = described;
    else
        dataset_free_drive(&described);
    return is_roadsim;
}

int dataset_read_log(struct dataset_builder *builder, const char *path, VbpError *error)
{
    char *folder = folder_of(path);
    int drive = builder->dataset->drive_count;
    struct csv csv = {0};
    int result;

    if (!folder)
        return error_out_of_memory(error);
    result = csv_open(&csv, path, DATASET_MAX_FILE, error);
    if (result == VBP_OK)
        result = read_records(builder, &csv, folder, error);
    if (result == VBP_OK)
        builder->dataset->kind = describe_drive(builder, folder, drive) ? "roadsim" : "Udacity log";
    csv_close(&csv);
    free(folder);
    return result;
}
