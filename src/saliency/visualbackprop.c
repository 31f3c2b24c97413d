#include "saliency/visualbackprop.h"

#include "base/memory.h"
#include "graph/analysis.h"
#include "kernels/elementwise.h"
#include "kernels/map.h"
#include "kernels/upsample.h"

#include <float.h>
#include <math.h>
#include <string.h>

/*
 * The walk is compiled into steps over map buffers. For a chain conv1 relu1 conv2 relu2 flatten:
 *
 *     ONES      buffer 0        relu2's map starts with ones: the flatten reads it
 *     MULTIPLY  buffer 0        by the average of relu2 -> its product
 *     SCALE_UP  buffer 0 -> 1   through conv2, to the size of relu1, by its average -> its product
 *     SCALE_UP  buffer 1 -> 2   through conv1, to the size of the input
 */
enum step_kind {
    STEP_ONES,     /* to = 1 */
    STEP_SCALE_UP, /* to = transposed convolution of from, times average of level if there is one */
    STEP_COPY,     /* to = from */
    STEP_TURN,     /* to = from with rows and columns exchanged */
    STEP_PAD,      /* to = from with zeros around it, or cut */
    STEP_SHRINK,   /* to = means of blocks of from */
    STEP_MERGE,    /* to += share * from / max(from) */
    STEP_ZERO,     /* to = 0, before merging */
    STEP_MULTIPLY  /* to *= average of level */
};

struct step {
    enum step_kind kind;
    int from, to; /* buffers */
    int level;    /* -1: none */
    float share;
    int height, width; /* STEP_TURN, PAD, SHRINK: of `to` */
    /* STEP_PAD: size of `from` and where in `to` it begins; STEP_SHRINK: size of a block. */
    int64_t extent[2], begin[2];
    struct map_scale_up scale_up;
    float *even_rows, *even_columns; /* NULL: not even */
};

/* A map; what it means is values * 2^exponent. */
struct buffer {
    float *values;
    size_t cells;
    int exponent;
    struct map_range range; /* of what STEP_SCALE_UP made */
};

/*
 * Products of many levels grow or shrink without end: nine windows on each cell and averages of a
 * hundred bring sixteen layers to 2^150. Within these bounds, the map of one level to the next
 * neither overflows nor loses small values; a frame with a product outside of them is done again
 * with powers of two taken out (they do not change the mask).
 */
#define PRODUCT_MIN 0x1p-60F
#define PRODUCT_MAX 0x1p+60F

struct visualbackprop {
    const struct graph *graph;
    bool even;
    struct step *steps;
    struct buffer *buffers;
    int step_count, buffer_count;
    size_t step_capacity, buffer_capacity;
    int *map_of;     /* per tensor: buffer with its finished map, -1 none */
    int *product_of; /* per level: buffer */
    float *scratch;
    size_t scratch_size;
    float *mask, *own_mask; /* NULL: the mask takes the place of the last step's map */
    size_t mask_cells;
    float minimum, maximum;
};

static size_t tensor_cells(const struct tensor *tensor)
{
    return (size_t)tensor_height(tensor) * (size_t)tensor_width(tensor);
}

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
    if (node->kind == NODE_UPSAMPLE)
        return axes_equal(axes, nchw) && axes_equal(output->axes, nchw) ? VIEW_BLOCKS : VIEW_NONE;
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

static int add_all_tensors(struct visualbackprop *walk, VbpError *error)
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
    return result == VBP_OK ? add_tensor(walk, graph->input, error) : result;
}

/* Whether the input's map is what a scaling up made last: then that has found its range. */
static bool ends_with_scaling(const struct visualbackprop *walk)
{
    const struct step *step = &walk->steps[walk->step_count - 1];

    return step->kind == STEP_SCALE_UP && step->level < 0 &&
           step->to == walk->map_of[walk->graph->input];
}

int visualbackprop_create(struct visualbackprop **walk, const struct graph *graph, bool even,
                          VbpError *error)
{
    struct visualbackprop *w;
    int result;

    *walk = NULL;
    if (graph->level_count == 0 || graph->tensors[graph->input].axes.channel < 0)
        return error_set(error, VBP_ERROR_NO_MASK,
                         "the network has no convolution with a rectifier behind it, so there is "
                         "no level to make a mask of");
    w = memory_array(1, sizeof(*w));
    if (!w)
        return error_out_of_memory(error);
    w->graph = graph;
    w->even = even;
    w->mask_cells = tensor_cells(&graph->tensors[graph->input]);
    w->map_of = memory_array((size_t)graph->tensor_count, sizeof(*w->map_of));
    w->product_of = memory_array((size_t)graph->level_count, sizeof(*w->product_of));
    if (!w->map_of || !w->product_of)
        result = error_out_of_memory(error);
    else
        result = add_all_tensors(w, error);
    if (result == VBP_OK) {
        w->scratch = memory_aligned_array(w->scratch_size, sizeof(float));
        if (!ends_with_scaling(w))
            w->own_mask = memory_aligned_array(w->mask_cells, sizeof(float));
        w->mask = w->own_mask ? w->own_mask : w->buffers[w->map_of[graph->input]].values;
        if (!w->scratch || (!ends_with_scaling(w) && !w->own_mask))
            result = error_out_of_memory(error);
    }
    if (result == VBP_OK)
        *walk = w;
    else
        visualbackprop_destroy(&w);
    return result;
}

void visualbackprop_destroy(struct visualbackprop **walk)
{
    struct visualbackprop *w = *walk;

    if (!w)
        return;
    for (int i = 0; i < w->step_count; i++) {
        free(w->steps[i].even_rows);
        free(w->steps[i].even_columns);
    }
    for (int i = 0; i < w->buffer_count; i++)
        free(w->buffers[i].values);
    free(w->steps);
    free(w->buffers);
    free(w->map_of);
    free(w->product_of);
    free(w->scratch);
    free(w->own_mask);
    free(w);
    *walk = NULL;
}

static void merge(const struct step *step, const struct buffer *from, float *to)
{
    float minimum, maximum;
    double factor;

    map_range(from->values, from->cells, &minimum, &maximum);
    /* A map of nothing but zeros adds zeros; in double, as 1 / maximum may exceed a float. */
    factor = maximum <= 0 ? 0 : (double)step->share / (double)maximum;
    for (size_t i = 0; i < from->cells; i++)
        to[i] += (float)(factor * (double)from->values[i]);
}

static void turn(const struct step *step, const float *from, float *to)
{
    const int64_t extent[2] = {step->height, step->width}, stride[2] = {1, step->height};

    transpose_run(2, extent, from, stride, to);
}

static void pad(const struct step *step, const float *from, float *to)
{
    const int64_t extent[2] = {step->height, step->width};

    pad_run(2, step->extent, step->begin, extent, from, to);
}

/* to *= average of the level. False where the product leaves the bounds and `scaled` is not set. */
static bool multiply(const struct step *step, const struct forward *forward, bool scaled,
                     struct buffer *to)
{
    const float *average = forward_level_average(forward, step->level);
    float largest;

    if (scaled) {
        to->exponent += map_multiply_scaled(to->values, average, to->cells);
        return true;
    }
    largest = map_multiply(to->values, average, to->cells);
    return largest >= PRODUCT_MIN && largest <= PRODUCT_MAX;
}

static bool in_bounds(const struct map_range *range)
{
    float largest = fmaxf(fabsf(range->least), fabsf(range->most));

    return !isnan(range->least) && largest >= PRODUCT_MIN && largest <= PRODUCT_MAX;
}

/* False as `multiply` says. */
static bool scale_up(const struct visualbackprop *walk, const struct step *step,
                     const struct forward *forward, bool scaled)
{
    const struct buffer *from = &walk->buffers[step->from];
    struct buffer *to = &walk->buffers[step->to];
    bool product = step->level >= 0;

    to->exponent = from->exponent;
    to->range =
        map_scale_up_run(forward_kernels(forward)->map_rows, &step->scale_up, from->values,
                         to->values, walk->scratch, step->even_rows, step->even_columns,
                         product && !scaled ? forward_level_average(forward, step->level) : NULL);
    if (product && scaled)
        return multiply(step, forward, true, to);
    return !product || in_bounds(&to->range);
}

/* False as `multiply` says. */
static bool run_step(const struct visualbackprop *walk, const struct step *step,
                     const struct forward *forward, bool scaled)
{
    const struct buffer *from = &walk->buffers[step->from];
    struct buffer *to = &walk->buffers[step->to];

    switch (step->kind) {
    case STEP_ONES:
        for (size_t i = 0; i < to->cells; i++)
            to->values[i] = 1;
        to->exponent = 0;
        break;
    case STEP_ZERO:
        memset(to->values, 0, to->cells * sizeof(float));
        to->exponent = 0;
        break;
    case STEP_COPY:
        memcpy(to->values, from->values, to->cells * sizeof(float));
        to->exponent = from->exponent;
        break;
    case STEP_TURN:
        turn(step, from->values, to->values);
        to->exponent = from->exponent;
        break;
    case STEP_PAD:
        pad(step, from->values, to->values);
        to->exponent = from->exponent;
        break;
    case STEP_SHRINK:
        upsample_mean_run(from->values, (size_t)step->height, (size_t)step->width,
                          (size_t)step->extent[0], (size_t)step->extent[1], to->values);
        to->exponent = from->exponent;
        break;
    case STEP_SCALE_UP:
        return scale_up(walk, step, forward, scaled);
    case STEP_MERGE:
        merge(step, from, to->values);
        break;
    case STEP_MULTIPLY:
        return multiply(step, forward, scaled, to);
    }
    return true;
}

static bool run_steps(const struct visualbackprop *walk, const struct forward *forward, bool scaled)
{
    for (int i = 0; i < walk->step_count; i++) {
        if (!run_step(walk, &walk->steps[i], forward, scaled))
            return false;
    }
    return true;
}

/* value * 2^exponent, or the nearest number that a float holds. */
static float scaled_back(float value, int exponent)
{
    float result = ldexpf(value, exponent);

    return isfinite(result) ? result : copysignf(FLT_MAX, result);
}

/* Takes a level's product back to what it means, if floats can hold that. */
static void restore_product(struct buffer *product)
{
    float minimum, maximum, largest;

    if (product->exponent == 0)
        return;
    map_range(product->values, product->cells, &minimum, &maximum);
    largest = ldexpf(fmaxf(fabsf(minimum), fabsf(maximum)), product->exponent);
    if (!(largest >= FLT_MIN) || !isfinite(largest))
        return;
    for (size_t i = 0; i < product->cells; i++)
        product->values[i] = ldexpf(product->values[i], product->exponent);
    product->exponent = 0;
}

int visualbackprop_run(struct visualbackprop *walk, const struct forward *forward, VbpError *error)
{
    const struct buffer *last = &walk->buffers[walk->map_of[walk->graph->input]];
    float minimum, maximum;

    if (!run_steps(walk, forward, false)) {
        int result = forward_check_averages(forward, error);

        if (result != VBP_OK)
            return result;
        run_steps(walk, forward, true);
    }
    if (ends_with_scaling(walk)) {
        minimum = last->range.least;
        maximum = last->range.most;
    } else {
        map_range(last->values, last->cells, &minimum, &maximum);
    }
    if (!isfinite(minimum) || !isfinite(maximum) || !isfinite(maximum - minimum))
        return error_set(
            error, VBP_ERROR_NUMERIC,
            "the mask overflows: what the layers between two levels make of their maps exceeds "
            "what a float holds");
    map_normalise(forward_kernels(forward)->map_rows, last->values, last->cells, minimum, maximum,
                  walk->mask);
    walk->minimum = scaled_back(minimum, last->exponent);
    walk->maximum = scaled_back(maximum, last->exponent);
    for (int level = 0; level < walk->graph->level_count; level++)
        restore_product(&walk->buffers[walk->product_of[level]]);
    return VBP_OK;
}

const float *visualbackprop_mask(const struct visualbackprop *walk)
{
    return walk->mask;
}

void visualbackprop_range(const struct visualbackprop *walk, float *minimum, float *maximum)
{
    *minimum = walk->minimum;
    *maximum = walk->maximum;
}

const float *visualbackprop_product(const struct visualbackprop *walk, int level)
{
    return walk->buffers[walk->product_of[level]].values;
}
