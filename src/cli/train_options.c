#include "cli/train_options.h"

#include <limits.h>
#include <stdint.h>
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

static bool parse_number(const char *option, const char *text, double least, double most,
                         double *value)
{
    bool decimal = text[strspn(text, "0123456789.eE+-")] == 0; /* strtod knows more than this */
    char *end;

    *value = strtod(text, &end);
    if (decimal && end != text && *end == 0 && *value >= least && *value <= most)
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
        command->drives.side_cameras = true;
        command->drives.side_correction = number;
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
        *(option == OPTION_FIRST ? &command->drives.first : &command->drives.count) = (long)number;
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

/* What each option allows, the others may forbid. -1: nothing. */
static int check_together(const struct train_command *command, const struct common_options *common)
{
    if (!command->output)
        return cli_usage_error(&command_train, "-o OUT.onnx is missing");
    if (command->train.resume && !command->train.checkpoint)
        return cli_usage_error(&command_train, "--resume needs --checkpoint");
    if (command->net && common->model)
        return cli_usage_error(&command_train,
                               "--net makes a new network and -m trains one further: not both");
    if (common->output && !common->model)
        return cli_usage_error(&command_train,
                               "--output names an output of the network that -m gives");
    if (command->train.patience > 0 && command->hold_out <= 0)
        return cli_usage_error(
            &command_train, "--patience looks at held-out samples, and --hold-out 0 leaves none");
    return -1;
}

int train_parse(int argc, char **argv, struct train_command *command, struct common_options *common)
{
    static const struct option own_options[] = {
        {"out", required_argument, NULL, 'o'},
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
    int status;

    *command =
        (struct train_command){.hold_out = 0.2,
                               .straight_share = 1,
                               .train = {.epochs = 20,
                                         .batch = 64,
                                         .huber_delta = 1,
                                         .optimiser = optimiser_default_options(OPTIMISER_ADAM)}};
    status = cli_parse(&command_train, argc, argv, "o:", own_options, take_option, command, common,
                       &command->dataset);
    if (status < 0)
        status = check_together(command, common);
    if (status >= 0)
        return status;
    if (!command->net && !common->model)
        command->net = "pilotnet";
    command->train.isa = common->isa;
    command->train.threads = common->threads ? common->threads : (int)sysconf(_SC_NPROCESSORS_ONLN);
    return -1;
}
