/* Sources that are damaged, are none at all, or do not answer. */
#include "../support/clip.h"
#include "../support/reading.h"
#include "base/file.h"
#include "media/ffmpeg.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <netinet/in.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

/* ---- Damage ---------------------------------------------------------------------------------- */

static void plays_on_after_damage(void **state)
{
    struct clip_options clip = {.path = clip_path("whole.mp4"), .frames = 100, .b_frames = 2};
    const char *damaged = clip_path("damaged.mp4");
    const struct source_options *options[] = {&reading_straight, &reading_sought};
    unsigned char *bytes;
    size_t length;

    (void)state;
    clip_make(&clip);
    assert_int_equal(file_read(clip.path, 1 << 24, &bytes, &length, NULL), VBP_OK);
    for (size_t i = length * 4 / 10; i < length / 2; i += 37)
        bytes[i] ^= 0xff;
    reading_write_file(damaged, bytes, length);
    free(bytes);
    for (int i = 0; i < 2; i++) {
        struct source *source = reading_open(damaged, options[i]);
        struct source_damage damage;
        struct frame frame;
        int64_t last = -1;
        int frames = 0, right = 0;

        for (;;) {
            int result = source_read(source, &frame, NULL);

            if (result == SOURCE_END)
                break;
            assert_int_equal(result, SOURCE_FRAME);
            assert_true(frame.number > last);
            last = frame.number;
            frames++;
            right += clip_number(frame.picture) == frame.number;
            frame_release(&frame);
        }
        damage = source_damage(source);
        assert_true(damage.packets + damage.frames > 0);
        assert_true(frames >= 70);
        if (options[i]->random_access) {
            VbpError error;

            assert_int_equal(source_info(source)->frame_count, 100);
            assert_int_equal(last, 99);
            assert_true(right >= 70);
            /* Behind the damage all is as if there were none. */
            assert_int_equal(source_seek_number(source, 90, &error), VBP_OK);
            reading_next(source, &frame);
            assert_int_equal(frame.number, 90);
            assert_int_equal(clip_number(frame.picture), 90);
            frame_release(&frame);
            /* In it every seek gives something near. */
            for (int n = 30; n < 60; n++) {
                assert_int_equal(source_seek_number(source, n, &error), VBP_OK);
                reading_next(source, &frame);
                assert_in_range(frame.number, n - 15, n);
                frame_release(&frame);
            }
        }
        source_close(&source);
    }
}

static void reads_what_is_left_of_a_truncated_file(void **state)
{
    struct clip_options clip = {.path = clip_path("whole.mkv"), .frames = 100};
    const char *cut = clip_path("cut.mkv");
    struct source *source;
    struct frame frame;
    unsigned char *bytes;
    size_t length;
    VbpError error;
    int frames = 0;

    (void)state;
    clip_make(&clip);
    assert_int_equal(file_read(clip.path, 1 << 24, &bytes, &length, NULL), VBP_OK);
    reading_write_file(cut, bytes, length * 6 / 10);
    source = reading_open(cut, &reading_sought);
    while (source_read(source, &frame, &error) == SOURCE_FRAME) {
        if (frames < 40)
            assert_int_equal(clip_number(frame.picture), frames);
        frames++;
        frame_release(&frame);
    }
    assert_in_range(frames, 40, 80);
    assert_int_equal(source_seek_time(source, 100, &error), VBP_OK);
    reading_next(source, &frame);
    assert_int_equal(frame.number, frames - 1);
    frame_release(&frame);
    source_close(&source);
    /* Too little for a picture, but enough to know the format. */
    reading_write_file(cut, bytes, 700);
    free(bytes);
    assert_true(source_open(&source, cut, &reading_sought, &error) < 0);
    assert_null(source);
    assert_ptr_equal(strstr(error.message, cut), error.message);
}

/* ---- Refusals -------------------------------------------------------------------------------- */

static void refuses_what_is_no_source(void **state)
{
    static const char text[] =
        "# A title\n\nSome *words*\nframe,steering\n0,0.5\n1,0.25\nThe quick brown fox.\n";
    static const char *const endings[] = {"text.txt", "text.mp4", "text.csv", "text.jpg",
                                          "text.nfo", "text.md",  "text"};
    const char *empty = clip_path("empty.mp4"), *audio = clip_path("audio.wav");
    unsigned char wave[44 + 8000] = "RIFF\x64\x1f\0\0WAVEfmt \x10\0\0\0\1\0\1\0\x40\x1f\0\0"
                                    "\x40\x1f\0\0\1\0\x08\0data\x40\x1f\0";

    (void)state;
    reading_expect_refusal(clip_path("nowhere.mp4"), VBP_ERROR_IO, "No such file");
    reading_expect_refusal(clip_path("nowhere.npy"), VBP_ERROR_IO, "No such file");
    reading_expect_refusal("/proc/self/fdinfo", VBP_ERROR_FORMAT, "no pictures");
    reading_write_file(empty, "", 0);
    reading_expect_refusal(empty, VBP_ERROR_FORMAT, "empty");
    for (size_t i = 0; i < sizeof(endings) / sizeof(endings[0]); i++) {
        reading_write_file(clip_path(endings[i]), text, sizeof(text) - 1);
        reading_expect_refusal(clip_path(endings[i]), VBP_ERROR_FORMAT, ": ");
    }
    reading_write_file(audio, wave, sizeof(wave));
    reading_expect_refusal(audio, VBP_ERROR_FORMAT, "has no video");
}

/* ---- Interruption ---------------------------------------------------------------------------- */

static void *interrupt_soon(void *source)
{
    usleep(100000); /* most probably it waits by now; the test holds also if not */
    source_interrupt(source);
    return NULL;
}

/* A pipe can be read once, from its first byte on. */
static void reads_a_pipe(void **state)
{
    struct clip_options clip = {.path = clip_path("whole.mkv"), .frames = 30};
    const char *pipe_path = clip_path("pipe");
    struct source *source;
    struct frame frame;
    VbpError error;
    pid_t child;
    int status;

    (void)state;
    clip_make(&clip);
    assert_int_equal(mkfifo(pipe_path, 0600), 0);
    child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        unsigned char *bytes;
        size_t length;
        FILE *stream;

        if (file_read(clip.path, 1 << 24, &bytes, &length, NULL) != VBP_OK)
            _exit(1);
        stream = fopen(pipe_path, "wb");
        _exit(!stream || fwrite(bytes, 1, length, stream) != length || fclose(stream) != 0);
    }
    source = reading_open(pipe_path, &reading_sought);
    assert_false(source_info(source)->seekable);
    for (int i = 0; i < 30; i++) {
        reading_next(source, &frame);
        assert_int_equal(frame.number, i);
        assert_int_equal(clip_number(frame.picture), i);
        frame_release(&frame);
    }
    reading_assert_end(source);
    assert_int_equal(source_seek_time(source, 0, &error), VBP_ERROR_UNSUPPORTED);
    source_close(&source);
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
}

/* A server that sends the start of a clip and then nothing. */
static void can_be_interrupted(void **state)
{
    struct clip_options clip = {.path = clip_path("stalls.ts"), .frames = 200};
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t address_length = sizeof(address);
    int listener = socket(AF_INET, SOCK_STREAM, 0);
    pid_t server;
    struct source *source;
    struct frame frame;
    unsigned char *bytes;
    size_t length;
    VbpError error;
    pthread_t thread;
    char url[64];
    int result;

    (void)state;
    clip_make(&clip);
    assert_int_equal(file_read(clip.path, 1 << 24, &bytes, &length, NULL), VBP_OK);
    assert_true(listener >= 0);
    assert_int_equal(bind(listener, (struct sockaddr *)&address, sizeof(address)), 0);
    assert_int_equal(listen(listener, 1), 0);
    assert_int_equal(getsockname(listener, (struct sockaddr *)&address, &address_length), 0);
    snprintf(url, sizeof(url), "tcp://127.0.0.1:%d", ntohs(address.sin_port));
    server = fork();
    if (server == 0) {
        int client = accept(listener, NULL, NULL);

        if (write(client, bytes, length) != (ssize_t)length)
            _exit(1);
        pause();
        _exit(0);
    }
    free(bytes);
    source = reading_open(url, &reading_straight);
    assert_false(source_info(source)->seekable);
    assert_int_equal(source_seek_number(source, 0, &error), VBP_ERROR_UNSUPPORTED);
    assert_int_equal(pthread_create(&thread, NULL, interrupt_soon, source), 0);
    while ((result = source_read(source, &frame, &error)) == SOURCE_FRAME)
        frame_release(&frame);
    assert_int_equal(result, VBP_ERROR_CANCELLED);
    assert_int_equal(source_read(source, &frame, &error), VBP_ERROR_CANCELLED);
    pthread_join(thread, NULL);
    source_close(&source);
    close(listener);
    kill(server, SIGKILL);
    waitpid(server, NULL, 0);
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
        cmocka_unit_test(plays_on_after_damage),
        cmocka_unit_test(reads_what_is_left_of_a_truncated_file),
        cmocka_unit_test(refuses_what_is_no_source),
        cmocka_unit_test(reads_a_pipe),
        cmocka_unit_test(can_be_interrupted),
    };

    media_quiet_ffmpeg();
    return cmocka_run_group_tests(tests, NULL, clean_up);
}
