/*
 * Convolutions for training: forward, and the gradients of input, weights and bias, straight from
 * pictures whose channels lie together, without making columns.
 *
 *     picture [y][x][channel]          "channels last"
 *     padded  [y][x][channel]          the same with zeros around it, and a few floats behind it
 *
 * A sample's way: input -> padded input -> output; gradient of the output -> padded gradient ->
 * gradients of weights and of the input.
 */
#ifndef VBP_KERNELS_CONVOLUTION_DIRECT_H
#define VBP_KERNELS_CONVOLUTION_DIRECT_H

#include "kernels/convolution.h"
#include "kernels/tile.h"

struct convolution_direct;

/* NULL without memory. One object serves one thread. */
struct convolution_direct *convolution_direct_create(const struct convolution *convolution,
                                                     const struct tiles *tiles);
void convolution_direct_destroy(struct convolution_direct *direct);

/* Takes over weights and bias (NULL: zeros), laid out as in kernels/convolution.h. */
void convolution_direct_load(struct convolution_direct *direct, const float *weights,
                             const float *bias);

/* Takes over the weights for gradients of the input. */
void convolution_direct_load_backward(struct convolution_direct *direct, const float *weights);

/*
 * Floats of a padded input. Where nothing is padded, a channels-last input is one already, if
 * CONVOLUTION_DIRECT_SLACK floats behind it can be read; what they hold does not matter.
 */
size_t convolution_direct_input_size(const struct convolution_direct *direct);
bool convolution_direct_pads(const struct convolution_direct *direct);
enum { CONVOLUTION_DIRECT_SLACK = TILE_MAX_WIDTH * TILE_MAX_VECTORS };

void convolution_direct_pad_input(const struct convolution_direct *direct, const float *input,
                                  bool channels_last, float *padded);

/*
 * output, channels last: the convolution, with negative values made 0 if rectify. False where a
 * value, before that, is NaN or infinite.
 */
bool convolution_direct_forward(const struct convolution_direct *direct, const float *padded,
                                bool rectify, float *output);

/* Floats of a padded gradient. */
size_t convolution_direct_gradient_size(const struct convolution_direct *direct);

/*
 * padded_gradient from the gradient of the output: where `rectified` (the rectified output, laid
 * out like the gradient; NULL: there was no rectifier) is not positive it is 0. Adds to the sums of
 * the bias gradient inside.
 */
void convolution_direct_pad_gradient(struct convolution_direct *direct, const float *gradient,
                                     const float *rectified, bool channels_last,
                                     float *padded_gradient);

/* So many samples are best given to convolution_direct_add_weights at once. */
size_t convolution_direct_group(const struct convolution_direct *direct);

/*
 * Adds the weight gradients of `samples` samples to sums inside, padded inputs padded_step floats
 * apart, padded gradients convolution_direct_gradient_size.
 */
void convolution_direct_add_weights(struct convolution_direct *direct, size_t samples,
                                    const float *padded, size_t padded_step,
                                    const float *padded_gradient);

/*
 * Adds the sums inside to gradients laid out like weights and bias (NULL: not wanted), and begins
 * new ones.
 */
void convolution_direct_take_gradients(struct convolution_direct *direct, float *weight_gradient,
                                       float *bias_gradient);

/*
 * Gradient of the input, channels last, without its padding; `add`: to what is there. Needs weights
 * loaded for it.
 */
void convolution_direct_input_gradient(const struct convolution_direct *direct,
                                       const float *padded_gradient, bool add, float *gradient);

#endif
