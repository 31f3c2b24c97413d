/* The two layouts of a picture: channel by channel, and with its channels together. */
#ifndef VBP_KERNELS_LAYOUT_H
#define VBP_KERNELS_LAYOUT_H

#include <stdbool.h>
#include <stddef.h>

/* output[column][row] = input[row][column], or is increased by it. */
void layout_turn(const float *input, size_t rows, size_t columns, bool add, float *output);

#endif
