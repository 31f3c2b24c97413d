/* Batches forward and gradients backward: what they are of, threads, many steps. */
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

/* Convolutions and rectifiers that stay channels last, and a dense layer behind them. */
static struct graph *convolution_chain(void)
{
    struct graph *graph = network_begin();
    int x = network_input(graph, 4, 7, 9);

    x = network_relu(graph, network_convolution(graph, x, 5, window_square(3, 1, 1), 1, true));
    x = network_convolution(graph, x, 20, window_square(3, 2, 0), 1, true);
    x = network_activation(graph, x, ACTIVATION_ELU);
    x = network_convolution(graph, network_identity(graph, x), 4, window_square(2, 1, 0), 1, true);
    network_finish(graph, network_dense(graph, network_flatten(graph, network_relu(graph, x)), 3));
    return graph;
}

/* The same with batch normalisations in it. */
static struct graph *normalised_chain(void)
{
    struct graph *graph = network_begin();
    int x = network_convolution(graph, network_input(graph, 4, 7, 9), 3, window_square(3, 2, 1), 1,
                                true);

    x = network_activation(graph, network_batch_norm(graph, x), ACTIVATION_TANH);
    x = network_convolution(graph, x, 2, window_square(2, 1, 0), 1, true);
    network_finish(graph, network_dense(graph, network_flatten(graph, x), 2));
    return graph;
}

/* Tensors that three layers read, one of them through another name. */
static struct graph *several_readers(void)
{
    struct graph *graph = network_begin();
    int a = network_convolution(graph, network_input(graph, 4, 7, 9), 4, window_square(3, 1, 1), 1,
                                true);
    int b = network_relu(graph, a);
    int c = network_convolution(graph, b, 4, window_square(3, 1, 1), 1, true);

    c = network_binary(graph, BINARY_ADD, network_binary(graph, BINARY_ADD, c, b), a);
    b = network_dense(graph, network_flatten(graph, network_identity(graph, b)), 1);
    network_finish(graph, network_binary(graph, BINARY_MULTIPLY, c, b));
    return graph;
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
    gradients_begin(&gradients, several_readers(), 3, NORMALISE_STORED);
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

static void check_alike(const float *got, const float *want, size_t count, const char *what)
{
    double largest = 0;

    for (size_t i = 0; i < count; i++)
        largest = fmax(largest, fabs((double)want[i]));
    for (size_t i = 0; i < count; i++)
        check_close((double)got[i], (double)want[i], 1e-5 * largest, what);
}

/* Levels behind a convolution, behind another one (not a plain rectifier), behind a batch norm. */
static struct graph *three_levels(bool marked)
{
    struct graph *graph = network_begin();
    int x = network_input(graph, 4, 7, 9), levels[3];
    VbpError error;

    x = network_convolution(graph, x, 5, window_square(3, 1, 1), 1, true);
    x = levels[0] = network_relu(graph, x);
    x = network_convolution(graph, x, 6, window_square(3, 2, 0), 1, true);
    x = levels[1] = network_activation(graph, x, ACTIVATION_ELU);
    x = network_convolution(graph, x, 4, window_square(2, 1, 0), 1, true);
    x = levels[2] = network_relu(graph, network_batch_norm(graph, x));
    x = network_dense(graph, network_flatten(graph, x), 2);
    for (int i = 0; i < 3 && marked; i++)
        assert_int_equal(graph_mark_output(graph, levels[i], &error), VBP_OK);
    network_finish(graph, x);
    assert_int_equal(graph->level_count, 3);
    return graph;
}

static void copy_constants(struct graph *to, const struct graph *from)
{
    for (int t = 0; t < from->tensor_count; t++) {
        if (from->tensors[t].values)
            memcpy(to->tensors[t].values, from->tensors[t].values,
                   network_elements(from, t) * sizeof(float));
    }
}

/*
 * The penalty is a loss of its own: as if each level were an output whose positive values count
 * weight / elements. It reaches the layers also where no other gradient comes in.
 */
static void test_level_penalty(void **state)
{
    enum { BATCH = 3 };
    static const float weight = 0.3F;
    const float *none[1] = {NULL};
    struct graph *marked = three_levels(true), *plain = three_levels(false);
    size_t inputs = BATCH * network_elements(marked, marked->input);
    struct gradients wanted, gradients;
    float *parameters, *input;
    VbpError error;

    (void)state;
    copy_constants(plain, marked);
    gradients_begin(&wanted, marked, BATCH, NORMALISE_STORED);
    for (int o = 0; o < marked->output_count; o++) {
        size_t elements = network_elements(marked, marked->outputs[o]);
        const float *values = backward_output(wanted.backward, o);
        bool is_level = marked->tensors[marked->outputs[o]].shape.rank == 4;

        for (size_t e = 0; e < BATCH * elements; e++)
            wanted.output_weights[o][e] = is_level && values[e] > 0 ? weight / (float)elements : 0;
    }
    gradients_run(&wanted);

    gradients_begin(&gradients, plain, BATCH, NORMALISE_STORED);
    parameters = guarded_floats(gradients.parameters.total);
    memset(parameters, 0, gradients.parameters.total * sizeof(float));
    input = guarded_floats(inputs);
    memcpy(backward_input(gradients.backward), wanted.input, inputs * sizeof(float));
    assert_int_equal(backward_forward(gradients.backward, BATCH, NORMALISE_STORED, &error), VBP_OK);
    backward_penalise_levels(gradients.backward, weight);
    assert_int_equal(backward_run(gradients.backward, none, parameters, input, &error), VBP_OK);
    check_alike(parameters, wanted.parameter_gradient, gradients.parameters.total, "parameter");
    check_alike(input, wanted.input_gradient, inputs, "input");
    assert_true(parameters[0] != 0);
    guarded_free(parameters);
    guarded_free(input);
    gradients_end(&wanted);
    gradients_end(&gradients);
}

/* A batch must be what its samples are one by one; and a short batch what it is alone. */
static void test_batch_of_singles(void **state)
{
    (void)state;
    for (int round = 0; round < 8; round++) {
        struct graph *graph = round ? network_random(NETWORK_ALL) : convolution_chain();
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
    gradients_begin(&gradients, convolution_chain(), 2, NORMALISE_STORED);
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
    assert_int_equal(
        backward_create(&none, gradients.graph, &gradients.parameters, 0, ISA_BEST, &error),
        VBP_ERROR_ARGUMENT);
    assert_null(none);
    assert_int_equal(backward_create(&none, gradients.graph, &gradients.parameters, 2147483647,
                                     ISA_BEST, &error),
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
    gradients_begin(&gradients, convolution_chain(), 2, NORMALISE_STORED);
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
    struct graph *graph = normalised_chain();
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
    gradients_begin(&gradients, convolution_chain(), 8, NORMALISE_BATCH);
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
        cmocka_unit_test(test_parameters),
        cmocka_unit_test_setup(test_wanted_gradients, random_setup),
        cmocka_unit_test_setup(test_outputs_in_the_middle, random_setup),
        cmocka_unit_test_setup(test_level_penalty, random_setup),
        cmocka_unit_test_setup(test_batch_of_singles, random_setup),
        cmocka_unit_test_setup(test_batch_sizes, random_setup),
        cmocka_unit_test_setup(test_statistics_move, random_setup),
        cmocka_unit_test_setup(test_nan_names_the_layer, random_setup),
        cmocka_unit_test_setup(test_two_threads, random_setup),
        cmocka_unit_test_setup(test_many_steps, random_setup),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
