#include "kernels/normalise.h"

#include <math.h>

void normalise_statistics(const struct normalise *normalise, const float *input, double *mean,
                          double *variance)
{
    size_t plane = normalise->plane, step = normalise->channels * plane;
    double count = (double)(normalise->samples * plane);

    for (size_t c = 0; c < normalise->channels; c++) {
        double sum = 0, squares = 0;

        for (size_t sample = 0; sample < normalise->samples; sample++) {
            const float *values = input + sample * step + c * plane;

            for (size_t i = 0; i < plane; i++)
                sum += (double)values[i];
        }
        mean[c] = sum / count;
        for (size_t sample = 0; sample < normalise->samples; sample++) {
            const float *values = input + sample * step + c * plane;

            for (size_t i = 0; i < plane; i++) {
                double distance = (double)values[i] - mean[c];

                squares += distance * distance;
            }
        }
        variance[c] = squares / count;
    }
}

void normalise_run(const struct normalise *normalise, const float *input, const double *mean,
                   const double *variance, const float *scale, const float *shift, float *output)
{
    size_t plane = normalise->plane, step = normalise->channels * plane;

    for (size_t c = 0; c < normalise->channels; c++) {
        double factor = (double)scale[c] / sqrt(variance[c] + normalise->epsilon);
        double offset = (double)shift[c] - mean[c] * factor;

        for (size_t sample = 0; sample < normalise->samples; sample++) {
            const float *from = input + sample * step + c * plane;
            float *to = output + sample * step + c * plane;

            for (size_t i = 0; i < plane; i++)
                to[i] = (float)((double)from[i] * factor + offset);
        }
    }
}

/*
 * With n = (x - mean) / sqrt(variance + epsilon), y = n * scale + shift and g = dL/dy, over the N
 * values of a channel:
 *
 *     dL/dscale = sum g n      dL/dshift = sum g
 *     dL/dx = scale / sqrt(variance + epsilon) * (g - sum g / N - n * sum (g n) / N)
 *
 * without the two sums where mean and variance do not depend on x.
 */
static void channel_backward(const struct normalise *normalise, size_t c, const float *input,
                             double mean, double reciprocal, double scale, bool of_batch,
                             const float *gradient, float *scale_gradient, float *shift_gradient,
                             bool add, float *input_gradient)
{
    size_t plane = normalise->plane, step = normalise->channels * plane;
    double count = (double)(normalise->samples * plane);
    double sum = 0, product = 0;

    for (size_t sample = 0; sample < normalise->samples; sample++) {
        size_t at = sample * step + c * plane;

        for (size_t i = at; i < at + plane; i++) {
            sum += (double)gradient[i];
            product += (double)gradient[i] * ((double)input[i] - mean);
        }
    }
    product *= reciprocal;
    if (scale_gradient)
        scale_gradient[c] += (float)product;
    if (shift_gradient)
        shift_gradient[c] += (float)sum;
    for (size_t sample = 0; input_gradient && sample < normalise->samples; sample++) {
        double slope = of_batch ? product * reciprocal / count : 0;
        double constant = of_batch ? sum / count : 0;
        size_t at = sample * step + c * plane;

        for (size_t i = at; i < at + plane; i++) {
            double share = (double)gradient[i] - constant - slope * ((double)input[i] - mean);
            float value = (float)(scale * reciprocal * share);

            input_gradient[i] = add ? input_gradient[i] + value : value;
        }
    }
}

void normalise_backward_run(const struct normalise *normalise, const float *input,
                            const double *mean, const double *variance, const float *scale,
                            bool of_batch, const float *gradient, float *scale_gradient,
                            float *shift_gradient, bool add, float *input_gradient)
{
    for (size_t c = 0; c < normalise->channels; c++)
        channel_backward(normalise, c, input, mean[c], 1 / sqrt(variance[c] + normalise->epsilon),
                         (double)scale[c], of_batch, gradient, scale_gradient, shift_gradient, add,
                         input_gradient);
}

void instance_normalise_run(const float *input, size_t channels, size_t plane, double epsilon,
                            const float *scale, const float *shift, float *output)
{
    const struct normalise one = {.samples = 1, .channels = 1, .plane = plane, .epsilon = epsilon};

    for (size_t c = 0; c < channels; c++) {
        double mean, variance;

        normalise_statistics(&one, input + c * plane, &mean, &variance);
        normalise_run(&one, input + c * plane, &mean, &variance, scale + c, shift + c,
                      output + c * plane);
    }
}
