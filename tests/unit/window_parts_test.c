/* What the window is made of besides the player: keys, statistics, names of saved pictures. */
#include "base/file.h"
#include "support/scratch.h"
#include "window/keys.h"
#include "window/snapshot.h"
#include "window/statistics.h"

#include <SDL_keycode.h>
#include <cjson/cJSON.h>
#include <libavutil/frame.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

/* ---- Keys ------------------------------------------------------------------------------------ */

static void test_keys_by_text(void **state)
{
    (void)state;
    assert_int_equal(keys_find_text(" ").command, COMMAND_PAUSE);
    assert_int_equal(keys_find_text("p").command, COMMAND_PAUSE);
    assert_int_equal(keys_find_text(".").command, COMMAND_STEP);
    assert_true(keys_find_text(".").amount == 1);
    assert_true(keys_find_text(",").amount == -1);
    assert_int_equal(keys_find_text("=").command, COMMAND_OPACITY);
    assert_int_equal(keys_find_text("s").command, COMMAND_SAVE);
    assert_int_equal(keys_find_text("S").command, COMMAND_SAVE_BARE);
    assert_int_equal(keys_find_text("?").command, COMMAND_KEYS);
    assert_int_equal(keys_find_text("q").command, COMMAND_QUIT);
    assert_int_equal(keys_find_text("Q").command, COMMAND_NONE);
    assert_int_equal(keys_find_text("").command, COMMAND_NONE);
    assert_int_equal(keys_find_text("pp").command, COMMAND_NONE);
}

static void test_keys_by_code(void **state)
{
    (void)state;
    assert_int_equal(keys_find_code(SDLK_LEFT, KMOD_NONE).command, COMMAND_SEEK_BY);
    assert_true(keys_find_code(SDLK_LEFT, KMOD_NONE).amount == -5);
    assert_true(keys_find_code(SDLK_LEFT, KMOD_LSHIFT).amount == -1);
    assert_true(keys_find_code(SDLK_RIGHT, KMOD_RSHIFT).amount == 1);
    assert_true(keys_find_code(SDLK_UP, KMOD_NONE).amount == 60);
    /* Locks are no modifiers. */
    assert_true(keys_find_code(SDLK_DOWN, KMOD_NUM | KMOD_CAPS).amount == -60);
    assert_int_equal(keys_find_code(SDLK_LEFT, KMOD_LCTRL).command, COMMAND_NONE);
    assert_int_equal(keys_find_code(SDLK_HOME, KMOD_NONE).command, COMMAND_FIRST);
    assert_int_equal(keys_find_code(SDLK_END, KMOD_NONE).command, COMMAND_LAST);
    assert_int_equal(keys_find_code(SDLK_ESCAPE, KMOD_NONE).command, COMMAND_LEAVE_FULLSCREEN);
    assert_int_equal(keys_find_code(SDLK_w, KMOD_LCTRL).command, COMMAND_QUIT);
    assert_int_equal(keys_find_code(SDLK_w, KMOD_NONE).command, COMMAND_NONE);
    /* Printing keys come as text, and must not count twice. */
    assert_int_equal(keys_find_code(SDLK_q, KMOD_NONE).command, COMMAND_NONE);
    assert_int_equal(keys_find_code(SDLK_SPACE, KMOD_NONE).command, COMMAND_NONE);
    assert_int_equal(keys_find_double_click().command, COMMAND_FULLSCREEN);
}

struct walk {
    int headings, commands;
    bool space, step, shift_left, quit, fullscreen;
};

static void visit(void *context, const char *names, const char *help)
{
    struct walk *walk = context;

    assert_true(strlen(help) > 0);
    if (!names) {
        walk->headings++;
        return;
    }
    walk->commands++;
    assert_true(strlen(names) > 0);
    walk->space |= strcmp(names, "Space or p") == 0;
    walk->step |= strcmp(names, ".") == 0;
    walk->shift_left |= strcmp(names, "Shift+Left") == 0;
    walk->quit |= strcmp(names, "q or Ctrl+w") == 0;
    walk->fullscreen |= strcmp(names, "f or double click") == 0;
}

static void test_keys_walk(void **state)
{
    struct walk walk = {0};

    (void)state;
    keys_walk(visit, &walk);
    assert_int_equal(walk.headings, 3);
    assert_true(walk.commands >= 20);
    assert_true(walk.space && walk.step && walk.shift_left && walk.quit && walk.fullscreen);
}

/* ---- Statistics ------------------------------------------------------------------------------ */

static cJSON *written(const struct statistics *statistics)
{
    const char *path = scratch_path("statistics.json");
    unsigned char *text;
    size_t length;
    VbpError error;
    cJSON *root;

    assert_int_equal(statistics_write(statistics, path, &error), VBP_OK);
    assert_int_equal(file_read(path, 1 << 20, &text, &length, &error), VBP_OK);
    root = cJSON_Parse((const char *)text);
    assert_non_null(root);
    free(text);
    return root;
}

static double number(const cJSON *object, const char *name)
{
    const cJSON *item = cJSON_GetObjectItemCaseSensitive(object, name);

    assert_true(cJSON_IsNumber(item));
    return item->valuedouble;
}

static void test_statistics(void **state)
{
    struct statistics statistics = {.frames_received = 12,
                                    .frames_shown = 9,
                                    .frames_dropped = 2,
                                    .seeks = 3,
                                    .damaged_packets = 4,
                                    .duration_s = 1.25};
    const cJSON *forward;
    cJSON *root;

    (void)state;
    for (int i = 100; i >= 0; i--)
        statistics_add(&statistics, STAGE_FORWARD, i);
    root = written(&statistics);
    assert_true(number(root, "frames_received") == 12);
    assert_true(number(root, "frames_shown") == 9);
    assert_true(number(root, "frames_dropped") == 2);
    assert_true(number(root, "seeks") == 3);
    assert_true(number(root, "damaged_packets") == 4);
    assert_true(number(root, "duration_s") == 1.25);
    forward = cJSON_GetObjectItemCaseSensitive(root, "forward_ms");
    assert_true(number(forward, "min") == 0);
    assert_true(number(forward, "median") == 50);
    assert_true(number(forward, "p99") == 99);
    assert_true(cJSON_IsNull(cJSON_GetObjectItemCaseSensitive(root, "mask_ms")));
    cJSON_Delete(root);
    statistics_free(&statistics);
}

/* However long a drive is: the newest samples count, and memory does not grow. */
static void test_statistics_of_a_long_drive(void **state)
{
    struct statistics statistics = {0};
    const cJSON *draw;
    cJSON *root;

    (void)state;
    for (int i = 0; i < SERIES_SAMPLES; i++)
        statistics_add(&statistics, STAGE_DRAW, 1000);
    for (int i = 0; i < SERIES_SAMPLES; i++)
        statistics_add(&statistics, STAGE_DRAW, 2);
    root = written(&statistics);
    draw = cJSON_GetObjectItemCaseSensitive(root, "draw_ms");
    assert_true(number(draw, "p99") == 2);
    cJSON_Delete(root);
    statistics_free(&statistics);
}

/* ---- Saved pictures -------------------------------------------------------------------------- */

static void test_clip_names(void **state)
{
    static const char *const names[][2] = {
        {"road.mp4", "road"},          {"drives/2017.05/road.mp4", "road"},
        {"/a/b/road.x.mkv", "road.x"}, {"folder/", "folder"},
        {".hidden", ".hidden"},        {"rtsp://host/cam?x=1&y=2", "cam_x_1_y_2"},
        {"/dev/video0", "video0"},     {"/", "_"},
        {"straße.mp4", "straße"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        char *name = snapshot_clip_name(names[i][0]);

        assert_non_null(name);
        assert_string_equal(name, names[i][1]);
        free(name);
    }
}

static void test_saving_overwrites_nothing(void **state)
{
    static const char *const expected[] = {"road-frame000123.png", "road-frame000123-2.png",
                                           "road-frame000123-3.png"};
    AVFrame *picture = av_frame_alloc();
    char before[4096], folder[4096];
    VbpError error = {0};

    (void)state;
    picture->format = AV_PIX_FMT_GRAY8;
    picture->width = picture->height = 16;
    assert_true(av_frame_get_buffer(picture, 0) >= 0);
    memset(picture->data[0], 100, (size_t)picture->linesize[0] * 16);
    strcpy(folder, scratch_path("saved"));
    assert_int_equal(file_make_folder(folder, &error), VBP_OK);
    assert_non_null(getcwd(before, sizeof(before)));
    assert_int_equal(chdir(folder), 0);
    for (int i = 0; i < 3; i++) {
        char *name;

        assert_int_equal(snapshot_save(picture, "x/road.mp4", 123, "", &name, &error), VBP_OK);
        assert_string_equal(name, expected[i]);
        assert_true(file_exists(name));
        free(name);
    }
    assert_int_equal(chdir(before), 0);
    av_frame_free(&picture);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_keys_by_text),
        cmocka_unit_test(test_keys_by_code),
        cmocka_unit_test(test_keys_walk),
        cmocka_unit_test(test_statistics),
        cmocka_unit_test(test_statistics_of_a_long_drive),
        cmocka_unit_test(test_clip_names),
        cmocka_unit_test(test_saving_overwrites_nothing),
    };

    return cmocka_run_group_tests(tests, scratch_setup, scratch_teardown);
}
