/* Pictures of JPEGs in red, green and blue: halved samples between the pixels, as libjpeg. */
#include "media/jpeg.h"

#include "media/frame.h"
#include "support/numbers.h"

#include <libavutil/pixdesc.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static AVFrame *make_picture(enum AVPixelFormat format, int width, int height)
{
    struct frame_pool *pool = NULL;
    AVFrame *picture = frame_pool_take(&pool, format, width, height, NULL);

    assert_non_null(picture);
    frame_pool_free(&pool);
    picture->color_range = AVCOL_RANGE_JPEG;
    return picture;
}

static void fill(AVFrame *picture, int plane, const uint8_t *values, int width, int height)
{
    for (int y = 0; y < height; y++)
        memcpy(picture->data[plane] + (ptrdiff_t)y * picture->linesize[plane],
               values + (ptrdiff_t)y * width, (size_t)width);
}

static const uint8_t *pixel(const AVFrame *picture, int x, int y)
{
    return picture->data[0] + (ptrdiff_t)y * picture->linesize[0] + 3 * (ptrdiff_t)x;
}

/* Red of a gray picture with one row of V: luma + 1.402 (V - 128). */
static void interpolates_by_hand(void **state)
{
    static const uint8_t luma[6] = {100, 100, 100, 100, 100, 100};
    static const uint8_t u[3] = {128, 128, 128}, v[3] = {128, 168, 128};
    /* 128, (3 128 + 168) / 4, (3 168 + 128) / 4, the same, (3 128 + 168) / 4, 128 */
    static const int between[6] = {128, 138, 158, 158, 138, 128};
    AVFrame *picture = make_picture(AV_PIX_FMT_YUVJ422P, 6, 1);

    (void)state;
    fill(picture, 0, luma, 6, 1);
    fill(picture, 1, u, 3, 1);
    fill(picture, 2, v, 3, 1);
    assert_int_equal(jpeg_to_rgb(&picture, NULL), VBP_OK);
    assert_int_equal(picture->format, AV_PIX_FMT_RGB24);
    assert_int_equal(picture->color_range, AVCOL_RANGE_JPEG);
    for (int x = 0; x < 6; x++) {
        assert_int_equal(pixel(picture, x, 0)[0], lround(100 + 1.402 * (between[x] - 128)));
        assert_int_equal(pixel(picture, x, 0)[1], lround(100 - 0.714136 * (between[x] - 128)));
        assert_int_equal(pixel(picture, x, 0)[2], 100);
    }
    av_frame_free(&picture);
}

/* The value at pixel `at` of an axis of `count` samples: between its own and its neighbour's. */
static void neighbours(int at, int count, bool halved, int *own, int *other)
{
    *own = halved ? at / 2 : at;
    *other = halved ? *own + (at % 2 ? 1 : -1) : *own;
    if (*other < 0 || *other >= count)
        *other = *own;
}

static double sample_at(const AVFrame *picture, int plane, int x, int y, bool wide, bool high)
{
    int width = wide ? (picture->width + 1) / 2 : picture->width;
    int height = high ? (picture->height + 1) / 2 : picture->height;
    int left, right, near, far;
    double sum = 0;

    neighbours(x, width, wide, &left, &right);
    neighbours(y, height, high, &near, &far);
    if (wide && width < 3) { /* repeated instead */
        right = left;
        far = near;
    }
    for (int i = 0; i < 4; i++)
        sum += (i & 1 ? 0.25 : 0.75) * (i & 2 ? 0.25 : 0.75) *
               picture->data[plane][(ptrdiff_t)(i & 2 ? far : near) * picture->linesize[plane] +
                                    (i & 1 ? right : left)];
    return sum;
}

static double cut(double value)
{
    return fmin(fmax(value, 0), 255);
}

/* Any size and layout, against the same in doubles: a sample's rounding is worth 1.772 at most. */
static void random_pictures(void **state)
{
    static const enum AVPixelFormat formats[] = {AV_PIX_FMT_YUVJ420P, AV_PIX_FMT_YUVJ422P,
                                                 AV_PIX_FMT_YUVJ444P, AV_PIX_FMT_YUV420P};
    int cases = 0;

    (void)state;
    for (int i = 0; i < 80; i++) {
        enum AVPixelFormat format = formats[i % 4];
        bool high = i % 4 == 0 || i % 4 == 3, wide = i % 4 != 2;
        int width = random_between(1, 23), height = random_between(1, 9);
        AVFrame *from = make_picture(format, width, height), *to;

        for (int plane = 0; plane < 3; plane++) {
            int rows = plane && high ? (height + 1) / 2 : height;

            for (int y = 0; y < rows; y++) {
                for (int x = 0; x < (plane && wide ? (width + 1) / 2 : width); x++)
                    from->data[plane][(ptrdiff_t)y * from->linesize[plane] + x] =
                        (uint8_t)random_between(0, 255);
            }
        }
        to = av_frame_clone(from);
        assert_non_null(to);
        assert_int_equal(jpeg_to_rgb(&to, NULL), VBP_OK);
        for (int y = 0; y < height; y++) {
            for (int x = 0; x < width; x++) {
                double luma = from->data[0][(ptrdiff_t)y * from->linesize[0] + x];
                double u = sample_at(from, 1, x, y, wide, high) - 128;
                double v = sample_at(from, 2, x, y, wide, high) - 128;

                check_close((double)pixel(to, x, y)[0], cut(luma + 1.402 * v), 1.5, "red");
                check_close((double)pixel(to, x, y)[1], cut(luma - 0.344136 * u - 0.714136 * v),
                            1.5, "green");
                check_close((double)pixel(to, x, y)[2], cut(luma + 1.772 * u), 1.5, "blue");
                cases++;
            }
        }
        av_frame_free(&from);
        av_frame_free(&to);
    }
    assert_true(cases > 1000);
}

static void leaves_other_pictures(void **state)
{
    static const enum AVPixelFormat formats[] = {AV_PIX_FMT_GRAY8, AV_PIX_FMT_RGB24,
                                                 AV_PIX_FMT_YUV420P, AV_PIX_FMT_YUVJ411P};

    (void)state;
    for (size_t i = 0; i < sizeof(formats) / sizeof(formats[0]); i++) {
        AVFrame *picture = make_picture(formats[i], 8, 4), *same = picture;

        if (formats[i] == AV_PIX_FMT_YUV420P)
            picture->color_range = AVCOL_RANGE_MPEG;
        assert_int_equal(jpeg_to_rgb(&picture, NULL), VBP_OK);
        assert_ptr_equal(picture, same);
        assert_int_equal(picture->format, formats[i]);
        av_frame_free(&picture);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(interpolates_by_hand),
        cmocka_unit_test(random_pictures),
        cmocka_unit_test(leaves_other_pictures),
    };

    return cmocka_run_group_tests(tests, random_setup, NULL);
}
