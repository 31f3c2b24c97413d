#include "train/network.h"

#include "base/file.h"
#include "base/memory.h"
#include "base/random.h"

#include <cjson/cJSON.h>
#include <stdio.h>
#include <string.h>

#define DESCRIPTION_MAX_BYTES ((size_t)1 << 20)
#define LAYERS_MAX            64
#define UNITS_MAX             65536
#define KERNEL_MAX            64
#define SIDE_MAX              8192                /* of the input, pixels */
#define WEIGHTS_MAX           ((size_t)200000000) /* in all; an ONNX file of them is below 1 GiB */

/* A network while it is built: the tensor at its end and what the next layer needs to know. */
struct builder {
    struct graph *graph;
    struct random random;
    enum activation activation;
    int tensor;
    int layers; /* so far, for names */
    size_t weights;
    bool flat;
};

static const char pilotnet[] =
    "{\"input\": [3, 66, 200], \"layers\": ["
    "{\"conv\": 24, \"kernel\": 5, \"stride\": 2}, {\"conv\": 36, \"kernel\": 5, \"stride\": 2},"
    "{\"conv\": 48, \"kernel\": 5, \"stride\": 2}, {\"conv\": 64, \"kernel\": 3},"
    "{\"conv\": 64, \"kernel\": 3}, {\"dense\": 100}, {\"dense\": 50}, {\"dense\": 10}]}";

static const char nethvf[] = "{\"input\": [1, 125, 640], \"layers\": ["
                             "{\"conv\": 8, \"kernel\": 3, \"norm\": true},"
                             "{\"conv\": 8, \"kernel\": 3, \"stride\": 2, \"norm\": true},"
                             "{\"conv\": 16, \"kernel\": 3, \"norm\": true},"
                             "{\"conv\": 16, \"kernel\": 3, \"stride\": 2, \"norm\": true},"
                             "{\"conv\": 24, \"kernel\": 3, \"norm\": true},"
                             "{\"conv\": 24, \"kernel\": 3, \"stride\": 2, \"norm\": true},"
                             "{\"conv\": 36, \"kernel\": 3, \"norm\": true},"
                             "{\"conv\": 36, \"kernel\": 3, \"stride\": 2, \"norm\": true},"
                             "{\"conv\": 48, \"kernel\": 3, \"norm\": true},"
                             "{\"conv\": 48, \"kernel\": 3, \"stride\": 2, \"norm\": true},"
                             "{\"dense\": 128}, {\"dense\": 16}]}";

/* A constant of normally distributed values; deviation 0: all `value`. */
static int add_values(struct builder *builder, const char *name, struct shape shape, float value,
                      double deviation, VbpError *error)
{
    int64_t elements = shape_elements(&shape);
    size_t count = elements > 0 ? (size_t)elements : 0;
    float *values;
    int tensor;

    if (count == 0 || count > WEIGHTS_MAX - builder->weights) {
        char text[SHAPE_TEXT_SIZE];

        return error_set(error, VBP_ERROR_UNSUPPORTED,
                         "too large: with %s weights more, the network has more than %zu",
                         shape_text(&shape, text), WEIGHTS_MAX);
    }
    values = memory_array(count, sizeof(float));
    if (!values)
        return error_out_of_memory(error);
    builder->weights += count;
    for (size_t i = 0; i < count; i++)
        values[i] = deviation > 0 ? (float)(deviation * random_normal(&builder->random)) : value;
    tensor = graph_add_constant(builder->graph, name, &shape, values, error);
    free(values);
    return tensor;
}

static struct shape vector(int64_t length)
{
    return (struct shape){.rank = 1, .extent = {length}};
}

/* Adds the node behind the end of the network; inputs[0] is set here. */
static int append(struct builder *builder, struct node *node, int *inputs, const char *kind,
                  VbpError *error)
{
    char name[32];
    int tensor;

    snprintf(name, sizeof(name), "%s%d", kind, builder->layers);
    inputs[0] = builder->tensor;
    node->inputs = inputs;
    node->name = name;
    node->source_kind = NULL;
    tensor = graph_add_node(builder->graph, node, name, error);
    if (tensor >= 0)
        builder->tensor = tensor;
    return tensor < 0 ? tensor : VBP_OK;
}

static int add_activation(struct builder *builder, VbpError *error)
{
    struct node node = {.kind = NODE_ACTIVATION,
                        .input_count = 1,
                        .activation = {.function = builder->activation, .alpha = 1}};

    return append(builder, &node, (int[1]){0},
                  builder->activation == ACTIVATION_ELU ? "elu" : "relu", error);
}

static int add_norm(struct builder *builder, int64_t channels, VbpError *error)
{
    static const char *const names[] = {"", "scale", "shift", "mean", "variance"};
    struct node node = {.kind = NODE_BATCH_NORM, .input_count = 5, .batch_norm = {1e-5f}};
    int inputs[5] = {0};

    for (int i = 1; i < 5; i++) {
        char name[48];

        snprintf(name, sizeof(name), "norm%d.%s", builder->layers, names[i]);
        inputs[i] = add_values(builder, name, vector(channels), i == 1 || i == 4 ? 1 : 0, 0, error);
        if (inputs[i] < 0)
            return inputs[i];
    }
    return append(builder, &node, inputs, "norm", error);
}

/* Weights and biases for inputs[1] and [2]; fan_in inputs feed each output. */
static int add_weights(struct builder *builder, struct shape shape, const char *kind,
                       double deviation, int *inputs, VbpError *error)
{
    char name[48];

    snprintf(name, sizeof(name), "%s%d.weight", kind, builder->layers);
    inputs[1] = add_values(builder, name, shape, 0, deviation, error);
    if (inputs[1] < 0)
        return inputs[1];
    snprintf(name, sizeof(name), "%s%d.bias", kind, builder->layers);
    inputs[2] = add_values(builder, name, vector(shape.extent[0]), 0, 0, error);
    return inputs[2] < 0 ? inputs[2] : VBP_OK;
}

static int add_conv(struct builder *builder, int channels, int kernel, int stride, bool norm,
                    VbpError *error)
{
    int64_t before = builder->graph->tensors[builder->tensor].shape.extent[1];
    struct node node = {.kind = NODE_CONVOLUTION, .input_count = 3};
    struct shape shape = {.rank = 4, .extent = {channels, before, kernel, kernel}};
    int inputs[3] = {0};
    int result = add_weights(builder, shape, "conv", sqrt(2.0 / ((double)before * kernel * kernel)),
                             inputs, error);

    node.convolution.window = window_make(kernel, kernel);
    node.convolution.window.stride[0] = node.convolution.window.stride[1] = stride;
    node.convolution.groups = 1;
    if (result == VBP_OK)
        result = append(builder, &node, inputs, "conv", error);
    if (result == VBP_OK && norm)
        result = add_norm(builder, channels, error);
    return result == VBP_OK ? add_activation(builder, error) : result;
}

static int add_pool(struct builder *builder, bool max, int kernel, VbpError *error)
{
    struct node node = {.kind = max ? NODE_MAX_POOL : NODE_AVERAGE_POOL, .input_count = 1};

    node.pool.window = window_make(kernel, kernel);
    node.pool.window.stride[0] = node.pool.window.stride[1] = kernel;
    return append(builder, &node, (int[1]){0}, "pool", error);
}

static int flatten(struct builder *builder, VbpError *error)
{
    struct node node = {.kind = NODE_RESHAPE, .input_count = 1};

    if (builder->flat)
        return VBP_OK;
    builder->flat = true;
    node.reshape.shape = (struct shape){
        .rank = 2, .extent = {1, shape_elements(&builder->graph->tensors[builder->tensor].shape)}};
    return append(builder, &node, (int[1]){0}, "flatten", error);
}

/* A dense layer; the last one has no activation and a tenth of the usual weights. */
static int add_dense(struct builder *builder, int units, bool last, VbpError *error)
{
    struct node node = {.kind = NODE_DENSE, .input_count = 3};
    int inputs[3] = {0};
    int64_t before;
    int result = flatten(builder, error);

    if (result != VBP_OK)
        return result;
    before = builder->graph->tensors[builder->tensor].shape.extent[1];
    result = add_weights(builder, (struct shape){.rank = 2, .extent = {units, before}}, "dense",
                         (last ? 0.1 : 1) * sqrt(2.0 / (double)before), inputs, error);
    if (result == VBP_OK)
        result = append(builder, &node, inputs, "dense", error);
    return result == VBP_OK && !last ? add_activation(builder, error) : result;
}

/* ---- The description ------------------------------------------------------------------------ */

/* A whole number in 1..most. */
static bool is_count(const cJSON *item, int most)
{
    return cJSON_IsNumber(item) && item->valuedouble >= 1 && item->valuedouble <= most &&
           item->valuedouble == (double)(int)item->valuedouble;
}

/* A whole number in 1..most under `key`; `otherwise` where it is absent. */
static int read_count(const cJSON *object, const char *key, int most, int otherwise, int *value,
                      VbpError *error)
{
    const cJSON *item = cJSON_GetObjectItemCaseSensitive(object, key);

    *value = otherwise;
    if (!item)
        return VBP_OK;
    if (!is_count(item, most))
        return error_set(
            error, VBP_ERROR_FORMAT, "\"%s\" must be a whole number from 1 to %d%s", key, most,
            cJSON_IsNumber(item) && item->valuedouble > most ? ": this is too large" : "");
    *value = (int)item->valuedouble;
    return VBP_OK;
}

/* The object has no keys but the known ones (NULL-terminated), and none of them twice. */
static int check_keys(const cJSON *object, const char *what, const char *const *known,
                      VbpError *error)
{
    const cJSON *item;
    unsigned seen = 0;

    cJSON_ArrayForEach(item, object)
    {
        unsigned i = 0;

        while (known[i] && strcmp(known[i], item->string) != 0)
            i++;
        if (!known[i])
            return error_set(error, VBP_ERROR_FORMAT, "%s has no key \"%.60s\"", what,
                             item->string);
        if (seen & 1u << i)
            return error_set(error, VBP_ERROR_FORMAT, "\"%s\" is there twice", known[i]);
        seen |= 1u << i;
    }
    return VBP_OK;
}

enum layer_kind { LAYER_CONV, LAYER_POOL, LAYER_DENSE, LAYER_KIND_COUNT };

/* The key that says the kind comes first. */
static const struct {
    const char *what;
    const char *keys[5];
} layer_kinds[LAYER_KIND_COUNT] = {
    [LAYER_CONV] = {"a convolution", {"conv", "kernel", "stride", "norm"}},
    [LAYER_POOL] = {"a pool", {"pool", "kernel"}},
    [LAYER_DENSE] = {"a dense layer", {"dense"}},
};

/* What kind of layer it is; all of its keys go with that. */
static int find_kind(const cJSON *layer, enum layer_kind *kind, VbpError *error)
{
    int kinds = 0;

    if (!cJSON_IsObject(layer))
        return error_set(error, VBP_ERROR_FORMAT, "it must be an object");
    for (int i = 0; i < LAYER_KIND_COUNT; i++) {
        if (cJSON_GetObjectItemCaseSensitive(layer, layer_kinds[i].keys[0])) {
            *kind = (enum layer_kind)i;
            kinds++;
        }
    }
    if (kinds == 1)
        return check_keys(layer, layer_kinds[*kind].what, layer_kinds[*kind].keys, error);
    if (kinds == 0 && layer->child)
        return error_set(error, VBP_ERROR_FORMAT,
                         "it must have one of \"conv\", \"pool\" and \"dense\", not only \"%.60s\"",
                         layer->child->string);
    return error_set(error, VBP_ERROR_FORMAT,
                     "it must have one of \"conv\", \"pool\" and \"dense\"");
}

static int read_conv(struct builder *builder, const cJSON *layer, VbpError *error)
{
    const cJSON *norm = cJSON_GetObjectItemCaseSensitive(layer, "norm");
    int channels, kernel, stride;
    int result = read_count(layer, "conv", UNITS_MAX, 1, &channels, error);

    if (result == VBP_OK)
        result = read_count(layer, "kernel", KERNEL_MAX, 3, &kernel, error);
    if (result == VBP_OK)
        result = read_count(layer, "stride", KERNEL_MAX, 1, &stride, error);
    if (result == VBP_OK && norm && !cJSON_IsBool(norm))
        result = error_set(error, VBP_ERROR_FORMAT, "\"norm\" is true or false");
    return result == VBP_OK ? add_conv(builder, channels, kernel, stride, cJSON_IsTrue(norm), error)
                            : result;
}

static int read_pool(struct builder *builder, const cJSON *layer, VbpError *error)
{
    const char *pool = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(layer, "pool"));
    int kernel;
    int result = read_count(layer, "kernel", KERNEL_MAX, 2, &kernel, error);

    if (result != VBP_OK)
        return result;
    if (!pool || (strcmp(pool, "max") != 0 && strcmp(pool, "average") != 0))
        return error_set(error, VBP_ERROR_FORMAT, "\"pool\" is \"max\" or \"average\"");
    return add_pool(builder, strcmp(pool, "max") == 0, kernel, error);
}

static int add_layer(struct builder *builder, const cJSON *layer, VbpError *error)
{
    enum layer_kind kind = LAYER_DENSE;
    int units, result = find_kind(layer, &kind, error);

    if (result != VBP_OK)
        return result;
    if (builder->flat && kind != LAYER_DENSE)
        return error_set(error, VBP_ERROR_FORMAT, "only dense layers may follow a dense one");
    if (kind == LAYER_CONV)
        return read_conv(builder, layer, error);
    if (kind == LAYER_POOL)
        return read_pool(builder, layer, error);
    result = read_count(layer, "dense", UNITS_MAX, 1, &units, error);
    return result == VBP_OK ? add_dense(builder, units, false, error) : result;
}

static int add_input(struct builder *builder, const cJSON *root, VbpError *error)
{
    const cJSON *input = cJSON_GetObjectItemCaseSensitive(root, "input");
    const cJSON *activation = cJSON_GetObjectItemCaseSensitive(root, "activation");
    struct shape shape = {.rank = 4, .extent = {1}};

    if (!cJSON_IsArray(input) || cJSON_GetArraySize(input) != 3)
        return error_set(error, VBP_ERROR_FORMAT, "\"input\" must be [channels, height, width]");
    for (int i = 0; i < 3; i++) {
        const cJSON *extent = cJSON_GetArrayItem(input, i);

        if (!is_count(extent, SIDE_MAX))
            return error_set(error, VBP_ERROR_FORMAT,
                             "\"input\" must be three whole numbers from 1 to %d", SIDE_MAX);
        shape.extent[i + 1] = (int64_t)extent->valuedouble;
    }
    if (shape.extent[1] != 1 && shape.extent[1] != 3)
        return error_set(error, VBP_ERROR_FORMAT, "\"input\" must have 1 or 3 channels");
    builder->activation = ACTIVATION_RELU;
    if (activation &&
        (!cJSON_IsString(activation) || (strcmp(activation->valuestring, "relu") != 0 &&
                                         strcmp(activation->valuestring, "elu") != 0)))
        return error_set(error, VBP_ERROR_FORMAT, "\"activation\" is \"relu\" or \"elu\"");
    if (activation && strcmp(activation->valuestring, "elu") == 0)
        builder->activation = ACTIVATION_ELU;
    builder->tensor = graph_add_input(builder->graph, "image", &shape, error);
    return builder->tensor < 0 ? builder->tensor : VBP_OK;
}

static int build(struct builder *builder, const cJSON *root, VbpError *error)
{
    static const char *const keys[] = {"input", "activation", "layers", NULL};
    const cJSON *layers = cJSON_GetObjectItemCaseSensitive(root, "layers"), *layer;
    int result = cJSON_IsObject(root) ? check_keys(root, "a network", keys, error)
                                      : error_set(error, VBP_ERROR_FORMAT, "not a JSON object");

    if (result == VBP_OK)
        result = add_input(builder, root, error);
    if (result == VBP_OK && (!cJSON_IsArray(layers) || cJSON_GetArraySize(layers) > LAYERS_MAX))
        result =
            error_set(error, VBP_ERROR_FORMAT, "\"layers\" must be a list of up to %d", LAYERS_MAX);
    if (result != VBP_OK)
        return result;
    cJSON_ArrayForEach(layer, layers)
    {
        builder->layers++;
        result = add_layer(builder, layer, error);
        if (result != VBP_OK)
            return error_prefix(error, "layer %d: ", builder->layers);
    }
    builder->layers++;
    result = add_dense(builder, 1, true, error);
    if (result == VBP_OK)
        result = graph_rename_tensor(builder->graph, builder->tensor, "steering", error);
    if (result == VBP_OK)
        result = graph_mark_output(builder->graph, builder->tensor, error);
    return result == VBP_OK ? graph_finish(builder->graph, error) : result;
}

/* The text as JSON, with nothing but blanks behind it; NULL with *error set where it is none. */
static cJSON *parse(const char *text, size_t length, VbpError *error)
{
    const char *end = NULL;
    cJSON *root = strlen(text) == length ? cJSON_ParseWithOpts(text, &end, 1) : NULL;
    int line = 1;

    if (root)
        return root;
    for (const char *c = text; end && c < end; c++)
        line += *c == '\n';
    error_set(error, VBP_ERROR_FORMAT, "line %d: not JSON, or something behind it", line);
    return NULL;
}

int network_build(struct graph **graph, const char *name, uint64_t seed, VbpError *error)
{
    const char *known = strcmp(name, "pilotnet") == 0 ? pilotnet
                        : strcmp(name, "nethvf") == 0 ? nethvf
                                                      : NULL;
    struct builder builder = {.random = random_for(seed, 0, 0)};
    unsigned char *text = NULL;
    cJSON *root;
    size_t length = known ? strlen(known) : 0;
    int result = VBP_OK;

    *graph = NULL;
    if (!known) {
        result = file_read(name, DESCRIPTION_MAX_BYTES, &text, &length, error);
        if (result != VBP_OK)
            return error_prefix(error, "no network 'pilotnet', 'nethvf' or description: ");
        known = (const char *)text;
    }
    root = parse(known, length, error);
    result = root ? graph_create(&builder.graph, error) : VBP_ERROR_FORMAT;
    if (result == VBP_OK)
        result = build(&builder, root, error);
    if (result == VBP_OK) {
        *graph = builder.graph;
    } else {
        error_prefix(error, "%s: ", name);
        graph_destroy(&builder.graph);
    }
    cJSON_Delete(root);
    free(text);
    return result;
}

int network_scale_output(struct graph *graph, int output, float factor, VbpError *error)
{
    const struct tensor *tensor = &graph->tensors[graph->outputs[output]];
    const struct node *node = tensor->producer >= 0 ? &graph->nodes[tensor->producer] : NULL;

    if (!node || node->kind != NODE_DENSE)
        return error_set(error, VBP_ERROR_UNSUPPORTED,
                         "output '%s' is not made by a dense layer, so it cannot be scaled",
                         tensor->name);
    for (int i = 1; i < node->input_count; i++) {
        struct tensor *constant = &graph->tensors[node->inputs[i]];
        int64_t count = shape_elements(&constant->shape);

        for (int64_t j = 0; j < count; j++)
            constant->values[j] *= factor;
    }
    return VBP_OK;
}
