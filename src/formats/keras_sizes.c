/* Layers that make pictures of another size. */
#include "base/memory.h"
#include "formats/keras_loader.h"

#include <string.h>

#define MAX_EXTENT 65536

int keras_emit_resize(struct keras_call *call, const int *size, bool nearest, VbpError *error)
{
    struct node node = {
        .kind = NODE_RESIZE,
        .resize = {
            .size = {size[0], size[1]},
            .interpolation = {nearest ? INTERPOLATE_ROUND_UP : INTERPOLATE_LINEAR, GRID_CENTRES}}};
    int result = VBP_OK;

    if (size[0] < 1 || size[0] > MAX_EXTENT || size[1] < 1 || size[1] > MAX_EXTENT)
        result = keras_refuse(call, error, VBP_ERROR_FORMAT, "a size of %d x %d", size[0], size[1]);
    if (result == VBP_OK)
        result = keras_picture(call, error);
    return result == VBP_OK ? keras_emit_next(call, &node, NULL, error) : result;
}

static int check_interpolation(const struct keras_call *call, const char *how, VbpError *error)
{
    if (strcmp(how, "nearest") == 0 || strcmp(how, "bilinear") == 0)
        return VBP_OK;
    return keras_refuse(call, error, VBP_ERROR_UNSUPPORTED,
                        "interpolation '%.40s' is not supported, only nearest and bilinear", how);
}

int keras_upsampling(struct keras_call *call, VbpError *error)
{
    struct node node = {.kind = NODE_UPSAMPLE, .upsample.factor = {2, 2}};
    const char *how = keras_choice(call, "interpolation", NULL, "nearest");
    int *factor = node.upsample.factor, size[2];
    int result = check_interpolation(call, how, error);

    if (result == VBP_OK && !keras_pair(call->config, "size", NULL, factor))
        result = keras_refuse(call, error, VBP_ERROR_FORMAT, "its size is no pair of numbers");
    if (result == VBP_OK)
        result = keras_picture(call, error);
    if (result != VBP_OK || strcmp(how, "nearest") == 0)
        return result == VBP_OK ? keras_emit_next(call, &node, NULL, error) : result;
    for (int i = 0; i < 2; i++) {
        int64_t extent = call->loader->graph->tensors[call->output.tensor].shape.extent[2 + i];

        if (factor[i] < 1 || factor[i] > MAX_EXTENT || extent > MAX_EXTENT / factor[i])
            return keras_refuse(call, error, VBP_ERROR_UNSUPPORTED, "a factor of %d on %lld cells",
                                factor[i], (long long)extent);
        size[i] = factor[i] * (int)extent;
    }
    if (call->loader->major < 3)
        result = keras_add_guess(call->loader,
                                 memory_format("layer '%s' interpolates as TensorFlow 2 does, "
                                               "between centres of cells",
                                               call->name),
                                 error);
    return result == VBP_OK ? keras_emit_resize(call, size, false, error) : result;
}

int keras_resizing(struct keras_call *call, VbpError *error)
{
    static const char *const others[] = {"crop_to_aspect_ratio", "pad_to_aspect_ratio",
                                         "antialias"};
    const char *how = keras_choice(call, "interpolation", NULL, "bilinear");
    int size[2] = {0, 0};
    int result = check_interpolation(call, how, error);

    keras_whole(call, call->config, "height", NULL, &size[0]);
    keras_whole(call, call->config, "width", NULL, &size[1]);
    for (size_t i = 0; i < sizeof(others) / sizeof(others[0]) && result == VBP_OK; i++) {
        if (keras_flag(call, call->config, others[i], NULL, false))
            result =
                keras_refuse(call, error, VBP_ERROR_UNSUPPORTED, "%s is not supported", others[i]);
    }
    return result == VBP_OK ? keras_emit_resize(call, size, strcmp(how, "nearest") == 0, error)
                            : result;
}
