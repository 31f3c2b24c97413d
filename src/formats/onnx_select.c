/* Operators that take a part of a tensor, or repeat one. */
#include "base/memory.h"
#include "formats/onnx_loader.h"

#include <string.h>

/* Constants a Gather on computed data may be turned into: a matrix that selects. */
#define SELECTION_MAX_ELEMENTS 1000000

/* Pieces of a tensor that are cut out and put together again. */
#define MAX_PIECES 64

/* Steps that are larger go over the whole axis. */
#define MAX_STEP ((int64_t)1 << 30)

/* ---- Pieces --------------------------------------------------------------------------------- */

/* Strides of a dense array. */
static void find_strides(const struct shape *shape, int64_t *stride)
{
    int64_t step = 1;

    for (int i = shape->rank - 1; i >= 0; i--) {
        stride[i] = step;
        step *= shape->extent[i];
    }
}

/* Makes the node cut everything off along the axis but `length` cells from `first` on. */
static void cut(struct node *node, int axis, int64_t extent, int64_t first, int64_t length)
{
    node->pad.begin[axis] = -first;
    node->pad.end[axis] = first + length - extent;
}

/* What is selected along one axis: indices first, first + step, ... */
struct pick {
    int64_t first, step, count;
};

/* Emits pieces of a computed tensor, each of one cell along the axis, put together in this order.
 * indices NULL: the pick says them. */
static int emit_pieces(const struct onnx_operation *operation, int tensor, int axis,
                       const int64_t *indices, struct pick pick, VbpError *error)
{
    struct node concat = {.kind = NODE_CONCAT, .concat.axis = axis};
    int64_t extent = operation->loader->graph->tensors[tensor].shape.extent[axis];
    int parts[MAX_PIECES];

    if (pick.count < 1 || pick.count > MAX_PIECES)
        return onnx_refuse(operation, error, VBP_ERROR_UNSUPPORTED,
                           "selecting %lld of %lld cells, not side by side, is not supported",
                           (long long)pick.count, (long long)extent);
    for (int i = 0; i < (int)pick.count; i++) {
        struct node piece = {.kind = NODE_PAD, .inputs = &tensor, .input_count = 1};

        cut(&piece, axis, extent, indices ? indices[i] : pick.first + i * pick.step, 1);
        parts[i] = onnx_emit_part(operation, &piece, error);
        if (parts[i] < 0)
            return parts[i];
    }
    concat.inputs = parts;
    concat.input_count = (int)pick.count;
    return onnx_emit(operation, &concat, error);
}

/* ---- Gather --------------------------------------------------------------------------------- */

/*
 * Constant indices along the last axis of a computed tensor: a dense layer whose weights are rows
 * of zeros with a single one, which copies the elements exactly.
 */
static int emit_selection(const struct onnx_operation *operation, const int64_t *indices,
                          int64_t count, int rank, VbpError *error)
{
    struct onnx_loader *loader = operation->loader;
    struct node dense = {.kind = NODE_DENSE, .input_count = 2};
    struct node flat = {.kind = NODE_RESHAPE, .input_count = 1};
    struct shape input, shape = {.rank = 2};
    float *weights;
    int inputs[2];
    int part;
    int result = onnx_input_shape(operation, 0, &input, error);

    if (result != VBP_OK)
        return result;
    shape.extent[0] = count;
    shape.extent[1] = input.extent[input.rank - 1];
    if (count < 1 || count > SELECTION_MAX_ELEMENTS / shape.extent[1])
        return onnx_refuse(operation, error, VBP_ERROR_UNSUPPORTED,
                           "selecting %lld of %lld elements is not supported", (long long)count,
                           (long long)shape.extent[1]);
    inputs[0] = onnx_input_tensor(operation, 0, error);
    if (inputs[0] < 0)
        return inputs[0];
    result = onnx_spend(loader, count * shape.extent[1], error);
    if (result != VBP_OK)
        return result;
    weights = memory_array((size_t)(count * shape.extent[1]), sizeof(*weights));
    if (!weights)
        return error_out_of_memory(error);
    for (int64_t i = 0; i < count; i++) {
        int64_t index = indices[i] < 0 ? indices[i] + shape.extent[1] : indices[i];

        if (index < 0 || index >= shape.extent[1]) {
            free(weights);
            return onnx_refuse(operation, error, VBP_ERROR_FORMAT, "index %lld of %lld elements",
                               (long long)indices[i], (long long)shape.extent[1]);
        }
        weights[i * shape.extent[1] + index] = 1;
    }
    inputs[1] = graph_add_constant(loader->graph, NULL, &shape, weights, error);
    free(weights);
    if (inputs[1] < 0)
        return inputs[1];
    dense.inputs = inputs;
    if (rank == 1)
        return onnx_emit(operation, &dense, error);
    /* A single index, not a list of them: its axis vanishes. */
    part = onnx_emit_part(operation, &dense, error);
    if (part < 0)
        return part;
    flat.inputs = &part;
    flat.reshape.shape = input;
    flat.reshape.shape.rank--;
    return onnx_emit(operation, &flat, error);
}

/* The indices counted from the beginning; *run: they follow each other. */
static int read_indices(const struct onnx_operation *operation, const int64_t *indices,
                        int64_t count, int64_t extent, int64_t *list, bool *run, VbpError *error)
{
    *run = true;
    for (int64_t i = 0; i < count; i++) {
        list[i] = indices[i] < 0 ? indices[i] + extent : indices[i];
        if (list[i] < 0 || list[i] >= extent)
            return onnx_refuse(operation, error, VBP_ERROR_FORMAT, "index %lld of %lld elements",
                               (long long)indices[i], (long long)extent);
        *run = *run && list[i] == list[0] + i;
    }
    return VBP_OK;
}

/* Cells of a computed tensor along any axis, such as channels in another order. */
static int emit_gather(const struct onnx_operation *operation, int axis, const int64_t *indices,
                       int64_t count, int rank, VbpError *error)
{
    struct node node = {.kind = NODE_PAD, .input_count = 1};
    struct node flat = {.kind = NODE_RESHAPE, .input_count = 1};
    int64_t list[MAX_PIECES];
    int tensor = onnx_input_tensor(operation, 0, error);
    struct shape shape;
    bool run;
    int result;

    if (tensor < 0)
        return tensor;
    shape = operation->loader->graph->tensors[tensor].shape;
    if (count < 1 || count > MAX_PIECES)
        return onnx_refuse(operation, error, VBP_ERROR_UNSUPPORTED,
                           "selecting %lld of %lld elements is not supported", (long long)count,
                           (long long)shape.extent[axis]);
    result = read_indices(operation, indices, count, shape.extent[axis], list, &run, error);
    if (result != VBP_OK)
        return result;
    if (!run)
        return emit_pieces(operation, tensor, axis, list, (struct pick){.count = count}, error);
    cut(&node, axis, shape.extent[axis], list[0], count);
    node.inputs = &tensor;
    if (rank == 1)
        return onnx_emit(operation, &node, error);
    /* A single index, not a list of them: its axis vanishes. */
    tensor = onnx_emit_part(operation, &node, error);
    if (tensor < 0)
        return tensor;
    flat.inputs = &tensor;
    flat.reshape.shape.rank = shape.rank - 1;
    for (int i = 0; i < flat.reshape.shape.rank; i++)
        flat.reshape.shape.extent[i] = shape.extent[i < axis ? i : i + 1];
    return onnx_emit(operation, &flat, error);
}

int onnx_gather(const struct onnx_operation *operation, VbpError *error)
{
    const int64_t *indices = NULL;
    int64_t count = 0, wanted = 0;
    struct shape input, shape;
    int axis = 0;
    int result = onnx_input_shape(operation, 0, &input, error);

    if (result == VBP_OK)
        result = onnx_attribute_integer(operation, "axis", &wanted, error);
    if (result == VBP_OK)
        result = onnx_axis(operation, wanted, input.rank, &axis, error);
    if (result == VBP_OK)
        result = onnx_input_integers(operation, 1, "list of indices", &indices, &count, error);
    if (result == VBP_OK)
        result = onnx_input_shape(operation, 1, &shape, error);
    if (result != VBP_OK)
        return result;
    if (onnx_all_constant(operation))
        return onnx_fold_gather(operation, axis, error);
    if (axis == input.rank - 1 && input.rank < 3)
        return emit_selection(operation, indices, count, shape.rank, error);
    return emit_gather(operation, axis, indices, count, shape.rank, error);
}

/* ---- Slice ---------------------------------------------------------------------------------- */

/* The lists of a Slice: starts, ends, axes, steps; *count entries in each that is there. */
static int read_slice(const struct onnx_operation *operation, const int64_t *lists[4],
                      int64_t *count, VbpError *error)
{
    static const char *const names[] = {"starts", "ends", "axes", "steps"};

    for (size_t i = 0; i < 4; i++) {
        int64_t own = 0;
        int result = VBP_OK;

        lists[i] = NULL;
        if (operation->loader->opset < 10)
            result = onnx_attribute_integers(operation, names[i], &lists[i], &own, error);
        else if (onnx_has_input(operation, i + 1))
            result = onnx_input_integers(operation, i + 1, names[i], &lists[i], &own, error);
        if (result != VBP_OK)
            return result;
        if (i == 0)
            *count = own;
        if ((i < 2 && !lists[i]) || (lists[i] && own != *count))
            return onnx_refuse(operation, error, VBP_ERROR_FORMAT,
                               "its lists of starts, ends, axes and steps do not go together");
    }
    return VBP_OK;
}

/* What a start, an end and a step, which may count from the end and lie outside, select. */
static struct pick make_pick(int64_t start, int64_t end, int64_t step, int64_t extent)
{
    int64_t length;

    step = step > MAX_STEP ? MAX_STEP : step < -MAX_STEP ? -MAX_STEP : step;
    start = start < 0 ? start + extent : start;
    end = end < 0 ? end + extent : end;
    if (step > 0) {
        start = start < 0 ? 0 : start > extent ? extent : start;
        end = end < start ? start : end > extent ? extent : end;
        length = end - start + step - 1;
    } else {
        start = start < -1 ? -1 : start > extent - 1 ? extent - 1 : start;
        end = end < -1 ? -1 : end > start ? start : end;
        length = end - start + step + 1;
    }
    return (struct pick){.first = start, .step = step, .count = length / step};
}

static int read_picks(const struct onnx_operation *operation, const struct shape *shape,
                      struct pick *picks, VbpError *error)
{
    const int64_t *lists[4] = {NULL, NULL, NULL, NULL};
    int64_t count = 0;
    int result = read_slice(operation, lists, &count, error);

    for (int i = 0; i < shape->rank; i++)
        picks[i] = (struct pick){.step = 1, .count = shape->extent[i]};
    for (int64_t i = 0; i < count && result == VBP_OK; i++) {
        int64_t step = lists[3] ? lists[3][i] : 1;
        int axis = 0;

        result = onnx_axis(operation, lists[2] ? lists[2][i] : i, shape->rank, &axis, error);
        if (result == VBP_OK && step == 0)
            result = onnx_refuse(operation, error, VBP_ERROR_FORMAT, "a step of 0");
        if (result == VBP_OK)
            picks[axis] = make_pick(lists[0][i], lists[1][i], step, shape->extent[axis]);
    }
    return result;
}

static int fold_slice(const struct onnx_operation *operation, int value, const struct pick *picks,
                      VbpError *error)
{
    struct shape shape = operation->loader->values[value].shape;
    int64_t stride[SHAPE_MAX_RANK], start = 0;

    find_strides(&shape, stride);
    for (int i = 0; i < shape.rank; i++) {
        start += picks[i].first * stride[i];
        stride[i] *= picks[i].step;
        shape.extent[i] = picks[i].count;
    }
    return onnx_fold_strided(operation, value, &shape, start, stride, error);
}

/* Every second row and column, say: a pool of single cells that steps so far. */
static int emit_steps(const struct onnx_operation *operation, int tensor, const struct pick *picks,
                      VbpError *error)
{
    struct node pool = {.kind = NODE_MAX_POOL,
                        .inputs = &tensor,
                        .input_count = 1,
                        .pool.window = window_make(1, 1)};

    for (int i = 0; i < 2; i++)
        pool.pool.window.stride[i] = (int)picks[2 + i].step;
    return onnx_emit(operation, &pool, error);
}

/* What is left to do once everything with a step of 1 is cut. */
static int emit_stepped(const struct onnx_operation *operation, int tensor, int rank,
                        const struct pick *picks, VbpError *error)
{
    bool pictures = rank == 4;
    int stepped = 0, axis = 0;

    for (int i = 0; i < rank; i++) {
        if (picks[i].step == 1)
            continue;
        pictures = pictures && i >= 2 && picks[i].step > 0;
        axis = i;
        stepped++;
    }
    if (pictures)
        return emit_steps(operation, tensor, picks, error);
    if (stepped > 1)
        return onnx_refuse(operation, error, VBP_ERROR_UNSUPPORTED,
                           "steps along %d axes are not supported", stepped);
    return emit_pieces(operation, tensor, axis, NULL, picks[axis], error);
}

int onnx_slice(const struct onnx_operation *operation, VbpError *error)
{
    struct node node = {.kind = NODE_PAD, .input_count = 1};
    struct pick picks[SHAPE_MAX_RANK];
    struct shape shape;
    bool steps = false, cuts = false;
    int value = onnx_input_value(operation, 0, error);
    int result = value < 0 ? value : onnx_input_shape(operation, 0, &shape, error);
    int tensor;

    if (result == VBP_OK)
        result = read_picks(operation, &shape, picks, error);
    if (result != VBP_OK)
        return result;
    if (operation->loader->values[value].kind == ONNX_CONSTANT)
        return fold_slice(operation, value, picks, error);
    for (int i = 0; i < shape.rank; i++) {
        bool pool = shape.rank == 4 && i >= 2 && picks[i].step > 1;

        steps = steps || picks[i].step != 1;
        if (picks[i].step == 1)
            cut(&node, i, shape.extent[i], picks[i].first, picks[i].count);
        else if (pool) /* begins where the first cell is taken */
            cut(&node, i, shape.extent[i], picks[i].first,
                (picks[i].count - 1) * picks[i].step + 1);
        cuts = cuts || node.pad.begin[i] != 0 || node.pad.end[i] != 0;
    }
    if (!steps)
        return onnx_emit_pad(operation, &node, shape.rank, error);
    tensor = onnx_input_tensor(operation, 0, error);
    if (tensor < 0)
        return tensor;
    if (cuts) {
        int whole = tensor;

        node.inputs = &whole;
        tensor = onnx_emit_part(operation, &node, error);
    }
    return tensor < 0 ? tensor : emit_stepped(operation, tensor, shape.rank, picks, error);
}

/* ---- Split ---------------------------------------------------------------------------------- */

/* The lengths of the parts: listed, or all alike but a shorter last one. */
static int read_lengths(const struct onnx_operation *operation, int64_t extent,
                        const int64_t **lengths, int64_t *each, VbpError *error)
{
    int64_t count = 0, parts = (int64_t)operation->node->n_output, total = 0;
    int result = onnx_has_input(operation, 1)
                     ? onnx_input_integers(operation, 1, "list of lengths", lengths, &count, error)
                     : onnx_attribute_integers(operation, "split", lengths, &count, error);

    *each = (extent + parts - 1) / parts;
    if (result != VBP_OK || !*lengths)
        return result;
    for (int64_t i = 0; i < count && i < parts; i++) {
        if ((*lengths)[i] < 0 || (*lengths)[i] > extent - total)
            return onnx_refuse(operation, error, VBP_ERROR_FORMAT,
                               "its parts are not those of %lld cells", (long long)extent);
        total += (*lengths)[i];
    }
    if (count != parts || total != extent)
        return onnx_refuse(operation, error, VBP_ERROR_FORMAT,
                           "its parts are not those of %lld cells", (long long)extent);
    return VBP_OK;
}

static int emit_split(const struct onnx_operation *operation, int value, int axis, int64_t first,
                      int64_t length, VbpError *error)
{
    struct node node = {.kind = NODE_PAD, .input_count = 1};
    struct pick picks[SHAPE_MAX_RANK];
    struct shape shape;
    int result = onnx_input_shape(operation, 0, &shape, error);

    if (result != VBP_OK)
        return result;
    for (int i = 0; i < shape.rank; i++)
        picks[i] = (struct pick){.step = 1, .count = shape.extent[i]};
    picks[axis] = (struct pick){.first = first, .step = 1, .count = length};
    if (operation->loader->values[value].kind == ONNX_CONSTANT)
        return fold_slice(operation, value, picks, error);
    cut(&node, axis, shape.extent[axis], first, length);
    return onnx_emit_pad(operation, &node, shape.rank, error);
}

int onnx_split(const struct onnx_operation *operation, VbpError *error)
{
    struct onnx_operation part = *operation;
    const int64_t *lengths = NULL;
    int64_t wanted = 0, each = 0, first = 0;
    struct shape shape;
    int axis = 0, value = onnx_input_value(operation, 0, error);
    int result = value < 0 ? value : onnx_input_shape(operation, 0, &shape, error);

    if (result == VBP_OK)
        result = onnx_attribute_integer(operation, "axis", &wanted, error);
    if (result == VBP_OK)
        result = onnx_axis(operation, wanted, shape.rank, &axis, error);
    if (result == VBP_OK)
        result = read_lengths(operation, shape.extent[axis], &lengths, &each, error);
    for (; part.output < part.node->n_output && result == VBP_OK; part.output++) {
        int64_t left = shape.extent[axis] - first;
        int64_t length = lengths ? lengths[part.output] : each < left ? each : left;

        if (part.node->output[part.output][0])
            result = emit_split(&part, value, axis, first, length, error);
        first += length;
    }
    return result;
}

/* ---- Repeating ------------------------------------------------------------------------------ */

/* Input `input` broadcast to the shape. On computed data that is a product with ones. */
static int emit_expanded(const struct onnx_operation *operation, size_t input,
                         const struct shape *shape, VbpError *error)
{
    struct onnx_loader *loader = operation->loader;
    struct node same = {.kind = NODE_IDENTITY, .input_count = 1};
    struct node node = {.kind = NODE_BINARY, .input_count = 2, .binary = BINARY_MULTIPLY};
    struct shape own, ones = {.rank = shape->rank};
    int64_t stride[SHAPE_MAX_RANK] = {0}, dense[SHAPE_MAX_RANK], count;
    int inputs[2];
    float *values;
    int value = onnx_input_value(operation, input, error);
    int result = value < 0 ? value : onnx_input_shape(operation, input, &own, error);

    if (result != VBP_OK)
        return result;
    find_strides(&own, dense);
    for (int i = 1; i <= shape->rank; i++) {
        bool there = i <= own.rank && own.extent[own.rank - i] == shape->extent[shape->rank - i];

        stride[shape->rank - i] = there ? dense[own.rank - i] : 0;
        ones.extent[shape->rank - i] = there ? 1 : shape->extent[shape->rank - i];
    }
    if (loader->values[value].kind == ONNX_CONSTANT)
        return onnx_fold_strided(operation, value, shape, 0, stride, error);
    inputs[0] = loader->values[value].tensor;
    same.inputs = node.inputs = inputs;
    if (shape_equal(shape, &own))
        return onnx_emit(operation, &same, error);
    count = shape_elements(&ones);
    if (count < 1)
        return onnx_refuse(operation, error, VBP_ERROR_UNSUPPORTED, "its result is %s",
                           onnx_shape_count(&ones) == 0 ? "empty" : "too large");
    result = onnx_spend(loader, count, error);
    if (result != VBP_OK)
        return result;
    values = memory_array((size_t)count, sizeof(*values));
    if (!values)
        return error_out_of_memory(error);
    for (int64_t i = 0; i < count; i++)
        values[i] = 1;
    inputs[1] = graph_add_constant(loader->graph, NULL, &ones, values, error);
    free(values);
    return inputs[1] < 0 ? inputs[1] : onnx_emit(operation, &node, error);
}

int onnx_expand(const struct onnx_operation *operation, VbpError *error)
{
    const int64_t *extents = NULL;
    struct shape shape, target = {0};
    int64_t rank = 0;
    int result = onnx_input_integers(operation, 1, "shape", &extents, &rank, error);

    if (result == VBP_OK)
        result = onnx_input_shape(operation, 0, &shape, error);
    if (result != VBP_OK)
        return result;
    if (rank > SHAPE_MAX_RANK)
        return onnx_refuse(operation, error, VBP_ERROR_UNSUPPORTED,
                           "its shape has %lld axes; at most %d are supported", (long long)rank,
                           SHAPE_MAX_RANK);
    target.rank = (int)rank;
    for (int i = 0; i < target.rank; i++)
        target.extent[i] = extents[i];
    if (onnx_shape_count(&target) < 0 || !onnx_broadcast(&shape, &target))
        return onnx_refuse(operation, error, VBP_ERROR_FORMAT,
                           "its input cannot be repeated to the shape it is given");
    return emit_expanded(operation, 0, &shape, error);
}

/* The condition has to be known; where it is the same everywhere, data may be chosen by it. */
int onnx_where(const struct onnx_operation *operation, VbpError *error)
{
    struct onnx_loader *loader = operation->loader;
    int condition = onnx_input_value(operation, 0, error);
    const int64_t *elements;
    struct shape shape, other;
    int result = condition < 0 ? condition : onnx_input_shape(operation, 0, &shape, error);

    for (size_t i = 1; i < 3 && result == VBP_OK; i++) {
        result = onnx_input_shape(operation, i, &other, error);
        if (result == VBP_OK && !onnx_broadcast(&shape, &other))
            result = onnx_refuse(operation, error, VBP_ERROR_FORMAT,
                                 "the shapes of its inputs do not go together");
    }
    if (result != VBP_OK)
        return result;
    if (loader->values[condition].kind != ONNX_CONSTANT || !loader->values[condition].integer)
        return onnx_refuse(operation, error, VBP_ERROR_UNSUPPORTED,
                           "its condition is computed by the network; only constants are "
                           "supported");
    if (onnx_all_constant(operation))
        return onnx_fold_where(operation, &shape, error);
    elements = onnx_value_integers(loader, condition);
    for (int64_t i = 1; i < loader->values[condition].count; i++) {
        if ((elements[i] != 0) != (elements[0] != 0))
            return onnx_refuse(operation, error, VBP_ERROR_UNSUPPORTED,
                               "a condition that is not the same everywhere is not supported");
    }
    return emit_expanded(operation, loader->values[condition].count && elements[0] ? 1 : 2, &shape,
                         error);
}
