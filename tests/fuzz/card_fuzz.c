/* libFuzzer: any text as a card; a card that is read is written and has to be read again. */
#include "formats/formats.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length);

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length)
{
    char *text = malloc(length + 1), *again = NULL;
    struct card card, copy;
    VbpError error;

    if (!text)
        return 0;
    if (length)
        memcpy(text, bytes, length);
    text[length] = 0;
    if (card_parse(text, &card, &error) == VBP_OK) {
        if (card_format(&card, &again, &error) != VBP_OK ||
            card_parse(again, &copy, &error) != VBP_OK)
            abort();
        card_free(&copy);
        card_free(&card);
        free(again);
    }
    free(text);
    return 0;
}
