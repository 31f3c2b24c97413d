/*
 * Builds small Torch7 files in memory, for tests: calls write values one behind the other.
 *
 *     torch7_begin_object(&b, "nn.Linear");
 *     torch7_key(&b, "weight");
 *     torch7_put_tensor(&b, "torch.FloatTensor", 2, extents, values);
 *     torch7_end(&b);
 */
#ifndef VBP_TESTS_SUPPORT_TORCH7_BUILDER_H
#define VBP_TESTS_SUPPORT_TORCH7_BUILDER_H

#include <stddef.h>
#include <stdint.h>

struct torch7_builder_file {
    unsigned char *bytes;
    size_t length;
    int next_index;
    size_t count_position[32]; /* of the open tables: where their number of entries is */
    int depth;
};

void torch7_builder_free(struct torch7_builder_file *file);

void torch7_put_int(struct torch7_builder_file *file, int32_t value);     /* bare */
void torch7_put_long(struct torch7_builder_file *file, int64_t value);    /* bare */
void torch7_put_text(struct torch7_builder_file *file, const char *text); /* bare */

/* Values. */
void torch7_put_number(struct torch7_builder_file *file, double value);
void torch7_put_string(struct torch7_builder_file *file, const char *text);
void torch7_put_boolean(struct torch7_builder_file *file, int value);
/* elements are converted to the class's type: Float, Cuda, Double, Long. NULL: 0, 1, 2, ... */
void torch7_put_tensor(struct torch7_builder_file *file, const char *class_name, int rank,
                       const int64_t *extents, const double *elements);
void torch7_put_longs(struct torch7_builder_file *file, int count, const int64_t *values);

/* Tables and objects: begin, then key and value by turns, then end. */
void torch7_begin_table(struct torch7_builder_file *file);
void torch7_begin_object(struct torch7_builder_file *file, const char *class_name);
void torch7_key(struct torch7_builder_file *file, const char *key);
void torch7_position(struct torch7_builder_file *file, int position);
void torch7_end(struct torch7_builder_file *file);

/* Key and number. */
void torch7_set(struct torch7_builder_file *file, const char *key, double value);

#endif
