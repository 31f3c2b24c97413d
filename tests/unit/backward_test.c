/* Batches forward, and gradients of every kind of layer against differences in double. */
#include "nn/backward.h"

#include "support/gradients.h"
#include "support/networks.h"
#include "support/numbers.h"

#include <math.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

/* ---- Every kind of layer -------------------------------------------------------------------- */

/* Adds layers behind tensor `x` of a graph with a 4x7x9 input; returns the last one's tensor. */
typedef int build_layers(struct graph *graph, int x);

static struct window window_of(int kernel_y, int kernel_x, int stride_y, int stride_x,
                               int dilation_y, int dilation_x, int top, int left, int bottom,
                               int right)
{
    return (struct window){{kernel_y, kernel_x},
                           {stride_y, stride_x},
                           {dilation_y, dilation_x},
                           {top, left},
                           {bottom, right}};
}

static int plain_convolution(struct graph *graph, int x)
{
    return network_convolution(graph, x, 3, window_square(3, 1, 0), 1, true);
}

static int convolution_without_bias(struct graph *graph, int x)
{
    return network_convolution(graph, x, 18, window_of(2, 3, 1, 2, 1, 1, 0, 0, 0, 0), 1, false);
}

static int pointwise_convolution(struct graph *graph, int x)
{
    return network_convolution(graph, x, 5, window_square(1, 1, 0), 1, true);
}

static int padded_convolution(struct graph *graph, int x)
{
    return network_convolution(graph, x, 5, window_of(5, 3, 2, 3, 1, 1, 1, 2, 3, 0), 1, true);
}

static int dilated_convolution(struct graph *graph, int x)
{
    return network_convolution(graph, x, 3, window_of(3, 2, 2, 1, 2, 3, 2, 1, 1, 2), 1, true);
}

static int dilation_of_the_stride(struct graph *graph, int x)
{
    return network_convolution(graph, x, 2, window_of(2, 3, 3, 2, 3, 2, 2, 2, 2, 2), 1, true);
}

static int grouped_convolution(struct graph *graph, int x)
{
    return network_convolution(graph, x, 6, window_of(3, 3, 2, 2, 1, 1, 1, 1, 1, 0), 2, true);
}

static int depthwise_convolution(struct graph *graph, int x)
{
    return network_convolution(graph, x, 8, window_of(2, 3, 1, 1, 2, 1, 0, 1, 1, 1), 4, true);
}

static int stride_over_kernel(struct graph *graph, int x)
{
    return network_convolution(graph, x, 3, window_of(1, 2, 3, 3, 1, 1, 0, 1, 0, 0), 1, true);
}

static int convolution_chain(struct graph *graph, int x)
{
    x = network_convolution(graph, x, 5, window_square(3, 1, 1), 1, true);
    x = network_relu(graph, x);
    x = network_convolution(graph, x, 20, window_square(3, 2, 0), 1, true);
    x = network_activation(graph, x, ACTIVATION_ELU);
    x = network_convolution(graph, network_identity(graph, x), 4, window_square(2, 1, 0), 1, true);
    return network_dense(graph, network_flatten(graph, network_relu(graph, x)), 3);
}

static int dense_layers(struct graph *graph, int x)
{
    x = network_relu(graph, network_dense(graph, network_flatten(graph, x), 7));
    return network_dense(graph, x, 2);
}

static int dense_rows(struct graph *graph, int x)
{
    return network_dense(graph, x, 5);
}

static int batch_norm(struct graph *graph, int x)
{
    return network_batch_norm(graph, x);
}

static int batch_norm_in_a_chain(struct graph *graph, int x)
{
    x = network_convolution(graph, x, 3, window_square(3, 2, 1), 1, true);
    x = network_activation(graph, network_batch_norm(graph, x), ACTIVATION_TANH);
    x = network_convolution(graph, x, 2, window_square(2, 1, 0), 1, true);
    return network_batch_norm(graph, network_flatten(graph, x));
}

static int max_pool(struct graph *graph, int x)
{
    return network_max_pool(graph, x, window_of(3, 2, 2, 2, 1, 1, 1, 0, 1, 1), true);
}

static int dilated_max_pool(struct graph *graph, int x)
{
    return network_max_pool(graph, x, window_of(2, 2, 1, 2, 2, 3, 1, 1, 0, 1), false);
}

static int average_pool(struct graph *graph, int x)
{
    return network_average_pool(graph, x, window_of(3, 2, 2, 3, 1, 1, 1, 1, 1, 0), true, false);
}

static int average_pool_with_padding(struct graph *graph, int x)
{
    return network_average_pool(graph, x, window_of(3, 4, 2, 2, 1, 1, 2, 1, 1, 1), true, true);
}

static int global_pool(struct graph *graph, int x)
{
    return network_global_pool(graph, x);
}

static int constant(struct graph *graph, struct shape shape)
{
    float values[64];

    random_fill(values, (size_t)shape_elements(&shape), 0.5F, 1.5F);
    return network_constant(graph, shape, values);
}

static int binary_with_constants(struct graph *graph, int x)
{
    x = network_binary(graph, BINARY_ADD, x, constant(graph, (struct shape){3, {4, 1, 1}}));
    x = network_binary(graph, BINARY_SUBTRACT, constant(graph, (struct shape){1, {9}}), x);
    x = network_binary(graph, BINARY_MULTIPLY, x, constant(graph, (struct shape){0, {0}}));
    x = network_binary(graph, BINARY_DIVIDE, x, constant(graph, (struct shape){2, {7, 1}}));
    x = network_binary(graph, BINARY_ADD, x, constant(graph, (struct shape){4, {1, 1, 1, 9}}));
    return x;
}

/* The operand that is broadcast is computed, once as first and once as second. */
static int broadcast_binary(struct graph *graph, int x, enum binary operation)
{
    int gate = network_global_pool(graph, x), line, y;

    gate = network_binary(graph, BINARY_ADD, gate, constant(graph, (struct shape){0, {0}}));
    gate = network_activation(graph, network_binary(graph, BINARY_ADD, gate, gate),
                              ACTIVATION_SOFTPLUS);
    line = network_convolution(graph, x, 1, window_of(7, 1, 1, 1, 1, 1, 0, 0, 0, 0), 1, true);
    line = network_activation(graph, line, ACTIVATION_SOFTPLUS);
    y = network_binary(graph, operation, x, gate);
    return network_binary(graph, operation, network_activation(graph, y, ACTIVATION_SOFTPLUS),
                          line);
}

static int broadcast_add(struct graph *graph, int x)
{
    return broadcast_binary(graph, x, BINARY_ADD);
}

static int broadcast_subtract(struct graph *graph, int x)
{
    return broadcast_binary(graph, x, BINARY_SUBTRACT);
}

static int broadcast_multiply(struct graph *graph, int x)
{
    return broadcast_binary(graph, x, BINARY_MULTIPLY);
}

static int broadcast_divide(struct graph *graph, int x)
{
    return broadcast_binary(graph, x, BINARY_DIVIDE);
}

static int square(struct graph *graph, int x)
{
    return network_binary(graph, BINARY_MULTIPLY, x, x);
}

static int concatenation(struct graph *graph, int x)
{
    int parts[4] = {x, network_activation(graph, x, ACTIVATION_TANH), x};

    parts[3] = constant(graph, (struct shape){4, {1, 1, 7, 9}});
    parts[0] = network_concat(graph, 1, 4, parts);
    parts[1] =
        network_convolution(graph, parts[0], 13, window_of(1, 5, 1, 1, 1, 1, 0, 0, 0, 0), 1, true);
    return network_concat(graph, 3, 2, parts);
}

static int reshapes_and_transposes(struct graph *graph, int x)
{
    x = network_transpose(graph, x, 0, 2, 3, 1);
    x = network_reshape(graph, x, (struct shape){3, {7, 4, 9}});
    x = network_dense(graph, network_identity(graph, x), 5);
    x = network_reshape(graph, x, (struct shape){4, {1, 4, 5, 7}});
    x = network_transpose(graph, x, 0, 3, 1, 2);
    return network_convolution(graph, x, 2, window_square(2, 1, 0), 1, true);
}

static int several_readers(struct graph *graph, int x)
{
    int a = network_convolution(graph, x, 4, window_square(3, 1, 1), 1, true);
    int b = network_relu(graph, a), c, d;

    c = network_convolution(graph, b, 4, window_square(3, 1, 1), 1, true);
    d = network_convolution(graph, b, 4, window_square(1, 1, 0), 1, true);
    c = network_binary(graph, BINARY_ADD, network_binary(graph, BINARY_ADD, c, b), a);
    d = network_dense(graph, network_flatten(graph, network_identity(graph, d)), 1);
    return network_binary(graph, BINARY_MULTIPLY, c, d);
}

static int shared_weights(struct graph *graph, int x)
{
    int weights = network_constant(graph, (struct shape){4, {4, 4, 3, 3}}, NULL);
    struct node node = {
        .kind = NODE_CONVOLUTION, .input_count = 2, .convolution = {window_square(3, 1, 1), 1}};

    for (int i = 0; i < 2; i++) {
        node.inputs = (int[2]){x, weights};
        x = graph_add_node(graph, &node, NULL, NULL);
        assert_true(x >= 0);
        x = network_activation(graph, x, ACTIVATION_TANH);
    }
    return x;
}

/* What does not depend on the input still has parameters. */
static int constant_data(struct graph *graph, int x)
{
    int y = network_constant(graph, (struct shape){4, {1, 2, 7, 9}}, NULL);

    y = network_convolution(graph, network_relu(graph, y), 4, window_square(1, 1, 0), 1, true);
    return network_binary(graph, BINARY_MULTIPLY, x, y);
}

static int silent_input(struct graph *graph, int x)
{
    x = network_binary(graph, BINARY_MULTIPLY, x,
                       network_constant(graph, (struct shape){0, {0}}, &(float){0}));
    return network_dense(graph, network_flatten(graph, x), 2);
}

static const struct {
    const char *name;
    build_layers *build;
} layers[] = {
    {"plain convolution", plain_convolution},
    {"convolution without bias", convolution_without_bias},
    {"pointwise convolution", pointwise_convolution},
    {"padded convolution", padded_convolution},
    {"dilated convolution", dilated_convolution},
    {"dilation of the stride", dilation_of_the_stride},
    {"grouped convolution", grouped_convolution},
    {"depthwise convolution", depthwise_convolution},
    {"stride over kernel", stride_over_kernel},
    {"convolution chain", convolution_chain},
    {"dense layers", dense_layers},
    {"dense rows", dense_rows},
    {"batch norm", batch_norm},
    {"batch norm in a chain", batch_norm_in_a_chain},
    {"max pool", max_pool},
    {"dilated max pool", dilated_max_pool},
    {"average pool", average_pool},
    {"average pool with padding", average_pool_with_padding},
    {"global pool", global_pool},
    {"binary with constants", binary_with_constants},
    {"broadcast add", broadcast_add},
    {"broadcast subtract", broadcast_subtract},
    {"broadcast multiply", broadcast_multiply},
    {"broadcast divide", broadcast_divide},
    {"square", square},
    {"concatenation", concatenation},
    {"reshapes and transposes", reshapes_and_transposes},
    {"several readers", several_readers},
    {"shared weights", shared_weights},
    {"constant data", constant_data},
    {"silent input", silent_input},
};

static struct graph *network_of(build_layers *build)
{
    struct graph *graph = network_begin();

    network_finish(graph, build(graph, network_input(graph, 4, 7, 9)));
    return graph;
}

static void test_layers(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(layers) / sizeof(layers[0]); i++) {
        for (int batch = 1; batch <= 3; batch += 2) {
            struct gradients gradients;

            print_message("%s, batch of %d\n", layers[i].name, batch);
            gradients_begin(&gradients, network_of(layers[i].build), batch,
                            batch == 1 ? NORMALISE_STORED : NORMALISE_BATCH);
            gradients_check(&gradients, 25, 1e-4);
            gradients_end(&gradients);
        }
    }
}

static void test_stored_statistics(void **state)
{
    struct gradients gradients;

    (void)state;
    gradients_begin(&gradients, network_of(batch_norm_in_a_chain), 3, NORMALISE_STORED);
    gradients_check(&gradients, 25, 1e-4);
    gradients_end(&gradients);
    gradients_begin(&gradients, network_of(batch_norm), 1, NORMALISE_BATCH);
    gradients_check(&gradients, 25, 1e-4);
    gradients_end(&gradients);
}

static void test_activations(void **state)
{
    (void)state;
    for (int function = 0; function < ACTIVATION_COUNT; function++) {
        struct graph *graph = network_begin();
        int x = network_input(graph, 2, 3, 5);
        struct gradients gradients;
        struct node node = {.kind = NODE_ACTIVATION,
                            .input_count = 1,
                            .activation = {(enum activation)function, -0.4F, 0.7F}};

        print_message("%s\n", activation_name((enum activation)function));
        x = network_binary(graph, BINARY_MULTIPLY, x,
                           network_constant(graph, (struct shape){0, {0}}, &(float){4}));
        node.inputs = &x;
        x = graph_add_node(graph, &node, NULL, NULL);
        assert_true(x >= 0);
        network_finish(graph, x);
        gradients_begin(&gradients, graph, 3, NORMALISE_STORED);
        gradients_check(&gradients, 90, 1e-4);
        gradients_end(&gradients);
    }
}

static void test_random_networks(void **state)
{
    (void)state;
    for (int i = 0; i < 12; i++) {
        struct gradients gradients;

        gradients_begin(&gradients, network_random(NETWORK_ALL), i % 2 ? 2 : 1,
                        i % 3 ? NORMALISE_STORED : NORMALISE_BATCH);
        gradients_check(&gradients, 4, 1e-3);
        gradients_end(&gradients);
    }
}

static void test_ties_go_to_the_first(void **state)
{
    const float input[6] = {1, 3, 3, 3, 0, 3};
    const float want[6] = {0, 2, 0, 0, 0, 0};
    struct graph *graph = network_begin();
    int x = network_input(graph, 1, 2, 3);
    struct gradients gradients;

    (void)state;
    network_finish(graph,
                   network_max_pool(graph, x, window_of(2, 3, 1, 1, 1, 1, 0, 0, 0, 0), false));
    gradients_begin(&gradients, graph, 1, NORMALISE_STORED);
    memcpy(gradients.input, input, sizeof(input));
    gradients.output_weights[0][0] = 2;
    gradients_run(&gradients);
    assert_memory_equal(gradients.input_gradient, want, sizeof(want));
    gradients_end(&gradients);
}

/* ---- Parameters ----------------------------------------------------------------------------- */

static void test_parameters(void **state)
{
    struct graph *graph = network_begin();
    int x = network_input(graph, 2, 5, 5);
    struct parameters parameters;
    VbpError error;
    size_t total = 0;

    (void)state;
    x = network_convolution(graph, x, 3, window_square(3, 1, 0), 1, true);
    x = network_batch_norm(graph, x);
    x = network_binary(graph, BINARY_ADD, x,
                       network_constant(graph, (struct shape){0, {0}}, &(float){1}));
    x = network_dense(graph, network_flatten(graph, x), 4);
    network_finish(graph, x);
    assert_int_equal(parameters_find(&parameters, graph, &error), VBP_OK);
    assert_int_equal(parameters.count, 6);
    for (int i = 0; i < parameters.count; i++) {
        static const size_t counts[6] = {54, 3, 3, 3, 108, 4};
        static const bool decays[6] = {true, false, false, false, true, false};

        assert_int_equal(parameters.list[i].count, counts[i]);
        assert_int_equal(parameters.list[i].offset, total);
        assert_int_equal(parameters.list[i].decays, decays[i]);
        assert_non_null(graph->tensors[parameters.list[i].tensor].values);
        total += counts[i];
    }
    assert_int_equal(parameters.total, total);
    parameters_free(&parameters);
    assert_null(parameters.list);
    graph_destroy(&graph);
}

/* ---- What is wanted ------------------------------------------------------------------------- */

static void test_wanted_gradients(void **state)
{
    struct gradients gradients;
    float *parameters, *input;
    const float *none[1] = {NULL};
    size_t inputs;
    VbpError error;

    (void)state;
    gradients_begin(&gradients, network_of(several_readers), 3, NORMALISE_STORED);
    inputs = 3 * network_elements(gradients.graph, gradients.graph->input);
    parameters = guarded_floats(gradients.parameters.total);
    input = guarded_floats(inputs);

    /* Parameters alone, on top of what is there. */
    memcpy(parameters, gradients.parameter_gradient, gradients.parameters.total * sizeof(float));
    assert_int_equal(backward_run(gradients.backward,
                                  (const float *const *)gradients.output_weights, parameters, NULL,
                                  &error),
                     VBP_OK);
    for (size_t i = 0; i < gradients.parameters.total; i++)
        check_close((double)parameters[i], 2 * (double)gradients.parameter_gradient[i], 0,
                    "parameter");

    /* The input alone. */
    assert_int_equal(backward_run(gradients.backward,
                                  (const float *const *)gradients.output_weights, NULL, input,
                                  &error),
                     VBP_OK);
    assert_memory_equal(input, gradients.input_gradient, inputs * sizeof(float));

    /* No gradient comes in. */
    assert_int_equal(backward_run(gradients.backward, none, parameters, input, &error), VBP_OK);
    for (size_t i = 0; i < inputs; i++)
        assert_true(input[i] == 0);
    for (size_t i = 0; i < gradients.parameters.total; i++)
        check_close((double)parameters[i], 2 * (double)gradients.parameter_gradient[i], 0,
                    "parameter");
    guarded_free(parameters);
    guarded_free(input);
    gradients_end(&gradients);
}

static void test_outputs_in_the_middle(void **state)
{
    struct graph *graph = network_begin();
    int x = network_input(graph, 3, 6, 8), fixed;
    struct gradients gradients;
    VbpError error;

    (void)state;
    assert_int_equal(graph_mark_output(graph, x, &error), VBP_OK);
    x = network_convolution(graph, x, 4, window_square(3, 1, 0), 1, true);
    assert_int_equal(graph_mark_output(graph, x, &error), VBP_OK);
    x = network_relu(graph, x);
    assert_int_equal(graph_mark_output(graph, x, &error), VBP_OK);
    x = network_flatten(graph, x);
    assert_int_equal(graph_mark_output(graph, x, &error), VBP_OK);
    fixed = network_identity(graph, network_constant(graph, (struct shape){1, {3}}, NULL));
    assert_int_equal(graph_mark_output(graph, fixed, &error), VBP_OK);
    network_finish(graph, network_dense(graph, x, 2));
    gradients_begin(&gradients, graph, 2, NORMALISE_STORED);
    gradients_check(&gradients, 40, 1e-4);
    gradients_end(&gradients);
}

/* ---- Batches -------------------------------------------------------------------------------- */

static void check_alike(const float *got, const float *want, size_t count, const char *what)
{
    double largest = 0;

    for (size_t i = 0; i < count; i++)
        largest = fmax(largest, fabs((double)want[i]));
    for (size_t i = 0; i < count; i++)
        check_close((double)got[i], (double)want[i], 1e-5 * largest, what);
}

/* A batch must be what its samples are one by one; and a short batch what it is alone. */
static void test_batch_of_singles(void **state)
{
    (void)state;
    for (int round = 0; round < 8; round++) {
        struct graph *graph = round ? network_random(NETWORK_ALL) : network_of(convolution_chain);
        size_t inputs = network_elements(graph, graph->input);
        struct gradients gradients;
        float *sum, *input;
        VbpError error;

        gradients_begin(&gradients, graph, 5, NORMALISE_STORED);
        sum = guarded_floats(gradients.parameters.total);
        memset(sum, 0, gradients.parameters.total * sizeof(float));
        input = guarded_floats(5 * inputs);
        for (int sample = 0; sample < 5; sample++) {
            const float *weights[8];

            assert_in_range(graph->output_count, 1, 8);
            for (int o = 0; o < graph->output_count; o++)
                weights[o] = gradients.output_weights[o] +
                             (size_t)sample * network_elements(graph, graph->outputs[o]);
            memcpy(backward_input(gradients.backward), gradients.input + (size_t)sample * inputs,
                   inputs * sizeof(float));
            assert_int_equal(backward_forward(gradients.backward, 1, NORMALISE_STORED, &error),
                             VBP_OK);
            assert_int_equal(backward_run(gradients.backward, weights, sum,
                                          input + (size_t)sample * inputs, &error),
                             VBP_OK);
        }
        check_alike(input, gradients.input_gradient, 5 * inputs, "input");
        check_alike(sum, gradients.parameter_gradient, gradients.parameters.total, "parameter");
        guarded_free(sum);
        guarded_free(input);
        gradients_end(&gradients);
    }
}

static void test_batch_sizes(void **state)
{
    struct gradients gradients;
    struct backward *none;
    VbpError error;

    (void)state;
    gradients_begin(&gradients, network_of(plain_convolution), 2, NORMALISE_STORED);
    assert_int_equal(backward_forward(gradients.backward, 3, NORMALISE_STORED, &error),
                     VBP_ERROR_ARGUMENT);
    assert_string_equal(error.message, "a batch of 3 samples where 2 fit");
    assert_int_equal(backward_forward(gradients.backward, 0, NORMALISE_STORED, &error),
                     VBP_ERROR_ARGUMENT);
    assert_int_equal(backward_run(gradients.backward,
                                  (const float *const *)gradients.output_weights, NULL,
                                  gradients.input_gradient, &error),
                     VBP_ERROR_ARGUMENT);
    assert_string_equal(error.message, "gradients without a forward pass before");
    assert_int_equal(backward_create(&none, gradients.graph, &gradients.parameters, 0, &error),
                     VBP_ERROR_ARGUMENT);
    assert_null(none);
    assert_int_equal(
        backward_create(&none, gradients.graph, &gradients.parameters, 2147483647, &error),
        VBP_ERROR_UNSUPPORTED);
    assert_null(none);
    gradients_end(&gradients);
}

/* ---- Statistics ----------------------------------------------------------------------------- */

static void test_statistics_move(void **state)
{
    struct graph *graph = network_begin();
    int x = network_input(graph, 2, 3, 5);
    struct gradients gradients;
    float mean[2], variance[2], *stored_mean, *stored_variance;

    (void)state;
    network_finish(graph, network_batch_norm(graph, x));
    stored_mean = graph->tensors[graph->nodes[0].inputs[3]].values;
    stored_variance = graph->tensors[graph->nodes[0].inputs[4]].values;
    gradients_begin(&gradients, graph, 3, NORMALISE_STORED);
    memcpy(mean, stored_mean, sizeof(mean));
    memcpy(variance, stored_variance, sizeof(variance));
    backward_update_statistics(gradients.backward, graph, 0.1F);
    assert_memory_equal(stored_mean, mean, sizeof(mean));
    gradients.normalisation = NORMALISE_BATCH;
    gradients_run(&gradients);
    assert_memory_equal(stored_mean, mean, sizeof(mean));
    backward_update_statistics(gradients.backward, graph, 0.1F);
    for (int c = 0; c < 2; c++) {
        double sum = 0, squares = 0;

        for (int i = 0; i < 45; i++)
            sum += (double)gradients.input[i / 15 * 30 + c * 15 + i % 15];
        for (int i = 0; i < 45; i++) {
            double distance = (double)gradients.input[i / 15 * 30 + c * 15 + i % 15] - sum / 45;

            squares += distance * distance;
        }
        check_close((double)stored_mean[c], 0.9 * (double)mean[c] + 0.1 * sum / 45, 1e-6, "mean");
        check_close((double)stored_variance[c], 0.9 * (double)variance[c] + 0.1 * squares / 44,
                    1e-6, "variance");
    }
    gradients_end(&gradients);
}

/* ---- NaN and infinity ----------------------------------------------------------------------- */

static void check_numeric(struct gradients *gradients, const char *message)
{
    VbpError error;

    memcpy(backward_input(gradients->backward), gradients->input,
           (size_t)gradients->batch * network_elements(gradients->graph, gradients->graph->input) *
               sizeof(float));
    assert_int_equal(
        backward_forward(gradients->backward, gradients->batch, gradients->normalisation, &error),
        VBP_ERROR_NUMERIC);
    assert_string_equal(error.message, message);
}

static void test_nan_names_the_layer(void **state)
{
    struct gradients gradients;
    struct graph *graph;
    float *weights, *bias, kept;
    VbpError error;

    (void)state;
    gradients_begin(&gradients, network_of(convolution_chain), 2, NORMALISE_STORED);
    graph = gradients.graph;
    weights = graph->tensors[graph->nodes[2].inputs[1]].values;
    kept = weights[5];
    weights[5] = NAN;
    check_numeric(&gradients,
                  "layer 2 (convolution 'node_2') is the first to give NaN or infinity");
    weights[5] = kept;

    /* What the rectifier behind it would hide. */
    bias = graph->tensors[graph->nodes[0].inputs[2]].values;
    kept = bias[1];
    bias[1] = -INFINITY;
    check_numeric(&gradients,
                  "layer 0 (convolution 'node_0') is the first to give NaN or infinity");
    bias[1] = kept;

    bias = graph->tensors[graph->nodes[graph->node_count - 1].inputs[2]].values;
    bias[0] = INFINITY;
    check_numeric(&gradients, "layer 8 (dense 'node_8') is the first to give NaN or infinity");
    bias[0] = 0;

    gradients.input[3] = NAN;
    check_numeric(&gradients, "the network's input holds NaN or infinity");
    gradients.input[3] = 0;
    gradients_run(&gradients);

    gradients.output_weights[0][1] = INFINITY;
    assert_int_equal(backward_run(gradients.backward,
                                  (const float *const *)gradients.output_weights,
                                  gradients.parameter_gradient, NULL, &error),
                     VBP_ERROR_NUMERIC);
    assert_string_equal(error.message,
                        "the gradient of layer 8 (dense 'node_8') holds NaN or infinity");
    gradients_end(&gradients);
}

/* ---- Threads and many steps ----------------------------------------------------------------- */

struct pass {
    struct gradients gradients;
    float *first; /* what the first run gave */
};

static void *run_passes(void *argument)
{
    struct pass *pass = argument;

    for (int i = 0; i < 20; i++)
        gradients_run(&pass->gradients);
    return NULL;
}

/* Two passes over one graph at the same time give what they give alone. */
static void test_two_threads(void **state)
{
    struct graph *graph = network_of(batch_norm_in_a_chain);
    struct pass passes[2];
    pthread_t threads[2];

    (void)state;
    for (int i = 0; i < 2; i++) {
        struct gradients *gradients = &passes[i].gradients;

        gradients_begin(gradients, graph, 3, i ? NORMALISE_BATCH : NORMALISE_STORED);
        passes[i].first = guarded_floats(gradients->parameters.total);
        memcpy(passes[i].first, gradients->parameter_gradient,
               gradients->parameters.total * sizeof(float));
    }
    for (int i = 0; i < 2; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, run_passes, &passes[i]), 0);
    for (int i = 0; i < 2; i++)
        assert_int_equal(pthread_join(threads[i], NULL), 0);
    for (int i = 0; i < 2; i++) {
        struct gradients *gradients = &passes[i].gradients;

        assert_memory_equal(gradients->parameter_gradient, passes[i].first,
                            gradients->parameters.total * sizeof(float));
        guarded_free(passes[i].first);
    }
    gradients_release(&passes[0].gradients);
    gradients_end(&passes[1].gradients);
}

/* The mean square of output - target, whose gradient goes into the weights of the output. */
static double square_loss(struct gradients *gradients, const float *target)
{
    size_t count =
        (size_t)gradients->batch * network_elements(gradients->graph, gradients->graph->outputs[0]);
    const float *output = backward_output(gradients->backward, 0);
    double sum = 0;

    for (size_t i = 0; i < count; i++) {
        double error = (double)output[i] - (double)target[i];

        gradients->output_weights[0][i] = (float)(2 * error / (double)count);
        sum += error * error / (double)count;
    }
    return sum;
}

static void test_many_steps(void **state)
{
    struct gradients gradients;
    float target[24];
    double first = 0, last = 0;
    VbpError error;

    (void)state;
    gradients_begin(&gradients, network_of(convolution_chain), 8, NORMALISE_BATCH);
    random_fill(target, 24, -1, 1);
    for (int step = 0; step < 3000; step++) {
        memcpy(backward_input(gradients.backward), gradients.input,
               8 * network_elements(gradients.graph, gradients.graph->input) * sizeof(float));
        assert_int_equal(backward_forward(gradients.backward, 8, NORMALISE_BATCH, &error), VBP_OK);
        last = square_loss(&gradients, target);
        assert_true(isfinite(last));
        first = step == 0 ? last : first;
        memset(gradients.parameter_gradient, 0, gradients.parameters.total * sizeof(float));
        assert_int_equal(backward_run(gradients.backward,
                                      (const float *const *)gradients.output_weights,
                                      gradients.parameter_gradient, NULL, &error),
                         VBP_OK);
        for (int i = 0; i < gradients.parameters.count; i++) {
            const struct parameter *parameter = &gradients.parameters.list[i];
            float *values = gradients.graph->tensors[parameter->tensor].values;

            for (size_t j = 0; j < parameter->count; j++)
                values[j] -= 0.02F * gradients.parameter_gradient[parameter->offset + j];
        }
    }
    print_message("loss %g, then %g\n", first, last);
    assert_true(last < first / 4);
    gradients_end(&gradients);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_layers, random_setup),
        cmocka_unit_test_setup(test_stored_statistics, random_setup),
        cmocka_unit_test_setup(test_activations, random_setup),
        cmocka_unit_test_setup(test_random_networks, random_setup),
        cmocka_unit_test(test_ties_go_to_the_first),
        cmocka_unit_test(test_parameters),
        cmocka_unit_test_setup(test_wanted_gradients, random_setup),
        cmocka_unit_test_setup(test_outputs_in_the_middle, random_setup),
        cmocka_unit_test_setup(test_batch_of_singles, random_setup),
        cmocka_unit_test_setup(test_batch_sizes, random_setup),
        cmocka_unit_test_setup(test_statistics_move, random_setup),
        cmocka_unit_test_setup(test_nan_names_the_layer, random_setup),
        cmocka_unit_test_setup(test_two_threads, random_setup),
        cmocka_unit_test_setup(test_many_steps, random_setup),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
