#include "train/workers.h"

#include "base/memory.h"

#include <math.h>
#include <pthread.h>
#include <string.h>

struct worker {
    struct workers *workers;
    pthread_t thread;
    bool started;
    struct backward *backward;
    float *gradients;
    float *output_gradient;         /* capacity x length of the trained output */
    const float **output_gradients; /* one entry for every output of the graph */
    int first, count;               /* its part of the batch */
    struct batch_sums sums;
    int result;
    VbpError error;
};

struct workers {
    const struct graph *graph;
    const struct parameters *parameters;
    const struct train_options *options;
    size_t input_length, output_length;
    int worker_count;
    struct worker *list;
    const struct batch *batch; /* being worked on */
    bool with_gradients;

    pthread_mutex_t lock;
    pthread_cond_t begin, done;
    uint64_t round; /* guarded by lock: rises with every batch */
    int busy;       /* guarded by lock: workers that have not finished the round */
    bool stopping;  /* guarded by lock */
};

static double loss_of(const struct train_options *options, double difference, double *slope)
{
    double size = fabs(difference), delta = options->huber_delta;

    if (options->loss == LOSS_SQUARED || size <= delta) {
        *slope = difference;
        return difference * difference / 2;
    }
    *slope = difference > 0 ? delta : -delta;
    return delta * (size - delta / 2);
}

static void measure(struct worker *worker)
{
    const struct workers *workers = worker->workers;
    const struct batch *batch = workers->batch;
    const float *outputs = backward_output(worker->backward, workers->options->output);

    memset(worker->output_gradient, 0,
           (size_t)worker->count * workers->output_length * sizeof(float));
    for (int i = 0; i < worker->count; i++) {
        size_t at = (size_t)i * workers->output_length;
        double difference = (double)outputs[at] - (double)batch->targets[worker->first + i];
        double slope;

        worker->sums.loss += loss_of(workers->options, difference, &slope);
        worker->sums.absolute += fabs(difference);
        worker->output_gradient[at] = (float)(slope / batch->count);
    }
}

static int run_part(struct worker *worker)
{
    const struct workers *workers = worker->workers;
    int result;

    worker->sums = (struct batch_sums){0};
    if (workers->with_gradients)
        memset(worker->gradients, 0, workers->parameters->total * sizeof(float));
    if (worker->count == 0)
        return VBP_OK;
    memcpy(backward_input(worker->backward),
           workers->batch->inputs + (size_t)worker->first * workers->input_length,
           (size_t)worker->count * workers->input_length * sizeof(float));
    result = backward_forward(worker->backward, worker->count,
                              workers->with_gradients ? NORMALISE_BATCH : NORMALISE_STORED,
                              &worker->error);
    if (result != VBP_OK)
        return result;
    measure(worker);
    if (!workers->with_gradients)
        return VBP_OK;
    backward_penalise_levels(worker->backward,
                             (float)(workers->options->sparsity / workers->batch->count));
    return backward_run(worker->backward, worker->output_gradients, worker->gradients, NULL,
                        &worker->error);
}

static void *work(void *context)
{
    struct worker *worker = context;
    struct workers *workers = worker->workers;
    uint64_t round = 0;

    for (;;) {
        bool stopping;

        pthread_mutex_lock(&workers->lock);
        while (workers->round == round && !workers->stopping)
            pthread_cond_wait(&workers->begin, &workers->lock);
        round = workers->round;
        stopping = workers->stopping;
        pthread_mutex_unlock(&workers->lock);
        if (stopping)
            return NULL;
        worker->result = run_part(worker);
        pthread_mutex_lock(&workers->lock);
        if (--workers->busy == 0)
            pthread_cond_signal(&workers->done);
        pthread_mutex_unlock(&workers->lock);
    }
}

static int create_worker(struct workers *workers, struct worker *worker, VbpError *error)
{
    const struct train_options *options = workers->options;
    int capacity = (options->batch + workers->worker_count - 1) / workers->worker_count;
    int result = backward_create(&worker->backward, workers->graph, workers->parameters, capacity,
                                 options->isa, error);

    worker->workers = workers;
    if (result != VBP_OK)
        return result;
    worker->gradients = memory_aligned_array(workers->parameters->total, sizeof(float));
    worker->output_gradient =
        memory_aligned_array((size_t)capacity * workers->output_length, sizeof(float));
    worker->output_gradients =
        memory_array((size_t)workers->graph->output_count, sizeof(*worker->output_gradients));
    if (!worker->gradients || !worker->output_gradient || !worker->output_gradients)
        return error_out_of_memory(error);
    worker->output_gradients[options->output] = worker->output_gradient;
    worker->started = pthread_create(&worker->thread, NULL, work, worker) == 0;
    return worker->started ? VBP_OK : error_set(error, VBP_ERROR_MEMORY, "cannot start a thread");
}

int workers_create(struct workers **workers, const struct graph *graph,
                   const struct parameters *parameters, const struct train_options *options,
                   VbpError *error)
{
    struct workers *w = memory_array(1, sizeof(*w));
    int result = VBP_OK;

    *workers = NULL;
    if (!w)
        return error_out_of_memory(error);
    w->graph = graph;
    w->parameters = parameters;
    w->options = options;
    w->worker_count = options->threads < options->batch ? options->threads : options->batch;
    w->input_length = (size_t)shape_elements(&graph->tensors[graph->input].shape);
    w->output_length =
        (size_t)shape_elements(&graph->tensors[graph->outputs[options->output]].shape);
    pthread_mutex_init(&w->lock, NULL);
    pthread_cond_init(&w->begin, NULL);
    pthread_cond_init(&w->done, NULL);
    w->list = memory_array((size_t)w->worker_count, sizeof(*w->list));
    if (!w->list)
        result = error_out_of_memory(error);
    for (int i = 0; i < w->worker_count && result == VBP_OK; i++)
        result = create_worker(w, &w->list[i], error);
    if (result == VBP_OK)
        *workers = w;
    else
        workers_destroy(&w);
    return result;
}

void workers_destroy(struct workers **workers)
{
    struct workers *w = *workers;

    if (!w)
        return;
    pthread_mutex_lock(&w->lock);
    w->stopping = true;
    pthread_cond_broadcast(&w->begin);
    pthread_mutex_unlock(&w->lock);
    for (int i = 0; w->list && i < w->worker_count; i++) {
        struct worker *worker = &w->list[i];

        if (worker->started)
            pthread_join(worker->thread, NULL);
        backward_destroy(&worker->backward);
        free(worker->gradients);
        free(worker->output_gradient);
        free((void *)worker->output_gradients);
    }
    free(w->list);
    pthread_cond_destroy(&w->done);
    pthread_cond_destroy(&w->begin);
    pthread_mutex_destroy(&w->lock);
    free(w);
    *workers = NULL;
}

int workers_run(struct workers *workers, const struct batch *batch, float *gradients,
                struct batch_sums *sums, VbpError *error)
{
    size_t total = workers->parameters->total;

    for (int i = 0; i < workers->worker_count; i++) {
        struct worker *worker = &workers->list[i];

        worker->first = batch->count * i / workers->worker_count;
        worker->count = batch->count * (i + 1) / workers->worker_count - worker->first;
    }
    workers->batch = batch;
    workers->with_gradients = gradients != NULL;
    pthread_mutex_lock(&workers->lock);
    workers->busy = workers->worker_count;
    workers->round++;
    pthread_cond_broadcast(&workers->begin);
    while (workers->busy > 0)
        pthread_cond_wait(&workers->done, &workers->lock);
    pthread_mutex_unlock(&workers->lock);
    *sums = (struct batch_sums){0};
    /* Always in the same order, so that rounding does not depend on who was first. */
    for (int i = 0; i < workers->worker_count; i++) {
        const struct worker *worker = &workers->list[i];

        if (worker->result != VBP_OK) {
            *error = worker->error;
            return worker->result;
        }
        sums->loss += worker->sums.loss;
        sums->absolute += worker->sums.absolute;
        if (!gradients)
            continue;
        if (i == 0)
            memcpy(gradients, worker->gradients, total * sizeof(float));
        for (size_t j = 0; i > 0 && j < total; j++)
            gradients[j] += worker->gradients[j];
    }
    return VBP_OK;
}

void workers_update_statistics(const struct workers *workers, struct graph *graph, float momentum)
{
    for (int i = 0; i < workers->worker_count; i++) {
        if (workers->list[i].count > 0)
            backward_update_statistics(workers->list[i].backward, graph,
                                       momentum / (float)workers->worker_count);
    }
}
