/* What Lambdas compute: by the card, or by what their bytecode reads. */
#include "formats/keras_loader.h"
#include "support/keras_case.h"
#include "support/onnx_builder.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* ---- Code objects --------------------------------------------------------------------------- */

struct code {
    unsigned char bytes[256];
    size_t length;
};

static void put(struct code *code, const void *bytes, size_t length)
{
    assert_true(code->length + length <= sizeof(code->bytes));
    memcpy(code->bytes + code->length, bytes, length);
    code->length += length;
}

static void put_word(struct code *code, uint32_t word)
{
    for (int i = 0; i < 4; i++)
        put(code, &(unsigned char){(unsigned char)(word >> 8 * i)}, 1);
}

/* A code object with that many numbers in front, constants None and `constants`, and no globals. */
static struct code make_code(int words, const char *instructions, size_t length,
                             const double *constants, int count, bool globals)
{
    struct code code = {.length = 0};

    put(&code, words == 4 ? "c" : "\xe3", 1);
    for (int i = 0; i < words; i++)
        put_word(&code, 1);
    put(&code, "s", 1);
    put_word(&code, (uint32_t)length);
    put(&code, instructions, length);
    put(&code, words == 4 ? "(" : ")", 1);
    if (words == 4)
        put_word(&code, (uint32_t)count + 1);
    else
        put(&code, &(unsigned char){(unsigned char)(count + 1)}, 1);
    put(&code, "N", 1);
    for (int i = 0; i < count; i++) {
        bool whole = constants[i] == floor(constants[i]) && words == 4;

        put(&code, whole ? "i" : "g", 1);
        if (whole)
            put_word(&code, (uint32_t)(int32_t)constants[i]);
        else
            put(&code, &constants[i], 8);
    }
    put(&code, words == 4 ? "(" : ")", 1);
    if (words == 4)
        put_word(&code, globals);
    else
        put(&code, &(unsigned char){globals}, 1);
    if (globals)
        put(&code, "t\2\0\0\0tf", 7);
    return code;
}

/* The characters as JSON writes them. */
static char *raw_text(const struct code *code)
{
    char *text = malloc(code->length * 6 + 3), *at = text;

    assert_non_null(text);
    *at++ = '"';
    for (size_t i = 0; i < code->length; i++)
        at += sprintf(at, "\\u%04x", code->bytes[i]);
    strcpy(at, "\"");
    return text;
}

static bool guess(const char *config, double *scale, double *bias)
{
    cJSON *json;
    bool known;

    assert_int_equal(keras_parse(config, &json, NULL), VBP_OK);
    known = keras_lambda_guess(json, scale, bias);
    cJSON_Delete(json);
    return known;
}

static bool guess_code(const struct code *code, double *scale, double *bias)
{
    char *text = raw_text(code), *config;
    bool known;

    assert_true(asprintf(&config, "{\"function\": [%s, null, null]}", text) > 0);
    known = guess(config, scale, bias);
    free(config);
    free(text);
    return known;
}

static void test_instructions(void **state)
{
    static const struct {
        int words;
        const char *instructions;
        size_t length;
        double constants[3];
        int count;
        double scale, bias;
    } cases[] = {
        /* x / 127.5 - 1 of Python 2.7, 3.5, 3.6 and 3.8 */
        {4,
         "|\0\0d\1\0\x15"
         "d\2\0\x18S",
         12,
         {127.5, 1},
         2,
         1 / 127.5,
         -1},
        {5,
         "|\0\0d\1\0\x1b"
         "d\2\0\x18S",
         12,
         {127.5, 1},
         2,
         1 / 127.5,
         -1},
        {5, "|\0d\1\x1b\0d\2\x18\0S\0", 12, {127.5, 1}, 2, 1 / 127.5, -1},
        {6, "|\0d\1\x1b\0d\2\x18\0S\0", 12, {127.5, 1}, 2, 1 / 127.5, -1},
        /* x */
        {5, "|\0\0S", 4, {0}, 0, 1, 0},
        /* 2 * x / 255 - 1, x * 2 + 1, (x - 128) / 128, 1 - x, x - x / 2 */
        {5,
         "d\1\0|\0\0\x14"
         "d\2\0\x1b"
         "d\3\0\x18S",
         16,
         {2, 255, 1},
         3,
         2.0 / 255,
         -1},
        {5,
         "|\0\0d\1\0\x14"
         "d\2\0\x17S",
         12,
         {2, 1},
         2,
         2,
         1},
        {5,
         "|\0\0d\1\0\x18"
         "d\1\0\x1bS",
         12,
         {128},
         1,
         1.0 / 128,
         -1},
        {5, "d\1\0|\0\0\x18S", 8, {1}, 1, -1, 1},
        {6, "|\0|\0d\1\x1b\0\x18\0S\0", 12, {2}, 1, 0.5, 0},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct code code = make_code(cases[i].words, cases[i].instructions, cases[i].length,
                                     cases[i].constants, cases[i].count, false);
        double scale = 0, bias = 0;

        assert_true(guess_code(&code, &scale, &bias));
        assert_true(fabs(scale - cases[i].scale) < 1e-9 && fabs(bias - cases[i].bias) < 1e-9);
        /* Cut short anywhere, nothing is read behind the end. */
        for (size_t length = 0; length < code.length - 1; length++) {
            struct code part = code;

            part.length = length;
            guess_code(&part, &scale, &bias);
        }
    }
}

/* What is not plain arithmetic on the argument is left alone. */
static void test_unknown(void **state)
{
    static const struct {
        const char *instructions;
        size_t length;
        bool globals;
    } cases[] = {
        {"|\0\0S", 4, true},           /* a global is named */
        {"|\0\0|\0\0\x14S", 8, false}, /* x * x */
        {"d\1\0|\0\0\x1bS", 8, false}, /* 2 / x */
        {"|\0\0d\1\0\x13S", 8, false}, /* x ** 2 */
        {"|\1\0S", 4, false},          /* another argument */
        {"|\0\0d\2\0\x1bS", 8, false}, /* by a constant that is not there */
        {"d\1\0S", 4, false},          /* 2 */
        {"\x88\0\0S", 4, false},       /* a variable of outside */
        {"|\0\0|\0\0S", 7, false},     /* two values */
        {"\x14S", 2, false},           /* nothing to multiply */
        {"|\0\0|\0\0|\0\0|\0\0|\0\0|\0\0|\0\0|\0\0|\0\0S", 28, false}, /* too many values */
        {"|\0\0", 3, false},                                           /* no return */
        {"|\0\0d\0\0\x1bS", 8, false},                                 /* x / None */
    };
    double scale, bias;

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct code code = make_code(5, cases[i].instructions, cases[i].length, (const double[]){2},
                                     1, cases[i].globals);

        if (guess_code(&code, &scale, &bias))
            fail_msg("case %zu is taken for x * %g + %g", i, scale, bias);
    }
    assert_false(guess("{}", &scale, &bias));
    assert_false(
        guess("{\"function\": \"normalise\", \"function_type\": \"function\"}", &scale, &bias));
    assert_false(guess("{\"function\": [\"\", null, null]}", &scale, &bias));
    assert_false(guess("{\"function\": [\"\xe2\x82\xac\", null, null]}", &scale, &bias));
}

/* As Python 3.11 marshals it, in base 64 as tf.keras and Keras 3 write it. */
static void test_base64(void **state)
{
    static const char code[] =
        "4wEAAAAAAAAAAAAAAAIAAAADAAAA8xIAAACXAHwAZAF6CwAAZAJ6CgAAUwApA07nAAAAAADgX0Dp\\n"
        "AQAAAKkAqQHaAXhzAQAAACD6BzxzdGRpbj76CDxsYW1iZGE+cggAAAADAAAAcw4AAACAAJBBkGWR\\n"
        "R5hBkUmAAPMAAAAA\\n";
    double scale, bias;
    char text[600];

    (void)state;
    snprintf(text, sizeof(text), "{\"function\": [\"%s\", null, null]}", code);
    assert_true(guess(text, &scale, &bias));
    assert_true(fabs(scale - 1 / 127.5) < 1e-9 && bias == -1);
    snprintf(text, sizeof(text),
             "{\"function\": {\"class_name\": \"__lambda__\", \"config\": {\"code\": \"%s\"}}}",
             code);
    assert_true(guess(text, &scale, &bias));
    assert_true(fabs(scale - 1 / 127.5) < 1e-9 && bias == -1);
    /* Cut short before its instructions or constants are there. */
    for (int length = 0; length < 76; length++) {
        snprintf(text, sizeof(text), "{\"function\": [\"%.*s\", null, null]}", length, code);
        assert_false(guess(text, &scale, &bias));
    }
    assert_false(guess("{\"function\": [\"c234\", null, null]}", &scale, &bias));
}

/* ---- In a network --------------------------------------------------------------------------- */

static const struct card_lambda lambdas[] = {{(char *)"first", 2, 1}, {(char *)"*", 10, -5}};

/* Two Lambdas, of which the bytecode of the first says x / 127.5 - 1, and that of the second no
 * more than that it calls something. */
static int load(const struct model_hints *hints, struct graph **graph, VbpError *error)
{
    struct code known = make_code(5,
                                  "|\0\0d\1\0\x1b"
                                  "d\2\0\x18S",
                                  12, (const double[]){127.5, 1}, 2, false);
    struct code unknown = make_code(5, "|\0\0S", 4, NULL, 0, true);
    char *texts[2] = {raw_text(&known), raw_text(&unknown)};
    struct keras_builder b;
    char config[2000];
    int result;

    keras_builder_begin(&b, "2.0.8");
    keras_builder_input(&b, "[null, 2]");
    for (int i = 0; i < 2; i++) {
        snprintf(config, sizeof(config),
                 "\"function_type\": \"lambda\", \"function\": [%s, null, null]", texts[i]);
        keras_builder_layer(&b, "Lambda", i ? "second" : "first", config);
        free(texts[i]);
    }
    result = keras_builder_load(&b, hints, graph, error);
    return result;
}

static void test_card(void **state)
{
    const struct model_hints both = {.lambdas = lambdas, .lambda_count = 2};
    const struct model_hints one = {.lambdas = lambdas, .lambda_count = 1};
    const struct model_hints rest = {.lambdas = lambdas + 1, .lambda_count = 1};
    const float input[2] = {1, -1};
    struct graph *graph;
    VbpError error;

    (void)state;
    assert_int_equal(load(&both, &graph, &error), VBP_OK);
    assert_null(graph->guess);
    keras_case_run(graph, input, 2, (const double[]){(1 * 2 + 1) * 10 - 5, (-2 + 1) * 10 - 5}, 2);
    graph_destroy(&graph);

    /* "*" is for all; a card outranks the bytecode. */
    assert_int_equal(load(&rest, &graph, &error), VBP_OK);
    assert_null(graph->guess);
    keras_case_run(graph, input, 2, (const double[]){(1 * 10 - 5) * 10 - 5, (-10 - 5) * 10 - 5}, 2);
    graph_destroy(&graph);

    assert_int_equal(load(&one, &graph, &error), VBP_ERROR_UNSUPPORTED);
    assert_string_equal(
        error.message, "Keras 2.0.8 (.h5, tensorflow): layer 'second' (Lambda): it is Python code, "
                       "which vbp does not run; say what it computes in the card, \"lambda\": "
                       "{\"second\": [scale, bias]}");
}

/* An entry that no layer takes would leave the network with other numbers than it says. */
static void test_entries_for_no_layer(void **state)
{
    static const struct card_lambda wrong[] = {
        {(char *)"*", 10, -5}, {(char *)"first", 2, 1}, {(char *)"frist", 2, 1}};
    static const struct card_lambda named[] = {
        {(char *)"first", 2, 1}, {(char *)"*", 1, 0}, {(char *)"second", 10, -5}};
    const struct model_hints hints = {.lambdas = wrong, .lambda_count = 3};
    const struct model_hints all = {.lambdas = named, .lambda_count = 3};
    const float input[2] = {1, -1};
    struct keras_builder b;
    struct graph *graph;
    VbpError error;

    (void)state;
    assert_int_equal(load(&hints, &graph, &error), VBP_ERROR_ARGUMENT);
    assert_null(graph);
    assert_string_equal(error.message, "the card's lambda.frist names no Lambda layer; the network "
                                       "has 'first', 'second'");

    /* With every layer named, none is left for "*"; that is no mistake. */
    assert_int_equal(load(&all, &graph, &error), VBP_OK);
    keras_case_run(graph, input, 2, (const double[]){(1 * 2 + 1) * 10 - 5, (-2 + 1) * 10 - 5}, 2);
    graph_destroy(&graph);

    /* Neither is "*" where there is no Lambda at all. */
    for (int i = 0; i < 2; i++) {
        const struct model_hints one = {.lambdas = wrong + i, .lambda_count = 1};

        keras_builder_begin(&b, "2.0.8");
        keras_builder_input(&b, "[null, 2]");
        keras_builder_layer(&b, "Activation", "linear", "\"activation\": \"linear\"");
        assert_int_equal(keras_builder_load(&b, &one, &graph, &error),
                         i ? VBP_ERROR_ARGUMENT : VBP_OK);
        if (i)
            assert_string_equal(error.message, "the card's lambda.first names no Lambda layer; the "
                                               "network has none");
        graph_destroy(&graph);
    }
}

static void test_guess_is_told(void **state)
{
    const struct card_lambda second = {(char *)"second", 1, 0};
    const struct model_hints hints = {.lambdas = &second, .lambda_count = 1};
    const float input[2] = {255, 0};
    struct graph *graph;
    VbpError error;

    (void)state;
    assert_int_equal(load(&hints, &graph, &error), VBP_OK);
    assert_string_equal(graph->guess,
                        "Lambda 'first' computes x * 0.00784314 -1, as its bytecode reads");
    keras_case_run(graph, input, 2, (const double[]){1, -1}, 2);
    graph_destroy(&graph);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_instructions),  cmocka_unit_test(test_unknown),
        cmocka_unit_test(test_base64),        cmocka_unit_test(test_card),
        cmocka_unit_test(test_guess_is_told), cmocka_unit_test(test_entries_for_no_layer),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
