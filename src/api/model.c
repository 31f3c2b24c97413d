#include "api/model.h"

#include "api/steering.h"
#include "base/error.h"
#include "base/file.h"
#include "base/memory.h"
#include "formats/formats.h"
#include "graph/fold.h"

#include <math.h>
#include <string.h>

#define TEXT_OF(x)                        #x
#define VERSION_TEXT(major, minor, patch) TEXT_OF(major) "." TEXT_OF(minor) "." TEXT_OF(patch)

const char *vbp_version(void)
{
    return VERSION_TEXT(VBP_VERSION_MAJOR, VBP_VERSION_MINOR, VBP_VERSION_PATCH);
}

int model_assume(VbpModel *model, char *sentence, VbpError *error)
{
    if (!sentence)
        return error_out_of_memory(error);
    model->assumptions[model->assumption_count++] = sentence;
    return VBP_OK;
}

/* ---- The card ------------------------------------------------------------------------------- */

/* "DIR/pilotnet.onnx" -> "DIR/pilotnet.onnx.card.json", or "DIR/pilotnet.card.json". */
static char *card_beside(const char *path, bool replace_ending)
{
    const char *slash = strrchr(path, '/');
    const char *dot = strrchr(slash ? slash : path, '.');
    int length = replace_ending && dot ? (int)(dot - path) : (int)strlen(path);

    return memory_format("%.*s.card.json", length, path);
}

/* Reads the card that is a file: the named one, or one beside the model. None is no failure. */
static int read_card_file(VbpModel *model, const char *named, VbpError *error)
{
    if (named) {
        model->card_origin = memory_copy_text(named);
        return model->card_origin ? card_read(named, &model->card, error)
                                  : error_out_of_memory(error);
    }
    for (int i = 0; i < 2; i++) {
        char *beside = card_beside(model->path, i == 1);

        if (!beside)
            return error_out_of_memory(error);
        if (file_exists(beside)) {
            model->card_origin = beside;
            return card_read(beside, &model->card, error);
        }
        free(beside);
    }
    return VBP_OK;
}

/* Takes the card inside the model for the one beside it. */
static int take_embedded_card(VbpModel *model, const char *embedded, VbpError *error)
{
    int result;

    card_free(&model->card);
    free(model->card_origin);
    model->card_origin = memory_copy_text("the model's metadata");
    if (!model->card_origin)
        return error_out_of_memory(error);
    result = card_parse(embedded, &model->card, error);
    return result == VBP_OK ? result : error_prefix(error, "%s: card inside: ", model->path);
}

/* ---- Preprocessing -------------------------------------------------------------------------- */

/* Which axis of the input is which; axes.channel < 0: it is no picture. */
static struct axes input_axes(const struct graph *graph)
{
    const struct tensor *input = &graph->tensors[graph->input];

    if (input->axes.channel >= 0 || input->shape.rank != 4)
        return input->axes;
    /* No convolution says which axis counts channels: there are never as many of them as pixels. */
    if (input->shape.extent[1] <= CARD_MAX_CHANNELS)
        return (struct axes){1, 2, 3};
    if (input->shape.extent[3] <= CARD_MAX_CHANNELS)
        return (struct axes){3, 1, 2};
    return input->axes;
}

/* The one constant input of a binary node, or NULL. */
static const struct tensor *constant_side(const struct graph *graph, const struct node *node,
                                          int *slot)
{
    for (*slot = 0; *slot < 2; (*slot)++) {
        if (graph->tensors[node->inputs[*slot]].values)
            return &graph->tensors[node->inputs[*slot]];
    }
    return NULL;
}

static float largest_magnitude(const struct tensor *constant)
{
    int64_t count = shape_elements(&constant->shape);
    float largest = 0;

    for (int64_t i = 0; i < count; i++)
        largest = fmaxf(largest, fabsf(constant->values[i]));
    return largest;
}

/*
 * Does the network begin with a normalisation of its own that is meant for values 0..255?
 * Arithmetic with constants is, if it brings 255 down to the size of an activation; a batch
 * normalisation is, if the statistics it learned are those of bytes and not of fractions.
 */
static bool normalises_bytes(const struct graph *graph)
{
    int tensor = graph->input;
    float size = 255; /* of a white pixel, on its way */
    bool arithmetic = false;

    while (graph->first_reader[tensor + 1] - graph->first_reader[tensor] == 1) {
        const struct node *node = &graph->nodes[graph->readers[graph->first_reader[tensor]].node];
        const struct tensor *constant;
        int slot;

        if (node->kind == NODE_BATCH_NORM)
            return largest_magnitude(&graph->tensors[node->inputs[3]]) > 2 ||
                   largest_magnitude(&graph->tensors[node->inputs[4]]) > 4;
        if (node->kind == NODE_BINARY) {
            constant = constant_side(graph, node, &slot);
            if (!constant || node->binary > BINARY_DIVIDE)
                break;
            arithmetic = true;
            if (node->binary == BINARY_MULTIPLY)
                size *= largest_magnitude(constant);
            else if (node->binary == BINARY_DIVIDE && slot == 1)
                size /= largest_magnitude(constant);
            else if (node->binary == BINARY_ADD || node->binary == BINARY_SUBTRACT)
                size = fabsf(size - largest_magnitude(constant));
        } else if (node->kind != NODE_IDENTITY && node->kind != NODE_RESHAPE &&
                   node->kind != NODE_TRANSPOSE && node->kind != NODE_PAD &&
                   node->kind != NODE_AVERAGE_POOL && node->kind != NODE_MAX_POOL) {
            break;
        }
        tensor = node->output;
    }
    return arithmetic && size <= 16;
}

static int fill_factor(const struct card_factor *factor, int channels, double otherwise,
                       float *values, const char *what, VbpError *error)
{
    if (factor->count > 1 && factor->count != channels)
        return error_set(
            error, VBP_ERROR_ARGUMENT,
            "the card's input.%s has %d numbers, but the network's input has %d channels", what,
            factor->count, channels);
    for (int c = 0; c < channels; c++)
        values[c] = (float)(factor->count == 0   ? otherwise
                            : factor->count == 1 ? factor->value[0]
                                                 : factor->value[c]);
    return VBP_OK;
}

static int choose_color(VbpModel *model, VbpError *error)
{
    struct preprocess_settings *settings = &model->settings;
    bool one = settings->channels == 1;

    if (model->card.input.has_color) {
        bool color_is_one =
            model->card.input.color == CARD_GRAY || model->card.input.color == CARD_SATURATION;

        settings->color = model->card.input.color;
        if (color_is_one != one)
            return error_set(
                error, VBP_ERROR_ARGUMENT,
                "the card's input.color '%s' does not go with the network's input of %d "
                "channel%s",
                card_color_name(settings->color), settings->channels, one ? "" : "s");
        return VBP_OK;
    }
    settings->color = one ? CARD_GRAY : CARD_RGB;
    return model_assume(model,
                        memory_format("color %s, since the input has %d channel%s",
                                      card_color_name(settings->color), settings->channels,
                                      one ? "" : "s"),
                        error);
}

static int choose_scale(VbpModel *model, VbpError *error)
{
    struct preprocess_settings *settings = &model->settings;
    const struct card *card = &model->card;
    double scale = 1;
    int result = VBP_OK;

    if (card->input.scale.count == 0 && card->input.bias.count == 0) {
        bool bytes = normalises_bytes(model->graph);

        scale = bytes ? 1 : 1.0 / 255;
        result =
            model_assume(model,
                         memory_copy_text(bytes ? "values 0..255, since the network begins with a "
                                                  "normalisation of its own"
                                                : "values 0..1"),
                         error);
    }
    if (result == VBP_OK)
        result = fill_factor(&card->input.scale, settings->channels, scale, settings->scale,
                             "scale", error);
    if (result == VBP_OK)
        result =
            fill_factor(&card->input.bias, settings->channels, 0, settings->bias, "bias", error);
    return result;
}

static int choose_preprocessing(VbpModel *model, VbpError *error)
{
    struct axes axes = input_axes(model->graph);
    const struct tensor *input = &model->graph->tensors[model->graph->input];
    struct preprocess_settings *settings = &model->settings;
    const struct card *card = &model->card;
    int result;

    if (axes.channel < 0)
        return VBP_OK;
    settings->channels = (int)input->shape.extent[axes.channel];
    settings->height = (int)input->shape.extent[axes.height];
    settings->width = (int)input->shape.extent[axes.width];
    settings->channels_last = axes.channel > axes.height;
    if (card->input.has_size &&
        (card->input.width != settings->width || card->input.height != settings->height))
        return error_set(error, VBP_ERROR_ARGUMENT,
                         "the card's input.size is %dx%d, but the network reads %dx%d",
                         card->input.width, card->input.height, settings->width, settings->height);
    if (settings->channels != 1 && settings->channels != 3)
        return VBP_OK;
    settings->crop_top = card->input.crop_top;
    settings->crop_bottom = card->input.crop_bottom;
    settings->crop_left = card->input.crop_left;
    settings->crop_right = card->input.crop_right;
    settings->resize = card->input.has_resize ? card->input.resize : CARD_BILINEAR;
    result = choose_color(model, error);
    if (result == VBP_OK)
        result = choose_scale(model, error);
    if (result == VBP_OK && !card->input.has_crop)
        result = model_assume(model, memory_copy_text("the whole frame, no crop"), error);
    model->reads_images = result == VBP_OK;
    return result;
}

/* ---- Opening and closing -------------------------------------------------------------------- */

/* Works out from graph and card what the model is. */
static int interpret(VbpModel *model, const char *wanted_output, VbpError *error)
{
    int result = choose_preprocessing(model, error);

    if (result == VBP_OK)
        result = steering_choose(model, wanted_output, error);
    return result;
}

int model_check(struct graph *graph, const struct card *card, struct preprocess_settings *settings,
                int *steering_output, VbpError *error)
{
    VbpModel model = {.graph = graph, .card = *card};
    int result = interpret(&model, NULL, error);

    if (result == VBP_OK && !model.reads_images)
        result =
            error_set(error, VBP_ERROR_UNSUPPORTED, "its input is no picture of 1 or 3 channels");
    *settings = model.settings;
    *steering_output = model.steering_output;
    for (int i = 0; i < model.assumption_count; i++)
        free(model.assumptions[i]);
    return result;
}

/* The file's network, and its card: the named one, the one inside, the one beside it, or none. */
static int load_graph(VbpModel *model, const VbpModelOptions *options, struct graph **refused,
                      VbpError *error)
{
    const char *named = options ? options->card_path : NULL;
    struct model_hints hints = {.refused = refused};
    char *embedded = NULL;
    VbpError card_error = {0};
    int card_result = read_card_file(model, named, &card_error);
    int result;

    /* What is wrong with a card beside the model matters if there is none inside. */
    if (card_result == VBP_ERROR_MEMORY || (named && card_result != VBP_OK)) {
        if (error)
            *error = card_error;
        return card_result;
    }
    if (options) {
        hints.input_width = options->input_width;
        hints.input_height = options->input_height;
    }
    /* The card may fix the size that the model leaves open, so it comes first. */
    if (model->card.input.has_size) {
        hints.input_width = model->card.input.width;
        hints.input_height = model->card.input.height;
        hints.outranks_file = named != NULL;
    }
    hints.lambdas = model->card.lambdas;
    hints.lambda_count = model->card.lambda_count;
    result = model_load(model->path, &hints, &model->graph, &embedded, error);
    if (result == VBP_OK && embedded && !named) {
        result = take_embedded_card(model, embedded, error);
    } else if (result == VBP_OK && card_result != VBP_OK) {
        if (error)
            *error = card_error;
        result = card_result;
    }
    card_drop_lambdas(&model->card);
    free(embedded);
    return result;
}

int model_open(VbpModel **model, const char *path, const VbpModelOptions *options,
               struct graph **refused, VbpError *error)
{
    VbpModel *m;
    int result;

    *model = NULL;
    if (refused)
        *refused = NULL;
    if (!path)
        return error_set(error, VBP_ERROR_ARGUMENT, "no path of a model was given");
    m = memory_array(1, sizeof(*m));
    if (!m)
        return error_out_of_memory(error);
    m->path = memory_copy_text(path);
    result = m->path ? load_graph(m, options, refused, error) : error_out_of_memory(error);
    if (result != VBP_OK)
        goto done;
    if (m->graph->guess)
        result = model_assume(m, memory_copy_text(m->graph->guess), error);
    if (result == VBP_OK)
        result = interpret(m, options ? options->steering_output : NULL, error);
    if (result == VBP_OK)
        result = graph_copy(&m->folded, m->graph, error);
    if (result == VBP_OK)
        result = graph_fold(m->folded, error);
    if (result != VBP_OK)
        error_prefix(error, "%s: ", path);
done:
    if (result == VBP_OK) {
        *model = m;
    } else {
        if (refused && m->graph) {
            *refused = m->graph;
            m->graph = NULL;
        }
        vbp_model_close(&m);
    }
    return result;
}

int vbp_model_open(VbpModel **model, const char *path, const VbpModelOptions *options,
                   VbpError *error)
{
    return model_open(model, path, options, NULL, error);
}

void vbp_model_close(VbpModel **model)
{
    VbpModel *m = *model;

    if (!m)
        return;
    for (int i = 0; i < m->assumption_count; i++)
        free(m->assumptions[i]);
    card_free(&m->card);
    free(m->card_origin);
    graph_destroy(&m->folded);
    graph_destroy(&m->graph);
    free(m->path);
    free(m);
    *model = NULL;
}

/* ---- Questions ------------------------------------------------------------------------------ */

void vbp_model_input_size(const VbpModel *model, int *channels, int *height, int *width)
{
    const struct shape *shape = &model->graph->tensors[model->graph->input].shape;

    *channels = model->settings.channels;
    *height = model->settings.height;
    *width = model->settings.width;
    if (*channels == 0) { /* no picture: a row of numbers */
        *channels = *height = 1;
        *width = (int)shape_elements(shape);
    }
}

int vbp_model_crop(const VbpModel *model, int width, int height, VbpRectangle *crop,
                   VbpError *error)
{
    return preprocess_crop(&model->settings, width, height, crop, error);
}

int vbp_model_output_count(const VbpModel *model)
{
    return model->graph->output_count;
}

const char *vbp_model_output_name(const VbpModel *model, int output)
{
    return model->graph->tensors[model->graph->outputs[output]].name;
}

size_t model_output_length(const VbpModel *model, int output)
{
    return (size_t)shape_elements(&model->graph->tensors[model->graph->outputs[output]].shape);
}

size_t vbp_model_output_length(const VbpModel *model, int output)
{
    return model_output_length(model, output);
}

int vbp_model_level_count(const VbpModel *model)
{
    return model->graph->level_count;
}

const char *vbp_model_level_size(const VbpModel *model, int level, int *height, int *width)
{
    const struct tensor *tensor = &model->graph->tensors[model->graph->levels[level]];

    *height = tensor_height(tensor);
    *width = tensor_width(tensor);
    return tensor->name;
}
