/*
 * The parts of the Keras loader among themselves.
 *
 *     .keras ──(keras_archive.c)──┐
 *     .h5    ──(keras_hdf5.c)─────┼──> JSON: which layers ──(keras_network.c)──> order of the work
 *     .json  ─────────────────────┘    weights by name        layer by layer ──> nodes of the graph
 *
 * Networks of Keras see pictures as height x width x channels (channels_last) or as channels x
 * height x width; the graph computes the second way. What a channels_last network calls 1 x H x W x
 * C is either kept like that (the input, what a Reshape makes) or as 1 x C x H x W, and a value
 * says which. Layers that need the other one put a Transpose before themselves.
 */
#ifndef VBP_FORMATS_KERAS_LOADER_H
#define VBP_FORMATS_KERAS_LOADER_H

#include "formats/formats.h"

#include <cjson/cJSON.h>

/* ---- Files (keras_hdf5.c, keras_archive.c) -------------------------------------------------- */

struct keras_hdf5;

/* Opens an HDF5 file that lies in memory; `bytes` must outlive it. */
int keras_hdf5_open(struct keras_hdf5 **file, const unsigned char *bytes, size_t length,
                    VbpError *error);
void keras_hdf5_close(struct keras_hdf5 **file);

/* True for a group or dataset of that path inside the file itself: links that lead out of it, and
 * links by name, do not count. */
bool keras_hdf5_has(const struct keras_hdf5 *file, const char *path);

/*
 * The texts that an attribute of a group holds, of fixed or variable length; *count is 0 and *texts
 * NULL where there is none. Lists that Keras split into NAME0, NAME1, ... are put together. To be
 * freed by keras_texts_free.
 */
int keras_hdf5_texts(const struct keras_hdf5 *file, const char *group, const char *name,
                     char ***texts, int *count, VbpError *error);
void keras_texts_free(char **texts, int count);

/* The same for a single text; NULL where there is none. To be freed. */
int keras_hdf5_text(const struct keras_hdf5 *file, const char *group, const char *name, char **text,
                    VbpError *error);

/* Reads a dataset as floats. *values is to be freed. */
int keras_hdf5_read(struct keras_hdf5 *file, const char *path, struct shape *shape, float **values,
                    VbpError *error);

/* The members of a .keras archive. All are to be freed; metadata may be NULL. */
struct keras_archive {
    char *config, *metadata;
    unsigned char *weights;
    size_t weights_length;
};
int keras_archive_read(struct keras_archive *archive, const unsigned char *bytes, size_t length,
                       VbpError *error);
void keras_archive_free(struct keras_archive *archive);

/* ---- JSON (keras_config.c) ------------------------------------------------------------------ */

/*
 * Parses a network's description, also where it is JSON inside a JSON string. Characters with the
 * code 0, which C texts cannot hold, come as U+E000. *json is to be deleted by cJSON_Delete.
 */
#define KERAS_NUL 0xE000

/* Stands for a layer's name where there is a number instead. */
#define KERAS_CONSTANT "_CONSTANT_VALUE"
int keras_parse(const char *text, cJSON **json, VbpError *error);

/* What stands under the first of two names (the second may be NULL) and is not null; or NULL. Of a
 * tuple or list that Keras wrapped in an object it is the list inside. */
const cJSON *keras_item(const cJSON *object, const char *name, const char *old_name);

/* The text of such an item; `otherwise` where there is none. */
const char *keras_text(const cJSON *object, const char *name, const char *old_name,
                       const char *otherwise);

struct keras_call;

/*
 * A number, also one that was saved as an array of NumPy or a list of one; a missing one leaves
 * *value. Where there is something else, here and in the three functions that follow, keras_apply
 * refuses the layer once its handler is done: the handler may go on with what it has.
 */
void keras_number(const struct keras_call *call, const cJSON *object, const char *name,
                  const char *old_name, double *value);

/* The same cut to a whole one, as Keras does it. */
void keras_whole(const struct keras_call *call, const cJSON *object, const char *name,
                 const char *old_name, int *value);

/* True, false, 1 or 0. */
bool keras_flag(const struct keras_call *call, const cJSON *object, const char *name,
                const char *old_name, bool otherwise);

/* A text of the layer's config. */
const char *keras_choice(const struct keras_call *call, const char *name, const char *old_name,
                         const char *otherwise);

/* Two numbers, or one for both. False where there is anything else. */
bool keras_pair(const cJSON *object, const char *name, const char *old_name, int *pair);

/* ---- The network (keras_network.c, keras_description.c)
 * ------------------------------------------------------- */

/* What a layer gave. */
struct keras_value {
    int tensor;
    bool turned; /* Keras sees 1 x H x W x C where the graph has 1 x C x H x W */
    bool framed; /* Keras sees a series of one frame: an axis of 1 behind the batch */
};

/* Where the weights of the layers of a network are, or of a network inside another one. */
struct keras_place {
    char *group;        /* its path; layers are groups below it */
    const char *nested; /* name of the network inside another one whose weights are all in `group`;
                           NULL: each layer has its own group */
};

struct keras_loader {
    struct graph *graph;
    struct keras_hdf5 *weights;
    const struct model_hints *hints;
    bool by_number; /* weights are layers/NAME/vars/0, 1, ... (Keras 3) */
    bool theano;    /* kernels are to be turned: the file says that Theano's backend wrote it */
    bool theano_unless_named; /* old files do not say it, but TensorFlow's weights end in ":0" */
    int major;                /* version of Keras; 0 unknown */
    int depth;                /* of networks inside networks */
    char *guess;              /* sentences on what the file does not say */
    char *lambda_layers;      /* "'a', 'b'": the Lambdas so far; NULL: none */
    bool *lambda_used;        /* for each of the hints' lambdas: some layer is meant */
    const char *misread_key, *misread_wanted; /* what a config should have, and has not; or NULL */
};

/* One layer while it is translated. */
struct keras_call {
    struct keras_loader *loader;
    const char *class_name, *name;
    const char *key; /* the layer's group in Keras 3's files */
    const struct keras_place *place;
    const cJSON *config;
    const cJSON *node; /* of the description: what this use of the layer reads; NULL: not said */
    struct keras_value *inputs;
    int input_count;
    struct keras_value output; /* what the handler made; begins as the first input */
};

/* Translates the network that `json` describes: its input, its layers, its outputs. */
int keras_translate(struct keras_loader *loader, const cJSON *json, VbpError *error);

/* The layers of a network inside a network; call->output begins as its input. */
int keras_inner_network(struct keras_call *call, VbpError *error);

/* ---- Layers (keras_layers.c) ---------------------------------------------------------------- */

typedef int keras_handler(struct keras_call *call, VbpError *error);

/* Whether vbp can run layers of this class; if not, *reason says why. */
bool keras_knows(const char *class_name, const char **reason);

/* Translates one layer: checks the number of inputs, calls the handler, names the result. `use`
 * counts the places where the layer stands in the network. */
int keras_apply(struct keras_call *call, int use, VbpError *error);

/* error_set with "layer 'NAME' (CLASS): " before the message. */
int keras_refuse(const struct keras_call *call, VbpError *error, VbpStatus status,
                 const char *format, ...) __attribute__((format(printf, 4, 5)));

/* Adds a node of the layer's name; kind NULL: the layer's class. Returns its tensor. */
int keras_emit(const struct keras_call *call, struct node *node, const char *kind, int count,
               const int *inputs, VbpError *error);

/* The same with one input, call->output, whose tensor becomes the new one. */
int keras_emit_next(struct keras_call *call, struct node *node, const char *kind, VbpError *error);

/* Adds a constant of the layer. Returns its tensor. */
int keras_constant(const struct keras_call *call, const char *what, const struct shape *shape,
                   const float *values, VbpError *error);

/* The shape of a value as Keras sees it, without the axis of a series of one frame. */
struct shape keras_shape(const struct keras_call *call, const struct keras_value *value);

/* Makes a value 1 x C x H x W for the graph / as Keras sees it, by a Transpose where needed. */
int keras_turn(const struct keras_call *call, struct keras_value *value, VbpError *error);
int keras_unturn(const struct keras_call *call, struct keras_value *value, VbpError *error);

/* Makes call->output a picture for the graph, of the layer's data_format. */
int keras_picture(struct keras_call *call, VbpError *error);
bool keras_channels_last(const struct keras_call *call);

/* An axis of the config, which may count from the end, as one of the tensor in the graph. */
int keras_axis(const struct keras_call *call, const struct keras_value *value, int axis,
               int *result, VbpError *error);

/* output = output * factor + offset, with one number each, or `count` along an axis of the tensor
 * in the graph. */
int keras_emit_affine(struct keras_call *call, int axis, int count, const float *factor,
                      const float *offset, VbpError *error);

/* ---- Weights (keras_weights.c) -------------------------------------------------------------- */

#define KERAS_MAX_WEIGHTS 8

struct keras_weights {
    struct {
        struct shape shape;
        float *values;
    } list[KERAS_MAX_WEIGHTS];
    int count;
    bool theano; /* the names are those that Theano's backend gives */
};

/* Reads the weights of the layer in the order of the file, whatever they are called. */
int keras_weights_read(const struct keras_call *call, struct keras_weights *weights,
                       VbpError *error);
void keras_weights_free(struct keras_weights *weights);

/* Checks that weight `index` is there and has `count` elements in `rank` axes of these extents. */
int keras_weights_check(const struct keras_call *call, const struct keras_weights *weights,
                        int index, const char *what, int rank, const int64_t *extents,
                        VbpError *error);

/* ---- Lambda (keras_lambda.c) ---------------------------------------------------------------- */

/*
 * Reads what a Lambda's bytecode computes, where that is x * scale + bias by plain arithmetic on
 * its argument and constants. Nothing is run: instructions are looked at one by one, and any that
 * is not arithmetic ends it. False where nothing can be said.
 */
bool keras_lambda_guess(const cJSON *config, double *scale, double *bias);

/* ---- Handlers ------------------------------------------------------------------------------- */

/* keras_windows.c */
keras_handler keras_convolution, keras_depthwise, keras_separable, keras_max_pool,
    keras_average_pool, keras_global_average, keras_global_max, keras_cropping, keras_zero_padding,
    keras_convolution_transpose;

/* keras_sizes.c */
keras_handler keras_upsampling, keras_resizing;

/* keras_elementwise.c */
keras_handler keras_activation, keras_elu, keras_leaky_relu, keras_prelu, keras_relu, keras_softmax,
    keras_thresholded_relu, keras_identity;

/* Adds a sentence, which becomes the loader's, to the guesses; NULL: there was no memory for it. */
int keras_add_guess(struct keras_loader *loader, char *sentence, VbpError *error);

/* keras_normalise.c */
keras_handler keras_lambda, keras_rescaling, keras_normalization, keras_batch_normalization;

/* Refuses what the hints say of a Lambda that is not among the layers translated. "*" names none,
 * and may be for none. */
int keras_check_lambdas(const struct keras_loader *loader, VbpError *error);

/* Applies the activation that the config names, or none; or one by its name. */
int keras_emit_activation(struct keras_call *call, VbpError *error);
int keras_emit_named(struct keras_call *call, const char *name, VbpError *error);

/* Softmax, or its logarithm, along an axis of Keras'; kind as for keras_emit. */
int keras_emit_softmax(struct keras_call *call, int axis, bool logarithm, const char *kind,
                       VbpError *error);

/* Makes the picture of another height and width. */
int keras_emit_resize(struct keras_call *call, const int *size, bool nearest, VbpError *error);

/* The operation on all inputs, one after the other. */
int keras_emit_merge(struct keras_call *call, enum binary operation, VbpError *error);

/* The same, or with the numbers that stand in the place of an input. */
int keras_emit_operation(struct keras_call *call, enum binary operation, VbpError *error);

/* keras_operations.c */
keras_handler keras_divide, keras_function, keras_slicing;

/* keras_shapes.c */
keras_handler keras_dense, keras_flatten, keras_reshape, keras_permute, keras_add, keras_subtract,
    keras_multiply, keras_average, keras_maximum, keras_minimum, keras_concatenate, keras_merge,
    keras_time_distributed;

#endif
