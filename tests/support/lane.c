#include "support/lane.h"

#include "support/onnx_builder.h"

#include <math.h>
#include <stdbool.h>
#include <stdio.h>

/* The card cuts off what lies above the horizon. */
const char lane_card[] = "{\"input\": {\"crop\": {\"top\": 0.45, \"bottom\": 0, \"left\": 0, "
                         "\"right\": 0}, \"resize\": \"area\", \"color\": \"gray\"}, "
                         "\"output\": {\"steering\": \"steering\", \"unit\": \"normalized\"}}\n";

/* ---- The road ------------------------------------------------------------------------------- */

struct rgb {
    double red, green, blue;
};

static const double camera_height = 1.35;   /* meters */
static const double lane_width = 3.6;       /* meters */
static const double line_width = 0.15;      /* meters */
static const double meters_per_frame = 0.8; /* 24 m/s */

static struct rgb mix(struct rgb a, struct rgb b, double share)
{
    return (struct rgb){a.red + (b.red - a.red) * share, a.green + (b.green - a.green) * share,
                        a.blue + (b.blue - a.blue) * share};
}

/* A number in 0..1 that looks random, from two whole numbers. */
static double noise(int64_t x, int64_t y)
{
    uint64_t hash = (uint64_t)x * 0x9E3779B97F4A7C15u ^ (uint64_t)y * 0xC2B2AE3D27D4EB4Fu;

    hash ^= hash >> 29;
    hash *= 0xBF58476D1CE4E5B9u;
    hash ^= hash >> 32;
    return (double)(hash & 0xffff) / 65535;
}

static double smooth_noise(double x, double y)
{
    double fx = floor(x), fy = floor(y), tx = x - fx, ty = y - fy;
    int64_t ix = (int64_t)fx, iy = (int64_t)fy;
    double top = noise(ix, iy) * (1 - tx) + noise(ix + 1, iy) * tx;
    double bottom = noise(ix, iy + 1) * (1 - tx) + noise(ix + 1, iy + 1) * tx;

    return top * (1 - ty) + bottom * ty;
}

/* Half the curvature of the road ahead, 1/m: slow swings from left to right. */
static double half_curvature(int number)
{
    return 0.0011 * sin(number * 0.03);
}

/* The ground `across` meters right of the lane's middle, `along` meters on. */
static struct rgb ground(double across, double along, double distance)
{
    static const struct rgb paint = {226, 226, 218}, haze = {190, 202, 214};
    double grain = smooth_noise(across * 9, along * 9) * 0.6 + smooth_noise(across, along) * 0.4;
    struct rgb color = {84 + 20 * grain, 85 + 20 * grain, 88 + 20 * grain};
    bool dash = fmod(along, 12) < 4.5;
    double half = line_width / 2;

    if (across < -1.5 * lane_width - 0.7 || across > 0.5 * lane_width + 1.3)
        color = (struct rgb){74 + 34 * grain, 98 + 36 * grain, 52 + 22 * grain};
    else if (fabs(across - 0.5 * lane_width) < half || fabs(across + 1.5 * lane_width) < half ||
             (dash && fabs(across + 0.5 * lane_width) < half))
        color = mix(paint, color, 0.25 * grain);
    return mix(color, haze, 1 - exp(-distance / 260));
}

/* What the eye meets at (x, y), in pixels from the top left corner. */
static struct rgb look(double x, double y, int width, int height, int number)
{
    static const struct rgb zenith = {92, 140, 196}, low = {206, 218, 228}, hill = {110, 132, 128};
    double focal = 0.95 * width, horizon = LANE_HORIZON * height;
    double right = x - width / 2.0, down = y - horizon;
    double ridge = height * (0.035 + 0.05 * smooth_noise(x * 7 / width + 3, 1));
    double distance, across;

    if (down < 0.5) {
        struct rgb sky = mix(low, zenith, fmin(1, -down / horizon));

        return -down < ridge ? mix(hill, low, 0.35) : sky;
    }
    distance = camera_height * focal / down;
    across = right * distance / focal - half_curvature(number) * distance * distance +
             0.3 * sin(number * 0.05);
    return ground(across, distance + number * meters_per_frame, distance);
}

static uint8_t to_byte(double value)
{
    return (uint8_t)fmin(fmax(value + 0.5, 0), 255);
}

void lane_draw(uint8_t *rgb, int width, int height, int number)
{
    enum { SAMPLES = 3 }; /* along each side of a pixel */

    for (int y = 0; y < height; y++) {
        for (int x = 0; x < width; x++) {
            struct rgb sum = {0, 0, 0};

            for (int s = 0; s < SAMPLES * SAMPLES; s++) {
                struct rgb color = look(x + (s % SAMPLES + 0.5) / SAMPLES,
                                        y + (s / SAMPLES + 0.5) / SAMPLES, width, height, number);

                sum.red += color.red / (SAMPLES * SAMPLES);
                sum.green += color.green / (SAMPLES * SAMPLES);
                sum.blue += color.blue / (SAMPLES * SAMPLES);
            }
            *rgb++ = to_byte(sum.red);
            *rgb++ = to_byte(sum.green);
            *rgb++ = to_byte(sum.blue);
        }
    }
}

/* ---- The network ---------------------------------------------------------------------------- */

enum { ANGLES = 8, KERNEL = 7 };

/*
 * A filter that answers to a bright line through its middle at one of ANGLES angles: the second
 * derivative of a Gaussian across the line, stretched along it. Its weights sum to 0.
 */
static void line_filter(float *weights, int angle)
{
    const double across_sigma = 0.9, along_sigma = 2.2;
    double direction = M_PI * (angle + 0.5) / ANGLES, sum = 0, size = 0;

    for (int i = 0; i < KERNEL * KERNEL; i++) {
        double x = i % KERNEL - KERNEL / 2, y = i / KERNEL - KERNEL / 2;
        double along = x * cos(direction) + y * sin(direction);
        double across = x * sin(direction) - y * cos(direction);
        double u = across * across / (across_sigma * across_sigma);

        weights[i] =
            (float)((1 - u) * exp(-u / 2 - along * along / (2 * along_sigma * along_sigma)));
        sum += (double)weights[i];
    }
    for (int i = 0; i < KERNEL * KERNEL; i++) {
        weights[i] -= (float)(sum / (KERNEL * KERNEL));
        size += fabs((double)weights[i]);
    }
    for (int i = 0; i < KERNEL * KERNEL; i++)
        weights[i] *= (float)(4 / size);
}

static void conv(struct onnx_builder *builder, const char *name, const char *inputs,
                 const char *output, int kernel, int stride)
{
    Onnx__NodeProto *node = onnx_builder_node(builder, "Conv", name, inputs, output);

    onnx_node_integers(builder, node, "kernel_shape", NUMBERS(kernel, kernel));
    onnx_node_integers(builder, node, "strides", NUMBERS(stride, stride));
    onnx_node_integers(builder, node, "pads",
                       NUMBERS(kernel / 2, kernel / 2, kernel / 2, kernel / 2));
}

/* A convolution that keeps its channels apart and averages over 3x3, then takes off `threshold`. */
static void add_gather(struct onnx_builder *builder, int level, const char *input,
                       const char *output, float threshold)
{
    float weights[ANGLES * ANGLES * 9] = {0}, bias[ANGLES];
    char weights_name[16], bias_name[16], inputs[64], hidden[16];

    for (int i = 0; i < ANGLES; i++) {
        bias[i] = -threshold;
        for (int cell = 0; cell < 9; cell++)
            weights[(i * ANGLES + i) * 9 + cell] = 0.25f;
    }
    snprintf(weights_name, sizeof(weights_name), "w%d", level);
    snprintf(bias_name, sizeof(bias_name), "b%d", level);
    snprintf(hidden, sizeof(hidden), "conv%d", level);
    snprintf(inputs, sizeof(inputs), "%s %s %s", input, weights_name, bias_name);
    onnx_builder_floats(builder, weights_name, NUMBERS(ANGLES, ANGLES, 3, 3), weights);
    onnx_builder_floats(builder, bias_name, NUMBERS(ANGLES), bias);
    conv(builder, hidden, inputs, hidden, 3, level == 2 ? 2 : 1);
    onnx_builder_node(builder, "Relu", output, hidden, output);
}

/* Lines right of the middle steer right, those to the left steer left, the near ones most. */
static void add_head(struct onnx_builder *builder, int height, int width)
{
    float *weights =
        onnx_builder_allocate(builder, (size_t)(ANGLES * height * width) * sizeof(float));
    float bias = 0;

    for (int i = 0; i < ANGLES * height * width; i++) {
        int x = i % width, y = i / width % height;

        weights[i] =
            0.01f * ((float)(2 * x + 1) / (float)width - 1) * (float)(y + 1) / (float)height;
    }
    onnx_builder_floats(builder, "w4", NUMBERS(1, ANGLES * height * width), weights);
    onnx_builder_floats(builder, "b4", NUMBERS(1), &bias);
    onnx_builder_node(builder, "Flatten", "flat", "level3", "flat");
    onnx_node_integer(builder, onnx_builder_node(builder, "Gemm", "head", "flat w4 b4", "steering"),
                      "transB", 1);
}

void lane_network(unsigned char **bytes, size_t *length)
{
    float weights[ANGLES * KERNEL * KERNEL], bias[ANGLES];
    struct onnx_builder builder;

    for (int angle = 0; angle < ANGLES; angle++) {
        line_filter(weights + angle * KERNEL * KERNEL, angle);
        bias[angle] = -0.12f;
    }
    onnx_builder_begin(&builder, 13);
    onnx_builder_input(&builder, "image", NUMBERS(1, 1, LANE_INPUT_HEIGHT, LANE_INPUT_WIDTH));
    onnx_builder_floats(&builder, "w1", NUMBERS(ANGLES, 1, KERNEL, KERNEL), weights);
    onnx_builder_floats(&builder, "b1", NUMBERS(ANGLES), bias);
    conv(&builder, "conv1", "image w1 b1", "conv1", KERNEL, 2);
    onnx_builder_node(&builder, "Relu", "level1", "conv1", "level1");
    add_gather(&builder, 2, "level1", "level2", 0.02f); /* 33 x 100 to 17 x 50 */
    add_gather(&builder, 3, "level2", "level3", 0.02f);
    add_head(&builder, 17, 50);
    onnx_builder_output(&builder, "steering");
    onnx_builder_pack(&builder, bytes, length);
    onnx_builder_end(&builder);
}
