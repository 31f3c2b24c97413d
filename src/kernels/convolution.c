#include "kernels/convolution.h"

#include <cblas.h>
#include <stdbool.h>
#include <string.h>

/* Columns are made for so many output rows at a time that they stay in the second-level cache. */
#define COLUMNS_BYTES ((size_t)256 * 1024)

void convolution_reference(const struct convolution *convolution, const float *input,
                           const float *weights, const float *bias, float *output)
{
    const struct window *window = &convolution->window;
    const struct window_sizes *sizes = &convolution->sizes;
    int channels = sizes->input_channels / convolution->groups;
    int outputs = sizes->output_channels / convolution->groups;

    for (int o = 0; o < sizes->output_channels; o++) {
        const float *kernel = weights + (size_t)o * (size_t)channels *
                                            (size_t)(window->kernel[0] * window->kernel[1]);
        int first_channel = o / outputs * channels;

        for (int y = 0; y < sizes->output_height; y++) {
            for (int x = 0; x < sizes->output_width; x++) {
                double sum = bias ? bias[o] : 0;

                for (int c = 0; c < channels; c++) {
                    for (int ky = 0; ky < window->kernel[0]; ky++) {
                        for (int kx = 0; kx < window->kernel[1]; kx++) {
                            int iy = y * window->stride[0] - window->pad_begin[0] +
                                     ky * window->dilation[0];
                            int ix = x * window->stride[1] - window->pad_begin[1] +
                                     kx * window->dilation[1];

                            if (iy < 0 || iy >= sizes->input_height || ix < 0 ||
                                ix >= sizes->input_width)
                                continue;
                            sum +=
                                (double)
                                    kernel[(c * window->kernel[0] + ky) * window->kernel[1] + kx] *
                                (double)input[((size_t)(first_channel + c) *
                                                   (size_t)sizes->input_height +
                                               (size_t)iy) *
                                                  (size_t)sizes->input_width +
                                              (size_t)ix];
                        }
                    }
                }
                output[((size_t)o * (size_t)sizes->output_height + (size_t)y) *
                           (size_t)sizes->output_width +
                       (size_t)x] = (float)sum;
            }
        }
    }
}

/* True where the input itself is the matrix of columns: 1x1, stride 1, no padding. */
static bool is_pointwise(const struct convolution *convolution)
{
    const struct window *window = &convolution->window;

    return window->kernel[0] == 1 && window->kernel[1] == 1 && window->stride[0] == 1 &&
           window->stride[1] == 1 && window->pad_begin[0] == 0 && window->pad_begin[1] == 0 &&
           window->pad_end[0] == 0 && window->pad_end[1] == 0;
}

static size_t column_length(const struct convolution *convolution)
{
    return (size_t)(convolution->sizes.input_channels / convolution->groups) *
           (size_t)convolution->window.kernel[0] * (size_t)convolution->window.kernel[1];
}

static int rows_at_a_time(const struct convolution *convolution)
{
    size_t row_bytes =
        column_length(convolution) * (size_t)convolution->sizes.output_width * sizeof(float);
    size_t rows = COLUMNS_BYTES / row_bytes;

    if (rows < 1)
        rows = 1;
    if (rows > (size_t)convolution->sizes.output_height)
        rows = (size_t)convolution->sizes.output_height;
    return (int)rows;
}

size_t convolution_scratch(const struct convolution *convolution)
{
    if (is_pointwise(convolution))
        return 0;
    return column_length(convolution) * (size_t)convolution->sizes.output_width *
           (size_t)rows_at_a_time(convolution);
}

/*
 * One line of columns: for kernel column kx, the cells of `row` under output columns 0, 1, ...
 *
 *     output x   0     first        last      width-1
 *     line       0 0 0 row[...] ... row[...]  0 0 0     zeros where the window hangs over
 */
static void fill_line(float *line, const float *row, const struct convolution *convolution, int kx)
{
    const struct window *window = &convolution->window;
    int width = convolution->sizes.output_width;
    int stride = window->stride[1];
    int offset = kx * window->dilation[1] - window->pad_begin[1]; /* row[x * stride + offset] */
    int first = offset >= 0 ? 0 : (-offset + stride - 1) / stride;
    int room = convolution->sizes.input_width - 1 - offset;
    int last = room < 0 ? -1 : room / stride;

    if (first > width)
        first = width;
    if (last >= width)
        last = width - 1;
    if (last < first) {
        memset(line, 0, (size_t)width * sizeof(float));
        return;
    }
    memset(line, 0, (size_t)first * sizeof(float));
    if (stride == 1) {
        memcpy(line + first, row + first + offset, (size_t)(last - first + 1) * sizeof(float));
    } else {
        for (int x = first; x <= last; x++)
            line[x] = row[x * stride + offset];
    }
    memset(line + last + 1, 0, (size_t)(width - 1 - last) * sizeof(float));
}

/* Columns of `rows` output rows from first_row on: column_length lines of rows * output_width. */
static void fill_columns(float *columns, const float *input, const struct convolution *convolution,
                         int first_row, int rows)
{
    const struct window *window = &convolution->window;
    const struct window_sizes *sizes = &convolution->sizes;
    int channels = sizes->input_channels / convolution->groups;
    size_t width = (size_t)sizes->output_width;

    for (int c = 0; c < channels; c++) {
        const float *plane =
            input + (size_t)c * (size_t)sizes->input_height * (size_t)sizes->input_width;

        for (int ky = 0; ky < window->kernel[0]; ky++) {
            for (int kx = 0; kx < window->kernel[1]; kx++) {
                for (int y = first_row; y < first_row + rows; y++) {
                    int iy =
                        y * window->stride[0] - window->pad_begin[0] + ky * window->dilation[0];

                    if (iy < 0 || iy >= sizes->input_height)
                        memset(columns, 0, width * sizeof(float));
                    else
                        fill_line(columns, plane + (size_t)iy * (size_t)sizes->input_width,
                                  convolution, kx);
                    columns += width;
                }
            }
        }
    }
}

void convolution_run(const struct convolution *convolution, const float *input,
                     const float *weights, const float *bias, float *output, float *scratch)
{
    const struct window_sizes *sizes = &convolution->sizes;
    int outputs = sizes->output_channels / convolution->groups;
    size_t plane = (size_t)sizes->output_height * (size_t)sizes->output_width;
    size_t length = column_length(convolution);
    bool pointwise = is_pointwise(convolution);
    int step = pointwise ? sizes->output_height : rows_at_a_time(convolution);
    size_t group_input = (size_t)(sizes->input_channels / convolution->groups) *
                         (size_t)sizes->input_height * (size_t)sizes->input_width;

    for (int o = 0; o < sizes->output_channels; o++) {
        float value = bias ? bias[o] : 0;
        float *out = output + (size_t)o * plane;

        for (size_t i = 0; i < plane; i++)
            out[i] = value;
    }
    for (int group = 0; group < convolution->groups; group++) {
        for (int y = 0; y < sizes->output_height; y += step) {
            int rows = sizes->output_height - y < step ? sizes->output_height - y : step;
            int columns = rows * sizes->output_width;
            const float *matrix = scratch;

            if (pointwise)
                matrix = input + (size_t)group * group_input;
            else
                fill_columns(scratch, input + (size_t)group * group_input, convolution, y, rows);
            cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasNoTrans, outputs, columns, (int)length, 1,
                        weights + (size_t)group * (size_t)outputs * length, (int)length, matrix,
                        columns, 1,
                        output + (size_t)group * (size_t)outputs * plane +
                            (size_t)y * (size_t)sizes->output_width,
                        (int)plane);
        }
    }
}
