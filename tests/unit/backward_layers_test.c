/* Gradients of every kind of layer against differences in double. */
#include "nn/backward.h"

#include "support/gradients.h"
#include "support/networks.h"
#include "support/numbers.h"

#include <math.h>
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
    struct node node = {.kind = NODE_CONVOLUTION,
                        .input_count = 2,
                        .convolution = {.window = window_square(3, 1, 1), .groups = 1}};

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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_layers, random_setup),
        cmocka_unit_test_setup(test_stored_statistics, random_setup),
        cmocka_unit_test_setup(test_activations, random_setup),
        cmocka_unit_test_setup(test_random_networks, random_setup),
        cmocka_unit_test(test_ties_go_to_the_first),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
