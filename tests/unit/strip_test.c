/* The film strip of a run: what is saved comes back, and nothing else does. */
#include "train/strip.h"

#include "base/file.h"
#include "support/drive.h"
#include "support/scratch.h"
#include "train/network.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const struct strip_options plain = {.average = VBP_AVERAGE_POSITIVE};

static struct strip *make(const struct strip_options *options, int height)
{
    struct preprocess_settings settings = drive_plain_options().settings;
    struct split split = {.training = drive_all, .training_count = DRIVE_SAMPLES};
    struct strip *strip;
    VbpError error;

    settings.height = height;
    if (strip_create(&strip, &drive, &split, &settings, options, &error) != VBP_OK)
        fail_msg("%s", error.message);
    return strip;
}

/* Columns as two networks make them. */
static void add_columns(struct strip *strip)
{
    static const char text[] =
        "{\"input\": [3, 8, 10], \"layers\": [{\"conv\": 2}, {\"dense\": 3}]}";
    const char *path = scratch_write("net.json", text, sizeof(text) - 1);

    for (uint64_t seed = 0; seed < 2; seed++) {
        struct graph *graph;
        VbpError error;

        assert_int_equal(network_build(&graph, path, seed, &error), VBP_OK);
        if (strip_add(strip, (double)seed / 10, graph, &error) != VBP_OK)
            fail_msg("%s", error.message);
        graph_destroy(&graph);
    }
}

static unsigned char *save(const struct strip *strip, size_t *length)
{
    unsigned char *bytes;

    assert_int_equal(strip_save(strip, &bytes, length, NULL), VBP_OK);
    return bytes;
}

static void saved_columns_come_back(void **state)
{
    struct strip *strip = make(&plain, 8), *other = make(&plain, 8);
    const char *names[] = {"strip.png", "frame_1_epoch_0.png", "frame_6_epoch_0.1.png"};
    unsigned char *bytes, *again;
    size_t length, length_again;
    char folders[2][256];

    (void)state;
    add_columns(strip);
    bytes = save(strip, &length);
    assert_int_equal(strip_restore(other, bytes, length, NULL), VBP_OK);
    again = save(other, &length_again);
    assert_int_equal(length, length_again);
    assert_memory_equal(bytes, again, length);
    free(bytes);
    free(again);
    snprintf(folders[0], sizeof(folders[0]), "%s", scratch_path("one"));
    snprintf(folders[1], sizeof(folders[1]), "%s", scratch_path("other"));
    assert_int_equal(strip_write(strip, folders[0], NULL), VBP_OK);
    assert_int_equal(strip_write(other, folders[1], NULL), VBP_OK);
    for (int i = 0; i < 3; i++) {
        char path[512];

        snprintf(path, sizeof(path), "%s/%s", folders[0], names[i]);
        assert_int_equal(file_read(path, 1 << 24, &bytes, &length, NULL), VBP_OK);
        snprintf(path, sizeof(path), "%s/%s", folders[1], names[i]);
        assert_int_equal(file_read(path, 1 << 24, &again, &length_again, NULL), VBP_OK);
        assert_int_equal(length, length_again);
        assert_memory_equal(bytes, again, length);
        free(bytes);
        free(again);
    }
    strip_destroy(&strip);
    strip_destroy(&other);
}

static void refuse(const struct strip_options *options, int height, const unsigned char *bytes,
                   size_t length, int status)
{
    struct strip *strip = make(options, height);
    VbpError error;

    assert_int_equal(strip_restore(strip, bytes, length, &error), status);
    assert_non_null(strstr(error.message, "masks of before"));
    strip_destroy(&strip);
}

static void other_columns_are_refused(void **state)
{
    static const struct strip_options even = {.average = VBP_AVERAGE_POSITIVE, .even = true};
    static const struct strip_options absolute = {.average = VBP_AVERAGE_ABSOLUTE};
    struct strip *strip = make(&plain, 8);
    int32_t moments = 1000;
    unsigned char *bytes;
    size_t length;

    (void)state;
    add_columns(strip);
    bytes = save(strip, &length);
    strip_destroy(&strip);
    refuse(&even, 8, bytes, length, VBP_ERROR_ARGUMENT);
    refuse(&absolute, 8, bytes, length, VBP_ERROR_ARGUMENT);
    refuse(&plain, 9, bytes, length, VBP_ERROR_ARGUMENT);
    refuse(&plain, 8, bytes, 3, VBP_ERROR_FORMAT);
    refuse(&plain, 8, bytes, length - 1, VBP_ERROR_FORMAT);
    memcpy(bytes + 12, &moments, sizeof(moments));
    refuse(&plain, 8, bytes, length, VBP_ERROR_FORMAT);
    moments = -1;
    memcpy(bytes + 12, &moments, sizeof(moments));
    refuse(&plain, 8, bytes, length, VBP_ERROR_FORMAT);
    moments = 64;
    memcpy(bytes + 12, &moments, sizeof(moments));
    refuse(&plain, 8, bytes, length, VBP_ERROR_FORMAT);
    free(bytes);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(saved_columns_come_back),
        cmocka_unit_test(other_columns_are_refused),
    };

    return cmocka_run_group_tests(tests, drive_setup, drive_teardown);
}
