/* Torch7 files: the network's input, and the order of the work. */
#include "base/memory.h"
#include "formats/torch7_modules.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#define MAX_EXTENT (1 << 20)
#define MAX_DEPTH  32

/* ---- Input ---------------------------------------------------------------------------------- */

/* What the first modules tell about the network's input; 0 unknown. */
struct probe {
    int64_t channels, height, width;
    int64_t features; /* of a network whose input is a vector */
    int visited, depth;
    bool done;
};

/* cudnn's modules keep the size of their last input as (batch, channels, height, width). */
static void probe_last_size(const struct torch7_object *object, struct probe *probe)
{
    struct torch7_value size = torch7_field(object, "iSize");
    double extent[4];

    if (probe->height || size.type != TORCH7_STORAGE || size.object->storage.count != 4)
        return;
    for (int i = 0; i < 4; i++) {
        extent[i] = torch7_element(size.object, i);
        if (!(extent[i] >= 1 && extent[i] <= MAX_EXTENT) || extent[i] != floor(extent[i]))
            return;
    }
    if (probe->channels && (int64_t)extent[1] != probe->channels)
        return;
    probe->channels = (int64_t)extent[1];
    probe->height = (int64_t)extent[2];
    probe->width = (int64_t)extent[3];
}

/* Looks at modules until one is reached whose output has another shape than the network's input. */
static int probe_module(const struct torch7_object *object, struct probe *probe, VbpError *error)
{
    struct torch7_module module = {.object = object};
    const struct torch7_kind *kind = torch7_find_kind(object);
    const struct torch7_object **children;
    const struct torch7_object *tensor;
    double planes;
    int count, result;

    if (!kind || kind->takes_table || ++probe->visited > TORCH7_MAX_MODULES) {
        probe->done = true;
        return VBP_OK;
    }
    switch (kind->geometry) {
    case TORCH7_KEEPS_SHAPE:
        probe_last_size(object, probe);
        tensor = torch7_tensor(&module, "running_mean");
        if (tensor && !probe->channels && torch7_tensor_count(tensor) > 0)
            probe->channels = torch7_tensor_count(tensor);
        break;
    case TORCH7_PLANES:
        planes = torch7_number(&module, "nInputPlane", 0);
        if (planes >= 1 && planes <= MAX_EXTENT)
            probe->channels = (int64_t)planes;
        probe_last_size(object, probe);
        probe->done = true;
        break;
    case TORCH7_FEATURES:
        tensor = torch7_tensor(&module, "weight");
        if (tensor && tensor->tensor.rank == 2 && tensor->tensor.size[1] >= 1)
            probe->features = tensor->tensor.size[1];
        probe->done = true;
        break;
    case TORCH7_FIRST_CHILD:
        /* References in a hostile file may go round. */
        if (++probe->depth > MAX_DEPTH) {
            probe->done = true;
            return VBP_OK;
        }
        result = torch7_children(&module, &children, &count, error);
        for (int i = 0; i < count && result == VBP_OK && !probe->done; i++)
            result = probe_module(children[i], probe, error);
        free(children);
        probe->depth--;
        return result;
    case TORCH7_OTHER:
        probe_last_size(object, probe);
        probe->done = true;
        break;
    }
    return VBP_OK;
}

static int find_input_shape(const struct torch7_object *root, const struct model_hints *hints,
                            struct shape *shape, VbpError *error)
{
    struct probe probe = {0};
    int result = probe_module(root, &probe, error);

    if (result != VBP_OK)
        return result;
    if (probe.features && !probe.channels) {
        *shape = (struct shape){.rank = 2, .extent = {1, probe.features}};
        return VBP_OK;
    }
    if (hints && hints->input_width > 0 && hints->input_height > 0) {
        probe.width = hints->input_width;
        probe.height = hints->input_height;
    }
    if (!probe.width)
        return error_set(error, VBP_ERROR_UNSUPPORTED,
                         "the file does not record its input size; say it in the card "
                         "(input.size)");
    if (!probe.channels)
        return error_set(error, VBP_ERROR_UNSUPPORTED,
                         "the file does not record the channels of its input");
    *shape = (struct shape){.rank = 4, .extent = {1, probe.channels, probe.height, probe.width}};
    return VBP_OK;
}

/* ---- The file ------------------------------------------------------------------------------- */

/* The keys of a table that was saved in the place of a network, for the message. */
static void list_keys(const struct torch7_object *table, char *text, size_t size)
{
    size_t used = 0;

    text[0] = 0;
    for (size_t i = 0; i < table->entry_count && used + 40 < size; i++) {
        const struct torch7_entry *entry = &table->entries[i];

        if (entry->key.type != TORCH7_STRING)
            continue;
        used += (size_t)snprintf(text + used, size - used, "%s%.*s", used ? ", " : "",
                                 entry->key.text.length < 30 ? entry->key.text.length : 30,
                                 entry->key.text.bytes);
    }
}

static int check_root(const struct torch7_value *root, VbpError *error)
{
    char keys[200];

    if (root->type == TORCH7_OBJECT) {
        struct torch7_module module = {.object = root->object};

        if (torch7_find_kind(root->object))
            return VBP_OK;
        return torch7_refuse(&module, error, VBP_ERROR_UNSUPPORTED, "is not supported");
    }
    if (root->type != TORCH7_TABLE)
        return error_set(error, VBP_ERROR_UNSUPPORTED,
                         "the Torch7 file holds a single value, not a network");
    list_keys(root->object, keys, sizeof(keys));
    return error_set(error, VBP_ERROR_UNSUPPORTED,
                     "the Torch7 file holds a table (%s), not a network: save the network alone",
                     keys);
}

int torch7_load(const unsigned char *bytes, size_t length, const struct model_hints *hints,
                struct graph **graph, VbpError *error)
{
    struct torch7_reader reader = {.bytes = bytes, .length = length};
    struct graph *loaded = NULL;
    struct torch7_value root;
    struct shape shape;
    int64_t budget = ((int64_t)1 << 22) + 4 * (int64_t)length;
    int result;

    *graph = NULL;
    result = torch7_read(&reader, &root, error);
    if (result == VBP_OK)
        result = check_root(&root, error);
    if (result == VBP_OK)
        result = find_input_shape(root.object, hints, &shape, error);
    if (result == VBP_OK)
        result = graph_create(&loaded, error);
    if (result != VBP_OK)
        goto done;
    loaded->format = memory_copy_text("Torch7");
    if (!loaded->format) {
        result = error_out_of_memory(error);
        goto done;
    }
    result = graph_add_input(loaded, "input", &shape, error);
    if (result >= 0)
        result =
            torch7_translate(root.object, loaded,
                             budget < TENSOR_MAX_ELEMENTS ? budget : TENSOR_MAX_ELEMENTS, error);
done:
    if (result == VBP_OK)
        *graph = loaded;
    else
        model_leave_refused(hints, &loaded);
    torch7_reader_free(&reader);
    return result;
}
