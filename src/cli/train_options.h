/* What `vbp train` was asked to do. */
#ifndef VBP_CLI_TRAIN_OPTIONS_H
#define VBP_CLI_TRAIN_OPTIONS_H

#include "cli/cli.h"
#include "train/trainer.h"

struct train_command {
    const char *dataset;
    const char *output, *net, *masks, *log, *plot; /* net: NULL where a model is trained further */
    struct train_options train;
    struct augmentation augmentation;
    struct dataset_options drives; /* which records, which cameras */
    double hold_out;
    double straight_share;
    bool rate_given;
};

/* Returns -1 to go on, else the exit status (help was printed, or usage was wrong). */
int train_parse(int argc, char **argv, struct train_command *command,
                struct common_options *common);

#endif
