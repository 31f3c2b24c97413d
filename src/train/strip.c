#include "train/strip.h"

#include "base/error.h"
#include "base/file.h"
#include "base/memory.h"
#include "draw/film_strip.h"
#include "draw/overlay.h"
#include "graph/fold.h"
#include "media/image_reader.h"
#include "media/image_writer.h"
#include "nn/forward.h"
#include "saliency/visualbackprop.h"

#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#define STRIP_FRAMES  6
#define MOMENTS_MAX   64
#define CAPTION_BYTES 32

/* One frame: the picture that the network sees, and the input made from it. */
struct strip_frame {
    uint8_t *rgb; /* width x height at the network's size, enlarged so that one can see */
    float *input;
    char caption[CAPTION_BYTES];
};

struct strip {
    struct preprocess_settings settings;
    struct strip_options options;
    int enlarge;       /* whole number of picture pixels for one of the network's */
    int width, height; /* of the pictures */
    struct strip_frame frames[STRIP_FRAMES];
    int frame_count;
    int moment_count;
    char moments[MOMENTS_MAX][CAPTION_BYTES];
    double epochs[MOMENTS_MAX];
    uint8_t *pictures[MOMENTS_MAX][STRIP_FRAMES];
};

static size_t picture_bytes(const struct strip *strip)
{
    return 3 * (size_t)strip->width * (size_t)strip->height;
}

/* The network's view of a frame as RGB bytes, each pixel enlarge x enlarge times. */
static int make_picture(const struct strip *strip, const VbpImage *image, uint8_t *rgb,
                        VbpError *error)
{
    struct preprocess_settings settings = strip->settings;
    size_t cells = (size_t)settings.width * (size_t)settings.height;
    struct preprocess *preprocess;
    float *values = memory_array(3 * cells, sizeof(float));
    int result;

    if (!values)
        return error_out_of_memory(error);
    settings.color = CARD_RGB;
    settings.channels = 3;
    settings.channels_last = true;
    for (int c = 0; c < 3; c++) {
        settings.scale[c] = 1;
        settings.bias[c] = 0;
    }
    result = preprocess_create(&preprocess, &settings, error);
    if (result == VBP_OK)
        result = preprocess_run(preprocess, image, values, error);
    preprocess_destroy(&preprocess);
    for (int y = 0; y < strip->height && result == VBP_OK; y++) {
        for (int x = 0; x < strip->width; x++) {
            const float *pixel =
                values + 3 * ((size_t)(y / strip->enlarge) * (size_t)settings.width +
                              (size_t)(x / strip->enlarge));

            for (int c = 0; c < 3; c++)
                *rgb++ = (uint8_t)(pixel[c] + 0.5f);
        }
    }
    free(values);
    return result;
}

static int read_frame(struct strip *strip, const struct sample *sample, size_t index,
                      VbpError *error)
{
    struct strip_frame *frame = &strip->frames[strip->frame_count++];
    size_t cells = (size_t)strip->settings.width * (size_t)strip->settings.height;
    struct preprocess *preprocess = NULL;
    struct frame picture;
    VbpImage image;
    int result = image_read(sample->image, &picture, error);

    if (result != VBP_OK)
        return result;
    image = frame_image(&picture);
    frame->rgb = memory_array(picture_bytes(strip), 1);
    frame->input = memory_array(cells * (size_t)strip->settings.channels, sizeof(float));
    snprintf(frame->caption, sizeof(frame->caption), "sample %zu", index);
    if (!frame->rgb || !frame->input)
        result = error_out_of_memory(error);
    if (result == VBP_OK)
        result = make_picture(strip, &image, frame->rgb, error);
    if (result == VBP_OK)
        result = preprocess_create(&preprocess, &strip->settings, error);
    if (result == VBP_OK)
        result = preprocess_run(preprocess, &image, frame->input, error);
    preprocess_destroy(&preprocess);
    frame_release(&picture);
    return result;
}

int strip_create(struct strip **strip, const struct dataset *dataset, const struct split *split,
                 const struct preprocess_settings *settings, const struct strip_options *options,
                 VbpError *error)
{
    bool held_out = split->validation_count > 0;
    const size_t *from = held_out ? split->validation : split->training;
    size_t count = held_out ? split->validation_count : split->training_count;
    struct strip *s = memory_array(1, sizeof(*s));
    int result = VBP_OK;

    *strip = NULL;
    if (!s)
        return error_out_of_memory(error);
    s->settings = *settings;
    s->options = *options;
    s->enlarge = settings->width < 200 ? 200 / settings->width + 1 : 1;
    s->width = settings->width * s->enlarge;
    s->height = settings->height * s->enlarge;
    /* Spread evenly over the drives. */
    for (size_t i = 0; i < STRIP_FRAMES && i < count && result == VBP_OK; i++) {
        size_t index = from[(2 * i + 1) * count / (2 * STRIP_FRAMES)];

        result = read_frame(s, &dataset->samples[index], index, error);
    }
    if (result == VBP_OK)
        *strip = s;
    else
        strip_destroy(&s);
    return result;
}

void strip_destroy(struct strip **strip)
{
    struct strip *s = *strip;

    if (!s)
        return;
    for (int f = 0; f < STRIP_FRAMES; f++) {
        free(s->frames[f].rgb);
        free(s->frames[f].input);
        for (int m = 0; m < s->moment_count; m++)
            free(s->pictures[m][f]);
    }
    free(s);
    *strip = NULL;
}

static int draw_frame(struct strip *strip, const struct strip_frame *frame, uint8_t **picture,
                      struct forward *forward, struct visualbackprop *walk, struct overlay *overlay,
                      VbpError *error)
{
    size_t bytes = picture_bytes(strip);
    struct surface surface = {.format = SURFACE_RGB24,
                              .width = strip->width,
                              .height = strip->height,
                              .stride = {3 * (ptrdiff_t)strip->width}};
    struct overlay_options options = overlay_default_options();
    size_t inputs = (size_t)strip->settings.width * (size_t)strip->settings.height *
                    (size_t)strip->settings.channels;
    int result;

    memcpy(forward_input(forward), frame->input, inputs * sizeof(float));
    result = forward_run(forward, error);
    if (result == VBP_OK)
        result = visualbackprop_run(walk, forward, error);
    if (result != VBP_OK)
        return result;
    *picture = malloc(bytes);
    if (!*picture)
        return error_out_of_memory(error);
    memcpy(*picture, frame->rgb, bytes);
    surface.plane[0] = *picture;
    overlay_draw(overlay, &surface, visualbackprop_mask(walk), &options);
    return VBP_OK;
}

static void set_moment(struct strip *strip, int moment, double epochs)
{
    strip->epochs[moment] = epochs;
    snprintf(strip->moments[moment], CAPTION_BYTES, "%.3g epoch%s", epochs, epochs == 1 ? "" : "s");
}

static void drop_moment(struct strip *strip)
{
    strip->moment_count--;
    for (int f = 0; f < STRIP_FRAMES; f++) {
        free(strip->pictures[strip->moment_count][f]);
        strip->pictures[strip->moment_count][f] = NULL;
    }
}

int strip_add(struct strip *strip, double epochs, const struct graph *graph, VbpError *error)
{
    struct forward_options options = {.level_averages = true, .average = strip->options.average};
    VbpRectangle whole = {0, 0, strip->width, strip->height};
    struct graph *folded = NULL;
    struct forward *forward = NULL;
    struct visualbackprop *walk = NULL;
    struct overlay *overlay = NULL;
    int moment = strip->moment_count;
    int result;

    if (moment == MOMENTS_MAX || (moment > 0 && strip->epochs[moment - 1] >= epochs))
        return VBP_OK;
    result = graph_copy(&folded, graph, error);
    if (result == VBP_OK)
        result = graph_fold(folded, error);
    if (result == VBP_OK)
        result = forward_create(&forward, folded, &options, error);
    if (result == VBP_OK)
        result = visualbackprop_create(&walk, folded, strip->options.even, error);
    if (result == VBP_OK)
        result = overlay_create(&overlay, strip->settings.height, strip->settings.width, whole,
                                strip->width, strip->height, error);
    if (result == VBP_OK) {
        strip->moment_count++;
        set_moment(strip, moment, epochs);
    }
    for (int f = 0; f < strip->frame_count && result == VBP_OK; f++)
        result = draw_frame(strip, &strip->frames[f], &strip->pictures[moment][f], forward, walk,
                            overlay, error);
    if (result != VBP_OK && strip->moment_count > moment)
        drop_moment(strip);
    overlay_destroy(&overlay);
    visualbackprop_destroy(&walk);
    forward_destroy(&forward);
    graph_destroy(&folded);
    return result;
}

/* ---- Saving --------------------------------------------------------------------------------- */

/*
 * A saved strip, in the machine's order:
 *
 *     struct saved | for each moment: epochs (double), the pictures of all frames
 */
struct saved {
    int32_t width, height, frame_count, moment_count;
    int32_t average, even;
};

static struct saved describe(const struct strip *strip)
{
    return (struct saved){strip->width,        strip->height,          strip->frame_count,
                          strip->moment_count, strip->options.average, strip->options.even};
}

static size_t moment_bytes(const struct strip *strip)
{
    return sizeof(double) + (size_t)strip->frame_count * picture_bytes(strip);
}

int strip_save(const struct strip *strip, unsigned char **bytes, size_t *length, VbpError *error)
{
    struct saved saved = describe(strip);
    unsigned char *at;

    *length = sizeof(saved) + (size_t)strip->moment_count * moment_bytes(strip);
    *bytes = at = malloc(*length);
    if (!at)
        return error_out_of_memory(error);
    memcpy(at, &saved, sizeof(saved));
    at += sizeof(saved);
    for (int m = 0; m < strip->moment_count; m++) {
        memcpy(at, &strip->epochs[m], sizeof(double));
        at += sizeof(double);
        for (int f = 0; f < strip->frame_count; f++, at += picture_bytes(strip))
            memcpy(at, strip->pictures[m][f], picture_bytes(strip));
    }
    return VBP_OK;
}

int strip_restore(struct strip *strip, const unsigned char *bytes, size_t length, VbpError *error)
{
    struct saved saved, own = describe(strip);
    const unsigned char *at = bytes + sizeof(saved);

    if (length < sizeof(saved))
        return error_set(error, VBP_ERROR_FORMAT, "the masks of before are damaged");
    memcpy(&saved, bytes, sizeof(saved));
    if (saved.moment_count < 0 || saved.moment_count > MOMENTS_MAX)
        return error_set(error, VBP_ERROR_FORMAT, "the masks of before are damaged");
    own.moment_count = saved.moment_count;
    if (memcmp(&saved, &own, sizeof(saved)) != 0)
        return error_set(error, VBP_ERROR_ARGUMENT,
                         "the masks of before were made with another --average or --even");
    if (length != sizeof(saved) + (size_t)saved.moment_count * moment_bytes(strip))
        return error_set(error, VBP_ERROR_FORMAT, "the masks of before are damaged");
    for (int m = 0; m < saved.moment_count; m++) {
        double epochs;

        memcpy(&epochs, at, sizeof(double));
        at += sizeof(double);
        strip->moment_count = m + 1;
        set_moment(strip, m, epochs);
        for (int f = 0; f < strip->frame_count; f++, at += picture_bytes(strip)) {
            strip->pictures[m][f] = malloc(picture_bytes(strip));
            if (!strip->pictures[m][f])
                return error_out_of_memory(error);
            memcpy(strip->pictures[m][f], at, picture_bytes(strip));
        }
    }
    return VBP_OK;
}

/* ---- Writing -------------------------------------------------------------------------------- */

static int write_pictures(const struct strip *strip, const char *folder, VbpError *error)
{
    int result = VBP_OK;

    for (int m = 0; m < strip->moment_count; m++) {
        for (int f = 0; f < strip->frame_count && result == VBP_OK; f++) {
            char *path =
                memory_format("%s/frame_%d_epoch_%.3g.png", folder, f + 1, strip->epochs[m]);

            result = path ? image_write_pixels(path, strip->pictures[m][f], strip->width,
                                               strip->height, 3, 3 * (ptrdiff_t)strip->width, error)
                          : error_out_of_memory(error);
            free(path);
        }
    }
    return result;
}

static int write_table(const struct strip *strip, const char *path, VbpError *error)
{
    const uint8_t *pictures[MOMENTS_MAX * STRIP_FRAMES];
    const char *rows[STRIP_FRAMES], *columns[MOMENTS_MAX];
    struct film_strip table = {.title = "VisualBackProp masks while the network learns",
                               .rows = strip->frame_count,
                               .columns = strip->moment_count,
                               .picture_width = strip->width,
                               .picture_height = strip->height,
                               .pictures = pictures,
                               .row_captions = rows,
                               .column_captions = columns};
    uint8_t *pixels = NULL;
    int width, height, result;

    for (int f = 0; f < strip->frame_count; f++) {
        rows[f] = strip->frames[f].caption;
        for (int m = 0; m < strip->moment_count; m++)
            pictures[f * strip->moment_count + m] = strip->pictures[m][f];
    }
    for (int m = 0; m < strip->moment_count; m++)
        columns[m] = strip->moments[m];
    result = film_strip_draw(&table, &pixels, &width, &height, error);
    if (result == VBP_OK)
        result = image_write_pixels(path, pixels, width, height, 3, 3 * (ptrdiff_t)width, error);
    free(pixels);
    return result;
}

int strip_write(const struct strip *strip, const char *folder, VbpError *error)
{
    char *path = memory_format("%s/strip.png", folder);
    int result = path ? file_make_folder(folder, error) : error_out_of_memory(error);

    if (result == VBP_OK && strip->moment_count > 0 && strip->frame_count > 0) {
        result = write_pictures(strip, folder, error);
        if (result == VBP_OK)
            result = write_table(strip, path, error);
    }
    free(path);
    return result;
}
