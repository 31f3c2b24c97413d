/* How the values of a node's tensors lie, as the kernels want to be told. */
#ifndef VBP_NN_GEOMETRY_H
#define VBP_NN_GEOMETRY_H

#include "graph/graph.h"
#include "kernels/convolution.h"

/* Of a convolution or pooling. */
struct window_sizes geometry_window_sizes(const struct graph *graph, const struct node *node);
struct convolution geometry_convolution(const struct graph *graph, const struct node *node);

/* Elements from one step along each axis to the next; stride has room for SHAPE_MAX_RANK. */
void geometry_strides(const struct shape *shape, int64_t *stride);

/* Strides of `shape` seen as the broadcast `target`: 0 along axes that it does not have. */
void geometry_broadcast_strides(const struct shape *shape, const struct shape *target,
                                int64_t *stride);

/* Strides through the input of a transposition along the axes of its output. */
void geometry_transposed_strides(const struct graph *graph, const struct node *node,
                                 int64_t *stride);

/*
 * The picture of a concatenation: inputs are blocks of (extents from the axis on) elements, one
 * after the other in each of `rows` rows.
 */
struct blocks {
    size_t rows, row_length;
    size_t inner; /* elements for each step along the axis */
};
struct blocks geometry_blocks(const struct graph *graph, const struct node *node);

/* Writes an input of `length` elements a row to where its block begins. */
void geometry_place_block(const struct blocks *blocks, const float *input, size_t length,
                          float *block);

#endif
