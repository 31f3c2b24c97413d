/* vbp export: an annotated clip. */
#include "base/error.h"
#include "base/file.h"
#include "cli/cli.h"
#include "media/writer.h"
#include "pipeline/annotate.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { OPTION_START = OPTION_OWN, OPTION_END, OPTION_CRF, OPTION_CODEC, OPTION_CLEAN };

#define CRF_MOST 63

/* Less of the promised frames than this, and the file is cut off. */
#define CUT_OFF_SHARE 0.95

struct export_options {
    const char *output;
    double start, end; /* seconds; end <= 0: none */
    int crf;           /* -1: the encoder's own */
    const char *codec; /* NULL: H.264 */
    bool clean;
};

struct job {
    const struct common_options *common;
    const struct export_options *options;
    const char *name;
    VbpModel *model;
    VbpRunner *runner;
    struct source *source;
    struct pipeline *pipeline;
    struct annotator *annotator;
    struct writer *writer;
    struct progress *progress;
};

static bool take_option(void *context, int option, const char *value)
{
    struct export_options *options = context;
    long long number;

    switch (option) {
    case 'o':
        options->output = value;
        break;
    case OPTION_START:
    case OPTION_END:
        if (!cli_parse_time(value, option == OPTION_START ? &options->start : &options->end)) {
            cli_usage_error(&command_export, "%s takes a time (12.5, M:S or H:M:S), not '%s'",
                            option == OPTION_START ? "--start" : "--end", value);
            return false;
        }
        if (option == OPTION_END && options->end <= 0) {
            cli_usage_error(&command_export, "--end must be later than 0");
            return false;
        }
        break;
    case OPTION_CRF:
        if (!cli_parse_integer(value, 0, CRF_MOST, &number)) {
            cli_usage_error(&command_export, "--crf takes a number from 0 to %d, not '%s'",
                            CRF_MOST, value);
            return false;
        }
        options->crf = (int)number;
        break;
    case OPTION_CODEC:
        options->codec = value;
        break;
    case OPTION_CLEAN:
        options->clean = true;
        break;
    default:
        break;
    }
    return true;
}

/* What encoders take: YUV as it comes; the rest becomes 4:2:0, or 4:4:4 where that loses a row. */
static enum AVPixelFormat output_format(const AVFrame *picture)
{
    switch (picture->format) {
    case AV_PIX_FMT_YUV420P:
    case AV_PIX_FMT_YUV422P:
    case AV_PIX_FMT_YUV444P:
        return picture->format;
    default:
        return picture->width % 2 || picture->height % 2 ? AV_PIX_FMT_YUV444P : AV_PIX_FMT_YUV420P;
    }
}

/* For a clip that begins with `frame`, drawn as `picture`. */
static int open_writer(struct job *job, const struct frame *frame, const AVFrame *picture,
                       VbpError *error)
{
    const struct source_info *info = source_info(job->source);
    const struct export_options *options = job->options;
    struct writer_options writer_options = {
        .codec = options->codec,
        .crf = options->crf,
        .threads = job->common->threads,
        .width = picture->width,
        .height = picture->height,
        .format = picture->format,
        .time_base = info->time_base,
        .frame_rate = info->frame_rate,
        .sample_aspect_ratio = info->sample_aspect_ratio,
        .color_space = picture->colorspace,
        .color_range = picture->color_range,
        .color_primaries = picture->color_primaries,
        .color_transfer = picture->color_trc,
        .audio_source = info->has_audio && info->seekable ? job->name : NULL,
        .audio_end = -1,
    };

    if (options->start > 0) {
        writer_options.origin_pts = frame->pts;
        writer_options.audio_start = (double)frame->pts * av_q2d(info->time_base);
    }
    if (options->end > 0)
        writer_options.audio_end =
            (double)frame->pts * av_q2d(info->time_base) + options->end - frame->time;
    return writer_open(&job->writer, options->output, &writer_options, error);
}

static int open_annotator(struct job *job, const AVFrame *picture, VbpError *error)
{
    return annotator_create(&job->annotator, job->model, output_format(picture), error);
}

static int write_frame(struct job *job, const struct analysed_frame *frame, VbpError *error)
{
    struct annotate_options annotate = annotate_default_options();
    AVFrame *picture = NULL;
    int result = VBP_OK;

    annotate.hud = annotate.crop_box = !job->options->clean;
    if (!job->annotator)
        result = open_annotator(job, frame->frame.picture, error);
    if (result == VBP_OK)
        result = annotator_draw(job->annotator, frame, &annotate, &picture, error);
    if (result == VBP_OK && !job->writer)
        result = open_writer(job, &frame->frame, picture, error);
    if (result == VBP_OK) {
        picture->pts = frame->frame.pts;
        result = writer_write(job->writer, picture, error);
    }
    av_frame_free(&picture);
    return result;
}

/*
 * A file that is cut off is not a short drive. Frames that are damaged come all the same; so where
 * packets were damaged and a good part of the frames that the file promises never came, the rest of
 * it is not there.
 */
static int check_whole(struct job *job, int64_t written, VbpError *error)
{
    const struct source_info *info = source_info(job->source);
    int64_t promised = info->frame_count;

    if (job->options->start > 0 || job->options->end > 0 || promised <= 0 ||
        pipeline_damage(job->pipeline).packets == 0 ||
        (double)written >= CUT_OFF_SHARE * (double)promised)
        return VBP_OK;
    return error_set(error, VBP_ERROR_FORMAT,
                     "%s: cut off, only %" PRId64 " of %" PRId64
                     " frames are there; --end exports a part",
                     job->name, written, promised);
}

static int write_all(struct job *job, VbpError *error)
{
    struct analysed_frame frame;
    int64_t written = 0;

    for (;;) {
        int result;

        switch (pipeline_next(job->pipeline, &frame, error)) {
        case PIPELINE_FRAME:
            result = write_frame(job, &frame, error);
            pipeline_release(job->pipeline, &frame);
            if (result != VBP_OK)
                return result;
            progress_update(job->progress, ++written);
            break;
        case PIPELINE_FAILED:
            return error->status;
        case PIPELINE_NOTHING:
        case PIPELINE_END:
            if (written == 0)
                return error_set(error, VBP_ERROR_FORMAT, "%s: no frame to export%s", job->name,
                                 job->options->start > 0 || job->options->end > 0
                                     ? " between --start and --end"
                                     : "");
            result = check_whole(job, written, error);
            return result == VBP_OK ? writer_finish(job->writer, error) : result;
        }
    }
}

static int64_t expected_frames(const struct job *job)
{
    const struct source_info *info = source_info(job->source);
    const struct export_options *options = job->options;

    if (options->start <= 0 && options->end <= 0)
        return info->frame_count;
    if (info->duration <= 0 || info->frame_count <= 0)
        return -1;
    return (int64_t)ceil(
        (fmin(options->end > 0 ? options->end : info->duration, info->duration) - options->start) /
        info->duration * (double)info->frame_count);
}

static int check_output(const struct job *job, VbpError *error)
{
    const char *output = job->options->output;
    const char *card = job->model->card_origin;

    if (file_same(output, job->name) || file_same(output, job->common->model) ||
        (card && file_same(output, card)))
        return error_set(error, VBP_ERROR_ARGUMENT, "%s: the output would replace an input",
                         output);
    if (file_exists(output) && !job->common->overwrite)
        return error_set(error, VBP_ERROR_IO, "%s exists already; -y replaces it", output);
    return VBP_OK;
}

static int export(struct job *job, VbpError *error)
{
    const struct export_options *options = job->options;
    struct source_options source_options = {.threads = job->common->threads,
                                            .random_access = options->start > 0};
    struct pipeline_options pipeline_options = {.end = options->end};
    const struct source_info *info;
    int result = cli_open_model(job->common, true, &job->model, &job->runner, error);

    if (result == VBP_OK)
        result = check_output(job, error);
    if (result == VBP_OK)
        result = source_open(&job->source, job->name, &source_options, error);
    if (result != VBP_OK)
        return result;
    info = source_info(job->source);
    if (info->kind == SOURCE_READY_INPUT)
        return error_set(error, VBP_ERROR_ARGUMENT,
                         "%s: a ready input has no pictures to export; see vbp frame", job->name);
    if (info->duration > 0 && options->start >= info->duration)
        return error_set(error, VBP_ERROR_ARGUMENT, "%s: --start %g is past the end (%g s)",
                         job->name, options->start, info->duration);
    if (options->start > 0)
        result = source_seek_time(job->source, options->start, error);
    pipeline_options.runner = job->runner;
    if (result == VBP_OK)
        result = pipeline_start(&job->pipeline, job->source, &pipeline_options, error);
    if (result != VBP_OK)
        return result;
    job->progress = progress_start(job->common, "exporting", expected_frames(job));
    result = write_all(job, error);
    progress_finish(&job->progress);
    return result;
}

static void report(struct job *job)
{
    const struct source_info *info = source_info(job->source);
    struct source_damage damage = pipeline_damage(job->pipeline);

    cli_note_assumptions(job->common, job->model);
    if (info->has_audio && !info->seekable)
        cli_note(job->common, "%s: no audio, since a stream cannot be read twice", job->name);

    if (damage.packets > 0 || damage.frames > 0)
        cli_note(job->common,
                 "%s: %" PRId64 " damaged packets skipped, %" PRId64
                 " frames with concealed errors",
                 job->name, damage.packets, damage.frames);
    cli_note(job->common, "%s: %" PRId64 " frames", job->options->output,
             writer_frame_count(job->writer));
}

static int run(int argc, char **argv)
{
    static const struct option own_options[] = {{"out", required_argument, NULL, 'o'},
                                                {"start", required_argument, NULL, OPTION_START},
                                                {"end", required_argument, NULL, OPTION_END},
                                                {"crf", required_argument, NULL, OPTION_CRF},
                                                {"codec", required_argument, NULL, OPTION_CODEC},
                                                {"clean", no_argument, NULL, OPTION_CLEAN},
                                                {0}};
    struct export_options options = {.crf = -1};
    struct common_options common;
    struct job job = {.common = &common, .options = &options};
    VbpError error = {0};
    int status = cli_parse(&command_export, argc, argv, "o:", own_options, take_option, &options,
                           &common, &job.name);

    if (status >= 0)
        return status;
    if (!common.model)
        return cli_usage_error(&command_export, "-m MODEL is missing");
    if (!options.output)
        return cli_usage_error(&command_export, "-o OUTPUT is missing");
    if (options.end > 0 && options.end <= options.start)
        return cli_usage_error(&command_export, "--end must be later than --start");
    if (export(&job, &error) == VBP_OK) {
        report(&job);
        status = EXIT_DONE;
    } else {
        status = cli_fail(&error);
    }
    pipeline_stop(&job.pipeline);
    writer_close(&job.writer);
    annotator_destroy(&job.annotator);
    source_close(&job.source);
    vbp_runner_destroy(&job.runner);
    vbp_model_close(&job.model);
    return status;
}

const struct command command_export = {
    .name = "export",
    .usage = "vbp export SOURCE -m MODEL -o OUT.mp4 [options]",
    .summary = "write a clip with the mask over the road and the steering drawn in",
    .help = "options:\n"
            "  -o, --out FILE         the clip; mp4, m4v, mov, mkv or webm by its ending\n"
            "      --start TIME       begin here (seconds, M:S or H:M:S)\n"
            "      --end TIME         end before this\n"
            "      --codec NAME       FFmpeg encoder (default: libx264; in webm libvpx-vp9)\n"
            "      --crf N            quality, 0 best to 63 (default: the encoder's own)\n"
            "      --clean            the mask only, no gauges and no crop box\n",
    .run = run,
};
