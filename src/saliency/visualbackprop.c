#include "saliency/visualbackprop_state.h"

#include "base/memory.h"
#include "kernels/convolution_transpose.h"
#include "kernels/elementwise.h"
#include "kernels/upsample.h"

#include <float.h>
#include <math.h>
#include <string.h>

/*
 * Products of many levels grow or shrink without end: nine windows on each cell and averages of a
 * hundred bring sixteen layers to 2^150. Within these bounds, the map of one level to the next
 * neither overflows nor loses small values; a frame with a product outside of them is done again
 * with powers of two taken out (they do not change the mask).
 */
#define PRODUCT_MIN 0x1p-60F
#define PRODUCT_MAX 0x1p+60F

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
        result = visualbackprop_plan(w, error);
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

/* The scale-up of a step, with its level's average if that is to be multiplied with. */
static struct map_scale_up scale_up_of(const struct step *step, const struct forward *forward,
                                       bool scaled)
{
    struct map_scale_up scale_up = step->scale_up;

    if (step->level >= 0 && !scaled)
        scale_up.average = forward_level_average(forward, step->level);
    return scale_up;
}

/* False as `multiply` says. */
static bool scale_up(const struct visualbackprop *walk, const struct step *step,
                     const struct forward *forward, bool scaled)
{
    const struct map_scale_up how = scale_up_of(step, forward, scaled);
    const struct buffer *from = &walk->buffers[step->from];
    struct buffer *to = &walk->buffers[step->to];

    to->exponent = from->exponent;
    to->range = map_scale_up_run(forward_kernels(forward)->map_rows, &how, from->values, to->values,
                                 walk->scratch);
    if (step->level >= 0 && scaled)
        return multiply(step, forward, true, to);
    return step->level < 0 || in_bounds(&to->range);
}

/* The last two steps in one. False as `multiply` says. */
static bool scale_up_twice(const struct visualbackprop *walk, const struct step *first,
                           const struct step *second, const struct forward *forward)
{
    const struct map_scale_up how[2] = {scale_up_of(first, forward, false),
                                        scale_up_of(second, forward, false)};
    const struct buffer *from = &walk->buffers[first->from];
    struct buffer *to = &walk->buffers[second->to];
    struct map_range range[2];

    map_scale_up_twice(forward_kernels(forward)->map_rows, &how[0], &how[1], from->values,
                       to->values, walk->scratch, range);
    to->exponent = from->exponent;
    to->range = range[1];
    return first->level < 0 || in_bounds(&range[0]);
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
    case STEP_GATHER:
        convolution_transpose_map(&step->window, from->values, (int)step->extent[0],
                                  (int)step->extent[1], walk->even, step->height, step->width,
                                  to->values);
        to->exponent = from->exponent;
        break;
    case STEP_RESIZE:
        interpolate_back(step->interpolation, from->values, (int)step->extent[0],
                         (int)step->extent[1], step->height, step->width, to->values,
                         walk->scratch);
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
    const struct step *last = &walk->steps[walk->step_count - 1];
    int count = walk->step_count - (walk->on_the_way && !scaled ? 2 : 0);

    for (int i = 0; i < count; i++) {
        if (!run_step(walk, &walk->steps[i], forward, scaled))
            return false;
    }
    return count == walk->step_count || scale_up_twice(walk, last - 1, last, forward);
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

    walk->forward = walk->on_the_way ? forward : NULL;
    if (!run_steps(walk, forward, false)) {
        int result = forward_check_averages(forward, error);

        if (result != VBP_OK)
            return result;
        walk->forward = NULL;
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

const float *visualbackprop_product(struct visualbackprop *walk, int level)
{
    const struct step *before = &walk->steps[walk->step_count - 2];

    if (walk->forward && walk->product_of[level] == before->to) {
        scale_up(walk, before, walk->forward, false);
        walk->forward = NULL;
    }
    return walk->buffers[walk->product_of[level]].values;
}
