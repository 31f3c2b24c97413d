#include "support/loader_check.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#include <cmocka.h>

void check_shape(const struct graph *graph, int tensor, const char *text)
{
    char buffer[SHAPE_TEXT_SIZE];

    assert_in_range(tensor, 0, graph->tensor_count - 1);
    assert_string_equal(shape_text(&graph->tensors[tensor].shape, buffer), text);
}

void check_values(const struct graph *graph, int tensor, int count, const float *values)
{
    assert_in_range(tensor, 0, graph->tensor_count - 1);
    assert_non_null(graph->tensors[tensor].values);
    assert_true(shape_elements(&graph->tensors[tensor].shape) >= count);
    for (int i = 0; i < count; i++) {
        if (graph->tensors[tensor].values[i] != values[i])
            fail_msg("value %d of '%s' is %g, not %g", i, graph->tensors[tensor].name,
                     (double)graph->tensors[tensor].values[i], (double)values[i]);
    }
}

void check_window(const struct window *window, struct window expected)
{
    for (int axis = 0; axis < 2; axis++) {
        assert_int_equal(window->kernel[axis], expected.kernel[axis]);
        assert_int_equal(window->stride[axis], expected.stride[axis]);
        assert_int_equal(window->dilation[axis], expected.dilation[axis]);
        assert_int_equal(window->pad_begin[axis], expected.pad_begin[axis]);
        assert_int_equal(window->pad_end[axis], expected.pad_end[axis]);
    }
}

void save_seed(const char *target, const void *bytes, size_t length)
{
    static int number;
    const char *folder = getenv("VBP_SEEDS");
    char path[4096];
    FILE *stream;

    if (!folder)
        return;
    snprintf(path, sizeof(path), "%s/%s", folder, target);
    assert_true(mkdir(path, 0777) == 0 || errno == EEXIST);
    snprintf(path, sizeof(path), "%s/%s/%s-%d", folder, target, program_invocation_short_name,
             ++number);
    stream = fopen(path, "wb");
    assert_non_null(stream);
    assert_int_equal(fwrite(bytes, 1, length, stream), length);
    assert_int_equal(fclose(stream), 0);
}
