#include "api/steering.h"

#include "base/error.h"
#include "base/memory.h"

#include <limits.h>
#include <math.h>
#include <string.h>

/* ---- Which output --------------------------------------------------------------------------- */

/* The word in an output's name that says that it steers, or NULL. */
static const char *steering_word(const VbpModel *model, int output)
{
    static const char *const words[] = {"steer", "angle"};
    const char *name = vbp_model_output_name(model, output);

    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
        if (strcasestr(name, words[i]))
            return words[i];
    }
    return NULL;
}

/* Whether the output is as long as one that steers: a number, or a value for each of the bins. */
static bool is_steering_long(const VbpModel *model, int output)
{
    const struct card *card = &model->card;
    size_t wanted = card->output.kind == CARD_BINS ? (size_t)card->output.bin_count : 1;

    return model_output_length(model, output) == wanted;
}

/* "'angle', 'throttle'", to be freed; NULL without memory. */
static char *list_outputs(const VbpModel *model)
{
    char *list = memory_copy_text("");

    /* A message has no room for more than some hundred characters of them. */
    for (int i = 0; i < model->graph->output_count && list && strlen(list) < sizeof(VbpError);
         i++) {
        char *longer =
            memory_format("%s%s'%s'", list, i > 0 ? ", " : "", vbp_model_output_name(model, i));

        free(list);
        list = longer;
    }
    return list;
}

static int take_named_output(VbpModel *model, const char *name, const char *who, VbpError *error)
{
    char *list;

    for (int i = 0; i < model->graph->output_count; i++) {
        if (strcmp(vbp_model_output_name(model, i), name) == 0) {
            model->steering_output = i;
            return VBP_OK;
        }
    }
    list = list_outputs(model);
    if (!list)
        return error_out_of_memory(error);
    error_set(error, VBP_ERROR_ARGUMENT, "%s '%s', but the network has no such output; it has %s",
              who, name, list);
    free(list);
    return VBP_ERROR_ARGUMENT;
}

/*
 * The output that steers where nobody names it. What its name says counts more than its length; but
 * not more than the number of bins that the card gives.
 */
static const char *guess_output(VbpModel *model)
{
    bool bins = model->card.output.kind == CARD_BINS;
    int best = 0, best_score = -1;

    for (int i = 0; i < model->graph->output_count; i++) {
        int named = steering_word(model, i) != NULL, fits = is_steering_long(model, i);
        int score = bins ? 2 * fits + named : 2 * named + fits;

        if (score > best_score) {
            best = i;
            best_score = score;
        }
    }
    model->steering_output = best;
    if (model->graph->output_count == 1)
        return "the only output";
    if (steering_word(model, best))
        return strcmp(steering_word(model, best), "steer") == 0 ? "its name contains 'steer'"
                                                                : "its name contains 'angle'";
    if (!is_steering_long(model, best))
        return "the first output";
    return bins ? "the first of as many values as the card counts bins"
                : "the first that is a single number";
}

/* Named by --output, by the card, or guessed. */
static int choose_output(VbpModel *model, const char *wanted, VbpError *error)
{
    const char *in_card = model->card.output.steering;
    int result;

    if (wanted) {
        model->steering_reason = "chosen by --output";
        result = take_named_output(model, wanted, "--output names", error);
    } else if (in_card) {
        model->steering_reason = "named by the card";
        result = take_named_output(model, in_card, "the card's output.steering names", error);
    } else {
        model->steering_reason = guess_output(model);
        if (model->graph->output_count == 1)
            return VBP_OK; /* there is nothing to choose from */
        return model_assume(model,
                            memory_format("output '%s' steers: %s",
                                          vbp_model_output_name(model, model->steering_output),
                                          model->steering_reason),
                            error);
    }
    return result;
}

/* Whether a softmax makes the steering output: then its values are shares, not angles. */
static bool is_softmax(const VbpModel *model)
{
    const struct graph *graph = model->graph;
    int tensor = graph->outputs[model->steering_output];

    for (;;) {
        int producer = graph->tensors[tensor].producer;

        if (producer < 0)
            return false;
        if (graph->nodes[producer].kind == NODE_SOFTMAX)
            return true;
        if (graph->nodes[producer].kind != NODE_IDENTITY &&
            graph->nodes[producer].kind != NODE_RESHAPE)
            return false;
        tensor = graph->nodes[producer].inputs[0];
    }
}

/* How the output's values become an angle. */
static int choose_bins(VbpModel *model, VbpError *error)
{
    const struct card *card = &model->card;
    const char *name = vbp_model_output_name(model, model->steering_output);
    size_t length = model_output_length(model, model->steering_output);

    if (card->output.kind == CARD_BINS && length == (size_t)card->output.bin_count) {
        model->bins.count = card->output.bin_count;
        model->bins.first = card->output.bin_first;
        model->bins.last = card->output.bin_last;
        return VBP_OK;
    }
    if (card->output.kind == CARD_BINS)
        return error_set(error, VBP_ERROR_ARGUMENT,
                         "the card's output.bins counts %d bins, but the output '%s' has %zu "
                         "value%s",
                         card->output.bin_count, name, length, length == 1 ? "" : "s");
    if (length == 1 || card->output.has_kind)
        return VBP_OK;
    if (is_softmax(model) && length <= INT_MAX) {
        model->bins.count = (int)length;
        model->bins.first = -1;
        model->bins.last = 1;
        return model_assume(
            model,
            memory_format("the %zu values of '%s' are bins from -1 to 1, since a softmax "
                          "makes them",
                          length, name),
            error);
    }
    return model_assume(
        model, memory_format("of the %zu values of '%s' the first is the steering", length, name),
        error);
}

/*
 * The card says then what the choice is, for files that it is written into. Its bins are those of
 * the output that it meant: a single number has none.
 */
static int put_into_card(VbpModel *model, const char *wanted, VbpError *error)
{
    struct card *card = &model->card;
    char *name = memory_copy_text(wanted);

    if (!name)
        return error_out_of_memory(error);
    free(card->output.steering);
    card->output.steering = name;
    if (card->output.kind == CARD_BINS && model_output_length(model, model->steering_output) == 1) {
        card->output.kind = CARD_LINEAR;
        card->output.bin_count = 0;
    }
    return VBP_OK;
}

int steering_choose(VbpModel *model, const char *wanted, VbpError *error)
{
    int result = choose_output(model, wanted, error);

    if (result == VBP_OK && wanted)
        result = put_into_card(model, wanted, error);
    return result == VBP_OK ? choose_bins(model, error) : result;
}

/* ---- The wheel ------------------------------------------------------------------------------ */

/* Half a turn of the drawn wheel for full lock. */
#define LOCK_DEGREES 180

double model_wheel_degrees(const VbpModel *model, double steering)
{
    /* A family car's steering ratio and wheelbase. */
    const double steering_ratio = 15, wheelbase_meters = 2.7;
    double full_lock = model->card.output.has_full_lock ? model->card.output.full_lock : 1;
    double degrees = steering;

    switch (model->card.output.has_unit ? model->card.output.unit : CARD_NORMALIZED) {
    case CARD_NORMALIZED:
        degrees = steering / full_lock * LOCK_DEGREES;
        break;
    case CARD_DEGREES:
        break;
    case CARD_RADIANS:
        degrees = steering * 180 / M_PI;
        break;
    case CARD_INVERSE_RADIUS:
        degrees = atan(steering * wheelbase_meters) * 180 / M_PI * steering_ratio;
        break;
    }
    return model->card.output.positive_left ? -degrees : degrees;
}

double model_recorded_degrees(const VbpModel *model, double recorded)
{
    /* Of a model that was trained on such labels, full lock is that of the labels. */
    bool same_unit = model && model->card.output.has_full_lock &&
                     (!model->card.output.has_unit || model->card.output.unit == CARD_NORMALIZED);

    return recorded / (same_unit ? model->card.output.full_lock : 1) * LOCK_DEGREES;
}

const char *model_unit_text(const VbpModel *model)
{
    static const char *const texts[] = {"", "degrees", "rad", "1/m"};

    return texts[model->card.output.has_unit ? model->card.output.unit : CARD_NORMALIZED];
}
