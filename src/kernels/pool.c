#include "kernels/pool.h"

#include <math.h>

void max_pool_run(const struct window_sizes *sizes, const struct window *window, const float *input,
                  float *output)
{
    size_t plane = (size_t)sizes->input_height * (size_t)sizes->input_width;

    for (int c = 0; c < sizes->input_channels; c++, input += plane) {
        for (int y = 0; y < sizes->output_height; y++) {
            int top = y * window->stride[0] - window->pad_begin[0];
            int first_y, last_y;

            window_clip(window, 0, top, sizes->input_height, &first_y, &last_y);
            for (int x = 0; x < sizes->output_width; x++) {
                int left = x * window->stride[1] - window->pad_begin[1];
                float largest = -INFINITY;
                int first_x, last_x;

                window_clip(window, 1, left, sizes->input_width, &first_x, &last_x);
                for (int ky = first_y; ky <= last_y; ky++) {
                    const float *row = input + (size_t)(top + ky * window->dilation[0]) *
                                                   (size_t)sizes->input_width;

                    for (int kx = first_x; kx <= last_x; kx++) {
                        float value = row[left + kx * window->dilation[1]];

                        if (!(value <= largest)) /* true for NaN too */
                            largest = value;
                        if (isnan(largest))
                            break;
                    }
                    if (isnan(largest))
                        break;
                }
                *output++ = largest;
            }
        }
    }
}

void average_pool_run(const struct window_sizes *sizes, const struct window *window,
                      bool include_padding, const float *input, float *output)
{
    size_t plane = (size_t)sizes->input_height * (size_t)sizes->input_width;

    for (int c = 0; c < sizes->input_channels; c++, input += plane) {
        for (int y = 0; y < sizes->output_height; y++) {
            int top = y * window->stride[0] - window->pad_begin[0];
            int first_y, last_y;

            window_clip(window, 0, top, sizes->input_height, &first_y, &last_y);
            for (int x = 0; x < sizes->output_width; x++) {
                int left = x * window->stride[1] - window->pad_begin[1];
                int first_x, last_x, cells;
                double sum = 0;

                window_clip(window, 1, left, sizes->input_width, &first_x, &last_x);
                for (int ky = first_y; ky <= last_y; ky++) {
                    const float *row = input + (size_t)(top + ky * window->dilation[0]) *
                                                   (size_t)sizes->input_width;

                    for (int kx = first_x; kx <= last_x; kx++)
                        sum += (double)row[left + kx * window->dilation[1]];
                }
                cells = (last_y - first_y + 1) * (last_x - first_x + 1);
                if (include_padding)
                    cells = window_padded_cells(window, 0, top, sizes->input_height) *
                            window_padded_cells(window, 1, left, sizes->input_width);
                *output++ = (float)(sum / cells);
            }
        }
    }
}

void global_average_pool_run(const float *input, size_t channels, size_t plane, float *output)
{
    for (size_t c = 0; c < channels; c++) {
        double sum = 0;

        for (size_t i = 0; i < plane; i++)
            sum += (double)input[c * plane + i];
        output[c] = (float)(sum / (double)plane);
    }
}
