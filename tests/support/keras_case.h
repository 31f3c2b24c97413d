/* What the tests of the Keras loader share: a small network is built, loaded, run and compared. */
#ifndef VBP_TESTS_SUPPORT_KERAS_CASE_H
#define VBP_TESTS_SUPPORT_KERAS_CASE_H

#include "support/keras_builder.h"

/* Loads the network; the test fails where that does not work. */
struct graph *keras_case_good(struct keras_builder *builder);

/* It has to be refused, with a message that contains the text. */
void keras_case_refused(struct keras_builder *builder, const char *message);

/* Loads it, runs it on the input (of `length` floats) and compares its outputs, one after the
 * other, with `count` expected numbers. */
void keras_case_check(struct keras_builder *builder, const float *input, size_t length,
                      const double *expected, size_t count);

/* Runs a graph in the same way. */
void keras_case_run(const struct graph *graph, const float *input, size_t length,
                    const double *expected, size_t count);

#endif
