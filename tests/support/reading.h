/* Opening and reading sources in tests: what fails, fails the test. */
#ifndef VBP_TESTS_READING_H
#define VBP_TESTS_READING_H

#include "media/source.h"

extern const struct source_options reading_sought;   /* with an index */
extern const struct source_options reading_straight; /* without */

struct source *reading_open(const char *path, const struct source_options *options);

/* The next frame, which there must be. */
void reading_next(struct source *source, struct frame *frame);

/* There must be none. */
void reading_assert_end(struct source *source);

/* Opening must fail with the status, and one line that begins with the path and has the words. */
void reading_expect_refusal(const char *path, int status, const char *words);

/* Writes a file of these bytes. */
void reading_write_file(const char *path, const void *bytes, size_t length);

#endif
