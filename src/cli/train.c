/* vbp train: a network from labelled drives. */
#include "base/error.h"
#include "base/file.h"
#include "base/memory.h"
#include "cli/train_options.h"
#include "cli/train_outputs.h"
#include "cli/training_log.h"
#include "formats/formats.h"
#include "train/network.h"
#include "train/split.h"
#include "train/strip.h"

#include <math.h>
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

/* Images at the network's size that are kept in memory, so that they are decoded once. */
#define CACHE_BYTES ((size_t)3 << 30)

struct job {
    const struct common_options *common;
    const struct train_command *command;
    struct card card;
    struct preprocess_settings settings;
    struct graph *graph;
    struct dataset *dataset;
    struct split split;
    double label_scale;
    int output; /* index of the output that steers */
    struct loader *training, *validation;
    struct strip *strip;
    VbpError masks_error; /* the first, where masks failed while the network was being trained */
    struct training_log log;
    struct progress *progress;
    int progress_epoch;
};

/* Signal handlers have no context, so this one flag is the program's. */
static volatile sig_atomic_t interrupted;

static void interrupt(int signal_number)
{
    (void)signal_number;
    interrupted = 1;
}

/* ---- The network and its card --------------------------------------------------------------- */

/* Training takes the steering for one number. */
static int refuse_bins(const struct card *card, VbpError *error)
{
    if (!card->output.has_kind || card->output.kind != CARD_BINS)
        return VBP_OK;
    return error_set(error, VBP_ERROR_UNSUPPORTED,
                     "the card's output.kind is bins; only networks whose steering is one number "
                     "can be trained");
}

/* For a network made anew: what the card says, else -1..1 in the colours of the channels. */
static int fill_card(struct job *job, VbpError *error)
{
    struct card *card = &job->card;
    int result = refuse_bins(card, error);

    for (int i = 0; i < card->lambda_count && result == VBP_OK; i++) {
        if (strcmp(card->lambdas[i].name, "*") != 0)
            result = card_refuse_lambda(&card->lambdas[i], NULL, error);
    }
    card_drop_lambdas(card);
    if (result != VBP_OK)
        return result;
    if (!card->input.has_color) {
        card->input.has_color = true;
        card->input.color =
            job->graph->tensors[job->graph->input].shape.extent[1] == 1 ? CARD_GRAY : CARD_RGB;
    }
    if (card->input.scale.count == 0 && card->input.bias.count == 0) {
        card->input.scale = (struct card_factor){1, {1 / 127.5}};
        card->input.bias = (struct card_factor){1, {-1}};
    }
    if (!card->input.has_resize) {
        card->input.has_resize = true;
        card->input.resize = CARD_AREA;
    }
    /* As opening the file will, so that what is trained can be opened. */
    return model_check(job->graph, card, &job->settings, &job->output, error);
}

static int make_network(struct job *job, VbpError *error)
{
    const char *card = job->common->card;
    int result = VBP_OK;

    if (card)
        result = card_read(card, &job->card, error);
    if (result == VBP_OK)
        result = network_build(&job->graph, job->command->net, job->command->train.seed, error);
    if (result != VBP_OK)
        return result;
    result = fill_card(job, error);
    return result == VBP_OK || !card ? result : error_prefix(error, "%s: ", card);
}

/* Takes over what the model is made of. */
static int take_model(struct job *job, VbpModel *model, VbpError *error)
{
    size_t length = model_output_length(model, model->steering_output);
    int result = refuse_bins(&model->card, error);

    if (result != VBP_OK)
        return result;
    if (!model->reads_images)
        return error_set(error, VBP_ERROR_UNSUPPORTED,
                         "its input is no picture of 1 or 3 channels");
    if (length != 1)
        return error_set(error, VBP_ERROR_UNSUPPORTED,
                         "its steering output '%s' is %zu numbers; only networks whose steering is "
                         "one number can be trained",
                         vbp_model_output_name(model, model->steering_output), length);
    result = graph_copy(&job->graph, model->graph, error);
    if (result != VBP_OK)
        return result;
    job->settings = model->settings;
    job->output = model->steering_output;
    job->card = model->card;
    model->card = (struct card){0};
    return VBP_OK;
}

/* Makes a new network, or takes a trained one to go on with. */
static int prepare_network(struct job *job, VbpError *error)
{
    VbpModelOptions options = cli_model_options(job->common);
    VbpModel *model;
    int result;

    if (!job->common->model)
        return make_network(job, error);
    result = vbp_model_open(&model, job->common->model, &options, error);
    if (result != VBP_OK)
        return result;
    result = take_model(job, model, error);
    if (result != VBP_OK)
        error_prefix(error, "%s: ", job->common->model);
    vbp_model_close(&model);
    return result;
}

/* ---- Data ----------------------------------------------------------------------------------- */

/* Targets of about unit size train well whatever the label's unit. */
static double choose_label_scale(const struct job *job)
{
    double sum = 0;

    for (size_t i = 0; i < job->split.training_count; i++) {
        double steering = job->dataset->samples[job->split.training[i]].steering;

        sum += steering * steering;
    }
    sum = sqrt(sum / (double)job->split.training_count);
    return sum > 1e-9 ? 1 / sum : 1;
}

static void show_reading(void *context, size_t done, size_t total)
{
    struct job *job = context;

    if (!job->progress)
        job->progress = progress_start(job->common, "reading", (int64_t)total);
    progress_update(job->progress, (int64_t)done);
}

/* Every image once: what cannot be read is to be known now and not after hours. */
static int check_images(struct job *job, struct loader *loader, VbpError *error)
{
    int result =
        loader ? loader_check(loader, job->command->train.batch, show_reading, job, error) : VBP_OK;

    progress_finish(&job->progress);
    if (result == VBP_OK || result == VBP_ERROR_MEMORY)
        return result;
    return error_prefix(error, "an image cannot be trained on; mend it or take it out of the data "
                               "set: ");
}

static int make_loaders(struct job *job, VbpError *error)
{
    const struct train_command *command = job->command;
    struct loader_options options = {.settings = job->settings,
                                     .seed = command->train.seed,
                                     .threads = command->train.threads,
                                     .label_scale = job->label_scale,
                                     .cache_bytes = CACHE_BYTES / 4,
                                     .straight_share = 1};
    int result = VBP_OK;

    if (job->split.validation_count > 0)
        result = loader_create(&job->validation, job->dataset, job->split.validation,
                               job->split.validation_count, &options, error);
    options.cache_bytes = CACHE_BYTES;
    options.shuffle = true;
    options.augmentation = command->augmentation;
    /* A pixel of the picture is worth as much steering whatever the label's unit: as a full shift
     * moves the car by about the width of its lane, it is worth three times the usual steering. */
    options.augmentation.shift_label = (job->card.output.positive_left ? -3 : 3) / job->label_scale;
    options.straight_share = command->straight_share;
    options.straight_limit = 0.1;
    if (result == VBP_OK)
        result = loader_create(&job->training, job->dataset, job->split.training,
                               job->split.training_count, &options, error);
    return result;
}

static void note_data(const struct job *job)
{
    const char *name = job->command->dataset;

    cli_note(job->common, "%s: %s, %zu samples in %d drives; %zu to train, %zu held out", name,
             job->dataset->kind, job->dataset->count, job->dataset->drive_count,
             job->split.training_count, job->split.validation_count);
    if (job->dataset->missing_images > 0)
        cli_note(job->common, "%zu images are missing, the first is %s",
                 job->dataset->missing_images, job->dataset->first_missing);
    if (job->command->hold_out > 0 && !job->validation)
        cli_note(job->common,
                 "--hold-out %g of these samples is none: the last epoch's weights will be taken, "
                 "and nothing tells how good they are",
                 job->command->hold_out);
}

static int prepare_data(struct job *job, VbpError *error)
{
    const struct train_command *command = job->command;
    int result = dataset_open(&job->dataset, command->dataset, &command->drives, error);

    if (result == VBP_OK)
        result = split_make(&job->split, job->dataset, command->hold_out, error);
    if (result == VBP_OK && command->train.patience > 0 && job->split.validation_count == 0)
        result = error_set(error, VBP_ERROR_ARGUMENT,
                           "%s: --hold-out %g of %zu samples is none, so --patience has nothing to "
                           "look at",
                           command->dataset, command->hold_out, job->dataset->count);
    if (result != VBP_OK)
        return result;
    job->label_scale = choose_label_scale(job);
    result = make_loaders(job, error);
    if (result != VBP_OK)
        return result;
    note_data(job);
    result = check_images(job, job->validation, error);
    return result == VBP_OK ? check_images(job, job->training, error) : result;
}

/* ---- Training ------------------------------------------------------------------------------- */

static void show_progress(void *context, int epoch, size_t done, size_t total, double loss)
{
    struct job *job = context;

    (void)loss;
    if (job->progress_epoch != epoch) {
        progress_finish(&job->progress);
        job->progress = progress_start(job->common, "training", (int64_t)total);
        job->progress_epoch = epoch;
    }
    progress_update(job->progress, (int64_t)done);
}

/* The report in the label's unit, for the log. */
static int log_report(struct job *job, const struct epoch_report *report, VbpError *error)
{
    struct epoch_report in_unit = *report;

    in_unit.validation_error /= job->label_scale;
    return training_log_add(&job->log, &in_unit, error);
}

static int epoch_done(void *context, const struct epoch_report *report, VbpError *error)
{
    struct job *job = context;

    progress_finish(&job->progress);
    if (job->validation)
        cli_note(job->common,
                 "epoch %d: loss %.5f, held out %.5f, off by %.5g on average; %.0f samples/s%s",
                 report->epoch, report->training_loss, report->validation_loss,
                 report->validation_error / job->label_scale, report->samples_per_second,
                 report->best ? ", best" : "");
    else
        cli_note(job->common, "epoch %d: loss %.5f; %.0f samples/s", report->epoch,
                 report->training_loss, report->samples_per_second);
    return log_report(job, report, error);
}

static int moment(void *context, double epochs, const struct graph *graph, VbpError *error)
{
    struct job *job = context;
    int result;

    if (!job->strip || job->masks_error.status != VBP_OK)
        return VBP_OK;
    result = strip_add(job->strip, epochs, graph, &job->masks_error);
    if (result == VBP_OK)
        return VBP_OK;
    job->masks_error.status = result;
    error_prefix(&job->masks_error, "masks after %.3g epochs: ", epochs);
    if (epochs > 0) { /* what was learned so far is worth more than the masks */
        cli_note(job->common, "%s", job->masks_error.message);
        return VBP_OK;
    }
    *error = job->masks_error;
    return result;
}

static int keep_masks(void *context, unsigned char **bytes, size_t *length, VbpError *error)
{
    const struct job *job = context;

    return strip_save(job->strip, bytes, length, error);
}

static int resumed(void *context, const struct epoch_report *reports, size_t count,
                   const unsigned char *kept, size_t length, VbpError *error)
{
    struct job *job = context;
    const char *checkpoint = job->command->train.checkpoint;
    int result = VBP_OK;

    cli_note(job->common, "%s: goes on after epoch %zu", checkpoint, count);
    for (size_t i = 0; i < count && result == VBP_OK; i++)
        result = log_report(job, &reports[i], error);
    if (result != VBP_OK || !job->strip)
        return result;
    if (length == 0) {
        cli_note(job->common, "%s: no masks were made before", checkpoint);
        return VBP_OK;
    }
    result = strip_restore(job->strip, kept, length, error);
    return result == VBP_OK ? result : error_prefix(error, "%s: ", checkpoint);
}

static bool stop(void *context)
{
    (void)context;
    return interrupted != 0;
}

static int write_network(struct job *job, VbpError *error)
{
    unsigned char *bytes = NULL;
    char *card = NULL;
    size_t length;
    int result =
        network_scale_output(job->graph, job->output, (float)(1 / job->label_scale), error);

    if (result == VBP_OK)
        result = card_format(&job->card, &card, error);
    if (result == VBP_OK)
        result = onnx_write(job->graph, card, &bytes, &length, error);
    if (result == VBP_OK)
        result = file_write(job->command->output, bytes, length, error);
    free(bytes);
    free(card);
    return result;
}

/* The result of one output more; the first failure stays in *error. */
static int also(int result, int other, const VbpError *other_error, VbpError *error)
{
    if (result == VBP_OK && other != VBP_OK)
        *error = *other_error;
    return result == VBP_OK ? other : result;
}

/* The network first, and each of the others whatever became of those before. */
static int write_outputs(struct job *job, VbpError *error)
{
    const struct train_command *command = job->command;
    VbpError other;
    int result = write_network(job, error);

    if (command->log)
        result =
            also(result, training_log_write_csv(&job->log, command->log, &other), &other, error);
    if (command->plot)
        result =
            also(result, training_log_write_plot(&job->log, command->plot, &other), &other, error);
    if (job->strip)
        result = also(result, strip_write(job->strip, command->masks, &other), &other, error);
    return also(result, job->masks_error.status, &job->masks_error, error);
}

/* Trains; the first signal to end ends training in good order, the second ends the program. */
static int train_until_stopped(struct job *job, struct train_result *trained, VbpError *error)
{
    static const int signals[] = {SIGINT, SIGTERM};
    struct sigaction action = {.sa_handler = interrupt, .sa_flags = (int)SA_RESETHAND}, before[2];
    struct train_options options = job->command->train;
    int result;

    options.output = job->output;
    options.context = job;
    options.progress = show_progress;
    options.epoch_done = epoch_done;
    options.moment = moment;
    options.stop = stop;
    options.keep = job->strip ? keep_masks : NULL;
    options.resumed = resumed;
    sigemptyset(&action.sa_mask);
    for (int i = 0; i < 2; i++)
        sigaction(signals[i], &action, &before[i]);
    result = train_run(job->graph, job->training, job->validation, &options, trained, error);
    for (int i = 0; i < 2; i++)
        sigaction(signals[i], &before[i], NULL);
    progress_finish(&job->progress);
    return result;
}

static int train(struct job *job, struct train_result *trained, VbpError *error)
{
    const struct strip_options masks = {job->common->average, job->common->even};
    int result = prepare_network(job, error);

    if (result == VBP_OK)
        result = prepare_data(job, error);
    if (result == VBP_OK && job->command->masks)
        result =
            strip_create(&job->strip, job->dataset, &job->split, &job->settings, &masks, error);
    /* A loaded network answers in the label's unit; while it trains, in that of the targets. */
    if (result == VBP_OK && job->common->model)
        result = network_scale_output(job->graph, job->output, (float)job->label_scale, error);
    if (result == VBP_OK)
        result = train_until_stopped(job, trained, error);
    return result == VBP_OK && trained->best_epoch > 0 ? write_outputs(job, error) : result;
}

static void note_result(const struct job *job, const struct train_result *trained)
{
    const char *output = job->command->output;

    if (trained->best_epoch == 0)
        cli_note(job->common, "stopped before the first epoch was through: nothing written");
    else if (job->validation)
        cli_note(job->common, "%s: %d epochs, the best was %d, off by %.5g on average", output,
                 trained->epochs, trained->best_epoch,
                 trained->best_validation_error / job->label_scale);
    else
        cli_note(job->common, "%s: %d epochs", output, trained->epochs);
}

static int run(int argc, char **argv)
{
    struct train_command command;
    struct common_options common;
    struct job job = {.common = &common, .command = &command, .progress_epoch = -1};
    struct train_result trained = {0};
    const char *first, *second;
    bool resuming, made_masks;
    VbpError error = {0};
    int status = train_parse(argc, argv, &command, &common);

    if (status >= 0)
        return status;
    if (outputs_collide(&command, &common, &first, &second))
        return cli_usage_error(&command_train, "%s and %s are the same file", first, second);
    resuming = command.train.resume && file_exists(command.train.checkpoint);
    if (outputs_try(&command, common.overwrite, resuming, &made_masks, &error) != VBP_OK ||
        train(&job, &trained, &error) != VBP_OK) {
        progress_finish(&job.progress);
        status = cli_fail(&error);
    } else {
        status = EXIT_DONE;
        note_result(&job, &trained);
    }
    if (made_masks)
        rmdir(command.masks); /* fails where something was written into it */
    strip_destroy(&job.strip);
    training_log_free(&job.log);
    loader_destroy(&job.training);
    loader_destroy(&job.validation);
    split_free(&job.split);
    dataset_close(&job.dataset);
    graph_destroy(&job.graph);
    card_free(&job.card);
    return status;
}

const struct command command_train = {
    .name = "train",
    .usage = "vbp train DATASET -o OUT.onnx [options]",
    .summary = "train a network on labelled drives (Udacity log, Donkey tub, roadsim folder)",
    .help =
        "options:\n"
        "  -o, --out FILE            the network, with its card inside\n"
        "      --net NAME            pilotnet (default), nethvf, or a JSON description "
        "(doc/models.md)\n"
        "  -m, --model FILE          train this network further, instead of a new one\n"
        "      --epochs N            at most so many (default 20)\n"
        "      --batch N             samples a step (default 64)\n"
        "      --optimizer NAME      adam (default), sgd (Nesterov momentum)\n"
        "      --lr X                learning rate (adam 0.001, sgd 0.01)\n"
        "      --momentum X          of sgd (default 0.9)\n"
        "      --weight-decay X      apart from the gradient (default 0)\n"
        "      --cosine              learning rate falls to 0 along half a cosine\n"
        "      --loss KIND           mse (default), huber, huber:X (square up to X standard "
        "deviations\n"
        "                            of the labels, 1 unless given; linear beyond)\n"
        "      --sparsity X          also hold the mean of each level's values down, with this "
        "weight:\n"
        "                            what does not serve the steering goes dark in the mask "
        "(default 0)\n"
        "      --patience N          epochs without a better result on what is held out before it "
        "ends\n"
        "                            (default: all)\n"
        "      --hold-out X          share of the drives held out (default 0.2); of a single drive "
        "the\n"
        "                            end\n"
        "      --seed N              same seed and threads, same network (default 0)\n"
        "      --flip                mirror half of the samples\n"
        "      --shift X             move sideways by up to this share of the width\n"
        "      --brightness X        change brightness and contrast by up to this\n"
        "      --shadow X            share of samples that get a shadow\n"
        "      --blur X              share of samples that are blurred\n"
        "      --side-cameras X      use left and right images, steering corrected by X\n"
        "      --straight-share X    keep this share of the samples that drive straight on\n"
        "      --first N, --count N  only this part of the log\n"
        "      --threads N           also how many share a batch: with another number the "
        "result is\n"
        "                            another one (default: all cores)\n"
        "      --checkpoint FILE     written after every epoch\n"
        "      --resume              goes on from the checkpoint, if it exists, with the same "
        "options\n"
        "      --masks DIR           masks of fixed frames at 0.1, 1, 4, 16 ... epochs\n"
        "      --average KIND, --even  how these masks are made, as below\n"
        "      --log FILE.csv        a line for every epoch\n"
        "      --plot FILE.png       the loss curves\n",
    .run = run,
};
