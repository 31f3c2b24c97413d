#include "support/keras_case.h"

#include "nn/forward.h"
#include "support/networks.h"
#include "support/numbers.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

struct graph *keras_case_good(struct keras_builder *builder)
{
    struct graph *graph;
    VbpError error = {0};

    if (keras_builder_load(builder, NULL, &graph, &error) != VBP_OK)
        fail_msg("%s", error.message);
    return graph;
}

void keras_case_refused(struct keras_builder *builder, const char *message)
{
    struct graph *graph;
    VbpError error = {0};

    if (keras_builder_load(builder, NULL, &graph, &error) == VBP_OK)
        fail_msg("loaded, but should be refused: %s", message);
    assert_null(graph);
    if (!strstr(error.message, message))
        fail_msg("'%s' is not in '%s'", message, error.message);
}

void keras_case_run(const struct graph *graph, const float *input, size_t length,
                    const double *expected, size_t count)
{
    struct forward *forward = network_forward(graph, false, VBP_AVERAGE_POSITIVE);
    size_t done = 0;

    assert_int_equal(network_elements(graph, graph->input), length);
    network_run(forward, graph, input);
    for (int i = 0; i < graph->output_count; i++) {
        const float *got = forward_tensor(forward, graph->outputs[i]);

        for (size_t j = 0; j < network_elements(graph, graph->outputs[i]); j++, done++) {
            assert_true(done < count);
            check_close((double)got[j], expected[done], 2e-5 * (1 + fabs(expected[done])),
                        graph->tensors[graph->outputs[i]].name);
        }
    }
    assert_int_equal(done, count);
    forward_destroy(&forward);
}

void keras_case_check(struct keras_builder *builder, const float *input, size_t length,
                      const double *expected, size_t count)
{
    struct graph *graph = keras_case_good(builder);

    keras_case_run(graph, input, length, expected, count);
    graph_destroy(&graph);
}
