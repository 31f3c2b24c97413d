/* What a VbpModel is inside: for the runner, and for commands that show a model's insides. */
#ifndef VBP_API_MODEL_H
#define VBP_API_MODEL_H

#include "graph/card.h"
#include "graph/graph.h"
#include "nn/preprocess.h"

struct VbpModel {
    char *path;
    struct graph *graph;  /* as in the file: what `info` shows */
    struct graph *folded; /* what runs */
    struct card card;     /* all zeros without a card; its Lambdas are part of the graph by now */
    char *card_origin;    /* where the card came from, for people; NULL: there is none */
    bool reads_images;    /* false: the input is no picture; only run_input works */
    struct preprocess_settings settings;
    int steering_output;         /* index in graph->outputs */
    const char *steering_reason; /* why that one: "named by the card" */
    struct {
        int count; /* 0: the output's first value is the steering itself */
        double first, last;
    } bins;               /* of the steering output: the likeliest of its values counts */
    char *assumptions[8]; /* one sentence for each thing that no card said */
    int assumption_count;
};

/*
 * vbp_model_open for commands that tell of a file that it refuses: after a failure *refused is what
 * was read of the network until then, the caller's; NULL where that is nothing. It is finished if
 * graph->first_reader is not NULL. refused may be NULL.
 */
int model_open(VbpModel **model, const char *path, const VbpModelOptions *options,
               struct graph **refused, VbpError *error);

/*
 * What opening a file of this graph, which is only read, with this card inside would say: the same
 * checks, the same assumptions. On success *settings is how frames become its input, and
 * *steering_output the index in graph->outputs. VBP_ERROR_UNSUPPORTED where the input is no
 * picture.
 */
int model_check(struct graph *graph, const struct card *card, struct preprocess_settings *settings,
                int *steering_output, VbpError *error);

/* Adds a sentence to the assumptions; takes it over. NULL: there was no memory for it. */
int model_assume(VbpModel *model, char *sentence, VbpError *error);

/* Degrees that a steering wheel shows for a steering value, positive to the right. */
double model_wheel_degrees(const VbpModel *model, double steering);

/*
 * The same for a label of a recording: those are normalized, positive to the right, whatever the
 * model's own unit is. model may be NULL.
 */
double model_recorded_degrees(const VbpModel *model, double recorded);

/* Unit of the steering value, for people: "degrees", "rad", "1/m" or "" for normalised. */
const char *model_unit_text(const VbpModel *model);

/* Length of a tensor: elements without the batch axis's meaning (batch of one). */
size_t model_output_length(const VbpModel *model, int output);

#endif
