/*
 * Preprocessing of recorded pictures against OpenCV's definitions: every colour and filter, smaller
 * and larger, with odd crops; and a handful of numbers that OpenCV itself gave.
 */
#include "media/image_reader.h"
#include "nn/preprocess.h"
#include "support/data.h"
#include "support/opencv.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

/* Of 255; OpenCV itself rounds to whole ones. */
#define MOST_WRONG 0.02

static const char *const pictures[] = {
    "sequences/udacity-lake/IMG/center_2016_12_01_13_36_00_987.jpg",
    "sequences/donkey-tub-v1/4000_cam-image_array_.jpg",
    "sequences/donkey-tub-v2/images/2390_cam_image_array_.jpg"};

/*
 * Cut from each side, and the size; 0: the picture's own. Sizes that grow are prime, so that no
 * cell's border falls on another's: there OpenCV's own roundings decide which cell it is.
 */
static const struct {
    int top, bottom, left, right, width, height;
} geometries[] = {
    {0, 0, 0, 0, 0, 0},      {0, 0, 0, 0, 80, 40},    {41, 17, 0, 0, 200, 66},
    {23, 11, 7, 3, 97, 31},  {13, 5, 9, 2, 439, 199}, {37, 19, 1, 0, 479, 23},
    {0, 33, 31, 0, 37, 131},
};

/* The picture as the bytes that a network's training would have had of it. */
static struct opencv_picture pixels_of(const VbpImage *image)
{
    struct opencv_picture picture = opencv_picture_make(image->width, image->height);

    assert_int_equal(image->format, VBP_PIXEL_RGB24);
    for (int y = 0; y < image->height; y++) {
        for (int x = 0; x < 3 * image->width; x++)
            picture.values[y * 3 * image->width + x] = image->plane[0][y * image->stride[0] + x];
    }
    return picture;
}

static double check(const VbpImage *image, const struct preprocess_settings *settings,
                    const struct opencv_picture *resized)
{
    size_t cells = (size_t)settings->width * (size_t)settings->height;
    float *input = calloc(cells * 3, sizeof(float));
    struct preprocess *preprocess;
    double worst = 0;
    VbpError error;

    assert_non_null(input);
    if (preprocess_create(&preprocess, settings, &error) != VBP_OK ||
        preprocess_run(preprocess, image, input, &error) != VBP_OK)
        fail_msg("%s", error.message);
    for (size_t i = 0; i < cells; i++) {
        double *values = resized->values + 3 * i, pixel[3] = {values[0], values[1], values[2]};
        int count = opencv_color(settings->color, pixel);

        assert_int_equal(count, settings->channels);
        for (int c = 0; c < count; c++)
            worst = fmax(worst, fabs((double)input[(size_t)count * i + (size_t)c] - pixel[c]));
    }
    preprocess_destroy(&preprocess);
    free(input);
    return worst;
}

/* All colours of one picture, geometry and filter. */
static double check_colors(const VbpImage *image, const struct opencv_picture *picture,
                           size_t which, enum card_resize resize)
{
    struct preprocess_settings settings = {
        .crop_top = geometries[which].top,
        .crop_bottom = geometries[which].bottom,
        .crop_left = geometries[which].left,
        .crop_right = geometries[which].right,
        .resize = resize,
        .scale = {1, 1, 1},
        .width = geometries[which].width ? geometries[which].width : image->width,
        .height = geometries[which].height ? geometries[which].height : image->height,
        .channels_last = true};
    struct opencv_picture resized;
    VbpRectangle crop;
    double worst = 0;

    assert_int_equal(preprocess_crop(&settings, image->width, image->height, &crop, NULL), VBP_OK);
    resized = opencv_resize(picture, geometries[which].left, geometries[which].top,
                            image->width - geometries[which].left - geometries[which].right,
                            image->height - geometries[which].top - geometries[which].bottom,
                            resize, settings.width, settings.height);
    for (int color = 0; color <= CARD_SATURATION; color++) {
        double wrong;

        settings.color = (enum card_color)color;
        settings.channels = color == CARD_GRAY || color == CARD_SATURATION ? 1 : 3;
        wrong = check(image, &settings, &resized);
        /* Next to black, a rounding of the last bit is a large share of the brightness. */
        if (wrong > (color == CARD_SATURATION ? 0.2 : MOST_WRONG))
            fail_msg("%s, %s, geometry %zu: %g off", card_resize_name(resize),
                     card_color_name(settings.color), which, wrong);
        worst = fmax(worst, wrong);
    }
    opencv_picture_free(&resized);
    return worst;
}

static void recorded_pictures(void **state)
{
    double worst = 0;

    (void)state;
    for (size_t i = 0; i < sizeof(pictures) / sizeof(pictures[0]); i++) {
        struct opencv_picture picture;
        struct frame frame;
        VbpImage image;
        VbpError error;

        if (image_read(data_path(pictures[i]), &frame, &error) != VBP_OK)
            fail_msg("%s", error.message);
        image = frame_image(&frame);
        picture = pixels_of(&image);
        for (size_t g = 0; g < sizeof(geometries) / sizeof(geometries[0]); g++) {
            for (int resize = CARD_BILINEAR; resize <= CARD_NEAREST; resize++)
                worst = fmax(worst, check_colors(&image, &picture, g, (enum card_resize)resize));
        }
        opencv_picture_free(&picture);
        frame_release(&frame);
    }
    print_message("at most %.3g of 255 off\n", worst);
}

/* What OpenCV made of a picture of 5 x 4 pixels whose byte i is 7 i i + 13 i, cut to a byte. */
static const struct {
    int width, height;
    enum card_resize resize;
    uint8_t values[7 * 6 * 3];
} resized_by_opencv[] = {
    {3,
     2,
     CARD_BILINEAR,
     {128, 139, 164, 53, 134, 101, 143, 123, 117, 105, 109, 170, 125, 114, 117, 138, 197, 57}},
    {3,
     2,
     CARD_AREA,
     {130, 144, 172, 104, 134, 152, 149, 118, 127, 106, 105, 169, 125, 114, 117, 138, 194, 60}},
    {3,
     2,
     CARD_NEAREST,
     {0, 20, 54, 102, 164, 240, 172, 62, 222, 34, 218, 160, 116, 86, 70, 146, 200, 12}},
    {2,
     3,
     CARD_BILINEAR,
     {98, 142, 200, 171, 74, 173, 151, 166, 162, 169, 161, 102, 121, 53, 201, 137, 164, 108}},
    {2,
     3,
     CARD_AREA,
     {86, 129, 146, 139, 103, 119, 126, 162, 161, 123, 157, 103, 130, 82, 177, 148, 176, 90}},
    {2,
     3,
     CARD_NEAREST,
     {0, 20, 54, 74, 178, 40, 234, 208, 196, 32, 90, 162, 34, 218, 160, 68, 80, 106}},
    {7, 6, CARD_BILINEAR, {0,   20,  54,  58,  102, 160, 94,  168, 183, 74,  178, 40,  144, 95,
                           170, 158, 66,  134, 140, 72,  18,  117, 114, 125, 136, 157, 192, 122,
                           173, 202, 53,  134, 101, 165, 93,  182, 167, 106, 152, 109, 146, 69,
                           201, 210, 190, 191, 200, 204, 143, 163, 197, 38,  88,  153, 176, 104,
                           167, 166, 155, 145, 81,  215, 107, 67,  216, 166, 103, 154, 127, 110,
                           100, 103, 62,  81,  115, 134, 153, 64,  132, 187, 49,  91,  195, 56,
                           101, 134, 181, 108, 92,  163, 117, 76,  140, 125, 114, 117, 131, 150,
                           92,  137, 186, 66,  141, 214, 45,  168, 50,  202, 136, 42,  218, 132,
                           68,  201, 182, 148, 128, 139, 135, 145, 150, 176, 106, 188, 238, 46}},
    {7, 6, CARD_AREA, {0,   20,  54,  61,  106, 166, 96,  167, 200, 74,  178, 40,  152, 85,
                       186, 159, 66,  140, 140, 72,  18,  117, 114, 125, 137, 159, 195, 130,
                       178, 214, 53,  134, 101, 178, 88,  191, 170, 104, 156, 109, 146, 69,
                       234, 208, 196, 212, 212, 225, 165, 189, 228, 32,  90,  162, 205, 92,
                       197, 180, 143, 172, 78,  220, 120, 34,  218, 160, 83,  139, 106, 106,
                       85,  77,  68,  80,  106, 130, 176, 31,  125, 196, 25,  94,  190, 44,
                       101, 134, 181, 109, 90,  162, 116, 71,  143, 125, 114, 117, 132, 155,
                       89,  137, 185, 67,  141, 214, 45,  168, 50,  202, 134, 42,  219, 126,
                       58,  210, 182, 148, 128, 134, 134, 147, 148, 173, 110, 188, 238, 46}},
    {7, 6, CARD_NEAREST, {0,   20,  54,  0,   20,  54,  102, 164, 240, 74,  178, 40,  74,  178,
                          40,  172, 62,  222, 140, 72,  18,  0,   20,  54,  0,   20,  54,  102,
                          164, 240, 74,  178, 40,  74,  178, 40,  172, 62,  222, 140, 72,  18,
                          234, 208, 196, 234, 208, 196, 198, 214, 244, 32,  90,  162, 32,  90,
                          162, 248, 92,  206, 78,  220, 120, 34,  218, 160, 34,  218, 160, 116,
                          86,  70,  68,  80,  106, 68,  80,  106, 146, 200, 12,  94,  190, 44,
                          34,  218, 160, 34,  218, 160, 116, 86,  70,  68,  80,  106, 68,  80,
                          106, 146, 200, 12,  94,  190, 44,  168, 50,  202, 168, 50,  202, 112,
                          36,  230, 182, 148, 128, 182, 148, 128, 122, 130, 152, 188, 238, 46}},
    {7, 3, CARD_BILINEAR, {39,  51,  78,  84,  120, 171, 103, 170, 189, 67,  163, 60,  151,
                           94,  174, 161, 79,  140, 129, 97,  35,  134, 213, 178, 147, 177,
                           166, 126, 131, 150, 50,  85,  134, 155, 128, 116, 149, 171, 97,
                           86,  205, 82,  146, 78,  195, 127, 59,  200, 127, 71,  181, 163,
                           137, 124, 136, 140, 127, 146, 179, 93,  172, 230, 46}},
    {7, 3, CARD_AREA, {59,  67,  90,  99,  133, 180, 113, 172, 207, 64,  156, 71,  165,
                       87,  188, 164, 85,  148, 125, 109, 44,  134, 213, 178, 148, 175,
                       165, 135, 137, 152, 50,  85,  134, 167, 134, 114, 153, 170, 98,
                       86,  205, 82,  135, 92,  192, 122, 66,  190, 121, 65,  176, 154,
                       131, 123, 133, 144, 118, 143, 179, 88,  165, 226, 46}},
    {7, 3, CARD_NEAREST, {0,   20,  54,  0,   20,  54,  102, 164, 240, 74,  178, 40,  74,
                          178, 40,  172, 62,  222, 140, 72,  18,  234, 208, 196, 234, 208,
                          196, 198, 214, 244, 32,  90,  162, 32,  90,  162, 248, 92,  206,
                          78,  220, 120, 34,  218, 160, 34,  218, 160, 116, 86,  70,  68,
                          80,  106, 68,  80,  106, 146, 200, 12,  94,  190, 44}},
};

static void numbers_of_opencv(void **state)
{
    uint8_t bytes[60];
    const VbpImage image = {
        .format = VBP_PIXEL_RGB24, .width = 5, .height = 4, .plane = {bytes}, .stride = {15}};
    struct opencv_picture picture;

    (void)state;
    for (int i = 0; i < 60; i++)
        bytes[i] = (uint8_t)(7 * i * i + 13 * i);
    picture = pixels_of(&image);
    for (size_t i = 0; i < sizeof(resized_by_opencv) / sizeof(resized_by_opencv[0]); i++) {
        int width = resized_by_opencv[i].width, height = resized_by_opencv[i].height;
        struct preprocess_settings settings = {.resize = resized_by_opencv[i].resize,
                                               .color = CARD_RGB,
                                               .channels = 3,
                                               .scale = {1, 1, 1},
                                               .width = width,
                                               .height = height,
                                               .channels_last = true};
        struct opencv_picture resized =
            opencv_resize(&picture, 0, 0, 5, 4, settings.resize, width, height);

        assert_true(check(&image, &settings, &resized) <= MOST_WRONG);
        for (int j = 0; j < 3 * width * height; j++)
            assert_true(fabs(resized.values[j] - resized_by_opencv[i].values[j]) <= 1);
        opencv_picture_free(&resized);
    }
    opencv_picture_free(&picture);
}

static void colors_of_opencv(void **state)
{
    static const uint8_t pixels[6][3] = {{200, 100, 50}, {0, 0, 0},   {255, 255, 255},
                                         {17, 240, 99},  {3, 2, 250}, {128, 127, 126}};
    static const struct {
        enum card_color color;
        uint8_t values[6][3];
    } expected[] = {
        {CARD_GRAY, {{124}, {0}, {255}, {157}, {31}, {127}}},
        {CARD_YUV,
         {{124, 92, 195},
          {0, 128, 128},
          {255, 128, 128},
          {157, 99, 5},
          {31, 236, 103},
          {127, 128, 129}}},
        {CARD_YUV_SWAPPED,
         {{96, 179, 88},
          {0, 128, 128},
          {255, 128, 128},
          {172, 52, 64},
          {76, 92, 255},
          {127, 128, 127}}},
        {CARD_SATURATION, {{191}, {0}, {0}, {237}, {253}, {4}}},
    };
    const VbpImage image = {
        .format = VBP_PIXEL_RGB24, .width = 6, .height = 1, .plane = {pixels[0]}, .stride = {18}};
    struct opencv_picture picture = pixels_of(&image);

    (void)state;
    for (size_t i = 0; i < sizeof(expected) / sizeof(expected[0]); i++) {
        struct preprocess_settings settings = {.color = expected[i].color,
                                               .channels = 3,
                                               .scale = {1, 1, 1},
                                               .width = 6,
                                               .height = 1,
                                               .channels_last = true};

        if (settings.color == CARD_GRAY || settings.color == CARD_SATURATION)
            settings.channels = 1;
        assert_true(check(&image, &settings, &picture) <= MOST_WRONG);
        for (int x = 0; x < 6; x++) {
            double pixel[3] = {pixels[x][0], pixels[x][1], pixels[x][2]};
            int count = opencv_color(settings.color, pixel);

            for (int c = 0; c < count; c++)
                assert_true(fabs(pixel[c] - expected[i].values[x][c]) <= 1);
        }
    }
    opencv_picture_free(&picture);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(recorded_pictures),
        cmocka_unit_test(numbers_of_opencv),
        cmocka_unit_test(colors_of_opencv),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
