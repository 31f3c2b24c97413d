/* vbp eval: how far a network's steering is off on labelled drives. */
#include "base/error.h"
#include "base/memory.h"
#include "cli/cli.h"
#include "media/image_reader.h"
#include "train/dataset.h"

#include <cjson/cJSON.h>
#include <limits.h>
#include <math.h>
#include <stdlib.h>

enum { OPTION_JSON = OPTION_OWN, OPTION_FIRST, OPTION_COUNT };

struct eval_options {
    bool json;
    struct dataset_options dataset;
};

/* Sums over samples; divided by count when they are printed. */
struct errors {
    size_t count;
    double absolute, squared;          /* of network - label */
    double straight, straight_squared; /* of 0 - label: always straight on */
};

static bool take_option(void *context, int option, const char *value)
{
    struct eval_options *options = context;
    long long number;

    if (option == OPTION_JSON) {
        options->json = true;
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

static void add(struct errors *errors, double steering, double label)
{
    errors->count++;
    errors->absolute += fabs(steering - label);
    errors->squared += (steering - label) * (steering - label);
    errors->straight += fabs(label);
    errors->straight_squared += label * label;
}

static int run_sample(VbpRunner *runner, const struct sample *sample, double *steering,
                      VbpError *error)
{
    struct frame frame;
    VbpImage image;
    int result = image_read(sample->image, &frame, error);

    if (result != VBP_OK)
        return result;
    image = frame_image(&frame);
    result = vbp_runner_run_image(runner, &image, error);
    if (result == VBP_OK)
        *steering = vbp_runner_steering(runner);
    else
        error_prefix(error, "%s: ", sample->image);
    frame_release(&frame);
    return result;
}

/* drives: dataset->drive_count entries; all: their sum. */
static int evaluate(const struct common_options *common, VbpRunner *runner,
                    const struct dataset *dataset, struct errors *drives, struct errors *all,
                    VbpError *error)
{
    struct progress *progress = progress_start(common, "evaluating", (int64_t)dataset->count);
    int result = VBP_OK;

    for (size_t i = 0; i < dataset->count && result == VBP_OK; i++) {
        const struct sample *sample = &dataset->samples[i];
        double steering;

        result = run_sample(runner, sample, &steering, error);
        if (result == VBP_OK) {
            add(&drives[sample->drive], steering, sample->steering);
            add(all, steering, sample->steering);
            progress_update(progress, (int64_t)i + 1);
        }
    }
    progress_finish(&progress);
    return result;
}

static void print_row(const char *name, const struct errors *errors)
{
    double count = (double)errors->count;

    if (errors->count == 0)
        return;
    printf("%-10s %8zu %12.6g %12.6g %14.6g %8.3f\n", name, errors->count, errors->absolute / count,
           sqrt(errors->squared / count), errors->straight / count,
           errors->straight > 0 ? errors->absolute / errors->straight : NAN);
}

static void print_text(const struct dataset *dataset, const struct errors *drives,
                       const struct errors *all)
{
    printf("%-10s %8s %12s %12s %14s %8s\n", "drive", "samples", "mean error", "rms error",
           "straight on", "ratio");
    for (int d = 0; d < dataset->drive_count && dataset->drive_count > 1; d++) {
        char name[24];

        snprintf(name, sizeof(name), "%d", d + 1);
        print_row(name, &drives[d]);
    }
    print_row("all", all);
}

static cJSON *errors_json(const struct errors *errors)
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
    return object;
}

static int print_json(const struct dataset *dataset, const char *model, const char *name,
                      const struct errors *drives, const struct errors *all, VbpError *error)
{
    cJSON *root = cJSON_CreateObject(), *list;
    char *text;

    cJSON_AddStringToObject(root, "model", model);
    cJSON_AddStringToObject(root, "dataset", name);
    cJSON_AddStringToObject(root, "kind", dataset->kind);
    cJSON_AddItemToObject(root, "all", errors_json(all));
    list = cJSON_AddArrayToObject(root, "drives");
    for (int d = 0; d < dataset->drive_count; d++)
        cJSON_AddItemToArray(list, errors_json(&drives[d]));
    text = cJSON_Print(root);
    cJSON_Delete(root);
    if (!text)
        return error_out_of_memory(error);
    puts(text);
    free(text);
    return VBP_OK;
}

static int work(const struct common_options *common, const struct eval_options *options,
                const char *name, VbpError *error)
{
    struct errors *drives = NULL, all = {0};
    struct dataset *dataset = NULL;
    VbpModel *model = NULL;
    VbpRunner *runner = NULL;
    int result = cli_open_model(common, false, &model, &runner, error);

    if (result == VBP_OK)
        result = dataset_open(&dataset, name, &options->dataset, error);
    if (result == VBP_OK) {
        drives = memory_array((size_t)dataset->drive_count, sizeof(*drives));
        result = drives ? evaluate(common, runner, dataset, drives, &all, error)
                        : error_out_of_memory(error);
    }
    if (result == VBP_OK && options->json)
        result = print_json(dataset, common->model, name, drives, &all, error);
    else if (result == VBP_OK)
        print_text(dataset, drives, &all);
    if (result == VBP_OK && fflush(stdout) != 0)
        result = error_set_errno(error, "cannot write", "standard output");
    if (result == VBP_OK)
        cli_note_assumptions(common, model);
    free(drives);
    dataset_close(&dataset);
    vbp_runner_destroy(&runner);
    vbp_model_close(&model);
    return result;
}

static int run(int argc, char **argv)
{
    static const struct option own_options[] = {{"json", no_argument, NULL, OPTION_JSON},
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
            "      --first N, --count N  only this part of the log\n",
    .run = run,
};
