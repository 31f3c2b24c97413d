/* Operators that make one number of many: means and maxima of whole pictures, rows or channels. */
#include "base/memory.h"
#include "formats/onnx_loader.h"

/* Of windows that cover a picture. */
#define PICTURE_MAX 4096

/* ---- Whole pictures ------------------------------------------------------------------------- */

/* The pool that makes one cell of a picture of that shape. */
static int picture_pool(const struct onnx_operation *operation, const struct shape *shape,
                        bool average, struct node *pool, VbpError *error)
{
    *pool = (struct node){.kind = NODE_GLOBAL_AVERAGE_POOL, .input_count = 1};
    if (average)
        return VBP_OK;
    if (shape->rank != 4 || shape->extent[2] > PICTURE_MAX || shape->extent[3] > PICTURE_MAX)
        return onnx_refuse(operation, error, VBP_ERROR_UNSUPPORTED,
                           "only the maximum of pictures of up to %d x %d is supported",
                           PICTURE_MAX, PICTURE_MAX);
    pool->kind = NODE_MAX_POOL;
    pool->pool.window = window_make((int)shape->extent[2], (int)shape->extent[3]);
    return VBP_OK;
}

static int emit_global_pool(const struct onnx_operation *operation, bool average, VbpError *error)
{
    int tensor = onnx_input_tensor(operation, 0, error);
    struct node pool;
    int result;

    if (tensor < 0)
        return tensor;
    result = picture_pool(operation, &operation->loader->graph->tensors[tensor].shape, average,
                          &pool, error);
    pool.inputs = &tensor;
    return result == VBP_OK ? onnx_emit(operation, &pool, error) : result;
}

int onnx_global_average_pool(const struct onnx_operation *operation, VbpError *error)
{
    return emit_global_pool(operation, true, error);
}

int onnx_global_max_pool(const struct onnx_operation *operation, VbpError *error)
{
    return emit_global_pool(operation, false, error);
}

/* ---- Along axes ----------------------------------------------------------------------------- */

struct reduction {
    struct shape input;
    unsigned axes; /* bits */
    bool keep;     /* them, with a length of 1 */
};

static int read_reduction(const struct onnx_operation *operation, struct reduction *reduction,
                          VbpError *error)
{
    const int64_t *axes = NULL;
    int64_t count = 0;
    int result = onnx_input_shape(operation, 0, &reduction->input, error);

    reduction->keep = true;
    reduction->axes = 0;
    if (result == VBP_OK)
        result = onnx_attribute_flag(operation, "keepdims", &reduction->keep, error);
    if (result == VBP_OK)
        result = onnx_has_input(operation, 1)
                     ? onnx_input_integers(operation, 1, "list of axes", &axes, &count, error)
                     : onnx_attribute_integers(operation, "axes", &axes, &count, error);
    for (int64_t i = 0; i < count && result == VBP_OK; i++) {
        int axis = 0;

        result = onnx_axis(operation, axes[i], reduction->input.rank, &axis, error);
        reduction->axes |= 1u << axis;
    }
    return result;
}

/* Gives `tensor`, which holds what the reduction leaves, the shape that it leaves. */
static int emit_reduced(const struct onnx_operation *operation, const struct reduction *reduction,
                        int tensor, VbpError *error)
{
    struct node shape = {.kind = NODE_RESHAPE, .inputs = &tensor, .input_count = 1};

    for (int i = 0; i < reduction->input.rank; i++) {
        bool reduced = reduction->axes & 1u << i;

        if (!reduced || reduction->keep)
            shape.reshape.shape.extent[shape.reshape.shape.rank++] =
                reduced ? 1 : reduction->input.extent[i];
    }
    return tensor < 0 ? tensor : onnx_emit(operation, &shape, error);
}

/* Over height and width, which is how some exporters write a global pool. */
static int reduce_picture(const struct onnx_operation *operation, const struct reduction *reduction,
                          bool average, VbpError *error)
{
    struct node first = {.kind = NODE_TRANSPOSE, .input_count = 1, .transpose = {{0, 3, 1, 2}}};
    struct shape shape = reduction->input;
    int tensor = onnx_input_tensor(operation, 0, error);
    struct node pool;
    int result;

    if (reduction->axes == 0x6) { /* channels last */
        shape = (struct shape){
            .rank = 4,
            .extent = {shape.extent[0], shape.extent[3], shape.extent[1], shape.extent[2]}};
        first.inputs = &tensor;
        tensor = tensor < 0 ? tensor : onnx_emit_part(operation, &first, error);
    }
    if (tensor < 0)
        return tensor;
    result = picture_pool(operation, &shape, average, &pool, error);
    if (result != VBP_OK)
        return result;
    pool.inputs = &tensor;
    if (reduction->axes == 0xc && reduction->keep)
        return onnx_emit(operation, &pool, error);
    return emit_reduced(operation, reduction, onnx_emit_part(operation, &pool, error), error);
}

/* The mean over the channels of a picture, or the last axis of a row: a layer with equal weights.
 */
static int reduce_channels(const struct onnx_operation *operation,
                           const struct reduction *reduction, bool picture, VbpError *error)
{
    struct onnx_loader *loader = operation->loader;
    int64_t count = reduction->input.extent[picture ? 1 : reduction->input.rank - 1];
    struct shape shape = {.rank = picture ? 4 : 2, .extent = {1, count, 1, 1}};
    struct node node = {.kind = picture ? NODE_CONVOLUTION : NODE_DENSE, .input_count = 2};
    int inputs[2] = {onnx_input_tensor(operation, 0, error), -1};
    float *weights;
    int result;

    if (inputs[0] < 0)
        return inputs[0];
    if (picture)
        node.convolution.window = window_make(1, 1);
    if (picture)
        node.convolution.groups = 1;
    result = onnx_spend(loader, count, error);
    if (result != VBP_OK)
        return result;
    weights = memory_array((size_t)count, sizeof(*weights));
    if (!weights)
        return error_out_of_memory(error);
    for (int64_t i = 0; i < count; i++)
        weights[i] = 1 / (float)count;
    inputs[1] = graph_add_constant(loader->graph, NULL, &shape, weights, error);
    free(weights);
    if (inputs[1] < 0)
        return inputs[1];
    node.inputs = inputs;
    if (reduction->keep)
        return onnx_emit(operation, &node, error);
    return emit_reduced(operation, reduction, onnx_emit_part(operation, &node, error), error);
}

int onnx_reduce_mean(const struct onnx_operation *operation, VbpError *error)
{
    struct reduction reduction;
    int result = read_reduction(operation, &reduction, error);

    if (result != VBP_OK)
        return result;
    if (reduction.input.rank == 4 && (reduction.axes == 0xc || reduction.axes == 0x6))
        return reduce_picture(operation, &reduction, true, error);
    if (reduction.input.rank == 4 && reduction.axes == 0x2)
        return reduce_channels(operation, &reduction, true, error);
    if (reduction.input.rank > 0 && reduction.axes == 1u << (reduction.input.rank - 1))
        return reduce_channels(operation, &reduction, false, error);
    return onnx_refuse(operation, error, VBP_ERROR_UNSUPPORTED,
                       "only the mean over height and width, the channels or the last axis is "
                       "supported");
}

int onnx_reduce_max(const struct onnx_operation *operation, VbpError *error)
{
    struct reduction reduction;
    int result = read_reduction(operation, &reduction, error);

    if (result != VBP_OK)
        return result;
    if (reduction.input.rank == 4 && (reduction.axes == 0xc || reduction.axes == 0x6))
        return reduce_picture(operation, &reduction, false, error);
    return onnx_refuse(operation, error, VBP_ERROR_UNSUPPORTED,
                       "only the maximum over height and width is supported");
}
