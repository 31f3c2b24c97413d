/* The gradients of kernels/convolution_direct.h. */
#include "kernels/activation_backward.h"
#include "kernels/convolution_direct_state.h"

#include <string.h>

/* Samples whose inputs stay in the second-level cache while their weight gradients are summed. */
#define GROUP_BYTES   ((size_t)256 * 1024)
#define GROUP_SAMPLES 16

size_t convolution_direct_gradient_size(const struct convolution_direct *direct)
{
    return direct->gradient_size;
}

/* A row is summed in float, the rows are in double. */
static void add_bias(struct convolution_direct *direct, const float *gradient, size_t channels,
                     size_t cells)
{
    float *restrict sums = direct->row_sums;

    memset(sums, 0, channels * sizeof(float));
    for (size_t i = 0; i < cells; i++) {
        for (size_t c = 0; c < channels; c++)
            sums[c] += gradient[i * channels + c];
    }
    for (size_t c = 0; c < channels; c++)
        direct->bias_sums[c] += (double)sums[c];
}

void convolution_direct_pad_gradient(struct convolution_direct *direct, const float *gradient,
                                     const float *rectified, bool channels_last,
                                     float *padded_gradient)
{
    const struct window_sizes *sizes = &direct->convolution.sizes;
    size_t channels = (size_t)sizes->output_channels, width = (size_t)sizes->output_width;
    size_t height = (size_t)sizes->output_height;

    convolution_pad(gradient, channels, height, width, channels_last, (int[2]){0, direct->front},
                    (int[2]){0, direct->back}, padded_gradient);
    for (size_t y = 0; y < height; y++) {
        float *row = padded_gradient + y * direct->gradient_row + (size_t)direct->front * channels;

        if (rectified && channels_last) {
            const float *output = rectified + y * width * channels;

            rectifier_backward_run(output, row, width * channels);
        } else if (rectified) {
            for (size_t c = 0; c < channels; c++) {
                const float *output = rectified + (c * height + y) * width;

                for (size_t x = 0; x < width; x++)
                    row[x * channels + c] = output[x] > 0 ? row[x * channels + c] : 0;
            }
        }
        add_bias(direct, row, channels, width);
    }
}

size_t convolution_direct_group(const struct convolution_direct *direct)
{
    size_t samples = GROUP_BYTES / sizeof(float) / direct->input_size;

    return samples < 1 ? 1 : samples > GROUP_SAMPLES ? GROUP_SAMPLES : samples;
}

void convolution_direct_add_weights(struct convolution_direct *direct, size_t samples,
                                    const float *padded, size_t padded_step,
                                    const float *padded_gradient)
{
    const struct window_sizes *sizes = &direct->convolution.sizes;
    const int *stride = direct->convolution.window.stride;
    const struct runs *runs = &direct->forward;
    const struct accumulation accumulation = {
        .images = samples,
        .height = (size_t)sizes->output_height,
        .width = (size_t)sizes->output_width,
        .input_image = padded_step,
        .input_row = (size_t)stride[0] * direct->input_row,
        .input_step = (size_t)stride[1] * (size_t)sizes->input_channels,
        .gradient_image = direct->gradient_size,
        .gradient_row = direct->gradient_row,
        .gradient_step = (size_t)sizes->output_channels,
        .length = runs->length,
        .outputs = direct->group_outputs,
        .sums_pitch = runs->count * direct->sums_length,
    };

    padded_gradient += (size_t)direct->front * (size_t)sizes->output_channels;
    for (int group = 0; group < direct->convolution.groups; group++) {
        const float *input = padded + (size_t)group * direct->group_inputs;
        const float *gradient = padded_gradient + (size_t)group * direct->group_outputs;
        float *sums =
            direct->sums + (size_t)group * direct->group_outputs * accumulation.sums_pitch;

        for (size_t run = 0; run < runs->count; run++)
            direct->tiles->accumulate(&accumulation, input + runs->offset[run], gradient,
                                      sums + run * direct->sums_length);
    }
}

void convolution_direct_take_gradients(struct convolution_direct *direct, float *weight_gradient,
                                       float *bias_gradient)
{
    const struct runs *runs = &direct->forward;
    size_t cells =
        (size_t)direct->convolution.window.kernel[0] * (size_t)direct->convolution.window.kernel[1];
    size_t outputs = (size_t)direct->convolution.sizes.output_channels;
    size_t pitch = runs->count * direct->sums_length;

    for (size_t o = 0; bias_gradient && o < outputs; o++)
        bias_gradient[o] += (float)direct->bias_sums[o];
    memset(direct->bias_sums, 0, outputs * sizeof(double));
    for (size_t o = 0; weight_gradient && o < outputs; o++) {
        for (size_t run = 0; run < runs->count; run++) {
            const float *sum = direct->sums + o * pitch + run * direct->sums_length;

            for (size_t i = 0; i < runs->length; i++) {
                size_t at = run * runs->length + i; /* [cell][channel] */
                size_t cell = at / direct->group_inputs, c = at % direct->group_inputs;

                weight_gradient[(o * direct->group_inputs + c) * cells + cell] += sum[i];
            }
        }
    }
    memset(direct->sums, 0, outputs * pitch * sizeof(float));
}

/*
 * Row q of a phase: the runs whose outputs q - m exist, which stand together. Without any, its
 * cells get 0.
 */
static void phase_row(const struct convolution_direct *direct, const struct phase *phase, int row,
                      struct correlation *correlation, int group, const float *padded_gradient,
                      float *gradient)
{
    const struct window_sizes *sizes = &direct->convolution.sizes;
    const struct window *window = &direct->convolution.window;
    int q = phase->first[0] + row, lines = 0, first_line = 0;
    size_t cell = (size_t)sizes->input_channels;
    const float *from = padded_gradient + (size_t)phase->first[1] * (size_t)sizes->output_channels +
                        (size_t)group * direct->group_outputs;
    float *to = gradient +
                ((size_t)(phase->corner[0] + row * window->stride[0]) * (size_t)sizes->input_width +
                 (size_t)phase->corner[1]) *
                    cell +
                (size_t)group * direct->group_inputs;

    for (int i = phase->cells[0] - 1; i >= 0; i--) {
        int y = q - convolution_outputs_before(window, 0, convolution_phase_cell(phase, 0, i));

        if (y < 0 || y >= sizes->output_height)
            continue;
        first_line = i;
        lines++;
    }
    correlation->start = (ptrdiff_t)q * (ptrdiff_t)direct->gradient_row;
    correlation->run_count = (size_t)lines * (size_t)phase->runs_in_line;
    if (correlation->run_count == 0 && correlation->add)
        return;
    convolution_correlate_row(direct, &phase->runs, correlation,
                              (size_t)first_line * (size_t)phase->runs_in_line, group, NULL, from,
                              to, (size_t)phase->count[1]);
}

void convolution_direct_input_gradient(const struct convolution_direct *direct,
                                       const float *padded_gradient, bool add, float *gradient)
{
    const struct window_sizes *sizes = &direct->convolution.sizes;
    struct correlation correlation = {
        .input_step = (size_t)sizes->output_channels,
        .output_step = (size_t)direct->convolution.window.stride[1] * (size_t)sizes->input_channels,
        .add = add,
    };

    for (int i = 0; i < direct->phase_count; i++) {
        const struct phase *phase = &direct->phases[i];

        for (int group = 0; group < direct->convolution.groups; group++) {
            for (int row = 0; row < phase->count[0] && phase->count[1] > 0; row++)
                phase_row(direct, phase, row, &correlation, group, padded_gradient, gradient);
        }
    }
}
