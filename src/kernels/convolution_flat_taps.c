/* Where the taps of a convolution read, and what they are multiplied by. */
#include "kernels/convolution_flat_state.h"

#include "base/memory.h"

#include <string.h>

static int32_t tap_offset(const struct convolution_flat *flat, int channel, int plane, int row,
                          int kx)
{
    const struct window *window = &flat->convolution.window;
    int column = kx * window->dilation[1];

    return (int32_t)((size_t)channel * flat->channel_size +
                     ((size_t)plane * flat->column_phases + (size_t)(column % window->stride[1])) *
                         flat->plane_size +
                     (size_t)row * flat->pitch + (size_t)(column / window->stride[1]));
}

/* Taps are taken in the order in which tiles take them; the kernel row counts only alone. */
struct tap {
    int channel, plane, kernel_row, kx;
};

static bool next_tap(const struct convolution_flat *flat, enum flat_list list, struct tap *tap)
{
    const int *kernel = flat->convolution.window.kernel;

    if (!flat->pairs && list != FLAT_BOTH)
        return false;
    if (++tap->kx < kernel[1])
        return true;
    tap->kx = 0;
    if (!flat->pairs) {
        if (++tap->kernel_row == kernel[0]) {
            tap->kernel_row = 0;
            tap->channel++;
        }
        return tap->channel < flat->convolution.sizes.input_channels;
    }
    do {
        if (++tap->plane == flat->plane_count) {
            tap->plane = 0;
            if (++tap->channel == flat->convolution.sizes.input_channels)
                return false;
        }
    } while (flat->planes[tap->plane].list != list);
    return true;
}

static struct tap first_tap(const struct convolution_flat *flat)
{
    return flat->pairs ? (struct tap){0, -1, 0, flat->convolution.window.kernel[1]}
                       : (struct tap){0, 0, 0, -1};
}

void convolution_flat_count_taps(struct convolution_flat *flat)
{
    for (int list = 0; list < FLAT_LISTS; list++) {
        struct tap tap = first_tap(flat);

        while (next_tap(flat, (enum flat_list)list, &tap))
            flat->taps[list]++;
        flat->tap_count += flat->taps[list];
    }
}

static bool create_offsets(struct convolution_flat *flat)
{
    const struct window *window = &flat->convolution.window;
    int32_t *offset = memory_array(flat->tap_count, sizeof(*flat->offset));

    flat->offset = offset;
    for (int list = 0; list < FLAT_LISTS && offset; list++) {
        struct tap tap = first_tap(flat);

        while (next_tap(flat, (enum flat_list)list, &tap)) {
            int row = tap.kernel_row * window->dilation[0];

            if (flat->pairs)
                *offset++ = tap_offset(flat, tap.channel, tap.plane, 0, tap.kx);
            else
                *offset++ =
                    tap_offset(flat, tap.channel, flat->phases[row % window->stride[0]].first_plane,
                               row / window->stride[0], tap.kx);
        }
    }
    return flat->offset != NULL;
}

static float tap_weight(const struct convolution_flat *flat, const float *weights, int output,
                        const struct tap *tap)
{
    const int *kernel = flat->convolution.window.kernel;
    const struct plane *plane = &flat->planes[tap->plane];
    const float *cell =
        weights +
        (((size_t)output * (size_t)flat->convolution.sizes.input_channels + (size_t)tap->channel) *
         (size_t)kernel[0] * (size_t)kernel[1]) +
        tap->kx;
    double sum = 0;

    if (!flat->pairs)
        return cell[(ptrdiff_t)tap->kernel_row * kernel[1]];
    for (int i = 0; i < PHASE_ROWS_MAX; i++) {
        if (plane->factor[i] != 0)
            sum +=
                (double)plane->factor[i] *
                (double)cell[(ptrdiff_t)(plane->kernel_row + i * plane->kernel_step) * kernel[1]];
    }
    return (float)sum;
}

/* Tile after tile of output channels, each taps x channels. */
static bool create_weights(struct convolution_flat *flat, const float *weights, const float *bias)
{
    size_t outputs = (size_t)flat->convolution.sizes.output_channels, all = whole_channels(flat);
    size_t count;
    float *to;

    if (!size_multiply(flat->tap_count, all, &count))
        return false;
    flat->weights = memory_aligned_array(count, sizeof(float));
    flat->bias = memory_aligned_array(all, sizeof(float));
    if (!flat->weights || !flat->bias)
        return false;
    memset(flat->bias, 0, all * sizeof(float));
    if (bias)
        memcpy(flat->bias, bias, outputs * sizeof(float));
    to = flat->weights;
    for (size_t first = 0, channels; first < all; first += channels) {
        channels = tile_channels(flat, first);
        for (int list = 0; list < FLAT_LISTS; list++) {
            struct tap tap = first_tap(flat);

            while (next_tap(flat, (enum flat_list)list, &tap)) {
                for (size_t c = first; c < first + channels; c++)
                    *to++ = c < outputs ? tap_weight(flat, weights, (int)c, &tap) : 0;
            }
        }
    }
    return true;
}

bool convolution_flat_create_taps(struct convolution_flat *flat, const float *weights,
                                  const float *bias)
{
    return create_offsets(flat) && create_weights(flat, weights, bias);
}
