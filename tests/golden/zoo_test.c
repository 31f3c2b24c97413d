/*
 * Networks of other people, found in the wild, against outputs and masks from two independent
 * implementations: as they are, and once more as the ONNX files that `vbp convert` makes of them;
 * at every level of instructions, on 1, 2 and 4 threads.
 */
#include "api/model.h"
#include "base/file.h"
#include "formats/formats.h"
#include "support/data.h"
#include "support/engines.h"
#include "support/process.h"
#include "support/scratch.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>

#include <cjson/cJSON.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define INPUTS 2

static const char *zoo_path(const char *network, const char *file)
{
    char name[128];

    snprintf(name, sizeof(name), "zoo/%s/%s", network, file);
    return data_path(name);
}

static cJSON *read_json(const char *path)
{
    unsigned char *text;
    size_t length;
    cJSON *root;

    assert_int_equal(file_read(path, 1 << 20, &text, &length, NULL), VBP_OK);
    root = cJSON_Parse((const char *)text);
    assert_non_null(root);
    free(text);
    return root;
}

/* The card that says what facts.json does of a network's input. */
static const char *write_card(const char *network)
{
    static const char *const sides[] = {"top", "bottom", "left", "right"};
    cJSON *facts = read_json(zoo_path(network, "facts.json")), *card = cJSON_CreateObject();
    cJSON *input = cJSON_AddObjectToObject(card, "input");
    const cJSON *crop = cJSON_GetObjectItem(facts, "crop_top_bottom_left_right");
    const cJSON *size = cJSON_GetObjectItem(facts, "resize_width_height");
    const char *color = cJSON_GetObjectItem(facts, "colour")->valuestring;
    const char *path;
    char name[64], *text;

    cJSON_AddStringToObject(input, "color", strcmp(color, "bgr>yuv") == 0 ? "yuv-swapped" : color);
    cJSON_AddStringToObject(input, "resize",
                            cJSON_GetObjectItem(facts, "resize_filter")->valuestring);
    cJSON_AddNumberToObject(input, "scale", cJSON_GetObjectItem(facts, "scale")->valuedouble);
    cJSON_AddNumberToObject(input, "bias", cJSON_GetObjectItem(facts, "bias")->valuedouble);
    if (cJSON_IsArray(crop)) {
        cJSON *object = cJSON_AddObjectToObject(input, "crop");

        for (int i = 0; i < 4; i++)
            cJSON_AddNumberToObject(object, sides[i], cJSON_GetArrayItem(crop, i)->valuedouble);
    }
    if (cJSON_IsArray(size))
        cJSON_AddItemToObject(input, "size", cJSON_Duplicate(size, 1));
    cJSON_AddItemToObject(card, "lambda", cJSON_DetachItemFromObject(facts, "lambda_scale_bias"));
    text = cJSON_Print(card);
    assert_non_null(text);
    snprintf(name, sizeof(name), "%s.card", network);
    path = scratch_write(name, text, strlen(text));
    free(text);
    cJSON_Delete(card);
    cJSON_Delete(facts);
    return path;
}

/* Outputs may be called otherwise: values in the file's order of outputs, and each one's length. */
static double worst_output(const VbpRunner *runner, const VbpModel *model, const cJSON *expected)
{
    double worst = 0;

    assert_int_equal(vbp_model_output_count(model), cJSON_GetArraySize(expected));
    for (int i = 0; i < vbp_model_output_count(model); i++) {
        const cJSON *want = cJSON_GetObjectItem(expected, vbp_model_output_name(model, i));
        size_t length = vbp_model_output_length(model, i);

        want = want ? want : cJSON_GetArrayItem(expected, i);
        assert_int_equal(length, cJSON_GetArraySize(want));
        for (size_t j = 0; j < length; j++)
            worst = fmax(worst, fabs((double)vbp_runner_output(runner, i)[j] -
                                     cJSON_GetArrayItem(want, (int)j)->valuedouble));
    }
    return worst;
}

static double worst_cell(const VbpRunner *runner, const struct npy *masks, int index)
{
    const float *want, *got;
    int height, width;
    double worst = 0;

    got = vbp_runner_mask(runner, &height, &width);
    assert_int_equal(masks->rank, 3);
    assert_int_equal(masks->extent[1], height);
    assert_int_equal(masks->extent[2], width);
    want = (const float *)masks->data + (size_t)index * (size_t)height * (size_t)width;
    for (int i = 0; i < height * width; i++)
        worst = fmax(worst, fabs((double)got[i] - (double)want[i]));
    return worst;
}

static void check_model(const char *network, const char *path, const char *card)
{
    VbpModelOptions options = {.card_path = card};
    struct npy inputs = data_array(strstr(zoo_path(network, "input.npy"), "zoo/"));
    struct npy masks = data_array(strstr(zoo_path(network, "mask.npy"), "zoo/"));
    cJSON *expected = read_json(zoo_path(network, "expected.json"));
    const cJSON *outputs = cJSON_GetObjectItem(expected, "outputs");
    double output = 0, mask = 0;
    struct engine engine;
    VbpRunner *runner;
    VbpModel *model;
    VbpError error;

    if (vbp_model_open(&model, path, &options, &error) != VBP_OK)
        fail_msg("%s", error.message);
    assert_int_equal(inputs.extent[0], INPUTS);
    for (size_t index = 0; engine_at(index, &engine); index++) {
        if (vbp_runner_create(&runner, model, &engine.options, &error) != VBP_OK)
            fail_msg("%s: %s", engine.name, error.message);
        for (int i = 0; i < INPUTS; i += engine.step) {
            size_t length = inputs.count / INPUTS;
            double output_error, mask_error;

            if (vbp_runner_run_input(runner, (const float *)inputs.data + (size_t)i * length,
                                     length, &error) != VBP_OK)
                fail_msg("%s: %s", engine.name, error.message);
            output_error = worst_output(runner, model, cJSON_GetArrayItem(outputs, i));
            mask_error = worst_cell(runner, &masks, i);
            engine_check(&engine, "outputs", output_error, 1e-4);
            engine_check(&engine, "mask", mask_error, 1e-3);
            output = fmax(output, output_error);
            mask = fmax(mask, mask_error);
        }
        vbp_runner_destroy(&runner);
    }
    print_message("%s: outputs within %.2g, masks within %.2g\n", path, output, mask);
    vbp_model_close(&model);
    cJSON_Delete(expected);
    npy_free(&inputs);
    npy_free(&masks);
}

/* Both runners' masks, of 0..1. */
static double mask_difference(const VbpRunner *a, const VbpRunner *b)
{
    int height, width, same_height, same_width;
    const float *of_a = vbp_runner_mask(a, &height, &width);
    const float *of_b = vbp_runner_mask(b, &same_height, &same_width);
    double worst = 0;

    assert_int_equal(height, same_height);
    assert_int_equal(width, same_width);
    for (int i = 0; i < height * width; i++)
        worst = fmax(worst, fabs((double)of_a[i] - (double)of_b[i]));
    return worst;
}

/* The card in the file says all that the one beside it said. */
static void check_same_card(const VbpModel *a, const VbpModel *b)
{
    const struct preprocess_settings *of_a = &a->settings, *of_b = &b->settings;

    assert_true(of_a->crop_top == of_b->crop_top && of_a->crop_bottom == of_b->crop_bottom &&
                of_a->crop_left == of_b->crop_left && of_a->crop_right == of_b->crop_right);
    assert_int_equal(of_a->resize, of_b->resize);
    assert_int_equal(of_a->color, of_b->color);
    assert_memory_equal(of_a->scale, of_b->scale, sizeof(of_a->scale));
    assert_memory_equal(of_a->bias, of_b->bias, sizeof(of_a->bias));
    assert_int_equal(of_a->channels_last, of_b->channels_last);
    assert_int_equal(a->steering_output, b->steering_output);
    assert_int_equal(a->bins.count, b->bins.count);
    assert_non_null(b->card_origin);
}

/* As loaded and as converted: the same outputs and masks, and the card comes along. */
static void check_same(const char *network, const char *path, const char *converted,
                       const char *card)
{
    VbpModelOptions options = {.card_path = card};
    struct npy inputs = data_array(strstr(zoo_path(network, "input.npy"), "zoo/"));
    VbpModel *models[2];
    VbpRunner *runners[2];
    VbpError error;

    assert_int_equal(vbp_model_open(&models[0], path, &options, &error), VBP_OK);
    assert_int_equal(vbp_model_open(&models[1], converted, NULL, &error), VBP_OK);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(vbp_runner_create(&runners[i], models[i], NULL, &error), VBP_OK);
        assert_int_equal(
            vbp_runner_run_input(runners[i], inputs.data, inputs.count / INPUTS, &error), VBP_OK);
    }
    assert_int_equal(vbp_model_level_count(models[1]), vbp_model_level_count(models[0]));
    check_same_card(models[0], models[1]);
    assert_true(mask_difference(runners[0], runners[1]) <= 1e-5);
    assert_true(fabs(vbp_runner_steering(runners[0]) - vbp_runner_steering(runners[1])) <= 1e-5);
    for (int i = 0; i < vbp_model_output_count(models[0]); i++) {
        assert_string_equal(vbp_model_output_name(models[1], i),
                            vbp_model_output_name(models[0], i));
        for (size_t j = 0; j < vbp_model_output_length(models[0], i); j++)
            assert_true(fabs((double)vbp_runner_output(runners[0], i)[j] -
                             (double)vbp_runner_output(runners[1], i)[j]) <= 1e-5);
    }
    for (int i = 0; i < 2; i++) {
        vbp_runner_destroy(&runners[i]);
        vbp_model_close(&models[i]);
    }
    npy_free(&inputs);
}

/* The program itself, from a ready input to its files. */
static void check_command(const char *network, const char *path, const char *card)
{
    struct npy inputs = data_array(strstr(zoo_path(network, "input.npy"), "zoo/"));
    struct npy masks = data_array(strstr(zoo_path(network, "mask.npy"), "zoo/"));
    cJSON *expected = read_json(zoo_path(network, "expected.json"));
    size_t length = inputs.count / INPUTS, cells = masks.count / INPUTS;
    const char *folder = scratch_path("frame");

    for (size_t i = 0; i < INPUTS; i++) {
        const cJSON *outputs = cJSON_GetArrayItem(cJSON_GetObjectItem(expected, "outputs"), (int)i);
        const char *input = scratch_path("x.npy");
        struct process_result result;
        const cJSON *got, *want;
        cJSON *report;
        struct npy mask;

        assert_int_equal(npy_write(input, NPY_FLOAT32, (float *)inputs.data + i * length,
                                   inputs.rank - 1, inputs.extent + 1, NULL),
                         VBP_OK);
        result = VBP_RUN("frame", input, "-m", path, "--card", card, "-o", folder, "-y", "-q");
        if (result.status != 0)
            fail_msg("exit %d: %s", result.status, result.errors);
        process_free(&result);
        report = read_json(scratch_path("frame/report.json"));
        got = cJSON_GetObjectItem(report, "outputs")->child;
        for (want = outputs->child; want; want = want->next, got = got->next) {
            const cJSON *named = cJSON_GetObjectItem(outputs, got->string);

            named = named ? named : want;
            for (int j = 0; j < cJSON_GetArraySize(named); j++)
                assert_true(fabs(cJSON_GetArrayItem(got, j)->valuedouble -
                                 cJSON_GetArrayItem(named, j)->valuedouble) <= 1e-4);
        }
        assert_null(got);
        cJSON_Delete(report);
        assert_int_equal(npy_read(scratch_path("frame/mask.npy"), &mask, NULL), VBP_OK);
        assert_int_equal(mask.count, cells);
        for (size_t j = 0; j < cells; j++)
            assert_true(fabs((double)((float *)mask.data)[j] -
                             (double)((float *)masks.data)[i * cells + j]) <= 1e-3);
        npy_free(&mask);
    }
    cJSON_Delete(expected);
    npy_free(&inputs);
    npy_free(&masks);
}

static void test_network(void **state)
{
    const char *const *network = *state; /* its name, and its file */
    char model[512], card[512], converted[512], name[64];
    struct process_result result;

    snprintf(model, sizeof(model), "%s", zoo_path(network[0], network[1]));
    snprintf(card, sizeof(card), "%s", write_card(network[0]));
    snprintf(name, sizeof(name), "%s.onnx", network[0]);
    snprintf(converted, sizeof(converted), "%s", scratch_path(name));
    check_model(network[0], model, card);
    check_command(network[0], model, card);
    result = VBP_RUN("convert", model, "--card", card, "-o", converted, "-q");
    if (result.status != 0)
        fail_msg("exit %d: %s", result.status, result.errors);
    process_free(&result);
    check_model(network[0], converted, NULL);
    check_same(network[0], model, converted, card);
}

#define NETWORK(name, file)                                                                        \
    {                                                                                              \
        name, test_network, NULL, NULL, (void *)(const char *[])                                   \
        {                                                                                          \
            name, file                                                                             \
        }                                                                                          \
    }

int main(void)
{
    const struct CMUnitTest tests[] = {
        NETWORK("carla-light", "model.onnx"),      NETWORK("comma-same-maxpool", "model.h5"),
        NETWORK("donkey-categorical", "model.h5"), NETWORK("donkey-linear", "model.h5"),
        NETWORK("dronet-relu6", "model.onnx"),     NETWORK("pilotnet-crop", "model.h5"),
        NETWORK("pilotnet-elu-yuv", "model.h5"),   NETWORK("pilotnet-keras3", "model.keras"),
        NETWORK("prelu-bn", "model.h5"),           NETWORK("resnet-preact", "model.h5"),
        NETWORK("squeeze-fire", "model.h5"),       NETWORK("tiny-avgpool-bn", "model.h5"),
    };

    return cmocka_run_group_tests(tests, scratch_setup, scratch_teardown);
}
