/*
 * Writes a network that `vbp train` knows, with random weights, to measure where there is no
 * trained one: its time does not depend on what it learned.
 *
 *     random_network NAME OUT.onnx
 */
#include "base/file.h"
#include "formats/formats.h"
#include "train/network.h"

#include <stdio.h>
#include <stdlib.h>

int main(int argc, char **argv)
{
    struct graph *graph = NULL;
    unsigned char *bytes = NULL;
    size_t length;
    VbpError error;
    int result;

    if (argc != 3) {
        fprintf(stderr, "usage: random_network NAME OUT.onnx\n");
        return 2;
    }
    result = network_build(&graph, argv[1], 1, &error);
    if (result == VBP_OK)
        result = onnx_write(graph, NULL, &bytes, &length, &error);
    if (result == VBP_OK)
        result = file_write(argv[2], bytes, length, &error);
    if (result != VBP_OK)
        fprintf(stderr, "random_network: %s\n", error.message);
    free(bytes);
    graph_destroy(&graph);
    return result == VBP_OK ? 0 : 1;
}
