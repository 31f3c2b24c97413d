/* Translating networks of Keras: the input, the layers in their order, networks inside networks. */
#include "formats/keras_network.h"
#include "base/memory.h"

#include <string.h>

/* ---- The input ------------------------------------------------------------------------------ */

/* The shape with the batch in front that a layer or network says its input has, or NULL. */
static const cJSON *find_input_shape(const cJSON *item, int depth)
{
    const cJSON *config = keras_item(item, "config", NULL);
    const cJSON *shape = keras_item(config, "batch_input_shape", "batch_shape");
    const cJSON *list = keras_network_layers(item);

    if (!shape && depth < KERAS_MAX_DEPTH &&
        keras_network_class(keras_text(item, "class_name", NULL, "")) && cJSON_IsArray(list) &&
        list->child)
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
                              .node = use->node,
                              .inputs = inputs,
                              .input_count = use->link_count};
    int result;

    if (!inputs)
        return error_out_of_memory(error);
    for (int i = 0; i < use->link_count; i++)
        inputs[i] = keras_network_use(network, &network->links[use->first_link + i])->value;
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
        const struct use *from = keras_network_use(network, &network->links[use->first_link + i]);

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
        const struct use *use = keras_network_use(network, &network->outputs[i]);

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
    const cJSON *item = keras_network_layers(json)->child;
    struct keras_value value;
    int result = VBP_OK;

    if (keras_network_is_chain(json)) {
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
        struct keras_value value = keras_network_use(network, &network->outputs[i])->value;
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
    struct network network = {.layer_count = 0};
    const char *group = keras_hdf5_has(loader->weights, "model_weights") ? "model_weights" : "";
    int result = keras_network_check(json, error);

    if (result != VBP_OK)
        return result;
    if (loader->by_number)
        group = groups[!keras_hdf5_has(loader->weights, groups[0])];
    network.place.group = memory_copy_text(group);
    result = network.place.group ? keras_network_read(loader, &network, json, error)
                                 : error_out_of_memory(error);
    if (result == VBP_OK)
        result = begin_whole(loader, &network, json, error);
    if (result == VBP_OK)
        result = translate_layers(loader, &network, error);
    if (result == VBP_OK)
        result = mark_outputs(loader, &network, error);
    keras_network_free(&network);
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
    struct network network = {.layer_count = 0};
    /* The description's class and config, as the network's own would be. */
    cJSON *json = cJSON_CreateObject();
    int result = VBP_OK;

    if (!json || !cJSON_AddStringToObject(json, "class_name", call->class_name) ||
        !cJSON_AddItemReferenceToObject(json, "config", (cJSON *)(const void *)call->config)) {
        cJSON_Delete(json);
        return error_out_of_memory(error);
    }
    if (++loader->depth > KERAS_MAX_DEPTH)
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
        result = keras_network_read(loader, &network, json, error);
    if (result == VBP_OK)
        result = begin_inner(loader, &network, keras_network_is_chain(json), call->output, error);
    if (result == VBP_OK)
        result = translate_layers(loader, &network, error);
    if (result == VBP_OK && network.output_count != 1)
        result = error_set(error, VBP_ERROR_UNSUPPORTED, "it has %d outputs", network.output_count);
    if (result == VBP_OK)
        call->output = keras_network_use(&network, &network.outputs[0])->value;
    if (result != VBP_OK)
        error_prefix(error, "in '%s': ", call->name);
    loader->depth--;
    keras_network_free(&network);
    cJSON_Delete(json);
    return result;
}
