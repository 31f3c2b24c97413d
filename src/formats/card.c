/*
 * Cards. A card says how a picture becomes numbers, and a key that is silently ignored makes a
 * network see something else than it was trained on; so everything that is not understood is
 * refused, by its path.
 */
#include "base/file.h"
#include "base/memory.h"
#include "formats/formats.h"

#include <cjson/cJSON.h>
#include <math.h>
#include <string.h>

#define CARD_MAX_BYTES ((size_t)1 << 20)
#define MAX_PIXELS     8192
#define MAX_LAMBDAS    1000
#define MAX_BINS       10000
#define MAX_CROP       8192
#define MAX_MAGNITUDE  1e9 /* of scales, biases and units */
#define MAX_NAME       256
#define CARD_PATH_SIZE 300

/* Reads one value of the card. `path` is its full key path, for messages. */
typedef int field_reader(const cJSON *value, const char *path, struct card *card, VbpError *error);

struct field {
    const char *key;
    field_reader *read;
};

static int refuse(const char *path, VbpError *error, const char *what)
{
    return error_set(error, VBP_ERROR_FORMAT, "%s: %s", path, what);
}

/* ---- Values --------------------------------------------------------------------------------- */

/* Calls the reader of every key of an object; keys that have none, or come twice, are refused. */
static int read_object(const cJSON *object, const char *path, const struct field *fields, int count,
                       struct card *card, VbpError *error)
{
    unsigned seen = 0;

    if (!cJSON_IsObject(object))
        return refuse(*path ? path : "card", error, "has to be an object");
    for (const cJSON *item = object->child; item; item = item->next) {
        char key[CARD_PATH_SIZE];
        int i = 0, result;

        snprintf(key, sizeof(key), "%s%s%.100s", path, *path ? "." : "", item->string);
        while (i < count && strcmp(fields[i].key, item->string) != 0)
            i++;
        if (i == count)
            return refuse(key, error, "no such key");
        if (seen & 1u << i)
            return refuse(key, error, "is there twice");
        seen |= 1u << i;
        result = fields[i].read(item, key, card, error);
        if (result != VBP_OK)
            return result;
    }
    return VBP_OK;
}

static int read_number(const cJSON *value, const char *path, double least, double most,
                       double *number, VbpError *error)
{
    if (!cJSON_IsNumber(value))
        return refuse(path, error, "has to be a number");
    if (!(value->valuedouble >= least && value->valuedouble <= most))
        return error_set(error, VBP_ERROR_FORMAT, "%s: %g is not between %g and %g", path,
                         value->valuedouble, least, most);
    *number = value->valuedouble;
    return VBP_OK;
}

static int read_whole(const cJSON *value, const char *path, int least, int most, int *number,
                      VbpError *error)
{
    double read = 0;
    int result = read_number(value, path, least, most, &read, error);

    if (result != VBP_OK)
        return result;
    if (read != floor(read))
        return error_set(error, VBP_ERROR_FORMAT, "%s: %g is not a whole number", path, read);
    *number = (int)read;
    return VBP_OK;
}

/* One of some words; *index is which. */
static int read_word(const cJSON *value, const char *path, const char *const *words, int count,
                     int *index, VbpError *error)
{
    char list[200];
    size_t used = 0;

    for (int i = 0; i < count; i++) {
        if (cJSON_IsString(value) && strcmp(value->valuestring, words[i]) == 0) {
            *index = i;
            return VBP_OK;
        }
        used += (size_t)snprintf(list + used, sizeof(list) - used, "%s%s", i ? ", " : "", words[i]);
    }
    if (!cJSON_IsString(value))
        return error_set(error, VBP_ERROR_FORMAT, "%s: has to be one of the words %s", path, list);
    return error_set(error, VBP_ERROR_FORMAT, "%s: '%.60s' is not one of %s", path,
                     value->valuestring, list);
}

/* A list of `count` numbers, each of its own path "KEY[i]". */
static int read_list(const cJSON *value, const char *path, int count, double *numbers,
                     VbpError *error)
{
    const cJSON *item;
    int i = 0;

    if (!cJSON_IsArray(value) || cJSON_GetArraySize(value) != count)
        return error_set(error, VBP_ERROR_FORMAT, "%s: has to be a list of %d numbers", path,
                         count);
    cJSON_ArrayForEach(item, value)
    {
        char key[CARD_PATH_SIZE + 8];
        int result;

        snprintf(key, sizeof(key), "%s[%d]", path, i);
        result = read_number(item, key, -MAX_MAGNITUDE, MAX_MAGNITUDE, &numbers[i++], error);
        if (result != VBP_OK)
            return result;
    }
    return VBP_OK;
}

static int read_name(const cJSON *value, const char *path, char **name, VbpError *error)
{
    if (!cJSON_IsString(value) || !*value->valuestring)
        return refuse(path, error, "has to be a name");
    if (strlen(value->valuestring) > MAX_NAME)
        return refuse(path, error, "is too long for a name");
    *name = memory_copy_text(value->valuestring);
    return *name ? VBP_OK : error_out_of_memory(error);
}

/* ---- input ---------------------------------------------------------------------------------- */

static int read_crop_side(const cJSON *value, const char *path, double *side, VbpError *error)
{
    int result = read_number(value, path, 0, MAX_CROP, side, error);

    if (result == VBP_OK && *side >= 1 && *side != floor(*side))
        result = refuse(path, error, "pixels have to be whole; fractions are below 1");
    return result;
}

static int read_crop_top(const cJSON *value, const char *path, struct card *card, VbpError *error)
{
    return read_crop_side(value, path, &card->input.crop_top, error);
}

static int read_crop_bottom(const cJSON *value, const char *path, struct card *card,
                            VbpError *error)
{
    return read_crop_side(value, path, &card->input.crop_bottom, error);
}

static int read_crop_left(const cJSON *value, const char *path, struct card *card, VbpError *error)
{
    return read_crop_side(value, path, &card->input.crop_left, error);
}

static int read_crop_right(const cJSON *value, const char *path, struct card *card, VbpError *error)
{
    return read_crop_side(value, path, &card->input.crop_right, error);
}

static int check_opposite(const char *path, double a, double b, const char *what, VbpError *error)
{
    if (a < 1 && b < 1 && a + b >= 1)
        return error_set(error, VBP_ERROR_FORMAT, "%s: %s leave nothing of the frame", path, what);
    return VBP_OK;
}

static int read_crop(const cJSON *value, const char *path, struct card *card, VbpError *error)
{
    static const struct field fields[] = {{"top", read_crop_top},
                                          {"bottom", read_crop_bottom},
                                          {"left", read_crop_left},
                                          {"right", read_crop_right}};
    int result = read_object(value, path, fields, 4, card, error);

    if (result == VBP_OK)
        result = check_opposite(path, card->input.crop_top, card->input.crop_bottom,
                                "top and bottom", error);
    if (result == VBP_OK)
        result = check_opposite(path, card->input.crop_left, card->input.crop_right,
                                "left and right", error);
    card->input.has_crop = result == VBP_OK;
    return result;
}

static int read_resize(const cJSON *value, const char *path, struct card *card, VbpError *error)
{
    const char *words[CARD_BICUBIC + 1];
    int word = 0, result;

    for (int i = 0; i <= CARD_BICUBIC; i++)
        words[i] = card_resize_name((enum card_resize)i);
    result = read_word(value, path, words, CARD_BICUBIC + 1, &word, error);
    card->input.resize = (enum card_resize)word;
    card->input.has_resize = result == VBP_OK;
    return result;
}

static int read_size(const cJSON *value, const char *path, struct card *card, VbpError *error)
{
    char key[CARD_PATH_SIZE + 8];
    int result;

    if (!cJSON_IsArray(value) || cJSON_GetArraySize(value) != 2)
        return refuse(path, error, "has to be [width, height]");
    snprintf(key, sizeof(key), "%s[0]", path);
    result = read_whole(value->child, key, 1, MAX_PIXELS, &card->input.width, error);
    snprintf(key, sizeof(key), "%s[1]", path);
    if (result == VBP_OK)
        result = read_whole(value->child->next, key, 1, MAX_PIXELS, &card->input.height, error);
    card->input.has_size = result == VBP_OK;
    return result;
}

static int read_color(const cJSON *value, const char *path, struct card *card, VbpError *error)
{
    const char *words[CARD_SATURATION + 1];
    int word = 0, result;

    for (int i = 0; i <= CARD_SATURATION; i++)
        words[i] = card_color_name((enum card_color)i);
    result = read_word(value, path, words, CARD_SATURATION + 1, &word, error);
    card->input.color = (enum card_color)word;
    card->input.has_color = result == VBP_OK;
    return result;
}

/* One number for all channels, or a list with one for each. */
static int read_factor(const cJSON *value, const char *path, struct card_factor *factor,
                       VbpError *error)
{
    int count = cJSON_IsArray(value) ? cJSON_GetArraySize(value) : 1;
    int result;

    if (!cJSON_IsArray(value) && !cJSON_IsNumber(value))
        return refuse(path, error, "has to be a number, or a list with one for each channel");
    if (count < 1 || count > CARD_MAX_CHANNELS)
        return error_set(error, VBP_ERROR_FORMAT, "%s: has %d numbers; 1 to %d are possible", path,
                         count, CARD_MAX_CHANNELS);
    result = cJSON_IsArray(value) ? read_list(value, path, count, factor->value, error)
                                  : read_number(value, path, -MAX_MAGNITUDE, MAX_MAGNITUDE,
                                                &factor->value[0], error);
    factor->count = result == VBP_OK ? count : 0;
    return result;
}

static int read_scale(const cJSON *value, const char *path, struct card *card, VbpError *error)
{
    return read_factor(value, path, &card->input.scale, error);
}

static int read_bias(const cJSON *value, const char *path, struct card *card, VbpError *error)
{
    return read_factor(value, path, &card->input.bias, error);
}

static int read_input(const cJSON *value, const char *path, struct card *card, VbpError *error)
{
    static const struct field fields[] = {{"crop", read_crop},   {"resize", read_resize},
                                          {"size", read_size},   {"color", read_color},
                                          {"scale", read_scale}, {"bias", read_bias}};

    return read_object(value, path, fields, 6, card, error);
}

/* ---- lambda --------------------------------------------------------------------------------- */

static int read_lambda(const cJSON *value, const char *path, struct card *card, VbpError *error)
{
    int count = cJSON_IsObject(value) ? cJSON_GetArraySize(value) : 0;

    if (!cJSON_IsObject(value))
        return refuse(path, error, "has to be an object");
    if (count > MAX_LAMBDAS)
        return refuse(path, error, "has too many entries");
    card->lambdas = memory_array((size_t)count, sizeof(*card->lambdas));
    if (!card->lambdas)
        return error_out_of_memory(error);
    for (const cJSON *item = value->child; item; item = item->next) {
        struct card_lambda *lambda = &card->lambdas[card->lambda_count];
        char key[CARD_PATH_SIZE];
        double numbers[2];
        int result;

        snprintf(key, sizeof(key), "%s.%.100s", path, item->string);
        if (!*item->string || strlen(item->string) > MAX_NAME)
            return refuse(key, error, "is not the name of a layer");
        for (int i = 0; i < card->lambda_count; i++) {
            if (strcmp(card->lambdas[i].name, item->string) == 0)
                return refuse(key, error, "is there twice");
        }
        result = read_list(item, key, 2, numbers, error);
        if (result != VBP_OK)
            return result;
        lambda->name = memory_copy_text(item->string);
        if (!lambda->name)
            return error_out_of_memory(error);
        lambda->scale = numbers[0];
        lambda->bias = numbers[1];
        card->lambda_count++;
    }
    return VBP_OK;
}

int card_refuse_lambda(const struct card_lambda *lambda, const char *layers, VbpError *error)
{
    if (layers)
        return error_set(error, VBP_ERROR_ARGUMENT,
                         "the card's lambda.%.100s names no Lambda layer; the network has %.600s",
                         lambda->name, layers);
    return error_set(error, VBP_ERROR_ARGUMENT,
                     "the card's lambda.%.100s names no Lambda layer; the network has none",
                     lambda->name);
}

/* ---- output --------------------------------------------------------------------------------- */

static int read_steering(const cJSON *value, const char *path, struct card *card, VbpError *error)
{
    return read_name(value, path, &card->output.steering, error);
}

static int read_kind(const cJSON *value, const char *path, struct card *card, VbpError *error)
{
    static const char *const words[] = {"linear", "bins"};
    int word = 0;
    int result = read_word(value, path, words, 2, &word, error);

    card->output.kind = (enum card_output_kind)word;
    card->output.has_kind = result == VBP_OK;
    return result;
}

/* [first, last, count] */
static int read_bins(const cJSON *value, const char *path, struct card *card, VbpError *error)
{
    double numbers[3];
    int result = read_list(value, path, 3, numbers, error);

    if (result != VBP_OK)
        return result;
    if (!(numbers[2] >= 2 && numbers[2] <= MAX_BINS) || numbers[2] != floor(numbers[2]))
        return error_set(error, VBP_ERROR_FORMAT, "%s[2]: %g is not a number of bins (2 to %d)",
                         path, numbers[2], MAX_BINS);
    if (numbers[0] == numbers[1])
        return refuse(path, error, "the first and the last bin are the same");
    card->output.bin_first = numbers[0];
    card->output.bin_last = numbers[1];
    card->output.bin_count = (int)numbers[2];
    return VBP_OK;
}

static int read_unit(const cJSON *value, const char *path, struct card *card, VbpError *error)
{
    const char *words[CARD_INVERSE_RADIUS + 1];
    int word = 0, result;

    for (int i = 0; i <= CARD_INVERSE_RADIUS; i++)
        words[i] = card_unit_name((enum card_unit)i);
    result = read_word(value, path, words, CARD_INVERSE_RADIUS + 1, &word, error);
    card->output.unit = (enum card_unit)word;
    card->output.has_unit = result == VBP_OK;
    return result;
}

static int read_positive(const cJSON *value, const char *path, struct card *card, VbpError *error)
{
    static const char *const words[] = {"right", "left"};
    int word = 0;
    int result = read_word(value, path, words, 2, &word, error);

    card->output.positive_left = word == 1;
    card->output.has_positive = result == VBP_OK;
    return result;
}

static int read_full_lock(const cJSON *value, const char *path, struct card *card, VbpError *error)
{
    int result = read_number(value, path, 0, MAX_MAGNITUDE, &card->output.full_lock, error);

    if (result == VBP_OK && card->output.full_lock == 0)
        result = refuse(path, error, "has to be more than 0");
    card->output.has_full_lock = result == VBP_OK;
    return result;
}

static int read_output(const cJSON *value, const char *path, struct card *card, VbpError *error)
{
    static const struct field fields[] = {
        {"steering", read_steering}, {"kind", read_kind},         {"bins", read_bins},
        {"unit", read_unit},         {"positive", read_positive}, {"full_lock", read_full_lock}};
    int result = read_object(value, path, fields, 6, card, error);

    if (result != VBP_OK)
        return result;
    if (card->output.bin_count > 0 && !card->output.has_kind) {
        card->output.kind = CARD_BINS; /* whoever counts bins means them */
        card->output.has_kind = true;
    }
    if (card->output.kind == CARD_BINS && card->output.bin_count == 0)
        return error_set(error, VBP_ERROR_FORMAT,
                         "%s.bins: is missing; kind 'bins' needs [first, last, count]", path);
    if (card->output.kind == CARD_LINEAR && card->output.bin_count > 0)
        return error_set(error, VBP_ERROR_FORMAT, "%s.bins: goes with kind 'bins', not 'linear'",
                         path);
    return VBP_OK;
}

/* ---- The card ------------------------------------------------------------------------------- */

/* Line and column, from 1, of a position in the text; columns count bytes. */
static void find_line(const char *text, const char *position, int *line, int *column)
{
    *line = 1;
    *column = 1;
    for (; text < position; text++) {
        (*column)++;
        if (*text == '\n') {
            (*line)++;
            *column = 1;
        }
    }
}

int card_parse(const char *json, struct card *card, VbpError *error)
{
    static const struct field fields[] = {
        {"input", read_input}, {"lambda", read_lambda}, {"output", read_output}};
    const char *end = NULL;
    cJSON *root;
    int result;

    *card = (struct card){0};
    if (strlen(json) > CARD_MAX_BYTES)
        return error_set(error, VBP_ERROR_FORMAT, "the card is larger than 1 MiB");
    root = cJSON_ParseWithOpts(json, &end, 1);
    if (!root) {
        int line, column;

        find_line(json, end ? end : json, &line, &column);
        return error_set(error, VBP_ERROR_FORMAT, "line %d, column %d: not valid JSON", line,
                         column);
    }
    result = read_object(root, "", fields, 3, card, error);
    cJSON_Delete(root);
    if (result != VBP_OK)
        card_free(card);
    return result;
}

int card_read(const char *path, struct card *card, VbpError *error)
{
    unsigned char *bytes;
    size_t length;
    int result;

    *card = (struct card){0};
    result = file_read(path, CARD_MAX_BYTES, &bytes, &length, error);
    if (result != VBP_OK)
        return result;
    /* A zero byte inside would hide what is behind it. */
    if (strlen((const char *)bytes) != length)
        result = error_set(error, VBP_ERROR_FORMAT, "not a text file");
    else
        result = card_parse((const char *)bytes, card, error);
    free(bytes);
    if (result != VBP_OK)
        error_prefix(error, "%s: ", path);
    return result;
}
