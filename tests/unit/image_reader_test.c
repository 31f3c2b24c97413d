/* Single pictures: the same as source gives, and damage refused by name. */
#include "media/image_reader.h"

#include "base/file.h"
#include "media/ffmpeg.h"
#include "media/image_writer.h"
#include "media/source.h"
#include "support/clip.h"
#include "support/data.h"
#include "support/scratch.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

static void check_same_plane(const VbpImage *a, const VbpImage *b, int plane, int bytes, int rows)
{
    for (int y = 0; y < rows; y++)
        assert_memory_equal(a->plane[plane] + a->stride[plane] * y,
                            b->plane[plane] + b->stride[plane] * y, (size_t)bytes);
}

static void check_same_as_source(const char *path)
{
    struct frame read, expected;
    struct source *source = NULL;
    VbpImage a, b;
    VbpError error;
    int pixel, chroma_width, chroma_height;

    if (image_read(path, &read, &error) != VBP_OK ||
        source_open(&source, path, &(struct source_options){.threads = 1}, &error) != VBP_OK)
        fail_msg("%s", error.message);
    assert_int_equal(source_read(source, &expected, &error), SOURCE_FRAME);
    a = frame_image(&read);
    b = frame_image(&expected);
    assert_int_equal(a.format, b.format);
    assert_int_equal(a.matrix, b.matrix);
    assert_int_equal(a.full_range, b.full_range);
    assert_int_equal(a.width, b.width);
    assert_int_equal(a.height, b.height);
    pixel = a.format == VBP_PIXEL_RGB24 || a.format == VBP_PIXEL_BGR24 ? 3 : 1;
    check_same_plane(&a, &b, 0, pixel * a.width, a.height);
    chroma_width = a.format == VBP_PIXEL_YUV444P ? a.width : (a.width + 1) / 2;
    chroma_height = a.format == VBP_PIXEL_YUV420P ? (a.height + 1) / 2 : a.height;
    for (int plane = 1; plane < 3 && a.plane[plane]; plane++)
        check_same_plane(&a, &b, plane, chroma_width, chroma_height);
    frame_release(&read);
    frame_release(&expected);
    source_close(&source);
}

static const char *write_png(const char *name, int channels)
{
    const char *path = scratch_path(name);
    uint8_t pixels[11 * 13 * 4];
    VbpError error;

    for (size_t i = 0; i < sizeof(pixels); i++)
        pixels[i] = (uint8_t)(i * i * 7);
    if (image_write_pixels(path, pixels, 13, 11, channels, 13 * channels, &error) != VBP_OK)
        fail_msg("%s", error.message);
    return path;
}

/* A JPEG as the encoder makes it, which is what a clip of one frame without a container is. */
static const char *write_jpeg(const char *name, enum AVPixelFormat format)
{
    const char *path = scratch_path(name);

    clip_make(&(struct clip_options){
        .path = path, .container = "image2pipe", .codec = "mjpeg", .format = format, .frames = 1});
    return path;
}

static void reads_what_source_reads(void **state)
{
    (void)state;
    check_same_as_source(write_png("gray.png", 1));
    check_same_as_source(write_png("rgb.png", 3));
    check_same_as_source(write_png("rgba.png", 4));
    check_same_as_source(write_jpeg("420.jpg", AV_PIX_FMT_YUVJ420P));
    check_same_as_source(write_jpeg("422.jpg", AV_PIX_FMT_YUVJ422P));
    check_same_as_source(write_jpeg("444.jpg", AV_PIX_FMT_YUVJ444P));
    check_same_as_source(write_jpeg("no ending", AV_PIX_FMT_YUVJ420P));
}

/* What is no JPEG or PNG. */
static void reads_others_through_source(void **state)
{
    static const unsigned char bmp[] = {'B', 'M', 58, 0, 0, 0, 0, 0, 0, 0, 54, 0, 0, 0,  40,
                                        0,   0,   0,  1, 0, 0, 0, 1, 0, 0, 0,  1, 0, 24, 0,
                                        0,   0,   0,  0, 4, 0, 0, 0, 0, 0, 0,  0, 0, 0,  0,
                                        0,   0,   0,  0, 0, 0, 0, 0, 0, 1, 2,  3, 0};
    const char *path = scratch_write("dot.bmp", bmp, sizeof(bmp));
    struct frame frame;
    VbpImage image;

    (void)state;
    assert_int_equal(image_read(path, &frame, NULL), VBP_OK);
    image = frame_image(&frame);
    assert_int_equal(image.width, 1);
    assert_int_equal(image.format, VBP_PIXEL_BGR24);
    assert_int_equal(image.plane[0][2], 3);
    frame_release(&frame);
    check_same_as_source(path);
}

static void refuse(const char *path, int status)
{
    struct frame frame = {.number = 3};
    VbpError error;

    assert_int_equal(image_read(path, &frame, &error), status);
    assert_null(frame.picture);
    if (!strstr(error.message, path))
        fail_msg("\"%s\" does not name %s", error.message, path);
}

static void refuses_damaged_pictures(void **state)
{
    unsigned char *bytes;
    size_t length;

    (void)state;
    assert_int_equal(
        file_read(write_jpeg("whole.jpg", AV_PIX_FMT_YUVJ420P), 1 << 20, &bytes, &length, NULL),
        VBP_OK);
    refuse(scratch_write("half.jpg", bytes, length / 2), VBP_ERROR_FORMAT);
    refuse(scratch_write("begun.jpg", bytes, 20), VBP_ERROR_FORMAT);
    free(bytes);

    assert_int_equal(file_read(write_png("whole.png", 3), 1 << 20, &bytes, &length, NULL), VBP_OK);
    refuse(scratch_write("half.png", bytes, length / 2), VBP_ERROR_FORMAT);
    bytes[length / 2] ^= 0x55;
    refuse(scratch_write("changed.png", bytes, length), VBP_ERROR_FORMAT);
    free(bytes);

    refuse(scratch_write("empty.jpg", "", 0), VBP_ERROR_FORMAT);
    refuse(scratch_write("text.jpg", "not a picture", 13), VBP_ERROR_FORMAT);
    refuse(scratch_path("absent.jpg"), VBP_ERROR_IO);
    refuse("/tmp", VBP_ERROR_IO);
}

static void refuses_videos(void **state)
{
    const char *path = scratch_path("clip.mp4");

    (void)state;
    clip_make(&(struct clip_options){.path = path, .frames = 3});
    refuse(path, VBP_ERROR_FORMAT);
}

static void reads_recorded_pictures(void **state)
{
    (void)state;
    check_same_as_source(
        data_path("sequences/udacity-lake/IMG/center_2016_12_01_13_36_00_987.jpg"));
    check_same_as_source(data_path("sequences/donkey-tub-v1/4000_cam-image_array_.jpg"));
    check_same_as_source(data_path("sequences/donkey-tub-v2/images/2390_cam_image_array_.jpg"));
}

static int setup(void **state)
{
    media_quiet_ffmpeg();
    return scratch_setup(state);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_what_source_reads),  cmocka_unit_test(reads_others_through_source),
        cmocka_unit_test(refuses_damaged_pictures), cmocka_unit_test(refuses_videos),
        cmocka_unit_test(reads_recorded_pictures),
    };

    return cmocka_run_group_tests(tests, setup, scratch_teardown);
}
