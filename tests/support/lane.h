/*
 * A drawn road and a network made by hand that follows its lane markings: what tests and the
 * README's picture run on. The network's filters answer to bright lines on a dark ground and its
 * dense layer weighs them by where they are, so both its steering and its mask are known
 * beforehand.
 */
#ifndef VBP_TESTS_SUPPORT_LANE_H
#define VBP_TESTS_SUPPORT_LANE_H

#include <stddef.h>
#include <stdint.h>

#define LANE_INPUT_WIDTH  200
#define LANE_INPUT_HEIGHT 66

/*
 * The network as an ONNX file: gray 66x200 in, three levels, one output "steering". *bytes is to be
 * freed.
 */
void lane_network(unsigned char **bytes, size_t *length);

/* The card that goes with it: the road's part of the frame, gray, 0..1. */
extern const char lane_card[];

/* Frame `number` of the drive, at 30 frames a second: RGB24, rows of 3 * width bytes. */
void lane_draw(uint8_t *rgb, int width, int height, int number);

/* How far below the top the horizon lies, as a share of the height. */
#define LANE_HORIZON 0.42

#endif
