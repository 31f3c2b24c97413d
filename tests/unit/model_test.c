/* Models: what is assumed without a card, which card wins, what is refused, what outputs mean. */
#include "api/model.h"
#include "support/models.h"
#include "support/numbers.h"
#include "support/scratch.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static VbpModel *open_with(const char *path, const VbpModelOptions *options)
{
    VbpModel *model;
    VbpError error;

    if (vbp_model_open(&model, path, options, &error) != VBP_OK)
        fail_msg("%s", error.message);
    return model;
}

static VbpModel *opened(const struct model_parts *parts)
{
    return open_with(model_write("model.onnx", parts), NULL);
}

static VbpModel *opened_with_card(const struct model_parts *parts, const char *card)
{
    const VbpModelOptions options = {.card_path = scratch_write("card.json", card, strlen(card))};

    return open_with(model_write("model.onnx", parts), &options);
}

static void check_refused(const struct model_parts *parts, const char *card, VbpStatus status,
                          const char *words)
{
    VbpModelOptions options = {0};
    VbpModel *model;
    VbpError error = {0};

    if (card)
        options.card_path = scratch_write("card.json", card, strlen(card));
    assert_int_equal(vbp_model_open(&model, model_write("model.onnx", parts), &options, &error),
                     status);
    assert_null(model);
    if (!strstr(error.message, words) || error.message[0] != '/')
        fail_msg("'%s' should begin with a path and hold '%s'", error.message, words);
}

static bool assumes(const VbpModel *model, const char *words)
{
    for (int i = 0; i < model->assumption_count; i++) {
        if (strstr(model->assumptions[i], words))
            return true;
    }
    return false;
}

/* ---- Without a card ------------------------------------------------------------------------- */

static void assumptions_without_a_card(void **state)
{
    VbpModel *model = opened(&(struct model_parts){.channels = 1});
    int channels, height, width;

    (void)state;
    vbp_model_input_size(model, &channels, &height, &width);
    assert_int_equal(channels, 1);
    assert_int_equal(height, 12);
    assert_int_equal(width, 16);
    assert_int_equal(model->settings.color, CARD_GRAY);
    assert_int_equal(model->settings.resize, CARD_BILINEAR);
    check_close((double)model->settings.scale[0], 1 / 255.0, 1e-9, "scale");
    check_close((double)model->settings.bias[0], 0, 0, "bias");
    assert_null(model->card_origin);
    assert_true(assumes(model, "color gray"));
    assert_true(assumes(model, "values 0..1"));
    assert_true(assumes(model, "the whole frame"));
    assert_false(assumes(model, "steers")); /* there is only one number that could */
    vbp_model_close(&model);
    assert_null(model);
    model = opened(&(struct model_parts){.channels = 3});
    assert_int_equal(model->settings.color, CARD_RGB);
    assert_true(assumes(model, "color rgb"));
    vbp_model_close(&model);
}

static void networks_that_take_bytes(void **state)
{
    static const struct {
        enum model_begin begin;
        bool bytes;
    } cases[] = {{MODEL_BARE, false},         {MODEL_DIVIDES_BYTES, true},
                 {MODEL_CENTRES, false},      {MODEL_STRETCHES, false},
                 {MODEL_NORMS_BYTES, true},   {MODEL_NORMS_FRACTIONS, false},
                 {MODEL_CHANNELS_LAST, false}};

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        VbpModel *model = opened(&(struct model_parts){.begin = cases[i].begin, .channels = 3});

        check_close((double)model->settings.scale[2], cases[i].bytes ? 1 : 1 / 255.0, 1e-9,
                    "scale");
        assert_int_equal(assumes(model, "0..255"), cases[i].bytes);
        assert_int_equal(model->settings.channels_last, cases[i].begin == MODEL_CHANNELS_LAST);
        assert_int_equal(model->settings.width, 16);
        vbp_model_close(&model);
    }
}

/* Without anybody naming one: by name, then by length, then the first; and always why. */
static void which_output_steers(void **state)
{
    static const struct {
        struct model_parts parts; /* second_output is output 0 */
        int steers;
        const char *reason;
    } cases[] = {
        {{.outputs = 1}, 0, "the only output"},
        {{.outputs = 4, .name = "x"}, 0, "the only output"},
        {{.second_output = 1}, 1, "its name contains 'steer'"},
        {{.second_output = 1, .name = "brake", .second_name = "AngleOut"},
         0,
         "its name contains 'angle'"},
        {{.second_output = 1, .outputs = 3, .name = "pred_Steering_angle"},
         1,
         "its name contains 'steer'"},
        {{.second_output = 1, .second_name = "angle_speed"}, 0, "its name contains 'angle'"},
        {{.second_output = 3, .second_name = "steer_a", .name = "steer_b"},
         1,
         "its name contains 'steer'"},
        {{.second_output = 3, .name = "x"}, 1, "the first that is a single number"},
        {{.second_output = 1, .name = "x"}, 0, "the first that is a single number"},
        {{.second_output = 3, .outputs = 2, .name = "x"}, 0, "the first output"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        VbpModel *model = opened(&cases[i].parts);
        bool guessed = vbp_model_output_count(model) > 1;

        if (model->steering_output != cases[i].steers ||
            strcmp(model->steering_reason, cases[i].reason) != 0)
            fail_msg("case %zu: output %d steers: %s", i, model->steering_output,
                     model->steering_reason);
        assert_int_equal(assumes(model, "' steers: "), guessed);
        assert_int_equal(assumes(model, cases[i].reason), guessed);
        assert_int_equal(assumes(model, "the first is the steering"),
                         vbp_model_output_length(model, cases[i].steers) > 1);
        assert_int_equal(model->bins.count, 0);
        vbp_model_close(&model);
    }
}

/* What a softmax makes are shares of bins, and no angles. */
static void softmax_means_bins(void **state)
{
    VbpModel *model = opened(&(struct model_parts){.outputs = 15, .softmax = 1});

    (void)state;
    assert_int_equal(model->bins.count, 15);
    check_close(model->bins.first, -1, 0, "first bin");
    check_close(model->bins.last, 1, 0, "last bin");
    assert_true(assumes(model, "the 15 values of 'steering' are bins from -1 to 1"));
    vbp_model_close(&model);
    model = opened_with_card(&(struct model_parts){.outputs = 15, .softmax = 1},
                             "{\"output\": {\"kind\": \"linear\"}}");
    assert_int_equal(model->bins.count, 0);
    assert_false(assumes(model, "bins"));
    vbp_model_close(&model);
    /* Bins of their own need no kind beside them. */
    model = opened_with_card(&(struct model_parts){.outputs = 15, .softmax = 1},
                             "{\"output\": {\"bins\": [-0.5, 0.25, 15]}}");
    assert_int_equal(model->bins.count, 15);
    check_close(model->bins.first, -0.5, 0, "first bin");
    check_close(model->bins.last, 0.25, 0, "last bin");
    assert_true(model->card.output.has_kind && model->card.output.kind == CARD_BINS);
    assert_false(assumes(model, "bins"));
    vbp_model_close(&model);
    model = opened(&(struct model_parts){.softmax = 1}); /* a single number, always 1 */
    assert_int_equal(model->bins.count, 0);
    vbp_model_close(&model);
}

static VbpModel *opened_for(const struct model_parts *parts, const char *card, const char *output)
{
    VbpModelOptions options = {.steering_output = output};

    if (card)
        options.card_path = scratch_write("card.json", card, strlen(card));
    return open_with(model_write("model.onnx", parts), &options);
}

/* The option wins over the card, also where the card's bins are another output's. */
static void the_option_names_the_output(void **state)
{
    const struct model_parts two = {.second_output = 1}, many = {.second_output = 1, .outputs = 5};
    VbpModel *model = opened_for(&two, NULL, "throttle");

    (void)state;
    assert_int_equal(model->steering_output, 0);
    assert_string_equal(model->steering_reason, "chosen by --output");
    assert_false(assumes(model, "steers"));
    vbp_model_close(&model);
    model = opened_for(&two, "{\"output\": {\"steering\": \"steering\", \"unit\": \"degrees\"}}",
                       "throttle");
    assert_int_equal(model->steering_output, 0);
    assert_string_equal(model->card.output.steering, "throttle");
    assert_int_equal(model->card.output.unit, CARD_DEGREES);
    vbp_model_close(&model);
    model = opened_for(&many, "{\"output\": {\"kind\": \"bins\", \"bins\": [-2, 2, 5]}}", NULL);
    assert_int_equal(model->steering_output, 1);
    assert_int_equal(model->bins.count, 5);
    vbp_model_close(&model);
    model =
        opened_for(&many, "{\"output\": {\"kind\": \"bins\", \"bins\": [-2, 2, 5]}}", "steering");
    assert_int_equal(model->bins.count, 5);
    check_close(model->bins.first, -2, 0, "first bin");
    vbp_model_close(&model);
    model =
        opened_for(&many, "{\"output\": {\"kind\": \"bins\", \"bins\": [-2, 2, 5]}}", "throttle");
    assert_int_equal(model->steering_output, 0);
    assert_int_equal(model->bins.count, 0);
    vbp_model_close(&model);
}

static void unknown_outputs_are_refused(void **state)
{
    const struct model_parts two = {.second_output = 1}, long_one = {.second_output = 4};
    VbpModelOptions options = {.steering_output = "Steering"};
    VbpModel *model;
    VbpError error;

    (void)state;
    assert_int_equal(vbp_model_open(&model, model_write("model.onnx", &two), &options, &error),
                     VBP_ERROR_ARGUMENT);
    assert_null(model);
    assert_non_null(strstr(error.message, "model.onnx: --output names 'Steering', but the network "
                                          "has no such output; it has 'throttle', 'steering'"));
    check_refused(&two, "{\"output\": {\"steering\": \"angle\"}}", VBP_ERROR_ARGUMENT,
                  "the card's output.steering names 'angle', but the network has no such output; "
                  "it has 'throttle', 'steering'");
    check_refused(&long_one,
                  "{\"output\": {\"steering\": \"throttle\", \"kind\": \"bins\","
                  " \"bins\": [-1, 1, 15]}}",
                  VBP_ERROR_ARGUMENT, "counts 15 bins, but the output 'throttle' has 4 values");
}

static void levels(void **state)
{
    VbpModel *model = opened(&(struct model_parts){.channels = 3});
    int height, width;

    (void)state;
    assert_int_equal(vbp_model_level_count(model), 1);
    assert_string_equal(vbp_model_level_size(model, 0, &height, &width), "level");
    assert_int_equal(height, 10);
    assert_int_equal(width, 14);
    vbp_model_close(&model);
}

/* ---- Cards ---------------------------------------------------------------------------------- */

static void what_a_card_says(void **state)
{
    VbpModel *model = opened_with_card(
        &(struct model_parts){.channels = 3, .second_output = 1},
        "{\"input\": {\"crop\": {\"top\": 4, \"left\": 0.25}, \"resize\": \"area\","
        " \"size\": [16, 12], \"color\": \"yuv\", \"scale\": [1, 2, 3], \"bias\": -1},"
        " \"output\": {\"steering\": \"steering\"}}");
    VbpRectangle crop;

    (void)state;
    assert_int_equal(model->settings.color, CARD_YUV);
    assert_int_equal(model->settings.resize, CARD_AREA);
    check_close((double)model->settings.scale[1], 2, 0, "scale");
    check_close((double)model->settings.bias[2], -1, 0, "bias");
    assert_int_equal(model->steering_output, 1);
    assert_int_equal(model->assumption_count, 0);
    assert_int_equal(vbp_model_crop(model, 40, 20, &crop, NULL), VBP_OK);
    assert_int_equal(crop.x, 10);
    assert_int_equal(crop.y, 4);
    assert_int_equal(crop.width, 30);
    assert_int_equal(crop.height, 16);
    assert_int_equal(vbp_model_crop(model, 40, 4, &crop, NULL), VBP_ERROR_ARGUMENT);
    vbp_model_close(&model);
}

/* A bias alone leaves the scale at 1: both are about the bytes. */
static void scale_and_bias_go_together(void **state)
{
    VbpModel *model = opened_with_card(&(struct model_parts){0}, "{\"input\": {\"bias\": -128}}");

    (void)state;
    check_close((double)model->settings.scale[0], 1, 0, "scale");
    check_close((double)model->settings.bias[0], -128, 0, "bias");
    assert_false(assumes(model, "values"));
    vbp_model_close(&model);
}

static void contradictions_are_named(void **state)
{
    const struct model_parts gray = {0}, color = {.channels = 3}, bins = {.outputs = 15};

    (void)state;
    check_refused(&gray, "{\"input\": {\"size\": [200, 66]}}", VBP_ERROR_ARGUMENT,
                  "input.size is 200x66, but the network reads 16x12");
    check_refused(&gray, "{\"input\": {\"color\": \"rgb\"}}", VBP_ERROR_ARGUMENT,
                  "input.color 'rgb' does not go with the network's input of 1 channel");
    check_refused(&color, "{\"input\": {\"color\": \"gray\"}}", VBP_ERROR_ARGUMENT,
                  "input.color 'gray'");
    check_refused(&color, "{\"input\": {\"color\": \"saturation\"}}", VBP_ERROR_ARGUMENT,
                  "3 channels");
    check_refused(&color, "{\"input\": {\"scale\": [1, 2]}}", VBP_ERROR_ARGUMENT,
                  "input.scale has 2 numbers");
    check_refused(&gray, "{\"input\": {\"bias\": [1, 2, 3]}}", VBP_ERROR_ARGUMENT,
                  "input.bias has 3 numbers");
    check_refused(&gray, "{\"output\": {\"steering\": \"angle\"}}", VBP_ERROR_ARGUMENT,
                  "output.steering names 'angle', but the network has no such output; it has "
                  "'steering'");
    check_refused(&bins, "{\"output\": {\"kind\": \"bins\", \"bins\": [-1, 1, 14]}}",
                  VBP_ERROR_ARGUMENT, "14 bins, but the output 'steering' has 15 values");
    check_refused(&gray, "{\"output\": {\"bins\": [-1, 1, 15]}}", VBP_ERROR_ARGUMENT,
                  "output.bins counts 15 bins, but the output 'steering' has 1 value");
    check_refused(&gray, "{\"input\": {\"colour\": \"rgb\"}}", VBP_ERROR_FORMAT, "colour");
}

/* Only files of Keras have Lambdas: in another one, what they compute is part of the network, and
 * the card may still be that of the original. */
static void lambdas_are_for_keras(void **state)
{
    static const char lambda[] = "{\"lambda\": {\"lambda_1\": [0.5, -1]}}";
    struct model_parts with_card = {.card = lambda};
    VbpModel *model;

    (void)state;
    model = opened(&with_card);
    assert_int_equal(model->card.lambda_count, 0);
    vbp_model_close(&model);
    scratch_write("model.card.json", lambda, strlen(lambda));
    model = opened(&(struct model_parts){0});
    assert_int_equal(model->card.lambda_count, 0);
    vbp_model_close(&model);
    assert_int_equal(unlink(scratch_path("model.card.json")), 0);
}

/* The named card, else the one inside, else MODEL.card.json, else the one with another ending. */
static void which_card_wins(void **state)
{
    static const char *const top[] = {
        "{\"input\": {\"crop\": {\"top\": 1}}}", "{\"input\": {\"crop\": {\"top\": 2}}}",
        "{\"input\": {\"crop\": {\"top\": 3}}}", "{\"input\": {\"crop\": {\"top\": 4}}}"};

    (void)state;
    for (int first = 0; first < 5; first++) {
        VbpModelOptions options = {0};
        char path[512];
        VbpModel *model;

        remove(scratch_path("drive.onnx.card.json"));
        remove(scratch_path("drive.card.json"));
        if (first == 0)
            options.card_path = scratch_write("named.json", top[0], strlen(top[0]));
        strcpy(path, model_write("drive.onnx",
                                 &(struct model_parts){.card = first <= 1 ? top[1] : NULL}));
        if (first <= 2)
            scratch_write("drive.onnx.card.json", top[2], strlen(top[2]));
        if (first <= 3)
            scratch_write("drive.card.json", top[3], strlen(top[3]));
        model = open_with(path, &options);
        if (first == 4)
            assert_null(model->card_origin);
        else
            check_close(model->settings.crop_top, first + 1, 0, "crop of the card that wins");
        vbp_model_close(&model);
    }
}

/* A broken card counts only if it is the one that is used. */
static void broken_cards(void **state)
{
    const char *broken = "{\"input\": ";
    VbpModel *model;
    VbpError error;
    char path[512];

    (void)state;
    scratch_write("broken.card.json", broken, strlen(broken));
    strcpy(path, model_write("broken.onnx", &(struct model_parts){0}));
    assert_int_equal(vbp_model_open(&model, path, NULL, &error), VBP_ERROR_FORMAT);
    assert_non_null(strstr(error.message, "broken.card.json"));
    assert_null(model);
    model_write("broken.onnx", &(struct model_parts){.card = "{}"});
    model = open_with(path, NULL);
    vbp_model_close(&model);
    model_write("broken.onnx", &(struct model_parts){.card = "{\"lambda\": 3}"});
    assert_int_equal(vbp_model_open(&model, path, NULL, &error), VBP_ERROR_FORMAT);
    assert_non_null(strstr(error.message, "card inside"));
    assert_non_null(strstr(error.message, "broken.onnx"));
}

/* A file that leaves its size open gets it from a named card, one beside it, or the options. */
static void sizes_of_open_inputs(void **state)
{
    const struct model_parts open = {.height = -1, .width = -1};
    const char *card = "{\"input\": {\"size\": [16, 12]}}";
    VbpModelOptions options = {.input_width = 16, .input_height = 12};
    VbpModel *model;
    VbpError error;
    char path[512];

    (void)state;
    strcpy(path, model_write("open.onnx", &open));
    assert_int_equal(vbp_model_open(&model, path, NULL, &error), VBP_ERROR_UNSUPPORTED);
    assert_non_null(strstr(error.message, "input.size"));
    model = open_with(path, &options);
    assert_int_equal(model->settings.width, 16);
    vbp_model_close(&model);
    options = (VbpModelOptions){.card_path = scratch_write("size.json", card, strlen(card))};
    model = open_with(path, &options);
    assert_int_equal(model->settings.height, 12);
    vbp_model_close(&model);
    scratch_write("open.card.json", card, strlen(card));
    model = open_with(path, NULL);
    assert_int_equal(model->settings.height, 12);
    vbp_model_close(&model);
}

/* The card inside says it too; it outranks one beside the model, and a named one outranks both. The
 * network fits 12 x 16 only, so each of the others is refused by its dense layer. */
static void card_inside_sizes_open_inputs(void **state)
{
    const struct model_parts right = {
        .height = -1, .width = -1, .card = "{\"input\": {\"size\": [16, 12]}}"};
    const struct model_parts wrong = {
        .height = -1, .width = -1, .card = "{\"input\": {\"size\": [40, 30]}}"};
    const char *small = "{\"input\": {\"size\": [16, 12]}}", *large = wrong.card;
    VbpModelOptions options = {0};
    VbpModel *model;
    VbpError error;
    char path[512];

    (void)state;
    strcpy(path, model_write("inside.onnx", &right));
    scratch_write("inside.card.json", large, strlen(large));
    model = open_with(path, NULL);
    assert_int_equal(model->settings.width, 16);
    vbp_model_close(&model);
    strcpy(path, model_write("inside-wrong.onnx", &wrong));
    assert_int_equal(vbp_model_open(&model, path, NULL, &error), VBP_ERROR_FORMAT);
    options.card_path = scratch_write("named.json", small, strlen(small));
    model = open_with(path, &options);
    assert_int_equal(model->settings.height, 12);
    vbp_model_close(&model);
}

static void what_is_no_model(void **state)
{
    const char *text = "steering";
    VbpModel *model = (VbpModel *)text;
    VbpError error;

    (void)state;
    assert_int_equal(vbp_model_open(&model, scratch_path("absent.onnx"), NULL, &error),
                     VBP_ERROR_IO);
    assert_null(model);
    assert_non_null(strstr(error.message, "absent.onnx"));
    assert_true(vbp_model_open(&model, scratch_write("text.onnx", text, 8), NULL, &error) < 0);
    assert_non_null(strstr(error.message, "text file"));
    assert_null(model);
    assert_int_equal(vbp_model_open(&model, NULL, NULL, &error), VBP_ERROR_ARGUMENT);
    assert_int_equal(vbp_model_open(&model, scratch_path("absent.onnx"), NULL, NULL), VBP_ERROR_IO);
    vbp_model_close(&model);
}

/* ---- The wheel ------------------------------------------------------------------------------ */

static void the_wheel(void **state)
{
    static const struct {
        const char *card;
        double steering, degrees;
        const char *unit;
    } cases[] = {
        {"{}", 0.5, 90, ""},
        {"{\"output\": {\"positive\": \"left\"}}", 0.5, -90, ""},
        {"{\"output\": {\"unit\": \"normalized\", \"full_lock\": 2}}", 1, 90, ""},
        {"{\"output\": {\"unit\": \"degrees\"}}", -35, -35, "degrees"},
        {"{\"output\": {\"unit\": \"degrees\", \"positive\": \"left\"}}", -35, 35, "degrees"},
        {"{\"output\": {\"unit\": \"radians\"}}", 1, 57.29578, "rad"},
        /* atan(0.01 * 2.7) * 15 */
        {"{\"output\": {\"unit\": \"inverse_radius\"}}", 0.01, 23.19916, "1/m"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        VbpModel *model = opened_with_card(&(struct model_parts){0}, cases[i].card);

        check_close(model_wheel_degrees(model, cases[i].steering), cases[i].degrees, 1e-3,
                    cases[i].card);
        assert_string_equal(model_unit_text(model), cases[i].unit);
        vbp_model_close(&model);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(assumptions_without_a_card),
        cmocka_unit_test(networks_that_take_bytes),
        cmocka_unit_test(which_output_steers),
        cmocka_unit_test(softmax_means_bins),
        cmocka_unit_test(the_option_names_the_output),
        cmocka_unit_test(unknown_outputs_are_refused),
        cmocka_unit_test(levels),
        cmocka_unit_test(what_a_card_says),
        cmocka_unit_test(scale_and_bias_go_together),
        cmocka_unit_test(contradictions_are_named),
        cmocka_unit_test(lambdas_are_for_keras),
        cmocka_unit_test(which_card_wins),
        cmocka_unit_test(broken_cards),
        cmocka_unit_test(sizes_of_open_inputs),
        cmocka_unit_test(card_inside_sizes_open_inputs),
        cmocka_unit_test(what_is_no_model),
        cmocka_unit_test(the_wheel),
    };

    return cmocka_run_group_tests(tests, scratch_setup, scratch_teardown);
}
