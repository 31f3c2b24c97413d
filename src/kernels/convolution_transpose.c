#include "kernels/convolution_transpose.h"

/* row[x * stride + offset] += weight * input[x], where that lies within 0 .. width - 1. */
static void add_row(const float *input, int input_width, float weight, int stride, int offset,
                    float *restrict row, int width)
{
    int first = offset >= 0 ? 0 : (-offset + stride - 1) / stride;
    int end = offset >= width ? 0 : (width - 1 - offset) / stride + 1;

    if (end > input_width)
        end = input_width;
    if (stride == 1) {
        for (int x = first; x < end; x++)
            row[x + offset] += weight * input[x];
    } else {
        for (int x = first; x < end; x++)
            row[x * stride + offset] += weight * input[x];
    }
}

/* One row of one output channel, which all rows of the input whose windows reach it add to. */
static void make_row(const struct convolution *convolution, const float *input,
                     const float *weights, int y, float *row)
{
    const struct window *window = &convolution->window;
    const struct window_sizes *sizes = &convolution->sizes;
    size_t plane = (size_t)sizes->input_height * (size_t)sizes->input_width;
    size_t cells = (size_t)window->kernel[0] * (size_t)window->kernel[1];
    size_t next = cells * (size_t)(sizes->output_channels / convolution->groups);
    int channels = sizes->input_channels / convolution->groups;

    for (int ky = 0; ky < window->kernel[0]; ky++) {
        int from = y + window->pad_begin[0] - ky * window->dilation[0];

        if (from < 0 || from % window->stride[0] != 0 ||
            from / window->stride[0] >= sizes->input_height)
            continue;
        from /= window->stride[0];
        for (int c = 0; c < channels; c++) {
            const float *line =
                input + (size_t)c * plane + (size_t)from * (size_t)sizes->input_width;
            const float *kernel =
                weights + (size_t)c * next + (size_t)ky * (size_t)window->kernel[1];

            for (int kx = 0; kx < window->kernel[1]; kx++)
                add_row(line, sizes->input_width, kernel[kx], window->stride[1],
                        kx * window->dilation[1] - window->pad_begin[1], row, sizes->output_width);
        }
    }
}

void convolution_transpose_run(const struct convolution *convolution, const float *input,
                               const float *weights, const float *bias, float *output)
{
    const struct window *window = &convolution->window;
    const struct window_sizes *sizes = &convolution->sizes;
    size_t plane = (size_t)sizes->input_height * (size_t)sizes->input_width;
    size_t cells = (size_t)window->kernel[0] * (size_t)window->kernel[1];
    int outputs = sizes->output_channels / convolution->groups;
    int channels = sizes->input_channels / convolution->groups;

    for (int o = 0; o < sizes->output_channels; o++) {
        size_t first = (size_t)(o / outputs) * (size_t)channels;
        const float *kernels = weights + (first * (size_t)outputs + (size_t)(o % outputs)) * cells;

        for (int y = 0; y < sizes->output_height; y++, output += sizes->output_width) {
            for (int x = 0; x < sizes->output_width; x++)
                output[x] = bias ? bias[o] : 0;
            make_row(convolution, input + first * plane, kernels, y, output);
        }
    }
}

void convolution_transpose_map(const struct window *window, const float *map, int map_height,
                               int map_width, bool mean, int height, int width, float *output)
{
    for (int i = 0; i < height * width; i++) {
        int top = i / width * window->stride[0] - window->pad_begin[0];
        int left = i % width * window->stride[1] - window->pad_begin[1];
        float sum = 0;
        int count = 0;

        for (int ky = 0; ky < window->kernel[0]; ky++) {
            int y = top + ky * window->dilation[0];

            for (int kx = 0; kx < window->kernel[1] && y >= 0 && y < map_height; kx++) {
                int x = left + kx * window->dilation[1];

                if (x < 0 || x >= map_width)
                    continue;
                sum += map[(size_t)y * (size_t)map_width + (size_t)x];
                count++;
            }
        }
        output[i] = mean && count > 0 ? sum / (float)count : sum;
    }
}
