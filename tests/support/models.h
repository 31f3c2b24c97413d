/* A small steering network in an ONNX file: convolution, ReLU, dense layer. */
#ifndef VBP_TESTS_SUPPORT_MODELS_H
#define VBP_TESTS_SUPPORT_MODELS_H

/* What comes before the convolution. */
enum model_begin {
    MODEL_BARE,
    MODEL_DIVIDES_BYTES,   /* x / 127.5 - 1 */
    MODEL_CENTRES,         /* x - 0.5: meant for fractions */
    MODEL_STRETCHES,       /* x * 2 - 1: meant for fractions */
    MODEL_NORMS_BYTES,     /* batch normalisation with a mean of 120 */
    MODEL_NORMS_FRACTIONS, /* ... with a mean of 0.5 */
    MODEL_CHANNELS_LAST    /* a transpose: the input is height x width x channels */
};

/* Zeros are a gray image of 12x16 and one output, "steering". */
struct model_parts {
    enum model_begin begin;
    int channels;      /* 0: 1 */
    int height, width; /* 0: 12 and 16; -1: left open */
    int outputs;       /* length of the output; 0: 1 */
    const float *bias; /* of the dense layer; then its weights are 0, and these are the outputs */
    int second_output; /* length of another output, "throttle", that comes first; 0: none */
    const char *name, *second_name; /* of the outputs; NULL: the names above */
    int softmax;                    /* not 0: a softmax makes the output */
    int no_relu;                    /* not 0: the network has no level */
    const char *card;               /* in the file's metadata; NULL: none */
};

/* Writes the model into the test's folder (scratch_setup) and returns its path. */
const char *model_write(const char *name, const struct model_parts *parts);

#endif
