#include "kernels/normalise.h"

#include <math.h>

/* Of one channel; input is at its first value. */
static void channel_statistics(const struct normalise *normalise, const float *input, double *mean,
                               double *variance)
{
    size_t plane = normalise->plane, step = normalise->channels * plane;
    double count = (double)(normalise->samples * plane), sum = 0, squares = 0;

    for (size_t sample = 0; sample < normalise->samples; sample++) {
        for (size_t i = 0; i < plane; i++)
            sum += (double)input[sample * step + i];
    }
    *mean = sum / count;
    for (size_t sample = 0; sample < normalise->samples; sample++) {
        for (size_t i = 0; i < plane; i++) {
            double distance = (double)input[sample * step + i] - *mean;

            squares += distance * distance;
        }
    }
    *variance = squares / count;
}

static void normalise_channel(const struct normalise *normalise, const float *input, double mean,
                              double variance, double scale, double shift, float *output)
{
    size_t plane = normalise->plane, step = normalise->channels * plane;
    double factor = scale / sqrt(variance + normalise->epsilon), offset = shift - mean * factor;

    for (size_t sample = 0; sample < normalise->samples; sample++) {
        for (size_t i = 0; i < plane; i++)
            output[sample * step + i] = (float)((double)input[sample * step + i] * factor + offset);
    }
}

void normalise_statistics(const struct normalise *normalise, const float *input, double *mean,
                          double *variance)
{
    for (size_t c = 0; c < normalise->channels; c++)
        channel_statistics(normalise, input + c * normalise->plane, &mean[c], &variance[c]);
}

void normalise_run(const struct normalise *normalise, const float *input, const double *mean,
                   const double *variance, const float *scale, const float *shift, float *output)
{
    for (size_t c = 0; c < normalise->channels; c++)
        normalise_channel(normalise, input + c * normalise->plane, mean[c], variance[c],
                          (double)scale[c], (double)shift[c], output + c * normalise->plane);
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

void instance_normalise_run(const float *input, size_t outer, size_t channels, size_t inner,
                            double epsilon, const float *scale, const float *shift, float *output)
{
    const struct normalise own = {outer, channels, inner, epsilon};

    for (size_t c = 0; c < channels; c++) {
        double mean, variance;

        channel_statistics(&own, input + c * inner, &mean, &variance);
        normalise_channel(&own, input + c * inner, mean, variance, (double)scale[c],
                          (double)shift[c], output + c * inner);
    }
}
