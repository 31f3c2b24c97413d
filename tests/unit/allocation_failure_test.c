/*
 * Every allocation of opening a model, making a runner and running a frame fails once: each time
 * there has to be an error, no crash and (AddressSanitizer) no leak. And none is made while frames
 * run. The Makefile links this program with the functions below before those of the C library.
 */
#include "graph/fold.h"
#include "saliency/visualbackprop.h"
#include "support/keras_builder.h"
#include "support/models.h"
#include "support/networks.h"
#include "support/numbers.h"
#include "support/onnx_builder.h"
#include "support/scratch.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* ---- Allocations that fail ------------------------------------------------------------------ */

static bool counting;
static long allocations; /* since counting began */
static long failing;     /* the one that fails, from 1; 0: none */

static bool fails(void)
{
    return counting && ++allocations == failing;
}

static void count_from_here(long which)
{
    allocations = 0;
    failing = which;
    counting = true;
}

/* The linker gives these names to what it wraps. */
// NOLINTBEGIN(bugprone-reserved-identifier,cert-dcl37-c,readability-identifier-naming)
void *__real_malloc(size_t size);
void *__real_calloc(size_t count, size_t size);
void *__real_realloc(void *block, size_t size);
void *__real_aligned_alloc(size_t alignment, size_t size);
char *__real_strdup(const char *text);
int __real_vasprintf(char **text, const char *format, va_list arguments);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t count, size_t size);
void *__wrap_realloc(void *block, size_t size);
void *__wrap_aligned_alloc(size_t alignment, size_t size);
char *__wrap_strdup(const char *text);
int __wrap_vasprintf(char **text, const char *format, va_list arguments);

void *__wrap_malloc(size_t size)
{
    return fails() ? NULL : __real_malloc(size);
}

void *__wrap_calloc(size_t count, size_t size)
{
    return fails() ? NULL : __real_calloc(count, size);
}

void *__wrap_realloc(void *block, size_t size)
{
    return fails() ? NULL : __real_realloc(block, size);
}

void *__wrap_aligned_alloc(size_t alignment, size_t size)
{
    return fails() ? NULL : __real_aligned_alloc(alignment, size);
}

char *__wrap_strdup(const char *text)
{
    return fails() ? NULL : __real_strdup(text);
}

int __wrap_vasprintf(char **text, const char *format, va_list arguments)
{
    if (fails()) {
        *text = (char *)1; /* undefined then, says the manual */
        return -1;
    }
    return __real_vasprintf(text, format, arguments);
}
// NOLINTEND(bugprone-reserved-identifier,cert-dcl37-c,readability-identifier-naming)

static void check_status(int status, const VbpError *error, long which)
{
    if (status != VBP_ERROR_MEMORY || error->status != status || !error->message[0])
        fail_msg("allocation %ld failed: status %d, '%s'", which, status, error->message);
}

/* ---- Models --------------------------------------------------------------------------------- */

static uint8_t pixels[40 * 30 * 3];

static VbpImage frame_of(int width, int height)
{
    return (VbpImage){.format = VBP_PIXEL_RGB24,
                      .width = width,
                      .height = height,
                      .plane = {pixels},
                      .stride = {3 * width}};
}

/* Opens, creates, runs; *model and *runner are what there is, also after a failure. */
static int open_and_run(const char *path, const VbpModelOptions *options, VbpModel **model,
                        VbpRunner **runner, VbpError *error)
{
    const VbpRunnerOptions runner_options = {.even = 1};
    const VbpImage image = frame_of(40, 30);
    int result = vbp_model_open(model, path, options, error);

    *runner = NULL;
    if (result != VBP_OK) {
        assert_null(*model);
        return result;
    }
    result = vbp_runner_create(runner, *model, &runner_options, error);
    if (result != VBP_OK) {
        assert_null(*runner);
        return result;
    }
    return vbp_runner_run_image(*runner, &image, error);
}

static void fail_each(const char *path, const VbpModelOptions *options)
{
    int result = VBP_ERROR_MEMORY;
    long which = 0;

    while (result != VBP_OK) {
        VbpError error = {0};
        VbpModel *model;
        VbpRunner *runner;

        count_from_here(++which);
        result = open_and_run(path, options, &model, &runner, &error);
        counting = false;
        if (result == VBP_OK)
            assert_true(allocations < which); /* nothing failed: nothing may have been ignored */
        else
            check_status(result, &error, which);
        vbp_runner_destroy(&runner);
        vbp_model_close(&model);
    }
    print_message("%ld allocations\n", which - 1);
    assert_true(which > 50);
}

static void models(void **state)
{
    const char *card =
        "{\"input\": {\"crop\": {\"top\": 3}, \"color\": \"yuv\"}, \"lambda\": {\"a\": "
        "[1, 2]}, \"output\": {\"steering\": \"steering\"}}";
    const struct model_parts plain = {
        .channels = 3, .begin = MODEL_NORMS_BYTES, .second_output = 2};
    const struct model_parts inside = {.channels = 3, .begin = MODEL_CHANNELS_LAST, .card = card};
    VbpModelOptions options = {0};
    char path[512];

    (void)state;
    strcpy(path, model_write("plain.onnx", &plain));
    fail_each(path, NULL);
    strcpy(path, model_write("inside.onnx", &inside));
    fail_each(path, NULL);
    scratch_write("inside.card.json", card, strlen(card));
    fail_each(path, NULL);
    options.card_path = scratch_write("named.json", card, strlen(card));
    fail_each(path, &options);
}

/* One layer of each way to be read; `where` keeps what the weights are called. */
static void build_keras(struct keras_builder *b, const char *version, const char *const where[4])
{
    keras_builder_begin(b, version);
    b->functional = true;
    b->outputs = "steering";
    keras_builder_input(b, "[null, 12, 16, 3]");
    keras_builder_after(b, "Rescaling", "scale", "\"scale\": [1, 2, 3], \"offset\": -1", "in");
    keras_builder_after(b, "Conv2D", "conv",
                        "\"filters\": 4, \"kernel_size\": 3, \"activation\": \"relu\"", "scale");
    keras_builder_after(b, "BatchNormalization", "bn", "\"axis\": -1", "conv");
    keras_builder_after(b, "PReLU", "prelu", "", "bn");
    keras_builder_after(b, "Concatenate", "both", "", "prelu conv");
    keras_builder_after(b, "GlobalAveragePooling2D", "mean", "", "both");
    keras_builder_after(b, "Dense", "steering", "\"units\": 1", "mean");
    keras_builder_weight(b, where[0], "k:0", NUMBERS(3, 3, 3, 4), NULL);
    keras_builder_weight(b, where[0], "b:0", NUMBERS(4), NULL);
    for (int i = 0; i < 4; i++) {
        static const char *const names[] = {"g:0", "b:0", "m:0", "v:0"};
        static const float ones[4] = {1, 1, 1, 1};

        keras_builder_weight(b, where[1], names[i], NUMBERS(4), ones);
    }
    keras_builder_weight(b, where[2], "a:0", NUMBERS(1, 1, 4), NULL);
    keras_builder_weight(b, where[3], "k:0", NUMBERS(8, 1), NULL);
    keras_builder_weight(b, where[3], "b:0", NUMBERS(1), NULL);
}

static void keras_models(void **state)
{
    static const char *const names[4] = {"conv", "bn", "prelu", "steering"};
    static const char *const keys[4] = {"conv2d", "batch_normalization", "p_re_lu", "dense"};
    struct keras_builder b;
    unsigned char *bytes;
    char path[512], *json;
    size_t length;

    (void)state;
    build_keras(&b, "2.2.4", names);
    b.alone = b.variable = true;
    keras_builder_pack(&b, &bytes, &length);
    json = keras_builder_json(&b);
    keras_builder_end(&b);
    scratch_write("weights.json", json, strlen(json));
    strcpy(path, scratch_write("weights.h5", bytes, length));
    free(json);
    free(bytes);
    fail_each(path, NULL);

    build_keras(&b, "3.1.0", keys);
    b.numbered = true;
    keras_builder_pack_archive(&b, &bytes, &length);
    keras_builder_end(&b);
    strcpy(path, scratch_write("model.keras", bytes, length));
    free(bytes);
    fail_each(path, NULL);
}

/* ---- Graphs --------------------------------------------------------------------------------- */

static int copy_fold_and_run(const struct graph *graph, const float *input, VbpError *error)
{
    const struct forward_options options = {.level_averages = true};
    struct graph *copy;
    struct forward *forward = NULL;
    struct visualbackprop *walk = NULL;
    int result = graph_copy(&copy, graph, error);

    if (result == VBP_OK)
        result = graph_fold(copy, error);
    if (result == VBP_OK)
        result = forward_create(&forward, copy, &options, error);
    if (result == VBP_OK)
        result = visualbackprop_create(&walk, copy, true, error);
    if (result == VBP_OK) {
        memcpy(forward_input(forward), input,
               network_elements(graph, graph->input) * sizeof(float));
        result = forward_run(forward, error);
    }
    if (result == VBP_OK)
        result = visualbackprop_run(walk, forward, error);
    visualbackprop_destroy(&walk);
    forward_destroy(&forward);
    graph_destroy(&copy);
    return result;
}

static void fail_each_of(const struct graph *graph)
{
    float *input = guarded_random(network_elements(graph, graph->input), -1, 1);
    int result = VBP_ERROR_MEMORY;

    for (long which = 1; result != VBP_OK; which++) {
        VbpError error = {0};

        count_from_here(which);
        result = copy_fold_and_run(graph, input, &error);
        counting = false;
        if (result == VBP_OK)
            assert_true(allocations < which);
        else
            check_status(result, &error, which);
    }
    guarded_free(input);
}

static void graphs(void **state)
{
    (void)state;
    for (int i = 0; i < 10; i++) {
        struct graph *graph = network_random(NETWORK_EVERY);

        fail_each_of(graph);
        graph_destroy(&graph);
    }
}

static int constant_of_channels(struct graph *graph, int channels)
{
    return network_constant(graph, (struct shape){4, {1, channels, 1, 1}}, NULL);
}

/*
 * Constants before and behind convolutions without biases, of which two share their weights, and
 * slopes that convolutions take in.
 */
static void folded_arithmetic(void **state)
{
    struct graph *graph = network_begin();
    int data = network_input(graph, 3, 8, 9), twin;

    (void)state;
    data = network_binary(graph, BINARY_SUBTRACT, data, constant_of_channels(graph, 3));
    data = network_binary(graph, BINARY_MULTIPLY, constant_of_channels(graph, 1), data);
    data = network_convolution(graph, data, 4, window_square(3, 1, 0), 1, false);
    data = network_binary(graph, BINARY_ADD, data, constant_of_channels(graph, 4));
    data = network_binary(graph, BINARY_PRELU, data, constant_of_channels(graph, 4));
    twin = network_convolution(graph, data, 4, window_square(3, 1, 1), 1, false);
    data = network_convolution(graph, data, 4, window_square(3, 1, 1), 1, false);
    graph->nodes[graph->tensors[data].producer].inputs[1] =
        graph->nodes[graph->tensors[twin].producer].inputs[1];
    twin = network_activation(graph, network_batch_norm(graph, twin), ACTIVATION_ELU);
    data = network_activation(graph, network_batch_norm(graph, data), ACTIVATION_LEAKY_RELU);
    data = network_binary(graph, BINARY_ADD, data, twin);
    network_finish(graph, network_dense(graph, network_flatten(graph, data), 1));
    fail_each_of(graph);
    graph_destroy(&graph);
}

/* ---- Frames --------------------------------------------------------------------------------- */

static void steady_frames_allocate_nothing(void **state)
{
    const VbpImage image = frame_of(40, 30);
    VbpModel *model;
    VbpRunner *runner;
    VbpError error;

    (void)state;
    if (open_and_run(model_write("steady.onnx", &(struct model_parts){.channels = 3}), NULL, &model,
                     &runner, &error) != VBP_OK)
        fail_msg("%s", error.message);
    count_from_here(0);
    for (int i = 0; i < 5; i++)
        assert_int_equal(vbp_runner_run_image(runner, &image, &error), VBP_OK);
    counting = false;
    assert_int_equal(allocations, 0);
    vbp_runner_destroy(&runner);
    vbp_model_close(&model);
}

/* A frame of a new size for which there is no memory is an error; the next one runs. */
static void frames_of_a_new_size(void **state)
{
    const VbpImage sizes[2] = {frame_of(20, 16), frame_of(40, 30)};
    VbpModel *model;
    VbpRunner *runner;
    VbpError error;
    int result = VBP_ERROR_MEMORY;

    (void)state;
    if (open_and_run(model_write("sizes.onnx", &(struct model_parts){.channels = 3}), NULL, &model,
                     &runner, &error) != VBP_OK)
        fail_msg("%s", error.message);
    for (long which = 1; result != VBP_OK; which++) {
        count_from_here(which);
        result = vbp_runner_run_image(runner, &sizes[0], &error);
        counting = false;
        if (result != VBP_OK)
            check_status(result, &error, which);
        else
            assert_true(which > 4);
        assert_int_equal(vbp_runner_run_image(runner, &sizes[1], &error), VBP_OK);
    }
    vbp_runner_destroy(&runner);
    vbp_model_close(&model);
}

static int setup(void **state)
{
    for (size_t i = 0; i < sizeof(pixels); i++)
        pixels[i] = (uint8_t)(i * 31 % 255);
    return random_setup(state) || scratch_setup(state);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(models),
        cmocka_unit_test(keras_models),
        cmocka_unit_test(graphs),
        cmocka_unit_test(folded_arithmetic),
        cmocka_unit_test(steady_frames_allocate_nothing),
        cmocka_unit_test(frames_of_a_new_size),
    };

    return cmocka_run_group_tests(tests, setup, scratch_teardown);
}
