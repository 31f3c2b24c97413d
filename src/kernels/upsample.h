/* Pictures made larger by repeating their cells. */
#ifndef VBP_KERNELS_UPSAMPLE_H
#define VBP_KERNELS_UPSAMPLE_H

#include <stddef.h>

/* Each cell of channels x height x width becomes a block of `rows` x `columns` equal ones. */
void upsample_run(const float *input, size_t channels, size_t height, size_t width, size_t rows,
                  size_t columns, float *output);

/* The way back: each cell of height x width is the mean of its block in `input`. */
void upsample_mean_run(const float *input, size_t height, size_t width, size_t rows, size_t columns,
                       float *output);

#endif
