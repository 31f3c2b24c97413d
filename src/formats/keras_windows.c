/* Layers that slide windows over pictures, or put borders around them. */
#include "base/memory.h"
#include "formats/keras_loader.h"

#include <string.h>

#define MAX_EXTENT 65536

/* ---- Windows -------------------------------------------------------------------------------- */

static int read_pair(const struct keras_call *call, const char *name, const char *old_name,
                     int *pair, VbpError *error)
{
    if (!keras_pair(call->config, name, old_name, pair))
        return keras_refuse(call, error, VBP_ERROR_FORMAT, "its %s is no pair of numbers", name);
    return VBP_OK;
}

/* Padding, once kernel, stride and dilation are known and call->output is the picture. */
static int read_padding(const struct keras_call *call, struct window *window, VbpError *error)
{
    const char *padding = keras_choice(call, "padding", "border_mode", "valid");
    const int64_t *extent = call->loader->graph->tensors[call->output.tensor].shape.extent;

    for (int i = 0; i < 2; i++) {
        if (window->kernel[i] < 1 || window->stride[i] < 1 || window->dilation[i] < 1 ||
            window->kernel[i] > MAX_EXTENT || window->stride[i] > MAX_EXTENT ||
            window->dilation[i] > MAX_EXTENT)
            return keras_refuse(call, error, VBP_ERROR_FORMAT, "kernel %d, stride %d, dilation %d",
                                window->kernel[i], window->stride[i], window->dilation[i]);
    }
    if (strcmp(padding, "same") == 0)
        window_pad_same(window, extent[2], extent[3], true);
    else if (strcmp(padding, "valid") != 0)
        return keras_refuse(call, error, VBP_ERROR_UNSUPPORTED, "padding '%s' is not supported",
                            padding);
    return VBP_OK;
}

/* The window of a convolution, and its input as a picture. */
static int begin_convolution(struct keras_call *call, struct window *window, VbpError *error)
{
    int kernel[2] = {0, 0};
    int result;

    *window = window_make(1, 1);
    keras_whole(call, call->config, "nb_row", NULL, &kernel[0]);
    keras_whole(call, call->config, "nb_col", NULL, &kernel[1]);
    result = read_pair(call, "kernel_size", NULL, kernel, error);
    window->kernel[0] = kernel[0];
    window->kernel[1] = kernel[1];
    if (result == VBP_OK)
        result = read_pair(call, "strides", "subsample", window->stride, error);
    if (result == VBP_OK)
        result = read_pair(call, "dilation_rate", "atrous_rate", window->dilation, error);
    if (result == VBP_OK)
        result = keras_picture(call, error);
    return result == VBP_OK ? read_padding(call, window, error) : result;
}

/* ---- Convolutions --------------------------------------------------------------------------- */

/* Where a number of the kernel [rows, columns, ins, outs] goes in the graph's [outs, ins, rows,
 * columns]. */
struct kernel {
    int64_t rows, columns, ins, outs;
    bool outs_first; /* the file has it as [outs, ins, rows, columns] already */
    bool flip;       /* Theano's convolution goes through it backwards */
    bool depthwise;  /* [rows, columns, ins, outs] gives ins * outs kernels of one channel */
};

static float *turned_kernel(const struct kernel *kernel, const float *values)
{
    int64_t cells = kernel->rows * kernel->columns, planes = kernel->ins * kernel->outs;
    float *result = memory_array((size_t)(cells * planes), sizeof(*result));

    for (int64_t plane = 0; plane < planes && result; plane++) {
        int64_t in = kernel->depthwise ? plane / kernel->outs : plane % kernel->ins;
        int64_t out = kernel->depthwise ? plane % kernel->outs : plane / kernel->ins;

        for (int64_t cell = 0; cell < cells; cell++) {
            int64_t from = kernel->flip ? cells - 1 - cell : cell;

            result[plane * cells + cell] =
                kernel->outs_first ? values[(out * kernel->ins + in) * cells + from]
                                   : values[(from * kernel->ins + in) * kernel->outs + out];
        }
    }
    return result;
}

/* Adds a convolution whose kernel is weight `index`; bias < 0: none. */
static int emit_convolution(struct keras_call *call, const struct keras_weights *weights, int index,
                            int bias, const struct kernel *kernel, const struct window *window,
                            int groups, VbpError *error)
{
    struct node node = {.kind = NODE_CONVOLUTION,
                        .convolution = {.window = *window, .groups = groups}};
    struct shape shape = {.rank = 4,
                          .extent = {kernel->outs, kernel->ins, kernel->rows, kernel->columns}};
    float *values = turned_kernel(kernel, weights->list[index].values);
    int inputs[3] = {call->output.tensor, -1, -1};
    int result;

    if (!values)
        return error_out_of_memory(error);
    if (kernel->depthwise) {
        shape.extent[0] = kernel->ins * kernel->outs;
        shape.extent[1] = 1;
    }
    inputs[1] = keras_constant(call, index ? "pointwise" : "kernel", &shape, values, error);
    free(values);
    if (inputs[1] < 0)
        return inputs[1];
    if (bias >= 0) {
        inputs[2] = keras_constant(call, "bias", &weights->list[bias].shape,
                                   weights->list[bias].values, error);
        if (inputs[2] < 0)
            return inputs[2];
    }
    result = keras_emit(call, &node, NULL, bias >= 0 ? 3 : 2, inputs, error);
    if (result < 0)
        return result;
    call->output.tensor = result;
    return VBP_OK;
}

static int check_bias(const struct keras_call *call, const struct keras_weights *weights, int index,
                      int64_t outputs, int *bias, VbpError *error)
{
    *bias = -1;
    if (!keras_flag(call, call->config, "use_bias", "bias", true))
        return VBP_OK;
    *bias = index;
    return keras_weights_check(call, weights, index, "biases", 1, &outputs, error);
}

/* Kernels of Theano are turned, where the file tells that they are Theano's. */
static int find_flip(struct keras_call *call, const struct keras_weights *weights,
                     struct kernel *kernel, VbpError *error)
{
    struct keras_loader *loader = call->loader;

    kernel->flip = loader->theano || (loader->theano_unless_named && weights->theano);
    if (!kernel->flip || loader->theano || kernel->rows * kernel->columns == 1)
        return VBP_OK;
    loader->theano = true;
    free(loader->guess);
    loader->guess = memory_copy_text("kernels as Theano's backend of Keras keeps them, since the "
                                     "weights are named like its");
    return loader->guess ? VBP_OK : error_out_of_memory(error);
}

static int translate_convolution(struct keras_call *call, const struct keras_weights *weights,
                                 VbpError *error)
{
    struct window window;
    struct kernel kernel = {0};
    int filters = 0, groups = 1, bias;
    int result = begin_convolution(call, &window, error);
    int64_t channels;

    if (result != VBP_OK)
        return result;
    channels = call->loader->graph->tensors[call->output.tensor].shape.extent[1];
    keras_whole(call, call->config, "filters", "nb_filter", &filters);
    keras_whole(call, call->config, "groups", NULL, &groups);
    if (filters < 1 || groups < 1 || channels % groups != 0)
        return keras_refuse(call, error, VBP_ERROR_FORMAT,
                            "%d filters in %d groups on %lld channels", filters, groups,
                            (long long)channels);
    kernel.rows = window.kernel[0];
    kernel.columns = window.kernel[1];
    kernel.ins = channels / groups;
    kernel.outs = filters;
    /* Keras 1 keeps kernels of channels_first networks the other way round. */
    kernel.outs_first = call->loader->major == 1 && !keras_channels_last(call);
    if (kernel.outs_first)
        result = keras_weights_check(
            call, weights, 0, "weights", 4,
            (const int64_t[]){kernel.outs, kernel.ins, kernel.rows, kernel.columns}, error);
    else
        result = keras_weights_check(
            call, weights, 0, "weights", 4,
            (const int64_t[]){kernel.rows, kernel.columns, kernel.ins, kernel.outs}, error);
    if (result == VBP_OK)
        result = find_flip(call, weights, &kernel, error);
    if (result == VBP_OK)
        result = check_bias(call, weights, 1, filters, &bias, error);
    if (result == VBP_OK)
        result = emit_convolution(call, weights, 0, bias, &kernel, &window, groups, error);
    return result == VBP_OK ? keras_emit_activation(call, error) : result;
}

int keras_convolution(struct keras_call *call, VbpError *error)
{
    struct keras_weights weights;
    int result = keras_weights_read(call, &weights, error);

    if (result == VBP_OK)
        result = translate_convolution(call, &weights, error);
    keras_weights_free(&weights);
    return result;
}

/*
 * The padding that TensorFlow gives a transposed convolution: that of the convolution which makes
 * its input's size of its output's. Sets what makes the output as long as Keras does.
 */
static int pad_transposed(const struct keras_call *call, struct node *node, VbpError *error)
{
    const int64_t *extent = call->loader->graph->tensors[call->output.tensor].shape.extent;
    bool same = strcmp(keras_choice(call, "padding", NULL, "valid"), "same") == 0;
    bool given = keras_item(call->config, "output_padding", NULL) != NULL;
    struct window *window = &node->convolution.window;
    int more[2] = {0, 0};
    int result = read_pair(call, "output_padding", NULL, more, error);

    for (int i = 0; i < 2 && result == VBP_OK; i++) {
        int64_t span = window_span(window, i), stride = window->stride[i];
        int64_t covered = (extent[2 + i] - 1) * stride + span, wanted, total;

        if (more[i] < 0 || more[i] >= stride)
            return keras_refuse(call, error, VBP_ERROR_FORMAT,
                                "an output padding of %d with a stride of %lld", more[i],
                                (long long)stride);
        if (given)
            wanted = covered - (same ? span / 2 * 2 : 0) + more[i];
        else
            wanted = extent[2 + i] * stride + (same || span < stride ? 0 : span - stride);
        total = covered - wanted;
        window->pad_begin[i] = total > 0 ? (int)(total / 2) : 0;
        window->pad_end[i] = total > 0 ? (int)(total - total / 2) : 0;
        node->convolution.extra[i] = total < 0 ? (int)-total : 0;
    }
    return result;
}

/* [rows, columns, outs, ins] -> [ins, outs, rows, columns] */
static int transposed_kernel(const struct keras_call *call, const struct keras_weights *weights,
                             VbpError *error)
{
    const int64_t *extent = weights->list[0].shape.extent;
    int64_t cells = extent[0] * extent[1], planes = extent[2] * extent[3];
    struct shape shape = {.rank = 4, .extent = {extent[3], extent[2], extent[0], extent[1]}};
    float *turned = memory_array((size_t)(cells * planes), sizeof(*turned));
    int result;

    if (!turned)
        return error_out_of_memory(error);
    for (int64_t plane = 0; plane < planes; plane++) {
        int64_t in = plane / extent[2], out = plane % extent[2];

        for (int64_t cell = 0; cell < cells; cell++)
            turned[plane * cells + cell] =
                weights->list[0].values[(cell * extent[2] + out) * extent[3] + in];
    }
    result = keras_constant(call, "kernel", &shape, turned, error);
    free(turned);
    return result;
}

static int translate_transposed(struct keras_call *call, const struct keras_weights *weights,
                                VbpError *error)
{
    struct node node = {.kind = NODE_CONVOLUTION_TRANSPOSE, .convolution.groups = 1};
    struct window *window = &node.convolution.window;
    int filters = 0, groups = 1, bias = -1;
    int inputs[3];
    int result = begin_convolution(call, window, error);

    keras_whole(call, call->config, "filters", NULL, &filters);
    keras_whole(call, call->config, "groups", NULL, &groups);
    if (result == VBP_OK && (filters < 1 || groups != 1))
        result =
            keras_refuse(call, error, VBP_ERROR_FORMAT, "%d filters in %d groups", filters, groups);
    if (result == VBP_OK && call->loader->theano)
        result = keras_refuse(call, error, VBP_ERROR_UNSUPPORTED,
                              "it is not supported as Theano's backend does it");
    if (result != VBP_OK)
        return result;
    inputs[0] = call->output.tensor;
    result = keras_weights_check(
        call, weights, 0, "weights", 4,
        (const int64_t[]){window->kernel[0], window->kernel[1], filters,
                          call->loader->graph->tensors[inputs[0]].shape.extent[1]},
        error);
    if (result == VBP_OK)
        result = check_bias(call, weights, 1, filters, &bias, error);
    if (result == VBP_OK)
        result = pad_transposed(call, &node, error);
    if (result != VBP_OK)
        return result;
    inputs[1] = transposed_kernel(call, weights, error);
    if (inputs[1] >= 0 && bias >= 0)
        inputs[2] = keras_constant(call, "bias", &weights->list[bias].shape,
                                   weights->list[bias].values, error);
    if (inputs[1] < 0 || (bias >= 0 && inputs[2] < 0))
        return inputs[1] < 0 ? inputs[1] : inputs[2];
    result = keras_emit(call, &node, NULL, bias >= 0 ? 3 : 2, inputs, error);
    if (result < 0)
        return result;
    call->output.tensor = result;
    return keras_emit_activation(call, error);
}

int keras_convolution_transpose(struct keras_call *call, VbpError *error)
{
    struct keras_weights weights;
    int result = keras_weights_read(call, &weights, error);

    if (result == VBP_OK)
        result = translate_transposed(call, &weights, error);
    keras_weights_free(&weights);
    return result;
}

/* The depthwise part: weight 0, [rows, columns, channels, multiplier]. */
static int translate_depthwise(struct keras_call *call, const struct keras_weights *weights,
                               int bias_index, struct kernel *kernel, VbpError *error)
{
    struct window window;
    int multiplier = 1, bias = -1;
    int result = begin_convolution(call, &window, error);

    if (result != VBP_OK)
        return result;
    keras_whole(call, call->config, "depth_multiplier", NULL, &multiplier);
    *kernel =
        (struct kernel){.rows = window.kernel[0],
                        .columns = window.kernel[1],
                        .ins = call->loader->graph->tensors[call->output.tensor].shape.extent[1],
                        .outs = multiplier,
                        .depthwise = true};
    if (multiplier < 1 || multiplier > MAX_EXTENT)
        return keras_refuse(call, error, VBP_ERROR_FORMAT, "a depth multiplier of %d", multiplier);
    result = keras_weights_check(
        call, weights, 0, "weights", 4,
        (const int64_t[]){kernel->rows, kernel->columns, kernel->ins, multiplier}, error);
    if (result == VBP_OK && bias_index >= 0)
        result = check_bias(call, weights, bias_index, kernel->ins * multiplier, &bias, error);
    if (result == VBP_OK)
        result = emit_convolution(call, weights, 0, bias, kernel, &window, (int)kernel->ins, error);
    return result;
}

int keras_depthwise(struct keras_call *call, VbpError *error)
{
    struct keras_weights weights;
    struct kernel kernel;
    int result = keras_weights_read(call, &weights, error);

    if (result == VBP_OK)
        result = translate_depthwise(call, &weights, 1, &kernel, error);
    keras_weights_free(&weights);
    return result == VBP_OK ? keras_emit_activation(call, error) : result;
}

static int translate_separable(struct keras_call *call, const struct keras_weights *weights,
                               VbpError *error)
{
    const struct window point = window_make(1, 1);
    struct kernel kernel;
    int filters = 0, bias;
    int result = translate_depthwise(call, weights, -1, &kernel, error);

    if (result != VBP_OK)
        return result;
    keras_whole(call, call->config, "filters", "nb_filter", &filters);
    if (filters < 1)
        return keras_refuse(call, error, VBP_ERROR_FORMAT, "%d filters", filters);
    kernel =
        (struct kernel){.rows = 1, .columns = 1, .ins = kernel.ins * kernel.outs, .outs = filters};
    result = keras_weights_check(call, weights, 1, "pointwise weights", 4,
                                 (const int64_t[]){1, 1, kernel.ins, kernel.outs}, error);
    if (result == VBP_OK)
        result = check_bias(call, weights, 2, filters, &bias, error);
    if (result == VBP_OK)
        result = emit_convolution(call, weights, 1, bias, &kernel, &point, 1, error);
    return result == VBP_OK ? keras_emit_activation(call, error) : result;
}

int keras_separable(struct keras_call *call, VbpError *error)
{
    struct keras_weights weights;
    int result = keras_weights_read(call, &weights, error);

    if (result == VBP_OK)
        result = translate_separable(call, &weights, error);
    keras_weights_free(&weights);
    return result;
}

/* ---- Pooling -------------------------------------------------------------------------------- */

static int emit_pool(struct keras_call *call, enum node_kind kind, VbpError *error)
{
    struct node node = {.kind = kind, .pool.window = window_make(2, 2)};
    struct window *window = &node.pool.window;
    int result = read_pair(call, "pool_size", NULL, window->kernel, error);

    window->stride[0] = window->kernel[0];
    window->stride[1] = window->kernel[1];
    if (result == VBP_OK)
        result = read_pair(call, "strides", NULL, window->stride, error);
    if (result == VBP_OK)
        result = keras_picture(call, error);
    if (result == VBP_OK)
        result = read_padding(call, window, error);
    return result == VBP_OK ? keras_emit_next(call, &node, NULL, error) : result;
}

int keras_max_pool(struct keras_call *call, VbpError *error)
{
    return emit_pool(call, NODE_MAX_POOL, error);
}

int keras_average_pool(struct keras_call *call, VbpError *error)
{
    return emit_pool(call, NODE_AVERAGE_POOL, error);
}

/* What a global pool leaves, 1 x C x 1 x 1, as Keras wants it. */
static int finish_global_pool(struct keras_call *call, VbpError *error)
{
    const struct shape *shape = &call->loader->graph->tensors[call->output.tensor].shape;
    struct node node = {.kind = NODE_RESHAPE,
                        .reshape.shape = {.rank = 2, .extent = {1, shape->extent[1]}}};

    if (keras_flag(call, call->config, "keepdims", NULL, false))
        return VBP_OK;
    call->output.turned = false;
    return keras_emit_next(call, &node, NULL, error);
}

int keras_global_average(struct keras_call *call, VbpError *error)
{
    struct node node = {.kind = NODE_GLOBAL_AVERAGE_POOL};
    int result = keras_picture(call, error);

    if (result == VBP_OK)
        result = keras_emit_next(call, &node, NULL, error);
    return result == VBP_OK ? finish_global_pool(call, error) : result;
}

int keras_global_max(struct keras_call *call, VbpError *error)
{
    struct node node = {.kind = NODE_MAX_POOL};
    const int64_t *extent;
    int result = keras_picture(call, error);

    if (result != VBP_OK)
        return result;
    extent = call->loader->graph->tensors[call->output.tensor].shape.extent;
    if (extent[2] > MAX_EXTENT || extent[3] > MAX_EXTENT)
        return keras_refuse(call, error, VBP_ERROR_UNSUPPORTED, "its input is too large");
    node.pool.window = window_make((int)extent[2], (int)extent[3]);
    result = keras_emit_next(call, &node, NULL, error);
    return result == VBP_OK ? finish_global_pool(call, error) : result;
}

/* ---- Padding, cropping --------------------------------------------------------------------- */

/*
 * n, [rows, columns] or [[top, bottom], [left, right]], and what very old files had:
 * [top, bottom, left, right], or an object with these names and "_pad".
 */
static bool read_borders(const struct keras_call *call, const cJSON *item, int border[2][2])
{
    static const char *const names[2][2] = {{"top_pad", "bottom_pad"}, {"left_pad", "right_pad"}};
    int count = cJSON_IsArray(item) ? cJSON_GetArraySize(item) : 0;

    if (cJSON_IsObject(item) && !cJSON_GetObjectItem(item, "value")) {
        for (int i = 0; i < 4; i++)
            keras_whole(call, item, names[i / 2][i % 2], NULL, &border[i / 2][i % 2]);
        return true;
    }
    if (count != 2 && count != 4 && !cJSON_IsNumber(item))
        return false;
    for (int i = 0; i < 4; i++) {
        const cJSON *number = item;

        if (count == 4)
            number = cJSON_GetArrayItem(item, i);
        else if (count == 2)
            number = cJSON_GetArrayItem(item, i / 2);
        if (cJSON_IsArray(number) && cJSON_GetArraySize(number) == 2)
            number = cJSON_GetArrayItem(number, i % 2);
        if (!cJSON_IsNumber(number) || number->valuedouble < 0 || number->valuedouble > MAX_EXTENT)
            return false;
        border[i / 2][i % 2] = (int)number->valuedouble;
    }
    return true;
}

static int emit_borders(struct keras_call *call, const char *name, int sign, VbpError *error)
{
    struct node node = {.kind = NODE_PAD};
    const cJSON *item = keras_item(call->config, name, NULL);
    int border[2][2] = {{sign > 0, sign > 0}, {sign > 0, sign > 0}};
    int result;

    if (item && !read_borders(call, item, border))
        return keras_refuse(call, error, VBP_ERROR_FORMAT, "its %s makes no sense", name);
    result = keras_picture(call, error);
    for (int i = 0; i < 2; i++) {
        node.pad.begin[2 + i] = sign * border[i][0];
        node.pad.end[2 + i] = sign * border[i][1];
    }
    return result == VBP_OK ? keras_emit_next(call, &node, NULL, error) : result;
}

int keras_cropping(struct keras_call *call, VbpError *error)
{
    return emit_borders(call, "cropping", -1, error);
}

int keras_zero_padding(struct keras_call *call, VbpError *error)
{
    return emit_borders(call, "padding", 1, error);
}
