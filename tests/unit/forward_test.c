/* The forward pass against the definitions of its nodes, and what it says of NaN and infinity. */
#include "nn/forward.h"

#include "base/memory.h"
#include "support/networks.h"
#include "support/numbers.h"

#include <float.h>
#include <math.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static double largest_of(const double *values, size_t count)
{
    double largest = 0;

    for (size_t i = 0; i < count; i++)
        largest = fmax(largest, fabs(values[i]));
    return largest;
}

/* The level's average at a cell by its definition. */
static double defined_average(const struct graph *graph, int level, const double *values, int y,
                              int x, VbpAverage kind)
{
    const struct tensor *tensor = &graph->tensors[graph->levels[level]];
    int64_t at[4] = {0};
    double sum = 0;

    at[tensor->axes.height] = y;
    at[tensor->axes.width] = x;
    for (int c = 0; c < tensor_channels(tensor); c++) {
        int64_t element = 0;
        double value;

        at[tensor->axes.channel] = c;
        for (int axis = 0; axis < 4; axis++)
            element = element * tensor->shape.extent[axis] + at[axis];
        value = values[element];
        sum += kind == VBP_AVERAGE_MEAN || value > 0 ? value
               : kind == VBP_AVERAGE_ABSOLUTE        ? -value
                                                     : 0;
    }
    return sum / tensor_channels(tensor);
}

static void check_averages(const struct graph *graph, const struct forward *forward,
                           double **reference, VbpAverage kind)
{
    for (int level = 0; level < graph->level_count; level++) {
        int t = graph->levels[level];
        int height = tensor_height(&graph->tensors[t]), width = tensor_width(&graph->tensors[t]);
        double bound = 1e-4 * largest_of(reference[t], network_elements(graph, t)) + 1e-6;
        const float *average = forward_level_average(forward, level);

        for (int i = 0; i < height * width; i++)
            check_close((double)average[i],
                        defined_average(graph, level, reference[t], i / width, i % width, kind),
                        bound, graph->tensors[t].name);
    }
}

static struct forward *forward_of(const struct graph *graph, bool keep_all, VbpAverage kind,
                                  enum isa isa)
{
    const struct forward_options options = {
        .keep_all = keep_all, .level_averages = true, .average = kind, .isa = isa};
    struct forward *forward;
    VbpError error;

    if (forward_create(&forward, graph, &options, &error) != VBP_OK)
        fail_msg("%s", error.message);
    return forward;
}

/*
 * All tensors with keep_all; the outputs and averages without it, bit by bit the same. At any level
 * of instructions.
 */
static void check_network(const struct graph *graph)
{
    VbpAverage kind = (VbpAverage)random_between(0, VBP_AVERAGE_ABSOLUTE);
    enum isa isa = (enum isa)random_between(ISA_BEST, ISA_AVX512);
    struct forward *all = forward_of(graph, true, kind, isa);
    struct forward *few = forward_of(graph, false, kind, isa);

    for (int frame = 0; frame < 2; frame++) {
        float *input = guarded_random(network_elements(graph, graph->input), -1, 1);
        double **reference = reference_run(graph, input);

        network_run(all, graph, input);
        network_run(few, graph, input);
        for (int t = 0; t < graph->tensor_count; t++) {
            size_t count = network_elements(graph, t);

            if (!reference[t])
                continue;
            for (size_t i = 0; i < count; i++)
                check_close((double)forward_tensor(all, t)[i], reference[t][i],
                            1e-4 * largest_of(reference[t], count) + 1e-6, graph->tensors[t].name);
        }
        check_averages(graph, all, reference, kind);
        for (int o = 0; o < graph->output_count; o++)
            assert_memory_equal(forward_tensor(all, graph->outputs[o]),
                                forward_tensor(few, graph->outputs[o]),
                                network_elements(graph, graph->outputs[o]) * sizeof(float));
        for (int level = 0; level < graph->level_count; level++) {
            const struct tensor *tensor = &graph->tensors[graph->levels[level]];

            assert_memory_equal(
                forward_level_average(all, level), forward_level_average(few, level),
                (size_t)(tensor_height(tensor) * tensor_width(tensor)) * sizeof(float));
        }
        reference_free(graph, reference);
        guarded_free(input);
    }
    forward_destroy(&all);
    forward_destroy(&few);
    assert_null(few);
}

static void random_networks(void **state)
{
    (void)state;
    for (int i = 0; i < 100; i++) {
        struct graph *graph = network_random(NETWORK_EVERY);

        check_network(graph);
        graph_destroy(&graph);
    }
}

static void finish_and_check(struct graph *graph, int output)
{
    network_finish(graph, output);
    check_network(graph);
    graph_destroy(&graph);
}

/* Kinds and shapes that the random networks do not have. */
static void arithmetic_of_all_ranks(void **state)
{
    static const enum binary operations[] = {BINARY_ADD, BINARY_SUBTRACT, BINARY_MULTIPLY,
                                             BINARY_DIVIDE};
    const struct shape shapes[] = {{.rank = 0},    {1, {5}},          {2, {4, 1}},
                                   {3, {3, 1, 5}}, {4, {1, 1, 4, 5}}, {5, {2, 1, 1, 4, 1}}};

    (void)state;
    for (int i = 0; i < 48; i++) {
        struct graph *graph = network_begin();
        int input = network_input(graph, 3, 4, 5), constant;
        float values[20];

        random_fill(values, 20, 0.5F, 2);
        constant = network_constant(graph, shapes[i / 8], values);
        input = network_activation(graph, input, ACTIVATION_SOFTPLUS); /* > 0 */
        finish_and_check(graph, network_binary(graph, operations[i / 2 % 4],
                                               i & 1 ? input : constant, i & 1 ? constant : input));
    }
}

static void rows_and_batches(void **state)
{
    struct graph *graph = network_begin();
    int data = network_input(graph, 6, 4, 5);

    (void)state;
    data = network_dense(graph, data, 7); /* 24 rows of 5 */
    data = network_batch_norm(graph, data);
    data = network_reshape(graph, data, (struct shape){2, {24, 7}});
    data = network_batch_norm(graph, data); /* 24 rows of 7 channels */
    data = network_concat(graph, 0, 2, (const int[]){data, data});
    data = network_reshape(graph, data, (struct shape){3, {4, 12, 7}});
    data = network_batch_norm(graph, data);
    finish_and_check(graph, network_dense(graph, data, 1));
}

static void constants_compute_too(void **state)
{
    struct graph *graph = network_begin();
    int input = network_input(graph, 1, 3, 3);
    int constant = network_constant(graph, (struct shape){4, {1, 1, 3, 3}}, NULL);
    int made = network_relu(graph, network_identity(graph, constant));

    (void)state;
    finish_and_check(graph, network_binary(graph, BINARY_ADD, input, made));
}

static void same_bits_each_time(void **state)
{
    struct graph *graph = network_random(NETWORK_EVERY);
    struct forward *forward = network_forward(graph, false, VBP_AVERAGE_POSITIVE);
    int output = graph->outputs[graph->output_count - 1];
    size_t bytes = network_elements(graph, output) * sizeof(float);
    float *input = guarded_random(network_elements(graph, graph->input), -1, 1);
    float *first = guarded_floats(network_elements(graph, output));

    (void)state;
    network_run(forward, graph, input);
    memcpy(first, forward_tensor(forward, output), bytes);
    for (int i = 0; i < 10; i++) {
        network_run(forward, graph, input);
        assert_memory_equal(first, forward_tensor(forward, output), bytes);
    }
    guarded_free(first);
    guarded_free(input);
    forward_destroy(&forward);
    graph_destroy(&graph);
}

/* ---- NaN and infinity ----------------------------------------------------------------------- */

struct chain {
    struct graph *graph;
    struct forward *forward;
    int convolutions[3];
};

/* Three convolutions with ReLU, then dense. */
static struct chain chain_begin(void)
{
    struct chain chain = {.graph = network_begin()};
    int data = network_input(chain.graph, 1, 9, 9);

    for (int i = 0; i < 3; i++) {
        data = network_convolution(chain.graph, data, 2, window_square(3, 1, 1), 1, true);
        chain.convolutions[i] = data;
        data = network_relu(chain.graph, data);
    }
    network_finish(chain.graph, network_dense(chain.graph, network_flatten(chain.graph, data), 1));
    return chain;
}

static void chain_end(struct chain *chain)
{
    forward_destroy(&chain->forward);
    graph_destroy(&chain->graph);
}

/* Runs on an input of this value; the message must hold `words`. */
static void check_blamed(struct chain *chain, float value, const char *words)
{
    VbpError error = {0};

    forward_destroy(&chain->forward);
    chain->forward = network_forward(chain->graph, false, VBP_AVERAGE_POSITIVE);
    for (int i = 0; i < 81; i++)
        forward_input(chain->forward)[i] = value;
    assert_int_equal(forward_run(chain->forward, &error), VBP_ERROR_NUMERIC);
    if (!strstr(error.message, words))
        fail_msg("'%s' does not hold '%s'", error.message, words);
}

static float *weights_of(const struct chain *chain, int convolution, int slot)
{
    const struct graph *graph = chain->graph;
    const struct node *node =
        &graph->nodes[graph->tensors[chain->convolutions[convolution]].producer];

    return graph->tensors[node->inputs[slot]].values;
}

static void wrong_inputs_are_named(void **state)
{
    struct chain chain = chain_begin();

    (void)state;
    check_blamed(&chain, NAN, "input holds NaN or infinity");
    check_blamed(&chain, INFINITY, "input holds NaN or infinity");
    check_blamed(&chain, -INFINITY, "input holds NaN or infinity");
    chain_end(&chain);
}

static void wrong_weights_are_named(void **state)
{
    static const float wrong[] = {NAN, INFINITY, -INFINITY};

    (void)state;
    for (int convolution = 0; convolution < 3; convolution++) {
        char words[64];

        snprintf(words, sizeof(words), "layer %d (convolution 'node_%d') is the first",
                 2 * convolution, 2 * convolution);
        for (int i = 0; i < 3; i++) {
            for (int slot = 1; slot < 3; slot++) {
                struct chain chain = chain_begin();

                weights_of(&chain, convolution, slot)[0] = wrong[i];
                /* Minus infinity in a bias is all zeros behind the ReLU. */
                check_blamed(&chain, 0.5F, words);
                chain_end(&chain);
            }
        }
    }
}

/* Not the convolution before it, though both are done in one go. */
static void wrong_activations_are_named(void **state)
{
    static const float wrong[] = {NAN, INFINITY, -INFINITY};
    static const enum activation functions[] = {ACTIVATION_LEAKY_RELU, ACTIVATION_ELU,
                                                ACTIVATION_SELU};

    (void)state;
    for (int i = 0; i < 3; i++) {
        for (int kind = 0; kind < 4; kind++) {
            struct chain chain = chain_begin();
            struct node *node = &chain.graph->nodes[3];
            int inputs[2] = {node->inputs[0]};

            for (int channel = 0; channel < 2; channel++)
                weights_of(&chain, 1, 2)[channel] = -100;
            if (kind < 3) {
                node->activation.function = functions[kind];
                node->activation.alpha = wrong[i];
                node->activation.beta = 1;
            } else {
                inputs[1] = network_constant(chain.graph, (struct shape){3, {2, 1, 1}},
                                             (const float[]){0.5F, wrong[i]});
                node->kind = NODE_BINARY;
                node->binary = BINARY_PRELU;
                free(node->inputs);
                node->inputs = memory_array(2, sizeof(int));
                assert_non_null(node->inputs);
                memcpy(node->inputs, inputs, sizeof(inputs));
                node->input_count = 2;
                assert_int_equal(graph_finish(chain.graph, NULL), VBP_OK);
            }
            check_blamed(&chain, 0.5F, "layer 3 (activation 'node_3') is the first");
            chain_end(&chain);
        }
    }
}

static void overflow_in_the_middle_is_named(void **state)
{
    struct chain chain = chain_begin();
    float *weights = weights_of(&chain, 1, 1);

    (void)state;
    for (int i = 0; i < 2; i++)
        weights_of(&chain, 0, 2)[i] = 1e10F;
    for (int i = 0; i < 36; i++)
        weights[i] = -1e30F; /* minus infinity, which the ReLU would hide */
    check_blamed(&chain, 0, "layer 2 (convolution 'node_2') is the first");
    chain_end(&chain);
}

static void overflow_of_an_average_is_named(void **state)
{
    struct graph *graph = network_begin();
    int data = network_convolution(graph, network_input(graph, 1, 2, 2), 2, window_square(1, 1, 0),
                                   1, true);
    struct forward *forward;
    VbpError error;

    (void)state;
    for (int i = 0; i < 2; i++)
        graph->tensors[graph->nodes[0].inputs[2]].values[i] = FLT_MAX;
    data = network_relu(graph, data);
    assert_int_equal(graph_rename_tensor(graph, data, "level_1", NULL), VBP_OK);
    network_finish(graph, network_max_pool(graph, data, window_square(1, 1, 0), false));
    forward = network_forward(graph, false, VBP_AVERAGE_POSITIVE);
    memset(forward_input(forward), 0, 4 * sizeof(float));
    assert_int_equal(forward_run(forward, &error), VBP_OK);
    assert_int_equal(forward_check_averages(forward, &error), VBP_ERROR_NUMERIC);
    assert_non_null(strstr(error.message, "channels of 'level_1'"));
    forward_destroy(&forward);
    graph_destroy(&graph);
}

static void division_by_zero_is_named(void **state)
{
    struct graph *graph = network_begin();
    int input = network_input(graph, 1, 2, 2);
    struct forward *forward;
    VbpError error;

    (void)state;
    network_finish(graph,
                   network_activation(graph, network_binary(graph, BINARY_DIVIDE, input, input),
                                      ACTIVATION_TANH));
    forward = network_forward(graph, false, VBP_AVERAGE_POSITIVE);
    memset(forward_input(forward), 0, 4 * sizeof(float));
    assert_int_equal(forward_run(forward, &error), VBP_ERROR_NUMERIC);
    assert_non_null(strstr(error.message, "layer 0 (binary 'node_0')"));
    forward_destroy(&forward);
    graph_destroy(&graph);
}

/* A frame that overflows does not spoil the next one. */
static void good_after_bad(void **state)
{
    struct chain chain = chain_begin();
    float input[81];

    (void)state;
    check_blamed(&chain, NAN, "input");
    random_fill(input, 81, 0, 1);
    network_run(chain.forward, chain.graph, input);
    chain_end(&chain);
}

/* ---- The rest ------------------------------------------------------------------------------- */

/* Refused before it is allocated: columns of 4096 x 1048576 floats (two groups, which are done with
 * columns), and 33 tensors of a quarter GiB. */
static void networks_too_large(void **state)
{
    const struct forward_options options = {.keep_all = true};
    struct graph *graph = network_begin();
    int data = network_input(graph, 2, 1, 1 << 20);
    struct window wide = window_make(1, 4096);
    struct forward *forward;
    VbpError error;

    (void)state;
    wide.pad_begin[1] = 4095;
    network_finish(graph, network_convolution(graph, data, 2, wide, 2, false));
    assert_int_equal(forward_create(&forward, graph, &options, &error), VBP_ERROR_UNSUPPORTED);
    assert_non_null(strstr(error.message, "MiB"));
    assert_null(forward);
    graph_destroy(&graph);
    graph = network_begin();
    data = network_input(graph, 1, 1 << 13, 1 << 13);
    for (int i = 0; i < 33; i++)
        data = network_relu(graph, data);
    network_finish(graph, data);
    assert_int_equal(forward_create(&forward, graph, &options, &error), VBP_ERROR_UNSUPPORTED);
    assert_non_null(strstr(error.message, "MiB"));
    graph_destroy(&graph);
}

static void threads_change_nothing(void **state)
{
    const struct forward_options options = {.level_averages = true, .threads = 3};

    (void)state;
    for (int i = 0; i < 30; i++) {
        struct graph *graph = network_random(NETWORK_ALL);
        struct forward *one = network_forward(graph, false, VBP_AVERAGE_POSITIVE), *three;
        float *input = guarded_random(network_elements(graph, graph->input), -1, 1);

        assert_int_equal(forward_create(&three, graph, &options, NULL), VBP_OK);
        for (int frame = 0; frame < 3; frame++) {
            network_run(one, graph, input);
            network_run(three, graph, input);
            for (int o = 0; o < graph->output_count; o++)
                assert_memory_equal(forward_tensor(one, graph->outputs[o]),
                                    forward_tensor(three, graph->outputs[o]),
                                    network_elements(graph, graph->outputs[o]) * sizeof(float));
        }
        guarded_free(input);
        forward_destroy(&one);
        forward_destroy(&three);
        graph_destroy(&graph);
    }
}

struct worker {
    struct graph *graph;
    float *input;
    double **reference;
    bool right;
};

static void *work(void *context)
{
    struct worker *worker = context;
    const struct forward_options options = {.level_averages = true};
    struct forward *forward;
    int output = worker->graph->outputs[worker->graph->output_count - 1];

    if (forward_create(&forward, worker->graph, &options, NULL) != VBP_OK)
        return NULL;
    worker->right = true;
    for (int frame = 0; frame < 10; frame++) {
        memcpy(forward_input(forward), worker->input,
               network_elements(worker->graph, worker->graph->input) * sizeof(float));
        if (forward_run(forward, NULL) != VBP_OK)
            worker->right = false;
        for (size_t i = 0; i < network_elements(worker->graph, output); i++) {
            double want = worker->reference[output][i];

            if (!(fabs((double)forward_tensor(forward, output)[i] - want) <=
                  1e-3 * largest_of(worker->reference[output],
                                    network_elements(worker->graph, output)) +
                      1e-6))
                worker->right = false;
        }
    }
    forward_destroy(&forward);
    return NULL;
}

/* Two networks, two threads each: a graph is shared, a forward is not. */
static void threads(void **state)
{
    struct graph *graphs[2] = {network_random(NETWORK_EVERY), network_random(NETWORK_EVERY)};
    struct worker workers[4];
    pthread_t thread[4];

    (void)state;
    for (int i = 0; i < 4; i++) {
        struct graph *graph = graphs[i / 2];

        workers[i] = (struct worker){
            graph, guarded_random(network_elements(graph, graph->input), -1, 1), NULL, false};
        workers[i].reference = reference_run(graph, workers[i].input);
    }
    for (int i = 0; i < 4; i++)
        assert_int_equal(pthread_create(&thread[i], NULL, work, &workers[i]), 0);
    for (int i = 0; i < 4; i++) {
        assert_int_equal(pthread_join(thread[i], NULL), 0);
        assert_true(workers[i].right);
        reference_free(workers[i].graph, workers[i].reference);
        guarded_free(workers[i].input);
    }
    graph_destroy(&graphs[0]);
    graph_destroy(&graphs[1]);
}

static void multiply_adds(void **state)
{
    struct graph *graph = network_begin();
    int data = network_input(graph, 4, 10, 12);

    (void)state;
    data = network_convolution(graph, data, 6, window_square(3, 1, 0), 2, true);
    data = network_flatten(graph, network_relu(graph, data));
    network_finish(graph, network_dense(graph, data, 5));
    assert_int_equal(node_multiply_adds(graph, &graph->nodes[0]), 6 * 8 * 10 * 2 * 9);
    assert_int_equal(node_multiply_adds(graph, &graph->nodes[1]), 0);
    assert_int_equal(node_multiply_adds(graph, &graph->nodes[3]), 5 * 480);
    graph_destroy(&graph);
}

/* Only on demand; every node that computes something took some time. */
static void times_of_nodes(void **state)
{
    const struct forward_options timed = {.time_nodes = true}, plain = {0};
    struct graph *graph = network_begin();
    int data = network_input(graph, 3, 60, 80);
    struct forward *forward;
    VbpError error;

    (void)state;
    data = network_convolution(graph, data, 8, window_square(3, 1, 0), 1, true);
    network_finish(graph, network_dense(graph, network_flatten(graph, data), 5));
    assert_int_equal(forward_create(&forward, graph, &plain, &error), VBP_OK);
    assert_null(forward_node_seconds(forward));
    forward_destroy(&forward);
    assert_int_equal(forward_create(&forward, graph, &timed, &error), VBP_OK);
    memset(forward_input(forward), 0, network_elements(graph, graph->input) * sizeof(float));
    assert_int_equal(forward_run(forward, &error), VBP_OK);
    for (int i = 0; i < graph->node_count; i++) {
        double seconds = forward_node_seconds(forward)[i];

        assert_true(seconds >= 0 && seconds < 100);
        assert_true(seconds > 0 || node_multiply_adds(graph, &graph->nodes[i]) == 0);
    }
    forward_destroy(&forward);
    graph_destroy(&graph);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(random_networks),
        cmocka_unit_test(arithmetic_of_all_ranks),
        cmocka_unit_test(rows_and_batches),
        cmocka_unit_test(constants_compute_too),
        cmocka_unit_test(same_bits_each_time),
        cmocka_unit_test(wrong_inputs_are_named),
        cmocka_unit_test(wrong_weights_are_named),
        cmocka_unit_test(wrong_activations_are_named),
        cmocka_unit_test(overflow_in_the_middle_is_named),
        cmocka_unit_test(overflow_of_an_average_is_named),
        cmocka_unit_test(threads_change_nothing),
        cmocka_unit_test(division_by_zero_is_named),
        cmocka_unit_test(good_after_bad),
        cmocka_unit_test(networks_too_large),
        cmocka_unit_test(threads),
        cmocka_unit_test(multiply_adds),
        cmocka_unit_test(times_of_nodes),
    };

    return cmocka_run_group_tests(tests, random_setup, NULL);
}
