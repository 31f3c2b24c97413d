/*
 * Model files and cards to graphs. Nothing outside this folder opens a model file.
 * Files are untrusted: sizes are checked before they are believed, nothing is read past the end,
 * and a refusal names the file, the place and the reason.
 */
#ifndef VBP_FORMATS_FORMATS_H
#define VBP_FORMATS_FORMATS_H

#include "graph/card.h"
#include "graph/graph.h"

/* Larger model files are refused; the largest steering network found in the wild has 540 MB. */
#define MODEL_MAX_BYTES ((size_t)1 << 30)

struct model_hints {
    int input_width, input_height;     /* pixels, for files that do not fix the size; 0 unknown */
    bool outranks_file;                /* even where a card inside the file says another size */
    const struct card_lambda *lambdas; /* what the card says of Keras Lambdas; one that says it of
                                          no layer is refused; other formats have none */
    int lambda_count;
    struct graph **refused; /* where model_load leaves what it read of a file that it refuses, to be
                               destroyed; NULL: nowhere */
};

/*
 * Loads the network in `path`, whose kind is recognised by content, never by name. The
 * card inside the file, if there is one, is returned as
 * JSON text in *embedded_card (to be freed; NULL: none). *graph is finished and the caller's; NULL
 * on failure. Messages start with the path.
 */
int model_load(const char *path, const struct model_hints *hints, struct graph **graph,
               char **embedded_card, VbpError *error);

/*
 * Ends a loader that fails: *graph, which may be NULL and need not be finished, becomes
 * *hints->refused where that is wanted, and is destroyed where not. *graph is NULL then.
 */
void model_leave_refused(const struct model_hints *hints, struct graph **graph);

/* The loaders: `bytes` is the whole file. Messages do not name the file; model_load adds it. */
/*
 * Keras: HDF5 files of a network or of weights alone, and .keras archives. The description of a
 * network whose weights are in `path` is looked for beside it, as PATH with the ending .json; with
 * path NULL, nowhere.
 */
bool keras_recognise(const unsigned char *bytes, size_t length);
int keras_load(const unsigned char *bytes, size_t length, const char *path,
               const struct model_hints *hints, struct graph **graph, VbpError *error);

int onnx_load(const unsigned char *bytes, size_t length, const struct model_hints *hints,
              struct graph **graph, char **embedded_card, VbpError *error);
int torch7_load(const unsigned char *bytes, size_t length, const struct model_hints *hints,
                struct graph **graph, VbpError *error);

/*
 * Reads a card. Unknown keys, wrong types and values that make no sense are refused by name
 * ("input.crop.top: ..."). On failure *card is zeroed. card_read names the file in messages.
 */
int card_parse(const char *json, struct card *card, VbpError *error);
int card_read(const char *path, struct card *card, VbpError *error);

/* Refuses an entry of the card's lambda. layers: names of those that there are; NULL: none. */
int card_refuse_lambda(const struct card_lambda *lambda, const char *layers, VbpError *error);

/* Writes what the card gives as JSON that card_parse reads back the same. *json is to be freed;
 * NULL on failure. */
int card_format(const struct card *card, char **json, VbpError *error);

/*
 * The graph as an ONNX file of opset 13 (IR 8; opset 19, IR 9, where an average pool is dilated):
 * every node as its ONNX operator, SiLU and GELU as their formulas, constants as initialisers with
 * raw data, names kept and made unique, one input and the outputs. card_json (may be NULL) goes
 * into the metadata as vbp.card. *bytes is the caller's, to be freed; NULL on failure. A graph that
 * is not finished is VBP_ERROR_ARGUMENT; one that marks an output twice, or whose file would be
 * above MODEL_MAX_BYTES, VBP_ERROR_UNSUPPORTED.
 */
int onnx_write(const struct graph *graph, const char *card_json, unsigned char **bytes,
               size_t *length, VbpError *error);

#endif
