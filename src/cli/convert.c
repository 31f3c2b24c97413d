/* vbp convert: any model that vbp reads as an ONNX file. */
#include "base/error.h"
#include "base/file.h"
#include "cli/cli.h"
#include "formats/formats.h"

#include <stdlib.h>

struct convert_options {
    const char *output;
};

static bool take_option(void *context, int option, const char *value)
{
    struct convert_options *options = context;

    if (option == 'o')
        options->output = value;
    return true;
}

/* Before anything is read: what would be written over, and what must not be. */
static int check_output(const struct common_options *common, const char *model, const char *output,
                        VbpError *error)
{
    if (file_same(output, model) || (common->card && file_same(output, common->card)))
        return error_set(error, VBP_ERROR_ARGUMENT, "%s is read: write to another file", output);
    if (file_exists(output) && !common->overwrite)
        return error_set(error, VBP_ERROR_IO, "%s exists already; -y replaces it", output);
    return VBP_OK;
}

/* The card for the file, NULL without one. */
static int make_card(const VbpModel *model, char **json, VbpError *error)
{
    *json = NULL;
    return model->card_origin || model->card.output.steering
               ? card_format(&model->card, json, error)
               : VBP_OK;
}

static int convert(const VbpModel *model, const char *output, VbpError *error)
{
    unsigned char *bytes = NULL;
    char *card = NULL;
    size_t length;
    int result = make_card(model, &card, error);

    if (result == VBP_OK)
        result = onnx_write(model->graph, card, &bytes, &length, error);
    if (result == VBP_OK)
        result = file_write(output, bytes, length, error);
    free(bytes);
    free(card);
    return result;
}

static int run(int argc, char **argv)
{
    static const struct option own_options[] = {{"out", required_argument, NULL, 'o'}, {0}};
    struct convert_options options = {0};
    struct common_options common;
    VbpModelOptions model_options;
    VbpModel *model = NULL;
    VbpError error;
    const char *path;
    int result, status = cli_parse(&command_convert, argc, argv, "o:", own_options, take_option,
                                   &options, &common, &path);

    if (status >= 0)
        return status;
    if (!options.output)
        return cli_usage_error(&command_convert, "where to write (-o) is missing");
    if (common.model)
        return cli_usage_error(&command_convert, "the model is named without -m");
    model_options = cli_model_options(&common);
    result = check_output(&common, path, options.output, &error);
    if (result == VBP_OK)
        result = vbp_model_open(&model, path, &model_options, &error);
    if (result == VBP_OK)
        result = convert(model, options.output, &error);
    /* What is guessed of the network itself goes into the file; the rest is for who runs it. */
    if (result == VBP_OK && model->graph->guess)
        cli_note(&common, "assumed: %s", model->graph->guess);
    vbp_model_close(&model);
    return result == VBP_OK ? EXIT_DONE : cli_fail(&error);
}

const struct command command_convert = {
    .name = "convert",
    .usage = "vbp convert MODEL -o OUT.onnx [options]",
    .summary = "any model that vbp reads, as an ONNX file",
    .help = "options:\n"
            "  -o, --out FILE         the ONNX file, with the card in its metadata\n",
    .run = run,
};
