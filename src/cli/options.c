#include "cli/cli.h"

#include <ctype.h>
#include <errno.h>
#include <math.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

enum { OPTION_CARD = 256, OPTION_OUTPUT, OPTION_AVERAGE, OPTION_EVEN, OPTION_THREADS, OPTION_ISA };

static const struct option common_long[] = {
    {"model", required_argument, NULL, 'm'},
    {"card", required_argument, NULL, OPTION_CARD},
    {"output", required_argument, NULL, OPTION_OUTPUT},
    {"average", required_argument, NULL, OPTION_AVERAGE},
    {"even", no_argument, NULL, OPTION_EVEN},
    {"threads", required_argument, NULL, OPTION_THREADS},
    {"isa", required_argument, NULL, OPTION_ISA},
    {"quiet", no_argument, NULL, 'q'},
    {"verbose", no_argument, NULL, 'v'},
    {"overwrite", no_argument, NULL, 'y'},
    {"help", no_argument, NULL, 'h'},
};

#define COMMON_COUNT   (sizeof(common_long) / sizeof(common_long[0]))
#define OPTIONS_MAX    48
#define COMMON_LETTERS ":m:qvyh"
#define LETTERS_MAX    32
#define THREADS_MOST   256

static const char common_help[] =
    "\n"
    "common options:\n"
    "  -m, --model FILE       the network (ONNX, Keras, Torch7)\n"
    "      --card FILE        how a frame becomes its input (JSON; default: MODEL.card.json)\n"
    "      --output NAME      the output that steers (default: what the card says)\n"
    "      --average KIND     channels of a level: positive (default), mean, abs\n"
    "      --even             even out the checkerboard of kernels that strides do not divide\n"
    "      --threads N        threads for decoding and encoding, and for the network\n"
    "                         (default: all cores for video, one for the network)\n"
    "      --isa LEVEL        instructions used at most: c, avx2, avx512 (default: $VBP_ISA,\n"
    "                         or the best the machine has)\n"
    "  -q, --quiet            no messages, no progress bar\n"
    "  -v, --verbose          also what the model is and where its card came from\n"
    "  -y, --overwrite        replace existing output\n"
    "  -h, --help             this text\n";

int cli_usage_error(const struct command *command, const char *format, ...)
{
    va_list arguments;

    fprintf(stderr, "vbp %s: ", command->name);
    va_start(arguments, format);
    vfprintf(stderr, format, arguments);
    va_end(arguments);
    fprintf(stderr, "; see vbp %s -h\n", command->name);
    return EXIT_USAGE;
}

static bool parse_average(const char *text, VbpAverage *average)
{
    static const char *const names[] = {[VBP_AVERAGE_POSITIVE] = "positive",
                                        [VBP_AVERAGE_MEAN] = "mean",
                                        [VBP_AVERAGE_ABSOLUTE] = "abs"};

    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        if (strcmp(text, names[i]) == 0) {
            *average = (VbpAverage)i;
            return true;
        }
    }
    return false;
}

/* One common option: -1 to go on, or an exit status. */
static int take_common(const struct command *command, int option, const char *value,
                       struct common_options *common)
{
    long long number;

    switch (option) {
    case 'm':
        if (common->model)
            return cli_usage_error(command, "-m was given twice");
        common->model = value;
        break;
    case OPTION_CARD:
        common->card = value;
        break;
    case OPTION_OUTPUT:
        common->output = value;
        break;
    case OPTION_AVERAGE:
        if (!parse_average(value, &common->average))
            return cli_usage_error(command, "--average is positive, mean or abs, not '%s'", value);
        break;
    case OPTION_EVEN:
        common->even = true;
        break;
    case OPTION_THREADS:
        if (!cli_parse_integer(value, 1, THREADS_MOST, &number))
            return cli_usage_error(command, "--threads takes a number from 1 to %d, not '%s'",
                                   THREADS_MOST, value);
        common->threads = (int)number;
        break;
    case OPTION_ISA:
        if (!isa_parse(value, &common->isa))
            return cli_usage_error(command, "--isa is c, avx2 or avx512, not '%s'", value);
        break;
    case 'q':
        common->verbosity = -1;
        break;
    case 'v':
        common->verbosity = 1;
        break;
    case 'y':
        common->overwrite = true;
        break;
    default:
        break;
    }
    return -1;
}

int cli_parse(const struct command *command, int argc, char **argv, const char *own_letters,
              const struct option *own_options,
              bool (*own)(void *context, int option, const char *value), void *context,
              struct common_options *common, const char **operand)
{
    struct option options[OPTIONS_MAX + 1] = {{0}};
    char letters[LETTERS_MAX];
    const char *wanted_isa = getenv("VBP_ISA");
    size_t count = COMMON_COUNT;
    int option;

    *common = (struct common_options){.average = VBP_AVERAGE_POSITIVE};
    if (wanted_isa && *wanted_isa && !isa_parse(wanted_isa, &common->isa))
        return cli_usage_error(command, "VBP_ISA is c, avx2 or avx512, not '%s'", wanted_isa);
    memcpy(options, common_long, sizeof(common_long));
    for (; own_options && own_options->name && count < OPTIONS_MAX; own_options++)
        options[count++] = *own_options;
    snprintf(letters, sizeof(letters), "%s%s", COMMON_LETTERS, own_letters);
    opterr = 0;
    while ((option = getopt_long(argc, argv, letters, options, NULL)) != -1) {
        int status = -1;

        if (option == 'h') {
            printf("usage: %s\n\n%s\n\n%s%s", command->usage, command->summary, command->help,
                   common_help);
            return fflush(stdout) == 0 ? EXIT_DONE : EXIT_FAILED;
        }
        if (option == '?' && optopt > 0 && optopt < 256)
            return cli_usage_error(command, "bad option '-%c'", optopt);
        if (option == '?' || option == ':')
            return cli_usage_error(command,
                                   option == ':' ? "option '%s' needs a value" : "bad option '%s'",
                                   argv[optind - 1]);
        if (option >= OPTION_OWN || (option < 256 && strchr(own_letters, option)))
            status = own(context, option, optarg) ? -1 : EXIT_USAGE;
        else
            status = take_common(command, option, optarg, common);
        if (status >= 0)
            return status;
    }
    if (optind != argc - 1)
        return cli_usage_error(command, optind >= argc ? "what to read is missing"
                                                       : "more than one thing to read");
    *operand = argv[optind];
    return -1;
}

bool cli_parse_integer(const char *text, long long least, long long most, long long *value)
{
    char *end;

    errno = 0;
    *value = strtoll(text, &end, 10);
    return isdigit((unsigned char)(text[0] == '-' ? text[1] : text[0])) && *end == 0 &&
           errno == 0 && *value >= least && *value <= most;
}

bool cli_parse_time(const char *text, double *seconds)
{
    double total = 0;

    /* At most hours, minutes and seconds, separated by colons; only the last may have a fraction.
     */
    for (int part = 0; part < 3; part++) {
        char *end;
        double value;

        size_t length = strspn(text, "0123456789.");

        if (length == 0 || (text[length] != 0 && text[length] != ':'))
            return false; /* strtod knows more ways to write a number than this */
        value = strtod(text, &end);
        if (end == text || !isfinite(value) || (part > 0 && value >= 60))
            return false;
        total = total * 60 + value;
        if (*end == 0) {
            *seconds = total;
            return total < 1e9;
        }
        if (*end != ':' || memchr(text, '.', (size_t)(end - text)))
            return false;
        text = end + 1;
    }
    return false;
}

int cli_fail(const VbpError *error)
{
    fprintf(stderr, "vbp: %s\n", error->message);
    return EXIT_FAILED;
}

void cli_note(const struct common_options *common, const char *format, ...)
{
    va_list arguments;

    if (common->verbosity < 0)
        return;
    fputs("vbp: ", stderr);
    va_start(arguments, format);
    vfprintf(stderr, format, arguments);
    va_end(arguments);
    fputc('\n', stderr);
}

static void note_model(const struct common_options *common, const VbpModel *model)
{
    int channels, height, width;

    vbp_model_input_size(model, &channels, &height, &width);
    cli_note(common, "%s: %s, reads %dx%d in %d channel%s, %d levels; card: %s; kernels: %s",
             model->path, model->graph->format ? model->graph->format : "unknown format", width,
             height, channels, channels == 1 ? "" : "s", vbp_model_level_count(model),
             model->card_origin ? model->card_origin : "none", kernels_best(common->isa)->name);
}

VbpModelOptions cli_model_options(const struct common_options *common)
{
    return (VbpModelOptions){.card_path = common->card, .steering_output = common->output};
}

int cli_open_model(const struct common_options *common, bool mask, VbpModel **model,
                   VbpRunner **runner, VbpError *error)
{
    VbpModelOptions model_options = cli_model_options(common);
    VbpRunnerOptions runner_options = {.average = common->average,
                                       .even = common->even,
                                       .no_mask = !mask,
                                       .threads = common->threads,
                                       .isa = (VbpIsa)common->isa};
    int result;

    *runner = NULL;
    result = vbp_model_open(model, common->model, &model_options, error);
    if (result == VBP_OK)
        result = vbp_runner_create(runner, *model, &runner_options, error);
    if (result != VBP_OK)
        vbp_model_close(model);
    else if (common->verbosity > 0)
        note_model(common, *model);
    return result;
}

void cli_note_assumptions(const struct common_options *common, const VbpModel *model)
{
    for (int i = 0; i < model->assumption_count; i++)
        cli_note(common, "assumed: %s", model->assumptions[i]);
}
