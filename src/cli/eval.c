/* vbp eval: how far a network's steering is off on labelled drives. */
#include "base/error.h"
#include "base/memory.h"
#include "cli/cli.h"
#include "media/dataset.h"
#include "media/image_reader.h"
#include "saliency/energy.h"

#include <cjson/cJSON.h>
#include <limits.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Frame pixels around an object of a truth picture that count as the object. */
#define TRUTH_DILATION 4

enum { OPTION_JSON = OPTION_OWN, OPTION_TRUTH, OPTION_FIRST, OPTION_COUNT };

struct eval_options {
    bool json, truth;
    struct dataset_options dataset;
};

/* Sums over samples; divided by count when they are printed. */
struct errors {
    size_t count;
    double absolute, squared;          /* of network - label */
    double straight, straight_squared; /* of 0 - label: always straight on */
    size_t masks;                      /* samples with a truth picture */
    double share, area;                /* energy_measure's */
};

/* Samples of a kind: all drives of one kind of weather, say. */
struct group {
    const char *name; /* a drive's */
    struct errors errors;
};

struct evaluation {
    const struct eval_options *options;
    const struct dataset *dataset;
    VbpModel *model;
    VbpRunner *runner;
    struct errors *drives; /* one each */
    struct errors all;
    bool converts; /* the network's steering, to normalized labels */
    double unit;   /* what a label of 1 is printed as: in degrees of the wheel, where known */
};

static bool take_option(void *context, int option, const char *value)
{
    struct eval_options *options = context;
    long long number;

    if (option == OPTION_JSON || option == OPTION_TRUTH) {
        *(option == OPTION_JSON ? &options->json : &options->truth) = true;
        return true;
    }
    if (!cli_parse_integer(value, 0, LONG_MAX, &number)) {
        cli_usage_error(&command_eval, "%s takes a whole number, not '%s'",
                        option == OPTION_FIRST ? "--first" : "--count", value);
        return false;
    }
    *(option == OPTION_FIRST ? &options->dataset.first : &options->dataset.count) = (long)number;
    return true;
}

/* ---- Measuring ------------------------------------------------------------------------------ */

static void add_steering(struct errors *errors, double steering, double label)
{
    errors->count++;
    errors->absolute += fabs(steering - label);
    errors->squared += (steering - label) * (steering - label);
    errors->straight += fabs(label);
    errors->straight_squared += label * label;
}

static void add_errors(struct errors *sum, const struct errors *errors)
{
    sum->count += errors->count;
    sum->absolute += errors->absolute;
    sum->squared += errors->squared;
    sum->straight += errors->straight;
    sum->straight_squared += errors->straight_squared;
    sum->masks += errors->masks;
    sum->share += errors->share;
    sum->area += errors->area;
}

/* Where the mask of the last run lies, if there is a truth picture of the sample. */
static int measure_mask(struct evaluation *evaluation, const struct sample *sample, int height,
                        int width, struct errors *errors, VbpError *error)
{
    char *path = dataset_find_truth(sample);
    struct frame frame = {0};
    struct energy_truth truth;
    double share, area;
    VbpRectangle crop;
    const float *mask;
    int mask_height, mask_width, result;
    VbpImage image;

    if (!path)
        return VBP_OK;
    result = image_read(path, &frame, error);
    if (result != VBP_OK)
        goto done;
    image = frame_image(&frame);
    if (image.format != VBP_PIXEL_GRAY8 || image.width != width || image.height != height) {
        result = error_set(error, VBP_ERROR_FORMAT, "%s: is not %dx%d gray like its picture", path,
                           width, height);
        goto done;
    }
    result = vbp_model_crop(evaluation->model, width, height, &crop, error);
    if (result != VBP_OK)
        goto done;
    mask = vbp_runner_mask(evaluation->runner, &mask_height, &mask_width);
    truth = (struct energy_truth){image.plane[0], image.stride[0], height, width, TRUTH_DILATION};
    result = energy_measure(&truth, crop, mask, mask_height, mask_width, &share, &area, error);
    if (result == VBP_OK) {
        errors->masks++;
        errors->share += share;
        errors->area += area;
    }
done:
    frame_release(&frame);
    free(path);
    return result;
}

/* What the network said last, in the labels' unit. */
static double steering_of(const struct evaluation *evaluation)
{
    double steering = vbp_runner_steering(evaluation->runner);

    if (!evaluation->converts)
        return steering;
    return model_wheel_degrees(evaluation->model, steering) /
           model_recorded_degrees(evaluation->model, 1);
}

static int evaluate_sample(struct evaluation *evaluation, const struct sample *sample,
                           VbpError *error)
{
    struct errors *errors = &evaluation->drives[sample->drive];
    struct frame frame;
    VbpImage image;
    int result = image_read(sample->image, &frame, error);

    if (result != VBP_OK)
        return result;
    image = frame_image(&frame);
    result = vbp_runner_run_image(evaluation->runner, &image, error);
    if (result != VBP_OK)
        error_prefix(error, "%s: ", sample->image);
    else
        add_steering(errors, steering_of(evaluation), sample->steering);
    if (result == VBP_OK && evaluation->options->truth)
        result = measure_mask(evaluation, sample, image.height, image.width, errors, error);
    frame_release(&frame);
    return result;
}

static int evaluate(const struct common_options *common, struct evaluation *evaluation,
                    VbpError *error)
{
    const struct dataset *dataset = evaluation->dataset;
    struct progress *progress = progress_start(common, "evaluating", (int64_t)dataset->count);
    int result = VBP_OK;

    for (size_t i = 0; i < dataset->count && result == VBP_OK; i++) {
        result = evaluate_sample(evaluation, &dataset->samples[i], error);
        progress_update(progress, (int64_t)i + 1);
    }
    progress_finish(&progress);
    for (int d = 0; d < dataset->drive_count; d++)
        add_errors(&evaluation->all, &evaluation->drives[d]);
    if (result == VBP_OK && evaluation->options->truth && evaluation->all.masks == 0)
        return error_set(error, VBP_ERROR_ARGUMENT,
                         "there are no truth pictures; roadsim writes them with --truth log");
    return result;
}

/* ---- Groups --------------------------------------------------------------------------------- */

static const char *weather_of(const struct drive *drive)
{
    return drive->weather;
}

static const char *road_of(const struct drive *drive)
{
    return drive->road;
}

static int compare_groups(const void *a, const void *b)
{
    return strcmp(((const struct group *)a)->name, ((const struct group *)b)->name);
}

/* The drives by what name_of says of them, sorted; groups: as many as there are drives. */
static int find_groups(const struct evaluation *evaluation,
                       const char *(*name_of)(const struct drive *), struct group *groups)
{
    int count = 0;

    for (int d = 0; d < evaluation->dataset->drive_count; d++) {
        const char *name = name_of(&evaluation->dataset->drives[d]);
        int g = 0;

        if (!name)
            continue;
        while (g < count && strcmp(groups[g].name, name) != 0)
            g++;
        if (g == count)
            groups[count++] = (struct group){.name = name};
        add_errors(&groups[g].errors, &evaluation->drives[d]);
    }
    qsort(groups, (size_t)count, sizeof(*groups), compare_groups);
    return count;
}

/* ---- Printing ------------------------------------------------------------------------------- */

static double lift_of(const struct errors *errors)
{
    return errors->area > 0 ? errors->share / errors->area : 0;
}

static void print_row(const struct evaluation *evaluation, const char *name,
                      const struct errors *errors)
{
    double count = (double)errors->count, unit = evaluation->unit;

    if (errors->count == 0)
        return;
    printf("%-10s %8zu %12.6g %12.6g %14.6g %8.3f", name, errors->count,
           unit * errors->absolute / count, unit * sqrt(errors->squared / count),
           unit * errors->straight / count,
           errors->straight > 0 ? errors->absolute / errors->straight : NAN);
    if (evaluation->options->truth && errors->masks > 0)
        printf(" %9.1f%% %9.1f%% %6.2f", 100 * errors->share / (double)errors->masks,
               100 * errors->area / (double)errors->masks, lift_of(errors));
    putchar('\n');
}

static void print_groups(const struct evaluation *evaluation,
                         const char *(*name_of)(const struct drive *), struct group *groups)
{
    int count = find_groups(evaluation, name_of, groups);

    for (int g = 0; g < count && count > 1; g++)
        print_row(evaluation, groups[g].name, &groups[g].errors);
}

static void print_text(const struct evaluation *evaluation, struct group *groups)
{
    const struct dataset *dataset = evaluation->dataset;

    printf("%-10s %8s %12s %12s %14s %8s", evaluation->unit == 1 ? "drive" : "degrees", "samples",
           "mean error", "rms error", "straight on", "ratio");
    if (evaluation->options->truth)
        printf(" %10s %10s %6s", "on objects", "their area", "lift");
    putchar('\n');
    for (int d = 0; d < dataset->drive_count && dataset->drive_count > 1; d++) {
        char name[24];

        snprintf(name, sizeof(name), "%d", d + 1);
        print_row(evaluation, name, &evaluation->drives[d]);
    }
    print_groups(evaluation, weather_of, groups);
    print_groups(evaluation, road_of, groups);
    print_row(evaluation, "all", &evaluation->all);
}

static cJSON *errors_json(const struct evaluation *evaluation, const struct errors *errors)
{
    cJSON *object = cJSON_CreateObject();
    double count = (double)errors->count;

    cJSON_AddNumberToObject(object, "samples", count);
    if (errors->count == 0)
        return object;
    cJSON_AddNumberToObject(object, "mean_error", errors->absolute / count);
    cJSON_AddNumberToObject(object, "rms_error", sqrt(errors->squared / count));
    cJSON_AddNumberToObject(object, "straight_mean_error", errors->straight / count);
    cJSON_AddNumberToObject(object, "straight_rms_error", sqrt(errors->straight_squared / count));
    if (evaluation->options->truth && errors->masks > 0) {
        cJSON_AddNumberToObject(object, "mask_on_objects", errors->share / (double)errors->masks);
        cJSON_AddNumberToObject(object, "object_area", errors->area / (double)errors->masks);
        cJSON_AddNumberToObject(object, "mask_lift", lift_of(errors));
    }
    return object;
}

static void add_groups(cJSON *root, const char *member, const struct evaluation *evaluation,
                       const char *(*name_of)(const struct drive *), struct group *groups)
{
    int count = find_groups(evaluation, name_of, groups);
    cJSON *object = count > 0 ? cJSON_AddObjectToObject(root, member) : NULL;

    for (int g = 0; g < count; g++)
        cJSON_AddItemToObject(object, groups[g].name, errors_json(evaluation, &groups[g].errors));
}

static int print_json(const struct evaluation *evaluation, struct group *groups, const char *model,
                      const char *name, VbpError *error)
{
    const struct dataset *dataset = evaluation->dataset;
    cJSON *root = cJSON_CreateObject(), *list;
    char *text;

    cJSON_AddStringToObject(root, "model", model);
    cJSON_AddStringToObject(root, "dataset", name);
    cJSON_AddStringToObject(root, "kind", dataset->kind);
    if (evaluation->unit != 1)
        cJSON_AddNumberToObject(root, "degrees_per_unit", evaluation->unit);
    cJSON_AddItemToObject(root, "all", errors_json(evaluation, &evaluation->all));
    add_groups(root, "weather", evaluation, weather_of, groups);
    add_groups(root, "road", evaluation, road_of, groups);
    list = cJSON_AddArrayToObject(root, "drives");
    for (int d = 0; d < dataset->drive_count; d++)
        cJSON_AddItemToArray(list, errors_json(evaluation, &evaluation->drives[d]));
    text = cJSON_Print(root);
    cJSON_Delete(root);
    if (!text)
        return error_out_of_memory(error);
    puts(text);
    free(text);
    return VBP_OK;
}

/* ---- The command ---------------------------------------------------------------------------- */

/* What all drives agree on; 1 where they do not. */
static double unit_of(const struct dataset *dataset)
{
    double unit = dataset->drives[0].degrees_per_unit;

    for (int d = 1; d < dataset->drive_count; d++) {
        if (dataset->drives[d].degrees_per_unit != unit)
            return 1;
    }
    return unit > 0 ? unit : 1;
}

/*
 * Recordings hold normalized labels, positive to the right. Where one is greater than 1 they are
 * something else, which can only be the network's own unit.
 */
static bool must_convert(const VbpModel *model, const struct dataset *dataset)
{
    double one = model_wheel_degrees(model, 1), label = model_recorded_degrees(model, 1);

    for (size_t i = 0; i < dataset->count; i++) {
        if (fabs(dataset->samples[i].steering) > 1)
            return false;
    }
    return fabs(one - label) > 1e-9 * fabs(label);
}

static int work(const struct common_options *common, const struct eval_options *options,
                const char *name, VbpError *error)
{
    struct evaluation evaluation = {.options = options};
    struct dataset *dataset = NULL;
    struct group *groups = NULL;
    int result =
        cli_open_model(common, options->truth, &evaluation.model, &evaluation.runner, error);

    if (result == VBP_OK)
        result = dataset_open(&dataset, name, &options->dataset, error);
    if (result != VBP_OK)
        goto done;
    evaluation.dataset = dataset;
    if (dataset->missing_images > 0)
        cli_note(common, "%zu images are missing, the first is %s", dataset->missing_images,
                 dataset->first_missing);
    evaluation.converts = must_convert(evaluation.model, dataset);
    if (evaluation.converts)
        cli_note(common, "the labels are taken for normalized, positive to the right; the "
                         "network's steering is brought to that");
    evaluation.unit = unit_of(dataset);
    evaluation.drives = memory_array((size_t)dataset->drive_count, sizeof(*evaluation.drives));
    groups = memory_array((size_t)dataset->drive_count, sizeof(*groups));
    result = evaluation.drives && groups ? evaluate(common, &evaluation, error)
                                         : error_out_of_memory(error);
    if (result == VBP_OK && options->json)
        result = print_json(&evaluation, groups, common->model, name, error);
    else if (result == VBP_OK)
        print_text(&evaluation, groups);
    if (result == VBP_OK && fflush(stdout) != 0)
        result = error_set_errno(error, "cannot write", "standard output");
    if (result == VBP_OK)
        cli_note_assumptions(common, evaluation.model);
done:
    free(groups);
    free(evaluation.drives);
    dataset_close(&dataset);
    vbp_runner_destroy(&evaluation.runner);
    vbp_model_close(&evaluation.model);
    return result;
}

static int run(int argc, char **argv)
{
    static const struct option own_options[] = {{"json", no_argument, NULL, OPTION_JSON},
                                                {"truth", no_argument, NULL, OPTION_TRUTH},
                                                {"first", required_argument, NULL, OPTION_FIRST},
                                                {"count", required_argument, NULL, OPTION_COUNT},
                                                {0}};
    struct eval_options options = {0};
    struct common_options common;
    VbpError error = {0};
    const char *name;
    int status = cli_parse(&command_eval, argc, argv, "", own_options, take_option, &options,
                           &common, &name);

    if (status >= 0)
        return status;
    if (!common.model)
        return cli_usage_error(&command_eval, "-m MODEL is missing");
    return work(&common, &options, name, &error) == VBP_OK ? EXIT_DONE : cli_fail(&error);
}

const struct command command_eval = {
    .name = "eval",
    .usage = "vbp eval DATASET -m MODEL [options]",
    .summary = "steering error of a network on labelled drives, beside driving straight on",
    .help = "options:\n"
            "      --json             machine-readable, on standard output\n"
            "      --truth            also how much of the mask lies on what roadsim drew as "
            "marking,\n"
            "                         road edge or vehicle, and how much of what the network sees\n"
            "                         is that\n"
            "      --first N, --count N  only this part of the log\n",
    .run = run,
};
