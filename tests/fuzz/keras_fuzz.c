/* libFuzzer: any bytes as a file of Keras, .h5 or .keras, with and without hints. */
#include "formats/formats.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length);

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length)
{
    const struct card_lambda all = {(char *)"*", 2, -1};
    const struct model_hints hints = {
        .input_width = 64, .input_height = 48, .lambdas = &all, .lambda_count = 1};

    if (!keras_recognise(bytes, length))
        return 0;
    for (int i = 0; i < 2; i++) {
        struct graph *graph = NULL;
        VbpError error;

        keras_load(bytes, length, NULL, i ? &hints : NULL, &graph, &error);
        graph_destroy(&graph);
    }
    return 0;
}
