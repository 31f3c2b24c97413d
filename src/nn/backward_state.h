/* What the files of nn/backward share. */
#ifndef VBP_NN_BACKWARD_STATE_H
#define VBP_NN_BACKWARD_STATE_H

#include "kernels/convolution_direct.h"
#include "nn/backward.h"
#include "nn/geometry.h"

/*
 * Values and gradients of a tensor lie sample after sample, each as the graph says or, between
 * convolutions, channels last. Tensors that only rename another one, and rectifiers right behind a
 * convolution or dense layer, live in the other one's memory: its storage.
 */
struct buffer {
    int storage;         /* tensor whose memory this one uses: itself, or an earlier one */
    size_t elements;     /* of one sample */
    float *values;       /* of storages: capacity x elements; NULL for constants read in place */
    float *gradient;     /* of storages that can have one; the input's is the caller's */
    bool channels_last;  /* [height][width][channel] */
    bool has_parameters; /* depends on a parameter */
    bool has_input;      /* depends on the network's input */
    bool reached;        /* of storages, during a run: the gradient holds something */
};

struct layer {
    /* Convolutions. */
    struct convolution_direct *direct;
    float *padded; /* inputs of all samples; NULL: the tensor's values will do */
    size_t padded_step;
    /* Activations: done by the layer before, in its memory. */
    bool fused;
    /* Batch normalisations: what the last forward used, for each channel. */
    double *mean, *variance;
};

struct backward {
    const struct graph *graph;
    const struct parameters *parameters;
    int *parameter_of; /* per tensor: index in parameters->list, or -1 */
    struct buffer *buffers;
    struct layer *layers;
    float *picture;          /* scratch: one sample of any tensor */
    float *padded_gradients; /* scratch: a group of any convolution */
    int capacity;
    const struct tiles *tiles;
    int batch; /* of the last forward; 0: there was none */
    enum normalisation normalisation;
    float level_penalty;

    /* During a run. */
    float *gradients;
    bool to_input;
};

/* Values of the tensor that all samples share, or NULL. */
const float *backward_shared(const struct backward *backward, int tensor);

/* Values of all samples, which are no constant read in place. */
float *backward_values(const struct backward *backward, int tensor);

/* Values of one sample, wherever they are. */
const float *backward_sample(const struct backward *backward, int tensor, int sample);

struct normalise backward_normalise(const struct backward *backward, const struct node *node);

/* True where nobody but one node reads the tensor and it is no output. */
bool backward_read_once(const struct graph *graph, int tensor);

/* Chooses storages and layouts; the buffers' elements are set. */
void backward_plan(struct backward *backward);

/* Runs a node for all samples. False where a convolution gives NaN or infinity. */
bool backward_run_node(struct backward *backward, int index);

/* Adds what a node passes on to the gradients of what it reads. */
void backward_node_gradient(struct backward *backward, int index);

#endif
