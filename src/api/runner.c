#include "api/model.h"

#include "base/error.h"
#include "base/memory.h"
#include "nn/forward.h"
#include "saliency/visualbackprop.h"

#include <string.h>
#include <time.h>

#define THREADS_MOST 256

_Static_assert((int)VBP_ISA_BEST == (int)ISA_BEST && (int)VBP_ISA_C == (int)ISA_C &&
                   (int)VBP_ISA_AVX2 == (int)ISA_AVX2 && (int)VBP_ISA_AVX512 == (int)ISA_AVX512,
               "the interface's numbers are those inside");

struct VbpRunner {
    const VbpModel *model;
    struct forward *forward;
    struct visualbackprop *walk; /* NULL: no mask wanted */
    struct preprocess *preprocess;
    VbpTimes times;
};

static double milliseconds_now(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec * 1e3 + (double)now.tv_nsec / 1e6;
}

int vbp_runner_create(VbpRunner **runner, const VbpModel *model, const VbpRunnerOptions *options,
                      VbpError *error)
{
    VbpRunnerOptions defaults = {.average = VBP_AVERAGE_POSITIVE};
    struct forward_options forward_options;
    VbpRunner *r = NULL;
    struct preprocess_settings settings;
    int result;

    *runner = NULL;
    options = options ? options : &defaults;
    if ((unsigned)options->average > VBP_AVERAGE_ABSOLUTE)
        return error_set(error, VBP_ERROR_ARGUMENT, "no such average: %d", (int)options->average);
    if ((unsigned)options->isa > VBP_ISA_AVX512)
        return error_set(error, VBP_ERROR_ARGUMENT, "no such instruction set: %d",
                         (int)options->isa);
    if (options->threads < 0 || options->threads > THREADS_MOST)
        return error_set(error, VBP_ERROR_ARGUMENT, "threads: 0 to %d, not %d", THREADS_MOST,
                         options->threads);
    r = memory_array(1, sizeof(*r));
    if (!r)
        return error_out_of_memory(error);
    r->model = model;
    forward_options = (struct forward_options){.level_averages = !options->no_mask,
                                               .average = options->average,
                                               .threads = options->threads,
                                               .isa = (enum isa)options->isa};
    result = forward_create(&r->forward, model->folded, &forward_options, error);
    if (result == VBP_OK && !options->no_mask)
        result = visualbackprop_create(&r->walk, model->folded, options->even != 0, error);
    settings = model->settings;
    settings.isa = (enum isa)options->isa;
    if (result == VBP_OK && model->reads_images)
        result = preprocess_create(&r->preprocess, &settings, error);
    if (result == VBP_OK) {
        *runner = r;
    } else {
        error_prefix(error, "%s: ", model->path);
        vbp_runner_destroy(&r);
    }
    return result;
}

void vbp_runner_destroy(VbpRunner **runner)
{
    VbpRunner *r = *runner;

    if (!r)
        return;
    preprocess_destroy(&r->preprocess);
    visualbackprop_destroy(&r->walk);
    forward_destroy(&r->forward);
    free(r);
    *runner = NULL;
}

/* Runs on what forward_input holds; `start` is when the frame's work began. */
static int run(VbpRunner *runner, double start, VbpError *error)
{
    double ready = milliseconds_now(), done;
    int result = forward_run(runner->forward, error);

    done = milliseconds_now();
    if (result == VBP_OK && runner->walk)
        result = visualbackprop_run(runner->walk, runner->forward, error);
    runner->times = (VbpTimes){ready - start, done - ready, milliseconds_now() - done};
    if (result != VBP_OK)
        error_prefix(error, "%s: ", runner->model->path);
    return result;
}

int vbp_runner_run_image(VbpRunner *runner, const VbpImage *image, VbpError *error)
{
    double start = milliseconds_now();
    int result;

    if (!runner->preprocess) {
        char text[SHAPE_TEXT_SIZE];
        const struct graph *graph = runner->model->graph;

        return error_set(error, VBP_ERROR_UNSUPPORTED,
                         "%s: the network's input of %s is not a picture of 1 or 3 channels",
                         runner->model->path,
                         shape_text(&graph->tensors[graph->input].shape, text));
    }
    result = preprocess_run(runner->preprocess, image, forward_input(runner->forward), error);
    return result == VBP_OK ? run(runner, start, error) : result;
}

int vbp_runner_run_input(VbpRunner *runner, const float *input, size_t length, VbpError *error)
{
    const struct graph *graph = runner->model->graph;
    const struct shape *shape = &graph->tensors[graph->input].shape;
    double start = milliseconds_now();

    if (length != (size_t)shape_elements(shape)) {
        char text[SHAPE_TEXT_SIZE];

        return error_set(error, VBP_ERROR_ARGUMENT,
                         "%s: the network's input is %s, %zu numbers were given",
                         runner->model->path, shape_text(shape, text), length);
    }
    memcpy(forward_input(runner->forward), input, length * sizeof(float));
    return run(runner, start, error);
}

const float *vbp_runner_output(const VbpRunner *runner, int output)
{
    return forward_tensor(runner->forward, runner->model->folded->outputs[output]);
}

double vbp_runner_steering(const VbpRunner *runner)
{
    const VbpModel *model = runner->model;
    const float *values = vbp_runner_output(runner, model->steering_output);
    int likeliest = 0;

    if (model->bins.count == 0)
        return (double)values[0];
    for (int i = 1; i < model->bins.count; i++) {
        if (values[i] > values[likeliest])
            likeliest = i;
    }
    return model->bins.first +
           likeliest * (model->bins.last - model->bins.first) / (model->bins.count - 1);
}

const float *vbp_runner_mask(const VbpRunner *runner, int *height, int *width)
{
    const struct graph *graph = runner->model->folded;
    const struct tensor *input = &graph->tensors[graph->input];

    if (!runner->walk)
        return NULL;
    *height = tensor_height(input);
    *width = tensor_width(input);
    return visualbackprop_mask(runner->walk);
}

void vbp_runner_mask_range(const VbpRunner *runner, float *minimum, float *maximum)
{
    *minimum = *maximum = 0;
    if (runner->walk)
        visualbackprop_range(runner->walk, minimum, maximum);
}

const float *vbp_runner_level_average(const VbpRunner *runner, int level)
{
    return runner->walk ? forward_level_average(runner->forward, level) : NULL;
}

const float *vbp_runner_level_product(const VbpRunner *runner, int level)
{
    return runner->walk ? visualbackprop_product(runner->walk, level) : NULL;
}

VbpTimes vbp_runner_times(const VbpRunner *runner)
{
    return runner->times;
}
