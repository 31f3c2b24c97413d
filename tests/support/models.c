#include "support/models.h"

#include "support/onnx_builder.h"
#include "support/scratch.h"

#include <stdlib.h>
#include <string.h>

static const float *repeated(struct onnx_builder *builder, int count, float value)
{
    float *values = onnx_builder_allocate(builder, (size_t)count * sizeof(float));

    for (int i = 0; i < count; i++)
        values[i] = value;
    return values;
}

/* Weights that are all different and of both signs. */
static const float *uneven(struct onnx_builder *builder, int count)
{
    float *values = onnx_builder_allocate(builder, (size_t)count * sizeof(float));

    for (int i = 0; i < count; i++)
        values[i] = (float)(i * 7 % 11 - 4) / 16;
    return values;
}

/* A node with a constant of one number: "image" -> `output`. */
static void add_arithmetic(struct onnx_builder *builder, const char *operator, const char * input,
                           float number, const char *output)
{
    char inputs[64], constant[32];

    strcat(strcpy(constant, output), "_number");
    strcat(strcat(strcpy(inputs, input), " "), constant);
    onnx_builder_floats(builder, constant, 1, (const int64_t[]){1}, &number);
    onnx_builder_node(builder, operator, output, inputs, output);
}

static void add_norm(struct onnx_builder *builder, int channels, float mean, float variance)
{
    const int64_t extent[1] = {channels};

    onnx_builder_floats(builder, "one", 1, extent, repeated(builder, channels, 1));
    onnx_builder_floats(builder, "zero", 1, extent, repeated(builder, channels, 0));
    onnx_builder_floats(builder, "mean", 1, extent, repeated(builder, channels, mean));
    onnx_builder_floats(builder, "variance", 1, extent, repeated(builder, channels, variance));
    onnx_builder_node(builder, "BatchNormalization", "norm", "image one zero mean variance",
                      "begun");
}

static void add_begin(struct onnx_builder *builder, enum model_begin begin, int channels)
{
    switch (begin) {
    case MODEL_BARE:
        onnx_builder_node(builder, "Identity", "begin", "image", "begun");
        break;
    case MODEL_DIVIDES_BYTES:
        add_arithmetic(builder, "Div", "image", 127.5F, "divided");
        add_arithmetic(builder, "Sub", "divided", 1, "begun");
        break;
    case MODEL_CENTRES:
        add_arithmetic(builder, "Sub", "image", 0.5F, "begun");
        break;
    case MODEL_STRETCHES:
        add_arithmetic(builder, "Mul", "image", 2, "doubled");
        add_arithmetic(builder, "Sub", "doubled", 1, "begun");
        break;
    case MODEL_NORMS_BYTES:
        add_norm(builder, channels, 120, 3000);
        break;
    case MODEL_NORMS_FRACTIONS:
        add_norm(builder, channels, 0.5F, 0.05F);
        break;
    case MODEL_CHANNELS_LAST:
        onnx_node_integers(builder,
                           onnx_builder_node(builder, "Transpose", "begin", "image", "begun"),
                           "perm", NUMBERS(0, 3, 1, 2));
        break;
    }
}

static void add_dense(struct onnx_builder *builder, const char *name, int inputs, int outputs,
                      const float *bias, int softmax)
{
    char weights[48], biases[48], all[120], scores[48];

    strcat(strcpy(weights, name), "_weights");
    strcat(strcpy(biases, name), "_biases");
    strcat(strcat(strcat(strcat(strcpy(all, "flat "), weights), " "), biases), "");
    onnx_builder_floats(builder, weights, 2, (const int64_t[]){inputs, outputs},
                        bias ? repeated(builder, inputs * outputs, 0)
                             : uneven(builder, inputs * outputs));
    onnx_builder_floats(builder, biases, 1, (const int64_t[]){outputs},
                        bias ? bias : repeated(builder, outputs, 0.25F));
    strcat(strcpy(scores, name), "_scores");
    onnx_builder_node(builder, "Gemm", name, all, softmax ? scores : name);
    if (softmax)
        onnx_builder_node(builder, "Softmax", scores, scores, name);
    onnx_builder_output(builder, name);
}

const char *model_write(const char *name, const struct model_parts *parts)
{
    int channels = parts->channels ? parts->channels : 1;
    int height = parts->height ? parts->height : 12, width = parts->width ? parts->width : 16;
    int flat = 3 * ((height < 0 ? 12 : height) - 2) * ((width < 0 ? 16 : width) - 2);
    const int64_t first[4] = {1, channels, height, width}, last[4] = {1, height, width, channels};
    struct onnx_builder builder;
    unsigned char *bytes;
    size_t length;
    const char *path;

    onnx_builder_begin(&builder, 13);
    onnx_builder_input(&builder, "image", 4, parts->begin == MODEL_CHANNELS_LAST ? last : first);
    add_begin(&builder, parts->begin, channels);
    onnx_builder_floats(&builder, "kernel", 4, (const int64_t[]){3, channels, 3, 3},
                        uneven(&builder, 27 * channels));
    onnx_builder_node(&builder, "Conv", "conv", "begun kernel", "convolved");
    onnx_builder_node(&builder, parts->no_relu ? "Tanh" : "Relu", "relu", "convolved", "level");
    onnx_builder_node(&builder, "Flatten", "flatten", "level", "flat");
    if (parts->second_output)
        add_dense(&builder, parts->second_name ? parts->second_name : "throttle", flat,
                  parts->second_output, NULL, 0);
    add_dense(&builder, parts->name ? parts->name : "steering", flat,
              parts->outputs ? parts->outputs : 1, parts->bias, parts->softmax);
    if (parts->card)
        onnx_builder_metadata(&builder, "vbp.card", parts->card);
    onnx_builder_pack(&builder, &bytes, &length);
    path = scratch_write(name, bytes, length);
    free(bytes);
    onnx_builder_end(&builder);
    return path;
}
