/* What the tests of the ONNX loader share: one small network is built, loaded and looked at. */
#ifndef VBP_TESTS_SUPPORT_ONNX_CASE_H
#define VBP_TESTS_SUPPORT_ONNX_CASE_H

#include "formats/formats.h"
#include "support/loader_check.h"
#include "support/onnx_builder.h"

/* Begins a network of that opset with the input "x" of 1x2x6x8. */
void onnx_case_begin(struct onnx_builder *builder, int opset);

/* Packs, ends the builder and loads. The graph is the caller's. The card is dropped. */
int onnx_case_load(struct onnx_builder *builder, const struct model_hints *hints,
                   struct graph **graph, VbpError *error);

/* The same with output "y" marked first; the test fails where it does not load. */
struct graph *onnx_case_good(struct onnx_builder *builder);

/* The same where it has to be refused with exactly that message. */
void onnx_case_refused(struct onnx_builder *builder, int status, const char *message);

/* The node whose output is called that. */
const struct node *onnx_case_node(const struct graph *graph, const char *output);

#endif
