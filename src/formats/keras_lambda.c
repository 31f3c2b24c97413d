/*
 * What a Lambda layer computes, read from its bytecode. Keras saves Python's marshalled code
 * object:
 *
 *     'c', 4 to 6 numbers, 's' instructions, constants, names of globals, ...
 *
 * as text, one character for each byte, or in base 64. Only x * scale + bias is understood.
 */
#include "base/memory.h"
#include "formats/keras_loader.h"

#include <math.h>
#include <string.h>

#define MAX_CODE_BYTES 4096
#define MAX_CONSTANTS  16
#define MAX_REFERENCES 64
#define MAX_STACK      8
#define FLAG_REFERENCE 0x80 /* of a type: later objects may refer to this one */

/* ---- Bytes ---------------------------------------------------------------------------------- */

struct code_bytes {
    unsigned char bytes[MAX_CODE_BYTES];
    size_t length, at;
};

/* Characters to bytes; false where one is not of a byte. */
static bool decode_characters(const char *text, struct code_bytes *code)
{
    const unsigned char *at = (const unsigned char *)text;

    code->length = 0;
    while (*at) {
        unsigned value = *at++;

        if ((value & 0xe0) == 0xc0 && (*at & 0xc0) == 0x80) {
            value = (value & 0x1f) << 6 | (*at++ & 0x3f);
        } else if ((value & 0xf0) == 0xe0 && (at[0] & 0xc0) == 0x80 && (at[1] & 0xc0) == 0x80) {
            value = (value & 0x0f) << 12 | (at[0] & 0x3fu) << 6 | (at[1] & 0x3fu);
            at += 2;
        }
        if (value == KERAS_NUL)
            value = 0;
        if (value > 0xff || code->length == MAX_CODE_BYTES)
            return false;
        code->bytes[code->length++] = (unsigned char)value;
    }
    return true;
}

static bool decode_base64(const char *text, struct code_bytes *code)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    unsigned bits = 0, held = 0;

    code->length = 0;
    for (; *text; text++) {
        const char *digit = strchr(digits, *text);

        if (*text == '\n' || *text == '\r' || *text == '=')
            continue;
        if (!digit || code->length == MAX_CODE_BYTES)
            return false;
        bits = (bits << 6 | (unsigned)(digit - digits)) & 0xffff;
        held += 6;
        if (held >= 8) {
            held -= 8;
            code->bytes[code->length++] = (unsigned char)(bits >> held);
        }
    }
    return true;
}

/* ---- Marshalled objects --------------------------------------------------------------------- */

enum object_kind { OBJECT_OTHER, OBJECT_NUMBER, OBJECT_EMPTY };

struct object {
    enum object_kind kind;
    double number;
};

struct code_object {
    const unsigned char *instructions;
    size_t length;
    struct object constants[MAX_CONSTANTS];
    int constant_count;
    bool has_names;
    struct object references[MAX_REFERENCES];
    int reference_count;
};

static bool take_bytes(struct code_bytes *code, size_t count, const unsigned char **bytes)
{
    if (count > code->length - code->at)
        return false;
    *bytes = code->bytes + code->at;
    code->at += count;
    return true;
}

static bool take_number(struct code_bytes *code, size_t size, uint32_t *number)
{
    const unsigned char *bytes;

    if (!take_bytes(code, size, &bytes))
        return false;
    *number = 0;
    for (size_t i = 0; i < size; i++)
        *number |= (uint32_t)bytes[i] << 8 * i;
    return true;
}

static bool take_double(struct code_bytes *code, double *value)
{
    const unsigned char *bytes;
    uint64_t bits = 0;

    if (!take_bytes(code, 8, &bytes))
        return false;
    for (int i = 0; i < 8; i++)
        bits |= (uint64_t)bytes[i] << 8 * i;
    memcpy(value, &bits, sizeof(bits));
    return true;
}

static bool take_object(struct code_bytes *code, struct code_object *result, struct object *object,
                        int depth);

/* Elements are kept where they are the constants, and skipped otherwise. */
static bool take_tuple(struct code_bytes *code, struct code_object *result, uint32_t count,
                       struct object *elements, int depth)
{
    for (uint32_t i = 0; i < count; i++) {
        struct object element;

        if (!take_object(code, result, &element, depth + 1))
            return false;
        if (elements && i < MAX_CONSTANTS)
            elements[i] = element;
    }
    return true;
}

/* Reads one object. Constants of a code object are a tuple at depth 0. */
static bool take_object(struct code_bytes *code, struct code_object *result, struct object *object,
                        int depth)
{
    const unsigned char *bytes;
    uint32_t type, number;
    int reference = -1;

    *object = (struct object){0};
    if (depth > 4 || !take_number(code, 1, &type))
        return false;
    if (type & FLAG_REFERENCE) {
        if (result->reference_count == MAX_REFERENCES)
            return false;
        reference = result->reference_count++;
        type &= ~(uint32_t)FLAG_REFERENCE;
    }
    switch (type) {
    case 'N':
    case 'T':
    case 'F':
        break;
    case 'i':
        if (!take_number(code, 4, &number))
            return false;
        *object = (struct object){OBJECT_NUMBER, (double)(int32_t)number};
        break;
    case 'g':
        object->kind = OBJECT_NUMBER;
        if (!take_double(code, &object->number))
            return false;
        break;
    case 'r':
        if (!take_number(code, 4, &number) || number >= (uint32_t)result->reference_count)
            return false;
        *object = result->references[number];
        break;
    case 'R': /* a text that Python 2 has seen before */
        if (!take_number(code, 4, &number))
            return false;
        break;
    case 'z':
    case 'Z':
        if (!take_number(code, 1, &number) || !take_bytes(code, number, &bytes))
            return false;
        break;
    case 's':
    case 't':
    case 'u':
    case 'a':
    case 'A':
        if (!take_number(code, 4, &number) || !take_bytes(code, number, &bytes))
            return false;
        break;
    case ')':
    case '(':
        if (!take_number(code, type == ')' ? 1 : 4, &number) ||
            !take_tuple(code, result, number, depth == 0 ? result->constants : NULL, depth))
            return false;
        if (depth == 0)
            result->constant_count = number < MAX_CONSTANTS ? (int)number : MAX_CONSTANTS;
        object->kind = number == 0 ? OBJECT_EMPTY : OBJECT_OTHER;
        break;
    default:
        return false;
    }
    if (reference >= 0)
        result->references[reference] = *object;
    return true;
}

static bool take_code(struct code_bytes *code, struct code_object *result)
{
    struct object object;
    uint32_t number, type;

    *result = (struct code_object){0};
    code->at = 0;
    if (!take_number(code, 1, &type) || (type & ~(uint32_t)FLAG_REFERENCE) != 'c')
        return false;
    if (type & FLAG_REFERENCE)
        result->reference_count++;
    /* Python 2.7 has 4 numbers here, 3.0 to 3.7 and 3.11 and later 5, those between 6. */
    for (int words = 4; words <= 6; words++) {
        code->at = 1 + (size_t)words * 4;
        if (code->at > code->length)
            break;
        if (take_number(code, 1, &type) && (type & ~(uint32_t)FLAG_REFERENCE) == 's' &&
            take_number(code, 4, &number) && take_bytes(code, number, &result->instructions)) {
            result->length = number;
            if (type & FLAG_REFERENCE)
                result->reference_count++;
            break;
        }
    }
    if (!result->instructions || !take_object(code, result, &object, 0) ||
        !take_object(code, result, &object, 1))
        return false;
    result->has_names = object.kind != OBJECT_EMPTY;
    return true;
}

/* ---- Instructions --------------------------------------------------------------------------- */

enum {
    NOTHING = 0,
    MULTIPLY = 20,
    DIVIDE = 21,
    ADD = 23,
    SUBTRACT = 24,
    TRUE_DIVIDE = 27,
    RETURN = 83,
    LOAD_CONSTANT = 100,
    BINARY = 122, /* from Python 3.11 on; its argument says which */
    LOAD_ARGUMENT = 124,
    RESUME = 151
};

/* scale * x + bias */
struct line {
    double scale, bias;
};

static int binary_of(unsigned argument)
{
    switch (argument) {
    case 0:
        return ADD;
    case 5:
        return MULTIPLY;
    case 10:
        return SUBTRACT;
    case 11:
        return TRUE_DIVIDE;
    default:
        return -1;
    }
}

static bool combine(int operation, struct line a, struct line b, struct line *result)
{
    switch (operation) {
    case ADD:
        *result = (struct line){a.scale + b.scale, a.bias + b.bias};
        return true;
    case SUBTRACT:
        *result = (struct line){a.scale - b.scale, a.bias - b.bias};
        return true;
    case MULTIPLY:
        if (a.scale != 0 && b.scale != 0)
            return false;
        *result = (struct line){a.scale * b.bias + b.scale * a.bias, a.bias * b.bias};
        return true;
    case DIVIDE:
    case TRUE_DIVIDE:
        if (b.scale != 0 || b.bias == 0)
            return false;
        *result = (struct line){a.scale / b.bias, a.bias / b.bias};
        return true;
    default:
        return false;
    }
}

/* Old instructions have two bytes of argument from code 90 on, and none below; from Python 3.6 on
 * each has one. */
static bool follow(const struct code_object *code, bool old, struct line *result)
{
    struct line stack[MAX_STACK];
    int height = 0;

    for (size_t at = 0; at < code->length;) {
        unsigned operation = code->instructions[at];
        size_t size = !old ? 2 : operation >= 90 ? 3 : 1;
        unsigned argument = 0;

        if (size > code->length - at)
            return false;
        if (size > 1)
            argument = code->instructions[at + 1];
        if (size > 2)
            argument |= (unsigned)code->instructions[at + 2] << 8;
        at += size;
        if (!old && (operation == NOTHING || operation == RESUME))
            continue;
        if (operation == RETURN) {
            *result = stack[0];
            return height == 1;
        }
        if (operation == LOAD_ARGUMENT && argument == 0 && height < MAX_STACK) {
            stack[height++] = (struct line){1, 0};
        } else if (operation == LOAD_CONSTANT && argument < (unsigned)code->constant_count &&
                   code->constants[argument].kind == OBJECT_NUMBER && height < MAX_STACK) {
            stack[height++] = (struct line){0, code->constants[argument].number};
        } else if (height >= 2) {
            int binary = !old && operation == BINARY ? binary_of(argument) : (int)operation;

            if (!combine(binary, stack[height - 2], stack[height - 1], &stack[height - 2]))
                return false;
            height--;
        } else {
            return false;
        }
    }
    return false;
}

/* The text of the code: ["...", defaults, closure], or Keras 3's object with the key "code". */
static const char *code_text(const cJSON *config)
{
    const cJSON *function = keras_item(config, "function", NULL);

    if (strcmp(keras_text(config, "function_type", NULL, "lambda"), "lambda") != 0)
        return NULL;
    if (cJSON_IsObject(function))
        return keras_text(keras_item(function, "config", NULL), "code", NULL, NULL);
    if (cJSON_IsArray(function))
        function = function->child;
    return cJSON_IsString(function) ? function->valuestring : NULL;
}

bool keras_lambda_guess(const cJSON *config, double *scale, double *bias)
{
    const char *text = code_text(config);
    struct code_object object;
    struct code_bytes code;
    struct line line;

    if (!text)
        return false;
    if (!(decode_characters(text, &code) && take_code(&code, &object)) &&
        !(decode_base64(text, &code) && take_code(&code, &object)))
        return false;
    if (object.has_names || !(follow(&object, true, &line) || follow(&object, false, &line)))
        return false;
    *scale = line.scale;
    *bias = line.bias;
    return isfinite(line.scale) && isfinite(line.bias) && line.scale != 0;
}
