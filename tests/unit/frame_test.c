/* Frames: their view for preprocessing, sharing, copies to draw on. */
#include "../support/clip.h"
#include "media/frame.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <string.h>

static struct frame make_frame(struct frame_pool **pool, enum AVPixelFormat format, int width,
                               int height)
{
    struct frame frame = {.number = 7, .pts = 8, .time = 0.5, .duration = 0.25, .serial = 3};
    VbpError error;

    frame.picture = frame_pool_take(pool, format, width, height, &error);
    assert_non_null(frame.picture);
    return frame;
}

static void shows_its_pixels(void **state)
{
    static const struct {
        enum AVPixelFormat from;
        enum AVColorSpace space;
        enum AVColorRange range;
        VbpPixelFormat format;
        VbpColorMatrix matrix;
        int full_range;
    } cases[] = {
        {AV_PIX_FMT_GRAY8, AVCOL_SPC_UNSPECIFIED, AVCOL_RANGE_UNSPECIFIED, VBP_PIXEL_GRAY8,
         VBP_MATRIX_BT601, 1},
        {AV_PIX_FMT_GRAY8, AVCOL_SPC_UNSPECIFIED, AVCOL_RANGE_MPEG, VBP_PIXEL_GRAY8,
         VBP_MATRIX_BT601, 0},
        {AV_PIX_FMT_RGB24, AVCOL_SPC_RGB, AVCOL_RANGE_UNSPECIFIED, VBP_PIXEL_RGB24,
         VBP_MATRIX_BT601, 1},
        {AV_PIX_FMT_BGR24, AVCOL_SPC_RGB, AVCOL_RANGE_JPEG, VBP_PIXEL_BGR24, VBP_MATRIX_BT601, 1},
        {AV_PIX_FMT_YUV420P, AVCOL_SPC_UNSPECIFIED, AVCOL_RANGE_UNSPECIFIED, VBP_PIXEL_YUV420P,
         VBP_MATRIX_BT601, 0},
        {AV_PIX_FMT_YUV420P, AVCOL_SPC_BT709, AVCOL_RANGE_MPEG, VBP_PIXEL_YUV420P, VBP_MATRIX_BT709,
         0},
        {AV_PIX_FMT_YUV422P, AVCOL_SPC_BT2020_NCL, AVCOL_RANGE_JPEG, VBP_PIXEL_YUV422P,
         VBP_MATRIX_BT2020, 1},
        {AV_PIX_FMT_YUV444P, AVCOL_SPC_SMPTE170M, AVCOL_RANGE_MPEG, VBP_PIXEL_YUV444P,
         VBP_MATRIX_BT601, 0},
        {AV_PIX_FMT_YUVJ420P, AVCOL_SPC_BT470BG, AVCOL_RANGE_UNSPECIFIED, VBP_PIXEL_YUV420P,
         VBP_MATRIX_BT601, 1},
        {AV_PIX_FMT_YUVJ422P, AVCOL_SPC_BT470BG, AVCOL_RANGE_UNSPECIFIED, VBP_PIXEL_YUV422P,
         VBP_MATRIX_BT601, 1},
        {AV_PIX_FMT_YUVJ444P, AVCOL_SPC_BT470BG, AVCOL_RANGE_UNSPECIFIED, VBP_PIXEL_YUV444P,
         VBP_MATRIX_BT601, 1},
    };
    struct frame_pool *pool = NULL;

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct frame frame = make_frame(&pool, cases[i].from, 33, 17);
        VbpImage image;

        frame.picture->colorspace = cases[i].space;
        frame.picture->color_range = cases[i].range;
        image = frame_image(&frame);
        assert_int_equal(image.format, cases[i].format);
        assert_int_equal(image.matrix, cases[i].matrix);
        assert_int_equal(image.full_range, cases[i].full_range);
        assert_int_equal(image.width, 33);
        assert_int_equal(image.height, 17);
        for (int plane = 0; plane < 3; plane++) {
            assert_ptr_equal(image.plane[plane], frame.picture->data[plane]);
            assert_int_equal(image.stride[plane], frame.picture->linesize[plane]);
        }
        frame_release(&frame);
        assert_null(frame.picture);
        assert_int_equal(frame.number, 0);
        frame_release(&frame);
    }
    frame_pool_free(&pool);
    assert_null(pool);
    frame_pool_free(&pool);
}

static void shares_pictures(void **state)
{
    struct frame_pool *pool = NULL;
    struct frame frame = make_frame(&pool, AV_PIX_FMT_YUV420P, 64, 48), copy, nothing = {0};
    const uint8_t *pixels = frame.picture->data[0];
    VbpError error;

    (void)state;
    frame_pool_free(&pool); /* pictures in use stay valid */
    clip_draw(frame.picture, 1234);
    assert_int_equal(frame_reference(&copy, &frame, &error), VBP_OK);
    frame_release_item(&frame);
    assert_ptr_equal(copy.picture->data[0], pixels);
    assert_int_equal(clip_number(copy.picture), 1234);
    assert_int_equal(copy.number, 7);
    assert_int_equal(copy.pts, 8);
    assert_true(copy.time == 0.5 && copy.duration == 0.25);
    assert_int_equal(copy.serial, 3);
    frame_release(&copy);
    assert_int_equal(frame_reference(&copy, &nothing, &error), VBP_OK);
    assert_null(copy.picture);
}

static void copies_to_draw_on(void **state)
{
    static const enum AVPixelFormat formats[] = {AV_PIX_FMT_YUV420P, AV_PIX_FMT_YUVJ422P,
                                                 AV_PIX_FMT_YUV444P, AV_PIX_FMT_GRAY8,
                                                 AV_PIX_FMT_RGB24};
    struct frame_pool *originals = NULL, *pool = NULL;
    VbpError error;

    (void)state;
    for (size_t i = 0; i < sizeof(formats) / sizeof(formats[0]); i++) {
        struct frame frame = make_frame(&originals, formats[i], 97 - (int)i, 65);
        const uint8_t *buffer;
        AVFrame *copy;

        clip_draw(frame.picture, 999);
        frame.picture->pts = 42;
        frame.picture->pkt_duration = 5;
        frame.picture->colorspace = AVCOL_SPC_BT709;
        frame.picture->color_range = AVCOL_RANGE_MPEG;
        copy = frame_pool_copy(&pool, frame.picture, &error);
        assert_non_null(copy);
        assert_int_equal(copy->width, frame.picture->width);
        assert_int_equal(copy->height, 65);
        assert_int_equal(copy->format, formats[i]);
        assert_int_equal(copy->pts, 42);
        assert_int_equal(copy->pkt_duration, 5);
        assert_int_equal(copy->colorspace, AVCOL_SPC_BT709);
        assert_int_equal(copy->color_range, AVCOL_RANGE_MPEG);
        assert_true(av_frame_is_writable(copy));
        for (int plane = 0; plane < 3 && copy->data[plane]; plane++) {
            int rows = plane && formats[i] == AV_PIX_FMT_YUV420P ? 33 : 65;
            size_t bytes = formats[i] == AV_PIX_FMT_RGB24 ? 3 * (size_t)copy->width
                           : plane && formats[i] != AV_PIX_FMT_YUV444P
                               ? ((size_t)copy->width + 1) / 2
                               : (size_t)copy->width;

            for (int y = 0; y < rows; y++)
                assert_memory_equal(copy->data[plane] + (ptrdiff_t)copy->linesize[plane] * y,
                                    frame.picture->data[plane] +
                                        (ptrdiff_t)frame.picture->linesize[plane] * y,
                                    bytes);
        }
        clip_draw(copy, 1);
        assert_int_equal(clip_number(frame.picture), 999);
        /* A buffer that was let go is used again. */
        buffer = copy->data[0];
        av_frame_free(&copy);
        copy = frame_pool_copy(&pool, frame.picture, &error);
        assert_ptr_equal(copy->data[0], buffer);
        assert_int_equal(clip_number(copy), 999);
        av_frame_free(&copy);
        frame_release(&frame);
    }
    frame_pool_free(&pool);
    frame_pool_free(&originals);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(shows_its_pixels),
        cmocka_unit_test(shares_pictures),
        cmocka_unit_test(copies_to_draw_on),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
