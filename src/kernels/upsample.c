#include "kernels/upsample.h"

#include <string.h>

void upsample_run(const float *input, size_t channels, size_t height, size_t width, size_t rows,
                  size_t columns, float *output)
{
    size_t length = width * columns;

    for (size_t y = 0; y < channels * height; y++) {
        float *first = output;

        for (size_t x = 0; x < length; x++)
            output[x] = input[y * width + x / columns];
        output += length;
        for (size_t row = 1; row < rows; row++, output += length)
            memcpy(output, first, length * sizeof(float));
    }
}

void upsample_mean_run(const float *input, size_t height, size_t width, size_t rows, size_t columns,
                       float *output)
{
    for (size_t y = 0; y < height; y++) {
        for (size_t x = 0; x < width; x++) {
            float sum = 0;

            for (size_t i = 0; i < rows * columns; i++)
                sum +=
                    input[(y * rows + i / columns) * width * columns + x * columns + i % columns];
            output[y * width + x] = sum / (float)(rows * columns);
        }
    }
}
