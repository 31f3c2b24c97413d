/* Pictures written: what source reads back is what was given. */
#include "../support/clip.h"
#include "base/file.h"
#include "media/ffmpeg.h"
#include "media/image_writer.h"
#include "media/scale.h"
#include "media/source.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <libavutil/pixdesc.h>
#include <stdlib.h>
#include <string.h>

static void read_back(const char *path, struct source **source, struct frame *frame)
{
    VbpError error;

    if (source_open(source, path, &(struct source_options){0}, &error) != VBP_OK)
        fail_msg("%s", error.message);
    assert_int_equal(source_info(*source)->kind, SOURCE_IMAGE);
    assert_int_equal(source_read(*source, frame, &error), SOURCE_FRAME);
}

static void writes_pixels(void **state)
{
    const char *path = clip_path("pixels.png");
    uint8_t pixels[5][64];
    VbpError error;

    (void)state;
    for (size_t i = 0; i < sizeof(pixels); i++)
        pixels[i / 64][i % 64] = (uint8_t)(i * 37);
    for (int channels = 1; channels <= 4; channels++) {
        for (int upside_down = 0; upside_down < 2; upside_down++) {
            struct source *source;
            struct frame frame;
            VbpImage image;

            if (channels == 2)
                continue;
            /* 13 x 5; the stride is wider than a row, and may go up. */
            assert_int_equal(image_write_pixels(path, pixels[upside_down ? 4 : 0], 13, 5, channels,
                                                upside_down ? -64 : 64, &error),
                             VBP_OK);
            read_back(path, &source, &frame);
            image = frame_image(&frame);
            assert_int_equal(image.width, 13);
            assert_int_equal(image.height, 5);
            assert_int_equal(image.format, channels == 1 ? VBP_PIXEL_GRAY8 : VBP_PIXEL_RGB24);
            for (int y = 0; y < 5; y++) {
                const uint8_t *row = pixels[upside_down ? 4 - y : y];

                for (int x = 0; x < 13; x++) {
                    for (int c = 0; c < (channels == 1 ? 1 : 3); c++)
                        assert_int_equal(
                            image.plane[0][image.stride[0] * y + x * (channels == 1 ? 1 : 3) + c],
                            row[x * channels + c]);
                }
            }
            frame_release(&frame);
            source_close(&source);
        }
    }
}

/* A picture of one colour, in planes or packed. */
static void check_color(enum AVPixelFormat format, enum AVColorSpace space, enum AVColorRange range,
                        const uint8_t value[3], const uint8_t expected[3], bool gray)
{
    const char *path = clip_path("colour.png");
    struct frame_pool *pool = NULL;
    AVFrame *picture;
    struct source *source;
    struct frame frame;
    VbpImage image;
    VbpError error;

    picture = frame_pool_take(&pool, format, 21, 11, &error);
    assert_non_null(picture);
    picture->colorspace = space;
    picture->color_range = range;
    for (int plane = 0; plane < 3 && picture->data[plane]; plane++) {
        int halved = av_pix_fmt_desc_get(format)->log2_chroma_h;

        for (int y = 0; y < (plane && halved ? 6 : 11); y++) {
            uint8_t *row = picture->data[plane] + picture->linesize[plane] * y;

            for (int x = 0; x < picture->linesize[plane]; x++)
                row[x] = picture->data[1] ? value[plane] : value[x % 3];
        }
    }
    if (image_write_picture(path, picture, &error) != VBP_OK)
        fail_msg("%s", error.message);
    av_frame_free(&picture);
    frame_pool_free(&pool);
    read_back(path, &source, &frame);
    image = frame_image(&frame);
    assert_int_equal(image.format, gray ? VBP_PIXEL_GRAY8 : VBP_PIXEL_RGB24);
    assert_int_equal(image.width, 21);
    assert_int_equal(image.height, 11);
    for (int y = 0; y < 11; y++) {
        for (int i = 0; i < 21 * (gray ? 1 : 3); i++) {
            int off = image.plane[0][image.stride[0] * y + i] - expected[gray ? 0 : i % 3];

            if (off < -2 || off > 2)
                fail_msg("%s: byte %d of row %d is off by %d", av_get_pix_fmt_name(format), i, y,
                         off);
        }
    }
    frame_release(&frame);
    source_close(&source);
}

static void writes_pictures(void **state)
{
    static const uint8_t red[3] = {255, 0, 0}, blue[3] = {0, 0, 255};
    static const uint8_t one[3] = {100, 100, 100};

    (void)state;
    check_color(AV_PIX_FMT_YUV420P, AVCOL_SPC_UNSPECIFIED, AVCOL_RANGE_UNSPECIFIED,
                (const uint8_t[]){81, 90, 240}, red, false);
    check_color(AV_PIX_FMT_YUV444P, AVCOL_SPC_BT709, AVCOL_RANGE_MPEG,
                (const uint8_t[]){63, 102, 240}, red, false);
    check_color(AV_PIX_FMT_YUV422P, AVCOL_SPC_BT709, AVCOL_RANGE_MPEG,
                (const uint8_t[]){32, 240, 118}, blue, false);
    check_color(AV_PIX_FMT_YUVJ420P, AVCOL_SPC_BT470BG, AVCOL_RANGE_JPEG,
                (const uint8_t[]){76, 85, 255}, red, false);
    check_color(AV_PIX_FMT_YUV444P, AVCOL_SPC_SMPTE170M, AVCOL_RANGE_JPEG,
                (const uint8_t[]){29, 255, 107}, blue, false);
    check_color(AV_PIX_FMT_RGB24, AVCOL_SPC_RGB, AVCOL_RANGE_UNSPECIFIED, red, red, false);
    check_color(AV_PIX_FMT_BGR24, AVCOL_SPC_RGB, AVCOL_RANGE_JPEG, red, blue, false);
    check_color(AV_PIX_FMT_GRAY8, AVCOL_SPC_UNSPECIFIED, AVCOL_RANGE_UNSPECIFIED, one, one, true);
    check_color(AV_PIX_FMT_GRAY8, AVCOL_SPC_UNSPECIFIED, AVCOL_RANGE_MPEG,
                (const uint8_t[]){235, 235, 235}, (const uint8_t[]){255, 255, 255}, true);
}

/* Flat colours come back within a few steps. */
static void writes_jpeg(void **state)
{
    enum { WIDTH = 31, HEIGHT = 17 };
    static const uint8_t colors[][3] = {
        {200, 40, 60}, {20, 180, 90}, {128, 128, 128}, {255, 255, 255}};
    const char *path = clip_path("picture.jpg");
    static uint8_t pixels[HEIGHT][WIDTH][3];
    VbpError error;

    (void)state;
    for (size_t c = 0; c < sizeof(colors) / sizeof(colors[0]); c++) {
        struct scaler *scaler = NULL;
        struct source *source;
        struct frame frame;
        AVFrame *rgb;

        for (int i = 0; i < WIDTH * HEIGHT; i++)
            memcpy(pixels[i / WIDTH][i % WIDTH], colors[c], 3);
        assert_int_equal(image_write_jpeg(path, pixels[0][0], WIDTH, HEIGHT, 2, &error), VBP_OK);
        read_back(path, &source, &frame);
        rgb = av_frame_alloc();
        assert_non_null(rgb);
        rgb->format = AV_PIX_FMT_RGB24;
        rgb->width = WIDTH;
        rgb->height = HEIGHT;
        rgb->color_range = AVCOL_RANGE_JPEG;
        assert_int_equal(av_frame_get_buffer(rgb, 0), 0);
        assert_int_equal(scaler_run(&scaler, rgb, frame.picture, &error), VBP_OK);
        scaler_free(&scaler);
        for (int y = 0; y < HEIGHT; y++)
            for (int x = 0; x < 3 * WIDTH; x++)
                assert_true(abs(rgb->data[0][y * rgb->linesize[0] + x] - colors[c][x % 3]) <= 4);
        av_frame_free(&rgb);
        frame_release(&frame);
        source_close(&source);
    }
    assert_int_equal(image_write_jpeg(path, pixels[0][0], WIDTH, HEIGHT, 1, &error),
                     VBP_ERROR_ARGUMENT);
}

static void leaves_nothing_where_it_fails(void **state)
{
    const char *path = clip_path("no/such/folder/picture.png");
    uint8_t pixel = 0;
    VbpError error;

    (void)state;
    assert_int_equal(image_write_pixels(path, &pixel, 1, 1, 1, 1, &error), VBP_ERROR_IO);
    assert_non_null(strstr(error.message, path));
    assert_non_null(strstr(error.message, "No such file"));
    path = clip_path("bad.png");
    assert_int_equal(image_write_pixels(path, &pixel, 1, 1, 2, 1, &error), VBP_ERROR_ARGUMENT);
    assert_int_equal(image_write_pixels(path, &pixel, 0, 1, 1, 1, &error), VBP_ERROR_ARGUMENT);
    assert_false(file_exists(path));
}

static int clean_up(void **state)
{
    (void)state;
    clip_folder_remove();
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(writes_pixels),
        cmocka_unit_test(writes_pictures),
        cmocka_unit_test(writes_jpeg),
        cmocka_unit_test(leaves_nothing_where_it_fails),
    };

    media_quiet_ffmpeg();
    return cmocka_run_group_tests(tests, NULL, clean_up);
}
