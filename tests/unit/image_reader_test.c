/* Single pictures: the same as source gives, and damage refused by name. */
#include "media/image_reader.h"

#include "base/file.h"
#include "media/ffmpeg.h"
#include "media/image_writer.h"
#include "media/source.h"
#include "support/clip.h"
#include "support/data.h"
#include "support/png.h"
#include "support/scratch.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
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

/* ---- Kinds of PNG --------------------------------------------------------------------------- */

static const uint8_t gray8[] = {10, 200, 77};
static const uint8_t gray16[] = {10, 0, 200, 99, 77, 255};
static const uint8_t gray4[] = {0x0f, 0x70};
static const uint8_t gray1[] = {0x40};
static const uint8_t gray_alpha8[] = {10, 0, 200, 255, 77, 128};
static const uint8_t gray_alpha16[] = {10, 0, 0, 0, 200, 99, 255, 255, 77, 255, 128, 0};
static const uint8_t rgb8[] = {1, 2, 3, 250, 128, 0, 9, 99, 199};
static const uint8_t rgb16[] = {1,  0, 2,   99, 3, 255, 250, 0,   128,
                                99, 0, 255, 9,  0, 99,  99,  199, 255};
static const uint8_t rgba8[] = {1, 2, 3, 0, 250, 128, 0, 255, 9, 99, 199, 7};
static const uint8_t rgba16[] = {1, 0, 2, 99, 3, 255, 0,  0,  250, 0,   128, 99,
                                 0, 9, 1, 1,  9, 0,   99, 99, 199, 255, 0,   7};
static const uint8_t indices8[] = {2, 0, 1};
static const uint8_t indices2[] = {0x84};
static const uint8_t colours[] = {250, 128, 0, 9, 99, 199, 1, 2, 3};
static const uint8_t transparency[] = {0, 128, 255};

/* Three pixels of each kind that PNG has; alpha is left out, as training scripts do it. */
static const struct {
    const char *name;
    struct png_picture picture;
    uint8_t rgb[9];
} kinds[] = {
    {"gray8",
     {PNG_GRAY, 8, 3, 1, gray8, 3, NULL, 0, NULL},
     {10, 10, 10, 200, 200, 200, 77, 77, 77}},
    {"gray16",
     {PNG_GRAY, 16, 3, 1, gray16, 6, NULL, 0, NULL},
     {10, 10, 10, 200, 200, 200, 77, 77, 77}},
    {"gray4",
     {PNG_GRAY, 4, 3, 1, gray4, 2, NULL, 0, NULL},
     {0, 0, 0, 255, 255, 255, 119, 119, 119}},
    {"gray1", {PNG_GRAY, 1, 3, 1, gray1, 1, NULL, 0, NULL}, {0, 0, 0, 255, 255, 255, 0, 0, 0}},
    {"gray and alpha",
     {PNG_GRAY_ALPHA, 8, 3, 1, gray_alpha8, 6, NULL, 0, NULL},
     {10, 10, 10, 200, 200, 200, 77, 77, 77}},
    {"gray and alpha 16",
     {PNG_GRAY_ALPHA, 16, 3, 1, gray_alpha16, 12, NULL, 0, NULL},
     {10, 10, 10, 200, 200, 200, 77, 77, 77}},
    {"rgb8", {PNG_RGB, 8, 3, 1, rgb8, 9, NULL, 0, NULL}, {1, 2, 3, 250, 128, 0, 9, 99, 199}},
    {"rgb16", {PNG_RGB, 16, 3, 1, rgb16, 18, NULL, 0, NULL}, {1, 2, 3, 250, 128, 0, 9, 99, 199}},
    {"rgba8", {PNG_RGBA, 8, 3, 1, rgba8, 12, NULL, 0, NULL}, {1, 2, 3, 250, 128, 0, 9, 99, 199}},
    {"rgba16", {PNG_RGBA, 16, 3, 1, rgba16, 24, NULL, 0, NULL}, {1, 2, 3, 250, 128, 0, 9, 99, 199}},
    {"palette",
     {PNG_PALETTE, 8, 3, 1, indices8, 3, colours, 3, NULL},
     {1, 2, 3, 250, 128, 0, 9, 99, 199}},
    {"palette of 2 bits",
     {PNG_PALETTE, 2, 3, 1, indices2, 1, colours, 3, NULL},
     {1, 2, 3, 250, 128, 0, 9, 99, 199}},
    {"palette with alpha",
     {PNG_PALETTE, 8, 3, 1, indices8, 3, colours, 3, transparency},
     {1, 2, 3, 250, 128, 0, 9, 99, 199}},
};

#define KINDS (sizeof(kinds) / sizeof(kinds[0]))

/* A step of 16 bits may be rounded either way. */
static void check_kind(size_t kind, const VbpImage *image)
{
    bool gray = image->format == VBP_PIXEL_GRAY8;

    assert_true(gray || image->format == VBP_PIXEL_RGB24);
    assert_int_equal(image->width, 3);
    assert_int_equal(image->full_range, 1);
    for (int i = 0; i < 9; i++) {
        int value = image->plane[0][gray ? i / 3 : i];

        if (abs(value - kinds[kind].rgb[i]) > (kinds[kind].picture.depth == 16))
            fail_msg("%s: value %d is %d instead of %d", kinds[kind].name, i, value,
                     kinds[kind].rgb[i]);
    }
}

static void reads_every_kind_of_png(void **state)
{
    (void)state;
    for (size_t i = 0; i < KINDS; i++) {
        /* The name says nothing. */
        const char *path = png_write(i % 2 ? "kind.jpg" : "kind.png", &kinds[i].picture);
        struct frame frame;
        VbpImage image;
        VbpError error;

        if (image_read(path, &frame, &error) != VBP_OK)
            fail_msg("%s: %s", kinds[i].name, error.message);
        image = frame_image(&frame);
        check_kind(i, &image);
        frame_release(&frame);
        check_same_as_source(path);
    }
}

/* All kinds in one folder, behind a picture in colour, whose form they take; in natural order. */
static void reads_every_kind_in_a_folder(void **state)
{
    struct source *source;
    struct frame frame;
    VbpImage image;
    VbpError error;

    (void)state;
    assert_int_equal(file_make_folder(scratch_path("kinds"), &error), VBP_OK);
    png_write("kinds/img 1.jpg", &kinds[6].picture);
    for (size_t i = 0; i < KINDS; i++) {
        char name[40];

        snprintf(name, sizeof(name), "kinds/img %zu.%s", i + 2, i % 2 ? "jpg" : "png");
        png_write(name, &kinds[i].picture);
    }
    if (source_open(&source, scratch_path("kinds"), &(struct source_options){.threads = 1},
                    &error) != VBP_OK)
        fail_msg("%s", error.message);
    assert_int_equal(source_info(source)->frame_count, KINDS + 1);
    for (size_t i = 0; i <= KINDS; i++) {
        assert_int_equal(source_read(source, &frame, &error), SOURCE_FRAME);
        image = frame_image(&frame);
        assert_int_equal(image.format, VBP_PIXEL_RGB24);
        check_kind(i == 0 ? 6 : i - 1, &image);
        frame_release(&frame);
    }
    assert_int_equal(source_damage(source).packets, 0);
    source_close(&source);
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
        cmocka_unit_test(reads_every_kind_of_png),  cmocka_unit_test(reads_every_kind_in_a_folder),
        cmocka_unit_test(refuses_damaged_pictures), cmocka_unit_test(refuses_videos),
        cmocka_unit_test(reads_recorded_pictures),
    };

    return cmocka_run_group_tests(tests, setup, scratch_teardown);
}
