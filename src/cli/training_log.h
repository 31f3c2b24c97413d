/* What training said after each epoch, kept for a CSV and a picture. */
#ifndef VBP_CLI_TRAINING_LOG_H
#define VBP_CLI_TRAINING_LOG_H

#include "train/trainer.h"

struct training_log {
    struct epoch_report *reports;
    size_t count, capacity;
};

int training_log_add(struct training_log *log, const struct epoch_report *report, VbpError *error);
void training_log_free(struct training_log *log);

/* epoch,training_loss,validation_loss,validation_error,learning_rate,samples_per_second */
int training_log_write_csv(const struct training_log *log, const char *path, VbpError *error);

/* Both losses over the epochs, as PNG. */
int training_log_write_plot(const struct training_log *log, const char *path, VbpError *error);

#endif
