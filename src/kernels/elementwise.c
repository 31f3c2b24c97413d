#include "kernels/elementwise.h"

#include <math.h>
#include <string.h>

static float apply(enum binary operation, float a, float b)
{
    switch (operation) {
    case BINARY_ADD:
        return a + b;
    case BINARY_SUBTRACT:
        return a - b;
    case BINARY_MULTIPLY:
        return a * b;
    case BINARY_DIVIDE:
        return a / b;
    case BINARY_MAXIMUM:
        return a > b || isnan(a) ? a : b;
    case BINARY_MINIMUM:
        return a < b || isnan(a) ? a : b;
    case BINARY_PRELU:
        return a > 0 ? a : a * b;
    }
    return NAN;
}

/* Steps an index array like an odometer over all axes but the last; false when it is through. */
static bool next_row(int rank, const int64_t *extent, int64_t *index)
{
    for (int axis = rank - 2; axis >= 0; axis--) {
        if (++index[axis] < extent[axis])
            return true;
        index[axis] = 0;
    }
    return false;
}

static int64_t offset_of(int rank, const int64_t *index, const int64_t *stride)
{
    int64_t offset = 0;

    for (int axis = 0; axis < rank - 1; axis++)
        offset += index[axis] * stride[axis];
    return offset;
}

void binary_run(enum binary operation, int rank, const int64_t *extent, const float *a,
                const int64_t *a_stride, const float *b, const int64_t *b_stride, float *output)
{
    int64_t index[STRIDES_MAX_RANK] = {0};
    int64_t width = rank > 0 ? extent[rank - 1] : 1;
    int64_t a_step = rank > 0 ? a_stride[rank - 1] : 0;
    int64_t b_step = rank > 0 ? b_stride[rank - 1] : 0;

    do {
        const float *a_row = a + offset_of(rank, index, a_stride);
        const float *b_row = b + offset_of(rank, index, b_stride);

        for (int64_t i = 0; i < width; i++)
            output[i] = apply(operation, a_row[i * a_step], b_row[i * b_step]);
        output += width;
    } while (next_row(rank, extent, index));
}

/* What pad_run is asked for, with every axis that stays as it is made part of the one before. */
struct padding {
    int rank;
    int64_t input[STRIDES_MAX_RANK], begin[STRIDES_MAX_RANK], output[STRIDES_MAX_RANK];
};

static struct padding merge_padding(int rank, const int64_t *input, const int64_t *begin,
                                    const int64_t *output)
{
    struct padding padding = {0};

    for (int axis = 0; axis < rank; axis++) {
        if (axis > 0 && begin[axis] == 0 && input[axis] == output[axis]) {
            padding.input[padding.rank - 1] *= input[axis];
            padding.begin[padding.rank - 1] *= input[axis];
            padding.output[padding.rank - 1] *= input[axis];
        } else {
            padding.input[padding.rank] = input[axis];
            padding.begin[padding.rank] = begin[axis];
            padding.output[padding.rank++] = output[axis];
        }
    }
    return padding;
}

void pad_run(int rank, const int64_t *input_extent, const int64_t *begin,
             const int64_t *output_extent, const float *input, float *output)
{
    const struct padding padding = merge_padding(rank, input_extent, begin, output_extent);
    /* What of the input is in the output: `count` cells along each axis. */
    int64_t count[STRIDES_MAX_RANK], index[STRIDES_MAX_RANK] = {0};
    bool empty = false, all = true; /* nothing of the input; all of the output */
    int64_t from = 0, to = 0, from_step = 1, to_step = 1;
    int64_t from_stride[STRIDES_MAX_RANK], to_stride[STRIDES_MAX_RANK];

    rank = padding.rank;
    for (int axis = rank - 1; axis >= 0; axis--) {
        int64_t from_first = padding.begin[axis] < 0 ? -padding.begin[axis] : 0;
        int64_t to_first = padding.begin[axis] > 0 ? padding.begin[axis] : 0;
        int64_t left = padding.input[axis] - from_first, room = padding.output[axis] - to_first;

        count[axis] = left < room ? left : room;
        from_stride[axis] = from_step;
        to_stride[axis] = to_step;
        from += from_first * from_step;
        to += to_first * to_step;
        from_step *= padding.input[axis];
        to_step *= padding.output[axis];
    }
    for (int axis = 0; axis < rank; axis++) {
        empty = empty || count[axis] <= 0;
        all = all && count[axis] == padding.output[axis];
    }
    if (!all)
        memset(output, 0, (size_t)to_step * sizeof(float));
    if (empty)
        return;
    do {
        memcpy(output + to + offset_of(rank, index, to_stride),
               input + from + offset_of(rank, index, from_stride),
               (size_t)(rank > 0 ? count[rank - 1] : 1) * sizeof(float));
    } while (next_row(rank, count, index));
}

void transpose_run(int rank, const int64_t *extent, const float *input, const int64_t *stride,
                   float *output)
{
    int64_t index[STRIDES_MAX_RANK] = {0};
    int64_t width = rank > 0 ? extent[rank - 1] : 1;
    int64_t step = rank > 0 ? stride[rank - 1] : 0;

    do {
        const float *row = input + offset_of(rank, index, stride);

        if (step == 1)
            memcpy(output, row, (size_t)width * sizeof(float));
        for (int64_t i = 0; i < width && step != 1; i++)
            output[i] = row[i * step];
        output += width;
    } while (next_row(rank, extent, index));
}

void channel_affine_run(const float *input, const float *factor, const float *offset,
                        size_t channels, size_t plane, float *output)
{
    for (size_t c = 0; c < channels; c++) {
        for (size_t i = 0; i < plane; i++)
            output[c * plane + i] = input[c * plane + i] * factor[c] + offset[c];
    }
}

void channel_affine_prepare(const float *scale, const float *shift, const float *mean,
                            const float *variance, double epsilon, size_t channels, float *factor,
                            float *offset)
{
    for (size_t c = 0; c < channels; c++) {
        double value = (double)scale[c] / sqrt((double)variance[c] + epsilon);

        factor[c] = (float)value;
        offset[c] = (float)((double)shift[c] - (double)mean[c] * value);
    }
}

bool values_finite(const float *values, size_t count)
{
    /* Adding 1 to an exponent of all ones, and to no other, carries into the sign's place. In
     * lanes, so that compilers use vectors. */
    const uint32_t magnitude = 0x7fffffff, exponent_one = 0x00800000, carry = 0x80000000;
    uint32_t lane[16] = {0}, any = 0;
    size_t i = 0;

    for (; i + 16 <= count; i += 16) {
        uint32_t bits[16];

        memcpy(bits, values + i, sizeof(bits));
        for (int j = 0; j < 16; j++)
            lane[j] |= (bits[j] & magnitude) + exponent_one;
    }
    for (; i < count; i++) {
        if (!isfinite(values[i]))
            return false;
    }
    for (int j = 0; j < 16; j++)
        any |= lane[j];
    return !(any & carry);
}
