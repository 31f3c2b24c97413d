/* vbp info: what is in a model file, and how it will be fed. */
#include "base/error.h"
#include "base/memory.h"
#include "cli/cli.h"
#include "nn/forward.h"

#include <cjson/cJSON.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

struct info_options {
    bool json;
};

enum { OPTION_JSON = OPTION_OWN };

static bool take_option(void *context, int option, const char *value)
{
    struct info_options *options = context;

    (void)value;
    options->json = options->json || option == OPTION_JSON;
    return true;
}

static bool is_level(const struct graph *graph, int tensor)
{
    for (int i = 0; i < graph->level_count; i++) {
        if (graph->levels[i] == tensor)
            return true;
    }
    return false;
}

static int64_t node_parameters(const struct graph *graph, const struct node *node)
{
    int64_t count = 0;

    for (int i = 0; i < node->input_count; i++) {
        if (graph->tensors[node->inputs[i]].values)
            count += shape_elements(&graph->tensors[node->inputs[i]].shape);
    }
    return count;
}

struct totals {
    int64_t parameters, multiply_adds;
};

static struct totals count_totals(const struct graph *graph)
{
    struct totals totals = {0};

    for (int i = 0; i < graph->node_count; i++) {
        totals.parameters += node_parameters(graph, &graph->nodes[i]);
        totals.multiply_adds += node_multiply_adds(graph, &graph->nodes[i]);
    }
    return totals;
}

/* What is told of a file: all of a model, or what was read of one that was refused. */
struct subject {
    const char *path;
    const struct graph *graph;
    const VbpModel *model; /* NULL: it was refused */
    const char *reason;    /* for which it was; NULL: it was not */
};

static const char *layout_name(const VbpModel *model)
{
    return !model->reads_images ? "none" : model->settings.channels_last ? "NHWC" : "NCHW";
}

static bool steers(const struct subject *subject, int output)
{
    return subject->model && subject->model->steering_output == output;
}

static const char *format_of(const struct graph *graph)
{
    return graph->format ? graph->format : "unknown";
}

/* ---- Text ----------------------------------------------------------------------------------- */

static void print_preprocessing(const VbpModel *model)
{
    const struct preprocess_settings *settings = &model->settings;

    if (!model->reads_images) {
        printf("frames    not read: the input is no picture of 1 or 3 channels\n");
        return;
    }
    printf("frames    crop top %g, bottom %g, left %g, right %g; resize %s to %dx%d; color %s\n",
           settings->crop_top, settings->crop_bottom, settings->crop_left, settings->crop_right,
           card_resize_name(settings->resize), settings->width, settings->height,
           card_color_name(settings->color));
    printf("values   ");
    for (int c = 0; c < settings->channels; c++)
        printf(" byte * %.9g %+.9g%s", (double)settings->scale[c], (double)settings->bias[c],
               c + 1 < settings->channels ? "," : "\n");
}

static void print_layers(const struct graph *graph)
{
    char text[SHAPE_TEXT_SIZE];

    printf("\n%4s  %-28s %-28s %-16s %10s %12s\n", "", "layer", "kind", "output", "parameters",
           "mult-adds");
    for (int i = 0; i < graph->node_count; i++) {
        const struct node *node = &graph->nodes[i];
        const struct tensor *output = &graph->tensors[node->output];

        printf("%4d  %-28.28s %-28.28s %-16s %10" PRId64 " %12" PRId64 "%s\n", i,
               *node->name ? node->name : output->name, node->source_kind,
               shape_text(&output->shape, text), node_parameters(graph, node),
               node_multiply_adds(graph, node), is_level(graph, node->output) ? "  level" : "");
    }
}

static void print_steering(const VbpModel *model)
{
    const struct card *card = &model->card;
    enum card_unit unit = card->output.has_unit ? card->output.unit : CARD_NORMALIZED;

    printf("steering  ");
    if (model->bins.count > 0)
        printf("the likeliest of %d bins from %g to %g; ", model->bins.count, model->bins.first,
               model->bins.last);
    printf("%s, positive to the %s", card_unit_name(unit),
           card->output.positive_left ? "left" : "right");
    if (card->output.has_full_lock)
        printf(", full lock %g", card->output.full_lock);
    printf("\n");
}

/* What the card and the lack of one made of the file. */
static void print_reading(const VbpModel *model)
{
    print_steering(model);
    printf("card      %s\n", model->card_origin ? model->card_origin : "none");
    print_preprocessing(model);
    for (int i = 0; i < model->assumption_count; i++)
        printf("assumed   %s\n", model->assumptions[i]);
}

static void print_text(const struct subject *subject)
{
    const struct graph *graph = subject->graph;
    const VbpModel *model = subject->model;
    struct totals totals = count_totals(graph);
    char text[SHAPE_TEXT_SIZE];

    printf("model     %s\n", subject->path);
    printf("format    %s%s%s\n", format_of(graph), graph->producer ? ", written by " : "",
           graph->producer ? graph->producer : "");
    if (graph->input >= 0) {
        const struct tensor *input = &graph->tensors[graph->input];

        printf("input     %s: %s", input->name, shape_text(&input->shape, text));
        printf(model ? " (%s)\n" : "\n", model ? layout_name(model) : "");
    }
    for (int i = 0; i < graph->output_count; i++) {
        const struct tensor *output = &graph->tensors[graph->outputs[i]];

        printf("output    %s: %s%s%s\n", output->name, shape_text(&output->shape, text),
               steers(subject, i) ? ", steers: " : "",
               steers(subject, i) ? model->steering_reason : "");
    }
    if (model)
        print_reading(model);
    if (subject->reason)
        printf("refused   %s\n", subject->reason);
    if (!model && graph->node_count == 0)
        return;
    printf("size      %" PRId64 " parameters, %" PRId64 " multiply-adds%s\n", totals.parameters,
           totals.multiply_adds, model ? "" : ", as far as it was read");
    if (model)
        printf("levels    %d%s\n", graph->level_count,
               graph->level_count ? "" : ": no mask can be made of this network");
    print_layers(graph);
}

/* ---- JSON ----------------------------------------------------------------------------------- */

static cJSON *shape_json(const struct shape *shape)
{
    cJSON *array = cJSON_CreateArray();

    for (int i = 0; i < shape->rank; i++)
        cJSON_AddItemToArray(array, cJSON_CreateNumber((double)shape->extent[i]));
    return array;
}

static cJSON *layers_json(const struct graph *graph)
{
    cJSON *layers = cJSON_CreateArray();

    for (int i = 0; i < graph->node_count; i++) {
        const struct node *node = &graph->nodes[i];
        cJSON *layer = cJSON_CreateObject();

        cJSON_AddStringToObject(layer, "name", node->name);
        cJSON_AddStringToObject(layer, "kind", node->source_kind);
        cJSON_AddStringToObject(layer, "output", graph->tensors[node->output].name);
        cJSON_AddItemToObject(layer, "shape", shape_json(&graph->tensors[node->output].shape));
        cJSON_AddNumberToObject(layer, "parameters", (double)node_parameters(graph, node));
        cJSON_AddNumberToObject(layer, "macs", (double)node_multiply_adds(graph, node));
        cJSON_AddBoolToObject(layer, "level", is_level(graph, node->output));
        cJSON_AddItemToArray(layers, layer);
    }
    return layers;
}

static cJSON *factor_json(const float *values, int count)
{
    cJSON *array = cJSON_CreateArray();

    for (int i = 0; i < count; i++)
        cJSON_AddItemToArray(array, cJSON_CreateNumber((double)values[i]));
    return array;
}

static cJSON *preprocessing_json(const VbpModel *model)
{
    const struct preprocess_settings *settings = &model->settings;
    cJSON *object = cJSON_CreateObject();
    cJSON *crop = cJSON_AddObjectToObject(object, "crop");
    cJSON *size = cJSON_AddArrayToObject(object, "size");

    cJSON_AddNumberToObject(crop, "top", settings->crop_top);
    cJSON_AddNumberToObject(crop, "bottom", settings->crop_bottom);
    cJSON_AddNumberToObject(crop, "left", settings->crop_left);
    cJSON_AddNumberToObject(crop, "right", settings->crop_right);
    cJSON_AddItemToArray(size, cJSON_CreateNumber(settings->width));
    cJSON_AddItemToArray(size, cJSON_CreateNumber(settings->height));
    cJSON_AddStringToObject(object, "resize", card_resize_name(settings->resize));
    cJSON_AddStringToObject(object, "color", card_color_name(settings->color));
    cJSON_AddItemToObject(object, "scale", factor_json(settings->scale, settings->channels));
    cJSON_AddItemToObject(object, "bias", factor_json(settings->bias, settings->channels));
    return object;
}

/* What the card and the lack of one made of the file. */
static void add_reading(cJSON *root, const VbpModel *model)
{
    cJSON *array;

    cJSON_AddStringToObject(root, "steering_reason", model->steering_reason);
    if (model->bins.count > 0) {
        array = cJSON_AddArrayToObject(root, "bins");
        cJSON_AddItemToArray(array, cJSON_CreateNumber(model->bins.first));
        cJSON_AddItemToArray(array, cJSON_CreateNumber(model->bins.last));
        cJSON_AddItemToArray(array, cJSON_CreateNumber(model->bins.count));
    }
    if (model->card_origin)
        cJSON_AddStringToObject(root, "card", model->card_origin);
    if (model->reads_images)
        cJSON_AddItemToObject(root, "preprocessing", preprocessing_json(model));
    array = cJSON_AddArrayToObject(root, "assumptions");
    for (int i = 0; i < model->assumption_count; i++)
        cJSON_AddItemToArray(array, cJSON_CreateString(model->assumptions[i]));
}

static void add_input(cJSON *root, const struct subject *subject)
{
    const struct tensor *input = &subject->graph->tensors[subject->graph->input];
    cJSON *object = cJSON_AddObjectToObject(root, "input");

    cJSON_AddStringToObject(object, "name", input->name);
    cJSON_AddItemToObject(object, "shape", shape_json(&input->shape));
    if (subject->model)
        cJSON_AddStringToObject(object, "layout", layout_name(subject->model));
}

static void add_outputs(cJSON *root, const struct subject *subject)
{
    const struct graph *graph = subject->graph;
    cJSON *array = cJSON_AddArrayToObject(root, "outputs");

    for (int i = 0; i < graph->output_count; i++) {
        const struct tensor *output = &graph->tensors[graph->outputs[i]];
        cJSON *object = cJSON_CreateObject();

        cJSON_AddStringToObject(object, "name", output->name);
        cJSON_AddItemToObject(object, "shape", shape_json(&output->shape));
        if (subject->model)
            cJSON_AddBoolToObject(object, "steering", steers(subject, i));
        cJSON_AddItemToArray(array, object);
    }
}

static void add_levels(cJSON *root, const struct graph *graph)
{
    cJSON *array = cJSON_AddArrayToObject(root, "levels");

    for (int i = 0; i < graph->level_count; i++) {
        const struct tensor *level = &graph->tensors[graph->levels[i]];
        cJSON *object = cJSON_CreateObject();

        cJSON_AddStringToObject(object, "name", level->name);
        cJSON_AddNumberToObject(object, "height", tensor_height(level));
        cJSON_AddNumberToObject(object, "width", tensor_width(level));
        cJSON_AddItemToArray(array, object);
    }
}

static int print_json(const struct subject *subject, VbpError *error)
{
    const struct graph *graph = subject->graph;
    struct totals totals = count_totals(graph);
    cJSON *root = cJSON_CreateObject();
    char *text;

    cJSON_AddStringToObject(root, "model", subject->path);
    cJSON_AddStringToObject(root, "format", format_of(graph));
    if (graph->producer)
        cJSON_AddStringToObject(root, "producer", graph->producer);
    if (graph->input >= 0)
        add_input(root, subject);
    add_outputs(root, subject);
    if (subject->model)
        add_reading(root, subject->model);
    if (subject->reason)
        cJSON_AddStringToObject(root, "refused", subject->reason);
    cJSON_AddNumberToObject(root, "parameters", (double)totals.parameters);
    cJSON_AddNumberToObject(root, "macs", (double)totals.multiply_adds);
    add_levels(root, graph);
    cJSON_AddItemToObject(root, "layers", layers_json(graph));
    text = cJSON_Print(root);
    cJSON_Delete(root);
    if (!text)
        return error_out_of_memory(error);
    puts(text);
    free(text);
    return VBP_OK;
}

/* ---- The command ---------------------------------------------------------------------------- */

static int print(const struct subject *subject, bool json, VbpError *error)
{
    int result = VBP_OK;

    if (json)
        result = print_json(subject, error);
    else
        print_text(subject);
    if (result == VBP_OK && fflush(stdout) != 0)
        result = error_set_errno(error, "cannot write", "standard output");
    return result;
}

/* What is known of a file that is refused; the refusal is told by the caller. */
static void print_refused(const char *path, const struct graph *refused, bool json,
                          const VbpError *refusal)
{
    struct subject subject = {.path = path, .graph = refused, .reason = refusal->message};
    size_t length = strlen(path);
    VbpError ignored;

    if (strncmp(subject.reason, path, length) == 0 &&
        strncmp(subject.reason + length, ": ", 2) == 0)
        subject.reason += length + 2;
    print(&subject, json, &ignored);
}

static int run(int argc, char **argv)
{
    static const struct option own_options[] = {{"json", no_argument, NULL, OPTION_JSON}, {0}};
    struct info_options options = {0};
    struct common_options common;
    VbpModelOptions model_options;
    struct graph *refused = NULL;
    VbpModel *model = NULL;
    VbpError error;
    const char *path;
    int result, status = cli_parse(&command_info, argc, argv, "", own_options, take_option,
                                   &options, &common, &path);

    if (status >= 0)
        return status;
    model_options = cli_model_options(&common);
    result = model_open(&model, path, &model_options, &refused, &error);
    if (result == VBP_OK)
        result =
            print(&(struct subject){.path = model->path, .graph = model->graph, .model = model},
                  options.json, &error);
    else if (refused && (error.status == VBP_ERROR_FORMAT || error.status == VBP_ERROR_UNSUPPORTED))
        print_refused(path, refused, options.json, &error);
    graph_destroy(&refused);
    vbp_model_close(&model);
    return result == VBP_OK ? EXIT_DONE : cli_fail(&error);
}

const struct command command_info = {
    .name = "info",
    .usage = "vbp info MODEL [options]",
    .summary = "layers, shapes, levels and preprocessing of a model",
    .help = "options:\n"
            "      --json             machine-readable, on standard output\n",
    .run = run,
};
