#include "window/statistics.h"

#include "base/file.h"
#include "base/memory.h"

#include <cjson/cJSON.h>
#include <math.h>
#include <string.h>

static const char *const stage_names[STAGE_COUNT] = {[STAGE_DECODE] = "decode_ms",
                                                     [STAGE_PREPROCESS] = "preprocess_ms",
                                                     [STAGE_FORWARD] = "forward_ms",
                                                     [STAGE_MASK] = "mask_ms",
                                                     [STAGE_DRAW] = "draw_ms",
                                                     [STAGE_PRESENT] = "present_ms",
                                                     [STAGE_LATENCY] = "decode_to_shown_ms"};

void statistics_add(struct statistics *statistics, enum statistics_stage stage, double milliseconds)
{
    struct series *series = &statistics->series[stage];

    if (!series->samples)
        series->samples = memory_array(SERIES_SAMPLES, sizeof(*series->samples));
    if (series->samples)
        series->samples[series->count++ % SERIES_SAMPLES] = milliseconds;
}

void statistics_free(struct statistics *statistics)
{
    for (int i = 0; i < STAGE_COUNT; i++)
        free(statistics->series[i].samples);
    *statistics = (struct statistics){0};
}

/* To microseconds: more is noise. */
static double rounded(double milliseconds)
{
    return round(milliseconds * 1e3) / 1e3;
}

static int compare_doubles(const void *left, const void *right)
{
    double a = *(const double *)left, b = *(const double *)right;

    return (a > b) - (a < b);
}

/* The sample that `share` (0..1) of the sorted samples do not exceed. */
static double quantile(const double *sorted, size_t count, double share)
{
    return sorted[(size_t)((double)(count - 1) * share + 0.5)];
}

static int add_series(cJSON *root, const char *name, const struct series *series)
{
    size_t count = (size_t)(series->count < SERIES_SAMPLES ? series->count : SERIES_SAMPLES);
    double *sorted;
    cJSON *object;
    int added;

    if (count == 0)
        return cJSON_AddNullToObject(root, name) != NULL;
    sorted = memory_array(count, sizeof(*sorted));
    object = sorted ? cJSON_AddObjectToObject(root, name) : NULL;
    if (!object) {
        free(sorted);
        return 0;
    }
    memcpy(sorted, series->samples, count * sizeof(*sorted));
    qsort(sorted, count, sizeof(*sorted), compare_doubles);
    added = cJSON_AddNumberToObject(object, "min", rounded(sorted[0])) &&
            cJSON_AddNumberToObject(object, "median", rounded(quantile(sorted, count, 0.5))) &&
            cJSON_AddNumberToObject(object, "p99", rounded(quantile(sorted, count, 0.99)));
    free(sorted);
    return added;
}

static int add_all(cJSON *root, const struct statistics *statistics)
{
    const struct {
        const char *name;
        double value;
    } numbers[] = {
        {"frames_received", (double)statistics->frames_received},
        {"frames_shown", (double)statistics->frames_shown},
        {"frames_dropped", (double)statistics->frames_dropped},
        {"seeks", (double)statistics->seeks},
        {"damaged_packets", (double)statistics->damaged_packets},
        {"duration_s", rounded(statistics->duration_s)},
    };

    for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
        if (!cJSON_AddNumberToObject(root, numbers[i].name, numbers[i].value))
            return 0;
    }
    for (int i = 0; i < STAGE_COUNT; i++) {
        if (!add_series(root, stage_names[i], &statistics->series[i]))
            return 0;
    }
    return 1;
}

int statistics_write(const struct statistics *statistics, const char *path, VbpError *error)
{
    cJSON *root = cJSON_CreateObject();
    char *text = NULL;
    struct file_writer writer = {0};
    int result;

    if (root && add_all(root, statistics))
        text = cJSON_Print(root);
    cJSON_Delete(root);
    if (!text)
        return error_out_of_memory(error);
    result = file_writer_begin(&writer, path, error);
    if (result == VBP_OK) {
        /* Errors of the stream are found by commit. */
        fputs(text, writer.stream);
        fputc('\n', writer.stream);
        result = file_writer_commit(&writer, error);
    }
    cJSON_free(text);
    return result;
}
