/* Nonlinearities, arithmetic with broadcasting, transposes and batch normalisation. */
#include "kernels/activation.h"
#include "kernels/elementwise.h"
#include "support/numbers.h"

#include <float.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static double defined(enum activation function, double alpha, double beta, double x)
{
    switch (function) {
    case ACTIVATION_RELU:
        return x > 0 ? x : 0;
    case ACTIVATION_CLIP:
        return fmin(fmax(x, alpha), beta);
    case ACTIVATION_ELU:
        return x > 0 ? x : alpha * expm1(x);
    case ACTIVATION_LEAKY_RELU:
        return x > 0 ? x : alpha * x;
    case ACTIVATION_SELU:
        return beta * (x > 0 ? x : alpha * expm1(x));
    case ACTIVATION_SOFTPLUS:
        return fmax(x, 0) + log1p(exp(-fabs(x)));
    case ACTIVATION_SILU:
        return x / (1 + exp(-x));
    case ACTIVATION_GELU:
        return x * (1 + erf(x / sqrt(2))) / 2;
    case ACTIVATION_SIGMOID:
        return 1 / (1 + exp(-x));
    case ACTIVATION_TANH:
        return tanh(x);
    case ACTIVATION_ATAN:
        return atan(x);
    case ACTIVATION_THRESHOLD:
        return x > alpha ? x : 0;
    case ACTIVATION_SOFTSIGN:
        return x / (1 + fabs(x));
    case ACTIVATION_EXPONENTIAL:
        return exp(x);
    case ACTIVATION_COUNT:
        break;
    }
    return NAN;
}

static void activations_are_as_defined(void **state)
{
    static const float corners[] = {0,    -0.0F, 1e-30F, -1e-30F, 1,     -1,     6,       6.5F,
                                    -87,  88,    -88,    89,      -200,  200,    1e30F,   -1e30F,
                                    0.5F, -0.5F, 1e-4F,  -1e-4F,  3.25F, -3.25F, FLT_MAX, -FLT_MAX};
    const size_t corner_count = sizeof(corners) / sizeof(*corners);

    (void)state;
    for (int f = 0; f < ACTIVATION_COUNT; f++) {
        for (size_t count = 0; count <= 70; count += count < 20 ? 1 : 25) {
            float *input = guarded_random(count, -8, 8), *output = guarded_floats(count);

            for (size_t i = 0; i < count && i < corner_count && count > 40; i++)
                input[i] = corners[i];
            activation_run((enum activation)f, -0.25F, 1.5F, input, output, count);
            for (size_t i = 0; i < count; i++) {
                double want = defined((enum activation)f, -0.25, 1.5, (double)input[i]);

                if (fabs(want) <= (double)FLT_MAX)
                    check_close((double)output[i], want, 4e-6 * fabs(want) + 1e-7, "activation");
                else
                    assert_true(isinf(output[i]));
            }
            activation_run((enum activation)f, -0.25F, 1.5F, input, input, count);
            for (size_t i = 0; i < count; i++)
                assert_memory_equal(&input[i], &output[i], sizeof(float));
            guarded_free(input);
            guarded_free(output);
        }
    }
}

static void nan_stays_nan(void **state)
{
    (void)state;
    for (int f = 0; f < ACTIVATION_COUNT; f++) {
        float values[3] = {1, NAN, -1};

        activation_run((enum activation)f, 0, 6, values, values, 3);
        assert_true(isnan(values[1]));
        assert_true(isfinite(values[0]) && isfinite(values[2]));
    }
}

static double combined(enum binary operation, double a, double b)
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
        return fmax(a, b);
    case BINARY_MINIMUM:
        return fmin(a, b);
    case BINARY_PRELU:
        return a > 0 ? a : a * b;
    }
    return NAN;
}

/* Dense strides with 0 along the axes that `repeated` has a bit for; returns the elements. */
static size_t make_strides(int rank, const int64_t *extent, unsigned repeated, int64_t *stride)
{
    int64_t step = 1;

    for (int axis = rank - 1; axis >= 0; axis--) {
        stride[axis] = repeated >> axis & 1 ? 0 : step;
        if (!(repeated >> axis & 1))
            step *= extent[axis];
    }
    return (size_t)step;
}

static void arithmetic_broadcasts(void **state)
{
    (void)state;
    for (int i = 0; i < 300; i++) {
        int rank = random_between(0, STRIDES_MAX_RANK);
        enum binary operation = (enum binary)random_between(0, BINARY_PRELU);
        int64_t extent[STRIDES_MAX_RANK], a_stride[STRIDES_MAX_RANK], b_stride[STRIDES_MAX_RANK];
        size_t count = 1;
        float *a, *b, *output;

        for (int axis = 0; axis < rank; axis++) {
            extent[axis] = random_between(1, 4);
            count *= (size_t)extent[axis];
        }
        a = guarded_random(make_strides(rank, extent, (unsigned)random_between(0, 63), a_stride),
                           operation < BINARY_MAXIMUM ? 0.5F : -1, 2);
        b = guarded_random(make_strides(rank, extent, (unsigned)random_between(0, 63), b_stride),
                           0.5F, 2);
        output = guarded_floats(count);
        binary_run(operation, rank, extent, a, a_stride, b, b_stride, output);
        for (size_t element = 0; element < count; element++) {
            size_t rest = element;
            int64_t in_a = 0, in_b = 0;

            for (int axis = rank - 1; axis >= 0; axis--) {
                int64_t at = (int64_t)(rest % (size_t)extent[axis]);

                rest /= (size_t)extent[axis];
                in_a += at * a_stride[axis];
                in_b += at * b_stride[axis];
            }
            check_close((double)output[element],
                        combined(operation, (double)a[in_a], (double)b[in_b]), 1e-6, "binary");
        }
        guarded_free(a);
        guarded_free(b);
        guarded_free(output);
    }
}

static void transposes_permute(void **state)
{
    (void)state;
    for (int i = 0; i < 300; i++) {
        int rank = random_between(1, STRIDES_MAX_RANK);
        int permutation[STRIDES_MAX_RANK];
        int64_t input_extent[STRIDES_MAX_RANK], input_stride[STRIDES_MAX_RANK];
        int64_t extent[STRIDES_MAX_RANK], stride[STRIDES_MAX_RANK];
        size_t count;
        float *input, *output;

        for (int axis = 0; axis < rank; axis++) {
            int other = random_between(0, axis);

            input_extent[axis] = random_between(1, 4);
            permutation[axis] = permutation[other];
            permutation[other] = axis;
        }
        count = make_strides(rank, input_extent, 0, input_stride);
        for (int axis = 0; axis < rank; axis++) {
            extent[axis] = input_extent[permutation[axis]];
            stride[axis] = input_stride[permutation[axis]];
        }
        input = guarded_random(count, -1, 1);
        output = guarded_floats(count);
        transpose_run(rank, extent, input, stride, output);
        for (size_t element = 0; element < count; element++) {
            size_t rest = element;
            int64_t from = 0;

            for (int axis = rank - 1; axis >= 0; axis--) {
                from += (int64_t)(rest % (size_t)extent[axis]) * stride[axis];
                rest /= (size_t)extent[axis];
            }
            assert_memory_equal(&output[element], &input[from], sizeof(float));
        }
        guarded_free(input);
        guarded_free(output);
    }
}

static void normalisation_by_definition(void **state)
{
    const size_t planes[] = {1, 2, 3, 16, 33};
    const size_t channels = 5;

    (void)state;
    for (int p = 0; p < 5; p++) {
        float *input = guarded_random(channels * planes[p], -3, 3);
        float *output = guarded_floats(channels * planes[p]);
        float *scale = guarded_random(channels, -2, 2), *shift = guarded_random(channels, -2, 2);
        float *mean = guarded_random(channels, -2, 2);
        float *variance = guarded_random(channels, 0.1F, 2);
        float *factor = guarded_floats(channels), *offset = guarded_floats(channels);

        channel_affine_prepare(scale, shift, mean, variance, 1e-3, channels, factor, offset);
        channel_affine_run(input, factor, offset, channels, planes[p], output);
        for (size_t i = 0; i < channels * planes[p]; i++) {
            size_t c = i / (planes[p] > 0 ? planes[p] : 1);
            double want = ((double)input[i] - (double)mean[c]) / sqrt((double)variance[c] + 1e-3) *
                              (double)scale[c] +
                          (double)shift[c];

            check_close((double)output[i], want, 1e-5, "normalised");
        }
        channel_affine_run(input, factor, offset, channels, planes[p], input);
        for (size_t i = 0; i < channels * planes[p]; i++)
            assert_memory_equal(&input[i], &output[i], sizeof(float));
        guarded_free(input);
        guarded_free(output);
        guarded_free(scale);
        guarded_free(shift);
        guarded_free(mean);
        guarded_free(variance);
        guarded_free(factor);
        guarded_free(offset);
    }
}

static void finite_values(void **state)
{
    static const float wrong[] = {NAN, -NAN, INFINITY, -INFINITY};
    static const float right[] = {0, -0.0F, FLT_MAX, -FLT_MAX, FLT_MIN, 1e-45F};

    (void)state;
    assert_true(values_finite(NULL, 0));
    for (size_t count = 1; count < 70; count++) {
        float *values = guarded_random(count, -1, 1);

        for (size_t i = 0; i < count; i++) {
            float before = values[i];

            for (int w = 0; w < 4; w++) {
                values[i] = wrong[w];
                assert_false(values_finite(values, count));
            }
            values[i] = before;
            for (int r = 0; r < 6; r++) {
                values[i] = right[r];
                assert_true(values_finite(values, count));
            }
        }
        guarded_free(values);
    }
}

/* Axes that stay as they are, as often as others; parts cut off, and all of it. */
static void padding_and_cutting(void **state)
{
    int cases = 0;

    (void)state;
    for (int turn = 0; turn < 500; turn++, cases++) {
        int rank = random_between(1, 4);
        int64_t from[4], begin[4], to[4];
        size_t inputs = 1, outputs = 1;
        float *input, *output;

        for (int axis = 0; axis < rank; axis++) {
            from[axis] = to[axis] = random_between(1, 5);
            begin[axis] = 0;
            if (random_chance(0.5)) {
                begin[axis] = random_between(-3, 3);
                to[axis] = random_between(1, 8);
            }
            inputs *= (size_t)from[axis];
            outputs *= (size_t)to[axis];
        }
        input = guarded_random(inputs, 1, 2);
        output = guarded_floats(outputs);
        pad_run(rank, from, begin, to, input, output);
        for (size_t i = 0; i < outputs; i++) {
            size_t rest = i, at = 0, step = 1;
            bool inside = true;

            for (int axis = rank - 1; axis >= 0; axis--) {
                int64_t cell = (int64_t)(rest % (size_t)to[axis]) - begin[axis];

                inside = inside && cell >= 0 && cell < from[axis];
                at += (size_t)cell * step;
                step *= (size_t)from[axis];
                rest /= (size_t)to[axis];
            }
            assert_true(output[i] == (inside ? input[at] : 0));
        }
        guarded_free(input);
        guarded_free(output);
    }
    assert_true(cases > 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(padding_and_cutting), cmocka_unit_test(activations_are_as_defined),
        cmocka_unit_test(nan_stays_nan),       cmocka_unit_test(arithmetic_broadcasts),
        cmocka_unit_test(transposes_permute),  cmocka_unit_test(normalisation_by_definition),
        cmocka_unit_test(finite_values),
    };

    return cmocka_run_group_tests(tests, random_setup, NULL);
}
