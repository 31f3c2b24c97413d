/*
 * Graphs that are written as ONNX and read back, for tests. Whatever goes wrong fails the running
 * test.
 */
#ifndef VBP_TESTS_SUPPORT_ROUND_TRIP_H
#define VBP_TESTS_SUPPORT_ROUND_TRIP_H

#include "graph/graph.h"

/* Reads a file; *card is to be freed. */
struct graph *round_trip_read(const unsigned char *bytes, size_t length, char **card);

/* Writes the graph and reads it back: input, outputs and number of levels have to be the same. */
struct graph *round_trip_make(const struct graph *graph);

/* Runs both graphs on the same input and compares all outputs. tolerance 0: to the bit. */
void round_trip_outputs(const struct graph *graph, const struct graph *loaded, const float *input,
                        float tolerance);

/* The same on random numbers. */
void round_trip_random(const struct graph *graph, const struct graph *loaded, uint32_t seed,
                       float tolerance);

/* Takes the graph, whose only output is `output`; it comes back from nodes of the same kinds with
 * the same values. */
void round_trip_same(struct graph *graph, int output);

#endif
