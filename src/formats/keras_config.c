/* Descriptions of networks and layers as JSON. */
#include "base/memory.h"
#include "formats/keras_loader.h"

#include <math.h>
#include <string.h>

/*
 * A Lambda's bytecode has characters of code 0, at which a C text would end. They are written as an
 * escape, which is as long as that of another character.
 */
static void replace_nul(char *text)
{
    for (char *at = text; (at = strchr(at, '\\')); at += at[1] ? 2 : 1) {
        if (strncmp(at + 1, "u0000", 5) == 0)
            at[2] = 'E';
    }
}

static cJSON *parse_once(const char *text, VbpError *error)
{
    char *copy = memory_copy_text(text);
    cJSON *json;

    if (!copy) {
        error_out_of_memory(error);
        return NULL;
    }
    replace_nul(copy);
    json = cJSON_Parse(copy);
    if (!json)
        error_set(error, VBP_ERROR_FORMAT, "the description of the network is no valid JSON");
    free(copy);
    return json;
}

int keras_parse(const char *text, cJSON **json, VbpError *error)
{
    VbpError own;

    error = error ? error : &own;
    *json = parse_once(text, error);
    for (int i = 0; i < 2 && cJSON_IsString(*json); i++) {
        cJSON *outer = *json;

        *json = parse_once(outer->valuestring, error);
        cJSON_Delete(outer);
    }
    return *json ? VBP_OK : (int)error->status;
}

const cJSON *keras_item(const cJSON *object, const char *name, const char *old_name)
{
    const cJSON *item = cJSON_GetObjectItemCaseSensitive(object, name), *list;

    if ((!item || cJSON_IsNull(item)) && old_name)
        item = cJSON_GetObjectItemCaseSensitive(object, old_name);
    /* {"class_name": "__tuple__", "items": [1, 2]}, {"class_name": "ListWrapper", ...} */
    list = cJSON_GetObjectItemCaseSensitive(item, "items");
    if (cJSON_IsArray(list))
        return list;
    return item && !cJSON_IsNull(item) ? item : NULL;
}

/* Remembers what keras_apply refuses once the handler is done. */
static void misread(const struct keras_call *call, const cJSON *object, const char *name,
                    const char *old_name, const char *wanted)
{
    const cJSON *item = cJSON_GetObjectItemCaseSensitive(object, name);

    if (call->loader->misread_key)
        return;
    call->loader->misread_key = item && !cJSON_IsNull(item) ? name : old_name;
    call->loader->misread_wanted = wanted;
}

const char *keras_text(const cJSON *object, const char *name, const char *old_name,
                       const char *otherwise)
{
    const cJSON *item = keras_item(object, name, old_name);

    return cJSON_IsString(item) ? item->valuestring : otherwise;
}

const char *keras_choice(const struct keras_call *call, const char *name, const char *old_name,
                         const char *otherwise)
{
    const cJSON *item = keras_item(call->config, name, old_name);

    if (item && !cJSON_IsString(item))
        misread(call, call->config, name, old_name, "text");
    return cJSON_IsString(item) ? item->valuestring : otherwise;
}

void keras_number(const struct keras_call *call, const cJSON *object, const char *name,
                  const char *old_name, double *value)
{
    const cJSON *item = keras_item(object, name, old_name);
    bool given = item != NULL;

    /* {"type": "ndarray", "value": 0.3}, {"class_name": "__numpy__", "config": {"value": 0.3}} */
    if (cJSON_IsObject(item) && keras_item(item, "config", NULL))
        item = keras_item(item, "config", NULL);
    if (cJSON_IsObject(item))
        item = keras_item(item, "value", NULL);
    if (cJSON_IsArray(item) && cJSON_GetArraySize(item) == 1)
        item = item->child;
    if (cJSON_IsNumber(item) && isfinite(item->valuedouble))
        *value = item->valuedouble;
    else if (given)
        misread(call, object, name, old_name, "a number");
}

/* Toward zero; far out of any use stays out of use. */
static int whole(double value)
{
    return value > 1e9 ? 1000000000 : value < -1e9 ? -1000000000 : (int)value;
}

void keras_whole(const struct keras_call *call, const cJSON *object, const char *name,
                 const char *old_name, int *value)
{
    double number = *value;

    keras_number(call, object, name, old_name, &number);
    *value = whole(number);
}

bool keras_flag(const struct keras_call *call, const cJSON *object, const char *name,
                const char *old_name, bool otherwise)
{
    const cJSON *item = keras_item(object, name, old_name);

    if (cJSON_IsBool(item))
        return cJSON_IsTrue(item);
    if (item && !cJSON_IsNumber(item))
        misread(call, object, name, old_name, "true or false");
    return cJSON_IsNumber(item) ? item->valuedouble != 0 : otherwise;
}

bool keras_pair(const cJSON *object, const char *name, const char *old_name, int *pair)
{
    const cJSON *item = keras_item(object, name, old_name);

    if (!item)
        return true;
    if (cJSON_IsNumber(item)) {
        pair[0] = pair[1] = whole(item->valuedouble);
        return true;
    }
    if (!cJSON_IsArray(item) || cJSON_GetArraySize(item) != 2 || !cJSON_IsNumber(item->child) ||
        !cJSON_IsNumber(item->child->next))
        return false;
    pair[0] = whole(item->child->valuedouble);
    pair[1] = whole(item->child->next->valuedouble);
    return true;
}
