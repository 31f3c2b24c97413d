/* Writing that does not get to its end: nothing is left, or what is left plays. */
#include "../support/clip.h"
#include "../support/reading.h"
#include "base/file.h"
#include "media/ffmpeg.h"
#include "media/writer.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

/* The name of the partial file number `number` for `path`, which is in some folder. */
static void partial_name(char name[512], const char *path, int number)
{
    const char *slash = strrchr(path, '/');
    char tail[32] = "";

    if (number > 1)
        snprintf(tail, sizeof(tail), ".%d", number);
    snprintf(name, 512, "%.*s.%s%s.partial", (int)(slash - path) + 1, path, slash + 1, tail);
}

/* No partial files of the clip are in its folder. */
static void assert_no_leftovers(const char *path)
{
    for (int number = 1; number <= 3; number++) {
        char name[512];

        partial_name(name, path, number);
        assert_false(file_exists(name));
    }
}

static void expect_refusal(const char *path, struct writer_options options, int status,
                           const char *words)
{
    struct writer *writer;
    VbpError error = {0};
    int result = writer_open(&writer, path, &options, &error);

    if (result == VBP_OK)
        fail_msg("%s was opened", path);
    assert_null(writer);
    if (result != status || error.status != result || !strstr(error.message, path) ||
        !strstr(error.message, words))
        fail_msg("status %d (wanted %d): %s", result, status, error.message);
    assert_false(file_exists(path));
    assert_no_leftovers(path);
}

static void refuses_what_cannot_be_written(void **state)
{
    const struct writer_options plain = {
        .crf = -1, .width = 64, .height = 48, .format = AV_PIX_FMT_YUV420P, .time_base = {1, 25}};
    struct clip_options clip = {.path = clip_path("sound.mp4"), .frames = 20, .audio = true};
    struct writer_options options;

    (void)state;
    clip_make(&clip);
    expect_refusal(clip_path("clip.xyz"), plain, VBP_ERROR_UNSUPPORTED, "mp4");
    expect_refusal(clip_path("clip"), plain, VBP_ERROR_UNSUPPORTED, "ending");
    expect_refusal(clip_path("no/such/folder/clip.mp4"), plain, VBP_ERROR_IO, "No such file");
    expect_refusal(clip_path("sound.mp4/clip.mkv"), plain, VBP_ERROR_IO, "Not a directory");
    options = plain;
    options.codec = "libnonsense";
    expect_refusal(clip_path("clip.mp4"), options, VBP_ERROR_UNSUPPORTED, "libnonsense");
    options.codec = "libx264";
    expect_refusal(clip_path("clip.webm"), options, VBP_ERROR_UNSUPPORTED, "h264");
    options.preset = "no-such-preset";
    expect_refusal(clip_path("clip.mp4"), options, VBP_ERROR_ARGUMENT, "no-such-preset");
    options = plain;
    options.codec = "mpeg4";
    options.preset = "fast";
    expect_refusal(clip_path("clip.mp4"), options, VBP_ERROR_ARGUMENT, "preset");
    options = plain;
    options.audio_source = clip.path;
    expect_refusal(clip_path("clip.webm"), options, VBP_ERROR_UNSUPPORTED, "aac");
    options.audio_source = clip_path("nowhere.mp4");
    expect_refusal(clip_path("clip.mp4"), options, VBP_ERROR_IO, "");
}

static void refuses_a_folder(void **state)
{
    static const char *const names[] = {"folder.mp4", "folder"};
    const struct writer_options plain = {
        .crf = -1, .width = 64, .height = 48, .format = AV_PIX_FMT_YUV420P, .time_base = {1, 25}};

    (void)state;
    for (int i = 0; i < 2; i++) {
        const char *path = clip_path(names[i]);
        struct writer *writer;
        char expected[512];
        VbpError error;

        assert_int_equal(mkdir(path, 0700), 0);
        assert_int_equal(writer_open(&writer, path, &plain, &error), VBP_ERROR_IO);
        assert_null(writer);
        snprintf(expected, sizeof(expected), "cannot write %s: Is a directory", path);
        assert_string_equal(error.message, expected);
        assert_no_leftovers(path);
        assert_int_equal(rmdir(path), 0); /* empty, and still there */
    }
}

static AVFrame *numbered_picture(int number)
{
    AVFrame *picture = av_frame_alloc();

    assert_non_null(picture);
    picture->format = AV_PIX_FMT_YUV420P;
    picture->width = 128;
    picture->height = 96;
    assert_true(av_frame_get_buffer(picture, 0) >= 0);
    clip_draw(picture, number);
    picture->pts = number;
    return picture;
}

static const struct writer_options numbered_options = {.preset = "ultrafast",
                                                       .crf = 20,
                                                       .threads = 1,
                                                       .width = 128,
                                                       .height = 96,
                                                       .format = AV_PIX_FMT_YUV420P,
                                                       .time_base = {1, 25},
                                                       .frame_rate = {25, 1}};

static void refuses_pictures_that_do_not_fit(void **state)
{
    const char *path = clip_path("misfit.mp4");
    struct writer *writer;
    AVFrame *picture = numbered_picture(5);
    VbpError error;

    (void)state;
    assert_int_equal(writer_open(&writer, path, &numbered_options, &error), VBP_OK);
    assert_int_equal(writer_finish(writer, &error), VBP_ERROR_ARGUMENT); /* nothing in it */
    assert_int_equal(writer_write(writer, picture, &error), VBP_OK);
    assert_int_equal(writer_write(writer, picture, &error), VBP_ERROR_ARGUMENT);
    assert_non_null(strstr(error.message, "not later"));
    picture->pts = 6;
    picture->width = 64;
    assert_int_equal(writer_write(writer, picture, &error), VBP_ERROR_ARGUMENT);
    assert_int_equal(writer_frame_count(writer), 1);
    av_frame_free(&picture);
    writer_close(&writer);
    assert_false(file_exists(path));
    assert_no_leftovers(path);
}

static void leaves_only_the_clip(void **state)
{
    static const char *const names[] = {"done.mp4", "done.mov", "done.mkv"};

    (void)state;
    for (int n = 0; n < 3; n++) {
        const char *path = clip_path(names[n]);
        AVFrame *picture = numbered_picture(0);
        struct writer *writer;
        VbpError error;

        assert_int_equal(writer_open(&writer, path, &numbered_options, &error), VBP_OK);
        assert_int_equal(writer_write(writer, picture, &error), VBP_OK);
        assert_int_equal(writer_finish(writer, &error), VBP_OK);
        writer_close(&writer);
        av_frame_free(&picture);
        assert_true(file_exists(path));
        assert_no_leftovers(path);
    }
}

/* A file that happens to have a partial file's name stays, and so do two clips of one name. */
static void takes_no_file_that_is_there(void **state)
{
    static const char *const names[] = {"twice.mp4", "twice.mkv"};

    (void)state;
    for (int n = 0; n < 2; n++) {
        const char *path = clip_path(names[n]);
        struct writer *writers[2];
        unsigned char *bytes;
        char mine[512];
        size_t length;
        VbpError error;

        partial_name(mine, path, 1);
        reading_write_file(mine, "mine", 4);
        for (int i = 0; i < 2; i++)
            assert_int_equal(writer_open(&writers[i], path, &numbered_options, &error), VBP_OK);
        for (int i = 0; i < 2; i++) {
            for (int number = 7 * i; number < 7 * i + 7; number++) {
                AVFrame *picture = numbered_picture(number);

                assert_int_equal(writer_write(writers[i], picture, &error), VBP_OK);
                av_frame_free(&picture);
            }
        }
        for (int i = 0; i < 2; i++) {
            struct source *source;
            struct frame frame;

            assert_int_equal(writer_finish(writers[i], &error), VBP_OK);
            writer_close(&writers[i]);
            source = reading_open(path, &reading_sought);
            assert_int_equal(source_info(source)->frame_count, 7);
            reading_next(source, &frame);
            assert_int_equal(clip_number(frame.picture), 7 * i);
            frame_release(&frame);
            source_close(&source);
        }
        assert_int_equal(file_read(mine, 100, &bytes, &length, &error), VBP_OK);
        assert_int_equal(length, 4);
        assert_memory_equal(bytes, "mine", 4);
        free(bytes);
        unlink(mine);
        for (int number = 1; number <= 4; number++) {
            partial_name(mine, path, number);
            assert_false(file_exists(mine));
        }
    }
}

/* libx265 would say what it is made with, and how it fares, on the error output. */
static void encoders_do_not_print(void **state)
{
    const char *printed = clip_path("printed");
    struct writer_options options = numbered_options;
    int output = dup(STDERR_FILENO), file, result;
    struct writer *writer;
    unsigned char *bytes;
    size_t length;
    VbpError error;

    (void)state;
    options.codec = "libx265";
    file = open(printed, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    assert_true(output >= 0 && file >= 0);
    fflush(stderr);
    assert_int_equal(dup2(file, STDERR_FILENO), STDERR_FILENO);
    result = writer_open(&writer, clip_path("quiet.mkv"), &options, &error);
    for (int i = 0; i < 3 && result == VBP_OK; i++) {
        AVFrame *picture = numbered_picture(i);

        result = writer_write(writer, picture, &error);
        av_frame_free(&picture);
    }
    if (result == VBP_OK)
        result = writer_finish(writer, &error);
    writer_close(&writer);
    fflush(stderr);
    dup2(output, STDERR_FILENO);
    close(output);
    close(file);
    assert_int_equal(result, VBP_OK);
    assert_int_equal(file_read(printed, 100000, &bytes, &length, &error), VBP_OK);
    if (length > 0)
        fail_msg("%s", (const char *)bytes);
    free(bytes);
}

/* A file may not grow beyond a limit, as on a full disk; the limit hits each step in turn. */
static void reports_a_full_disk(void **state)
{
    static const char *const names[] = {"full.mp4", "full.mkv"};
    struct rlimit unlimited, limited;
    void (*handler)(int);

    (void)state;
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &unlimited), 0);
    handler = signal(SIGXFSZ, SIG_IGN);
    for (int n = 0; n < 2; n++) {
        for (rlim_t limit = 0; limit < 60000; limit += 7000) {
            const char *path = clip_path(names[n]);
            struct writer *writer;
            VbpError error = {0};
            int result;

            limited = unlimited;
            limited.rlim_cur = limit;
            assert_int_equal(setrlimit(RLIMIT_FSIZE, &limited), 0);
            result = writer_open(&writer, path, &numbered_options, &error);
            for (int i = 0; i < 400 && result == VBP_OK; i++) {
                AVFrame *picture = numbered_picture(i);

                result = writer_write(writer, picture, &error);
                av_frame_free(&picture);
            }
            if (result == VBP_OK)
                result = writer_finish(writer, &error);
            assert_int_equal(setrlimit(RLIMIT_FSIZE, &unlimited), 0);
            writer_close(&writer);
            assert_int_equal(result, VBP_ERROR_IO);
            assert_int_equal(error.status, result);
            assert_non_null(strstr(error.message, path));
            assert_non_null(strstr(error.message, "File too large"));
            assert_false(file_exists(path));
            assert_no_leftovers(path);
        }
    }
    signal(SIGXFSZ, handler);
}

/* A writer that is killed leaves its partial file, which plays, and nothing under the final name.
 */
static void survives_being_killed(void **state)
{
    static const char *const names[] = {"killed.mp4", "killed.mkv"};

    (void)state;
    for (int n = 0; n < 2; n++) {
        struct clip_options clip = {.path = clip_path("sound.mp4"), .frames = 250, .audio = true};
        const char *path = clip_path(names[n]);
        char partial[512];
        struct source *source;
        struct frame frame;
        VbpError error;
        pid_t child;
        int status, frames = 0;

        clip_make(&clip);
        partial_name(partial, path, 1);
        child = fork();
        assert_true(child >= 0);
        if (child == 0) {
            struct writer_options options = numbered_options;
            struct writer *writer;

            options.audio_source = clip.path;
            options.audio_end = -1;
            if (writer_open(&writer, path, &options, &error) != VBP_OK)
                _exit(1);
            for (int i = 0; i < 200; i++) {
                AVFrame *picture = numbered_picture(i);

                if (writer_write(writer, picture, &error) != VBP_OK)
                    _exit(1);
                av_frame_free(&picture);
            }
            kill(getpid(), SIGKILL);
        }
        assert_int_equal(waitpid(child, &status, 0), child);
        assert_true(WIFSIGNALED(status));
        assert_int_equal(WTERMSIG(status), SIGKILL);
        assert_false(file_exists(path));
        source = reading_open(partial, &reading_sought);
        assert_true(source_info(source)->has_audio);
        while (source_read(source, &frame, &error) == SOURCE_FRAME) {
            assert_int_equal(clip_number(frame.picture), frames);
            frames++;
            frame_release(&frame);
        }
        /* All but the last second, and what the encoder looks ahead (none in this preset). */
        assert_in_range(frames, 170, 200);
        source_close(&source);
        unlink(partial);
    }
}

static int clean_up(void **state)
{
    (void)state;
    clip_folder_remove();
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(refuses_what_cannot_be_written),
        cmocka_unit_test(refuses_a_folder),
        cmocka_unit_test(refuses_pictures_that_do_not_fit),
        cmocka_unit_test(leaves_only_the_clip),
        cmocka_unit_test(takes_no_file_that_is_there),
        cmocka_unit_test(encoders_do_not_print),
        cmocka_unit_test(reports_a_full_disk),
        cmocka_unit_test(survives_being_killed),
    };

    media_quiet_ffmpeg();
    return cmocka_run_group_tests(tests, NULL, clean_up);
}
