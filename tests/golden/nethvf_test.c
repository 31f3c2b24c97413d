/*
 * The network and the 22 frames that VisualBackProp's authors released, in both file formats,
 * against the values that their code gives: at every level of instructions, on 1, 2 and 4 threads.
 */
#include "base/file.h"
#include "support/data.h"
#include "support/engines.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>

#include <cjson/cJSON.h>
#include <cmocka.h>
#include <stdlib.h>

#define FRAMES 22
#define HEIGHT 125
#define WIDTH  640
#define CELLS  (HEIGHT * WIDTH)
#define LEVELS 10

struct network {
    VbpModel *model;
    VbpRunner *runner;
    struct npy images, masks;
    double steering[FRAMES];
};

static void read_steering(double *steering)
{
    unsigned char *text;
    size_t length;
    cJSON *root;

    assert_int_equal(file_read(data_path("nethvf/steering.json"), 1 << 20, &text, &length, NULL),
                     VBP_OK);
    root = cJSON_Parse((const char *)text);
    assert_non_null(root);
    for (int i = 0; i < FRAMES; i++) {
        const cJSON *value;
        char name[16];

        snprintf(name, sizeof(name), "img%d.jpg", i + 1);
        value = cJSON_GetObjectItem(root, name);
        assert_non_null(value);
        steering[i] = value->valuedouble;
    }
    cJSON_Delete(root);
    free(text);
}

static struct network open_network(const char *file)
{
    struct network network = {0};
    VbpError error;

    if (vbp_model_open(&network.model, data_path(file), NULL, &error) != VBP_OK)
        fail_msg("%s", error.message);
    network.images = data_array("nethvf/images_u8.npy");
    network.masks = data_array("nethvf/mask.npy");
    assert_int_equal(network.images.count, FRAMES * CELLS);
    assert_int_equal(network.masks.count, FRAMES * CELLS);
    read_steering(network.steering);
    return network;
}

static void close_network(struct network *network)
{
    npy_free(&network->images);
    npy_free(&network->masks);
    vbp_runner_destroy(&network->runner);
    vbp_model_close(&network->model);
}

/* In place of the runner that is there. */
static void start_engine(struct network *network, const struct engine *engine)
{
    VbpError error;

    vbp_runner_destroy(&network->runner);
    if (vbp_runner_create(&network->runner, network->model, &engine->options, &error) != VBP_OK)
        fail_msg("%s: %s", engine->name, error.message);
}

static void run_frame(const struct network *network, int frame)
{
    VbpImage image = {.format = VBP_PIXEL_GRAY8,
                      .width = WIDTH,
                      .height = HEIGHT,
                      .plane = {(const uint8_t *)network->images.data + (size_t)frame * CELLS},
                      .stride = {WIDTH}};
    VbpError error;

    if (vbp_runner_run_image(network->runner, &image, &error) != VBP_OK)
        fail_msg("frame %d: %s", frame, error.message);
}

static double largest_difference(const float *a, const float *b, size_t count)
{
    double largest = 0;

    for (size_t i = 0; i < count; i++)
        largest = fmax(largest, fabs((double)a[i] - (double)b[i]));
    return largest;
}

static void check_frames(const char *file)
{
    struct network network = open_network(file);
    double worst_steering = 0, worst_mask = 0;
    struct engine engine;

    for (size_t index = 0; engine_at(index, &engine); index++) {
        start_engine(&network, &engine);
        for (int i = 0; i < FRAMES; i += engine.step) {
            const float *mask, *want = (const float *)network.masks.data + (size_t)i * CELLS;
            double steering_error, mask_error;
            int height, width;

            run_frame(&network, i);
            mask = vbp_runner_mask(network.runner, &height, &width);
            assert_int_equal(height, HEIGHT);
            assert_int_equal(width, WIDTH);
            steering_error = fabs(vbp_runner_steering(network.runner) - network.steering[i]);
            mask_error = largest_difference(mask, want, CELLS);
            engine_check(&engine, "steering", steering_error, 1e-5);
            engine_check(&engine, "mask", mask_error, 1e-4);
            worst_steering = fmax(worst_steering, steering_error);
            worst_mask = fmax(worst_mask, mask_error);
        }
    }
    print_message("%s: steering within %.2g, mask within %.2g\n", file, worst_steering, worst_mask);
    close_network(&network);
}

/* Relative, with a floor of a millionth of the map's largest value. */
static double relative_error(const float *got, const struct npy *want)
{
    const float *values = want->data;
    double largest = 0, worst = 0;

    for (size_t i = 0; i < want->count; i++)
        largest = fmax(largest, fabs((double)values[i]));
    for (size_t i = 0; i < want->count; i++)
        worst = fmax(worst, fabs((double)got[i] - (double)values[i]) /
                                (fabs((double)values[i]) + 1e-6 * largest));
    return worst;
}

/* All levels of the frame that ran last. */
static void check_levels_of(const struct network *network, const struct engine *engine, int frame,
                            double *worst_average, double *worst_product)
{
    for (int level = 0; level < LEVELS; level++) {
        struct npy average, product;
        double average_error, product_error;
        char name[64];
        int height, width;

        vbp_model_level_size(network->model, level, &height, &width);
        snprintf(name, sizeof(name), "nethvf/img%d_level%02d_mean.npy", frame + 1, level + 1);
        average = data_array(name);
        snprintf(name, sizeof(name), "nethvf/img%d_level%02d_product.npy", frame + 1, level + 1);
        product = data_array(name);
        assert_int_equal(average.count, height * width);
        assert_int_equal(product.count, height * width);
        average_error = relative_error(vbp_runner_level_average(network->runner, level), &average);
        product_error = relative_error(vbp_runner_level_product(network->runner, level), &product);
        engine_check(engine, "an average", average_error, 1e-4);
        engine_check(engine, "a product", product_error, 1e-4);
        *worst_average = fmax(*worst_average, average_error);
        *worst_product = fmax(*worst_product, product_error);
        npy_free(&average);
        npy_free(&product);
    }
}

static void check_levels(const char *file)
{
    static const int frames[] = {0, 9};
    struct network network = open_network(file);
    double worst_average = 0, worst_product = 0;
    struct engine engine;

    assert_int_equal(vbp_model_level_count(network.model), LEVELS);
    for (size_t index = 0; engine_at(index, &engine); index++) {
        start_engine(&network, &engine);
        for (int f = 0; f < 2; f += engine.step) {
            run_frame(&network, frames[f]);
            check_levels_of(&network, &engine, frames[f], &worst_average, &worst_product);
        }
    }
    print_message("%s: averages within %.2g, products within %.2g (relative)\n", file,
                  worst_average, worst_product);
    close_network(&network);
}

static void test_torch7_frames(void **state)
{
    (void)state;
    check_frames("nethvf/model.t7b");
}

static void test_onnx_frames(void **state)
{
    (void)state;
    check_frames("nethvf/nethvf.onnx");
}

static void test_torch7_levels(void **state)
{
    (void)state;
    check_levels("nethvf/model.t7b");
}

static void test_onnx_levels(void **state)
{
    (void)state;
    check_levels("nethvf/nethvf.onnx");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_torch7_frames),
        cmocka_unit_test(test_onnx_frames),
        cmocka_unit_test(test_torch7_levels),
        cmocka_unit_test(test_onnx_levels),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
