/*
 * Networks built node by node, for tests. Whatever fails, fails the running test. Weights are
 * random. Tensors are named by index, as the graph_add functions give them.
 */
#ifndef VBP_TESTS_SUPPORT_NETWORKS_H
#define VBP_TESTS_SUPPORT_NETWORKS_H

#include "graph/graph.h"
#include "nn/forward.h"

struct graph *network_begin(void);

/* 1 x channels x height x width. */
int network_input(struct graph *graph, int channels, int height, int width);

/* The first `rank` extents count; values NULL: random, -1..1. */
int network_constant(struct graph *graph, struct shape shape, const float *values);

/* A square window that pads alike on all sides. */
struct window window_square(int kernel, int stride, int padding);

int network_convolution(struct graph *graph, int data, int outputs, struct window window,
                        int groups, bool bias);
int network_dense(struct graph *graph, int data, int outputs);
int network_batch_norm(struct graph *graph, int data);
int network_activation(struct graph *graph, int data, enum activation function);
int network_relu(struct graph *graph, int data);
int network_max_pool(struct graph *graph, int data, struct window window, bool ceiling);
int network_average_pool(struct graph *graph, int data, struct window window, bool ceiling,
                         bool include_padding);
int network_global_pool(struct graph *graph, int data);
int network_binary(struct graph *graph, enum binary operation, int a, int b);
int network_concat(struct graph *graph, int axis, int count, const int *inputs);
int network_reshape(struct graph *graph, int data, struct shape shape);
int network_flatten(struct graph *graph, int data); /* to 1 x all */
int network_transpose(struct graph *graph, int data, int a, int b, int c, int d);
int network_identity(struct graph *graph, int data);

void network_finish(struct graph *graph, int output);

/* A random network with branches, and what else the real ones have; finished, never without a
 * level. */
enum {
    NETWORK_TRANSPOSES = 1, /* detours through channels last, also with rectifiers there */
    NETWORK_OUTPUTS = 2,    /* several outputs, some in the middle */
    NETWORK_CURVED = 4,     /* ELU and other nonlinearities, not ReLU alone */
    NETWORK_ALL = 7,        /* what can be trained */
    NETWORK_RARE = 8,       /* PReLU, padding, cropping, repeating, softmax, own statistics */
    NETWORK_EVERY = 15
};
struct graph *network_random(int features);

/* Elements of a tensor. */
size_t network_elements(const struct graph *graph, int tensor);

/* A forward pass over the graph with level averages, to be destroyed by forward_destroy. */
struct forward *network_forward(const struct graph *graph, bool keep_all, VbpAverage average);

/* Runs it on the input (as many floats as the graph's input has elements). */
void network_run(struct forward *forward, const struct graph *graph, const float *input);

/*
 * Every tensor of the graph for this input, by the definitions of the nodes, all in double: a
 * table of arrays, constants included, to be freed by reference_free.
 */
double **reference_run(const struct graph *graph, const float *input);
void reference_free(const struct graph *graph, double **values);

/*
 * The same for a batch of inputs: such a table for each. batch_statistics: batch normalisations use
 * mean and variance of the batch, which then also stand in the place of the constants.
 */
double ***reference_run_batch(const struct graph *graph, const float *inputs, int batch,
                              bool batch_statistics);
void reference_free_batch(const struct graph *graph, double ***samples, int batch);

#endif
