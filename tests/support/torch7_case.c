#include "support/torch7_case.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

const struct model_hints torch7_case_hints = {.input_width = 8, .input_height = 6};

void torch7_case_begin(struct torch7_builder_file *file)
{
    *file = (struct torch7_builder_file){0};
    torch7_begin_object(file, "nn.Sequential");
    torch7_key(file, "modules");
    torch7_begin_table(file);
}

void torch7_case_end(struct torch7_builder_file *file)
{
    torch7_end(file);
    torch7_end(file);
}

void torch7_case_module(struct torch7_builder_file *file, int position, const char *class_name)
{
    torch7_position(file, position);
    torch7_begin_object(file, class_name);
}

void torch7_case_convolution(struct torch7_builder_file *file, int position, const char *class_name)
{
    torch7_case_module(file, position, class_name);
    torch7_set(file, "nInputPlane", 2);
    torch7_set(file, "nOutputPlane", 3);
    torch7_set(file, "kH", 3);
    torch7_set(file, "kW", 2);
    torch7_set(file, "dH", 2);
    torch7_set(file, "dW", 1);
    torch7_set(file, "padH", 1);
    torch7_set(file, "padW", 0);
    torch7_key(file, "weight");
    torch7_put_tensor(file, "torch.FloatTensor", 4, EXTENTS(3, 2, 3, 2), NULL);
    torch7_key(file, "bias");
    torch7_put_tensor(file, "torch.DoubleTensor", 1, EXTENTS(3), ELEMENTS(0.5, 1.5, 2.5));
    torch7_end(file);
}

int torch7_case_load(struct torch7_builder_file *file, const struct model_hints *hints,
                     struct graph **graph, VbpError *error)
{
    int result;

    save_seed("torch7", file->bytes, file->length);
    result = torch7_load(file->bytes, file->length, hints, graph, error);
    torch7_builder_free(file);
    return result;
}

struct graph *torch7_case_good(struct torch7_builder_file *file, const struct model_hints *hints)
{
    struct graph *graph;
    VbpError error = {0};

    if (torch7_case_load(file, hints, &graph, &error) != VBP_OK)
        fail_msg("%s", error.message);
    return graph;
}

void torch7_case_refused(struct torch7_builder_file *file, const struct model_hints *hints,
                         int status, const char *message)
{
    struct graph *graph;
    VbpError error = {0};

    assert_int_equal(torch7_case_load(file, hints, &graph, &error), status);
    assert_string_equal(error.message, message);
    assert_null(graph);
}

void torch7_case_batch_norm(struct torch7_builder_file *file, int position, const char *spread,
                            double a, double b, int affine)
{
    torch7_case_module(file, position, "cudnn.SpatialBatchNormalization");
    torch7_set(file, "eps", 0.25);
    torch7_key(file, "running_mean");
    torch7_put_tensor(file, "torch.FloatTensor", 1, EXTENTS(2), ELEMENTS(7, 8));
    torch7_key(file, spread);
    torch7_put_tensor(file, "torch.FloatTensor", 1, EXTENTS(2), ELEMENTS(a, b));
    if (affine) {
        torch7_key(file, "weight");
        torch7_put_tensor(file, "torch.FloatTensor", 1, EXTENTS(2), ELEMENTS(3, 4));
        torch7_key(file, "bias");
        torch7_put_tensor(file, "torch.FloatTensor", 1, EXTENTS(2), ELEMENTS(5, 6));
    }
    torch7_end(file);
}

void torch7_case_linear(struct torch7_builder_file *file, int position, int64_t outputs,
                        int64_t inputs)
{
    torch7_case_module(file, position, "nn.Linear");
    torch7_key(file, "weight");
    torch7_put_tensor(file, "torch.FloatTensor", 2, EXTENTS(outputs, inputs), NULL);
    torch7_key(file, "bias");
    torch7_put_tensor(file, "torch.FloatTensor", 1, EXTENTS(outputs), NULL);
    torch7_end(file);
}
