/* Training: steps by hand, networks from descriptions, runs that learn, repeat and resume. */
#include "base/file.h"
#include "support/drive.h"
#include "support/scratch.h"
#include "train/checkpoint.h"
#include "train/network.h"
#include "train/split.h"

#include <math.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include <cmocka.h>

/* ---- Networks ------------------------------------------------------------------------------- */

static struct graph *build(const char *name, uint64_t seed)
{
    struct graph *graph;
    VbpError error;

    if (network_build(&graph, name, seed, &error) != VBP_OK)
        fail_msg("%s", error.message);
    return graph;
}

static size_t count_parameters(const struct graph *graph)
{
    struct parameters parameters;
    size_t total;

    assert_int_equal(parameters_find(&parameters, graph, NULL), VBP_OK);
    total = parameters.total;
    parameters_free(&parameters);
    return total;
}

static void known_networks(void **state)
{
    struct graph *graph = build("pilotnet", 1);

    (void)state;
    assert_int_equal(graph->level_count, 5);
    /* 24 x 75 + 24, 36 x 600 + 36, 48 x 900 + 48, 64 x 432 + 64, 64 x 576 + 64, then 1152 x 100 ...
     */
    assert_int_equal(count_parameters(graph), 131348 + 115300 + 5050 + 510 + 11);
    assert_string_equal(graph->tensors[graph->outputs[0]].name, "steering");
    graph_destroy(&graph);
    graph = build("nethvf", 1);
    assert_int_equal(graph->level_count, 10);
    assert_int_equal(tensor_width(&graph->tensors[graph->levels[9]]), 17);
    graph_destroy(&graph);
}

static void same_seed_same_weights(void **state)
{
    struct graph *a = build("pilotnet", 7), *b = build("pilotnet", 7), *c = build("pilotnet", 8);
    int weights = a->nodes[0].inputs[1];
    size_t bytes = (size_t)shape_elements(&a->tensors[weights].shape) * sizeof(float);
    double squares = 0;

    (void)state;
    assert_memory_equal(a->tensors[weights].values, b->tensors[weights].values, bytes);
    assert_memory_not_equal(a->tensors[weights].values, c->tensors[weights].values, bytes);
    for (size_t i = 0; i < bytes / sizeof(float); i++)
        squares += (double)a->tensors[weights].values[i] * (double)a->tensors[weights].values[i];
    /* He's variance 2 / 75, from 1800 draws. */
    assert_float_equal(squares / (double)(bytes / sizeof(float)), 2.0 / 75, 0.004);
    graph_destroy(&a);
    graph_destroy(&b);
    graph_destroy(&c);
}

static void refuse_description(const char *text, const char *word)
{
    const char *path = scratch_write("net.json", text, strlen(text));
    struct graph *graph;
    VbpError error;

    assert_true(network_build(&graph, path, 0, &error) < 0);
    assert_null(graph);
    if (!strstr(error.message, word) || !strstr(error.message, "net.json"))
        fail_msg("no '%s' in: %s", word, error.message);
}

static void descriptions(void **state)
{
    static const char good[] = "{\"input\": [1, 18, 24], \"activation\": \"elu\", \"layers\": "
                               "[{\"conv\": 4, \"kernel\": 5, "
                               "\"norm\": true}, {\"pool\": \"max\"}, {\"pool\": \"average\", "
                               "\"kernel\": 3}, {\"dense\": 6}]}";
    struct graph *graph = build(scratch_write("good.json", good, sizeof(good) - 1), 0);

    (void)state;
    assert_int_equal(graph->level_count, 1);
    graph_destroy(&graph);
    refuse_description("{", "JSON");
    refuse_description("[]", "object");
    refuse_description("{\"input\": [1, 18]}", "input");
    refuse_description("{\"input\": [2, 18, 24], \"layers\": []}", "channels");
    refuse_description("{\"input\": [1, 18, 24], \"layers\": [{\"conv\": 0}]}", "conv");
    refuse_description("{\"input\": [1, 18, 24], \"layers\": [{\"conv\": 4, \"kernel\": 40}]}",
                       "layer 1");
    refuse_description("{\"input\": [1, 18, 24], \"layers\": [{\"dense\": 4}, {\"conv\": 4}]}",
                       "layer 2");
    refuse_description("{\"input\": [1, 18, 24], \"layers\": [{\"lstm\": 4}]}", "lstm");
    refuse_description("{\"input\": [1, 18, 24], \"depth\": 3, \"layers\": []}", "depth");
    refuse_description("{\"input\": [1, 18, 24], \"layers\": [{\"pool\": \"min\"}]}", "pool");
}

/* Of a good description with one thing changed. */
static void refuse_layers(const char *layers, const char *word)
{
    char text[400];

    snprintf(text, sizeof(text), "{\"input\": [1, 18, 24], \"layers\": [%s]}", layers);
    refuse_description(text, word);
}

/* What is not understood is no network: a typing mistake would train another one for hours. */
static void descriptions_are_strict(void **state)
{
    (void)state;
    refuse_description("{\"input\": [1, 18.5, 24], \"layers\": []}", "whole");
    refuse_description("{\"input\": [1, 18, 9000], \"layers\": []}", "8192");
    refuse_description("{\"input\": [1, 18, 24], \"layers\": []} more", "behind");
    refuse_description("{\"input\": [1, 18, 24], \"layers\": []}\n{}", "line 2");
    refuse_description("{\"input\": [1, 18, 24], \"layers\": [], \"layers\": []}", "twice");
    refuse_description("{\"input\": [1, 18, 24], \"activation layers\": 1, \"layers\": []}",
                       "activation layers");
    refuse_layers("{\"conv\": 4, \"kernel stride\": 2}", "kernel stride");
    refuse_layers("{\"conv\": 4, \"\": 2}", "no key");
    refuse_layers("{\"conv\": 4, \"kernel\": 2.5}", "whole");
    refuse_layers("{\"conv\": 4, \"kernel\": \"3\"}", "kernel");
    refuse_layers("{\"conv\": 4, \"kernel\": 3, \"kernel\": 5}", "twice");
    refuse_layers("{\"conv\": 4, \"norm\": 1}", "norm");
    refuse_layers("{\"conv\": 4, \"dense\": 4}", "one of");
    refuse_layers("{\"conv\": 4, \"pool\": \"max\"}", "one of");
    refuse_layers("{}", "one of");
    refuse_layers("{\"pool\": \"max\", \"stride\": 2}", "stride");
    refuse_layers("{\"pool\": \"max\", \"norm\": true}", "norm");
    refuse_layers("{\"dense\": 4, \"kernel\": 3}", "kernel");
    refuse_layers("{\"dense\": 4, \"norm\": true}", "norm");
    /* Neither overflows nor is asked of the machine's memory. */
    refuse_layers("{\"conv\": 65537}", "too large");
    refuse_layers("{\"dense\": 65536}, {\"dense\": 65536}", "layer 2: too large");
    refuse_layers("{\"conv\": 65536, \"kernel\": 1}, {\"conv\": 65536, \"kernel\": 12}",
                  "layer 2: too large");
    refuse_layers("{\"conv\": 60000, \"kernel\": 12}, {\"dense\": 5000}", "layer 2: too large");
}

static void scaled_output(void **state)
{
    struct graph *graph = build("pilotnet", 3);
    const struct node *last = &graph->nodes[graph->node_count - 1];
    float before = graph->tensors[last->inputs[1]].values[4];

    (void)state;
    assert_int_equal(network_scale_output(graph, 0, 2.5f, NULL), VBP_OK);
    assert_true(graph->tensors[last->inputs[1]].values[4] == 2.5f * before);
    graph_destroy(&graph);
}

/* ---- Optimisers ----------------------------------------------------------------------------- */

/* One dense layer of two weights and a bias. */
static struct graph *tiny_graph(float w0, float w1, float b)
{
    struct shape input = {.rank = 2, .extent = {1, 2}}, weights = input;
    struct shape bias = {.rank = 1, .extent = {1}};
    struct node node = {.kind = NODE_DENSE, .input_count = 3};
    struct graph *graph;
    int inputs[3];

    assert_int_equal(graph_create(&graph, NULL), VBP_OK);
    inputs[0] = graph_add_input(graph, "x", &input, NULL);
    inputs[1] = graph_add_constant(graph, "w", &weights, (float[]){w0, w1}, NULL);
    inputs[2] = graph_add_constant(graph, "b", &bias, &b, NULL);
    node.inputs = inputs;
    assert_int_equal(graph_mark_output(graph, graph_add_node(graph, &node, "y", NULL), NULL),
                     VBP_OK);
    assert_int_equal(graph_finish(graph, NULL), VBP_OK);
    return graph;
}

static void run_steps(const struct optimiser_options *options, const float gradients[2][3],
                      float *values)
{
    struct graph *graph = tiny_graph(1, -2, 0.5f);
    struct parameters parameters;
    struct optimiser optimiser;

    assert_int_equal(parameters_find(&parameters, graph, NULL), VBP_OK);
    assert_int_equal(parameters.total, 3);
    assert_int_equal(optimiser_create(&optimiser, options, &parameters, NULL), VBP_OK);
    for (int i = 0; i < 2; i++)
        optimiser_step(&optimiser, &parameters, graph, gradients[i]);
    memcpy(values, graph->tensors[parameters.list[0].tensor].values, 2 * sizeof(float));
    values[2] = graph->tensors[parameters.list[1].tensor].values[0];
    optimiser_free(&optimiser);
    parameters_free(&parameters);
    graph_destroy(&graph);
}

static const float two_gradients[2][3] = {{0.5f, -1, 2}, {-0.25f, 1, 1}};

static void nesterov_by_hand(void **state)
{
    struct optimiser_options options = optimiser_default_options(OPTIMISER_SGD);
    float values[3];

    (void)state;
    options.rate = 0.1;
    options.decay = 0.5; /* 1 - 0.1 * 0.5 = 0.95 at every step, weights only */
    run_steps(&options, two_gradients, values);
    /* v1 = 0.5, w1 = 0.95 - 0.1 (0.5 + 0.9 * 0.5) = 0.855
     * v2 = 0.9 * 0.5 - 0.25 = 0.2, w2 = 0.95 * 0.855 - 0.1 (-0.25 + 0.9 * 0.2) = 0.81925 */
    assert_float_equal(values[0], 0.81925, 1e-6);
    /* the bias: v1 = 2, b1 = 0.5 - 0.38 = 0.12; v2 = 2.8, b2 = 0.12 - 0.1 (1 + 2.52) = -0.232 */
    assert_float_equal(values[2], -0.232, 1e-6);
}

static void adam_by_hand(void **state)
{
    struct optimiser_options options = optimiser_default_options(OPTIMISER_ADAM);
    const double start[3] = {1, -2, 0.5};
    float values[3];

    (void)state;
    options.rate = 0.01;
    run_steps(&options, two_gradients, values);
    for (int i = 0; i < 3; i++) {
        double first = 0, second = 0, w = start[i];

        for (int step = 1; step <= 2; step++) {
            double g = (double)two_gradients[step - 1][i];

            first = 0.9 * first + 0.1 * g;
            second = 0.999 * second + 0.001 * g * g;
            w -= 0.01 * (first / (1 - pow(0.9, step))) /
                 (sqrt(second / (1 - pow(0.999, step))) + 1e-8);
        }
        assert_float_equal(values[i], w, 1e-6);
    }
}

/* ---- Splits --------------------------------------------------------------------------------- */

static void splits_by_drive(void **state)
{
    struct sample samples[20];
    struct dataset dataset = {.samples = samples, .count = 20, .drive_count = 3};
    struct split split;

    (void)state;
    for (int i = 0; i < 20; i++)
        samples[i] = (struct sample){.drive = i < 8    ? 0
                                              : i < 15 ? 1
                                                       : 2,
                                     .camera = (signed char)(i % 2)};
    assert_int_equal(split_make(&split, &dataset, 0.2, NULL), VBP_OK);
    assert_int_equal(split.training_count, 15);  /* 16 falls into the third drive: all of it goes */
    assert_int_equal(split.validation_count, 2); /* 16 and 18 are of the centre camera */
    assert_int_equal(split.validation[0], 16);
    split_free(&split);
    dataset.drive_count = 1;
    for (int i = 0; i < 20; i++)
        samples[i] = (struct sample){0};
    assert_int_equal(split_make(&split, &dataset, 0.2, NULL), VBP_OK);
    assert_int_equal(split.training_count, 16);
    assert_int_equal(split.validation_count, 4);
    split_free(&split);
    assert_int_equal(split_make(&split, &dataset, 0, NULL), VBP_OK);
    assert_int_equal(split.validation_count, 0);
    split_free(&split);
}

/* ---- Runs ----------------------------------------------------------------------------------- */

static const char small_net[] = "{\"input\": [3, 18, 24], \"layers\": [{\"conv\": 8, \"kernel\": "
                                "3, \"stride\": 2, \"norm\": true},"
                                " {\"conv\": 8, \"kernel\": 3}, {\"dense\": 16}]}";

static struct graph *small_graph(uint64_t seed)
{
    return build(scratch_write("small.json", small_net, sizeof(small_net) - 1), seed);
}

static struct train_options small_options(int epochs)
{
    struct train_options options = {.epochs = epochs,
                                    .batch = 8,
                                    .threads = 2,
                                    .seed = 5,
                                    .huber_delta = 1,
                                    .optimiser = optimiser_default_options(OPTIMISER_ADAM)};

    options.optimiser.rate = 0.005;
    return options;
}

/* The drive's images at the network's size. */
static struct loader *small_loader(bool shuffle)
{
    struct loader_options options = drive_plain_options();

    options.settings.width = 24;
    options.settings.height = 18;
    options.settings.crop_top = options.settings.crop_right = 0;
    for (int c = 0; c < 3; c++) {
        options.settings.scale[c] = 1 / 127.5f;
        options.settings.bias[c] = -1;
    }
    options.label_scale = 2;
    options.shuffle = shuffle;
    options.seed = 5;
    return drive_loader(&drive, &options);
}

static struct train_result run(struct graph *graph, const struct train_options *options,
                               bool validate)
{
    struct loader *training = small_loader(true);
    struct loader *validation = validate ? small_loader(false) : NULL;
    struct train_result result;
    VbpError error;

    if (train_run(graph, training, validation, options, &result, &error) != VBP_OK)
        fail_msg("%s", error.message);
    loader_destroy(&training);
    loader_destroy(&validation);
    return result;
}

static float *all_weights(const struct graph *graph, size_t *count)
{
    struct checkpoint checkpoint;

    assert_int_equal(checkpoint_create(&checkpoint, graph, 0, NULL), VBP_OK);
    checkpoint_take_weights(checkpoint.weights, graph);
    *count = checkpoint.weight_count;
    free(checkpoint.best_weights);
    free(checkpoint.state);
    return checkpoint.weights;
}

static void assert_same_weights(const struct graph *a, const struct graph *b)
{
    size_t count_a, count_b;
    float *of_a = all_weights(a, &count_a), *of_b = all_weights(b, &count_b);

    assert_int_equal(count_a, count_b);
    assert_memory_equal(of_a, of_b, count_a * sizeof(float));
    free(of_a);
    free(of_b);
}

static void learns_a_small_drive_by_heart(void **state)
{
    struct graph *graph = small_graph(1);
    struct train_options options = small_options(200);
    struct train_result result;

    (void)state;
    options.cosine = true;
    result = run(graph, &options, true);
    print_message("after %d epochs off by %.4f of targets up to 1.1\n", result.epochs,
                  result.best_validation_error);
    assert_int_equal(result.epochs, 200);
    assert_true(result.best_validation_error < 0.02);
    graph_destroy(&graph);
}

static void same_seed_same_network(void **state)
{
    struct graph *a = small_graph(2), *b = small_graph(2);
    struct train_options options = small_options(3);

    (void)state;
    run(a, &options, true);
    run(b, &options, true);
    assert_same_weights(a, b);
    graph_destroy(&a);
    graph_destroy(&b);
}

static bool stop_at_once(void *context)
{
    int *batches = context;

    return --*batches <= 0;
}

/* A run that stops in the middle of its third epoch and is resumed ends as one that did not. */
static void resumed_run_is_the_same(void **state)
{
    struct graph *whole = small_graph(3), *broken = small_graph(3), *resumed = small_graph(99);
    struct train_options options = small_options(5);
    struct train_result result;
    int batches = 12; /* 5 an epoch */

    (void)state;
    run(whole, &options, true);
    options.checkpoint = scratch_path("run.checkpoint");
    options.stop = stop_at_once;
    options.context = &batches;
    result = run(broken, &options, true);
    assert_true(result.stopped);
    assert_int_equal(result.epochs, 2);
    options.stop = NULL;
    options.resume = true;
    result = run(resumed, &options, true);
    assert_int_equal(result.epochs, 5);
    assert_same_weights(whole, resumed);
    graph_destroy(&whole);
    graph_destroy(&broken);
    graph_destroy(&resumed);
}

/* Of a run with the drive's samples and nothing held out. */
static void expect_failure(const struct train_options *options, int status, const char *words)
{
    struct graph *graph = small_graph(4);
    struct loader *training = small_loader(true);
    struct train_result result;
    VbpError error;

    assert_int_equal(train_run(graph, training, NULL, options, &result, &error), status);
    if (!strstr(error.message, words))
        fail_msg("no '%s' in: %s", words, error.message);
    loader_destroy(&training);
    graph_destroy(&graph);
}

static void other_settings_are_not_resumed(void **state)
{
    struct graph *graph = small_graph(4);
    struct train_options options = small_options(1);

    (void)state;
    options.checkpoint = scratch_path("other.checkpoint");
    run(graph, &options, false);
    options.resume = true;
    options.optimiser.rate = 0.1;
    expect_failure(&options, VBP_ERROR_ARGUMENT, "other.checkpoint");
    options.checkpoint = scratch_write("bad.checkpoint", "vbptrn1", 7);
    expect_failure(&options, VBP_ERROR_FORMAT, "bad.checkpoint");
    graph_destroy(&graph);
}

static void checkpoints_that_cannot_be_written_end_a_run(void **state)
{
    struct train_options options = small_options(1);

    (void)state;
    options.checkpoint = scratch_path("no/such/folder/run.checkpoint");
    expect_failure(&options, VBP_ERROR_IO, "run.checkpoint");
    options.checkpoint = "/dev/full";
    expect_failure(&options, VBP_ERROR_IO, "/dev/full");
}

/* Files become this long at most; returns what release_files takes back. */
static struct rlimit limit_files(size_t length)
{
    struct rlimit before, limit;

    assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
    limit = (struct rlimit){.rlim_cur = length, .rlim_max = before.rlim_max};
    signal(SIGXFSZ, SIG_IGN); /* so that the write fails, as on a full disk */
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
    return before;
}

static void release_files(const struct rlimit *before)
{
    assert_int_equal(setrlimit(RLIMIT_FSIZE, before), 0);
    signal(SIGXFSZ, SIG_DFL);
}

/* A disk that is full in the middle of a checkpoint ends the run; the one before stays as it was,
 * and the run goes on from it once there is room. */
static void full_disk_keeps_the_older_checkpoint(void **state)
{
    struct graph *whole = small_graph(4), *parts = small_graph(4);
    struct train_options options = small_options(1);
    unsigned char *before, *after;
    size_t length, length_after;
    struct rlimit limit;

    (void)state;
    options.checkpoint = scratch_path("full.checkpoint");
    run(parts, &options, false);
    assert_int_equal(file_read(options.checkpoint, 1 << 24, &before, &length, NULL), VBP_OK);
    options.epochs = 2;
    options.resume = true;
    limit = limit_files(length / 2);
    expect_failure(&options, VBP_ERROR_IO, "full.checkpoint");
    release_files(&limit);
    assert_int_equal(file_read(options.checkpoint, 1 << 24, &after, &length_after, NULL), VBP_OK);
    assert_int_equal(length_after, length);
    assert_memory_equal(after, before, length);
    assert_false(file_exists(scratch_path(".full.checkpoint.partial")));
    free(before);
    free(after);

    run(parts, &options, false);
    options.checkpoint = NULL;
    run(whole, &options, false);
    assert_same_weights(whole, parts);
    graph_destroy(&whole);
    graph_destroy(&parts);
}

struct seen_moments {
    double epochs[16];
    int count;
};

static int see_moment(void *context, double epochs, const struct graph *graph, VbpError *error)
{
    struct seen_moments *seen = context;

    (void)graph;
    (void)error;
    assert_true(seen->count < 16);
    seen->epochs[seen->count++] = epochs;
    return VBP_OK;
}

static void moments_come_when_they_are_due(void **state)
{
    static const double expected[] = {0, 8.0 / 37, 1, 4, 5};
    struct graph *graph = small_graph(6);
    struct train_options options = small_options(5);
    struct seen_moments seen = {0};

    (void)state;
    options.moment = see_moment;
    options.context = &seen;
    run(graph, &options, false);
    assert_int_equal(seen.count, 5);
    for (int i = 0; i < 5; i++)
        assert_float_equal(seen.epochs[i], expected[i], 1e-6);
    graph_destroy(&graph);
}

static void patience_ends_a_run(void **state)
{
    struct graph *graph = small_graph(7);
    struct train_options options = small_options(100);
    struct train_result result;

    (void)state;
    options.optimiser.rate = 0; /* nothing gets better */
    options.patience = 3;
    result = run(graph, &options, true);
    assert_int_equal(result.best_epoch + 3, result.epochs);
    assert_true(result.epochs < 30);
    graph_destroy(&graph);
}

/* Patience that nothing can exhaust would never end a run. */
static void patience_needs_a_validation(void **state)
{
    struct train_options options = small_options(100);

    (void)state;
    options.patience = 3;
    expect_failure(&options, VBP_ERROR_ARGUMENT, "held out");
}

/* A loss on its way to infinity ends the run in the words of what to change. */
static void growing_loss_ends_a_run(void **state)
{
    static const double rates[] = {20, 1e4, 1e30};

    (void)state;
    for (int i = 0; i < 3; i++) {
        struct train_options options = small_options(100);
        char rate[32];

        options.optimiser = optimiser_default_options(OPTIMISER_SGD);
        options.optimiser.rate = rates[i];
        snprintf(rate, sizeof(rate), "rate of %g ", rates[i]);
        expect_failure(&options, VBP_ERROR_NUMERIC, rate);
    }
}

/* Without a sample nothing can be learned. */
static void epochs_have_samples(void **state)
{
    struct graph *graph = small_graph(8);
    struct train_options options = small_options(1);
    struct loader_options none = drive_plain_options();
    struct loader *training;
    struct train_result result;
    VbpError error;

    (void)state;
    none.settings.width = 24;
    none.settings.height = 18;
    none.settings.crop_top = none.settings.crop_right = 0;
    none.straight_share = 0;
    none.straight_limit = 100;
    training = drive_loader(&drive, &none);
    assert_int_equal(train_run(graph, training, NULL, &options, &result, &error),
                     VBP_ERROR_ARGUMENT);
    assert_non_null(strstr(error.message, "no sample"));
    loader_destroy(&training);
    graph_destroy(&graph);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(known_networks),
        cmocka_unit_test(same_seed_same_weights),
        cmocka_unit_test(descriptions),
        cmocka_unit_test(descriptions_are_strict),
        cmocka_unit_test(scaled_output),
        cmocka_unit_test(nesterov_by_hand),
        cmocka_unit_test(adam_by_hand),
        cmocka_unit_test(splits_by_drive),
        cmocka_unit_test(learns_a_small_drive_by_heart),
        cmocka_unit_test(same_seed_same_network),
        cmocka_unit_test(resumed_run_is_the_same),
        cmocka_unit_test(other_settings_are_not_resumed),
        cmocka_unit_test(checkpoints_that_cannot_be_written_end_a_run),
        cmocka_unit_test(full_disk_keeps_the_older_checkpoint),
        cmocka_unit_test(moments_come_when_they_are_due),
        cmocka_unit_test(patience_ends_a_run),
        cmocka_unit_test(patience_needs_a_validation),
        cmocka_unit_test(growing_loss_ends_a_run),
        cmocka_unit_test(epochs_have_samples),
    };

    return cmocka_run_group_tests(tests, drive_setup, drive_teardown);
}
