#include "kernels/elementwise_backward.h"

/* d (a op b) / d a, or / d b */
static float derivative(enum binary operation, bool second, float a, float b)
{
    switch (operation) {
    case BINARY_ADD:
        return 1;
    case BINARY_SUBTRACT:
        return second ? -1 : 1;
    case BINARY_MULTIPLY:
        return second ? a : b;
    case BINARY_DIVIDE:
        return second ? -a / (b * b) : 1 / b;
    case BINARY_MAXIMUM:
        return (a > b) != second ? 1 : 0;
    case BINARY_MINIMUM:
        return (a < b) != second ? 1 : 0;
    case BINARY_PRELU:
        if (a > 0)
            return second ? 0 : 1;
        return second ? a : b;
    }
    return 0;
}

void binary_backward_run(enum binary operation, bool second, int rank, const int64_t *extent,
                         const float *a, const int64_t *a_stride, const float *b,
                         const int64_t *b_stride, const float *gradient, float *target)
{
    const int64_t *stride = second ? b_stride : a_stride;
    int64_t index[STRIDES_MAX_RANK] = {0};
    int64_t width = rank > 0 ? extent[rank - 1] : 1;
    int64_t a_step = rank > 0 ? a_stride[rank - 1] : 0;
    int64_t b_step = rank > 0 ? b_stride[rank - 1] : 0;
    int64_t step = second ? b_step : a_step;
    int axis;

    do {
        int64_t a_at = 0, b_at = 0, at = 0;

        for (axis = 0; axis < rank - 1; axis++) {
            a_at += index[axis] * a_stride[axis];
            b_at += index[axis] * b_stride[axis];
            at += index[axis] * stride[axis];
        }
        if (step == 0) {
            double sum = 0;

            for (int64_t i = 0; i < width; i++)
                sum += (double)(gradient[i] * derivative(operation, second, a[a_at + i * a_step],
                                                         b[b_at + i * b_step]));
            target[at] += (float)sum;
        } else {
            for (int64_t i = 0; i < width; i++)
                target[at + i * step] +=
                    gradient[i] *
                    derivative(operation, second, a[a_at + i * a_step], b[b_at + i * b_step]);
        }
        gradient += width;
        /* The next row, as an odometer counts. */
        for (axis = rank - 2; axis >= 0; axis--) {
            if (++index[axis] < extent[axis])
                break;
            index[axis] = 0;
        }
    } while (axis >= 0);
}

void values_add(const float *input, size_t count, float *output)
{
    for (size_t i = 0; i < count; i++)
        output[i] += input[i];
}
