/*
 * The inner loops of convolutions over pictures whose channels lie together (channels last): sums
 * that are held in registers, a tile of them at a time. One version for each instruction set.
 *
 * A position's sums run over `runs`: stretches of floats that lie together in memory.
 *
 *     picture, channels last          for the position at P, a 3x2 kernel's runs:
 *     . . . . . . . .                 . . . . . . . .
 *     . . P . . . . .                 . . a a b b . .     run 0: a = channels of the first cell
 *     . . . . . . . .                 . . c c d d . .     run 1
 *     . . . . . . . .                 . . e e f f . .     run 2
 */
#ifndef VBP_KERNELS_TILE_H
#define VBP_KERNELS_TILE_H

#include <stdbool.h>
#include <stddef.h>

#define TILE_MAX_WIDTH   16 /* floats of the widest vector */
#define TILE_MAX_VECTORS 4  /* vectors side by side in a tile */

/*
 * output[p * output_step + n] = bias[n] + sum over runs r and i < run_length of
 *     input[p * input_step + start + run_offset[r] + i] * weights[(r * run_length + i) * pitch + n]
 *
 * for n < channels, with pitch = channels rounded up to whole vectors, TILE_MAX_VECTORS at most.
 * weights and bias hold zeros (or anything finite) from `channels` to `pitch`; they are read with
 * the vectors' width, nothing else is read or written out of bounds. output must not overlap what
 * is read.
 */
struct correlation {
    const ptrdiff_t *run_offset;
    ptrdiff_t start;
    size_t run_count, run_length;
    const float *weights, *bias;
    size_t input_step, output_step;
    size_t channels;
    bool add;     /* to what output holds */
    bool rectify; /* negative sums become 0 */
};

/*
 * sums[o * sums_pitch + i] += sum over images, y < height, x < width of
 *     gradient[image * gradient_image + y * gradient_row + x * gradient_step + o] *
 *     input[image * input_image + y * input_row + x * input_step + i]
 *
 * for o < outputs and i < length rounded up to whole vectors: what lies behind the last input cell
 * must be readable (its values do no harm), and sums_pitch as wide.
 */
struct accumulation {
    size_t images, height, width;
    size_t input_image, input_row, input_step;
    size_t gradient_image, gradient_row, gradient_step;
    size_t length, outputs;
    size_t sums_pitch;
};

struct tiles {
    size_t width; /* floats in a vector */
    /* Returns false where a sum, before it was rectified, is NaN or infinite. */
    bool (*correlate)(const struct correlation *correlation, const float *input, float *output,
                      size_t positions);
    void (*accumulate)(const struct accumulation *accumulation, const float *input,
                       const float *gradient, float *sums);
};

extern const struct tiles tiles__c, tiles__avx2, tiles__avx512;

#endif
