#include "train/picture_reader.h"

#include "base/error.h"
#include "base/memory.h"
#include "media/image_reader.h"

#include <string.h>

/* Of the network's input. */
#define MAX_SIDE 8192

struct picture_reader {
    struct preprocess_settings settings; /* of the network, without the geometry */
    int channels;                        /* of the bytes */
    struct preprocess *to_size;          /* image -> values 0..255, bytes in all but name */
    struct preprocess *to_input;         /* for colours that take more than a scale */
    float *values;
};

int picture_channels(const struct preprocess_settings *settings)
{
    return settings->color == CARD_GRAY ? 1 : 3;
}

static int check_settings(const struct preprocess_settings *settings, VbpError *error)
{
    bool one = settings->color == CARD_GRAY || settings->color == CARD_SATURATION;

    if (settings->width < 1 || settings->height < 1 || settings->width > MAX_SIDE ||
        settings->height > MAX_SIDE)
        return error_set(error, VBP_ERROR_ARGUMENT, "a network's input of %d x %d", settings->width,
                         settings->height);
    if (settings->channels != (one ? 1 : 3))
        return error_set(error, VBP_ERROR_ARGUMENT, "%s is not made of %d channels",
                         card_color_name(settings->color), settings->channels);
    return VBP_OK;
}

/* Whether each byte makes one value of the input by scale and bias alone. */
static bool is_linear(enum card_color color)
{
    return color == CARD_RGB || color == CARD_BGR || color == CARD_GRAY;
}

int picture_reader_create(struct picture_reader **reader,
                          const struct preprocess_settings *settings, VbpError *error)
{
    struct preprocess_settings bytes = *settings;
    struct picture_reader *made;
    int result = check_settings(settings, error);

    *reader = NULL;
    if (result != VBP_OK)
        return result;
    made = memory_array(1, sizeof(*made));
    if (!made)
        return error_out_of_memory(error);
    made->channels = picture_channels(settings);
    made->settings = *settings;
    made->settings.crop_top = made->settings.crop_bottom = 0;
    made->settings.crop_left = made->settings.crop_right = 0;
    made->settings.resize = CARD_NEAREST;
    bytes.color = made->channels == 1 ? CARD_GRAY : CARD_RGB;
    bytes.channels = made->channels;
    bytes.channels_last = true;
    for (int c = 0; c < CARD_MAX_CHANNELS; c++) {
        bytes.scale[c] = 1;
        bytes.bias[c] = 0;
    }
    made->values = memory_aligned_array((size_t)settings->width * (size_t)settings->height,
                                        (size_t)made->channels * sizeof(float));
    result = made->values ? preprocess_create(&made->to_size, &bytes, error)
                          : error_out_of_memory(error);
    if (result == VBP_OK && !is_linear(settings->color))
        result = preprocess_create(&made->to_input, &made->settings, error);
    if (result != VBP_OK) {
        picture_reader_destroy(&made);
        return result;
    }
    *reader = made;
    return VBP_OK;
}

void picture_reader_destroy(struct picture_reader **reader)
{
    struct picture_reader *destroyed = *reader;

    if (!destroyed)
        return;
    preprocess_destroy(&destroyed->to_size);
    preprocess_destroy(&destroyed->to_input);
    free(destroyed->values);
    free(destroyed);
    *reader = NULL;
}

int picture_read(struct picture_reader *reader, const char *path, unsigned char *pixels,
                 VbpError *error)
{
    size_t count =
        (size_t)reader->settings.width * (size_t)reader->settings.height * (size_t)reader->channels;
    struct frame frame;
    VbpImage image;
    int result = image_read(path, &frame, error);

    if (result != VBP_OK)
        return result;
    image = frame_image(&frame);
    result = preprocess_run(reader->to_size, &image, reader->values, error);
    frame_release(&frame);
    if (result != VBP_OK)
        return error_prefix(error, "%s: ", path);
    for (size_t i = 0; i < count; i++)
        pixels[i] = (unsigned char)(reader->values[i] + 0.5f);
    return VBP_OK;
}

/* One channel: every step-th byte into every stride-th value. */
static void scale_channel(const unsigned char *from, size_t step, float *to, size_t stride,
                          size_t count, float scale, float bias)
{
    if (stride == 1) {
        for (size_t i = 0; i < count; i++)
            to[i] = from[i * step] * scale + bias;
        return;
    }
    for (size_t i = 0; i < count; i++)
        to[i * stride] = from[i * step] * scale + bias;
}

int picture_to_input(struct picture_reader *reader, const unsigned char *pixels, float *input,
                     VbpError *error)
{
    const struct preprocess_settings *settings = &reader->settings;
    size_t channels = (size_t)reader->channels;
    size_t plane = (size_t)settings->width * (size_t)settings->height;
    VbpImage image = {.format = channels == 1 ? VBP_PIXEL_GRAY8 : VBP_PIXEL_RGB24,
                      .full_range = 1,
                      .width = settings->width,
                      .height = settings->height,
                      .plane = {pixels},
                      .stride = {(ptrdiff_t)((size_t)settings->width * channels)}};

    if (reader->to_input)
        return preprocess_run(reader->to_input, &image, input, error);
    for (size_t c = 0; c < channels; c++) {
        size_t from = settings->color == CARD_BGR ? 2 - c : c;

        if (settings->channels_last)
            scale_channel(pixels + from, channels, input + c, channels, plane, settings->scale[c],
                          settings->bias[c]);
        else
            scale_channel(pixels + from, channels, input + c * plane, 1, plane, settings->scale[c],
                          settings->bias[c]);
    }
    return VBP_OK;
}
