#include "cli/training_log.h"

#include "base/error.h"
#include "base/file.h"
#include "base/memory.h"
#include "draw/plot.h"
#include "media/image_writer.h"

#include <stdlib.h>

#define PLOT_WIDTH  900
#define PLOT_HEIGHT 500

int training_log_add(struct training_log *log, const struct epoch_report *report, VbpError *error)
{
    if (!memory_grow((void **)&log->reports, &log->capacity, log->count + 1, sizeof(*log->reports)))
        return error_out_of_memory(error);
    log->reports[log->count++] = *report;
    return VBP_OK;
}

void training_log_free(struct training_log *log)
{
    free(log->reports);
    *log = (struct training_log){0};
}

int training_log_write_csv(const struct training_log *log, const char *path, VbpError *error)
{
    struct file_writer writer;
    int result = file_writer_begin(&writer, path, error);

    if (result != VBP_OK)
        return result;
    fputs("epoch,training_loss,validation_loss,validation_error,learning_rate,samples_per_second\n",
          writer.stream);
    for (size_t i = 0; i < log->count; i++) {
        const struct epoch_report *report = &log->reports[i];

        fprintf(writer.stream, "%d,%.9g,%.9g,%.9g,%.9g,%.1f\n", report->epoch,
                report->training_loss, report->validation_loss, report->validation_error,
                report->rate, report->samples_per_second);
    }
    return file_writer_commit(&writer, error);
}

int training_log_write_plot(const struct training_log *log, const char *path, VbpError *error)
{
    struct plot_options options = {
        .title = "Training", .x_label = "epoch", .y_label = "loss", .log_y = true};
    double *values = memory_array(3 * log->count, sizeof(*values));
    struct plot_series series[2];
    uint8_t *pixels = NULL;
    int result;

    if (!values)
        return error_out_of_memory(error);
    for (size_t i = 0; i < log->count; i++) {
        values[i] = log->reports[i].epoch;
        values[log->count + i] = log->reports[i].training_loss;
        values[2 * log->count + i] = log->reports[i].validation_loss;
    }
    series[0] = (struct plot_series){"training", values, values + log->count, log->count};
    series[1] = (struct plot_series){"held out", values, values + 2 * log->count, log->count};
    result = plot_draw(&options, series, 2, PLOT_WIDTH, PLOT_HEIGHT, &pixels, error);
    if (result == VBP_OK)
        result =
            image_write_pixels(path, pixels, PLOT_WIDTH, PLOT_HEIGHT, 3, 3 * PLOT_WIDTH, error);
    free(pixels);
    free(values);
    return result;
}
