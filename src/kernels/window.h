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

/* What a convolution or pooling turns into what; sizes of one image, NCHW, batch of one. */
struct window_sizes {
    int input_channels, input_height, input_width;
    int output_channels, output_height, output_width;
};

#endif
