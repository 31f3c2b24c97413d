/*
 * What the tests of the Torch7 loader share: parts of small networks, and loading them. A network
 * is begun, gets modules by position and is ended.
 */
#ifndef VBP_TESTS_SUPPORT_TORCH7_CASE_H
#define VBP_TESTS_SUPPORT_TORCH7_CASE_H

#include "formats/formats.h"
#include "support/loader_check.h"
#include "support/torch7_builder.h"

#define EXTENTS(...)  ((const int64_t[]){__VA_ARGS__})
#define ELEMENTS(...) ((const double[]){__VA_ARGS__})

/* An input 8 wide and 6 high. */
extern const struct model_hints torch7_case_hints;

/* Opens "nn.Sequential" up to its table of modules, and closes it. */
void torch7_case_begin(struct torch7_builder_file *file);
void torch7_case_end(struct torch7_builder_file *file);

/* Opens a module; torch7_end closes it. */
void torch7_case_module(struct torch7_builder_file *file, int position, const char *class_name);

/* Two channels to three, kernel 3 high and 2 wide, stride 2 and 1, padding 1 and 0. */
void torch7_case_convolution(struct torch7_builder_file *file, int position,
                             const char *class_name);

/* Of two channels; `spread` names the field that holds a and b. */
void torch7_case_batch_norm(struct torch7_builder_file *file, int position, const char *spread,
                            double a, double b, int affine);

/* Weights and biases are 0, 1, 2, ... */
void torch7_case_linear(struct torch7_builder_file *file, int position, int64_t outputs,
                        int64_t inputs);

/* Loads what was built, and frees it. */
int torch7_case_load(struct torch7_builder_file *file, const struct model_hints *hints,
                     struct graph **graph, VbpError *error);

/* The same where it has to load, or has to be refused with exactly that message. */
struct graph *torch7_case_good(struct torch7_builder_file *file, const struct model_hints *hints);
void torch7_case_refused(struct torch7_builder_file *file, const struct model_hints *hints,
                         int status, const char *message);

#endif
