#include "train/trainer.h"

#include "base/file.h"
#include "base/memory.h"
#include "train/checkpoint.h"
#include "train/workers.h"

#include <math.h>
#include <string.h>
#include <time.h>

/* How far the stored statistics of a normalisation move with every batch. */
#define STATISTICS_MOMENTUM 0.1f

/* A loss this many times the first one does not come back. */
#define LOSS_GROWTH_MAX 1e6

struct run {
    struct graph *graph;
    struct loader *training, *validation;
    const struct train_options *options;
    struct parameters parameters;
    struct optimiser optimiser;
    struct workers *workers;
    struct checkpoint checkpoint; /* epoch, best, moment: where the run stands */
    float *gradients;
    double first_loss; /* of the run's first batch or, resumed, first epoch; negative: not yet */
    bool stopped;
};

static double seconds_now(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

/* 0, 0.1, 1, 4, 16, ... */
static double moment_after(double moment)
{
    return moment <= 0 ? 0.1 : moment < 1 ? 1 : moment * 4;
}

static double rate_at(const struct train_options *options, double epochs)
{
    if (!options->cosine)
        return options->optimiser.rate;
    return options->optimiser.rate * (1 + cos(M_PI * epochs / options->epochs)) / 2;
}

static int reach_moment(struct run *run, double epochs, VbpError *error)
{
    struct checkpoint *checkpoint = &run->checkpoint;
    int result = VBP_OK;

    if (epochs + 1e-9 < checkpoint->moment)
        return VBP_OK;
    if (run->options->moment)
        result = run->options->moment(run->options->context, epochs, run->graph, error);
    while (checkpoint->moment <= epochs + 1e-9)
        checkpoint->moment = moment_after(checkpoint->moment);
    return result;
}

/* An error where the loss says that the weights are on their way out of all bounds. */
static int check_growth(struct run *run, double loss, VbpError *error)
{
    if (run->first_loss < 0)
        run->first_loss = loss;
    /* Targets are of about unit size; from a first loss near 0, much may be left to grow. */
    if (isfinite(loss) && loss <= LOSS_GROWTH_MAX * fmax(run->first_loss, 1))
        return VBP_OK;
    return error_set(error, VBP_ERROR_NUMERIC,
                     "epoch %d: the loss grows without bound (%g, at first %g): the learning rate "
                     "of %g is too large",
                     run->checkpoint.epoch + 1, loss, run->first_loss,
                     run->options->optimiser.rate);
}

/* Infinite numbers inside the network have the cause that a growing loss has. */
static int explain(const struct run *run, int result, VbpError *error)
{
    if (result != VBP_ERROR_NUMERIC)
        return result;
    return error_prefix(error, "epoch %d: the learning rate of %g is too large: ",
                        run->checkpoint.epoch + 1, run->options->optimiser.rate);
}

/* One pass over the loader without changing anything. */
static int evaluate(struct workers *workers, struct loader *loader, int batch_size, double *loss,
                    double *absolute, VbpError *error)
{
    struct batch_sums total = {0};
    struct batch batch;
    size_t count = 0;
    int result = loader_begin(loader, 0, batch_size, error);

    while (result == VBP_OK && (result = loader_next(loader, &batch, error)) == VBP_OK) {
        struct batch_sums sums;

        result = workers_run(workers, &batch, NULL, &sums, error);
        total.loss += sums.loss;
        total.absolute += sums.absolute;
        count += (size_t)batch.count;
    }
    *loss = count > 0 ? total.loss / (double)count : 0;
    *absolute = count > 0 ? total.absolute / (double)count : 0;
    return result == 1 ? VBP_OK : result;
}

static int train_epoch(struct run *run, double *mean_loss, VbpError *error)
{
    const struct train_options *options = run->options;
    int epoch = run->checkpoint.epoch;
    size_t total, done = 0;
    double loss = 0;
    struct batch batch;
    int result = loader_begin(run->training, epoch, options->batch, error);

    if (result != VBP_OK)
        return result;
    total = loader_epoch_size(run->training);
    if (total == 0)
        return error_set(error, VBP_ERROR_ARGUMENT,
                         "no sample is left for an epoch: all drive straight on and none is kept");
    while ((result = loader_next(run->training, &batch, error)) == VBP_OK) {
        struct batch_sums sums;

        run->optimiser.options.rate = rate_at(options, epoch + (double)done / (double)total);
        result = workers_run(run->workers, &batch, run->gradients, &sums, error);
        result = explain(run, result, error);
        if (result == VBP_OK)
            result = check_growth(run, sums.loss / batch.count, error);
        if (result != VBP_OK)
            return result;
        workers_update_statistics(run->workers, run->graph, STATISTICS_MOMENTUM);
        optimiser_step(&run->optimiser, &run->parameters, run->graph, run->gradients);
        loss += sums.loss;
        done += (size_t)batch.count;
        if (options->progress)
            options->progress(options->context, epoch, done, total, loss / (double)done);
        result = reach_moment(run, epoch + (double)done / (double)total, error);
        if (result != VBP_OK)
            return result;
        if (options->stop && options->stop(options->context)) {
            run->stopped = true;
            break;
        }
    }
    *mean_loss = done > 0 ? loss / (double)done : 0;
    return result == 1 ? VBP_OK : result;
}

static bool all_finite(const float *values, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (!isfinite(values[i]))
            return false;
    }
    return true;
}

/* The checkpoint, with the report of the epoch that ended and what the caller keeps. */
static int write_checkpoint(struct run *run, VbpError *error)
{
    const struct train_options *options = run->options;
    struct checkpoint *checkpoint = &run->checkpoint;
    unsigned char *kept = NULL;
    size_t length = 0;
    int result = VBP_OK;

    if (!options->checkpoint)
        return VBP_OK;
    if (options->keep) {
        result = options->keep(options->context, &kept, &length, error);
        if (result != VBP_OK)
            return result;
        free(checkpoint->kept);
        checkpoint->kept = kept;
        checkpoint->kept_length = length;
    }
    return checkpoint_write(checkpoint, options->checkpoint, error);
}

static int finish_epoch(struct run *run, double training_loss, double seconds, VbpError *error)
{
    const struct train_options *options = run->options;
    struct checkpoint *checkpoint = &run->checkpoint;
    struct epoch_report report = {.training_loss = training_loss,
                                  .samples_per_second =
                                      (double)loader_epoch_size(run->training) / seconds,
                                  .rate = run->optimiser.options.rate};
    int result = VBP_OK;

    report.validation_loss = training_loss;
    report.validation_error = NAN;
    if (run->validation)
        result = explain(run,
                         evaluate(run->workers, run->validation, options->batch,
                                  &report.validation_loss, &report.validation_error, error),
                         error);
    checkpoint_take_weights(checkpoint->weights, run->graph);
    if (result == VBP_OK)
        result = check_growth(run,
                              all_finite(checkpoint->weights, checkpoint->weight_count)
                                  ? report.validation_loss
                                  : NAN,
                              error);
    if (result == VBP_OK &&
        !memory_grow((void **)&checkpoint->reports, &checkpoint->report_capacity,
                     (size_t)checkpoint->epoch + 1, sizeof(*checkpoint->reports)))
        result = error_out_of_memory(error);
    if (result != VBP_OK)
        return result;
    report.epoch = ++checkpoint->epoch;
    report.best = !run->validation || report.validation_loss < checkpoint->best_loss;
    if (report.best) {
        checkpoint->best_epoch = checkpoint->epoch;
        checkpoint->best_loss = report.validation_loss;
        checkpoint->best_error = report.validation_error;
        memcpy(checkpoint->best_weights, checkpoint->weights,
               checkpoint->weight_count * sizeof(float));
    }
    memcpy(checkpoint->state, run->optimiser.state, run->optimiser.count * sizeof(float));
    checkpoint->steps = run->optimiser.steps;
    checkpoint->reports[checkpoint->epoch - 1] = report;
    result = write_checkpoint(run, error);
    if (result == VBP_OK && options->epoch_done)
        result = options->epoch_done(options->context, &report, error);
    return result;
}

static int prepare(struct run *run, VbpError *error)
{
    const struct train_options *options = run->options;
    int result = VBP_OK;

    if (options->patience > 0 && !run->validation)
        return error_set(error, VBP_ERROR_ARGUMENT,
                         "nothing is held out, so patience has nothing to look at");
    result = parameters_find(&run->parameters, run->graph, error);
    if (result == VBP_OK && run->parameters.total == 0)
        result = error_set(error, VBP_ERROR_UNSUPPORTED, "the network has no weights to train");
    if (result == VBP_OK)
        result = optimiser_create(&run->optimiser, &options->optimiser, &run->parameters, error);
    if (result == VBP_OK)
        result = checkpoint_create(&run->checkpoint, run->graph, run->optimiser.count, error);
    if (result == VBP_OK)
        result = workers_create(&run->workers, run->graph, &run->parameters, options, error);
    if (result != VBP_OK)
        return result;
    run->gradients = memory_aligned_array(run->parameters.total, sizeof(float));
    if (!run->gradients)
        return error_out_of_memory(error);
    run->checkpoint.best_loss = INFINITY;
    run->checkpoint.best_error = NAN;
    run->checkpoint.identity = identity_make(run->graph, run->training, run->validation, options);
    return VBP_OK;
}

static int resume(struct run *run, VbpError *error)
{
    const struct train_options *options = run->options;
    int result;

    if (!options->resume || !options->checkpoint || !file_exists(options->checkpoint))
        return VBP_OK;
    result = checkpoint_read(&run->checkpoint, options->checkpoint, error);
    if (result != VBP_OK)
        return result;
    checkpoint_put_weights(run->graph, run->checkpoint.weights);
    memcpy(run->optimiser.state, run->checkpoint.state, run->optimiser.count * sizeof(float));
    run->optimiser.steps = run->checkpoint.steps;
    run->first_loss = run->checkpoint.reports[0].training_loss;
    if (options->resumed)
        result = options->resumed(options->context, run->checkpoint.reports,
                                  (size_t)run->checkpoint.epoch, run->checkpoint.kept,
                                  run->checkpoint.kept_length, error);
    return result;
}

static bool goes_on(const struct run *run)
{
    const struct checkpoint *checkpoint = &run->checkpoint;

    if (run->stopped || checkpoint->epoch >= run->options->epochs)
        return false;
    return run->options->patience == 0 ||
           checkpoint->epoch - checkpoint->best_epoch < run->options->patience;
}

static int run_epochs(struct run *run, VbpError *error)
{
    int result = reach_moment(run, run->checkpoint.epoch, error);

    while (result == VBP_OK && goes_on(run)) {
        double start = seconds_now(), loss = 0;

        result = train_epoch(run, &loss, error);
        if (result == VBP_OK && !run->stopped)
            result = finish_epoch(run, loss, seconds_now() - start, error);
    }
    return result;
}

int train_run(struct graph *graph, struct loader *training, struct loader *validation,
              const struct train_options *options, struct train_result *result, VbpError *error)
{
    struct run run = {.graph = graph,
                      .training = training,
                      .validation = validation,
                      .options = options,
                      .first_loss = -1};
    int status = prepare(&run, error);

    *result = (struct train_result){0};
    if (status == VBP_OK)
        status = resume(&run, error);
    if (status == VBP_OK)
        status = run_epochs(&run, error);
    if (status == VBP_OK) {
        if (run.checkpoint.best_epoch > 0)
            checkpoint_put_weights(graph, run.checkpoint.best_weights);
        *result = (struct train_result){.epochs = run.checkpoint.epoch,
                                        .best_epoch = run.checkpoint.best_epoch,
                                        .best_validation_loss = run.checkpoint.best_loss,
                                        .best_validation_error = run.checkpoint.best_error,
                                        .stopped = run.stopped};
        if (options->moment)
            status = options->moment(options->context, run.checkpoint.best_epoch, graph, error);
    }
    workers_destroy(&run.workers);
    checkpoint_free(&run.checkpoint);
    optimiser_free(&run.optimiser);
    parameters_free(&run.parameters);
    free(run.gradients);
    return status;
}

int train_evaluate(const struct graph *graph, struct loader *loader,
                   const struct train_options *options, double *loss, double *error_mean,
                   VbpError *error)
{
    struct parameters parameters;
    struct workers *workers = NULL;
    int result = parameters_find(&parameters, graph, error);

    if (result == VBP_OK)
        result = workers_create(&workers, graph, &parameters, options, error);
    if (result == VBP_OK)
        result = evaluate(workers, loader, options->batch, loss, error_mean, error);
    workers_destroy(&workers);
    parameters_free(&parameters);
    return result;
}
