#include "cli/frame_files.h"

#include "base/error.h"
#include "base/file.h"
#include "base/memory.h"
#include "base/npy.h"
#include "cli/output_folder.h"
#include "draw/sheet.h"
#include "media/image_writer.h"

#include <cjson/cJSON.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Names of raw maps have two digits. */
#define LEVELS_SHOWN 99

/* A tenth of the pixels: the share of the mask that they hold tells how concentrated it is. */
#define TOP_SHARE 0.1

static int descending(const void *a, const void *b)
{
    float x = *(const float *)a, y = *(const float *)b;

    return (x < y) - (x > y);
}

/* Mean of the mask, and the share of its sum that the brightest tenth of the pixels holds. */
static int mask_statistics(const float *mask, size_t cells, double *mean, double *top,
                           VbpError *error)
{
    size_t decile = (size_t)((double)cells * TOP_SHARE + 0.5);
    float *sorted = memory_aligned_array(cells, sizeof(float));
    double sum = 0, top_sum = 0;

    if (!sorted)
        return error_out_of_memory(error);
    memcpy(sorted, mask, cells * sizeof(float));
    qsort(sorted, cells, sizeof(float), descending);
    for (size_t i = 0; i < cells; i++) {
        sum += (double)sorted[i];
        top_sum += i < decile ? (double)sorted[i] : 0;
    }
    free(sorted);
    *mean = sum / (double)cells;
    *top = sum > 0 ? top_sum / sum : 0;
    return VBP_OK;
}

static void add_outputs(cJSON *root, const struct frame_files *files)
{
    cJSON *outputs = cJSON_AddObjectToObject(root, "outputs");

    for (int i = 0; i < vbp_model_output_count(files->model); i++) {
        const float *values = vbp_runner_output(files->runner, i);
        cJSON *list = cJSON_AddArrayToObject(outputs, vbp_model_output_name(files->model, i));

        for (size_t j = 0; j < vbp_model_output_length(files->model, i); j++)
            cJSON_AddItemToArray(list, cJSON_CreateNumber((double)values[j]));
    }
    cJSON_AddNumberToObject(root, "steering", vbp_runner_steering(files->runner));
}

static void add_levels(cJSON *root, const VbpModel *model)
{
    cJSON *levels = cJSON_AddArrayToObject(root, "levels");

    for (int i = 0; i < vbp_model_level_count(model); i++) {
        cJSON *level = cJSON_CreateObject();
        int height, width;

        cJSON_AddStringToObject(level, "name", vbp_model_level_size(model, i, &height, &width));
        cJSON_AddNumberToObject(level, "height", height);
        cJSON_AddNumberToObject(level, "width", width);
        cJSON_AddItemToArray(levels, level);
    }
}

static int make_report(const struct frame_files *files, char **text, VbpError *error)
{
    cJSON *root = cJSON_CreateObject(), *object;
    float minimum, maximum;
    double mean = 0, top = 0;
    int height, width, result;
    const float *mask = vbp_runner_mask(files->runner, &height, &width);

    result = mask_statistics(mask, (size_t)height * (size_t)width, &mean, &top, error);
    if (result != VBP_OK) {
        cJSON_Delete(root);
        return result;
    }
    vbp_runner_mask_range(files->runner, &minimum, &maximum);
    cJSON_AddNumberToObject(root, "frame", (double)files->frame_number);
    cJSON_AddNumberToObject(root, "time", files->time);
    cJSON_AddStringToObject(root, "model", files->model->path);
    cJSON_AddStringToObject(root, "method", "vbp");
    add_outputs(root, files);
    add_levels(root, files->model);
    object = cJSON_AddObjectToObject(root, "mask");
    cJSON_AddNumberToObject(object, "min", (double)minimum);
    cJSON_AddNumberToObject(object, "max", (double)maximum);
    cJSON_AddNumberToObject(object, "mean", mean);
    cJSON_AddNumberToObject(object, "top_decile", top);
    object = cJSON_AddArrayToObject(root, "assumptions");
    for (int i = 0; i < files->model->assumption_count; i++)
        cJSON_AddItemToArray(object, cJSON_CreateString(files->model->assumptions[i]));
    *text = cJSON_Print(root);
    cJSON_Delete(root);
    return *text ? VBP_OK : error_out_of_memory(error);
}

static int write_report(const struct frame_files *files, struct output_folder *folder,
                        VbpError *error)
{
    const char *path = output_folder_file(folder, "report.json", error);
    char *text = NULL;
    int result = path ? make_report(files, &text, error) : error->status;

    if (result == VBP_OK)
        result = file_write(path, text, strlen(text), error);
    free(text);
    return result;
}

static int write_mask(const struct frame_files *files, struct output_folder *folder,
                      VbpError *error)
{
    int height, width, result;
    const float *mask = vbp_runner_mask(files->runner, &height, &width);
    size_t cells = (size_t)height * (size_t)width;
    const char *npy = output_folder_file(folder, "mask.npy", error);
    const char *png = npy ? output_folder_file(folder, "mask.png", error) : NULL;
    uint8_t *gray;

    if (!png)
        return error->status;
    result = npy_write(npy, NPY_FLOAT32, mask, 2, (size_t[]){(size_t)height, (size_t)width}, error);
    if (result != VBP_OK)
        return result;
    gray = memory_array(cells, 1);
    if (!gray)
        return error_out_of_memory(error);
    for (size_t i = 0; i < cells; i++)
        gray[i] = (uint8_t)(255 * mask[i] + 0.5f);
    result = image_write_pixels(png, gray, width, height, 1, width, error);
    free(gray);
    return result;
}

static int write_sheet(const struct frame_files *files, struct output_folder *folder,
                       VbpError *error)
{
    int count = vbp_model_level_count(files->model), width, height, result;
    struct sheet_map *maps = memory_array(2 * (size_t)count, sizeof(*maps));
    const char *path = output_folder_file(folder, "levels.png", error);
    uint8_t *pixels = NULL;

    if (!maps || !path) {
        free(maps);
        return maps ? error->status : error_out_of_memory(error);
    }
    for (int i = 0; i < count; i++) {
        struct sheet_map *average = &maps[i], *product = &maps[count + i];

        average->name = vbp_model_level_size(files->model, i, &average->height, &average->width);
        *product = *average;
        average->values = vbp_runner_level_average(files->runner, i);
        product->values = vbp_runner_level_product(files->runner, i);
    }
    result = sheet_draw(maps, maps + count, count, &pixels, &width, &height, error);
    if (result == VBP_OK)
        result = image_write_pixels(path, pixels, width, height, 3, 3 * (ptrdiff_t)width, error);
    free(pixels);
    free(maps);
    return result;
}

static int write_raw(const struct frame_files *files, struct output_folder *folder, VbpError *error)
{
    static const char *const names[] = {"average", "product"};

    for (int i = 0; i < 2 * vbp_model_level_count(files->model); i++) {
        int level = i / 2, height, width, result;
        const float *map = i % 2 == 0 ? vbp_runner_level_average(files->runner, level)
                                      : vbp_runner_level_product(files->runner, level);
        const char *path;
        char name[64];

        vbp_model_level_size(files->model, level, &height, &width);
        snprintf(name, sizeof(name), "levels/%02d_%s.npy", level + 1, names[i % 2]);
        path = output_folder_file(folder, name, error);
        if (!path)
            return error->status;
        result =
            npy_write(path, NPY_FLOAT32, map, 2, (size_t[]){(size_t)height, (size_t)width}, error);
        if (result != VBP_OK)
            return result;
    }
    return VBP_OK;
}

/* Maps that an earlier run with --raw left and this one does not write. */
static void remove_old_maps(const struct frame_files *files)
{
    static const char *const names[] = {"average", "product"};
    int levels = files->raw ? vbp_model_level_count(files->model) : 0;

    for (int level = levels + 1; level <= LEVELS_SHOWN; level++) {
        for (int i = 0; i < 2; i++) {
            char *path = memory_format("%s/levels/%02d_%s.npy", files->folder, level, names[i]);

            if (path)
                unlink(path);
            free(path);
        }
    }
}

int frame_files_write(const struct frame_files *files, VbpError *error)
{
    struct output_folder folder;
    int result = output_folder_open(&folder, files->folder, files->overwrite, files->inputs, error);

    if (result == VBP_OK && files->overlay) {
        const char *path = output_folder_file(&folder, "overlay.png", error);

        result = path ? image_write_picture(path, files->overlay, error) : error->status;
    }
    if (result == VBP_OK)
        result = write_mask(files, &folder, error);
    if (result == VBP_OK)
        result = write_sheet(files, &folder, error);
    if (result == VBP_OK && files->raw)
        result = write_raw(files, &folder, error);
    if (result == VBP_OK)
        result = write_report(files, &folder, error);
    if (result == VBP_OK)
        result = output_folder_keep(&folder, error);
    if (result == VBP_OK && files->overwrite)
        remove_old_maps(files);
    output_folder_close(&folder);
    return result;
}
