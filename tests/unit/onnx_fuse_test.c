/* onnx_fuse.c: activations that exporters write as several operators. */
#include "support/onnx_case.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

static void number(struct onnx_builder *b, const char *name, float value)
{
    onnx_builder_floats(b, name, NUMBERS(1), &value);
}

/* The ways in which exporters write the formula of GELU. */
static void test_gelu_spellings(void **state)
{
    static const struct {
        const char *operator[5], *inputs[5];
    } cases[] = {
        {{"Div", "Erf", "Add", "Mul", "Mul"}, {"x root", "1", "one 2", "3 x", "half 4"}},
        {{"Mul", "Erf", "Add", "Mul", "Mul"}, {"inverse x", "1", "2 one", "half 3", "4 x"}},
        {{"Mul", "Erf", "Add", "Mul", "Mul"}, {"x inverse", "1", "2 one", "half x", "4 3"}},
        {{"Mul", "Div", "Erf", "Add", "Mul"}, {"half x", "x root", "2", "3 one", "1 4"}},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct onnx_builder b;
        struct graph *graph;

        onnx_case_begin(&b, 13);
        number(&b, "root", 1.41421356f);
        number(&b, "inverse", 0.70703f); /* as half precision has it */
        number(&b, "one", 1);
        number(&b, "half", 0.5f);
        for (int j = 0; j < 5; j++) {
            const char *names[5] = {"1", "2", "3", "4", "g"};

            onnx_builder_node(&b, cases[i].operator[j], names[j], cases[i].inputs[j], names[j]);
        }
        onnx_builder_node(&b, "GlobalAveragePool", "pool", "g", "y");
        graph = onnx_case_good(&b);
        assert_int_equal(graph->node_count, 2);
        assert_int_equal(graph->nodes[0].kind, NODE_ACTIVATION);
        assert_int_equal(graph->nodes[0].activation.function, ACTIVATION_GELU);
        assert_int_equal(graph->nodes[0].inputs[0], graph->input);
        assert_int_equal(graph->level_count, 1);
        graph_destroy(&graph);
    }
}

static void test_gelu_refused(void **state)
{
    static const char reason[] =
        "is a part of the formula of GELU, and what else is done with it is not supported";
    struct onnx_builder b;
    char message[300];

    (void)state;
    onnx_case_begin(&b, 13);
    onnx_builder_node(&b, "Erf", "e", "x", "y");
    onnx_case_refused(&b, VBP_ERROR_UNSUPPORTED,
                      "node 'e' (Erf): only Erf(x / sqrt 2), as a part of GELU, is supported");

    for (int i = 0; i < 5; i++) {
        static const char *const operators[] = {"Add", "Mul", "Sub", "Add", "Relu"};
        static const char *const inputs[] = {"e two", "e x", "e one", "e x", "e"};

        onnx_case_begin(&b, 13);
        number(&b, "root", 1.41421356f);
        number(&b, "one", 1);
        number(&b, "two", 2);
        onnx_builder_node(&b, "Div", "d", "x root", "d");
        onnx_builder_node(&b, "Erf", "e", "d", "e");
        onnx_builder_node(&b, operators[i], "n", inputs[i], "y");
        snprintf(message, sizeof(message), "node 'n' (%s): its input 'e' %s", operators[i], reason);
        onnx_case_refused(&b, VBP_ERROR_UNSUPPORTED, message);
    }

    onnx_case_begin(&b, 13);
    number(&b, "root", 1.41421356f);
    onnx_builder_node(&b, "Div", "d", "x root", "d");
    onnx_builder_node(&b, "Erf", "e", "d", "y");
    snprintf(message, sizeof(message), "output 'y' %s", reason);
    onnx_case_refused(&b, VBP_ERROR_UNSUPPORTED, message);
}

/* A gate is no SiLU where it is another tensor's. */
static void test_silu_spellings(void **state)
{
    static const char *const inputs[] = {"x s", "s x", "s t"};

    (void)state;
    for (int i = 0; i < 3; i++) {
        struct onnx_builder b;
        struct graph *graph;

        onnx_case_begin(&b, 13);
        onnx_builder_node(&b, "Tanh", "t", "x", "t");
        onnx_builder_node(&b, "Sigmoid", "s", "x", "s");
        onnx_builder_node(&b, "Mul", "m", inputs[i], "g");
        onnx_builder_node(&b, "GlobalAveragePool", "pool", "g", "y");
        graph = onnx_case_good(&b);
        if (i < 2) {
            assert_int_equal(graph->node_count, 2);
            assert_int_equal(graph->nodes[0].activation.function, ACTIVATION_SILU);
            assert_string_equal(graph->nodes[0].name, "m");
        } else {
            assert_int_equal(graph->node_count, 4);
        }
        assert_int_equal(graph->level_count, i < 2);
        graph_destroy(&graph);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_gelu_spellings),
        cmocka_unit_test(test_gelu_refused),
        cmocka_unit_test(test_silu_spellings),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
