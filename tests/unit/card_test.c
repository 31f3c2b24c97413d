#include "base/file.h"
#include "formats/formats.h"
#include "support/loader_check.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static const char complete[] =
    "{\"input\": {\"crop\": {\"top\": 60, \"bottom\": 25, \"left\": 0.25, \"right\": 0},\n"
    "  \"resize\": \"area\", \"size\": [200, 66], \"color\": \"yuv-swapped\",\n"
    "  \"scale\": [0.5, 0.25, 2], \"bias\": -1.0},\n"
    " \"lambda\": {\"lambda_1\": [0.5, -1.0], \"*\": [1, 0]},\n"
    " \"output\": {\"steering\": \"dense_4\", \"kind\": \"bins\", \"bins\": [-1, 1, 15],\n"
    "  \"unit\": \"degrees\", \"positive\": \"left\", \"full_lock\": 450}}";

static void check_complete(const struct card *card)
{
    assert_true(card->input.has_crop && card->input.has_resize && card->input.has_size &&
                card->input.has_color);
    assert_true(card->input.crop_top == 60 && card->input.crop_bottom == 25);
    assert_true(card->input.crop_left == 0.25 && card->input.crop_right == 0);
    assert_int_equal(card->input.resize, CARD_AREA);
    assert_int_equal(card->input.width, 200);
    assert_int_equal(card->input.height, 66);
    assert_int_equal(card->input.color, CARD_YUV_SWAPPED);
    assert_int_equal(card->input.scale.count, 3);
    assert_true(card->input.scale.value[1] == 0.25 && card->input.scale.value[2] == 2);
    assert_int_equal(card->input.bias.count, 1);
    assert_true(card->input.bias.value[0] == -1);
    assert_int_equal(card->lambda_count, 2);
    assert_string_equal(card->lambdas[0].name, "lambda_1");
    assert_true(card->lambdas[0].scale == 0.5 && card->lambdas[0].bias == -1);
    assert_string_equal(card->lambdas[1].name, "*");
    assert_string_equal(card->output.steering, "dense_4");
    assert_true(card->output.has_kind && card->output.has_unit && card->output.has_positive &&
                card->output.has_full_lock);
    assert_int_equal(card->output.kind, CARD_BINS);
    assert_true(card->output.bin_first == -1 && card->output.bin_last == 1);
    assert_int_equal(card->output.bin_count, 15);
    assert_int_equal(card->output.unit, CARD_DEGREES);
    assert_true(card->output.positive_left);
    assert_true(card->output.full_lock == 450);
}

static void test_complete(void **state)
{
    struct card card, again;
    char *json;
    VbpError error;

    (void)state;
    save_seed("card", complete, strlen(complete));
    assert_int_equal(card_parse(complete, &card, &error), VBP_OK);
    check_complete(&card);
    assert_int_equal(card_format(&card, &json, &error), VBP_OK);
    assert_int_equal(card_parse(json, &again, &error), VBP_OK);
    check_complete(&again);
    free(json);
    card_free(&card);
    card_free(&again);
}

static void test_empty(void **state)
{
    struct card card;
    VbpError error;

    (void)state;
    assert_int_equal(card_parse("{}", &card, &error), VBP_OK);
    assert_false(card.input.has_crop || card.input.has_resize || card.input.has_size ||
                 card.input.has_color || card.output.has_kind || card.output.has_unit ||
                 card.output.has_positive || card.output.has_full_lock);
    assert_null(card.output.steering);
    assert_int_equal(card.lambda_count, 0);
    card_free(&card);
}

static void test_refusals(void **state)
{
    static const struct {
        const char *json, *message; /* all of the message */
    } cases[] = {
        {"[]", "card: has to be an object"},
        {"{\"inputs\": {}}", "inputs: no such key"},
        {"{\"input\": {\"colour\": \"rgb\"}}", "input.colour: no such key"},
        {"{\"input\": {\"crop\": {\"up\": 1}}}", "input.crop.up: no such key"},
        {"{\"output\": {\"name\": \"x\"}}", "output.name: no such key"},
        {"{\"input\": {}, \"input\": {}}", "input: is there twice"},
        {"{\"input\": {\"bias\": 1, \"bias\": 2}}", "input.bias: is there twice"},
        {"{\"lambda\": {\"a\": [1, 2], \"a\": [1, 2]}}", "lambda.a: is there twice"},
        {"{\"input\": []}", "input: has to be an object"},
        {"{\"input\": {\"crop\": {\"top\": -1}}}", "input.crop.top: -1 is not between 0 and 8192"},
        {"{\"input\": {\"crop\": {\"top\": \"1\"}}}", "input.crop.top: has to be a number"},
        {"{\"input\": {\"crop\": {\"top\": 1.5}}}",
         "input.crop.top: pixels have to be whole; fractions are below 1"},
        {"{\"input\": {\"crop\": {\"top\": 0.5, \"bottom\": 0.5}}}",
         "input.crop: top and bottom leave nothing of the frame"},
        {"{\"input\": {\"crop\": {\"left\": 0.75, \"right\": 0.5}}}",
         "input.crop: left and right leave nothing of the frame"},
        {"{\"input\": {\"color\": \"grey\"}}",
         "input.color: 'grey' is not one of rgb, bgr, gray, yuv, yuv-swapped, saturation"},
        {"{\"input\": {\"color\": 3}}",
         "input.color: has to be one of the words rgb, bgr, gray, yuv, yuv-swapped, saturation"},
        {"{\"input\": {\"resize\": \"linear\"}}",
         "input.resize: 'linear' is not one of bilinear, area, nearest, bicubic"},
        {"{\"input\": {\"size\": 200}}", "input.size: has to be [width, height]"},
        {"{\"input\": {\"size\": [1, 2, 3]}}", "input.size: has to be [width, height]"},
        {"{\"input\": {\"size\": [0, 66]}}", "input.size[0]: 0 is not between 1 and 8192"},
        {"{\"input\": {\"size\": [200, 9000]}}", "input.size[1]: 9000 is not between 1 and 8192"},
        {"{\"input\": {\"size\": [200, 66.5]}}", "input.size[1]: 66.5 is not a whole number"},
        {"{\"input\": {\"scale\": []}}", "input.scale: has 0 numbers; 1 to 4 are possible"},
        {"{\"input\": {\"scale\": [1, 2, 3, 4, 5]}}",
         "input.scale: has 5 numbers; 1 to 4 are possible"},
        {"{\"input\": {\"scale\": [1, null]}}", "input.scale[1]: has to be a number"},
        {"{\"input\": {\"scale\": 1e400}}", "input.scale: inf is not between -1e+09 and 1e+09"},
        {"{\"input\": {\"bias\": true}}",
         "input.bias: has to be a number, or a list with one for each channel"},
        {"{\"lambda\": []}", "lambda: has to be an object"},
        {"{\"lambda\": {\"a\": 1}}", "lambda.a: has to be a list of 2 numbers"},
        {"{\"lambda\": {\"\": [1, 2]}}", "lambda.: is not the name of a layer"},
        {"{\"output\": {\"steering\": 1}}", "output.steering: has to be a name"},
        {"{\"output\": {\"steering\": \"\"}}", "output.steering: has to be a name"},
        {"{\"output\": {\"kind\": \"bin\"}}", "output.kind: 'bin' is not one of linear, bins"},
        {"{\"output\": {\"kind\": \"bins\"}}",
         "output.bins: is missing; kind 'bins' needs [first, last, count]"},
        {"{\"output\": {\"bins\": [-1, 1, 1]}}",
         "output.bins[2]: 1 is not a number of bins (2 to 10000)"},
        {"{\"output\": {\"bins\": [-1, 1, 2.5]}}",
         "output.bins[2]: 2.5 is not a number of bins (2 to 10000)"},
        {"{\"output\": {\"bins\": [1, 1, 5]}}",
         "output.bins: the first and the last bin are the same"},
        {"{\"output\": {\"bins\": [1, 5]}}", "output.bins: has to be a list of 3 numbers"},
        {"{\"output\": {\"bins\": [-1, 1, 5], \"kind\": \"linear\"}}",
         "output.bins: goes with kind 'bins', not 'linear'"},
        {"{\"output\": {\"unit\": \"deg\"}}",
         "output.unit: 'deg' is not one of normalized, degrees, radians, inverse_radius"},
        {"{\"output\": {\"positive\": \"up\"}}", "output.positive: 'up' is not one of right, left"},
        {"{\"output\": {\"full_lock\": 0}}", "output.full_lock: has to be more than 0"},
        {"{\"output\": {\"full_lock\": -5}}", "output.full_lock: -5 is not between 0 and 1e+09"},
        {"", "line 1, column 1: not valid JSON"},
        {"{\n  \"input\": x}", "line 2, column 12: not valid JSON"},
        {"{} x", "line 1, column 4: not valid JSON"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct card card;
        static const struct card zero;
        VbpError error = {0};

        save_seed("card", cases[i].json, strlen(cases[i].json));
        assert_int_equal(card_parse(cases[i].json, &card, &error), VBP_ERROR_FORMAT);
        assert_string_equal(error.message, cases[i].message);
        assert_memory_equal(&card, &zero, sizeof(card));
    }
}

static void test_file(void **state)
{
    char path[] = "/tmp/vbp-card-test-XXXXXX", message[200];
    int descriptor = mkstemp(path);
    struct card card;
    VbpError error;

    (void)state;
    assert_true(descriptor >= 0);
    assert_int_equal(write(descriptor, complete, strlen(complete)), strlen(complete));
    assert_int_equal(card_read(path, &card, &error), VBP_OK);
    check_complete(&card);
    card_free(&card);

    assert_int_equal(write(descriptor, "}", 1), 1);
    snprintf(message, sizeof(message), "%s: line 6, column 60: not valid JSON", path);
    assert_int_equal(card_read(path, &card, &error), VBP_ERROR_FORMAT);
    assert_string_equal(error.message, message);

    /* What stands behind a zero byte would never be read. */
    assert_int_equal(ftruncate(descriptor, (off_t)strlen(complete)), 0);
    assert_int_equal(write(descriptor, "\0\0", 2), 2);
    snprintf(message, sizeof(message), "%s: not a text file", path);
    assert_int_equal(card_read(path, &card, &error), VBP_ERROR_FORMAT);
    assert_string_equal(error.message, message);

    assert_int_equal(ftruncate(descriptor, (1 << 20) + 1), 0);
    assert_int_equal(card_read(path, &card, &error), VBP_ERROR_UNSUPPORTED);
    close(descriptor);
    unlink(path);
    assert_int_equal(card_read(path, &card, &error), VBP_ERROR_IO);
    assert_non_null(strstr(error.message, path));
}

static void test_truncation(void **state)
{
    char text[sizeof(complete)];

    (void)state;
    for (size_t length = 0; length < strlen(complete); length++) {
        struct card card;
        VbpError error;

        memcpy(text, complete, length);
        text[length] = 0;
        assert_int_equal(card_parse(text, &card, &error), VBP_ERROR_FORMAT);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_complete),   cmocka_unit_test(test_empty),
        cmocka_unit_test(test_refusals),   cmocka_unit_test(test_file),
        cmocka_unit_test(test_truncation),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
