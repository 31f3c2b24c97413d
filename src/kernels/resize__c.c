/* The sums of resize.h in plain C. */
#include "kernels/resize_pixel.h"

static void bytes_down(const struct resize_image *image, const struct resize_rows *rows,
                       size_t count, float *sums)
{
    resize_bytes(image, rows, 0, count, sums);
}

static void yuv_down(const struct resize_image *image, const struct resize_rows *rows, size_t count,
                     float *sums)
{
    resize_pixels(image, rows, 0, count, sums);
}

static void pixels_across(const struct taps *taps, const float *cells, size_t step, float *planes,
                          size_t plane)
{
    if (step == 3)
        resize_across(taps, cells, 3, planes, plane);
    else
        resize_across(taps, cells, 4, planes, plane);
}

const struct resize resize__c = {bytes_down, yuv_down, pixels_across};
