/* libFuzzer: any bytes as a file, with and without a hint of the input's size. */
#include "formats/formats.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length);

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length)
{
    struct model_hints hints = {.input_width = 64, .input_height = 48};

    for (int i = 0; i < 2; i++) {
        struct graph *graph = NULL;
        VbpError error;

        torch7_load(bytes, length, i ? &hints : NULL, &graph, &error);
        graph_destroy(&graph);
    }
    return 0;
}
