#include "kernels/pool_backward.h"

/* What a window touches along one axis. */
struct reach {
    int start, end, step; /* cells of the input: start, start + step, ... < end */
    int inside, padded;   /* how many; how many with those of the padding */
};

static struct reach reach_of(const struct window *window, int axis, int output, int size)
{
    int start = output * window->stride[axis] - window->pad_begin[axis];
    int dilation = window->dilation[axis];
    struct reach reach = {.step = dilation, .end = size, .start = size};

    for (int k = 0; k < window->kernel[axis]; k++) {
        int cell = start + k * dilation;

        if (cell < size + window->pad_end[axis])
            reach.padded++;
        if (cell < 0 || cell >= size)
            continue;
        if (reach.inside++ == 0)
            reach.start = cell;
    }
    if (start + (window->kernel[axis] - 1) * dilation < size)
        reach.end = start + (window->kernel[axis] - 1) * dilation + 1;
    return reach;
}

static size_t find_winner(const struct reach *rows, const struct reach *columns, int width,
                          const float *input, float value)
{
    for (int y = rows->start; y < rows->end; y += rows->step) {
        for (int x = columns->start; x < columns->end; x += columns->step) {
            size_t cell = (size_t)y * (size_t)width + (size_t)x;

            if (input[cell] == value)
                return cell;
        }
    }
    return (size_t)rows->start * (size_t)width + (size_t)columns->start;
}

void max_pool_backward_run(const struct window_sizes *sizes, const struct window *window,
                           const float *input, const float *output, const float *gradient,
                           float *input_gradient)
{
    size_t plane = (size_t)sizes->input_height * (size_t)sizes->input_width;

    for (int c = 0; c < sizes->input_channels; c++) {
        for (int y = 0; y < sizes->output_height; y++) {
            struct reach rows = reach_of(window, 0, y, sizes->input_height);

            for (int x = 0; x < sizes->output_width; x++) {
                struct reach columns = reach_of(window, 1, x, sizes->input_width);

                input_gradient[find_winner(&rows, &columns, sizes->input_width, input, *output)] +=
                    *gradient;
                output++;
                gradient++;
            }
        }
        input += plane;
        input_gradient += plane;
    }
}

void average_pool_backward_run(const struct window_sizes *sizes, const struct window *window,
                               bool include_padding, const float *gradient, float *input_gradient)
{
    size_t plane = (size_t)sizes->input_height * (size_t)sizes->input_width;

    for (int c = 0; c < sizes->input_channels; c++, input_gradient += plane) {
        for (int y = 0; y < sizes->output_height; y++) {
            struct reach rows = reach_of(window, 0, y, sizes->input_height);

            for (int x = 0; x < sizes->output_width; x++) {
                struct reach columns = reach_of(window, 1, x, sizes->input_width);
                int cells =
                    include_padding ? rows.padded * columns.padded : rows.inside * columns.inside;
                float share = *gradient++ / (float)cells;

                for (int iy = rows.start; iy < rows.end; iy += rows.step) {
                    float *row = input_gradient + (size_t)iy * (size_t)sizes->input_width;

                    for (int ix = columns.start; ix < columns.end; ix += columns.step)
                        row[ix] += share;
                }
            }
        }
    }
}

void global_average_pool_backward_run(const float *gradient, size_t channels, size_t plane,
                                      float *input_gradient)
{
    for (size_t c = 0; c < channels; c++) {
        float share = gradient[c] / (float)plane;

        for (size_t i = 0; i < plane; i++)
            input_gradient[c * plane + i] += share;
    }
}
