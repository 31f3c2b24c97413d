/* The sums of column_sums.h in plain C. */
#include "kernels/column_sums_pixel.h"

static void bytes(const struct column_image *image, const struct column_taps *taps, size_t count,
                  float *sums)
{
    column_bytes(image, taps, 0, count, sums);
}

static void yuv(const struct column_image *image, const struct column_taps *taps, size_t count,
                float *sums)
{
    column_pixels(image, taps, 0, count, sums);
}

const struct column_sums column_sums__c = {"c", bytes, yuv};
