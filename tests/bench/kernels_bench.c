/*
 * What the convolutions of a model take, one thread, each way of doing them:
 *
 *     kernels_bench MODEL [ROUNDS [c|avx2|avx512]]
 *
 * Medians in microseconds of rows alone, rows in pairs and im2col, taken in turns; an asterisk
 * stands at what the forward pass takes. GFLOP/s count two operations for each multiply-add of the
 * definition, so that pairs of rows may exceed the peak, which a loop of multiply-adds between
 * registers measures.
 */
#include "api/model.h"
#include "base/memory.h"
#include "kernels/convolution_flat.h"
#include "kernels/dispatch.h"
#include "kernels/threads.h"
#include "nn/forward.h"
#include "saliency/visualbackprop.h"
#include "support/numbers.h"

#include <math.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#ifdef __x86_64__
#include <immintrin.h>
#endif

#define WAYS 3

static double microseconds(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec * 1e6 + (double)now.tv_nsec * 1e-3;
}

static int compare(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;

    return (x > y) - (x < y);
}

static double median(double *values, int count)
{
    qsort(values, (size_t)count, sizeof(*values), compare);
    return values[count / 2];
}

#ifdef __x86_64__
/* Sixteen sums that do not wait for each other; GFLOP/s. */
__attribute__((target("avx512f"))) static double peak_512(void)
{
    __m512 sum[16], a = _mm512_set1_ps(1e-3F), b = _mm512_set1_ps(0.999F);
    double start = microseconds();
    volatile float sink;

    for (int i = 0; i < 16; i++)
        sum[i] = _mm512_set1_ps((float)i);
    for (int i = 0; i < 100000; i++) {
#pragma GCC unroll 16
        for (int j = 0; j < 16; j++)
            sum[j] = _mm512_fmadd_ps(sum[j], b, a);
    }
    start = microseconds() - start;
    for (int j = 1; j < 16; j++)
        sum[0] = _mm512_add_ps(sum[0], sum[j]);
    sink = _mm512_reduce_add_ps(sum[0]);
    (void)sink;
    return 16 * 2 * 16 * 100000 / start * 1e-3;
}

__attribute__((target("avx2,fma"))) static double peak_256(void)
{
    __m256 sum[12], a = _mm256_set1_ps(1e-3F), b = _mm256_set1_ps(0.999F);
    double start = microseconds();
    volatile float sink;

    for (int i = 0; i < 12; i++)
        sum[i] = _mm256_set1_ps((float)i);
    for (int i = 0; i < 100000; i++) {
#pragma GCC unroll 12
        for (int j = 0; j < 12; j++)
            sum[j] = _mm256_fmadd_ps(sum[j], b, a);
    }
    start = microseconds() - start;
    for (int j = 1; j < 12; j++)
        sum[0] = _mm256_add_ps(sum[0], sum[j]);
    sink = _mm256_cvtss_f32(sum[0]);
    (void)sink;
    return 12 * 2 * 8 * 100000 / start * 1e-3;
}
#endif

static double peak(enum isa isa)
{
    double best = 0;

    for (int i = 0; i < 20; i++) {
#ifdef __x86_64__
        if (isa == ISA_AVX512)
            best = fmax(best, peak_512());
        if (isa == ISA_AVX2)
            best = fmax(best, peak_256());
#endif
    }
    return best;
}

static float *random_array(size_t count)
{
    float *values = memory_aligned_array(count, sizeof(float));

    if (!values)
        exit(1);
    random_fill(values, count, -1, 1);
    return values;
}

static void bench_convolution(const struct graph *graph, const struct node *node, int rounds,
                              const struct kernels *kernels, double limit)
{
    const struct tensor *tensors = graph->tensors;
    const int64_t *in = tensors[node->inputs[0]].shape.extent;
    const int64_t *out = tensors[node->output].shape.extent;
    struct convolution convolution = {
        .sizes = {(int)in[1], (int)in[2], (int)in[3], (int)out[1], (int)out[2], (int)out[3]},
        .window = node->convolution.window,
        .groups = node->convolution.groups};
    const float *weights = tensors[node->inputs[1]].values;
    const float *bias = node->input_count == 3 ? tensors[node->inputs[2]].values : NULL;
    struct convolution_flat *flat[WAYS] = {0}, *chosen;
    double *times[WAYS], flops = 2e-3 * (double)node_multiply_adds(graph, node);
    size_t scratch_size = convolution_scratch(&convolution);
    float *input = random_array((size_t)shape_elements(&tensors[node->inputs[0]].shape));
    float *output = random_array((size_t)shape_elements(&tensors[node->output].shape));
    float *average = random_array((size_t)(out[2] * out[3])), *scratch;
    int best = WAYS - 1;

    if (!weights ||
        !convolution_flat_create(&flat[0], &convolution, kernels->flat, ROWS_ALONE, weights,
                                 bias) ||
        !convolution_flat_create(&flat[1], &convolution, kernels->flat, ROWS_IN_PAIRS, weights,
                                 bias) ||
        !convolution_flat_create(&chosen, &convolution, kernels->flat, ROWS_CHEAPEST, weights,
                                 bias))
        exit(1);
    for (int way = 0; way < WAYS; way++) {
        times[way] = memory_array((size_t)rounds, sizeof(double));
        if (!times[way])
            exit(1);
        if (flat[way] && convolution_flat_scratch(flat[way]) > scratch_size)
            scratch_size = convolution_flat_scratch(flat[way]);
        if (flat[way] && chosen &&
            convolution_flat_cost(chosen) == convolution_flat_cost(flat[way]))
            best = way;
    }
    scratch = random_array(scratch_size);
    for (int round = 0; round < rounds; round++) {
        for (int way = 0; way < WAYS; way++) {
            struct convolution_flat_run run = {input, (int)in[2], output,  (int)out[2],
                                               0,     INFINITY,   average, (int)out[2]};
            double start;

            for (int warm = 0; warm < 2; warm++) {
                start = microseconds();
                if (flat[way])
                    convolution_flat_run(flat[way], &run, 0, (int)out[2], scratch);
                else if (way == WAYS - 1)
                    convolution_run(&convolution, input, weights, bias, output, scratch);
            }
            times[way][round] = microseconds() - start;
        }
    }
    printf("%-14s %3dx%3dx%3d -> %3dx%3dx%3d", node->name, (int)in[1], (int)in[2], (int)in[3],
           (int)out[1], (int)out[2], (int)out[3]);
    for (int way = 0; way < WAYS; way++) {
        double time = median(times[way], rounds);

        if (way < WAYS - 1 && !flat[way])
            printf("         -              ");
        else
            printf(" %8.2f%c %6.1f %5.1f%%", time, way == best ? '*' : ' ', flops / time,
                   limit > 0 ? 100 * flops / time / limit : 0);
        free(times[way]);
        convolution_flat_destroy(flat[way]);
    }
    printf("\n");
    convolution_flat_destroy(chosen);
    free(input);
    free(output);
    free(average);
    free(scratch);
}

/* The whole network, the same with the averages of its levels, and the mask. */
static void bench_network(const struct graph *graph, int rounds, enum isa isa)
{
    struct forward *forward[2];
    struct visualbackprop *walk = NULL;
    double *times[4], start;
    VbpError error;

    for (int i = 0; i < 4; i++) {
        times[i] = memory_array((size_t)rounds, sizeof(double));
        if (!times[i])
            exit(1);
    }
    for (int i = 0; i < 2; i++) {
        struct forward_options options = {.level_averages = i == 1, .isa = isa};

        if (forward_create(&forward[i], graph, &options, &error) != VBP_OK)
            exit(1);
        random_fill(forward_input(forward[i]),
                    (size_t)shape_elements(&graph->tensors[graph->input].shape), 0, 1);
    }
    if (graph->level_count > 0 && visualbackprop_create(&walk, graph, false, &error) != VBP_OK)
        exit(1);
    for (int round = 0; round < rounds; round++) {
        for (int i = 0; i < 2; i++) {
            start = microseconds();
            if (forward_run(forward[i], &error) != VBP_OK)
                exit(1);
            times[i][round] = microseconds() - start;
        }
        start = microseconds();
        if (walk && visualbackprop_run(walk, forward[1], &error) != VBP_OK)
            exit(1);
        times[2][round] = microseconds() - start;
        times[3][round] = times[1][round] + times[2][round] - times[0][round];
    }
    for (int i = 0; i < 4; i++) {
        static const char *const names[] = {"forward", "with averages", "mask from them",
                                            "mask in all"};
        printf("%-14s %8.1f us\n", names[i], median(times[i], rounds));
        free(times[i]);
    }
    visualbackprop_destroy(&walk);
    forward_destroy(&forward[0]);
    forward_destroy(&forward[1]);
}

int main(int argc, char **argv)
{
    int rounds = argc > 2 ? (int)strtol(argv[2], NULL, 10) : 51;
    enum isa isa = ISA_BEST;
    const struct kernels *kernels;
    VbpModel *model;
    VbpError error;
    double limit;

    if (argc < 2 || rounds < 1 || (argc > 3 && !isa_parse(argv[3], &isa))) {
        fprintf(stderr, "usage: kernels_bench MODEL [ROUNDS [c|avx2|avx512]]\n");
        return 2;
    }
    threads_limit_blas(1);
    kernels = kernels_best(isa);
    limit = peak(kernels->isa);
    if (vbp_model_open(&model, argv[1], NULL, &error) != VBP_OK) {
        fprintf(stderr, "kernels_bench: %s\n", error.message);
        return 1;
    }
    printf("%s, peak %.1f GFLOP/s; us, GFLOP/s, share of peak: rows alone, in pairs, im2col\n",
           kernels->name, limit);
    for (int i = 0; i < model->folded->node_count; i++) {
        if (model->folded->nodes[i].kind == NODE_CONVOLUTION)
            bench_convolution(model->folded, &model->folded->nodes[i], rounds, kernels, limit);
    }
    bench_network(model->folded, rounds, isa);
    vbp_model_close(&model);
    return 0;
}
