/* libFuzzer: any bytes as a file, with and without a hint of the input's size; folded, too. */
#include "formats/formats.h"
#include "graph/fold.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length);

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length)
{
    struct model_hints hints = {.input_width = 64, .input_height = 48};

    for (int i = 0; i < 2; i++) {
        struct graph *graph = NULL;
        char *card = NULL;
        VbpError error;

        if (onnx_load(bytes, length, i ? &hints : NULL, &graph, &card, &error) == VBP_OK)
            graph_fold(graph, &error);
        graph_destroy(&graph);
        free(card);
    }
    return 0;
}
