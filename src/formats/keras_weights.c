/* The weights of a layer, wherever the file keeps them. */
#include "base/memory.h"
#include "formats/keras_loader.h"

#include <stdio.h>
#include <string.h>

/* Whether one of the steps of the path is the layer's name. */
static bool path_names(const char *path, const char *layer)
{
    size_t length = strlen(layer);

    for (const char *at = path; *at;) {
        if (strncmp(at, layer, length) == 0 && (at[length] == '/' || at[length] == '_'))
            return true;
        at += strcspn(at, "/");
        at += *at == '/';
    }
    return false;
}

static int take_weight(const struct keras_call *call, struct keras_weights *weights, char *path,
                       VbpError *error)
{
    int result;

    if (!path)
        return error_out_of_memory(error);
    if (weights->count == KERAS_MAX_WEIGHTS)
        return keras_refuse(call, error, VBP_ERROR_UNSUPPORTED, "it has more than %d weights",
                            KERAS_MAX_WEIGHTS);
    result = keras_hdf5_read(call->loader->weights, path, &weights->list[weights->count].shape,
                             &weights->list[weights->count].values, error);
    if (result == VBP_OK)
        weights->count++;
    return result;
}

/* layers/NAME/vars/0, 1, ... */
static int read_numbered(const struct keras_call *call, struct keras_weights *weights,
                         VbpError *error)
{
    int result = VBP_OK;

    for (int i = 0; result == VBP_OK; i++) {
        char *path = memory_format("%s/%s/vars/%d", call->place->group, call->key, i);

        if (path && !keras_hdf5_has(call->loader->weights, path)) {
            free(path);
            break;
        }
        result = take_weight(call, weights, path, error);
        free(path);
    }
    return result;
}

/* True where no name ends in ":0", as all of TensorFlow's do. */
static bool names_are_theanos(char *const *names, int count)
{
    for (int i = 0; i < count; i++) {
        if (strchr(names[i], ':'))
            return false;
    }
    return count > 0;
}

/* The attribute weight_names of the layer's group lists datasets below it, in order. */
static int read_named(const struct keras_call *call, struct keras_weights *weights, VbpError *error)
{
    const struct keras_place *place = call->place;
    const char *layer = place->nested ? "" : call->name;
    char *group = memory_format("%s%s%s", place->group, *place->group && *layer ? "/" : "", layer);
    char **names = NULL;
    int count = 0;
    int result;

    if (!group)
        return error_out_of_memory(error);
    result = keras_hdf5_texts(call->loader->weights, group, "weight_names", &names, &count, error);
    weights->theano = names_are_theanos(names, count);
    for (int i = 0; i < count && result == VBP_OK; i++) {
        char *path;

        if (place->nested && !path_names(names[i], call->name))
            continue;
        path = memory_format("%s/%s", group, names[i]);
        result = take_weight(call, weights, path, error);
        free(path);
    }
    keras_texts_free(names, count);
    free(group);
    return result;
}

int keras_weights_read(const struct keras_call *call, struct keras_weights *weights,
                       VbpError *error)
{
    VbpError own;
    int result;

    error = error ? error : &own;
    *weights = (struct keras_weights){0};
    result = call->loader->by_number ? read_numbered(call, weights, error)
                                     : read_named(call, weights, error);
    if (result != VBP_OK) {
        keras_weights_free(weights);
        if (strncmp(error->message, "layer ", 6) != 0)
            error_prefix(error, "layer '%s' (%s): ", call->name, call->class_name);
    }
    return result;
}

void keras_weights_free(struct keras_weights *weights)
{
    for (int i = 0; i < weights->count; i++)
        free(weights->list[i].values);
    *weights = (struct keras_weights){0};
}

int keras_weights_check(const struct keras_call *call, const struct keras_weights *weights,
                        int index, const char *what, int rank, const int64_t *extents,
                        VbpError *error)
{
    struct shape wanted = {.rank = rank};
    char text[SHAPE_TEXT_SIZE], found[SHAPE_TEXT_SIZE];

    for (int i = 0; i < rank; i++)
        wanted.extent[i] = extents[i];
    if (index >= weights->count)
        return keras_refuse(call, error, VBP_ERROR_FORMAT,
                            weights->count ? "the file has no %s for it"
                                           : "the file has no weights for it (no %s)",
                            what);
    if (shape_equal(&weights->list[index].shape, &wanted))
        return VBP_OK;
    return keras_refuse(call, error, VBP_ERROR_FORMAT, "its %s have shape %s where %s is needed",
                        what, shape_text(&weights->list[index].shape, found),
                        shape_text(&wanted, text));
}
