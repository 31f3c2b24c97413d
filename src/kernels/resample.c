#include "kernels/resample.h"

#include "base/memory.h"

#include <math.h>

static int clamp(int value, int most)
{
    return value < 0 ? 0 : value > most ? most : value;
}

static void add_tap(struct taps *taps, int *count, int index, double weight)
{
    taps->index[*count] = index;
    taps->weight[*count] = (float)weight;
    (*count)++;
}

/* Between the two cells around the place; at the border the outer one is the border itself. */
static void add_linear(struct taps *taps, int *count, int left, double share, int source)
{
    if (left < 0 || left >= source - 1) {
        add_tap(taps, count, clamp(left, source - 1), 1);
        return;
    }
    add_tap(taps, count, left, 1 - share);
    add_tap(taps, count, left + 1, share);
}

/* Keys' cubic convolution kernel with a = -0.75 at distances 1 + t, t, 1 - t, 2 - t. */
static void add_cubic(struct taps *taps, int *count, int left, double t, int source)
{
    const double a = -0.75;
    double weight[4];

    weight[0] = ((a * (t + 1) - 5 * a) * (t + 1) + 8 * a) * (t + 1) - 4 * a;
    weight[1] = ((a + 2) * t - (a + 3)) * t * t + 1;
    weight[2] = ((a + 2) * (1 - t) - (a + 3)) * (1 - t) * (1 - t) + 1;
    weight[3] = 1 - weight[0] - weight[1] - weight[2];
    for (int i = 0; i < 4; i++)
        add_tap(taps, count, clamp(left - 1 + i, source - 1), weight[i]);
}

/* The cells between scale * i and scale * (i + 1), each by the share that is covered. */
static void add_area(struct taps *taps, int *count, int i, double scale, int source)
{
    double begin = i * scale, end = begin + scale;
    int first = (int)floor(begin);
    double total;

    if (end > source)
        end = source;
    total = end - begin;
    for (int cell = first; cell < source && cell < end; cell++) {
        double covered = fmin(end, cell + 1) - fmax(begin, cell);

        if (covered > 1e-6 * total)
            add_tap(taps, count, cell, covered / total);
    }
}

static void add_output(struct taps *taps, int *count, enum resample_filter filter, int i,
                       int source)
{
    /* Rounded as OpenCV rounds it: at exact multiples it decides which cell is the nearest. */
    double scale = 1 / ((double)taps->outputs / source);
    double place = (i + 0.5) * scale - 0.5;
    int left = (int)floor(place);
    double share;

    switch (filter) {
    case RESAMPLE_BILINEAR:
        add_linear(taps, count, left, place - left, source);
        break;
    case RESAMPLE_BICUBIC:
        add_cubic(taps, count, left, place - left, source);
        break;
    case RESAMPLE_NEAREST:
        add_tap(taps, count, clamp((int)floor(i * scale), source - 1), 1);
        break;
    case RESAMPLE_AREA:
        add_area(taps, count, i, scale, source);
        break;
    case RESAMPLE_AREA_GROWN:
        left = (int)floor(i * scale);
        share = (i + 1) - (left + 1) / scale;
        add_linear(taps, count, left, share <= 0 ? 0 : share - floor(share), source);
        break;
    }
}

bool taps_make(struct taps *taps, enum resample_filter filter, int source, int outputs)
{
    size_t most = filter == RESAMPLE_AREA ? (size_t)ceil((double)source / outputs) + 2 : 4;
    size_t room;
    int count = 0;

    *taps = (struct taps){.outputs = outputs};
    if (!size_multiply(most, (size_t)outputs, &room))
        return false;
    taps->first = memory_array((size_t)outputs + 1, sizeof(*taps->first));
    taps->index = memory_array(room, sizeof(*taps->index));
    taps->weight = memory_array(room, sizeof(*taps->weight));
    if (!taps->first || !taps->index || !taps->weight) {
        taps_free(taps);
        return false;
    }
    for (int i = 0; i < outputs; i++) {
        taps->first[i] = count;
        add_output(taps, &count, filter, i, source);
        if (count - taps->first[i] > taps->most)
            taps->most = count - taps->first[i];
    }
    taps->first[outputs] = count;
    return true;
}

void taps_free(struct taps *taps)
{
    free(taps->first);
    free(taps->index);
    free(taps->weight);
    *taps = (struct taps){0};
}
