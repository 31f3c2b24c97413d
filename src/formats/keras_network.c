/*
 * Networks of Keras: chains (Sequential) and graphs of layers (Model, Functional). Both become a
 * list of layers with the places where each is used, and what each place reads:
 *
 *     layer "conv"   use 0 reads ("input", 0)
 *     layer "add"    use 0 reads ("conv", 0), ("input", 0)
 */
#include "base/memory.h"
#include "formats/keras_loader.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

#define MAX_LAYERS 2000
#define MAX_LINKS  20000
#define MAX_DEPTH  8

struct link {
    int layer, use;
};

struct use {
    int first_link, link_count;
    bool done;
    struct keras_value value;
};

struct layer {
    const char *name, *class_name;
    const cJSON *config;
    char *key; /* its group in files of Keras 3 */
    int first_use, use_count;
};

struct network {
    const char *name;
    struct layer *layers;
    struct use *uses;
    struct link *links;
    struct link *outputs;
    int layer_count, use_count, link_count, output_count;
    size_t layer_capacity, use_capacity, link_capacity, output_capacity;
    struct keras_place place;
};

static void free_network(struct network *network)
{
    for (int i = 0; i < network->layer_count; i++)
        free(network->layers[i].key);
    free(network->layers);
    free(network->uses);
    free(network->links);
    free(network->outputs);
    free(network->place.group);
}

/* ---- Reading the description ---------------------------------------------------------------- */

static const cJSON *layers_of(const cJSON *json)
{
    const cJSON *config = keras_item(json, "config", NULL);

    return cJSON_IsArray(config) ? config : keras_item(config, "layers", NULL);
}

static bool is_sequential(const cJSON *json)
{
    return strcmp(keras_text(json, "class_name", NULL, ""), "Sequential") == 0;
}

static bool is_network(const char *class_name)
{
    return strcmp(class_name, "Sequential") == 0 || strcmp(class_name, "Model") == 0 ||
           strcmp(class_name, "Functional") == 0;
}

/* "MaxPooling2D" -> "max_pooling2d", as Keras names groups by classes. */
static void snake_case(const char *name, char *text, size_t size)
{
    size_t used = 0;

    for (size_t i = 0; name[i] && used + 2 < size; i++) {
        bool upper = isupper((unsigned char)name[i]);

        if (i > 0 && upper &&
            (islower((unsigned char)name[i + 1]) || islower((unsigned char)name[i - 1])))
            text[used++] = '_';
        text[used++] = (char)tolower((unsigned char)name[i]);
    }
    text[used] = 0;
}

/* Files of Keras 3 number the layers of each class; newer ones also tell the layer's name. */
static int find_key(const struct keras_loader *loader, const struct network *network,
                    struct layer *layer, VbpError *error)
{
    char own[128], other[128];
    char *vars, *name = NULL;
    int same = 0, result;

    snake_case(layer->class_name, own, sizeof(own));
    for (const struct layer *before = network->layers; before < layer; before++) {
        snake_case(before->class_name, other, sizeof(other));
        same += strcmp(own, other) == 0;
    }
    vars = memory_format("%s/%s/vars", network->place.group, layer->name);
    if (!vars)
        return error_out_of_memory(error);
    result = keras_hdf5_text(loader->weights, vars, "name", &name, error);
    free(vars);
    if (result != VBP_OK)
        return result;
    if (name && strcmp(name, layer->name) == 0)
        layer->key = memory_copy_text(layer->name);
    else
        layer->key = same ? memory_format("%s_%d", own, same) : memory_copy_text(own);
    free(name);
    return layer->key ? VBP_OK : error_out_of_memory(error);
}

static int add_layer(const struct keras_loader *loader, struct network *network, const cJSON *item,
                     VbpError *error)
{
    struct layer *layer;
    const cJSON *config = keras_item(item, "config", NULL);

    if (network->layer_count == MAX_LAYERS)
        return error_set(error, VBP_ERROR_UNSUPPORTED, "the network has more than %d layers",
                         MAX_LAYERS);
    if (!memory_grow((void **)&network->layers, &network->layer_capacity,
                     (size_t)network->layer_count + 1, sizeof(*network->layers)))
        return error_out_of_memory(error);
    layer = &network->layers[network->layer_count++];
    layer->class_name = keras_text(item, "class_name", NULL, NULL);
    layer->name = keras_text(config, "name", NULL, keras_text(item, "name", NULL, NULL));
    layer->config = config;
    layer->first_use = network->use_count;
    if (!layer->class_name || !layer->name)
        return error_set(error, VBP_ERROR_FORMAT, "layer %d of the network has no %s",
                         network->layer_count - 1, layer->class_name ? "name" : "class");
    return loader->by_number ? find_key(loader, network, layer, error) : VBP_OK;
}

static int add_use(struct network *network, VbpError *error)
{
    if (network->use_count == MAX_LINKS ||
        !memory_grow((void **)&network->uses, &network->use_capacity,
                     (size_t)network->use_count + 1, sizeof(*network->uses)))
        return error_out_of_memory(error);
    network->uses[network->use_count++].first_link = network->link_count;
    network->layers[network->layer_count - 1].use_count++;
    return VBP_OK;
}

/* Adds a link to the last use of the last layer. */
static int add_link(struct network *network, int layer, int use, VbpError *error)
{
    if (network->link_count == MAX_LINKS ||
        !memory_grow((void **)&network->links, &network->link_capacity,
                     (size_t)network->link_count + 1, sizeof(*network->links)))
        return error_out_of_memory(error);
    network->links[network->link_count++] = (struct link){layer, use};
    network->uses[network->use_count - 1].link_count++;
    return VBP_OK;
}

static int add_output(struct network *network, int layer, int use, VbpError *error)
{
    if (network->output_count == MAX_LINKS ||
        !memory_grow((void **)&network->outputs, &network->output_capacity,
                     (size_t)network->output_count + 1, sizeof(*network->outputs)))
        return error_out_of_memory(error);
    network->outputs[network->output_count++] = (struct link){layer, use};
    return VBP_OK;
}

static int find_layer(const struct network *network, const char *name)
{
    for (int i = 0; i < network->layer_count; i++) {
        if (strcmp(network->layers[i].name, name) == 0)
            return i;
    }
    return -1;
}

/*
 * Finds references to layers in whatever is wrapped around them and hands them to `add`:
 * ["conv", 0, 0] or ["conv", 0, 0, {}], and since Keras 3
 * {"class_name": "__keras_tensor__", "config": {"keras_history": ["conv", 0, 0]}} inside "args".
 */
static int collect(struct network *network, const cJSON *item, int depth,
                   int (*add)(struct network *network, int layer, int use, VbpError *error),
                   VbpError *error)
{
    int result = VBP_OK;

    if (depth > MAX_DEPTH)
        return error_set(error, VBP_ERROR_FORMAT, "the network's description is nested too deeply");
    if (cJSON_IsArray(item) && cJSON_IsString(item->child)) {
        const cJSON *use = item->child->next;
        int layer = find_layer(network, item->child->valuestring);

        if (!cJSON_IsNumber(use) || use->valuedouble < 0 || use->valuedouble > MAX_LINKS)
            return error_set(error, VBP_ERROR_FORMAT,
                             "the network's description has a reference to '%.60s' that makes no "
                             "sense",
                             item->child->valuestring);
        if (layer < 0)
            return error_set(error, VBP_ERROR_FORMAT, "the network has no layer '%.60s'",
                             item->child->valuestring);
        if (cJSON_IsNumber(use->next) && use->next->valuedouble != 0)
            return error_set(error, VBP_ERROR_UNSUPPORTED,
                             "the second output of layer '%.60s' is read, which is not supported",
                             item->child->valuestring);
        return add(network, layer, (int)use->valuedouble, error);
    }
    if (cJSON_IsObject(item)) {
        const cJSON *history = keras_item(keras_item(item, "config", NULL), "keras_history", NULL);

        item = history ? history : keras_item(item, "args", NULL);
        return item ? collect(network, item, depth + 1, add, error) : VBP_OK;
    }
    if (!cJSON_IsArray(item))
        return VBP_OK;
    for (item = item->child; item && result == VBP_OK; item = item->next)
        result = collect(network, item, depth + 1, add, error);
    return result;
}

static int read_chain(const struct keras_loader *loader, struct network *network, const cJSON *json,
                      VbpError *error)
{
    int result = VBP_OK;

    for (const cJSON *item = layers_of(json)->child; item && result == VBP_OK; item = item->next) {
        result = add_layer(loader, network, item, error);
        if (result == VBP_OK)
            result = add_use(network, error);
        if (result == VBP_OK && network->layer_count > 1)
            result = add_link(network, network->layer_count - 2, 0, error);
    }
    if (result == VBP_OK && network->layer_count == 0)
        result = error_set(error, VBP_ERROR_FORMAT, "the network has no layers");
    return result == VBP_OK ? add_output(network, network->layer_count - 1, 0, error) : result;
}

static int read_graph(const struct keras_loader *loader, struct network *network, const cJSON *json,
                      VbpError *error)
{
    const cJSON *list = layers_of(json);
    int result = VBP_OK, index = 0;

    /* All names first: what is read may come later in the list. */
    for (const cJSON *item = list->child; item && result == VBP_OK; item = item->next)
        result = add_layer(loader, network, item, error);
    for (const cJSON *item = list->child; item && result == VBP_OK; item = item->next, index++) {
        const cJSON *nodes = keras_item(item, "inbound_nodes", NULL);
        const cJSON *node = cJSON_IsArray(nodes) ? nodes->child : NULL;
        int all = network->layer_count;

        network->layer_count = index + 1; /* the one that uses and links are added to */
        network->layers[index].first_use = network->use_count;
        if (!node)
            result = add_use(network, error);
        for (; node && result == VBP_OK; node = node->next) {
            result = add_use(network, error);
            network->layer_count = all;
            if (result == VBP_OK)
                result = collect(network, node, 0, add_link, error);
            network->layer_count = index + 1;
        }
        network->layer_count = all;
    }
    if (result == VBP_OK)
        result =
            collect(network, keras_item(keras_item(json, "config", NULL), "output_layers", NULL), 0,
                    add_output, error);
    if (result == VBP_OK && network->output_count == 0)
        result = error_set(error, VBP_ERROR_FORMAT, "the network's description names no output");
    return result;
}

static int read_network(const struct keras_loader *loader, struct network *network,
                        const cJSON *json, VbpError *error)
{
    const char *class_name = keras_text(json, "class_name", NULL, "");

    if (!is_network(class_name) || !cJSON_IsArray(layers_of(json)))
        return error_set(error, VBP_ERROR_UNSUPPORTED,
                         "the description is of no network that vbp knows (class '%.40s'); "
                         "subclassed models do not tell their layers: export to ONNX instead",
                         class_name);
    network->name = keras_text(keras_item(json, "config", NULL), "name", NULL, "");
    return is_sequential(json) ? read_chain(loader, network, json, error)
                               : read_graph(loader, network, json, error);
}

/* ---- What cannot be run --------------------------------------------------------------------- */

struct unknown {
    char names[240];
    size_t used;
    int count;
    const char *reason;
};

static void find_unknown(const cJSON *json, struct unknown *unknown, int depth)
{
    const cJSON *list = layers_of(json);

    for (const cJSON *item = cJSON_IsArray(list) ? list->child : NULL; item && depth < MAX_DEPTH;
         item = item->next) {
        const cJSON *config = keras_item(item, "config", NULL);
        const cJSON *inner = keras_item(config, "layer", NULL);
        const char *class_name = keras_text(item, "class_name", NULL, "");
        const char *reason;

        if (is_network(class_name))
            find_unknown(item, unknown, depth + 1);
        if (strcmp(class_name, "TimeDistributed") == 0)
            class_name = keras_text(inner, "class_name", NULL, "");
        if (keras_knows(class_name, &reason))
            continue;
        if (unknown->count < 4)
            unknown->used += (size_t)snprintf(unknown->names + unknown->used,
                                              sizeof(unknown->names) - unknown->used,
                                              "%s%.20s '%.30s'", unknown->count ? ", " : "",
                                              class_name, keras_text(config, "name", NULL, "?"));
        if (!unknown->count++)
            unknown->reason = reason;
    }
}

static int check_layers(const cJSON *json, VbpError *error)
{
    struct unknown unknown = {.used = 0};

    find_unknown(json, &unknown, 0);
    if (unknown.count == 0)
        return VBP_OK;
    return error_set(error, VBP_ERROR_UNSUPPORTED, "cannot run %s%s: %s", unknown.names,
                     unknown.count > 4 ? " and more" : "", unknown.reason);
}

/* ---- The input ------------------------------------------------------------------------------ */

/* The shape with the batch in front that a layer or network says its input has, or NULL. */
static const cJSON *find_input_shape(const cJSON *item, int depth)
{
    const cJSON *config = keras_item(item, "config", NULL);
    const cJSON *shape = keras_item(config, "batch_input_shape", "batch_shape");
    const cJSON *list = layers_of(item);

    if (!shape && depth < MAX_DEPTH && is_network(keras_text(item, "class_name", NULL, "")) &&
        cJSON_IsArray(list) && list->child)
        shape = find_input_shape(list->child, depth + 1);
    if (!shape)
        shape = keras_item(config, "build_input_shape", NULL);
    if (!shape)
        shape = keras_item(keras_item(item, "build_config", NULL), "input_shape", NULL);
    return shape;
}

/* Fills in what the file leaves open of height and width. */
static int fill_open(const struct keras_loader *loader, struct shape *shape, VbpError *error)
{
    const struct model_hints *hints = loader->hints;
    int height = shape->extent[3] > 0 ? 1 : 2; /* channels last, or first */

    for (int i = 1; i < shape->rank; i++) {
        if (shape->extent[i] > 0)
            continue;
        if (shape->rank != 4 || (i != height && i != height + 1))
            return error_set(error, VBP_ERROR_UNSUPPORTED,
                             "the network's input has an open size along axis %d", i);
        if (!hints || hints->input_width < 1 || hints->input_height < 1)
            return error_set(error, VBP_ERROR_UNSUPPORTED,
                             "the network leaves its input size open; say it in the card "
                             "(input.size)");
        shape->extent[i] = i == height ? hints->input_height : hints->input_width;
    }
    return VBP_OK;
}

static int add_input(struct keras_loader *loader, const cJSON *item, const char *name,
                     struct keras_value *value, VbpError *error)
{
    const cJSON *extents = find_input_shape(item, 0);
    int rank = cJSON_IsArray(extents) ? cJSON_GetArraySize(extents) : 0;
    struct shape shape = {.rank = 0};
    int result;

    if (rank < 2 || rank > 5)
        return error_set(error, VBP_ERROR_UNSUPPORTED,
                         "the network does not say the shape of its input");
    for (const cJSON *extent = extents->child; extent; extent = extent->next)
        shape.extent[shape.rank++] =
            cJSON_IsNumber(extent) && extent->valuedouble >= 1 && extent->valuedouble < 1e6
                ? (int64_t)extent->valuedouble
                : 0;
    shape.extent[0] = 1; /* one frame at a time, whatever the training's batches were */
    *value = (struct keras_value){.framed = rank == 5};
    if (rank == 5) {
        if (shape.extent[1] != 1)
            return error_set(error, VBP_ERROR_UNSUPPORTED,
                             "the network reads a series of frames; vbp runs networks that steer "
                             "by one frame alone");
        shape.rank = 4;
        memmove(shape.extent + 1, shape.extent + 2, 3 * sizeof(shape.extent[0]));
    }
    result = fill_open(loader, &shape, error);
    if (result != VBP_OK)
        return result;
    value->tensor = graph_add_input(loader->graph, name, &shape, error);
    return value->tensor < 0 ? value->tensor : VBP_OK;
}

/* ---- Translating ---------------------------------------------------------------------------- */

static bool is_input(const struct layer *layer)
{
    return strcmp(layer->class_name, "InputLayer") == 0;
}

/* The use that a link means, or NULL where there is none. */
static struct use *linked(const struct network *network, const struct link *link)
{
    const struct layer *layer = &network->layers[link->layer];

    return link->use < layer->use_count ? &network->uses[layer->first_use + link->use] : NULL;
}

static int translate_use(struct keras_loader *loader, const struct network *network,
                         const struct layer *layer, int index, VbpError *error)
{
    struct use *use = &network->uses[layer->first_use + index];
    struct keras_value *inputs = memory_array((size_t)use->link_count, sizeof(*inputs));
    struct keras_call call = {.loader = loader,
                              .class_name = layer->class_name,
                              .name = layer->name,
                              .key = layer->key,
                              .place = &network->place,
                              .config = layer->config,
                              .inputs = inputs,
                              .input_count = use->link_count};
    int result;

    if (!inputs)
        return error_out_of_memory(error);
    for (int i = 0; i < use->link_count; i++)
        inputs[i] = linked(network, &network->links[use->first_link + i])->value;
    result = keras_apply(&call, index, error);
    free(inputs);
    use->value = call.output;
    use->done = true;
    return result;
}

/* True where all that the use reads is there; false also where it never can be. */
static bool is_ready(const struct network *network, const struct use *use)
{
    for (int i = 0; i < use->link_count; i++) {
        const struct use *from = linked(network, &network->links[use->first_link + i]);

        if (!from || !from->done)
            return false;
    }
    return use->link_count > 0;
}

/* Goes through the layers until none is left whose inputs are there. */
static int translate_layers(struct keras_loader *loader, const struct network *network,
                            VbpError *error)
{
    bool changed = true;

    while (changed) {
        changed = false;
        for (int l = 0; l < network->layer_count; l++) {
            const struct layer *layer = &network->layers[l];

            for (int u = 0; u < layer->use_count; u++) {
                const struct use *use = &network->uses[layer->first_use + u];
                int result;

                if (use->done || !is_ready(network, use))
                    continue;
                result = translate_use(loader, network, layer, u, error);
                if (result != VBP_OK)
                    return result;
                changed = true;
            }
        }
    }
    for (int i = 0; i < network->output_count; i++) {
        const struct use *use = linked(network, &network->outputs[i]);

        if (!use || !use->done)
            return error_set(error, VBP_ERROR_FORMAT,
                             "what layer '%s' reads is not there, or depends on itself",
                             network->layers[network->outputs[i].layer].name);
    }
    return VBP_OK;
}

/* A chain whose first layer is no InputLayer: it reads `value`. */
static int begin_chain(struct keras_loader *loader, struct network *network,
                       struct keras_value value, VbpError *error)
{
    struct layer *first = &network->layers[0];
    struct keras_call call = {.loader = loader,
                              .class_name = first->class_name,
                              .name = first->name,
                              .key = first->key,
                              .place = &network->place,
                              .config = first->config,
                              .inputs = &value,
                              .input_count = 1};
    int result = is_input(first) ? VBP_OK : keras_apply(&call, 0, error);

    network->uses[first->first_use].value = is_input(first) ? value : call.output;
    network->uses[first->first_use].done = true;
    return result;
}

/* Makes the inputs of the whole network. */
static int begin_whole(struct keras_loader *loader, struct network *network, const cJSON *json,
                       VbpError *error)
{
    const cJSON *item = layers_of(json)->child;
    struct keras_value value;
    int result = VBP_OK;

    if (is_sequential(json)) {
        const struct layer *first = &network->layers[0];
        bool input = is_input(first);

        result = add_input(loader, json, input ? first->name : "input", &value, error);
        return result == VBP_OK ? begin_chain(loader, network, value, error) : result;
    }
    for (int l = 0; l < network->layer_count && result == VBP_OK; l++, item = item->next) {
        struct use *use = &network->uses[network->layers[l].first_use];

        if (!is_input(&network->layers[l]))
            continue;
        result = add_input(loader, item, network->layers[l].name, &use->value, error);
        use->done = true;
    }
    return result;
}

/* An output is what Keras would give: in its layout. */
static int mark_outputs(struct keras_loader *loader, const struct network *network, VbpError *error)
{
    int result = VBP_OK;

    for (int i = 0; i < network->output_count && result == VBP_OK; i++) {
        const struct layer *layer = &network->layers[network->outputs[i].layer];
        struct keras_value value = linked(network, &network->outputs[i])->value;
        struct keras_call call = {
            .loader = loader, .class_name = layer->class_name, .name = layer->name};

        result = keras_unturn(&call, &value, error);
        if (result == VBP_OK)
            result = graph_mark_output(loader->graph, value.tensor, error);
    }
    return result;
}

int keras_translate(struct keras_loader *loader, const cJSON *json, VbpError *error)
{
    static const char *const groups[] = {"layers", "_layer_checkpoint_dependencies"};
    struct network network = {.name = ""};
    const char *group = keras_hdf5_has(loader->weights, "model_weights") ? "model_weights" : "";
    int result = check_layers(json, error);

    if (result != VBP_OK)
        return result;
    if (loader->by_number)
        group = groups[!keras_hdf5_has(loader->weights, groups[0])];
    network.place.group = memory_copy_text(group);
    result = network.place.group ? read_network(loader, &network, json, error)
                                 : error_out_of_memory(error);
    if (result == VBP_OK)
        result = begin_whole(loader, &network, json, error);
    if (result == VBP_OK)
        result = translate_layers(loader, &network, error);
    if (result == VBP_OK)
        result = mark_outputs(loader, &network, error);
    free_network(&network);
    return result;
}

/* ---- Networks inside networks --------------------------------------------------------------- */

static int begin_inner(struct keras_loader *loader, struct network *network, bool sequential,
                       struct keras_value value, VbpError *error)
{
    int inputs = 0;

    if (sequential)
        return begin_chain(loader, network, value, error);
    for (int l = 0; l < network->layer_count; l++) {
        struct use *use = &network->uses[network->layers[l].first_use];

        if (!is_input(&network->layers[l]))
            continue;
        use->value = value;
        use->done = true;
        inputs++;
    }
    return inputs == 1 ? VBP_OK
                       : error_set(error, VBP_ERROR_UNSUPPORTED, "it has %d inputs", inputs);
}

int keras_inner_network(struct keras_call *call, VbpError *error)
{
    struct keras_loader *loader = call->loader;
    struct network network = {.name = ""};
    /* The description's class and config, as the network's own would be. */
    cJSON *json = cJSON_CreateObject();
    int result = VBP_OK;

    if (!json || !cJSON_AddStringToObject(json, "class_name", call->class_name) ||
        !cJSON_AddItemReferenceToObject(json, "config", (cJSON *)(uintptr_t)call->config)) {
        cJSON_Delete(json);
        return error_out_of_memory(error);
    }
    if (++loader->depth > MAX_DEPTH)
        result = error_set(error, VBP_ERROR_UNSUPPORTED, "it is nested too deeply");
    if (loader->by_number) {
        network.place.group = memory_format("%s/%s/layers", call->place->group, call->key);
    } else if (call->place->nested) {
        network.place = (struct keras_place){memory_copy_text(call->place->group), call->name};
    } else {
        network.place.group =
            memory_format("%s%s%s", call->place->group, *call->place->group ? "/" : "", call->name);
        network.place.nested = call->name;
    }
    if (result == VBP_OK && !network.place.group)
        result = error_out_of_memory(error);
    if (result == VBP_OK)
        result = read_network(loader, &network, json, error);
    if (result == VBP_OK)
        result = begin_inner(loader, &network, is_sequential(json), call->output, error);
    if (result == VBP_OK)
        result = translate_layers(loader, &network, error);
    if (result == VBP_OK && network.output_count != 1)
        result = error_set(error, VBP_ERROR_UNSUPPORTED, "it has %d outputs", network.output_count);
    if (result == VBP_OK)
        call->output = linked(&network, &network.outputs[0])->value;
    if (result != VBP_OK)
        error_prefix(error, "in '%s': ", call->name);
    loader->depth--;
    free_network(&network);
    cJSON_Delete(json);
    return result;
}
