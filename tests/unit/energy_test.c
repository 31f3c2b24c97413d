/* energy.c: shares and areas that can be worked out by hand, and a literal double loop. */
#include "saliency/energy.h"

#include "base/random.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { HEIGHT = 12, WIDTH = 20 };

static const VbpRectangle whole = {0, 0, WIDTH, HEIGHT};

struct picture {
    uint8_t pixels[HEIGHT * WIDTH];
};

static void measure(const struct picture *picture, int dilation, VbpRectangle crop,
                    const float *mask, int mask_height, int mask_width, double *share, double *area)
{
    struct energy_truth truth = {picture->pixels, WIDTH, HEIGHT, WIDTH, dilation};
    VbpError error;

    assert_int_equal(
        energy_measure(&truth, crop, mask, mask_height, mask_width, share, area, &error), VBP_OK);
}

/* An even mask has the objects' share of the area; one that lies on them alone has all of it. */
static void counts_pixels(void **state)
{
    struct picture picture = {0};
    float mask[HEIGHT * WIDTH];
    double share, area;

    (void)state;
    for (int i = 0; i < HEIGHT * WIDTH; i++)
        mask[i] = 0.25F;
    picture.pixels[3 * WIDTH + 4] = 1;
    picture.pixels[11 * WIDTH + 19] = 3;
    measure(&picture, 0, whole, mask, HEIGHT, WIDTH, &share, &area);
    assert_float_equal(area, 2.0 / (HEIGHT * WIDTH), 1e-12);
    assert_float_equal(share, area, 1e-12);

    memset(mask, 0, sizeof(mask));
    measure(&picture, 0, whole, mask, HEIGHT, WIDTH, &share, &area);
    assert_true(share == 0);
    mask[3 * WIDTH + 4] = 0.5F;
    measure(&picture, 0, whole, mask, HEIGHT, WIDTH, &share, &area);
    assert_float_equal(share, 1, 1e-12);
    mask[0] = 1.5F;
    measure(&picture, 0, whole, mask, HEIGHT, WIDTH, &share, &area);
    assert_float_equal(share, 0.25, 1e-12);
}

/* Around one pixel: the disc x^2 + y^2 <= 2^2 has 13 cells, of 3^2 it has 29; corners cut it. */
static void dilates_by_a_disc(void **state)
{
    static const float mask[1] = {1};
    struct picture picture = {0};
    double share, area;

    (void)state;
    picture.pixels[6 * WIDTH + 8] = 2;
    measure(&picture, 2, whole, mask, 1, 1, &share, &area);
    assert_float_equal(area * HEIGHT * WIDTH, 13, 1e-9);
    measure(&picture, 3, whole, mask, 1, 1, &share, &area);
    assert_float_equal(area * HEIGHT * WIDTH, 29, 1e-9);
    picture.pixels[6 * WIDTH + 8] = 0;
    picture.pixels[0] = 2;
    measure(&picture, 2, whole, mask, 1, 1, &share, &area);
    assert_float_equal(area * HEIGHT * WIDTH, 6, 1e-9);
}

/* What lies outside the crop counts neither as energy nor as area, but reaches into it. */
static void stays_in_the_crop(void **state)
{
    static const VbpRectangle crop = {10, 4, 8, 4};
    static const float mask[2] = {1, 3};
    struct picture picture = {0};
    double share, area;

    (void)state;
    memset(picture.pixels, 1, sizeof(picture.pixels));
    for (int y = 4; y < 8; y++)
        memset(picture.pixels + y * WIDTH + 10, 0, 8);
    measure(&picture, 0, crop, mask, 1, 2, &share, &area);
    assert_true(share == 0 && area == 0);
    measure(&picture, 1, crop, mask, 1, 2, &share, &area);
    assert_float_equal(area, 20.0 / 32, 1e-12); /* all but the 2 x 6 in the middle */
    assert_float_equal(share, 20.0 / 32, 1e-12);
}

static bool is_near(const struct picture *picture, int dilation, int x, int y)
{
    for (int row = 0; row < HEIGHT; row++) {
        for (int column = 0; column < WIDTH; column++) {
            if (picture->pixels[row * WIDTH + column] &&
                (row - y) * (row - y) + (column - x) * (column - x) <= dilation * dilation)
                return true;
        }
    }
    return false;
}

/* Cells that no pixel grid fits, sampled finely. */
static void agrees_with_sampling(void **state)
{
    enum { FINE = 420, MASK_HEIGHT = 5, MASK_WIDTH = 7 };
    static const VbpRectangle crop = {3, 1, 16, 9};
    struct picture picture = {0};
    float mask[MASK_HEIGHT * MASK_WIDTH];
    double share, area, all = 0, inside = 0, covered = 0;
    struct random random = random_for(5, 0, 0);

    (void)state;
    for (int i = 0; i < MASK_HEIGHT * MASK_WIDTH; i++)
        mask[i] = (float)random_unit(&random);
    for (int i = 0; i < HEIGHT * WIDTH; i++)
        picture.pixels[i] = random_unit(&random) < 0.04;
    measure(&picture, 1, crop, mask, MASK_HEIGHT, MASK_WIDTH, &share, &area);
    for (int v = 0; v < FINE; v++) {
        for (int u = 0; u < FINE; u++) {
            double x = crop.x + (u + 0.5) * crop.width / FINE;
            double y = crop.y + (v + 0.5) * crop.height / FINE;
            double value =
                (double)mask[v * MASK_HEIGHT / FINE * MASK_WIDTH + u * MASK_WIDTH / FINE];
            bool near = is_near(&picture, 1, (int)x, (int)y);

            all += value;
            inside += near ? value : 0;
            covered += near;
        }
    }
    assert_float_equal(area, covered / (FINE * FINE), 1e-2);
    assert_float_equal(share, inside / all, 1e-2);
    assert_true(fabs(share - area) > 1e-3);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(counts_pixels),
        cmocka_unit_test(dilates_by_a_disc),
        cmocka_unit_test(stays_in_the_crop),
        cmocka_unit_test(agrees_with_sampling),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
