#include "support/rgb_picture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

void rgb_picture_check(const struct rgb_picture *picture)
{
    assert_non_null(picture->pixels);
    for (size_t i = 0; i < (size_t)picture->width * (size_t)picture->height * 3; i++)
        assert_true(picture->pixels[i] <= 255);
}

const uint8_t *rgb_picture_at(const struct rgb_picture *picture, int x, int y)
{
    return picture->pixels + ((ptrdiff_t)y * picture->width + x) * 3;
}

VbpRectangle rgb_picture_find(const struct rgb_picture *picture, struct color color, int *count)
{
    int left = picture->width, top = picture->height, right = 0, bottom = 0;

    *count = 0;
    for (int y = 0; y < picture->height; y++) {
        for (int x = 0; x < picture->width; x++) {
            const uint8_t *pixel = rgb_picture_at(picture, x, y);

            if (pixel[0] != color.red || pixel[1] != color.green || pixel[2] != color.blue)
                continue;
            left = x < left ? x : left;
            top = y < top ? y : top;
            right = x >= right ? x + 1 : right;
            bottom = y + 1;
            (*count)++;
        }
    }
    return (VbpRectangle){left, top, right - left, bottom - top};
}
