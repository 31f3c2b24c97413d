/* vbp frame: one frame of a drive to files. */
#include "base/error.h"
#include "base/memory.h"
#include "base/npy.h"
#include "cli/cli.h"
#include "cli/frame_files.h"
#include "media/image_writer.h"
#include "pipeline/annotate.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { OPTION_AT = OPTION_OWN, OPTION_RAW };

struct frame_options {
    const char *output;
    bool at_number, at_time;
    long long number;
    double time;
    bool raw;
};

struct job {
    const struct common_options *common;
    const struct frame_options *options;
    const char *name;
    VbpModel *model;
    VbpRunner *runner;
    struct source *source;
    struct analysed_frame frame; /* .analysis is NULL: the runner has the results */
    AVFrame *picture;            /* with the mask drawn in */
};

static bool take_option(void *context, int option, const char *value)
{
    struct frame_options *options = context;

    switch (option) {
    case 'o':
        options->output = value;
        break;
    case OPTION_AT:
        options->at_number = cli_parse_integer(value, 0, INT64_MAX, &options->number);
        options->at_time = !options->at_number && cli_parse_time(value, &options->time);
        if (!options->at_number && !options->at_time) {
            cli_usage_error(&command_frame,
                            "--at takes a frame number or a time (12.5, M:S, H:M:S), not '%s'",
                            value);
            return false;
        }
        break;
    case OPTION_RAW:
        options->raw = true;
        break;
    default:
        break;
    }
    return true;
}

static int seek(struct job *job, VbpError *error)
{
    const struct source_info *info = source_info(job->source);
    const struct frame_options *options = job->options;

    if (options->at_number)
        return source_seek_number(job->source, options->number, error);
    if (!options->at_time)
        return VBP_OK;
    if (info->duration >= 0 && options->time > 0 && options->time >= info->duration)
        return error_set(error, VBP_ERROR_ARGUMENT, "%s: --at %g s is past the end (%g s)",
                         job->name, options->time, info->duration);
    return source_seek_time(job->source, options->time, error);
}

/* A ready input has no picture: shows the input itself, stretched to 0..255. */
static int picture_of_input(struct job *job, const float *input, VbpError *error)
{
    const struct preprocess_settings *settings = &job->model->settings;
    size_t cells = (size_t)settings->width * (size_t)settings->height;
    size_t count = cells * (size_t)settings->channels;
    float least = INFINITY, most = -INFINITY;
    AVFrame *picture = av_frame_alloc();

    if (!picture)
        return error_out_of_memory(error);
    picture->format = AV_PIX_FMT_RGB24;
    picture->width = settings->width;
    picture->height = settings->height;
    picture->colorspace = AVCOL_SPC_RGB;
    picture->color_range = AVCOL_RANGE_JPEG;
    if (av_frame_get_buffer(picture, 0) < 0) {
        av_frame_free(&picture);
        return error_out_of_memory(error);
    }
    for (size_t i = 0; i < count; i++) {
        least = fminf(least, input[i]);
        most = fmaxf(most, input[i]);
    }
    for (size_t i = 0; i < cells; i++) {
        size_t x = i % (size_t)settings->width, y = i / (size_t)settings->width;
        uint8_t *pixel = picture->data[0] + (ptrdiff_t)y * picture->linesize[0] + 3 * x;

        for (size_t c = 0; c < 3; c++) {
            size_t channel = c < (size_t)settings->channels ? c : 0;
            float value = settings->channels_last ? input[i * (size_t)settings->channels + channel]
                                                  : input[channel * cells + i];

            pixel[c] = most > least ? (uint8_t)(255 * (value - least) / (most - least) + 0.5f) : 0;
        }
    }
    job->frame.frame.picture = picture;
    return VBP_OK;
}

/* The array's shape must be the network's, but for axes of one: numbers in another order would be
 * another picture. */
static int check_shape(const struct job *job, VbpError *error)
{
    const struct graph *graph = job->model->graph;
    const struct shape *input = &graph->tensors[graph->input].shape;
    struct shape wanted = {0}, given = {0};
    char wanted_text[SHAPE_TEXT_SIZE], given_text[SHAPE_TEXT_SIZE];
    const size_t *extent;
    int rank;

    extent = source_ready_shape(job->source, &rank);
    for (int i = 0; i < input->rank; i++) {
        if (input->extent[i] != 1)
            wanted.extent[wanted.rank++] = input->extent[i];
    }
    for (int i = 0; i < rank && given.rank < SHAPE_MAX_RANK; i++) {
        if (extent[i] != 1)
            given.extent[given.rank++] = (int64_t)extent[i];
    }
    if (shape_equal(&wanted, &given))
        return VBP_OK;
    return error_set(error, VBP_ERROR_ARGUMENT,
                     "%s: a ready input of %s does not go with the network's %s", job->name,
                     shape_text(&given, given_text), shape_text(input, wanted_text));
}

/* Gets the frame, or the ready input, and runs the network on it. */
static int run_frame(struct job *job, VbpError *error)
{
    size_t length;
    const float *input = source_ready_input(job->source, &length);
    VbpImage image;
    int result;

    if (input) {
        if (job->options->at_time || job->options->number > 0)
            return error_set(error, VBP_ERROR_ARGUMENT,
                             "%s: --at is past the end: a ready input is frame 0", job->name);
        result = check_shape(job, error);
        if (result != VBP_OK)
            return result;
        result = vbp_runner_run_input(job->runner, input, length, error);
        if (result != VBP_OK)
            return error_prefix(error, "%s: ", job->name);
        return job->model->settings.channels > 0 ? picture_of_input(job, input, error) : VBP_OK;
    }
    result = seek(job, error);
    if (result != VBP_OK)
        return result;
    result = source_read(job->source, &job->frame.frame, error);
    if (result == SOURCE_END)
        return error_set(error, VBP_ERROR_FORMAT, "%s: no frame could be read", job->name);
    if (result < 0)
        return result;
    image = frame_image(&job->frame.frame);
    result = vbp_runner_run_image(job->runner, &image, error);
    return result == VBP_OK ? result : error_prefix(error, "%s: ", job->name);
}

/* The frame with the mask over it; a ready input is shown whole, without the card's crop. */
static int draw(struct job *job, VbpError *error)
{
    struct annotate_options annotate = annotate_default_options();
    struct annotator *annotator = NULL;
    struct analysis analysis = {.steering = vbp_runner_steering(job->runner)};
    struct analysed_frame view = job->frame;
    size_t length;
    int result;

    if (!job->frame.frame.picture)
        return VBP_OK;
    annotate.is_input = source_ready_input(job->source, &length) != NULL;
    /* The runner's mask outlives the drawing, so the analysis may borrow it. */
    analysis.mask = vbp_runner_mask(job->runner, &analysis.mask_height, &analysis.mask_width);
    view.analysis = &analysis;
    annotate.hud = false;
    result = annotator_create(&annotator, job->model, AV_PIX_FMT_NONE, error);
    if (result == VBP_OK)
        result = annotator_draw(annotator, &view, &annotate, &job->picture, error);
    annotator_destroy(&annotator);
    return result;
}

static int work(struct job *job, VbpError *error)
{
    const char *inputs[] = {job->name, job->common->model, NULL, NULL};
    struct source_options source_options = {.threads = job->common->threads,
                                            .random_access =
                                                job->options->at_number || job->options->at_time};
    int result = cli_open_model(job->common, true, &job->model, &job->runner, error);

    if (result == VBP_OK)
        result = source_open(&job->source, job->name, &source_options, error);
    if (result == VBP_OK)
        result = run_frame(job, error);
    if (result == VBP_OK)
        result = draw(job, error);
    inputs[2] = job->model ? job->model->card_origin : NULL;
    if (result == VBP_OK)
        result = frame_files_write(&(struct frame_files){.folder = job->options->output,
                                                         .overwrite = job->common->overwrite,
                                                         .inputs = inputs,
                                                         .raw = job->options->raw,
                                                         .model = job->model,
                                                         .runner = job->runner,
                                                         .frame_number = job->frame.frame.number,
                                                         .time = job->frame.frame.time,
                                                         .overlay = job->picture},
                                   error);
    if (result == VBP_OK)
        cli_note_assumptions(job->common, job->model);
    return result;
}

static int run(int argc, char **argv)
{
    static const struct option own_options[] = {{"out", required_argument, NULL, 'o'},
                                                {"at", required_argument, NULL, OPTION_AT},
                                                {"raw", no_argument, NULL, OPTION_RAW},
                                                {0}};
    struct frame_options options = {0};
    struct common_options common;
    struct job job = {.common = &common, .options = &options};
    VbpError error = {0};
    int status = cli_parse(&command_frame, argc, argv, "o:", own_options, take_option, &options,
                           &common, &job.name);

    if (status >= 0)
        return status;
    if (!common.model)
        return cli_usage_error(&command_frame, "-m MODEL is missing");
    if (!options.output)
        return cli_usage_error(&command_frame, "-o FOLDER is missing");
    status = work(&job, &error) == VBP_OK ? EXIT_DONE : cli_fail(&error);
    av_frame_free(&job.picture);
    frame_release(&job.frame.frame);
    source_close(&job.source);
    vbp_runner_destroy(&job.runner);
    vbp_model_close(&job.model);
    return status;
}

const struct command command_frame = {
    .name = "frame",
    .usage = "vbp frame SOURCE -m MODEL -o FOLDER [options]",
    .summary = "one frame to files: overlay, mask, levels, report",
    .help = "options:\n"
            "  -o, --out FOLDER       gets overlay.png mask.png levels.png mask.npy report.json\n"
            "      --at WHICH         a frame number (from 0) or a time (12.5, M:S, H:M:S)\n"
            "      --raw              also levels/NN_average.npy and levels/NN_product.npy\n",
    .run = run,
};
