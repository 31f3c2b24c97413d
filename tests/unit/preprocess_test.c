/* From a frame to the network's input: every colour from every pixel format, crops, layouts. */
#include "kernels/resample.h"
#include "nn/preprocess.h"
#include "support/numbers.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static struct preprocess_settings settings_for(enum card_color color, int width, int height)
{
    struct preprocess_settings settings = {.color = color, .width = width, .height = height};

    settings.channels = color == CARD_GRAY || color == CARD_SATURATION ? 1 : 3;
    for (int c = 0; c < settings.channels; c++)
        settings.scale[c] = 1;
    return settings;
}

static struct preprocess *created(const struct preprocess_settings *settings)
{
    struct preprocess *preprocess;
    VbpError error;

    if (preprocess_create(&preprocess, settings, &error) != VBP_OK)
        fail_msg("%s", error.message);
    return preprocess;
}

static void run(struct preprocess *preprocess, const VbpImage *image, float *input)
{
    VbpError error;

    if (preprocess_run(preprocess, image, input, &error) != VBP_OK)
        fail_msg("%s", error.message);
}

static void run_once(const struct preprocess_settings *settings, const VbpImage *image,
                     float *input)
{
    struct preprocess *preprocess = created(settings);

    run(preprocess, image, input);
    preprocess_destroy(&preprocess);
    assert_null(preprocess);
}

static void check_pixel(const VbpImage *image, enum card_color color, const double *want)
{
    struct preprocess_settings settings = settings_for(color, image->width, image->height);
    float *input =
        guarded_floats((size_t)settings.channels * (size_t)image->width * (size_t)image->height);
    size_t plane = (size_t)image->width * (size_t)image->height;

    run_once(&settings, image, input);
    for (int c = 0; c < settings.channels; c++)
        check_close((double)input[(size_t)c * plane], want[c], 0.01, card_color_name(color));
    guarded_free(input);
}

/* (200, 100, 50): gray 124.2, and so on, by the definitions in vbp.h and card.h. */
static void colors_by_hand(void **state)
{
    const uint8_t rgb[3] = {200, 100, 50}, bgr[3] = {50, 100, 200}, gray[1] = {77};
    const VbpImage images[] = {
        {.format = VBP_PIXEL_RGB24, .width = 1, .height = 1, .plane = {rgb}, .stride = {3}},
        {.format = VBP_PIXEL_BGR24, .width = 1, .height = 1, .plane = {bgr}, .stride = {3}}};
    const VbpImage gray_image = {
        .format = VBP_PIXEL_GRAY8, .width = 1, .height = 1, .plane = {gray}, .stride = {1}};

    (void)state;
    for (int i = 0; i < 2; i++) {
        check_pixel(&images[i], CARD_RGB, (const double[]){200, 100, 50});
        check_pixel(&images[i], CARD_BGR, (const double[]){50, 100, 200});
        /* 59.8 + 58.7 + 5.7 */
        check_pixel(&images[i], CARD_GRAY, (const double[]){124.2});
        /* 128 + 0.492 (50 - 124.2), 128 + 0.877 (200 - 124.2) */
        check_pixel(&images[i], CARD_YUV, (const double[]){124.2, 91.4936, 194.4766});
        /* Luma of (50, 100, 200): 14.95 + 58.7 + 22.8 = 96.45; red and blue change places. */
        check_pixel(&images[i], CARD_YUV_SWAPPED, (const double[]){96.45, 178.9466, 87.26335});
        check_pixel(&images[i], CARD_SATURATION, (const double[]){191.25});
    }
    check_pixel(&gray_image, CARD_GRAY, (const double[]){77});
    check_pixel(&gray_image, CARD_RGB, (const double[]){77, 77, 77});
    check_pixel(&gray_image, CARD_YUV, (const double[]){77, 128, 128});
    check_pixel(&gray_image, CARD_SATURATION, (const double[]){0});
}

static VbpImage yuv_pixel(const uint8_t *yuv, VbpColorMatrix matrix, int full_range)
{
    return (VbpImage){.format = VBP_PIXEL_YUV444P,
                      .matrix = matrix,
                      .full_range = full_range,
                      .width = 1,
                      .height = 1,
                      .plane = {yuv, yuv + 1, yuv + 2},
                      .stride = {1, 1, 1}};
}

/* Pure red as each standard writes it, rounded to bytes: so within half a step of 255, 0, 0. */
static void matrices_and_ranges(void **state)
{
    static const struct {
        VbpColorMatrix matrix;
        int full_range;
        uint8_t yuv[3];
        double rgb[3];
    } cases[] = {
        {VBP_MATRIX_BT601, 1, {76, 85, 255}, {254.054, 0.15604, 0}},
        {VBP_MATRIX_BT601, 0, {81, 90, 240}, {254.43917, 0, 0}},
        {VBP_MATRIX_BT709, 0, {63, 102, 240}, {255, 0.7874, 0}},
        {VBP_MATRIX_BT2020, 0, {74, 97, 240}, {255, 0, 1.09}},
        /* Levels beyond black and white are cut. */
        {VBP_MATRIX_BT601, 0, {5, 128, 128}, {0, 0, 0}},
        {VBP_MATRIX_BT709, 0, {250, 128, 128}, {255, 255, 255}},
        {VBP_MATRIX_BT601, 0, {126, 128, 128}, {128.0822, 128.0822, 128.0822}},
        {VBP_MATRIX_BT2020, 1, {126, 128, 128}, {126, 126, 126}},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        VbpImage image = yuv_pixel(cases[i].yuv, cases[i].matrix, cases[i].full_range);
        struct preprocess_settings settings = settings_for(CARD_RGB, 1, 1);
        float rgb[3];

        run_once(&settings, &image, rgb);
        for (int c = 0; c < 3; c++)
            check_close((double)rgb[c], cases[i].rgb[c], 1.5, "red, green, blue");
    }
}

/* Gray is luma itself, and stretched where the range is limited; no matrix changes it. */
static void gray_from_video_is_luma(void **state)
{
    const uint8_t yuv[3] = {100, 30, 220};

    (void)state;
    for (int matrix = 0; matrix <= VBP_MATRIX_BT2020; matrix++) {
        VbpImage limited = yuv_pixel(yuv, (VbpColorMatrix)matrix, 0);
        VbpImage full = yuv_pixel(yuv, (VbpColorMatrix)matrix, 1);

        check_pixel(&limited, CARD_GRAY, (const double[]){(100 - 16) * 255 / 219.0});
        check_pixel(&full, CARD_GRAY, (const double[]){100});
    }
}

/* ---- A slow twin ---------------------------------------------------------------------------- */

static double byte_at(const VbpImage *image, int plane, int y, int x)
{
    return image->plane[plane][(ptrdiff_t)y * image->stride[plane] + x];
}

static double clip(double value)
{
    return fmin(fmax(value, 0), 255);
}

static void slow_rgb(const VbpImage *image, int y, int x, double *rgb)
{
    static const double red[] = {0.299, 0.2126, 0.2627}, blue[] = {0.114, 0.0722, 0.0593};
    double kr = red[image->matrix], kb = blue[image->matrix], kg = 1 - kr - kb, luma, u, v;
    int chroma_y = image->format == VBP_PIXEL_YUV420P ? y / 2 : y;
    int chroma_x = image->format == VBP_PIXEL_YUV444P ? x : x / 2;

    if (image->format == VBP_PIXEL_GRAY8) {
        rgb[0] = rgb[1] = rgb[2] = byte_at(image, 0, y, x);
        return;
    }
    if (image->format == VBP_PIXEL_RGB24 || image->format == VBP_PIXEL_BGR24) {
        for (int c = 0; c < 3; c++)
            rgb[image->format == VBP_PIXEL_RGB24 ? c : 2 - c] = byte_at(image, 0, y, 3 * x + c);
        return;
    }
    luma = byte_at(image, 0, y, x);
    u = byte_at(image, 1, chroma_y, chroma_x) - 128;
    v = byte_at(image, 2, chroma_y, chroma_x) - 128;
    if (!image->full_range) {
        luma = clip((luma - 16) * 255 / 219);
        u *= 255.0 / 224;
        v *= 255.0 / 224;
    }
    rgb[0] = clip(luma + 2 * (1 - kr) * v);
    rgb[1] = clip(luma - 2 * (1 - kr) * kr / kg * v - 2 * (1 - kb) * kb / kg * u);
    rgb[2] = clip(luma + 2 * (1 - kb) * u);
}

/* What is resized: red, green, blue, or luma three times. */
static void slow_sample(const VbpImage *image, enum card_color color, int y, int x, double *sample)
{
    slow_rgb(image, y, x, sample);
    if (color != CARD_GRAY)
        return;
    sample[0] = 0.299 * sample[0] + 0.587 * sample[1] + 0.114 * sample[2];
    if (image->format >= VBP_PIXEL_YUV420P) {
        sample[0] = byte_at(image, 0, y, x);
        if (!image->full_range)
            sample[0] = clip((sample[0] - 16) * 255 / 219);
    }
}

static void slow_color(enum card_color color, double *value)
{
    double red = clip(value[0]), green = clip(value[1]), blue = clip(value[2]), luma;

    switch (color) {
    case CARD_GRAY:
        value[0] = red;
        break;
    case CARD_RGB:
    case CARD_BGR:
        value[0] = color == CARD_RGB ? red : blue;
        value[1] = green;
        value[2] = color == CARD_RGB ? blue : red;
        break;
    case CARD_YUV:
    case CARD_YUV_SWAPPED:
        if (color == CARD_YUV_SWAPPED) {
            double other = red;

            red = blue;
            blue = other;
        }
        luma = 0.299 * red + 0.587 * green + 0.114 * blue;
        value[0] = luma;
        value[1] = clip(128 + 0.492 * (blue - luma));
        value[2] = clip(128 + 0.877 * (red - luma));
        break;
    case CARD_SATURATION:
        luma = fmax(red, fmax(green, blue));
        value[0] = luma > 0 ? 255 * (luma - fmin(red, fmin(green, blue))) / luma : 0;
        break;
    }
}

static enum resample_filter slow_filter(const struct preprocess_settings *settings,
                                        const VbpRectangle *crop)
{
    bool shrinks = crop->width >= settings->width && crop->height >= settings->height;

    switch (settings->resize) {
    case CARD_AREA:
        return shrinks ? RESAMPLE_AREA : RESAMPLE_AREA_GROWN;
    case CARD_NEAREST:
        return RESAMPLE_NEAREST;
    case CARD_BICUBIC:
        return RESAMPLE_BICUBIC;
    case CARD_BILINEAR:
        break;
    }
    return RESAMPLE_BILINEAR;
}

static void check_against_twin(const struct preprocess_settings *settings, const VbpImage *image,
                               const float *input)
{
    VbpRectangle crop;
    struct taps rows, columns;
    int width = settings->width, height = settings->height, channels = settings->channels;

    assert_int_equal(preprocess_crop(settings, image->width, image->height, &crop, NULL), VBP_OK);
    assert_true(taps_make(&columns, slow_filter(settings, &crop), crop.width, width));
    assert_true(taps_make(&rows, slow_filter(settings, &crop), crop.height, height));
    for (int y = 0; y < height; y++) {
        for (int x = 0; x < width; x++) {
            double sum[3] = {0, 0, 0}, sample[3];

            for (int ty = 0; ty < rows.count[y]; ty++) {
                for (int tx = 0; tx < columns.count[x]; tx++) {
                    slow_sample(image, settings->color, crop.y + rows.start[y] + ty,
                                crop.x + columns.start[x] + tx, sample);
                    for (int c = 0; c < 3; c++)
                        sum[c] += (double)rows.weight[y * rows.pitch + ty] *
                                  (double)columns.weight[x * columns.pitch + tx] * sample[c];
                }
            }
            slow_color(settings->color, sum);
            for (int c = 0; c < channels; c++) {
                int place = settings->channels_last ? (y * width + x) * channels + c
                                                    : (c * height + y) * width + x;
                double scale = (double)settings->scale[c];
                /* Saturation divides by the brightness: next to black, errors grow. */
                double bound = settings->color == CARD_SATURATION ? 0.1 : 0.01;

                check_close((double)input[place], sum[c] * scale + (double)settings->bias[c],
                            bound * scale, "input");
            }
        }
    }
    taps_free(&columns);
    taps_free(&rows);
}

/* An image of random bytes in planes of exactly its size, some of them upside down. */
struct picture {
    VbpImage image;
    uint8_t *bytes[3];
};

static struct picture random_picture(VbpPixelFormat format, int width, int height)
{
    struct picture picture = {
        .image = {.format = format,
                  .matrix = (VbpColorMatrix)random_between(0, VBP_MATRIX_BT2020),
                  .full_range = random_between(0, 1),
                  .width = width,
                  .height = height}};

    for (int plane = 0; plane < (format >= VBP_PIXEL_YUV420P ? 3 : 1); plane++) {
        bool half_width = plane > 0 && format != VBP_PIXEL_YUV444P;
        int rows = plane > 0 && format == VBP_PIXEL_YUV420P ? (height + 1) / 2 : height;
        int row = half_width ? (width + 1) / 2 : width;
        uint8_t *bytes;

        if (format == VBP_PIXEL_RGB24 || format == VBP_PIXEL_BGR24)
            row *= 3;
        bytes = malloc((size_t)rows * (size_t)row);
        assert_non_null(bytes);
        for (int i = 0; i < rows * row; i++)
            bytes[i] = (uint8_t)random_between(0, 255);
        picture.bytes[plane] = bytes;
        picture.image.plane[plane] = bytes;
        picture.image.stride[plane] = row;
        if (random_chance(0.3)) {
            picture.image.plane[plane] = bytes + (rows - 1) * row;
            picture.image.stride[plane] = -row;
        }
    }
    return picture;
}

static void picture_free(struct picture *picture)
{
    for (int plane = 0; plane < 3; plane++)
        free(picture->bytes[plane]);
}

static struct preprocess_settings random_settings(void)
{
    struct preprocess_settings settings =
        settings_for((enum card_color)random_between(0, CARD_SATURATION), random_between(1, 24),
                     random_between(1, 24));

    settings.resize = (enum card_resize)random_between(0, CARD_BICUBIC);
    settings.channels_last = random_chance(0.5);
    for (int c = 0; c < settings.channels; c++) {
        settings.scale[c] = random_float(0.001F, 2);
        settings.bias[c] = random_float(-1, 1);
    }
    settings.crop_top = random_chance(0.5) ? random_between(0, 5) : (double)random_float(0, 0.4F);
    settings.crop_left = random_chance(0.5) ? random_between(0, 5) : (double)random_float(0, 0.4F);
    settings.crop_bottom = random_chance(0.5) ? random_between(0, 5) : 0.25;
    settings.crop_right = random_chance(0.5) ? random_between(0, 5) : 0.25;
    return settings;
}

/* Frames of changing geometry through one preprocessor, each as from a slow twin. */
static void random_frames(void **state)
{
    int cases = 0;

    (void)state;
    for (int i = 0; i < 60; i++) {
        struct preprocess_settings settings = random_settings();
        struct preprocess *preprocess = created(&settings);
        size_t count = (size_t)settings.channels * (size_t)settings.width * (size_t)settings.height;

        for (int frame = 0; frame < 4; frame++) {
            struct picture picture =
                random_picture((VbpPixelFormat)random_between(0, VBP_PIXEL_YUV444P),
                               random_between(1, 40), random_between(1, 40));
            float *input = guarded_floats(count);
            VbpRectangle crop;

            if (preprocess_crop(&settings, picture.image.width, picture.image.height, &crop,
                                NULL) == VBP_OK) {
                run(preprocess, &picture.image, input);
                check_against_twin(&settings, &picture.image, input);
                run(preprocess, &picture.image, input); /* with tables at hand */
                check_against_twin(&settings, &picture.image, input);
                cases++;
            } else {
                assert_int_equal(preprocess_run(preprocess, &picture.image, input, NULL),
                                 VBP_ERROR_ARGUMENT);
            }
            guarded_free(input);
            picture_free(&picture);
        }
        preprocess_destroy(&preprocess);
    }
    assert_true(cases > 60);
}

/* A chroma sample belongs to the two pixels (and rows) that it was taken of, also at odd sizes. */
static void chroma_of_odd_sizes(void **state)
{
    const uint8_t luma[15] = {128, 128, 128, 128, 128, 128, 128, 128,
                              128, 128, 128, 128, 128, 128, 128};
    const uint8_t u[6] = {128, 128, 128, 128, 128, 128}, v[6] = {28, 68, 108, 148, 188, 228};
    const VbpImage image = {.format = VBP_PIXEL_YUV420P,
                            .full_range = 1,
                            .width = 5,
                            .height = 3,
                            .plane = {luma, u, v},
                            .stride = {5, 3, 3}};
    struct preprocess_settings settings = settings_for(CARD_RGB, 5, 3);
    float input[45];

    (void)state;
    run_once(&settings, &image, input);
    for (int y = 0; y < 3; y++) {
        for (int x = 0; x < 5; x++)
            check_close((double)input[y * 5 + x], clip(128 + 1.402 * (v[y / 2 * 3 + x / 2] - 128)),
                        0.01, "red");
    }
}

static void crops(void **state)
{
    struct preprocess_settings settings = settings_for(CARD_GRAY, 2, 2);
    VbpRectangle crop;
    VbpError error;

    (void)state;
    settings.crop_top = 60;
    settings.crop_bottom = 25;
    assert_int_equal(preprocess_crop(&settings, 320, 160, &crop, &error), VBP_OK);
    assert_int_equal(crop.x, 0);
    assert_int_equal(crop.y, 60);
    assert_int_equal(crop.width, 320);
    assert_int_equal(crop.height, 75);
    settings = (struct preprocess_settings){.crop_top = 0.25, .crop_left = 0.1, .crop_right = 7};
    assert_int_equal(preprocess_crop(&settings, 101, 50, &crop, &error), VBP_OK);
    assert_int_equal(crop.x, 10);
    assert_int_equal(crop.y, 12);
    assert_int_equal(crop.width, 84);
    assert_int_equal(crop.height, 38);
    settings.crop_top = 49;
    assert_int_equal(preprocess_crop(&settings, 101, 50, &crop, &error), VBP_OK);
    assert_int_equal(crop.height, 1);
    assert_int_equal(preprocess_crop(&settings, 101, 49, &crop, &error), VBP_ERROR_ARGUMENT);
    assert_non_null(strstr(error.message, "top 49"));
    assert_non_null(strstr(error.message, "101x49"));
}

/* Images that are none are refused, and leave the preprocessor as it was. */
static void wrong_images(void **state)
{
    const uint8_t pixel[3] = {1, 2, 3};
    const VbpImage right = {
        .format = VBP_PIXEL_RGB24, .width = 1, .height = 1, .plane = {pixel}, .stride = {3}};
    const struct preprocess_settings settings = settings_for(CARD_RGB, 1, 1);
    struct preprocess *preprocess = created(&settings);
    VbpImage wrong[8];
    float input[3];

    (void)state;
    for (int i = 0; i < 8; i++)
        wrong[i] = right;
    wrong[0] = (VbpImage){0};
    wrong[1].width = 0;
    wrong[2].height = -1;
    wrong[3].width = 32769;
    wrong[4].plane[0] = NULL;
    wrong[5].format = (VbpPixelFormat)6;
    wrong[6].matrix = (VbpColorMatrix)3;
    wrong[7].format = VBP_PIXEL_YUV420P; /* without chroma */
    for (int round = 0; round < 2; round++) {
        for (int i = 0; i < 8; i++) {
            VbpError error = {0};

            assert_int_equal(preprocess_run(preprocess, &wrong[i], input, &error),
                             VBP_ERROR_ARGUMENT);
            assert_true(error.message[0] != '\0');
        }
        run(preprocess, &right, input);
        check_close((double)input[2], 3, 0.001, "blue");
    }
    preprocess_destroy(&preprocess);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(colors_by_hand),
        cmocka_unit_test(matrices_and_ranges),
        cmocka_unit_test(gray_from_video_is_luma),
        cmocka_unit_test(random_frames),
        cmocka_unit_test(chroma_of_odd_sizes),
        cmocka_unit_test(crops),
        cmocka_unit_test(wrong_images),

    };

    return cmocka_run_group_tests(tests, random_setup, NULL);
}
