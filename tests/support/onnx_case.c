#include "support/onnx_case.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

void onnx_case_begin(struct onnx_builder *builder, int opset)
{
    onnx_builder_begin(builder, opset);
    onnx_builder_input(builder, "x", NUMBERS(1, 2, 6, 8));
}

int onnx_case_load(struct onnx_builder *builder, const struct model_hints *hints,
                   struct graph **graph, VbpError *error)
{
    unsigned char *bytes;
    size_t length;
    char *card;
    int result;

    onnx_builder_pack(builder, &bytes, &length);
    onnx_builder_end(builder);
    save_seed("onnx", bytes, length);
    result = onnx_load(bytes, length, hints, graph, &card, error);
    free(bytes);
    free(card);
    return result;
}

struct graph *onnx_case_good(struct onnx_builder *builder)
{
    struct graph *graph;
    VbpError error = {0};

    onnx_builder_output(builder, "y");
    if (onnx_case_load(builder, NULL, &graph, &error) != VBP_OK)
        fail_msg("%s", error.message);
    return graph;
}

void onnx_case_refused(struct onnx_builder *builder, int status, const char *message)
{
    struct graph *graph;
    VbpError error = {0};
    int result;

    onnx_builder_output(builder, "y");
    result = onnx_case_load(builder, NULL, &graph, &error);
    assert_string_equal(error.message, message);
    assert_int_equal(result, status);
    assert_int_equal(error.status, status);
    assert_null(graph);
}

const struct node *onnx_case_node(const struct graph *graph, const char *output)
{
    int tensor = graph_find_tensor(graph, output);

    assert_true(tensor >= 0 && graph->tensors[tensor].producer >= 0);
    return &graph->nodes[graph->tensors[tensor].producer];
}
