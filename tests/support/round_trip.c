#include "support/round_trip.h"

#include "base/file.h"
#include "formats/formats.h"
#include "nn/forward.h"
#include "support/graph_case.h"
#include "support/loader_check.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

struct graph *round_trip_read(const unsigned char *bytes, size_t length, char **card)
{
    struct graph *graph;
    VbpError error;

    if (onnx_load(bytes, length, NULL, &graph, card, &error) != VBP_OK)
        fail_msg("%s", error.message);
    return graph;
}

/* Keeps the file where VBP_ONNX_FILES says, for trying it in another runtime. */
static void keep_file(const unsigned char *bytes, size_t length)
{
    static int number;
    const char *folder = getenv("VBP_ONNX_FILES");
    char path[400];
    VbpError error;

    if (!folder)
        return;
    snprintf(path, sizeof(path), "%s/%03d.onnx", folder, number++);
    assert_int_equal(file_write(path, bytes, length, &error), VBP_OK);
}

struct graph *round_trip_make(const struct graph *graph)
{
    struct graph *loaded;
    unsigned char *bytes;
    size_t length;
    char *card;
    VbpError error;

    if (onnx_write(graph, NULL, &bytes, &length, &error) != VBP_OK)
        fail_msg("%s", error.message);
    save_seed("onnx", bytes, length);
    keep_file(bytes, length);
    loaded = round_trip_read(bytes, length, &card);
    assert_null(card);
    free(bytes);
    assert_string_equal(loaded->tensors[loaded->input].name, graph->tensors[graph->input].name);
    assert_true(
        shape_equal(&loaded->tensors[loaded->input].shape, &graph->tensors[graph->input].shape));
    assert_int_equal(loaded->output_count, graph->output_count);
    for (int i = 0; i < graph->output_count; i++) {
        assert_string_equal(loaded->tensors[loaded->outputs[i]].name,
                            graph->tensors[graph->outputs[i]].name);
        assert_true(shape_equal(&loaded->tensors[loaded->outputs[i]].shape,
                                &graph->tensors[graph->outputs[i]].shape));
    }
    assert_int_equal(loaded->level_count, graph->level_count);
    return loaded;
}

void round_trip_outputs(const struct graph *graph, const struct graph *loaded, const float *input,
                        float tolerance)
{
    const struct graph *graphs[2] = {graph, loaded};
    struct forward *forward[2];
    VbpError error;

    for (int i = 0; i < 2; i++) {
        const struct shape *shape = &graphs[i]->tensors[graphs[i]->input].shape;
        const struct forward_options options = {0};

        if (forward_create(&forward[i], graphs[i], &options, &error) != VBP_OK)
            fail_msg("%s", error.message);
        memcpy(forward_input(forward[i]), input, (size_t)shape_elements(shape) * sizeof(float));
        if (forward_run(forward[i], &error) != VBP_OK)
            fail_msg("%s", error.message);
    }
    for (int o = 0; o < graph->output_count; o++) {
        const float *a = forward_tensor(forward[0], graph->outputs[o]);
        const float *b = forward_tensor(forward[1], loaded->outputs[o]);
        size_t count = (size_t)shape_elements(&graph->tensors[graph->outputs[o]].shape);

        if (tolerance == 0)
            assert_memory_equal(a, b, count * sizeof(float));
        for (size_t i = 0; i < count; i++)
            assert_true(fabsf(a[i] - b[i]) <= tolerance * fmaxf(1, fabsf(a[i])));
    }
    forward_destroy(&forward[0]);
    forward_destroy(&forward[1]);
}

void round_trip_random(const struct graph *graph, const struct graph *loaded, uint32_t seed,
                       float tolerance)
{
    size_t count = (size_t)shape_elements(&graph->tensors[graph->input].shape);
    float *input = malloc(count * sizeof(*input));

    assert_non_null(input);
    for (size_t i = 0; i < count; i++)
        input[i] = 4 * graph_case_random(&seed);
    round_trip_outputs(graph, loaded, input, tolerance);
    free(input);
}

void round_trip_same(struct graph *graph, int output)
{
    struct graph *loaded;
    const struct node *a, *b;
    char producer[64];

    graph_case_finish(graph, output);
    loaded = round_trip_make(graph);
    round_trip_random(graph, loaded, 1, 0);
    assert_int_equal(loaded->node_count, graph->node_count);
    for (int i = 0; i < graph->node_count; i++) {
        a = &graph->nodes[i];
        b = &loaded->nodes[i];
        assert_int_equal(a->kind, b->kind);
        assert_string_equal(a->name, b->name);
        assert_int_equal(a->input_count, b->input_count);
    }
    snprintf(producer, sizeof(producer), "vbp %s", vbp_version());
    assert_string_equal(loaded->producer, producer);
    graph_destroy(&loaded);
    graph_destroy(&graph);
}
