#include "kernels/resample.h"

#include "base/memory.h"

#include <math.h>
#include <string.h>

static int clamp(int value, int most)
{
    return value < 0 ? 0 : value > most ? most : value;
}

/* Taps of an output are added from left to right; at the border a cell may come twice. */
static void add_tap(struct taps *taps, int output, int cell, double weight)
{
    float *weights = taps->weight + (ptrdiff_t)output * taps->pitch;
    int *count = &taps->count[output];

    if (*count == 0)
        taps->start[output] = cell;
    if (*count > 0 && cell == taps->start[output] + *count - 1)
        weights[*count - 1] += (float)weight;
    else
        weights[(*count)++] = (float)weight;
}

/* Between the two cells around the place; at the border the outer one is the border itself. */
static void add_linear(struct taps *taps, int output, int left, double share, int source)
{
    if (left < 0 || left >= source - 1 || share == 0) {
        add_tap(taps, output, clamp(left, source - 1), 1);
        return;
    }
    add_tap(taps, output, left, 1 - share);
    add_tap(taps, output, left + 1, share);
}

/* Keys' cubic convolution kernel with a = -0.75 at distances 1 + t, t, 1 - t, 2 - t. */
static void add_cubic(struct taps *taps, int output, int left, double t, int source)
{
    const double a = -0.75;
    double weight[4];

    weight[0] = ((a * (t + 1) - 5 * a) * (t + 1) + 8 * a) * (t + 1) - 4 * a;
    weight[1] = ((a + 2) * t - (a + 3)) * t * t + 1;
    weight[2] = ((a + 2) * (1 - t) - (a + 3)) * (1 - t) * (1 - t) + 1;
    weight[3] = 1 - weight[0] - weight[1] - weight[2];
    for (int i = 0; i < 4; i++)
        add_tap(taps, output, clamp(left - 1 + i, source - 1), weight[i]);
}

/* The cells between scale * i and scale * (i + 1), each by the share that is covered. */
static void add_area(struct taps *taps, int output, double scale, int source)
{
    double begin = output * scale, end = begin + scale;
    int first = (int)floor(begin);
    double total;

    if (end > source)
        end = source;
    total = end - begin;
    for (int cell = first; cell < source && cell < end; cell++) {
        double covered = fmin(end, cell + 1) - fmax(begin, cell);

        if (covered > 1e-6 * total)
            add_tap(taps, output, cell, covered / total);
    }
}

static void add_output(struct taps *taps, int output, enum resample_filter filter, int source)
{
    /* Rounded as OpenCV rounds it: at exact multiples it decides which cell is the nearest. */
    double inverse = (double)taps->outputs / source, scale = 1 / inverse;
    double place = (output + 0.5) * scale - 0.5;
    int left = (int)floor(place);
    double share;

    switch (filter) {
    case RESAMPLE_BILINEAR:
        add_linear(taps, output, left, place - left, source);
        break;
    case RESAMPLE_BICUBIC:
        add_cubic(taps, output, left, place - left, source);
        break;
    case RESAMPLE_NEAREST:
        add_tap(taps, output, clamp((int)floor(output * scale), source - 1), 1);
        break;
    case RESAMPLE_AREA:
        add_area(taps, output, scale, source);
        break;
    case RESAMPLE_AREA_GROWN:
        left = (int)floor(output * scale);
        share = (output + 1) - (left + 1) * inverse;
        add_linear(taps, output, left, share <= 0 ? 0 : share - floor(share), source);
        break;
    }
}

bool taps_make(struct taps *taps, enum resample_filter filter, int source, int outputs)
{
    int most = filter == RESAMPLE_AREA ? (int)ceil((double)source / outputs) + 2 : 4;
    size_t room;

    *taps = (struct taps){.outputs = outputs};
    taps->pitch = (most + TAPS_GROUP - 1) / TAPS_GROUP * TAPS_GROUP;
    if (!size_multiply((size_t)taps->pitch, (size_t)outputs, &room))
        return false;
    taps->start = memory_array((size_t)outputs, sizeof(*taps->start));
    taps->count = memory_array((size_t)outputs, sizeof(*taps->count));
    taps->weight = memory_array(room, sizeof(*taps->weight));
    if (!taps->start || !taps->count || !taps->weight) {
        taps_free(taps);
        return false;
    }
    for (int i = 0; i < outputs; i++)
        add_output(taps, i, filter, source);
    return true;
}

void taps_free(struct taps *taps)
{
    free(taps->start);
    free(taps->count);
    free(taps->weight);
    *taps = (struct taps){0};
}

void taps_sum(const struct taps *taps, const float *cells, float *outputs)
{
    for (int i = 0; i < taps->outputs; i++) {
        const float *cell = cells + taps->start[i];
        const float *weight = taps->weight + (ptrdiff_t)i * taps->pitch;
        float sum = 0;

        for (int tap = 0; tap < taps->count[i]; tap++)
            sum += weight[tap] * cell[tap];
        outputs[i] = sum;
    }
}
