/* Runners: frames and ready inputs, results and how long they live. */
#include "support/models.h"
#include "support/numbers.h"
#include "support/scratch.h"
#include "vbp.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define HEIGHT 12
#define WIDTH  16

struct opened {
    VbpModel *model;
    VbpRunner *runner;
};

static struct opened open_parts(const struct model_parts *parts, const char *card,
                                const VbpRunnerOptions *runner_options)
{
    struct opened opened;
    VbpModelOptions options = {0};
    VbpError error;

    if (card)
        options.card_path = scratch_write("card.json", card, strlen(card));
    if (vbp_model_open(&opened.model, model_write("model.onnx", parts), &options, &error) !=
            VBP_OK ||
        vbp_runner_create(&opened.runner, opened.model, runner_options, &error) != VBP_OK)
        fail_msg("%s", error.message);
    return opened;
}

static void close_parts(struct opened *opened)
{
    vbp_runner_destroy(&opened->runner);
    assert_null(opened->runner);
    vbp_model_close(&opened->model);
}

static void run_input(VbpRunner *runner, const float *input, size_t length)
{
    VbpError error;

    if (vbp_runner_run_input(runner, input, length, &error) != VBP_OK)
        fail_msg("%s", error.message);
}

/* A frame of the network's own size gives what the same numbers as a ready input give. */
static void frames_and_ready_inputs_agree(void **state)
{
    struct opened opened = open_parts(&(struct model_parts){.channels = 3}, NULL, NULL);
    uint8_t pixels[HEIGHT * WIDTH * 3];
    float input[3 * HEIGHT * WIDTH], mask[HEIGHT * WIDTH];
    const VbpImage image = {.format = VBP_PIXEL_RGB24,
                            .width = WIDTH,
                            .height = HEIGHT,
                            .plane = {pixels},
                            .stride = {WIDTH * 3}};
    double steering;
    int height, width;
    VbpTimes times;
    VbpError error;

    (void)state;
    for (int i = 0; i < HEIGHT * WIDTH * 3; i++) {
        pixels[i] = (uint8_t)(i * 37 % 256);
        input[i % 3 * HEIGHT * WIDTH + i / 3] = (float)pixels[i] / 255;
    }
    if (vbp_runner_run_image(opened.runner, &image, &error) != VBP_OK)
        fail_msg("%s", error.message);
    steering = vbp_runner_steering(opened.runner);
    memcpy(mask, vbp_runner_mask(opened.runner, &height, &width), sizeof(mask));
    assert_int_equal(height, HEIGHT);
    assert_int_equal(width, WIDTH);
    times = vbp_runner_times(opened.runner);
    assert_true(times.preprocess_ms >= 0 && times.forward_ms >= 0 && times.mask_ms >= 0);
    run_input(opened.runner, input, 3 * HEIGHT * WIDTH);
    check_close(vbp_runner_steering(opened.runner), steering, 1e-4, "steering");
    check_close((double)vbp_runner_output(opened.runner, 0)[0], steering, 1e-4, "output");
    for (int i = 0; i < HEIGHT * WIDTH; i++) {
        check_close((double)vbp_runner_mask(opened.runner, &height, &width)[i], (double)mask[i],
                    1e-4, "mask");
        assert_true(mask[i] >= 0 && mask[i] <= 1);
    }
    close_parts(&opened);
}

/* Channels last: the ready input is in the layout of the file, and frames are put into it. */
static void layouts_of_the_file(void **state)
{
    struct opened last =
        open_parts(&(struct model_parts){.begin = MODEL_CHANNELS_LAST, .channels = 3}, NULL, NULL);
    struct opened first = open_parts(&(struct model_parts){.channels = 3}, NULL, NULL);
    uint8_t pixels[HEIGHT * WIDTH * 3];
    float input[HEIGHT * WIDTH * 3];
    const VbpImage image = {.format = VBP_PIXEL_RGB24,
                            .width = WIDTH,
                            .height = HEIGHT,
                            .plane = {pixels},
                            .stride = {WIDTH * 3}};
    double steering;

    (void)state;
    for (int i = 0; i < HEIGHT * WIDTH * 3; i++) {
        pixels[i] = (uint8_t)(i * 29 % 251);
        input[i] = (float)pixels[i] / 255;
    }
    assert_int_equal(vbp_runner_run_image(first.runner, &image, NULL), VBP_OK);
    steering = vbp_runner_steering(first.runner);
    assert_int_equal(vbp_runner_run_image(last.runner, &image, NULL), VBP_OK);
    check_close(vbp_runner_steering(last.runner), steering, 1e-4, "steering");
    run_input(last.runner, input, HEIGHT * WIDTH * 3);
    check_close(vbp_runner_steering(last.runner), steering, 1e-4, "steering");
    close_parts(&last);
    close_parts(&first);
}

static void averages_and_products(void **state)
{
    struct opened opened = open_parts(&(struct model_parts){0}, NULL, NULL);
    float input[HEIGHT * WIDTH], minimum, maximum;
    int height, width;
    double largest = 0;

    (void)state;
    for (int i = 0; i < HEIGHT * WIDTH; i++)
        input[i] = (float)(i % 7);
    run_input(opened.runner, input, HEIGHT * WIDTH);
    vbp_model_level_size(opened.model, 0, &height, &width);
    for (int i = 0; i < height * width; i++) {
        double average = (double)vbp_runner_level_average(opened.runner, 0)[i];

        assert_true(average >= 0);
        /* One level: its product is its average times the ones of the dense layer. */
        check_close((double)vbp_runner_level_product(opened.runner, 0)[i], average, 0, "product");
        largest = fmax(largest, average);
    }
    vbp_runner_mask_range(opened.runner, &minimum, &maximum);
    assert_true(minimum >= 0 && minimum < maximum);
    assert_true((double)maximum >= largest && (double)maximum <= 9 * largest);
    close_parts(&opened);
}

static void wrong_inputs(void **state)
{
    struct opened opened = open_parts(&(struct model_parts){0}, NULL, NULL);
    float input[HEIGHT * WIDTH + 1] = {0};
    const VbpImage none = {0};
    VbpError error;

    (void)state;
    assert_int_equal(vbp_runner_run_input(opened.runner, input, HEIGHT * WIDTH + 1, &error),
                     VBP_ERROR_ARGUMENT);
    assert_non_null(strstr(error.message, "1x1x12x16, 193 numbers were given"));
    assert_int_equal(vbp_runner_run_input(opened.runner, input, 0, &error), VBP_ERROR_ARGUMENT);
    assert_int_equal(vbp_runner_run_image(opened.runner, &none, &error), VBP_ERROR_ARGUMENT);
    input[5] = NAN;
    assert_int_equal(vbp_runner_run_input(opened.runner, input, HEIGHT * WIDTH, &error),
                     VBP_ERROR_NUMERIC);
    assert_non_null(strstr(error.message, "model.onnx: the network's input holds NaN"));
    input[5] = 0;
    run_input(opened.runner, input, HEIGHT * WIDTH);
    close_parts(&opened);
}

/* Five channels are no picture, but numbers like any others. */
static void inputs_that_are_no_pictures(void **state)
{
    struct opened opened = open_parts(&(struct model_parts){.channels = 5}, NULL, NULL);
    float input[5 * HEIGHT * WIDTH] = {0};
    const uint8_t pixel[1] = {0};
    const VbpImage image = {
        .format = VBP_PIXEL_GRAY8, .width = 1, .height = 1, .plane = {pixel}, .stride = {1}};
    int height, width;
    VbpError error;

    (void)state;
    assert_int_equal(vbp_runner_run_image(opened.runner, &image, &error), VBP_ERROR_UNSUPPORTED);
    assert_non_null(strstr(error.message, "1x5x12x16 is not a picture"));
    run_input(opened.runner, input, 5 * HEIGHT * WIDTH);
    assert_non_null(vbp_runner_mask(opened.runner, &height, &width));
    close_parts(&opened);
}

static void without_a_mask(void **state)
{
    const VbpRunnerOptions no_mask = {.no_mask = 1};
    struct opened opened = open_parts(&(struct model_parts){.no_relu = 1}, NULL, &no_mask);
    float input[HEIGHT * WIDTH] = {1}, minimum = 7, maximum = 7;
    int height, width;
    VbpRunner *runner;
    VbpError error;

    (void)state;
    run_input(opened.runner, input, HEIGHT * WIDTH);
    assert_null(vbp_runner_mask(opened.runner, &height, &width));
    vbp_runner_mask_range(opened.runner, &minimum, &maximum);
    check_close((double)minimum, 0, 0, "minimum");
    check_close((double)maximum, 0, 0, "maximum");
    /* This network has no level: a runner with a mask cannot be. */
    assert_int_equal(vbp_runner_create(&runner, opened.model, NULL, &error), VBP_ERROR_NO_MASK);
    assert_null(runner);
    assert_non_null(strstr(error.message, "model.onnx: "));
    close_parts(&opened);
    /* One that has, and no mask is wanted. */
    opened = open_parts(&(struct model_parts){0}, NULL, &no_mask);
    run_input(opened.runner, input, HEIGHT * WIDTH);
    assert_null(vbp_runner_mask(opened.runner, &height, &width));
    assert_null(vbp_runner_level_average(opened.runner, 0));
    assert_null(vbp_runner_level_product(opened.runner, 0));
    close_parts(&opened);
}

static void wrong_options(void **state)
{
    struct opened opened = open_parts(&(struct model_parts){0}, NULL, NULL);
    const VbpRunnerOptions options = {.average = (VbpAverage)3};
    VbpRunner *runner;
    VbpError error;

    (void)state;
    assert_int_equal(vbp_runner_create(&runner, opened.model, &options, &error),
                     VBP_ERROR_ARGUMENT);
    assert_null(runner);
    vbp_runner_destroy(&runner);
    close_parts(&opened);
}

/* The likeliest of the bins: -1, -0.5, 0, 0.5, 1. */
static void bins(void **state)
{
    float input[HEIGHT * WIDTH] = {0};

    (void)state;
    for (int likeliest = 0; likeliest < 5; likeliest++) {
        float bias[5] = {-3, -2, -3, -2, -3};
        struct opened opened;

        bias[likeliest] = -1;
        opened = open_parts(&(struct model_parts){.outputs = 5, .bias = bias},
                            "{\"output\": {\"kind\": \"bins\", \"bins\": [-1, 1, 5]}}", NULL);
        run_input(opened.runner, input, HEIGHT * WIDTH);
        check_close(vbp_runner_steering(opened.runner), likeliest / 2.0 - 1, 1e-12, "steering");
        check_close((double)vbp_runner_output(opened.runner, 0)[likeliest], -1, 0, "output");
        close_parts(&opened);
    }
}

/* Donkey's 15 bins from -1 to 1 lie 1/7 apart: the fourth is -1 + 3/7. */
static void bins_by_hand(void **state)
{
    static const struct {
        const char *card; /* NULL: none, and a softmax */
        int likeliest;
        double steering;
    } cases[] = {
        {"{\"output\": {\"kind\": \"bins\", \"bins\": [-1, 1, 15]}}", 3, -4.0 / 7},
        {"{\"output\": {\"kind\": \"bins\", \"bins\": [-1, 1, 15]}}", 7, 0},
        {"{\"output\": {\"kind\": \"bins\", \"bins\": [1, -1, 15]}}", 3, 4.0 / 7},
        {"{\"output\": {\"kind\": \"bins\", \"bins\": [-25, 3, 15]}}", 14, 3},
        {"{\"output\": {\"kind\": \"bins\", \"bins\": [-25, 3, 15]}}", 1, -23},
        {NULL, 13, 6.0 / 7},
    };
    float input[HEIGHT * WIDTH] = {0};

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        float bias[15] = {0};
        struct opened opened;

        bias[cases[i].likeliest] = 0.5F;
        /* Of two alike the first counts, as NumPy's argmax has it. */
        bias[14] = cases[i].likeliest < 7 ? 0.5F : bias[14];
        opened = open_parts(
            &(struct model_parts){.outputs = 15, .bias = bias, .softmax = cases[i].card == NULL},
            cases[i].card, NULL);
        run_input(opened.runner, input, HEIGHT * WIDTH);
        check_close(vbp_runner_steering(opened.runner), cases[i].steering, 1e-12, "steering");
        close_parts(&opened);
    }
}

/* The mask is the network's, whichever of its outputs steers. */
static void mask_is_the_same_for_every_output(void **state)
{
    static const char *const outputs[] = {"throttle", "steering"};
    const struct model_parts parts = {.second_output = 1, .outputs = 1};
    const char *path = model_write("two.onnx", &parts);
    float input[HEIGHT * WIDTH], kept[HEIGHT * WIDTH];
    double steering[2];

    (void)state;
    for (int i = 0; i < HEIGHT * WIDTH; i++)
        input[i] = (float)(i * i % 13) / 13;
    for (int i = 0; i < 2; i++) {
        VbpModelOptions options = {.steering_output = outputs[i]};
        struct opened opened;
        const float *mask;
        int height, width;

        assert_int_equal(vbp_model_open(&opened.model, path, &options, NULL), VBP_OK);
        assert_int_equal(vbp_runner_create(&opened.runner, opened.model, NULL, NULL), VBP_OK);
        run_input(opened.runner, input, HEIGHT * WIDTH);
        steering[i] = vbp_runner_steering(opened.runner);
        check_close(steering[i], (double)vbp_runner_output(opened.runner, i)[0], 0, outputs[i]);
        mask = vbp_runner_mask(opened.runner, &height, &width);
        if (i == 0)
            memcpy(kept, mask, sizeof(kept));
        else
            assert_memory_equal(mask, kept, sizeof(kept));
        close_parts(&opened);
    }
}

/* The output that steers is the one that the card names. */
static void named_output_steers(void **state)
{
    const float bias[1] = {0.75F};
    const struct model_parts parts = {.second_output = 1, .bias = bias};
    struct opened opened = open_parts(&parts, "{\"output\": {\"steering\": \"steering\"}}", NULL);
    float input[HEIGHT * WIDTH] = {0};

    (void)state;
    run_input(opened.runner, input, HEIGHT * WIDTH);
    check_close(vbp_runner_steering(opened.runner), 0.75, 0, "steering");
    check_close((double)vbp_runner_output(opened.runner, 0)[0], 0.25, 0, "throttle");
    close_parts(&opened);
}

/* Results stay where they are and as they are until the runner's own next run. */
static void results_live_until_the_next_run(void **state)
{
    struct opened opened = open_parts(&(struct model_parts){0}, NULL, NULL);
    VbpRunner *other;
    float input[HEIGHT * WIDTH], copy[HEIGHT * WIDTH];
    const float *mask, *output;
    double steering;
    int height, width;

    (void)state;
    assert_int_equal(vbp_runner_create(&other, opened.model, NULL, NULL), VBP_OK);
    for (int i = 0; i < HEIGHT * WIDTH; i++)
        input[i] = (float)(i * i % 13);
    run_input(opened.runner, input, HEIGHT * WIDTH);
    mask = vbp_runner_mask(opened.runner, &height, &width);
    output = vbp_runner_output(opened.runner, 0);
    steering = vbp_runner_steering(opened.runner);
    memcpy(copy, mask, sizeof(copy));
    for (int i = 0; i < HEIGHT * WIDTH; i++)
        input[i] = (float)(i % 5);
    run_input(other, input, HEIGHT * WIDTH);
    assert_memory_equal(mask, copy, sizeof(copy));
    check_close((double)output[0], steering, 0, "output");
    assert_true(fabs(vbp_runner_steering(other) - steering) > 1e-3);
    /* The other one goes; this one stays. */
    vbp_runner_destroy(&other);
    assert_memory_equal(vbp_runner_mask(opened.runner, &height, &width), copy, sizeof(copy));
    close_parts(&opened);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(frames_and_ready_inputs_agree),
        cmocka_unit_test(layouts_of_the_file),
        cmocka_unit_test(averages_and_products),
        cmocka_unit_test(wrong_inputs),
        cmocka_unit_test(inputs_that_are_no_pictures),
        cmocka_unit_test(without_a_mask),
        cmocka_unit_test(wrong_options),
        cmocka_unit_test(bins),
        cmocka_unit_test(bins_by_hand),
        cmocka_unit_test(mask_is_the_same_for_every_output),
        cmocka_unit_test(named_output_steers),
        cmocka_unit_test(results_live_until_the_next_run),
    };

    return cmocka_run_group_tests(tests, scratch_setup, scratch_teardown);
}
