/* Cards as JSON. */
#include "formats/formats.h"

#include <cjson/cJSON.h>
#include <string.h>

static cJSON *format_factor(const struct card_factor *factor)
{
    return factor->count == 1 ? cJSON_CreateNumber(factor->value[0])
                              : cJSON_CreateDoubleArray(factor->value, factor->count);
}

/* Adds item to the object; false where either could not be allocated. */
static bool add(cJSON *object, const char *key, cJSON *item)
{
    if (item && cJSON_AddItemToObject(object, key, item))
        return true;
    cJSON_Delete(item);
    return false;
}

static bool format_input(const struct card *card, cJSON *input)
{
    const int size[2] = {card->input.width, card->input.height};
    bool good = true;

    if (card->input.has_crop) {
        cJSON *crop = cJSON_AddObjectToObject(input, "crop");

        good = good && crop && cJSON_AddNumberToObject(crop, "top", card->input.crop_top) &&
               cJSON_AddNumberToObject(crop, "bottom", card->input.crop_bottom) &&
               cJSON_AddNumberToObject(crop, "left", card->input.crop_left) &&
               cJSON_AddNumberToObject(crop, "right", card->input.crop_right);
    }
    if (card->input.has_resize)
        good =
            good && cJSON_AddStringToObject(input, "resize", card_resize_name(card->input.resize));
    if (card->input.has_size)
        good = good && add(input, "size", cJSON_CreateIntArray(size, 2));
    if (card->input.has_color)
        good = good && cJSON_AddStringToObject(input, "color", card_color_name(card->input.color));
    if (card->input.scale.count)
        good = good && add(input, "scale", format_factor(&card->input.scale));
    if (card->input.bias.count)
        good = good && add(input, "bias", format_factor(&card->input.bias));
    return good;
}

static bool format_output(const struct card *card, cJSON *output)
{
    const double bins[3] = {card->output.bin_first, card->output.bin_last, card->output.bin_count};
    bool good = true;

    if (card->output.steering)
        good = good && cJSON_AddStringToObject(output, "steering", card->output.steering);
    if (card->output.has_kind)
        good = good && cJSON_AddStringToObject(output, "kind",
                                               card->output.kind == CARD_BINS ? "bins" : "linear");
    if (card->output.bin_count)
        good = good && add(output, "bins", cJSON_CreateDoubleArray(bins, 3));
    if (card->output.has_unit)
        good = good && cJSON_AddStringToObject(output, "unit", card_unit_name(card->output.unit));
    if (card->output.has_positive)
        good = good && cJSON_AddStringToObject(output, "positive",
                                               card->output.positive_left ? "left" : "right");
    if (card->output.has_full_lock)
        good = good && cJSON_AddNumberToObject(output, "full_lock", card->output.full_lock);
    return good;
}

int card_format(const struct card *card, char **json, VbpError *error)
{
    cJSON *root = cJSON_CreateObject();
    cJSON *input = cJSON_AddObjectToObject(root, "input");
    cJSON *lambdas = cJSON_AddObjectToObject(root, "lambda");
    cJSON *output = cJSON_AddObjectToObject(root, "output");
    bool good = input && lambdas && output;

    *json = NULL;
    good = good && format_input(card, input) && format_output(card, output);
    for (int i = 0; i < card->lambda_count && good; i++) {
        const double numbers[2] = {card->lambdas[i].scale, card->lambdas[i].bias};

        good = add(lambdas, card->lambdas[i].name, cJSON_CreateDoubleArray(numbers, 2));
    }
    if (good)
        *json = cJSON_PrintUnformatted(root);
    cJSON_Delete(root);
    return *json ? VBP_OK : error_out_of_memory(error);
}
