/* vbp train: a network from labelled drives. */
#include "base/error.h"
#include "base/file.h"
#include "base/memory.h"
#include "cli/cli.h"
#include "cli/training_log.h"
#include "formats/formats.h"
#include "kernels/threads.h"
#include "train/network.h"
#include "train/split.h"
#include "train/strip.h"
#include "train/trainer.h"

#include <inttypes.h>
#include <math.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
    OPTION_NET = OPTION_OWN,
    OPTION_OPTIMIZER,
    OPTION_RATE,
    OPTION_MOMENTUM,
    OPTION_DECAY,
    OPTION_COSINE,
    OPTION_EPOCHS,
    OPTION_BATCH,
    OPTION_LOSS,
    OPTION_SPARSITY,
    OPTION_SEED,
    OPTION_PATIENCE,
    OPTION_HOLD_OUT,
    OPTION_FLIP,
    OPTION_SHIFT,
    OPTION_BRIGHTNESS,
    OPTION_SHADOW,
    OPTION_BLUR,
    OPTION_SIDE_CAMERAS,
    OPTION_STRAIGHT,
    OPTION_FIRST,
    OPTION_COUNT,
    OPTION_CHECKPOINT,
    OPTION_RESUME,
    OPTION_MASKS,
    OPTION_LOG,
    OPTION_PLOT
};

/* Images at the network's size that are kept in memory, so that they are decoded once. */
#define CACHE_BYTES ((size_t)3 << 30)

struct train_command {
    const char *output, *net, *masks, *log, *plot;
    struct train_options train;
    struct augmentation augmentation;
    struct dataset_options dataset;
    double hold_out;
    double straight_share;
    bool rate_given;
};

struct job {
    const struct common_options *common;
    const struct train_command *command;
    const char *name;
    struct card card;
    struct preprocess_settings settings;
    struct graph *graph;
    struct dataset *dataset;
    struct split split;
    double label_scale;
    int output; /* index of the output that steers */
    struct loader *training, *validation;
    struct strip *strip;
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

/* ---- Options -------------------------------------------------------------------------------- */

static bool parse_number(const char *option, const char *text, double least, double most,
                         double *value)
{
    char *end;

    *value = strtod(text, &end);
    if (end != text && *end == 0 && *value >= least && *value <= most)
        return true;
    cli_usage_error(&command_train, "%s takes a number from %g to %g, not '%s'", option, least,
                    most, text);
    return false;
}

static bool parse_whole(const char *option, const char *text, long long least, long long most,
                        long long *value)
{
    if (cli_parse_integer(text, least, most, value))
        return true;
    cli_usage_error(&command_train, "%s takes a whole number from %lld to %lld, not '%s'", option,
                    least, most, text);
    return false;
}

static bool parse_word(const char *option, const char *text, const char *first, const char *second,
                       int *choice)
{
    *choice = strcmp(text, second) == 0;
    if (*choice || strcmp(text, first) == 0)
        return true;
    cli_usage_error(&command_train, "%s is %s or %s, not '%s'", option, first, second, text);
    return false;
}

static bool take_amount(struct train_command *command, int option, const char *value)
{
    static const struct {
        int option;
        const char *name;
        double most;
    } amounts[] = {{OPTION_RATE, "--lr", 100},
                   {OPTION_MOMENTUM, "--momentum", 0.9999},
                   {OPTION_DECAY, "--weight-decay", 100},
                   {OPTION_HOLD_OUT, "--hold-out", 0.9},
                   {OPTION_SPARSITY, "--sparsity", 100},
                   {OPTION_SHIFT, "--shift", 0.5},
                   {OPTION_BRIGHTNESS, "--brightness", 1},
                   {OPTION_SHADOW, "--shadow", 1},
                   {OPTION_BLUR, "--blur", 1},
                   {OPTION_SIDE_CAMERAS, "--side-cameras", 100},
                   {OPTION_STRAIGHT, "--straight-share", 1}};
    double number = 0;

    for (size_t i = 0; i < sizeof(amounts) / sizeof(amounts[0]); i++) {
        if (amounts[i].option == option &&
            !parse_number(amounts[i].name, value, 0, amounts[i].most, &number))
            return false;
    }
    switch (option) {
    case OPTION_RATE:
        command->train.optimiser.rate = number;
        command->rate_given = true;
        break;
    case OPTION_MOMENTUM:
        command->train.optimiser.momentum = number;
        break;
    case OPTION_DECAY:
        command->train.optimiser.decay = number;
        break;
    case OPTION_HOLD_OUT:
        command->hold_out = number;
        break;
    case OPTION_SPARSITY:
        command->train.sparsity = number;
        break;
    case OPTION_SHIFT:
        command->augmentation.shift = number;
        break;
    case OPTION_BRIGHTNESS:
        command->augmentation.brightness = number;
        break;
    case OPTION_SHADOW:
        command->augmentation.shadow = number;
        break;
    case OPTION_BLUR:
        command->augmentation.blur = number;
        break;
    case OPTION_SIDE_CAMERAS:
        command->dataset.side_cameras = true;
        command->dataset.side_correction = number;
        break;
    default:
        command->straight_share = number;
        break;
    }
    return true;
}

static bool take_count(struct train_command *command, int option, const char *value)
{
    long long number;

    switch (option) {
    case OPTION_EPOCHS:
        if (!parse_whole("--epochs", value, 1, 1000000, &number))
            return false;
        command->train.epochs = (int)number;
        return true;
    case OPTION_BATCH:
        if (!parse_whole("--batch", value, 1, 4096, &number))
            return false;
        command->train.batch = (int)number;
        return true;
    case OPTION_SEED:
        if (!parse_whole("--seed", value, 0, INT64_MAX, &number))
            return false;
        command->train.seed = (uint64_t)number;
        return true;
    case OPTION_PATIENCE:
        if (!parse_whole("--patience", value, 0, 1000000, &number))
            return false;
        command->train.patience = (int)number;
        return true;
    default:
        if (!parse_whole(option == OPTION_FIRST ? "--first" : "--count", value, 0, LONG_MAX,
                         &number))
            return false;
        *(option == OPTION_FIRST ? &command->dataset.first : &command->dataset.count) =
            (long)number;
        return true;
    }
}

/* "mse", "huber" or "huber:DELTA". */
static bool take_loss(struct train_options *train, const char *value)
{
    static const char with_delta[] = "huber:";
    int choice = 0;

    if (strncmp(value, with_delta, sizeof(with_delta) - 1) == 0) {
        train->loss = LOSS_HUBER;
        return parse_number("--loss huber", value + sizeof(with_delta) - 1, 1e-4, 1e4,
                            &train->huber_delta);
    }
    if (!parse_word("--loss", value, "mse", "huber", &choice))
        return false;
    train->loss = choice ? LOSS_HUBER : LOSS_SQUARED;
    train->huber_delta = 1;
    return true;
}

static bool take_option(void *context, int option, const char *value)
{
    struct train_command *command = context;
    int choice;

    switch (option) {
    case 'o':
        command->output = value;
        return true;
    case OPTION_NET:
        command->net = value;
        return true;
    case OPTION_MASKS:
        command->masks = value;
        return true;
    case OPTION_LOG:
        command->log = value;
        return true;
    case OPTION_PLOT:
        command->plot = value;
        return true;
    case OPTION_CHECKPOINT:
        command->train.checkpoint = value;
        return true;
    case OPTION_RESUME:
        command->train.resume = true;
        return true;
    case OPTION_COSINE:
        command->train.cosine = true;
        return true;
    case OPTION_FLIP:
        command->augmentation.flip = true;
        return true;
    case OPTION_OPTIMIZER: {
        struct optimiser_options before = command->train.optimiser;

        if (!parse_word("--optimizer", value, "sgd", "adam", &choice))
            return false;
        command->train.optimiser =
            optimiser_default_options(choice ? OPTIMISER_ADAM : OPTIMISER_SGD);
        command->train.optimiser.decay = before.decay;
        command->train.optimiser.momentum = before.momentum;
        if (command->rate_given)
            command->train.optimiser.rate = before.rate;
        return true;
    }
    case OPTION_LOSS:
        return take_loss(&command->train, value);
    case OPTION_EPOCHS:
    case OPTION_BATCH:
    case OPTION_SEED:
    case OPTION_PATIENCE:
    case OPTION_FIRST:
    case OPTION_COUNT:
        return take_count(command, option, value);
    default:
        return take_amount(command, option, value);
    }
}

/* ---- The network and its card --------------------------------------------------------------- */

/* For a network made anew: what the card says, else -1..1 in the colours of the channels. */
static int default_settings(struct job *job, VbpError *error)
{
    const struct shape *input = &job->graph->tensors[job->graph->input].shape;
    struct card *card = &job->card;
    bool one = input->extent[1] == 1;

    if (!card->input.has_color) {
        card->input.has_color = true;
        card->input.color = one ? CARD_GRAY : CARD_RGB;
    }
    if ((card->input.color == CARD_GRAY || card->input.color == CARD_SATURATION) != one)
        return error_set(error, VBP_ERROR_ARGUMENT,
                         "the card's color '%s' does not go with a network of %lld channels",
                         card_color_name(card->input.color), (long long)input->extent[1]);
    if (card->input.scale.count == 0 && card->input.bias.count == 0) {
        card->input.scale = (struct card_factor){1, {1 / 127.5}};
        card->input.bias = (struct card_factor){1, {-1}};
    }
    if (!card->input.has_resize) {
        card->input.has_resize = true;
        card->input.resize = CARD_AREA;
    }
    job->settings = (struct preprocess_settings){.crop_top = card->input.crop_top,
                                                 .crop_bottom = card->input.crop_bottom,
                                                 .crop_left = card->input.crop_left,
                                                 .crop_right = card->input.crop_right,
                                                 .resize = card->input.resize,
                                                 .color = card->input.color,
                                                 .channels = (int)input->extent[1],
                                                 .height = (int)input->extent[2],
                                                 .width = (int)input->extent[3]};
    for (int c = 0; c < job->settings.channels; c++) {
        int at = card->input.scale.count > 1 ? c : 0, bias_at = card->input.bias.count > 1 ? c : 0;

        job->settings.scale[c] = card->input.scale.count ? (float)card->input.scale.value[at] : 1;
        job->settings.bias[c] = card->input.bias.count ? (float)card->input.bias.value[bias_at] : 0;
    }
    return VBP_OK;
}

/* Makes a new network, or takes a trained one to go on with. */
static int prepare_network(struct job *job, VbpError *error)
{
    VbpModelOptions options = {.card_path = job->common->card};
    VbpModel *model;
    int result;

    if (!job->common->model) {
        if (job->common->card) {
            result = card_read(job->common->card, &job->card, error);
            if (result != VBP_OK)
                return result;
        }
        result = network_build(&job->graph, job->command->net, job->command->train.seed, error);
        return result == VBP_OK ? default_settings(job, error) : result;
    }
    result = vbp_model_open(&model, job->common->model, &options, error);
    if (result != VBP_OK)
        return result;
    if (!model->reads_images)
        result = error_set(error, VBP_ERROR_UNSUPPORTED,
                           "%s: its input is no picture of 1 or 3 channels", job->common->model);
    else
        result = graph_copy(&job->graph, model->graph, error);
    if (result == VBP_OK) {
        job->settings = model->settings;
        job->output = model->steering_output;
        job->card = model->card; /* taken over */
        model->card = (struct card){0};
    }
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

static int prepare_data(struct job *job, VbpError *error)
{
    const struct train_command *command = job->command;
    struct loader_options options = {.settings = job->settings,
                                     .seed = command->train.seed,
                                     .threads = command->train.threads,
                                     .straight_share = 1};
    int result = dataset_open(&job->dataset, job->name, &command->dataset, error);

    if (result == VBP_OK)
        result = split_make(&job->split, job->dataset, command->hold_out, error);
    if (result != VBP_OK)
        return result;
    job->label_scale = choose_label_scale(job);
    options.label_scale = job->label_scale;
    options.cache_bytes = CACHE_BYTES / 4;
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
    if (result != VBP_OK)
        return result;
    cli_note(job->common, "%s: %s, %zu samples in %d drives; %zu to train, %zu held out", job->name,
             job->dataset->kind, job->dataset->count, job->dataset->drive_count,
             job->split.training_count, job->split.validation_count);
    if (job->dataset->missing_images > 0)
        cli_note(job->common, "%zu images are missing, the first is %s",
                 job->dataset->missing_images, job->dataset->first_missing);
    return VBP_OK;
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

static int epoch_done(void *context, const struct epoch_report *report, VbpError *error)
{
    struct job *job = context;
    struct epoch_report in_unit = *report;

    progress_finish(&job->progress);
    in_unit.validation_error /= job->label_scale;
    if (job->validation)
        cli_note(job->common,
                 "epoch %d: loss %.5f, held out %.5f, off by %.5g on average; %.0f samples/s%s",
                 report->epoch, report->training_loss, report->validation_loss,
                 in_unit.validation_error, report->samples_per_second,
                 report->best ? ", best" : "");
    else
        cli_note(job->common, "epoch %d: loss %.5f; %.0f samples/s", report->epoch,
                 report->training_loss, report->samples_per_second);
    return training_log_add(&job->log, &in_unit, error);
}

static int moment(void *context, double epochs, const struct graph *graph, VbpError *error)
{
    struct job *job = context;

    return job->strip ? strip_add(job->strip, epochs, graph, error) : VBP_OK;
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
    int result = network_scale_output(job->graph, 0, (float)(1 / job->label_scale), error);

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

static int train(struct job *job, struct train_result *trained, VbpError *error)
{
    const struct train_command *command = job->command;
    struct train_options options = command->train;
    struct sigaction action = {.sa_handler = interrupt}, before;
    int result = prepare_network(job, error);

    if (result == VBP_OK)
        result = prepare_data(job, error);
    if (result == VBP_OK && command->masks)
        result = strip_create(&job->strip, job->dataset, &job->split, &job->settings, error);
    /* A loaded network answers in the label's unit; while it trains, in that of the targets. */
    if (result == VBP_OK && job->common->model)
        result = network_scale_output(job->graph, job->output, (float)job->label_scale, error);
    if (result != VBP_OK)
        return result;
    options.output = job->output;
    options.context = job;
    options.progress = show_progress;
    options.epoch_done = epoch_done;
    options.moment = moment;
    options.stop = stop;
    /* The first Ctrl-C ends training in good order, the second ends the program. */
    action.sa_flags = (int)SA_RESETHAND;
    sigemptyset(&action.sa_mask);
    sigaction(SIGINT, &action, &before);
    result = train_run(job->graph, job->training, job->validation, &options, trained, error);
    sigaction(SIGINT, &before, NULL);
    progress_finish(&job->progress);
    if (result == VBP_OK && trained->best_epoch > 0)
        result = write_network(job, error);
    if (result == VBP_OK && job->strip)
        result = strip_write(job->strip, command->masks, job->common->overwrite, error);
    if (result == VBP_OK && command->log)
        result = training_log_write_csv(&job->log, command->log, error);
    if (result == VBP_OK && command->plot)
        result = training_log_write_plot(&job->log, command->plot, error);
    return result;
}

static int check_output(const struct job *job, VbpError *error)
{
    const char *outputs[] = {job->command->output, job->command->log, job->command->plot};

    for (int i = 0; i < 3; i++) {
        if (outputs[i] && file_exists(outputs[i]) && !job->common->overwrite &&
            !job->command->train.resume)
            return error_set(error, VBP_ERROR_IO, "%s exists already; -y replaces it", outputs[i]);
    }
    return VBP_OK;
}

static int run(int argc, char **argv)
{
    static const struct option own_options[] = {
        {"output", required_argument, NULL, 'o'},
        {"net", required_argument, NULL, OPTION_NET},
        {"optimizer", required_argument, NULL, OPTION_OPTIMIZER},
        {"lr", required_argument, NULL, OPTION_RATE},
        {"momentum", required_argument, NULL, OPTION_MOMENTUM},
        {"weight-decay", required_argument, NULL, OPTION_DECAY},
        {"cosine", no_argument, NULL, OPTION_COSINE},
        {"epochs", required_argument, NULL, OPTION_EPOCHS},
        {"batch", required_argument, NULL, OPTION_BATCH},
        {"loss", required_argument, NULL, OPTION_LOSS},
        {"sparsity", required_argument, NULL, OPTION_SPARSITY},
        {"seed", required_argument, NULL, OPTION_SEED},
        {"patience", required_argument, NULL, OPTION_PATIENCE},
        {"hold-out", required_argument, NULL, OPTION_HOLD_OUT},
        {"flip", no_argument, NULL, OPTION_FLIP},
        {"shift", required_argument, NULL, OPTION_SHIFT},
        {"brightness", required_argument, NULL, OPTION_BRIGHTNESS},
        {"shadow", required_argument, NULL, OPTION_SHADOW},
        {"blur", required_argument, NULL, OPTION_BLUR},
        {"side-cameras", required_argument, NULL, OPTION_SIDE_CAMERAS},
        {"straight-share", required_argument, NULL, OPTION_STRAIGHT},
        {"first", required_argument, NULL, OPTION_FIRST},
        {"count", required_argument, NULL, OPTION_COUNT},
        {"checkpoint", required_argument, NULL, OPTION_CHECKPOINT},
        {"resume", no_argument, NULL, OPTION_RESUME},
        {"masks", required_argument, NULL, OPTION_MASKS},
        {"log", required_argument, NULL, OPTION_LOG},
        {"plot", required_argument, NULL, OPTION_PLOT},
        {0}};
    struct train_command command = {
        .net = "pilotnet",
        .hold_out = 0.2,
        .straight_share = 1,
        .train = {.epochs = 20,
                  .batch = 64,
                  .huber_delta = 1,
                  .optimiser = optimiser_default_options(OPTIMISER_ADAM)}};
    struct common_options common;
    struct job job = {.common = &common, .command = &command, .progress_epoch = -1};
    struct train_result trained = {0};
    VbpError error = {0};
    int status = cli_parse(&command_train, argc, argv, "o:", own_options, take_option, &command,
                           &common, &job.name);

    if (status >= 0)
        return status;
    if (!command.output)
        return cli_usage_error(&command_train, "-o OUT.onnx is missing");
    if (command.train.resume && !command.train.checkpoint)
        return cli_usage_error(&command_train, "--resume needs --checkpoint");
    threads_limit_blas(1); /* a batch is split over threads here, not inside OpenBLAS */
    command.train.threads = common.threads ? common.threads : (int)sysconf(_SC_NPROCESSORS_ONLN);
    if (check_output(&job, &error) != VBP_OK || train(&job, &trained, &error) != VBP_OK) {
        status = cli_fail(&error);
    } else {
        status = EXIT_DONE;
        if (trained.best_epoch == 0)
            cli_note(&common, "stopped before the first epoch was through: nothing written");
        else if (job.validation)
            cli_note(&common, "%s: %d epochs, the best was %d, off by %.5g on average",
                     command.output, trained.epochs, trained.best_epoch,
                     trained.best_validation_error / job.label_scale);
        else
            cli_note(&common, "%s: %d epochs", command.output, trained.epochs);
    }
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
        "  -o, --output FILE         the network, with its card inside\n"
        "      --net NAME            pilotnet (default), nethvf, or a JSON description; with -m "
        "that\n"
        "                            model is trained further\n"
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
        "      --patience N          epochs without a better result before it ends (default: all)\n"
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
        "      --checkpoint FILE     written after every epoch\n"
        "      --resume              goes on from the checkpoint, if it exists\n"
        "      --masks DIR           masks of fixed frames at 0.1, 1, 4, 16 ... epochs\n"
        "      --log FILE.csv        a line for every epoch\n"
        "      --plot FILE.png       the loss curves\n",
    .run = run,
};
