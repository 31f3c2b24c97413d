/* The commands, and what they share: options, models, messages, progress. */
#ifndef VBP_CLI_CLI_H
#define VBP_CLI_CLI_H

#include "api/model.h"
#include "kernels/dispatch.h"
#include "media/source.h"
#include "vbp.h"

#include <getopt.h>
#include <stdbool.h>
#include <stdio.h>

enum exit_status { EXIT_DONE = 0, EXIT_FAILED = 1, EXIT_USAGE = 2 };

struct command {
    const char *name;
    const char *usage;                 /* "vbp frame SOURCE -m MODEL -o DIR [options]" */
    const char *summary;               /* one line for `vbp --help` */
    const char *help;                  /* options of the command's own, as printed by -h */
    int (*run)(int argc, char **argv); /* argv[0] is the command; returns an exit_status */
};

extern const struct command command_watch, command_export, command_frame, command_info;
extern const struct command command_convert, command_train, command_eval, command_bench;

/* ---- Options that all commands share -------------------------------------------------------- */

struct common_options {
    const char *model;  /* -m; NULL: none */
    const char *card;   /* --card */
    const char *output; /* --output: the name of the one that steers; NULL: not said */
    VbpAverage average; /* --average */
    bool even;          /* --even */
    int threads;        /* --threads; 0: as many as cores for video, one for the network */
    enum isa isa;       /* --isa, or else VBP_ISA in the environment */
    int verbosity;      /* -1 quiet, 0, 1 verbose */
    bool overwrite;     /* -y */
};

/* A command's own long option; value: getopt_long's val, >= OPTION_OWN, or a letter. */
enum { OPTION_OWN = 512 };

/*
 * Parses argv: common options into *common, the command's own ones through `own` (which returns
 * false for a bad value, after reporting it with cli_usage_error). Leaves exactly one SOURCE in
 * *operand. Returns -1 to go on, else the exit status (help was printed, or usage was wrong).
 */
int cli_parse(const struct command *command, int argc, char **argv, const char *own_letters,
              const struct option *own_options,
              bool (*own)(void *context, int option, const char *value), void *context,
              struct common_options *common, const char **operand);

/* "vbp frame: ..." and a hint to -h on stderr; returns EXIT_USAGE. */
int cli_usage_error(const struct command *command, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* "vbp: MESSAGE" on stderr; returns EXIT_FAILED. */
int cli_fail(const VbpError *error);

/* A message on stderr unless quiet. */
void cli_note(const struct common_options *common, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* "12.5", "1:02.5" or "1:00:00" as seconds; false if it is none of these. */
bool cli_parse_time(const char *text, double *seconds);

/* A whole decimal number in least..most. */
bool cli_parse_integer(const char *text, long long least, long long most, long long *value);

/* ---- What commands do ----------------------------------------------------------------------- */

/* How the options want a model opened. */
VbpModelOptions cli_model_options(const struct common_options *common);

/* Opens model and runner as the options say; mask == false: network only. Both NULL on failure. */
int cli_open_model(const struct common_options *common, bool mask, VbpModel **model,
                   VbpRunner **runner, VbpError *error);

/* Says what was assumed because no card said it (unless quiet). */
void cli_note_assumptions(const struct common_options *common, const VbpModel *model);

/* A bar on stderr, drawn at most ten times a second, and only on a terminal. */
struct progress;
struct progress *progress_start(const struct common_options *common, const char *what,
                                int64_t total); /* total < 0: unknown. NULL: not shown */
void progress_update(struct progress *progress, int64_t done);
void progress_finish(struct progress **progress);

#endif
