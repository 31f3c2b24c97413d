/* Where a convolution or pooling looks. In all pairs [0] is height and [1] is width. */
#ifndef VBP_KERNELS_WINDOW_H
#define VBP_KERNELS_WINDOW_H

#include <stdint.h>

struct window {
    int kernel[2];
    int stride[2];
    int dilation[2];
    int pad_begin[2];
    int pad_end[2];
};

/* Cells from the first to behind the last one that a window touches: dilation * (kernel - 1) + 1.
 */
static inline int64_t window_span(const struct window *window, int axis)
{
    return (int64_t)window->dilation[axis] * (window->kernel[axis] - 1) + 1;
}

/* The kernel positions first..last (inclusive) whose cell start + k * dilation is in 0..size-1. */
static inline void window_clip(const struct window *window, int axis, int start, int size,
                               int *first, int *last)
{
    int dilation = window->dilation[axis];

    *first = start >= 0 ? 0 : (-start + dilation - 1) / dilation;
    *last = window->kernel[axis] - 1;
    if (start + *last * dilation >= size)
        *last = (size - 1 - start) / dilation;
}

/* Kernel positions that lie inside the input and its padding. */
static inline int window_padded_cells(const struct window *window, int axis, int start, int size)
{
    int end = size + window->pad_end[axis];
    int last = window->kernel[axis] - 1;

    if (start + last * window->dilation[axis] >= end)
        last = (end - 1 - start) / window->dilation[axis];
    return last + 1;
}

/* What a convolution or pooling turns into what; sizes of one image, NCHW, batch of one. */
struct window_sizes {
    int input_channels, input_height, input_width;
    int output_channels, output_height, output_width;
};

#endif
