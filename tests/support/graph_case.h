/*
 * Builds small networks without a file, for tests. What cannot be built fails the running test.
 * A node's output is called like the node.
 */
#ifndef VBP_TESTS_SUPPORT_GRAPH_CASE_H
#define VBP_TESTS_SUPPORT_GRAPH_CASE_H

#include "graph/graph.h"

/* A list of tensors for graph_case_add: count, pointer. */
#define INPUTS(...) (sizeof((int[]){__VA_ARGS__}) / sizeof(int)), ((const int[]){__VA_ARGS__})

/* The next number of a simple generator, -1 to 1. */
float graph_case_random(uint32_t *seed);

/* A graph with the input "picture"; the second form: of 1x2x7x8. */
struct graph *graph_case_begin(int rank, const int64_t *extents);
struct graph *graph_case_picture(void);

/* Adds a constant of random numbers between least and least + 2, and returns its tensor. */
int graph_case_constant(struct graph *graph, const char *name, float least, size_t rank,
                        const int64_t *extents);

/* Adds a node of the kind and with the attributes of `node`, and returns its output. */
int graph_case_add(struct graph *graph, struct node node, const char *name, size_t count,
                   const int *inputs);

/* The same for an activation, which is called like its function. */
int graph_case_function(struct graph *graph, enum activation function, float alpha, float beta,
                        int input);

/* Marks the output and finishes the graph. */
void graph_case_finish(struct graph *graph, int output);

/* A finished network in which every kind of node and every activation has its place. */
struct graph *graph_case_everything(void);

#endif
