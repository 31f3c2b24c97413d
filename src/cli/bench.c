/* vbp bench: what a network costs, without and with the mask. */
#include "cli/bench.h"

#include "base/memory.h"
#include "base/random.h"
#include "cli/cli.h"
#include "kernels/dispatch.h"
#include "nn/forward.h"

#include <string.h>
#include <time.h>

#define DEFAULT_RUNS 300
#define MOST_RUNS    1000000
#define WARM_UP_RUNS 20
/* Sides take turns after so many runs: long enough to find one's own caches again, short enough
 * that a change of the clock or of what else the machine does meets all alike. */
#define ROUND_RUNS 5
/* More is not the same work. */
#define LARGEST_DIFFERENCE 1e-4

struct bench_options {
    int runs;
    bool json, peers;
};

enum { OPTION_RUNS = OPTION_OWN, OPTION_JSON, OPTION_PEERS };

static bool take_option(void *context, int option, const char *value)
{
    struct bench_options *options = context;
    long long number;

    switch (option) {
    case OPTION_RUNS:
        if (!cli_parse_integer(value, 1, MOST_RUNS, &number)) {
            cli_usage_error(&command_bench, "--runs takes a number from 1 to %d, not '%s'",
                            MOST_RUNS, value);
            return false;
        }
        options->runs = (int)number;
        break;
    case OPTION_JSON:
        options->json = true;
        break;
    default:
        options->peers = true;
        break;
    }
    return true;
}

static double milliseconds_now(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec * 1e3 + (double)now.tv_nsec * 1e-6;
}

/* ---- What is measured ----------------------------------------------------------------------- */

struct measurement {
    VbpModel *model;
    VbpRunner *plain, *masked; /* masked is NULL for a network without levels */
    struct bench_peer *peer;   /* NULL: none */
    float *input;
    size_t input_length;
    double *forward_ms, *masked_ms, *peer_ms; /* one for each run */
    struct bench_layer *layers;
};

/* What runners run on. */
static VbpRunnerOptions choose_engine(const struct common_options *common, struct bench *bench)
{
    bench->isa = kernels_best(common->isa)->name;
    bench->threads = common->threads ? common->threads : 1;
    return (VbpRunnerOptions){.average = common->average,
                              .even = common->even,
                              .threads = bench->threads,
                              .isa = (VbpIsa)common->isa};
}

static int prepare(struct measurement *m, const struct common_options *common, struct bench *bench,
                   VbpError *error)
{
    VbpRunnerOptions options = choose_engine(common, bench);
    const struct graph *graph = m->model->graph;
    struct random random = random_for(0, 0, 0);
    size_t runs = (size_t)bench->runs;
    int result;

    m->input_length = (size_t)shape_elements(&graph->tensors[graph->input].shape);
    m->input = memory_array(m->input_length, sizeof(*m->input));
    m->forward_ms = memory_array(runs, sizeof(*m->forward_ms));
    m->masked_ms = memory_array(runs, sizeof(*m->masked_ms));
    m->peer_ms = memory_array(runs, sizeof(*m->peer_ms));
    if (!m->input || !m->forward_ms || !m->masked_ms || !m->peer_ms)
        return error_out_of_memory(error);
    for (size_t i = 0; i < m->input_length; i++)
        m->input[i] = (float)random_unit(&random);
    options.no_mask = 1;
    result = vbp_runner_create(&m->plain, m->model, &options, error);
    if (result != VBP_OK)
        return result;
    options.no_mask = 0;
    result = vbp_runner_create(&m->masked, m->model, &options, error);
    return result == VBP_ERROR_NO_MASK ? VBP_OK : result;
}

static void release(struct measurement *m)
{
    bench_peer_stop(&m->peer);
    vbp_runner_destroy(&m->masked);
    vbp_runner_destroy(&m->plain);
    free(m->layers);
    free(m->input);
    free(m->forward_ms);
    free(m->masked_ms);
    free(m->peer_ms);
    vbp_model_close(&m->model);
}

/* All outputs of the last run, one behind the other; to be freed. */
static float *copy_outputs(const struct measurement *m)
{
    size_t length = 0, used = 0;
    int count = vbp_model_output_count(m->model);
    float *outputs;

    for (int i = 0; i < count; i++)
        length += vbp_model_output_length(m->model, i);
    outputs = memory_array(length, sizeof(*outputs));
    for (int i = 0; outputs && i < count; i++) {
        size_t part = vbp_model_output_length(m->model, i);

        memcpy(outputs + used, vbp_runner_output(m->plain, i), part * sizeof(*outputs));
        used += part;
    }
    return outputs;
}

/* A peer that is not there is said and done without; one that calculates something else is not. */
static int invite_peer(struct measurement *m, const struct common_options *common,
                       struct bench *bench, VbpError *error)
{
    float *outputs;
    int result = vbp_runner_run_input(m->plain, m->input, m->input_length, error);

    if (result != VBP_OK)
        return result;
    outputs = copy_outputs(m);
    if (!outputs)
        return error_out_of_memory(error);
    bench->peer_threads = common->threads > 0 ? common->threads : 1;
    result = bench_peer_start(&m->peer, m->model, bench->peer_threads, m->input, outputs,
                              &bench->peer_difference, error);
    free(outputs);
    if (result == VBP_ERROR_UNSUPPORTED) {
        cli_note(common, "no peer to measure: %s", error->message);
        return VBP_OK;
    }
    if (result == VBP_OK && !(bench->peer_difference <= LARGEST_DIFFERENCE))
        return error_set(error, VBP_ERROR_NUMERIC, "%s: the outputs of %s differ by %g",
                         m->model->path, bench_peer_name(m->peer), bench->peer_difference);
    return result;
}

/* ---- Measuring ------------------------------------------------------------------------------ */

/* One run that is not counted, as the caches are still another network's, and `count` that are. */
static int time_runs(VbpRunner *runner, const struct measurement *m, double *milliseconds,
                     int count, VbpError *error)
{
    int result = vbp_runner_run_input(runner, m->input, m->input_length, error);

    for (int i = 0; i < count && result == VBP_OK; i++) {
        double started = milliseconds_now();

        result = vbp_runner_run_input(runner, m->input, m->input_length, error);
        milliseconds[i] = milliseconds_now() - started;
    }
    return result;
}

/* All sides once, ours in an order that changes from round to round. */
static int time_round(struct measurement *m, int first, int count, VbpError *error)
{
    bool mask_first = first / ROUND_RUNS % 2 == 1;
    int result = VBP_OK;

    for (int turn = 0; turn < 2 && result == VBP_OK; turn++) {
        if (mask_first == (turn == 1))
            result = time_runs(m->plain, m, m->forward_ms + first, count, error);
        else if (m->masked)
            result = time_runs(m->masked, m, m->masked_ms + first, count, error);
    }
    if (result == VBP_OK && m->peer)
        result = bench_peer_run(m->peer, m->peer_ms + first, count, error);
    return result;
}

static int time_all(struct measurement *m, const struct common_options *common, struct bench *bench,
                    VbpError *error)
{
    struct progress *progress = progress_start(common, "measuring", bench->runs);
    int warm_up = bench->runs < WARM_UP_RUNS ? bench->runs : WARM_UP_RUNS;
    int result = VBP_OK;

    for (int done = 0; done < warm_up && result == VBP_OK; done += ROUND_RUNS)
        result = time_round(m, 0, ROUND_RUNS < warm_up ? ROUND_RUNS : warm_up, error);
    for (int done = 0; done < bench->runs && result == VBP_OK; done += ROUND_RUNS) {
        int left = bench->runs - done;

        result = time_round(m, done, left < ROUND_RUNS ? left : ROUND_RUNS, error);
        progress_update(progress, done);
    }
    progress_finish(&progress);
    return result;
}

static void sum_up(struct measurement *m, struct bench *bench)
{
    size_t runs = (size_t)bench->runs;

    bench->has_mask = m->masked != NULL;
    if (m->masked) {
        for (size_t i = 0; i < runs; i++)
            m->masked_ms[i] -= m->forward_ms[i];
        bench->mask_extra = spread_of(m->masked_ms, runs);
    }
    bench->forward = spread_of(m->forward_ms, runs);
    bench->has_peer = m->peer != NULL;
    if (m->peer) {
        bench->peer_name = bench_peer_name(m->peer);
        bench->peer = spread_of(m->peer_ms, runs);
    }
}

/* ---- Layer by layer ------------------------------------------------------------------------- */

/* samples: for each node bench->runs of them. */
static int time_nodes(struct forward *forward, const struct measurement *m,
                      const struct bench *bench, double *samples, VbpError *error)
{
    int nodes = m->model->folded->node_count, result = VBP_OK;

    for (int run = -1; run < bench->runs && result == VBP_OK; run++) {
        memcpy(forward_input(forward), m->input, m->input_length * sizeof(*m->input));
        result = forward_run(forward, error);
        for (int i = 0; i < nodes && run >= 0; i++)
            samples[(size_t)i * (size_t)bench->runs + (size_t)run] =
                forward_node_seconds(forward)[i] * 1e3;
    }
    return result;
}

static int time_layers(struct measurement *m, const struct common_options *common,
                       struct bench *bench, VbpError *error)
{
    const struct forward_options options = {
        .time_nodes = true, .threads = bench->threads, .isa = common->isa};
    const struct graph *graph = m->model->folded;
    size_t nodes = (size_t)graph->node_count, runs = (size_t)bench->runs, count;
    double *samples =
        size_multiply(nodes, runs, &count) ? memory_array(count, sizeof(*samples)) : NULL;
    struct forward *forward = NULL;
    int result;

    m->layers = memory_array(nodes, sizeof(*m->layers));
    if (!samples || !m->layers)
        result = error_out_of_memory(error);
    else
        result = forward_create(&forward, graph, &options, error);
    if (result == VBP_OK)
        result = time_nodes(forward, m, bench, samples, error);
    for (size_t i = 0; i < nodes && result == VBP_OK; i++)
        m->layers[i] =
            (struct bench_layer){&graph->nodes[i], spread_of(samples + i * runs, runs).median};
    bench->layers = m->layers;
    bench->layer_count = (int)nodes;
    forward_destroy(&forward);
    free(samples);
    return result;
}

/* ---- The command ---------------------------------------------------------------------------- */

static int measure(struct measurement *m, const struct common_options *common,
                   const struct bench_options *options, struct bench *bench, VbpError *error)
{
    const struct graph *graph = m->model->graph;
    int result = prepare(m, common, bench, error);

    if (result != VBP_OK)
        return result;
    bench->model = m->model;
    for (int i = 0; i < graph->node_count; i++)
        bench->multiply_adds += node_multiply_adds(graph, &graph->nodes[i]);
    if (!m->masked)
        cli_note(common, "%s has no level that a mask could be made of: the forward alone",
                 m->model->path);
    if (options->peers)
        result = invite_peer(m, common, bench, error);
    if (result == VBP_OK)
        result = time_all(m, common, bench, error);
    if (result != VBP_OK)
        return result;
    /* Right behind the runs that it is held against. */
    bench->peak_gflops = peak_gflops(kernels_best(common->isa)->peak) * bench->threads;
    sum_up(m, bench);
    return common->verbosity > 0 ? time_layers(m, common, bench, error) : VBP_OK;
}

static int run(int argc, char **argv)
{
    static const struct option own_options[] = {{"runs", required_argument, NULL, OPTION_RUNS},
                                                {"json", no_argument, NULL, OPTION_JSON},
                                                {"peers", no_argument, NULL, OPTION_PEERS},
                                                {0}};
    struct bench_options options = {.runs = DEFAULT_RUNS};
    struct common_options common;
    VbpModelOptions model_options;
    struct measurement measurement = {0};
    struct bench bench = {0};
    VbpError error;
    const char *path;
    int status = cli_parse(&command_bench, argc, argv, "", own_options, take_option, &options,
                           &common, &path);
    int result;

    if (status >= 0)
        return status;
    bench.runs = options.runs;
    model_options = cli_model_options(&common);
    result = vbp_model_open(&measurement.model, path, &model_options, &error);
    if (result == VBP_OK)
        result = measure(&measurement, &common, &options, &bench, &error);
    if (result == VBP_OK) {
        if (options.json)
            result = bench_print_json(&bench, &error);
        else
            bench_print_text(&bench);
    }
    if (result == VBP_OK && fflush(stdout) != 0)
        result = error_set_errno(&error, "cannot write", "standard output");
    release(&measurement);
    return result == VBP_OK ? EXIT_DONE : cli_fail(&error);
}

const struct command command_bench = {
    .name = "bench",
    .usage = "vbp bench MODEL [options]",
    .summary = "how long a network takes, without and with the mask",
    .help = "options:\n"
            "      --runs N           measure so many runs of each (default 300)\n"
            "      --json             machine-readable, on standard output\n"
            "      --peers            also ONNX Runtime, in turns (see doc/performance.md)\n"
            "  -v                     also every layer\n",
    .run = run,
};
