/* Sources that are one picture, or an array. */
#include "../support/clip.h"
#include "../support/reading.h"
#include "base/file.h"
#include "base/npy.h"
#include "media/ffmpeg.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#define DATA "../shared/data/"

/* ---- Pictures and arrays --------------------------------------------------------------------- */

static void write_array(const char *path, enum npy_type type, const void *data, int rank, size_t a,
                        size_t b, size_t c)
{
    size_t extent[3] = {a, b, c};

    assert_int_equal(npy_write(path, type, data, rank, extent, NULL), VBP_OK);
}

static void reads_arrays(void **state)
{
    const char *path = clip_path("array.npy");
    uint8_t bytes[2 * 3 * 4];
    float floats[6] = {0.5F, -1, 2, 3, 4, 5};
    struct source *source;
    struct frame frame;
    VbpError error;
    VbpImage image;
    const size_t *shape;
    size_t length;
    int rank;

    (void)state;
    for (size_t i = 0; i < sizeof(bytes); i++)
        bytes[i] = (uint8_t)(i * 10);
    for (size_t channels = 0; channels <= 4; channels++) {
        size_t step = channels ? channels : 1;

        if (channels == 2)
            continue;
        write_array(path, NPY_UINT8, bytes, channels ? 3 : 2, 2, 3, channels);
        source = reading_open(path, &reading_sought);
        assert_int_equal(source_info(source)->kind, SOURCE_IMAGE);
        assert_int_equal(source_info(source)->frame_count, 1);
        assert_null(source_ready_input(source, &length));
        rank = 7;
        assert_null(source_ready_shape(source, &rank));
        assert_int_equal(rank, 0);
        reading_next(source, &frame);
        image = frame_image(&frame);
        assert_int_equal(image.width, 3);
        assert_int_equal(image.height, 2);
        assert_int_equal(image.full_range, 1);
        assert_int_equal(image.format, channels < 3 ? VBP_PIXEL_GRAY8 : VBP_PIXEL_RGB24);
        for (size_t y = 0; y < 2; y++) {
            for (size_t x = 0; x < 3; x++) {
                for (size_t c = 0; c < (step < 3 ? 1 : 3); c++)
                    assert_int_equal(image.plane[0][(ptrdiff_t)y * image.stride[0] +
                                                    (ptrdiff_t)(x * (step < 3 ? 1 : 3) + c)],
                                     bytes[(y * 3 + x) * step + c]);
            }
        }
        frame_release(&frame);
        reading_assert_end(source);
        assert_int_equal(source_seek_number(source, 0, &error), VBP_OK);
        reading_next(source, &frame);
        assert_int_equal(frame.number, 0);
        assert_true(frame.time == 0);
        frame_release(&frame);
        assert_int_equal(source_seek_number(source, 1, &error), VBP_ERROR_ARGUMENT);
        source_close(&source);
    }
    write_array(path, NPY_FLOAT32, floats, 3, 1, 2, 3);
    source = reading_open(path, &reading_sought);
    assert_int_equal(source_info(source)->kind, SOURCE_READY_INPUT);
    assert_memory_equal(source_ready_input(source, &length), floats, sizeof(floats));
    assert_int_equal(length, 6);
    shape = source_ready_shape(source, &rank);
    assert_int_equal(rank, 3);
    assert_true(shape[0] == 1 && shape[1] == 2 && shape[2] == 3);
    reading_assert_end(source);
    assert_int_equal(source_seek_number(source, 0, &error), VBP_ERROR_UNSUPPORTED);
    source_close(&source);
    write_array(path, NPY_UINT8, bytes, 3, 2, 3, 2);
    reading_expect_refusal(path, VBP_ERROR_UNSUPPORTED, "2 x 3 x 2");
    write_array(path, NPY_UINT8, bytes, 1, 24, 0, 0);
    reading_expect_refusal(path, VBP_ERROR_UNSUPPORTED, "shape 24");
    write_array(path, NPY_UINT8, bytes, 2, 0, 3, 0);
    reading_expect_refusal(path, VBP_ERROR_UNSUPPORTED, "0 x 3");
    write_array(path, NPY_FLOAT32, floats, 1, 0, 0, 0);
    reading_expect_refusal(path, VBP_ERROR_UNSUPPORTED, "without elements");
}

/* One picture file, made with FFmpeg's encoders. */
static void reads_pictures(void **state)
{
    static const struct {
        const char *name, *codec;
        enum AVPixelFormat format;
        VbpPixelFormat expected;
        bool full_range;
    } cases[] = {
        {"colour.jpg", "mjpeg", AV_PIX_FMT_YUVJ420P, VBP_PIXEL_RGB24, true},
        {"colour444.jpeg", "mjpeg", AV_PIX_FMT_YUVJ444P, VBP_PIXEL_RGB24, true},
        {"gray.png", "png", AV_PIX_FMT_GRAY8, VBP_PIXEL_GRAY8, true},
        {"gray16.png", "png", AV_PIX_FMT_GRAY16BE, VBP_PIXEL_GRAY8, true},
        {"really-png.jpg", "png", AV_PIX_FMT_GRAY8, VBP_PIXEL_GRAY8, true},
        {"gray.bmp", "bmp", AV_PIX_FMT_GRAY8, VBP_PIXEL_RGB24, true} /* has a palette */,
        {"colour.bmp", "bmp", AV_PIX_FMT_BGR24, VBP_PIXEL_BGR24, true},
        {"colour.png", "png", AV_PIX_FMT_RGB24, VBP_PIXEL_RGB24, true},
        {"frame-%d-100%.png", "png", AV_PIX_FMT_GRAY8, VBP_PIXEL_GRAY8, true},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        const char *path = clip_path(cases[i].name);
        struct source *source;
        struct frame frame;
        VbpImage image;

        /* A stream of pictures (image2pipe) with one picture in it is that picture's file. */
        clip_make(&(struct clip_options){.path = path,
                                         .container = "image2pipe",
                                         .codec = cases[i].codec,
                                         .format = cases[i].format,
                                         .frames = 1});
        source = reading_open(path, &reading_sought);
        if (source_info(source)->kind != SOURCE_IMAGE)
            fail_msg("%s is no picture", path);
        assert_int_equal(source_info(source)->frame_count, 1);
        assert_int_equal(source_info(source)->width, 128);
        reading_next(source, &frame);
        image = frame_image(&frame);
        if (image.format != cases[i].expected || image.full_range != cases[i].full_range)
            fail_msg("%s: format %d, full range %d", path, (int)image.format, image.full_range);
        assert_int_equal(image.matrix, VBP_MATRIX_BT601);
        assert_int_equal(clip_number(frame.picture), 0);
        frame_release(&frame);
        reading_assert_end(source);
        source_close(&source);
    }
}

/* Gray JPEGs against what libjpeg made of them. */
static void decodes_jpegs_as_libjpeg_does(void **state)
{
    struct npy expected;
    VbpError error;

    (void)state;
    if (!file_exists(DATA "nethvf/images_u8.npy")) {
        print_message(DATA "nethvf is not there\n");
        skip();
    }
    assert_int_equal(npy_read(DATA "nethvf/images_u8.npy", &expected, &error), VBP_OK);
    for (int i = 0; i < 22; i++) {
        char path[128];
        struct source *source;
        struct frame frame;
        VbpImage image;
        const uint8_t *wanted;

        snprintf(path, sizeof(path), DATA "nethvf/images/img%d.jpg", i + 1);
        source = reading_open(path, &reading_sought);
        reading_next(source, &frame);
        image = frame_image(&frame);
        assert_int_equal(image.format, VBP_PIXEL_GRAY8);
        assert_int_equal(image.full_range, 1);
        wanted = (const uint8_t *)expected.data + (size_t)i * 125 * 640;
        for (int y = 0; y < image.height; y++) {
            for (int x = 0; x < image.width; x++)
                assert_in_range(image.plane[0][y * image.stride[0] + x] + 1 - wanted[y * 640 + x],
                                0, 2);
        }
        frame_release(&frame);
        source_close(&source);
    }
    npy_free(&expected);
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
        cmocka_unit_test(reads_arrays),
        cmocka_unit_test(reads_pictures),
        cmocka_unit_test(decodes_jpegs_as_libjpeg_does),
    };

    media_quiet_ffmpeg();
    return cmocka_run_group_tests(tests, NULL, clean_up);
}
