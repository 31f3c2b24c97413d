/* The loops of resizing: the plain ones against sums in double, all others against the plain ones,
 * to the bit. */
#include "kernels/dispatch.h"
#include "support/numbers.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define MOST_ROWS 12

/* An image whose planes end where its last samples do, so that a sanitizer sees what reads on. */
struct picture {
    struct resize_image image;
    uint8_t *bytes[3];
};

static struct picture random_picture(int width, int height, bool halved_width, bool halved_height)
{
    struct picture picture = {.image = {.halved_width = halved_width,
                                        .halved_height = halved_height,
                                        .black = random_chance(0.5) ? 16 : 0}};

    picture.image.span = picture.image.black ? 219 : 255;
    for (int plane = 0; plane < 3; plane++) {
        int rows = plane > 0 && halved_height ? (height + 1) / 2 : height;
        int row = plane > 0 && halved_width ? (width + 1) / 2 : width;
        bool upside_down = random_chance(0.3);
        uint8_t *bytes = malloc((size_t)rows * (size_t)row);

        assert_non_null(bytes);
        for (int i = 0; i < rows * row; i++)
            bytes[i] =
                (uint8_t)(random_chance(0.1) ? 255 * random_between(0, 1) : random_between(0, 255));
        picture.bytes[plane] = bytes;
        picture.image.plane[plane] = upside_down ? bytes + (rows - 1) * row : bytes;
        picture.image.stride[plane] = upside_down ? -row : row;
    }
    return picture;
}

static void picture_free(struct picture *picture)
{
    for (int plane = 0; plane < 3; plane++)
        free(picture->bytes[plane]);
}

static void random_taps(struct resize_tap *taps, int count)
{
    for (int i = 0; i < count; i++) {
        float weight = random_float(-0.2F, 1);

        taps[i] = (struct resize_tap){
            .gain = 1.16F * weight,
            .red_v = 1.6F * weight,
            .green_u = -0.39F * weight,
            .green_v = -0.81F * weight,
            .blue_u = 2.02F * weight,
            .low = fminf(255 * weight, 0),
            .high = fmaxf(255 * weight, 0),
        };
    }
}

static int byte_at(const struct resize_image *image, int plane, int y, int x)
{
    return image->plane[plane][y * image->stride[plane] + x];
}

static double level_at(const struct resize_image *image, int y, int x)
{
    return fmin(fmax(byte_at(image, 0, y, x) - image->black, 0), image->span);
}

static double cut(const struct resize_tap *tap, double value)
{
    return fmin(fmax(value, (double)tap->low), (double)tap->high);
}

static void check_bytes(const struct resize_image *image, const struct resize_rows *rows, int count,
                        const float *sums)
{
    for (int x = 0; x < count; x++) {
        double sum = 0;

        for (int n = 0; n < rows->count; n++)
            sum += level_at(image, rows->row + n, x) * (double)rows->taps[n].gain;
        check_close((double)sums[x], sum, sum_bound((size_t)rows->count + 2, 300 * MOST_ROWS),
                    "sum of bytes");
    }
}

static void check_yuv(const struct resize_image *image, const struct resize_rows *rows, int count,
                      const float *sums)
{
    for (int x = 0; x < count; x++) {
        double sum[4] = {0, 0, 0, 0};

        for (int n = 0; n < rows->count; n++) {
            const struct resize_tap *tap = &rows->taps[n];
            int y = rows->row + n, half_y = image->halved_height ? y / 2 : y;
            int half_x = image->halved_width ? x / 2 : x;
            double luma = level_at(image, y, x) * (double)tap->gain;
            double u = byte_at(image, 1, half_y, half_x) - 128;
            double v = byte_at(image, 2, half_y, half_x) - 128;

            sum[0] += cut(tap, luma + v * (double)tap->red_v);
            sum[1] += cut(tap, luma + u * (double)tap->green_u + v * (double)tap->green_v);
            sum[2] += cut(tap, luma + u * (double)tap->blue_u);
        }
        for (int c = 0; c < 4; c++)
            check_close((double)sums[4 * x + c], sum[c],
                        sum_bound((size_t)rows->count + 4, 600 * MOST_ROWS), "sum of pixels");
    }
}

static void check_same(const float *got, const float *want, size_t count, const char *name)
{
    check_guards(got);
    for (size_t i = 0; i < count; i++) {
        uint32_t got_bits, want_bits;

        memcpy(&got_bits, &got[i], sizeof(got_bits));
        memcpy(&want_bits, &want[i], sizeof(want_bits));
        if (got_bits != want_bits)
            fail_msg("%s: %zu of %zu is %.9g and not %.9g", name, i, count, (double)got[i],
                     (double)want[i]);
    }
}

static void sums_down(void **state)
{
    int versions = 0;

    (void)state;
    for (int count = 1; count < 150; count += count < 70 ? 1 : 13) {
        for (int kind = 0; kind < 3; kind++) {
            int height = random_between(1, MOST_ROWS);
            struct picture picture = random_picture(count, height, kind > 0, kind > 1);
            struct resize_tap taps[MOST_ROWS];
            struct resize_rows rows = {.taps = taps};
            float *want_bytes = guarded_floats((size_t)count);
            float *want_yuv = guarded_floats(4 * (size_t)count);

            rows.row = random_between(0, height - 1);
            rows.count = random_between(1, height - rows.row);
            random_taps(taps, rows.count);
            resize__c.bytes_down(&picture.image, &rows, (size_t)count, want_bytes);
            check_bytes(&picture.image, &rows, count, want_bytes);
            resize__c.yuv_down(&picture.image, &rows, (size_t)count, want_yuv);
            check_yuv(&picture.image, &rows, count, want_yuv);
            check_guards(want_bytes);
            check_guards(want_yuv);
            for (size_t i = 0; kernels_list(i); i++) {
                const struct resize *resize = kernels_list(i)->resize;
                float *bytes = guarded_floats((size_t)count);
                float *yuv = guarded_floats(4 * (size_t)count);

                resize->bytes_down(&picture.image, &rows, (size_t)count, bytes);
                check_same(bytes, want_bytes, (size_t)count, kernels_list(i)->name);
                resize->yuv_down(&picture.image, &rows, (size_t)count, yuv);
                check_same(yuv, want_yuv, 4 * (size_t)count, kernels_list(i)->name);
                guarded_free(bytes);
                guarded_free(yuv);
                versions++;
            }
            guarded_free(want_bytes);
            guarded_free(want_yuv);
            picture_free(&picture);
        }
    }
    assert_true(versions >= 150);
}

static void check_across(const struct taps *taps, const float *cells, size_t step,
                         const float *planes, size_t plane)
{
    for (int i = 0; i < taps->outputs; i++) {
        for (size_t c = 0; c < 3; c++) {
            double sum = 0;

            for (int tap = 0; tap < taps->count[i]; tap++)
                sum += (double)taps->weight[i * taps->pitch + tap] *
                       (double)cells[(size_t)(taps->start[i] + tap) * step + c];
            check_close((double)planes[c * plane + (size_t)i], sum,
                        sum_bound((size_t)taps->count[i] + 1, 255), "output");
        }
    }
}

/* The planes lie apart: what is between them stays as it was. */
static void sums_across(void **state)
{
    int versions = 0;

    (void)state;
    for (int round = 0; round < 200; round++) {
        enum resample_filter filter = (enum resample_filter)(round % (RESAMPLE_BICUBIC + 1));
        int source = random_between(1, 70);
        int outputs = random_between(1, filter == RESAMPLE_AREA ? source : 40);
        size_t step = round % 2 ? 3 : 4, plane = (size_t)outputs + 2;
        float *cells = guarded_random(((size_t)source + TAPS_GROUP) * step, 0, 255);
        float *want = guarded_floats(3 * plane);
        struct taps taps;

        assert_true(taps_make(&taps, filter, source, outputs));
        resize__c.pixels_across(&taps, cells, step, want, plane);
        check_across(&taps, cells, step, want, plane);
        check_guards(want);
        for (size_t i = 0; kernels_list(i); i++) {
            float *planes = guarded_floats(3 * plane);

            kernels_list(i)->resize->pixels_across(&taps, cells, step, planes, plane);
            check_same(planes, want, 3 * plane, kernels_list(i)->name);
            guarded_free(planes);
            versions++;
        }
        taps_free(&taps);
        guarded_free(want);
        guarded_free(cells);
    }
    assert_true(versions >= 200);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sums_down),
        cmocka_unit_test(sums_across),
    };

    return cmocka_run_group_tests(tests, random_setup, NULL);
}
