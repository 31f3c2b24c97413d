/* What vbp bench measures, and how it is told. */
#ifndef VBP_CLI_BENCH_H
#define VBP_CLI_BENCH_H

#include "api/model.h"
#include "base/error.h"
#include "base/spread.h"

#include <stdbool.h>
#include <stdio.h>

struct bench_layer {
    const struct node *node; /* of the folded graph */
    double median_ms;
};

struct bench {
    const VbpModel *model;
    const char *isa;
    int threads, runs;
    int64_t multiply_adds; /* of one forward pass */
    double peak_gflops;    /* of all threads together */

    struct spread forward; /* milliseconds, like all that follow */
    bool has_mask;
    struct spread mask_extra; /* with the mask minus without it, run by run */

    bool has_peer;
    const char *peer_name; /* "ONNX Runtime 1.30.0" */
    int peer_threads;
    double peer_difference; /* largest one of an output, relative to values above 1 */
    struct spread peer;

    struct bench_layer *layers; /* NULL: not measured */
    int layer_count;
};

/* 2 * multiply_adds in that many milliseconds, in 1e9 operations a second. */
double bench_gflops(int64_t multiply_adds, double milliseconds);

/* To the standard output. */
void bench_print_text(const struct bench *bench);
int bench_print_json(const struct bench *bench, VbpError *error);

/* ---- The other side ------------------------------------------------------------------------- */

/* Another program that runs the same network on the same input, in turns with this one. */
struct bench_peer;

/*
 * Starts it and has it run once. The folder of its script is what the environment variable
 * VBP_PEERS names, or tests/bench/peers. `outputs` are all of the model's outputs, one behind the
 * other; *difference becomes the largest between them and the peer's, relative to values above 1.
 * VBP_ERROR_UNSUPPORTED where there is no such peer or it cannot run the model.
 */
int bench_peer_start(struct bench_peer **peer, const VbpModel *model, int threads,
                     const float *input, const float *outputs, double *difference, VbpError *error);

/* Name and version; lives as long as the peer. */
const char *bench_peer_name(const struct bench_peer *peer);

/* One run that is not counted, then `count` that are, in milliseconds. */
int bench_peer_run(struct bench_peer *peer, double *milliseconds, int count, VbpError *error);

/* Ends the other program and waits for that. Accepts *peer == NULL. */
void bench_peer_stop(struct bench_peer **peer);

#endif
