#include "graph/card.h"

#include <stdlib.h>

void card_drop_lambdas(struct card *card)
{
    for (int i = 0; i < card->lambda_count; i++)
        free(card->lambdas[i].name);
    free(card->lambdas);
    card->lambdas = NULL;
    card->lambda_count = 0;
}

void card_free(struct card *card)
{
    card_drop_lambdas(card);
    free(card->output.steering);
    *card = (struct card){0};
}

const char *card_color_name(enum card_color color)
{
    static const char *const names[] = {"rgb", "bgr", "gray", "yuv", "yuv-swapped", "saturation"};

    return names[color];
}

const char *card_resize_name(enum card_resize resize)
{
    static const char *const names[] = {"bilinear", "area", "nearest", "bicubic"};

    return names[resize];
}

const char *card_unit_name(enum card_unit unit)
{
    static const char *const names[] = {"normalized", "degrees", "radians", "inverse_radius"};

    return names[unit];
}
