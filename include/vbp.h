/*
 * vbp: which pixels did the steering come from?
 *
 * The public interface of libvbp. It loads a steering network, runs it on a frame and computes the
 * VisualBackProp mask of that frame (Bojarski et al., "VisualBackProp: efficient visualization of
 * CNNs", arXiv 1611.05418). A complete use:
 *
 *     VbpError error;
 *     VbpModel *model = NULL;
 *     VbpRunner *runner = NULL;
 *     int height, width;
 *
 *     if (vbp_model_open(&model, "pilotnet.onnx", NULL, &error) != 0 ||
 *         vbp_runner_create(&runner, model, NULL, &error) != 0 ||
 *         vbp_runner_run_image(runner, &image, &error) != 0)
 *         fprintf(stderr, "%s\n", error.message);
 *     else
 *         show(vbp_runner_steering(runner), vbp_runner_mask(runner, &height, &width));
 *     vbp_runner_destroy(&runner);
 *     vbp_model_close(&model);
 *
 * Errors: functions that can fail return VBP_OK (0) or a negative VbpStatus, and then fill the
 * VbpError given to them (NULL: no message wanted). The library never prints and never exits.
 *
 * Threads: a model does not change after it was opened and may be shared by any number of runners
 * in any number of threads. A runner belongs to one thread at a time.
 */
#ifndef VBP_H
#define VBP_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#if defined(__GNUC__)
#define VBP_API __attribute__((visibility("default")))
#else
#define VBP_API
#endif

#define VBP_VERSION_MAJOR 0
#define VBP_VERSION_MINOR 1
#define VBP_VERSION_PATCH 0

/* The version of the library in use, as "major.minor.patch". Static storage. */
VBP_API const char *vbp_version(void);

typedef enum VbpStatus {
    VBP_OK = 0,
    VBP_ERROR_ARGUMENT = -1,    /* the caller passed something that makes no sense */
    VBP_ERROR_MEMORY = -2,      /* an allocation failed */
    VBP_ERROR_IO = -3,          /* a file could not be opened, read or written */
    VBP_ERROR_FORMAT = -4,      /* a file is damaged or is not what its name says */
    VBP_ERROR_UNSUPPORTED = -5, /* a file is fine, but asks for something vbp cannot do */
    VBP_ERROR_NUMERIC = -6,     /* a layer produced NaN or infinity */
    VBP_ERROR_CANCELLED = -7,   /* another thread asked for the operation to stop */
    VBP_ERROR_NO_MASK = -8      /* the network has no level that a mask could be made of */
} VbpStatus;

/* What went wrong: a status and one line of UTF-8 text without a final newline. */
typedef struct VbpError {
    int status;
    char message[508];
} VbpError;

/* ---- Images --------------------------------------------------------------------------------- */

typedef enum VbpPixelFormat {
    VBP_PIXEL_GRAY8,   /* plane 0: one byte a pixel */
    VBP_PIXEL_RGB24,   /* plane 0: red, green, blue, one byte each */
    VBP_PIXEL_BGR24,   /* plane 0: blue, green, red, one byte each */
    VBP_PIXEL_YUV420P, /* planes Y, U, V; U and V halved (rounding up) in width and height */
    VBP_PIXEL_YUV422P, /* planes Y, U, V; U and V halved (rounding up) in width */
    VBP_PIXEL_YUV444P  /* planes Y, U, V of the same size */
} VbpPixelFormat;

/* Coefficients that turn Y, U, V into red, green, blue. Ignored for the other formats. */
typedef enum VbpColorMatrix {
    VBP_MATRIX_BT601, /* also what files that do not say are taken for */
    VBP_MATRIX_BT709,
    VBP_MATRIX_BT2020
} VbpColorMatrix;

/* A view of somebody else's pixels. Strides are in bytes and may be negative. */
typedef struct VbpImage {
    VbpPixelFormat format;
    VbpColorMatrix matrix;
    int full_range; /* 0: Y, U and V use 16..235 and 16..240, as video does; else 0..255 */
    int width;      /* pixels, 1 to 32768 */
    int height;
    const uint8_t *plane[3];
    ptrdiff_t stride[3];
} VbpImage;

/* A rectangle of whole pixels; x and y are its top left corner. */
typedef struct VbpRectangle {
    int x, y, width, height;
} VbpRectangle;

/* ---- Models --------------------------------------------------------------------------------- */

typedef struct VbpModel VbpModel;

typedef struct VbpModelOptions {
    /* Path of the card (JSON: how a frame becomes the network's input, what its outputs mean).
     * NULL: the card in the model's metadata, else the file MODEL.card.json or the model's name
     * with its ending replaced by .card.json, else assumptions, which `vbp info` prints. */
    const char *card_path;
    /* Input size in pixels for files that do not fix it; 0: not known. The card's size wins. */
    int input_width;
    int input_height;
    /* Name of the output that steers, before what the card says. NULL: the card's, else the only
     * one, else assumed, which `vbp info` explains. The mask is the same for every output. */
    const char *steering_output;
} VbpModelOptions;

/*
 * Opens the network in the file `path` (ONNX, Keras, Torch7; recognised by content).
 * options may be NULL. On success *model is the caller's, to be closed by vbp_model_close; after a
 * failure *model is NULL. Nothing of options is kept.
 */
VBP_API int vbp_model_open(VbpModel **model, const char *path, const VbpModelOptions *options,
                           VbpError *error);

/* Closes *model and sets it to NULL. Runners made from it must be gone. Accepts *model == NULL. */
VBP_API void vbp_model_close(VbpModel **model);

/* The size of the network's input: channels x height x width, batch of one. */
VBP_API void vbp_model_input_size(const VbpModel *model, int *channels, int *height, int *width);

/*
 * The part of a width x height frame that the network reads, as the card says.
 * VBP_ERROR_ARGUMENT where the crop leaves nothing of such a frame.
 */
VBP_API int vbp_model_crop(const VbpModel *model, int width, int height, VbpRectangle *crop,
                           VbpError *error);

/* Outputs of the network; names and lengths live as long as the model. */
VBP_API int vbp_model_output_count(const VbpModel *model);
VBP_API const char *vbp_model_output_name(const VbpModel *model, int output);
VBP_API size_t vbp_model_output_length(const VbpModel *model, int output);

/*
 * Levels: the spatial outputs of rectifying nonlinearities, from the input (0) up. The mask is made
 * of their channel averages. The name lives as long as the model.
 */
VBP_API int vbp_model_level_count(const VbpModel *model);
VBP_API const char *vbp_model_level_size(const VbpModel *model, int level, int *height, int *width);

/* ---- Runners -------------------------------------------------------------------------------- */

typedef struct VbpRunner VbpRunner;

/* How the channels of a level become one map. On ReLU networks all three agree. */
typedef enum VbpAverage {
    VBP_AVERAGE_POSITIVE, /* mean over channels of max(0, value) */
    VBP_AVERAGE_MEAN,     /* plain mean, as published */
    VBP_AVERAGE_ABSOLUTE  /* mean of |value| */
} VbpAverage;

/* Instruction sets; each has all of those before it. */
typedef enum VbpIsa {
    VBP_ISA_BEST, /* the best that the machine has */
    VBP_ISA_C,    /* none but what every machine of its kind has */
    VBP_ISA_AVX2, /* with fused multiply-add */
    VBP_ISA_AVX512
} VbpIsa;

typedef struct VbpRunnerOptions {
    VbpAverage average;
    int even;    /* not 0: divide scaled-up maps by the number of windows on each cell */
    int no_mask; /* not 0: run the network only; mask and levels are not available */
    int threads; /* that share the network's work on a frame; 0: one. Results do not depend on it */
    VbpIsa isa;  /* use no instructions above these, nor any that the machine does not have */
} VbpRunnerOptions;

/*
 * Makes a runner: buffers and prepared weights for one network. All memory a frame needs is
 * allocated here, none while frames run (but for a frame of a new size, once).
 * options may be NULL: positive average, not even, with mask. *runner is NULL after a failure.
 */
VBP_API int vbp_runner_create(VbpRunner **runner, const VbpModel *model,
                              const VbpRunnerOptions *options, VbpError *error);

/* Frees *runner and sets it to NULL. Accepts *runner == NULL. */
VBP_API void vbp_runner_destroy(VbpRunner **runner);

/*
 * Crops, resizes and converts the image as the card says, runs the network and makes the mask.
 * The image is only read, and not kept. After a failure the results below are undefined until the
 * next success.
 */
VBP_API int vbp_runner_run_image(VbpRunner *runner, const VbpImage *image, VbpError *error);

/*
 * The same for an input that is ready: `length` floats in the layout of the network's own file
 * (batch of one).
 */
VBP_API int vbp_runner_run_input(VbpRunner *runner, const float *input, size_t length,
                                 VbpError *error);

/* Results of the last successful run. Pointers stay valid until the next run or destroy. */

/* The value that steers, in the network's own unit. */
VBP_API double vbp_runner_steering(const VbpRunner *runner);

/* vbp_model_output_length(model, output) values. */
VBP_API const float *vbp_runner_output(const VbpRunner *runner, int output);

/*
 * The mask, height x width floats in 0..1 at the size of the network's input, row by row; NULL for
 * a runner without mask. What it is not: it never sees the dense layers, has no sign, and is the
 * same for every output.
 */
VBP_API const float *vbp_runner_mask(const VbpRunner *runner, int *height, int *width);

/* Smallest and largest value of the mask before it was scaled to 0..1; 0 without a mask. */
VBP_API void vbp_runner_mask_range(const VbpRunner *runner, float *minimum, float *maximum);

/*
 * A level's channel average, and its product with what came down from the levels above; both of
 * the size that vbp_model_level_size gives. A product that is too large or too small for floats
 * comes divided by a power of two. NULL for a runner without mask.
 */
VBP_API const float *vbp_runner_level_average(const VbpRunner *runner, int level);
VBP_API const float *vbp_runner_level_product(const VbpRunner *runner, int level);

/* Milliseconds that the parts of the last run took. */
typedef struct VbpTimes {
    double preprocess_ms;
    double forward_ms;
    double mask_ms;
} VbpTimes;
VBP_API VbpTimes vbp_runner_times(const VbpRunner *runner);

#ifdef __cplusplus
}
#endif

#endif
