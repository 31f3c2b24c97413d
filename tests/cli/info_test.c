/* `vbp info` from outside: what it tells of networks, and of files that it refuses. */
#include "support/data.h"
#include "support/keras_builder.h"
#include "support/models.h"
#include "support/onnx_builder.h"
#include "support/process.h"
#include "support/scratch.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>

#include <cjson/cJSON.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The run ended with that status and printed all of the NULL-terminated lines' beginnings. */
static void expect_told(struct process_result result, int status, const char *const *lines)
{
    if (result.status != status)
        fail_msg("exit %d, not %d: %s", result.status, status, result.errors);
    for (; *lines; lines++) {
        if (!strstr(result.output, *lines))
            fail_msg("no '%s' in:\n%s", *lines, result.output);
    }
    process_free(&result);
}

#define TOLD(status, run, ...) expect_told(run, status, (const char *const[]){__VA_ARGS__, NULL})

/* What `vbp info --json FILE` printed; to be deleted. */
static cJSON *told_json(const char *path, int status)
{
    struct process_result result = VBP_RUN("info", "--json", path);
    cJSON *root = cJSON_Parse(result.output);

    if (result.status != status || !root)
        fail_msg("%s: exit %d: %s%s", path, result.status, result.output, result.errors);
    process_free(&result);
    return root;
}

static const char *text_of(const cJSON *object, const char *key)
{
    const cJSON *item = cJSON_GetObjectItemCaseSensitive(object, key);

    if (!cJSON_IsString(item))
        fail_msg("%s is no text", key);
    return item->valuestring;
}

static int length_of(const cJSON *object, const char *key)
{
    const cJSON *item = cJSON_GetObjectItemCaseSensitive(object, key);

    if (!cJSON_IsArray(item))
        fail_msg("%s is no list", key);
    return cJSON_GetArraySize(item);
}

/* ---- Networks ------------------------------------------------------------------------------- */

static void tells_all_of_a_network(void **state)
{
    const char *model =
        model_write("two.onnx", &(struct model_parts){.channels = 3, .second_output = 1});
    cJSON *root = told_json(model, 0), *outputs, *input;

    (void)state;
    /* 3 x 3 x 3 kernels of 3 channels on 14 x 10 cells, and two dense layers of 420 inputs. */
    TOLD(0, VBP_RUN("info", model), "format    ONNX IR 7, opset 13, written by builder 1.0\n",
         "input     image: 1x3x12x16 (NCHW)\n", "output    throttle: 1x1\n",
         "output    steering: 1x1, steers: its name contains 'steer'\n",
         "steering  normalized, positive to the right\n", "card      none\n",
         "resize bilinear to 16x12; color rgb\n", "assumed   color rgb", "assumed   values 0..1\n",
         "assumed   the whole frame, no crop\n",
         "assumed   output 'steering' steers: its name contains 'steer'\n",
         "size      923 parameters, 12180 multiply-adds\n", "levels    1\n", "  level\n");
    assert_string_equal(text_of(root, "format"), "ONNX IR 7, opset 13");
    input = cJSON_GetObjectItemCaseSensitive(root, "input");
    assert_string_equal(text_of(input, "layout"), "NCHW");
    assert_int_equal(length_of(input, "shape"), 4);
    assert_int_equal(length_of(root, "outputs"), 2);
    outputs = cJSON_GetObjectItemCaseSensitive(root, "outputs");
    assert_true(cJSON_IsFalse(
        cJSON_GetObjectItemCaseSensitive(cJSON_GetArrayItem(outputs, 0), "steering")));
    assert_true(
        cJSON_IsTrue(cJSON_GetObjectItemCaseSensitive(cJSON_GetArrayItem(outputs, 1), "steering")));
    assert_string_equal(text_of(root, "steering_reason"), "its name contains 'steer'");
    assert_null(cJSON_GetObjectItemCaseSensitive(root, "bins"));
    assert_null(cJSON_GetObjectItemCaseSensitive(root, "refused"));
    assert_int_equal(length_of(root, "assumptions"), 4);
    assert_int_equal(cJSON_GetObjectItemCaseSensitive(root, "macs")->valueint, 12180);
    assert_int_equal(cJSON_GetObjectItemCaseSensitive(root, "parameters")->valueint, 923);
    assert_int_equal(length_of(root, "levels"), 1);
    assert_int_equal(length_of(root, "layers"), 6);
    cJSON_Delete(root);
}

static void tells_why_an_output_steers(void **state)
{
    static const char card[] = "{\"output\": {\"steering\": \"throttle\", \"unit\": \"degrees\", "
                               "\"positive\": \"left\", \"full_lock\": 25}}";
    static const char bins[] = "{\"output\": {\"kind\": \"bins\", \"bins\": [-0.5, 0.5, 7]}}";
    const char *model = model_write("two.onnx", &(struct model_parts){.second_output = 1});
    const char *one = model_write("one.onnx", &(struct model_parts){.outputs = 7});
    const char *named = scratch_write("named.json", card, strlen(card));
    const char *with_bins = scratch_write("bins.json", bins, strlen(bins));
    cJSON *root;

    (void)state;
    TOLD(0, VBP_RUN("info", model, "--card", named), "throttle: 1x1, steers: named by the card\n",
         "steering  degrees, positive to the left, full lock 25\n");
    TOLD(0, VBP_RUN("info", model, "--card", named, "--output", "steering"),
         "output    throttle: 1x1\n", "steering: 1x1, steers: chosen by --output\n");
    TOLD(0, VBP_RUN("info", one, "--card", with_bins), "steering: 1x7, steers: the only output\n",
         "steering  the likeliest of 7 bins from -0.5 to 0.5; normalized");
    TOLD(0, VBP_RUN("info", one),
         "assumed   of the 7 values of 'steering' the first is the steering");
    one = model_write("likely.onnx", &(struct model_parts){.outputs = 7, .softmax = 1});
    root = told_json(one, 0);
    assert_int_equal(length_of(root, "bins"), 3);
    assert_string_equal(text_of(root, "steering_reason"), "the only output");
    cJSON_Delete(root);
}

/* Each of them: one output steers, for a reason; levels, work and preprocessing are told. */
static void tells_all_of_the_zoo(void **state)
{
    static const char *const models[] = {
        "carla-light/model.onnx",    "comma-same-maxpool/model.h5", "donkey-categorical/model.h5",
        "donkey-linear/model.h5",    "dronet-relu6/model.onnx",     "pilotnet-crop/model.h5",
        "pilotnet-elu-yuv/model.h5", "pilotnet-keras3/model.keras", "prelu-bn/model.h5",
        "resnet-preact/model.h5",    "squeeze-fire/model.h5",       "tiny-avgpool-bn/model.h5"};

    (void)state;
    for (size_t i = 0; i < sizeof(models) / sizeof(models[0]); i++) {
        char name[100];
        cJSON *root, *output;
        int steering = 0;

        snprintf(name, sizeof(name), "zoo/%s", models[i]);
        root = told_json(data_path(name), 0);
        assert_non_null(
            strstr(text_of(root, "format"), strstr(name, ".onnx") ? "ONNX IR " : "Keras "));
        cJSON_ArrayForEach(output, cJSON_GetObjectItemCaseSensitive(root, "outputs"))
        {
            steering += cJSON_IsTrue(cJSON_GetObjectItemCaseSensitive(output, "steering"));
            assert_int_equal(length_of(output, "shape") <= 2, 1);
        }
        assert_int_equal(steering, 1);
        assert_true(*text_of(root, "steering_reason"));
        assert_true(length_of(root, "levels") >= 3);
        assert_true(length_of(root, "layers") > length_of(root, "levels"));
        assert_true(length_of(root, "assumptions") >= 3);
        assert_true(cJSON_GetObjectItemCaseSensitive(root, "macs")->valuedouble > 2e4);
        assert_true(cJSON_GetObjectItemCaseSensitive(root, "parameters")->valuedouble > 50);
        assert_string_equal(
            text_of(cJSON_GetObjectItemCaseSensitive(root, "preprocessing"), "resize"), "bilinear");
        cJSON_Delete(root);
    }
}

/* ---- Refused files -------------------------------------------------------------------------- */

/* A network whose third node nobody can run. */
static const char *write_unknown_operator(void)
{
    struct onnx_builder builder;
    unsigned char *bytes;
    const char *path;
    size_t length;

    onnx_builder_begin(&builder, 13);
    onnx_builder_input(&builder, "image", NUMBERS(1, 3, 12, 16));
    onnx_builder_floats(&builder, "kernel", NUMBERS(4, 3, 3, 3), NULL);
    onnx_builder_node(&builder, "Conv", "conv", "image kernel", "convolved");
    onnx_builder_node(&builder, "Relu", "relu", "convolved", "level");
    onnx_builder_node(&builder, "DeformConv", "bent", "level kernel", "steering");
    onnx_builder_output(&builder, "steering");
    onnx_builder_pack(&builder, &bytes, &length);
    path = scratch_write("unknown.onnx", bytes, length);
    free(bytes);
    onnx_builder_end(&builder);
    return path;
}

static void tells_how_far_an_onnx_file_was_read(void **state)
{
    static const char reason[] = "operator 'DeformConv' (node 'bent', opset 13) is not supported";
    const char *path = write_unknown_operator();
    struct process_result result = VBP_RUN("info", path);
    cJSON *root = told_json(path, 1);
    char wanted[300];

    (void)state;
    snprintf(wanted, sizeof(wanted), "vbp: %s: %s\n", path, reason);
    assert_string_equal(result.errors, wanted);
    snprintf(wanted, sizeof(wanted), "refused   %s\n", reason);
    TOLD(1, result, "format    ONNX IR 7, opset 13, written by builder 1.0\n",
         "input     image: 1x3x12x16\n", wanted,
         "size      108 parameters, 15120 multiply-adds, as far as it was read\n",
         "   0  conv                         Conv                         1x4x10x14",
         "   1  relu                         Relu                         1x4x10x14");
    assert_string_equal(text_of(root, "refused"), reason);
    assert_string_equal(text_of(root, "format"), "ONNX IR 7, opset 13");
    assert_int_equal(length_of(root, "layers"), 2);
    assert_int_equal(length_of(root, "levels"), 0);
    assert_null(cJSON_GetObjectItemCaseSensitive(root, "steering_reason"));
    cJSON_Delete(root);
}

static void tells_what_a_keras_file_is(void **state)
{
    struct keras_builder builder;
    unsigned char *bytes;
    const char *path;
    size_t length;

    (void)state;
    keras_builder_begin(&builder, "2.6.0");
    keras_builder_layer(&builder, "Flatten", "flat", "\"batch_input_shape\": [null, 4, 4, 3]");
    keras_builder_layer(&builder, "GRU", "memory", "\"units\": 2");
    keras_builder_pack(&builder, &bytes, &length);
    keras_builder_end(&builder);
    path = scratch_write("memory.h5", bytes, length);
    free(bytes);
    TOLD(1, VBP_RUN("info", path), "format    Keras 2.6.0 (.h5, tensorflow)\n", "refused   ",
         "cannot run GRU 'memory'");
}

/* The kind of a file is told, whatever its name is; of no kind at all, nothing is. */
static void tells_the_kind_of_what_is_refused(void **state)
{
    static const struct {
        const char *name, *format, *reason;
    } cases[] = {
        {"pickle-named.h5", "PyTorch pickle", "a PyTorch pickle: it holds code, not a network"},
        {"state-dict.pth", "PyTorch state dict",
         "a PyTorch state dict: weights without the network they belong to; load them into that "
         "network and export it to ONNX with torch.onnx.export"},
        {"pilotnet-int8.tflite", "TensorFlow Lite",
         "a TensorFlow Lite file, packed for small devices; export the network that it was made "
         "from to ONNX instead, or use its Keras file"},
        {"recurrent-lstm.h5", "Keras 2.15.0 (.h5, tensorflow)",
         "cannot run LSTM 'LSTM_seq', LSTM 'LSTM_fin': a recurrent layer"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char name[100];
        cJSON *root;

        snprintf(name, sizeof(name), "refuse/%s", cases[i].name);
        root = told_json(data_path(name), 1);
        assert_string_equal(text_of(root, "format"), cases[i].format);
        if (!strstr(text_of(root, "refused"), cases[i].reason))
            fail_msg("%s: %s", cases[i].name, text_of(root, "refused"));
        cJSON_Delete(root);
    }
}

static void tells_nothing_of_what_is_no_model(void **state)
{
    static const char wrong[] = "{\"output\": {\"steering\": \"nobody\"}}";
    const char *model = model_write("one.onnx", &(struct model_parts){0});
    const char *paths[] = {scratch_write("text.onnx", "hello\n", 6), scratch_path("absent.onnx")};
    struct process_result result;

    (void)state;
    for (int i = 0; i < 3; i++) {
        result = i < 2 ? VBP_RUN("info", paths[i])
                       : VBP_RUN("info", model, "--card",
                                 scratch_write("wrong.json", wrong, strlen(wrong)));
        assert_int_equal(result.status, 1);
        assert_string_equal(result.output, "");
        assert_true(*result.errors);
        process_free(&result);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tells_all_of_a_network),
        cmocka_unit_test(tells_why_an_output_steers),
        cmocka_unit_test(tells_all_of_the_zoo),
        cmocka_unit_test(tells_how_far_an_onnx_file_was_read),
        cmocka_unit_test(tells_what_a_keras_file_is),
        cmocka_unit_test(tells_the_kind_of_what_is_refused),
        cmocka_unit_test(tells_nothing_of_what_is_no_model),
    };

    return cmocka_run_group_tests(tests, scratch_setup, scratch_teardown);
}
