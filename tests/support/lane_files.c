#include "support/lane_files.h"

#include "base/file.h"
#include "kernels/threads.h"
#include "media/ffmpeg.h"
#include "media/image_writer.h"
#include "media/writer.h"
#include "support/lane.h"
#include "support/scratch.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void must(int result, const VbpError *error)
{
    if (result != VBP_OK) {
        fprintf(stderr, "%s\n", error->message);
        abort();
    }
}

/* Full-range RGB to limited-range BT.601 4:2:0. */
static void fill_yuv(AVFrame *picture, const uint8_t *rgb)
{
    for (int y = 0; y < picture->height; y++) {
        for (int x = 0; x < picture->width; x++) {
            const uint8_t *p = rgb + 3 * ((size_t)y * (size_t)picture->width + (size_t)x);
            double red = p[0], green = p[1], blue = p[2];
            double luma = 0.299 * red + 0.587 * green + 0.114 * blue;

            picture->data[0][y * picture->linesize[0] + x] = (uint8_t)(16.5 + luma * 219 / 255);
            if (x % 2 == 0 && y % 2 == 0) {
                picture->data[1][y / 2 * picture->linesize[1] + x / 2] =
                    (uint8_t)(128.5 + (blue - luma) / 1.772 * 224 / 255);
                picture->data[2][y / 2 * picture->linesize[2] + x / 2] =
                    (uint8_t)(128.5 + (red - luma) / 1.402 * 224 / 255);
            }
        }
    }
}

static void write_clip(const char *path, int width, int height, int frames)
{
    struct writer_options options = {.crf = 18,
                                     .width = width,
                                     .height = height,
                                     .format = AV_PIX_FMT_YUV420P,
                                     .time_base = {1, 30},
                                     .frame_rate = {30, 1},
                                     .sample_aspect_ratio = {1, 1},
                                     .color_space = AVCOL_SPC_SMPTE170M,
                                     .color_range = AVCOL_RANGE_MPEG,
                                     .color_primaries = AVCOL_PRI_UNSPECIFIED,
                                     .color_transfer = AVCOL_TRC_UNSPECIFIED};
    uint8_t *rgb = malloc(3 * (size_t)width * (size_t)height);
    AVFrame *picture = av_frame_alloc();
    struct writer *writer;
    VbpError error;

    if (!rgb || !picture)
        abort();
    must(writer_open(&writer, path, &options, &error), &error);
    for (int i = 0; i < frames; i++) {
        picture->format = AV_PIX_FMT_YUV420P;
        picture->width = width;
        picture->height = height;
        if (av_frame_get_buffer(picture, 0) < 0)
            abort();
        lane_draw(rgb, width, height, i);
        fill_yuv(picture, rgb);
        picture->pts = i;
        must(writer_write(writer, picture, &error), &error);
        av_frame_unref(picture);
    }
    must(writer_finish(writer, &error), &error);
    writer_close(&writer);
    av_frame_free(&picture);
    free(rgb);
}

static void write_model(const struct lane_files *files)
{
    unsigned char *bytes;
    size_t length;
    VbpError error;

    lane_network(&bytes, &length);
    must(file_write(files->model, bytes, length, &error), &error);
    must(file_write(files->card, lane_card, strlen(lane_card), &error), &error);
    free(bytes);
}

static void write_picture(const struct lane_files *files)
{
    enum { WIDTH = 640, HEIGHT = 360 };
    uint8_t *rgb = malloc(3 * WIDTH * HEIGHT);
    VbpError error;

    if (!rgb)
        abort();
    lane_draw(rgb, WIDTH, HEIGHT, 40);
    must(image_write_pixels(files->picture, rgb, WIDTH, HEIGHT, 3, 3 * WIDTH, &error), &error);
    free(rgb);
}

void lane_files_write(struct lane_files *files, const char *folder, int width, int height,
                      int frames)
{
    snprintf(files->model, sizeof(files->model), "%s/lane.onnx", folder);
    snprintf(files->card, sizeof(files->card), "%s/lane.card.json", folder);
    snprintf(files->picture, sizeof(files->picture), "%s/road.png", folder);
    snprintf(files->clip, sizeof(files->clip), "%s/road.mp4", folder);
    write_model(files);
    write_picture(files);
    write_clip(files->clip, width, height, frames);
}

int lane_files_setup(void **state)
{
    static struct lane_files files;

    media_quiet_ffmpeg();
    threads_limit_blas(1); /* as the program does: then results are the same to the bit */
    if (scratch_setup(state) != 0)
        return -1;
    lane_files_write(&files, scratch_path("."), LANE_CLIP_WIDTH, LANE_CLIP_HEIGHT,
                     LANE_CLIP_FRAMES);
    *state = &files;
    return 0;
}

int lane_files_teardown(void **state)
{
    return scratch_teardown(state);
}
