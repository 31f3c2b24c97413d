/*
 * What a 1080p frame costs around the network: from its pixels to PilotNet's input, and the mask
 * drawn over it. In turns; prints JSON with milliseconds.
 *
 *     frame_bench [RUNS]
 */
#include "base/error.h"
#include "base/memory.h"
#include "base/random.h"
#include "base/spread.h"
#include "draw/overlay.h"
#include "nn/preprocess.h"

#include <math.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

enum { WIDTH = 1920, HEIGHT = 1080, INPUT_WIDTH = 200, INPUT_HEIGHT = 66, WARM_UP = 10 };

#define LUMA_BYTES   ((size_t)WIDTH * HEIGHT)
#define FRAME_BYTES  (LUMA_BYTES / 2 * 3)
#define INPUT_FLOATS ((size_t)INPUT_WIDTH * INPUT_HEIGHT)

struct frame_bench {
    uint8_t *frame, *drawn; /* Y, U and V planes, one behind the other */
    float *input, *mask;
    struct preprocess *preprocess;
    struct overlay *overlay;
    struct overlay_options options;
    double *preprocess_ms, *overlay_ms;
};

static double milliseconds_now(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec * 1e3 + (double)now.tv_nsec * 1e-6;
}

static VbpImage image_of(const uint8_t *bytes)
{
    return (VbpImage){.format = VBP_PIXEL_YUV420P,
                      .matrix = VBP_MATRIX_BT709,
                      .width = WIDTH,
                      .height = HEIGHT,
                      .plane = {bytes, bytes + LUMA_BYTES, bytes + LUMA_BYTES / 4 * 5},
                      .stride = {WIDTH, WIDTH / 2, WIDTH / 2}};
}

static struct surface surface_of(uint8_t *bytes)
{
    return (struct surface){.format = SURFACE_YUV420,
                            .matrix = VBP_MATRIX_BT709,
                            .width = WIDTH,
                            .height = HEIGHT,
                            .plane = {bytes, bytes + LUMA_BYTES, bytes + LUMA_BYTES / 4 * 5},
                            .stride = {WIDTH, WIDTH / 2, WIDTH / 2}};
}

/* Two lane markings that run together at the horizon: most of the mask is dark, as in a drive. */
static float mask_value(int y, int x)
{
    float along = (float)(y - 20) / (INPUT_HEIGHT - 20);
    float middle = (float)INPUT_WIDTH / 2, spread = 8 + along * 80;
    float left = ((float)x - middle + spread) / 4, right = ((float)x - middle - spread) / 4;

    return along < 0 ? 0 : expf(-left * left) + expf(-right * right);
}

static int prepare(struct frame_bench *bench, int runs, VbpError *error)
{
    const struct preprocess_settings settings = {.resize = CARD_BILINEAR,
                                                 .color = CARD_RGB,
                                                 .channels = 3,
                                                 .scale = {1 / 255.0F, 1 / 255.0F, 1 / 255.0F},
                                                 .width = INPUT_WIDTH,
                                                 .height = INPUT_HEIGHT};
    struct random random = random_for(0, 0, 0);
    int result;

    bench->frame = memory_aligned_array(FRAME_BYTES, 1);
    bench->drawn = memory_aligned_array(FRAME_BYTES, 1);
    bench->input = memory_aligned_array(3 * INPUT_FLOATS, sizeof(float));
    bench->mask = memory_aligned_array(INPUT_FLOATS, sizeof(float));
    bench->preprocess_ms = memory_array((size_t)runs, sizeof(double));
    bench->overlay_ms = memory_array((size_t)runs, sizeof(double));
    if (!bench->frame || !bench->drawn || !bench->input || !bench->mask || !bench->preprocess_ms ||
        !bench->overlay_ms)
        return error_out_of_memory(error);
    for (size_t i = 0; i < FRAME_BYTES; i++)
        bench->frame[i] = (uint8_t)(16 + random_below(&random, 220));
    for (int i = 0; i < (int)INPUT_FLOATS; i++)
        bench->mask[i] = fminf(1, mask_value(i / INPUT_WIDTH, i % INPUT_WIDTH));
    bench->options = overlay_default_options();
    result = preprocess_create(&bench->preprocess, &settings, error);
    if (result == VBP_OK)
        result = overlay_create(&bench->overlay, INPUT_HEIGHT, INPUT_WIDTH,
                                (VbpRectangle){0, 0, WIDTH, HEIGHT}, WIDTH, HEIGHT, error);
    return result;
}

static void release(struct frame_bench *bench)
{
    preprocess_destroy(&bench->preprocess);
    overlay_destroy(&bench->overlay);
    free(bench->frame);
    free(bench->drawn);
    free(bench->input);
    free(bench->mask);
    free(bench->preprocess_ms);
    free(bench->overlay_ms);
}

/* Each run draws on a fresh copy, as the program does; copying is not in the time. */
static int run_once(struct frame_bench *bench, double *preprocess_ms, double *overlay_ms,
                    VbpError *error)
{
    VbpImage image = image_of(bench->frame);
    struct surface surface = surface_of(bench->drawn);
    double started = milliseconds_now();
    int result = preprocess_run(bench->preprocess, &image, bench->input, error);

    *preprocess_ms = milliseconds_now() - started;
    memcpy(bench->drawn, bench->frame, FRAME_BYTES);
    started = milliseconds_now();
    overlay_draw(bench->overlay, &surface, bench->mask, &bench->options);
    *overlay_ms = milliseconds_now() - started;
    return result;
}

static void print_row(const char *name, double *samples, int runs, const char *end)
{
    struct spread spread = spread_of(samples, (size_t)runs);

    printf("  {\"name\": \"%s\", \"runs\": %d,\n"
           "   \"ms\": {\"min\": %.5f, \"median\": %.5f, \"p99\": %.5f}}%s\n",
           name, runs, spread.min, spread.median, spread.p99, end);
}

int main(int argc, char **argv)
{
    long runs = argc > 1 ? strtol(argv[1], NULL, 10) : 300;
    struct frame_bench bench = {0};
    VbpError error = {0};
    double first, second;
    int result;

    if (runs < 1 || runs > 1000000) {
        fprintf(stderr, "usage: frame_bench [RUNS]\n");
        return 2;
    }
    result = prepare(&bench, (int)runs, &error);
    for (int i = 0; i < WARM_UP && result == VBP_OK; i++)
        result = run_once(&bench, &first, &second, &error);
    for (int i = 0; i < runs && result == VBP_OK; i++)
        result = run_once(&bench, &bench.preprocess_ms[i], &bench.overlay_ms[i], &error);
    if (result == VBP_OK) {
        printf("{\"frames\": [\n");
        print_row("1080p YUV 4:2:0 to 66x200 RGB input, bilinear", bench.preprocess_ms, (int)runs,
                  ",");
        print_row("mask of 66x200 over a 1080p YUV 4:2:0 frame", bench.overlay_ms, (int)runs, "");
        printf("]}\n");
    } else {
        fprintf(stderr, "frame_bench: %s\n", error.message);
    }
    release(&bench);
    return result == VBP_OK && fflush(stdout) == 0 ? 0 : 1;
}
