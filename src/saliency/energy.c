#include "saliency/energy.h"

#include "base/memory.h"

#include <math.h>
#include <stdlib.h>

/* Pixels of the row that lie within `reach` of an object in it are set to 1. */
static void dilate_row(uint8_t *dilated, const uint8_t *row, int width, int reach)
{
    int until = 0; /* dilated up to here */

    for (int x = 0; x < width; x++) {
        if (row[x] == 0)
            continue;
        for (int i = x - reach > until ? x - reach : until; i <= x + reach && i < width; i++)
            dilated[i] = 1;
        until = x + reach + 1;
    }
}

/* Everything within a disc around an object: dilated along the row by the disc's width in it. */
static uint8_t *dilate(const struct energy_truth *truth)
{
    size_t width = (size_t)truth->width;
    uint8_t *dilated = memory_array((size_t)truth->height, width);

    for (int y = 0; dilated && y < truth->height; y++) {
        for (int offset = -truth->dilation; offset <= truth->dilation; offset++) {
            double radius = truth->dilation;
            int reach = (int)sqrt(radius * radius - (double)offset * offset);

            if (y + offset >= 0 && y + offset < truth->height)
                dilate_row(dilated + (size_t)y * width,
                           truth->pixels + (y + offset) * truth->stride, truth->width, reach);
        }
    }
    return dilated;
}

/* Part of the pixel [pixel, pixel + 1) within [begin, end). */
static double overlap(int pixel, double begin, double end)
{
    return fmin(pixel + 1, end) - fmax(pixel, begin);
}

int energy_measure(const struct energy_truth *truth, VbpRectangle crop, const float *mask,
                   int mask_height, int mask_width, double *share, double *area, VbpError *error)
{
    double cell_height = (double)crop.height / mask_height;
    double cell_width = (double)crop.width / mask_width;
    double all = 0, inside = 0, covered = 0;
    uint8_t *dilated = dilate(truth);

    if (!dilated)
        return error_out_of_memory(error);
    for (int i = 0; i < mask_height; i++) {
        double top = crop.y + i * cell_height, bottom = crop.y + (i + 1) * cell_height;

        for (int j = 0; j < mask_width; j++) {
            double left = crop.x + j * cell_width, right = crop.x + (j + 1) * cell_width;
            double value = (double)mask[(size_t)i * (size_t)mask_width + (size_t)j], object = 0;

            for (int y = (int)top; y < bottom && y < truth->height; y++) {
                for (int x = (int)left; x < right && x < truth->width; x++) {
                    if (dilated[(size_t)y * (size_t)truth->width + (size_t)x])
                        object += overlap(y, top, bottom) * overlap(x, left, right);
                }
            }
            object /= cell_height * cell_width;
            covered += object;
            inside += value * object;
            all += value;
        }
    }
    free(dilated);
    *share = all > 0 ? inside / all : 0;
    *area = covered / ((double)mask_height * mask_width);
    return VBP_OK;
}
