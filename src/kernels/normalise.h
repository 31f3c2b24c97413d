/*
 * Batch normalisation in training. Arrays are samples x channels x plane; statistics are one
 * double for each channel.
 */
#ifndef VBP_KERNELS_NORMALISE_H
#define VBP_KERNELS_NORMALISE_H

#include <stdbool.h>
#include <stddef.h>

struct normalise {
    size_t samples, channels, plane;
    double epsilon;
};

/* Mean and (biased) variance of each channel over samples and plane. */
void normalise_statistics(const struct normalise *normalise, const float *input, double *mean,
                          double *variance);

/* output = (input - mean) / sqrt(variance + epsilon) * scale + shift; output may be the input */
void normalise_run(const struct normalise *normalise, const float *input, const double *mean,
                   const double *variance, const float *scale, const float *shift, float *output);

/*
 * Each channel of one picture by its own mean and variance: outer x channels x inner values, one
 * scale and shift for each channel. output may be the input.
 */
void instance_normalise_run(const float *input, size_t outer, size_t channels, size_t inner,
                            double epsilon, const float *scale, const float *shift, float *output);

/*
 * From the gradient of the output: ADDS to scale_gradient and shift_gradient, sets input_gradient,
 * or adds to it; each NULL: not wanted. of_batch: mean and variance are those of this input, and
 * the gradient goes through them too.
 */
void normalise_backward_run(const struct normalise *normalise, const float *input,
                            const double *mean, const double *variance, const float *scale,
                            bool of_batch, const float *gradient, float *scale_gradient,
                            float *shift_gradient, bool add, float *input_gradient);

#endif
