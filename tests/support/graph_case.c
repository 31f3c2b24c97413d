#include "support/graph_case.h"

#include "support/onnx_builder.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

float graph_case_random(uint32_t *seed)
{
    *seed = *seed * 1664525 + 1013904223;
    return (float)(*seed >> 8) / (float)(1 << 23) - 1;
}

struct graph *graph_case_begin(int rank, const int64_t *extents)
{
    struct shape shape = {.rank = rank};
    struct graph *graph;
    VbpError error;

    memcpy(shape.extent, extents, (size_t)rank * sizeof(*extents));
    assert_int_equal(graph_create(&graph, &error), VBP_OK);
    assert_true(graph_add_input(graph, "picture", &shape, &error) >= 0);
    return graph;
}

struct graph *graph_case_picture(void)
{
    return graph_case_begin(4, (const int64_t[]){1, 2, 7, 8});
}

int graph_case_constant(struct graph *graph, const char *name, float least, size_t rank,
                        const int64_t *extents)
{
    struct shape shape = {.rank = (int)rank};
    uint32_t seed = (uint32_t)graph->tensor_count + 7;
    float *values;
    VbpError error;
    int64_t count;
    int tensor;

    memcpy(shape.extent, extents, rank * sizeof(*extents));
    count = shape_elements(&shape);
    values = malloc((size_t)count * sizeof(*values));
    assert_non_null(values);
    for (int64_t i = 0; i < count; i++)
        values[i] = graph_case_random(&seed) + 1 + least;
    tensor = graph_add_constant(graph, name, &shape, values, &error);
    free(values);
    assert_true(tensor >= 0);
    return tensor;
}

int graph_case_add(struct graph *graph, struct node node, const char *name, size_t count,
                   const int *inputs)
{
    int copy[8];
    VbpError error;
    int tensor;

    memcpy(copy, inputs, count * sizeof(*inputs));
    node.name = (char *)name;
    node.inputs = copy;
    node.input_count = (int)count;
    tensor = graph_add_node(graph, &node, name, &error);
    if (tensor < 0)
        fail_msg("%s", error.message);
    return tensor;
}

int graph_case_function(struct graph *graph, enum activation function, float alpha, float beta,
                        int input)
{
    const struct node node = {.kind = NODE_ACTIVATION,
                              .activation = {.function = function, .alpha = alpha, .beta = beta}};

    return graph_case_add(graph, node, activation_name(function), INPUTS(input));
}

void graph_case_finish(struct graph *graph, int output)
{
    VbpError error;

    assert_int_equal(graph_mark_output(graph, output, &error), VBP_OK);
    if (graph_finish(graph, &error) != VBP_OK)
        fail_msg("%s", error.message);
}

struct graph *graph_case_everything(void)
{
    const struct node convolution = {
        .kind = NODE_CONVOLUTION,
        .convolution = {.window = {.kernel = {3, 3}, .stride = {1, 1}, .dilation = {1, 1}},
                        .groups = 1}};
    const struct node dense = {.kind = NODE_DENSE};
    const struct node norm = {.kind = NODE_BATCH_NORM, .batch_norm.epsilon = 1e-5f};
    const struct node pool = {.kind = NODE_MAX_POOL, .pool.window = window_make(2, 2)};
    const struct node mean = {.kind = NODE_GLOBAL_AVERAGE_POOL};
    const struct node concat = {.kind = NODE_CONCAT, .concat.axis = 1};
    const struct node turn = {.kind = NODE_TRANSPOSE, .transpose = {{0, 2, 3, 1}}};
    const struct node flat = {.kind = NODE_RESHAPE, .reshape.shape = {.rank = 2, .extent = {1, 4}}};
    struct graph *graph = graph_case_picture();
    int data = graph_case_add(graph, convolution, "conv",
                              INPUTS(graph->input,
                                     graph_case_constant(graph, "w", -1, NUMBERS(4, 2, 3, 3)),
                                     graph_case_constant(graph, "b", -1, NUMBERS(4))));

    data = graph_case_add(graph, norm, "norm",
                          INPUTS(data, graph_case_constant(graph, "n0", 0, NUMBERS(4)),
                                 graph_case_constant(graph, "n1", -1, NUMBERS(4)),
                                 graph_case_constant(graph, "n2", -1, NUMBERS(4)),
                                 graph_case_constant(graph, "n3", 0.5f, NUMBERS(4))));
    for (int i = 0; i < 20; i++)
        data = graph_case_function(graph, (enum activation)(i % ACTIVATION_COUNT), 0, 1.5f, data);
    data = graph_case_add(graph, pool, "pool", INPUTS(data));
    data = graph_case_add(graph, concat, "concat", INPUTS(data, data));
    data = graph_case_add(graph, turn, "turn",
                          INPUTS(graph_case_add(graph, mean, "mean", INPUTS(data))));
    data = graph_case_add(graph, dense, "dense",
                          INPUTS(data, graph_case_constant(graph, "dw", -1, NUMBERS(4, 8)),
                                 graph_case_constant(graph, "db", -1, NUMBERS(4))));
    data = graph_case_add(graph, flat, "flat", INPUTS(data));
    graph_case_finish(
        graph, graph_case_add(graph, dense, "steering",
                              INPUTS(data, graph_case_constant(graph, "ew", -1, NUMBERS(1, 4)),
                                     graph_case_constant(graph, "eb", -1, NUMBERS(1)))));
    return graph;
}
