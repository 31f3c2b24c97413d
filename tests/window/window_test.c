/*
 * The window as a user meets it: vbp watch on an X server, with keys pressed and pixels read. The
 * clip's frames carry their numbers, so that a wrong frame cannot pass for the right one.
 */
#include "base/file.h"
#include "media/source.h"
#include "support/clip.h"
#include "support/data.h"
#include "support/desktop.h"
#include "support/lane_files.h"
#include "support/onnx_builder.h"
#include "support/process.h"
#include "support/scratch.h"

#include <X11/keysym.h>
#include <cjson/cJSON.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

/* 320 x 240 becomes 960 x 720: three pixels for one. */
enum { CLIP_WIDTH = 320, CLIP_HEIGHT = 240, CLIP_FRAMES = 750, SCREEN_WIDTH = 1280 };
enum { SCREEN_HEIGHT = 800, GRID = 4, PATIENCE_SECONDS = 60, LONGEST_PATH = 256 };

static struct lane_files *lane;
static char numbered[LONGEST_PATH]; /* the clip with numbers */
static char folder[LONGEST_PATH];   /* where vbp runs, and saves its pictures */
static char stats[LONGEST_PATH];
static char vbp[4096];
static struct desktop desktop;

static void name_path(char *path, const char *name)
{
    snprintf(path, LONGEST_PATH, "%s", scratch_path(name));
}

static int make_files(void **state)
{
    VbpError error;

    if (lane_files_setup(state) != 0 || !realpath(process_vbp(), vbp))
        return -1;
    lane = *state;
    name_path(numbered, "numbers.mp4");
    name_path(stats, "stats.json");
    name_path(folder, "saved");
    clip_make(&(struct clip_options){.path = numbered,
                                     .width = CLIP_WIDTH,
                                     .height = CLIP_HEIGHT,
                                     .frames = CLIP_FRAMES,
                                     .gop = 50,
                                     .b_frames = 2});
    return file_make_folder(folder, &error);
}

static int stop_desktop(void **state)
{
    (void)state;
    desktop_stop(&desktop);
    return 0;
}

/* Starts vbp watch with these arguments after the source's. */
#define WATCH(source, title, ...)                                                                  \
    watch((const char *const[]){vbp, "watch", source, "-q", __VA_ARGS__, NULL}, title)

static void watch(const char *const *arguments, const char *title)
{
    desktop_start(&desktop, SCREEN_WIDTH, SCREEN_HEIGHT);
    desktop_run(&desktop, folder, arguments, title);
}

/* ---- Conditions ------------------------------------------------------------------------------ */

/* The frame that the title names; -1: it names none. */
static long title_number(struct desktop *d)
{
    const char *word = strstr(desktop_title(d), "— frame ");
    char *end;
    long number;

    if (!word)
        return -1;
    number = strtol(word + strlen("— frame "), &end, 10);
    return strcmp(end, " — vbp") == 0 ? number : -1;
}

static bool title_is(struct desktop *d, void *context)
{
    return title_number(d) == *(long *)context;
}

static bool title_has_number(struct desktop *d, void *context)
{
    (void)context;
    return title_number(d) >= 0;
}

/* Stands still, at an earlier frame than the context says. */
static bool title_is_before(struct desktop *d, void *context)
{
    long number = title_number(d);

    return number >= 0 && number < *(long *)context;
}

static bool title_has_none(struct desktop *d, void *context)
{
    (void)context;
    return title_number(d) < 0;
}

static int brightness(uint32_t pixel)
{
    return (int)((pixel >> 16 & 255) * 3 + (pixel >> 8 & 255) * 6 + (pixel & 255)) / 10;
}

/* The number drawn into the picture that fills the width x height pixels from (left, top) on. */
static long picture_number(const struct desktop_picture *picture, int left, int top, int width,
                           int height)
{
    long number = 0;

    for (int cell = 0; cell < GRID * GRID; cell++) {
        int x = left + (cell % GRID * 2 + 1) * width / (2 * GRID);
        int y = top + (cell / GRID * 2 + 1) * height / (2 * GRID);
        int light = brightness(desktop_pixel(picture, x, y));

        if (light > 90 && light < 160)
            return -1;
        number = number << 1 | (light >= 160);
    }
    return number;
}

static long screen_number(struct desktop *d)
{
    struct desktop_picture picture = desktop_grab(d);
    long number = picture_number(&picture, 0, 0, picture.width, picture.height);

    free(picture.pixels);
    return number;
}

/* Waits until the title names the frame, which must then be the one on screen. */
static void expect_frame(long number)
{
    if (!desktop_until(&desktop, title_is, &number, PATIENCE_SECONDS))
        fail_msg("waited for frame %ld, the title says '%s'", number, desktop_title(&desktop));
    assert_int_equal(screen_number(&desktop), number);
}

/* Pauses, and says at which frame; the display, which hides some of the picture, is off then. */
static long pause_drive(void)
{
    desktop_press(&desktop, XK_i);
    desktop_press(&desktop, XK_space);
    if (!desktop_until(&desktop, title_has_number, NULL, PATIENCE_SECONDS))
        fail_msg("the title names no frame: '%s'", desktop_title(&desktop));
    return title_number(&desktop);
}

static bool differs(struct desktop *d, void *context)
{
    const struct desktop_picture *before = context;
    struct desktop_picture after = desktop_grab(d);
    bool different =
        after.width != before->width || after.height != before->height ||
        memcmp(after.pixels, before->pixels,
               (size_t)after.width * (size_t)after.height * sizeof(*after.pixels)) != 0;

    free(after.pixels);
    return different;
}

static bool equals(struct desktop *d, void *context)
{
    return !differs(d, context);
}

static bool exists(struct desktop *d, void *context)
{
    (void)d;
    return file_exists(*(const char **)context);
}

static void quit_with(KeySym modifier, KeySym key)
{
    desktop_press_with(&desktop, modifier, key);
    assert_int_equal(desktop_wait(&desktop), 0);
}

/* ---- Statistics ------------------------------------------------------------------------------ */

static cJSON *read_stats(void)
{
    unsigned char *text;
    size_t length;
    VbpError error;
    cJSON *root;

    if (file_read(stats, 1 << 20, &text, &length, &error) != VBP_OK)
        fail_msg("%s", error.message);
    root = cJSON_Parse((const char *)text);
    assert_non_null(root);
    free(text);
    return root;
}

static double number_of(const cJSON *object, const char *name)
{
    const cJSON *item = cJSON_GetObjectItemCaseSensitive(object, name);

    if (!cJSON_IsNumber(item))
        fail_msg("the statistics have no number '%s'", name);
    return item->valuedouble;
}

/* ---- Playing --------------------------------------------------------------------------------- */

static void test_plays_and_quits(void **state)
{
    long first, second;
    cJSON *root;

    (void)state;
    WATCH(numbered, "numbers.mp4 — vbp", "--stats", stats);
    first = pause_drive();
    expect_frame(first);
    desktop_press(&desktop, XK_p);
    assert_true(desktop_until(&desktop, title_has_none, NULL, PATIENCE_SECONDS));
    desktop_press(&desktop, XK_p);
    assert_true(desktop_until(&desktop, title_has_number, NULL, PATIENCE_SECONDS));
    second = title_number(&desktop);
    assert_true(second >= first);
    expect_frame(second);
    quit_with(NoSymbol, XK_q);
    root = read_stats();
    assert_true(number_of(root, "frames_shown") >= 1);
    assert_true(number_of(root, "frames_shown") + number_of(root, "frames_dropped") <=
                number_of(root, "frames_received"));
    assert_true(number_of(root, "frames_shown") + number_of(root, "frames_dropped") ==
                (double)(second + 1));
    assert_true(number_of(root, "seeks") == 0);
    assert_true(number_of(root, "damaged_packets") == 0);
    assert_true(number_of(cJSON_GetObjectItemCaseSensitive(root, "draw_ms"), "median") > 0);
    assert_true(number_of(cJSON_GetObjectItemCaseSensitive(root, "decode_to_shown_ms"), "min") > 0);
    assert_true(cJSON_IsNull(cJSON_GetObjectItemCaseSensitive(root, "forward_ms")));
    cJSON_Delete(root);
}

/* Ticks of the processor that the program used so far: fields 14 and 15 of its stat file. */
static long processor_ticks(void)
{
    char path[64], line[1024];
    FILE *stream;
    char *rest;
    long ticks;

    snprintf(path, sizeof(path), "/proc/%d/stat", (int)desktop.program);
    stream = fopen(path, "r");
    assert_non_null(stream);
    assert_non_null(fgets(line, sizeof(line), stream));
    fclose(stream);
    /* The name, field 2, may hold blanks and ends in the last parenthesis. */
    rest = strrchr(line, ')');
    for (int field = 2; rest && field < 14; field++)
        rest = strchr(rest + 1, ' ');
    assert_non_null(rest);
    ticks = strtol(rest, &rest, 10);
    return ticks + strtol(rest, NULL, 10);
}

/* While it stands still, the same frame stays and next to no work is done. */
static void test_pause_rests(void **state)
{
    long number, ticks;

    (void)state;
    WATCH(numbered, "numbers.mp4 — vbp", "-m", lane->model);
    number = pause_drive();
    sleep(2); /* frames that were on their way fill the queues */
    ticks = processor_ticks();
    sleep(2);
    ticks = processor_ticks() - ticks;
    assert_true(ticks * 50 < 2 * sysconf(_SC_CLK_TCK)); /* 2 % of a core */
    assert_int_equal(title_number(&desktop), number);
    quit_with(XK_Control_L, XK_w);
}

static void test_steps(void **state)
{
    long number;

    (void)state;
    WATCH(numbered, "numbers.mp4 — vbp", "--start", "4");
    number = pause_drive();
    assert_true(number >= 100);
    for (int i = 1; i <= 5; i++) {
        desktop_press(&desktop, XK_period);
        expect_frame(number + i);
    }
    for (int i = 4; i >= -3; i--) {
        desktop_press(&desktop, XK_comma);
        expect_frame(number + i);
    }
    quit_with(NoSymbol, XK_q);
}

static void test_seeks(void **state)
{
    long number;

    (void)state;
    WATCH(numbered, "numbers.mp4 — vbp", "--start", "6");
    number = pause_drive();
    desktop_press(&desktop, XK_Right);
    expect_frame(number + 125);
    desktop_press(&desktop, XK_Left);
    expect_frame(number);
    desktop_press_with(&desktop, XK_Shift_L, XK_Right);
    expect_frame(number + 25);
    desktop_press_with(&desktop, XK_Shift_L, XK_Left);
    expect_frame(number);
    desktop_press(&desktop, XK_Up);
    expect_frame(CLIP_FRAMES - 1);
    desktop_press(&desktop, XK_Down);
    expect_frame(0);
    desktop_press(&desktop, XK_End);
    expect_frame(CLIP_FRAMES - 1);
    desktop_press(&desktop, XK_comma);
    expect_frame(CLIP_FRAMES - 2);
    desktop_press(&desktop, XK_period);
    expect_frame(CLIP_FRAMES - 1);
    desktop_press(&desktop, XK_Home);
    expect_frame(0);
    quit_with(NoSymbol, XK_q);
}

/* The last frame stays until Space begins again. */
static void test_end_and_again(void **state)
{
    long last = CLIP_FRAMES - 1;

    (void)state;
    WATCH(numbered, "numbers.mp4 — vbp", "--start", "29");
    desktop_press(&desktop, XK_i);
    expect_frame(last);
    desktop_press(&desktop, XK_space);
    assert_true(desktop_until(&desktop, title_has_none, NULL, PATIENCE_SECONDS));
    desktop_press(&desktop, XK_space);
    assert_true(desktop_until(&desktop, title_is_before, &last, PATIENCE_SECONDS));
    expect_frame(title_number(&desktop));
    quit_with(NoSymbol, XK_q);
}

/* Runs to a number of frames at the clip's own pace. */
static void test_frame_limit_and_pace(void **state)
{
    double seconds;
    cJSON *root;

    (void)state;
    WATCH(numbered, "numbers.mp4 — vbp", "--frames", "51", "--no-drop", "--stats", stats);
    assert_int_equal(desktop_wait(&desktop), 0);
    root = read_stats();
    assert_true(number_of(root, "frames_shown") == 51);
    assert_true(number_of(root, "frames_dropped") == 0);
    seconds = number_of(root, "duration_s");
    /* 50 times 40 ms; slower where the machine is. */
    assert_true(seconds >= 1.95 && seconds < 30);
    cJSON_Delete(root);
}

/* ---- The mask -------------------------------------------------------------------------------- */

/* Where the mask of the frame on screen is high, and where it is zero. */
struct mask {
    int height, width;
    float *cells;
    VbpRectangle crop;
};

static void compute_mask(struct mask *mask, int64_t number)
{
    const struct source_options options = {.threads = 1, .random_access = true};
    VbpModel *model;
    VbpRunner *runner = NULL;
    struct source *source = NULL;
    struct frame frame;
    VbpImage image;
    VbpError error = {0};
    const float *cells;

    if (vbp_model_open(&model, lane->model, NULL, &error) != VBP_OK ||
        vbp_runner_create(&runner, model, NULL, &error) != VBP_OK ||
        source_open(&source, lane->clip, &options, &error) != VBP_OK ||
        source_seek_number(source, number, &error) != VBP_OK ||
        source_read(source, &frame, &error) != SOURCE_FRAME)
        fail_msg("%s", error.message);
    assert_int_equal(frame.number, number);
    image = frame_image(&frame);
    assert_int_equal(vbp_runner_run_image(runner, &image, &error), VBP_OK);
    assert_int_equal(vbp_model_crop(model, LANE_CLIP_WIDTH, LANE_CLIP_HEIGHT, &mask->crop, &error),
                     VBP_OK);
    cells = vbp_runner_mask(runner, &mask->height, &mask->width);
    assert_non_null(cells);
    mask->cells = calloc((size_t)mask->height * (size_t)mask->width, sizeof(float));
    assert_non_null(mask->cells);
    memcpy(mask->cells, cells, (size_t)mask->height * (size_t)mask->width * sizeof(float));
    frame_release(&frame);
    source_close(&source);
    vbp_runner_destroy(&runner);
    vbp_model_close(&model);
}

static int red_of(uint32_t pixel)
{
    return (int)(pixel >> 16 & 255);
}

static int blue_of(uint32_t pixel)
{
    return (int)(pixel & 255);
}

/* How much redder and how different the picture is where the mask says so, and elsewhere. */
struct change {
    double warmer_inside; /* rise of red - blue, mean over cells with a high mask */
    double most_outside;  /* largest difference over cells with no mask nearby */
    int inside, outside;  /* cells */
};

static bool is_empty_nearby(const struct mask *mask, int row, int column)
{
    for (int r = row - 2; r <= row + 2; r++) {
        for (int c = column - 2; c <= column + 2; c++) {
            if (r >= 0 && c >= 0 && r < mask->height && c < mask->width &&
                mask->cells[r * mask->width + c] > 0.02f)
                return false;
        }
    }
    return true;
}

static struct change compare(const struct mask *mask, const struct desktop_picture *plain,
                             const struct desktop_picture *masked)
{
    struct change change = {0};
    double scale_x = (double)plain->width / LANE_CLIP_WIDTH;
    double scale_y = (double)plain->height / LANE_CLIP_HEIGHT;

    for (int row = 1; row < mask->height - 1; row++) {
        for (int column = 1; column < mask->width - 1; column++) {
            double across = (column + 0.5) * mask->crop.width / mask->width;
            double down = (row + 0.5) * mask->crop.height / mask->height;
            int x = (int)((mask->crop.x + across) * scale_x);
            int y = (int)((mask->crop.y + down) * scale_y);
            uint32_t before = desktop_pixel(plain, x, y), after = desktop_pixel(masked, x, y);
            int difference =
                abs(red_of(before) - red_of(after)) + abs(blue_of(before) - blue_of(after));

            if (mask->cells[row * mask->width + column] > 0.6f) {
                change.inside++;
                change.warmer_inside +=
                    red_of(after) - blue_of(after) - red_of(before) + blue_of(before);
            } else if (is_empty_nearby(mask, row, column)) {
                change.outside++;
                change.most_outside = fmax(change.most_outside, difference);
            }
        }
    }
    change.warmer_inside /= change.inside > 0 ? change.inside : 1;
    return change;
}

/* Presses the key, waits for the picture to change and then for the message to fade. */
static struct desktop_picture press_and_grab(KeySym key)
{
    struct desktop_picture before = desktop_grab(&desktop), after;

    desktop_press(&desktop, key);
    assert_true(desktop_until(&desktop, differs, &before, PATIENCE_SECONDS));
    free(before.pixels);
    for (;;) {
        struct desktop_picture settled = desktop_grab(&desktop);

        sleep(2); /* longer than a message stands */
        after = desktop_grab(&desktop);
        if (memcmp(settled.pixels, after.pixels,
                   (size_t)after.width * (size_t)after.height * sizeof(*after.pixels)) == 0) {
            free(settled.pixels);
            return after;
        }
        free(settled.pixels);
        free(after.pixels);
    }
}

static void test_mask(void **state)
{
    struct desktop_picture plain, full, stronger, weaker, other;
    struct change usual, strong, weak;
    /* Nothing is left to assume, which the screen would have to say. */
    static const char card[] = "{\"input\": {\"crop\": {\"top\": 0.45}, \"resize\": \"area\", "
                               "\"color\": \"gray\", \"scale\": 0.00392156862745098}, "
                               "\"output\": {\"steering\": \"steering\"}}";
    char card_path[LONGEST_PATH];
    struct mask mask;

    (void)state;
    snprintf(card_path, sizeof(card_path), "%s",
             scratch_write("whole.card.json", card, sizeof(card) - 1));
    WATCH(lane->clip, "road.mp4 — vbp", "-m", lane->model, "--card", card_path);
    pause_drive();
    compute_mask(&mask, title_number(&desktop));
    plain = press_and_grab(XK_m);
    full = press_and_grab(XK_m);
    usual = compare(&mask, &plain, &full);
    assert_true(usual.inside > 50 && usual.outside > 50);
    assert_true(usual.warmer_inside > 25);
    assert_true(usual.most_outside <= 6);
    stronger = press_and_grab(XK_plus);
    weaker = press_and_grab(XK_minus);
    free(weaker.pixels);
    weaker = press_and_grab(XK_minus);
    strong = compare(&mask, &plain, &stronger);
    weak = compare(&mask, &plain, &weaker);
    assert_true(strong.warmer_inside > usual.warmer_inside);
    assert_true(weak.warmer_inside < usual.warmer_inside);
    /* Another colour map: not warm any more, and still nowhere but where the mask is. */
    other = press_and_grab(XK_c);
    assert_true(compare(&mask, &plain, &other).warmer_inside < weak.warmer_inside / 2);
    assert_true(compare(&mask, &plain, &other).most_outside <= 6);
    free(other.pixels);
    free(weaker.pixels);
    free(stronger.pixels);
    free(full.pixels);
    free(plain.pixels);
    free(mask.cells);
    quit_with(NoSymbol, XK_q);
}

/* A network without levels steers, and is watched without a mask. */
static void test_network_without_mask(void **state)
{
    float weights[64];
    struct onnx_builder builder;
    unsigned char *bytes;
    const char *path;
    size_t length;
    cJSON *root;

    (void)state;
    for (int i = 0; i < 64; i++)
        weights[i] = 0.01f;
    onnx_builder_begin(&builder, 13);
    onnx_builder_input(&builder, "image", NUMBERS(1, 1, 8, 8));
    onnx_builder_floats(&builder, "w", NUMBERS(1, 64), weights);
    onnx_builder_node(&builder, "Flatten", "flat", "image", "flat");
    onnx_node_integer(&builder, onnx_builder_node(&builder, "Gemm", "head", "flat w", "steering"),
                      "transB", 1);
    onnx_builder_output(&builder, "steering");
    onnx_builder_pack(&builder, &bytes, &length);
    onnx_builder_end(&builder);
    path = scratch_write("flat.onnx", bytes, length);
    free(bytes);
    WATCH(numbered, "numbers.mp4 — vbp", "-m", path, "--frames", "5", "--stats", stats);
    assert_int_equal(desktop_wait(&desktop), 0);
    root = read_stats();
    assert_true(number_of(root, "frames_shown") == 5);
    assert_true(number_of(cJSON_GetObjectItemCaseSensitive(root, "forward_ms"), "median") >= 0);
    assert_true(cJSON_IsNull(cJSON_GetObjectItemCaseSensitive(root, "mask_ms")));
    cJSON_Delete(root);
}

/* ---- What stands over the picture ------------------------------------------------------------ */

static void test_key_list(void **state)
{
    struct desktop_picture before, with_list;
    int changed = 0, middle_pixels = 0;

    (void)state;
    WATCH(numbered, "numbers.mp4 — vbp", "--start", "2");
    pause_drive();
    before = desktop_grab(&desktop);
    desktop_press(&desktop, XK_question);
    assert_true(desktop_until(&desktop, differs, &before, PATIENCE_SECONDS));
    with_list = desktop_grab(&desktop);
    for (int y = before.height / 3; y < before.height * 2 / 3; y++) {
        for (int x = before.width / 3; x < before.width * 2 / 3; x++) {
            middle_pixels++;
            changed += desktop_pixel(&before, x, y) != desktop_pixel(&with_list, x, y);
        }
    }
    assert_true(changed > middle_pixels * 9 / 10);
    desktop_press(&desktop, XK_question);
    assert_true(desktop_until(&desktop, equals, &before, PATIENCE_SECONDS));
    free(with_list.pixels);
    free(before.pixels);
    quit_with(NoSymbol, XK_q);
}

static void test_message_fades(void **state)
{
    struct desktop_picture before;

    (void)state;
    WATCH(numbered, "numbers.mp4 — vbp", "--start", "2");
    pause_drive();
    before = desktop_grab(&desktop);
    desktop_press(&desktop, XK_k);
    assert_true(desktop_until(&desktop, differs, &before, PATIENCE_SECONDS));
    assert_true(desktop_until(&desktop, equals, &before, PATIENCE_SECONDS));
    free(before.pixels);
    quit_with(NoSymbol, XK_q);
}

/* ---- Saved pictures -------------------------------------------------------------------------- */

static void expect_picture(const char *name, long number)
{
    const struct source_options options = {.threads = 1};
    struct source *source;
    struct frame frame;
    VbpError error = {0};

    if (!desktop_until(&desktop, exists, &name, PATIENCE_SECONDS))
        fail_msg("%s is not there", name);
    if (source_open(&source, name, &options, &error) != VBP_OK ||
        source_read(source, &frame, &error) != SOURCE_FRAME)
        fail_msg("%s", error.message);
    assert_int_equal(frame.picture->width, CLIP_WIDTH);
    assert_int_equal(frame.picture->height, CLIP_HEIGHT);
    assert_int_equal(clip_number(frame.picture), number);
    frame_release(&frame);
    source_close(&source);
}

static void test_saved_pictures(void **state)
{
    char path[LONGEST_PATH + 64];
    long number;

    (void)state;
    WATCH(numbered, "numbers.mp4 — vbp", "--start", "3");
    number = pause_drive();
    for (int copy = 1; copy <= 2; copy++) {
        desktop_press(&desktop, XK_s);
        snprintf(path, sizeof(path), "%s/numbers-frame%06ld%s.png", folder, number,
                 copy == 1 ? "" : "-2");
        expect_picture(path, number);
    }
    desktop_press(&desktop, XK_S);
    snprintf(path, sizeof(path), "%s/numbers-frame%06ld-bare.png", folder, number);
    expect_picture(path, number);
    quit_with(NoSymbol, XK_q);
}

/* ---- The window's size ----------------------------------------------------------------------- */

static bool is_background(const struct desktop_picture *picture, int x, int y)
{
    return desktop_pixel(picture, x, y) == 0x121417;
}

struct place {
    long number;
    int width, height;
};

/* The picture stands in the middle, in its shape, with background left and right of it. */
static bool is_letterboxed(struct desktop *d, void *context)
{
    const struct place *place = context;
    struct desktop_picture picture = desktop_grab(d);
    int shown = place->height * CLIP_WIDTH / CLIP_HEIGHT, left = (place->width - shown) / 2;
    bool good = picture.width == place->width && picture.height == place->height &&
                is_background(&picture, left - 2, place->height / 2) &&
                !is_background(&picture, left + 2, place->height / 2) &&
                !is_background(&picture, left + shown - 3, place->height / 2) &&
                is_background(&picture, left + shown + 2, place->height / 2) &&
                picture_number(&picture, left, 0, shown, place->height) == place->number;

    free(picture.pixels);
    return good;
}

static void test_resize_keeps_shape(void **state)
{
    struct place place = {.width = 1200, .height = 480};

    (void)state;
    WATCH(numbered, "numbers.mp4 — vbp", "--start", "2");
    place.number = pause_drive();
    desktop_resize(&desktop, place.width, place.height);
    assert_true(desktop_until(&desktop, is_letterboxed, &place, PATIENCE_SECONDS));
    place.width = 900;
    place.height = 300;
    desktop_resize(&desktop, place.width, place.height);
    assert_true(desktop_until(&desktop, is_letterboxed, &place, PATIENCE_SECONDS));
    quit_with(NoSymbol, XK_q);
}

static bool has_width(struct desktop *d, void *context)
{
    int width, height;

    desktop_window_size(d, &width, &height);
    return width == *(int *)context;
}

static void test_fullscreen(void **state)
{
    struct place place = {.width = SCREEN_WIDTH, .height = SCREEN_HEIGHT};
    int whole = SCREEN_WIDTH, windowed = 960;

    (void)state;
    WATCH(numbered, "numbers.mp4 — vbp", "--start", "2");
    place.number = pause_drive();
    assert_true(desktop_until(&desktop, has_width, &windowed, PATIENCE_SECONDS));
    desktop_press(&desktop, XK_f);
    assert_true(desktop_until(&desktop, is_letterboxed, &place, PATIENCE_SECONDS));
    desktop_press(&desktop, XK_Escape);
    assert_true(desktop_until(&desktop, has_width, &windowed, PATIENCE_SECONDS));
    /* Esc leaves full screen and nothing else. */
    desktop_press(&desktop, XK_Escape);
    desktop_press(&desktop, XK_period);
    expect_frame(place.number + 1);
    desktop_double_click(&desktop);
    assert_true(desktop_until(&desktop, has_width, &whole, PATIENCE_SECONDS));
    quit_with(NoSymbol, XK_q);
}

static void test_starts_in_fullscreen(void **state)
{
    int whole = SCREEN_WIDTH;

    (void)state;
    WATCH(numbered, "numbers.mp4 — vbp", "--fullscreen");
    assert_true(desktop_until(&desktop, has_width, &whole, PATIENCE_SECONDS));
    quit_with(NoSymbol, XK_q);
}

/* ---- Stress ---------------------------------------------------------------------------------- */

static unsigned next_random(unsigned *random, unsigned below)
{
    *random = *random * 1664525u + 1013904223u;
    return (*random >> 8) % below;
}

static long clamped(long number)
{
    return number < 0 ? 0 : number > CLIP_FRAMES - 1 ? CLIP_FRAMES - 1 : number;
}

struct move {
    KeySym modifier, key;
    long frames;
};

static const struct move moves[] = {
    {NoSymbol, XK_period, 1},          {NoSymbol, XK_comma, -1},        {XK_Shift_L, XK_Right, 25},
    {XK_Shift_L, XK_Left, -25},        {NoSymbol, XK_Right, 125},       {NoSymbol, XK_Left, -125},
    {NoSymbol, XK_Home, -CLIP_FRAMES}, {NoSymbol, XK_End, CLIP_FRAMES},
};

/*
 * Random keys: one at a time, each of which must lead to exactly its frame; several at once, which
 * must add up; and playing on in between.
 */
static void test_random_seeks(void **state)
{
    enum { SINGLE = sizeof(moves) / sizeof(moves[0]), ROUNDS = 200 };
    unsigned random = 20240607;
    long number;

    (void)state;
    WATCH(numbered, "numbers.mp4 — vbp", "-m", lane->model, "--start", "10");
    desktop_press(&desktop, XK_m);
    number = pause_drive();
    for (int round = 0; round < ROUNDS; round++) {
        unsigned kind = next_random(&random, 10);

        if (kind < 6) {
            const struct move *move = &moves[next_random(&random, SINGLE)];

            /* The end of what leads nowhere could not be seen. */
            if (clamped(number + move->frames) == number)
                continue;
            desktop_press_with(&desktop, move->modifier, move->key);
            number = clamped(number + move->frames);
        } else if (kind < 9 && number > 150 && number < CLIP_FRAMES - 150) {
            /* All in one direction, so that the last frame is not met on the way. */
            unsigned direction = next_random(&random, 2);

            for (unsigned i = 2 + next_random(&random, 4); i > 0; i--) {
                const struct move *move = &moves[direction + 2 * next_random(&random, 2)];

                desktop_press_with(&desktop, move->modifier, move->key);
                number += move->frames;
            }
        } else if (number < CLIP_FRAMES / 2) {
            /* Far from the end, where Space would not pause but play again. */
            desktop_press(&desktop, XK_space);
            assert_true(desktop_until(&desktop, title_has_none, NULL, PATIENCE_SECONDS));
            desktop_press(&desktop, next_random(&random, 2) ? XK_Right : XK_Left);
            desktop_press(&desktop, XK_space);
            assert_true(desktop_until(&desktop, title_has_number, NULL, PATIENCE_SECONDS));
            /* A seek may still be under way; this one replaces what is queued behind it. */
            desktop_press(&desktop, XK_End);
            number = CLIP_FRAMES - 1;
        }
        expect_frame(number);
    }
    quit_with(NoSymbol, XK_q);
}

/* ---- What must be refused -------------------------------------------------------------------- */

static void expect_no_display(const char *driver)
{
    struct process_result result =
        process_run((const char *const[]){"env", "-u", "DISPLAY", "-u", "WAYLAND_DISPLAY", driver,
                                          vbp, "watch", numbered, NULL},
                    PATIENCE_SECONDS);

    assert_int_equal(result.status, 1);
    assert_non_null(strstr(result.errors, "no display"));
    assert_non_null(strstr(result.errors, "vbp export"));
    assert_ptr_equal(strchr(result.errors, '\n'), strrchr(result.errors, '\n'));
    process_free(&result);
}

/* SDL has a driver that shows nothing; it must not be taken for a display. */
static void test_no_display(void **state)
{
    (void)state;
    expect_no_display("SDL_VIDEODRIVER=x11");
    expect_no_display("--unset=SDL_VIDEODRIVER");
}

static void expect_refusal(const char *const *arguments, int status, const char *words)
{
    struct process_result result = process_run(arguments, PATIENCE_SECONDS);

    if (result.status != status || !strstr(result.errors, words))
        fail_msg("status %d: %s", result.status, result.errors);
    process_free(&result);
}

static void test_refusals(void **state)
{
    const float values[4] = {0};
    const size_t extents[4] = {1, 1, 2, 2};
    char ready[LONGEST_PATH];
    VbpError error;

    (void)state;
    name_path(ready, "ready.npy");
    assert_int_equal(npy_write(ready, NPY_FLOAT32, values, 4, extents, &error), VBP_OK);
#define REFUSE(status, words, ...)                                                                 \
    expect_refusal(                                                                                \
        (const char *const[]){"env", "SDL_VIDEODRIVER=dummy", vbp, "watch", __VA_ARGS__, NULL},    \
        status, words)
    REFUSE(1, "ready input", ready);
    REFUSE(1, "absent.mp4", "absent.mp4");
    REFUSE(1, "absent.onnx", numbered, "-m", "absent.onnx");
    REFUSE(1, "overwrite", numbered, "--stats", numbered);
    REFUSE(2, "--frames", numbered, "--frames", "0");
    REFUSE(2, "no time", numbered, "--start", "soon");
    REFUSE(2, "missing", "-q");
#undef REFUSE
}

/* ---- The real thing -------------------------------------------------------------------------- */

static void test_real_drive(void **state)
{
    char clip[4096], card[4096], model[4096];
    cJSON *root;

    (void)state;
    assert_non_null(realpath(data_path("videos/highway-h264-540p25.mp4"), clip));
    assert_non_null(realpath(data_path("videos/highway.card.json"), card));
    assert_non_null(realpath(data_path("nethvf/nethvf.onnx"), model));
    WATCH(clip, "highway-h264-540p25.mp4 — vbp", "-m", model, "--card", card, "--frames", "60",
          "--stats", stats);
    assert_int_equal(desktop_wait(&desktop), 0);
    root = read_stats();
    assert_true(number_of(root, "frames_shown") == 60);
    assert_true(number_of(root, "frames_received") >= 60);
    assert_true(number_of(cJSON_GetObjectItemCaseSensitive(root, "mask_ms"), "median") > 0);
    cJSON_Delete(root);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(test_plays_and_quits, stop_desktop),
        cmocka_unit_test_teardown(test_pause_rests, stop_desktop),
        cmocka_unit_test_teardown(test_steps, stop_desktop),
        cmocka_unit_test_teardown(test_seeks, stop_desktop),
        cmocka_unit_test_teardown(test_end_and_again, stop_desktop),
        cmocka_unit_test_teardown(test_frame_limit_and_pace, stop_desktop),
        cmocka_unit_test_teardown(test_mask, stop_desktop),
        cmocka_unit_test_teardown(test_network_without_mask, stop_desktop),
        cmocka_unit_test_teardown(test_key_list, stop_desktop),
        cmocka_unit_test_teardown(test_message_fades, stop_desktop),
        cmocka_unit_test_teardown(test_saved_pictures, stop_desktop),
        cmocka_unit_test_teardown(test_resize_keeps_shape, stop_desktop),
        cmocka_unit_test_teardown(test_fullscreen, stop_desktop),
        cmocka_unit_test_teardown(test_starts_in_fullscreen, stop_desktop),
        cmocka_unit_test_teardown(test_random_seeks, stop_desktop),
        cmocka_unit_test(test_no_display),
        cmocka_unit_test(test_refusals),
        cmocka_unit_test_teardown(test_real_drive, stop_desktop),
    };

    cmocka_set_test_filter(getenv("CMOCKA_TEST_FILTER"));
    return cmocka_run_group_tests_name("window", tests, make_files, lane_files_teardown);
}
