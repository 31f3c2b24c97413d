/*
 * How many samples per second one step of training PilotNet takes: forward, mean square error,
 * backward, SGD with momentum, on two threads that share the batch.
 *
 *     train_bench [BATCH [STEPS [ROUNDS]]]
 *
 * Prints ROUNDS lines, each the samples per second over STEPS steps. Where the standard input is
 * not a terminal, waits for a line of it before each round, so that a script can take turns.
 */
#include "base/memory.h"
#include "kernels/threads.h"
#include "nn/backward.h"
#include "support/networks.h"
#include "support/numbers.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#define THREADS 2

struct half {
    struct backward *backward;
    float *gradients;
    int batch, steps;
    size_t inputs;
    struct training *training;
};

struct training {
    struct graph *graph;
    struct parameters parameters;
    float *velocity;
    struct half halves[THREADS];
    pthread_barrier_t barrier;
};

static struct graph *pilotnet(void)
{
    static const int convolutions[5][3] = {
        {24, 5, 2}, {36, 5, 2}, {48, 5, 2}, {64, 3, 1}, {64, 3, 1}};
    static const int dense[4] = {100, 50, 10, 1};
    struct graph *graph = network_begin();
    int x = network_input(graph, 3, 66, 200);

    for (int i = 0; i < 5; i++)
        x = network_relu(
            graph,
            network_convolution(graph, x, convolutions[i][0],
                                window_square(convolutions[i][1], convolutions[i][2], 0), 1, true));
    x = network_flatten(graph, x);
    for (int i = 0; i < 4; i++) {
        x = network_dense(graph, x, dense[i]);
        if (i < 3)
            x = network_relu(graph, x);
    }
    network_finish(graph, x);
    return graph;
}

static double seconds(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec * 1e-9;
}

/* Each thread moves its share of the parameters by the gradients of both. */
static void take_step(struct training *training, int part)
{
    size_t total = training->parameters.total;
    size_t first = total * (size_t)part / THREADS, end = total * ((size_t)part + 1) / THREADS;

    for (size_t i = first; i < end; i++)
        training->velocity[i] = 0.9F * training->velocity[i] + training->halves[0].gradients[i] +
                                training->halves[1].gradients[i];
    for (int i = 0; i < training->parameters.count; i++) {
        const struct parameter *parameter = &training->parameters.list[i];
        float *values = training->graph->tensors[parameter->tensor].values;

        for (size_t j = 0; j < parameter->count; j++) {
            size_t at = parameter->offset + j;

            if (at >= first && at < end)
                values[j] -= 1e-4F * training->velocity[at];
        }
    }
}

static void *train(void *argument)
{
    struct half *half = argument;
    struct training *training = half->training;
    int part = (int)(half - training->halves);
    float errors[1024];
    const float *output_gradients[1] = {errors};
    VbpError error;

    for (int step = 0; step < half->steps; step++) {
        const float *output = backward_output(half->backward, 0);

        memset(half->gradients, 0, training->parameters.total * sizeof(float));
        if (backward_forward(half->backward, half->batch, NORMALISE_BATCH, &error) != VBP_OK)
            fail_msg("%s", error.message);
        for (int i = 0; i < half->batch; i++)
            errors[i] = 2 * (output[i] - 0.1F * (float)(i % 7)) / (float)(half->batch * THREADS);
        if (backward_run(half->backward, output_gradients, half->gradients, NULL, &error) != VBP_OK)
            fail_msg("%s", error.message);
        pthread_barrier_wait(&training->barrier);
        take_step(training, part);
        pthread_barrier_wait(&training->barrier);
    }
    return NULL;
}

static double run_round(struct training *training, int batch, int steps)
{
    pthread_t threads[THREADS];
    double started = seconds();

    for (int i = 0; i < THREADS; i++) {
        training->halves[i].steps = steps;
        assert_int_equal(pthread_create(&threads[i], NULL, train, &training->halves[i]), 0);
    }
    for (int i = 0; i < THREADS; i++)
        assert_int_equal(pthread_join(threads[i], NULL), 0);
    return batch * steps / (seconds() - started);
}

static void prepare(struct training *training, int batch)
{
    VbpError error;

    training->graph = pilotnet();
    assert_int_equal(parameters_find(&training->parameters, training->graph, &error), VBP_OK);
    training->velocity = memory_array(training->parameters.total, sizeof(float));
    assert_non_null(training->velocity);
    assert_int_equal(pthread_barrier_init(&training->barrier, NULL, THREADS), 0);
    for (int i = 0; i < THREADS; i++) {
        struct half *half = &training->halves[i];

        half->training = training;
        half->batch = batch / THREADS;
        half->inputs = network_elements(training->graph, training->graph->input);
        half->gradients = memory_array(training->parameters.total, sizeof(float));
        assert_non_null(half->gradients);
        assert_int_equal(backward_create(&half->backward, training->graph, &training->parameters,
                                         half->batch, ISA_BEST, &error),
                         VBP_OK);
        random_fill(backward_input(half->backward), (size_t)half->batch * half->inputs, 0, 1);
    }
}

int main(int argc, char **argv)
{
    int batch = argc > 1 ? (int)strtol(argv[1], NULL, 10) : 64;
    int steps = argc > 2 ? (int)strtol(argv[2], NULL, 10) : 10;
    int rounds = argc > 3 ? (int)strtol(argv[3], NULL, 10) : 5;
    struct training training = {0};
    char line[16];

    if (batch < THREADS || batch > 1024 || steps < 1 || rounds < 1) {
        fprintf(stderr, "usage: train_bench BATCH STEPS ROUNDS\n");
        return 2;
    }
    threads_limit_blas(1);
    prepare(&training, batch);
    run_round(&training, batch, 2);
    for (int i = 0; i < rounds; i++) {
        if (!isatty(STDIN_FILENO) && !fgets(line, sizeof(line), stdin))
            break;
        printf("%.1f\n", run_round(&training, batch, steps));
        fflush(stdout);
    }
    for (int i = 0; i < THREADS; i++) {
        backward_destroy(&training.halves[i].backward);
        free(training.halves[i].gradients);
    }
    pthread_barrier_destroy(&training.barrier);
    free(training.velocity);
    parameters_free(&training.parameters);
    graph_destroy(&training.graph);
    return 0;
}
