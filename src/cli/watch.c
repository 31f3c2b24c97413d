/* vbp watch: the window. */
#include "base/error.h"
#include "base/file.h"
#include "base/memory.h"
#include "cli/cli.h"
#include "window/keys.h"
#include "window/window.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { OPTION_FULLSCREEN = OPTION_OWN, OPTION_START, OPTION_FRAMES, OPTION_STATS, OPTION_NO_DROP };

struct watch_options {
    bool fullscreen;
    bool no_drop;
    double start;     /* seconds */
    long long frames; /* 0: until the user quits */
    const char *stats;
};

struct job {
    const struct common_options *common;
    const struct watch_options *options;
    const char *name;
    VbpModel *model;
    VbpRunner *runner;
    struct source *source;
    char *notice; /* NULL: nothing to say */
};

static bool take_option(void *context, int option, const char *value)
{
    struct watch_options *options = context;

    switch (option) {
    case OPTION_FULLSCREEN:
        options->fullscreen = true;
        break;
    case OPTION_NO_DROP:
        options->no_drop = true;
        break;
    case OPTION_START:
        if (!cli_parse_time(value, &options->start)) {
            cli_usage_error(&command_watch, "'%s' is no time (seconds, M:S or H:M:S)", value);
            return false;
        }
        break;
    case OPTION_FRAMES:
        if (!cli_parse_integer(value, 1, INT64_MAX, &options->frames)) {
            cli_usage_error(&command_watch, "--frames takes a number from 1 on, not '%s'", value);
            return false;
        }
        break;
    case OPTION_STATS:
        options->stats = value;
        break;
    default:
        break;
    }
    return true;
}

/* With a mask if the network has one to make. */
static int open_model(struct job *job, VbpError *error)
{
    int result = cli_open_model(job->common, true, &job->model, &job->runner, error);

    if (result != VBP_ERROR_NO_MASK)
        return result;
    job->notice = memory_copy_text("no mask: the network has no level to make one of");
    if (!job->notice)
        return error_out_of_memory(error);
    return cli_open_model(job->common, false, &job->model, &job->runner, error);
}

static int open_source(struct job *job, VbpError *error)
{
    struct source_options source_options = {.threads = job->common->threads, .random_access = true};
    int result = source_open(&job->source, job->name, &source_options, error);

    if (result == VBP_OK && source_info(job->source)->kind == SOURCE_READY_INPUT)
        return error_set(error, VBP_ERROR_UNSUPPORTED,
                         "%s: a ready input is no drive to watch; `vbp frame` shows it", job->name);
    if (result == VBP_OK && job->model && !job->model->reads_images)
        return error_set(error, VBP_ERROR_UNSUPPORTED, "%s: the network's input is no picture",
                         job->common->model);
    return result;
}

static int check_stats(const struct job *job, VbpError *error)
{
    const char *stats = job->options->stats;

    if (stats && (file_same(stats, job->name) ||
                  (job->common->model && file_same(stats, job->common->model)) ||
                  (job->common->card && file_same(stats, job->common->card))))
        return error_set(error, VBP_ERROR_ARGUMENT, "%s: --stats would overwrite what is read",
                         stats);
    return VBP_OK;
}

static int play(struct job *job, VbpError *error)
{
    struct window_options window_options = {
        .name = job->name,
        .source = job->source,
        .model = job->model,
        .runner = job->runner,
        .notice = job->notice,
        .assumptions = job->model ? (const char *const *)job->model->assumptions : NULL,
        .assumption_count = job->model ? job->model->assumption_count : 0,
        .fullscreen = job->options->fullscreen,
        .show_every_frame = job->options->no_drop,
        .start = job->options->start,
        .frame_limit = job->options->frames,
    };
    struct statistics statistics;
    VbpError unwritten = {0};
    int result = window_run(&window_options, &statistics, error);

    if (job->options->stats &&
        statistics_write(&statistics, job->options->stats, &unwritten) != VBP_OK) {
        /* What went wrong first is what is told. */
        if (result == VBP_OK)
            *error = unwritten;
        result = result == VBP_OK ? unwritten.status : result;
    }
    statistics_free(&statistics);
    return result;
}

static int work(struct job *job, VbpError *error)
{
    int result = window_init(error);

    if (result != VBP_OK)
        return result;
    result = check_stats(job, error);
    if (result == VBP_OK && job->common->model)
        result = open_model(job, error);
    if (result == VBP_OK)
        result = open_source(job, error);
    if (result == VBP_OK && job->model)
        cli_note_assumptions(job->common, job->model);
    if (result == VBP_OK)
        result = play(job, error);
    return result;
}

static void print_key(void *context, const char *names, const char *help)
{
    (void)context;
    if (names)
        printf("  %-20s %s\n", names, help);
    else
        printf("%s\n", help);
}

static int run(int argc, char **argv)
{
    static const struct option own_options[] = {
        {"fullscreen", no_argument, NULL, OPTION_FULLSCREEN},
        {"no-drop", no_argument, NULL, OPTION_NO_DROP},
        {"start", required_argument, NULL, OPTION_START},
        {"frames", required_argument, NULL, OPTION_FRAMES},
        {"stats", required_argument, NULL, OPTION_STATS},
        {0}};
    struct watch_options options = {0};
    struct common_options common;
    struct job job = {.common = &common, .options = &options};
    VbpError error = {0};
    int status;

    if (argc == 2 && strcmp(argv[1], "--keys") == 0) {
        keys_walk(print_key, NULL);
        return fflush(stdout) == 0 ? EXIT_DONE : EXIT_FAILED;
    }
    status = cli_parse(&command_watch, argc, argv, "", own_options, take_option, &options, &common,
                       &job.name);
    if (status >= 0)
        return status;
    status = work(&job, &error) == VBP_OK ? EXIT_DONE : cli_fail(&error);
    source_close(&job.source);
    vbp_runner_destroy(&job.runner);
    vbp_model_close(&job.model);
    free(job.notice);
    return status;
}

const struct command command_watch = {
    .name = "watch",
    .usage = "vbp watch SOURCE [-m MODEL] [options]",
    .summary = "plays a drive in a window, with the mask over it",
    .help = "options:\n"
            "      --fullscreen       begin in full screen\n"
            "      --start TIME       begin there (12.5, M:S, H:M:S)\n"
            "      --no-drop          show every frame, also where that is too slow for the clip\n"
            "      --frames N         quit after N shown frames, or at the end of the drive\n"
            "      --stats FILE.json  write what was shown and how long it took\n"
            "      --keys             print the keys of the window (? shows them there)\n",
    .run = run,
};
