/* Compiling the walk: DESIGN.md 6.1 has the rules. */
#include "saliency/visualbackprop_state.h"

#include "base/memory.h"
#include "graph/analysis.h"

/* Index of a new buffer, or a negative status. */
static int add_buffer(struct visualbackprop *walk, size_t cells, VbpError *error)
{
    float *values = memory_aligned_array(cells, sizeof(float));

    if (!values || !memory_grow((void **)&walk->buffers, &walk->buffer_capacity,
                                (size_t)walk->buffer_count + 1, sizeof(*walk->buffers))) {
        free(values);
        return error_out_of_memory(error);
    }
    walk->buffers[walk->buffer_count] = (struct buffer){.values = values, .cells = cells};
    return walk->buffer_count++;
}

static int add_step(struct visualbackprop *walk, const struct step *step, VbpError *error)
{
    if (!memory_grow((void **)&walk->steps, &walk->step_capacity, (size_t)walk->step_count + 1,
                     sizeof(*walk->steps)))
        return error_out_of_memory(error);
    walk->steps[walk->step_count++] = *step;
    return VBP_OK;
}

/* Adds a buffer of the tensor's size and the step that fills it. Returns the buffer or a status. */
static int add_filled(struct visualbackprop *walk, const struct tensor *tensor, struct step step,
                      VbpError *error)
{
    int result;

    step.to = add_buffer(walk, tensor_cells(tensor), error);
    if (step.to < 0)
        return step.to;
    result = add_step(walk, &step, error);
    return result == VBP_OK ? step.to : result;
}

static const struct window *window_of(const struct node *node)
{
    switch (node->kind) {
    case NODE_CONVOLUTION:
        return &node->convolution.window;
    case NODE_MAX_POOL:
    case NODE_AVERAGE_POOL:
        return &node->pool.window;
    default:
        return NULL;
    }
}

static int add_scale_up(struct visualbackprop *walk, const struct node *node, VbpError *error)
{
    const struct tensor *input = &walk->graph->tensors[node->inputs[0]];
    const struct tensor *output = &walk->graph->tensors[node->output];
    struct step step = {.kind = STEP_SCALE_UP,
                        .level = -1,
                        .from = walk->map_of[node->output],
                        .scale_up = {.window = *window_of(node),
                                     .map_height = tensor_height(output),
                                     .map_width = tensor_width(output),
                                     .output_height = tensor_height(input),
                                     .output_width = tensor_width(input)}};
    size_t scratch = map_scale_up_scratch(&step.scale_up);
    int buffer;

    walk->scratch_size = scratch > walk->scratch_size ? scratch : walk->scratch_size;
    if (walk->even) {
        step.even_rows = memory_array((size_t)step.scale_up.output_height, sizeof(float));
        step.even_columns = memory_array((size_t)step.scale_up.output_width, sizeof(float));
        if (!step.even_rows || !step.even_columns) {
            buffer = error_out_of_memory(error);
            goto fail;
        }
        map_scale_up_counts(&step.scale_up, 0, step.even_rows);
        map_scale_up_counts(&step.scale_up, 1, step.even_columns);
        step.scale_up.even_rows = step.even_rows;
        step.scale_up.even_columns = step.even_columns;
    }
    buffer = add_filled(walk, input, step, error);
    if (buffer >= 0)
        return buffer;
fail:
    free(step.even_rows);
    free(step.even_columns);
    return buffer;
}

/* How a node's output shows the picture of one of its inputs. */
enum view {
    VIEW_NONE,   /* not at all: flatten, dense, global pool */
    VIEW_SAME,   /* cell by cell */
    VIEW_TURNED, /* cell by cell, rows and columns exchanged */
    VIEW_PADDED, /* cell by cell, with zeros around or parts cut off */
    VIEW_BLOCKS, /* each cell as a block */
    VIEW_SPREAD, /* each cell as a window, which overlap */
    VIEW_SIZED,  /* of another size */
    VIEW_WINDOWS /* through sliding windows */
};

static bool axes_equal(struct axes a, struct axes b)
{
    return a.channel == b.channel && a.height == b.height && a.width == b.width;
}

static enum view view_of(const struct node *node, const struct tensor *input,
                         const struct tensor *output)
{
    const struct axes nchw = {1, 2, 3};
    struct axes axes = input->axes;
    bool same_size;

    if (output->axes.channel < 0 || node->kind == NODE_RESHAPE || node->kind == NODE_DENSE ||
        node->kind == NODE_GLOBAL_AVERAGE_POOL)
        return VIEW_NONE;
    if (window_of(node))
        return axes_equal(axes, nchw) && axes_equal(output->axes, nchw) ? VIEW_WINDOWS : VIEW_NONE;
    if (node->kind == NODE_UPSAMPLE || node->kind == NODE_CONVOLUTION_TRANSPOSE ||
        node->kind == NODE_RESIZE) {
        if (!axes_equal(axes, nchw) || !axes_equal(output->axes, nchw))
            return VIEW_NONE;
        return node->kind == NODE_UPSAMPLE ? VIEW_BLOCKS
               : node->kind == NODE_RESIZE ? VIEW_SIZED
                                           : VIEW_SPREAD;
    }
    if (node->kind == NODE_PAD)
        return axes_equal(axes, output->axes) ? VIEW_PADDED : VIEW_NONE;
    if (node->kind == NODE_TRANSPOSE) {
        struct axes turned;

        axes = transposed_axes(node, axes);
        turned = (struct axes){axes.channel, axes.width, axes.height};
        return axes_equal(axes, output->axes)     ? VIEW_SAME
               : axes_equal(turned, output->axes) ? VIEW_TURNED
                                                  : VIEW_NONE;
    }
    same_size = tensor_height(output) == tensor_height(input) &&
                tensor_width(output) == tensor_width(input);
    return axes_equal(axes, output->axes) && same_size ? VIEW_SAME : VIEW_NONE;
}

/* The map of a node's output, made larger by weights or interpolation, at the size of its input. */
static int add_sized(struct visualbackprop *walk, const struct node *node, VbpError *error)
{
    const struct tensor *input = &walk->graph->tensors[node->inputs[0]];
    const struct tensor *output = &walk->graph->tensors[node->output];
    struct step step = {.kind = STEP_GATHER,
                        .from = walk->map_of[node->output],
                        .height = tensor_height(input),
                        .width = tensor_width(input),
                        .extent = {tensor_height(output), tensor_width(output)}};
    size_t scratch;

    if (node->kind == NODE_CONVOLUTION_TRANSPOSE) {
        step.window = node->convolution.window;
    } else {
        step.kind = STEP_RESIZE;
        step.interpolation = node->resize.interpolation;
        scratch = interpolate_back_scratch(tensor_width(output), step.height, step.width);
        walk->scratch_size = scratch > walk->scratch_size ? scratch : walk->scratch_size;
    }
    return add_filled(walk, input, step, error);
}

/* What one reader sends down to `tensor`: a buffer; *fresh: nobody else uses it. */
static int contribution(struct visualbackprop *walk, int tensor, const struct reader *reader,
                        bool *fresh, VbpError *error)
{
    const struct graph *graph = walk->graph;
    const struct node *node = &graph->nodes[reader->node];
    const struct tensor *input = &graph->tensors[tensor];
    struct step step = {.kind = STEP_ONES};

    *fresh = true;
    switch (view_of(node, input, &graph->tensors[node->output])) {
    case VIEW_WINDOWS:
        return add_scale_up(walk, node, error);
    case VIEW_SPREAD:
    case VIEW_SIZED:
        return add_sized(walk, node, error);
    case VIEW_SAME:
        *fresh = false;
        return walk->map_of[node->output];
    case VIEW_TURNED:
        step = (struct step){.kind = STEP_TURN,
                             .from = walk->map_of[node->output],
                             .height = tensor_height(input),
                             .width = tensor_width(input)};
        break;
    case VIEW_PADDED:
        step = (struct step){
            .kind = STEP_PAD,
            .from = walk->map_of[node->output],
            .height = tensor_height(input),
            .width = tensor_width(input),
            .extent = {tensor_height(&graph->tensors[node->output]),
                       tensor_width(&graph->tensors[node->output])},
            .begin = {-node->pad.begin[input->axes.height], -node->pad.begin[input->axes.width]}};
        break;
    case VIEW_BLOCKS:
        step = (struct step){.kind = STEP_SHRINK,
                             .from = walk->map_of[node->output],
                             .height = tensor_height(input),
                             .width = tensor_width(input),
                             .extent = {node->upsample.factor[0], node->upsample.factor[1]}};
        break;
    case VIEW_NONE:
        break;
    }
    return add_filled(walk, input, step, error);
}

/* Rule 5: the mean of the readers' maps, each divided by its own maximum. */
static int merge_contributions(struct visualbackprop *walk, int tensor, VbpError *error)
{
    const struct graph *graph = walk->graph;
    int first = graph->first_reader[tensor], end = graph->first_reader[tensor + 1];
    struct step step = {.kind = STEP_MERGE, .share = 1 / (float)(end - first)};
    int result;

    step.to = add_filled(walk, &graph->tensors[tensor], (struct step){.kind = STEP_ZERO}, error);
    if (step.to < 0)
        return step.to;
    for (int i = first; i < end; i++) {
        bool fresh;

        step.from = contribution(walk, tensor, &graph->readers[i], &fresh, error);
        if (step.from < 0)
            return step.from;
        result = add_step(walk, &step, error);
        if (result != VBP_OK)
            return result;
    }
    return step.to;
}

static int level_of(const struct graph *graph, int tensor)
{
    for (int i = 0; i < graph->level_count; i++) {
        if (graph->levels[i] == tensor)
            return i;
    }
    return -1;
}

/* Multiplying is done together with the scaling up just before it. */
static int add_multiply(struct visualbackprop *walk, const struct step *step, VbpError *error)
{
    struct step *last = &walk->steps[walk->step_count - 1];

    if (last->kind != STEP_SCALE_UP || last->to != step->to)
        return add_step(walk, step, error);
    last->level = step->level;
    return VBP_OK;
}

/* Adds the steps that make the finished map of a tensor whose readers all have theirs. */
static int add_tensor(struct visualbackprop *walk, int tensor, VbpError *error)
{
    const struct graph *graph = walk->graph;
    const struct tensor *t = &graph->tensors[tensor];
    int readers = graph->first_reader[tensor + 1] - graph->first_reader[tensor];
    int level = level_of(graph, tensor);
    bool fresh = true;
    int buffer;

    if (readers == 0)
        buffer = add_filled(walk, t, (struct step){.kind = STEP_ONES}, error);
    else if (readers == 1)
        buffer =
            contribution(walk, tensor, &graph->readers[graph->first_reader[tensor]], &fresh, error);
    else
        buffer = merge_contributions(walk, tensor, error);
    if (buffer < 0)
        return buffer;
    if (level >= 0) {
        struct step step = {.kind = STEP_MULTIPLY, .level = level};
        int result;

        if (!fresh)
            buffer = add_filled(walk, t, (struct step){.kind = STEP_COPY, .from = buffer}, error);
        if (buffer < 0)
            return buffer;
        step.to = buffer;
        result = add_multiply(walk, &step, error);
        if (result != VBP_OK)
            return result;
        walk->product_of[level] = buffer;
    }
    walk->map_of[tensor] = buffer;
    return VBP_OK;
}

/*
 * The largest product, that of the level nearest the input, is for most networks read by the last
 * step alone: row by row, it can stay in the first-level cache.
 */
static void join_last_steps(struct visualbackprop *walk)
{
    const struct step *last = &walk->steps[walk->step_count - 1], *before = last - 1;
    size_t scratch;

    if (walk->step_count < 2 || last->kind != STEP_SCALE_UP || before->kind != STEP_SCALE_UP ||
        last->from != before->to || last->level >= 0)
        return;
    walk->on_the_way = true;
    scratch = map_scale_up_twice_scratch(&before->scale_up, &last->scale_up);
    walk->scratch_size = scratch > walk->scratch_size ? scratch : walk->scratch_size;
}

int visualbackprop_plan(struct visualbackprop *walk, VbpError *error)
{
    const struct graph *graph = walk->graph;
    int result = VBP_OK;

    for (int t = 0; t < graph->tensor_count; t++)
        walk->map_of[t] = -1;
    for (int i = graph->node_count - 1; i >= 0 && result == VBP_OK; i--) {
        int tensor = graph->nodes[i].output;

        if (graph->tensors[tensor].axes.channel >= 0)
            result = add_tensor(walk, tensor, error);
    }
    if (result == VBP_OK)
        result = add_tensor(walk, graph->input, error);
    if (result == VBP_OK)
        join_last_steps(walk);
    return result;
}
