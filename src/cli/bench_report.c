#include "base/memory.h"
#include "cli/bench.h"
#include "nn/forward.h"

#include <cjson/cJSON.h>
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>

double bench_gflops(int64_t multiply_adds, double milliseconds)
{
    return milliseconds > 0 ? 2 * (double)multiply_adds / milliseconds * 1e-6 : 0;
}

static double share(double part, double whole)
{
    return whole > 0 ? part / whole : 0;
}

static const char *layer_name(const struct bench *bench, const struct node *node)
{
    return *node->name ? node->name : bench->model->folded->tensors[node->output].name;
}

/* ---- Text ----------------------------------------------------------------------------------- */

static void print_layers(const struct bench *bench)
{
    const struct graph *graph = bench->model->folded;
    char text[SHAPE_TEXT_SIZE];

    printf("\n%4s  %-28s %-16s %12s %10s %9s %6s\n", "", "layer", "output", "mult-adds",
           "median ms", "GFLOP/s", "limit");
    for (int i = 0; i < bench->layer_count; i++) {
        const struct bench_layer *layer = &bench->layers[i];
        int64_t multiply_adds = node_multiply_adds(graph, layer->node);
        double gflops = bench_gflops(multiply_adds, layer->median_ms);

        printf("%4d  %-28.28s %-16s %12" PRId64 " %10.4f", i, layer_name(bench, layer->node),
               shape_text(&graph->tensors[layer->node->output].shape, text), multiply_adds,
               layer->median_ms);
        if (multiply_adds > 0)
            printf(" %9.1f %4.0f %%", gflops, 100 * share(gflops, bench->peak_gflops));
        printf("\n");
    }
}

static void print_row(const char *name, const struct spread *spread)
{
    printf("%-22s %9.4f %9.4f %9.4f", name, spread->min, spread->median, spread->p99);
}

void bench_print_text(const struct bench *bench)
{
    double gflops = bench_gflops(bench->multiply_adds, bench->forward.median);

    printf("model     %s\n", bench->model->path);
    printf("kernels   %s, %d thread%s\n", bench->isa, bench->threads,
           bench->threads == 1 ? "" : "s");
    printf("work      %" PRId64 " multiply-adds a run\n", bench->multiply_adds);
    printf("limit     %.1f GFLOP/s: multiply-adds on registers, on %s\n", bench->peak_gflops,
           bench->threads == 1 ? "one core" : "as many cores as threads");
    printf("runs      %d of each, in turns\n\n", bench->runs);
    printf("%-22s %9s %9s %9s\n", "milliseconds", "min", "median", "p99");
    print_row("forward", &bench->forward);
    printf("   %.1f GFLOP/s, %.0f %% of the limit\n", gflops,
           100 * share(gflops, bench->peak_gflops));
    if (bench->has_mask) {
        print_row("mask on top", &bench->mask_extra);
        printf("   %.3f of the forward\n", share(bench->mask_extra.median, bench->forward.median));
    }
    if (bench->has_peer) {
        print_row(bench->peer_name, &bench->peer);
        printf("   vbp takes %.2f of it\n", share(bench->forward.median, bench->peer.median));
    }
    if (bench->layers)
        print_layers(bench);
}

/* ---- JSON ----------------------------------------------------------------------------------- */

/* What is behind the seventh digit is noise. */
static void add_number(cJSON *object, const char *key, double value)
{
    char text[32];

    snprintf(text, sizeof(text), "%.7g", value);
    cJSON_AddNumberToObject(object, key, strtod(text, NULL));
}

static void add_spread(cJSON *object, const char *key, const struct spread *spread)
{
    cJSON *inner;

    if (!spread) {
        cJSON_AddNullToObject(object, key);
        return;
    }
    inner = cJSON_AddObjectToObject(object, key);
    add_number(inner, "min", spread->min);
    add_number(inner, "median", spread->median);
    add_number(inner, "p99", spread->p99);
}

static void add_layers(cJSON *root, const struct bench *bench)
{
    const struct graph *graph = bench->model->folded;
    cJSON *layers = cJSON_AddArrayToObject(root, "layers");

    for (int i = 0; i < bench->layer_count; i++) {
        const struct node *node = bench->layers[i].node;
        const struct shape *shape = &graph->tensors[node->output].shape;
        cJSON *layer = cJSON_CreateObject(), *extents;

        cJSON_AddStringToObject(layer, "name", layer_name(bench, node));
        extents = cJSON_AddArrayToObject(layer, "shape");
        for (int axis = 0; axis < shape->rank; axis++)
            cJSON_AddItemToArray(extents, cJSON_CreateNumber((double)shape->extent[axis]));
        cJSON_AddNumberToObject(layer, "macs", (double)node_multiply_adds(graph, node));
        add_number(layer, "median_ms", bench->layers[i].median_ms);
        cJSON_AddItemToArray(layers, layer);
    }
}

static void add_peers(cJSON *root, const struct bench *bench)
{
    cJSON *peers = cJSON_AddArrayToObject(root, "peers"), *peer;

    if (!bench->has_peer)
        return;
    peer = cJSON_CreateObject();
    cJSON_AddStringToObject(peer, "name", bench->peer_name);
    cJSON_AddNumberToObject(peer, "threads", bench->peer_threads);
    add_spread(peer, "forward_ms", &bench->peer);
    add_number(peer, "vbp_over_peer", share(bench->forward.median, bench->peer.median));
    add_number(peer, "largest_difference", bench->peer_difference);
    cJSON_AddItemToArray(peers, peer);
}

int bench_print_json(const struct bench *bench, VbpError *error)
{
    cJSON *root = cJSON_CreateObject();
    char *text;

    cJSON_AddStringToObject(root, "model", bench->model->path);
    cJSON_AddStringToObject(root, "isa", bench->isa);
    cJSON_AddNumberToObject(root, "threads", bench->threads);
    cJSON_AddNumberToObject(root, "runs", bench->runs);
    cJSON_AddNumberToObject(root, "macs", (double)bench->multiply_adds);
    add_spread(root, "forward_ms", &bench->forward);
    add_spread(root, "vbp_extra_ms", bench->has_mask ? &bench->mask_extra : NULL);
    add_spread(root, "lrp_extra_ms", NULL);
    if (bench->has_mask)
        add_number(root, "vbp_over_forward",
                   share(bench->mask_extra.median, bench->forward.median));
    else
        cJSON_AddNullToObject(root, "vbp_over_forward");
    add_number(root, "gflops", bench_gflops(bench->multiply_adds, bench->forward.median));
    add_number(root, "peak_gflops", bench->peak_gflops);
    add_peers(root, bench);
    if (bench->layers)
        add_layers(root, bench);
    text = cJSON_Print(root);
    cJSON_Delete(root);
    if (!text)
        return error_out_of_memory(error);
    puts(text);
    free(text);
    return VBP_OK;
}
